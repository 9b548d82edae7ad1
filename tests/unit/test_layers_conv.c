/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_conv.c and spatial.c: convolutions and transposed convolutions of
 * every stride, padding, dilation and grouping against loops over [N, C, spatial..] written here,
 * gradients against differences, PyTorch's weights, and what is said of sizes that do not fit.
 */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

/* --- the reference ---------------------------------------------------------------------------- */

/* A convolution of up to three axes; the axes that are not there are 1 long. */
typedef struct Case {
    const char *shape, *args; /* of x without the batch; beside out and kernel */
    int64_t in, out, groups;
    int64_t size[3], kernel[3], stride[3], dilation[3], before[3], result[3];
} Case;

/* The number of x [n, c, position], zero where it is padding. */
static double x_at(const Case *k, const double *x, int64_t n, int64_t c, const int64_t *p)
{
    for (int i = 0; i < 3; i++)
        if (p[i] < 0 || p[i] >= k->size[i])
            return 0;
    return x[(((n * k->in + c) * k->size[0] + p[0]) * k->size[1] + p[1]) * k->size[2] + p[2]];
}

/* y[n, m, o] + = x[n, c, from] w[m, c, tap] for every product of a convolution (or, transposed,
 * y[n, m, to] for x[n, c, o] w[c, m, tap]), by visiting each output and tap. */
static double y_at(const Case *k, const double *x, const double *w, int64_t n, int64_t m,
                   const int64_t *o, bool transposed)
{
    int64_t in_each = k->in / k->groups, out_each = k->out / k->groups, group = m / out_each;
    double sum = 0;
    for (int64_t c = 0; c < in_each; c++)
        for (int64_t t = 0; t < k->kernel[0] * k->kernel[1] * k->kernel[2]; t++) {
            int64_t tap[3] = {t / (k->kernel[1] * k->kernel[2]), t / k->kernel[2] % k->kernel[1],
                              t % k->kernel[2]},
                    from[3];
            bool hit = true;
            for (int i = 0; i < 3; i++) {
                int64_t moved = o[i] + k->before[i] - tap[i] * k->dilation[i];
                from[i] = transposed ? moved / k->stride[i]
                                     : o[i] * k->stride[i] + tap[i] * k->dilation[i] - k->before[i];
                hit = hit && (!transposed || (moved >= 0 && moved % k->stride[i] == 0));
            }
            int64_t channel = group * in_each + c;
            int64_t row = transposed ? channel * out_each + m % out_each : m * in_each + c;
            if (hit)
                sum += x_at(k, x, n, channel, from) *
                       w[row * k->kernel[0] * k->kernel[1] * k->kernel[2] + t];
        }
    return sum;
}

static void check_case(const char *kind, const Case *k, bool gradients)
{
    char layer[256];
    bool transposed = strncmp(kind, "conv_transpose", 14) == 0;
    snprintf(layer, sizeof layer, "  - %s: {%s, name: c}\n", kind, k->args);
    Run run = run_of(model_of(k->shape, layer), 2);
    const double *w = run.var[var_index(&run, "c.weight")];
    const Var *bias = program_find_var(run.p, "c.bias");
    const Tensor *y = output_of(&run);
    int64_t pixels = k->result[0] * k->result[1] * k->result[2];
    cr_assert_eq(shape_count(&y->shape), 2 * k->out * pixels, "%s %s: %s", kind, k->args,
                 shape_text(&y->shape, (char[128]){0}));
    for (int64_t i = 0; i < 2 * k->out * pixels; i++) {
        int64_t n = i / pixels / k->out, m = i / pixels % k->out;
        int64_t o[3] = {i / (k->result[1] * k->result[2]) % k->result[0],
                        i / k->result[2] % k->result[1], i % k->result[2]};
        double want =
            y_at(k, run.in[0], w, n, m, o, transposed) + (bias ? run.var[bias->id][m] : 0);
        cr_assert(near(y->data[i], want, 1e-12), "%s %s: number %d is %.12g, not %.12g", kind,
                  k->args, (int)i, y->data[i], want);
    }
    if (gradients)
        check_gradients(&run);
}

/* --- values and gradients --------------------------------------------------------------------- */

Test(layers_conv, numbers_by_hand)
{
    Run run = run_of(model_of("[1, 3, 3]", "  - conv2d: {out: 1, kernel: 2, name: c}\n"), 1);
    SET(&run, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    memcpy(run.var[var_index(&run, "c.weight")], (double[]){1, 10, 100, 1000}, 4 * sizeof(double));
    run.var[var_index(&run, "c.bias")][0] = 0.5;
    const Tensor *y = output_of(&run);
    expect_shape(y, "[1, 1, 2, 2]");
    EXPECT_NUMBERS(y->data, 1e-12, 5421.5, 6532.5, 8754.5, 9865.5);

    Run back = run_of(
        model_of("[1, 2]", "  - conv_transpose1d: {out: 1, kernel: 3, stride: 2, name: c}\n"), 1);
    SET(&back, 0, 1, 2);
    memcpy(back.var[var_index(&back, "c.weight")], (double[]){1, 10, 100}, 3 * sizeof(double));
    back.var[var_index(&back, "c.bias")][0] = 0.5;
    y = output_of(&back);
    expect_shape(y, "[1, 1, 5]");
    EXPECT_NUMBERS(y->data, 1e-12, 1.5, 10.5, 102.5, 20.5, 200.5);
}

#define ONES                                                                                       \
    {                                                                                              \
        1, 1, 1                                                                                    \
    }

Test(layers_conv, conv1d)
{
    const Case cases[] = {
        {"[2, 5]", "out: 3, kernel: 3", 2, 3, 1, {1, 1, 5}, {1, 1, 3}, ONES, ONES, {0}, {1, 1, 3}},
        {"[4, 9]",
         "out: 6, kernel: 3, stride: 2, padding: 2, dilation: 3, groups: 2, bias: false",
         4,
         6,
         2,
         {1, 1, 9},
         {1, 1, 3},
         {1, 1, 2},
         {1, 1, 3},
         {0, 0, 2},
         {1, 1, 4}},
        {"[1, 1]", "out: 1, kernel: 1", 1, 1, 1, ONES, ONES, ONES, ONES, {0}, ONES},
    };
    for (int i = 0; i < COUNT(cases); i++)
        check_case("conv1d", &cases[i], true);
}

Test(layers_conv, conv2d)
{
    const Case cases[] = {
        {"[2, 4, 5]",
         "out: 3, kernel: [3, 2], padding: 1, stride: [1, 2]",
         2,
         3,
         1,
         {1, 4, 5},
         {1, 3, 2},
         {1, 1, 2},
         ONES,
         {0, 1, 1},
         {1, 4, 3}},
        /* depthwise with a multiplier, `same` of an even kernel: one more at the end */
        {"[3, 4, 4]",
         "out: 6, kernel: [2, 3], padding: same, groups: 3, dilation: [3, 1]",
         3,
         6,
         3,
         {1, 4, 4},
         {1, 2, 3},
         ONES,
         {1, 3, 1},
         {0, 1, 1},
         {1, 4, 4}},
        /* one pixel, a kernel larger than it */
        {"[2, 1, 1]",
         "out: 2, kernel: 3, padding: 1",
         2,
         2,
         1,
         ONES,
         {1, 3, 3},
         ONES,
         ONES,
         {0, 1, 1},
         ONES},
        /* a stride beyond the kernel */
        {"[2, 5, 4]",
         "out: 2, kernel: 1, stride: 3",
         2,
         2,
         1,
         {1, 5, 4},
         ONES,
         {1, 3, 3},
         ONES,
         {0},
         {1, 2, 2}},
    };
    for (int i = 0; i < COUNT(cases); i++)
        check_case("conv2d", &cases[i], true);
}

Test(layers_conv, conv3d)
{
    const Case k = {"[2, 3, 4, 3]",
                    "out: 4, kernel: [2, 3, 1], stride: [1, 2, 2], padding: [1, 1, 0], groups: 2",
                    2,
                    4,
                    2,
                    {3, 4, 3},
                    {2, 3, 1},
                    {1, 2, 2},
                    ONES,
                    {1, 1, 0},
                    {4, 2, 2}};
    check_case("conv3d", &k, true);
}

Test(layers_conv, conv_transpose)
{
    const Case one = {
        "[4, 4]",  "out: 6, kernel: 3, stride: 2, padding: 1, output_padding: 1, groups: 2",
        4,         6,
        2,         {1, 1, 4},
        {1, 1, 3}, {1, 1, 2},
        ONES,      {0, 0, 1},
        {1, 1, 8}};
    check_case("conv_transpose1d", &one, true);
    const Case cases[] = {
        {"[2, 2, 3]",
         "out: 3, kernel: 2, stride: 2",
         2,
         3,
         1,
         {1, 2, 3},
         {1, 2, 2},
         {1, 2, 2},
         ONES,
         {0},
         {1, 4, 6}},
        {"[2, 3, 2]",
         "out: 2, kernel: [3, 2], stride: [3, 1], dilation: [2, 3], padding: [2, 1], "
         "output_padding: [1, 2], bias: false",
         2,
         2,
         1,
         {1, 3, 2},
         {1, 3, 2},
         {1, 3, 1},
         {1, 2, 3},
         {0, 2, 1},
         {1, 8, 5}},
        /* gaps between what the taps give, which hold the bias alone */
        {"[4, 2, 2]",
         "out: 4, kernel: 1, stride: 3, output_padding: 2, groups: 4",
         4,
         4,
         4,
         {1, 2, 2},
         ONES,
         {1, 3, 3},
         ONES,
         {0},
         {1, 6, 6}},
    };
    for (int i = 0; i < COUNT(cases); i++)
        check_case("conv_transpose2d", &cases[i], true);
}

/* --- weights ---------------------------------------------------------------------------------- */

Test(layers_conv, weights_begin_as_in_pytorch)
{
    Program *p = good_model(model_of(
        "[8, 9, 9]", "  - conv2d: {out: 6, kernel: [3, 2], groups: 2, name: a}\n"
                     "  - conv_transpose2d: {out: 4, kernel: [3, 2], groups: 2, name: b}\n"
                     "  - conv2d: {out: 3, kernel: 5, init: kaiming_normal}\n"
                     "  - conv2d: {out: 3, kernel: 5, init: {kaiming_normal: {mode: fan_out}}}\n"));
    char text[128];
    const Var *a = program_find_var(p, "a.weight"), *b = program_find_var(p, "b.weight");
    cr_expect_str_eq(shape_text(&a->shape, text), "[6, 4, 3, 2]");
    cr_expect_str_eq(shape_text(&b->shape, text), "[6, 2, 3, 2]");
    cr_expect(a->init.kind == INIT_uniform && near(a->init.b, 1 / sqrt(24), 1e-12));
    cr_expect(b->init.kind == INIT_uniform && near(b->init.b, 1 / sqrt(12), 1e-12));
    cr_expect_eq(program_find_var(p, "a.bias")->init.b, a->init.b);
    cr_expect_eq(program_find_var(p, "b.bias")->init.a, -b->init.b);
    cr_expect_str_eq(shape_text(&program_find_var(p, "b.bias")->shape, text), "[4]");
    const Var *in = program_find_var(p, "conv2d_2.weight"),
              *out = program_find_var(p, "conv2d_3.weight");
    cr_expect(near(in->init.b, sqrt(2.0 / 100), 1e-12), "%g", in->init.b);
    cr_expect(near(out->init.b, sqrt(2.0 / 75), 1e-12), "%g", out->init.b);
}

/* --- reports ---------------------------------------------------------------------------------- */

Test(layers_conv, arguments_reported)
{
    WRONG("[3, 8, 8]", "  - conv2d: 4\n", "'kernel' is missing");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 0, kernel: 3}\n", "out: 0 is out of range");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 0}\n", "kernel: 0 is out of range");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: [3, 3, 3]}\n",
          "kernel: expected a number or a list of 2, saw 3");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: []}\n", "list of 2, saw 0");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, stride: [1, 0]}\n", "stride: 0 is out");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, padding: -1}\n", "padding: -1 is out");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, padding: smae}\n", "did you mean 'same'?");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, padding: [same, 1]}\n", "whole number");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, padding: same, stride: 2}\n",
          "'same' goes with a stride of 1, not 2");
    WRONG("[3, 8, 8]", "  - conv_transpose2d: {out: 4, kernel: 3, padding: same}\n",
          "expected a whole number");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, groups: 2}\n",
          "groups: 2 does not divide the 3 channels that come in");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 3, groups: 3}\n",
          "groups: 3 does not divide the 4 channels that go out");
    WRONG("[3, 8, 8]", "  - conv_transpose2d: {out: 4, kernel: 3, output_padding: 1}\n",
          "output_padding: 1 is not below the stride, 1, nor the dilation, 1");
}

Test(layers_conv, sizes_reported)
{
    WRONG("[8]", "  - conv2d: {out: 4, kernel: 3}\n", "conv2d takes [N, C, H, W], not [N, 8]");
    WRONG("[3, 8, 8]", "  - conv1d: {out: 4, kernel: 3}\n", "conv1d takes [N, C, L], not");
    WRONG("[3, 4, 8]", "  - conv2d: {out: 4, kernel: 7, padding: 1}\n",
          "a kernel of 7 does not fit into axis 2, which is 4 long and 6 with its padding");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: [3, 5], dilation: 2}\n",
          "a kernel of 5 with dilation 2 spans 9 and does not fit into axis 3");
    WRONG("[3, 1]", "  - conv_transpose1d: {out: 4, kernel: 3, padding: 2}\n",
          "axis 2 is 3 long, of which a padding of 2 on both sides leaves nothing");
}

/* Numbers near the limits are refused, without an overflow on the way (asan). */
Test(layers_conv, huge_numbers_reported)
{
#define HUGE_ONE "2147483647"
    WRONG("[3, 8]", "  - conv1d: {out: 4, kernel: " HUGE_ONE ", dilation: " HUGE_ONE "}\n",
          "does not fit");
    WRONG("[3, 8]", "  - conv1d: {out: 4, kernel: 3, padding: " HUGE_ONE "}\n", "at most");
    WRONG("[3, 8]", "  - conv1d: {out: 4, kernel: 99999999999999999999}\n", "kernel");
    WRONG("[3, 8]",
          "  - conv1d: {out: " HUGE_ONE ", kernel: 1}\n  - conv1d: {out: " HUGE_ONE
          ", kernel: 1}\n",
          "too large");
    WRONG("[3, 8]",
          "  - conv1d: {out: 4, kernel: " HUGE_ONE ", dilation: " HUGE_ONE ", padding: same}\n",
          "at most");
    WRONG("[3, 8, 8]", "  - conv2d: {out: 4, kernel: 1, padding: 1000000000}\n", "out of range");
    WRONG("[2147483647]",
          "  - unsqueeze: 1\n  - conv_transpose1d: {out: 4, kernel: " HUGE_ONE
          ", dilation: " HUGE_ONE ", stride: " HUGE_ONE "}\n",
          "at most");
    WRONG("[3, 8, 8]", "  - conv_transpose2d: {out: 4, kernel: 3, stride: 200000000}\n",
          "out of range");
    WRONG("[3, 8]", "  - conv_transpose1d: {out: 4, kernel: 3, padding: " HUGE_ONE "}\n",
          "leaves nothing");
    WRONG("[3, 8]", "  - conv1d: {out: 3, kernel: 1, groups: " HUGE_ONE "}\n", "does not divide");
}
