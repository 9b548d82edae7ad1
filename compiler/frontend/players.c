/* SPDX-License-Identifier: MIT */
/* players.c: `players:` of `train:`: who minimises which loss by updating which weights, one after the other in a step.
 *
 * A step is one graph. Each player's loss is built with the weights that the players before it leave (leaves
 * `updated`, for which pass optimizer puts the new values); what depends on no weight that has changed is the very
 * value that they have computed. A player whose turn does not come at every step makes of one function several, the
 * rounds: one for each set of players that some step has.
 */
#include "builder.h"
#include "training.h"

#include <string.h>

static const ArgRow rows[] = {NEEDS("minimize", word),     NEEDS("update", yaml),
                              TAKES("every", int, "1"),    TAKES("optimizer", yaml, ""),
                              TAKES("schedule", yaml, ""), NOTHING};

enum { ARG_MINIMIZE, ARG_UPDATE, ARG_EVERY, ARG_OPTIMIZER, ARG_SCHEDULE };

/* --- reading ---------------------------------------------------------------------------------- */

/* The expression of the loss `name`; reports one that is not there. */
static const Y *find_loss(Model *m, const Arg *name)
{
    const Y *loss = m->loss;
    if (loss && loss->kind != Y_map && strcmp(name->s, "loss") == 0)
        return loss;
    if (loss && y_get(loss, name->s))
        return y_get(loss, name->s);
    VEC(const char *) known = {0};
    for (int i = 0; loss && i < loss->pairs.n; i++)
        vec_push(m->ctx->arena, &known, loss->pairs.at[i].key->text);
    const char *best = diag_nearest(name->s, known.at, known.n);
    diag_error(&m->ctx->diag, name->loc, "players: no loss is called '%s'%s%s%s", name->s,
               best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
    return NULL;
}

/* A network, a pattern of weights' names, or a list of them. */
static void read_update(Model *m, const Arg *arg, PlayerNote *note)
{
    const Y *y = y_resolve(m->ctx, arg->scope, arg->y);
    bool list = y && y->kind == Y_list;
    if (!y || y->kind == Y_map || (list && !y->items.n)) {
        if (y)
            diag_error(&m->ctx->diag, y->loc,
                       "players: update: expected a network, or patterns of weights' names");
        return;
    }
    for (int i = 0; i < (list ? y->items.n : 1); i++) {
        const Y *item = list ? y->items.at[i] : y;
        const char *pattern;
        if (!y_word(m->ctx, arg->scope, item, "players: update", &pattern))
            continue;
        if (network_find(m, pattern))
            pattern = arena_format(m->ctx->arena, "%s.*", pattern);
        vec_push(m->ctx->arena, &note->patterns, pattern);
        vec_push(m->ctx->arena, &note->places, item->loc);
    }
}

static void read_player(Model *m, const Y *y)
{
    Arg arg[ARGS_MAX];
    PlayerNote note = {.y = y};
    Diag *diag = &m->ctx->diag;
    if (m->players.n == PLAYERS_MAX) {
        diag_error(diag, y->loc, "players: more than %d", PLAYERS_MAX);
        return;
    }
    if (y->kind != Y_map) {
        diag_error(diag, y->loc, "players: expected {minimize: LOSS, update: NETWORK}, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    if (!args_read(m->ctx, &m->vars, "players", y->loc, rows, y, NULL, 0, arg))
        return;
    Player player = {
        .loss = arg[ARG_MINIMIZE].s, .loc = arg[ARG_MINIMIZE].loc, .every = arg[ARG_EVERY].i};
    note.loss = find_loss(m, &arg[ARG_MINIMIZE]);
    read_update(m, &arg[ARG_UPDATE], &note);
    if (player.every < 1 || player.every > INT32_MAX) {
        diag_error(diag, arg[ARG_EVERY].loc, "players: every: %lld is out of range: 1 to %d",
                   (long long)player.every, INT32_MAX);
        player.every = 1;
    }
    if (!note.loss || !note.patterns.n)
        return;
    vec_push(m->ctx->arena, &m->players, note);
    vec_push(m->ctx->arena, &m->program->players, player);
}

/* Who has a turn at step `t`, from 1. */
static unsigned players_at(const Program *p, int64_t t)
{
    unsigned who = 0;
    for (int i = 0; i < p->players.n; i++)
        who |= t % p->players.at[i].every == 0 ? 1U << i : 0;
    return who;
}

/* The sets of players that steps have, all of them first. Of players with turns at every k and l steps each set comes
 * up within k * l steps; what is looked at is bounded, since there may be few sets only. */
static void find_rounds(Model *m, Loc loc)
{
    enum { LOOKED_AT = 100000 };
    Program *p = m->program;
    unsigned all = (1U << p->players.n) - 1;
    bool each = false;
    vec_push(m->ctx->arena, &p->rounds, all);
    for (int i = 0; i < p->players.n; i++)
        each |= p->players.at[i].every == 1;
    if (!each) {
        diag_error(&m->ctx->diag, loc,
                   "players: at some steps none would have a turn: one wants 'every: 1'");
        return;
    }
    for (int64_t t = 1; t <= LOOKED_AT; t++) {
        unsigned who = players_at(p, t);
        bool known = false;
        for (int i = 0; i < p->rounds.n; i++)
            known |= p->rounds.at[i] == who;
        if (!known && p->rounds.n == ROUNDS_MAX) {
            diag_error(&m->ctx->diag, loc, "players: 'every' makes more than %d kinds of steps",
                       ROUNDS_MAX);
            return;
        }
        if (!known)
            vec_push(m->ctx->arena, &p->rounds, who);
    }
}

/* Reports a loss that no player minimises. */
static void check_losses(Model *m)
{
    for (int i = 0; m->loss && m->loss->kind == Y_map && i < m->loss->pairs.n; i++) {
        const Y *key = m->loss->pairs.at[i].key;
        bool found = false;
        for (int k = 0; k < m->program->players.n; k++)
            found |= strcmp(m->program->players.at[k].loss, key->text) == 0;
        if (!found)
            diag_error(&m->ctx->diag, key->loc, "no player minimises the loss '%s'", key->text);
    }
}

void players_read(Model *m, const Y *y)
{
    int errors = m->ctx->diag.errors;
    y = y_resolve(m->ctx, &m->vars, y);
    if (!y)
        return;
    if (y->kind != Y_list || !y->items.n) {
        diag_error(&m->ctx->diag, y->loc,
                   "players: expected a list, as [{minimize: d_loss, update: discriminator}, ...]");
        return;
    }
    for (int i = 0; i < y->items.n; i++)
        read_player(m, y->items.at[i]);
    if (m->ctx->diag.errors == errors && m->loss) {
        check_losses(m);
        find_rounds(m, y->loc);
    } else {
        m->players.n = m->program->players.n = 0;
        m->blind = true;
    }
}

unsigned players_of(const Model *m, const char *weight)
{
    unsigned who = 0;
    for (int i = 0; i < m->players.n; i++)
        for (int k = 0; k < m->players.at[i].patterns.n; k++)
            who |= pattern_fits(m->players.at[i].patterns.at[k], weight) ? 1U << i : 0;
    return who;
}

/* --- optimisers and schedules ------------------------------------------------------------------ */

/* Reports patterns that no weight fits. */
static void check_patterns(Program *p, const PlayerNote *note)
{
    for (int k = 0; k < note->patterns.n; k++) {
        bool found = false;
        for (int i = 0; i < p->vars.n; i++)
            found |= p->vars.at[i]->kind == VAR_weight &&
                     pattern_fits(note->patterns.at[k], p->vars.at[i]->name);
        if (!found)
            diag_error(&p->ctx->diag, note->places.at[k],
                       "players: update: no weight is called '%s'", note->patterns.at[k]);
    }
}

void players_train(Program *p, const Scope *scope, const Y *train, bool sound)
{
    const Model *m = p->model;
    const Y *optimizer = y_get(train, "optimizer"), *schedule = y_get(train, "schedule");
    for (int i = 0; i < p->players.n; i++) {
        Player *player = &p->players.at[i];
        const Y *y = m->players.at[i].y;
        const Y *own = y_get(y, "optimizer"), *when = y_get(y, "schedule");
        if (own || optimizer)
            train_optimizer(p, scope, own ? own : optimizer, &player->optimizer);
        else
            diag_error(&p->ctx->diag, y->loc,
                       "players: 'optimizer' is missing, as {adam: {lr: 1e-3}}");
        if (when || schedule)
            train_schedule(p, scope, when ? when : schedule, sound, &player->schedule);
        if (sound)
            check_patterns(p, &m->players.at[i]);
    }
    if (!p->players.n)
        return;
    p->train.optimizer = p->players.at[0].optimizer; /* whose rate others are factors of */
    p->train.schedule = p->players.at[0].schedule;
    if (p->train.accumulate > 1)
        diag_error(&p->ctx->diag, y_get(train, "accumulate")->loc,
                   "train: accumulate does not go with players: each would wait for the others");
}

/* --- building --------------------------------------------------------------------------------- */

/* By node: whether it was made of weights that player `by` has updated since. */
static bool *mark_stale(const Builder *b, int by)
{
    const Graph *g = b->g;
    bool *stale = arena_take(b->ctx->arena, (size_t)g->nodes.n + 1);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        if (y->op == OP_var || y->op == OP_updated)
            stale[i] = y->attr->var->players >> by & 1 && (y->op == OP_var || y->attr->part != by);
        for (int k = 0; k < y->n_in; k++)
            stale[i] |= stale[y->in[k]->id];
    }
    return stale;
}

/* The loss of one player, with the weights as they are at its turn; it is added to *total. */
static void build_player(Builder *b, int turn, Node **total)
{
    Program *p = b->program;
    const char *name = p->players.at[turn].loss;
    Node *loss = loss_build(b, name, b->model->players.at[turn].loss);
    double weight;
    if (!loss_weight(b, name, &weight) || !loss)
        return;
    for (int i = 0; i < p->losses.n; i++)
        if (strcmp(p->losses.at[i].name, name) == 0)
            graph_root(b->g, ROOT_loss, 1 + i, loss);
    if (weight != 1)
        loss = build_binary(b->g, OP_mul, loss, build_const(b->g, weight));
    graph_root(b->g, ROOT_minimize, turn, loss);
    *total = *total ? build_binary(b->g, OP_add, *total, loss) : loss;
}

void players_build(Builder *b)
{
    unsigned who = fn_players(b->program, b->g->fn);
    Frame *frame = b->frame;
    Node *total = NULL;
    int before = -1;
    for (int i = 0; i < b->program->players.n; i++) {
        if (!(who >> i & 1))
            continue;
        b->turn = b->g->turn = i;
        if (before >= 0)
            frame_again(b, mark_stale(b, before));
        build_player(b, i, &total);
        before = i;
    }
    b->frame = frame;
    b->turn = b->g->turn = 0;
    graph_root(b->g, ROOT_loss, 0, total);
}
