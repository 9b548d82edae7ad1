/* SPDX-License-Identifier: MIT */
/* outputs.c: `outputs:`, what predict gives, and `sample:`, what a trained model draws: values by name, one row a
 * sample.
 */
#include "builder.h"

#include <math.h>
#include <string.h>

/* Which of the two keys it is. */
typedef struct Key {
    const char *name, *one;
    const OutputList *others; /* whose names are taken, and what each of those is called */
    const char *other;
} Key;

/* --- reading ---------------------------------------------------------------------------------- */

static void check_name(Model *m, const Key *k, const char *name, Loc loc)
{
    const Program *p = m->program;
    for (int i = 0; i < p->inputs.n; i++)
        if (strcmp(p->inputs.at[i].name, name) == 0)
            diag_error(&m->ctx->diag, loc, "%s '%s' has the name of an input", k->one, name);
    for (int i = 0; k->others && i < k->others->n; i++)
        if (strcmp(k->others->at[i].name, name) == 0)
            diag_error(&m->ctx->diag, loc, "%s '%s' has the name of an %s", k->one, name, k->other);
}

static void add_name(Model *m, const Key *k, const Y *key, OutputList *list)
{
    Output output = {.name = key->text, .loc = key->loc};
    if (y_name(m->ctx, key, k->one, &output.name))
        check_name(m, k, output.name, key->loc);
    vec_push(m->ctx->arena, list, output);
}

/* A map of expressions by name, or a list of names. */
static void read_names(Model *m, const Key *k, const Y *y, OutputList *list)
{
    Map seen = map_new(m->ctx->arena);
    for (int i = 0; i < y->pairs.n; i++)
        add_name(m, k, y->pairs.at[i].key, list);
    for (int i = 0; i < y->items.n; i++) {
        const Y *item = y->items.at[i];
        if (item->kind == Y_scalar && map_get(&seen, item->text))
            diag_error(&m->ctx->diag, item->loc, "%s '%s' is given twice", k->one, item->text);
        if (item->kind == Y_scalar)
            map_set(&seen, item->text, m);
        add_name(m, k, item, list);
    }
}

void outputs_read(Model *m, const Y *y)
{
    static const Key key = {.name = "outputs", .one = "output"};
    m->outputs = NULL;
    if (y_empty(y) || (y->kind != Y_scalar && !y->pairs.n && !y->items.n))
        return;
    if (y->kind == Y_scalar) {
        diag_error(&m->ctx->diag, y->loc, "outputs: expected a map of expressions by name, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    m->outputs = y;
    read_names(m, &key, y, &m->program->outputs);
}

void samples_read(Model *m, const Y *y)
{
    const Key key = {"sample", "sample", &m->program->outputs, "output"};
    if (!y)
        return;
    if (y_empty(y) || (y->kind == Y_scalar ? !name_valid(y->text) : !y->pairs.n && !y->items.n)) {
        diag_error(&m->ctx->diag, y->loc,
                   "sample: expected a map of expressions by name, as {image: "
                   "\"generator(normal(0, 1, shape=[100]))\"}, names or one name, saw %s",
                   y->kind == Y_scalar && !y_empty(y) ? "an expression" : y_text(m->ctx, y));
        return;
    }
    m->samples = y;
    if (y->kind == Y_scalar)
        add_name(m, &key, y, &m->program->samples);
    else
        read_names(m, &key, y, &m->program->samples);
}

/* --- building --------------------------------------------------------------------------------- */

static bool is_batched(const Shape *shape)
{
    return shape->rank > 0 && shape->batch == 0 && shape->dim[0] == 1;
}

static Node *value_build(Builder *b, const char *key, const char *one, const char *name, Loc loc,
                         const Y *y)
{
    b->into = NULL;
    b->place = arena_format(b->ctx->arena, "%s.%s", key, name);
    b->n_random = 0;
    b->g->role = ROLE_forward;
    Node *node = expr_build(b, y, &b->model->vars);
    b->g->loc = loc;
    b->g->what = one;
    if (!node)
        return NULL;
    if (!is_batched(&node->shape)) {
        char shape[128];
        diag_error(&b->ctx->diag, y->loc,
                   "%s '%s' has shape %s: it wants one row a sample, [N, ...]", one, name,
                   shape_text(&node->shape, shape));
        return NULL;
    }
    if (node->dtype != DT_f32)
        node = build_cast(b->g, node, DT_f32);
    if (!node->name)
        node->name = name;
    return node;
}

Node *output_build(Builder *b, const char *name, Loc loc, const Y *y)
{
    return value_build(b, "outputs", "output", name, loc, y);
}

/* The value at place i of a map, a list or one name; without any the layer of that name. */
static const Y *value_at(const Y *y, int i, const Output *output, Y *last)
{
    *last = (Y){.kind = Y_scalar, .loc = output->loc, .text = output->name};
    return !y                  ? last
           : y->kind == Y_list ? y->items.at[i]
           : y->kind == Y_map  ? y->pairs.at[i].value
                               : y;
}

void outputs_build(Builder *b)
{
    const Program *p = b->program;
    Y last;
    for (int i = 0; i < p->outputs.n; i++) {
        const Output *output = &p->outputs.at[i];
        const Y *value = value_at(b->model->outputs, i, output, &last);
        graph_root(b->g, ROOT_output, i, output_build(b, output->name, output->loc, value));
    }
}

bool outputs_default(Builder *b)
{
    const Value *last = b->frame->last;
    if (b->frame->several && !b->model->outputs) {
        diag_error(&b->ctx->diag, last->made,
                   "the last layer gives several values: name the 'outputs'");
        b->blind = true;
    }
    if (b->model->outputs || !last || b->frame->several)
        return true;
    if (last->node)
        vec_push(b->ctx->arena, &b->program->outputs,
                 ((Output){.name = last->name, .loc = last->made}));
    return last->node != NULL;
}

void samples_build(Builder *b)
{
    const Program *p = b->program;
    Y last;
    for (int i = 0; i < p->samples.n; i++) {
        const Output *sample = &p->samples.at[i];
        const Y *value = value_at(b->model->samples, i, sample, &last);
        Node *node = value_build(b, "sample", "sample", sample->name, sample->loc, value);
        if (b->g->fn == FN_sample)
            graph_root(b->g, ROOT_output, i, node);
    }
}

void samples_bound(const Graph *g)
{
    OutputList *samples = &g->program->samples;
    for (int i = 0; i < samples->n; i++)
        samples->at[i].bounds =
            graph_bounds(g, graph_find_root(g, ROOT_output, i), g->program->ctx->arena);
}
