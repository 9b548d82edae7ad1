/* SPDX-License-Identifier: MIT */
/* layers_random.c: layers that draw random numbers, in training only. */
#include "rows.h"

/* x * (u >= p) / (1 - p) for u uniform in [0, 1); p = 1 leaves zeros. */
Node *rows_dropout(Call *c, Node *x, double p)
{
    Graph *g = c->g;
    if (!x || !c->training || p == 0)
        return x;
    if (p == 1)
        return rows_times(g, x, 0);
    Node *u = build_random(g, OP_random_uniform, &x->shape, call_stream(c));
    Node *kept = build_binary(g, OP_greater_equal, u, build_const(g, p));
    return build_binary(g, OP_mul, x, rows_times(g, kept, 1 / (1 - p)));
}

static Node *dropout(Call *c)
{
    double p = c->arg[0].r;
    if (!(p >= 0 && p <= 1)) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "dropout: p is a probability, 0 to 1");
        return NULL;
    }
    if (!c->training || p == 0)
        return c->in[0];
    return rows_dropout(c, rows_operand(c, 0), p);
}

const CallRow call_dropout = {
    .name = "dropout",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("p", real, "0.5")},
    .build = dropout,
    .flags = CALL_layer | CALL_function,
    .text = "in training, each number is 0 with probability p, else x / (1 - p)",
};
