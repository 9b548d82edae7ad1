/* SPDX-License-Identifier: MIT */
/* window.c: windows of taps over the spatial axes of [N, spatial.., C], as index maps: pooling is a
 * reduction over the taps, a depthwise convolution a sum of products with a weight a tap.
 *
 * Tap k of window o is at o * stride + k * dilation: the arithmetic of Dumoulin and Visin, "A guide to
 * convolution arithmetic for deep learning" (2016), without padding, which is an op of its own.
 */
#include "impl.h"

bool op_taps(Graph *g, const Node *y, const Shape *x, int64_t windows[SPATIAL_MAX])
{
    const Taps *t = &y->attr->taps;
    int spatial = x->rank - 2;
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return op_error(g, y, "needs 1 to %d axes between samples and channels, not %d",
                        SPATIAL_MAX, spatial);
    if (x->batch > 0)
        return op_error(g, y, "the batch axis comes first, not as axis %d", x->batch);
    for (int i = 0; i < spatial; i++) {
        long long size = t->size[i], stride = t->stride[i], dilation = t->dilation[i];
        if (size < 1 || stride < 1 || dilation < 1 || size > DIM_MAX || stride > DIM_MAX ||
            dilation > DIM_MAX)
            return op_error(g, y, "axis %d cannot have windows of %lld, stride %lld, dilation %lld",
                            i + 1, size, stride, dilation);
        long long span = (size - 1) * dilation + 1;
        if (span > x->dim[i + 1])
            return op_error(g, y, "a window of %lld does not fit into axis %d, %lld long", span,
                            i + 1, (long long)x->dim[i + 1]);
        windows[i] = (x->dim[i + 1] - span) / stride + 1;
    }
    return true;
}

Taps op_only_taps(const Taps *t, int spatial)
{
    Taps only = {.groups = 0};
    for (int i = 0; i < spatial && i < SPATIAL_MAX; i++) {
        only.size[i] = t->size[i];
        only.stride[i] = t->stride[i];
        only.dilation[i] = t->dilation[i];
    }
    return only;
}

/* [N, a.., b.., C] of an operand [N, .., C]. */
static void with_axes(Node *y, const Shape *x, int spatial, const int64_t *a, const int64_t *b)
{
    y->dtype = y->in[0]->dtype;
    y->shape = (Shape){.rank = 2 + 2 * spatial, .batch = x->batch};
    y->shape.dim[0] = x->dim[0];
    for (int i = 0; i < spatial; i++) {
        y->shape.dim[1 + i] = a[i];
        y->shape.dim[1 + spatial + i] = b[i];
    }
    y->shape.dim[1 + 2 * spatial] = x->dim[x->rank - 1];
}

static bool window_shape(Graph *g, Node *y)
{
    int64_t windows[SPATIAL_MAX];
    const Shape *x = &y->in[0]->shape;
    if (!op_taps(g, y, x, windows))
        return false;
    with_axes(y, x, x->rank - 2, windows, y->attr->taps.size);
    return true;
}

static void window_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    const Taps *t = &y->attr->taps;
    int spatial = in[0].shape.rank - 2;
    int64_t stride[RANK_MAX], at[RANK_MAX] = {0}, i = 0;
    op_strides(&in[0].shape, stride);
    do {
        int64_t from = at[0] * stride[0] + at[1 + 2 * spatial];
        for (int d = 0; d < spatial; d++)
            from +=
                (at[1 + d] * t->stride[d] + at[1 + spatial + d] * t->dilation[d]) * stride[1 + d];
        out->data[i++] = in[0].data[from];
    } while (op_next(&out->shape, at));
}

/* Every element gathers what the taps that lay on it give. */
static void window_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    const Shape *x = &y->in[0]->shape;
    Attr attr = {.taps = y->attr->taps};
    int spatial = x->rank - 2, axes[SPATIAL_MAX];
    for (int i = 0; i < spatial; i++) {
        attr.taps.from[i] = x->dim[1 + i];
        axes[i] = 1 + spatial + i;
    }
    Node *shares = graph_add(g, OP_unwindow, 1, &dy, &attr);
    dx[0] = build_squeeze(g, build_reduce(g, OP_reduce_sum, shares, spatial, axes), spatial, axes);
}

const OpImpl op_window = {
    .attrs = ATTR_taps, .shape = window_shape, .grad = window_grad, .eval = window_eval};

/* --- unwindow: by element and tap, that tap of the window in which it lay on the element, or 0 - */

static bool unwindow_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape;
    const Taps *t = &y->attr->taps;
    int spatial = (x->rank - 2) / 2;
    if (x->rank < 4 || x->rank % 2)
        return op_error(g, y, "an operand has as many axes of taps as of windows");
    Shape over = {.rank = 2 + spatial, .batch = x->batch};
    over.dim[0] = x->dim[0];
    over.dim[1 + spatial] = x->dim[x->rank - 1];
    for (int i = 0; i < spatial; i++)
        over.dim[1 + i] = t->from[i];
    int64_t windows[SPATIAL_MAX];
    if (!op_taps(g, y, &over, windows))
        return false;
    for (int i = 0; i < spatial; i++)
        if (windows[i] != x->dim[1 + i] || t->size[i] != x->dim[1 + spatial + i])
            return op_error(g, y, "the windows over axis %d are others", i + 1);
    with_axes(y, x, spatial, t->from, t->size);
    return true;
}

static void unwindow_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    const Taps *t = &y->attr->taps;
    int spatial = (in[0].shape.rank - 2) / 2;
    int64_t stride[RANK_MAX], at[RANK_MAX] = {0}, i = 0;
    op_strides(&in[0].shape, stride);
    do {
        int64_t from = at[0] * stride[0] + at[1 + 2 * spatial];
        bool covered = true;
        for (int d = 0; d < spatial; d++) {
            int64_t tap = at[1 + spatial + d], e = at[1 + d] - tap * t->dilation[d];
            int64_t window = e / t->stride[d];
            covered = covered && e >= 0 && e % t->stride[d] == 0 && window < in[0].shape.dim[1 + d];
            from += window * stride[1 + d] + tap * stride[1 + spatial + d];
        }
        out->data[i++] = covered ? in[0].data[from] : 0;
    } while (op_next(&out->shape, at));
}

/* [N, d.., k.., C] -> [N, o.., k.., C]: tap k of window o takes what stands there for tap k. Windows
 * over the taps as channels give it for each pair of taps, of which the equal ones are kept. */
static void unwindow_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    (void)want;
    const Shape *x = &y->in[0]->shape;
    const Taps *t = &y->attr->taps;
    int spatial = (x->rank - 2) / 2, by = 1 + spatial;
    int64_t taps = op_product(x, by, by + spatial), channels = x->dim[x->rank - 1];
    Shape joined = {.rank = 2 + spatial, .batch = x->batch, .dim = {x->dim[0]}}, pairs = joined;
    for (int i = 0; i < spatial; i++) {
        joined.dim[1 + i] = t->from[i];
        pairs.dim[1 + i] = x->dim[1 + i];
    }
    joined.dim[by] = taps * channels;
    pairs.rank = spatial + 4;
    pairs.dim[by] = pairs.dim[by + 1] = taps;
    pairs.dim[by + 2] = channels;
    Attr attr = {.taps = op_only_taps(t, spatial)};
    Node *flat = build_reshape(g, dy, &joined);
    Node *all = build_reshape(g, graph_add(g, OP_window, 1, &flat, &attr), &pairs);
    Shape square = {.rank = 3, .batch = -1, .dim = {taps, taps, 1}};
    Node *row = build_iota(g, &square, 0), *column = build_iota(g, &square, 1);
    Node *own = build_where(g, build_binary(g, OP_equal, row, column), all, build_const(g, 0));
    dx[0] = build_reshape(g, build_reduce(g, OP_reduce_sum, own, 1, &by), x);
}

const OpImpl op_unwindow = {
    .attrs = ATTR_taps, .shape = unwindow_shape, .grad = unwindow_grad, .eval = unwindow_eval};

/* --- building --------------------------------------------------------------------------------- */

/* Windows that tile the axes are a reshape. */
static Node *tiles(Graph *g, Node *x, const Taps *t)
{
    const Shape *s = &x->shape;
    int spatial = s->rank - 2, perm[RANK_MAX];
    Shape split = {.rank = 2 + 2 * spatial, .batch = s->batch};
    split.dim[0] = s->dim[0];
    split.dim[1 + 2 * spatial] = s->dim[1 + spatial];
    perm[0] = 0;
    perm[1 + 2 * spatial] = 1 + 2 * spatial;
    for (int i = 0; i < spatial; i++) {
        split.dim[1 + 2 * i] = s->dim[1 + i] / t->size[i];
        split.dim[2 + 2 * i] = t->size[i];
        x = build_slice(g, x, 1 + i, 0, s->dim[1 + i] / t->size[i] * t->size[i], 1);
        perm[1 + i] = 1 + 2 * i;
        perm[1 + spatial + i] = 2 + 2 * i;
    }
    return build_transpose(g, build_reshape(g, x, &split), perm);
}

Node *build_window(Graph *g, Node *x, const Taps *t)
{
    if (!x)
        return NULL;
    int spatial = x->shape.rank - 2;
    bool tile = spatial >= 1 && spatial <= SPATIAL_MAX && x->shape.batch <= 0;
    for (int i = 0; tile && i < spatial; i++)
        tile = t->size[i] >= 1 && t->stride[i] == t->size[i] && t->dilation[i] == 1 &&
               t->size[i] <= x->shape.dim[1 + i];
    Attr attr = {.taps = op_only_taps(t, spatial)};
    return tile ? tiles(g, x, t) : graph_add(g, OP_window, 1, &x, &attr);
}
