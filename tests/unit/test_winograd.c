/* SPDX-License-Identifier: MIT */
/* Guards Winograd's transforms (templates/winograd.c): a patch's results, and a weight's change, against
 * sums in double; their rounding is at most three times that of sums in float, tap by tap. */
#include <criterion/criterion.h>
#include <math.h>

#include "../../templates/winograd.c"

enum { LANES = NNCC_LANES, CHANNELS = 64, ROUNDS = 50 };

static float x[CHANNELS][36][LANES], w[CHANNELS][9][LANES], dy[CHANNELS][16][LANES];

static float number(void)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (1 << 23) - 1.0f;
}

static void draw(float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = number();
}

static void add_products(const float *a, const float *b, float *sums)
{
    for (int i = 0; i < 36 * LANES; i++)
        sums[i] += a[i] * b[i];
}

/* The root of the mean square of errors, by Winograd and in plain float. */
typedef struct Errors {
    double winograd, plain;
    int n;
} Errors;

static void compare(Errors *e, float got, double exact, float plain)
{
    e->winograd += (got - exact) * (got - exact);
    e->plain += (plain - exact) * (plain - exact);
    e->n++;
}

static void expect_small(const char *what, Errors e)
{
    double winograd = sqrt(e.winograd / e.n), plain = sqrt(e.plain / e.n);
    cr_log_info("%s: %g by Winograd, %g tap by tap", what, winograd, plain);
    cr_expect_leq(winograd, 3 * plain, "%s: %g, over three times %g", what, winograd, plain);
}

static float pixel(int c, int row, int col, int v)
{
    return x[c][row * 6 + col][v];
}

static void compare_result(Errors *e, float got, int row, int col, int v)
{
    double exact = 0;
    float plain = 0;
    for (int c = 0; c < CHANNELS; c++)
        for (int k = 0; k < 9; k++) {
            float a = pixel(c, row + k / 3, col + k % 3, v), b = w[c][k][v];
            exact += (double)a * b;
            plain += a * b;
        }
    compare(e, got, exact, plain);
}

Test(winograd, results)
{
    Errors e = {0};
    for (int round = 0; round < ROUNDS; round++) {
        float a[36 * LANES], b[36 * LANES], sums[36 * LANES] = {0}, tile[16 * LANES];
        draw(&x[0][0][0], sizeof x / sizeof(float));
        draw(&w[0][0][0], sizeof w / sizeof(float));
        for (int c = 0; c < CHANNELS; c++) {
            winograd_patch(x[c][0], 6 * LANES, LANES, LANES, a, LANES);
            winograd_weight(w[c][0], 3 * LANES, LANES, LANES, b, LANES);
            add_products(a, b, sums);
        }
        winograd_results(sums, LANES, LANES, tile);
        for (int i = 0; i < 16; i++)
            for (int v = 0; v < LANES; v++)
                compare_result(&e, tile[i * LANES + v], i / 4, i % 4, v);
    }
    expect_small("results", e);
}

/* Of a tap, summed over the patches x[c], dy[c]. */
static void compare_change(Errors *e, float got, int row, int col, int v)
{
    double exact = 0;
    float plain = 0;
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < 16; i++) {
            float a = pixel(c, row + i / 4, col + i % 4, v), b = dy[c][i][v];
            exact += (double)a * b;
            plain += a * b;
        }
    compare(e, got, exact, plain);
}

Test(winograd, changes)
{
    Errors e = {0};
    for (int round = 0; round < ROUNDS; round++) {
        float a[36 * LANES], b[36 * LANES], sums[36 * LANES] = {0}, taps[9 * LANES];
        draw(&x[0][0][0], sizeof x / sizeof(float));
        draw(&dy[0][0][0], sizeof dy / sizeof(float));
        for (int c = 0; c < CHANNELS; c++) {
            winograd_patch(x[c][0], 6 * LANES, LANES, LANES, a, LANES);
            winograd_errors(dy[c][0], 4 * LANES, LANES, LANES, b, LANES);
            add_products(a, b, sums);
        }
        winograd_changes(sums, LANES, taps);
        for (int k = 0; k < 9; k++)
            for (int v = 0; v < LANES; v++)
                compare_change(&e, taps[k * LANES + v], k / 3, k % 3, v);
    }
    expect_small("changes", e);
}
