/* SPDX-License-Identifier: MIT */
/* Guards runtime/nnrt_ctc.h: loss, gradient and decoding against all paths one by one, edit distances that
 * are known, and that wrong lengths and labels read nothing past the end. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_ctc.h"

enum { FRAMES = 5, CLASSES = 3, PATHS = 243 /* 3^5 */, BLANK = 1 };

static void *aligned(size_t floats)
{
    return aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
}

/* Log-probabilities of `frames` frames. */
static void draw(float *p, int frames, int classes, unsigned seed)
{
    srand(seed);
    for (int t = 0; t < frames; t++) {
        double sum = 0;
        for (int c = 0; c < classes; c++) {
            p[t * classes + c] = (float)rand() / (float)RAND_MAX * 4;
            sum += exp(p[t * classes + c]);
        }
        for (int c = 0; c < classes; c++)
            p[t * classes + c] -= (float)log(sum);
    }
}

/* What a path says: its labels; how many. */
static int said(const int *path, int frames, int32_t *to)
{
    int n = 0;
    for (int t = 0; t < frames; t++)
        if (path[t] != BLANK && (t == 0 || path[t] != path[t - 1]))
            to[n++] = path[t];
    return n;
}

/* The probability of the labels, and of each frame to be in a class given them: of all paths. */
static double brute(const float *p, int frames, const int32_t *labels, int n, double *share)
{
    double all = 0;
    int count = (int)pow(CLASSES, frames);
    memset(share, 0, sizeof *share * FRAMES * CLASSES);
    for (int i = 0; i < count; i++) {
        int path[FRAMES];
        int32_t says[FRAMES];
        double log = 0;
        for (int t = 0, rest = i; t < frames; t++, rest /= CLASSES) {
            path[t] = rest % CLASSES;
            log += p[t * CLASSES + path[t]];
        }
        if (said(path, frames, says) != n || memcmp(says, labels, sizeof *says * (size_t)n) != 0)
            continue;
        all += exp(log);
        for (int t = 0; t < frames; t++)
            share[t * CLASSES + path[t]] += exp(log);
    }
    return all;
}

static void check_loss(const float *p, const int32_t *labels, int frames, int n)
{
    float *work = aligned(((size_t)FRAMES + 6) * NNRT_CTC_ROW(4)), loss, grad[FRAMES * CLASSES];
    double share[FRAMES * CLASSES], all = brute(p, frames, labels, n, share);
    nnrt_ctc_loss(p, labels, (float)frames, (float)n, FRAMES, CLASSES, 4, BLANK, 0, work, &loss);
    nnrt_ctc_loss_grad(p, labels, (float)frames, (float)n, FRAMES, CLASSES, 4, BLANK, 0, work,
                       grad);
    if (all == 0)
        cr_expect(isinf(loss) && loss > 0);
    else
        cr_expect_float_eq(loss, -log(all), 1e-5);
    for (int i = 0; i < FRAMES * CLASSES; i++) {
        bool counts = i < frames * CLASSES;
        if (all == 0 && counts)
            cr_expect(isnan(grad[i]));
        else
            cr_expect_float_eq(grad[i], counts ? -share[i] / all : 0, 1e-5);
    }
    nnrt_ctc_loss(p, labels, (float)frames, (float)n, FRAMES, CLASSES, 4, BLANK, 1, work, &loss);
    cr_expect_float_eq(loss, all == 0 ? 0 : -log(all), 1e-5);
    free(work);
}

Test(nnrt_ctc, loss_and_gradient_of_all_paths)
{
    static const int32_t labels[][4] = {{0, 2, 0, 2}, {0, 0, 2, 2}, {2, 2, 2, 2}, {2, 0, 0, 0}};
    for (int i = 0; i < 4; i++)
        for (int frames = 1; frames <= FRAMES; frames++)
            for (int n = 0; n <= 4; n++) {
                float p[FRAMES * CLASSES];
                draw(p, FRAMES, CLASSES, (unsigned)(frames * 5 + n));
                check_loss(p, labels[i], frames, n);
            }
}

/* No frame at all: only nothing can be said. */
Test(nnrt_ctc, no_frames)
{
    float p[FRAMES * CLASSES], *work = aligned(11 * NNRT_CTC_ROW(4)), loss, grad[FRAMES * CLASSES];
    const int32_t labels[4] = {0};
    draw(p, FRAMES, CLASSES, 1);
    for (int n = 0; n < 2; n++) {
        nnrt_ctc_loss(p, labels, 0, (float)n, FRAMES, CLASSES, 4, BLANK, 0, work, &loss);
        nnrt_ctc_loss_grad(p, labels, 0, (float)n, FRAMES, CLASSES, 4, BLANK, 0, work, grad);
        cr_expect(n ? isinf(loss) : loss == 0);
        for (int i = 0; i < FRAMES * CLASSES; i++)
            cr_expect_eq(grad[i], 0);
    }
    free(work);
}

/* Lengths that are wrong are bounded, labels that are no class count as the blank: with arrays of just the
 * size, under the sanitizers. */
Test(nnrt_ctc, wrong_numbers)
{
    static const float wrong[] = {-3, 1e30f, NAN, INFINITY, -INFINITY, 2.5f};
    float *p = malloc(sizeof *p * FRAMES * CLASSES), *work = aligned(11 * NNRT_CTC_ROW(4)), loss;
    float *grad = malloc(sizeof *grad * FRAMES * CLASSES);
    int32_t *labels = malloc(sizeof *labels * 4);
    memcpy(labels, (int32_t[]){-7, 3, INT32_MAX, 0}, 4 * sizeof *labels);
    draw(p, FRAMES, CLASSES, 2);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++) {
            nnrt_ctc_loss(p, labels, wrong[i], wrong[k], FRAMES, CLASSES, 4, BLANK, 1, work, &loss);
            nnrt_ctc_loss_grad(p, labels, wrong[i], wrong[k], FRAMES, CLASSES, 4, BLANK, 1, work,
                               grad);
            cr_expect(isfinite(loss) && isfinite(grad[0]));
        }
    p[4] = NAN;
    p[3] = p[5] = NAN;
    nnrt_ctc_loss(p, labels, 5, 1, FRAMES, CLASSES, 4, BLANK, 1, work, &loss);
    cr_expect(isnan(loss), "a NaN is not hidden");
    free(p), free(work), free(grad), free(labels);
}

/* Many frames, of labels that are unlikely; what is impossible. */
Test(nnrt_ctc, long_and_unlikely)
{
    enum { T = 2000, S = 3 };
    float *p = malloc(sizeof *p * T * 2), *work = aligned((T + 6) * (size_t)NNRT_CTC_ROW(S)), loss;
    float *grad = malloc(sizeof *grad * T * 2);
    const int32_t labels[S] = {1, 1, 1};
    for (int t = 0; t < T; t++) {
        p[2 * t] = 0;
        p[2 * t + 1] = -30;
    }
    nnrt_ctc_loss(p, labels, T, S, T, 2, S, 0, 0, work, &loss);
    nnrt_ctc_loss_grad(p, labels, T, S, T, 2, S, 0, 0, work, grad);
    /* three labels, anywhere with a blank between them: T - 2 over 3 ways */
    double ways = (double)(T - 2) * (T - 3) * (T - 4) / 6;
    cr_expect_float_eq(loss, 90 - log(ways), 1e-2, "%g", (double)loss);
    double sum = 0;
    for (int t = 0; t < T; t++)
        sum -= grad[2 * t + 1];
    cr_expect_float_eq(sum, 3, 1e-2, "%g", sum);
    for (int t = 0; t < T; t++)
        p[2 * t + 1] = -INFINITY;
    nnrt_ctc_loss(p, labels, T, S, T, 2, S, 0, 0, work, &loss);
    cr_expect(isinf(loss));
    free(p), free(work), free(grad);
}

/* --- decoding --------------------------------------------------------------------------------- */

/* The likeliest labels, all paths counted. */
static double likeliest(const float *p, int32_t *best, int *n_best)
{
    double most = 0;
    for (int i = 0; i < PATHS; i++) {
        int path[FRAMES];
        int32_t says[FRAMES];
        double share[FRAMES * CLASSES];
        for (int t = 0, rest = i; t < FRAMES; t++, rest /= CLASSES)
            path[t] = rest % CLASSES;
        int n = said(path, FRAMES, says);
        double all = brute(p, FRAMES, says, n, share);
        if (all > most) {
            most = all;
            memcpy(best, says, sizeof says);
            *n_best = n;
        }
    }
    return most;
}

Test(nnrt_ctc, a_wide_beam_finds_the_likeliest)
{
    enum { BEAM = 64 };
    int greedy_differs = 0;
    float *work = aligned(NNRT_CTC_DECODE(FRAMES, BEAM));
    for (unsigned seed = 1; seed <= 12; seed++) {
        float p[FRAMES * CLASSES], wide[FRAMES], greedy[FRAMES];
        int32_t best[FRAMES];
        int n = 0;
        draw(p, FRAMES, CLASSES, seed);
        likeliest(p, best, &n);
        nnrt_ctc_decode(p, FRAMES, FRAMES, CLASSES, BLANK, BEAM, work, wide);
        nnrt_ctc_decode(p, FRAMES, FRAMES, CLASSES, BLANK, 1, NULL, greedy);
        for (int i = 0; i < FRAMES; i++)
            cr_expect_eq((int)wide[i], i < n ? (int)best[i] : -1, "seed %u", seed);
        greedy_differs += memcmp(wide, greedy, sizeof wide) != 0;
    }
    cr_expect_gt(greedy_differs, 0, "the best path is not always of the likeliest labels");
    free(work);
}

Test(nnrt_ctc, best_path_and_short_samples)
{
    const float p[6][2] = {{0, 1}, {0, 1}, {1, 0}, {0, 1}, {1, 0}, {0, 1}};
    float to[6], *work = aligned(NNRT_CTC_DECODE(6, 4));
    nnrt_ctc_decode(&p[0][0], 5, 6, 2, 0, 1, NULL, to);
    cr_expect(to[0] == 1 && to[1] == 1 && to[2] == -1 && to[5] == -1);
    nnrt_ctc_decode(&p[0][0], 6, 6, 2, 0, 1, NULL, to);
    cr_expect(to[2] == 1 && to[3] == -1);
    for (int beam = 1; beam <= 4; beam += 3) {
        nnrt_ctc_decode(&p[0][0], -1, 6, 2, 0, beam, work, to);
        cr_expect_eq(to[0], -1, "no frames say nothing");
    }
    free(work);
}

/* --- edit distance ---------------------------------------------------------------------------- */

static void check_distance(const char *a, const char *b, int separator, float distance, float n)
{
    enum { MOST = 12 };
    float labels[MOST], work[NNRT_EDIT_DISTANCE(MOST, MOST)], to[2];
    int32_t targets[MOST];
    for (int i = 0; i < MOST; i++)
        labels[i] = i < (int)strlen(a) ? (float)a[i] : -1.0f;
    for (int i = 0; i < (int)strlen(b); i++)
        targets[i] = b[i];
    nnrt_edit_distance(labels, targets, (float)strlen(b), MOST, MOST, separator, work, to);
    cr_expect_eq(to[0], distance, "%s, %s: %g", a, b, (double)to[0]);
    cr_expect_eq(to[1], n, "%s: %g", b, (double)to[1]);
}

Test(nnrt_ctc, edit_distances)
{
    check_distance("", "", -1, 0, 0);
    check_distance("abc", "abc", -1, 0, 3);
    check_distance("", "abc", -1, 3, 3);
    check_distance("abc", "", -1, 3, 0);
    check_distance("kitten", "sitting", -1, 3, 7);
    check_distance("sunday", "saturday", -1, 3, 8);
    check_distance("ab cd", "ab cd", ' ', 0, 2);
    check_distance("ab ce f", "ab cd", ' ', 2, 2);
    check_distance(" ab  cd ", "cd ab", ' ', 2, 2);
    check_distance("abcd", "ab cd", ' ', 2, 2);
    check_distance("ab", "  ", ' ', 1, 0);
}
