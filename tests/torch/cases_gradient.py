# SPDX-License-Identifier: MIT
"""gradient(y, x): values made of gradients, and gradients of those, against PyTorch's create_graph=True."""
import torch
import torch.nn.functional as F

from case import Case, classes, dense, probability, real
from cases_activations import ALL
from cases_recurrent import run
from cases_sequence import by_hand, lengths, multihead, part, tokens
from convlayers import Layer, forward_of, shapes_of

CASES = []
ADAM = {"optimizer": "{adam: {lr: 1e-3, eps: 1e-2}}", "make": lambda p: torch.optim.Adam(p, 1e-3, eps=1e-2)}


def gradient(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def with_gradients(forward):
    """forward(w, x), in which inputs may be differentiated by; its values are constants where no gradients are wanted."""
    def run_it(w, x):
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = {n: t if t.requires_grad or not t.is_floating_point() else t.detach().requires_grad_() for n, t in x.items()}
            values = forward(w, leaf)
        return values if wanted else {n: t.detach() for n, t in values.items()}
    return run_it


def penalty(name, inputs, layers, forward, values, by="x", **more):
    """forward gives the values named and, where it is no input, what they are differentiated by. The loss is of their
    gradients, and of themselves."""
    text = "".join('  - {name: g_%s, expr: "gradient(sin(%s + 0.5), %s)"}\n' % (v, v, by) for v in values)

    def both(w, x):
        v = forward(w, x)
        x = v[by] if by in v else x[by]
        return {**v, **{"g_" + n: gradient(torch.sin(v[n] + 0.5), x) for n in values}}

    outputs = [o for v in values for o in (v, "g_" + v)]
    loss = " + ".join("mean(g_%s * g_%s * g_%s) + 3 * mean(g_%s ** 2) + mean(%s)" % (v, v, v, v, v) for v in values)
    CASES.append(Case(name, inputs, layers + text, with_gradients(both), outputs, loss,
                      lambda v, x: sum((v["g_" + n] ** 3).mean() + 3 * (v["g_" + n] ** 2).mean() + v[n].mean() for n in values),
                      **{**ADAM, **more}))


def network(name, inputs, layers, values, by="x", **more):
    """The same of layers, as convlayers writes them."""
    _, found = shapes_of(inputs, layers)
    penalty(name, inputs, "".join(one.yaml() for one in layers), forward_of(layers), values, by, **{"varied": True, "weights": found, **more})


# --- WGAN-GP: Gulrajani and others, "Improved training of Wasserstein GANs" (2017) -------------------------------------------
def critic(w, x, norm):
    h = F.leaky_relu(F.conv2d(x, w["a.weight"], w["a.bias"], 2, 1), 0.2)
    h = F.conv2d(h, w["b.weight"], w["b.bias"], 2, 1)
    if norm:
        h = F.layer_norm(h.flatten(1), [h[0].numel()], w["n.weight"], w["n.bias"]).reshape(h.shape)
    return dense(w, "score", F.leaky_relu(h, 0.2).flatten(1))


def wgan(norm):
    def forward(w, x):
        mixed = x["mix"] * x["real"] + (1 - x["mix"]) * x["fake"]
        score = critic(w, mixed, norm)
        g = gradient(score, mixed)
        return {"score": score, "g": g}
    layers = ("  - {name: mixed, expr: mix * real + (1 - mix) * fake}\n"
              "  - conv2d: {out: 9, kernel: 4, stride: 2, padding: 1, name: a, activation: {leaky_relu: {slope: 0.2}}}\n"
              "  - conv2d: {out: 17, kernel: 4, stride: 2, padding: 1, name: b}\n")
    layers += "  - flatten\n"
    layers += "  - layernorm: {name: n}\n" if norm else ""
    layers += ("  - leaky_relu: {slope: 0.2}\n  - dense: {units: 1, name: score}\n"
               '  - {name: g, expr: "gradient(score, mixed)"}\n')
    CASES.append(Case("wgan_gp" + ("_layernorm" if norm else ""),
                      {"real": real(3, 12, 8), "fake": real(3, 12, 8), "mix": probability(1, 1, 1)}, layers, with_gradients(forward),
                      ["score", "g"], "mean(score) + 10 * mean((sqrt(sum(g ** 2, axis=[1, 2, 3])) - 1) ** 2)",
                      lambda v, x: v["score"].mean() + 10 * (((v["g"] ** 2).sum([1, 2, 3]).sqrt() - 1) ** 2).mean(), **ADAM))


wgan(False)
wgan(True)

# --- layers of images ---------------------------------------------------------------------------------------------------

def conv_net(kind, shape, *options, **more):
    """A layer for each of the options, all of x, with a curve behind."""
    layers, names = [], []
    for i, o in enumerate(options):
        layers += [Layer(kind, "c%d" % i, "x", **o), Layer("tanh", "t%d" % i, "c%d" % i)]
        names.append("t%d" % i)
    network("gradient_" + kind + more.pop("suffix", ""), {"x": real(*shape)}, layers, names, **{"quick": True, **more})


K = dict
conv_net("conv1d", (4, 11), K(out=5, kernel=3, padding=1), K(out=3, kernel=4, stride=2), K(out=4, kernel=3, dilation=2, groups=2), K(out=4, kernel=3, groups=4))
conv_net("conv2d", (3, 9, 8), K(out=5, kernel=4, stride=2, padding=1), K(out=17, kernel=3, padding=1), K(out=6, kernel=3, groups=3, padding=1),
         K(out=3, kernel=[3, 1], stride=[3, 2], padding=1), K(out=4, kernel=3, dilation=2, padding=2), K(out=2, kernel=[2, 3], stride=2, dilation=[1, 2]),
         K(out=6, kernel=1, stride=2))
conv_net("conv2d", (16, 8, 7), K(out=33, kernel=3, padding=1), K(out=32, kernel=4, stride=2, padding=1), K(out=16, kernel=3, groups=16, padding=1),
         K(out=16, kernel=5, groups=16, stride=2, padding=2), suffix="_wide")
conv_net("conv3d", (2, 4, 5, 3), K(out=3, kernel=3, padding=1), K(out=2, kernel=2, stride=[1, 2, 1]), K(out=4, kernel=2, groups=2))
conv_net("conv_transpose1d", (4, 5), K(out=3, kernel=3), K(out=5, kernel=4, stride=2, padding=1), K(out=4, kernel=3, stride=2, groups=4))
conv_net("conv_transpose2d", (4, 5, 3), K(out=5, kernel=4, stride=2, padding=1), K(out=3, kernel=3, stride=2, padding=1, output_padding=1),
         K(out=6, kernel=3, groups=2, padding=1), K(out=2, kernel=2, dilation=2))


def pools():
    layers, names = [Layer("conv2d", "c", "x", out=4, kernel=3, padding=1), Layer("tanh", "t", "c")], []
    for i, (kind, args) in enumerate([("maxpool2d", K(kernel=2)), ("maxpool2d", K(kernel=3, stride=2, padding=1)), ("avgpool2d", K(kernel=2)),
                                      ("avgpool2d", K(kernel=3, stride=1)), ("global_avgpool", K()), ("global_maxpool", K()),
                                      ("adaptive_avgpool2d", K(size=[3, 2])), ("upsample2d", K(scale=2)),
                                      ("upsample2d", K(scale=2, mode="bilinear"))]):
        layers += [Layer(kind, "p%d" % i, "t", **args)]
        names.append("p%d" % i)
    network("gradient_pools", {"x": real(3, 8, 6)}, layers, names, quick=True)


pools()
NORMS = {"batchnorm": K(), "batchnorm_flat": K(), "groupnorm": K(groups=2), "instancenorm": K(affine=True)}
for norm, args in NORMS.items():
    shape = (6,) if norm.endswith("flat") else (4, 5, 3)
    first = Layer("dense", "c", "x", units=5) if norm.endswith("flat") else Layer("conv2d", "c", "x", out=6, kernel=3, padding=1)
    network("gradient_" + norm, {"x": real(*shape)}, [first, Layer(norm.split("_")[0], "n", "c", **args), Layer("tanh", "t", "n")], ["n", "t"])


def last_norms(w, x):
    a = dense(w, "a", x["x"])
    rms = a * torch.rsqrt((a ** 2).mean(-1, keepdim=True) + 1e-5) * w["r.weight"]
    return {"l": F.layer_norm(a, (7,), w["l.weight"], w["l.bias"]), "r": rms}


penalty("gradient_layernorm", {"x": real(4, 5)}, "  - dense: {units: 7, name: a, input: x}\n  - layernorm: {name: l, input: a}\n  - rmsnorm: {name: r, input: a}\n",
        last_norms, ["l", "r"], varied=True)

# --- what stands between: padding is asked for, too --------------------------------------------------------------------------
def padded(w, x):
    q = F.pad(torch.tanh(x["x"]), [1] * 4)
    return {"q": q, "c": F.conv2d(q, w["c.weight"], w["c.bias"], 2), "d": F.conv2d(q, w["d.weight"], w["d.bias"], 2)}


penalty("gradient_by_padded", {"x": real(3, 6, 5)},
        "  - tanh: {name: h, input: x}\n  - pad: {axes: {2: [1, 1], 3: [1, 1]}, name: q}\n"
        "  - conv2d: {out: 8, kernel: 4, stride: 2, name: c}\n  - conv2d: {out: 6, kernel: 3, stride: 2, name: d, input: q}\n", padded, ["c", "d"], by="q")

# --- activations and functions ----------------------------------------------------------------------------------------------
def activations(w, x):
    plain = {"hardsigmoid": lambda a: F.relu6(a + 3) / 6}  # some of PyTorch's own have no second derivative
    return {n: plain.get(n, f)(dense(w, "d_" + n, x["x"])) for n, _, _, f in ALL}


penalty("gradient_activations", {"x": real(4, 5)},
        "".join("  - dense: {units: 7, name: d_%s, input: x}\n  - %s: {%sname: %s}\n" % (n, kind, arguments + ", " if arguments else "", n)
                for n, kind, arguments, _ in ALL), activations, [n for n, _, _, _ in ALL], quick=True)

FUNCTIONS = {
    "f_div": ("x / (2 + y * y)", lambda x, y: x / (2 + y * y)), "f_pow": ("exp(x) ** y", lambda x, y: torch.exp(x) ** y),
    "f_pow3": ("x ** 3", lambda x, y: x ** 3), "f_max": ("max(x * x, y)", lambda x, y: torch.maximum(x * x, y)),
    "f_min": ("min(x * x, y * x)", lambda x, y: torch.minimum(x * x, y * x)), "f_where": ("where(x > y, x ** 2, y * x)", lambda x, y: torch.where(x > y, x ** 2, y * x)),
    "f_abs": ("abs(x) * x", lambda x, y: x.abs() * x), "f_sqrt": ("sqrt(1 + x * x)", lambda x, y: torch.sqrt(1 + x * x)),
    "f_rec": ("reciprocal(2 + sin(x))", lambda x, y: 1 / (2 + torch.sin(x))), "f_log": ("log(1 + exp(x))", lambda x, y: torch.log(1 + torch.exp(x))),
    "f_log1p": ("log1p(x * x)", lambda x, y: torch.log1p(x * x)), "f_expm1": ("expm1(x)", lambda x, y: torch.expm1(x)),
    "f_cos": ("cos(x) * y", lambda x, y: torch.cos(x) * y), "f_erf": ("erf(x)", lambda x, y: torch.erf(x)),
    "f_clip": ("clip(x * x, min=0.1, max=2)", lambda x, y: torch.clamp(x * x, 0.1, 2)), "f_rsqrt": ("rsqrt(1 + x * x)", lambda x, y: torch.rsqrt(1 + x * x)),
    "f_norm": ("sqrt(sum(x * x, axis=1, keepdims=true))", lambda x, y: (x * x).sum(1, keepdim=True).sqrt()),
    "f_mean": ("mean(x * x, axis=[1, 2]) * x[:, 0, 0]", lambda x, y: (x * x).mean([1, 2]) * x[:, 0, 0]),
    "f_slice": ("x[:, 1:, ::2] ** 2", lambda x, y: x[:, 1:, ::2] ** 2), "f_dot": ("(x * x) @ reshape(y, [4, 3])", lambda x, y: (x * x) @ y.reshape(len(y), 4, 3)),
    "f_stop": ("stop_gradient(x) * x * x", lambda x, y: x.detach() * x * x)}
penalty("gradient_functions", {"x": real(3, 4), "y": real(3, 4)}, "".join('  - {name: %s, expr: "%s"}\n' % (n, t) for n, (t, _) in FUNCTIONS.items()),
        lambda w, x: {n: f(x["x"], x["y"]) for n, (_, f) in FUNCTIONS.items()}, list(FUNCTIONS), quick=True)

# --- sequences ------------------------------------------------------------------------------------------------------------
for kind in "rnn", "lstm", "gru":
    penalty("gradient_" + kind, {"x": real(5, 4)}, "  - %s: {hidden: 6, name: a, input: x}\n  - dense: {units: 3, name: p}\n" % kind,
            lambda w, x, kind=kind: {"p": dense(w, "p", run(kind, w, "a", x["x"])[0])}, ["p"])


def attention(name, text, steps, forward, inputs=None, **more):
    penalty("gradient_attention" + name, {"x": real(steps, 8), **(inputs or {})}, text + "  - dense: {units: 3, name: p, input: a}\n",
            lambda w, x: {"p": dense(w, "p", forward(w, x))}, ["p"], **more)


attention("", "  - attention: {heads: 2, name: a, input: x}\n", 5, lambda w, x: multihead(part(w, "a"), 2, x["x"], x["x"], x["x"]))
attention("_causal", "  - attention: {heads: 4, causal: true, name: a, input: x}\n", 70,
          lambda w, x: multihead(part(w, "a"), 4, x["x"], x["x"], x["x"], causal=True))
attention("_lengths", "  - attention: {heads: 2, lengths: n, name: a, input: x}\n", 40,
          lambda w, x: multihead(part(w, "a"), 2, x["x"], x["x"], x["x"], lengths=x["n"]), {"n": lengths(3, 40)})
attention("_grouped", "  - attention: {heads: 4, kv_heads: 2, causal: true, positions: alibi, name: a, input: x}\n", 36,
          lambda w, x: by_hand(part(w, "a"), 4, 2, x["x"], x["x"], x["x"], True, None, "alibi"))


def embedded(w, x):
    e = F.embedding(x["x"], w["e.weight"])
    e = e if e.requires_grad else e.requires_grad_()
    return {"e": e, "p": torch.tanh(dense(w, "h", e))}


penalty("gradient_embedding", {"x": tokens(6, 7)}, "  - embedding: {count: 6, dim: 5, name: e, input: x}\n  - dense: {units: 9, activation: tanh, name: h}\n"
        "  - {name: p, expr: h}\n", embedded, ["p"], by="e")

# --- losses: their gradients by the network's input -----------------------------------------------------------------------------
LOSSES = {
    "l_mse": ("mse(p, t)", lambda p, x: F.mse_loss(p, x["t"])), "l_huber": ("huber(p, t)", lambda p, x: F.huber_loss(p, x["t"])),
    "l_smooth": ("smooth_l1(p, t, beta=0.3)", lambda p, x: F.smooth_l1_loss(p, x["t"], beta=0.3)),
    "l_bce": ("bce(sigmoid(p), u)", lambda p, x: F.binary_cross_entropy(torch.sigmoid(p), x["u"])),
    "l_logits": ("bce_with_logits(p, u)", lambda p, x: F.binary_cross_entropy_with_logits(p, x["u"])),
    "l_both": ("bce(sigmoid(p), sigmoid(t * p))", lambda p, x: F.binary_cross_entropy(torch.sigmoid(p), torch.sigmoid(x["t"] * p))),
    "l_cross": ("softmax_cross_entropy(p, c)", lambda p, x: F.cross_entropy(p, x["c"])),
    "l_smoothed": ("softmax_cross_entropy(p, c, smoothing=0.2)", lambda p, x: F.cross_entropy(p, x["c"], label_smoothing=0.2)),
    "l_nll": ("nll(log_softmax(p), c)", lambda p, x: F.nll_loss(F.log_softmax(p, 1), x["c"])),
    "l_hinge": ("hinge(p * p, u)", lambda p, x: F.relu(1 - x["u"] * p * p).mean())}


def of_losses(w, x):
    p = dense(w, "p", x["x"])
    v = {n: f(p, x) for n, (_, f) in LOSSES.items()}
    return {"p": p, **v, **{"g_" + n: gradient(v[n], x["x"]) for n in LOSSES}}


LOSS = " + ".join("%d * sum(g_%s * g_%s) + %s" % (i % 3 + 1, n, n, n) for i, n in enumerate(LOSSES))
CASES.append(Case("gradient_losses", {"x": real(6), "t": real(5), "u": probability(5), "c": classes(5)}, "  - dense: {units: 5, name: p, input: x}\n"
                  + "".join('  - {name: %s, expr: "%s"}\n  - {name: g_%s, expr: "gradient(%s, x)"}\n' % (n, t, n, n) for n, (t, _) in LOSSES.items()),
                  with_gradients(of_losses), ["p"], LOSS,
                  lambda v, x: sum((i % 3 + 1) * (v["g_" + n] ** 2).sum() + v[n] for i, n in enumerate(LOSSES)), **ADAM))


# --- gradients of gradients, several of one value, and of a part of the network -------------------------------------------------
def third(w, x):
    h = torch.tanh(dense(w, "h", x["x"]))
    y = dense(w, "q", torch.sin(h)) ** 2
    a, b = gradient(y, x["x"]), gradient(y, h)
    c = gradient(a * a, x["x"])
    d = gradient(c * torch.cos(a), x["x"])
    return {"a": a, "b": b, "c": c, "d": d}


CASES.append(Case("gradient_of_gradient", {"x": real(4)},
                  "  - dense: {units: 6, activation: tanh, name: h, input: x}\n  - {name: s, expr: sin(h)}\n  - dense: {units: 2, name: q}\n"
                  "  - {name: y, expr: q ** 2}\n"
                  '  - {name: a, expr: "gradient(y, x)"}\n  - {name: b, expr: "gradient(y, h)"}\n  - {name: c, expr: "gradient(a * a, x)"}\n'
                  '  - {name: d, expr: "gradient(c * cos(a), x)"}\n',
                  with_gradients(third), ["a", "b", "c", "d"],
                  "mean(d ** 2) + mean(c * a) + mean(b ** 2)",
                  lambda v, x: (v["d"] ** 2).mean() + (v["c"] * v["a"]).mean() + (v["b"] ** 2).mean(), **ADAM))
