/* SPDX-License-Identifier: MIT */
/* Guards nnrt_args.c: every form of an option, values that are wrong, the nearest spelling. */
#include <criterion/criterion.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_tiny.h"

/* Splits at blanks; the texts live until the next call. */
static int parse(nnrt_args *a, const char *line, nnrt_fault *fault)
{
    static char words[600];
    char *argv[32] = {"tiny"};
    int argc = 1;
    fault->text[0] = '\0';
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    return nnrt_args_parse(a, argc, argv, fault);
}

Test(nnrt_args, forms)
{
    nnrt_args a;
    nnrt_fault f;
    cr_assert_eq(parse(&a,
                       "train --data x=a.npy --data=label=b=c.npy --epochs=3 --steps 40 --lr 1e-2 "
                       "--seed 18446744073709551615 --no-shuffle --threads=2 --data-dir d --log l",
                       &f),
                 0, "%s", f.text);
    cr_assert_str_eq(a.command, "train");
    cr_assert_eq(a.data.n, 2);
    cr_assert_str_eq(a.data.at[0], "x=a.npy");
    cr_assert_str_eq(a.data.at[1], "label=b=c.npy");
    cr_assert(a.epochs == 3 && a.steps == 40 && a.lr == 0.01 && a.no_shuffle && a.threads == 2);
    cr_assert(a.has_seed && a.seed == UINT64_MAX);
    cr_assert_str_eq(a.log, "l");
    nnrt_args_free(&a);
    cr_assert_eq(parse(&a, "init -o w.st", &f), 0);
    cr_assert_str_eq(a.out, "w.st");
    nnrt_args_free(&a);
    cr_assert_eq(parse(&a, "grad -ow.st --seed=0", &f), 0);
    cr_assert_str_eq(a.out, "w.st");
    cr_assert(a.has_seed && a.seed == 0);
    nnrt_args_free(&a);
    cr_assert_eq(parse(&a, "--help", &f), 0);
    cr_assert(a.help && !a.command);
    cr_assert_eq(parse(&a, "bench --help --nonsense", &f), 0);
    cr_assert(a.help);
    cr_assert_eq(parse(&a, "--version", &f), 0);
    cr_assert(a.version);
    cr_assert_eq(parse(&a, "train", &f), 0);
    cr_assert(a.lr < 0 && !a.has_seed && a.seconds == 1);
}

Test(nnrt_args, wrong)
{
    static const char *const lines[][2] = {
        {"", "sub-command is missing"},
        {"trian", "did you mean 'train'"},
        {"xyzzyxyzzy", "--help"},
        {"train --epcohs 3", "did you mean '--epochs'"},
        {"train --epoch=3", "did you mean '--epochs'"},
        {"train --zzzzzzzzz", "--help"},
        {"train -x", "unknown option '-x'"},
        {"train -o f", "unknown option '-o'"},
        {"eval --epochs 3", "unknown option '--epochs'"},
        {"--json info", "before a sub-command"},
        {"train --epochs", "needs a value"},
        {"train --epochs 0", "from 1 up"},
        {"train --epochs 1.5", "from 1 up"},
        {"train --epochs 99999999999999999999", "from 1 up"},
        {"train --steps=-1", "from 1 up"},
        {"train --lr nan", "not a number"},
        {"train --lr inf", "not a number"},
        {"train --lr 1e", "not a number"},
        {"train --seed -1", "whole number"},
        {"train --out=", "empty"},
        {"train --no-shuffle=1", "takes no value"},
        {"bench --seconds 0", "above 0"},
        {"train file", "no argument 'file'"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        nnrt_args a;
        nnrt_fault f;
        int status = parse(&a, lines[i][0], &f);
        cr_expect_eq(status, NNRT_BAD_CALL, "'%s': %d", lines[i][0], status);
        cr_expect_not_null(strstr(f.text, lines[i][1]), "'%s': %s", lines[i][0], f.text);
        nnrt_args_free(&a);
    }
}

/* Help tells each option of the sub-command and of no other. */
Test(nnrt_args, help)
{
    nnrt_model model = tiny_model();
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    nnrt_args_help(f, "./tiny", "bench", &model);
    fclose(f);
    cr_assert_not_null(strstr(text, "Usage: ./tiny bench"));
    cr_assert_not_null(strstr(text, "--seconds=S"));
    cr_assert_null(strstr(text, "--epochs"));
    free(text);
}
