/* SPDX-License-Identifier: MIT */
/* test_stash.c: guards compiler/passes/stash.c: loops in pieces give the values and the gradients of the loop,
 * and keep states between pieces alone. */
#include "scan_loop.h"

static void ask(Node *scan, int64_t k)
{
    Scan *s = (Scan *)scan->attr->scan;
    s->stash = k;
}

/* Scans of this length in a graph; of any: 0. */
static int count_scans(const Graph *g, int64_t length)
{
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        n += y->op == OP_scan && (length == 0 || y->attr->scan->length == length);
    }
    return n;
}

static void check_pieces(bool backwards, int64_t k)
{
    Loop l = loop_new(backwards);
    ask(l.scan, k);
    graph_sort(l.f->g);
    Tensor *whole = run(l.f);
    pass_stash(l.f->g);
    graph_verify(l.f->g, "stash");
    Tensor *cut = run(l.f);
    for (int r = 0; r < l.f->g->roots.n; r++)
        cr_expect_eq(memcmp(whole[r].data, cut[r].data,
                            sizeof(double) * (size_t)shape_count(&whole[r].shape)),
                     0, "pieces of %d, root %d", (int)k, r);
    cr_expect_eq(count_scans(l.f->g, 0), STEPS % k ? 2 : 1);
    check_gradients(l.f);
    fixture_free(l.f);
}

Test(stash, pieces_are_the_loop)
{
    for (int k = 1; k < STEPS; k++) {
        check_pieces(false, k);
        check_pieces(true, k);
    }
}

Test(stash, pieces_as_long_as_the_loop_are_none)
{
    for (int k = 0; k < 3; k++) {
        Loop l = loop_new(false);
        ask(l.scan, k == 0 ? 0 : k == 1 ? STEPS : DIM_MAX);
        graph_sort(l.f->g);
        pass_stash(l.f->g);
        cr_expect_eq(count_scans(l.f->g, STEPS), 1);
        fixture_free(l.f);
    }
}

/* Of stacks that the loop fills for its gradient, those of T steps are results alone. */
Test(stash, states_between_pieces_are_kept)
{
    Loop l = loop_new(false);
    ask(l.scan, 2);
    graph_sort(l.f->g);
    pass_stash(l.f->g);
    int before = 0, after = 0;
    for (int i = 0; i < l.f->g->nodes.n; i++)
        if (l.f->g->nodes.at[i]->op == OP_scan)
            before = scan_stacks(l.f->g->nodes.at[i]->attr->scan);
    pass_autodiff(l.f->g);
    const Node *forward = NULL;
    for (int i = 0; i < l.f->g->nodes.n && !forward; i++)
        if (l.f->g->nodes.at[i]->op == OP_scan)
            forward = l.f->g->nodes.at[i];
    after = scan_stacks(forward->attr->scan);
    cr_expect_eq(before, 1);
    cr_expect_eq(after, 3, "%d stacks: h' of all steps, and h and c between pieces", after);
    cr_expect(forward->attr->scan->pieces);
    cr_expect_eq(forward->attr->scan->length, STEPS / 2);
    fixture_free(l.f);
}
