/* SPDX-License-Identifier: MIT */
/* choice.c: a plan's choices: given and legal, or the cost model's. */
#include "choice.h"

const char *const choice_names[CHOICE_COUNT] = {
#define CHOICE(name, ...) #name,
#include "choice.def"
#undef CHOICE
};

Choices choices_none(void)
{
    Choices c = {.used = false};
    for (int i = 0; i < CHOICE_COUNT; i++)
        c.value[i] = -1;
    return c;
}

Choosing choosing_begin(const Program *p, const char *key, ...)
{
    Choosing c = {.table = p->choices};
    if (!c.table)
        return c;
    char text[512];
    va_list list;
    va_start(list, key);
    vsnprintf(text, sizeof text, key, list);
    va_end(list);
    c.key = arena_format(p->ctx->arena, "%s", text);
    c.given = map_get(&c.table->by_key, c.key);
    if (c.given)
        c.given->used = true;
    return c;
}

/* "tile_n is 20; here it can be 16, 32, .. 64" */
static void refuse(Choosing *c, const Knob *k, int64_t value)
{
    c->refused = true;
    if (!c->table->diag.out)
        return;
    Loc at = c->given->at[k->kind];
    long long least = (long long)k->least, most = (long long)k->most, v = (long long)value;
    const char *name = choice_names[k->kind];
    if (least >= most)
        diag_error(&c->table->diag, at, "%s is %lld; here it can only be %lld", name, v, least);
    else if (k->step == 1)
        diag_error(&c->table->diag, at, "%s is %lld; here it can be %lld to %lld", name, v, least,
                   most);
    else
        diag_error(&c->table->diag, at, "%s is %lld; here it can be %lld, %lld, ... %lld", name, v,
                   least, least + (long long)k->step, most);
}

int64_t choose(Choosing *c, ChoiceKind kind, int64_t least, int64_t most, int64_t step,
               int64_t otherwise)
{
    if (!c || !c->table)
        return otherwise;
    Knob k = {kind, least, most, step, otherwise};
    int64_t value = c->given ? c->given->value[kind] : -1;
    if (value >= 0 && (value < least || value > most || (value - least) % step))
        refuse(c, &k, value);
    else if (value >= 0)
        k.value = value;
    c->knobs[c->n++] = k;
    return k.value;
}

static bool asked(const Choosing *c, ChoiceKind kind)
{
    for (int i = 0; i < c->n; i++)
        if (c->knobs[i].kind == kind)
            return true;
    return false;
}

void choosing_end(Choosing *c)
{
    for (int i = 0; c->given && i < CHOICE_COUNT; i++) {
        if (c->given->value[i] < 0 || asked(c, (ChoiceKind)i))
            continue;
        c->refused = true;
        if (c->table->diag.out)
            diag_error(&c->table->diag, c->given->at[i], "%s is no choice of this product's plan",
                       choice_names[i]);
    }
}
