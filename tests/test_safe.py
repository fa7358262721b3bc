"Nothing unsafe: no pickles, archives with the safe filter, no open ports, and files only where they belong"
import ast
import os
import re
import subprocess
import sys

import pytest
from conftest import cannot, need, package

own = sorted(package.rglob('*.py'))
foreign_code = ('pickle', 'dill', 'cloudpickle', 'shelve', 'marshal', 'joblib', 'socketserver', 'xmlrpc')


def calls(tree):
    "Every call, as the dotted name of what is called and its keywords"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


def imported(node):
    "The modules that a statement imports, if it is one that does"
    if isinstance(node, ast.Import): return [o.name for o in node.names]
    return [node.module or ''] if isinstance(node, ast.ImportFrom) else []


def unsafe(code):
    "What in `code` could run somebody else's code or write anywhere"
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for o in imported(node):
            if o.split('.')[0] in foreign_code or o == 'http.server': yield o
        if isinstance(node, ast.ImportFrom):
            loaders = 'load_learner', 'load_model', 'unpack_archive', 'untar_data'
            yield from (f'{node.module}.{o.name}' for o in node.names if o.name in loaders)
    for name, keywords in calls(tree):
        last = name.split('.')[-1]
        servers = 'unpickle', 'unpack_archive', 'bind', 'listen', 'serve_forever'
        if name in ('eval', 'exec', 'os.system', 'load_learner') or last in servers: yield name
        if name in ('torch.load', 'load') and keywords.get('weights_only') != 'True': yield name
        if name == 'np.load' and keywords.get('allow_pickle') == 'True': yield name
        if last in ('extract', 'extractall') and keywords.get('filter') != "'data'": yield name
        if keywords.get('shell') == 'True': yield name


@pytest.mark.parametrize('path', own, ids=lambda o: o.relative_to(package).as_posix())
def test_the_library_loads_no_pickle_and_unpacks_safely(path):
    assert list(unsafe(path.read_text(encoding='utf-8'))) == []


@pytest.mark.parametrize('code', [
    'import pickle', 'from joblib import load', "torch.load('x')", "torch.load('x', weights_only=False)",
    "tar.extractall('.')", "tar.extractall('.', filter='tar')", "shutil.unpack_archive('x')", "eval('1')",
    "s.bind(('', 80))", 'from fastai.learner import load_learner', "subprocess.run('x', shell=True)"])
def test_what_is_unsafe_is_noticed(code): assert list(unsafe(code))


use = '''
import sys
sys.addaudithook(lambda event, args: event == 'pickle.find_class' and print('unpickled', *args))
from fastai.data.external import URLs
from mnist_stages.app.cli import main
from mnist_stages.tools.files import untar_mnist
untar_mnist(URLs.MNIST_SAMPLE, show_progress=False)
main(['--stages', '0', '1', '--out', 'x.png'])
'''


@pytest.fixture(scope='module')
def used(tmp_path_factory):
    "A home, a working folder and a folder for temporary files, after the package was used there"
    o = tmp_path_factory.mktemp('sandbox')
    for name in ('home', 'work', 'tmp'): (o/name).mkdir()
    own_places = 'FASTAI_HOME', 'MPLCONFIGDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME'
    env = {k: v for k, v in os.environ.items() if k not in own_places}
    env |= {'HOME': str(o/'home'), 'USERPROFILE': str(o/'home'), 'PYTHONDONTWRITEBYTECODE': '1',
            'TMPDIR': str(o/'tmp'), 'TEMP': str(o/'tmp')}
    traced = ('openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat,'
              'rmdir,truncate,chmod,fchmodat,chown,lchown,fchownat,bind,listen,connect')
    # One log a thread, so that no call is split by another's; -y for the folder that a relative path belongs to
    (o/'log').mkdir()
    strace = ['strace', '-ff', '-y', '--seccomp-bpf', '-qq', '-o', o/'log'/'of', '-e', f'trace={traced}']
    if sys.platform != 'linux' or not need('strace'): strace = []
    done = subprocess.run([*strace, sys.executable, '-c', use], cwd=o/'work', env=env, capture_output=True, text=True)
    if strace and 'PTRACE' in done.stderr: cannot(f'strace may not trace here: {done.stderr[:100]}')
    assert done.returncode == 0, done.stderr
    (o/'log'/'said').write_text(done.stdout)
    return o


# What the README says is written where. Matplotlib and torch have caches of their own.
allowed = ['home/.fastai', 'home/.cache/matplotlib', 'home/.matplotlib', 'home/.config/matplotlib', 'home/AppData',
           'work/x.png', 'tmp/']


def test_files_lie_where_they_belong(used):
    files = [o.relative_to(used).as_posix() for o in used.rglob('*') if o.is_file() and o.parent.name != 'log']
    assert 'work/x.png' in files and 'home/.fastai/data/mnist_sample/train/3/10.png' in files
    assert [o for o in files if not o.startswith(tuple(allowed))] == []
    assert [o for o in files if o.startswith('tmp/')] == []


def test_nothing_is_unpickled(used): assert 'unpickled' not in (used/'log'/'said').read_text()


def changed(call, cwd):
    "The paths that a line of strace's log says were written, made, renamed, removed or given other rights"
    made = re.match(r'(\w+)\((.*)\) = \d', call)
    if not made or made[1] in ('bind', 'listen', 'connect'): return []
    if 'open' in made[1] and not re.search('O_(WRONLY|RDWR|CREAT)', made[2]): return []
    paths = re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"', made[2])
    return [os.path.normpath(os.path.join(cwd, folder, o)) for folder, o in paths]


@pytest.mark.parametrize('call, paths', [
    ('openat(AT_FDCWD</w>, "a/b", O_RDONLY|O_CLOEXEC) = 3</w/a/b>', []),
    ('openat(AT_FDCWD</w>, "../b", O_WRONLY|O_CREAT, 0666) = 3</b>', ['/b']),
    ('unlinkat(5</x/y>, "z", 0) = 0', ['/x/y/z']), ('chmod("/etc/passwd", 0777) = 0', ['/etc/passwd']),
    ('rename("a", "/x/b") = 0', ['/w/a', '/x/b']), ('mkdir("a", 0777) = -1 EEXIST (File exists)', [])])
def test_a_change_is_noticed(call, paths): assert changed(call, '/w') == paths


@pytest.mark.skipif(sys.platform != 'linux', reason='strace is for Linux')
def test_no_other_file_is_changed_and_nothing_listens(used):
    calls = [o for log in (used/'log').glob('of*') for o in log.read_text(errors='replace').splitlines()]
    paths = [o for call in calls for o in changed(call, str(used/'work'))]
    assert len(paths) > 14434
    own = 'home/.fastai', 'home/.cache', 'home/.config', 'work', 'tmp'
    places = *(str(used/o) for o in own), '/dev', '/proc/self'
    assert {o for o in paths if not o.startswith(places)} == set()
    assert not [o for o in calls if re.match(r'listen\(|connect\(.*AF_INET', o)]
    # urllib3, which fastai brings along, asks on import whether there is IPv6: any free port here, closed at once.
    assert [o for o in calls if re.match(r'bind\(.*AF_INET', o) and not ('htons(0)' in o and '"::1"' in o)] == []
