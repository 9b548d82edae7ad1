# SPDX-License-Identifier: MIT
"""Random convolutional networks, seeded: chains and branches of the layers of images, as randomnet.py's are of dense ones.

Images of one to three dimensions, with odd sizes and numbers of channels, pass through layers with random arguments; some
branch off and come back by a sum, a product or a concatenation. Everything that nothing uses is an output, with a target.
"""
import math
import random

import torch
import torch.nn.functional as F

from case import classes, real
from convlayers import Layer, drawn, expr, network
from randomnet import optimiser

CHANNELS = [1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 17, 24, 33]
ACTIVATIONS = ["relu", "relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "softplus", "identity"]
MOST = 2000  # numbers of a sample, at most


class Net:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.layers, self.values, self.weights, self.used = [], {}, {}, set()

    def shape(self, name):
        return tuple(self.values[name].shape[1:])

    def pick(self, fits=lambda shape: True):
        """An image, a late one more likely; None where none fits."""
        names = [n for n in self.values if len(self.shape(n)) > 1 and fits(self.shape(n))]
        fresh = [n for n in names if n not in self.used]
        return self.r.choice(fresh if fresh and self.r.random() < 0.7 else names[-3:]) if names else None

    def add(self, layer):
        """Refused where PyTorch refuses it, and where the value is too large."""
        new = {k: t for k, t in drawn(layer.weights(self.shape(layer.inputs[0]))).items() if k not in self.weights}
        try:
            value = layer.run(type(drawn({}))({**self.weights, **new}), self.values)
        except RuntimeError:
            return
        if not 0 < value[0].numel() <= MOST or value.abs().max() > 30:
            return
        self.weights.update(new)
        self.values[layer.name] = value
        self.layers.append(layer)
        self.used.update(layer.inputs)

    @property
    def name(self):
        return "v%d" % len(self.layers)


def several(r, dims, low, high):
    """A number for all axes, or one for each."""
    return r.randint(low, high) if r.random() < 0.6 else [r.randint(low, high) for _ in range(dims)]


def step_conv(net):
    r, a = net.r, net.pick()
    channels, *sizes = net.shape(a)
    args = {"out": r.choice(CHANNELS), "kernel": several(r, len(sizes), 1, 4)}
    draw = r.random()
    if draw < 0.25:  # depthwise
        args.update(out=channels * r.choice([1, 1, 2]), groups=channels)
    elif draw < 0.45:
        groups = r.choice([g for g in range(1, channels + 1) if channels % g == 0])
        args.update(out=groups * r.randint(1, 4), groups=groups)
    if r.random() < 0.25:
        args["dilation"] = several(r, len(sizes), 1, 2)
    if r.random() < 0.3:
        args["padding"] = "same"
    else:
        args.update(padding=several(r, len(sizes), 0, 2), stride=several(r, len(sizes), 1, 2) if r.random() < 0.6 else 1)
    extras(net, args)
    net.add(Layer("conv%dd" % len(sizes), net.name, a, **args))


def step_transposed(net):
    r, a = net.r, net.pick(lambda s: len(s) < 4)
    if not a:
        return
    channels, *sizes = net.shape(a)
    groups = r.choice([1, 1, r.choice([g for g in range(1, channels + 1) if channels % g == 0])])
    stride = r.randint(1, 3)
    args = {"out": groups * r.randint(1, 5), "kernel": several(r, len(sizes), 1, 4), "stride": stride, "groups": groups,
            "padding": several(r, len(sizes), 0, 1), "output_padding": r.randint(0, stride - 1)}
    if r.random() < 0.2:
        args["dilation"] = 2
    extras(net, args)
    net.add(Layer("conv_transpose%dd" % len(sizes), net.name, a, **args))


def extras(net, args):
    if net.r.random() < 0.4:
        args["bias"] = False
    if net.r.random() < 0.4:
        args["activation"] = net.r.choice(ACTIVATIONS)


def step_pool(net):
    r, a = net.r, net.pick(lambda s: len(s) < 4)
    if not a:
        return
    dims = len(net.shape(a)) - 1
    kernel = several(r, dims, 1, 3)
    args = {"kernel": kernel}
    if r.random() < 0.6:
        args["stride"] = several(r, dims, 1, 3)
    if r.random() < 0.4:
        args["padding"] = [k // 2 for k in kernel] if isinstance(kernel, list) else kernel // 2
    net.add(Layer("%s%dd" % (r.choice(["maxpool", "avgpool"]), dims), net.name, a, **args))


def step_size(net):
    """Upsampling and adaptive pooling of images."""
    r, a = net.r, net.pick(lambda s: len(s) == 3)
    if not a:
        return
    if r.random() < 0.4:
        net.add(Layer("adaptive_avgpool2d", net.name, a, size=several(r, 2, 1, 6)))
    else:
        net.add(Layer("upsample2d", net.name, a, scale=several(r, 2, 1, 3), mode=r.choice(["nearest", "bilinear"])))


def calm(net, name, axes):
    """Whether a norm over these axes divides by more than rounding."""
    return net.values[name].var(axes).min() > 2e-3


def step_norm(net):
    r, a = net.r, net.pick()
    space = tuple(range(2, net.values[a].dim()))
    kind, channels = r.choice(["batchnorm", "batchnorm", "batchnorm", "groupnorm", "instancenorm"]), net.shape(a)[0]
    if kind == "batchnorm" and calm(net, a, (0,) + space):
        args = r.choice([{}, {}, {"momentum": 0.3}, {"affine": False}, {"eps": 0.01}])
    elif kind == "groupnorm":
        args = {"groups": r.choice([g for g in range(1, channels + 1) if channels % g == 0]), "eps": 0.1}
    elif kind == "instancenorm" and math.prod(net.shape(a)[1:]) > 3:
        args = {"eps": 0.1, "affine": r.random() < 0.5}
    else:
        return
    args = dict(args)
    if r.random() < 0.5:
        args["activation"] = r.choice(ACTIVATIONS)
    net.add(Layer(kind, net.name, a, **args))


def step_activation(net):
    net.add(Layer(net.r.choice(ACTIVATIONS), net.name, net.pick()))


def step_join(net):
    r, a = net.r, net.pick()
    shape = net.shape(a)
    b = r.choice([n for n in net.values if net.shape(n) == shape])
    if r.random() < 0.5:
        net.add(Layer("add", net.name, a, b))
    else:
        net.add(expr(net.name, "%s * sigmoid(%s)" % (a, b), lambda x, y: x * torch.sigmoid(y), a, b))


def step_concat(net):
    r, a = net.r, net.pick()
    shape, axis = net.shape(a), 1 if net.r.random() < 0.7 else net.r.randint(1, len(net.shape(a)))
    rest = lambda s: s[:axis - 1] + s[axis:]
    b = r.choice([n for n in net.values if len(net.shape(n)) == len(shape) and rest(net.shape(n)) == rest(shape)])
    net.add(Layer("concat", net.name, a, b, axis=axis))


def step_slice(net):
    r, a = net.r, net.pick(lambda s: max(s[1:]) > 2)
    if not a:
        return
    shape = net.shape(a)
    axis = r.choice([i + 1 for i, d in enumerate(shape) if d > 1])
    start, step = r.randrange(shape[axis - 1]), r.randint(1, 2)
    index = ", ".join([":"] * axis + ["%d::%d" % (start, step)])
    net.add(expr(net.name, "%s[%s]" % (a, index), lambda x: x[(slice(None),) * axis + (slice(start, None, step),)], a))


def step_scale(net):
    """Squeeze and excitation, or a mean over an axis that stays."""
    a = net.pick()
    axes = list(range(2, net.values[a].dim())) if net.r.random() < 0.6 else [net.r.randint(1, net.values[a].dim() - 1)]
    net.add(expr(net.name, "%s * sigmoid(mean(%s, axis=%s, keepdims=true))" % (a, a, axes),
                 lambda x: x * torch.sigmoid(x.mean(axes, keepdim=True)), a))


STEPS = [step_conv] * 7 + [step_transposed] * 2 + [step_pool] * 2 + [step_norm] * 4 + [step_activation, step_size, step_join, step_join,
                                                                                     step_concat, step_slice, step_scale]


def ending(net):
    """A classifier on the last image; its loss is added to those of the outputs."""
    a = net.pick()
    kind = net.r.choice(["global_avgpool", "global_maxpool", "flatten"])
    net.add(Layer(kind, "flat", a))
    net.add(Layer("dense", "logits", "flat", units=net.r.choice([2, 5, 10])))


def make(seed):
    net = Net(seed)
    r = net.r
    torch.manual_seed(seed)
    dims = r.choice([1, 2, 2, 2, 2, 3])
    while True:
        shape = (r.choice([1, 1, 2, 3, 3, 5, 8, 17]),) + tuple(r.choice([1, 2, 3, 5, 6, 7, 9, 11, 13]) for _ in range(dims))
        if 3 < math.prod(shape) <= 900:
            break
    net.values["x"] = torch.randn((4,) + shape, dtype=torch.float64)
    size, tries = r.randint(3, 13), 0
    step_conv(net)
    while (len(net.layers) < size or not net.weights) and tries < 200:
        r.choice(STEPS)(net)
        tries += 1
    ending(net)
    inputs, left = {"x": real(*shape)}, [one.name for one in net.layers if one.name not in net.used]
    terms, functions = [], []
    for n in left:
        if n == "logits" and r.random() < 0.5:
            inputs["c"] = classes(net.shape(n)[0])
            terms.append("softmax_cross_entropy(logits, c)")
            functions.append(lambda v, x: F.cross_entropy(v["logits"], x["c"]))
        else:
            inputs["t_" + n] = real(*net.shape(n))
            terms.append("%s(%s, t_%s)" % (r.choice(["mse", "huber"]), n, n))
            functions.append(lambda v, x, n=n, f=F.mse_loss if terms[-1][0] == "m" else F.huber_loss: f(v[n], x["t_" + n]))
    text, maker = optimiser(r)
    train, more = "epochs: 12", {}
    if r.random() < 0.3:
        train, more["clip_norm"] = train + "\nclip_norm: 0.5", 0.5
    if r.random() < 0.2:
        train, more["accumulate"] = train + "\naccumulate: 2", 2
    flags = r.choice([(), (), (), (), (), ("-O0",), ("--exact",), ("--single-file",), ("--target=generic",), ("--target=x86-64-v3",),
                      ("--no-pass=fuse",), ("--no-pass=simplify",), ("--no-pass=layout",)])
    return network("conv_%d" % seed, inputs, net.layers, left, (" + ".join(terms), lambda v, x: sum(f(v, x) for f in functions)),
                   optimizer=text, make=maker, train=train, batch=r.choice([1, 2, 4, 5, 8, 8, 13]), rough=True, varied=True, flags=flags,
                   quick=seed % 4 != 0 or "--single-file" in flags, **more)
