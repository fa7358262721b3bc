"Troubles that people report with tutorials like this one, and what they meet here: one sentence, or nothing at all"
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from fastai.data.external import URLs, fastai_cfg
from filelock import FileLock

from mnist_stages.app import cli, stages
from mnist_stages.tools import files, versions


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty folder in place of fastai's cache of data sets"
    monkeypatch.setattr(files, 'fastai_path', lambda folder: tmp_path/folder)
    return tmp_path/'data'


# Versions

def has(monkeypatch, **installed):
    "Let these be the installed versions of some libraries"
    real = versions.version
    monkeypatch.setattr(versions, 'version', lambda name: installed[name] if name in installed else real(name))


def test_a_leftover_folder_without_metadata_is_passed_over(monkeypatch):
    has(monkeypatch, numpy=None)
    versions.check_versions()


@pytest.mark.parametrize('torch, torchvision', [('1.0', '0.29.1'), ('2.0+cpu', '0.29.1')])
def test_torch_and_torchvision_that_do_not_belong_together_are_one_sentence(monkeypatch, torch, torchvision):
    has(monkeypatch, torch=torch, torchvision=torchvision)
    with pytest.raises(ImportError, match='pip install --upgrade torch torchvision') as e: versions.check_torchvision()
    assert torch in str(e.value) and torchvision in str(e.value)


def test_those_installed_belong_together(): versions.check_torchvision()


def test_a_wrong_version_is_one_line_of_the_command(tmp_path):
    (tmp_path/'torch-1.13.dist-info').mkdir()
    (tmp_path/'torch-1.13.dist-info'/'METADATA').write_text('Metadata-Version: 2.1\nName: torch\nVersion: 1.13\n')
    done = subprocess.run([sys.executable, '-m', 'mnist_stages', '--stages', '0'], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 1 and done.stderr.count('\n') == 1, done.stderr
    assert done.stderr.startswith('mnist_stages: mnist_stages needs torch>=')


# The clone is called like the package

def test_beside_a_folder_called_mnist_stages_the_data_is_found(tmp_path):
    (tmp_path/'mnist_stages'/'mnist_stages').mkdir(parents=True)
    code = 'from mnist_stages.data import load_mnist; print(len(load_mnist().valid_labels))'
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == '10000\n', done.stderr


# Devices

def broken(monkeypatch):
    "A GPU that is listed and cannot be used"
    real = torch.zeros

    def zeros(*size, device=None, **kwargs):
        if str(device) == 'cuda': raise RuntimeError('CUDA error: out of memory\nmore lines')
        return real(*size, device=device, **kwargs)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch, 'zeros', zeros)


def test_a_gpu_that_cannot_be_used_is_said_and_the_cpu_taken(monkeypatch, capsys):
    broken(monkeypatch)
    assert cli.check_device() == 'cpu'
    assert capsys.readouterr().err == ('mnist_stages: cuda is there, but cannot be used (CUDA error: out of memory); '
                                       'running on the CPU\n')


def test_a_gpu_that_was_asked_for_and_cannot_be_used_is_one_sentence(monkeypatch):
    broken(monkeypatch)
    said = r'--device cuda: it is there, but cannot be used \(CUDA error: out of memory\)'
    with pytest.raises(ValueError, match=said):
        cli.check_device('cuda')


def full(monkeypatch):
    "A GPU that is full as soon as a stage trains on it; returns the devices that were tried"
    tried, real = [], stages.run_stage

    def run_stage(stage, seed, device, progress, epochs):
        tried.append(device)
        if device != 'cpu': raise torch.OutOfMemoryError('CUDA out of memory')
        return real(0)
    monkeypatch.setattr(stages, 'run_stage', run_stage)
    return tried


def test_a_full_gpu_is_said_once_and_the_cpu_taken(monkeypatch, capsys, tmp_path):
    tried = full(monkeypatch)
    monkeypatch.setattr(cli, 'check_device', lambda name: 'cuda')
    assert cli.main(['--stages', '1', '2', '--out', str(tmp_path/'x.png')]) == 0
    assert tried == ['cuda', 'cpu', 'cpu'] and capsys.readouterr().err.count('too little memory') == 1


def test_a_full_gpu_that_was_asked_for_is_one_sentence_and_nothing_is_written(monkeypatch, capsys, tmp_path):
    full(monkeypatch)
    monkeypatch.setattr(cli, 'check_device', lambda name: name)
    assert cli.main(['--stages', '1', '--device', 'cuda', '--out', str(tmp_path/'x.png')]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith('mnist_stages: cuda has too little memory for stage 1')
    assert list(tmp_path.iterdir()) == []


# Waiting

def test_what_is_waited_for_is_said_and_the_wait_ends(cache, monkeypatch, capsys):
    monkeypatch.setattr(files, 'patience', {'quiet': .05, 'lock': .05, 'rename': 0})
    cache.mkdir()
    with FileLock(cache/'.mnist_sample.lock'), pytest.raises(OSError, match='held by another program') as e:
        other = []
        t = threading.Thread(target=lambda: other.append(pytest.raises(OSError, files.untar_mnist, URLs.MNIST_SAMPLE)))
        t.start()
        t.join()
        raise other[0].value
    assert '.mnist_sample.lock' in str(e.value) and 'waiting for it' in capsys.readouterr().err


@pytest.fixture
def empty_config(tmp_path, monkeypatch):
    "fastai's settings as another process has just opened them to write"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path))
    fastai_cfg.cache_clear()
    (tmp_path/'config.ini').touch()
    yield tmp_path/'config.ini'
    fastai_cfg.cache_clear()


def test_settings_that_another_process_is_writing_are_read_again(empty_config, monkeypatch):
    monkeypatch.setattr(files.time, 'sleep', lambda seconds: empty_config.write_text('[DEFAULT]\ndata = data\n'))
    assert files.untar_mnist(URLs.MNIST_SAMPLE, show_progress=False) == empty_config.parent/'data'/'mnist_sample'


def test_settings_that_stay_empty_are_one_sentence(empty_config, monkeypatch):
    monkeypatch.setitem(files.patience, 'rename', 0)
    with pytest.raises(OSError, match='config.ini names no folder for data. Delete that file'):
        files.untar_mnist(URLs.MNIST_SAMPLE)


@pytest.mark.skipif(os.name == 'nt', reason='flock is POSIX')
def test_a_file_system_without_locks(cache, monkeypatch):
    import fcntl

    def flock(*args): raise OSError(errno.ENOSYS, 'Function not implemented')
    monkeypatch.setattr(fcntl, 'flock', flock)
    assert files.damage(files.untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)) is None


def test_a_file_system_without_locks_as_older_versions_of_filelock_tell_it(cache, monkeypatch):
    class NoLocks(FileLock):
        def acquire(self, timeout):
            Path(self.lock_file).touch()
            raise NotImplementedError('FileSystem does not appear to support flock')
    monkeypatch.setattr(files, 'FileLock', NoLocks)
    assert files.damage(files.untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)) is None


def test_a_folder_that_a_virus_scanner_holds_is_renamed_a_little_later(cache, monkeypatch):
    real, held = Path.rename, []

    def rename(self, target):
        held.append(self)
        if len(held) < 3: raise PermissionError(13, 'held')
        return real(self, target)
    monkeypatch.setattr(Path, 'rename', rename)
    monkeypatch.setattr(files, '_held', (PermissionError,))
    assert files.untar_mnist(URLs.MNIST_SAMPLE, show_progress=False).exists() and len(held) == 3


# Remedies

def test_a_remedy_leads_to_where_the_package_is(monkeypatch, tmp_path, settings):
    monkeypatch.setattr(files, 'shipped', tmp_path)
    with pytest.raises(OSError) as e: files.load_mnist()
    assert f"git+{settings['repository']}" in str(e.value)
    assert os.path.basename(str(tmp_path)) in str(e.value)
