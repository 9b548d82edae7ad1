/* SPDX-License-Identifier: MIT */
/* attention_twice.c: the gradient of attention_grad, of plain ops: products, whose results are [N, groups, heads of a
 * group, Tq, Tk]. So it takes memory as the square of the positions; the models that ask for it are small.
 *
 * With S = scale Q K^T + what is added to scores, P = exp(S - L), M = what dropout multiplies by, `rest` the sum over a
 * query of O dO, less dL, attention_grad is
 *
 *   dS = scale P (M (dO V^T) - rest)    dQ = dS K    dK = dS^T Q    dV = (P M)^T dO
 *
 * and its gradient that of these formulas, O, L, dO and dL being operands. */
#include <math.h>

#include "impl.h"

typedef struct Twice {
    Graph *g;
    AttentionSizes s;
    int64_t per;          /* heads that read one group of keys */
    Node *q, *k, *v;      /* [N, groups, per or 1, T, dim] */
    Node *o, *d_o;        /* the result and its gradient, likewise */
    Node *log, *d_log;    /* [N, groups, per, Tq, 1] */
    Node *weights, *keep; /* P; M, or NULL: 1 */
} Twice;

static Node *mul(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_mul, a, b);
}

static Node *add(Graph *g, Node *a, Node *b)
{
    return build_binary(g, OP_add, a, b);
}

/* a b^T, a^T b */
static Node *by_rows(Graph *g, Node *a, Node *b)
{
    return build_matmul(g, a, build_swap(g, b));
}

static Node *by_columns(Graph *g, Node *a, Node *b)
{
    return build_matmul(g, build_swap(g, a), b);
}

static Node *times_kept(const Twice *t, Node *x)
{
    return t->keep ? mul(t->g, x, t->keep) : x;
}

/* The sum over the last axis, which stays. */
static Node *row_sum(Graph *g, Node *x)
{
    int last = x->shape.rank - 1;
    return build_reduce(g, OP_reduce_sum, x, 1, &last);
}

/* --- shapes ----------------------------------------------------------------------------------- */

static Shape shape_like(const Node *x, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (Shape){.rank = 5, .batch = x->shape.batch, .dim = {x->shape.dim[0], a, b, c, d}};
}

/* [N, T, groups * per * dim], its last axis cut or not, as [N, groups, per, T, dim]. */
static Node *apart(const Twice *t, Node *x, int64_t per, int64_t dim)
{
    static const int perm[] = {0, 2, 3, 1, 4};
    Shape s = shape_like(x, x->shape.dim[1], t->s.groups, per, dim);
    return build_transpose(t->g, build_reshape(t->g, x, &s), perm);
}

/* The other way round, to the shape of `like`. */
static Node *together(const Twice *t, Node *x, const Shape *like)
{
    static const int perm[] = {0, 3, 1, 2, 4};
    return build_reshape(t->g, build_transpose(t->g, x, perm), like);
}

/* Values and logs of each head behind each other: what attention gives. */
static Node *joined(const Twice *t, Node *values, Node *logs, const Shape *like)
{
    Shape of_values = *like, of_logs = *like;
    of_values.dim[2] = t->s.heads * t->s.dim;
    of_logs.dim[2] = t->s.heads;
    Node *part[2];
    part[0] = together(t, values, &of_values);
    part[1] = together(t, logs, &of_logs);
    return build_concat(t->g, 2, 2, part);
}

static Node *values_of(const Twice *t, Node *x)
{
    return apart(t, build_slice(t->g, x, 2, 0, t->s.heads * t->s.dim, 1), t->per, t->s.dim);
}

static Node *logs_of(const Twice *t, Node *x)
{
    int64_t first = t->s.heads * t->s.dim;
    return apart(t, build_slice(t->g, x, 2, first, first + t->s.heads, 1), t->per, 1);
}

/* --- the weights, and what is dropped of them ------------------------------------------------- */

static Node *position(const Twice *t, int axis)
{
    Shape s =
        shape_of(5, (int64_t[]){1, 1, 1, axis == 3 ? t->s.queries : 1, axis == 4 ? t->s.keys : 1});
    return build_iota(t->g, &s, axis);
}

/* 1 where a query sees a key; NULL: everywhere. */
static Node *seen(const Twice *t)
{
    Graph *g = t->g;
    Node *query = position(t, 3), *key = position(t, 4), *sees = NULL;
    if (t->s.causal)
        sees = build_binary(g, OP_less_equal, key, query);
    if (!t->s.lengths)
        return sees;
    Node *lengths = (Node *)t->s.lengths;
    Shape each = shape_like(t->q, 1, 1, 1, 1);
    Node *within = build_binary(g, OP_less, key, build_reshape(g, lengths, &each));
    return sees ? mul(g, sees, within) : within;
}

static Node *distances(const Twice *t)
{
    double slope[ATTENTION_HEADS_MAX];
    Shape heads = shape_of(5, (int64_t[]){1, t->s.groups, t->per, 1, 1});
    attention_slopes(t->s.heads, slope);
    double *kept = arena_take(t->g->program->ctx->arena, sizeof *kept * (size_t)t->s.heads);
    for (int64_t i = 0; i < t->s.heads; i++)
        kept[i] = slope[i];
    Node *query = position(t, 3), *key = position(t, 4);
    Node *far = build_unary(t->g, OP_abs, build_binary(t->g, OP_sub, query, key));
    return mul(t->g, far, build_data(t->g, &heads, kept));
}

static Node *weights_of(const Twice *t, double scale)
{
    Graph *g = t->g;
    Node *score = mul(g, by_rows(g, t->q, t->k), build_const(g, scale));
    if (t->s.alibi)
        score = build_binary(g, OP_sub, score, distances(t));
    score = build_binary(g, OP_sub, score, t->log);
    Node *sees = seen(t);
    if (sees)
        score = build_where(g, sees, score, build_const(g, -1e30));
    return build_unary(g, OP_exp, score);
}

/* The same numbers as attention's own. */
static Node *keep_of(const Twice *t, const Attr *attr)
{
    Graph *g = t->g;
    if (attr->value == 0)
        return NULL;
    Shape flat = {.rank = 4, .batch = t->q->shape.batch};
    Shape cut = shape_like(t->q, t->s.groups, t->per, t->s.queries, t->s.keys);
    flat.dim[0] = cut.dim[0];
    flat.dim[1] = t->s.heads;
    flat.dim[2] = t->s.queries;
    flat.dim[3] = t->s.keys;
    Node *u = build_random(g, OP_random_uniform, &flat, attr->stream);
    Node *stays = build_binary(g, OP_greater_equal, u, build_const(g, (float)attr->value));
    return build_reshape(g, mul(g, stays, build_const(g, 1 / (1 - attr->value))), &cut);
}

static Twice twice_of(Graph *g, const Node *y, double scale)
{
    Twice t = {.g = g, .s = attention_sizes(y)};
    t.per = t.s.heads / t.s.groups;
    t.q = apart(&t, y->in[0], t.per, t.s.dim);
    t.k = apart(&t, y->in[1], 1, t.s.dim);
    t.v = apart(&t, y->in[2], 1, t.s.dim);
    t.o = values_of(&t, y->in[3]);
    t.log = logs_of(&t, y->in[3]);
    t.d_o = values_of(&t, y->in[4]);
    t.d_log = logs_of(&t, y->in[4]);
    t.weights = weights_of(&t, scale);
    t.keep = keep_of(&t, y->attr);
    return t;
}

/* --- the gradient ----------------------------------------------------------------------------- */

void attention_grad_again(Graph *g, Node *y, Node *const *dparts, const bool *want, Node **dx)
{
    if (g->outer && y->attr->value != 0) { /* a body draws no numbers */
        op_error(
            g, y,
            "with dropout, in the body of a scan, its gradient cannot be differentiated again");
        return;
    }
    double scale = 1 / sqrt((double)attention_sizes(y).dim);
    const Twice t = twice_of(g, y, scale);
    Node *times = build_const(g, scale);
    Node *a_q = apart(&t, dparts[0], t.per, t.s.dim), *a_k = apart(&t, dparts[1], 1, t.s.dim);
    Node *a_v = apart(&t, dparts[2], 1, t.s.dim);
    Node *rest = build_binary(g, OP_sub, row_sum(g, mul(g, t.o, t.d_o)), t.d_log);
    Node *inner = build_binary(g, OP_sub, times_kept(&t, by_rows(g, t.d_o, t.v)), rest);
    Node *d_scores = mul(g, mul(g, t.weights, inner), times);

    Node *of_keys = by_rows(g, a_q, t.k), *of_queries = by_rows(g, t.q, a_k);
    Node *e = mul(g, add(g, of_keys, of_queries), times);
    Node *a_weights = mul(g, e, inner), *of_values = times_kept(&t, by_rows(g, t.d_o, a_v));
    Node *a_scores = mul(g, add(g, a_weights, of_values), t.weights);
    Node *shared = mul(g, e, t.weights), *a_products = times_kept(&t, shared);
    Node *a_rest = build_unary(g, OP_neg, row_sum(g, shared));
    if (want[0]) {
        Node *part = mul(g, build_matmul(g, a_scores, t.k), times);
        dx[0] = together(&t, add(g, part, build_matmul(g, d_scores, a_k)), &y->in[0]->shape);
    }
    if (want[1]) {
        Node *part = mul(g, by_columns(g, a_scores, t.q), times);
        Node *all = add(g, part, by_columns(g, d_scores, a_q));
        dx[1] = together(&t, op_unbroadcast(g, all, &t.k->shape), &y->in[1]->shape);
    }
    if (want[2]) {
        Node *all = by_columns(g, a_products, t.d_o);
        dx[2] = together(&t, op_unbroadcast(g, all, &t.v->shape), &y->in[2]->shape);
    }
    if (want[3]) {
        Node *logs = build_unary(g, OP_neg, row_sum(g, a_scores));
        dx[3] = joined(&t, mul(g, a_rest, t.d_o), logs, &y->in[3]->shape);
    }
    if (want[4]) {
        Node *part = build_matmul(g, a_products, t.v);
        part = add(g, part, mul(g, a_rest, t.o));
        part = add(g, part, build_matmul(g, times_kept(&t, t.weights), a_v));
        dx[4] = joined(&t, part, build_unary(g, OP_neg, a_rest), &y->in[4]->shape);
    }
}
