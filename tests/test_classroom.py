"What README tells teachers: its command shows the verdict of every check of a returned notebook"
import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import root, source
from test_exercises import exercises, sections, solutions, wrong


def test_the_command_for_returned_notebooks_shows_every_verdict(tmp_path):
    [command] = [o.strip() for o in (root/'README.md').read_text(encoding='utf-8').splitlines() if o.startswith('    jupyter nbconvert')]
    filled_in = {'2.1': solutions('02_linear')['2.1'][0], '2.3': 'sevens_first = 1/0', '2.4': wrong['2.4'][0], '2.5': 'def momentum_step(params, velocities, lr, mom: return'}     # 2.2 is left alone
    returned = [*sections('02_linear')['']]
    for number, (lead_in, to_fill_in, check) in exercises('02_linear').items():
        returned += [lead_in, {**to_fill_in, 'source': filled_in.get(number, source(to_fill_in))}, {**check, 'outputs': []}]
    empty = json.loads((root/'nbs'/'02_linear.ipynb').read_text(encoding='utf-8'))
    (tmp_path/'returned.ipynb').write_text(json.dumps({**empty, 'cells': returned}), encoding='utf-8')
    env = os.environ | {'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}', 'FASTAI_HOME': str(tmp_path/'fastai')}
    done = subprocess.run(['bash', '-c', command], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [o.strip() for o in done.stdout.splitlines()]
    assert [o.split(':')[0] for o in said] == ['### Exercise 2.1', 'Right!', '### Exercise 2.2', 'Not filled in yet', '### Exercise 2.3', '### Exercise 2.4', 'Not yet', '### Exercise 2.5', 'Not yet']
