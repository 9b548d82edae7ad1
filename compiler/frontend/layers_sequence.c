/* SPDX-License-Identifier: MIT */
/* layers_sequence.c: layers at the entrance of a network that reads tokens. */
#include "rows.h"

#include <math.h>

/* --- embedding -------------------------------------------------------------------------------- */

/* Row x of a matrix. The functions of the model refuse other tokens (Input.looked_up). */
static Node *embedding(Call *c)
{
    int64_t count = c->arg[0].i, dim = c->arg[1].i;
    for (int i = 0; i < 2; i++)
        if (c->arg[i].i < 1 || c->arg[i].i > DIM_MAX) {
            diag_error(&c->ctx->diag, c->arg[i].loc,
                       "embedding: %s: %lld is out of range: 1 to %lld", c->row->arg[i].name,
                       (long long)c->arg[i].i, (long long)DIM_MAX);
            return NULL;
        }
    Indices k;
    if (!indices_read(c, 0, &k)) {
        diag_error(&c->ctx->diag, c->loc,
                   "embedding: its input holds no tokens: give it 'tokens' or 'classes'");
        rows_notes(c);
        return NULL;
    }
    if (k.count == 0)
        k.input[0]->classes = k.count = count; /* the program then checks its range */
    if (k.count > count) {
        diag_error(&c->ctx->diag, c->loc, "embedding: '%s' has %lld tokens, the table only %lld",
                   c->in[0]->name ? c->in[0]->name
                   : k.n_inputs   ? k.input[0]->name
                                  : "the input",
                   (long long)k.count, (long long)count);
        rows_notes(c);
        return NULL;
    }
    for (int i = 0; i < k.n_inputs; i++)
        k.input[i]->looked_up = true;
    const Shape table = shape_of(2, (int64_t[]){count, dim});
    Node *weight = call_matrix(c, &table, (Init){INIT_normal, 0, 1}, dim, count, 0);
    return build_binary(c->g, OP_gather, weight, k.node);
}

const CallRow call_embedding = {
    .name = "embedding",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("count", int), NEEDS("dim", int)},
    .build = embedding,
    .flags = CALL_layer | CALL_weights | CALL_spectral,
    .text = "row x of weight for each token x; weight: [count, dim]",
};

/* --- positional ------------------------------------------------------------------------------- */

/* sin(t / 10000^(2i / dim)) at 2i, the cosine at 2i + 1 */
static Node *sinusoids(Graph *g, int64_t length, int64_t dim)
{
    const Shape table = shape_of(2, (int64_t[]){length, dim});
    Node *column = build_iota(g, &table, 1);
    Node *pair = build_unary(g, OP_floor, rows_times(g, column, 0.5));
    Node *rate = build_unary(g, OP_exp, rows_times(g, pair, -2 * log(10000) / (double)dim));
    Node *angle = build_binary(g, OP_mul, build_iota(g, &table, 0), rate);
    Node *odd = build_binary(g, OP_sub, column, rows_times(g, pair, 2));
    return build_where(g, odd, build_unary(g, OP_cos, angle), build_unary(g, OP_sin, angle));
}

/* Rows of the weight for the positions that there are. */
static Node *learned(Call *c, int64_t length, int64_t dim)
{
    int64_t rows = c->arg[1].i ? c->arg[1].i : length;
    const Shape table = shape_of(2, (int64_t[]){rows, dim});
    if (rows < length) {
        diag_error(&c->ctx->diag, c->loc,
                   "positional: length is %lld, the input has %lld positions", (long long)rows,
                   (long long)length);
        return NULL;
    }
    Node *weight = call_weight(c, "weight", &table, (Init){INIT_normal, 0, 1}, dim, rows);
    if (!weight || rows == length)
        return weight;
    return build_slice(c->g, weight, 0, 0, length, 1);
}

static Node *positional(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    if (x->rank != 3 || x->batch != 0) {
        char text[128];
        diag_error(&c->ctx->diag, c->loc, "positional: takes [N, T, dim], saw %s",
                   shape_text(x, text));
        rows_notes(c);
        return NULL;
    }
    int64_t length = x->dim[1], dim = x->dim[2];
    Node *vectors = c->arg[0].s[0] == 's' ? sinusoids(c->g, length, dim) : learned(c, length, dim);
    if (!vectors)
        return NULL;
    return build_binary(c->g, OP_add, rows_operand(c, 0), vectors);
}

const CallRow call_positional = {
    .name = "positional",
    .min_in = 1,
    .max_in = 1,
    .arg = {WORDS("kind", "learned", "learned sinusoidal"), TAKES("length", int, "0")},
    .build = positional,
    .flags = CALL_layer | CALL_weights,
    .text = "x plus a vector a position of [N, T, dim]; weight: [T, dim] when learned, N(0, 1); "
            "length: "
            "positions that it has, if more than T",
};
