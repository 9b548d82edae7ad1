/* SPDX-License-Identifier: MIT */
/* nnrt_csv.h: a table of text, record by record; private to the runtime. */
#ifndef NNRT_CSV_H
#define NNRT_CSV_H

#include <locale.h>

#include "nnrt_data.h"

/* A field of the file: what is between its quotes, if it has them; doubled quotes still doubled. */
typedef struct nnrt_field {
    const char *at;
    size_t size;
    size_t line, column; /* from 1; column in bytes */
    int last;            /* of its record */
} nnrt_field;

typedef struct nnrt_csv {
    const char *path;
    nnrt_bytes bytes;
    size_t at, line, line_start, record_start; /* where the scanner stands */
    char delimiter;                            /* NNRT_BLANKS: runs of blanks */
    int header;                                /* the first record holds names */
    int literal;                               /* quotes are characters like others */
    int ragged;    /* the last record that failed has another number of fields, and was passed */
    size_t fields; /* a record */
    nnrt_field *names; /* the first record, [fields] */
    nnrt_field *row;   /* the present one, [fields] */
    locale_t locale;   /* "C": what strtod_l reads with, whatever the program has set */
    nnrt_fault *fault;
} nnrt_csv;

typedef enum { NNRT_CSV_NUMBER, NNRT_CSV_TEXT, NNRT_CSV_NOT_FINITE } nnrt_csv_kind;

/* Reads a file, or takes `bytes` over under a name, and reads the first record. Close it also after a failure. */
int nnrt_csv_open(nnrt_csv *, const char *path, char delimiter, int literal, nnrt_fault *);
int nnrt_csv_open_bytes(nnrt_csv *, const char *name, nnrt_bytes, char delimiter, nnrt_fault *);
void nnrt_csv_close(nnrt_csv *);
/* Goes to the first record after the names. */
void nnrt_csv_rewind(nnrt_csv *);
/* 1: no record follows. */
int nnrt_csv_ended(nnrt_csv *);
/* The next record to t->row; as many fields as the first has. */
int nnrt_csv_record(nnrt_csv *);
/* The index of a column by its name, or by its number where no column has that name; -1: none, -2: two of the name. */
int64_t nnrt_csv_find(const nnrt_csv *, const char *name);
/* The indices of n columns. */
int nnrt_csv_find_all(const nnrt_csv *, int n, const char *const *names, size_t *fields);
/* Sets t->header: some field of the first record is text where the next record, if there is one, has a number. A
 * column of text (the name of a class) says nothing. */
int nnrt_csv_guess_header(nnrt_csv *);
/* The field without blanks around it. */
nnrt_field nnrt_csv_trimmed(nnrt_field);
/* 1: the field, blanks around it aside and unquoted, is this text. */
int nnrt_csv_is(nnrt_field, const char *text);
/* What a field holds; doubled quotes become one where they stand, so that nothing may read them again. */
nnrt_span nnrt_csv_text(const nnrt_csv *, nnrt_field);
/* The number that a field holds, blanks around it aside. */
nnrt_csv_kind nnrt_csv_value(const nnrt_csv *, nnrt_field, double *out);
/* "'sepal_length'", or its number, for errors. */
const char *nnrt_csv_label(const nnrt_csv *, size_t field, char label[48]);
/* What was found where a number was expected. */
int nnrt_csv_not_number(const nnrt_csv *, size_t field, nnrt_csv_kind);

#endif
