/* SPDX-License-Identifier: MIT */
/* nnrt_args.c: the command line of a model's program. One row an option, one a sub-command. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

typedef enum {
    ARGS_FLAG,    /* int: set to 1 */
    ARGS_TEXT,    /* const char * */
    ARGS_LIST,    /* nnrt_list */
    ARGS_COUNT,   /* int64_t, from 1 */
    ARGS_RATE,    /* double, from 0 */
    ARGS_SECONDS, /* double, above 0 */
    ARGS_SEED     /* uint64_t, and has_seed */
} args_kind;

/* Sub-commands as bits. */
enum {
    ARGS_IN_TRAIN = 1,
    ARGS_IN_EVAL = 2,
    ARGS_IN_PREDICT = 4,
    ARGS_IN_GRAD = 8,
    ARGS_IN_INIT = 16,
    ARGS_IN_BENCH = 32,
    ARGS_IN_INFO = 64,
    ARGS_IN_GENERATE = 128,
    ARGS_IN_ATTRIBUTE = 256,
    ARGS_IN_SAMPLE = 512,
    ARGS_IN_ALL = 1023
};

typedef struct args_command {
    const char *name;
    int bit;
    const char *does;
} args_command;

static const args_command args_commands[] = {
    {"train", ARGS_IN_TRAIN, "train, and write the weights"},
    {"eval", ARGS_IN_EVAL, "print the loss and the metrics over a set"},
    {"predict", ARGS_IN_PREDICT, "outputs of samples, .npy in and out"},
    {"sample", ARGS_IN_SAMPLE, "draw samples, as .npy or pictures"},
    {"generate", ARGS_IN_GENERATE, "continue a text, token by token"},
    {"grad", ARGS_IN_GRAD, "loss and gradients of one batch, as safetensors"},
    {"attribute", ARGS_IN_ATTRIBUTE, "why it decides so: by input, token, place or column"},
    {"init", ARGS_IN_INIT, "write fresh weights"},
    {"bench", ARGS_IN_BENCH, "time steps on made-up data"},
    {"info", ARGS_IN_INFO, "inputs, outputs, weights, how it was made"},
};

enum { ARGS_COMMANDS = (int)(sizeof args_commands / sizeof *args_commands) };

typedef struct args_option {
    const char *name;
    char letter; /* also as -o, or 0 */
    int in;      /* sub-commands that take it */
    args_kind kind;
    size_t at; /* in nnrt_args */
    const char *value, *help;
} args_option;

#define ARGS_AT(member) offsetof(nnrt_args, member)

static const args_option args_options[] = {
    {"method", 0, ARGS_IN_ATTRIBUTE, ARGS_TEXT, ARGS_AT(method), "M",
     "saliency, gradient_input, integrated_gradients, smoothgrad, grad_cam or permutation"},
    {"class", 0, ARGS_IN_ATTRIBUTE, ARGS_TEXT, ARGS_AT(chosen_class), "K",
     "whose score is explained, by number or label (default: each sample's largest)"},
    {"layer", 0, ARGS_IN_ATTRIBUTE, ARGS_TEXT, ARGS_AT(layer), "NAME",
     "grad_cam: whose maps (default: the last convolution, or the block it is in)"},
    {"baseline", 0, ARGS_IN_ATTRIBUTE, ARGS_LIST, ARGS_AT(baseline), "X",
     "integrated_gradients: X, NAME=X or NAME=FILE.npy to start from (default: 0)"},
    {"steps", 0, ARGS_IN_ATTRIBUTE, ARGS_COUNT, ARGS_AT(steps), "N",
     "points of integrated_gradients and smoothgrad (default: 50)"},
    {"samples", 0, ARGS_IN_ATTRIBUTE, ARGS_COUNT, ARGS_AT(samples), "N",
     "only the first N samples"},
    {"repeats", 0, ARGS_IN_ATTRIBUTE, ARGS_COUNT, ARGS_AT(repeats), "N",
     "permutation: how often each column is shuffled (default: 5)"},
    {"metric", 0, ARGS_IN_ATTRIBUTE, ARGS_TEXT, ARGS_AT(metric), "NAME",
     "permutation: the figure that is watched (default: loss)"},
    {"data", 0, ARGS_IN_TRAIN | ARGS_IN_EVAL | ARGS_IN_ATTRIBUTE, ARGS_LIST, ARGS_AT(data), "D",
     "NAME=FILE, once an input, or FILE alone: instead of the model's data"},
    {"data-dir", 0, ARGS_IN_TRAIN | ARGS_IN_EVAL | ARGS_IN_GENERATE | ARGS_IN_ATTRIBUTE, ARGS_TEXT,
     ARGS_AT(data_dir), "DIR", "where relative paths of data start"},
    {"epochs", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(epochs), "N",
     "epochs to train, and the schedule's horizon"},
    {"steps", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(steps), "N",
     "stop when N steps have been taken"},
    {"lr", 0, ARGS_IN_TRAIN, ARGS_RATE, ARGS_AT(lr), "X", "learning rate instead of the model's"},
    {"seed", 0,
     ARGS_IN_TRAIN | ARGS_IN_SAMPLE | ARGS_IN_GENERATE | ARGS_IN_GRAD | ARGS_IN_INIT |
         ARGS_IN_ATTRIBUTE,
     ARGS_SEED, ARGS_AT(seed), "S", "seed instead of the model's"},
    {"weights", 0,
     ARGS_IN_TRAIN | ARGS_IN_EVAL | ARGS_IN_PREDICT | ARGS_IN_SAMPLE | ARGS_IN_GENERATE |
         ARGS_IN_GRAD | ARGS_IN_ATTRIBUTE,
     ARGS_TEXT, ARGS_AT(weights), "F",
     "weights to start from or to use (default, but for train: MODEL.safetensors)"},
    {"partial", 0, ARGS_IN_TRAIN, ARGS_FLAG, ARGS_AT(partial), NULL,
     "take of --weights what fits by name and shape; the others stay as drawn, and are named"},
    {"find-lr", 0, ARGS_IN_TRAIN, ARGS_FLAG, ARGS_AT(find_lr), NULL,
     "print losses as the rate rises, and a rate to take (--steps: how many); writes no file"},
    {"overfit-batch", 0, ARGS_IN_TRAIN, ARGS_FLAG, ARGS_AT(overfit_batch), NULL,
     "train on one batch (--steps: how long), and say whether its loss falls; writes no file"},
    {"out", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(out), "F",
     "where weights go (default: MODEL.safetensors)"},
    {"out", 'o', ARGS_IN_GRAD | ARGS_IN_INIT, ARGS_TEXT, ARGS_AT(out), "F", "the file to write"},
    {"checkpoint", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(checkpoint), "F",
     "keep the whole state in F"},
    {"resume", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(resume), "F", "go on from a checkpoint"},
    {"log", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(log), "F", "a line of csv an epoch"},
    {"folds", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(folds), "K",
     "cross-validation: train K times, each measured on another part of the data"},
    {"fold", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(fold), "I", "of the K folds only this, from 1"},
    {"keep-going", 0, ARGS_IN_TRAIN | ARGS_IN_EVAL | ARGS_IN_PREDICT, ARGS_FLAG,
     ARGS_AT(keep_going), NULL, "leave bad rows out, and say how many"},
    {"refit", 0, ARGS_IN_TRAIN, ARGS_FLAG, ARGS_AT(refit), NULL,
     "with --weights: fit standardize, impute and pca anew on the training data"},
    {"details", 0, ARGS_IN_EVAL, ARGS_FLAG, ARGS_AT(details), NULL,
     "also the confusion matrix, figures of each class, calibration"},
    {"curves", 0, ARGS_IN_EVAL, ARGS_TEXT, ARGS_AT(curves), "DIR",
     "write roc.csv, precision_recall.csv and calibration.csv there"},
    {"tensorboard", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(tensorboard), "DIR",
     "event files for TensorBoard in DIR"},
    {"report", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(report), "F.html",
     "a page of curves, confusions, samples, weights, memory and time a kernel"},
    {"no-shuffle", 0, ARGS_IN_TRAIN, ARGS_FLAG, ARGS_AT(no_shuffle), NULL,
     "samples in the order of the files"},
    {"samples", 0, ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(drawn), "DIR",
     "what the model draws, after each epoch: pictures in DIR, or FILE.png, each over the last"},
    {"samples-every", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(draw_every), "N",
     "that every N steps instead"},
    {"samples-every-epochs", 0, ARGS_IN_TRAIN, ARGS_COUNT, ARGS_AT(draw_every_epochs), "N",
     "that every N epochs"},
    {"input", 0,
     ARGS_IN_PREDICT | ARGS_IN_SAMPLE | ARGS_IN_GRAD | ARGS_IN_GENERATE | ARGS_IN_ATTRIBUTE,
     ARGS_LIST, ARGS_AT(input), "NAME=FILE", "an input's samples"},
    {"count", 0, ARGS_IN_SAMPLE, ARGS_COUNT, ARGS_AT(count), "N",
     "how many are drawn (default: as --input has, else 64)"},
    {"output", 0, ARGS_IN_SAMPLE, ARGS_LIST, ARGS_AT(output), "NAME=FILE",
     "where a sample goes: .npy; .png, a grid of images or points of a plane; -: printed"},
    {"range", 0, ARGS_IN_SAMPLE | ARGS_IN_TRAIN, ARGS_TEXT, ARGS_AT(range), "LOW,HIGH",
     "of pictures: what is black and white, or where a plane begins and ends"},
    {"output", 0, ARGS_IN_PREDICT, ARGS_LIST, ARGS_AT(output), "NAME=FILE",
     "where an output goes, as .npy; -: printed, a line a sample"},
    {"output", 0, ARGS_IN_ATTRIBUTE, ARGS_LIST, ARGS_AT(output), "NAME=FILE",
     "an input's attributions: .npy; .png, over the images; a folder of such; -: printed"},
    {"prompt", 0, ARGS_IN_GENERATE, ARGS_TEXT, ARGS_AT(prompt), "TEXT",
     "what is continued; numbers of tokens where the model has no vocabulary"},
    {"tokens", 0, ARGS_IN_GENERATE, ARGS_COUNT, ARGS_AT(tokens), "N", "how many are made"},
    {"temperature", 0, ARGS_IN_GENERATE, ARGS_RATE, ARGS_AT(temperature), "X",
     "0: the likeliest token; 1: by its probability; above: more at random"},
    {"top-k", 0, ARGS_IN_GENERATE, ARGS_COUNT, ARGS_AT(top_k), "K", "of the K likeliest tokens"},
    {"top-p", 0, ARGS_IN_GENERATE, ARGS_SECONDS, ARGS_AT(top_p), "P",
     "of the fewest whose probabilities come to P"},
    {"beam", 0, ARGS_IN_GENERATE, ARGS_COUNT, ARGS_AT(beam), "K",
     "the best of a search that follows K sequences, at most the model's"},
    {"length-penalty", 0, ARGS_IN_GENERATE, ARGS_RATE, ARGS_AT(length_penalty), "X",
     "of that search: 0: none, above: for longer ones"},
    {"reference", 0, ARGS_IN_GENERATE, ARGS_TEXT, ARGS_AT(reference), "F",
     "print the BLEU of what is made against the lines of F (without --input: against the set)"},
    {"out", 'o', ARGS_IN_GENERATE, ARGS_TEXT, ARGS_AT(out), "F",
     "where the texts go that are made of sources"},
    {"train", 0, ARGS_IN_BENCH, ARGS_FLAG, ARGS_AT(train), NULL, "time training steps (default)"},
    {"predict", 0, ARGS_IN_BENCH, ARGS_FLAG, ARGS_AT(predict), NULL, "time predictions"},
    {"decode", 0, ARGS_IN_BENCH, ARGS_FLAG, ARGS_AT(decode), NULL,
     "time tokens of a model that generates"},
    {"batch", 0, ARGS_IN_BENCH, ARGS_COUNT, ARGS_AT(batch), "N", "samples a step"},
    {"seconds", 0, ARGS_IN_BENCH, ARGS_SECONDS, ARGS_AT(seconds), "S", "how long (default: 1)"},
    {"profile", 0, ARGS_IN_BENCH, ARGS_FLAG, ARGS_AT(profile), NULL,
     "then so long again kernel by kernel: time, rates, share of what the machine can do"},
    {"json", 0, ARGS_IN_EVAL | ARGS_IN_BENCH | ARGS_IN_INFO, ARGS_FLAG, ARGS_AT(json), NULL,
     "one JSON object"},
    {"threads", 0, ARGS_IN_ALL, ARGS_COUNT, ARGS_AT(threads), "N",
     "threads (default: OMP_NUM_THREADS, or all)"},
    {"help", 'h', ARGS_IN_ALL, ARGS_FLAG, ARGS_AT(help), NULL, "print this"},
    {"version", 0, ARGS_IN_ALL, ARGS_FLAG, ARGS_AT(version), NULL, "print what made the program"},
};

enum { ARGS_OPTIONS = (int)(sizeof args_options / sizeof *args_options) };

/* --- The nearest name ------------------------------------------------------------------------- */

/* Insertions, deletions, changes and swaps of neighbours that make b of a; names are short. */
static int args_distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    int row[3][MOST + 1], n = (int)strlen(a), m = (int)strlen(b);
    if (n > MOST || m > MOST)
        return MOST;
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *nnrt_args_nearest(const char *word, int n, const char *const *names)
{
    const char *nearest = NULL;
    int least = (int)strlen(word) / 3 + 2; /* further is no misspelling */
    for (int i = 0; i < n; i++) {
        int d = args_distance(word, names[i]);
        if (d < least) {
            least = d;
            nearest = names[i];
        }
    }
    return nearest;
}

/* --- Values ----------------------------------------------------------------------------------- */

static int args_take_count(const char *name, const char *text, int64_t *out, nnrt_fault *fault)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < 1)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--%s: '%s' is not a whole number from 1 up", name,
                         text);
    *out = n;
    return 0;
}

static int args_take_number(const char *name, const char *text, int zero, double *out,
                            nnrt_fault *fault)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || x < 0 || (!zero && x == 0))
        return nnrt_fail(fault, NNRT_BAD_CALL, "--%s: '%s' is not a number %s 0", name, text,
                         zero ? "from" : "above");
    *out = x;
    return 0;
}

static int args_take_seed(nnrt_args *a, const char *text, nnrt_fault *fault)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] < '0' || text[0] > '9')
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "--seed: '%s' is not a whole number from 0 to 2^64 - 1", text);
    a->seed = n;
    a->has_seed = 1;
    return 0;
}

static int args_append(nnrt_list *l, char *text, nnrt_fault *fault)
{
    char **at = realloc(l->at, ((size_t)l->n + 1) * sizeof *at);
    if (!at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for the command line");
    l->at = at;
    l->at[l->n++] = text;
    return 0;
}

static int args_store(nnrt_args *a, const args_option *o, char *text, nnrt_fault *fault)
{
    void *at = (char *)a + o->at;
    switch (o->kind) {
    case ARGS_FLAG: *(int *)at = 1; return 0;
    case ARGS_TEXT:
        if (!*text)
            return nnrt_fail(fault, NNRT_BAD_CALL, "--%s: the value is empty", o->name);
        *(const char **)at = text;
        return 0;
    case ARGS_LIST: return args_append(at, text, fault);
    case ARGS_COUNT: return args_take_count(o->name, text, at, fault);
    case ARGS_RATE: return args_take_number(o->name, text, 1, at, fault);
    case ARGS_SECONDS: return args_take_number(o->name, text, 0, at, fault);
    case ARGS_SEED: return args_take_seed(a, text, fault);
    }
    return NNRT_BUG;
}

/* --- The line --------------------------------------------------------------------------------- */

static const args_command *args_find_command(const char *word)
{
    for (int i = 0; i < ARGS_COMMANDS; i++)
        if (strcmp(args_commands[i].name, word) == 0)
            return &args_commands[i];
    return NULL;
}

static int args_unknown_command(const char *word, nnrt_fault *fault)
{
    const char *names[ARGS_COMMANDS];
    for (int i = 0; i < ARGS_COMMANDS; i++)
        names[i] = args_commands[i].name;
    const char *near = nnrt_args_nearest(word, ARGS_COMMANDS, names);
    if (near)
        return nnrt_fail(fault, NNRT_BAD_CALL, "no sub-command '%s'; did you mean '%s'?", word,
                         near);
    return nnrt_fail(fault, NNRT_BAD_CALL, "no sub-command '%s'; --help lists them", word);
}

static int args_unknown_option(const char *word, size_t length, int in, nnrt_fault *fault)
{
    const char *names[ARGS_OPTIONS];
    char bare[64];
    int n = 0;
    for (int i = 0; i < ARGS_OPTIONS; i++)
        if (args_options[i].in & in)
            names[n++] = args_options[i].name;
    snprintf(bare, sizeof bare, "%.*s", (int)(length - 2), word + 2);
    const char *near = word[1] == '-' ? nnrt_args_nearest(bare, n, names) : NULL;
    if (near)
        return nnrt_fail(fault, NNRT_BAD_CALL, "unknown option '%.*s'; did you mean '--%s'?",
                         (int)length, word, near);
    return nnrt_fail(fault, NNRT_BAD_CALL, "unknown option '%.*s'; --help lists them", (int)length,
                     word);
}

/* The row of "--name", "--name=value" or "-o"; *value is set to what follows '='. */
static const args_option *args_find_option(char *word, size_t *length, int in, char **value)
{
    char *equals = strchr(word, '=');
    *value = NULL;
    *length = strlen(word);
    if (word[1] == '-' && equals) {
        *length = (size_t)(equals - word);
        *value = equals + 1;
    }
    for (int i = 0; i < ARGS_OPTIONS; i++) {
        const args_option *o = &args_options[i];
        if (!(o->in & in))
            continue;
        if (word[1] == '-' && strlen(o->name) == *length - 2 &&
            strncmp(o->name, word + 2, *length - 2) == 0)
            return o;
        if (word[1] != '-' && o->letter && word[1] == o->letter) {
            if (word[2] && o->kind != ARGS_FLAG)
                *value = word + 2; /* -oFILE */
            return word[2] && o->kind == ARGS_FLAG ? NULL : o;
        }
    }
    return NULL;
}

/* One option at argv[*i], of the sub-commands in `in`. */
static int args_option_at(nnrt_args *a, int argc, char **argv, int *i, int in, nnrt_fault *fault)
{
    char *word = argv[*i], *value;
    size_t length;
    const args_option *o = args_find_option(word, &length, in, &value);
    if (!o)
        return args_unknown_option(word, length, in, fault);
    if (o->kind == ARGS_FLAG && value)
        return nnrt_fail(fault, NNRT_BAD_CALL, "--%s takes no value", o->name);
    if (o->kind != ARGS_FLAG && !value) {
        if (*i + 1 >= argc)
            return nnrt_fail(fault, NNRT_BAD_CALL, "--%s needs a value: --%s=%s", o->name, o->name,
                             o->value);
        value = argv[++*i];
    }
    return args_store(a, o, value, fault);
}

int nnrt_args_parse(nnrt_args *a, int argc, char **argv, nnrt_fault *fault)
{
    *a = (nnrt_args){.lr = -1, .seconds = 1, .temperature = -1, .length_penalty = -1};
    const args_command *command = NULL;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            /* Before the sub-command only what all of them take. */
            int in = command ? command->bit : ARGS_IN_ALL;
            if (!command && strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0 &&
                strcmp(argv[i], "--version") != 0)
                return nnrt_fail(fault, NNRT_BAD_CALL,
                                 "'%s' before a sub-command; --help lists them", argv[i]);
            int status = args_option_at(a, argc, argv, &i, in, fault);
            if (status)
                return status;
        } else if (!command) {
            command = args_find_command(argv[i]);
            if (!command)
                return args_unknown_command(argv[i], fault);
            a->command = command->name;
        } else {
            return nnrt_fail(fault, NNRT_BAD_CALL, "%s takes no argument '%s'", a->command,
                             argv[i]);
        }
        if (a->help || a->version)
            return 0;
    }
    return command ? 0
                   : nnrt_fail(fault, NNRT_BAD_CALL, "a sub-command is missing; --help lists them");
}

void nnrt_args_free(nnrt_args *a)
{
    free(a->data.at);
    free(a->input.at);
    free(a->output.at);
    free(a->baseline.at);
}

void nnrt_args_help(FILE *to, const char *program, const char *command, const nnrt_model *m)
{
    const args_command *c = command ? args_find_command(command) : NULL;
    if (!c) {
        fprintf(to, "Usage: %s COMMAND [OPTION]...\nThe network '%s', made by %s from %s.\n\n",
                program, m->name, m->version, m->source);
        for (int i = 0; i < ARGS_COMMANDS; i++)
            fprintf(to, "  %-10s %s\n", args_commands[i].name, args_commands[i].does);
        fprintf(to, "\n%s COMMAND --help tells its options.\n", program);
        return;
    }
    fprintf(to, "Usage: %s %s [OPTION]...\n%s: %s.\n\n", program, c->name, c->name, c->does);
    for (int i = 0; i < ARGS_OPTIONS; i++) {
        const args_option *o = &args_options[i];
        char left[40];
        if (!(o->in & c->bit))
            continue;
        if (o->letter && o->value)
            snprintf(left, sizeof left, "-%c, --%s=%s", o->letter, o->name, o->value);
        else if (o->letter)
            snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name);
        else
            snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? "=" : "",
                     o->value ? o->value : "");
        fprintf(to, "  %-22s %s\n", left, o->help);
    }
}
