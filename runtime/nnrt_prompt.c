/* SPDX-License-Identifier: MIT */
/* nnrt_prompt.c: prompts to tokens, and tokens back to text, by the vocabulary of a weights file. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_text.h"

static int prompt_open(const nnrt_model *model, int input, const nnrt_meta *meta, void **vocab,
                       nnrt_fault *fault)
{
    const nnrt_value *v = &model->inputs[input];
    const char *kept = nnrt_meta_find(meta, "nncc.text.", v->name);
    nnrt_vocab *read = calloc(1, sizeof *read);
    char where[160];
    int status;
    snprintf(where, sizeof where, "the weights file's nncc.text.%.100s", v->name);
    if (!read)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the vocabulary");
    if (!kept)
        status =
            nnrt_fail(fault, NNRT_BAD_CONTENT,
                      "the weights file has no vocabulary for '%s': a run of `train` on texts puts "
                      "it there",
                      v->name);
    else
        status = nnrt_tokenizer_parse(where, kept, strlen(kept), read, fault);
    if (!status && read->n > v->classes)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: a vocabulary of %d tokens, but '%s' has room for %lld", where,
                           read->n, v->name, (long long)v->classes);
    if (status) {
        nnrt_vocab_free(read);
        free(read);
        return status;
    }
    *vocab = read;
    return 0;
}

static int prompt_encode(const void *vocab, const char *text, int32_t **ids, int64_t *n,
                         nnrt_fault *fault)
{
    nnrt_ids out = {0};
    size_t bad = 0, size = strlen(text);
    int status = nnrt_vocab_encode(vocab, text, size, &out, &bad);
    if (status == NNRT_BAD_CONTENT)
        nnrt_fail(fault, status,
                  "--prompt: what begins at byte %zu, '%.8s', is not in the vocabulary, which has "
                  "no <unk>",
                  bad + 1, text + (bad < size ? bad : size));
    else if (status)
        nnrt_fail(fault, status, "no memory for the prompt");
    *ids = out.at;
    *n = (int64_t)out.n;
    return status;
}

static void prompt_decode(const void *vocab, const int32_t *ids, size_t n, nnrt_buffer *out)
{
    nnrt_vocab_decode(vocab, ids, n, out);
}

static int32_t prompt_end(const void *vocab)
{
    return ((const nnrt_vocab *)vocab)->end;
}

static void prompt_close(void *vocab)
{
    nnrt_vocab_free(vocab);
    free(vocab);
}

const nnrt_prompting nnrt_text_prompting = {prompt_open, prompt_encode, prompt_decode, prompt_end,
                                            prompt_close};
