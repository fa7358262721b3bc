"What is counted and timed in a step, where both can be worked out"
import time

import pytest
import torch
from torch import nn

from mnist_stages.tools.timing import best_seconds, count_gflop, time_layers


def test_the_fastest_of_n_calls_counts():
    pauses = iter([.3, .01, .2])
    assert .01 <= best_seconds(lambda: time.sleep(next(pauses)), 3) < .2
    assert not [*pauses]


def test_products_are_counted():
    a, b = torch.ones(30, 40), torch.ones(40, 50)
    assert count_gflop(lambda: a@b) == pytest.approx(2*30*40*50/1e9)
    conv, x = nn.Conv2d(3, 8, 5), torch.ones(2, 3, 9, 9)
    assert count_gflop(lambda: conv(x)) == pytest.approx(2*2*8*3*5*5*5*5/1e9)


class Slow(nn.Module):
    "Takes ten milliseconds each way"
    def forward(self, x):
        if x.requires_grad: x.register_hook(lambda g: time.sleep(.01))
        time.sleep(.01)
        return x*1


def test_each_part_has_its_time_and_its_arithmetic():
    first, block = nn.Conv2d(1, 4, 3, padding=1), nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), Slow())
    model = nn.Sequential()
    for name, o in {'first': first, 'block': block, 'end': nn.Flatten()}.items(): model.add_module(name, o)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    table = time_layers(model.eval(), torch.rand(5, 1, 6, 6), 2)
    assert [*table.index] == ['first', 'block', 'end']
    assert table.loc['block', 'other layers, ms'] >= 19 > table.loc['end', 'other layers, ms']
    forward = 2*5*4*9*6*6/1e9
    assert table.loc['first', 'GFLOP'] == pytest.approx(2*forward)        # nothing before it learns
    forward = 2*5*8*4*9*4*4/1e9
    assert table.loc['block', 'GFLOP'] == pytest.approx(3*forward)
    milliseconds = table.GFLOP/table['GFLOP a second']*1000
    assert milliseconds[:2].tolist() == pytest.approx(table['convolution, ms'][:2].tolist())
    assert table.GFLOP.isna()['end'] and table['convolution, ms'].isna()['end']
    # the model is as it was
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(o._forward_pre_hooks for o in model.modules())


def test_layers_that_change_what_comes_in_are_timed():
    table = time_layers(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True)), torch.rand(2, 4), 1)
    assert (table['other layers, ms'] > 0).all() and table['convolution, ms'].isna().all()
