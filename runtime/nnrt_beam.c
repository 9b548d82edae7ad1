/* SPDX-License-Identifier: MIT */
/* nnrt_beam.c: beam search: the likeliest sequences so far, each with its caches, are followed a token at a time.
 * No heap: caches and tokens of all lie in the instance.
 *
 * A step asks for the scores of each sequence, and puts all its continuations in order: by the sum of their
 * log-probabilities, of equal ones by the sequence, then by the token. From the first on, those that end are
 * compared with the best that has ended, the others are followed, until there are `beam` of these. It stops where
 * none that is followed can become better than the best: sums only fall, and no length divides them by more
 * than the longest. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nnrt.h"

/* A sequence with one token more. */
typedef struct beam_pick {
    double sum; /* of log-probabilities */
    int from;   /* which of the sequences that are followed, the likeliest first */
    int32_t token;
} beam_pick;

typedef struct beam_state {
    nnrt_instance *m;
    const nnrt_search *how;
    int32_t *made; /* tokens: rooms of the sequences, then of the best */
    int64_t room;
    int n, step; /* tokens wanted; of each sequence so far */
    int live;    /* sequences that are followed */
    int slot[NNRT_BEAM_MAX];
    double sum[NNRT_BEAM_MAX];
    int n_picks;
    beam_pick pick[2 * NNRT_BEAM_MAX]; /* in order: so many have `beam` that do not end */
    int best_n;                        /* tokens of the best that has ended; -1: none has */
    double best;
} beam_state;

static int32_t *beam_tokens(const beam_state *s, int slot)
{
    return s->made + slot * s->room;
}

/* ((5 + length) / 6) ^ length_penalty (Wu et al., 2016, GNMT) */
static double beam_penalty(const beam_state *s, int length)
{
    return pow((5.0 + length) / 6.0, s->how->length_penalty);
}

/* --- a step ------------------------------------------------------------------------------------ */

static void beam_insert(beam_state *s, beam_pick p)
{
    int most = 2 * (int)s->how->beam, at = s->n_picks < most ? s->n_picks++ : most - 1;
    for (; at > 0 && s->pick[at - 1].sum < p.sum; at--)
        s->pick[at] = s->pick[at - 1];
    s->pick[at] = p;
}

/* The continuations of sequence `from`, whose scores are there. They come by sequence and by token, so of equal
 * ones the first stays in front. */
static void beam_collect(beam_state *s, int from)
{
    const float *scores = nnrt_decode_scores(s->m);
    int64_t classes = s->m->model->generation->classes;
    int most = 2 * (int)s->how->beam;
    double top = (double)scores[0], sum = 0;
    for (int64_t i = 1; i < classes; i++)
        top = (double)scores[i] > top ? (double)scores[i] : top;
    for (int64_t i = 0; i < classes; i++)
        sum += exp((double)scores[i] - top);
    double norm = top + log(sum);
    for (int32_t i = 0; i < classes; i++) {
        double all = s->sum[from] + ((double)scores[i] - norm);
        if (s->n_picks < most || all > s->pick[most - 1].sum)
            beam_insert(s, (beam_pick){all, from, i});
    }
}

/* The scores of every sequence, and what may follow. 0, or -1. */
static int beam_look(beam_state *s)
{
    int64_t position = s->m->position;
    s->n_picks = 0;
    for (int i = 0; i < s->live; i++) {
        if (s->step) { /* else the prompt has left them */
            s->m->position = position;
            s->m->sequence = s->slot[i];
            nnrt_decode_read(s->m, beam_tokens(s, s->slot[i])[s->step - 1]);
        }
        if (nnrt_decode_finite(s->m))
            return -1;
        beam_collect(s, i);
    }
    return 0;
}

static void beam_end(beam_state *s, const beam_pick *p)
{
    double value = p->sum / beam_penalty(s, s->step + 1);
    if (s->best_n >= 0 && value <= s->best)
        return;
    s->best = value;
    s->best_n = s->step;
    memcpy(beam_tokens(s, (int)s->how->beam), beam_tokens(s, s->slot[p->from]),
           (size_t)s->step * sizeof(int32_t));
}

/* Keeps those that go on, in their order; the others have ended. */
static void beam_sort(beam_state *s)
{
    int go_on = 0;
    for (int i = 0; i < s->n_picks && go_on < s->how->beam; i++) {
        if (s->pick[i].token == s->how->end)
            beam_end(s, &s->pick[i]);
        else
            s->pick[go_on++] = s->pick[i];
    }
    s->n_picks = go_on;
}

static void beam_copy(const beam_state *s, int to, int from)
{
    const nnrt_generation *g = s->m->model->generation;
    unsigned char *caches = s->m->scratch + g->cache_at;
    memcpy(caches + (size_t)to * g->cache_bytes, caches + (size_t)from * g->cache_bytes,
           g->cache_bytes);
    memcpy(beam_tokens(s, to), beam_tokens(s, from), (size_t)s->step * sizeof(int32_t));
}

/* The first that goes on from a sequence takes over its caches, the others get copies in those that nobody goes on
 * from. */
static void beam_move(beam_state *s)
{
    int slot[NNRT_BEAM_MAX], taken[NNRT_BEAM_MAX] = {0}, next = 0;
    for (int i = 0; i < s->n_picks; i++) {
        int own = s->slot[s->pick[i].from];
        slot[i] = taken[own] ? -1 : own;
        taken[own] = 1;
    }
    for (int i = 0; i < s->n_picks; i++) {
        if (slot[i] < 0) {
            while (taken[next])
                next++;
            taken[next] = 1;
            slot[i] = next;
            beam_copy(s, next, s->slot[s->pick[i].from]);
        }
        beam_tokens(s, slot[i])[s->step] = s->pick[i].token;
    }
    s->live = s->n_picks;
    for (int i = 0; i < s->live; i++) {
        s->slot[i] = slot[i];
        s->sum[i] = s->pick[i].sum;
    }
}

/* --- the search -------------------------------------------------------------------------------- */

static int beam_fail(nnrt_instance *m, const char *format, long long a)
{
    snprintf(m->error, sizeof m->error, format, a);
    return -1;
}

static int beam_check(nnrt_instance *m, int n_prompt, int n, const nnrt_search *how)
{
    const nnrt_generation *g = m->model->generation;
    m->error[0] = '\0';
    if (n_prompt < 0 || n < 0)
        return beam_fail(m, "a number of tokens is below %lld", 0);
    if (how->beam < 1 || how->beam > g->beam)
        return beam_fail(m, "the model was made for a beam of 1 to %lld", (long long)g->beam);
    if (!(how->length_penalty >= 0 && how->length_penalty <= 10))
        return beam_fail(m, "the length penalty is not from 0 to %lld", 10);
    if (n > g->room)
        return beam_fail(m, "the model was made for sequences of %lld tokens", (long long)g->room);
    int64_t read = n_prompt ? n_prompt : 1;
    if (g->length && read + n - 1 > g->length)
        return beam_fail(m, "the model was made for %lld positions: prompt and tokens do not fit",
                         (long long)g->length);
    return 0;
}

/* The tokens of the best: one that has ended, else the likeliest that goes on. */
static int beam_result(const beam_state *s, int32_t *tokens)
{
    int ended = s->best_n >= 0, n = ended ? s->best_n : s->step;
    memcpy(tokens, beam_tokens(s, ended ? (int)s->how->beam : s->slot[0]),
           (size_t)n * sizeof *tokens);
    return n;
}

int nnrt_beam(nnrt_instance *m, const void *const *in, int n_prompt, const int32_t *prompt, int n,
              int32_t *tokens, const nnrt_search *how)
{
    const nnrt_generation *g = m->model->generation;
    if (beam_check(m, n_prompt, n, how) || nnrt_decode_begin(m, in, n_prompt, prompt))
        return -1;
    /* Behind the scores and the room for an order of them. */
    size_t before = ((size_t)g->classes * 8 + NNRT_ALIGN - 1) / NNRT_ALIGN * NNRT_ALIGN;
    beam_state s = {.m = m,
                    .how = how,
                    .made = (int32_t *)(void *)((unsigned char *)nnrt_decode_scores(m) + before),
                    .room = g->room,
                    .n = n,
                    .live = 1,
                    .best_n = -1};
    for (; s.step < n && s.live; s.step++) {
        if (beam_look(&s))
            return -1;
        beam_sort(&s);
        beam_move(&s);
        if (s.best_n >= 0 && (!s.live || s.best >= s.sum[0] / beam_penalty(&s, n)))
            break;
    }
    m->position = 0; /* nothing goes on from here */
    return beam_result(&s, tokens);
}
