/* SPDX-License-Identifier: MIT */
/* data_forecast.c: the key `forecast` of a table whose rows follow each other in time: windows of
 * rows, and the rows behind each. */
#include "sources.h"

#include <string.h>

enum { FORECAST_COLUMNS_MAX = 1024 };

/* columns: COLUMN or [COLUMNS]; the series of a generator has one. */
static bool read_columns(Reader *r, const Y *y, SourceColumn *out)
{
    static const char what[] = "forecast: columns";
    const Y *list = y_resolve(source_ctx(r), r->scope, y);
    bool good = true;
    if (!list)
        return false;
    if (list->kind == Y_scalar)
        return source_column_name(r, list, what, out);
    if (list->kind != Y_list || list->items.n < 1 || list->items.n > FORECAST_COLUMNS_MAX) {
        diag_error(&source_ctx(r)->diag, list->loc,
                   "csv: %s: expected a column, or a list of 1 to %d", what, FORECAST_COLUMNS_MAX);
        return false;
    }
    for (int i = 0; i < list->items.n; i++)
        good = source_column_name(r, list->items.at[i], what, out) && good;
    return good;
}

/* Of `columns` numbers a row: [T], where it is one, or [T, columns]. */
static bool is_rows(Reader *r, const Y *y, const Input *in, int columns)
{
    const Shape *s = &in->shape;
    bool matches = columns == 1 ? s->rank <= 2 || (s->rank == 3 && s->dim[2] == 1)
                                : s->rank == 3 && s->dim[2] == columns;
    if (in->classes == 0 && matches)
        return true;
    if (in->classes)
        diag_error(&source_ctx(r)->diag, y->loc, "csv: forecast: '%s' takes classes, not numbers",
                   in->name);
    else
        diag_error(&source_ctx(r)->diag, y->loc,
                   "csv: forecast: of %d column%s '%s' must have the shape [rows%s%s]", columns,
                   columns == 1 ? "" : "s", in->name, columns == 1 ? "" : ", ",
                   columns == 1 ? "" : arena_format(source_ctx(r)->arena, "%d", columns));
    source_note_input(r, in);
    return false;
}

void source_forecast(Reader *r, const Y *written)
{
    static const char *const keys[] = {"input", "target", "columns", "stride"};
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    if (!y)
        return;
    if (y->kind != Y_map) {
        diag_error(&ctx->diag, y->loc,
                   "csv: forecast: expected a map, as {input: x, target: y, columns: price}");
        return;
    }
    if (!y_keys(ctx, y, "csv: forecast", keys, COUNT(keys), NULL, 0))
        return;
    const Y *columns = y_get(y, "columns"), *stride = y_get(y, "stride");
    SourceColumn made = {0};
    int64_t apart = 1;
    bool good = true;
    if (r->out->generator && !columns) {
        vec_push(ctx->arena, &made.names, "value");
    } else if (r->out->generator || !columns) {
        diag_error(&ctx->diag, columns ? columns->loc : y->loc,
                   columns
                       ? "csv: forecast: columns: a series of a generator has one, without a name"
                       : "csv: forecast: 'columns' is missing");
        return;
    } else {
        good = read_columns(r, columns, &made);
    }
    for (int i = 0; i < 2; i++) {
        const Y *name = y_get(y, keys[i]);
        if (!name)
            diag_error(&ctx->diag, y->loc, "csv: forecast: '%s' is missing", keys[i]);
        made.input = name ? source_named_input(r, name, "csv: forecast") : -1;
        good =
            good && made.input >= 0 && is_rows(r, name, &r->p->inputs.at[made.input], made.names.n);
        vec_push(ctx->arena, &r->out->columns, made);
    }
    if (good && r->out->columns.at[0].input == made.input) {
        diag_error(&ctx->diag, y->loc, "csv: forecast: '%s' is both the input and the target",
                   r->p->inputs.at[made.input].name);
        good = false;
    }
    if (good &&
        (!stride || y_int(ctx, r->scope, stride, "csv: forecast: stride", 1, INT32_MAX, &apart)))
        r->out->stride = apart;
    else
        r->out->columns.n = 0;
}
