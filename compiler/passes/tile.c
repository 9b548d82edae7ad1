/* SPDX-License-Identifier: MIT */
/* tile.c: the sizes of a matmul kernel: its register tile and what it packs. */
#include "../ops/ops.h"
#include "lower.h"

/* Through transposes, reshapes and slices to something stored: its elements then have fixed strides, if every
 * step keeps them affine; the code generator checks that on the index itself. */
bool operand_plain(const Node *x)
{
    while (!x->kernel && op_rows[x->op].cls == CLASS_MOVE && x->op != OP_pad && x->op != OP_concat)
        x = x->in[0];
    bool leaf = x->op == OP_input || x->op == OP_var || (x->op == OP_const && x->attr->data);
    return (x->kernel || leaf) && x->dtype == DT_f32;
}

static int64_t extent(const Graph *g, const Shape *s, int axis)
{
    return s->batch == axis ? s->dim[axis] * g->program->train.batch : s->dim[axis];
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

MatmulPlan matmul_plan(const Graph *g, const Node *y)
{
    const Target *t = g->program->target;
    const Shape *s = &y->shape, *a = &y->in[0]->shape;
    int lanes = t->vector_bytes / 4 > 1 ? t->vector_bytes / 4 : 4;
    MatmulPlan p = {.rows = extent(g, s, s->rank - 2), .cols = extent(g, s, s->rank - 1)};
    p.inner = extent(g, a, a->rank - 1);
    p.lead = 1;
    for (int i = 0; i < s->rank - 2; i++)
        p.lead *= extent(g, s, i);
    /* Two vectors of columns; rows so that accumulators, a row of the panel and a broadcast fit. */
    int vectors = p.cols <= lanes ? 1 : 2;
    p.tile_n = vectors * lanes;
    p.tile_m = t->tile_m ? t->tile_m : (t->registers - vectors - 1) / vectors;
    if (p.tile_m > 12)
        p.tile_m = 12;
    if (p.tile_m > p.rows)
        p.tile_m = (int)p.rows;
    p.pack_a = !operand_plain(y->in[0]);
    p.b_floats = round_up(p.cols, p.tile_n) * p.inner;
    p.a_floats = p.pack_a ? round_up(p.rows, p.tile_m) * p.inner : 0;
    return p;
}
