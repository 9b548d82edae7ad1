/* SPDX-License-Identifier: MIT */
/* nnrt_stories.c: made-up texts, for examples that need no files: small stories whose words follow
 * from earlier ones, reviews that like a film or not, and headlines of four topics. In integers and
 * ASCII: the same bytes on every machine. */
#include <string.h>

#include "nnrt_text.h"

#define STORY_OF(list) ((int32_t)(sizeof(list) / sizeof *(list)) - 1)

static const char *story_pick(uint64_t *r, const char *const *words, int32_t last)
{
    return words[nnrt_synth_range(r, 0, last)];
}

/* The text with each $ and letter replaced: words[0] for $a, and so on. */
static void story_say(nnrt_buffer *out, const char *text, const char *const *words)
{
    for (const char *c = text; *c; c++) {
        if (*c == '$')
            nnrt_buffer_say(out, words[*++c - 'a']);
        else
            nnrt_buffer_put(out, c, 1);
    }
}

/* --- stories ---------------------------------------------------------------------------------- */

/* $a who, $b the other, $c and $d their pronouns, $e colour, $f thing, $g place, $h where it is. */
static const char *const story_second[] = {
    "$c takes the $e $f to the $g. ",
    "$b asks $a: \"Where is the $f?\" ",
    "$c hides the $f in the $g, and $b looks for it. ",
    "$c gives it to $b, who likes all that is $e. ",
};
static const char *const story_third[] = {
    "$b finds the $e $f in the $g. ",
    "Then $a and $b play with the $f. ",
    "$d wants to have a $e $f too. ",
    "In the $g, $a shows $b the $e $f. ",
};
static const char *const story_fourth[] = {
    "The $f stays in the $g.",
    "In the evening $a and $b go home.",
    "\"Thank you, $a,\" says $b.",
    "$c is happy, and $b is too.",
};

void nnrt_stories(uint64_t seed, int64_t count, nnrt_buffer *out)
{
    static const char *const women[] = {"Anna", "Maria", "Lena", "Sara"};
    static const char *const men[] = {"Tom", "Paul", "Max", "Jonas"};
    static const char *const colours[] = {"red", "blue", "green", "yellow", "black", "white"};
    static const char *const things[] = {"ball", "book", "boat", "bell", "kite", "cup", "hat"};
    static const char *const places[] = {"garden", "house", "forest", "school", "river", "town"};
    uint64_t r = seed;
    nnrt_synth_next(&r);
    for (int64_t i = 0; i < count && !out->failed; i++) {
        int first = nnrt_synth_range(&r, 0, 1);
        const char *woman = story_pick(&r, women, STORY_OF(women));
        const char *man = story_pick(&r, men, STORY_OF(men));
        const char *const words[] = {first ? woman : man,
                                     first ? man : woman,
                                     first ? "She" : "He",
                                     first ? "He" : "She",
                                     story_pick(&r, colours, STORY_OF(colours)),
                                     story_pick(&r, things, STORY_OF(things)),
                                     story_pick(&r, places, STORY_OF(places))};
        story_say(out, "$a has a $e $f. ", words);
        story_say(out, story_pick(&r, story_second, STORY_OF(story_second)), words);
        story_say(out, story_pick(&r, story_third, STORY_OF(story_third)), words);
        story_say(out, story_pick(&r, story_fourth, STORY_OF(story_fourth)), words);
        nnrt_buffer_say(out, "\n");
    }
}

/* --- reviews ---------------------------------------------------------------------------------- */

/* A clause that likes something, or not. */
static void review_clause(uint64_t *r, int good, nnrt_buffer *out)
{
    static const char *const what[] = {"the film",   "the story",    "the acting",  "the music",
                                       "the ending", "this picture", "the dialogue"};
    static const char *const likes[] = {"good", "great", "moving", "funny", "clever", "charming"};
    static const char *const dislikes[] = {"bad", "dull", "slow", "silly", "flat", "boring"};
    static const char *const degree[] = {"", "", "very ", "rather ", "truly "};
    int turned = nnrt_synth_range(r, 0, 3) == 0;
    const char *const words[] = {story_pick(r, what, STORY_OF(what)), turned ? "not " : "",
                                 story_pick(r, degree, STORY_OF(degree)),
                                 good != turned ? story_pick(r, likes, STORY_OF(likes))
                                                : story_pick(r, dislikes, STORY_OF(dislikes))};
    story_say(out, "$a was $b$c$d", words);
}

int nnrt_review(uint64_t seed, int64_t i, nnrt_buffer *out)
{
    uint64_t r = nnrt_synth_state(seed, i);
    nnrt_synth_next(&r);
    int good = nnrt_synth_range(&r, 0, 1), parts = nnrt_synth_range(&r, 0, 2);
    if (parts == 1) /* "but": the second counts */
        review_clause(&r, !good, out);
    else
        review_clause(&r, good, out);
    if (parts) {
        nnrt_buffer_say(out, parts == 1 ? " , but " : " and ");
        review_clause(&r, good, out);
    }
    nnrt_buffer_say(out, " .");
    return good;
}

/* --- headlines -------------------------------------------------------------------------------- */

enum { HEADLINE_TOPICS = 4, HEADLINE_NOUNS = 8 };

/* By topic, in the order of their names. */
static const char *const headline_nouns[HEADLINE_TOPICS][HEADLINE_NOUNS] = {
    {"profit", "bank", "merger", "oil price", "retailer", "airline", "budget", "share sale"},
    {"comet", "robot", "drug trial", "telescope", "software", "virus", "satellite", "new chip"},
    {"final", "season", "champion", "coach", "race", "transfer", "goalkeeper", "Olympic team"},
    {"election", "peace talk", "storm", "minister", "border", "embassy", "army", "treaty"},
};

int nnrt_headline(uint64_t seed, int64_t i, nnrt_buffer *out)
{
    static const char *const does[] = {"surprises", "disappoints", "pleases", "worries", "divides"};
    static const char *const whom[] = {"Berlin",  "Tokyo", "Madrid",
                                       "experts", "many",  "the public"};
    static const char *const when[] = {"", " again", " this year", " on Monday"};
    static const char *const shapes[] = {"The $a $b $c$d .", "After the $e , $a $b $c$d .",
                                         "$a $b $c$d after the $e ."};
    uint64_t r = nnrt_synth_state(seed, i);
    nnrt_synth_next(&r);
    int topic = nnrt_synth_range(&r, 0, HEADLINE_TOPICS - 1);
    const char *a = story_pick(&r, headline_nouns[topic], HEADLINE_NOUNS - 1);
    const char *b = story_pick(&r, does, STORY_OF(does));
    const char *c = story_pick(&r, whom, STORY_OF(whom));
    const char *d = story_pick(&r, when, STORY_OF(when));
    int other = nnrt_synth_range(&r, 0, HEADLINE_TOPICS - 1);
    const char *e = story_pick(&r, headline_nouns[other], HEADLINE_NOUNS - 1);
    const char *const words[] = {a, b, c, d, e};
    story_say(out, story_pick(&r, shapes, STORY_OF(shapes)), words);
    return topic;
}
