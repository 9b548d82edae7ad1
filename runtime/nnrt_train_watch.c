/* SPDX-License-Identifier: MIT */
/* nnrt_train_watch.c: what follows from an epoch's figures: early stopping, a rate that falls on a plateau. */
#include <math.h>
#include <string.h>

#include "nnrt_training.h"

int nnrt_figure_mode(const nnrt_model *model, const char *monitor, int mode)
{
    return mode ? mode : nnrt_larger_is_better(model, monitor) ? 1 : -1;
}

/* The figure that is watched, or NULL. */
static const nnrt_figure *train_monitored(const nnrt_training *t, const char *monitor)
{
    for (int i = 0; monitor && i < t->n_figures; i++) {
        const nnrt_figure *f = &t->figures[i];
        size_t n = strlen(f->prefix);
        if (strncmp(monitor, f->prefix, n) == 0 && strcmp(monitor + n, f->name) == 0)
            return f;
    }
    return NULL;
}

void nnrt_training_watch(nnrt_training *t)
{
    const nnrt_train *train = &t->model->train;
    const nnrt_figure *f = train_monitored(t, train->stop_monitor);
    if (!f)
        return;
    int mode = nnrt_figure_mode(t->model, train->stop_monitor, train->stop_mode);
    double gain = mode * (f->value - t->run.best) - train->stop_min_delta;
    if (gain > 0 || (isnan(t->run.best) && !isnan(f->value))) {
        t->run.best = f->value;
        t->run.waited = 0;
        if (t->run.best_vars) {
            memcpy(t->run.best_vars, nnrt_training_vars(t), t->model->vars_bytes);
            t->run.has_best_vars = 1;
        }
    } else if (++t->run.waited >= train->stop_patience) {
        t->run.stopped = 1;
    }
}

/* Lowers the rate where what the schedule watches has not become better for more than `patience` epochs, as PyTorch's
 * ReduceLROnPlateau. */
void nnrt_training_plateau(nnrt_training *t)
{
    const nnrt_schedule *s = &t->model->train.schedule;
    const nnrt_figure *f = train_monitored(t, s->monitor);
    if (!f)
        return;
    int mode = nnrt_figure_mode(t->model, s->monitor, s->mode);
    double bound = t->run.plateau_best * (1.0 + mode * s->threshold);
    if (mode * (f->value - bound) > 0 || (isnan(bound) && !isnan(f->value))) {
        t->run.plateau_best = f->value;
        t->run.plateau_waited = 0;
    } else if (++t->run.plateau_waited > s->patience) {
        double lower = t->m->lr * s->gamma;
        t->m->lr = lower > s->to ? lower : s->to < t->m->lr ? s->to : t->m->lr;
        nnrt_training_remember(t, 1); /* steps from before would be taken again with this rate */
        t->run.plateau_waited = 0;
    }
}

int nnrt_training_is_best(nnrt_training *t)
{
    const nnrt_train *train = &t->model->train;
    const nnrt_figure *f = train_monitored(t, train->best_monitor);
    if (!f || isnan(f->value))
        return 0;
    int mode = nnrt_figure_mode(t->model, train->best_monitor, train->best_mode);
    if (!isnan(t->run.checkpoint_best) && mode * (f->value - t->run.checkpoint_best) <= 0)
        return 0;
    t->run.checkpoint_best = f->value;
    return 1;
}
