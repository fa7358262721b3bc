"The benchmarks start, understand their options, and give finite ratios; plain `pytest` does not run them"
import json
import math
import os
import subprocess
import sys

import pytest
from conftest import root

folder = root/'tests'/'benchmarks'
sys.path.append(str(folder))
import run  # noqa: E402


def bench(*args, **kwargs):
    return subprocess.run([sys.executable, folder/'run.py', *map(str, args)], capture_output=True, text=True, **kwargs)


def test_the_runner_gives_ratios(tmp_path):
    done = bench('--only', 'optimiser', '--json', 'figures.json', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path/'figures.json').read_text())['rows']
    assert {(o['what'], o['other_name']) for o in rows} == {
        ('SGD step, fused', 'not fused'), ('Adam step, fused', 'not fused'),
        ('Adam step, fused', "fastai's, as published")}
    for o in rows:
        assert len(o['ours']) == len(o['other']) >= 20
        assert 0 < o['ratio_of_medians'] < math.inf and o['what'] in done.stdout
    assert f'torch {run.version("torch")}' in done.stdout
    assert [o.name for o in tmp_path.iterdir()] == ['figures.json']


def test_ratios_by_hand():
    report = [{'group': 'g', 'params': {'name': name}, 'extra_info': info, 'stats': {'data': data}}
              for name, info, data in [('ours', {}, [1, 3]), ('other', {}, [4, 8]), ('ours', {}, [2])]]
    [row] = run.timing_rows(report)
    assert (row.ours, row.other, row.ratios) == ([1, 3, 2], [4, 8], [2/6, 1/4])
    for o in report: o['extra_info']['images'] = 24
    [row] = run.timing_rows(report)
    assert (row.unit, row.figures(row.ours), row.ratios) == ('images/s', (12, 24), [12/4.5, 24/6])
    assert '12 images/s (24 images/s)' in run.table([row]) and '2.67× (4×)' in run.table([row])


def test_an_epoch_from_its_first_batches():
    o = {'seconds': 10, 'train': [4, 1, 1], 'valid': [2, .5], 'n_train': 103, 'n_valid': 6}
    assert run.whole_epoch(o) == 10 + 100*1 + 4*.5
    assert run.whole_epoch({**o, 'valid': [], 'n_valid': 0}) == 10 + 100*1
    with pytest.raises(ValueError): run.whole_epoch({**o, 'valid': []})


def test_whole_epochs_by_hand():
    def test(name, seconds, step, bs, accuracy):
        info = {'seconds': seconds, 'train': [step]*7, 'valid': [1, 1], 'bs': bs, 'accuracy': accuracy}
        return {'params': {'name': name}, 'extra_info': info}
    three = [test('ours', 20, 1, 128, .99), test('published', 40, 2, 64, .98), test('ours', 24, 1, 128, .992)]
    rows = run.training_rows(three, whole=True)
    expected = [('s', 4, 2), ('s', 4, 2), ('s', 2, 1), ('s', 2, 1), ('%', 2, 1)]
    assert [(o.unit, len(o.ours), len(o.other)) for o in rows] == expected
    assert [o.ratios for o in rows[:4]] == [[.5, .5], [.25, .25], [22/40, 20/40], [.5, .5]]
    assert rows[4].figures(rows[4].ours) == (pytest.approx(99.1), 99.2)


def test_a_ratio_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match='not finite'): run.as_dict(run.Row('x', 's', [1.], 'y', [math.inf, math.nan]))


@pytest.mark.parametrize('args', [
    ['--only', 'spam'], ['--only'], ['--json', 'no/such/folder.json'], ['--quick', '--only', 'epoch'], ['--spam']])
def test_mistakes_exit_2(args, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, 'rows_of', lambda *args: pytest.fail('measuring began'))
    with pytest.raises(SystemExit, match='2'): run.main(args)
    assert 'usage:' in capsys.readouterr().err


def test_quick_is_all_but_whole_epochs():
    assert run.parse([]).only == run.groups
    assert run.parse(['--quick']).only == [o for o in run.groups if o != 'epoch']
    for o in run.groups: assert o == 'memory' or (folder/f'bench_{o}.py').exists()


def test_pytest_collects_none_of_them_by_itself():
    collect = [sys.executable, '-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider', folder]
    done = subprocess.run(collect, cwd=root, capture_output=True, text=True)
    assert 'no tests collected' in done.stdout


def test_a_clock_stops_an_epoch_early():
    "What the training benchmarks rest on, in a process of its own: it keeps fastai from the GPU"
    code = ("from pipelines import fit; o = fit('ours', 3, 2); print(len(o['train']), len(o['valid']), o['n_train'], "
            "o['n_valid'], o['bs'], min(o['train']) > 0, sum(o['train'] + o['valid']) < o['seconds'])")
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(folder), os.environ.get('PYTHONPATH', '')])}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    assert done.stdout.split() == '3 0 468 0 128 True True'.split(), done.stderr
