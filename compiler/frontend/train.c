/* SPDX-License-Identifier: MIT */
/* train.c: the `train:` key: batch, length, optimiser, schedule, checkpoints, early stopping. */
#include "rows.h"

#include <math.h>
#include <string.h>

const OptimizerRow optimizer_rows[OPT_COUNT] = {
#define OPTIMIZER(row, ...) {.name = #row, .arg = {__VA_ARGS__}},
#include "optimizers.def"
#undef OPTIMIZER
};

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
    {"min_delta", 0, INFINITY, false, true, "0 or more"},
    {"every_epochs", 0, INFINITY, true, true, "above 0"},
    {"warmup_epochs", 0, INFINITY, false, true, "0 or more"},
};

/* Whether a number is what an argument of this name may be; reports. */
static bool in_range(Ctx *ctx, Loc loc, const char *what, const char *name, double value)
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
static bool read_count(Ctx *ctx, const Scope *scope, const Y *map, const char *what,
                       const char *key, int64_t high, int64_t *out)
{
    const Y *y = y_get(map, key);
    return !y || y_int(ctx, scope, y, arena_format(ctx->arena, "%s: %s", what, key), 1, high, out);
}

static void read_bound(Ctx *ctx, const Scope *scope, const Y *map, const char *key, double *out)
{
    const Y *y = y_get(map, key);
    if (y && y_real(ctx, scope, y, arena_format(ctx->arena, "train: %s", key), out))
        in_range(ctx, y->loc, "train", key, *out);
}

/* --- one of several kinds: `adam`, `{adam: {lr: 1e-3}}` --------------------------------------- */

typedef struct Kind {
    const char *name;
    Loc loc;
    const Y *args; /* or NULL */
} Kind;

/* Takes it apart; false after a report. */
static bool read_kind(Ctx *ctx, const Scope *scope, const Y *y, const char *what,
                      const char *example, Kind *out)
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

static void unknown_kind(Ctx *ctx, const Kind *kind, const char *what, const char *const *known,
                         int n)
{
    const char *best = diag_nearest(kind->name, known, n);
    if (best)
        diag_error(&ctx->diag, kind->loc, "%s: unknown '%s'; did you mean '%s'?", what, kind->name,
                   best);
    else
        diag_error(&ctx->diag, kind->loc, "%s: unknown '%s'", what, kind->name);
}

/* --- the optimiser ---------------------------------------------------------------------------- */

/* Puts the argument at *at of the optimiser's numbers; false after a report. */
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
        if (!in_range(ctx, arg->loc, what, row->name, value))
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
    unknown_kind(ctx, kind, "optimizer", names, OPT_COUNT);
    return -1;
}

static void read_optimizer(Program *p, const Scope *scope, const Y *y, Optimizer *out)
{
    Kind kind;
    Ctx *ctx = p->ctx;
    if (!read_kind(ctx, scope, y, "optimizer", "adam or {adam: {lr: 1e-3}}", &kind))
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

/* --- figures that are watched ------------------------------------------------------------------ */

/* loss, a metric, or one of these after val_; reports others. */
static void check_monitor(Program *p, const char *what, const Arg *monitor)
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
static int mode_of(const Arg *mode)
{
    return strcmp(mode->s, "min") == 0 ? -1 : strcmp(mode->s, "max") == 0;
}

/* --- the schedule ----------------------------------------------------------------------------- */

#define WARMUP TAKES("warmup_steps", int, ""), TAKES("warmup_epochs", real, "")
#define MODE   WORDS("mode", "auto", "auto min max")
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
    return !arg || in_range(a->ctx, arg->loc, a->kind->name, name, arg->r);
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
    unknown_kind(ctx, kind, "schedule", names, COUNT(names));
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
        check_monitor(p, "plateau", monitor);
    out->monitor = monitor->s;
    out->patience = patience->i;
    out->mode = mode_of(argument(a, "mode"));
    return real_argument(a, "factor", &out->gamma) &&
           real_argument(a, "threshold", &out->threshold);
}

static void read_schedule(Program *p, const Scope *scope, const Y *y, bool sound)
{
    Kind kind;
    Ctx *ctx = p->ctx;
    Schedule *out = &p->train.schedule;
    ScheduleArgs a = {.ctx = ctx, .kind = &kind};
    if (!read_kind(ctx, scope, y, "schedule", "cosine or {cosine: {warmup_steps: 100}}", &kind))
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

/* --- checkpoints, early stopping -------------------------------------------------------------- */

/* A file name, or {every, every_epochs, keep, path}; each epoch where it does not say. */
static void read_checkpoint(Ctx *ctx, const Scope *scope, const Y *y, Train *t)
{
    static const char *const keys[] = {"every", "every_epochs", "keep", "path"};
    const Y *map = y_resolve(ctx, scope, y);
    t->checkpoint_every = 1;
    t->checkpoint_every_in_epochs = true;
    if (!map)
        return;
    if (map->kind != Y_map) {
        y_word(ctx, scope, y, "checkpoint: path", &t->checkpoint_path);
        return;
    }
    y_keys(ctx, map, "checkpoint", keys, COUNT(keys), NULL, 0);
    const Y *keep = y_get(map, "keep"), *path = y_get(map, "path");
    if (y_get(map, "every") && y_get(map, "every_epochs"))
        diag_error(&ctx->diag, y_get(map, "every_epochs")->loc,
                   "checkpoint: either 'every' or 'every_epochs'");
    t->checkpoint_every_in_epochs = !y_get(map, "every");
    read_count(ctx, scope, map, "checkpoint",
               t->checkpoint_every_in_epochs ? "every_epochs" : "every", INT64_MAX,
               &t->checkpoint_every);
    if (keep)
        y_int(ctx, scope, keep, "checkpoint: keep", 0, 1000, &t->checkpoint_keep);
    if (path)
        y_word(ctx, scope, path, "checkpoint: path", &t->checkpoint_path);
}

static void read_stopping(Program *p, const Scope *scope, const Y *y, bool sound)
{
    static const ArgRow rows[] = {NEEDS("patience", int),
                                  TAKES("monitor", word, "val_loss"),
                                  TAKES("min_delta", real, "0"),
                                  MODE,
                                  TAKES("restore_best", bool, "true"),
                                  NOTHING};
    Arg arg[ARGS_MAX];
    Train *t = &p->train;
    if (!args_read(p->ctx, scope, "early_stopping", y->loc, rows, y, NULL, 0, arg))
        return;
    if (arg[0].i < 1 || arg[0].i > INT32_MAX)
        diag_error(&p->ctx->diag, arg[0].loc,
                   "early_stopping: patience: %lld is out of range: 1 to %d", (long long)arg[0].i,
                   INT32_MAX);
    if (sound) /* else metrics may be missing that are wrong themselves */
        check_monitor(p, "early_stopping", &arg[1]);
    in_range(p->ctx, arg[2].loc, "early_stopping", "min_delta", arg[2].r);
    t->stop_patience = arg[0].i;
    t->stop_monitor = arg[1].s;
    t->stop_min_delta = arg[2].r;
    t->stop_mode = mode_of(&arg[3]);
    t->stop_restore_best = arg[4].b;
}

/* --- the key ---------------------------------------------------------------------------------- */

static void read_length(Program *p, const Scope *scope, const Y *train)
{
    Ctx *ctx = p->ctx;
    Train *t = &p->train;
    const Y *seed = y_get(train, "seed"), *shuffle = y_get(train, "shuffle"),
            *steps = y_get(train, "steps");
    int64_t number = 1;
    read_count(ctx, scope, train, "train", "batch", INT32_MAX, &t->batch);
    read_count(ctx, scope, train, "train", "epochs", INT32_MAX, &t->epochs);
    read_count(ctx, scope, train, "train", "steps", INT64_MAX, &t->steps);
    read_count(ctx, scope, train, "train", "accumulate", INT32_MAX, &t->accumulate);
    if (steps && y_get(train, "epochs"))
        diag_error(&ctx->diag, steps->loc, "train: either 'epochs' or 'steps'");
    if (seed && y_int(ctx, scope, seed, "train: seed", 0, INT64_MAX, &number))
        t->seed = (uint64_t)number;
    if (shuffle)
        y_bool(ctx, scope, shuffle, "train: shuffle", &t->shuffle);
    read_bound(ctx, scope, train, "clip_norm", &t->clip_norm);
    read_bound(ctx, scope, train, "clip_value", &t->clip_value);
}

void train_read(Program *p, const Scope *scope, const Y *train)
{
    static const char *const keys[] = {"batch",      "epochs",    "steps",      "seed",
                                       "shuffle",    "clip_norm", "clip_value", "accumulate",
                                       "checkpoint", "optimizer", "schedule",   "early_stopping",
                                       "batchify"};
    static const char *const later[] = {"ema", "players"};
    Ctx *ctx = p->ctx;
    bool sound = ctx->diag.errors == 0;
    p->train = (Train){.batch = 32, .seed = 1, .shuffle = true, .accumulate = 1};
    if (!train)
        return;
    p->train.loc = train->loc;
    if (train->kind != Y_map) {
        diag_error(&ctx->diag, train->loc,
                   "train: expected a map, as {batch: 64, epochs: 10, optimizer: adam}");
        return;
    }
    p->train.given = p->has_loss;
    y_keys(ctx, train, "train", keys, COUNT(keys), later, COUNT(later));
    if (!p->has_loss && sound)
        diag_error(&ctx->diag, train->loc, "train: the model has no 'loss' to minimise");
    read_length(p, scope, train);
    const Y *optimizer = y_get(train, "optimizer"), *schedule = y_get(train, "schedule");
    const Y *checkpoint = y_get(train, "checkpoint"), *stopping = y_get(train, "early_stopping");
    if (optimizer)
        read_optimizer(p, scope, optimizer, &p->train.optimizer);
    else if (!y_get(train, "players"))
        diag_error(&ctx->diag, train->loc, "train: 'optimizer' is missing, as {adam: {lr: 1e-3}}");
    if (schedule)
        read_schedule(p, scope, schedule, sound);
    if (checkpoint)
        read_checkpoint(ctx, scope, checkpoint, &p->train);
    if (stopping)
        read_stopping(p, scope, stopping, sound);
}

/* --- the order of samples --------------------------------------------------------------------- */

/* How many rows of a text or a series one window has, and how far apart windows are; false where the data are
 * no windows. */
static bool windows_of(const Program *p, const Source *s, int64_t *rows, int64_t *apart)
{
    *apart = s->kind == SOURCE_text ? s->text.stride : s->stride;
    if (*apart == 0 || s->columns.n == 0)
        return false;
    *rows = p->inputs.at[s->columns.at[0].input].shape.dim[1];
    return true;
}

static void check_order(Program *p, const char *why, Loc shuffle)
{
    Diag *diag = &p->ctx->diag;
    const Source *const sources[] = {&p->data_train, &p->data_validation, &p->data_test};
    int64_t rows, apart;
    if (p->train.shuffle && shuffle.line)
        diag_error(diag, shuffle, "train: shuffle: %s takes samples in order", why);
    p->train.shuffle = false;
    if (p->train.validation_split > 0 && !windows_of(p, &p->data_train, &rows, &apart))
        diag_error(
            diag, p->data_train.loc,
            "data: validation: split draws samples at random, but %s takes them in order: give "
            "validation its own source",
            why);
    for (int i = 0; i < COUNT(sources) && p->train.batchify; i++)
        if (windows_of(p, sources[i], &rows, &apart) && rows != apart)
            diag_error(
                diag, sources[i]->loc,
                "data: windows of %lld are %lld apart: none goes on where another ends, as %s "
                "wants it",
                (long long)rows, (long long)apart, why);
}

void train_order(Program *p, const Scope *scope, const Y *train)
{
    const Y *batchify = train ? y_get(train, "batchify") : NULL,
            *shuffle = train ? y_get(train, "shuffle") : NULL;
    bool carries = false;
    int64_t rows, apart;
    for (int i = 0; i < p->vars.n; i++)
        carries |= p->vars.at[i]->kind == VAR_carried;
    p->train.batchify = carries && windows_of(p, &p->data_train, &rows, &apart);
    if (batchify)
        y_bool(p->ctx, scope, batchify, "train: batchify", &p->train.batchify);
    if (carries || p->train.batchify)
        check_order(p, p->train.batchify ? "batchify" : "a stateful layer",
                    shuffle ? shuffle->loc : (Loc){0});
}
