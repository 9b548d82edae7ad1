/* SPDX-License-Identifier: MIT */
/* decode.c: NAME_generate against NAME_predict of the whole prefix, token for token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "gpt.h"
#include "rnn.h"

enum { CLASSES = 37, MOST = 400 };

/* The model `m`, of `length` positions: prompts of some lengths, continued as far as it goes. */
#define CHECK(NAME, LENGTH)                                                                        \
    static void check_##NAME(float temperature)                                                    \
    {                                                                                              \
        static const int prompts[] = {1, 2, 17, 63, 64, 65, 129, LENGTH - 1, LENGTH};              \
        static float logits[LENGTH * CLASSES];                                                     \
        NAME *m = NAME##_new(3), *other = NAME##_new(3);                                           \
        for (int p = 0; p < (int)(sizeof prompts / sizeof *prompts); p++) {                        \
            int n = prompts[p], made = LENGTH - n + 1;                                             \
            int32_t tokens[LENGTH + 1], all[LENGTH + 1];                                           \
            if (n > LENGTH)                                                                        \
                continue;                                                                          \
            for (int i = 0; i <= LENGTH; i++)                                                      \
                tokens[i] = (i * i + 5 * i + p) % CLASSES;                                         \
            memcpy(all, tokens, sizeof all);                                                       \
            made = made > 40 ? 40 : made;                                                          \
            expect(NAME##_generate(m, n, tokens, made, tokens + n, temperature, 0, 1, 7) == made,  \
                   #NAME ": generate fails", n);                                                   \
            for (int i = n; i < n + made; i++) {                                                   \
                memcpy(all, tokens, (size_t)i * sizeof *all);                                      \
                expect(NAME##_predict(other, 1, all, logits) == 0, #NAME ": predict fails", n);    \
                int token = draw(logits + (size_t)(i - 1) * CLASSES, CLASSES, temperature, 7, i);  \
                expect(token == tokens[i], #NAME ": another token", n * 1000 + i);                 \
            }                                                                                      \
            /* The same in two calls. */                                                           \
            int half = made / 2;                                                                   \
            expect(NAME##_generate(m, n, tokens, half, all, temperature, 0, 1, 7) == half &&       \
                       NAME##_generate(m, 0, NULL, made - half, all + half, temperature, 0, 1,     \
                                       7) == made - half &&                                        \
                       memcmp(all, tokens + n, (size_t)made * sizeof *all) == 0,                   \
                   #NAME ": two calls", n);                                                        \
        }                                                                                          \
        NAME##_free(m);                                                                            \
        NAME##_free(other);                                                                        \
    }

CHECK(gpt, 150)
CHECK(rnn, 20)

/* A word is said of what cannot be. */
static void refused(gpt *m, int given, const char *text)
{
    expect(given == -1 && strstr(gpt_error(m), text), text, given);
    if (given == -1 && !strstr(gpt_error(m), text))
        printf("  it says: %s\n", gpt_error(m));
}

static void check_refusals(void)
{
    gpt *m = gpt_new(1);
    int32_t t[MOST] = {0}, out[MOST];
    refused(m, gpt_generate(m, 0, NULL, 1, out, 0, 0, 1, 1), "prompt is empty");
    refused(m, gpt_generate(m, 151, t, 1, out, 0, 0, 1, 1), "150 positions");
    refused(m, gpt_generate(m, 150, t, 2, out, 0, 0, 1, 1), "do not fit");
    expect(gpt_generate(m, 150, t, 1, out, 0, 0, 1, 1) == 1, "the last position", 150);
    refused(m, gpt_generate(m, 0, NULL, 1, out, 0, 0, 1, 1), "do not fit");
    t[3] = 37;
    refused(m, gpt_generate(m, 5, t, 1, out, 0, 0, 1, 1), "token 3 of the prompt is 37");
    t[3] = -1;
    refused(m, gpt_generate(m, 5, t, 1, out, 0, 0, 1, 1), "token 3");
    t[3] = 0;
    refused(m, gpt_generate(m, 5, t, 1, out, -1, 0, 1, 1), "temperature");
    refused(m, gpt_generate(m, 5, t, 1, out, 1, 0, 0, 1), "top_p");
    refused(m, gpt_generate(m, 5, t, 1, out, 1, -1, 1, 1), "top_k");
    float bias[CLASSES * 16];
    gpt_get(m, "tok.weight", bias);
    bias[0] = NAN;
    gpt_set(m, "tok.weight", bias);
    refused(m, gpt_generate(m, 5, t, 1, out, 0, 0, 1, 1), "not finite");
    gpt_free(m);
}

/* top_k and top_p: only the tokens that they leave are drawn, all of them, and as often as they should. */
static void check_choice(void)
{
    enum { DRAWS = 4000 };
    static float logits[150 * CLASSES];
    gpt *m = gpt_new(3);
    int32_t prompt[150] = {3}, token;
    double p[CLASSES];
    int order[CLASSES];
    gpt_predict(m, 1, prompt, logits);
    const float *s = logits;
    for (int i = 0; i < CLASSES; i++) {
        order[i] = i;
        p[i] = exp((double)s[i]);
    }
    for (int i = 0; i < CLASSES; i++)
        for (int j = i + 1; j < CLASSES; j++)
            if (s[order[j]] > s[order[i]]) {
                int swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
    for (int turn = 0; turn < 3; turn++) {
        static const int ks[] = {5, 0, 8};
        static const float ps[] = {1, 0.6f, 0.5f};
        int k = ks[turn] ? ks[turn] : CLASSES, kept = 0, seen[CLASSES] = {0};
        double of_k = 0, sum = 0;
        for (int i = 0; i < k; i++)
            of_k += p[order[i]];
        while (kept < k && sum < (double)ps[turn] * of_k)
            sum += p[order[kept++]];
        for (int i = 0; i < DRAWS; i++) {
            gpt_generate(m, 1, prompt, 1, &token, 1, ks[turn], ps[turn], (uint64_t)i);
            seen[token]++;
        }
        for (int i = 0; i < CLASSES; i++) {
            double wanted = i < kept ? p[order[i]] / sum : 0, got = seen[order[i]] / (double)DRAWS;
            expect(fabs(got - wanted) <= 5 * sqrt(wanted * (1 - wanted) / DRAWS) + 1e-12,
                   "draws are not as probabilities are", turn * 100 + i);
        }
    }
    gpt_free(m);
}

/* A fork decodes by itself, with the owner's weights. */
static void check_fork(void)
{
    gpt *m = gpt_new(3), *f;
    int32_t t[3] = {4, 5, 6}, a[20], b[20];
    void *memory = aligned_alloc(64, (gpt_size() + 63) / 64 * 64);
    f = gpt_fork(memory, m);
    gpt_generate(m, 3, t, 10, a, 1, 0, 1, 2);
    gpt_generate(f, 2, t, 20, b, 1, 0, 1, 9);
    gpt_generate(m, 0, NULL, 10, a + 10, 1, 0, 1, 2);
    gpt_generate(f, 3, t, 20, b, 1, 0, 1, 2);
    expect(memcmp(a, b, sizeof a) == 0, "a fork disturbs its owner", 0);
    free(memory);
    gpt_free(m);
}

/* Training, or a prediction, in between. */
static void check_between(void)
{
    static float logits[150 * CLASSES];
    static int32_t x[150];
    gpt *m = gpt_new(3);
    int32_t t[3] = {4, 5, 6}, a[20], b[20];
    gpt_generate(m, 3, t, 20, a, 1, 4, 0.9f, 2);
    gpt_generate(m, 3, t, 10, b, 1, 4, 0.9f, 2);
    gpt_predict(m, 1, x, logits);
    gpt_generate(m, 0, NULL, 10, b + 10, 1, 4, 0.9f, 2);
    expect(memcmp(a, b, sizeof a) == 0, "a prediction in between is seen", 0);
    for (int i = 0; i < 20; i++)
        printf("%d ", (int)a[i]);
    printf("\n");
    gpt_free(m);
}

int main(void)
{
    check_gpt(0);
    check_gpt(1);
    check_rnn(0);
    check_rnn(0.7f);
    check_refusals();
    check_choice();
    check_fork();
    check_between();
    return wrong;
}
