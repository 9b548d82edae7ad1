/* SPDX-License-Identifier: MIT */
/* groups.c: `groups:` of an optimiser: weights whose names fit a pattern have a rate and a weight decay of their own.
 *
 * `*` stands for any characters, `?` for one. The first pattern that a weight fits counts for it. A rate follows the
 * schedule as the optimiser's does: it is kept as a factor of that.
 */
#include "training.h"

#include <math.h>

/* Goes back to the last star alone, so that no pattern takes long. */
bool pattern_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static const ArgRow keys[] = {TAKES("lr", real, ""), TAKES("weight_decay", real, ""), NOTHING};

/* Gives the group's numbers to the weights that fit and are in none before it; how many fit at all. */
static int give(Program *p, const char *pattern, const Arg *arg, double rate, bool *in_group)
{
    int found = 0;
    for (int i = 0; i < p->vars.n; i++) {
        Var *var = p->vars.at[i];
        if (var->kind != VAR_weight || !pattern_fits(pattern, var->name))
            continue;
        found++;
        if (in_group[i])
            continue;
        in_group[i] = true;
        if (arg[0].given)
            var->rate = arg[0].r / rate;
        if (arg[1].given)
            var->weight_decay = arg[1].r;
    }
    return found;
}

static bool is_number(Ctx *ctx, const Arg *arg, const char *name, bool positive)
{
    bool good = !arg->given || (isfinite(arg->r) && (positive ? arg->r > 0 : arg->r >= 0));
    if (!good)
        diag_error(&ctx->diag, arg->loc, "groups: %s: out of range: %s", name,
                   positive ? "above 0" : "0 or more");
    return good;
}

void groups_read(Program *p, const Scope *scope, const Y *y, double rate)
{
    Ctx *ctx = p->ctx;
    const Y *map = y_resolve(ctx, scope, y);
    if (!map)
        return;
    if (map->kind != Y_map) {
        diag_error(&ctx->diag, y->loc,
                   "groups: expected patterns of names, as {\"*.bias\": {weight_decay: 0}}");
        return;
    }
    bool *in_group = arena_take(ctx->arena, sizeof *in_group * (size_t)(p->vars.n + 1));
    for (int i = 0; i < map->pairs.n; i++) {
        const Y *key = map->pairs.at[i].key;
        Arg arg[ARGS_MAX];
        if (!args_read(ctx, scope, "groups", key->loc, keys, map->pairs.at[i].value, NULL, 0, arg))
            continue;
        if (!is_number(ctx, &arg[0], "lr", true) || !is_number(ctx, &arg[1], "weight_decay", false))
            continue;
        if (ctx->diag.errors == 0 && !give(p, key->text, arg, rate, in_group))
            diag_error(&ctx->diag, key->loc, "groups: no weight is called '%s'", key->text);
    }
}
