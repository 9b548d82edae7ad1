/* SPDX-License-Identifier: MIT */
/* frontend.h: YAML text to a checked Program and its graphs. Grouped by file.
 *
 * Reading goes in two steps. model_read checks everything that does not depend on shapes and
 * fills the Program (inputs, train, data, variables' values); model_graph then walks the layers
 * once a function and builds that function's graph in training or inference mode, so dropout and
 * the like need no op that knows of modes. The first graph built creates the Vars; later ones
 * find them by name. */
#ifndef NNCC_FRONTEND_H
#define NNCC_FRONTEND_H

#include "../ir/ir.h"

/* Limits (TRUST 6.1), each with a test at it and above it. */
enum {
    YAML_BYTES_MAX = 4 << 20,
    YAML_DEPTH_MAX = 64,
    YAML_ANCHORS_MAX = 1000,
    YAML_NODES_MAX = 100000, /* with aliases expanded */
    NAME_MAX_BYTES = 64,
    LAYERS_MAX = 65536 /* after blocks are expanded */
};

/* --- yaml.c: libyaml events to a tree of marked values ---------------------------------------- */

typedef enum { Y_scalar, Y_list, Y_map } YKind;

typedef struct Y Y;
typedef struct YPair {
    Y *key, *value;
} YPair;
struct Y {
    YKind kind;
    Loc loc;
    const char *text; /* scalar; NUL-terminated, holds no NUL */
    bool quoted;      /* scalar in quotes: never a number or boolean, but where a text is wanted */
    VEC(Y *) items;   /* list */
    VEC(YPair) pairs; /* map, keys are scalars and distinct */
};

/* One document, no tags, no duplicate keys; aliases expanded within limits. Reports, then NULL;
 * after a duplicate key or forgotten quotes a tree all the same, so that more can be found. */
Y *yaml_read(Ctx *, const char *text, size_t size);

/* --- values.c: typed readings. Each reports what it wanted and what it saw, then gives false -- */

typedef struct Scope Scope; /* $variables and block arguments in force: a chain of maps */
struct Scope {
    const Scope *outer;
    Map values; /* name to Y * */
};

Y *y_get(const Y *map, const char *key); /* NULL: none, or not a map */
/* A scalar that stands for another value by `$NAME` alone gives that value (NULL, after a report,
 * where there is none of that name); else y itself. */
const Y *y_resolve(Ctx *, const Scope *, const Y *y);
/* Numbers accept decimal, exponent, 0x, _ between digits, `$NAME` and arithmetic with $names
 * (+ - * / ** and parentheses). Integers: exact, within [lo, hi]. */
bool y_int(Ctx *, const Scope *, const Y *, const char *what, int64_t lo, int64_t hi, int64_t *out);
bool y_real(Ctx *, const Scope *, const Y *, const char *what, double *out);
bool y_bool(Ctx *, const Scope *, const Y *, const char *what, bool *out); /* true or false */
bool y_word(Ctx *, const Scope *, const Y *, const char *what,
            const char **out); /* any scalar's text */
bool y_name(Ctx *, const Y *, const char *what,
            const char **out); /* [A-Za-z_][A-Za-z0-9_]*, <= 64 bytes */
/* A list of integers; a single integer gives n = 1. At most `max`. */
bool y_ints(Ctx *, const Scope *, const Y *, const char *what, int max, int *n, int64_t *out);
/* Reports every key of `map` that is not among `known` (with the nearest spelling); keys that
 * LANGUAGE.md has but nncc has not yet, in `later`, are refused by name: "'ema' is not supported
 * yet". */
bool y_keys(Ctx *, const Y *map, const char *what, const char *const *known, int n,
            const char *const *later, int n_later);

/* --- calls: what layers, losses, functions share ---------------------------------------------- */

typedef enum {
    ARG_int,   /* .i */
    ARG_real,  /* .r */
    ARG_bool,  /* .b */
    ARG_word,  /* .s: one of `words` where that is given */
    ARG_ints,  /* .n, .list: an integer or a list; in YAML also .s, .n 0: one of `words` if given */
    ARG_reals, /* .n, .reals: a list of numbers */
    ARG_yaml   /* .y: as it stands, in .scope; not in expressions */
} ArgType;

enum { ARGS_MAX = 12, ARG_LIST_MAX = 64 };

typedef struct ArgRow {
    const char *name;
    ArgType type;
    const char *otherwise; /* default, as it would be written; NULL: required; "": optional */
    const char *words;     /* ARG_word, ARG_ints: "mean sum none" */
} ArgRow;

typedef struct Arg {
    bool given; /* false where optional and absent; defaults count as given */
    Loc loc;
    int64_t i;
    double r;
    bool b;
    const char *s;
    int n;
    int64_t list[ARG_LIST_MAX];
    double *reals; /* arena, n of them */
    const Y *y;
    const Scope *scope;
} Arg;

typedef struct Builder Builder;
typedef struct Call Call;

/* One row of layers.def, losses.def or functions.def. */
typedef struct CallRow {
    const char *name;
    int min_in, max_in; /* operands; max -1: any number */
    ArgRow arg[ARGS_MAX];
    /* Gives the result, or NULL after a report. Operands are never NULL, but see `operands`. */
    Node *(*build)(Call *);
    unsigned flags;
    const char *text; /* what it gives, in one line, for the documentation */
    const char
        *operands; /* names by which an expression may give operands too, or NULL; those that are
                             not given are NULL where others are behind them */
} CallRow;

enum {
    CALL_layer = 1,      /* may be a layer */
    CALL_function = 2,   /* may be called in an expression */
    CALL_weights = 4,    /* has weights: layer only; takes init, frozen, shared */
    CALL_activation = 8, /* may be an `activation:` (one operand, no required argument) */
    CALL_several = 16,   /* gives several values through Call.parts (split) */
    CALL_weighted = 32,  /* a loss that takes weight=, an expression: Call.weight */
    CALL_spectral = 64,  /* has a weight that call_matrix gives: takes spectral_norm */
    CALL_network =
        128 /* its first argument is the name of a network: Call.network, whose inputs but for the
                            first two may be given by name as operands, behind those that `operands` names */
};

struct Call {
    Builder *b;
    Graph *g; /* loc, what and role are set */
    Ctx *ctx;
    const CallRow *row;
    Loc loc;
    const char *path; /* of a layer: its weights' prefix, "fc1" or "h.0.fc1" */
    bool training;    /* the graph is of a training step */
    int n_in;
    Node **in;
    Loc *in_loc;  /* where each operand is named or made, for notes */
    Node *weight; /* CALL_weighted: how much each element of the loss counts; NULL: all the same */
    Loc weight_loc;
    struct Network *network; /* CALL_network */
    Arg arg[ARGS_MAX];
    const Y *init; /* the layer's init:, or NULL */
    const Scope *scope;
    bool frozen, spectral;
    const char *shared; /* path of the layer whose weights are used, or NULL */
    int n_parts;        /* CALL_several */
    Node *parts[64];
    const char *part_names[64];
};

/* Reads the arguments `rows` (up to the first without a name; at most ARGS_MAX) of `what` as YAML
 * has them: nothing, a scalar or list (the first argument), or a map. Keys of the map in `common`
 * are left to the caller. Fills out[i] for rows[i], defaults as well. `loc` is where missing ones
 * are reported. */
bool args_read(Ctx *, const Scope *, const char *what, Loc loc, const ArgRow *rows, const Y *args,
               const char *const *common, int n_common, Arg *out);

/* All rows (layers.def, losses.def, functions.def: one table), in calls.c. */
const CallRow *call_find(const char *name);
int call_count(void);
const CallRow *call_at(int i);

/* Helpers for build functions. */
/* The weight `path.name` (or the shared layer's), created on first use with the layer's init: or
 * `otherwise`, which holds PyTorch's default. fan_in, fan_out serve xavier and kaiming. init:
 * applies to tensors of two and more axes only; biases keep their default. Reports a clash of
 * shapes. */
Node *call_weight(Call *, const char *name, const Shape *, Init otherwise, int64_t fan_in,
                  int64_t fan_out);
/* Its `weight`, of two or more axes, of which `rows` is that of what it gives; divided by its largest singular value
 * where the layer has spectral_norm. (spectral.c) */
Node *call_matrix(Call *, const Shape *, Init otherwise, int64_t fan_in, int64_t fan_out, int rows);
/* The same for what is saved but never trained (running statistics). */
Node *call_buffer(Call *, const char *name, const Shape *, double value);
/* The same with initial values of another kind. */
Node *call_buffer_as(Call *, const char *name, const Shape *, Init);
/* A buffer as it is here: after what calls before this one made of it (a shared layer runs more than once). */
Node *call_latest(Call *, Node *buffer);
/* From here on the buffer is `value`; a training step leaves it so. */
void call_become(Call *, Node *buffer, Node *value);
/* Notes that buffers are fitted on training data, of operand 0 as the layer reads it, `x`; fit->name and loc are
 * filled in. False after a report that they cannot be. (fits.c) */
bool call_fit(Call *, Fit *, Node *x);
/* Notes that values of the inputs that x comes from may be NaN: an `impute` sees to it. (fits.c) */
void call_misses(Call *, const Node *x);
/* What is carried from one batch to the next, `path.name`, of the shape [N, ...]: 0 at first. */
Var *call_carried(Call *, const char *name, const Shape *);
/* The value that a word names; NULL after a report. */
Node *call_value(Call *, const Arg *);
/* A new stream of random numbers; the same in every function of the program. */
uint32_t call_stream(Call *);
/* An axis argument (batch is 0, negative from the end) to 0 .. rank-1; reports, then -1. */
int call_axis(Call *, const Arg *, int64_t axis, int rank);
/* The same of operand 0, where it holds no samples. */
int call_inner_axis(Call *, const Arg *, int64_t axis, int rank);
/* The activation `name` applied; reports an unknown one with the nearest spelling. */
Node *call_activation(Call *, const Y *activation, Node *x);
/* A loss ignores targets `ignore` of `classes`: the input they come from may hold that value. */
void program_ignore(Call *, Node *classes, int64_t ignore);
/* "an error at this call" with the operands' shapes may be reported by diag_error(&c->ctx->diag,
 * c->loc, ...) and notes at c->in_loc[i]: "'fc1' is made here". */

/* --- init.c: init: keys ----------------------------------------------------------------------- */

bool init_read(Ctx *, const Scope *, const Y *, int64_t fan_in, int64_t fan_out, Init *out);

/* --- metrics.c, metrics.def ------------------------------------------------------------------- */

typedef struct MetricRow {
    const char *name;
    int n_in, max_in; /* operands; max 0: n_in */
    ArgRow arg[ARGS_MAX];
    Finish finish;
    int n_sums;
    /* n_sums nodes without a batch axis, sums over the batch; NULL: there are none */
    bool (*build)(Call *, Node **sums);
    /* Of a program alone: n_kept f32 nodes, batch first, of which the metric is made when all samples are known;
     * says in the Metric what they are. They stand for no figure but that of `eval --report` where `build` is
     * there as well: `report` of the Metric is then set, and there may be none (n_kept 0). */
    int n_kept;
    bool (*keep)(Call *, Node **kept, Metric *);
    bool (*details)(Call *,
                    Metric *); /* or NULL: what else the finish must know; reports, then false */
    bool larger;               /* larger is better */
    const char *text;
    const char *operands; /* as CallRow's */
} MetricRow;

const MetricRow *metric_find(const char *name);
int metric_count(void);
const MetricRow *metric_at(int i);

/* --- train.c, data.c, optimizers.def ---------------------------------------------------------- */

typedef enum {
#define OPTIMIZER(name, ...) OPT_##name,
#include "optimizers.def"
#undef OPTIMIZER
    OPT_COUNT
} OptimizerKind;

typedef struct OptimizerRow {
    const char *name;
    ArgRow arg
        [OPTIMIZER_ARGS]; /* lr first; betas is two numbers and fills two places of Optimizer.arg */
} OptimizerRow;

extern const OptimizerRow optimizer_rows[OPT_COUNT];

/* Fill p->train, p->data_*; `y` may be NULL (the key is absent). Report and go on. */
void train_read(Program *, const Scope *, const Y *train);
/* Gives weights the rate and the weight decay of the pattern that their names fit: `y` is `groups:` of an optimiser
 * whose learning rate is `rate`. Reports. (groups.c) */
void groups_read(Program *, const Scope *, const Y *, double rate);
/* In which order samples are taken, once layers and data are read: what is carried from batch to batch wants one. */
void train_order(Program *, const Scope *, const Y *train);
void data_read(Program *, const Scope *, const Y *data);

/* --- expr.c: `mu + sigma * relu(beta)` -------------------------------------------------------- */

/* Finds the value that a name stands for: layers, inputs; reports an unknown one with the
 * nearest. */
typedef Node *ExprName(Builder *, const char *name, Loc loc, Loc *made);

/* Parses the scalar y (Pratt), builds its nodes in the builder's graph. Reports with columns
 * inside the expression, then NULL. */
Node *expr_build(Builder *, const Y *y, const Scope *);
/* What a metric is made of. */
enum { METRIC_SUMS_MAX = 16, METRIC_KEPT_MAX = 4 };

typedef struct MetricParts {
    Node *sums[METRIC_SUMS_MAX], *kept[METRIC_KEPT_MAX];
    Metric metric; /* all but its name and place, and where what it keeps stands in the program */
} MetricParts;

/* An expression that must be a call of a metric: what that is made of. */
const MetricRow *expr_metric(Builder *, const Y *y, const Scope *, MetricParts *);
/* Arithmetic on numbers and $names alone, for values.c. */
bool expr_number(Ctx *, const Scope *, const Y *y, const char *what, double *out);

/* --- model.c, layers.c, blocks.c -------------------------------------------------------------- */

/* Options of the command line that change the model. */
typedef struct ModelOptions {
    int64_t batch; /* 0: the file's */
    int n_defines;
    const char *const *defines; /* NAME=VALUE */
    bool no_train;
    bool program; /* a program is made of it: metrics over all samples keep what they need */
} ModelOptions;

/* A checked Program, its graphs not built. Reports all it finds; NULL when there were errors. */
Program *model_read(Ctx *, const ModelOptions *, const char *text, size_t size);
/* Whether the model has what a function is made of: outputs, a loss, players who have no turn at some steps. Those that
 * decode are made of model_scores. */
bool model_has(const Program *, Fn);
/* The graph of one function: predict: output roots; eval: loss and metric roots; train and
 * accumulate: loss and metric roots in training mode; grad: the loss root in training mode; fit: an output
 * root for each of Program.fits; attribute: what attribute_roots says; sample: an output root for each of
 * Program.samples. NULL when there were errors. */
Graph *model_graph(Program *, Fn);
/* Of a model with `generate:`: the graph of predict whose one output are the scores of the next token,
 * [N, T, classes]. NULL when there were errors. */
Graph *model_scores(Program *);

#endif
