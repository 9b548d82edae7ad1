/* SPDX-License-Identifier: MIT */
/* Guards compiler/ops/window.c, flip (move.c) and what pooling takes from reduce.c: windows,
 * their gradients and second gradients equal plain loops; the first of equal maxima takes the whole
 * gradient; wrong operands are reported. */
#include "graph_fixture.h"

/* --- plain loops over one axis of [samples, length, channels] -------------------------------- */

typedef struct Line {
    int64_t size, stride, dilation, length, channels;
    int64_t windows;
} Line;

static Taps taps_of(const Line *l)
{
    return (Taps){.size = {l->size}, .stride = {l->stride}, .dilation = {l->dilation}};
}

static double *zeros(Fixture *f, const Shape *like)
{
    return arena_take(f->ctx.arena, sizeof(double) * (size_t)shape_elements(like, SAMPLES));
}

static void same(const Line *l, const char *what, const Tensor *got, const double *want)
{
    for (int64_t i = 0; i < shape_count(&got->shape); i++)
        cr_assert(close_to(got->data[i], want[i], 1e-12, 1e-12),
                  "%s[%d]: %g, not %g; size %d stride %d dilation %d length %d", what, (int)i,
                  got->data[i], want[i], (int)l->size, (int)l->stride, (int)l->dilation,
                  (int)l->length);
}

/* Windows, and x's gradient where each element of them counts as often as u says. `op`: the op even
 * where the builder would make a reshape of it. */
static void check_line(const Line *l, bool batch, bool op)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Shape s = {3, batch ? 0 : -1, {batch ? 1 : SAMPLES, l->length, l->channels}}, t = s;
    t.rank = 4;
    t.dim[1] = l->windows;
    t.dim[2] = l->size;
    t.dim[3] = l->channels;
    Node *x = random_input(f, s, -1, 1), *u = random_input(f, t, -1, 1), *dx, *du;
    Node *v = random_input(f, s, -1, 1);
    Attr attr = {.taps = taps_of(l)};
    Node *y = op ? graph_add(g, OP_window, 1, &x, &attr) : build_window(g, x, &attr.taps);
    cr_assert(y && shape_equal(&y->shape, &t), "%s", fixture_said(f));
    autodiff(g, weighed_sum(g, y, u), 1, &x, &dx);
    autodiff(g, weighed_sum(g, dx, v), 1, &u, &du);
    graph_root(g, ROOT_output, 0, y);
    graph_root(g, ROOT_grad, 0, dx);
    graph_root(g, ROOT_grad, 1, du);
    graph_sort(g);
    graph_verify(g, "building");
    Tensor *got = run(f);
    double *want_y = zeros(f, &t), *want_dx = zeros(f, &s), *want_du = zeros(f, &t);
    int64_t i = 0;
    for (int64_t n = 0; n < SAMPLES; n++)
        for (int64_t o = 0; o < l->windows; o++)
            for (int64_t k = 0; k < l->size; k++)
                for (int64_t c = 0; c < l->channels; c++, i++) {
                    int64_t from = (n * l->length + o * l->stride + k * l->dilation) * l->channels;
                    want_y[i] = f->inputs[0][from + c];
                    want_dx[from + c] += f->inputs[1][i];
                    want_du[i] = f->inputs[2][from + c];
                }
    same(l, "window", &got[0], want_y);
    same(l, "its gradient", &got[1], want_dx);
    same(l, "the gradient of that", &got[2], want_du);
    fixture_free(f);
}

/* Taps smaller and larger than the stride, windows that do and do not reach the end. */
Test(ops_window, every_one_over_an_axis)
{
    Line l = {.channels = 2};
    for (l.size = 1; l.size <= 4; l.size++)
        for (l.stride = 1; l.stride <= 5; l.stride++)
            for (l.dilation = 1; l.dilation <= 3; l.dilation++)
                for (int64_t over = 0; over <= 6; over += 2) {
                    l.length = (l.size - 1) * l.dilation + 1 + over;
                    l.windows = over / l.stride + 1;
                    check_line(&l, over % 4, true);
                    check_line(&l, over % 4, false);
                }
}

/* Two axes are windows over one and then over the other; three likewise. */
Test(ops_window, axes_do_not_depend_on_each_other)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 5, 6, 4, 2), -1, 1);
    Taps t = {{2, 3, 1}, {2, 1, 3}, {3, 2, 1}, {0}, 0};
    Node *y = build_window(g, x, &t);
    cr_assert_not_null(y, "%s", fixture_said(f));
    cr_assert(shape_equal(&y->shape, &SHAPE(0, 1, 1, 2, 2, 2, 3, 1, 2)));
    graph_root(g, ROOT_output, 0, y);
    graph_sort(g);
    Tensor *got = run(f);
    int64_t at[RANK_MAX] = {0};
    for (int64_t i = 0; i < shape_count(&got[0].shape); i++) {
        int64_t from = at[0];
        for (int d = 0; d < 3; d++)
            from = from * x->shape.dim[1 + d] + at[1 + d] * t.stride[d] + at[4 + d] * t.dilation[d];
        cr_assert_eq(got[0].data[i], f->inputs[0][from * 2 + at[7]], "[%d]", (int)i);
        for (int d = 7; d >= 0 && ++at[d] == got[0].shape.dim[d]; d--)
            at[d] = 0;
    }
    fixture_free(f);
}

/* Windows beside each other are a reshape, of what they reach. */
Test(ops_window, tiles_are_a_reshape)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 4, 7, 2), -1, 1);
    Taps tile = {{2, 3}, {2, 3}, {1, 1}, {0}, 0}, gap = {{2, 2}, {2, 3}, {1, 1}, {0}, 0};
    Node *y = build_window(g, x, &tile);
    cr_assert_not_null(y);
    cr_expect(shape_equal(&y->shape, &SHAPE(0, 1, 2, 2, 2, 3, 2)));
    cr_expect_eq(count_ops(g, OP_window), 0);
    Attr attr = {.taps = tile};
    graph_root(g, ROOT_output, 0, y);
    graph_root(g, ROOT_output, 1, graph_add(g, OP_window, 1, &x, &attr));
    cr_expect_eq(build_window(g, x, &gap)->op, OP_window);
    graph_sort(g);
    Tensor *got = run(f);
    for (int64_t i = 0; i < shape_count(&got[0].shape); i++)
        cr_assert_eq(got[0].data[i], got[1].data[i], "[%d]", (int)i);
    fixture_free(f);
}

/* Classes and bytes move as well. */
Test(ops_window, keeps_the_type)
{
    Fixture *f = fixture_new(FN_predict);
    Input in = {.name = "c", .dtype = DT_u8, .shape = SHAPE(0, 1, 5, 1)};
    vec_push(f->ctx.arena, &f->p->inputs, in);
    Taps t = {{2}, {1}, {1}, {0}, 0};
    cr_expect_eq(build_window(f->g, build_input(f->g, 0), &t)->dtype, DT_u8);
    cr_expect_eq(build_flip(f->g, build_input(f->g, 0), 1, (int[]){1})->dtype, DT_u8);
    fixture_free(f);
}

/* --- flip ------------------------------------------------------------------------------------- */

Test(ops_window, flip_turns_axes_round)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Node *x = build_data(g, &SHAPE(-1, 2, 3), (double[]){1, 2, 3, 4, 5, 6}), *dx;
    graph_root(g, ROOT_output, 0, build_flip(g, x, 1, (int[]){-1}));
    graph_root(g, ROOT_output, 1, build_flip(g, x, 0, NULL)); /* no axis: x */
    Node *both = build_flip(g, x, 2, (int[]){1, 0});
    graph_root(g, ROOT_output, 2, both);
    autodiff(g, weighed_sum(g, both, x), 1, &x, &dx); /* of x times x turned round: twice that */
    graph_root(g, ROOT_grad, 0, dx);
    cr_expect_eq(build_flip(g, x, 0, NULL), x);
    Node *one = build_fill(g, &SHAPE(0, 1, 1, 3), 1);
    cr_expect_eq(build_flip(g, one, 1, (int[]){1}), one, "an axis of length 1");
    graph_sort(g);
    Tensor *got = run(f);
    static const double want[4][6] = {
        {3, 2, 1, 6, 5, 4}, {1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}, {12, 10, 8, 6, 4, 2}};
    for (int i = 0; i < 24; i++)
        cr_expect_eq(got[i / 6].data[i % 6], want[i / 6][i % 6], "%d [%d]: %g", i / 6, i % 6,
                     got[i / 6].data[i % 6]);
    fixture_free(f);
}

/* --- the first maximum ------------------------------------------------------------------------ */

/* Of numbers that often are equal, over these axes: the first in row-major order takes all. */
static void check_first(Shape shape, int n, const int *axes, int trial)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    f->random = 99 + (uint64_t)trial * 2654435761u;
    Node *x = random_input(f, shape, 0, 3), *dx;
    int64_t count = shape_elements(&shape, SAMPLES);
    for (int64_t i = 0; i < count; i++)
        f->inputs[0][i] = floor(f->inputs[0][i]);
    Node *y = build_pool_max(g, x, n, axes), *u = random_input(f, y->shape, 1, 2);
    autodiff(g, weighed_sum(g, y, u), 1, &x, &dx);
    graph_root(g, ROOT_output, 0, y);
    graph_root(g, ROOT_grad, 0, dx);
    graph_sort(g);
    graph_verify(g, "building");
    Tensor *got = run(f);
    const Shape *s = &got[1].shape, *t = &got[0].shape;
    int64_t cells = shape_count(t);
    bool *taken = arena_take(f->ctx.arena, (size_t)cells);
    for (int64_t i = 0; i < count; i++) { /* in row-major order: the first comes first */
        int64_t rest = i, cell = 0, stride = 1;
        for (int d = s->rank - 1; d >= 0; d--) {
            cell += t->dim[d] == 1 ? 0 : rest % s->dim[d] * stride;
            stride *= t->dim[d];
            rest /= s->dim[d];
        }
        bool first = f->inputs[0][i] == got[0].data[cell] && !taken[cell];
        taken[cell] |= first;
        cr_assert_eq(got[1].data[i], first ? f->inputs[1][cell] : 0, "[%d]: %g", (int)i,
                     got[1].data[i]);
    }
    for (int64_t i = 0; i < cells; i++)
        cr_assert(taken[i]);
    fixture_free(f);
}

Test(ops_window, the_first_maximum_takes_the_gradient)
{
    for (int trial = 0; trial < 10; trial++) {
        check_first(SHAPE(0, 1, 2, 2, 3, 3, 2), 2, (int[]){3, 4}, trial);
        check_first(SHAPE(0, 1, 6), 1, (int[]){1}, trial);
        check_first(SHAPE(-1, 3, 1, 4), 2, (int[]){1, 2}, trial);
        check_first(SHAPE(-1, 4, 3, 4), 2, (int[]){0, 2}, trial); /* not side by side */
        check_first(SHAPE(0, 2, 6), 2, (int[]){0, 1}, trial);     /* the batch, first */
        check_first(SHAPE(1, 4, 1, 3), 3, (int[]){0, 1, 2}, trial);
        check_first(SHAPE(2, 2, 3, 2), 2, (int[]){1, 2}, trial);
        check_first(SHAPE(-1, 3, 1), 1, (int[]){1}, trial); /* nothing to choose */
    }
}

/* More numbers than a float can count: by one axis after the other. */
Test(ops_window, the_first_of_very_many)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Shape shape = SHAPE(-1, 4096, 4096, 2);
    Node *x = build_fill(g, &shape, 1), *dx;
    autodiff(g, weighed_sum(g, build_pool_max(g, x, 0, NULL), NULL), 1, &x, &dx);
    graph_root(g, ROOT_grad, 0, dx);
    graph_sort(g);
    cr_expect_eq(count_ops(g, OP_reduce_min), 2);
    fixture_free(f);
    f = fixture_new(FN_predict);
    shape = SHAPE(-1, 1 << 24, 2);
    cr_expect_not_null(build_pool_max(f->g, build_fill(f->g, &shape, 1), 0, NULL));
    shape.dim[0]++;
    cr_expect_null(build_pool_max(f->g, build_fill(f->g, &shape, 1), 0, NULL));
    cr_expect(strstr(fixture_said(f), "axis 0 is longer than 16777216"));
    fixture_free(f);
}

/* Neither a NaN nor what is beside it takes a gradient. */
Test(ops_window, nothing_equals_a_nan)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x = random_input(f, SHAPE(-1, 2, 3), 0, 1), *dx;
    f->inputs[0][1] = NAN;
    autodiff(f->g, weighed_sum(f->g, build_pool_max(f->g, x, 1, (int[]){1}), NULL), 1, &x, &dx);
    graph_root(f->g, ROOT_grad, 0, dx);
    graph_sort(f->g);
    Tensor *got = run(f);
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(got[0].data[i], 0);
        sum += got[0].data[3 + i];
    }
    cr_expect_eq(sum, 1);
    fixture_free(f);
}

/* Max pooling with windows that overlap: an element may be the first maximum of several. */
Test(ops_window, pooling_with_overlap)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(-1, 1, 6, 1), 0, 1), *dx;
    memcpy(f->inputs[0], (double[]){1, 3, 3, 2, 3, 0}, 6 * sizeof(double));
    Taps t = {{3}, {1}, {1}, {0}, 0};
    Node *y = build_pool_max(g, build_window(g, x, &t), 1, (int[]){2});
    Node *u = build_data(g, &SHAPE(-1, 1, 4, 1, 1), (double[]){1, 10, 100, 1000});
    autodiff(g, weighed_sum(g, y, u), 1, &x, &dx);
    graph_root(g, ROOT_grad, 0, dx);
    graph_sort(g);
    static const double want[] = {0, 11, 100, 0, 1000, 0};
    Tensor *got = run(f);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(got[0].data[i], want[i], "[%d]: %g", i, got[0].data[i]);
    fixture_free(f);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

typedef struct Wrong {
    OpKind op;
    Shape x;
    Taps taps;
    const char *words;
} Wrong;

#define BIG INT64_MAX

static const Wrong wrong[] = {
    {OP_window, {0, -1, {0}}, {.groups = 0}, "needs 1 to 3 axes between samples and channels"},
    {OP_window, {2, 0, {1, 8}}, {.groups = 0}, "needs 1 to 3 axes"},
    {OP_window, {6, 0, {1, 8, 8, 8, 8, 2}}, {.groups = 0}, "channels, not 4"},
    {OP_window, {8, 0, {1, 2, 2, 2, 2, 2, 2, 2}}, {.groups = 0}, "channels, not 6"},
    {OP_window,
     {3, 1, {8, 1, 2}},
     {{1}, {1}, {1}, {0}, 0},
     "batch axis comes first, not as axis 1"},
    {OP_window, {3, 2, {8, 2, 1}}, {{1}, {1}, {1}, {0}, 0}, "not as axis 2"},
    {OP_window, {3, 0, {1, 8, 2}}, {{0}, {1}, {1}, {0}, 0}, "axis 1 cannot have windows of 0"},
    {OP_window, {3, 0, {1, 8, 2}}, {{-2}, {-2}, {1}, {0}, 0}, "windows of -2"},
    {OP_window, {3, 0, {1, 8, 2}}, {{BIG}, {BIG}, {1}, {0}, 0}, "windows of 9223372036854775807"},
    {OP_window, {3, 0, {1, 8, 2}}, {{1}, {BIG}, {1}, {0}, 0}, "stride 9223372036854775807"},
    {OP_window, {3, 0, {1, 8, 2}}, {{DIM_MAX}, {1}, {DIM_MAX}, {0}, 0}, "does not fit into axis 1"},
    {OP_window, {4, 0, {1, 8, 8, 2}}, {{1, 3}, {1, 1}, {1, 4}, {0}, 0}, "into axis 2, 8 long"},
    {OP_window, {3, -1, {1 << 10, 1 << 20, 1}}, {{1 << 19}, {1}, {1}, {0}, 0}, "numbers"},
    {OP_unwindow, {3, 0, {1, 8, 2}}, {{1}, {1}, {1}, {8}, 0}, "as many axes of taps as of windows"},
    {OP_unwindow, {2, 0, {1, 8}}, {{1}, {1}, {1}, {8}, 0}, "as many axes of taps"},
    {OP_unwindow, {4, 0, {1, 4, 2, 2}}, {{2}, {2}, {1}, {7}, 0}, "windows over axis 1 are others"},
    {OP_unwindow, {4, 0, {1, 4, 2, 2}}, {{3}, {2}, {1}, {9}, 0}, "windows over axis 1 are others"},
    {OP_unwindow,
     {4, 0, {1, 4, 2, 2}},
     {{2}, {2}, {1}, {0}, 0},
     "does not fit into axis 1, 0 long"},
    {OP_unwindow, {4, 0, {1, 4, 2, 2}}, {{2}, {2}, {1}, {-BIG}, 0}, "does not fit into axis 1"},
    {OP_unwindow, {4, 0, {1, 4, 2, 2}}, {{2}, {2}, {1}, {BIG}, 0}, "are others"},
    {OP_unwindow, {4, 1, {4, 1, 2, 2}}, {{2}, {2}, {1}, {8}, 0}, "batch axis comes first"},
    {OP_unwindow, {4, 0, {1, 1, 1, 1}}, {{1}, {DIM_MAX}, {1}, {(int64_t)1 << 40}, 0}, "are others"},
    {OP_unwindow, {4, 0, {1, 1, 1, 1}}, {{1}, {DIM_MAX}, {1}, {DIM_MAX + (int64_t)0}, 0}, NULL},
};

Test(ops_window, wrong_operands_are_reported)
{
    for (int i = 0; i < COUNT(wrong); i++) {
        const Wrong *w = &wrong[i];
        Fixture *f = fixture_new(FN_predict);
        Node *x = build_fill(f->g, &w->x, 1);
        Attr attr = {.taps = w->taps};
        Node *y = graph_add(f->g, w->op, 1, &x, &attr);
        const char *said = fixture_said(f);
        cr_expect_eq(!y, !!w->words, "case %d: %s", i, said);
        cr_expect_eq(f->ctx.diag.errors, !!w->words, "case %d", i);
        cr_expect(!w->words || strstr(said, w->words), "wanted '%s', said '%s'", w->words, said);
        if (w->op == OP_window) {
            int before = f->ctx.diag.errors;
            cr_expect_null(build_window(f->g, x, &w->taps), "case %d", i);
            cr_expect_eq(f->ctx.diag.errors, before + 1, "case %d", i);
        }
        fixture_free(f);
    }
}

Test(ops_window, flip_and_maxima_reject)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = build_fill(f->g, &SHAPE(0, 1, 2, 3), 1);
    Attr batch = {.n_axes = 1, .axes = {0}}, order = {.n_axes = 2, .axes = {2, 1}},
         outside = {.n_axes = 1, .axes = {3}}, below = {.n_axes = 1, .axes = {-1}},
         half = {.n_axes = 1, .axes = {1}, .value = 0.5};
    cr_expect_null(graph_add(f->g, OP_flip, 1, &x, &batch));
    cr_expect_null(graph_add(f->g, OP_flip, 1, &x, &order));
    cr_expect_null(graph_add(f->g, OP_flip, 1, &x, &outside));
    cr_expect_null(graph_add(f->g, OP_flip, 1, &x, &below));
    cr_expect_null(build_flip(f->g, x, 1, (int[]){3}));
    cr_expect_null(graph_add(f->g, OP_reduce_max, 1, &x, &half));
    cr_expect_null(build_pool_max(f->g, x, 1, (int[]){3}));
    cr_expect_eq(f->ctx.diag.errors, 7);
    cr_expect(strstr(fixture_said(f), "the batch axis cannot be turned round"));
    cr_expect(strstr(fixture_said(f), "value is 0 or 1, not 0.5"));
    fixture_free(f);
}
