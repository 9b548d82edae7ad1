/* SPDX-License-Identifier: MIT */
/* args.c: the arguments of layers, functions, losses, metrics and optimisers, from YAML and from
 * the
 * calls of expressions, by their rows.
 */
#include "builder.h"

#include <math.h>
#include <string.h>

static int arg_count(const ArgRow *rows)
{
    int n = 0;
    while (n < ARGS_MAX && rows[n].name)
        n++;
    return n;
}

/* --- words ------------------------------------------------------------------------------------ */

/* Checks that `word` is one of `words` (NULL: any will do); reports with the nearest. */
static bool check_word(Ctx *ctx, Loc loc, const char *what, const char *words, const char *word)
{
    if (!words || word_in(words, word))
        return true;
    VEC(const char *) known = {0};
    for (const char *at = words; *at;) {
        size_t length = strcspn(at, " ");
        vec_push(ctx->arena, &known, arena_text(ctx->arena, at, length));
        at += length + strspn(at + length, " ");
    }
    const char *best = diag_nearest(word, known.at, known.n);
    Str list = str_new(ctx->arena);
    for (int i = 0; i < known.n; i++)
        str_add(&list, "%s%s", i == 0 ? "" : i + 1 < known.n ? ", " : " or ", known.at[i]);
    if (best)
        diag_error(&ctx->diag, loc, "%s: unknown '%s'; did you mean '%s'?", what, word, best);
    else
        diag_error(&ctx->diag, loc, "%s: unknown '%s'; expected %s", what, word,
                   list.at ? list.at : "");
    return false;
}

/* --- from YAML -------------------------------------------------------------------------------- */

static bool read_reals(Ctx *ctx, const Scope *scope, const Y *y, const char *what, Arg *out)
{
    const Y *z = y_resolve(ctx, scope, y);
    if (!z)
        return false;
    if (z->kind == Y_map) {
        diag_error(&ctx->diag, z->loc, "%s: expected a list of numbers, saw a map", what);
        return false;
    }
    bool list = z->kind == Y_list, good = true;
    out->n = list ? z->items.n : 1;
    out->reals = arena_take(ctx->arena, sizeof *out->reals * (size_t)(out->n ? out->n : 1));
    for (int i = 0; i < out->n; i++)
        good = y_real(ctx, scope, list ? z->items.at[i] : y, what, &out->reals[i]) && good;
    return good;
}

/* Whole numbers, or one of the row's words. */
static bool read_ints(Ctx *ctx, const Scope *scope, const ArgRow *row, const Y *y, const char *what,
                      Arg *out)
{
    const Y *z = row->words ? y_resolve(ctx, scope, y) : NULL;
    if (!z || z->kind != Y_scalar || !name_valid(z->text))
        return y_ints(ctx, scope, y, what, ARG_LIST_MAX, &out->n, out->list);
    out->s = z->text;
    return check_word(ctx, y->loc, what, row->words, out->s);
}

static bool arg_from_yaml(Ctx *ctx, const Scope *scope, const ArgRow *row, const Y *y,
                          const char *what, Arg *out)
{
    *out = (Arg){.given = true, .loc = y->loc};
    switch (row->type) {
    case ARG_int:
        if (!y_int(ctx, scope, y, what, INT64_MIN, INT64_MAX, &out->i))
            return false;
        out->r = (double)out->i;
        return true;
    case ARG_real: return y_real(ctx, scope, y, what, &out->r);
    case ARG_bool: return y_bool(ctx, scope, y, what, &out->b);
    case ARG_word:
        return y_word(ctx, scope, y, what, &out->s) &&
               check_word(ctx, y->loc, what, row->words, out->s);
    case ARG_ints: return read_ints(ctx, scope, row, y, what, out);
    case ARG_reals: return read_reals(ctx, scope, y, what, out);
    case ARG_yaml:
        out->y = y_resolve(ctx, scope, y);
        out->scope = scope;
        return out->y != NULL;
    }
    BUG("argument type %d", row->type);
}

/* The text of a default, "0.9" or "[0.9, 0.999]", as if it stood at `loc`. */
static const Y *default_yaml(Ctx *ctx, const char *text, Loc loc)
{
    Y *y = arena_take(ctx->arena, sizeof *y);
    *y = (Y){.kind = *text == '[' ? Y_list : Y_scalar, .loc = loc, .text = text};
    for (text += *text == '['; y->kind == Y_list && *text && *text != ']';) {
        size_t length = strcspn(text, ",]");
        Y *item = arena_take(ctx->arena, sizeof *item);
        *item = (Y){.kind = Y_scalar, .loc = loc, .text = arena_text(ctx->arena, text, length)};
        vec_push(ctx->arena, &y->items, item);
        text += length;
        text += strspn(text, ", ");
    }
    return y;
}

/* Of an argument that is not there: its default. `quiet`: a key that may have been meant is
 * reported. */
static bool arg_absent(Ctx *ctx, const char *what, Loc loc, const ArgRow *row, bool quiet, Arg *out)
{
    *out = (Arg){.loc = loc};
    if (!row->otherwise) {
        if (!quiet)
            diag_error(&ctx->diag, loc, "%s: '%s' is missing", what, row->name);
        return false;
    }
    if (!*row->otherwise)
        return true;
    return arg_from_yaml(ctx, NULL, row, default_yaml(ctx, row->otherwise, loc), row->name, out);
}

bool args_read(Ctx *ctx, const Scope *scope, const char *what, Loc loc, const ArgRow *rows,
               const Y *args, const char *const *common, int n_common, Arg *out)
{
    int n = arg_count(rows);
    const Y *y = y_empty(args) ? NULL : y_resolve(ctx, scope, args);
    bool good = y || y_empty(args);
    bool map = y && y->kind == Y_map, quiet = false;
    if (map) {
        VEC(const char *) known = {0};
        for (int i = 0; i < n; i++)
            vec_push(ctx->arena, &known, rows[i].name);
        for (int i = 0; i < n_common; i++)
            vec_push(ctx->arena, &known, common[i]);
        good = y_keys(ctx, y, what, known.at, known.n, NULL, 0);
        quiet = !good;
    } else if (y && n == 0) {
        diag_error(&ctx->diag, y->loc, "%s takes no argument", what);
        good = false;
    }
    for (int i = 0; i < n; i++) {
        const Y *value = map ? y_get(y, rows[i].name) : i == 0 ? y : NULL;
        const char *both = arena_format(ctx->arena, "%s: %s", what, rows[i].name);
        good = (value ? arg_from_yaml(ctx, scope, &rows[i], value, both, &out[i])
                      : arg_absent(ctx, what, loc, &rows[i], quiet, &out[i])) &&
               good;
    }
    return good;
}

/* --- from expressions ------------------------------------------------------------------------- */

static bool ex_number(Ctx *ctx, const Scope *scope, const Ex *ex, const char *what, bool whole,
                      double *out)
{
    if (!expr_evaluate(ctx, scope, ex, what, out))
        return false;
    if (!whole || (*out == floor(*out) && fabs(*out) <= 9007199254740992.0))
        return true;
    diag_error(&ctx->diag, ex->loc, "%s: expected a whole number", what);
    return false;
}

static bool ex_numbers(Ctx *ctx, const Scope *scope, const Ex *ex, const char *what, bool whole,
                       Arg *out)
{
    bool list = ex->kind == EX_list, good = true;
    out->n = list ? ex->arg.n : 1;
    if (whole && out->n > ARG_LIST_MAX) {
        diag_error(&ctx->diag, ex->loc, "%s: a list of %d numbers; at most %d", what, out->n,
                   ARG_LIST_MAX);
        return false;
    }
    out->reals = arena_take(ctx->arena, sizeof *out->reals * (size_t)(out->n ? out->n : 1));
    for (int i = 0; i < out->n; i++) {
        good =
            ex_number(ctx, scope, list ? ex->arg.at[i].value : ex, what, whole, &out->reals[i]) &&
            good;
        if (whole && good)
            out->list[i] = (int64_t)out->reals[i];
    }
    return good;
}

static bool ex_word(Ctx *ctx, const Ex *ex, const char *what, const char *wanted, const char **out)
{
    if (ex->kind == EX_name) {
        *out = ex->name;
        return true;
    }
    diag_error(&ctx->diag, ex->loc, "%s: expected %s", what, wanted);
    return false;
}

static bool arg_from_ex(Ctx *ctx, const Scope *scope, const ArgRow *row, const Ex *ex,
                        const char *what, Arg *out)
{
    *out = (Arg){.given = true, .loc = ex->loc};
    if (ex->kind == EX_dollar) {
        const Y *y = scope_find(scope, ex->name);
        if (!y) {
            scope_unknown(ctx, scope, ex->name, ex->loc);
            return false;
        }
        Y *here = arena_take(ctx->arena, sizeof *here);
        *here = *y;
        here->loc = ex->loc;
        return arg_from_yaml(ctx, NULL, row, here, what, out);
    }
    const char *word;
    switch (row->type) {
    case ARG_int:
        if (!ex_number(ctx, scope, ex, what, true, &out->r))
            return false;
        out->i = (int64_t)out->r;
        return true;
    case ARG_real: return ex_number(ctx, scope, ex, what, false, &out->r);
    case ARG_bool:
        if (!ex_word(ctx, ex, what, "true or false", &word) ||
            !check_word(ctx, ex->loc, what, "true false", word))
            return false;
        out->b = *word == 't';
        return true;
    case ARG_word:
        return ex_word(ctx, ex, what, "a word", &out->s) &&
               check_word(ctx, ex->loc, what, row->words, out->s);
    case ARG_ints:
    case ARG_reals: return ex_numbers(ctx, scope, ex, what, row->type == ARG_ints, out);
    case ARG_yaml:
        diag_error(&ctx->diag, ex->loc, "%s cannot be given in an expression; write a layer", what);
        return false;
    }
    BUG("argument type %d", row->type);
}

/* The row that the argument is for, or -1 after a report. `positional`: rows given so far by
 * position. */
static int find_arg(Ctx *ctx, const ArgRow *rows, int n, const char *function, const ExArg *arg,
                    int *positional)
{
    if (!arg->key) {
        if (*positional < n)
            return (*positional)++;
        diag_error(&ctx->diag, arg->value->loc, "%s: too many arguments", function);
        return -1;
    }
    VEC(const char *) known = {0};
    for (int i = 0; i < n; i++) {
        if (strcmp(rows[i].name, arg->key) == 0)
            return i;
        vec_push(ctx->arena, &known, rows[i].name);
    }
    const char *best = diag_nearest(arg->key, known.at, known.n);
    if (best)
        diag_error(&ctx->diag, arg->key_loc, "%s: unknown argument '%s'; did you mean '%s'?",
                   function, arg->key, best);
    else
        diag_error(&ctx->diag, arg->key_loc, "%s: unknown argument '%s'", function, arg->key);
    return -1;
}

bool args_from_call(Ctx *ctx, const Scope *scope, const ArgRow *rows, const Ex *ex, int n_in,
                    Arg *out)
{
    int n = arg_count(rows), positional = 0;
    bool seen[ARGS_MAX] = {false}, good = true, quiet = false;
    for (int k = n_in; k < ex->arg.n; k++) {
        const ExArg *arg = &ex->arg.at[k];
        int i = find_arg(ctx, rows, n, ex->name, arg, &positional);
        if (i < 0) {
            good = false;
            quiet = true;
            continue;
        }
        if (seen[i]) {
            diag_error(&ctx->diag, arg->key_loc, "%s: '%s' is given twice", ex->name, rows[i].name);
            good = false;
        }
        seen[i] = true;
        const char *both = arena_format(ctx->arena, "%s: %s", ex->name, rows[i].name);
        good = arg_from_ex(ctx, scope, &rows[i], arg->value, both, &out[i]) && good;
    }
    for (int i = 0; i < n; i++)
        if (!seen[i])
            good = arg_absent(ctx, ex->name, ex->loc, &rows[i], quiet, &out[i]) && good;
    return good;
}
