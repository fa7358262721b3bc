"Every notebook with its exercises solved and each of its cells run twice; see twice.py"
import os
import re
import subprocess
import sys

import pytest
from conftest import code_cells, notebook_names, root, source
from test_exercises import exercises
from twice import solved


@pytest.mark.parametrize('name', notebook_names)
def test_with_exercises_solved_and_each_cell_twice(name, tmp_path):
    "The short version, which ends epochs early; `python tests/twice.py` has the long one"
    command = [sys.executable, root/'tests'/'twice.py', name, '--short']
    env = {**os.environ, 'MPLBACKEND': 'agg', 'OMP_NUM_THREADS': '1'}      # small tensors gain nothing by a second
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f'{name}: {len(code_cells(name))} cells, each 2 times'


@pytest.mark.parametrize('name', notebook_names)
def test_every_exercise_is_solved(name):
    changed = [new for new, old in zip(solved(name), code_cells(name), strict=True) if new != source(old)]
    assert len(changed) == len(exercises(name)) == 5
    assert not [o for o in changed if re.search(r'= \.\.\.|return \.\.\.', o)]
