/* SPDX-License-Identifier: MIT */
/* nnrt_train_samples.c: `train --samples`: pictures of what the model draws while it learns, always of the same seed,
 * by the averages of weights where these are kept; and some of them for `--report`.
 *
 * Inputs that samples depend on: classes in turn where there is no other input, else those of the first training
 * samples.
 */
#include <stdlib.h>
#include <string.h>

#include "nnrt_page.h"
#include "nnrt_training.h"

enum {
    SHOT_COUNT = 64, /* samples in a picture, about */
    SHOT_KEPT = 8 /* pictures that are kept for the report; when more come, every other one goes */
};

typedef struct shot_kept {
    int64_t step;
    nnrt_canvas *at; /* one a sample of the model; rgb NULL: no picture */
} shot_kept;

struct nnrt_showing {
    nnrt_drawing d;
    unsigned char *given; /* one an input: taken from the training data */
    double range[2];
    float **numbers; /* one a sample of the model: what is drawn; NULL: no picture is made of it */
    int64_t n;
    int64_t last_step;             /* of the last picture; -1: none */
    shot_kept kept[SHOT_KEPT + 1]; /* of --report; the last is the latest */
    int n_kept;
    int64_t stride, passed; /* of stride pictures one is kept */
};

/* --- opening ---------------------------------------------------------------------------------- */

static int shot_is_file(const nnrt_training *t)
{
    return t->args->drawn && nnrt_path_ends(t->args->drawn, ".png");
}

/* The first sample that makes a picture, or -1. */
static int shot_first(const nnrt_model *model)
{
    for (int i = 0; i < model->n_samples; i++)
        if (nnrt_sheet_takes(&model->samples[i]))
            return i;
    return -1;
}

/* An input that samples depend on, of which nothing says what it should be; or -1. */
static int shot_missing(const nnrt_training *t)
{
    for (int k = 0; k < t->model->n_inputs; k++) {
        const nnrt_value *v = &t->model->inputs[k];
        if (v->in_sample && !nnrt_drawing_in_turn(v) && !nnrt_dataset_has(&t->data, k))
            return k;
    }
    return -1;
}

/* Whether there is something to draw; a call that is wrong is reported. */
static int shot_wanted(const nnrt_training *t, int *wanted)
{
    const nnrt_args *args = t->args;
    const nnrt_model *model = t->model;
    int first = shot_first(model), missing = shot_missing(t);
    *wanted =
        first >= 0 && missing < 0 && (args->drawn || args->report) && (!t->fold || args->fold);
    if ((args->draw_every || args->draw_every_epochs || args->range) && !args->drawn &&
        !args->report)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "where do samples go? --samples DIR");
    if (args->draw_every && args->draw_every_epochs)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "--samples-every and --samples-every-epochs: only one of them");
    if (args->drawn && !model->sample)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "--samples: the model file has no 'sample': there is nothing to draw");
    if (args->drawn && first < 0)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "--samples: '%s' is no image of 1 or 3 channels, nor two numbers",
                         model->samples[0].name);
    if (args->drawn && missing >= 0)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "--samples: they depend on '%s', which the training data does not have",
                         model->inputs[missing].name);
    return 0;
}

/* Which inputs are taken from the training data: all that are not classes, and then the classes as well. */
static void shot_inputs(struct nnrt_showing *s, const nnrt_model *model)
{
    int others = 0, turns = 0;
    for (int k = 0; k < model->n_inputs; k++) {
        const nnrt_value *v = &model->inputs[k];
        turns += v->in_sample && nnrt_drawing_in_turn(v);
        others += v->in_sample && !nnrt_drawing_in_turn(v);
    }
    for (int k = 0; k < model->n_inputs; k++)
        s->given[k] = (others || turns > 1) && model->inputs[k].in_sample;
}

static int shot_memory(struct nnrt_showing *s, const nnrt_training *t)
{
    const nnrt_model *model = t->model;
    s->given = calloc((size_t)model->n_inputs + 1, 1);
    if (!s->given)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for samples");
    shot_inputs(s, model);
    int64_t columns = nnrt_drawing_columns(model, s->given);
    s->n = columns ? (SHOT_COUNT + columns - 1) / columns * columns : SHOT_COUNT;
    s->numbers = calloc((size_t)model->n_samples + 1, sizeof *s->numbers);
    int whole = s->numbers != NULL;
    for (int i = 0; whole && i < model->n_samples; i++) {
        if (!nnrt_sheet_takes(&model->samples[i]))
            continue;
        s->numbers[i] = malloc((size_t)(s->n * model->samples[i].count) * sizeof **s->numbers);
        whole = s->numbers[i] != NULL;
    }
    for (int i = 0; i <= SHOT_KEPT; i++)
        s->kept[i].at = calloc((size_t)model->n_samples, sizeof *s->kept[i].at);
    for (int i = 0; i <= SHOT_KEPT; i++)
        whole &= s->kept[i].at != NULL;
    return whole ? 0 : nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for samples");
}

int nnrt_showing_open(nnrt_training *t)
{
    const nnrt_args *args = t->args;
    int wanted, status = shot_wanted(t, &wanted);
    double range[2] = {0, 0};
    if (!status && args->range)
        status = nnrt_sheet_range(args->range, range, t->fault);
    if (status || !wanted)
        return status;
    struct nnrt_showing *s = calloc(1, sizeof *s);
    t->showing = s;
    if (!s)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for samples");
    *s = (struct nnrt_showing){.d.model = t->model, .last_step = -1, .stride = 1};
    memcpy(s->range, range, sizeof range);
    status = shot_memory(s, t);
    if (!status)
        status = nnrt_drawing_open(&s->d, t->model, t->fault);
    if (!status && args->drawn)
        status = shot_is_file(t) ? nnrt_check_writable(args->drawn, t->fault)
                                 : nnrt_make_folder(args->drawn, t->fault);
    return status;
}

void nnrt_showing_close(nnrt_training *t)
{
    struct nnrt_showing *s = t->showing;
    if (!s)
        return;
    for (int i = 0; i <= SHOT_KEPT; i++) {
        for (int k = 0; s->kept[i].at && k < t->model->n_samples; k++)
            nnrt_canvas_free(&s->kept[i].at[k]);
        free(s->kept[i].at);
    }
    nnrt_drawing_close(&s->d);
    for (int i = 0; s->numbers && i < t->model->n_samples; i++)
        free(s->numbers[i]);
    free(s->given);
    free(s->numbers);
    free(s);
    t->showing = NULL;
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* Draws all that pictures are made of. Training samples whose inputs are taken are lent to the drawing. */
static int shot_take(nnrt_training *t)
{
    struct nnrt_showing *s = t->showing;
    uint64_t seed = t->args->has_seed ? t->args->seed : t->model->train.seed;
    int any = memchr(s->given, 1, (size_t)t->model->n_inputs) != NULL;
    if (any) {
        s->d.data = t->data;
        s->d.of = &t->rows;
    }
    unsigned char *own = t->m->vars;
    t->m->vars = nnrt_training_vars(t);
    t->m->changes++;
    int status = nnrt_drawing_take(&s->d, t->m, seed, s->n, s->numbers, t->fault);
    t->m->vars = own;
    t->m->changes++;
    if (any)
        s->d.data = (nnrt_dataset){0};
    return status;
}

/* DIR/NAME-000500.png, on the heap; of a file its own name. */
static char *shot_path(const nnrt_training *t, int which)
{
    char name[NNRT_ERROR_SIZE];
    if (shot_is_file(t))
        return strdup(t->args->drawn);
    snprintf(name, sizeof name, "%.200s-%06lld.png", t->model->samples[which].name,
             (long long)t->m->step);
    return nnrt_path_join(t->args->drawn, name);
}

static int shot_write(const nnrt_training *t, int which, const nnrt_canvas *canvas)
{
    if (!t->args->drawn || (shot_is_file(t) && which != shot_first(t->model)))
        return 0;
    char *path = shot_path(t, which);
    int status = path ? nnrt_canvas_write(path, canvas, t->fault)
                      : nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for a path");
    free(path);
    return status;
}

/* One picture of each sample, into s->kept[SHOT_KEPT]. */
static int shot_draw(nnrt_training *t)
{
    struct nnrt_showing *s = t->showing;
    shot_kept *to = &s->kept[SHOT_KEPT];
    int status = shot_take(t);
    to->step = t->m->step;
    for (int i = 0; !status && i < t->model->n_samples; i++) {
        const nnrt_value *v = &t->model->samples[i];
        const nnrt_sheet sheet = {.value = v,
                                  .n = s->n,
                                  .at = s->numbers[i],
                                  .range = t->args->range ? s->range : NULL,
                                  .columns = nnrt_drawing_columns(t->model, s->given)};
        nnrt_canvas_free(&to->at[i]);
        if (!s->numbers[i])
            continue;
        status = nnrt_value_finite(v, "sample", s->n, s->numbers[i], t->fault);
        if (!status)
            status = nnrt_sheet_draw(&to->at[i], &sheet, t->fault);
        if (!status)
            status = shot_write(t, i, &to->at[i]);
    }
    return status;
}

static void shot_swap(shot_kept *a, shot_kept *b)
{
    shot_kept was = *a;
    *a = *b;
    *b = was;
}

/* Keeps the pictures at hand; where there is no place for more, every other one goes. */
static void shot_keep(struct nnrt_showing *s)
{
    if (s->passed++ % s->stride)
        return;
    if (s->n_kept == SHOT_KEPT) {
        for (int i = 1; i < SHOT_KEPT / 2; i++)
            shot_swap(&s->kept[i], &s->kept[2 * i]);
        s->n_kept = SHOT_KEPT / 2;
        s->stride *= 2;
    }
    shot_swap(&s->kept[SHOT_KEPT], &s->kept[s->n_kept++]);
}

int nnrt_showing_now(nnrt_training *t)
{
    struct nnrt_showing *s = t->showing;
    if (!s || s->last_step == t->m->step)
        return 0;
    int status = shot_draw(t);
    s->last_step = t->m->step;
    if (!status && t->args->report)
        shot_keep(s);
    return status;
}

int nnrt_showing_due(nnrt_training *t, int epoch_ended)
{
    const nnrt_args *args = t->args;
    int64_t epochs = args->draw_every_epochs ? args->draw_every_epochs : 1;
    int due = args->draw_every ? !epoch_ended && t->m->step % args->draw_every == 0
                               : epoch_ended && t->run.epoch % epochs == 0;
    return due ? nnrt_showing_now(t) : 0;
}

/* --- the report ------------------------------------------------------------------------------- */

static void shot_figure(FILE *f, const shot_kept *k, int which, const char *name)
{
    nnrt_buffer png = {0};
    const nnrt_canvas *canvas = &k->at[which];
    if (canvas->rgb)
        nnrt_canvas_put(&png, canvas);
    if (canvas->rgb && !png.failed) {
        fprintf(f, "<figure><figcaption class=\"soft\">step %lld</figcaption>", (long long)k->step);
        nnrt_page_png(f, canvas->width, canvas->height, png.at, png.size, name);
        fputs("</figure>\n", f);
    }
    nnrt_buffer_free(&png);
}

/* The kept picture nearest to half of the way. */
static const shot_kept *shot_middle(const struct nnrt_showing *s)
{
    int64_t half = (s->kept[0].step + s->last_step) / 2;
    int best = 0;
    for (int i = 1; i < s->n_kept; i++)
        if (llabs(s->kept[i].step - half) < llabs(s->kept[best].step - half))
            best = i;
    return &s->kept[best];
}

void nnrt_showing_report(FILE *f, const nnrt_training *t)
{
    const struct nnrt_showing *s = t->showing;
    if (!s || !s->n_kept)
        return;
    const shot_kept *first = &s->kept[0], *middle = shot_middle(s), *last = &s->kept[s->n_kept - 1];
    last = last->step == s->last_step ? last : &s->kept[SHOT_KEPT];
    nnrt_html_section(f, "drawn", "What it draws");
    fprintf(
        f,
        "<p class=\"soft\">%lld samples, of the same random numbers each time%s: at first, half "
        "way, at the end.</p>\n",
        (long long)s->n, t->averaged ? ", by the averages of weights" : "");
    for (int i = 0; i < t->model->n_samples; i++) {
        const char *name = t->model->samples[i].name;
        if (!nnrt_sheet_takes(&t->model->samples[i]))
            continue;
        fputs("<h3>", f);
        nnrt_html_say(f, name);
        fputs("</h3>\n<div class=\"drawn\">\n", f);
        shot_figure(f, first, i, name);
        if (middle->step > first->step && middle->step < last->step)
            shot_figure(f, middle, i, name);
        if (last->step > first->step)
            shot_figure(f, last, i, name);
        fputs("</div>\n", f);
    }
    nnrt_html_section_end(f);
}
