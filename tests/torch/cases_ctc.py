# SPDX-License-Identifier: MIT
"""CTC: lengths of all kinds, repeated labels, targets that fit exactly and such that do not, any blank."""
import numpy as np
import torch
import torch.nn.functional as F

from case import Case, Input, dense, real

CASES = []


def labels(classes, most, blank=0):
    """Labels, none of them the blank; few kinds, so that many are repeated."""
    known = np.array([c for c in range(classes) if c != blank])
    return Input("classes: %d, shape: [%d]" % (classes, most), lambda rng, n: rng.choice(known, (n, most)).astype("i4"))


def lengths(low, high):
    return Input("shape: []", lambda rng, n: rng.integers(low, high + 1, n).astype("f4"))


def loss(v, x, targets, frames, count, reduction="mean", blank=0, zero_infinity=False):
    p = torch.log_softmax(v["p"], -1).transpose(0, 1)
    n = p.shape[1]
    frames = x[frames].long() if frames else torch.full((n,), p.shape[0])
    count = x[count].long() if count else torch.full((n,), x[targets].shape[1])
    return F.ctc_loss(p, x[targets], frames, count, blank=blank, reduction=reduction, zero_infinity=zero_infinity)


def ctc(name, steps, classes, inputs, text, loss_of, **more):
    layers = "  - dense: {units: %d, name: p, input: x}\n" % classes
    CASES.append(Case(name, dict({"x": real(steps, 6, scale=2.0)}, **inputs), layers, lambda w, x: {"p": dense(w, "p", x["x"])},
                      ["p"], text, loss_of, **more))


ctc("ctc_lengths", 12, 5,
    {"t": labels(5, 4), "z": labels(5, 5, blank=3), "f": lengths(9, 12), "k": lengths(0, 4), "u": real()},
    "{a: \"ctc(p, t, f, k)\", b: \"ctc(p, t, input_lengths=f, target_lengths=k, reduction=sum)\", "
    "c: \"sum(ctc(p, z, blank=3, reduction=none) * u)\", d: \"ctc(p, t, target_lengths=k)\"}\n"
    "loss_weights: {b: 0.02, c: 0.05}",
    lambda v, x: loss(v, x, "t", "f", "k") + 0.02 * loss(v, x, "t", "f", "k", "sum") + loss(v, x, "t", None, "k")
    + 0.05 * (loss(v, x, "z", None, None, "none", blank=3) * x["u"]).sum())
ctc("ctc_impossible", 6, 4, {"t": labels(4, 6), "f": lengths(1, 6), "k": lengths(0, 6)},
    "ctc(p, t, f, k, zero_infinity=true)",
    lambda v, x: loss(v, x, "t", "f", "k", zero_infinity=True))
ctc("ctc_exact", 5, 9, {"t": Input("classes: 9, shape: [5]", lambda rng, n: np.stack([1 + rng.permutation(8)[:5] for _ in range(n)]).astype("i4"))},
    "ctc(p, t)", lambda v, x: loss(v, x, "t", None, None))
ctc("ctc_long", 190, 30, {"t": labels(30, 40), "f": lengths(120, 190), "k": lengths(20, 40)},
    "ctc(p, t, f, k)", lambda v, x: loss(v, x, "t", "f", "k"), batch=4, optimizer="{adam: {lr: 1e-3}}",
    make=lambda p: torch.optim.Adam(p, 1e-3))
