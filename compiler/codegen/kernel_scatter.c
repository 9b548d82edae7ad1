/* SPDX-License-Identifier: MIT */
/* kernel_scatter.c: the body of a kernel that adds up rows by their indices.
 *
 * One thread lists which positions hold the same index, in ascending order; then threads share the
 * rows of the result. A row is summed a block of columns at a time, in the order of its positions,
 * whoever does it, and goes through the store expression while it is in the first cache: for a
 * table's gradient the optimiser's update. Where that leaves a row as it is whose sum is 0, only the
 * rows that occur are gone over, and the work is as the positions are, however long the table. */
#include "kernel_emit.h"

enum { BLOCK = 256 /* columns summed at a time */ };

typedef struct Scatter {
    Emit *e;
    const Node *y;
    const ScatterPlan *plan;
    const char *positions; /* how many, as text */
    Ix row, position, column;
} Scatter;

static Scatter scatter_of(Emit *e)
{
    const Node *y = e->k->product;
    const Shape *at = &y->in[1]->shape;
    Scatter s = {.e = e, .y = y, .plan = &e->low->scatter};
    s.positions = emit_extent(e, at->dim[0], at->batch == 0);
    s.row = ix_loop(&e->space, "r", y->shape.dim[0]);
    s.column = ix_loop(&e->space, "j", y->shape.dim[1]);
    s.position = ix_loop(&e->space, "p", axis_extent(&e->space, at, 0));
    int d = 0;
    if (y->shape.dim[0] != 1)
        e->loops[d++] = s.row;
    if (y->shape.dim[1] != 1)
        e->loops[d++] = s.column;
    return s;
}

/* The lists, one after the other in the workspace. */
static void declare_lists(Scatter *s)
{
    Emit *e = s->e;
    long long n = (long long)s->plan->positions;
    out_line(e->out, "int32_t *const count = (int32_t *)%s;",
             emit_buffer(e, e->k->workspace, true));
    out_line(e->out, "int32_t *const row = count + 1, *const next_at = row + %lld;", n);
    out_line(e->out, "int32_t *const head_at = next_at + %lld;", n);
    if (s->plan->sparse)
        out_line(e->out, "int32_t *const occurs = head_at + %lld;", (long long)s->plan->slots);
}

static void list_positions(Scatter *s)
{
    Emit *e = s->e;
    int known = e->known.n;
    if (e->k->shared) {
        out_raw(e->out, "#pragma omp master");
        out_line(e->out, "{");
        e->out->depth++;
    }
    out_open(e->out, "for (int p = 0; p < %s; p++)", s->positions);
    const char *index = emit_value(e, s->y->in[1], &s->position);
    out_line(e->out, "row[p] = %s;", emit_bare(e, index));
    out_close(e->out);
    e->known.n = known;
    out_wrap(e->out, "*count = nnrt_list_rows(%s, row, %lld, %lld, head_at, next_at, %s);",
             s->positions, (long long)s->y->shape.dim[0], (long long)s->plan->slots,
             s->plan->sparse ? "occurs" : "NULL");
    if (e->k->shared)
        out_close(e->out);
    emit_wait(e);
}

/* A block of a row: its sum, then what is stored of it. */
static void sum_block(Scatter *s, const char *width)
{
    Emit *e = s->e;
    int known = e->known.n;
    out_line(e->out, "float sums[%d];", BLOCK);
    out_loop(e->out, "for (int v = 0; v < %s; v++)", width);
    if (s->y->attr->value == 0 || s->plan->sparse)
        out_line(e->out, "sums[v] = 0.0f;");
    else
        out_line(e->out, "sums[v] = first < 0 ? %s : 0.0f;", emit_number(e, s->y->attr->value));
    out_end(e->out);
    out_loop(e->out, "for (int p = first; p >= 0; p = next_at[p])");
    out_open(e->out, "for (int v = 0; v < %s; v++)", width);
    size_t j = out_index(e->out, "j", "j0 + v");
    const char *value = emit_value(e, s->y->in[0], (Ix[]){s->position, s->column});
    out_line(e->out, "sums[v] += %s;", emit_bare(e, value));
    out_unindex(e->out, j, "j");
    out_close(e->out);
    out_end(e->out);
    e->known.n = known;

    Ix at[RANK_MAX];
    out_open(e->out, "for (int v = 0; v < %s; v++)", width);
    j = out_index(e->out, "j", "j0 + v");
    emit_stand(e, s->y, at);
    emit_know(e, s->y, at, "sums[v]");
    emit_stores(e, e->k->stores.n, e->k->stores.at);
    out_unindex(e->out, j, "j");
    out_close(e->out);
    e->known.n = known;
}

void emit_scatter(Emit *e)
{
    Scatter s = scatter_of(e);
    long long columns = (long long)s.y->shape.dim[1];
    declare_lists(&s);
    list_positions(&s);
    if (s.plan->sparse)
        out_line(e->out, "const int rows = *count;");
    emit_share(e, 1);
    if (s.plan->sparse) {
        out_open(e->out, "for (int u = 0; u < rows; u++)");
        out_line(e->out, "const int first = head_at[occurs[u]], r = row[first];");
    } else {
        out_open(e->out, "for (int r = 0; r < %lld; r++)", (long long)s.y->shape.dim[0]);
        out_line(e->out, "const int first = head_at[r];");
    }
    out_open(e->out, "for (int j0 = 0; j0 < %lld; j0 += %d)", columns, BLOCK);
    if (columns % BLOCK == 0) {
        sum_block(&s, arena_format(e->arena, "%d", BLOCK));
    } else {
        out_line(e->out, "const int width = %lld - j0 < %d ? (int)(%lld - j0) : %d;", columns,
                 BLOCK, columns, BLOCK);
        sum_block(&s, "width");
    }
    out_close(e->out);
    out_close(e->out);
}
