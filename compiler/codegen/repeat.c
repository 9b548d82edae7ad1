/* SPDX-License-Identifier: MIT */
/* repeat.c: where a function's lines repeat, they become a loop.
 *
 * A model of equal blocks, or of equal layers in a row, calls the same kernels in the same order again and again, with
 * waits at the same places, on buffers that lie elsewhere. Lines say the same where they are equal but for their
 * slots; what a slot holds in repeat r is one thing, or lies a fixed distance further each time, or a table says where.
 * Repeats are found largest gain first, then on both sides of what was found. */
#include <string.h>

#include "calls.h"

enum {
    LEAST = 2,        /* repeats */
    LOOP_BYTES = 500, /* of text that a loop must save */
    SLOT_BYTES = 16,  /* of a name in a call, on average */
    FIRST_BYTES = 30, /* of what a loop says of a slot that moves; several slots may share it */
    ENTRY_BYTES = 11, /* of an entry of a table */
    BLOCK_BYTES = 200 /* that it may cost to begin with a block */
};

typedef enum {
    MOVES_not,
    MOVES_in_run, /* from a variable to the same of another block */
    MOVES_evenly,
    MOVES_anyhow
} Moves;

/* Lines start, start + 1, ... that repeat. */
typedef struct Found {
    int start, period, count;
    int64_t gain; /* bytes of text */
} Found;

typedef struct Finder {
    SourceText *s;
    CallList *list;
    int *level;     /* by line: how many blocks are open before it */
    int64_t *bytes; /* by line: of the lines before it */
    Map names;      /* of the function's buffers */
} Finder;

/* --- what is in a slot ------------------------------------------------------------------------ */

/* In numbers from where its part of memory begins; which stream. */
static int64_t place(const Slot *slot)
{
    const Buffer *b = slot->buffer;
    return !b ? slot->stream : (b->kind == BUF_var ? b->var->offset : b->offset) / 4;
}

/* Slot k of line i, `r` repeats on. */
static const Slot *slot_at(const Finder *f, int i, int k, int period, int r)
{
    return &f->list->lines.at[i + r * period].slot[k];
}

static const VarPlace *in_run(const Finder *f, const Slot *slot)
{
    const VarPlace *v = slot->buffer && slot->buffer->kind == BUF_var
                            ? &f->s->var_place[slot->buffer->index]
                            : NULL;
    return v && v->run ? v : NULL;
}

static Moves moves(const Finder *f, int i, int k, int period, int count)
{
    const Slot *first = slot_at(f, i, k, period, 0), *second = slot_at(f, i, k, period, 1);
    const VarPlace *v = in_run(f, first), *w = in_run(f, second);
    int64_t step = place(second) - place(first);
    bool even = true, run = v && w && v->run == w->run && v->member == w->member;
    for (int r = 2; r < count; r++) {
        const Slot *slot = slot_at(f, i, k, period, r);
        even &= place(slot) - place(first) == r * step;
        run = run && in_run(f, slot) && in_run(f, slot)->run == v->run;
    }
    return !even ? MOVES_anyhow : step == 0 ? MOVES_not : run ? MOVES_in_run : MOVES_evenly;
}

/* --- where lines repeat ----------------------------------------------------------------------- */

/* What the slots of line i cost in a loop that begins before it. */
static int64_t slots_cost(const Finder *f, int i, int period, int count)
{
    int64_t cost = 0;
    for (int k = 0; k < f->list->lines.at[i].n_slots; k++) {
        Moves how = moves(f, i, k, period, count);
        cost += how == MOVES_evenly ? FIRST_BYTES : 0;
        cost += how == MOVES_anyhow ? FIRST_BYTES + count * ENTRY_BYTES : 0;
    }
    return cost;
}

/* Which of its run's repeats the first variable of line i is of; -1: there is none. */
static int first_of(const Finder *f, int i)
{
    const Line *line = &f->list->lines.at[i];
    for (int k = 0; k < line->n_slots; k++)
        if (in_run(f, &line->slot[k]))
            return in_run(f, &line->slot[k])->repeat;
    return -1;
}

/* Whether lines i .. i + period-1 are about one block, as far as that can be seen. */
static bool is_one_block(const Finder *f, int i, int period)
{
    int known = -1;
    for (int k = i; k < i + period; k++) {
        int block = first_of(f, k);
        if (block >= 0 && known >= 0 && block != known)
            return false;
        known = block >= 0 ? block : known;
    }
    return true;
}

/* Lines from .. from + covered-1 repeat after `period`: makes a better of `best` if it is one. A loop may begin
 * anywhere among the first lines: best where few slots need a table, and with a block. */
static void consider(const Finder *f, int from, int covered, int period, Found *best)
{
    int count = covered / period, rest = covered % period, least = f->level[from];
    int64_t most =
        (count - 1) * (f->bytes[from + period] - f->bytes[from]) + BLOCK_BYTES - LOOP_BYTES;
    if (count < LEAST || most <= best->gain || f->level[from] != f->level[from + period])
        return;
    for (int i = from; i < from + period; i++)
        least = f->level[i] < least ? f->level[i] : least;
    int64_t *cost = arena_take(f->s->arena, sizeof *cost * (size_t)(period + rest));
    int64_t sum = 0;
    for (int i = 0; i < period + rest; i++) {
        cost[i] = slots_cost(f, from + i, period, count);
        sum += cost[i];
        int start = i - period + 1;
        if (start < 0)
            continue;
        sum -= start ? cost[start - 1] : 0;
        int64_t gain = most - sum - (is_one_block(f, from + start, period) ? 0 : BLOCK_BYTES);
        if (f->level[from + start] == least && gain > best->gain)
            *best = (Found){from + start, period, count, gain};
    }
}

static Found best_of(const Finder *f, int from, int to)
{
    const Line *line = f->list->lines.at;
    Found best = {0};
    for (int period = 1; period <= (to - from) / LEAST; period++) {
        int same = 0;
        for (int i = from; i + period < to; i++) {
            if (line[i].same == line[i + period].same) {
                same++;
                continue;
            }
            if (same >= (LEAST - 1) * period)
                consider(f, i - same, same + period, period, &best);
            same = 0;
        }
        if (same >= (LEAST - 1) * period)
            consider(f, to - period - same, same + period, period, &best);
    }
    return best;
}

/* --- loops ------------------------------------------------------------------------------------ */

/* What a loop says of slots that move alike. */
typedef struct Column {
    int line, slot;
    Moves how;
    const char *text;
} Column;

typedef struct Loop {
    const Finder *f;
    Repeat *r;
    VEC(Column) columns;
    VEC(const Column *) table;
} Loop;

/* Whether slot k of line i moves as the column does, and goes by the same name. */
static bool same_column(const Loop *l, const Column *c, int i, int k)
{
    if (slot_at(l->f, c->line, c->slot, l->r->period, 0)->buffer !=
        slot_at(l->f, i, k, l->r->period, 0)->buffer)
        return false;
    for (int r = 0; r < l->r->count; r++) {
        const Slot *a = slot_at(l->f, c->line, c->slot, l->r->period, r);
        const Slot *b = slot_at(l->f, i, k, l->r->period, r);
        if (slot_kind(a) != slot_kind(b) || place(a) != place(b))
            return false;
    }
    return true;
}

static const Slot *column_slot(const Loop *l, const Column *c, int r)
{
    return slot_at(l->f, c->line, c->slot, l->r->period, r);
}

/* "r + 1", "11 - r", "2 * r" */
static const char *index_text(Arena *arena, int first, int step)
{
    const char *r =
        step == 1 || step == -1 ? "r" : arena_format(arena, "%d * r", step < 0 ? -step : step);
    if (step < 0)
        return arena_format(arena, "%d - %s", first, r);
    return first ? arena_format(arena, "%s + %d", r, first) : r;
}

/* " + 1024 + r * 64": what follows the name of a part of memory. */
static const char *offset_text(const Loop *l, const Column *c)
{
    Arena *arena = l->f->s->arena;
    if (c->how == MOVES_anyhow)
        return arena_format(arena, " + o%d[%d][r]", l->f->list->repeats.n + 1, l->table.n - 1);
    int64_t first = place(column_slot(l, c, 0)), step = place(column_slot(l, c, 1)) - first;
    int64_t size = step < 0 ? -step : step;
    const char *wide = size * l->r->count > INT32_MAX ? "(ptrdiff_t)" : "";
    const char *begin = first ? arena_format(arena, " + %lld", (long long)first) : "";
    return arena_format(arena, "%s %c %sr * %lld", begin, step < 0 ? '-' : '+', wide,
                        (long long)size);
}

/* Which stream's key, as an argument. */
static const char *stream_text(const Loop *l, const Column *c)
{
    Arena *arena = l->f->s->arena;
    if (c->how == MOVES_anyhow)
        return arena_format(arena, "(uint32_t)o%d[%d][r]", l->f->list->repeats.n + 1,
                            l->table.n - 1);
    int64_t first = place(column_slot(l, c, 0)), step = place(column_slot(l, c, 1)) - first;
    return arena_format(arena, "%lldu %c %lldu * (unsigned)r", (long long)first,
                        step < 0 ? '-' : '+', (long long)(step < 0 ? -step : step));
}

/* The name of a column: that of what is in it the first time, and _r. */
static const char *column_name(const Loop *l, const Column *c)
{
    const Slot *first = column_slot(l, c, 0);
    const char *name = first->buffer ? first->buffer->name : slot_name(l->f->s, first);
    for (bool taken = true; taken;) {
        name = arena_format(l->f->s->arena, "%s_r", name);
        taken = map_get(&l->f->names, name);
        for (int i = 0; i < l->columns.n; i++)
            taken |= strcmp(l->columns.at[i].text, name) == 0;
    }
    return name;
}

/* Adds the line that says where the column's slots are in repeat r. */
static void define(Loop *l, const Column *c)
{
    Arena *arena = l->f->s->arena;
    const char kind = slot_kind(column_slot(l, c, 0)), *name = c->text, *line;
    if (kind == 'k') {
        line = arena_format(arena,
                            "const nnrt_rand_key %s = nnrt_rand_key_of(m->head.seed, "
                            "(uint64_t)m->head.calls, %s);",
                            name, stream_text(l, c));
    } else if (kind == 'i' || kind == 'b') {
        const char *type = kind == 'i' ? "int32_t" : "uint8_t";
        line =
            arena_format(arena, "%s *%s = (%s *)(scratch%s);", type, name, type, offset_text(l, c));
    } else if (kind == 's' || kind == 'g') {
        line = arena_format(arena, "float *%s = %s%s;", name, kind == 's' ? "scratch" : "grads",
                            offset_text(l, c));
    } else {
        bool keeps = kind == 'v' && !writes_vars(l->f->list->g, l->f->list->from);
        line = arena_format(arena, "%sfloat *%s = (%sfloat *)%c%s;", keeps ? "const " : "", name,
                            keeps ? "const " : "", kind, offset_text(l, c));
    }
    vec_push(arena, &l->r->firsts, line);
}

static void mention(CallList *c, Arena *arena, const Slot *slot)
{
    if (slot->buffer) {
        c->passed[slot->buffer->id] = true;
        return;
    }
    for (int i = 0; i < c->keys.n; i++)
        if (c->keys.at[i] == slot->stream)
            return;
    vec_push(arena, &c->keys, slot->stream);
}

/* What stands for slot k of line i. */
static const char *column_text(Loop *l, int i, int k)
{
    const Finder *f = l->f;
    for (int c = 0; c < l->columns.n; c++)
        if (same_column(l, &l->columns.at[c], i, k))
            return l->columns.at[c].text;
    Column new = {.line = i, .slot = k, .how = moves(f, i, k, l->r->period, l->r->count)};
    const Slot *first = column_slot(l, &new, 0);
    if (new.how == MOVES_not) {
        new.text = slot_name(f->s, first);
        mention(f->list, f->s->arena, first);
    } else if (new.how == MOVES_in_run) {
        const VarPlace *a = in_run(f, first), *b = in_run(f, column_slot(l, &new, 1));
        new.text =
            arena_format(f->s->arena, "%c->%s", slot_kind(first),
                         var_repeated(f->s, a->run, a->member,
                                      index_text(f->s->arena, a->repeat, b->repeat - a->repeat)));
    } else {
        new.text = column_name(l, &new);
    }
    vec_push(f->s->arena, &l->columns, new);
    if (new.how == MOVES_anyhow) {
        Column *kept = arena_take(f->s->arena, sizeof *kept);
        *kept = new;
        vec_push(f->s->arena, &l->table, kept);
    }
    if (new.how == MOVES_evenly || new.how == MOVES_anyhow)
        define(l, &new);
    return new.text;
}

/* The table of what moves unevenly: a row a column, an entry a repeat. */
static void add_table(Loop *l)
{
    Arena *arena = l->f->s->arena;
    bool wide = false;
    for (int c = 0; c < l->table.n; c++)
        for (int r = 0; r < l->r->count; r++)
            wide |= place(column_slot(l, l->table.at[c], r)) > INT32_MAX;
    if (!l->table.n)
        return;
    vec_push(arena, &l->r->heads,
             arena_format(arena, "static const %s o%d[%d][%d] = {", wide ? "int64_t" : "int",
                          l->f->list->repeats.n + 1, l->table.n, l->r->count));
    for (int c = 0; c < l->table.n; c++) {
        Str row = str_new(arena);
        for (int r = 0; r < l->r->count; r++)
            str_add(&row, "%s%lld", r ? ", " : "",
                    (long long)place(column_slot(l, l->table.at[c], r)));
        vec_push(arena, &l->r->heads,
                 arena_format(arena, "    {%s}, /* %s */", row.at, l->table.at[c]->text));
    }
    vec_push(arena, &l->r->heads, "};");
}

/* " / * h.0 to 11 * /": of which blocks variables are read. */
static const char *blocks_text(const Loop *l)
{
    const VarRun *run = NULL;
    int least = 0, most = 0;
    for (int c = 0; c < l->columns.n; c++) {
        const Column *column = &l->columns.at[c];
        if (column->how != MOVES_in_run)
            continue;
        const VarPlace *ends[] = {in_run(l->f, column_slot(l, column, 0)),
                                  in_run(l->f, column_slot(l, column, l->r->count - 1))};
        if (!run)
            least = most = ends[0]->repeat;
        run = run ? run : ends[0]->run;
        for (int e = 0; e < 2 && ends[e]->run == run; e++) {
            least = ends[e]->repeat < least ? ends[e]->repeat : least;
            most = ends[e]->repeat > most ? ends[e]->repeat : most;
        }
    }
    return run ? arena_format(l->f->s->arena, " /* %.*s%d to %d */", run->at[0], run->prefix,
                              run->number + least, run->number + most)
               : "";
}

static void add_repeat(const Finder *f, const Found *found)
{
    Arena *arena = f->s->arena;
    Repeat r = {.start = found->start, .period = found->period, .count = found->count};
    Loop l = {.f = f, .r = &r};
    int n = 0;
    for (int i = r.start; i < r.start + r.period; i++)
        n += f->list->lines.at[i].n_slots;
    r.slot = arena_take(arena, sizeof *r.slot * (size_t)(n + 1));
    n = 0;
    for (int i = r.start; i < r.start + r.period; i++)
        for (int k = 0; k < f->list->lines.at[i].n_slots; k++)
            r.slot[n++] = column_text(&l, i, k);
    add_table(&l);
    r.comment = blocks_text(&l);
    vec_push(arena, &f->list->repeats, r);
}

/* Lines from .. to-1, in order. */
static void search(const Finder *f, int from, int to)
{
    Found found = best_of(f, from, to);
    if (found.count) {
        search(f, from, found.start);
        add_repeat(f, &found);
        search(f, found.start + found.period * found.count, to);
        return;
    }
    for (int i = from; i < to; i++)
        for (int k = 0; k < f->list->lines.at[i].n_slots; k++)
            mention(f->list, f->s->arena, &f->list->lines.at[i].slot[k]);
}

/* What memory the function reaches. */
static void find_reached(CallList *c)
{
    for (int i = 0; i < c->lines.n; i++)
        for (int k = 0; k < c->lines.at[i].n_slots; k++) {
            char kind = slot_kind(&c->lines.at[i].slot[k]);
            c->reaches[PART_vars] |= kind == 'v';
            c->reaches[PART_caches] |= kind == 'c';
            c->reaches[PART_memory] |= kind == 'a';
            c->uses_scratch |= kind == 's' || kind == 'i' || kind == 'b';
        }
}

void find_repeats(SourceText *s, CallList *c)
{
    size_t n = (size_t)c->lines.n + 1;
    Finder f = {.s = s, .list = c, .names = map_new(s->arena)};
    f.level = arena_take(s->arena, sizeof *f.level * n);
    f.bytes = arena_take(s->arena, sizeof *f.bytes * n);
    for (int i = 0; i < c->lines.n; i++) {
        const Line *line = &c->lines.at[i];
        f.level[i + 1] = f.level[i] + (line->kind == LINE_open) - (line->kind == LINE_close);
        f.bytes[i + 1] = f.bytes[i] + (int64_t)strlen(line->text) + SLOT_BYTES * line->n_slots;
    }
    const Plan *plan = c->g->plan;
    for (int i = 0; i < plan->buffers.n; i++)
        if (plan->buffers.at[i]->name)
            map_set(&f.names, plan->buffers.at[i]->name, c);
    c->passed = arena_take(s->arena, (size_t)plan->buffers.n + 1);
    find_reached(c);
    search(&f, 0, c->lines.n);
}
