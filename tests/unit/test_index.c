/* SPDX-License-Identifier: MIT */
/* test_index.c: guards the index maps: composed through random movement, the affine index must
 * name the very element that the ops' own evaluation copies, and quotients must vanish where axes
 * are aligned. */
#include <criterion/criterion.h>
#include <stdlib.h>

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

/* A random movement op on x. */
static Node *move(Graph *g, Node *x)
{
    int rank = x->shape.rank;
    switch (pick(4)) {
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

static void check_chain(Graph *g, Node *x, Node *y, const Tensor *want)
{
    IxSpace s = ix_space(g->program->ctx->arena, BATCH);
    Ix at[RANK_MAX], next[RANK_MAX];
    int64_t count = shape_elements(&y->shape, BATCH);
    int64_t loops[64] = {0}, dims[RANK_MAX];
    for (int i = 0; i < y->shape.rank; i++) {
        dims[i] = axis_extent(&s, &y->shape, i);
        at[i] = ix_loop(&s, "i", dims[i]);
    }
    int atom_of[RANK_MAX];
    for (int i = 0; i < y->shape.rank; i++)
        atom_of[i] = at[i].n ? at[i].t[0].atom : -1;
    for (const Node *n = y; n != x; n = n->in[0]) {
        Guard guards[RANK_MAX];
        int guarded;
        index_operand(&s, n, 0, at, next, guards, &guarded);
        cr_assert_eq(guarded, 0);
        for (int i = 0; i < RANK_MAX; i++)
            at[i] = next[i];
    }
    Ix linear = index_linear(&s, &x->shape, NULL, at);
    for (int64_t e = 0; e < count; e++) {
        int64_t rest = e;
        for (int i = y->shape.rank - 1; i >= 0; i--) {
            if (atom_of[i] >= 0)
                loops[atom_of[i]] = rest % dims[i];
            rest /= dims[i];
        }
        cr_assert_eq(value_of(&s, &linear, loops), (int64_t)want->data[e], "element %lld",
                     (long long)e);
    }
}

Test(index, random_movement_names_the_element_that_evaluation_copies)
{
    for (int seed = 0; seed < 200; seed++) {
        srand((unsigned)seed);
        Ctx ctx = {0};
        Program *p = new_program(&ctx);
        int64_t dims[4] = {1, 1 + pick(4), 1 + pick(6), 1 + pick(4)};
        Input in = {.name = "x", .shape = shape_of(4, dims)};
        in.shape.batch = 0;
        vec_push(ctx.arena, &p->inputs, in);
        Graph *g = graph_new(p, FN_predict);
        Node *x = build_input(g, 0), *y = x;
        for (int i = 1 + pick(5); i > 0 && y->shape.rank < RANK_MAX - 1; i--)
            y = move(g, y);
        cr_assert(y);
        graph_root(g, ROOT_output, 0, y);
        graph_sort(g);
        int64_t count = shape_elements(&x->shape, BATCH);
        double *data = arena_take(ctx.arena, sizeof *data * (size_t)count);
        for (int64_t i = 0; i < count; i++)
            data[i] = (double)i;
        InterpInput run = {.n = BATCH, .inputs = &data};
        Tensor *out = graph_interpret(g, &run, ctx.arena);
        check_chain(g, x, y, out);
        arena_free(ctx.arena);
    }
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
