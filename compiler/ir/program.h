/* SPDX-License-Identifier: MIT */
/* program.h: what the model file says, checked: inputs, outputs, metrics, training, data. Part of ir.h, which includes it
 * behind what it is made of.
 */
#ifndef NNCC_PROGRAM_H
#define NNCC_PROGRAM_H

/* As nnrt_augment_kind. */
typedef enum {
    AUGMENT_rotate,
    AUGMENT_scale,
    AUGMENT_translate,
    AUGMENT_shear,
    AUGMENT_crop,
    AUGMENT_flip,
    AUGMENT_flip_vertical,
    AUGMENT_brightness,
    AUGMENT_contrast,
    AUGMENT_noise,
    AUGMENT_cutout,
    AUGMENT_time_mask,
    AUGMENT_freq_mask,
    AUGMENT_elastic
} AugmentKind;

typedef struct Augment { /* the same fields as nnrt_augment */
    AugmentKind kind;
    double low, high;
    int n_fill;
    const double *fill;
} Augment;

typedef struct Input {
    const char *name;
    Loc loc;
    DType dtype;
    Shape shape;     /* batch first: [N, ...] */
    int64_t classes; /* > 0: class indices or tokens below it */
    bool has_ignore; /* a loss ignores targets of value `ignore` */
    int64_t ignore;
    bool looked_up;       /* its tokens choose rows of a table: functions refuse any other number */
    bool may_miss;        /* an `impute` reads it: a value may be NaN */
    VEC(Augment) augment; /* what training does to its images, before the network */
    int along;            /* 1 + the input whose images it is changed with */
    bool is_boxes;
    double visible; /* boxes: the share of one that must be left */
} Input;

/* One of `outputs:` or `sample:`. */
typedef struct Output {
    const char *name;
    Loc loc;
    Bounds bounds; /* sample: of its numbers, by what they are computed from */
} Output;

typedef VEC(Output) OutputList;

/* What function attribute gives of each sample. The same numbers as nnrt_attribution_kind. */
typedef enum {
    ATTRIBUTE_scores, /* of the first output, [N, K], before a softmax or sigmoid that it ends in */
    ATTRIBUTE_input,  /* the gradient of the chosen score by an input of numbers */
    ATTRIBUTE_tokens, /* by tokens: that by the row which a token takes, times the row, summed */
    ATTRIBUTE_norms,  /* by tokens: its length */
    ATTRIBUTE_layer   /* Grad-CAM's map of a layer */
} AttributeKind;

typedef struct Attribution {
    AttributeKind kind;
    const char *name; /* of the parameter that it is written to */
    int input;        /* index of Program.inputs, or -1 */
    const char *layer;
    bool by_default; /* of the layers: the one that is taken where none is named */
} Attribution;

typedef enum {
    FINISH_mean,
    FINISH_root_mean,
    FINISH_r2,
    FINISH_auc,
    FINISH_average_precision,
    FINISH_precision,
    FINISH_recall,
    FINISH_f1,
    FINISH_specificity,
    FINISH_iou,
    FINISH_balanced_accuracy,
    FINISH_mcc,
    FINISH_ece,
    FINISH_perplexity,
    FINISH_detections
} Finish; /* the same numbers as nnrt_finish */

typedef struct Metric {
    const char *name;
    Loc loc;
    Finish finish;
    int n_sums;
    bool larger;            /* larger is better */
    int first_kept, n_kept; /* of Program.kept */
    bool report;            /* they are kept for `eval --report` alone */
    int64_t classes;        /* numbers a target, or 0: one */
    bool scores;            /* what is kept are scores and targets */
    bool logits;            /* scores of classes are not probabilities */
    int average;            /* of classes: 0 macro, 1 micro, 2 weighted */
    int64_t one_class;      /* 1 more than the one that is meant; 0: all */
    double threshold;       /* of detections: the overlap from which a box is found */
    int loss;               /* 1 more than the one of Program.losses that it is; 0: none */
    int target;             /* 1 more than the input that the targets come from; 0: computed */
} Metric;

/* Numbers of every sample that metrics over a whole set are made of. */
typedef struct Kept {
    int64_t count; /* a sample */
} Kept;

enum { OPTIMIZER_ARGS = 8 };

typedef struct Optimizer {
    int kind;                   /* OPT_NAME of frontend/optimizers.def */
    double arg[OPTIMIZER_ARGS]; /* in the order of its row; lr first */
    Loc loc;
} Optimizer;

typedef enum {
    SCHEDULE_constant,
    SCHEDULE_step,
    SCHEDULE_exponential,
    SCHEDULE_cosine,
    SCHEDULE_linear,
    SCHEDULE_multistep,
    SCHEDULE_polynomial,
    SCHEDULE_inverse_sqrt,
    SCHEDULE_one_cycle,
    SCHEDULE_plateau
} ScheduleKind;

enum { MILESTONES_MAX = 32 }; /* of a schedule, as NNRT_MILESTONES_MAX */

typedef struct Schedule { /* the same numbers as nnrt_schedule */
    ScheduleKind kind;
    double gamma, to, every, warmup;
    bool every_in_epochs, warmup_in_epochs;
    double power, restarts, rise, start_factor, end_factor;
    double milestone[MILESTONES_MAX];
    int n_milestones;
    const char *monitor;
    int64_t patience;
    double threshold;
    int mode;
} Schedule;

/* One of several who share a step: it minimises a loss by updating some of the weights, those of the players before it
 * being new already. */
typedef struct Player {
    const char *loss; /* of Program.losses, or "loss" */
    Loc loc;
    int64_t every; /* its turn comes at every so many steps */
    Optimizer optimizer;
    Schedule schedule;
} Player;

enum { PLAYERS_MAX = 16, ROUNDS_MAX = 4 }; /* rounds: train and FN_round_1 to the last */

/* One of several losses by name: also a figure that is told by itself. */
typedef struct NamedLoss {
    const char *name;
    Loc loc;
} NamedLoss;

typedef struct Train {
    bool given; /* the file has a loss and a train key */
    Loc loc;
    int64_t batch;         /* default 32 */
    int64_t epochs, steps; /* 0: not given */
    uint64_t seed;
    bool shuffle;
    bool batchify; /* row i of a batch continues row i of the one before */
    int64_t accumulate;
    double clip_norm, clip_value; /* 0: none */
    bool averages;                /* an exponential moving average of each weight is kept */
    double ema_decay;
    int64_t ema_start; /* steps in which the average is the weight itself */
    Optimizer optimizer;
    Schedule schedule;
    double validation_split;
    int64_t checkpoint_every, checkpoint_keep;
    bool checkpoint_every_in_epochs;
    const char *checkpoint_path;
    const char *best_monitor; /* the figure whose best has a checkpoint of its own; NULL: none */
    int best_mode;
    const char *stop_monitor; /* early stopping; NULL: none */
    int64_t stop_patience;
    double stop_min_delta;
    int stop_mode;
    bool stop_restore_best;
} Train;

/* How a model of sequences is continued, token by token. */
typedef struct Generate {
    bool given;
    Loc loc;
    int input;       /* index of Program.inputs: the tokens so far */
    int64_t classes; /* tokens there are */
    int64_t length;  /* positions that the model was made for */
    bool
        bounded; /* no position past them can be decoded: something is stored, or known, a position */
    int64_t chunk;  /* positions of a call of prefill; 0: there is none */
    int64_t tokens; /* made by default */
    double temperature, top_p;
    int64_t top_k; /* 0: all */
    uint64_t seed;
    int64_t start,
        end; /* the token before the first, where there is no prompt, and that after the last; -1 */
    int64_t beam; /* sequences that a beam search follows at most; 1: there is none */
    double length_penalty;
} Generate;

typedef enum {
    SOURCE_none,
    SOURCE_idx,
    SOURCE_npy,
    SOURCE_npz,
    SOURCE_records,
    SOURCE_csv,
    SOURCE_synthetic,
    SOURCE_text,
    SOURCE_sound,
    SOURCE_images
} SourceKind;

/* As nnrt_tokens_kind. */
typedef enum { TOKENS_characters, TOKENS_bytes, TOKENS_words, TOKENS_bpe, TOKENS_file } TokensKind;

typedef VEC(const char *) SourceTexts;

typedef struct SourceColumn {
    int input; /* index of Program.inputs */
    const char *file;
    int64_t bytes;
    VEC(const char *) names;
    const char *of; /* text, sound: lengths of this input's samples */
    int64_t count;  /* csv: the same fields as nnrt_column */
    SourceTexts categories;
    bool has_unseen;
    int64_t unseen, offset;
    bool cut; /* images: a column of boxes; `file` is their table */
} SourceColumn;

typedef struct SourceWhere { /* csv: rows whose column holds one of these */
    const char *column;
    SourceTexts values;
} SourceWhere;

typedef struct SourceNegatives { /* as nnrt_negatives; inputs are indices of Program.inputs */
    int input, user, label;      /* label -1: none */
    int64_t count;
    uint64_t seed;
    const char *seen; /* or NULL */
} SourceNegatives;

enum { DELIMITER_BLANKS = 1 }; /* NNRT_BLANKS */

typedef struct TextForm { /* the same fields as nnrt_text */
    TokensKind tokens;
    const char *file;
    bool lowercase;
    int64_t stride;
    bool refuse_long, is_pairs;
} TextForm;

typedef struct SoundForm { /* the same fields as nnrt_sound */
    int64_t rate;
    bool is_mfcc;
    int64_t n_fft, hop, n_mels, n_mfcc;
    double f_min, f_max;
    bool refuse_long;
    struct Join { /* samples of several clips; samples 0: each clip is one */
        int64_t least, most, samples;
        uint64_t seed;
        double gap;
    } join;
} SoundForm;

/* As nnrt_resize. */
typedef enum { RESIZE_none, RESIZE_stretch, RESIZE_crop, RESIZE_pad } Resize;

typedef struct ImageForm { /* the same fields as nnrt_images */
    Resize resize;
    const char *masks;       /* folder, or NULL */
    VEC(const char *) where; /* a column's name, a value, and so on */
    const char *path;        /* of a list's images, with {}; or NULL */
} ImageForm;

typedef struct Source { /* the same fields as nnrt_source */
    SourceKind kind;
    Loc loc;
    const char *file, *generator;
    uint64_t seed;
    int64_t count;
    bool header;
    char delimiter;
    int64_t stride;              /* csv: > 0: windows of its rows, so far apart */
    int64_t rows_from, rows_end; /* idx, npy, npz, records: these samples alone; rows_end 0: all */
    VEC(SourceColumn) columns;
    SourceTexts missing; /* csv */
    VEC(SourceWhere) where;
    VEC(SourceNegatives) negatives;
    VEC(const char *) files; /* records, text: of several files; file is NULL */
    bool has_text, has_sound, has_images, is_folder;
    TextForm text;
    SoundForm sound;
    ImageForm images;
} Source;

/* As nnrt_fit_kind. */
typedef enum { FIT_standardize, FIT_mean, FIT_median, FIT_pca } FitKind;

enum { FIT_VARS = 3 };

/* A layer whose buffers are fitted on training data before the first step: of what it reads, [N, ...]. */
typedef struct Fit {
    FitKind kind;
    const char *name; /* of the layer */
    Loc loc;
    int axis;           /* of its features */
    Var *var[FIT_VARS]; /* mean, std; value; components, mean, explained_variance */
    double eps;         /* standardize: a deviation at or below it is that of a constant */
} Fit;

struct Program {
    Ctx *ctx;
    const char *name; /* model: */
    const char *file; /* as given */
    char digest[65];  /* SHA-256 of the file's bytes */
    VEC(Var *) vars;  /* add by program_var only */
    Map var_by_name;  /* program_find_var's */
    VEC(Input) inputs;
    OutputList outputs;
    OutputList samples; /* what function sample draws */
    VEC(Metric) metrics;
    VEC(Fit) fits;                 /* in the order of the layers */
    VEC(Attribution) attributions; /* in the order of the outputs of function attribute */
    int n_sums;                    /* metric sums in all */
    VEC(Kept) kept;                /* empty where `keeps` is false */
    bool keeps;                    /* for a program, which collects numbers of all samples */
    bool has_loss;
    double
        mixup; /* training mixes images in pairs, by shares of Beta(mixup, mixup); 0: it does not */
    int mixup_input;       /* which input: index of inputs */
    VEC(NamedLoss) losses; /* where there are several */
    VEC(Player) players;   /* in the order of their turns; none: one loss updates all weights */
    /* Which players have a turn in one step, a bit each, for each kind of step: all of them (train), then the
     * functions round_1 and on. */
    VEC(unsigned) rounds;
    Train train;
    Source data_train, data_validation, data_test;
    Generate generate;
    Graph *fn[FN_COUNT];         /* NULL: not emitted */
    const struct Target *target; /* targets/targets.h */
    bool exact;                  /* --exact */
    double
        stash; /* > 0: loops keep states at every stash * sqrt(length) steps, unless they say more */
    const char *template_dir; /* where matmul.c and its like are */
    bool unfused;             /* -O0, --no-pass=fuse: a kernel a node */
    double share_ops; /* work from which threads share a kernel; 0: what a barrier is worth */
    /* What products' plans are told (passes/choice.h); NULL: the cost model decides all. */
    struct ChoiceTable *choices;
    int64_t vars_bytes;                /* set by pass memory: of all variables but caches */
    int64_t cache_bytes, memory_bytes; /* the same: of caches, and of what encode makes */
    void *model;                       /* the frontend's own */
};

#endif
