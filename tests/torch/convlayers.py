# SPDX-License-Identifier: MIT
"""Layers of images, each as YAML and as PyTorch, and networks made of a list of them."""
import math
import types

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils.spectral_norm import SpectralNorm

from case import STATISTICS, Case, Weights, dense, real

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
POOL = {"maxpool1d": F.max_pool1d, "maxpool2d": F.max_pool2d, "avgpool1d": F.avg_pool1d, "avgpool2d": F.avg_pool2d}
ACTIVATIONS = {"relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "gelu": F.gelu, "silu": F.silu,
               "sigmoid": torch.sigmoid, "tanh": torch.tanh, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid,
               "softplus": F.softplus, "mish": F.mish, "identity": lambda x: x}


def each(value, dims):
    return list(value) if isinstance(value, (list, tuple)) else [value] * dims


def conv(w, n, a, x):
    dims = x.dim() - 2
    kernel, dilation, padding = each(a["kernel"], dims), each(a.get("dilation", 1), dims), a.get("padding", 0)
    if padding == "same":  # stride 1: what is odd is added after
        total = [d * (k - 1) for k, d in zip(kernel, dilation)]
        x = F.pad(x, [side for t in reversed(total) for side in (t // 2, t - t // 2)])
        padding = 0
    return CONV[dims](x, w[n + ".weight"], w.get(n + ".bias"), a.get("stride", 1), padding, dilation, a.get("groups", 1))


def conv_transpose(w, n, a, x):
    return TRANSPOSED[x.dim() - 2](x, w[n + ".weight"], w.get(n + ".bias"), a.get("stride", 1), a.get("padding", 0),
                                   a.get("output_padding", 0), a.get("groups", 1), a.get("dilation", 1))


def batchnorm(w, n, a, x):
    """Written out where a channel has one value, which PyTorch refuses: its variance is 0, and running_var stays."""
    mean, var, weight, bias = [w.get(n + "." + k) for k in ("running_mean", "running_var", "weight", "bias")]
    momentum, eps = a.get("momentum", 0.1), a.get("eps", 1e-5)
    if not w.training or x.numel() > x.shape[1]:
        return F.batch_norm(x, mean, var, weight, bias, w.training, momentum, eps)
    mean.mul_(1 - momentum).add_(momentum * x.detach().reshape(-1))
    y = (x - x) / math.sqrt(eps)
    return y if weight is None else y * weight.view(-1, *[1] * (x.dim() - 2)) + bias.view(-1, *[1] * (x.dim() - 2))


def pool(kind):
    return lambda w, n, a, x: POOL[kind](x, a["kernel"], a.get("stride"), a.get("padding", 0))


def global_max(x):
    return F.adaptive_max_pool1d(x.flatten(2), 1).flatten(1)


def upsample(w, n, a, x):
    scale = [float(s) for s in each(a["scale"], 2)]
    linear = {"align_corners": False} if a.get("mode") == "bilinear" else {}
    return F.interpolate(x, scale_factor=scale, mode=a.get("mode", "nearest"), **linear)


def number(w, x):
    """Integers as the weights' type."""
    return x if x.is_floating_point() else x.to(next(iter(w.values())).dtype)


FUNCTIONS = {
    "conv1d": conv, "conv2d": conv, "conv3d": conv, "conv_transpose1d": conv_transpose, "conv_transpose2d": conv_transpose,
    "global_avgpool": lambda w, n, a, x: x.flatten(2).mean(2), "global_maxpool": lambda w, n, a, x: global_max(x),
    "adaptive_avgpool2d": lambda w, n, a, x: F.adaptive_avg_pool2d(x, a["size"]), "upsample2d": upsample, "batchnorm": batchnorm,
    "groupnorm": lambda w, n, a, x: F.group_norm(x, a["groups"], w.get(n + ".weight"), w.get(n + ".bias"), a.get("eps", 1e-5)),
    "instancenorm": lambda w, n, a, x: F.instance_norm(x, None, None, w.get(n + ".weight"), w.get(n + ".bias"), eps=a.get("eps", 1e-5)),
    "dense": lambda w, n, a, x: dense(w, n, x), "flatten": lambda w, n, a, x: x.flatten(1),
    "reshape": lambda w, n, a, x: x.reshape([len(x)] + a["shape"]), "permute": lambda w, n, a, x: x.permute(a["axes"]),
    "concat": lambda w, n, a, *x: torch.cat(x, a.get("axis", 1)), "add": lambda w, n, a, *x: sum(x[1:], x[0]),
    "mul": lambda w, n, a, x, y: x * y, "expr": lambda w, n, a, *x: a["function"](*[number(w, v) for v in x])}
FUNCTIONS.update({kind: pool(kind) for kind in POOL})
FUNCTIONS.update({kind: lambda w, n, a, x, f=f: f(x) for kind, f in ACTIVATIONS.items()})


def spectral_axis(kind):
    return int(kind.startswith("conv_transpose"))


def spectral_weight(w, name, rows=0):
    """What PyTorch's spectral_norm gives the layer of that name; in training it moves u and v, in place."""
    module = types.SimpleNamespace(**{k: w[name + "." + k] for k in ("weight_orig", "weight_u", "weight_v")})
    return SpectralNorm(dim=rows).compute_weight(module, do_power_iteration=w.training)


def weights(kind, a, shape):
    """The shapes of a layer's weights by name; shape: of its input, without the batch."""
    out = {}
    if kind == "dense":
        out, bias = {"weight": (a["units"], shape[-1])}, (a["units"],)
    elif kind.startswith("conv_transpose"):
        groups = a.get("groups", 1)
        out, bias = {"weight": (shape[0], a["out"] // groups, *each(a["kernel"], len(shape) - 1))}, (a["out"],)
    elif kind.startswith("conv"):
        groups = a.get("groups", 1)
        out, bias = {"weight": (a["out"], shape[0] // groups, *each(a["kernel"], len(shape) - 1))}, (a["out"],)
    elif kind in ("batchnorm", "groupnorm", "instancenorm") and a.get("affine", kind != "instancenorm"):
        out, bias = {"weight": shape[:1]}, shape[:1]
    if out and a.get("bias", True):
        out["bias"] = bias
    if kind == "batchnorm":
        out.update(running_mean=shape[:1], running_var=shape[:1])
    return out


class Layer:
    """A layer by its kind in the model language, its name, the names of its inputs and its arguments, as Python."""

    def __init__(self, kind, name, *inputs, **args):
        self.kind, self.name, self.inputs, self.args = kind, name, inputs, args

    def yaml(self):
        if self.kind == "expr":
            return '  - {name: %s, expr: "%s"}\n' % (self.name, self.args["text"])
        inputs = self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)
        args = dict(self.args, input=inputs, name=self.name)
        text = lambda v: str(v).lower() if isinstance(v, bool) else str(v).replace("'", "")
        return "  - %s: {%s}\n" % (self.kind, ", ".join("%s: %s" % (k, text(v)) for k, v in args.items()))

    def weights(self, shape):
        found = weights(self.kind, self.args, shape)
        if "shared" in self.args:
            return {}
        if self.args.get("spectral_norm"):
            found["weight_orig"] = weight = found.pop("weight")
            rows = spectral_axis(self.kind)
            found.update(weight_u=weight[rows:rows + 1], weight_v=(math.prod(weight) // weight[rows],))
        return {"%s.%s" % (self.name, k): tuple(v) for k, v in found.items()}

    def run(self, w, values):
        args = {k: v for k, v in self.args.items() if k not in ("activation", "shared", "frozen", "name", "spectral_norm")}
        owner = self.args.get("shared", self.name)
        if owner + ".weight_orig" in w:
            w = Weights(w, **{owner + ".weight": spectral_weight(w, owner, spectral_axis(self.kind))})
        y = FUNCTIONS[self.kind](w, owner, args, *[values[i] for i in self.inputs])
        return ACTIVATIONS[self.args.get("activation", "identity")](y)


def expr(name, text, function, *inputs):
    """function takes the values of the inputs named, in order."""
    return Layer("expr", name, *inputs, text=text, function=function)


def drawn(shapes):
    """Some weights of these shapes, to see what a network makes of them."""
    w = Weights({k: torch.randn(s, dtype=torch.float64) / math.sqrt(max(math.prod(s[1:]), 1)) for k, s in shapes.items()})
    w.update({k: t.abs() + 0.5 for k, t in w.items() if k.endswith("running_var")})
    return w


def forward_of(layers):
    def forward(w, x):
        values = dict(x)
        for one in layers:
            values[one.name] = one.run(w, values)
        return values
    return forward


def shapes_of(inputs, layers):
    """The shapes, without the batch, of all values, and of all weights."""
    rng = np.random.default_rng(1)
    values = {n: torch.tensor(i.draw(rng, 2)) for n, i in inputs.items()}
    values = {n: v.double() if v.is_floating_point() else v.long() for n, v in values.items()}
    found = {}
    for one in layers:
        found.update(one.weights(tuple(values[one.inputs[0]].shape[1:])))
        values[one.name] = one.run(drawn(found or {"none": (1,)}), values)
    return {n: tuple(v.shape[1:]) for n, v in values.items()}, found


def network(name, inputs, layers, outputs=None, loss=None, **more):
    """A case of these layers. Its loss, if none is given (YAML, function), is the mean squared distance of each output
    (those that nothing uses, or those named) from a target that is drawn for it: so no two numbers have one gradient."""
    shapes, found = shapes_of(inputs, layers)
    used = {i for one in layers for i in one.inputs}
    outputs = outputs or [one.name for one in layers if one.name not in used]
    targets = {} if loss else {"t_" + n: real(*shapes[n]) for n in outputs}
    loss = loss or (" + ".join("mse(%s, t_%s)" % (n, n) for n in outputs),
                    lambda v, x: sum(F.mse_loss(v[n], x["t_" + n]) for n in outputs))
    frozen = [w for one in layers if one.args.get("frozen") for w in one.weights(shapes[one.inputs[0]])
              if not w.endswith(STATISTICS)]
    return Case(name, {**inputs, **targets}, "".join(one.yaml() for one in layers), forward_of(layers), outputs, *loss,
                weights=found, frozen=frozen, **more)
