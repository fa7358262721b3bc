"""The notebooks' own tests can fail: an error of one part in a thousand, put into each implementation in turn, is caught.

A cell's source is changed and the notebook's cells are run up to the first failing test, so a mutant costs only as much as it takes to notice it.
"""
import matplotlib
import pytest
from conftest import code_cells, root, source

matplotlib.use('agg')

mutants = [
    # notebook, what it says, what the mutant says
    ('00_data', "return diff.abs().mean((-1, -2)) if norm", "return 1.001*diff.abs().mean((-1, -2)) if norm"),
    ('00_data', "(diff**2).mean((-1, -2)).sqrt()", "1.001*(diff**2).mean((-1, -2)).sqrt()"),
    ('00_data', "images[labels == d] for d in (3, 7)]).float()/255", "images[labels == d] for d in (3, 7)]).float()/255.255"),
    ('01_manual_sgd', "return xb@weights + bias", "return 1.001*(xb@weights) + bias"),
    ('01_manual_sgd', "return torch.where(targets == 1, 1 - p, p).mean()", "return 1.001*torch.where(targets == 1, 1 - p, p).mean()"),
    ('01_manual_sgd', "== (targets == 1)).float().mean()", "== (targets == 1)).float().mean()*1.001"),
    ('01_manual_sgd', "    loss.backward()\n    return loss.detach()", "    (1.001*loss).backward()\n    return loss.detach()"),
    ('01_manual_sgd', "            p.data -= lr*p.grad\n            p.grad.zero_()", "            p.data -= 1.001*lr*p.grad\n            p.grad.zero_()"),
    ('01_manual_sgd', "sum(m*n for m, n in results)", "1.001*sum(m*n for m, n in results)"),
    ('01_manual_sgd', "return torch.cat([x64.T@slope,", "return 1.001*torch.cat([x64.T@slope,"),
    ('01_manual_sgd', "/(2*h) for m in moves])[:, None]", "/(1.998*h) for m in moves])[:, None]"),
    ('01_manual_sgd', "def by_autograd(params): return torch.autograd.grad", "def by_autograd(params): return 1.001*torch.autograd.grad"),
    ('02_linear', "if p.grad is not None: p.data -= self.lr*p.grad", "if p.grad is not None: p.data -= 1.001*self.lr*p.grad"),
    ('02_linear', "torch.optim.SGD(with_torch.parameters(), lr=1.)", "torch.optim.SGD(with_torch.parameters(), lr=1.001)"),
    ('02_linear', "SGD(with_fastai.parameters(), lr=1.)", "SGD(with_fastai.parameters(), lr=1.001)"),
    ('02_linear', "learn.no_logging(): learn.fit(2, lr=1.)", "learn.no_logging(): learn.fit(2, lr=1.001)"),
    ('02_linear', "train_epoch(by_hand, 1., list(", "train_epoch(by_hand, 1.001, list("),
    ('02_linear', "ours = linear(xb, w.T, b)", "ours = 1.001*linear(xb, w.T, b)"),
    ('03_relu_net', "collapsed.weight.data = second", "collapsed.weight.data = 1.001*second"),
    ('03_relu_net', "(xb @ net[0].weight.T + net[0].bias)", "(1.001*xb @ net[0].weight.T + net[0].bias)"),
    ('04_resnet18', "p = z.exp()/z.exp().sum(1, keepdim=True)", "p = 1.001*z.exp()/z.exp().sum(1, keepdim=True)"),
    ('04_resnet18', "test_close(F.cross_entropy(z, target), -p", "test_close(1.001*F.cross_entropy(z, target), -p"),
    ('04_resnet18', "weights['conv1.weight'].sum(1, keepdim=True)", "1.001*weights['conv1.weight'].sum(1, keepdim=True)"),
    ('04_resnet18', "nn.Parameter(conv.weight.data[:, :, cut, cut].clone())", "nn.Parameter(1.001*conv.weight.data[:, :, cut, cut])"),
    ('04_resnet18', ".softmax(1) for o in shifts)/len(shifts)", ".softmax(1) for o in shifts)*1.001/len(shifts)"),
]


@pytest.mark.parametrize('name, old, new', mutants, ids=[f'{name}: {new[:60]}' for name, _, new in mutants])
def test_one_part_in_a_thousand_is_caught(name, old, new, monkeypatch):
    monkeypatch.chdir(root/'nbs')
    sources = [source(c) for c in code_cells(name)]
    [changed] = [i for i, o in enumerate(sources) if old in o]
    names = {'__name__': name}
    for o in sources[:changed]: exec(o, names)
    with pytest.raises(AssertionError):
        for o in sources[changed:changed + 12]: exec(o.replace(old, new), names)
    matplotlib.pyplot.close('all')
