/* SPDX-License-Identifier: MIT */
/* attention.c: what a kernel of attention does with a block of queries and a block of keys.
 *
 * A template: it compiles as it stands, with the numbers below, and is tested so; nncc pastes
 * what lies between two marks into a model, with its own numbers for the NNCC_ names. Weights are
 * held transposed, a row a key and a column a query, so that maxima and sums over keys are of whole
 * vectors of queries. Blocks are of NNCC_BLOCK queries and keys; what is past the last one computes with
 * zeros. After Rabe and Staats, 2021, and Dao et al., 2022. */
#ifndef NNCC_TILE_M
#define NNCC_TILE_M  8
#define NNCC_TILE_N  32
#define NNCC_LANES   16
#define NNCC_BLOCK   64
#define NNCC_VECTOR  attention_vector
#define NNCC_PRODUCT attention_product
#define NNCC_SCORES  attention_scores
#define NNCC_WEIGHTS attention_weights
#define NNCC_AGAIN   attention_again
#define NNCC_PART    attention_part
#define NNCC_DROP    attention_drop
#define NNCC_TURN    attention_turn
#define NNCC_FOUR    attention_four
#define NNCC_DOTS    attention_dots
#include "nnrt_math.h"
#include "nnrt_rand.h"
#endif

#include <stddef.h>

/* nncc: begin product */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* What a causal mask leaves of a product: row i of a holds numbers other than 0 from i - before on and up to
 * i + after, and column j of the result is wanted in rows up to j + below. NNCC_BLOCK: all. */
typedef struct {
    int before, after, below;
} NNCC_PART;

/* to[rows][columns], rows `to_row` apart, = the sum over k of a(i, k) * b[k][j], plus what is there if
 * `more`; a(i, k) = a[i * row + k * step]. Rows of a, and columns of b, are there up to a multiple of
 * the tile's. */
static void NNCC_PRODUCT(int rows, int columns, int inner, const float *a, ptrdiff_t row,
                         ptrdiff_t step, const float *b, ptrdiff_t b_row, float *to,
                         ptrdiff_t to_row, int more, NNCC_PART part)
{
    enum { M = NNCC_TILE_M, N = NNCC_TILE_N, L = NNCC_LANES, V = N / L };
    for (int j = 0; j < columns; j += N)
        for (int i = 0; i < rows; i += M) {
            NNCC_VECTOR acc[M][V] = {{{0}}};
            const float *from = a + i * row, *panel = b + j;
            const int end = i + M + part.after < inner ? i + M + part.after : inner;
            if (i > j + N - 1 + part.below)
                continue;
            for (int k = i > part.before ? i - part.before : 0; k < end; k++) {
                NNCC_VECTOR x[V];
                __builtin_memcpy(x, panel + k * b_row, sizeof x);
#pragma GCC unroll 16
                for (int u = 0; u < M; u++) {
                    const float y = from[u * row + k * step];
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++)
                        acc[u][v] += y * x[v];
                }
            }
            float *at = to + i * to_row + j;
            if (rows - i >= M && columns - j >= N) {
#pragma GCC unroll 16
                for (int u = 0; u < M; u++)
#pragma GCC unroll 4
                    for (int v = 0; v < V; v++) {
                        NNCC_VECTOR old = {0};
                        if (more)
                            __builtin_memcpy(&old, at + u * to_row + v * L, sizeof old);
                        old += acc[u][v];
                        __builtin_memcpy(at + u * to_row + v * L, &old, sizeof old);
                    }
                continue;
            }
            float tile[M * N];
#pragma GCC unroll 16
            for (int u = 0; u < M; u++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    __builtin_memcpy(tile + u * N + v * L, &acc[u][v], sizeof acc[u][v]);
            for (int u = 0; u < M && u < rows - i; u++)
                for (int v = 0; v < N && v < columns - j; v++)
                    at[u * to_row + v] = tile[u * N + v] + (more ? at[u * to_row + v] : 0.0f);
        }
}
/* nncc: end */

/* nncc: begin turn */
typedef float NNCC_FOUR __attribute__((vector_size(16)));

/* to[k][i] = x[i][k] for i below NNCC_BLOCK and k below width, a multiple of 4: squares of 4 by 4 are turned in
 * registers. */
static inline void NNCC_TURN(int width, const float *x, float *to)
{
#if defined(__clang__) || __GNUC__ >= 12
    for (int i = 0; i < NNCC_BLOCK; i += 4)
        for (int k = 0; k < width; k += 4) {
            NNCC_FOUR a, b, c, d;
            __builtin_memcpy(&a, x + i * width + k, sizeof a);
            __builtin_memcpy(&b, x + (i + 1) * width + k, sizeof b);
            __builtin_memcpy(&c, x + (i + 2) * width + k, sizeof c);
            __builtin_memcpy(&d, x + (i + 3) * width + k, sizeof d);
            const NNCC_FOUR low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            const NNCC_FOUR high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const NNCC_FOUR more = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            const NNCC_FOUR most = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            a = __builtin_shufflevector(low, more, 0, 1, 4, 5);
            b = __builtin_shufflevector(low, more, 2, 3, 6, 7);
            c = __builtin_shufflevector(high, most, 0, 1, 4, 5);
            d = __builtin_shufflevector(high, most, 2, 3, 6, 7);
            __builtin_memcpy(to + k * NNCC_BLOCK + i, &a, sizeof a);
            __builtin_memcpy(to + (k + 1) * NNCC_BLOCK + i, &b, sizeof b);
            __builtin_memcpy(to + (k + 2) * NNCC_BLOCK + i, &c, sizeof c);
            __builtin_memcpy(to + (k + 3) * NNCC_BLOCK + i, &d, sizeof d);
        }
#else
    for (int i = 0; i < NNCC_BLOCK; i++)
        for (int k = 0; k < width; k++)
            to[k * NNCC_BLOCK + i] = x[i * width + k];
#endif
}
/* nncc: end */

/* nncc: begin dots */
/* sum[i] = the sum over k of a[i][k] * b[i][k], of width numbers, whole vectors. */
static inline void NNCC_DOTS(int width, const float *a, const float *b, float *sum)
{
    for (int i = 0; i < NNCC_BLOCK; i++) {
        NNCC_VECTOR all = {0};
        for (int k = 0; k < width; k += NNCC_LANES) {
            NNCC_VECTOR x, y;
            __builtin_memcpy(&x, a + i * width + k, sizeof x);
            __builtin_memcpy(&y, b + i * width + k, sizeof y);
            all += x * y;
        }
        sum[i] = 0.0f;
        for (int v = 0; v < NNCC_LANES; v++)
            sum[i] += all[v];
    }
}
/* nncc: end */

/* nncc: begin scores */
/* The scores of a block: less slope * distance; far below all others where a query, `ahead` positions
 * behind the first key, does not see a key. */
static inline void NNCC_SCORES(int keys, int ahead, int causal, float slope, float *score)
{
    for (int j = 0; j < keys; j++) {
        float *row = score + j * NNCC_BLOCK;
        if (slope != 0.0f)
#pragma omp simd
            for (int i = 0; i < NNCC_BLOCK; i++) {
                const int far = i + ahead - j;
                row[i] -= slope * (float)(far < 0 ? -far : far);
            }
        if (causal && j > ahead)
#pragma omp simd
            for (int i = 0; i < NNCC_BLOCK; i++)
                row[i] = i < j - ahead ? -1e38f : row[i];
    }
}
/* nncc: end */

/* nncc: begin weights */
/* Makes weights of the scores of a block: e^(score - most), most being the largest score so far of a
 * query; sum and the values summed so far, [NNCC_BLOCK][width], shrink as that grows. */
static inline void NNCC_WEIGHTS(int keys, float *score, float *most, float *sum, int width,
                                float *value)
{
    float top[NNCC_BLOCK], shrink[NNCC_BLOCK];
    for (int i = 0; i < NNCC_BLOCK; i++)
        top[i] = most[i];
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float x = score[j * NNCC_BLOCK + i];
            top[i] = x > top[i] ? x : top[i];
        }
    for (int i = 0; i < NNCC_BLOCK; i++) {
        shrink[i] = nnrt_expf(most[i] - top[i]);
        sum[i] *= shrink[i];
        most[i] = top[i];
    }
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float p = nnrt_expf(score[j * NNCC_BLOCK + i] - top[i]);
            score[j * NNCC_BLOCK + i] = p;
            sum[i] += p;
        }
    for (int i = 0; i < NNCC_BLOCK; i++)
        for (int d = 0; d < width; d++)
            value[i * width + d] *= shrink[i];
}
/* nncc: end */

/* nncc: begin again */
/* Makes the weights of the scores again, from the logs of their sums, and the gradients of the scores
 * of those of the weights. */
static inline void NNCC_AGAIN(int keys, const float *log, const float *rest, float *score,
                              float *error)
{
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float p = nnrt_expf(score[j * NNCC_BLOCK + i] - log[i]);
            score[j * NNCC_BLOCK + i] = p;
            error[j * NNCC_BLOCK + i] = p * (error[j * NNCC_BLOCK + i] - rest[i]);
        }
}
/* nncc: end */

/* nncc: begin drop */
/* Drops weights of a block, each with probability p, and multiplies the others by `more`. The random number
 * of query i and key j is the one at first + i * step + j. */
static inline void NNCC_DROP(int keys, nnrt_rand_key key, uint64_t first, uint64_t step, float p,
                             float more, float *weight)
{
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const float x = nnrt_rand_uniform(key, first + (uint64_t)i * step + (uint64_t)j);
            weight[j * NNCC_BLOCK + i] *= x >= p ? more : 0.0f;
        }
}
/* nncc: end */
