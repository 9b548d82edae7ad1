/* SPDX-License-Identifier: MIT */
/* test_index.c: guards the index maps: composed through random movement, the affine index must
 * name the very element that the ops' own evaluation copies, and quotients must vanish where axes
 * are aligned. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../compiler/ops/ops.h"
#include "../../compiler/passes/index.h"

enum { BATCH = 3 };

static Program *new_program(Ctx *ctx)
{
    ctx->arena = arena_new();
    ctx->diag.out = stderr;
    ctx->diag.limit = 20;
    Program *p = arena_take(ctx->arena, sizeof *p);
    p->ctx = ctx;
    p->name = "t";
    p->train.batch = BATCH;
    return p;
}

static int64_t value_of(const IxSpace *s, const Ix *x, const int64_t *loops)
{
    int64_t v = x->c;
    for (int i = 0; i < x->n; i++) {
        const Atom *a = &s->atoms.at[x->t[i].atom];
        int64_t of = a->kind == ATOM_loop ? loops[x->t[i].atom] : value_of(s, &a->of, loops);
        v += x->t[i].k * (a->kind == ATOM_div ? of / a->by : a->kind == ATOM_mod ? of % a->by : of);
    }
    return v;
}

static int pick(int n)
{
    return rand() % n;
}

/* Windows over all axes of x but the first and the last. */
static Node *windows(Graph *g, Node *x)
{
    Attr attr = {0};
    for (int i = 0; i < x->shape.rank - 2; i++) {
        int64_t length = x->shape.dim[1 + i];
        attr.taps.size[i] = 1 + pick((int)(length < 3 ? length : 3));
        attr.taps.stride[i] = 1 + pick(3);
        int64_t more = attr.taps.size[i] - 1, room = length - 1;
        attr.taps.dilation[i] = 1 + pick((int)(more ? room / more : 2));
    }
    return graph_add(g, OP_window, 1, &x, &attr);
}

/* x read as windows: each tap of them where it lay. */
static Node *unwindow(Graph *g, Node *x)
{
    Attr attr = {0};
    int spatial = (x->shape.rank - 2) / 2;
    for (int i = 0; i < spatial; i++) {
        attr.taps.size[i] = x->shape.dim[1 + spatial + i];
        attr.taps.stride[i] = 1 + pick(3);
        attr.taps.dilation[i] = 1 + pick(3);
        attr.taps.from[i] = (x->shape.dim[1 + i] - 1) * attr.taps.stride[i] +
                            (attr.taps.size[i] - 1) * attr.taps.dilation[i] + 1 +
                            pick((int)attr.taps.stride[i]);
    }
    return graph_add(g, OP_unwindow, 1, &x, &attr);
}

static Node *pad(Graph *g, Node *x)
{
    int64_t before[RANK_MAX] = {0}, after[RANK_MAX] = {0}, step[RANK_MAX];
    for (int i = 0; i < x->shape.rank; i++) {
        bool still = i == 0 || pick(2);
        before[i] = still ? 0 : pick(3);
        after[i] = still ? 0 : pick(3);
        step[i] = still ? 1 : 1 + pick(2);
    }
    return build_pad(g, x, before, after, step, 0);
}

/* A random movement op on x; x itself where it does not fit. */
static Node *move(Graph *g, Node *x)
{
    int rank = x->shape.rank;
    switch (pick(8)) {
    case 4: return build_flip(g, x, 1, (int[]){1 + pick(rank - 1)});
    case 5: return rank >= 3 && rank <= 5 ? windows(g, x) : x;
    case 6: return rank >= 4 && rank % 2 == 0 ? unwindow(g, x) : x;
    case 7: return pad(g, x);
    case 0: {
        int perm[RANK_MAX];
        for (int i = 0; i < rank; i++)
            perm[i] = i;
        for (int i = rank - 1; i > 1; i--) { /* the batch stays first */
            int k = 1 + pick(i), t = perm[i];
            perm[i] = perm[k];
            perm[k] = t;
        }
        return build_transpose(g, x, perm);
    }
    case 1: {
        Shape s = x->shape;
        int64_t rest = 1;
        for (int i = 1; i < rank; i++)
            rest *= s.dim[i];
        s.rank = 1;
        for (int64_t f = 2; rest > 1 && s.rank < 4; f++)
            while (rest % f == 0 && s.rank < 4) {
                s.dim[s.rank++] = f;
                rest /= f;
            }
        s.dim[s.rank++] = rest;
        return build_reshape(g, x, &s);
    }
    case 2: {
        int axis = 1 + pick(rank - 1);
        int64_t d = x->shape.dim[axis];
        int64_t start = pick((int)d), end = start + 1 + pick((int)(d - start));
        return build_slice(g, x, axis, start, end, 1 + pick(2));
    }
    default: return build_unsqueeze(g, x, 1 + pick(rank));
    }
}

/* The index of x's element that stands at some place of y, and under which conditions. */
typedef struct Chain {
    Ix linear;
    Guard guard[64];
    int n_guards;
} Chain;

static Chain chain_of(IxSpace *s, const Node *y, const Node *x, Ix *at)
{
    Ix next[RANK_MAX];
    Chain c = {.n_guards = 0};
    for (const Node *n = y; n != x; n = n->in[0]) {
        int guarded;
        cr_assert_leq(c.n_guards + RANK_MAX, COUNT(c.guard));
        index_operand(s, n, 0, at, next, &c.guard[c.n_guards], &guarded);
        cr_assert_leq(guarded, RANK_MAX);
        cr_assert(guarded == 0 || n->op == OP_pad || n->op == OP_unwindow);
        c.n_guards += guarded;
        memcpy(at, next, sizeof next);
    }
    c.linear = index_linear(s, &x->shape, NULL, at);
    return c;
}

/* What is not tested must hold wherever the conditions before it do. */
static bool is_read(const IxSpace *s, const Chain *c, const int64_t *loops)
{
    for (int i = 0; i < c->n_guards; i++) {
        const Guard *g = &c->guard[i];
        int64_t e = value_of(s, &g->e, loops);
        cr_assert(g->test_lo || e >= 0);
        cr_assert(g->test_hi || e < g->hi);
        if (e < 0 || e >= g->hi || (g->step > 1 && e % g->step))
            return false;
    }
    return true;
}

static void check_chain(Graph *g, Node *x, Node *y, const Tensor *want)
{
    IxSpace s = ix_space(g->program->ctx->arena, BATCH);
    Ix at[RANK_MAX];
    int64_t count = shape_elements(&y->shape, BATCH);
    int64_t loops[64] = {0}, dims[RANK_MAX];
    for (int i = 0; i < y->shape.rank; i++) {
        dims[i] = axis_extent(&s, &y->shape, i);
        at[i] = ix_loop(&s, "i", dims[i]);
    }
    int atom_of[RANK_MAX];
    for (int i = 0; i < y->shape.rank; i++)
        atom_of[i] = at[i].n ? at[i].t[0].atom : -1;
    Chain c = chain_of(&s, y, x, at);
    for (int64_t e = 0; e < count; e++) {
        int64_t rest = e;
        for (int i = y->shape.rank - 1; i >= 0; i--) {
            if (atom_of[i] >= 0)
                loops[atom_of[i]] = rest % dims[i];
            rest /= dims[i];
        }
        int64_t from = is_read(&s, &c, loops) ? value_of(&s, &c.linear, loops) + 1 : 0;
        cr_assert_eq(from, (int64_t)want->data[e], "element %lld", (long long)e);
    }
}

Test(index, random_movement_names_the_element_that_evaluation_copies)
{
    int reached[OP_COUNT] = {0};
    for (int seed = 0; seed < 600; seed++) {
        srand((unsigned)seed);
        Ctx ctx = {0};
        Program *p = new_program(&ctx);
        int64_t dims[4] = {1, 1 + pick(4), 1 + pick(6), 1 + pick(4)};
        Input in = {.name = "x", .shape = shape_of(4, dims)};
        in.shape.batch = 0;
        vec_push(ctx.arena, &p->inputs, in);
        Graph *g = graph_new(p, FN_predict);
        Node *x = build_input(g, 0), *y = x;
        for (int i = 1 + pick(5); i > 0 && y->shape.rank < RANK_MAX - 1; i--) {
            Node *moved = move(g, y);
            cr_assert(moved);
            y = shape_count(&moved->shape) < 4096 ? moved : y;
            reached[y->op]++;
        }
        graph_root(g, ROOT_output, 0, y);
        graph_sort(g);
        int64_t count = shape_elements(&x->shape, BATCH);
        double *data = arena_take(ctx.arena, sizeof *data * (size_t)count);
        for (int64_t i = 0; i < count; i++)
            data[i] = (double)(i + 1); /* 0 is what pad and unwindow put beside */
        InterpInput run = {.n = BATCH, .inputs = &data};
        Tensor *out = graph_interpret(g, &run, ctx.arena);
        check_chain(g, x, y, out);
        arena_free(ctx.arena);
    }
    static const OpKind moves[] = {OP_reshape, OP_transpose, OP_slice,   OP_pad,
                                   OP_flip,    OP_window,    OP_unwindow};
    for (int i = 0; i < COUNT(moves); i++)
        cr_expect_gt(reached[moves[i]], 50, "%s: %d", op_rows[moves[i]].name, reached[moves[i]]);
}

Test(index, quotients_vanish_where_axes_are_aligned)
{
    Arena *arena = arena_new();
    IxSpace s = ix_space(arena, 1);
    Ix i = ix_loop(&s, "i", 6), j = ix_loop(&s, "j", 4);
    Ix linear = ix_add(&s, ix_scale(i, 4), j);
    Ix q = ix_div(&s, linear, 4), r = ix_mod(&s, linear, 4);
    cr_assert(ix_equal(&q, &i));
    cr_assert(ix_equal(&r, &j));
    Ix odd = ix_div(&s, linear, 5);
    cr_assert_eq(s.atoms.at[odd.t[0].atom].kind, ATOM_div);
    Ix again = ix_add(&s, ix_scale(odd, 5), ix_mod(&s, linear, 5));
    cr_assert(ix_equal(&again, &linear), "what a split divides, a join gives back");
    arena_free(arena);
}

/* A reshape to three axes and back: [24] as [3, 4, 2]. */
Test(index, what_is_split_in_three_is_joined)
{
    Arena *arena = arena_new();
    IxSpace s = ix_space(arena, 1);
    Ix i = ix_loop(&s, "i", 24);
    Ix middle = ix_mod(&s, ix_div(&s, i, 2), 4), last = ix_mod(&s, i, 2);
    Ix two = ix_add(&s, ix_scale(ix_div(&s, i, 8), 4), middle), half = ix_div(&s, i, 2);
    cr_expect(ix_equal(&two, &half));
    Ix all = ix_add(&s, ix_scale(two, 2), last);
    cr_expect(ix_equal(&all, &i));
    arena_free(arena);
}

Test(index, text_puts_parentheses_where_c_needs_them)
{
    Arena *arena = arena_new();
    IxSpace s = ix_space(arena, 1);
    Ix i = ix_loop(&s, "i", 6), j = ix_loop(&s, "j", 4);
    Ix linear = ix_add(&s, ix_add(&s, ix_scale(i, 10), j), ix_const(-3));
    cr_assert_str_eq(ix_text(&s, &linear, false), "i * 10 + j - 3");
    cr_assert_str_eq(ix_text(&s, &linear, true), "(i * 10 + j - 3)");
    cr_assert_str_eq(ix_text(&s, &i, true), "i");
    Ix q = ix_scale(ix_div(&s, ix_add(&s, linear, ix_const(3)), 7), 2);
    cr_assert_str_eq(ix_text(&s, &q, false), "((i * 10 + j) / 7) * 2");
    arena_free(arena);
}

Test(index, text_is_wide_where_an_int_is_too_small)
{
    Arena *arena = arena_new();
    IxSpace s = ix_space(arena, 1);
    Ix i = ix_loop(&s, "i", 50000), j = ix_loop(&s, "j", 60000);
    Ix linear = ix_add(&s, ix_scale(i, 60000), j), other = ix_add(&s, i, ix_scale(j, 50000));
    cr_assert_str_eq(ix_text(&s, &linear, false), "(ptrdiff_t)i * 60000 + j");
    cr_assert_str_eq(ix_text(&s, &other, true), "((ptrdiff_t)i + (ptrdiff_t)j * 50000)");
    Ix q = ix_scale(ix_div(&s, linear, 7), 7);
    cr_assert_str_eq(ix_text(&s, &q, false), "(ptrdiff_t)(((ptrdiff_t)i * 60000 + j) / 7) * 7");
    Ix last = ix_loop(&s, "last", 32768), fits = ix_add(&s, ix_scale(last, 65535), ix_const(32767));
    cr_assert_str_eq(ix_text(&s, &fits, false), "last * 65535 + 32767", "65535 under 2^31 - 1");
    arena_free(arena);
}

/* In a piece of a loop a concat's part is known, and nothing of that stays behind. */
Test(index, narrowed)
{
    Arena *arena = arena_new();
    IxSpace s = ix_space(arena, 1);
    Ix j = ix_loop(&s, "j", 384);
    Ix at = ix_add(&s, j, ix_const(-128));
    const Guard part = {.e = at, .test_lo = true, .test_hi = true, .hi = 128, .step = 1};
    int atoms = s.atoms.n;
    cr_expect(!guard_never(&s, &part));
    IxNarrow was = ix_narrow(&s, j.t[0].atom, 0, 128);
    cr_expect(guard_never(&s, &part));
    ix_widen(&s, &was);
    was = ix_narrow(&s, j.t[0].atom, 128, 256);
    cr_expect_eq(ix_min(&s, &at), 0);
    cr_expect_eq(ix_max(&s, &at), 127);
    ix_div(&s, j, 100);
    ix_widen(&s, &was);
    cr_expect_eq(s.atoms.n, atoms);
    cr_expect_eq(ix_max(&s, &j), 383);
    arena_free(arena);
}
