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
    const nnrt_fold *fold; /* or NULL */
    nnrt_rows held;        /* the samples that it holds out */
    nnrt_instance *m;
    nnrt_dataset data, other;       /* the training set; validation's own */
    const nnrt_dataset *validation; /* &data, &other or NULL */
    nnrt_rows rows, validation_rows;
    int64_t *order; /* of the epoch at hand */
    nnrt_meta meta; /* vocabularies */
    nnrt_feed feed;
    int loads; /* the feed goes on with this batch of this epoch: */
    int64_t load_epoch, load_position;
    nnrt_run run;
    nnrt_score validation_score;
    int64_t calls, most_epochs, most_steps; /* batches an epoch; where it ends, 0: nowhere */
    char *out;
    const char *checkpoint;                 /* or NULL */
    char *own_checkpoint, *best_checkpoint; /* best_checkpoint: or NULL */
    unsigned char *averaged; /* room for vars whose weights are averages; NULL: there are none */
    int *average_of;         /* by var: the weight that it is the average of, or -1 */
    nnrt_snapshot snapshot;
    int unsaved;        /* the checkpoint is older than the run */
    FILE *log, *events; /* of --log and --tensorboard, or NULL */
    int log_failed;
    struct nnrt_report *report; /* what --report gathers, or NULL */
    struct nnrt_showing *showing; /* what is drawn of what the model draws, or NULL */
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

/* --- nnrt_train_batch.c ----------------------------------------------------------------------- */

/* Puts the samples in the order that they have in an epoch. */
void nnrt_training_order(nnrt_training *, int64_t epoch);
/* Fills t->feed with a batch of that order, augmented: *n samples. A status where it cannot be read. */
int nnrt_training_batch(nnrt_training *, int64_t epoch, int64_t position, int *n);

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

/* --- nnrt_train_board.c ----------------------------------------------------------------------- */

/* Opens --tensorboard, where it is given. */
int nnrt_training_board_open(nnrt_training *);
/* The loss of a batch, every so many steps; the epoch's figures, its rate, and the weights. */
void nnrt_training_board_step(nnrt_training *, double loss);
void nnrt_training_board_epoch(nnrt_training *, double lr);

/* --- nnrt_events.c ---------------------------------------------------------------------------- */

/* A new event file for TensorBoard in a folder, which is made with those above it. */
int nnrt_events_open(FILE **, const char *dir, nnrt_fault *);
/* One record: n bytes in TFRecord's frame. */
void nnrt_events_record(FILE *, const void *data, size_t n);
/* A number, or how numbers are distributed (nothing where one is not finite), of `folder` and `tag` at a step. The
 * stream's error flag says whether it arrived. */
void nnrt_events_scalar(FILE *, const char *folder, const char *tag, int64_t step, double value);
void nnrt_events_histogram(FILE *, const char *folder, const char *tag, int64_t step, int64_t n,
                           const float *values);

/* --- nnrt_train_samples.c: `train --samples` --------------------------------------------------- */

/* Opens --samples where it is given, or for --report; data and weights are there. */
int nnrt_showing_open(nnrt_training *);
void nnrt_showing_close(nnrt_training *);
/* Draws, where this step has not been drawn; where that is due after a step, or after an epoch. */
int nnrt_showing_now(nnrt_training *);
int nnrt_showing_due(nnrt_training *, int epoch_ended);
/* The section of the report: the first pictures, some half way, the last. */
void nnrt_showing_report(FILE *, const nnrt_training *);

/* --- nnrt_report.c: `train --report` ---------------------------------------------------------- */

/* Keeps what the page needs of the start, where --report is given; the epoch at hand; writes the page, once
 * weights are saved: m's weights are then those of the best epoch where that is saved, and change while
 * kernels are timed. */
int nnrt_report_open(nnrt_training *);
void nnrt_report_epoch(nnrt_training *, double lr);
int nnrt_report_write(nnrt_training *);
void nnrt_report_close(nnrt_training *);

#endif
