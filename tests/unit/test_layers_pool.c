/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_pool.c and layers_upsample.c: pooling of every kind and
 * upsampling against numbers worked out by hand or by loops over [N, C, H, W] here, gradients
 * against differences and at ties, and what is said of sizes that do not fit.
 */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

/* The layers give these numbers, in this shape, of one sample: (7 i mod count) + 1 at place i. */
static void expect_layer(int line, const char *shape, const char *layers, const char *want_shape,
                         int n, const double *want)
{
    Run run = run_of(model_of(shape, layers), 1);
    int64_t count = shape_elements(&run.p->inputs.at[0].shape, 1);
    for (int64_t i = 0; i < count; i++)
        run.in[0][i] = (double)((i * 7) % count + 1); /* 1 to count, not in order */
    const Tensor *y = output_of(&run);
    expect_shape(y, want_shape);
    cr_assert_eq(shape_count(&y->shape), n);
    expect_numbers(line, y->data, 1e-12, n, want);
    for (int64_t i = 0; i < count; i++)
        run.in[0][i] /= (double)count;
    check_gradients(&run);
}
#define GIVES(shape, layers, want, ...)                                                            \
    expect_layer(__LINE__, shape, layers, want, COUNT(((double[]){__VA_ARGS__})),                  \
                 (double[]){__VA_ARGS__})

/* --- windows ---------------------------------------------------------------------------------- */

Test(layers_pool, one_axis)
{
    /* 1 3 5 2 4 */
    GIVES("[1, 5]", "  - maxpool1d: 2\n", "[1, 1, 2]", 3, 5);
    GIVES("[1, 5]", "  - maxpool1d: {kernel: 3, stride: 1, padding: 1}\n", "[1, 1, 5]", 3, 5, 5, 5,
          4);
    GIVES("[1, 5]", "  - avgpool1d: {kernel: 2}\n", "[1, 1, 2]", 2, 3.5);
    GIVES("[1, 5]", "  - avgpool1d: {kernel: [2], stride: 3, padding: 1}\n", "[1, 1, 2]", 0.5, 3.5);
    /* 1 2 3, 4 5 6 by channel: 1 to 6 in steps of 7 mod 6 */
    GIVES("[2, 3]", "  - maxpool1d: {kernel: 2, stride: 1}\n", "[1, 2, 2]", 2, 3, 5, 6);
}

/* 1 8 3 / 10 5 12 / 7 2 9 / 4 11 6 */
Test(layers_pool, two_axes)
{
    GIVES("[1, 4, 3]", "  - maxpool2d: 2\n", "[1, 1, 2, 1]", 10, 11);
    GIVES("[1, 4, 3]", "  - maxpool2d: {kernel: [1, 3], stride: 1}\n", "[1, 1, 4, 1]", 8, 12, 9,
          11);
    GIVES("[1, 4, 3]", "  - maxpool2d: {kernel: 3, stride: 2, padding: 1}\n", "[1, 1, 2, 2]", 10,
          12, 11, 12);
    GIVES("[1, 4, 3]", "  - avgpool2d: {kernel: 2, stride: [2, 1]}\n", "[1, 1, 2, 2]", 6, 7, 6, 7);
    GIVES("[1, 4, 3]", "  - avgpool2d: {kernel: [2, 3], padding: [1, 0]}\n", "[1, 1, 3, 1]", 2, 7.5,
          3.5);
    GIVES("[1, 1, 1]", "  - avgpool2d: 1\n", "[1, 1, 1, 1]", 1);
    GIVES("[2, 2, 1]", "  - maxpool2d: {kernel: [2, 1], stride: 5}\n", "[1, 2, 1, 1]", 4, 3);
}

/* Padding never wins, also where all is below 0. */
Test(layers_pool, padding_of_negatives)
{
    Run run = run_of(model_of("[1, 2]", "  - maxpool1d: {kernel: 2, padding: 1}\n"), 1);
    SET(&run, 0, -3, -5);
    EXPECT_NUMBERS(output_of(&run)->data, 0, -3, -5);
}

/* The gradient of a window goes to its first maximum. */
Test(layers_pool, ties)
{
    Run run = run_of(model_of("[1, 2, 4]", "  - maxpool2d: 2\n"), 1);
    SET(&run, 0, 1, 2, 3, 3, 2, 2, 3, 1);
    EXPECT_NUMBERS(input_gradient(&run, 0), 1e-12, 0, 6.5, 14, 0, 0, 0, 0, 0);
    Run all = run_of(model_of("[1, 2, 2]", "  - global_maxpool\n"), 1);
    SET(&all, 0, 1, 2, 2, 2);
    EXPECT_NUMBERS(input_gradient(&all, 0), 1e-12, 0, 13, 0, 0);
    Run over = run_of(model_of("[1, 3]", "  - maxpool1d: {kernel: 2, stride: 1}\n"), 1);
    SET(&over, 0, 2, 2, 2);
    EXPECT_NUMBERS(input_gradient(&over, 0), 1e-12, 6.5, 6.5, 0);
}

Test(layers_pool, global)
{
    GIVES("[2, 3]", "  - global_avgpool\n", "[1, 2]", 2, 5);
    GIVES("[2, 3]", "  - global_maxpool\n", "[1, 2]", 3, 6);
    GIVES("[2, 2, 2]", "  - global_avgpool\n", "[1, 2]", 5.5, 3.5); /* 1 8 7 6, 5 4 3 2 */
    GIVES("[1, 1, 2, 1, 2]", "  - global_maxpool\n", "[1, 1]", 4);
    GIVES("[1, 1, 1]", "  - global_maxpool\n", "[1, 1]", 1);
}

/* Every bin against its definition, equal and unequal ones. */
static void check_adaptive(const char *shape, const char *layer, int h, int w, int rows, int cols)
{
    Run run = run_of(model_of(shape, layer), 2);
    const Tensor *y = output_of(&run);
    cr_assert(y->shape.rank == 4 && y->shape.dim[2] == rows && y->shape.dim[3] == cols);
    for (int i = 0; i < 4 * rows * cols; i++) {
        int image = i / (rows * cols), r = i / cols % rows, c = i % cols, count = 0;
        double sum = 0;
        for (int a = 0; a < h; a++)
            for (int b = 0; b < w; b++)
                if ((a + 1) * rows > r * h && a * rows < (r + 1) * h && (b + 1) * cols > c * w &&
                    b * cols < (c + 1) * w) {
                    sum += run.in[0][(image * h + a) * w + b];
                    count++;
                }
        cr_expect(near(y->data[i], sum / count, 1e-12), "%s: number %d is %g, not %g", layer, i,
                  y->data[i], sum / count);
    }
    check_gradients(&run);
}

Test(layers_pool, adaptive)
{
    check_adaptive("[2, 4, 6]", "  - adaptive_avgpool2d: [2, 3]\n", 4, 6, 2, 3);
    check_adaptive("[2, 5, 7]", "  - adaptive_avgpool2d: 3\n", 5, 7, 3, 3);
    check_adaptive("[2, 2, 3]", "  - adaptive_avgpool2d: {size: [5, 3]}\n", 2, 3, 5, 3);
    check_adaptive("[2, 3, 3]", "  - adaptive_avgpool2d: 1\n", 3, 3, 1, 1);
    check_adaptive("[2, 3, 2]", "  - adaptive_avgpool2d: [3, 2]\n", 3, 2, 3, 2);
}

/* --- upsample2d ------------------------------------------------------------------------------- */

Test(layers_pool, upsample)
{
    /* 1 4 / 3 2 */
    GIVES("[1, 2, 2]", "  - upsample2d: 2\n", "[1, 1, 4, 4]", 1, 1, 4, 4, 1, 1, 4, 4, 3, 3, 2, 2, 3,
          3, 2, 2);
    GIVES("[1, 2, 2]", "  - upsample2d: {scale: [1, 3]}\n", "[1, 1, 2, 6]", 1, 1, 1, 4, 4, 4, 3, 3,
          3, 2, 2, 2);
    GIVES("[1, 2, 2]", "  - upsample2d: 1\n", "[1, 1, 2, 2]", 1, 4, 3, 2);
    GIVES("[1, 1, 3]", "  - upsample2d: {scale: [2, 1], mode: bilinear}\n", "[1, 1, 2, 3]", 1, 2, 3,
          1, 2, 3);
}

/* torch.nn.functional.interpolate's formula for each number, align_corners=False. */
static double interpolated(const double *x, int h, int w, double a, double b)
{
    a = a < 0 ? 0 : a;
    b = b < 0 ? 0 : b;
    int i = (int)a, j = (int)b, i1 = i + (i < h - 1), j1 = j + (j < w - 1);
    double s = a - i, t = b - j;
    return (1 - s) * ((1 - t) * x[i * w + j] + t * x[i * w + j1]) +
           s * ((1 - t) * x[i1 * w + j] + t * x[i1 * w + j1]);
}

Test(layers_pool, bilinear)
{
    static const int scales[][2] = {{2, 2}, {3, 1}, {4, 5}, {1, 1}};
    for (int k = 0; k < 4; k++) {
        char layer[80];
        int a = scales[k][0], b = scales[k][1];
        snprintf(layer, sizeof layer, "  - upsample2d: {scale: [%d, %d], mode: bilinear}\n", a, b);
        Run run = run_of(model_of("[2, 3, 4]", layer), 2);
        const Tensor *y = output_of(&run);
        cr_assert(y->shape.dim[2] == 3 * a && y->shape.dim[3] == 4 * b);
        for (int i = 0; i < 4 * 3 * a * 4 * b; i++) {
            int image = i / (12 * a * b), r = i / (4 * b) % (3 * a), c = i % (4 * b);
            double want = interpolated(run.in[0] + 12 * image, 3, 4, (r + 0.5) / a - 0.5,
                                       (c + 0.5) / b - 0.5);
            cr_expect(near(y->data[i], want, 1e-12), "%s: number %d is %g, not %g", layer, i,
                      y->data[i], want);
        }
        check_gradients(&run);
    }
}

/* --- as functions, reports -------------------------------------------------------------------- */

Test(layers_pool, in_expressions)
{
    GIVES("[1, 5]", "  - {name: e, expr: \"maxpool1d(x, 2) + avgpool1d(x, kernel=[2])\"}\n",
          "[1, 1, 2]", 5, 8.5);
    GIVES("[1, 1, 2]", "  - {name: e, expr: \"upsample2d(x, scale=[1, 2], mode=nearest)\"}\n",
          "[1, 1, 1, 4]", 1, 1, 2, 2);
}

Test(layers_pool, reported)
{
    WRONG("[8]", "  - maxpool2d: 2\n", "maxpool2d takes [N, C, H, W], not [N, 8]");
    WRONG("[1, 4, 4]", "  - maxpool2d\n", "'kernel' is missing");
    WRONG("[1, 4, 4]", "  - maxpool2d: 5\n", "a kernel of 5 does not fit into axis 2");
    WRONG("[1, 4, 4]", "  - avgpool2d: {kernel: [2, 5]}\n", "does not fit into axis 3");
    WRONG("[1, 4, 4]", "  - maxpool2d: {kernel: 3, padding: 2}\n",
          "padding: 2 is more than half of the kernel, 3");
    WRONG("[1, 4, 4]", "  - maxpool2d: {kernel: 2, stride: 0}\n", "stride: 0 is out of range");
    WRONG("[1, 4, 4]", "  - maxpool2d: {kernel: 2, padding: same}\n", "whole number");
    WRONG("[1, 4, 4]", "  - maxpool2d: {kernel: 2147483647, padding: 1073741823}\n",
          "at most 2147483647");
    WRONG("[4]", "  - global_avgpool\n", "with one more axis at least");
    WRONG("[1, 4, 4]", "  - adaptive_avgpool2d: 0\n", "size: 0 is out of range");
    WRONG("[1, 4, 4]", "  - adaptive_avgpool2d: [1, 2, 3]\n", "a list of 2, saw 3");
    WRONG("[1, 5000, 5000]", "  - adaptive_avgpool2d: 2147483647\n", "bins of axis 2");
    WRONG("[1, 4, 4]", "  - upsample2d: 0\n", "scale: 0 is out of range");
    WRONG("[1, 4, 4]", "  - upsample2d: 2147483647\n", "scale: 2147483647 is too large for axis 2");
    WRONG("[1, 4, 4]", "  - upsample2d: {scale: 4097, mode: bilinear}\n", "at most 4096");
    WRONG("[1, 4, 4]", "  - upsample2d: {scale: 2, mode: bicubic}\n", "mode: unknown 'bicubic'");
    WRONG("[1, 4, 4]", "  - maxpool2d: {kernel: 2, init: ones}\n", "has no weights");
}
