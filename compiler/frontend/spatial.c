/* SPDX-License-Identifier: MIT */
/* spatial.c: what layers over [N, C, spatial..] share. They compute with channels last, which is
 * how convolutions, pooling and statistics a channel run; pass layout makes the transposes of
 * neighbours cancel.
 */
#include "rows.h"

#include <inttypes.h>

static const char *const expected[] = {"[N, C, ...] with one more axis at least", "[N, C, L]",
                                       "[N, C, H, W]", "[N, C, D, H, W]"};

Node *spatial_operand(Call *c, int spatial)
{
    const Shape *x = &c->in[0]->shape;
    bool good = spatial ? x->rank == 2 + spatial : x->rank >= 3;
    if (!good || x->batch > 0) {
        char text[128];
        diag_error(&c->ctx->diag, c->loc, "%s takes %s, not %s: give it another shape first",
                   c->row->name, expected[spatial], shape_text(x, text));
        rows_notes(c);
        return NULL;
    }
    int perm[RANK_MAX] = {0};
    for (int i = 1; i < x->rank; i++)
        perm[i] = i + 1 < x->rank ? i + 1 : 1;
    return build_transpose(c->g, rows_operand(c, 0), perm);
}

Node *spatial_result(Graph *g, Node *y)
{
    if (!y || y->shape.rank == 2)
        return y;
    int perm[RANK_MAX] = {0};
    for (int i = 1; i < y->shape.rank; i++)
        perm[i] = i == 1 ? y->shape.rank - 1 : i - 1;
    return build_transpose(g, y, perm);
}

bool spatial_arg(Call *c, int i, int spatial, int64_t least, int64_t *out)
{
    const Arg *arg = &c->arg[i];
    const char *name = c->row->arg[i].name;
    if (arg->n != 1 && arg->n != spatial) {
        diag_error(&c->ctx->diag, arg->loc, "%s: %s: expected a number or a list of %d, saw %d",
                   c->row->name, name, spatial, arg->n);
        return false;
    }
    for (int k = 0; k < spatial; k++) {
        out[k] = arg->list[arg->n == 1 ? 0 : k];
        if (out[k] >= least && out[k] <= DIM_MAX)
            continue;
        diag_error(&c->ctx->diag, arg->loc,
                   "%s: %s: %" PRId64 " is out of range: %" PRId64 " to %" PRId64, c->row->name,
                   name, out[k], least, (int64_t)DIM_MAX);
        return false;
    }
    return true;
}

bool spatial_fits(Call *c, const Node *x, const Taps *taps, const int64_t *before,
                  const int64_t *after)
{
    for (int i = 0; i < x->shape.rank - 2; i++) {
        int64_t length = x->shape.dim[1 + i], padded = length + before[i] + after[i];
        int64_t span = (taps->size[i] - 1) * taps->dilation[i] + 1;
        if (padded > DIM_MAX) {
            diag_error(&c->ctx->diag, c->loc,
                       "%s: axis %d is %" PRId64 " long with its padding; at most %" PRId64,
                       c->row->name, 2 + i, padded, (int64_t)DIM_MAX);
            return false;
        }
        if (span <= padded)
            continue;
        Arena *arena = c->ctx->arena;
        const char *dilated = "", *with = "";
        if (taps->dilation[i] > 1)
            dilated = arena_format(arena, " with dilation %" PRId64 " spans %" PRId64 " and",
                                   taps->dilation[i], span);
        if (padded > length)
            with = arena_format(arena, " and %" PRId64 " with its padding", padded);
        diag_error(&c->ctx->diag, c->loc,
                   "%s: a kernel of %" PRId64 "%s does not fit into axis %d, which is %" PRId64
                   " long%s: take a smaller kernel or pad more",
                   c->row->name, taps->size[i], dilated, 2 + i, length, with);
        rows_notes(c);
        return false;
    }
    return true;
}

Node *spatial_pad(Graph *g, Node *x, const int64_t *before, const int64_t *after, double value)
{
    int64_t a[RANK_MAX] = {0}, b[RANK_MAX] = {0};
    for (int i = 0; x && i < x->shape.rank - 2; i++) {
        a[1 + i] = before[i];
        b[1 + i] = after[i];
    }
    return build_pad(g, x, a, b, NULL, value);
}
