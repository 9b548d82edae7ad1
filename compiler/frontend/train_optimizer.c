/* SPDX-License-Identifier: MIT */
/* train_optimizer.c: `optimizer:` and its arguments (optimizers.def); its groups are read by groups.c. */
#include "training.h"

#include <string.h>

const OptimizerRow optimizer_rows[OPT_COUNT] = {
#define OPTIMIZER(row, ...) {.name = #row, .arg = {__VA_ARGS__}},
#include "optimizers.def"
#undef OPTIMIZER
};

static bool take_argument(Ctx *ctx, const char *what, const ArgRow *row, const Arg *arg,
                          Optimizer *out, int *at)
{
    int want = row->type == ARG_reals ? 2 : 1;
    if (row->type == ARG_bool) {
        out->arg[(*at)++] = arg->b;
        return true;
    }
    if (want == 2 && arg->n != 2) {
        diag_error(&ctx->diag, arg->loc, "%s: %s: expected two numbers", what, row->name);
        return false;
    }
    for (int i = 0; i < want; i++) {
        double value = want == 2 ? arg->reals[i] : arg->r;
        if (!train_in_range(ctx, arg->loc, what, row->name, value))
            return false;
        out->arg[(*at)++] = value;
    }
    return true;
}

static int find_optimizer(Ctx *ctx, const Kind *kind)
{
    const char *names[OPT_COUNT];
    for (int i = 0; i < OPT_COUNT; i++) {
        names[i] = optimizer_rows[i].name;
        if (strcmp(names[i], kind->name) == 0)
            return i;
    }
    train_unknown(ctx, kind, "optimizer", names, OPT_COUNT);
    return -1;
}

void train_optimizer(Program *p, const Scope *scope, const Y *y, Optimizer *out)
{
    Kind kind;
    Ctx *ctx = p->ctx;
    if (!train_kind(ctx, scope, y, "optimizer", "adam or {adam: {lr: 1e-3}}", &kind))
        return;
    out->kind = find_optimizer(ctx, &kind);
    out->loc = kind.loc;
    if (out->kind < 0)
        return;
    const OptimizerRow *row = &optimizer_rows[out->kind];
    Arg arg[ARGS_MAX];
    int at = 0;
    static const char *const common[] = {"groups"};
    if (!args_read(ctx, scope, row->name, kind.loc, row->arg, kind.args, common, 1, arg))
        return;
    for (int i = 0; i < OPTIMIZER_ARGS && row->arg[i].name; i++)
        if (!take_argument(ctx, row->name, &row->arg[i], &arg[i], out, &at))
            return;
    const Y *groups = kind.args ? y_get(y_resolve(ctx, scope, kind.args), "groups") : NULL;
    if (groups)
        groups_read(p, scope, groups, out->arg[0]);
    if (out->kind == OPT_sgd && arg[2].b && arg[1].r == 0)
        diag_error(&ctx->diag, arg[2].loc, "sgd: nesterov: wants a momentum above 0");
}
