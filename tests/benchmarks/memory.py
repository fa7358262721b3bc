"""Peak memory of this process, in bytes: `python memory.py import|train ours|published`.

Of the main process alone: a loader's workers come on top.
"""
import sys
from pathlib import Path


def peak():
    """The largest resident set so far.

    `getrusage` would also count the process that started this one, so Linux's own figure comes first.
    """
    status = Path('/proc/self/status')
    if status.exists():
        return next(int(o.split()[1])*1024 for o in status.read_text().splitlines() if o.startswith('VmHWM'))
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*(1 if sys.platform == 'darwin' else 1024)


if __name__ == '__main__':
    what, name = sys.argv[1:]
    if what == 'train':
        from pipelines import fit
        fit(name, 50, 1)
    elif name == 'ours': import mnist_stages.resnet18  # noqa: F401
    else: import fastai.vision.all  # noqa: F401
    print(peak())
