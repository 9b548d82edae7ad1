# SPDX-License-Identifier: MIT
"""Networks in YAML and the same in PyTorch: predict, grad and ten training steps must agree.

Bounds: 1e-4 for outputs, 1e-3 for gradients, 5e-3 of the 2-norm for what ten steps change of a weight.
A case is a Case below: the model's layers, what the loss is in PyTorch, and how it trains. Prints a line
a check: ok, not ok.
"""
import argparse
import math
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F

import cases
import randomnet
import safetensors

SAMPLES, BATCH, STEPS = 27, 8, 10


class Report:
    def __init__(self):
        self.failed = 0

    def check(self, name, error, bound, more=""):
        good = error <= bound
        self.failed += not good
        print("%s %s%s" % ("ok" if good else "not ok", name, "" if good else ": %.3g over %g %s" % (error, bound, more)),
              flush=True)


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("%s gave %d: %s" % (" ".join(command), done.returncode, done.stderr[-2000:]))
    return done.stdout


def relative(a, b):
    """The largest difference, of the largest value (or of 1e-3, where all are smaller)."""
    a, b = np.asarray(a, "f8"), np.asarray(b, "f8")
    if a.shape != b.shape:
        return math.inf
    scale = max(np.abs(b).max(initial=0), 1e-3)
    return float(np.abs(a - b).max(initial=0) / scale)


def tensors(weights, train=True):
    return {k: torch.tensor(v, requires_grad=train) for k, v in weights.items()}


def torch_inputs(data, rows, grad=False):
    out = {}
    for name, a in data.items():
        t = torch.tensor(a[rows])
        out[name] = t.requires_grad_(grad) if t.is_floating_point() else t.long()
    return out


def check_predict(report, case, folder, weights, data):
    w, x = tensors(weights, False), torch_inputs(data, slice(None))
    with torch.no_grad():
        want = case.outputs(w, x)
    flags = []
    for name in data:
        flags += ["--input", "%s=%s.npy" % (name, name)]
    for name in want:
        flags += ["--output", "%s=out_%s.npy" % (name, name)]
    run(folder, "./prog", "predict", "--weights", "w.safetensors", *flags)
    for name, t in want.items():
        got = np.load(os.path.join(folder, "out_%s.npy" % name))
        report.check("%s: predict %s" % (case.name, name), relative(got, t.numpy()), 1e-4)


def check_grad(report, case, folder, weights, data):
    rows = slice(0, BATCH)
    w, x = tensors(weights), torch_inputs(data, rows, True)
    loss = case.loss(w, x)
    loss.backward()
    flags = []
    for name, a in data.items():
        np.save(os.path.join(folder, "b_%s.npy" % name), a[rows])
        flags += ["--input", "%s=b_%s.npy" % (name, name)]
    run(folder, "./prog", "grad", "--weights", "w.safetensors", *flags, "-o", "g.safetensors")
    got = safetensors.load(os.path.join(folder, "g.safetensors"))
    report.check("%s: loss" % case.name, relative(got["loss"], loss.item()), 1e-4)
    worst, where = 0.0, ""
    for name, t in list(w.items()) + [("input." + k, v) for k, v in x.items() if v.is_floating_point()]:
        if name in case.frozen:
            continue
        want = t.grad.numpy() if t.grad is not None else np.zeros(t.shape, "f4")
        error = relative(got[name], want)
        if error > worst:
            worst, where = error, name
    report.check("%s: grad" % case.name, worst, 1e-3, where)


def train_in_torch(case, weights, data):
    w = tensors(weights)
    trained = [t for k, t in w.items() if k not in case.frozen]
    optimizer = case.optimizer(trained)
    per_epoch = -(-SAMPLES // BATCH)
    base, step, call = optimizer.param_groups[0]["lr"], 0, 0
    while step < STEPS:
        batch = call % per_epoch
        x = torch_inputs(data, slice(batch * BATCH, min((batch + 1) * BATCH, SAMPLES)))
        (case.loss(w, x) / case.accumulate).backward()
        call += 1
        if call % case.accumulate:
            continue
        if case.clip_value:
            torch.nn.utils.clip_grad_value_(trained, case.clip_value)
        if case.clip_norm:
            torch.nn.utils.clip_grad_norm_(trained, case.clip_norm)
        optimizer.param_groups[0]["lr"] = case.rate(base, step, per_epoch / case.accumulate)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
    return {k: t.detach().numpy() for k, t in w.items()}


def check_train(report, case, folder, weights, data):
    want = train_in_torch(case, weights, data)
    flags = []
    for name in data:
        flags += ["--data", "%s=%s.npy" % (name, name)]
    run(folder, "./prog", "train", "--no-shuffle", "--steps", str(STEPS), "--weights", "w.safetensors", "--out",
        "t.safetensors", *flags)
    got = safetensors.load(os.path.join(folder, "t.safetensors"))
    worst, where = 0.0, ""
    for name, start in weights.items():
        if name in case.zero:
            continue
        change, other = want[name] - start, got[name] - start
        size = np.linalg.norm(change)
        if size < 1e-5 * max(np.linalg.norm(start), 1):  # its gradient is zero but for rounding
            size = np.inf if np.linalg.norm(other) < 1e-4 * max(np.linalg.norm(start), 1) else 1e-9
        error = float(np.linalg.norm(other - change) / size)
        if error > worst:
            worst, where = error, name
    report.check("%s: %d steps" % (case.name, STEPS), worst, 5e-3, where)


def check(report, case, nncc, work, number):
    folder = os.path.join(work, "%s_%d" % (case.name, number))
    os.makedirs(folder)
    open(os.path.join(folder, "model.yaml"), "w").write(case.yaml(BATCH))
    run(folder, nncc, "model.yaml", "-o", "prog")
    data = case.data(np.random.default_rng(number), SAMPLES)
    for name, a in data.items():
        np.save(os.path.join(folder, name + ".npy"), a)
    run(folder, "./prog", "init", "--seed", str(number + 1), "-o", "w.safetensors")
    weights = safetensors.load(os.path.join(folder, "w.safetensors"))
    check_predict(report, case, folder, weights, data)
    check_grad(report, case, folder, weights, data)
    if case.trains:
        check_train(report, case, folder, weights, data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nncc", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--random", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report = Report()
    todo = cases.ALL + [randomnet.make(args.seed + i) for i in range(args.random)]
    for number, case in enumerate(todo):
        if args.names and case.name not in args.names:
            continue
        try:
            check(report, case, args.nncc, args.work, number)
        except Exception as error:  # a case that cannot run has failed
            report.failed += 1
            print("not ok %s: %s" % (case.name, str(error).replace("\n", "\n    ")), flush=True)
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()
