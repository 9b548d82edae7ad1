/* SPDX-License-Identifier: MIT */
/* nnrt_prompt.c: the vocabulary that a weights file keeps: prompts to tokens by it, and tokens back to text. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_text.h"

#define VOCAB_KEPT "the weights file's nncc.text.%.100s" /* what messages call it */

int nnrt_vocab_kept(const char *kept, const char *input, nnrt_vocab *out, nnrt_fault *fault)
{
    char where[160];
    snprintf(where, sizeof where, VOCAB_KEPT, input);
    return nnrt_tokenizer_parse(where, kept, strlen(kept), out, fault);
}

int nnrt_vocab_fits(const nnrt_vocab *vocab, const char *name, const nnrt_value *v,
                    nnrt_fault *fault)
{
    if (vocab->n <= v->classes)
        return NNRT_OK;
    return nnrt_fail(fault, NNRT_BAD_CONTENT,
                     "%s: a vocabulary of %d tokens, but '%s' has room for %lld", name, vocab->n,
                     v->name, (long long)v->classes);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static int prompt_open(const nnrt_model *model, int input, const nnrt_meta *meta, void **vocab,
                       nnrt_fault *fault)
{
    const nnrt_value *v = &model->inputs[input];
    const char *kept = nnrt_meta_find(meta, "nncc.text.", v->name);
    nnrt_vocab *read = calloc(1, sizeof *read);
    char where[160];
    int status;
    snprintf(where, sizeof where, VOCAB_KEPT, v->name);
    if (!read)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the vocabulary");
    if (!kept)
        status =
            nnrt_fail(fault, NNRT_BAD_CONTENT,
                      "the weights file has no vocabulary for '%s': a run of `train` on texts puts "
                      "it there",
                      v->name);
    else
        status = nnrt_vocab_kept(kept, v->name, read, fault);
    if (!status)
        status = nnrt_vocab_fits(read, where, v, fault);
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

static int32_t prompt_begin(const void *vocab)
{
    return ((const nnrt_vocab *)vocab)->begin;
}

static int prompt_lowered(const void *vocab, const char *text, size_t size, nnrt_buffer *out)
{
    if (!((const nnrt_vocab *)vocab)->lowercase)
        return 0;
    nnrt_lowered(text, size, out);
    return 1;
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

/* --- labels ----------------------------------------------------------------------------------- */

/* The only vocabulary of the weights file as its key and text; NULL where there is none, or several. */
static const nnrt_st_pair *text_only_vocab(const nnrt_meta *meta)
{
    const nnrt_st_pair *found = NULL;
    for (int i = 0; i < meta->n; i++)
        if (strncmp(meta->at[i].key, "nncc.text.", 10) == 0) {
            if (found)
                return NULL;
            found = &meta->at[i];
        }
    return found;
}

int nnrt_text_say(const nnrt_meta *meta, const float *labels, int64_t n, int64_t each,
                  nnrt_fault *fault)
{
    const nnrt_st_pair *kept = text_only_vocab(meta);
    nnrt_vocab vocab = {0};
    nnrt_buffer line = {0};
    int32_t *ids = malloc(((size_t)each + 1) * sizeof *ids);
    int status = ids ? NNRT_OK : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the texts");
    if (!status && kept)
        status = nnrt_tokenizer_parse(kept->key, kept->value, strlen(kept->value), &vocab, fault);
    for (int64_t i = 0; i < n && !status; i++) {
        size_t count = 0;
        while (count < (size_t)each && labels[i * each + (int64_t)count] >= 0) {
            ids[count] = (int32_t)labels[i * each + (int64_t)count];
            count++;
        }
        line.size = 0;
        if (kept)
            nnrt_vocab_decode(&vocab, ids, count, &line);
        if (line.failed)
            status = nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the texts");
        else if (kept)
            fwrite(line.at, 1, line.size, stdout);
        for (size_t k = 0; k < count && !kept; k++)
            printf("%s%d", k ? " " : "", (int)ids[k]);
        putchar('\n');
    }
    nnrt_buffer_free(&line);
    nnrt_vocab_free(&vocab);
    free(ids);
    return status;
}

const nnrt_prompting nnrt_text_prompting = {prompt_open,     prompt_encode,     prompt_decode,
                                            prompt_begin,    prompt_end,        prompt_lowered,
                                            nnrt_text_lines, nnrt_text_targets, prompt_close};
