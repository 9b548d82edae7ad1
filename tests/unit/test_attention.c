/* SPDX-License-Identifier: MIT */
/* Guards templates/attention.c as it stands: products of odd sizes, turned blocks, weights of blocks of keys
 * against those of all keys at once. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

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
#define NNCC_SCORES  attention_scores
#define NNCC_WEIGHTS attention_weights
#define NNCC_AGAIN   attention_again
#define NNCC_PART    attention_part
#define NNCC_DROP    attention_drop
#define NNCC_TURN    attention_turn
#define NNCC_FOUR    attention_four
#define NNCC_DOTS    attention_dots
#include "../../templates/attention.c"

enum { B = NNCC_BLOCK };
static const attention_part whole = {B, B, B};

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
    static const int sizes[][3] = {{64, 64, 64}, {1, 1, 1}, {13, 33, 5}, {8, 32, 7}, {61, 20, 64}};
    for (int s = 0; s < 5; s++)
        for (int more = 0; more < 2; more++) {
            int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
            float *a = numbers(B * B, 1), *b = numbers(B * B, 2), *c = numbers(B * B, 3);
            float *was = numbers(B * B, 3);
            attention_product(m, n, k, a, 1, B, b, B, c, B, more, whole);
            for (int i = 0; i < B; i++)
                for (int j = 0; j < B; j++) {
                    double sum = i < m && j < n && !more ? 0 : was[i * B + j];
                    for (int l = 0; l < k && i < m && j < n; l++)
                        sum += (double)a[l * B + i] * b[l * B + j];
                    cr_assert_float_eq(c[i * B + j], sum, 1e-5);
                }
            free(a), free(b), free(c), free(was);
        }
}

Test(attention, turned_blocks_and_products_of_rows)
{
    float *x = numbers(B * 96, 4), *y = numbers(B * 96, 5), *to = numbers(B * 96, 6), sum[B];
    attention_turn(96, x, to);
    attention_dots(96, x, y, sum);
    for (int i = 0; i < B; i++) {
        double all = 0;
        for (int k = 0; k < 96; k++) {
            cr_assert_eq(to[k * B + i], x[i * 96 + k]);
            all += (double)x[i * 96 + k] * y[i * 96 + k];
        }
        cr_assert_float_eq(sum[i], all, 1e-5);
    }
    free(x), free(y), free(to);
}

/* Two blocks of keys, the second of 10, causal and with a slope. */
Test(attention, weights)
{
    enum { KEYS = B + 10, WIDTH = 32, FIRST = 70 /* the first query's position */ };
    float *score = numbers(KEYS * B, 7), *value = numbers(KEYS * WIDTH, 8),
          *plain = numbers(KEYS * B, 7);
    float most[B], sum[B], *to = calloc(B * WIDTH, sizeof *to);
    for (int i = 0; i < B; i++) {
        most[i] = -1e30f;
        sum[i] = 0;
    }
    for (int j = 0; j < KEYS; j += B) {
        int keys = KEYS - j < B ? KEYS - j : B;
        attention_scores(keys, FIRST - j, 1, 0.25f, score + j * B);
        attention_weights(keys, score + j * B, most, sum, WIDTH, to);
        attention_product(B, WIDTH, keys, score + j * B, 1, B, value + j * WIDTH, WIDTH, to, WIDTH,
                          1, whole);
    }
    for (int i = 0; i < B; i++) {
        double all = 0, first = 0;
        for (int j = 0; j < KEYS && j <= FIRST + i; j++) {
            double p = exp(plain[j * B + i] - 0.25 * (FIRST + i - j));
            all += p;
            first += p * value[j * WIDTH];
        }
        cr_assert_float_eq(to[i * WIDTH] / sum[i], first / all, 1e-5);
        cr_assert_float_eq(most[i] + log(sum[i]), log(all), 1e-4);
    }
    free(score), free(plain), free(value), free(to);
}
