# SPDX-License-Identifier: MIT
"""Random small networks, seeded: what no list of cases holds."""
import random

import torch
import torch.nn.functional as F

from cases import Case, dense

UNARY = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu, "silu": F.silu, "softplus": F.softplus,
         "elu": F.elu, "mish": F.mish, "relu": F.relu}


def make(seed):
    """A chain of 3 to 8 random layers on [N, width] or [N, T, width], then a loss."""
    r = random.Random(seed)
    deep = r.random() < 0.4
    width = r.choice([1, 2, 3, 5, 8, 16, 17, 31, 33])
    shape = (r.choice([2, 3, 7]), width) if deep else (width,)
    lines, steps, last, skip = [], [], "x", {}
    for i in range(r.randint(3, 8)):
        name, kind = "v%d" % i, "dense" if i == 0 else r.choice(["dense", "dense", "act", "norm", "mix", "self", "soft", "skip"])
        if kind == "dense":
            width = r.choice([1, 2, 4, 7, 15, 16, 32, 40, 65])
            lines.append("  - dense: {units: %d, name: %s, input: %s, bias: %s}" % (width, name, last, r.choice(["true", "false"])))
            steps.append((name, lambda w, v, a=last, n=name: dense(w, n, v[a])))
        elif kind == "act":
            f = r.choice(list(UNARY))
            lines.append("  - %s: {name: %s, input: %s}" % (f, name, last))
            steps.append((name, lambda w, v, a=last, f=f: UNARY[f](v[a])))
        elif kind == "norm" and width > 2:
            lines.append("  - layernorm: {name: %s, input: %s}" % (name, last))
            steps.append((name, lambda w, v, a=last, n=name, k=width: F.layer_norm(v[a], (k,), w[n + ".weight"], w[n + ".bias"])))
        elif kind == "self" and deep:
            lines.append("  - {name: %s, expr: \"%s @ permute(%s, axes=[0, 2, 1]) @ %s / %d\"}" % (name, last, last, last, width))
            steps.append((name, lambda w, v, a=last, k=width: v[a] @ v[a].transpose(1, 2) @ v[a] / k))
        elif kind == "soft":
            lines.append("  - {name: %s, expr: \"softmax(%s) + 0.5 * %s\"}" % (name, last, last))
            steps.append((name, lambda w, v, a=last: F.softmax(v[a], -1) + 0.5 * v[a]))
        elif kind == "skip" and width in skip:
            other = skip[width]
            lines.append("  - {name: %s, expr: \"%s * sigmoid(%s) + %s\"}" % (name, last, other, other))
            steps.append((name, lambda w, v, a=last, b=other: v[a] * torch.sigmoid(v[b]) + v[b]))
        else:
            lines.append("  - {name: %s, expr: \"%s - mean(%s, axis=-1, keepdims=true) * 0.3 + 0.1 * %s ** 2\"}" % (name, last, last, last))
            steps.append((name, lambda w, v, a=last: v[a] - v[a].mean(-1, keepdim=True) * 0.3 + 0.1 * v[a] ** 2))
        skip[width], last = name, name

    def forward(w, x):
        v = {"x": x["x"]}
        for name, step in steps:
            v[name] = step(w, v)
        return {"y": torch.tanh(v[last])}

    lines.append("  - {name: y, expr: tanh(%s)}" % last)
    out = shape[:-1] + (width,)
    return Case("random_%d" % seed, {"x": (shape, "f"), "t": (out, "f")}, "\n".join(lines) + "\n", forward, {"y": "y"},
                "mse(y, t)", lambda v, x: F.mse_loss(v["y"], x["t"]), "{sgd: {lr: 0.05, momentum: 0.9}}",
                lambda p: torch.optim.SGD(p, 0.05, 0.9))
