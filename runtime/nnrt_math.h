/* SPDX-License-Identifier: MIT */
/* nnrt_math.h: the elementary functions that kernels inline.
 *
 * Every function is a branch-free polynomial: no table, no call, no errno. A loop over one of them
 * is vectorised by gcc and clang at -O3 without -ffast-math (sqrtf alone asks for -fno-math-errno).
 * Choices are made by masks on the bits and not by `?:` on floats, since gcc moves the arithmetic
 * of an unused arm into a branch and then, because it might trap, does not convert it back.
 *
 * Largest error against the true value, in units of the last place, over every float unless a range
 * is given (checked by tests/unit/test_nnrt_math.c):
 *
 *   expf 1.0   expm1f 1.5   logf 0.9   log1pf 0.9   sigmoidf 2.4   softplusf 1.8   tanhf 1.4
 *   erff 1.4   powf 0.6     sinf, cosf 0.7 in |x| <= 2^24 (see there)   sqrtf 0.5
 *
 * Zeros keep their sign, infinities and NaN give what C's Annex F says. Results too small for a
 * normal float keep the bound, unless the processor has been told to flush them.
 */
#ifndef NNRT_MATH_H
#define NNRT_MATH_H

#include <stdint.h>

#ifdef __FAST_MATH__
#error "nnrt_math.h: -ffast-math breaks its rounding; -O3 -fno-math-errno is as fast"
#endif

#define NNRT_INLINE static inline __attribute__((always_inline, unused))

NNRT_INLINE int32_t nnrt_bits_of(float x)
{
    int32_t b;
    __builtin_memcpy(&b, &x, sizeof b);
    return b;
}

NNRT_INLINE float nnrt_float_of(int32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* mask (all ones or all zeros) ? a : b. */
NNRT_INLINE float nnrt_select(int32_t mask, float a, float b)
{
    return nnrt_float_of((nnrt_bits_of(a) & mask) | (nnrt_bits_of(b) & ~mask));
}

NNRT_INLINE float nnrt_absf(float x)
{
    return nnrt_float_of(nnrt_bits_of(x) & 0x7fffffff);
}

/* |x| with the sign of s. */
NNRT_INLINE float nnrt_copysignf(float x, float s)
{
    return nnrt_float_of((nnrt_bits_of(x) & 0x7fffffff) | (nnrt_bits_of(s) & INT32_MIN));
}

/* x held in [lo, hi]; NaN stays. */
NNRT_INLINE float nnrt_clampf(float x, float lo, float hi)
{
    x = nnrt_select(-(int32_t)(x < lo), lo, x);
    return nnrt_select(-(int32_t)(x > hi), hi, x);
}

/* 2^n for n in -126..127, as unsigned so that the garbage a NaN leaves in n stays defined. */
NNRT_INLINE float nnrt_exp2i(uint32_t n)
{
    return nnrt_float_of((int32_t)((n + 127u) << 23));
}

/* Added to a float under 2^22 in size it rounds to an integer, which stands in the low bits. */
#define NNRT_ROUND 12582912.0f /* 1.5 * 2^23 */

/* e^x = 2^n (1 + r + r^2 q): n, r and r + r^2 q of an x in [-104, 89], or NaN. */
NNRT_INLINE float nnrt_exp_parts(float x, uint32_t *n)
{
    float t = x * 1.44269504f + NNRT_ROUND;
    float k = t - NNRT_ROUND;
    *n = (uint32_t)nnrt_bits_of(t) - (uint32_t)nnrt_bits_of(NNRT_ROUND);
    float r =
        x - k * 0.693145752f; /* ln 2 in two parts; the first has 16 bits: k times it is exact */
    r = r - k * 1.42860677e-06f;
    float q = 1.99129587e-4f;
    q = q * r + 1.39412039e-3f;
    q = q * r + 8.33327509e-3f;
    q = q * r + 4.16663513e-2f;
    q = q * r + 1.66666672e-1f;
    q = q * r + 0.5f;
    return r + r * r * q;
}

/* e^x. */
NNRT_INLINE float nnrt_expf(float x)
{
    uint32_t n;
    float p = nnrt_exp_parts(nnrt_clampf(x, -104.0f, 89.0f), &n);
    uint32_t half =
        (uint32_t)((int32_t)n >> 1); /* in two factors: 2^128 is no float, nor is 2^-149 */
    return (1.0f + p) * nnrt_exp2i(half) * nnrt_exp2i(n - half);
}

/* e^x - 1, exact to the last places near 0. */
NNRT_INLINE float nnrt_expm1f(float x)
{
    uint32_t n;
    float p = nnrt_exp_parts(nnrt_clampf(x, -30.0f, 89.0f), &n);
    float s = nnrt_exp2i(n - 1); /* half of 2^n, which may be 2^128 */
    float y = (s * p + (s - 0.5f)) * 2.0f;
    return nnrt_copysignf(y, x); /* -0 stays -0 */
}

/* log((1 + s) / (1 - s)) / s - 2 where f = 2 s / (1 - s), |s| <= 0.1716. */
NNRT_INLINE float nnrt_log_series(float s)
{
    float z = s * s;
    float p = 2.35825896e-1f;
    p = p * z + 2.85372883e-1f;
    p = p * z + 4.00003344e-1f;
    p = p * z + 6.66666627e-1f;
    return p * z;
}

/* log(1 + f) + k ln 2 + c for 1 + f in [sqrt 1/2, sqrt 2], an integer k and a small c. */
NNRT_INLINE float nnrt_log_sum(float f, float k, float c)
{
    float s = f / (2.0f + f);
    float half = 0.5f * f * f;
    float tail = s * (half + nnrt_log_series(s)) + (k * 1.42860677e-06f + c);
    return tail - half + f + k * 0.693145752f; /* 16 bits of ln 2: k times it is exact */
}

/* The natural logarithm. -inf at 0, NaN below. */
NNRT_INLINE float nnrt_logf(float x)
{
    int32_t ix = nnrt_bits_of(x);
    int32_t tiny = -(int32_t)(ix < 0x00800000);
    int32_t b = nnrt_bits_of(nnrt_select(tiny, x * 8388608.0f, x)); /* subnormal: times 2^23 */
    b = (int32_t)((uint32_t)b + (0x3f800000u - 0x3f3504f3u));
    float k = (float)((b >> 23) - 127 - (tiny & 23));
    float f = nnrt_float_of((b & 0x007fffff) + 0x3f3504f3) - 1.0f;
    float y = nnrt_log_sum(f, k, 0.0f);
    y = nnrt_select(-(int32_t)(ix >= 0x7f800000), x, y);
    y = nnrt_select(-(int32_t)(ix < 0), nnrt_float_of(0x7fc00000), y);
    return nnrt_select(-(int32_t)((ix & 0x7fffffff) == 0), nnrt_float_of((int32_t)0xff800000u), y);
}

/* log(1 + x), exact to the last places near 0. -inf at -1, NaN below. */
NNRT_INLINE float nnrt_log1pf(float x)
{
    int32_t ix = nnrt_bits_of(x);
    float u = 1.0f + x;
    int32_t b = (int32_t)((uint32_t)nnrt_bits_of(u) + (0x3f800000u - 0x3f3504f3u));
    int32_t k = (b >> 23) - 127;
    float f = nnrt_float_of((b & 0x007fffff) + 0x3f3504f3) - 1.0f;
    /* What rounding took from u, over u: a correction of the logarithm. */
    float lost = nnrt_select(-(int32_t)(k > 1), 1.0f - (u - x), x - (u - 1.0f));
    float c = lost / u;
    int32_t near = -(int32_t)(k == 0); /* there x itself serves and nothing was lost */
    f = nnrt_select(near, x, f);
    c = nnrt_select(near, 0.0f, c);
    float y = nnrt_log_sum(f, (float)k, c);
    y = nnrt_select(-(int32_t)(u < 0.0f), nnrt_float_of(0x7fc00000), y);
    y = nnrt_select(-(int32_t)(u == 0.0f), nnrt_float_of((int32_t)0xff800000u), y);
    y = nnrt_select(-(int32_t)((ix & 0x7fffffff) < 0x33000000), x, y); /* |x| < 2^-25, and -0 */
    return nnrt_select(-(int32_t)(ix >= 0x7f800000) | -(int32_t)(x != x), x, y);
}

/* 1 / (1 + e^-x). */
NNRT_INLINE float nnrt_sigmoidf(float x)
{
    float e = nnrt_expf(-nnrt_absf(x));
    return nnrt_select(-(int32_t)(x < 0.0f), e, 1.0f) / (1.0f + e);
}

/* log(1 + e^x), without overflow. */
NNRT_INLINE float nnrt_softplusf(float x)
{
    float positive = nnrt_select(-(int32_t)(x > 0.0f), x, 0.0f);
    return positive + nnrt_log1pf(nnrt_expf(-nnrt_absf(x)));
}

/* The hyperbolic tangent: a polynomial up to 0.625, 1 - 2 / (e^2x + 1) from there. */
NNRT_INLINE float nnrt_tanhf(float x)
{
    float a = nnrt_clampf(nnrt_absf(x), 0.0f, 10.0f);
    float z = a * a;
    float p = 2.14296975e-3f;
    p = p * z - 8.17740802e-3f;
    p = p * z + 2.17007082e-2f;
    p = p * z - 5.39467633e-2f;
    p = p * z + 1.33332059e-1f;
    p = p * z - 3.33333313e-1f;
    float small = a + a * z * p;
    float large = 1.0f - 2.0f / (nnrt_expf(a + a) + 1.0f);
    return nnrt_copysignf(nnrt_select(-(int32_t)(a < 0.625f), small, large), x);
}

/* The error function: a polynomial up to 0.927, 1 - e^(a polynomial) from there. */
NNRT_INLINE float nnrt_erff(float x)
{
    float a = nnrt_clampf(nnrt_absf(x), 0.0f, 4.0f);
    float z = a * a;
    float p = 8.31699144e-5f;
    p = p * z - 8.13007413e-4f;
    p = p * z + 5.1999134e-3f;
    p = p * z - 2.68589444e-2f;
    p = p * z + 1.12836875e-1f;
    p = p * z - 3.76126319e-1f;
    p = p * z + 1.28379166e-1f;
    float small = a + a * p;
    float q = -1.12317248e-5f;
    q = q * a + 3.22807871e-4f;
    q = q * a - 3.64247453e-3f;
    q = q * a + 2.37620939e-2f;
    q = q * a - 1.06236912e-1f;
    q = q * a - 6.35151267e-1f;
    q = q * a - 1.2864849e-1f;
    float large = 1.0f - nnrt_expf(q * a - a);
    return nnrt_copysignf(nnrt_select(-(int32_t)(a < 0.927f), small, large), x);
}

/* --- In double inside, where a float's 24 bits would not do ----------------------------------- */

#define NNRT_ROUND_D 6755399441055744.0 /* 1.5 * 2^52: rounds a double under 2^51 to an integer */

NNRT_INLINE double nnrt_round_d(double x)
{
    return (x + NNRT_ROUND_D) - NNRT_ROUND_D;
}

/* log2 of a float above 0 and finite, with some 45 bits. */
NNRT_INLINE double nnrt_log2_d(float x)
{
    int32_t tiny = -(int32_t)(nnrt_bits_of(x) < 0x00800000);
    int32_t b = nnrt_bits_of(nnrt_select(tiny, x * 8388608.0f, x));
    b = (int32_t)((uint32_t)b + (0x3f800000u - 0x3f3504f3u));
    double k = (double)((b >> 23) - 127 - (tiny & 23));
    double m = (double)nnrt_float_of((b & 0x007fffff) + 0x3f3504f3);
    double s = (m - 1.0) / (m + 1.0);
    double z = s * s;
    double p = 0.24295809943173746;
    p = p * z + 0.2614411417609142;
    p = p * z + 0.320616468730816;
    p = p * z + 0.41219840118139744;
    p = p * z + 0.5770780172498463;
    p = p * z + 0.9617966939243329;
    p = p * z + 2.885390081777927;
    return k + s * p;
}

/* 2^t as a float, for t in [-160, 150]; beyond, anything. */
NNRT_INLINE float nnrt_exp2_d(double t)
{
    double k = nnrt_round_d(t);
    double r = t - k;
    double p = 1.3175675048415587e-06;
    p = p * r + 1.5309964490768937e-05;
    p = p * r + 1.540385444341401e-04;
    p = p * r + 1.333345121689942e-03;
    p = p * r + 9.618128535883553e-03;
    p = p * r + 5.5504109402125586e-02;
    p = p * r + 2.4022650698928957e-01;
    p = p * r + 6.931471805463003e-01;
    p = p * r + 1.0;
    uint32_t n = (uint32_t)nnrt_bits_of((float)k + NNRT_ROUND) - (uint32_t)nnrt_bits_of(NNRT_ROUND);
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return (float)(p * (double)nnrt_exp2i(half) * (double)nnrt_exp2i(n - half));
}

/* x^y as C's pow: a negative x needs an integer y (else NaN), x^0 and 1^y are 1. */
NNRT_INLINE float nnrt_powf(float x, float y)
{
    float a = nnrt_absf(x);
    int32_t ia = nnrt_bits_of(a), iy = nnrt_bits_of(y), ix = nnrt_bits_of(x);
    int32_t zero = -(int32_t)(ia == 0), infinite = -(int32_t)(ia == 0x7f800000);
    /* Every float from 2^25 on is an even integer. */
    double w = (double)nnrt_clampf(y, -33554432.0f, 33554432.0f);
    float rest = (float)(w - nnrt_round_d(w)), half = (float)(0.5 * w - nnrt_round_d(0.5 * w));
    int32_t whole = -(int32_t)((nnrt_bits_of(rest) & 0x7fffffff) == 0);
    int32_t odd = whole & -(int32_t)((nnrt_bits_of(half) & 0x7fffffff) != 0);

    float clear = nnrt_select(zero | infinite | -(int32_t)(ia > 0x7f800000), 1.0f, a);
    double t = (double)y * nnrt_log2_d(clear);
    float p = nnrt_exp2_d(t), size = (float)t;
    p = nnrt_select(-(int32_t)(size > 150.0f), nnrt_float_of(0x7f800000), p);
    p = nnrt_select(-(int32_t)(size < -160.0f), 0.0f, p);
    p = nnrt_select(-(int32_t)(ia == 0x3f800000), 1.0f, p);

    /* 0 and infinity: the power is 0 or infinity by the sign of y. */
    float extreme = nnrt_float_of(0x7f800000 & ((iy >> 31) ^ infinite));
    p = nnrt_select(zero | infinite, extreme, p);
    p = nnrt_float_of(nnrt_bits_of(p) | (odd & ix & INT32_MIN));
    p = nnrt_select((ix >> 31) & ~zero & ~infinite & ~whole, nnrt_float_of(0x7fc00000), p);
    int32_t nan = -(int32_t)(ia > 0x7f800000) | -(int32_t)((iy & 0x7fffffff) > 0x7f800000);
    p = nnrt_select(nan, x + y, p);
    return nnrt_select(-(int32_t)(ix == 0x3f800000) | -(int32_t)((iy & 0x7fffffff) == 0), 1.0f, p);
}

/* (-1)^n sin(x - (n + shift) pi) where n + shift is nearest to x / pi: one half turn serves all. */
NNRT_INLINE float nnrt_sin_turned(float x, double shift, double sign)
{
    int32_t far = -(int32_t)(nnrt_absf(x) > 16777216.0f);
    double d = (double)nnrt_select(far, 0.0f, x);
    double n = nnrt_round_d(d * 0.31830988618379067 - shift);
    double h = n + shift;
    double r = d - h * 3.141592651605606; /* pi in three parts, of which two have 29 bits */
    r = r - h * 1.9841871548575973e-09;
    r = r - h * 4.503483548312435e-18;
    double parity = n * 0.5 - nnrt_round_d(n * 0.5); /* 0, or +-0.5 where n is odd */
    r = r * (sign - 8.0 * sign * parity * parity);
    float z = (float)(r * r);
    float p = -2.38889104e-8f;
    p = p * z + 2.75253842e-6f;
    p = p * z - 1.98408685e-4f;
    p = p * z + 8.33333097e-3f;
    double s = r * r;
    s = s * ((double)p * s - 0.16666666626150858);
    float y = (float)(r + r * s);
    return nnrt_select(-(int32_t)((nnrt_bits_of(x) & 0x7fffffff) >= 0x7f800000), x - x, y);
}

/* The sine of x radians. Beyond 2^24 floats lie 2 or more radians apart: it is taken as sin 0. */
NNRT_INLINE float nnrt_sinf(float x)
{
    float y = nnrt_sin_turned(x, 0.0, 1.0);
    return nnrt_select(-(int32_t)((nnrt_bits_of(x) & 0x7fffffff) < 0x39000000), x, y); /* and -0 */
}

/* The cosine of x radians. Beyond 2^24 it is taken as cos 0. */
NNRT_INLINE float nnrt_cosf(float x)
{
    return nnrt_sin_turned(x, 0.5, -1.0);
}

/* The square root: the processor's own instruction (under -fno-math-errno also in vectors). */
NNRT_INLINE float nnrt_sqrtf(float x)
{
    return __builtin_sqrtf(x);
}

#endif
