# SPDX-License-Identifier: MIT
"""A case: one network, written in YAML and again as functions of PyTorch."""
import numpy as np
import torch
import torch.nn.functional as F


class Input:
    """yaml: what the model file says of it. draw(rng, n): n samples of it, as NumPy."""

    def __init__(self, yaml, draw):
        self.yaml, self.draw = yaml, draw


def real(*shape, scale=1.0, **keys):
    more = "".join(", %s: %s" % k for k in keys.items())
    return Input("shape: %s%s" % (list(shape), more),
                 lambda rng, n: (scale * rng.normal(size=(n,) + shape)).astype("f4"))


def probability(*shape):
    return Input("shape: %s" % list(shape), lambda rng, n: rng.uniform(0.02, 0.98, (n,) + shape).astype("f4"))


def choice(values, *shape):
    return Input("shape: %s" % list(shape), lambda rng, n: rng.choice(np.array(values, "f4"), (n,) + shape))


def distribution(*shape, axis=-1):
    def draw(rng, n):
        q = rng.uniform(0, 1, (n,) + shape)
        return (q / q.sum(axis, keepdims=True)).astype("f4")
    return Input("shape: %s" % list(shape), draw)


def classes(count, *shape, only=None):
    text = "classes: %d" % count + (", shape: %s" % list(shape) if shape else "")
    return Input(text, lambda rng, n: rng.integers(0, only or count, (n,) + shape).astype("i4"))


def integers(dtype, low, high, *shape, **keys):
    more = "".join(", %s: %s" % k for k in keys.items())
    return Input("shape: %s, dtype: %s%s" % (list(shape), dtype, more),
                 lambda rng, n: rng.integers(low, high, (n,) + shape).astype({"u8": "u1", "i32": "i4"}[dtype]))


class Player:
    """turn(w, x, kept): what is minimised, with the weights as they are; kept: of the step's players before. update: names
    of weights begin so. make, rate: as a case's. every: steps between turns."""

    def __init__(self, turn, update, make, every=1, rate=None):
        self.turn, self.update, self.make, self.every = turn, update, make, every
        self.rate = rate or (lambda base, step, per_epoch: base)


class Weights(dict):
    """Tensors by name, and whether the network trains (batchnorm then takes the batch's statistics)."""
    training = False
    carried = None  # states by layer, from batch to batch; None: each batch begins anew


STATISTICS = ("running_mean", "running_var",  # of batchnorm: weights, but no parameters
              "weight_u", "weight_v",  # of spectral_norm
              "ema.weight", "cluster_size", "embed_avg")  # of vector_quantize, whose layer is called ema where it has them


class Case:
    """inputs: name to Input. layers: YAML text. forward(w, x): values by name, of weights and inputs by name.
    outputs: names of values, or name to expression. loss: YAML; loss_of(v, x): the same, of the values.
    make(parameters): the optimiser that `optimizer` is. rate(base, step, steps an epoch): its schedule.
    metrics: name to (expression, function of values and inputs, both NumPy).
    frozen: weights that do not train. no_grad: gradients that are not compared. flags: of nncc.
    weights: shapes by name, which those of nncc must be. varied: weights that start as 0 or 1 are drawn.
    quick: its program is compiled with -O1: a large one, of kernels that another case has with -O3.
    single: PyTorch, too, computes in f32 (where rounding is the matter).
    ema: decay and start of the averages that are then the weights. plateau: options of PyTorch's ReduceLROnPlateau, which
    sees the loss of each epoch. bound: of the largest difference after the steps, as a share of what a weight changed by;
    rounding comes on top of it, see check.py.
    players: those who take turns in a step, in place of `make` and `loss_of` in training.
    rough: see check.py."""

    def __init__(self, name, inputs, layers, forward, outputs, loss, loss_of, optimizer="{sgd: {lr: 0.1}}",
                 make=lambda p: torch.optim.SGD(p, 0.1), top="", train="epochs: 5", clip_norm=0, clip_value=0,
                 accumulate=1, rate=None, frozen=(), metrics=None, single=False, batch=8, steps=10, flags=(), no_grad=(), rough=False, weights=None,
                 varied=False, quick=False, ema=None, plateau=None, bound=5e-3, players=()):
        self.name, self.inputs, self.layers, self.forward = name, inputs, layers, forward
        self.out = outputs if isinstance(outputs, dict) else {n: n for n in outputs}
        self.loss_text, self.loss_of, self.optimizer, self.make = loss, loss_of, optimizer, make
        self.top, self.train, self.frozen, self.single, self.batch = top, train, frozen, single, batch
        self.clip_norm, self.clip_value, self.accumulate = clip_norm, clip_value, accumulate
        self.rate = rate or (lambda base, step, per_epoch: base)
        self.metrics, self.steps, self.flags, self.no_grad = metrics or {}, steps, flags, no_grad
        self.rough, self.weights, self.varied, self.quick = rough, weights, varied, quick
        self.ema, self.plateau, self.bound, self.players = ema, plateau, bound, players

    def yaml(self):
        loss = self.loss_text if self.loss_text.startswith("{") else '"%s"' % self.loss_text
        lines = ["model: net", "inputs:"] + ["  %s: {%s}" % (n, i.yaml) for n, i in self.inputs.items()]
        lines += [self.top.strip("\n")] if self.top else []
        lines += ["layers:", self.layers.strip("\n")] if self.layers else []
        lines += ["outputs:"] + ['  %s: "%s"' % o for o in self.out.items()]
        lines += ["loss: " + loss]
        lines += ["metrics:"] if self.metrics else []
        lines += ['  %s: "%s"' % (n, m[0]) for n, m in self.metrics.items()]
        lines += ["train:", "  batch: %d" % self.batch, "  optimizer: " + self.optimizer]
        return "\n".join(lines + ["  " + t for t in self.train.split("\n")]) + "\n"

    def data(self, rng, n):
        return {name: i.draw(rng, n) for name, i in self.inputs.items()}

    @property
    def dtype(self):
        return torch.float32 if self.single else torch.float64

    def tensors(self, arrays, grad, training=False):
        """Arrays as tensors of the case's precision; integers as they are."""
        out = Weights()
        out.training = training
        for name, a in arrays.items():
            t = torch.tensor(np.asarray(a))
            floating = t.is_floating_point()
            out[name] = t.to(self.dtype, copy=True).requires_grad_(grad and not name.endswith(STATISTICS)) if floating else t.long()
        return out


def dense(w, name, x):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def const(x, *values):
    """Numbers as a tensor of the type of x."""
    return torch.tensor(values if len(values) != 1 else values[0], dtype=x.dtype)
