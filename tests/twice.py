"""Run a notebook as learners do: with its exercises solved, and every cell twice.

    python tests/twice.py 01_manual_sgd             # ends with a line like "01_manual_sgd: 78 cells, each 2 times"
    python tests/twice.py 04_resnet18 --short       # two batches of each epoch and no tests: only errors count
"""
import argparse
import ast
import os
import re
import sys
from itertools import islice

from checkout import root


class NothingClaimed(ast.NodeTransformer):
    "Takes out tests, since they hold for whole epochs. What they compute stays where it is an `assert`'s."
    def visit_Assert(self, node): return ast.copy_location(ast.Expr(node.test), node)

    def visit_Expr(self, node):
        said = ast.unparse(node)
        return ast.copy_location(ast.Pass(), node) if re.match(r'(test_|torch\.testing\.assert_)', said) else node


def shorten(batches=2, pictures=512, validation=1000, measured=None):
    """Let each epoch end after some batches, whether a loader or a permutation shuffles, and measure on few pictures

    `measured` is the most batches of a loader that does not shuffle: notebook 02 needs all of its sorted ones.
    To be called before anything of mnist_stages is imported.
    """
    import fastai.callback.schedule     # gives `Learner` its `lr_find`  # noqa: F401
    import torch
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from mnist_stages.tools import files
    whole, count, permute, find, load = (
        DataLoader.__iter__, DataLoader.__len__, torch.randperm, Learner.lr_find, files.load_mnist)
    searching = []      # a search for a learning rate needs its hundred batches

    def some(self): return islice(whole(self), len(self))

    def few(self):
        if searching: return count(self)
        most = batches if self.shuffle else measured or count(self)
        return min(most, count(self))

    def lr_find(self, *args, **kwargs):
        searching.append(self)
        try: return find(self, *args, **kwargs)
        finally: searching.pop()

    def load_mnist(held_out=False):
        m = load(held_out)
        return m._replace(valid_images=m.valid_images[:validation], valid_labels=m.valid_labels[:validation])
    DataLoader.__iter__, DataLoader.__len__, Learner.lr_find, files.load_mnist = some, few, lr_find, load_mnist
    torch.randperm = lambda n, **kwargs: permute(n, **kwargs)[:pictures if n > 5000 else n]


def solved(name):
    "The sources of a notebook's code cells, with its solutions in place of what is to be filled in"
    from test_exercises import exercises, solutions
    from conftest import code_cells, source
    answers = {own[1]['id']: solutions(name)[number][0] for number, own in exercises(name).items()}
    return [answers.get(o['id'], source(o)) for o in code_cells(name)]


def run(name, short=False, times=2):
    "Run each cell of a notebook `times` times. Raises what a cell raises, with the cell."
    from execnb.shell import CaptureShell
    sources = solved(name)
    shell = CaptureShell(path=root/'nbs')
    if short:
        shorten(measured=None if name == '02_linear' else 8)
        shell.ast_transformers.append(NothingClaimed())
    for i, code in enumerate(sources):
        for time in range(times):
            shell.run(code)
            if shell.exc: raise RuntimeError(f'{name}, code cell {i}, run {time + 1}:\n{code}') from shell.exc
    return f'{name}: {len(sources)} cells, each {times} times'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebook')
    parser.add_argument('--short', action='store_true')
    args = parser.parse_args()
    os.chdir(root/'nbs')
    print(run(args.notebook, args.short))


if __name__ == '__main__': sys.exit(main())
