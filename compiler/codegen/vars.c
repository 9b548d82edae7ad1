/* SPDX-License-Identifier: MIT */
/* vars.c: the variables in the emitted file: structures that lay them out, the table that says what they are.
 *
 * Where a model repeats a block, so do its variables: the same ones again, their names a number on, as far apart each
 * time. Such a run is written once: in a structure as an array of structures, in the table as a macro. */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

enum {
    LEAST_ROWS = 6, /* of the table that a run must save */
    DIGITS_MAX = 6  /* of a number in a name */
};

/* --- runs ------------------------------------------------------------------------------------- */

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

/* Where `a` holds a number and `b`, alike but for that, the number after it; -1: nowhere. */
static int counts_on(const char *a, const char *b, int number)
{
    char now[16], next[16];
    int d = 0;
    while (a[d] && a[d] == b[d])
        d++;
    while (d > 0 && digits_at(a + d - 1))
        d--;
    int n = snprintf(now, sizeof now, "%d", number);
    int m = snprintf(next, sizeof next, "%d", number + 1);
    bool on = strncmp(a + d, now, (size_t)n) == 0 && strncmp(b + d, next, (size_t)m) == 0 &&
              !digits_at(a + d + n) && strcmp(a + d + n, b + d + m) == 0;
    return on ? d : -1;
}

/* Whether two variables are alike but for name and place. */
static bool alike(const Var *a, const Var *b)
{
    if (a->kind != b->kind || a->frozen != b->frozen || !shape_equal(&a->shape, &b->shape) ||
        !shape_equal(&a->view, &b->view) || a->init.kind != b->init.kind ||
        a->init.a != b->init.a || a->init.b != b->init.b)
        return false;
    for (int k = 0; k < var_view(a).rank; k++)
        if (a->perm[k] != b->perm[k])
            return false;
    return true;
}

/* How often the run's variables stand there, one repeat behind the other. */
static int repeats(const VarList *list, const VarRun *run)
{
    for (int i = run->first + run->period; i < list->n; i++) {
        const Var *a = list->at[i - run->period], *b = list->at[i];
        int before = (i - run->first) / run->period - 1;
        if (!alike(a, b) || b->offset - a->offset != run->stride ||
            counts_on(a->name, b->name, run->number + before) < 0)
            return before + 1;
    }
    return (list->n - run->first) / run->period;
}

/* The run that begins with variable i and saves most; count 0: none. */
static VarRun run_from(SourceText *s, const VarList *list, const Map *known, int i)
{
    const char *name = list->at[i]->name;
    VarRun best = {.count = 1};
    for (const char *c = name; *c; c++) {
        size_t n = digits_at(c);
        if (!n)
            continue;
        if (n <= DIGITS_MAX && (*c != '0' || n == 1)) {
            int number = atoi(c);
            Var *const *next = map_get(known, arena_format(s->arena, "%.*s%d%s", (int)(c - name),
                                                           name, number + 1, c + n));
            int period = next ? (int)(next - list->at) - i : 0;
            VarRun run = {.first = i, .period = period, .number = number};
            if (period > 0) {
                run.stride = list->at[i + period]->offset - list->at[i]->offset;
                run.count = repeats(list, &run);
            }
            if ((run.count - 1) * period > (best.count - 1) * best.period)
                best = run;
        }
        c += n - 1;
    }
    return (best.count - 1) * best.period >= LEAST_ROWS ? best : (VarRun){0};
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *underscored(Arena *arena, const char *text, size_t n)
{
    char *name = arena_text(arena, text, n);
    for (char *c = name; *c; c++)
        if (*c == '.')
            *c = '_';
    return name;
}

static const char *untaken(Arena *arena, Map *taken, const char *base)
{
    const char *name = c_name(arena, base);
    for (int k = 2; map_get(taken, name); k++)
        name = arena_format(arena, "%s_%d", base, k);
    map_set(taken, name, taken);
    return name;
}

/* What the names of a run's variables have in common before their number: all of it; or so many bytes at its begin, up
 * to a point, and so many at its end, from a point on. */
static void common_parts(const VarList *list, const VarRun *run, int *head, int *tail)
{
    const char *first = list->at[run->first]->name;
    const int length = run->at[0];
    bool all = true;
    *head = *tail = length;
    for (int k = 1; k < run->period; k++) {
        const char *name = list->at[run->first + k]->name;
        int n = run->at[k], same = 0, end = 0;
        while (same < n && same < length && name[same] == first[same])
            same++;
        while (end < n && end < length && name[n - 1 - end] == first[length - 1 - end])
            end++;
        all &= n == length && same == n;
        *head = same < *head ? same : *head;
        *tail = end < *tail ? end : *tail;
    }
    while (!all && *head > 0 && first[*head - 1] != '.')
        (*head)--;
    while (*tail > 0 && (first[length - *tail] != '.' || *head + *tail > length))
        (*tail)--;
}

/* Two parts of a name with one underscore between them. */
static const char *joined(Arena *arena, const char *a, int n_a, const char *b, int n_b)
{
    while (n_a > 0 && strchr("._", a[n_a - 1]))
        n_a--;
    while (n_b > 0 && strchr("._", *b))
        b++, n_b--;
    while (n_b > 0 && strchr("._", b[n_b - 1]))
        n_b--;
    const char *text = arena_format(arena, "%.*s%s%.*s", n_a, a, n_a && n_b ? "_" : "", n_b, b);
    return *text ? underscored(arena, text, strlen(text)) : "repeats";
}

/* Names the array, "h" of h.0.fc.weight, and its members, "fc_weight". */
static void name_run(SourceText *s, const VarList *list, VarRun *run, Map *taken)
{
    Arena *arena = s->arena;
    int head, tail;
    Map inside = map_new(arena);
    run->at = arena_take(arena, sizeof *run->at * (size_t)run->period);
    run->member = arena_take(arena, sizeof *run->member * (size_t)run->period);
    for (int k = 0; k < run->period; k++)
        run->at[k] = counts_on(list->at[run->first + k]->name,
                               list->at[run->first + run->period + k]->name, run->number);
    common_parts(list, run, &head, &tail);
    const char *first = run->prefix = list->at[run->first]->name;
    run->name = untaken(arena, taken, joined(arena, first, head, first + run->at[0] - tail, tail));
    for (int k = 0; k < run->period; k++) {
        const char *name = list->at[run->first + k]->name, *rest = name + run->at[k];
        rest += digits_at(rest);
        const char *own =
            joined(arena, name + head, run->at[k] - tail - head, rest, (int)strlen(rest));
        run->member[k] = untaken(arena, &inside, own);
    }
}

const char *var_repeated(SourceText *s, const VarRun *run, int member, const char *index)
{
    return arena_format(s->arena, "%s[%s].%s", run->name, index, run->member[member]);
}

static VarPart part_of(const Var *v)
{
    return v->kind == VAR_cache ? PART_caches : v->kind == VAR_memory ? PART_memory : PART_vars;
}

/* Names variables i .. of a part's list, those of a run or one: how many. */
static int name_some(SourceText *s, const VarList *list, const Map *known, Map *taken, int i)
{
    VarRun found = run_from(s, list, known, i);
    Var *v = list->at[i];
    if (!found.count) {
        s->var[v->id] = untaken(s->arena, taken, underscored(s->arena, v->name, strlen(v->name)));
        return 1;
    }
    VarRun *run = arena_take(s->arena, sizeof *run);
    *run = found;
    name_run(s, list, run, taken);
    int n = run->period * run->count;
    for (int k = 0; k < n; k++) {
        VarPlace at = {.run = run, .repeat = k / run->period, .member = k % run->period};
        v = list->at[i + k];
        s->var_place[v->id] = at;
        s->var[v->id] = var_repeated(s, run, at.member, arena_format(s->arena, "%d", at.repeat));
    }
    return n;
}

void name_vars(SourceText *s)
{
    const Program *p = s->p;
    size_t n = (size_t)p->vars.n + 1;
    s->var = arena_take(s->arena, sizeof *s->var * n);
    s->var_place = arena_take(s->arena, sizeof *s->var_place * n);
    for (int i = 0; i < p->vars.n; i++)
        vec_push(s->arena, &s->vars[part_of(p->vars.at[i])], p->vars.at[i]);
    for (int part = 0; part < PART_COUNT; part++) {
        const VarList *list = &s->vars[part];
        Map known = map_new(s->arena), taken = map_new(s->arena);
        for (int i = 0; i < list->n; i++)
            map_set(&known, list->at[i]->name, &list->at[i]);
        for (int i = 0; i < list->n;)
            i += name_some(s, list, &known, &taken, i);
    }
}

/* --- structures ------------------------------------------------------------------------------- */

static int64_t end_of(const Var *v)
{
    return v->offset + 4 * shape_count(&v->shape);
}

static void member(SourceText *s, const Var *v, const char *name, bool aligned)
{
    out_line(s->out, "%sfloat %s[%lld];", aligned ? "_Alignas(64) " : "", name,
             (long long)shape_count(&v->shape));
}

/* An array of structures: where a repeat ends before the next begins, its alignment fills it up. */
static void run_members(SourceText *s, const VarList *list, const VarRun *run, bool aligned)
{
    Var *const *v = list->at + run->first;
    aligned |= end_of(v[run->period - 1]) != v[0]->offset + run->stride;
    out_open(s->out, "struct");
    for (int k = 0; k < run->period; k++)
        member(s, v[k], run->member[k], k ? v[k]->offset != end_of(v[k - 1]) : aligned);
    s->out->depth--;
    out_line(s->out, "} %s[%d]; /* %.*s%d to %d */", run->name, run->count, run->at[0], v[0]->name,
             run->number, run->number + run->count - 1);
}

/* A part of the variables as a structure: each begins where the plan says. */
static void var_struct(SourceText *s, const char *what, VarPart part)
{
    const Program *p = s->p;
    const VarList *list = &s->vars[part];
    if (!list->n)
        return;
    out_open(s->out, "struct %s_%s", p->name, what);
    for (int i = 0; i < list->n;) {
        const Var *v = list->at[i];
        const VarRun *run = s->var_place[v->id].run;
        /* The first of a cache gives the structure its alignment, as there may be several. */
        bool first = i == 0, several = part == PART_caches && p->generate.beam > 1;
        bool aligned = first ? several : v->offset != end_of(list->at[i - 1]);
        if (run)
            run_members(s, list, run, aligned);
        else
            member(s, v, s->var[v->id], aligned);
        i += run ? run->period * run->count : 1;
    }
    s->out->depth--;
    out_line(s->out, "};");
    const Var *last = list->at[list->n - 1];
    out_line(s->out, "_Static_assert(__builtin_offsetof(struct %s_%s, %s) == %lld, \"layout\");\n",
             p->name, what, s->var[last->id], (long long)last->offset);
}

void emit_var_structs(SourceText *s)
{
    const Program *p = s->p;
    if (!p->vars.n)
        return;
    out_raw(s->out, "/* The variables of an instance, kept as the table %s_vars says. */", p->name);
    var_struct(s, "vars", PART_vars);
    if (p->memory_bytes)
        out_raw(s->out, "/* What decoding knows of the other inputs. */");
    var_struct(s, "memory", PART_memory);
    if (p->cache_bytes)
        out_raw(s->out, "/* What decoding keeps of the positions before. */");
    var_struct(s, "cache", PART_caches);
}

/* --- the table -------------------------------------------------------------------------------- */

/* A row, given how the name and the offset are written. */
static const char *row(SourceText *s, const Var *v, const char *name, const char *offset)
{
    static const char *const init[] = {"NNRT_INIT_CONSTANT", "NNRT_INIT_UNIFORM",
                                       "NNRT_INIT_NORMAL", "NNRT_INIT_TRUNCATED_NORMAL",
                                       "NNRT_INIT_ORTHOGONAL"};
    bool saved = v->kind == VAR_weight || v->kind == VAR_buffer;
    const char *kind = !saved                                ? "NNRT_STATE"
                       : v->kind == VAR_weight && !v->frozen ? "NNRT_WEIGHT"
                                                             : "NNRT_BUFFER";
    Str perm = str_new(s->arena);
    for (int k = 0; k < var_view(v).rank; k++)
        str_add(&perm, "%s%d", k ? ", " : "", v->perm[k]);
    return arena_format(
        s->arena, "{%s, %s, %d, %s, %lld, %s, {%s}, %s, %s, %s, %d, %s},", name, kind,
        v->shape.rank, dims_text(s->arena, &v->shape, 0), (long long)shape_count(&v->shape), offset,
        v->shape.rank ? perm.at : "0", init[v->init.kind], real_text(s->arena, v->init.a),
        real_text(s->arena, v->init.b), v->view.rank, dims_text(s->arena, &v->view, 0));
}

static const char *macro_name(SourceText *s, int number)
{
    return arena_format(s->arena, "%s_VARS_%d", s->upper, number);
}

/* The rows of a repeat, given its number i. */
static void row_macro(SourceText *s, const VarList *list, const VarRun *run, int number)
{
    out_line(s->out, "#define %s(i) \\", macro_name(s, number));
    for (int k = 0; k < run->period; k++) {
        const Var *v = list->at[run->first + k];
        const char *rest = v->name + run->at[k] + digits_at(v->name + run->at[k]);
        const char *index = run->number ? arena_format(s->arena, "(i - %d)", run->number) : "i";
        out_line(s->out, "    %s%s",
                 row(s, v, arena_format(s->arena, "\"%.*s\" #i \"%s\"", run->at[k], v->name, rest),
                     arena_format(s->arena, "%lld + (size_t)%lld * %s", (long long)v->offset,
                                  (long long)run->stride, index)),
                 k < run->period - 1 ? " \\" : "");
    }
}

/* A macro's uses, as many to a line as fit. */
static void uses(SourceText *s, const VarRun *run, int number)
{
    enum { COLUMNS = 96 };
    Str line = str_new(s->arena);
    for (int r = 0; r < run->count; r++) {
        const char *use = arena_format(s->arena, "%s(%d)", macro_name(s, number), run->number + r);
        if (line.n && line.n + 1 + strlen(use) > COLUMNS) {
            out_line(s->out, "%s", line.at);
            line = str_new(s->arena);
        }
        str_add(&line, "%s%s", line.n ? " " : "", use);
    }
    out_line(s->out, "%s", line.at);
}

void emit_vars(SourceText *s)
{
    const VarList *list = &s->vars[PART_vars];
    if (!s->p->vars.n)
        return;
    out_line(s->out,
             "/* Name, kind, rank, shape as saved, count, offset, order kept in, first value "
             "(what, a, b), view. */");
    for (int i = 0, number = 1; i < list->n; i++) {
        const VarRun *run = s->var_place[list->at[i]->id].run;
        if (run && run->first == i)
            row_macro(s, list, run, number++);
    }
    out_open(s->out, "static const nnrt_var %s_vars[] =", s->p->name);
    for (int i = 0, number = 1; i < list->n;) {
        const Var *v = list->at[i];
        const VarRun *run = s->var_place[v->id].run;
        if (run)
            uses(s, run, number++);
        else
            out_line(s->out, "%s",
                     row(s, v, arena_format(s->arena, "\"%s\"", v->name),
                         arena_format(s->arena, "%lld", (long long)v->offset)));
        i += run ? run->period * run->count : 1;
    }
    s->out->depth--;
    out_line(s->out, "};");
}
