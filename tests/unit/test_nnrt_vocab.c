/* SPDX-License-Identifier: MIT */
/* test_nnrt_vocab.c: guards what texts become: characters and their classes, GPT-2's pieces, words,
 * merges of bytes, vocabularies made of texts, and tokenizer.json, both ways. */
#include <criterion/criterion.h>
#include <string.h>

#include "nnrt_text.h"

TestSuite(nnrt_vocab, .timeout = 60);

/* --- characters ------------------------------------------------------------------------------- */

Test(nnrt_vocab, unicode)
{
    static const struct {
        uint32_t c;
        nnrt_class class;
        uint32_t lower;
    } known[] = {
        {'a', NNRT_LETTER, 'a'},         {'Z', NNRT_LETTER, 'z'},
        {'7', NNRT_NUMBER, '7'},         {'_', NNRT_CONNECTOR, '_'},
        {' ', NNRT_SPACE, ' '},          {'\n', NNRT_SPACE, '\n'},
        {'!', NNRT_OTHER, '!'},          {0, NNRT_OTHER, 0},
        {0xC4, NNRT_LETTER, 0xE4},       {0x416, NNRT_LETTER, 0x436},
        {0x391, NNRT_LETTER, 0x3B1},     {0x301, NNRT_MARK, 0x301},
        {0x660, NNRT_NUMBER, 0x660},     {0x3000, NNRT_SPACE, 0x3000},
        {0x4E2D, NNRT_LETTER, 0x4E2D},   {0x1F600, NNRT_OTHER, 0x1F600},
        {0x10400, NNRT_LETTER, 0x10428}, {0x10FFFF, NNRT_OTHER, 0x10FFFF},
        {0x178, NNRT_LETTER, 0xFF},      {0x101, NNRT_LETTER, 0x101},
        {0xB2, NNRT_FRACTION, 0xB2},     {0x24B6, NNRT_WORDLIKE, 0x24D0},
        {0x2167, NNRT_NUMBER, 0x2177},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        cr_expect_eq(nnrt_unicode_class(known[i].c), known[i].class, "class of U+%04X", known[i].c);
        cr_expect_eq(nnrt_unicode_lower(known[i].c), known[i].lower, "lower of U+%04X", known[i].c);
    }
}

Test(nnrt_vocab, utf8_both_ways_and_nothing_else)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 97) {
        char bytes[4];
        uint32_t back = 1;
        if (c >= 0xD800 && c < 0xE000)
            continue;
        size_t n = nnrt_utf8_put(c, bytes);
        cr_assert_eq(nnrt_utf8_take(bytes, n, &back), n, "U+%04X", c);
        cr_assert_eq(back, c);
        cr_assert_eq(nnrt_utf8_take(bytes, n - 1, &back), n == 1 ? 0 : 0);
    }
    static const char *const wrong[] = {
        "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x80\x80",
        "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xC3("};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint32_t c;
        cr_expect_eq(nnrt_utf8_take(wrong[i], strlen(wrong[i]), &c), 0, "case %zu", i);
    }
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* The pieces with '|' between them; white space that is none is left out. */
static const char *pieces_of(nnrt_split split, const char *text)
{
    static char out[512];
    size_t n = strlen(text), used = 0;
    for (size_t i = 0, size; i < n; i += size) {
        int space;
        size = nnrt_piece(split, text + i, n - i, &space);
        cr_assert(size > 0 && size <= n - i);
        if (space)
            continue;
        if (used)
            out[used++] = '|';
        memcpy(out + used, text + i, size);
        used += size;
    }
    out[used] = 0;
    return out;
}

/* What `regex` gives for GPT-2's pattern. */
Test(nnrt_vocab, pieces_of_gpt2)
{
    static const char *const cases[][2] = {
        {"Hello world", "Hello| world"},
        {"I'm we'll they've 'tis o'clock", "I|'m| we|'ll| they|'ve| '|tis| o|'|clock"},
        {"x  y   z", "x| | y|  | z"},
        {"a\n\nb \n c", "a|\n|\n|b| \n| c"},
        {"end  ", "end|  "},
        {"abc123def", "abc|123|def"},
        {" 42!? ok", " 42|!?| ok"},
        {"\xC3\x84rger \xE4\xB8\xAD\xE6\x96\x87", "\xC3\x84rger| \xE4\xB8\xAD\xE6\x96\x87"},
        {"a\xE3\x80\x80"
         "b",
         "a|\xE3\x80\x80|b"},
        {"a \xE3\x80\x80"
         "b",
         "a| |\xE3\x80\x80|b"},
        {"\xFF\xFEok", "\xFF\xFE|ok"},
        {"'S'", "'|S|'"},
        {"e\xCC\x81", "e|\xCC\x81"},
        {"5\xC2\xB2!", "5\xC2\xB2|!"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(pieces_of(NNRT_SPLIT_GPT2, cases[i][0]), cases[i][1]);
}

Test(nnrt_vocab, pieces_of_words)
{
    cr_expect_str_eq(pieces_of(NNRT_SPLIT_WORDS, " it's a_1 \"test\"...  \t(OK)\n"),
                     "it|'|s|a_1|\"|test|\"...|(|OK|)");
    cr_expect_str_eq(pieces_of(NNRT_SPLIT_WORDS, "e\xCC\x81 5\xC2\xB2"), "e\xCC\x81|5|\xC2\xB2");
    cr_expect_str_eq(pieces_of(NNRT_SPLIT_SPACES, " it's a  (test)\n"), "it's|a|(test)");
    cr_expect_str_eq(pieces_of(NNRT_SPLIT_CHARACTERS, "a \xC3\xA4\n"), "a| |\xC3\xA4|\n");
    cr_expect_str_eq(pieces_of(NNRT_SPLIT_WORDS, ""), "");
}

/* --- encoding --------------------------------------------------------------------------------- */

/* The ids as text, "3 1 4"; "bad N" where it fails at byte N. */
static const char *ids_of(const nnrt_vocab *v, const char *text)
{
    static char out[1024];
    nnrt_ids ids = {0};
    size_t bad = 0, used = 0;
    int status = nnrt_vocab_encode(v, text, strlen(text), &ids, &bad);
    out[0] = 0;
    if (status)
        snprintf(out, sizeof out, "bad %zu", bad);
    for (size_t i = 0; i < ids.n && !status; i++)
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%d", i ? " " : "", ids.at[i]);
    free(ids.at);
    return out;
}

static nnrt_vocab learned(nnrt_tokens_kind kind, int pad, int unknown, int64_t size,
                          const char *text)
{
    nnrt_vocab v;
    nnrt_fault fault = {""};
    const nnrt_learning how = {
        .kind = kind, .pad = pad, .unknown = unknown, .size = size, .name = "t.txt", .input = "x"};
    nnrt_span span = {text, strlen(text)};
    cr_assert_eq(nnrt_vocab_learn(&how, &span, 1, &v, &fault), 0, "%s", fault.text);
    return v;
}

static const char *token(const nnrt_vocab *v, int32_t id)
{
    static char out[64];
    cr_assert(id >= 0 && id < v->n && v->tokens[id].at);
    snprintf(out, sizeof out, "%.*s", (int)v->tokens[id].size, v->tokens[id].at);
    return out;
}

Test(nnrt_vocab, learns_characters)
{
    nnrt_vocab v = learned(NNRT_TOKENS_CHARACTERS, 0, 0, 10, "banana \xC3\xA4!");
    cr_expect_eq(v.n, 6); /* space ! a b n ae, by code */
    cr_expect_str_eq(ids_of(&v, "ban\xC3\xA4 !"), "3 2 4 5 0 1");
    cr_expect_str_eq(ids_of(&v, "banq"), "bad 3");
    nnrt_buffer text = {0};
    nnrt_vocab_decode(&v, (int32_t[]){3, 2, 4, 99, -1}, 5, &text);
    cr_expect(text.size == 3 && memcmp(text.at, "ban", 3) == 0);
    nnrt_buffer_free(&text);
    nnrt_vocab_free(&v);
    v = learned(NNRT_TOKENS_CHARACTERS, 1, 1, 4, "aaabbc");
    cr_expect_str_eq(ids_of(&v, "abc<pad>"), "2 3 1 0");
    nnrt_vocab_free(&v);
    nnrt_fault fault = {""};
    const nnrt_learning how = {.size = 3, .name = "t.txt", .input = "x"};
    nnrt_span span = {"abcd", 4};
    cr_expect_eq(nnrt_vocab_learn(&how, &span, 1, &v, &fault), NNRT_BAD_CONTENT);
    cr_expect_not_null(strstr(fault.text, "t.txt: 4 different characters, but 'x' has room for 3"),
                       "%s", fault.text);
}

Test(nnrt_vocab, learns_words)
{
    nnrt_vocab v = learned(NNRT_TOKENS_WORDS, 1, 1, 6, "the cat , the dog , the end . zoo");
    cr_expect_str_eq(token(&v, 2), "the");
    cr_expect_str_eq(token(&v, 3), ",");
    cr_expect_str_eq(token(&v, 4), "."); /* of equals, by their bytes */
    cr_expect_str_eq(ids_of(&v, "the mouse , the cat"), "2 1 3 2 5");
    cr_expect_str_eq(ids_of(&v, "  "), "");
    nnrt_buffer text = {0};
    nnrt_vocab_decode(&v, (int32_t[]){2, 5, 0, 0}, 4, &text);
    cr_expect(text.size == 7 && memcmp(text.at, "the cat", 7) == 0);
    nnrt_vocab_decode(&v, (int32_t[]){0, 3, 2}, 3, &text); /* goes on */
    cr_expect(text.size == 13 && memcmp(text.at, "the cat , the", 13) == 0);
    nnrt_buffer_free(&text);
    nnrt_vocab_free(&v);
}

Test(nnrt_vocab, lowers)
{
    nnrt_vocab v;
    nnrt_fault fault;
    const nnrt_learning how = {.kind = NNRT_TOKENS_WORDS, .lowercase = 1, .unknown = 1, .size = 9};
    nnrt_span span = {"The THE \xC3\x84", 10};
    cr_assert_eq(nnrt_vocab_learn(&how, &span, 1, &v, &fault), 0);
    cr_expect_eq(v.n, 3);
    cr_expect_str_eq(ids_of(&v, "tHe \xC3\xA4 A"), "1 2 0");
    nnrt_vocab_free(&v);
}

/* By hand: aab aab aab ab: pairs a a 3, a b 4 -> ab; then a ab 3 -> aab. */
Test(nnrt_vocab, learns_merges)
{
    nnrt_vocab v = learned(NNRT_TOKENS_BPE, 1, 0, 260, "aab aab aab ab");
    cr_expect_eq(v.n, 260); /* <pad>, 256 bytes, ab, " a", " aab"'s */
    cr_expect_str_eq(token(&v, 257), "ab");
    cr_expect_str_eq(token(&v, 258), "aab");
    cr_expect_str_eq(token(&v, 259), " aab");
    cr_expect_str_eq(ids_of(&v, "aab aab"), "258 259");
    cr_expect_str_eq(ids_of(&v, "b ab"), "99 33 257");
    cr_expect_str_eq(ids_of(&v, "\xFF"), "256");
    nnrt_vocab_free(&v);
    v = learned(NNRT_TOKENS_BPE, 0, 0, 1000,
                "aab aab aab ab"); /* nothing is left that occurs twice */
    cr_expect_eq(v.n, 259);
    nnrt_vocab_free(&v);
    v = learned(NNRT_TOKENS_BYTES, 0, 0, 256, "aab");
    cr_expect_str_eq(ids_of(&v, "ab\n"), "97 98 10");
    nnrt_vocab_free(&v);
    nnrt_fault fault;
    const nnrt_learning how = {.kind = NNRT_TOKENS_BPE, .size = 255, .name = "t", .input = "x"};
    cr_expect_eq(nnrt_vocab_learn(&how, NULL, 0, &v, &fault), NNRT_BAD_CALL);
}

/* Merging by rank, as written out: no pair may be merged before one with a smaller rank. */
static size_t merge_plainly(const nnrt_vocab *v, const char *piece, size_t n, int32_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = v->byte[(unsigned char)piece[i]];
    for (;;) {
        const nnrt_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const nnrt_merge *m = nnrt_vocab_merge(v, out[i], out[i + 1]);
            if (m && (!best || m->rank < best->rank))
                best = m, at = i;
        }
        if (!best)
            return n;
        out[at] = best->id;
        memmove(out + at + 1, out + at + 2, (n - at - 2) * sizeof *out);
        n--;
    }
}

Test(nnrt_vocab, merges_of_long_pieces)
{
    enum { LONG = 5000 };
    static char text[LONG + 1];
    static int32_t plain[LONG];
    uint32_t state = 7;
    for (int i = 0; i < LONG; i++) {
        state = state * 1664525 + 1013904223;
        text[i] = "abacbaab"[state >> 29];
    }
    nnrt_vocab v = learned(NNRT_TOKENS_BPE, 0, 0, 300,
                           "abab abba baab cabab aabacb bacab abacab abac baca cab cab");
    for (size_t n = 1; n <= LONG; n = n * 3 + 1) {
        nnrt_ids ids = {0};
        size_t bad, count = merge_plainly(&v, text, n, plain);
        cr_assert_eq(nnrt_vocab_encode(&v, text, n, &ids, &bad), 0);
        cr_assert_eq(ids.n, count, "%zu bytes: %zu tokens, not %zu", n, ids.n, count);
        cr_assert_eq(memcmp(ids.at, plain, count * sizeof *plain), 0);
        free(ids.at);
    }
    nnrt_vocab_free(&v);
}

/* --- tokenizer.json --------------------------------------------------------------------------- */

static int parse(const char *json, nnrt_vocab *v, nnrt_fault *fault)
{
    fault->text[0] = 0;
    return nnrt_tokenizer_parse("t.json", json, strlen(json), v, fault);
}

static void refused(const char *json, const char *piece)
{
    nnrt_vocab v;
    nnrt_fault fault;
    int status = parse(json, &v, &fault);
    cr_expect_eq(status, NNRT_BAD_CONTENT, "'%s' gives %d", json, status);
    cr_expect(strncmp(fault.text, "t.json: ", 8) == 0 && strstr(fault.text, piece),
              "'%s' has no '%s'", fault.text, piece);
}

#define BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"

Test(nnrt_vocab, reads_gpt2_json)
{
    nnrt_vocab v;
    nnrt_fault fault;
    /* tokens are written as GPT-2 writes them: U+0120 is a space, U+010A a newline */
    int status = parse(
        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":9,\"content\":\"<|endoftext|>\","
        "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
        "\"special\":true}],\"normalizer\":null," BYTES ",\"post_processor\":"
        "{\"type\":\"ByteLevel\",\"trim_offsets\":false},\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
        "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\",\"fuse_unk\":false,"
        "\"byte_fallback\":false,\"vocab\":{\"h\":0,\"e\":1,\"l\":2,\"o\":3,\"\\u0120\":4,"
        "\"he\":5,\"ll\":6,\"hell\":7,\"\\u010A\":8},\"merges\":[\"h e\",\"l "
        "l\",[\"he\",\"ll\"]]}}",
        &v, &fault);
    cr_assert_eq(status, 0, "%s", fault.text);
    cr_expect(v.n == 10 && v.pad == -1 && v.split == NNRT_SPLIT_GPT2);
    cr_expect_str_eq(ids_of(&v, "hello hell\n"), "7 3 4 7 8");
    cr_expect_str_eq(ids_of(&v, "he<|endoftext|>he"), "5 9 5");
    cr_expect_str_eq(ids_of(&v, "hex"), "bad 2");
    nnrt_vocab_free(&v);
}

Test(nnrt_vocab, refuses_other_json)
{
    refused("", "an object");
    refused("{}", "a model that has a type");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "a pre_tokenizer");
    refused("{" BYTES ",\"model\":{\"type\":\"Unigram\"}}", "'Unigram' is not supported");
    refused("{" BYTES ",\"model\":{\"type\":\"WordLevel\"}}", "ByteLevel");
    refused("{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":\"BPE\"}}",
            "ByteLevel");
    refused("{\"pre_tokenizer\":{\"type\":\"Metaspace\"}}", "pre_tokenizer 'Metaspace'");
    refused("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"}}}",
            "Split by 'a'");
    refused("{\"normalizer\":{\"type\":\"NFKC\"}}", "normalizer 'NFKC'");
    refused("{\"post_processor\":{\"type\":\"TemplateProcessing\"}}",
            "post_processor 'TemplateProcessing'");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"byte_fallback\":true}}", "byte_fallback");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"}}", "'</w>'");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1}}}", "each token");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}", "each id");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}", "an integer");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999}}}", "an integer");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
            "a merge");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}",
            "two tokens");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "a vocabulary");
    refused("{" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}} x", "nothing more");
    refused("{" BYTES
            ",\"padding\":{\"pad_id\":7},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}",
            "pad_id");
}

/* What is written gives the same tokens when it is read. */
static void round_trip(nnrt_vocab *v, const char *text)
{
    nnrt_buffer json = {0}, again = {0};
    nnrt_vocab back;
    nnrt_fault fault = {""};
    char before[1024];
    nnrt_tokenizer_write(v, &json);
    cr_assert_eq(nnrt_tokenizer_parse("t.json", json.at, json.size, &back, &fault), 0, "%s",
                 fault.text);
    strcpy(before, ids_of(v, text));
    cr_expect_str_eq(ids_of(&back, text), before);
    cr_expect(back.pad == v->pad && back.n == v->n && back.unknown == v->unknown);
    nnrt_tokenizer_write(&back, &again);
    cr_expect(again.size == json.size && memcmp(again.at, json.at, json.size) == 0);
    nnrt_buffer_free(&json);
    nnrt_buffer_free(&again);
    nnrt_vocab_free(&back);
    nnrt_vocab_free(v);
}

Test(nnrt_vocab, writes_what_it_reads)
{
    const char *text = "A \"quoted\" \\ t\xC3\xA4xt,\n\twith 'all' of it \xE4\xB8\xAD <pad>";
    nnrt_vocab v = learned(NNRT_TOKENS_CHARACTERS, 0, 0, 60, text);
    round_trip(&v, text);
    v = learned(NNRT_TOKENS_CHARACTERS, 1, 1, 8, text);
    round_trip(&v, text);
    v = learned(NNRT_TOKENS_WORDS, 1, 1, 9, text);
    round_trip(&v, text);
    v = learned(NNRT_TOKENS_BYTES, 1, 0, 257, text);
    round_trip(&v, text);
    v = learned(NNRT_TOKENS_BPE, 1, 0, 300,
                "all of it all of it with with text text quoted quoted");
    round_trip(&v, text);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int skips(const char *json)
{
    nnrt_fault fault = {""};
    nnrt_json j = nnrt_json_of("j", json, strlen(json), &fault);
    nnrt_json_skip(&j);
    int status = nnrt_json_end(&j);
    nnrt_json_close(&j);
    cr_expect(!status == !fault.text[0]);
    return status == 0;
}

Test(nnrt_vocab, json)
{
    static const char *const good[] = {"null",
                                       " [ ] ",
                                       "{}",
                                       "[1,-2.5e+3,0.5]",
                                       "{\"a\":[{\"b\":[]},true,false,null],\"c\":\"\\u00e4\\n\"}",
                                       "\"\\ud83d\\ude00\"",
                                       "0",
                                       "[[[[[[1]]]]]]"};
    static const char *const wrong[] = {
        "",         "nul",         "[1,]",   "[1 2]", "{\"a\"}", "{\"a\":1,}",
        "{a:1}",    "01",          "1.",     ".5",    "+1",      "\"\\x\"",
        "\"a",      "\"\\ud83d\"", "\"\t\"", "[1]]",  "1e999",   "{\"a\":1 \"b\":2}",
        "\"\xFF\"", "[",           "{"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(skips(good[i]), "'%s' is refused", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect(!skips(wrong[i]), "'%s' is taken", wrong[i]);
    char deep[200];
    for (int i = 0; i < 65; i++)
        deep[i] = '[', deep[130 - i - 1] = ']';
    deep[130] = 0;
    cr_expect(!skips(deep), "65 levels");
    deep[129] = 0;
    cr_expect(skips(deep + 1), "64 levels");
}
