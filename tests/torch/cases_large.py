# SPDX-License-Identifier: MIT
"""ResNet-50 and MobileNetV2 as people write them, in tests/models: what nncc makes of them, how fast, and that it predicts
what PyTorch does, from random weights and running statistics.

Their programs are compiled with little optimisation: what counts here is that they are right, and their size.
"""
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import safetensors
from case import Case, Weights
from check import Wrong, quick_compiler, run, within
from convlayers import batchnorm

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models")
LARGEST = 600 * 1000  # bytes of the .c file that predicts


def conv(w, name, x, norm, f=lambda x: x, **more):
    """A convolution without bias and the batchnorm behind it."""
    return f(batchnorm(w, norm, {}, F.conv2d(x, w[name + ".weight"], **more)))


def resnet50(w, x):
    def body(name, x, stride):
        y = conv(w, name + ".conv1", x, name + ".bn1", F.relu)
        y = conv(w, name + ".conv2", y, name + ".bn2", F.relu, stride=stride, padding=1)
        return conv(w, name + ".conv3", y, name + ".bn3")

    h = F.max_pool2d(conv(w, "conv1", x, "bn1", F.relu, stride=2, padding=3), 3, 2, 1)
    for stage, (more, stride) in enumerate(((2, 1), (3, 2), (5, 2), (2, 2)), 1):
        first = "layer%d.first" % stage
        h = F.relu(body(first + ".long", h, stride) + conv(w, first + ".short", h, first + ".short_bn", stride=stride))
        for i in range(more):
            h = F.relu(body("layer%d.more.%d.long" % (stage, i), h, 1) + h)
    return F.linear(h.mean((2, 3)), w["fc.weight"], w["fc.bias"])


def mobilenetv2(w, x):
    def depthwise(name, x, stride=1):
        y = conv(w, name + ".depthwise", x, name + ".depthwise_bn", F.relu6, stride=stride, padding=1, groups=x.shape[1])
        return conv(w, name + ".narrow", y, name + ".narrow_bn")

    def inverted(name, x, stride=1):
        return depthwise(name + ".filter", conv(w, name + ".expand", x, name + ".expand_bn", F.relu6), stride)

    h = depthwise("b1", conv(w, "first", x, "first_bn", F.relu6, stride=2, padding=1))
    for stage, (more, stride) in enumerate(((1, 2), (2, 2), (3, 2), (2, 1), (2, 2), (0, 1)), 2):
        h = inverted("b%d" % stage, h, stride)
        for i in range(more):
            h = h + inverted("r%d.%d.long" % (stage, i), h)
    h = conv(w, "last", h, "last_bn", F.relu6)
    return F.linear(h.mean((2, 3)), w["fc.weight"], w["fc.bias"])


def random_weights(weights, rng):
    """Weights under which the signal neither dies nor explodes in fifty layers, and statistics that are no 0 and 1."""
    for name, w in weights.items():
        if name.endswith(".running_var"):
            w[...] = rng.uniform(0.5, 1.5, w.shape)
        elif w.ndim == 1:
            w[...] = rng.uniform(0.6, 1.1, w.shape) if np.all(w == 1) else rng.normal(size=w.shape) * 0.1
        else:
            w[...] = rng.normal(size=w.shape) * np.sqrt(1.5 / np.prod(w.shape[1:]))


def emit(nncc, model, folder, name, *flags):
    """Writes name.c, and a header; gives its size and the best of three times, in ms."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        run(folder, nncc, model, "-o", name + ".c", *flags)
        times.append(1000 * (time.monotonic() - start))
    return os.path.getsize(os.path.join(folder, name + ".c")), min(times)


def check_large(case, nncc, work, seed):
    folder, model = os.path.join(work, case.name), os.path.join(MODELS, case.name + ".yaml")
    os.makedirs(folder)
    trains = emit(nncc, model, folder, "trains")
    size, ms = emit(nncc, model, folder, "predicts", "--no-train", "--batch=2")
    if size > LARGEST:
        raise Wrong("the C file has %d bytes" % size)
    run(folder, nncc, model, "-o", "prog", "--no-train", "--batch=2", **quick_compiler(folder))
    rng = np.random.default_rng(seed)
    run(folder, "./prog", "init", "-o", "w.safetensors")
    weights = safetensors.load(os.path.join(folder, "w.safetensors"))
    random_weights(weights, rng)
    safetensors.save(os.path.join(folder, "w.safetensors"), weights)
    w = Weights({k: torch.tensor(a, dtype=torch.float64) for k, a in weights.items()})
    images = rng.uniform(0, 1, (3, 3, 224, 224)).astype("f4")
    with torch.no_grad():
        want = case.forward(w, torch.tensor(images, dtype=torch.float64)).numpy()
    worst = 0
    for n in (1, 3):  # one sample; a batch of two and a short one
        np.save(os.path.join(folder, "x.npy"), images[:n])
        run(folder, "./prog", "predict", "--weights", "w.safetensors", "--input", "image=x.npy", "--output", "logits=y.npy")
        worst = max(worst, within("logits", np.load(os.path.join(folder, "y.npy")), want[:n], 1e-4))
    return {"predict": worst, "nncc": "%.0f ms" % ms, "bytes": str(size), "nncc, trained": "%.0f ms" % trains[1], "bytes, trained": str(trains[0])}


def large(name, forward):
    case = Case(name, {}, "", forward, [], "", None)
    case.check = check_large
    return case


CASES = [large("resnet50", resnet50), large("mobilenetv2", mobilenetv2)]
