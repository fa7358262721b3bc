"What a stage reports, with models that train in no time"
import pytest
import torch
from fastai.callback.core import Callback
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import SGD
from fastai.torch_core import set_seed
from torch import nn
from torch.utils.data import TensorDataset

from mnist_stages.app.stages import ListenersLearner, fit_mnist
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


class Heard(Callback):
    "Notes some events"
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.events = []

    def before_fit(self): self.events.append('fit')
    def after_batch(self): self.events.append(self.training)
    def after_cancel_epoch(self): self.events.append('cancelled')


def few_batches(bs=4, **kwargs):
    torch.manual_seed(2)
    data = TensorDataset(torch.rand(10, 3), torch.tensor([[0], [1]]*5))
    return TensorDataLoader(data, bs=bs, **kwargs)


def test_listeners_learner_is_a_learner():
    "The same weights, losses and events, those of a callback made of functions too; `run` is set back after a fit"
    def trained(cls):
        set_seed(3)
        dls, model, losses = DataLoaders(few_batches(shuffle=True), few_batches()), nn.Linear(3, 1), []
        learn = cls(dls, model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)
        heard, quiet = Heard(after_pred=lambda self: losses.append(self.pred.detach().clone())), Heard()
        with learn.no_bar(), learn.no_logging():
            learn.fit(3, 1., cbs=[heard, quiet])
            quiet.run = False
            learn.fit(1, 1., cbs=[heard, quiet])
        assert len(losses) == 4*(3 + 3) and quiet.run and quiet.events == heard.events[:19]
        return learn.recorder.values, list(model.parameters()), losses, heard.events, learn.validate()
    (rows, params, losses, events, valid), (rows_2, params_2, losses_2, events_2, valid_2) = map(
        trained, (Learner, ListenersLearner))
    assert [list(o) for o in rows] == [list(o) for o in rows_2] and events == events_2 and list(valid) == list(valid_2)
    for a, b in zip(params + losses, params_2 + losses_2, strict=True): assert torch.equal(a, b)


@pytest.mark.parametrize('kwargs', [{}, {'drop_last': True}, {'bs': 10}, {'bs': 99}, {'shuffle': True},
                                    {'bs': 3, 'shuffle': True, 'drop_last': True}, {'bs': 11, 'drop_last': True}])
def test_whole_batches_are_those_of_items(kwargs):
    "As fastai's loader, which fetches items and stacks them"
    def batches(dl):
        dl.rng.seed(5)
        return [*dl, *dl]
    ours = few_batches(**kwargs)
    theirs = batches(DataLoader(ours.dataset, **{'bs': 4, **kwargs}))
    for b, other in zip(batches(ours), theirs, strict=True):
        assert type(b) is tuple and all(map(torch.equal, b, other))
    assert len(theirs) == 2*len(ours)
