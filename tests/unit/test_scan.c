/* SPDX-License-Identifier: MIT */
/* Guards compiler/ir/scan.c, ops/scan.c and passes/scan_grad.c: what a scan computes, forwards and
 * backwards, its gradients against differences, what its gradient keeps of the forward steps, its text
 * form, and bodies that do not fit.
 */
#include "scan_loop.h"

/* h and c after a step, of sample n. */
static void by_hand(const Loop *l, int n, int step, double *h, double *c)
{
    double next[UNITS];
    for (int j = 0; j < UNITS; j++) {
        double sum = l->f->vars[l->b->id][j];
        for (int k = 0; k < 2; k++)
            sum +=
                l->f->inputs[0][(step * SAMPLES + n) * 2 + k] * l->f->vars[l->w->id][k * UNITS + j];
        for (int k = 0; k < UNITS; k++)
            sum += h[k] * l->f->vars[l->u->id][k * UNITS + j];
        next[j] = tanh(sum) / (1 + exp(-c[j]));
    }
    for (int j = 0; j < UNITS; j++) {
        h[j] = next[j];
        c[j] = c[j] * 0.5 + h[j];
    }
}

static void check_values(bool backwards)
{
    Loop l = loop_new(backwards);
    Tensor *t = run(l.f);
    cr_assert_eq(t[1].shape.rank, 3);
    for (int n = 0; n < SAMPLES; n++) {
        double h[UNITS], c[UNITS];
        memcpy(h, l.f->inputs[1] + n * UNITS, sizeof h);
        memcpy(c, l.f->inputs[2] + n * UNITS, sizeof c);
        for (int i = 0; i < STEPS; i++) {
            int step = backwards ? STEPS - 1 - i : i;
            by_hand(&l, n, step, h, c);
            for (int j = 0; j < UNITS; j++)
                cr_expect_float_eq(t[1].data[(step * SAMPLES + n) * UNITS + j], h[j], 1e-12);
        }
    }
    fixture_free(l.f);
}

Test(scan, steps_one_after_the_other)
{
    check_values(false);
    check_values(true);
}

Test(scan, gradients_agree_with_differences)
{
    for (int backwards = 0; backwards < 2; backwards++) {
        Loop l = loop_new(backwards);
        check_gradients(l.f);
        fixture_free(l.f);
    }
}

/* A scan in a scan: the state of the outer one goes through an inner loop. */
Test(scan, inner_scans_have_gradients)
{
    Fixture *f = fixture_new(FN_grad);
    Graph *g = f->g;
    Var *u = random_var(f, "u", VAR_weight, SHAPE(-1, 2, 2));
    Node *xs = random_input(f, SHAPE(2, 2, 3, 1, 2), -1, 1);
    Node *h0 = random_input(f, SHAPE(0, 1, 2), -1, 1);
    ScanBuilder o = scan_begin(g, 2, false);
    Node *h = scan_state(&o, h0), *x = scan_slice(&o, xs), *w = scan_other(&o, build_var(g, u));
    ScanBuilder i = scan_begin(o.body, 3, true);
    Node *k = scan_state(&i, build_unary(o.body, OP_tanh, h)), *y = scan_slice(&i, x);
    Node *v = scan_other(&i, w);
    Node *next =
        build_unary(i.body, OP_tanh, build_binary(i.body, OP_add, build_matmul(i.body, k, v), y));
    scan_next(&i, k, next);
    int all = scan_step(&i, next);
    Node *inner = scan_end(&i), *steps = scan_stack(o.body, inner, all);
    int axis = 0;
    Node *sum = build_reduce(o.body, OP_reduce_sum, steps, 1, &axis);
    scan_next(&o, h,
              build_binary(o.body, OP_mul, scan_last(o.body, inner, 0),
                           build_squeeze(o.body, sum, 1, &axis)));
    Node *outer = scan_end(&o);
    graph_root(g, ROOT_loss, 0, weighed_sum(g, scan_last(g, outer, 0), NULL));
    check_gradients(f);
    fixture_free(f);
}

/* tanh, the sigmoid and the states before each step are stacked; the sums are not. */
Test(scan, gradient_keeps_what_is_dear)
{
    Loop l = loop_new(false);
    cr_expect_eq(scan_stacks(l.scan->attr->scan), 1);
    pass_autodiff(l.f->g);
    cr_expect_eq(scan_stacks(l.scan->attr->scan), 3);
    cr_expect_eq(count_ops(l.f->g, OP_scan), 2);
    fixture_free(l.f);
}

Test(scan, text_is_read_back)
{
    Loop l = loop_new(true);
    pass_autodiff(l.f->g);
    char *text[2] = {NULL};
    size_t size[2];
    Program *p = l.f->p;
    p->name = "loop";
    for (int i = 0; i < 2; i++) {
        FILE *f = open_memstream(&text[i], &size[i]);
        program_print(p, f);
        fclose(f);
        p = program_read(&l.f->ctx, text[i], size[i]);
        cr_assert_not_null(p, "%s", fixture_said(l.f));
        graph_verify(p->fn[FN_grad], "read");
    }
    cr_expect_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
    fixture_free(l.f);
}

static void wrong_text(const char *body, const char *says)
{
    Fixture *f = fixture_new(FN_predict);
    const char *text =
        arena_format(f->ctx.arena,
                     "program m batch=4\ninput x f32 [N, 2]\ninput s f32 [3, 2]\nfunction predict\n"
                     "%%0 = input {input=0} : f32 [N, 2]  ; forward - - 1:1:1\n"
                     "%%1 = input {input=1} : f32 [3, 2]  ; forward - - 1:1:1\n%s",
                     body);
    cr_expect_null(program_read(&f->ctx, text, strlen(text)));
    cr_expect_not_null(strstr(fixture_said(f), says), "%s: %s", says, fixture_said(f));
    fixture_free(f);
}

#define LEAF(i, shape) "%0 = scan_operand {part=" #i "} : f32 " shape "  ; forward - - 1:1:1\n"
#define SCAN(states, slices)                                                                       \
    "end\n%2 = scan(%0, %1) {length=3 states=" #states " slices=" #slices                          \
    " backwards=0} : f32 []  ; forward - - 1:1:1\n"

Test(scan, bodies_that_do_not_fit)
{
    wrong_text("end\n", "a body first");
    wrong_text("body\n", "the end of the body");
    wrong_text("body\nroot output 0 %0\n", "a node that comes before");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root output 0 %0\n", "as roots of a body");
    wrong_text("root next 0 %0\n", "as roots of a body");
    wrong_text("body\n" LEAF(0, "[N, 2]") SCAN(1, 1), "has no next value");
    wrong_text("body\n" LEAF(0, "[N, 3]") "root next 0 %0\n" SCAN(1, 1), "what the body reads");
    wrong_text("body\n" LEAF(2, "[N, 2]") "root next 0 %0\n" SCAN(1, 1), "operand 2 of 2");
    wrong_text("body\n" LEAF(1, "[2]") "root next 0 %0\n" SCAN(1, 1), "the next value of state");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root step 0 %0\n" SCAN(0, 1), "no stack of 3");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root step 1 %0\n" SCAN(0, 0), "given twice");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root next 0 %0\n" SCAN(3, 0), "too few operands");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root next 0 %0\n" SCAN(
                   1, 1) "%3 = neg(%2) : f32 []  ; forward - - 1:1:1\n",
               "a scan for a scan_result");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root next 0 %0\n" SCAN(
                   1, 1) "%3 = scan_result(%2) {part=1} : f32 [N, 2]  ; forward - - 1:1:1\n",
               "no result 1");
    wrong_text("body\n" LEAF(0, "[N, 2]") "root next 0 %0\n" SCAN(1, 1) "root output 0 %2\n",
               "a root that is no scan");
    wrong_text("%2 = scan_operand {part=0} : f32 [2]  ; forward - - 1:1:1\n", "outside of a body");
    wrong_text(
        "%2 = scan(%0) {length=3 states=0 slices=0 backwards=0} : f32 []  ; forward - - 1:1:1\n",
        "a body before");
    wrong_text("%2 = scan(%0) : f32 []  ; forward - - 1:1:1\n", "length=");
}
