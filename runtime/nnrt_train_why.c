/* SPDX-License-Identifier: MIT */
/* nnrt_train_why.c: where the first number that is not finite came from.
 *
 * While it trains, a copy of the state is kept that is about a second old. Where a loss is not finite, the same
 * steps are taken again from there, which gives the same bits, by the form of train_step that notes when kernels are
 * done (--profile's): after each it is looked at what it stored. Normal steps cost nothing but the copies.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_training.h"

#define WHY_AGE   1.0               /* seconds: the least between two copies */
#define WHY_SHARE 100.0             /* and so many times what one takes */
#define WHY_BYTES ((size_t)1 << 30) /* larger states are not copied */

/* --- the state of a while ago ----------------------------------------------------------------- */

void nnrt_training_remember(nnrt_training *t, int now)
{
    nnrt_snapshot *s = &t->snapshot;
    const nnrt_model *model = t->model;
    if (!model->train_step_noted || !model->places[0] || model->vars_bytes > WHY_BYTES)
        return;
    double clock = nnrt_clock();
    if (!now && clock - s->taken < WHY_AGE + WHY_SHARE * s->cost)
        return;
    if (!s->vars)
        s->vars = malloc(model->vars_bytes + 1);
    if (!s->vars)
        return;
    memcpy(s->vars, t->m->vars, model->vars_bytes);
    s->head = *t->m;
    s->epoch = t->run.epoch;
    s->position = t->run.position;
    s->taken = nnrt_clock();
    s->cost = s->taken - clock;
}

static void why_go_back(nnrt_training *t)
{
    *t->m = t->snapshot.head;
    memcpy(t->m->vars, t->snapshot.vars, t->model->vars_bytes);
    t->m->metric_sums = NULL;
    t->m->changes++;
    t->m->kept = 0;
}

/* --- what kernels store ----------------------------------------------------------------------- */

/* What a kernel has stored: -infinity alone may be meant, as where attention is masked. */
enum { WHY_MINUS = 1, WHY_BAD = 2 };

void nnrt_look(nnrt_looks *l, const float *at, int64_t n)
{
    unsigned char found = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(at[i]))
            found |= isinf(at[i]) && at[i] < 0 ? WHY_MINUS : WHY_BAD;
    if (l->n < l->room)
        l->found[l->n] = found;
    l->n++;
}

/* The place of look `number` of a call, loops taken as often as they run; *count: how many there are in all. NULL: none
 * of that number. */
static const nnrt_place *why_place(const nnrt_place *place, int n, int64_t number, int64_t *count)
{
    enum { DEEP = 16 };
    int from[DEEP], depth = 0;
    int64_t left[DEEP];
    *count = 0;
    for (int i = 0; i < n; i++) {
        if (place[i].times > 0 && depth < DEEP) {
            from[depth] = i;
            left[depth++] = place[i].times;
        } else if (place[i].times < 0 && depth > 0) {
            if (--left[depth - 1] > 0)
                i = from[depth - 1];
            else
                depth--;
        } else if ((*count)++ == number) {
            return &place[i];
        }
    }
    return NULL;
}

/* The looks of both functions: what the last call found, and the one before it. */
typedef struct why_state {
    nnrt_looks looks;
    unsigned char *before[2];
    int known[2]; /* `before` is of a call */
    int64_t room[2];
    nnrt_profile profile;
} why_state;

static void why_close(why_state *w)
{
    free(w->looks.found);
    free(w->before[0]);
    free(w->before[1]);
    nnrt_profile_close(&w->profile);
}

static int why_open(why_state *w, const nnrt_model *model)
{
    nnrt_fault unused;
    int64_t most = 0;
    *w = (why_state){.known = {0}};
    if (nnrt_profile_open(&w->profile, model, &unused))
        return NNRT_NO_MEMORY;
    for (int f = 0; f < 2; f++) {
        why_place(model->places[f], model->n_places[f], -1, &w->room[f]);
        most = w->room[f] > most ? w->room[f] : most;
        w->before[f] = calloc((size_t)w->room[f] + 1, 1);
    }
    w->looks.found = calloc((size_t)most + 1, 1);
    w->looks.room = most;
    w->profile.looks = &w->looks;
    return w->looks.found && w->before[0] && w->before[1] ? 0 : NNRT_NO_MEMORY;
}

/* Takes the next step again and looks: where the first number that is not finite came from, or NULL. */
static const nnrt_place *why_step(why_state *w, nnrt_training *t, int64_t epoch, int64_t position)
{
    const nnrt_model *model = t->model;
    int64_t accumulate = model->train.accumulate, unused;
    int f = accumulate > 1 && t->m->calls % accumulate != accumulate - 1;
    int n;
    if (nnrt_training_batch(t, epoch, position, &n)) /* as it could be read before */
        return NULL;
    w->looks.n = 0;
    model->train_step_noted(t->m, n, (const void *const *)t->feed.in, &w->profile);
    for (int64_t i = 0; i < w->room[f] && i < w->looks.n; i++) {
        int is = w->looks.found[i];
        if (w->known[f] ? is & ~w->before[f][i] : is & WHY_BAD)
            return why_place(model->places[f], model->n_places[f], i, &unused);
        w->before[f][i] = (unsigned char)is;
    }
    w->known[f] = 1;
    return NULL;
}

/* Takes steps again up to the one at hand; *step: which one it was, counted by the optimiser. */
static const nnrt_place *why_search(why_state *w, nnrt_training *t, int64_t *step)
{
    const nnrt_place *found = NULL;
    int64_t epoch = t->snapshot.epoch, position = t->snapshot.position;
    const int64_t last_epoch = t->run.epoch, last = t->run.position;
    why_go_back(t);
    nnrt_training_order(t, epoch);
    while (!found && (epoch < last_epoch || (epoch == last_epoch && position <= last))) {
        if (position == t->calls) {
            nnrt_training_order(t, ++epoch);
            position = 0;
            continue;
        }
        if (position == 0)
            nnrt_reset(t->m);
        *step = t->m->step + 1;
        found = why_step(w, t, epoch, position++);
    }
    return found;
}

/* --- saying it -------------------------------------------------------------------------------- */

static void why_say(const nnrt_training *t, const nnrt_place *p, char *out, size_t size)
{
    static const char *const form[] = {[NNRT_PLACE_FORWARD] = "layer '%s' (%s:%d:%d), its output",
                                       [NNRT_PLACE_LOSS] = "loss '%s' (%s:%d:%d)",
                                       [NNRT_PLACE_BACKWARD] = "the gradient of '%s' (%s:%d:%d)",
                                       [NNRT_PLACE_UPDATE] = "the update of '%s' (%s:%d:%d)"};
    snprintf(out, size, form[p->role], p->name, t->model->source, p->line, p->column);
}

/* The step that failed, as steps are counted from 1. */
int nnrt_training_not_finite(nnrt_training *t, double loss)
{
    char what[256] = "loss", when[64] = "";
    int var = nnrt_first_not_finite(t->m);
    const int64_t failed = t->m->step;
    int64_t step = failed;
    if (var >= 0)
        snprintf(what, sizeof what, "%s", t->model->vars[var].name);
    if (t->snapshot.vars) {
        why_state w;
        const nnrt_place *found = why_open(&w, t->model) ? NULL : why_search(&w, t, &step);
        if (found)
            why_say(t, found, what, sizeof what);
        if (found && step < failed)
            snprintf(when, sizeof when, ", in step %lld", (long long)step);
        why_close(&w);
    }
    return nnrt_fail(t->fault, NNRT_NOT_FINITE,
                     "step %lld, epoch %lld: the loss is %g; the first that is not finite: %s%s",
                     (long long)failed, (long long)t->run.epoch + 1,
                     isnan(loss) ? fabs(loss) : loss, what, when);
}
