/* SPDX-License-Identifier: MIT */
/* nnrt_train_save.c: weights and checkpoints of a training, when they are due, and what may not be saved. */
#include "nnrt_training.h"

/* Weights that are no numbers replace no file. */
static int train_check_weights(const nnrt_training *t)
{
    int var = nnrt_first_not_finite(t->m);
    if (var < 0)
        return 0;
    return nnrt_fail(t->fault, NNRT_NOT_FINITE,
                     "step %lld, epoch %lld: the first weight that is not finite: %s",
                     (long long)t->m->step, (long long)t->run.epoch + 1, t->model->vars[var].name);
}

int nnrt_training_save_checkpoint(nnrt_training *t)
{
    int status = train_check_weights(t);
    if (!status)
        status = nnrt_checkpoint_save(t->m, &t->run, t->checkpoint, t->model->train.checkpoint_keep,
                                      t->fault);
    if (!status)
        t->unsaved = 0;
    return status;
}

int nnrt_training_save_best(nnrt_training *t)
{
    int status = train_check_weights(t);
    return status ? status : nnrt_checkpoint_save(t->m, &t->run, t->best_checkpoint, 0, t->fault);
}

int nnrt_training_save_weights(const nnrt_training *t)
{
    nnrt_instance m = *t->m;
    if (t->run.best_vars && t->run.has_best_vars) {
        m.vars = t->run.best_vars;
    } else {
        int status = train_check_weights(t);
        if (status)
            return status;
        m.vars = nnrt_training_vars(t);
    }
    int status = nnrt_save(&m, t->out);
    return status ? nnrt_fail(t->fault, status, "%s", m.error) : 0;
}

/* Whether a checkpoint is due after the step at hand, or after the epoch. */
int nnrt_training_due(const nnrt_training *t, int epoch_ended)
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

/* A disk that takes no checkpoint may still take the weights, or another one. */
void nnrt_training_rescue(nnrt_training *t)
{
    nnrt_fault first = *t->fault;
    if (nnrt_training_save_weights(t) == 0)
        nnrt_say(t->model, "weights after step %lld are in %s", (long long)t->m->step, t->out);
    *t->fault = first;
}
