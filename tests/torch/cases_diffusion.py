# SPDX-License-Identifier: MIT
"""Denoising diffusion: schedules, noise, the embedding of time steps, DDIM sampling written out."""
import math

import torch
import torch.nn.functional as F

from case import Case, choice, classes, dense, real

CASES = []
STEPS = 20


def betas(schedule, start=1e-4, end=0.02):
    if schedule == "linear":
        return torch.linspace(start, end, STEPS, dtype=torch.float64)
    if schedule == "scaled_linear":
        return torch.linspace(start ** 0.5, end ** 0.5, STEPS, dtype=torch.float64) ** 2
    kept = [math.cos((t / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(STEPS + 1)]
    return torch.tensor([min(1 - b / a, 0.999) for a, b in zip(kept, kept[1:])], dtype=torch.float64)


def kept_of(*schedule):
    return torch.cumprod(1 - betas(*schedule), 0)


def embedding(t, dim, period=10000):
    half = dim // 2
    angle = t[:, None] * torch.exp(-math.log(period) * torch.arange(half, dtype=t.dtype) / half)
    e = torch.cat([angle.cos(), angle.sin()], 1)
    return F.pad(e, (0, dim % 2))


NET = """
networks:
  net:
    inputs: [x, t, label]
    layers:
      - {name: wave, expr: "timestep_embedding(t, dim=7, max_period=500)"}
      - dense: {units: 8, name: time}
      - embedding: {count: 3, dim: 8, input: label, name: kind}
      - dense: {units: 8, input: x, name: a}
      - {name: h, expr: silu(a + time + kind)}
      - dense: {units: 4, name: b}
"""


def net(w, x, t, label):
    h = dense(w, "net.a", x) + dense(w, "net.time", embedding(t, 7, 500)) + w["net.kind.weight"][label]
    return dense(w, "net.b", F.silu(h))


def times(count, spacing):
    if spacing == "leading":
        return [i * (STEPS // count) for i in range(count)][::-1]
    if spacing == "linspace":
        return [round(i * (STEPS - 1) / (count - 1)) for i in range(count)][::-1]
    return [round(STEPS - i * STEPS / count) - 1 for i in range(count)]


def ddim(w, x, label, count=STEPS, kept=None, prediction="epsilon", clip=True, spacing="trailing"):
    kept = kept_of("linear") if kept is None else kept
    order = times(count, spacing)
    for t, after in zip(order, order[1:] + [-1]):
        a, b = kept[t], kept[after] if after >= 0 else torch.tensor(1.0, dtype=kept.dtype)
        y = net(w, x, torch.full((len(x),), float(t), dtype=x.dtype), label)
        clean = {"epsilon": (x - (1 - a).sqrt() * y) / a.sqrt(), "sample": y, "velocity": a.sqrt() * x - (1 - a).sqrt() * y}[prediction]
        clean = clean.clamp(-1, 1) if clip else clean
        noise = (x - a.sqrt() * clean) / (1 - a).sqrt()
        x = b.sqrt() * clean + (1 - b).sqrt() * noise
    return x


def forward(w, x):
    t, label, start = x["t"][:, 0], x["label"], x["start"]
    cosine, scaled = kept_of("cosine"), kept_of("scaled_linear", 0.001, 0.2)
    at = kept_of("linear")[x["t"].long()]
    now = cosine[x["t"].long()]
    return {"wave": embedding(t, 6), "noisy": at.sqrt() * x["x"] + (1 - at).sqrt() * x["noise"],
            "v": now.sqrt() * x["noise"] - (1 - now).sqrt() * x["x"],
            "said": net(w, at.sqrt() * x["x"] + (1 - at).sqrt() * x["noise"], t, label),
            "five": ddim(w, start, label, 5), "free": ddim(w, start, label, 5, clip=False), "all": ddim(w, start, label, STEPS, cosine, "sample"),
            "velocity": ddim(w, start, label, 7, scaled, "velocity", False, "linspace"),
            "leading": ddim(w, start, label, 6, prediction="velocity", spacing="leading")}


CASES.append(Case(
    "diffusion", {"x": real(4), "noise": real(4), "start": real(4), "t": choice(range(STEPS), 1), "label": classes(3)},
    "  - {name: noisy, expr: \"add_noise(x, noise, t, steps=20)\"}\n  - {name: said, expr: \"net(noisy, t, label)\"}", forward,
    {"wave": "timestep_embedding(t, dim=6)", "noisy": "noisy", "said": "said",
     "v": "velocity(x, noise, t=t, steps=20, schedule=cosine)",
     "five": "denoise(net, start=start, label=label, steps=20, inference_steps=5)",
     "all": "denoise(net, start=start, label=label, shape=[4], steps=20, schedule=cosine, sampler=ddpm, eta=0, prediction=sample)",
     "velocity": "denoise(net, start=start, label=label, steps=20, schedule=scaled_linear, beta_start=0.001, beta_end=0.2, "
                 "inference_steps=7, clip=false, prediction=velocity, spacing=linspace)",
     "leading": "denoise(net, start=start, label=label, steps=20, inference_steps=6, prediction=velocity, spacing=leading)"},
    '{noise: "mse(said, noise)", sampled: "0.1 * mean(square(denoise(net, start=start, label=label, steps=20, inference_steps=5, clip=false)))"}',
    lambda v, x: F.mse_loss(v["said"], x["noise"]) + 0.1 * (v["free"] ** 2).mean(), top=NET, optimizer="{adam: {lr: 0.01, eps: 1e-3}}",
    make=lambda p: torch.optim.Adam(p, 0.01, eps=1e-3)))
