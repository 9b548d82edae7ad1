/* SPDX-License-Identifier: MIT */
/* nnrt_folds.c: `train --folds K`: cross-validation. The samples are cut in K parts, drawn by the model's seed; for
 * each a network is trained on the others and measured on it. What is learned from data (vocabularies, statistics) and
 * what is kept for early stopping comes from the others as well. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_training.h"

#define FOLDS_STREAM 0xFFFFFFFDu /* of random numbers that no layer has */

/* What is known of the folds, and of those that have been measured. */
typedef struct folds_run {
    const nnrt_args *args;
    const nnrt_model *model;
    nnrt_fold fold; /* the one at hand; fold.of and fold.learn are owned */
    nnrt_score pooled;
    nnrt_figure *figures;
    int n_figures;
    double *sum,
        *square; /* [n_figures]: of the values less those of the first fold, and of their squares */
    double *first;
    nnrt_fault *fault;
} folds_run;

static int folds_no_memory(const folds_run *f)
{
    return nnrt_fail(f->fault, NNRT_NO_MEMORY, "no memory for the folds");
}

/* --- which sample is in which fold ------------------------------------------------------------ */

/* The input whose classes each fold has the same share of: the only one of one class index a sample that no output
 * needs. -1: none, or several. */
static int folds_target(const nnrt_model *model)
{
    int found = -1;
    for (int i = 0; i < model->n_inputs; i++) {
        const nnrt_value *v = &model->inputs[i];
        if (v->classes <= 0 || v->count != 1 || v->in_predict)
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

/* Deals the samples of one class, or all where target is -1, to the folds in turn; *next goes on. */
static void folds_deal(const nnrt_dataset *d, const nnrt_rows *order, int target, double class,
                       int64_t folds, int64_t *next, int32_t *of)
{
    for (int64_t i = 0; i < order->n; i++) {
        int64_t row = order->at[i];
        if (target >= 0 && nnrt_array_number(&d->columns[target], (size_t)row) != class)
            continue;
        of[d->origin ? d->origin[row] : row] = (int32_t)(*next % folds);
        ++*next;
    }
}

/* Which values the target has, in order: at most the input's classes, and one that is ignored. */
static int folds_next_class(const nnrt_dataset *d, int target, double *class)
{
    double best = INFINITY;
    for (int64_t i = 0; i < d->n; i++) {
        double value = nnrt_array_number(&d->columns[target], (size_t)i);
        if (value > *class && value < best)
            best = value;
    }
    *class = best;
    return best < INFINITY;
}

/* Fills fold->of: the fold of each of the source's samples, -1 where it was left out. */
static int folds_draw(folds_run *f, const nnrt_dataset *d)
{
    nnrt_rows order;
    nnrt_fold *fold = &f->fold;
    int target = folds_target(f->model);
    int64_t next = 0;
    if (d->window)
        return nnrt_fail(f->fault, NNRT_BAD_CALL,
                         "--folds: the samples are windows that follow each other: a share of the "
                         "last (validation: {split: S}) is what can be kept");
    if (d->n < fold->folds)
        return nnrt_fail(f->fault, NNRT_BAD_CALL, "--folds: %lld samples, fewer than folds",
                         (long long)d->n);
    fold->samples = d->origin ? d->total : d->n;
    fold->of = malloc((size_t)fold->samples * sizeof *fold->of);
    fold->learn = malloc((size_t)fold->samples);
    int status =
        fold->of && fold->learn ? nnrt_rows_all(&order, d->n, f->fault) : folds_no_memory(f);
    if (status)
        return status;
    memset(fold->of, 0xFF, (size_t)fold->samples * sizeof *fold->of);
    nnrt_rows_permute(&order, f->model->train.seed, FOLDS_STREAM);
    double class = -INFINITY;
    if (target < 0)
        folds_deal(d, &order, target, 0, fold->folds, &next, fold->of);
    while (target >= 0 && folds_next_class(d, target, &class))
        folds_deal(d, &order, target, class, fold->folds, &next, fold->of);
    free(order.at);
    return 0;
}

/* Reads the data once, to know what there is. */
static int folds_open(folds_run *f)
{
    nnrt_dataset data = {0};
    nnrt_meta meta = {.learn = 1, .keep_going = f->args->keep_going};
    const nnrt_source *train = &f->model->data_train;
    const nnrt_source *source = f->args->data.n ? NULL : train;
    int status = nnrt_open_data(&data, f->model, f->args, source, train, NULL, &meta, f->fault);
    if (!status)
        status = folds_draw(f, &data);
    if (!status)
        status = nnrt_score_open(&f->pooled, f->model, data.n, 0, f->fault);
    f->fold.pooled = &f->pooled;
    nnrt_dataset_close(&data);
    nnrt_meta_free(&meta);
    return status;
}

/* --- training, and what comes of it ----------------------------------------------------------- */

int nnrt_fold_rows(nnrt_training *t)
{
    const nnrt_fold *fold = t->fold;
    nnrt_rows *held = &t->held;
    int64_t n = 0;
    int status = nnrt_rows_all(held, t->data.n, t->fault);
    if (status)
        return status;
    held->n = 0;
    for (int64_t i = 0; i < t->data.n; i++) {
        int64_t from = t->data.origin ? t->data.origin[i] : i;
        if (fold->of[from] == fold->number - 1)
            held->at[held->n++] = i;
        else if (fold->learn[from])
            t->rows.at[n++] = i;
    }
    t->rows.n = n;
    if (n && held->n)
        return 0;
    return nnrt_fail(t->fault, NNRT_BAD_CONTENT, "fold %lld: no sample is left to %s",
                     (long long)fold->number, n ? "measure it on" : "train on");
}

/* Adds what one part found to that of those before. */
static void folds_pool(nnrt_score *all, const nnrt_score *part)
{
    const nnrt_model *model = all->model;
    size_t before = (size_t)all->samples, n = (size_t)part->samples;
    for (int i = 0; i < model->n_sums; i++)
        all->sums[i] += part->sums[i];
    for (int i = 0; i < model->n_kept; i++) {
        size_t each = (size_t)model->kept[i];
        if (all->kept[i] && part->kept[i])
            memcpy(all->kept[i] + before * each, part->kept[i], n * each * sizeof(float));
    }
    nnrt_score_add(all, part->loss_sum / part->samples, (int)n);
}

int nnrt_fold_score(nnrt_training *t, nnrt_figure *out)
{
    if (t->run.best_vars && t->run.has_best_vars) { /* those that a file would have */
        memcpy(t->m->vars, t->run.best_vars, t->model->vars_bytes);
        t->m->changes++;
    }
    nnrt_score score;
    int status = nnrt_score_open(&score, t->model, t->held.n, 0, t->fault);
    if (!status)
        status = nnrt_feed_score(&t->feed, t->m, &t->data, &t->held, &score, t->fault);
    if (!status) {
        nnrt_score_figures(t->model, &score, "", out);
        folds_pool(t->fold->pooled, &score);
    }
    nnrt_score_close(&score);
    return status;
}

/* Adds a fold's figures, and prints them: "fold 3 auc: 0.79". */
static void folds_add(folds_run *f, int64_t number)
{
    for (int i = 0; i < f->n_figures; i++) {
        double value = f->figures[i].value, away;
        printf("fold %lld %s: %.7g\n", (long long)number, f->figures[i].name, value);
        if (number == 1)
            f->first[i] = value;
        away = value - f->first[i];
        f->sum[i] += away;
        f->square[i] += away * away;
    }
    fflush(stdout);
}

/* Mean, standard deviation of a fold (by one less than there are), and the figure of all samples held out. */
static int folds_print(folds_run *f)
{
    double n = (double)f->fold.folds;
    nnrt_score_figures(f->model, &f->pooled, "", f->figures);
    for (int i = 0; i < f->n_figures; i++) {
        double mean = f->sum[i] / n, spread = f->square[i] / n - mean * mean;
        printf("%s: %.7g\n", f->figures[i].name, f->first[i] + mean);
        printf("%s_std: %.7g\n", f->figures[i].name, sqrt(spread < 0 ? 0.0 : spread * n / (n - 1)));
        printf("%s_pooled: %.7g\n", f->figures[i].name, f->figures[i].value);
    }
    return nnrt_flush_results(f->fault);
}

static int folds_memory(folds_run *f)
{
    f->n_figures = f->model->n_metrics + 1;
    size_t n = (size_t)f->n_figures;
    f->figures = calloc(n, sizeof *f->figures);
    f->sum = calloc(n, sizeof *f->sum);
    f->square = calloc(n, sizeof *f->square);
    f->first = calloc(n, sizeof *f->first);
    return f->figures && f->sum && f->square && f->first ? 0 : folds_no_memory(f);
}

static int folds_one(folds_run *f, int64_t number)
{
    nnrt_fold *fold = &f->fold;
    fold->number = number;
    for (int64_t i = 0; i < fold->samples; i++)
        fold->learn[i] = fold->of[i] >= 0 && fold->of[i] != number - 1;
    nnrt_say(f->model, "fold %lld of %lld", (long long)number, (long long)fold->folds);
    int status = nnrt_train_fold(f->args, f->model, fold, f->figures, f->fault);
    if (!status)
        folds_add(f, number);
    return status;
}

/* Trains one fold after the other. */
static int folds_all(folds_run *f)
{
    int status = 0;
    for (int64_t k = 1; k <= f->fold.folds && !status; k++)
        status = folds_one(f, k);
    return status ? status : folds_print(f);
}

static int folds_check(const folds_run *f)
{
    const nnrt_args *a = f->args;
    const char *wrong = a->out          ? "--out"
                        : a->checkpoint ? "--checkpoint"
                        : a->resume     ? "--resume"
                        : a->log        ? "--log"
                                        : NULL;
    if (f->fold.folds < 2 || f->fold.folds > 1000)
        return nnrt_fail(f->fault, NNRT_BAD_CALL, "--folds: %lld is out of range: 2 to 1000",
                         (long long)f->fold.folds);
    if (a->fold > f->fold.folds)
        return nnrt_fail(f->fault, NNRT_BAD_CALL, "--fold: %lld is out of range: 1 to %lld",
                         (long long)a->fold, (long long)f->fold.folds);
    if (!a->fold && wrong)
        return nnrt_fail(f->fault, NNRT_BAD_CALL,
                         "%s: all folds leave no file behind; --fold K trains one alone", wrong);
    return 0;
}

int nnrt_folds_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    folds_run f = {.args = args, .model = model, .fold = {.folds = args->folds}, .fault = fault};
    int status = folds_check(&f);
    if (!status)
        status = folds_memory(&f);
    if (!status)
        status = folds_open(&f);
    if (!status)
        status = args->fold ? folds_one(&f, args->fold) : folds_all(&f);
    if (!status && args->fold)
        status = nnrt_flush_results(fault);
    nnrt_score_close(&f.pooled);
    free(f.fold.of);
    free(f.fold.learn);
    free(f.figures);
    free(f.sum);
    free(f.square);
    free(f.first);
    return status;
}
