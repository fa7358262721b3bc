"Where the time of a training step goes: seconds and arithmetic of each part of a model."
from copy import deepcopy
from functools import partial
from timeit import repeat

import pandas as pd
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from . import check


def best_seconds(
    f, # What to time; called without arguments
    n:int=9, # How often
) -> float: # Seconds of the fastest call
    "How long `f` takes when nothing disturbs it"
    check.whole(n=n)
    return min(repeat(f, number=1, repeat=n))


def count_gflop(
    f, # What to count in; called once, without arguments
) -> float: # In billions
    "How many multiplications and additions `f` does in convolutions and matrix products"
    with FlopCounterMode(display=False) as counter: f()
    return counter.get_total_flops()/1e9


def _kind(layer):
    if isinstance(layer, nn.Conv2d): return 'convolution'
    return 'batch norm' if isinstance(layer, nn.BatchNorm2d) else 'other layers'


def time_layers(
    model:nn.Module, # With parts, each layer of which is used once; it stays as it is
    xb, # A batch
    n:int=9, # How often each layer is timed
): # DataFrame with a row for each part: milliseconds of each kind of layer; GFLOP, and GFLOP a second, of convolutions
    "Time each layer alone, forward and backward, with what comes into it when `xb` goes through `model`"
    model, came_in, rows = deepcopy(model).train(), {}, []

    def note(layer, args): came_in[layer] = args[0].detach().clone().requires_grad_(args[0].requires_grad)
    if not [*model.children()]: raise ValueError(f'{model} has no parts: put it into nn.Sequential')
    hooks = [o.register_forward_pre_hook(note) for o in model.modules() if not [*o.children()]]
    model(xb)
    for o in hooks: o.remove()

    def there_and_back(layer):
        x = came_in[layer]
        out = layer(x.clone() if getattr(layer, 'inplace', False) else x)
        wanted = [o for o in (x, *layer.parameters()) if o.requires_grad]
        for o in wanted: o.grad = None
        if wanted: out.backward(out.detach())       # any numbers will do as slopes that come in
    for name, part in model.named_children():
        for layer in part.modules():
            if layer not in came_in: continue
            kind, its_share = _kind(layer), partial(there_and_back, layer)
            rows.append({'part': name, 'kind': kind, 'ms': 1000*best_seconds(its_share, n),
                         'GFLOP': count_gflop(its_share) if kind == 'convolution' else 0})
    layers = pd.DataFrame(rows)
    table = layers.pivot_table('ms', 'part', 'kind', 'sum', sort=False)
    table = table.reindex(columns=['convolution', 'batch norm', 'other layers']).add_suffix(', ms')
    table['GFLOP'] = layers.groupby('part').GFLOP.sum().replace(0, float('nan'))
    table['GFLOP a second'] = 1000*table.GFLOP/table['convolution, ms']
    return table
