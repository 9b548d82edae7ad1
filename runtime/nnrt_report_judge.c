/* SPDX-License-Identifier: MIT */
/* nnrt_report_judge.c: how the network answers a set: which output answers which input, and how well, sample by sample.
 *
 * The table of a model does not say what an output is to be compared with. A target is an input that no output depends
 * on; it is answered by an output that has a number for each of its classes, or as many numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_report.h"

double nnrt_feed_number(const nnrt_feed *f, int input, int64_t at)
{
    const void *in = f->in[input];
    switch (f->model->inputs[input].dtype) {
    case NNRT_F32: return (double)((const float *)in)[at];
    case NNRT_I32: return ((const int32_t *)in)[at];
    case NNRT_U8: return ((const unsigned char *)in)[at];
    }
    return 0;
}

/* --- pairs ------------------------------------------------------------------------------------ */

/* How output o answers input k, if it does. */
static nnrt_pair judge_pair(const nnrt_model *model, int o, int k)
{
    const nnrt_value *out = &model->outputs[o], *in = &model->inputs[k];
    nnrt_pair p = {.output = o, .target = k, .classes = in->classes, .places = in->count};
    p.class_step = 1;
    p.place_step = in->classes;
    if (out->dtype != NNRT_F32 || out->labels || in->count < 1)
        return p;
    if (in->classes > 1 && out->count == in->classes * in->count) {
        int last = out->rank > 0 && out->dim[out->rank - 1] == in->classes;
        p.kind = last || (out->rank > 0 && out->dim[0] == in->classes) ? NNRT_PAIR_CLASS
                                                                       : NNRT_PAIR_NONE;
        if (!last) {
            p.class_step = in->count;
            p.place_step = 1;
        }
    } else if (out->count == in->count && in->classes == 2) {
        p.kind = NNRT_PAIR_BINARY;
        p.place_step = 1;
    } else if (out->count == in->count && in->classes == 0) {
        p.kind = NNRT_PAIR_NUMBERS;
    }
    return p;
}

/* Classes before numbers, and the first of each. An input that the network sees too, so that what it makes is compared
 * with what it was given, only where there is no other. */
static nnrt_pair judge_find(const nnrt_model *model)
{
    static const nnrt_pair_kind order[] = {NNRT_PAIR_CLASS, NNRT_PAIR_BINARY, NNRT_PAIR_NUMBERS};
    for (int seen = 0; seen < 2; seen++)
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < model->n_inputs; k++)
                for (int o = 0; o < model->n_outputs; o++) {
                    nnrt_pair p = judge_pair(model, o, k);
                    p.seen = seen;
                    if (p.kind == order[i] && !model->inputs[k].in_predict == !seen)
                        return p;
                }
    return (nnrt_pair){.kind = NNRT_PAIR_NONE};
}

/* --- answers ---------------------------------------------------------------------------------- */

int32_t nnrt_judged_target(const nnrt_judged *j, int i, int64_t place)
{
    const nnrt_value *v = &j->t->model->inputs[j->pair.target];
    double is = nnrt_feed_number(&j->t->feed, j->pair.target, i * v->count + place);
    int counts =
        is >= 0 && is < (double)j->pair.classes && !(v->has_ignore && is == (double)v->ignore);
    return counts ? (int32_t)is : -1;
}

/* The largest score; its probability, where scores are probabilities, else that of their softmax. */
static int32_t judge_largest(const nnrt_pair *p, const float *score, double *sure)
{
    int64_t best = 0;
    double sum = 0, least = 0, parts = 0;
    for (int64_t c = 0; c < p->classes; c++) {
        double s = (double)score[c * p->class_step];
        best = s > (double)score[best * p->class_step] ? c : best;
        least = s < least ? s : least;
        sum += s;
    }
    double most = (double)score[best * p->class_step];
    for (int64_t c = 0; c < p->classes; c++)
        parts += exp((double)score[c * p->class_step] - most);
    *sure = least >= 0 && fabs(sum - 1) < 1e-3 ? most : 1 / parts;
    return (int32_t)best;
}

int32_t nnrt_judged_answer(const nnrt_judged *j, const float *out, int64_t place, double *sure)
{
    const nnrt_pair *p = &j->pair;
    if (p->kind == NNRT_PAIR_CLASS)
        return judge_largest(p, out + place * p->place_step, sure);
    double at = (double)out[place], p1 = j->unit ? at : 1 / (1 + exp(-at));
    *sure = p1 > 0.5 ? p1 : 1 - p1;
    return p1 > 0.5;
}

/* --- the pass over the set -------------------------------------------------------------------- */

static void judge_classes(nnrt_judged *j, int i, const float *out, nnrt_guess *g)
{
    int64_t counted = 0, wrong = 0;
    double sum = 0, sure;
    for (int64_t p = 0; p < j->pair.places; p++) {
        int32_t is = nnrt_judged_target(j, i, p);
        if (is < 0)
            continue;
        int32_t taken = nnrt_judged_answer(j, out, p, &sure);
        if (counted++ == 0) {
            g->is = is;
            g->taken = taken;
        }
        wrong += is != taken;
        sum += sure;
        if (j->confusion)
            j->confusion[is * j->pair.classes + taken]++;
    }
    g->error = counted ? (double)wrong / (double)counted : 0;
    g->sure = counted ? sum / (double)counted : 0;
}

/* 1 - the correlation of numbers and answers; 1 where either are all the same. */
static double judge_unlike(const nnrt_judged *j, int i, const float *out)
{
    double n = (double)j->pair.places, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
    for (int64_t p = 0; p < j->pair.places; p++) {
        double x = nnrt_feed_number(&j->t->feed, j->pair.target, i * j->pair.places + p);
        double y = (double)out[p];
        a += x;
        b += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    double spread = (aa - a * a / n) * (bb - b * b / n);
    return spread > 0 ? 1 - (ab - a * b / n) / sqrt(spread) : 1;
}

static void judge_numbers(nnrt_judged *j, int i, int64_t at, const float *out, nnrt_guess *g)
{
    int64_t count = j->pair.places, apart = (j->rows.n * count - 1) / NNRT_JUDGED_POINTS + 1;
    double sum = 0;
    for (int64_t p = 0; p < count && !j->pair.seen; p++) {
        double is = nnrt_feed_number(&j->t->feed, j->pair.target, i * count + p);
        double off = (double)out[p] - is;
        sum += off * off;
        if ((at * count + p) % apart == 0 && j->points < NNRT_JUDGED_POINTS) {
            j->x[j->points] = is;
            j->y[j->points++] = (double)out[p];
        }
    }
    g->error = j->pair.seen ? judge_unlike(j, i, out) : sqrt(sum / (double)count);
}

/* Answers rows[at .. at + n) of the set. With `look`, only whether all answers lie in [0, 1]. */
static int judge_batch(nnrt_judged *j, int64_t at, int n, int look)
{
    const nnrt_training *t = j->t;
    int64_t count = t->model->outputs[j->pair.output].count;
    const float *out = j->out[j->pair.output];
    int status = nnrt_dataset_batch(j->data, j->rows.at + at, n, t->feed.in, t->fault);
    if (status)
        return status;
    status = t->model->predict(t->m, n, (const void *const *)t->feed.in, j->out);
    if (status)
        return nnrt_fail(t->fault, status, "samples %lld to %lld: %s", (long long)at,
                         (long long)(at + n - 1), t->m->error);
    for (int64_t i = 0; look && i < n * count; i++)
        j->unit &= out[i] >= 0 && out[i] <= 1;
    for (int i = 0; !look && i < n; i++) {
        nnrt_guess *g = &j->guess[at + i];
        *g = (nnrt_guess){.row = j->rows.at[at + i], .is = -1};
        if (j->pair.kind == NNRT_PAIR_NUMBERS)
            judge_numbers(j, i, at + i, out + i * count, g);
        else
            judge_classes(j, i, out + i * count, g);
    }
    return 0;
}

static int judge_set(nnrt_judged *j, int look)
{
    int status = 0, batch = j->t->model->batch;
    for (int64_t at = 0; at < j->rows.n && !status; at += batch)
        status = judge_batch(j, at, (int)(j->rows.n - at < batch ? j->rows.n - at : batch), look);
    return status;
}

/* The most wrong first; of equals those that were surest of it, or, where they are right, least sure. */
static int judge_order(const void *a, const void *b)
{
    const nnrt_guess *x = a, *y = b;
    if (x->error != y->error)
        return x->error > y->error ? -1 : 1;
    if (x->sure != y->sure)
        return (x->sure > y->sure) == (x->error > 0) ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* --- names ------------------------------------------------------------------------------------ */

void *nnrt_report_vocabulary(const nnrt_training *t, int input)
{
    const nnrt_model *model = t->model;
    nnrt_fault ignored;
    void *vocab = NULL;
    for (int k = 0; model->text && k < model->n_inputs && !vocab; k++) {
        const nnrt_value *v = &model->inputs[(input + k) % model->n_inputs];
        int fits = v->classes > 0 && v->classes == model->inputs[input].classes;
        if (fits && nnrt_meta_find(&t->meta, "nncc.text.", v->name))
            model->text->prompting->open(model, (int)(v - model->inputs), &t->meta, &vocab,
                                         &ignored);
    }
    return vocab;
}

/* A token as text, in quotes where blanks would not be seen; NULL: as nothing. */
static char *judge_token(const nnrt_prompting *by, const void *vocab, int32_t id)
{
    nnrt_buffer text = {0}, name = {0};
    by->decode(vocab, &id, 1, &text);
    if (text.size && !text.failed && !memchr(text.at, 0, text.size)) {
        int quoted = strchr(" \t\n\r", text.at[0]) || strchr(" \t\n\r", text.at[text.size - 1]);
        nnrt_buffer_say(&name, quoted ? "\"" : "");
        if (quoted)
            nnrt_buffer_escaped(&name, text.at, text.size);
        else
            nnrt_buffer_put(&name, text.at, text.size);
        nnrt_buffer_put(&name, quoted ? "\"" : "", 2);
    }
    nnrt_buffer_free(&text);
    if (name.failed)
        nnrt_buffer_free(&name);
    return name.at;
}

static char *judge_number(int64_t i)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)i);
    return strdup(text);
}

/* The names of the classes: those of the labels, of a vocabulary, or numbers. */
static int judge_names(nnrt_judged *j)
{
    const nnrt_model *model = j->t->model;
    const nnrt_value *v = &model->inputs[j->pair.target];
    const nnrt_prompting *by = model->text ? model->text->prompting : NULL;
    void *vocab = by ? nnrt_report_vocabulary(j->t, j->pair.target) : NULL;
    j->names = calloc((size_t)v->classes + 1, sizeof *j->names);
    if (!j->names && by && vocab)
        by->close(vocab);
    if (!j->names)
        return nnrt_fail(j->t->fault, NNRT_NO_MEMORY, "no memory for the report");
    int good = 1;
    for (int64_t i = 0; i < v->classes && good; i++) {
        int length;
        const char *label = nnrt_meta_label(&j->t->meta, v->name, i, &length);
        j->names[i] = label         ? strndup(label, (size_t)length)
                      : by && vocab ? judge_token(by, vocab, (int32_t)i)
                                    : NULL;
        if (!j->names[i])
            j->names[i] = judge_number(i);
        good = j->names[i] != NULL;
    }
    if (by && vocab)
        by->close(vocab);
    return good ? 0 : nnrt_fail(j->t->fault, NNRT_NO_MEMORY, "no memory for the report");
}

/* --- all of it -------------------------------------------------------------------------------- */

static int judge_memory(nnrt_judged *j)
{
    const nnrt_model *model = j->t->model;
    size_t classes = (size_t)j->pair.classes;
    int numbers = j->pair.kind == NNRT_PAIR_NUMBERS, good;
    j->guess = calloc((size_t)j->rows.n + 1, sizeof *j->guess);
    j->out = calloc((size_t)model->n_outputs + 1, sizeof *j->out);
    good = j->guess && j->out;
    for (int i = 0; good && i < model->n_outputs; i++) {
        size_t count = (size_t)model->outputs[i].count * (size_t)model->batch;
        good = (j->out[i] = malloc(count * sizeof(float) + 1)) != NULL;
    }
    if (good && numbers) {
        j->x = calloc(NNRT_JUDGED_POINTS, sizeof *j->x);
        j->y = calloc(NNRT_JUDGED_POINTS, sizeof *j->y);
        good = j->x && j->y;
    } else if (good && classes <= NNRT_JUDGED_CLASSES) {
        good = (j->confusion = calloc(classes * classes, sizeof *j->confusion)) != NULL;
    }
    return good ? 0 : nnrt_fail(j->t->fault, NNRT_NO_MEMORY, "no memory for the report");
}

int nnrt_judge(nnrt_judged *j, nnrt_training *t)
{
    *j = (nnrt_judged){.t = t, .pair = judge_find(t->model), .unit = 1};
    j->set = t->validation ? "validation" : "training";
    j->data = t->validation ? t->validation : &t->data;
    j->rows = t->validation ? t->validation_rows : t->rows;
    int64_t most = t->validation ? NNRT_JUDGED_ROWS : NNRT_JUDGED_TRAINING;
    j->rows.n = j->rows.n < most ? j->rows.n : most;
    if (!t->model->predict)
        j->pair.kind = NNRT_PAIR_NONE;
    if (j->pair.kind == NNRT_PAIR_NONE)
        return 0;
    int status = judge_memory(j);
    if (!status && j->pair.kind == NNRT_PAIR_BINARY)
        status = judge_set(j, 1);
    if (!status && j->pair.kind != NNRT_PAIR_NUMBERS)
        status = judge_names(j);
    if (!status)
        status = judge_set(j, 0);
    if (!status)
        qsort(j->guess, (size_t)j->rows.n, sizeof *j->guess, judge_order);
    return status;
}

void nnrt_judged_free(nnrt_judged *j)
{
    for (int i = 0; j->out && i < j->t->model->n_outputs; i++)
        free(j->out[i]);
    for (int64_t i = 0; j->names && i < j->pair.classes; i++)
        free(j->names[i]);
    free(j->out);
    free(j->names);
    free(j->guess);
    free(j->confusion);
    free(j->x);
    free(j->y);
}
