/* SPDX-License-Identifier: MIT */
/* decode_mt.c: NAME_generate and NAME_beam of an encoder and decoder against NAME_predict of the whole prefix, token
 * for token: the beam search is done again here, over the whole network, with everything sorted. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "mt.h"

enum { WORDS = 29, SOURCE = 23, CLASSES = 31, LENGTH = 40, START = 1, END = 2, BEAM_MOST = 5 };

static int compared, ended;

typedef struct Sample {
    int32_t source[SOURCE];
    float length, tone[8];
} Sample;

static Sample sample_of(int number)
{
    Sample s = {.length = (float)(number % SOURCE + 1)};
    for (int i = 0; i < SOURCE; i++)
        s.source[i] = (number * 7 + i * (number + 3)) % WORDS;
    for (int i = 0; i < 8; i++)
        s.tone[i] = (float)((number + i) % 5 - 2);
    return s;
}

/* The scores of what follows n tokens, by the whole network. */
static const float *scores_after(mt *m, const Sample *s, const int32_t *tokens, int n)
{
    static float logits[LENGTH * CLASSES];
    int32_t all[LENGTH] = {0};
    memcpy(all, tokens, (size_t)n * sizeof *all);
    expect(mt_predict(m, 1, s->source, &s->length, s->tone, all, logits) == 0, "predict fails", n);
    return logits + (size_t)(n - 1) * CLASSES;
}

/* `prompt` tokens are given, 0: the model's start. */
static void check_generate(mt *m, mt *other, int number, int prompt, float temperature)
{
    Sample s = sample_of(number);
    int32_t all[LENGTH + 1] = {START}, made[LENGTH];
    for (int i = 1; i < prompt; i++)
        all[i] = 3 + (i * 5 + number) % (CLASSES - 3);
    int n = prompt ? prompt : 1, most = 25 < LENGTH - n + 1 ? 25 : LENGTH - n + 1;
    int count =
        mt_generate(m, s.source, &s.length, s.tone, prompt, all, most, made, temperature, 0, 1, 9);
    expect(count >= 0 && count <= most, mt_error(m), number);
    for (int i = 0; i < most; i++) {
        int token = draw(scores_after(other, &s, all, n + i), CLASSES, temperature, 9, n + i);
        compared++;
        if (token == END) {
            expect(count == i, "it does not end where it should", number * 100 + i);
            ended++;
            return;
        }
        expect(i < count && made[i] == token, "another token", number * 100 + i);
        all[n + i] = token;
    }
    expect(count == most, "it ends too early", number);
}

/* --- beam search over the whole network --------------------------------------------------------- */

typedef struct Path {
    int n; /* tokens, start included */
    int32_t tokens[LENGTH + 2];
    double sum;
    int from, last; /* of a candidate: for equal sums */
} Path;

static int by_sum(const void *a, const void *b)
{
    const Path *x = a, *y = b;
    if (x->sum != y->sum)
        return x->sum > y->sum ? -1 : 1;
    return x->from != y->from ? x->from - y->from : x->last - y->last;
}

static double value(const Path *p, double penalty)
{
    return p->sum / pow((5 + p->n - 1) / 6.0, penalty);
}

/* The best path, searched to the end: no step is left out. */
static Path search(mt *m, const Sample *s, int beam, double penalty, int most)
{
    static Path next[BEAM_MOST * CLASSES];
    Path live[BEAM_MOST] = {{.n = 1, .tokens = {START}}}, best = {.n = 0};
    int n = 1;
    for (int step = 0; step < most; step++) {
        int count = 0;
        for (int h = 0; h < n; h++) {
            const float *score = scores_after(m, s, live[h].tokens, live[h].n);
            double top = -INFINITY, all = 0;
            for (int c = 0; c < CLASSES; c++)
                top = fmax(top, (double)score[c]);
            for (int c = 0; c < CLASSES; c++)
                all += exp((double)score[c] - top);
            for (int c = 0; c < CLASSES; c++) {
                Path p = live[h];
                p.sum += (double)score[c] - top - log(all);
                p.tokens[p.n++] = c;
                p.from = h;
                p.last = c;
                next[count++] = p;
            }
        }
        qsort(next, (size_t)count, sizeof *next, by_sum);
        n = 0;
        for (int i = 0; i < count && n < beam; i++) {
            if (next[i].last != END)
                live[n++] = next[i];
            else if (!best.n || value(&next[i], penalty) > value(&best, penalty))
                best = next[i];
        }
    }
    if (!best.n)
        return live[0];
    ended++;
    best.n--;
    return best;
}

static void check_beam(mt *m, mt *other, int number, int beam, double penalty)
{
    Sample s = sample_of(number);
    int32_t made[LENGTH];
    int most = 14;
    Path p = search(other, &s, beam, penalty, most);
    int count = mt_beam(m, s.source, &s.length, s.tone, 0, NULL, most, made, beam, (float)penalty);
    expect(count >= 0, mt_error(m), number);
    expect(count == p.n - 1, "beam: another length", number * 100 + count);
    expect(count == p.n - 1 && memcmp(made, p.tokens + 1, (size_t)count * sizeof *made) == 0,
           "beam: another token", number * 10 + beam);
    compared += count;
}

static void refused(mt *m, int given, const char *text)
{
    expect(given == -1 && strstr(mt_error(m), text), text, given);
    if (given == -1 && !strstr(mt_error(m), text))
        printf("  it says: %s\n", mt_error(m));
}

static void check_refusals(void)
{
    mt *m = mt_new(1);
    Sample s = sample_of(1);
    int32_t out[LENGTH], bad[SOURCE] = {WORDS};
    refused(m, mt_generate(m, NULL, NULL, NULL, 0, NULL, 1, out, 0, 0, 1, 1), "no source");
    refused(m, mt_generate(m, bad, &s.length, s.tone, 0, NULL, 1, out, 0, 0, 1, 1),
            "source holds a number");
    refused(m, mt_beam(m, s.source, &s.length, s.tone, 0, NULL, 5, out, 6, 0), "beam of 1 to 5");
    refused(m, mt_beam(m, s.source, &s.length, s.tone, 0, NULL, 41, out, 2, 0), "40");
    refused(m, mt_beam(m, s.source, &s.length, s.tone, 0, NULL, 4, out, 2, -1), "penalty");
    refused(m, mt_beam(m, s.source, &s.length, s.tone, 1, (int32_t[]){31}, 4, out, 2, 1), "is 31");
    mt_free(m);
}

int main(void)
{
    static const double penalties[] = {0, 0.6, 1};
    mt *m = mt_new(5), *other = mt_new(5);
    for (int i = 0; i < 6; i++)
        for (int t = 0; t < 2; t++) {
            check_generate(m, other, i, 0, t ? 0.8f : 0);
            check_generate(m, other, i, 1 + i * 7, t ? 1 : 0);
        }
    for (int i = 0; i < 6; i++)
        for (int beam = 1; beam <= BEAM_MOST; beam += 2)
            check_beam(m, other, i, beam, penalties[(i + beam) % 3]);
    check_refusals();
    /* On from where the last call was, and the same in one. */
    Sample s = sample_of(3);
    int32_t one[12], two[12];
    int n = mt_generate(m, s.source, &s.length, s.tone, 0, NULL, 8, one, 1, 0, 1, 4);
    int k = mt_generate(other, s.source, &s.length, s.tone, 0, NULL, 3, two, 1, 0, 1, 4);
    if (n == 8 && k == 3)
        k += mt_generate(other, NULL, NULL, NULL, 0, NULL, 5, two + 3, 1, 0, 1, 4);
    expect(n == k && memcmp(one, two, (size_t)n * sizeof *one) == 0, "two calls", n * 100 + k);
    printf("%d tokens compared, %d sequences ended\n", compared, ended);
    expect(compared > 300 && ended > 10, "too little was compared", compared * 100 + ended);
    mt_free(m);
    mt_free(other);
    return wrong;
}
