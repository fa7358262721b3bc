"One step of an optimiser over all of ResNet18's weights"
import pytest
import torch
from fastai.optimizer import Adam

from mnist_stages.resnet18 import mnist_resnet18

sgd = {'lr': 1e-4, 'momentum': .9, 'nesterov': True, 'weight_decay': 5e-4}
optimisers = {
    ('SGD step, fused', 'ours'): lambda params: torch.optim.SGD(params, **sgd, fused=True),
    ('SGD step, fused', 'not fused'): lambda params: torch.optim.SGD(params, **sgd),
    ('Adam step, fused', 'ours'): lambda params: torch.optim.Adam(params, lr=1e-4, fused=True),
    ('Adam step, fused', 'not fused'): lambda params: torch.optim.Adam(params, lr=1e-4),
    ('Adam step, fused', "fastai's, as published"): lambda params: Adam(params, lr=1e-4),
}


@pytest.mark.parametrize('what, name', optimisers)
@pytest.mark.parametrize('turn', range(2))
def test_step(benchmark, what, name, turn):
    benchmark.group = what
    params = list(mnist_resnet18().parameters())
    for p in params: p.grad = torch.randn_like(p)
    benchmark.pedantic(optimisers[what, name](params).step, rounds=30, warmup_rounds=5)
