/* SPDX-License-Identifier: MIT */
/* nnrt_training.h: a training under way: what the files of `train` share; private to the runtime. */
#ifndef NNRT_TRAINING_H
#define NNRT_TRAINING_H

#include "nnrt_program.h"

/* The state of a while ago, so that steps can be taken again. */
typedef struct nnrt_snapshot {
    unsigned char *vars; /* NULL: none is taken */
    nnrt_instance head;
    int64_t epoch, position; /* of the run then */
    double taken, cost;      /* seconds: when, and how long it took */
} nnrt_snapshot;

typedef struct nnrt_training {
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
    const char *checkpoint;                 /* or NULL */
    char *own_checkpoint, *best_checkpoint; /* best_checkpoint: or NULL */
    unsigned char *averaged; /* room for vars whose weights are averages; NULL: there are none */
    int *average_of;         /* by var: the weight that it is the average of, or -1 */
    nnrt_snapshot snapshot;
    int unsaved; /* the checkpoint is older than the run */
    FILE *log;
    int log_failed;
    double started;
    nnrt_progress progress;
    nnrt_figure *figures; /* of the last epoch */
    int n_figures;
    nnrt_fault *fault;
} nnrt_training;

/* --- nnrt_train_open.c ------------------------------------------------------------------------ */

/* Files, data, memory, and the run that it goes on with; `args`, `model` and `fault` are set. */
int nnrt_training_open(nnrt_training *);
void nnrt_training_close(nnrt_training *);

/* --- nnrt_train_batch.c ----------------------------------------------------------------------- */

/* Puts the samples in the order that they have in an epoch. */
void nnrt_training_order(nnrt_training *, int64_t epoch);
/* Fills t->feed with a batch of that order, augmented: how many samples it has. */
int nnrt_training_batch(nnrt_training *, int64_t epoch, int64_t position);

/* --- nnrt_train_average.c --------------------------------------------------------------------- */

int nnrt_training_average_open(nnrt_training *);
/* The instance's vars, or where averages are kept (and a step was taken) a copy in which these are the weights; valid
 * till the next call. */
unsigned char *nnrt_training_vars(const nnrt_training *);

/* --- nnrt_train_find.c ------------------------------------------------------------------------ */

/* --find-lr: the loss by the learning rate, and a rate to take; no file is written. */
int nnrt_training_find_lr(nnrt_training *);
/* --overfit-batch: trains on one batch, and says whether its loss falls towards 0; no file is written. */
int nnrt_training_overfit(nnrt_training *);

/* --- nnrt_train_why.c ------------------------------------------------------------------------- */

/* Takes a snapshot, where the last one is old enough; `now`: whatever its age. */
void nnrt_training_remember(nnrt_training *, int now);
/* Says that the loss of a step is not finite, and where the first such number came from: NNRT_NOT_FINITE. The instance
 * is of no use after it. */
int nnrt_training_not_finite(nnrt_training *, double loss);

/* --- nnrt_train_save.c ------------------------------------------------------------------------ */

/* Weights that are not finite replace no file: NNRT_NOT_FINITE. */
int nnrt_training_save_checkpoint(nnrt_training *);
int nnrt_training_save_best(nnrt_training *); /* the checkpoint of the best epoch so far */
int nnrt_training_save_weights(const nnrt_training *);
/* Whether a checkpoint is due after the step at hand, or after the epoch. */
int nnrt_training_due(const nnrt_training *, int epoch_ended);
/* Saves what can be saved after a failed write, whose fault stays. */
void nnrt_training_rescue(nnrt_training *);

/* --- nnrt_train_watch.c ----------------------------------------------------------------------- */

/* Early stopping and the plateau schedule, after an epoch's figures. */
void nnrt_training_watch(nnrt_training *);
void nnrt_training_plateau(nnrt_training *);
/* Whether the figure that the best checkpoint is chosen by is the best so far; it is then noted. */
int nnrt_training_is_best(nnrt_training *);

/* --- nnrt_train_log.c ------------------------------------------------------------------------- */

/* Opens --log, where it is given; a resumed run goes on with the one that is there. */
int nnrt_training_log_open(nnrt_training *);
/* A line for the epoch at hand. A log that cannot be written does not end training: log_failed is then set. */
void nnrt_training_log_epoch(nnrt_training *);
int nnrt_training_log_failed(const nnrt_training *);

#endif
