/* SPDX-License-Identifier: MIT */
/* nnrt_main.c: the program that a model becomes: finds the sub-command and says what went wrong. */
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "nnrt_program.h"

static void main_threads(const nnrt_args *args)
{
#ifdef _OPENMP
    if (args->threads)
        omp_set_num_threads(args->threads > 4096 ? 4096 : (int)args->threads);
#else
    (void)args;
#endif
}

static int main_command(const nnrt_args *args, const nnrt_model *m, nnrt_fault *fault)
{
    static const struct main_row {
        const char *name;
        int (*run)(const nnrt_args *, const nnrt_model *, nnrt_fault *);
    } rows[] = {
        {"train", nnrt_train_command},         {"eval", nnrt_eval_command},
        {"predict", nnrt_predict_command},     {"sample", nnrt_sample_command},
        {"generate", nnrt_generate_command},   {"grad", nnrt_grad_command},
        {"attribute", nnrt_attribute_command}, {"init", nnrt_init_command},
        {"bench", nnrt_bench_command},         {"info", nnrt_info_command},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, args->command) == 0)
            return rows[i].run(args, m, fault);
    return nnrt_fail(fault, NNRT_BUG, "the sub-command '%s' has no code", args->command);
}

int nnrt_main(int argc, char **argv, const nnrt_model *m)
{
    nnrt_args args;
    nnrt_fault fault = {""};
    const char *name = argc > 0 && argv[0][0] ? argv[0] : m->name;
    if (m->abi != NNRT_ABI) {
        nnrt_say(m, "made for another libnnrt: run nncc again");
        return NNRT_BUG;
    }
    int status = nnrt_args_parse(&args, argc, argv, &fault);
    if (!status && (args.help || args.version)) {
        if (args.help)
            nnrt_args_help(stdout, name, args.command, m);
        else
            printf("%s, made by %s from %s for %s\n", m->name, m->version, m->source, m->target);
        status = nnrt_flush_results(&fault);
    } else if (!status) {
        main_threads(&args);
        status = main_command(&args, m, &fault);
    }
    if (fault.text[0] && status && status != NNRT_INTERRUPTED)
        nnrt_say(m, "error: %s", fault.text);
    nnrt_args_free(&args);
    return status;
}
