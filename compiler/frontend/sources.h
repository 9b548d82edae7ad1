/* SPDX-License-Identifier: MIT */
/* sources.h: what the readers of the kinds of data sources share. */
#ifndef NNCC_SOURCES_H
#define NNCC_SOURCES_H

#include "rows.h"

enum { SOURCE_FILES_MAX = 1024 };

/* What a kind of source is read with. */
typedef struct Reader {
    Program *p;
    const Scope *scope;
    const char *kind;
    const Y *args;
    Source *out;
    bool complete; /* each input must have a column: it is the training data */
} Reader;

typedef struct SourceRow {
    const char *name;
    SourceKind kind;
    void (*read)(Reader *);
} SourceRow;

/* --- data.c ----------------------------------------------------------------------------------- */

Ctx *source_ctx(const Reader *);
/* "csv: header" */
const char *source_title(const Reader *, const char *key);
/* Checks the keys of a map of inputs' names and of `n` keys of the kind's own. */
bool source_map(Reader *, const char *const *own, int n, const char *example);
/* Calls `column` for each input named, in the order written. */
void source_columns(Reader *, const char *const *own, int n,
                    bool (*column)(Reader *, const Y *, const Input *, SourceColumn *));
/* Whether the source has a column for an input. */
bool source_has_column(const Source *, int input);
/* Reports inputs that training needs and that have no column. */
void source_check_complete(const Reader *);
/* The index of the input that `y` names, -1 after a report; `what` begins it. */
int source_named_input(Reader *, const Y *, const char *what);
/* Says where the input is made. */
void source_note_input(Reader *, const Input *);
/* The name of a column of a table, or its number where there is no header; `key` is for errors. */
bool source_column_name(Reader *, const Y *, const char *key, SourceColumn *out);
/* The key `file`, which must be there; of the second it may be a list. */
bool source_file(Reader *);
bool source_several_files(Reader *);
/* The keys `generator`, which must be one of the words `known`, with blanks between them, `seed` and `count`. */
bool source_generator(Reader *, const char *known);
/* One character, `tab`, or of csv `space`: runs of blanks. */
bool source_delimiter(Reader *, const Y *);

/* The index of the input that a key names, -1: it is one of the kind's own keys. */
int source_input_of(const Reader *, const char *key, const char *const *own, int n);

/* --- data_csv.c ------------------------------------------------------------------------------- */

void source_csv(Reader *);

/* --- data_forecast.c -------------------------------------------------------------------------- */

/* The key `forecast` of a table; on success the source has a stride. */
void source_forecast(Reader *, const Y *);

/* --- data_negatives.c ------------------------------------------------------------------------- */

/* The key `negatives` of a table: one map, or a list of them. To read before the columns. */
void source_negatives(Reader *, const Y *);
/* Whether an input gets a row of classes, of which the table has the first; whether one gets which of them was
 * taken. */
bool source_draws(const Source *, int input);
bool source_labels(const Source *, int input);
/* Reports columns that are missing, or too many; to call after the columns. */
void source_check_negatives(Reader *, const Y *);

/* --- data_text.c ------------------------------------------------------------------------------ */

void source_text(Reader *);
/* The keys `tokenizer`, `lowercase` and `longer`, of the kind's arguments. */
bool source_text_form(Reader *);
/* The key `lengths`: {INPUT: INPUT whose samples' lengths it holds}. */
bool source_lengths(Reader *);

/* --- data_sound.c ----------------------------------------------------------------------------- */

void source_sound(Reader *);

/* --- data_images.c ---------------------------------------------------------------------------- */

void source_images(Reader *);

#endif
