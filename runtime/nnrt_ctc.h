/* SPDX-License-Identifier: MIT */
/* nnrt_ctc.h: the loss of connectionist temporal classification (Graves et al., 2006) and its gradient,
 * of one sample, as kernels inline them.
 *
 * States are the targets with a blank before, between and behind them: 2 * targets + 1, filled up to whole
 * vectors with states that nothing reaches. All is in logarithms; each frame's are relative to the largest
 * of them, which goes to a sum in double, so that rounding does not grow with the number of frames. What
 * has no way to it is at -1e30, not at minus infinity, so that no NaN arises.
 *
 * Whatever numbers lengths and targets are, nothing past the end is read: a length over the most counts
 * as the most, one below 0 as 0, a target that is no class as the blank.
 */
#ifndef NNRT_CTC_H
#define NNRT_CTC_H

#include <stdint.h>

#include "nnrt_math.h"

enum { NNRT_CTC_LANES = 16 };

#define NNRT_CTC_NEVER -1e30f
#define NNRT_CTC_LEAST -1e29f /* below: never */

/* Floats of a row of states, with as many more at its front or its end that hold "never". */
#define NNRT_CTC_ROW(targets)                                                                      \
    ((2 * (targets) + NNRT_CTC_LANES) / NNRT_CTC_LANES * NNRT_CTC_LANES + NNRT_CTC_LANES)

NNRT_INLINE float nnrt_ctc_larger(float a, float b)
{
    return nnrt_select(-(int32_t)(a < b), b, a); /* NaN where a is */
}

NNRT_INLINE float nnrt_ctc_smaller(float a, float b)
{
    return nnrt_select(-(int32_t)(b < a), b, a);
}

/* e^x of an x of at most 0; 0 below -80, so that nothing denormal is computed with. */
NNRT_INLINE float nnrt_ctc_share(float x)
{
    float e = nnrt_expf(nnrt_ctc_larger(x, -80.0f));
    return nnrt_select(-(int32_t)(x < -80.0f), 0.0f, e);
}

/* log(e^a + e^b + e^c). */
NNRT_INLINE float nnrt_ctc_sum(float a, float b, float c)
{
    float high = nnrt_ctc_larger(a, b), low = nnrt_ctc_smaller(a, b);
    float most = nnrt_ctc_larger(high, c), next = nnrt_ctc_smaller(high, c);
    return most + nnrt_logf(1.0f + nnrt_ctc_share(low - most) + nnrt_ctc_share(next - most));
}

/* A vector of such sums; `skip` is added to c. Through arrays of its own, so that compilers need not ask
 * whether rows overlap. */
NNRT_INLINE void nnrt_ctc_sums(const float *a, const float *b, const float *c, const float *skip,
                               float *to)
{
    float x[NNRT_CTC_LANES], y[NNRT_CTC_LANES], z[NNRT_CTC_LANES];
    for (int v = 0; v < NNRT_CTC_LANES; v++) {
        x[v] = a[v];
        y[v] = b[v];
        z[v] = c[v] + skip[v];
    }
    for (int v = 0; v < NNRT_CTC_LANES; v++)
        to[v] = nnrt_ctc_sum(x[v], y[v], z[v]);
}

/* The largest of a row of `wide` numbers, whole vectors of them. */
NNRT_INLINE float nnrt_ctc_top(const float *row, int wide)
{
    float top[NNRT_CTC_LANES];
    for (int v = 0; v < NNRT_CTC_LANES; v++)
        top[v] = row[v];
    for (int s = NNRT_CTC_LANES; s < wide; s += NNRT_CTC_LANES)
        for (int v = 0; v < NNRT_CTC_LANES; v++)
            top[v] = nnrt_ctc_larger(top[v], row[s + v]);
    for (int half = NNRT_CTC_LANES / 2; half; half /= 2)
        for (int v = 0; v < half; v++)
            top[v] = nnrt_ctc_larger(top[v], top[v + half]);
    return top[0];
}

/* A number of frames or targets as a length. */
NNRT_INLINE int nnrt_ctc_length(float x, int most)
{
    return x < (float)most ? x > 0.0f ? (int)__builtin_ceilf(x) : 0 : most;
}

/* What a sample's states are: arrays of `wide` numbers, and one vector more of `skip`. */
typedef struct nnrt_ctc {
    int frames, states, wide;
    int32_t *label; /* the class of a state */
    float *off;     /* added to its log-probability: 0, or never where there is no such state */
    float *skip;    /* added to a way that leaves the state before it out */
} nnrt_ctc;

NNRT_INLINE nnrt_ctc nnrt_ctc_states(const int32_t *targets, int frames, int count, int classes,
                                     int most, int blank, float *work)
{
    int row = NNRT_CTC_ROW(most);
    nnrt_ctc c = {.frames = frames, .states = 2 * count + 1};
    c.wide = NNRT_CTC_ROW(count) - NNRT_CTC_LANES;
    c.label = (int32_t *)work;
    c.off = work + row;
    c.skip = work + 2 * row;
    for (int s = 0; s < c.wide + NNRT_CTC_LANES; s++) {
        c.label[s] = blank;
        c.off[s] = s < c.states ? 0.0f : NNRT_CTC_NEVER;
        c.skip[s] = NNRT_CTC_NEVER;
    }
    for (int k = 0; k < count; k++) {
        int32_t target = targets[k] >= 0 && targets[k] < classes ? targets[k] : (int32_t)blank;
        c.label[2 * k + 1] = target;
        if (k && target != c.label[2 * k - 1])
            c.skip[2 * k + 1] = 0.0f;
    }
    return c;
}

/* The log-probabilities of the states in a frame. */
NNRT_INLINE void nnrt_ctc_frame(const nnrt_ctc *c, const float *p, float *to)
{
    for (int s = 0; s < c->wide; s++)
        to[s] = nnrt_ctc_larger(p[c->label[s]], NNRT_CTC_NEVER) + c->off[s];
}

/* One frame forward: how likely each state is, given `before`, relative to the largest, which it gives. A
 * vector in front of both rows holds "never". */
NNRT_INLINE float nnrt_ctc_forward(const nnrt_ctc *c, const float *before, float *now)
{
    for (int s = 0; s < c->wide; s += NNRT_CTC_LANES) {
        float sum[NNRT_CTC_LANES];
        nnrt_ctc_sums(before + s, before + s - 1, before + s - 2, c->skip + s, sum);
        for (int v = 0; v < NNRT_CTC_LANES; v++)
            now[s + v] = nnrt_ctc_larger(sum[v] + now[s + v], NNRT_CTC_NEVER);
    }
    float top = nnrt_ctc_top(now, c->wide);
    top = top < NNRT_CTC_LEAST ? 0.0f : top;
    for (int s = 0; s < c->wide; s++)
        now[s] -= top;
    return top;
}

NNRT_INLINE void nnrt_ctc_never(float *to)
{
    for (int v = 0; v < NNRT_CTC_LANES; v++)
        to[v] = NNRT_CTC_NEVER;
}

/* Goes over all frames, each in a row `step` behind that of the frame before; two in turn where `step` is
 * 0. Gives minus the log of the probability of the targets. */
NNRT_INLINE float nnrt_ctc_alpha(const nnrt_ctc *c, const float *p, int classes, int row, int step,
                                 float *rows)
{
    double total = 0;
    float *first = rows + NNRT_CTC_LANES, *last = first + row;
    if (c->frames == 0)
        return c->states == 1 ? 0.0f : __builtin_inff();
    nnrt_ctc_never(rows);
    nnrt_ctc_never(rows + row);
    for (int s = 0; s < c->wide; s++) /* before the first frame: on the way to the first state */
        last[s] = s ? NNRT_CTC_NEVER : 0.0f;
    for (int t = 0; t < c->frames; t++) {
        float *now = step ? first + t * (int64_t)step : t % 2 ? last : first;
        const float *before = t == 0 ? last : step ? now - step : t % 2 ? first : last;
        if (t && step)
            nnrt_ctc_never(now - NNRT_CTC_LANES);
        nnrt_ctc_frame(c, p + t * (int64_t)classes, now);
        total += nnrt_ctc_forward(c, before, now);
        if (t == c->frames - 1)
            last = now;
    }
    float end = nnrt_ctc_sum(last[c->states - 1], last[c->states - 2], NNRT_CTC_NEVER);
    return end < NNRT_CTC_LEAST ? __builtin_inff() : (float)-(total + (double)end);
}

/* The loss of a sample: log-probabilities p [frames][classes], of which `some_frames` count, targets, of
 * which `some_targets` count. Infinity where the targets have no way through the frames, 0 if zero_infinity.
 * work: 5 NNRT_CTC_ROW(targets) floats, aligned to a vector. */
NNRT_INLINE void nnrt_ctc_loss(const float *p, const int32_t *target, float some_frames,
                               float some_targets, int frames, int classes, int targets, int blank,
                               int zero_infinity, float *work, float *loss)
{
    int row = NNRT_CTC_ROW(targets);
    nnrt_ctc c = nnrt_ctc_states(target, nnrt_ctc_length(some_frames, frames),
                                 nnrt_ctc_length(some_targets, targets), classes, targets, blank,
                                 work);
    float y = nnrt_ctc_alpha(&c, p, classes, row, 0, work + 3 * row);
    *loss = zero_infinity && y == __builtin_inff() ? 0.0f : y;
}

/* One frame back: how likely the rest is, given each state; `after` holds, a state, that of the frame
 * behind it and that frame's own. A vector behind it holds "never". */
NNRT_INLINE void nnrt_ctc_back(const nnrt_ctc *c, const float *after, float *now)
{
    for (int s = 0; s < c->wide; s += NNRT_CTC_LANES) {
        float sum[NNRT_CTC_LANES];
        nnrt_ctc_sums(after + s, after + s + 1, after + s + 2, c->skip + s + 2, sum);
        for (int v = 0; v < NNRT_CTC_LANES; v++)
            now[s + v] = nnrt_ctc_larger(sum[v], NNRT_CTC_NEVER);
    }
}

/* Subtracts from a frame's gradient, a class, how likely its states are, which `alpha` and `beta` say;
 * both are relative to anything. Leaves beta relative to its largest. */
NNRT_INLINE void nnrt_ctc_posterior(const nnrt_ctc *c, const float *alpha, float *beta,
                                    float *share, float *to)
{
    for (int s = 0; s < c->wide; s++)
        share[s] = alpha[s] + beta[s];
    float top = nnrt_ctc_top(share, c->wide), high = nnrt_ctc_top(beta, c->wide);
    float sums[NNRT_CTC_LANES] = {0};
    for (int s0 = 0; s0 < c->wide; s0 += NNRT_CTC_LANES)
        for (int v = 0; v < NNRT_CTC_LANES; v++) {
            share[s0 + v] = nnrt_ctc_share(share[s0 + v] - top);
            sums[v] += share[s0 + v];
            beta[s0 + v] = nnrt_ctc_larger(beta[s0 + v] - high, NNRT_CTC_NEVER);
        }
    for (int half = NNRT_CTC_LANES / 2; half; half /= 2)
        for (int v = 0; v < half; v++)
            sums[v] += sums[v + half];
    float each = 1.0f / sums[0];
    for (int s = 0; s < c->states; s++)
        to[c->label[s]] -= share[s] * each;
}

/* The gradient of the loss of a sample in its log-probabilities, to `to` [frames][classes]: 0 in frames
 * that do not count; NaN in the others where the loss is infinite, or 0 if zero_infinity. work:
 * (frames + 6) NNRT_CTC_ROW(targets) floats. */
NNRT_INLINE void nnrt_ctc_loss_grad(const float *p, const int32_t *target, float some_frames,
                                    float some_targets, int frames, int classes, int targets,
                                    int blank, int zero_infinity, float *work, float *to)
{
    int row = NNRT_CTC_ROW(targets);
    nnrt_ctc c = nnrt_ctc_states(target, nnrt_ctc_length(some_frames, frames),
                                 nnrt_ctc_length(some_targets, targets), classes, targets, blank,
                                 work);
    float *after = work + 3 * row, *beta = after + row, *rows = beta + row;
    float loss = nnrt_ctc_alpha(&c, p, classes, row, row, rows);
    int lost = loss == __builtin_inff();
    int64_t count = (int64_t)c.frames * classes, all = (int64_t)frames * classes;
    float fill = lost && !zero_infinity ? __builtin_nanf("") : 0.0f;
    for (int64_t i = 0; i < all; i++)
        to[i] = i < count ? fill : 0.0f;
    if (lost)
        return;
    nnrt_ctc_never(after + c.wide);
    for (int s = 0; s < c.wide; s++)
        beta[s] = s < c.states && s >= c.states - 2 ? 0.0f : NNRT_CTC_NEVER;
    for (int t = c.frames - 1; t >= 0; t--) {
        if (t < c.frames - 1) {
            nnrt_ctc_frame(&c, p + (t + 1) * (int64_t)classes, after);
            for (int s = 0; s < c.wide; s++)
                after[s] += beta[s];
            nnrt_ctc_back(&c, after, beta);
        }
        nnrt_ctc_posterior(&c, rows + NNRT_CTC_LANES + t * (int64_t)row, beta, after,
                           to + t * (int64_t)classes);
    }
}

#endif
