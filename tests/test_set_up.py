"The first cell of each notebook where the package is not installed and cannot be fetched: one sentence"
import os
import subprocess
import venv

import pytest
from conftest import cannot, code_cells, network_apart, source

set_up = source(code_cells('00_data')[0])
said = 'Not fetched: that needs pip, git, a network and a virtual environment. See README.'


def run(folder, *before, with_pip=True, **env):
    "What the cell prints in a new environment, and what went wrong; it ends where it needs what was not fetched"
    venv.create(folder, with_pip=with_pip)
    python = folder/('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    env = {**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1', **env}
    done = subprocess.run([*before, python, '-c', set_up], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and 'ModuleNotFoundError' in done.stderr.splitlines()[-1], done.stderr
    return done.stdout.splitlines()[-1], done.stderr


@pytest.mark.parametrize('with_pip, why', [(False, 'No module named pip'), (True, 'git')])
def test_without_pip_or_git(with_pip, why, tmp_path):
    out, err = run(tmp_path/'venv', with_pip=with_pip, PATH='')
    assert out == said and why in err


def test_in_an_externally_managed_environment(tmp_path):
    "Where pip refuses, as with Debian's own Python. pip finds a mark beside the standard library, and no environment."
    (tmp_path/'stdlib').mkdir()
    (tmp_path/'stdlib'/'EXTERNALLY-MANAGED').write_text('[externally-managed]\nError=use apt\n')
    (tmp_path/'sitecustomize.py').write_text(
        'import sys, sysconfig\n'
        'sys.base_prefix, path = sys.prefix, sysconfig.get_path\n'
        f'sysconfig.get_path = lambda name, *a, **k: {str(tmp_path/"stdlib")!r} if name == "stdlib" else '
        'path(name, *a, **k)\n')
    out, err = run(tmp_path/'venv', PYTHONPATH=str(tmp_path))
    assert out == said and 'externally-managed-environment' in err and 'use apt' in err


def test_without_a_network(tmp_path):
    if not (apart := network_apart()): cannot('unshare --net does not work here')
    assert run(tmp_path/'venv', *apart)[0] == said
