/* SPDX-License-Identifier: MIT */
/* builder.h: what the files that walk a model share: parsed expressions, values by name, the walk.
 * Private to the files that read the model: not for layers, losses and functions.
 */
#ifndef NNCC_BUILDER_H
#define NNCC_BUILDER_H

#include "../ops/ops.h"
#include "frontend.h"

enum {
    EXPR_NESTING_MAX = 200, /* parentheses, calls and signs inside each other */
    EXPR_HEIGHT_MAX = 1000, /* of the tree: the terms of a sum */
    EXPR_NODES_MAX = 65536,
    BLOCKS_NESTED_MAX = 64,
    NODES_MAX = 1 << 20, /* of a graph as it is built */
    BOUND_MAX = 256      /* values in one argument of a block */
};

/* --- parse.c: the text of an expression to a tree --------------------------------------------- */

typedef enum {
    EX_number, /* number */
    EX_name,   /* name: a value, or a bare word */
    EX_dollar, /* name: without the $ */
    EX_unary,  /* op of arg[0] */
    EX_binary, /* op of arg[0], arg[1] */
    EX_call,   /* name (dollar: that of a variable), arg, with keys */
    EX_index,  /* arg[0], range */
    EX_list    /* arg */
} ExKind;

typedef struct Ex Ex;

typedef struct ExArg {
    const char *key; /* NULL: positional */
    Loc key_loc;
    Ex *value;
} ExArg;

typedef struct ExRange { /* [start:end:step]; NULL: left out */
    bool is_range;       /* false: start is an index, and its axis goes */
    Loc loc;
    Ex *start, *end, *step;
} ExRange;

struct Ex {
    ExKind kind;
    Loc loc; /* of an operator: the whole */
    int height;
    double number;
    const char *name;
    bool dollar;
    bool parens; /* stands in parentheses */
    OpKind op;
    VEC(ExArg) arg;
    VEC(ExRange) range;
};

/* The tree of the expression y, or NULL after a report. */
Ex *expr_parse(Ctx *, const Y *y);
/* Whether `text` is one number as the model language writes it; its value. */
bool number_read(const char *text, size_t length, double *out);
/* The value of a tree of numbers, $names and arithmetic; reports, then false. */
bool expr_evaluate(Ctx *, const Scope *, const Ex *, const char *what, double *out);

/* --- values.c --------------------------------------------------------------------------------- */

/* The value of $name: the innermost, or NULL. */
const Y *scope_find(const Scope *, const char *name);
/* Reports that no $name is known here. */
void scope_unknown(Ctx *, const Scope *, const char *name, Loc);
/* A copy of y in which every $name and every arithmetic with them is replaced by its value, of at
 * most `max` values; NULL after a report. What a Scope holds is bound: it has no $ left. */
const Y *y_bind(Ctx *, const Scope *, const Y *y, int max);
/* "a list", "a map", "'abc'": what was seen, for diagnostics. */
const char *y_text(Ctx *, const Y *);
bool y_empty(const Y *); /* NULL, or nothing written after the key; `null` and `~` as well */
bool name_valid(const char *);
/* Whether `word` is one of `words`, which have blanks between them. */
bool word_in(const char *words, const char *word);

/* --- the model as written, and the walk over it ----------------------------------------------- */

typedef struct Block {
    const char *name;
    const char *what; /* "block", or what else has layers of its own */
    Loc loc;
    const Y *args;   /* map of defaults, or NULL */
    const Y *layers; /* a list, or NULL after a report */
    bool used;
    bool failed; /* a mistake in it was reported */
    int depth;   /* of the blocks inside it; -1 while it is looked at, 0: not yet */
} Block;

typedef struct NetworkInput {
    const char *name;
    Loc loc;
    bool is_declared; /* its shape and type are given */
    Input declared;
} NetworkInput;

/* One of `networks:`. */
typedef struct Network {
    const char *name;
    Loc loc;
    VEC(NetworkInput) inputs;
    const Y *outputs; /* NULL: the last layer */
    Block block;      /* its layers */
    bool calling;     /* its layers are being walked */
} Network;

enum { NETWORK_OUTPUTS_MAX = 32 };

/* A call of a network in a graph, and what it gave. */
typedef struct NetworkCall {
    const Network *net;
    const Graph *g; /* the function, or the body of a loop in it */
    Node **in;
    int n_out;
    Node *out[NETWORK_OUTPUTS_MAX];
} NetworkCall;

/* A player as written, beside Program.players. */
typedef struct PlayerNote {
    const Y *y;
    const Y *loss;              /* its expression */
    VEC(const char *) patterns; /* of the weights it updates */
    VEC(Loc) places;
} PlayerNote;

typedef struct InputNote { /* what Program.inputs does not hold */
    bool broken;           /* reported: its values are, too */
    bool flat;             /* computed with as f32 numbers: neither classes nor tokens */
    struct Channels {      /* normalize: */
        int n;             /* 0: none; 1: for all; else one a channel */
        double *at;
        int axis; /* that the list runs along, batch counted */
    } mean, std;
} InputNote;

typedef struct Model {
    Ctx *ctx;
    Program *program;
    const Y *layers, *outputs, *loss, *loss_weights, *metrics; /* NULL: not in the file */
    const Y *scores;                                           /* generate: logits; or NULL */
    const Y *samples;                                          /* sample:, or NULL */
    bool no_layers;                                            /* reported */
    bool blind; /* a key that is not known may have used something */
    Loc end;    /* where something is reported that is missing */
    Scope vars;
    Map networks; /* name to Network */
    VEC(PlayerNote) players;
    Map blocks;         /* name to Block */
    bool broken_blocks; /* reported: uses of them are not */
    VEC(InputNote) inputs;
    Map streams;  /* place of a random number to its stream + 1 */
    Map augments; /* path of each `augment` that has been read */
} Model;

typedef struct Value Value;
struct Value {
    const char *name;
    Loc made;
    Node *node;              /* NULL: broken and reported, or an input not yet built */
    int input;               /* index of Program.inputs, or -1 */
    const char *weights;     /* a layer's prefix of weights, or NULL */
    Value *holder;           /* the use of a block it lies in, or NULL */
    const char *kind, *path; /* of a layer: conv2d, h.0.conv1; NULL: not one */
    bool named;              /* of a layer: the file gives its name */
    VEC(Value *) from;       /* what it was made of */
    bool used, reached;      /* by another value; by an output, loss or metric */
};

/* What one item of a list of layers gave. */
typedef struct Built {
    const char *kind;
    int first, end; /* of the frame's values */
    Value *last;
    bool several;
} Built;

/* The values of a network, or of one copy of a block. */
typedef struct Frame Frame;
struct Frame {
    Frame *outer;
    const Block *block; /* NULL: the network */
    const Y *layers;
    const Scope *scope;
    Map values;          /* name to Value */
    Map counts;          /* kind to int * */
    VEC(Built) built;    /* one an item of `layers` so far */
    Value *given;        /* a block's `input` */
    Value *holder;       /* the use of the block */
    Value *last;         /* the layer before; NULL: none */
    bool several;        /* the layer before gave several values */
    const char *path;    /* prefix of paths: "" or "h.0." */
    const char *weights; /* prefix of weights: `path`, or another's */
    bool shared, frozen; /* `weights` is another's; nothing in it is trained */
    const Y *init;       /* of its layers that say none; or NULL */
    int depth;
};

enum { MIXED_CLASSES_MAX = 1024 }; /* with more, packed indices were not exact in f32 */

/* Class indices of an input that mixup's runtime has packed in pairs (inputs.c). */
typedef struct MixedClasses {
    Node *own, *other, *input; /* of the sample, of the one it is mixed with; both packed */
} MixedClasses;

struct Builder {
    Model *model;
    Ctx *ctx;
    Program *program;
    Graph *g;
    Map inputs;   /* name to Value */
    Map unknown;  /* names reported already */
    Map made;     /* names of the weights that this graph has so far */
    Map calls_of; /* name of a network to int *: calls so far */
    VEC(NetworkCall *) calls;
    int turn;                /* of Program.players, whose loss is built */
    VEC(MixedClasses) mixed; /* class indices whose samples training mixes in pairs */
    bool mixes;              /* a loss has taken some of them so */
    Frame *frame;
    Value *into;        /* values looked up are noted in its `from`; NULL: in roots */
    VEC(Value *) all;   /* every layer's value */
    VEC(Value *) roots; /* what outputs, loss and metrics were made of */
    const char *place;  /* of random numbers: path of the layer, or "loss.NAME" */
    int n_random;       /* streams taken at `place` */
    int n_layers;
    bool training;
    bool blind;   /* something could not be read: what is used is not known */
    bool stopped; /* a limit was passed */
};

/* --- inputs.c --------------------------------------------------------------------------------- */

void inputs_read(Model *, const Y *inputs);
/* Reads the shape and type that a network says of one of its inputs; reports, then false. */
bool input_declared(Model *, const Y *, const char *name, Input *out);
/* The value of input i as layers and expressions see it: classes as they are, others as f32,
 * normalised. */
Node *input_build(Builder *, int i);

/* --- network.c: values by name ---------------------------------------------------------------- */

/* The value called `name` at this place, noted as used; reports an unknown one, once. NULL:
 * unknown. */
Value *builder_find(Builder *, const char *name, Loc);
/* Notes that what is built now is made of `value`. */
void builder_use(Builder *, Value *value);
/* Its node, NULL when broken. */
Node *value_node(Builder *, Value *);
Value *value_new(Builder *, const char *name, Loc made);
/* Adds a value to the frame under its name; reports a name taken before, then false. */
bool frame_add(Builder *, Value *);
Frame *frame_new(Builder *, Frame *outer, const Y *layers, const Scope *);
/* Builds the frame's layers again where they were made of a stale node (by id), in a frame that takes its place; what
 * else there was, calls of networks as well, is kept as it is. */
void frame_again(Builder *, const bool *stale);
/* Builds every layer of the frame. */
void frame_build(Builder *, Frame *);
/* One more layer; false, with a report the first time, past a limit. */
bool builder_count(Builder *, Loc);
Builder *builder_new(Model *, Fn);
/* Reports inputs and layers that nothing depends on. */
void builder_report_unused(Builder *);

/* --- layer.c, blocks.c ------------------------------------------------------------------------ */

/* A layer as written. */
typedef struct Written {
    const char *kind;
    Loc loc;        /* of the kind */
    const Y *args;  /* what stands beside the kind; NULL: nothing */
    const Y *map;   /* args where it is a map, else NULL */
    Value *value;   /* its result; its name is the layer's */
    const Y *names; /* a list of names: several results; or NULL */
    int n_in;
    Value **in;
    const char *shared; /* prefix of the weights it uses, or NULL */
    const Y *init;
    bool frozen;
    bool clash; /* its name was taken: reported */
} Written;

/* Builds one item of a list of layers; its kind. */
const char *layer_build(Builder *, const Y *item);
/* Counts a layer among its kind in the frame; the name of one that has none: conv2d_2. */
const char *frame_count(Builder *, const char *kind);
/* activation: of a layer or a block, applied to its result where there is one. */
Node *layer_activation(Builder *, const Written *, Node *);

void blocks_read(Model *, const Y *blocks);
Block *block_find(const Model *, const char *name);
/* "block", or what else it is. (network.c) */
const char *block_what(const Block *);
/* Builds a use of a block: its result is w->value->node. */
void block_build(Builder *, Block *, Written *);

/* --- expr.c ----------------------------------------------------------------------------------- */

/* An expression that must be a call of a network: what that gives. NULL after a report. */
const NetworkCall *expr_network(Builder *, const Y *, const Scope *);

/* --- networks.c ------------------------------------------------------------------------------- */

void networks_read(Model *, const Y *networks);
Network *network_find(const Model *, const char *name);
void networks_warn_unused(Model *);
/* The names of its inputs, with blanks between them. */
const char *network_operands(Ctx *, const Network *);
/* What the network gives of n values, made at the places `at`. NULL after a report, or where it is broken. */
const NetworkCall *network_call(Builder *, Network *, int n, Node **in, const Loc *at, Loc);

/* --- players.c -------------------------------------------------------------------------------- */

/* Reads who minimises what by updating what; `loss:` is known. Optimisers come later: players_train. */
void players_read(Model *, const Y *players);
/* A bit for each player who updates weights of this name. */
unsigned players_of(const Model *, const char *weight);
/* The optimiser and the schedule of each player; weights are known. `train` has what is said for all. */
void players_train(Program *, const Scope *, const Y *train, bool sound);
/* Builds the losses of the function's players, one after the other, each with the weights that those before it
 * leave; their sum is the loss. */
void players_build(Builder *);

/* --- calls.c ---------------------------------------------------------------------------------- */

/* Fills `out` from the call `ex` of an expression, whose first `n_in` arguments are operands. */
bool args_from_call(Ctx *, const Scope *, const ArgRow *rows, const Ex *ex, int n_in, Arg *out);
/* Runs the row's build, with the place and name that its nodes inherit. */
Node *call_run(Call *);
/* The layers, functions, losses and ops whose row has one of `flags`: names, for the nearest. */
const char *call_nearest(Ctx *, const char *name, unsigned flags, bool ops);

/* --- generate.c ------------------------------------------------------------------------------- */

/* Reads `generate:` of the file, if it is there; inputs and outputs are known. */
void generate_read(Model *, const Y *root);
/* The scores of the next token, as an output of the graph is built; `check`: also that they fit. NULL where
 * there is no `generate:`, or after a report. */
Node *generate_scores(Builder *, bool check);

/* --- fits.c ----------------------------------------------------------------------------------- */

/* Whether what is fitted depends on nothing that is trained; reports. `g` is FN_fit's, sorted. */
bool fits_check(const Graph *g);
/* --- attribute.c ------------------------------------------------------------------------------ */

/* Gives the graph of function attribute, whose layers and outputs are built, the roots that pass autodiff makes
 * its results of, and lists those in Program.attributions: of none but the scores where nothing that predict
 * reads has a gradient. */
void attribute_roots(Builder *, Node *output);

/* --- model.c ---------------------------------------------------------------------------------- */

/* The loss `name`, an expression: a number, as it is written. NULL after a report. */
Node *loss_build(Builder *, const char *name, const Y *);
/* The weight of a named loss, 1 where none is given; false after a report. */
bool loss_weight(Builder *, const char *name, double *out);
/* --- outputs.c -------------------------------------------------------------------------------- */

void outputs_read(Model *, const Y *outputs);
/* The outputs are known. */
void samples_read(Model *, const Y *sample);
/* The value of an expression that is an output called `name`: one row a sample, f32. */
Node *output_build(Builder *, const char *name, Loc, const Y *);
/* Of a model that names no output: its last layer. False where that layer is broken: what it would have read is then
 * not unused. */
bool outputs_default(Builder *);
/* Output roots of the function, of Program.outputs or, in sample, of Program.samples; elsewhere samples are built for
 * what they report and use. */
void outputs_build(Builder *);
void samples_build(Builder *);
/* Notes what the samples' numbers can be. `g` is FN_sample's, sorted. */
void samples_bound(const Graph *g);

/* --- classes.c -------------------------------------------------------------------------------- */

/* What stands for these class indices where training mixes samples; NULL: they are not mixed. */
const MixedClasses *mixed_find(const Builder *, const Node *own);

#endif
