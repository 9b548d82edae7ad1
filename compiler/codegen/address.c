/* SPDX-License-Identifier: MIT */
/* address.c: where a buffer is, in the text of the function that calls kernels, and which memory that is.
 *
 * A body's buffers are parts of those around it: slices of stacks, the scratch that the scan has for its
 * steps. A state that is stacked lies in the stack, where the step before has put it; any other lies in turn
 * in the scan's result and in memory of the same size. */
#include "emit.h"

const Buffer *buffer_root(const Buffer *b)
{
    while (b->over)
        b = b->over;
    return b;
}

/* The buffer of a result of the scan that runs the frame's body. */
static const Buffer *result_buffer(const Frame *f, int i)
{
    for (int k = 0; k < f->scan->stores.n; k++)
        if (f->scan->stores.at[k]->attr->part == i)
            return node_buffer(f->outer->g, f->scan->stores.at[k]);
    BUG("a scan without result %d", i);
}

static const Buffer *operand_buffer(const Frame *f, int i)
{
    return node_buffer(f->outer->g, f->scan->scan->in[i]);
}

/* The stack that holds a state; -1: none. */
static int stack_of(const Scan *s, int state)
{
    const Node *next = graph_find_root(s->body, ROOT_next, state);
    for (int i = 0; i < s->body->roots.n; i++)
        if (s->body->roots.at[i].kind == ROOT_step && s->body->roots.at[i].node == next)
            return s->body->roots.at[i].index;
    return -1;
}

/* --- text ------------------------------------------------------------------------------------- */

static const char *plus(SourceText *s, const char *base, const Buffer *b)
{
    static const char *const types[] = {
        [DT_f32] = "float", [DT_i32] = "int32_t", [DT_u8] = "uint8_t"};
    const char *sum =
        b->offset ? arena_format(s->arena, "%s + %lld", base, (long long)b->offset / 4) : base;
    return b->dtype == DT_f32 ? sum : arena_format(s->arena, "(%s *)(%s)", types[b->dtype], sum);
}

/* Slice t + `shift` of a stack of such slices. */
static const char *slice_text(SourceText *s, const Frame *f, const Buffer *stack, int64_t slice,
                              int shift)
{
    const char *base = buffer_address(s, f->outer, stack);
    const char *wide = slice * f->g->scan->length > INT32_MAX ? "(size_t)" : "";
    if (!shift)
        return arena_format(s->arena, "%s + %s%s * %lld", base, wide, f->t, (long long)slice);
    return arena_format(s->arena, "%s + %s(%s %c 1) * %lld", base, wide, f->t,
                        shift < 0 ? '-' : '+', (long long)slice);
}

/* Where an unstacked state's value of this step, or of the one before it, is written: in the result after
 * the last step, and so after every second. */
static const char *turn_text(SourceText *s, const Frame *f, int state, bool before)
{
    const Scan *scan = f->g->scan;
    bool even = scan->backwards || scan->length % 2; /* steps of even number write to the result */
    const char *result = buffer_address(s, f->outer, result_buffer(f, state));
    const char *other = buffer_address(s, f, f->g->plan->turn[state]);
    bool swap = even != before;
    return arena_format(s->arena, "(%s %% 2 ? %s : %s)", f->t, swap ? other : result,
                        swap ? result : other);
}

static const char *state_text(SourceText *s, const Frame *f, int state, int64_t slice)
{
    const Scan *scan = f->g->scan;
    int stack = stack_of(scan, state);
    const char *before = stack < 0 ? turn_text(s, f, state, true)
                                   : slice_text(s, f, result_buffer(f, scan->n_states + stack),
                                                slice, scan->backwards ? 1 : -1);
    const char *later =
        scan->backwards ? arena_format(s->arena, "%s < %lld", f->t, (long long)(scan->length - 1))
                        : f->t;
    return arena_format(s->arena, "(%s ? %s : %s)", later, before,
                        buffer_address(s, f->outer, operand_buffer(f, state)));
}

static const char *body_address(SourceText *s, const Frame *f, const Buffer *b)
{
    const Scan *scan = f->g->scan;
    int64_t slice = shape_elements(&b->shape, s->p->train.batch);
    switch (b->kind) {
    case BUF_scratch: return plus(s, buffer_address(s, f->outer, f->scan->workspace), b);
    case BUF_step: return slice_text(s, f, result_buffer(f, scan->n_states + b->index), slice, 0);
    case BUF_next: return turn_text(s, f, b->index, false);
    case BUF_operand:
        if (b->index < scan->n_states)
            return state_text(s, f, b->index, slice);
        if (b->index < scan->n_states + scan->n_slices)
            return slice_text(s, f, operand_buffer(f, b->index), slice, 0);
        return buffer_address(s, f->outer, operand_buffer(f, b->index));
    default: BUG("a body has no such buffers");
    }
}

char slot_kind(const Slot *slot)
{
    const Buffer *b = slot->buffer;
    if (!b)
        return 'k';
    if (b->kind == BUF_grads)
        return 'g';
    if (b->kind == BUF_var)
        return b->var->kind == VAR_cache ? 'c' : b->var->kind == VAR_memory ? 'a' : 'v';
    return b->dtype == DT_f32 ? 's' : b->dtype == DT_i32 ? 'i' : 'b';
}

const char *slot_text(SourceText *s, Slot slot)
{
    vec_push(s->arena, &s->slots, slot);
    return arena_format(s->arena, "\1%c%d\2", slot_kind(&slot), s->slots.n - 1);
}

const char *buffer_address(SourceText *s, const Frame *f, const Buffer *b)
{
    b = buffer_root(b);
    if (b->kind == BUF_data)
        return data_name(s, b);
    if (f->outer)
        return body_address(s, f, b);
    if (b->kind == BUF_input || b->kind == BUF_output)
        return b->name;
    return slot_text(s, (Slot){.buffer = b});
}

/* --- memory ----------------------------------------------------------------------------------- */

static void body_spans(SourceText *s, const Frame *f, const Buffer *b, SpanList *list)
{
    const Scan *scan = f->g->scan;
    int before = list->n, stack;
    switch (b->kind) {
    case BUF_scratch:
        buffer_spans(s, f->outer, f->scan->workspace, list);
        list->at[before].from += b->offset;
        list->at[before].to = list->at[before].from + b->bytes;
        break;
    case BUF_step:
        buffer_spans(s, f->outer, result_buffer(f, scan->n_states + b->index), list);
        break;
    case BUF_next:
        buffer_spans(s, f->outer, result_buffer(f, b->index), list);
        buffer_spans(s, f, f->g->plan->turn[b->index], list);
        break;
    case BUF_operand:
        buffer_spans(s, f->outer, operand_buffer(f, b->index), list);
        if (b->index >= scan->n_states)
            break;
        stack = stack_of(scan, b->index);
        buffer_spans(s, f->outer, result_buffer(f, stack < 0 ? b->index : scan->n_states + stack),
                     list);
        if (stack < 0)
            buffer_spans(s, f, f->g->plan->turn[b->index], list);
        break;
    default: BUG("a body has no such buffers");
    }
}

void buffer_spans(SourceText *s, const Frame *f, const Buffer *b, SpanList *list)
{
    b = buffer_root(b);
    if (b->kind == BUF_data)
        return; /* never written */
    if (f->outer) {
        body_spans(s, f, b, list);
        return;
    }
    Span span = {.kind = b->kind, .index = b->index, .to = b->bytes};
    if (b->kind == BUF_scratch || b->kind == BUF_grads)
        span = (Span){.kind = b->kind, .from = b->offset, .to = b->offset + b->bytes};
    vec_push(s->arena, list, span);
}

bool spans_meet(const SpanList *a, const SpanList *b)
{
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++) {
            const Span *x = &a->at[i], *y = &b->at[k];
            if (x->kind == y->kind && x->index == y->index && x->from < y->to && y->from < x->to)
                return true;
        }
    return false;
}
