"""Measure every stage from five random starts and what each change to stage 4 bought, and write it down.

    python tests/scoreboard.py            # all of it: some forty minutes on two cores; run nothing beside it
    python tests/scoreboard.py stages     # only the stages
    python tests/scoreboard.py ladder     # only the way from the published stage 4 to ours
    python tests/scoreboard.py render     # only make README's table and picture again

Writes `mnist_stages/scoreboard.json`, from which notebook 04 makes its tables, and from that file the table in
README.md and `nbs/images/learning_curves.png`. `tests/test_scoreboard.py` compares all of them with fresh runs.
"""
import argparse
import json
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import torch
from fastai.data.core import DataLoaders
from fastai.data.external import URLs
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.optimizer import Adam
from fastai.torch_core import set_seed
from fastai.vision.data import ImageDataLoaders
from fastai.vision.learner import create_vision_model, vision_learner
from matplotlib.figure import Figure
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from torchvision.models import resnet18

from mnist_stages.app.stages import run_stage
from mnist_stages.data import TensorDataLoader
from mnist_stages.resnet18 import crop_kernels, get_mnist_dls, mnist_learner, mnist_resnet18
from mnist_stages.tools.files import load_mnist, untar_mnist
from mnist_stages.tools.results import first_runs, load_scoreboard, plot_learning_curves, save_figure, scoreboard_table

root = Path(__file__).parent.parent
seeds = 1, 2, 3, 4, 5
epochs_to_keep = 3
begin, end = '<!-- scoreboard: made by tests/scoreboard.py -->\n', '<!-- end of scoreboard -->\n'


def processor():
    "What this machine calls its processor"
    if Path('/proc/cpuinfo').exists(): return re.search(r'model name\s*:\s*(.+)', Path('/proc/cpuinfo').read_text())[1]
    return platform.processor() or platform.machine()


def entry(runs):
    "What several runs of one stage reached, as one dict"
    print([f'{r.accuracy:.4f}' for r in runs], [f'{r.seconds:.1f} s' for r in runs], flush=True)
    return {**runs[0].facts(), 'accuracy': [r.accuracy for r in runs], 'seconds': [round(r.seconds, 2) for r in runs]}


def measure_stages():
    "Run every stage with every seed, and at last the recipe to keep"
    stages = [entry([run_stage(stage, seed) for seed in (seeds if stage else seeds[:1])]) for stage in range(5)]
    return stages + [entry([run_stage(4, seed, epochs=epochs_to_keep) for seed in seeds])]


def timed_fit(learn, lr, **kwargs):
    "Seconds and accuracy of one epoch, as fastai measures them"
    start = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, lr, **kwargs)
    return time.perf_counter() - start, learn.recorder.values[-1][2]


def published():
    "fastbook's way: PNG files, three equal channels, a larger head, Adam"
    folder = untar_mnist(URLs.MNIST, show_progress=False)
    dls = ImageDataLoaders.from_folder(folder, train='training', valid='testing', bs=64)
    return timed_fit(vision_learner(dls, resnet18, pretrained=False, loss_func=F.cross_entropy, metrics=accuracy), .1)


def in_memory(channels):
    "The published way with its pictures in memory, in three equal channels or in one"
    m = load_mnist()

    def loader(x, y, **kwargs):
        pictures = (x/255).unsqueeze(1).expand(-1, channels, -1, -1)
        return TensorDataLoader(TensorDataset(pictures, y), bs=64, **kwargs)
    train = loader(m.train_images, m.train_labels, shuffle=True, drop_last=True)
    dls = DataLoaders(train, loader(m.valid_images, m.valid_labels))
    model = create_vision_model(resnet18, 10, pretrained=False, n_in=channels)
    return timed_fit(Learner(dls, model, loss_func=F.cross_entropy, metrics=accuracy, opt_func=Adam), .1)


def ours(lr=.1, bs=128, crop=True, shift=1, adam=False, faster_biases=1):
    "Our stage 4 without averaged answers, or what it is without more of its parts"
    learn = mnist_learner(get_mnist_dls(bs), crop_kernels(mnist_resnet18()) if crop else mnist_resnet18(), shift=shift)
    if adam:
        learn = Learner(learn.dls, learn.model, loss_func=F.cross_entropy, metrics=accuracy, opt_func=Adam)
        return timed_fit(learn, lr)
    return timed_fit(learn, [faster_biases*lr, lr], wd=[5e-4/faster_biases, 5e-4], moms=(.9, .9, .9))


# Each rung keeps the changes of those before it. They are slow, so each is climbed from one start.
rungs = [
    ('the published way: PNG files, three channels, Adam, batches of 64, learning rate 0.1', published),
    ('pictures in memory, whole batches at once', lambda: in_memory(3)),
    ('one channel', lambda: in_memory(1)),
    ("normalised, torchvision's own head, learning rate 0.003",
     lambda: ours(lr=.003, bs=64, crop=False, shift=0, adam=True)),
    ('fused SGD with momentum and weight decay, learning rate 0.02', lambda: ours(lr=.02, bs=64, crop=False, shift=0)),
    ('batches of 128, learning rate 0.05', lambda: ours(lr=.05, crop=False, shift=0)),
    ('kernels cropped', lambda: ours(lr=.05, shift=0)),
    ('pictures shifted by up to one pixel, learning rate 0.1', ours),
    ('biases that learn 16 times faster', lambda: ours(faster_biases=16))]


def measure_ladder():
    "What each change from the published stage 4 to ours bought, but for the averaged answers"
    ladder = []
    for change, run in rungs:
        set_seed(seeds[0], reproducible=True)
        seconds, acc = run()
        print(change, seconds, acc, flush=True)
        ladder.append({'change': change, 'seconds': [round(seconds, 1)], 'accuracy': [acc]})
    return ladder


def measure(part):
    "Measure `part`, or all if `None`, and write the scoreboard"
    board = {'machine': f'{processor()}, {torch.get_num_threads()} cores', 'device': 'cpu',
             'torch': version('torch'), 'fastai': version('fastai'), 'seeds': seeds}
    old = load_scoreboard()
    board['stages'] = old['stages'] if part == 'ladder' else measure_stages()
    ladder = old['ladder'][:-1] if part == 'stages' else measure_ladder()
    reached = {o: board['stages'][4][o] for o in ('seconds', 'accuracy')}
    board['ladder'] = [*ladder, {'change': 'averaged answers: our stage 4', **reached}]
    (root/'mnist_stages'/'scoreboard.json').write_text(json.dumps(board, indent=1) + '\n', encoding='utf-8')


def readme_table(board):
    "The scoreboard in Markdown"
    table = scoreboard_table(board).reset_index()
    rows = [list(table.columns), ['---']*len(table.columns), *table.values.tolist()]
    lines = '\n'.join('| ' + ' | '.join(map(str, o)) + ' |' for o in rows)
    starts = f'{min(board["seeds"])} to {max(board["seeds"])}'
    return (f'{lines}\n\nMeasured with the seeds {starts} on {board["machine"]}, no GPU, nothing else running, '
            f'PyTorch {board["torch"]} and fastai {board["fastai"]}.\n')


def render():
    "Make README's table and picture from the scoreboard"
    board, readme = load_scoreboard(), root/'README.md'
    before, rest = readme.read_text(encoding='utf-8').split(begin)
    readme.write_text(before + begin + readme_table(board) + end + rest.split(end)[1], encoding='utf-8')
    ax = plot_learning_curves(first_runs(board), Figure(figsize=(8, 4.5)).subplots())
    save_figure(ax, root/'nbs'/'images'/'learning_curves.png')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('part', nargs='?', choices=['stages', 'ladder', 'render'])
    part = parser.parse_args().part
    if part != 'render': measure(part)
    render()
