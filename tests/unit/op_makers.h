/* SPDX-License-Identifier: MIT */
/* op_makers.h: how each op is called on random operands: for whatever tests every row of ops.def.
 *
 * A new op is tested by having a row. Elementwise ops and reductions need nothing else (but a line
 * in `ranges` where they are not defined on [-2, 2]); of movements and products `makers` says how
 * they are called, and a row without a maker fails. */
#ifndef OP_MAKERS_H
#define OP_MAKERS_H

#include "graph_fixture.h"

/* Where an op is defined, or smooth, an operand. */
typedef struct OpRange {
    OpKind op;
    double lo[3], hi[3];
} OpRange;

static const OpRange ranges[] = {
    {OP_div, {-2, 0.4}, {2, 2}}, {OP_pow, {0.4, -2}, {2, 2}}, {OP_sqrt, {0.3}, {2}},
    {OP_mod, {2.1, 1.5}, {2.9, 2}}, {OP_reciprocal, {0.4}, {2}}, {OP_log, {0.3}, {2}},        {OP_log1p, {-0.6}, {2}},
};

FIXTURE Node *operand(Fixture *f, OpKind op, int i, Shape shape)
{
    for (int k = 0; k < COUNT(ranges); k++)
        if (ranges[k].op == op)
            return random_leaf(f, shape, ranges[k].lo[i], ranges[k].hi[i]);
    return random_leaf(f, shape, -2, 2);
}

FIXTURE Shape random_shape(Fixture *f, int min_rank)
{
    Shape shape = {.rank = min_rank + random_below(f, 5 - min_rank), .batch = -1};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = 1;
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = random_size(f, RANDOM_ELEMENTS / shape_count(&shape));
    if (shape.rank && random_below(f, 3))
        shape.batch = random_below(f, shape.rank);
    return shape;
}

/* A shape that broadcasts to `full`: axes dropped from the front, others made 1. */
FIXTURE Shape broadcastable(Fixture *f, const Shape *full)
{
    int drop = full->rank && random_below(f, 3) == 0 ? random_below(f, full->rank + 1) : 0;
    Shape shape = {.rank = full->rank - drop, .batch = full->batch - drop};
    if (shape.batch < 0)
        shape.batch = -1;
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = full->dim[i + drop];
        if (random_below(f, 4) == 0) {
            shape.dim[i] = 1;
            shape.batch = shape.batch == i ? -1 : shape.batch;
        }
    }
    return shape;
}

FIXTURE Node *call_elementwise(Fixture *f, OpKind op, Node **x)
{
    Shape full = random_shape(f, 0);
    int n = op_rows[op].arity, whole = random_below(f, n);
    for (int i = 0; i < n; i++)
        x[i] = operand(f, op, i, i == whole ? full : broadcastable(f, &full));
    if (op != OP_where)
        return graph_add(f->g, op, n, x, NULL);
    Node *condition = build_binary(f->g, OP_greater, x[0], build_const(f->g, 0));
    return build_where(f->g, condition, x[1], x[2]);
}

FIXTURE Node *call_reduce(Fixture *f, OpKind op, Node **x)
{
    Shape shape = random_shape(f, 1);
    int axes[RANK_MAX], n = 0;
    for (int i = 0; i < shape.rank; i++)
        if (random_below(f, 2))
            axes[n++] = i;
    x[0] = operand(f, op, 0, shape);
    if (op != OP_reduce_sum && random_below(f, 2)) {
        /* The first of equal ones takes the gradient. */
        Attr attr = {.n_axes = n, .value = 1};
        memcpy(attr.axes, axes, sizeof *axes * (size_t)n);
        return graph_add(f->g, op, 1, x, &attr);
    }
    return build_reduce(f->g, op, x[0], n, axes);
}

FIXTURE Node *make_reshape(Fixture *f, Node **x, int trial)
{
    static const Shape from[] = {
        {2, -1, {4, 3}}, {3, 0, {1, 2, 3}}, {2, 0, {2, 3}}, {3, 1, {2, 1, 3}}, {1, 0, {4}}};
    static const Shape to[] = {
        {3, -1, {2, 1, 6}}, {2, 0, {2, 3}}, {3, 0, {1, 3, 2}}, {2, 1, {2, 3}}, {3, 1, {1, 2, 2}}};
    int i = trial % COUNT(from);
    x[0] = random_leaf(f, from[i], -2, 2);
    return build_reshape(f->g, x[0], &to[i]);
}

FIXTURE Node *make_transpose(Fixture *f, Node **x, int trial)
{
    (void)trial;
    Shape shape = random_shape(f, 1);
    int perm[RANK_MAX];
    for (int i = 0; i < shape.rank; i++) {
        int at = random_below(f, i + 1);
        perm[i] = perm[at];
        perm[at] = i;
    }
    x[0] = random_leaf(f, shape, -2, 2);
    return build_transpose(f->g, x[0], perm);
}

FIXTURE Node *make_expand(Fixture *f, Node **x, int trial)
{
    (void)trial;
    Shape full = random_shape(f, 0);
    x[0] = random_leaf(f, broadcastable(f, &full), -2, 2);
    return build_expand(f->g, x[0], &full);
}

FIXTURE Node *make_slice(Fixture *f, Node **x, int trial)
{
    (void)trial;
    Shape shape = random_shape(f, 1);
    Attr attr = {0};
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = i == shape.batch ? shape.dim[i] : 1 + random_below(f, f->sizes ? 20 : 6);
        attr.step[i] = i == shape.batch ? 1 : 1 + random_below(f, 3);
        attr.start[i] = i == shape.batch ? 0 : random_below(f, (int)shape.dim[i]);
        int64_t left = shape.dim[i] - attr.start[i];
        attr.end[i] =
            i == shape.batch ? shape.dim[i] : attr.start[i] + 1 + random_below(f, (int)left);
    }
    x[0] = random_leaf(f, shape, -2, 2);
    return graph_add(f->g, OP_slice, 1, x, &attr);
}

FIXTURE Node *make_pad(Fixture *f, Node **x, int trial)
{
    (void)trial;
    Shape shape = random_shape(f, 1);
    Attr attr = {.value = 0.5};
    for (int i = 0; i < shape.rank; i++) {
        attr.start[i] = i == shape.batch ? 0 : random_below(f, 3);
        attr.end[i] = i == shape.batch ? 0 : random_below(f, 3);
        attr.step[i] = i == shape.batch ? 1 : 1 + random_below(f, 3);
    }
    x[0] = random_leaf(f, shape, -2, 2);
    return graph_add(f->g, OP_pad, 1, x, &attr);
}

FIXTURE Node *make_concat(Fixture *f, Node **x, int trial)
{
    Shape shape = random_shape(f, 2);
    int axis = shape.batch == 0 ? shape.rank - 1 : 0;
    for (int i = 0; i < 3; i++) {
        shape.dim[axis] = 1 + (trial + i) % 3;
        x[i] = random_leaf(f, shape, -2, 2);
    }
    return build_concat(f->g, axis, 3, x);
}

/* The batch in m, in n, in k, leading; both, one or no operand with leading axes. */
FIXTURE Node *make_matmul(Fixture *f, Node **x, int trial)
{
    static const Shape shapes[][2] = {
        {{2, -1, {2, 3}}, {2, -1, {3, 4}}},
        {{2, 0, {1, 3}}, {2, -1, {3, 2}}},
        {{2, -1, {2, 3}}, {2, 1, {3, 1}}},
        {{2, 1, {2, 1}}, {2, 0, {1, 4}}},
        {{3, 0, {1, 2, 3}}, {2, -1, {3, 2}}},
        {{3, 0, {1, 2, 3}}, {3, 0, {1, 3, 2}}},
        {{3, -1, {1, 2, 3}}, {3, 0, {1, 3, 2}}},
        {{3, 0, {2, 2, 3}}, {3, -1, {1, 3, 2}}},
        {{3, 1, {2, 1, 3}}, {2, -1, {3, 2}}},
        {{4, 1, {2, 1, 2, 3}}, {2, -1, {3, 2}}},
        {{4, 0, {1, 2, 2, 3}}, {3, -1, {2, 3, 2}}},
        {{2, -1, {2, 3}}, {4, 1, {2, 1, 3, 2}}},
        {{4, 0, {1, 2, 2, 3}}, {4, 0, {1, 1, 3, 2}}},
        {{2, 0, {2, 3}}, {3, -1, {1, 3, 2}}},
        {{3, 1, {1, 2, 3}}, {3, -1, {2, 3, 1}}},
        {{3, 2, {2, 2, 1}}, {2, 0, {1, 3}}},
    };
    Shape a = shapes[trial % COUNT(shapes)][0], b = shapes[trial % COUNT(shapes)][1];
    if (f->sizes) { /* m, k and n of other lengths than the table's */
        int64_t k = random_size(f, 64);
        a.dim[a.rank - 2] = random_size(f, 64);
        a.dim[a.rank - 1] = b.dim[b.rank - 2] = k;
        b.dim[b.rank - 1] = random_size(f, 64);
        a.dim[a.batch < 0 ? a.rank : a.batch] = b.dim[b.batch < 0 ? b.rank : b.batch] = 1;
        a.dim[a.rank] = b.dim[b.rank] = 0;
        if (a.batch == a.rank - 1 && b.batch == b.rank - 2)
            a.dim[a.batch] = b.dim[b.batch] = 1 + random_below(f, 2);
    }
    x[0] = random_leaf(f, a, -2, 2);
    x[1] = random_leaf(f, b, -2, 2);
    return build_matmul(f->g, x[0], x[1]);
}

FIXTURE Node *make_flip(Fixture *f, Node **x, int trial)
{
    Shape shape = random_shape(f, 1);
    int axes[RANK_MAX], n = 0;
    for (int i = 0; i < shape.rank; i++)
        if (i != shape.batch && (i == trial % shape.rank || random_below(f, 2)))
            axes[n++] = i;
    Attr attr = {.n_axes = n};
    memcpy(attr.axes, axes, sizeof *axes * (size_t)n);
    x[0] = random_leaf(f, shape, -2, 2);
    return graph_add(f->g, OP_flip, 1, x, &attr);
}

/* Taps over 1 to 3 axes, and in `over` how long those are: now and then longer than the windows reach. */
FIXTURE Taps random_taps(Fixture *f, int spatial, int64_t *over)
{
    Taps t = {.groups = 0};
    for (int i = 0; i < spatial; i++) {
        int most = spatial == 1 ? 3 : 2;
        t.size[i] = 1 + random_below(f, most + (spatial < 3));
        t.stride[i] = 1 + random_below(f, most + 1);
        t.dilation[i] = 1 + random_below(f, spatial == 3 && t.size[i] > 1 ? 2 : 3);
        over[i] = (t.size[i] - 1) * t.dilation[i] + 1 + random_below(f, spatial == 3 ? 3 : 5);
    }
    return t;
}

FIXTURE int64_t windows_along(const Taps *t, int i, int64_t over)
{
    return (over - (t->size[i] - 1) * t->dilation[i] - 1) / t->stride[i] + 1;
}

/* [N, axes.., channels], now and then without a batch axis or with two rows a sample. (Windows over
 * 3 axes have as many axes as a tensor may have; tests that give a batch to what has none add one.) */
FIXTURE Shape spatial_shape(Fixture *f, int spatial, const int64_t *axes, int64_t channels)
{
    Shape shape = {.rank = spatial + 2, .batch = 0};
    shape.dim[0] = 1 + (spatial < 3 && random_below(f, 4) == 0);
    if (spatial < 3 && random_below(f, 4) == 0)
        shape.batch = -1;
    for (int i = 0; i < spatial; i++)
        shape.dim[1 + i] = axes[i];
    shape.dim[1 + spatial] = channels;
    return shape;
}

/* Mostly 1 or 2 axes: 3 are many numbers. */
FIXTURE int random_spatial(int trial)
{
    return trial % 8 == 7 ? 3 : 1 + trial % 2;
}

FIXTURE Node *make_window(Fixture *f, Node **x, int trial)
{
    int spatial = random_spatial(trial);
    int64_t over[SPATIAL_MAX];
    Attr attr = {.taps = random_taps(f, spatial, over)};
    Shape shape = spatial_shape(f, spatial, over, random_size(f, spatial == 3 ? 3 : 33));
    x[0] = random_leaf(f, shape, -2, 2);
    return graph_add(f->g, OP_window, 1, x, &attr);
}

FIXTURE Node *make_unwindow(Fixture *f, Node **x, int trial)
{
    int spatial = random_spatial(trial);
    int64_t over[SPATIAL_MAX];
    Attr attr = {.taps = random_taps(f, spatial, over)};
    Shape shape = spatial_shape(f, spatial, over, random_size(f, spatial == 3 ? 3 : 33));
    int64_t channels = shape.dim[1 + spatial];
    shape.rank = 2 + 2 * spatial;
    for (int i = 0; i < spatial; i++) {
        attr.taps.from[i] = over[i];
        shape.dim[1 + i] = windows_along(&attr.taps, i, over[i]);
        shape.dim[1 + spatial + i] = attr.taps.size[i];
    }
    shape.dim[1 + 2 * spatial] = channels;
    x[0] = random_leaf(f, shape, -2, 2);
    return graph_add(f->g, OP_unwindow, 1, x, &attr);
}

/* x and w of a convolution: plain, grouped or depthwise. */
typedef struct ConvShapes {
    Taps taps;
    Shape x, w, y;
} ConvShapes;

FIXTURE ConvShapes random_conv(Fixture *f, int trial)
{
    int spatial = random_spatial(trial);
    int64_t over[SPATIAL_MAX], most = spatial == 3 ? 3 : spatial == 2 ? 17 : 33;
    ConvShapes c = {.taps = random_taps(f, spatial, over)};
    int64_t groups = 1 + random_below(f, 3) / 2 * (1 + trial % 2);
    int64_t each = random_size(f, most), out = groups * random_size(f, most);
    c.taps.groups = groups;
    c.x = c.y = spatial_shape(f, spatial, over, groups * each);
    c.w = (Shape){.rank = spatial + 2, .batch = -1};
    for (int i = 0; i < spatial; i++) {
        c.w.dim[i] = c.taps.size[i];
        c.y.dim[1 + i] = windows_along(&c.taps, i, over[i]);
    }
    c.w.dim[spatial] = each;
    c.w.dim[spatial + 1] = c.y.dim[spatial + 1] = out;
    return c;
}

FIXTURE Node *make_conv(Fixture *f, Node **x, int trial)
{
    ConvShapes c = random_conv(f, trial);
    x[0] = random_leaf(f, c.x, -2, 2);
    x[1] = random_leaf(f, c.w, -2, 2);
    return build_conv(f->g, x[0], x[1], &c.taps);
}

FIXTURE Node *make_conv_weight(Fixture *f, Node **x, int trial)
{
    ConvShapes c = random_conv(f, trial);
    x[0] = random_leaf(f, c.x, -2, 2);
    x[1] = random_leaf(f, c.y, -2, 2);
    return build_conv_weight(f->g, x[0], x[1], &c.taps);
}

/* Rows of a table; now and then of few rows, or of many more than positions. */
FIXTURE Node *make_gather(Fixture *f, Node **x, int trial)
{
    int64_t count = trial % 4 == 0 ? 3 : trial % 4 == 1 && f->sizes ? 700 : random_size(f, 64);
    Shape at = {.rank = 1 + trial % 3, .batch = 0};
    for (int i = 0; i < at.rank; i++)
        at.dim[i] = i ? random_size(f, 8) : 1 + random_below(f, 2);
    x[0] = random_leaf(f, SHAPE(-1, count, random_size(f, 33)), -2, 2);
    return build_binary(f->g, OP_gather, x[0], random_tokens(f, at, count));
}

FIXTURE Node *make_scatter_add(Fixture *f, Node **x, int trial)
{
    int64_t count = trial % 2 && f->sizes ? 700 : random_size(f, 64);
    int64_t dim = trial % 3 || !f->sizes ? random_size(f, 33) : 300;
    Shape at = {.rank = 1, .batch = 0, .dim = {random_size(f, 8)}};
    Shape rows = {.rank = 2, .batch = at.batch, .dim = {at.dim[0], dim}};
    x[0] = random_leaf(f, rows, -2, 2);
    Node *in[2] = {x[0], random_tokens(f, at, count)};
    return graph_add_as(f->g, OP_scatter_add, 2, in, NULL, &SHAPE(-1, count, dim), DT_f32);
}

/* q, k, v and, now and then, lengths: of a few positions, or of more than a block. */
FIXTURE int attention_operands(Fixture *f, Node **x, int trial, Attr *attr)
{
    int64_t heads = 1 + random_below(f, 3), groups = trial % 3 == 0 ? 1 : heads;
    int64_t most = f->sizes ? 100 : 4, dim = random_size(f, f->sizes ? 33 : 3);
    int64_t queries = 1 + random_below(f, (int)most);
    int64_t keys = trial % 2 ? queries : 1 + random_below(f, (int)most);
    *attr = (Attr){.n_axes = 2, .axes = {trial % 4 > 1, trial % 5 == 0}};
    if (trial % 7 == 2) {
        attr->value = 0.25;
        attr->stream = 3;
    }
    x[0] = random_leaf(f, SHAPE(0, 1, queries, heads, dim), -2, 2);
    x[1] = random_leaf(f, SHAPE(0, 1, keys, groups, dim), -2, 2);
    x[2] = random_leaf(f, SHAPE(0, 1, keys, groups, dim), -2, 2);
    if (trial % 3 != 1)
        return 3;
    x[3] = random_leaf(f, SHAPE(0, 1), -1, (double)keys + 2);
    return 4;
}

FIXTURE Node *make_attention(Fixture *f, Node **x, int trial)
{
    Attr attr;
    int n = attention_operands(f, x, trial, &attr);
    if (n == 4) { /* no gradient flows to lengths, nor is there one where they cross a key */
        Node *in[4] = {x[0], x[1], x[2], build_unary(f->g, OP_ceil, x[3])};
        Node *y = graph_add(f->g, OP_attention, 4, in, &attr);
        int64_t values = x[0]->shape.dim[2] * x[0]->shape.dim[3];
        x[3] = x[2];
        return build_slice(f->g, y, 2, 0, values,
                           1); /* the log of nothing is far from all others */
    }
    return graph_add(f->g, OP_attention, n, x, &attr);
}

FIXTURE Node *make_attention_grad(Fixture *f, Node **x, int trial)
{
    Attr attr;
    Node *in[6];
    int n = attention_operands(f, in, trial, &attr);
    in[5] = in[3];
    Node *y = graph_add(f->g, OP_attention, n, in, &attr);
    in[3] = y;
    in[4] = random_leaf(f, y->shape, -1, 1);
    for (int i = 0; i < 3; i++)
        x[i] = in[i];
    x[3] = in[4];
    return graph_add(f->g, OP_attention_grad, n + 2, in, &attr);
}

/* Log-probabilities, targets and lengths, which may be too short, too long or below 0. Where slopes are
 * taken, what cannot be aligned is 0: infinity has none. */
FIXTURE int ctc_operands(Fixture *f, Node **in, int trial, Attr *attr)
{
    int64_t frames = random_size(f, f->sizes ? 64 : 4), classes = 1 + random_size(f, 33);
    int64_t targets = random_size(f, f->sizes ? 16 : 2);
    *attr =
        (Attr){.n_numbers = 2, .numbers = {random_below(f, (int)classes), !f->sizes || trial % 2}};
    in[0] = random_leaf(f, SHAPE(0, 1, frames, classes), -3, 0);
    in[1] = random_tokens(f, SHAPE(0, 1, targets), classes);
    for (int i = 2; i < 4; i++) {
        double most = (double)(i == 2 ? frames : targets);
        in[i] = trial % 3 == 0
                    ? build_const(f->g, most)
                    : build_unary(f->g, OP_ceil, random_leaf(f, SHAPE(0, 1), -0.5, most + 1.5));
    }
    return 4;
}

FIXTURE Node *make_ctc(Fixture *f, OpKind op, Node **x, int trial)
{
    Attr attr;
    Node *in[4];
    int n = ctc_operands(f, in, trial, &attr);
    x[0] = in[0];
    return graph_add(f->g, op, n, in, &attr);
}

FIXTURE Node *make_ctc_loss(Fixture *f, Node **x, int trial)
{
    return make_ctc(f, OP_ctc_loss, x, trial);
}

FIXTURE Node *make_ctc_loss_grad(Fixture *f, Node **x, int trial)
{
    return make_ctc(f, OP_ctc_loss_grad, x, trial);
}

FIXTURE Node *make_ctc_decode(Fixture *f, Node **x, int trial)
{
    Attr attr;
    Node *in[4];
    ctc_operands(f, in, trial, &attr);
    x[0] = in[0];
    attr.numbers[1] = trial % 4 ? trial % 4 * 2 : 1;
    return graph_add(f->g, OP_ctc_decode, 2, (Node *[]){in[0], in[2]}, &attr);
}

/* Of few kinds of labels, so that some agree, up to one below 0. */
FIXTURE Node *make_edit_distance(Fixture *f, Node **x, int trial)
{
    int64_t decoded = random_size(f, 33), targets = random_size(f, 33);
    const Attr attr = {.n_numbers = 1, .numbers = {trial % 3 - 1}};
    x[0] = random_leaf(f, SHAPE(0, 1, decoded), -0.2, 2.99);
    Node *in[3] = {build_unary(f->g, OP_floor, x[0]), random_tokens(f, SHAPE(0, 1, targets), 3),
                   random_leaf(f, SHAPE(0, 1), 0, (double)targets + 2)};
    return graph_add(f->g, OP_edit_distance, 3, in, &attr);
}

/* Boxes of all sizes, so that some overlap; a third of the scores are none. */
FIXTURE Node *make_nms(Fixture *f, Node **x, int trial)
{
    int64_t count = random_size(f, 33), classes = 1 + random_below(f, 3);
    const Attr attr = {.n_numbers = 1, .numbers = {1 + random_below(f, 40)}};
    Node *near = random_leaf(f, SHAPE(0, 1, count, 2), -1, 1);
    Node *size = random_leaf(f, SHAPE(0, 1, count, 2), 0.1, 1);
    Node *corners[2] = {near, build_binary(f->g, OP_add, near, size)};
    x[0] = random_leaf(f, SHAPE(0, 1, count, classes), -0.5, 1);
    Node *in[3] = {build_concat(f->g, 2, 2, corners), x[0], build_const(f->g, trial % 3 ? 0.3 : 1)};
    return graph_add(f->g, OP_nms, 3, in, &attr);
}

typedef struct Maker {
    OpKind op;
    int n_in;
    Node *(*make)(Fixture *, Node **x, int trial);
} Maker;

static const Maker makers[] = {
    {OP_reshape, 1, make_reshape},
    {OP_transpose, 1, make_transpose},
    {OP_expand, 1, make_expand},
    {OP_slice, 1, make_slice},
    {OP_pad, 1, make_pad},
    {OP_concat, 3, make_concat},
    {OP_matmul, 2, make_matmul},
    {OP_flip, 1, make_flip},
    {OP_window, 1, make_window},
    {OP_unwindow, 1, make_unwindow},
    {OP_conv, 2, make_conv},
    {OP_conv_weight, 2, make_conv_weight},
    {OP_gather, 1, make_gather},
    {OP_scatter_add, 1, make_scatter_add},
    {OP_attention, 3, make_attention},
    {OP_attention_grad, 4, make_attention_grad},
    {OP_ctc_loss, 1, make_ctc_loss},
    {OP_ctc_loss_grad, 1, make_ctc_loss_grad},
    {OP_ctc_decode, 1, make_ctc_decode},
    {OP_edit_distance, 1, make_edit_distance},
    {OP_nms, 1, make_nms},
};

/* A call of op on inputs x[0 .. *n - 1]. */
FIXTURE Node *call(Fixture *f, OpKind op, int trial, int *n, Node **x)
{
    *n = op_rows[op].arity;
    if (op_rows[op].cls == CLASS_EW)
        return call_elementwise(f, op, x);
    if (op_rows[op].cls == CLASS_REDUCE)
        return call_reduce(f, op, x);
    for (int i = 0; i < COUNT(makers); i++)
        if (makers[i].op == op) {
            *n = makers[i].n_in;
            return makers[i].make(f, x, trial);
        }
    cr_assert_fail("%s: say in `makers` how it is called", op_rows[op].name);
    return NULL;
}

/* Scans are test_scan.c's, attention_step, which has caches, test_decode.c's. */
FIXTURE bool is_called(OpKind op)
{
    return op != OP_attention_step && op_rows[op].cls != CLASS_SCAN &&
           op_rows[op].cls != CLASS_BUILT && op_rows[op].cls != CLASS_LEAF &&
           op_rows[op].cls != CLASS_EFFECT;
}

#endif
