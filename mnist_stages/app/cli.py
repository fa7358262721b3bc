"What the command `mnist_stages` does. Torch and what needs it are imported after the arguments are read."
import argparse
import gc
import json
import os
import platform
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from .. import __version__

_examples = """examples:
  mnist_stages                        run all stages, show a table, save mnist_stages.png
  mnist_stages --stages 1 2 3         only these stages, in this order
  mnist_stages --stages 4 --seed 7    another random start
  mnist_stages --stages 4 --epochs 3  train longer: 99.5%, in a few minutes
  mnist_stages --json > results.json  for a program to read
"""


@contextmanager
def _importing():
    "What is imported stays: to look through it for garbage, then and later, takes more than half a second"
    enabled = gc.isenabled()
    gc.disable()
    try: yield
    finally:
        gc.freeze()
        if enabled: gc.enable()


class _TooLittleMemory(Exception): "A device is too small for a stage"


def main(
    argv:list=None, # Arguments; those of the command line if `None`
) -> int: # Exit status: 0, 1 if it cannot run here, 130 if interrupted; a mistake in the arguments exits with 2
    "The command `mnist_stages`"
    try:
        parser = _parser()
        args = parser.parse_args(argv)
        try: import mnist_stages.tools  # noqa: F401      are the libraries those that we need?
        except ImportError as e: return _fail(e)
        try:
            check_out(args.out)
            device = check_device(args.device)
        except ValueError as e: parser.error(str(e))
        _run(args, device)
    except _TooLittleMemory as e: return _fail(e)
    except KeyboardInterrupt:
        print('\nmnist_stages: interrupted, nothing was saved', file=sys.stderr)
        return 130
    return 0


def _fail(e):
    print(f'mnist_stages: {e}', file=sys.stderr)
    return 1


# Arguments

class _Parser(argparse.ArgumentParser):
    def error(self, message): self.exit(2, f'{self.prog}: {message}\n')


def _seed(text):
    if text.isdigit() and int(text) < 2**32: return int(text)
    raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 0 to {2**32 - 1}')


def _epochs(text):
    if text.isdigit() and 0 < int(text) < 1000: return int(text)
    raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 1 to 999')


def _stage(text):
    if text in list('01234'): return int(text)
    raise argparse.ArgumentTypeError(f'there is no stage {text!r}; choose from 0 1 2 3 4')


def _parser():
    p = _Parser('mnist_stages', description='Train the stages of mnist_stages on MNIST, in order.', epilog=_examples,
                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--stages', nargs='+', type=_stage, default=[0, 1, 2, 3, 4], metavar='N',
                   help='which stages to run (default: 0 1 2 3 4)')
    p.add_argument('--seed', type=_seed, default=1, help='random seed (default: 1)')
    p.add_argument('--epochs', type=_epochs, metavar='N', help='how long stage 4 trains (default: 1)')
    p.add_argument('--device', help='cpu, cuda, cuda:1, mps ... (default: the best that this machine has)')
    p.add_argument('--out', type=Path, default=Path('mnist_stages.png'), metavar='FILE.png',
                   help='where to save the learning curves (default: mnist_stages.png)')
    p.add_argument('--json', action='store_true', help='print one JSON object instead of the table')
    p.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return p


def check_out(
    out:Path, # Where the picture is to be saved
):
    "Raise `ValueError` if `out` cannot be written, without touching what is there"
    if out.suffix.lower() not in ('.png', '.svg', '.pdf', '.jpg'):
        raise ValueError(f'--out {out}: give a file name that ends in .png, .svg, .pdf or .jpg')
    if out.is_dir(): raise ValueError(f'--out {out}: that is a folder, give a file name')
    if out.exists() and not os.access(out, os.W_OK): raise ValueError(f'--out {out}: that file cannot be overwritten')
    try: tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as e:
        raise ValueError(f'--out {out}: cannot write into the folder {out.parent} ({e.strerror})') from None


def check_device(
    name:str=None, # A PyTorch device such as 'cpu' or 'cuda:1'; the best one that works if `None`
) -> str: # The device
    "The device to train on. Raises `ValueError` if this machine does not have it, or if it cannot be used."
    with _importing(): import torch

    def problem(device):
        "Why `device` cannot compute, or `None`"
        try: torch.zeros(1, device=device).item()
        except (RuntimeError, AssertionError) as e: return (str(e).splitlines() or [type(e).__name__])[0]
    have = ['cpu'] + ['cuda']*torch.cuda.is_available() + ['mps']*torch.backends.mps.is_available()
    best = have[-1]
    why = problem(best if name is None else name)
    if not why: return best if name is None else name
    if name is None:
        print(f'mnist_stages: {best} is there, but cannot be used ({why}); running on the CPU', file=sys.stderr)
        return 'cpu'
    if name.partition(':')[0] in have and name.partition(':')[2] in ('', '0'):
        raise ValueError(f'--device {name}: it is there, but cannot be used ({why})')
    raise ValueError(f'--device {name}: this machine has no such device; it has {", ".join(have)}')


# Running

class TerminalProgress:
    "One line on standard error that says how far a stage is; only where somebody can see it"
    def __init__(self,
        title:str, # What is going on
        stream=None, # Where to write; standard error if `None`
    ): self.title, self.stream = title, stream or sys.stderr

    def __call__(self, epoch, epochs, accuracy):
        if not self.stream.isatty(): return
        said = f'\r{self.title}  {epoch/epochs:4.0%}  accuracy {accuracy:.1%} '
        print(said, end='', file=self.stream, flush=True)

    def done(self, result):
        "The last line of a stage"
        back = '\r'*self.stream.isatty()
        said = f'{back}{self.title}  done  accuracy {result.accuracy:.1%}  in {result.seconds:.1f} s'
        print(said, file=self.stream, flush=True)


@contextmanager
def _uninterrupted():
    "For what takes a moment and is to be done whole: an interrupt is not heard"
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try: yield
    finally: signal.signal(signal.SIGINT, before)


def _train(stage, args, device):
    "Run one stage and say how far it is"
    from .stages import run_stage
    progress = TerminalProgress(f'stage {stage} on {device}, seed {args.seed}')
    result = run_stage(stage, args.seed, device, progress, args.epochs if stage == 4 else None)
    progress.done(result)
    return result


def _train_all(args, device):
    "Run all stages. Returns what they reached, and on which device each ran: on the CPU from where a GPU is full."
    from torch import OutOfMemoryError
    results, devices = [], []
    for stage in args.stages:
        try: results.append(_train(stage, args, device))
        except OutOfMemoryError:
            if args.device:
                raise _TooLittleMemory(f'{device} has too little memory for stage {stage}: '
                                       'end other programs that use it, or add --device cpu') from None
            print(f'mnist_stages: {device} has too little memory; running on the CPU', file=sys.stderr)
            device = 'cpu'
            results.append(_train(stage, args, device))
        devices.append(device)
    return results, devices


def _run(args, device):
    "Run the stages that `args` asks for, and show and save what they reached"
    with _importing():
        from matplotlib.figure import Figure

        from ..tools.results import plot_learning_curves, results_table, save_figure
        from . import stages  # noqa: F401      before any training, of which nothing is to be frozen
    results, devices = _train_all(args, device)
    with _uninterrupted():
        save_figure(plot_learning_curves(results, Figure(figsize=(8, 4.5)).subplots()), args.out)
        if args.json: print(_as_json(results, devices, args), flush=True)
        else: print(f'\n{results_table(results).to_string(index=False)}\n\nLearning curves: {args.out}', flush=True)


def _as_json(results, devices, args):
    "What the stages reached, and where, as one line"
    machine = f'{platform.machine()}, {os.cpu_count()} cores'
    facts = {'version': __version__, 'seed': args.seed, 'device': devices[-1], 'machine': machine,
             'torch': version('torch'), 'fastai': version('fastai'), 'picture': str(args.out)}
    return json.dumps({**facts, 'stages': [{**r.facts(), 'device': o} for r, o in zip(results, devices)]})
