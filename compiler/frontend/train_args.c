/* SPDX-License-Identifier: MIT */
/* train_args.c: what the keys of `train:` have in common: numbers in a range, one of several kinds, figures that are
 * watched. */
#include "training.h"

#include <math.h>
#include <string.h>

/* --- numbers in a range ----------------------------------------------------------------------- */

typedef struct Range {
    const char *name; /* of an argument */
    double low, high;
    bool low_open, high_open; /* the bound itself is out of range */
    const char *text;
} Range;

static const Range ranges[] = {
    {"lr", 0, INFINITY, true, true, "above 0"},
    {"momentum", 0, 1, false, true, "from 0, below 1"},
    {"betas", 0, 1, false, true, "from 0, below 1"},
    {"alpha", 0, 1, false, true, "from 0, below 1"},
    {"rho", 0, 1, false, true, "from 0, below 1"},
    {"momentum_decay", 0, INFINITY, false, true, "0 or more"},
    {"eps", 0, INFINITY, false, true, "0 or more"},
    {"weight_decay", 0, INFINITY, false, true, "0 or more"},
    {"lr_decay", 0, INFINITY, false, true, "0 or more"},
    {"clip_norm", 0, INFINITY, true, true, "above 0"},
    {"clip_value", 0, INFINITY, true, true, "above 0"},
    {"gamma", 0, INFINITY, true, true, "above 0"},
    {"to", 0, INFINITY, false, true, "0 or more"},
    {"power", 0, INFINITY, true, true, "above 0"},
    {"factor", 0, 1, true, true, "between 0 and 1"},
    {"threshold", 0, 1, false, true, "from 0, below 1"},
    {"pct_start", 0, 1, true, true, "between 0 and 1"},
    {"div_factor", 0, INFINITY, true, true, "above 0"},
    {"final_div_factor", 0, INFINITY, true, true, "above 0"},
    {"decay", 0, 1, false, true, "from 0, below 1"},
    {"min_delta", 0, INFINITY, false, true, "0 or more"},
    {"every_epochs", 0, INFINITY, true, true, "above 0"},
    {"warmup_epochs", 0, INFINITY, false, true, "0 or more"},
};

/* Whether a number is what an argument of this name may be; reports. */
bool train_in_range(Ctx *ctx, Loc loc, const char *what, const char *name, double value)
{
    char number[32];
    for (int i = 0; i < COUNT(ranges); i++) {
        const Range *r = &ranges[i];
        if (strcmp(r->name, name) != 0)
            continue;
        bool good = (r->low_open ? value > r->low : value >= r->low) &&
                    (r->high_open ? value < r->high : value <= r->high);
        if (!good)
            diag_error(&ctx->diag, loc, "%s: %s: %s is out of range: %s", what, name,
                       number_text(number, value, false), r->text);
        return good;
    }
    BUG("no range for '%s'", name);
}

/* A whole number, 1 and more, where it is given. */
bool train_count(Ctx *ctx, const Scope *scope, const Y *map, const char *what, const char *key,
                 int64_t high, int64_t *out)
{
    const Y *y = y_get(map, key);
    return !y || y_int(ctx, scope, y, arena_format(ctx->arena, "%s: %s", what, key), 1, high, out);
}

void train_bound(Ctx *ctx, const Scope *scope, const Y *map, const char *key, double *out)
{
    const Y *y = y_get(map, key);
    if (y && y_real(ctx, scope, y, arena_format(ctx->arena, "train: %s", key), out))
        train_in_range(ctx, y->loc, "train", key, *out);
}

/* --- one of several kinds: `adam`, `{adam: {lr: 1e-3}}` --------------------------------------- */

/* Takes it apart; false after a report. */
bool train_kind(Ctx *ctx, const Scope *scope, const Y *y, const char *what, const char *example,
                Kind *out)
{
    const Y *kind = y_resolve(ctx, scope, y);
    *out = (Kind){0};
    if (!kind)
        return false;
    if (kind->kind == Y_map && kind->pairs.n == 1) {
        out->args = kind->pairs.at[0].value;
        kind = kind->pairs.at[0].key;
    }
    if (kind->kind != Y_scalar || !*kind->text) {
        diag_error(&ctx->diag, kind->loc, "%s: expected one kind, as %s", what, example);
        return false;
    }
    out->name = kind->text;
    out->loc = kind->loc;
    return true;
}

void train_unknown(Ctx *ctx, const Kind *kind, const char *what, const char *const *known, int n)
{
    const char *best = diag_nearest(kind->name, known, n);
    if (best)
        diag_error(&ctx->diag, kind->loc, "%s: unknown '%s'; did you mean '%s'?", what, kind->name,
                   best);
    else
        diag_error(&ctx->diag, kind->loc, "%s: unknown '%s'", what, kind->name);
}

/* --- figures that are watched ------------------------------------------------------------------ */

/* loss, a metric, or one of these after val_; reports others. */
void train_monitor(Program *p, const char *what, const Arg *monitor)
{
    VEC(const char *) known = {0};
    Arena *arena = p->ctx->arena;
    vec_push(arena, &known, "val_loss");
    vec_push(arena, &known, "loss");
    for (int i = 0; i < p->metrics.n; i++) {
        vec_push(arena, &known, arena_format(arena, "val_%s", p->metrics.at[i].name));
        vec_push(arena, &known, p->metrics.at[i].name);
    }
    for (int i = 0; i < known.n; i++)
        if (strcmp(known.at[i], monitor->s) == 0)
            return;
    const char *best = diag_nearest(monitor->s, known.at, known.n);
    if (best)
        diag_error(&p->ctx->diag, monitor->loc, "%s: monitor: unknown '%s'; did you mean '%s'?",
                   what, monitor->s, best);
    else
        diag_error(&p->ctx->diag, monitor->loc,
                   "%s: monitor: '%s' is neither loss nor a metric, nor one of these after val_",
                   what, monitor->s);
}

/* -1, 0 or 1 of min, auto, max. */
int train_mode(const Arg *mode)
{
    return strcmp(mode->s, "min") == 0 ? -1 : strcmp(mode->s, "max") == 0;
}
