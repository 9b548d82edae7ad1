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
