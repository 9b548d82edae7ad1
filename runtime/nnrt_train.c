/* SPDX-License-Identifier: MIT */
/* nnrt_train.c: `train`: epochs, validation, checkpoints, early stopping.
 *
 * What decides the bits of a run is in the instance and in nnrt_run, which a checkpoint holds; all
 * else here can be made again, so that a resumed run goes on as if nothing had happened.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_program.h"

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t train_signalled;

static void train_on_signal(int number)
{
    (void)number;
    train_signalled = 1;
}

typedef struct train_signals {
    struct sigaction interrupt, terminate; /* as they were */
} train_signals;

/* The first Ctrl-C ends the step at hand, a second one the program. */
static void train_signals_take(train_signals *s)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = train_on_signal;
    a.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&a.sa_mask);
    train_signalled = 0;
    sigaction(SIGINT, &a, &s->interrupt);
    sigaction(SIGTERM, &a, &s->terminate);
}

static void train_signals_give_back(const train_signals *s)
{
    sigaction(SIGINT, &s->interrupt, NULL);
    sigaction(SIGTERM, &s->terminate, NULL);
}

typedef struct train_state {
    const nnrt_args *args;
    const nnrt_model *model;
    nnrt_instance *m;
    nnrt_dataset data, other;       /* the training set; validation's own */
    const nnrt_dataset *validation; /* &data, &other or NULL */
    nnrt_rows rows, validation_rows;
    int64_t *order; /* of the epoch at hand */
    nnrt_meta meta; /* vocabularies */
    nnrt_feed feed;
    nnrt_augmenter augmenter;
    nnrt_run run;
    nnrt_score validation_score;
    int64_t calls, most_epochs, most_steps; /* batches an epoch; where it ends, 0: nowhere */
    char *out;
    const char *checkpoint; /* or NULL */
    char *own_checkpoint;
    int unsaved; /* the checkpoint is older than the run */
    FILE *log;
    int log_failed;
    double started;
    nnrt_progress progress;
    nnrt_figure *figures; /* of the last epoch */
    int n_figures;
    nnrt_fault *fault;
} train_state;

/* --- What it begins with ---------------------------------------------------------------------- */

static int train_no_memory(const train_state *t)
{
    return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for training");
}

static char *train_path(const char *given, const nnrt_model *model, const char *ending)
{
    if (given)
        return strdup(given);
    size_t size = strlen(model->name) + strlen(ending) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s", model->name, ending);
    return path;
}

/* Decides on the files to write, and whether they can be. */
static int train_files(train_state *t)
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
    }
    int status = nnrt_check_writable(t->out, t->fault);
    if (!status && t->checkpoint)
        status = nnrt_check_writable(t->checkpoint, t->fault);
    if (!status && t->args->log)
        status = nnrt_check_writable(t->args->log, t->fault);
    return status;
}

static int train_open_data(train_state *t)
{
    const nnrt_model *model = t->model;
    const nnrt_source *source = t->args->data.n ? NULL : &model->data_train;
    if (source && source->kind == NNRT_SOURCE_NONE)
        return nnrt_fail(t->fault, NNRT_BAD_CALL,
                         "the model names no training data: give it with --data NAME=FILE");
    const char *from = t->args->resume ? t->args->resume : t->args->weights;
    int status = from ? nnrt_open_meta(&t->meta, model, from, t->fault) : 0;
    t->meta.learn = 1;
    if (!status)
        status = nnrt_open_data(&t->data, model, t->args, source, &model->data_train, NULL,
                                &t->meta, t->fault);
    t->meta.learn = 0; /* validation has the words of training */
    if (!status)
        status = nnrt_rows_all(&t->rows, t->data.n, t->fault);
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

static int train_open_memory(train_state *t)
{
    const nnrt_model *model = t->model;
    size_t sums = ((size_t)model->n_sums + 1) * sizeof(double);
    t->m = nnrt_new(model, t->args->has_seed ? t->args->seed : model->train.seed);
    if (!t->m)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the network: %zu bytes",
                         model->size);
    t->m->meta = &t->meta;
    t->order = malloc(((size_t)t->rows.n + 1) * sizeof *t->order);
    t->run.score.sums = calloc(1, sums);
    t->validation_score.sums = calloc(1, sums);
    t->figures = malloc(2 * ((size_t)model->n_metrics + 1) * sizeof *t->figures);
    if (!t->order || !t->run.score.sums || !t->validation_score.sums || !t->figures)
        return train_no_memory(t);
    if (model->train.stop_monitor && model->train.stop_restore_best) {
        t->run.best_vars = calloc(1, model->vars_bytes + 1);
        if (!t->run.best_vars)
            return train_no_memory(t);
    }
    int status = nnrt_feed_open(&t->feed, model, t->fault);
    return status ? status : nnrt_augment_open(&t->augmenter, model, nnrt_threads(), t->fault);
}

static int64_t train_times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Where training ends and over how many steps schedules stretch: --steps moves the end alone. */
static void train_horizon(train_state *t, int resumed)
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

static int train_resume(train_state *t)
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

/* A fresh run, or the one to go on with. */
static int train_begin(train_state *t)
{
    t->run.samples = t->rows.n;
    t->run.shuffle = t->model->train.shuffle;
    t->run.best = t->run.plateau_best = NAN;
    int status = 0;
    if (t->args->weights && t->args->resume)
        return nnrt_fail(t->fault, NNRT_BAD_CALL, "--weights and --resume exclude each other");
    if (t->args->resume)
        status = train_resume(t);
    else if (t->args->weights)
        status = nnrt_load(t->m, t->args->weights);
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
    return 0;
}

static void train_close(train_state *t)
{
    nnrt_feed_close(&t->feed);
    nnrt_augment_close(&t->augmenter);
    nnrt_dataset_close(&t->data);
    nnrt_dataset_close(&t->other);
    nnrt_meta_free(&t->meta);
    free(t->rows.at);
    free(t->validation_rows.at);
    free(t->order);
    free(t->run.score.sums);
    free(t->run.best_vars);
    free(t->validation_score.sums);
    free(t->figures);
    free(t->out);
    free(t->own_checkpoint);
    nnrt_free(t->m);
    if (t->log)
        fclose(t->log);
}

/* --- The log ---------------------------------------------------------------------------------- */

static int train_log_failed(const train_state *t)
{
    return nnrt_fail(t->fault, NNRT_BAD_FILE, "%s: %s", t->args->log,
                     errno ? strerror(errno) : "cannot be written");
}

static void train_log_names(const train_state *t, const char *prefix)
{
    fprintf(t->log, ",%sloss", prefix);
    for (int i = 0; i < t->model->n_metrics; i++)
        fprintf(t->log, ",%s%s", prefix, t->model->metrics[i].name);
}

/* A resumed run goes on with the log that is there. */
static int train_log_open(train_state *t)
{
    struct stat s;
    if (!t->args->log)
        return 0;
    t->log = fopen(t->args->log, t->args->resume ? "a" : "w");
    if (!t->log || fstat(fileno(t->log), &s) != 0)
        return train_log_failed(t);
    if (t->args->resume && s.st_size > 0)
        return 0;
    fprintf(t->log, "epoch,step,time,lr");
    train_log_names(t, "");
    if (t->validation)
        train_log_names(t, "val_");
    fputc('\n', t->log);
    return fflush(t->log) ? train_log_failed(t) : 0;
}

/* One line for the epoch whose figures are at hand. A log that cannot be written does not end
 * training: its status waits until the weights are safe. */
static void train_log_epoch(train_state *t)
{
    if (!t->log)
        return;
    const nnrt_instance *m = t->m;
    int64_t last = m->step > 0 ? m->step - 1 : 0;
    double lr = nnrt_lr(&t->model->train.schedule, m->lr, last, m->total_steps, m->epoch_steps);
    fprintf(t->log, "%lld,%lld,%.3f,%.9g", (long long)t->run.epoch + 1, (long long)m->step,
            nnrt_clock() - t->started, lr);
    for (int i = 0; i < t->n_figures; i++)
        fprintf(t->log, ",%.9g", t->figures[i].value);
    fputc('\n', t->log);
    if (fflush(t->log) == 0 && !ferror(t->log))
        return;
    t->log_failed = train_log_failed(t);
    nnrt_say(t->model, "%s; training goes on without the log", t->fault->text);
    fclose(t->log);
    t->log = NULL;
}

/* --- Saving ----------------------------------------------------------------------------------- */

static int train_not_finite(const train_state *t, double loss)
{
    int var = nnrt_first_not_finite(t->m);
    const char *what = var < 0 ? "loss" : t->model->vars[var].name;
    return nnrt_fail(t->fault, NNRT_NOT_FINITE,
                     "step %lld, epoch %lld: the loss is %g; the first that is not finite: %s",
                     (long long)t->m->step, (long long)t->run.epoch + 1,
                     isnan(loss) ? fabs(loss) : loss, what);
}

/* Weights that are no numbers replace no file. */
static int train_check_weights(const train_state *t)
{
    int var = nnrt_first_not_finite(t->m);
    if (var < 0)
        return 0;
    return nnrt_fail(t->fault, NNRT_NOT_FINITE,
                     "step %lld, epoch %lld: the first weight that is not finite: %s",
                     (long long)t->m->step, (long long)t->run.epoch + 1, t->model->vars[var].name);
}

static int train_save_checkpoint(train_state *t)
{
    int status = train_check_weights(t);
    if (!status)
        status = nnrt_checkpoint_save(t->m, &t->run, t->checkpoint, t->model->train.checkpoint_keep,
                                      t->fault);
    if (!status)
        t->unsaved = 0;
    return status;
}

static int train_save_weights(const train_state *t)
{
    nnrt_instance best = *t->m;
    const nnrt_instance *m = t->m;
    if (t->run.best_vars && t->run.has_best_vars) {
        best.vars = t->run.best_vars;
        m = &best;
    } else {
        int status = train_check_weights(t);
        if (status)
            return status;
    }
    int status = nnrt_save(m, t->out);
    return status ? nnrt_fail(t->fault, status, "%s", m->error) : 0;
}

/* Whether a checkpoint is due after the step at hand, or after the epoch. */
static int train_due(const train_state *t, int epoch_ended)
{
    const nnrt_train *train = &t->model->train;
    if (!t->checkpoint)
        return 0;
    if (train->checkpoint_every <= 0)
        return epoch_ended;
    if (train->checkpoint_every_in_epochs)
        return epoch_ended && t->run.epoch % train->checkpoint_every == 0;
    return !epoch_ended && t->m->step % train->checkpoint_every == 0;
}

/* --- Early stopping, plateaus ----------------------------------------------------------------- */

/* +1 where larger is better: as the mode says, or where that is 0 the name. */
static int train_mode(const char *monitor, int mode)
{
    static const char *const larger[] = {"acc", "auc", "f1",  "precision", "recall",
                                         "iou", "r2",  "top", "dice"};
    if (mode)
        return mode;
    const char *name = strncmp(monitor, "val_", 4) == 0 ? monitor + 4 : monitor;
    for (size_t i = 0; i < sizeof larger / sizeof *larger; i++)
        if (strncmp(name, larger[i], strlen(larger[i])) == 0)
            return 1;
    return -1;
}

/* The figure that is watched, or NULL. */
static const nnrt_figure *train_monitored(const train_state *t, const char *monitor)
{
    for (int i = 0; monitor && i < t->n_figures; i++) {
        const nnrt_figure *f = &t->figures[i];
        size_t n = strlen(f->prefix);
        if (strncmp(monitor, f->prefix, n) == 0 && strcmp(monitor + n, f->name) == 0)
            return f;
    }
    return NULL;
}

static void train_watch(train_state *t)
{
    const nnrt_train *train = &t->model->train;
    const nnrt_figure *f = train_monitored(t, train->stop_monitor);
    if (!f)
        return;
    int mode = train_mode(train->stop_monitor, train->stop_mode);
    double gain = mode * (f->value - t->run.best) - train->stop_min_delta;
    if (gain > 0 || (isnan(t->run.best) && !isnan(f->value))) {
        t->run.best = f->value;
        t->run.waited = 0;
        if (t->run.best_vars) {
            memcpy(t->run.best_vars, t->m->vars, t->model->vars_bytes);
            t->run.has_best_vars = 1;
        }
    } else if (++t->run.waited >= train->stop_patience) {
        t->run.stopped = 1;
    }
}

/* Lowers the rate where what the schedule watches has not become better for more than `patience` epochs, as PyTorch's
 * ReduceLROnPlateau. */
static void train_plateau(train_state *t)
{
    const nnrt_schedule *s = &t->model->train.schedule;
    const nnrt_figure *f = train_monitored(t, s->monitor);
    if (!f)
        return;
    int mode = train_mode(s->monitor, s->mode);
    double bound = t->run.plateau_best * (1.0 + mode * s->threshold);
    if (mode * (f->value - bound) > 0 || (isnan(bound) && !isnan(f->value))) {
        t->run.plateau_best = f->value;
        t->run.plateau_waited = 0;
    } else if (++t->run.plateau_waited > s->patience) {
        double lower = t->m->lr * s->gamma;
        t->m->lr = lower > s->to ? lower : s->to < t->m->lr ? s->to : t->m->lr;
        t->run.plateau_waited = 0;
    }
}

/* --- The loop --------------------------------------------------------------------------------- */

static int train_ended(const train_state *t)
{
    if (train_signalled || t->run.stopped)
        return 1;
    if (t->most_steps)
        return t->m->step >= t->most_steps && t->run.position < t->calls;
    return t->run.epoch >= t->most_epochs;
}

static int train_call(train_state *t)
{
    int64_t at = t->run.position * t->model->batch;
    int n = (int)(t->rows.n - at < t->model->batch ? t->rows.n - at : t->model->batch);
    int64_t step = t->m->step;
    nnrt_dataset_batch(&t->data, t->order + at, n, t->feed.in);
    nnrt_augment_batch(&t->augmenter, t->m->seed, t->run.epoch, t->order + at, n, t->feed.in);
    float loss = t->model->train_step(t->m, n, (const void *const *)t->feed.in);
    if (!isfinite(loss))
        return train_not_finite(t, (double)loss);
    t->run.score.loss_sum += (double)loss * n;
    t->run.score.samples += n;
    t->run.position++;
    t->unsaved = 1;
    t->n_figures = nnrt_score_figures(t->model, &t->run.score, "", t->figures);
    nnrt_progress_step(&t->progress, t->run.position, t->n_figures, t->figures);
    if (t->m->step == step || !train_due(t, 0))
        return 0;
    return train_save_checkpoint(t);
}

/* Figures of the epoch as far as it has come, validation with them; the progress line; the log. */
static int train_report(train_state *t)
{
    t->n_figures = nnrt_score_figures(t->model, &t->run.score, "", t->figures);
    if (t->validation) {
        int status = nnrt_feed_score(&t->feed, t->m, t->validation, &t->validation_rows,
                                     &t->validation_score, t->fault);
        if (status == NNRT_NOT_FINITE)
            return nnrt_fail(t->fault, status,
                             "step %lld, epoch %lld: validation: the loss is not "
                             "finite",
                             (long long)t->m->step, (long long)t->run.epoch + 1);
        if (status)
            return status;
        t->n_figures +=
            nnrt_score_figures(t->model, &t->validation_score, "val_", t->figures + t->n_figures);
    }
    nnrt_progress_end(&t->progress, t->run.position, t->n_figures, t->figures);
    train_log_epoch(t);
    return 0;
}

static int train_end_epoch(train_state *t)
{
    int status = train_report(t);
    if (status)
        return status;
    train_watch(t);
    train_plateau(t);
    t->run.epoch++;
    t->run.position = 0;
    t->run.score.loss_sum = t->run.score.samples = 0;
    for (int i = 0; i < t->model->n_sums; i++)
        t->run.score.sums[i] = 0;
    t->unsaved = 1;
    return train_due(t, 1) ? train_save_checkpoint(t) : 0;
}

/* One epoch, or what is left of it. */
static int train_epoch(train_state *t)
{
    int64_t position = t->run.position;
    if (t->run.shuffle)
        nnrt_rows_shuffle(&t->rows, t->m->seed, t->run.epoch, t->order);
    else if (t->model->train.batchify)
        nnrt_rows_batchify(&t->rows, t->model->batch, t->order);
    else
        memcpy(t->order, t->rows.at, (size_t)t->rows.n * sizeof *t->order);
    if (position == 0)
        nnrt_reset(t->m);
    nnrt_progress_epoch(&t->progress, t->run.epoch + 1, t->most_steps ? 0 : t->most_epochs,
                        t->calls, position);
    while (t->run.position < t->calls) {
        int status = train_call(t);
        if (status)
            return status;
        if (t->run.position < t->calls && train_ended(t))
            return 0;
    }
    return train_end_epoch(t);
}

static int train_loop(train_state *t)
{
    int status = 0;
    while (!status && !train_ended(t))
        status = train_epoch(t);
    if (!status && !train_signalled && t->run.position > 0 && t->n_figures > 0)
        status = train_report(t); /* an epoch that --steps cut short */
    if (status)
        nnrt_progress_break(&t->progress);
    return status;
}

/* Says where a figure of validation is to do something, and there is no validation. */
static void train_warn_unwatched(const train_state *t, const char *monitor, const char *what)
{
    if (monitor && !t->validation && strncmp(monitor, "val_", 4) == 0)
        nnrt_say(t->model, "warning: no validation data, so %s cannot %s", monitor, what);
}

static void train_banner(const train_state *t)
{
    int64_t parameters = 0;
    for (int i = 0; i < t->model->n_vars; i++)
        if (t->model->vars[i].kind == NNRT_WEIGHT)
            parameters += t->model->vars[i].count;
    int threads = nnrt_threads();
    nnrt_say(t->model, "%lld parameters, %lld samples, %lld steps an epoch, %.1f MB, %d thread%s",
             (long long)parameters, (long long)t->rows.n, (long long)t->calls,
             (double)t->model->arena_bytes / 1e6, threads, threads == 1 ? "" : "s");
    if (t->run.stopped)
        nnrt_say(t->model, "the run had been stopped early: nothing is left to do");
    train_warn_unwatched(t, t->model->train.stop_monitor, "stop training early");
    train_warn_unwatched(t, t->model->train.schedule.monitor, "lower the rate");
}

/* Weights and checkpoint, then the figures of the last epoch on standard output. */
static int train_finish(train_state *t)
{
    int status = 0;
    if (t->checkpoint && t->unsaved)
        status = train_save_checkpoint(t);
    if (!status)
        status = train_save_weights(t);
    if (status)
        return status;
    if (train_signalled) {
        nnrt_progress_break(&t->progress);
        nnrt_say(t->model, "interrupted after step %lld; weights in %s%s%s", (long long)t->m->step,
                 t->out, t->checkpoint ? ", go on with --resume " : "",
                 t->checkpoint ? t->checkpoint : "");
        return NNRT_INTERRUPTED;
    }
    for (int i = 0; i < t->n_figures; i++)
        printf("%s%s: %.7g\n", t->figures[i].prefix, t->figures[i].name, t->figures[i].value);
    status = nnrt_flush_results(t->fault);
    return status ? status : t->log_failed ? train_log_failed(t) : 0;
}

/* A disk that takes no checkpoint may still take the weights, or another one. */
static void train_rescue(train_state *t)
{
    nnrt_fault first = *t->fault;
    if (train_save_weights(t) == 0)
        nnrt_say(t->model, "weights after step %lld are in %s", (long long)t->m->step, t->out);
    *t->fault = first;
}

int nnrt_train_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    train_state t = {.args = args, .model = model, .fault = fault};
    train_signals signals;
    if (!model->train_step || !model->eval)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot train: the model has no loss, or "
                         "it was made with --no-train");
    int status = train_files(&t);
    if (!status)
        status = train_open_data(&t);
    if (!status)
        status = train_open_memory(&t);
    if (!status)
        status = train_begin(&t);
    if (!status)
        status = train_log_open(&t);
    if (!status) {
        train_banner(&t);
        t.progress = nnrt_progress_on(stderr);
        t.started = nnrt_clock();
        train_signals_take(&signals);
        status = train_loop(&t);
        if (status == NNRT_BAD_FILE)
            train_rescue(&t);
        if (!status)
            status = train_finish(&t);
        train_signals_give_back(&signals);
    }
    train_close(&t);
    return status;
}
