/* SPDX-License-Identifier: MIT */
/* nnrt_permutation.c: `attribute --method permutation`: by how much a set's loss, or a metric, is worse when one column
 * is shuffled among the samples, so that it says nothing more of its sample (Breiman 2001; Fisher, Rudin and
 * Dominici 2019). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

#define PERMUTATION_SEED 0x7065726dull /* beside the model's own: no order of training */

/* What is shuffled: one number of an input, or all of them. */
typedef struct perm_feature {
    int input;
    int64_t at, count;
    double mean, deviation;
} perm_feature;

typedef struct perm_state {
    const nnrt_model *model;
    const nnrt_args *args;
    nnrt_instance *m;
    nnrt_dataset data;
    nnrt_rows rows;
    nnrt_feed feed;
    nnrt_meta meta;
    nnrt_figure *figures;
    int figure, mode; /* which is watched; +1: more is better */
    double before;
    int64_t n, repeats;
    perm_feature *features;
    int64_t *order;       /* of the rows */
    double *rise;         /* one a repeat */
    unsigned char *plain; /* the columns of an input as they are */
    nnrt_array *read;     /* one an input: what was read, which may be another's memory as well */
    nnrt_fault *fault;
} perm_state;

static int perm_no_memory(const perm_state *p)
{
    return nnrt_fail(p->fault, NNRT_NO_MEMORY, "no memory for the columns");
}

/* Numbers and classes one by one; of what is long, or text, all at once: one number of it says little. */
static int perm_list(perm_state *p)
{
    enum { COLUMNS_MAX = 1024 };
    const nnrt_model *model = p->model;
    int64_t n = 0, room = 0;
    for (int i = 0; i < model->n_inputs; i++)
        room += model->inputs[i].count <= COLUMNS_MAX ? model->inputs[i].count : 1;
    p->features = calloc((size_t)room + 1, sizeof *p->features);
    if (!p->features)
        return perm_no_memory(p);
    for (int i = 0; i < model->n_inputs; i++) {
        const nnrt_value *v = &model->inputs[i];
        int whole = v->count > COLUMNS_MAX || v->rank > 1 || (v->classes && v->count > 1);
        if (!v->in_predict || !p->data.columns[i].data)
            continue;
        for (int64_t k = 0; k < (whole ? 1 : v->count); k++)
            p->features[n++] = (perm_feature){.input = i, .at = k, .count = whole ? v->count : 1};
    }
    p->n = n;
    return n ? 0
             : nnrt_fail(p->fault, NNRT_BAD_CALL,
                         "permutation: no input of the outputs is in the data");
}

static int perm_figure(perm_state *p)
{
    const nnrt_model *model = p->model;
    const char *name = p->args->metric ? p->args->metric : "loss";
    const char **names = malloc(((size_t)model->n_metrics + 1) * sizeof *names);
    if (!names)
        return perm_no_memory(p);
    names[0] = "loss";
    p->figure = -1;
    for (int i = 0; i <= model->n_metrics; i++) {
        names[i] = i ? model->metrics[i - 1].name : "loss";
        if (strcmp(names[i], name) == 0)
            p->figure = i;
    }
    p->mode = nnrt_figure_mode(p->model, name, 0);
    const char *near = p->figure < 0 ? nnrt_args_nearest(name, model->n_metrics + 1, names) : NULL;
    free((void *)names);
    if (p->figure >= 0)
        return 0;
    return nnrt_fail(p->fault, NNRT_BAD_CALL, "--metric: the model has no '%s'%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int perm_score(perm_state *p, double *out)
{
    nnrt_score score;
    int status = nnrt_score_open(&score, p->model, p->rows.n, 0, p->fault);
    if (!status)
        status = nnrt_feed_score(&p->feed, p->m, &p->data, &p->rows, &score, p->fault);
    if (!status) {
        nnrt_score_figures(p->model, &score, "", p->figures);
        *out = p->figures[p->figure].value;
        if (!isfinite(*out))
            status =
                nnrt_fail(p->fault, NNRT_NOT_FINITE, "%s is %g", p->figures[p->figure].name, *out);
    }
    nnrt_score_close(&score);
    return status;
}

/* Gives the data a column of an input's own, of the type that the network takes, so that it can be changed; *plain is
 * a copy. */
static int perm_own_column(perm_state *p, int input)
{
    static const nnrt_array_type type[] = {NNRT_ARRAY_F32, NNRT_ARRAY_I32, NNRT_ARRAY_U8};
    const nnrt_value *v = &p->model->inputs[input];
    const int64_t dim[2] = {p->data.n, v->count};
    size_t bytes = nnrt_feed_bytes(v, p->data.n), row = nnrt_feed_bytes(v, 1);
    nnrt_array own;
    void **out = calloc((size_t)p->model->n_inputs + 1, sizeof *out);
    int status =
        out ? nnrt_array_make(v->name, type[v->dtype], 2, dim, &own, p->fault) : perm_no_memory(p);
    for (int64_t i = 0; !status && i < p->data.n; i++) {
        out[input] = (unsigned char *)own.data + (size_t)i * row;
        status = nnrt_dataset_batch(&p->data, &i, 1, out, p->fault);
    }
    free(out);
    if (status)
        return status;
    p->read[input] = p->data.columns[input];
    p->data.columns[input] = own;
    free(p->plain);
    p->plain = malloc(bytes + 1);
    if (!p->plain)
        return perm_no_memory(p);
    memcpy(p->plain, own.data, bytes);
    return 0;
}

/* The feature of each row is that of the row which `order` has in its place. */
static void perm_shuffle(perm_state *p, const perm_feature *f, const int64_t *order)
{
    const nnrt_value *v = &p->model->inputs[f->input];
    size_t item = v->dtype == NNRT_U8 ? 1 : 4, row = nnrt_feed_bytes(v, 1);
    unsigned char *to = (unsigned char *)p->data.columns[f->input].data + (size_t)f->at * item;
    const unsigned char *from = p->plain + (size_t)f->at * item;
    for (int64_t i = 0; i < p->rows.n; i++)
        memcpy(to + (size_t)p->rows.at[i] * row, from + (size_t)order[i] * row,
               (size_t)f->count * item);
}

static int perm_measure(perm_state *p, perm_feature *f)
{
    uint64_t seed = p->args->has_seed ? p->args->seed : p->model->train.seed;
    int status = 0;
    for (int64_t r = 0; !status && r < p->repeats; r++) {
        double after;
        nnrt_rows_shuffle(&p->rows, seed + PERMUTATION_SEED, r * p->n + (f - p->features),
                          p->order);
        perm_shuffle(p, f, p->order);
        status = perm_score(p, &after);
        if (!status)
            p->rise[r] = p->mode * (p->before - after);
    }
    perm_shuffle(p, f, p->rows.at);
    double mean = 0, square = 0;
    for (int64_t r = 0; !status && r < p->repeats; r++)
        mean += p->rise[r] / (double)p->repeats;
    for (int64_t r = 0; !status && r < p->repeats; r++)
        square += (p->rise[r] - mean) * (p->rise[r] - mean) / (double)p->repeats;
    f->mean = mean;
    f->deviation = sqrt(square);
    return status;
}

/* The most important first; of equals the first of the inputs. */
static int perm_by_mean(const void *a, const void *b)
{
    const perm_feature *x = a, *y = b;
    if (x->mean != y->mean)
        return x->mean < y->mean ? 1 : -1;
    return x->input != y->input ? (x->input > y->input) - (x->input < y->input)
                                : (x->at > y->at) - (x->at < y->at);
}

static int perm_print(perm_state *p)
{
    char name[NNRT_ERROR_SIZE];
    printf("%s: %.7g; by how much worse with a column shuffled, mean and standard deviation of "
           "%lld:\n",
           p->figures[p->figure].name, p->before, (long long)p->repeats);
    qsort(p->features, (size_t)p->n, sizeof *p->features, perm_by_mean);
    for (int64_t i = 0; i < p->n; i++) {
        const perm_feature *f = &p->features[i];
        if (f->count > 1)
            snprintf(name, sizeof name, "%s", p->model->inputs[f->input].name);
        else
            nnrt_feature_name(p->model, f->input, f->at, name, sizeof name);
        printf("%s: %.5g +- %.2g\n", name, f->mean, f->deviation);
    }
    return nnrt_flush_results(p->fault);
}

static int perm_run(perm_state *p)
{
    int status = perm_figure(p);
    if (!status)
        status = nnrt_open_meta(&p->meta, p->model, p->args->weights, p->fault);
    if (!status)
        status = nnrt_eval_data(&p->data, &p->rows, p->args, p->model, &p->meta, p->fault);
    if (!status && p->args->samples && p->args->samples < p->rows.n)
        p->rows.n = p->args->samples;
    if (!status)
        status = perm_list(p);
    if (!status)
        status = nnrt_open_weights(&p->m, p->model, p->args->weights, p->fault);
    if (!status)
        status = nnrt_feed_open(&p->feed, p->model, p->fault);
    p->figures = malloc(((size_t)p->model->n_metrics + 1) * sizeof *p->figures);
    p->order = malloc(((size_t)p->rows.n + 1) * sizeof *p->order);
    p->rise = calloc((size_t)p->repeats + 1, sizeof *p->rise);
    p->read = calloc((size_t)p->model->n_inputs + 1, sizeof *p->read);
    if (!status && (!p->figures || !p->order || !p->rise || !p->read))
        status = perm_no_memory(p);
    if (!status)
        status = perm_score(p, &p->before);
    for (int64_t i = 0, input = -1; !status && i < p->n; i++) {
        if (p->features[i].input != input)
            status = perm_own_column(p, p->features[i].input);
        input = p->features[i].input;
        if (!status)
            status = perm_measure(p, &p->features[i]);
    }
    return status ? status : perm_print(p);
}

int nnrt_permutation_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    enum { REPEATS = 5, REPEATS_MAX = 1000000 };
    perm_state p = {.model = model, .args = args, .fault = fault};
    p.repeats = args->repeats ? args->repeats : REPEATS;
    if (!model->eval)
        return nnrt_fail(
            fault, NNRT_BAD_CALL,
            "permutation: this program cannot evaluate: the model has no loss, or it was "
            "made with --no-train");
    if (p.repeats > REPEATS_MAX)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--repeats: at most %d", REPEATS_MAX);
    int status = perm_run(&p);
    free(p.figures);
    free(p.order);
    free(p.rise);
    free(p.plain);
    free(p.features);
    free(p.rows.at);
    nnrt_feed_close(&p.feed);
    nnrt_dataset_close(&p.data);
    for (int i = 0; p.read && i < model->n_inputs; i++)
        nnrt_array_free(&p.read[i]);
    free(p.read);
    nnrt_meta_free(&p.meta);
    nnrt_free(p.m);
    return status;
}
