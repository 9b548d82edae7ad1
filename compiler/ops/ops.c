/* SPDX-License-Identifier: MIT */
/* ops.c: the tables made from ops.def, and what the op families share. */
#include "impl.h"

#include <string.h>

const OpRow op_rows[OP_COUNT] = {
#define OP(name, cls, arity, flags) [OP_##name] = {#name, CLASS_##cls, arity, flags},
#include "ops.def"
#undef OP
};

const OpImpl *const op_impls[OP_COUNT] = {
#define OP(name, ...) [OP_##name] = &op_##name,
#include "ops.def"
#undef OP
};

int op_find(const char *name)
{
    for (int i = 0; i < OP_COUNT; i++)
        if (strcmp(op_rows[i].name, name) == 0)
            return i;
    return -1;
}

bool op_draws(const Node *y)
{
    return op_rows[y->op].cls == CLASS_LEAF && op_impls[y->op]->attrs & ATTR_stream;
}

static nnrt_rand_key key_of_turn(nnrt_rand_key key, const InterpTurn *turn)
{
    return turn ? nnrt_rand_key_turn(key_of_turn(key, turn->outer), (uint64_t)turn->at) : key;
}

nnrt_rand_key op_key(const Node *y, const InterpInput *run)
{
    nnrt_rand_key key = nnrt_rand_key_of(run->seed, (uint64_t)run->calls, y->attr->stream);
    return key_of_turn(key, run->turn);
}

bool op_error(Graph *g, const Node *y, const char *format, ...)
{
    Ctx *ctx = g->program->ctx;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diag_error(&ctx->diag, g->loc, "%s: %s", g->what ? g->what : op_rows[y->op].name, text);
    return false;
}

bool op_wants_f32(Graph *g, const Node *y)
{
    for (int i = 0; i < y->n_in; i++)
        if (y->in[i]->dtype != DT_f32)
            return op_error(g, y, "operand %d is %s, not f32", i + 1, dtype_text(y->in[i]->dtype));
    return true;
}

void op_strides(const Shape *shape, int64_t stride[RANK_MAX])
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

bool op_next(const Shape *shape, int64_t at[RANK_MAX])
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        if (++at[i] < shape->dim[i])
            return true;
        at[i] = 0;
    }
    return false;
}

int64_t op_product(const Shape *shape, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; i++)
        product *= shape->dim[i];
    return product;
}

Node *op_unbroadcast(Graph *g, Node *dy, const Shape *to)
{
    if (!dy || shape_equal(&dy->shape, to))
        return dy;
    int axes[RANK_MAX], n = 0, extra = dy->shape.rank - to->rank;
    for (int i = 0; i < dy->shape.rank; i++) {
        bool one = dy->shape.dim[i] == 1 && dy->shape.batch != i;
        bool repeated = i < extra || (to->dim[i - extra] == 1 && to->batch != i - extra);
        if (repeated && !one)
            axes[n++] = i;
    }
    Node *sum = n ? build_reduce(g, OP_reduce_sum, dy, n, axes) : dy;
    return extra ? build_reshape(g, sum, to) : sum;
}
