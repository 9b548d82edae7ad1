# SPDX-License-Identifier: MIT
"""Every loss with every option."""
import torch
import torch.nn.functional as F

from case import Case, Input, choice, classes, dense, distribution, probability, real

CASES = []
DENSE = "  - dense: {units: %d, name: p, input: x%s}\n"


def of_dense(name, inputs, text, function, units=6, activation=None, x=(5,), **more):
    """The loss of one dense layer's output p."""
    f = getattr(torch, activation) if activation else lambda a: a
    layers = DENSE % (units, ", activation: " + activation if activation else "")
    CASES.append(Case(name, dict({"x": real(*x)}, **inputs), layers, lambda w, x: {"p": f(dense(w, "p", x["x"]))}, ["p"],
                      text, function, **more))


def of_inputs(name, inputs, text, function, **more):
    """The loss of inputs alone: only gradients by inputs."""
    CASES.append(Case(name, inputs, "  - {name: q, expr: p + 0}\n", lambda w, x: {"q": x["p"]}, ["q"], text, function, **more))


def kl(mean, logvar):
    return 0.5 * (mean ** 2 + torch.exp(logvar) - 1 - logvar)


ELEMENTWISE = {
    "mse": (real(6), None, F.mse_loss, ""), "mae": (real(6), None, F.l1_loss, ""),
    "huber": (real(6), None, F.huber_loss, ""),
    "huber_delta": (real(6), None, lambda p, t, reduction: F.huber_loss(p, t, delta=0.3, reduction=reduction), ", delta=0.3"),
    "smooth_l1": (real(6), None, F.smooth_l1_loss, ""),
    "smooth_l1_beta": (real(6), None, lambda p, t, reduction: F.smooth_l1_loss(p, t, beta=0.3, reduction=reduction), ", beta=0.3"),
    "bce": (probability(6), "sigmoid", F.binary_cross_entropy, ""),
    "bce_with_logits": (probability(6), None, F.binary_cross_entropy_with_logits, ""),
    "hinge": (choice([-1, 1], 6), None,
              lambda p, t, reduction: getattr(F.relu(1 - t * p), reduction)(), ""),
    "kl_normal": (real(6), None, lambda p, t, reduction: getattr(kl(p, t), reduction)(), "")}
for name, (target, activation, f, options) in ELEMENTWISE.items():
    kind = {"huber_delta": "huber", "smooth_l1_beta": "smooth_l1"}.get(name, name)
    text = "{a: \"%s(p, t%s)\", b: \"%s(p, t%s, reduction=sum)\", c: \"sum(%s(p, t%s, reduction=none) * u)\"}\n" % (
        (kind, options) * 3) + "loss_weights: {b: 0.02, c: -0.1}"
    none = {"hinge": lambda p, t: F.relu(1 - t * p), "kl_normal": kl}.get(name) or (
        lambda p, t, f=f: f(p, t, reduction="none"))
    of_dense("loss_" + name, {"t": target, "u": real(6)}, text,
             lambda v, x, f=f, none=none: f(v["p"], x["t"], reduction="mean") + 0.02 * f(v["p"], x["t"], reduction="sum")
             - 0.1 * (none(v["p"], x["t"]) * x["u"]).sum(), activation=activation)

of_dense("loss_targets_one", {"t": real()}, "mse(p, t)", lambda v, x: F.mse_loss(v["p"][:, 0], x["t"]), units=1)
of_dense("loss_bce_column", {"t": choice([0, 1], 1)}, "bce(p, t)", lambda v, x: F.binary_cross_entropy(v["p"], x["t"]),
         units=1, activation="sigmoid", metrics={"acc": ("accuracy(p, t)", lambda v, x: ((v["p"] > 0.5) == x["t"]).mean())})
of_dense("loss_hinge_classes", {"t": classes(2)}, "hinge(p, t)",
         lambda v, x: F.relu(1 - (2 * x["t"] - 1) * v["p"][:, 0]).mean(), units=1)
of_dense("loss_bce_logits_far", {"t": choice([0, 1], 6)}, "bce_with_logits(p * 60, t)",
         lambda v, x: F.binary_cross_entropy_with_logits(v["p"] * 60, x["t"]), train="epochs: 5\nclip_norm: 0.1", clip_norm=0.1)
NEAR = [0, 1, 1e-38, 1e-20, 1e-12, 1e-7, 1 - 6e-8, 1 - 1e-6, 0.5]
of_inputs("loss_bce_near", {"p": choice(NEAR, 9), "t": choice([0, 1, 0.25], 9)}, "bce(p, t)",
          lambda v, x: F.binary_cross_entropy(v["q"], x["t"]), single=True, no_grad=("input.t",))  # PyTorch's is not finite
of_inputs("loss_corners", {"p": choice([-1, 0, 0.5, 1, 2], 9), "t": choice([-1, 0, 1], 9)},
          "mae(p, t) + huber(p, t) + hinge(p, t) + huber(p, t, delta=0.5) + 2 * bce_with_logits(p, t)",
          lambda v, x: F.l1_loss(v["q"], x["t"]) + F.huber_loss(v["q"], x["t"]) + F.relu(1 - v["q"] * x["t"]).mean()
          + F.huber_loss(v["q"], x["t"], delta=0.5) + 2 * F.binary_cross_entropy_with_logits(v["q"], x["t"]))

# --- classes -------------------------------------------------------------------------------------------------------
W = [1.0, 0.5, 2.0, 0.0, 3.0, 1.5]
OPTIONS = {
    "plain": ("", {}), "smoothing": (", smoothing=0.2", {"label_smoothing": 0.2}),
    "weights": (", weights=%s" % W, {"weight": W}), "ignore": (", ignore=3", {"ignore_index": 3}),
    "ignore_smoothing": (", ignore=1, smoothing=0.3", {"ignore_index": 1, "label_smoothing": 0.3}),
    "weights_smoothing": (", smoothing=0.3, weights=%s" % W, {"label_smoothing": 0.3, "weight": W}),
    "all": (", weights=%s, smoothing=0.1, ignore=2" % W, {"weight": W, "label_smoothing": 0.1, "ignore_index": 2})}


def cross_entropy(p, c, reduction="mean", **options):
    if "weight" in options:
        options["weight"] = torch.tensor(options["weight"], dtype=p.dtype)
    return F.cross_entropy(p, c, reduction=reduction, **options)


def three(call, options):
    return ("{a: \"%s%s)\", b: \"%s%s, reduction=sum)\", c: \"sum(%s%s, reduction=none) * u)\"}\n"
            "loss_weights: {b: 0.02, c: 0.1}" % ((call, options) * 3))


def three_of(p, c, u, f, **options):
    return f(p, c, **options) + 0.02 * f(p, c, reduction="sum", **options) + 0.1 * (
        f(p, c, reduction="none", **options) * u).sum()


for name, (text, options) in OPTIONS.items():
    of_dense("cross_entropy_" + name, {"c": classes(6), "u": real()}, three("softmax_cross_entropy(p, c", text),
             lambda v, x, o=options: three_of(v["p"], x["c"], x["u"], cross_entropy, **o))
    # [N, T] of [N, T, C], where the loss is one fused row; and of [N, C, T]
    of_dense("cross_entropy_last_" + name, {"c": classes(6, 4), "u": real(4)}, three("softmax_cross_entropy(p, c", text),
             lambda v, x, o=options: three_of(v["p"].transpose(1, 2), x["c"], x["u"], cross_entropy, **o), x=(4, 5))
    of_dense("cross_entropy_one_" + name, {"c": classes(6, 4), "u": real(4)}, three("softmax_cross_entropy(p, c", text),
             lambda v, x, o=options: three_of(v["p"], x["c"], x["u"], cross_entropy, **o), units=4, x=(6, 5))
for name in ("plain", "smoothing", "weights", "weights_smoothing"):
    text, options = OPTIONS[name]
    of_dense("cross_entropy_shares_" + name, {"c": distribution(6), "u": real()}, three("softmax_cross_entropy(p, c", text),
             lambda v, x, o=options: three_of(v["p"], x["c"], x["u"], cross_entropy, **o))
of_dense("cross_entropy_shares_axis", {"c": distribution(6, 4, axis=1)}, "softmax_cross_entropy(p, c, axis=1, smoothing=0.1)",
         lambda v, x: F.cross_entropy(v["p"], x["c"], label_smoothing=0.1), units=4, x=(6, 5))


def nll(p, c, reduction="mean", weight=None, **options):
    weight = torch.tensor(weight, dtype=p.dtype) if weight else None
    return F.nll_loss(F.log_softmax(p, 1), c, weight, reduction=reduction, **options)


for name in ("plain", "weights", "ignore"):
    text, options = OPTIONS[name]
    of_dense("nll_" + name, {"c": classes(6), "u": real()}, three("nll(log_softmax(p), c", text),
             lambda v, x, o=options: three_of(v["p"], x["c"], x["u"], nll, **o))
    of_dense("nll_one_" + name, {"c": classes(6, 4), "u": real(4)}, three("nll(log_softmax(p, axis=1), c", text),
             lambda v, x, o=options: three_of(v["p"], x["c"], x["u"], nll, **o), units=4, x=(6, 5))
of_dense("cross_entropy_axis", {"c": classes(5, 5)}, "softmax_cross_entropy(p, c, axis=1) + softmax_cross_entropy(p, c, axis=2)",
         lambda v, x: F.cross_entropy(v["p"], x["c"]) + F.cross_entropy(v["p"].transpose(1, 2), x["c"]), units=5, x=(5, 4))
of_dense("cross_entropy_image", {"c": classes(3, 4, 5)}, "softmax_cross_entropy(p, c, ignore=0)",
         lambda v, x: F.cross_entropy(v["p"], x["c"], ignore_index=0), units=5, x=(3, 4, 2))
of_dense("cross_entropy_far", {"c": classes(6)}, "softmax_cross_entropy(p * 300, c)",
         lambda v, x: F.cross_entropy(v["p"] * 300, x["c"]), train="epochs: 5\nclip_norm: 0.1", clip_norm=0.1)
of_dense("cross_entropy_outside", {"c": Input("classes: 6", lambda rng, n: rng.choice([0, 2, 5, -100], n).astype("i4"))},
         "softmax_cross_entropy(p, c, ignore=-100)", lambda v, x: F.cross_entropy(v["p"], x["c"]))
of_dense("cross_entropy_wide", {"c": classes(131)}, "softmax_cross_entropy(p, c, smoothing=0.1)",
         lambda v, x: F.cross_entropy(v["p"], x["c"], label_smoothing=0.1), units=131, x=(33,))


# --- sample weights, weights of positives ------------------------------------------------------------------------------
def weighted(f):
    """f(p, t) an element, times w, and the mean of it: an element of w, or one a sample."""
    return lambda v, x: (f(v["p"], x["t"]) * x["w"]).mean() + 0.3 * (f(v["p"], x["t"]) * x["u"][:, None]).sum() / 7


WEIGHTED = {
    "mse": (real(6), None, lambda p, t: (p - t) ** 2), "mae": (real(6), None, lambda p, t: (p - t).abs()),
    "huber": (real(6), None, lambda p, t: F.huber_loss(p, t, reduction="none")),
    "bce": (probability(6), "sigmoid", lambda p, t: F.binary_cross_entropy(p, t, reduction="none")),
    "bce_with_logits": (probability(6), None, lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="none"))}
for name, (target, activation, f) in WEIGHTED.items():
    of_dense("weight_" + name, {"t": target, "w": probability(6), "u": probability()},
             "{a: \"%s(p, t, weight=w)\", b: \"%s(p, t, reduction=sum, weight=u) / 7\"}\nloss_weights: {b: 0.3}" % (name, name),
             weighted(f), activation=activation)
of_dense("weight_bce_pytorch", {"t": choice([0, 1], 6), "w": probability(6)}, "bce(p, t, weight=w)",
         lambda v, x: F.binary_cross_entropy(v["p"], x["t"], x["w"].detach()), activation="sigmoid", no_grad=("input.w",))
of_dense("weight_positives", {"t": choice([0, 1], 6), "w": probability(6)},
         "bce_with_logits(p, t, pos_weight=2.5, weight=w) + bce_with_logits(p, t, pos_weight=[1, 2, 0.5, 3, 1, 0])",
         lambda v, x: F.binary_cross_entropy_with_logits(v["p"], x["t"], x["w"].detach(), pos_weight=torch.tensor(2.5, dtype=v["p"].dtype))
         + F.binary_cross_entropy_with_logits(v["p"], x["t"],
                                              pos_weight=torch.tensor([1, 2, 0.5, 3, 1, 0], dtype=v["p"].dtype)),
         no_grad=("input.w",))
of_dense("weight_positives_far", {"t": choice([0, 1], 6)}, "bce_with_logits(p * 60, t, pos_weight=3)",
         lambda v, x: F.binary_cross_entropy_with_logits(v["p"] * 60, x["t"], pos_weight=torch.tensor(3.0, dtype=v["p"].dtype)),
         train="epochs: 5\nclip_norm: 0.1", clip_norm=0.1)
of_dense("weight_cross_entropy", {"c": classes(6), "w": probability()},
         "softmax_cross_entropy(p, c, weight=w) + nll(log_softmax(p), c, reduction=sum, weight=w) / 9",
         lambda v, x: (F.cross_entropy(v["p"], x["c"], reduction="none") * x["w"]).mean()
         + (F.cross_entropy(v["p"], x["c"], reduction="none") * x["w"]).sum() / 9)
of_dense("weight_cross_entropy_classes", {"c": classes(6), "w": probability()},
         "softmax_cross_entropy(p, c, weights=%s, weight=w)" % W,
         lambda v, x: (F.cross_entropy(v["p"], x["c"], torch.tensor(W, dtype=v["p"].dtype), reduction="none") * x["w"]).sum()
         / torch.tensor(W, dtype=v["p"].dtype)[x["c"]].sum())
of_dense("weight_cross_entropy_places", {"c": classes(6, 4), "w": probability(4), "u": probability()},
         "softmax_cross_entropy(p, c, ignore=3, weight=w) + softmax_cross_entropy(p, c, weight=u)",
         lambda v, x: (F.cross_entropy(v["p"].transpose(1, 2), x["c"], ignore_index=3, reduction="none") * x["w"]).sum()
         / (x["c"] != 3).sum() + (F.cross_entropy(v["p"].transpose(1, 2), x["c"], reduction="none") * x["u"][:, None]).mean(),
         x=(4, 5))


# --- distances and areas ---------------------------------------------------------------------------------------------
def embedding_loss(p, t, y=None, **options):
    return F.cosine_embedding_loss(p, t, torch.ones(len(p), dtype=p.dtype) if y is None else y, **options)


of_dense("cosine_similarity", {"t": real(6), "y": choice([-1, 1]), "u": real()},
         "{a: \"cosine_similarity(p, t)\", b: \"cosine_similarity(p, t, y, margin=0.2)\", c: \"sum(cosine_similarity(p, t, y, reduction=none) * u)\"}\n"
         "loss_weights: {b: 0.5, c: -0.1}",
         lambda v, x: embedding_loss(v["p"], x["t"]) + 0.5 * embedding_loss(v["p"], x["t"], x["y"], margin=0.2)
         - 0.1 * (embedding_loss(v["p"], x["t"], x["y"], reduction="none") * x["u"]).sum())
of_dense("cosine_similarity_steps", {"t": real(3, 6)}, "cosine_similarity(p, t)",
         lambda v, x: (1 - F.cosine_similarity(v["p"], x["t"], -1)).mean(), x=(3, 4))
TRIPLETS = {"plain": {}, "margin": {"margin": 0.3}, "p": {"p": 1}, "power": {"p": 3, "margin": 2}, "swap": {"swap": True}}
for name, options in TRIPLETS.items():
    text = "".join(", %s=%s" % (k, str(o).lower()) for k, o in options.items())
    of_dense("triplet_" + name, {"s": real(6), "t": real(6)}, "triplet(p, s, t%s) + 0.1 * triplet(s, t, p%s, reduction=sum)" % (text, text),
             lambda v, x, o=options: F.triplet_margin_loss(v["p"], x["s"], x["t"], **o)
             + 0.1 * F.triplet_margin_loss(x["s"], x["t"], v["p"], reduction="sum", **o))


def focal(x, t, alpha=0.25, gamma=2.0):
    p = torch.sigmoid(x)
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none") * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    return loss * (alpha * t + (1 - alpha) * (1 - t)) if alpha >= 0 else loss


def focal_of_classes(x, c, gamma=2.0):
    log = torch.gather(F.log_softmax(x, 1), 1, c[:, None])[:, 0]
    return -log * (1 - log.exp()) ** gamma


of_dense("focal", {"t": choice([0, 1], 6), "u": real(6)}, "focal(p, t) + focal(p, t, alpha=-1, gamma=1.5, reduction=sum) + "
         "sum(focal(p, t, gamma=0, alpha=0.6, reduction=none) * u)",
         lambda v, x: focal(v["p"], x["t"]).mean() + focal(v["p"], x["t"], -1, 1.5).sum() + (focal(v["p"], x["t"], 0.6, 0) * x["u"]).sum())
of_dense("focal_far", {"t": choice([0, 1], 6)}, "focal(p * 60, t)", lambda v, x: focal(v["p"] * 60, x["t"]).mean(),
         train="epochs: 5\nclip_norm: 0.1", clip_norm=0.1)
of_dense("focal_classes", {"c": classes(6), "u": real()}, "focal(p, c) + sum(focal(p, c, gamma=3, reduction=none) * u)",
         lambda v, x: focal_of_classes(v["p"], x["c"]).mean() + (focal_of_classes(v["p"], x["c"], 3) * x["u"]).sum())
of_dense("focal_image", {"c": classes(3, 4, 5)}, "focal(p, c)", lambda v, x: focal_of_classes(v["p"], x["c"]).mean(), units=5, x=(3, 4, 2))


def dice(p, t, smooth=1.0):
    axes = list(range(2, p.dim())) or [1]
    return 1 - (2 * (p * t).sum(axes) + smooth) / ((p + t).sum(axes) + smooth)


of_dense("dice", {"t": choice([0, 1], 6), "u": real()}, "dice(p, t) + sum(dice(p, t, smooth=0.5, reduction=none) * u)",
         lambda v, x: dice(v["p"], x["t"]).mean() + (dice(v["p"], x["t"], 0.5) * x["u"]).sum(), activation="sigmoid")
of_dense("dice_image", {"t": choice([0, 1], 3, 4, 5)}, "dice(p, t)", lambda v, x: dice(v["p"], x["t"]).mean(), units=5, x=(3, 4, 2),
         activation="sigmoid")
of_dense("dice_classes", {"c": classes(3, 4, 5)}, "dice(softmax(p, axis=1), c, smooth=2)",
         lambda v, x: dice(v["p"].softmax(1), F.one_hot(x["c"], 3).permute(0, 3, 1, 2), 2).mean(), units=5, x=(3, 4, 2))


# --- boxes -----------------------------------------------------------------------------------------------------------
def boxes_of(p, t):
    """Intersection and union of pairs, and the area of the box around both, as torchvision.ops has them."""
    x = [(p[..., i], t[..., i]) for i in range(4)]
    near = [torch.maximum(*x[0]), torch.maximum(*x[1]), torch.minimum(*x[2]), torch.minimum(*x[3])]
    far = [torch.minimum(*x[0]), torch.minimum(*x[1]), torch.maximum(*x[2]), torch.maximum(*x[3])]
    both = torch.where((near[2] > near[0]) & (near[3] > near[1]), (near[2] - near[0]) * (near[3] - near[1]), torch.zeros_like(near[0]))
    all_ = sum((x[2][k] - x[0][k]) * (x[3][k] - x[1][k]) for k in (0, 1)) - both
    return both, all_, (far[2] - far[0]) * (far[3] - far[1])


def iou_loss(p, t):
    both, all_, _ = boxes_of(p, t)
    return 1 - both / (all_ + 1e-7)


def giou_loss(p, t):
    _, all_, around = boxes_of(p, t)
    return iou_loss(p, t) + (around - all_) / (around + 1e-7)


CORNERS = "concat(p[:, 0:2], p[:, 0:2] + 0.2 + sigmoid(p[:, 2:4]), axis=1)"
of_dense("boxes", {"t": real(2), "s": probability(2), "u": real()},
         "{a: \"iou_loss(%s, concat(t, t + 0.2 + s, axis=1))\", b: \"sum(giou_loss(%s, concat(t, t + 0.2 + s, axis=1), reduction=none) * u)\"}"
         % (CORNERS, CORNERS),
         lambda v, x: (lambda p, t: iou_loss(p, t).mean() + (giou_loss(p, t) * x["u"]).sum())(
             torch.cat((v["p"][:, :2], v["p"][:, :2] + 0.2 + torch.sigmoid(v["p"][:, 2:])), 1),
             torch.cat((x["t"], x["t"] + 0.2 + x["s"]), 1)), units=4)
