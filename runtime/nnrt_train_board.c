/* SPDX-License-Identifier: MIT */
/* nnrt_train_board.c: `train --tensorboard`: what of a training is an event, and when. */
#include <errno.h>
#include <string.h>

#include "nnrt_training.h"

enum { BOARD_EVERY = 50 }; /* steps from one loss of a batch to the next */

int nnrt_training_board_open(nnrt_training *t)
{
    return t->args->tensorboard ? nnrt_events_open(&t->events, t->args->tensorboard, t->fault) : 0;
}

/* Events that cannot be written do not end training, as with the log. */
static void board_check(nnrt_training *t)
{
    if (fflush(t->events) == 0 && !ferror(t->events))
        return;
    t->log_failed = nnrt_fail(t->fault, NNRT_BAD_FILE, "%s: %s", t->args->tensorboard,
                              errno ? strerror(errno) : "cannot be written");
    nnrt_say(t->model, "%s; training goes on without the events", t->fault->text);
    fclose(t->events);
    t->events = NULL;
}

void nnrt_training_board_step(nnrt_training *t, double loss)
{
    if (t->events && t->m->step % BOARD_EVERY == 0)
        nnrt_events_scalar(t->events, "batch/", "loss", t->m->step, loss);
}

void nnrt_training_board_epoch(nnrt_training *t, double lr)
{
    if (!t->events)
        return;
    int64_t step = t->m->step;
    for (int i = 0; i < t->n_figures; i++)
        nnrt_events_scalar(t->events, *t->figures[i].prefix ? "val/" : "train/", t->figures[i].name,
                           step, t->figures[i].value);
    nnrt_events_scalar(t->events, "", "lr", step, lr);
    nnrt_events_scalar(t->events, "", "epoch", step, (double)t->run.epoch + 1);
    for (int i = 0; i < t->model->n_vars; i++) {
        const nnrt_var *v = &t->model->vars[i];
        if (v->kind == NNRT_WEIGHT)
            nnrt_events_histogram(t->events, "weights/", v->name, step, v->count,
                                  (const float *)(const void *)(t->m->vars + v->offset));
    }
    board_check(t);
}
