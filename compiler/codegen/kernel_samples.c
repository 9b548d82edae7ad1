/* SPDX-License-Identifier: MIT */
/* kernel_samples.c: the body of a kernel that hands one sample after the other to a function of
 * runtime/nnrt_ctc.h, threads sharing the samples.
 *
 * The function of op NAME is nnrt_NAME. It takes a pointer to the sample's part of each operand, or its
 * number where the operand has one a sample; then the lengths of the operands' axes behind the batch, in
 * order; then the op's numbers; memory to work in, if the op wants some; and where the result
 * goes. Inlined, it is compiled for these numbers. */
#include "kernel_emit.h"

/* How many elements a sample of x has. */
static long long each(const Node *x)
{
    return (long long)op_product(&x->shape, 1, x->shape.rank);
}

/* The part of a buffer that is sample b's. */
static const char *part(Emit *e, const char *name, long long of_sample)
{
    return arena_format(e->arena, "%s + (size_t)b * %lld", name, of_sample);
}

static const char *operand_text(Emit *e, const Node *x)
{
    if (x->shape.rank == 0)
        return emit_bare(e, emit_value(e, x, NULL));
    const char *name = emit_buffer(e, node_buffer(e->g, x), false);
    return x->shape.rank == 1 ? arena_format(e->arena, "%s[b]", name) : part(e, name, each(x));
}

static const char *work_text(Emit *e, long long floats)
{
    return floats ? part(e, emit_buffer(e, e->k->workspace, true), floats) : "NULL";
}

void emit_samples(Emit *e)
{
    const Node *y = e->k->product;
    const Shape *first = &y->in[0]->shape;
    const OpImpl *op = op_impls[y->op];
    Str line = str_new(e->arena);
    str_add(&line, "nnrt_%s(", op_rows[y->op].name);
    for (int i = 0; i < y->n_in; i++)
        str_add(&line, "%s, ", operand_text(e, y->in[i]));
    for (int i = 0; i < y->n_in; i++)
        for (int axis = 1; axis < y->in[i]->shape.rank; axis++)
            str_add(&line, "%lld, ", (long long)y->in[i]->shape.dim[axis]);
    for (int i = 0; i < y->attr->n_numbers; i++)
        str_add(&line, "%lld, ", (long long)y->attr->numbers[i]);
    if (op->work)
        str_add(&line, "%s, ", work_text(e, (long long)op->work(y)));
    str_add(&line, "%s);", part(e, emit_buffer(e, node_buffer(e->g, y), true), each(y)));
    emit_share(e, 1);
    out_open(e->out, "for (int b = 0; b < %s; b++)",
             emit_extent(e, first->dim[0], first->batch == 0));
    out_wrap(e->out, "%s", line.at);
    out_close(e->out);
}
