"Python files are as ruff.toml says, and it leaves out exactly what is exported"
import subprocess
import sys

import pytest
from conftest import exported, root


def test_ruff_has_nothing_to_say():
    check = [sys.executable, '-m', 'ruff', 'check', '--no-cache', '--output-format', 'concise']
    done = subprocess.run([*check, 'mnist_stages', 'tests', 'nbs/_site'], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_is_exported_is_left_out():
    tomllib = pytest.importorskip('tomllib', reason='from Python 3.11 on')
    left_out = tomllib.loads((root/'ruff.toml').read_text(encoding='utf-8'))['extend-exclude']
    assert sorted(left_out) == sorted(['*.ipynb', *(f'mnist_stages/{o}.py' for o in exported)])
