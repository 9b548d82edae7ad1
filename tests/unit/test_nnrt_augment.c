/* SPDX-License-Identifier: MIT */
/* test_nnrt_augment.c: guards the random changes to training images: each transform on images made
 * by hand, nothing changed where nothing is asked for, ranges, and that what is drawn depends on
 * seed, epoch, row and transform alone: not on the batch, its order or the threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "nnrt_program.h"

enum { MOST = 40000 };

static nnrt_value value;
static nnrt_model model;
static float image[MOST], before[MOST];

/* A network with one input of this shape; a == 0: of no channels. */
static void image_of(int64_t c, int64_t h, int64_t w, int n, const nnrt_augment *list)
{
    value = (nnrt_value){.name = "x", .dtype = NNRT_F32, .n_augment = n, .augment = list};
    if (c)
        value.dim[value.rank++] = c;
    value.dim[value.rank++] = h;
    value.dim[value.rank++] = w;
    value.count = (c ? c : 1) * h * w;
    model = (nnrt_model){.n_inputs = 1, .inputs = &value};
}

static void run_threads(int threads, uint64_t seed, int64_t epoch, int n, const int64_t *rows,
                        void *batch)
{
    nnrt_augmenter a;
    nnrt_fault fault;
    void *in[1] = {batch};
    cr_assert_eq(nnrt_augment_open(&a, &model, threads, &fault), NNRT_OK);
    nnrt_augment_batch(&a, seed, epoch, rows, n, in);
    nnrt_augment_close(&a);
}

/* One image, as sample `row`. */
static void run(uint64_t seed, int64_t epoch, int64_t row)
{
    run_threads(1, seed, epoch, 1, &row, image);
}

/* Numbers 1, 2, 3, ... */
static void count_up(int n)
{
    for (int i = 0; i < n; i++)
        before[i] = image[i] = (float)(i + 1);
}

static void expect_image(int n, const float *want)
{
    for (int i = 0; i < n; i++)
        cr_expect_float_eq(image[i], want[i], 1e-4, "%d: %g, not %g", i, (double)image[i],
                           (double)want[i]);
}

#define ONE(kind, low, high) ((const nnrt_augment[]){{kind, low, high, 0, NULL}})

Test(nnrt_augment, nothing_is_nothing)
{
    static const nnrt_augment list[] = {
        {.kind = NNRT_AUGMENT_ROTATE},
        {.kind = NNRT_AUGMENT_SCALE, .low = 1, .high = 1},
        {.kind = NNRT_AUGMENT_TRANSLATE},
        {.kind = NNRT_AUGMENT_SHEAR},
        {.kind = NNRT_AUGMENT_CROP},
        {.kind = NNRT_AUGMENT_FLIP},
        {.kind = NNRT_AUGMENT_FLIP_VERTICAL},
        {.kind = NNRT_AUGMENT_BRIGHTNESS, .low = 1, .high = 1},
        {.kind = NNRT_AUGMENT_CONTRAST, .low = 1, .high = 1},
        {.kind = NNRT_AUGMENT_NOISE},
    };
    static const int64_t shape[][3] = {{3, 5, 4}, {0, 6, 7}, {1, 1, 1}, {2, 1, 9}, {1, 8, 1}};
    for (int s = 0; s < 5; s++)
        for (int i = 0; i <= 10; i++) {
            int64_t c = shape[s][0], h = shape[s][1], w = shape[s][2];
            image_of(c, h, w, i == 10 ? 10 : 1, i == 10 ? list : list + i);
            count_up((int)value.count);
            for (int row = 0; row < 5; row++)
                run(1, 0, row);
            cr_expect_eq(memcmp(image, before, sizeof image), 0, "transform %d, shape %d", i, s);
        }
    image_of(1, 5, 5, 0, NULL);
    count_up(25);
    run(1, 0, 0);
    cr_expect_eq(memcmp(image, before, sizeof image), 0);
}

Test(nnrt_augment, rotate_is_counter_clockwise)
{
    static const float quarter[9] = {3, 6, 9, 2, 5, 8, 1, 4, 7},
                       half[9] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    image_of(0, 3, 3, 1, ONE(NNRT_AUGMENT_ROTATE, 90, 90));
    count_up(9);
    run(1, 0, 0);
    expect_image(9, quarter);
    image_of(1, 3, 3, 1, ONE(NNRT_AUGMENT_ROTATE, -180, -180));
    count_up(9);
    run(1, 0, 0);
    expect_image(9, half);
}

Test(nnrt_augment, rotate_by_45_degrees_leaves_the_corners_outside)
{
    image_of(1, 9, 9, 1, ONE(NNRT_AUGMENT_ROTATE, 45, 45));
    for (int i = 0; i < 81; i++)
        image[i] = 100;
    run(1, 0, 0);
    cr_expect_float_eq(image[40], 100, 1e-4);
    cr_expect_eq(image[0], 0);
    cr_expect_eq(image[8], 0);
    cr_expect_eq(image[72], 0);
    cr_expect_eq(image[80], 0);
}

Test(nnrt_augment, scale_from_the_centre)
{
    static const float twice[9] = {3, 3.5f, 4, 4.5f, 5, 5.5f, 6, 6.5f, 7},
                       half[9] = {0, 0, 0, 0, 5, 0, 0, 0, 0};
    image_of(0, 3, 3, 1, ONE(NNRT_AUGMENT_SCALE, 2, 2));
    count_up(9);
    run(1, 0, 0);
    expect_image(9, twice);
    image_of(0, 3, 3, 1, ONE(NNRT_AUGMENT_SCALE, 0.5, 0.5));
    count_up(9);
    run(1, 0, 0);
    expect_image(9, half);
}

Test(nnrt_augment, translate_by_a_share_of_each_side)
{
    /* A column of 4 to the right, three quarters of a row down. */
    static const float half[4] = {0.5f, 1.5f, 2.5f, 3.5f},
                       wanted[12] = {0, 0.25f * 1, 0.25f * 2, 0.25f * 3, 0, 2, 3, 4, 0, 6, 7, 8};
    image_of(0, 3, 4, 1, ONE(NNRT_AUGMENT_TRANSLATE, 0.25, 0.25));
    count_up(12);
    run(1, 0, 0);
    expect_image(12, wanted);
    image_of(0, 1, 4, 1, ONE(NNRT_AUGMENT_TRANSLATE, 0.125, 0.125));
    count_up(4);
    run(1, 0, 0);
    for (int i = 0; i < 4; i++) /* and an eighth of the one row down */
        cr_expect_float_eq(image[i], half[i] * 0.875f, 1e-5);
    image_of(0, 3, 4, 2,
             (const nnrt_augment[]){{NNRT_AUGMENT_TRANSLATE, 0.25, 0.25, 0, NULL},
                                    {NNRT_AUGMENT_TRANSLATE, 0, 0, 0, NULL}});
    count_up(12);
    run(1, 0, 0);
    expect_image(12, wanted);
}

Test(nnrt_augment, shear_moves_rows)
{
    static const float sheared[9] = {2, 3, 0, 4, 5, 6, 0, 7, 8};
    image_of(0, 3, 3, 1, ONE(NNRT_AUGMENT_SHEAR, 45, 45));
    count_up(9);
    run(1, 0, 0);
    expect_image(9, sheared);
}

/* A quarter turn, then one step right, is not one step right, then a quarter turn; both are
 * exact, as the map is sampled once: twice, what had left the image would be lost. */
Test(nnrt_augment, affine_ones_are_one_map_in_the_order_written)
{
    static const nnrt_augment turn_first[] = {{NNRT_AUGMENT_ROTATE, 90, 90, 0, NULL},
                                              {NNRT_AUGMENT_SCALE, 2, 2, 0, NULL},
                                              {NNRT_AUGMENT_SCALE, 0.5, 0.5, 0, NULL}},
                              shear_first[] = {{NNRT_AUGMENT_SHEAR, 45, 45, 0, NULL},
                                               {NNRT_AUGMENT_ROTATE, 90, 90, 0, NULL}},
                              shear_last[] = {{NNRT_AUGMENT_ROTATE, 90, 90, 0, NULL},
                                              {NNRT_AUGMENT_SHEAR, 45, 45, 0, NULL}};
    static const float turned[9] = {3, 6, 9, 2, 5, 8, 1, 4, 7},
                       first[9] = {0, 6, 8, 3, 5, 7, 2, 4, 0},
                       last[9] = {6, 9, 0, 2, 5, 8, 0, 1, 4};
    image_of(0, 3, 3, 3, turn_first);
    count_up(9);
    run(1, 0, 0);
    expect_image(9, turned);
    image_of(0, 3, 3, 2, shear_first);
    count_up(9);
    run(1, 0, 0);
    expect_image(9, first);
    image_of(0, 3, 3, 2, shear_last);
    count_up(9);
    run(1, 0, 0);
    expect_image(9, last);
}

Test(nnrt_augment, channels_are_changed_alike)
{
    image_of(3, 4, 5, 2,
             (const nnrt_augment[]){{NNRT_AUGMENT_ROTATE, -30, 30, 0, NULL},
                                    {NNRT_AUGMENT_CROP, 0, 2, 0, NULL}});
    for (int row = 0; row < 20; row++) {
        for (int i = 0; i < 60; i++)
            image[i] = (float)(i % 20 + 1) * (float)(i / 20 + 1);
        run(1, 0, row);
        for (int i = 0; i < 20; i++)
            cr_expect(fabsf(image[20 + i] - 2 * image[i]) < 1e-4f &&
                      fabsf(image[40 + i] - 3 * image[i]) < 1e-4f);
    }
}

/* Each of the offsets is drawn, and what is drawn is the image moved, 0 around it. */
Test(nnrt_augment, crop_takes_every_offset)
{
    int seen[5][5] = {{0}};
    image_of(2, 4, 3, 1, ONE(NNRT_AUGMENT_CROP, 0, 2));
    for (int row = 0; row < 400; row++) {
        count_up(24);
        run(1, 0, row);
        int found = 0;
        for (int dy = -2; dy <= 2; dy++)
            for (int dx = -2; dx <= 2; dx++) {
                int same = 1;
                for (int i = 0; i < 24; i++) {
                    int p = i / 12, y = i / 3 % 4 + dy, x = i % 3 + dx;
                    int inside = y >= 0 && y < 4 && x >= 0 && x < 3;
                    same = same && image[i] == (inside ? before[(p * 4 + y) * 3 + x] : 0);
                }
                seen[dy + 2][dx + 2] += same;
                found += same;
            }
        cr_assert_eq(found, 1);
    }
    for (int i = 0; i < 25; i++)
        cr_expect(seen[i / 5][i % 5] > 3 && seen[i / 5][i % 5] < 40, "%d", seen[i / 5][i % 5]);
}

Test(nnrt_augment, crop_by_the_whole_image)
{
    image_of(1, 2, 3, 1, ONE(NNRT_AUGMENT_CROP, 0, 3));
    for (int row = 0; row < 200; row++) {
        count_up(6);
        run(1, 0, row);
        for (int i = 0; i < 6; i++)
            cr_expect(image[i] >= 0 && image[i] <= 6);
    }
}

Test(nnrt_augment, flips)
{
    static const float left[12] = {3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10},
                       over[12] = {4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9};
    image_of(2, 2, 3, 1, ONE(NNRT_AUGMENT_FLIP, 0, 1));
    count_up(12);
    run(1, 0, 0);
    expect_image(12, left);
    image_of(2, 2, 3, 1, ONE(NNRT_AUGMENT_FLIP_VERTICAL, 0, 1));
    count_up(12);
    run(1, 0, 0);
    expect_image(12, over);
    int flipped = 0;
    image_of(2, 2, 3, 1, ONE(NNRT_AUGMENT_FLIP, 0, 0.25));
    for (int row = 0; row < 2000; row++) {
        count_up(12);
        run(1, 0, row);
        flipped += image[0] == 3;
    }
    cr_expect(flipped > 420 && flipped < 580, "%d of 2000, not a quarter", flipped);
}

Test(nnrt_augment, brightness_and_contrast)
{
    static const float brighter[4] = {1.5f, 3, 4.5f, 6}, flat[4] = {2.5f, 2.5f, 2.5f, 2.5f},
                       twice[4] = {-0.5f, 1.5f, 3.5f, 5.5f};
    image_of(1, 2, 2, 1, ONE(NNRT_AUGMENT_BRIGHTNESS, 1.5, 1.5));
    count_up(4);
    run(1, 0, 0);
    expect_image(4, brighter);
    image_of(1, 2, 2, 1, ONE(NNRT_AUGMENT_CONTRAST, 0, 0));
    count_up(4);
    run(1, 0, 0);
    expect_image(4, flat);
    image_of(4, 1, 1, 1, ONE(NNRT_AUGMENT_CONTRAST, 2, 2)); /* about the mean of all channels */
    count_up(4);
    run(1, 0, 0);
    expect_image(4, twice);
}

/* The factor is uniform: its mean, its ends. */
Test(nnrt_augment, ranges_are_filled)
{
    double sum = 0, low = 9, high = 0;
    image_of(1, 1, 1, 1, ONE(NNRT_AUGMENT_BRIGHTNESS, 0.8, 1.2));
    for (int row = 0; row < 4000; row++) {
        image[0] = 1;
        run(3, 0, row);
        double v = (double)image[0];
        sum += v;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    cr_expect_float_eq(sum / 4000, 1, 0.01);
    cr_expect(low >= 0.8 - 1e-6 && low < 0.801 && high <= 1.2 && high > 1.199);
}

Test(nnrt_augment, noise_has_the_deviation)
{
    enum { N = 30000 };
    double sum = 0, square = 0;
    image_of(3, 100, 100, 1, ONE(NNRT_AUGMENT_NOISE, 0, 5));
    for (int i = 0; i < N; i++)
        image[i] = 100;
    run(1, 2, 3);
    for (int i = 0; i < N; i++) {
        double d = (double)image[i] - 100;
        sum += d;
        square += d * d;
    }
    cr_expect_float_eq(sum / N, 0, 0.15);
    cr_expect_float_eq(sqrt(square / N), 5, 0.1);
}

/* A square of at most the side, whole where its centre is far from the borders. */
Test(nnrt_augment, cutout_is_a_square_cut_at_the_borders)
{
    static const float fill[2] = {-1, -2};
    int most = 0, least = 99;
    image_of(2, 8, 6, 1, (const nnrt_augment[]){{NNRT_AUGMENT_CUTOUT, 0, 3, 2, fill}});
    for (int row = 0; row < 300; row++) {
        count_up(96);
        run(1, 0, row);
        int x0 = 99, x1 = -1, y0 = 99, y1 = -1, n = 0;
        for (int i = 0; i < 48; i++) {
            int cut = image[i] == -1;
            cr_expect(image[48 + i] == (cut ? -2 : before[48 + i]) &&
                      (cut || image[i] == before[i]));
            n += cut;
            x0 = cut && i % 6 < x0 ? i % 6 : x0;
            x1 = cut && i % 6 > x1 ? i % 6 : x1;
            y0 = cut && i / 6 < y0 ? i / 6 : y0;
            y1 = cut && i / 6 > y1 ? i / 6 : y1;
        }
        cr_expect_eq(n, (x1 - x0 + 1) * (y1 - y0 + 1));
        cr_expect(x1 - x0 < 3 && y1 - y0 < 3);
        most = n > most ? n : most;
        least = n < least ? n : least;
    }
    cr_expect(most == 9 && least == 4, "%d, %d", most, least);
    image_of(1, 2, 2, 1, ONE(NNRT_AUGMENT_CUTOUT, 0, 4));
    count_up(4);
    run(1, 0, 0);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(image[i], 0);
}

/* Rows of all channels, or columns: 0 to `high` of them, anywhere. */
Test(nnrt_augment, masks_are_whole_rows_or_columns)
{
    static const float fill[2] = {-1, -2};
    for (int columns = 0; columns < 2; columns++) {
        int seen[5] = {0}, first[8] = {0}, n = columns ? 6 : 8;
        nnrt_augment_kind kind = columns ? NNRT_AUGMENT_FREQ_MASK : NNRT_AUGMENT_TIME_MASK;
        image_of(2, 8, 6, 1, (const nnrt_augment[]){{kind, 0, 4, 2, fill}});
        for (int row = 0; row < 600; row++) {
            int width = 0, at = -1;
            count_up(96);
            run(1, 0, row);
            for (int k = 0; k < n; k++) {
                int masked = image[columns ? k : k * 6] == -1;
                width += masked;
                at = masked && at < 0 ? k : at;
                cr_assert(!masked || k - at < width, "not in one piece");
            }
            for (int i = 0; i < 48; i++) {
                int k = columns ? i % 6 : i / 6, in = width && k >= at && k < at + width;
                cr_assert_eq(image[i], in ? -1 : before[i]);
                cr_assert_eq(image[48 + i], in ? -2 : before[48 + i]);
            }
            cr_assert(width <= 4);
            seen[width]++;
            first[width == 4 ? at : 7] += width == 4;
        }
        for (int k = 0; k < 5; k++)
            cr_expect(seen[k] > 80 && seen[k] < 160, "%d of width %d", seen[k], k);
        for (int k = 0; k <= n - 4; k++)
            cr_expect_gt(first[k], 8);
    }
}

Test(nnrt_augment, bytes_are_rounded_and_kept_in_range)
{
    uint8_t bytes[6] = {0, 1, 3, 100, 200, 255};
    static const uint8_t wanted[6] = {0, 2, 5, 150, 255, 255};
    static const int64_t row = 7;
    image_of(1, 2, 3, 1, ONE(NNRT_AUGMENT_BRIGHTNESS, 1.5, 1.5));
    value.dtype = NNRT_U8;
    run_threads(1, 1, 0, 1, &row, bytes);
    cr_expect_eq(memcmp(bytes, wanted, 6), 0);
    image_of(1, 2, 3, 2,
             (const nnrt_augment[]){{NNRT_AUGMENT_FLIP, 0, 1, 0, NULL},
                                    {NNRT_AUGMENT_FLIP_VERTICAL, 0, 1, 0, NULL}});
    value.dtype = NNRT_U8;
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(i + 1);
    run_threads(1, 1, 0, 1, &row, bytes);
    cr_expect_eq(memcmp(bytes, "\6\5\4\3\2\1", 6), 0);
}

static const nnrt_augment all[] = {
    {NNRT_AUGMENT_ROTATE, -20, 20, 0, NULL},
    {NNRT_AUGMENT_SCALE, 0.8, 1.2, 0, NULL},
    {NNRT_AUGMENT_TRANSLATE, -0.1, 0.1, 0, NULL},
    {NNRT_AUGMENT_SHEAR, -10, 10, 0, NULL},
    {NNRT_AUGMENT_CROP, 0, 2, 0, NULL},
    {NNRT_AUGMENT_FLIP, 0, 0.5, 0, NULL},
    {NNRT_AUGMENT_FLIP_VERTICAL, 0, 0.5, 0, NULL},
    {NNRT_AUGMENT_BRIGHTNESS, 0.5, 1.5, 0, NULL},
    {NNRT_AUGMENT_CONTRAST, 0.5, 1.5, 0, NULL},
    {NNRT_AUGMENT_NOISE, 0, 3, 0, NULL},
    {NNRT_AUGMENT_CUTOUT, 0, 4, 0, NULL},
};

enum { BATCH = 24, PIXELS = 2 * 20 * 20 };

/* Sample `row` as it is in the data set. */
static void sample(float *to, int64_t row)
{
    for (int i = 0; i < PIXELS; i++)
        to[i] = (float)((row * 31 + i * 7) % 256);
}

static void run_rows(int threads, uint64_t seed, int64_t epoch, int n, const int64_t *rows,
                     float *batch)
{
    for (int i = 0; i < n; i++)
        sample(batch + i * PIXELS, rows[i]);
    run_threads(threads, seed, epoch, n, rows, batch);
}

Test(nnrt_augment, the_same_bits_whatever_the_threads)
{
    static float one[BATCH * PIXELS], more[BATCH * PIXELS];
    int64_t rows[BATCH];
    image_of(2, 20, 20, 11, all);
    for (int i = 0; i < BATCH; i++)
        rows[i] = 1000 + 17 * i;
    run_rows(1, 5, 2, BATCH, rows, one);
    for (int threads = 2; threads <= 7; threads++) {
        run_rows(threads, 5, 2, BATCH, rows, more);
        cr_expect_eq(memcmp(one, more, sizeof one), 0, "%d threads", threads);
    }
}

/* So a resumed run, or one with other batches, sees the same images. */
Test(nnrt_augment, depends_on_the_row_not_on_the_batch)
{
    static float batch[BATCH * PIXELS], alone[PIXELS];
    int64_t rows[BATCH];
    image_of(2, 20, 20, 11, all);
    for (int i = 0; i < BATCH; i++)
        rows[i] = (i * 7) % BATCH + ((int64_t)1 << 33);
    run_rows(2, 5, 2, BATCH, rows, batch);
    for (int i = BATCH - 1; i >= 0; i--) {
        run_rows(1, 5, 2, 1, &rows[i], alone);
        cr_expect_eq(memcmp(alone, batch + i * PIXELS, sizeof alone), 0, "sample %d", i);
    }
}

Test(nnrt_augment, seed_epoch_row_and_place_in_the_list_count)
{
    static const nnrt_augment twice[] = {{NNRT_AUGMENT_BRIGHTNESS, 0.5, 1.5, 0, NULL},
                                         {NNRT_AUGMENT_BRIGHTNESS, 0.5, 1.5, 0, NULL}};
    float got[5];
    image_of(1, 1, 1, 1, twice);
    for (int i = 0; i < 5; i++) {
        image[0] = 1;
        value.n_augment = i == 4 ? 2 : 1;
        run(i == 1 ? 2 : 1, i == 2, i == 3);
        got[i] = image[0];
    }
    cr_expect(got[0] != got[1] && got[0] != got[2] && got[0] != got[3]);
    cr_expect(fabsf(got[4] - got[0] * got[0]) > 1e-4f, "both drew the same");
    static nnrt_value two[2];
    two[0] = two[1] = value;
    two[0].n_augment = two[1].n_augment = 1;
    nnrt_model both = {.n_inputs = 2, .inputs = two};
    float a = 1, b = 1;
    void *in[2] = {&a, &b};
    int64_t row = 0;
    nnrt_augmenter m;
    nnrt_fault fault;
    cr_assert_eq(nnrt_augment_open(&m, &both, 1, &fault), NNRT_OK);
    nnrt_augment_batch(&m, 1, 0, &row, 1, in);
    nnrt_augment_close(&m);
    cr_expect(a == got[0] && b != a);
}

Test(nnrt_augment, no_memory)
{
    nnrt_augmenter a;
    nnrt_fault fault;
    image_of(1, 4, 4, 1, all);
    value.count = (int64_t)1 << 60;
    cr_expect_eq(nnrt_augment_open(&a, &model, 64, &fault), NNRT_NO_MEMORY);
    nnrt_augment_close(&a);
}
