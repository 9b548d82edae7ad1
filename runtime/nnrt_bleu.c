/* SPDX-License-Identifier: MIT */
/* nnrt_bleu.c: BLEU of texts against references (Papineni et al., 2002), one reference each.
 *
 * Over a whole set: of n-grams of 1 to 4 words, those of a text that its reference has too, each at most as often as
 * there, are counted and divided by those that there are; the geometric mean of the four shares, times exp(1 - r / c)
 * where the c words of all texts are fewer than the r of all references. Nothing is smoothed. Words are those of
 * NIST's mteval-v13a: marks stand alone, but for full stops and commas in numbers, apostrophes, and hyphens that
 * follow no digit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* --- words ------------------------------------------------------------------------------------ */

static int bleu_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int bleu_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Marks that always stand alone. */
static int bleu_alone(char c)
{
    return (c >= '!' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* The text with what was written for XML as it was meant. */
static void bleu_unescape(const char *text, size_t n, nnrt_buffer *out)
{
    static const struct {
        const char *from, *to;
    } forms[] = {{"<skipped>", ""}, {"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}};
    enum { FORMS = (int)(sizeof forms / sizeof *forms) };
    for (size_t i = 0, taken; i < n; i += taken) {
        taken = 0;
        for (int k = 0; k < FORMS && !taken; k++) {
            size_t size = strlen(forms[k].from);
            if (size <= n - i && memcmp(text + i, forms[k].from, size) == 0) {
                nnrt_buffer_say(out, forms[k].to);
                taken = size;
            }
        }
        if (!taken) {
            nnrt_buffer_put(out, text + i, 1);
            taken = 1;
        }
    }
}

/* Two characters where the first or the second is of such a kind, with spaces put in; as a regular expression
 * replaces them, from the left, none twice. */
typedef enum { BLEU_POINT_AFTER, BLEU_POINT_BEFORE, BLEU_HYPHEN } bleu_rule;

static int bleu_applies(bleu_rule rule, char a, char b)
{
    switch (rule) {
    case BLEU_POINT_AFTER: return !bleu_digit(a) && (b == '.' || b == ',');
    case BLEU_POINT_BEFORE: return (a == '.' || a == ',') && !bleu_digit(b);
    case BLEU_HYPHEN: return bleu_digit(a) && b == '-';
    }
    return 0;
}

static void bleu_replace(bleu_rule rule, nnrt_buffer *text, nnrt_buffer *work)
{
    work->size = 0;
    for (size_t i = 0; i < text->size; i++) {
        if (i + 1 == text->size || !bleu_applies(rule, text->at[i], text->at[i + 1])) {
            nnrt_buffer_put(work, text->at + i, 1);
            continue;
        }
        const char a = text->at[i], b = text->at[++i];
        const char before[4] = {' ', a, ' ', b}, after[4] = {a, ' ', b, ' '};
        nnrt_buffer_put(work, rule == BLEU_POINT_BEFORE ? before : after, 4);
    }
    nnrt_buffer swap = *text;
    *text = *work;
    *work = swap;
}

typedef struct bleu_word {
    const char *at;
    size_t size;
} bleu_word;

typedef struct bleu_words {
    nnrt_buffer text;
    bleu_word *at;
    size_t n;
} bleu_words;

static void bleu_words_free(bleu_words *w)
{
    nnrt_buffer_free(&w->text);
    free(w->at);
}

/* 0, or -1: no memory. */
static int bleu_words_of(const char *text, size_t n, bleu_words *out)
{
    nnrt_buffer plain = {0}, *to = &out->text;
    *out = (bleu_words){{0}, NULL, 0};
    bleu_unescape(text, n, &plain);
    nnrt_buffer_put(to, " ", 1);
    for (size_t i = 0; i < plain.size; i++) {
        const char three[3] = {' ', plain.at[i], ' '};
        if (bleu_alone(plain.at[i]))
            nnrt_buffer_put(to, three, 3);
        else
            nnrt_buffer_put(to, plain.at + i, 1);
    }
    nnrt_buffer_put(to, " ", 1);
    for (int rule = BLEU_POINT_AFTER; rule <= BLEU_HYPHEN; rule++)
        bleu_replace((bleu_rule)rule, to, &plain);
    int failed = plain.failed || to->failed;
    nnrt_buffer_free(&plain);
    out->at = failed ? NULL : malloc((to->size / 2 + 1) * sizeof *out->at);
    for (size_t i = 0; out->at && i < to->size; i++) {
        size_t begin = i;
        while (i < to->size && !bleu_space(to->at[i]))
            i++;
        if (i > begin)
            out->at[out->n++] = (bleu_word){to->at + begin, i - begin};
    }
    return out->at ? 0 : -1;
}

/* --- n-grams ---------------------------------------------------------------------------------- */

static int bleu_same(const bleu_word *a, const bleu_word *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].size != b[i].size || memcmp(a[i].at, b[i].at, a[i].size) != 0)
            return 0;
    return 1;
}

/* How often the n words at `words` stand in the first `count` n-grams of `text`. */
static size_t bleu_times(const bleu_word *words, const bleu_word *text, size_t count, size_t n)
{
    size_t times = 0;
    for (size_t i = 0; i < count; i++)
        times += (size_t)bleu_same(words, text + i, n);
    return times;
}

static void bleu_count(nnrt_bleu *b, const bleu_words *text, const bleu_words *reference)
{
    for (size_t n = 1; n <= NNRT_BLEU_ORDER; n++) {
        size_t count = text->n >= n ? text->n - n + 1 : 0;
        size_t others = reference->n >= n ? reference->n - n + 1 : 0;
        for (size_t i = 0; i < count; i++)
            b->same[n - 1] += bleu_times(text->at + i, text->at, i, n) <
                              bleu_times(text->at + i, reference->at, others, n);
        b->all[n - 1] += (double)count;
    }
    b->words += (double)text->n;
    b->wanted += (double)reference->n;
}

int nnrt_bleu_add(nnrt_bleu *b, const char *text, size_t n, const char *reference, size_t wanted)
{
    bleu_words mine, other = {{0}, NULL, 0};
    int failed = bleu_words_of(text, n, &mine) || bleu_words_of(reference, wanted, &other);
    if (!failed)
        bleu_count(b, &mine, &other);
    bleu_words_free(&mine);
    bleu_words_free(&other);
    return failed ? -1 : 0;
}

double nnrt_bleu_brevity(const nnrt_bleu *b)
{
    if (b->words >= b->wanted)
        return 1;
    return b->words > 0 ? exp(1 - b->wanted / b->words) : 0;
}

double nnrt_bleu_value(const nnrt_bleu *b)
{
    double logs = 0;
    for (int i = 0; i < NNRT_BLEU_ORDER; i++) {
        if (b->same[i] == 0)
            return 0;
        logs += log(b->same[i] / b->all[i]) / NNRT_BLEU_ORDER;
    }
    return 100 * nnrt_bleu_brevity(b) * exp(logs);
}
