/* SPDX-License-Identifier: MIT */
/* kernel_panels.c: how a product's operands are packed in panels: copied, turned, or computed number by number. */
#include <string.h>

#include "kernel_product.h"

const char *number(Product *p, int64_t x)
{
    return arena_format(p->e->arena, "%lld", (long long)x);
}

/* An extent as it may stand behind `*`. */
const char *factor(Product *p, const char *extent)
{
    return strchr(extent, ' ') ? arena_format(p->e->arena, "(%s)", extent) : extent;
}

const char *axis_text(Product *p, const Shape *s, int axis)
{
    return emit_extent(p->e, s->dim[axis], s->batch == axis);
}

int atom_of(const Ix *loop)
{
    return loop->n ? loop->t[0].atom : -1;
}

/* One element of an operand, to packed memory. */
static void pack_element(Product *p, const Node *x, const Ix *at, const char *to)
{
    int known = p->e->known.n;
    const char *value = emit_value(p->e, x, at);
    out_line(p->e->out, "%s = %s;", to, emit_bare(p->e, value));
    p->e->known.n = known;
}

/* "x + i0 * 784": where a plain operand lies at these two loop variables, which the text leaves out, and how
 * far apart neighbours along each are. */
const char *plain_text(Product *p, const Node *base, Ix linear, const Ix *first, const Ix *second,
                       int64_t apart[2])
{
    Emit *e = p->e;
    const Ix *loop[] = {first, second};
    for (int i = 0; i < 2; i++) {
        apart[i] = loop[i]->n ? ix_coefficient(&linear, atom_of(loop[i])) : 0;
        linear = ix_add(&e->space, linear, ix_scale(*loop[i], -apart[i]));
    }
    const char *name = emit_buffer(e, node_buffer(e->g, base), false);
    if (!linear.n && !linear.c)
        return name;
    return arena_format(e->arena, "%s + %s", name, ix_text(&e->space, &linear, false));
}

/* Pieces of the loop over inner steps, in which all that is packed of x reads the same operands. */
static Pieces inner_pieces(Product *p, const Node *x, const Ix *at)
{
    const Shape *a = &p->y->in[0]->shape;
    int64_t steps = axis_extent(&p->e->space, a, a->rank - 1);
    Pieces pieces = pieces_whole(steps);
    if (p->inner[0] >= '0' && p->inner[0] <= '9')
        pieces_cut(p->e, &pieces, x, at, &p->k, 1);
    return pieces;
}

/* One panel of an operand that is computed, number by number. */
static void make_panel(Product *p, const Node *x, const Ix *at, const char *name, int width,
                       const char *count, bool whole)
{
    Emit *e = p->e;
    Pieces pieces = inner_pieces(p, x, at);
    for (int i = 0; i < pieces.n; i++) {
        bool cut = pieces.n > 1;
        IxNarrow was = {0};
        if (cut)
            was = ix_narrow(&e->space, atom_of(&p->k), pieces.at[i], pieces.at[i + 1]);
        out_open(e->out, "for (int k = %lld; k < %s; k++)", (long long)pieces.at[i],
                 cut ? number(p, pieces.at[i + 1]) : p->inner);
        out_open(e->out, "for (int v = 0; v < %s; v++)", count);
        size_t index = out_index(e->out, name, arena_format(e->arena, "%s0 + v", name));
        pack_element(p, x, at, arena_format(e->arena, "panel[k * %d + v]", width));
        out_unindex(e->out, index, name);
        out_close(e->out);
        out_close(e->out);
        if (cut)
            ix_widen(&e->space, &was);
    }
    if (whole || *name == 'i') /* tiles read no row of the left one that is not there */
        return;
    out_loop(e->out, "for (int k = 0; k < %s; k++)", p->inner);
    out_loop(e->out, "for (int v = width; v < %d; v++)", width);
    out_line(e->out, "panel[k * %d + v] = 0.0f;", width);
    out_end(e->out);
    out_end(e->out);
}

/* Whether x, indexed by `at`, takes rows of a table along the inner steps. */
static bool takes_rows(Product *p, const Node *x, const Ix *at, int *visits)
{
    OpClass class = op_rows[x->op].cls;
    if (x->op == OP_gather)
        return ix_coefficient(&at[x->shape.rank - 1], atom_of(&p->k)) == 1;
    if (node_buffer(p->e->g, x) || x->uniform || --*visits < 0 ||
        (class != CLASS_EW && class != CLASS_MOVE))
        return false;
    for (int i = 0; i < x->n_in; i++) {
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        index_operand(&p->e->space, x, i, at, operand, guards, &n);
        if (takes_rows(p, x->in[i], operand, visits))
            return true;
    }
    return false;
}

bool packs_by_rows(Product *p, const Node *x, const Ix *at)
{
    int visits = 64;
    return p->plan->pack_a && p->inner[0] >= '0' && p->inner[0] <= '9' && p->k.n &&
           takes_rows(p, x, at, &visits);
}

void pack_rows(Product *p, const Node *x, const Ix *at)
{
    Emit *e = p->e;
    Pieces pieces = inner_pieces(p, x, at);
    emit_shared_for(e, "i", 0, p->rows, 1);
    out_line(e->out, "float *const row = %s + (size_t)i * %s;", packed_left(p), p->inner);
    for (int i = 0; i < pieces.n; i++) {
        IxNarrow was = ix_narrow(&e->space, atom_of(&p->k), pieces.at[i], pieces.at[i + 1]);
        out_open(e->out, "for (int k = %lld; k < %lld; k++)", (long long)pieces.at[i],
                 (long long)pieces.at[i + 1]);
        pack_element(p, x, at, "row[k]");
        out_close(e->out);
        ix_widen(&e->space, &was);
    }
    out_close(e->out);
}

/* "x + (i % 64) * 8192": where a plain operand lies whose index is divided, i being where a panel begins; the distance
 * of inner steps. */
static const char *divided_text(Product *p, const Node *base, Ix linear, int64_t *step)
{
    Emit *e = p->e;
    *step = ix_coefficient(&linear, atom_of(&p->k));
    linear = ix_add(&e->space, linear, ix_scale(p->k, -*step));
    return arena_format(e->arena, "%s + %s", emit_buffer(e, node_buffer(e->g, base), false),
                        ix_text(&e->space, &linear, false));
}

/* A panel of the left operand, at i0, whose index is divided by whole panels; false: it is not so. */
static bool divided_panel(Product *p, const Packed *w, const char *count, const char *panel)
{
    Emit *e = p->e;
    const Node *base;
    Ix linear;
    int64_t apart, step;
    PackWay way = PACK_made;
    if (*w->name == 'i')
        way = operand_way_in_panels(&e->space, w->x, w->at, atom_of(&p->i), atom_of(&p->k),
                                    w->width, &base, &linear, &apart);
    if (way == PACK_made)
        return false;
    out_line(e->out, "const int i = i0;");
    const char *first = divided_text(p, base, linear, &step);
    out_wrap(e->out, "%s_%s_%d(%s, %s, %s, %lld, %s);", e->p->name,
             way == PACK_turned ? "turn" : "copy", w->width, count, p->inner, first,
             (long long)(way == PACK_turned ? apart : step), panel);
    return true;
}

/* The panels `from` to `to`, which is text. */
static void pack_panels(Product *p, const Packed *w, int64_t from, const char *to)
{
    Emit *e = p->e;
    const Ix *along = *w->name == 'j' ? &p->j : &p->i;
    const char *name = w->name, *size = w->size;
    const Node *base;
    Ix linear;
    PackWay way =
        operand_way(&e->space, w->x, w->at, atom_of(along), atom_of(&p->k), &base, &linear);
    bool whole = w->full % w->width == 0 && *size >= '0' && *size <= '9';
    const char *count = whole ? number(p, w->width) : "width";
    emit_shared_for(e, arena_format(e->arena, "%s0", name), from, to, w->width);
    if (!whole)
        out_line(e->out, "const int width = %s - %s0 < %d ? %s - %s0 : %d;", size, name, w->width,
                 size, name, w->width);
    const char *panel =
        arena_format(e->arena, "%s + (size_t)%s0 * %s", w->to, name, factor(p, p->inner));
    if (way == PACK_made) {
        if (!divided_panel(p, w, count, panel)) {
            out_line(e->out, "float *const panel = %s;", panel);
            make_panel(p, w->x, w->at, name, w->width, count, whole);
        }
    } else {
        int64_t apart[2];
        const char *first = plain_text(p, base, linear, along, &p->k, apart);
        out_wrap(e->out, "%s_%s_%d(%s, %s, %s + (size_t)%s0 * %lld, %lld, %s);", e->p->name,
                 way == PACK_turned ? "turn" : "copy", w->width, count, p->inner, first, name,
                 (long long)apart[0], (long long)apart[way == PACK_copied], panel);
    }
    out_close(e->out);
}

/* Panels of `width` columns (of rows, for the left operand) of an operand: [panels][inner][width]. Those that
 * read other parts of what is put together of several have loops of their own. */
void pack(Product *p, const Packed *w)
{
    Emit *e = p->e;
    const Ix *along = *w->name == 'j' ? &p->j : &p->i;
    Pieces pieces = pieces_whole(w->full);
    if (*w->size >= '0' && *w->size <= '9')
        pieces_cut(e, &pieces, w->x, w->at, along, w->width);
    if (pieces.n == 1) {
        pack_panels(p, w, 0, w->size);
        return;
    }
    for (int i = 0; i < pieces.n; i++) {
        IxNarrow was = ix_narrow(&e->space, atom_of(along), pieces.at[i], pieces.at[i + 1]);
        pack_panels(p, w, pieces.at[i], number(p, pieces.at[i + 1]));
        ix_widen(&e->space, &was);
    }
}

/* Where the right operand is packed: by this kernel, or by another before. */
const char *packed_right(Product *p)
{
    Kernel *k = p->e->k;
    return k->packed ? emit_buffer(p->e, k->packed, k->kind == KERNEL_pack)
                     : emit_buffer(p->e, k->workspace, true);
}

/* Where this kernel packs the left one. */
const char *packed_left(Product *p)
{
    const char *name = emit_buffer(p->e, p->e->k->workspace, true);
    bool first = p->e->k->packed || p->plan->b_floats == 0;
    return first ? name
                 : arena_format(p->e->arena, "%s + %lld", name, (long long)p->plan->b_floats);
}
