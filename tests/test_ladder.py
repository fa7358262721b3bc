"""Five ways to train one linear model, from notebook 01's loop to fastai's `Learner`, end with the same weights.

Each way (a rung) trains for two epochs (98 steps) from one start and with one order of batches. Compared are all 785
parameters at the end and the loss of every training batch. Steps that are one part in a thousand too long are caught.
"""
from functools import cache

import fastai.callback.progress     # gives `Learner` its `no_bar`  # noqa: F401
import pytest
import torch
from fastai.learner import Learner
from fastai.optimizer import SGD
from fastai.torch_core import set_seed
from torch import nn

from mnist_stages.data import get_dls
from mnist_stages.linear import BasicOptim, train_epoch_opt
from mnist_stages.manual_sgd import linear, mnist_loss, train_epoch

epochs = 2


def noted(log):
    "`mnist_loss`, with a note of every training loss"
    def loss_func(preds, targets):
        loss = mnist_loss(preds, targets)
        if loss.requires_grad: log.append(loss.item())
        return loss
    return loss_func


def tensors_of_01(model, dls, lr, log):
    "Notebook 01's own tensors, with the same numbers to begin with"
    weights, bias = model.weight.detach().T.clone().requires_grad_(), model.bias.detach().clone().requires_grad_()
    for _ in range(epochs):
        train_epoch(lambda xb: linear(xb, weights, bias), lr, [weights, bias], dls.train, noted(log))
    model.weight.data, model.bias.data = weights.detach().T.clone(), bias.detach().clone()


def loop_of_01(model, dls, lr, log):
    for _ in range(epochs): train_epoch(model, lr, model.parameters(), dls.train, noted(log))


def with_optimiser(opt_class):
    def run(model, dls, lr, log):
        opt = opt_class(model.parameters(), lr=lr)
        for _ in range(epochs): train_epoch_opt(model, opt, dls.train, noted(log))
    return run


def with_learner(model, dls, lr, log):
    learn = Learner(dls, model, opt_func=SGD, loss_func=noted(log))
    with learn.no_bar(), learn.no_logging(): learn.fit(epochs, lr=lr)


rungs = {'notebook 01, tensors': tensors_of_01, 'notebook 01, nn.Linear': loop_of_01,
         'BasicOptim': with_optimiser(BasicOptim), 'torch.optim.SGD': with_optimiser(torch.optim.SGD),
         "fastai's SGD": with_optimiser(SGD), 'Learner': with_learner}
first, *others = list(rungs)[1:]
every_rung, every_other = pytest.mark.parametrize('rung', list(rungs)), pytest.mark.parametrize('rung', others)


@cache
def climb(rung, lr):
    "All 785 parameters after training by `rung`, and the loss of each batch"
    set_seed(1)
    dls, model, log = get_dls(), nn.Linear(28*28, 1), []
    rungs[rung](model, dls, lr, log)
    return torch.cat([p.detach().flatten() for p in model.parameters()]), torch.tensor(log)


@pytest.mark.parametrize('lr', [1., .3, .1])
@every_rung
def test_equal_within_a_millionth(rung, lr):
    (weights, losses), (w, log) = climb(first, lr), climb(rung, lr)
    assert len(w) == 785 and len(log) == 49*epochs
    assert (w - weights).abs().max() < 1e-6 and (log - losses).abs().max() < 1e-6


@every_other
def test_equal_bit_for_bit_at_learning_rate_1(rung):
    (weights, losses), (w, log) = climb(first, 1.), climb(rung, 1.)
    assert torch.equal(w, weights) and torch.equal(log, losses)


@every_rung
def test_steps_one_part_in_a_thousand_too_long_are_caught(rung):
    weights, _ = climb(first, 1.)
    w, _ = climb(rung, 1.001)
    assert (w - weights).abs().max() > 1e-5
