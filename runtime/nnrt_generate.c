/* SPDX-License-Identifier: MIT */
/* nnrt_generate.c: `generate`: a prompt and what follows it, as text where the weights file has a vocabulary, else
 * as numbers of tokens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

typedef struct gen_state {
    const nnrt_model *model;
    const nnrt_prompting *text; /* NULL: numbers */
    void *vocab;
    int32_t *ids; /* prompt, then what was made */
    int64_t n_prompt, n, room;
    size_t printed; /* bytes of the text of all ids */
    nnrt_fault *fault;
} gen_state;

static int gen_no_memory(const gen_state *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "no memory for the tokens");
}

/* "3 17, 4": numbers of tokens. */
static int gen_read_numbers(gen_state *s, const char *text)
{
    s->ids = malloc((strlen(text) / 2 + 1) * sizeof *s->ids);
    if (!s->ids)
        return gen_no_memory(s);
    while (*(text += strspn(text, " ,\t\n"))) {
        char *end;
        errno = 0;
        long long id = strtoll(text, &end, 10);
        if (errno || end == text || id < INT32_MIN || id > INT32_MAX)
            return nnrt_fail(
                s->fault, NNRT_BAD_CALL,
                "--prompt: '%.20s' is no number of a token; the model has no vocabulary", text);
        s->ids[s->n_prompt++] = (int32_t)id;
        text = end;
    }
    return 0;
}

static int gen_read_prompt(gen_state *s, const nnrt_args *args, const nnrt_meta *meta)
{
    if (!args->prompt)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "after what? --prompt=%s",
                         s->model->text ? "TEXT" : "NUMBERS");
    if (!s->model->text)
        return gen_read_numbers(s, args->prompt);
    s->text = s->model->text->prompting;
    int status = s->text->open(s->model, s->model->generation->input, meta, &s->vocab, s->fault);
    if (!status)
        status = s->text->encode(s->vocab, args->prompt, &s->ids, &s->n_prompt, s->fault);
    return status;
}

/* Prints the tokens from `from` on. */
static int gen_print(gen_state *s, int64_t from)
{
    if (!s->text) {
        for (int64_t i = from; i < s->n; i++)
            printf("%s%d", i ? " " : "", (int)s->ids[i]);
        fflush(stdout);
        return 0;
    }
    nnrt_buffer all = {0};
    s->text->decode(s->vocab, s->ids, (size_t)s->n, &all);
    if (!all.failed && all.size > s->printed) {
        fwrite(all.at + s->printed, 1, all.size - s->printed, stdout);
        fflush(stdout);
        s->printed = all.size;
    }
    int failed = all.failed;
    nnrt_buffer_free(&all);
    return failed ? gen_no_memory(s) : 0;
}

/* How many tokens are made where the call does not say: as many as still fit. */
static int64_t gen_count(const gen_state *s, const nnrt_args *args)
{
    const nnrt_generation *g = s->model->generation;
    int64_t fits = g->length ? g->length - s->n_prompt + 1 : g->tokens;
    if (args->tokens)
        return args->tokens;
    return fits < g->tokens && fits > 0 ? fits : g->tokens;
}

static int gen_run(gen_state *s, const nnrt_args *args, nnrt_instance *m)
{
    const nnrt_generation *g = s->model->generation;
    nnrt_sampling how = {.temperature = args->temperature < 0 ? g->temperature : args->temperature,
                         .top_k = args->top_k ? args->top_k : g->top_k,
                         .top_p = args->top_p > 0 ? args->top_p : g->top_p,
                         .seed = args->has_seed ? args->seed : g->seed};
    int64_t count = gen_count(s, args);
    int32_t end = s->text ? s->text->end(s->vocab) : -1;
    if (how.top_p > 1)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "--top-p: %g is above 1", how.top_p);
    if (s->n_prompt > INT32_MAX || (g->length && s->n_prompt + count - 1 > g->length))
        return nnrt_fail(
            s->fault, NNRT_BAD_CALL,
            "the model was made for %lld positions: a prompt of %lld tokens and %lld more do "
            "not fit",
            (long long)g->length, (long long)s->n_prompt, (long long)count);
    s->room = s->n_prompt + count;
    int32_t *grown = realloc(s->ids, (size_t)s->room * sizeof *grown);
    if (!grown)
        return gen_no_memory(s);
    s->ids = grown;
    s->n = s->n_prompt;
    if (nnrt_generate(m, NULL, (int)s->n_prompt, s->ids, 0, NULL, &how) < 0)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "%s", m->error);
    int status = gen_print(s, 0);
    for (int64_t i = 0; i < count && !status; i++) {
        int32_t token = nnrt_decode_next(m, &how);
        if (token < 0) /* there is a prompt, and all fits */
            return nnrt_fail(s->fault, NNRT_NOT_FINITE, "%s", m->error);
        if (token == end)
            break;
        s->ids[s->n++] = token;
        status = gen_print(s, s->n - 1);
    }
    putchar('\n');
    return status ? status : nnrt_flush_results(s->fault);
}

int nnrt_generate_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    nnrt_instance *m = NULL;
    nnrt_meta meta = {0};
    gen_state s = {.model = model, .fault = fault};
    if (!model->generation)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot generate: the model file has no 'generate:'");
    int status = nnrt_open_meta(&meta, model, args->weights, fault);
    if (!status)
        status = gen_read_prompt(&s, args, &meta);
    if (!status)
        status = nnrt_open_weights(&m, model, args->weights, fault);
    if (!status)
        status = gen_run(&s, args, m);
    if (s.vocab)
        s.text->close(s.vocab);
    free(s.ids);
    nnrt_free(m);
    nnrt_meta_free(&meta);
    return status;
}
