/* SPDX-License-Identifier: MIT */
/* Guards compiler/codegen/kernel_family.c and kernel_param.c: which kernels are one body, which of
 * their numbers become parameters, under what names; what parameters are called. */
#include "codegen/kernel_emit.h"

#include <criterion/criterion.h>
#include <string.h>

static Arena *arena;

static void open_arena(void)
{
    arena = arena_new();
}

static void close_arena(void)
{
    arena_free(arena);
}

TestSuite(family, .init = open_arena, .fini = close_arena);

/* A body over j < rows and k < columns, kept in rows of `columns`; `lanes` partial sums. */
static const char *body(int rows, int columns, int lanes)
{
    return arena_format(arena,
                        "#pragma omp for schedule(static)\n"
                        "    for (int j = 0; j < %d; j++) {\n"
                        "        float r1[%d];\n"
                        "        for (int k = 0; k < %d; k++)\n"
                        "            %s[j * %d + k] = 0.5f + x1[0] + %d %% %d;\n"
                        "    }\n",
                        rows, lanes, columns, param_canonical(arena, 0), columns, rows,
                        rows * columns);
}

static bool kin(const char *a, const char *b)
{
    return strcmp(family_key(arena, a), family_key(arena, b)) == 0;
}

Test(family, whole_numbers_may_differ)
{
    cr_expect(kin(body(3, 5, 16), body(7, 11, 16)));
    cr_expect_not(kin(body(3, 5, 16), body(3, 5, 8)), "the length of an array is a constant");
    cr_expect_not(kin("a = 0.5f;\n", "a = 0.6f;\n"));
    cr_expect_not(kin("a = 1e-05f;\n", "a = 1e-06f;\n"));
    cr_expect_not(kin("a = t1;\n", "a = t2;\n"), "digits of a name");
    cr_expect_not(kin("#pragma omp for collapse(2)\n", "#pragma omp for collapse(3)\n"));
    cr_expect_not(kin("    enum { width = 32 };\n", "    enum { width = 64 };\n"));
    cr_expect_not(kin("a = 5;\n", "a = 5000000000;\n"), "no int");
}

Test(family, numbers_that_differ_are_parameters)
{
    Family f = {0};
    Kernel k[3] = {0};
    KernelArg args[] = {{.name = "to"}};
    family_add(arena, &f, &k[0], body(3, 5, 16));
    family_add(arena, &f, &k[1], body(7, 11, 16));
    family_add(arena, &f, &k[2], body(4, 5, 16));
    cr_assert(family_find_params(arena, &f, 1, args));
    cr_assert_eq(f.params.n, 2);
    cr_expect_str_eq(f.params.at[0].name, "nj");
    cr_expect_str_eq(f.params.at[1].name, "nk");
    cr_expect_eq(f.members.at[1].numbers.at[f.params.at[0].place], 7);
    cr_expect_eq(f.members.at[1].numbers.at[f.params.at[1].place], 11);
    cr_expect_str_eq(family_text(arena, f.members.at[0].text, &f, args),
                     "#pragma omp for schedule(static)\n"
                     "    for (int j = 0; j < nj; j++) {\n"
                     "        float r1[16];\n"
                     "        for (int k = 0; k < nk; k++)\n"
                     "            to[j * nk + k] = 0.5f + x1[0] + nj % (nj * nk);\n"
                     "    }\n");
    cr_expect_str_eq(family_text(arena, "p_____________00 = 3;\n", NULL, args), "to = 3;\n");
}

Test(family, names_of_numbers_are_free)
{
    Family f = {0};
    Kernel k[2] = {0};
    KernelArg args[] = {{.name = "nj"}};
    family_add(arena, &f, &k[0], "for (; j < 3;) nk[j] = i * 4 + 5;\n");
    family_add(arena, &f, &k[1], "for (; j < 6;) nk[j] = i * 7 + 9;\n");
    cr_assert(family_find_params(arena, &f, 1, args));
    cr_assert_eq(f.params.n, 3);
    cr_expect_str_eq(f.params.at[0].name, "nj_2");
    cr_expect_str_eq(f.params.at[1].name, "i_step");
    cr_expect_str_eq(f.params.at[2].name, "number");
}

static KernelArg of_var(Buffer *b, Var *v, const char *full)
{
    b->var = v;
    return (KernelArg){.kind = KARG_buffer, .buffer = b, .full_name = full};
}

Test(family, parameters_go_without_blocks)
{
    Buffer b[5] = {0};
    Var weight = {.name = "up.0.bn.weight"}, bias = {.name = "up.1.bn.bias"},
        same = {.name = "down.bn.bias"},
        state = {.name = "sgd.momentum.up.0.bn.weight", .kind = VAR_state, .laid_as = &weight};
    Node y = {.name = "up.0.2"};
    KernelArg args[] = {of_var(&b[0], &weight, "up_0_bn_weight"),
                        of_var(&b[1], &bias, "up_1_bn_bias"),
                        of_var(&b[2], &same, "down_bn_bias"),
                        of_var(&b[3], &state, "sgd_momentum_up_0_bn_weight"),
                        {.kind = KARG_buffer, .buffer = &b[4], .full_name = "d_up_0_2"},
                        {.kind = KARG_scalar, .full_name = "s1"}};
    b[4].node = &y;
    param_name(arena, COUNT(args), args);
    static const char *const want[] = {
        "bn_weight", "up_1_bn_bias", "down_bn_bias", "sgd_momentum_bn_weight", "d_up_0_2", "s1"};
    for (int i = 0; i < COUNT(args); i++)
        cr_expect_str_eq(args[i].name, want[i]);
}
