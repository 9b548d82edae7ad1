/* SPDX-License-Identifier: MIT */
/* nnrt_train_open.c: what a training begins with: files, data, memory, its length, the run that it goes on with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_training.h"

static int train_no_memory(const nnrt_training *t)
{
    return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for training");
}

static char *train_joined(const char *name, const char *ending)
{
    size_t size = strlen(name) + strlen(ending) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s", name, ending);
    return path;
}

static char *train_path(const char *given, const nnrt_model *model, const char *ending)
{
    return given ? strdup(given) : train_joined(model->name, ending);
}

/* Decides on the files to write, and whether they can be. */
static int train_files(nnrt_training *t)
{
    const nnrt_train *train = &t->model->train;
    t->out = train_path(t->args->out, t->model, ".safetensors");
    if (!t->out)
        return train_no_memory(t);
    if (t->args->checkpoint || train->checkpoint_every > 0) {
        const char *given = t->args->checkpoint ? t->args->checkpoint : train->checkpoint_path;
        t->own_checkpoint = train_path(given, t->model, ".checkpoint");
        t->checkpoint = t->own_checkpoint;
        if (!t->checkpoint)
            return train_no_memory(t);
        if (strcmp(t->checkpoint, t->out) == 0)
            return nnrt_fail(t->fault, NNRT_BAD_CALL, "%s: weights and checkpoint need two files",
                             t->out);
        t->best_checkpoint = train->best_monitor ? train_joined(t->checkpoint, ".best") : NULL;
        if (train->best_monitor && !t->best_checkpoint)
            return train_no_memory(t);
    }
    int status = nnrt_check_writable(t->out, t->fault);
    if (!status && t->checkpoint)
        status = nnrt_check_writable(t->checkpoint, t->fault);
    if (!status && t->args->log)
        status = nnrt_check_writable(t->args->log, t->fault);
    if (!status && t->args->report)
        status = nnrt_check_writable(t->args->report, t->fault);
    return status;
}

static int train_open_data(nnrt_training *t)
{
    const nnrt_model *model = t->model;
    const nnrt_source *source = t->args->data.n ? NULL : &model->data_train;
    if (source && source->kind == NNRT_SOURCE_NONE)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "the model names no training data: give it with --data NAME=FILE");
    const char *from = t->args->resume ? t->args->resume : t->args->weights;
    int status = from ? nnrt_open_meta(&t->meta, model, from, t->fault) : 0;
    t->meta.learn = 1;
    t->meta.keep_going = t->args->keep_going;
    t->meta.learn_from = t->fold ? t->fold->learn : NULL;
    if (!status)
        status = nnrt_open_data(&t->data, model, t->args, source, &model->data_train, NULL,
                                &t->meta, t->fault);
    t->meta.learn = 0; /* validation has the words of training */
    if (!status)
        status = nnrt_rows_all(&t->rows, t->data.n, t->fault);
    if (!status && t->fold)
        status = nnrt_fold_rows(t);
    if (status)
        return status;
    if (t->data.n < 1)
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "the training data has no samples");
    if (model->train.validation_split > 0) {
        /* By the model's seed whatever --seed says, so that `eval` finds the same samples. */
        t->validation = &t->data;
        return nnrt_data_split(&t->data, &t->rows, &t->validation_rows, t->fault);
    }
    if (model->data_validation.kind == NNRT_SOURCE_NONE)
        return 0;
    status = nnrt_open_data(&t->other, model, t->args, &model->data_validation, NULL, NULL,
                            &t->meta, t->fault);
    if (status)
        return status;
    t->validation = &t->other;
    return nnrt_rows_all(&t->validation_rows, t->other.n, t->fault);
}

static int train_open_memory(nnrt_training *t)
{
    const nnrt_model *model = t->model;
    t->m = nnrt_new(model, t->args->has_seed ? t->args->seed : model->train.seed);
    if (!t->m)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the network: %zu bytes",
                         model->size);
    t->m->meta = &t->meta;
    t->order = malloc(((size_t)t->rows.n + 1) * sizeof *t->order);
    t->figures = malloc(2 * ((size_t)model->n_metrics + 1) * sizeof *t->figures);
    if (!t->order || !t->figures)
        return train_no_memory(t);
    int status = nnrt_score_open(&t->run.score, model, t->rows.n, 0, t->fault);
    if (!status)
        status = nnrt_score_open(&t->validation_score, model, t->validation_rows.n, 0, t->fault);
    if (status)
        return status;
    if (model->train.stop_monitor && model->train.stop_restore_best) {
        t->run.best_vars = calloc(1, model->vars_bytes + 1);
        if (!t->run.best_vars)
            return train_no_memory(t);
    }
    status = nnrt_training_average_open(t);
    return status ? status : nnrt_feed_open(&t->feed, model, t->fault);
}

static int64_t train_times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Where training ends and over how many steps schedules stretch: --steps moves the end alone. */
static void train_horizon(nnrt_training *t, int resumed)
{
    const nnrt_train *train = &t->model->train;
    int64_t accumulate = train->accumulate > 1 ? train->accumulate : 1;
    t->calls = (t->rows.n + t->model->batch - 1) / t->model->batch;
    t->most_epochs = t->args->epochs ? t->args->epochs : train->epochs;
    t->most_steps = t->args->steps;
    if (resumed && !t->args->epochs)
        t->most_epochs = t->run.epochs;
    if (!t->most_epochs && train->steps && !t->most_steps)
        t->most_steps = train->steps;
    if (!t->most_epochs && !train->steps)
        t->most_epochs = 1;
    t->run.epochs = t->most_epochs;
    if (resumed && !t->args->epochs)
        return;
    int64_t total =
        t->most_epochs ? train_times(t->most_epochs, t->calls) / accumulate : train->steps;
    int64_t epoch = t->calls / accumulate;
    t->m->total_steps = total > 0 ? total : 1;
    t->m->epoch_steps = epoch > 0 ? epoch : 1;
}

static int train_resume(nnrt_training *t)
{
    nnrt_fault note;
    const char *path = t->args->resume;
    int status = nnrt_checkpoint_load(t->m, &t->run, path, &note, t->fault);
    if (status)
        return status;
    if (note.text[0])
        nnrt_say(t->model, "note: %s", note.text);
    if (t->args->has_seed && t->args->seed != t->m->seed)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "--seed: %s was made with seed %llu", path,
                         (unsigned long long)t->m->seed);
    int64_t calls = (t->rows.n + t->model->batch - 1) / t->model->batch;
    if (t->run.samples != t->rows.n || t->run.position > calls)
        return nnrt_fail(t->fault, NNRT_BAD_CONTENT,
                         "%s: made with %lld training samples, there are %lld now", path,
                         (long long)t->run.samples, (long long)t->rows.n);
    return 0;
}

/* Fits what is fitted on training data, unless it was with the weights that training begins with. */
static int train_fit(nnrt_training *t)
{
    if (t->args->refit && t->args->resume)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "--refit and --resume exclude each other");
    if (t->args->resume || (t->args->weights && !t->args->refit))
        return 0;
    return nnrt_fit(t->m, &t->data, &t->rows, &t->feed, t->fault);
}

/* A fresh run, or the one to go on with. */
static int train_begin(nnrt_training *t)
{
    t->run.samples = t->rows.n;
    t->run.shuffle = t->model->train.shuffle;
    t->run.best = t->run.plateau_best = t->run.checkpoint_best = NAN;
    int status = 0;
    if (t->args->weights && t->args->resume)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "--weights and --resume exclude each other");
    if (t->args->partial && !t->args->weights)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "--partial: of which --weights?");
    if (t->args->resume)
        status = train_resume(t);
    else if (t->args->weights)
        status = (t->args->partial ? nnrt_load_partly : nnrt_load)(t->m, t->args->weights);
    if (status && !t->args->resume)
        nnrt_fail(t->fault, 0, "%s", t->m->error);
    if (status)
        return status;
    if (t->args->weights && t->m->error[0])
        nnrt_say(t->model, "warning: %s", t->m->error);
    if (t->args->lr >= 0)
        t->m->lr = t->args->lr;
    if (t->args->no_shuffle)
        t->run.shuffle = 0;
    t->m->metric_sums = t->run.score.sums;
    train_horizon(t, t->args->resume != NULL);
    return train_fit(t);
}

void nnrt_training_close(nnrt_training *t)
{
    nnrt_score_close(&t->run.score);
    nnrt_score_close(&t->validation_score);
    nnrt_feed_close(&t->feed);
    nnrt_dataset_close(&t->data);
    nnrt_dataset_close(&t->other);
    nnrt_meta_free(&t->meta);
    free(t->rows.at);
    free(t->held.at);
    free(t->validation_rows.at);
    free(t->order);
    free(t->run.best_vars);
    free(t->figures);
    free(t->out);
    free(t->own_checkpoint);
    free(t->best_checkpoint);
    free(t->averaged);
    free(t->average_of);
    free(t->snapshot.vars);
    nnrt_free(t->m);
    if (t->log)
        fclose(t->log);
    if (t->events)
        fclose(t->events);
    nnrt_report_close(t);
    nnrt_showing_close(t);
}

int nnrt_training_open(nnrt_training *t)
{
    int status = train_files(t);
    if (!status)
        status = train_open_data(t);
    if (!status)
        status = train_open_memory(t);
    return status ? status : train_begin(t);
}
