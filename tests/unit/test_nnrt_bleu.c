/* SPDX-License-Identifier: MIT */
/* Guards nnrt_bleu.c: words as mteval-v13a has them, counts that are clipped, the brevity penalty. The figures are
 * sacrebleu 2.6's (13a, no smoothing). */
#include <criterion/criterion.h>
#include <string.h>

#include "nnrt_program.h"

static nnrt_bleu bleu_of(int n, const char *const *texts, const char *const *references)
{
    nnrt_bleu b = {{0}, {0}, 0, 0};
    for (int i = 0; i < n; i++)
        cr_assert_eq(
            nnrt_bleu_add(&b, texts[i], strlen(texts[i]), references[i], strlen(references[i])), 0);
    return b;
}

static void expect(const nnrt_bleu *b, double value, double brevity)
{
    cr_expect_float_eq(nnrt_bleu_value(b), value, 1e-9, "%.17g", nnrt_bleu_value(b));
    cr_expect_float_eq(nnrt_bleu_brevity(b), brevity, 1e-12, "%.17g", nnrt_bleu_brevity(b));
}

Test(nnrt_bleu, a_set)
{
    static const char *const texts[] = {"The cat, it sat on (the) mat: 3.5 metres, 2-3 times.",
                                        "A dog's life... isn't \"easy\" & cheap - 10% off!",
                                        "one two"};
    static const char *const references[] = {"The cat sat on the mat: 3.5 metres, 2-3 times!",
                                             "A dog's life isn't \"easy\" & cheap - 10% off!",
                                             "one two three four"};
    static const double same[] = {30, 23, 17, 14}, all[] = {38, 35, 32, 30};
    nnrt_bleu b = bleu_of(3, texts, references);
    for (int i = 0; i < NNRT_BLEU_ORDER; i++) {
        cr_expect_eq(b.same[i], same[i]);
        cr_expect_eq(b.all[i], all[i]);
    }
    cr_expect(b.words == 38 && b.wanted == 33);
    expect(&b, 59.88606721918993, 1);
}

Test(nnrt_bleu, words)
{
    static const char *const texts[] = {"a.b,c 1.5,2 .5 5. 10-3 x-y 'q' (r) <s> &lt;t&gt; 100%/u"};
    static const char *const references[] = {
        "a . b , c 1.5,2 . 5 5 . 10 - 3 x-y 'q' ( r ) < s > < t > 100 % / u"};
    nnrt_bleu b = bleu_of(1, texts, references);
    cr_expect(b.words == 28 && b.wanted == 28);
    expect(&b, 100, 1);
}

Test(nnrt_bleu, clipped_and_short)
{
    static const char *const the[] = {"the the the the the the the"};
    static const char *const cat[] = {"the cat is on the mat"};
    nnrt_bleu b = bleu_of(1, the, cat);
    cr_expect(b.same[0] == 2 && b.same[1] == 0);
    expect(&b, 0, 1);
    static const char *const texts[] = {"a b c d e f", "x y z w"};
    static const char *const references[] = {"a b c d e f g h", "x y z w v"};
    b = bleu_of(2, texts, references);
    expect(&b, 74.08182206817182, 0.7408182206817179);
    static const char *const nothing[] = {""};
    b = bleu_of(1, nothing, cat);
    expect(&b, 0, 0);
}
