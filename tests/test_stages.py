"What a stage reports, with models that train in no time"
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.torch_core import set_seed
from torch import nn

from mnist_stages.app.stages import fit_mnist
from mnist_stages.resnet18 import DigitReader, get_mnist_dls, mnist_learner, normalise
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
