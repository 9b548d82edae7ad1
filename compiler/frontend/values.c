/* SPDX-License-Identifier: MIT */
/* values.c: typed readings of YAML values, $variables, names and keys.
 *
 * YAML itself gives text alone: what a scalar is depends on what the key expects, so `no` may be a
 * name and `1e-3` is a number.
 */
#include "builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SHOWN_MAX = 40, NUMBER_BYTES_MAX = 64 };

Y *y_get(const Y *map, const char *key)
{
    if (!map || map->kind != Y_map)
        return NULL;
    for (int i = 0; i < map->pairs.n; i++)
        if (strcmp(map->pairs.at[i].key->text, key) == 0)
            return map->pairs.at[i].value;
    return NULL;
}

bool y_empty(const Y *y)
{
    return !y || (y->kind == Y_scalar && !y->quoted &&
                  (!*y->text || strcmp(y->text, "~") == 0 || strcmp(y->text, "null") == 0));
}

const char *y_text(Ctx *ctx, const Y *y)
{
    if (y && y->kind != Y_scalar)
        return y->kind == Y_list ? "a list" : "a map";
    if (!y || (!*y->text && !y->quoted))
        return "nothing";
    size_t length = strlen(y->text);
    bool cut = length > TEXT_SHOWN_MAX;
    return arena_format(ctx->arena, "'%.*s%s'", cut ? TEXT_SHOWN_MAX : (int)length, y->text,
                        cut ? "..." : "");
}

static bool wrong(Ctx *ctx, const Y *y, const char *what, const char *wanted)
{
    diag_error(&ctx->diag, y ? y->loc : (Loc){0}, "%s: expected %s, saw %s%s", what, wanted,
               y_text(ctx, y), y && y->quoted ? " in quotes" : "");
    return false;
}

/* --- names and $names ------------------------------------------------------------------------- */

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool name_valid(const char *name)
{
    if (!letter(name[0]))
        return false;
    size_t n = 1;
    while (letter(name[n]) || digit(name[n]))
        n++;
    return !name[n] && n <= NAME_MAX_BYTES;
}

bool word_in(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; *at;) {
        size_t next = strcspn(at, " ");
        if (next == length && memcmp(at, word, length) == 0)
            return true;
        at += next + strspn(at + next, " ");
    }
    return false;
}

const Y *scope_find(const Scope *scope, const char *name)
{
    for (; scope; scope = scope->outer) {
        const Y *y = map_get(&scope->values, name);
        if (y)
            return y;
    }
    return NULL;
}

void scope_unknown(Ctx *ctx, const Scope *scope, const char *name, Loc loc)
{
    const char *best = NULL;
    for (; scope && !best; scope = scope->outer) {
        VEC(const char *) known = {0};
        for (int i = 0; i < scope->values.n; i++)
            vec_push(ctx->arena, &known, scope->values.entry[i].key);
        best = diag_nearest(name, known.at, known.n);
    }
    if (best)
        diag_error(&ctx->diag, loc, "no variable or argument is called '$%s'; did you mean '$%s'?",
                   name, best);
    else
        diag_error(&ctx->diag, loc, "no variable or argument is called '$%s'", name);
}

static bool lone_dollar(const Y *y)
{
    return y->kind == Y_scalar && y->text[0] == '$' && name_valid(y->text + 1);
}

const Y *y_resolve(Ctx *ctx, const Scope *scope, const Y *y)
{
    if (!y || !lone_dollar(y))
        return y;
    const Y *found = scope_find(scope, y->text + 1);
    if (!found) {
        scope_unknown(ctx, scope, y->text + 1, y->loc);
        return NULL;
    }
    Y *here = arena_take(ctx->arena, sizeof *here);
    *here = *found;
    here->loc = y->loc;
    return here;
}

static bool has_dollar(const Y *y)
{
    return y->kind == Y_scalar && strchr(y->text, '$');
}

static const Y *bind_scalar(Ctx *ctx, const Scope *scope, const Y *y)
{
    if (!has_dollar(y))
        return y;
    if (lone_dollar(y))
        return y_resolve(ctx, scope, y);
    double value;
    char buffer[32];
    if (!expr_number(ctx, scope, y, "value", &value))
        return NULL;
    number_text(buffer, value, false);
    Y *bound = arena_take(ctx->arena, sizeof *bound);
    *bound = (Y){
        .kind = Y_scalar, .loc = y->loc, .text = arena_text(ctx->arena, buffer, strlen(buffer))};
    return bound;
}

static const Y *bind(Ctx *ctx, const Scope *scope, const Y *y, int *left)
{
    if (--*left < 0) {
        if (*left == -1)
            diag_error(&ctx->diag, y->loc, "an argument holds too many values");
        return NULL;
    }
    if (y->kind == Y_scalar)
        return bind_scalar(ctx, scope, y);
    Y *bound = arena_take(ctx->arena, sizeof *bound);
    bool good = true;
    *bound = (Y){.kind = y->kind, .loc = y->loc};
    for (int i = 0; i < y->items.n && *left >= 0; i++) {
        const Y *item = bind(ctx, scope, y->items.at[i], left);
        good = good && item;
        vec_push(ctx->arena, &bound->items, (Y *)item);
    }
    for (int i = 0; i < y->pairs.n && *left >= 0; i++) {
        const Y *value = bind(ctx, scope, y->pairs.at[i].value, left);
        good = good && value;
        vec_push(ctx->arena, &bound->pairs, ((YPair){y->pairs.at[i].key, (Y *)value}));
    }
    return good && *left >= 0 ? bound : NULL;
}

const Y *y_bind(Ctx *ctx, const Scope *scope, const Y *y, int max)
{
    return bind(ctx, scope, y, &max);
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* Whole numbers written as such: decimal or 0x, with _ between digits. False: not one, or past 64
 * bits. */
static bool literal_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    text += base == 16 ? 2 : 0;
    int64_t value = 0;
    bool after_digit = false;
    for (; *text; text++) {
        if (*text == '_' && after_digit && text[1] && text[1] != '_')
            continue;
        int d = digit(*text)                                               ? *text - '0'
                : base == 16 && (*text | 32) >= 'a' && (*text | 32) <= 'f' ? (*text | 32) - 'a' + 10
                                                                           : -1;
        if (d < 0 || __builtin_mul_overflow(value, base, &value) ||
            (negative ? __builtin_sub_overflow(value, d, &value)
                      : __builtin_add_overflow(value, d, &value)))
            return false;
        after_digit = true;
    }
    *out = value;
    return after_digit;
}

bool number_read(const char *text, size_t length, double *out)
{
    char buffer[NUMBER_BYTES_MAX + 1];
    size_t n = 0, digits = 0;
    if (length > NUMBER_BYTES_MAX)
        return false;
    bool hex = false, exponent = false, point = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i], before = i ? text[i - 1] : ' ';
        bool is_digit = digit(c) || (hex && (c | 32) >= 'a' && (c | 32) <= 'f');
        if (c == '_' && digits && i + 1 < length && before != '_')
            continue;
        if (is_digit) {
            digits++;
        } else if ((c == '+' || c == '-') && (i == 0 || (exponent && (before | 32) == 'e'))) {
        } else if ((c | 32) == 'x' && before == '0' && digits == 1 && !point && !hex) {
            hex = true;
            digits = 0;
        } else if ((c | 32) == 'e' && digits && !hex && !exponent) {
            exponent = true;
            digits = 0;
        } else if (c == '.' && !point && !exponent && !hex) {
            point = true;
        } else {
            return false;
        }
        buffer[n++] = c;
    }
    buffer[n] = '\0';
    if (!digits)
        return false;
    *out = strtod(buffer, NULL);
    return true;
}

/* Whether a scalar that is no plain number may be arithmetic. */
static bool maybe_arithmetic(const Y *y)
{
    char c = y->text[0];
    return has_dollar(y) ||
           (!y->quoted && (digit(c) || c == '(' || c == '-' || c == '.' || c == '+'));
}

/* A scalar that holds a number of some form; reports others. */
static const Y *number_scalar(Ctx *ctx, const Scope *scope, const Y *y, const char *what,
                              const char *wanted)
{
    const Y *z = y_resolve(ctx, scope, y);
    if (!z && y)
        return NULL;
    if (z && z->kind == Y_scalar && (!z->quoted || has_dollar(z)) && *z->text)
        return z;
    wrong(ctx, z, what, wanted);
    return NULL;
}

bool y_real(Ctx *ctx, const Scope *scope, const Y *y, const char *what, double *out)
{
    const Y *z = number_scalar(ctx, scope, y, what, "a number");
    if (!z)
        return false;
    if (!number_read(z->text, strlen(z->text), out)) {
        if (!maybe_arithmetic(z))
            return wrong(ctx, z, what, "a number");
        return expr_number(ctx, z == y ? scope : NULL, z, what, out);
    }
    if (isfinite(*out))
        return true;
    diag_error(&ctx->diag, z->loc, "%s: %s is out of range", what, y_text(ctx, z));
    return false;
}

static bool check_range(Ctx *ctx, Loc loc, const char *what, int64_t value, int64_t lo, int64_t hi)
{
    if (value >= lo && value <= hi)
        return true;
    if (hi == INT64_MAX)
        diag_error(&ctx->diag, loc, "%s: %lld is out of range: at least %lld", what,
                   (long long)value, (long long)lo);
    else
        diag_error(&ctx->diag, loc, "%s: %lld is out of range: %lld to %lld", what,
                   (long long)value, (long long)lo, (long long)hi);
    return false;
}

bool y_int(Ctx *ctx, const Scope *scope, const Y *y, const char *what, int64_t lo, int64_t hi,
           int64_t *out)
{
    const Y *z = number_scalar(ctx, scope, y, what, "a whole number");
    if (!z)
        return false;
    if (literal_int(z->text, out))
        return check_range(ctx, z->loc, what, *out, lo, hi);
    double value;
    if (!number_read(z->text, strlen(z->text), &value)) {
        if (!maybe_arithmetic(z))
            return wrong(ctx, z, what, "a whole number");
        if (!expr_number(ctx, z == y ? scope : NULL, z, what, &value))
            return false;
    }
    if (value != floor(value) ||
        fabs(value) > 9007199254740992.0) { /* 2^53: whole numbers end there */
        char buffer[32];
        number_text(buffer, value, false);
        diag_error(&ctx->diag, z->loc, "%s: expected a whole number%s, saw %s", what,
                   value == floor(value) ? " in range" : "", buffer);
        return false;
    }
    *out = (int64_t)value;
    return check_range(ctx, z->loc, what, *out, lo, hi);
}

bool y_ints(Ctx *ctx, const Scope *scope, const Y *y, const char *what, int max, int *n,
            int64_t *out)
{
    const Y *z = y_resolve(ctx, scope, y);
    if (!z && y)
        return false;
    if (!z || z->kind == Y_map)
        return wrong(ctx, z, what, "a whole number or a list of them");
    if (z->kind == Y_scalar) {
        *n = 1;
        return y_int(ctx, scope, y, what, INT64_MIN, INT64_MAX, out);
    }
    if (z->items.n > max) {
        diag_error(&ctx->diag, z->loc, "%s: a list of %d numbers; at most %d", what, z->items.n,
                   max);
        return false;
    }
    bool good = true;
    *n = z->items.n;
    for (int i = 0; i < z->items.n; i++)
        good = y_int(ctx, scope, z->items.at[i], what, INT64_MIN, INT64_MAX, &out[i]) && good;
    return good;
}

/* --- other scalars ---------------------------------------------------------------------------- */

bool y_bool(Ctx *ctx, const Scope *scope, const Y *y, const char *what, bool *out)
{
    const Y *z = y_resolve(ctx, scope, y);
    if (!z && y)
        return false;
    bool plain = z && z->kind == Y_scalar && !z->quoted;
    if (!plain || (strcmp(z->text, "true") != 0 && strcmp(z->text, "false") != 0))
        return wrong(ctx, z, what, "true or false");
    *out = z->text[0] == 't';
    return true;
}

bool y_word(Ctx *ctx, const Scope *scope, const Y *y, const char *what, const char **out)
{
    const Y *z = y_resolve(ctx, scope, y);
    if (!z && y)
        return false;
    if (!z || z->kind != Y_scalar || !*z->text)
        return wrong(ctx, z, what, "a word");
    *out = z->text;
    return true;
}

bool y_name(Ctx *ctx, const Y *y, const char *what, const char **out)
{
    if (!y || y->kind != Y_scalar || !*y->text)
        return wrong(ctx, y, what, "a name");
    if (!name_valid(y->text)) {
        diag_error(&ctx->diag, y->loc,
                   "%s: %s is not a name: letters, digits and _, not a digit first, at most "
                   "%d bytes",
                   what, y_text(ctx, y), NAME_MAX_BYTES);
        return false;
    }
    *out = y->text;
    return true;
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool among(const char *word, const char *const *known, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, known[i]) == 0)
            return true;
    return false;
}

bool y_keys(Ctx *ctx, const Y *map, const char *what, const char *const *known, int n,
            const char *const *later, int n_later)
{
    bool good = true;
    for (int i = 0; map && map->kind == Y_map && i < map->pairs.n; i++) {
        const Y *key = map->pairs.at[i].key;
        if (among(key->text, known, n))
            continue;
        good = false;
        const char *best = NULL;
        if (among(key->text, later, n_later))
            diag_error(&ctx->diag, key->loc, "%s: '%s' is not supported yet", what, key->text);
        else if ((best = diag_nearest(key->text, known, n)))
            diag_error(&ctx->diag, key->loc, "%s: unknown key %s; did you mean '%s'?", what,
                       y_text(ctx, key), best);
        else
            diag_error(&ctx->diag, key->loc, "%s: unknown key %s", what, y_text(ctx, key));
    }
    return good;
}
