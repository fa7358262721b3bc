"The shipped data and its layout as folders: what a reader should never have to see go wrong"
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import no_network
from PIL import Image
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from mnist_stages import data
from mnist_stages.data import URLs, load_mnist, mnist_md5, parse_idx, read_mnist_file, untar_mnist

shipped = Path(data.__file__).parent/'mnist'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty folder in place of fastai's cache of data sets"
    monkeypatch.setattr(data, 'fastai_path', lambda folder: tmp_path/'a cache, été'/folder)
    return tmp_path/'a cache, été'/'data'


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    "A copy of the shipped files that a test may damage"
    shutil.copytree(shipped, tmp_path/'mnist')
    monkeypatch.setattr(data, 'files', lambda package: tmp_path)
    return tmp_path/'mnist'/'train-labels-idx1-ubyte.gz'


@pytest.mark.parametrize('name', mnist_md5)
def test_parse_idx_agrees_with_torchvision(name, tmp_path):
    (tmp_path/name).write_bytes(read_mnist_file(name))
    oracle = read_sn3_pascalvincent_tensor(str(tmp_path/name))
    assert np.array_equal(parse_idx(read_mnist_file(name)), oracle.numpy())


@pytest.mark.parametrize('kind, dtype', [(8, '>u1'), (9, '>i1'), (11, '>i2'), (12, '>i4'), (13, '>f4'), (14, '>f8')])
def test_parse_idx_reads_every_type(kind, dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    assert np.array_equal(parse_idx(bytes([0, 0, kind, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + x.tobytes()), x)


@pytest.mark.parametrize('buf', [b'', b'\0\0\x08', b'\0\0\x08\0', b'\x1f\x8b\x08\0', b'\0\0\x0a\x01\0\0\0\0', b'\0\0\x08\x03\0\0', b'\0\0\x08\x01\0\0\0\x02\x01',
                                 b'\0\0\x08\x01\0\0\0\x01\x01\x01', b'\0\0\x08\x40' + b'\0\0\0\x01'*64 + b'\x07'])
def test_parse_idx_refuses_what_is_not_idx(buf):
    if len(buf) > 4 and buf[3] == 0x40 and int(np.__version__.split('.')[0]) >= 2:      # NumPy 2 allows 64 dimensions
        assert parse_idx(buf).item() == 7
        return
    with pytest.raises(ValueError, match='IDX'): parse_idx(buf)


def test_load_mnist_gives_what_it_promises():
    m = load_mnist()
    assert [(t.dtype, tuple(t.shape)) for t in m] == [(torch.uint8, (60000, 28, 28)), (torch.int64, (60000,)), (torch.uint8, (10000, 28, 28)), (torch.int64, (10000,))]
    assert [t.bincount(minlength=10).tolist() for t in (m.train_labels, m.valid_labels)] == [
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]]


def flip(path):
    buf = bytearray(gzip.decompress(path.read_bytes()))
    buf[1234] ^= 1
    path.write_bytes(gzip.compress(bytes(buf)))


@pytest.mark.parametrize('damage', [
    lambda p: p.write_bytes(p.read_bytes()[:-1000]), flip, lambda p: p.write_text('<html>503 Service Unavailable</html>'),
    lambda p: p.unlink(), lambda p: p.write_bytes(b'')], ids=['truncated', 'one bit', 'html', 'missing', 'empty'])
def test_damaged_file_is_named_with_the_remedy(damaged, damage):
    damage(damaged)
    with pytest.raises(OSError, match=r'(?s)train-labels-idx1-ubyte\.gz.*pip install --force-reinstall'): load_mnist()


@pytest.mark.parametrize('url, n, folders', [(URLs.MNIST_SAMPLE, 14434, ('train/3 train/7 valid/3 valid/7').split()),
                                             (URLs.MNIST, 70000, [f'{o}/{d}' for o in ('training', 'testing') for d in range(10)])])
def test_layout_holds_every_picture(cache, url, n, folders):
    path = untar_mnist(url, show_progress=False)
    assert path == cache/Path(url).stem
    m = load_mnist()
    files = sorted(path.rglob('*.png'))
    assert len(files) == n
    assert sorted({str(o.parent.relative_to(path)) for o in files}) == sorted(folders)
    for o in files[::7]:
        images, labels = (m.train_images, m.train_labels) if o.parts[-3].startswith('train') else (m.valid_images, m.valid_labels)
        with Image.open(o) as im:
            assert im.mode == 'L' and np.array_equal(im, images[int(o.stem)].numpy())
        assert str(labels[int(o.stem)].item()) == o.parent.name
    others = {o.name for o in path.iterdir() if o.is_file()}
    assert others == ({'labels.csv'} if 'sample' in url else set())


def test_labels_csv_says_what_fastai_says(cache):
    rows = (untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)/'labels.csv').read_text().split()
    assert rows[0] == 'name,label' and len(rows) == 14435
    assert {(o.split(',')[0].split('/')[1], o[-1]) for o in rows[1:]} == {('3', '0'), ('7', '1')}


def test_a_complete_folder_is_used_as_it_is(cache, monkeypatch):
    path = untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
    (path/'models').mkdir()
    monkeypatch.setattr(data, '_write_layout', lambda *args: pytest.fail('it was laid out again'))
    assert untar_mnist(URLs.MNIST_SAMPLE) == path and (path/'models').exists()


def test_a_damaged_folder_is_moved_aside_and_made_anew(cache):
    for aside in 'mnist_sample-damaged-1', 'mnist_sample-damaged-2':
        shutil.rmtree(cache/'mnist_sample', ignore_errors=True)
        (cache/'mnist_sample').mkdir(parents=True)
        (cache/'mnist_sample'/'mine.txt').touch()
        with pytest.warns(UserWarning, match=f'is missing, and 14433 more. It is now .*{aside}'): path = untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
        assert [o.name for o in (cache/aside).iterdir()] == ['mine.txt']
        assert data._damage(path) is None


@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), KeyboardInterrupt()])
def test_an_interrupted_layout_leaves_nothing(cache, monkeypatch, error):
    written = []

    def save(self, path, **kwargs):
        written.append(path)
        if len(written) == 100: raise error
        Path(path).touch()

    with monkeypatch.context() as mp:
        mp.setattr(Image.Image, 'save', save)
        with pytest.raises(type(error)): untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
    assert len(written) == 100
    assert [o.name for o in cache.iterdir()] == ['.mnist_sample.lock']
    (cache/'.mnist_sample-left-by-a-killed-run').mkdir()
    assert len(list((untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)/'train'/'3').iterdir())) == 6131
    assert sorted(o.name for o in cache.iterdir()) == ['.mnist_sample.lock', 'mnist_sample']


def test_two_processes_at_once_end_with_one_complete_tree(tmp_path):
    code = "from mnist_stages.data import URLs, untar_mnist; print(untar_mnist(URLs.MNIST_SAMPLE, show_progress=False))"
    env = {**os.environ, 'FASTAI_HOME': str(tmp_path)}
    running = [subprocess.Popen([sys.executable, '-c', code], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {p.communicate()[0].strip() for p in running}
    assert said == {str(tmp_path/'data'/'mnist_sample')}
    assert len(list(Path(said.pop()).rglob('*.png'))) == 14434


def test_fastai_finds_the_layout_without_a_network(python):
    done = python(no_network + '''
from fastai.data.external import untar_data
from mnist_stages.data import URLs, untar_mnist
path = untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
assert untar_data(URLs.MNIST_SAMPLE) == path
try: untar_data(URLs.MNIST)
except OSError: print('no network, as intended')
''')
    assert (done.returncode, done.stdout.split('\n')[-2]) == (0, 'no network, as intended'), done.stderr


def test_importing_the_data_module_is_light_and_silent(python):
    done = python("from mnist_stages.data import load_mnist; import sys; print([o for o in ('fastbook', 'fastai.vision.all', 'torchvision', 'spacy') if o in sys.modules])")
    assert (done.stdout.strip(), done.stderr) == ('[]', '')
