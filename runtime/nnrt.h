/* SPDX-License-Identifier: MIT */
/* nnrt.h: what an emitted model and the runtime owe each other.
 *
 * An emitted file holds one `nnrt_model`, a constant table that says everything of the network that
 * is not a kernel: its inputs, outputs, weights and where they lie, how it is trained and on what.
 * The runtime reads that table; it never sees a graph. Three layers, each linked only if called:
 *
 *   nnrt_core.c         initialisation, get, set; with nnrt_load.c weights from memory: no file, no
 *                       heap
 *   nnrt_weights.c      weights to and from safetensors files
 *   nnrt_main.c, ...    the sub-commands of a program: train, eval, predict, ...
 */
#ifndef NNRT_H
#define NNRT_H

#include <stddef.h>
#include <stdint.h>

#include "nnrt_source.h"

#define NNRT_ABI 13         /* emitted files check it: raise it when a struct below changes */
#define NNRT_ALIGN 64       /* bytes: every buffer in an arena begins at a multiple of it */
#define NNRT_RANK 8         /* most axes of a tensor */
#define NNRT_ERROR_SIZE 512 /* bytes of an error text, its end included */

/* Exit statuses, and what runtime functions return when they fail. */
enum {
    NNRT_OK = 0,
    NNRT_BAD_CONTENT = 1, /* a data or weights file holds something wrong */
    NNRT_BAD_CALL = 2,    /* the call is wrong */
    NNRT_BAD_FILE = 3,    /* a file cannot be opened, read or written */
    NNRT_NO_MEMORY = 4,   /* no memory, or over a stated limit */
    NNRT_NOT_FINITE = 5,  /* a NaN or infinity arose in computation */
    NNRT_BUG = 70,        /* a bug of ours */
    NNRT_INTERRUPTED = 130
};

typedef enum { NNRT_F32, NNRT_I32, NNRT_U8 } nnrt_dtype;

/* How training images are changed at random. The first four, where they follow each other, are one
 * map, sampled bilinearly once; what comes in from outside the image is 0. */
typedef enum {
    NNRT_AUGMENT_ROTATE,        /* low..high degrees, counter-clockwise, about the centre */
    NNRT_AUGMENT_SCALE,         /* times low..high, from the centre */
    NNRT_AUGMENT_TRANSLATE,     /* low..high of the width, and of the height */
    NNRT_AUGMENT_SHEAR,         /* low..high degrees, along the rows */
    NNRT_AUGMENT_CROP,          /* padded by `high` pixels of 0, cropped at a random place */
    NNRT_AUGMENT_FLIP,          /* left to right, with probability `high` */
    NNRT_AUGMENT_FLIP_VERTICAL, /* upside down, with probability `high` */
    NNRT_AUGMENT_BRIGHTNESS,    /* times low..high */
    NNRT_AUGMENT_CONTRAST,      /* the same about the image's mean */
    NNRT_AUGMENT_NOISE,         /* normal, of standard deviation `high` */
    NNRT_AUGMENT_CUTOUT,        /* a square of side `high`, its centre in the image, to `fill` */
    NNRT_AUGMENT_TIME_MASK,     /* 0 .. `high` rows anywhere, to `fill` (SpecAugment) */
    NNRT_AUGMENT_FREQ_MASK,     /* the same of columns */
    NNRT_AUGMENT_ELASTIC        /* smoothed over `low` pixels, times `high` (Simard 2003) */
} nnrt_augment_kind;

/* One random change of an image. low..high: uniform between them. */
typedef struct nnrt_augment {
    nnrt_augment_kind kind;
    double low, high;
    int n_fill; /* 0: fill with 0; 1: with one number; else with one a channel */
    const float *fill;
} nnrt_augment;

/* An input or an output of the network. Shapes leave the batch out. */
typedef struct nnrt_value {
    const char *name;
    nnrt_dtype dtype;
    int rank;
    int64_t dim[NNRT_RANK];
    int64_t count;   /* numbers a sample: the product of dim */
    int64_t classes; /* > 0: integers 0 .. classes-1 (a class index or a token) */
    int has_ignore;  /* inputs with classes: `ignore` is allowed as well */
    int64_t ignore;
    int in_predict;   /* inputs: some output depends on it, so `predict` takes it */
    uint32_t outputs; /* inputs: bit i is set where output i depends on it (the first 32) */
    int in_sample;    /* inputs: the same of samples, and of `sample` */
    uint32_t samples;
    double low, high; /* samples: no number is outside; equal: not known */
    /* Inputs of shape [C, H, W] or [H, W], f32 or u8: what `train` does to the images of a batch
     * before the network sees them, in order. */
    int n_augment;
    const nnrt_augment *augment;
    /* Inputs: 1 + the input whose images it goes along with, turned, moved, cut and flipped as they are: a mask, or
     * boxes [M, 5] of class, x0, y0, x1, y1 in pixels, which are dropped where less than `visible` of one is left. */
    int along, is_boxes;
    double visible;
    int labels; /* outputs: labels, of ctc_decode, up to the first below 0 */
    int may_miss; /* inputs: a value may be NaN, which an `impute` replaces */
} nnrt_value;

typedef enum {
    NNRT_WEIGHT, /* trained; in weights files */
    NNRT_BUFFER, /* not trained (frozen, running statistics); in weights files */
    NNRT_STATE   /* of the optimiser, or carried from batch to batch; in checkpoints only */
} nnrt_var_kind;

typedef enum {
    NNRT_INIT_CONSTANT,         /* a */
    NNRT_INIT_UNIFORM,          /* in [a, b) */
    NNRT_INIT_NORMAL,           /* mean a, standard deviation b */
    NNRT_INIT_TRUNCATED_NORMAL, /* the same, redrawn outside a +- 2 b */
    NNRT_INIT_ORTHOGONAL        /* gain a, of the matrix [dim 0, all the rest] */
} nnrt_init_kind;

/* A tensor that outlives a step. Always f32. */
typedef struct nnrt_var {
    const char *name; /* as PyTorch's state_dict has it: fc1.weight */
    nnrt_var_kind kind;
    int rank;
    int64_t dim[NNRT_RANK]; /* as saved */
    int64_t count;          /* the product of dim */
    size_t offset;          /* bytes from the start of `vars`, a multiple of NNRT_ALIGN */
    int perm[NNRT_RANK];    /* kept order: kept axis i is axis perm[i] of the view */
    nnrt_init_kind init;
    double a, b;            /* parameters of init */
    int view_rank;          /* the saved shape, axes cut in parts that perm counts; 0: as saved */
    int64_t view[NNRT_RANK];
} nnrt_var;

/* The saved axes as perm counts them, lengths to dim: how many. */
static inline int nnrt_var_axes(const nnrt_var *v, int64_t dim[NNRT_RANK])
{
    int n = v->view_rank ? v->view_rank : v->rank;
    for (int i = 0; i < n; i++)
        dim[i] = v->view_rank ? v->view[i] : v->dim[i];
    return n;
}

/* How the sums that `eval` gathers over a set become a metric. */
typedef enum {
    NNRT_METRIC_MEAN,      /* s0 / s1 */
    NNRT_METRIC_ROOT_MEAN, /* sqrt(s0 / s1) */
    NNRT_METRIC_R2,        /* s0 = sum (t-p)^2, s1 = sum t, s2 = sum t^2, s3 = count */
    /* Of kept scores, and targets 0 or 1, or classes, -1: not counted: */
    NNRT_METRIC_AUC,              /* area under the ROC curve */
    NNRT_METRIC_AVERAGE_PRECISION, /* sum (R_n - R_n-1) P_n */
    /* Of targets of each class (of the class 1 alone, where there are no classes): right ones, those taken for it,
     * those that have it; then of all: */
    NNRT_METRIC_PRECISION,
    NNRT_METRIC_RECALL,
    NNRT_METRIC_F1,
    NNRT_METRIC_SPECIFICITY,
    NNRT_METRIC_IOU,
    NNRT_METRIC_BALANCED_ACCURACY,
    NNRT_METRIC_MCC,
    NNRT_METRIC_ECE,       /* of each bin: targets, sum of confidences, right ones */
    NNRT_METRIC_PERPLEXITY, /* exp(s0 / s1) */
    NNRT_METRIC_DETECTIONS  /* of kept detections and boxes: mean average precision */
} nnrt_finish;

/* How the figures of classes become one. */
typedef enum {
    NNRT_MACRO,   /* the mean over classes that some target has or is taken for */
    NNRT_MICRO,   /* of the classes' counts together */
    NNRT_WEIGHTED /* the mean weighted by how many targets have the class */
} nnrt_average;

typedef struct nnrt_metric {
    const char *name;
    nnrt_finish finish;
    int n_sums;
    int larger;      /* larger is better */
    int kept;        /* the first of what it keeps of each sample, in the model's list */
    int n_kept;      /* 0: nothing */
    int report;      /* it keeps them for a report alone, not for its figure */
    int64_t classes; /* scores a target; 0: one */
    int scores;      /* what it keeps are scores, and then targets */
    int logits;      /* scores of classes are not probabilities */
    nnrt_average average;
    int64_t one_class; /* 1 more than the class that is meant; 0: all */
    int target;        /* 1 more than the input that the targets come from; 0: computed */
    double threshold;  /* of detections: the overlap from which a box is found */
} nnrt_metric;

typedef enum {
    NNRT_SCHEDULE_CONSTANT,
    NNRT_SCHEDULE_STEP,        /* times gamma every `every` steps */
    NNRT_SCHEDULE_EXPONENTIAL, /* times gamma each step (or epoch, see in_epochs) */
    NNRT_SCHEDULE_COSINE,      /* half a cosine from the base rate to `to` over the horizon */
    NNRT_SCHEDULE_LINEAR,       /* a line from the base rate to `to` over the horizon */
    NNRT_SCHEDULE_MULTISTEP,    /* times gamma at each milestone */
    NNRT_SCHEDULE_POLYNOMIAL,   /* from the base rate to `to`, what is left of the horizon to a power */
    NNRT_SCHEDULE_INVERSE_SQRT, /* as 1 / sqrt(step), the base rate where the warmup ends */
    NNRT_SCHEDULE_ONE_CYCLE,    /* half a cosine up to the base rate, another down, over the horizon */
    NNRT_SCHEDULE_PLATEAU       /* `train` multiplies the base rate by gamma where a figure stands still */
} nnrt_schedule_kind;

enum { NNRT_MILESTONES_MAX = 32 };

typedef struct nnrt_schedule {
    nnrt_schedule_kind kind;
    double gamma, to;    /* `to` is a rate */
    double every;        /* steps, or epochs */
    double warmup;       /* steps, or epochs: a line from 0 to the base rate, first */
    int every_in_epochs; /* `every` (exponential: its one step; milestones) counts epochs */
    int warmup_in_epochs;
    double power;                    /* polynomial */
    double restarts;                 /* cosine: the horizon has so many cosines more than one */
    double rise;                     /* one_cycle: the share of the horizon that the rate rises */
    double start_factor, end_factor; /* one_cycle: first rate = base / start, last = first / end */
    double milestone[NNRT_MILESTONES_MAX]; /* multistep: in order; steps, or epochs */
    int n_milestones;
    const char *monitor; /* plateau: val_loss, ... */
    int64_t patience;    /* epochs */
    double threshold;    /* a figure is better than the best by more than this share of it */
    int mode;            /* -1 smaller is better, +1 larger, 0 as the metric's row says */
} nnrt_schedule;

/* How a program reads text, sound or images: linked only into programs whose model names it. */
typedef struct nnrt_reader nnrt_reader;
/* Names and values that weights files hold beside the weights: vocabularies. */
typedef struct nnrt_meta nnrt_meta;
/* Texts of a column of csv, and where their class indices go: linked only where a column may hold categories. */
typedef struct nnrt_categories nnrt_categories;

/* One of several who share a step, each with weights of its own to update. */
typedef struct nnrt_player {
    const char *loss;
    int64_t every; /* steps between its turns */
    double factor; /* its rate, as a multiple of the first player's */
    nnrt_schedule schedule;
} nnrt_player;

typedef struct nnrt_train {
    int64_t epochs, steps; /* the model file's; 0: not given */
    uint64_t seed;
    int shuffle;
    int batchify;   /* row i of a batch continues row i of the one before */
    int accumulate; /* calls of train_step an optimiser step */
    double lr;      /* base rate; of players: the first one's, whose schedule stands here, too */
    nnrt_schedule schedule;
    int n_players;
    const nnrt_player *players; /* or NULL */
    double validation_split;  /* share of data.train kept for validation; 0: none */
    int64_t checkpoint_every; /* steps; 0: never (unless --checkpoint: each epoch) */
    int checkpoint_every_in_epochs;
    int checkpoint_keep;         /* earlier ones kept beside it as PATH.1, PATH.2, ... */
    const char *checkpoint_path; /* or NULL */
    const char *stop_monitor;    /* early stopping: val_loss, ..., or NULL */
    int64_t stop_patience;       /* epochs */
    double stop_min_delta;
    int stop_mode; /* -1 smaller is better, +1 larger, 0 as the metric's row says */
    int stop_restore_best;
    const char *best_monitor; /* the figure whose best has a checkpoint of its own, or NULL */
    int best_mode;            /* as stop_mode */
    double mixup; /* > 0: images are mixed in pairs, by a share drawn of Beta(mixup, mixup) a batch */
    int mixup_input;
    int averages; /* of each weight that is trained there is a STATE var ema.NAME, kept in its order */
} nnrt_train;

typedef struct nnrt_instance nnrt_instance;

/* How a model of sequences is continued: its two functions, and what a call may leave out. */
typedef struct nnrt_generation {
    int input;               /* the tokens */
    int64_t classes, length; /* tokens there are; positions there may be, 0: any number */
    int64_t chunk;           /* positions of a call of prefill, at most 64; 0: there is none */
    size_t cache_at, cache_bytes; /* from where scratch begins; behind it 8 bytes a token */
    int64_t tokens, top_k;        /* defaults of the program */
    double temperature, top_p;
    uint64_t seed;
    int64_t start, end; /* the prompt where there is none, and after which nothing follows; -1 */
    int64_t beam, room; /* sequences that a search follows at most, each with its caches; tokens of one; 0: none */
    double length_penalty;
    const unsigned char *needs; /* one an input: whether encode reads it; NULL: there is no encode */
    /* Reads one sample of the other inputs: 0, or -1 and m->error. */
    int (*encode)(nnrt_instance *, const void *const *in);
    /* The scores of what follows the token that is number `last` of `chunk` ones, or the one token; `at`: how many
     * positions there are before. */
    void (*prefill)(nnrt_instance *, const int32_t *, int64_t at, int last, float *scores);
    void (*step)(nnrt_instance *, const int32_t *, int64_t at, float *scores);
} nnrt_generation;

/* What is fitted on training data before the first step, and how. */
typedef enum {
    NNRT_FIT_STANDARDIZE, /* mean and standard deviation (of n) of each feature */
    NNRT_FIT_MEAN,        /* the mean of each feature */
    NNRT_FIT_MEDIAN,      /* the median of each feature */
    NNRT_FIT_PCA          /* principal components, means, variances (of n - 1) along the first */
} nnrt_fit_kind;

/* A layer that is fitted. A sample of what it reads is `count` numbers, in which runs of `inner` numbers of each
 * of `features` features follow one another. */
typedef struct nnrt_fit_layer {
    nnrt_fit_kind kind;
    const char *name;
    int64_t count, features, inner;
    int var[3]; /* indices of vars: mean, std; value; components, mean, explained_variance */
    double eps; /* standardize: a deviation up to here is that of a constant, and 1 */
} nnrt_fit_layer;

typedef struct nnrt_fitting {
    int n;
    const nnrt_fit_layer *layers; /* each sees what those before it give */
    /* What each layer reads, of n samples: out[i], that of layer i. */
    void (*values)(nnrt_instance *, int n, const void *const *in, float *const *out);
} nnrt_fitting;

/* How a token is chosen of the scores: by its probability at `temperature`, 0: the likeliest; of the top_k
 * likeliest, 0: of all; of the fewest whose probabilities come to top_p. `end`: nothing follows it; -1: none. */
typedef struct nnrt_sampling {
    double temperature, top_p;
    int64_t top_k;
    uint64_t seed;
    int64_t end;
} nnrt_sampling;

#define NNRT_BEAM_MAX 64

/* How many sequences a beam search follows, what their lengths count, and the token that ends one, or -1. */
typedef struct nnrt_search {
    int64_t beam;
    double length_penalty;
    int64_t end;
} nnrt_search;

/* A kernel of a program: what a call of it costs with a full batch. */
typedef struct nnrt_kernel {
    const char *name;
    double flops, bytes;             /* computed; read and written */
    double fixed_flops, fixed_bytes; /* of these, what a batch of any size takes */
} nnrt_kernel;

typedef enum { /* emitted as numbers */
    NNRT_PLACE_FORWARD,
    NNRT_PLACE_LOSS,
    NNRT_PLACE_BACKWARD,
    NNRT_PLACE_UPDATE
} nnrt_place_role;

/* What a kernel of a training step stores, in the order of the calls: a layer's output, its gradient, a weight. */
typedef struct nnrt_place {
    const char *name;
    nnrt_place_role role;
    int line, column; /* in the model file */
    int64_t times;    /* > 0: here a loop begins that runs so often; < 0: here it ends */
} nnrt_place;

/* What is found where kernels have stored; see nnrt_train_why.c. */
typedef struct nnrt_looks {
    int64_t n, room; /* looks of the call at hand so far, and room for */
    unsigned char *found;
} nnrt_looks;

/* Where `bench --profile` sums the time of each kernel, by its index in the model's table. */
typedef struct nnrt_profile {
    double *seconds;
    int64_t *calls;
    double last; /* seconds: when the last kernel was done */
    double cost; /* seconds: what noting takes by itself */
    nnrt_looks *looks; /* NULL: nothing is looked at */
} nnrt_profile;

/* A buffer of a training step: where it lies in scratch, and the first and last call of a kernel that it lives in. */
typedef struct nnrt_block {
    const char *name;
    int64_t offset, bytes;
    int first, last;
} nnrt_block;

/* What a program tells people of its training, beside the numbers that it trains with. */
typedef struct nnrt_about {
    int n_settings;
    const char *const (*settings)[2]; /* name and value: the optimiser and such */
    int n_blocks, n_calls;
    const nnrt_block *blocks;
    const char *const *calls; /* the kernels of a step, in order */
    int64_t scratch_bytes;
} nnrt_about;
/* What function attribute gives of a sample, in the order of its outputs: SCORES first. */
typedef enum {
    NNRT_ATTRIBUTION_SCORES, /* of the first output, before a softmax or sigmoid that it ends in */
    NNRT_ATTRIBUTION_INPUT,  /* the gradient of the chosen score by an input of numbers */
    NNRT_ATTRIBUTION_TOKENS, /* by tokens: that by the row which a token takes, times the row, summed */
    NNRT_ATTRIBUTION_NORMS,  /* by tokens: its length */
    NNRT_ATTRIBUTION_LAYER   /* Grad-CAM's map of a layer */
} nnrt_attribution_kind;

typedef struct nnrt_attribution {
    nnrt_attribution_kind kind;
    int input;         /* -1: none */
    const char *layer; /* or NULL */
    int by_default;    /* of the layers: the one that is taken where none is named */
    int rank;          /* without the batch */
    int64_t dim[NNRT_RANK];
    int64_t count;
} nnrt_attribution;

/* Everything the runtime knows of a model. `in` and `out` hold one pointer an input or output, in
 * the order of the tables; inputs that a call does not need are not read. */
typedef struct nnrt_model {
    int abi;
    const char *name;     /* mnist */
    const char *source;   /* mnist.yaml, as given */
    const char *target;   /* x86-64-v3 */
    const char *version;  /* nncc 0.1.0 */
    const char *digest;   /* SHA-256 of the model file, in hex */
    int batch;            /* most samples in one call */
    size_t size;          /* bytes of an instance */
    size_t vars_bytes;    /* of them, weights and optimiser state */
    size_t arena_bytes;   /* vars and scratch */
    size_t carried_at, carried_bytes; /* of vars, what is carried from batch to batch; 0: nothing is */
    double flops_predict; /* a sample */
    double flops_train;   /* a sample and step */
    int n_inputs, n_outputs, n_vars, n_metrics, n_sums;
    const nnrt_value *inputs, *outputs;
    const nnrt_var *vars;
    const nnrt_metric *metrics;
    nnrt_train train;
    nnrt_source data_train, data_validation, data_test;

    nnrt_instance *(*init)(void *memory, uint64_t seed);
    int (*predict)(nnrt_instance *, int n, const void *const *in, float *const *out);
    /* NULL in a model made with --no-train, or without a loss: */
    float (*train_step)(nnrt_instance *, int n, const void *const *in);
    /* loss of the batch; adds the batch's metric sums to sums[n_sums] */
    float (*eval)(nnrt_instance *, int n, const void *const *in, double *sums);
    /* loss of the batch as a training step has it; grads: vars of kind WEIGHT and then f32 inputs
     * (full batch rows, of which n are written), in saved order, one after the other. */
    float (*grad)(nnrt_instance *, int n, const void *const *in, float *grads);
    const char *flags; /* the C compiler and its flags, for `info`; NULL: not known */
    /* Of a program, NULL otherwise: predict and train_step with each kernel's time noted. */
    int n_kernels;
    const nnrt_kernel *kernels;
    int (*predict_noted)(nnrt_instance *, int n, const void *const *in, float *const *out,
                         nnrt_profile *);
    float (*train_step_noted)(nnrt_instance *, int n, const void *const *in, nnrt_profile *);
    const nnrt_place *places[2]; /* what train_step_noted stores, and a call of it that only accumulates */
    int n_places[2];
    const nnrt_reader *text, *sound; /* of a program whose data is text, sound; else NULL */
    const nnrt_generation *generation; /* of a model that can be continued; else NULL */
    int (*categories)(const nnrt_categories *, double *to); /* of a program that reads classes from csv; else NULL */
    const nnrt_fitting *fitting; /* of a program some of whose layers are fitted on training data; else NULL */
    int n_kept;          /* kinds of numbers that metrics keep of each sample */
    const int64_t *kept; /* how many of a sample */
    const nnrt_about *about; /* of a program that trains; else NULL */
    /* Gradients of score `chosen` of each sample; out: one an attribution. 0, or -1 and m->error. NULL: none. */
    int (*attribute)(nnrt_instance *, int n, const void *const *in, int chosen, float *const *out);
    int n_attributions;
    const nnrt_attribution *attributions;
    const nnrt_reader *images;         /* of a program whose data is images; else NULL */
    /* Draws n samples; out: one a sample of the model. 0, or -1 and m->error. NULL: the model says none. */
    int (*sample)(nnrt_instance *, int n, const void *const *in, uint64_t seed, float *const *out);
    int n_samples;
    const nnrt_value *samples;
} nnrt_model;

/* The head of every instance; the arena follows it. */
/* What an instance knows of other programs on its cores: nnrt_company.h. */
typedef struct nnrt_company {
    int left_out, members;  /* threads that stay out of its teams; of the call that is timed */
    int phase, other;       /* what is tried, and with how many left out */
    int what, calls, slept; /* the calls that are timed; in how many a thread slept */
    double start, cpu_start, spent, cpu; /* seconds, of the clock and of the processors: of a call; so far */
    double mean;                         /* of a call of the team as it is */
    double until;                        /* nothing is tried before */
} nnrt_company;

struct nnrt_instance {
    const nnrt_model *model;
    unsigned char *vars; /* weights and optimiser state: its own, or a fork's owner's */
    unsigned char *scratch;
    uint64_t seed;
    int64_t step;        /* optimiser steps taken: the schedule's and Adam's clock */
    int64_t calls;       /* train_step calls made: random numbers and accumulation count these */
    int64_t total_steps; /* the schedule's horizon; 0: unknown, the rate stays at the base rate */
    int64_t epoch_steps; /* optimiser steps an epoch, for schedules in epochs; 0: unknown */
    double lr;           /* base rate */
    double mix;          /* mixup: the share of the second of two samples in the batch at hand; 0: none are mixed */
    double *metric_sums; /* where train_step adds its metric sums, or NULL */
    /* One for each kind of numbers that metrics keep: where eval and train_step write those of the batch, or NULL; or
     * NULL: nowhere. */
    float *const *metric_kept;
    const nnrt_instance
        *owner;       /* whose weights it computes with: itself, or what it is a fork of */
    uint64_t changes; /* owner: how often weights have changed, from 1 */
    uint64_t
        kept; /* the owner's changes when predict last made what it keeps in scratch; 0: overwritten */
    int64_t position;      /* decoding: tokens that the caches have seen; 0: none */
    int32_t next;          /* the token that was chosen last */
    int waits;             /* and whether the caches have not seen it yet */
    int encoded;           /* whether encode has been called */
    int sequence;          /* of a beam search: whose caches step works on */
    const nnrt_meta *meta; /* what a program saves beside the weights, or NULL */
    nnrt_company company;
    char error[NNRT_ERROR_SIZE];
};

/* Whether predict must make anew what it keeps of the weights; it is then taken as made. */
static inline __attribute__((unused)) int nnrt_stale(nnrt_instance *m)
{
    int stale = m->kept != m->owner->changes;
    m->kept = m->owner->changes;
    return stale;
}

/* Hands out what metrics keep of the samples of a batch, `count` numbers of kind i. */
static inline __attribute__((unused)) void nnrt_keep(const nnrt_instance *m, int i,
                                                     const float *from, size_t count)
{
    if (m->metric_kept && m->metric_kept[i])
        __builtin_memcpy(m->metric_kept[i], from, count * sizeof *from);
}

/* --- nnrt_core.c ----------------------------------------------------------------------------- */

/* Lays an instance out in `memory` (m->size bytes, 64-byte aligned): head, zeroed vars, initial
 * weights drawn from `seed`, one stream of random numbers a weight (so a weight's values depend on
 * its index in the table and the seed alone). NULL: memory is NULL or misaligned. */
nnrt_instance *nnrt_init(const nnrt_model *m, void *memory, uint64_t seed);
/* The same with vars that are all 0, for weights that are loaded next. */
nnrt_instance *nnrt_blank(const nnrt_model *m, void *memory, uint64_t seed);
/* Draws the initial values of every var again. */
void nnrt_init_vars(nnrt_instance *, uint64_t seed);
/* What is carried from batch to batch, 0 again: before the first batch of an epoch, or of a set. */
void nnrt_reset(nnrt_instance *);
/* An instance in `memory` that predicts with owner's weights. */
nnrt_instance *nnrt_fork(void *memory, const nnrt_instance *owner);
/* Copies a weight out, or in, in saved order. -1: no such weight. */
int nnrt_get(const nnrt_instance *, const char *name, float *out);
int nnrt_set(nnrt_instance *, const char *name, const float *in);
/* The same by index in the table, any kind of var. */
void nnrt_var_read(const nnrt_instance *, int var, float *out);
void nnrt_var_write(nnrt_instance *, int var, const float *in);
/* Whether some of `count` tokens is not from 0 to below - 1; m->error then says why (less than
 * NNRT_ERROR_SIZE bytes). */
int nnrt_refuses_tokens(nnrt_instance *, const int32_t *token, size_t count, int64_t below,
                        const char *why);
/* Lists which of n positions have the same row: head[] leads to the first position of a row, next[] to
 * the one after, -1 ends; ascending. With a slot a row, head[r] is row r's. With fewer, a power of two
 * and at least 2 n, they are a hash table; `occurs` (may be NULL) gets the slots that are in use. Gives
 * how many rows occur. */
int nnrt_list_rows(int n, const int32_t *row, int64_t rows, int64_t slots, int32_t *head,
                   int32_t *next, int32_t *occurs);
/* Weights from the bytes of a safetensors file (F32, F16, BF16, F64), strictly checked before
 * anything is changed: 0, or a status, and m->error says what and where. After 0, m->error names
 * the tensors that the model does not use, or is empty. (nnrt_load.c) */
int nnrt_load_memory(nnrt_instance *, const void *bytes, size_t size);
/* The same of what fits by name and shape: other weights stay as they are, and m->error names them. NNRT_BAD_CONTENT
 * where nothing fits. */
int nnrt_load_memory_partly(nnrt_instance *, const void *bytes, size_t size);
/* The learning rate of the next step: base rate, schedule, horizon (PyTorch's formulas). */
double nnrt_lr(const nnrt_schedule *, double base, int64_t step, int64_t total,
               int64_t epoch_steps);
/* The same of player `i` of an instance, at the step that it is in. */
double nnrt_player_lr(const nnrt_instance *, int i);

/* --- nnrt_decode.c --------------------------------------------------------------------------- */

/* Forgets what was decoded before, and reads one sample of the other inputs (`in`, by their numbers; NULL: what was
 * read last) and a prompt (of none: the start token). 0, or -1: m->error says what is wrong. */
int nnrt_decode_begin(nnrt_instance *, const void *const *in, int64_t n, const int32_t *prompt);
/* The next token, or -1. Which it is depends on the weights, the tokens before and `how` alone. */
int32_t nnrt_decode_next(nnrt_instance *, const nnrt_sampling *how);
/* Both: reads the prompt (none, and no inputs: goes on after the last call) and makes n tokens, fewer where the end
 * comes, which is not written: how many, or -1. */
int nnrt_generate(nnrt_instance *, const void *const *in, int n_prompt, const int32_t *prompt,
                  int n, int32_t *tokens, const nnrt_sampling *how);
/* The scores of the next token; a token that is read, which must fit. */
float *nnrt_decode_scores(const nnrt_instance *);
void nnrt_decode_read(nnrt_instance *, int32_t token);
/* 0, or -1 where the scores are not all finite. */
int nnrt_decode_finite(nnrt_instance *);

/* --- nnrt_beam.c ----------------------------------------------------------------------------- */

/* Reads inputs and prompt as nnrt_decode_begin does, and writes the best tokens that a beam search finds, n at most,
 * without the end: how many, or -1. */
int nnrt_beam(nnrt_instance *, const void *const *in, int n_prompt, const int32_t *prompt, int n,
              int32_t *tokens, const nnrt_search *how);

/* --- nnrt_weights.c -------------------------------------------------------------------------- */

/* Weights (WEIGHT and BUFFER vars) to and from a safetensors file. 0, or a status; m->error says.
 * Written beside, synced, renamed into place: the old file or the new one, never a part. */
int nnrt_save(const nnrt_instance *, const char *path);
int nnrt_load(nnrt_instance *, const char *path);
int nnrt_load_partly(nnrt_instance *, const char *path); /* as nnrt_load_memory_partly */
/* An instance on the heap; one with weights of 0. NULL: no memory. */
nnrt_instance *nnrt_new(const nnrt_model *, uint64_t seed);
nnrt_instance *nnrt_new_blank(const nnrt_model *, uint64_t seed);
void nnrt_free(nnrt_instance *);

/* --- nnrt_main.c ----------------------------------------------------------------------------- */

/* The program: sub-commands train, eval, predict, generate, grad, attribute, init, bench, info. Gives the exit status.
 */
int nnrt_main(int argc, char **argv, const nnrt_model *m);
/* Adds the time since the last call to that of a kernel; of index -1: to none. (nnrt_profile.c) */
void nnrt_note(nnrt_profile *, int kernel);
/* Looks at n numbers that a kernel has stored. (nnrt_train_why.c) */
void nnrt_look(nnrt_looks *, const float *at, int64_t n);

/* --- nnrt_categories.c ------------------------------------------------------------------------ */

/* to[i * step] = the class index of row i's text; a status where that is not known. */
int nnrt_categories_find(const nnrt_categories *, double *to);

/* --- nnrt_text.c, nnrt_sound.c, nnrt_images.c -------------------------------------------------- */

extern const nnrt_reader nnrt_text_reader, nnrt_sound_reader, nnrt_images_reader;

#endif
