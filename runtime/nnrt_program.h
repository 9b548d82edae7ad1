/* SPDX-License-Identifier: MIT */
/* nnrt_program.h: what the files of a model's program share; private to the runtime. */
#ifndef NNRT_PROGRAM_H
#define NNRT_PROGRAM_H

#include "nnrt_data.h"

/* --- nnrt_args.c: the command line ------------------------------------------------------------ */

/* Texts given with an option that may be repeated. Owned: the array, not the texts. */
typedef struct nnrt_list {
    int n;
    char **at;
} nnrt_list;

typedef struct nnrt_args {
    const char *command;           /* NULL: none was given */
    nnrt_list data, input, output; /* NAME=FILE */
    const char *data_dir, *weights, *out, *checkpoint, *resume, *log, *curves, *tensorboard,
        *report;
    int64_t epochs, steps, threads, batch, folds, fold; /* 0: not given */
    double lr, seconds;                                 /* lr < 0: not given */
    const char *prompt;
    const char *reference;
    const char *method, *chosen_class, *layer, *metric; /* attribute */
    nnrt_list baseline;
    int64_t repeats, samples;
    const char *drawn, *range; /* train: where samples go; sample, train: LOW,HIGH */
    int64_t draw_every, draw_every_epochs, count;
    int64_t tokens, top_k, beam; /* 0: not given */
    double temperature, top_p;   /* temperature < 0, top_p 0: not given */
    double length_penalty;       /* < 0: not given */
    uint64_t seed;
    int partial, find_lr, overfit_batch;
    int has_seed, no_shuffle, keep_going, refit, train, predict, decode, profile, details, json,
        help, version;
} nnrt_args;

/* Reads the command line: the sub-command's own options, --name=value or --name value, in any
 * order. NNRT_BAD_CALL and a sentence where it is wrong; an unknown name comes with the nearest. */
int nnrt_args_parse(nnrt_args *, int argc, char **argv, nnrt_fault *);
void nnrt_args_free(nnrt_args *);
/* Prints the help of a sub-command, or of the program where command is NULL. */
void nnrt_args_help(FILE *, const char *program, const char *command, const nnrt_model *);
/* The name among n that is nearest to `word`, or NULL where none is near. */
const char *nnrt_args_nearest(const char *word, int n, const char *const *names);

/* --- nnrt_progress.c: what a person sees while it trains -------------------------------------- */

/* A number to show: loss, a metric. */
typedef struct nnrt_figure {
    const char *prefix, *name; /* "val_", "loss" */
    double value;
} nnrt_figure;

typedef struct nnrt_progress {
    FILE *to;
    int live, color, utf8; /* redrawn in place; in colours; with a bar of UTF-8 */
    int64_t epoch, epochs, total,
        first;                         /* from 1; 0: not known; steps an epoch; done at the start */
    double started, drawn, validation; /* seconds, of a monotonic clock */
} nnrt_progress;

/* Looks at the stream and the environment: NO_COLOR, TERM, the locale. */
nnrt_progress nnrt_progress_on(FILE *);
void nnrt_progress_epoch(nnrt_progress *, int64_t epoch, int64_t epochs, int64_t total,
                         int64_t done);
/* Redraws, at most each 0.05 s. */
void nnrt_progress_step(nnrt_progress *, int64_t done, int n, const nnrt_figure *);
/* The last line of an epoch, also where lines are plain. */
void nnrt_progress_end(nnrt_progress *, int64_t done, int n, const nnrt_figure *);
/* In place of the epoch's line, on a terminal, where a validation takes long: batches done; 0: it begins. */
void nnrt_progress_validation(nnrt_progress *, int64_t done, int64_t total);
/* Ends a line half drawn, before something else is printed. */
void nnrt_progress_break(nnrt_progress *);
/* Seconds of a monotonic clock. */
double nnrt_clock(void);

/* --- nnrt_feed.c: batches, and a set as a whole ----------------------------------------------- */

typedef struct nnrt_loader nnrt_loader;

/* Buffers for one batch of every input. */
typedef struct nnrt_feed {
    const nnrt_model *model;
    void **in;  /* the batch at hand, one an input; what no set fills stays zero */
    void **own; /* what `in` is where no loader has filled it */
    nnrt_loader *loader;
    nnrt_progress *progress; /* where a pass over a set is drawn, or NULL */
} nnrt_feed;

/* What is read, in batches: the samples order[first .. n) of a set. Set and order stay as they are until the end. */
typedef struct nnrt_loading {
    const nnrt_dataset *data;
    const int64_t *order;
    int64_t n, first;
    int augments; /* images are changed at random, as `seed` and `epoch` say */
    uint64_t seed;
    int64_t epoch;
} nnrt_loading;

int nnrt_feed_open(nnrt_feed *, const nnrt_model *, nnrt_fault *);
void nnrt_feed_close(nnrt_feed *);
/* The batches that follow are of this; those of something before are no more read. */
int nnrt_feed_begin(nnrt_feed *, const nnrt_loading *, nnrt_fault *);
/* The next batch, in feed->in until the next call: *n samples, 0 after the last. A status where one cannot be read. */
int nnrt_feed_next(nnrt_feed *, int *n, nnrt_fault *);
/* Nothing of the set or order is read after this. */
void nnrt_feed_end(nnrt_feed *);
/* The bytes of `rows` samples of an input. */
size_t nnrt_feed_bytes(const nnrt_value *, int64_t rows);

/* Which samples, in which order. */
typedef struct nnrt_rows {
    int64_t n;
    int64_t *at;
} nnrt_rows;

typedef struct nnrt_score nnrt_score;

/* The rows 0 .. n-1. NNRT_NO_MEMORY. */
int nnrt_rows_all(nnrt_rows *, int64_t n, nnrt_fault *);
/* Puts the rows in an order that `seed` and the stream of random numbers alone decide. */
void nnrt_rows_permute(nnrt_rows *, uint64_t seed, uint32_t stream);
/* order[0 .. rows->n) = the rows in the order that `seed` and `epoch` alone decide. */
void nnrt_rows_shuffle(const nnrt_rows *, uint64_t seed, int64_t epoch, int64_t *order);
/* order[0 .. rows->n) = the rows cut in `batch` runs, each as long as the next or one longer, so that row i of each
 * batch is the row after that of the batch before; the last batch, if short, has the longer runs' last rows. */
void nnrt_rows_batchify(const nnrt_rows *, int batch, int64_t *order);
/* Moves the share that is kept for validation out of `train`: the last of a permutation by `seed`,
 * both parts then in their own order. NNRT_NO_MEMORY, or NNRT_BAD_CONTENT where one were empty. */
int nnrt_rows_split(nnrt_rows *train, nnrt_rows *validation, double share, uint64_t seed,
                    nnrt_fault *);
/* The same as the set has it: windows of a text by their place, the last share of the text kept. */
int nnrt_data_split(const nnrt_dataset *, nnrt_rows *train, nnrt_rows *validation, nnrt_fault *);
/* Loss and metric sums of a set; what is drawn at random is the same whenever it is taken. NNRT_NOT_FINITE where a
 * batch's loss is not a number. */
int nnrt_feed_score(nnrt_feed *, nnrt_instance *, const nnrt_dataset *, const nnrt_rows *,
                    nnrt_score *, nnrt_fault *);
/* --- nnrt_metrics.c: what a pass over a set gathers, and figures of it ------------------------- */

/* A score and whether its target is the class at hand. */
typedef struct nnrt_scored {
    double score;
    int positive;
} nnrt_scored;

/* What a pass over a set found. */
struct nnrt_score {
    double loss_sum, samples;
    double *sums; /* n_sums of the model */
    const nnrt_model *model;
    int64_t room; /* samples that there is memory for */
    /* One for each kind of numbers that metrics keep: of all samples so far; NULL: not kept. */
    float **kept;
    float **to;        /* the same: where those of the next batch go */
    nnrt_scored *work; /* one a target */
};

/* Memory for a set of so many samples; `report`: also for what metrics keep for a report alone. It takes 4 bytes for
 * each number that a metric keeps of a sample and 16 for each target. NNRT_NO_MEMORY. */
int nnrt_score_open(nnrt_score *, const nnrt_model *, int64_t rows, int report, nnrt_fault *);
void nnrt_score_close(nnrt_score *);
/* Before the first batch. */
void nnrt_score_clear(nnrt_score *);
/* Before a batch of n samples: tells the instance where their kept numbers go; of n 0: nowhere, which must follow, as
 * the place is that of this batch. After it: adds its loss and samples. */
void nnrt_score_aim(const nnrt_score *, int n, nnrt_instance *);
void nnrt_score_add(nnrt_score *, double loss, int n);
/* Loss and then each metric of the model, under "val_" or "": writes 1 + n_metrics figures. */
int nnrt_score_figures(const nnrt_model *, const nnrt_score *, const char *prefix, nnrt_figure *);
/* The same without those that are made of all samples: how many. For the line that a step redraws. */
int nnrt_score_running(const nnrt_model *, const nnrt_score *, nnrt_figure *);
/* The targets of a metric that keeps scores, by falling score of class k (of one score a target: 1, or of its
 * negative: 0), in score->work: how many, *positive of the class. -1: nothing was kept, or a score is NaN. */
int64_t nnrt_score_ranked(const nnrt_score *, const nnrt_metric *, int64_t k, int64_t *positive);
/* The area under the ROC curve and the average precision of class k of such a metric; of one score a target, k 0 is
 * where the target is 0. NaN: not defined. */
void nnrt_score_areas(const nnrt_score *, const nnrt_metric *, int64_t k, double *auc,
                      double *average_precision);
/* The probability of class k of a target's scores. */
double nnrt_score_probability(const nnrt_metric *, const float *scores, int64_t k);
/* Whether larger is better of a figure, "val_auc". */
int nnrt_larger_is_better(const nnrt_model *, const char *figure);

/* --- nnrt_detections.c -------------------------------------------------------------------------- */

/* The mean average precision of what such a metric keeps of a set, or that of its one class. NaN: there are no boxes,
 * or no memory. */
double nnrt_detections_figure(const nnrt_score *, const nnrt_metric *);

/* --- nnrt_classes.c: how a classifier did, class by class --------------------------------------- */

enum { NNRT_BINS = 10 };

/* A class against the rest. */
typedef struct nnrt_class_figures {
    int64_t support, taken, right; /* targets that have it; that are taken for it; both */
    double precision, recall, f1;
    double auc, average_precision; /* NaN: some or all targets must have it */
} nnrt_class_figures;

/* Those of class k of n by a matrix [n, n] of which rows are what targets are, columns what they are taken for; auc and
 * average_precision NaN, which a matrix does not tell. */
nnrt_class_figures nnrt_classes_figures(int64_t n, const int64_t *confusion, int64_t k);

/* What a threshold gives: targets at and above it are taken for the class. The first one is above all. */
typedef struct nnrt_curve_point {
    double threshold, precision, false_positive_rate;
    double recall; /* the true positive rate as well */
} nnrt_curve_point;

/* Targets whose highest probability (of one score a target: that of 1) is from low to high. */
typedef struct nnrt_bin {
    double low, high, confidence, accuracy; /* means over the bin; 0 where count is 0 */
    int64_t count;
} nnrt_bin;

typedef struct nnrt_classes {
    const nnrt_metric *metric;
    int64_t n, targets;     /* classes, two where targets are 0 or 1; targets that count */
    int64_t *confusion;     /* [n, n]: rows are what they have, columns what they are taken for */
    nnrt_class_figures *at; /* n */
    nnrt_bin bins[NNRT_BINS];
    double accuracy, ece;
} nnrt_classes;

/* Made of what the first metric keeps that keeps scores and targets of a set; the score was opened with `report`.
 * NNRT_BAD_CALL and a sentence where no metric does (accuracy does, up to 2^20 numbers a sample; auc and
 * average_precision do); NNRT_NO_MEMORY. */
int nnrt_classes_open(nnrt_classes *, const nnrt_score *, nnrt_fault *);
void nnrt_classes_close(nnrt_classes *);
/* The points of class k's ROC and precision-recall curves, one for each score that occurs, on the heap; sorts
 * score->work. *n: how many. NULL: no memory. */
nnrt_curve_point *nnrt_classes_curve(const nnrt_classes *, const nnrt_score *, int64_t k,
                                     int64_t *n);

/* --- nnrt_details.c: eval --details, --curves ----------------------------------------------------- */

/* The confusion matrix, figures of each class and a calibration table, as text. `meta`: may have the names of
 * classes. */
void nnrt_details_print(FILE *, const nnrt_classes *, const nnrt_model *, const nnrt_meta *);
/* The same as the keys of a JSON object that has others before. */
void nnrt_details_json(FILE *, const nnrt_classes *, const nnrt_model *, const nnrt_meta *);
/* DIR/roc.csv, DIR/precision_recall.csv and DIR/calibration.csv; DIR is made where it is missing. */
int nnrt_details_curves(const char *dir, const nnrt_classes *, const nnrt_score *, nnrt_fault *);

/* --- nnrt_fit.c: what is fitted on training data ---------------------------------------------- */

/* Fits the layers standardize, impute and pca of the model, in their order, on the samples `rows` of the set, which
 * are training's alone; the feed's buffers hold batches meanwhile. Models without such layers: nothing is done.
 * NNRT_BAD_CONTENT where a feature has no value, NNRT_NOT_FINITE where an infinity arose before a layer. */
int nnrt_fit(nnrt_instance *, const nnrt_dataset *, const nnrt_rows *rows, nnrt_feed *,
             nnrt_fault *);

/* --- nnrt_loader.c: batches read in the background ---------------------------------------------- */

/* What nnrt_feed_begin and the others are made of; *out is to be closed whatever open gives. */
int nnrt_loader_open(nnrt_loader **out, const nnrt_model *, nnrt_fault *);
void nnrt_loader_close(nnrt_loader *);
int nnrt_loader_begin(nnrt_loader *, const nnrt_loading *, nnrt_fault *);
int nnrt_loader_next(nnrt_loader *, int *n, void ***in, nnrt_fault *);
void nnrt_loader_end(nnrt_loader *);

/* --- nnrt_augment.c: random changes to training images ---------------------------------------- */

typedef struct nnrt_augmenter {
    const nnrt_model *model;
    int threads;
    size_t room; /* floats a thread: two of the largest image; 0: no input is augmented */
    float *scratch;
} nnrt_augmenter;

/* Room for `threads` threads to work in. NNRT_NO_MEMORY. */
int nnrt_augment_open(nnrt_augmenter *, const nnrt_model *, int threads, nnrt_fault *);
void nnrt_augment_close(nnrt_augmenter *);
/* Changes the images of a batch, in place, as the inputs' tables say. in[k] holds the samples
 * rows[0..n) of input k; what is done to a sample depends on the seed, the epoch and its row
 * alone. */
void nnrt_augment_batch(const nnrt_augmenter *, uint64_t seed, int64_t epoch, const int64_t *rows,
                        int n, void *const *in);
/* The same of one sample, in[k] of input k, by the caller's thread, whose number says where it has room. */
void nnrt_augment_sample(const nnrt_augmenter *, int thread, uint64_t seed, int64_t epoch,
                         int64_t row, void *const *in);

/* --- nnrt_mixup.c: samples mixed in pairs ----------------------------------------------------- */

/* The share that the second of two samples has in call `call` of a training: the smaller part of a draw of
 * Beta(alpha, alpha). */
double nnrt_mixup_share(double alpha, uint64_t seed, int64_t call);
/* Mixes the samples of a batch in place, where the model says so, and sets m->mix. */
void nnrt_mixup_batch(nnrt_instance *, int n, void *const *in);

/* --- nnrt_checkpoint.c: the whole state of a training run ------------------------------------- */

typedef struct nnrt_run {
    int64_t epoch;    /* epochs done, from 0 */
    int64_t position; /* batches of the next epoch that are done */
    nnrt_score score; /* of these; sums of n_sums */
    int64_t samples;  /* of the training set */
    int64_t epochs;   /* when it ends; 0: never */
    int shuffle;
    double best;              /* of the monitored figure; NaN: none yet */
    int64_t waited;           /* epochs since */
    int stopped;              /* early */
    double plateau_best;      /* of the figure that the schedule watches; NaN: none yet */
    int64_t plateau_waited;   /* epochs since, or since the rate fell */
    double checkpoint_best;   /* of the figure of the best checkpoint; NaN: none yet */
    unsigned char *best_vars; /* the weights then, vars_bytes, or NULL */
    int has_best_vars;
} nnrt_run;

/* Writes instance and run. `keep` earlier files stay as PATH.1, ... */
int nnrt_checkpoint_save(const nnrt_instance *, const nnrt_run *, const char *path, int keep,
                         nnrt_fault *);
/* Reads them back, checked before anything is changed. run->score.sums and run->best_vars are the
 * caller's memory. *note: a sentence where the model file has changed since, or "". */
int nnrt_checkpoint_load(nnrt_instance *, nnrt_run *, const char *path, nnrt_fault *note,
                         nnrt_fault *);

/* --- nnrt_peak.c, nnrt_profile.c: bench --profile ---------------------------------------------- */

/* A second, of all threads that a step runs on; bytes 0: not known. */
typedef struct nnrt_peak {
    double flops, bytes;
} nnrt_peak;

nnrt_peak nnrt_measure_peak(void);

/* Steps of n samples whose kernels' times were noted. */
typedef struct nnrt_profiled {
    const nnrt_model *model;
    nnrt_profile profile;
    int64_t steps;
    int n;
    nnrt_peak peak;
} nnrt_profiled;

int nnrt_profile_open(nnrt_profile *, const nnrt_model *, nnrt_fault *);
void nnrt_profile_close(nnrt_profile *);
/* Forgets what was noted. */
void nnrt_profile_clear(nnrt_profile *, const nnrt_model *);
/* A kernel, in a step: calls, seconds, work; `limit`: the share that is reached of the most that the machine can do. */
typedef struct nnrt_profile_line {
    const char *name;
    double calls, seconds, flops, bytes, limit;
} nnrt_profile_line;

/* Those kernels that were called, the slowest first, in room for n_kernels: how many. */
int nnrt_profile_lines(const nnrt_profiled *, nnrt_profile_line *);
/* A table, or the keys of a JSON object that has others before. */
int nnrt_profile_print(const nnrt_profiled *, int json, nnrt_fault *);

/* --- nnrt_bleu.c: how good translations are ---------------------------------------------------- */

enum { NNRT_BLEU_ORDER = 4 };

/* What is counted over a set: n-grams that the reference has too, n-grams, words of both. */
typedef struct nnrt_bleu {
    double same[NNRT_BLEU_ORDER], all[NNRT_BLEU_ORDER], words, wanted;
} nnrt_bleu;

/* Adds a text and its reference. 0, or -1: no memory. */
int nnrt_bleu_add(nnrt_bleu *, const char *text, size_t n, const char *reference, size_t wanted);
/* BLEU, 0 to 100, and the part of it that punishes short texts, 0 to 1. */
double nnrt_bleu_value(const nnrt_bleu *);
double nnrt_bleu_brevity(const nnrt_bleu *);

/* --- nnrt_canvas.c: pictures of what a network looked at or drew -------------------------------- */

typedef struct nnrt_canvas {
    int64_t width, height;
    unsigned char *rgb; /* a row after the other, 3 bytes a pixel */
} nnrt_canvas;

/* A sample's image, [channels, height, width], of 1 or 3 channels; each of its pixels is scale x scale. */
typedef struct nnrt_image {
    const float *at;
    int64_t channels, height, width, scale;
    double low, high; /* shown as black and white; equal: by what the image holds */
} nnrt_image;

/* Heat, [height, width]: smooth, or pixel by pixel; from 0 up, or of both signs. */
typedef struct nnrt_heat {
    const float *at;
    int64_t height, width;
    int is_smooth, both_signs;
} nnrt_heat;

/* A white picture. NNRT_NO_MEMORY. */
int nnrt_canvas_make(nnrt_canvas *, int64_t width, int64_t height, nnrt_fault *);
void nnrt_canvas_free(nnrt_canvas *);
/* Draws an image at a place. */
void nnrt_canvas_image(const nnrt_canvas *, int64_t left, int64_t top, const nnrt_image *);
/* Lays heat over a part of the picture, the largest as full heat. NNRT_NO_MEMORY. */
int nnrt_canvas_heat(const nnrt_canvas *, int64_t left, int64_t top, int64_t width, int64_t height,
                     const nnrt_heat *, nnrt_fault *);
/* Adds its PNG: grey, where all pixels are. */
void nnrt_canvas_put(nnrt_buffer *, const nnrt_canvas *);
/* Writes it as PNG. */
int nnrt_canvas_write(const char *path, const nnrt_canvas *, nnrt_fault *);

/* --- nnrt_sheet.c: many samples in one picture ---------------------------------------------------- */

typedef struct nnrt_sheet {
    const nnrt_value *value;
    int64_t n;
    const float *at;     /* [n][count], finite */
    const double *range; /* black and white, or the ends of a plane; NULL: value->low and high, else what they hold */
    int64_t columns;     /* 0: as many as rows, about */
} nnrt_sheet;

/* Whether such samples make a picture: images of 1 or 3 channels; two numbers, a point of a plane. */
int nnrt_sheet_takes(const nnrt_value *);
/* Reads --range LOW,HIGH. */
int nnrt_sheet_range(const char *text, double range[2], nnrt_fault *);
/* Makes the canvas and draws it. */
int nnrt_sheet_draw(nnrt_canvas *, const nnrt_sheet *, nnrt_fault *);

/* --- nnrt_drawing.c: batches of what a model draws -------------------------------------------------- */

typedef struct nnrt_drawing {
    const nnrt_model *model;
    nnrt_dataset data; /* what is given for inputs; its samples are taken in turn. Without any: n 0 */
    const nnrt_rows *of; /* these of them alone, or NULL */
    int64_t *rows;
    nnrt_feed feed;
    float **out; /* one a sample of the model, of a batch */
} nnrt_drawing;

/* Buffers; `data` is set already, and is closed with the rest. NNRT_NO_MEMORY. */
int nnrt_drawing_open(nnrt_drawing *, const nnrt_model *, nnrt_fault *);
void nnrt_drawing_close(nnrt_drawing *);
/* Draws n samples with the instance's weights; to[i], of n rows, is what sample i of the model is, NULL where it is not
 * wanted. Batches are whole; that of samples k * batch and on has the seed `seed` + k * 0x9E3779B97F4A7C15. Classes
 * that are not given are taken in turn: sample i is of class i % classes. */
int nnrt_drawing_take(nnrt_drawing *, nnrt_instance *, uint64_t seed, int64_t n, float *const *to,
                      nnrt_fault *);
/* Samples beside each other in a picture: one of each class where all are of one input's, else 0. `given`: one flag
 * an input. */
int64_t nnrt_drawing_columns(const nnrt_model *, const unsigned char *given);
/* Whether an input may be left out: its classes are then taken in turn. */
int nnrt_drawing_in_turn(const nnrt_value *input);
/* `sample`. (nnrt_sample.c) */
int nnrt_sample_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);

/* --- nnrt_attribute.c, nnrt_attribute_show.c, nnrt_permutation.c: why ------------------------------- */

/* Methods, in the order of their names in nnrt_attribute.c. */
typedef enum {
    NNRT_SALIENCY,
    NNRT_GRADIENT_INPUT,
    NNRT_INTEGRATED_GRADIENTS,
    NNRT_SMOOTHGRAD,
    NNRT_GRAD_CAM,
    NNRT_PERMUTATION,
    NNRT_METHODS
} nnrt_method;

/* What was found of n samples. */
typedef struct nnrt_attributed {
    const nnrt_model *model;
    nnrt_method method;
    int64_t n;
    int layer;       /* grad_cam: which attribution; else -1 */
    float **found;   /* one an attribution, of all samples; NULL: not asked for */
    int32_t *chosen; /* one a sample: the number of its score */
    float *score, *at_baseline;
    double *sum;               /* integrated gradients: of a sample's attributions */
    int was_given;             /* the class; else it is the largest */
    const char *const *labels; /* of the classes, as JSON has them; NULL: they have none */
    const nnrt_dataset *data;
    const nnrt_rows *rows; /* of the data: the samples, of which n are taken */
    nnrt_feed *feed;       /* of which the first row may be overwritten */
    const nnrt_args *args;
    nnrt_meta *meta;
} nnrt_attributed;

/* Whether --output names what there is and can be written. (nnrt_attribute_show.c) */
int nnrt_attributed_check(const nnrt_attributed *, nnrt_fault *);
/* Prints a line a sample, and writes or prints the attributions. */
int nnrt_attributed_show(const nnrt_attributed *, nnrt_fault *);
/* What number k of an input is called: its csv column, x, or x[3]. (nnrt_attribute_show.c) */
void nnrt_feature_name(const nnrt_model *, int input, int64_t k, char *out, size_t size);
/* Fills files[i] with where value i goes, of --output NAME=FILE...; checks that it can be written. (nnrt_commands.c) */
int nnrt_named_outputs(const nnrt_args *, int n, const nnrt_value *, const char **files, nnrt_fault *);
/* Writes n samples of a value to FILE.npy, or prints them for "-", a line a sample. NNRT_NOT_FINITE where a number is
 * none. (nnrt_commands.c) */
int nnrt_value_write(const nnrt_value *, const char *what, const char *file, int64_t n, const float *, nnrt_fault *);
int nnrt_value_finite(const nnrt_value *, const char *what, int64_t n, const float *, nnrt_fault *);
/* The index of the value of a `NAME=FILE`, *file; or -1 and a fault. (nnrt_commands.c) */
int nnrt_named_value(const char *text, const char *option, int n, const nnrt_value *values,
                     const char **file, nnrt_fault *);
/* The set that eval takes: --data, else data.test, else data.validation, else its share of data.train.
 * (nnrt_commands.c) */
int nnrt_eval_data(nnrt_dataset *, nnrt_rows *, const nnrt_args *, const nnrt_model *, nnrt_meta *,
                   nnrt_fault *);
/* +1 where more of a figure is better, -1 where less: as `mode` says, or where that is 0 by the name.
 * (nnrt_train_watch.c) */
int nnrt_figure_mode(const nnrt_model *, const char *name, int mode);
int nnrt_permutation_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_attribute_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);

/* --- nnrt_train.c ----------------------------------------------------------------------------- */

int nnrt_train_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);

/* --- nnrt_commands.c, nnrt_bench.c: the others; each gives the exit status -------------------- */

int nnrt_eval_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_predict_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_generate_command(const nnrt_args *, const nnrt_model *,
                          nnrt_fault *); /* nnrt_generate.c */
int nnrt_grad_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_init_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_bench_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);
int nnrt_info_command(const nnrt_args *, const nnrt_model *, nnrt_fault *);

/* --- nnrt_main.c, and small things that several share (nnrt_common.c) ------------------------- */

/* MODEL.safetensors, on the heap. */
char *nnrt_default_weights(const nnrt_model *);
/* A new instance with the weights of `path`, or of the default file where it is NULL. Warnings go
 * to standard error. */
int nnrt_open_weights(nnrt_instance **, const nnrt_model *, const char *path, nnrt_fault *);
/* Whether a file can be made there later: its folder is there and may be written. */
int nnrt_check_writable(const char *path, nnrt_fault *);
/* The set that --data or a source gives; `need` one flag an input, or NULL for all. */
int nnrt_open_data(nnrt_dataset *, const nnrt_model *, const nnrt_args *, const nnrt_source *,
                   const nnrt_source *like, const unsigned char *need, nnrt_meta *, nnrt_fault *);
/* The vocabularies of a weights file or checkpoint (NULL: the default file), where the model's data
 * is text, sound or images; else none, and no file is looked at. */
int nnrt_open_meta(nnrt_meta *, const nnrt_model *, const char *path, nnrt_fault *);
/* The samples that --input gives for the inputs that are needed; others are not even looked at. (nnrt_commands.c) */
int nnrt_named_inputs(nnrt_dataset *, const nnrt_args *, const nnrt_model *,
                      const unsigned char *need, nnrt_fault *);
/* The index of the first var of kind WEIGHT or BUFFER that holds a NaN or infinity, or -1. */
int nnrt_first_not_finite(const nnrt_instance *);
/* Makes a folder and those above it, where they are missing. */
int nnrt_make_folder(const char *dir, nnrt_fault *);
/* Threads that a step runs on. */
int nnrt_threads(void);
/* A message of the program, on standard error. */
void nnrt_say(const nnrt_model *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Closes standard output's part: an error status if what was printed did not arrive. */
int nnrt_flush_results(nnrt_fault *);

#endif
