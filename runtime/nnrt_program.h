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
    const char *data_dir, *weights, *out, *checkpoint, *resume, *log;
    int64_t epochs, steps, threads, batch; /* 0: not given */
    double lr, seconds;                    /* lr < 0: not given */
    const char *prompt;
    const char *reference;
    int64_t tokens, top_k, beam; /* 0: not given */
    double temperature, top_p;   /* temperature < 0, top_p 0: not given */
    double length_penalty;       /* < 0: not given */
    uint64_t seed;
    int partial, find_lr, overfit_batch;
    int has_seed, no_shuffle, train, predict, decode, profile, json, help, version;
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

/* Buffers for one batch of every input. */
typedef struct nnrt_feed {
    const nnrt_model *model;
    void **in;               /* one an input; what no set fills stays zero */
    nnrt_progress *progress; /* where a pass over a set is drawn, or NULL */
} nnrt_feed;

int nnrt_feed_open(nnrt_feed *, const nnrt_model *, nnrt_fault *);
void nnrt_feed_close(nnrt_feed *);
/* The bytes of `rows` samples of an input. */
size_t nnrt_feed_bytes(const nnrt_value *, int64_t rows);

/* Which samples, in which order. */
typedef struct nnrt_rows {
    int64_t n;
    int64_t *at;
} nnrt_rows;

/* What a pass over a set found. */
typedef struct nnrt_score {
    double loss_sum, samples;
    double *sums; /* n_sums of the model */
} nnrt_score;

/* The rows 0 .. n-1. NNRT_NO_MEMORY. */
int nnrt_rows_all(nnrt_rows *, int64_t n, nnrt_fault *);
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
/* Loss and then each metric of the model, under "val_" or "": writes 1 + n_metrics figures. */
int nnrt_score_figures(const nnrt_model *, const nnrt_score *, const char *prefix, nnrt_figure *);

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
 * is text or sound; else none, and no file is looked at. */
int nnrt_open_meta(nnrt_meta *, const nnrt_model *, const char *path, nnrt_fault *);
/* The samples that --input gives for the inputs that are needed; others are not even looked at. (nnrt_commands.c) */
int nnrt_named_inputs(nnrt_dataset *, const nnrt_args *, const nnrt_model *,
                      const unsigned char *need, nnrt_fault *);
/* The index of the first var of kind WEIGHT or BUFFER that holds a NaN or infinity, or -1. */
int nnrt_first_not_finite(const nnrt_instance *);
/* Threads that a step runs on. */
int nnrt_threads(void);
/* A message of the program, on standard error. */
void nnrt_say(const nnrt_model *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Closes standard output's part: an error status if what was printed did not arrive. */
int nnrt_flush_results(nnrt_fault *);

#endif
