/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/init.c: every form of `init:` against torch.nn.init's formulas, and
 * what is said of wrong ones.
 */
#include <math.h>

#include "frontend_read.h"

/* A weight of fan_in 50, fan_out 20, drawn as `init` says. */
static Init init_of(const char *init)
{
    char text[512];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [50]}}\nlayers:\n"
             "  - dense: {units: 20, name: fc, init: %s}\n",
             init);
    const Var *var = program_find_var(good_model(text), "fc.weight");
    return var->init;
}

static void expect_init(int line, const char *init, InitKind kind, double a, double b)
{
    Init got = init_of(init);
    cr_expect_eq(got.kind, kind, "line %d: %s", line, init);
    cr_expect_float_eq(got.a, a, 1e-9, "line %d: %s: a is %g, not %g", line, init, got.a, a);
    cr_expect_float_eq(got.b, b, 1e-9, "line %d: %s: b is %g, not %g", line, init, got.b, b);
}
#define INIT(init, kind, a, b) expect_init(__LINE__, init, INIT_##kind, a, b)

Test(init, forms)
{
    INIT("zeros", constant, 0, 0);
    INIT("ones", constant, 1, 0);
    INIT("{constant: 0.5}", constant, 0.5, 0);
    INIT("{constant: {value: -2}}", constant, -2, 0);
    INIT("uniform", uniform, 0, 1);
    INIT("{uniform: [-0.1, 0.2]}", uniform, -0.1, 0.2);
    INIT("{uniform: {a: -3}}", uniform, -3, 1);
    INIT("normal", normal, 0, 1);
    INIT("{normal: {std: 0.02}}", normal, 0, 0.02);
    INIT("{normal: [1, 0.5]}", normal, 1, 0.5);
    INIT("{truncated_normal: {mean: 1, std: 0.1}}", truncated_normal, 1, 0.1);
    INIT("orthogonal", orthogonal, 1, 0);
    INIT("{orthogonal: 1.5}", orthogonal, 1.5, 0);
    INIT("default", uniform, -sqrt(1 / 50.0), sqrt(1 / 50.0));
}

Test(init, xavier)
{
    double bound = sqrt(6 / 70.0), std = sqrt(2 / 70.0);
    INIT("xavier_uniform", uniform, -bound, bound);
    INIT("{xavier_uniform: 2}", uniform, -2 * bound, 2 * bound);
    INIT("xavier_normal", normal, 0, std);
    INIT("{xavier_normal: {gain: 0.5}}", normal, 0, 0.5 * std);
}

Test(init, kaiming)
{
    INIT("kaiming_uniform", uniform, -sqrt(6 / 50.0), sqrt(6 / 50.0));
    INIT("kaiming_normal", normal, 0, sqrt(2 / 50.0));
    INIT("{kaiming_normal: {mode: fan_out}}", normal, 0, sqrt(2 / 20.0));
    INIT("{kaiming_normal: {a: 0.5}}", normal, 0, sqrt(2 / 1.25 / 50));
    INIT("{kaiming_normal: {nonlinearity: relu}}", normal, 0, sqrt(2 / 50.0));
    INIT("{kaiming_normal: {nonlinearity: tanh}}", normal, 0, 5 / 3.0 / sqrt(50));
    INIT("{kaiming_normal: {nonlinearity: selu}}", normal, 0, 0.75 / sqrt(50));
    INIT("{kaiming_normal: {nonlinearity: linear}}", normal, 0, 1 / sqrt(50));
    INIT("{kaiming_uniform: {a: 2.2360679774997896964}}", uniform, -1 / sqrt(50), 1 / sqrt(50));
}

Test(init, of_matrices_alone)
{
    Program *p = good_model("model: m\ninputs: {x: {shape: [16]}}\nlayers:\n  - dense: {units: 20, "
                            "name: fc, init: ones}\n");
    const Init bias = program_find_var(p, "fc.bias")->init;
    cr_expect(bias.kind == INIT_uniform && bias.a == -0.25 && bias.b == 0.25);
}

Test(init, variables)
{
    Program *p = good_model("model: m\nvars: {s: 0.25}\ninputs: {x: {shape: [16]}}\nlayers:\n"
                            "  - dense: {units: 20, name: fc, init: {normal: {std: $s * 2}}}\n");
    cr_expect_eq(program_find_var(p, "fc.weight")->init.b, 0.5);
}

static void wrong(const char *init, const char *expected)
{
    char text[512];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {shape: [50]}}\nlayers:\n  - dense: {units: 20, init: %s}\n",
             init);
    wrong_model(text, expected);
}

Test(init, reports)
{
    wrong("zeroes", "init: unknown 'zeroes'; did you mean 'zeros'?");
    wrong("fancy", "init: unknown 'fancy'");
    wrong("[1, 2]", "init: expected one form");
    wrong("{zeros: 1}", "init: zeros takes no argument");
    wrong("constant", "'value' is missing");
    wrong("{uniform: 0.1}", "init: uniform: expected [a, b] or {a: ..., b: ...}");
    wrong("{uniform: [1, 2, 3]}", "init: uniform: expected [a, b]");
    wrong("{uniform: [2, 1]}", "init: uniform: a is above b");
    wrong("{normal: 0.02}", "init: normal: expected [mean, std]");
    wrong("{normal: {std: -1}}", "init: normal: std is below 0");
    wrong("{normal: {sdt: 1}}", "did you mean 'std'?");
    wrong("{normal: {std: wide}}", "init: normal: std");
    wrong("{kaiming_normal: {mode: fan_on}}", "did you mean 'fan_");
    wrong("{kaiming_normal: {nonlinearity: mish}}", "unknown 'mish'");
}
