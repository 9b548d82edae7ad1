/* SPDX-License-Identifier: MIT */
/* Guards compiler/ops/conv.c: convolutions over 1 to 3 axes, their gradients, and what goes back
 * (build_conv_input, as a gradient and as a transposed convolution with gradients of its own) equal
 * plain loops, whatever the strides, dilations, groups and lengths; wrong operands are reported. */
#include "graph_fixture.h"

/* --- plain loops ------------------------------------------------------------------------------ */

/* A convolution over `spatial` axes; the others are as if of length 1. */
typedef struct Case {
    int spatial;
    int64_t size[3], stride[3], dilation[3], over[3]; /* over: elements of x past the last window */
    int64_t groups, c, m;                             /* channels a group */
} Case;

typedef struct Loops {
    Case c;
    int64_t n, x[3], y[3];
} Loops;

static Loops loops_of(const Case *c)
{
    Loops l = {.c = *c, .n = SAMPLES};
    for (int i = 0; i < 3; i++) {
        bool is = i < c->spatial;
        if (!is)
            l.c.size[i] = l.c.stride[i] = l.c.dilation[i] = 1;
        l.y[i] = is ? 1 + (c->over[i] / c->stride[i]) : 1;
        l.x[i] = is ? (c->size[i] - 1) * c->dilation[i] + 1 + c->over[i] : 1;
    }
    return l;
}

typedef enum { INTO_x, INTO_w, INTO_y } Into;

static bool next(int64_t *at, const int64_t *dim)
{
    for (int i = 8; i >= 0; i--) {
        if (++at[i] < dim[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* Where (i, j, k, c) stands in a row of 3 axes and channels, at the n-th of these. */
static int64_t place(int64_t n, const int64_t *dim, int64_t i, int64_t j, int64_t k,
                     int64_t channels, int64_t c)
{
    return (((n * dim[0] + i) * dim[1] + j) * dim[2] + k) * channels + c;
}

/* One of x, w and y becomes the sum of the products of the other two. */
static void plain(const Loops *l, double *x, double *w, double *y, Into into)
{
    const Case *c = &l->c;
    const int64_t *s = c->stride, *d = c->dilation, in = c->groups * c->c, out = c->groups * c->m;
    const int64_t loops[9] = {l->n,       l->y[0],    l->y[1], l->y[2], c->size[0],
                              c->size[1], c->size[2], c->c,    out};
    int64_t at[9] = {0};
    do {
        const int64_t *o = at + 1, *k = at + 4, i = at[7], m = at[8];
        double *of_x = &x[place(at[0], l->x, o[0] * s[0] + k[0] * d[0], o[1] * s[1] + k[1] * d[1],
                                o[2] * s[2] + k[2] * d[2], in, m / c->m * c->c + i)];
        double *of_w = &w[place(0, c->size, k[0], k[1], k[2], c->c, i) * out + m];
        double *of_y = &y[place(at[0], l->y, o[0], o[1], o[2], out, m)];
        if (into == INTO_x)
            *of_x += *of_w * *of_y;
        else if (into == INTO_w)
            *of_w += *of_x * *of_y;
        else
            *of_y += *of_x * *of_w;
    } while (next(at, loops));
}

/* --- the graph against them ------------------------------------------------------------------- */

static Shape channels_last(const Case *c, bool batch, const int64_t *axes, int64_t channels)
{
    Shape s = {.rank = c->spatial + 2, .batch = batch ? 0 : -1, .dim = {batch ? 1 : SAMPLES}};
    for (int i = 0; i < c->spatial; i++)
        s.dim[1 + i] = axes[i];
    s.dim[1 + c->spatial] = channels;
    return s;
}

static Shape weight_shape(const Case *c)
{
    Shape s = {.rank = c->spatial + 2, .batch = -1};
    for (int i = 0; i < c->spatial; i++)
        s.dim[i] = c->size[i];
    s.dim[c->spatial] = c->c;
    s.dim[c->spatial + 1] = c->groups * c->m;
    return s;
}

static Taps taps_of(const Case *c)
{
    Taps t = {.groups = c->groups};
    for (int i = 0; i < c->spatial; i++) {
        t.size[i] = c->size[i];
        t.stride[i] = c->stride[i];
        t.dilation[i] = c->dilation[i];
    }
    return t;
}

static const char *text_of(Fixture *f, const Case *c)
{
    Str s = str_new(f->ctx.arena);
    for (int i = 0; i < c->spatial; i++)
        str_add(&s, "size %d stride %d dilation %d over %d, ", (int)c->size[i], (int)c->stride[i],
                (int)c->dilation[i], (int)c->over[i]);
    str_add(&s, "groups %d of %d to %d", (int)c->groups, (int)c->c, (int)c->m);
    return s.at;
}

static void same(Fixture *f, const Case *c, const char *what, const Tensor *got, const double *want)
{
    for (int64_t i = 0; i < shape_count(&got->shape); i++)
        cr_assert(close_to(got->data[i], want[i], 1e-12, 1e-12), "%s[%d]: %g, not %g; %s", what,
                  (int)i, got->data[i], want[i], text_of(f, c));
}

static double *zeros(Fixture *f, const Node *like)
{
    return arena_take(f->ctx.arena, sizeof(double) * (size_t)shape_elements(&like->shape, SAMPLES));
}

/* y and its gradients, dy going back, and the gradients of that. */
static void check_case(const Case *c, bool batch)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Loops l = loops_of(c);
    Taps t = taps_of(c);
    f->random = 12345 + (uint64_t)(c->size[0] * 100 + c->stride[0] * 10 + c->dilation[0]);
    Node *x = random_input(f, channels_last(c, batch, l.x, c->groups * c->c), -1, 1);
    Node *w = random_input(f, weight_shape(c), -1, 1);
    Node *u = random_input(f, channels_last(c, batch, l.y, c->groups * c->m), -1, 1);
    Node *y = build_conv(g, x, w, &t), *back = build_conv_input(g, u, w, &t, l.x), *d[4];
    cr_assert(y && back, "%s: %s", text_of(f, c), fixture_said(f));
    cr_assert(shape_equal(&back->shape, &x->shape), "%s", text_of(f, c));
    autodiff(g, weighed_sum(g, y, u), 2, (Node *[]){x, w}, d);
    autodiff(g, weighed_sum(g, back, x), 2, (Node *[]){u, w}, d + 2);
    graph_root(g, ROOT_output, 0, y);
    graph_root(g, ROOT_output, 1, back);
    for (int i = 0; i < 4; i++) {
        cr_assert_not_null(d[i]);
        graph_root(g, ROOT_grad, i, d[i]);
    }
    graph_sort(g);
    graph_verify(g, "building");
    Tensor *got = run(f);

    double *want_x = zeros(f, x), *want_w = zeros(f, w), *want_y = zeros(f, u);
    plain(&l, f->inputs[0], f->inputs[1], want_y, INTO_y);
    plain(&l, f->inputs[0], want_w, f->inputs[2], INTO_w);
    plain(&l, want_x, f->inputs[1], f->inputs[2], INTO_x);
    same(f, c, "conv", &got[0], want_y);
    same(f, c, "conv_input", &got[1], want_x);
    same(f, c, "gradient of conv in x", &got[2], want_x);
    same(f, c, "gradient of conv in w", &got[3], want_w);
    same(f, c, "gradient of conv_input in dy", &got[4], want_y);
    same(f, c, "gradient of conv_input in w", &got[5], want_w);
    fixture_free(f);
}

/* Kernels smaller and larger than the stride, windows that do and do not reach the end. */
Test(ops_conv, every_one_over_an_axis)
{
    Case c = {.spatial = 1, .c = 2, .m = 3};
    for (c.groups = 1; c.groups <= 3; c.groups++)
        for (c.size[0] = 1; c.size[0] <= 5; c.size[0]++)
            for (c.stride[0] = 1; c.stride[0] <= 4; c.stride[0]++)
                for (c.dilation[0] = 1; c.dilation[0] <= 3; c.dilation[0]++)
                    for (c.over[0] = 0; c.over[0] <= 5; c.over[0] += 1 + c.over[0] % 2)
                        check_case(&c, c.over[0] % 2);
}

Test(ops_conv, over_two_and_three_axes)
{
    Fixture *f = fixture_new(FN_grad);
    for (int trial = 0; trial < 150; trial++) {
        Case c = {.spatial = 2 + trial % 3 / 2};
        c.groups = 1 + random_below(f, 3);
        c.c = 1 + random_below(f, 2);
        c.m = 1 + random_below(f, 2);
        for (int i = 0; i < c.spatial; i++) {
            c.size[i] = 1 + random_below(f, c.spatial == 2 ? 4 : 3);
            c.stride[i] = 1 + random_below(f, 3);
            c.dilation[i] = 1 + random_below(f, 2);
            c.over[i] = random_below(f, 4);
        }
        check_case(&c, trial % 2);
    }
    fixture_free(f);
}

/* Enough channels for a convolution a phase: as many of them as there are residues, some longer. */
Test(ops_conv, phase_by_phase)
{
    static const Case cases[] = {
        {1, {3}, {2}, {1}, {0}, 1, 16, 2},
        {1, {3}, {2}, {1}, {3}, 1, 16, 2},
        {1, {5}, {3}, {1}, {1}, 1, 17, 1},
        {2, {3, 3}, {2, 2}, {1, 1}, {0, 1}, 1, 16, 2},
        {2, {3, 1}, {2, 1}, {1, 1}, {1, 2}, 1, 16, 1},
        {3, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {0, 1, 0}, 1, 16, 1},
    };
    for (int i = 0; i < COUNT(cases); i++)
        check_case(&cases[i], i % 2);
}

/* What was padded: the border's gradient is nobody's, so only real taps of inner pixels are multiplied. */
Test(ops_conv, phases_of_a_padded_operand)
{
    for (int extent = 7; extent <= 8; extent++) {
        Fixture *f = fixture_new(FN_grad);
        Graph *g = f->g;
        static const int64_t around[RANK_MAX] = {0, 1, 1};
        Taps t = {.stride = {2, 2}, .dilation = {1, 1}, .groups = 1};
        Node *x = random_input(f, SHAPE(0, 1, extent, extent, 16), -1, 1), *d;
        Node *w = random_input(f, SHAPE(-1, 3, 3, 16, 2), -1, 1);
        Node *y = build_conv(g, build_pad(g, x, around, around, NULL, 0), w, &t);
        Node *u = random_input(f, y->shape, -1, 1);
        autodiff(g, weighed_sum(g, y, u), 1, &x, &d);
        graph_root(g, ROOT_output, 0, d);
        graph_sort(g);
        int64_t products = 0, each = extent == 8 ? 4 + 2 * 4 : 4 + 2 * 3;
        for (int i = 0; i < g->nodes.n; i++) {
            const Node *conv = g->nodes.at[i];
            if (conv->op == OP_conv)
                products += conv->shape.dim[1] * conv->shape.dim[2] * conv->attr->taps.size[0] *
                            conv->attr->taps.size[1];
        }
        cr_expect_eq(products, each * each, "%d pixels: %d", extent, (int)products);
        Node *all = build_conv_input(g, u, w, &t, (int64_t[]){extent + 2, extent + 2});
        all = build_slice(g, all, 1, 1, extent + 1, 1);
        graph_root(g, ROOT_output, 1, build_slice(g, all, 2, 1, extent + 1, 1));
        graph_sort(g);
        graph_verify(g, "building");
        Tensor *got = run(f);
        for (int64_t i = 0; i < shape_count(&got[0].shape); i++)
            cr_assert(close_to(got[0].data[i], got[1].data[i], 1e-12, 1e-12), "[%d]", (int)i);
        fixture_free(f);
    }
}

Test(ops_conv, odd_ones)
{
    static const Case cases[] = {
        /* depthwise; with two outputs a channel */
        {2, {3, 3}, {2, 2}, {1, 1}, {3, 4}, 4, 1, 1},
        {2, {3, 3}, {1, 1}, {2, 1}, {2, 2}, 3, 1, 2},
        /* one tap, one channel, one element */
        {1, {1}, {1}, {1}, {0}, 1, 1, 1},
        {2, {1, 1}, {1, 1}, {1, 1}, {0, 3}, 1, 1, 1},
        {3, {1, 1, 1}, {2, 2, 2}, {1, 1, 1}, {3, 2, 1}, 2, 1, 2}, /* strides, groups, no taps */
        {3, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {3, 2, 1}, 1, 2, 1},
        {3,
         {2, 2, 2},
         {2, 2, 2},
         {1, 1, 1},
         {3, 2, 1},
         3,
         1,
         1}, /* phases, groups: too many axes */
        {3, {3, 1, 2}, {2, 3, 1}, {2, 1, 3}, {2, 3, 0}, 2, 2, 1},
        /* an axis of its own kind each: phases, zeros between, plain */
        {2, {3, 3}, {2, 2}, {1, 2}, {3, 3}, 2, 1, 1},
        {2, {2, 5}, {5, 2}, {1, 1}, {6, 3}, 2, 2, 1},
        {2, {7, 7}, {2, 2}, {1, 1}, {5, 4}, 1, 1, 2},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        check_case(&cases[i], true);
        check_case(&cases[i], false);
    }
}

/* By hand: [1 2 3 4 5] with weights 1, 10 over two channels. */
Test(ops_conv, values_by_hand)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = build_data(g, &SHAPE(-1, 1, 5, 1), (double[]){1, 2, 3, 4, 5});
    Node *w = build_data(g, &SHAPE(-1, 2, 1, 2), (double[]){1, -1, 10, 0});
    Taps t = {.stride = {2}, .dilation = {2}, .groups = 1};
    graph_root(g, ROOT_output, 0, build_conv(g, x, w, &t));
    Node *dy = build_data(g, &SHAPE(-1, 1, 2, 2), (double[]){1, 2, 3, 4});
    graph_root(g, ROOT_output, 1, build_conv_input(g, dy, w, &t, (int64_t[]){6}));
    graph_sort(g);
    Tensor *got = run(f);
    static const double y[] = {31, -1, 53, -3}, back[] = {-1, 0, 10 - 1, 0, 30, 0};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(got[0].data[i], y[i], "[%d]: %g", i, got[0].data[i]);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(got[1].data[i], back[i], "[%d]: %g", i, got[1].data[i]);
    fixture_free(f);
}

/* The convolution in what build_conv_input makes of dy [N, 4, 4, 3] and a weight of 2 channels. */
static const Node *back_of(Fixture *f, int64_t size, int64_t stride, int64_t extent)
{
    const Node *conv = NULL;
    Node *dy = random_input(f, SHAPE(0, 1, 4, 4, 3), -1, 1);
    Node *w = random_input(f, SHAPE(-1, size, size, 2, 3), -1, 1);
    Taps t = {.stride = {stride, stride}, .dilation = {1, 1}, .groups = 1};
    cr_assert(build_conv_input(f->g, dy, w, &t, (int64_t[]){extent, extent + 1}));
    for (int i = 0; i < f->g->nodes.n; i++)
        if (f->g->nodes.at[i]->op == OP_conv)
            conv = f->g->nodes.at[i];
    cr_assert_eq(count_ops(f->g, OP_conv), 1);
    return conv;
}

/* Strides cost no products with the zeros between them: the `stride` elements side by side come as
 * channels of a convolution of dy as it is; no more of them than there are taps. */
Test(ops_conv, strides_cost_no_products_with_zero)
{
    Fixture *f = fixture_new(FN_grad);
    const Node *conv = back_of(f, 3, 2, 9);
    cr_expect_eq(conv->attr->taps.size[0], 2);
    cr_expect(shape_equal(&conv->shape, &SHAPE(0, 1, 5, 5, 4 * 2)));
    fixture_free(f);
    f = fixture_new(FN_grad);
    conv = back_of(f, 1, 3, 12);
    cr_expect_eq(conv->attr->taps.size[0], 1);
    cr_expect(shape_equal(&conv->shape, &SHAPE(0, 1, 4, 4, 2)));
    fixture_free(f);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static void expect_error(Fixture *f, Node *y, const char *words)
{
    cr_expect_null(y, "accepted: %s", words);
    const char *said = fixture_said(f);
    cr_expect(strstr(said, words), "wanted '%s', said '%s'", words, said);
}

typedef struct Wrong {
    Shape x, w;
    Taps taps;
    const char *words;
} Wrong;

#define BIG INT64_MAX

Test(ops_conv, wrong_operands_are_reported)
{
    static const Wrong wrong[] = {
        {{2, 0, {1, 3}}, {2, -1, {3, 4}}, {.groups = 1}, "needs 1 to 3 axes between"},
        {{6, 0, {1, 3, 3, 3, 3, 2}}, {6, -1, {1, 1, 1, 1, 2, 2}}, {.groups = 1}, "1 to 3 axes"},
        {{8, 0, {1, 3, 3, 3, 3, 3, 3, 2}},
         {8, -1, {1, 1, 1, 1, 1, 1, 2, 2}},
         {.groups = 1},
         "1 to 3"},
        {{0, -1, {0}}, {3, -1, {1, 2, 2}}, {.groups = 1}, "does not go over []"},
        {{3, 0, {1, 8, 2}}, {1, -1, {2}}, {.groups = 1}, "shape [2] does not go over [N, 8, 2]"},
        {{3, 0, {1, 8, 2}}, {4, -1, {3, 3, 2, 4}}, {{0}, {1}, {1}, {0}, 1}, "does not go over"},
        {{3, 0, {1, 8, 2}},
         {3, -1, {3, 3, 4}},
         {{0}, {1}, {1}, {0}, 1},
         "[3, 3, 4] does not go over [N, 8, 2]"},
        {{3, 0, {1, 8, 2}}, {3, 0, {3, 2, 4}}, {{0}, {1}, {1}, {0}, 1}, "does not go over"},
        {{3, 1, {8, 1, 2}},
         {3, -1, {1, 2, 4}},
         {{0}, {1}, {1}, {0}, 1},
         "the batch axis comes first"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 2, 3}},
         {{0}, {1}, {1}, {0}, 2},
         "3 out do not divide into 2"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 2, 3}},
         {{0}, {1}, {1}, {0}, 3},
         "do not divide into 3 groups"},
        {{3, 0, {1, 8, 4}}, {3, -1, {3, 4, 3}}, {{0}, {1}, {1}, {0}, 0}, "into 0 groups"},
        {{3, 0, {1, 8, 4}}, {3, -1, {3, 4, 3}}, {{0}, {1}, {1}, {0}, -1}, "into -1 groups"},
        {{3, 0, {1, 8, 4}}, {3, -1, {3, 4, 3}}, {{0}, {1}, {1}, {0}, BIG}, "do not divide into"},
        {{3, 0, {1, 8, 4}}, {3, -1, {3, 4, 3}}, {{0}, {0}, {1}, {0}, 1}, "stride 0"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 4, 3}},
         {{0}, {BIG}, {1}, {0}, 1},
         "cannot have windows of 3, stride"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 4, 3}},
         {{0}, {1}, {BIG}, {0}, 1},
         "dilation 9223372036854775807"},
        {{3, 0, {1, 8, 4}}, {3, -1, {3, 4, 3}}, {{0}, {1}, {-1}, {0}, 1}, "dilation -1"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 4, 3}},
         {{0}, {1}, {4}, {0}, 1},
         "a window of 9 does not fit into axis 1, 8 long"},
        {{3, 0, {1, 8, 4}},
         {3, -1, {3, 4, 3}},
         {{0}, {1}, {DIM_MAX}, {0}, 1},
         "a window of 4294967295 does not fit"},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_predict);
        Node *x = build_fill(f->g, &wrong[i].x, 1), *w = build_fill(f->g, &wrong[i].w, 1);
        expect_error(f, build_conv(f->g, x, w, &wrong[i].taps), wrong[i].words);
        cr_expect_eq(f->ctx.diag.errors, 1, "%s", wrong[i].words);
        fixture_free(f);
    }
}

Test(ops_conv, wrong_gradients_are_reported)
{
    static const Wrong wrong[] = {
        /* w: dy */
        {{3, 0, {1, 8, 4}}, {3, 0, {1, 6, 4}}, {{2}, {1}, {1}, {0}, 1}, "do not give [N, 6, 4]"},
        {{3, 0, {1, 8, 4}}, {3, 0, {2, 7, 4}}, {{2}, {1}, {1}, {0}, 1}, "do not give [2N, 7, 4]"},
        {{3, 0, {1, 8, 4}}, {3, -1, {1, 7, 4}}, {{2}, {1}, {1}, {0}, 1}, "do not give [1, 7, 4]"},
        {{3, 0, {1, 8, 4}}, {2, 0, {1, 4}}, {{2}, {1}, {1}, {0}, 1}, "do not give [N, 4]"},
        {{3, 0, {1, 8, 4}}, {3, 0, {1, 7, 3}}, {{2}, {1}, {1}, {0}, 2}, "into 2 groups"},
        {{3, 0, {1, 8, 4}}, {3, 0, {1, 7, 3}}, {{0}, {1}, {1}, {0}, 1}, "windows of 0"},
        {{3, 0, {1, 8, 4}}, {3, 0, {1, 7, 3}}, {{DIM_MAX}, {1}, {DIM_MAX}, {0}, 1}, "does not fit"},
        {{2, 0, {1, 4}}, {2, 0, {1, 4}}, {{1}, {1}, {1}, {0}, 1}, "1 to 3 axes"},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_predict);
        Node *x = build_fill(f->g, &wrong[i].x, 1), *dy = build_fill(f->g, &wrong[i].w, 1);
        expect_error(f, build_conv_weight(f->g, x, dy, &wrong[i].taps), wrong[i].words);
        cr_expect_eq(f->ctx.diag.errors, 1, "%s", wrong[i].words);
        fixture_free(f);
    }
}

Test(ops_conv, what_does_not_go_back_is_reported)
{
    static const struct {
        Shape dy, w;
        Taps taps;
        int64_t extent;
        const char *words;
    } wrong[] = {
        {{2, 0, {1, 4}}, {2, -1, {4, 4}}, {.groups = 1}, 8, "does not go back over [N, 4]"},
        {{6, 0, {1, 2, 2, 2, 2, 4}},
         {6, -1, {1, 1, 1, 1, 2, 4}},
         {.groups = 1},
         8,
         "does not go back"},
        {{3, 0, {1, 4, 4}}, {4, -1, {2, 2, 2, 4}}, {{0}, {1}, {1}, {0}, 1}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 3}}, {{0}, {1}, {1}, {0}, 1}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {1}, {1}, {0}, 0}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {1}, {1}, {0}, 3}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {0}, {1}, {0}, 1}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {1}, {BIG}, {0}, 1}, 8, "does not go back"},
        {{3, 1, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {1}, {1}, {0}, 1}, 8, "does not go back"},
        {{3, 0, {1, 4, 4}},
         {3, -1, {2, 2, 4}},
         {{0}, {2}, {3}, {0}, 1},
         9,
         "axis 1 becomes 10 long, not 9"},
        {{3, 0, {1, 4, 4}},
         {3, -1, {2, 2, 4}},
         {{0}, {2}, {3}, {0}, 1},
         -1,
         "axis 1 becomes 10 long, not -1"},
        {{3, 0, {1, 4, 4}},
         {3, -1, {2, 2, 4}},
         {{0}, {DIM_MAX}, {DIM_MAX}, {0}, 1},
         9,
         "becomes 8589934589 long"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {1}, {1}, {0}, 1}, BIG, "cannot be padded"},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {DIM_MAX}, {DIM_MAX}, {0}, 1}, BIG, ""},
        {{3, 0, {1, 4, 4}}, {3, -1, {2, 2, 4}}, {{0}, {DIM_MAX}, {1}, {0}, 1}, BIG, ""},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_predict);
        Node *dy = build_fill(f->g, &wrong[i].dy, 1), *w = build_fill(f->g, &wrong[i].w, 1);
        int64_t e = wrong[i].extent, extent[SPATIAL_MAX] = {e, e, e};
        expect_error(f, build_conv_input(f->g, dy, w, &wrong[i].taps, extent), wrong[i].words);
        cr_expect_eq(f->ctx.diag.errors, 1, "%s", wrong[i].words);
        fixture_free(f);
    }
}

Test(ops_conv, null_goes_through)
{
    Fixture *f = fixture_new(FN_predict);
    Shape s = SHAPE(0, 1, 4, 4);
    Node *x = build_fill(f->g, &s, 1);
    Taps t = {{2}, {1}, {1}, {0}, 1};
    cr_expect_null(build_conv(f->g, NULL, x, &t));
    cr_expect_null(build_conv(f->g, x, NULL, &t));
    cr_expect_null(build_conv_weight(f->g, x, NULL, &t));
    cr_expect_null(build_conv_input(f->g, NULL, x, &t, (int64_t[]){4}));
    cr_expect_eq(f->ctx.diag.errors, 0);
    fixture_free(f);
}
