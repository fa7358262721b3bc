"The two ways to train stage 4 that are compared, published and ours, and a clock to put into them. On the CPU."
import time
from functools import cache

import torch.nn.functional as F
from fastai.callback.core import Callback, CancelTrainException, CancelValidException
from fastai.data.external import URLs
from fastai.metrics import accuracy
from fastai.torch_core import default_device, set_seed

from mnist_stages.app.stages import fit_mnist
from mnist_stages.resnet18 import get_mnist_dls, mnist_learner
from mnist_stages.tools.files import untar_mnist

default_device(use=False)


class Clock(Callback):
    """Seconds of each batch, whatever is done in it: loading, the step, other callbacks.

    Stops after `n_train` and `n_valid` batches if they are given.
    """
    order = 1000                            # after every other callback, so that what those do is in the time
    def __init__(self, n_train=None, n_valid=None):
        self.n_train, self.n_valid, self.train, self.valid = n_train, n_valid, [], []

    def start(self): self.last = time.perf_counter()
    before_train = before_validate = start

    def after_batch(self):
        seconds, limit = (self.train, self.n_train) if self.training else (self.valid, self.n_valid)
        now = time.perf_counter()
        seconds.append(now - self.last)
        self.last = now
        if len(seconds) == limit: raise CancelTrainException if self.training else CancelValidException


@cache
def png_dls(num_workers=None):
    "MNIST as PNG files, as it is published; fastai's own number of workers if `num_workers` is `None`"
    from fastai.vision.data import ImageDataLoaders      # only here: in memory.py, ours is to do without
    folder = untar_mnist(URLs.MNIST, show_progress=False)
    return ImageDataLoaders.from_folder(folder, train='training', valid='testing', bs=64, num_workers=num_workers)


def our_learner(): return mnist_learner(get_mnist_dls(device='cpu'))
def published_learner():
    from fastai.vision.learner import vision_learner
    from torchvision.models import resnet18
    return vision_learner(png_dls(), resnet18, pretrained=False, loss_func=F.cross_entropy, metrics=accuracy)


def fit_ours(learn): return fit_mnist(learn).accuracy


def fit_published(learn):
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, 0.1)
    row = learn.recorder.values[-1]         # training loss, validation loss, accuracy; shorter if the epoch was
    return row[2] if len(row) == 3 else None


#: For each pipeline: what makes its `Learner`, and what trains that for an epoch and returns the accuracy
pipelines = {'ours': (our_learner, fit_ours), 'published': (published_learner, fit_published)}


def fit(name, n_train=None, n_valid=None, seed=1):
    """Train a new network with the pipeline `name` for an epoch, or for the first batches of one.

    Returns seconds, of all and of each batch, and what they belong to. Ours does not validate in batches: a reader
    answers at the end.
    """
    set_seed(seed)
    make, train = pipelines[name]
    learn, clock = make(), Clock(n_train, n_valid)
    learn.add_cb(clock)
    start = time.perf_counter()
    acc = train(learn)
    return dict(seconds=time.perf_counter() - start, train=clock.train, valid=clock.valid, bs=learn.dls.train.bs,
                n_train=len(learn.dls.train), n_valid=0 if name == 'ours' else len(learn.dls.valid), accuracy=acc)
