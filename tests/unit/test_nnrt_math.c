/* SPDX-License-Identifier: MIT */
/* Guards nnrt_math.h: the error bounds that its head states, over all floats at a stride, and the
 * values at zeros, infinities, NaN and subnormals. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "nnrt_math.h"

/* Floats are visited at this stride of their bits: a prime, so that all exponents come. */
enum { STRIDE = 20011 };

/* Units of the last place between a float and the true value; huge where it is of another kind. */
static double ulp(float got, double want)
{
    if (isnan(want))
        return isnan(got) ? 0 : 1e9;
    if (isinf((float)want)) /* the largest float may stand for what just rounds to infinity */
        return got == (float)want || (isfinite(got) && fabs(want) < 3.4028236e38) ? 0 : 1e9;
    if (!isfinite(got))
        return fabs(want) > 3.4028233e38 ? 0.9 : 1e9;
    int e = -200;
    if (want != 0)
        frexp(want, &e);
    return fabs(got - want) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

static double worst_of(float (*f)(float), double (*reference)(double), float limit, float *at)
{
    double worst = 0;
    for (uint64_t k = 0; k < UINT64_C(1) << 32; k += STRIDE) {
        uint32_t bits = (uint32_t)k;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (fabsf(x) > limit)
            continue;
        double e = ulp(f(x), reference((double)x));
        if (e > worst) {
            worst = e;
            *at = x;
        }
    }
    return worst;
}

static double true_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double true_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* A test of one function: bound and range as nnrt_math.h states them. */
#define BOUND(f, reference, bound, limit)                                                          \
    static float call_##f(float x)                                                                 \
    {                                                                                              \
        return nnrt_##f(x);                                                                        \
    }                                                                                              \
    Test(nnrt_math, f)                                                                             \
    {                                                                                              \
        float at = 0;                                                                              \
        double worst = worst_of(call_##f, reference, limit, &at);                                  \
        cr_assert(worst <= (bound), "%g ulp at %a, bound %g", worst, (double)at, (double)(bound)); \
        cr_assert(isnan(nnrt_##f(NAN)));                                                           \
    }

BOUND(expf, exp, 1.0, INFINITY)
BOUND(expm1f, expm1, 1.5, INFINITY)
BOUND(logf, log, 0.9, INFINITY)
BOUND(log1pf, log1p, 0.9, INFINITY)
BOUND(sigmoidf, true_sigmoid, 2.4, INFINITY)
BOUND(softplusf, true_softplus, 1.8, INFINITY)
BOUND(tanhf, tanh, 1.4, INFINITY)
BOUND(erff, erf, 1.4, INFINITY)
BOUND(sinf, sin, 0.7, 16777216.0f)
BOUND(cosf, cos, 0.7, 16777216.0f)
BOUND(sqrtf, sqrt, 0.5, INFINITY)

/* Fixed pseudo-random bits. */
static uint32_t next_bits(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

static float any_float(uint64_t *state)
{
    uint32_t bits = next_bits(state);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

Test(nnrt_math, powf_bound)
{
    uint64_t state = 1;
    for (int i = 0; i < 300000; i++) {
        float x = any_float(&state), y = any_float(&state);
        if (i % 3 == 1) { /* near 1, with large exponents */
            x = 1 + (float)((int)(next_bits(&state) % 20001) - 10000) * 1e-5f;
            y = (float)((int)(next_bits(&state) % 20001) - 10000);
        } else if (i % 3 == 2) { /* whole exponents of any sign of x */
            y = (float)((int)(next_bits(&state) % 41) - 20);
        }
        double e = ulp(nnrt_powf(x, y), pow((double)x, (double)y));
        cr_assert(e <= 0.6, "pow(%a, %a) is %a: %g ulp", (double)x, (double)y,
                  (double)nnrt_powf(x, y), e);
    }
}

static const float special[] = {
    0.0f,    -0.0f, 1.0f,        -1.0f,       INFINITY,     -INFINITY,   NAN,
    2.0f,    -2.0f, 3.0f,        -3.0f,       0.5f,         -0.5f,       1e-45f,
    -1e-45f, 1e38f, -1e38f,      16777215.0f, -16777215.0f, 16777217.0f, 33554432.0f,
    1.5f,    2.5f,  0.99999994f, 8389609.0f,  8388607.5f};
enum { SPECIAL = (int)(sizeof special / sizeof *special) };

static int same_kind(float got, float want)
{
    if (isnan(want))
        return isnan(got);
    return !isnan(got) && signbit(got) == signbit(want) && ulp(got, (double)want) <= 3;
}

Test(nnrt_math, powf_special)
{
    for (int i = 0; i < SPECIAL; i++)
        for (int j = 0; j < SPECIAL; j++) {
            float got = nnrt_powf(special[i], special[j]), want = powf(special[i], special[j]);
            cr_assert(same_kind(got, want), "pow(%g, %g) is %g, not %g", (double)special[i],
                      (double)special[j], (double)got, (double)want);
        }
}

#define SPECIAL_VALUES(f)                                                                          \
    for (int i = 0; i < SPECIAL; i++) {                                                            \
        float got = nnrt_##f(special[i]), want = f(special[i]);                                    \
        cr_assert(same_kind(got, want), #f "(%g) is %g, not %g", (double)special[i], (double)got,  \
                  (double)want);                                                                   \
    }

Test(nnrt_math, special_values)
{
    SPECIAL_VALUES(expf)
    SPECIAL_VALUES(expm1f)
    SPECIAL_VALUES(logf)
    SPECIAL_VALUES(log1pf)
    SPECIAL_VALUES(tanhf)
    SPECIAL_VALUES(erff)
    SPECIAL_VALUES(sqrtf)
    cr_assert_eq(nnrt_sigmoidf(-INFINITY), 0.0f);
    cr_assert_eq(nnrt_sigmoidf(INFINITY), 1.0f);
    cr_assert_eq(nnrt_softplusf(INFINITY), INFINITY);
    cr_assert_eq(nnrt_softplusf(-INFINITY), 0.0f);
    cr_assert(signbit(nnrt_sinf(-0.0f)));
    cr_assert(isnan(nnrt_sinf(INFINITY)));
    cr_assert(isnan(nnrt_cosf(-INFINITY)));
    cr_assert_eq(nnrt_cosf(0.0f), 1.0f);
    cr_assert_eq(nnrt_sinf(1e30f), 0.0f);
    cr_assert_eq(nnrt_cosf(1e30f), 1.0f);
}

/* A loop gives what a call gives: vectors and scalars are the same code. */
Test(nnrt_math, loops_agree_with_calls)
{
    enum { N = 1003 };
    static float x[N], e[N], t[N], p[N];
    for (int i = 0; i < N; i++)
        x[i] = (float)(i - N / 2) * 0.173f;
    for (int i = 0; i < N; i++)
        e[i] = nnrt_expf(x[i]);
    for (int i = 0; i < N; i++)
        t[i] = nnrt_tanhf(x[i]);
    for (int i = 0; i < N; i++)
        p[i] = nnrt_powf(x[i], 3.0f);
    for (int i = 0; i < N; i++) {
        volatile float one = x[i];
        cr_assert_eq(e[i], nnrt_expf(one));
        cr_assert_eq(t[i], nnrt_tanhf(one));
        cr_assert_eq(p[i], nnrt_powf(one, 3.0f));
    }
}
