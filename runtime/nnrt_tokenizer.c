/* SPDX-License-Identifier: MIT */
/* nnrt_tokenizer.c: tokenizer.json, as Hugging Face's tokenizers read and write it: what a
 * vocabulary is kept as in weights files, and what may be given to a model.
 *
 * Of models BPE of bytes (GPT-2's) and WordLevel, of pre-tokenizers ByteLevel, Whitespace,
 * WhitespaceSplit and a Split of single characters, of normalizers Lowercase. BPE's tokens are
 * written in printable characters that stand for bytes, as GPT-2's encoder.json has them. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_text.h"

enum { TOKENIZER_TOKENS = 1 << 24 }; /* ids are below */

/* What splits a text into characters: a pattern that every one of them matches. */
static const char tokenizer_any[] = "[\\s\\S]";

/* --- bytes as printable characters ------------------------------------------------------------ */

/* The character that stands for a byte: itself where it is printable, else 256 and up in order. */
static void tokenizer_alphabet(uint32_t letter[256])
{
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; b++) {
        int printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        letter[b] = printable ? b : next++;
    }
}

/* Bytes of a token written so, in place (they are never more); 0: some character is no byte. */
static int tokenizer_bytes(const uint32_t letter[256], const char *text, size_t size,
                           nnrt_buffer *out)
{
    out->size = 0;
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c;
        n = nnrt_utf8_take(text + i, size - i, &c);
        int b = 0;
        while (b < 256 && letter[b] != c)
            b++;
        if (n == 0 || b == 256)
            return 0;
        char byte = (char)b;
        nnrt_buffer_put(out, &byte, 1);
    }
    return 1;
}

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct tokenizer_read {
    nnrt_json j;
    nnrt_vocab *v;
    int pass; /* 0: settings; 1: the vocabulary; 2: what refers to it */
    int bpe, has_model, has_split;
    nnrt_buffer token, unknown;
    uint32_t letter[256];
} tokenizer_read;

static void tokenizer_refuse(tokenizer_read *t, const char *what, const char *value)
{
    if (!t->j.status)
        t->j.status = nnrt_fail(t->j.fault, NNRT_BAD_CONTENT, "%s: %s '%.60s' is not supported",
                                t->j.name, what, value);
}

static void tokenizer_no_memory(tokenizer_read *t)
{
    if (!t->j.status)
        t->j.status =
            nnrt_fail(t->j.fault, NNRT_NO_MEMORY, "%s: no memory for its tokens", t->j.name);
}

/* A string that must be empty or null, or it is refused. */
static void tokenizer_empty(tokenizer_read *t, const char *what)
{
    if (nnrt_json_null(&t->j))
        return;
    const char *text = nnrt_json_string(&t->j, NULL);
    if (text && *text)
        tokenizer_refuse(t, what, text);
}

/* A boolean that must be false, or null. */
static void tokenizer_false(tokenizer_read *t, const char *what)
{
    if (!nnrt_json_null(&t->j) && nnrt_json_bool(&t->j))
        tokenizer_refuse(t, what, "true");
}

static void tokenizer_token(tokenizer_read *t, int32_t id, const char *text, size_t size)
{
    int32_t got = nnrt_vocab_add(t->v, id, text, size);
    if (got == -1)
        tokenizer_no_memory(t);
    else if (got < 0)
        nnrt_json_wrong(&t->j, "each token and each id once, before it");
}

/* {"id": 0, "content": "<pad>", ...} */
static void tokenizer_added(tokenizer_read *t)
{
    const char *key;
    int64_t id = -1;
    int first = 1, has_content = 0;
    if (!nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        if (strcmp(key, "id") == 0) {
            id = nnrt_json_count(&t->j, TOKENIZER_TOKENS - 1);
        } else if (strcmp(key, "content") == 0) {
            size_t size;
            const char *text = nnrt_json_string(&t->j, &size);
            t->token.size = 0;
            if (text)
                nnrt_buffer_put(&t->token, text, size);
            has_content = text && size > 0;
        } else if (strcmp(key, "lstrip") == 0 || strcmp(key, "rstrip") == 0 ||
                   strcmp(key, "single_word") == 0) {
            tokenizer_false(t, "added_tokens: such an option as");
        } else {
            nnrt_json_skip(&t->j);
        }
    }
    if (t->j.status)
        return;
    if (id < 0 || !has_content) {
        nnrt_json_wrong(&t->j, "before it, an added token with an id and a content");
        return;
    }
    int32_t known = nnrt_vocab_find(t->v, t->token.at, t->token.size);
    if (known < 0)
        tokenizer_token(t, (int32_t)id, t->token.at, t->token.size);
    else if (known != id)
        nnrt_json_wrong(&t->j, "before it, an added token with the id that it has");
    if (!t->j.status && nnrt_vocab_add_special(t->v, (int32_t)id))
        tokenizer_no_memory(t);
}

static void tokenizer_added_list(tokenizer_read *t)
{
    int first = 1;
    if (nnrt_json_null(&t->j) || !nnrt_json_enter(&t->j, '['))
        return;
    while (nnrt_json_item(&t->j, &first)) {
        if (t->pass == 2)
            tokenizer_added(t); /* the vocabulary has its ids by now */
        else
            nnrt_json_skip(&t->j);
    }
}

/* {"pad_id": 0, ...} */
static void tokenizer_padding(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (nnrt_json_null(&t->j) || !nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        if (strcmp(key, "pad_id") == 0)
            t->v->pad = (int32_t)nnrt_json_count(&t->j, TOKENIZER_TOKENS - 1);
        else
            nnrt_json_skip(&t->j);
    }
}

static void tokenizer_normalizer(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (nnrt_json_null(&t->j) || !nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        const char *type = strcmp(key, "type") == 0 ? nnrt_json_string(&t->j, NULL) : NULL;
        if (type && strcmp(type, "Lowercase") != 0)
            tokenizer_refuse(t, "normalizer", type);
        else if (type)
            t->v->lowercase = 1;
        else
            nnrt_json_skip(&t->j);
    }
}

/* "pattern": {"Regex": "[\\s\\S]"} */
static void tokenizer_pattern(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (!nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        int regex = strcmp(key, "Regex") == 0;
        const char *text = nnrt_json_string(&t->j, NULL);
        if (text && (!regex || strcmp(text, tokenizer_any) != 0))
            tokenizer_refuse(t, "pre_tokenizer Split by", text);
    }
}

static void tokenizer_pre_type(tokenizer_read *t, const char *type)
{
    static const struct tokenizer_pre {
        const char *name;
        nnrt_split split;
    } known[] = {{"ByteLevel", NNRT_SPLIT_GPT2},
                 {"Whitespace", NNRT_SPLIT_WORDS},
                 {"WhitespaceSplit", NNRT_SPLIT_SPACES},
                 {"Split", NNRT_SPLIT_CHARACTERS}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, type) == 0) {
            t->v->split = known[i].split;
            t->has_split = 1;
            return;
        }
    tokenizer_refuse(t, "pre_tokenizer", type);
}

static void tokenizer_pre(tokenizer_read *t)
{
    const char *key;
    int first = 1, regex = 1;
    if (nnrt_json_null(&t->j) || !nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        if (strcmp(key, "type") == 0) {
            const char *type = nnrt_json_string(&t->j, NULL);
            if (type)
                tokenizer_pre_type(t, type);
        } else if (strcmp(key, "add_prefix_space") == 0) {
            t->v->prefix_space = nnrt_json_bool(&t->j);
        } else if (strcmp(key, "use_regex") == 0) {
            regex = nnrt_json_bool(&t->j);
        } else if (strcmp(key, "pattern") == 0) {
            tokenizer_pattern(t);
        } else if (strcmp(key, "invert") == 0) {
            tokenizer_false(t, "pre_tokenizer: invert:");
        } else {
            nnrt_json_skip(&t->j);
        }
    }
    if (!regex && t->v->split == NNRT_SPLIT_GPT2)
        t->v->split = NNRT_SPLIT_BYTES;
}

static void tokenizer_post(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (nnrt_json_null(&t->j) || !nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        const char *type = strcmp(key, "type") == 0 ? nnrt_json_string(&t->j, NULL) : NULL;
        if (type && strcmp(type, "ByteLevel") != 0)
            tokenizer_refuse(t, "post_processor", type);
        else if (!type)
            nnrt_json_skip(&t->j);
    }
}

/* The token in t->token as the vocabulary has it: merges are of bytes, which the file writes as
 * printable characters; a special token that is not written so stands as it is. */
static void tokenizer_raw(tokenizer_read *t, const char *text)
{
    size_t size = strlen(text);
    if (!t->bpe || !tokenizer_bytes(t->letter, text, size, &t->token)) {
        t->token.size = 0;
        nnrt_buffer_put(&t->token, text, size);
    }
    if (t->token.failed)
        tokenizer_no_memory(t);
}

/* {"token": id, ...} */
static void tokenizer_vocab(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (!nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        tokenizer_raw(t, key);
        int64_t id = nnrt_json_count(&t->j, TOKENIZER_TOKENS - 1);
        if (!t->j.status)
            tokenizer_token(t, (int32_t)id, t->token.at, t->token.size);
    }
}

/* The id of the token in t->token, of a merge; -1 after a refusal. */
static int32_t tokenizer_merged(tokenizer_read *t)
{
    int32_t id = t->j.status ? -1 : nnrt_vocab_find(t->v, t->token.at, t->token.size);
    if (id < 0)
        nnrt_json_wrong(&t->j, "before it, a merge of tokens of the vocabulary");
    return id;
}

static void tokenizer_merge_of(tokenizer_read *t, const char *left, const char *right)
{
    tokenizer_raw(t, left);
    int32_t a = tokenizer_merged(t);
    nnrt_buffer both = {0};
    if (a >= 0)
        nnrt_buffer_put(&both, t->token.at, t->token.size);
    tokenizer_raw(t, right);
    int32_t b = tokenizer_merged(t);
    if (b >= 0)
        nnrt_buffer_put(&both, t->token.at, t->token.size);
    t->token.size = 0;
    nnrt_buffer_put(&t->token, both.at, both.size);
    int32_t made = b < 0 ? -1 : tokenizer_merged(t);
    if (made >= 0 && (both.failed || nnrt_vocab_add_merge(t->v, a, b, made)))
        tokenizer_no_memory(t);
    nnrt_buffer_free(&both);
}

/* "a b", or ["a", "b"] */
static void tokenizer_merge(tokenizer_read *t)
{
    char *left = NULL;
    int first = 1, list = nnrt_json_peek(&t->j) == '[';
    if (list && (!nnrt_json_enter(&t->j, '[') || !nnrt_json_item(&t->j, &first)))
        return;
    const char *text = nnrt_json_string(&t->j, NULL), *right;
    if (!text)
        return;
    left = strdup(text);
    if (!left) {
        tokenizer_no_memory(t);
        return;
    }
    if (list) {
        right = nnrt_json_item(&t->j, &first) ? nnrt_json_string(&t->j, NULL) : NULL;
    } else {
        char *space = strchr(left, ' ');
        right = space ? space + 1 : NULL;
        if (space)
            *space = 0;
    }
    if (right)
        tokenizer_merge_of(t, left, right);
    else
        nnrt_json_wrong(&t->j, "before it, a merge of two tokens");
    free(left);
    if (list && !t->j.status && nnrt_json_item(&t->j, &first))
        nnrt_json_wrong(&t->j, "two tokens a merge");
}

static void tokenizer_merges(tokenizer_read *t)
{
    int first = 1;
    if (!nnrt_json_enter(&t->j, '['))
        return;
    while (nnrt_json_item(&t->j, &first))
        tokenizer_merge(t);
}

static void tokenizer_model_type(tokenizer_read *t)
{
    const char *type = nnrt_json_string(&t->j, NULL);
    if (!type)
        return;
    t->bpe = strcmp(type, "BPE") == 0;
    t->has_model = 1;
    if (!t->bpe && strcmp(type, "WordLevel") != 0)
        tokenizer_refuse(t, "a model of type", type);
}

static void tokenizer_unknown(tokenizer_read *t)
{
    if (nnrt_json_null(&t->j))
        return;
    const char *text = nnrt_json_string(&t->j, NULL);
    t->unknown.size = 0;
    if (text)
        nnrt_buffer_put(&t->unknown, text, strlen(text) + 1);
}

static void tokenizer_model(tokenizer_read *t)
{
    const char *key;
    int first = 1;
    if (!nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        if (strcmp(key, "type") == 0)
            tokenizer_model_type(t);
        else if (strcmp(key, "vocab") == 0 && t->pass == 1)
            tokenizer_vocab(t);
        else if (strcmp(key, "merges") == 0 && t->pass == 2 && t->bpe)
            tokenizer_merges(t);
        else if (strcmp(key, "unk_token") == 0)
            tokenizer_unknown(t);
        else if (strcmp(key, "continuing_subword_prefix") == 0)
            tokenizer_empty(t, "a continuing_subword_prefix");
        else if (strcmp(key, "end_of_word_suffix") == 0)
            tokenizer_empty(t, "an end_of_word_suffix");
        else if (strcmp(key, "byte_fallback") == 0 || strcmp(key, "ignore_merges") == 0)
            tokenizer_false(t, "byte_fallback or ignore_merges:");
        else
            nnrt_json_skip(&t->j);
    }
}

/* One walk over the whole file. */
static void tokenizer_walk(tokenizer_read *t)
{
    static const struct tokenizer_part {
        const char *key;
        void (*read)(tokenizer_read *);
    } parts[] = {{"added_tokens", tokenizer_added_list}, {"normalizer", tokenizer_normalizer},
                 {"pre_tokenizer", tokenizer_pre},       {"post_processor", tokenizer_post},
                 {"padding", tokenizer_padding},         {"model", tokenizer_model}};
    const char *key;
    int first = 1;
    t->j.at = 0;
    if (!nnrt_json_enter(&t->j, '{'))
        return;
    while (nnrt_json_member(&t->j, &first, &key)) {
        size_t i = 0, n = sizeof parts / sizeof *parts;
        while (i < n && strcmp(parts[i].key, key) != 0)
            i++;
        if (i < n)
            parts[i].read(t);
        else
            nnrt_json_skip(&t->j);
    }
    nnrt_json_end(&t->j);
}

/* What the parts must be together. */
static void tokenizer_check(tokenizer_read *t)
{
    nnrt_vocab *v = t->v;
    if (t->j.status)
        return;
    if (!t->has_model || !t->has_split)
        t->j.status =
            nnrt_fail(t->j.fault, NNRT_BAD_CONTENT, "%s: expected a tokenizer with %s", t->j.name,
                      t->has_model ? "a pre_tokenizer" : "a model that has a type");
    else if (t->bpe != nnrt_vocab_merges(v))
        tokenizer_refuse(t, t->bpe ? "BPE with a pre_tokenizer other than" : "WordLevel with",
                         "ByteLevel");
}

/* The first of these that is an added token; -1: none. */
static int32_t tokenizer_named(const nnrt_vocab *v, int n, const char *const *names)
{
    for (int i = 0; i < n; i++) {
        int32_t id = nnrt_vocab_find(v, names[i], strlen(names[i]));
        for (int k = 0; id >= 0 && k < v->n_added; k++)
            if (v->added[k] == id)
                return id;
    }
    return -1;
}

/* Ids that others refer to. */
static void tokenizer_resolve(tokenizer_read *t)
{
    nnrt_vocab *v = t->v;
    if (t->j.status)
        return;
    if (v->n == 0)
        nnrt_json_wrong(&t->j, "before it, a vocabulary");
    if (t->unknown.size) /* one that is not in the vocabulary stands for none, as there */
        v->unknown = nnrt_vocab_find(v, t->unknown.at, t->unknown.size - 1);
    if (v->pad >= v->n)
        nnrt_json_wrong(&t->j, "before it, a pad_id of the vocabulary");
    static const char *const pads[] = {"<pad>", "[PAD]", "<|pad|>"};
    static const char *const begins[] = {"<bos>", "<s>", "[CLS]", "[BOS]", "<|startoftext|>"};
    static const char *const ends[] = {"<eos>", "</s>", "[SEP]", "[EOS]", "<|endoftext|>"};
    v->pad = v->pad < 0 ? tokenizer_named(v, 3, pads) : v->pad;
    v->begin = tokenizer_named(v, 5, begins);
    v->end = tokenizer_named(v, 5, ends);
    for (int i = 0; i < 256 && t->bpe; i++) {
        char byte = (char)i;
        v->byte[i] = nnrt_vocab_find(v, &byte, 1);
    }
}

int nnrt_tokenizer_parse(const char *name, const void *bytes, size_t size, nnrt_vocab *out,
                         nnrt_fault *fault)
{
    tokenizer_read t = {.j = nnrt_json_of(name, bytes, size, fault), .v = out};
    *out = (nnrt_vocab){.pad = -1, .unknown = -1, .begin = -1, .end = -1};
    tokenizer_alphabet(t.letter);
    for (t.pass = 0; t.pass < 3 && !t.j.status; t.pass++) {
        tokenizer_walk(&t);
        if (t.pass == 0)
            tokenizer_check(&t);
    }
    tokenizer_resolve(&t);
    int status = t.j.status;
    nnrt_json_close(&t.j);
    nnrt_buffer_free(&t.token);
    nnrt_buffer_free(&t.unknown);
    if (status)
        nnrt_vocab_free(out);
    return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A token between quotes. */
static void tokenizer_put_token(const nnrt_vocab *v, int32_t id, const uint32_t letter[256],
                                nnrt_buffer *out)
{
    const nnrt_span *t = &v->tokens[id];
    int special = 0;
    for (int i = 0; i < v->n_added; i++)
        special |= v->added[i] == id;
    nnrt_buffer_say(out, "\"");
    if (!nnrt_vocab_merges(v) || special) {
        nnrt_buffer_escaped(out, t->at, t->size);
    } else {
        for (size_t i = 0; i < t->size; i++) {
            char c[4];
            nnrt_buffer_escaped(out, c, nnrt_utf8_put(letter[(unsigned char)t->at[i]], c));
        }
    }
    nnrt_buffer_say(out, "\"");
}

static void tokenizer_say_number(nnrt_buffer *out, const char *before, int64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    nnrt_buffer_say(out, before);
    nnrt_buffer_say(out, text);
}

static void tokenizer_put_added(const nnrt_vocab *v, const uint32_t letter[256], nnrt_buffer *out)
{
    nnrt_buffer_say(out, "\"added_tokens\":[");
    for (int i = 0; i < v->n_added; i++) {
        tokenizer_say_number(out, i ? ",{\"id\":" : "{\"id\":", v->added[i]);
        nnrt_buffer_say(out, ",\"content\":");
        tokenizer_put_token(v, v->added[i], letter, out);
        nnrt_buffer_say(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                             "\"normalized\":false,\"special\":true}");
    }
    nnrt_buffer_say(out, "],");
}

static void tokenizer_put_settings(const nnrt_vocab *v, const uint32_t letter[256],
                                   nnrt_buffer *out)
{
    nnrt_buffer_say(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":");
    if (v->pad >= 0) {
        tokenizer_say_number(out,
                             "{\"strategy\":\"BatchLongest\",\"direction\":\"Right\","
                             "\"pad_to_multiple_of\":null,\"pad_id\":",
                             v->pad);
        nnrt_buffer_say(out, ",\"pad_type_id\":0,\"pad_token\":");
        tokenizer_put_token(v, v->pad, letter, out);
        nnrt_buffer_say(out, "},");
    } else {
        nnrt_buffer_say(out, "null,");
    }
    tokenizer_put_added(v, letter, out);
    nnrt_buffer_say(out, v->lowercase ? "\"normalizer\":{\"type\":\"Lowercase\"},"
                                      : "\"normalizer\":null,");
    nnrt_buffer_say(out, "\"pre_tokenizer\":");
    switch (v->split) {
    case NNRT_SPLIT_CHARACTERS:
        nnrt_buffer_say(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[\\\\s\\\\S]\"},"
                             "\"behavior\":\"Isolated\",\"invert\":false}");
        break;
    case NNRT_SPLIT_WORDS: nnrt_buffer_say(out, "{\"type\":\"Whitespace\"}"); break;
    case NNRT_SPLIT_SPACES: nnrt_buffer_say(out, "{\"type\":\"WhitespaceSplit\"}"); break;
    case NNRT_SPLIT_BYTES:
    case NNRT_SPLIT_GPT2:
        nnrt_buffer_say(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":");
        nnrt_buffer_say(out, v->prefix_space ? "true" : "false");
        nnrt_buffer_say(out, ",\"trim_offsets\":true,\"use_regex\":");
        nnrt_buffer_say(out, v->split == NNRT_SPLIT_GPT2 ? "true}" : "false}");
    }
    nnrt_buffer_say(out, ",\"post_processor\":null,\"decoder\":");
    nnrt_buffer_say(out, nnrt_vocab_merges(v) ? "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                                                "\"trim_offsets\":true,\"use_regex\":true}"
                                              : "null");
}

static int tokenizer_by_rank(const void *a, const void *b)
{
    const nnrt_merge *x = *(const nnrt_merge *const *)a, *y = *(const nnrt_merge *const *)b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* [["a", "b"], ...] in the order of their ranks. */
static void tokenizer_put_merges(const nnrt_vocab *v, const uint32_t letter[256], nnrt_buffer *out)
{
    const nnrt_merge **sorted = malloc((v->n_merges + 1) * sizeof *sorted);
    size_t n = 0;
    out->failed |= !sorted;
    for (size_t i = 0; sorted && i < v->merge_slots; i++)
        if (v->merges[i].id >= 0)
            sorted[n++] = &v->merges[i];
    if (n)
        qsort(sorted, n, sizeof *sorted, tokenizer_by_rank);
    nnrt_buffer_say(out, "\"merges\":[");
    for (size_t i = 0; i < n; i++) {
        nnrt_buffer_say(out, i ? ",[" : "[");
        tokenizer_put_token(v, sorted[i]->left, letter, out);
        nnrt_buffer_say(out, ",");
        tokenizer_put_token(v, sorted[i]->right, letter, out);
        nnrt_buffer_say(out, "]");
    }
    nnrt_buffer_say(out, "],");
    free(sorted);
}

void nnrt_tokenizer_write(const nnrt_vocab *v, nnrt_buffer *out)
{
    uint32_t letter[256];
    int merges = nnrt_vocab_merges(v), begun = 0;
    tokenizer_alphabet(letter);
    tokenizer_put_settings(v, letter, out);
    nnrt_buffer_say(out, merges ? ",\"model\":{\"type\":\"BPE\",\"dropout\":null,"
                                : ",\"model\":{\"type\":\"WordLevel\",");
    nnrt_buffer_say(out, "\"unk_token\":");
    if (v->unknown >= 0)
        tokenizer_put_token(v, v->unknown, letter, out);
    else
        nnrt_buffer_say(out, merges ? "null" : "\"<unk>\"");
    nnrt_buffer_say(out, ",");
    if (merges)
        tokenizer_put_merges(v, letter, out);
    nnrt_buffer_say(out, "\"vocab\":{");
    for (int32_t i = 0; i < v->n; i++) {
        if (!v->tokens[i].at)
            continue;
        nnrt_buffer_say(out, begun ? "," : "");
        begun = 1;
        tokenizer_put_token(v, i, letter, out);
        tokenizer_say_number(out, ":", i);
    }
    nnrt_buffer_say(out, "}}}");
}
