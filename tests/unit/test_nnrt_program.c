/* SPDX-License-Identifier: MIT */
/* Guards the program: every sub-command of nnrt_main, driven as a user does, in a folder of its
 * own, with a network written by hand. Resumed runs equal uninterrupted ones to the bit; what goes
 * wrong gives the right status, names its cause and leaves old files as they were. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "nnrt_program.h"
#include "nnrt_scratch.h"
#include "nnrt_tiny.h"

enum { SAMPLES = 53, TRAINED = 43 }; /* 10 of them are kept for validation */

static nnrt_model model;
static char out_text[20000], err_text[20000]; /* what the last run wrote */

/* Writes an array of 4-byte numbers. */
static void write_npy(const char *name, const char *type, int64_t n, int64_t columns,
                      const void *data)
{
    char head[128], shape[64];
    if (columns)
        snprintf(shape, sizeof shape, "%lld, %lld", (long long)n, (long long)columns);
    else
        snprintf(shape, sizeof shape, "%lld,", (long long)n);
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\1\0\x76\0", 10);
    int used = snprintf(head + 10, 117, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                        type, shape);
    head[10 + used] = ' ';
    head[127] = '\n';
    FILE *f = fopen(scratch_path(name), "wb");
    fwrite(head, 1, sizeof head, f);
    fwrite(data, 4, (size_t)(n * (columns ? columns : 1)), f);
    fclose(f);
}

/* Two classes with some noise: a line parts most of them. */
static void write_data(const char *x_name, const char *label_name, int64_t n)
{
    float x[SAMPLES * 3];
    int32_t label[SAMPLES];
    nnrt_rand_key k = nnrt_rand_key_of(1, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < 3; j++)
            x[i * 3 + j] = nnrt_rand_normal(k, (uint64_t)(i * 3 + j));
        float noise = 0.3f * nnrt_rand_normal(k, (uint64_t)(1000 + i));
        label[i] = x[i * 3] - 2 * x[i * 3 + 1] + noise > 0;
    }
    write_npy(x_name, "<f4", n, 3, x);
    write_npy(label_name, "<i4", n, 0, label);
}

static const nnrt_column columns[] = {{.input = "x", .file = "x.npy"},
                                      {.input = "label", .file = "label.npy"}};

static void open_program(void)
{
    scratch_open();
    model = tiny_model();
    model.data_train = (nnrt_source){.kind = NNRT_SOURCE_NPY, .n_columns = 2, .columns = columns};
    write_data("x.npy", "label.npy", SAMPLES);
    unsetenv("TINY_INTERRUPT");
    unsetenv("LC_ALL");
}

TestSuite(nnrt_program, .init = open_program, .fini = scratch_close, .timeout = 60);

static void slurp(const char *name, char *to, size_t size)
{
    FILE *f = fopen(scratch_path(name), "rb");
    size_t n = f ? fread(to, 1, size - 1, f) : 0;
    to[n] = '\0';
    if (f)
        fclose(f);
}

static void child(const char *line, const char *out)
{
    static char words[1000];
    char *argv[40] = {"./tiny"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    if (chdir(scratch_dir) != 0 || !freopen(out, "w", stdout) || !freopen(".err", "w", stderr))
        _exit(99);
    exit(nnrt_main(argc, argv, &model));
}

static int wait_for(pid_t pid)
{
    int status;
    waitpid(pid, &status, 0);
    slurp(".out", out_text, sizeof out_text);
    slurp(".err", err_text, sizeof err_text);
    unlink(scratch_path(".out"));
    unlink(scratch_path(".err"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Runs the program in the folder; its exit status. */
static int run(const char *line)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(line, ".out");
    return wait_for(pid);
}

#define RUN(expected, line)                                                                        \
    do {                                                                                           \
        int got_ = run(line);                                                                      \
        cr_assert_eq(got_, expected, "%s: status %d, not %d\n%s%s", line, got_, (int)(expected),   \
                     out_text, err_text);                                                          \
    } while (0)

#define ERROR_HAS(piece)                                                                           \
    cr_assert_not_null(strstr(err_text, piece), "no '%s' in: %s", piece, err_text)

/* The number after "name: " in the last output. */
static double figure(const char *name)
{
    size_t n = strlen(name);
    for (const char *line = out_text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            return strtod(line + n + 1, NULL);
    }
    cr_assert_fail("no '%s' in: %s", name, out_text);
    return NAN;
}

static int same_files(const char *a, const char *b)
{
    static char x[20000], y[20000];
    memset(x, 0, sizeof x);
    memset(y, 0, sizeof y);
    slurp(a, x, sizeof x);
    slurp(b, y, sizeof y);
    cr_assert(x[0] || x[8], "%s is missing", a);
    return memcmp(x, y, sizeof x) == 0;
}

/* A checksum of a file: to see that it has not been touched. */
static uint32_t file_sum(const char *name)
{
    static char x[20000];
    memset(x, 0, sizeof x);
    slurp(name, x, sizeof x);
    return nnrt_crc32c(0, x, sizeof x);
}

static int there(const char *name)
{
    return access(scratch_path(name), F_OK) == 0;
}

/* --- train and eval --- */

Test(nnrt_program, train_then_eval)
{
    RUN(0, "train --epochs 30 --log log.csv");
    cr_assert(figure("loss") < 0.45, "%s", out_text);
    cr_assert(figure("val_accuracy") >= 0.8, "%s", out_text);
    ERROR_HAS("8 parameters, 43 samples, 6 steps an epoch");
    ERROR_HAS("Epoch 30/30 - 6/6 - ");
    cr_assert_null(strchr(err_text, '\r'), "no terminal, no redrawing");
    double loss = figure("val_loss"), accuracy = figure("val_accuracy");
    /* The share kept for validation is what eval takes where there is nothing else. */
    RUN(0, "eval");
    cr_assert_float_eq(figure("loss"), loss, 1e-6);
    cr_assert_float_eq(figure("accuracy"), accuracy, 1e-6);
    cr_assert_eq(strncmp(out_text, "loss: ", 6), 0);
    char log[20000];
    slurp("log.csv", log, sizeof log);
    cr_assert_eq(strncmp(log, "epoch,step,time,lr,loss,accuracy,val_loss,val_accuracy\n1,6,", 59),
                 0, "%s", log);
    cr_assert_not_null(strstr(log, "\n30,180,"));
}

Test(nnrt_program, loss_of_a_set_is_weighted)
{
    RUN(0, "init -o w.st");
    write_data("x9.npy", "label9.npy", 9);
    RUN(0, "eval --weights w.st --data x=x9.npy --data label=label9.npy");
    double nine = figure("loss");
    write_data("x8.npy", "label8.npy", 8);
    RUN(0, "eval --weights w.st --data x=x8.npy --data label=label8.npy");
    double eight = figure("loss");
    RUN(0, "predict --weights w.st --input x=x9.npy --output probs=p.npy");
    float p[18];
    static char bytes[400];
    slurp("p.npy", bytes, sizeof bytes);
    memcpy(p, bytes + 128, sizeof p);
    char label[400];
    slurp("label9.npy", label, sizeof label);
    double last = -log((double)p[16 + label[128 + 32]]);
    cr_assert_float_eq(nine, (8 * eight + last) / 9, 1e-6, "%g %g %g", nine, eight, last);
}

/* Nine samples in batches of 8 and 1, the last of another loss; the rate is 0. */
Test(nnrt_program, loss_of_an_epoch_is_weighted)
{
    float x[27] = {0}, bias[2] = {1, 0};
    int32_t label[9] = {[8] = 1};
    nnrt_instance *m = nnrt_new(&model, 1);
    nnrt_set(m, "fc.bias", bias);
    cr_assert_eq(nnrt_save(m, scratch_path("w.st")), 0);
    nnrt_free(m);
    write_npy("x.npy", "<f4", 9, 3, x);
    write_npy("label.npy", "<i4", 9, 0, label);
    model.train.validation_split = 0;
    RUN(0, "train --weights w.st --lr 0 --epochs 1 --no-shuffle");
    cr_assert_float_eq(figure("loss"), (8 * log1p(exp(-1)) + log1p(exp(1))) / 9, 1e-6);
    cr_assert_float_eq(figure("accuracy"), 8 / 9.0, 1e-6);
}

Test(nnrt_program, data_and_folder_options)
{
    mkdir(scratch_path("d"), 0755);
    rename(scratch_path("x.npy"), scratch_path("d/x.npy"));
    rename(scratch_path("label.npy"), scratch_path("d/label.npy"));
    RUN(NNRT_BAD_FILE, "train");
    ERROR_HAS("x.npy");
    RUN(0, "train --data-dir d --steps 2");
    RUN(0, "train --data x=d/x.npy --data label=d/label.npy --steps 2 --out o.st");
    cr_assert(same_files("tiny.safetensors", "o.st"));
    model.data_train.kind = NNRT_SOURCE_NONE;
    RUN(NNRT_BAD_CALL, "train");
    ERROR_HAS("--data");
    RUN(NNRT_BAD_CALL, "eval");
    ERROR_HAS("--data");
    unlink(scratch_path("d/x.npy"));
    unlink(scratch_path("d/label.npy"));
}

/* The validation source, and eval's choice of test before validation. */
Test(nnrt_program, sources_of_eval)
{
    static const nnrt_column few[] = {{.input = "x", .file = "fx.npy"},
                                      {.input = "label", .file = "fl.npy"}};
    static const nnrt_column fewer[] = {{.input = "x", .file = "gx.npy"},
                                        {.input = "label", .file = "gl.npy"}};
    write_data("fx.npy", "fl.npy", 20);
    write_data("gx.npy", "gl.npy", 3);
    model.train.validation_split = 0;
    model.data_validation = (nnrt_source){.kind = NNRT_SOURCE_NPY, .n_columns = 2, .columns = few};
    RUN(0, "train --steps 3");
    double loss = figure("val_loss");
    ERROR_HAS("53 samples");
    RUN(0, "eval");
    cr_assert_float_eq(figure("loss"), loss, 1e-6);
    model.data_test = (nnrt_source){.kind = NNRT_SOURCE_NPY, .n_columns = 2, .columns = fewer};
    RUN(0, "eval");
    cr_assert(fabs(figure("loss") - loss) > 1e-6);
    model.data_test.kind = model.data_validation.kind = NNRT_SOURCE_NONE;
    RUN(NNRT_BAD_CALL, "eval");
}

/* --- the same bits --- */

/* A run that is stopped after `steps` and resumed gives what an uninterrupted one gives. */
static void check_resume(int steps, const char *whole)
{
    char line[200];
    snprintf(line, sizeof line, "train --steps %d --checkpoint c.st --out part.st --log part.csv",
             steps);
    RUN(0, line);
    RUN(0, "train --resume c.st --checkpoint d.st --out resumed.st --log part.csv");
    cr_assert(same_files(whole, "resumed.st"), "weights after a stop at %d differ", steps);
    cr_assert(same_files("whole-c.st", "d.st"), "the state after a stop at %d differs", steps);
    if (!model.train.stop_restore_best) /* else both are the weights of the first epoch */
        cr_assert(!same_files(whole, "part.st"));
}

static void check_resume_all(void)
{
    RUN(0, "train --checkpoint whole-c.st --out whole.st");
    double loss = figure("loss"), accuracy = figure("val_accuracy");
    static const int stops[] = {1, 4, 5, 6, 7, 11, 12, 17};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        int accumulate = model.train.accumulate;
        if (stops[i] > 18 / accumulate - 1)
            continue;
        check_resume(stops[i], "whole.st");
        cr_assert_eq(figure("loss"), loss);
        cr_assert_eq(figure("val_accuracy"), accuracy);
    }
}

Test(nnrt_program, resume)
{
    check_resume_all();
}

Test(nnrt_program, resume_accumulate)
{
    model.train.accumulate = 4;
    check_resume_all();
}

Test(nnrt_program, resume_early_stopping)
{
    model.train.stop_monitor = "val_loss";
    model.train.stop_patience = 2;
    model.train.stop_restore_best = 1;
    model.train.stop_min_delta = 0.5; /* the first epoch stays the best */
    model.train.epochs = 3;
    check_resume_all();
    /* A run that has stopped has nothing left to do. */
    RUN(0, "train --resume whole-c.st --out again.st");
    cr_assert(same_files("whole.st", "again.st"));
}

static const nnrt_schedule plateau = {.kind = NNRT_SCHEDULE_PLATEAU,
                                      .monitor = "val_loss",
                                      .gamma = 0.5,
                                      .patience = 1,
                                      .mode =
                                          1}; /* the loss falls: the first epoch stays the best */

Test(nnrt_program, resume_plateau)
{
    model.train.schedule = plateau;
    model.train.epochs = 3;
    check_resume_all();
}

/* The number in the log's last row, in column `lr`. */
static double last_rate(void)
{
    char log[20000];
    slurp("log.csv", log, sizeof log);
    *strrchr(log, '\n') = 0;
    char *row = strrchr(log, '\n') + 1, *name = log;
    while (strncmp(name, "lr", 2) != 0) {
        name = strchr(name, ',') + 1;
        row = strchr(row, ',') + 1;
    }
    return atof(row);
}

Test(nnrt_program, plateau_lowers_the_rate)
{
    model.train.schedule = plateau;
    model.train.lr = 0.8;
    static const struct {
        const char *epochs;
        double to, rate;
    } cases[] = {{"2", 0, 0.8}, {"3", 0, 0.8}, {"4", 0, 0.4}, {"6", 0, 0.2}, {"6", 0.3, 0.3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[128];
        model.train.schedule.to = cases[i].to;
        snprintf(line, sizeof line, "train --epochs %s --log log.csv --out last.st",
                 cases[i].epochs);
        RUN(0, line);
        cr_expect_float_eq(last_rate(), cases[i].rate, 1e-9, "%s epochs", cases[i].epochs);
    }
}

Test(nnrt_program, checkpoints_between)
{
    model.train.checkpoint_every = 4;
    RUN(0, "train --checkpoint every.st --out whole.st");
    model.train.checkpoint_every = 0;
    RUN(0, "train --checkpoint whole-c.st --out other.st");
    cr_assert(same_files("whole.st", "other.st"));
    cr_assert(same_files("every.st", "whole-c.st"), "the end is saved as well");
}

/* What the options of the first run decided holds for the resumed one. */
Test(nnrt_program, resume_keeps_options)
{
    RUN(0, "train --epochs 2 --no-shuffle --lr 0.3 --seed 8 --out whole.st");
    RUN(0, "train --epochs 2 --no-shuffle --lr 0.3 --seed 8 --steps 7 --checkpoint c.st");
    RUN(0, "train --resume c.st --out resumed.st");
    cr_assert(same_files("whole.st", "resumed.st"));
    /* --epochs on the way gives the schedule another horizon. */
    RUN(0, "train --resume c.st --epochs 3 --steps 12 --out other.st");
    cr_assert(!same_files("whole.st", "other.st"));
}

/* A checkpoint of step k inside an epoch is what a stop at k leaves. */
Test(nnrt_program, interrupted)
{
    RUN(0, "train --out whole.st");
    setenv("TINY_INTERRUPT", "7", 1);
    RUN(NNRT_INTERRUPTED, "train --checkpoint c.st --out part.st");
    ERROR_HAS("after step 8");
    ERROR_HAS("--resume c.st");
    unsetenv("TINY_INTERRUPT");
    cr_assert(there("part.st"));
    RUN(0, "train --steps 8 --out eight.st");
    cr_assert(same_files("eight.st", "part.st"));
    RUN(0, "train --resume c.st --out resumed.st");
    cr_assert(same_files("whole.st", "resumed.st"));
}

Test(nnrt_program, what_decides_the_bits)
{
    RUN(0, "train --out a.st");
    RUN(0, "train --out b.st");
    cr_assert(same_files("a.st", "b.st"));
    RUN(0, "train --seed 6 --out b.st");
    cr_assert(!same_files("a.st", "b.st"));
    RUN(0, "train --no-shuffle --out b.st");
    cr_assert(!same_files("a.st", "b.st"));
    RUN(0, "train --lr 0.4 --out b.st");
    cr_assert(!same_files("a.st", "b.st"));
    RUN(0, "train --lr 0.5 --out b.st");
    cr_assert(same_files("a.st", "b.st"));
    /* --steps moves no horizon, --epochs does. */
    RUN(0, "train --steps 18 --out b.st");
    cr_assert(same_files("a.st", "b.st"));
    RUN(0, "train --epochs 4 --steps 18 --out b.st");
    cr_assert(!same_files("a.st", "b.st"));
    /* --weights: fresh ones from the same seed are what train begins with. */
    RUN(0, "init -o w.st");
    RUN(0, "train --weights w.st --out b.st");
    cr_assert(same_files("a.st", "b.st"));
    RUN(0, "init --seed 9 -o w.st");
    RUN(0, "train --weights w.st --out b.st");
    cr_assert(!same_files("a.st", "b.st"));
    /* Steps of the model file in place of epochs. */
    model.train.epochs = 0;
    model.train.steps = 18;
    RUN(0, "train --out b.st");
    cr_assert(same_files("a.st", "b.st"));
}

Test(nnrt_program, resume_refuses)
{
    RUN(0, "train --steps 4 --checkpoint c.st");
    RUN(NNRT_BAD_CALL, "train --resume c.st --seed 6");
    ERROR_HAS("seed 5");
    RUN(NNRT_BAD_CALL, "train --resume c.st --weights tiny.safetensors");
    RUN(NNRT_BAD_CONTENT, "train --resume tiny.safetensors");
    ERROR_HAS("no checkpoint");
    RUN(NNRT_BAD_FILE, "train --resume none.st");
    ERROR_HAS("none.st");
    write_data("x.npy", "label.npy", SAMPLES - 1);
    RUN(NNRT_BAD_CONTENT, "train --resume c.st");
    ERROR_HAS("43 training samples");
    RUN(NNRT_BAD_CALL, "train --checkpoint s.st --out s.st");
}

Test(nnrt_program, early_stopping)
{
    model.train.stop_monitor = "val_loss";
    model.train.stop_patience = 2;
    model.train.stop_min_delta = 1e9; /* nothing is ever better than the first */
    model.train.epochs = 20;
    RUN(0, "train --log log.csv --out last.st");
    char log[20000];
    slurp("log.csv", log, sizeof log);
    cr_assert_not_null(strstr(log, "\n3,18,"), "%s", log);
    cr_assert_null(strstr(log, "\n4,24,"));
    model.train.stop_restore_best = 1;
    RUN(0, "train --out best.st");
    RUN(0, "train --steps 6 --out first.st");
    model.train.stop_monitor = NULL;
    RUN(0, "train --steps 6 --out one.st");
    cr_assert(same_files("best.st", "one.st"), "the best weights were those after the first epoch");
    cr_assert(!same_files("best.st", "last.st"));
}

/* --- predict, grad, init --- */

Test(nnrt_program, predict)
{
    RUN(0, "init -o tiny.safetensors");
    RUN(0, "predict --input x=x.npy --input label=nothing.npy --output probs=p.npy --output "
           "one=o.npy");
    static char bytes[2000];
    float p[SAMPLES * 2], one[SAMPLES];
    slurp("p.npy", bytes, sizeof bytes);
    cr_assert_not_null(strstr(bytes + 10, "(53, 2)"));
    memcpy(p, bytes + 128, sizeof p);
    slurp("o.npy", bytes, sizeof bytes);
    cr_assert_not_null(strstr(bytes + 10, "(53,)"));
    memcpy(one, bytes + 128, sizeof one);
    for (int i = 0; i < SAMPLES; i++) {
        cr_assert_float_eq(p[2 * i] + p[2 * i + 1], 1, 1e-6);
        cr_assert_eq(one[i], 1);
    }
    cr_assert(p[0] != p[2 * (SAMPLES - 1)]);
    RUN(NNRT_BAD_CALL, "predict --output probs=p.npy");
    ERROR_HAS("x");
    RUN(NNRT_BAD_CALL, "predict --input x=x.npy");
    RUN(NNRT_BAD_CALL, "predict --input x=x.npy --output prob=p.npy");
    ERROR_HAS("did you mean 'probs'");
    RUN(NNRT_BAD_CALL, "predict --input x --output probs=p.npy");
    RUN(NNRT_BAD_CALL, "predict --input y=x.npy --output probs=p.npy");
    RUN(NNRT_BAD_FILE, "predict --input x=none.npy --output probs=p.npy");
    ERROR_HAS("none.npy");
    RUN(NNRT_BAD_CONTENT, "predict --input x=label.npy --output probs=p.npy");
    RUN(NNRT_BAD_FILE, "predict --weights none.st --input x=x.npy --output probs=p.npy");
    ERROR_HAS("none.st");
    RUN(NNRT_BAD_FILE, "predict --input x=x.npy --output probs=none/p.npy");
}

Test(nnrt_program, grad)
{
    RUN(0, "init -o tiny.safetensors");
    write_data("x5.npy", "label5.npy", 5);
    RUN(0, "grad --input x=x5.npy --input label=label5.npy -o g.st --seed 3");
    nnrt_bytes bytes;
    nnrt_fault fault;
    nnrt_st_file f;
    cr_assert_eq(nnrt_file_raw(scratch_path("g.st"), &bytes, &fault), 0);
    cr_assert_eq(nnrt_st_parse("g.st", bytes.at, bytes.size, &f, &fault), 0, "%s", fault.text);
    cr_assert_eq(f.n_tensors, 4);
    const nnrt_st_tensor *loss = nnrt_st_find(&f, "loss"), *w = nnrt_st_find(&f, "fc.weight");
    const nnrt_st_tensor *x = nnrt_st_find(&f, "input.x"), *b = nnrt_st_find(&f, "fc.bias");
    cr_assert(loss && loss->rank == 0);
    cr_assert(w && w->rank == 2 && w->dim[0] == 2 && w->dim[1] == 3);
    cr_assert(x && x->rank == 2 && x->dim[0] == 5 && x->dim[1] == 3);
    float db[2], dw[6];
    nnrt_st_floats(&f, b, db);
    nnrt_st_floats(&f, w, dw);
    cr_assert_float_eq(db[0] + db[1], 0, 1e-6);
    cr_assert_float_eq(dw[0] + dw[3], 0, 1e-6, "of two classes, in saved order");
    nnrt_st_free(&f);
    nnrt_bytes_free(&bytes);
    RUN(0, "grad --input x=x5.npy --input label=label5.npy -o h.st --seed 4");
    cr_assert(!same_files("g.st", "h.st"), "dropout is on");
    RUN(NNRT_BAD_CALL, "grad --input x=x.npy --input label=label.npy -o g.st");
    ERROR_HAS("1 to 8");
    RUN(NNRT_BAD_CALL, "grad --input x=x5.npy -o g.st");
    RUN(NNRT_BAD_CALL, "grad --input x=x5.npy --input label=label5.npy");
}

Test(nnrt_program, init)
{
    RUN(0, "init -o a.st");
    RUN(0, "init --seed 5 -o b.st");
    cr_assert(same_files("a.st", "b.st"), "5 is the model's seed");
    RUN(0, "init --seed=6 --out=b.st");
    cr_assert(!same_files("a.st", "b.st"));
    RUN(NNRT_BAD_CALL, "init");
    RUN(NNRT_BAD_FILE, "init -o none/a.st");
}

/* --- bench, info, help --- */

Test(nnrt_program, bench_and_info)
{
    RUN(0, "bench --seconds 0.05 --json --batch 4");
    static const char *const keys[] = {
        "\"phase\": \"train\"", "\"batch\": 4", "\"threads\": ",       "\"median_ms\": ",
        "\"min_ms\": ",         "\"p90_ms\": ", "\"samples_per_s\": ", "\"gflops\": ",
        "\"arena_bytes\": 448", "\"loss\": "};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert_not_null(strstr(out_text, keys[i]), "%s: %s", keys[i], out_text);
    cr_assert_eq(strchr(out_text, '\n'), out_text + strlen(out_text) - 1);
    RUN(0, "bench --predict --seconds 0.05 --json");
    cr_assert_not_null(strstr(out_text, "\"phase\": \"predict\""));
    cr_assert_not_null(strstr(out_text, "\"loss\": null"));
    RUN(0, "bench --seconds 0.05");
    RUN(NNRT_BAD_CALL, "bench --batch 9");
    RUN(NNRT_BAD_CALL, "bench --profile"); /* its kernels have no marks */
    RUN(NNRT_BAD_CALL, "bench --train --predict");
    RUN(0, "info");
    cr_assert_not_null(strstr(out_text, "parameters: 8\n"));
    RUN(0, "info --json");
    cr_assert_not_null(strstr(out_text, "\"parameters\": 8"));
    cr_assert_not_null(strstr(out_text, "\"shape\": [2, 3]"));
}

Test(nnrt_program, help_and_mistakes)
{
    RUN(0, "--help");
    cr_assert_not_null(strstr(out_text, "predict"));
    RUN(0, "train --help");
    cr_assert_not_null(strstr(out_text, "--resume=F"));
    RUN(0, "--version");
    RUN(NNRT_BAD_CALL, "trian");
    ERROR_HAS("did you mean 'train'");
    RUN(NNRT_BAD_CALL, "eval --wieghts w");
    ERROR_HAS("did you mean '--weights'");
    model.train_step = NULL;
    model.eval = NULL;
    model.grad = NULL;
    RUN(NNRT_BAD_CALL, "train");
    RUN(NNRT_BAD_CALL, "eval");
    RUN(NNRT_BAD_CALL, "grad --input x=x.npy -o g.st");
    RUN(0, "bench --seconds 0.02");
    cr_assert_eq(strncmp(out_text, "predict", 7), 0);
    model.abi = NNRT_ABI + 1;
    RUN(NNRT_BUG, "info");
}

/* --- what goes wrong --- */

Test(nnrt_program, bad_data)
{
    int32_t label[SAMPLES] = {0};
    float x[SAMPLES * 3] = {0};
    label[17] = 2;
    write_npy("label.npy", "<i4", SAMPLES, 0, label);
    RUN(NNRT_BAD_CONTENT, "train");
    ERROR_HAS("label.npy");
    ERROR_HAS("17");
    label[17] = 0;
    write_npy("label.npy", "<i4", SAMPLES, 0, label);
    x[20] = NAN;
    write_npy("x.npy", "<f4", SAMPLES, 3, x);
    RUN(NNRT_BAD_CONTENT, "train");
    ERROR_HAS("x.npy");
    cr_assert(!there("tiny.safetensors"));
}

/* Divergence: nothing that was there is touched. */
Test(nnrt_program, not_finite)
{
    RUN(0, "train --steps 2 --checkpoint c.st");
    uint32_t weights = file_sum("tiny.safetensors"), checkpoint = file_sum("c.st");
    RUN(NNRT_NOT_FINITE, "train --lr 1e38 --checkpoint c.st");
    ERROR_HAS("step ");
    ERROR_HAS("epoch 1");
    ERROR_HAS("fc.weight");
    cr_assert_eq(file_sum("tiny.safetensors"), weights);
    cr_assert_eq(file_sum("c.st"), checkpoint);
}

Test(nnrt_program, files_are_checked_first)
{
    RUN(NNRT_BAD_FILE, "train --out none/w.st");
    ERROR_HAS("none/w.st");
    cr_assert_null(strstr(err_text, "Epoch"));
    RUN(NNRT_BAD_FILE, "train --checkpoint none/c.st");
    RUN(NNRT_BAD_FILE, "train --log none/l.csv");
    RUN(NNRT_BAD_FILE, "train --out .");
    RUN(NNRT_BAD_FILE, "train --out x.npy/w.st");
    RUN(NNRT_BAD_FILE, "train --weights none.st");
    ERROR_HAS("none.st");
    RUN(NNRT_BAD_FILE, "eval");
    ERROR_HAS("tiny.safetensors");
}

/* A folder that may not be written, seen by a user who is not root. */
Test(nnrt_program, read_only_folder)
{
    chmod(scratch_dir, 0555);
    fflush(NULL);
    int null = open("/dev/null", O_RDWR);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {"./tiny", "train", NULL};
        if (chdir(scratch_dir) != 0 || dup2(null, 2) < 0 || (geteuid() == 0 && setuid(65534) != 0))
            _exit(99);
        _exit(nnrt_main(2, argv, &model));
    }
    int status = wait_for(pid);
    chmod(scratch_dir, 0755);
    close(null);
    cr_assert_eq(status, NNRT_BAD_FILE, "%d", status);
    cr_assert(!there("tiny.safetensors"));
}

/* A limit on the size of files stands for a full disk: the old checkpoint stays, no part of a new
 * one is left. */
Test(nnrt_program, full_disk)
{
    RUN(0, "train --steps 2 --checkpoint c.st");
    uint32_t checkpoint = file_sum("c.st");
    int files = scratch_count(0);
    fflush(NULL); /* or the child would write it again */
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {600, 600};
        signal(SIGXFSZ, SIG_IGN);
        char *argv[] = {"./tiny", "train", "--checkpoint", "c.st", NULL};
        int null = open("/dev/null", O_RDWR);
        if (chdir(scratch_dir) != 0 || dup2(null, 2) < 0 || dup2(null, 1) < 0)
            _exit(99);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(nnrt_main(4, argv, &model));
    }
    int status = wait_for(pid);
    cr_assert_eq(status, NNRT_BAD_FILE, "%d", status);
    cr_assert_eq(file_sum("c.st"), checkpoint);
    cr_assert_eq(scratch_count(0), files, "parts are left");
    RUN(0, "train --resume c.st");
    RUN(0, "eval");
}

/* Results that cannot be printed are an error. */
Test(nnrt_program, full_standard_output)
{
    RUN(0, "train --steps 2");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child("eval", "/dev/full");
    int status = wait_for(pid);
    cr_assert_eq(status, NNRT_BAD_FILE, "%d", status);
    RUN(NNRT_BAD_FILE, "train --log /dev/full --out after.st");
    ERROR_HAS("/dev/full");
    cr_assert(!there("after.st"), "seen before training");
}
