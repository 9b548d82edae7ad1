/* SPDX-License-Identifier: MIT */
/* losses_region.c: losses for what is rare: focal weighs what is predicted well already less (Lin et al., 2017; as
 * torchvision's sigmoid_focal_loss), dice is of areas, not of their pixels (Milletari et al., 2016).
 */
#include "rows.h"

/* loss * (1 - p)^gamma */
static Node *hardest(Graph *g, Node *loss, Node *p, double gamma)
{
    if (gamma == 0)
        return loss;
    Node *missing = build_binary(g, OP_sub, build_const(g, 1), p);
    return build_binary(g, OP_mul, loss, build_binary(g, OP_pow, missing, build_const(g, gamma)));
}

/* yes where t is 1, no where it is 0, and between */
static Node *between(Graph *g, Node *t, Node *yes, Node *no)
{
    Node *rest = build_binary(g, OP_sub, build_const(g, 1), t);
    return build_binary(g, OP_add, build_binary(g, OP_mul, t, yes),
                        build_binary(g, OP_mul, rest, no));
}

/* Of logits and targets 0 to 1, each on its own. */
static Node *focal_of_pairs(Call *c, double alpha, double gamma)
{
    Graph *g = c->g;
    Node *x, *t;
    if (!rows_pair(c, &x, &t))
        return NULL;
    Node *minus = build_unary(g, OP_neg, x);
    Node *loss = between(g, t, build_unary(g, OP_softplus, minus), build_unary(g, OP_softplus, x));
    Node *right = between(g, t, build_unary(g, OP_sigmoid, x), build_unary(g, OP_sigmoid, minus));
    loss = hardest(g, loss, right, gamma);
    if (alpha < 0)
        return loss;
    Node *weight = between(g, t, build_const(g, alpha), build_const(g, 1 - alpha));
    return build_binary(g, OP_mul, loss, weight);
}

/* Of logits a class and class indices. */
static Node *focal_of_classes(Call *c, double gamma)
{
    Graph *g = c->g;
    Classes k;
    const Arg *axis = &c->arg[2], none = {0};
    if (c->arg[0].given) {
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "%s: alpha is for targets of 0 and 1, not for "
                   "class indices",
                   c->row->name);
        return NULL;
    }
    if (!classes_read(c, axis, &none, &k))
        return NULL;
    Node *log = classes_pick(g, &k, build_log_softmax(g, k.logits, k.axis));
    Node *loss = hardest(g, build_unary(g, OP_neg, log), build_unary(g, OP_exp, log), gamma);
    return build_squeeze(g, loss, 1, &k.axis);
}

static Node *focal(Call *c)
{
    double alpha = c->arg[0].given ? c->arg[0].r : 0.25, gamma = c->arg[1].r;
    if (!(gamma == 0 || gamma >= 1)) {
        diag_error(&c->ctx->diag, c->arg[1].loc,
                   "%s: gamma is 0, or 1 or more: between them the slope has no bound",
                   c->row->name);
        return NULL;
    }
    if (!(alpha <= 1)) {
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "%s: alpha is a share, 0 to 1; below 0 both count the same", c->row->name);
        return NULL;
    }
    Node *loss =
        classes_are_indices(c) ? focal_of_classes(c, gamma) : focal_of_pairs(c, alpha, gamma);
    return rows_reduce(c, &c->arg[3], loss);
}

/* Sums over all axes but the samples' and `kept`; those go. */
static Node *areas(Graph *g, Node *x, int kept)
{
    int axes[RANK_MAX], n = 0;
    for (int i = 0; x && i < x->shape.rank; i++)
        if (i != x->shape.batch && i != kept)
            axes[n++] = i;
    return n ? build_squeeze(g, build_reduce(g, OP_reduce_sum, x, n, axes), n, axes) : x;
}

/* 1 - (2 |p t| + smooth) / (|p| + |t| + smooth), a sample and channel (axis 1 of three axes and more). */
static Node *dice(Call *c)
{
    Graph *g = c->g;
    Node *p, *t;
    double smooth = c->arg[0].r;
    if (!(smooth >= 0)) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "%s: smooth is 0 or more", c->row->name);
        return NULL;
    }
    int kept;
    if (classes_are_indices(c)) {
        Classes k;
        const Arg none = {0};
        if (!classes_read(c, &c->arg[1], &none, &k))
            return NULL;
        p = k.logits, t = k.hit, kept = k.axis;
    } else {
        if (!rows_pair(c, &p, &t))
            return NULL;
        kept = p->shape.rank > 2 ? 1 : -1;
    }
    Node *both = areas(g, build_binary(g, OP_mul, p, t), kept);
    Node *all = areas(g, build_binary(g, OP_add, p, t), kept);
    Node *share = build_binary(g, OP_div, rows_plus(g, rows_times(g, both, 2), smooth),
                               rows_plus(g, all, smooth));
    return rows_reduce(c, &c->arg[2], build_binary(g, OP_sub, build_const(g, 1), share));
}

const CallRow call_focal = {
    .name = "focal",
    .min_in = 2,
    .max_in = 2,
    .arg = {TAKES("alpha", real, ""), TAKES("gamma", real, "2"), TAKES("axis", int, ""),
            WORDS("reduction", "mean", "mean sum none")},
    .build = focal,
    .flags = CALL_function | CALL_weighted,
    .text =
        "(1 - q)^gamma times the cross-entropy of logits, q what the target has of probability; "
        "targets of 0 and 1: times alpha (0.25) and 1 - alpha",
};

const CallRow call_dice = {
    .name = "dice",
    .min_in = 2,
    .max_in = 2,
    .arg = {TAKES("smooth", real, "1"), TAKES("axis", int, ""),
            WORDS("reduction", "mean", "mean sum none")},
    .build = dice,
    .flags = CALL_function | CALL_weighted,
    .text = "1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth), a sample and channel; "
            "p probabilities",
};
