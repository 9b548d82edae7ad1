/* SPDX-License-Identifier: MIT */
/* nnrt_train_batch.c: the order of an epoch's samples, and a batch of them as the network is given it. */
#include <string.h>

#include "nnrt_training.h"

void nnrt_training_order(nnrt_training *t, int64_t epoch)
{
    if (t->run.shuffle)
        nnrt_rows_shuffle(&t->rows, t->m->seed, epoch, t->order);
    else if (t->model->train.batchify)
        nnrt_rows_batchify(&t->rows, t->model->batch, t->order);
    else
        memcpy(t->order, t->rows.at, (size_t)t->rows.n * sizeof *t->order);
}

int nnrt_training_batch(nnrt_training *t, int64_t epoch, int64_t position)
{
    int64_t at = position * t->model->batch;
    int n = (int)(t->rows.n - at < t->model->batch ? t->rows.n - at : t->model->batch);
    nnrt_dataset_batch(&t->data, t->order + at, n, t->feed.in);
    nnrt_augment_batch(&t->augmenter, t->m->seed, epoch, t->order + at, n, t->feed.in);
    nnrt_mixup_batch(t->m, n, t->feed.in);
    return n;
}
