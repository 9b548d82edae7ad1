/* SPDX-License-Identifier: MIT */
/* Guards the command line: what each option sets, sizes and their overflow, and the command as a
 * shell takes it back. */
#include "driver/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <string.h>

static Arena *arena;

static void set_up(void)
{
    arena = arena_new();
    cr_redirect_stderr();
    cr_redirect_stdout();
}

static void tear_down(void)
{
    arena_free(arena);
}

TestSuite(options, .init = set_up, .fini = tear_down);

/* Reads the words, NULL at the end, behind "nncc". */
static int read_words(Options *o, const char *const *words)
{
    char *argv[32] = {"/some/where/nncc"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = arena_text(arena, words[argc - 1], strlen(words[argc - 1]));
    optind = 0; /* getopt starts anew */
    return options_read(arena, argc, argv, o);
}

#define READ(o, ...) read_words(o, (const char *const[]){__VA_ARGS__, NULL})

Test(options, defaults)
{
    Options o;
    cr_assert_eq(READ(&o, "m.yaml"), 0);
    cr_assert_str_eq(o.model, "m.yaml");
    cr_assert_null(o.output);
    cr_assert_str_eq(o.target, "native");
    cr_assert_eq(o.emit, EMIT_default);
    cr_assert_eq(o.error_limit, 20);
    cr_assert(!o.tune && !o.no_tune);
    cr_assert(!o.O0 && !o.grad && !o.main && !o.batch && !o.memory_limit && !o.defines.n);
    cr_assert_str_eq(o.command, "nncc m.yaml");
}

Test(options, tune)
{
    Options o;
    cr_assert_eq(READ(&o, "--tune", "m.yaml"), 0);
    cr_assert_eq(o.tune, 60);
    cr_assert_str_eq(o.model, "m.yaml", "a value stands behind =");
    cr_assert_eq(READ(&o, "--tune=5", "--no-tune", "m.yaml"), 0);
    cr_assert(o.tune == 5 && o.no_tune);
    cr_assert_eq(READ(&o, "--tune=0", "m.yaml"), 2);
    cr_assert_eq(READ(&o, "--tune=1h", "m.yaml"), 2);
    cr_assert_eq(READ(&o, "--tune", "-"), 2);
}

Test(options, each_is_read)
{
    Options o;
    cr_assert_eq(READ(&o, "-o", "x.c", "--emit=report", "--main", "--single-file", "--grad",
                      "--exact", "-O0", "--no-pass=cse", "--no-pass", "fuse", "--target=generic",
                      "--batch=7", "-D", "a=1", "-Db=2", "--memory-limit=3M", "--dump-after=all",
                      "--time-passes", "--error-limit=5", "-"),
                 0);
    cr_assert_str_eq(o.output, "x.c");
    cr_assert(o.main && o.single_file && o.grad && o.exact && o.O0 && o.time_passes);
    cr_assert_eq(o.emit, EMIT_report);
    cr_assert_eq(o.no_pass.n, 2);
    cr_assert_str_eq(o.no_pass.at[1], "fuse");
    cr_assert_eq(o.batch, 7);
    cr_assert_eq(o.defines.n, 2);
    cr_assert_str_eq(o.defines.at[1], "b=2");
    cr_assert_eq(o.memory_limit, 3 << 20);
    cr_assert_eq(o.error_limit, 5);
    cr_assert_str_eq(o.model, "-");
}

Test(options, levels)
{
    Options o;
    cr_assert(READ(&o, "-O", "m") == 0 && !o.O0);
    cr_assert(READ(&o, "-O3", "m") == 0 && !o.O0);
    cr_assert(READ(&o, "-O0", "-O2", "m") == 0 && !o.O0, "the last one counts");
    cr_assert_eq(READ(&o, "-O4", "m"), 2);
    cr_assert_eq(READ(&o, "-Ofast", "m"), 2);
}

Test(options, sizes)
{
    static const struct {
        const char *text;
        int64_t bytes; /* 0: refused */
    } rows[] = {{"1", 1},
                {"1K", 1024},
                {"2M", 2 << 20},
                {"8589934591G", INT64_C(8589934591) << 30},
                {"8589934592G", 0},
                {"", 0},
                {"K", 0},
                {"-1", 0},
                {"0", 0},
                {"1KB", 0},
                {"1 K", 0},
                {"1.5G", 0},
                {"99999999999999999999", 0}};
    for (int i = 0; i < COUNT(rows); i++) {
        Options o;
        const char *option = arena_format(arena, "--memory-limit=%s", rows[i].text);
        int status = READ(&o, option, "m");
        cr_expect_eq(status, rows[i].bytes ? 0 : 2, "%s", rows[i].text);
        cr_expect(status || o.memory_limit == rows[i].bytes, "%s", rows[i].text);
    }
}

Test(options, numbers_are_whole_and_within_bounds)
{
    static const char *const wrong[] = {
        "--batch=0", "--batch=-1", "--batch=2147483648", "--batch=1.5",
        "--batch=x", "--batch=",   "--error-limit=0"};
    Options o;
    for (int i = 0; i < COUNT(wrong); i++)
        cr_expect_eq(READ(&o, wrong[i], "m"), 2, "%s", wrong[i]);
    cr_assert_eq(READ(&o, "--batch=2147483647", "m"), 0);
    cr_assert_eq(o.batch, INT32_MAX);
}

Test(options, wrong_calls)
{
    Options o;
    cr_expect_eq(READ(&o, "--grad", "--no-train", "m"), 2);
    cr_expect_eq(READ(&o, "--emit=exe", "-o", "-", "m"), 2);
    cr_expect_eq(READ(&o, "-o", "", "m"), 2);
    cr_expect_eq(READ(&o, "--main=1", "m"), 2);
    cr_expect_eq(READ(&o, "-z", "m"), 2);
    cr_expect_eq(READ(&o, "m", "-o"), 2);
    cr_expect_eq(READ(&o, "--no-pass=memory", "m"), 2);
    cr_expect_eq(READ(&o, "--dump-after=memory", "m"), 0);
    cr_expect_eq(READ(&o, "--no-pass=all", "m"), 2);
    cr_expect_eq(READ(&o, "--emit=C", "m"), 2);
    cr_expect_eq(READ(&o, "a", "b"), 2);
}

Test(options, suggestions)
{
    Options o;
    READ(&o, "--targett=generic", "m");
    READ(&o, "--target=genric", "m");
    fflush(stderr);
    cr_assert_stderr_eq_str("nncc: error: unknown option 'targett'; did you mean 'target'?\n"
                            "nncc: error: unknown target 'genric'; did you mean 'generic'?\n");
}

Test(options, the_command_is_one_that_a_shell_takes)
{
    Options o;
    cr_assert_eq(READ(&o, "a b.yaml", "-D", "x='1' $y", "--target=generic", "-o", "*.c"), 0);
    cr_assert_str_eq(o.command, "nncc 'a b.yaml' -D 'x='\\''1'\\'' $y' --target=generic -o '*.c'");
}
