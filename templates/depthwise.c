/* SPDX-License-Identifier: MIT */
/* depthwise.c: the register tile of a convolution whose channels stand alone, channels last.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between the two marks into a model, with its own numbers for the NNCC_ names. Sums of
 * NNCC_TILE_W pixels of a row, NNCC_TILE_N channels each, stay in vector registers while taps are added in
 * their order; a column of x is read once for all pixels that it is a tap of. */
#ifndef NNCC_TILE_W
#define NNCC_TILE_W 7
#define NNCC_TILE_N 32
#define NNCC_TAPS_W 3
#define NNCC_STEP   1
#define NNCC_LANES  16
#define NNCC_NAME   depthwise_7x32
#define NNCC_EDGE   depthwise_7x32_edge
#define NNCC_TAPS   depthwise_7x32_taps
#define NNCC_VECTOR depthwise_vector
#endif

#include <stddef.h>

/* nncc: begin */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* The taps that lie on x: rows and columns of the weight, from, and up to. */
typedef struct {
    int top, bottom, left, right;
} NNCC_TAPS;

/* tile[NNCC_TILE_W][NNCC_TILE_N] = pixels of a row, of all columns of taps. x: the first tap of the first pixel, its
 * rows `down` and its columns `along` apart; weight: [taps][channels]. */
static inline __attribute__((always_inline)) void NNCC_NAME(const float *x, ptrdiff_t down,
                                                            ptrdiff_t along, NNCC_TAPS taps,
                                                            const float *weight, ptrdiff_t channels,
                                                            float *tile)
{
    enum { P = NNCC_TILE_W, T = NNCC_TAPS_W, S = NNCC_STEP, V = NNCC_TILE_N / NNCC_LANES };
    NNCC_VECTOR acc[P][V] = {{{0}}};
    for (int h = taps.top; h < taps.bottom; h++) {
        NNCC_VECTOR w[T][V];
#pragma GCC unroll 16
        for (int k = 0; k < T; k++)
            __builtin_memcpy(w[k], weight + (h * T + k) * channels, sizeof w[k]);
#pragma GCC unroll 64
        for (int column = 0; column < (P - 1) * S + T; column++) {
            NNCC_VECTOR a[V];
            __builtin_memcpy(a, x + h * down + column * along, sizeof a);
#pragma GCC unroll 16
            for (int k = T - 1; k >= 0; k--)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    if ((column - k) % S == 0 && column >= k && (column - k) / S < P)
                        acc[(column - k) / S][v] += a[v] * w[k][v];
        }
    }
#pragma GCC unroll 32
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            __builtin_memcpy(tile + i * NNCC_TILE_N + v * NNCC_LANES, &acc[i][v], sizeof acc[i][v]);
}

/* tile[NNCC_TILE_N] = one pixel at an edge, of the columns of taps that lie on x. */
static inline __attribute__((always_inline)) void NNCC_EDGE(const float *x, ptrdiff_t down,
                                                            ptrdiff_t along, NNCC_TAPS taps,
                                                            const float *weight, ptrdiff_t channels,
                                                            float *tile)
{
    enum { V = NNCC_TILE_N / NNCC_LANES };
    NNCC_VECTOR acc[V] = {{0}};
    for (int h = taps.top; h < taps.bottom; h++)
        for (int k = taps.left; k < taps.right; k++) {
            NNCC_VECTOR a[V], w[V];
            __builtin_memcpy(a, x + h * down + k * along, sizeof a);
            __builtin_memcpy(w, weight + (h * NNCC_TAPS_W + k) * channels, sizeof w);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += a[v] * w[v];
        }
    __builtin_memcpy(tile, acc, sizeof acc);
}
/* nncc: end */
