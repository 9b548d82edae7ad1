/* SPDX-License-Identifier: MIT */
/* calls.c: the calls of a function's kernels: one list of lines inside one parallel region, or none where no kernel is
 * worth sharing. Who waits for whom is settled as if each call stood there by itself; then repeats are found, which
 * does not change what is called and waited for. */
#include "calls.h"
#include "kernel_emit.h"

#include <stdlib.h>
#include <string.h>

/* The kernels of a function, or of a body. */
typedef struct Calls {
    Frame frame;
    const Graph *g;
    SpanList *reads, *writes; /* by kernel: in all steps of the frames around it */
    struct Calls **body;      /* by kernel: a scan's; else NULL */
} Calls;

/* The list that is being made. */
typedef struct Listing {
    SourceText *s;
    CallList *list;
    Map known; /* text to the first line that has it (int *) */
} Listing;

static void find_spans(SourceText *s, Calls *c, int i)
{
    const Kernel *k = c->g->kernels.at[i];
    for (int a = 0; a < k->args.n; a++)
        if (k->args.at[a].kind == KARG_buffer)
            buffer_spans(s, &c->frame, k->args.at[a].buffer,
                         k->args.at[a].written ? &c->writes[i] : &c->reads[i]);
}

static Calls *calls_of(SourceText *s, Frame frame, int from, int depth)
{
    const Graph *g = frame.g;
    size_t n = (size_t)g->kernels.n + 1;
    Calls *c = arena_take(s->arena, sizeof *c);
    c->frame = frame;
    c->g = g;
    c->reads = arena_take(s->arena, sizeof *c->reads * n);
    c->writes = arena_take(s->arena, sizeof *c->writes * n);
    c->body = arena_take(s->arena, sizeof(Calls *) * n);
    for (int i = from; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        find_spans(s, c, i);
        if (!k->scan)
            continue;
        const char *t = depth ? arena_format(s->arena, "t%d", depth + 1) : "t";
        Frame body = {.g = k->scan->attr->scan->body, .outer = &c->frame, .scan = k, .t = t};
        c->body[i] = calls_of(s, body, 0, depth + 1);
    }
    return c;
}

/* --- who waits for whom ----------------------------------------------------------------------- */

/* Whether one of two kernels writes what the other reads or writes. */
static bool in_conflict(const Calls *c, int a, int b)
{
    return spans_meet(&c->writes[a], &c->writes[b]) || spans_meet(&c->writes[a], &c->reads[b]) ||
           spans_meet(&c->reads[a], &c->writes[b]);
}

/* Whether threads wait for each other inside a kernel. */
static bool waits_inside(const Kernel *k)
{
    for (int i = 0; i < k->args.n; i++)
        if (k->args.at[i].kind == KARG_team)
            return true;
    return false;
}

/* Whether kernel `next` must not begin before all threads are done with those from `since` on. What is
 * not shared is all one thread's. */
static bool must_wait(const Calls *c, int since, int next)
{
    const Kernel *k = c->g->kernels.at[next];
    for (int i = since; i < next; i++)
        if ((k->shared || c->g->kernels.at[i]->shared) && in_conflict(c, i, next))
            return true;
    return false;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Adds a line whose slots were gathered. */
static void add_line(Listing *l, LineKind kind, bool master, const char *text)
{
    SourceText *s = l->s;
    LineList *lines = &l->list->lines;
    Line line = {
        .kind = kind, .master = master, .text = text, .n_slots = s->slots.n, .same = lines->n};
    if (s->slots.n) {
        Slot *own = arena_take(s->arena, sizeof *own * (size_t)s->slots.n);
        memcpy(own, s->slots.at, sizeof *own * (size_t)s->slots.n);
        line.slot = own;
    }
    s->slots.n = 0;
    const char *key = arena_format(s->arena, "%d%d%s", kind, master, text);
    const int *first = map_get(&l->known, key);
    if (first) {
        line.same = *first;
    } else {
        int *own = arena_take(s->arena, sizeof *own);
        *own = lines->n;
        map_set(&l->known, key, own);
    }
    vec_push(s->arena, lines, line);
}

static void open_block(Listing *l, const char *text)
{
    add_line(l, LINE_open, false, text);
}

static void close_block(Listing *l)
{
    add_line(l, LINE_close, false, "");
}

/* A random stream's key; in a body that of the step. */
static const char *key_text(SourceText *s, const Frame *f, uint32_t stream)
{
    return f->outer ? arena_format(s->arena, "nnrt_rand_key_turn(%s, (uint64_t)%s)",
                                   key_text(s, f->outer, stream), f->t)
                    : slot_text(s, (Slot){.stream = stream});
}

static const char *argument(SourceText *s, const Frame *f, const KernelArg *a)
{
    switch (a->kind) {
    case KARG_key: return key_text(s, f, a->node->attr->stream);
    case KARG_scalar: return arena_format(s->arena, "(float)%s", uniform_name(s, a->node));
    case KARG_team: return "&team";
    case KARG_buffer: return buffer_address(s, f, a->buffer);
    }
    BUG("an argument of no kind");
}

static void list_call(Listing *l, const Calls *c, int i, bool master)
{
    const Kernel *k = c->g->kernels.at[i];
    Str line = str_new(l->s->arena);
    str_add(&line, "%s(n", k->name);
    for (int a = 0; a < k->args.n; a++)
        str_add(&line, ", %s", argument(l->s, &c->frame, &k->args.at[a]));
    str_add(&line, ");");
    add_line(l, LINE_plain, master, line.at);
}

static void list_wait(Listing *l)
{
    add_line(l, LINE_plain, false, "nnrt_wait(&team);");
}

/* Behind the call of a kernel, where times are noted. */
static void list_mark(Listing *l, const Kernel *k, bool parallel)
{
    if (!l->s->noted)
        return;
    const char *all = parallel ? "_all(&team, " : "(";
    add_line(l, LINE_plain, false,
             arena_format(l->s->arena, "nnrt_mark%sprofile, %d);", all, mark_number(l->s, k)));
}

/* Whether what the function's kernels store is looked at, in its form with marks. */
static bool is_looked_at(const Listing *l)
{
    const Fn fn = l->list->g->fn;
    return l->s->noted && (fn == FN_train || fn == FN_accumulate);
}

/* A row of the table of what a function stores; `times`: as nnrt_place's. A loop with nothing in it is none. */
static void add_place(Listing *l, const Node *y, int64_t times)
{
    if (!is_looked_at(l))
        return;
    StoredList *list = &l->s->places[l->list->g->fn == FN_accumulate];
    if (times < 0 && list->n && list->at[list->n - 1].times > 0)
        list->n--;
    else
        vec_push(l->s->arena, list, ((Stored){.y = y, .times = times}));
}

/* Whether something can be told of what a node holds: numbers of their own place in memory, and no state of an
 * optimiser's, which is updated with its weight. */
static bool can_look(const Listing *l, const Node *y, const Buffer *b)
{
    bool state = b && b->kind == BUF_var && b->var->kind == VAR_state;
    return b && b->dtype == DT_f32 && !y->whole && y->role != ROLE_metric &&
           !(state && fn_trains(l->list->g->fn) && l->list->g->fn != FN_accumulate);
}

/* How many numbers a buffer has with n samples. Where the batch is not the first of its axes, rows that are not there
 * leave holes: nothing is looked at then. */
static const char *look_count(SourceText *s, const Buffer *b)
{
    long long count = shape_count(&b->shape);
    if (b->shape.batch < 0)
        return arena_format(s->arena, "%lld", count);
    bool first = true;
    for (int i = 0; i < b->shape.rank && b->perm[i] != b->shape.batch; i++)
        first &= b->shape.dim[b->perm[i]] == 1;
    return first ? arena_format(s->arena, "(int64_t)n * %lld", count)
                 : arena_format(s->arena, "n == %lld ? %lld : 0", (long long)s->p->train.batch,
                                count * (long long)s->p->train.batch);
}

/* Behind the call of a kernel of a training step, before its mark: looks at what it stored. */
static void list_looks(Listing *l, const Calls *c, const Kernel *k, bool parallel)
{
    for (int i = 0; i < k->stores.n && is_looked_at(l) && k->kind != KERNEL_pack; i++) {
        const Node *y = k->stores.at[i];
        const Buffer *b = node_buffer(c->g, y);
        if (!can_look(l, y, b))
            continue;
        add_place(l, y, 0);
        const char *at = buffer_address(l->s, &c->frame, b);
        add_line(l, LINE_plain, false,
                 arena_format(l->s->arena, "nnrt_see%sprofile, %s, %s);",
                              parallel ? "_all(&team, " : "(", at, look_count(l->s, b)));
    }
}

/* --- the calls -------------------------------------------------------------------------------- */

/* Kernels that no thread shares, in a row: how many from `from` on without a wait between them. */
static int alone(const Graph *g, int from, int to)
{
    int n = 0;
    while (from + n < to && !g->kernels.at[from + n]->shared)
        n++;
    return n;
}

static void list_some(Listing *l, const Calls *c, bool parallel, int from, int to);

/* Whether predict makes what a scan's body needs before its first step only after a weight has changed. */
static bool keeps_first(const Calls *body)
{
    return body->frame.scan->keeps_first && body->frame.outer->g->fn == FN_predict;
}

/* A scan: what is done once, then the loop. */
static void list_scan(Listing *l, const Calls *c, bool parallel)
{
    const Scan *scan = c->g->scan;
    int once = kernels_kept(c->g);
    const char *t = c->frame.t;
    long long last = (long long)scan->length - 1;
    if (once && !keeps_first(c))
        list_some(l, c, parallel, 0, once);
    open_block(
        l, scan->backwards
               ? arena_format(l->s->arena, "for (int %s = %lld; %s >= 0; %s--)", t, last, t, t)
               : arena_format(l->s->arena, "for (int %s = 0; %s < %lld; %s++)", t, t, last + 1, t));
    add_place(l, NULL, last + 1);
    list_some(l, c, parallel, once, c->g->kernels.n);
    add_place(l, NULL, -1);
    close_block(l);
}

/* Kernels from .. to-1 as one thread calls them. */
static void list_plain(Listing *l, const Calls *c, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (c->body[i]) {
            list_scan(l, c->body[i], false);
            continue;
        }
        list_call(l, c, i, false);
        list_looks(l, c, c->g->kernels.at[i], false);
        list_mark(l, c->g->kernels.at[i], false);
    }
}

/* Kernels from .. to-1 in a parallel region, by one of its threads. */
static void list_alone(Listing *l, const Calls *c, int from, int to)
{
    const int last = to - 1;
    if (last == from && !c->body[last]) {
        list_call(l, c, last, true);
    } else {
        add_line(l, LINE_open, true, "");
        list_plain(l, c, from, last);
        if (c->body[last])
            list_scan(l, c->body[last], false);
        else
            list_call(l, c, last, false);
        close_block(l);
    }
    if (c->body[last])
        return;
    list_looks(l, c, c->g->kernels.at[last], true);
    list_mark(l, c->g->kernels.at[last], true);
}

/* Inside a parallel region: kernels from .. to-1, and waits between those in conflict and at the end. */
static void list_shared(Listing *l, const Calls *c, int from, int to)
{
    int since = from;
    for (int i = from, n; i < to; i += n) {
        const Kernel *k = c->g->kernels.at[i];
        n = k->shared ? 1 : alone(c->g, i, to);
        bool wait = false;
        for (int j = i; j < i + n; j++)
            wait |= must_wait(c, since, j);
        if (wait) {
            list_wait(l);
            since = i;
        }
        if (!k->shared) {
            list_alone(l, c, i, i + n);
        } else if (c->body[i]) {
            list_scan(l, c->body[i], true);
            since = i + 1; /* each step ends with a wait */
        } else {
            list_call(l, c, i, false);
            list_looks(l, c, k, true);
            list_mark(l, k, true);
        }
        if (waits_inside(k))
            since = i;
    }
    if (since < to)
        list_wait(l);
}

/* Kernels from .. to-1. */
static void list_some(Listing *l, const Calls *c, bool parallel, int from, int to)
{
    if (parallel)
        list_shared(l, c, from, to);
    else
        list_plain(l, c, from, to);
}

/* What predict keeps of the weights, where they have changed. */
static void list_kept(Listing *l, const Calls *c, int kept)
{
    bool parallel = l->list->parallel;
    open_block(l, "if (stale)");
    list_some(l, c, parallel, 0, kept);
    for (int i = kept; i < c->g->kernels.n; i++)
        if (c->body[i] && keeps_first(c->body[i]))
            list_some(l, c->body[i], parallel, 0, kernels_kept(c->body[i]->g));
    close_block(l);
}

/* The fewest samples of which some kernel from `from` on, or of a loop's body, is worth a second thread. */
static int64_t shared_from(const Graph *g, int from)
{
    int64_t least = INT64_MAX;
    for (int i = from; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        int64_t of = !k->shared ? INT64_MAX
                     : k->scan  ? shared_from(k->scan->attr->scan->body, 0)
                                : k->shared_from;
        least = of < least ? of : least;
    }
    return least;
}

CallList *list_calls(SourceText *s, const Graph *g, int from)
{
    CallList *list = arena_take(s->arena, sizeof *list);
    *list = (CallList){.g = g, .from = from};
    Listing l = {.s = s, .list = list, .known = map_new(s->arena)};
    for (int i = from; i < g->kernels.n; i++)
        list->parallel |= g->kernels.at[i]->shared;
    list->shared_from = list->parallel ? shared_from(g, from) : 1;
    name_uniforms(g, from);
    const Calls *c = calls_of(s, (Frame){.g = g}, from, 0);
    bool keeps = g->fn == FN_predict && from == 0;
    int kept = keeps ? kernels_kept(g) : from;
    if (keeps && graph_keeps(g))
        list_kept(&l, c, kept);
    list_some(&l, c, list->parallel, kept, g->kernels.n);
    find_repeats(s, list);
    return list;
}

/* --- the text --------------------------------------------------------------------------------- */

const char *slot_name(SourceText *s, const Slot *slot)
{
    const Buffer *b = slot->buffer;
    if (!b)
        return arena_format(s->arena, "key%u", (unsigned)slot->stream);
    if (b->kind == BUF_var)
        return arena_format(s->arena, "%c->%s", slot_kind(slot), s->var[b->index]);
    return b->name;
}

const char *line_text(SourceText *s, const Line *line, const char *const *slot)
{
    if (!line->n_slots)
        return line->text;
    Str text = str_new(s->arena);
    const char *c = line->text;
    for (size_t n; c[n = strcspn(c, "\1")]; c = strchr(c + n, '\2') + 1) {
        int k = atoi(c + n + 2);
        const char *name = slot ? slot[k] : slot_name(s, &line->slot[k]);
        str_put(&text, c, n);
        str_put(&text, name, strlen(name));
    }
    str_put(&text, c, strlen(c));
    return text.at;
}

static void emit_line(SourceText *s, const Line *line, const char *const *slot)
{
    const char *text = line_text(s, line, slot);
    if (line->master)
        out_raw(s->out, "#pragma omp master");
    if (line->kind == LINE_close) {
        out_close(s->out);
    } else if (line->kind == LINE_plain) {
        out_hang(s->out, "%s", text);
    } else if (*text) {
        out_open(s->out, "%s", text);
    } else {
        out_line(s->out, "{");
        s->out->depth++;
    }
}

static void emit_repeat(SourceText *s, const CallList *c, const Repeat *r)
{
    for (int i = 0; i < r->heads.n; i++)
        out_line(s->out, "%s", r->heads.at[i]);
    out_line(s->out, "for (int r = 0; r < %d; r++) {%s", r->count, r->comment);
    s->out->depth++;
    for (int i = 0; i < r->firsts.n; i++)
        out_line(s->out, "%s", r->firsts.at[i]);
    const char *const *slot = r->slot;
    for (int i = r->start; i < r->start + r->period; i++) {
        emit_line(s, &c->lines.at[i], slot);
        slot += c->lines.at[i].n_slots;
    }
    out_close(s->out);
}

static void emit_lines(SourceText *s, const CallList *c)
{
    int next = 0;
    for (int i = 0; i < c->lines.n;) {
        const Repeat *r = next < c->repeats.n ? &c->repeats.at[next] : NULL;
        if (r && r->start == i) {
            emit_repeat(s, c, r);
            i += r->period * r->count;
            next++;
        } else {
            emit_line(s, &c->lines.at[i++], NULL);
        }
    }
}

/* Whether some line may be longer than one that needs no break, or looks otherwise than clang-format has it. */
static bool is_broken(SourceText *s, const CallList *c)
{
    enum { WIDTH = 88 }; /* of the longest call that needs no break, wherever it stands */
    bool broken = c->repeats.n > 0;
    for (int i = 0; i < c->lines.n && !broken; i++)
        broken = strlen(line_text(s, &c->lines.at[i], NULL)) > WIDTH;
    return broken;
}

/* Calls of few samples, which had one thread, say nothing of how fast a team is. */
static void emit_called(SourceText *s, const CallList *c)
{
    if (c->shared_from > 1)
        out_loop(s->out, "if (n >= %lld)", (long long)c->shared_from);
    out_line(s->out, "nnrt_called(&m->head.company, &team, n, %d);", (int)c->g->fn);
    if (c->shared_from > 1)
        out_end(s->out);
}

void emit_calls(SourceText *s, const CallList *c)
{
    bool broken = is_broken(s, c);
    const char *mark = c->parallel ? "_all(&team, " : "(";
    if (c->parallel)
        out_line(s->out, "nnrt_team team = {0};");
    if (broken)
        out_line(s->out, "/* clang-format off */");
    if (c->parallel) {
        const char *few = c->shared_from > 1
                              ? arena_format(s->arena, "n < %lld ? 1 : ", (long long)c->shared_from)
                              : "";
        out_raw(s->out, "#pragma omp parallel num_threads(%snnrt_members(&m->head.company, n, %d))",
                few, (int)c->g->fn);
        out_line(s->out, "{");
        s->out->depth++;
    }
    if (s->noted)
        out_line(s->out, "nnrt_mark%sprofile, -1);", mark);
    emit_lines(s, c);
    if (c->parallel) {
        out_close(s->out);
        emit_called(s, c);
    }
    if (broken)
        out_line(s->out, "/* clang-format on */");
}
