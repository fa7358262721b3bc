"""The models that the first page asks: trained with the series' recipes, kept, and written as ONNX.

Each takes pixels from 0 to 1, `[n, 1, 28, 28]`, and gives probabilities, and with them what shows why. Weights are kept
in half precision and computed with in single.
"""
import hashlib
import inspect
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.optimizer import SGD
from fastai.torch_core import set_seed
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from pages import root  # noqa: F401      puts tests/ on the path, where the recipes are
from scoreboard import fit_quietly, kinds, ten_learner

from mnist_stages import resnet18
from mnist_stages.app.stages import run_stage
from mnist_stages.data import class_means, get_dls
from mnist_stages.manual_sgd import batch_accuracy, init_params, linear, mnist_loss, train_epoch
from mnist_stages.relu_net import simple_net
from mnist_stages.resnet18 import ResBlock, crop_kernels, mnist_mean, mnist_resnet18, mnist_std
from mnist_stages.tools.files import load_mnist, write_whole

seed = 1


# Training

class Means(nn.Module):
    "The nearest of mean pictures, with its distances"
    def __init__(self, n, norm):
        super().__init__()
        self.norm = norm
        self.register_buffer('means', torch.zeros(n, 28*28))

    def forward(self, x):
        off = x.flatten(1)[:, None] - self.means
        return -(off.abs().mean(2) if self.norm == 'l1' else (off**2).mean(2).sqrt())


def _fit_means(model, digits):
    m = load_mnist()
    model.means.copy_(class_means(m.train_images/255, m.train_labels, torch.tensor(digits)).flatten(1))


def _fit_ten(model, epochs, lr, bs, approach, cycle=False, **kwargs):
    "As tests/scoreboard.py trains the kinds of its second table"
    fit_quietly(ten_learner(model, bs, **kwargs), epochs, lr, cycle)


def _fit_by_hand(model, epochs, lr):
    "Stage 1"
    set_seed(seed, reproducible=True)      # `nn.Linear` has drawn random numbers, which stage 1 does not
    dls = get_dls()
    weights, bias = params = init_params((28*28, 1)), init_params(1)
    for _ in range(epochs): train_epoch(partial(linear, weights=weights, bias=bias), lr, params, dls.train)
    with torch.no_grad():
        model.weight.copy_(weights.T)
        model.bias.copy_(bias)


def _fit_two(model, epochs, lr):
    "Stages 2 and 3"
    learn = Learner(get_dls(), model, opt_func=SGD, loss_func=mnist_loss, metrics=batch_accuracy)
    fit_quietly(learn, epochs, lr)


def _fit_resnet(model):
    "Stage 4"
    model.load_state_dict(run_stage(4, seed).predict.model.state_dict())


def _told(value):
    "A setting in words that are the same in every run"
    if isinstance(value, Callback): return f'{type(value).__name__} {getattr(value, "by", "")}'
    return getattr(value, '__name__', repr(value))


@dataclass
class Recipe:
    "How one of the page's models is made"
    title:str # What to call it
    make:callable # Gives it, untrained
    fit:callable # Trains it
    how:dict # What it is trained with: weights that were trained with something else are not taken from a file
    digits:list # What its outputs stand for
    link:str # Where it is explained
    normalised:bool = False # Does it want pixels with mean 0 and standard deviation 1?
    shifts:bool = False # Is it asked about five shifts of each picture, as stage 4 is?
    large:bool = False # Is it fetched only when somebody asks for it?

    def text(self):
        "What is noted in the file of the weights"
        layers = hashlib.md5(repr(self.make()).encode()).hexdigest()
        return f'{sorted((k, _told(v)) for k, v in self.how.items())}, seed {seed}, layers {layers}'


def recipes():
    "All models by their names: those of ten digits from the weakest to the strongest, then those of two"
    ten, two = list(range(10)), [7, 3]
    (linear10, how_linear), (relu10, how_relu), (small10, how_small) = kinds

    def like_table(make, how, **kwargs):
        return Recipe(how['approach'], make, partial(_fit_ten, **how), how, ten, normalised=True, **kwargs)

    def means(digits, norm, link):
        return Recipe('nearest mean', partial(Means, len(digits), norm), partial(_fit_means, digits=digits),
                      dict(norm=norm), digits, link)

    def like_stage(title, make, fit, how, link): return Recipe(title, make, partial(fit, **how), how, two, link)
    linear2 = partial(nn.Linear, 28*28, 1)
    return {
        'means': means(ten, 'l2', '00_data.html#all-ten-digits'),
        'linear': like_table(linear10, how_linear, link='01_manual_sgd.html#step-2-predict'),
        'relu': like_table(relu10, how_relu, link='03_relu_net.html#ten-digits'),
        'small': like_table(small10, how_small, link='04_resnet18.html#windows-that-slide'),
        'resnet18': Recipe('ResNet18', lambda: crop_kernels(mnist_resnet18()), _fit_resnet,
                           dict(stage=4, source=hashlib.md5(inspect.getsource(resnet18).encode()).hexdigest()), ten,
                           '04_resnet18.html#blocks', normalised=True, shifts=True, large=True),
        'means37': means(two, 'l1', '00_data.html#a-baseline-the-nearest-mean'),
        'manual37': like_stage('manual SGD', linear2, _fit_by_hand, dict(epochs=20, lr=1.),
                               '01_manual_sgd.html#the-digits'),
        'linear37': like_stage('nn.Linear, Learner', linear2, _fit_two, dict(epochs=10, lr=1.),
                               '02_linear.html#the-loop-learner'),
        'relu37': like_stage('ReLU net', simple_net, _fit_two, dict(epochs=40, lr=.1), '03_relu_net.html#the-stage')}


def is_kept(model, path, recipe):
    "Give `model` the weights in a file, if it was made with this recipe and they fit. Was it so?"
    if not path.is_file(): return False
    try:
        with safe_open(path, 'pt') as f: same = (f.metadata() or {}).get('recipe') == recipe
        if same: model.load_state_dict(load(path.read_bytes()))
    except (RuntimeError, SafetensorError): return False      # the model has other layers now, or the file is damaged
    return same


def trained(
    folder:Path, # Where trained weights are kept
    say=print, # Called with a sentence before each training
    leave_out=(), # Names of models not to train, if they are not there yet
) -> dict: # For each name the model and its recipe
    "All models: from `folder`, or trained and put there (two minutes on two cores)"
    folder.mkdir(parents=True, exist_ok=True)
    models = {}
    for name, recipe in recipes().items():
        set_seed(seed, reproducible=True)
        path, model = folder/f'{name}.safetensors', recipe.make()
        kept = is_kept(model, path, recipe.text())
        if not kept and name in leave_out: continue
        if not kept:
            say(f'training {name} …')
            set_seed(seed, reproducible=True)
            model = recipe.make()      # weights that did not fit may have been loaded in part
            recipe.fit(model)
            weights = {k: v.contiguous() for k, v in model.state_dict().items()}
            write_whole(path, save(weights, {'recipe': recipe.text()}))
        models[name] = model.eval(), recipe
    return models


# ONNX, written node by node: torch's own exporters differ from version to version

class Graph:
    "An ONNX graph that grows node by node"
    def __init__(self): self.nodes, self.constants, self.outputs, self.n = [], [], [], 0

    def name(self):
        self.n += 1
        return f't{self.n}'

    def add(self, op, *inputs, output=None, **attributes):
        "A node; gives the name of its output"
        out = output or self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        if output: self.outputs.append(out)
        return out

    def constant(self, a):
        "Numbers, kept in half precision"
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(a, 'float16'), name))
        return self.add('Cast', name, to=TensorProto.FLOAT)

    def whole_numbers(self, a):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(a, 'int64'), name))
        return name

    def bytes(self):
        "The whole file"
        shape = 'n', 1, 28, 28
        pixels = helper.make_tensor_value_info('pixels', TensorProto.FLOAT, shape)
        outs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in self.outputs]
        graph = helper.make_graph(self.nodes, 'digits', [pixels], outs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def _conv(g, x, conv, bn=None):
    "A convolution with the batch normalisation after it folded into its weights"
    w, b = conv.weight.detach(), conv.bias
    if bn is not None:
        scale = bn.weight.detach()/(bn.running_var + bn.eps).sqrt()
        w, b = w*scale[:, None, None, None], bn.bias.detach() - bn.running_mean*scale
    pads = [*conv.padding, *conv.padding]
    inputs = [x, g.constant(w.numpy())] + ([] if b is None else [g.constant(b.numpy())])
    return g.add('Conv', *inputs, kernel_shape=list(conv.kernel_size), strides=list(conv.stride), pads=pads)


def _linear(g, x, layer): return g.add('Gemm', x, g.constant(layer.weight.detach().numpy()),
                                       g.constant(layer.bias.detach().numpy()), transB=1)


def _block(g, x, block):
    skip = x if block.downsample is None else _conv(g, x, *block.downsample)
    out = g.add('Relu', _conv(g, x, block.conv1, block.bn1))
    return g.add('Relu', g.add('Add', _conv(g, out, block.conv2, block.bn2), skip))


def _network(g, x, layers):
    "Layers one after the other. What the first activation function gives is an output, too: `inside`"
    layers, seen = list(layers), False
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, nn.Sequential): layers = [*layer, *layers]
        elif isinstance(layer, nn.Conv2d):
            bn = layers.pop(0) if isinstance(layers[0], nn.BatchNorm2d) else None
            x = _conv(g, x, layer, bn)
        elif isinstance(layer, nn.ReLU):
            x, seen = g.add('Relu', x, output=None if seen else 'inside'), True
        elif isinstance(layer, nn.Linear):
            if layer.in_features == 28*28: x = g.add('Flatten', x)
            if layer.in_features == 28*28 and not seen and not layers:
                g.add('Identity', g.constant(layer.weight.detach().numpy()), output='weights')
            x = _linear(g, x, layer)
        elif isinstance(layer, nn.MaxPool2d):
            k, s, p = layer.kernel_size, layer.stride, layer.padding
            x = g.add('MaxPool', x, kernel_shape=[k, k], strides=[s, s], pads=[p]*4)
        elif isinstance(layer, nn.ZeroPad2d):
            left, right, top, bottom = layer.padding
            x = g.add('Pad', x, g.whole_numbers([0, 0, top, left, 0, 0, bottom, right]))
        elif isinstance(layer, nn.AdaptiveAvgPool2d): x = g.add('GlobalAveragePool', x)
        elif isinstance(layer, nn.Flatten): x = g.add('Flatten', x)
        elif isinstance(layer, ResBlock): x = _block(g, x, layer)
        else: raise ValueError(f'there is no way here to write {layer} as ONNX')
    return x


def _nearest(g, x, model):
    "Minus the distance to each mean picture"
    means = g.constant(model.means[None].numpy())
    g.add('Identity', means, output='means')
    off = g.add('Sub', g.add('Unsqueeze', g.add('Flatten', x), g.whole_numbers([1])), means)
    if model.norm == 'l1': return g.add('Neg', g.add('ReduceMean', g.add('Abs', off), axes=[2], keepdims=0))
    return g.add('Neg', g.add('Sqrt', g.add('ReduceMean', g.add('Mul', off, off), axes=[2], keepdims=0)))


def to_onnx(
    model:nn.Module, # Trained
    normalised:bool, # Does it want pixels with mean 0 and standard deviation 1?
) -> bytes: # A file
    "Pixels in, `probabilities` out; for nearest means, which have none, minus the distances"
    g = Graph()
    x = 'pixels'
    if normalised:
        # single precision for these two, since every pixel meets them
        for op, value in (('Sub', mnist_mean), ('Div', mnist_std)):
            name = g.name()
            g.constants.append(numpy_helper.from_array(np.array(value, 'float32'), name))
            x = g.add(op, x, name)
    if isinstance(model, Means):
        g.add('Identity', _nearest(g, x, model), output='probabilities')
        return g.bytes()
    x = _network(g, x, [model] if isinstance(model, nn.Linear) else model)
    last = [o for o in model.modules() if isinstance(o, nn.Linear)][-1]
    if last.out_features > 1: g.add('Softmax', x, axis=1, output='probabilities')
    else: g.add('Sigmoid', g.add('Concat', g.add('Neg', x), x, axis=1), output='probabilities')
    return g.bytes()


def write_models(
    folder:Path, # Where weights are kept
    say=print, # Called with a sentence before each training
    leave_out=(), # Names of models not to train, if they are not there yet
): # Files by their names, and what to say of each model
    "All models as ONNX, and a list of them"
    files, listed = {}, []
    for name, (model, o) in trained(folder, say, leave_out).items():
        files[f'{name}.onnx'] = to_onnx(model, o.normalised)
        listed.append(dict(name=name, title=o.title, digits=o.digits, link=o.link, shifts=o.shifts, large=o.large,
                           bytes=len(files[f'{name}.onnx'])))
    return files, listed
