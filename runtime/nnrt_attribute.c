/* SPDX-License-Identifier: MIT */
/* nnrt_attribute.c: `attribute`: why a network gives what it does, by its inputs' numbers, tokens, or maps.
 *
 * saliency             the gradient of the score (Simonyan and others 2013)
 * gradient_input       the gradient times the input
 * integrated_gradients the mean gradient on the way from a baseline, times the way (Sundararajan and others 2017)
 * smoothgrad           the mean gradient near the input (Smilkov and others 2017)
 * grad_cam             the maps of a layer, weighted by their mean gradients (Selvaraju and others 2017)
 * permutation          nnrt_permutation.c
 *
 * The network is as predict has it. The score is a number of the first output, before a softmax or sigmoid. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_rand.h"

static const char *const attr_methods[NNRT_METHODS] = {[NNRT_SALIENCY] = "saliency",
                                                       [NNRT_GRADIENT_INPUT] = "gradient_input",
                                                       [NNRT_INTEGRATED_GRADIENTS] =
                                                           "integrated_gradients",
                                                       [NNRT_SMOOTHGRAD] = "smoothgrad",
                                                       [NNRT_GRAD_CAM] = "grad_cam",
                                                       [NNRT_PERMUTATION] = "permutation"};

/* From where integrated gradients start, of one input. */
typedef struct attr_baseline {
    double number;
    nnrt_array array; /* data NULL: the number; else one sample, or one a sample */
} attr_baseline;

typedef struct attr_state {
    nnrt_attributed a;
    const nnrt_model *model;
    const nnrt_args *args;
    nnrt_instance *m;
    nnrt_dataset data;
    nnrt_rows rows;      /* of the data: the samples */
    nnrt_feed feed, own; /* a batch; the sample that points are made of */
    nnrt_meta meta;
    float **out;             /* one an attribution, of a batch */
    double **sum;            /* the same, of a sample */
    attr_baseline *baseline; /* one an input */
    char **labels;           /* one a score, or NULL */
    nnrt_fault *fault;
} attr_state;

static int attr_no_memory(const attr_state *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "no memory for the attributions");
}

/* --- what is asked for ------------------------------------------------------------------------ */

static int attr_method(const nnrt_args *args, nnrt_method *out, nnrt_fault *fault)
{
    if (!args->method)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "which method? --method saliency, gradient_input, integrated_gradients, "
                         "smoothgrad, grad_cam or permutation");
    for (int i = 0; i < NNRT_METHODS; i++)
        if (strcmp(attr_methods[i], args->method) == 0) {
            *out = (nnrt_method)i;
            return 0;
        }
    const char *near = nnrt_args_nearest(args->method, NNRT_METHODS, attr_methods);
    return nnrt_fail(fault, NNRT_BAD_CALL, "--method: there is no '%s'%s%s%s", args->method,
                     near ? "; did you mean '" : "; --help lists them", near ? near : "",
                     near ? "'?" : "");
}

/* The attribution of --layer, or of the default. */
static int attr_layer(attr_state *s)
{
    const nnrt_model *model = s->model;
    const char **names = malloc(((size_t)model->n_attributions + 1) * sizeof *names);
    int n = 0;
    if (!names)
        return attr_no_memory(s);
    for (int i = 0; i < model->n_attributions; i++) {
        const nnrt_attribution *a = &model->attributions[i];
        if (a->kind != NNRT_ATTRIBUTION_LAYER)
            continue;
        names[n++] = a->layer;
        if (s->args->layer ? strcmp(a->layer, s->args->layer) == 0 : a->by_default)
            s->a.layer = i;
    }
    int status = 0;
    if (s->a.layer < 0 && n == 0)
        status = nnrt_fail(s->fault, NNRT_BAD_CALL,
                           "grad_cam: no layer of the model gives maps, [channels, rows, columns], "
                           "on which the first output depends");
    else if (s->a.layer < 0 && !s->args->layer)
        status = nnrt_fail(s->fault, NNRT_BAD_CALL,
                           "grad_cam: the model has no convolution: which layer? --layer %s",
                           names[n - 1]);
    else if (s->a.layer < 0) {
        const char *near = nnrt_args_nearest(s->args->layer, n, names);
        status =
            nnrt_fail(s->fault, NNRT_BAD_CALL, "--layer: no layer with maps is called '%s'%s%s%s",
                      s->args->layer, near ? "; did you mean '" : "; the last is '",
                      near ? near : names[n - 1], near ? "'?" : "'");
    }
    free(names);
    return status;
}

#define ATTR_BIT(method) (1u << (method))

/* Whether each option that is given has a meaning for the method. */
static int attr_options(const attr_state *s)
{
    const nnrt_args *a = s->args;
    const unsigned sample = ~ATTR_BIT(NNRT_PERMUTATION);
    const unsigned points = ATTR_BIT(NNRT_INTEGRATED_GRADIENTS) | ATTR_BIT(NNRT_SMOOTHGRAD);
    const struct attr_option {
        int given;
        const char *name;
        unsigned methods;
        const char *of;
    } rows[] = {
        {a->layer != NULL, "layer", ATTR_BIT(NNRT_GRAD_CAM), "grad_cam"},
        {a->baseline.n > 0, "baseline", ATTR_BIT(NNRT_INTEGRATED_GRADIENTS),
         "integrated_gradients"},
        {a->steps > 0, "steps", points, "integrated_gradients and smoothgrad"},
        {a->repeats > 0, "repeats", ~sample, "permutation"},
        {a->metric != NULL, "metric", ~sample, "permutation"},
        {a->chosen_class != NULL, "class", sample, "the other methods"},
        {a->output.n > 0, "output", sample, "the other methods"},
        {a->input.n > 0, "input", sample, "the other methods"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !(rows[i].methods & ATTR_BIT(s->a.method)))
            return nnrt_fail(s->fault, NNRT_BAD_CALL, "--%s is of %s, not of %s", rows[i].name,
                             rows[i].of, a->method);
    return 0;
}

/* --- labels ----------------------------------------------------------------------------------- */

/* A copy of a label that can be printed. */
static char *attr_label(const char *at, int length)
{
    char *text = strndup(at, (size_t)length);
    for (char *c = text; c && *c; c++)
        *c = (unsigned char)*c < ' ' || *c == 127 ? '?' : *c;
    return text;
}

/* The labels of the one input of as many classes as there are scores, where all of these have one. */
static int attr_labels(attr_state *s)
{
    const char *input = NULL, *at;
    int64_t n = s->model->attributions[0].count;
    int length;
    for (int i = 0; i < s->model->n_inputs && !input; i++) {
        const nnrt_value *v = &s->model->inputs[i];
        if (v->classes == n && !v->in_predict && nnrt_meta_label(&s->meta, v->name, n - 1, &length))
            input = v->name;
    }
    if (!input || nnrt_meta_label(&s->meta, input, n, &length))
        return 0;
    s->labels = calloc((size_t)n, sizeof *s->labels);
    for (int64_t k = 0; s->labels && k < n; k++) {
        at = nnrt_meta_label(&s->meta, input, k, &length);
        s->labels[k] = attr_label(at, length);
        if (!s->labels[k])
            return attr_no_memory(s);
    }
    s->a.labels = (const char *const *)s->labels;
    return s->labels ? 0 : attr_no_memory(s);
}

/* The class of --class: a number, or a label. */
static int attr_class(attr_state *s, int32_t *out)
{
    const char *text = s->args->chosen_class;
    int64_t classes = s->model->attributions[0].count;
    char *end;
    nnrt_buffer word = {0};
    nnrt_buffer_escaped(&word, text, strlen(text));
    nnrt_buffer_put(&word, "", 1);
    if (word.failed) {
        nnrt_buffer_free(&word);
        return attr_no_memory(s);
    }
    int64_t found = -1;
    for (int64_t i = 0; s->a.labels && i < classes && found < 0; i++)
        if (strcmp(s->a.labels[i], word.at) == 0)
            found = i;
    nnrt_buffer_free(&word);
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (found < 0 && !errno && end != text && !*end && number >= 0 && number < classes)
        found = number;
    if (found < 0)
        return nnrt_fail(s->fault, NNRT_BAD_CALL, "--class: '%s' is not from 0 to %lld%s", text,
                         (long long)classes - 1, s->a.labels ? ", and no label" : "");
    *out = (int32_t)found;
    return 0;
}

/* --- the baseline ----------------------------------------------------------------------------- */

static int attr_read_baseline(attr_state *s, char *text)
{
    const nnrt_model *model = s->model;
    const char *file;
    char *end;
    double number = strtod(text, &end);
    if (end != text && !*end && isfinite(number)) {
        for (int i = 0; i < model->n_inputs; i++)
            s->baseline[i].number = number;
        return 0;
    }
    int input =
        nnrt_named_value(text, "--baseline", model->n_inputs, model->inputs, &file, s->fault);
    if (input < 0)
        return NNRT_BAD_CALL;
    attr_baseline *b = &s->baseline[input];
    number = strtod(file, &end);
    if (end != file && !*end && isfinite(number)) {
        b->number = number;
        return 0;
    }
    nnrt_array_free(&b->array);
    int status = nnrt_npy_read(file, &b->array, s->fault);
    if (status)
        return status;
    int64_t n = nnrt_array_count(b->array.rank, b->array.dim), each = model->inputs[input].count;
    if (n != each && n != each * s->a.n)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: %lld numbers; a baseline for '%s' has %lld, or so many a sample",
                         file, (long long)n, model->inputs[input].name, (long long)each);
    return 0;
}

static double attr_baseline_at(const attr_state *s, int input, int64_t sample, int64_t k)
{
    const attr_baseline *b = &s->baseline[input];
    int64_t each = s->model->inputs[input].count;
    if (!b->array.data)
        return b->number;
    int one = nnrt_array_count(b->array.rank, b->array.dim) == each;
    return nnrt_array_number(&b->array, (size_t)(one ? k : sample * each + k));
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Gradients of the first n samples of the feed. */
static int attr_call(attr_state *s, int n, int32_t chosen)
{
    const nnrt_attribution *scores = &s->model->attributions[0];
    if (s->model->attribute(s->m, n, (const void *const *)s->feed.in, chosen, s->out))
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT, "%s", s->m->error);
    for (int64_t i = 0; i < n * scores->count; i++)
        if (!isfinite(s->out[0][i]))
            return nnrt_fail(s->fault, NNRT_NOT_FINITE, "a score is %g", (double)s->out[0][i]);
    return 0;
}

/* The largest score of each sample. */
static int attr_largest(attr_state *s)
{
    int64_t k = s->model->attributions[0].count;
    int status = 0;
    for (int64_t at = 0; !status && at < s->a.n && k > 1; at += s->model->batch) {
        int n = (int)(s->a.n - at < s->model->batch ? s->a.n - at : s->model->batch);
        status = nnrt_dataset_batch(&s->data, s->rows.at + at, n, s->feed.in, s->fault);
        if (!status)
            status = attr_call(s, n, 0);
        for (int i = 0; !status && i < n; i++)
            for (int32_t c = 1; c < k; c++) {
                const float *score = s->out[0] + i * k;
                int32_t *best = &s->a.chosen[at + i];
                *best = score[c] > score[*best] ? c : *best;
            }
    }
    return status;
}

/* --- one gradient a sample -------------------------------------------------------------------- */

/* Number k of row `row` of an input in the feed. */
static double attr_fed(const nnrt_feed *feed, int input, int64_t row, int64_t k)
{
    const nnrt_value *v = &feed->model->inputs[input];
    int64_t at = row * v->count + k;
    return v->dtype == NNRT_F32   ? (double)((const float *)feed->in[input])[at]
           : v->dtype == NNRT_I32 ? (double)((const int32_t *)feed->in[input])[at]
                                  : (double)((const uint8_t *)feed->in[input])[at];
}

static void attr_take(attr_state *s, int row, int64_t sample)
{
    const nnrt_model *model = s->model;
    s->a.score[sample] = s->out[0][row * model->attributions[0].count + s->a.chosen[sample]];
    for (int i = 0; i < model->n_attributions; i++) {
        const nnrt_attribution *a = &model->attributions[i];
        if (!s->a.found[i])
            continue;
        float *to = s->a.found[i] + sample * a->count;
        int times = s->a.method == NNRT_GRADIENT_INPUT && a->kind == NNRT_ATTRIBUTION_INPUT;
        memcpy(to, s->out[i] + row * a->count, (size_t)a->count * sizeof *to);
        for (int64_t k = 0; times && k < a->count; k++)
            to[k] *= (float)attr_fed(&s->feed, a->input, row, k);
    }
}

typedef struct attr_place {
    int32_t chosen;
    int64_t sample;
} attr_place;

static int attr_by_class(const void *a, const void *b)
{
    const attr_place *x = a, *y = b;
    return x->chosen != y->chosen ? (x->chosen > y->chosen) - (x->chosen < y->chosen)
                                  : (x->sample > y->sample) - (x->sample < y->sample);
}

/* A call is of one class: samples are taken class by class. */
static int attr_single(attr_state *s)
{
    attr_place *place = malloc(((size_t)s->a.n + 1) * sizeof *place);
    int64_t *rows = malloc((size_t)s->model->batch * sizeof *rows);
    int status = place && rows ? 0 : attr_no_memory(s);
    for (int64_t i = 0; place && i < s->a.n; i++)
        place[i] = (attr_place){s->a.chosen[i], i};
    if (place)
        qsort(place, (size_t)s->a.n, sizeof *place, attr_by_class);
    for (int64_t at = 0, n = 0; !status && at < s->a.n; at += n) {
        for (n = 0; n < s->model->batch && at + n < s->a.n; n++) {
            if (place[at + n].chosen != place[at].chosen)
                break;
            rows[n] = s->rows.at[place[at + n].sample];
        }
        status = nnrt_dataset_batch(&s->data, rows, (int)n, s->feed.in, s->fault);
        if (!status)
            status = attr_call(s, (int)n, place[at].chosen);
        for (int i = 0; !status && i < n; i++)
            attr_take(s, i, place[at + i].sample);
    }
    free(place);
    free(rows);
    return status;
}

/* --- the mean of gradients at several points -------------------------------------------------- */

enum { ATTR_START = -2, ATTR_END = -1 /* points that are the baseline, and the sample */ };

#define ATTR_STREAM 0xFFFFFFFCu /* of random numbers: no layer's, no shuffle's */
#define ATTR_NOISE  0.15 /* of smoothgrad: the standard deviation, as a share of a sample's range */

static int64_t attr_steps(const attr_state *s)
{
    return s->args->steps ? s->args->steps : 50;
}

/* Fills row `row` of an input with a point of a sample. */
static void attr_point(attr_state *s, int input, int64_t sample, int64_t point, int64_t row)
{
    int64_t count = s->model->inputs[input].count;
    const float *x = s->own.in[input];
    float *to = (float *)s->feed.in[input] + row * count, low = x[0], high = x[0];
    uint64_t seed = s->args->has_seed ? s->args->seed : s->model->train.seed;
    nnrt_rand_key key = nnrt_rand_key_of(seed + (uint64_t)input, (uint64_t)sample, ATTR_STREAM);
    double share = point == ATTR_START ? 0
                   : point == ATTR_END ? 1
                                       : ((double)point + 0.5) / (double)attr_steps(s);
    int noise = s->a.method == NNRT_SMOOTHGRAD;
    for (int64_t k = 0; noise && k < count; k++) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
    }
    for (int64_t k = 0; k < count; k++) {
        if (noise && point >= 0) {
            uint64_t index = (uint64_t)(point * count + k);
            to[k] = x[k] + (float)ATTR_NOISE * (high - low) * nnrt_rand_normal(key, index);
        } else if (point == ATTR_END) {
            to[k] = x[k];
        } else {
            double from = attr_baseline_at(s, input, sample, k);
            to[k] = (float)(from + share * ((double)x[k] - from));
        }
    }
}

/* Calls of n points of a sample from `from` on; what they give is in s->out. n is at most the batch. */
static int attr_points(attr_state *s, int64_t sample, int64_t from, int n, int64_t *rows)
{
    const nnrt_model *model = s->model;
    for (int i = 0; i < n; i++)
        rows[i] = s->rows.at[sample];
    int status = nnrt_dataset_batch(&s->data, rows, n, s->feed.in, s->fault);
    if (status)
        return status;
    for (int i = 0; i < model->n_attributions; i++)
        for (int p = 0; model->attributions[i].kind == NNRT_ATTRIBUTION_INPUT && p < n; p++)
            attr_point(s, model->attributions[i].input, sample, from + p, p);
    return attr_call(s, n, s->a.chosen[sample]);
}

/* Makes of the sums of gradients what is asked for. */
static void attr_finish(attr_state *s, int64_t sample)
{
    const nnrt_model *model = s->model;
    for (int i = 0; i < model->n_attributions; i++) {
        const nnrt_attribution *a = &model->attributions[i];
        for (int64_t k = 0; s->a.found[i] && k < a->count; k++) {
            double mean = s->sum[i][k] / (double)attr_steps(s);
            if (s->a.method == NNRT_INTEGRATED_GRADIENTS) {
                double x = attr_fed(&s->own, a->input, 0, k);
                mean *= x - attr_baseline_at(s, a->input, sample, k);
                s->a.sum[sample] += mean;
            }
            s->a.found[i][sample * a->count + k] = (float)mean;
        }
    }
}

static int attr_path(attr_state *s, int64_t sample, int64_t *rows)
{
    const nnrt_model *model = s->model;
    int64_t steps = attr_steps(s);
    int status = nnrt_dataset_batch(&s->data, s->rows.at + sample, 1, s->own.in, s->fault);
    for (int i = 0; i < model->n_attributions; i++)
        for (int64_t k = 0; s->a.found[i] && k < model->attributions[i].count; k++)
            s->sum[i][k] = 0;
    if (!status)
        status = attr_points(s, sample, ATTR_END, 1, rows);
    if (status)
        return status;
    s->a.score[sample] = s->out[0][s->a.chosen[sample]];
    if (!status && s->a.method == NNRT_INTEGRATED_GRADIENTS)
        status = attr_points(s, sample, ATTR_START, 1, rows);
    s->a.at_baseline[sample] = s->out[0][s->a.chosen[sample]];
    for (int64_t at = 0, n = 0; !status && at < steps; at += n) {
        n = steps - at < model->batch ? steps - at : model->batch;
        status = attr_points(s, sample, at, (int)n, rows);
        for (int i = 0; !status && i < model->n_attributions; i++) {
            int64_t count = model->attributions[i].count;
            for (int64_t k = 0; s->a.found[i] && k < count * n; k++)
                s->sum[i][k % count] += (double)s->out[i][k];
        }
    }
    if (!status)
        attr_finish(s, sample);
    return status;
}

static int attr_paths(attr_state *s)
{
    const nnrt_model *model = s->model;
    int64_t *rows = malloc((size_t)model->batch * sizeof *rows);
    int status = rows ? nnrt_feed_open(&s->own, model, s->fault) : attr_no_memory(s);
    for (int i = 0; !status && i < model->n_attributions; i++)
        if (s->a.found[i]) {
            s->sum[i] = malloc((size_t)model->attributions[i].count * sizeof **s->sum);
            status = s->sum[i] ? 0 : attr_no_memory(s);
        }
    for (int64_t sample = 0; !status && sample < s->a.n; sample++)
        status = attr_path(s, sample, rows);
    free(rows);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

/* Whether an attribution is what the method makes; NNRT_BAD_CALL where none can be. */
static int attr_wanted(attr_state *s, int i)
{
    nnrt_attribution_kind kind = s->model->attributions[i].kind;
    switch (s->a.method) {
    case NNRT_SALIENCY: return kind == NNRT_ATTRIBUTION_INPUT || kind == NNRT_ATTRIBUTION_NORMS;
    case NNRT_GRADIENT_INPUT:
        return kind == NNRT_ATTRIBUTION_INPUT || kind == NNRT_ATTRIBUTION_TOKENS;
    case NNRT_INTEGRATED_GRADIENTS:
    case NNRT_SMOOTHGRAD: return kind == NNRT_ATTRIBUTION_INPUT;
    case NNRT_GRAD_CAM: return i == s->a.layer;
    default: return 0;
    }
}

static int attr_memory(attr_state *s)
{
    const nnrt_model *model = s->model;
    size_t n = (size_t)s->a.n + 1;
    int any = 0;
    s->a.chosen = calloc(n, sizeof *s->a.chosen);
    s->a.score = calloc(n, sizeof *s->a.score);
    s->a.at_baseline = calloc(n, sizeof *s->a.at_baseline);
    s->a.sum = calloc(n, sizeof *s->a.sum);
    int ok = s->a.chosen && s->a.score && s->a.at_baseline && s->a.sum;
    for (int i = 0; ok && i < model->n_attributions; i++) {
        const nnrt_attribution *a = &model->attributions[i];
        size_t size;
        if (a->kind == NNRT_ATTRIBUTION_INPUT && model->inputs[a->input].dtype != NNRT_F32 &&
            (s->a.method == NNRT_INTEGRATED_GRADIENTS || s->a.method == NNRT_SMOOTHGRAD))
            return nnrt_fail(s->fault, NNRT_BAD_CALL,
                             "%s needs points between numbers: '%s' holds whole ones",
                             s->args->method, model->inputs[a->input].name);
        s->out[i] = malloc((size_t)(a->count * model->batch) * sizeof **s->out);
        ok = s->out[i] != NULL;
        if (!attr_wanted(s, i))
            continue;
        any = 1;
        ok = ok && !__builtin_mul_overflow((size_t)a->count * sizeof(float), n, &size);
        s->a.found[i] = ok ? malloc(size) : NULL;
        ok = s->a.found[i] != NULL;
    }
    if (ok && !any)
        return nnrt_fail(s->fault, NNRT_BAD_CALL,
                         "%s needs inputs of numbers; gradient_input takes tokens as well",
                         s->args->method);
    return ok ? 0 : attr_no_memory(s);
}

/* The samples: of --input, else of the set that eval takes. */
static int attr_samples(attr_state *s)
{
    const nnrt_model *model = s->model;
    int status;
    if (s->args->input.n) {
        unsigned char *need = malloc((size_t)model->n_inputs + 1);
        for (int k = 0; need && k < model->n_inputs; k++)
            need[k] = model->inputs[k].in_predict && (model->inputs[k].outputs & 1);
        status =
            need ? nnrt_named_inputs(&s->data, s->args, model, need, s->fault) : attr_no_memory(s);
        free(need);
        if (!status)
            status = nnrt_rows_all(&s->rows, s->data.n, s->fault);
    } else {
        status = nnrt_eval_data(&s->data, &s->rows, s->args, model, &s->meta, s->fault);
    }
    s->a.n = s->args->samples && s->args->samples < s->rows.n ? s->args->samples : s->rows.n;
    if (!status && s->a.n < 1)
        status = nnrt_fail(s->fault, NNRT_BAD_CONTENT, "the input has no samples");
    return status;
}

static int attr_run(attr_state *s)
{
    const nnrt_args *args = s->args;
    int32_t given = 0;
    int status = nnrt_open_meta(&s->meta, s->model, args->weights, s->fault);
    if (!status)
        status = attr_labels(s);
    if (!status && args->chosen_class)
        status = attr_class(s, &given);
    if (!status)
        status = attr_samples(s);
    if (!status)
        status = attr_memory(s);
    if (!status)
        status = nnrt_attributed_check(&s->a, s->fault);
    for (int i = 0; !status && i < args->baseline.n; i++)
        status = attr_read_baseline(s, args->baseline.at[i]);
    if (!status)
        status = nnrt_open_weights(&s->m, s->model, args->weights, s->fault);
    if (!status)
        status = nnrt_feed_open(&s->feed, s->model, s->fault);
    for (int64_t i = 0; !status && i < s->a.n; i++)
        s->a.chosen[i] = given;
    if (!status && !args->chosen_class)
        status = attr_largest(s);
    if (!status)
        status = s->a.method == NNRT_INTEGRATED_GRADIENTS || s->a.method == NNRT_SMOOTHGRAD
                     ? attr_paths(s)
                     : attr_single(s);
    return status ? status : nnrt_attributed_show(&s->a, s->fault);
}

static void attr_close(attr_state *s)
{
    for (int i = 0; i < s->model->n_attributions; i++) {
        free(s->out ? s->out[i] : NULL);
        free(s->sum ? s->sum[i] : NULL);
        free(s->a.found ? s->a.found[i] : NULL);
    }
    for (int i = 0; s->baseline && i < s->model->n_inputs; i++)
        nnrt_array_free(&s->baseline[i].array);
    free(s->out);
    free(s->sum);
    free(s->a.found);
    free(s->baseline);
    free(s->a.chosen);
    free(s->a.score);
    free(s->a.at_baseline);
    free(s->a.sum);
    for (int64_t k = 0; s->labels && k < s->model->attributions[0].count; k++)
        free(s->labels[k]);
    free(s->labels);
    free(s->rows.at);
    nnrt_feed_close(&s->feed);
    nnrt_feed_close(&s->own);
    nnrt_dataset_close(&s->data);
    nnrt_meta_free(&s->meta);
    nnrt_free(s->m);
}

int nnrt_attribute_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    size_t n = (size_t)model->n_attributions + 1;
    attr_state s = {.model = model, .args = args, .fault = fault, .a.layer = -1};
    int status = attr_method(args, &s.a.method, fault);
    if (!status)
        status = attr_options(&s);
    if (status)
        return status;
    if (s.a.method == NNRT_PERMUTATION)
        return nnrt_permutation_command(args, model, fault);
    if (!model->attribute)
        return nnrt_fail(
            fault, NNRT_BAD_CALL,
            "this program has no gradients of its outputs: it was made with --no-train, "
            "it generates, or the first output has none");
    if (s.a.method == NNRT_GRAD_CAM)
        status = attr_layer(&s);
    if (status)
        return status;
    s.a = (nnrt_attributed){.model = model,
                            .method = s.a.method,
                            .layer = s.a.layer,
                            .was_given = args->chosen_class != NULL,
                            .args = args};
    s.out = calloc(n, sizeof *s.out);
    s.sum = calloc(n, sizeof *s.sum);
    s.a.found = calloc(n, sizeof *s.a.found);
    s.baseline = calloc((size_t)model->n_inputs + 1, sizeof *s.baseline);
    s.a.data = &s.data;
    s.a.rows = &s.rows;
    s.a.feed = &s.feed;
    s.a.meta = &s.meta;
    status = s.out && s.sum && s.a.found && s.baseline ? attr_run(&s) : attr_no_memory(&s);
    attr_close(&s);
    return status;
}
