/* SPDX-License-Identifier: MIT */
/* Guards the table of targets: each row is one that kernels can be made for, native is the machine
 * that the test runs on, and the macro that a row asks for is defined by its flags. */
#include "base/base.h"
#include "targets/targets.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check(const Target *t)
{
    cr_expect(t->vector_bytes >= 4 && t->vector_bytes <= 64, "%s", t->name);
    cr_expect_eq(t->vector_bytes & (t->vector_bytes - 1), 0, "%s: a power of two", t->name);
    cr_expect(t->registers >= 8 && t->registers <= 64, "%s", t->name);
    cr_expect_not_null(t->flags, "%s", t->name);
    cr_expect(t->l1 >= 0 && t->l1 <= 1 << 20, "%s", t->name);
    cr_expect(!t->l2 || t->l2 >= t->l1, "%s", t->name);
}

Test(targets, rows_are_sound_and_found_by_name)
{
    cr_assert_gt(target_count(), 5);
    for (int i = 0; i < target_count(); i++) {
        check(target_at(i));
        cr_expect_eq(target_find(target_at(i)->name), target_at(i), "%s", target_at(i)->name);
    }
    cr_assert_null(target_find("x86-64-v5"));
    cr_assert_null(target_find(""));
}

Test(targets, microcontrollers_have_no_threads)
{
    cr_assert_not(target_find("cortex-m4")->threads);
    cr_assert_not(target_find("cortex-m7")->threads);
    cr_assert(target_find("generic")->threads);
}

Test(targets, generic_asks_for_nothing)
{
    cr_assert_str_empty(target_find("generic")->flags);
    cr_assert_null(target_find("generic")->macro);
}

Test(targets, native_is_this_machine)
{
    const Target *t = target_find("native");
    cr_assert_not_null(t);
    cr_assert_str_eq(t->name, "native");
    cr_assert_str_eq(t->flags, t->vector_bytes == 64 ? "-march=native -mprefer-vector-width=512"
                                                     : "-march=native");
    check(t);
#ifdef __x86_64__
    __builtin_cpu_init();
    cr_assert_eq(t->vector_bytes >= 32,
                 __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    cr_assert_leq(t->vector_bytes, __builtin_cpu_supports("avx512f") ? 64 : 32);
#endif
}

/* The flags of the rows of this machine's kind define the macro; without the flags it is not. */
Test(targets, flags_define_the_macro)
{
#ifdef __x86_64__
    for (int i = 0; i < target_count(); i++) {
        const Target *t = target_at(i);
        char command[256];
        if (strncmp(t->name, "x86-64", 6) != 0)
            continue;
        for (int with = 0; with < 2; with++) {
            snprintf(command, sizeof command,
                     "echo | cc -march=x86-64 %s -dM -E -x c - | grep -q 'define %s '",
                     with ? t->flags : "", t->macro);
            cr_expect_eq(system(command) == 0, with, "%s", command);
        }
    }
#else
    cr_skip("rows of other machines want their compilers");
#endif
}
