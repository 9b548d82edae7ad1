/* SPDX-License-Identifier: MIT */
/* conv_weight.c: the register tile of the gradient of a convolution's weight, channels last.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. Pixels
 * are summed in their order: samples, rows, pixels of a row. */
#ifndef NNCC_TILE_M
#define NNCC_TILE_M 8
#define NNCC_TILE_N 32
#define NNCC_LANES  16
#define NNCC_NAME   conv_weight_8x32
#define NNCC_PIXELS conv_weight_8x32_pixels
#define NNCC_VECTOR conv_weight_vector
#endif

#include <stddef.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The pixels of dy: how many samples, rows and pixels of a row, and how far apart they are in x
 * and in dy. */
typedef struct {
    int samples, rows, pixels;
    ptrdiff_t x_sample, x_row, x_pixel, dy_sample, dy_row, dy_pixel;
} NNCC_PIXELS;

/* to[NNCC_TILE_M][NNCC_TILE_N] = from, or zeros where it is NULL, and the sum over all pixels of
 * x[i] * dy[j]. */
static inline __attribute__((always_inline)) void NNCC_NAME(const float *x, const float *dy,
                                                            NNCC_PIXELS p, const float *from,
                                                            float *to)
{
    enum { M = NNCC_TILE_M, V = NNCC_TILE_N / NNCC_LANES };
    NNCC_VECTOR acc[M][V] = {{{0}}};
    /* Loaded and stored one by one: a copy of all would keep them in memory. */
    if (from) {
#pragma GCC unroll 32
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(&acc[i][v], from + i * NNCC_TILE_N + v * NNCC_LANES,
                                 sizeof acc[i][v]);
    }
    for (int s = 0; s < p.samples; s++)
        for (int h = 0; h < p.rows; h++) {
            const float *a = x + s * p.x_sample + h * p.x_row;
            const float *c = dy + s * p.dy_sample + h * p.dy_row;
            for (int w = 0; w < p.pixels; w++) {
                NNCC_VECTOR b[V];
                __builtin_memcpy(b, c, sizeof b);
#pragma GCC unroll 32
                for (int i = 0; i < M; i++) {
                    const float u = a[i];
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++)
                        acc[i][v] += u * b[v];
                }
                a += p.x_pixel;
                c += p.dy_pixel;
            }
        }
#pragma GCC unroll 32
    for (int i = 0; i < M; i++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            __builtin_memcpy(to + i * NNCC_TILE_N + v * NNCC_LANES, &acc[i][v], sizeof acc[i][v]);
}
/* nncc: end */
