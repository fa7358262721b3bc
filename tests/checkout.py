"""The checkout: its settings, a copy of its files, and an environment that borrows what is installed beside it.

Standard library only: `addresses.py` and `lowest_versions.py` run where nothing is installed yet.
"""
import json
import shutil
import subprocess
import sys
import sysconfig
from configparser import ConfigParser
from pathlib import Path

root = Path(__file__).parent.parent
notebook_names = ['00_data', '01_manual_sgd', '02_linear', '03_relu_net', '04_resnet18']


def read_settings(folder=root):
    "The metadata in `folder`'s settings.ini"
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(folder/'settings.ini', encoding='utf-8')
    return config['DEFAULT']


def cells(name): return json.loads((root/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
def source(cell): return ''.join(cell['source'])
def code_cells(name): return [o for o in cells(name) if o['cell_type'] == 'code']


def known_files():
    "The files that git knows or would add, as paths below the root; in an unpacked sdist, all that are no traces"
    if not (root/'.git').exists():
        traces = '__pycache__', '.pytest_cache', '.ruff_cache', '.hypothesis', '.ipynb_checkpoints', 'build', 'dist'
        return [str(o.relative_to(root)) for o in sorted(root.rglob('*')) if o.is_file()
                and not any(part in traces or part.endswith('.egg-info') for part in o.relative_to(root).parts)]
    listed = ['git', 'ls-files', '-co', '--exclude-standard']
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [o for o in names if (root/o).exists()]


def copy_of_the_checkout(to):
    "Copy the known files into the folder `to`, and return it"
    for o in known_files():
        (to/o).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root/o, to/o)
    return to


def borrowed_environment(folder):
    """Make a virtual environment in `folder` that has what is installed here, and return the folder of its programs.

    Through a .pth file, which does not reach what was installed here in editable mode: the checkout is not on its path.
    """
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)
    scheme = sysconfig.get_paths(vars={'base': str(folder), 'platbase': str(folder)})
    lenders = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
    Path(scheme['purelib'], 'dependencies.pth').write_text('\n'.join(lenders))
    return Path(scheme['scripts'])
