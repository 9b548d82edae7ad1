/* SPDX-License-Identifier: MIT */
/* layers_pool.c: pooling over [N, C, spatial..].
 *
 * Pooling is a reduction over the taps of windows, and so differentiated and fused like any other.
 */
#include "rows.h"

#include <inttypes.h>
#include <math.h>

/* --- windows ---------------------------------------------------------------------------------- */

typedef enum { POOL_max, POOL_avg } Pool;

/* The largest or the mean over n axes from `first` on, which go. */
static Node *reduce_axes(Graph *g, Node *x, Pool pool, int first, int n)
{
    int axes[RANK_MAX];
    for (int i = 0; i < n; i++)
        axes[i] = first + i;
    Node *y = pool == POOL_max ? build_pool_max(g, x, n, axes) : build_mean(g, x, n, axes);
    return build_squeeze(g, y, n, axes);
}

/* The largest or the mean of each window, [N, windows.., C]. */
static Node *pool_windows(Graph *g, Node *x, Pool pool, const Taps *taps)
{
    Node *windows = build_window(g, x, taps);
    int spatial = windows ? x->shape.rank - 2 : 0;
    return reduce_axes(g, windows, pool, 1 + spatial, spatial);
}

/* PyTorch's bound: with more than half a kernel of padding a window could lie outside x. */
static bool check_padding(Call *c, int spatial, const Taps *taps, const int64_t *padding)
{
    for (int i = 0; i < spatial; i++) {
        if (padding[i] <= taps->size[i] / 2)
            continue;
        diag_error(&c->ctx->diag, c->arg[2].loc,
                   "%s: padding: %" PRId64 " is more than half of the kernel, %" PRId64,
                   c->row->name, padding[i], taps->size[i]);
        return false;
    }
    return true;
}

static Node *pool_layer(Call *c, int spatial, Pool pool)
{
    Taps taps = {0};
    int64_t padding[SPATIAL_MAX];
    Node *x = spatial_operand(c, spatial);
    if (!x || !spatial_arg(c, 0, spatial, 1, taps.size) ||
        !spatial_arg(c, c->arg[1].given ? 1 : 0, spatial, 1, taps.stride) ||
        !spatial_arg(c, 2, spatial, 0, padding) || !check_padding(c, spatial, &taps, padding))
        return NULL;
    for (int i = 0; i < spatial; i++)
        taps.dilation[i] = 1;
    if (!spatial_fits(c, x, &taps, padding, padding))
        return NULL;
    Node *padded = spatial_pad(c->g, x, padding, padding, pool == POOL_max ? -INFINITY : 0);
    return spatial_result(c->g, pool_windows(c->g, padded, pool, &taps));
}

static Node *maxpool1d(Call *c)
{
    return pool_layer(c, 1, POOL_max);
}

static Node *maxpool2d(Call *c)
{
    return pool_layer(c, 2, POOL_max);
}

static Node *avgpool1d(Call *c)
{
    return pool_layer(c, 1, POOL_avg);
}

static Node *avgpool2d(Call *c)
{
    return pool_layer(c, 2, POOL_avg);
}

/* --- global ----------------------------------------------------------------------------------- */

static Node *global_pool(Call *c, Pool pool)
{
    Node *x = spatial_operand(c, 0);
    return x ? reduce_axes(c->g, x, pool, 1, x->shape.rank - 2) : NULL;
}

static Node *global_avgpool(Call *c)
{
    return global_pool(c, POOL_avg);
}

static Node *global_maxpool(Call *c)
{
    return global_pool(c, POOL_max);
}

/* --- adaptive --------------------------------------------------------------------------------- */

enum { BINS_MAX = 1 << 22 }; /* numbers in a matrix of bins of several lengths */

/* [length, bins]: bin i is the mean of positions floor(i * length / bins) to
 * ceil((i + 1) * length / bins) - 1, PyTorch's; they may overlap. */
static Node *bins_matrix(Graph *g, int64_t length, int64_t bins)
{
    const Shape shape = shape_of(2, (int64_t[]){length, bins});
    double *share = arena_take(g->program->ctx->arena, sizeof *share * (size_t)(length * bins));
    for (int64_t i = 0; i < bins; i++) {
        int64_t from = i * length / bins, to = ((i + 1) * length + bins - 1) / bins;
        for (int64_t k = from; k < to; k++)
            share[k * bins + i] = 1.0 / (double)(to - from);
    }
    return build_data(g, &shape, share);
}

/* x [.., length] in bins along its last axis. */
static Node *bin_last(Graph *g, Node *x, int64_t bins)
{
    int64_t length = x ? x->shape.dim[x->shape.rank - 1] : bins;
    if (length == bins)
        return x;
    Shape result = x->shape, rows = x->shape;
    result.dim[result.rank - 1] = bins;
    rows.dim[--rows.rank] = 0;
    const Shape matrix = {.rank = 2, .batch = x->shape.batch, .dim = {shape_count(&rows), length}};
    Node *y = build_matmul(g, build_reshape(g, x, &matrix), bins_matrix(g, length, bins));
    return build_reshape(g, y, &result);
}

/* Whether the matrices of bins are not too large; reports. */
static bool check_bins(Call *c, const Shape *x, const int64_t *size)
{
    for (int i = 0; i < 2; i++) {
        int64_t length = x->dim[2 + i];
        if (length == size[i] || size[i] <= BINS_MAX / length)
            continue;
        diag_error(&c->ctx->diag, c->arg[0].loc,
                   "%s: size: %" PRId64 " bins of axis %d, which is %" PRId64
                   " long, are too many where they are not of one length",
                   c->row->name, size[i], 2 + i, length);
        return false;
    }
    return true;
}

static Node *adaptive_avgpool2d(Call *c)
{
    Taps taps = {0};
    int64_t size[SPATIAL_MAX];
    Node *x = spatial_operand(c, 2);
    if (!x || !spatial_arg(c, 0, 2, 1, size))
        return NULL;
    bool equal = true;
    for (int i = 0; i < 2; i++) {
        equal = equal && x->shape.dim[1 + i] % size[i] == 0;
        taps.size[i] = taps.stride[i] = x->shape.dim[1 + i] / size[i];
        taps.dilation[i] = 1;
    }
    if (equal)
        return spatial_result(c->g, pool_windows(c->g, x, POOL_avg, &taps));
    if (!check_bins(c, &c->in[0]->shape, size))
        return NULL;
    Node *wide = bin_last(c->g, rows_operand(c, 0), size[1]);
    Node *high = bin_last(c->g, build_swap(c->g, wide), size[0]);
    return build_swap(c->g, high);
}

/* --- rows ------------------------------------------------------------------------------------- */

enum { BOTH = CALL_layer | CALL_function };

#define POOL_ROW(kind, gives)                                                                      \
    const CallRow call_##kind = {                                                                  \
        .name = #kind,                                                                             \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .arg = {NEEDS("kernel", ints), TAKES("stride", ints, ""), TAKES("padding", ints, "0")},    \
        .build = kind,                                                                             \
        .flags = BOTH,                                                                             \
        .text = gives ", stride by default kernel",                                                \
    }

POOL_ROW(maxpool1d, "the largest of each window of [N, C, L], padded with -inf");
POOL_ROW(maxpool2d, "the largest of each window of [N, C, H, W], padded with -inf");
POOL_ROW(avgpool1d, "the mean of each window of [N, C, L], padded with 0, which counts");
POOL_ROW(avgpool2d, "the mean of each window of [N, C, H, W], padded with 0, which counts");

const CallRow call_global_avgpool = {.name = "global_avgpool",
                                     .min_in = 1,
                                     .max_in = 1,
                                     .arg = {NOTHING},
                                     .build = global_avgpool,
                                     .flags = BOTH,
                                     .text = "[N, C]: the mean of each channel of a sample"};
const CallRow call_global_maxpool = {.name = "global_maxpool",
                                     .min_in = 1,
                                     .max_in = 1,
                                     .arg = {NOTHING},
                                     .build = global_maxpool,
                                     .flags = BOTH,
                                     .text = "[N, C]: the largest of each channel of a sample"};
const CallRow call_adaptive_avgpool2d = {
    .name = "adaptive_avgpool2d",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("size", ints)},
    .build = adaptive_avgpool2d,
    .flags = BOTH,
    .text = "[N, C, size...]: means of size bins along each axis, bin i from floor(i L / size) to "
            "ceil((i + 1) L / size)"};
