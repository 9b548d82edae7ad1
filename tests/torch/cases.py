# SPDX-License-Identifier: MIT
"""The networks of conform.py, written twice."""
import math

import numpy as np
import torch
import torch.nn.functional as F


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-2)


class Case:
    """inputs: name to (shape, kind): kind is "f" (normal), "p" (0 to 1), "s" (-1 or 1) or a number of classes.
    layers: YAML text. forward(w, x): a dict of values by name. outputs: names. loss: YAML, and a
    function of the values and inputs. train: YAML of the optimizer."""

    def __init__(self, name, inputs, layers, forward, outputs, loss, loss_of, optimizer="{adam: {lr: 1e-2}}", make=adam,
                 extra="", train="", clip_norm=0, clip_value=0, accumulate=1, rate=None, frozen=(), trains=True, zero=()):
        self.name, self.inputs, self.layers, self.forward = name, inputs, layers, forward
        self.names, self.loss_text, self.loss_of = outputs, loss, loss_of
        self.optimizer_text, self.optimizer, self.extra, self.train = optimizer, make, extra, train
        self.clip_norm, self.clip_value, self.accumulate = clip_norm, clip_value, accumulate
        self.rate = rate or (lambda base, step, per_epoch: base)
        self.frozen, self.trains = frozen, trains
        self.zero = zero  # weights whose gradient is zero but for rounding, which Adam makes large

    def yaml(self, batch):
        lines = ["model: %s" % self.name, "inputs:"]
        for name, (shape, kind) in self.inputs.items():
            text = "shape: %s" % list(shape)
            if isinstance(kind, int):
                text = "classes: %d" % kind + (", shape: %s" % list(shape) if shape else "")
            lines.append("  %s: {%s}" % (name, text))
        lines += [self.extra] if self.extra else []
        lines += ["layers:", self.layers.strip("\n"), "outputs: {%s}" % ", ".join('%s: "%s"' % (n, t) for n, t in self.names.items())]
        lines += ["loss: %s" % self.loss_text, "train:", "  batch: %d" % batch, "  optimizer: %s" % self.optimizer_text]
        lines += [self.train.strip("\n") if self.train else "  epochs: 5"]
        return "\n".join(lines) + "\n"

    def data(self, rng, n):
        out = {}
        for name, (shape, kind) in self.inputs.items():
            full = (n,) + tuple(shape)
            if isinstance(kind, int):
                out[name] = rng.integers(0, kind, full).astype("i4")
            elif kind == "p":
                out[name] = rng.uniform(0.02, 0.98, full).astype("f4")
            elif kind == "s":
                out[name] = rng.choice([-1.0, 1.0], full).astype("f4")
            else:
                out[name] = rng.normal(size=full).astype("f4")
        return out

    def values(self, w, x):
        return self.forward(w, x)

    def outputs(self, w, x):
        v = self.values(w, x)
        return {n: v[n] for n in self.names}

    def loss(self, w, x):
        return self.loss_of(self.values(w, x), x)


def dense(w, name, x):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


ALL = []

# --- activations: one dense layer each, all in one network ----------------------------------------------------
ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu,
    "gelu": F.gelu, "silu": F.silu, "mish": F.mish, "sigmoid": torch.sigmoid, "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish, "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign,
    "softmax": lambda a: F.softmax(a, -1), "log_softmax": lambda a: F.log_softmax(a, -1), "identity": lambda a: a}


def activation_forward(w, x):
    v = {}
    for name, f in ACTIVATIONS.items():
        v["a_" + name] = f(3 * dense(w, "d_" + name, x["x"]))
    v["a_slope"] = F.leaky_relu(dense(w, "d_slope", x["x"]), 0.2)
    v["a_tanh_gelu"] = F.gelu(dense(w, "d_tanh_gelu", x["x"]), approximate="tanh")
    v["a_prelu"] = F.prelu(dense(w, "d_prelu", x["x"]), w["a_prelu.weight"])
    return v


activation_layers = ""
for a in ACTIVATIONS:
    activation_layers += "  - dense: {units: 7, name: d_%s, input: x}\n  - {name: m_%s, expr: 3 * d_%s}\n  - %s: {name: a_%s}\n" % (a, a, a, a, a)
activation_layers += "  - dense: {units: 7, name: d_slope, input: x}\n  - leaky_relu: {slope: 0.2, name: a_slope}\n"
activation_layers += "  - dense: {units: 7, name: d_tanh_gelu, input: x}\n  - gelu: {tanh: true, name: a_tanh_gelu}\n"
activation_layers += "  - dense: {units: 7, name: d_prelu, input: x}\n  - prelu: {name: a_prelu}\n"
activation_names = ["a_" + a for a in ACTIVATIONS] + ["a_slope", "a_tanh_gelu", "a_prelu"]
ALL.append(Case("activations", {"x": ((5,), "f")}, activation_layers, activation_forward, {n: n for n in activation_names},
                '"%s"' % " + ".join("mean(%s * %s)" % (n, n) for n in activation_names),
                lambda v, x: sum((v[n] * v[n]).mean() for n in activation_names)))

# --- losses ------------------------------------------------------------------------------------------------------
two = "  - dense: {units: 6, name: p, input: x}\n"


def loss_case(name, inputs, text, function, layers=two, activation=None):
    f = activation or (lambda a: a)
    ALL.append(Case(name, dict({"x": ((5,), "f")}, **inputs), layers, lambda w, x: {"p": f(dense(w, "p", x["x"]))},
                    {"p": "p"}, text, function))


bounded = "  - dense: {units: 6, name: p, input: x, activation: sigmoid}\n"
real = {"t": ((6,), "f")}
loss_case("regression", dict(real), "{a: \"mse(p, t)\", b: \"mae(p, t)\", c: \"huber(p, t)\", d: \"huber(p, t, delta=0.3)\", "
          "e: \"mse(p, t, reduction=sum)\", f: \"sum(mae(p, t, reduction=none)) / 7\"}\nloss_weights: {c: 2, e: 0.1}",
          lambda v, x: F.mse_loss(v["p"], x["t"]) + F.l1_loss(v["p"], x["t"]) + 2 * F.huber_loss(v["p"], x["t"]) +
          F.huber_loss(v["p"], x["t"], delta=0.3) + 0.1 * F.mse_loss(v["p"], x["t"], reduction="sum") +
          F.l1_loss(v["p"], x["t"], reduction="sum") / 7)
loss_case("bce", {"t": ((6,), "p")}, "bce(p, t)", lambda v, x: F.binary_cross_entropy(v["p"], x["t"]), bounded, torch.sigmoid)
loss_case("bce_with_logits", {"t": ((6,), "p")}, "bce_with_logits(p * 20, t)",
          lambda v, x: F.binary_cross_entropy_with_logits(v["p"] * 20, x["t"]))
loss_case("hinge", {"t": ((6,), "s")}, "hinge(p, t)", lambda v, x: F.relu(1 - x["t"] * v["p"]).mean())
loss_case("kl_normal", dict(real), "kl_normal(p, t * p)",
          lambda v, x: -0.5 * (1 + x["t"] * v["p"] - v["p"] ** 2 - torch.exp(x["t"] * v["p"])).mean())
weights = [1.0, 0.5, 2.0, 0.1, 3.0, 1.5]
for name, text, options in [
        ("plain", "", {}), ("smoothing", ", smoothing=0.2", {"label_smoothing": 0.2}),
        ("weights", ", weights=%s" % weights, {"weight": torch.tensor(weights)}),
        ("ignore", ", ignore=3", {"ignore_index": 3}), ("sum", ", reduction=sum", {"reduction": "sum"}),
        ("all", ", weights=%s, smoothing=0.1, ignore=2" % weights,
         {"weight": torch.tensor(weights), "label_smoothing": 0.1, "ignore_index": 2})]:
    loss_case("cross_entropy_" + name, {"c": ((), 6)}, '"softmax_cross_entropy(p, c%s)"' % text,
              lambda v, x, options=options: F.cross_entropy(v["p"], x["c"], **options))
loss_case("nll", {"c": ((), 6)}, '"nll(log_softmax(p), c, weights=%s)"' % weights,
          lambda v, x: F.nll_loss(F.log_softmax(v["p"], -1), x["c"], torch.tensor(weights)))
ALL.append(Case("positions_last", {"x": ((4, 5), "f"), "c": ((4,), 6)}, two, lambda w, x: {"p": dense(w, "p", x["x"])},
                {"p": "p"}, "softmax_cross_entropy(p, c)", lambda v, x: F.cross_entropy(v["p"].transpose(1, 2), x["c"])))
ALL.append(Case("positions_one", {"x": ((6, 5), "f"), "c": ((4,), 6)}, "  - dense: {units: 4, name: p, input: x}\n",
                lambda w, x: {"p": dense(w, "p", x["x"])}, {"p": "p"}, "softmax_cross_entropy(p, c)",
                lambda v, x: F.cross_entropy(v["p"], x["c"]), zero=("p.bias",)))

# --- optimisers, schedules, clipping ---------------------------------------------------------------------------------
mlp = "  - dense: {units: 9, activation: tanh, name: h, input: x}\n  - dense: {units: 4, name: p}\n"


def mlp_forward(w, x):
    return {"p": dense(w, "p", torch.tanh(dense(w, "h", x["x"])))}


def train_case(name, optimizer, make, **more):
    ALL.append(Case(name, {"x": ((5,), "f"), "t": ((4,), "f")}, mlp, mlp_forward, {"p": "p"}, "mse(p, t)",
                    lambda v, x: F.mse_loss(v["p"], x["t"]), optimizer, make, **more))


O = torch.optim
for name, text, make in [
        ("sgd", "{sgd: {lr: 0.1}}", lambda p: O.SGD(p, 0.1)),
        ("sgd_momentum", "{sgd: {lr: 0.1, momentum: 0.9, weight_decay: 0.01}}", lambda p: O.SGD(p, 0.1, 0.9, weight_decay=0.01)),
        ("sgd_nesterov", "{sgd: {lr: 0.1, momentum: 0.8, nesterov: true}}", lambda p: O.SGD(p, 0.1, 0.8, nesterov=True)),
        ("adam", "{adam: {lr: 0.02, betas: [0.8, 0.95], eps: 1e-6, weight_decay: 0.1}}",
         lambda p: O.Adam(p, 0.02, (0.8, 0.95), 1e-6, 0.1)),
        ("amsgrad", "{adam: {lr: 0.02, amsgrad: true}}", lambda p: O.Adam(p, 0.02, amsgrad=True)),
        ("adamw", "{adamw: {lr: 0.02, weight_decay: 0.2}}", lambda p: O.AdamW(p, 0.02, weight_decay=0.2)),
        ("rmsprop", "{rmsprop: {lr: 0.01}}", lambda p: O.RMSprop(p, 0.01)),
        ("rmsprop_all", "{rmsprop: {lr: 0.01, alpha: 0.9, eps: 1e-6, momentum: 0.7, centered: true}}",
         lambda p: O.RMSprop(p, 0.01, 0.9, 1e-6, momentum=0.7, centered=True)),
        ("adagrad", "{adagrad: {lr: 0.1}}", lambda p: O.Adagrad(p, 0.1))]:
    train_case("optimizer_" + name, text, make)
sgd = lambda p: O.SGD(p, 0.1)
train_case("clip_norm", "{sgd: {lr: 0.1}}", sgd, train="  epochs: 5\n  clip_norm: 0.3", clip_norm=0.3)
train_case("clip_value", "{sgd: {lr: 0.1}}", sgd, train="  epochs: 5\n  clip_value: 0.02", clip_value=0.02)
train_case("accumulate", "{adam: {lr: 0.02}}", lambda p: O.Adam(p, 0.02), train="  epochs: 20\n  accumulate: 2", accumulate=2)


def warmed(after, warmup):
    return lambda base, step, per_epoch: base * step / warmup if step < warmup else after(base, step - warmup, per_epoch)


def cosine(total, to=0.0):
    return lambda base, step, per_epoch: to + (base - to) * (1 + math.cos(math.pi * min(step, total) / total)) / 2


for name, text, rate in [
        ("step", "{step: {every: 3, gamma: 0.5}}", lambda b, s, e: b * 0.5 ** (s // 3)),
        ("exponential", "{exponential: {gamma: 0.9}}", lambda b, s, e: b * 0.9 ** s),
        ("cosine", "{cosine: {to: 0.01}}", cosine(20, 0.01)),
        ("cosine_warmup", "{cosine: {warmup_steps: 4}}", warmed(cosine(16), 4)),
        ("linear", "{linear: {to: 0.02}}", lambda b, s, e: b + (0.02 - b) * min(s, 20) / 20),
        ("constant_warmup", "{constant: {warmup_epochs: 1}}", warmed(lambda b, s, e: b, 4))]:
    train_case("schedule_" + name, "{sgd: {lr: 0.1}}", sgd, train="  epochs: 5\n  schedule: " + text, rate=rate)

# --- expressions, blocks, shapes ------------------------------------------------------------------------------------------
ALL.append(Case(
    "expressions", {"x": ((6,), "f"), "y": ((3, 6), "f")},
    "  - dense: {units: 6, name: a, input: x}\n"
    "  - {name: b, expr: \"-a ** 2 + 2 ** -1 * exp(-abs(a)) / (1 + x * x) - max(a, x) * min(a, 0.5)\"}\n"
    "  - {name: c, expr: \"y @ permute(y, axes=[0, 2, 1]) / 6 + unsqueeze(mean(b, axis=1, keepdims=true), axis=1)\"}\n"
    "  - {name: d, expr: \"c[:, 1:, -1] + b[:, ::3] * (a[:, 0:2] > 0) + where(b[:, 4:] <= 0, sqrt(abs(a[:, :2]) + 1), 0)\"}\n"
    "  - {name: e, expr: \"amax(a, axis=1) - amin(c, axis=[1, 2]) + sum(y * y, axis=[1, 2]) * 0.01\"}\n",
    lambda w, x: expressions(w, x), {"b": "b", "c": "c", "d": "d", "e": "e"}, "mean(b) + mean(c * c) + mean(d) + mean(e)",
    lambda v, x: v["b"].mean() + (v["c"] ** 2).mean() + v["d"].mean() + v["e"].mean()))


def expressions(w, x):
    a, y, x = dense(w, "a", x["x"]), x["y"], x["x"]
    half = torch.tensor(0.5)
    b = -(a ** 2) + 2 ** -1 * torch.exp(-a.abs()) / (1 + x * x) - torch.maximum(a, x) * torch.minimum(a, half)
    c = y @ y.permute(0, 2, 1) / 6 + b.mean(1, keepdim=True).unsqueeze(1)
    d = c[:, 1:, -1] + b[:, ::3] * (a[:, 0:2] > 0) + torch.where(b[:, 4:] <= 0, (a[:, :2].abs() + 1).sqrt(), torch.tensor(0.0))
    e = a.amax(1) - c.amin((1, 2)) + (y * y).sum((1, 2)) * 0.01
    return {"b": b, "c": c, "d": d, "e": e}


def blocks_forward(w, x):
    h = x["x"]
    for i in range(3):
        p = "h.%d." % i
        g = F.layer_norm(h, (8,), w[p + "layernorm_1.weight"], w[p + "layernorm_1.bias"])
        g = F.gelu(dense(w, p + "inner.up", g))
        h = h + dense(w, p + "inner.down", g)
    r = h * torch.rsqrt((h * h).mean(-1, keepdim=True) + 1e-5) * w["rms.weight"]
    s = dense(w, "first", r)
    s = dense(w, "first", torch.tanh(s))
    return {"h": h, "s": s}


ALL.append(Case(
    "blocks", {"x": ((5, 8), "f")},
    "  - res: {width: 12, repeat: 3, name: h, input: x}\n  - rmsnorm: {name: rms}\n"
    "  - dense: {units: 8, name: first, activation: tanh}\n  - dense: {units: 8, shared: first, name: s}\n",
    blocks_forward, {"h": "h", "s": "s"}, "mean(s * s) + 0.1 * mean(h * h)",
    lambda v, x: (v["s"] ** 2).mean() + 0.1 * (v["h"] ** 2).mean(),
    extra="blocks:\n  res:\n    args: {width: 4}\n    layers:\n      - layernorm\n      - ff: {wide: $width * 2, name: inner}\n"
    "      - {name: sum, expr: inner + input}\n  ff:\n    args: {wide: 1}\n    layers:\n"
    "      - dense: {units: $wide, activation: gelu, name: up}\n      - dense: {units: 8, name: down}"))


def shapes_forward(w, x):
    a = dense(w, "a", x["x"]).reshape(-1, 3, 2, 4)
    b = a.permute(0, 3, 1, 2)
    c = b[:, 1:4:2]
    d = F.pad(c, (1, 2, 0, 1), value=0.5)
    e = torch.cat([d, d * 2], 1)
    f, g = torch.split(e, [1, 3], 1)
    s = torch.stack([f.squeeze(1), g[:, 0]], 1)
    return {"e": e, "g": g, "s": s, "z": dense(w, "z", s.flatten(1))}


ALL.append(Case(
    "shapes", {"x": ((5,), "f")},
    "  - dense: {units: 24, name: a, input: x, bias: false}\n"
    "  - reshape: {shape: [3, -1, 4], name: r}\n  - permute: {axes: [0, 3, 1, 2], name: b}\n"
    "  - slice: {axis: 1, start: 1, end: 4, step: 2, name: c}\n  - pad: {axes: {2: [0, 1], 3: [1, 2]}, value: 0.5, name: d}\n"
    "  - {name: d2, expr: d * 2}\n  - concat: {input: [d, d2], axis: 1, name: e}\n  - split: {axis: 1, sizes: [1, 3], name: [f, g]}\n"
    "  - {name: g0, expr: \"g[:, 0]\"}\n  - squeeze: {axis: 1, input: f, name: f0}\n  - stack: {input: [f0, g0], axis: 1, name: s}\n"
    "  - flatten\n  - dense: {units: 3, name: z}\n",
    shapes_forward, {"e": "e", "g": "g", "s": "s", "z": "z"}, "mean(z * z) + 0.1 * mean(g * g)",
    lambda v, x: (v["z"] ** 2).mean() + 0.1 * (v["g"] ** 2).mean()))

ALL.append(Case(
    "reductions", {"x": ((4, 6), "f")},
    "  - dense: {units: 6, name: a, input: x}\n  - mean: {axis: 2, name: m}\n  - sum: {axis: [1, 2], input: a, name: s}\n"
    "  - amax: {axis: 1, input: a, keepdims: true, name: u}\n  - amin: {axis: -1, input: a, name: l}\n"
    "  - add: {input: [a, x, u], name: p}\n  - mul: {input: [a, p], name: q}\n  - max: {input: [a, x], name: mx}\n"
    "  - div: {input: [a, x], name: dv}\n",
    lambda w, x: reductions(w, x), {"m": "m", "s": "s", "u": "u", "l": "l", "q": "q", "mx": "mx"},
    "mean(m * m) + mean(s) + mean(q) + mean(l) + mean(mx) + mean(tanh(dv))",
    lambda v, x: (v["m"] ** 2).mean() + v["s"].mean() + v["q"].mean() + v["l"].mean() + v["mx"].mean() + torch.tanh(v["dv"]).mean()))


def reductions(w, x):
    a, x = dense(w, "a", x["x"]), x["x"]
    u = a.amax(1, keepdim=True)
    return {"m": a.mean(2), "s": a.sum((1, 2)), "u": u, "l": a.amin(-1), "q": a * (a + x + u), "mx": torch.maximum(a, x), "dv": a / x}


ALL.append(Case(
    "wide", {"x": ((70,), "f"), "c": ((), 11)},
    "  - dense: {units: 133, activation: relu, name: h1, input: x}\n  - dense: {units: 65, activation: silu, name: h2}\n"
    "  - dense: {units: 11, name: p}\n",
    lambda w, x: {"p": dense(w, "p", F.silu(dense(w, "h2", F.relu(dense(w, "h1", x["x"])))))}, {"p": "p"},
    "softmax_cross_entropy(p, c)", lambda v, x: F.cross_entropy(v["p"], x["c"]), "{adamw: {lr: 1e-3}}",
    lambda p: O.AdamW(p, 1e-3)))
ALL.append(Case(
    "frozen", {"x": ((6,), "f"), "t": ((3,), "f")},
    "  - dense: {units: 7, activation: tanh, name: h, input: x, frozen: true}\n  - dense: {units: 3, name: p}\n",
    lambda w, x: {"p": dense(w, "p", torch.tanh(dense(w, "h", x["x"])))}, {"p": "p"}, "mse(p, t)",
    lambda v, x: F.mse_loss(v["p"], x["t"]), frozen=("h.weight", "h.bias")))
