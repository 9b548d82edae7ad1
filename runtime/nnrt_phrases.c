/* SPDX-License-Identifier: MIT */
/* nnrt_phrases.c: made-up pairs of texts, for examples of translation that need no files: English phrases, and the
 * same in a language whose verbs come last, whose adjectives stand behind nouns and whose articles are endings. In
 * integers and ASCII: the same bytes on every machine. */
#include "nnrt_text.h"

typedef struct phrase_word {
    const char *english, *other;
} phrase_word;

static const phrase_word phrase_nouns[] = {
    {"dog", "kuru"},   {"cat", "misa"},   {"boy", "tavo"},   {"girl", "tavi"}, {"woman", "nela"},
    {"man", "nelo"},   {"house", "dom"},  {"ball", "bolu"},  {"horse", "eko"}, {"bird", "pipi"},
    {"river", "suma"}, {"boat", "vatta"}, {"apple", "melo"}, {"tree", "arba"}, {"book", "livo"}};
static const phrase_word phrase_adjectives[] = {
    {"small", "piti"}, {"big", "groma"},  {"red", "rasu"}, {"blue", "azu"},
    {"old", "vena"},   {"young", "jona"}, {"good", "bena"}};
static const phrase_word phrase_verbs[] = {{"sees", "vid"},   {"wants", "vol"},
                                           {"likes", "am"},   {"takes", "pren"},
                                           {"finds", "trov"}, {"carries", "port"}};
static const phrase_word phrase_times[] = {
    {"today", "oda"}, {"now", "nun"}, {"often", "ofta"}, {"again", "re"}};

#define PHRASE_OF(list) (list), ((int32_t)(sizeof(list) / sizeof *(list)) - 1)

static const phrase_word *phrase_pick(uint64_t *r, const phrase_word *list, int32_t last)
{
    return &list[nnrt_synth_range(r, 0, last)];
}

typedef struct phrase_thing {
    const phrase_word *noun, *adjective[2];
    int adjectives, known; /* "the" */
} phrase_thing;

static phrase_thing phrase_thing_of(uint64_t *r)
{
    phrase_thing t = {.noun = phrase_pick(r, PHRASE_OF(phrase_nouns))};
    t.adjectives = nnrt_synth_range(r, 0, 2);
    t.known = nnrt_synth_range(r, 0, 1);
    for (int i = 0; i < t.adjectives; i++)
        t.adjective[i] = phrase_pick(r, PHRASE_OF(phrase_adjectives));
    return t;
}

static void phrase_put(nnrt_buffer *out, const char *word)
{
    nnrt_buffer_say(out, word);
    nnrt_buffer_say(out, " ");
}

static void phrase_say(const phrase_thing *t, int other, nnrt_buffer *out)
{
    if (!other) {
        phrase_put(out, t->known ? "the" : "a");
        for (int i = 0; i < t->adjectives; i++)
            phrase_put(out, t->adjective[i]->english);
        phrase_put(out, t->noun->english);
        return;
    }
    nnrt_buffer_say(out, t->noun->other);
    phrase_put(out, t->known ? "ta" : "");
    for (int i = t->adjectives; i-- > 0;)
        phrase_put(out, t->adjective[i]->other);
}

static void phrase_clause(uint64_t *r, int other, nnrt_buffer *out)
{
    phrase_thing who = phrase_thing_of(r), what = phrase_thing_of(r);
    const phrase_word *does = phrase_pick(r, PHRASE_OF(phrase_verbs));
    const phrase_word *when = phrase_pick(r, PHRASE_OF(phrase_times));
    int timed = nnrt_synth_range(r, 0, 1), denied = nnrt_synth_range(r, 0, 3) == 0;
    if (other && timed)
        phrase_put(out, when->other);
    phrase_say(&who, other, out);
    if (!other && denied)
        phrase_put(out, "never");
    if (!other)
        phrase_put(out, does->english);
    phrase_say(&what, other, out);
    if (other) {
        nnrt_buffer_say(out, does->other);
        phrase_put(out, denied ? "un" : "a");
    } else if (timed) {
        phrase_put(out, when->english);
    }
}

void nnrt_phrase(uint64_t seed, int64_t i, int made_up, nnrt_buffer *out)
{
    uint64_t r = nnrt_synth_state(seed, i);
    nnrt_synth_next(&r);
    int both = nnrt_synth_range(&r, 0, 1);
    phrase_clause(&r, made_up, out);
    if (both) {
        phrase_put(out, made_up ? "e" : "and");
        phrase_clause(&r, made_up, out);
    }
    nnrt_buffer_say(out, ".");
}
