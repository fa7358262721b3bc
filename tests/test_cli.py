"The command `mnist_stages`, as a terminal sees it"
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import root

from mnist_stages.data import stage_pixel_similarity
from mnist_stages.resnet18 import main

command = [str(Path(sys.executable).with_name('mnist_stages'))]


@pytest.fixture
def run(tmp_path):
    def _run(*args): return subprocess.run(command + list(args), cwd=tmp_path, capture_output=True, text=True)
    return _run


def test_table_and_picture(run, tmp_path):
    done = run('--stages', '0', '2')
    assert done.returncode == 0, done.stderr
    header, *rows = [o.split() for o in done.stdout.splitlines()[1:4]]
    assert header == 'stage approach digits parameters epochs accuracy seconds'.split()
    assert [o[0] for o in rows] == ['0', '2']
    assert (tmp_path/'mnist_stages.png').read_bytes().startswith(b'\x89PNG')
    assert [o.name for o in tmp_path.iterdir()] == ['mnist_stages.png']
    assert 'stage 2' in done.stderr and 'Warning' not in done.stderr


def test_json_is_the_only_thing_on_standard_output(run, tmp_path):
    done = run('--stages', '2', '0', '--json', '--seed', '3', '--device', 'cpu', '--out', 'curves.svg')
    result = json.loads(done.stdout)
    assert done.stdout.count('\n') == 1
    assert (result['seed'], result['device'], [o['stage'] for o in result['stages']]) == (3, 'cpu', [2, 0])
    linear = result['stages'][0]
    assert len(linear['accuracies']) == len(linear['images_seen']) == linear['epochs'] == 10
    assert linear['accuracies'][-1] == linear['accuracy'] >= .978
    assert '<svg' in (tmp_path/'curves.svg').read_text()


def test_same_seed_same_result(run):
    first, second = (json.loads(run('--stages', '1', '--seed', '7', '--json').stdout)['stages'][0] for _ in range(2))
    assert first['accuracies'] == second['accuracies']


@pytest.mark.parametrize('args, expected', [
    (['--stages', '5'], "there is no stage '5'"), (['--stages'], 'expected at least one argument'), (['--stages', '1', 'two'], "there is no stage 'two'"),
    (['--device', 'abacus'], '--device abacus'), (['--device', 'cuda:99'], '--device cuda:99'), (['--device', ''], '--device'),
    (['--out', 'missing/x.png'], 'cannot write into the folder missing'), (['--out', '.'], '--out .'), (['--out', 'folder.png'], 'is a folder'), (['--out', 'x.exe'], '.png'),
    (['--seed', '-1'], "'-1'"), (['--seed', '4294967296'], "'4294967296'"), (['--seed', '1.5'], "'1.5'"), (['--epochs', '0'], "'0'"), (['--epochs', 'all'], "'all'"), (['--spam'], '--spam')])
def test_a_mistake_is_one_line_and_exit_2(args, expected, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path/'folder.png').mkdir()
    monkeypatch.setattr('mnist_stages.resnet18.run_stage', lambda *args: pytest.fail('training began'))
    with pytest.raises(SystemExit) as e: main(args)
    stdout, stderr = capsys.readouterr()
    assert (e.value.code, stdout, stderr.count('\n')) == (2, '', 1)
    assert stderr.startswith('mnist_stages: ') and expected in stderr


def test_epochs_are_for_stage_4(monkeypatch, tmp_path):
    asked = []

    def run_stage(stage, seed, device, progress, epochs):
        asked.append((stage, epochs))
        return stage_pixel_similarity()

    monkeypatch.setattr('mnist_stages.resnet18.run_stage', run_stage)
    assert main(['--stages', '1', '4', '--epochs', '3', '--out', str(tmp_path/'x.png')]) == 0
    assert asked == [(1, None), (4, 3)]


def test_a_protected_picture_is_refused(capsys, monkeypatch, tmp_path):
    (tmp_path/'x.png').touch()
    monkeypatch.setattr('os.access', lambda path, mode: False)        # root may write anywhere, so that mode bits would prove nothing
    with pytest.raises(SystemExit, match='2'): main(['--out', str(tmp_path/'x.png')])
    assert 'cannot be overwritten' in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit, match='0'): main(['--help'])
    text = capsys.readouterr().out
    for option in '--stages --seed --epochs --device --out --json'.split(): assert option in text
    assert 'mnist_stages --stages 4 --seed 7' in text


@pytest.mark.skipif(os.name == 'nt', reason='POSIX signals')
def test_ctrl_c_is_one_line_exit_130_and_leaves_nothing(tmp_path):
    p = subprocess.Popen(command + ['--stages', '2', '4'], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert 'stage 2' in p.stderr.readline()         # stage 2 is done, so stage 4 has begun
    time.sleep(3)
    p.send_signal(signal.SIGINT)
    stdout, stderr = p.communicate(timeout=60)
    assert (p.returncode, stdout, stderr.strip()) == (130, '', 'mnist_stages: interrupted, nothing was saved')
    assert list(tmp_path.iterdir()) == []


def test_readme_names_every_option():
    text = (root/'README.md').read_text(encoding='utf-8')
    for option in '--stages --seed --epochs --device --out --json'.split(): assert option in text
