/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/passes.c: the pipeline's rows, and that the driver leaves out, prints,
 * stops and times what its options say. Graphs here end before pass layout: what follows has tests
 * of its own.
 */
#include "graph_fixture.h"

#include <criterion/redirect.h>

Test(passes, rows)
{
    cr_assert_geq(pass_count, 9);
    for (int i = 0; i < pass_count; i++) {
        cr_expect_eq(pass_find(pass_rows[i].name), i);
        cr_expect(pass_rows[i].run && pass_rows[i].text && *pass_rows[i].text);
    }
    cr_expect_eq(pass_find("simplifies"), -1);
    cr_expect_eq(pass_rows[pass_find("autodiff")].when, PASS_ALWAYS);
    cr_expect_eq(pass_rows[pass_find("cse")].when, PASS_OPTIMISES);
}

/* y = x * 1 + exp(x) + exp(x), twice: as predict and as eval. */
static Fixture *two_functions(void)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(0, 1, 3), -1, 1);
    for (Fn fn = FN_predict; fn <= FN_eval; fn++) {
        Graph *g = f->p->fn[fn] = fn == FN_predict ? f->g : graph_new(f->p, fn);
        x = fn == FN_predict ? x : build_input(g, 0);
        Node *y = build_binary(g, OP_mul, x, build_const(g, 1));
        for (int i = 0; i < 2; i++)
            y = build_binary(g, OP_add, y, build_unary(g, OP_exp, x));
        graph_root(g, ROOT_output, 0, y);
    }
    return f;
}

/* Ops of both functions after the passes up to `last`. */
static void expect_ops(const PassOptions *options, int products, int exps)
{
    Fixture *f = two_functions();
    cr_assert(passes_run(f->p, options));
    for (Fn fn = FN_predict; fn <= FN_eval; fn++) {
        cr_expect_eq(count_ops(f->p->fn[fn], OP_mul), products, "%s", fn_text(fn));
        cr_expect_eq(count_ops(f->p->fn[fn], OP_exp), exps, "%s", fn_text(fn));
    }
    fixture_free(f);
}

/* After the pass it stops: split comes after both. */
Test(passes, leaves_out_what_is_asked, .init = cr_redirect_stdout)
{
    static const char *const simplify[] = {"simplify"}, *const both[] = {"cse", "simplify",
                                                                         "split"};
    expect_ops(&(PassOptions){.dump_after = "split"}, 0, 1);
    expect_ops(&(PassOptions){.dump_after = "simplify"}, 0, 2);
    expect_ops(&(PassOptions){.dump_after = "split", .O0 = true}, 1, 2);
    expect_ops(&(PassOptions){.dump_after = "split", .n_skip = 1, .skip = simplify}, 1, 1);
    expect_ops(&(PassOptions){.dump_after = "split", .n_skip = 3, .skip = both}, 1, 2);
}

Test(passes, prints_after_a_pass, .init = cr_redirect_stdout)
{
    Fixture *f = two_functions();
    passes_run(f->p, &(PassOptions){.dump_after = "simplify", .O0 = true});
    fflush(stdout);
    FILE *out = cr_get_redirected_stdout();
    char text[8192];
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    const char *first = strstr(text, "; after simplify\n");
    cr_assert(first, "%s", text);
    const char *one = strstr(first, "function predict\n"), *two = strstr(first, "function eval\n");
    cr_assert(one && two && one < two, "both functions, in order: %s", text);
    cr_expect(strstr(first, "exp"));
    cr_expect_null(strstr(text, "after cse"));
    fixture_free(f);
}

Test(passes, times_every_pass, .init = cr_redirect_stderr)
{
    Fixture *f = two_functions();
    cr_redirect_stdout();
    passes_run(f->p, &(PassOptions){.dump_after = "simplify", .time = true});
    fflush(stderr);
    FILE *out = cr_get_redirected_stderr();
    char text[8192];
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    for (int i = 0; i < pass_count; i++)
        cr_expect(strstr(text, pass_rows[i].name), "%s is not in\n%s", pass_rows[i].name, text);
    cr_expect(strstr(text, " ms"));
    fixture_free(f);
}
