# SPDX-License-Identifier: MIT
"""Norms of images: batchnorm with its running statistics, groupnorm, instancenorm; alone and in small networks."""
import torch

from case import real
from convlayers import Layer, expr, network

CASES = []
MOMENTUM = {"optimizer": "{sgd: {lr: 0.1, momentum: 0.9}}", "make": lambda p: torch.optim.SGD(p, 0.1, 0.9), "varied": True}
ADAM = {"optimizer": "{adam: {lr: 1e-2, eps: 1e-3}}", "make": lambda p: torch.optim.Adam(p, 1e-2, eps=1e-3), "varied": True}
SHAPES = {"a": real(5), "b": real(3, 7), "c": real(4, 5, 3), "d": real(2, 3, 2, 4), "e": real(33, 2, 2), "f": real(17, scale=3)}


def norms(name, layers, inputs=SHAPES, **more):
    CASES.append(network(name, inputs, layers, **{**MOMENTUM, **more}))


def one_each(kind, *inputs, **args):
    return [Layer(kind, "%s_%s" % (kind[0], i), i, **args) for i in inputs]


# --- batchnorm -----------------------------------------------------------------------------------------------------------
norms("batchnorm", one_each("batchnorm", *SHAPES))
norms("batchnorm_adam", one_each("batchnorm", *SHAPES, momentum=0.3), **ADAM)
norms("batchnorm_options", [
    Layer("batchnorm", "n%d" % i, source, **args) for i, args in enumerate((
        dict(affine=False), dict(momentum=0.7), dict(eps=0.5), dict(momentum=0), dict(momentum=1), dict(affine=False, momentum=0.25, eps=1e-3)))
    for source in ("c",)] + [Layer("batchnorm", "m0", "a", affine=False), Layer("batchnorm", "m1", "a", eps=0.1, momentum=0.5)],
    {"a": SHAPES["a"], "c": SHAPES["c"]})
# 27 samples in batches of 13: the last has one sample, and where that is one value a channel, running_var stays
norms("batchnorm_short", one_each("batchnorm", "a", "c") + [Layer("batchnorm", "p", "p0")],
      {"a": real(5), "c": real(4, 2, 3), "p0": real(6, 1, 1)}, batch=13, steps=8)
norms("batchnorm_one", [Layer("batchnorm", "n", "x"), Layer("batchnorm", "m", "x", affine=False, momentum=0.5)], {"x": real(4, 3, 3)}, batch=1)
# one value a channel: the gradient is 0, and what rounding leaves of dy - mean(dy) is multiplied by 1 / sqrt(eps)
norms("batchnorm_one_value", [Layer("batchnorm", "n", "x"), Layer("batchnorm", "m", "y", eps=1e-3), Layer("batchnorm", "k", "x", affine=False, momentum=0.5)],
      {"x": real(4), "y": real(3, 1, 1)}, batch=1)
norms("batchnorm_two", one_each("batchnorm", "x", "y"), {"x": real(4), "y": real(3, 1, 1)}, batch=2, steps=14,
      rough=True)  # of two values a norm makes -1 and 1, whatever they are: what is left is rounding
norms("batchnorm_far", [expr("far", "x + 100", lambda x: x + 100, "x"), Layer("batchnorm", "n", "far"), Layer("instancenorm", "m", "far"),
                        Layer("groupnorm", "k", "far", groups=2)], {"x": real(4, 8, 8)}, single=True)  # the variance must not cancel
norms("batchnorm_used_twice", [
    Layer("conv2d", "c", "x", out=5, kernel=3, bias=False), Layer("batchnorm", "n", "c"), Layer("relu", "r", "n"),
    Layer("conv2d", "d", "r", out=5, kernel=3, padding=1, bias=False), Layer("batchnorm", "m", "d"), Layer("add", "s", "m", "n"),
    Layer("conv2d", "e", "c", out=2, kernel=1), Layer("maxpool2d", "p", "m", kernel=2)], {"x": real(3, 7, 6)}, outputs=["s", "e", "p"])
norms("batchnorm_accumulate", [
    Layer("conv2d", "c", "x", out=5, kernel=3, bias=False), Layer("batchnorm", "n", "c", activation="relu"),
    Layer("conv2d", "d", "n", out=2, kernel=2)], {"x": real(3, 6, 6)}, train="epochs: 20\naccumulate: 2\nclip_norm: 0.5", accumulate=2,
    clip_norm=0.5)
norms("batchnorm_steps", [
    Layer("conv2d", "c", "x", out=6, kernel=3, padding=1, bias=False), Layer("batchnorm", "n", "c"), Layer("leaky_relu", "r", "n"),
    Layer("conv2d", "d", "r", out=3, kernel=3, stride=2, bias=False), Layer("batchnorm", "m", "d", momentum=0.02)], {"x": real(2, 7, 9)},
    steps=20, train="epochs: 20", **{k: v for k, v in ADAM.items() if k != "varied"})
norms("batchnorm_dense", [
    Layer("dense", "a", "x", units=17, bias=False), Layer("batchnorm", "n", "a", activation="relu"), Layer("dense", "b", "n", units=9, bias=False),
    Layer("batchnorm", "m", "b", affine=False), Layer("dense", "c", "m", units=3)], {"x": real(6)}, batch=9)
norms("batchnorm_conv1d", [
    Layer("conv1d", "a", "x", out=7, kernel=3, bias=False), Layer("batchnorm", "n", "a", activation="gelu"),
    Layer("conv_transpose1d", "b", "n", out=5, kernel=4, stride=2, bias=False), Layer("batchnorm", "m", "b"), Layer("maxpool1d", "p", "m", kernel=3),
    Layer("conv1d", "d", "p", out=7, kernel=1, groups=1), Layer("batchnorm", "k", "d")], {"x": real(3, 11)}, outputs=["p", "k"])
norms("batchnorm_conv3d", [
    Layer("conv3d", "a", "x", out=4, kernel=2, bias=False), Layer("batchnorm", "n", "a", activation="relu"),
    Layer("conv3d", "b", "n", out=4, kernel=3, padding=1, groups=4, bias=False), Layer("batchnorm", "m", "b"), Layer("add", "s", "m", "n"),
    Layer("global_avgpool", "g", "s"), Layer("dense", "d", "g", units=3)], {"x": real(2, 5, 4, 3)})
norms("batchnorm_after_all", [  # before and after layers that move: where an inference folds it, or may not
    Layer("conv2d", "a", "x", out=4, kernel=3, padding=1), Layer("batchnorm", "a1", "a"),
    Layer("conv2d", "b", "x", out=6, kernel=3, groups=3, stride=2), Layer("batchnorm", "b1", "b", activation="relu6"),
    Layer("conv_transpose2d", "c", "x", out=5, kernel=2, stride=2), Layer("batchnorm", "c1", "c", affine=False),
    Layer("batchnorm", "d", "x"), Layer("conv2d", "d1", "d", out=4, kernel=3, padding=1),  # the padding is 0, not the shift
    Layer("batchnorm", "e", "a"), Layer("batchnorm", "e1", "e"),  # a's value is read twice, and normalised twice
    Layer("maxpool2d", "f", "a1", kernel=2), Layer("batchnorm", "f1", "f"),
    Layer("concat", "g", "a", "e1"), Layer("batchnorm", "g1", "g"), Layer("upsample2d", "h", "f1", scale=2), Layer("batchnorm", "h1", "h")],
    {"x": real(3, 6, 4)}, rough=True)

norms("batchnorm_shared_frozen", [  # a shared one moves its statistics at each place; a frozen one moves them all the same
    Layer("conv2d", "a", "x", out=4, kernel=3, padding=1, bias=False), Layer("batchnorm", "n", "a", activation="tanh"),
    Layer("conv2d", "b", "n", out=4, kernel=3, padding=1, bias=False, shared="a"), Layer("batchnorm", "m", "b", shared="n"),
    Layer("batchnorm", "f", "b", frozen=True, momentum=0.4), Layer("add", "s", "m", "f"), Layer("maxpool2d", "p", "x", kernel=2),
    Layer("batchnorm", "k", "p", shared="n"), Layer("groupnorm", "g", "s", groups=2, frozen=True), Layer("conv2d", "y", "g", out=2, kernel=2)],
    {"x": real(4, 7, 6)})

# --- groupnorm, instancenorm -----------------------------------------------------------------------------------------------
norms("groupnorm", [Layer("groupnorm", "n%d" % i, source, groups=groups, **more) for i, (source, groups, more) in enumerate((
    ("a", 1, {}), ("a", 3, {}), ("b", 2, {}), ("c", 6, {}), ("c", 3, {"eps": 0.1}), ("c", 1, {"affine": False}), ("c", 2, {}), ("d", 2, {}),
    ("e", 11, {}), ("e", 33, {"affine": False})))],
    {"a": real(6), "b": real(4, 7), "c": real(6, 5, 3), "d": real(4, 3, 2, 4), "e": real(33, 2, 2)})
norms("instancenorm", [Layer("instancenorm", "n%d" % i, source, **more) for i, (source, more) in enumerate((
    ("b", {}), ("b", {"affine": True}), ("c", {}), ("c", {"affine": True, "eps": 0.1}), ("d", {"affine": True}), ("e", {})))],
    {"b": real(4, 7), "c": real(6, 5, 3), "d": real(4, 3, 2, 4), "e": real(33, 2, 2)})
norms("groupnorm_net", [
    Layer("conv2d", "a", "x", out=12, kernel=3, padding=1), Layer("groupnorm", "n", "a", groups=4, activation="silu"),
    Layer("conv2d", "b", "n", out=12, kernel=3, padding=1, bias=False), Layer("instancenorm", "m", "b", affine=True), Layer("add", "s", "m", "n"),
    Layer("conv2d", "c", "s", out=5, kernel=3, stride=2), Layer("groupnorm", "k", "c", groups=1), Layer("flatten", "f", "k"),
    Layer("dense", "y", "f", units=3)], {"x": real(3, 7, 9)}, **ADAM)
