"What a stage reports, with models that train in no time"
import numpy as np
import pytest
import torch
from fastai.callback.core import (
    Callback, CancelBatchException, CancelEpochException, CancelStepException, CancelTrainException, event)
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import SGD
from fastai.torch_core import set_seed
from torch import nn
from torch.utils.data import Subset, TensorDataset

from mnist_stages.app.stages import ListeningLearner, fit_mnist
from mnist_stages.data import DataLoaders
from mnist_stages.manual_sgd import batch_accuracy, mnist_loss
from mnist_stages.resnet18 import DigitReader, get_mnist_dls, mnist_learner, normalise
from mnist_stages.tools.batches import TensorDataLoader
from mnist_stages.tools.files import load_mnist


class Validations(Callback):
    "Counts the pictures that are validated on"
    seen = 0
    def after_batch(self):
        if not self.training: self.seen += len(self.yb[0])


def test_fit_mnist_for_two_epochs():
    set_seed(1, reproducible=True)
    learn, validations = mnist_learner(get_mnist_dls(), nn.Sequential(nn.Flatten(), nn.Linear(784, 10))), Validations()
    assert isinstance(learn, Learner)
    learn.add_cb(validations)
    told = []
    result = fit_mnist(learn, 2, progress=lambda *args: told.append(args))
    assert validations.seen == 0          # the probe looks on the way, and the reader is asked at the end
    assert result.epochs == 2 and result.images_seen[-1] == 2*468*128
    assert [o for _, *o in told] == [[2, acc] for acc in result.accuracies]
    assert [o[0]*468*128 for o in told] == pytest.approx(result.images_seen)
    m = load_mnist()
    right = DigitReader(learn.model).ask(normalise(m.valid_images/255)).argmax(1) == m.valid_labels
    assert abs(result.accuracy - right.float().mean().item()) < 1e-6 and result.accuracy > .88
    right = learn.model(normalise(m.valid_images[:1000]/255)).argmax(1) == m.valid_labels[:1000]
    assert abs(result.accuracies[-1] - right.float().mean().item()) < 1e-6
    assert torch.equal(result.predict(m.valid_images[:9]/255).argmax(1)[:3], m.valid_labels[:3])


events = [o for o in vars(event) if not o.startswith('_')]


def listener(heard, order, **cancel):
    "A callback that notes every event, and raises the exception that `cancel` has for an event's first time"
    def note(name):
        def noted(self):
            heard.append((order, name, self.training if name == 'after_batch' else None))
            if name in cancel: raise cancel.pop(name)
        return noted
    return type('Listener', (Callback,), {'order': order, **{o: note(o) for o in events}})()


class Quiet(Callback):
    "Notes one event of many"
    def __init__(self): self.seen = 0
    def after_loss(self): self.seen += 1


class Everything(Callback):
    "Hears events in its own way"
    order = 50
    def __init__(self): self.heard = []
    def __call__(self, event_name): self.heard.append(event_name)


def few_batches(bs=4, **kwargs):
    torch.manual_seed(2)
    data = TensorDataset(torch.rand(10, 3), torch.tensor([[0], [1]]*5))
    return TensorDataLoader(data, bs=bs, **kwargs)


def test_a_listening_learner_is_a_learner():
    "The same events in the same order, cancelled ones too, and the same weights to the bit"
    def trained(cls):
        set_seed(3)
        dls, model, heard, losses = DataLoaders(few_batches(shuffle=True), few_batches()), nn.Linear(3, 1), [], []
        learn = cls(dls, model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)
        quiet, everything = Quiet(), Everything()
        cbs = [listener(heard, -9, after_pred=CancelBatchException, before_step=CancelStepException),
               listener(heard, 60, before_train=CancelTrainException, before_validate=CancelEpochException),
               quiet, everything, Callback(after_loss=lambda self: losses.append(self.loss.item()))]
        with learn.no_bar(), learn.no_logging():
            learn.fit(3, 1., cbs=cbs)
            quiet.run = False
            learn.fit(1, 1., cbs=cbs)
            rows = [list(o) for o in learn.recorder.values]
            seen = quiet.run, quiet.seen, everything.heard, learn.validate()
            return heard, rows, list(model.parameters()), losses, *seen
    heard, rows, params, *others = trained(Learner)
    heard_2, rows_2, params_2, *others_2 = trained(ListeningLearner)
    assert heard == heard_2 and {o for _, o, _ in heard} > {'after_cancel_batch', 'after_cancel_epoch', 'before_step'}
    assert str(rows) == str(rows_2) and others == others_2 and all(map(torch.equal, params, params_2))


def assert_same(batches, others):
    "These batches are the same"
    for b, other in zip(batches, others, strict=True):
        assert type(b) is tuple and len(b) == len(other) and all(map(torch.equal, b, other))


@pytest.mark.parametrize('kwargs', [
    {}, {'drop_last': True}, {'bs': 10}, {'bs': 99}, {'shuffle': True}, {'bs': 3, 'shuffle': True, 'drop_last': True},
    {'bs': 11, 'drop_last': True}, {'n': 7}, {'bs': np.int64(4)}, {'num_workers': 1}])
def test_whole_batches_are_those_of_items(kwargs):
    "As fastai's loader, which fetches items and stacks them"
    def batches(dl):
        dl.rng.seed(5)
        return [*dl, *dl]
    ours = few_batches(**kwargs)
    theirs = batches(DataLoader(ours.dataset, **{'bs': 4, **kwargs}))
    assert_same(batches(ours), theirs)
    assert len(theirs) == 2*len(ours)


def test_other_datasets_and_no_batches():
    dl = few_batches()
    assert [len(x) for x, _ in TensorDataLoader(Subset(dl.dataset, [1, 2, 5]), bs=2)] == [2, 1]
    assert_same([*TensorDataLoader(dl.dataset)], [dl.dataset[i] for i in range(10)])      # without bs: single items
