/* SPDX-License-Identifier: MIT */
/* Guards the emitted file around the kernels: which functions the header lists and with what
 * parameters, where parallel regions stand, how scalars, seeds and offsets reach the kernels, texts
 * of the model file as C strings. That the numbers are right is test_emit's. */
#include "codegen/codegen.h"
#include "frontend_read.h"
#include "passes/passes.h"

static const char mlp[] = "model: net\n"
                          "inputs: {x: {shape: [3]}, other: {shape: [3]}, label: {classes: 4}}\n"
                          "layers:\n"
                          "  - dense: {units: 5, activation: relu, input: x, name: fc}\n"
                          "  - dropout: 0.5\n"
                          "  - dense: {units: 4, name: logits}\n"
                          "outputs: {probs: softmax(logits), sum: other + x}\n"
                          "loss: softmax_cross_entropy(logits, label)\n"
                          "metrics: {accuracy: \"accuracy(logits, label)\"}\n"
                          "train: {batch: 8, epochs: 1, optimizer: {adam: {lr: 0.01}}}\n";

static CodegenOptions options = {.command = "nncc net.yaml", .header = "net.h"};

/* The model with the functions in `bits`, through all passes. */
static Program *compiled(const char *text, unsigned bits, const char *target, double share_ops)
{
    PassOptions passes = {0};
    Program *p = read_model(text);
    cr_assert_not_null(p, "%s", reports());
    p->target = target_find(target);
    p->template_dir = "templates";
    p->share_ops = share_ops;
    for (int f = 0; f < FN_COUNT; f++)
        if (bits >> f & 1)
            cr_assert_not_null(p->fn[f] = model_graph(p, (Fn)f), "%s", reports());
    cr_assert(passes_run(p, &passes));
    kernels_text(p);
    return p;
}

enum {
    INFER = 1 << FN_predict,
    LEARN = INFER | 1 << FN_eval | 1 << FN_train,
    ALL = LEARN | 1 << FN_grad
};

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *c = strstr(text, what); c; c = strstr(c + 1, what))
        n++;
    return n;
}

/* The body of a function of the emitted file, as a text of its own. */
static const char *body(const char *source, const char *head)
{
    const char *from = strstr(source, head);
    cr_assert_not_null(from, "no %s", head);
    const char *to = strstr(from, "\n}\n");
    return arena_text(ctx.arena, from, (size_t)(to - from));
}

/* One space wherever there is some, for signatures that are broken over lines. */
static const char *flat(const char *text)
{
    char *out = arena_take(ctx.arena, strlen(text) + 1), *to = out;
    for (; *text; text++)
        if (*text != ' ' && *text != '\n')
            *to++ = *text;
        else if (to > out && to[-1] != ' ')
            *to++ = ' ';
    return out;
}

Test(codegen, the_header_lists_what_there_is)
{
    Program *p = compiled(mlp, ALL, "generic", 0);
    const char *header = flat(emit_header(p, &options));
    cr_assert(strstr(header, "int net_predict(net *, int n, const float *x, const float *other, "
                             "float *probs, float *sum);"),
              "%s", header);
    cr_assert(strstr(header, "float net_train_step(net *, int n, const float *x, "
                             "const int32_t *label);"));
    cr_assert(strstr(header, "float net_eval(net *, int n, const float *x, const int32_t *label, "
                             "double *sums);"));
    cr_assert_null(strstr(header, "net_grad"), "it was not asked for");
    cr_assert(strstr(header, "NET_BATCH = 8,") && strstr(header, "NET_PARAMS = 44,") &&
              strstr(header, "NET_SUMS = 2,"));
    CodegenOptions with = options;
    with.grad = true;
    header = flat(emit_header(p, &with));
    cr_assert(strstr(header, "float net_grad(net *, int n, const float *x, const int32_t *label, "
                             "float *grads);"));
    cr_assert(strstr(header, "NET_GRADS = 92,"), "44 and two inputs of 8 x 3");
}

Test(codegen, without_training_nothing_of_it_is_left)
{
    Program *p = compiled(mlp, INFER, "generic", 0);
    const char *header = emit_header(p, &options), *source = emit_source(p, &options);
    static const char *const gone[] = {"train_step", "net_eval", "set_lr",
                                       "set_steps",  "net_grad", "exp_avg"};
    for (int i = 0; i < COUNT(gone); i++) {
        cr_expect_null(strstr(header, gone[i]), "%s", gone[i]);
        cr_expect_null(strstr(source, gone[i]), "%s", gone[i]);
    }
    cr_assert(strstr(header, "net_predict") && strstr(header, "net_load_memory"));
}

Test(codegen, the_same_bytes_each_time)
{
    const char *once = emit_source(compiled(mlp, ALL, "x86-64-v3", 0), &options);
    char *kept = strdup(once);
    const char *again = emit_source(compiled(mlp, ALL, "x86-64-v3", 0), &options);
    cr_assert_str_eq(kept, again);
    free(kept);
}

Test(codegen, one_region_a_step_where_something_is_shared)
{
    const char *source = emit_source(compiled(mlp, LEARN, "generic", 1), &options);
    cr_assert_eq(count(source, "#pragma omp parallel num_threads(nnrt_members("), 3,
                 "predict, eval, train_step");
    cr_assert_eq(count(body(source, "\nfloat net_train_step("),
                       "#pragma omp parallel num_threads(nnrt_members("),
                 1);
    source = emit_source(compiled(mlp, LEARN, "generic", 1e12), &options);
    cr_assert_eq(count(source, "#pragma omp parallel"), 0);
    cr_assert_eq(count(source, "#pragma omp single"), 0);
    cr_assert_eq(count(source, "#pragma omp for"), 0);
    source = emit_source(compiled(mlp, LEARN, "cortex-m7", 1), &options);
    cr_assert_eq(count(source, "#pragma omp parallel"), 0, "no threads there");
}

Test(codegen, a_step_counts_and_predicting_does_not)
{
    const char *source = emit_source(compiled(mlp, ALL, "generic", 0),
                                     &(CodegenOptions){.command = "", .grad = true});
    const char *step = body(source, "\nfloat net_train_step(net *m");
    cr_assert_eq(count(step, "m->head.calls++;"), 1);
    cr_assert_eq(count(step, "m->head.step++;"), 1);
    cr_assert_eq(count(source, "m->head.calls++;"), 1);
    cr_assert_eq(count(source, "m->head.step++;"), 1);
    cr_assert_eq(count(step, "nnrt_rand_key_of(m->head.seed, (uint64_t)m->head.calls, "), 1,
                 "dropout, once though its backward pass draws again");
    cr_assert_eq(count(body(source, "\nint net_predict(net *m"), "nnrt_rand"), 0);
    cr_assert_eq(count(body(source, "\nfloat net_eval(net *m"), "nnrt_rand"), 0);
    cr_assert(
        strstr(flat(step), "nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step,"));
}

Test(codegen, accumulation_is_decided_by_calls)
{
    char text[2048];
    snprintf(text, sizeof text, "%s  accumulate: 3\n", mlp);
    char *train = strstr(text, "train: {batch");
    snprintf(train, sizeof text - (size_t)(train - text),
             "train: {batch: 8, epochs: 1, accumulate: 3, optimizer: {adam: {lr: 0.01}}}\n");
    const char *source =
        emit_source(compiled(text, LEARN | 1 << FN_accumulate, "generic", 0), &options);
    const char *step = body(source, "\nfloat net_train_step(net *m");
    cr_assert(strstr(step, "if (m->head.calls % 3 != 2)"));
    cr_assert_eq(count(step, "m->head.calls++;"), 2);
    cr_assert_eq(count(step, "m->head.step++;"), 1);
    cr_assert_eq(count(step, "return loss"), 2);
}

Test(codegen, prediction_writes_no_weight)
{
    const char *source = emit_source(compiled(mlp, LEARN, "generic", 0), &options);
    const char *predict = body(source, "\nint net_predict(net *m");
    cr_assert(strstr(predict, "    const struct net_vars *const v = "
                              "(const struct net_vars *)m->head.vars;\n"));
    cr_assert_eq(count(predict, "m->head.vars"), 1, "no other way to a variable");
    cr_assert(strstr(predict, "v->fc_weight"));
    const char *step = body(source, "\nfloat net_train_step(net *m");
    cr_assert(strstr(step, "    struct net_vars *const v = (struct net_vars *)m->head.vars;\n"));
    cr_assert(strstr(step, "v->fc_weight"));
}

Test(codegen, eval_calls_predict_where_it_begins_with_it)
{
    static const char model[] = "model: net\n"
                                "inputs: {x: {shape: [3]}, label: {classes: 4}}\n"
                                "layers:\n"
                                "  - dense: {units: 4, name: logits}\n"
                                "outputs: {scores: logits}\n"
                                "loss: softmax_cross_entropy(logits, label)\n"
                                "train: {batch: 8, epochs: 1, optimizer: {sgd: {lr: 0.1}}}\n";
    const char *source = emit_source(compiled(model, LEARN, "generic", 0), &options);
    const char *eval = body(source, "\nfloat net_eval(net *m");
    cr_expect_eq(count(eval, "    net_predict(m, n, x, logits);\n"), 1, "%s", eval);
    cr_expect_eq(count(eval, "*logits = scratch + "), 1);
    cr_expect_eq(count(eval, "net_logits_fwd"), 0);
    cr_expect_eq(count(eval, "_loss(n"), 2);
    source = emit_source(compiled(mlp, LEARN, "generic", 0), &options);
    cr_expect_eq(count(body(source, "\nfloat net_eval(net *m"), "net_predict"), 0,
                 "it has no use for the softmax");
}

Test(codegen, the_banner_counts_calls)
{
    Program *p = compiled(mlp, LEARN, "generic", 0);
    const char *source = emit_source(p, &options);
    static const Fn fns[] = {FN_predict, FN_eval, FN_train};
    static const char *const heads[] = {"\nint net_predict(", "\nfloat net_eval(",
                                        "\nfloat net_train_step("};
    int all[3];
    const char *row = strstr(source, "\n *   all ");
    cr_assert(row && sscanf(row, "\n *   all %d %d %d", &all[0], &all[1], &all[2]) == 3);
    for (int f = 0; f < COUNT(fns); f++) {
        const Graph *g = p->fn[fns[f]];
        cr_expect_eq(all[f], g->kernels.n);
        cr_expect_eq(count(body(source, heads[f]), "    net_"), g->kernels.n, "%s", heads[f]);
        for (int i = 0; i < g->kernels.n; i++) {
            char name[64];
            snprintf(name, sizeof name, "\n *   %s ", g->kernels.at[i]->name);
            cr_expect_eq(count(source, name), 1, "one row: %s", name);
        }
    }
    cr_expect_eq(count(source, "\n *   predict "), 1, "its scratch");
    cr_expect_eq(count(source, "\n *   train "), 1);
}

Test(codegen, offsets_do_not_overlap)
{
    Program *p = compiled(mlp, LEARN, "generic", 0);
    for (int i = 0; i < p->vars.n; i++) {
        const Var *v = p->vars.at[i];
        cr_expect_eq(v->offset % 64, 0, "%s", v->name);
        cr_expect_leq(v->offset + 4 * shape_count(&v->shape), p->vars_bytes, "%s", v->name);
        for (int k = 0; k < i; k++) {
            const Var *w = p->vars.at[k];
            cr_expect(w->offset + 4 * shape_count(&w->shape) <= v->offset ||
                          v->offset + 4 * shape_count(&v->shape) <= w->offset,
                      "%s and %s", v->name, w->name);
        }
    }
}

Test(codegen, texts_of_the_file_are_c_strings)
{
    char text[2048];
    snprintf(text, sizeof text,
             "%sdata:\n  train: {npz: {file: 'a\"b\\c?\?/\xc3\xa9', x: x, other: o, label: l}}\n",
             mlp);
    const char *source = emit_source(compiled(text, LEARN, "generic", 0), &options);
    cr_assert(strstr(source, "\"a\\042b\\134c\\077\\077/\\303\\251\""), "%s",
              strstr(source, ".data_train"));
}

Test(codegen, guards_name_what_they_want)
{
    const char *source = emit_source(compiled(mlp, INFER, "x86-64-v3", 0), &options);
    cr_assert(strstr(source,
                     "#ifndef __AVX2__\n#error \"net.c is made for x86-64-v3: compile it with "
                     "-march=x86-64-v3\"\n#endif"));
    cr_assert(strstr(source, "#if NNRT_ABI != 13\n#error"));
    cr_assert(strstr(source, "__clang_major__ < 14 : __GNUC__ < 11"));
    source = emit_source(compiled(mlp, INFER, "generic", 0), &options);
    cr_assert_null(strstr(source, "#error \"net.c is made for"));
}

Test(codegen, the_report_adds_up)
{
    Program *p = compiled(mlp, LEARN, "generic", 0);
    char *said_report = NULL;
    size_t size;
    FILE *f = open_memstream(&said_report, &size);
    emit_report(p, f);
    fclose(f);
    for (int fn = 0; fn < FN_COUNT; fn++) {
        const Graph *g = p->fn[fn];
        double flops = 0;
        if (!g)
            continue;
        for (int i = 0; i < g->kernels.n; i++) {
            flops += g->kernels.at[i]->flops;
            cr_expect(strstr(said_report, g->kernels.at[i]->name), "%s", g->kernels.at[i]->name);
        }
        cr_expect_float_eq(flops, g->plan->flops, 1e-6 * flops);
        cr_expect(strstr(said_report,
                         arena_format(ctx.arena, "%s: %d kernels", fn_text(g->fn), g->kernels.n)));
    }
    free(said_report);
}
