"""Install mnist_stages with the lowest versions that settings.ini admits; run cheap notebooks, stages and tests.

    python tests/lowest_versions.py                     # with the Python that runs it; ten minutes and 8 GB of disk
    python tests/lowest_versions.py --newest            # the newest versions that pip finds
    python tests/lowest_versions.py --python python3.10 --notebooks 00_data 01_manual_sgd --tests test_data.py
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout import copy_of_the_checkout, read_settings

notebooks = ['00_data', '01_manual_sgd', '02_linear']
tests = ['test_data.py', 'test_inputs.py', 'test_notebooks.py']


def lowest():
    "The lower bounds of settings.ini, each as the exact version"
    settings = read_settings()
    listed = ' '.join(settings[o] for o in ('requirements', 'docs_requirements', 'dev_requirements'))
    return sorted({o.replace('>=', '==') for o in listed.split()})


def run(*command, **kwargs):
    print('+', *command, flush=True)
    return subprocess.run(command, check=True, **kwargs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--newest', action='store_true')
    parser.add_argument('--python', default=sys.executable)
    parser.add_argument('--notebooks', nargs='*', default=notebooks)
    parser.add_argument('--tests', nargs='*', default=tests)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        venv, src = Path(tmp)/'venv', copy_of_the_checkout(Path(tmp)/'src')
        run(args.python, '-m', 'venv', venv)
        python = venv/('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
        pip = python, '-m', 'pip', '--disable-pip-version-check'
        bounds = [] if args.newest else lowest()
        run(*pip, 'install', '--quiet', '--no-cache-dir', '-e', f'{src}[dev]', *bounds)
        names = '|'.join(re.split('[>=]', o)[0] for o in lowest())
        have = run(*pip, 'list', '--format=freeze', capture_output=True, text=True).stdout
        print(*re.findall(rf'^(?:{names}|fastcore|ipywidgets)==.+$', have, flags=re.M | re.I), flush=True)
        env = {**os.environ, 'FASTAI_HOME': str(Path(tmp)/'fastai'), 'MPLBACKEND': 'agg', 'PYTHONNOUSERSITE': '1'}
        env['PATH'] = f'{python.parent}{os.pathsep}{os.environ["PATH"]}'
        for o in args.notebooks:      # by the function: the command's options differ from version to version
            run(python, '-c', f'from nbdev.test import nbdev_test; nbdev_test(path="nbs/{o}.ipynb")', cwd=src, env=env)
        run(python, '-m', 'mnist_stages', '--stages', '0', '1', '2', '3', cwd=tmp, env=env)
        if args.tests: run(python, '-m', 'pytest', '-q', *[f'tests/{o}' for o in args.tests], cwd=src, env=env)
        version = run(python, '--version', capture_output=True, text=True).stdout.strip()
        print(f'{"newest" if args.newest else "lowest"} versions with {version}: '
              f'notebooks {args.notebooks} and tests {args.tests} pass')


if __name__ == '__main__': main()
