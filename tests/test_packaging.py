"The wheel and the source distribution, and what they promise"
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version

import pytest
from checkout import borrowed_environment, copy_of_the_checkout, known_files
from conftest import network_apart, no_network, root

import mnist_stages

in_package = [o for o in known_files() if o.startswith('mnist_stages/')]


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "The sdist, and the wheel built from it, made from a copy of the files that git knows"
    work = tmp_path_factory.mktemp('build')
    copy_of_the_checkout(work/'src')
    build = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', work/'dist', work/'src']
    subprocess.run(build, check=True, capture_output=True)
    return {o.suffix: o for o in (work/'dist').iterdir()}


def test_the_list_of_what_belongs_into_the_package_has_all_that_is_no_code():
    parts = 'train', 't10k'
    data = [f'{o}-images-idx3-ubyte.gz' for o in parts] + [f'{o}-labels-idx1-ubyte.gz' for o in parts]
    expected = ['scoreboard.json', 'app/pad.js', 'mnist/NOTICE.txt', *(f'mnist/{o}' for o in data)]
    assert {o for o in in_package if not o.endswith('.py')} == {f'mnist_stages/{o}' for o in expected}


def test_wheel_and_sdist_hold_every_file_of_the_package_and_the_licences(built):
    wheel = zipfile.ZipFile(built['.whl']).namelist()
    sdist = [o.split('/', 1)[-1] for o in tarfile.open(built['.gz']).getnames()]
    assert set(in_package) == {o for o in wheel if o.startswith('mnist_stages/')}
    assert set(known_files()) - {'.gitignore'} <= set(sdist)
    assert any(o.endswith('licenses/LICENSE') for o in wheel)
    assert not [o for o in wheel if o.startswith(('tests', 'nbs'))]


def test_the_metadata_has_the_address_and_the_licences_of_code_and_data(built, settings):
    wheel = zipfile.ZipFile(built['.whl'])
    [metadata] = [o for o in wheel.namelist() if o.endswith('.dist-info/METADATA')]
    lines = wheel.read(metadata).decode().splitlines()
    assert f"Project-URL: Repository, {settings['repository']}" in lines
    assert 'License-Expression: MIT AND CC-BY-SA-3.0' in lines
    assert {o for o in lines if o.startswith('License-File')} == {
        f'License-File: {o}' for o in settings['license_files'].split()}


@pytest.fixture(scope='module')
def elsewhere(built, tmp_path_factory):
    "The programs of an environment with the wheel alone; what it depends on comes from this environment"
    env = tmp_path_factory.mktemp('elsewhere')/'venv'
    programs = borrowed_environment(env)
    pip = [sys.executable, '-m', 'pip', '--python', env]
    install = [*pip, 'install', '--no-deps', '--no-index', '--quiet', '--ignore-installed', built['.whl']]
    subprocess.run(install, check=True)
    return programs


def test_the_wheel_runs_elsewhere_without_a_network(elsewhere, tmp_path):
    (tmp_path/'apart').mkdir()
    (tmp_path/'apart'/'sitecustomize.py').write_text(no_network)        # where there is no `unshare`, this at least
    env = {**os.environ, 'PYTHONPATH': str(tmp_path/'apart'), 'FASTAI_HOME': str(tmp_path/'fastai')}

    def run(*command):
        return subprocess.run([*network_apart(), *command], cwd=tmp_path, env=env, capture_output=True, text=True)

    where = run(elsewhere/'python', '-c', 'import mnist_stages; print(mnist_stages.__file__)').stdout
    assert where.startswith(str(elsewhere.parent))
    refused = run(elsewhere/'python', '-c', "import socket; socket.create_connection(('127.0.0.1', 9))").stderr
    assert 'this test allows no network' in refused
    assert run(elsewhere/'mnist_stages', '--version').stdout == f'mnist_stages {mnist_stages.__version__}\n'
    done = run(elsewhere/'mnist_stages', '--stages', '1', '--json')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['stages'][0]['accuracy'] >= .968
    assert (tmp_path/'mnist_stages.png').exists()


@pytest.mark.parametrize('command', [
    ['python', '-c', 'import mnist_stages.data'], ['python', '-c', 'import mnist_stages.resnet18'],
    ['python', '-c', 'import mnist_stages.app.stages'], ['python', '-c', 'import mnist_stages.tools.files'],
    ['mnist_stages', '--stages', '0']], ids=' '.join)
def test_an_old_dependency_is_one_sentence(elsewhere, tmp_path, command):
    (tmp_path/'torch-1.13.dist-info').mkdir()
    metadata = 'Metadata-Version: 2.1\nName: torch\nVersion: 1.13\n'
    (tmp_path/'torch-1.13.dist-info'/'METADATA').write_text(metadata)
    env = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    done = subprocess.run([elsewhere/command[0], *command[1:]], cwd=tmp_path, env=env, capture_output=True, text=True)
    *before, said = done.stderr.splitlines()
    assert done.returncode == 1 and re.fullmatch(
        r'(?:ImportError|mnist_stages): mnist_stages needs torch>=[\d.]+, and 1\.13 is installed\. '
        r"Run  pip install --upgrade 'torch>=[\d.]+'  and start Python again\.", said), done.stderr
    if command[0] == 'mnist_stages': assert not before
    else: assert before[0].startswith('Traceback') and not any(o.startswith('During handling') for o in before)


def test_one_version(settings):
    assert settings['version'] == mnist_stages.__version__ == version('mnist_stages')


def test_readme_has_the_two_commands_and_reads_along():
    lines = [o.strip() for o in (root/'README.md').read_text(encoding='utf-8').splitlines()]
    assert lines.count('pip install -e . && mnist_stages') == 1
    assert lines.count('pip install -e ".[dev]" && nbdev-test && pytest') == 1
    assert lines.count('jupyter lab nbs') == 1


def test_only_lower_bounds(settings):
    needed = (settings['requirements'] + settings['dev_requirements']).split()
    for o in needed: assert re.fullmatch(r'[a-z-]+>=[\d.]+', o), o


def test_pyproject_leaves_metadata_to_settings():
    text = (root/'pyproject.toml').read_text()
    assert re.findall(r'^\[(.+)\]', text, flags=re.M) == ['build-system', 'tool.nbdev', 'tool.pytest.ini_options']
