/* SPDX-License-Identifier: MIT */
/* nnrt_commands.c: `eval`, `predict`, `grad`, `init`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* --- eval ------------------------------------------------------------------------------------- */

int nnrt_eval_data(nnrt_dataset *data, nnrt_rows *rows, const nnrt_args *args,
                   const nnrt_model *model, nnrt_meta *meta, nnrt_fault *fault)
{
    const nnrt_source *const sources[] = {&model->data_test, &model->data_validation};
    const nnrt_source *source = NULL, *like = &model->data_train;
    int split = 0;
    for (int i = 1; i >= 0; i--)
        if (sources[i]->kind != NNRT_SOURCE_NONE)
            source = like = sources[i];
    if (!source && model->train.validation_split > 0 &&
        model->data_train.kind != NNRT_SOURCE_NONE) {
        source = &model->data_train;
        split = 1;
    }
    if (args->data.n) {
        source = NULL;
        split = 0;
    } else if (!source) {
        return nnrt_fail(
            fault, NNRT_BAD_CALL,
            "the model names no test or validation data: give it with --data NAME=FILE");
    }
    int status = nnrt_open_data(data, model, args, source, like, NULL, meta, fault);
    if (!status)
        status = nnrt_rows_all(rows, data->n, fault);
    if (!status && data->n < 1)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT, "the data has no samples");
    if (status || !split)
        return status;
    nnrt_rows kept = {0, NULL};
    status = nnrt_data_split(data, rows, &kept, fault);
    if (!status) {
        free(rows->at);
        *rows = kept;
    }
    return status;
}

/* Says which metrics the set cannot tell: NaN, though the loss is none. */
static void eval_warn(const nnrt_model *model, int n, const nnrt_figure *figures)
{
    for (int i = 1; i < n; i++)
        if (isnan(figures[i].value))
            nnrt_say(model, "warning: %s is not defined on this set: %s", figures[i].name,
                     model->metrics[i - 1].n_kept ? "targets of two classes are wanted, or scores "
                                                    "that are numbers"
                                                  : "nothing counts");
}

static void eval_figures(int n, const nnrt_figure *figures, int json)
{
    for (int i = 0; i < n; i++) {
        if (!json)
            printf("%s: %.7g\n", figures[i].name, figures[i].value);
        else if (isfinite(figures[i].value))
            printf("%s\"%s\": %.9g", i ? ", " : "{", figures[i].name, figures[i].value);
        else
            printf("%s\"%s\": null", i ? ", " : "{", figures[i].name);
    }
}

static int eval_print(const nnrt_model *model, const nnrt_score *score, const nnrt_args *args,
                      const nnrt_meta *meta, nnrt_fault *fault)
{
    nnrt_classes c = {0};
    nnrt_figure *figures = malloc(((size_t)model->n_metrics + 1) * sizeof *figures);
    if (!figures)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    int details = args->details || args->curves;
    int status = details ? nnrt_classes_open(&c, score, fault) : 0;
    if (!status && args->curves)
        status = nnrt_details_curves(args->curves, &c, score, fault);
    if (!status) {
        int n = nnrt_score_figures(model, score, "", figures);
        eval_warn(model, n, figures);
        eval_figures(n, figures, args->json);
        if (args->details && args->json)
            nnrt_details_json(stdout, &c, model, meta);
        else if (args->details)
            nnrt_details_print(stdout, &c, model, meta);
        if (args->json)
            printf("}\n");
    }
    nnrt_classes_close(&c);
    free(figures);
    return status ? status : nnrt_flush_results(fault);
}

int nnrt_eval_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    nnrt_instance *m = NULL;
    nnrt_dataset data = {0};
    nnrt_rows rows = {0, NULL};
    nnrt_feed feed = {0};
    nnrt_score score = {0};
    nnrt_meta meta = {0};
    if (!model->eval)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot evaluate: the model has no loss, "
                         "or it was made with --no-train");
    int status = nnrt_open_meta(&meta, model, args->weights, fault);
    meta.keep_going = args->keep_going;
    if (!status)
        status = nnrt_eval_data(&data, &rows, args, model, &meta, fault);
    if (!status)
        status = nnrt_open_weights(&m, model, args->weights, fault);
    if (!status)
        status = nnrt_feed_open(&feed, model, fault);
    if (!status)
        status = nnrt_score_open(&score, model, rows.n, args->details || args->curves, fault);
    if (!status)
        status = nnrt_feed_score(&feed, m, &data, &rows, &score, fault);
    if (!status)
        status = eval_print(model, &score, args, &meta, fault);
    nnrt_score_close(&score);
    nnrt_feed_close(&feed);
    free(rows.at);
    nnrt_dataset_close(&data);
    nnrt_meta_free(&meta);
    nnrt_free(m);
    return status;
}

/* --- NAME=FILE -------------------------------------------------------------------------------- */

int nnrt_named_value(const char *text, const char *option, int n, const nnrt_value *values,
                     const char **file, nnrt_fault *fault)
{
    const char *equals = strchr(text, '=');
    const char *near = NULL;
    if (!equals || equals == text || !equals[1]) {
        nnrt_fail(fault, 0, "%s: '%s' is not NAME=FILE", option, text);
        return -1;
    }
    *file = equals + 1;
    size_t length = (size_t)(equals - text);
    for (int i = 0; i < n; i++)
        if (strlen(values[i].name) == length && strncmp(values[i].name, text, length) == 0)
            return i;
    char *word = strndup(text, length);
    for (int i = 0; word && !near && i < n; i++)
        near = nnrt_args_nearest(word, 1, &values[i].name);
    free(word);
    nnrt_fail(fault, 0, "%s: the model has no %s '%.*s'%s%s%s", option, option + 2, (int)length,
              text, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return -1;
}

int nnrt_named_inputs(nnrt_dataset *data, const nnrt_args *args, const nnrt_model *model,
                      const unsigned char *need, nnrt_fault *fault)
{
    char **wanted = malloc(((size_t)args->input.n + 1) * sizeof *wanted);
    const char *file;
    nnrt_meta meta = {0};
    int n = 0, status = 0;
    const nnrt_source *table =
        model->data_train.kind == NNRT_SOURCE_CSV && !model->data_train.stride ? &model->data_train
                                                                               : NULL;
    if (!wanted)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    for (int i = 0; !status && i < args->input.n; i++) {
        if (table && !nnrt_data_named(args->input.at[i])) { /* all columns from one file */
            wanted[n++] = args->input.at[i];
            continue;
        }
        int input = nnrt_named_value(args->input.at[i], "--input", model->n_inputs, model->inputs,
                                     &file, fault);
        if (input < 0)
            status = NNRT_BAD_CALL;
        else if (need[input])
            wanted[n++] = args->input.at[i];
    }
    if (!status)
        status = nnrt_open_meta(&meta, model, args->weights, fault);
    meta.keep_going = args->keep_going;
    if (!status)
        status = nnrt_dataset_args(data, model, n, wanted, table, NULL, need, &meta, fault);
    nnrt_meta_free(&meta);
    free(wanted);
    return status;
}

int nnrt_named_outputs(const nnrt_args *args, int n, const nnrt_value *values, const char **files,
                       nnrt_fault *fault)
{
    if (!args->output.n)
        return nnrt_fail(fault, NNRT_BAD_CALL, "which output? --output %s=FILE.npy",
                         n ? values[0].name : "NAME");
    for (int i = 0; i < args->output.n; i++) {
        const char *file;
        int k = nnrt_named_value(args->output.at[i], "--output", n, values, &file, fault);
        if (k < 0)
            return NNRT_BAD_CALL;
        if (files[k])
            return nnrt_fail(fault, NNRT_BAD_CALL, "--output: '%s' is given twice", values[k].name);
        files[k] = file;
        int status = strcmp(file, "-") == 0 ? 0 : nnrt_check_writable(file, fault);
        if (status)
            return status;
    }
    return 0;
}

/* --- values of all samples -------------------------------------------------------------------- */

int nnrt_value_finite(const nnrt_value *v, const char *what, int64_t n, const float *x,
                      nnrt_fault *fault)
{
    for (int64_t i = 0; i < n * v->count; i++)
        if (!isfinite(x[i]))
            return nnrt_fail(fault, NNRT_NOT_FINITE, "%s '%s' of sample %lld is %g", what, v->name,
                             (long long)(i / v->count), (double)x[i]);
    return 0;
}

int nnrt_value_write(const nnrt_value *v, const char *what, const char *file, int64_t n,
                     const float *x, nnrt_fault *fault)
{
    int64_t dim[NNRT_RANK + 1] = {n};
    int status = nnrt_value_finite(v, what, n, x, fault);
    if (status)
        return status;
    memcpy(dim + 1, v->dim, (size_t)v->rank * sizeof *dim);
    if (strcmp(file, "-") != 0)
        return nnrt_npy_write(file, v->rank + 1, dim, x, fault);
    for (int64_t i = 0; i < n * v->count; i++)
        printf("%.7g%c", (double)x[i], (i + 1) % v->count ? ' ' : '\n');
    return nnrt_flush_results(fault);
}

/* --- predict ---------------------------------------------------------------------------------- */

typedef struct predict_state {
    const nnrt_model *model;
    const char *weights;
    const char **files; /* one an output: where it goes, or NULL */
    float **all, **out; /* one an output: of all samples, and of a batch that nobody wants */
    const float **at;
    unsigned char *need; /* one an input */
    nnrt_dataset data;
    nnrt_feed feed;
    nnrt_instance *m;
    int64_t n;
    nnrt_fault *fault;
} predict_state;

static int predict_no_memory(const predict_state *p)
{
    return nnrt_fail(p->fault, NNRT_NO_MEMORY, "no memory for the outputs of %lld samples",
                     (long long)p->n);
}

/* Which outputs are wanted, and so which inputs are needed. */
static int predict_wanted(predict_state *p, const nnrt_args *args)
{
    const nnrt_model *model = p->model;
    int status = nnrt_named_outputs(args, model->n_outputs, model->outputs, p->files, p->fault);
    for (int i = 0; !status && i < model->n_outputs; i++)
        for (int k = 0; p->files[i] && k < model->n_inputs; k++)
            p->need[k] |=
                model->inputs[k].in_predict && (i >= 32 || (model->inputs[k].outputs >> i & 1));
    return status;
}

static int predict_memory(predict_state *p)
{
    for (int i = 0; i < p->model->n_outputs; i++) {
        size_t count = (size_t)p->model->outputs[i].count, size;
        size_t rows = p->files[i] ? (size_t)p->n : (size_t)p->model->batch;
        if (__builtin_mul_overflow(count * sizeof(float), rows, &size))
            return predict_no_memory(p);
        float **to = p->files[i] ? &p->all[i] : &p->out[i];
        *to = malloc(size + 1);
        if (!*to)
            return predict_no_memory(p);
    }
    return 0;
}

static int predict_batches(predict_state *p)
{
    const nnrt_model *model = p->model;
    nnrt_rows rows;
    int status = nnrt_rows_all(&rows, p->n, p->fault);
    float **out = calloc((size_t)model->n_outputs + 1, sizeof *out);
    if (!status && !out)
        status = predict_no_memory(p);
    const nnrt_loading job = {.data = &p->data, .order = rows.at, .n = p->n};
    if (!status)
        status = nnrt_feed_begin(&p->feed, &job, p->fault);
    for (int64_t at = 0, done = 0; !status && at < p->n; at += done) {
        int n;
        status = nnrt_feed_next(&p->feed, &n, p->fault);
        if (status)
            break;
        done = n;
        for (int i = 0; i < model->n_outputs; i++)
            out[i] = p->files[i] ? p->all[i] + at * model->outputs[i].count : p->out[i];
        status = model->predict(p->m, n, (const void *const *)p->feed.in, out);
        if (status)
            nnrt_fail(p->fault, status, "samples %lld to %lld: %s", (long long)at,
                      (long long)(at + n - 1), p->m->error);
    }
    nnrt_feed_end(&p->feed);
    free(out);
    free(rows.at);
    return status;
}

/* Labels as text, a line a sample, of weights that have a vocabulary. */
static int predict_say(const predict_state *p, int output)
{
    nnrt_meta meta;
    int status = nnrt_open_meta(&meta, p->model, p->weights, p->fault);
    if (!status)
        status = p->model->text->say(&meta, p->all[output], p->n, p->model->outputs[output].count,
                                     p->fault);
    nnrt_meta_free(&meta);
    return status ? status : nnrt_flush_results(p->fault);
}

static int predict_write(const predict_state *p, int output)
{
    const nnrt_value *v = &p->model->outputs[output];
    int says = v->labels && p->model->text && strcmp(p->files[output], "-") == 0;
    int status = says ? nnrt_value_finite(v, "output", p->n, p->all[output], p->fault) : 0;
    if (status || says)
        return status ? status : predict_say(p, output);
    return nnrt_value_write(v, "output", p->files[output], p->n, p->all[output], p->fault);
}

static int predict_run(predict_state *p, const nnrt_args *args)
{
    const nnrt_model *model = p->model;
    int status = predict_wanted(p, args), needs = 0;
    if (!status)
        status = nnrt_named_inputs(&p->data, args, model, p->need, p->fault);
    for (int i = 0; i < model->n_inputs; i++)
        needs |= p->need[i];
    p->n = needs ? p->data.n : model->batch; /* an output of nothing: one batch of it */
    if (!status)
        status = nnrt_open_weights(&p->m, model, args->weights, p->fault);
    if (!status)
        status = nnrt_feed_open(&p->feed, model, p->fault);
    if (!status)
        status = predict_memory(p);
    if (!status)
        status = predict_batches(p);
    for (int i = 0; !status && i < model->n_outputs; i++)
        if (p->files[i])
            status = predict_write(p, i);
    return status;
}

int nnrt_predict_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    size_t n = (size_t)model->n_outputs + 1;
    predict_state p = {.model = model,
                       .weights = args->weights,
                       .files = calloc(n, sizeof *p.files),
                       .all = calloc(n, sizeof *p.all),
                       .out = calloc(n, sizeof *p.out),
                       .need = calloc((size_t)model->n_inputs + 1, 1),
                       .fault = fault};
    int status =
        p.files && p.all && p.out && p.need ? predict_run(&p, args) : predict_no_memory(&p);
    for (int i = 0; p.all && p.out && i < model->n_outputs; i++) {
        free(p.all[i]);
        free(p.out[i]);
    }
    free((void *)p.files);
    free(p.all);
    free(p.out);
    free(p.need);
    nnrt_feed_close(&p.feed);
    nnrt_dataset_close(&p.data);
    nnrt_free(p.m);
    return status;
}

/* --- grad ------------------------------------------------------------------------------------- */

/* What the model's `grad` wrote, as tensors: the loss, weights, f32 inputs of n rows. */
typedef struct grad_tensors {
    nnrt_st_item *items;
    char (*names)[300];
    int64_t (*dims)[NNRT_RANK + 1];
    int n;
} grad_tensors;

static size_t grad_count(const nnrt_model *model)
{
    size_t count = 0;
    for (int i = 0; i < model->n_vars; i++)
        if (model->vars[i].kind == NNRT_WEIGHT)
            count += (size_t)model->vars[i].count;
    for (int i = 0; i < model->n_inputs; i++)
        if (model->inputs[i].dtype == NNRT_F32)
            count += (size_t)model->inputs[i].count * (size_t)model->batch;
    return count;
}

static void grad_list(grad_tensors *g, const nnrt_model *model, const float *at, const float *loss,
                      int64_t rows)
{
    g->items[g->n++] = (nnrt_st_item){"loss", 0, NULL, loss};
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (v->kind != NNRT_WEIGHT)
            continue;
        g->items[g->n++] = (nnrt_st_item){v->name, v->rank, v->dim, at};
        at += v->count;
    }
    for (int i = 0; i < model->n_inputs; i++) {
        const nnrt_value *v = &model->inputs[i];
        if (v->dtype != NNRT_F32)
            continue;
        snprintf(g->names[i], sizeof *g->names, "input.%s", v->name);
        g->dims[i][0] = rows;
        memcpy(g->dims[i] + 1, v->dim, (size_t)v->rank * sizeof *v->dim);
        g->items[g->n++] = (nnrt_st_item){g->names[i], v->rank + 1, g->dims[i], at};
        at += v->count * model->batch;
    }
}

static int grad_write(const char *path, const nnrt_model *model, const float *grads, float loss,
                      int64_t rows, nnrt_fault *fault)
{
    size_t inputs = (size_t)model->n_inputs + 1;
    grad_tensors g = {.items = malloc(((size_t)model->n_vars + inputs) * sizeof *g.items),
                      .names = malloc(inputs * sizeof *g.names),
                      .dims = malloc(inputs * sizeof *g.dims)};
    int status;
    if (g.items && g.names && g.dims) {
        grad_list(&g, model, grads, &loss, rows);
        status = nnrt_st_write(path, g.n, g.items, 0, NULL, 0, fault);
    } else {
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to write the gradients", path);
    }
    free(g.items);
    free(g.names);
    free(g.dims);
    return status;
}

static int grad_finite(const nnrt_model *model, const float *grads, float loss, nnrt_fault *fault)
{
    if (!isfinite(loss))
        return nnrt_fail(fault, NNRT_NOT_FINITE, "the loss is %g", (double)loss);
    for (int i = 0; i < model->n_vars; i++) {
        if (model->vars[i].kind != NNRT_WEIGHT)
            continue;
        for (int64_t k = 0; k < model->vars[i].count; k++)
            if (!isfinite(*grads++))
                return nnrt_fail(fault, NNRT_NOT_FINITE, "the gradient of %s is not finite",
                                 model->vars[i].name);
    }
    return 0;
}

static int grad_run(const nnrt_args *args, nnrt_instance *m, const nnrt_dataset *data,
                    nnrt_feed *feed, nnrt_fault *fault)
{
    const nnrt_model *model = m->model;
    nnrt_rows rows;
    int status = nnrt_rows_all(&rows, data->n, fault);
    if (status)
        return status;
    float *grads = calloc(grad_count(model) + 1, sizeof *grads);
    if (grads) {
        m->seed = args->has_seed ? args->seed : model->train.seed;
        float loss = 0;
        status = nnrt_dataset_batch(data, rows.at, (int)rows.n, feed->in, fault);
        if (!status) {
            loss = model->grad(m, (int)rows.n, (const void *const *)feed->in, grads);
            status = grad_finite(model, grads, loss, fault);
        }
        if (!status)
            status = grad_write(args->out, model, grads, loss, rows.n, fault);
    } else {
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the gradients");
    }
    free(grads);
    free(rows.at);
    return status;
}

int nnrt_grad_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    nnrt_instance *m = NULL;
    nnrt_dataset data = {0};
    nnrt_feed feed = {0};
    if (!model->grad)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program gives no gradients: the model has no "
                         "loss, or it was made with --no-train");
    if (!args->out)
        return nnrt_fail(fault, NNRT_BAD_CALL, "where to? -o FILE.safetensors");
    unsigned char *need = malloc((size_t)model->n_inputs + 1);
    if (!need)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory");
    memset(need, 1, (size_t)model->n_inputs + 1);
    int status = nnrt_check_writable(args->out, fault);
    if (!status)
        status = nnrt_named_inputs(&data, args, model, need, fault);
    if (!status && (data.n < 1 || data.n > model->batch))
        status = nnrt_fail(fault, NNRT_BAD_CALL, "%lld samples; a batch takes 1 to %d",
                           (long long)data.n, model->batch);
    if (!status)
        status = nnrt_open_weights(&m, model, args->weights, fault);
    if (!status)
        status = nnrt_feed_open(&feed, model, fault);
    if (!status)
        status = grad_run(args, m, &data, &feed, fault);
    free(need);
    nnrt_feed_close(&feed);
    nnrt_dataset_close(&data);
    nnrt_free(m);
    return status;
}

/* --- init ------------------------------------------------------------------------------------- */

int nnrt_init_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    if (!args->out)
        return nnrt_fail(fault, NNRT_BAD_CALL, "where to? -o FILE.safetensors");
    nnrt_instance *m = nnrt_new(model, args->has_seed ? args->seed : model->train.seed);
    if (!m)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the network: %zu bytes",
                         model->size);
    int status = nnrt_save(m, args->out);
    if (status)
        nnrt_fail(fault, 0, "%s", m->error);
    nnrt_free(m);
    return status;
}
