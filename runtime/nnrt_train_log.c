/* SPDX-License-Identifier: MIT */
/* nnrt_train_log.c: `train --log`: a line of figures an epoch; and whoever else is told of each epoch. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "nnrt_training.h"

int nnrt_training_log_failed(const nnrt_training *t)
{
    return nnrt_fail(t->fault, NNRT_BAD_FILE, "%s: %s", t->args->log,
                     errno ? strerror(errno) : "cannot be written");
}

static void train_log_names(const nnrt_training *t, const char *prefix)
{
    fprintf(t->log, ",%sloss", prefix);
    for (int i = 0; i < t->model->n_metrics; i++)
        fprintf(t->log, ",%s%s", prefix, t->model->metrics[i].name);
}

/* A resumed run goes on with the log that is there. */
static int train_log_csv(nnrt_training *t)
{
    struct stat s;
    if (!t->args->log)
        return 0;
    t->log = fopen(t->args->log, t->args->resume ? "a" : "w");
    if (!t->log || fstat(fileno(t->log), &s) != 0)
        return nnrt_training_log_failed(t);
    if (t->args->resume && s.st_size > 0)
        return 0;
    fprintf(t->log, "epoch,step,time,lr");
    train_log_names(t, "");
    if (t->validation)
        train_log_names(t, "val_");
    fputc('\n', t->log);
    return fflush(t->log) ? nnrt_training_log_failed(t) : 0;
}

int nnrt_training_log_open(nnrt_training *t)
{
    int status = train_log_csv(t);
    if (!status)
        status = nnrt_training_board_open(t);
    return status ? status : nnrt_report_open(t);
}

/* One line for the epoch whose figures are at hand. A log that cannot be written does not end
 * training: its status waits until the weights are safe. */
static void train_log_line(nnrt_training *t, double lr)
{
    const nnrt_instance *m = t->m;
    if (!t->log)
        return;
    fprintf(t->log, "%lld,%lld,%.3f,%.9g", (long long)t->run.epoch + 1, (long long)m->step,
            nnrt_clock() - t->started, lr);
    for (int i = 0; i < t->n_figures; i++)
        fprintf(t->log, ",%.9g", t->figures[i].value);
    fputc('\n', t->log);
    if (fflush(t->log) == 0 && !ferror(t->log))
        return;
    t->log_failed = nnrt_training_log_failed(t);
    nnrt_say(t->model, "%s; training goes on without the log", t->fault->text);
    fclose(t->log);
    t->log = NULL;
}

void nnrt_training_log_epoch(nnrt_training *t)
{
    const nnrt_instance *m = t->m;
    int64_t last = m->step > 0 ? m->step - 1 : 0;
    double lr = nnrt_lr(&t->model->train.schedule, m->lr, last, m->total_steps, m->epoch_steps);
    train_log_line(t, lr);
    nnrt_training_board_epoch(t, lr);
    nnrt_report_epoch(t, lr);
}
