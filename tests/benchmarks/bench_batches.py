"Batches of 64 shuffled training images, ready for a network: how many images come in a second"
from itertools import islice

import pytest
import torch
from bench_loading import raw  # noqa: F401      a fixture
from fastai.data.load import DataLoader
from pipelines import png_dls
from torch.utils.data import TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from mnist_stages.resnet18 import get_mnist_dls
from mnist_stages.tools.files import load_mnist

# ruff: noqa: F811      where a test or a function takes the fixture


def tensors():
    m = load_mnist()
    return TensorDataset(m.train_images.float().unsqueeze(1)/255, m.train_labels)


def torchvisions(raw, **kwargs):
    "A loader over torchvision's own data set"
    return torch.utils.data.DataLoader(MNIST(raw, transform=ToTensor()), batch_size=64, shuffle=True, **kwargs)


# What makes a loader from the folder of torchvision's files, and how many batches are timed
loaders = {
    'ours': (lambda raw: get_mnist_dls(bs=64, device='cpu').train, 900),
    'ImageDataLoaders over PNGs, no workers': (lambda raw: png_dls(0).train, 60),
    'ImageDataLoaders over PNGs, 2 workers': (lambda raw: png_dls(2).train, 60),
    "torchvision's MNIST, no workers": (torchvisions, 120),
    "torchvision's MNIST, 2 workers": (lambda raw: torchvisions(raw, num_workers=2), 120),
    'fastai DataLoader over a TensorDataset': (lambda raw: DataLoader(tensors(), bs=64, shuffle=True), 120),
}

@pytest.mark.parametrize('name', loaders)
@pytest.mark.parametrize('turn', range(2))
@pytest.mark.benchmark(group='loading, images per second')
def test_images_per_second(benchmark, raw, name, turn):
    make, n = loaders[name]
    loader, seen = make(raw), []

    def begin():
        "An iterator that has warmed up; with workers, so have they"
        batches = iter(loader)
        for _ in islice(batches, 10): pass
        return (batches,), {}

    def consume(batches): seen.append(sum(len(xb) for xb, yb in islice(batches, n)))
    benchmark.pedantic(consume, setup=begin, rounds=3)
    assert set(seen) == {64*n}
    benchmark.extra_info['images'] = 64*n
