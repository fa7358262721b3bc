"What the tests share; what scripts share with them is in checkout.py"
import os
import re
import shutil
import subprocess
import sys

import pytest
from checkout import cells, code_cells, notebook_names, read_settings, root, source  # noqa: F401   tests import them from here


def is_exported(cell): return bool(re.search(r'^#\| *exporti?\b', source(cell), flags=re.M))
def outputs(name): return [o for c in code_cells(name) for o in c['outputs']]
def markdown(name): return '\n'.join(source(c) for c in cells(name) if c['cell_type'] == 'markdown')


# In the package

package = root/'mnist_stages'
lessons = [o.split('_', 1)[1] for o in notebook_names]
exported = ['_modidx', *lessons]


def module_name(path): return '.'.join(path.relative_to(root).with_suffix('').parts).removesuffix('.__init__')


#: Every module by its name, such as 'mnist_stages.tools.check', and its file
modules = {module_name(o): o for o in sorted(package.rglob('*.py'))}


# What a machine may lack

on_ci = bool(os.environ.get('CI')) and sys.platform == 'linux'


def cannot(reason):
    "Skip a test that this machine cannot run. The CI's Linux can run all of them as root, so there it fails."
    (pytest.fail if on_ci and os.geteuid() == 0 else pytest.skip)(reason)


def need(tool):
    """The path of a program that a test cannot do without.

    Without it the test is skipped, but on the CI's Linux it fails: there `.ci/run` installs all of them.
    """
    path = shutil.which(tool)
    if not path: (pytest.fail if on_ci else pytest.skip)(f'{tool} is not installed')
    return path


def network_apart():
    "What to put before a command so that it has no network at all; nothing where that does not work"
    apart = ['unshare', '--net', '--map-root-user']
    if shutil.which('unshare') and not subprocess.run([*apart, 'true'], capture_output=True).returncode: return apart
    if on_ci and os.geteuid() == 0: pytest.fail('unshare --net does not work here')
    return []


# Processes

@pytest.fixture(scope='session')
def settings():
    "The metadata in settings.ini"
    return read_settings()


@pytest.fixture
def python(tmp_path):
    "Run Python code in a process of its own, away from the checkout and with an empty fastai cache"
    def run(code, **env):
        env = {**os.environ, 'FASTAI_HOME': str(tmp_path/'fastai'), **env}
        return subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True)
    return run


# Prepended to code that must not reach the network: every attempt to connect fails at once.
no_network = '''
import socket
def refuse(*args, **kwargs): raise OSError('this test allows no network')
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
'''
