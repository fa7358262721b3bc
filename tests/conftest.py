import json
import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

root = Path(__file__).parent.parent
notebook_names = ['00_data', '01_manual_sgd', '02_linear', '03_relu_net', '04_resnet18']


def cells(name): return json.loads((root/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
def source(cell): return ''.join(cell['source'])
def code_cells(name): return [o for o in cells(name) if o['cell_type'] == 'code']
def outputs(name): return [o for c in code_cells(name) for o in c['outputs']]
def markdown(name): return '\n'.join(source(c) for c in cells(name) if c['cell_type'] == 'markdown')


def need(tool):
    "The path of a program that a test cannot do without. Without it the test is skipped, but on the CI's Linux it fails: there `.ci/run` installs all of them."
    path = shutil.which(tool)
    if not path: (pytest.fail if os.environ.get('CI') and sys.platform == 'linux' else pytest.skip)(f'{tool} is not installed')
    return path


@pytest.fixture(scope='session')
def settings():
    "The metadata in settings.ini"
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(root/'settings.ini', encoding='utf-8')
    return config['DEFAULT']


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
