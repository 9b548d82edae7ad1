/* SPDX-License-Identifier: MIT */
/* nnrt_categories.c: categories of a table's column to class indices: in the order of the model's list; else in order
 * of their bytes, those of the training data, which the weights file keeps. */
#include <string.h>

#include "nnrt_text.h"

static int categories_no_memory(const nnrt_categories *k)
{
    return nnrt_fail(k->read->fault, NNRT_NO_MEMORY, "%s: no memory for its categories", k->path);
}

/* An error of a cell: "FILE:3:7: expected ... in column 'c', found 'x'". */
static int categories_wrong(const nnrt_categories *k, const nnrt_cell *c, const char *expected)
{
    return nnrt_fail(k->read->fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: expected %s in column %s, found '%.*s'", k->path, c->line,
                     c->column, expected, k->label, (int)(c->size < 40 ? c->size : 40), c->at);
}

/* The model's own list. */
static int categories_listed(const nnrt_categories *k, nnrt_vocab *out)
{
    for (int i = 0; i < k->column->n_categories; i++) {
        const char *text = k->column->categories[i];
        if (nnrt_vocab_add(out, -1, text, strlen(text)) < 0)
            return categories_no_memory(k);
    }
    return NNRT_OK;
}

/* Whether the vocabulary is made from this row. */
static int categories_learns(const nnrt_categories *k, int64_t row)
{
    const unsigned char *from = k->read->meta->learn_from;
    return !nnrt_skipped(k->read, row) && (!from || from[row]);
}

/* Adds a category that was not there. */
static int categories_add(const nnrt_categories *k, const nnrt_cell *c, int64_t most,
                          nnrt_vocab *seen)
{
    uint32_t character;
    size_t at = 0, n = 1;
    while (at < c->size && (n = nnrt_utf8_take(c->at + at, c->size - at, &character)) > 0)
        at += n;
    if (n == 0)
        return categories_wrong(k, c, "UTF-8");
    if (seen->n >= most)
        return nnrt_fail(k->read->fault, NNRT_BAD_CONTENT,
                         "%s:%zu:%zu: '%.*s' in column %s is one category more than the %lld of "
                         "'%s'",
                         k->path, c->line, c->column, (int)(c->size < 40 ? c->size : 40), c->at,
                         k->label, (long long)most, k->value->name);
    return nnrt_vocab_add(seen, -1, c->at, c->size) < 0 ? categories_no_memory(k) : NNRT_OK;
}

/* Makes the list from the rows that are for it, and keeps it in order of the bytes. */
static int categories_learn(const nnrt_categories *k)
{
    int64_t most = k->column && k->column->count ? k->column->count : k->value->classes;
    nnrt_vocab seen = {0};
    int status = NNRT_OK;
    for (int64_t i = 0; i < k->rows && !status; i++) {
        const nnrt_cell *c = &k->cells[i];
        if (categories_learns(k, i) && nnrt_vocab_find(&seen, c->at, c->size) < 0)
            status = categories_add(k, c, most, &seen);
    }
    if (!status)
        status = nnrt_labels_keep(k->read, k->key, &seen);
    nnrt_vocab_free(&seen);
    return status;
}

static int categories_open(const nnrt_categories *k, nnrt_vocab *out)
{
    const nnrt_meta *meta = k->read->meta;
    *out = (nnrt_vocab){0};
    if (k->column && k->column->n_categories)
        return categories_listed(k, out);
    if (!nnrt_meta_find(meta, "nncc.labels.", k->key)) {
        if (!meta || !meta->learn)
            return nnrt_fail(k->read->fault, NNRT_BAD_CONTENT,
                             "%s: the weights file has no categories for column %s: a run of "
                             "`train` on a table puts them there",
                             k->path, k->label);
        int status = categories_learn(k);
        if (status)
            return status;
    }
    return nnrt_labels_kept(k->read, k->key, out);
}

int nnrt_categories_find(const nnrt_categories *k, double *to)
{
    nnrt_vocab names;
    int status = categories_open(k, &names);
    const char *expected = k->column && k->column->n_categories
                               ? "a category of the model's list"
                               : "a category that the training data has";
    for (int64_t i = 0; i < k->rows && !status; i++) {
        const nnrt_cell *c = &k->cells[i];
        if (nnrt_skipped(k->read, i))
            continue;
        int64_t at = nnrt_vocab_find(&names, c->at, c->size);
        if (at < 0 && k->column && k->column->has_unseen)
            at = k->column->unseen;
        if (at < 0 || at >= k->value->classes)
            status = nnrt_skip(k->read, i, categories_wrong(k, c, expected));
        else
            to[i * k->step] = (double)at;
    }
    nnrt_vocab_free(&names);
    return status;
}
