/* SPDX-License-Identifier: MIT */
/* test_nnrt_cells.c: guards the made-up tissue: samples that depend on seed and index alone, membranes that are dark
 * lines between cells, masks as files or as classes have them, and calls that do not fit. */
#include "nnrt_scratch.h"

TestSuite(nnrt_cells, .timeout = 60);

enum { H = 48, W = 64, PLANE = H * W };

static nnrt_value inputs[] = {
    {.name = "image", .dtype = NNRT_U8, .rank = 3, .dim = {1, H, W}, .count = PLANE},
    {.name = "mask", .dtype = NNRT_F32, .rank = 3, .dim = {1, H, W}, .count = PLANE},
};

static int make(uint64_t seed, int64_t count, nnrt_array a[2], nnrt_fault *f)
{
    nnrt_model m = {.n_inputs = 2, .inputs = inputs};
    nnrt_source s = {
        .kind = NNRT_SOURCE_SYNTHETIC, .generator = "cells", .seed = seed, .count = count};
    return nnrt_synthetic_make(&s, &m, a, f);
}

Test(nnrt_cells, dark_lines_between_cells)
{
    nnrt_array a[2];
    nnrt_fault fault;
    double sum[2] = {0, 0};
    int count[2] = {0, 0}, cells = 0;
    cr_assert_eq(make(3, 20, a, &fault), NNRT_OK);
    const unsigned char *image = a[0].data, *mask = a[1].data;
    for (int i = 0; i < 20 * PLANE; i++) {
        cr_assert(mask[i] == 0 || mask[i] == 255);
        sum[mask[i] == 255] += image[i];
        count[mask[i] == 255]++;
        cells += i % W && mask[i] && !mask[i - 1]; /* how often a row enters one */
    }
    double inside = (double)count[1] / (20 * PLANE);
    cr_expect(inside > 0.65 && inside < 0.85, "%g", inside);
    cr_expect_gt(sum[1] / count[1], sum[0] / count[0] + 50);
    cr_expect_gt(cells, 20 * H * 2);
    for (int i = 0; i < 2; i++)
        nnrt_array_free(&a[i]);
}

Test(nnrt_cells, seed_and_index_decide)
{
    nnrt_array a[2], b[2], c[2];
    nnrt_fault fault;
    cr_assert(!make(3, 5, a, &fault) && !make(3, 2, b, &fault) && !make(4, 2, c, &fault));
    cr_expect_eq(memcmp(a[0].data, b[0].data, 2 * PLANE), 0);
    cr_expect_eq(memcmp(a[1].data, b[1].data, 2 * PLANE), 0);
    cr_expect_neq(memcmp(a[1].data, c[1].data, PLANE), 0);
    cr_expect_neq(memcmp(a[1].data, (unsigned char *)a[1].data + PLANE, PLANE), 0);
    for (int i = 0; i < 2; i++) {
        nnrt_array_free(&a[i]);
        nnrt_array_free(&b[i]);
        nnrt_array_free(&c[i]);
    }
}

Test(nnrt_cells, classes_and_calls_that_do_not_fit)
{
    nnrt_array a[2];
    nnrt_fault fault;
    inputs[1] = (nnrt_value){
        .name = "mask", .dtype = NNRT_I32, .rank = 2, .dim = {H, W}, .count = PLANE, .classes = 2};
    cr_assert_eq(make(3, 1, a, &fault), NNRT_OK);
    for (int i = 0; i < PLANE; i++)
        cr_assert(((unsigned char *)a[1].data)[i] <= 1);
    for (int i = 0; i < 2; i++)
        nnrt_array_free(&a[i]);
    inputs[1].dim[0] = W;
    inputs[1].dim[1] = H;
    scratch_fault(make(3, 1, a, &fault), NNRT_BAD_CALL, &fault, "cells", "'mask'");
    inputs[0].name = "x";
    inputs[1].name = "y";
    scratch_fault(make(3, 1, a, &fault), NNRT_BAD_CALL, &fault, "'image'", "neither");
}
