# SPDX-License-Identifier: MIT
"""Every optimiser, schedule and treatment of gradients with every option, over 50 steps of 4 an epoch (the last of each of a
short batch). nncc computes in f32, PyTorch here in f64: after 50 steps what a weight has changed by differs by less than
BOUND of it, beside the rounding of the weight itself and 4 times what PyTorch's own f32 is off by (check.py)."""
import math

import warnings

import torch
import torch.nn.functional as F

from case import Case, dense, real

O = torch.optim
CASES = []
LAYERS = "  - dense: {units: 9, activation: tanh, name: h, input: x}\n  - dense: {units: 4, name: p}\n"


STEPS, EPOCHS, BOUND = 50, 13, 2e-5
TOTAL = 4 * EPOCHS  # steps: the horizon of schedules


def trained(name, optimizer, make, **more):
    more = {"train": "epochs: %d" % EPOCHS, "steps": STEPS, "bound": BOUND,
            "quick": not name.startswith("optimizer"), **more}
    CASES.append(Case(name, {"x": real(5), "t": real(4)}, LAYERS,
                      lambda w, x: {"p": dense(w, "p", torch.tanh(dense(w, "h", x["x"])))}, ["p"], "mse(p, t)",
                      lambda v, x: F.mse_loss(v["p"], x["t"]), optimizer, make, **more))


class Lion(O.Optimizer):
    """Of the paper: PyTorch has none."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            a, b = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                step = (a * m + (1 - a) * p.grad).sign() + group["weight_decay"] * p
                p.sub_(group["lr"] * step)
                m.mul_(b).add_((1 - b) * p.grad)


class Moments(O.Optimizer):
    """What of a gradient and its square both have that follow: Adam's means."""

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            a, b = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                m, v = state.setdefault("m", torch.zeros_like(p)), state.setdefault("v", torch.zeros_like(p))
                state["t"] = state.get("t", 0) + 1
                grad = self.gradient(group, p)
                m.mul_(a).add_((1 - a) * grad)
                v.mul_(b).add_((1 - b) * grad ** 2)
                size = (v / (1 - b ** state["t"])).sqrt() + group["eps"]
                p.sub_(group["lr"] * self.direction(group, p, grad, size, state))


class Nadam(Moments):
    """PyTorch's from 2.0 on; earlier ones multiply a momentum too many into the product."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decay": momentum_decay})

    def gradient(self, group, p):
        return p.grad + group["weight_decay"] * p

    def direction(self, group, p, grad, size, state):
        now, later = (group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["decay"])) for t in (state["t"], state["t"] + 1))
        product = state["product"] = state.get("product", 1) * now
        return ((1 - now) / (1 - product) * grad + later / (1 - product * later) * state["m"]) / size


class Lamb(Moments):
    """Of the paper: PyTorch has none."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def gradient(self, group, p):
        return p.grad

    def direction(self, group, p, grad, size, state):
        step = state["m"] / (1 - group["betas"][0] ** state["t"]) / size + group["weight_decay"] * p
        return step * (p.norm() / step.norm() if p.norm() > 0 and step.norm() > 0 else 1)


OPTIMISERS = {
    "sgd": ("lr: 0.1", O.SGD, {"lr": 0.1}),
    "sgd_decay": ("lr: 0.1, weight_decay: 0.2", O.SGD, {"lr": 0.1, "weight_decay": 0.2}),
    "sgd_momentum": ("lr: 0.1, momentum: 0.9", O.SGD, {"lr": 0.1, "momentum": 0.9}),
    "sgd_momentum_decay": ("lr: 0.1, momentum: 0.9, weight_decay: 0.1", O.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "sgd_nesterov": ("lr: 0.1, momentum: 0.8, nesterov: true", O.SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "sgd_nesterov_decay": ("lr: 0.1, momentum: 0.8, nesterov: true, weight_decay: 0.1", O.SGD,
                           {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "adam_defaults": ("", O.Adam, {}),
    "adam_all": ("lr: 0.02, betas: [0.8, 0.95], eps: 3e-2, weight_decay: 0.1", O.Adam,
                 {"lr": 0.02, "betas": (0.8, 0.95), "eps": 3e-2, "weight_decay": 0.1}),
    "adam_amsgrad": ("lr: 0.02, betas: [0.5, 0.6], amsgrad: true", O.Adam, {"lr": 0.02, "betas": (0.5, 0.6), "amsgrad": True}),
    "adam_amsgrad_all": ("lr: 0.02, betas: [0.5, 0.6], amsgrad: true, weight_decay: 0.05, eps: 3e-2", O.Adam,
                         {"lr": 0.02, "betas": (0.5, 0.6), "amsgrad": True, "weight_decay": 0.05, "eps": 3e-2}),
    "adam_no_betas": ("lr: 0.01, betas: [0, 0]", O.Adam, {"lr": 0.01, "betas": (0.0, 0.0)}),
    "adamw_defaults": ("", O.AdamW, {}),
    "adamw_all": ("lr: 0.02, betas: [0.8, 0.95], eps: 3e-2, weight_decay: 0.3", O.AdamW,
                  {"lr": 0.02, "betas": (0.8, 0.95), "eps": 3e-2, "weight_decay": 0.3}),
    "rmsprop_defaults": ("", O.RMSprop, {}),
    "rmsprop_momentum": ("lr: 0.01, momentum: 0.7", O.RMSprop, {"lr": 0.01, "momentum": 0.7}),
    "rmsprop_centered": ("lr: 0.005, alpha: 0.8, centered: true, eps: 2e-2", O.RMSprop,
                         {"lr": 0.005, "alpha": 0.8, "centered": True, "eps": 2e-2}),
    "rmsprop_all": ("lr: 0.005, alpha: 0.9, eps: 3e-2, momentum: 0.7, centered: true, weight_decay: 0.1", O.RMSprop,
                    {"lr": 0.005, "alpha": 0.9, "eps": 3e-2, "momentum": 0.7, "centered": True, "weight_decay": 0.1}),
    "adagrad_defaults": ("", O.Adagrad, {}),
    "adagrad_all": ("lr: 0.1, eps: 3e-2, lr_decay: 0.2, weight_decay: 0.1", O.Adagrad,
                    {"lr": 0.1, "eps": 3e-2, "lr_decay": 0.2, "weight_decay": 0.1}),
    "adadelta_defaults": ("", O.Adadelta, {"lr": 1.0}),
    "adadelta_all": ("lr: 0.5, rho: 0.8, eps: 1e-3, weight_decay: 0.1", O.Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    "adamax_defaults": ("", O.Adamax, {}),
    "adamax_all": ("lr: 0.02, betas: [0.8, 0.95], eps: 3e-2, weight_decay: 0.1", O.Adamax,
                   {"lr": 0.02, "betas": (0.8, 0.95), "eps": 3e-2, "weight_decay": 0.1}),
    "nadam_defaults": ("", Nadam, {}),
    "nadam_all": ("lr: 0.02, betas: [0.8, 0.95], eps: 3e-2, weight_decay: 0.1, momentum_decay: 0.3", Nadam,
                  {"lr": 0.02, "betas": (0.8, 0.95), "eps": 3e-2, "weight_decay": 0.1, "momentum_decay": 0.3}),
    "lion_defaults": ("", Lion, {}),
    "lion_all": ("lr: 0.005, betas: [0.8, 0.9], weight_decay: 0.1", Lion, {"lr": 0.005, "betas": (0.8, 0.9), "weight_decay": 0.1}),
    "lamb_defaults": ("", Lamb, {}),
    "lamb_all": ("lr: 0.02, betas: [0.8, 0.95], eps: 3e-2, weight_decay: 0.1", Lamb,
                 {"lr": 0.02, "betas": (0.8, 0.95), "eps": 3e-2, "weight_decay": 0.1})}
for name, (text, kind, options) in OPTIMISERS.items():
    word = name.split("_")[0]
    trained("optimizer_" + name, "{%s: {%s}}" % (word, text) if text else word,
            lambda p, kind=kind, options=options: kind(p, **options))



def grouped(kind, **options):
    """The second layer has a rate of its own, biases no weight decay; of h.bias the first pattern that fits counts."""
    def make(p):  # h.bias, h.weight, p.bias, p.weight: in the order of their names
        hb, hw, pb, pw = p
        return kind([{"params": [hb, pb], "weight_decay": 0.0}, {"params": [pw], "lr": 0.003, "weight_decay": 0.3}, {"params": [hw]}], **options)
    return make


GROUPS = 'groups: {"*.bias": {weight_decay: 0}, "p.w?ight": {lr: 3e-3, weight_decay: 0.3}, "*h.b*": {lr: 9}}'
trained("groups_adamw", "{adamw: {lr: 0.02, eps: 1e-2, weight_decay: 0.1, %s}}" % GROUPS, grouped(O.AdamW, lr=0.02, eps=1e-2, weight_decay=0.1))
trained("groups_sgd", "{sgd: {lr: 0.1, momentum: 0.8, weight_decay: 0.1, %s}}" % GROUPS, grouped(O.SGD, lr=0.1, momentum=0.8, weight_decay=0.1),
        train="epochs: 13\nschedule: {exponential: {gamma: 0.95}}", rate=lambda b, s, e: b * 0.95 ** s)


def sgd(p):
    return O.SGD(p, 0.1)


def momentum(p):
    return O.SGD(p, 0.1, 0.9)


def adam(p):
    return O.Adam(p, 0.02)


SGD, MOMENTUM, ADAM = "{sgd: {lr: 0.1}}", "{sgd: {lr: 0.1, momentum: 0.9}}", "{adam: {lr: 0.02}}"
trained("clip_norm", SGD, sgd, train="epochs: 13\nclip_norm: 0.3", clip_norm=0.3)
trained("clip_norm_seldom", MOMENTUM, momentum, train="epochs: 13\nclip_norm: 0.9", clip_norm=0.9)
trained("clip_norm_adam", ADAM, adam, train="epochs: 13\nclip_norm: 0.1", clip_norm=0.1)
trained("clip_value", SGD, sgd, train="epochs: 13\nclip_value: 0.02", clip_value=0.02)
trained("clip_both", ADAM, adam, train="epochs: 13\nclip_value: 0.05\nclip_norm: 0.2", clip_value=0.05, clip_norm=0.2)
trained("accumulate", ADAM, adam, train="epochs: 26\naccumulate: 2", accumulate=2)
trained("accumulate_3", MOMENTUM, momentum, train="epochs: 40\naccumulate: 3", accumulate=3)
trained("accumulate_clip", SGD, sgd, train="epochs: 26\naccumulate: 2\nclip_norm: 0.3\nclip_value: 0.1", accumulate=2,
        clip_norm=0.3, clip_value=0.1)
trained("batch_of_one", MOMENTUM, momentum, batch=1)
trained("batch_of_all", ADAM, adam, batch=64)
trained("batch_of_nine", ADAM, adam, batch=9)


# --- schedules: the rate of a step, from 0; e steps an epoch; 13 epochs of 4 steps are a horizon of 52 -----------------
def warm(length, after):
    """A line from 0 over `length` steps; what comes after counts from its end."""
    return lambda b, s, e: b * s / length(e) if s < length(e) else after(b, s - length(e), e)


def cosine(total, to=0.0):
    return lambda b, s, e: to + (b - to) * (1 + math.cos(math.pi * min(s, total) / total)) / 2


def linear(total, to=0.0):
    return lambda b, s, e: b + (to - b) * min(s, total) / total


def constant(b, s, e):
    return b


def of_torch(kind, **options):
    """The rates of PyTorch's own schedule."""
    def rate(base, step, per_epoch):
        p = torch.zeros(1, requires_grad=True)
        optimizer = O.SGD([p], base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the optimiser takes no step here
            schedule = kind(optimizer, **{k: base if o == "base" else o for k, o in options.items()})
            for _ in range(step):
                schedule.step()
        return optimizer.param_groups[0]["lr"]
    return rate


L = O.lr_scheduler
SCHEDULES = {
    "cosine_restarts": ("{cosine: {restarts: 3, to: 0.01}}", of_torch(L.CosineAnnealingWarmRestarts, T_0=13, eta_min=0.01)),
    "multistep": ("{multistep: [5, 20, 37]}", of_torch(L.MultiStepLR, milestones=[5, 20, 37])),
    "multistep_epochs": ("{multistep: {milestones_epochs: [2, 7], gamma: 0.6}}", lambda b, s, e: b * 0.6 ** ((s >= 2 * e) + (s >= 7 * e))),
    "polynomial": ("{polynomial: 2}", lambda b, s, e: b * (1 - s / TOTAL) ** 2),
    "polynomial_warm": ("{polynomial: {power: 0.5, to: 0.02, warmup_steps: 4}}",
                        warm(lambda e: 4, lambda b, s, e: 0.02 + (b - 0.02) * (1 - s / (TOTAL - 4)) ** 0.5)),
    "inverse_sqrt": ("inverse_sqrt", lambda b, s, e: b / math.sqrt(max(s, 1))),
    "inverse_sqrt_warm": ("{inverse_sqrt: {warmup_steps: 4}}", lambda b, s, e: b * min(s / 4, math.sqrt(4 / max(s, 1)))),
    "one_cycle": ("one_cycle", of_torch(L.OneCycleLR, max_lr="base", total_steps=TOTAL, cycle_momentum=False)),
    "one_cycle_all": ("{one_cycle: {pct_start: 0.2, div_factor: 5, final_div_factor: 10}}",
                      of_torch(L.OneCycleLR, max_lr="base", total_steps=TOTAL, pct_start=0.2, div_factor=5, final_div_factor=10, cycle_momentum=False)),
    "constant": ("constant", constant),
    "constant_warm": ("{constant: {warmup_steps: 7}}", warm(lambda e: 7, constant)),
    "constant_warm_epochs": ("{constant: {warmup_epochs: 1.5}}", warm(lambda e: 1.5 * e, constant)),
    "step": ("{step: {every: 7, gamma: 0.7}}", lambda b, s, e: b * 0.7 ** (s // 7)),
    "step_gamma": ("{step: {every: 20}}", lambda b, s, e: b * 0.1 ** (s // 20)),
    "step_epochs": ("{step: {every_epochs: 1, gamma: 0.8}}", lambda b, s, e: b * 0.8 ** (s // e)),
    "step_warm": ("{step: {every: 6, gamma: 0.8, warmup_steps: 3}}", warm(lambda e: 3, lambda b, s, e: b * 0.8 ** (s // 6))),
    "exponential": ("{exponential: {gamma: 0.95}}", lambda b, s, e: b * 0.95 ** s),
    "exponential_every": ("{exponential: {gamma: 0.5, every: 16}}", lambda b, s, e: b * 0.5 ** (s / 16)),
    "exponential_epochs": ("{exponential: {gamma: 0.8, every_epochs: 1}}", lambda b, s, e: b * 0.8 ** (s // e)),
    "exponential_2_epochs": ("{exponential: {gamma: 0.5, every_epochs: 2}}", lambda b, s, e: b * 0.5 ** ((s // e) / 2)),
    "exponential_warm": ("{exponential: {gamma: 0.95, warmup_epochs: 1}}", warm(lambda e: e, lambda b, s, e: b * 0.95 ** s)),
    "cosine": ("cosine", cosine(TOTAL)), "cosine_to": ("{cosine: {to: 0.04}}", cosine(TOTAL, 0.04)),
    "cosine_warm": ("{cosine: {warmup_steps: 4, to: 0.01}}", warm(lambda e: 4, cosine(TOTAL - 4, 0.01))),
    "cosine_warm_epochs": ("{cosine: {warmup_epochs: 1}}", warm(lambda e: e, cosine(TOTAL - 4))),
    "linear": ("linear", linear(TOTAL)), "linear_to": ("{linear: {to: 0.02}}", linear(TOTAL, 0.02)),
    "linear_warm": ("{linear: {warmup_steps: 5}}", warm(lambda e: 5, linear(TOTAL - 5)))}
for name, (text, rate) in SCHEDULES.items():
    trained("schedule_" + name, SGD, sgd, train="epochs: 13\nschedule: " + text, rate=rate)
trained("schedule_steps", SGD, sgd, train="steps: 50\nschedule: linear", rate=linear(50))
trained("schedule_accumulate", SGD, sgd, train="epochs: 26\naccumulate: 2\nschedule: {cosine: {warmup_epochs: 1}}", accumulate=2,
        rate=warm(lambda e: 2, cosine(TOTAL - 2)))
trained("schedule_adamw", "{adamw: {lr: 0.02, weight_decay: 0.5}}", lambda p: O.AdamW(p, 0.02, weight_decay=0.5),
        train="epochs: 13\nschedule: {step: {every: 7, gamma: 0.7}}", rate=lambda b, s, e: b * 0.7 ** (s // 7))
for name, text, options in (
        ("plateau", "monitor: loss, factor: 0.5, patience: 1, threshold: 0.05", {"factor": 0.5, "patience": 1, "threshold": 0.05}),
        ("plateau_to", "monitor: loss, factor: 0.3, patience: 0, threshold: 0.2, to: 0.02",
         {"factor": 0.3, "patience": 0, "threshold": 0.2, "min_lr": 0.02}),
        ("plateau_max", "monitor: loss, mode: max, factor: 0.7, patience: 2", {"mode": "max", "factor": 0.7, "patience": 2})):
    trained("schedule_" + name, SGD, sgd, train="epochs: 13\nschedule: {plateau: {%s}}" % text, plateau={"min_lr": 0, "eps": 0, **options})

# --- averages of weights: what is saved -------------------------------------------------------------------------------
trained("ema", ADAM, adam, train="epochs: 13\nema: 0.9", ema=(0.9, 0))
trained("ema_start", MOMENTUM, momentum, train="epochs: 13\nema: {decay: 0.95, start: 20}", ema=(0.95, 20))
trained("ema_accumulate", SGD, sgd, train="epochs: 26\naccumulate: 2\nclip_norm: 0.3\nema: {decay: 0.8}", accumulate=2, clip_norm=0.3,
        ema=(0.8, 0))
trained("ema_frozen", "{adamw: {lr: 0.02, weight_decay: 0.1}}", lambda p: O.AdamW(p, 0.02, weight_decay=0.1),
        train='epochs: 13\nema: 0.9\nfrozen: ["h.*"]', ema=(0.9, 0), frozen=("h.weight", "h.bias"))
