# SPDX-License-Identifier: MIT
"""Networks that are called, and players who take turns: GANs, a critic, an adversarial autoencoder."""
import torch
import torch.nn.functional as F

from case import Case, Player, classes, dense, real

CASES = []


def relu(w, name, x):
    return F.relu(dense(w, name, x))


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def norm(w, name, x, momentum=0.1):
    """Batchnorm, whose statistics move with each call in training."""
    if not w.training:
        return F.batch_norm(x, w[name + ".running_mean"], w[name + ".running_var"], w[name + ".weight"], w[name + ".bias"])
    return F.batch_norm(x, w[name + ".running_mean"], w[name + ".running_var"], w[name + ".weight"], w[name + ".bias"],
                        True, momentum)


def adam(lr, *betas):
    return lambda p: torch.optim.Adam(p, lr, betas=betas or (0.9, 0.999), eps=1e-3)


# --- a GAN of dense layers -------------------------------------------------------------------------------------------------
TWO = """
networks:
  gen:
    inputs: [z]
    layers:
      - dense: {units: 12, name: a, bias: false}
      - batchnorm: {name: n, activation: relu}
      - dense: {units: 5, name: b}
  dis:
    inputs: {x: {shape: [5]}}
    layers:
      - dense: {units: 11, activation: {leaky_relu: 0.2}, name: a}
      - batchnorm: {name: n}
      - dense: {units: 1, name: b}
"""


def gen(w, z):
    return dense(w, "gen.b", F.relu(norm(w, "gen.n", dense(w, "gen.a", z))))


def dis(w, x):
    return dense(w, "dis.b", norm(w, "dis.n", F.leaky_relu(dense(w, "dis.a", x), 0.2)))


def both(w, x):
    fake = gen(w, x["z"])
    return {"fake": fake, "on_real": dis(w, x["x"]), "on_fake": dis(w, fake)}


def d_turn(w, x, kept):
    kept["fake"] = gen(w, x["z"])
    return bce(dis(w, x["x"]), 1.0) + bce(dis(w, kept["fake"].detach()), 0.0)


def g_turn(w, x, kept):
    return bce(dis(w, kept["fake"] if "fake" in kept else gen(w, x["z"])), 1.0)


def sum_of(v, x):
    return bce(v["on_real"], 1.0) + bce(v["on_fake"], 0.0) + bce(v["on_fake"], 1.0)


LOSS = ('{d: "bce_with_logits(dis(x), 1) + bce_with_logits(dis(gen(z)), 0)", '
        'g: "bce_with_logits(dis(gen(z)), 1)"}')
OUT = {"fake": "gen(z)", "on_real": "dis(x)", "on_fake": "dis(x=gen(z))"}


def gan(name, train, players, **more):
    keys = dict(layers="", forward=both, outputs=OUT, loss=LOSS, loss_of=sum_of, top=TWO, varied=True,
                optimizer="{adam: {lr: 0.01, eps: 1e-3}}", train="epochs: 5\n" + more.pop("also", "") + "players:\n  " + "\n  ".join(train), players=players)
    CASES.append(Case(name, {"x": real(5), "z": real(3)}, **{**keys, **more}))


gan("players_gan", ["- {minimize: d, update: dis}", "- {minimize: g, update: gen, optimizer: {adam: {lr: 0.02, betas: [0.5, 0.9], eps: 1e-3}}}"],
    [Player(d_turn, "dis.", adam(0.01)), Player(g_turn, "gen.", adam(0.02, 0.5, 0.9))],
    metrics={"right": ("accuracy(sigmoid(dis(x)), x[:, :1] * 0 + 1)", lambda v, x: (v["on_real"] >= 0).mean())})
gan("players_every", ["- {minimize: d, update: dis, optimizer: {rmsprop: {lr: 0.01, eps: 1e-2}}, schedule: {exponential: {gamma: 0.9}}}",
                      "- {minimize: g, update: gen, every: 3}"],
    [Player(d_turn, "dis.", lambda p: torch.optim.RMSprop(p, 0.01, eps=1e-2), rate=lambda base, step, per_epoch: base * 0.9 ** step),
     Player(g_turn, "gen.", adam(0.01), every=3)], steps=13)
gan("players_clip", ["- {minimize: d, update: [dis]}", "- {minimize: g, update: \"gen.*\"}"],
    [Player(d_turn, "dis.", adam(0.01)), Player(g_turn, "gen.", adam(0.01))], clip_norm=0.05, also="clip_norm: 0.05\n")
gan("players_other_way", ["- {minimize: g, update: gen, every: 2}", "- {minimize: d, update: dis}"],
    [Player(g_turn, "gen.", adam(0.01), every=2), Player(d_turn, "dis.", adam(0.01))], steps=9)

# --- an encoder that two players update, values of `layers` that are made again --------------------------------------------------
THREE = """
networks:
  enc:
    layers: [{dense: {units: 9, activation: relu, name: a}}, {dense: {units: 2, name: b}}]
  dec:
    layers: [{dense: {units: 9, activation: relu, name: a}}, {dense: {units: 6, name: b}}]
  dis:
    layers: [{dense: {units: 8, activation: relu, name: a}}, {dense: {units: 1, name: b}}]
"""


def enc(w, x):
    return dense(w, "enc.b", relu(w, "enc.a", x))


def dec(w, code):
    return dense(w, "dec.b", relu(w, "dec.a", code))


def judge(w, code):
    return dense(w, "dis.b", relu(w, "dis.a", code))


def scaled(w, x):
    return dense(w, "scale", x["x"])


def three(w, x):
    code = enc(w, scaled(w, x))
    return {"code": code, "back": dec(w, code), "on_prior": judge(w, x["prior"]), "on_code": judge(w, code)}


def three_losses(v, x):
    return (F.mse_loss(v["back"], x["x"]) + 0.5 * (bce(v["on_prior"], 1.0) + bce(v["on_code"], 0.0)) + bce(v["on_code"], 1.0))


CASES.append(Case(
    "players_three", {"x": real(6), "prior": real(2)},
    "  - dense: {units: 6, name: scale, input: x}\n  - {name: code, expr: enc(scale)}\n  - {name: back, expr: dec(code)}\n"
    "  - dis: {input: prior, name: on_prior}\n  - dis: {input: code, name: on_code}",
    three, ["code", "back"], '{rebuild: "mse(back, x)", d: "bce_with_logits(on_prior, 1) + bce_with_logits(on_code, 0)", '
    'fool: "bce_with_logits(on_code, 1)"}\nloss_weights: {d: 0.5}', three_losses, top=THREE,
    optimizer="{adam: {lr: 0.01, eps: 1e-3}}",
    train="epochs: 5\nplayers:\n  - {minimize: rebuild, update: [enc, dec, \"scale.*\"]}\n  - {minimize: d, update: dis}\n"
          "  - {minimize: fool, update: enc, optimizer: {sgd: {lr: 0.05, momentum: 0.5}}}",
    players=[Player(lambda w, x, kept: F.mse_loss(dec(w, enc(w, scaled(w, x))), x["x"]), ("enc.", "dec.", "scale."), adam(0.01)),
             Player(lambda w, x, kept: 0.5 * (bce(judge(w, x["prior"]), 1.0) + bce(judge(w, enc(w, scaled(w, x)).detach()), 0.0)), "dis.", adam(0.01)),
             Player(lambda w, x, kept: bce(judge(w, enc(w, scaled(w, x))), 1.0), "enc.", lambda p: torch.optim.SGD(p, 0.05, 0.5))]))

# --- without players: several results, a label for a condition, a network in a network ---------------------------------------------
SEVERAL = """
networks:
  enc:
    inputs: {x: {shape: [6]}, label: {classes: 4}}
    layers:
      - {name: both, expr: "concat(x, one_hot(label, count=4), axis=1)"}
      - dense: {units: 9, activation: relu, name: h}
      - dense: {units: 2, name: mean, input: h}
      - dense: {units: 2, name: logvar, input: h}
    outputs: [mean, logvar]
  dec:
    inputs: [code, label]
    layers: [{embedding: {count: 4, dim: 2, input: label, name: e}}, {add: {input: [e, code]}}, {dense: {units: 6, name: b}}]
  all:
    inputs: [x, label]
    layers: [{enc: {input: [x, label], name: [m, v]}}, {name: back, expr: "dec(m + exp(v) * 0.1, label)"}]
    outputs: {back: back, m: m, v: v}
"""


def several(w, x):
    h = relu(w, "enc.h", torch.cat([x["x"], F.one_hot(x["label"], 4).to(x["x"].dtype)], 1))
    m, v = dense(w, "enc.mean", h), dense(w, "enc.logvar", h)
    return {"m": m, "v": v, "back": dense(w, "dec.b", m + v.exp() * 0.1 + w["dec.e.weight"][x["label"]])}


CASES.append(Case(
    "networks_several", {"x": real(6), "label": classes(4)}, '  - {name: [back, m, v], expr: "all(x, label=label)"}', several,
    ["back", "m", "v"], '{rebuild: "mse(back, x)", near: "0.1 * kl_normal(m, v)"}',
    lambda v, x: F.mse_loss(v["back"], x["x"]) + 0.1 * (-0.5 * (1 + v["v"] - v["m"] ** 2 - v["v"].exp())).mean(), top=SEVERAL,
    optimizer="{adam: {lr: 0.01, eps: 1e-3}}", make=adam(0.01)))
