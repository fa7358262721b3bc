"""Put the repository's address, which stands once in settings.ini, wherever the notebooks and README name it.

    python tests/addresses.py

The first cell of a notebook installs the package from there where it is not installed, and links open the notebook in
Colab and Kaggle. `tests/test_addresses.py` fails where this command has been forgotten. Everything else stays as it is.
"""
import re
import sys
from configparser import ConfigParser
from pathlib import Path


def repository(root):
    "The address in settings.ini. Raises `ValueError` if it is not one that Colab and Kaggle can open."
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(root/'settings.ini', encoding='utf-8')
    address = config['DEFAULT']['repository']
    if not re.fullmatch(r'https://github\.com/[\w.-]+/[\w.-]+(?<!\.git)', address):
        raise ValueError(f'repository in settings.ini is {address!r}. Colab and Kaggle open notebooks from https://github.com/OWNER/NAME only.')
    return address


def install(address): return f'git+{address}'
def colab(address, name): return f'{address.replace("https://github.com", "https://colab.research.google.com/github")}/blob/main/nbs/{name}.ipynb'
def kaggle(address, name): return f'https://kaggle.com/kernels/welcome?src={address}/blob/main/nbs/{name}.ipynb'


def with_address(text, address):
    "`text` of a notebook or of README with `address` in the place of any other"
    any_repository = r'[\w.-]+/[\w.-]+'
    text = re.sub(rf'git\+https://github\.com/{any_repository}', install(address), text)
    text = re.sub(rf'https://colab\.research\.google\.com/github/{any_repository}/blob/main/nbs/(\w+)\.ipynb', lambda m: colab(address, m[1]), text)
    return re.sub(rf'https://kaggle\.com/kernels/welcome\?src=https://github\.com/{any_repository}/blob/main/nbs/(\w+)\.ipynb', lambda m: kaggle(address, m[1]), text)


def files(root): return [root/'README.md', *sorted((root/'nbs').glob('*.ipynb'))]


def main(root=Path(__file__).parent.parent):
    address = repository(root)
    for path in files(root):
        old = path.read_text(encoding='utf-8')
        new = with_address(old, address)
        if new != old:
            path.write_text(new, encoding='utf-8', newline='\n')
            print(path.relative_to(root))


if __name__ == '__main__':
    if sys.argv[1:]: sys.exit(__doc__)
    main()
