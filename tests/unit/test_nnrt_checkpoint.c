/* SPDX-License-Identifier: MIT */
/* Guards nnrt_checkpoint.c: every bit of a run comes back; what does not fit changes nothing. */
#include "nnrt_program.h"
#include "nnrt_scratch.h"
#include "nnrt_tiny.h"

TestSuite(nnrt_checkpoint, .init = scratch_open, .fini = scratch_close);

typedef struct both {
    nnrt_model model;
    nnrt_instance *m;
    nnrt_run run;
    double sums[2];
    unsigned char best[TINY_VARS];
} both;

/* `filled`: with values that a decimal of 6 digits would not keep. */
static void both_open(both *b, int filled)
{
    memset(b, 0, sizeof *b);
    b->model = tiny_model();
    b->m = nnrt_new(&b->model, filled ? 11 : 12);
    b->run.score.sums = b->sums;
    b->run.best_vars = b->best;
    b->run.best = b->run.plateau_best = NAN;
    if (!filled)
        return;
    for (int i = 0; i < TINY_VARS / 4; i++) {
        ((float *)(void *)b->m->vars)[i] = 1.0f / (float)(i + 3);
        ((float *)(void *)b->best)[i] = -1.0f / (float)(i + 7);
    }
    b->m->step = 123456789012;
    b->m->calls = 98765432101;
    b->m->lr = 0.1;
    b->m->total_steps = 7;
    b->m->epoch_steps = 6;
    b->m->seed = UINT64_MAX;
    b->run.epoch = 5;
    b->run.position = 4;
    b->run.samples = 30;
    b->run.epochs = 9;
    b->run.shuffle = 1;
    b->run.waited = 2;
    b->run.plateau_best = 1 / 9.0;
    b->run.plateau_waited = 4;
    b->run.best = 1 / 3.0;
    b->run.has_best_vars = 1;
    b->run.score.loss_sum = 1 / 7.0;
    b->run.score.samples = 3;
    b->sums[0] = 1e300 / 3;
    b->sums[1] = 5e-324;
}

static int tensors_equal(const both *a, const both *b)
{
    float x[8], y[8];
    for (int i = 0; i < a->model.n_vars; i++) {
        nnrt_var_read(a->m, i, x);
        nnrt_var_read(b->m, i, y);
        if (memcmp(x, y, (size_t)a->model.vars[i].count * sizeof *x) != 0)
            return 0;
    }
    return 1;
}

Test(nnrt_checkpoint, every_bit)
{
    both a, b;
    nnrt_fault note, fault = {""};
    const char *path = scratch_path("c");
    both_open(&a, 1);
    both_open(&b, 0);
    cr_assert_eq(nnrt_checkpoint_save(a.m, &a.run, path, 0, &fault), 0, "%s", fault.text);
    cr_assert_eq(nnrt_checkpoint_load(b.m, &b.run, path, &note, &fault), 0, "%s", fault.text);
    cr_assert_str_empty(note.text);
    cr_assert(tensors_equal(&a, &b));
    cr_assert_arr_eq(a.best, b.best, 24); /* fc.weight, of the best */
    cr_assert_arr_eq(a.best + TINY_B, b.best + TINY_B, 8);
    cr_assert_eq(a.m->step, b.m->step);
    cr_assert_eq(a.m->calls, b.m->calls);
    cr_assert_eq(a.m->lr, b.m->lr);
    cr_assert_eq(a.m->total_steps, b.m->total_steps);
    cr_assert_eq(a.m->epoch_steps, b.m->epoch_steps);
    cr_assert_eq(a.m->seed, b.m->seed);
    cr_assert_eq(a.run.epoch, b.run.epoch);
    cr_assert_eq(a.run.position, b.run.position);
    cr_assert_eq(a.run.samples, b.run.samples);
    cr_assert_eq(a.run.epochs, b.run.epochs);
    cr_assert_eq(a.run.shuffle, b.run.shuffle);
    cr_assert_eq(a.run.waited, b.run.waited);
    cr_assert_eq(a.run.best, b.run.best);
    cr_assert_eq(a.run.plateau_best, b.run.plateau_best);
    cr_assert_eq(a.run.plateau_waited, b.run.plateau_waited);
    cr_assert_eq(b.run.has_best_vars, 1);
    cr_assert_eq(a.run.score.loss_sum, b.run.score.loss_sum);
    cr_assert_eq(a.run.score.samples, b.run.score.samples);
    cr_assert_arr_eq(a.sums, b.sums, sizeof a.sums);
    nnrt_free(a.m);
    nnrt_free(b.m);
}

Test(nnrt_checkpoint, earlier_ones_are_kept)
{
    both a;
    nnrt_fault fault;
    both_open(&a, 1);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(nnrt_checkpoint_save(a.m, &a.run, scratch_path("c"), 2, &fault), 0);
    cr_assert_eq(scratch_count(0), 3);
    cr_assert_eq(access(scratch_path("c.2"), F_OK), 0);
    nnrt_free(a.m);
}

/* Loads into a fresh run, which must stay as it was. */
static void check_refused(const char *path, const nnrt_model *model, const char *piece)
{
    both b, before;
    nnrt_fault note, fault = {""};
    both_open(&b, 0);
    b.m->model = model;
    memcpy(&before.best, b.m->vars, TINY_VARS);
    int status = nnrt_checkpoint_load(b.m, &b.run, path, &note, &fault);
    scratch_fault(status, NNRT_BAD_CONTENT, &fault, path, piece);
    cr_assert_arr_eq(before.best, b.m->vars, TINY_VARS);
    cr_assert_eq(b.m->step, 0);
    cr_assert_eq(b.run.epoch, 0);
    nnrt_free(b.m);
}

Test(nnrt_checkpoint, what_does_not_fit)
{
    both a, b;
    nnrt_fault note, fault;
    const char *path = scratch_path("c");
    both_open(&a, 1);
    cr_assert_eq(nnrt_save(a.m, path), 0);
    nnrt_model model = tiny_model();
    check_refused(path, &model, "no checkpoint");
    cr_assert_eq(nnrt_checkpoint_save(a.m, &a.run, path, 0, &fault), 0);
    model.batch = 4;
    check_refused(path, &model, "batch of 8");
    model = tiny_model();
    nnrt_var vars[6];
    memcpy(vars, tiny_vars, sizeof vars);
    vars[1].name = "other.bias";
    vars[4].dim[0] = vars[4].count = 1;
    model.vars = vars;
    check_refused(path, &model, "other.bias, fc.bias.momentum");
    FILE *f = fopen(path, "r+b");
    cr_assert_eq(ftruncate(fileno(f), 300), 0);
    fclose(f);
    model = tiny_model();
    check_refused(path, &model, "");
    both_open(&b, 0);
    cr_assert_eq(nnrt_checkpoint_load(b.m, &b.run, scratch_path("none"), &note, &fault),
                 NNRT_BAD_FILE);
    /* Another model file: a note. */
    cr_assert_eq(nnrt_checkpoint_save(a.m, &a.run, path, 0, &fault), 0);
    b.model.digest = "11";
    cr_assert_eq(nnrt_checkpoint_load(b.m, &b.run, path, &note, &fault), 0);
    cr_assert_not_null(strstr(note.text, "changed"));
    nnrt_free(a.m);
    nnrt_free(b.m);
}
