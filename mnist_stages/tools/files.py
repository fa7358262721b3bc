"MNIST from the files shipped with this package, as tensors and as fastai's folders of PNG files, whole or not at all."
import gzip
import hashlib
import os
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import warnings
import zlib
from collections import namedtuple
from contextlib import contextmanager, suppress
from functools import lru_cache
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, metadata
from itertools import count
from math import prod
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import urlopen

import numpy as np
import torch
from fastai.data.external import fastai_cfg, fastai_path
from fastprogress.fastprogress import progress_bar
from filelock import FileLock, SoftFileLock, Timeout
from PIL import Image

shipped = Path(__file__).parent.parent/'mnist'

#: MD5 of each uncompressed file of MNIST, as published
mnist_md5 = {
    'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
    'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
    't10k-images-idx3-ubyte':  '2646ac647ad5339dbf082846283269ea',
    't10k-labels-idx1-ubyte':  '27ae3e4e09519cfbb04c329615203637'}

MNIST = namedtuple('MNIST', 'train_images train_labels valid_images valid_labels')
MNIST.__doc__ = ("MNIST as tensors: uint8 images `[n, 28, 28]`, 0 is paper and 255 is ink, "
                 "and int64 labels `[n]`, 0 to 9")


def _remedy():
    "How to get this package's own files back"
    try: urls = metadata('mnist_stages').get_all('Project-URL') or []
    except PackageNotFoundError: urls = []
    home = next((o.partition(', ')[2] for o in urls if o.startswith('Repository')), None)
    if not home: return 'fetch the repository again'
    return f'pip install --force-reinstall --no-deps git+{home}  or, in a clone,  git checkout -- mnist_stages/mnist'


@lru_cache(len(mnist_md5))
def _unpacked(path, changed, size):
    "What a file holds, and its MD5; kept while the file stays as it is, since notebooks ask for the pictures often"
    buf = gzip.decompress(path.read_bytes())
    return buf, hashlib.md5(buf, usedforsecurity=False).hexdigest()


def read_mnist_file(
    name:str, # One of the keys of `mnist_md5`
) -> bytes: # The uncompressed bytes of that file
    "Read one of the four shipped files of MNIST. Raises `OSError` if it is missing or its MD5 is wrong."
    if name not in mnist_md5: raise ValueError(f'{name!r} is no file of MNIST: choose from {list(mnist_md5)}')
    path = shipped/f'{name}.gz'
    remedy = f'Install the package again:  {_remedy()}'
    try:
        stat = path.stat()
        buf, md5 = _unpacked(path, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError: raise FileNotFoundError(f'{path} is missing. {remedy}') from None
    except (OSError, EOFError, zlib.error) as e: raise OSError(f'{path} cannot be unpacked ({e}). {remedy}') from None
    if md5 != mnist_md5[name]: raise OSError(f'{path} is damaged: its MD5 is {md5}, not {mnist_md5[name]}. {remedy}')
    return buf


_idx_dtypes = {8: 'u1', 9: 'i1', 11: '>i2', 12: '>i4', 13: '>f4', 14: '>f8'}


def parse_idx(
    buf:bytes, # A whole file in IDX format, uncompressed
) -> np.ndarray: # The array that the header describes; uint8 for MNIST's files
    "The array stored in `buf`. Raises `ValueError` if `buf` is not a complete IDX file. Format: Y. LeCun, 1998."
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError(f'parse_idx needs the bytes of a file, not {type(buf).__name__}: '
                        'read it with open(path, "rb").read()')
    if len(buf) < 4 or buf[:2] != b'\0\0' or buf[2] not in _idx_dtypes or buf[3] == 0:
        raise ValueError(f'Not an IDX file: it begins with {bytes(buf[:4])}, '
                         'not with two zeros, a known type and a number of dimensions.')
    dtype, start = np.dtype(_idx_dtypes[buf[2]]), 4 + 4*buf[3]
    if len(buf) < start: raise ValueError(f'IDX file of {len(buf)} bytes ends inside its {start}-byte header.')
    shape = struct.unpack_from(f'>{buf[3]}I', buf, 4)
    expected = start + prod(shape)*dtype.itemsize
    if len(buf) != expected:
        raise ValueError(f'IDX file of {len(buf)} bytes: its header {shape} asks for {expected}.')
    try: return np.frombuffer(buf, dtype, offset=start).reshape(shape)
    except ValueError as e: raise ValueError(f'IDX header {shape} is not a shape that an array can have: {e}') from None


def load_mnist(
    held_out:bool=False, # Validate on the last 5,000 training images instead, to choose a recipe by?
) -> MNIST: # 60,000 images and labels to train, 10,000 to validate; or 55,000 and 5,000
    "All of MNIST as tensors, in MNIST's own order, from the shipped files. Raises `OSError` if a file is damaged."
    tensors = [torch.from_numpy(parse_idx(read_mnist_file(name)).copy()) for name in mnist_md5]
    m = MNIST(*[t if t.dim() == 3 else t.long() for t in tensors])
    if not held_out: return m
    (x, held_out_x), (y, held_out_y) = [t.split([55_000, 5_000]) for t in (m.train_images, m.train_labels)]
    return MNIST(x, y, held_out_x, held_out_y)


# The same pictures as folders, where fastai's `untar_data` puts them

#: For each archive of fastai's: its folders for training and for validation, and the digits in them
_layouts = {'mnist_sample': ('train', 'valid', (3, 7)), 'mnist_png': ('training', 'testing', range(10))}


def png_layout(
    name:str, # 'mnist_sample' or 'mnist_png'
) -> list: # Pairs of a path such as 'train/3/10.png' and a uint8 array [28, 28]
    "What the archive `name` holds, in the order of folder and then of index"
    if name not in _layouts: raise ValueError(f'there is no layout {name!r}: choose from {list(_layouts)}')
    m, (train, valid, digits) = load_mnist(), _layouts[name]
    parts = (train, m.train_images, m.train_labels), (valid, m.valid_images, m.valid_labels)
    return [(f'{folder}/{d}/{i}.png', x[i].numpy())
            for folder, x, y in parts for d in digits for i in (y == d).nonzero().flatten().tolist()]


def _write_layout(name, folder, show_progress):
    "Write the PNG files of the archive `name` into `folder`, and `labels.csv` where fastai's archive has one"
    layout = png_layout(name)
    for sub in sorted({Path(p).parent for p, _ in layout}): (folder/sub).mkdir(parents=True)
    todo = progress_bar(layout, leave=False) if show_progress else layout     # `display=False` would still print
    for p, x in todo: Image.fromarray(x).save(folder/p, compress_level=1)
    if name == 'mnist_sample':
        rows = ['name,label', *(f"{p},{int(Path(p).parent.name == '7')}" for p, _ in layout)]
        (folder/'labels.csv').write_text('\n'.join(rows) + '\n')


def _is_whole_png(path):
    "Is there a PNG file from its signature to its end, and is the checksum of each of its parts right?"
    try: buf, i = path.read_bytes(), 8
    except FileNotFoundError: return False          # a link that leads nowhere
    while buf[:8] == b'\x89PNG\r\n\x1a\n' and i + 12 <= len(buf):
        end = i + 8 + int.from_bytes(buf[i:i + 4], 'big')
        if zlib.crc32(buf[i + 4:end]) != int.from_bytes(buf[end:end + 4], 'big'): return False
        i = end + 4
    return i == len(buf) and buf[-8:-4] == b'IEND'


def damage(
    folder:Path, # Named 'mnist_sample' or 'mnist_png'
) -> str: # A few words, or `None`
    "What is wrong with the layout in `folder`, if anything is"
    expected, found = {p for p, _ in png_layout(folder.name)}, set()
    if not folder.exists(): return 'it is missing'
    for part in _layouts[folder.name][:2]:
        for where, _, names in os.walk(folder/part):
            found |= {f'{Path(where).relative_to(folder).as_posix()}/' + o for o in names}
    wrong = [f'{p} is missing' for p in sorted(expected - found)]
    wrong += [f'{p} does not belong there' for p in sorted(found - expected)]
    if folder.name == 'mnist_sample' and not (folder/'labels.csv').exists(): wrong.append('labels.csv is missing')
    wrong = wrong or [f'{p} is not a whole PNG file' for p in sorted(expected) if not _is_whole_png(folder/p)]
    if wrong: return wrong[0] + f', and {len(wrong) - 1} more'*(len(wrong) > 1)


def _download(url, folder):
    "Fetch fastai's archive `url` and unpack it as `folder`"
    try:
        with urlopen(url, timeout=30) as r, tarfile.open(fileobj=r, mode='r|gz') as tar:
            tar.extractall(folder.parent, filter='data')
        wrong = damage(folder)
    except (OSError, EOFError, ValueError, TypeError, zlib.error, tarfile.TarError, HTTPException) as e: wrong = e
    if wrong:
        raise OSError(f'{url} could not be downloaded and unpacked ({wrong}). '
                      'Leave out download=True: the package holds the same pictures.')


#: Seconds: until it is said what is waited for, until that is given up, and for a file that another program holds
#: or writes
patience = {'quiet': 5, 'lock': 600, 'rename': 5}


@contextmanager
def _alone(path):
    "Hold the lock `path`, so that other processes wait; a second file serves where the file system has no locks"
    lock = FileLock(path)
    try: lock.acquire(timeout=patience['quiet'])
    except NotImplementedError: lock = SoftFileLock(f'{path}.soft')
    except Timeout: print(f'Another program holds {path}: waiting for it ...', file=sys.stderr, flush=True)
    try: lock.acquire(timeout=patience['lock'])
    except Timeout:
        raise OSError(f'{lock.lock_file} is held by another program for more than {patience["lock"]} seconds. '
                      'End that program, or delete the file if there is none, and try again.') from None
    try: yield
    finally: lock.release(force=True)      # it may have been taken twice


#: What a rename meets while another program, such as a virus scanner, holds the file; elsewhere it will not pass
_held = (PermissionError,) if os.name == 'nt' else ()


def _rename(old, new):
    "Rename, once more and again while another program holds `old`"
    end = time.monotonic() + patience['rename']
    while True:
        try: return old.rename(new)
        except _held:
            if time.monotonic() > end: raise
            time.sleep(.1)


def _renew(dest, write):
    "Put the folder that `write` fills into the place of `dest`, all or nothing. A damaged `dest` is moved aside."
    dest.parent.mkdir(parents=True, exist_ok=True)
    with _alone(dest.parent/f'.{dest.name}.lock'):
        wrong = damage(dest)
        if not wrong: return                        # another process was faster
        prefix = f'.{dest.name}-'
        for stale in dest.parent.glob(f'{prefix}*'): shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=dest.parent, ignore_cleanup_errors=True) as tmp:
            write(Path(tmp)/dest.name)
            if os.path.lexists(dest):
                names = (dest.with_name(f'{dest.name}-damaged-{i}') for i in count(1))
                aside = next(o for o in names if not os.path.lexists(o))
                _rename(dest, aside)
                told = f'{dest} was damaged: {wrong}. It is now {aside}, and {dest} was made anew.'
                warnings.warn(told, stacklevel=3)
            _rename(Path(tmp)/dest.name, dest)


def _cache():
    "fastai's folder for data sets. Its `config.ini` is empty while another process writes it: then it is read again"
    end = time.monotonic() + patience['rename']
    while (folder := fastai_path('data')) is None:
        if time.monotonic() > end:
            raise OSError(f'{fastai_cfg().config_file} names no folder for data. Delete that file, and fastai will '
                          'make it anew.')
        fastai_cfg.cache_clear()
        time.sleep(.01)
    return folder


def untar_mnist(
    url:str, # `URLs.MNIST_SAMPLE` or `URLs.MNIST`
    download:bool=False, # Download fastai's archive instead of using the shipped files?
    show_progress:bool=True, # Draw a progress bar while the files are written?
) -> Path: # The folder, in fastai's cache, where `untar_data(url)` finds it too
    """Lay out `url` as fastai's `untar_data` would, without a network.

    A complete folder in the cache is used, a damaged one is moved aside. Raises `OSError` if that fails.
    """
    name = dest = Path(urlparse(str(url)).path).stem
    if name not in _layouts:
        raise ValueError(f'untar_mnist has URLs.MNIST_SAMPLE and URLs.MNIST, not {url!r}: '
                         'use fastai.data.external.untar_data')

    def write(folder): return _download(url, folder) if download else _write_layout(name, folder, show_progress)
    try:
        dest = _cache()/name
        if damage(dest): _renew(dest, write)
    except OSError as e:
        if e.errno is None: raise                   # it says all already: a shipped file, or the download
        where = e.filename if dest == name else dest
        raise OSError(e.errno, f'{where} cannot be made or read: {e.strerror}. Make room there, or set the environment '
                               'variable FASTAI_HOME to a folder that you may write to, start Python again and '
                               'repeat this. Nothing half-written was left.') from None
    return dest


def write_whole(
    path:Path, # The file; what is there is replaced
    content:bytes, # What it shall hold
):
    "Write `content` to `path`, whole or not at all. Raises `OSError` if `path` is a folder or lies in none."
    if path.is_dir(): raise IsADirectoryError(f'{path} is a folder: give the name of a file')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path} cannot be written: there is no folder {path.parent}, make it first')
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}-', delete=False) as f:
        try:
            f.write(content)
            f.close()
            os.chmod(f.name, 0o644)
            os.replace(f.name, path)
        except BaseException:
            f.close()
            with suppress(OSError): os.unlink(f.name)
            raise
