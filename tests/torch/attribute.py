# SPDX-License-Identifier: MIT
"""`attribute` against PyTorch: saliency, gradient times input, integrated gradients and Grad-CAM of a convolutional
network whose batchnorm takes its running statistics; tokens of an embedding. attribute.py NNCC, in an empty folder."""
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F

import safetensors

CONV = """
model: seen
inputs: {image: {shape: [3, 16, 12], normalize: {mean: 2, std: 3}}, label: {classes: 5}}
layers:
  - conv2d: {out: 8, kernel: 3, padding: 1, activation: relu, name: conv1}
  - maxpool2d: 2
  - conv2d: {out: 12, kernel: 3, padding: same, bias: false, name: conv2}
  - batchnorm: {activation: relu, name: bn}
  - dropout: 0.5
  - flatten
  - dense: {units: 5, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
train: {batch: 4, optimizer: {sgd: {lr: 0.1}}}
"""
TEXT = """
model: words
inputs: {words: {tokens: 30, shape: [7]}, label: {classes: 3}}
layers:
  - embedding: {count: 30, dim: 6, input: words, name: table}
  - dense: {units: 8, activation: tanh, name: fc}
  - {name: pooled, expr: "mean(fc, axis=1)"}
  - dense: {units: 3, input: pooled, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
train: {batch: 3, optimizer: {sgd: {lr: 0.1}}}
"""
failed = False


def check(name, got, wanted, bound=2e-5):
    global failed
    error = np.abs(got - wanted).max() / max(np.abs(wanted).max(), 1e-30) if got.shape == wanted.shape else np.inf
    print("%s attribute as PyTorch: %s (%.1e)" % ("ok" if error <= bound else "not ok", name, error))
    failed = failed or not error <= bound


def program(nncc, name, text):
    """The program, and weights at random under its own names and shapes."""
    with open(name + ".yaml", "w") as f:
        f.write(text)
    subprocess.run([nncc, name + ".yaml", "-o", name], check=True)
    subprocess.run(["./" + name, "init", "-o", name + ".safetensors"], check=True)
    rng = np.random.default_rng(5)
    w = safetensors.load(name + ".safetensors")
    for key in w:
        w[key] = rng.normal(scale=0.3, size=w[key].shape).astype("f4")
        if key.endswith("running_var"):
            w[key] = rng.uniform(0.5, 2, w[key].shape).astype("f4")
    safetensors.save(name + ".safetensors", w)
    return {k: torch.tensor(v).double() for k, v in w.items()}, rng


def attribute(name, method, *more):
    subprocess.run(["./" + name, "attribute", "--method", method, *more], check=True, stdout=subprocess.DEVNULL)


def seen(w, x):
    conv1 = F.relu(F.conv2d((x - 2) / 3, w["conv1.weight"], w["conv1.bias"], padding=1))
    conv2 = F.conv2d(F.max_pool2d(conv1, 2), w["conv2.weight"], padding=1)
    bn = F.relu(F.batch_norm(conv2, w["bn.running_mean"], w["bn.running_var"], w["bn.weight"], w["bn.bias"]))
    logits = F.linear(bn.flatten(1), w["logits.weight"], w["logits.bias"])
    return logits, {"conv1": conv1, "conv2": conv2, "bn": bn}


def cam(value, gradient):
    return F.relu((gradient.mean((2, 3), keepdim=True) * value).sum(1)).detach().numpy()


def images(nncc):
    w, rng = program(nncc, "seen", CONV)
    x = (3 * rng.normal(size=(11, 3, 16, 12)) + 2).astype("f4")
    np.save("x.npy", x)
    t = torch.tensor(x).double().requires_grad_()
    logits, layers = seen(w, t)
    for value in layers.values():
        value.retain_grad()
    largest = logits.argmax(1)
    logits.gather(1, largest[:, None]).sum().backward()
    given = ["--input", "image=x.npy", "--output", "image=a.npy"]
    attribute("seen", "saliency", *given)
    check("saliency", np.load("a.npy"), t.grad.numpy())
    attribute("seen", "gradient_input", *given)
    check("gradient_input", np.load("a.npy"), (t.grad * t).detach().numpy())
    for name, value in layers.items():
        attribute("seen", "grad_cam", "--layer", name, *given)
        check("grad_cam of " + name, np.load("a.npy"), cam(value, value.grad))
    attribute("seen", "grad_cam", *given)
    check("grad_cam of the last convolution", np.load("a.npy"), cam(layers["conv2"], layers["conv2"].grad))

    base = rng.normal(size=(3, 16, 12)).astype("f4")
    np.save("base.npy", base)
    steps, k, b = 10, 3, torch.tensor(base).double()
    mean = torch.zeros_like(t)
    for i in range(steps):
        p = (b + (i + 0.5) / steps * (t.detach() - b)).requires_grad_()
        seen(w, p)[0][:, k].sum().backward()
        mean += p.grad / steps
    attribute("seen", "integrated_gradients", "--class", str(k), "--baseline", "image=base.npy", "--steps", str(steps),
              *given)
    check("integrated_gradients", np.load("a.npy"), (mean * (t - b)).detach().numpy(), 1e-4)


def texts(nncc):
    w, rng = program(nncc, "words", TEXT)
    x = rng.integers(0, 30, (5, 7)).astype("i4")
    np.save("w.npy", x)
    e = F.embedding(torch.tensor(x).long(), w["table.weight"]).requires_grad_()
    pooled = torch.tanh(F.linear(e, w["fc.weight"], w["fc.bias"])).mean(1)
    F.linear(pooled, w["logits.weight"], w["logits.bias"]).max(1).values.sum().backward()
    given = ["--input", "words=w.npy", "--output", "words=a.npy"]
    attribute("words", "gradient_input", *given)
    check("tokens", np.load("a.npy"), (e.grad * e).sum(2).detach().numpy())
    attribute("words", "saliency", *given)
    check("lengths of tokens' gradients", np.load("a.npy"), e.grad.norm(dim=2).numpy())


images(sys.argv[1])
texts(sys.argv[1])
sys.exit(failed)
