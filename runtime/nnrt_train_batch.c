/* SPDX-License-Identifier: MIT */
/* nnrt_train_batch.c: the order of an epoch's samples, and a batch of them as the network is given it. */
#include <string.h>

#include "nnrt_training.h"

void nnrt_training_order(nnrt_training *t, int64_t epoch)
{
    nnrt_feed_end(&t->feed); /* which reads the order */
    t->loads = 0;
    nnrt_negatives_begin(&t->data, t->m->seed, epoch);
    if (t->run.shuffle)
        nnrt_rows_shuffle(&t->rows, t->m->seed, epoch, t->order);
    else if (t->model->train.batchify)
        nnrt_rows_batchify(&t->rows, t->model->batch, t->order);
    else
        memcpy(t->order, t->rows.at, (size_t)t->rows.n * sizeof *t->order);
}

/* From that batch on. */
static int train_load(nnrt_training *t, int64_t epoch, int64_t position)
{
    const nnrt_loading job = {.data = &t->data,
                              .order = t->order,
                              .n = t->rows.n,
                              .first = position * t->model->batch,
                              .augments = 1,
                              .seed = t->m->seed,
                              .epoch = epoch};
    t->loads = 1;
    t->load_epoch = epoch;
    t->load_position = position;
    return nnrt_feed_begin(&t->feed, &job, t->fault);
}

int nnrt_training_batch(nnrt_training *t, int64_t epoch, int64_t position, int *n)
{
    int goes_on = t->loads && epoch == t->load_epoch && position == t->load_position;
    int status = goes_on ? 0 : train_load(t, epoch, position);
    if (!status)
        status = nnrt_feed_next(&t->feed, n, t->fault);
    if (status)
        return status;
    t->load_position++;
    nnrt_mixup_batch(t->m, *n, t->feed.in);
    return 0;
}
