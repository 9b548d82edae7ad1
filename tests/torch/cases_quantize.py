# SPDX-License-Identifier: MIT
"""vector_quantize against the paper's method written out: codes, the straight-through gradient, the loss, moving averages
(Sonnet's VectorQuantizer and VectorQuantizerEMA, without their correction for averages that begin as 0)."""
import numpy as np
import torch
import torch.nn.functional as F

from case import Case, dense, real
from convlayers import conv

CASES = []
EPS = 1e-5


def follow(w, name, flat, codes, decay):
    """Moves the averages and, where they say, the codebook, in place."""
    table, size, total = [w[name + "." + k] for k in ("weight", "cluster_size", "embed_avg")]
    hit = F.one_hot(codes, len(table)).to(flat.dtype)
    size.mul_(decay).add_(hit.sum(0), alpha=1 - decay)
    total.mul_(decay).add_(hit.T @ flat, alpha=1 - decay)
    smooth = (size + EPS) / (size.sum() + len(table) * EPS) * size.sum()
    table.copy_(total / smooth[:, None])


def quantize(w, name, x, axis, beta=0.25, ema=None, moves=True):
    """What the layer gives: quantised, codes, loss."""
    last = x.movedim(axis, -1)
    flat = last.reshape(-1, last.shape[-1])
    table = w[name + ".weight"].clone()
    codes = torch.cdist(flat.detach(), table.detach()).argmin(1)
    q = table[codes].reshape(last.shape)
    loss = beta * F.mse_loss(last, q.detach())
    if ema is None:
        loss = loss + F.mse_loss(q, last.detach())
    elif w.training and moves:
        with torch.no_grad():
            follow(w, name, flat, codes, ema)
    return (last + (q - last).detach()).movedim(-1, axis), codes.reshape(last.shape[:-1]), loss


def perplexity(v, x):
    p = np.bincount(v["k"].astype(int).ravel()) / v["k"].size
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def quantized(name, shape, layers, forward, **more):
    """A case whose layers give y, codes k and the layer's loss l."""
    CASES.append(Case(name, {"x": real(*shape), "t": real(*more.pop("target"))}, layers, forward, more.pop("outputs", ["y", "k"]),
                      "{r: \"mse(y, t)\", l: l}", lambda v, x: F.mse_loss(v["y"], x["t"]) + v["l"],
                      metrics={"used": ("code_perplexity(k)", perplexity)}, **more))


def images(options, name="q", **quantizer):
    """An encoder, codes of its channels, a decoder; and the codes' rows looked up again."""
    layers = ("  - conv2d: {out: 5, kernel: 3, padding: 1, name: e, input: x}\n"
              "  - vector_quantize: {count: 12, %s, name: [%s, k, l]}\n"
              "  - conv2d: {out: 2, kernel: 3, name: y, input: %s}\n"
              "  - embedding: {count: 12, dim: 5, shared: %s, input: k, name: z}\n" % (options, name, name, name))

    def forward(w, x):
        e = conv(w, "e", {"kernel": 3, "padding": 1}, x["x"])
        q, k, l = quantize(w, name, e, 1, **quantizer)
        return {"y": conv(w, "y", {"kernel": 3}, q), "k": k, "l": l, "z": w[name + ".weight"][k]}
    return layers, forward


PICTURES = {"target": (2, 4, 5), "outputs": ["y", "k", "z"]}
quantized("quantize_images", (3, 6, 7), *images("dim: 5"), **PICTURES)
quantized("quantize_beta", (3, 6, 7), *images("dim: 5, beta: 2", beta=2), **PICTURES,
          optimizer="{adam: {lr: 1e-2, eps: 1e-3}}", make=lambda p: torch.optim.Adam(p, 1e-2, eps=1e-3))
quantized("quantize_ema", (3, 6, 7), *images("ema: 0.9", "ema", ema=0.9), **PICTURES, steps=20, train="epochs: 20")
quantized("quantize_ema_frozen", (3, 6, 7), *images("ema: 0.9, frozen: true", "ema", ema=0.9, moves=False), **PICTURES)


def axes(options, axis):
    """Of sequences: a vector a step, or one a feature."""
    def forward(w, x):
        q, k, l = quantize(w, "q", dense(w, "e", x["x"]), axis)
        return {"y": dense(w, "y", q), "k": k, "l": l}
    return ("  - dense: {units: 6, name: e, input: x}\n  - vector_quantize: {count: 9%s, name: [q, k, l]}\n"
            "  - dense: {units: 3, name: y, input: q}\n" % options), forward


quantized("quantize_vectors", (7,), *axes("", 1), target=(3,))
quantized("quantize_steps", (5, 7), *axes("", 2), target=(5, 3))
quantized("quantize_axis", (5, 7), *axes(", axis: 1", 1), target=(5, 3))
quantized("quantize_axis_negative", (2, 3, 4, 7), *axes(", axis: -1", 4), target=(2, 3, 4, 3))


def twice(w, x):
    e, f = dense(w, "e", x["x"]), dense(w, "f", x["x"])
    p, _, a = quantize(w, "ema", e, 1, ema=0.8)
    q, k, b = quantize(w, "ema", f, 1, ema=0.8)  # by the codebook that the first has moved
    return {"y": p + q, "k": k, "l": a + b}


quantized("quantize_shared", (7,), "  - dense: {units: 4, name: e, input: x}\n  - dense: {units: 4, name: f, input: x}\n"
          "  - vector_quantize: {count: 6, ema: 0.8, name: [ema, j, a], input: e}\n"
          "  - vector_quantize: {count: 6, ema: 0.8, name: [q, k, b], input: f, shared: ema}\n"
          "  - {name: y, expr: ema + q}\n  - {name: l, expr: a + b}\n", twice, target=(4,))
