/* SPDX-License-Identifier: MIT */
/* emit_run.h: runs emitted C against the interpreter: many programs in one C file, compiled once
 * into a shared object, each called with a full batch, a short one and one sample.
 *
 * A program is built twice by the same function: one copy is only differentiated and given its
 * optimiser and is what is interpreted, with bounds (error_bound.h); the other goes through the
 * whole pipeline. What else is checked: rows past n, in inputs (NaN) are never read and in results
 * never written; scratch holds NaN at first; nothing is written past the instance. */
#ifndef EMIT_RUN_H
#define EMIT_RUN_H

#include "codegen/codegen.h"
#include "error_bound.h"
#include "nnrt.h"
#include "targets/targets.h"

#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct Variant {
    const char *name;
    bool O0, unfused, exact;
    const char *skip; /* --no-pass; NULL: none */
} Variant;

static const Variant variant_all = {.name = "all"};

/* Builds the functions of f->p. What it draws at random comes from f->random, set by `seed`. */
typedef void EmitBuild(Fixture *f, const void *arg);

typedef struct Emitted {
    const char *name, *label;
    Fixture *as_built, *lowered;
    void *memory; /* the instance */
    const nnrt_model *model;
} Emitted;

typedef struct EmitBatch {
    Arena *arena;
    VEC(Emitted) programs;
    Str text;
    void *object; /* the last that was loaded */
    int64_t compared, skipped, failures;
    uint64_t bits; /* a hash of every number computed */
} EmitBatch;

/* --- leaves ----------------------------------------------------------------------------------- */

/* A float in [lo, hi] that depends on the two numbers alone. */
FIXTURE double emit_number(uint64_t stream, uint64_t index, double lo, double hi)
{
    uint64_t z = (stream + 1) * 0x9E3779B97F4A7C15u + index * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (float)(lo + (hi - lo) * (double)(z >> 11) * 0x1p-53);
}

/* The next input of the function, [N, ...]: made by the first function, found by the others. */
FIXTURE Node *emit_input(Fixture *f, Shape shape, DType dtype, int64_t classes, double lo,
                         double hi)
{
    int i = f->next_input++;
    cr_assert_lt(i, COUNT(f->inputs));
    if (i == f->p->inputs.n) {
        Input input = {.name = arena_format(f->ctx.arena, "x%d", i),
                       .dtype = dtype,
                       .shape = shape,
                       .classes = classes};
        vec_push(f->ctx.arena, &f->p->inputs, input);
        int64_t n = shape_elements(&shape, f->p->train.batch);
        f->inputs[i] = arena_take(f->ctx.arena, sizeof(double) * (size_t)n);
        for (int64_t k = 0; k < n; k++) {
            double v = emit_number((uint64_t)i, (uint64_t)k, lo, hi);
            f->inputs[i][k] = dtype == DT_f32 ? v : floor(v);
        }
    }
    return build_input(f->g, i);
}

FIXTURE Var *emit_weight(Fixture *f, Shape shape, double lo, double hi)
{
    int i = f->next_var++;
    const char *name = arena_format(f->ctx.arena, "l%d.weight", i);
    Var *var = program_find_var(f->p, name);
    if (var)
        return var;
    var = program_var(f->p, name, VAR_weight, &shape, (Init){0}, (Loc){.line = i + 1});
    cr_assert_lt(var->id, COUNT(f->vars));
    int64_t n = shape_count(&shape);
    f->vars[var->id] = arena_take(f->ctx.arena, sizeof(double) * (size_t)n);
    for (int64_t k = 0; k < n; k++)
        f->vars[var->id][k] = emit_number(1000 + (uint64_t)i, (uint64_t)k, lo, hi);
    return var;
}

/* A tensor of any shape: a weight where it has no batch axis, else an input, moved. */
FIXTURE Node *emit_leaf(Fixture *f, Shape shape, double lo, double hi)
{
    if (shape.batch < 0)
        return build_var(f->g, emit_weight(f, shape, lo, hi));
    Shape from = {.rank = 1, .batch = 0, .dim = {1}}, joined = {.rank = 1, .batch = 0};
    if (shape.dim[shape.batch] != 1)
        from.dim[from.rank++] = shape.dim[shape.batch];
    joined.dim[0] = shape.dim[shape.batch];
    int perm[RANK_MAX];
    for (int i = 0, k = 1; i < shape.rank; i++) {
        perm[i] = i == shape.batch ? 0 : k++;
        if (i != shape.batch)
            from.dim[from.rank++] = joined.dim[joined.rank++] = shape.dim[i];
    }
    Node *x = emit_input(f, from, DT_f32, 0, lo, hi);
    if (from.rank != joined.rank)
        x = build_reshape(f->g, x, &joined);
    return shape.batch ? build_transpose(f->g, x, perm) : x;
}

/* Whole numbers from 0 to below - 1, the batch first. */
FIXTURE Node *emit_tokens(Fixture *f, Shape shape, int64_t below)
{
    Shape from = {.rank = 1, .batch = 0, .dim = {1}};
    for (int i = 0; i < shape.rank; i++)
        from.dim[from.rank++] = shape.dim[i];
    Node *x = emit_input(f, from, DT_i32, below, 0, (double)below);
    f->p->inputs.at[x->attr->input].looked_up = true;
    return build_reshape(f->g, x, &shape);
}

/* --- building --------------------------------------------------------------------------------- */

/* Starts a function: the same random numbers as those before it. */
FIXTURE void emit_function(Fixture *f, Fn fn, uint64_t seed)
{
    f->random = seed * 0x9E3779B97F4A7C15u + 88172645463325252u;
    f->next_input = f->next_var = 0;
    f->g = f->p->fn[fn] = graph_new(f->p, fn);
}

/* Output `index` of predict: y with the samples first. */
FIXTURE void emit_output(Fixture *f, int index, Node *y)
{
    Graph *g = f->g;
    Shape shape = {.rank = y->shape.rank + 1, .batch = 0, .dim = {1}};
    if (index == f->p->outputs.n)
        vec_push(f->ctx.arena, &f->p->outputs,
                 ((Output){.name = arena_format(f->ctx.arena, "y%d", index)}));
    if (y->shape.batch > 0) {
        int perm[RANK_MAX] = {y->shape.batch};
        for (int i = 0, k = 1; i < y->shape.rank; i++)
            if (i != y->shape.batch)
                perm[k++] = i;
        y = build_transpose(g, y, perm);
    }
    if (y->shape.batch == 0 && y->shape.dim[0] != 1) {
        memcpy(shape.dim + 1, y->shape.dim, sizeof *shape.dim * (size_t)y->shape.rank);
        y = build_reshape(g, y, &shape);
    } else if (y->shape.batch < 0) {
        memcpy(shape.dim + 1, y->shape.dim, sizeof *shape.dim * (size_t)y->shape.rank);
        y = build_expand(g, build_unsqueeze(g, y, 0), &shape);
    }
    graph_root(g, ROOT_output, index, y);
}

FIXTURE Fixture *emit_fixture(const char *name, const Target *target)
{
    Fixture *f = fixture_new(FN_predict);
    f->p->fn[FN_predict] = NULL;
    f->p->name = name;
    f->p->file = "test.yaml";
    f->p->target = target;
    f->p->template_dir = "templates";
    f->p->train.batch = 8;
    f->leaf = emit_leaf;
    f->tokens = emit_tokens;
    return f;
}

FIXTURE void emit_differentiate(Fixture *f)
{
    static void (*const passes[])(Graph *) = {pass_autodiff, pass_optimizer};
    for (int i = 0; i < COUNT(passes); i++)
        for (int fn = 0; fn < FN_COUNT; fn++)
            if (f->p->fn[fn])
                passes[i](f->p->fn[fn]);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (f->p->fn[fn])
            graph_sort(f->p->fn[fn]);
}

/* State of optimisers: a number in [0, 1), so that second moments are no root of a negative. */
FIXTURE void emit_state(Fixture *f)
{
    for (int i = 0; i < f->p->vars.n; i++) {
        int64_t n = shape_count(&f->p->vars.at[i]->shape);
        cr_assert_lt(i, COUNT(f->vars));
        if (f->vars[i])
            continue;
        f->vars[i] = arena_take(f->ctx.arena, sizeof(double) * (size_t)n);
        for (int64_t k = 0; k < n; k++)
            f->vars[i][k] = emit_number(2000 + (uint64_t)i, (uint64_t)k, 0.01, 1);
    }
}

FIXTURE EmitBatch emit_batch(void)
{
    Arena *arena = arena_new();
    EmitBatch b = {.arena = arena, .text = str_new(arena)};
    str_add(&b.text, "#include \"nnrt.h\"\n"
                     "double nnrt_lr(const nnrt_schedule *s, double base, int64_t step, int64_t "
                     "total, int64_t steps)\n{\n    (void)s;\n    (void)step;\n    (void)total;\n"
                     "    (void)steps;\n    return base;\n}\n\n");
    return b;
}

FIXTURE void emit_add(EmitBatch *b, EmitBuild *build, const void *arg, const Variant *variant,
                      const Target *target, const char *label)
{
    if (getenv("EMIT_VERBOSE"))
        fprintf(stderr, "%s\n", label);
    Emitted e = {.name = arena_format(b->arena, "g%d", b->programs.n),
                 .label = arena_text(b->arena, label, strlen(label))};
    PassOptions options = {
        .O0 = variant->O0, .n_skip = variant->skip != NULL, .skip = &variant->skip};
    e.as_built = emit_fixture(e.name, target);
    e.lowered = emit_fixture(e.name, target);
    build(e.as_built, arg);
    build(e.lowered, arg);
    cr_assert_eq(e.as_built->ctx.diag.errors, 0, "%s: %s", label, fixture_said(e.as_built));
    emit_differentiate(e.as_built);
    emit_state(e.as_built);
    e.lowered->p->unfused = variant->unfused;
    e.lowered->p->exact = variant->exact;
    cr_assert(passes_run(e.lowered->p, &options), "%s: %s", label, fixture_said(e.lowered));
    kernels_text(e.lowered->p);
    CodegenOptions codegen = {.command = "", .grad = true};
    str_add(&b->text, "%s\nextern const nnrt_model *const %s_table;\n",
            emit_source(e.lowered->p, &codegen), e.name);
    str_add(&b->text, "const nnrt_model *const %s_table = &%s_model;\n", e.name, e.name);
    vec_push(b->arena, &b->programs, e);
}

/* --- compiling -------------------------------------------------------------------------------- */

FIXTURE int emit_compiler(const char *source, const char *object, const char *flags)
{
    char words[1000], *argv[64];
    const char *cc = getenv("CC") ? getenv("CC") : "cc";
    int n = 0;
    snprintf(words, sizeof words,
             "%s -std=gnu11 -Wall -Wextra -Werror -shared -fPIC -Iruntime %s -o %s %s -lm", cc,
             flags, object, source);
    for (char *word = strtok(words, " "); word && n < 63; word = strtok(NULL, " "))
        argv[n++] = word;
    argv[n] = NULL;
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    return status;
}

/* What emitted C may call of the runtime: the test links it, and so has it for what it loads. */
static void *const emit_calls[] = {(void *)nnrt_list_rows, (void *)nnrt_refuses_tokens};

/* Compiles and loads the programs. EMIT_KEEP: a folder where the C stays. */
FIXTURE void emit_load(EmitBatch *b, const char *flags)
{
    char folder[] = P_tmpdir "/nncc-emit-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    for (int i = 0; i < COUNT(emit_calls); i++)
        cr_assert_not_null(emit_calls[i]);
    const char *keep = getenv("EMIT_KEEP");
    const char *source = arena_format(b->arena, "%s/emitted.c", keep ? keep : folder);
    const char *object = arena_format(b->arena, "%s/emitted.so", folder);
    FILE *file = fopen(source, "w");
    cr_assert_not_null(file);
    fputs(b->text.at, file);
    cr_assert_eq(fclose(file), 0);
    int status = emit_compiler(source, object, flags);
    cr_assert_eq(status, 0, "the emitted C does not compile with %s", flags);
    if (b->object)
        dlclose(b->object);
    b->object = dlopen(object, RTLD_LAZY | RTLD_LOCAL);
    cr_assert_not_null(b->object, "%s", dlerror());
    if (!keep)
        unlink(source);
    unlink(object);
    rmdir(folder);
    for (int i = 0; i < b->programs.n; i++) {
        Emitted *e = &b->programs.at[i];
        const nnrt_model *const *table =
            dlsym(b->object, arena_format(b->arena, "%s_table", e->name));
        cr_assert_not_null(table);
        e->model = *table;
    }
}

/* --- running ---------------------------------------------------------------------------------- */

enum { EMIT_GUARD = 4096, EMIT_SEED = 7, EMIT_CALLS = 11, EMIT_STEPS = 3 };

typedef struct EmitRun {
    EmitBatch *b;
    Emitted *e;
    Arena *arena; /* of this run */
    Fn fn;
    int64_t n;
    int64_t calls;
    nnrt_instance *m;
    const void *in[64];
    Bound *roots;
} EmitRun;

FIXTURE void emit_hash(EmitBatch *b, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    b->bits = (b->bits ^ (isnan(x) ? 0x7fc00000u : bits)) * 0x100000001B3u;
}

FIXTURE void emit_fail(EmitRun *r, const char *what, const char *how)
{
    if (r->b->failures++ < 20)
        cr_log_error("%s: %s, n = %d: %s: %s", r->e->label, fn_text(r->fn), (int)r->n, what, how);
}

/* Compares `count` numbers; reports the first that is out of its bound. */
FIXTURE void emit_compare(EmitRun *r, const char *what, const Bound *want, const float *got)
{
    bool said = false;
    for (int64_t i = 0, n = shape_count(&want->value.shape); i < n; i++) {
        double v = want->value.data[i], e = want->error.data[i];
        emit_hash(r->b, got[i]);
        r->b->skipped += !isfinite(e);
        r->b->compared += isfinite(e) != 0;
        if (!isfinite(e) || fabs(got[i] - v) <= e + 2 * bound_unit * fabs(v) || said)
            continue;
        said = true;
        emit_fail(r, what,
                  arena_format(r->arena, "[%d of %d] is %.9g, not %.9g +- %.3g", (int)i, (int)n,
                               (double)got[i], v, e));
    }
}

/* n samples of each input, then NaN to the end of the batch. */
FIXTURE void emit_inputs(EmitRun *r)
{
    Fixture *f = r->e->as_built;
    for (int i = 0; i < f->p->inputs.n; i++) {
        const Input *input = &f->p->inputs.at[i];
        int64_t all = shape_elements(&input->shape, f->p->train.batch);
        int64_t some = shape_elements(&input->shape, r->n);
        int32_t *x = arena_take(r->arena, sizeof *x * (size_t)(all + 16));
        memset(x, 0xff, sizeof *x * (size_t)(all + 16));
        for (int64_t k = 0; k < some; k++) {
            double v = f->inputs[i][k];
            if (input->dtype == DT_f32)
                ((float *)x)[k] = (float)v;
            else if (input->dtype == DT_i32)
                x[k] = (int32_t)v;
            else
                ((uint8_t *)x)[k] = (uint8_t)v;
        }
        r->in[i] = x;
    }
}

/* A new instance with the variables of as_built; scratch and what follows are NaN. */
FIXTURE void emit_instance(EmitRun *r)
{
    Fixture *f = r->e->as_built;
    size_t size = r->e->model->size;
    unsigned char *memory = aligned_alloc(64, (size + EMIT_GUARD + 63) / 64 * 64);
    memset(memory, 0xff, size + EMIT_GUARD);
    r->m = nnrt_init(r->e->model, memory, EMIT_SEED);
    cr_assert_not_null(r->m);
    memset(r->m->scratch, 0xff, (size_t)(memory + size - r->m->scratch));
    r->m->calls = r->calls;
    r->m->step = EMIT_STEPS;
    r->m->lr = 0.125;
    for (int i = 0; i < f->p->vars.n; i++) {
        int64_t n = shape_count(&f->p->vars.at[i]->shape);
        float *x = arena_take(r->arena, sizeof *x * (size_t)n);
        for (int64_t k = 0; k < n; k++)
            x[k] = (float)f->vars[i][k];
        nnrt_var_write(r->m, i, x);
    }
}

FIXTURE void emit_guard(EmitRun *r)
{
    const unsigned char *end = (const unsigned char *)r->m + r->e->model->size;
    for (int i = 0; i < EMIT_GUARD; i++)
        if (end[i] != 0xff) {
            emit_fail(r, "memory", "written past the instance");
            return;
        }
}

FIXTURE const Bound *emit_root(EmitRun *r, RootKind kind, int index)
{
    const Graph *g = r->e->as_built->p->fn[r->fn];
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == kind && g->roots.at[i].index == index)
            return &r->roots[i];
    return NULL;
}

/* Results of a full batch, filled with NaN. */
FIXTURE float *emit_room(EmitRun *r, int64_t count)
{
    float *x = arena_take(r->arena, sizeof *x * (size_t)(count + 16));
    memset(x, 0xff, sizeof *x * (size_t)(count + 16));
    return x;
}

FIXTURE void emit_untouched(EmitRun *r, const char *what, const float *x, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        if (bits != 0xffffffffu) {
            emit_fail(r, what, "written past its n samples");
            return;
        }
    }
}

FIXTURE void emit_predict(EmitRun *r)
{
    const Program *p = r->e->as_built->p;
    float *out[64];
    int64_t room[64];
    for (int i = 0; i < p->outputs.n; i++) {
        const Shape *s = &graph_find_root(p->fn[FN_predict], ROOT_output, i)->shape;
        room[i] = shape_elements(s, p->train.batch);
        out[i] = emit_room(r, room[i]);
    }
    r->e->model->predict(r->m, (int)r->n, r->in, out);
    for (int i = 0; i < p->outputs.n; i++) {
        const Bound *want = emit_root(r, ROOT_output, i);
        const char *name = p->outputs.at[i].name;
        emit_compare(r, name, want, out[i]);
        emit_untouched(r, name, out[i], shape_count(&want->value.shape), room[i] + 16);
    }
}

FIXTURE void emit_sums(EmitRun *r, const double *sums)
{
    for (int i = 0; i < r->e->as_built->p->n_sums; i++) {
        float sum = (float)sums[i];
        emit_compare(r, "a metric sum", emit_root(r, ROOT_metric, i), &sum);
    }
}

FIXTURE void emit_eval(EmitRun *r)
{
    double sums[16] = {0};
    float loss = r->e->model->eval(r->m, (int)r->n, r->in, sums);
    emit_compare(r, "the loss", emit_root(r, ROOT_loss, 0), &loss);
    emit_sums(r, sums);
}

FIXTURE void emit_train(EmitRun *r)
{
    Fixture *f = r->e->as_built;
    double sums[16] = {0};
    r->m->metric_sums = sums;
    float loss = r->e->model->train_step(r->m, (int)r->n, r->in);
    emit_compare(r, "the loss", emit_root(r, ROOT_loss, 0), &loss);
    emit_sums(r, sums);
    for (int i = 0; i < f->p->vars.n; i++) {
        const Var *var = f->p->vars.at[i];
        const Bound *want = emit_root(r, ROOT_assign, i);
        float *got = emit_room(r, shape_count(&var->shape));
        Bound same = {.value = {.shape = var->shape, .data = f->vars[i]}};
        same.error = bound_tensor(r->arena, &var->shape, 1);
        nnrt_var_read(r->m, i, got);
        emit_compare(r, var->name, want ? want : &same, got);
    }
}

FIXTURE void emit_grad(EmitRun *r)
{
    const Program *p = r->e->as_built->p;
    int64_t count = 0, at = 0;
    for (int i = 0; i < p->vars.n; i++)
        count += shape_count(&p->vars.at[i]->shape);
    for (int i = 0; i < p->inputs.n; i++)
        count += shape_elements(&p->inputs.at[i].shape, p->train.batch);
    float *grads = emit_room(r, count);
    float loss = r->e->model->grad(r->m, (int)r->n, r->in, grads);
    emit_compare(r, "the loss", emit_root(r, ROOT_loss, 0), &loss);
    for (int i = 0; i < p->vars.n; i++) {
        const Var *var = p->vars.at[i];
        if (var->kind != VAR_weight || var->frozen)
            continue;
        emit_compare(r, var->name, emit_root(r, ROOT_grad, i), grads + at);
        at += shape_count(&var->shape);
    }
    for (int i = 0; i < p->inputs.n; i++) {
        const Input *input = &p->inputs.at[i];
        if (input->dtype != DT_f32)
            continue;
        const Bound *want = emit_root(r, ROOT_grad, p->vars.n + i);
        int64_t all = shape_elements(&input->shape, p->train.batch);
        emit_compare(r, input->name, want, grads + at);
        emit_untouched(r, input->name, grads + at, shape_count(&want->value.shape), all);
        at += all;
    }
    emit_untouched(r, "grads", grads, at, count + 16);
}

FIXTURE void emit_run_function(EmitBatch *b, Emitted *e, Fn fn, int64_t n)
{
    Fixture *f = e->as_built;
    EmitRun r = {.b = b, .e = e, .fn = fn, .n = n, .calls = EMIT_CALLS, .arena = arena_new()};
    int64_t accumulate = f->p->fn[FN_accumulate] ? f->p->train.accumulate : 1;
    if (accumulate > 1)
        r.calls = 100 * accumulate + (fn == FN_train ? accumulate - 1 : 0);
    InterpInput run = {.n = n,
                       .inputs = f->inputs,
                       .vars = f->vars,
                       .lr = 0.125,
                       .step = EMIT_STEPS + 1,
                       .seed = EMIT_SEED,
                       .calls = r.calls};
    r.roots = bound_graph(f->p->fn[fn], &run, r.arena);
    emit_inputs(&r);
    emit_instance(&r);
    switch (fn) {
    case FN_predict: emit_predict(&r); break;
    case FN_eval: emit_eval(&r); break;
    case FN_accumulate:
    case FN_train: emit_train(&r); break;
    case FN_grad: emit_grad(&r); break;
    case FN_encode: /* tests/cases/generate.sh has these, and attribute.sh the last */
    case FN_prefill:
    case FN_step:
    case FN_fit: /* and tests/cases/fit.sh this */
    case FN_attribute:
    case FN_sample: /* and sample.sh this */
    case FN_round_1:
    case FN_round_2:
    case FN_round_3:
    case FN_COUNT: break;
    }
    emit_guard(&r);
    free(r.m);
    arena_free(r.arena);
}

/* Every function of every program, with a full batch, a short one and one sample. */
FIXTURE void emit_run(EmitBatch *b)
{
    for (int i = 0; i < b->programs.n; i++) {
        Emitted *e = &b->programs.at[i];
        int64_t batch = e->as_built->p->train.batch;
        int64_t n[3] = {batch, (batch + 1) / 2, 1};
        for (int fn = 0; fn < FN_COUNT; fn++)
            for (int k = 0; e->as_built->p->fn[fn] && k < 3; k++)
                if (k == 0 || n[k] != n[k - 1])
                    emit_run_function(b, e, (Fn)fn, n[k]);
    }
}

FIXTURE void emit_done(EmitBatch *b)
{
    for (int i = 0; i < b->programs.n; i++) {
        fixture_free(b->programs.at[i].as_built);
        fixture_free(b->programs.at[i].lowered);
    }
    if (b->object)
        dlclose(b->object);
    arena_free(b->arena);
}

#endif
