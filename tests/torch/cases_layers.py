# SPDX-License-Identifier: MIT
"""Layers, expressions, blocks, inputs, metrics."""
import numpy as np
import torch
import torch.nn.functional as F

from case import Case, choice, classes, const, dense, integers, probability, real

CASES = []


def squares(names):
    """A loss of all values named, with a weight each."""
    text = " + ".join("%g * mean(%s * (%s + 0.3))" % (1 / (i + 1), n, n) for i, n in enumerate(names))
    return text, lambda v, x: sum((v[n] * (v[n] + 0.3)).mean() / (i + 1) for i, n in enumerate(names))


def layers(name, inputs, text, forward, names, **more):
    """names: the outputs, all of them in the loss too."""
    CASES.append(Case(name, inputs, text, forward, names, *squares(names), **more))


def expressions(name, inputs, lines, forward, **more):
    """lines: `value = expression`, each both a layer and an output. forward(**values) gives the values in order."""
    pairs = [line.split(" = ", 1) for line in lines]
    text = "".join("  - {name: %s, expr: \"%s\"}\n" % (n.strip(), e.strip()) for n, e in pairs)
    names = [n.strip() for n, _ in pairs]
    layers(name, inputs, text, lambda w, x: dict(zip(names, forward(x))), names, **more)


# --- dense, norms ----------------------------------------------------------------------------------------------------
for shape in [(5,), (3, 5), (2, 3, 5), (2, 1, 3, 5), (1,), (33,), (2, 17)]:
    layers("dense_" + "_".join(map(str, shape)), {"x": real(*shape)},
           "  - dense: {units: 4, name: a, activation: tanh}\n  - dense: {units: 17, name: b, bias: false}\n  - dense: 1\n",
           lambda w, x: chain(w, x["x"]), ["a", "b", "dense_3"])


def chain(w, x):
    a = torch.tanh(dense(w, "a", x))
    b = dense(w, "b", a)
    return {"a": a, "b": b, "dense_3": dense(w, "dense_3", b)}


def wide(w, x):
    h1 = F.relu(dense(w, "h1", x["x"]))
    h2 = F.silu(dense(w, "h2", h1))
    return {"p": dense(w, "p", h2)}


CASES.append(Case("wide", {"x": real(70), "c": classes(11)},
                  "  - dense: {units: 133, activation: relu, name: h1, input: x}\n"
                  "  - dense: {units: 65, activation: silu, name: h2}\n  - dense: {units: 11, name: p}\n",
                  wide, ["p"], "softmax_cross_entropy(p, c)", lambda v, x: F.cross_entropy(v["p"], x["c"]),
                  "{adamw: {lr: 1e-3}}", lambda p: torch.optim.AdamW(p, 1e-3), batch=20))


def norms(w, x):
    a = dense(w, "a", x["x"])
    b = F.layer_norm(a, (6,), w["b.weight"], w["b.bias"])
    c = F.layer_norm(a, (6,), eps=0.1)
    r = b * torch.rsqrt((b * b).mean(-1, keepdim=True) + 1e-5) * w["r.weight"]
    s = c * torch.rsqrt((c * c).mean(-1, keepdim=True) + 0.5)
    return {"a": a, "b": b, "c": c, "r": r, "s": s}


for shape in [(5,), (3, 5), (2, 3, 5)]:
    layers("norms_%d" % len(shape), {"x": real(*shape)},
           "  - dense: {units: 6, name: a}\n  - layernorm: {name: b}\n"
           "  - layernorm: {eps: 0.1, affine: false, input: a, name: c}\n  - rmsnorm: {input: b, name: r}\n"
           "  - rmsnorm: {eps: 0.5, affine: false, input: c, name: s}\n", norms, ["b", "c", "r", "s"])
layers("norm_offset", {"x": real(40)},  # a mean far from 0: the variance must not cancel
       "  - {name: far, expr: x + 100}\n  - layernorm: {name: b}\n  - dense: {units: 3, name: y}\n",
       lambda w, x: offset(w, x["x"]), ["b", "y"], single=True)


def offset(w, x):
    b = F.layer_norm(x + 100, (40,), w["b.weight"], w["b.bias"])
    return {"b": b, "y": dense(w, "y", b)}


layers("dropout_none", {"x": real(5)},
       "  - dense: {units: 6, name: a}\n  - dropout: {p: 0}\n  - dense: {units: 3, name: b, init: {normal: [0, 1]}}\n",
       lambda w, x: {"b": dense(w, "b", dense(w, "a", x["x"]))}, ["b"])


# --- movement --------------------------------------------------------------------------------------------------------
def moves(w, x):
    a = dense(w, "a", x["x"]).reshape(-1, 3, 2, 4)
    b = a.permute(0, 3, 1, 2)
    c = b[:, 1:4:2]
    d = F.pad(c, (1, 2, 0, 1), value=0.5)
    e = torch.cat([d, d * 2], 1)
    f, g = torch.split(e, [1, 3], 1)
    s = torch.stack([f.squeeze(1), g[:, 0]], 1)
    return {"e": e, "g": g, "s": s, "z": dense(w, "z", s.flatten(1))}


layers("moves", {"x": real(5)},
       "  - dense: {units: 24, name: a, bias: false}\n"
       "  - reshape: {shape: [3, -1, 4], name: r}\n  - permute: {axes: [0, 3, 1, 2], name: b}\n"
       "  - slice: {axis: 1, start: 1, end: 4, step: 2, name: c}\n  - pad: {axes: {2: [0, 1], 3: [1, 2]}, value: 0.5, name: d}\n"
       "  - {name: d2, expr: d * 2}\n  - concat: {input: [d, d2], name: e}\n  - split: {axis: 1, sizes: [1, 3], name: [f, g]}\n"
       "  - {name: g0, expr: \"g[:, 0]\"}\n  - squeeze: {axis: 1, input: f, name: f0}\n  - stack: {input: [f0, g0], name: s}\n"
       "  - flatten\n  - dense: {units: 3, name: z}\n", moves, ["e", "g", "s", "z"])


def more_moves(w, x):
    a = dense(w, "a", x["x"])                                        # [N, 4, 6]
    p, q, r = torch.split(a, 2, 2)
    s, t = torch.split(a, 3, 1)                                      # 3 and 1
    u = torch.cat([p, q * r, p], -1)                                 # [N, 4, 6]
    k = torch.stack([p, q, r], -1)                                   # [N, 4, 2, 3]
    m = k.unsqueeze(1).squeeze(1).unsqueeze(-1)                      # [N, 4, 2, 3, 1]
    y = F.pad(a[:, -3:-1], (0, 0, 2, 0))                             # [N, 4, 6]
    j = torch.cat([s, t, y], 1)
    e = a.reshape(-1, 24)[:, 5:21:3].unsqueeze(1)
    return {"u": u, "k": k, "m": m.squeeze(-1), "y": y, "j": j, "e": e, "v": a.permute(0, 2, 1).reshape(-1, 3, 8)}


layers("moves_more", {"x": real(4, 5)},
       "  - dense: {units: 6, name: a}\n  - split: {axis: 2, name: [p, q, r]}\n  - split: {axis: 1, sizes: 3, input: a, name: [s, t]}\n"
       "  - {name: qr, expr: q * r}\n  - concat: {input: [p, qr, p], axis: -1, name: u}\n"
       "  - stack: {input: [p, q, r], axis: -1, name: k}\n  - unsqueeze: {axis: 1}\n  - squeeze: 1\n  - unsqueeze: -1\n"
       "  - squeeze: {axis: [-1], name: m}\n  - slice: {axis: 1, start: -3, end: -1, input: a}\n"
       "  - pad: {axes: {1: [2, 0]}, name: y}\n  - concat: {input: [s, t, y], name: j}\n"
       "  - reshape: {shape: [24], input: a}\n  - slice: {axis: -1, start: 5, end: 21, step: 3}\n  - unsqueeze: {axis: 1, name: e}\n"
       "  - permute: {axes: [0, 2, 1], input: a}\n  - reshape: {shape: [3, 8], name: v}\n",
       more_moves, ["u", "k", "m", "y", "j", "e", "v"])


# --- arithmetic and reductions -----------------------------------------------------------------------------------------
def arithmetic(w, x):
    a, x = dense(w, "a", x["x"]), x["x"]
    b = a[:, :1]
    return {"ad": a + x + b, "su": a - b, "mu": a * x * b, "di": a / (x * x + 1), "ma": torch.maximum(torch.maximum(a, x), b),
            "mi": torch.minimum(a, x)}


layers("arithmetic", {"x": real(4, 6)},
       "  - dense: {units: 6, name: a}\n  - {name: b, expr: \"a[:, 0:1]\"}\n  - {name: x1, expr: x * x + 1}\n"
       "  - add: {input: [a, x, b], name: ad}\n  - sub: {input: [a, b], name: su}\n  - mul: {input: [a, x, b], name: mu}\n"
       "  - div: {input: [a, x1], name: di}\n  - max: {input: [a, x, b], name: ma}\n  - min: {input: [a, x], name: mi}\n",
       arithmetic, ["ad", "su", "mu", "di", "ma", "mi"])


def reductions(w, x):
    a = dense(w, "a", x["x"])
    return {"m": a.mean(2), "s": a.sum((1, 3)), "u": a.amax(1, keepdim=True), "l": a.amin(-1), "k": a.mean((1, 2, 3), keepdim=True),
            "g": a.amax((1, 2, 3)), "h": a.amin((2, 3), keepdim=True), "t": a.sum(-3)}


layers("reductions", {"x": real(3, 4, 6)},
       "  - dense: {units: 5, name: a}\n  - mean: {axis: 2, name: m}\n  - sum: {axis: [1, 3], input: a, name: s}\n"
       "  - amax: {axis: 1, input: a, keepdims: true, name: u}\n  - amin: {axis: -1, input: a, name: l}\n"
       "  - mean: {axis: [1, 2, 3], keepdims: true, input: a, name: k}\n  - amax: {axis: [1, 2, 3], input: a, name: g}\n"
       "  - amin: {axis: [3, 2], keepdims: true, input: a, name: h}\n  - sum: {axis: -3, input: a, name: t}\n",
       reductions, list("msulkght"))
TIED = choice([-1, 0, 1], 6)
expressions("ties", {"x": TIED, "y": TIED},
            ["a = amax(x, axis=1)", "b = amin(x * y, axis=1)", "c = max(x, y)", "d = min(x, y)", "e = abs(x)", "f = relu(x - y)",
             "g = clip(x, min=0, max=1)", "h = clamp(y, min=-0.5)", "i = amax(relu(x), axis=1, keepdims=true)"],
            lambda x: ties(x["x"], x["y"]))


def ties(x, y):
    return (x.amax(1), (x * y).amin(1), torch.maximum(x, y), torch.minimum(x, y), x.abs(), F.relu(x - y), x.clamp(0, 1),
            y.clamp(min=-0.5), F.relu(x).amax(1, keepdim=True))


# --- expressions ---------------------------------------------------------------------------------------------------------
expressions("precedence", {"x": real(6), "y": real(6)},
            ["a = -x ** 2 + 2 ** -1 * y", "b = x - y - 1 - x * y / 2 / (x * x + 1)", "c = 2 ** 3 ** 0.5 * x", "d = -(-x) - -y",
             "e = x + y > x * y", "f = (x < y) - (y <= 0.5) * 2 + (x >= y)", "g = (x == x) * y + (x != y) * 3 - 1 / 2 * x",
             "h = -2 ** 2 + x", "i = x * -y", "j = abs(x) ** 1.5 + (x * x + 0.1) ** y", "k = 1 - x ** 3 + 2 * x ** 1 + x ** 0"],
            lambda x: precedence(x["x"], x["y"]))


def precedence(x, y):
    f = lambda b: b.to(x.dtype)
    return (-(x ** 2) + 0.5 * y, x - y - 1 - x * y / 2 / (x * x + 1), 2 ** (3 ** 0.5) * x, x + y, f(x + y > x * y),
            f(x < y) - f(y <= 0.5) * 2 + f(x >= y), y + f(x != y) * 3 - 0.5 * x, -4 + x, x * -y,
            x.abs() ** 1.5 + (x * x + 0.1) ** y, 1 - x ** 3 + 2 * x + 1)


expressions("functions", {"x": real(6), "y": real(6)},
            ["a = exp(x) + log(abs(y) + 0.1) + log1p(abs(x))", "b = expm1(x) * sin(y) + cos(x)", "c = erf(x) + softplus(y, )",
             "d = sqrt(abs(x) + 0.01) + rsqrt(y * y + 1) + square(x)", "e = reciprocal(abs(x) + 1) + sign(y) * x",
             "f = floor(x * 3) + ceil(y * 3) + round(x * 5) * y", "g = where(x > 0, y, x * y)", "h = stop_gradient(x * y) * x",
             "i = pow(abs(x) + 0.1, y) + neg(x)", "j = softmax(x) * log_softmax(y, axis=1) + leaky_relu(x, 0.3)",
             "k = add(x, y, x) + mul(x, y) - div(x, y * y + 1) + sub(x, y)", "l = clip(x, -0.5, 0.7) + clamp(y, max=0.3)",
             "m = gelu(x, tanh=true) + elu(y, alpha=0.5) + dropout(x, p=0)", "n = where(x > y, log(abs(x) + 1), 2)"],
            lambda x: functions(x["x"], x["y"]))


def functions(x, y):
    return (x.exp() + (y.abs() + 0.1).log() + x.abs().log1p(), x.expm1() * y.sin() + x.cos(), x.erf() + F.softplus(y),
            (x.abs() + 0.01).sqrt() + (y * y + 1).rsqrt() + x * x, 1 / (x.abs() + 1) + y.sign() * x,
            (x * 3).floor() + (y * 3).ceil() + (x * 5).round() * y, torch.where(x > 0, y, x * y), (x * y).detach() * x,
            (x.abs() + 0.1) ** y - x, F.softmax(x, -1) * F.log_softmax(y, 1) + F.leaky_relu(x, 0.3),
            x + y + x + x * y - x / (y * y + 1) + x - y, x.clamp(-0.5, 0.7) + y.clamp(max=0.3),
            F.gelu(x, approximate="tanh") + F.elu(y, 0.5) + x, torch.where(x > y, (x.abs() + 1).log(), const(x, 2.0)))


expressions("indexing", {"x": real(4, 6), "y": real(3, 4, 5)},
            ["a = x[:, 1]", "b = x[:, -1, 2:]", "c = x[:, 1:3, ::2]", "d = x[:, :, -3]",
             "e = y[:, 1, :, 2]", "f = y[:, :, 1:-1:2, 1:]", "g = y[:, 0] + y[:, -1]", "h = x[:, -3:-1] * x[:, :2]", "i = y[:, :, :, 0]",
             "j = x[:][:, 2, 3]"],
            lambda x: indexing(x["x"], x["y"]))


def indexing(x, y):
    return (x[:, 1], x[:, -1, 2:], x[:, 1:3, ::2], x[:, :, -3], y[:, 1, :, 2], y[:, :, 1:-1:2, 1:], y[:, 0] + y[:, -1],
            x[:, -3:-1] * x[:, :2], y[:, :, :, 0], x[:, 2, 3])


expressions("products", {"x": real(4, 6), "y": real(6, 3), "z": real(2, 4, 6), "v": real(6)},
            ["a = x @ y", "b = permute(x, axes=[0, 2, 1]) @ x", "c = z @ unsqueeze(y, axis=1)", "d = z @ permute(z, [0, 1, 3, 2]) / 6",
             "e = x @ y * 2 + 1", "f = squeeze(x @ unsqueeze(v, axis=2), axis=2)", "g = softmax(x @ permute(x, [0, 2, 1])) @ x",
             "h = unsqueeze(v, axis=1) @ y - 1"],
            lambda x: products(x["x"], x["y"], x["z"], x["v"]))


def products(x, y, z, v):
    t = x.transpose(1, 2)
    return (x @ y, t @ x, z @ y.unsqueeze(1), z @ z.transpose(2, 3) / 6, x @ y * 2 + 1, (x @ v.unsqueeze(2)).squeeze(2),
            F.softmax(x @ t, -1) @ x, v.unsqueeze(1) @ y - 1)


expressions("broadcasting", {"x": real(4, 1, 6), "y": real(1, 5, 1), "z": real(), "u": real(1)},
            ["a = x + y", "b = x * y - 2", "c = z * 2 + squeeze(u, axis=1)", "d = unsqueeze(unsqueeze(u, 1), 1) * x",
             "e = max(x, 0.1) + min(y, x)", "f = where(x > y, x, y)", "g = unsqueeze(z, axis=1) * u + mean(x, axis=[2, 3])"],
            lambda x: broadcasting(x["x"], x["y"], x["z"], x["u"]))


def broadcasting(x, y, z, u):
    return (x + y, x * y - 2, z * 2 + u.squeeze(1), u.unsqueeze(1).unsqueeze(1) * x,
            torch.maximum(x, const(x, 0.1)) + torch.minimum(y, x), torch.where(x > y, x, y), z.unsqueeze(1) * u + x.mean((2, 3)))


CASES.append(Case(
    "whole_batch", {"x": real(4, 6), "y": real(3)}, "  - dense: {units: 3, name: a, input: x}\n", lambda w, x: {"a": dense(w, "a", x["x"])},
    ["a"], "mean(a) + sum(a * a) / 100 + amax(a) - amin(a) + mean(mean(a, axis=0) ** 2) + sum(amax(a, axis=[0, 1])) + "
    "mean((a - mean(a, axis=0, keepdims=true)) ** 2) + sqrt(sum(y ** 2)) * mean(a ** 3)",
    lambda v, x: whole(v["a"], x["y"]), "{sgd: {lr: 0.003}}", lambda p: torch.optim.SGD(p, 0.003)))


def whole(a, y):
    return (a.mean() + (a * a).sum() / 100 + a.amax() - a.amin() + (a.mean(0) ** 2).mean() + a.amax((0, 1)).sum() +
            ((a - a.mean(0, keepdim=True)) ** 2).mean() + (y ** 2).sum().sqrt() * (a ** 3).mean())


# --- blocks, shared and frozen weights -----------------------------------------------------------------------------------
def blocks(w, x):
    h = x["x"]
    for i in range(3):
        p = "h.%d." % i
        g = F.layer_norm(h, (8,), w[p + "layernorm_1.weight"], w[p + "layernorm_1.bias"])
        h = h + dense(w, p + "inner.down", F.gelu(dense(w, p + "inner.up", g)))
    o = dense(w, "once.0.down", F.gelu(dense(w, "once.0.up", h)))
    s = dense(w, "first", torch.tanh(dense(w, "first", o)))
    return {"h": h, "o": o, "s": s}


layers("blocks", {"x": real(5, 8)},
       "  - res: {width: 12, repeat: 3, name: h}\n  - ff: {wide: 3, repeat: 1, name: once}\n  - identity: {name: o}\n"
       "  - dense: {units: 8, name: first, activation: tanh}\n  - dense: {units: 8, shared: first, name: s}\n",
       blocks, ["h", "o", "s"],
       top="blocks:\n  res:\n    args: {width: 4}\n    layers:\n      - layernorm\n      - ff: {wide: $width * 2, name: inner}\n"
           "      - {name: sum, expr: inner + input}\n  ff:\n    args: {wide: 1}\n    layers:\n"
           "      - dense: {units: $wide, activation: gelu, name: up}\n      - dense: {units: 8, name: down}\n"
           "  unused: {layers: [relu]}")


def deep(w, x):
    h = x["x"]
    for i in range(12):
        p = "h.%d." % i
        g = F.layer_norm(h, (8,), w[p + "layernorm_1.weight"], w[p + "layernorm_1.bias"])
        h = h + dense(w, p + "down", F.gelu(dense(w, p + "up", g)))
    return {"h": h}


# So many equal blocks that their calls are loops.
layers("blocks_deep", {"x": real(5, 8)}, "  - res: {repeat: 12, name: h}\n", deep, ["h"],
       top="blocks:\n  res:\n    layers:\n      - layernorm\n      - dense: {units: 12, activation: gelu, name: up}\n"
           "      - dense: {units: 8, name: down}\n      - {name: sum, expr: down + input}\n")


def nested(w, x):
    a = F.prelu(dense(w, "gate_1.dense_1", x["x"]), w["gate_1.dense_1.prelu.weight"])
    h = a * torch.sigmoid(dense(w, "gate_1.dense_2", x["x"]) + x["c"])
    b = F.prelu(dense(w, "gate_2.dense_1", h), w["gate_2.dense_1.prelu.weight"])
    g = b * torch.sigmoid(dense(w, "gate_2.dense_2", h) + x["c"])
    return {"g": g, "y": dense(w, "dense_1", g)}


layers("blocks_unnamed", {"x": real(6), "c": real(4)},
       "  - gate: $n\n  - gate: {units: 4}\n  - identity: {name: g}\n  - dense: {units: 2}\n  - identity: {name: y}\n", nested, ["g", "y"],
       top="vars: {n: 4}\nblocks:\n  gate:\n    args: {units: 1}\n    layers:\n"
           "      - dense: {units: $units, activation: prelu}\n      - dense: {units: $units, input: input}\n"
           "      - {expr: \"dense_1 * sigmoid(dense_2 + c)\"}\n")
layers("frozen", {"x": real(6)},
       "  - dense: {units: 7, activation: tanh, name: h, frozen: true}\n  - layernorm: {name: l, frozen: true}\n"
       "  - dense: {units: 3, name: p}\n",
       lambda w, x: {"p": dense(w, "p", F.layer_norm(torch.tanh(dense(w, "h", x["x"])), (7,), w["l.weight"], w["l.bias"]))}, ["p"],
       frozen=("h.weight", "h.bias", "l.weight", "l.bias"))


def shared(w, x):
    a = torch.tanh(dense(w, "a", x["x"]))
    b = F.layer_norm(torch.tanh(dense(w, "a", a)), (6,), w["n.weight"], w["n.bias"])
    c = F.layer_norm(dense(w, "a", x["y"]), (6,), w["n.weight"], w["n.bias"])
    return {"b": b, "c": c, "d": F.prelu(b - c, w["q.weight"]) + F.prelu(c, w["q.weight"])}


layers("shared", {"x": real(6), "y": real(6)},
       "  - dense: {units: 6, name: a, activation: tanh}\n  - dense: {units: 6, shared: a, activation: tanh}\n"
       "  - layernorm: {name: n}\n  - identity: {name: b}\n  - dense: {units: 6, shared: a, input: y}\n  - layernorm: {shared: n, name: c}\n"
       "  - {name: e, expr: b - c}\n  - prelu: {name: q}\n  - prelu: {shared: q, input: c, name: r}\n  - add: {input: [q, r], name: d}\n",
       shared, ["b", "c", "d"])

# --- inputs ----------------------------------------------------------------------------------------------------------------
layers("normalize", {"x": real(5, normalize="{mean: 0.5, std: 2}"),
                     "p": integers("u8", 0, 256, 3, 4, 4, normalize="{mean: [100, 120, 130], std: [50, 60, 70]}"),
                     "s": real(4, 3, normalize="{std: [1, 2, 4]}"), "k": integers("i32", -50, 50, 2, normalize="{std: 25}"),
                     "m": real(3, normalize="{mean: [1, 2, 3]}")},
       "  - flatten: {input: p}\n  - dense: {units: 5, name: a}\n  - {name: b, expr: a + x}\n"
       "  - dense: {units: 2, input: s, name: c}\n  - {name: d, expr: \"mean(c, axis=1) + k\"}\n  - dense: {units: 2, input: m, name: e}\n",
       lambda w, x: normalised(w, x), ["b", "d", "e"])


def normalised(w, x):
    dtype = x["x"].dtype
    wide = lambda *v: const(x["x"], *v)
    p = (x["p"].to(dtype) - wide(100, 120, 130).view(3, 1, 1)) / wide(50, 60, 70).view(3, 1, 1)
    b = dense(w, "a", p.flatten(1)) + (x["x"] - 0.5) / 2
    c = dense(w, "c", x["s"] / wide(1, 2, 4))
    return {"b": b, "d": c.mean(1) + x["k"].to(dtype) / 25, "e": dense(w, "e", x["m"] - wide(1, 2, 3))}


layers("integers", {"p": integers("u8", 0, 256, 6), "k": integers("i32", -9, 9, 6)},
       "  - {name: a, expr: p / 255 - k * 0.1}\n  - dense: {units: 3, name: b}\n  - {name: c, expr: \"(k > 0) * p / 99\"}\n",
       lambda w, x: mixed(w, x["p"].to(w["b.weight"].dtype), x["k"].to(w["b.weight"].dtype)), ["b", "c"])


def mixed(w, p, k):
    return {"b": dense(w, "b", p / 255 - k * 0.1), "c": (k > 0) * p / 99}


def vae(w, x):
    h = torch.tanh(dense(w, "enc", x["x"]))
    mu, logvar = dense(w, "mu", h), dense(w, "logvar", h)
    z = mu + torch.exp(0.5 * logvar) * x["noise"]
    return {"mu": mu, "logvar": logvar, "r": dense(w, "r", torch.tanh(dense(w, "dec", z)))}


CASES.append(Case(
    "vae", {"x": probability(12), "noise": real(3)},
    "  - dense: {units: 8, activation: tanh, name: enc, input: x}\n  - dense: {units: 3, name: mu}\n"
    "  - dense: {units: 3, name: logvar, input: enc}\n  - {name: z, expr: mu + exp(0.5 * logvar) * noise}\n"
    "  - dense: {units: 8, activation: tanh, name: dec}\n  - dense: {units: 12, name: r}\n",
    vae, {"mu": "mu", "logvar": "logvar", "r": "r"},
    "{rebuilt: \"bce_with_logits(r, x, reduction=sum)\", kl: \"kl_normal(mu, logvar, reduction=sum)\"}\nloss_weights: {rebuilt: 0.1, kl: 0.4}",
    lambda v, x: 0.1 * F.binary_cross_entropy_with_logits(v["r"], x["x"], reduction="sum")
    + 0.4 * -0.5 * (1 + v["logvar"] - v["mu"] ** 2 - v["logvar"].exp()).sum(),
    "{adam: {lr: 0.01}}", lambda p: torch.optim.Adam(p, 0.01)))


def several(w, x):
    h = F.relu(dense(w, "h", torch.cat([x["x"], x["y"]], 1)))
    return {"h": h, "p": dense(w, "p", h), "q": F.softmax(dense(w, "q", h), -1), "logits": dense(w, "q", h)}


CASES.append(Case(
    "several", {"x": real(5), "y": real(3), "t": real(2), "c": classes(4)},
    "  - concat: {input: [x, y]}\n  - dense: {units: 16, activation: relu, name: h}\n  - dense: {units: 2, name: p}\n"
    "  - dense: {units: 4, name: q, input: h}\n",
    several, {"p": "p", "q": "softmax(q)"}, "{number: \"mse(p, t)\", kind: \"softmax_cross_entropy(q, c)\"}\nloss_weights: {kind: 0.3}",
    lambda v, x: F.mse_loss(v["p"], x["t"]) + 0.3 * F.cross_entropy(v["logits"], x["c"]),
    metrics={"acc": ("accuracy(q, c)", lambda v, x: (v["logits"].argmax(1) == x["c"]).mean()),
             "err": ("rmse(p, t)", lambda v, x: np.sqrt(((v["p"] - x["t"]) ** 2).mean()))}))


# --- metrics, over a set with a short last batch -----------------------------------------------------------------------------
def top(v, c, k):
    return (np.argsort(-v, 1)[:, :k] == c[:, None]).any(1).mean()


def soft(v):
    e = np.exp((v - v.max(-1, keepdims=True)).astype("f8"))
    return e / e.sum(-1, keepdims=True)


def sig(v):
    return 1 / (1 + np.exp(-v.astype("f8")))


def area(score, has):
    """Pairs of one that has the class and one that has not, of which the first has the higher score."""
    score, has = score.ravel(), has.ravel() > 0.5
    d = score[has][:, None] - score[~has][None]
    return ((d > 0).sum() + 0.5 * (d == 0).sum()) / d.size


def average_precision(score, has):
    score, has, before, out = score.ravel(), has.ravel() > 0.5, 0, 0
    for threshold in sorted(set(score), reverse=True):
        taken = score >= threshold
        recall = (taken & has).sum() / has.sum()
        out, before = out + (recall - before) * (taken & has).sum() / taken.sum(), recall
    return out


def each(function, v, c):
    """The mean over classes of function(scores, whether it is the class), of those that are there."""
    return np.mean([function(soft(v)[..., k], c == k) for k in range(v.shape[-1]) if (c == k).any()])


def counts(taken, c, n):
    """A class: right, taken for it, having it."""
    return np.array([[((taken == k) & (c == k)).sum(), (taken == k).sum(), (c == k).sum()] for k in range(n)], "f8").T


def over(a, b):
    return np.where(b > 0, a / np.maximum(b, 1), 0)


def there(figure, taken, has):
    return figure[taken + has > 0].mean()


def correlation(taken, c):
    a, b = (np.eye(8)[x.astype(int).ravel()] for x in (taken, c))
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def calibration(said, right, bins):
    at = np.minimum((said * bins).astype(int), bins - 1)
    return sum(abs(said[at == k].sum() - right[at == k].sum()) for k in range(bins)) / said.size


def of_counts(function, output="q", target="c", classes=7):
    """A figure of counts of classes."""
    return lambda v, x: function(*counts(v[output].argmax(-1), x[target], classes))


CASES.append(Case(
    "metrics_of_sets", {"x": real(5), "c": classes(7), "b": choice([0, 1], 3), "k": classes(4, 6), "d": classes(2)},
    "  - dense: {units: 3, name: p, input: x}\n  - dense: {units: 7, name: q, input: x}\n"
    "  - dense: {units: 24, name: r0, input: x}\n  - reshape: {shape: [4, 6], name: r1}\n  - permute: {axes: [0, 2, 1], name: r}\n"
    "  - dense: {units: 2, name: s, input: x}\n",
    lambda w, x: {"p": dense(w, "p", x["x"]), "q": dense(w, "q", x["x"]), "r": dense(w, "r0", x["x"]).view(-1, 4, 6).transpose(1, 2),
                  "s": dense(w, "s", x["x"])}, ["p", "q", "r", "s"],
    "bce_with_logits(p, b) + softmax_cross_entropy(q, c) + softmax_cross_entropy(r, k) + softmax_cross_entropy(s, d)",
    lambda v, x: F.binary_cross_entropy_with_logits(v["p"], x["b"]) + F.cross_entropy(v["q"], x["c"])
    + F.cross_entropy(v["r"].transpose(1, 2), x["k"]) + F.cross_entropy(v["s"], x["d"]),
    metrics={
        "auc": ("auc(q, c)", lambda v, x: each(area, v["q"], x["c"])),
        "auc_said": ("auc(softmax(q), c)", lambda v, x: each(area, v["q"], x["c"])),
        "auc_binary": ("auc(p, b)", lambda v, x: area(v["p"], x["b"])),
        "auc_two": ("auc(s, d)", lambda v, x: area(v["s"][:, 1] - v["s"][:, 0], x["d"])),
        "auc_places": ("auc(r, k)", lambda v, x: each(area, v["r"], x["k"])),
        "auc_middle": ("auc(r1, k, axis=1)", lambda v, x: each(area, v["r"], x["k"])),
        "ap": ("average_precision(q, c)", lambda v, x: each(average_precision, v["q"], x["c"])),
        "ap_binary": ("average_precision(p, b)", lambda v, x: average_precision(v["p"], x["b"])),
        "precision": ("precision(q, c)", of_counts(lambda tp, p, t: there(over(tp, p), p, t))),
        "recall": ("recall(q, c, average=weighted)", of_counts(lambda tp, p, t: (over(tp, t) * t).sum() / t.sum())),
        "f1": ("f1(r, k, average=micro)", lambda v, x: (v["r"].argmax(2) == x["k"]).mean()),
        "f1_binary": ("f1(p, b, threshold=0)", lambda v, x: 2 * ((v["p"] > 0) * x["b"]).sum() / ((v["p"] > 0).sum() + x["b"].sum())),
        "f1_one": ("f1(r1, k, axis=1, class=2)", of_counts(lambda tp, p, t: (2 * tp / (p + t))[2], "r", "k", 4)),
        "specificity": ("specificity(r, k, class=1)", of_counts(lambda tp, p, t: 1 - (p - tp)[1] / (t.sum() - t[1]), "r", "k", 4)),
        "iou": ("iou(r, k)", of_counts(lambda tp, p, t: there(over(tp, p + t - tp), p, t), "r", "k", 4)),
        "iou_but_0": ("iou(r, k, ignore=0)", lambda v, x: (lambda tp, p, t: there(over(tp, p + t - tp), p, t))(
            *counts(v["r"].argmax(2)[x["k"] != 0], x["k"][x["k"] != 0], 4))),
        "balanced": ("balanced_accuracy(q, c)", of_counts(lambda tp, p, t: over(tp, t)[t > 0].mean())),
        "mcc": ("mcc(q, c)", lambda v, x: correlation(v["q"].argmax(1), x["c"])),
        "mcc_binary": ("mcc(p, b, threshold=0)", lambda v, x: correlation(v["p"] > 0, x["b"])),
        "log_loss": ("log_loss(q, c)", lambda v, x: -np.log(np.take_along_axis(soft(v["q"]), x["c"][:, None], 1)).mean()),
        "log_loss_binary": ("log_loss(p, b, from_logits=true)", lambda v, x: -np.log(np.where(x["b"] > 0, sig(v["p"]), 1 - sig(v["p"]))).mean()),
        "perplexity": ("perplexity(r, k)", lambda v, x: np.exp(-np.log(np.take_along_axis(soft(v["r"]), x["k"][..., None], 2)).mean())),
        "brier": ("brier(q, c)", lambda v, x: ((soft(v["q"]) - np.eye(7)[x["c"]]) ** 2).sum(1).mean()),
        "brier_two": ("brier(softmax(s), d)", lambda v, x: ((soft(v["s"])[:, 1] - x["d"]) ** 2).mean()),
        "ece": ("ece(q, c, bins=5)", lambda v, x: calibration(soft(v["q"]).max(1), v["q"].argmax(1) == x["c"], 5)),
        "ece_binary": ("ece(sigmoid(p), b)", lambda v, x: calibration(sig(v["p"]).ravel(), x["b"].ravel(), 15))}))
CASES.append(Case(
    "metrics", {"x": real(5), "t": real(3), "c": classes(7), "b": choice([0, 1], 3), "k": classes(4, 6), "u": real()},
    "  - dense: {units: 3, name: p, input: x}\n  - dense: {units: 7, name: q, input: x}\n"
    "  - dense: {units: 24, name: r0, input: x}\n  - reshape: {shape: [6, 4], name: r}\n  - {name: one, expr: \"p[:, 0]\"}\n",
    lambda w, x: {"p": dense(w, "p", x["x"]), "q": dense(w, "q", x["x"]), "r": dense(w, "r0", x["x"]).view(-1, 6, 4)}, ["p", "q", "r"],
    "mse(p, t) + softmax_cross_entropy(q, c) + softmax_cross_entropy(r, k)",
    lambda v, x: F.mse_loss(v["p"], x["t"]) + F.cross_entropy(v["q"], x["c"]) + F.cross_entropy(v["r"].transpose(1, 2), x["k"]),
    metrics={
        "acc": ("accuracy(q, c)", lambda v, x: (v["q"].argmax(1) == x["c"]).mean()),
        "top2": ("top_k(q, c, k=2)", lambda v, x: top(v["q"], x["c"], 2)),
        "top5": ("top_k(q, c)", lambda v, x: top(v["q"], x["c"], 5)),
        "binary": ("accuracy(sigmoid(p), b)", lambda v, x: ((v["p"] > 0) == (x["b"] > 0.5)).mean()),
        "places": ("accuracy(r, k)", lambda v, x: (v["r"].argmax(2) == x["k"]).mean()),
        "places_but_0": ("accuracy(r, k, ignore=0)", lambda v, x: (v["r"].argmax(2) == x["k"])[x["k"] != 0].mean()),
        "root": ("rmse(p, t)", lambda v, x: np.sqrt(((v["p"] - x["t"]) ** 2).mean())),
        "away": ("mae(p, t)", lambda v, x: np.abs(v["p"] - x["t"]).mean()),
        "fit": ("r2(p, t)", lambda v, x: 1 - ((v["p"] - x["t"]) ** 2).sum() / ((x["t"] - x["t"].mean()) ** 2).sum()),
        "fit_one": ("r2(one, u)", lambda v, x: 1 - ((v["p"][:, 0] - x["u"]) ** 2).sum() / ((x["u"] - x["u"].mean()) ** 2).sum())}))
# products larger than a second cache: strips, summed by blocks of inner steps, the last of which is short
CASES.append(Case("dense_strips", {"x": real(9, 390)},
                  "  - dense: {units: 768, activation: tanh, name: h, input: x}\n  - dense: {units: 672, name: m}\n  - dense: {units: 3, name: p}\n",
                  lambda w, x: {"p": dense(w, "p", dense(w, "m", torch.tanh(dense(w, "h", x["x"]))))}, ["p"], *squares(["p"]), batch=16,
                  steps=3))
