"""Measure every stage from five random starts, all kinds of model on ten digits, and what the changes to stage 4 do.

    python tests/scoreboard.py                  # all of it: about an hour on two cores; run nothing beside it
    python tests/scoreboard.py stages           # the stages, and all kinds of model on ten digits
    python tests/scoreboard.py controls         # stage 4 on all pixels with one thing changed, on held-out pictures
    python tests/scoreboard.py ladder           # the way from the published stage 4 to ours
    python tests/scoreboard.py render           # only make README's tables and picture again
    python tests/scoreboard.py --busy stages    # though something else is running; then the README says so

Writes `mnist_stages/scoreboard.json`, from which notebook 04 makes tables and figures, and from that file the tables in
README.md and `nbs/images/learning_curves.png`. `tests/test_scoreboard.py` compares them with fresh runs.
"""
import argparse
import json
import os
import platform
import re
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from checkout import code_cells, source
from fastai.data.core import DataLoaders
from fastai.data.external import URLs
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import SGD, Adam
from fastai.torch_core import set_seed
from fastai.vision.data import ImageDataLoaders
from fastai.vision.learner import create_vision_model, vision_learner
from fastcore.test import test_eq
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from torchvision.models import resnet18

from mnist_stages.app.stages import count_parameters, run_stage, stage_pixel_similarity
from mnist_stages.data import TensorDataLoader
from mnist_stages.relu_net import simple_net
from mnist_stages.resnet18 import (
    DigitReader, RandomShift, ResBlock, crop_kernels, five_shifts, get_mnist_dls, mnist_learner, mnist_resnet18,
    normalise, resnet, train_mnist)
from mnist_stages.tools.files import load_mnist, untar_mnist
from mnist_stages.tools.results import (
    StageResult, load_scoreboard, plot_scoreboard, save_figure, scoreboard_table)

root = Path(__file__).parent.parent
seeds = 1, 2, 3, 4, 5
more_epochs = 3
averaged, longer = 'averaged answers: our stage 4', f'the same with {more_epochs} epochs'
begin, end = '<!-- scoreboard: made by tests/scoreboard.py -->\n', '<!-- end of scoreboard -->\n'


def processor():
    "What this machine calls its processor"
    if Path('/proc/cpuinfo').exists(): return re.search(r'model name\s*:\s*(.+)', Path('/proc/cpuinfo').read_text())[1]
    return platform.processor() or platform.machine()


def entry(runs):
    "What several runs of one stage reached, as one dict"
    print([f'{r.accuracy:.4f}' for r in runs], [f'{r.seconds:.1f} s' for r in runs], flush=True)
    return {**runs[0].facts(), 'accuracy': [r.accuracy for r in runs], 'seconds': [round(r.seconds, 2) for r in runs]}


def once(reader, images, labels):
    "Accuracy of a `DigitReader` that is asked once about each picture"
    return accuracy(reader.ask(normalise(images/255), [(0, 0)]), labels).item()


def measure_stages():
    "Run every stage with every seed, then stage 4 for longer, and all kinds of model on ten digits"
    runs = [[run_stage(stage, seed) for seed in (seeds if stage else seeds[:1])] for stage in range(5)]
    stages = [entry(o) for o in runs] + [entry([run_stage(4, seed, epochs=more_epochs) for seed in seeds])]
    m = load_mnist()
    resnets = [replace(r, stage=None, accuracy=once(r.predict, m.valid_images, m.valid_labels)) for r in runs[4]]
    by_l2 = stage_pixel_similarity(norm='l2')
    return {'stages': stages, 'baseline': [entry([by_l2])], 'ten_digits': [*map(entry, ten_digits()), entry(resnets)]}


def defined_in_04(name):
    "A function of notebook 04, made by the cell that defines it"
    [cell] = [o for o in code_cells('04_resnet18') if f'def {name}(' in source(o)]
    names = {'nn': nn, 'test_eq': test_eq}
    exec(source(cell), names)
    return names[name]


# Once and here, since the cell's own test draws random numbers: no seed has been set yet.
small_net = defined_in_04('small_net')


def ten_learner(model, bs, **kwargs):
    "A `Learner` for a model of ten digits, measured on all 10,000 pictures; each is read once"
    return Learner(get_mnist_dls(bs), model, loss_func=CrossEntropyLossFlat(), metrics=accuracy, **kwargs)


def fit_quietly(learn, epochs, lr, cycle=False, **kwargs):
    "Train, and say nothing. Gives the seconds that it took."
    start = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): (learn.fit_one_cycle if cycle else learn.fit)(epochs, lr, **kwargs)
    return time.perf_counter() - start


def fit_ten(model, seed, approach, epochs, lr, bs, cycle=False, **kwargs):
    "What `model()` reaches on ten digits, with its accuracy after each epoch"
    set_seed(seed, reproducible=True)
    learn = ten_learner(model(), bs, **kwargs)
    seconds = fit_quietly(learn, epochs, lr, cycle)
    accs = [o[2] for o in learn.recorder.values]
    seen = [len(learn.dls.train)*bs*o for o in range(1, epochs + 1)]
    return StageResult(None, approach, '0 to 9', count_parameters(learn.model), epochs, accs[-1], seconds, bs, lr,
                       seen, accs)


#: Kinds of model for ten digits: what makes one, and how it is trained
kinds = [(lambda: nn.Sequential(nn.Flatten(), nn.Linear(28*28, 10)),
          dict(approach='linear', epochs=5, lr=.03, bs=256, opt_func=SGD)),
         (lambda: nn.Sequential(nn.Flatten(), simple_net(n_out=10)),
          dict(approach='ReLU net', epochs=5, lr=.1, bs=256, opt_func=SGD)),
         (small_net, dict(approach='small network', epochs=3, lr=.01, bs=128, cycle=True, cbs=RandomShift(3)))]


def ten_digits(seeds=seeds, kinds=kinds):
    "For the nearest means and each of `kinds` what it reaches on ten digits from each of `seeds`"
    for norm in 'l1', 'l2':
        yield [replace(stage_pixel_similarity(range(10), norm), stage=None, approach=f'nearest mean, {norm.upper()}')]
    for model, how in kinds: yield [fit_ten(model, seed, **how) for seed in seeds]


class PlainBlock(ResBlock):
    "A block whose skip connection is cut"
    def forward(self, x): return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()


def cut_skips(model):
    "Take the skip connections out of a ResNet"
    for o in model.modules():
        if isinstance(o, ResBlock): o.__class__ = PlainBlock


#: What is changed, one thing at a time, in stage 4's recipe on all pixels. The middle 24 × 24 is what it has become.
changes = {'all 28 × 28 pixels': {}, 'the middle 24 × 24': dict(middle=True), 'skips cut': dict(skips=False),
           'no shifts': dict(shift=0), 'learning rate 0.1': dict(lr=.1)}


def control(seed, middle=False, skips=True, shift=1, lr=.05):
    "Accuracy on held-out pictures of stage 4's recipe on all pixels, or of a change: asked once, and averaged"
    set_seed(seed, reproducible=True)
    model = None if middle else crop_kernels(resnet(10, 1))
    learn = mnist_learner(get_mnist_dls(held_out=True), model, shift=shift)
    if not skips: cut_skips(learn.model)
    with learn.no_bar(), learn.no_logging(): train_mnist(learn, lr=lr)
    x, y = learn.dls.valid.dataset.tensors
    reader = DigitReader(learn.model)
    return [accuracy(reader.ask(x, shifts), y).item() for shifts in ([(0, 0)], five_shifts)]


def measure_controls():
    "Stage 4's recipe on all pixels, and with one thing changed"
    controls = []
    for change, kwargs in changes.items():
        once, averaged = zip(*(control(seed, **kwargs) for seed in seeds))
        print(change, once, averaged, flush=True)
        controls.append({'change': change, 'accuracy': once, 'averaged': averaged})
    return {'controls': controls}


def timed_fit(learn, lr, **kwargs):
    "Seconds and accuracy of one epoch, as fastai measures them"
    return fit_quietly(learn, 1, lr, cycle=True, **kwargs), learn.recorder.values[-1][2]


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


def ours(lr=.05, bs=128, crop=True, middle=True, shift=1, adam=False):
    "Our stage 4 without averaged answers, or what it is without more of its parts"
    model = mnist_resnet18() if middle else resnet(10, 1)
    learn = mnist_learner(get_mnist_dls(bs), crop_kernels(model) if crop else model, shift=shift)
    if adam:
        learn = Learner(learn.dls, learn.model, loss_func=F.cross_entropy, metrics=accuracy, opt_func=Adam)
        return timed_fit(learn, lr)
    return timed_fit(learn, lr, moms=(.9, .9, .9))


# Each rung keeps the changes of those before it. They are slow, so each is climbed from one start.
rungs = [
    ('the published way: PNG files, three channels, Adam, batches of 64, learning rate 0.1', published),
    ('pictures in memory, whole batches at once', lambda: in_memory(3)),
    ('one channel', lambda: in_memory(1)),
    ("normalised, torchvision's own head, learning rate 0.003",
     lambda: ours(lr=.003, bs=64, crop=False, middle=False, shift=0, adam=True)),
    ('fused SGD with momentum and weight decay, learning rate 0.02',
     lambda: ours(lr=.02, bs=64, crop=False, middle=False, shift=0)),
    ('batches of 128, learning rate 0.05', lambda: ours(crop=False, middle=False, shift=0)),
    ('kernels cropped, matrix products for windows with one place', lambda: ours(middle=False, shift=0)),
    ('the middle 24 × 24 pixels', lambda: ours(shift=0)),
    ('pictures shifted by up to one pixel', ours)]


def measure_ladder():
    "What each change from the published stage 4 to ours bought, but for the averaged answers"
    ladder = []
    for change, run in rungs:
        set_seed(seeds[0], reproducible=True)
        seconds, acc = run()
        print(change, seconds, acc, flush=True)
        ladder.append({'change': change, 'seconds': [round(seconds, 1)], 'accuracy': [acc]})
    return {'ladder': ladder}


parts = {'stages': measure_stages, 'controls': measure_controls, 'ladder': measure_ladder}


def working(seconds=2):
    "Which share of its time the processor worked in the next `seconds`, in which this process sleeps. Linux only."
    def times(): return [*map(int, Path('/proc/stat').read_text().split()[1:9])]       # in units of 10 ms; 3, 4: idle
    before = times()
    time.sleep(seconds)
    spent = [now - then for now, then in zip(times(), before)]
    return 1 - sum(spent[3:5])/sum(spent)


def busy(share=None):
    "What keeps this machine from measuring seconds, in a sentence; nothing if it is idle or does not tell"
    if share is None: share = working() if Path('/proc/stat').exists() else 0
    if share*os.cpu_count() > .2:
        return (f'Something else is running here: the processor is {share:.0%} busy, so seconds would be wrong. Stop '
                'it, or add --busy to measure all the same.')


def measure(names, idle=True):
    "Measure these of `parts`, and write each into the scoreboard as soon as it is there"
    before = load_scoreboard()
    partly = set(names) < set(parts)
    if partly and before['torch'] != version('torch'):
        raise SystemExit(f'The rest was measured with PyTorch {before["torch"]}, and this is {version("torch")}: '
                         'measure all parts.')
    board = before | {
        'idle': idle and (before['idle'] or not partly),
        'machine': f'{processor()}, {torch.get_num_threads()} cores', 'device': 'cpu',
        'torch': version('torch'), 'fastai': version('fastai'), 'seeds': seeds}
    for name in names:
        board |= parts[name]()
        rest = [o for o in board['ladder'] if o['change'] not in (averaged, longer)]
        stages = zip((averaged, longer), board['stages'][4:])
        board['ladder'] = rest + [{'change': k, 'seconds': o['seconds'], 'accuracy': o['accuracy']} for k, o in stages]
        (root/'mnist_stages'/'scoreboard.json').write_text(json.dumps(board, indent=1) + '\n', encoding='utf-8')


def markdown_table(table):
    "A table in Markdown"
    rows = [list(table.columns), ['---']*len(table.columns), *table.values.tolist()]
    return '\n'.join('| ' + ' | '.join(map(str, o)) + ' |' for o in rows)


def readme_tables(board):
    "The scoreboard in Markdown"
    tables = [markdown_table(scoreboard_table(board, part).reset_index()) for part in ('stages', 'ten_digits')]
    beside = 'nothing else running' if board['idle'] else 'beside other programs'
    starts = f'{min(board["seeds"])} to {max(board["seeds"])}'
    return (f'{tables[0]}\n\nAnd every kind of model on all **ten digits**, asked once about each picture:\n\n'
            f'{tables[1]}\n\nMeasured with the seeds {starts} on {board["machine"]}, no GPU, {beside}, '
            f'PyTorch {board["torch"]} and fastai {board["fastai"]}.\n')


def render():
    "Make README's tables and picture from the scoreboard"
    board, readme = load_scoreboard(), root/'README.md'
    before, rest = readme.read_text(encoding='utf-8').split(begin)
    readme.write_text(before + begin + readme_tables(board) + end + rest.split(end)[1], encoding='utf-8')
    axs = plot_scoreboard(board, Figure(figsize=(11, 4.8), layout='constrained').subplots(1, 2))
    save_figure(axs[0], root/'nbs'/'images'/'learning_curves.png')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', choices=[*parts, 'render', []], metavar='part')
    parser.add_argument('--busy', action='store_true', help='measure although something else is running')
    args = parser.parse_args()
    names = [o for o in args.parts or parts if o != 'render']
    if names and not args.busy and (why := busy()): parser.error(why)
    measure(names, idle=not args.busy)
    render()
