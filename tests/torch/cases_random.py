# SPDX-License-Identifier: MIT
"""Initial weights, dropout, random functions: their distributions, what seeds do."""
import math

import numpy as np
import torch

from case import Case, real
from check import Built, Wrong, within

UNITS, IN = 150, 100
I = torch.nn.init
# name: (init: in YAML, what PyTorch does to a tensor)
INITS = {
    "default": ("default", lambda t: I.kaiming_uniform_(t, a=math.sqrt(5))),
    "zeros": ("zeros", I.zeros_), "ones": ("ones", I.ones_), "constant": ("{constant: -0.7}", lambda t: I.constant_(t, -0.7)),
    "uniform": ("uniform", I.uniform_), "uniform_ab": ("{uniform: [-2, 0.5]}", lambda t: I.uniform_(t, -2, 0.5)),
    "normal": ("normal", I.normal_), "normal_ms": ("{normal: {mean: 3, std: 0.2}}", lambda t: I.normal_(t, 3, 0.2)),
    "xavier_uniform": ("xavier_uniform", I.xavier_uniform_),
    "xavier_uniform_gain": ("{xavier_uniform: {gain: 2}}", lambda t: I.xavier_uniform_(t, 2)),
    "xavier_normal": ("{xavier_normal: {gain: 0.5}}", lambda t: I.xavier_normal_(t, 0.5)),
    "kaiming_uniform": ("kaiming_uniform", I.kaiming_uniform_),
    "kaiming_uniform_out": ("{kaiming_uniform: {mode: fan_out, nonlinearity: tanh}}",
                            lambda t: I.kaiming_uniform_(t, mode="fan_out", nonlinearity="tanh")),
    "kaiming_normal": ("kaiming_normal", I.kaiming_normal_),
    "kaiming_normal_a": ("{kaiming_normal: {a: 2, mode: fan_out}}", lambda t: I.kaiming_normal_(t, a=2, mode="fan_out")),
    "kaiming_normal_relu": ("{kaiming_normal: {nonlinearity: relu}}", lambda t: I.kaiming_normal_(t, nonlinearity="relu")),
    "truncated_normal": ("truncated_normal", lambda t: I.trunc_normal_(t, 0, 1, -2, 2)),
    "truncated_normal_ms": ("{truncated_normal: [1, 0.3]}", lambda t: I.trunc_normal_(t, 1, 0.3, 0.4, 1.6)),
    "orthogonal": ("orthogonal", I.orthogonal_), "orthogonal_gain": ("{orthogonal: {gain: 3}}", lambda t: I.orthogonal_(t, 3))}


def kolmogorov_smirnov(a, b):
    """The largest distance between the distribution functions of two samples."""
    both = np.concatenate([a, b])
    return np.abs(np.searchsorted(np.sort(a), both, "right") / a.size - np.searchsorted(np.sort(b), both, "right") / b.size).max()


def check_distribution(name, got, fill):
    want = torch.empty(got.shape)
    fill(want)
    got, want = got.ravel(), want.numpy().ravel()
    if want.min() == want.max():
        return within("init " + name, got, want, 0)
    # two samples of n from one distribution are farther apart than 2.6 / sqrt(n) one time in 400,000
    far = kolmogorov_smirnov(got, want)
    if far > 2.6 / math.sqrt(got.size):
        raise Wrong("init %s: distributions differ by %.3g: mean %.4g, %.4g, deviation %.4g, %.4g" % (
            name, far, got.mean(), want.mean(), got.std(), want.std()))
    if "normal" not in name or "truncated" in name:
        slack = 0.02 * (want.max() - want.min())
        if "orthogonal" not in name and (abs(got.min() - want.min()) > slack or abs(got.max() - want.max()) > slack):
            raise Wrong("init %s: bounds %.4g, %.4g, not %.4g, %.4g" % (name, got.min(), got.max(), want.min(), want.max()))
    if np.unique(got).size < 0.97 * got.size:
        raise Wrong("init %s: numbers repeat" % name)


def orthogonal(name, weight, gain):
    small = weight if weight.shape[0] <= weight.shape[1] else weight.T
    within("init " + name, small @ small.T, gain ** 2 * np.eye(len(small)), 1e-4)


def check_init(case, nncc, work, seed):
    torch.manual_seed(1)
    b = Built(case, nncc, work, seed)
    for name, (_, fill) in INITS.items():
        check_distribution(name, b.weights[name + ".weight"], fill)
        bias = torch.nn.Linear(IN, 40 * UNITS).bias.detach().numpy()
        far = kolmogorov_smirnov(b.weights[name + ".bias"], bias)
        if far > 0.21:  # of 150 numbers
            raise Wrong("init %s: the bias is far from PyTorch's by %.3g" % (name, far))
    orthogonal("tall", b.weights["orthogonal.weight"], 1)
    orthogonal("gain", b.weights["orthogonal_gain.weight"], 3)
    orthogonal("wide", b.weights["wide.weight"], 1)
    orthogonal("square", b.weights["square.weight"], 1)
    within("init layernorm", b.weights["norm.weight"], np.ones(50), 0)
    within("init layernorm", b.weights["norm.bias"], np.zeros(50), 0)
    within("init prelu", b.weights["slope.weight"], [0.25], 0)
    if np.corrcoef(b.weights["normal.weight"].ravel(), b.weights["normal_ms.weight"].ravel())[0, 1] > 0.05:
        raise Wrong("init: two weights draw the same numbers")
    b.run("init", "--seed", str(seed + 1), "-o", "again.safetensors")
    b.run("init", "--seed", str(seed + 2), "-o", "other.safetensors")
    again, other = b.load("again.safetensors"), b.load("other.safetensors")
    if any(not np.array_equal(again[n], w) for n, w in b.weights.items()):
        raise Wrong("init: one seed, two results")
    if np.corrcoef(other["normal.weight"].ravel(), b.weights["normal.weight"].ravel())[0, 1] > 0.05:
        raise Wrong("init: two seeds, one result")


def init_case():
    layers = "".join("  - dense: {units: %d, name: %s, input: x, init: %s}\n" % (UNITS, n, text) for n, (text, _) in INITS.items())
    layers += "  - dense: {units: 50, name: wide, input: x, init: orthogonal}\n  - layernorm: {name: norm}\n  - prelu: {name: slope}\n"
    layers += "  - dense: {units: %d, name: square, input: x, init: orthogonal}\n" % IN
    values = list(INITS) + ["slope", "square"]
    case = Case("init", {"x": real(IN)}, layers, None, {n: n for n in values}, " + ".join("mean(%s)" % n for n in values), None)
    case.check = check_init
    return case


KERNELS = {"conv2d": "{out: 40, kernel: [3, 5]", "conv_transpose2d": "{out: 40, kernel: [3, 5]", "conv1d": "{out: 96, kernel: 7, groups: 2, input: y",
           "conv_transpose1d": "{out: 96, kernel: 7, groups: 2, input: y"}
IMAGE_INITS = ["default", "xavier_uniform", "kaiming_uniform_out", "kaiming_normal", "orthogonal"]


def check_init_conv(case, nncc, work, seed):
    """What comes into and goes out of a weight of a convolution counts the kernel's places; a bias is bounded by the same."""
    torch.manual_seed(2)
    b = Built(case, nncc, work, seed)
    for kind in KERNELS:
        for name in IMAGE_INITS:
            key = "%s_%s" % (kind, name)
            check_distribution(key, b.weights[key + ".weight"], INITS[name][1])
            weight = b.weights[key + ".weight"]
            bound = 1 / math.sqrt(weight[0].size)
            bias = b.weights[key + ".bias"]
            if abs(bias).max() > bound or abs(bias).max() < 0.9 * bound:
                raise Wrong("init %s: the bias is bounded by %.4g, not %.4g" % (key, abs(bias).max(), bound))
    for key, want in (("norm.weight", 1), ("norm.bias", 0), ("norm.running_mean", 0), ("norm.running_var", 1)):
        within("init " + key, b.weights[key], np.full(24, want), 0)


def init_conv_case():
    layers, values = "  - batchnorm: {name: norm, input: x}\n", ["norm"]
    for kind, text in KERNELS.items():
        for name in IMAGE_INITS:
            source = "" if "input" in text else ", input: x"
            layers += "  - %s: %s%s, init: %s, name: %s_%s}\n" % (kind, text, source, INITS[name][0], kind, name)
            values.append("%s_%s" % (kind, name))
    case = Case("init_conv", {"x": real(24, 4, 6), "y": real(32, 9)}, layers, None, {n: n for n in values},
                " + ".join("mean(%s)" % n for n in values), None, flags=("--no-train",), quick=True)
    case.check = check_init_conv
    return case


RATES = {"a": 0.5, "b": 0.1, "c": 0.9, "d": 0, "e": 1}
WIDTH = 600


def gradients_by_seed(case, b, seeds):
    """What `grad` gives on the first batch with each seed."""
    for name, a in b.data.items():
        np.save("%s/b_%s.npy" % (b.folder, name), a[:case.batch])
    grads = []
    for number, s in enumerate(seeds):
        b.run("grad", "--seed", str(s), "--weights", "w.safetensors", *b.files("--input", "b_"), "-o", "g%d.safetensors" % number)
        grads.append(b.load("g%d.safetensors" % number))
    return grads


def check_dropout(case, nncc, work, seed):
    """Training keeps a share of 1 - p, each divided by that; predict and eval keep all."""
    b = Built(case, nncc, work, seed)
    b.run("predict", "--weights", "w.safetensors", *b.files("--input"), "--output", "kept=kept.npy")
    within("predict", b.load("kept.npy"), b.data["a"], 0)
    lines = dict(line.split(": ") for line in b.run("eval", "--weights", "w.safetensors", *b.files("--data")).splitlines())
    within("eval loss", float(lines["loss"]), sum(a.sum(dtype="f8") for a in b.data.values()) / 27 * 8, 1, floor=1e9)
    grads = gradients_by_seed(case, b, [3, 3, 4])
    for name, p in RATES.items():
        first, again, other = (g["input." + name] for g in grads)
        kept = first != 0
        if not np.array_equal(first, again):
            raise Wrong("dropout: one seed, two results")
        if 0 < p < 1 and np.array_equal(first, other):
            raise Wrong("dropout: two seeds, one result")
        within("kept values", first[kept], np.full(kept.sum(), 1 / (1 - p) if p < 1 else 0), 1e-6)
        deviation = math.sqrt(p * (1 - p) / first.size)
        if abs(kept.mean() - (1 - p)) > 5 * deviation:
            raise Wrong("dropout %g: %.4f are kept" % (p, kept.mean()))
        rows = kept.mean(1)
        if 0 < p < 1 and (len(np.unique(first, axis=0)) < case.batch or abs(rows - (1 - p)).max() > 6 * math.sqrt(p * (1 - p) / WIDTH)):
            raise Wrong("dropout %g: samples are not independent" % p)
    if np.array_equal(grads[0]["input.a"] != 0, grads[0]["input.a2"] != 0):
        raise Wrong("dropout: two layers draw the same numbers")
    # the loss is that of the very mask whose gradient it has
    within("loss", grads[0]["loss"].reshape(()), sum((grads[0]["input." + n] * b.data[n][:case.batch]).sum(dtype="f8") for n in b.data),
           1e-4, floor=10)


def dropout_case():
    names = list(RATES) + ["a2"]
    layers = "".join("  - dropout: {p: %s, input: %s, name: d_%s}\n" % (RATES.get(n, 0.5), n, n) for n in names)
    case = Case("dropout", {n: real(WIDTH) for n in names}, layers, None, {"kept": "d_a"}, " + ".join("sum(d_%s)" % n for n in names), None)
    case.check = check_dropout
    return case


# Of each function the gradient by `by` is what was drawn, where the loss is its sum: of location + scale * (standard
# number) by scale, of bernoulli(p) times w by w. name: (expression, by, what PyTorch draws, its mean).
D = torch.distributions
DRAWN = {
    "normal": ("normal(a, s_normal)", "s_normal", D.Normal(0., 1.)),
    "normal_like": ("s_normal_like * normal_like(a)", "s_normal_like", D.Normal(0., 1.)),
    "uniform": ("uniform(a, a + s_uniform)", "s_uniform", D.Uniform(0., 1.)),
    "gumbel": ("gumbel(a, s_gumbel)", "s_gumbel", D.Gumbel(0., 1.)),
    "bernoulli": ("s_bernoulli * bernoulli(0.3 + 0 * a)", "s_bernoulli", D.Bernoulli(torch.tensor(0.3))),
    "normal_shape": ("s_normal_shape * normal(0, 1, shape=[%d])" % WIDTH, "s_normal_shape", D.Normal(0., 1.)),
    "uniform_shape": ("uniform(0, s_uniform_shape, shape=[%d])" % WIDTH, "s_uniform_shape", D.Uniform(0., 1.)),
    "gumbel_shape": ("gumbel(0, s_gumbel_shape, shape=[%d])" % WIDTH, "s_gumbel_shape", D.Gumbel(0., 1.)),
    "bernoulli_shape": ("s_bernoulli_shape * bernoulli(0.3, shape=[%d])" % WIDTH, "s_bernoulli_shape",
                        D.Bernoulli(torch.tensor(0.3)))}


def check_random(case, nncc, work, seed):
    """Gradients are what is drawn: distributed as PyTorch's, new for another seed, the loss that of the same numbers."""
    torch.manual_seed(seed)
    b = Built(case, nncc, work, seed)
    grads = gradients_by_seed(case, b, [3, 3, 4])
    size = case.batch * WIDTH
    loss = 0
    for name, (_, by, law) in DRAWN.items():
        first, again, other = (g["input." + by].ravel() for g in grads)
        if not np.array_equal(first, again):
            raise Wrong("%s: one seed, two results" % name)
        if (first == other).mean() > 0.65:
            raise Wrong("%s: two seeds, one result" % name)
        far = kolmogorov_smirnov(first, law.sample((size,)).numpy())
        if far > 2.6 / math.sqrt(size):
            raise Wrong("%s: distributions differ by %.3g" % (name, far))
        rows = first.reshape(case.batch, WIDTH).astype("f8") - float(law.mean)
        if np.abs(np.corrcoef(rows) - np.eye(case.batch)).max() > 6 / math.sqrt(WIDTH):
            raise Wrong("%s: samples are not independent" % name)
        loss += (first.reshape(-1, WIDTH) * b.data[by][:case.batch]).sum(dtype="f8")
    located = 3 * b.data["a"][:case.batch].sum(dtype="f8")  # of normal, uniform, gumbel
    within("loss", grads[0]["loss"].reshape(()), loss + located, 1e-4, floor=100)
    if abs(np.corrcoef(grads[0]["input.s_normal"].ravel(), grads[0]["input.s_normal_like"].ravel())[0, 1]) > 6 / math.sqrt(size):
        raise Wrong("two calls draw the same numbers")

    # predict takes means; eval draws, a batch at a time, the same each time
    b.run("predict", "--weights", "w.safetensors", *b.files("--input"), *(x for n in DRAWN for x in ("--output", "%s=%s.npy" % (n, n))))
    means = {"normal": b.data["a"], "normal_like": 0, "uniform": b.data["a"] + 0.5 * b.data["s_uniform"],
             "gumbel": b.data["a"] + 0.57721566 * b.data["s_gumbel"], "bernoulli": 0.3 * b.data["s_bernoulli"],
             "normal_shape": 0, "uniform_shape": 0.5 * b.data["s_uniform_shape"],
             "gumbel_shape": 0.57721566 * b.data["s_gumbel_shape"], "bernoulli_shape": 0.3 * b.data["s_bernoulli_shape"]}
    for name, want in means.items():
        within("predict " + name, b.load(name + ".npy"), np.broadcast_to(want, b.data["a"].shape), 1e-6)
    for name, a in b.data.items():
        np.save("%s/twice_%s.npy" % (b.folder, name), np.concatenate([a[:case.batch]] * 2))
    once, again, twice = (b.run("eval", "--weights", "w.safetensors", *b.files("--data", p)) for p in ("b_", "b_", "twice_"))
    if once != again:
        raise Wrong("eval: two results: %s, %s" % (once, again))
    if once == twice:
        raise Wrong("eval: two batches, the same numbers drawn")


def random_case():
    inputs = {"a": real(WIDTH), **{by: real(WIDTH) for _, by, _ in DRAWN.values()}}
    layers = "".join('  - {name: d_%s, expr: "%s"}\n' % (name, text) for name, (text, _, _) in DRAWN.items())
    case = Case("random_functions", inputs, layers, None, {n: "d_" + n for n in DRAWN}, " + ".join("sum(d_%s)" % n for n in DRAWN), None)
    case.check = check_random
    return case


CASES = [init_case(), init_conv_case(), dropout_case(), random_case()]
