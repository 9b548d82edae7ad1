/* SPDX-License-Identifier: MIT */
/* losses.c: losses of numbers against numbers, element by element; losses of class indices are in
 * losses_classes.c. Values and gradients are PyTorch's where it has the loss; reduction=mean is
 * over every element, batch included. Targets of shape [N] and predictions of shape [N, 1] are the
 * same.
 */
#include "rows.h"

/* p - t */
static Node *difference(Call *c)
{
    Node *p, *t;
    return rows_pair(c, &p, &t) ? build_binary(c->g, OP_sub, p, t) : NULL;
}

/* (p - t)^2 */
static Node *mse(Call *c)
{
    Node *d = difference(c);
    return rows_reduce(c, &c->arg[0], build_binary(c->g, OP_mul, d, d));
}

/* |p - t| */
static Node *mae(Call *c)
{
    return rows_reduce(c, &c->arg[0], build_unary(c->g, OP_abs, difference(c)));
}

/* d = |p - t|: d^2 / 2 up to delta, delta * (d - delta / 2) beyond */
static Node *huber(Call *c)
{
    Graph *g = c->g;
    double delta = c->arg[0].r;
    if (!(delta > 0)) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "huber: delta is above 0");
        return NULL;
    }
    Node *d = difference(c), *size = build_unary(g, OP_abs, d);
    Node *near = rows_times(g, build_binary(g, OP_mul, d, d), 0.5);
    Node *far = rows_times(g, rows_plus(g, size, -0.5 * delta), delta);
    Node *inside = build_binary(g, OP_less_equal, size, build_const(g, delta));
    return rows_reduce(c, &c->arg[1], build_where(g, inside, near, far));
}

/* huber(p, t, beta) / beta: d^2 / (2 beta) up to beta, d - beta / 2 beyond */
static Node *smooth_l1(Call *c)
{
    Graph *g = c->g;
    double beta = c->arg[0].r;
    if (!(beta > 0)) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "smooth_l1: beta is above 0");
        return NULL;
    }
    Node *d = difference(c), *size = build_unary(g, OP_abs, d);
    Node *near = rows_times(g, build_binary(g, OP_mul, d, d), 0.5 / beta);
    Node *inside = build_binary(g, OP_less, size, build_const(g, beta));
    return rows_reduce(c, &c->arg[1],
                       build_where(g, inside, near, rows_plus(g, size, -0.5 * beta)));
}

/* max(log(x), -100) */
static Node *bounded_log(Graph *g, OpKind log, Node *x)
{
    return build_binary(g, OP_max, build_unary(g, log, x), build_const(g, -100));
}

/* -(t * max(log(p), -100) + (1 - t) * max(log(1 - p), -100)), with PyTorch's gradient (p - t) /
 * max(p * (1 - p), 1e-12): where that is bounded the logarithms pass none on to p, and a parabola of that slope, whose
 * value cancels, does. */
static Node *bce(Call *c)
{
    Graph *g = c->g;
    Node *p, *t;
    if (!rows_pair(c, &p, &t))
        return NULL;
    Node *one = build_const(g, 1), *fixed = build_unary(g, OP_stop_gradient, p);
    Node *spread = build_binary(g, OP_mul, fixed, build_binary(g, OP_sub, one, fixed));
    Node *steep = build_binary(g, OP_less, spread, build_const(g, 1e-12));
    Node *inside = build_where(g, steep, fixed, p), *outside = build_where(g, steep, p, fixed);
    Node *yes = build_binary(g, OP_mul, t, bounded_log(g, OP_log, inside));
    Node *no = bounded_log(g, OP_log1p, build_unary(g, OP_neg, inside));
    no = build_binary(g, OP_mul, build_binary(g, OP_sub, one, t), no);
    Node *value = build_unary(g, OP_neg, build_binary(g, OP_add, yes, no));

    Node *away = build_binary(g, OP_sub, outside, build_unary(g, OP_stop_gradient, t));
    Node *curve = rows_times(g, build_binary(g, OP_mul, away, away), 0.5 / 1e-12);
    curve = build_binary(g, OP_sub, curve, build_unary(g, OP_stop_gradient, curve));
    return rows_reduce(c, &c->arg[0], build_binary(g, OP_add, value, curve));
}

/* 1 + (pos_weight - 1) t, of numbers one a class along the last axis or one for all; NULL after a report. */
static Node *weight_of_positives(Call *c, const Arg *arg, Node *x, Node *t)
{
    Graph *g = c->g;
    int64_t classes = x->shape.rank > 1 ? x->shape.dim[x->shape.rank - 1] : 1;
    bool good = arg->n == 1 || arg->n == classes;
    Shape shape = {.rank = 1, .batch = -1, .dim = {arg->n}};
    double *less = arena_take(c->ctx->arena, sizeof *less * (size_t)(arg->n + 1));
    for (int i = 0; i < arg->n; i++) {
        good = good && arg->reals[i] >= 0;
        less[i] = arg->reals[i] - 1;
    }
    if (!good) {
        diag_error(&c->ctx->diag, arg->loc,
                   "%s: pos_weight: expected a number, or %lld, one a class, none below 0",
                   c->row->name, (long long)classes);
        return NULL;
    }
    Node *more = arg->n == 1 ? build_const(g, less[0]) : build_data(g, &shape, less);
    return rows_plus(g, build_binary(g, OP_mul, more, t), 1);
}

/* max(x, 0) - x t + log(1 + exp(-|x|)): exact for large |x| too. The `where` is -|x| with the
 * derivative 1 at 0, so that the gradient is sigmoid(x) - t everywhere. With pos_weight
 * (1 - t) x + w (max(-x, 0) + log(1 + exp(-|x|))), w = 1 + (pos_weight - 1) t. */
static Node *bce_with_logits(Call *c)
{
    Graph *g = c->g;
    Node *x, *t;
    if (!rows_pair(c, &x, &t))
        return NULL;
    Node *away = build_where(g, rows_above(g, x, 0), build_unary(g, OP_neg, x), x);
    Node *curve = build_unary(g, OP_softplus, away);
    if (!c->arg[0].given) {
        Node *linear =
            build_binary(g, OP_sub, build_unary(g, OP_relu, x), build_binary(g, OP_mul, x, t));
        return rows_reduce(c, &c->arg[1], build_binary(g, OP_add, linear, curve));
    }
    Node *weight = weight_of_positives(c, &c->arg[0], x, t);
    if (!weight)
        return NULL;
    Node *below = build_binary(g, OP_sub, build_unary(g, OP_relu, x), x);
    Node *yes = build_binary(g, OP_mul, weight, build_binary(g, OP_add, below, curve));
    Node *no = build_binary(g, OP_mul, build_binary(g, OP_sub, build_const(g, 1), t), x);
    return rows_reduce(c, &c->arg[1], build_binary(g, OP_add, no, yes));
}

/* max(0, 1 - t x), t -1 or 1; class indices 0 and 1 are taken as these. */
static Node *hinge(Call *c)
{
    Graph *g = c->g;
    Node *x, *t;
    bool indices = c->in[1]->dtype != DT_f32;
    if (!rows_pair(c, &x, &t))
        return NULL;
    if (indices)
        t = rows_plus(g, rows_times(g, t, 2), -1);
    Node *margin = build_binary(g, OP_sub, build_const(g, 1), build_binary(g, OP_mul, t, x));
    return rows_reduce(c, &c->arg[0], build_unary(g, OP_relu, margin));
}

/* (mean^2 + exp(logvar) - 1 - logvar) / 2: of N(mean, exp(logvar)) from N(0, 1) */
static Node *kl_normal(Call *c)
{
    Graph *g = c->g;
    Node *mean, *logvar;
    if (!rows_pair(c, &mean, &logvar))
        return NULL;
    Node *spread = build_binary(g, OP_sub, build_unary(g, OP_expm1, logvar), logvar);
    Node *twice = build_binary(g, OP_add, build_binary(g, OP_mul, mean, mean), spread);
    return rows_reduce(c, &c->arg[0], rows_times(g, twice, 0.5));
}

/* --- rows ------------------------------------------------------------------------------------- */

#define REDUCTION WORDS("reduction", "mean", "mean sum none")
#define LOSS(row, says, ...)                                                                       \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = 2,                                                       \
                                .max_in = 2,                                                       \
                                .arg = {__VA_ARGS__},                                              \
                                .build = row,                                                      \
                                .flags = CALL_function | CALL_weighted,                            \
                                .text = says}

LOSS(mse, "(p - t)^2", REDUCTION);
LOSS(mae, "|p - t|", REDUCTION);
LOSS(huber, "(p - t)^2 / 2 where |p - t| <= delta, else delta * (|p - t| - delta / 2)",
     TAKES("delta", real, "1"), REDUCTION);
LOSS(smooth_l1, "(p - t)^2 / (2 beta) where |p - t| < beta, else |p - t| - beta / 2",
     TAKES("beta", real, "1"), REDUCTION);
LOSS(bce, "-(t log(p) + (1 - t) log(1 - p)), logarithms at least -100", REDUCTION);
LOSS(bce_with_logits,
     "bce(sigmoid(x), t), exact for large x; its first term times pos_weight (one, or one a class)",
     TAKES("pos_weight", reals, ""), REDUCTION);
LOSS(hinge, "max(0, 1 - t x) for t -1 or 1 (class indices: 0 or 1)", REDUCTION);
LOSS(kl_normal, "(mean^2 + exp(logvar) - 1 - logvar) / 2", REDUCTION);
