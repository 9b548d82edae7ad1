# SPDX-License-Identifier: MIT
"""Every activation: as a layer, as `activation:`, as a function; at its corners and far out."""
import numpy as np
import torch
import torch.nn.functional as F

from case import Case, Input, dense, real

PLAIN = {
    "relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu,
    "gelu": F.gelu, "silu": F.silu, "mish": F.mish, "sigmoid": torch.sigmoid, "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish, "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign,
    "softmax": lambda a: F.softmax(a, -1), "log_softmax": lambda a: F.log_softmax(a, -1), "identity": lambda a: a}
# name: (layer, its arguments in YAML, the same in PyTorch)
VARIED = {
    "slope": ("leaky_relu", "slope: 0.2", lambda a: F.leaky_relu(a, 0.2)),
    "steep": ("leaky_relu", "slope: -1.5", lambda a: F.leaky_relu(a, -1.5)),
    "elu_alpha": ("elu", "alpha: 0.3", lambda a: F.elu(a, 0.3)),
    "celu_alpha": ("celu", "alpha: 0.3", lambda a: F.celu(a, 0.3)),
    "gelu_tanh": ("gelu", "tanh: true", lambda a: F.gelu(a, approximate="tanh")),
    "softmax_1": ("softmax", "axis: 1", lambda a: F.softmax(a, 1)),
    "softmax_2": ("softmax", "axis: -2", lambda a: F.softmax(a, -2)),
    "log_softmax_1": ("log_softmax", "axis: 1", lambda a: F.log_softmax(a, 1))}
ALL = [(n, n, "", f) for n, f in PLAIN.items()] + [(n,) + v for n, v in VARIED.items()]


def total(names):
    text = " + ".join("mean(%s * c)" % n for n in names)
    return text, lambda v, x: sum((v[n] * x["c"]).mean() for n in names)


def as_layers():
    def forward(w, x):
        v = {n: f(4 * dense(w, "d_" + n, x["x"])) for n, _, _, f in ALL}
        return dict(v, p=F.prelu(dense(w, "d_p", x["x"]), w["p.weight"]))
    layers = ""
    for n, kind, arguments, _ in ALL + [("p", "prelu", "", None)]:
        layers += "  - dense: {units: 7, name: d_%s, input: x}\n" % n
        layers += "  - {name: m_%s, expr: 4 * d_%s}\n" % (n, n) if kind != "prelu" else ""
        layers += "  - %s: {%sname: %s}\n" % (kind, arguments + ", " if arguments else "", n)
    names = [n for n, _, _, _ in ALL] + ["p"]
    return Case("activation_layers", {"x": real(3, 5), "c": real(3, 7)}, layers, forward, names, *total(names))


def as_arguments():
    def forward(w, x):
        v = {n: f(dense(w, n, x["x"])) for n, _, _, f in ALL}
        return dict(v, p=F.prelu(dense(w, "p", x["x"]), w["p.prelu.weight"]))
    layers = ""
    for n, kind, arguments, _ in ALL + [("p", "prelu", "", None)]:
        kind = "{%s: {%s}}" % (kind, arguments) if arguments else kind
        layers += "  - dense: {units: 7, name: %s, input: x, activation: %s}\n" % (n, kind)
    names = [n for n, _, _, _ in ALL] + ["p"]
    return Case("activation_arguments", {"x": real(3, 5), "c": real(3, 7)}, layers, forward, names, *total(names))


CORNERS = [0, -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 6, -6, 1, -1, 2.5, -2.5, 9, -9, 21, -21, 95, -95, 1000, -1000]


def at_corners():
    """Each has an input of its own, so that the gradient of that input is its own."""
    kinds = [a for a in ALL if not a[0].endswith(("_1", "_2"))]

    def draw(rng, n):
        values = np.array(CORNERS, "f4")
        return np.stack([values if i % 2 else rng.permutation(values) for i in range(n)])

    inputs = {"x_" + n: Input("shape: [%d]" % len(CORNERS), draw) for n, _, _, _ in kinds}
    inputs["c"] = real(len(CORNERS))
    layers = ""
    for n, kind, arguments, _ in kinds:
        arguments = "".join(", " + a.replace(": ", "=") for a in arguments.split(", ") if a)
        layers += "  - {name: %s, expr: \"%s(x_%s%s)\"}\n" % (n, kind, n, arguments)
    names = [n for n, _, _, _ in kinds]
    return Case("activation_corners", inputs, layers, lambda w, x: {n: f(x["x_" + n]) for n, _, _, f in kinds}, names,
                *total(names))


CASES = [as_layers(), as_arguments(), at_corners()]
