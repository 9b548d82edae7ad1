/* SPDX-License-Identifier: MIT */
/* losses_distance.c: losses of vectors along the last axis, that bring some together and keep others apart; PyTorch's
 * CosineEmbeddingLoss and TripletMarginLoss, their formulas and defaults. The mean is over all vectors.
 */
#include "rows.h"

/* Sums over the last axis, which goes; what has no axis is a vector of one number. */
static Node *last_sum(Graph *g, Node *x)
{
    if (!x || x->shape.rank == 0 || x->shape.batch == x->shape.rank - 1)
        return x;
    int axis = x->shape.rank - 1;
    return build_squeeze(g, build_reduce(g, OP_reduce_sum, x, 1, &axis), 1, &axis);
}

/* --- cosine_similarity ------------------------------------------------------------------------ */

/* a . b / sqrt((|a|^2 + e) (|b|^2 + e)), e = 1e-12 */
static Node *cosine(Graph *g, Node *a, Node *b)
{
    Node *both = last_sum(g, build_binary(g, OP_mul, a, b));
    Node *of_a = rows_plus(g, last_sum(g, build_binary(g, OP_mul, a, a)), 1e-12);
    Node *of_b = rows_plus(g, last_sum(g, build_binary(g, OP_mul, b, b)), 1e-12);
    return build_binary(g, OP_div, both,
                        build_unary(g, OP_sqrt, build_binary(g, OP_mul, of_a, of_b)));
}

/* 1 - cos of pairs that belong together; with operand 2, one number a pair: max(0, cos - margin) where that is
 * not above 0. */
static Node *cosine_similarity(Call *c)
{
    Graph *g = c->g;
    Node *a, *b;
    if (!rows_pair(c, &a, &b))
        return NULL;
    Node *cos = cosine(g, a, b);
    Node *loss = build_binary(g, OP_sub, build_const(g, 1), cos);
    if (c->n_in == 3) {
        Node *together = rows_each(c, c->in[2], c->in_loc[2], "which belong together");
        if (!together || !cos)
            return NULL;
        if (cos->shape.rank != 1) {
            diag_error(&c->ctx->diag, c->in_loc[2],
                       "%s: which belong together is said of one pair a sample", c->row->name);
            return NULL;
        }
        Node *apart = build_unary(g, OP_relu, rows_plus(g, cos, -c->arg[0].r));
        loss = build_where(g, rows_above(g, together, 0), loss, apart);
    }
    return rows_reduce(c, &c->arg[1], loss);
}

/* --- triplet ---------------------------------------------------------------------------------- */

/* (sum of |a - b + 1e-6|^p)^(1/p): the small number keeps the slope finite where both are equal. */
static Node *distance(Graph *g, Node *a, Node *b, double p)
{
    Node *d = rows_plus(g, build_binary(g, OP_sub, a, b), 1e-6);
    if (p == 1)
        return last_sum(g, build_unary(g, OP_abs, d));
    if (p == 2)
        return build_unary(g, OP_sqrt, last_sum(g, build_binary(g, OP_mul, d, d)));
    Node *powers = build_binary(g, OP_pow, build_unary(g, OP_abs, d), build_const(g, p));
    return build_binary(g, OP_pow, last_sum(g, powers), build_const(g, 1 / p));
}

/* Whether the three operands have one shape; reports. */
static bool are_alike(Call *c)
{
    char a[128], b[128];
    for (int i = 1; i < c->n_in; i++) {
        if (!c->in[0] || !c->in[i])
            return false;
        if (shape_equal(&c->in[0]->shape, &c->in[i]->shape))
            continue;
        diag_error(&c->ctx->diag, c->loc, "%s: shapes %s and %s do not match", c->row->name,
                   shape_text(&c->in[0]->shape, a), shape_text(&c->in[i]->shape, b));
        rows_notes(c);
        return false;
    }
    return true;
}

/* max(0, d(anchor, positive) - d(anchor, negative) + margin) */
static Node *triplet(Call *c)
{
    Graph *g = c->g;
    double p = c->arg[1].r;
    if (!(p >= 1)) {
        diag_error(&c->ctx->diag, c->arg[1].loc, "%s: p is 1 or more", c->row->name);
        return NULL;
    }
    if (!are_alike(c))
        return NULL;
    Node *anchor = rows_operand(c, 0), *positive = rows_operand(c, 1),
         *negative = rows_operand(c, 2);
    Node *near = distance(g, anchor, positive, p), *far = distance(g, anchor, negative, p);
    if (c->arg[2].b)
        far = build_binary(g, OP_min, far, distance(g, positive, negative, p));
    Node *excess = rows_plus(g, build_binary(g, OP_sub, near, far), c->arg[0].r);
    return rows_reduce(c, &c->arg[3], build_unary(g, OP_relu, excess));
}

/* --- rows ------------------------------------------------------------------------------------- */

const CallRow call_cosine_similarity = {
    .name = "cosine_similarity",
    .min_in = 2,
    .max_in = 3,
    .arg = {TAKES("margin", real, "0"), WORDS("reduction", "mean", "mean sum none")},
    .build = cosine_similarity,
    .flags = CALL_function | CALL_weighted,
    .text = "1 - cos(a, b); where a third operand is not above 0, max(0, cos(a, b) - margin)",
};

const CallRow call_triplet = {
    .name = "triplet",
    .min_in = 3,
    .max_in = 3,
    .arg = {TAKES("margin", real, "1"), TAKES("p", real, "2"), TAKES("swap", bool, "false"),
            WORDS("reduction", "mean", "mean sum none")},
    .build = triplet,
    .flags = CALL_function | CALL_weighted,
    .text = "max(0, |anchor - positive| - |anchor - negative| + margin)",
};
