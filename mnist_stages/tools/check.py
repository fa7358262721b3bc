"What callers may pass, and the sentences that say so: a lesson calls one of these in a line."
# Each raises `TypeError` or `ValueError`, or `FloatingPointError` where training has diverged.
# Some return what they looked at, ready to be used.
import math
import textwrap
from functools import wraps
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn


def _said(o):
    "An argument as an error message shows it"
    if isinstance(o, torch.Tensor): return f'{list(o.shape)} {o.dtype} on {o.device}'
    return repr(o) if isinstance(o, (int, float, str, tuple)) else type(o).__name__


def explain(f):
    "`f`, with PyTorch's complaints about shapes, types and devices turned into a `ValueError` that says what was given"
    @wraps(f)
    def explained(*args, **kwargs):
        try: return f(*args, **kwargs)
        except RuntimeError as e:
            given = ', '.join(map(_said, [*args, *kwargs.values()]))
            raise ValueError(f'{f.__name__}({given}) does not work: {e}. Compare shapes, types and devices.') from e
    return explained


# Numbers and devices

def whole(least=1, /, **numbers):
    "Each of `numbers` is a whole number from `least` up"
    for name, o in numbers.items():
        if not isinstance(o, Integral) or o < least:
            raise ValueError(f'{name}={o!r} does not work: it must be a whole number from {least} up')


def device(name):
    "The device called `name`, or the CPU if `None`; this machine has it"
    try: return torch.empty(0, device=name or 'cpu').device
    except (RuntimeError, AssertionError, TypeError):
        raise ValueError(f'there is no device {name!r} here: leave it out for the CPU') from None


def lr(rate):
    "`rate` is a learning rate"
    if not isinstance(rate, Real): raise TypeError(f'the learning rate must be a number, not {rate!r}')
    if not 0 <= rate < math.inf:
        raise ValueError(f'the learning rate must be a finite number from 0 up, not {rate}')


def recipe(epochs, rate, seed=0):
    "A stage can be trained like this"
    whole(epochs=epochs)
    lr(rate)
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise ValueError(f'seed={seed!r} does not work: it must be a whole number from 0 to {2**32 - 1}')


# Pictures

def images(*tensors):
    "All are float images of one size that can be compared"
    kinds = [str(o.dtype) if isinstance(o, torch.Tensor) else type(o).__name__ for o in tensors]
    if not all(isinstance(o, torch.Tensor) and o.is_floating_point() for o in tensors):
        raise TypeError(f'images must be tensors of floats, not {" and ".join(kinds)}: divide the pixels by 255')
    shapes = [list(o.shape) for o in tensors]
    said = ' and '.join(map(str, shapes))
    if any(len(o) < 2 or 0 in o[-2:] or o[-2:] != shapes[0][-2:] for o in shapes):
        raise ValueError(f'images must have shapes [..., 28, 28], not {said}')
    try: np.broadcast_shapes(*shapes)       # PyTorch's own imports sympy first, which takes most of a second
    except ValueError:
        raise ValueError(f'images of shapes {said} cannot be compared: give as many of both, or one alone') from None
    devices = [str(o.device) for o in tensors]
    if len(set(devices)) > 1:
        raise ValueError(f'images must be on one device, not on {" and ".join(devices)}: move them with .to(device)')
    if any(o.isnan().any() for o in tensors):
        raise ValueError('images must be numbers, but one has a pixel that is NaN')


def pixels(tensor):
    "Float images `[n, 28, 28]` from 0 to 1"
    images(tensor)
    if tensor.shape[1:] != (28, 28):
        raise ValueError(f'images must have shape [n, 28, 28], not {list(tensor.shape)}: one alone is images[None]')
    if len(tensor) and not -.01 <= tensor.min() <= tensor.max() <= 1.01:
        raise ValueError(f'pixels must go from 0 (paper) to 1 (ink), not {tensor.min():.3g} to {tensor.max():.3g}')


def distance(a, b, norm):
    "The images `a` and `b` have a distance by `norm`"
    images(a, b)
    if norm not in ('l1', 'l2'): raise ValueError(f"norm is 'l1' or 'l2', not {norm!r}")


def classes(tensor, labels, wanted):
    "Each of the labels `wanted` has an image in `tensor`"
    images(tensor)
    labelled(tensor, labels)
    if not len(wanted): raise ValueError('classes is empty: name at least one label')
    missing = [int(c) for c in wanted if not (labels == c).any()]
    if missing: raise ValueError(f'no image has the label {missing}: the labels are {labels.unique().tolist()}')


def means(tensor):
    "One mean image for each class"
    if tensor.dim() != 3 or not len(tensor):
        raise ValueError(f'means must have shape [classes, 28, 28], not {list(tensor.shape)}')


def labelled(tensor, labels):
    "One label for each image"
    if labels.shape != tensor.shape[:1]:
        raise ValueError(f'there must be one label for each image, not labels {list(labels.shape)} '
                         f'for images {list(tensor.shape)}')


def digits(wanted):
    "Different digits, at least one"
    if not wanted or len(set(wanted)) < len(wanted) or not set(wanted) <= set(range(10)):
        raise ValueError(f'digits must be different ones from 0 to 9, such as (3, 7), not {wanted}')


def batch(xb):
    "Float pictures with one channel, `[n, 1, h, w]`"
    if not isinstance(xb, torch.Tensor) or not xb.is_floating_point():
        raise TypeError(f'images must be a tensor of floats, not {xb!r:.80}: get_mnist_dls and normalise make one')
    if xb.ndim != 4 or xb.shape[1] != 1:
        raise ValueError(f'images must have shape [n, 1, h, w], not {list(xb.shape)}: '
                         'get_mnist_dls and normalise make them so')


def shifts(xb, *all_shifts):
    "A batch of pictures, and for each of them a whole number of pixels in each of `all_shifts`"
    batch(xb)
    for o in all_shifts:
        if not isinstance(o, torch.Tensor) or o.is_floating_point() or o.shape != xb.shape[:1]:
            raise ValueError(f'shifts must be an int64 tensor of shape [{len(xb)}], '
                             f'a whole number for each image, not {o!r}')
        if o.device != xb.device:
            raise ValueError(f'shifts must be where the images are, on {xb.device}, not on {o.device}: '
                             'move them with .to(device)')


def question(xb, all_shifts):
    "A batch of pictures, and at least one shift, a pair of whole numbers, to ask about"
    images(xb)
    batch(xb)
    if not len(all_shifts): raise ValueError('shifts is empty: ask at least once, with ((0, 0),)')
    for o in all_shifts:
        if len(o) != 2 or not all(isinstance(int(x), int) and x == int(x) for x in o):
            raise ValueError(f'shifts must be pairs of whole numbers (down, right), not {o!r}')


def grey(a):
    "A picture as a finite array `[h, w]`"
    if not isinstance(a, np.ndarray) or a.ndim != 2 or not a.size:
        raise ValueError(f'give a grey picture, an array [h, w] as to_grey makes it, '
                         f'not {getattr(a, "shape", a)!r} of {type(a).__name__}')
    if not np.isfinite(a).all():
        raise ValueError('a grey picture must be of numbers, but this one has a pixel that is NaN or infinite')


def picture(a):
    "A picture as a finite array `[h, w]`, or in colour `[h, w, 3]`"
    if isinstance(a, np.ndarray) and a.ndim == 3 and a.shape[2] == 3: a = a.reshape(len(a), -1)
    grey(a)


def written(ink):
    "A picture with at least one pixel of ink, more than 0.4"
    grey(ink)
    if not (ink > .4).any(): raise ValueError('there is nothing written in this picture: no pixel has more than 0.4')


def box(ink, side):
    "A picture, and the number of pixels that its longer side shall have"
    grey(ink)
    whole(side=side)


def room(ink, side):
    "A picture with some ink that fits into `side` × `side`"
    grey(ink)
    if max(ink.shape) > side:
        raise ValueError(f'a picture of {ink.shape[0]} × {ink.shape[1]} does not fit into {side} × {side}: '
                         'scale_to_box makes it smaller')
    if not ink.sum() > 0: raise ValueError('there is no ink in this picture, so it has no centre of mass')


# Batches

def loader_device(bs, name, most=None):
    "The device called `name`, for batches of `bs` pictures, at most `most` of them"
    whole(bs=bs)
    if most is not None and bs > most:
        raise ValueError(f'bs={bs} does not work: there are only {most:,} images to train with')
    return device(name)


def batches(dl):
    "Hand out the batches of `dl`, of which there must be at least one"
    n = 0
    for n, o in enumerate(dl, 1): yield o
    if not n: raise ValueError(_no_batches)


_no_batches = ('the data loader has no batches: '
               'is its dataset empty, or smaller than a batch with drop_last=True?')


# Learning

def init_device(std, name):
    "The device called `name`, for random parameters of this standard deviation"
    if not 0 <= std < math.inf: raise ValueError(f'std must be a finite number from 0 up, not {std}')
    return device(name)


def linear(xb, weights, bias):
    "Pixels, weights and a bias on one device, and a bias that does not broadcast over the pictures"
    if not xb.device == weights.device == bias.device:
        raise ValueError(f'pixels, weights and bias must be on one device, not on {xb.device}, {weights.device} and '
                         f'{bias.device}: move them with .to(device)')
    if bias.shape not in ((1,), weights.shape[1:]):
        raise ValueError(f'the bias must have shape {list(weights.shape[1:]) or [1]}, not {list(bias.shape)}')


def pair(predictions, targets):
    "One target, 0 or 1, for each prediction"
    if not all(isinstance(o, torch.Tensor) for o in (predictions, targets)):
        raise TypeError(f'predictions and targets must be tensors, not {type(predictions).__name__} '
                        f'and {type(targets).__name__}')
    if predictions.shape != targets.shape:
        raise ValueError(f'predictions {list(predictions.shape)} and targets {list(targets.shape)} must have '
                         'the same shape: is there an unsqueeze(1) missing?')
    if predictions.device != targets.device:
        raise ValueError(f'predictions are on {predictions.device} and targets on {targets.device}: '
                         'move one of them with .to(device)')
    if not predictions.numel(): raise ValueError(f'predictions {list(predictions.shape)} are empty: give at least one')
    if not ((targets == 0) | (targets == 1)).all():
        raise ValueError(f'targets must be 1 or 0, not {targets.unique().tolist()[:10]}')
    if predictions.isnan().any():
        raise FloatingPointError('predictions are NaN, not a number: training has diverged, or the pictures hold NaN. '
                                 'Start again from fresh parameters with a smaller learning rate.')


def params(tensors, rate):
    "`tensors` as a list of parameters that can be trained with the learning rate `rate`"
    lr(rate)
    tensors = list(tensors)
    leaves = all(isinstance(p, torch.Tensor) and p.is_leaf for p in tensors)
    if not leaves or not any(p.requires_grad for p in tensors):
        raise ValueError('params must be a list such as [weights, bias] or model.parameters(), '
                         'with at least one tensor that has requires_grad_()')
    return tensors


def training(dl, tensors, rate):
    "The batches of `dl`, for parameters that can be trained with the learning rate `rate`"
    params(tensors, rate)
    return batches(dl)


def step(tensors, rate):
    "`tensors` as a list of parameters, each with its gradient, and `rate` is a learning rate"
    lr(rate)
    tensors = list(tensors)
    for i, p in enumerate(tensors):
        if p.grad is None:
            raise ValueError(f'parameter {i}, of shape {list(p.shape)}, has no gradient: '
                             'either the model does not use it, or it lacks requires_grad_()')
    return tensors


def loss(value):
    "One finite number that something can learn from"
    if value.numel() != 1:
        raise ValueError(f'the loss must be a single number, not of shape {list(value.shape)}: take its mean()')
    if not value.isfinite():
        raise FloatingPointError(f'the loss is {value.item()}: training has diverged. '
                                 'Start again from fresh parameters with a smaller learning rate.')
    if torch.is_grad_enabled() and not value.requires_grad:
        raise ValueError('nothing can be learned: no parameter of the model has requires_grad_()')


# Networks and learners

def module(model):
    "A PyTorch module"
    if not isinstance(model, nn.Module):
        raise TypeError(f'model must be a PyTorch module, such as mnist_resnet18(), not {model!r}')


def window(size, kernel, stride, padding):
    "A window of `kernel` rows fits on a padded map of `size`"
    whole(size=size, kernel=kernel, stride=stride)
    whole(0, padding=padding)
    if kernel > size + 2*padding:
        raise ValueError(f'a window of {kernel} rows does not fit on a map of {size} with a padding of {padding}')


def convs(model, size):
    "The convolutions of `model`, which can all be cropped for pictures of `size` × `size`"
    module(model)
    whole(size=size)
    found = [o for o in model.modules() if isinstance(o, nn.Conv2d)]
    for o in found:
        square = all(len(set(x)) == 1 for x in (o.kernel_size, o.stride, o.padding))
        if o.padding_mode != 'zeros' or isinstance(o.padding, str) or o.dilation != (1, 1) or not square:
            raise ValueError(f'cannot crop {o}: its window, stride and padding must be square, its padding zeros, '
                             'given as a number, and its dilation 1')
    return found


def _one_channel(dls, maker):
    "The training pictures of `dls`, which have one channel"
    tensors = getattr(getattr(getattr(dls, 'train', None), 'dataset', None), 'tensors', None)
    if not tensors or tensors[0].ndim != 4:
        said = list(tensors[0].shape) if tensors else repr(dls)
        raise ValueError(f'{maker}, with images [n, 1, 28, 28], not {said}')
    return tensors[0]


def dls_device(dls, model):
    "The device of `dls`, whose batches are pictures with one channel, for `model`, a module or `None`"
    images = _one_channel(dls, 'dls must come from get_mnist_dls')
    if model is not None: module(model)
    return images.device


def learner(learn):
    "A `Learner` for ten digits, as `mnist_learner` makes it"
    _one_channel(learn.dls, 'learn must come from mnist_learner')
    if not len(learn.dls.train): raise ValueError(_no_batches)
    for x, y in (dl.dataset.tensors for dl in learn.dls):
        if not ((y >= 0) & (y <= 9)).all():
            raise ValueError(f'labels must be whole numbers from 0 to 9, not {y.unique().tolist()[:10]}')
    training = learn.model.training
    try:
        with torch.no_grad(): shape = list(learn.model.eval()(x[:1]).shape)
    finally: learn.model.train(training)
    if shape != [1, 10]:
        raise ValueError(f'the model must give ten outputs for each image, shape [1, 10] for one, not {shape}')


def results(found):
    "`found` as a list of `StageResult`s"
    listed = list(found) if hasattr(found, '__iter__') else [None]
    if not all(hasattr(o, 'images_seen') for o in listed):
        said = textwrap.shorten(repr(found), 80, placeholder=' ...')
        raise TypeError(f'results must be a list of StageResults, not {said}: one alone is [result]')
    return listed
