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
#define NNCC_PART    attention_part
#define NNCC_NEXT    attention_next
#define NNCC_BITS    attention_bits
#define NNCC_EXP     attention_exp
#define NNCC_LAST    attention_last
#define NNCC_SLOPES  attention_slopes
#define NNCC_HIDE    attention_hide
#define NNCC_WEIGHTS attention_weights
#define NNCC_MOST    attention_most
#define NNCC_DONE    attention_done
#define NNCC_AGAIN   attention_again
#define NNCC_DROP    attention_drop
#define NNCC_TIMES   attention_times
#define NNCC_LONGS   attention_longs
#define NNCC_DOTS    attention_dots
#define NNCC_SUMS    attention_sums
#include "nnrt_math.h"
#include "nnrt_rand.h"
#endif

#include <stddef.h>

/* nncc: begin product */
typedef float NNCC_VECTOR __attribute__((vector_size(NNCC_LANES * 4)));

/* What a causal mask leaves of a product: row i of a holds numbers other than 0 from i - before on and up to
 * i + after, and column j of the result is wanted in rows up to j + below. A large number: all. */
typedef struct {
    int before, after, below;
} NNCC_PART;

/* Rows that are wanted soon, `row` numbers apart: far enough for no prefetcher to run ahead. Loads of them side
 * by side would wait for each other. */
typedef struct {
    const float *at;
    ptrdiff_t row;
    int rows, width;
} NNCC_NEXT;

/* to[rows][columns], rows `to_row` apart, = the sum over k of a(i, k) * b[k][j], plus what is there if
 * `more`; a(i, k) = a[i * row + k * step]. Brings near, meanwhile, as many rows of `next`. Rows of a, and
 * columns of b, are there up to a multiple of the tile's. */
NNRT_INLINE void NNCC_PRODUCT(int rows, int columns, int inner, const float *a, ptrdiff_t row,
                         ptrdiff_t step, const float *b, ptrdiff_t b_row, float *to,
                         ptrdiff_t to_row, int more, NNCC_PART part, NNCC_NEXT next)
{
    enum { M = NNCC_TILE_M, N = NNCC_TILE_N, L = NNCC_LANES, V = N / L, LINE = 16 };
    for (int j = 0; j < columns; j += N)
        for (int i = 0; i < rows; i += M) {
            for (int u = i; u < i + M && u < next.rows; u++)
                for (int k = j / N * LINE; k < next.width; k += (columns + N - 1) / N * LINE)
                    __builtin_prefetch(next.at + u * next.row + k);
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

/* nncc: begin dots */
/* part[i][..] = sums of a[i][k] * b[i][k] over k, a vector of sums a row; NNCC_SUMS adds it up. */
NNRT_INLINE void NNCC_DOTS(int width, const float *a, const float *b, float *part)
{
    for (int i = 0; i < NNCC_BLOCK; i++) {
        NNCC_VECTOR all = {0};
        for (int k = 0; k < width; k += NNCC_LANES) {
            NNCC_VECTOR x, y;
            __builtin_memcpy(&x, a + i * width + k, sizeof x);
            __builtin_memcpy(&y, b + i * width + k, sizeof y);
            all += x * y;
        }
        __builtin_memcpy(part + i * NNCC_LANES, &all, sizeof all);
    }
}

/* sum[i] = the sum of column i of turned[NNCC_LANES][NNCC_BLOCK]. */
NNRT_INLINE void NNCC_SUMS(const float *turned, float *sum)
{
    for (int i = 0; i < NNCC_BLOCK; i++)
        sum[i] = 0.0f;
    for (int k = 0; k < NNCC_LANES; k++)
        for (int i = 0; i < NNCC_BLOCK; i++)
            sum[i] += turned[k * NNCC_BLOCK + i];
}
/* nncc: end */

/* nncc: begin exp */
typedef uint32_t NNCC_BITS __attribute__((vector_size(NNCC_LANES * 4)));

/* *of = e^*of for numbers below 88, as nnrt_expf computes it, but 0 where that is no normal number. */
NNRT_INLINE void NNCC_EXP(NNCC_VECTOR *of)
{
    const NNCC_VECTOR x = *of;
    const NNCC_VECTOR t = x * 1.44269504f + NNRT_ROUND, k = t - NNRT_ROUND;
    const NNCC_BITS power = ((NNCC_BITS)t - (0x4b400000u - 127u)) << 23;
    NNCC_VECTOR r = x - k * 0.693145752f;
    r = r - k * 1.42860677e-06f;
    NNCC_VECTOR q = r * 1.99129587e-4f + 1.39412039e-3f;
    q = q * r + 8.33327509e-3f;
    q = q * r + 4.16663513e-2f;
    q = q * r + 1.66666672e-1f;
    q = q * r + 0.5f;
    const NNCC_VECTOR y = (1.0f + (r + r * r * q)) * (NNCC_VECTOR)power;
    *of = (NNCC_VECTOR)((NNCC_BITS)(x > -87.3f) & (NNCC_BITS)y);
}

/* How many keys are gone over for the vector of queries from i on, which lie `ahead` positions behind the first
 * key and see none that is behind them: up to where the tile, or the vector, of queries ends. */
NNRT_INLINE int NNCC_LAST(int keys, int ahead, int i)
{
    enum { EDGE = NNCC_TILE_M > NNCC_LANES ? NNCC_TILE_M : NNCC_LANES };
    const int end = i / EDGE * EDGE + EDGE;
    return ahead < keys - end ? ahead + end : keys;
}
/* nncc: end */

/* nncc: begin slopes */
/* The scores of a block less slope * distance, of a query that is `ahead` positions behind the first key. */
NNRT_INLINE void NNCC_SLOPES(int keys, int ahead, float slope, float *score)
{
    for (int j = 0; j < keys; j++)
#pragma omp simd
        for (int i = 0; i < NNCC_BLOCK; i++) {
            const int far = i + ahead - j;
            score[j * NNCC_BLOCK + i] -= slope * (float)(far < 0 ? -far : far);
        }
}
/* nncc: end */

/* nncc: begin hide */
/* Scores far below all others where a query, `ahead` positions behind the first key, does not see a key, of
 * those that NNCC_LAST counts. */
NNRT_INLINE void NNCC_HIDE(int keys, int ahead, float *score)
{
    enum { EDGE = NNCC_TILE_M > NNCC_LANES ? NNCC_TILE_M : NNCC_LANES };
    for (int j = ahead + 1; j < keys; j++) {
        const int hidden = j - ahead, i = hidden / EDGE * EDGE;
        float *at = score + j * NNCC_BLOCK + i;
#pragma omp simd
        for (int u = 0; u < EDGE; u++)
            at[u] = i + u < hidden ? -1e38f : at[u];
    }
}
/* nncc: end */

/* nncc: begin weights */
/* *most becomes the largest of itself and of so many vectors, a row apart: four maxima side by side, as each
 * waits for the one before it. */
NNRT_INLINE void NNCC_MOST(int keys, const float *x, NNCC_VECTOR *most)
{
    enum { SIDES = 4 };
    NNCC_VECTOR top[SIDES] = {*most, *most, *most, *most};
    for (int j = 0; j < keys; j += SIDES)
#pragma GCC unroll 4
        for (int u = 0; u < SIDES; u++) {
            NNCC_VECTOR y;
            __builtin_memcpy(&y, x + (j + u < keys ? j + u : j) * NNCC_BLOCK, sizeof y);
            const NNCC_BITS more = (NNCC_BITS)(y > top[u]);
            top[u] = (NNCC_VECTOR)(((NNCC_BITS)y & more) | ((NNCC_BITS)top[u] & ~more));
        }
#pragma GCC unroll 4
    for (int u = 1; u < SIDES; u++) {
        const NNCC_BITS more = (NNCC_BITS)(top[u] > top[0]);
        top[0] = (NNCC_VECTOR)(((NNCC_BITS)top[u] & more) | ((NNCC_BITS)top[0] & ~more));
    }
    *most = top[0];
}

/* Makes weights of the scores of a block: e^(score - most), most being the largest score so far of a
 * query; sum and the values summed so far, [NNCC_BLOCK][width], shrink as that grows. */
NNRT_INLINE void NNCC_WEIGHTS(int keys, int ahead, float *score, float *most, float *sum, int width,
                              float *value)
{
    float shrink[NNCC_BLOCK];
    for (int i = 0; i < NNCC_BLOCK; i += NNCC_LANES) {
        const int last = NNCC_LAST(keys, ahead, i);
        NNCC_VECTOR less, top, all;
        __builtin_memcpy(&less, most + i, sizeof less);
        __builtin_memcpy(&all, sum + i, sizeof all);
        top = less;
        NNCC_MOST(last, score + i, &top);
        less -= top;
        NNCC_EXP(&less);
        all *= less;
        for (int j = 0; j < last; j++) {
            NNCC_VECTOR x;
            __builtin_memcpy(&x, score + j * NNCC_BLOCK + i, sizeof x);
            x -= top;
            NNCC_EXP(&x);
            all += x;
            __builtin_memcpy(score + j * NNCC_BLOCK + i, &x, sizeof x);
        }
        __builtin_memcpy(most + i, &top, sizeof top);
        __builtin_memcpy(sum + i, &all, sizeof all);
        __builtin_memcpy(shrink + i, &less, sizeof less);
    }
    for (int i = 0; i < NNCC_BLOCK; i++)
        for (int d = 0; d < width; d += NNCC_LANES) {
            NNCC_VECTOR x;
            __builtin_memcpy(&x, value + i * width + d, sizeof x);
            x *= shrink[i];
            __builtin_memcpy(value + i * width + d, &x, sizeof x);
        }
}

/* At the end: the logs of the sums, and what the values are to be multiplied by, in their place. */
NNRT_INLINE void NNCC_DONE(const float *most, float *sum, float *log)
{
    for (int i = 0; i < NNCC_BLOCK; i++) {
        const int32_t some = -(int32_t)(sum[i] > 0.0f);
        log[i] = nnrt_select(some, most[i] + nnrt_logf(sum[i]), 1e30f);
        sum[i] = nnrt_select(some, 1.0f / sum[i], 0.0f);
    }
}
/* nncc: end */

/* nncc: begin again */
/* Makes the weights of the scores again, from the logs of their sums, and the gradients of the scores
 * of those of the weights. */
NNRT_INLINE void NNCC_AGAIN(int keys, int ahead, const float *log, const float *rest, float *score,
                            float *error)
{
    for (int i = 0; i < NNCC_BLOCK; i += NNCC_LANES) {
        const int last = NNCC_LAST(keys, ahead, i);
        NNCC_VECTOR less, mean;
        __builtin_memcpy(&less, log + i, sizeof less);
        __builtin_memcpy(&mean, rest + i, sizeof mean);
        for (int j = 0; j < last; j++) {
            NNCC_VECTOR x, y;
            __builtin_memcpy(&x, score + j * NNCC_BLOCK + i, sizeof x);
            __builtin_memcpy(&y, error + j * NNCC_BLOCK + i, sizeof y);
            x -= less;
            NNCC_EXP(&x);
            y = x * (y - mean);
            __builtin_memcpy(score + j * NNCC_BLOCK + i, &x, sizeof x);
            __builtin_memcpy(error + j * NNCC_BLOCK + i, &y, sizeof y);
        }
    }
}
/* nncc: end */

/* nncc: begin drop */
typedef uint64_t NNCC_LONGS __attribute__((vector_size(NNCC_LANES * 4)));

/* What the weights of a block are multiplied by: 0 with probability p, else `more`. The random number of query i
 * and key j is the one at first + i * step + j, as nnrt_rand_uniform gives it; those of even and of odd
 * queries are made side by side, each in the lower half of 64 bits. */
NNRT_INLINE void NNCC_DROP(int keys, nnrt_rand_key key, uint64_t first, uint64_t step, float p,
                           float more, float *times)
{
    const uint32_t least = (uint32_t)__builtin_ceilf(p * 16777216.0f); /* of a number's 24 bits */
    const NNCC_LONGS word = (NNCC_LONGS){0} + 0xffffffffu;
    NNCC_LONGS even = {0};
    for (int u = 0; u < NNCC_LANES / 2; u++)
        even[u] = first + 2u * (uint64_t)u * step;
    for (int j = 0; j < keys; j++)
        for (int i = 0; i < NNCC_BLOCK; i += NNCC_LANES) {
            NNCC_LONGS low[2], high[2];
            low[0] = even + ((uint64_t)i * step + (uint64_t)j);
            low[1] = low[0] + step;
            uint32_t k = key.key;
#pragma GCC unroll 2
            for (int v = 0; v < 2; v++)
                high[v] = (low[v] >> 32) + key.high;
#pragma GCC unroll 10
            for (int round = 0; round < 10; round++, k += 0x9E3779B9u)
#pragma GCC unroll 2
                for (int v = 0; v < 2; v++) {
                    const NNCC_LONGS product = (low[v] & word) * 0xD256D193u;
                    low[v] = (product >> 32) ^ high[v] ^ k;
                    high[v] = product;
                }
            const NNCC_BITS bits = (NNCC_BITS)((low[0] & word) | low[1] << 32) >> 8;
            NNCC_VECTOR x = (NNCC_VECTOR){0} + more;
            x = (NNCC_VECTOR)((NNCC_BITS)(bits >= least) & (NNCC_BITS)x);
            __builtin_memcpy(times + j * NNCC_BLOCK + i, &x, sizeof x);
        }
}

NNRT_INLINE void NNCC_TIMES(int keys, const float *times, float *x)
{
    for (int i = 0; i < keys * NNCC_BLOCK; i++)
        x[i] *= times[i];
}
/* nncc: end */
