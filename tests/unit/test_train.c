/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/train*.c and optimizers.def: every key of `train:`, defaults and ranges,
 * optimisers with their numbers in order, schedules, and that what is not there yet is refused by
 * name.
 */
#include <math.h>

#include "frontend_read.h"

#define MODEL                                                                                      \
    "model: m\ninputs: {x: {shape: [2]}}\nlayers:\n  - dense: {units: 1, name: h}\nloss: mean(h "  \
    "* h)\n"                                                                                       \
    "metrics: {err: \"mae(h, 0)\"}\n"

static const char *with_train(const char *train)
{
    static char text[2048];
    snprintf(text, sizeof text, MODEL "train: %s\n", train);
    return text;
}

static const Train *train_of(const char *train)
{
    return &good_model(with_train(train))->train;
}

static void wrong(const char *train, const char *expected)
{
    wrong_model(with_train(train), expected);
}

Test(train, defaults)
{
    const Train *t = train_of("{optimizer: adam}");
    cr_expect(t->given && t->batch == 32 && t->epochs == 0 && t->steps == 0 && t->seed == 1 &&
              t->shuffle);
    cr_expect(t->accumulate == 1 && t->clip_norm == 0 && t->clip_value == 0 && !t->stop_monitor);
    cr_expect(t->schedule.kind == SCHEDULE_constant && t->schedule.warmup == 0);
    cr_expect(t->checkpoint_every == 0 && t->validation_split == 0);
    cr_expect_not(good_model(MODEL)->train.given);
    cr_expect_eq(good_model(MODEL)->train.batch, 32);
}

Test(train, numbers)
{
    const Train *t = train_of(
        "{batch: 64, epochs: 10, seed: 0x10, shuffle: false, clip_norm: 1.5, clip_value: 0.5, "
        "accumulate: 4, optimizer: adam}");
    cr_expect(t->batch == 64 && t->epochs == 10 && t->seed == 16 && !t->shuffle &&
              t->accumulate == 4);
    cr_expect(t->clip_norm == 1.5 && t->clip_value == 0.5);
    cr_expect_eq(train_of("{steps: 1_000, optimizer: adam}")->steps, 1000);
}

Test(train, numbers_out_of_range)
{
    wrong("{batch: 0, optimizer: adam}", "train: batch: 0 is out of range");
    wrong("{batch: 1.5, optimizer: adam}", "train: batch: expected a whole number");
    wrong("{epochs: 0, optimizer: adam}", "train: epochs: 0 is out of range");
    wrong("{steps: -1, optimizer: adam}", "train: steps: -1 is out of range");
    wrong("{epochs: 1, steps: 1, optimizer: adam}", "either 'epochs' or 'steps'");
    wrong("{seed: -1, optimizer: adam}", "train: seed: -1 is out of range");
    wrong("{shuffle: maybe, optimizer: adam}", "train: shuffle: expected true or false");
    wrong("{clip_norm: 0, optimizer: adam}", "train: clip_norm: 0 is out of range: above 0");
    wrong("{clip_value: -1, optimizer: adam}", "train: clip_value: -1 is out of range: above 0");
    wrong("{accumulate: 0, optimizer: adam}", "train: accumulate: 0 is out of range");
}

Test(train, keys)
{
    wrong("{optimizer: adam, epoch: 3}", "did you mean 'epochs'?");
    wrong("{epochs: 3}", "train: 'optimizer' is missing");
    wrong("adam", "train: expected a map");
    wrong_model(
        "model: m\ninputs: {x: {shape: [2]}}\nlayers:\n  - dense: 1\ntrain: {optimizer: adam}\n",
        "train: the model has no 'loss' to minimise");
}

/* --- optimisers ------------------------------------------------------------------------------- */

static void expect_optimizer(int line, const char *text, int kind, int n, const double *want)
{
    char train[256];
    snprintf(train, sizeof train, "{optimizer: %s}", text);
    const Optimizer *o = &train_of(train)->optimizer;
    cr_expect_eq(o->kind, kind, "line %d: %s", line, text);
    for (int i = 0; i < OPTIMIZER_ARGS; i++)
        cr_expect_eq(o->arg[i], i < n ? want[i] : 0, "line %d: %s: number %d is %g", line, text, i,
                     o->arg[i]);
    cr_expect_eq(o->loc.line, 7);
}
#define OPTIMISES(text, kind, ...)                                                                 \
    expect_optimizer(__LINE__, text, OPT_##kind, COUNT(((double[]){__VA_ARGS__})),                 \
                     (double[]){__VA_ARGS__})

Test(train, optimizers)
{
    OPTIMISES("{sgd: 0.1}", sgd, 0.1, 0, 0, 0);
    OPTIMISES("{sgd: {lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4}}", sgd, 0.1, 0.9,
              1, 1e-4);
    OPTIMISES("adam", adam, 1e-3, 0.9, 0.999, 1e-8, 0, 0);
    OPTIMISES("{adam: {lr: 2e-3, betas: [0.8, 0.99], eps: 1e-7, weight_decay: 0.1, amsgrad: true}}",
              adam, 2e-3, 0.8, 0.99, 1e-7, 0.1, 1);
    OPTIMISES("adamw", adamw, 1e-3, 0.9, 0.999, 1e-8, 0.01);
    OPTIMISES("rmsprop", rmsprop, 1e-2, 0.99, 1e-8, 0, 0, 0);
    OPTIMISES("{rmsprop: {lr: 0.1, centered: true, momentum: 0.5, alpha: 0.9, weight_decay: 0.2, "
              "eps: 0}}",
              rmsprop, 0.1, 0.9, 0, 0.5, 1, 0.2);
    OPTIMISES("adagrad", adagrad, 1e-2, 1e-10, 0, 0);
    OPTIMISES("{adagrad: {lr_decay: 0.1, weight_decay: 0.3}}", adagrad, 1e-2, 1e-10, 0.1, 0.3);
    OPTIMISES("adadelta", adadelta, 1, 0.9, 1e-6, 0);
    OPTIMISES("adamax", adamax, 2e-3, 0.9, 0.999, 1e-8, 0);
    OPTIMISES("nadam", nadam, 2e-3, 0.9, 0.999, 1e-8, 0, 4e-3);
    OPTIMISES("lion", lion, 1e-4, 0.9, 0.99, 0);
    OPTIMISES("{lamb: {betas: [0.8, 0.9], weight_decay: 0.1}}", lamb, 1e-3, 0.8, 0.9, 1e-6, 0.1);
}

Test(train, optimizers_refused)
{
    wrong("{optimizer: adma}", "optimizer: unknown 'adma'; did you mean 'adam'?");
    wrong("{optimizer: newton}", "optimizer: unknown 'newton'");
    wrong("{optimizer: [adam]}", "optimizer: expected one kind");
    wrong("{optimizer: {adam: {}, sgd: {}}}", "optimizer: expected one kind");
    wrong("{optimizer: sgd}", "sgd: 'lr' is missing");
    wrong("{optimizer: {adam: {groups: []}}}", "groups: expected patterns of names");
    wrong("{optimizer: {adam: {groups: {\"*.scale\": {lr: 1e-3}}}}}",
          "groups: no weight is called '*.scale'");
    wrong("{optimizer: {adam: {groups: {\"*\": {lr: 0}}}}}", "groups: lr: out of range: above 0");
    wrong("{optimizer: {adam: {groups: {\"*\": {weight_decay: -1}}}}}",
          "groups: weight_decay: out of range: 0 or more");
    wrong("{optimizer: {adam: {groups: {\"*\": {rate: 1}}}}}", "groups: unknown key 'rate'");
    wrong("{optimizer: {adam: {rate: 1}}}", "adam: unknown key 'rate'");
}

Test(train, optimizers_out_of_range)
{
    wrong("{optimizer: {adam: 0}}", "adam: lr: 0 is out of range: above 0");
    wrong("{optimizer: {adam: -1}}", "adam: lr: -1 is out of range");
    wrong("{optimizer: {adam: 1e999}}", "out of range");
    wrong("{optimizer: {adam: {betas: [0.9, 1]}}}",
          "adam: betas: 1 is out of range: from 0, below 1");
    wrong("{optimizer: {adam: {betas: [0.9]}}}", "adam: betas: expected two numbers");
    wrong("{optimizer: {adam: {betas: 0.9}}}", "adam: betas: expected two numbers");
    wrong("{optimizer: {adam: {eps: -1e-8}}}", "adam: eps: -1e-08 is out of range: 0 or more");
    wrong("{optimizer: {adamw: {weight_decay: -1}}}", "adamw: weight_decay: -1 is out of range");
    wrong("{optimizer: {sgd: {lr: 1, momentum: 1}}}", "sgd: momentum: 1 is out of range");
    wrong("{optimizer: {sgd: {lr: 1, nesterov: true}}}", "nesterov: wants a momentum above 0");
    wrong("{optimizer: {rmsprop: {alpha: 1}}}", "rmsprop: alpha: 1 is out of range");
    wrong("{optimizer: {adagrad: {lr_decay: -1}}}", "adagrad: lr_decay: -1 is out of range");
}

/* --- schedules -------------------------------------------------------------------------------- */

static const Schedule *schedule_of(const char *text)
{
    char train[256];
    snprintf(train, sizeof train, "{optimizer: adam, schedule: %s}", text);
    return &train_of(train)->schedule;
}

Test(train, schedules)
{
    const Schedule *s = schedule_of("constant");
    cr_expect(s->kind == SCHEDULE_constant && s->warmup == 0);
    s = schedule_of("{constant: {warmup_epochs: 0.5}}");
    cr_expect(s->kind == SCHEDULE_constant && s->warmup == 0.5 && s->warmup_in_epochs);
    s = schedule_of("{step: {every: 30, gamma: 0.5}}");
    cr_expect(s->kind == SCHEDULE_step && s->every == 30 && !s->every_in_epochs && s->gamma == 0.5);
    s = schedule_of("{step: {every_epochs: 2}}");
    cr_expect(s->every == 2 && s->every_in_epochs && s->gamma == 0.1);
    s = schedule_of("{exponential: 0.9}");
    cr_expect(s->kind == SCHEDULE_exponential && s->gamma == 0.9 && !s->every_in_epochs);
    s = schedule_of("{exponential: {gamma: 0.25, every_epochs: 2}}");
    cr_expect(s->gamma == 0.5 && s->every == 1 && s->every_in_epochs);
    s = schedule_of("cosine");
    cr_expect(s->kind == SCHEDULE_cosine && s->to == 0 && s->warmup == 0);
    s = schedule_of("{cosine: {to: 1e-5, warmup_steps: 200}}");
    cr_expect(s->to == 1e-5 && s->warmup == 200 && !s->warmup_in_epochs);
    s = schedule_of("{linear: {to: 1e-4}}");
    cr_expect(s->kind == SCHEDULE_linear && s->to == 1e-4);
    s = schedule_of("{cosine: {restarts: 2}}");
    cr_expect(s->kind == SCHEDULE_cosine && s->restarts == 2);
    s = schedule_of("{multistep: [30, 80]}");
    cr_expect(s->kind == SCHEDULE_multistep && s->n_milestones == 2 && s->milestone[1] == 80 &&
              s->gamma == 0.1 && !s->every_in_epochs);
    s = schedule_of("{multistep: {milestones_epochs: [0.5], gamma: 0.3}}");
    cr_expect(s->n_milestones == 1 && s->every_in_epochs && s->gamma == 0.3);
    s = schedule_of("{polynomial: {power: 2, to: 1e-4}}");
    cr_expect(s->kind == SCHEDULE_polynomial && s->power == 2 && s->to == 1e-4);
    s = schedule_of("{inverse_sqrt: {warmup_steps: 40}}");
    cr_expect(s->kind == SCHEDULE_inverse_sqrt && s->warmup == 40);
    s = schedule_of("plateau");
    cr_expect(s->kind == SCHEDULE_plateau && s->gamma == 0.1 && s->patience == 10 && s->mode == 0 &&
              s->threshold == 1e-4);
    cr_expect_str_eq(s->monitor, "val_loss");
    s = schedule_of("{plateau: {monitor: loss, factor: 0.5, patience: 0, mode: max, to: 1e-5}}");
    cr_expect(s->gamma == 0.5 && s->patience == 0 && s->mode == 1 && s->to == 1e-5);
    s = schedule_of("one_cycle");
    cr_expect(s->kind == SCHEDULE_one_cycle && s->rise == 0.3 && s->start_factor == 25 &&
              s->end_factor == 1e4);
}

static void wrong_schedule(const char *text, const char *expected)
{
    char train[256];
    snprintf(train, sizeof train, "{optimizer: adam, schedule: %s}", text);
    wrong(train, expected);
}

Test(train, schedules_refused)
{
    wrong_schedule("{plateau: val_lss}",
                   "plateau: monitor: unknown 'val_lss'; did you mean 'val_loss'?");
    wrong_schedule("{plateau: {factor: 1}}", "plateau: factor: 1 is out of range: between 0 and 1");
    wrong_schedule("{plateau: {patience: -1}}", "plateau: patience: -1 is out of range: 0 to");
    wrong_schedule("{multistep: {at: [1]}}", "multistep: unknown key 'at'");
    wrong_schedule("multistep", "multistep: wants 'milestones' or 'milestones_epochs'");
    wrong_schedule("{multistep: {milestones: [1], milestones_epochs: [2]}}", "multistep: either");
    wrong_schedule("{multistep: [3, 2]}", "multistep: milestones: expected 1 to 32 whole numbers");
    wrong_schedule("{multistep: [1.5]}", "multistep: milestones: expected 1 to 32 whole numbers");
    wrong_schedule("{multistep: {milestones_epochs: [0, 1]}}",
                   "1 to 32 numbers of epochs, above 0");
    wrong_schedule("{polynomial: 0}", "polynomial: power: 0 is out of range: above 0");
    wrong_schedule("{one_cycle: 1}", "one_cycle: pct_start: 1 is out of range: between 0 and 1");
    wrong_schedule("{one_cycle: {warmup_steps: 3}}", "one_cycle: unknown key 'warmup_steps'");
    wrong_schedule("{cosine: {restarts: -1}}", "cosine: restarts: -1 is out of range: 0 to");
    wrong_schedule("cosin", "schedule: unknown 'cosin'; did you mean 'cosine'?");
    wrong_schedule("[cosine]", "schedule: expected one kind");
    wrong_schedule("step", "step: 'every' or 'every_epochs' is missing");
    wrong_schedule("{step: {every: 3, every_epochs: 3}}", "either 'every' or 'every_epochs'");
    wrong_schedule("{step: {every: 0}}", "step: every: 0 is out of range: 1 to");
    wrong_schedule("{step: {every_epochs: 0}}", "step: every_epochs: 0 is out of range: above 0");
    wrong_schedule("{step: {every: 1, gamma: 0}}", "step: gamma: 0 is out of range");
    wrong_schedule("exponential", "exponential: 'gamma' is missing");
    wrong_schedule("{cosine: {to: -1}}", "cosine: to: -1 is out of range");
    wrong_schedule("{cosine: {warmup_steps: -1}}", "cosine: warmup_steps: -1 is out of range");
    wrong_schedule("{cosine: {warmup: 3}}", "cosine: unknown key 'warmup'");
    wrong_schedule("{cosine: {warmup_steps: 3, warmup_epochs: 3}}",
                   "either 'warmup_steps' or 'warmup_epochs'");
}

/* --- checkpoints, early stopping -------------------------------------------------------------- */

Test(train, checkpoint)
{
    const Train *t =
        train_of("{optimizer: adam, checkpoint: {every: 500, keep: 3, path: run.ckpt}}");
    cr_expect(t->checkpoint_every == 500 && !t->checkpoint_every_in_epochs &&
              t->checkpoint_keep == 3);
    cr_expect_str_eq(t->checkpoint_path, "run.ckpt");
    t = train_of("{optimizer: adam, checkpoint: {every_epochs: 2}}");
    cr_expect(t->checkpoint_every == 2 && t->checkpoint_every_in_epochs &&
              t->checkpoint_keep == 0 && !t->checkpoint_path);
    t = train_of("{optimizer: adam, checkpoint: run.ckpt}");
    cr_expect(t->checkpoint_every == 1 && t->checkpoint_every_in_epochs);
    cr_expect_str_eq(t->checkpoint_path, "run.ckpt");
    wrong("{optimizer: adam, checkpoint: {every: 1, every_epochs: 1}}",
          "either 'every' or 'every_epochs'");
    wrong("{optimizer: adam, checkpoint: {every: 0}}", "checkpoint: every: 0 is out of range");
    wrong("{optimizer: adam, checkpoint: {keep: -1}}", "checkpoint: keep: -1 is out of range");
    wrong("{optimizer: adam, checkpoint: {file: x}}", "checkpoint: unknown key 'file'");
    wrong("{optimizer: adam, checkpoint: [x]}", "checkpoint: path: expected a word");
}

Test(train, best_checkpoint)
{
    cr_expect_null(train_of("{optimizer: adam, checkpoint: {every: 1}}")->best_monitor);
    cr_expect_null(train_of("{optimizer: adam, checkpoint: {best: false}}")->best_monitor);
    const Train *t = train_of("{optimizer: adam, checkpoint: {best: true}}");
    cr_expect_str_eq(t->best_monitor, "val_loss");
    cr_expect(t->best_mode == 0 && t->checkpoint_every == 1 && t->checkpoint_every_in_epochs);
    t = train_of("{optimizer: adam, checkpoint: {best: true}, early_stopping: {patience: 2, "
                 "monitor: val_err, mode: max}}");
    cr_expect_str_eq(t->best_monitor, "val_err");
    cr_expect_eq(t->best_mode, 1, "what early stopping watches, as it does");
    t = train_of("{optimizer: adam, checkpoint: {best: err, mode: min}, early_stopping: "
                 "{patience: 2, monitor: val_err, mode: max}}");
    cr_expect_str_eq(t->best_monitor, "err");
    cr_expect_eq(t->best_mode, -1);
    wrong("{optimizer: adam, checkpoint: {best: val_accuracy}}",
          "checkpoint: monitor: 'val_accuracy'");
    wrong("{optimizer: adam, checkpoint: {best: val_los}}", "did you mean 'val_loss'?");
    wrong("{optimizer: adam, checkpoint: {mode: max}}", "'mode' without 'best' does nothing");
    wrong("{optimizer: adam, checkpoint: {best: true, mode: up}}", "unknown 'up'");
    wrong("{optimizer: adam, checkpoint: {best: [a]}}", "checkpoint: best: expected a word");
}

Test(train, averages)
{
    cr_expect(!train_of("{optimizer: adam}")->averages);
    const Train *t = train_of("{optimizer: adam, ema: 0.999}");
    cr_expect(t->averages && t->ema_decay == 0.999 && t->ema_start == 0);
    t = train_of("{optimizer: adam, ema: {decay: 0.9, start: 100}}");
    cr_expect(t->averages && t->ema_decay == 0.9 && t->ema_start == 100);
    wrong("{optimizer: adam, ema: 1}", "ema: decay: 1 is out of range: from 0, below 1");
    wrong("{optimizer: adam, ema: {start: 3}}", "ema: 'decay' is missing");
    wrong("{optimizer: adam, ema: {decay: 0.9, start: -1}}", "ema: start: -1 is out of range");
    wrong("{optimizer: adam, ema: {decai: 0.9}}", "did you mean 'decay'?");
}

Test(train, frozen)
{
    const Program *p = good_model(with_train("{optimizer: adam, frozen: \"*.b?as\"}"));
    for (int i = 0; i < p->vars.n; i++)
        cr_expect_eq(p->vars.at[i]->frozen, strcmp(p->vars.at[i]->name, "h.bias") == 0);
    p = good_model(with_train("{optimizer: adam, frozen: [h.weight]}"));
    cr_expect(program_find_var(p, "h.weight")->frozen && !program_find_var(p, "h.bias")->frozen);
    wrong("{optimizer: adam, frozen: [h.weight, g.*]}", "frozen: no weight is called 'g.*'");
    wrong("{optimizer: adam, frozen: \"h.*\"}", "frozen: no weight is left to train");
    wrong("{optimizer: adam, frozen: []}", "frozen: expected patterns of names");
    wrong("{optimizer: adam, frozen: {h: 1}}", "frozen: expected patterns of names");
    wrong("{optimizer: adam, frozen: [[h]]}", "train: frozen: expected a word");
}

Test(train, early_stopping)
{
    const Train *t = train_of("{optimizer: adam, early_stopping: {patience: 3}}");
    cr_expect_str_eq(t->stop_monitor, "val_loss");
    cr_expect(t->stop_patience == 3 && t->stop_min_delta == 0 && t->stop_mode == 0 &&
              t->stop_restore_best);
    t = train_of("{optimizer: adam, early_stopping: {monitor: val_err, patience: 2, min_delta: "
                 "0.1, mode: max, "
                 "restore_best: false}}");
    cr_expect_str_eq(t->stop_monitor, "val_err");
    cr_expect(t->stop_patience == 2 && t->stop_min_delta == 0.1 && t->stop_mode == 1 &&
              !t->stop_restore_best);
    cr_expect_eq(train_of("{optimizer: adam, early_stopping: {patience: 1, mode: min}}")->stop_mode,
                 -1);
    cr_expect_str_eq(
        train_of("{optimizer: adam, early_stopping: {patience: 1, monitor: err}}")->stop_monitor,
        "err");
    wrong("{optimizer: adam, early_stopping: {monitor: val_loss}}",
          "early_stopping: 'patience' is missing");
    wrong("{optimizer: adam, early_stopping: {patience: 0}}", "patience: 0 is out of range");
    wrong("{optimizer: adam, early_stopping: {patience: 1, monitor: val_los}}",
          "did you mean 'val_loss'?");
    wrong("{optimizer: adam, early_stopping: {patience: 1, monitor: accuracy}}",
          "neither loss nor a metric");
    wrong("{optimizer: adam, early_stopping: {patience: 1, mode: up}}", "unknown 'up'");
    wrong("{optimizer: adam, early_stopping: {patience: 1, min_delta: -1}}",
          "min_delta: -1 is out of range");
}

/* Several mistakes are reported in one go. */
Test(train, goes_on)
{
    wrong("{batch: 0, optimizer: adma, schedule: cosin, wat: 1}", "train: batch");
    cr_expect_not_null(strstr(reports(), "did you mean 'adam'?"));
    cr_expect_not_null(strstr(reports(), "did you mean 'cosine'?"));
    cr_expect_not_null(strstr(reports(), "unknown key 'wat'"));
}
