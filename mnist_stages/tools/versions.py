"Are the installed libraries those that this package needs? This runs before torch is imported."
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement


def _installed(name):
    "The version of a library, or `None` if it is missing or only a leftover folder of it is there"
    try: return version(name)
    except (PackageNotFoundError, KeyError): return None


def _needs(name):
    "What an installed library needs here, without its extras"
    try: listed = requires(name) or []
    except PackageNotFoundError: return []      # run from a folder, not installed: nothing is known
    return [o for o in map(Requirement, listed) if not o.marker or o.marker.evaluate({'extra': ''})]


def check_versions(
    needed:list=None, # Requirements such as `['torch>=2.6']`; those of `mnist_stages` if `None`
):
    "Raise `ImportError`, in one sentence with the remedy, if something that `mnist_stages` needs is too old or too new"
    wrong = []
    for o in _needs('mnist_stages') if needed is None else map(Requirement, needed):
        have = _installed(o.name)       # what is missing says so when it is imported
        if have and not o.specifier.contains(have, prereleases=True): wrong.append((f'{o.name}{o.specifier}', have))
    if wrong:
        found = ', '.join(f'{o}, and {have} is installed' for o, have in wrong)
        wanted = ' '.join(repr(o) for o, _ in wrong)
        raise ImportError(f'mnist_stages needs {found}. Run  pip install --upgrade {wanted}  and start Python again.')
    if needed is None: check_torchvision()


def check_torchvision():
    "Raise `ImportError` if torch is not one that torchvision was made for: then importing torchvision would fail"
    torch, torchvision = _installed('torch'), _installed('torchvision')
    if not torch or not torchvision: return
    asked = [o.specifier for o in _needs('torchvision') if o.name == 'torch']
    if all(o.contains(torch, prereleases=True) for o in asked): return
    raise ImportError(f'torch {torch} and torchvision {torchvision} do not belong together: upgrade both with  '
                      'pip install --upgrade torch torchvision  and start Python again.')
