/* SPDX-License-Identifier: MIT */
/* test_nnrt_along.c: guards masks and boxes that go along with their image: where the image's pixels move by whole
 * places, the mask is the image and the box is around it; what comes in, what is left, and elastic fields. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "nnrt_augmenting.h"

enum { SIDE = 9, N = SIDE * SIDE, BOXES = 2 };

static nnrt_value values[3];
static nnrt_model model;
static float image[N], boxes[BOXES * 5];
static int32_t mask[N];

/* A rectangle of ones in the image, as class 1 of the mask, as the first box; the second is none. */
static void rectangle(int x0, int y0, int x1, int y1, int n, const nnrt_augment *list)
{
    values[0] = (nnrt_value){.name = "image",
                             .rank = 2,
                             .dim = {SIDE, SIDE},
                             .count = N,
                             .n_augment = n,
                             .augment = list};
    values[1] = (nnrt_value){.name = "mask",
                             .dtype = NNRT_I32,
                             .rank = 2,
                             .dim = {SIDE, SIDE},
                             .count = N,
                             .classes = 2,
                             .along = 1};
    values[2] = (nnrt_value){.name = "boxes",
                             .rank = 2,
                             .dim = {BOXES, 5},
                             .count = BOXES * 5,
                             .along = 1,
                             .is_boxes = 1,
                             .visible = 0};
    model = (nnrt_model){.n_inputs = 3, .inputs = values};
    for (int i = 0; i < N; i++) {
        int in = i % SIDE >= x0 && i % SIDE < x1 && i / SIDE >= y0 && i / SIDE < y1;
        image[i] = (float)in;
        mask[i] = in;
    }
    memcpy(boxes, (float[]){3, (float)x0, (float)y0, (float)x1, (float)y1, -1, 0, 0, 0, 0},
           sizeof boxes);
}

static void run(int64_t row)
{
    nnrt_augmenter a;
    nnrt_fault fault;
    void *in[3] = {image, mask, boxes};
    cr_assert_eq(nnrt_augment_open(&a, &model, 1, &fault), NNRT_OK);
    nnrt_augment_sample(&a, 0, 5, 1, row, in);
    nnrt_augment_close(&a);
}

/* The mask is the image; the box is that around its ones, or there is none. */
static void expect_together(void)
{
    int x0 = SIDE, y0 = SIDE, x1 = 0, y1 = 0;
    for (int i = 0; i < N; i++) {
        cr_expect_float_eq(image[i], mask[i], 1e-3, "%d", i);
        if (!mask[i])
            continue;
        x0 = i % SIDE < x0 ? i % SIDE : x0, x1 = i % SIDE >= x1 ? i % SIDE + 1 : x1;
        y0 = i / SIDE < y0 ? i / SIDE : y0, y1 = i / SIDE >= y1 ? i / SIDE + 1 : y1;
    }
    cr_expect_eq(boxes[5], -1.0F);
    if (x1 <= x0) {
        cr_expect_eq(boxes[0], -1.0F);
        return;
    }
    const float want[] = {3, (float)x0, (float)y0, (float)x1, (float)y1};
    for (int k = 0; k < 5; k++)
        cr_expect_float_eq(boxes[k], want[k], 1e-3, "%d: %g, not %g", k, (double)boxes[k],
                           (double)want[k]);
}

Test(nnrt_along, whole_places)
{
    static const nnrt_augment list[] = {
        {.kind = NNRT_AUGMENT_ROTATE, .low = 90, .high = 90},
        {.kind = NNRT_AUGMENT_TRANSLATE, .low = 1.0 / SIDE, .high = 1.0 / SIDE},
        {.kind = NNRT_AUGMENT_NOISE, .high = 0},
        {.kind = NNRT_AUGMENT_CROP, .high = 3},
        {.kind = NNRT_AUGMENT_FLIP, .high = 0.5},
        {.kind = NNRT_AUGMENT_FLIP_VERTICAL, .high = 0.5},
    };
    for (int first = 0; first < 6; first++)
        for (int64_t row = 0; row < 30; row++) {
            rectangle(2, 1, 5, 8, 6 - first, list + first);
            run(row);
            expect_together();
            rectangle(0, 6, 4, 9, 6 - first, list + first);
            run(row);
            expect_together();
        }
}

/* Of a box 4 wide at the left edge, moved to the left by 3, a quarter is left. */
Test(nnrt_along, a_share_is_left)
{
    static const nnrt_augment move = {
        .kind = NNRT_AUGMENT_TRANSLATE, .low = -1.0 / 3, .high = -1.0 / 3};
    const double visible[] = {0.24, 0.26};
    for (int i = 0; i < 2; i++) {
        rectangle(0, 5, 4, 8, 1, &move);
        values[2].visible = visible[i];
        run(0);
        const float want[][5] = {{3, 0, 2, 1, 5}, {-1, 0, 0, 0, 0}};
        for (int k = 0; k < 5; k++)
            cr_expect_float_eq(boxes[k], want[i][k], 1e-4);
    }
}

/* By half a quarter turn a square of 2 becomes one of 2 sqrt 2, upright, about the same centre. */
Test(nnrt_along, a_box_around_the_turned_one)
{
    static const nnrt_augment turn = {.kind = NNRT_AUGMENT_ROTATE, .low = 45, .high = 45};
    rectangle(3, 3, 5, 5, 1, &turn);
    memcpy(boxes, (float[]){0, 3.5F, 3.5F, 5.5F, 5.5F}, 5 * sizeof *boxes);
    run(0);
    const float half = sqrtf(2);
    const float want[] = {0, 4.5F - half, 4.5F - half, 4.5F + half, 4.5F + half};
    for (int k = 0; k < 5; k++)
        cr_expect_float_eq(boxes[k], want[k], 1e-4);
}

Test(nnrt_along, outside_is_ignored)
{
    static const nnrt_augment half = {.kind = NNRT_AUGMENT_SCALE, .low = 1.0 / 3, .high = 1.0 / 3};
    rectangle(0, 0, SIDE, SIDE, 1, &half);
    values[1].has_ignore = 1;
    values[1].ignore = -100;
    run(0);
    for (int i = 0; i < N; i++) {
        int in = i % SIDE >= 3 && i % SIDE < 6 && i / SIDE >= 3 && i / SIDE < 6;
        cr_expect_eq(mask[i], in ? 1 : -100, "%d", i);
    }
    for (int k = 1; k < 5; k++)
        cr_expect_float_eq(boxes[k], k < 3 ? 3 : 6, 1e-4);
}

/* Brightness and its like are the image's alone. */
Test(nnrt_along, colours_stay)
{
    static const nnrt_augment list[] = {
        {.kind = NNRT_AUGMENT_BRIGHTNESS, .low = 0.5, .high = 0.5},
        {.kind = NNRT_AUGMENT_CONTRAST, .low = 2, .high = 2},
        {.kind = NNRT_AUGMENT_NOISE, .high = 1},
        {.kind = NNRT_AUGMENT_CUTOUT, .high = 18},
    };
    rectangle(2, 2, 6, 6, 4, list);
    run(3);
    for (int i = 0; i < N; i++) {
        cr_expect_eq(image[i], 0.0F);
        cr_expect_eq(mask[i], i % SIDE >= 2 && i % SIDE < 6 && i / SIDE >= 2 && i / SIDE < 6);
    }
    cr_expect_eq(boxes[4], 6.0F);
}

/* The mask follows the image: nowhere is it 1 where the image, which is between its neighbours, is far below a half. */
Test(nnrt_along, elastic)
{
    static const nnrt_augment bend = {.kind = NNRT_AUGMENT_ELASTIC, .low = 2, .high = 20};
    int moved = 0;
    for (int64_t row = 0; row < 20; row++) {
        rectangle(3, 3, 7, 7, 1, &bend);
        model.n_inputs = 2;
        run(row);
        for (int i = 0; i < N; i++) {
            cr_expect(mask[i] ? image[i] > 0.24F : image[i] < 0.76F, "%d: %g and %d", i,
                      (double)image[i], mask[i]);
            moved += mask[i] != (i % SIDE >= 3 && i % SIDE < 7 && i / SIDE >= 3 && i / SIDE < 7);
        }
    }
    cr_expect_gt(moved, 100);
}

/* Of an image of ones nothing goes missing: beyond its edge it goes on. The field's steps are smooth, and as large as
 * the theory of a mean of uniform numbers has them: sd = alpha / sqrt(3) / (2 sigma sqrt(pi)). */
Test(nnrt_along, elastic_field)
{
    enum { H = 64, W = 48 };
    static float room[3 * H * W];
    const nnrt_augment bend = {.kind = NNRT_AUGMENT_ELASTIC, .low = 3, .high = 30};
    double sum = 0, want = 30 / sqrt(3) / (2 * 3 * sqrt(3.14159265358979));
    for (uint64_t row = 0; row < 20; row++) {
        nnrt_augment_draw d = {nnrt_rand_key_of(1, 2, 3), row};
        nnrt_elastic_field(&bend, &d, H, W, room);
        for (int i = 0; i < 2 * H * W; i++) {
            int x = i % W, y = i / W % H;
            if (x < 10 || y < 10 || x >= W - 10 || y >= H - 10) /* there fewer numbers are summed */
                continue;
            sum += (double)room[i] * (double)room[i] / (20 * 2 * (H - 20) * (W - 20));
            cr_assert_lt(fabsf(room[i] - room[i + 1]), 3.0F);
        }
    }
    cr_expect_float_eq(sqrt(sum), want, 0.1 * want);
}
