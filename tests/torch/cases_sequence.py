# SPDX-License-Identifier: MIT
"""Layers of sequences: embedding, positions."""
import math

import torch
import torch.nn.functional as F

from case import Case, Input, classes, dense, real
from cases_layers import squares

CASES = []


def tokens(count, length, only=None):
    return Input("tokens: %d, shape: [%d]" % (count, length), lambda rng, n: rng.integers(0, only or count, (n, length)).astype("i4"))


def sinusoids(length, dim, dtype):
    t, i = torch.arange(length, dtype=dtype)[:, None], torch.arange(dim, dtype=dtype)[None, :]
    angle = t / 10000 ** (2 * torch.floor(i / 2) / dim)
    return torch.where(i % 2 == 1, torch.cos(angle), torch.sin(angle))


def sequence(name, inputs, text, forward, names, **more):
    CASES.append(Case(name, inputs, text, forward, names, *squares(names), **more))


# --- embedding -------------------------------------------------------------------------------------------------------------
def tagger(w, x):
    e = F.embedding(x["x"], w["e.weight"])
    p = e + w["pos.weight"]
    s = p + sinusoids(*p.shape[1:], p.dtype)
    return {"e": e, "h": torch.tanh(dense(w, "h", s)), "y": dense(w, "y", s.flatten(1))}


TAGGER = ("  - embedding: {count: 40, dim: 5, name: e, input: x}\n  - positional: {name: pos}\n  - positional: {kind: sinusoidal, name: s}\n"
          "  - dense: {units: 9, activation: tanh, name: h}\n  - flatten: {input: s}\n  - dense: {units: 3, name: y}\n")
OPTIMIZERS = {
    "sgd": ("{sgd: {lr: 0.1}}", lambda p: torch.optim.SGD(p, 0.1)),
    "adagrad": ("{adagrad: {lr: 0.1}}", lambda p: torch.optim.Adagrad(p, 0.1)),
    "momentum": ("{sgd: {lr: 0.1, momentum: 0.9, weight_decay: 0.1}}", lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.1)),
    "adam": ("{adam: {lr: 1e-2, eps: 1e-3}}", lambda p: torch.optim.Adam(p, 1e-2, eps=1e-3))}
for kind, (optimizer, make) in OPTIMIZERS.items():
    sequence("embedding_" + kind, {"x": tokens(40, 6, 12)}, TAGGER, tagger, ["e", "h", "y"], optimizer=optimizer, make=make)


def twice(w, x):  # a table read at two places, one of classes, and as the matrix of a product
    e = F.embedding(x["x"], w["tok.weight"])
    f = F.embedding(x["c"], w["tok.weight"])
    h = torch.tanh(dense(w, "h", e + f[:, None]))
    return {"f": f, "logits": h @ w["tok.weight"].T}


TWICE = ("  - embedding: {count: 23, dim: 8, name: tok, input: x}\n  - embedding: {count: 23, dim: 8, name: f, shared: tok, input: c}\n"
         "  - {name: s, expr: \"tok + reshape(f, [1, 8])\"}\n  - dense: {units: 8, activation: tanh, name: h}\n"
         "  - dense: {units: 23, bias: false, shared: tok, name: logits}\n")
for kind in ("sgd", "adam"):
    sequence("embedding_tied_" + kind, {"x": tokens(23, 5), "c": classes(23)}, TWICE, twice, ["f", "logits"], optimizer=OPTIMIZERS[kind][0],
             make=OPTIMIZERS[kind][1])
CASES.append(Case("embedding_clipped", {"x": tokens(40, 6, 12)}, TAGGER, tagger, ["e", "h", "y"], *squares(["e", "h", "y"]), clip_norm=0.5,
                  accumulate=2, train="epochs: 20\naccumulate: 2\nclip_norm: 0.5"))
# a table far longer than what a batch reads: its rows in a hash table
CASES.append(Case("embedding_long", {"x": tokens(5000, 3), "c": classes(4)},
                  "  - embedding: {count: 5000, dim: 300, name: tok, input: x}\n  - {name: m, expr: \"mean(tok, axis=1)\"}\n  - dense: {units: 4, name: y}\n",
                  lambda w, x: {"y": dense(w, "y", F.embedding(x["x"], w["tok.weight"]).mean(1))}, ["y"], "softmax_cross_entropy(y, c)",
                  lambda v, x: F.cross_entropy(v["y"], x["c"]), OPTIMIZERS["adagrad"][0], OPTIMIZERS["adagrad"][1]))
