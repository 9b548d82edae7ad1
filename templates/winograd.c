/* SPDX-License-Identifier: MIT */
/* winograd.c: what Winograd's F(4x4, 3x3) makes of pixels, of a weight and of products, channels last.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between two marks into a model, with its own numbers for the NNCC_ names. The
 * method: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). A convolution
 * of 3 taps gives 4 pixels of 6 by six products, of polynomials' values at the points 0, p, -p, q, -q
 * and infinity. With p q = 1 the numbers that rounding meets stay small: p is the root of 1/2, q that
 * of 2. No sum below adds two products, so that a compiler has no choice which one it fuses. */
#ifndef NNCC_LANES
#define NNCC_LANES      16
#define NNCC_VECTOR     winograd_vector
#define NNCC_PATCH      winograd_patch
#define NNCC_PATCH_1D   winograd_patch_1d
#define NNCC_WEIGHT     winograd_weight
#define NNCC_WEIGHT_1D  winograd_weight_1d
#define NNCC_RESULTS    winograd_results
#define NNCC_RESULTS_1D winograd_results_1d
#define NNCC_ERRORS     winograd_errors
#define NNCC_ERRORS_1D  winograd_errors_1d
#define NNCC_CHANGES    winograd_changes
#define NNCC_CHANGES_1D winograd_changes_1d
#endif

#include <stddef.h>

/* nncc: begin patch */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The values at six points of the polynomial that six pixels, `step` apart, stand for. */
static inline __attribute__((always_inline)) void NNCC_PATCH_1D(const NNCC_VECTOR *x, int step,
                                                                NNCC_VECTOR *to)
{
    const NNCC_VECTOR x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step];
    const NNCC_VECTOR even_p = x4 - 2.0f * x2, odd_p = x3 - 2.0f * x1;
    const NNCC_VECTOR even_q = x4 - 0.5f * x2, odd_q = x3 - 0.5f * x1;
    to[0] = (x[0] + x4) - 2.5f * x2;
    to[1] = even_p + 0.70710678f * odd_p;
    to[2] = even_p - 0.70710678f * odd_p;
    to[3] = even_q + 1.41421356f * odd_q;
    to[4] = even_q - 1.41421356f * odd_q;
    to[5] = (x1 + x[5 * step]) - 2.5f * x3;
}

/* to, 36 rows of `width` floats `distance` apart = those of a patch of 6 x 6 pixels of so many floats, `below` and
 * `beside` apart. */
static inline void NNCC_PATCH(const float *patch, ptrdiff_t below, ptrdiff_t beside, int width,
                              float *to, ptrdiff_t distance)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR down[36];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            NNCC_VECTOR x[6];
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                __builtin_memcpy(&x[i], patch + i * below + j * beside + v, sizeof x[i]);
            NNCC_PATCH_1D(x, 1, &down[j * 6]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            NNCC_VECTOR both[6];
            NNCC_PATCH_1D(&down[i], 6, both);
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++)
                __builtin_memcpy(to + (i * 6 + j) * distance + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */

/* nncc: begin weight */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The values at six points of the polynomial that three taps, `step` apart, stand for. */
static inline __attribute__((always_inline)) void NNCC_WEIGHT_1D(const NNCC_VECTOR *w, int step,
                                                                 NNCC_VECTOR *to)
{
    const NNCC_VECTOR w1 = w[step], w2 = w[2 * step];
    const NNCC_VECTOR even_p = w[0] + 0.5f * w2, even_q = w[0] + 2.0f * w2;
    to[0] = w[0];
    to[1] = (even_p + 0.70710678f * w1) * -0.66666667f;
    to[2] = (even_p - 0.70710678f * w1) * -0.66666667f;
    to[3] = (even_q + 1.41421356f * w1) * 0.16666667f;
    to[4] = (even_q - 1.41421356f * w1) * 0.16666667f;
    to[5] = w2;
}

/* to, 36 rows of `width` floats `distance` apart = those of 3 x 3 taps of so many floats, `below` and `beside`
 * apart. */
static inline void NNCC_WEIGHT(const float *taps, ptrdiff_t below, ptrdiff_t beside, int width,
                               float *to, ptrdiff_t distance)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR down[18];
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) {
            NNCC_VECTOR w[3];
#pragma GCC unroll 3
            for (int i = 0; i < 3; i++)
                __builtin_memcpy(&w[i], taps + i * below + j * beside + v, sizeof w[i]);
            NNCC_WEIGHT_1D(w, 1, &down[j * 6]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            NNCC_VECTOR both[6];
            NNCC_WEIGHT_1D(&down[i], 6, both);
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++)
                __builtin_memcpy(to + (i * 6 + j) * distance + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */

/* nncc: begin results */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* Four pixels of the products at six points, `step` apart. */
static inline __attribute__((always_inline)) void NNCC_RESULTS_1D(const NNCC_VECTOR *y, int step,
                                                                  NNCC_VECTOR *to)
{
    const NNCC_VECTOR even_p = y[step] + y[2 * step], odd_p = y[step] - y[2 * step];
    const NNCC_VECTOR even_q = y[3 * step] + y[4 * step], odd_q = y[3 * step] - y[4 * step];
    to[0] = y[0] + even_p + even_q;
    to[1] = (odd_p + 2.0f * odd_q) * 0.70710678f;
    to[2] = (even_p + 4.0f * even_q) * 0.5f;
    to[3] = y[5 * step] + (odd_p + 8.0f * odd_q) * 0.35355339f;
}

/* tile[4][4][width] = the pixels that products give, 36 rows of `width` floats `distance` apart. */
static inline void NNCC_RESULTS(const float *products, int width, ptrdiff_t distance, float *tile)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR down[24];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            NNCC_VECTOR y[6];
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                __builtin_memcpy(&y[i], products + (i * 6 + j) * distance + v, sizeof y[i]);
            NNCC_RESULTS_1D(y, 1, &down[j * 4]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            NNCC_VECTOR both[4];
            NNCC_RESULTS_1D(&down[i], 4, both);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                __builtin_memcpy(tile + (i * 4 + j) * width + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */

/* nncc: begin errors */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* What NNCC_RESULTS_1D hands back: what four pixels' errors are at six points. */
static inline __attribute__((always_inline)) void NNCC_ERRORS_1D(const NNCC_VECTOR *dy, int step,
                                                                 NNCC_VECTOR *to)
{
    const NNCC_VECTOR y1 = dy[step], y2 = dy[2 * step], y3 = dy[3 * step];
    const NNCC_VECTOR even_p = dy[0] + 0.5f * y2, odd_p = y1 + 0.5f * y3;
    const NNCC_VECTOR even_q = dy[0] + 2.0f * y2, odd_q = y1 + 2.0f * y3;
    to[0] = dy[0];
    to[1] = even_p + 0.70710678f * odd_p;
    to[2] = even_p - 0.70710678f * odd_p;
    to[3] = even_q + 1.41421356f * odd_q;
    to[4] = even_q - 1.41421356f * odd_q;
    to[5] = y3;
}

/* to, 36 rows of `width` floats `distance` apart = those of a patch of 4 x 4 pixels' errors, so many floats, `below`
 * and `beside` apart. */
static inline void NNCC_ERRORS(const float *patch, ptrdiff_t below, ptrdiff_t beside, int width,
                               float *to, ptrdiff_t distance)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR down[24];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            NNCC_VECTOR dy[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                __builtin_memcpy(&dy[i], patch + i * below + j * beside + v, sizeof dy[i]);
            NNCC_ERRORS_1D(dy, 1, &down[j * 6]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            NNCC_VECTOR both[6];
            NNCC_ERRORS_1D(&down[i], 6, both);
#pragma GCC unroll 6
            for (int j = 0; j < 6; j++)
                __builtin_memcpy(to + (i * 6 + j) * distance + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */

/* nncc: begin changes */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* What NNCC_WEIGHT_1D hands back: the change of three taps by that at six points. */
static inline __attribute__((always_inline)) void NNCC_CHANGES_1D(const NNCC_VECTOR *s, int step,
                                                                  NNCC_VECTOR *to)
{
    const NNCC_VECTOR even_p = s[step] + s[2 * step], odd_p = s[step] - s[2 * step];
    const NNCC_VECTOR even_q = s[3 * step] + s[4 * step], odd_q = s[3 * step] - s[4 * step];
    to[0] = s[0] + 0.16666667f * (even_q - 4.0f * even_p);
    to[1] = (odd_q - 2.0f * odd_p) * 0.23570226f;
    to[2] = s[5 * step] + 0.33333333f * (even_q - even_p);
}

/* taps[3][3], rows of `size` floats = the change of a weight by 36 such rows of sums; size: a multiple of
 * NNCC_LANES. */
static inline void NNCC_CHANGES(const float *sums, int size, float *taps)
{
    for (int v = 0; v < size; v += NNCC_LANES) {
        NNCC_VECTOR down[18];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            NNCC_VECTOR s[6];
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                __builtin_memcpy(&s[i], sums + (i * 6 + j) * size + v, sizeof s[i]);
            NNCC_CHANGES_1D(s, 1, &down[j * 3]);
        }
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            NNCC_VECTOR both[3];
            NNCC_CHANGES_1D(&down[i], 3, both);
#pragma GCC unroll 3
            for (int j = 0; j < 3; j++)
                __builtin_memcpy(taps + (i * 3 + j) * size + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */
