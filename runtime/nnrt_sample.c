/* SPDX-License-Identifier: MIT */
/* nnrt_sample.c: `sample`: what a trained model draws, as .npy, pictures or lines. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

enum { SAMPLE_COUNT = 64 }; /* by default */

typedef struct sample_state {
    const nnrt_args *args;
    const nnrt_model *model;
    const char **files;   /* one a sample of the model: where it goes, or NULL */
    float **all;          /* the same: of all that is drawn */
    unsigned char *given; /* one an input */
    double range[2];
    nnrt_drawing d;
    nnrt_instance *m;
    int64_t n;
    nnrt_fault *fault;
} sample_state;

static int sample_no_memory(const sample_state *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "no memory for %lld samples", (long long)s->n);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static int sample_outputs(sample_state *s)
{
    const nnrt_model *model = s->model;
    int status = nnrt_named_outputs(s->args, model->n_samples, model->samples, s->files, s->fault);
    int pictures = 0;
    for (int i = 0; !status && i < model->n_samples; i++) {
        if (!s->files[i] || !nnrt_path_ends(s->files[i], ".png"))
            continue;
        pictures++;
        if (!nnrt_sheet_takes(&model->samples[i]))
            status = nnrt_fail(s->fault, NNRT_BAD_CALL,
                               "--output: '%s' is no image of 1 or 3 channels, nor two numbers: "
                               "%s=FILE.npy",
                               model->samples[i].name, model->samples[i].name);
    }
    if (!status && s->args->range)
        status = nnrt_sheet_range(s->args->range, s->range, s->fault);
    if (!status && s->args->range && !pictures)
        status =
            nnrt_fail(s->fault, NNRT_BAD_CALL, "--range is for pictures: --output NAME=FILE.png");
    return status;
}

/* Whether a wanted sample depends on the input. */
static int sample_needs(const sample_state *s, int input)
{
    const nnrt_value *v = &s->model->inputs[input];
    int needs = 0;
    for (int i = 0; v->in_sample && i < s->model->n_samples; i++)
        needs |= s->files[i] && (i >= 32 || (v->samples >> i & 1));
    return needs;
}

/* Marks the inputs of --input; all of them where a bare FILE may have them. */
static int sample_given(sample_state *s)
{
    const nnrt_args *args = s->args;
    const nnrt_model *model = s->model;
    const char *file;
    for (int i = 0; i < args->input.n; i++) {
        if (!nnrt_data_named(args->input.at[i]) && model->data_train.kind == NNRT_SOURCE_CSV) {
            memset(s->given, 1, (size_t)model->n_inputs);
            continue;
        }
        int input = nnrt_named_value(args->input.at[i], "--input", model->n_inputs, model->inputs,
                                     &file, s->fault);
        if (input < 0)
            return NNRT_BAD_CALL;
        s->given[input] = 1;
    }
    return 0;
}

/* The inputs' samples, and how many are drawn. */
static int sample_inputs(sample_state *s)
{
    const nnrt_model *model = s->model;
    int status = sample_given(s);
    for (int k = 0; !status && k < model->n_inputs; k++) {
        int needs = sample_needs(s, k);
        if (needs && !s->given[k] && !nnrt_drawing_in_turn(&model->inputs[k]))
            status = nnrt_fail(s->fault, NNRT_BAD_CALL, "which '%s'? --input %s=FILE.npy",
                               model->inputs[k].name, model->inputs[k].name);
        s->given[k] = needs && s->given[k];
    }
    if (!status)
        status = nnrt_named_inputs(&s->d.data, s->args, model, s->given, s->fault);
    int given = status ? 0 : memchr(s->given, 1, (size_t)model->n_inputs) != NULL;
    if (given && s->d.data.n < 1)
        status = nnrt_fail(s->fault, NNRT_BAD_CONTENT, "the input has no samples");
    int64_t columns = nnrt_drawing_columns(model, s->given);
    s->n = s->args->count ? s->args->count
           : given        ? s->d.data.n
           : columns      ? (SAMPLE_COUNT + columns - 1) / columns * columns
                          : SAMPLE_COUNT;
    return status;
}

/* --- drawing ---------------------------------------------------------------------------------- */

static int sample_memory(sample_state *s)
{
    for (int i = 0; i < s->model->n_samples; i++) {
        size_t size, count = (size_t)s->model->samples[i].count;
        if (!s->files[i])
            continue;
        if (__builtin_mul_overflow(count * sizeof **s->all, (size_t)s->n, &size))
            return sample_no_memory(s);
        s->all[i] = malloc(size + 1);
        if (!s->all[i])
            return sample_no_memory(s);
    }
    return 0;
}

static int sample_picture(const sample_state *s, int i)
{
    const nnrt_value *v = &s->model->samples[i];
    const nnrt_sheet sheet = {.value = v,
                              .n = s->n,
                              .at = s->all[i],
                              .range = s->args->range ? s->range : NULL,
                              .columns = nnrt_drawing_columns(s->model, s->given)};
    nnrt_canvas canvas = {0, 0, NULL};
    int status = nnrt_value_finite(v, "sample", s->n, s->all[i], s->fault);
    if (!status)
        status = nnrt_sheet_draw(&canvas, &sheet, s->fault);
    if (!status)
        status = nnrt_canvas_write(s->files[i], &canvas, s->fault);
    nnrt_canvas_free(&canvas);
    return status;
}

static int sample_write(const sample_state *s, int i)
{
    if (!s->files[i])
        return 0;
    if (nnrt_path_ends(s->files[i], ".png"))
        return sample_picture(s, i);
    return nnrt_value_write(&s->model->samples[i], "sample", s->files[i], s->n, s->all[i],
                            s->fault);
}

static int sample_run(sample_state *s)
{
    int status = sample_outputs(s);
    if (!status)
        status = sample_inputs(s);
    if (!status)
        status = nnrt_open_weights(&s->m, s->model, s->args->weights, s->fault);
    if (!status)
        status = nnrt_drawing_open(&s->d, s->model, s->fault);
    if (!status)
        status = sample_memory(s);
    if (!status)
        status =
            nnrt_drawing_take(&s->d, s->m, s->args->has_seed ? s->args->seed : s->model->train.seed,
                              s->n, s->all, s->fault);
    for (int i = 0; !status && i < s->model->n_samples; i++)
        status = sample_write(s, i);
    return status;
}

int nnrt_sample_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    size_t n = (size_t)model->n_samples + 1;
    if (!model->sample)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program draws nothing: the model file has no 'sample'");
    sample_state s = {.args = args,
                      .model = model,
                      .files = calloc(n, sizeof *s.files),
                      .all = calloc(n, sizeof *s.all),
                      .given = calloc((size_t)model->n_inputs + 1, 1),
                      .d.model = model,
                      .fault = fault};
    int status = s.files && s.all && s.given ? sample_run(&s) : sample_no_memory(&s);
    for (int i = 0; s.all && i < model->n_samples; i++)
        free(s.all[i]);
    free((void *)s.files);
    free(s.all);
    free(s.given);
    nnrt_drawing_close(&s.d);
    nnrt_free(s.m);
    return status;
}
