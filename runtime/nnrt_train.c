/* SPDX-License-Identifier: MIT */
/* nnrt_train.c: `train`: epochs, validation, checkpoints, early stopping.
 *
 * What decides the bits of a run is in the instance and in nnrt_run, which a checkpoint holds; all
 * else here can be made again, so that a resumed run goes on as if nothing had happened.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_training.h"

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

/* --- The loop --------------------------------------------------------------------------------- */

static int train_ended(const nnrt_training *t)
{
    if (train_signalled || t->run.stopped)
        return 1;
    if (t->most_steps)
        return t->m->step >= t->most_steps && t->run.position < t->calls;
    return t->run.epoch >= t->most_epochs;
}

static int train_call(nnrt_training *t)
{
    int64_t step = t->m->step;
    int n, status = nnrt_training_batch(t, t->run.epoch, t->run.position, &n);
    if (status)
        return status;
    nnrt_score_aim(&t->run.score, n, t->m);
    float loss = t->model->train_step(t->m, n, (const void *const *)t->feed.in);
    nnrt_score_aim(&t->run.score, 0, t->m);
    if (!isfinite(loss))
        return nnrt_training_not_finite(t, (double)loss);
    nnrt_training_board_step(t, (double)loss);
    nnrt_score_add(&t->run.score, (double)loss, n);
    t->run.position++;
    t->unsaved = 1;
    nnrt_training_remember(t, 0);
    t->n_figures = nnrt_score_running(t->model, &t->run.score, t->figures);
    nnrt_progress_step(&t->progress, t->run.position, t->n_figures, t->figures);
    if (t->m->step == step)
        return 0;
    status = nnrt_showing_due(t, 0);
    return !status && nnrt_training_due(t, 0) ? nnrt_training_save_checkpoint(t) : status;
}

/* The score of the validation set, of the averages of weights where they are kept. */
static int train_validate(nnrt_training *t)
{
    unsigned char *own = t->m->vars;
    t->m->vars = nnrt_training_vars(t);
    t->m->changes++;
    int status = nnrt_feed_score(&t->feed, t->m, t->validation, &t->validation_rows,
                                 &t->validation_score, t->fault);
    t->m->vars = own;
    t->m->changes++;
    return status;
}

/* Figures of the epoch as far as it has come, validation with them; the progress line; the log. */
static int train_report(nnrt_training *t)
{
    t->n_figures = nnrt_score_figures(t->model, &t->run.score, "", t->figures);
    if (t->validation) {
        int status = train_validate(t);
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
    nnrt_training_log_epoch(t);
    return 0;
}

static int train_end_epoch(nnrt_training *t)
{
    int status = train_report(t);
    if (status)
        return status;
    nnrt_training_watch(t);
    nnrt_training_plateau(t);
    t->run.epoch++;
    t->run.position = 0;
    nnrt_score_clear(&t->run.score);
    t->unsaved = 1;
    status = nnrt_showing_due(t, 1);
    if (!status && t->best_checkpoint && nnrt_training_is_best(t))
        status = nnrt_training_save_best(t);
    return !status && nnrt_training_due(t, 1) ? nnrt_training_save_checkpoint(t) : status;
}

/* The batches of an epoch, or what is left of them. */
static int train_batches(nnrt_training *t)
{
    int status = 0;
    while (!status && t->run.position < t->calls) {
        status = train_call(t);
        if (t->run.position < t->calls && train_ended(t))
            break;
    }
    nnrt_feed_end(&t->feed);
    t->loads = 0;
    return status;
}

/* One epoch, or what is left of it. */
static int train_epoch(nnrt_training *t)
{
    int64_t position = t->run.position;
    nnrt_training_order(t, t->run.epoch);
    if (position == 0)
        nnrt_reset(t->m);
    nnrt_progress_epoch(&t->progress, t->run.epoch + 1, t->most_steps ? 0 : t->most_epochs,
                        t->calls, position);
    int status = train_batches(t);
    return status || t->run.position < t->calls ? status : train_end_epoch(t);
}

static int train_loop(nnrt_training *t)
{
    int status = nnrt_showing_now(t);
    nnrt_training_remember(t, 1);
    while (!status && !train_ended(t))
        status = train_epoch(t);
    if (!status && !train_signalled && t->run.position > 0 && t->n_figures > 0)
        status = train_report(t); /* an epoch that --steps cut short */
    if (status)
        nnrt_progress_break(&t->progress);
    return status;
}

/* Says where a figure of validation is to do something, and there is no validation. */
static void train_warn_unwatched(const nnrt_training *t, const char *monitor, const char *what)
{
    if (monitor && !t->validation && strncmp(monitor, "val_", 4) == 0)
        nnrt_say(t->model, "warning: no validation data, so %s cannot %s", monitor, what);
}

static void train_banner(const nnrt_training *t)
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
    if (t->best_checkpoint)
        train_warn_unwatched(t, t->model->train.best_monitor, "choose the best checkpoint");
}

/* Weights and checkpoint, then the figures of the last epoch on standard output. */
static int train_finish(nnrt_training *t)
{
    int status = 0;
    if (t->checkpoint && t->unsaved)
        status = nnrt_training_save_checkpoint(t);
    if (!status)
        status = nnrt_training_save_weights(t);
    if (!status)
        status = nnrt_showing_now(t);
    if (!status)
        status = nnrt_report_write(t);
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
    return status ? status : t->log_failed ? nnrt_training_log_failed(t) : 0;
}

/* A training; with a fold also its figures, and files only where it was asked for alone. */
static int train_run(const nnrt_args *args, const nnrt_model *model, const nnrt_fold *fold,
                     nnrt_figure *held, nnrt_fault *fault)
{
    nnrt_training t = {.args = args, .model = model, .fold = fold, .fault = fault};
    train_signals signals;
    if (!model->train_step || !model->eval)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "this program cannot train: the model has no loss, or "
                         "it was made with --no-train");
    int status = nnrt_training_open(&t), looks = args->find_lr || args->overfit_batch;
    if (fold && !args->fold)
        t.checkpoint = NULL;
    if (!status && looks)
        status = (args->find_lr ? nnrt_training_find_lr : nnrt_training_overfit)(&t);
    else if (!status)
        status = nnrt_training_log_open(&t);
    if (!status && !looks)
        status = nnrt_showing_open(&t);
    if (!status && !looks) {
        train_banner(&t);
        t.progress = nnrt_progress_on(stderr);
        t.feed.progress = &t.progress;
        t.started = nnrt_clock();
        train_signals_take(&signals);
        status = train_loop(&t);
        if (status == NNRT_BAD_FILE)
            nnrt_training_rescue(&t);
        if (!status && (!fold || args->fold))
            status = train_finish(&t);
        if (!status && fold)
            status = train_signalled ? NNRT_INTERRUPTED : nnrt_fold_score(&t, held);
        train_signals_give_back(&signals);
    }
    nnrt_training_close(&t);
    return status;
}

int nnrt_train_fold(const nnrt_args *args, const nnrt_model *model, const nnrt_fold *fold,
                    nnrt_figure *out, nnrt_fault *fault)
{
    return train_run(args, model, fold, out, fault);
}

int nnrt_train_command(const nnrt_args *args, const nnrt_model *model, nnrt_fault *fault)
{
    if (args->folds)
        return nnrt_folds_command(args, model, fault);
    if (args->fold)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--fold: of how many? --folds=K");
    return train_run(args, model, NULL, NULL, fault);
}
