/* SPDX-License-Identifier: MIT */
/* layers_dense.c: the layer of one matrix, on the last axis. */
#include "rows.h"

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
    Node *weight = call_matrix(c, &matrix, rows_uniform(in), in, units, 0);
    if (!c->arg[1].b)
        return rows_linear(c->g, rows_operand(c, 0), weight, NULL);
    Node *bias = call_weight(c, "bias", &row, rows_uniform(in), in, units);
    return bias ? rows_linear(c->g, rows_operand(c, 0), weight, bias) : NULL;
}

const CallRow call_dense = {
    .name = "dense",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("units", int), TAKES("bias", bool, "true")},
    .build = dense,
    .flags = CALL_layer | CALL_weights | CALL_spectral,
    .text = "x weight^T + bias on the last axis; weight: [units, in], bias: [units]",
};
