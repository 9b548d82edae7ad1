# SPDX-License-Identifier: MIT
"""Random small networks, seeded: what no list of cases holds.

A network grows by steps: each takes values made so far, of any shape, and makes another, as a line of YAML and as a
function of PyTorch. What nothing has used at the end goes into the loss. The optimiser, its options, the schedule, the
batch and clipping are drawn too.
"""
import math
import random

import torch
import torch.nn.functional as F

from case import Case, classes, dense, real

UNARY = {"relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu, "gelu": F.gelu,
         "silu": F.silu, "mish": F.mish, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": F.softplus,
         "softsign": F.softsign, "hardsigmoid": F.hardsigmoid}
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100]
MOST = 1500  # numbers of a sample, at most
BLOCK = """blocks:
  res:
    args: {wide: 4, out: 1, f: tanh}
    layers:
      - dense: {units: $wide, activation: $f, name: up}
      - dense: {units: $out, name: down}
      - {name: sum, expr: input + 0.5 * down}"""


class Net:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines, self.steps, self.shapes, self.used, self.weights = [], [], {}, set(), {}
        self.frozen, self.blocks = [], False
        torch.manual_seed(seed)
        self.values = {}  # of 3 samples, to see shapes and sizes

    def input(self, name, shape):
        self.shapes[name] = shape
        self.values[name] = torch.randn((3,) + shape, dtype=torch.float64)

    def pick(self, fits=lambda shape: True):
        """A value, a late one more likely; None where none fits."""
        names = [n for n, s in self.shapes.items() if fits(s)]
        if not names:
            return None
        fresh = [n for n in names if n not in self.used]
        return self.r.choice(fresh if fresh and self.r.random() < 0.6 else names[-4:])

    def add(self, yaml, function, inputs, weights=None):
        """yaml holds %s for its name. Refused (None) where the value is too large or not finite."""
        name = "v%d" % len(self.steps)
        new = {name + "." + k: torch.randn(s, dtype=torch.float64) / math.sqrt(s[-1]) for k, s in (weights or {}).items()}
        value = function(dict(self.weights, **new), self.values, name)
        if value[0].numel() > MOST or not torch.isfinite(value).all() or value.abs().max() > 30:
            return None
        self.weights.update(new)
        self.values[name], self.shapes[name] = value, tuple(value.shape[1:])
        self.lines.append("  - " + yaml.replace("%s", name))
        self.steps.append((name, function))
        self.used.update(inputs)
        return name

    def expr(self, text, function, *inputs):
        return self.add('{name: %%s, expr: "%s"}' % text, lambda w, v, n: function(*[v[i] for i in inputs]), inputs)


def step_dense(net):
    a, units = net.pick(lambda s: len(s) > 0), net.r.choice(SIZES)
    bias, activation = net.r.random() < 0.7, net.r.choice(list(UNARY) + ["identity"] * 6)
    f, frozen = UNARY.get(activation, lambda t: t), bool(net.steps) and net.r.random() < 0.08
    if not a:
        return
    weights = {"weight": (units, net.shapes[a][-1])}
    if bias:
        weights["bias"] = (units,)
    name = net.add("dense: {units: %d, bias: %s, activation: %s, frozen: %s, input: %s, name: %%s}" % (
        units, str(bias).lower(), activation, str(frozen).lower(), a), lambda w, v, n: f(dense(w, n, v[a])), [a], weights)
    if name and frozen:
        net.frozen += [name + "." + k for k in weights]


def step_shared(net):
    a = net.pick(lambda s: len(s) > 0)
    other = [n[:-7] for n, t in net.weights.items() if a and t.dim() == 2 and t.shape[1] == net.shapes[a][-1] and "." not in n[:-7]
             and n not in net.frozen]
    if other:
        o = net.r.choice(other)
        units, bias = len(net.weights[o + ".weight"]), o + ".bias" in net.weights
        net.add("dense: {units: %d, bias: %s, shared: %s, input: %s, name: %%s}" % (units, str(bias).lower(), o, a),
                lambda w, v, n: dense(w, o, v[a]), [a])


def step_block(net):
    a, wide, repeat = net.pick(lambda s: len(s) > 0), net.r.choice(SIZES), net.r.choice([None, 1, 2, 3])
    if not a:
        return
    out, f, weights = net.shapes[a][-1], net.r.choice(list(UNARY)), {}
    prefixes = [""] if repeat is None else ["%d." % i for i in range(repeat)]
    for p in prefixes:
        weights.update({p + "up.weight": (wide, out), p + "up.bias": (wide,), p + "down.weight": (out, wide), p + "down.bias": (out,)})

    def function(w, v, n):
        x = v[a]
        for p in prefixes:
            x = x + 0.5 * dense(w, n + "." + p + "down", UNARY[f](dense(w, n + "." + p + "up", x)))
        return x

    times = ", repeat: %d" % repeat if repeat else ""
    if net.add("res: {wide: %d, out: %d, f: %s%s, input: %s, name: %%s}" % (wide, out, f, times, a), function, [a], weights):
        net.blocks = True


def step_unary(net):
    a, f = net.pick(), net.r.choice(list(UNARY))
    net.add("%s: {input: %s, name: %%s}" % (f, a), lambda w, v, n: UNARY[f](v[a]), [a])


def step_norm(net):
    a = net.pick(lambda s: len(s) and s[-1] > 2)
    if not a or net.values[a].std(-1).min() < 0.02:  # what divides by that is rounding
        return
    k = net.shapes[a][-1]
    if net.r.random() < 0.5:
        net.add("layernorm: {input: %s, name: %%s}" % a,
                lambda w, v, n: F.layer_norm(v[a], (k,), w[n + ".weight"], w[n + ".bias"], 1e-5), [a], {"weight": (k,), "bias": (k,)})
    else:
        net.add("rmsnorm: {input: %s, name: %%s, eps: 0.01}" % a,
                lambda w, v, n: v[a] * torch.rsqrt((v[a] ** 2).mean(-1, keepdim=True) + 0.01) * w[n + ".weight"], [a], {"weight": (k,)})


def step_softmax(net):
    a = net.pick(lambda s: len(s) > 0)
    if a:
        axis = net.r.randrange(1, len(net.shapes[a]) + 1)
        log = net.r.random() < 0.3
        net.add("%s: {axis: %d, input: %s, name: %%s}" % ("log_softmax" if log else "softmax", axis, a),
                lambda w, v, n: (F.log_softmax if log else F.softmax)(v[a], axis), [a])


def broadcasts(s, t):
    return len(s) == len(t) and all(a == b or a == 1 or b == 1 for a, b in zip(s, t))


BINARY = {"%s + %s": lambda a, b: a + b, "%s - 0.5 * %s": lambda a, b: a - 0.5 * b, "%s * sigmoid(%s)": lambda a, b: a * torch.sigmoid(b),
          "%s / (1 + %s ** 2)": lambda a, b: a / (1 + b ** 2), "max(%s, %s)": torch.maximum, "min(%s, %s) * 2": lambda a, b: torch.minimum(a, b) * 2,
          "where(%s > %s, 0.3, 1) - 1": lambda a, b: torch.where(a > b, 0.3, 1.0).to(a.dtype) - 1,
          "(%s <= 0.2) * %s": lambda a, b: (a <= 0.2) * b, "abs(%s - tanh(%s)) ** 1.5": lambda a, b: (a - torch.tanh(b)).abs() ** 1.5,
          "exp(-(%s ** 2)) * %s": lambda a, b: torch.exp(-a ** 2) * b, "sqrt(%s ** 2 + 0.1) - %s": lambda a, b: (a ** 2 + 0.1).sqrt() - b}


def step_binary(net):
    a = net.pick()
    b = net.pick(lambda s: broadcasts(s, net.shapes[a]))
    text = net.r.choice(list(BINARY))
    net.expr(text % (a, b), BINARY[text], a, b)


def step_reduce(net):
    a = net.pick(lambda s: len(s) > 0)
    if not a:
        return
    axes = sorted(net.r.sample(range(1, len(net.shapes[a]) + 1), net.r.randint(1, len(net.shapes[a]))))
    kind, keep = net.r.choice(["mean", "sum", "amax", "amin"]), net.r.random() < 0.6
    scale = 0.3 if kind == "sum" else 1
    net.expr("%g * %s(%s, axis=%s, keepdims=%s)" % (scale, kind, a, axes, str(keep).lower()),
             lambda t: scale * getattr(t, kind)(axes, keepdim=keep), a)


def step_centre(net):
    a = net.pick(lambda s: len(s) > 0)
    if a:
        axis = net.r.randrange(1, len(net.shapes[a]) + 1)
        net.expr("%s - mean(%s, axis=%d, keepdims=true) * 0.7" % (a, a, axis), lambda t: t - t.mean(axis, keepdim=True) * 0.7, a)


def step_matmul(net):
    a = net.pick(lambda s: len(s) >= 2)
    b = a and net.pick(lambda s: len(s) == len(net.shapes[a]) and s[-2] == net.shapes[a][-1] and broadcasts(s[:-2], net.shapes[a][:-2]))
    if b and net.r.random() < 0.6:
        net.expr("%s @ %s / 4" % (a, b), lambda s, t: s @ t / 4, a, b)
    elif a:
        rank = len(net.shapes[a]) + 1
        swap = list(range(rank - 2)) + [rank - 1, rank - 2]
        k = net.shapes[a][-1]
        net.expr("%s @ permute(%s, axes=%s) / %d" % (a, a, swap, k), lambda t: t @ t.transpose(-1, -2) / k, a)


def step_permute(net):
    a = net.pick(lambda s: len(s) >= 2)
    if a:
        axes = list(range(1, len(net.shapes[a]) + 1))
        net.r.shuffle(axes)
        net.add("permute: {axes: %s, input: %s, name: %%s}" % ([0] + axes, a), lambda w, v, n: v[a].permute([0] + axes), [a])


def step_reshape(net):
    a = net.pick()
    count = math.prod(net.shapes[a])
    first = net.r.choice([d for d in range(1, count + 1) if count % d == 0])
    second = net.r.choice([d for d in range(1, count // first + 1) if count // first % d == 0])
    shape = net.r.choice([[count], [first, -1], [first, second, -1], [-1, first]])
    net.add("reshape: {shape: %s, input: %s, name: %%s}" % (shape, a), lambda w, v, n: v[a].reshape([len(v[a])] + shape), [a])


def step_slice(net):
    a = net.pick(lambda s: any(d > 2 for d in s))
    if not a:
        return
    axis = net.r.choice([i + 1 for i, d in enumerate(net.shapes[a]) if d > 2])
    length = net.shapes[a][axis - 1]
    start = net.r.randrange(length - 1)
    end, by = net.r.randint(start + 1, length), net.r.randint(1, 3)
    index = [":"] * axis + ["%d:%d:%d" % (start, end, by)]
    net.expr("%s[%s]" % (a, ", ".join(index)), lambda t: t[(slice(None),) * axis + (slice(start, end, by),)], a)


def step_pad(net):
    a = net.pick(lambda s: len(s) > 0)
    if not a:
        return
    rank = len(net.shapes[a])
    axis, before, after, value = net.r.randint(1, rank), net.r.randint(0, 2), net.r.randint(0, 2), net.r.choice([0, 0, -1.5])
    widths = [0, 0] * (rank - axis) + [before, after]
    net.add("pad: {axes: {%d: [%d, %d]}, value: %g, input: %s, name: %%s}" % (axis, before, after, value, a),
            lambda w, v, n: F.pad(v[a], widths, value=value), [a])


def step_concat(net):
    a = net.pick(lambda s: len(s) > 0)
    if not a:
        return
    axis = net.r.randint(1, len(net.shapes[a]))
    rest = lambda s: s[:axis - 1] + s[axis:]
    b = net.pick(lambda s: len(s) == len(net.shapes[a]) and rest(s) == rest(net.shapes[a]))
    parts = net.r.choice([[a, b], [b, a], [a, b, a]])
    if net.r.random() < 0.3 and net.shapes[a] == net.shapes[b]:
        net.add("stack: {axis: %d, input: %s, name: %%s}" % (axis, parts), lambda w, v, n: torch.stack([v[p] for p in parts], axis), parts)
    else:
        net.add("concat: {axis: %d, input: %s, name: %%s}" % (axis, parts), lambda w, v, n: torch.cat([v[p] for p in parts], axis), parts)


STEPS = [step_dense] * 5 + [step_shared, step_block] + [step_unary] * 2 + [step_norm] * 2 + [step_softmax, step_reduce, step_centre, step_matmul, step_permute,
                                                                 step_reshape, step_slice, step_pad, step_concat] + [step_binary] * 4


def optimiser(r):
    """(YAML, function): options whose training does not hang on the last bit of a gradient."""
    lr = r.choice([0.01, 0.03])
    kind = r.choice(["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad"])
    decay = r.choice([0, 0, 0.1])
    O = torch.optim
    return {
        "sgd": ("{sgd: {lr: %g, weight_decay: %g}}" % (lr, decay), lambda p: O.SGD(p, lr, weight_decay=decay)),
        "momentum": ("{sgd: {lr: %g, momentum: 0.8, weight_decay: %g}}" % (lr, decay), lambda p: O.SGD(p, lr, 0.8, weight_decay=decay)),
        "nesterov": ("{sgd: {lr: %g, momentum: 0.5, nesterov: true}}" % lr, lambda p: O.SGD(p, lr, 0.5, nesterov=True)),
        "adam": ("{adam: {lr: %g, eps: 1e-2, weight_decay: %g}}" % (lr, decay), lambda p: O.Adam(p, lr, eps=1e-2, weight_decay=decay)),
        "adamw": ("{adamw: {lr: %g, eps: 1e-2}}" % lr, lambda p: O.AdamW(p, lr, eps=1e-2)),
        "rmsprop": ("{rmsprop: {lr: %g, eps: 1e-1, momentum: 0.3}}" % lr, lambda p: O.RMSprop(p, lr, eps=1e-1, momentum=0.3)),
        "adagrad": ("{adagrad: {lr: %g, eps: 1e-2}}" % lr, lambda p: O.Adagrad(p, lr, eps=1e-2))}[kind]


def make(seed):
    net = Net(seed)
    r = net.r
    for i in range(r.choice([1, 1, 2])):
        shape = tuple(r.choice(SIZES) if r.random() < 0.6 else r.randint(1, 4) for _ in range(r.choice([1, 1, 2, 2, 3])))
        while math.prod(shape) > MOST:
            shape = shape[1:]
        net.input("x%d" % i, shape if r.random() < 0.95 or not i else ())
    inputs = dict(net.shapes)
    size, tries = r.randint(3, 14), 0
    step_dense(net)
    while len(net.steps) < size and tries < 200:
        r.choice(STEPS)(net)
        tries += 1
    for name in set(inputs) - net.used:
        net.expr("tanh(%s)" % name, torch.tanh, name)

    left = [n for n, _ in net.steps if n not in net.used]
    terms = ["mean(tanh(%s) * (%s + 0.5))" % (n, n) for n in left]
    functions = [lambda v, x, n=n: (torch.tanh(v[n]) * (v[n] + 0.5)).mean() for n in left]
    drawn = {n: real(*s) for n, s in inputs.items()}
    terms.append("0.1 * mean(v0 * v0)")  # so that something trains
    functions.append(lambda v, x: 0.1 * (v["v0"] ** 2).mean())
    end = left[-1]
    if len(net.shapes[end]) == 1 and net.shapes[end][0] > 1 and r.random() < 0.6:
        drawn["c"] = classes(net.shapes[end][0])
        smoothing = r.choice([0, 0.1])
        terms.append("softmax_cross_entropy(%s, c, smoothing=%g)" % (end, smoothing))
        functions.append(lambda v, x: F.cross_entropy(v[end], x["c"], label_smoothing=smoothing))
    elif r.random() < 0.7:
        drawn["t"] = real(*net.shapes[end])
        loss, f = r.choice([("mse", F.mse_loss), ("huber", F.huber_loss)])
        terms.append("%s(%s, t)" % (loss, end))
        functions.append(lambda v, x: f(v[end], x["t"]))

    def forward(w, x):
        v = dict(x)
        for name, step in net.steps:
            v[name] = step(w, v, name)
        return v

    text, maker = optimiser(r)
    train, more = "epochs: 9", {}
    if r.random() < 0.3:
        train, more["clip_norm"] = train + "\nclip_norm: 0.5", 0.5
    if r.random() < 0.2:
        train, more["accumulate"] = train + "\naccumulate: 2", 2
    if r.random() < 0.3:
        train, more["rate"] = train + "\nschedule: {exponential: {gamma: 0.9}}", lambda b, s, e: b * 0.9 ** s
    flags = r.choice([(), (), (), (), ("-O0",), ("--exact",), ("--single-file",), ("--target=generic",), ("--no-pass=fuse",),
                      ("--no-pass=simplify",), ("--no-pass=layout",), ("--no-pass=cse", "--no-pass=layout")])
    return Case("random_%d" % seed, drawn, "\n".join(net.lines) + "\n", forward, sorted(set(left + [r.choice(net.steps)[0]])),
                " + ".join(terms), lambda v, x: sum(f(v, x) for f in functions), text, maker, train=train,
                batch=r.choice([1, 2, 4, 5, 8, 8, 16, 27, 32]), rough=True, flags=flags,
                quick=seed % 4 != 0 or "--single-file" in flags,
                top=BLOCK if net.blocks else "", frozen=net.frozen, **more)
