/* SPDX-License-Identifier: MIT */
/* describe_train.c: how the model is trained, for the runtime: lengths, schedule, checkpoints, players. */
#include "emit.h"

/* What some schedules have. */
static void more_of_schedule(SourceText *s, const Schedule *c)
{
    Arena *a = s->arena;
    if (c->power != 0)
        out_line(s->out, "        .power = %s,", real_text(a, c->power));
    if (c->restarts != 0)
        out_line(s->out, "        .restarts = %s,", real_text(a, c->restarts));
    if (c->rise != 0)
        out_line(s->out, "        .rise = %s, .start_factor = %s, .end_factor = %s,",
                 real_text(a, c->rise), real_text(a, c->start_factor), real_text(a, c->end_factor));
    if (c->monitor)
        out_line(s->out, "        .monitor = %s, .patience = %lld, .threshold = %s, .mode = %d,",
                 quoted_text(a, c->monitor), (long long)c->patience, real_text(a, c->threshold),
                 c->mode);
    if (!c->n_milestones)
        return;
    Str list = str_new(a);
    for (int i = 0; i < c->n_milestones; i++)
        str_add(&list, "%s%s", i ? ", " : "", real_text(a, c->milestone[i]));
    out_line(s->out, "        .milestone = {%s}, .n_milestones = %d,", list.at, c->n_milestones);
}

/* `.schedule = {...}`, as a field of what is around it. */
static void schedule_rows(SourceText *s, const Schedule *c)
{
    static const char *const kind[] = {"CONSTANT",  "STEP",      "EXPONENTIAL", "COSINE",
                                       "LINEAR",    "MULTISTEP", "POLYNOMIAL",  "INVERSE_SQRT",
                                       "ONE_CYCLE", "PLATEAU"};
    Arena *a = s->arena;
    out_line(s->out,
             "    .schedule = {.kind = NNRT_SCHEDULE_%s, .gamma = %s, .to = %s, .every = %s, "
             ".warmup = %s,",
             kind[c->kind], real_text(a, c->gamma), real_text(a, c->to), real_text(a, c->every),
             real_text(a, c->warmup));
    more_of_schedule(s, c);
    out_line(s->out, "        .every_in_epochs = %d, .warmup_in_epochs = %d},", c->every_in_epochs,
             c->warmup_in_epochs);
}

void emit_players(SourceText *s)
{
    const Program *p = s->p;
    if (!p->fn[FN_train] || !p->players.n)
        return;
    out_open(s->out, "static const nnrt_player %s_players[] =", p->name);
    for (int i = 0; i < p->players.n; i++) {
        const Player *player = &p->players.at[i];
        out_line(s->out, "{.loss = \"%s\", .every = %lld, .factor = %s,", player->loss,
                 (long long)player->every,
                 real_text(s->arena, player->optimizer.arg[0] / p->train.optimizer.arg[0]));
        schedule_rows(s, &player->schedule);
        out_line(s->out, "},");
    }
    s->out->depth--;
    out_line(s->out, "};");
}

void emit_train_rows(SourceText *s)
{
    const Train *t = &s->p->train;
    Arena *a = s->arena;
    out_line(
        s->out,
        ".train = {.epochs = %lld, .steps = %lld, .seed = %lluu, .shuffle = %d,%s .accumulate = "
        "%lld, .lr = %s,",
        (long long)t->epochs, (long long)t->steps, (unsigned long long)t->seed, t->shuffle,
        t->batchify ? " .batchify = 1," : "", (long long)(t->accumulate ? t->accumulate : 1),
        real_text(a, t->optimizer.arg[0]));
    schedule_rows(s, &t->schedule);
    if (s->p->fn[FN_train] && s->p->players.n)
        out_line(s->out, "    .n_players = %d, .players = %s_players,", s->p->players.n,
                 s->p->name);
    out_line(
        s->out,
        "    .validation_split = %s, .checkpoint_every = %lld, .checkpoint_every_in_epochs = %d,",
        real_text(a, t->validation_split), (long long)t->checkpoint_every,
        t->checkpoint_every_in_epochs);
    out_line(s->out,
             "    .checkpoint_keep = %lld, .checkpoint_path = %s, .stop_monitor = %s, "
             ".stop_patience = %lld,",
             (long long)t->checkpoint_keep, quoted_text(a, t->checkpoint_path),
             quoted_text(a, t->stop_monitor), (long long)t->stop_patience);
    if (s->p->mixup > 0)
        out_line(s->out, "    .mixup = %s, .mixup_input = %d,", real_text(a, s->p->mixup),
                 s->p->mixup_input);
    if (t->averages)
        out_line(s->out, "    .averages = 1,");
    if (t->best_monitor)
        out_line(s->out, "    .best_monitor = %s, .best_mode = %d,",
                 quoted_text(a, t->best_monitor), t->best_mode);
    out_line(s->out, "    .stop_min_delta = %s, .stop_mode = %d, .stop_restore_best = %d},",
             real_text(a, t->stop_min_delta), t->stop_mode, t->stop_restore_best);
}
