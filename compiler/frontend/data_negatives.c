/* SPDX-License-Identifier: MIT */
/* data_negatives.c: the key `negatives` of a table: classes that a user did not take beside the one that the user
 * took. */
#include "sources.h"

#include <string.h>

enum { NEGATIVES_MOST = 4096 }; /* as the runtime has it */

/* The input that a key names; NULL after a report, and where there is no such key. */
static const Input *named(Reader *r, const Y *map, const char *key)
{
    const Y *y = y_get(map, key);
    int at =
        y ? source_named_input(r, y, arena_format(source_ctx(r)->arena, "csv: negatives: %s", key))
          : -1;
    return at < 0 ? NULL : &r->p->inputs.at[at];
}

/* Whether an input is what the key wants; reports. */
static bool check(Reader *r, const Y *map, const char *key, const Input *in, bool good,
                  const char *wants)
{
    if (good)
        return true;
    diag_error(&source_ctx(r)->diag, y_get(map, key)->loc,
               "csv: negatives: %s: expected an input of %s", key, wants);
    source_note_input(r, in);
    return false;
}

/* {input: items, user: user, label: taken, count: 4, seed: 1, seen: FILE} */
static void read_one(Reader *r, const Y *written)
{
    static const char *const keys[] = {"input", "user", "count", "label", "seed", "seen"};
    enum { NEEDED = 3 };
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    SourceNegatives made = {0};
    int64_t seed = 1;
    if (!y)
        return;
    if (y->kind != Y_map) {
        diag_error(&ctx->diag, y->loc,
                   "csv: negatives: expected a map, as {input: items, user: user, count: 4}");
        return;
    }
    if (!y_keys(ctx, y, "csv: negatives", keys, COUNT(keys), NULL, 0))
        return;
    for (int i = 0; i < NEEDED; i++)
        if (!y_get(y, keys[i])) {
            diag_error(&ctx->diag, y->loc, "csv: negatives: '%s' is missing", keys[i]);
            return;
        }
    const Y *of_seed = y_get(y, "seed"), *seen = y_get(y, "seen");
    const Input *input = named(r, y, "input"), *user = named(r, y, "user"),
                *label = named(r, y, "label");
    if (!input || !user || (!label && y_get(y, "label")) ||
        !y_int(ctx, r->scope, y_get(y, "count"), "csv: negatives: count", 1, NEGATIVES_MOST - 1,
               &made.count) ||
        (of_seed && !y_int(ctx, r->scope, of_seed, "csv: negatives: seed", 0, INT64_MAX, &seed)) ||
        (seen && !y_word(ctx, r->scope, seen, "csv: negatives: seen", &made.seen)))
        return;
    const char *row = arena_format(ctx->arena, "classes of the shape [%lld], one more than count",
                                   (long long)made.count + 1);
    const char *ones =
        arena_format(ctx->arena, "f32 of the shape [%lld]", (long long)made.count + 1);
    const Shape *s = &input->shape;
    if (!check(r, y, "input", input,
               input->classes > made.count && s->rank == 2 && s->dim[1] == made.count + 1, row) ||
        !check(r, y, "user", user, user->classes > 0 && shape_count(&user->shape) == 1,
               "one class a sample") ||
        (label &&
         !check(r, y, "label", label,
                label->classes == 0 && label->dtype == DT_f32 && shape_equal(&label->shape, s),
                ones)))
        return;
    made.input = (int)(input - r->p->inputs.at);
    made.user = (int)(user - r->p->inputs.at);
    made.label = label ? (int)(label - r->p->inputs.at) : -1;
    if (source_draws(r->out, made.input) || (label && source_labels(r->out, made.label))) {
        diag_error(&ctx->diag, y->loc, "csv: negatives: '%s' is there twice",
                   source_draws(r->out, made.input) ? input->name : label->name);
        return;
    }
    made.seed = (uint64_t)seed;
    vec_push(ctx->arena, &r->out->negatives, made);
}

void source_negatives(Reader *r, const Y *written)
{
    const Y *y = y_resolve(source_ctx(r), r->scope, written);
    if (y && y->kind != Y_list)
        read_one(r, y);
    for (int i = 0; y && y->kind == Y_list && i < y->items.n; i++)
        read_one(r, y->items.at[i]);
}

bool source_draws(const Source *s, int input)
{
    for (int i = 0; i < s->negatives.n; i++)
        if (s->negatives.at[i].input == input)
            return true;
    return false;
}

bool source_labels(const Source *s, int input)
{
    for (int i = 0; i < s->negatives.n; i++)
        if (s->negatives.at[i].label == input)
            return true;
    return false;
}

/* Each row of classes, and each user, must have its column; a label none. */
void source_check_negatives(Reader *r, const Y *y)
{
    for (int i = 0; i < r->out->negatives.n; i++) {
        const SourceNegatives *g = &r->out->negatives.at[i];
        const int wanted[] = {g->input, g->user};
        for (int k = 0; k < COUNT(wanted); k++)
            if (!source_has_column(r->out, wanted[k])) {
                diag_error(&source_ctx(r)->diag, y->loc, "csv: negatives: no column for '%s'",
                           r->p->inputs.at[wanted[k]].name);
                return;
            }
        if (g->label < 0 || !source_has_column(r->out, g->label))
            continue;
        diag_error(&source_ctx(r)->diag, y->loc,
                   "csv: negatives: '%s' says which class was taken: it has no column",
                   r->p->inputs.at[g->label].name);
        return;
    }
}
