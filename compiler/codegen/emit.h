/* SPDX-License-Identifier: MIT */
/* emit.h: what the files that write the emitted source share. */
#ifndef NNCC_EMIT_H
#define NNCC_EMIT_H

#include "../frontend/frontend.h"
#include "../ops/ops.h"
#include "codegen.h"

typedef VEC(Var *) VarList;

/* Variables that repeat: `period` of them stand `count` times one behind the other, the number in their names one
 * more and their offsets `stride` more each time. (vars.c) */
typedef struct VarRun {
    int first, period, count; /* from variable `first` of their part on */
    int number;               /* the first repeat's */
    int64_t stride;           /* bytes */
    const char *prefix;       /* at[0] bytes that stand before the number in the first one's name */
    const char *name;         /* the array in struct NAME_vars */
    const char **member;      /* by variable of a repeat: its name in the structure */
    int *at;                  /* and where its own name has the number */
} VarRun;

/* Where a variable stands in a run; run NULL: in none. */
typedef struct VarPlace {
    const VarRun *run;
    int repeat, member;
} VarPlace;

/* What stands in the calls for an address: a buffer that is no part of another, or the key of a random stream. */
typedef struct Slot {
    const Buffer *buffer; /* NULL: the stream's key */
    uint32_t stream;
} Slot;

/* What a kernel of a training step stores, or where a loop begins and ends: a row of nnrt_place. */
typedef struct Stored {
    const Node *y;
    int64_t times;
} Stored;

typedef VEC(Stored) StoredList;

typedef enum { PART_vars, PART_caches, PART_memory, PART_COUNT } VarPart;

typedef struct SourceText {
    Program *p;
    const CodegenOptions *options;
    Arena *arena;
    Out *out;
    const char *upper; /* the model's name in capitals, for constants */
    VarList vars[PART_COUNT];
    const char **var;     /* by var id: what it is called in struct NAME_vars */
    VarPlace *var_place;  /* by var id */
    GraphList graphs;     /* the functions, behind each body the graph around it */
    Map marks;            /* profile.c: a kernel's name to its Mark */
    VEC(Slot) slots;      /* of the line at hand */
    StoredList places[2]; /* of train, of accumulate, in the order of their calls */
    bool noted;           /* the function at hand notes when its kernels are done */
} SourceText;

/* A kernel in the table for bench --profile. */
typedef struct Mark {
    int number;
    const Kernel *k;
} Mark;

/* How often each call of the function that holds it runs kernel i of a graph, a body perhaps. */
int64_t kernel_turns(const Graph *, int i);
/* Whether input i is a parameter of the function: some value that it gives depends on the input. */
bool input_used(const Program *, Fn, int input);
/* Whether what the function gives is written to parameters of it: predict, attribute, sample. */
bool fn_gives(Fn);
/* "const float *image" */
const char *input_parameter(Arena *, const Program *, int input);
/* Numbers that NAME_grad has room for. */
int64_t grads_count(const Program *);
bool program_carries(const Program *); /* some value goes on from batch to batch */
int64_t params_count(const Program *); /* numbers trained */
bool emits_grad(const Program *, const CodegenOptions *);

/* Bytes of an instance: the largest scratch of a function; caches and room for scores, where it decodes. */
int64_t scratch_bytes(const Program *);
int64_t decoding_bytes(const Program *);
int64_t sequence_room(const Program *); /* tokens that a beam search may make */
int caches_count(const Program *);      /* variables of decoding */

/* The heads of NAME_generate and NAME_beam; `self` is the first parameter. */
const char *generate_head(Arena *, const Program *, const char *name, const char *self);
const char *beam_head(Arena *, const Program *, const char *name, const char *self);

const char *upper_text(Arena *, const char *); /* a-z to A-Z */

/* The parameters of a public function of the model, after the instance: "int n, const float
 * *image, float *probs". */
const char *fn_parameters(Arena *, const Program *, Fn);

/* ", image, probs": what a function of the same parameters passes on to it. */
const char *fn_arguments(Arena *, const Program *, Fn);

/* --- address.c: where buffers are, as the function that calls kernels writes it -------------------- */

/* A function, or the body of a scan in one. */
typedef struct Frame {
    const Graph *g;
    const struct Frame *outer; /* of a body */
    const Kernel *scan;        /* of a body: the kernel in `outer` that runs it */
    const char *t;             /* of a body: the variable that counts its steps */
} Frame;

const Buffer *buffer_root(const Buffer *); /* what lies under it */
char slot_kind(const Slot *); /* a letter that tells what may be in it from what else may be */
const char *slot_text(SourceText *,
                      Slot); /* adds a slot to the line at hand: what stands for it there */
/* "image", "\1s0\2", "\1s0\2 + t * 64": a kernel's argument, with slots for what is in the instance. */
const char *buffer_address(SourceText *, const Frame *, const Buffer *);

/* A part of what the function can reach. */
typedef struct Span {
    BufferKind kind;
    int index;        /* of scratch and gradients 0 */
    int64_t from, to; /* bytes */
} Span;

typedef VEC(Span) SpanList;

/* Adds what a buffer may be, in all steps. */
void buffer_spans(SourceText *, const Frame *, const Buffer *, SpanList *);
bool spans_meet(const SpanList *, const SpanList *);

/* body.c: everything in a function from the buffers to the last kernel. */
void emit_body(SourceText *, const Graph *);
/* step.c: predict, eval, train_step, grad. */
void emit_steps(SourceText *);
/* fitting.c: what layers read that are fitted on training data, and the table of them. */
void emit_fit_values(SourceText *);
void emit_fitting(SourceText *);
/* vars.c: names the variables; their structures; the table NAME_vars. */
void name_vars(SourceText *);
void emit_var_structs(SourceText *);
void emit_vars(SourceText *);
/* "h[r + 1].fc_weight": a variable of a run, given which repeat's. */
const char *var_repeated(SourceText *, const VarRun *, int member, const char *index);
/* describe.c: the nnrt_model table, before the step functions and after them. */
void emit_tables(SourceText *);
const char *data_name(SourceText *, const Buffer *); /* of an array of constants */
void emit_model(SourceText *);
const char *real_text(Arena *, double);                       /* as a double of C */
const char *dims_text(Arena *, const Shape *, int from_axis); /* "{3, 32, 32}" */
const char *quoted_text(Arena *, const char *); /* a string of C; NULL without quotes */
/* describe_data.c: the tables of the data sources, and their rows in nnrt_model. */
void emit_sources(SourceText *);
void source_rows(SourceText *);
/* describe_csv.c: the texts of a csv source; what its row, and that of its column i, say beside the rest; whether a
 * column of csv may hold categories: programs then link what knows them. */
void emit_csv_texts(SourceText *, const Source *, const char *role);
void emit_csv_row(SourceText *, const Source *, const char *role);
const char *csv_column_text(SourceText *, const SourceColumn *, const char *role, int i);
bool reads_categories(const Program *);
/* metric_rows.c: the table NAME_metrics, and NAME_kept where they keep something. */
void emit_metric_rows(SourceText *);
/* How the model is trained: rows of its players, and what nnrt_model.train holds. */
void emit_players(SourceText *);
/* Floating point operations of a player's turn with a full batch; what several turns read counts for the first. */
double turn_flops(const Graph *, int turn);
void emit_train_rows(SourceText *);
/* profile.c: kernels' numbers, and the table of them; whether a function has a form with marks. */
bool notes_times(const SourceText *, Fn);
void find_marks(SourceText *);
int mark_number(const SourceText *, const Kernel *);
void emit_marks(SourceText *);
/* about.c: what train --report tells, of programs that train; whether the file has it. */
void emit_about(SourceText *);
bool tells_about(const SourceText *);
void emit_places(SourceText *);
/* attributions.c: the table of what function attribute gives. */
void emit_attributions(SourceText *);
/* single_file.c: the runtime's text, headers first; whether a kernel calls what runtime/nnrt_ctc.h has
 * or, of boxes, nnrt_boxes.h. */
void emit_runtime(SourceText *);
bool calls_samples(const SourceText *, bool boxes);
/* Whether a data source of the model is text, sound or images: programs then link their readers. (describe_data.c) */
bool reads_text(const Program *);
bool reads_sound(const Program *);
bool reads_images(const Program *);
/* The text with the runtime's identifiers made the model's own. */
const char *prefix_runtime(SourceText *, const char *text);

#endif
