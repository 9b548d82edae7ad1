/* SPDX-License-Identifier: MIT */
/* winograd.c: what Winograd's F(4x4, 3x3) makes of pixels, of a weight and of products, channels last.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. The
 * method: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). A convolution
 * of 3 taps gives 4 pixels of 6 by six products, of polynomials' values at the points 0, p, -p, q, -q
 * and infinity. With p q = 1 the numbers that rounding meets stay small: p is the root of 1/2, q that
 * of 2. No sum below adds two products, so that a compiler has no choice which one it fuses. */
#ifndef NNCC_LANES
#define NNCC_LANES      16
#define NNCC_VECTOR     winograd_vector
#define NNCC_PIXELS     winograd_pixels
#define NNCC_PIXELS_1D  winograd_pixels_1d
#define NNCC_TAPS       winograd_taps
#define NNCC_TAPS_1D    winograd_taps_1d
#define NNCC_RESULTS    winograd_results
#define NNCC_RESULTS_1D winograd_results_1d
#endif

#include <stddef.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The values at six points of the polynomial that six pixels, `step` apart, stand for. */
static inline __attribute__((always_inline)) void NNCC_PIXELS_1D(const NNCC_VECTOR *x, int step,
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

/* to, 36 rows of `width` floats `distance` apart = those of a patch[6][6][width] of pixels. */
static void NNCC_PIXELS(const float *patch, int width, float *to, ptrdiff_t distance)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR x[36], down[36], both[6];
        for (int i = 0; i < 36; i++)
            __builtin_memcpy(&x[i], patch + i * width + v, sizeof x[i]);
        for (int j = 0; j < 6; j++)
            NNCC_PIXELS_1D(&x[j], 6, &down[j * 6]);
        for (int i = 0; i < 6; i++) {
            NNCC_PIXELS_1D(&down[i], 6, both);
            for (int j = 0; j < 6; j++)
                __builtin_memcpy(to + (i * 6 + j) * distance + v, &both[j], sizeof both[j]);
        }
    }
}

/* The values at six points of the polynomial that three taps, `step` apart, stand for. */
static inline __attribute__((always_inline)) void NNCC_TAPS_1D(const NNCC_VECTOR *w, int step,
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

/* to, 36 rows of `width` floats `distance` apart = those of taps[3][3][width] of a weight. */
static void NNCC_TAPS(const float *taps, int width, float *to, ptrdiff_t distance)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR w[9], down[18], both[6];
        for (int i = 0; i < 9; i++)
            __builtin_memcpy(&w[i], taps + i * width + v, sizeof w[i]);
        for (int j = 0; j < 3; j++)
            NNCC_TAPS_1D(&w[j], 3, &down[j * 6]);
        for (int i = 0; i < 6; i++) {
            NNCC_TAPS_1D(&down[i], 6, both);
            for (int j = 0; j < 6; j++)
                __builtin_memcpy(to + (i * 6 + j) * distance + v, &both[j], sizeof both[j]);
        }
    }
}

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
static void NNCC_RESULTS(const float *products, int width, ptrdiff_t distance, float *tile)
{
    for (int v = 0; v < width; v += NNCC_LANES) {
        NNCC_VECTOR y[36], down[24], both[4];
        for (int i = 0; i < 36; i++)
            __builtin_memcpy(&y[i], products + i * distance + v, sizeof y[i]);
        for (int j = 0; j < 6; j++)
            NNCC_RESULTS_1D(&y[j], 6, &down[j * 4]);
        for (int i = 0; i < 4; i++) {
            NNCC_RESULTS_1D(&down[i], 4, both);
            for (int j = 0; j < 4; j++)
                __builtin_memcpy(tile + (i * 4 + j) * width + v, &both[j], sizeof both[j]);
        }
    }
}
/* nncc: end */
