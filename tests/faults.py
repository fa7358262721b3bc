"""Break things for real, many times, and see that the data is right afterwards or that one clear sentence says why not.

    python tests/faults.py                      # the long version: about half an hour on two cores, a table at the end
    python tests/faults.py --short              # a minute or so; tests/test_faults.py runs it
    python tests/faults.py kill --trials 50     # one section: see --help

Every trial is a process of its own, forked from this one, which has imported PyTorch and fastai but computed nothing
with them.
Needs a POSIX system. A full disk and a read-only disk are small file systems in memory, which only root can mount.
"""
import argparse
import hashlib
import http.server
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

from fastai.data.external import URLs, fastai_cfg

import mnist_stages
from mnist_stages.tools import files
from mnist_stages.tools.files import load_mnist, mnist_md5, parse_idx, read_mnist_file, untar_mnist

sample = 'mnist_sample'


class Skipped(Exception): "This machine cannot do it"


# Processes

def start(f, cwd=None, uid=None, fsize=None, **env):
    "Fork a process that calls `f` and tells through a pipe what became of it"
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        return pid, r
    try:
        os.close(r)
        os.environ.pop('FASTAI_HOME', None)
        os.environ.update({k: str(v) for k, v in env.items()})
        fastai_cfg.cache_clear()
        if cwd: os.chdir(cwd)
        if fsize: resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, fsize))
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            try: said = {'ok': str(f())}
            except Exception as e: said = {'error': type(e).__name__, 'text': str(e), 'trace': traceback.format_exc()}
        said['warnings'] = [str(o.message) for o in seen if issubclass(o.category, UserWarning)]
        os.write(w, json.dumps(said).encode())
    finally: os._exit(0)


def end(pid, r):
    "What the process said, or `None` if it was killed before it could"
    with os.fdopen(r, 'rb') as f: said = f.read()
    os.waitpid(pid, 0)
    return json.loads(said) if said else None


def run(f, **kwargs): return end(*start(f, **kwargs))
def lay_out(url=URLs.MNIST_SAMPLE, **kwargs): return lambda: untar_mnist(url, show_progress=False, **kwargs)


def digest(folder):
    "One checksum of all names and bytes in `folder`"
    h = hashlib.sha256()
    for where, dirs, names in os.walk(folder):
        dirs.sort()
        for o in sorted(names):
            p = Path(where, o)
            h.update(str(p.relative_to(folder)).encode() + b'\0' + (p.read_bytes() if p.exists() else b'dangling'))
    return h.hexdigest()


def right(said, home, warned=False):
    "Has the run succeeded, and is what it laid out what it should be?"
    assert said and 'ok' in said, said
    assert bool(said['warnings']) == warned, said
    assert said['ok'] == str(home/'data'/sample), said
    assert digest(home/'data'/sample) == reference, f'{home} differs'


def clear(said, *words):
    "Has the run ended in one clear error that holds `words`?"
    assert said and 'error' in said, said
    assert said['error'] in ('OSError', 'FileNotFoundError', 'PermissionError', 'ValueError'), said
    for o in words: assert str(o) in said['text'], (o, said['text'])
    assert said['text'].count('\n') == 0 and len(said['text']) < 600, said
    return said['text']


@contextmanager
def home(name='home'):
    with tempfile.TemporaryDirectory(dir=work, prefix=name + '-') as o: yield Path(o)


@contextmanager
def small_disk(size):
    "A file system in memory of its own, which is all that `size` says"
    with home('disk') as o:
        mount = ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', o]
        if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
            raise Skipped('only root can mount a file system')
        try: yield o
        finally: subprocess.run(['umount', '-l', o], check=True)


def left_over(home): return sorted(o.name for o in (home/'data').iterdir()) if (home/'data').exists() else []


# Sections: each takes a number of trials and returns a line on what happened

def kill(n):
    "SIGKILL at a random moment of a layout; then a second run"
    with home() as o:
        begin = time.perf_counter()
        right(run(lay_out(), FASTAI_HOME=o), o)
        whole = time.perf_counter() - begin
    when = {'before the first file': 0, 'while files were written': 0, 'when all was there': 0}
    for _ in range(n):
        with home() as o:
            pid, r = start(lay_out(), FASTAI_HOME=o)
            time.sleep(random.uniform(0, whole))
            os.kill(pid, signal.SIGKILL)
            end(pid, r)
            there, dest = left_over(o), o/'data'/sample
            if dest.exists(): assert digest(dest) == reference          # all or nothing
            begun = any(x.startswith(f'.{sample}-') for x in there)
            if dest.exists(): when['when all was there'] += 1
            else: when['while files were written' if begun else 'before the first file'] += 1
            right(run(lay_out(), FASTAI_HOME=o), o)
            others = [x for x in left_over(o) if x not in (f'.{sample}.lock', sample)]
            assert [x for x in others if any((o/'data'/x).rglob('*'))] == []
    return f'killed {", ".join(f"{k} {v}" for k, v in when.items())}; every second run completed, every file right'


def concurrent(n):
    "Two and eight processes at once; in every third round one of them is killed"
    def noted(log):
        def f():
            write = files._write_layout
            def noted_write(*args):
                with open(log, 'a') as o: o.write(f'{os.getpid()}\n')
                return write(*args)
            files._write_layout = noted_write
            return lay_out()()
        return f
    killed = 0
    for i in range(n):
        with home() as o, home('log') as log:
            many = [start(noted(log/'log'), FASTAI_HOME=o) for _ in range((2, 8)[i % 2])]
            if i % 3 == 2:
                time.sleep(random.uniform(0, 1.5))
                os.kill(many[0][0], signal.SIGKILL)
            said = [end(*p) for p in many]
            if said[0] is None: killed, said = killed + 1, said[1:]
            for s in said: right(s, o)
            wrote = (log/'log').read_text().split()
            # one did it, the others waited; a killed one's work is begun again
            assert len(wrote) == 1 or i % 3 == 2 and len(wrote) == 2, wrote
    return f'rounds of 2 and of 8 processes, one of them killed in {killed}; one complete tree each time, written once'


def full_disk(n):
    "A disk that is full after a random number of files; then there is room"
    for _ in range(n):
        with small_disk(f'{random.randint(1, 50)}m') as o:
            text = clear(run(lay_out(), FASTAI_HOME=o), 'No space left', o/'data'/sample, 'Make room')
            assert left_over(o) in ([], [f'.{sample}.lock']), left_over(o)
            subprocess.run(['mount', '-o', 'remount,size=400m', o], check=True)
            right(run(lay_out(), FASTAI_HOME=o), o)
    return f'"{text[:90]}..."; nothing half-written; with room it completed'


def file_limit(n):
    "A limit on the size of a file, which `labels.csv` exceeds"
    for _ in range(n):
        with home() as o:
            clear(run(lay_out(), FASTAI_HOME=o, fsize=100_000), 'File too large', o/'data'/sample)
            assert left_over(o) == [f'.{sample}.lock']
            right(run(lay_out(), FASTAI_HOME=o), o)
    return 'one clear error, nothing half-written, then complete'


def read_only(n):
    "A home that cannot be written: a read-only disk, and a folder of somebody else's"
    for i in range(n):
        with small_disk('400m') as o:
            if i % 2: right(run(lay_out(), HOME=o, FASTAI_HOME=o/'.fastai'), o/'.fastai')
            subprocess.run(['mount', '-o', 'remount,ro', o], check=True)
            said = run(lay_out(), HOME=o)
            if i % 2: right(said, o/'.fastai')
            else: text = clear(said, 'Read-only file system', 'FASTAI_HOME')
        with home() as o:
            os.chmod(work, 0o755)
            os.chmod(o, 0o555)
            clear(run(lay_out(), HOME=o, uid=65534), 'Permission denied', 'FASTAI_HOME')
            os.chmod(o, 0o777)
            right(run(lay_out(), HOME=o, uid=65534), o/'.fastai')
            said = run(lambda: load_mnist().train_images.sum().item(), HOME='/nowhere', cwd='/', uid=65534)
            assert said['ok'] == pixels
    return f'"{text[:90]}..."; what is complete is used without writing; load_mnist needs no home'


def places(n):
    "FASTAI_HOME, homes with spaces and non-ASCII letters, working folders that are not the checkout"
    for i in range(n):
        name = ['plain', 'with spaces in it', 'été Ω 数字', "quote's & $HOME;#"][i % 4]
        with home() as o:
            (o/name).mkdir()
            where = {'HOME': o/name} if i % 2 else {'FASTAI_HOME': o/name}
            for cwd in ('/', o/name): right(run(lay_out(), cwd=cwd, **where), o/name/'.fastai' if i % 2 else o/name)
    return 'right each time'


def shipped(n):
    "A shipped file truncated, flipped by one bit, replaced by an HTML page, missing, empty, or another one's"
    with home('package') as o:
        shutil.copytree(Path(mnist_stages.__file__).parent, o/'mnist_stages')
        command = [sys.executable, __file__, 'shipped-worker', '--trials', str(n)]
        env = {**os.environ, 'PYTHONPATH': str(o), 'PACKAGE': str(o)}
        done = subprocess.run(command, env=env, cwd=o, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip().splitlines()[-1]


def shipped_worker(n):
    "What `shipped` runs, in a process that has imported a copy of the package whose files it may damage"
    folder = files.shipped
    assert str(folder).startswith(os.environ['PACKAGE']), folder
    harmless = 0
    for i in range(n):
        name = list(mnist_md5)[i % 4]
        path = folder/f'{name}.gz'
        good = path.read_bytes()
        at = random.randrange(len(good))
        kind = 'bit' if i >= 24 else ('truncated', 'html', 'missing', 'empty', 'other', 'bit')[i // 4]
        if kind == 'truncated': path.write_bytes(good[:at])
        elif kind == 'html': path.write_text('<html><title>404 Not Found</title></html>')
        elif kind == 'missing': path.unlink()
        elif kind == 'empty': path.write_bytes(b'')
        elif kind == 'other': path.write_bytes((folder/f'{list(mnist_md5)[(i + 1) % 4]}.gz').read_bytes())
        else: path.write_bytes(good[:at] + bytes([good[at] ^ 1 << random.randrange(8)]) + good[at + 1:])
        with tempfile.TemporaryDirectory() as home:
            def md5(name=name): return hashlib.md5(read_mnist_file(name)).hexdigest()
            said = run(md5) if kind == 'bit' and i >= 24 else run(lay_out(), FASTAI_HOME=home)
            if kind == 'bit' and 'ok' in said:      # a bit that gzip ignores, such as its time stamp: the data is right
                harmless += 1
                assert i < 24 or said['ok'] == mnist_md5[name], said
            else:
                clear(said, f'{name}.gz', 'pip install --force-reinstall')
                assert left_over(Path(home)) in ([], [f'.{sample}.lock'])
        path.write_bytes(good)
    return (f'6 kinds of damage on each of 4 files, {max(0, n - 20)} times one random bit ({harmless} of these in '
            'parts of gzip that carry no data); always the file and the remedy')


def cache(n):
    "A folder in the cache that something else has damaged"
    def picture(d):
        return random.choice(sorted((d/random.choice(['train/3', 'train/7', 'valid/3', 'valid/7'])).iterdir()))
    def change(p, f): p.write_bytes(f(p.read_bytes()))

    def flip(b):
        i = random.randrange(len(b))
        return b[:i] + bytes([b[i] ^ 1 << random.randrange(8)]) + b[i + 1:]
    damages = {
        'a picture missing': lambda d: picture(d).unlink(),
        'a picture of zero bytes': lambda d: change(picture(d), lambda b: b''),
        'a truncated picture': lambda d: change(picture(d), lambda b: b[:random.randrange(len(b))]),
        'one bit of a picture': lambda d: change(picture(d), flip),
        'an HTML page for a picture': lambda d: change(picture(d), lambda b: b'<html></html>'),
        'an extra picture': lambda d: shutil.copy(picture(d), d/'train'/'3'/'70001.png'),
        'an extra class': lambda d: ((d/'valid'/'8').mkdir(), shutil.copy(picture(d), d/'valid'/'8'/'1.png')),
        'a hidden file': lambda d: (d/'train'/'3'/'.DS_Store').touch(),
        'a class missing': lambda d: shutil.rmtree(d/'train'/'7'),
        'a dangling link': lambda d: (p := picture(d), p.unlink(), p.symlink_to('/nowhere')),
        'an empty folder': lambda d: (shutil.rmtree(d), d.mkdir()),
        'a file in its place': lambda d: (shutil.rmtree(d), d.write_text('x')),
        'a dangling link in its place': lambda d: (shutil.rmtree(d), d.symlink_to('/nowhere')),
    }
    kinds = random.sample(list(damages.items()), len(damages))
    with home() as o:
        dest = o/'data'/sample
        right(run(lay_out(), FASTAI_HOME=o), o)
        for i in range(n):
            kind, damage = kinds[i % len(kinds)]
            damage(dest)
            damaged = digest(dest) if dest.is_dir() else None
            said = run(lay_out(), FASTAI_HOME=o)
            right(said, o, warned=True)
            aside = o/'data'/f'{sample}-damaged-1'
            [warning] = said['warnings']
            assert str(aside) in warning and os.path.lexists(aside), (kind, said)
            if damaged: assert digest(aside) == damaged, kind          # nothing of it was touched
            aside.unlink() if aside.is_symlink() or aside.is_file() else shutil.rmtree(aside)
        (dest/'models').mkdir()
        (dest/'models'/'mine.pth').write_text('x')                   # what fastai's learn.save makes is no damage
        said = run(lay_out(), FASTAI_HOME=o)
        assert 'ok' in said and not said['warnings'] and (dest/'models'/'mine.pth').exists()
    return f'{min(n, len(damages))} kinds; each was noticed, moved aside untouched, and laid out anew with one warning'


def no_network(n):
    "No network at all: everything but a download works"
    code = '''
from fastai.data.external import URLs
from mnist_stages.tools.files import untar_mnist
for url in (URLs.MNIST_SAMPLE, URLs.MNIST): untar_mnist(url, show_progress=False)
from mnist_stages.app.cli import main
assert main(['--stages', '0', '1', '--json', '--out', 'x.png']) == 0
import shutil
shutil.rmtree(untar_mnist(URLs.MNIST_SAMPLE))
try: untar_mnist(URLs.MNIST_SAMPLE, download=True)
except OSError as e: assert 'Leave out download=True' in str(e), e
else: assert False, 'it downloaded'
'''
    apart = ['unshare', '--net', '--map-root-user']
    if not shutil.which('unshare') or subprocess.run([*apart, 'true'], capture_output=True).returncode:
        raise Skipped('unshare --net does not work here')
    for _ in range(n):
        with home() as o:
            env = {**os.environ, 'FASTAI_HOME': str(o), 'MPLBACKEND': 'agg'}
            command = [*apart, sys.executable, '-c', code]
            done = subprocess.run(command, env=env, cwd=o, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert left_over(o) == ['.mnist_png.lock', f'.{sample}.lock', 'mnist_png']
    return 'both layouts and stages 0 and 1 run; a download says why not and leaves nothing'


def tar(members):
    "A compressed archive; `members` are pairs of a name and bytes, or `TarInfo`s"
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode='w:gz', compresslevel=1) as t:
        for o in members:
            if isinstance(o, tarfile.TarInfo): t.addfile(o)
            else:
                info = tarfile.TarInfo(o[0])
                info.size = len(o[1])
                t.addfile(info, io.BytesIO(o[1]))
    return buf.getvalue()


class Archive(http.server.BaseHTTPRequestHandler):
    "Serves `/KIND/mnist_sample.tgz`"
    def log_message(self, *args): pass
    def do_GET(self):
        kind = self.path.split('/')[1]
        body, status = self.bodies.get(kind, self.bodies['whole']), {'404': 404, '503': 503}.get(kind, 200)
        self.send_response(status)
        if kind != 'no-length': self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[:int(float(kind)*len(body))] if kind.startswith('0.') else body)


def download(n):
    "A download that stops, brings something else, or would write elsewhere; then another, or the shipped files"
    paths = [p for p in sorted(tree.rglob('*')) if p.is_file()]
    good = [(f'{sample}/{p.relative_to(tree).as_posix()}', p.read_bytes()) for p in paths]
    evil = Path('/tmp/mnist_stages_evil')
    link, device = tarfile.TarInfo(f'{sample}/train/3/link.png'), tarfile.TarInfo(f'{sample}/device')
    link.type, link.linkname, device.type = tarfile.SYMTYPE, '/etc/passwd', tarfile.FIFOTYPE
    whole = tar(good)
    Archive.bodies = {
        'whole': whole, 'no-length': whole, 'html': b'<html>Sign in to the school network</html>', '404': b'no',
        '503': b'busy', 'empty': b'',
        'flipped': whole[:len(whole)//2] + bytes([whole[len(whole)//2] ^ 8]) + whole[len(whole)//2 + 1:],
        'one-missing': tar(good[:-1]), 'elsewhere': tar([*good, ('../../evil', b'x')]),
        'absolute': tar([(str(evil), b'x'), *good]), 'link': tar([link, *good]), 'device': tar([device, *good])}
    bad = ['html', '404', '503', 'empty', 'flipped', 'one-missing', 'elsewhere', 'link', 'device', '0.5', '0.99']
    random.shuffle(bad)
    server = http.server.HTTPServer(('127.0.0.1', 0), Archive)
    pid = os.fork()
    if not pid: server.serve_forever()
    try:
        url = f'http://127.0.0.1:{server.server_port}/%s/{sample}.tgz'
        for i in range(n):
            kind = bad[i] if i < len(bad) else f'{random.random():.4f}'
            with home() as o:
                told = url % kind
                text = clear(run(lay_out(told, download=True), FASTAI_HOME=o), told, 'Leave out download=True')
                others = [x.name for x in o.iterdir() if x.name not in ('config.ini', 'data')]
                assert left_over(o) == [f'.{sample}.lock'] and others == [], left_over(o)
                assert not list(Path(work).rglob('evil')) and not evil.exists()
                whole_one = lay_out(url % ('whole', 'no-length')[i % 2], download=True)
                right(run(whole_one if i % 3 else lay_out(), FASTAI_HOME=o), o)
        with home() as o:      # the safe filter makes it relative: it stays inside the temporary folder
            right(run(lay_out(url % 'absolute', download=True), FASTAI_HOME=o), o)
        assert not evil.exists()
        with home() as o:
            nobody = lay_out('http://127.0.0.1:9/mnist_sample.tgz', download=True)
            clear(run(nobody, FASTAI_HOME=o), 'refused', 'Leave out download=True')
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        server.server_close()
    return f'"{text[:100]}..."; nothing half-written, nothing outside, and the next run is right'


def idx(n):
    "Any bytes to the IDX reader: an array of the header's shape, or a ValueError"
    arrays, rng = 0, random.Random(1)
    kinds = {8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8}
    for _ in range(n):
        how = rng.random()
        if how < .2: buf = rng.randbytes(rng.randrange(40))
        else:
            dims = rng.randrange(1, 6) if how < .95 else rng.randrange(30, 256)
            odd = [0, 1, 2, 3, 2**31, 2**32 - 1]
            shape = [rng.choice(odd) if how < .3 else rng.randrange(5) for _ in range(dims)]
            kind = rng.choice(list(kinds))
            size = 1
            for o in shape: size *= o
            header = bytes([0, 0, kind, len(shape)]) + struct.pack(f'>{len(shape)}I', *shape)
            buf = header + rng.randbytes(min(size*kinds[kind], 10_000))
            if how > .6 and buf:
                at = rng.randrange(len(buf))
                buf = rng.choice([buf[:at], buf[:at] + rng.randbytes(1) + buf[at + 1:], buf + b'x'])
        try: x = parse_idx(buf)
        except ValueError as e: assert 'IDX' in str(e), e
        else:
            arrays += 1
            shape = struct.unpack_from(f'>{buf[3]}I', buf, 4)
            assert buf[:2] == b'\0\0' and x.shape == shape and x.itemsize == kinds[buf[2]]
            assert x.tobytes() == buf[4 + 4*len(shape):]
    return f'{arrays} arrays of the right shape and bytes, {n - arrays} times ValueError, nothing else'


sections = {   # trials in the long version, in the short one
    'kill': (kill, 200, 4), 'concurrent': (concurrent, 50, 2), 'full-disk': (full_disk, 20, 1),
    'file-limit': (file_limit, 5, 1), 'read-only': (read_only, 6, 2), 'places': (places, 12, 2),
    'shipped': (shipped, 224, 28), 'cache': (cache, 52, 6), 'no-network': (no_network, 2, 1),
    'download': (download, 40, 5), 'idx': (idx, 10_000, 3_000)}


def main():
    global work, tree, reference, pixels
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sections', nargs='*', metavar='SECTION', help=', '.join(sections))
    parser.add_argument('--short', action='store_true')
    parser.add_argument('--trials', type=int)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    random.seed(args.seed)
    if args.sections == ['shipped-worker']: return print(shipped_worker(args.trials))
    print(f'seed {args.seed}', flush=True)
    rows, failed = [], False
    # in memory where there is room: hundreds of times 14,434 files
    room = os.access('/dev/shm', os.W_OK) and shutil.disk_usage('/dev/shm').free > 2**31
    memory = '/dev/shm' if room else None
    with tempfile.TemporaryDirectory(prefix='faults-', dir=memory, ignore_cleanup_errors=True) as work:
        tree = Path(work)/'reference'/'data'/sample
        assert 'ok' in run(lay_out(), FASTAI_HOME=Path(work)/'reference')
        reference = digest(tree)
        pixels = run(lambda: load_mnist().train_images.sum().item())['ok']
        for name in args.sections or sections:
            f, long, short = sections[name]
            n, begin = args.trials or (short if args.short else long), time.perf_counter()
            try: outcome = f(n)
            except Skipped as e: n, outcome = 0, f'skipped: {e}'
            except Exception: failed, outcome = True, 'FAILED: ' + ' / '.join(traceback.format_exc().splitlines())
            rows.append((name, f.__doc__, n, f'{time.perf_counter() - begin:.0f} s', outcome))
            print('| ' + ' | '.join(map(str, rows[-1])) + ' |', flush=True)
    print('\n| section | fault | trials | time | outcome |\n|---|---|---|---|---|')
    for o in rows: print('| ' + ' | '.join(map(str, o)) + ' |')
    sys.exit(failed)


if __name__ == '__main__': main()
