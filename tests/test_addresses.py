"The repository's address stands in settings.ini; notebooks and README follow it, and the first cell installs from it"
import os
import re
import subprocess
import sys

import addresses
import pytest
from checkout import borrowed_environment, copy_of_the_checkout
from conftest import cells, code_cells, notebook_names, root, source

every_notebook = pytest.mark.parametrize('name', notebook_names)
address = addresses.repository(root)
readme = (root/'README.md').read_text(encoding='utf-8')


@every_notebook
def test_each_notebook_has_its_links_and_its_first_cell(name):
    title, first = source(cells(name)[0]), source(code_cells(name)[0])
    assert f'Open in [Colab]({addresses.colab(address, name)}) or [Kaggle]({addresses.kaggle(address, name)}).' in title
    assert f"'{addresses.install(address)}'" in first
    everything = '\n'.join(map(source, cells(name)))
    assert re.findall(r'git\+|colab\.research|kaggle\.com', everything) == ['colab.research', 'kaggle.com', 'git+']
    assert first == source(code_cells('00_data')[0])


@every_notebook
def test_readme_has_a_badge_for_each(name):
    [row] = [o for o in readme.splitlines() if o.startswith('| [') and f'(nbs/{name}.ipynb)' in o]
    for site, link in ('Colab', addresses.colab(address, name)), ('Kaggle', addresses.kaggle(address, name)):
        assert re.search(rf'\[!\[Open in {site}\]\(https://[^)]+\.svg\)\]\({re.escape(link)}\)', row)


def test_one_command_moves_them_all_and_changes_nothing_else(tmp_path):
    new, copy = 'https://github.com/some-school/digits_2', copy_of_the_checkout(tmp_path)

    def run():
        command = [sys.executable, copy/'tests'/'addresses.py']
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

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


@pytest.mark.parametrize('bad', [
    '', 'https://example.org/a/b', 'https://github.com/only-an-owner', 'https://github.com/a/b.git?x'])
def test_an_address_that_colab_cannot_open_is_refused(tmp_path, bad):
    (tmp_path/'settings.ini').write_text(f'[DEFAULT]\nrepository = {bad}\n')
    with pytest.raises(ValueError, match='repository in settings.ini'): addresses.main(tmp_path)


@pytest.fixture(scope='module')
def bare(tmp_path_factory):
    """A function that runs Python code where everything is installed that the package needs, but not the package.

    There pip can fetch nothing but the package.
    """
    work = tmp_path_factory.mktemp('bare')
    python = borrowed_environment(work/'venv')/'python'
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'PYTHON'))}
    env |= {'PIP_NO_INDEX': '1', 'PIP_NO_DEPS': '1', 'PIP_IGNORE_INSTALLED': '1'}
    env |= {'PIP_NO_BUILD_ISOLATION': '0'}       # pip reads 0 as: no isolation
    return lambda code: subprocess.run([python, '-c', code], cwd=work, env=env, capture_output=True, text=True)


def test_the_first_cell_installs_the_package_and_then_does_nothing(bare, tmp_path):
    clone = copy_of_the_checkout(tmp_path/'clone')
    me = '-c', 'user.name=a', '-c', 'user.email=a@b'
    for command in ('init', '--quiet'), ('add', '--all'), (*me, 'commit', '--quiet', '-m', 'All'):
        subprocess.run(['git', *command], cwd=clone, check=True)
    first = source(code_cells('02_linear')[0])
    def first_cell_from(repository): return first.replace(address, repository)
    assert first_cell_from('elsewhere') != first

    missing = bare(first_cell_from('file:///nowhere'))                         # it tries, and says what failed
    assert missing.returncode and 'nowhere' in missing.stderr
    done = bare(first_cell_from(clone.as_uri()) + '\nimport mnist_stages; print(mnist_stages.__file__)')
    assert done.returncode == 0, done.stderr
    assert 'venv' in done.stdout and str(root) not in done.stdout
    use = 'from mnist_stages.tools.files import load_mnist; print(len(load_mnist().train_images))'
    again = bare(first_cell_from('file:///nowhere') + f'\n{use}')
    assert again.returncode == 0, again.stderr
    assert again.stdout == '60000\n'
