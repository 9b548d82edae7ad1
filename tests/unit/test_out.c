/* SPDX-License-Identifier: MIT */
/* Guards the writer of emitted C: indentation, lines that are broken, names that nothing reads, and
 * text from outside that stands in a comment. */
#include "codegen/codegen.h"

#include <criterion/criterion.h>
#include <string.h>

static Arena *arena;

static void set_up(void)
{
    arena = arena_new();
}

static void tear_down(void)
{
    arena_free(arena);
}

TestSuite(out, .init = set_up, .fini = tear_down);

Test(out, indents_by_depth)
{
    Out o = out_new(arena);
    out_open(&o, "void %s(void)", "f");
    out_loop(&o, "for (;;)");
    out_line(&o, "g(%d);", 3);
    out_end(&o);
    out_raw(&o, "#pragma omp for");
    out_line(&o, "%s", "");
    out_close(&o);
    cr_assert_str_eq(o.str.at,
                     "void f(void) {\n    for (;;)\n        g(3);\n#pragma omp for\n\n}\n");
    cr_assert_eq(o.depth, 0);
}

Test(out, takes_lines_of_any_length)
{
    Out o = out_new(arena);
    char *long_text = arena_take(arena, 100001);
    memset(long_text, 'x', 100000);
    out_line(&o, "%s", long_text);
    cr_assert_eq(strlen(o.str.at), 100001);
}

Test(out, wraps_at_commas_within_100_columns)
{
    Out o = out_new(arena);
    o.depth = 2;
    Str call = str_new(arena);
    str_add(&call, "call(n");
    for (int i = 0; i < 40; i++)
        str_add(&call, ", argument_%d", i);
    out_wrap(&o, "%s);", call.at);
    Str joined = str_new(arena);
    int lines = 0;
    for (const char *line = o.str.at; *line; lines++) {
        size_t n = strcspn(line, "\n");
        cr_assert_leq(n, 100, "%.*s", (int)n, line);
        cr_assert_eq(strncmp(line, "        ", 8), 0);
        size_t from = strspn(line, " ");
        str_add(&joined, "%s%.*s", lines ? " " : "", (int)(n - from), line + from);
        line += n + 1;
    }
    cr_assert_gt(lines, 3);
    cr_assert_str_eq(joined.at, arena_format(arena, "%s);", call.at), "nothing is lost");
}

Test(out, short_lines_stay_whole)
{
    Out o = out_new(arena);
    o.depth = 1;
    out_wrap(&o, "f(%s, %s);", "a", "b");
    cr_assert_str_eq(o.str.at, "    f(a, b);\n");
}

Test(out, drops_an_index_that_nothing_mentions)
{
    Out o = out_new(arena);
    size_t line = out_index(&o, "j", "j0 + v");
    out_line(&o, "x[j0] = jj + _j;");
    out_unindex(&o, line, "j");
    cr_assert_str_eq(o.str.at, "x[j0] = jj + _j;\n");
    line = out_index(&o, "j", "j0 + v");
    out_line(&o, "x[j] = 0;");
    out_unindex(&o, line, "j");
    cr_assert_str_eq(o.str.at, "x[j0] = jj + _j;\nconst int j = j0 + v;\nx[j] = 0;\n");
}

Test(out, mentions_are_whole_identifiers)
{
    cr_assert(text_mentions("a + t1", "t1"));
    cr_assert(text_mentions("t1", "t1"));
    cr_assert(text_mentions("t11 + t1[0]", "t1"), "the first hit is not the only one");
    cr_assert_not(text_mentions("t11 + at1 + t1_", "t1"));
    cr_assert_not(text_mentions("", "t1"));
}

Test(out, comments_cannot_be_ended_from_outside)
{
    cr_assert_str_eq(comment_text(arena, "nets/mnist.yaml"), "nets/mnist.yaml");
    cr_assert_str_eq(comment_text(arena, "a*/b"), "a*?b");
    cr_assert_str_eq(comment_text(arena, "a/*b"), "a/?b");
    cr_assert_str_eq(comment_text(arena, "*/*/"), "*?*?");
    cr_assert_str_eq(comment_text(arena, "a\nb\t\\"), "a?b?\\");
    cr_assert_str_eq(comment_text(arena, "\xc3\xa9"), "??");
}
