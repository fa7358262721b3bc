"Bad input to every public function: a right result, or one clear error that names the value and what to do"
import ast
import math
import re
import tempfile
import traceback
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import modules, root
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.data.external import URLs
from fastai.learner import Learner
from fastai.optimizer import SGD
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from mnist_stages import manual_sgd, resnet18
from mnist_stages.app.cli import check_device, check_out
from mnist_stages.app.models import load_model, save_model
from mnist_stages.app.pad import DigitPad, plot_answers, predict, read_digit
from mnist_stages.app.stages import (
    AccuracyProbe, ListeningLearner, StageProgress, StopAtNaN, count_parameters, fit_mnist, fit_stage, run_stage,
    stage_linear, stage_manual_sgd, stage_pixel_similarity, stage_relu_net, stage_resnet18, three_or_seven_result)
from mnist_stages.data import TensorDataLoader, class_means, get_dls, mnist_distance, nearest_mean
from mnist_stages.linear import BasicOptim, train_epoch_opt, train_model
from mnist_stages.manual_sgd import (
    batch_accuracy, calc_grad, init_params, mnist_loss, take_step, train_epoch, validate_epoch)
from mnist_stages.relu_net import simple_net
from mnist_stages.resnet18 import (
    DigitReader, OnePlace, RandomShift, centre_by_mass, crop_kernels, crop_to_ink, get_mnist_dls, map_sizes,
    mnist_learner, mnist_resnet18, normalise, resnet, scale_to_box, shift_images, train_mnist, used_rows)
from mnist_stages.tools.exercises import check_function, check_value
from mnist_stages.tools.files import damage, parse_idx, png_layout, read_mnist_file, untar_mnist, write_whole
from mnist_stages.tools.forms import to_grey
from mnist_stages.tools.paper import find_ink, resize
from mnist_stages.tools.pictures import draw_rings_and_crosses, draw_strokes, example_strokes
from mnist_stages.tools.results import (
    StageResult, first_runs, ladder_table, load_scoreboard, plot_learning_curves, results_table, save_figure,
    scoreboard_table)
from mnist_stages.tools.timing import best_seconds, time_layers
from mnist_stages.tools.versions import check_torchvision, check_versions

nan, inf = math.nan, math.inf
images, labels = torch.rand(6, 28, 28), torch.tensor([3, 3, 7, 7, 3, 7])
x, y, w, b = torch.rand(6, 784), torch.tensor([[1], [1], [0], [0], [1], [0]]), torch.zeros(784, 1), torch.zeros(1)
z = torch.randn(6, 1)


# What cases use: as little as will do

def params(): return init_params((784, 1)), init_params(1)
def net(): return nn.Linear(784, 1)
def lin(p): return partial(manual_sgd.linear, weights=p[0], bias=p[1])
def loader(x, y, **kwargs): return TensorDataLoader(TensorDataset(x, y), **kwargs)
def tiny_dls(n=6, bs=6): return DataLoaders(*[loader(x[:n], y[:n], bs=bs) for _ in range(2)])
def explode(preds, targets): return (preds**2).mean() + 1
def squares(preds, targets): return (preds**2).mean()
def unchecked(preds, targets): return preds.mean()
def opt(model, lr=1.): return BasicOptim(model.parameters(), lr)


def by_hand(lr=1., p=None, model=None, dl=((x, y),), **kwargs):
    if p is None: p = params()
    return train_epoch(model or lin(p), lr, p, dl, **kwargs)


def learner(loss_func=mnist_loss, metrics=batch_accuracy, model=None):
    return Learner(tiny_dls(), model or net(), opt_func=SGD, loss_func=loss_func, metrics=metrics)


def fits(lr): return fit_stage(learner(), 1, lr)
def result(accs): return three_or_seven_result(1, '', net(), 785, tiny_dls(), 1., accs, 0.)
def predict0(images): return stage_pixel_similarity().predict(images)
def predict1(images): return result([.5]).predict(images)


# For notebook 04
xb4, zeros, six = images[:, None], torch.zeros(6, dtype=torch.int64), torch.arange(6)
seven = draw_strokes(example_strokes[7])
untrained = StageResult(stage=4, approach='', digits='', parameters=0, epochs=0, accuracy=0, seconds=0)
def conv(*args, **kwargs): return nn.Sequential(nn.Conv2d(*args, **kwargs))
def cropped(): return crop_kernels(mnist_resnet18())
def ten_dls(x=xb4, y=six, bs=2): return DataLoaders(*[loader(x, y, bs=bs, drop_last=True) for _ in range(2)])
def fit_small(n_out=10, lr=.1, **kwargs): return fit_mnist(mnist_learner(ten_dls(**kwargs), small(n_out)), 3, lr)
def other_learner(): return Learner(tiny_dls(), net(), loss_func=F.cross_entropy)


def rings_in_a_folder():
    with tempfile.TemporaryDirectory() as folder:
        files = [*Path(draw_rings_and_crosses(folder, 1, 2)).rglob('*.png')]
        ink = {o.parent.name: (1 - to_grey(o)).sum() for o in files}
    return len(files) == 6 and ink.keys() == {'ring', 'cross'} and all(ink.values())


def small(n_out=10):
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, n_out))


def train_small(*args, **kwargs):
    learn = mnist_learner(ten_dls(), small())
    with learn.no_bar(), learn.no_logging(): train_mnist(learn, *args, **kwargs)
    return learn


def load(content):
    "`load_model` of a file that holds `content`"
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp)/'model').write_bytes(content)
        return load_model(Path(tmp)/'model')


def state(f=lambda o: o):
    "The bytes of a model's file, each tensor through `f`"
    return safetensors.torch.save({k: f(v).contiguous() for k, v in cropped().state_dict().items()})


def write(name, content):
    "`write_whole` in a folder of its own, which then is as empty as before"
    with tempfile.TemporaryDirectory() as tmp:
        try: write_whole(Path(tmp)/name, content)
        finally: assert list(Path(tmp).iterdir()) == []


def stepped(n=1):
    "Parameters with their gradients"
    found = [init_params(3) for _ in range(n)]
    for p in found: p.sum().backward()
    return found


def out_is_a_folder(name):
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp)/name).mkdir()
        check_out(Path(tmp)/name)


def out_is_protected():
    "Root may write anywhere, whatever the mode says"
    with tempfile.TemporaryDirectory() as tmp, pytest.MonkeyPatch.context() as mp:
        (Path(tmp)/'x.png').touch()
        mp.setattr('os.access', lambda path, mode: False)
        check_out(Path(tmp)/'x.png')


def without_its_torch():
    with pytest.MonkeyPatch.context() as mp:
        mp.setattr('mnist_stages.tools.versions.version', lambda name: '1.0')
        check_torchvision()


def two_models_of_which_one_is_used():
    old, new = params(), params()
    return train_epoch(lin(old), 1., new, [(x, y)])


by_number = {1: stage_manual_sgd, 2: stage_linear, 3: stage_relu_net}
with_lr = {'train_epoch': by_hand, 'BasicOptim': lambda lr: BasicOptim(params(), lr), 'fit_stage': fits,
           'take_step': lambda lr: take_step(stepped(), lr), 'train_mnist': lambda lr: train_small(1, lr),
           **{f'stage {i}': lambda lr, f=f: f(lr=lr) for i, f in by_number.items()}}
no_rates = {-1.: ValueError, nan: ValueError, inf: ValueError, '0.1': TypeError, None: TypeError}
# Predictions and targets that do not go together
no_pairs = {
    'targets that broadcast':
        (z, y[:, 0], ValueError, 'unsqueeze(1)'), 'fewer targets': (z, y[:5], ValueError, '[5, 1]'),
    'empty': (z[:0], y[:0], ValueError, 'empty'), '3 and 7 as targets': (z, 3 + 4*y, ValueError, '[3, 7]'),
    'NaN predictions': (z*nan, y, FloatingPointError, 'learning rate'), 'NaN targets': (z, y*nan, ValueError, 'nan'),
    'numbers': (.5, 1, TypeError, 'float and int'), 'another device': (z.to('meta'), y, ValueError, '.to(device)')}
# Arrays that are no grey picture
no_pictures = {
    'a row': (np.ones(5, 'float32'), '(5,)'), 'empty': (np.ones((0, 5), 'float32'), '(0, 5)'),
    'NaN': (np.full((20, 20), nan, 'float32'), 'NaN'), 'a tensor': (images[0], 'Tensor'), 'None': (None, 'None')}
no_windows = {(28, 7, 0, 3): 'stride=0', (-1, 7, 2, 3): 'size=-1', (28., 7, 2, 3): '28.0', (28, 7, 2, -1): 'padding=-1'}
no_shifts = {'too few': zeros[:2], 'floats': zeros.float(), 'a number': 1}
no_labels = [(six + 8, 10, '13'), (six - 1, 10, '-1'), (six, 2, '[1, 2]')]       # labels, outputs, what is said
no_strokes = [(5, 5)], [[(nan, 5)]], [[(1, 2, 3)]], 5, 'x', [[('a', 'b')]]

# For each case what is done, which error it is, and a part of what it says
bad = {
    # data
    'read_mnist_file: no such file': (lambda: read_mnist_file('../../etc/passwd'), ValueError, 'train-images'),
    'parse_idx: text': (lambda: parse_idx('text'), TypeError, 'not str'),
    'parse_idx: a path': (lambda: parse_idx(Path('x')), TypeError, 'bytes'),
    'parse_idx: nothing': (lambda: parse_idx(b''), ValueError, 'Not an IDX file'),
    'parse_idx: too few bytes': (lambda: parse_idx(b'\0\0\x08\x01\0\0\0\x05\x01'), ValueError, 'asks for'),
    'damage: another folder': (lambda: damage(root/'nbs'), ValueError, "'nbs'"),
    'png_layout: another name': (lambda: png_layout('mnist_jpg'), ValueError, "'mnist_jpg'"),
    'untar_mnist: another data set': (lambda: untar_mnist(URLs.IMDB), ValueError, 'URLs.MNIST_SAMPLE'),
    'untar_mnist: None': (lambda: untar_mnist(None), ValueError, 'not None'),
    'untar_mnist: empty': (lambda: untar_mnist(''), ValueError, "not ''"),
    'mnist_distance: unknown norm': (lambda: mnist_distance(images, images[0], 'l3'), ValueError, "'l3'"),
    'mnist_distance: bytes would wrap round':
        (lambda: mnist_distance((images*255).byte(), images[0]), TypeError, 'divide the pixels by 255'),
    'mnist_distance: int64': (lambda: mnist_distance(images.long(), images.long()), TypeError, 'int64'),
    'mnist_distance: lists': (lambda: mnist_distance([1.], [2.]), TypeError, 'list'),
    'mnist_distance: rows of pixels': (lambda: mnist_distance(x, images[0]), ValueError, '[6, 784]'),
    'mnist_distance: one column broadcasts': (lambda: mnist_distance(images, images[0, :, :1]), ValueError, '[28, 1]'),
    'mnist_distance: other numbers of images': (lambda: mnist_distance(images, images[:4]), ValueError, '[4, 28, 28]'),
    'mnist_distance: one number': (lambda: mnist_distance(torch.tensor(1.), torch.tensor(2.)), ValueError, 'shapes'),
    'mnist_distance: no pixels':
        (lambda: mnist_distance(torch.zeros(2, 0, 28), torch.zeros(2, 0, 28)), ValueError, '[2, 0, 28]'),
    'mnist_distance: NaN': (lambda: mnist_distance(images*nan, images[0]), ValueError, 'NaN'),
    'mnist_distance: two devices': (lambda: mnist_distance(images.to('meta'), images[0]), ValueError, '.to(device)'),
    'class_means: a class is absent':
        (lambda: class_means(images, labels, (3, 5)), ValueError, 'label [5]: the labels are [3, 7]'),
    'class_means: no class': (lambda: class_means(images, labels, ()), ValueError, 'empty'),
    'class_means: labels in a column': (lambda: class_means(images, labels[:, None], (3, 7)), ValueError, '[6, 1]'),
    'class_means: too few labels': (lambda: class_means(images, labels[:3], (3, 7)), ValueError, '[3]'),
    'class_means: bytes': (lambda: class_means(images.byte(), labels, (3, 7)), TypeError, 'uint8'),
    'class_means: NaN': (lambda: class_means(images*nan, labels, (3, 7)), ValueError, 'NaN'),
    'nearest_mean: no means': (lambda: nearest_mean(images, images[:0]), ValueError, '[0, 28, 28]'),
    'nearest_mean: a single mean': (lambda: nearest_mean(images, images[0]), ValueError, 'shape'),
    'nearest_mean: NaN would be nearest':
        (lambda: nearest_mean(images, torch.stack([images[0], images[0]*nan])), ValueError, 'NaN'),
    'nearest_mean: NaN in an image': (lambda: nearest_mean(images*nan, images[:2]), ValueError, 'NaN'),
    'nearest_mean: unknown norm': (lambda: nearest_mean(images, images[:2], 'max'), ValueError, "'max'"),
    'nearest_mean: other sizes': (lambda: nearest_mean(images, torch.rand(2, 14, 14)), ValueError, '14, 14]'),
    'stage 0: no digits': (lambda: stage_pixel_similarity(()), ValueError, '()'),
    'stage 0: not a digit': (lambda: stage_pixel_similarity((3, 11)), ValueError, '11'),
    'stage 0: twice the same': (lambda: stage_pixel_similarity((3, 3)), ValueError, '(3, 3)'),
    'stage 0: unknown norm': (lambda: stage_pixel_similarity(norm='l0'), ValueError, 'l0'),
    'stage 0 predict: 0 to 255': (lambda: predict0(images*255), ValueError, 'from 0 (paper) to 1 (ink)'),
    'stage 0 predict: bytes': (lambda: predict0(images.byte()), TypeError, 'uint8'),
    'stage 0 predict: a single image': (lambda: predict0(images[0]), ValueError, 'images[None]'),
    'stage 0 predict: NaN': (lambda: predict0(images*nan), ValueError, 'NaN'),
    **{f'get_dls: bs {bs!r}': (lambda bs=bs: get_dls(bs), ValueError, repr(bs)) for bs in (0, -1, 2.5, None, '64')},
    'get_dls: no such device': (lambda: get_dls(device='abacus'), ValueError, "'abacus'"),
    'get_dls: no such GPU': (lambda: get_dls(device='cuda:99'), ValueError, "'cuda:99'"),
    # manual_sgd
    **{f'init_params: std {o}': (partial(init_params, 3, o), ValueError, str(o)) for o in (-1., nan, inf)},
    'init_params: negative size': (lambda: init_params(-3), ValueError, 'init_params(-3)'),
    'init_params: a float': (lambda: init_params(2.5), TypeError, 'float'),
    'init_params: no such device': (lambda: init_params(3, device='abacus'), ValueError, "'abacus'"),
    'linear: pictures, not rows': (lambda: manual_sgd.linear(images, w, b), ValueError, '[6, 28, 28]'),
    'linear: too few pixels': (lambda: manual_sgd.linear(x[:, :700], w, b), ValueError, '[6, 700]'),
    'linear: bytes': (lambda: manual_sgd.linear(x.byte(), w, b), ValueError, 'torch.uint8'),
    'linear: float64': (lambda: manual_sgd.linear(x.double(), w, b), ValueError, 'torch.float64'),
    'linear: another device': (lambda: manual_sgd.linear(x, w.to('meta'), b), ValueError, 'meta'),
    'linear: a bias that broadcasts': (lambda: manual_sgd.linear(x, w, torch.zeros(6)), ValueError, '[6]'),
    **{f'{f.__name__}: {name}': (partial(f, p, t), e, said)
       for f in (mnist_loss, batch_accuracy) for name, (p, t, e, said) in no_pairs.items()},
    'calc_grad: nothing to learn': (lambda: calc_grad(x, y, lin((w, b))), ValueError, 'requires_grad_()'),
    'calc_grad: wrong shape': (lambda: calc_grad(images, y, net()), ValueError, '[6, 28, 28]'),
    'calc_grad: bytes': (lambda: calc_grad(x.byte(), y, net()), ValueError, 'torch.uint8'),
    'calc_grad: a model on another device': (lambda: calc_grad(x, y, net().to('meta')), ValueError, 'meta'),
    'calc_grad: a batch on another device': (lambda: calc_grad(x.to('meta'), y, net()), ValueError, 'meta'),
    'calc_grad: targets in a row': (lambda: calc_grad(x, y[:, 0], net()), ValueError, 'unsqueeze(1)'),
    'calc_grad: a loss for each picture': (lambda: calc_grad(x, y, net(), lambda p, t: p - t), ValueError, 'mean()'),
    'calc_grad: an infinite loss':
        (lambda: calc_grad(x, y, net(), lambda p, t: p.mean()*inf), FloatingPointError, 'learning rate'),
    'calc_grad: NaN pictures': (lambda: calc_grad(x*nan, y, net()), FloatingPointError, 'NaN'),
    **{f'{name}: lr {lr!r}': (partial(f, lr), e, repr(lr))
       for lr, e in no_rates.items() for name, f in with_lr.items()},
    'take_step: no gradient':
        (lambda: take_step([init_params(3)], 1.), ValueError, 'parameter 0, of shape [3], has no'),
    'take_step: one of two without': (lambda: take_step([*stepped(), init_params(1)], 1.), ValueError, 'parameter 1'),
    'take_step: a tensor for a list': (lambda: take_step(init_params((3, 1)), 1.), ValueError, 'has no gradient'),
    'train_epoch: no batches': (lambda: by_hand(dl=[]), ValueError, 'no batches'),
    'train_epoch: no parameters': (lambda: by_hand(p=[], model=net()), ValueError, 'params'),
    'train_epoch: a tensor for a list':
        (lambda: by_hand(p=init_params((784, 1)), model=net()), ValueError, '[weights, bias]'),
    'train_epoch: a parameter without requires_grad':
        (lambda: by_hand(p=(init_params((784, 1)), b)), ValueError, 'parameter 1, of shape [1], has no gradient'),
    'train_epoch: a parameter that the model does not use':
        (two_models_of_which_one_is_used, ValueError, 'does not use it'),
    'train_epoch: divergence':
        (lambda: by_hand(1e38, dl=[(x, y)]*9, loss_func=squares), FloatingPointError, 'smaller learning rate'),
    'train_epoch: a model on another device':
        (lambda: by_hand(p=[o.detach().to('meta').requires_grad_() for o in params()]), ValueError, 'meta'),
    'validate_epoch: no batches': (lambda: validate_epoch(net(), []), ValueError, 'no batches'),
    'validate_epoch: wrong shape': (lambda: validate_epoch(net(), [(images, y)]), ValueError, 'mat1'),
    'validate_epoch: a model on another device':
        (lambda: validate_epoch(net().to('meta'), [(x, y)]), ValueError, 'meta'),
    'validate_epoch: diverged': (lambda: validate_epoch(lambda xb: z*nan, [(x, y)]), FloatingPointError, 'diverged'),
    'three_or_seven_result: no accuracies': (lambda: result([]), ValueError, 'at least one epoch'),
    'stage 1 predict: 0 to 255': (lambda: predict1(images*255), ValueError, '255'),
    'stage 1 predict: another shape with as many pixels':
        (lambda: predict1(torch.rand(6, 14, 56)), ValueError, '[6, 14, 56]'),
    **{f'stage {i}: epochs {o!r}': (partial(f, epochs=o), ValueError, repr(o))
       for i, f in by_number.items() for o in (0, -1, 1.5)},
    **{f'stage {i}: bs {o!r}': (partial(f, bs=o), ValueError, repr(o)) for i, f in by_number.items() for o in (0, -1)},
    **{f'stage {i}: no such device': (partial(f, device='abacus'), ValueError, 'abacus') for i, f in by_number.items()},
    # linear
    'BasicOptim: no parameters': (lambda: BasicOptim([], 1.), ValueError, 'params'),
    'BasicOptim: a tensor for a list': (lambda: BasicOptim(init_params((784, 1)), 1.), ValueError, '[weights, bias]'),
    'BasicOptim: numbers': (lambda: BasicOptim([1.], 1.), ValueError, 'requires_grad_()'),
    'train_epoch_opt: no batches': (lambda: train_epoch_opt(m := net(), opt(m), []), ValueError, 'no batches'),
    'train_epoch_opt: divergence':
        (lambda: train_epoch_opt(m := net(), opt(m, 1e38), [(x, y)]*9, squares), FloatingPointError,
         'smaller learning rate'),
    'train_model: epochs 1.5': (lambda: train_model(m := net(), opt(m), tiny_dls(), 1.5), TypeError, 'float'),
    'train_model: no training batches':
        (lambda: train_model(m := net(), opt(m), DataLoaders([], []), 1), ValueError, 'no batches'),
    'ListeningLearner: no such event':
        (lambda: ListeningLearner(tiny_dls(), net(), loss_func=mnist_loss)('befor_fit'), ValueError, "'befor_fit'"),
    'fit_stage: epochs 0': (lambda: fit_stage(learner(), 0, 1.), ValueError, 'epochs=0'),
    'fit_stage: no metric': (lambda: fit_stage(learner(metrics=None), 1, 1.), ValueError, 'metrics=batch_accuracy'),
    'fit_stage: divergence':
        (lambda: fit_stage(learner(explode, unchecked), 30, 1e6), FloatingPointError, 'smaller learning rate'),
    # relu_net
    'simple_net: no hidden unit': (lambda: simple_net(0), ValueError, 'nh=0'),
    'simple_net: no output': (lambda: simple_net(n_out=0), ValueError, 'n_out=0'),
    'simple_net: negative': (lambda: simple_net(-4), ValueError, '-4'),
    'simple_net: a float': (lambda: simple_net(2.5), ValueError, '2.5'),
    # resnet18: what is stable
    'run_stage: no such stage': (lambda: run_stage(5), ValueError, 'no stage 5'),
    'run_stage: None': (lambda: run_stage(None), ValueError, 'None'),
    'check_device: none such': (lambda: check_device('abacus'), ValueError, 'abacus'),
    'check_out: a folder': (lambda: check_out(Path('.')), ValueError, 'file name'),
    'check_out: a folder called .png': (lambda: out_is_a_folder('x.png'), ValueError, 'is a folder'),
    'check_out: a protected file': (out_is_protected, ValueError, 'cannot be overwritten'),
    'check_out: another kind of file': (lambda: check_out(Path('x.doc')), ValueError, '.png'),
    'check_out: no such folder': (lambda: check_out(Path('nowhere/x.png')), ValueError, 'nowhere'),
    'check_versions: too old': (lambda: check_versions(['torch>=99']), ImportError, 'pip install --upgrade'),
    'check_versions: too new': (lambda: check_versions(['torch<1']), ImportError, 'torch<1'),
    'check_torchvision: with another torch':
        (without_its_torch, ImportError, 'pip install --upgrade torch torchvision'),
    **{f'get_mnist_dls: bs {bs!r}': (lambda bs=bs: get_mnist_dls(bs), ValueError, repr(bs)) for bs in (0, -1, 2.5)},
    'get_mnist_dls: fewer pictures than a batch': (lambda: get_mnist_dls(70_000), ValueError, '70000'),
    'get_mnist_dls: no such device': (lambda: get_mnist_dls(device='abacus'), ValueError, 'abacus'),
    # resnet18
    'resnet: no output': (lambda: resnet(0), ValueError, 'n_out=0'),
    'resnet: half a channel': (lambda: resnet(10, .5), ValueError, 'ch_in=0.5'),
    'normalise: bytes': (lambda: normalise((images*255).byte()), TypeError, 'uint8'),
    'normalise: 0 to 255': (lambda: normalise(images*255), ValueError, '255'),
    'normalise: rows of pixels': (lambda: normalise(x), ValueError, '[6, 784]'),
    'normalise: None': (lambda: normalise(None), TypeError, 'NoneType'),
    'used_rows: too large a window': (lambda: used_rows(1, 7, 2, 0), ValueError, '7 rows'),
    **{f'used_rows: {o}': (partial(used_rows, *o), ValueError, said) for o, said in no_windows.items()},
    'crop_kernels: None': (lambda: crop_kernels(None), TypeError, 'None'),
    **{f'crop_kernels: size {o}': (lambda o=o: crop_kernels(mnist_resnet18(), o), ValueError, f'size={o}')
       for o in (0, -1, 2.5)},
    'crop_kernels: a window that is not square': (lambda: crop_kernels(conv(1, 4, (3, 5))), ValueError, 'square'),
    "crop_kernels: padding 'same'": (lambda: crop_kernels(conv(1, 4, 3, padding='same')), ValueError, 'same'),
    'crop_kernels: dilation': (lambda: crop_kernels(conv(1, 4, 3, dilation=2)), ValueError, 'dilation'),
    'crop_kernels: another padding':
        (lambda: crop_kernels(conv(1, 4, 3, padding=1, padding_mode='reflect')), ValueError, 'reflect'),
    'crop_kernels: pictures smaller than a window':
        (lambda: crop_kernels(conv(1, 4, 7), 5), ValueError, 'crop_kernels(Sequential, 5)'),
    'shift_images: no channel': (lambda: shift_images(images, zeros, zeros), ValueError, '[6, 28, 28]'),
    'shift_images: three channels':
        (lambda: shift_images(torch.rand(6, 3, 28, 28), zeros, zeros), ValueError, '[6, 3, 28, 28]'),
    'shift_images: bytes': (lambda: shift_images(xb4.byte(), zeros, zeros), TypeError, 'floats'),
    **{f'shift_images: {name}': (lambda o=o: shift_images(xb4, o, zeros), ValueError, '[6]')
       for name, o in no_shifts.items()},
    'shift_images: another device': (lambda: shift_images(xb4, zeros.to('meta'), zeros), ValueError, '.to(device)'),
    **{f'RandomShift: {o}': (lambda o=o: RandomShift(o), ValueError, f'by={o}') for o in (-1, 1.5, None)},
    'mnist_learner: None': (lambda: mnist_learner(None), ValueError, 'get_mnist_dls'),
    'mnist_learner: threes and sevens': (lambda: mnist_learner(tiny_dls()), ValueError, '[6, 784]'),
    'mnist_learner: a name': (lambda: mnist_learner(ten_dls(), 'resnet18'), TypeError, "'resnet18'"),
    'mnist_learner: a negative shift': (lambda: mnist_learner(ten_dls(), small(), -1), ValueError, 'by=-1'),
    'best_seconds: n 0': (lambda: best_seconds(lambda: 1, 0), ValueError, 'n=0'),
    'time_layers: one layer': (lambda: time_layers(net(), torch.ones(2, 784)), ValueError, 'nn.Sequential'),
    'AccuracyProbe: n 0': (lambda: AccuracyProbe(xb4, zeros, 0), ValueError, 'n=0'),
    'AccuracyProbe: too few labels': (lambda: AccuracyProbe(xb4, zeros[:5]), ValueError, '5 labels'),
    'AccuracyProbe: no images': (lambda: AccuracyProbe(xb4[:0], zeros[:0]), ValueError, '0 images'),
    'DigitReader: None': (lambda: DigitReader(None), TypeError, 'None'),
    'DigitReader: 0 to 255': (lambda: DigitReader(small())(images*255), ValueError, '255'),
    'DigitReader: NaN': (lambda: DigitReader(small())(images*nan), ValueError, 'NaN'),
    'DigitReader.ask: NaN': (lambda: DigitReader(small()).ask(xb4*nan), ValueError, 'NaN'),
    'DigitReader.ask: no channel': (lambda: DigitReader(small()).ask(images), ValueError, '[6, 28, 28]'),
    **{f'DigitReader.ask: shifts {o}': (lambda o=o: DigitReader(small()).ask(xb4, o), ValueError, 'pairs of whole')
       for o in ([(1,)], [(0, 0), (1, .5)], [(0, 0, 0)])},
    'DigitReader.ask: no shifts': (lambda: DigitReader(small()).ask(xb4, ()), ValueError, 'shifts is empty'),
    'fit_mnist: fewer pictures than a batch': (lambda: fit_small(bs=128), ValueError, 'no batches'),
    'fit_mnist: epochs 0': (lambda: fit_mnist(mnist_learner(ten_dls(), small()), 0), ValueError, 'epochs=0'),
    'fit_mnist: lr NaN': (lambda: fit_small(lr=nan), ValueError, 'nan'),
    'fit_mnist: divergence': (lambda: fit_small(lr=1e30), FloatingPointError, 'smaller learning rate'),
    'fit_mnist: NaN pictures': (lambda: fit_small(x=xb4*nan), FloatingPointError, 'learning rate'),
    'fit_mnist: another Learner': (lambda: fit_mnist(other_learner()), ValueError, 'mnist_learner'),
    **{f'fit_mnist: labels {o.tolist()} for {n} outputs': (lambda o=o, n=n: fit_small(n, y=o), ValueError, said)
       for o, n, said in no_labels},
    **{f'train_mnist: epochs {o!r}': (lambda o=o: train_small(o), ValueError, f'epochs={o!r}')
       for o in (0, -1, 1.5, None)},
    **{f'stage_resnet18: {k} {v!r}': (partial(stage_resnet18, **{k: v}), ValueError, repr(v))
       for k, v in dict(epochs=0, bs=0, lr=nan, device='abacus').items()},
    **{f'stage {i}: seed {o!r}': (partial(f, seed=o), ValueError, repr(o))
       for i, f in {**by_number, 4: stage_resnet18}.items() for o in (-1, 2**32, 1.5, 'x')},
    'run_stage: a list': (lambda: run_stage([1]), ValueError, '[1]'),
    'ladder_table: something else': (lambda: ladder_table({}), ValueError, 'load_scoreboard'),
    'scoreboard_table: something else': (lambda: scoreboard_table([]), ValueError, 'load_scoreboard'),
    'first_runs: something else': (lambda: first_runs({}), ValueError, 'load_scoreboard'),
    'results_table: a single result': (lambda: results_table(untrained), TypeError, 'list of StageResults'),
    'results_table: something else': (lambda: results_table([{}]), TypeError, 'list of StageResults'),
    'plot_learning_curves: a single result':
        (lambda: plot_learning_curves(untrained), TypeError, 'list of StageResults'),
    **{f'{f.__name__}: {name}': (partial(f, a), ValueError, said)
       for f in (find_ink, crop_to_ink, scale_to_box, centre_by_mass)
       for name, (a, said) in no_pictures.items()},
    'crop_to_ink: nothing written': (lambda: crop_to_ink(np.zeros((5, 5))), ValueError, 'nothing written'),
    'scale_to_box: side 0': (lambda: scale_to_box(np.ones((5, 5), 'float32'), 0), ValueError, 'side=0'),
    'centre_by_mass: no ink': (lambda: centre_by_mass(np.zeros((5, 5), 'float32')), ValueError, 'no ink'),
    'centre_by_mass: too large': (lambda: centre_by_mass(np.ones((50, 5), 'float32')), ValueError, '50 × 5'),
    **{f'draw_strokes: {o}': (partial(draw_strokes, o), ValueError, 'points (x, y)') for o in no_strokes},
    'draw_strokes: pen 0': (lambda: draw_strokes([[(5, 5)]], 0), ValueError, 'pen=0'),
    'predict: not yet run': (lambda: predict(seven, untrained), ValueError, 'run the stage first'),
    'predict: no result': (lambda: predict(seven, None), TypeError, 'StageResult'),
    'read_digit: not yet run': (lambda: read_digit(seven, [untrained]), ValueError, 'run the stage first'),
    'read_digit: a single result': (lambda: read_digit(seven, untrained), TypeError, 'list of StageResults'),
    'DigitPad: a single result': (lambda: DigitPad(untrained), TypeError, 'list of StageResults'),
    'save_model: a result': (lambda: save_model(untrained, 'x'), TypeError, 'DigitReader'),
    'save_model: another network': (lambda: save_model(DigitReader(small()), 'x'), ValueError, 'ResNet18'),
    'save_model: one layer': (lambda: save_model(DigitReader(net()), 'x'), ValueError, 'ResNet18'),
    'save_model: uncropped': (lambda: save_model(DigitReader(mnist_resnet18()), 'x'), ValueError, 'ResNet18'),
    'save_model: on all pixels':
        (lambda: save_model(DigitReader(crop_kernels(resnet(10, 1))), 'x'), ValueError, 'ResNet18'),
    'save_model: no such folder':
        (lambda: save_model(DigitReader(cropped()), 'no/such/x'), FileNotFoundError, 'no folder'),
    'load_model: no such file': (lambda: load_model('no/such/x'), FileNotFoundError, 'There is no file'),
    'load_model: a folder': (lambda: load_model('.'), FileNotFoundError, 'There is no file'),
    'load_model: HTML': (lambda: load(b'<html>'), ValueError, 'save_model'),
    'load_model: half of a file': (lambda: load(state()[:9999]), ValueError, 'save_model'),
    'load_model: other weights': (lambda: load(safetensors.torch.save({'a': z})), ValueError, 'save_model'),
    'load_model: of an earlier version': (lambda: load(state()), ValueError, 'earlier version'),
    'load_model: NaN': (lambda: load(state(lambda o: o*nan if o.is_floating_point() else o)), ValueError, 'NaN'),
    'load_model: no such device': (lambda: load_model('x', 'abacus'), ValueError, 'abacus'),
    'plot_answers: no result': (lambda: plot_answers([seven], [None]), TypeError, 'list of StageResults'),
    'plot_answers: nothing written':
        (lambda: plot_answers([seven, np.zeros((9, 9))], []), ValueError, 'nothing written'),
    'write_whole: a folder': (lambda: write('.', b''), IsADirectoryError, 'give the name of a file'),
    'write_whole: no such folder': (lambda: write('no/x', b''), FileNotFoundError, 'no folder'),
    'write_whole: text for bytes': (lambda: write('x', 'text'), TypeError, 'bytes-like object'),
    'save_figure: no such folder':
        (lambda: save_figure(plot_learning_curves([]), Path('no/such/x.png')), FileNotFoundError, 'no folder'),
    'save_figure: another kind of file':
        (lambda: save_figure(plot_learning_curves([]), Path('x.doc')), ValueError, 'doc'),
}


def raised_at(e):
    "Where `e` and the errors that it came from were raised: pairs of a file and a line"
    while e:
        last = traceback.extract_tb(e.__traceback__)[-1]
        yield last.filename, last.lineno
        e = e.__context__


@cache
def outcome(name):
    "The type of the error that a case of `bad` ends in, what it says, and where it was raised"
    f, _, _ = bad[name]
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='The .grad attribute of a Tensor')
        try: f()
        except Exception as e: return type(e), str(e), list(raised_at(e))
    return None, 'no error', []


@pytest.mark.parametrize('name', bad)
def test_a_slip_is_one_clear_error(name):
    _, error, said = bad[name]
    found, text, _ = outcome(name)
    assert said in text and found is error, (found, text)
    assert len(text) > 20 and len(text) < 900


# What is unusual and all right

def close(a, b, eps=1e-6):
    a, b = (torch.as_tensor(o, dtype=torch.float64) for o in (a, b))
    return torch.allclose(a, b, rtol=0, atol=eps)


def untouched_at_learning_rate_0():
    p = params()
    before = [o.detach().clone() for o in p]
    by_hand(0., p)
    return all(torch.equal(a, o) for a, o in zip(before, p))


def a_generator_of_parameters_trains_on_every_batch():
    torch.manual_seed(1)
    one = net()
    torch.manual_seed(1)
    two = net()
    train_epoch(one, .1, list(one.parameters()), [(x, y)]*5)
    train_epoch(two, .1, two.parameters(), [(x, y)]*5)
    return torch.equal(one.weight, two.weight)


def a_step_for_a_generator_of_parameters():
    used = stepped(2)
    before = [o.detach().clone() for o in used]
    take_step((o for o in used), .5)
    return all(torch.equal(o, was - .5) and o.grad.abs().sum() == 0 for o, was in zip(used, before))


def a_step_at_learning_rate_0():
    [p] = stepped()
    before = p.detach().clone()
    take_step([p], 0)
    return torch.equal(p, before) and p.grad.abs().sum() == 0


def one_cycle_rises_and_falls():
    "as a callback sees the learning rate in the middle of the training"
    rates = []
    class Note(Callback):
        def before_step(self): rates.append(self.learn.opt.hypers[0]['lr'])
    train_small(4, .01, cbs=Note())
    return len(rates) == 12 and .005 < max(rates) <= .01 and max(rates) > 2*max(rates[0], rates[-1])


def a_parameter_without_gradient_stays():
    used, unused = net(), net()
    before = unused.weight.detach().clone()
    train_epoch_opt(used, BasicOptim([*used.parameters(), *unused.parameters()], 1.), [(x, y)])
    return torch.equal(unused.weight, before)


def fewer_than_a_batch():
    dls = get_dls(100_000)
    return [len(o) for o in dls] == [1, 1] and dls.one_batch()[0].shape == (12396, 784)


def one_place_is_a_convolution():
    whole, x = nn.Conv2d(3, 4, 2), torch.randn(5, 3, 2, 2)
    expected = whole(x)
    [cropped] = crop_kernels(nn.Sequential(whole), 2)
    return type(cropped) is OnePlace and torch.allclose(cropped(x), expected, atol=1e-6)


def what_is_frozen_stays_so():
    class Twice(nn.Conv2d):
        def forward(self, x): return 2*super().forward(x)
    model = nn.Sequential(Twice(3, 4, 3, padding=1)).requires_grad_(False)
    [cropped] = crop_kernels(model, 1)
    return type(cropped) is Twice and not cropped.weight.requires_grad and cropped.weight.shape[2:] == (1, 1)


def a_model_stays_as_it_was():
    convs = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(*convs, nn.Linear(3, 3))      # the last does not fit
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError): crop_kernels(model, 1)
    same = all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    return same and not any(o._forward_pre_hooks for o in model) and model.training


def sizes_of_maps():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1))
    sizes = map_sizes(model, list(model), 28)
    return [*sizes.values()] == [{28}, {14}, {7}] and model.training and not any(o._forward_pre_hooks for o in model)


def nothing_left_behind():
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp)/'x').mkdir()
        with pytest.raises(IsADirectoryError, match='give the name of a file'):
            save_model(DigitReader(cropped()), Path(tmp)/'x')
        with pytest.raises(TypeError): write_whole(Path(tmp)/'y', 'text for bytes')
        return [o.name for o in Path(tmp).iterdir()] == ['x']


def what_is_there_is_replaced():
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp)/'x'
        for content in b'first', b'', b'and then another':
            write_whole(path, content)
            assert path.read_bytes() == content
        return [o.name for o in Path(tmp).iterdir()] == ['x']


def one_run_of_each_stage():
    board = load_scoreboard()
    runs = first_runs(board)
    return [r.stage for r in runs] == [0, 1, 2, 3, 4] and all(
        r.accuracy == o['accuracy'][0] and r.seconds == o['seconds'][0] and r.accuracies == o['accuracies']
        and r.predict is None for r, o in zip(runs, board['stages']))


good = {
    'conv: a window of one': lambda: resnet18.conv(4, 8, 1, 2)(torch.rand(2, 4, 7, 7)).shape == (2, 8, 4, 4),
    'ResBlock: half of the size': lambda: resnet18.ResBlock(4, 8, 2)(torch.rand(2, 4, 7, 7)).shape == (2, 8, 4, 4),
    'ResBlock: one channel': lambda: resnet18.ResBlock(1, 1).eval()(torch.zeros(1, 1, 1, 1)).item() == 0,
    'draw_rings_and_crosses: a name': rings_in_a_folder,
    'parse_idx: bytearray and memoryview':
        lambda: all(parse_idx(f(b'\0\0\x08\x01\0\0\0\x02\x01\x02')).tolist() == [1, 2]
                    for f in (bytes, bytearray, memoryview)),
    'parse_idx: an array with no elements': lambda: parse_idx(b'\0\0\x08\x02\0\0\0\x00\0\0\0\x05').shape == (0, 5),
    'nearest_mean: no images': lambda: nearest_mean(images[:0], images[:2]).shape == (0,),
    'predict: no images': lambda: predict1(images[:0]).shape == predict0(images[:0]).shape == (0, 10),
    'predict: half-precision pixels of 0 and 1': lambda: predict0(images.round()).sum() == 6,
    'stage 0: a single digit': lambda: stage_pixel_similarity((4,)).accuracy == 1,
    'get_dls: a batch larger than the set': fewer_than_a_batch,
    'init_params: standard deviation 0': lambda: init_params(5, 0.).abs().sum() == 0,
    'linear: ten outputs': lambda: manual_sgd.linear(x, torch.zeros(784, 10), torch.zeros(10)).shape == (6, 10),
    'mnist_loss: infinite predictions':
        lambda: close(mnist_loss(torch.tensor([[inf], [-inf]]), torch.tensor([[1], [1]])), .5),
    'mnist_loss: boolean and float targets':
        lambda: close(mnist_loss(z, y.bool()), mnist_loss(z, y)) and close(mnist_loss(z, y.float()), mnist_loss(z, y)),
    'batch_accuracy: one class only': lambda: batch_accuracy(torch.ones(4, 1), torch.ones(4, 1)) == 1,
    'train_epoch: learning rate 0': untouched_at_learning_rate_0,
    'train_epoch: model.parameters()': a_generator_of_parameters_trains_on_every_batch,
    'train_epoch: saturation is not divergence': lambda: by_hand(1e6, dl=[(x, y)]*5) <= 1,
    'take_step: a generator of parameters': a_step_for_a_generator_of_parameters,
    'take_step: learning rate 0': a_step_at_learning_rate_0,
    'take_step: no parameters': lambda: take_step([], 1.) is None,
    'train_mnist: one cycle': one_cycle_rises_and_falls,
    'BasicOptim: a parameter that has no gradient': a_parameter_without_gradient_stays,
    'train_model: no epochs': lambda: train_model(m := net(), opt(m), tiny_dls(), 0) == [],
    'results_table: nothing': lambda: results_table([]).shape[0] == 0,
    'plot_learning_curves: nothing': lambda: len(plot_learning_curves([]).lines) == 0,
    'check_device: the CPU, and the best': lambda: check_device('cpu') == 'cpu' and check_device() is not None,
    'crop_kernels: no convolution, and three channels':
        lambda: len(crop_kernels(nn.Sequential(nn.Flatten()))) == 1
        and crop_kernels(conv(3, 4, 3, padding=1), 1)[0].weight.shape == (4, 3, 1, 1),
    'OnePlace: what a convolution says': one_place_is_a_convolution,
    'crop_kernels: what is frozen stays frozen, and a kind of its own stays that': what_is_frozen_stays_so,
    'crop_kernels: what cannot be cropped stays as it was': a_model_stays_as_it_was,
    'crop_kernels: a model that measures goes on measuring':
        lambda: not crop_kernels(mnist_resnet18().eval()).training and crop_kernels(mnist_resnet18()).training,
    'map_sizes: after each stride': sizes_of_maps,
    'count_parameters: of ours': lambda: count_parameters(cropped()) == 4_228_554,
    'resize: in both directions': lambda: resize(np.ones((4, 6), 'float32'), 9, 2).tolist() == [[1, 1]]*9,
    'first_runs: all five, with their curves': one_run_of_each_stage,
    'write_whole: what is there is replaced': what_is_there_is_replaced,
    'shift_images: no images': lambda: shift_images(xb4[:0], zeros[:0], zeros[:0]).shape == (0, 1, 28, 28),
    'DigitReader: no images': lambda: DigitReader(small())(images[:0]).shape == (0, 10),
    'RandomShift: by 0': lambda: fit_mnist(mnist_learner(ten_dls(), small(), shift=0)).stage == 4,
    'draw_strokes: nothing, and a dot':
        lambda: draw_strokes([]).getextrema() == (255, 255) and draw_strokes([[(140, 140)]]).getextrema()[0] == 0,
    'save_model: a failure leaves nothing behind': nothing_left_behind,
    'check_torchvision: those that are installed': lambda: check_torchvision() is None,
    'check_versions: nothing needed, and not installed':
        lambda: check_versions([]) is None and check_versions(['no-such-package>=1']) is None,
}


@pytest.mark.parametrize('f', good.values(), ids=good)
def test_what_is_unusual_is_right(f):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert f()


@pytest.mark.parametrize('answer', [
    nan, None, [], {}, 'x', torch.tensor(nan), torch.zeros(0), np.array([1]), object(), 10**30, lambda: 1])
def test_checking_an_answer_raises_nothing(answer, capsys):
    for expected in (5, torch.zeros(2), 'x', [1, 2]): check_value(answer, expected, 'a hint')
    check_function(lambda o: answer, (([1],), 5, 'a hint'))
    assert capsys.readouterr().out.count('\n') == 5


# Is anything left out?

def defined(name):
    "The public functions and classes of a module"
    tree = ast.parse(modules[name].read_text(encoding='utf-8'))
    return [o.name for o in tree.body if isinstance(o, (ast.FunctionDef, ast.ClassDef)) and not o.name.startswith('_')]


#: What other files look at
elsewhere = {
    'test_data.py': 'load_mnist threes_and_sevens damage png_layout', 'test_cli.py': 'main command TerminalProgress',
    'test_handwriting.py': 'prepare_digit', 'test_forms.py': 'read_picture to_grey', 'test_paper.py': 'even_strokes',
    'test_notebooks.py': 'nbdev_one_at_a_time',
    'test_grade.py': 'grade split_exercises answer_of original_of',
    'test_scoreboard.py': 'load_scoreboard plot_scoreboard',
    'test_timing.py': 'best_seconds count_gflop time_layers',
    'test_plots.py': 'use_style show_numbers draw_steps draw_net show_answers plot_answers plot_batch_sizes '
                     'plot_confusion plot_curves plot_cycle plot_descents plot_differences plot_fits plot_losses '
                     'plot_nearer plot_panels plot_regions plot_runs plot_shares plot_starts plot_steps plot_verdicts '
                     'plot_walks plot_weights plot_windows'}
#: They take nothing, only hold something, or are reached through others
simple = {'no_progress', 'Kernel', 'Stopped'}


@pytest.mark.parametrize('module', sorted(modules.keys() - {'mnist_stages', 'mnist_stages._modidx'}))
def test_every_public_function_is_here(module):
    """by a case or a property in this file, or in a file that `elsewhere` names.

    Those of `check.py` are reached through the functions that call them: somebody does, and the next test looks
    whether a case above ends in each of their errors.
    """
    code = Path(__file__).read_text(encoding='utf-8')
    used = {o.id for o in ast.walk(ast.parse(code)) if isinstance(o, ast.Name)}      # an import alone is no use
    cases = ' '.join([*bad, *good])
    others = ''.join(o.read_text(encoding='utf-8') for name, o in modules.items() if not name.endswith('.check'))
    own = modules[module].read_text(encoding='utf-8')
    for name in defined(module):
        [place] = [o for o, names in elsewhere.items() if name in names.split()] or [None]
        if module.endswith('.check'):
            assert f'check.{name}(' in others or f'@check.{name}' in others or own.count(f'{name}(') > 1, name
        elif place: assert re.search(rf'\b{name}\b', (root/'tests'/place).read_text(encoding='utf-8')), (name, place)
        elif name not in simple: assert name in used or f'{name}(' in cases or f'{name}:' in cases, name


#: Errors that other tests see, by the module and function that raises them
seen_elsewhere = {
    'tools.files': {'read_mnist_file': 'test_data.py', '_download': 'faults.py', 'untar_mnist': 'faults.py',
                    '_alone': 'test_troubles.py', '_cache': 'test_troubles.py', 'parse_idx': 'test_data.py'},
    'tools.forms': dict.fromkeys(('_scaled', '_of_array', '_of_image', '_of_bytes', '_of_url', 'read_picture'),
                                 'test_forms.py'),
    'tools.paper': {'_digit_of': 'test_paper.py', '_ink_of_small': 'test_forms.py', 'find_ink': 'test_paper.py'},
    'app.cli': {'_seed': 'test_cli.py', '_epochs': 'test_cli.py', '_stage': 'test_cli.py',
                'check_device': 'test_troubles.py', '_train_all': 'test_troubles.py'},
    'app.grade': {'Kernel': 'test_grade.py', 'original_of': 'test_grade.py'}}


@pytest.mark.parametrize('module', [o for o in modules if '.tools.' in o or '.app.' in o])
def test_every_error_is_reached(module):
    "A case above ends in each `raise` of a module"
    tree = ast.parse(modules[module].read_text(encoding='utf-8'))
    own = {line for name in bad for file, line in outcome(name)[2] if file == str(modules[module])}
    others = seen_elsewhere.get(module.removeprefix('mnist_stages.'), {})
    for part in tree.body:
        if getattr(part, 'name', None) in others: continue
        for node in ast.walk(part):
            if isinstance(node, ast.Raise) and node.exc and 'Cancel' not in ast.unparse(node.exc):  # fastai's
                assert own & {*range(node.lineno, node.end_lineno + 1)}, ast.unparse(node)


# Properties

floats = st.floats(-30, 30, width=32)


@st.composite
def predictions_and_targets(draw):
    n = draw(st.integers(1, 40))
    return draw(arrays(np.float32, (n, 1), elements=floats)), draw(arrays(np.int64, (n, 1), elements=st.integers(0, 1)))


def sigmoid(o): return 1/(1 + math.exp(-o))


@given(predictions_and_targets())
@settings(deadline=None)
def test_loss_and_accuracy_agree_with_plain_python(pair):
    p, t = pair
    loss = sum((1 - sigmoid(float(a))) if b else sigmoid(float(a)) for a, b in zip(p.flat, t.flat))/len(p)
    assert close(mnist_loss(torch.tensor(p), torch.tensor(t)), loss, 1e-5)
    acc = sum((torch.tensor(a).sigmoid().item() > .5) == (b == 1) for a, b in zip(p.flat, t.flat))/len(p)
    assert close(batch_accuracy(torch.tensor(p), torch.tensor(t)), acc)
    assert 0 <= mnist_loss(torch.tensor(p), torch.tensor(t)) <= 1


@given(predictions_and_targets(), st.integers(1, 7))
@settings(deadline=None)
def test_validation_in_batches_is_validation_in_one_go(pair, bs):
    p, t = map(torch.tensor, pair)
    assert close(validate_epoch(lambda xb: xb, list(zip(p.split(bs), t.split(bs)))), batch_accuracy(p, t))


pixels = st.floats(0, 1, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4), st.just(3)), elements=pixels),
       arrays(np.float32, (2, 4, 3), elements=pixels), st.sampled_from(['l1', 'l2']))
@settings(deadline=None)
def test_distance_and_nearest_mean_agree_with_float64(a, means, norm):
    d = np.abs(a[:, None].astype(float) - means[None].astype(float)).reshape(len(a), 2, -1)
    d = d.mean(-1) if norm == 'l1' else np.sqrt((d**2).mean(-1))
    ours = torch.stack([mnist_distance(torch.tensor(a), torch.tensor(m), norm) for m in means], 1)
    assert close(ours, d, 1e-6)
    said, sure = nearest_mean(torch.tensor(a), torch.tensor(means), norm).numpy(), np.abs(d[:, 0] - d[:, 1]) > 1e-5
    assert (said == d.argmin(1))[sure].all()


@given(arrays(np.float32, (5, 6), elements=floats), arrays(np.float32, (6, 1), elements=floats),
       arrays(np.float32, 1, elements=floats))
@settings(deadline=None)
def test_linear_agrees_with_float64(x, w, b):
    expected = x.astype(float)@w.astype(float) + b
    assert np.allclose(manual_sgd.linear(*map(torch.tensor, (x, w, b))).numpy(), expected, rtol=1e-5, atol=1e-2)


# Any bytes to the IDX reader

sizes_of_types = {8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8}
shapes = st.lists(st.integers(0, 4), max_size=5)
large = st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**32 - 1]), max_size=6)      # more than there are bytes
many = st.lists(st.integers(0, 4), min_size=30, max_size=255)                       # more than an array may have


@st.composite
def idx_files(draw):
    "A header and as many bytes as it asks for, if these are few; perhaps cut off, with a byte changed, or too long"
    shape, kind = draw(shapes | large | many), draw(st.sampled_from([*sizes_of_types, 0, 10, 15]))
    size = math.prod(shape)*sizes_of_types.get(kind, 1)
    body = draw(st.binary(min_size=size, max_size=size)) if size < 3000 else draw(st.binary(max_size=64))
    buf = bytes([0, 0, kind, len(shape)]) + b''.join(o.to_bytes(4, 'big') for o in shape) + body
    how, at = draw(st.sampled_from(['as it is', 'cut', 'changed', 'longer'])), draw(st.integers(0, len(buf) - 1))
    if how == 'cut': return buf[:at]
    if how == 'changed': return buf[:at] + draw(st.binary(min_size=1, max_size=1)) + buf[at + 1:]
    return buf + b'x' if how == 'longer' else buf


@given(st.binary(max_size=60) | idx_files())
@settings(deadline=None, max_examples=2000)
def test_any_bytes_give_an_array_of_the_headers_shape_or_a_value_error(buf):
    try: found = parse_idx(buf)
    except ValueError as e: assert 'IDX' in str(e)
    else:
        start = 4 + 4*buf[3]
        shape = tuple(int.from_bytes(buf[i:i + 4], 'big') for i in range(4, start, 4))
        assert buf[:2] == b'\0\0' and (found.shape, found.itemsize) == (shape, sizes_of_types[buf[2]])
        assert found.tobytes() == buf[start:]


@pytest.mark.parametrize('callback', [StopAtNaN(), StageProgress()], ids=lambda o: o.name)
def test_training_stops_and_says_so_when_the_loss_is_no_number(callback):
    learn = learner(explode, unchecked)
    with learn.no_bar(), learn.no_logging(), pytest.raises(FloatingPointError, match='learning rate'):
        learn.fit(30, 1e6, cbs=callback)
