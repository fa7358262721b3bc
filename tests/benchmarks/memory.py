"""Peak memory of a process and of its workers, in bytes: `python memory.py import|train ours|published`."""
import sys
import threading
from pathlib import Path

me = Path('/proc/self')


def peak():
    """The largest resident set of this process so far.

    `getrusage` would also count the process that started this one, so Linux's own figure comes first.
    """
    if (me/'status').exists():
        return next(int(o.split()[1])*1024 for o in (me/'status').read_text().splitlines() if o.startswith('VmHWM'))
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*(1 if sys.platform == 'darwin' else 1024)


def share(process):
    "What a process holds now; of memory that several share, its part. 0 if it has ended."
    try: lines = (process/'smaps_rollup').read_text().splitlines()
    except OSError: return 0
    return sum(int(o.split()[1])*1024 for o in lines if o.startswith('Pss:'))


class Together(threading.Thread):
    "Looks ten times a second what this process and its workers hold together. Linux only."
    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.over = 0, threading.Event()

    def run(self):
        while (me/'smaps_rollup').exists() and not self.over.wait(.1):
            workers = {Path('/proc', o) for f in me.glob('task/*/children') for o in f.read_text().split()}
            if workers: self.most = max(self.most, sum(map(share, [me, *workers])))


if __name__ == '__main__':
    what, name = sys.argv[1:]
    together = Together()
    if what == 'train':
        from pipelines import fit
        together.start()
        fit(name, 50, 1)
    elif name == 'ours': import mnist_stages.resnet18  # noqa: F401
    else: import fastai.vision.all  # noqa: F401
    together.over.set()
    print(max(peak(), together.most))
