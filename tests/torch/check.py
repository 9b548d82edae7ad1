# SPDX-License-Identifier: MIT
"""Builds a case's program and holds what it does against PyTorch.

Bounds: 1e-4 for outputs, the loss and metrics, 1e-3 for gradients, each of the largest value of the tensor; what ten
steps change of a weight 5e-3 of its 2-norm. PyTorch computes in double, so that a gradient that is zero but for
rounding shows: of a weight that has only such gradients nothing is asked. A random network may be so ill-conditioned
that f32 cannot hold the bounds: there a case is `rough`, and four times PyTorch's own error in f32 is added to them.
"""
import copy
import math
import os
import subprocess
import zlib
import tempfile

import numpy as np
import torch

import safetensors

SAMPLES = 27  # no multiple of a batch: the last batch of an epoch is short


class Wrong(Exception):
    pass


def run(folder, *command, **more):
    """more: of the environment."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ, **more))
    if done.returncode:
        raise Wrong("%s gave %d: %s" % (" ".join(command), done.returncode, done.stderr[-2000:]))
    return done.stdout


def within(what, got, want, bound, floor=1e-3, slack=0.0):
    """The largest difference is under the bound, of the largest value (or of `floor`, where all are smaller), and slack."""
    got, want = np.asarray(got, "f8"), np.asarray(want, "f8")
    if got.shape != want.shape:
        raise Wrong("%s: shape %s, not %s" % (what, got.shape, want.shape))
    size = max(np.abs(want).max(initial=0), floor)
    error = np.abs(got - want).max(initial=0) / size
    if not error <= bound + slack / size:
        raise Wrong("%s: off by %.3g, over %g" % (what, error, bound))
    return error


def vary(weights, rng):
    """What starts as 0 or 1 (norms and their statistics) is drawn: so that it counts."""
    for name, w in weights.items():
        if np.all(w == 1):
            w[...] = rng.uniform(0.5, 1.5, w.shape)
        elif not w.any():
            w[...] = rng.normal(size=w.shape) * 0.5


def compiler():
    """The first that links OpenMP programs, as nncc takes it."""
    with tempfile.TemporaryDirectory() as folder:
        for cc in "clang", "gcc", "cc":
            try:
                subprocess.run([cc, "-fopenmp", "-x", "c", "-", "-o", os.path.join(folder, "try")], check=True,
                               input=b"int main(void) { return 0; }\n", stderr=subprocess.DEVNULL)
                return cc
            except (OSError, subprocess.CalledProcessError):
                pass
    return "cc"


def quick_compiler(folder):
    """CC: a compiler that optimises little, whatever nncc asks of it."""
    path = os.path.join(os.path.abspath(folder), "quick-cc")
    with open(path, "w") as f:
        f.write('#!/bin/sh\nexec %s "$@" -O1\n' % os.environ["CC"])
    os.chmod(path, 0o755)
    return {"CC": path}


def is_quick(case):
    """Whether a case's program is compiled with -O1: what says so, and of the others three in four, but for LONG=1."""
    return case.quick or os.environ.get("LONG") != "1" and zlib.crc32(case.name.encode()) % 4 != 0


class Built:
    """A case's program in a folder of its own, with its data and fresh weights; what was found wrong with it, and the
    largest error of each kind."""

    def __init__(self, case, nncc, work, seed):
        self.case, self.faults, self.worst = case, [], {}
        self.folder = os.path.join(work, case.name)
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "model.yaml"), "w") as f:
            f.write(case.yaml())
        run(self.folder, nncc, "model.yaml", "-o", "prog", *case.flags, **quick_compiler(self.folder) if is_quick(case) else {})
        self.data = case.data(np.random.default_rng(seed), SAMPLES)
        for name, a in self.data.items():
            np.save(os.path.join(self.folder, name + ".npy"), a)
        self.run("init", "--seed", str(seed + 1), "-o", "w.safetensors")
        self.weights = self.load("w.safetensors")
        shapes = {name: w.shape for name, w in self.weights.items()}
        if case.weights is not None and shapes != case.weights:
            raise Wrong("weights %s, not %s" % (sorted(shapes.items()), sorted(case.weights.items())))
        if case.varied:
            vary(self.weights, np.random.default_rng(seed + 2))
            safetensors.save(os.path.join(self.folder, "w.safetensors"), self.weights)

    def run(self, *command):
        return run(self.folder, "./prog", *command)

    def load(self, name):
        path = os.path.join(self.folder, name)
        return np.load(path) if name.endswith(".npy") else safetensors.load(path)

    def within(self, kind, what, *values, **bounds):
        """As `within`, of all that is compared."""
        try:
            self.worst[kind] = max(self.worst.get(kind, 0), within("%s %s" % (kind, what), *values, **bounds))
        except Wrong as wrong:
            self.faults.append(str(wrong))

    def files(self, flag, prefix=""):
        return [part for name in self.data for part in (flag, "%s=%s%s.npy" % (name, prefix, name))]

    def values(self, rows=slice(None), case=None, carried=None):
        """What PyTorch has: values by name, and the inputs."""
        case = case or self.case
        w, x = case.tensors(self.weights, False), case.tensors({k: a[rows] for k, a in self.data.items()}, False)
        w.carried = carried
        with torch.no_grad():
            return case.forward(w, x), x


def difference(a, b):
    most = float(np.abs(np.asarray(a, "f8") - np.asarray(b, "f8")).max(initial=0))
    return most if math.isfinite(most) else 0.0  # PyTorch's f32 was no number, now and then: no slack then


def in_single(case):
    """The case in f32, for one that is rough; else as it is."""
    if case.rough:
        case = copy.copy(case)
        case.single = True
    return case


def check_predict(b):
    v, _ = b.values()
    rough, _ = b.values(case=in_single(b.case))
    flags = [part for name in b.case.out for part in ("--output", "%s=out_%s.npy" % (name, name))]
    b.run("predict", "--weights", "w.safetensors", *b.files("--input"), *flags)
    for name in b.case.out:
        b.within("predict", name, b.load("out_%s.npy" % name), v[name].numpy(), 1e-4, slack=4 * difference(v[name], rough[name]))


def gradients(case, weights, data):
    """The loss, and its gradients by weights and inputs, as NumPy."""
    w, x = case.tensors(weights, True, training=True), case.tensors(data, True)
    loss = case.loss_of(case.forward(w, x), x)
    loss.backward()
    by = {k: t for k, t in w.items() if t.requires_grad}
    by.update({"input." + k: t for k, t in x.items() if t.is_floating_point()})
    return loss.item(), {k: t.grad.numpy() if t.grad is not None else np.zeros(t.shape) for k, t in by.items()}


def check_grad(b, rows):
    case, first = b.case, {k: a[:rows] for k, a in b.data.items()}
    loss, want = gradients(case, b.weights, first)
    rough_loss, rough = gradients(in_single(case), b.weights, first)
    for name, a in first.items():
        np.save(os.path.join(b.folder, "b_%s.npy" % name), a)
    b.run("grad", "--weights", "w.safetensors", *b.files("--input", "b_"), "-o", "g.safetensors")
    got = b.load("g.safetensors")
    b.within("grad", "loss", got.pop("loss").reshape(()), loss, 1e-4, slack=4 * difference(loss, rough_loss))
    missing = set(want) - set(got) - set(case.frozen)
    if missing:
        raise Wrong("grad lacks " + ", ".join(sorted(missing)))
    largest = max(np.abs(grad).max(initial=0) for name, grad in want.items() if name not in case.no_grad)
    for name, grad in want.items():
        if name in case.frozen or name in case.no_grad:
            continue
        rounding = 1e-2 if np.abs(grad).max(initial=0) < 1e-7 * largest else 1e-4  # zero but for rounding
        b.within("grad", "of " + name, got[name], grad, 1e-3, floor=max(rounding * largest, 1e-6),
                 slack=4 * difference(grad, rough[name]))


def evaluated(text):
    return {line.split(": ")[0]: float(line.split(": ")[1]) for line in text.splitlines() if ": " in line}


def check_eval(b):
    """A loss is the mean of the batches' losses weighted by samples, a metric that of the whole set."""
    case, total, carried = b.case, 0.0, {}
    for at in range(0, SAMPLES, case.batch):
        v, x = b.values(slice(at, at + case.batch), carried=carried)
        total += float(case.loss_of(v, x)) * min(case.batch, SAMPLES - at)
    got = evaluated(b.run("eval", "--weights", "w.safetensors", *b.files("--data")))
    b.within("eval", "loss", got["loss"], total / SAMPLES, 1e-4)
    v, _ = b.values()
    v = {name: t.numpy() for name, t in v.items()}
    for name, (_, function) in case.metrics.items():
        b.within("eval", name, got[name], function(v, b.data), 1e-4)


def play_in_torch(case, weights, data):
    """train_in_torch of players."""
    w = case.tensors(weights, True, training=True)
    most = {k: 0.0 for k in weights}
    per_epoch = -(-SAMPLES // case.batch)
    own = [[t for k, t in w.items() if k.startswith(p.update) and t.requires_grad] for p in case.players]
    optimizers = [p.make(ts) for p, ts in zip(case.players, own)]
    bases = [o.param_groups[0]["lr"] for o in optimizers]
    for step in range(case.steps):
        at, kept = step % per_epoch * case.batch, {}
        x = case.tensors({k: a[at:at + case.batch] for k, a in data.items()}, False)
        for player, optimizer, base, mine in zip(case.players, optimizers, bases, own):
            if (step + 1) % player.every:
                continue
            for t in w.values():
                t.grad = None
            player.turn(w, x, kept).backward(retain_graph=True)
            for name, t in w.items():
                if name.startswith(player.update) and t.grad is not None:
                    most[name] = max(most[name], float(t.grad.abs().max()))
            if case.clip_norm:
                torch.nn.utils.clip_grad_norm_(mine, case.clip_norm)
            optimizer.param_groups[0]["lr"] = player.rate(base, step, per_epoch)
            optimizer.step()
    return {k: t.detach().numpy() for k, t in w.items()}, most


def train_in_torch(case, weights, data):
    """The weights after the steps, and the largest gradient that each met."""
    w = case.tensors(weights, True, training=True)
    trained = {k: t for k, t in w.items() if k not in case.frozen and t.requires_grad}
    most = {k: 0.0 for k in weights}
    optimizer = case.make(list(trained.values()))
    per_epoch = -(-SAMPLES // case.batch)
    bases, step, call = [group["lr"] for group in optimizer.param_groups], 0, 0
    means, total = {}, 0.0
    plateau = case.plateau and torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **case.plateau)
    while step < case.steps:
        at = call % per_epoch * case.batch
        if at == 0:
            w.carried = {}
        x = case.tensors({k: a[at:at + case.batch] for k, a in data.items()}, False)
        loss = case.loss_of(case.forward(w, x), x)
        (loss / case.accumulate).backward()
        call += 1
        total += loss.item() * min(case.batch, SAMPLES - at)
        if call % case.accumulate:
            continue
        for name, t in trained.items():
            most[name] = max(most[name], float(t.grad.abs().max()) if t.grad is not None else 0)
        if case.clip_value:
            torch.nn.utils.clip_grad_value_(trained.values(), case.clip_value)
        if case.clip_norm:
            torch.nn.utils.clip_grad_norm_(trained.values(), case.clip_norm)
        for base, group in zip(bases, optimizer.param_groups):
            if not plateau:
                group["lr"] = case.rate(base, step, per_epoch / case.accumulate)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        for name, t in trained.items() if case.ema else ():
            new, (decay, start) = t.detach(), case.ema
            means[name] = decay * means[name] + (1 - decay) * new if step > max(start, 1) else new.clone()
        if plateau and call % per_epoch == 0:
            plateau.step(total / SAMPLES)
            total = 0.0
    w.update(means)
    return {k: t.detach().numpy() for k, t in w.items()}, most


def check_train(b):
    case = b.case
    train = play_in_torch if case.players else train_in_torch
    want, most = train(case, b.weights, b.data)
    rough, _ = train(in_single(case), b.weights, b.data)
    b.run("train", "--no-shuffle", "--steps", str(case.steps), "--weights", "w.safetensors", "--out", "t.safetensors",
          *b.files("--data"))
    got = b.load("t.safetensors")
    top = max(most.values(), default=0)
    for name, start in b.weights.items():
        if name in case.frozen:
            if not np.array_equal(got[name], start):
                raise Wrong("train: %s is frozen and changed" % name)
            continue
        if 0 < most[name] < 1e-6 * top:  # zero but for rounding
            continue
        change, other = want[name] - start.astype("f8"), got[name].astype("f8") - start
        rounding = 2e-7 * np.linalg.norm(start) * math.sqrt(case.steps)  # of the weights themselves, in f32
        error, size = np.linalg.norm(other - change), np.linalg.norm(change)
        slack = np.linalg.norm(rough[name] - want[name])
        if not error <= case.bound * size + rounding + 4 * (slack if math.isfinite(slack) else 0):
            b.faults.append("train: %s off by %.3g of its change" % (name, error / max(size, 1e-30)))
        b.worst["train"] = max(b.worst.get("train", 0), (error - rounding) / max(size, 1e-30))


def check(case, nncc, work, seed):
    """Gives the largest error of each kind."""
    b = Built(case, nncc, work, seed)
    check_predict(b)
    check_grad(b, case.batch)
    if case.batch > 3:
        check_grad(b, 3)  # a batch may be short
    check_eval(b)
    if b.weights:
        check_train(b)
    if b.faults:
        raise Wrong("; ".join(b.faults[:6]) + (" and %d more" % (len(b.faults) - 6) if len(b.faults) > 6 else ""))
    return b.worst
