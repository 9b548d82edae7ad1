/* SPDX-License-Identifier: MIT */
/* rows.c: short forms that the build functions of rows share. */
#include "rows.h"

#include <math.h>
#include <string.h>

Node *rows_f32(Graph *g, Node *x)
{
    return x && x->dtype != DT_f32 ? build_cast(g, x, DT_f32) : x;
}

Node *rows_operand(Call *c, int i)
{
    return rows_f32(c->g, c->in[i]);
}

Node *rows_plus(Graph *g, Node *x, double k)
{
    return build_binary(g, OP_add, x, build_const(g, k));
}

Node *rows_times(Graph *g, Node *x, double k)
{
    return build_binary(g, OP_mul, x, build_const(g, k));
}

Node *rows_above(Graph *g, Node *x, double k)
{
    return build_binary(g, OP_greater, x, build_const(g, k));
}

Node *rows_relu6(Graph *g, Node *x)
{
    Node *six = build_const(g, 6);
    Node *over = build_binary(g, OP_greater_equal, x, six);
    return build_where(g, over, six, build_unary(g, OP_relu, x));
}

/* Drops the axes of a tensor that holds one number. */
static Node *as_scalar(Graph *g, Node *x)
{
    Shape scalar = shape_scalar();
    return !x || x->shape.rank == 0 ? x : build_reshape(g, x, &scalar);
}

Node *rows_sum(Graph *g, Node *x)
{
    return as_scalar(g, build_reduce(g, OP_reduce_sum, x, 0, NULL));
}

Node *rows_mean(Graph *g, Node *x)
{
    return as_scalar(g, build_mean(g, x, 0, NULL));
}

Node *rows_weighted(Call *c, Node *loss)
{
    Node *weight = rows_f32(c->g, c->weight);
    Shape both;
    int axis_w, axis_l;
    if (!weight || !loss)
        return loss;
    if (weight->shape.batch == 0 && shape_count(&weight->shape) == weight->shape.dim[0] &&
        loss->shape.batch == 0) { /* of a sample, whatever axes the loss has */
        Shape each = {.rank = loss->shape.rank, .batch = 0, .dim = {weight->shape.dim[0]}};
        for (int i = 1; i < each.rank; i++)
            each.dim[i] = 1;
        weight = build_reshape(c->g, weight, &each);
    }
    if (shape_broadcast(&loss->shape, &weight->shape, &both, &axis_l, &axis_w) &&
        shape_equal(&both, &loss->shape))
        return build_binary(c->g, OP_mul, loss, weight);
    char a[128], b[128];
    diag_error(&c->ctx->diag, c->weight_loc, "%s: weight: of shape %s, but the loss's is %s",
               c->row->name, shape_text(&c->weight->shape, a), shape_text(&loss->shape, b));
    return NULL;
}

Node *rows_reduce(Call *c, const Arg *reduction, Node *x)
{
    x = rows_weighted(c, x);
    if (strcmp(reduction->s, "none") == 0)
        return x;
    return strcmp(reduction->s, "sum") == 0 ? rows_sum(c->g, x) : rows_mean(c->g, x);
}

Node *rows_each(Call *c, Node *x, Loc loc, const char *name)
{
    char text[128];
    if (!x)
        return NULL;
    if (x->shape.batch == 0 && shape_count(&x->shape) == x->shape.dim[0])
        return build_reshape(c->g, rows_f32(c->g, x),
                             &(Shape){.rank = 1, .batch = 0, .dim = {x->shape.dim[0]}});
    diag_error(&c->ctx->diag, loc, "%s: %s: one number a sample is wanted, %s%s%s is %s",
               c->row->name, name, x->name ? "'" : "", x->name ? x->name : "this",
               x->name ? "'" : "", shape_text(&x->shape, text));
    return NULL;
}

void rows_notes(const Call *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i] && c->in[i]->name && c->in_loc[i].line > 0)
            diag_note(&c->ctx->diag, c->in_loc[i], "'%s' is made here", c->in[i]->name);
}

/* --- pairs ------------------------------------------------------------------------------------ */

/* Whether the shapes are the same but for axes of length 1. */
static bool same_but_ones(const Shape *a, const Shape *b)
{
    int i = 0, j = 0;
    for (;;) {
        while (i < a->rank && a->dim[i] == 1 && i != a->batch)
            i++;
        while (j < b->rank && b->dim[j] == 1 && j != b->batch)
            j++;
        if (i == a->rank || j == b->rank)
            return i == a->rank && j == b->rank;
        if (a->dim[i] != b->dim[j] || (i == a->batch) != (j == b->batch))
            return false;
        i++;
        j++;
    }
}

bool rows_pair(Call *c, Node **prediction, Node **target)
{
    Node *p = rows_operand(c, 0), *t = rows_operand(c, 1);
    Shape both;
    int axis_p, axis_t;
    if (!p || !t)
        return false;
    if (!shape_equal(&p->shape, &t->shape)) {
        if (same_but_ones(&p->shape, &t->shape)) {
            t = build_reshape(c->g, t, &p->shape);
        } else if (!shape_broadcast(&p->shape, &t->shape, &both, &axis_p, &axis_t)) {
            char a[128], b[128];
            diag_error(&c->ctx->diag, c->loc, "%s: shapes %s and %s do not match", c->row->name,
                       shape_text(&p->shape, a), shape_text(&t->shape, b));
            rows_notes(c);
            return false;
        }
    }
    *prediction = p;
    *target = t;
    return t != NULL;
}

/* --- linear ----------------------------------------------------------------------------------- */

/* The shape of x as a matrix: [all but the last axis, the last]. */
static Shape as_matrix(const Shape *x)
{
    int64_t last = x->dim[x->rank - 1];
    Shape rows = *x;
    rows.dim[--rows.rank] = 0;
    return (Shape){.rank = 2, .batch = x->batch < 0 ? -1 : 0, .dim = {shape_count(&rows), last}};
}

/* One product whatever the rank of x, where samples come first. */
static Node *product(Graph *g, Node *x, Node *weight)
{
    Node *transposed = build_swap(g, weight);
    if (!x || !transposed)
        return NULL;
    if (x->shape.rank <= 2 || x->shape.batch > 0)
        return build_matmul(g, x, transposed);
    Shape matrix = as_matrix(&x->shape), result = x->shape;
    result.dim[result.rank - 1] = weight->shape.dim[0];
    return build_reshape(g, build_matmul(g, build_reshape(g, x, &matrix), transposed), &result);
}

Node *rows_linear(Graph *g, Node *x, Node *weight, Node *bias)
{
    Node *y = product(g, x, weight);
    return bias ? build_binary(g, OP_add, y, bias) : y;
}

Init rows_uniform(int64_t in)
{
    double bound = 1 / sqrt((double)in);
    return (Init){INIT_uniform, -bound, bound};
}
