"The command `mnist_stages`, as a terminal sees it"
import gc
import io
import json
import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from conftest import root
from PIL import Image

import mnist_stages
from mnist_stages.app import cli
from mnist_stages.app.cli import TerminalProgress, main
from mnist_stages.app.stages import stage_pixel_similarity

command = [sys.executable, '-m', 'mnist_stages']      # the program of this name: in test_packaging.py
options = '--stages --seed --epochs --device --out --json'.split()


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
    args = '--stages', '1', '--seed', '7', '--json'
    first, second = (json.loads(run(*args).stdout)['stages'][0] for _ in range(2))
    assert first['accuracies'] == second['accuracies']


@pytest.mark.parametrize('args, expected', [
    (['--stages', '5'], "there is no stage '5'"), (['--stages'], 'expected at least one argument'),
    (['--stages', '1', 'two'], "there is no stage 'two'"), (['--device', 'abacus'], '--device abacus'),
    (['--device', 'cuda:99'], '--device cuda:99'), (['--device', ''], '--device'),
    (['--out', 'missing/x.png'], 'cannot write into the folder missing'), (['--out', '.'], '--out .'),
    (['--out', 'folder.png'], 'is a folder'), (['--out', 'x.exe'], '.png'), (['--seed', '-1'], "'-1'"),
    (['--seed', '4294967296'], "'4294967296'"), (['--seed', '1.5'], "'1.5'"), (['--epochs', '0'], "'0'"),
    (['--epochs', 'all'], "'all'"), (['--spam'], '--spam')])
def test_a_mistake_is_one_line_and_exit_2(args, expected, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path/'folder.png').mkdir()
    monkeypatch.setattr('mnist_stages.app.stages.run_stage', lambda *args: pytest.fail('training began'))
    with pytest.raises(SystemExit) as e: main(args)
    stdout, stderr = capsys.readouterr()
    assert (e.value.code, stdout, stderr.count('\n')) == (2, '', 1)
    assert stderr.startswith('mnist_stages: ') and expected in stderr


def test_seed_and_device_are_for_every_stage_and_epochs_for_stage_4(monkeypatch, tmp_path):
    asked = []

    def run_stage(stage, seed, device, progress, epochs):
        asked.append((stage, seed, device, epochs))
        return stage_pixel_similarity()

    monkeypatch.setattr('mnist_stages.app.stages.run_stage', run_stage)
    args = ['--stages', '1', '4', '--epochs', '3', '--seed', '5', '--device', 'cpu']
    assert main([*args, '--out', str(tmp_path/'x.png')]) == 0
    assert asked == [(1, 5, 'cpu', None), (4, 5, 'cpu', 3)]


def test_a_protected_picture_is_refused(capsys, monkeypatch, tmp_path):
    (tmp_path/'x.png').touch()
    monkeypatch.setattr('os.access', lambda path, mode: False)        # root may write anywhere, whatever the mode says
    with pytest.raises(SystemExit, match='2'): main(['--out', str(tmp_path/'x.png')])
    assert 'cannot be overwritten' in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit, match='0'): main(['--help'])
    text = capsys.readouterr().out
    for option in options: assert option in text
    assert 'mnist_stages --stages 4 --seed 7' in text


def test_readme_names_every_option():
    text = (root/'README.md').read_text(encoding='utf-8')
    for option in options: assert option in text


# At once

def test_version(run):
    done = run('--version')
    assert (done.returncode, done.stdout, done.stderr) == (0, f'mnist_stages {mnist_stages.__version__}\n', '')


@pytest.mark.parametrize('args, status', [
    (['--help'], 0), (['--version'], 0), (['--stages', '9'], 2), (['--seed', 'x'], 2), (['--spam'], 2)],
    ids=lambda o: ' '.join(o) if isinstance(o, list) else '')
def test_nothing_heavy_is_imported_for_an_answer_at_once(python, args, status):
    done = python(f'''
import runpy, sys
sys.argv[1:] = {args}
try: runpy.run_module('mnist_stages', run_name='__main__', alter_sys=True)
except SystemExit as e: print(e.code)
print([o for o in ('torch', 'fastai', 'numpy', 'pandas', 'matplotlib', 'PIL', 'IPython') if o in sys.modules])
''')
    assert done.stdout.splitlines()[-2:] == [str(status), '[]'], done.stdout + done.stderr


# How far it is

class Terminal(io.StringIO):
    def isatty(self): return True


def test_a_terminal_sees_how_far_a_stage_is_and_a_file_only_its_end():
    result = stage_pixel_similarity()
    said = {}
    for stream in Terminal(), io.StringIO():
        progress = TerminalProgress('stage 0', stream)
        progress(.5, 2, .75)
        progress.done(result)
        said[stream.isatty()] = stream.getvalue()
    assert said[True].startswith('\rstage 0   25%  accuracy 75.0% \rstage 0  done  accuracy 95.1%')
    assert said[False].startswith('stage 0  done  accuracy 95.1%') and said[False].count('\n') == 1


# Ctrl-C. Each test waits for an event in the command's process, and not for seconds.

interrupted = '\nmnist_stages: interrupted, nothing was saved\n'
posix = pytest.mark.skipif(os.name == 'nt', reason='POSIX signals')

# `tell()` writes a byte into the pipe that the test waits at, and goes on when the signal was sent
telling = '''
import os
def tell():
    os.write({fd}, b'.')
    os.read(0, 1)
'''
# Put before any other finder of modules: tells when one of them begins to be imported
import_hook = telling + '''
import sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == {name!r}: tell()
sys.meta_path.insert(0, Finder)
'''
# Tells from within a method: once, at its third call, or so
method_hook = telling + '''
import sys
import mnist_stages.tools       # silences a warning of what is imported next
from mnist_stages.__main__ import command
from {module} import {cls} as patched
real, calls = patched.{method}, []
def method(*args, **kwargs):
    calls.append(1)
    if len(calls) == {at}: tell()
    return real(*args, **kwargs)
patched.{method} = method
sys.argv[0] = 'mnist_stages'
sys.exit(command())
'''


def interrupt(args, cwd, fd, event, sigint=signal.SIG_DFL, **env):
    "Run a command in which SIGINT does what it does in a terminal, or `sigint`; interrupt it when it tells so"
    p = subprocess.Popen(args, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, pass_fds=[fd], env={**os.environ, **env},
                         preexec_fn=partial(signal.signal, signal.SIGINT, sigint))
    os.close(fd)
    with os.fdopen(event, 'rb') as o: assert o.read(1) == b'.', p.communicate()
    p.send_signal(signal.SIGINT)
    stdout, stderr = p.communicate('.', timeout=120)
    return p.returncode, stdout, stderr


def interrupt_in_method(method, args, cwd, at=1, **kwargs):
    "The same, when a method, such as 'fastai.learner.Learner.one_batch', is called for the time `at`"
    event, fd = os.pipe()
    module, cls, method = method.rsplit('.', 2)
    code = method_hook.format(fd=fd, module=module, cls=cls, method=method, at=at)
    return interrupt([sys.executable, '-c', code, *args], cwd, fd, event, **kwargs)


@posix
@pytest.mark.parametrize('name', [
    'mnist_stages.app.cli', 'argparse', 'packaging.requirements', 'torch', 'numpy', 'pandas', 'fastai.torch_core',
    'matplotlib.figure', 'mnist_stages.app.stages', 'fastai.learner'])
def test_ctrl_c_during_imports_is_one_line_and_130(name, tmp_path):
    (tmp_path/'hook').mkdir()
    event, fd = os.pipe()
    (tmp_path/'hook'/'sitecustomize.py').write_text(import_hook.format(fd=fd, name=name))
    path = os.pathsep.join([str(tmp_path/'hook'), os.environ.get('PYTHONPATH', '')])
    said = interrupt([*command, '--stages', '1'], tmp_path, fd, event, PYTHONPATH=path)
    assert said == (130, '', interrupted)
    assert [o.name for o in tmp_path.iterdir()] == ['hook']


@posix
@pytest.mark.parametrize('stages, method, at', [
    (['1'], 'torch.Tensor.backward', 30), (['2'], 'fastai.learner.Learner.one_batch', 3),
    (['0', '4'], 'fastai.learner.Learner.one_batch', 3), (['4'], 'torch.Tensor.backward', 2)])
def test_ctrl_c_while_training_is_one_line_and_130_and_leaves_nothing(stages, method, at, tmp_path):
    status, stdout, stderr = interrupt_in_method(method, ['--stages', *stages], tmp_path, at)
    done = [o for o in stderr.splitlines() if ' done ' in o]
    assert (status, stdout, len(done)) == (130, '', len(stages) - 1)
    assert stderr == ''.join(f'{o}\n' for o in done) + interrupted
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize('method', ['matplotlib.figure.Figure.savefig', 'tempfile._TemporaryFileWrapper.close'])
def test_ctrl_c_while_the_picture_is_written_leaves_nothing_half_written(method, tmp_path):
    "It is not heard: what is left to do takes a moment, and the result is there"
    at = 2 if 'close' in method else 1      # the first such file is the one that tries whether one can be written
    status, stdout, stderr = interrupt_in_method(method, ['--stages', '0', '--json'], tmp_path, at)
    assert (status, stdout.count('\n'), stderr.count('\n')) == (0, 1, 1)
    assert json.loads(stdout)['stages'][0]['stage'] == 0
    assert [o.name for o in tmp_path.iterdir()] == ['mnist_stages.png']
    with Image.open(tmp_path/'mnist_stages.png') as im: im.load()


@posix
def test_where_sigint_is_ignored_it_stays_ignored(tmp_path):
    "as it is after `nohup` and in a shell's background job"
    method = 'torch.Tensor.backward'
    status, stdout, stderr = interrupt_in_method(method, ['--stages', '1'], tmp_path, 30, sigint=signal.SIG_IGN)
    assert status == 0 and 'manual SGD' in stdout and 'interrupted' not in stderr
    assert [o.name for o in tmp_path.iterdir()] == ['mnist_stages.png']


def test_an_interrupt_of_main_called_from_python_is_one_line_and_130(monkeypatch, capsys, tmp_path):
    def run_stage(*args): raise KeyboardInterrupt
    monkeypatch.setattr('mnist_stages.app.stages.run_stage', run_stage)
    assert main(['--out', str(tmp_path/'x.png')]) == 130
    assert tuple(capsys.readouterr()) == ('', interrupted) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('enabled', [True, False])
def test_garbage_is_not_looked_for_while_importing(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError), cli._importing():
            assert not gc.isenabled()
            import mnist_stages.spam  # noqa: F401
        assert gc.isenabled() is enabled
    finally: (gc.enable if before else gc.disable)()
