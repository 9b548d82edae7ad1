/* SPDX-License-Identifier: MIT */
/* nnrt_ctc.h: the loss of connectionist temporal classification (Graves et al., 2006) and its gradient,
 * what a network trained with it says, and how far that is from the truth: of one sample each, as kernels
 * inline them.
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
    nnrt_ctc c =
        nnrt_ctc_states(target, nnrt_ctc_length(some_frames, frames),
                        nnrt_ctc_length(some_targets, targets), classes, targets, blank, work);
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
    nnrt_ctc c =
        nnrt_ctc_states(target, nnrt_ctc_length(some_frames, frames),
                        nnrt_ctc_length(some_targets, targets), classes, targets, blank, work);
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

/* --- decoding --------------------------------------------------------------------------------- */

/* The best path: the largest of each frame, of equals the first, repeats as one and blanks left out. Gives
 * how many labels that are. */
NNRT_INLINE int nnrt_ctc_best_path(const float *p, int frames, int classes, int blank, float *to)
{
    int n = 0, last = blank;
    for (int t = 0; t < frames; t++) {
        const float *now = p + t * (int64_t)classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            best = now[c] > now[best] ? c : best;
        if (best != blank && best != last)
            to[n++] = (float)best;
        last = best;
    }
    return n;
}

/* A prefix that is followed up: its place in the tree of all prefixes, and the logs of how likely it is that
 * the frames so far give it and end with the blank, or with its last label. */
typedef struct nnrt_ctc_beam {
    int32_t node;
    float blank, label, both;
} nnrt_ctc_beam;

/* The tree of prefixes that were followed up; the first is the empty one. Children of a node are a list. */
typedef struct nnrt_ctc_node {
    int32_t parent, label, child, next;
} nnrt_ctc_node;

/* One that may be followed up in the next frame: beam `from`, or that with one more label (-1: none). */
typedef struct nnrt_ctc_choice {
    int32_t from, more;
    float blank, label, both;
} nnrt_ctc_choice;

/* Adds a choice to those, n of at most `most`, the likeliest first, of equals the earlier; how many there are
 * then. */
static inline int nnrt_ctc_choose(nnrt_ctc_choice *list, int n, int most, nnrt_ctc_choice x)
{
    int at = n;
    while (at > 0 && list[at - 1].both < x.both)
        at--;
    if (at == most)
        return n;
    n = n < most ? n + 1 : most;
    for (int i = n - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = x;
    return n;
}

/* Whether the prefix of a beam with one more label is one of the beams. */
static inline int nnrt_ctc_followed(const nnrt_ctc_beam *beam, int n, const nnrt_ctc_node *tree,
                                    int32_t node, int label)
{
    for (int i = 0; i < n; i++)
        if (beam[i].node && tree[beam[i].node].parent == node && tree[beam[i].node].label == label)
            return 1;
    return 0;
}

/* The child of a node; made, of *n nodes, where there is none. */
static inline int32_t nnrt_ctc_child(nnrt_ctc_node *tree, int32_t *n, int32_t node, int32_t label)
{
    for (int32_t i = tree[node].child; i; i = tree[i].next)
        if (tree[i].label == label)
            return i;
    tree[*n] = (nnrt_ctc_node){node, label, 0, tree[node].child};
    tree[node].child = *n;
    return (*n)++;
}

/* A label more: after the same one there must have been a blank. */
static inline float nnrt_ctc_more(const nnrt_ctc_beam *b, const nnrt_ctc_node *tree, int label,
                                  const float *p)
{
    return (tree[b->node].label == label ? b->blank : b->both) + p[label];
}

/* What a beam becomes if no new label is added: the blank, its last label again, or that label after the
 * prefix without it, if that is followed up too. */
static inline nnrt_ctc_choice nnrt_ctc_stay(const nnrt_ctc_beam *beam, int n, int i,
                                            const nnrt_ctc_node *tree, const float *p, int blank)
{
    const nnrt_ctc_beam *b = &beam[i];
    const nnrt_ctc_node *at = &tree[b->node];
    nnrt_ctc_choice to = {i, -1, b->both + p[blank], NNRT_CTC_NEVER, 0};
    if (b->node)
        to.label = b->label + p[at->label];
    for (int k = 0; k < n && b->node; k++)
        if (beam[k].node == at->parent)
            to.label =
                nnrt_ctc_sum(to.label, nnrt_ctc_more(&beam[k], tree, at->label, p), NNRT_CTC_NEVER);
    to.label = nnrt_ctc_larger(to.label, NNRT_CTC_NEVER);
    to.blank = nnrt_ctc_larger(to.blank, NNRT_CTC_NEVER);
    to.both = nnrt_ctc_sum(to.blank, to.label, NNRT_CTC_NEVER);
    return to;
}

/* Floats that nnrt_ctc_decode works in. */
#define NNRT_CTC_DECODE(frames, beam) (4 * ((frames) * (beam) + 1) + 9 * (beam))

/* Prefix beam search (Hannun et al., 2014), without a language model: of all label sequences, `most` are
 * followed up, each with the sum of all its ways; the likeliest at the end is it. */
static __attribute__((unused)) int nnrt_ctc_search(const float *p, int frames, int classes,
                                                   int blank, int most, float *work, float *to)
{
    nnrt_ctc_node *tree = (nnrt_ctc_node *)work;
    nnrt_ctc_beam *beam = (nnrt_ctc_beam *)(tree + (int64_t)frames * most + 1);
    nnrt_ctc_choice *list = (nnrt_ctc_choice *)(beam + most);
    int32_t n_tree = 1;
    int n = 1, length = 0;
    tree[0] = (nnrt_ctc_node){0, -1, 0, 0};
    beam[0] = (nnrt_ctc_beam){0, 0.0f, NNRT_CTC_NEVER, 0.0f};
    for (int t = 0; t < frames; t++, p += classes) {
        int chosen = 0;
        for (int i = 0; i < n; i++)
            chosen = nnrt_ctc_choose(list, chosen, most, nnrt_ctc_stay(beam, n, i, tree, p, blank));
        for (int i = 0; i < n; i++)
            for (int c = 0; c < classes; c++) {
                float score = nnrt_ctc_more(&beam[i], tree, c, p);
                if (c == blank || (chosen == most && !(score > list[most - 1].both)) ||
                    nnrt_ctc_followed(beam, n, tree, beam[i].node, c))
                    continue;
                nnrt_ctc_choice x = {i, c, NNRT_CTC_NEVER, score, score};
                chosen = nnrt_ctc_choose(list, chosen, most, x);
            }
        for (int i = 0; i < chosen; i++) { /* nodes, before the beams that they come from change */
            int32_t node = beam[list[i].from].node;
            list[i].from =
                list[i].more < 0 ? node : nnrt_ctc_child(tree, &n_tree, node, list[i].more);
        }
        float top = list[0].both;
        for (int i = 0; i < chosen; i++)
            beam[i] =
                (nnrt_ctc_beam){list[i].from, nnrt_ctc_larger(list[i].blank - top, NNRT_CTC_NEVER),
                                nnrt_ctc_larger(list[i].label - top, NNRT_CTC_NEVER),
                                nnrt_ctc_larger(list[i].both - top, NNRT_CTC_NEVER)};
        n = chosen;
    }
    for (int32_t i = beam[0].node; i; i = tree[i].parent)
        length++;
    int at = length;
    for (int32_t i = beam[0].node; i; i = tree[i].parent)
        to[--at] = (float)tree[i].label;
    return length;
}

/* The labels of a sample, then -1 up to `frames` numbers: of its log-probabilities p [frames][classes], of
 * which `some_frames` count. beam 1: the best path, for which logits do. work: NNRT_CTC_DECODE(frames,
 * beam) floats, or NULL where beam is 1. */
NNRT_INLINE void nnrt_ctc_decode(const float *p, float some_frames, int frames, int classes,
                                 int blank, int beam, float *work, float *to)
{
    int count = nnrt_ctc_length(some_frames, frames);
    int n = beam > 1 ? nnrt_ctc_search(p, count, classes, blank, beam, work, to)
                     : nnrt_ctc_best_path(p, count, classes, blank, to);
    for (int i = n; i < frames; i++)
        to[i] = -1.0f;
}

/* --- edit distance ---------------------------------------------------------------------------- */

/* Marks where the words of n labels begin and end, which the separator divides; where it is below 0, each
 * label is one. Gives how many there are. */
static inline int nnrt_words(const int32_t *x, int n, int separator, int32_t *begin, int32_t *end)
{
    int words = 0, inside = 0;
    for (int i = 0; i < n; i++) {
        int apart = x[i] == separator;
        if (!apart && (!inside || separator < 0))
            begin[words++] = i;
        if (!apart)
            end[words - 1] = i + 1;
        inside = !apart;
    }
    return words;
}

/* Floats that nnrt_edit_distance works in. */
#define NNRT_EDIT_DISTANCE(decoded, targets) (3 * (decoded) + 3 * (targets) + 1)

/* How many words or labels must be put in, left out or changed for those of a to be those of b (Levenshtein,
 * 1966), and how many b has. a: `decoded` numbers, up to the first below 0; b: `targets`, of which
 * `some_targets` count; separator: see nnrt_words. work: NNRT_EDIT_DISTANCE floats. */
static __attribute__((unused)) void nnrt_edit_distance(const float *a, const int32_t *b,
                                                       float some_targets, int decoded, int targets,
                                                       int separator, float *work, float *to)
{
    int32_t *labels = (int32_t *)work, *a_begin = labels + decoded, *a_end = a_begin + decoded;
    int32_t *b_begin = a_end + decoded, *b_end = b_begin + targets, *row = b_end + targets;
    int n = 0;
    while (n < decoded && a[n] >= 0.0f) {
        labels[n] = (int32_t)a[n];
        n++;
    }
    n = nnrt_words(labels, n, separator, a_begin, a_end);
    int m = nnrt_words(b, nnrt_ctc_length(some_targets, targets), separator, b_begin, b_end);
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 0; i < n; i++) {
        int32_t corner = row[0];
        row[0] = i + 1;
        for (int j = 0; j < m; j++) {
            int32_t size = a_end[i] - a_begin[i];
            int same = size == b_end[j] - b_begin[j] &&
                       __builtin_memcmp(labels + a_begin[i], b + b_begin[j],
                                        sizeof *b * (unsigned)size) == 0;
            int32_t best = corner + !same;
            corner = row[j + 1];
            best = corner + 1 < best ? corner + 1 : best;
            row[j + 1] = row[j] + 1 < best ? row[j] + 1 : best;
        }
    }
    to[0] = (float)row[m];
    to[1] = (float)m;
}

#endif
