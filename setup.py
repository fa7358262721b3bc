from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='], interpolation=None)
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']


def lines(key): return [o for o in cfg[key].splitlines() if o.strip()]


setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=(here/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    project_urls={'Repository': cfg['repository']},
    author=cfg['author'],
    license_expression=cfg['license'],
    license_files=cfg['license_files'].split(),
    keywords=cfg['keywords'].split(),
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Education',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Programming Language :: Python :: 3 :: Only',
        *[f'Programming Language :: Python :: {o}' for o in cfg['pythons'].split()],
    ],
    python_requires='>=' + cfg['min_python'],
    packages=find_packages(include=[cfg['lib_name'], f"{cfg['lib_name']}.*"]),
    package_data={cfg['lib_name']: ['scoreboard.json', 'mnist/*.gz', 'mnist/NOTICE.txt'],
                  f"{cfg['lib_name']}.app": ['pad.js']},
    install_requires=lines('requirements'),
    extras_require={'docs': lines('docs_requirements'), 'dev': lines('docs_requirements') + lines('dev_requirements')},
    entry_points={
        'console_scripts': cfg['console_scripts'].split(),
        'nbdev': [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
    zip_safe=False,
)
