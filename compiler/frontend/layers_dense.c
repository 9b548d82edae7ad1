/* SPDX-License-Identifier: MIT */
/* layers_dense.c: the layer of one matrix, on the last axis. */
#include "rows.h"

#include <math.h>

/* The shape of x as a matrix: [all but the last axis, the last]. */
static Shape as_matrix(const Shape *x)
{
    int64_t last = x->dim[x->rank - 1];
    Shape rows = *x;
    rows.dim[--rows.rank] = 0;
    return (Shape){.rank = 2, .batch = x->batch < 0 ? -1 : 0, .dim = {shape_count(&rows), last}};
}

/* x W^T for W [units, in]: one product whatever the rank of x, where samples come first. */
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

/* PyTorch's: kaiming_uniform(a = sqrt 5) of the weight and the same bound of the bias come to
 * U(-1 / sqrt(in), 1 / sqrt(in)). */
static Init uniform_of(int64_t in)
{
    double bound = 1 / sqrt((double)in);
    return (Init){INIT_uniform, -bound, bound};
}

static Node *dense(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    int64_t units = c->arg[0].i, in = x->rank ? x->dim[x->rank - 1] : 0;
    if (units < 1 || units > DIM_MAX) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "dense: units: %lld is out of range: 1 to %lld",
                   (long long)units, (long long)DIM_MAX);
        return NULL;
    }
    if (x->rank < 1 || x->batch == x->rank - 1) {
        char text[128];
        diag_error(&c->ctx->diag, c->loc,
                   "dense: the last axis of %s is the batch; it takes numbers a sample",
                   shape_text(x, text));
        rows_notes(c);
        return NULL;
    }
    const Shape matrix = shape_of(2, (int64_t[]){units, in}), row = shape_of(1, (int64_t[]){units});
    Node *weight = call_weight(c, "weight", &matrix, uniform_of(in), in, units);
    Node *y = weight ? product(c->g, rows_operand(c, 0), weight) : NULL;
    if (!c->arg[1].b)
        return y;
    return build_binary(c->g, OP_add, y, call_weight(c, "bias", &row, uniform_of(in), in, units));
}

const CallRow call_dense = {
    .name = "dense",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("units", int), TAKES("bias", bool, "true")},
    .build = dense,
    .flags = CALL_layer | CALL_weights,
    .text = "x weight^T + bias on the last axis; weight: [units, in], bias: [units]",
};
