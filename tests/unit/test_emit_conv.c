/* SPDX-License-Identifier: MIT */
/* Guards the kernels of convolutions: their emitted C against the interpreter, results and gradients,
 * for every kind of shape: tails of tiles, borders, strides, dilation, groups, depth, few and many
 * channels, one pixel, samples in several blocks. */
#include "random_graph.h"

typedef struct Shapes {
    const char *name;
    int spatial;
    int64_t in[SPATIAL_MAX], channels, units, taps[SPATIAL_MAX];
    int64_t stride, dilation, groups, pad;
} Shapes;

static const Shapes cases[] = {
    {"plain", 2, {9, 11}, 3, 20, {3, 3}, 1, 1, 1, 0},
    {"padded", 2, {8, 8}, 16, 32, {3, 3}, 1, 1, 1, 1},
    {"wide", 2, {5, 37}, 4, 33, {3, 3}, 1, 1, 1, 1},
    {"tall", 2, {29, 2}, 4, 17, {3, 1}, 1, 1, 1, 0},
    {"strided", 2, {13, 9}, 5, 24, {3, 3}, 2, 1, 1, 1},
    {"uneven stride", 2, {12, 10}, 6, 16, {3, 2}, 3, 1, 1, 1},
    {"pixels", 2, {6, 5}, 40, 70, {1, 1}, 1, 1, 1, 0},
    {"strided pixels", 2, {7, 7}, 24, 40, {1, 1}, 2, 1, 1, 0},
    {"dilated", 2, {11, 12}, 7, 18, {3, 3}, 1, 2, 1, 2},
    {"dilated and strided", 2, {11, 12}, 7, 18, {3, 3}, 2, 2, 1, 2},
    {"groups", 2, {7, 6}, 12, 66, {3, 3}, 1, 1, 3, 1},
    {"groups of one column", 2, {7, 6}, 20, 10, {3, 3}, 2, 1, 10, 1},
    {"depthwise", 2, {7, 6}, 20, 20, {3, 3}, 1, 1, 20, 1},
    {"depthwise twice", 2, {7, 6}, 9, 18, {3, 3}, 2, 1, 9, 1},
    {"alone", 2, {9, 21}, 32, 32, {3, 3}, 1, 1, 32, 1},
    {"alone, strided", 2, {12, 17}, 48, 48, {3, 3}, 2, 1, 48, 1},
    {"alone, wide border", 2, {5, 40}, 16, 16, {5, 5}, 1, 1, 16, 2},
    {"alone, border over taps", 2, {4, 3}, 16, 16, {2, 3}, 3, 1, 16, 3},
    {"alone, strided, wide", 2, {6, 23}, 16, 16, {4, 7}, 2, 1, 16, 3},
    {"alone, without a border", 2, {10, 19}, 64, 64, {3, 3}, 1, 1, 64, 0},
    {"alone, one pixel", 2, {1, 1}, 32, 32, {3, 3}, 1, 1, 32, 1},
    {"alone, a line", 1, {33}, 32, 32, {3}, 1, 1, 32, 1},
    {"one pixel", 2, {1, 1}, 48, 48, {3, 3}, 1, 1, 1, 1},
    {"one channel", 2, {12, 12}, 1, 32, {5, 5}, 1, 1, 1, 2},
    {"to one channel", 2, {9, 9}, 33, 1, {3, 3}, 1, 1, 1, 1},
    {"line", 1, {40}, 5, 19, {5}, 2, 1, 1, 2},
    {"dilated line", 1, {40}, 8, 32, {3}, 1, 4, 1, 4},
    {"solid", 3, {5, 6, 7}, 4, 20, {3, 3, 3}, 1, 1, 1, 1},
    {"strided solid", 3, {5, 6, 7}, 4, 20, {2, 3, 1}, 2, 1, 2, 0},
    {"large", 2, {40, 40}, 32, 64, {3, 3}, 1, 1, 1, 1},
    {"deep", 2, {4, 4}, 160, 96, {3, 3}, 1, 1, 1, 1},
    {"pixels far apart", 2, {3, 9}, 1024, 32, {1, 1}, 1, 1, 1, 0},
    {"patches", 2, {16, 12}, 64, 32, {3, 3}, 1, 1, 1, 1},
    {"uneven patches", 2, {9, 15}, 32, 48, {3, 3}, 1, 1, 1, 1},
    {"patches without a border", 2, {13, 16}, 48, 40, {3, 3}, 1, 1, 1, 0},
    {"patches of many channels", 2, {8, 7}, 208, 80, {3, 3}, 1, 1, 1, 1},
    {"patches in parts", 2, {31, 32}, 16, 16, {3, 3}, 1, 1, 1, 1},
};

/* relu(conv(sin x, w) + b), padded, of samples [N, channels, spatial..]. */
static Node *convolve(Fixture *f, const Shapes *c, bool computed)
{
    Shape image = {.rank = 2 + c->spatial, .dim = {1, c->channels}};
    Shape weight = {.rank = 2 + c->spatial, .batch = -1};
    Taps taps = {.groups = c->groups};
    int last[RANK_MAX] = {0};
    int64_t pad[RANK_MAX] = {0};
    for (int i = 0; i < c->spatial; i++) {
        image.dim[2 + i] = c->in[i];
        weight.dim[i] = c->taps[i];
        taps.stride[i] = c->stride;
        taps.dilation[i] = c->dilation;
        last[1 + i] = 2 + i;
        pad[1 + i] = c->pad;
    }
    last[1 + c->spatial] = 1;
    weight.dim[c->spatial] = c->channels / c->groups;
    weight.dim[c->spatial + 1] = c->units;
    Node *x = build_transpose(f->g, emit_leaf(f, image, -1, 1), last);
    if (computed)
        x = build_unary(f->g, OP_sin, x);
    x = build_pad(f->g, x, pad, pad, NULL, 0);
    Node *y = build_conv(f->g, x, emit_leaf(f, weight, -1, 1), &taps);
    y = build_binary(f->g, OP_add, y, emit_leaf(f, shape_of(1, &c->units), -1, 1));
    return build_unary(f->g, OP_relu, y);
}

typedef struct Build {
    const Shapes *shapes;
    bool computed;
} Build;

static void build_case(Fixture *f, const void *arg)
{
    static const Fn functions[] = {FN_predict, FN_train, FN_grad};
    const Build *b = arg;
    f->p->train.batch = 5;
    f->p->has_loss = f->p->train.given = true;
    f->p->train.accumulate = 1;
    for (int i = 0; i < COUNT(functions); i++) {
        emit_function(f, functions[i], 1);
        Node *y = convolve(f, b->shapes, b->computed);
        cr_assert_not_null(y, "%s: %s", b->shapes->name, fixture_said(f));
        if (functions[i] == FN_predict)
            emit_output(f, 0, y);
        else
            graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, y, emit_leaf(f, y->shape, 0.5, 2)));
        graph_sort(f->g);
    }
}

/* Vectors of 32 bytes and 16 registers, and of 64 and 32: other tiles. */
static const Target targets[] = {
    {.name = "avx2",
     .flags = "",
     .vector_bytes = 32,
     .registers = 16,
     .threads = true,
     .l2 = 1 << 15},
    {.name = "avx512",
     .flags = "",
     .vector_bytes = 64,
     .registers = 32,
     .threads = true,
     .l2 = 1 << 20},
};

/* The cases from the first of them on; compiled with optimisation only where that is what may go wrong. */
static void check(const Target *target, const Variant *variant, bool computed, int first)
{
    EmitBatch b = emit_batch();
    for (int i = first; i < COUNT(cases); i++) {
        Build build = {&cases[i], computed};
        emit_add(&b, build_case, &build, variant, target, cases[i].name);
    }
    cr_expect_eq(strstr(b.text.at, "_winograd_patch(") != NULL, !variant->exact);
    cr_expect_eq(strstr(b.text.at, "float *const own = ") != NULL,
                 !variant->exact && target->l2 > 1 << 19);
    emit_load(&b, computed ? "-O1 -march=native" : "-O0 -march=native");
    emit_run(&b);
    cr_assert_eq(b.failures, 0);
    cr_assert_gt(b.compared, 0);
    emit_done(&b);
}

Test(emit_conv, small_vectors, .timeout = 300)
{
    check(&targets[0], &variant_all, false, 0);
}

Test(emit_conv, of_what_is_computed, .timeout = 300)
{
    check(&targets[1], &variant_all, true, 0);
}

Test(emit_conv, without_passes, .timeout = 300)
{
    static const Variant plain = {.name = "O0", .O0 = true, .unfused = true};
    check(&targets[1], &plain, false, 0);
}

/* Both ways are within the same bound: with --exact no sum is Winograd's. */
Test(emit_conv, exact, .timeout = 300)
{
    static const Variant exact = {.name = "exact", .exact = true};
    check(&targets[1], &exact, false, COUNT(cases) - 6);
}
