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


class Lazy(torch.optim.Adam):
    """Adam that leaves rows of the first tensor alone, state too, which have no gradient."""

    def step(self):
        table = self.param_groups[0]["params"][0]
        still = (table.grad == 0).all(1)
        kept = [table] + [t for t in self.state[table].values() if torch.is_tensor(t) and t.shape == table.shape]
        before = [t.detach().clone() for t in kept]
        super().step()
        now = [table] + [t for t in self.state[table].values() if torch.is_tensor(t) and t.shape == table.shape]
        with torch.no_grad():
            for i, t in enumerate(now):
                t[still] = before[i][still] if before[1:] or i == 0 else 0


sequence("embedding_lazy", {"x": tokens(40, 6, 30)}, TAGGER, tagger, ["e", "h", "y"], optimizer="{adam: {lr: 1e-2, eps: 1e-3, lazy: true}}",
         make=lambda p: Lazy(p, 1e-2, eps=1e-3))
sequence("embedding_lazy_amsgrad", {"x": tokens(3000, 4)}, TAGGER.replace("40", "3000"), tagger, ["e", "h", "y"],
         optimizer="{adam: {lr: 1e-2, eps: 1e-3, weight_decay: 0.1, amsgrad: true, lazy: true}}",
         make=lambda p: Lazy(p, 1e-2, eps=1e-3, weight_decay=0.1, amsgrad=True))


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


# --- attention -------------------------------------------------------------------------------------------------------------
def part(w, name):
    """The weights of a layer, by their names in it."""
    return {key[len(name) + 1:]: t for key, t in w.items() if key.startswith(name + ".")}


def lengths(low, high):
    return Input("shape: [], dtype: i32", lambda rng, n: rng.integers(low, high + 1, (n,)).astype("i4"))


def multihead(w, heads, q, k, v, causal=False, lengths=None):
    """PyTorch's own, of [N, T, E]."""
    mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).triu(1) if causal else None
    padding = torch.arange(k.shape[1])[None, :] >= lengths[:, None] if lengths is not None else None
    apart = "in_proj_weight" not in w
    y, _ = F.multi_head_attention_forward(
        q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1), q.shape[2], heads, w.get("in_proj_weight"), w.get("in_proj_bias"), None, None,
        False, 0.0, w["out_proj.weight"], w.get("out_proj.bias"), need_weights=False, attn_mask=mask, key_padding_mask=padding,
        use_separate_proj_weight=apart, q_proj_weight=w.get("q_proj_weight"), k_proj_weight=w.get("k_proj_weight"), v_proj_weight=w.get("v_proj_weight"))
    return y.transpose(0, 1)


def turned(x):
    """Rotary positions, of [N, heads, T, dim], as complex numbers."""
    half = x.shape[3] // 2
    angle = torch.outer(torch.arange(x.shape[2], dtype=x.dtype), 10000 ** (-torch.arange(half, dtype=x.dtype) / half))
    z = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], 3)


def slopes(heads):
    """As published, of any number of heads."""
    power = 2 ** math.floor(math.log2(heads))
    first = [2 ** (-8 / power * (i + 1)) for i in range(power)]
    return first + ([] if power == heads else slopes(2 * power)[0::2][:heads - power])


def by_hand(w, heads, kv_heads, q, k, v, causal=False, lengths=None, positions=None):
    """Grouped heads, rotary positions, ALiBi."""
    dim = q.shape[2] // heads
    if kv_heads != heads:
        q, k, v = [F.linear(x, w[n + "_proj.weight"], w.get(n + "_proj.bias")) for n, x in zip("qkv", (q, k, v))]
    else:
        b = w.get("in_proj_bias")
        q, k, v = [F.linear(x, w["in_proj_weight"].chunk(3)[i], b.chunk(3)[i] if b is not None else None) for i, x in enumerate((q, k, v))]
    q, k, v = [x.reshape(x.shape[0], x.shape[1], -1, dim).transpose(1, 2) for x in (q, k, v)]
    if positions == "rope":
        q, k = turned(q), turned(k)
    k, v = [x.repeat_interleave(heads // kv_heads, 1) for x in (k, v)]
    s = q @ k.transpose(2, 3) / math.sqrt(dim)
    i, j = torch.arange(s.shape[2])[:, None], torch.arange(s.shape[3])[None, :]
    if positions == "alibi":
        s = s - torch.tensor(slopes(heads), dtype=s.dtype)[:, None, None] * (i - j).abs()
    hidden = torch.zeros(s.shape[0], 1, s.shape[2], s.shape[3], dtype=torch.bool)
    if causal:
        hidden = hidden | (j > i)
    if lengths is not None:
        hidden = hidden | (j >= lengths[:, None, None, None])
    p = s.masked_fill(hidden, torch.finfo(s.dtype).min).softmax(3).masked_fill(hidden, 0)
    return F.linear((p @ v).transpose(1, 2).flatten(2), w["out_proj.weight"], w.get("out_proj.bias"))


def attentions(name, width, length, layers, inputs=(), **more):
    """layers: name, what it reads, arguments, function of (its weights, values read)."""
    text = "".join("  - attention: {name: %s, input: %s%s}\n" % (n, source, "".join(", %s: %s" % a for a in args.items()))
                   for n, source, args, _ in layers)

    def forward(w, x):
        return {n: f(part(w, n), *[x[s.strip()] for s in source.strip("[]").split(",")]
                     + ([x[args["lengths"]]] if "lengths" in args else [])) for n, source, args, f in layers}

    sequence(name, {"x": real(length, width), **dict(inputs)}, text, forward, [n for n, *_ in layers], varied=True, **more)


attentions("attention_self", 12, 7, [
    ("a", "x", {"heads": 3}, lambda w, x: multihead(w, 3, x, x, x)),
    ("b", "x", {"heads": 2, "causal": "true"}, lambda w, x: multihead(w, 2, x, x, x, True)),
    ("c", "x", {"heads": 1, "bias": "false"}, lambda w, x: multihead(w, 1, x, x, x)),
    ("d", "x", {"heads": 12, "causal": "true", "bias": "false"}, lambda w, x: multihead(w, 12, x, x, x, True))])
attentions("attention_cross", 8, 5, [
    ("a", "[x, y, y]", {"heads": 2}, lambda w, x, y, z: multihead(w, 2, x, y, y)),
    ("b", "[x, y, z]", {"heads": 4}, lambda w, x, y, z: multihead(w, 4, x, y, z)),
    ("c", "[x, k, k]", {"heads": 2}, lambda w, x, y, z: multihead(w, 2, x, y, z)),
    ("d", "[x, y, k]", {"heads": 2, "bias": "false"}, lambda w, x, y, z: multihead(w, 2, x, y, z)),
    ("e", "[y, x, x]", {"heads": 2, "causal": "true"}, lambda w, x, y, z: multihead(w, 2, x, y, z, True)),
    ("f", "[x, x, x]", {"heads": 2, "lengths": "n"}, lambda w, x, y, z, n: multihead(w, 2, x, y, z, False, n)),
    ("g", "[y, x, x]", {"heads": 2, "lengths": "n"}, lambda w, x, y, z, n: multihead(w, 2, x, y, z, False, n))],
    {"y": real(9, 8), "z": real(9, 8), "k": real(9, 5), "n": lengths(1, 5)}, quick=True)
attentions("attention_grouped", 24, 6, [
    ("a", "x", {"heads": 6, "kv_heads": 2}, lambda w, x: by_hand(w, 6, 2, x, x, x)),
    ("b", "x", {"heads": 4, "kv_heads": 1, "causal": "true", "bias": "false"}, lambda w, x: by_hand(w, 4, 1, x, x, x, True)),
    ("c", "[x, y, y]", {"heads": 4, "kv_heads": 2, "positions": "rope"}, lambda w, x, y, z: by_hand(w, 4, 2, x, y, z, positions="rope")),
    ("d", "x", {"heads": 6, "kv_heads": 3, "positions": "alibi"}, lambda w, x: by_hand(w, 6, 3, x, x, x, positions="alibi"))],
    {"y": real(4, 16)}, quick=True)
attentions("attention_positions", 24, 9, [
    ("a", "x", {"heads": 3, "positions": "rope", "causal": "true"}, lambda w, x: by_hand(w, 3, 3, x, x, x, True, None, "rope")),
    ("b", "x", {"heads": 6, "positions": "alibi", "causal": "true"}, lambda w, x: by_hand(w, 6, 6, x, x, x, True, None, "alibi")),
    ("c", "x", {"heads": 4, "positions": "alibi"}, lambda w, x: by_hand(w, 4, 4, x, x, x, positions="alibi")),
    # lengths of 0 as well: such a query sees nothing, and gives 0
    ("d", "x", {"heads": 2, "positions": "rope", "causal": "true", "lengths": "n"}, lambda w, x, n: by_hand(w, 2, 2, x, x, x, True, n, "rope"))],
    {"n": lengths(0, 9)})
attentions("attention_one", 4, 1, [
    ("a", "x", {"heads": 2, "causal": "true"}, lambda w, x: multihead(w, 2, x, x, x, True)),
    ("b", "x", {"heads": 4, "positions": "alibi"}, lambda w, x: by_hand(w, 4, 4, x, x, x, positions="alibi"))])
attentions("attention_long", 32, 70, [  # more than a block of queries and of keys, neither a multiple of one
    ("a", "x", {"heads": 2, "causal": "true"}, lambda w, x: multihead(w, 2, x, x, x, True)),
    ("b", "[x, y, y]", {"heads": 1}, lambda w, x, y, z: multihead(w, 1, x, y, z)),
    ("c", "[y, x, x]", {"heads": 4, "lengths": "n", "causal": "true"}, lambda w, x, y, z, n: multihead(w, 4, x, y, z, True, n)),
    ("d", "x", {"heads": 2, "kv_heads": 1, "positions": "alibi", "causal": "true"}, lambda w, x: by_hand(w, 2, 1, x, x, x, True, None, "alibi"))],
    {"y": real(133, 32), "n": lengths(1, 70)}, batch=4, steps=6)


attentions("attention_wide", 260, 18, [  # heads of 260, which is too wide for blocks, of 130 and of 20
    ("a", "x", {"heads": 1}, lambda w, x: multihead(w, 1, x, x, x)),
    ("b", "x", {"heads": 2, "causal": "true"}, lambda w, x: multihead(w, 2, x, x, x, True)),
    ("c", "x", {"heads": 13, "positions": "rope"}, lambda w, x: by_hand(w, 13, 13, x, x, x, positions="rope"))], batch=3, steps=4)


# --- transformers ----------------------------------------------------------------------------------------------------------
def stack(kind, w, name, width, heads, ffn, layers, values, **more):
    layer = getattr(torch.nn, "Transformer%sLayer" % kind)(width, heads, ffn, 0.0, batch_first=True, dtype=values[0].dtype, **{
        k: v for k, v in more.items() if k in ("activation", "norm_first")})
    module = getattr(torch.nn, "Transformer" + kind)(layer, layers)
    module.train()  # no short cut that leaves gradients out
    masks = {k: v for k, v in more.items() if k.endswith("mask")}
    return torch.nn.utils.stateless.functional_call(module, part(w, name), tuple(values), masks)


def triangle(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def past(n, length):
    return torch.arange(length)[None, :] >= n[:, None]


ENCODERS = [  # arguments, and PyTorch's
    ("{heads: 2, ffn: 20, layers: 2, dropout: 0, name: a, input: x}",
     lambda w, x: stack("Encoder", w, "a", 8, 2, 20, 2, [x["x"]])),
    ("{heads: 4, ffn: 17, dropout: 0, norm: pre, activation: gelu, causal: true, name: b, input: x}",
     lambda w, x: stack("Encoder", w, "b", 8, 4, 17, 1, [x["x"]], norm_first=True, activation="gelu", mask=triangle(6))),
    ("{heads: 1, ffn: 9, dropout: 0, lengths: n, name: c, input: x}",
     lambda w, x: stack("Encoder", w, "c", 8, 1, 9, 1, [x["x"]], src_key_padding_mask=past(x["n"], 6)))]
sequence("transformer_encoder", {"x": real(6, 8), "n": lengths(1, 6)}, "".join("  - transformer_encoder: %s\n" % t for t, _ in ENCODERS),
         lambda w, x: {n: f(w, x) for n, (_, f) in zip("abc", ENCODERS)}, ["a", "b", "c"], varied=True)
DECODERS = [
    ("{heads: 2, ffn: 20, layers: 2, dropout: 0, causal: true, name: a, input: [x, m]}",
     lambda w, x: stack("Decoder", w, "a", 8, 2, 20, 2, [x["x"], x["m"]], tgt_mask=triangle(6))),
    ("{heads: 4, ffn: 17, dropout: 0, norm: pre, lengths: n, memory_lengths: k, name: b, input: [x, m]}",
     lambda w, x: stack("Decoder", w, "b", 8, 4, 17, 1, [x["x"], x["m"]], norm_first=True, tgt_key_padding_mask=past(x["n"], 6),
                        memory_key_padding_mask=past(x["k"], 5)))]
sequence("transformer_decoder", {"x": real(6, 8), "m": real(5, 8), "n": lengths(1, 6), "k": lengths(1, 5)},
         "".join("  - transformer_decoder: %s\n" % t for t, _ in DECODERS), lambda w, x: {n: f(w, x) for n, (_, f) in zip("ab", DECODERS)},
         ["a", "b"], varied=True, quick=True)
