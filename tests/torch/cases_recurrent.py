# SPDX-License-Identifier: MIT
"""rnn, lstm, gru: PyTorch's own, by its functions, of nncc's weights."""
import numpy as np
import torch
from torch import _VF

from case import Case, Input, classes, dense, real
from cases_layers import squares

CASES = []
FUNCTIONS = {"rnn": _VF.rnn_tanh, "rnn_relu": _VF.rnn_relu, "lstm": _VF.lstm, "gru": _VF.gru}


def lengths(most):
    return Input("shape: [], dtype: i32", lambda rng, n: rng.integers(1, most + 1, (n,)).astype("i4"))


def run(kind, w, name, x, layers=1, both=False, of=None):
    """(the states of all steps, the last of the last layer) of x [N, T, C]."""
    sides = ["", "_reverse"] if both else [""]
    weights = ["%s.%s_l%d%s" % (name, part, i, side) for i in range(layers) for side in sides
               for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    flat = [w[n] for n in weights]
    n, units = x.shape[0], flat[1].shape[1]
    zero = torch.zeros(layers * len(sides), n, units, dtype=x.dtype)
    state = (zero, zero) if kind == "lstm" else zero
    f = FUNCTIONS[kind]
    if of is None:
        y = f(x, state, flat, True, layers, 0.0, False, both, True)
        every, last = y[0], y[1]
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, of, batch_first=True, enforce_sorted=False)
        y = f(packed.data, packed.batch_sizes, state, flat, True, layers, 0.0, False, both)
        back = torch.nn.utils.rnn.PackedSequence(y[0], packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        every = torch.nn.utils.rnn.pad_packed_sequence(back, batch_first=True, total_length=x.shape[1])[0]
        last = y[1][:, packed.unsorted_indices]
    return every, torch.cat(list(last[-len(sides):]), -1)


def recurrent(name, kind, steps, channels, units, layers=1, both=False, use_lengths=False, **more):
    word = kind.split("_")[0]
    options = "hidden: %d" % units
    options += ", layers: %d" % layers if layers > 1 else ""
    options += ", bidirectional: true" if both else ""
    options += ", nonlinearity: relu" if kind == "rnn_relu" else ""
    options += ", lengths: len" if use_lengths else ""
    inputs = {"x": real(steps, channels)}
    if use_lengths:
        inputs["len"] = lengths(steps)
    text = ("  - %s: {%s, name: a, input: x}\n  - dense: {units: 3, name: p}\n"
            "  - %s: {%s, return: last, name: b, input: x}\n  - dense: {units: 2, name: q}\n"
            % (word, options, word, options))

    def forward(w, x):
        of = x["len"] if use_lengths else None
        every, _ = run(kind, w, "a", x["x"], layers, both, of)
        _, last = run(kind, w, "b", x["x"], layers, both, of)
        return {"a": every, "p": dense(w, "p", every), "b": last, "q": dense(w, "q", last)}

    names = ["a", "p", "b", "q"]
    CASES.append(Case(name, inputs, text, forward, names, *squares(names), **more))


for kind in FUNCTIONS:
    recurrent(kind, kind, 6, 5, 7)
    recurrent(kind + "_both_lengths", kind, 7, 4, 5, layers=2, both=True, use_lengths=True)
recurrent("lstm_one_step", "lstm", 1, 3, 4)
recurrent("gru_one_unit", "gru", 4, 1, 1, layers=2)
recurrent("lstm_wide", "lstm", 9, 40, 48, batch=20)


def own_cell(w, x):
    h, m, all_h = torch.zeros(x["x"].shape[0], 6, dtype=x["x"].dtype), torch.zeros(x["x"].shape[0], 4, dtype=x["x"].dtype), []
    for t in range(x["x"].shape[1]):
        both = torch.cat([x["x"][:, t], h * torch.sigmoid(x["s"])], 1)
        z, c = torch.sigmoid(dense(w, "a.z", both)), torch.tanh(dense(w, "a.c", both))
        h = z * h + (1 - z) * torch.nn.functional.layer_norm(c, (6,), w["a.n.weight"], w["a.n.bias"])
        m = 0.5 * m + torch.relu(dense(w, "a.k.d", torch.cat([h, x["x"][:, t]], 1)))
        all_h.append(torch.cat([h, m], 1))
    every = torch.stack(all_h, 1)
    last = all_h[-1]
    return {"a": every, "p": dense(w, "p", every[:, 1] * last)}


CASES.append(Case("own_cell", {"x": real(5, 4), "s": real(6)},
                  "  - scan:\n      name: a\n      state: {h: {shape: 6, next: nh}, m: {shape: [4], next: nm}}\n      body:\n"
                  "        - {name: gated, expr: h * sigmoid(s)}\n        - concat: {input: [input, gated], name: both}\n"
                  "        - dense: {units: 6, activation: sigmoid, name: z}\n        - dense: {units: 6, activation: tanh, input: both, name: c}\n"
                  "        - layernorm: {name: n}\n        - {name: nh, expr: z * h + (1 - z) * n}\n"
                  "        - concat: {input: [nh, input]}\n        - side: {name: k}\n"
                  "        - {name: nm, expr: 0.5 * m + k}\n        - concat: {input: [nh, nm], name: out}\n"
                  "  - {name: e, expr: \"a[:, 1] * a[:, -1]\"}\n  - dense: {units: 3, name: p}\n",
                  own_cell, ["a", "p"], *squares(["a", "p"]), top="blocks:\n  side: {layers: [dense: {units: 4, activation: relu, name: d}]}"))


def shortest(w, x):
    h = torch.zeros(x["x"].shape[0], 3, dtype=x["x"].dtype)
    for t in range(x["x"].shape[1]):
        h = torch.tanh(dense(w, "scan_1.dense_1", torch.cat([h, x["x"][:, t]], 1)))
    return {"scan_1": h}


CASES.append(Case("own_cell_short", {"x": real(4, 2)},
                  "  - scan: {state: {h: 3}, return: last, body: [concat: {input: [h, input]}, dense: {units: 3, activation: tanh}]}\n",
                  shortest, ["scan_1"], *squares(["scan_1"])))


def in_turn(w, x):
    h, outs = torch.zeros(x["x"].shape[0], 5, dtype=x["x"].dtype), []
    for t in range(x["x"].shape[1]):
        _, inner = run("gru", w, "a.g", x["x"][:, t] + dense(w, "a.d", h)[:, None])
        h = torch.tanh(inner)
        outs.append(h)
    return {"a": torch.stack(outs, 1)}


CASES.append(Case("own_cell_of_gru", {"x": real(3, 4, 2)},
                  "  - scan:\n      name: a\n      state: {h: 5}\n      body:\n        - dense: {units: 2, input: h, name: d}\n"
                  "        - reshape: {shape: [1, 2]}\n        - add: {input: [input, reshape_1]}\n"
                  "        - gru: {hidden: 5, return: last, name: g}\n        - tanh\n",
                  in_turn, ["a"], *squares(["a"])))


def of_classes(w, x):
    h = torch.zeros(x["c"].shape[0], 4, dtype=w["a.d.weight"].dtype)
    for t in range(x["c"].shape[1]):
        h = torch.tanh(dense(w, "a.d", torch.cat([h, x["c"][:, t, None].to(h.dtype) / 3], 1)))
    return {"a": h}


CASES.append(Case("own_cell_of_integers", {"c": classes(5, 6)},
                  "  - scan:\n      name: a\n      state: {h: 4}\n      return: last\n      body:\n"
                  "        - {name: one, expr: input / 3}\n        - unsqueeze: {axis: 1}\n        - concat: {input: [h, unsqueeze_1]}\n"
                  "        - dense: {units: 4, activation: tanh, name: d}\n",
                  of_classes, ["a"], *squares(["a"])))


def stacked(w, x):
    every, _ = run("lstm", w, "a", x["x"])
    _, last = run("gru", w, "b", every * torch.tanh(every))
    return {"p": dense(w, "p", last)}


CASES.append(Case("lstm_then_gru", {"x": real(6, 8), "c": classes(4)},
                  "  - lstm: {hidden: 12, name: a, input: x}\n  - {name: m, expr: a * tanh(a)}\n"
                  "  - gru: {hidden: 10, return: last, name: b}\n  - dense: {units: 4, name: p}\n",
                  stacked, ["p"], "softmax_cross_entropy(p, c)",
                  lambda v, x: torch.nn.functional.cross_entropy(v["p"], x["c"]),
                  "{adam: {lr: 1e-3}}", lambda p: torch.optim.Adam(p, 1e-3), clip_norm=0.5, train="clip_norm: 0.5\nepochs: 5"))


def begin(w, name, kind, n, units, like, stateful):
    """The states of a layer as it begins: 0, or what it carries of the first n rows."""
    zero = torch.zeros(1, n, units, dtype=like.dtype)
    first = [zero, zero] if kind == "lstm" else [zero]
    if stateful and w.carried:
        first = [s[:, :n] for s in w.carried.get(name, first)]
    return first


def carry(w, name, last):
    """Leaves the states to the next batch; rows that this one has not stay as they are."""
    if w.carried is not None:
        old = w.carried.get(name, last)
        w.carried[name] = [torch.cat([s.detach(), o[:, s.shape[1]:]], 1) for s, o in zip(last, old)]


def in_pieces(kind, w, name, x, k, layers=1, both=False, stateful=False):
    """As run, with states detached every k steps; both: each direction by itself, cut at the same places."""
    sides = ["", "_reverse"] if both else [""]
    for i in range(layers):
        halves = []
        for side in sides:
            flat = [w["%s.%s_l%d%s" % (name, part, i, side)] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            key = "%s.%d%s" % (name, i, side)
            state, outs = begin(w, key, kind, x.shape[0], flat[1].shape[1], x, stateful), []
            starts = list(range(0, x.shape[1], k))
            for at in reversed(starts) if side else starts:
                piece = x[:, at:at + k]
                piece = piece.flip(1) if side else piece
                state = [s.detach() for s in state]
                y = FUNCTIONS[kind](piece, tuple(state) if kind == "lstm" else state[0], flat, True, 1, 0.0, False, False, True)
                state = list(y[1:])
                outs.append(y[0].flip(1) if side else y[0])
            if stateful:
                carry(w, key, state)
            halves.append(torch.cat(outs[::-1] if side else outs, 1))
        x = torch.cat(halves, 2)
    return x


def truncated(name, kind, k, steps, more="", layers=1, both=False, **keys):
    word = kind.split("_")[0]
    text = "  - %s: {hidden: 6, layers: %d, name: a%s}\n  - dense: {units: 3, name: p}\n" % (word, layers, more)

    def forward(w, x):
        every = in_pieces(kind, w, "a", x["x"], k, layers, both, "stateful" in more)
        return {"a": every, "p": dense(w, "p", every)}

    CASES.append(Case(name, {"x": real(steps, 4)}, text, forward, ["a", "p"], *squares(["a", "p"]), **keys))


truncated("rnn_bptt", "rnn", 3, 9, ", bptt: 3")
truncated("rnn_bptt_one", "rnn_relu", 1, 4, ", bptt: 1, nonlinearity: relu")
truncated("lstm_bptt", "lstm", 4, 10, ", bptt: 4", layers=2)
truncated("gru_bptt_both", "gru", 3, 8, ", bptt: 3, bidirectional: true", both=True)
truncated("gru_bptt_longer", "gru", 50, 7, ", bptt: 50")
truncated("lstm_stateful", "lstm", 4, 6, ", bptt: 4, stateful: true", layers=2)
truncated("rnn_stateful", "rnn", 99, 5, ", stateful: true", layers=2)
truncated("gru_stateful_accumulate", "gru", 99, 5, ", stateful: true", accumulate=2, train="epochs: 5\naccumulate: 2")
truncated("lstm_stash", "lstm", 99, 11, ", stash: 4", layers=2)
truncated("gru_stash_both", "gru", 99, 8, ", stash: 2, bidirectional: true", both=True)
truncated("lstm_stash_bptt_stateful", "lstm", 3, 10, ", stash: 4, bptt: 3, stateful: true")


def own_in_pieces(w, x):
    steps = x["x"].shape[1]
    h, m = [s[0] for s in begin(w, "a", "lstm", x["x"].shape[0], 4, x["x"], True)]
    outs = []
    for t in range(steps):
        if t % 3 == 0:
            h, m = h.detach(), m.detach()
        h = torch.tanh(dense(w, "a.d", torch.cat([h, x["x"][:, t]], 1))) + 0.5 * m
        m = 0.5 * m + torch.sigmoid(h)
        outs.append(h)
    carry(w, "a", [h[None], m[None]])
    return {"a": torch.stack(outs, 1)}


OWN = ("  - scan:\n      name: a\n      bptt: 3\n      stateful: true%s\n      state: {h: {shape: 4, next: nh}, m: {shape: 4, next: nm}}\n"
       "      body:\n        - concat: {input: [h, input]}\n        - dense: {units: 4, activation: tanh, name: d}\n"
       "        - {name: nh, expr: d + 0.5 * m}\n        - {name: nm, expr: 0.5 * m + sigmoid(nh)}\n        - {name: out, expr: nh}\n")
for suffix, more in (("", ""), ("_stash", "\n      stash: 2")):
    CASES.append(Case("own_cell_carried" + suffix, {"x": real(7, 2)}, OWN % more, own_in_pieces, ["a"], *squares(["a"])))
