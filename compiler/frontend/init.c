/* SPDX-License-Identifier: MIT */
/* init.c: `init:` keys to the numbers that a weight is drawn with. Names and defaults are those of
 * torch.nn.init; a truncated normal is drawn again outside mean +- 2 std.
 */
#include "rows.h"

#include <math.h>
#include <string.h>

typedef struct Given { /* what a form is resolved from */
    Ctx *ctx;
    Loc loc;
    const char *name;
    const Arg *arg;
    double fan_in, fan_out;
} Given;

typedef struct Form {
    const char *name;
    const char *list; /* of two numbers: how they are written; NULL: it takes one or none */
    ArgRow arg[ARGS_MAX];
    bool (*resolve)(const Given *, Init *out);
} Form;

/* --- forms ------------------------------------------------------------------------------------ */

static bool keep(const Given *given, Init *out)
{
    (void)given;
    (void)out;
    return true;
}

static bool zeros(const Given *given, Init *out)
{
    (void)given;
    *out = (Init){INIT_constant, 0, 0};
    return true;
}

static bool ones(const Given *given, Init *out)
{
    (void)given;
    *out = (Init){INIT_constant, 1, 0};
    return true;
}

static bool constant(const Given *given, Init *out)
{
    *out = (Init){INIT_constant, given->arg[0].r, 0};
    return true;
}

static bool wrong(const Given *given, Loc loc, const char *why)
{
    diag_error(&given->ctx->diag, loc, "init: %s: %s", given->name, why);
    return false;
}

static bool uniform(const Given *given, Init *out)
{
    *out = (Init){INIT_uniform, given->arg[0].r, given->arg[1].r};
    return out->a <= out->b || wrong(given, given->arg[0].loc, "a is above b");
}

static bool spread(const Given *given, InitKind kind, Init *out)
{
    *out = (Init){kind, given->arg[0].r, given->arg[1].r};
    return out->b >= 0 || wrong(given, given->arg[1].loc, "std is below 0");
}

static bool normal(const Given *given, Init *out)
{
    return spread(given, INIT_normal, out);
}

static bool truncated_normal(const Given *given, Init *out)
{
    return spread(given, INIT_truncated_normal, out);
}

static bool orthogonal(const Given *given, Init *out)
{
    *out = (Init){INIT_orthogonal, given->arg[0].r, 0};
    return true;
}

/* A uniform distribution of this standard deviation around 0. */
static Init uniform_of(double std)
{
    return (Init){INIT_uniform, -sqrt(3) * std, sqrt(3) * std};
}

static double xavier_std(const Given *given)
{
    return fabs(given->arg[0].r) * sqrt(2 / (given->fan_in + given->fan_out));
}

static bool xavier_uniform(const Given *given, Init *out)
{
    *out = uniform_of(xavier_std(given));
    return true;
}

static bool xavier_normal(const Given *given, Init *out)
{
    *out = (Init){INIT_normal, 0, xavier_std(given)};
    return true;
}

/* torch.nn.init.calculate_gain */
static double gain_of(const char *nonlinearity, double slope)
{
    if (strcmp(nonlinearity, "relu") == 0)
        return sqrt(2);
    if (strcmp(nonlinearity, "leaky_relu") == 0)
        return sqrt(2 / (1 + slope * slope));
    if (strcmp(nonlinearity, "tanh") == 0)
        return 5.0 / 3;
    return strcmp(nonlinearity, "selu") == 0 ? 0.75 : 1;
}

static double kaiming_std(const Given *given)
{
    double fan = strcmp(given->arg[1].s, "fan_in") == 0 ? given->fan_in : given->fan_out;
    return gain_of(given->arg[2].s, given->arg[0].r) / sqrt(fan);
}

static bool kaiming_uniform(const Given *given, Init *out)
{
    *out = uniform_of(kaiming_std(given));
    return true;
}

static bool kaiming_normal(const Given *given, Init *out)
{
    *out = (Init){INIT_normal, 0, kaiming_std(given)};
    return true;
}

/* --- the table -------------------------------------------------------------------------------- */

#define MEAN_STD TAKES("mean", real, "0"), TAKES("std", real, "1")
#define KAIMING                                                                                    \
    TAKES("a", real, "0"), WORDS("mode", "fan_in", "fan_in fan_out"),                              \
        WORDS("nonlinearity", "leaky_relu", "linear sigmoid tanh relu leaky_relu selu")

static const Form forms[] = {
    {"default", NULL, {NOTHING}, keep},
    {"zeros", NULL, {NOTHING}, zeros},
    {"ones", NULL, {NOTHING}, ones},
    {"constant", NULL, {NEEDS("value", real)}, constant},
    {"uniform", "[a, b]", {TAKES("a", real, "0"), TAKES("b", real, "1")}, uniform},
    {"normal", "[mean, std]", {MEAN_STD}, normal},
    {"truncated_normal", "[mean, std]", {MEAN_STD}, truncated_normal},
    {"xavier_uniform", NULL, {TAKES("gain", real, "1")}, xavier_uniform},
    {"xavier_normal", NULL, {TAKES("gain", real, "1")}, xavier_normal},
    {"kaiming_uniform", NULL, {KAIMING}, kaiming_uniform},
    {"kaiming_normal", NULL, {KAIMING}, kaiming_normal},
    {"orthogonal", NULL, {TAKES("gain", real, "1")}, orthogonal},
};

static const Form *find_form(Ctx *ctx, const Y *kind)
{
    const char *names[COUNT(forms)];
    for (int i = 0; i < COUNT(forms); i++) {
        names[i] = forms[i].name;
        if (strcmp(names[i], kind->text) == 0)
            return &forms[i];
    }
    const char *best = diag_nearest(kind->text, names, COUNT(forms));
    if (best)
        diag_error(&ctx->diag, kind->loc, "init: unknown '%s'; did you mean '%s'?", kind->text,
                   best);
    else
        diag_error(&ctx->diag, kind->loc, "init: unknown '%s'", kind->text);
    return NULL;
}

/* [a, b] as {a: a, b: b}, for forms of two numbers; one number alone could be either. */
static const Y *pair_of(Ctx *ctx, const Form *form, const Y *args)
{
    if (!form->list || !args || args->kind == Y_map)
        return args;
    if (args->kind != Y_list || args->items.n != 2) {
        diag_error(&ctx->diag, args->loc, "init: %s: expected %s or {%s: ..., %s: ...}", form->name,
                   form->list, form->arg[0].name, form->arg[1].name);
        return NULL;
    }
    Y *map = arena_take(ctx->arena, sizeof *map);
    *map = (Y){.kind = Y_map, .loc = args->loc};
    for (int i = 0; i < 2; i++) {
        Y *key = arena_take(ctx->arena, sizeof *key);
        *key = (Y){.kind = Y_scalar, .loc = args->items.at[i]->loc, .text = form->arg[i].name};
        vec_push(ctx->arena, &map->pairs, ((YPair){key, args->items.at[i]}));
    }
    return map;
}

bool init_read(Ctx *ctx, const Scope *scope, const Y *y, int64_t fan_in, int64_t fan_out, Init *out)
{
    const Y *kind = y_resolve(ctx, scope, y), *args = NULL;
    if (!kind)
        return false;
    if (kind->kind == Y_map && kind->pairs.n == 1) {
        args = y_resolve(ctx, scope, kind->pairs.at[0].value);
        kind = kind->pairs.at[0].key;
        if (!args)
            return false;
    }
    if (kind->kind != Y_scalar) {
        diag_error(&ctx->diag, kind->loc,
                   "init: expected one form, as zeros or {normal: {std: 0.02}}");
        return false;
    }
    const Form *form = find_form(ctx, kind);
    const Y *pair = form ? pair_of(ctx, form, args) : NULL;
    if (!form || (args && !pair))
        return false;
    Arg arg[ARGS_MAX];
    const char *what = arena_format(ctx->arena, "init: %s", form->name);
    if (!args_read(ctx, scope, what, kind->loc, form->arg, pair, NULL, 0, arg))
        return false;
    const Given given = {ctx, kind->loc, form->name, arg, (double)fan_in, (double)fan_out};
    return form->resolve(&given, out);
}
