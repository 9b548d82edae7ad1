/* SPDX-License-Identifier: MIT */
/* test_nnrt_synthetic.c: guards the synthetic pictures: the same bits everywhere and for ever,
 * samples that depend on seed and index alone, all ten labels, and calls that do not fit. */
#include "nnrt_scratch.h"

TestSuite(nnrt_synthetic, .timeout = 60);

static nnrt_value inputs[] = {
    {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 10},
    {.name = "image", .dtype = NNRT_U8, .rank = 3, .dim = {1, 28, 28}, .count = 784},
    {.name = "other", .dtype = NNRT_F32, .count = 1},
};

static int make(uint64_t seed, int64_t count, const char *generator, nnrt_array a[3], nnrt_fault *f)
{
    nnrt_model m = {.n_inputs = 3, .inputs = inputs};
    nnrt_source s = {
        .kind = NNRT_SOURCE_SYNTHETIC, .generator = generator, .seed = seed, .count = count};
    return nnrt_synthetic_make(&s, &m, a, f);
}

static void release(nnrt_array a[3])
{
    for (int i = 0; i < 3; i++)
        nnrt_array_free(&a[i]);
}

Test(nnrt_synthetic, shapes_and_labels)
{
    nnrt_array a[3];
    nnrt_fault fault;
    cr_assert_eq(make(1, 2000, "digits", a, &fault), NNRT_OK, "%s", fault.text);
    cr_expect(a[0].rank == 1 && a[0].dim[0] == 2000 && a[0].type == NNRT_ARRAY_U8);
    cr_expect(a[1].rank == 4 && a[1].dim[0] == 2000 && a[1].dim[1] == 1 && a[1].dim[3] == 28);
    cr_expect_null(a[2].data);
    int count[10] = {0};
    for (size_t i = 0; i < 2000; i++)
        count[((unsigned char *)a[0].data)[i]]++;
    for (int k = 0; k < 10; k++)
        cr_expect(count[k] > 150 && count[k] < 250, "%d of digit %d", count[k], k);
    release(a);
}

/* Every machine and compiler makes these bits, or results of the demo are not comparable. A change
 * of the generator changes them: then the examples' expected results change as well. */
Test(nnrt_synthetic, bits)
{
    nnrt_array a[3];
    nnrt_fault fault;
    cr_assert_eq(make(1, 500, "digits", a, &fault), NNRT_OK);
    cr_expect_eq(nnrt_crc32c(0, a[1].data, 500 * 784), 0x2BBAA267u, "%08x",
                 (unsigned)nnrt_crc32c(0, a[1].data, 500 * 784));
    cr_expect_eq(nnrt_crc32c(0, a[0].data, 500), 0x48F7CB64u, "%08x",
                 (unsigned)nnrt_crc32c(0, a[0].data, 500));
    release(a);
}

/* The same of ten shapes in colour. */
Test(nnrt_synthetic, shapes)
{
    nnrt_value shaped[2] = {
        {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 10},
        {.name = "image", .dtype = NNRT_U8, .rank = 3, .dim = {3, 32, 32}, .count = 3072}};
    nnrt_model m = {.n_inputs = 2, .inputs = shaped};
    nnrt_source s = {.generator = "shapes", .seed = 1, .count = 500};
    nnrt_array a[3];
    nnrt_fault fault;
    int count[10] = {0};
    cr_assert_eq(nnrt_synthetic_make(&s, &m, a, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(nnrt_crc32c(0, a[1].data, 500 * 3072), 0xF25EF5E1u);
    for (int i = 0; i < 500; i++)
        count[((unsigned char *)a[0].data)[i]]++;
    for (int k = 0; k < 10; k++)
        cr_expect(count[k] > 25 && count[k] < 80, "%d of shape %d", count[k], k);
    nnrt_array_free(&a[0]);
    nnrt_array_free(&a[1]);
}

/* The same of lungs; samples of class 1 are lighter, by their spots. */
Test(nnrt_synthetic, lungs)
{
    nnrt_array a[3], b[3];
    nnrt_fault fault;
    double light[2] = {0}, count[2] = {0};
    cr_assert_eq(make(1, 500, "lungs", a, &fault), NNRT_OK, "%s", fault.text);
    cr_assert_eq(make(1, 50, "lungs", b, &fault), NNRT_OK, "%s", fault.text);
    cr_expect_eq(memcmp(a[1].data, b[1].data, 50 * 784), 0);
    cr_expect_eq(nnrt_crc32c(0, a[1].data, 500 * 784), 0xB3EB4560u, "%08x",
                 (unsigned)nnrt_crc32c(0, a[1].data, 500 * 784));
    for (int i = 0; i < 500; i++) {
        int class = ((unsigned char *)a[0].data)[i];
        cr_assert(class == 0 || class == 1);
        count[class]++;
        for (int k = 0; k < 784; k++)
            light[class] += ((unsigned char *)a[1].data)[i * 784 + k];
    }
    cr_expect(count[0] > 200 && count[1] > 200);
    cr_expect(light[1] / count[1] > light[0] / count[0] + 784);
    release(a);
    release(b);
}

Test(nnrt_synthetic, depends_on_seed_and_index)
{
    nnrt_array a[3], b[3], c[3];
    nnrt_fault fault;
    make(7, 50, "digits", a, &fault);
    make(7, 100, "digits", b, &fault);
    make(8, 100, "digits", c, &fault);
    cr_expect_eq(memcmp(a[1].data, b[1].data, 50 * 784), 0);
    cr_expect_eq(memcmp(a[0].data, b[0].data, 50), 0);
    int same = 0, bright = 0;
    for (int i = 0; i < 100; i++) {
        const unsigned char *x = (unsigned char *)b[1].data + i * 784, *y = c[1].data;
        int sum = 0;
        for (int k = 0; k < 784; k++)
            sum += x[k] > 60;
        bright += sum > 30;
        for (int j = 0; j < 100; j++)
            same += memcmp(x, y + j * 784, 784) == 0;
        for (int j = 0; j < i; j++)
            same += memcmp(x, (unsigned char *)b[1].data + j * 784, 784) == 0;
    }
    cr_expect_eq(same, 0);
    cr_expect_eq(bright, 100, "an image without a digit");
    release(a);
    release(b);
    release(c);
}

/* Means of two digits differ: the label says what was drawn. A nearest mean is right far more often
 * than one time in ten. */
Test(nnrt_synthetic, labels_match_images)
{
    nnrt_array a[3], b[3];
    nnrt_fault fault;
    make(1, 3000, "digits", a, &fault);
    make(2, 500, "digits", b, &fault);
    static double mean[10][784];
    int count[10] = {0}, right = 0;
    for (int i = 0; i < 3000; i++) {
        int label = ((unsigned char *)a[0].data)[i];
        count[label]++;
        for (int k = 0; k < 784; k++)
            mean[label][k] += ((unsigned char *)a[1].data)[i * 784 + k];
    }
    for (int i = 0; i < 500; i++) {
        int best = 0;
        double least = 1e300;
        for (int d = 0; d < 10; d++) {
            double sum = 0;
            for (int k = 0; k < 784; k++) {
                double e = mean[d][k] / count[d] - ((unsigned char *)b[1].data)[i * 784 + k];
                sum += e * e;
            }
            if (sum < least)
                least = sum, best = d;
        }
        right += best == ((unsigned char *)b[0].data)[i];
    }
    cr_expect(right > 200 && right < 450, "%d of 500", right);
    release(a);
    release(b);
}

Test(nnrt_synthetic, calls_that_do_not_fit)
{
    nnrt_array a[3];
    nnrt_fault fault;
    scratch_fault(make(1, 10, "letters", a, &fault), NNRT_BAD_CALL, &fault, "'letters'", "digits");
    scratch_fault(make(1, 0, "digits", a, &fault), NNRT_BAD_CALL, &fault, "digits", "found 0");
    scratch_fault(make(1, -5, "digits", a, &fault), NNRT_BAD_CALL, &fault, "digits", "found -5");
    inputs[1].count = 100;
    scratch_fault(make(1, 10, "digits", a, &fault), NNRT_BAD_CALL, &fault, "'image'", "found 100");
    inputs[1].count = 784;
    inputs[0].name = "x";
    inputs[1].name = "y";
    scratch_fault(make(1, 10, "digits", a, &fault), NNRT_BAD_CALL, &fault, "'image'", "neither");
}

/* --- discs ------------------------------------------------------------------------------------ */

static nnrt_value pictures[] = {
    {.name = "boxes", .dtype = NNRT_F32, .rank = 2, .dim = {4, 5}, .count = 20},
    {.name = "image", .dtype = NNRT_U8, .rank = 3, .dim = {3, 40, 56}, .count = 6720},
};

static int make_discs(nnrt_value *inputs_of, int64_t count, nnrt_array a[2], nnrt_fault *f)
{
    nnrt_model m = {.n_inputs = 2, .inputs = inputs_of};
    nnrt_source s = {
        .kind = NNRT_SOURCE_SYNTHETIC, .generator = "discs", .seed = 1, .count = count};
    return nnrt_synthetic_make(&s, &m, a, f);
}

/* Whether what a box is around is darker in the middle than the corner of the picture of its first row. */
static void expect_disc(const float *box, const unsigned char *image)
{
    int x = (int)(box[1] + box[3]) / 2, y = (int)(box[2] + box[4]) / 2;
    cr_expect(box[0] >= 0 && box[0] <= 2);
    cr_expect(box[1] >= 0 && box[2] >= 0 && box[3] <= 56 && box[4] <= 40);
    cr_expect_eq(box[3] - box[1], box[4] - box[2]);
    cr_expect_lt(image[40 * 56 + y * 56 + x], 150, "green at %d, %d", x, y);
}

Test(nnrt_synthetic, discs)
{
    nnrt_array a[2];
    nnrt_fault fault;
    cr_assert_eq(make_discs(pictures, 200, a, &fault), NNRT_OK, "%s", fault.text);
    const float *box = (const float *)a[0].data;
    int kinds[3] = {0}, none = 0;
    for (int i = 0; i < 200; i++) {
        cr_expect(box[i * 20] >= 0, "picture %d has no disc", i);
        for (int k = 0; k < 4; k++) {
            const float *one = box + i * 20 + k * 5;
            none += one[0] < 0;
            if (one[0] < 0)
                continue;
            kinds[(int)one[0]]++;
            expect_disc(one, (const unsigned char *)a[1].data + i * 6720);
        }
    }
    cr_expect(none > 50 && kinds[0] > 50 && kinds[1] > 50 && kinds[2] > 50);
    for (int i = 0; i < 2; i++)
        nnrt_array_free(&a[i]);
    nnrt_value wrong[2] = {pictures[0], pictures[1]};
    wrong[0].dim[1] = 4;
    cr_expect_eq(make_discs(wrong, 2, a, &fault), NNRT_BAD_CALL);
}
