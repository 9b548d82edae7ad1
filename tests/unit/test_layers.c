/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_*.c and functions.c: values of every layer against numbers
 * worked out apart from it, gradients against differences and at corners, weights with their
 * shapes and initial distributions, and what is said of wrong arguments.
 */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

/* --- dense, norms ----------------------------------------------------------------------------- */

Test(layers, dense_is_a_product_with_the_weight_transposed)
{
    Run run = run_of(model_of("[2, 3]", "  - dense: {units: 4, name: fc}\n"), 2);
    const double *w = run.var[var_index(&run, "fc.weight")],
                 *b = run.var[var_index(&run, "fc.bias")];
    const Tensor *y = output_of(&run);
    expect_shape(y, "[2, 2, 4]");
    for (int row = 0; row < 4; row++)
        for (int u = 0; u < 4; u++) {
            double sum = b[u];
            for (int k = 0; k < 3; k++)
                sum += run.in[0][row * 3 + k] * w[u * 3 + k];
            cr_expect_float_eq(y->data[row * 4 + u], sum, 1e-12);
        }
    check_gradients(&run);
}

Test(layers, dense_where_samples_are_not_the_first_axis)
{
    Run run = run_of(model_of("[2, 3]", "  - permute: [1, 0, 2]\n  - dense: {units: 4, name: fc}\n"
                                        "  - permute: [1, 0, 2]\n"),
                     3);
    Run plain = run_of(model_of("[2, 3]", "  - dense: {units: 4, name: fc}\n"), 3);
    const Tensor *a = output_of(&run), *b = output_of(&plain);
    for (int i = 0; i < 24; i++)
        cr_expect_float_eq(a->data[i], b->data[i], 1e-12);
}

Test(layers, dense_begins_as_in_pytorch)
{
    Program *p = good_model(
        model_of("[16]", "  - dense: {units: 4, name: fc}\n  - dense: {units: 2, bias: false}\n"));
    cr_assert_eq(p->vars.n, 3);
    const Var *weight = program_find_var(p, "fc.weight"), *bias = program_find_var(p, "fc.bias");
    cr_expect(weight->init.kind == INIT_uniform && weight->init.a == -0.25 &&
              weight->init.b == 0.25);
    cr_expect(bias->init.kind == INIT_uniform && bias->init.a == -0.25 && bias->init.b == 0.25);
    cr_expect(weight->shape.rank == 2 && weight->shape.dim[0] == 4 && weight->shape.dim[1] == 16);
    cr_expect_not_null(program_find_var(p, "dense_2.weight"));
}

Test(layers, dense_reports)
{
    WRONG("[4]", "  - dense: 0\n", "dense: units: 0 is out of range");
    WRONG("[4]", "  - dense\n", "'units' is missing");
    WRONG("[]", "  - dense: 3\n", "the last axis of [N] is the batch");
    WRONG("[4]", "  - dense: {unit: 3}\n", "did you mean 'units'?");
}

Test(layers, layernorm)
{
    Run run = run_of(model_of("[2, 3]", "  - layernorm: {eps: 0.5, name: ln}\n"), 2);
    const double *w = run.var[var_index(&run, "ln.weight")],
                 *b = run.var[var_index(&run, "ln.bias")];
    const Tensor *y = output_of(&run);
    for (int row = 0; row < 4; row++) {
        const double *x = run.in[0] + 3 * row;
        double mean = (x[0] + x[1] + x[2]) / 3, var = 0;
        for (int k = 0; k < 3; k++)
            var += (x[k] - mean) * (x[k] - mean) / 3;
        for (int k = 0; k < 3; k++)
            cr_expect_float_eq(y->data[3 * row + k], (x[k] - mean) / sqrt(var + 0.5) * w[k] + b[k],
                               1e-12);
    }
    check_gradients(&run);
    cr_expect_eq(program_find_var(run.p, "ln.weight")->init.a, 1);
    cr_expect_eq(program_find_var(run.p, "ln.bias")->init.a, 0);
}

Test(layers, rmsnorm)
{
    Run run = run_of(model_of("[3]", "  - rmsnorm: {eps: 0.25, name: rn}\n"), 2);
    const double *w = run.var[var_index(&run, "rn.weight")], *x = run.in[0];
    const Tensor *y = output_of(&run);
    double square = (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) / 3;
    for (int k = 0; k < 3; k++)
        cr_expect_float_eq(y->data[k], x[k] / sqrt(square + 0.25) * w[k], 1e-12);
    check_gradients(&run);
    cr_expect_eq(run.p->vars.n, 1);
}

Test(layers, norms_without_weights)
{
    cr_expect_eq(
        good_model(
            model_of("[3]", "  - layernorm: {affine: false}\n  - rmsnorm: {affine: false}\n"))
            ->vars.n,
        0);
    WRONG("[3]", "  - layernorm: {eps: -1}\n", "layernorm: eps is below 0");
    WRONG("[]", "  - rmsnorm\n", "the last axis of [N] is the batch");
}

/* --- dropout ---------------------------------------------------------------------------------- */

Test(layers, dropout_in_training_alone)
{
    Run run = run_of(model_of("[1000]", "  - dropout: 0.2\n"), 2);
    const Tensor *y = output_of(&run);
    for (int i = 0; i < 2000; i++)
        cr_expect_eq(y->data[i], run.in[0][i]);

    for (int i = 0; i < 2000; i++)
        run.in[0][i] = 1;
    const double *slope = input_gradient(&run, 0); /* (3 y^2 + 1) dy/dx / 2000 with y 0 or 1.25 */
    int kept = 0;
    for (int i = 0; i < 2000; i++) {
        bool on = slope[i] != 0;
        kept += on;
        cr_expect_float_eq(slope[i], on ? (3 * 1.25 * 1.25 + 1) * 1.25 / 2000 : 0, 1e-12);
    }
    cr_expect(kept > 1500 && kept < 1700, "%d of 2000 kept at p = 0.2", kept);
}

Test(layers, dropout_of_nothing_and_of_all)
{
    Run none = run_of(model_of("[3]", "  - dropout: 0\n"), 2);
    cr_expect_neq(loss_of(&none), 0);
    check_gradients(&none);
    Run all = run_of(model_of("[3]", "  - dropout: {p: 1}\n"), 2);
    cr_expect_eq(loss_of(&all), 0);
    EXPECT_NUMBERS(input_gradient(&all, 0), 0, 0, 0, 0, 0, 0, 0);
    WRONG("[3]", "  - dropout: 1.5\n", "p is a probability");
    WRONG("[3]", "  - dropout: -0.1\n", "p is a probability");
}

Test(layers, dropouts_differ)
{
    Run run =
        run_of("model: m\ninputs: {x: {shape: [64]}}\nlayers:\n  - dropout: {input: x, name: a}\n"
               "  - dropout: {input: x, name: b}\n  - sub: {input: [a, b], name: d}\n"
               "loss: sum(d * d)\ntrain: {optimizer: adam}\n",
               1);
    cr_expect_neq(loss_of(&run), 0);
}

/* --- shapes ----------------------------------------------------------------------------------- */

/* The layers give these places of x, in this shape. */
static void expect_moved(const char *shape, const char *layers, const char *want, int n,
                         const int *from)
{
    Run run = run_of(model_of(shape, layers), 2);
    const Tensor *y = output_of(&run);
    int64_t sample = shape_count(&run.p->inputs.at[0].shape);
    expect_shape(y, want);
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < n; i++)
            cr_expect_eq(y->data[s * n + i], run.in[0][s * sample + from[i]], "%s: number %d",
                         layers, i);
    check_gradients(&run);
}
#define MOVED(shape, layers, want, ...)                                                            \
    expect_moved(shape, layers, want, COUNT(((int[]){__VA_ARGS__})), (int[]){__VA_ARGS__})

Test(layers, movement)
{
    MOVED("[2, 3]", "  - flatten\n", "[2, 6]", 0, 1, 2, 3, 4, 5);
    MOVED("[]", "  - flatten\n", "[2, 1]", 0);
    MOVED("[2, 3]", "  - reshape: [3, -1]\n", "[2, 3, 2]", 0, 1, 2, 3, 4, 5);
    MOVED("[2, 3]", "  - reshape: 6\n", "[2, 6]", 0, 1, 2, 3, 4, 5);
    MOVED("[2, 3]", "  - permute: [0, 2, 1]\n", "[2, 3, 2]", 0, 3, 1, 4, 2, 5);
    MOVED("[2, 3]", "  - permute: [0, -1, -2]\n", "[2, 3, 2]", 0, 3, 1, 4, 2, 5);
    MOVED("[5]", "  - slice: {axis: 1, start: 1, end: 4}\n", "[2, 3]", 1, 2, 3);
    MOVED("[5]", "  - slice: {axis: -1, start: -4, end: -1, step: 2}\n", "[2, 2]", 1, 3);
    MOVED("[5]", "  - slice: {axis: 1, start: 3, end: 99}\n", "[2, 2]", 3, 4);
    MOVED("[2, 3]", "  - slice: 1\n", "[2, 2, 3]", 0, 1, 2, 3, 4, 5);
    MOVED("[1, 3, 1]", "  - squeeze: 1\n", "[2, 3, 1]", 0, 1, 2);
    MOVED("[1, 3, 1]", "  - squeeze: {axis: [1, -1]}\n", "[2, 3]", 0, 1, 2);
    MOVED("[1, 3, 1]", "  - squeeze\n", "[2, 3]", 0, 1, 2);
    MOVED("[3]", "  - unsqueeze: 1\n", "[2, 1, 3]", 0, 1, 2);
    MOVED("[3]", "  - unsqueeze: {axis: -1}\n", "[2, 3, 1]", 0, 1, 2);
    MOVED("[3]", "  - concat: {input: [x, x]}\n", "[2, 6]", 0, 1, 2, 0, 1, 2);
    MOVED("[2, 2]", "  - concat: {input: [x, x], axis: -1}\n", "[2, 2, 4]", 0, 1, 0, 1, 2, 3, 2, 3);
    MOVED("[2]", "  - stack: {input: [x, x]}\n", "[2, 2, 2]", 0, 1, 0, 1);
    MOVED("[2]", "  - stack: {input: [x, x], axis: -1}\n", "[2, 2, 2]", 0, 0, 1, 1);
    MOVED("[3]", "  - identity\n", "[2, 3]", 0, 1, 2);
}

Test(layers, split)
{
    MOVED("[5]", "  - split: {axis: 1, sizes: [2, 3], name: [a, b]}\n  - concat: {input: [b, a]}\n",
          "[2, 5]", 2, 3, 4, 0, 1);
    MOVED("[5]", "  - split: {sizes: 2, name: [a, b, c]}\n  - concat: {input: [c, b, a]}\n",
          "[2, 5]", 4, 2, 3, 0, 1);
    MOVED("[2, 4]", "  - split: {axis: 2, name: [a, b]}\n  - concat: {input: [b, a], axis: 1}\n",
          "[2, 4, 2]", 2, 3, 6, 7, 0, 1, 4, 5);
    WRONG("[5]", "  - split: {name: [a, b]}\n", "which are not 2 equal parts");
    WRONG("[5]", "  - split: {sizes: [2, 2], name: [a, b]}\n", "do not cut");
    WRONG("[5]", "  - split: {sizes: [6, -1], name: [a, b]}\n", "do not cut");
    WRONG("[5]", "  - split: {axis: 1}\n", "into how many parts?");
    WRONG("[5]", "  - split: {axis: 0, name: [a, b]}\n", "axis 0 is the batch");
    WRONG("[5]", "  - split: {sizes: [2, 3], name: [a, b, c]}\n", "gives 2 values");
}

Test(layers, pad)
{
    Run run = run_of(model_of("[2, 2]", "  - pad: {axes: {1: [1, 0], -1: [0, 2]}, value: 9}\n"), 1);
    SET(&run, 0, 1, 2, 3, 4);
    const Tensor *y = output_of(&run);
    expect_shape(y, "[1, 3, 4]");
    EXPECT_NUMBERS(y->data, 0, 9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9);
    check_gradients(&run);
}

Test(layers, movement_reports)
{
    WRONG("[2, 3]", "  - reshape: [4, -1]\n", "holds 6 numbers a sample, which 4 does not divide");
    WRONG("[2, 3]", "  - reshape: [4, 2]\n", "holds 6 numbers a sample, which 8 does not equal");
    WRONG("[2, 3]", "  - reshape: [-1, -1]\n", "one of them -1");
    WRONG("[2, 3]", "  - reshape: [0, -1]\n", "axes are 1 to");
    WRONG("[2, 3]", "  - reshape: [2147483647, 2147483647, 2147483647]\n", "axes are 1 to");
    WRONG("[2, 3]", "  - reshape: [1, 1, 1, 1, 1, 1, 1, 6]\n", "at most 8 axes");
    WRONG("[2, 3]", "  - permute: [0, 1]\n", "has 3 axes, the batch counted as 0; axes names 2");
    WRONG("[2, 3]", "  - permute: [0, 1, 1]\n", "axis 1 is named twice");
    WRONG("[2, 3]", "  - permute: [0, 1, 3]\n", "axis 3 is outside a tensor of 3 axes");
    WRONG("[5]", "  - slice: {axis: 0, start: 1}\n", "slice: axis 0 is the batch");
    WRONG("[5]", "  - slice: {axis: 1, start: 3, end: 3}\n", "nothing is left");
    WRONG("[5]", "  - slice: {axis: 1, step: 0}\n", "a step is at least 1");
    WRONG("[5]", "  - squeeze: 1\n", "axis 1 of [N, 5] is not of length 1");
    WRONG("[5]", "  - squeeze: []\n", "from 1 to 8 axes are named");
    WRONG("[5]", "  - pad: {axes: {0: [1, 1]}}\n", "pad: axis 0 is the batch");
    WRONG("[5]", "  - pad: {axes: {1: [1, 1], -1: [1, 1]}}\n", "axis 1 is named twice");
    WRONG("[5]", "  - pad: {axes: {1: [1, -1]}}\n", "expected [before, after]");
    WRONG("[5]", "  - pad: {axes: {1: [1]}}\n", "expected [before, after]");
    WRONG("[5]", "  - pad: {axes: [1, 1]}\n", "expected a map");
    WRONG("[5]", "  - slice: {axis: 1, end: 2, name: a}\n  - concat: {input: [x, a], axis: 2}\n",
          "axis 2 is outside");
    WRONG("[5]", "  - slice: {axis: 1, end: 2, name: a}\n  - stack: {input: [x, a]}\n",
          "shapes [N, 5] and [N, 2] differ");
    WRONG("[5]", "  - unsqueeze: {axis: 1, name: a}\n  - concat: {input: [x, a]}\n",
          "differ elsewhere than along axis 1");
    WRONG("[5]", "  - concat: {input: [x, x], axis: 0}\n", "axis 0 is the batch");
}

/* --- arithmetic and reductions ---------------------------------------------------------------- */

static void expect_layer(const char *layers, const char *shape, int n, const double *want)
{
    Run run = run_of(model_of("[2, 2]", layers), 1);
    SET(&run, 0, 3, -1, 0.5, 2);
    const Tensor *y = output_of(&run);
    expect_shape(y, shape);
    expect_numbers(__LINE__, y->data, 1e-12, n, want);
    check_gradients(&run);
}
#define GIVES(layers, shape, ...)                                                                  \
    expect_layer(layers, shape, COUNT(((double[]){__VA_ARGS__})), (double[]){__VA_ARGS__})

Test(layers, arithmetic)
{
#define PARTS                                                                                      \
    "  - slice: {axis: 1, end: 1, input: x, name: a}\n  - slice: {axis: 1, start: 1, input: x, "   \
    "name: b}\n"
    GIVES(PARTS "  - add: {input: [a, b, a]}\n", "[1, 1, 2]", 6.5, 0);
    GIVES(PARTS "  - sub: {input: [a, b]}\n", "[1, 1, 2]", 2.5, -3);
    GIVES(PARTS "  - mul: {input: [a, b, b]}\n", "[1, 1, 2]", 0.75, -4);
    GIVES(PARTS "  - div: {input: [a, b]}\n", "[1, 1, 2]", 6, -0.5);
    GIVES(PARTS "  - max: {input: [a, b]}\n", "[1, 1, 2]", 3, 2);
    GIVES(PARTS "  - min: {input: [a, b]}\n", "[1, 1, 2]", 0.5, -1);
    WRONG("[2, 2]", PARTS "  - sub: {input: [a, b, a]}\n", "sub takes");
    WRONG("[2, 3]", "  - slice: {axis: 2, end: 2, name: a}\n  - add: {input: [x, a]}\n",
          "add: shapes [N, 2, 3] and [N, 2, 2] do not broadcast: axis 2 is 3 and 2");
}

Test(layers, reductions)
{
    GIVES("  - mean: 2\n", "[1, 2]", 1, 1.25);
    GIVES("  - mean: {axis: -2}\n", "[1, 2]", 1.75, 0.5);
    GIVES("  - sum: {axis: [1, 2]}\n", "[1]", 4.5);
    GIVES("  - sum: {axis: 1, keepdims: true}\n", "[1, 1, 2]", 3.5, 1);
    GIVES("  - amax: {axis: 1}\n", "[1, 2]", 3, 2);
    GIVES("  - amin: {axis: [2]}\n", "[1, 2]", -1, 0.5);
    WRONG("[2, 2]", "  - mean\n", "mean: 'axis' is missing");
    WRONG("[2, 2]", "  - sum: 3\n", "axis 3 is outside a tensor of 3 axes");
    WRONG("[2, 2]", "  - sum: [1, 1]\n", "axis 1 is named twice");
}

/* --- activations ------------------------------------------------------------------------------ */

/* Values and slopes of a layer at numbers, the loss being the sum. */
static void expect_activation(const char *layer, int n, const double *x, const double *y,
                              const double *slope)
{
    char text[512];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: []}}\nlayers:\n  - %s\n  - identity: {name: h}\n"
             "outputs: {h: h}\nloss: sum(h)\ntrain: {optimizer: adam}\n",
             layer);
    Run run = run_of(text, n);
    set_input(&run, 0, n, x);
    const double *value = output_of(&run)->data, *grad = input_gradient(&run, 0);
    for (int i = 0; i < n; i++) {
        cr_expect(near(value[i], y[i], 1e-7), "%s of %g is %.9g, not %.9g", layer, x[i], value[i],
                  y[i]);
        cr_expect(near(grad[i], slope[i], 1e-7), "the slope of %s at %g is %.9g, not %.9g", layer,
                  x[i], grad[i], slope[i]);
    }
}
#define ACTIVATION(layer, ...)                                                                     \
    do {                                                                                           \
        static const double t[][3] = {__VA_ARGS__};                                                \
        double x[COUNT(t)], y[COUNT(t)], slope[COUNT(t)];                                          \
        for (int i = 0; i < COUNT(t); i++)                                                         \
            x[i] = t[i][0], y[i] = t[i][1], slope[i] = t[i][2];                                    \
        expect_activation(layer, COUNT(t), x, y, slope);                                           \
    } while (0)

/* x, y, dy/dx: numbers from PyTorch 1.13, corners and extremes among them. */
Test(layers, activations)
{
    ACTIVATION("relu", {-2, 0, 0}, {0, 0, 0}, {2, 2, 1});
    ACTIVATION("relu6", {-2, 0, 0}, {0, 0, 0}, {3, 3, 1}, {6, 6, 0}, {9, 6, 0}, {NAN, NAN, 0});
    ACTIVATION("leaky_relu", {-2, -0.02, 0.01}, {0, 0, 0.01}, {2, 2, 1});
    ACTIVATION("leaky_relu: 0.5", {-2, -1, 0.5}, {3, 3, 1});
    ACTIVATION("elu", {-1, -0.632120558829, 0.367879441171}, {0, 0, 1}, {2, 2, 1}, {-800, -1, 0},
               {800, 800, 1});
    ACTIVATION("elu: {alpha: 0.5}", {-1, -0.316060279414, 0.183939720586}, {0, 0, 0.5}, {2, 2, 1});
    ACTIVATION("selu", {-1, -1.11133073776, 0.646768602638}, {0, 0, 1.75809934085},
               {2, 2.10140197407, 1.05070098736});
    ACTIVATION("celu: 0.5", {-1, -0.432332358382, 0.135335283237}, {0, 0, 1}, {2, 2, 1},
               {800, 800, 1});
    ACTIVATION("gelu", {-1, -0.158655253931, -0.0833154705877}, {0, 0, 0.5},
               {1, 0.841344746069, 1.08331547059}, {-40, 0, 0}, {40, 40, 1});
    ACTIVATION("gelu: {tanh: true}", {-1, -0.158808009392, -0.0829640838458}, {0, 0, 0.5},
               {40, 40, 1}, {-40, 0, 0});
    ACTIVATION("silu", {-1, -0.268941421370, 0.0723294881379}, {0, 0, 0.5}, {800, 800, 1},
               {-800, 0, 0});
    ACTIVATION("mish", {-1, -0.303401461374, 0.0592166967144}, {0, 0, 0.6}, {800, 800, 1},
               {-800, 0, 0});
    ACTIVATION("sigmoid", {0, 0.5, 0.25}, {1, 0.731058578630, 0.196611933241}, {-800, 0, 0},
               {800, 1, 0});
    ACTIVATION("hardsigmoid", {-3, 0, 0}, {0, 0.5, 1.0 / 6}, {3, 1, 0}, {4, 1, 0}, {-4, 0, 0});
    ACTIVATION("hardswish", {-4, 0, 0}, {-3, 0, -0.5}, {-1, -1.0 / 3, 1.0 / 6}, {0, 0, 0.5},
               {2, 5.0 / 3, 7.0 / 6}, {3, 3, 1}, {800, 800, 1});
    ACTIVATION("tanh", {0, 0, 1}, {1, 0.761594155956, 0.419974341614}, {800, 1, 0});
    ACTIVATION("softplus", {0, 0.693147180560, 0.5}, {800, 800, 1}, {-800, 0, 0});
    ACTIVATION("softsign", {0, 0, 1}, {1, 0.5, 0.25}, {-3, -0.75, 0.0625});
    ACTIVATION("identity", {-5, -5, 1});
    WRONG("[3]", "  - celu: 0\n", "alpha is a divisor");
    WRONG("[3]", "  - relu: 3\n", "relu takes no argument");
}

Test(layers, activations_as_functions_and_as_arguments)
{
    for (int i = 0; i < call_count(); i++) {
        const CallRow *row = call_at(i);
        char layer[256], function[256], argument[256];
        if (!(row->flags & CALL_activation) || (row->flags & CALL_weights))
            continue;
        snprintf(layer, sizeof layer, "  - %s\n", row->name);
        snprintf(function, sizeof function, "  - {expr: %s(x)}\n", row->name);
        snprintf(argument, sizeof argument, "  - add: {input: [x, x], activation: %s}\n",
                 row->name);
        Run a = run_of(model_of("[5]", layer), 2);
        const double *want = output_of(&a)->data;
        check_gradients(&a);
        Run b = run_of(model_of("[5]", function), 2);
        const double *got = output_of(&b)->data;
        for (int k = 0; k < 10; k++)
            cr_expect_eq(got[k], want[k], "%s(x)", row->name);
        Run c = run_of(model_of("[5]", argument), 2);
        for (int k = 0; k < 10; k++)
            c.in[0][k] /= 2;
        got = output_of(&c)->data;
        for (int k = 0; k < 10; k++)
            cr_expect_eq(got[k], want[k], "activation: %s", row->name);
    }
}

Test(layers, prelu)
{
    Run run = run_of(model_of("[]", "  - prelu: {name: p}\n"), 3);
    SET(&run, 0, -2, 0, 3);
    run.var[var_index(&run, "p.weight")][0] = 0.3;
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, -0.6, 0, 3);
    EXPECT_NUMBERS(input_gradient(&run, 0), 1e-12, (3 * 0.36 + 1) * 0.3 / 3, 0.1, 28.0 / 3);
    cr_expect_eq(program_find_var(run.p, "p.weight")->init.a, 0.25);
    Run wide = run_of(model_of("[4]", "  - dense: {units: 3, activation: prelu, name: fc}\n"), 2);
    check_gradients(&wide);
    cr_expect_eq(wide.p->vars.n, 3);
}

Test(layers, softmax)
{
    Run run = run_of(model_of("[3]", "  - softmax\n"), 1);
    SET(&run, 0, 1000, 1001, -1000);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-9, 0.268941421370, 0.731058578630, 0);
    Run log = run_of(model_of("[3]", "  - log_softmax\n"), 1);
    SET(&log, 0, 1000, 1001, -1000);
    EXPECT_NUMBERS(output_of(&log)->data, 1e-9, -1.31326168752, -0.31326168752, -2001.31326168752);
    Run first = run_of(model_of("[2, 2]", "  - softmax: 1\n"), 1);
    SET(&first, 0, 0, 5, 1, 5);
    EXPECT_NUMBERS(output_of(&first)->data, 1e-9, 0.268941421370, 0.5, 0.731058578630, 0.5);
    WRONG("[3]", "  - softmax: 2\n", "axis 2 is outside a tensor of 2 axes");
}

/* --- functions -------------------------------------------------------------------------------- */

Test(functions, values)
{
    ACTIVATION("{expr: \"clip(x, -1, 2)\"}", {-3, -1, 0}, {-1, -1, 1}, {0.5, 0.5, 1}, {2, 2, 1},
               {3, 2, 0});
    ACTIVATION("{expr: \"clamp(x, max=1)\"}", {-3, -3, 1}, {1, 1, 1}, {3, 1, 0});
    ACTIVATION("{expr: \"clamp(x, min=1)\"}", {-3, 1, 0}, {1, 1, 1}, {3, 3, 1});
    ACTIVATION("{expr: square(x)}", {-3, 9, -6}, {0, 0, 0});
    ACTIVATION("{expr: rsqrt(x)}", {4, 0.5, -0.0625}, {0.25, 2, -4});
    WRONG("[3]", "  - {expr: clip(x)}\n", "wants min, max or both");
    WRONG("[3]", "  - {expr: \"clip(x, 2, 1)\"}\n", "min not above max");
}

Test(functions, reductions_of_everything)
{
    Run run =
        run_of("model: m\ninputs: {x: {shape: [2]}}\nlayers:\n  - identity: {name: h}\n"
               "loss: {a: mean(h), b: 10 * sum(h), c: 100 * amax(h), d: \"1000 * amin(h)\", "
               "e: \"sum(mean(h, axis=0))\", f: \"sum(sum(h, axis=[0, 1], keepdims=true))\"}\n"
               "train: {optimizer: adam}\n",
               3);
    SET(&run, 0, 1, 2, 3, 4, 5, 7);
    cr_expect_float_eq(loss_of(&run), 22.0 / 6 + 220 + 700 + 1000 + 22.0 / 3 + 22, 1e-9);
    check_gradients(&run);
}

/* Every row says what it gives, for the documentation. */
Test(layers, rows_are_described)
{
    for (int i = 0; i < call_count(); i++) {
        const CallRow *row = call_at(i);
        cr_expect(row->text && *row->text, "%s", row->name);
        cr_expect(row->flags & (CALL_layer | CALL_function), "%s", row->name);
        cr_expect_eq(call_find(row->name), row, "two rows are called %s", row->name);
    }
    for (int i = 0; i < metric_count(); i++)
        cr_expect(metric_at(i)->text && metric_find(metric_at(i)->name) == metric_at(i));
}
