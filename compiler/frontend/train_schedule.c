/* SPDX-License-Identifier: MIT */
/* train_schedule.c: `schedule:`: the learning rate by the step. */
#include "training.h"

#include <math.h>
#include <string.h>

#define WARMUP TAKES("warmup_steps", int, ""), TAKES("warmup_epochs", real, "")
#define EVERY  TAKES("every", int, ""), TAKES("every_epochs", real, "")

typedef struct ScheduleRow {
    const char *name;
    ArgRow arg[ARGS_MAX];
} ScheduleRow;

/* In the order of ScheduleKind. */
static const ScheduleRow schedules[] = {
    {"constant", {WARMUP}},
    {"step", {EVERY, TAKES("gamma", real, "0.1"), WARMUP}},
    {"exponential", {NEEDS("gamma", real), EVERY, WARMUP}},
    {"cosine", {TAKES("to", real, "0"), WARMUP, TAKES("restarts", int, "0")}},
    {"linear", {TAKES("to", real, "0"), WARMUP}},
    {"multistep",
     {TAKES("milestones", reals, ""), TAKES("milestones_epochs", reals, ""),
      TAKES("gamma", real, "0.1"), WARMUP}},
    {"polynomial", {TAKES("power", real, "1"), TAKES("to", real, "0"), WARMUP}},
    {"inverse_sqrt", {WARMUP}},
    {"one_cycle",
     {TAKES("pct_start", real, "0.3"), TAKES("div_factor", real, "25"),
      TAKES("final_div_factor", real, "1e4")}},
    {"plateau",
     {TAKES("monitor", word, "val_loss"), TAKES("factor", real, "0.1"),
      TAKES("patience", int, "10"), TAKES("threshold", real, "1e-4"), TAKES("to", real, "0"), MODE,
      WARMUP}},
};

typedef struct ScheduleArgs {
    Ctx *ctx;
    const Kind *kind;
    const ScheduleRow *row;
    Arg arg[ARGS_MAX];
} ScheduleArgs;

/* The argument, or NULL where it is not given or the schedule has none of that name. */
static const Arg *argument(const ScheduleArgs *a, const char *name)
{
    for (int i = 0; i < ARGS_MAX && a->row->arg[i].name; i++)
        if (strcmp(a->row->arg[i].name, name) == 0)
            return a->arg[i].given ? &a->arg[i] : NULL;
    return NULL;
}

static bool real_argument(const ScheduleArgs *a, const char *name, double *out)
{
    const Arg *arg = argument(a, name);
    if (arg)
        *out = arg->r;
    return !arg || train_in_range(a->ctx, arg->loc, a->kind->name, name, arg->r);
}

/* A count of steps, `steps`, or of epochs, `epochs`: one of the two at most. */
static bool count_argument(const ScheduleArgs *a, const char *steps, const char *epochs,
                           int64_t low, double *out, bool *in_epochs)
{
    const Arg *s = argument(a, steps), *e = argument(a, epochs);
    if (s && e) {
        diag_error(&a->ctx->diag, e->loc, "%s: either '%s' or '%s'", a->kind->name, steps, epochs);
        return false;
    }
    if (s && (s->i < low || s->i > INT32_MAX)) {
        diag_error(&a->ctx->diag, s->loc, "%s: %s: %lld is out of range: %lld to %d", a->kind->name,
                   steps, (long long)s->i, (long long)low, INT32_MAX);
        return false;
    }
    *in_epochs = e != NULL;
    if (s)
        *out = (double)s->i;
    return e ? real_argument(a, epochs, out) : true;
}

static int find_schedule(Ctx *ctx, const Kind *kind)
{
    const char *names[COUNT(schedules)];
    for (int i = 0; i < COUNT(schedules); i++) {
        names[i] = schedules[i].name;
        if (strcmp(names[i], kind->name) == 0)
            return i;
    }
    train_unknown(ctx, kind, "schedule", names, COUNT(names));
    return -1;
}

/* Milestones: at least one, each above 0 and above the one before, whole where they count steps. */
static bool read_milestones(const ScheduleArgs *a, Schedule *out)
{
    const Arg *steps = argument(a, "milestones"), *epochs = argument(a, "milestones_epochs");
    const Arg *given = steps ? steps : epochs;
    Diag *diag = &a->ctx->diag;
    if (out->kind != SCHEDULE_multistep)
        return true;
    if (!given || (steps && epochs)) {
        diag_error(diag, given ? epochs->loc : a->kind->loc,
                   "multistep: %s 'milestones' or 'milestones_epochs'", given ? "either" : "wants");
        return false;
    }
    bool good = given->n >= 1 && given->n <= MILESTONES_MAX;
    for (int i = 0; good && i < given->n; i++) {
        double at = given->reals[i];
        good = isfinite(at) && at > (i ? given->reals[i - 1] : 0) && (epochs || at == floor(at));
        out->milestone[i] = at;
    }
    if (!good)
        diag_error(diag, given->loc,
                   "multistep: milestones: expected 1 to %d %s, above 0, each above the one before",
                   MILESTONES_MAX, epochs ? "numbers of epochs" : "whole numbers of steps");
    out->n_milestones = good ? given->n : 0;
    out->every_in_epochs = epochs != NULL;
    return good;
}

/* What plateau watches; `sound`: the metrics that are known are all there are. */
static bool read_plateau(Program *p, const ScheduleArgs *a, bool sound, Schedule *out)
{
    if (out->kind != SCHEDULE_plateau)
        return true;
    const Arg *monitor = argument(a, "monitor"), *patience = argument(a, "patience");
    if (patience->i < 0 || patience->i > INT32_MAX) {
        diag_error(&a->ctx->diag, patience->loc, "plateau: patience: %lld is out of range: 0 to %d",
                   (long long)patience->i, INT32_MAX);
        return false;
    }
    if (sound)
        train_monitor(p, "plateau", monitor);
    out->monitor = monitor->s;
    out->patience = patience->i;
    out->mode = train_mode(argument(a, "mode"));
    return real_argument(a, "factor", &out->gamma) &&
           real_argument(a, "threshold", &out->threshold);
}

void train_schedule(Program *p, const Scope *scope, const Y *y, bool sound, Schedule *out)
{
    Kind kind;
    Ctx *ctx = p->ctx;
    ScheduleArgs a = {.ctx = ctx, .kind = &kind};
    if (!train_kind(ctx, scope, y, "schedule", "cosine or {cosine: {warmup_steps: 100}}", &kind))
        return;
    int index = find_schedule(ctx, &kind);
    if (index < 0)
        return;
    a.row = &schedules[index];
    if (!args_read(ctx, scope, kind.name, kind.loc, a.row->arg, kind.args, NULL, 0, a.arg))
        return;
    out->kind = (ScheduleKind)index;
    bool unused;
    bool good =
        real_argument(&a, "gamma", &out->gamma) && real_argument(&a, "to", &out->to) &&
        real_argument(&a, "power", &out->power) && real_argument(&a, "pct_start", &out->rise) &&
        real_argument(&a, "div_factor", &out->start_factor) &&
        real_argument(&a, "final_div_factor", &out->end_factor) &&
        count_argument(&a, "restarts", "", 0, &out->restarts, &unused) &&
        count_argument(&a, "every", "every_epochs", 1, &out->every, &out->every_in_epochs) &&
        count_argument(&a, "warmup_steps", "warmup_epochs", 0, &out->warmup,
                       &out->warmup_in_epochs) &&
        read_milestones(&a, out) && read_plateau(p, &a, sound, out);
    if (!good)
        return;
    if (out->kind == SCHEDULE_step && out->every == 0)
        diag_error(&ctx->diag, kind.loc, "step: 'every' or 'every_epochs' is missing");
    if (out->kind == SCHEDULE_exponential &&
        out->every > 0) { /* by the step or epoch from here on */
        out->gamma = pow(out->gamma, 1 / out->every);
        out->every = 1;
    }
}
