"""Put the repository's address, which stands once in settings.ini, wherever the notebooks and README name it.

    python tests/addresses.py

The first cell of a notebook installs the package from there where it is not installed, and links open the notebook in
Colab and Kaggle. `tests/test_addresses.py` fails where this command has been forgotten. Everything else stays as it is.
"""
import re
import sys

from checkout import read_settings
from checkout import root as checkout

any_repository = r'[\w.-]+/[\w.-]+'
any_notebook = r'blob/main/nbs/(\w+)\.ipynb'


def repository(root):
    "The address in settings.ini. Raises `ValueError` if it is not one that Colab and Kaggle can open."
    address = read_settings(root)['repository']
    if not re.fullmatch(rf'https://github\.com/{any_repository}(?<!\.git)', address):
        raise ValueError(f'repository in settings.ini is {address!r}. '
                         'Colab and Kaggle open notebooks from https://github.com/OWNER/NAME only.')
    return address


def install(address): return f'git+{address}'
def kaggle(address, name): return f'https://kaggle.com/kernels/welcome?src={address}/blob/main/nbs/{name}.ipynb'


def colab(address, name):
    in_colab = address.replace('https://github.com', 'https://colab.research.google.com/github')
    return f'{in_colab}/blob/main/nbs/{name}.ipynb'


def with_address(text, address):
    "`text` of a notebook or of README with `address` in the place of any other"
    from_git = rf'git\+https://github\.com/{any_repository}'
    in_colab = rf'https://colab\.research\.google\.com/github/{any_repository}/{any_notebook}'
    in_kaggle = rf'https://kaggle\.com/kernels/welcome\?src=https://github\.com/{any_repository}/{any_notebook}'
    text = re.sub(from_git, install(address), text)
    text = re.sub(in_colab, lambda m: colab(address, m[1]), text)
    return re.sub(in_kaggle, lambda m: kaggle(address, m[1]), text)


def files(root): return [root/'README.md', *sorted((root/'nbs').glob('*.ipynb'))]


def main(root=checkout):
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
