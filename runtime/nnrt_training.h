/* SPDX-License-Identifier: MIT */
/* nnrt_training.h: a training under way: what the files of `train` share; private to the runtime. */
#ifndef NNRT_TRAINING_H
#define NNRT_TRAINING_H

#include "nnrt_program.h"

/* Cross-validation: which sample is in which part, and the part that is held out. */
typedef struct nnrt_fold {
    int64_t folds, number; /* number: from 1 */
    int64_t samples;       /* of the source, those that were left out among them */
    int32_t *of;           /* [samples]: its part, from 0; -1: it was left out */
    unsigned char *learn;  /* [samples]: 1 where it is trained on */
    nnrt_score *pooled;    /* what all parts measured so far found */
} nnrt_fold;

typedef struct nnrt_training {
    const nnrt_args *args;
    const nnrt_model *model;
    const nnrt_fold *fold; /* or NULL */
    nnrt_rows held;        /* the samples that it holds out */
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
} nnrt_training;

/* --- nnrt_train_open.c ------------------------------------------------------------------------ */

/* Files, data, memory, and the run that it goes on with; `args`, `model` and `fault` are set. */
int nnrt_training_open(nnrt_training *);
void nnrt_training_close(nnrt_training *);

/* --- nnrt_folds.c ----------------------------------------------------------------------------- */

/* `train --folds K`: all of them, or one. */
int nnrt_folds_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
/* Moves the samples that the fold holds out from t->rows to t->held. */
int nnrt_fold_rows(nnrt_training *);
/* Loss and metrics of the samples held out, by the weights that a training ends with: 1 + n_metrics figures. */
int nnrt_fold_score(nnrt_training *, nnrt_figure *out);
/* Trains for one fold, and measures it. (nnrt_train.c) */
int nnrt_train_fold(const nnrt_args *, const nnrt_model *, const nnrt_fold *, nnrt_figure *out,
                    nnrt_fault *);

/* --- nnrt_train_save.c ------------------------------------------------------------------------ */

/* Says that the loss of a step is not finite, and where the first such number is. */
int nnrt_training_not_finite(const nnrt_training *, double loss);
/* Weights that are not finite replace no file: NNRT_NOT_FINITE. */
int nnrt_training_save_checkpoint(nnrt_training *);
int nnrt_training_save_weights(const nnrt_training *);
/* Whether a checkpoint is due after the step at hand, or after the epoch. */
int nnrt_training_due(const nnrt_training *, int epoch_ended);
/* Saves what can be saved after a failed write, whose fault stays. */
void nnrt_training_rescue(nnrt_training *);

/* --- nnrt_train_watch.c ----------------------------------------------------------------------- */

/* Early stopping and the plateau schedule, after an epoch's figures. */
void nnrt_training_watch(nnrt_training *);
void nnrt_training_plateau(nnrt_training *);

/* --- nnrt_train_log.c ------------------------------------------------------------------------- */

/* Opens --log, where it is given; a resumed run goes on with the one that is there. */
int nnrt_training_log_open(nnrt_training *);
/* A line for the epoch at hand. A log that cannot be written does not end training: log_failed is then set. */
void nnrt_training_log_epoch(nnrt_training *);
int nnrt_training_log_failed(const nnrt_training *);

#endif
