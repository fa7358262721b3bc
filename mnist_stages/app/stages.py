"Each stage of the series with its reference recipe, as a function that trains it and says what it reached."
from ..tools import check
from ..tools.files import load_mnist
from ..tools.results import StageResult
from ..data import class_means, get_dls, nearest_mean
from ..manual_sgd import batch_accuracy, init_params, linear, mnist_loss, train_epoch, validate_epoch
from ..relu_net import simple_net
from ..resnet18 import DigitReader, get_mnist_dls, mnist_learner, train_mnist

import time
from functools import partial
from numbers import Integral
from operator import attrgetter

import fastai.callback.progress     # gives `Learner` its `no_bar`  # noqa: F401
import torch
from fastai.callback.core import Callback, CancelValidException, event
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.optimizer import SGD
from fastai.torch_core import set_seed
from torch import nn


# Progress

def no_progress(
    epoch:float, # How many epochs are done, perhaps a fraction
    epochs:int, # How many there will be
    accuracy:float, # Validation accuracy so far
):
    "Ignore a stage's progress"


class StopAtNaN(Callback):
    "Stop with `FloatingPointError` when the loss is no finite number"
    def after_loss(self): check.loss(self.learn.loss)


class StageProgress(StopAtNaN):
    "Report a `Learner`'s progress after each epoch"
    def __init__(self,
        progress=no_progress, # Called with `(epoch, epochs, accuracy)`; accuracy is the first metric
    ): self.progress = progress

    def after_epoch(self):
        self.progress(self.epoch + 1, self.n_epoch, self.recorder.log[3])       # log: epoch, two losses, metric


class AccuracyProbe(StopAtNaN):
    """Measure accuracy on a fixed batch several times an epoch, and at its end

    Kept in `seen` (training images so far) and `accs`. The `Learner` itself does not validate, so its recorder has
    training losses only: ask a `DigitReader` afterwards.
    """
    def __init__(self,
        images:torch.Tensor, # Images to look at
        labels:torch.Tensor, # Their labels
        n:int=10, # About how often per epoch
        progress=no_progress, # Called with `(epoch, epochs, accuracy)` each time; `epoch` is a fraction
    ):
        check.whole(n=n)
        if not len(images) or len(images) != len(labels):
            raise ValueError('there must be one label for each image, and at least one image, '
                             f'not {len(images)} images and {len(labels)} labels')
        self.images, self.labels, self.n, self.progress, self.seen, self.accs = images, labels, n, progress, [], []

    def before_validate(self): raise CancelValidException

    def after_batch(self):
        done = self.iter + 1
        if not self.training or done < self.n_iter and done % max(1, self.n_iter//self.n): return
        self.model.eval()
        with torch.no_grad():
            preds = self.model(self.images)
            check.loss(self.loss_func(preds, self.labels))
        acc = accuracy(preds, self.labels).item()
        self.model.train()
        self.seen.append(self.train_iter*len(self.yb[0]))
        self.accs.append(acc)
        self.progress(self.learn.pct_train*self.n_epoch, self.n_epoch, acc)


# What the stages share

class ListeningLearner(Learner):
    """A `Learner` that calls only the callbacks which have a method for an event, and moves no batches

    fastai asks all of them, and one without the method asks its `Learner`, which asks the model: a fifth of stage 3's
    time. A method that is found only there is not called. Model and batches must be on one device.
    """
    def __call__(self, event_name):
        for name in [event_name] if isinstance(event_name, str) else event_name: self._call_one(name)

    def _call_one(self, event_name):
        if not hasattr(event, event_name): raise ValueError(f'there is no event {event_name!r}')
        for cb in sorted(self.cbs, key=attrgetter('order')):
            own = event_name in vars(cb) or hasattr(type(cb), event_name) or type(cb).__call__ is not Callback.__call__
            if own or event_name == 'after_fit': cb(event_name)      # after a fit, each is set to run again

    def _set_device(self, b): return b


def fit_stage(
    learn:Learner, # With one metric: the validation accuracy
    epochs:int, # Passes over the training set
    lr:float, # Learning rate
    progress=no_progress, # Called with `(epoch, epochs, accuracy)` after each epoch
) -> tuple: # Validation accuracy after each epoch, and the seconds that it took
    "Train `learn` without a progress bar"
    check.recipe(epochs, lr)
    if not learn.metrics: raise ValueError('learn has no metric: make it with metrics=batch_accuracy')
    start = time.perf_counter()
    with learn.no_bar(), learn.no_logging(): learn.fit(epochs, lr=lr, cbs=StageProgress(progress))
    return [row[2] for row in learn.recorder.values], time.perf_counter() - start


def three_or_seven_result(
    stage:int, # 1 to 3
    approach:str, # What the stage does, in a few words
    model, # Callable that maps pixels `[n, 784]` to predictions `[n, 1]`
    parameters:int, # How many numbers it has learned
    dls, # What it was trained and measured on, from `get_dls`
    lr:float, # Learning rate
    accs:list, # Validation accuracy after each epoch
    seconds:float, # Wall time of training and validation
) -> StageResult: # The same facts as every stage, and how to ask the model about a picture
    "What a model that tells threes from sevens has reached. Its `predict` gives a probability to 3 and 7 only."
    if not accs: raise ValueError('accs is empty: train for at least one epoch')
    x, _ = dls.train.dataset.tensors

    def predict(images):
        check.pixels(images)
        with torch.no_grad(): p = model(images.reshape(-1, 28*28).to(x.device)).sigmoid().cpu()
        return p*torch.eye(10)[3] + (1 - p)*torch.eye(10)[7]
    seen = [len(x)*o for o in range(1, len(accs) + 1)]
    return StageResult(stage=stage, approach=approach, digits='3 or 7', parameters=parameters, epochs=len(accs),
                       bs=dls.train.bs, lr=lr, accuracy=accs[-1], seconds=seconds, accuracies=accs, images_seen=seen,
                       predict=predict)


def count_parameters(
    model:nn.Module, # Any model
) -> int: # How many numbers it learns
    "The number of elements of all parameters"
    return sum(p.numel() for p in model.parameters())


# The stages

def stage_pixel_similarity(
    digits=(3, 7), # The digits to tell apart
    norm:str='l1', # Distance, as in `mnist_distance`
) -> StageResult: # Stage 0, or by 'l2' its better twin, which is no stage
    "Stage 0: the nearest mean picture. It has no random start, so there is no seed, and no epoch."
    check.digits(digits)
    m, classes = load_mnist(), torch.tensor(list(digits))
    train_rows, valid_rows = [torch.isin(o, classes) for o in (m.train_labels, m.valid_labels)]
    start = time.perf_counter()
    means = class_means(m.train_images[train_rows].float()/255, m.train_labels[train_rows], classes)

    def predict(images):
        check.pixels(images)
        return torch.eye(10)[classes[nearest_mean(images, means, norm)]]      # all or nothing: it knows no "perhaps"
    preds = predict(m.valid_images[valid_rows].float()/255).argmax(1)
    acc = (preds == m.valid_labels[valid_rows]).float().mean().item()
    told = '0 to 9' if len(classes) == 10 else ' or '.join(map(str, classes.tolist()))
    stage, approach = (0, 'nearest mean') if norm == 'l1' else (None, 'nearest mean, L2')
    return StageResult(stage=stage, approach=approach, digits=told, parameters=means.numel(), epochs=0,
                       accuracy=acc, seconds=time.perf_counter() - start, predict=predict)


def stage_manual_sgd(
    seed:int=1, # Random seed, for the first parameters and the order of the batches
    epochs:int=20, # Passes over the training set
    lr:float=1., # Learning rate
    bs:int=256, # Images per batch
    device=None, # Where to train; the CPU if `None`
    progress=no_progress, # Called with `(epoch, epochs, accuracy)` after each epoch
) -> StageResult: # Stage 1
    "Stage 1: a linear model whose weights, loss and updates are all written by hand"
    check.recipe(epochs, lr, seed)
    set_seed(int(seed), reproducible=True)
    dls = get_dls(bs, device=device)
    weights, bias = init_params((28*28, 1), device=device), init_params(1, device=device)
    model, accs = partial(linear, weights=weights, bias=bias), []
    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        train_epoch(model, lr, (weights, bias), dls.train)
        accs.append(validate_epoch(model, dls.valid))
        progress(epoch, epochs, accs[-1])
    seconds = time.perf_counter() - start
    return three_or_seven_result(1, 'manual SGD', model, weights.numel() + bias.numel(), dls, lr, accs, seconds)


def _fit_with_learner(stage, approach, make_model, seed, epochs, lr, bs, device, progress):
    "A stage that trains `make_model()` with a `Learner` and fastai's `SGD`"
    check.recipe(epochs, lr, seed)
    set_seed(int(seed), reproducible=True)
    dls, model = get_dls(bs, device=device), make_model().to(device or 'cpu')
    learn = ListeningLearner(dls, model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)
    accs, seconds = fit_stage(learn, epochs, lr, progress)
    return three_or_seven_result(stage, approach, model, count_parameters(model), dls, lr, accs, seconds)


def stage_linear(
    seed:int=1, # Random seed, for the first parameters and the order of the batches
    epochs:int=10, # Passes over the training set
    lr:float=1., # Learning rate
    bs:int=256, # Images per batch
    device=None, # Where to train; the CPU if `None`
    progress=no_progress, # Called with `(epoch, epochs, accuracy)` after each epoch
) -> StageResult: # Stage 2
    "Stage 2: `nn.Linear`, fastai's `SGD` and `Learner`"
    make_model, how = partial(nn.Linear, 28*28, 1), (seed, epochs, lr, bs, device, progress)
    return _fit_with_learner(2, 'nn.Linear and Learner', make_model, *how)


def stage_relu_net(
    seed:int=1, # Random seed, for the first parameters and the order of the batches
    epochs:int=40, # Passes over the training set
    lr:float=.1, # Learning rate
    bs:int=256, # Images per batch
    device=None, # Where to train; the CPU if `None`
    progress=no_progress, # Called with `(epoch, epochs, accuracy)` after each epoch
) -> StageResult: # Stage 3
    "Stage 3: a network with a hidden layer of 32 units"
    return _fit_with_learner(3, 'ReLU net', simple_net, seed, epochs, lr, bs, device, progress)


def fit_mnist(
    learn:Learner, # From `mnist_learner`
    epochs:int=1, # Passes over the training set
    lr:float=.05, # Largest learning rate of the one-cycle schedule
    approach:str='ResNet18', # What to call the model in the result
    progress=no_progress, # Called with `(epoch, epochs, accuracy)`; `epoch` is a fraction
) -> StageResult: # Stage 4
    """Train `learn` with `train_mnist`, and measure the `DigitReader` of its model on all validation images

    The curve in `accuracies` is that of an `AccuracyProbe`: the first 1,000 of them, each read once.
    """
    check.recipe(epochs, lr)
    check.learner(learn)
    train, (x, y) = learn.dls.train, learn.dls.valid.dataset.tensors
    probe = AccuracyProbe(x[:1000], y[:1000], progress=progress)
    reader, start = DigitReader(learn.model), time.perf_counter()
    with learn.no_bar(), learn.no_logging(): train_mnist(learn, epochs, lr, cbs=probe)
    acc = accuracy(reader.ask(x), y.cpu()).item()
    seconds = time.perf_counter() - start
    return StageResult(stage=4, approach=approach, digits='0 to 9', parameters=count_parameters(learn.model),
                       epochs=epochs, bs=train.bs, lr=lr, accuracy=acc, seconds=seconds,
                       accuracies=probe.accs, images_seen=probe.seen, predict=reader)


def stage_resnet18(
    seed:int=1, # Random seed, for the first parameters and the order of the batches
    epochs:int=1, # Passes over the training set
    lr:float=.05, # Largest learning rate of the one-cycle schedule
    bs:int=128, # Images per batch
    device=None, # Where to train; the CPU if `None`
    progress=no_progress, # Called with `(epoch, epochs, accuracy)`; `epoch` is a fraction
) -> StageResult: # Stage 4
    "Stage 4: ResNet18 on all ten digits, one cycle"
    check.recipe(epochs, lr, seed)
    set_seed(int(seed), reproducible=True)
    return fit_mnist(mnist_learner(get_mnist_dls(bs, device)), epochs, lr, progress=progress)


def run_stage(
    stage:int, # 0 to 4
    seed:int=1, # Random seed; stage 0 needs none
    device=None, # Where to train; the CPU if `None`
    progress=no_progress, # Called with `(epoch, epochs, accuracy)` as the stage goes on
    epochs:int=None, # Passes over the training set; the reference recipe's if `None`
) -> StageResult: # What it reached
    "Run one stage of the series with its reference recipe. Raises `ValueError` if there is no such stage."
    if not isinstance(stage, Integral) or stage not in range(5):
        raise ValueError(f'There is no stage {stage!r}: choose from 0 to 4')
    if stage == 0: return stage_pixel_similarity()
    funcs = {1: stage_manual_sgd, 2: stage_linear, 3: stage_relu_net, 4: stage_resnet18}
    longer = {} if epochs is None else {'epochs': epochs}
    return funcs[stage](seed=seed, device=device, progress=progress, **longer)
