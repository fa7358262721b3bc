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
from fastai.data.external import URLs
from PIL import Image
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from mnist_stages.data import get_dls, threes_and_sevens
from mnist_stages.resnet18 import get_mnist_dls
from mnist_stages.tools import files
from mnist_stages.tools.files import (
    MNIST, damage, load_mnist, mnist_md5, parse_idx, png_layout, read_mnist_file, untar_mnist)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty folder in place of fastai's cache of data sets"
    monkeypatch.setattr(files, 'fastai_path', lambda folder: tmp_path/'a cache, été'/folder)
    return tmp_path/'a cache, été'/'data'


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    "A copy of the shipped files that a test may damage"
    shutil.copytree(files.shipped, tmp_path/'mnist')
    monkeypatch.setattr(files, 'shipped', tmp_path/'mnist')
    return tmp_path/'mnist'


@pytest.mark.parametrize('name', mnist_md5)
def test_parse_idx_agrees_with_torchvision(name, tmp_path):
    (tmp_path/name).write_bytes(read_mnist_file(name))
    oracle = read_sn3_pascalvincent_tensor(str(tmp_path/name))
    assert np.array_equal(parse_idx(read_mnist_file(name)), oracle.numpy())


@pytest.mark.parametrize('kind, dtype', [(8, '>u1'), (9, '>i1'), (11, '>i2'), (12, '>i4'), (13, '>f4'), (14, '>f8')])
def test_parse_idx_reads_every_type(kind, dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    assert np.array_equal(parse_idx(bytes([0, 0, kind, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + x.tobytes()), x)


@pytest.mark.parametrize('buf', [
    b'', b'\0\0\x08', b'\0\0\x08\0', b'\x1f\x8b\x08\0', b'\0\0\x0a\x01\0\0\0\0', b'\0\0\x08\x03\0\0',
    b'\0\0\x08\x01\0\0\0\x02\x01', b'\0\0\x08\x01\0\0\0\x01\x01\x01', b'\0\0\x08\x40' + b'\0\0\0\x01'*64 + b'\x07'])
def test_parse_idx_refuses_what_is_not_idx(buf):
    if len(buf) > 4 and buf[3] == 0x40 and int(np.__version__.split('.')[0]) >= 2:      # NumPy 2 allows 64 dimensions
        assert parse_idx(buf).item() == 7
        return
    with pytest.raises(ValueError, match='IDX'): parse_idx(buf)


# How many of each digit, 0 to 9, as published
in_training = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
in_validation = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def counts(labels): return labels.bincount(minlength=10).tolist()


def test_load_mnist_gives_what_it_promises():
    m = load_mnist()
    assert [(t.dtype, tuple(t.shape)) for t in m] == [
        (torch.uint8, (60000, 28, 28)), (torch.int64, (60000,)),
        (torch.uint8, (10000, 28, 28)), (torch.int64, (10000,))]
    assert [counts(t) for t in (m.train_labels, m.valid_labels)] == [in_training, in_validation]


def test_held_out_is_the_end_of_the_training_set_and_nothing_of_the_validation_set():
    m, held_out = load_mnist(), load_mnist(held_out=True)
    assert [(t.dtype, tuple(t.shape)) for t in held_out] == [
        (torch.uint8, (55000, 28, 28)), (torch.int64, (55000,)), (torch.uint8, (5000, 28, 28)), (torch.int64, (5000,))]
    assert torch.equal(torch.cat([held_out.train_images, held_out.valid_images]), m.train_images)
    assert torch.equal(torch.cat([held_out.train_labels, held_out.valid_labels]), m.train_labels)
    both = [a + b for a, b in zip(counts(held_out.train_labels), counts(held_out.valid_labels))]
    assert both == in_training and min(counts(held_out.valid_labels)) > 400


def test_threes_and_sevens_in_plain_python(monkeypatch):
    "Threes first and then sevens, each in their own order; all other digits are left out"
    labels = torch.tensor([7, 1, 3, 7, 0, 3])
    images = torch.arange(6*28*28).view(6, 28, 28).remainder(256).byte()
    few = MNIST(images, labels, images[:3], labels[:3])
    monkeypatch.setattr('mnist_stages.data.load_mnist', lambda held_out: few)
    train_x, train_y, valid_x, valid_y = threes_and_sevens()
    for x, y, targets, order in (train_x, train_y, [1, 1, 0, 0], (2, 5, 0, 3)), (valid_x, valid_y, [1, 0], (2, 0)):
        assert (x.dtype, y.dtype, tuple(y.shape)) == (torch.float32, torch.int64, (len(order), 1))
        assert y.flatten().tolist() == targets
        for row, i in zip(x.tolist(), order):
            assert row == pytest.approx([v/255 for line in images[i].tolist() for v in line], abs=1e-7)


@pytest.mark.parametrize('held_out', [False, True])
def test_threes_and_sevens_are_those_of_load_mnist(held_out):
    m = load_mnist(held_out)
    train_x, train_y, valid_x, valid_y = threes_and_sevens(held_out)
    for x, y, images, labels in ((train_x, train_y, m.train_images, m.train_labels),
                                 (valid_x, valid_y, m.valid_images, m.valid_labels)):
        n = [int((labels == d).sum()) for d in (3, 7)]
        assert (x.dtype, x.shape, y.shape) == (torch.float32, (sum(n), 784), (sum(n), 1))
        assert (int(y.sum()), x.min(), x.max()) == (n[0], 0, 1)
        assert torch.equal(x[n[0]].view(28, 28), images[labels == 7][0]/255)
    if not held_out: assert (len(train_x), len(valid_x)) == (12396, 2038)


def test_the_loaders_hold_out_the_same_pictures():
    "and so, with `held_out`, nobody sees the 10,000 while choosing a recipe"
    m = load_mnist(held_out=True)
    dls = get_dls(held_out=True)
    n = int(torch.isin(m.valid_labels, torch.tensor([3, 7])).sum())
    assert len(dls.train.dataset) + len(dls.valid.dataset) == 12396 and len(dls.valid.dataset) == n
    tensors = *dls.train.dataset.tensors, *dls.valid.dataset.tensors
    for part, expected in zip(tensors, threes_and_sevens(held_out=True)):
        assert torch.equal(part, expected)
    ten = get_mnist_dls(held_out=True)
    assert [len(dl.dataset) for dl in ten] == [55_000, 5_000]
    assert torch.equal(ten.valid.dataset.tensors[1], m.valid_labels)
    with pytest.raises(ValueError, match='only 55,000 images'): get_mnist_dls(55_001, held_out=True)


# One bit of a file, at random, is what `shipped` in tests/faults.py damages

def flip(path):
    buf = bytearray(gzip.decompress(path.read_bytes()))
    buf[1234] ^= 1
    path.write_bytes(gzip.compress(bytes(buf), compresslevel=1))


def another(path):
    other = 't10k' if path.name.startswith('train') else 'train'
    shutil.copy(path.with_name(path.name.replace(path.name.split('-')[0], other)), path)


damages = {
    'truncated': lambda p: p.write_bytes(p.read_bytes()[:-1000]), 'one bit': flip, 'missing': lambda p: p.unlink(),
    'html': lambda p: p.write_text('<html>503 Service Unavailable</html>'), 'empty': lambda p: p.write_bytes(b''),
    "another one's": another}


@pytest.mark.parametrize('name', mnist_md5)
@pytest.mark.parametrize('spoil', damages.values(), ids=damages)
def test_damaged_file_is_named_with_the_remedy(shipped, cache, spoil, name):
    spoil(shipped/f'{name}.gz')
    for use in load_mnist, lambda: untar_mnist(URLs.MNIST_SAMPLE, show_progress=False):
        with pytest.raises(OSError, match=rf'(?s){name}\.gz.*pip install --force-reinstall') as e: use()
        assert '\n' not in str(e.value)
    assert not cache.exists() or {o.name for o in cache.iterdir()} <= {'.mnist_sample.lock'}


def test_what_was_read_is_read_again_when_the_file_has_changed(shipped):
    load_mnist()
    flip(shipped/'t10k-labels-idx1-ubyte.gz')
    with pytest.raises(OSError, match='t10k-labels'): load_mnist()


def test_each_load_has_tensors_of_its_own():
    load_mnist().train_images.zero_()
    assert load_mnist().train_images.any()


@pytest.mark.parametrize('url, n, folders', [
    (URLs.MNIST_SAMPLE, 14434, 'train/3 train/7 valid/3 valid/7'.split()),
    (URLs.MNIST, 70000, [f'{o}/{d}' for o in ('training', 'testing') for d in range(10)])])
def test_layout_holds_every_picture(cache, url, n, folders):
    path = untar_mnist(url, show_progress=False)
    assert path == cache/Path(url).stem
    m = load_mnist()
    pictures = sorted(path.rglob('*.png'))
    assert len(pictures) == n
    assert sorted({o.parent.relative_to(path).as_posix() for o in pictures}) == sorted(folders)
    for o in pictures[::7]:
        images, labels = m[:2] if o.parts[-3].startswith('train') else m[2:]
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
    monkeypatch.setattr(files, '_write_layout', lambda *args: pytest.fail('it was laid out again'))
    assert untar_mnist(URLs.MNIST_SAMPLE) == path and (path/'models').exists()


def test_a_damaged_folder_is_moved_aside_and_made_anew(cache):
    for aside in 'mnist_sample-damaged-1', 'mnist_sample-damaged-2':
        shutil.rmtree(cache/'mnist_sample', ignore_errors=True)
        (cache/'mnist_sample').mkdir(parents=True)
        (cache/'mnist_sample'/'mine.txt').touch()
        with pytest.warns(UserWarning, match=f'is missing, and 14434 more. It is now .*{aside}'):
            path = untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
        assert [o.name for o in (cache/aside).iterdir()] == ['mine.txt']
        assert damage(path) is None


def test_damage_says_what_is_wrong_and_how_much(cache):
    path = cache/'mnist_sample'
    assert damage(path) == 'it is missing'
    untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
    assert damage(path) is None
    names = [o for o, _ in png_layout('mnist_sample')]
    first, second, last = path/names[0], path/names[1], path/names[-1]
    whole = {o: o.read_bytes() for o in (first, second, last)}
    last.write_bytes(whole[last][:-1])
    assert damage(path) == f'{names[-1]} is not a whole PNG file'
    flipped = bytearray(whole[last])
    flipped[60] ^= 4
    last.write_bytes(flipped)
    assert damage(path) == f'{names[-1]} is not a whole PNG file'
    second.write_bytes(b'')
    assert damage(path) == f'{min(names[1], names[-1])} is not a whole PNG file, and 1 more'
    first.unlink()
    assert damage(path) == f'{names[0]} is missing'             # what is not there is said first, and alone
    first.write_bytes(whole[first])
    for o in (second, last): o.write_bytes(whole[o])
    (path/'valid'/'3'/'mine.png').touch()
    assert damage(path) == 'valid/3/mine.png does not belong there'
    (path/'valid'/'3'/'mine.png').unlink()
    (path/'mine.png').touch()                                    # only the pictures' own folders count
    assert damage(path) is None


def test_damage_notices_that_labels_csv_is_missing(cache):
    (untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)/'labels.csv').unlink()
    assert damage(cache/'mnist_sample') == 'labels.csv is missing'


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


# Eight processes, some of them killed, are in tests/faults.py, which needs a POSIX system
def test_two_processes_at_once_end_with_one_complete_tree(tmp_path):
    code = '''
from fastai.data.external import URLs
from mnist_stages.tools.files import untar_mnist
print(untar_mnist(URLs.MNIST_SAMPLE, show_progress=False))
'''
    env = {**os.environ, 'FASTAI_HOME': str(tmp_path)}
    command = [sys.executable, '-c', code]
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {p.communicate()[0].strip() for p in running}
    assert said == {str(tmp_path/'data'/'mnist_sample')}
    assert len(list(Path(said.pop()).rglob('*.png'))) == 14434


def test_fastai_finds_the_layout_without_a_network(python):
    done = python(no_network + '''
from fastai.data.external import URLs, untar_data
from mnist_stages.tools.files import untar_mnist
path = untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
assert untar_data(URLs.MNIST_SAMPLE) == path
try: untar_data(URLs.MNIST)
except OSError: print('no network, as intended')
''')
    assert (done.returncode, done.stdout.split('\n')[-2]) == (0, 'no network, as intended'), done.stderr


@pytest.mark.parametrize('module', ['data', 'tools.files'])
def test_importing_the_data_module_is_light_and_silent(python, module):
    heavy = 'fastbook', 'fastai.vision.all', 'torchvision', 'spacy'
    done = python(f'import mnist_stages.{module}, sys; print([o for o in {heavy} if o in sys.modules])')
    assert (done.stdout.strip(), done.stderr) == ('[]', '')
