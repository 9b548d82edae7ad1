/* SPDX-License-Identifier: MIT */
/* nnrt_decode.c: continues a sequence, token by token: what a prompt leaves in the caches, and how the next token
 * is chosen of the scores. No heap: all of it lies in the instance. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nnrt.h"
#include "nnrt_rand.h"

/* Of the random numbers of decoding; those of a model's layers count up from 0. */
#define DECODE_STREAM 0xdec0deu

/* Behind the scores there is room for an order of tokens. */
float *nnrt_decode_scores(const nnrt_instance *m)
{
    const nnrt_generation *g = m->model->generation;
    size_t caches = g->beam ? (size_t)g->beam : 1;
    return (float *)(void *)(m->scratch + g->cache_at + caches * g->cache_bytes);
}

static int decode_fail(nnrt_instance *m, const char *why)
{
    snprintf(m->error, sizeof m->error, "%s", why);
    return -1;
}

static int decode_fits(nnrt_instance *m, int64_t more)
{
    const nnrt_generation *g = m->model->generation;
    if (!g->length || more <= g->length - m->position)
        return 0;
    snprintf(m->error, sizeof m->error,
             "the model was made for %lld positions: %lld are taken, and %lld more do not fit",
             (long long)g->length, (long long)m->position, (long long)more);
    return -1;
}

static int decode_check(nnrt_instance *m, int64_t n, const int32_t *token)
{
    const nnrt_generation *g = m->model->generation;
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= g->classes) {
            snprintf(m->error, sizeof m->error,
                     "token %lld of the prompt is %d; tokens are 0 to %lld", (long long)i,
                     (int)token[i], (long long)g->classes - 1);
            return -1;
        }
    return decode_fits(m, n);
}

/* Tokens to the caches, and the scores after the last of them. */
static void decode_feed(nnrt_instance *m, int64_t n, const int32_t *token)
{
    const nnrt_generation *g = m->model->generation;
    float *scores = nnrt_decode_scores(m);
    enum { CHUNK = 64 };
    for (int64_t i = 0; i < n;) {
        int64_t here = n - i < g->chunk ? n - i : g->chunk;
        if (here > 1) {
            int32_t part[CHUNK] = {
                0}; /* what is past the prompt is overwritten before it is seen */
            memcpy(part, token + i, (size_t)here * sizeof *part);
            g->prefill(m, part, m->position, (int)here - 1, scores);
        } else {
            here = 1;
            g->step(m, token + i, m->position, scores);
        }
        m->position += here;
        i += here;
    }
}

void nnrt_decode_read(nnrt_instance *m, int32_t token)
{
    decode_feed(m, 1, &token);
}

int nnrt_decode_begin(nnrt_instance *m, const void *const *in, int64_t n, const int32_t *prompt)
{
    const nnrt_generation *g = m->model->generation;
    int32_t start = (int32_t)g->start;
    m->position = 0;
    m->waits = m->sequence = 0;
    if (n < 1 && start >= 0) {
        prompt = &start;
        n = 1;
    }
    if (n < 1)
        return decode_fail(m, "the prompt is empty");
    if (decode_check(m, n, prompt))
        return -1;
    if (in) {
        m->encoded = 0;
        if (g->encode && g->encode(m, in))
            return -1;
        m->encoded = 1;
    }
    if (g->encode && !m->encoded)
        return decode_fail(m, "there is no source: the other inputs are missing");
    memset(m->scratch + g->cache_at, 0, g->cache_bytes);
    decode_feed(m, n, prompt);
    return 0;
}

/* --- Choosing --------------------------------------------------------------------------------- */

/* Whether token a comes before b: by its score, of equal ones by its number. */
static int decode_before(const float *scores, int32_t a, int32_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Moves the token at the root of heap[0 .. n) down to where it belongs. */
static void decode_sink(const float *scores, int32_t *heap, int64_t n, int64_t at)
{
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && decode_before(scores, heap[child + 1], heap[child]))
            child++;
        if (!decode_before(scores, heap[child], heap[at]))
            return;
        int32_t token = heap[at];
        heap[at] = heap[child];
        heap[child] = token;
    }
}

/* The largest of the heap, which is put behind what is left of it. */
static int32_t decode_pop(const float *scores, int32_t *heap, int64_t *n)
{
    int32_t first = heap[0];
    heap[0] = heap[--*n];
    heap[*n] = first;
    decode_sink(scores, heap, *n, 0);
    return first;
}

static int32_t decode_largest(const float *scores, int64_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* The token at which the sum of weights, in the order `token` (NULL: of their numbers), passes `mark`. */
static int32_t decode_draw(const float *scores, double top, double heat, int64_t n,
                           const int32_t *token, double mark)
{
    double sum = 0;
    int32_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        at = token ? token[-i] : (int32_t)i;
        sum += exp(((double)scores[at] - top) / heat);
        if (sum > mark)
            return at;
    }
    return at;
}

/* A token by its probability, of the `top_k` likeliest, and of these of the fewest whose probabilities come to
 * top_p. u: a number from 0 below 1. */
static int32_t decode_choose(const float *scores, int32_t *order, int64_t n,
                             const nnrt_sampling *how, double u)
{
    double top = (double)scores[decode_largest(scores, n)], all = 0, sum = 0;
    double heat = how->temperature;
    int64_t most = how->top_k > 0 && how->top_k < n ? how->top_k : n, left = n, kept = 0;
    for (int64_t i = 0; i < n && (most == n); i++)
        all += exp(((double)scores[i] - top) / heat);
    if (most == n && how->top_p >= 1)
        return decode_draw(scores, top, heat, n, NULL, u * all);
    for (int64_t i = 0; i < n; i++)
        order[i] = (int32_t)i;
    for (int64_t i = n / 2; i-- > 0;)
        decode_sink(scores, order, n, i);
    while (kept < most && (most < n || sum < how->top_p * all)) {
        sum += exp(((double)scores[decode_pop(scores, order, &left)] - top) / heat);
        kept++;
    }
    if (most < n) { /* of what top_k left, what top_p leaves */
        double wanted = how->top_p * sum;
        int64_t few = 0;
        for (sum = 0; few < kept && (few == 0 || sum < wanted); few++)
            sum += exp(((double)scores[order[n - 1 - few]] - top) / heat);
        kept = few;
    }
    return decode_draw(scores, top, heat, kept, order + n - 1, u * sum);
}

int nnrt_decode_finite(nnrt_instance *m)
{
    const float *scores = nnrt_decode_scores(m);
    for (int64_t i = 0; i < m->model->generation->classes; i++)
        if (!isfinite(scores[i]))
            return decode_fail(m, "a score is not finite");
    return 0;
}

int32_t nnrt_decode_next(nnrt_instance *m, const nnrt_sampling *how)
{
    const nnrt_generation *g = m->model->generation;
    float *scores = nnrt_decode_scores(m);
    if (m->position == 0)
        return decode_fail(m, "there is no prompt");
    if (m->waits) {
        if (decode_fits(m, 1))
            return -1;
        int32_t token = m->next;
        m->waits = 0;
        decode_feed(m, 1, &token);
    }
    if (nnrt_decode_finite(m))
        return -1;
    nnrt_rand_key key = nnrt_rand_key_of(how->seed, 0, DECODE_STREAM);
    double u = (double)(nnrt_rand_bits64(key, (uint64_t)m->position) >> 11) * 0x1p-53;
    m->next = how->temperature > 0 ? decode_choose(scores, (int32_t *)(void *)(scores + g->classes),
                                                   g->classes, how, u)
                                   : decode_largest(scores, g->classes);
    m->waits = 1;
    return m->next;
}

int nnrt_generate(nnrt_instance *m, const void *const *in, int n_prompt, const int32_t *prompt,
                  int n, int32_t *tokens, const nnrt_sampling *how)
{
    m->error[0] = '\0';
    if (n_prompt < 0 || n < 0)
        return decode_fail(m, "a number of tokens is below 0");
    if (!(how->temperature >= 0) || !isfinite(how->temperature) || how->top_k < 0 ||
        !(how->top_p > 0 && how->top_p <= 1))
        return decode_fail(m, "temperature and top_k are 0 and more, top_p above 0 and up to 1");
    if ((in || n_prompt > 0 || m->position == 0) && nnrt_decode_begin(m, in, n_prompt, prompt))
        return -1;
    if (n > 1 || m->waits) /* the last token is not read any more */
        if (decode_fits(m, n - !m->waits))
            return -1;
    for (int i = 0; i < n; i++) {
        int32_t token = nnrt_decode_next(m, how);
        if (token < 0)
            return -1;
        if (token == how->end)
            return i;
        tokens[i] = token;
    }
    return n;
}
