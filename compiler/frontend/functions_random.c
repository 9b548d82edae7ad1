/* SPDX-License-Identifier: MIT */
/* functions_random.c: functions that draw random numbers, and straight_through, which lets gradients
 * past what has none.
 *
 * They draw wherever a loss is computed: in training, `grad` and `eval`. In `predict` each is the
 * mean of its distribution, so that predictions are repeatable, and what only the spread depends on
 * is not computed. Location and scale are operands, so gradients by them come by themselves (the
 * noise does not depend on them).
 */
#include "rows.h"

static const double gumbel_mean = 0.57721566490153286; /* Euler's constant */

bool rows_draws(const Call *c)
{
    return c->g->fn != FN_predict && c->g->fn != FN_attribute;
}

/* Standard distributions: numbers of a shape, from a new stream. */

static Node *standard_normal(Call *c, const Shape *shape)
{
    return build_random(c->g, OP_random_normal, shape, call_stream(c));
}

static Node *standard_uniform(Call *c, const Shape *shape)
{
    return build_random(c->g, OP_random_uniform, shape, call_stream(c));
}

/* -log(-log(1 - u)): 1 - u is in (0, 1], and where it is 1 the next smaller -log is taken, half
 * the step of u. */
static Node *standard_gumbel(Call *c, const Shape *shape)
{
    Graph *g = c->g;
    Node *u = standard_uniform(c, shape);
    Node *wait = build_unary(g, OP_neg, build_unary(g, OP_log1p, build_unary(g, OP_neg, u)));
    wait = build_binary(g, OP_max, wait, build_const(g, 0x1p-25));
    return build_unary(g, OP_neg, build_unary(g, OP_log, wait));
}

typedef Node *Standard(Call *, const Shape *);

/* --- of the shape of x ------------------------------------------------------------------------ */

static Node *like(Call *c, Standard *standard, double mean)
{
    const Shape *shape = &c->in[0]->shape;
    return rows_draws(c) ? standard(c, shape) : build_fill(c->g, shape, mean);
}

static Node *normal_like(Call *c)
{
    return like(c, standard_normal, 0);
}

static Node *uniform_like(Call *c)
{
    return like(c, standard_uniform, 0.5);
}

static Node *gumbel_like(Call *c)
{
    return like(c, standard_gumbel, gumbel_mean);
}

/* --- of parameters ---------------------------------------------------------------------------- */

bool rows_shape(Call *c, const Arg *arg, Shape *shape)
{
    *shape = (Shape){.rank = arg->n + 1, .batch = 0, .dim = {1}};
    if (shape->rank > RANK_MAX) {
        diag_error(&c->ctx->diag, arg->loc,
                   "%s: shape: a tensor has at most %d axes, the batch included", c->row->name,
                   RANK_MAX);
        return false;
    }
    for (int i = 0; i < arg->n; i++) {
        shape->dim[i + 1] = arg->list[i];
        if (arg->list[i] >= 1 && arg->list[i] <= DIM_MAX)
            continue;
        diag_error(&c->ctx->diag, arg->loc, "%s: shape: axes are 1 to %lld long", c->row->name,
                   (long long)DIM_MAX);
        return false;
    }
    return true;
}

/* x as one of `shape`; reports one that does not broadcast to it. */
static Node *broadcast_to(Call *c, Node *x, const Shape *shape)
{
    Shape both;
    int axis_x, axis;
    char given[128], wanted[128];
    if (!x ||
        (shape_broadcast(&x->shape, shape, &both, &axis_x, &axis) && shape_equal(&both, shape)))
        return x ? build_expand(c->g, x, shape) : NULL;
    diag_error(&c->ctx->diag, c->loc, "%s: a parameter of shape %s does not broadcast to %s",
               c->row->name, shape_text(&x->shape, given), shape_text(shape, wanted));
    rows_notes(c);
    return NULL;
}

/* Operands 0 and 1 as f32, and the shape of what is drawn: the given one, else that of both together. */
static bool parameters(Call *c, Node **a, Node **b, Shape *shape)
{
    int axis_a, axis_b;
    if (c->arg[0].given) {
        if (!rows_shape(c, &c->arg[0], shape))
            return false;
        *a = broadcast_to(c, rows_operand(c, 0), shape);
        *b = broadcast_to(c, rows_operand(c, 1), shape);
        return *a && *b;
    }
    if (!rows_pair(c, a, b))
        return false;
    if (!shape_broadcast(&(*a)->shape, &(*b)->shape, shape, &axis_a, &axis_b))
        BUG("%s: a pair that does not broadcast", c->row->name);
    if (shape->rank > 0)
        return true;
    diag_error(&c->ctx->diag, c->loc,
               "%s: two single numbers do not say how many to draw: shape=[100] does, without the "
               "batch; '%s_like(x)' draws as many as x holds",
               c->row->name, c->row->name);
    return false;
}

/* location + scale * (a standard number); in predict location + scale * mean. */
static Node *located(Call *c, Standard *standard, double mean)
{
    Graph *g = c->g;
    Node *location, *scale;
    Shape shape;
    if (!parameters(c, &location, &scale, &shape))
        return NULL;
    if (!rows_draws(c) && mean == 0)
        return build_expand(g, location, &shape);
    Node *z = rows_draws(c) ? standard(c, &shape) : build_fill(g, &shape, mean);
    return build_binary(g, OP_add, location, build_binary(g, OP_mul, scale, z));
}

static Node *normal(Call *c)
{
    return located(c, standard_normal, 0);
}

static Node *gumbel(Call *c)
{
    return located(c, standard_gumbel, gumbel_mean);
}

static Node *uniform(Call *c)
{
    Graph *g = c->g;
    Node *low, *high;
    Shape shape;
    if (!parameters(c, &low, &high, &shape))
        return NULL;
    Node *u = rows_draws(c) ? standard_uniform(c, &shape) : build_fill(g, &shape, 0.5);
    return build_binary(g, OP_add, low,
                        build_binary(g, OP_mul, build_binary(g, OP_sub, high, low), u));
}

/* u < p: 1 or 0 */
static Node *bernoulli(Call *c)
{
    Node *p = rows_operand(c, 0);
    Shape shape = p->shape;
    if (c->arg[0].given) {
        if (!rows_shape(c, &c->arg[0], &shape))
            return NULL;
        p = broadcast_to(c, p, &shape);
    }
    if (!p || !rows_draws(c))
        return p;
    return build_binary(c->g, OP_less, standard_uniform(c, &shape), p);
}

/* value + (x - x), where the first two are constants for differentiation: value exactly, while x is
 * finite. */
Node *rows_straight_through(Graph *g, Node *value, Node *x)
{
    Node *nothing = build_binary(g, OP_sub, x, build_unary(g, OP_stop_gradient, x));
    return build_binary(g, OP_add, build_unary(g, OP_stop_gradient, value), nothing);
}

static Node *straight_through(Call *c)
{
    Node *value, *x;
    return rows_pair(c, &value, &x) ? rows_straight_through(c->g, value, x) : NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

#define RANDOM(row, operands, shape, says)                                                         \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = operands,                                                \
                                .max_in = operands,                                                \
                                .arg = {shape, NOTHING},                                           \
                                .build = row,                                                      \
                                .flags = CALL_function,                                            \
                                .text = says}
#define SHAPED TAKES("shape", ints, "")

RANDOM(normal, 2, SHAPED, "drawn from the normal distribution of this mean and standard deviation");
RANDOM(uniform, 2, SHAPED, "drawn uniformly from [low, high)");
RANDOM(bernoulli, 1, SHAPED, "1 with probability p, else 0; no gradient");
RANDOM(gumbel, 2, SHAPED, "drawn from the Gumbel distribution of this location and scale");
RANDOM(normal_like, 1, NOTHING, "standard normal numbers, as many as x holds");
RANDOM(uniform_like, 1, NOTHING, "numbers in [0, 1), as many as x holds");
RANDOM(gumbel_like, 1, NOTHING, "standard Gumbel numbers, as many as x holds");
RANDOM(straight_through, 2, NOTHING, "value (the first), with the gradient of x (the second)");
