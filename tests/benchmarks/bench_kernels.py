"One training step of ResNet18 with all weights of its kernels, and with those that a digit reaches: the same answers"
import pytest
import torch
import torch.nn.functional as F

from mnist_stages.resnet18 import crop_kernels, get_mnist_dls, mnist_resnet18


@pytest.fixture(scope='session')
def batch(): return get_mnist_dls(bs=128, device='cpu').one_batch()


@pytest.mark.parametrize('name, parameters', [('ours', 4_228_554), ('full kernels', 11_175_370)])
@pytest.mark.parametrize('turn', range(2))
@pytest.mark.benchmark(group='training step of 128 images, cropped kernels')
def test_step(benchmark, batch, name, parameters, turn):
    model = mnist_resnet18()
    if name == 'ours': crop_kernels(model)
    assert sum(p.numel() for p in model.train().parameters()) == parameters
    xb, yb = batch
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=.9, fused=True)

    def step():
        F.cross_entropy(model(xb), yb).backward()
        opt.step()
        opt.zero_grad()

    benchmark.pedantic(step, rounds=10, warmup_rounds=2)
