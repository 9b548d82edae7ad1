/* SPDX-License-Identifier: MIT */
/* Guards templates/attention.c as it stands: products of odd sizes, weights of blocks of keys against those of
 * all keys at once, drops against runtime/nnrt_rand.h. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_math.h"
#include "nnrt_rand.h"
#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif
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
#define NNCC_MOST    attention_most
#define NNCC_WEIGHTS attention_weights
#define NNCC_DONE    attention_done
#define NNCC_AGAIN   attention_again
#define NNCC_DROP    attention_drop
#define NNCC_TIMES   attention_times
#define NNCC_LONGS   attention_longs
#define NNCC_DOTS    attention_dots
#define NNCC_SUMS    attention_sums
#include "../../templates/attention.c"

enum { B = NNCC_BLOCK };
static const attention_part whole = {1 << 20, 1 << 20, 1 << 20};
static const attention_next none = {0};

static float *numbers(int n, unsigned seed)
{
    float *x = malloc(sizeof *x * (size_t)n);
    srand(seed);
    for (int i = 0; i < n; i++)
        x[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
    return x;
}

Test(attention, products_of_any_size)
{
    static const int sizes[][3] = {{64, 64, 64}, {1, 1, 1},    {13, 33, 5},
                                   {8, 32, 7},   {61, 20, 64}, {5, 64, 200}};
    for (int s = 0; s < 6; s++)
        for (int more = 0; more < 2; more++) {
            int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
            float *a = numbers(200 * B, 1), *b = numbers(200 * B, 2), *c = numbers(B * B, 3);
            float *was = numbers(B * B, 3);
            attention_product(m, n, k, a, 1, B, b, B, c, B, more, whole, none);
            for (int i = 0; i < B; i++)
                for (int j = 0; j < B; j++) {
                    double sum = i < m && j < n && !more ? 0 : was[i * B + j];
                    for (int l = 0; l < k && i < m && j < n; l++)
                        sum += (double)a[l * B + i] * b[l * B + j];
                    cr_assert_float_eq(c[i * B + j], sum, 1e-4);
                }
            free(a), free(b), free(c), free(was);
        }
}

Test(attention, products_of_rows)
{
    enum { LANES = NNCC_LANES };
    float *x = numbers(B * 96, 4), *y = numbers(B * 96, 5), part[B * LANES], turned[LANES * B],
          sum[B];
    attention_dots(96, x, y, part);
    for (int i = 0; i < B; i++)
        for (int k = 0; k < LANES; k++)
            turned[k * B + i] = part[i * LANES + k];
    attention_sums(turned, sum);
    for (int i = 0; i < B; i++) {
        double all = 0;
        for (int k = 0; k < 96; k++)
            all += (double)x[i * 96 + k] * y[i * 96 + k];
        cr_assert_float_eq(sum[i], all, 1e-5);
    }
    free(x), free(y);
}

/* As nnrt_expf has it, to the last bit or two, and 0 where that is nearly so. */
Test(attention, exponentials)
{
    for (double x = 3; x > -120; x -= 0.0037) {
        attention_vector y = (attention_vector){0} + (float)x;
        attention_exp(&y);
        double e = exp((float)x);
        cr_assert_float_eq(y[5], x < -87.3 ? 0 : e, 3e-7 * e, "e^%g", x);
    }
    for (int i = 0; i < 2; i++) {
        attention_vector y = (attention_vector){0} - (i ? 1e38f : 1e30f);
        attention_exp(&y);
        cr_assert_eq(y[0], 0);
    }
}

/* The numbers are nnrt_rand_uniform's, past 2^32 too. */
Test(attention, drops)
{
    enum { KEYS = 61 };
    static const uint64_t firsts[] = {0, 0xfffff000u, 0x123456789abu};
    static const float rates[] = {0, 0.1f, 0.5f, 1};
    nnrt_rand_key key = nnrt_rand_key_of(1, 2, 3);
    float *times = numbers(KEYS * B, 9), *x = numbers(KEYS * B, 10), *was = numbers(KEYS * B, 10);
    for (int f = 0; f < 3; f++)
        for (int r = 0; r < 4; r++) {
            attention_drop(KEYS, key, firsts[f], 777, rates[r], 1.25f, times);
            for (int j = 0; j < KEYS; j++)
                for (int i = 0; i < B; i++) {
                    uint64_t index = firsts[f] + (uint64_t)i * 777 + (uint64_t)j;
                    bool kept = nnrt_rand_uniform(key, index) >= rates[r];
                    cr_assert_eq(times[j * B + i], kept ? 1.25f : 0.0f);
                }
        }
    attention_times(KEYS, times, x);
    for (int i = 0; i < KEYS * B; i++)
        cr_assert_eq(x[i], was[i] * times[i]);
    free(times), free(x), free(was);
}

/* Two blocks of keys, the second of 10, causal and with a slope. */
Test(attention, weights)
{
    enum { KEYS = B + 10, WIDTH = 32, FIRST = 70 /* the first query's position */ };
    float *score = numbers(KEYS * B, 7), *value = numbers(KEYS * WIDTH, 8),
          *plain = numbers(KEYS * B, 7);
    float most[B], sum[B], shares[B], log_of[B], *to = calloc(B * WIDTH, sizeof *to);
    for (int i = 0; i < B; i++) {
        most[i] = -1e30f;
        sum[i] = 0;
    }
    for (int j = 0; j < KEYS; j += B) {
        int keys = KEYS - j < B ? KEYS - j : B;
        attention_slopes(keys, FIRST - j, 0.25f, score + j * B);
        attention_hide(keys, FIRST - j, score + j * B);
        attention_weights(keys, FIRST - j, score + j * B, most, sum, WIDTH, to);
        attention_product(B, WIDTH, keys, score + j * B, 1, B, value + j * WIDTH, WIDTH, to, WIDTH,
                          1, whole, none);
    }
    memcpy(shares, sum, sizeof shares);
    attention_done(most, shares, log_of);
    for (int i = 0; i < B; i++) {
        double all = 0, first = 0;
        for (int j = 0; j < KEYS && j <= FIRST + i; j++) {
            double p = exp(plain[j * B + i] - 0.25 * (FIRST + i - j));
            all += p;
            first += p * value[j * WIDTH];
        }
        cr_assert_float_eq(to[i * WIDTH] / sum[i], first / all, 1e-5);
        cr_assert_float_eq(log_of[i], log(all), 1e-4);
        cr_assert_float_eq(shares[i], 1 / sum[i], 1e-6);
    }
    free(score), free(plain), free(value), free(to);
}
