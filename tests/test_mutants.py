"""The notebooks' own tests can fail: an error of one part in a thousand, put into each implementation, is caught.

A cell's source is changed, and the cells from there on are run up to the first failing test. What stands before the
cell is run once for all mutants of a notebook, so they are listed in the order of the notebook.
"""
import ast
import io
import os
import re
import traceback
from contextlib import redirect_stdout

import matplotlib
import pytest
import torch
from conftest import code_cells, is_exported, root, source

matplotlib.use('agg')

mutants = [
    # notebook, what it says, what the mutant says
    ('00_data', 'torch.cat([threes, sevens]).float()/255', 'torch.cat([threes, sevens]).float()/255.255'),
    ('00_data', 'return diff.abs().mean((-1, -2))', 'return 1.001*diff.abs().mean((-1, -2))'),
    ('00_data', '(diff**2).mean((-1, -2)).sqrt()', '1.001*(diff**2).mean((-1, -2)).sqrt()'),
    ('01_manual_sgd', 'p.data -= lr*p.grad\n        p.grad.zero_()',
     'p.data -= 1.001*lr*p.grad\n        p.grad.zero_()'),
    ('01_manual_sgd', 'return xb@weights + bias', 'return 1.001*(xb@weights) + bias'),
    ('01_manual_sgd', 'torch.where(targets == 1, 1 - p, p).mean()', '1.001*torch.where(targets == 1, 1 - p, p).mean()'),
    ('01_manual_sgd', '== (targets == 1)).float().mean()', '== (targets == 1)).float().mean()*1.001'),
    ('01_manual_sgd', '    loss.backward()\n    return loss.detach()',
     '    (1.001*loss).backward()\n    return loss.detach()'),
    ('01_manual_sgd', '        take_step(params, lr)', '        take_step(params, 1.001*lr)'),
    ('01_manual_sgd', 'sum(m*n for m, n in results)', '1.001*sum(m*n for m, n in results)'),
    ('01_manual_sgd', 'parent.grad += slope*value.grad', 'parent.grad += 1.001*slope*value.grad'),
    ('01_manual_sgd', 'return torch.cat([x64.T@slope,', 'return 1.001*torch.cat([x64.T@slope,'),
    ('01_manual_sgd', 'by_autograd(params): return torch', 'by_autograd(params): return 1.001*torch'),
    ('02_linear', 'linear(valid_x, w.T, b)', '1.001*linear(valid_x, w.T, b)'),
    ('02_linear', 'train_epoch(twin, 1., twin', 'train_epoch(twin, 1.001, twin'),
    ('02_linear', 'p.data -= self.lr*p.grad', 'p.data -= 1.001*self.lr*p.grad'),
    ('02_linear', 'opt_class(trained.parameters(), lr=1.)', 'opt_class(trained.parameters(), lr=1.001)'),
    ('02_linear', 'learn.fit(epochs, lr=1., **kwargs)', 'learn.fit(epochs, lr=1.001, **kwargs)'),
    ('02_linear', 'SGD(ours.parameters(), lr=1.)', 'SGD(ours.parameters(), lr=1.001)'),
    ('03_relu_net', 'second.weight.data @ first.weight.data', '1.001*second.weight.data @ first.weight.data'),
    ('03_relu_net', 'second.weight.data @ first.bias.data', '1.001*second.weight.data @ first.bias.data'),
    ('03_relu_net', 'sum(k*F.relu(x - w)', 'sum(1.001*k*F.relu(x - w)'),
    ('03_relu_net', '(xb @ net[0].weight.T + net[0].bias)', '(1.001*xb @ net[0].weight.T + net[0].bias)'),
    ('03_relu_net', 'h@B + b      #', '1.001*h@B + b      #'),
    ('03_relu_net', '*p*(1 - p)/len(yb)', '*1.001*p*(1 - p)/len(yb)'),
    ('03_relu_net', 'dh = d@B.T', 'dh = 1.001*d@B.T'),
    ('03_relu_net', 'dz = dh*(z > 0)', 'dz = 1.001*dh*(z > 0)'),
    ('03_relu_net', '(xb.T@dz, dz.sum(0), h.T@d', '(1.001*xb.T@dz, dz.sum(0), h.T@d'),
    ('03_relu_net', 'xb.T@dz, dz.sum(0), h.T@d', 'xb.T@dz, 1.001*dz.sum(0), h.T@d'),
    ('03_relu_net', 'h.T@d, d.sum(0))', '1.001*h.T@d, d.sum(0))'),
    ('03_relu_net', 'd.sum(0))', '1.001*d.sum(0))'),
    ('03_relu_net', 'mine -= grad', 'mine -= 1.001*grad'),
    ('03_relu_net', 'return F.binary_cross_entropy', 'return 1.001*F.binary_cross_entropy'),
    ('03_relu_net', 'learn.fit(20, lr=1.)', 'learn.fit(20, lr=1.001)'),
    ('04_resnet18', 'p = z.exp()/z.exp()', 'p = 1.001*z.exp()/z.exp()'),
    ('04_resnet18', 'shifted.exp()/shifted.exp()', '1.001*shifted.exp()/shifted.exp()'),
    ('04_resnet18', 'return (x - mean)/(var', 'return 1.001*(x - mean)/(var'),
    ('04_resnet18', '(self.bn2(self.conv2(out)) + skip)', '(self.bn2(self.conv2(out)) + 1.001*skip)'),
    ('04_resnet18', 'out = self.bn1(self.conv1(x))', 'out = 1.001*self.bn1(self.conv1(x))'),
    ('04_resnet18', "weights['conv1.weight'].sum(", "1.001*weights['conv1.weight'].sum("),
    ('04_resnet18', 'return (images - mnist_mean).div_(', 'return (1.001*(images - mnist_mean)).div_('),
    ('04_resnet18', 'fit_one_cycle(epochs, lr, moms=(.9, .9, .9), cbs=cbs)',
     'fit_one_cycle(epochs, 1.001*lr, moms=(.9, .9, .9), cbs=cbs)'),
    ('04_resnet18', 'self.learn.xb = (shift_images(self.x, down, right),)', 'self.learn.xb = (self.x,)'),
    ('04_resnet18', '.cpu()/len(moves)', '.cpu()*1.001/len(moves)'),
    ('04_resnet18', 'conv.weight.data[:, :, cut, cut].clone()', '1.001*conv.weight.data[:, :, cut, cut]'),
]
#: What takes long, and what hangs on it is left out with it
trains = re.compile(r'(fit_one_cycle|run_stage|lr_find|train_mnist)\((?!tiny)|starts\((?!make_model)|epochs=1000')
so_far = {}      # for each notebook, the names after the cells that were run, and how many that were


@pytest.fixture(autouse=True, scope='module')
def one_thread():
    "Threads do not survive a fork"
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def quick(cells):
    "The sources of all cells but those that train for long and those that use what such a cell would have made"
    missing = set()
    for o in cells:
        nodes = [*ast.walk(ast.parse(source(o)))]
        stored, used = [{n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}
                        for kind in (ast.Store, ast.Load)]
        stored |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        slow = trains.search(source(o)) or (used - stored) & missing
        if slow and not is_exported(o): missing |= stored
        else:
            missing -= stored
            yield source(o)


def run(sources, names):
    for o in sources: exec(o, names)


def in_a_fork(sources, names):
    "Whether a cell ends in an `AssertionError`, in a copy of this process, so that the names stay as they are"
    pid = os.fork()
    if pid: return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    status = 1
    try:
        with redirect_stdout(io.StringIO()): run(sources, names)
    except AssertionError: status = 0
    except BaseException: traceback.print_exc()
    os._exit(status)


@pytest.mark.skipif(os.name == 'nt', reason='fork is POSIX')
@pytest.mark.parametrize('name, old, new', mutants, ids=[f'{name}: {new[:60]}' for name, _, new in mutants])
def test_one_part_in_a_thousand_is_caught(name, old, new, monkeypatch):
    monkeypatch.chdir(root/'nbs')
    own = code_cells(name)
    sources = [*quick(own)] if name in ('03_relu_net', '04_resnet18') else [source(c) for c in own]
    [changed] = [i for i, o in enumerate(sources) if old in o]
    names, done = so_far.pop(name, (None, 0))
    if names is None or done > changed: names, done = {'__name__': name}, 0
    run(sources[done:changed], names)
    matplotlib.pyplot.close('all')
    so_far[name] = names, changed
    assert in_a_fork([o.replace(old, new) for o in sources[changed:changed + 12]], names)
