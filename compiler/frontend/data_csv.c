/* SPDX-License-Identifier: MIT */
/* data_csv.c: `csv:` sources: columns of numbers and of categories, values that are missing, the rows of a part of the
 * table. Which categories there are is found when the program trains, unless the model file lists them. */
#include "sources.h"

#include <string.h>

enum { CSV_COLUMNS_MAX = 65536, CSV_TEXTS_MAX = 4096 };

/* --- columns ---------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

bool source_column_name(Reader *r, const Y *y, const char *key, SourceColumn *out)
{
    const char *name;
    if (!y_word(source_ctx(r), r->scope, y, source_title(r, key), &name))
        return false;
    if (!r->out->header && !is_number(name)) {
        diag_error(&source_ctx(r)->diag, y->loc,
                   "%s: without a header columns have numbers, from 0; saw '%s'", r->kind, name);
        return false;
    }
    vec_push(source_ctx(r)->arena, &out->names, name);
    return true;
}

/* COLUMN or [COLUMNS]. */
static bool column_names(Reader *r, const Y *y, const Input *input, SourceColumn *out)
{
    bool good = true;
    if (y->kind == Y_scalar)
        good = source_column_name(r, y, input->name, out);
    if (y->items.n > CSV_COLUMNS_MAX) {
        diag_error(&source_ctx(r)->diag, y->loc, "csv: '%s': more than %d columns", input->name,
                   CSV_COLUMNS_MAX);
        return false;
    }
    for (int i = 0; i < y->items.n; i++)
        good = source_column_name(r, y->items.at[i], input->name, out) && good;
    int64_t wanted = source_draws(r->out, out->input) ? 1 : shape_count(&input->shape);
    if (!good || out->names.n == wanted)
        return good;
    diag_error(&source_ctx(r)->diag, y->loc, "csv: '%s' is %lld column%s, not %d", input->name,
               (long long)wanted, wanted == 1 ? "" : "s", out->names.n);
    source_note_input(r, input);
    return false;
}

/* A text or a list of texts, the empty one among them. */
static bool texts(Reader *r, const Y *written, const char *key, SourceTexts *out)
{
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    const char *what = source_title(r, key);
    if (!y)
        return false;
    int n = y->kind == Y_list ? y->items.n : 1;
    if (y->kind == Y_map || n > CSV_TEXTS_MAX) {
        diag_error(&ctx->diag, y->loc, "%s: expected a text, or a list of at most %d", what,
                   CSV_TEXTS_MAX);
        return false;
    }
    for (int i = 0; i < n; i++) {
        const Y *item = y_resolve(ctx, r->scope, y->kind == Y_list ? y->items.at[i] : y);
        const char *text = "";
        if (!item ||
            ((item->kind != Y_scalar || *item->text) && !y_word(ctx, r->scope, item, what, &text)))
            return false;
        for (int k = 0; k < i; k++)
            if (strcmp(out->at[k], text) == 0) {
                diag_error(&ctx->diag, item->loc, "%s: '%s' is there twice", what, text);
                return false;
            }
        vec_push(ctx->arena, out, text);
    }
    return true;
}

/* Keys of a column that do not go together. */
static bool keys_agree(Reader *r, const Y *map)
{
    static const char *const pairs[][2] = {{"count", "categories"},
                                           {"offset", "categories"},
                                           {"offset", "count"},
                                           {"offset", "unseen"}};
    for (int i = 0; i < COUNT(pairs); i++)
        if (y_get(map, pairs[i][0]) && y_get(map, pairs[i][1])) {
            diag_error(&source_ctx(r)->diag, y_get(map, pairs[i][0])->loc,
                       "csv: '%s' does not go with '%s'", pairs[i][0], pairs[i][1]);
            return false;
        }
    return true;
}

/* What a map says of the categories, or the numbers, of an input of classes. */
static bool column_categories(Reader *r, const Y *map, const Input *input, SourceColumn *out)
{
    Ctx *ctx = source_ctx(r);
    const Y *count = y_get(map, "count"), *categories = y_get(map, "categories"),
            *unseen = y_get(map, "unseen"), *offset = y_get(map, "offset");
    if (!keys_agree(r, map))
        return false;
    if (input->classes == 0 && (count || categories || unseen || offset)) {
        diag_error(&ctx->diag, map->loc,
                   "csv: '%s' takes numbers: categories are for an input of classes or tokens",
                   input->name);
        source_note_input(r, input);
        return false;
    }
    if (count && !y_int(ctx, r->scope, count, "csv: count", 1, input->classes, &out->count))
        return false;
    if (categories && !texts(r, categories, "categories", &out->categories))
        return false;
    if (out->categories.n > input->classes) {
        diag_error(&ctx->diag, categories->loc, "csv: categories: %d, but '%s' has %lld classes",
                   out->categories.n, input->name, (long long)input->classes);
        source_note_input(r, input);
        return false;
    }
    out->has_unseen = unseen != NULL;
    if (unseen && !y_int(ctx, r->scope, unseen, "csv: unseen", 0, input->classes - 1, &out->unseen))
        return false;
    return !offset ||
           y_int(ctx, r->scope, offset, "csv: offset", INT32_MIN, INT32_MAX, &out->offset);
}

/* COLUMN, [COLUMNS], or {column: COLUMN or [COLUMNS], ...}. */
static bool csv_column(Reader *r, const Y *written, const Input *input, SourceColumn *out)
{
    static const char *const keys[] = {"column", "count", "categories", "unseen", "offset"};
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    if (!y || y->kind != Y_map)
        return y && column_names(r, y, input, out);
    const Y *column = y_get(y, "column"), *names = column ? y_resolve(ctx, r->scope, column) : NULL;
    if (!y_keys(ctx, y, "csv", keys, COUNT(keys), NULL, 0))
        return false;
    if (!column || (names && names->kind == Y_map)) {
        diag_error(&ctx->diag, y->loc, "csv: '%s': expected {column: NAME, count: 5}", input->name);
        return false;
    }
    return names && column_names(r, names, input, out) && column_categories(r, y, input, out);
}

/* --- rows and values -------------------------------------------------------------------------- */

/* {COLUMN: TEXT or [TEXTS], ...}: all must hold. */
static bool read_where(Reader *r, const Y *written)
{
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    if (!y)
        return false;
    if (y->kind != Y_map || y->pairs.n == 0) {
        diag_error(&ctx->diag, y->loc, "csv: where: expected a map, as {part: [train, more]}");
        return false;
    }
    for (int i = 0; i < y->pairs.n; i++) {
        SourceColumn name = {0};
        SourceWhere where = {0};
        if (!source_column_name(r, y->pairs.at[i].key, "where", &name) ||
            !texts(r, y->pairs.at[i].value, "where", &where.values))
            return false;
        where.column = name.names.at[0];
        vec_push(ctx->arena, &r->out->where, where);
    }
    return true;
}

bool source_delimiter(Reader *r, const Y *y)
{
    const char *text;
    if (!y_word(source_ctx(r), r->scope, y, source_title(r, "delimiter"), &text))
        return false;
    if (strcmp(text, "space") == 0 && strcmp(r->kind, "csv") == 0) {
        r->out->delimiter = DELIMITER_BLANKS;
        return true;
    }
    bool tab = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0;
    r->out->delimiter = tab ? '\t' : *text;
    if (tab || (strlen(text) == 1 && *text != '"' && *text != '\n' && *text != '\r' &&
                *text != '.' && !is_number(text)))
        return true;
    diag_error(&source_ctx(r)->diag, y->loc,
               "%s: delimiter: expected one character, as \",\", or tab%s", r->kind,
               strcmp(r->kind, "csv") == 0 ? ", or space" : "");
    return false;
}

/* --- the source ------------------------------------------------------------------------------- */

/* Keys that go with a file alone, or not with `forecast`. */
static bool csv_keys_agree(Reader *r, const Y *forecast)
{
    static const char *const of_rows[] = {"missing", "where", "negatives"}, *const of_files[] = {
                                                                                "header",
                                                                                "delimiter"};
    const Y *generator = y_get(r->args, "generator"), *wrong = NULL;
    if (generator && y_get(r->args, "file")) {
        diag_error(&source_ctx(r)->diag, generator->loc, "csv: either 'file' or 'generator'");
        return false;
    }
    for (int i = 0; i < COUNT(of_rows) && !wrong; i++) {
        const char *key = forecast                           ? of_rows[i]
                          : generator && i < COUNT(of_files) ? of_files[i]
                                                             : NULL;
        wrong = key ? y_get(r->args, key) : NULL;
        if (wrong)
            diag_error(&source_ctx(r)->diag, wrong->loc, "csv: '%s' does not go with '%s'", key,
                       forecast ? "forecast" : "generator");
    }
    return !wrong;
}

void source_csv(Reader *r)
{
    static const char *const own[] = {"file", "header", "delimiter", "forecast", "generator",
                                      "seed", "count",  "missing",   "where",    "negatives"};
    r->out->header = true;
    r->out->delimiter = ',';
    if (!source_map(r, own, COUNT(own), "{file: train.csv, x: [a, b], y: c}"))
        return;
    const Y *generator = y_get(r->args, "generator"), *forecast = y_get(r->args, "forecast");
    if (!csv_keys_agree(r, forecast))
        return;
    if (!(!generator ? source_file(r)
          : forecast ? source_generator(r, "waves")
                     : source_generator(r, "loans ratings ring")))
        return;
    const Y *header = y_get(r->args, "header"), *delimiter = y_get(r->args, "delimiter");
    if (header && !y_bool(source_ctx(r), r->scope, header, "csv: header", &r->out->header))
        return;
    if (delimiter && !source_delimiter(r, delimiter))
        return;
    const Y *missing = y_get(r->args, "missing"), *where = y_get(r->args, "where");
    if ((missing && !texts(r, missing, "missing", &r->out->missing)) ||
        (where && !read_where(r, where)))
        return;
    for (int i = 0; forecast && i < r->args->pairs.n; i++) {
        const Y *key = r->args->pairs.at[i].key;
        if (source_input_of(r, key->text, own, COUNT(own)) < 0)
            continue;
        diag_error(&source_ctx(r)->diag, key->loc,
                   "csv: '%s' beside 'forecast', which names inputs", key->text);
        return;
    }
    const Y *negatives = y_get(r->args, "negatives");
    if (negatives)
        source_negatives(r, negatives);
    if (forecast)
        source_forecast(r, forecast);
    else
        source_columns(r, own, COUNT(own), csv_column);
    if (negatives && !source_ctx(r)->diag.errors)
        source_check_negatives(r, negatives);
    if (!forecast || r->out->stride)
        source_check_complete(r);
}
