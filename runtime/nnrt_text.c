/* SPDX-License-Identifier: MIT */
/* nnrt_text.c: sources of text: windows of a long one, whose targets are the same a token on;
 * tables of texts and classes; a line a text for `predict`. Vocabularies are made from the training
 * data, and after that come from the weights file. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_text.h"

static int text_no_memory(const nnrt_read *r, const char *name)
{
    return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its tokens", name);
}

/* --- vocabularies ----------------------------------------------------------------------------- */

/* Keeps what was made, for the weights file. */
static int text_keep(const nnrt_read *r, const nnrt_vocab *v, const char *input)
{
    nnrt_buffer json = {0};
    nnrt_tokenizer_write(v, &json);
    nnrt_buffer_put(&json, "", 1);
    if (json.failed)
        nnrt_buffer_free(&json);
    return nnrt_meta_put(r->meta, "nncc.text.", input, json.at, r->fault);
}

/* Reads the tokenizer.json that the model file names. */
static int text_from_file(const nnrt_read *r, const char *file, nnrt_vocab *out)
{
    char *path = nnrt_path_join(r->dir, file);
    nnrt_bytes bytes = {0};
    int status = path ? nnrt_file_read(path, &bytes, r->fault)
                      : nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory to read it", file);
    if (!status)
        status = nnrt_tokenizer_parse(path, bytes.at, bytes.size, out, r->fault);
    nnrt_bytes_free(&bytes);
    free(path);
    return status;
}

/* The input that a source of pairs feeds with the target after a <bos>. */
static int text_target(const nnrt_read *r, const nnrt_source *s)
{
    return nnrt_read_input(r, s->columns[1].input);
}

/* Makes a vocabulary of the texts that it may be made from. */
static int text_learn(const nnrt_read *r, nnrt_learning *how, const nnrt_span *texts, size_t n,
                      nnrt_vocab *out)
{
    const unsigned char *from = how->lines ? r->meta->learn_from : NULL;
    if (!from)
        return nnrt_vocab_learn(how, texts, n, out, r->fault);
    nnrt_span *some = malloc((n + 1) * sizeof *some);
    size_t *lines = malloc((n + 1) * sizeof *lines), kept = 0;
    int status = some && lines ? NNRT_OK : text_no_memory(r, how->name);
    for (size_t i = 0; i < n && !status; i++)
        if (from[i]) {
            some[kept] = texts[i];
            lines[kept++] = how->lines[i];
        }
    how->lines = lines;
    if (!status)
        status = nnrt_vocab_learn(how, some, kept, out, r->fault);
    free(some);
    free(lines);
    return status;
}

/* The vocabulary of an input: the weights file's, or one made of `n` texts of the file `name`. */
static int text_vocab(const nnrt_read *r, const nnrt_source *s, int input, const char *name,
                      const nnrt_span *texts, const size_t *lines, size_t n, nnrt_vocab *out)
{
    const nnrt_value *v = &r->d->model->inputs[input];
    const char *kept = nnrt_meta_find(r->meta, "nncc.text.", v->name);
    int status;
    *out = (nnrt_vocab){0};
    if (kept) {
        status = nnrt_vocab_kept(kept, v->name, out, r->fault);
    } else if (!s || !s->text || !r->meta || !r->meta->learn) {
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                         "%s: the weights file has no vocabulary for '%s': a run of `train` on "
                         "texts puts it there",
                         name, v->name);
    } else if (s->text->tokens == NNRT_TOKENS_FILE) {
        status = text_from_file(r, s->text->file, out);
    } else {
        int table = s->text->stride == 0, words = s->text->tokens == NNRT_TOKENS_WORDS;
        nnrt_learning how = {.kind = s->text->tokens,
                             .lowercase = s->text->lowercase,
                             .pad = table,
                             .unknown = words || (table && s->kind == NNRT_SOURCE_TEXT),
                             .ends = s->text->is_pairs && input == text_target(r, s),
                             .size = v->classes,
                             .name = name,
                             .input = v->name,
                             .lines = lines};
        status = text_learn(r, &how, texts, n, out);
    }
    if (!status)
        status = nnrt_vocab_fits(out, name, v, r->fault);
    if (!status && !kept)
        status = text_keep(r, out, v->name);
    if (status)
        nnrt_vocab_free(out);
    return status;
}

/* What could not be encoded: a byte of `text`, on `line` of the file. */
static int text_unknown(const nnrt_read *r, const nnrt_vocab *v, const char *name, size_t line,
                        const nnrt_span *text, size_t bad)
{
    size_t n = 0, left;
    int space;
    const char *what = nnrt_vocab_merges(v)                ? "byte"
                       : v->split == NNRT_SPLIT_CHARACTERS ? "character"
                                                           : "word";
    bad = bad < text->size ? bad : text->size - 1;
    left = text->size - bad;
    n = nnrt_vocab_merges(v) ? 1 : nnrt_piece(v->split, text->at + bad, left, &space);
    return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                     "%s:%zu:%zu: the %s '%.*s' (bytes %02x ...) is not in the vocabulary, which "
                     "has no <unk>",
                     name, line, bad + 1, what, (int)(n < 40 ? n : 40), text->at + bad,
                     (unsigned char)text->at[bad]);
}

/* --- windows of a text ------------------------------------------------------------------------ */

/* Adds a file to the text; `bytes` takes them over. */
static int text_append(const nnrt_read *r, const char *path, nnrt_bytes *text)
{
    nnrt_bytes more = {0};
    int status = nnrt_file_read(path, &more, r->fault);
    if (status || text->size == 0) {
        if (!status) {
            nnrt_bytes_free(text);
            *text = more;
        }
        return status;
    }
    unsigned char *grown = realloc(text->at, text->size + more.size + 1);
    if (grown) {
        memcpy(grown + text->size, more.at, more.size);
        text->at = grown;
        text->size += more.size;
    } else {
        status = nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: no memory for its text", path);
    }
    nnrt_bytes_free(&more);
    return status;
}

/* Where byte `at` is: its line, from 1, and the line's text. */
static size_t text_line(const nnrt_bytes *text, size_t at, nnrt_span *line, size_t *in_line)
{
    size_t n = 1, start = 0, end;
    for (size_t i = 0; i < at && i < text->size; i++)
        if (text->at[i] == '\n')
            n++, start = i + 1;
    for (end = start; end < text->size && text->at[end] != '\n'; end++)
        ;
    end += end < text->size;
    *line = (nnrt_span){(const char *)text->at + start, end - start};
    *in_line = at - start;
    return n;
}

/* The ids of the whole text. */
static int text_encode(const nnrt_read *r, const nnrt_source *s, int input, const char *name,
                       const nnrt_bytes *text, nnrt_ids *ids)
{
    const nnrt_span whole = {(const char *)text->at, text->size};
    nnrt_vocab v;
    size_t bad = 0;
    if (text->size == 0)
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s: expected a text, found an empty file",
                         name);
    int status = text_vocab(r, s, input, name, &whole, NULL, 1, &v);
    if (status)
        return status;
    status = nnrt_vocab_encode(&v, whole.at, whole.size, ids, &bad);
    if (status == NNRT_BAD_CONTENT) {
        nnrt_span line;
        size_t in_line, number = text_line(text, bad, &line, &in_line);
        text_unknown(r, &v, name, number, &line, in_line);
    } else if (status) {
        text_no_memory(r, name);
    }
    nnrt_vocab_free(&v);
    return status;
}

/* Columns of windows over the ids, which they take over. */
static int text_windows_of(const nnrt_read *r, const nnrt_source *s, const char *name,
                           const int inputs[2], nnrt_ids *ids)
{
    nnrt_dataset *d = r->d;
    int64_t length = d->model->inputs[inputs[0]].count, stride = s->text->stride;
    if ((int64_t)ids->n <= length)
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                         "%s: %zu tokens; a window of %lld and the token after it need %lld", name,
                         ids->n, (long long)length, (long long)length + 1);
    int64_t n = ((int64_t)ids->n - 1 - length) / stride + 1;
    if (n > INT32_MAX)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "%s: over the limit of 2^31 - 1 windows", name);
    int owned = 0;
    for (int i = 0; i < 2; i++) {
        if (!nnrt_read_needs(r, inputs[i]))
            continue;
        const nnrt_value *v = &d->model->inputs[inputs[i]];
        nnrt_array *a = &d->columns[inputs[i]];
        *a = (nnrt_array){.type = NNRT_ARRAY_I32,
                          .rank = 2,
                          .dim = {n, v->count},
                          .data = ids->at + i,
                          .owned = owned ? NULL : ids->at,
                          .step = stride};
        owned = 1;
        int status = nnrt_read_name(r, inputs[i], name);
        if (status)
            return status;
    }
    d->tokens = (int64_t)ids->n;
    d->window = length;
    d->stride = stride;
    d->counted = length;
    if (owned)
        ids->at = NULL;
    return NNRT_OK;
}

/* The text of a generator, under its name. */
static int text_made_up(const nnrt_read *r, const nnrt_source *s, nnrt_bytes *text, char *name,
                        size_t size)
{
    nnrt_buffer made = {0};
    snprintf(name, size, "generator %s", s->generator);
    nnrt_stories(s->seed, s->count, &made);
    if (made.failed) {
        nnrt_buffer_free(&made);
        return text_no_memory(r, name);
    }
    *text = (nnrt_bytes){(unsigned char *)made.at, made.size, 0};
    return NNRT_OK;
}

static int text_windows(const nnrt_read *r, const nnrt_source *s)
{
    int n = s->n_files ? s->n_files : 1, status = NNRT_OK;
    const char *const *files = s->n_files ? s->files : &s->file;
    nnrt_bytes text = {0};
    nnrt_ids ids = {0};
    char name[NNRT_ERROR_SIZE / 2] = "";
    const int inputs[2] = {nnrt_read_input(r, s->columns[0].input),
                           nnrt_read_input(r, s->columns[1].input)};
    if (s->generator)
        status = text_made_up(r, s, &text, name, sizeof name);
    for (int i = 0; i < n && !status && !s->generator; i++) {
        char *path = nnrt_path_join(r->dir, files[i]);
        status = path ? text_append(r, path, &text) : text_no_memory(r, files[i]);
        if (path && i == 0)
            snprintf(name, sizeof name, n > 1 ? "%s and %d more" : "%s", path, n - 1);
        free(path);
    }
    if (!status)
        status = text_encode(r, s, inputs[0], name, &text, &ids);
    if (!status)
        status = text_windows_of(r, s, name, inputs, &ids);
    nnrt_bytes_free(&text);
    free(ids.at);
    return status;
}

/* --- tables ----------------------------------------------------------------------------------- */

int nnrt_table_lengths(const nnrt_table *t, int of, const int32_t *lengths)
{
    const nnrt_model *m = t->read->d->model;
    const nnrt_source *s = t->source;
    for (int i = 0; s && i < s->n_columns; i++) {
        if (!s->columns[i].of || strcmp(s->columns[i].of, m->inputs[of].name) != 0)
            continue;
        int input = nnrt_read_input(t->read, s->columns[i].input);
        if (input < 0 || !nnrt_read_needs(t->read, input) || t->read->d->names[input])
            continue; /* not wanted, or given */
        nnrt_array *a = &t->read->d->columns[input];
        int status = nnrt_array_make(t->name, NNRT_ARRAY_I32, 1, &t->rows, a, t->read->fault);
        if (!status)
            status = nnrt_read_name(t->read, input, t->name);
        if (status)
            return status;
        memcpy(a->data, lengths, (size_t)t->rows * sizeof *lengths);
    }
    return NNRT_OK;
}

/* What a row's tokens are made with. */
typedef struct table_tokens {
    const nnrt_table *t;
    const nnrt_vocab *v;
    const nnrt_value *input;
    int32_t before, after; /* ids around a text; -1: none */
    nnrt_ids ids;
    int64_t cut; /* texts that were longer */
} table_tokens;

/* The ids of a text, and what stands around them. */
static int table_encode(table_tokens *w, const nnrt_span *text, size_t line)
{
    const nnrt_read *r = w->t->read;
    size_t bad = 0;
    w->ids.n = 0;
    if (w->before >= 0 && nnrt_ids_put(&w->ids, w->before))
        return text_no_memory(r, w->t->name);
    int status = nnrt_vocab_encode(w->v, text->at, text->size, &w->ids, &bad);
    if (status == NNRT_BAD_CONTENT)
        return text_unknown(r, w->v, w->t->name, line, text, bad);
    if (status || (w->after >= 0 && nnrt_ids_put(&w->ids, w->after)))
        return text_no_memory(r, w->t->name);
    if (w->ids.n == (size_t)(w->before >= 0) + (w->after >= 0))
        return nnrt_fail(r->fault, NNRT_BAD_CONTENT, "%s:%zu: a text of '%s' without a token in it",
                         w->t->name, line, w->input->name);
    return NNRT_OK;
}

/* One text to a row of ids. */
static int table_row(table_tokens *w, size_t row, const nnrt_span *text, int32_t *to,
                     int32_t *length)
{
    const nnrt_table *t = w->t;
    const nnrt_value *input = w->input;
    const nnrt_vocab *v = w->v;
    nnrt_ids *ids = &w->ids;
    nnrt_fault *fault = t->read->fault;
    size_t count = (size_t)input->count, line = t->lines[row];
    if (text->size == 0)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s:%zu: expected a text for '%s', found none",
                         t->name, line, input->name);
    int status = table_encode(w, text, line);
    if (status)
        return status;
    int refuse = t->source && t->source->text && t->source->text->refuse_long;
    if (ids->n > count && refuse)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s:%zu: a text of %zu tokens, but '%s' has room for %zu (longer: cut "
                         "would leave the rest out)",
                         t->name, line, ids->n, input->name, count);
    if (ids->n < count && v->pad < 0)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s:%zu: a text of %zu tokens; '%s' takes %zu, and its vocabulary has no "
                         "<pad> to fill it up with",
                         t->name, line, ids->n, input->name, count);
    size_t n = ids->n < count ? ids->n : count;
    w->cut += ids->n > count;
    memcpy(to, ids->at, n * sizeof *to);
    for (size_t i = n; i < count; i++)
        to[i] = v->pad;
    *length = (int32_t)n;
    return NNRT_OK;
}

/* Fills the column of `input`. */
static int table_column(table_tokens *w, int input, const nnrt_span *texts)
{
    const nnrt_table *t = w->t;
    nnrt_array *a = &t->read->d->columns[input];
    int64_t dim[2] = {t->rows, w->input->count};
    int32_t *lengths = malloc(((size_t)t->rows + 1) * sizeof *lengths);
    int status = lengths ? nnrt_array_make(t->name, NNRT_ARRAY_I32, 2, dim, a, t->read->fault)
                         : text_no_memory(t->read, t->name);
    for (int64_t i = 0; i < t->rows && !status; i++)
        status = table_row(w, (size_t)i, &texts[i], (int32_t *)a->data + i * w->input->count,
                           &lengths[i]);
    if (!status && w->cut)
        nnrt_say(t->read->d->model,
                 "note: %s: of %lld texts %lld are longer than the %lld tokens of '%s', and cut",
                 t->name, (long long)t->rows, (long long)w->cut, (long long)w->input->count,
                 w->input->name);
    if (!status)
        status = nnrt_table_lengths(t, input, lengths);
    if (!status)
        status = nnrt_read_name(t->read, input, t->name);
    free(lengths);
    return status;
}

/* Where the tokens <bos> and <eos> stand. */
typedef enum { TABLE_PLAIN, TABLE_AFTER_BEGIN, TABLE_BEFORE_END } table_frame;

static int table_tokens_of(const nnrt_table *t, int input, int as, table_frame frame,
                           const nnrt_span *texts)
{
    nnrt_vocab v;
    int status = text_vocab(t->read, t->source, as, t->name, texts, t->lines, (size_t)t->rows, &v);
    if (status)
        return status;
    table_tokens w = {.t = t,
                      .v = &v,
                      .input = &t->read->d->model->inputs[input],
                      .before = frame == TABLE_AFTER_BEGIN ? v.begin : -1,
                      .after = frame == TABLE_BEFORE_END ? v.end : -1};
    if (frame != TABLE_PLAIN && (v.begin < 0 || v.end < 0))
        status = nnrt_fail(t->read->fault, NNRT_BAD_CONTENT,
                           "%s: the vocabulary of '%s' has no token for a text's %s", t->name,
                           w.input->name, v.begin < 0 ? "beginning (<bos>)" : "end (<eos>)");
    if (!status)
        status = table_column(&w, input, texts);
    free(w.ids.at);
    nnrt_vocab_free(&v);
    return status;
}

int nnrt_table_tokens(const nnrt_table *t, int input, const nnrt_span *texts)
{
    return table_tokens_of(t, input, input, TABLE_PLAIN, texts);
}

/* Fills the columns of a table, but those of lengths, which go with others. */
static int text_table_columns(const nnrt_table *t, const nnrt_texts *texts)
{
    const nnrt_source *s = t->source;
    int status = NNRT_OK, at = 0;
    for (int i = 0; i < s->n_columns && !status; i++) {
        if (s->columns[i].of)
            continue;
        const nnrt_span *column = texts->at + texts->rows * at++;
        int input = nnrt_read_input(t->read, s->columns[i].input);
        if (!nnrt_read_needs(t->read, input))
            continue;
        status = t->read->d->model->inputs[input].rank ? nnrt_table_tokens(t, input, column)
                                                       : nnrt_table_classes(t, input, column);
    }
    return status;
}

static int text_is_reviews(const nnrt_source *s)
{
    return strcmp(s->generator, "reviews") == 0;
}

/* What stands for a file's name in errors. */
static const char *text_made_by(const nnrt_source *s)
{
    return text_is_reviews(s) ? "generator reviews" : "generator headlines";
}

/* Made-up reviews or headlines as a table: of the columns `names`, 'label' is the kind. */
static int text_made_table(const nnrt_source *s, int n, const char *const *names, nnrt_texts *out)
{
    static const char *const opinions[] = {"negative", "positive"};
    static const char *const topics[] = {"business", "science", "sport", "world"};
    int reviews = text_is_reviews(s);
    const char *const *kinds = reviews ? opinions : topics;
    int (*make)(uint64_t, int64_t, nnrt_buffer *) = reviews ? nnrt_review : nnrt_headline;
    nnrt_buffer all = {0};
    size_t rows = (size_t)s->count, *ends = malloc((rows + 1) * sizeof *ends);
    unsigned char *kind_of = malloc(rows + 1);
    *out = (nnrt_texts){.rows = s->count};
    out->at = malloc((size_t)(n + 1) * rows * sizeof *out->at + 1);
    out->lines = malloc((rows + 1) * sizeof *out->lines);
    int ok = ends && kind_of && out->at && out->lines;
    for (size_t i = 0; ok && i < rows; i++) {
        kind_of[i] = (unsigned char)make(s->seed, (int64_t)i, &all);
        ends[i] = all.size;
        out->lines[i] = i + 1;
    }
    ok = ok && !all.failed;
    for (int k = 0; ok && k < n; k++)
        for (size_t i = 0; i < rows; i++) {
            size_t from = i ? ends[i - 1] : 0;
            const char *kind = kinds[kind_of[i]];
            out->at[(size_t)k * rows + i] = strcmp(names[k], "label") == 0
                                                ? (nnrt_span){kind, strlen(kind)}
                                                : (nnrt_span){all.at + from, ends[i] - from};
        }
    out->owned = all.at;
    free(ends);
    free(kind_of);
    return ok ? NNRT_OK : NNRT_NO_MEMORY;
}

static int text_table(const nnrt_read *r, const nnrt_source *s)
{
    const char **names = malloc(((size_t)s->n_columns + 1) * sizeof *names);
    char *path = s->generator ? strdup(text_made_by(s)) : nnrt_path_join(r->dir, s->file);
    nnrt_texts texts = {0};
    int n = 0, status = names && path ? NNRT_OK : text_no_memory(r, s->file);
    for (int i = 0; i < s->n_columns && !status; i++)
        if (!s->columns[i].of)
            names[n++] = s->columns[i].names[0];
    if (!status && s->generator)
        status = text_made_table(s, n, names, &texts) ? text_no_memory(r, path) : NNRT_OK;
    else if (!status)
        status = nnrt_csv_texts(path, s->header, s->delimiter, n, names, &texts, r->fault);
    const nnrt_table t = {
        .read = r, .source = s, .name = path, .rows = texts.rows, .lines = texts.lines};
    if (!status)
        status = text_table_columns(&t, &texts);
    nnrt_texts_free(&texts);
    free(names);
    free(path);
    return status;
}

/* --- a line a text ---------------------------------------------------------------------------- */

/* What follows "text:" in place of a file's name, as if it were one. */
static int text_literal(const nnrt_read *r, const char *text, nnrt_bytes *out)
{
    *out = (nnrt_bytes){(unsigned char *)strdup(text), strlen(text), 0};
    return out->at ? NNRT_OK : text_no_memory(r, "text:");
}

/* The lines of a file, LF or CRLF, the last newline or none. */
static int text_lines(const nnrt_read *r, const char *path, nnrt_texts *out)
{
    nnrt_bytes b = {0};
    *out = (nnrt_texts){0};
    int status = strncmp(path, "text:", 5) == 0 ? text_literal(r, path + 5, &b)
                                                : nnrt_file_read(path, &b, r->fault);
    if (status)
        return status;
    size_t n = 1;
    for (size_t i = 0; i < b.size; i++)
        n += b.at[i] == '\n';
    out->owned = b.at;
    out->at = malloc(n * sizeof *out->at);
    out->lines = malloc(n * sizeof *out->lines);
    if (!out->at || !out->lines)
        return text_no_memory(r, path);
    for (size_t i = 0, end; i < b.size; i = end + 1) {
        for (end = i; end < b.size && b.at[end] != '\n'; end++)
            ;
        size_t size = end - i - (end > i && b.at[end - 1] == '\r');
        out->at[out->rows] = (nnrt_span){(const char *)b.at + i, size};
        out->lines[out->rows] = (size_t)out->rows + 1;
        out->rows++;
    }
    return NNRT_OK;
}

/* --- pairs ------------------------------------------------------------------------------------ */

/* The columns that are fed by the lines of one of the two files. */
static int text_pair_columns(const nnrt_read *r, const nnrt_source *s, int file, const char *path,
                             const nnrt_texts *texts)
{
    static const table_frame frames[] = {TABLE_PLAIN, TABLE_AFTER_BEGIN, TABLE_BEFORE_END};
    const nnrt_table t = {
        .read = r, .source = s, .name = path, .rows = texts->rows, .lines = texts->lines};
    int as = nnrt_read_input(r, s->columns[file].input), status = NNRT_OK;
    for (int i = file; i < (file ? 3 : 1) && !status; i++) {
        int input = nnrt_read_input(r, s->columns[i].input);
        if (nnrt_read_needs(r, input))
            status = table_tokens_of(&t, input, as, frames[i], texts->at);
    }
    return status;
}

/* Made-up pairs: the phrases of one of the two languages. */
static int text_phrases(const nnrt_source *s, int file, nnrt_texts *out)
{
    nnrt_buffer all = {0};
    size_t rows = (size_t)s->count, *ends = malloc((rows + 1) * sizeof *ends);
    *out = (nnrt_texts){.rows = s->count};
    out->at = malloc(rows * sizeof *out->at + 1);
    out->lines = malloc((rows + 1) * sizeof *out->lines);
    int ok = ends && out->at && out->lines;
    for (size_t i = 0; ok && i < rows; i++) {
        nnrt_phrase(s->seed, (int64_t)i, file, &all);
        ends[i] = all.size;
        out->lines[i] = i + 1;
    }
    ok = ok && !all.failed;
    for (size_t i = 0, from = 0; ok && i < rows; from = ends[i++])
        out->at[i] = (nnrt_span){all.at + from, ends[i] - from};
    out->owned = all.at;
    free(ends);
    return ok ? NNRT_OK : NNRT_NO_MEMORY;
}

static char *text_pair_path(const nnrt_read *r, const nnrt_source *s, int file)
{
    return s->generator ? strdup("generator phrases") : nnrt_path_join(r->dir, s->files[file]);
}

static int text_pair(const nnrt_read *r, const nnrt_source *s, int file, const char *path,
                     nnrt_texts *out)
{
    if (!s->generator)
        return text_lines(r, path, out);
    return text_phrases(s, file, out) ? text_no_memory(r, path) : NNRT_OK;
}

int nnrt_text_lines(const char *path, nnrt_texts *out, nnrt_fault *fault)
{
    const nnrt_read r = {.fault = fault};
    return text_lines(&r, path, out);
}

int nnrt_text_targets(const nnrt_source *s, const char *dir, nnrt_texts *out, nnrt_fault *fault)
{
    const nnrt_read r = {.dir = dir, .fault = fault};
    char *path = text_pair_path(&r, s, 1);
    int status = path ? text_pair(&r, s, 1, path, out) : text_no_memory(&r, "pairs");
    free(path);
    return status;
}

static int text_pairs(const nnrt_read *r, const nnrt_source *s)
{
    nnrt_texts texts[2] = {{0}, {0}};
    char *path[2] = {text_pair_path(r, s, 0), text_pair_path(r, s, 1)};
    int status = path[0] && path[1] ? NNRT_OK : text_no_memory(r, "pairs");
    for (int i = 0; i < 2 && !status; i++)
        status = text_pair(r, s, i, path[i], &texts[i]);
    if (!status && texts[0].rows != texts[1].rows)
        status =
            nnrt_fail(r->fault, NNRT_BAD_CONTENT,
                      "%s: %lld lines, but %s has %lld: a line of one is translated by that of "
                      "the other",
                      path[1], (long long)texts[1].rows, path[0], (long long)texts[0].rows);
    for (int i = 0; i < 2 && !status; i++)
        status = text_pair_columns(r, s, i, path[i], &texts[i]);
    for (int i = 0; i < 2; i++) {
        nnrt_texts_free(&texts[i]);
        free(path[i]);
    }
    return status;
}

static int text_source(const nnrt_read *r, const nnrt_source *s)
{
    if (s->text->is_pairs)
        return text_pairs(r, s);
    return s->text->stride ? text_windows(r, s) : text_table(r, s);
}

/* --- one input from one file ------------------------------------------------------------------ */

static int text_file(const nnrt_read *r, int input, const char *path, const nnrt_source *like)
{
    const nnrt_value *v = &r->d->model->inputs[input];
    const nnrt_source *train = &r->d->model->data_train;
    nnrt_texts texts;
    (void)like;
    if (v->classes <= 0)
        return nnrt_fail(r->fault, NNRT_BAD_CALL, "%s: '%s' takes numbers, no text", path, v->name);
    int status = text_lines(r, path, &texts);
    const nnrt_table t = {.read = r,
                          .source = train->text ? train : NULL,
                          .name = path,
                          .rows = texts.rows,
                          .lines = texts.lines};
    if (!status)
        status = v->rank ? nnrt_table_tokens(&t, input, texts.at)
                         : nnrt_table_classes(&t, input, texts.at);
    nnrt_texts_free(&texts);
    return status;
}

const nnrt_reader nnrt_text_reader = {text_source, text_file, nnrt_text_say, &nnrt_text_prompting};
