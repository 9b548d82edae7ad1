# SPDX-License-Identifier: MIT
"""Convolution, pooling, upsampling: each layer alone with each of its options, many in one program."""
import torch
import torch.nn.functional as F

from case import choice, const, real
from convlayers import Layer, expr, network

CASES = []
MOMENTUM = {"optimizer": "{sgd: {lr: 0.1, momentum: 0.9}}", "make": lambda p: torch.optim.SGD(p, 0.1, 0.9), "varied": True}


def each_of(name, kind, inputs, options, **more):
    """A layer of that kind for each of the options: (input, arguments)."""
    layers = [Layer(kind, "l%d" % i, source, **args) for i, (source, args) in enumerate(options)]
    CASES.append(network(name, inputs, layers, quick=True, **{**MOMENTUM, **more}))


def conv(out, kernel, **more):
    return dict(out=out, kernel=kernel, **more)


# --- convolution -----------------------------------------------------------------------------------------------------
each_of("conv1d", "conv1d", {"x": real(3, 17), "y": real(4, 1), "z": real(6, 9)}, [
    ("x", conv(5, 3)), ("x", conv(4, 5, stride=2, padding=2)), ("x", conv(4, 3, dilation=3, padding="same")), ("x", conv(7, 1, bias=False)),
    ("x", conv(3, 4, padding="same")), ("x", conv(2, 3, stride=4, padding=3, dilation=2)), ("x", conv(2, [17])),
    ("y", conv(3, 1)), ("y", conv(3, 3, padding=1, activation="tanh")), ("y", conv(2, 2, padding=1)),
    ("z", conv(6, 3, groups=3)), ("z", conv(6, 3, groups=6, padding=1)), ("z", conv(12, 4, groups=6, stride=2)),
    ("z", conv(4, 3, groups=2, dilation=2, bias=False))])
each_of("conv2d", "conv2d", {"x": real(3, 13, 11)}, [
    ("x", conv(17, 3, padding=1)), ("x", conv(4, [3, 2], stride=[2, 1], padding=[1, 0])), ("x", conv(5, 5, stride=3, padding=2)),
    ("x", conv(4, 3, dilation=2, padding=2)), ("x", conv(4, [2, 3], stride=2, dilation=[1, 2])), ("x", conv(6, 1)),
    ("x", conv(6, 1, stride=2, bias=False)), ("x", conv(3, [1, 7], padding=[0, 3])), ("x", conv(3, [6, 1], activation="relu")),
    ("x", conv(5, 3, padding="same")), ("x", conv(5, 4, padding="same")), ("x", conv(2, [4, 3], dilation=[3, 2], padding="same")),
    ("x", conv(2, 3, padding=3)), ("x", conv(3, 2, stride=4)), ("x", conv(8, [13, 11]))])
each_of("conv2d_groups", "conv2d", {"x": real(6, 7, 5)}, [
    ("x", conv(4, 3, groups=2)), ("x", conv(9, 3, groups=3, stride=2, padding=1)), ("x", conv(34, 1, groups=2)),
    ("x", conv(6, 3, groups=6, padding=1, activation="relu6")), ("x", conv(12, 5, groups=6, stride=2, padding=2, bias=False)),
    ("x", conv(6, 3, groups=6, dilation=2, padding="same")), ("x", conv(6, 1, groups=6)), ("x", conv(18, [1, 3], groups=6, stride=[2, 1])),
    ("x", conv(2, 2, groups=2, stride=2, dilation=[2, 1], bias=False))])
each_of("conv2d_channels", "conv2d", {"a": real(1, 9, 8), "b": real(5, 9, 8), "c": real(17, 5, 6), "d": real(33, 6, 5)}, [
    ("a", conv(33, 3, padding=1)), ("b", conv(17, 3)), ("c", conv(5, 3, padding=1)), ("d", conv(33, 3, padding=1)), ("d", conv(1, 3)),
    ("d", conv(17, 1)), ("c", conv(1, 1)), ("a", conv(1, 5)), ("d", conv(66, 3, groups=33, padding=1)),
    ("d", conv(22, 3, groups=11, stride=2))])
each_of("conv2d_large", "conv2d", {"a": real(64, 9, 10), "b": real(96, 7, 5)}, [
    ("a", conv(48, 3, padding=1)), ("a", conv(65, 1, stride=2)), ("b", conv(96, 3, padding=1, groups=96)), ("b", conv(100, 5, padding=2)),
    ("b", conv(64, 3, groups=2, stride=2))], batch=6, optimizer="{sgd: {lr: 0.01}}", make=lambda p: torch.optim.SGD(p, 0.01))
each_of("conv2d_pixels", "conv2d", {"a": real(5, 1, 1), "b": real(3, 1, 1), "c": real(3, 4, 5), "d": real(4, 1, 6)}, [
    ("a", conv(17, 1)), ("a", conv(3, 3, padding=1)), ("b", conv(6, 3, padding="same", groups=3)), ("b", conv(4, 2, padding=1)),
    ("a", conv(5, 3, padding=1, stride=2, groups=5)), ("c", conv(7, [4, 5])), ("c", conv(3, [4, 5], groups=3)), ("c", conv(2, 5, padding=1)),
    ("d", conv(3, [1, 3])), ("d", conv(3, 3, padding=1, stride=2))])
each_of("conv2d_one", "conv2d", {"x": real(3, 5, 7)}, [("x", conv(4, 3, padding=1)), ("x", conv(6, 3, groups=3)), ("x", conv(2, 1))], batch=1)
each_of("conv3d", "conv3d", {"x": real(4, 5, 4, 6), "y": real(1, 3, 3, 3)}, [
    ("x", conv(3, 3, padding=1)), ("x", conv(5, [1, 3, 2], stride=[1, 2, 1])), ("x", conv(6, 2, groups=2, stride=2)),
    ("x", conv(4, 3, groups=4, padding=1)), ("x", conv(2, 2, dilation=2)), ("x", conv(3, [3, 2, 1], padding="same", bias=False)),
    ("x", conv(17, 1)), ("x", conv(8, [3, 1, 3], groups=4, padding=[1, 0, 2], stride=[2, 1, 3])), ("y", conv(2, 3, padding=[0, 1, 1]))],
    optimizer="{adam: {lr: 1e-2, eps: 1e-2}}", make=lambda p: torch.optim.Adam(p, 1e-2, eps=1e-2))

# --- transposed convolution ------------------------------------------------------------------------------------------
each_of("conv_transpose1d", "conv_transpose1d", {"x": real(4, 7), "y": real(3, 1)}, [
    ("x", conv(3, 3)), ("x", conv(5, 4, stride=2, padding=1)), ("x", conv(5, 3, stride=2, padding=1, output_padding=1)),
    ("x", conv(6, 3, groups=2, dilation=2)), ("x", conv(2, 2, stride=3, output_padding=2, bias=False)), ("x", conv(4, 3, groups=4, stride=2)),
    ("x", conv(3, 1)), ("x", conv(3, 3, padding=2)), ("y", conv(4, 5)), ("y", conv(2, 3, stride=2, padding=1, output_padding=1))])
each_of("conv_transpose2d", "conv_transpose2d", {"x": real(4, 5, 3)}, [
    ("x", conv(3, 3)), ("x", conv(17, 2, stride=2)), ("x", conv(5, 4, stride=2, padding=1)),
    ("x", conv(5, 3, stride=2, padding=1, output_padding=1)), ("x", conv(2, [3, 2], stride=[2, 3], output_padding=[1, 2])),
    ("x", conv(6, 3, groups=2, padding=1)), ("x", conv(4, 3, groups=4, stride=2)), ("x", conv(8, 2, groups=4, stride=[1, 2], bias=False)),
    ("x", conv(3, 3, dilation=2, padding=[1, 3])), ("x", conv(3, [1, 3], padding=[0, 2], activation="relu")), ("x", conv(4, 1)),
    ("x", conv(4, 1, stride=2, output_padding=1)), ("x", conv(2, 2, stride=1, dilation=[3, 2], output_padding=[2, 1]))])
each_of("conv_transpose2d_pixels", "conv_transpose2d", {"a": real(6, 1, 1), "b": real(33, 2, 3)}, [
    ("a", conv(5, 4)), ("a", conv(3, 3, stride=2, padding=1)), ("a", conv(2, [4, 3], groups=2)), ("b", conv(17, 4, stride=2, padding=1)),
    ("b", conv(1, 3, stride=2)), ("b", conv(66, 3, groups=33, padding=1))], batch=5)


# --- pooling, upsampling -----------------------------------------------------------------------------------------------
def pools(kind, sizes):
    return [Layer(kind, "%s%d" % (kind, i), "x", **args) for i, args in enumerate(sizes)]


POOLS2 = [dict(kernel=2), dict(kernel=3, stride=2, padding=1), dict(kernel=[3, 2], stride=[1, 2]), dict(kernel=3, stride=1, padding=1),
          dict(kernel=[2, 3], stride=[2, 1], padding=[1, 1]), dict(kernel=2, stride=3), dict(kernel=[7, 5]), dict(kernel=1, stride=2)]
POOLS1 = [dict(kernel=2), dict(kernel=3, stride=2, padding=1), dict(kernel=4, stride=1), dict(kernel=2, stride=3, padding=1)]
TIES = choice([-1, 0, 1], 3, 7, 5)
GLOBAL = [Layer("global_avgpool", "ga", "x"), Layer("global_maxpool", "gm", "x")]
CASES.append(network("pool2d", {"x": real(3, 7, 5)}, pools("maxpool2d", POOLS2) + pools("avgpool2d", POOLS2) + GLOBAL, quick=True))
CASES.append(network("pool2d_ties", {"x": TIES}, pools("maxpool2d", POOLS2) + [
    GLOBAL[1], Layer("relu", "r", "x"), Layer("maxpool2d", "rp", "r", kernel=2), Layer("maxpool2d", "rq", "r", kernel=3, stride=1, padding=1)]))
CASES.append(network("pool1d", {"x": real(4, 9)}, pools("maxpool1d", POOLS1) + pools("avgpool1d", POOLS1) + GLOBAL))
CASES.append(network("pool_pixels", {"x": real(5, 1, 1), "y": real(4, 2, 3, 5), "z": real(33, 4, 4)}, GLOBAL + [
    Layer("maxpool2d", "m", "x", kernel=1), Layer("maxpool2d", "n", "x", kernel=3, stride=2, padding=1),
    Layer("avgpool2d", "a", "x", kernel=3, padding=1), Layer("global_avgpool", "ya", "y"), Layer("global_maxpool", "ym", "y"),
    Layer("maxpool2d", "zm", "z", kernel=2), Layer("avgpool2d", "za", "z", kernel=3, stride=2, padding=1)], batch=4))
each_of("adaptive_avgpool2d", "adaptive_avgpool2d", {"x": real(3, 7, 5)}, [
    ("x", dict(size=s)) for s in (1, 2, [3, 2], [7, 5], [2, 5], [9, 6], [4, 4], 14)])
each_of("upsample2d", "upsample2d", {"x": real(3, 4, 5), "y": real(2, 1, 1), "z": real(1, 1, 3)}, [
    (n, dict(scale=s, mode=m)) for n, s in (("x", 2), ("x", 3), ("x", [2, 3]), ("x", [1, 4]), ("y", 2), ("z", 2))
    for m in ("nearest", "bilinear")] + [("x", dict(scale=2))])


# --- short forms -------------------------------------------------------------------------------------------------------
def short_forms():
    """As a person writes them: no names, the first argument alone, the previous layer as input."""
    case = network("short_forms", {"x": real(3, 12, 10)}, [
        Layer("conv2d", "conv2d_1", "x", out=8, kernel=3, activation="relu"), Layer("maxpool2d", "maxpool2d_1", "conv2d_1", kernel=2),
        Layer("batchnorm", "batchnorm_1", "maxpool2d_1"), Layer("avgpool2d", "avgpool2d_1", "batchnorm_1", kernel=[1, 2], stride=[1, 2]),
        Layer("groupnorm", "groupnorm_1", "avgpool2d_1", groups=2), Layer("instancenorm", "instancenorm_1", "groupnorm_1"),
        Layer("upsample2d", "upsample2d_1", "instancenorm_1", scale=2), Layer("adaptive_avgpool2d", "adaptive_avgpool2d_1", "upsample2d_1", size=3),
        Layer("conv2d", "conv2d_2", "adaptive_avgpool2d_1", out=5, kernel=3, padding=1), Layer("global_avgpool", "global_avgpool_1", "conv2d_2"),
        Layer("dense", "dense_1", "global_avgpool_1", units=4)], **MOMENTUM)
    case.layers = """  - conv2d: {out: 8, kernel: 3, activation: relu}
  - maxpool2d: 2
  - batchnorm
  - avgpool2d: [1, 2]
  - groupnorm: 2
  - instancenorm
  - upsample2d: 2
  - adaptive_avgpool2d: 3
  - conv2d: {out: 5, kernel: [3, 3], padding: 1}
  - global_avgpool
  - dense: 4"""
    CASES.append(case)


short_forms()

# --- in expressions ------------------------------------------------------------------------------------------------------
CASES.append(network("image_functions", {"x": real(3, 9, 7), "y": real(3, 8)}, [
    Layer("conv2d", "a", "x", out=4, kernel=3, padding=1),
    expr("b", "maxpool2d(relu(a), kernel=2) - avgpool2d(a, 2)", lambda a: F.max_pool2d(F.relu(a), 2) - F.avg_pool2d(a, 2), "a"),
    expr("c", "upsample2d(a, scale=2, mode=bilinear) * upsample2d(a, 2)",
         lambda a: F.interpolate(a, scale_factor=2, mode="bilinear") * F.interpolate(a, scale_factor=2), "a"),
    expr("d", "global_avgpool(a) + 2 * global_maxpool(b)", lambda a, b: a.mean((2, 3)) + 2 * b.amax((2, 3)), "a", "b"),
    expr("e", "adaptive_avgpool2d(a, [2, 3]) + 1", lambda a: F.adaptive_avg_pool2d(a, (2, 3)) + 1, "a"),
    expr("f", "maxpool1d(y, 3, 2, 1) - avgpool1d(y, 3, stride=2, padding=1)",
         lambda y: F.max_pool1d(y, 3, 2, 1) - F.avg_pool1d(y, 3, 2, 1), "y")], outputs=["b", "c", "d", "e", "f"], **MOMENTUM))

# --- neighbours: what compilers fold into a convolution ------------------------------------------------------------------
CASES.append(network("conv_neighbours", {"x": real(3, 9, 7), "s": real(5, 1, 1)}, [
    expr("padded", "x * 2 + 1", lambda x: x * 2 + 1, "x"), Layer("conv2d", "a", "padded", out=5, kernel=3, padding=1),  # 0 is not padded's 0
    Layer("relu", "b", "a"), Layer("conv2d", "c", "b", out=5, kernel=3, padding=1, bias=False), Layer("add", "d", "c", "b"),
    expr("e", "d * sigmoid(s)", lambda d, s: d * torch.sigmoid(s), "d", "s"), Layer("conv2d", "f", "e", out=4, kernel=1),
    expr("g", "f[:, 1:3, 2:8, ::2]", lambda f: f[:, 1:3, 2:8, ::2], "f"), Layer("conv2d", "h", "g", out=3, kernel=[3, 2]),
    Layer("maxpool2d", "i", "c", kernel=2), Layer("conv2d", "j", "i", out=5, kernel=3, padding=1, shared="c", bias=False),
    expr("k", "0.1 * c * c + a", lambda c, a: 0.1 * c * c + a, "c", "a"), Layer("avgpool2d", "l", "k", kernel=3, stride=2),
    expr("m", "mean(a, axis=[2, 3], keepdims=true) * a", lambda a: a.mean((2, 3), keepdim=True) * a, "a"),
    expr("o", "permute(b, axes=[0, 3, 1, 2])", lambda b: b.permute(0, 3, 1, 2), "b"), Layer("conv2d", "q", "o", out=2, kernel=3),
    Layer("concat", "r", "a", "c", "m"), Layer("conv2d", "t", "r", out=6, kernel=3, stride=2, groups=3),
    Layer("concat", "u", "a", "d", axis=3), Layer("conv2d", "v", "u", out=2, kernel=3)], **{**MOMENTUM, "optimizer": "{sgd: {lr: 0.005}}",
    "make": lambda p: torch.optim.SGD(p, 0.005)}))
CASES.append(network("conv_of_input_twice", {"x": real(4, 6, 6)}, [  # a weight that three layers share, at several sizes
    Layer("conv2d", "a", "x", out=4, kernel=3, padding=1, activation="tanh"), Layer("maxpool2d", "b", "a", kernel=2),
    Layer("conv2d", "c", "b", out=4, kernel=3, padding=1, shared="a"), Layer("conv2d", "d", "x", out=4, kernel=3, stride=2, shared="a"),
    Layer("conv2d", "e", "x", out=4, kernel=3, dilation=2, frozen=True), Layer("conv2d", "f", "e", out=3, kernel=2)], **MOMENTUM))


def normalised():
    case = network("conv_normalize", {"x": real(3, 6, 5, normalize="{mean: [0.2, -0.1, 0.4], std: [2, 3, 0.5]}")}, [
        Layer("conv2d", "a", "x", out=4, kernel=3, padding=1)], **MOMENTUM)  # its padding is 0 after normalisation
    forward, numbers = case.forward, lambda x, *v: const(x, *v).view(3, 1, 1)
    case.forward = lambda w, x: forward(w, dict(x, x=(x["x"] - numbers(x["x"], 0.2, -0.1, 0.4)) / numbers(x["x"], 2, 3, 0.5)))
    CASES.append(case)


normalised()
