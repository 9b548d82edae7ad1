# SPDX-License-Identifier: MIT
"""Random networks of sequences, seeded: chains and branches of recurrent layers, attention, transformers and norms.

Sequences [T, C] with odd lengths and widths, drawn numbers or tokens of a table, pass through layers with random
arguments; blocks are repeated, tables tied to the logits. Everything that nothing uses is an output, with a target.
"""
import torch
import torch.nn.functional as F

import randomnet
from case import Case, classes, dense, real
from cases_recurrent import lengths, run
from cases_sequence import by_hand, multihead, part, sinusoids, stack, tokens, triangle

WIDTHS = [1, 2, 3, 4, 6, 8, 12, 16, 17, 24]
LENGTHS = [1, 2, 3, 5, 7, 8, 9, 13, 16]
SAMPLES = 3  # of randomnet.Net's values


class Net(randomnet.Net):
    """Its values are sequences; `count` holds how long each sample's is, where the network has lengths."""

    def __init__(self, seed):
        super().__init__(seed)
        self.lengths = False

    def sequence(self):
        return self.pick(lambda s: len(s) == 2)

    def of_lengths(self, name):
        """Whether a layer of this sequence takes the lengths, which are at most as long as the input is."""
        return self.lengths and self.shapes[name][0] == self.shapes["x"][0] and self.r.random() < 0.5


def options(**of):
    return "".join(", %s: %s" % (k, str(v).lower() if isinstance(v, bool) else v) for k, v in of.items() if v is not None)


def gate_weights(kind, channels, hidden, layers, both):
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    shapes = {}
    for i in range(layers):
        wide = channels if i == 0 else hidden * (2 if both else 1)
        for side in ["", "_reverse"] if both else [""]:
            end = "_l%d%s" % (i, side)
            shapes.update({"weight_ih" + end: (gates * hidden, wide), "weight_hh" + end: (gates * hidden, hidden),
                           "bias_ih" + end: (gates * hidden,), "bias_hh" + end: (gates * hidden,)})
    return shapes


def step_recurrent(net):
    r, a = net.r, net.sequence()
    if not a:
        return
    kind, hidden, layers, both = r.choice(["rnn", "lstm", "gru"]), r.choice(WIDTHS), r.choice([1, 1, 2, 3]), r.random() < 0.4
    relu, last, of = kind == "rnn" and r.random() < 0.4, r.random() < 0.3, net.of_lengths(a)
    function = lambda w, v, n: run("rnn_relu" if relu else kind, w, n, v[a], layers, both, v["count"] if of else None)[last]
    text = options(hidden=hidden, layers=layers if layers > 1 else None, bidirectional=both or None, nonlinearity="relu" if relu else None,
                   lengths="count" if of else None, stash=r.choice([1, 2, 3, 5]) if r.random() < 0.3 else None,
                   **{"return": "last" if last else None})
    net.add("%s: {input: %s, name: %%s%s}" % (kind, a, text), function, [a], gate_weights(kind, net.shapes[a][1], hidden, layers, both))


def attention_weights(width, kv, heads, bias):
    if kv != heads:
        shapes = {"q_proj.weight": (width, width)}
        for n in "kv":
            shapes[n + "_proj.weight"] = (width // heads * kv, width)
        if bias:
            shapes.update({"q_proj.bias": (width,), "k_proj.bias": (width // heads * kv,), "v_proj.bias": (width // heads * kv,)})
    else:
        shapes = {"in_proj_weight": (3 * width, width)}
        if bias:
            shapes["in_proj_bias"] = (3 * width,)
    shapes["out_proj.weight"] = (width, width)
    if bias:
        shapes["out_proj.bias"] = (width,)
    return shapes


def step_attention(net):
    r, a = net.r, net.sequence()
    if not a:
        return
    width = net.shapes[a][1]
    heads = r.choice([h for h in range(1, width + 1) if width % h == 0])
    kv = r.choice([k for k in range(1, heads + 1) if heads % k == 0]) if r.random() < 0.4 else heads
    b = net.pick(lambda s: len(s) == 2 and s[1] == width) if r.random() < 0.4 else a
    causal, bias, of = r.random() < 0.5, r.random() < 0.7, b == a and net.of_lengths(a)
    kinds = [None, "alibi"] + (["rope"] if width // heads % 2 == 0 else [])
    positions = r.choice(kinds)
    if causal and net.shapes[b][0] < net.shapes[a][0] and kv == heads and positions is None:
        causal = False

    def function(w, v, n):
        count = v["count"] if of else None
        if kv == heads and positions is None:
            return multihead(part(w, n), heads, v[a], v[b], v[b], causal, count)
        return by_hand(part(w, n), heads, kv, v[a], v[b], v[b], causal, count, positions)

    text = options(heads=heads, kv_heads=kv if kv != heads else None, causal=causal or None, bias=None if bias else False,
                   positions=positions, lengths="count" if of else None)
    source = a if a == b else "[%s, %s, %s]" % (a, b, b)
    net.add("attention: {input: %s, name: %%s%s}" % (source, text), function, list({a, b}), attention_weights(width, kv, heads, bias))


def module_weights(kind, width, heads, ffn, layers):
    layer = getattr(torch.nn, "Transformer%sLayer" % kind)(width, heads, ffn, 0.0)
    stacked = getattr(torch.nn, "Transformer" + kind)(layer, layers)
    return {k: tuple(t.shape) for k, t in stacked.named_parameters()}


def step_transformer(net):
    r, a = net.r, net.sequence()
    if not a or net.shapes[a][1] < 3:
        return
    (length, width), ffn, layers = net.shapes[a], r.choice(WIDTHS), r.choice([1, 1, 2])
    heads = r.choice([h for h in range(1, width + 1) if width % h == 0])
    memory = net.pick(lambda s: len(s) == 2 and s[1] == width) if r.random() < 0.5 else None
    kind, pre, gelu, causal = "Decoder" if memory else "Encoder", r.random() < 0.5, r.random() < 0.5, r.random() < 0.5
    mask = {("tgt_mask" if memory else "mask"): triangle(length)} if causal else {}
    function = lambda w, v, n: stack(kind, w, n, width, heads, ffn, layers, [v[a]] + ([v[memory]] if memory else []), norm_first=pre,
                                     activation="gelu" if gelu else "relu", **mask)
    text = options(heads=heads, ffn=ffn, dropout=0, layers=layers, norm="pre" if pre else None, activation="gelu" if gelu else None,
                   causal=causal or None)
    net.add("transformer_%s: {input: %s, name: %%s%s}" % (kind.lower(), "[%s, %s]" % (a, memory) if memory else a, text), function,
            [a] + ([memory] if memory else []), module_weights(kind, width, heads, ffn, layers))


def step_groupnorm(net):
    a = net.pick(lambda s: len(s) == 2 and s[0] * s[1] > 2)
    if not a:
        return
    channels = net.shapes[a][0]
    groups = net.r.choice([g for g in range(1, channels + 1) if channels % g == 0 and channels // g * net.shapes[a][1] > 2] or [0])
    if groups and net.values[a].reshape(SAMPLES, groups, -1).std(-1).min() > 0.02:  # what divides by less is rounding
        net.add("groupnorm: {groups: %d, input: %s, name: %%s}" % (groups, a),
                lambda w, v, n: F.group_norm(v[a], groups, w[n + ".weight"], w[n + ".bias"], 1e-5), [a],
                {"weight": (channels,), "bias": (channels,)})


def step_positions(net):
    a = net.sequence()
    if not a:
        return
    if net.r.random() < 0.5:
        net.add("positional: {input: %s, name: %%s}" % a, lambda w, v, n: v[a] + w[n + ".weight"], [a], {"weight": net.shapes[a]})
    else:
        net.add("positional: {kind: sinusoidal, input: %s, name: %%s}" % a,
                lambda w, v, n: v[a] + sinusoids(*v[a].shape[1:], v[a].dtype), [a])


def step_widen(net):
    """A dense layer to a width that has many heads."""
    a, units = net.sequence(), net.r.choice([4, 6, 8, 12, 24])
    if a:
        net.add("dense: {units: %d, activation: tanh, input: %s, name: %%s}" % (units, a), lambda w, v, n: torch.tanh(dense(w, n, v[a])), [a],
                {"weight": (units, net.shapes[a][1]), "bias": (units,)})


STEPS = [step_recurrent] * 4 + [step_attention] * 4 + [step_transformer] * 2 + [step_widen] * 2 + [
    step_groupnorm, step_positions, randomnet.step_norm, randomnet.step_block, randomnet.step_binary, randomnet.step_permute,
    randomnet.step_concat, randomnet.step_slice]


def inputs_of(net):
    """The inputs: a sequence of numbers or of tokens, and lengths. (drawn inputs, lines before the layers)."""
    r = net.r
    length, width = r.choice(LENGTHS), r.choice([4, 6, 8, 12, 5])
    net.input("x", (length, width))
    drawn = {"x": real(length, width)}
    if r.random() < 0.5:
        net.lengths = True
        net.values["count"] = torch.tensor([1, (length + 1) // 2, length])
        drawn["count"] = lengths(length)
    if r.random() < 0.5:
        count, dim = r.choice([7, 20, 33]), r.choice([4, 6, 8])
        drawn["t"] = tokens(count, length)
        net.values["t"] = torch.randint(0, count, (SAMPLES, length))
        net.add("embedding: {count: %d, dim: %d, input: t, name: %%s}" % (count, dim), lambda w, v, n: F.embedding(v["t"], w[n + ".weight"]),
                [], {"weight": (count, dim)})
        return drawn, count
    step_widen(net)
    return drawn, 0


def tie(net, count):
    """Logits of the table of tokens, of a sequence as wide as it; None where there is none."""
    wide = net.shapes["v0"][1]
    a = net.pick(lambda s: len(s) == 2 and s[1] == wide)
    if a:
        return net.add("dense: {units: %d, bias: false, shared: v0, input: %s, name: %%s}" % (count, a),
                       lambda w, v, n: v[a] @ w["v0.weight"].T, [a])
    return None


def make(seed):
    net = Net(seed + 70000)
    r = net.r
    drawn, count = inputs_of(net)
    size, tries = r.randint(2, 7), 0
    while len(net.steps) < size and tries < 100:
        r.choice(STEPS)(net)
        tries += 1
    if "x" not in net.used:
        net.expr("tanh(x)", torch.tanh, "x")
    if not any("lengths: count" in line for line in net.lines):
        drawn.pop("count", None)
    logits = tie(net, count) if count and r.random() < 0.7 else None

    left = [n for n, _ in net.steps if n not in net.used]
    terms = ["mean(tanh(%s) * (%s + 0.5))" % (n, n) for n in left] + ["0.1 * mean(v0 * v0)"]
    functions = [lambda v, x, n=n: (torch.tanh(v[n]) * (v[n] + 0.5)).mean() for n in left]
    functions.append(lambda v, x: 0.1 * (v["v0"] ** 2).mean())
    if logits and net.shapes[logits][0] > 1:
        steps = net.shapes[logits][0]
        drawn["c"] = classes(count, steps)
        terms.append("softmax_cross_entropy(%s, c, axis=2)" % logits)
        functions.append(lambda v, x: F.cross_entropy(v[logits].transpose(1, 2), x["c"]))

    def forward(w, x):
        v = dict(x)
        for name, step in net.steps:
            v[name] = step(w, v, name)
        return v

    text, maker = randomnet.optimiser(r)
    clip = {"clip_norm": 0.5} if r.random() < 0.3 else {}
    flags = r.choice([(), (), (), ("-O0",), ("--exact",), ("--no-pass=fuse",), ("--no-pass=hoist",), ("--target=generic",)])
    return Case("sequences_%d" % seed, drawn, "\n".join(net.lines) + "\n", forward, sorted(set(left)), " + ".join(terms),
                lambda v, x: sum(f(v, x) for f in functions), text, maker, train="epochs: 9" + "".join("\n%s: %g" % c for c in clip.items()),
                batch=r.choice([1, 2, 5, 8, 16, 27]), rough=True, flags=flags, quick=True, top=randomnet.BLOCK if net.blocks else "", **clip)
