# SPDX-License-Identifier: MIT
"""spectral_norm, computed by PyTorch's own torch.nn.utils.spectral_norm; and weights that go to such modules and back."""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import spectral_norm

import safetensors
from case import Case, classes, dense, real
from check import Built, Wrong
from convlayers import Layer, network, spectral_weight

CASES = []


def spectral(name, layers, inputs, **more):
    CASES.append(network(name, inputs, layers, **more))


def normed(kind, name, source, **args):
    return Layer(kind, name, source, spectral_norm=True, **args)


spectral("spectral_dense", [
    normed("dense", "a", "x", units=17, activation="leaky_relu"), normed("dense", "b", "a", units=9, bias=False, activation="tanh"),
    Layer("dense", "c", "b", units=5), normed("dense", "y", "c", units=1)], {"x": real(6)}, steps=20, train="epochs: 20")
spectral("spectral_conv", [
    normed("conv2d", "a", "x", out=8, kernel=3, padding=1, activation="leaky_relu"),
    normed("conv2d", "b", "a", out=12, kernel=4, stride=2, bias=False), Layer("batchnorm", "n", "b", activation="relu"),
    normed("conv2d", "c", "n", out=6, kernel=3, groups=3, padding=1), normed("conv_transpose2d", "d", "c", out=4, kernel=4, stride=2, padding=1),
    normed("conv_transpose2d", "e", "d", out=6, kernel=3, groups=2, dilation=2)], {"x": real(3, 9, 8)},
    optimizer="{adam: {lr: 1e-2, eps: 1e-3}}", make=lambda p: torch.optim.Adam(p, 1e-2, eps=1e-3))
spectral("spectral_conv1d_3d", [
    normed("conv1d", "a", "x", out=7, kernel=3, padding=1), normed("conv_transpose1d", "b", "a", out=5, kernel=4, stride=2),
    normed("conv3d", "c", "z", out=4, kernel=2, activation="relu")], {"x": real(3, 11), "z": real(2, 5, 4, 3)})
spectral("spectral_shared", [  # two iterations a step, the second from where the first left u; a frozen one iterates as well
    normed("dense", "a", "x", units=6, activation="leaky_relu"), Layer("dense", "b", "a", units=6, shared="a", activation="leaky_relu"),
    Layer("dense", "c", "z", units=6, shared="a"), normed("dense", "f", "b", units=6, frozen=True), Layer("add", "y", "f", "c")],
    {"x": real(6), "z": real(6)})
spectral("spectral_accumulate", [
    normed("conv2d", "a", "x", out=5, kernel=3, activation="relu"), Layer("flatten", "f", "a"), normed("dense", "y", "f", units=3)],
    {"x": real(2, 5, 5)}, train="epochs: 20\naccumulate: 2\nclip_norm: 0.5", accumulate=2, clip_norm=0.5)


def embedded(w, x):
    table = spectral_weight(w, "e")
    return {"y": dense(w, "d", F.embedding(x["k"], table).sum(1) * x["x"])}


CASES.append(Case("spectral_embedding", {"k": classes(7, 3), "x": real(4), "t": real(2)},
                  "  - embedding: {count: 7, dim: 4, spectral_norm: true, input: k, name: e}\n"
                  "  - {name: h, expr: \"sum(e, axis=1) * x\"}\n  - dense: {units: 2, name: d, input: h}\n  - identity: {name: y}\n",
                  embedded, ["y"], "mse(y, t)", lambda v, x: F.mse_loss(v["y"], x["t"])))


# --- there and back --------------------------------------------------------------------------------------------------------
MODULES = """
  - conv2d: {out: 5, kernel: 3, spectral_norm: true, activation: relu, name: m0}
  - conv_transpose2d: {out: 3, kernel: 2, stride: 2, spectral_norm: true, activation: relu, name: m2}
  - flatten
  - dense: {units: 2, spectral_norm: true, name: m5}
"""


def modules():
    net = torch.nn.ModuleDict({"m0": spectral_norm(torch.nn.Conv2d(2, 5, 3)), "m2": spectral_norm(torch.nn.ConvTranspose2d(5, 3, 2, 2)),
                               "m5": spectral_norm(torch.nn.Linear(3 * 6 * 4, 2))})
    return net, lambda x: net["m5"](F.relu(net["m2"](F.relu(net["m0"](x)))).flatten(1))


def check_state(case, nncc, work, seed):
    """A PyTorch user's state_dict is read as it is, trained on, and goes back into the modules, which then predict the same."""
    b = Built(case, nncc, work, seed)
    torch.manual_seed(seed)
    net, forward = modules()
    forward(torch.tensor(b.data["x"]))  # an iteration
    state = {k: v.numpy() for k, v in net.state_dict().items()}
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in b.weights.items()}:
        raise Wrong("weights %s, not PyTorch's %s" % (sorted(b.weights), sorted(state)))
    safetensors.save(os.path.join(b.folder, "w.safetensors"), state)
    for name, command in ("w", None), ("t", ["train", "--weights", "w.safetensors", "--out", "t.safetensors", *b.files("--data")]):
        if command:
            b.run(*command)
        net.load_state_dict({k: torch.tensor(v) for k, v in b.load(name + ".safetensors").items()}, strict=True)
        b.run("predict", "--weights", name + ".safetensors", "--input", "x=x.npy", "--output", "y=y.npy")
        net.eval()
        with torch.no_grad():
            b.within("predict", name, b.load("y.npy"), forward(torch.tensor(b.data["x"])), 1e-4)
    for name in "m0", "m2", "m5":
        for k in "uv":
            b.within("unit", name, np.linalg.norm(b.load("t.safetensors")["%s.weight_%s" % (name, k)]), 1, 1e-5)
    if b.faults:
        raise Wrong("; ".join(b.faults))
    return b.worst


state = Case("spectral_state", {"x": real(2, 5, 4), "t": real(2)}, MODULES, None, {"y": "m5"}, "mse(m5, t)", None)
state.check = check_state
CASES.append(state)
