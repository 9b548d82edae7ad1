/* SPDX-License-Identifier: MIT */
/* index.c: affine index maps with quotients and remainders, and how movement ops compose them. */
#include "index.h"

#include <string.h>

#include "../ops/ops.h"

IxSpace ix_space(Arena *arena, int64_t batch)
{
    IxSpace s = {.arena = arena, .batch = batch};
    return s;
}

Ix ix_const(int64_t c)
{
    Ix x = {.c = c};
    return x;
}

static Ix atom_ix(int atom)
{
    Ix x = {.n = 1};
    x.t[0].atom = atom;
    x.t[0].k = 1;
    return x;
}

static Ix new_atom(IxSpace *s, Atom atom)
{
    if (atom.extent == 1)
        return ix_const(0);
    vec_push(s->arena, &s->atoms, atom);
    return atom_ix(s->atoms.n - 1);
}

Ix ix_loop(IxSpace *s, const char *name, int64_t extent)
{
    Atom a = {.kind = ATOM_loop, .extent = extent, .name = name};
    return new_atom(s, a);
}

IxNarrow ix_narrow(IxSpace *s, int atom, int64_t from, int64_t to)
{
    IxNarrow was = {.atom = atom, .atoms = s->atoms.n, .extent = s->atoms.at[atom].extent};
    s->atoms.at[atom].from = from;
    s->atoms.at[atom].extent = to;
    return was;
}

void ix_widen(IxSpace *s, const IxNarrow *was)
{
    s->atoms.n = was->atoms; /* quotients made since may be of the narrow range alone */
    s->atoms.at[was->atom].from = 0;
    s->atoms.at[was->atom].extent = was->extent;
}

static Ix merge(const Ix *a, const Ix *b)
{
    Ix r = {.c = a->c + b->c};
    int i = 0, j = 0;
    while (i < a->n || j < b->n) {
        struct IxTerm t;
        if (j == b->n || (i < a->n && a->t[i].atom < b->t[j].atom)) {
            t = a->t[i++];
        } else if (i == a->n || b->t[j].atom < a->t[i].atom) {
            t = b->t[j++];
        } else {
            t = a->t[i++];
            t.k += b->t[j++].k;
        }
        if (t.k == 0)
            continue;
        if (r.n == IX_TERMS)
            BUG("index of more than %d terms", IX_TERMS);
        r.t[r.n++] = t;
    }
    return r;
}

static Ix without(const Ix *a, int i, int j)
{
    Ix r = {.c = a->c};
    for (int k = 0; k < a->n; k++)
        if (k != i && k != j)
            r.t[r.n++] = a->t[k];
    return r;
}

/* Whether q * r->by + r is one Ix: (e / k) * k + e % k is e, and (e / (l * k)) * k + e / l % k is
 * e / l. */
static bool completes(const IxSpace *s, const Atom *q, const Atom *r, Ix *whole)
{
    if (q->kind != ATOM_div || r->kind != ATOM_mod)
        return false;
    *whole = r->of;
    if (r->by == q->by && ix_equal(&r->of, &q->of))
        return true;
    const Atom *part = r->of.n == 1 ? &s->atoms.at[r->of.t[0].atom] : NULL;
    return part && part->kind == ATOM_div && r->of.c == 0 && r->of.t[0].k == 1 &&
           part->by * r->by == q->by && ix_equal(&part->of, &q->of);
}

/* What a reshape splits, a linear position joins again. */
static Ix rejoin(const IxSpace *s, Ix a)
{
    for (int i = 0; i < a.n; i++)
        for (int j = 0; j < a.n; j++) {
            const Atom *r = &s->atoms.at[a.t[j].atom];
            Ix whole;
            if (!completes(s, &s->atoms.at[a.t[i].atom], r, &whole) || a.t[i].k != a.t[j].k * r->by)
                continue;
            Ix joined = ix_scale(whole, a.t[j].k), rest = without(&a, i, j);
            return rejoin(s, merge(&rest, &joined));
        }
    return a;
}

Ix ix_add(const IxSpace *s, Ix a, Ix b)
{
    return rejoin(s, merge(&a, &b));
}

Ix ix_scale(Ix a, int64_t k)
{
    if (k == 0)
        return ix_const(0);
    a.c *= k;
    for (int i = 0; i < a.n; i++)
        a.t[i].k *= k;
    return a;
}

bool ix_equal(const Ix *a, const Ix *b)
{
    if (a->c != b->c || a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++)
        if (a->t[i].atom != b->t[i].atom || a->t[i].k != b->t[i].k)
            return false;
    return true;
}

int64_t ix_min(const IxSpace *s, const Ix *a)
{
    int64_t m = a->c;
    for (int i = 0; i < a->n; i++) {
        const Atom *atom = &s->atoms.at[a->t[i].atom];
        m += a->t[i].k * (a->t[i].k < 0 ? atom->extent - 1 : atom->from);
    }
    return m;
}

int64_t ix_max(const IxSpace *s, const Ix *a)
{
    int64_t m = a->c;
    for (int i = 0; i < a->n; i++) {
        const Atom *atom = &s->atoms.at[a->t[i].atom];
        m += a->t[i].k * (a->t[i].k > 0 ? atom->extent - 1 : atom->from);
    }
    return m;
}

int64_t ix_coefficient(const Ix *a, int atom)
{
    for (int i = 0; i < a->n; i++)
        if (a->t[i].atom == atom)
            return a->t[i].k;
    return 0;
}

bool ix_uses(const IxSpace *s, const Ix *a, int atom)
{
    for (int i = 0; i < a->n; i++) {
        const Atom *t = &s->atoms.at[a->t[i].atom];
        if (a->t[i].atom == atom || (t->kind != ATOM_loop && ix_uses(s, &t->of, atom)))
            return true;
    }
    return false;
}

/* Splits a = by * whole + part, the constant of `part` as small as lets it never be negative: C rounds
 * quotients towards 0. */
static void divide_terms(const IxSpace *s, const Ix *a, int64_t by, Ix *whole, Ix *part)
{
    *whole = ix_const(0);
    *part = ix_const(0);
    for (int i = 0; i < a->n; i++) {
        Ix *to = a->t[i].k % by == 0 ? whole : part;
        to->t[to->n] = a->t[i];
        if (to == whole)
            to->t[to->n].k /= by;
        to->n++;
    }
    int64_t c = a->c % by, below = -ix_min(s, part);
    if (c < 0)
        c += by;
    if (below > c)
        c += (below - c + by - 1) / by * by;
    part->c = c;
    whole->c = (a->c - c) / by;
}

static Ix quotient(IxSpace *s, AtomKind kind, Ix of, int64_t by, int64_t extent)
{
    for (int i = 0; i < s->atoms.n; i++) {
        const Atom *a = &s->atoms.at[i];
        if (a->kind == kind && a->by == by && ix_equal(&a->of, &of))
            return atom_ix(i);
    }
    Atom a = {.kind = kind, .extent = extent, .of = of, .by = by};
    return new_atom(s, a);
}

Ix ix_div(IxSpace *s, Ix a, int64_t by)
{
    if (by == 1)
        return a;
    Ix whole, part;
    divide_terms(s, &a, by, &whole, &part);
    if (ix_max(s, &part) < by)
        return whole;
    return ix_add(s, whole, quotient(s, ATOM_div, part, by, ix_max(s, &part) / by + 1));
}

Ix ix_mod(IxSpace *s, Ix a, int64_t by)
{
    if (by == 1)
        return ix_const(0);
    Ix whole, part;
    divide_terms(s, &a, by, &whole, &part);
    if (ix_max(s, &part) < by)
        return part;
    return quotient(s, ATOM_mod, part, by, by);
}

static void atom_text(const IxSpace *s, int i, Str *out)
{
    const Atom *a = &s->atoms.at[i];
    if (a->kind == ATOM_loop)
        str_add(out, "%s", a->name);
    else
        str_add(out, "%s %c %lld", ix_text(s, &a->of, true), a->kind == ATOM_div ? '/' : '%',
                (long long)a->by);
}

/* Whether the sum, or a part of it, may be out of the range of int. */
static bool is_wide(const IxSpace *s, const Ix *a)
{
    int64_t size = a->c < 0 ? -a->c : a->c;
    for (int i = 0; i < a->n; i++)
        size += (a->t[i].k < 0 ? -a->t[i].k : a->t[i].k) * (s->atoms.at[a->t[i].atom].extent - 1);
    return size > INT32_MAX;
}

const char *ix_text(const IxSpace *s, const Ix *a, bool tight)
{
    Str out = str_new(s->arena);
    bool wide = is_wide(s, a);
    int parts = a->n + (a->c != 0 || a->n == 0);
    bool wrap = tight && (parts > 1 || (a->n && a->t[0].k != 1) ||
                          (a->n && s->atoms.at[a->t[0].atom].kind != ATOM_loop));
    if (wrap)
        str_add(&out, "(");
    for (int i = 0; i < a->n; i++) {
        int64_t k = a->t[i].k;
        if (i)
            str_add(&out, k < 0 ? " - " : " + ");
        else if (k < 0)
            str_add(&out, "-");
        int64_t size = k < 0 ? -k : k;
        bool cast = wide && (i == 0 || size != 1); /* no sum and no product is an int */
        bool product = s->atoms.at[a->t[i].atom].kind != ATOM_loop && (size != 1 || cast);
        if (cast)
            str_add(&out, "(ptrdiff_t)");
        if (product)
            str_add(&out, "(");
        atom_text(s, a->t[i].atom, &out);
        if (product)
            str_add(&out, ")");
        if (size != 1)
            str_add(&out, " * %lld", (long long)size);
    }
    if (a->n == 0)
        str_add(&out, "%lld", (long long)a->c);
    else if (a->c)
        str_add(&out, a->c < 0 ? " - %lld" : " + %lld", (long long)(a->c < 0 ? -a->c : a->c));
    if (wrap)
        str_add(&out, ")");
    return out.at;
}

int64_t axis_extent(const IxSpace *s, const Shape *shape, int axis)
{
    return shape->batch == axis ? shape->dim[axis] * s->batch : shape->dim[axis];
}

/* Axes of both shapes fall into groups of equal counts, from the left; in its group the batch has
 * only axes of length 1 before it, on either side, so positions inside have constant strides. */
static void index_reshape(IxSpace *s, const Shape *from, const Shape *to, const Ix *at, Ix *out)
{
    int i = 0, j = 0; /* axes of `to` (the node) and of `from` (its operand) */
    while (i < to->rank || j < from->rank) {
        int i0 = i, j0 = j;
        int64_t a = 1, b = 1;
        bool batch_a = false, batch_b = false;
        do {
            bool take_a = i < to->rank &&
                          (j == from->rank || a < b || (a == b && batch_a <= batch_b && i == i0));
            if (!take_a && j == from->rank)
                BUG("reshape of other counts");
            if (take_a) {
                a *= to->dim[i];
                batch_a |= to->batch == i++;
            } else {
                b *= from->dim[j];
                batch_b |= from->batch == j++;
            }
        } while (a != b || batch_a != batch_b);
        Ix linear = ix_const(0);
        for (int d = i0; d < i; d++)
            linear = ix_add(s, ix_scale(linear, to->dim[d]), at[d]);
        int64_t stride = 1;
        for (int d = j - 1; d >= j0; d--) {
            Ix part = ix_div(s, linear, stride);
            bool first = d == j0 || from->batch == d;
            out[d] = first ? part : ix_mod(s, part, from->dim[d]);
            if (shape_unit(from, d))
                out[d] = ix_const(0);
            stride *= from->dim[d];
        }
    }
}

static void guard_axis(IxSpace *s, Ix e, int64_t hi, int64_t step, Guard *guards, int *n)
{
    Guard g = {.e = e, .hi = hi, .step = step};
    g.test_lo = ix_min(s, &e) < 0;
    g.test_hi = ix_max(s, &e) >= hi;
    if (g.test_lo || g.test_hi || step > 1)
        guards[(*n)++] = g;
}

bool guard_never(const IxSpace *s, const Guard *g)
{
    return ix_max(s, &g->e) < 0 || ix_min(s, &g->e) >= g->hi;
}

static void index_pad(IxSpace *s, const Node *y, const Ix *at, Ix *out, Guard *guards, int *n)
{
    const Shape *x = &y->in[0]->shape;
    for (int d = 0; d < x->rank; d++) {
        int64_t step = y->attr->step[d] > 1 ? y->attr->step[d] : 1;
        Ix e = ix_add(s, at[d], ix_const(-y->attr->start[d]));
        if (y->attr->start[d] || y->attr->end[d] || step > 1)
            guard_axis(s, e, (axis_extent(s, x, d) - 1) * step + 1, step, guards, n);
        out[d] = ix_div(s, e, step);
    }
}

/* [N, o.., k.., C] reads [N, o * stride + k * dilation.., C]. */
static void index_window(IxSpace *s, const Node *y, const Ix *at, Ix *out)
{
    const Taps *t = &y->attr->taps;
    int spatial = y->in[0]->shape.rank - 2;
    out[0] = at[0];
    out[1 + spatial] = at[1 + 2 * spatial];
    for (int d = 0; d < spatial; d++)
        out[1 + d] = ix_add(s, ix_scale(at[1 + d], t->stride[d]),
                            ix_scale(at[1 + spatial + d], t->dilation[d]));
}

/* [N, p.., k.., C] reads [N, (p - k * dilation) / stride.., k.., C], where there is such a window. */
static void index_unwindow(IxSpace *s, const Node *y, const Ix *at, Ix *out, Guard *guards, int *n)
{
    const Taps *t = &y->attr->taps;
    const Shape *x = &y->in[0]->shape;
    int spatial = (x->rank - 2) / 2;
    for (int d = 0; d < x->rank; d++)
        out[d] = at[d];
    for (int d = 0; d < spatial; d++) {
        Ix e = ix_add(s, at[1 + d], ix_scale(at[1 + spatial + d], -t->dilation[d]));
        guard_axis(s, e, (x->dim[1 + d] - 1) * t->stride[d] + 1, t->stride[d], guards, n);
        out[1 + d] = ix_div(s, e, t->stride[d]);
    }
}

static void index_concat(IxSpace *s, const Node *y, int i, const Ix *at, Ix *out, Guard *guards,
                         int *n)
{
    const Shape *x = &y->in[i]->shape;
    int axis = y->attr->axes[0];
    int64_t before = 0;
    for (int k = 0; k < i; k++)
        before += y->in[k]->shape.dim[axis];
    for (int d = 0; d < x->rank; d++)
        out[d] = at[d];
    out[axis] = ix_add(s, at[axis], ix_const(-before));
    guard_axis(s, out[axis], x->dim[axis], 1, guards, n);
}

/* The row of the matrix is known when the kernel runs: a variable of its own, `gathered`. */
static void index_gather(IxSpace *s, const Node *y, int i, const Ix *at, Ix *out)
{
    const Shape *indices = &y->in[1]->shape;
    if (i == 0) {
        out[0] = ix_loop(s, "gathered", y->in[0]->shape.dim[0]);
        out[1] = at[indices->rank];
        return;
    }
    for (int d = 0; d < indices->rank; d++)
        out[d] = shape_unit(indices, d) ? ix_const(0) : at[d];
}

/* NumPy's alignment from the right; an axis of length 1 is read at 0. */
static void index_broadcast(const Shape *y, const Shape *x, const Ix *at, Ix *out)
{
    for (int d = 0; d < x->rank; d++)
        out[d] = shape_unit(x, d) ? ix_const(0) : at[d + y->rank - x->rank];
}

void index_operand(IxSpace *s, const Node *y, int i, const Ix *at, Ix *out, Guard *guards,
                   int *n_guards)
{
    const Shape *x = &y->in[i]->shape;
    *n_guards = 0;
    switch (y->op) {
    case OP_reshape: index_reshape(s, x, &y->shape, at, out); break;
    case OP_transpose:
        for (int d = 0; d < x->rank; d++)
            out[y->attr->axes[d]] = at[d];
        break;
    case OP_slice:
        for (int d = 0; d < x->rank; d++) {
            int64_t step = y->attr->step[d] > 1 ? y->attr->step[d] : 1;
            out[d] = ix_add(s, ix_scale(at[d], step), ix_const(y->attr->start[d]));
        }
        break;
    case OP_flip:
        for (int d = 0; d < x->rank; d++)
            out[d] = at[d];
        for (int k = 0; k < y->attr->n_axes; k++) {
            int d = y->attr->axes[k];
            out[d] = ix_add(s, ix_const(x->dim[d] - 1), ix_scale(at[d], -1));
        }
        break;
    case OP_window: index_window(s, y, at, out); break;
    case OP_unwindow: index_unwindow(s, y, at, out, guards, n_guards); break;
    case OP_pad: index_pad(s, y, at, out, guards, n_guards); break;
    case OP_concat: index_concat(s, y, i, at, out, guards, n_guards); break;
    case OP_gather: index_gather(s, y, i, at, out); break;
    default: index_broadcast(&y->shape, x, at, out); break;
    }
}

Ix index_linear(IxSpace *s, const Shape *shape, const int *perm, const Ix *at)
{
    Ix linear = ix_const(0);
    for (int d = 0; d < shape->rank; d++) {
        int axis = perm ? perm[d] : d;
        /* Only an outermost batch axis is as long as n says; elsewhere it has room for all. */
        linear = ix_add(s, ix_scale(linear, d ? axis_extent(s, shape, axis) : 1), at[axis]);
    }
    return linear;
}
