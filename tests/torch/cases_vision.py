# SPDX-License-Identifier: MIT
"""Small convolutional networks of the kinds that people train: residual, inverted residual, U-Net, ..."""
import torch
import torch.nn.functional as F

from case import Case, choice, classes, dense, integers, probability, real
from convlayers import Layer, batchnorm, expr, network

CASES = []
# A small rate: where rounding turns a relu on or off, which happens, a large one makes that grow a hundredfold in ten steps.
SGD = {"optimizer": "{sgd: {lr: 0.01, momentum: 0.9}}", "make": lambda p: torch.optim.SGD(p, 0.01, 0.9), "varied": True}
ADAM = {"optimizer": "{adam: {lr: 2e-3, eps: 1e-3}}", "make": lambda p: torch.optim.Adam(p, 2e-3, eps=1e-3), "varied": True}


def entropy(value):
    return "softmax_cross_entropy(%s, c)" % value, lambda v, x: F.cross_entropy(v[value], x["c"])


def conv(w, name, x, **more):
    return F.conv2d(x, w[name + ".weight"], w.get(name + ".bias"), **more)


def bn(w, name, x, f=lambda x: x):
    return f(batchnorm(w, name, {}, x))


# --- residual networks, in blocks ------------------------------------------------------------------------------------
def residual(w, name, x, stride=1):
    """A basic block; with a projection where it has the weights of one."""
    y = bn(w, name + ".bn1", conv(w, name + ".conv1", x, stride=stride, padding=1), F.relu)
    y = bn(w, name + ".bn2", conv(w, name + ".conv2", y, padding=1))
    if name + ".short.weight" in w:
        x = bn(w, name + ".short_bn", conv(w, name + ".short", x, stride=stride))
    return F.relu(y + x)


def resnet(w, x):
    h = bn(w, "bn", conv(w, "conv", x["x"], padding=1), F.relu)
    for name, stride in (("a.0", 1), ("a.1", 1), ("b", 2), ("d.0", 1)):
        h = residual(w, name, h, stride)
    return {"y": dense(w, "y", h.mean((2, 3)))}


BASIC = """blocks:
  basic:
    args: {width: 8}
    layers:
      - conv2d: {out: $width, kernel: 3, padding: 1, bias: false, name: conv1}
      - batchnorm: {activation: relu, name: bn1}
      - conv2d: {out: $width, kernel: 3, padding: 1, bias: false, name: conv2}
      - batchnorm: {name: bn2}
      - add: {input: [bn2, input], activation: relu}
  down:
    args: {width: 16}
    layers:
      - conv2d: {out: $width, kernel: 3, stride: 2, padding: 1, bias: false, name: conv1}
      - batchnorm: {activation: relu, name: bn1}
      - conv2d: {out: $width, kernel: 3, padding: 1, bias: false, name: conv2}
      - batchnorm: {name: bn2}
      - conv2d: {out: $width, kernel: 1, stride: 2, bias: false, input: input, name: short}
      - batchnorm: {name: short_bn}
      - add: {input: [bn2, short_bn], activation: relu}"""
RESNET = """  - conv2d: {out: 8, kernel: 3, padding: 1, bias: false, name: conv, input: x}
  - batchnorm: {activation: relu, name: bn}
  - basic: {repeat: 2, name: a}
  - down: {width: 17, name: b}
  - basic: {width: 17, repeat: 1, name: d}
  - global_avgpool
  - dense: {units: 5, name: y}
"""
for name, shape, batch in (("resnet", (3, 13, 11), 8), ("resnet_one", (3, 6, 5), 1)):
    CASES.append(Case(name, {"x": real(*shape), "c": classes(5)}, RESNET, resnet, ["y"], *entropy("y"), top=BASIC, batch=batch, rough=True,
                      metrics={"accuracy": ("accuracy(y, c)", lambda v, x: (v["y"].argmax(1) == x["c"]).mean())}, **SGD))


def bottleneck(w, name, x, groups, stride):
    y = bn(w, name + ".bn1", conv(w, name + ".conv1", x), F.relu)
    y = bn(w, name + ".bn2", conv(w, name + ".conv2", y, stride=stride, padding=1, groups=groups), F.relu)
    y = bn(w, name + ".bn3", conv(w, name + ".conv3", y))
    if name + ".short.weight" in w:
        x = bn(w, name + ".short_bn", conv(w, name + ".short", x, stride=stride))
    return F.relu(y + x)


def bottlenecks(w, x):
    h = F.max_pool2d(bn(w, "bn", conv(w, "conv", x["x"], stride=2, padding=3), F.relu), 3, 2, 1)
    h = bottleneck(w, "p", h, 1, 2)
    h = bottleneck(w, "q.1", bottleneck(w, "q.0", h, 2, 1), 2, 1)
    return {"y": dense(w, "y", h.mean((2, 3)))}


CASES.append(Case(
    "bottleneck", {"x": real(3, 23, 17), "c": classes(5)},
    """  - conv2d: {out: 8, kernel: 7, stride: 2, padding: 3, bias: false, name: conv, input: x}
  - batchnorm: {activation: relu, name: bn}
  - maxpool2d: {kernel: 3, stride: 2, padding: 1}
  - project: {stride: 2, name: p}
  - keep: {repeat: 2, name: q}
  - global_avgpool
  - dense: {units: 5, name: y}
""", bottlenecks, ["y"], *entropy("y"), top="""blocks:
  project:
    args: {width: 6, stride: 1}
    layers:
      - conv2d: {out: $width, kernel: 1, bias: false, name: conv1}
      - batchnorm: {activation: relu, name: bn1}
      - conv2d: {out: $width, kernel: 3, stride: $stride, padding: 1, bias: false, name: conv2}
      - batchnorm: {activation: relu, name: bn2}
      - conv2d: {out: $width * 4, kernel: 1, bias: false, name: conv3}
      - batchnorm: {name: bn3}
      - conv2d: {out: $width * 4, kernel: 1, stride: $stride, bias: false, input: input, name: short}
      - batchnorm: {name: short_bn}
      - {expr: relu(bn3 + short_bn)}
  keep:
    args: {width: 6}
    layers:
      - conv2d: {out: $width, kernel: 1, bias: false, name: conv1}
      - batchnorm: {activation: relu, name: bn1}
      - conv2d: {out: $width, kernel: 3, padding: 1, groups: 2, bias: false, name: conv2}
      - batchnorm: {activation: relu, name: bn2}
      - conv2d: {out: $width * 4, kernel: 1, bias: false, name: conv3}
      - batchnorm: {name: bn3}
      - {expr: relu(bn3 + input)}""", rough=True, **SGD))


def inverted(w, name, x, stride=1):
    y = bn(w, name + ".bn1", conv(w, name + ".expand", x), F.relu6)
    y = bn(w, name + ".bn2", conv(w, name + ".depth", y, stride=stride, padding=1, groups=y.shape[1]), F.relu6)
    return bn(w, name + ".bn3", conv(w, name + ".narrow", y))


def mobilenet(w, x):
    h = bn(w, "bn", conv(w, "conv", x["x"], stride=2, padding=1), F.relu6)
    h = inverted(w, "a", h, 2)
    for i in range(2):
        h = h + inverted(w, "r.%d.body" % i, h)
    return {"y": dense(w, "y", h.mean((2, 3)))}


CASES.append(Case(
    "inverted_residual", {"x": real(3, 15, 13), "c": classes(7)},
    """  - conv2d: {out: 5, kernel: 3, stride: 2, padding: 1, bias: false, name: conv, input: x}
  - batchnorm: {activation: relu6, name: bn}
  - inverted: {wide: 30, out: 9, stride: 2, name: a}
  - residual: {wide: 33, out: 9, repeat: 2, name: r}
  - global_avgpool
  - dense: {units: 7, name: y}
""", mobilenet, ["y"], *entropy("y"), top="""blocks:
  inverted:
    args: {wide: 8, out: 8, stride: 1}
    layers:
      - conv2d: {out: $wide, kernel: 1, bias: false, name: expand}
      - batchnorm: {activation: relu6, name: bn1}
      - conv2d: {out: $wide, kernel: 3, stride: $stride, padding: 1, groups: $wide, bias: false, name: depth}
      - batchnorm: {activation: relu6, name: bn2}
      - conv2d: {out: $out, kernel: 1, bias: false, name: narrow}
      - batchnorm: {name: bn3}
  residual:
    args: {wide: 8, out: 8}
    layers:
      - inverted: {wide: $wide, out: $out, name: body}
      - add: {input: [body, input]}""", rough=True, **SGD))


# --- U-Net -------------------------------------------------------------------------------------------------------------
def two(w, name, x):
    return F.relu(conv(w, name + ".b", F.relu(conv(w, name + ".a", x, padding=1)), padding=1))


def unet(w, x):
    up = lambda name, y: F.conv_transpose2d(y, w[name + ".weight"], w[name + ".bias"], 2)
    a = two(w, "a", x["x"])
    b = two(w, "b", F.max_pool2d(a, 2))
    y = two(w, "d", torch.cat([up("up1", two(w, "c", F.max_pool2d(b, 2))), b], 1))
    y = two(w, "e", torch.cat([up("up2", y), a], 1))
    return {"y": conv(w, "y", y)}


CASES.append(Case(
    "unet", {"x": real(1, 12, 8), "t": choice([0, 1], 1, 12, 8)}, """  - two: {out: 5, name: a, input: x}
  - maxpool2d: 2
  - two: {out: 9, name: b}
  - maxpool2d: 2
  - two: {out: 17, name: c}
  - conv_transpose2d: {out: 9, kernel: 2, stride: 2, name: up1}
  - concat: {input: [up1, b]}
  - two: {out: 9, name: d}
  - conv_transpose2d: {out: 5, kernel: 2, stride: 2, name: up2}
  - concat: {input: [up2, a]}
  - two: {out: 5, name: e}
  - conv2d: {out: 1, kernel: 1, name: y}
""", unet, ["y"], "bce_with_logits(y, t)", lambda v, x: F.binary_cross_entropy_with_logits(v["y"], x["t"]), top="""blocks:
  two:
    args: {out: 8}
    layers:
      - conv2d: {out: $out, kernel: 3, padding: 1, activation: relu, name: a}
      - conv2d: {out: $out, kernel: 3, padding: 1, activation: relu, name: b}""", rough=True, **ADAM))
CASES.append(network("segmentation", {"x": real(3, 9, 7), "c": classes(5, 9, 7)}, [  # a class a place; dilated, pooled, upsampled
    Layer("conv2d", "a", "x", out=9, kernel=3, padding=1, bias=False), Layer("batchnorm", "an", "a", activation="relu"),
    Layer("conv2d", "d1", "an", out=4, kernel=1), Layer("conv2d", "d2", "an", out=4, kernel=3, dilation=2, padding=2),
    Layer("conv2d", "d3", "an", out=4, kernel=3, dilation=3, padding="same"), Layer("adaptive_avgpool2d", "g", "an", size=1),
    Layer("conv2d", "g1", "g", out=4, kernel=1, activation="relu"), expr("g2", "g1 + 0 * d1", lambda g, d: g + 0 * d, "g1", "d1"),
    Layer("concat", "k", "d1", "d2", "d3", "g2"), Layer("groupnorm", "kn", "k", groups=4, activation="silu"),
    Layer("avgpool2d", "p", "kn", kernel=3, stride=2, padding=1), Layer("upsample2d", "u", "p", scale=2, mode="bilinear"),
    expr("s", "u[:, :, :9, :7] + kn", lambda u, k: u[:, :, :9, :7] + k, "u", "kn"), Layer("conv2d", "y", "s", out=5, kernel=3, padding=1)],
    loss=("softmax_cross_entropy(y, c, axis=1)", lambda v, x: F.cross_entropy(v["y"], x["c"])), rough=True, **SGD))

# --- others ------------------------------------------------------------------------------------------------------------
CASES.append(network("cnn", {"x": integers("u8", 0, 256, 1, 14, 14), "c": classes(10)}, [
    expr("s", "x / 255", lambda x: x / 255, "x"), Layer("conv2d", "a", "s", out=16, kernel=3, activation="relu"),
    Layer("conv2d", "b", "a", out=20, kernel=3, activation="relu"), Layer("maxpool2d", "p", "b", kernel=2), Layer("flatten", "f", "p"),
    Layer("dense", "d", "f", units=32, activation="relu"), Layer("dense", "y", "d", units=10)], loss=entropy("y"), batch=10,
    metrics={"accuracy": ("accuracy(y, c)", lambda v, x: (v["y"].argmax(1) == x["c"]).mean())}, rough=True, **ADAM))
CASES.append(network("generator", {"z": real(10)}, [
    Layer("dense", "d", "z", units=24, bias=False), Layer("reshape", "r", "d", shape=[8, 3, 1]), Layer("batchnorm", "n", "r", activation="relu"),
    Layer("conv_transpose2d", "a", "n", out=7, kernel=4, stride=2, padding=1, bias=False), Layer("batchnorm", "an", "a", activation="relu"),
    Layer("conv_transpose2d", "b", "an", out=3, kernel=[4, 3], stride=2, padding=1, output_padding=[0, 1], activation="tanh"),
    Layer("conv2d", "e", "b", out=6, kernel=4, stride=2, padding=1, activation="leaky_relu"), Layer("flatten", "f", "e"),
    Layer("dense", "y", "f", units=1)], outputs=["b", "y"], rough=True, **ADAM))
CASES.append(network("squeeze_shuffle_dense", {"x": real(6, 7, 5)}, [
    Layer("global_avgpool", "g", "x"), Layer("dense", "g1", "g", units=3, activation="relu"),
    Layer("dense", "g2", "g1", units=6, activation="sigmoid"),
    expr("g3", "unsqueeze(unsqueeze(g2, axis=2), axis=3)", lambda g: g[:, :, None, None], "g2"), Layer("mul", "h", "x", "g3"),
    Layer("conv2d", "a", "h", out=6, kernel=1, groups=3, bias=False), Layer("batchnorm", "an", "a", activation="hardswish"),
    Layer("reshape", "s1", "an", shape=[3, 2, 7, 5]), Layer("permute", "s2", "s1", axes=[0, 2, 1, 3, 4]),
    Layer("reshape", "s", "s2", shape=[6, 7, 5]),
    Layer("conv2d", "b", "s", out=6, kernel=3, groups=6, padding=1, bias=False), Layer("batchnorm", "bn", "b"), Layer("add", "r", "bn", "h"),
    Layer("conv2d", "e1", "r", out=4, kernel=3, padding=1, activation="relu"), Layer("concat", "k1", "r", "e1"),
    Layer("conv2d", "e2", "k1", out=4, kernel=3, padding=1, activation="relu"), Layer("concat", "k2", "k1", "e2"),
    Layer("avgpool2d", "p", "k2", kernel=2), Layer("batchnorm", "pn", "p", activation="relu"), Layer("global_maxpool", "m", "pn"),
    Layer("dense", "y", "m", units=4)], rough=True, **SGD))
CASES.append(network("speech", {"x": real(19, 8), "c": classes(4)}, [
    Layer("permute", "t", "x", axes=[0, 2, 1]), Layer("conv1d", "a", "t", out=12, kernel=5, padding=2, activation="relu"),
    Layer("maxpool1d", "p", "a", kernel=3, stride=2, padding=1),
    Layer("conv1d", "b", "p", out=12, kernel=3, dilation=2, padding=2, groups=4, bias=False),
    Layer("batchnorm", "n", "b"), Layer("add", "r", "n", "p"), Layer("permute", "u", "r", axes=[0, 2, 1]),
    Layer("dense", "d", "u", units=9, activation="gelu"), Layer("permute", "q", "d", axes=[0, 2, 1]), Layer("global_avgpool", "g", "q"),
    Layer("dense", "y", "g", units=4)], loss=entropy("y"), rough=True, **ADAM))
CASES.append(network("autoencoder", {"x": probability(3, 8, 12)}, [
    Layer("conv2d", "a", "x", out=8, kernel=3, stride=2, padding=1, activation="relu"),
    Layer("conv2d", "b", "a", out=5, kernel=3, stride=2, padding=1), Layer("upsample2d", "u", "b", scale=2),
    Layer("conv2d", "d", "u", out=8, kernel=3, padding=1, activation="relu"),
    Layer("upsample2d", "v", "d", scale=2, mode="bilinear"), Layer("conv2d", "y", "v", out=3, kernel=3, padding=1, activation="sigmoid")],
    loss=("bce(y, x)", lambda v, x: F.binary_cross_entropy(v["y"], x["x"])), rough=True, **ADAM))
CASES.append(network("one_pixel", {"x": real(3, 1, 1), "c": classes(4)}, [
    Layer("conv2d", "a", "x", out=17, kernel=3, padding=1, bias=False), Layer("batchnorm", "n", "a", activation="relu"),
    Layer("conv2d", "b", "n", out=17, kernel=3, padding=1, groups=17), Layer("add", "r", "b", "n"), Layer("maxpool2d", "p", "r", kernel=3, padding=1),
    Layer("conv_transpose2d", "t", "p", out=4, kernel=2, stride=2), Layer("global_avgpool", "g", "t"), Layer("dense", "y", "g", units=4)],
    loss=entropy("y"), rough=True, batch=9, **SGD))
CASES.append(network("volumes", {"x": real(1, 6, 5, 7), "c": classes(3)}, [
    Layer("conv3d", "a", "x", out=6, kernel=3, padding=1, bias=False), Layer("batchnorm", "n", "a", activation="relu"),
    Layer("conv3d", "b", "n", out=6, kernel=3, padding=1, bias=False), Layer("groupnorm", "m", "b", groups=3), Layer("add", "r", "m", "n"),
    Layer("conv3d", "d", "r", out=5, kernel=2, stride=2, activation="relu"), Layer("flatten", "f", "d"), Layer("dense", "y", "f", units=3)],
    loss=entropy("y"), rough=True, batch=4, **SGD))
