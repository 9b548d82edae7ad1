/* SPDX-License-Identifier: MIT */
/* nnrt_report.h: what the files of `train --report` share; private to the runtime. */
#ifndef NNRT_REPORT_H
#define NNRT_REPORT_H

#include "nnrt_page.h"
#include "nnrt_training.h"

/* How an output answers a target. */
typedef enum {
    NNRT_PAIR_NONE,
    NNRT_PAIR_CLASS,  /* a score a class, at each place; the largest is the answer */
    NNRT_PAIR_BINARY, /* one number a place for class 1 of two */
    NNRT_PAIR_NUMBERS /* as many numbers as the target has */
} nnrt_pair_kind;

/* An output and the input that says what it should be. Score of class c at place p: c * class_step + p * place_step. */
typedef struct nnrt_pair {
    nnrt_pair_kind kind;
    int output, target;
    int seen; /* the target is what the network sees: an autoencoder, whose scale may be another */
    int64_t classes, places, class_step, place_step;
} nnrt_pair;

/* What was made of a sample. */
typedef struct nnrt_guess {
    int64_t row;  /* of the set */
    double error; /* share of places that are wrong; of numbers: root of the mean square, or, where
                          the target is seen, 1 - their correlation */
    double sure;  /* probability of the answer; of several places their mean */
    int32_t is, taken; /* classes, at the first place that counts */
} nnrt_guess;

enum {
    NNRT_JUDGED_ROWS = 100000,    /* samples of a validation set that are looked at, at most */
    NNRT_JUDGED_TRAINING = 10000, /* of a training set */
    NNRT_JUDGED_CLASSES = 512,    /* classes of which pairs are counted, at most */
    NNRT_JUDGED_POINTS = 1500     /* numbers that are drawn against what they should be */
};

/* A set, as the weights of an instance answer it. */
typedef struct nnrt_judged {
    const nnrt_training *t;
    const char *set; /* "validation", "training" */
    const nnrt_dataset *data;
    nnrt_rows rows; /* of these, those looked at; the array is another's */
    nnrt_pair pair;
    int unit;           /* binary: all answers lie in [0, 1], so 0.5 divides; else 0 */
    nnrt_guess *guess;  /* one a row, those that are most wrong first */
    int64_t *confusion; /* [classes][classes], or NULL */
    char **names;       /* of the classes, or NULL */
    double *x, *y;      /* numbers: what they should be, what they are */
    int64_t points;
    float **out; /* of a batch, one an output */
} nnrt_judged;

/* --- nnrt_report_judge.c */

/* Takes the validation set, else the training set. pair.kind NNRT_PAIR_NONE where no output answers an input. */
int nnrt_judge(nnrt_judged *, nnrt_training *);
void nnrt_judged_free(nnrt_judged *);
/* The answer and its probability at a place, of a sample's output. */
int32_t nnrt_judged_answer(const nnrt_judged *, const float *out, int64_t place, double *sure);
/* The target at a place of sample i of the batch at hand; -1: it does not count. */
int32_t nnrt_judged_target(const nnrt_judged *, int i, int64_t place);
/* What the tokens of an input are read with: its own vocabulary, or that of an input with as many tokens; NULL: none.
 * Closed by the model's prompting. */
void *nnrt_report_vocabulary(const nnrt_training *, int input);
/* An input's number. */
double nnrt_feed_number(const nnrt_feed *, int input, int64_t at);

/* --- nnrt_report_samples.c */

/* The section of samples: the most wrong first, then some that are right. */
void nnrt_report_samples(FILE *, const nnrt_judged *);

/* --- nnrt_report_plan.c */

/* Histograms of weights; `first`: what vars were at the start. */
void nnrt_report_weights(FILE *, const nnrt_training *, const unsigned char *first);
void nnrt_report_memory(FILE *, const nnrt_model *);
/* Takes training steps, which change the weights. */
int nnrt_report_kernels(FILE *, nnrt_training *);

#endif
