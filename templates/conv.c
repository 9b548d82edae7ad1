/* SPDX-License-Identifier: MIT */
/* conv.c: the register tile of a convolution, channels last.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. The
 * accumulators, NNCC_TILE_H x NNCC_TILE_W pixels of NNCC_TILE_N channels, stay in vector registers
 * while taps and channels are summed in their order, so the result does not depend on how tiles
 * are shared out; they are stored one by one, as a copy of all would keep them in memory. Calls give
 * distances as constants: the function is made anew for each. The panel, which may come from memory, is asked
 * for that many floats ahead that it is there in time. */
#ifndef NNCC_TILE_H
#define NNCC_TILE_H 2
#define NNCC_TILE_W 4
#define NNCC_TILE_N 32
#define NNCC_LANES  16
#define NNCC_NAME   conv_2x4x32
#define NNCC_TAPS   conv_2x4x32_taps
#define NNCC_VECTOR conv_vector
#endif

#include <stddef.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The taps of a pixel: how many along each axis, and how far apart they are in x; `run` numbers of x
 * are summed at each. */
typedef struct {
    int d, h, w, run;
    ptrdiff_t d_step, h_step, w_step;
} NNCC_TAPS;

/* tile[NNCC_TILE_H * NNCC_TILE_W][NNCC_TILE_N] = the pixels at x, `down` and `along` apart, times a
 * panel of one row of NNCC_TILE_N numbers for each number of x, rows `stride` apart. */
static inline __attribute__((always_inline)) void NNCC_NAME(const float *x, ptrdiff_t down,
                                                            ptrdiff_t along, NNCC_TAPS taps,
                                                            const float *panel, ptrdiff_t stride,
                                                            float *tile)
{
    enum { W = NNCC_TILE_W, P = NNCC_TILE_H * NNCC_TILE_W, V = NNCC_TILE_N / NNCC_LANES };
    enum { AHEAD = 1536 / NNCC_TILE_N };
    NNCC_VECTOR acc[P][V] = {{{0}}};
    for (int d = 0; d < taps.d; d++)
        for (int h = 0; h < taps.h; h++)
            for (int w = 0; w < taps.w; w++) {
                const float *from = x + d * taps.d_step + h * taps.h_step + w * taps.w_step;
                for (int k = 0; k < taps.run; k++) {
                    NNCC_VECTOR b[V];
                    __builtin_memcpy(b, panel, sizeof b);
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++)
                        __builtin_prefetch(panel + AHEAD * stride + v * NNCC_LANES);
                    panel += stride;
#pragma GCC unroll 32
                    for (int i = 0; i < P; i++) {
                        const float a = from[i / W * down + i % W * along + k];
#pragma GCC unroll 4
                        for (int v = 0; v < V; v++)
                            acc[i][v] += a * b[v];
                    }
                }
            }
#pragma GCC unroll 32
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            __builtin_memcpy(tile + i * NNCC_TILE_N + v * NNCC_LANES, &acc[i][v], sizeof acc[i][v]);
}
/* nncc: end */
