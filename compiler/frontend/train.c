/* SPDX-License-Identifier: MIT */
/* train.c: the `train:` key: batch, length, what is frozen and averaged, checkpoints, early stopping; its optimiser and
 * schedule are read by train_optimizer.c and train_schedule.c. */
#include "builder.h"
#include "training.h"

#include <math.h>
#include <string.h>

/* --- checkpoints, early stopping -------------------------------------------------------------- */

/* `best` of a checkpoint: true, for what early stopping watches or else val_loss; or a figure. */
static void read_best(Program *p, const Scope *scope, const Y *map, bool sound)
{
    static const ArgRow rows[] = {MODE, NOTHING};
    static const char *const others[] = {"every", "every_epochs", "keep", "path", "best"};
    const Y *best = y_get(map, "best");
    Ctx *ctx = p->ctx;
    Train *t = &p->train;
    Arg mode[ARGS_MAX], monitor = {.s = t->stop_monitor ? t->stop_monitor : "val_loss"};
    if (!best) {
        if (y_get(map, "mode"))
            diag_error(&ctx->diag, y_get(map, "mode")->loc,
                       "checkpoint: 'mode' without 'best' does nothing");
        return;
    }
    if (!args_read(ctx, scope, "checkpoint", map->loc, rows, map, others, COUNT(others), mode))
        return;
    monitor.loc = best->loc;
    const Y *word = y_resolve(ctx, scope, best);
    bool wanted = true,
         flag = word && word->kind == Y_scalar &&
                (strcmp(word->text, "true") == 0 || strcmp(word->text, "false") == 0);
    if (flag ? !y_bool(ctx, scope, best, "checkpoint: best", &wanted)
             : !y_word(ctx, scope, best, "checkpoint: best", &monitor.s))
        return;
    if (!wanted)
        return;
    if (sound)
        train_monitor(p, "checkpoint", &monitor);
    t->best_monitor = monitor.s;
    t->best_mode =
        y_get(map, "mode") || monitor.s != t->stop_monitor ? train_mode(&mode[0]) : t->stop_mode;
}

/* A file name, or {every, every_epochs, keep, path, best, mode}; each epoch where it does not say. */
static void read_checkpoint(Program *p, const Scope *scope, const Y *y, bool sound)
{
    static const char *const keys[] = {"every", "every_epochs", "keep", "path", "best", "mode"};
    Ctx *ctx = p->ctx;
    Train *t = &p->train;
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
    train_count(ctx, scope, map, "checkpoint",
                t->checkpoint_every_in_epochs ? "every_epochs" : "every", INT64_MAX,
                &t->checkpoint_every);
    if (keep)
        y_int(ctx, scope, keep, "checkpoint: keep", 0, 1000, &t->checkpoint_keep);
    if (path)
        y_word(ctx, scope, path, "checkpoint: path", &t->checkpoint_path);
    read_best(p, scope, map, sound);
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
        train_monitor(p, "early_stopping", &arg[1]);
    train_in_range(p->ctx, arg[2].loc, "early_stopping", "min_delta", arg[2].r);
    t->stop_patience = arg[0].i;
    t->stop_monitor = arg[1].s;
    t->stop_min_delta = arg[2].r;
    t->stop_mode = train_mode(&arg[3]);
    t->stop_restore_best = arg[4].b;
}

/* --- what is frozen, and averaged ------------------------------------------------------------- */

/* The weights whose names fit are not trained; how many there are. */
static int freeze(Program *p, const char *pattern)
{
    int found = 0;
    for (int i = 0; i < p->vars.n; i++) {
        Var *var = p->vars.at[i];
        if (var->kind != VAR_weight || !pattern_fits(pattern, var->name))
            continue;
        found++;
        var->frozen = true;
    }
    return found;
}

static bool any_trained(const Program *p)
{
    bool weights = false;
    for (int i = 0; i < p->vars.n; i++) {
        weights |= p->vars.at[i]->kind == VAR_weight;
        if (p->vars.at[i]->kind == VAR_weight && !p->vars.at[i]->frozen)
            return true;
    }
    return !weights;
}

/* A pattern of weights' names, or a list of them; `sound`: all weights are known. */
static void read_frozen(Program *p, const Scope *scope, const Y *y, bool sound)
{
    Ctx *ctx = p->ctx;
    const Y *list = y_resolve(ctx, scope, y);
    bool scalar = list && list->kind == Y_scalar;
    if (!list)
        return;
    if (list->kind == Y_map || (list->kind == Y_list && list->items.n == 0)) {
        diag_error(&ctx->diag, list->loc,
                   "train: frozen: expected patterns of names, as [\"encoder.*\"]");
        return;
    }
    for (int i = 0; i < (scalar ? 1 : list->items.n); i++) {
        const Y *item = scalar ? list : list->items.at[i];
        const char *pattern;
        if (y_word(ctx, scope, item, "train: frozen", &pattern) && sound && !freeze(p, pattern))
            diag_error(&ctx->diag, item->loc, "train: frozen: no weight is called '%s'", pattern);
    }
    if (sound && !any_trained(p))
        diag_error(&ctx->diag, list->loc, "train: frozen: no weight is left to train");
}

/* A decay, or {decay, start}. */
static void read_ema(Program *p, const Scope *scope, const Y *y)
{
    static const ArgRow rows[] = {NEEDS("decay", real), TAKES("start", int, "0"), NOTHING};
    Arg arg[ARGS_MAX];
    if (!args_read(p->ctx, scope, "ema", y->loc, rows, y, NULL, 0, arg) ||
        !train_in_range(p->ctx, arg[0].loc, "ema", "decay", arg[0].r))
        return;
    if (arg[1].i < 0 || arg[1].i > INT32_MAX) {
        diag_error(&p->ctx->diag, arg[1].loc, "ema: start: %lld is out of range: 0 to %d",
                   (long long)arg[1].i, INT32_MAX);
        return;
    }
    p->train.averages = true;
    p->train.ema_decay = arg[0].r;
    p->train.ema_start = arg[1].i;
}

/* --- the key ---------------------------------------------------------------------------------- */

static void read_length(Program *p, const Scope *scope, const Y *train)
{
    Ctx *ctx = p->ctx;
    Train *t = &p->train;
    const Y *seed = y_get(train, "seed"), *shuffle = y_get(train, "shuffle"),
            *steps = y_get(train, "steps");
    int64_t number = 1;
    train_count(ctx, scope, train, "train", "batch", INT32_MAX, &t->batch);
    train_count(ctx, scope, train, "train", "epochs", INT32_MAX, &t->epochs);
    train_count(ctx, scope, train, "train", "steps", INT64_MAX, &t->steps);
    train_count(ctx, scope, train, "train", "accumulate", INT32_MAX, &t->accumulate);
    if (steps && y_get(train, "epochs"))
        diag_error(&ctx->diag, steps->loc, "train: either 'epochs' or 'steps'");
    if (seed && y_int(ctx, scope, seed, "train: seed", 0, INT64_MAX, &number))
        t->seed = (uint64_t)number;
    if (shuffle)
        y_bool(ctx, scope, shuffle, "train: shuffle", &t->shuffle);
    train_bound(ctx, scope, train, "clip_norm", &t->clip_norm);
    train_bound(ctx, scope, train, "clip_value", &t->clip_value);
}

void train_read(Program *p, const Scope *scope, const Y *train)
{
    static const char *const keys[] = {"batch",      "epochs",    "steps",      "seed",
                                       "shuffle",    "clip_norm", "clip_value", "accumulate",
                                       "checkpoint", "optimizer", "schedule",   "early_stopping",
                                       "batchify",   "ema",       "frozen",     "players"};
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
    y_keys(ctx, train, "train", keys, COUNT(keys), NULL, 0);
    if (!p->has_loss && sound)
        diag_error(&ctx->diag, train->loc, "train: the model has no 'loss' to minimise");
    read_length(p, scope, train);
    const Y *optimizer = y_get(train, "optimizer"), *schedule = y_get(train, "schedule");
    const Y *checkpoint = y_get(train, "checkpoint"), *stopping = y_get(train, "early_stopping");
    if (y_get(train, "players")) {
        players_train(p, scope, train, sound);
    } else {
        if (optimizer)
            train_optimizer(p, scope, optimizer, &p->train.optimizer);
        else
            diag_error(&ctx->diag, train->loc,
                       "train: 'optimizer' is missing, as {adam: {lr: 1e-3}}");
        if (schedule)
            train_schedule(p, scope, schedule, sound, &p->train.schedule);
    }
    const Y *ema = y_get(train, "ema"), *frozen = y_get(train, "frozen");
    if (stopping)
        read_stopping(p, scope, stopping, sound);
    if (checkpoint) /* after what early stopping watches is known */
        read_checkpoint(p, scope, checkpoint, sound);
    if (ema)
        read_ema(p, scope, ema);
    if (frozen)
        read_frozen(p, scope, frozen, sound);
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
