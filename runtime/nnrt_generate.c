/* SPDX-License-Identifier: MIT */
/* nnrt_generate.c: `generate`: a prompt and what follows it, as text where the weights file has a vocabulary, else
 * as numbers of tokens; or, of a model with a source, a text for each source, and how good they are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

typedef struct gen_state {
    const nnrt_model *model;
    const nnrt_args *args;
    const nnrt_prompting *text; /* NULL: numbers */
    void *vocab;
    nnrt_instance *m;
    int32_t *ids; /* prompt, then what was made */
    int64_t n_prompt, n, count;
    int64_t hidden;        /* the first tokens that are not shown: a start */
    int64_t said;          /* ids whose text is in `line`, those that are not shown included */
    size_t printed;        /* bytes of `line` */
    nnrt_sampling how;     /* the two ways to go on: */
    nnrt_search search;    /* of a beam of 1 there is no search */
    nnrt_buffer line;      /* a text that was made */
    nnrt_buffer all;       /* all of them, a line each */
    nnrt_texts references; /* one a source, where texts are compared with them */
    int compares;
    nnrt_bleu bleu;
    nnrt_fault *fault;
} gen_state;

static int gen_no_memory(const gen_state *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "no memory for the tokens");
}

/* --- the prompt ------------------------------------------------------------------------------- */

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

/* The start token in front of the prompt. */
static int gen_put_start(gen_state *s, int32_t start)
{
    int32_t *grown = realloc(s->ids, ((size_t)s->n_prompt + 1) * sizeof *grown);
    if (!grown)
        return gen_no_memory(s);
    memmove(grown + 1, grown, (size_t)s->n_prompt * sizeof *grown);
    grown[0] = start;
    s->ids = grown;
    s->n_prompt++;
    s->hidden = 1;
    return 0;
}

static int gen_read_prompt(gen_state *s, const nnrt_meta *meta)
{
    const nnrt_generation *g = s->model->generation;
    const char *prompt = s->args->prompt;
    int64_t start = g->start;
    int status = 0;
    s->how.end = g->end;
    if (s->model->text) {
        s->text = s->model->text->prompting;
        status = s->text->open(s->model, g->input, meta, &s->vocab, s->fault);
        if (status)
            return status;
        start = s->text->begin(s->vocab) >= 0 ? s->text->begin(s->vocab) : start;
        s->how.end = s->text->end(s->vocab) >= 0 ? s->text->end(s->vocab) : s->how.end;
    }
    if (!prompt && start < 0)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "after what? --prompt=%s",
                         s->model->text ? "TEXT" : "NUMBERS");
    if (prompt)
        status = s->text ? s->text->encode(s->vocab, prompt, &s->ids, &s->n_prompt, s->fault)
                         : gen_read_numbers(s, prompt);
    if (!status && start >= 0 && (!prompt || g->needs))
        status = gen_put_start(s, (int32_t)start);
    return status;
}

/* --- what is made ----------------------------------------------------------------------------- */

/* The text of what was made since the last call, to s->line. */
static int gen_say(gen_state *s)
{
    char number[16];
    if (s->text)
        s->text->decode(s->vocab, s->ids + s->said, (size_t)(s->n - s->said), &s->line);
    for (int64_t i = s->said; !s->text && i < s->n; i++) {
        snprintf(number, sizeof number, "%s%d", i > s->hidden ? " " : "", (int)s->ids[i]);
        nnrt_buffer_say(&s->line, number);
    }
    s->said = s->n;
    return s->line.failed ? gen_no_memory(s) : 0;
}

/* Prints what was made since the last call. */
static int gen_print(gen_state *s)
{
    int status = gen_say(s);
    if (!status && s->line.size > s->printed) {
        fwrite(s->line.at + s->printed, 1, s->line.size - s->printed, stdout);
        fflush(stdout);
        s->printed = s->line.size;
    }
    return status;
}

/* A token at a time, printed as it comes where there is no source. */
static int gen_sample(gen_state *s, const void *const *in)
{
    if (nnrt_generate(s->m, in, (int)s->n_prompt, s->ids, 0, NULL, &s->how) < 0)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "%s", s->m->error);
    int status = in ? 0 : gen_print(s);
    for (int64_t i = 0; i < s->count && !status; i++) {
        int32_t token = nnrt_decode_next(s->m, &s->how);
        if (token < 0) /* there is a prompt, and all fits */
            return nnrt_fail(s->fault, NNRT_NOT_FINITE, "%s", s->m->error);
        if (token == s->how.end)
            break;
        s->ids[s->n++] = token;
        status = in ? 0 : gen_print(s);
    }
    return status;
}

static int gen_search(gen_state *s, const void *const *in)
{
    int made = nnrt_beam(s->m, in, (int)s->n_prompt, s->ids, (int)s->count, s->ids + s->n_prompt,
                         &s->search);
    if (made < 0)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "%s", s->m->error);
    s->n += made;
    return in ? 0 : gen_print(s);
}

static int gen_one(gen_state *s, const void *const *in)
{
    s->n = s->n_prompt;
    s->said = s->hidden;
    s->line.size = 0;
    return s->search.beam > 1 ? gen_search(s, in) : gen_sample(s, in);
}

/* --- sources ---------------------------------------------------------------------------------- */

/* Compares with the reference of source i. */
static int gen_compare(gen_state *s, int64_t i)
{
    nnrt_span wanted = s->references.at[i];
    nnrt_buffer lowered = {0};
    if (s->text->lowered(s->vocab, wanted.at, wanted.size, &lowered))
        wanted = (nnrt_span){lowered.at ? lowered.at : "", lowered.size};
    int failed = lowered.failed || nnrt_bleu_add(&s->bleu, s->line.at ? s->line.at : "",
                                                 s->line.size, wanted.at, wanted.size);
    nnrt_buffer_free(&lowered);
    return failed ? gen_no_memory(s) : 0;
}

/* A source's text goes to standard output, or is kept for a file; with references it is only compared. */
static int gen_give(gen_state *s, int64_t i)
{
    int status = gen_say(s);
    if (!status && s->compares)
        status = gen_compare(s, i);
    nnrt_buffer_put(&s->line, "\n", 1);
    if (s->args->out)
        nnrt_buffer_put(&s->all, s->line.at, s->line.size);
    else if (!s->compares)
        fwrite(s->line.at, 1, s->line.size, stdout);
    return status ? status : s->line.failed || s->all.failed ? gen_no_memory(s) : 0;
}

static int gen_write(gen_state *s)
{
    nnrt_writer *w = NULL;
    int status = nnrt_writer_open(&w, s->args->out, s->all.size, 0, s->fault);
    if (status)
        return status;
    nnrt_writer_put(w, s->all.at, s->all.size);
    return nnrt_writer_close(w);
}

static int gen_finish(gen_state *s)
{
    int status = s->args->out ? gen_write(s) : 0;
    if (!status && s->compares)
        printf("bleu: %.4g\nbrevity_penalty: %.4g\n", nnrt_bleu_value(&s->bleu),
               nnrt_bleu_brevity(&s->bleu));
    return status;
}

/* The model's own set: its sources, and its targets as references. */
static int gen_open_set(gen_state *s, nnrt_meta *meta, nnrt_dataset *data)
{
    const nnrt_model *model = s->model;
    const nnrt_source *set =
        model->data_test.kind != NNRT_SOURCE_NONE ? &model->data_test : &model->data_validation;
    if (!s->text || set->kind != NNRT_SOURCE_TEXT || !set->text->is_pairs)
        return nnrt_fail(s->fault, NNRT_BAD_CALL,
                         "of which source? the model names no test or validation data of pairs: "
                         "give it with --input NAME=FILE");
    int status =
        nnrt_open_data(data, model, s->args, set, set, model->generation->needs, meta, s->fault);
    s->compares = 1;
    return status ? status : s->text->targets(set, s->args->data_dir, &s->references, s->fault);
}

static int gen_open(gen_state *s, nnrt_meta *meta, nnrt_dataset *data)
{
    const nnrt_args *args = s->args;
    if (!args->input.n && !args->reference)
        return gen_open_set(s, meta, data);
    int status = nnrt_named_inputs(data, args, s->model, s->model->generation->needs, s->fault);
    s->compares = args->reference != NULL;
    if (!status && s->compares)
        status = s->text->lines(args->reference, &s->references, s->fault);
    if (!status && s->compares && s->references.rows != data->n)
        status = nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s: %lld lines, but there are %lld sources",
                           args->reference, (long long)s->references.rows, (long long)data->n);
    return status;
}

static int gen_sources(gen_state *s, nnrt_meta *meta)
{
    nnrt_dataset data = {0};
    nnrt_feed feed = {0};
    int status = gen_open(s, meta, &data);
    if (!status)
        status = nnrt_feed_open(&feed, s->model, s->fault);
    for (int64_t i = 0; !status && i < data.n; i++) {
        status = nnrt_dataset_batch(&data, &i, 1, feed.in, s->fault);
        if (!status)
            status = gen_one(s, (const void *const *)feed.in);
        if (!status)
            status = gen_give(s, i);
    }
    if (!status)
        status = gen_finish(s);
    nnrt_texts_free(&s->references);
    nnrt_feed_close(&feed);
    nnrt_dataset_close(&data);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

/* How many tokens are made where the call does not say: as many as still fit. */
static int64_t gen_count(const gen_state *s)
{
    const nnrt_generation *g = s->model->generation;
    int64_t fits = g->length ? g->length - s->n_prompt + 1 : g->tokens;
    if (s->args->tokens)
        return s->args->tokens;
    return fits < g->tokens && fits > 0 ? fits : g->tokens;
}

/* A beam search is made where the call, or else the model, has a beam, and nothing asks for chance. */
static void gen_settings(gen_state *s)
{
    const nnrt_generation *g = s->model->generation;
    const nnrt_args *args = s->args;
    int chance = args->temperature >= 0 || args->top_k || args->top_p > 0 || args->has_seed;
    s->how.temperature = args->temperature < 0 ? g->temperature : args->temperature;
    s->how.top_k = args->top_k ? args->top_k : g->top_k;
    s->how.top_p = args->top_p > 0 ? args->top_p : g->top_p;
    s->how.seed = args->has_seed ? args->seed : g->seed;
    s->search.beam = args->beam ? args->beam : chance ? 1 : g->beam;
    s->search.length_penalty = args->length_penalty < 0 ? g->length_penalty : args->length_penalty;
    s->search.end = s->how.end;
    s->count = gen_count(s);
}

static int gen_check(const gen_state *s)
{
    const nnrt_generation *g = s->model->generation;
    if (s->how.top_p > 1)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "--top-p: %g is above 1", s->how.top_p);
    if (s->search.beam > 1 && s->search.beam > g->beam)
        return nnrt_fail(
            s->fault, NNRT_BAD_CALL,
            "--beam: the model was made for at most %lld: 'beam' of 'generate' says so",
            (long long)(g->beam ? g->beam : 1));
    if (!g->needs && (s->args->reference || s->args->out || s->args->input.n || s->args->data_dir))
        return nnrt_fail(s->fault, NNRT_BAD_CALL,
                         "--input, --reference, --out and --data-dir are of models with a source");
    if (s->args->reference && !s->text)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "--reference: the model has no vocabulary");
    if (s->count > INT32_MAX || s->n_prompt > INT32_MAX ||
        (g->length && s->n_prompt + s->count - 1 > g->length))
        return nnrt_fail(
            s->fault, NNRT_BAD_CALL,
            "the model was made for %lld positions: a prompt of %lld tokens and %lld more do "
            "not fit",
            (long long)g->length, (long long)s->n_prompt, (long long)s->count);
    return s->args->out ? nnrt_check_writable(s->args->out, s->fault) : 0;
}

static int gen_run(gen_state *s, nnrt_meta *meta)
{
    gen_settings(s);
    int status = gen_check(s);
    if (status)
        return status;
    int32_t *grown = realloc(s->ids, (size_t)(s->n_prompt + s->count) * sizeof *grown);
    if (!grown)
        return gen_no_memory(s);
    s->ids = grown;
    if (s->model->generation->needs) {
        status = gen_sources(s, meta);
    } else {
        status = gen_one(s, NULL);
        putchar('\n');
    }
    return status ? status : nnrt_flush_results(s->fault);
}

int nnrt_generate_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    nnrt_meta meta = {0};
    gen_state s = {.model = model, .args = args, .fault = fault};
    if (!model->generation)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot generate: the model file has no 'generate:'");
    int status = nnrt_open_meta(&meta, model, args->weights, fault);
    if (!status)
        status = gen_read_prompt(&s, &meta);
    if (!status)
        status = nnrt_open_weights(&s.m, model, args->weights, fault);
    if (!status)
        status = gen_run(&s, &meta);
    if (s.vocab)
        s.text->close(s.vocab);
    nnrt_buffer_free(&s.line);
    nnrt_buffer_free(&s.all);
    free(s.ids);
    nnrt_free(s.m);
    nnrt_meta_free(&meta);
    return status;
}
