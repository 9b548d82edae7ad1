/* SPDX-License-Identifier: MIT */
/* fuzz_text.c: any bytes as a text: vocabularies of every kind made of it, written as tokenizer.json,
 * read again, and the text encoded with both; and as a table of texts. */
#include "fuzz_reader.h"
#include "nnrt_text.h"

static void encode(const nnrt_vocab *v, const char *text, size_t size, nnrt_ids *ids)
{
    size_t bad = 0;
    int status = nnrt_vocab_encode(v, text, size, ids, &bad);
    if (status && (status != NNRT_BAD_CONTENT || bad > size))
        abort();
    for (size_t i = 0; i < ids->n; i++)
        if (ids->at[i] < 0 || ids->at[i] >= v->n)
            abort();
}

static void learn(nnrt_tokens_kind kind, int special, int lower, const char *text, size_t size)
{
    const nnrt_learning how = {.kind = kind,
                               .lowercase = lower,
                               .pad = special,
                               .unknown = special,
                               .size = 300,
                               .name = "t",
                               .input = "x"};
    const nnrt_span span = {text, size};
    nnrt_vocab v, back;
    nnrt_fault fault = {""};
    int status = nnrt_vocab_learn(&how, &span, 1, &v, &fault);
    fuzz_check_fault(status, &fault);
    if (status)
        return;
    nnrt_buffer json = {0}, decoded = {0};
    nnrt_ids one = {0}, two = {0};
    nnrt_tokenizer_write(&v, &json);
    encode(&v, text, size, &one);
    nnrt_vocab_decode(&v, one.at, one.n, &decoded);
    if (kind == NNRT_TOKENS_BPE && !special && !lower &&
        (decoded.size != size || (size && memcmp(decoded.at, text, size) != 0)))
        abort(); /* merges lose nothing */
    if (nnrt_tokenizer_parse("t", json.at, json.size, &back, &fault) == 0) {
        encode(&back, text, size, &two);
        if (one.n != two.n || (one.n && memcmp(one.at, two.at, one.n * sizeof *one.at) != 0))
            abort();
        nnrt_vocab_free(&back);
    } else if (v.n) {
        abort();
    }
    nnrt_buffer_free(&json);
    nnrt_buffer_free(&decoded);
    free(one.at);
    free(two.at);
    nnrt_vocab_free(&v);
}

static void table(const char *path, char delimiter)
{
    static const char *const names[] = {"1", "0"};
    nnrt_texts texts;
    nnrt_fault fault = {""};
    int status = nnrt_csv_texts(path, 0, delimiter, 2, names, &texts, &fault);
    fuzz_check_fault(status, &fault);
    size_t sum = 0;
    for (int64_t i = 0; i < 2 * texts.rows; i++)
        for (size_t k = 0; k < texts.at[i].size; k++)
            sum += (unsigned char)texts.at[i].at[k];
    volatile size_t kept = sum;
    (void)kept;
    nnrt_texts_free(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[32];
    if (size == 0)
        return 0;
    learn((nnrt_tokens_kind)(bytes[0] & 3), bytes[0] >> 2 & 1, bytes[0] >> 3 & 1,
          (const char *)bytes + 1, size - 1);
    int fd = fuzz_file(bytes, size, path);
    table(path, '\t');
    table(path, ',');
    close(fd);
    return 0;
}
