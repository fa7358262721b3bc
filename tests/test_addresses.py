"The repository's address stands in settings.ini; notebooks and README follow it, and the first cell really installs from it"
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import addresses
import pytest
from conftest import cells, code_cells, notebook_names, root, source

every_notebook = pytest.mark.parametrize('name', notebook_names)
address = addresses.repository(root)
readme = (root/'README.md').read_text(encoding='utf-8')


@every_notebook
def test_each_notebook_has_its_links_and_its_first_cell(name):
    title, first = source(cells(name)[0]), source(code_cells(name)[0])
    assert f'Open in [Colab]({addresses.colab(address, name)}) or [Kaggle]({addresses.kaggle(address, name)}).' in title
    assert f"'{addresses.install(address)}'" in first
    assert re.findall(r'git\+|colab\.research|kaggle\.com', '\n'.join(map(source, cells(name)))) == ['colab.research', 'kaggle.com', 'git+']
    assert first == source(code_cells('00_data')[0])


@every_notebook
def test_readme_has_a_badge_for_each(name):
    [row] = [o for o in readme.splitlines() if o.startswith('| [') and f'(nbs/{name}.ipynb)' in o]
    for alt, link in (('Open in Colab', addresses.colab(address, name)), ('Open in Kaggle', addresses.kaggle(address, name))):
        assert re.search(rf'\[!\[{alt}\]\(https://[^)]+\.svg\)\]\({re.escape(link)}\)', row)


def copy_of_the_checkout(to):
    "The files that git knows or would add"
    known = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    for o in known:
        (to/o).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root/o, to/o)
    return to


def test_one_command_moves_them_all_and_changes_nothing_else(tmp_path):
    new, copy = 'https://github.com/some-school/digits_2', copy_of_the_checkout(tmp_path)
    def run(): return subprocess.run([sys.executable, copy/'tests'/'addresses.py'], capture_output=True, text=True, check=True).stdout.split()
    before = {o: o.read_bytes() for o in addresses.files(copy)}
    assert len(before) == 6 and run() == []                      # in step already
    settings = (copy/'settings.ini').read_text(encoding='utf-8')
    assert settings.count(address) == 1
    (copy/'settings.ini').write_text(settings.replace(address, new), encoding='utf-8')
    assert len(run()) == 6
    owner_and_name = address.removeprefix('https://github.com/')
    for o, was in before.items():
        text = o.read_text(encoding='utf-8')
        assert owner_and_name not in text and new in text
        assert text.replace('some-school/digits_2', owner_and_name).encode() == was
    assert run() == []


@pytest.mark.parametrize('bad', ['', 'https://example.org/a/b', 'https://github.com/only-an-owner', 'https://github.com/a/b.git?x'])
def test_an_address_that_colab_cannot_open_is_refused(tmp_path, bad):
    (tmp_path/'settings.ini').write_text(f'[DEFAULT]\nrepository = {bad}\n')
    with pytest.raises(ValueError, match='repository in settings.ini'): addresses.main(tmp_path)


@pytest.fixture(scope='module')
def bare(tmp_path_factory):
    "A virtual environment that has what the package needs, from this environment, but not the package. Returns a function that runs Python code in it."
    work = tmp_path_factory.mktemp('bare')
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', work/'venv'], check=True)
    scheme = sysconfig.get_paths(vars={'base': str(work/'venv'), 'platbase': str(work/'venv')})
    Path(scheme['purelib'], 'dependencies.pth').write_text('\n'.join({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}))
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'PYTHON'))}
    env |= {'PIP_NO_INDEX': '1', 'PIP_NO_DEPS': '1', 'PIP_NO_BUILD_ISOLATION': '0', 'PIP_IGNORE_INSTALLED': '1'}       # nothing may be fetched but the package (pip reads 0 as: no isolation)
    return lambda code: subprocess.run([Path(scheme['scripts'])/'python', '-c', code], cwd=work, env=env, capture_output=True, text=True)


def test_the_first_cell_installs_the_package_and_then_does_nothing(bare, tmp_path):
    clone = copy_of_the_checkout(tmp_path/'clone')
    for o in (['init', '--quiet'], ['add', '--all'], ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '-m', 'All']): subprocess.run(['git', *o], cwd=clone, check=True)
    first = source(code_cells('02_linear')[0])
    def first_cell_from(repository): return first.replace(address, repository)
    assert first_cell_from('elsewhere') != first

    missing = bare(first_cell_from('file:///nowhere'))
    assert missing.returncode and 'nowhere' in missing.stderr                  # not installed: it tries, and says what failed
    done = bare(first_cell_from(clone.as_uri()) + '\nimport mnist_stages; print(mnist_stages.__file__)')
    assert done.returncode == 0, done.stderr
    assert 'venv' in done.stdout and str(root) not in done.stdout
    again = bare(first_cell_from('file:///nowhere') + '\nfrom mnist_stages.data import load_mnist; print(len(load_mnist().train_images))')
    assert again.returncode == 0, again.stderr
    assert again.stdout == '60000\n'
