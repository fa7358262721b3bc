"The wheel and the source distribution, and what they promise"
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import root

import mnist_stages

in_package = ['mnist_stages/mnist/' + o for o in ('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz', 't10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz', 'NOTICE.txt')] + ['mnist_stages/pad.js']


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "The sdist, and the wheel built from it, made from a copy of the files that git knows"
    work = tmp_path_factory.mktemp('build')
    known = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    for o in known:
        (work/'src'/o).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root/o, work/'src'/o)
    subprocess.run([sys.executable, '-m', 'build', '--no-isolation', '--outdir', work/'dist', work/'src'], check=True, capture_output=True)
    return {o.suffix: o for o in (work/'dist').iterdir()}


def test_wheel_and_sdist_hold_the_data_and_the_licences(built):
    wheel = zipfile.ZipFile(built['.whl']).namelist()
    sdist = [o.split('/', 1)[-1] for o in tarfile.open(built['.gz']).getnames()]
    for o in in_package: assert o in wheel and o in sdist
    for o in 'settings.ini setup.py pyproject.toml README.md LICENSE'.split(): assert o in sdist
    assert any(o.endswith('licenses/LICENSE') for o in wheel)
    assert not [o for o in wheel if o.startswith(('tests', 'nbs'))]


def test_the_metadata_has_the_address(built, settings):
    wheel = zipfile.ZipFile(built['.whl'])
    [metadata] = [o for o in wheel.namelist() if o.endswith('.dist-info/METADATA')]
    assert f"Project-URL: Repository, {settings['repository']}" in wheel.read(metadata).decode().splitlines()


@pytest.fixture(scope='module')
def elsewhere(built, tmp_path_factory):
    "A virtual environment with the wheel alone; what it depends on comes from this environment. The checkout is not on its path."
    env = tmp_path_factory.mktemp('elsewhere')/'venv'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', env], check=True)
    scheme = sysconfig.get_paths(vars={'base': str(env), 'platbase': str(env)})
    Path(scheme['purelib'], 'dependencies.pth').write_text('\n'.join({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}))
    subprocess.run([sys.executable, '-m', 'pip', '--python', env, 'install', '--no-deps', '--no-index', '--quiet', '--ignore-installed', built['.whl']], check=True)
    return Path(scheme['scripts'])


def without_network(): return ['unshare', '--net', '--map-root-user'] if shutil.which('unshare') and not subprocess.run(['unshare', '--net', '--map-root-user', 'true'], capture_output=True).returncode else []


def test_the_wheel_runs_elsewhere_without_a_network(elsewhere, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | {'FASTAI_HOME': str(tmp_path/'fastai')}
    where = subprocess.run([elsewhere/'python', '-c', 'import mnist_stages; print(mnist_stages.__file__)'], cwd=tmp_path, env=env, capture_output=True, text=True).stdout
    assert where.startswith(str(elsewhere.parent))
    done = subprocess.run(without_network() + [elsewhere/'mnist_stages', '--stages', '1', '--json'], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['stages'][0]['accuracy'] >= .968
    assert (tmp_path/'mnist_stages.png').exists()


def test_an_old_dependency_is_one_sentence(elsewhere, tmp_path):
    (tmp_path/'torch-1.13.dist-info').mkdir()
    (tmp_path/'torch-1.13.dist-info'/'METADATA').write_text('Metadata-Version: 2.1\nName: torch\nVersion: 1.13\n')
    done = subprocess.run([elsewhere/'python', '-c', 'import mnist_stages.data'], cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(tmp_path)}, capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and re.fullmatch(r"ImportError: mnist_stages needs torch>=[\d.]+, and 1\.13 is installed\. Run  pip install --upgrade 'torch>=[\d.]+'  and start Python again\.", said), done.stderr


def test_one_version(settings):
    assert settings['version'] == mnist_stages.__version__ == version('mnist_stages')


def test_readme_has_the_two_commands_and_reads_along():
    lines = [o.strip() for o in (root/'README.md').read_text(encoding='utf-8').splitlines()]
    assert lines.count('pip install -e . && mnist_stages') == 1
    assert lines.count('pip install -e ".[dev]" && nbdev-test && pytest') == 1
    assert lines.count('jupyter lab nbs') == 1


def test_only_lower_bounds(settings):
    for o in (settings['requirements'] + settings['dev_requirements']).split(): assert re.fullmatch(r'[a-z-]+>=[\d.]+', o), o


def test_pyproject_leaves_metadata_to_settings():
    text = (root/'pyproject.toml').read_text()
    assert re.findall(r'^\[(.+)\]', text, flags=re.M) == ['build-system', 'tool.nbdev']
