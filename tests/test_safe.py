"Nothing unsafe: no pickles, archives with the safe filter, no open ports, and files only where they belong"
import ast
import os
import re
import subprocess
import sys

import pytest
from conftest import need, package

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
    traced = ('openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,'
              'bind,listen,connect')
    strace = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', o/'log', '-e', f'trace={traced}']
    if sys.platform != 'linux' or not need('strace'): strace = []
    done = subprocess.run([*strace, sys.executable, '-c', use], cwd=o/'work', env=env, capture_output=True, text=True)
    if strace and 'PTRACE' in done.stderr: pytest.skip(f'strace may not trace here: {done.stderr[:100]}')
    assert done.returncode == 0, done.stderr
    return o


# What the README says is written where. Matplotlib and torch have caches of their own.
allowed = ['home/.fastai', 'home/.cache/matplotlib', 'home/.matplotlib', 'home/.config/matplotlib', 'home/AppData',
           'work/x.png', 'tmp/']


def test_files_lie_where_they_belong(used):
    files = [o.relative_to(used).as_posix() for o in used.rglob('*') if o.is_file() and o.name != 'log']
    assert 'work/x.png' in files and 'home/.fastai/data/mnist_sample/train/3/10.png' in files
    assert [o for o in files if not o.startswith(tuple(allowed))] == []
    assert [o for o in files if o.startswith('tmp/')] == []


@pytest.mark.skipif(sys.platform != 'linux', reason='strace is for Linux')
def test_no_other_file_is_opened_to_write_and_nothing_listens(used):
    log = (used/'log').read_text(errors='replace')
    to_write = r'(?:openat|open|creat)\((?:AT_FDCWD, )?"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)[^)]*\) = \d'
    made = re.findall(r'(?:mkdir|rename|link)\w*\(([^)]*)\) = 0', log)
    written = re.findall(to_write, log) + [o for call in made for o in re.findall(r'"([^"]+)"', call)]
    assert len(written) > 14434
    at_home = 'home/.fastai', 'home/.cache', 'home/.config', 'work', 'tmp'
    places = [*(str(used/o) for o in at_home), '/dev/', '/proc/self/']
    elsewhere = {o for o in written if not (o if o.startswith('/') else str(used/'work'/o)).startswith(tuple(places))}
    assert elsewhere == set()
    assert not re.search(r'listen\(|connect\(.*AF_INET', log)
    # urllib3, which fastai brings along, asks on import whether there is IPv6: any free port here, closed at once.
    assert [o for o in re.findall(r'bind\(.*AF_INET.*', log) if not ('htons(0)' in o and '"::1"' in o)] == []
