/* SPDX-License-Identifier: MIT */
/* test_print.c: guards the text form: what is printed reads back to the same text, and a text that is
 * wrong anywhere is a diagnostic, never a crash. */
#include "graph_fixture.h"

#include "frontend/frontend.h"
#include "targets/targets.h"

#include <stdlib.h>

/* A program with every kind of attribute. */
static Fixture *program(void)
{
    Fixture *f = fixture_new(FN_train);
    Graph *g = f->g;
    f->p->name = "net";
    f->p->train = (Train){.given = true, .batch = 8, .accumulate = 4, .clip_norm = 0.5};
    f->p->train.optimizer = (Optimizer){OPT_adamw, {1e-3, 0.9, 0.999, 1e-8, 0.01}, {2, 1, 1}};
    Input in = {.name = "x", .shape = SHAPE(0, 1, 6)}, c = {.name = "c", .dtype = DT_i32};
    c.shape = SHAPE(0, 1);
    c.classes = 6;
    c.has_ignore = true;
    c.ignore = -100;
    vec_push(f->ctx.arena, &f->p->inputs, in);
    vec_push(f->ctx.arena, &f->p->inputs, c);
    vec_push(f->ctx.arena, &f->p->outputs, ((Output){.name = "y"}));
    Shape s = SHAPE(-1, 4, 6);
    Var *w = program_var(f->p, "fc.weight", VAR_weight, &s, (Init){INIT_uniform, -0.1, 0.1},
                         (Loc){3, 5, 2});
    Var *m = program_var(f->p, "sgd.fc.weight", VAR_state, &s, (Init){0}, (Loc){3, 5, 2});
    m->laid_as = w;
    w->perm[0] = m->perm[0] = 1;
    w->perm[1] = m->perm[1] = 0;
    g->loc = (Loc){7, 3, 4};
    g->what = "dense";
    static const double table[3] = {1, 0.1, -1e-30};
    Shape three = SHAPE(-1, 3);
    Node *x = build_input(g, 0), *k = build_var(g, w);
    Node *y = build_matmul(g, x, k); /* [N, 4] */
    y->name = "fc";
    Node *part = build_slice(g, y, 1, 1, 4, 1);
    Node *z = build_binary(g, OP_mul, part, build_data(g, &three, table));
    z = build_binary(g, OP_mul, z, build_random(g, OP_random_uniform, &z->shape, 7));
    g->role = ROLE_loss;
    z = build_binary(g, OP_sub, z, build_one_hot(g, build_input(g, 1), 3, 1));
    Node *loss =
        build_reshape(g, build_reduce(g, OP_reduce_sum, z, 0, NULL), &(Shape){.batch = -1});
    loss = build_binary(g, OP_div, loss, build_scalar(g, SCALAR_n));
    graph_root(g, ROOT_loss, 0, loss);
    graph_root(g, ROOT_output, 0, build_concat(g, 1, 2, (Node *[]){y, part}));
    Attr pad = {.start = {0, 2}, .end = {0, 1}, .step = {1, 2}, .value = -0.5};
    Node *padded = graph_add(g, OP_pad, 1, &y, &pad);
    graph_root(
        g, ROOT_metric, 0,
        build_reshape(g, build_reduce(g, OP_reduce_max, padded, 0, NULL), &(Shape){.batch = -1}));
    Taps taps = {{2, 3}, {1, 2}, {1, 1}, {0}, 2};
    Node *image = build_reshape(g, build_flip(g, x, 1, (int[]){1}), &SHAPE(0, 1, 2, 3, 1));
    Node *seen = build_window(g, image, &taps); /* [N, 1, 1, 2, 3, 1] */
    Attr unwindow = {.taps = taps};
    unwindow.taps.from[0] = 2;
    unwindow.taps.from[1] = 3;
    unwindow.taps.groups = 0;
    Node *shares = graph_add(g, OP_unwindow, 1, &seen, &unwindow);
    Node *most = build_pool_max(g, shares, 0, NULL);
    graph_root(g, ROOT_metric, 1, build_reshape(g, most, &(Shape){.batch = -1}));
    Node *twice = build_concat(g, 3, 2, (Node *[]){image, image});
    Node *conv = build_conv(g, twice, build_fill(g, &SHAPE(-1, 2, 1, 1, 2), 1), &taps);
    Node *dw = build_conv_weight(g, twice, conv, &conv->attr->taps);
    Node *total = build_reduce(g, OP_reduce_sum, dw, 0, NULL);
    graph_root(g, ROOT_metric, 2, build_reshape(g, total, &(Shape){.batch = -1}));
    g->role = ROLE_update;
    build_assign(g, w, build_binary(g, OP_mul, k, build_scalar(g, SCALAR_lr)));
    graph_sort(g);
    graph_verify(g, "building");
    return f;
}

static char *printed(const Program *p, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    program_print(p, out);
    fclose(out);
    return text;
}

Test(print, reads_back_to_the_same_text)
{
    Fixture *f = program(), *again = fixture_new(FN_train);
    size_t n, m;
    char *text = printed(f->p, &n);
    Program *p = program_read(&again->ctx, text, n);
    cr_assert(p, "%s\n%s", text, fixture_said(again));
    graph_verify(p->fn[FN_train], "reading");
    char *second = printed(p, &m);
    cr_expect_str_eq(second, text);
    free(text);
    free(second);
    fixture_free(f);
    fixture_free(again);
}

Test(print, a_view_reads_back)
{
    Fixture *f = fixture_new(FN_train);
    static const char text[] = "program x batch=1\n"
                               "var w weight [2, 6] init=constant(0,0) view=2,3,2 perm=2,1,0\n";
    Program *p = program_read(&f->ctx, text, sizeof text - 1);
    cr_assert(p, "%s", fixture_said(f));
    size_t n;
    char *again = printed(p, &n);
    cr_expect_str_eq(again, text);
    free(again);
    fixture_free(f);
}

Test(print, each_line_is_complete)
{
    Fixture *f = program();
    size_t n;
    char *text = printed(f->p, &n);
    static const char *const has[] = {
        "program net batch=8\n",
        "train adamw(0.001,0.9,0.999,1e-08,0.01) accumulate=4 clip_norm=0.5 clip_value=0\n",
        "input c i32 [N] classes=6 ignore=-100\n",
        "var sgd.fc.weight state [4, 6] init=constant(0,0) as=fc.weight perm=1,0\n",
        "= matmul(%0, %1) : f32 [N, 4]  ; forward fc dense 7:3:4\n",
        "data=1,0.1,-1e-30",
        "stream=7",
        "step=1,2 value=-0.5",
        "= flip(%0) {axes=1} : f32 [N, 6]",
        ") {size=2,3 stride=1,2 dilation=1,1} : f32 [N, 1, 1, 2, 3, 1]",
        ") {size=2,3 stride=1,2 dilation=1,1 from=2,3} : f32 [N, 2, 3, 2, 3, 1]",
        " = reduce_max(%",
        "{axes=0,1,2,3,4,5 value=1}",
        ") {size=2,1 stride=1,2 dilation=1,1 groups=2} : f32 [N, 1, 2, 2]",
        ") {size=2,1 stride=1,2 dilation=1,1 groups=2} : f32 [2, 1, 1, 2]",
        "scalar=lr",
        "root loss 0 %"};
    for (int i = 0; i < COUNT(has); i++)
        cr_expect(strstr(text, has[i]), "no '%s' in\n%s", has[i], text);
    free(text);
    fixture_free(f);
}

/* Every line cut short at every byte, and every byte replaced: read, or refused with a place. */
Test(print, a_damaged_text_is_refused_or_read)
{
    Fixture *f = program();
    size_t n;
    char *text = printed(f->p, &n);
    for (size_t i = 0; i < n; i++) {
        for (int how = 0; how < 4; how++) {
            Fixture *again = fixture_new(FN_train);
            char old = text[i];
            text[i] = "%\n9]"[how];
            Program *p = program_read(&again->ctx, text, n);
            cr_assert_eq(p == NULL, again->ctx.diag.errors > 0, "byte %zu, as %d", i, how);
            text[i] = old;
            fixture_free(again);
        }
        Fixture *again = fixture_new(FN_train);
        Program *p = program_read(&again->ctx, text, i);
        cr_assert_eq(p == NULL, again->ctx.diag.errors > 0, "cut at %zu", i);
        fixture_free(again);
    }
    free(text);
    fixture_free(f);
}

Test(print, says_where_and_what_is_expected)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"prog x", "test.yaml:1:1: error: expected program, train"},
        {"program x batch=4\ninput a f64 [N]", "test.yaml:2:9: error: expected f32, i32 or u8"},
        {"function train\n%0 = sinh : f32 []", "error: expected an op of ops.def"},
        {"function train\n%1 = const {value=1} : f32 []", "expected a whole number in range"},
        {"function train\n%0 = neg(%0) : f32 []", "expected a node that comes before"},
        {"root loss 0 %0", "expected a function first"},
        {"function train\nfunction train", "expected each function once"},
        {"var w weight [2] init=constant(0,0)\nvar w weight [2] init=constant(0,0)", "a new name"},
        {"function train\n%0 = const {value=1} : f32 [2]  ; forward - - 0:0:0\n"
         "%1 = neg(%0) : f32 [3]  ; forward - - 0:0:0",
         "expected the shape and type that the op gives"}};
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_train);
        cr_expect_null(program_read(&f->ctx, wrong[i].text, strlen(wrong[i].text)));
        cr_expect(strstr(fixture_said(f), wrong[i].says), "%s: %s", wrong[i].text, fixture_said(f));
        fixture_free(f);
    }
}

/* What the printer never writes, and what a pass could not bear. */
Test(print, is_strict)
{
#define X "var w weight [2] init=constant(0,0)\nvar v weight [2] init=constant(0,0)\n"
#define S "  ; forward - - 0:0:0\n"
#define T "train sgd(1) accumulate=1 clip_norm=0 clip_value=0\n"
#define I "input x f32 [N, 4, 3]\nfunction train\n%0 = input {input=0} : f32 [N, 4, 3]" S
#define W "%0 = var {var=w} : f32 [2]" S "%1 = assign(%0) {var=w} : f32 [2]" S
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"train newton(1)", "expected an optimizer"},
        {"train sgd(1,2,3,4,5,6,7,8,9)", "fewer numbers"},
        {"train sgd(1) accumulate=1 clip_value=0", "expected 'clip_norm='"},
        {T T, "expected one train"},
        {"program x batch=-1", "a whole number in range"},
        {"input x f32 [N] classes=0", "a whole number in range"},
        {"input x f32 [N] ignore=2147483648", "a whole number in range"},
        {"var w weight [N] init=constant(0,0)", "a shape without a batch"},
        {"var w weight [2, 3] init=constant(0,0) perm=0,0", "each axis once"},
        {"var w weight [2, 3] init=constant(0,0) perm=0", "each axis once"},
        {"var w weight [2, 3] init=constant(0,0) perm=1,2", "each axis once"},
        {"var w weight [2] init=constant(0,0) as=v", "a variable that is declared"},
        {"var w weight [2, 6] init=constant(0,0) view=2,2,2", "some cut in parts"},
        {"var w weight [2, 6] init=constant(0,0) view=2,6,2", "some cut in parts"},
        {"var w weight [2, 6] init=constant(0,0) view=2,3,2 perm=1,0", "each axis once"},
        {X "function train\n%0 = var {var=w} : f32 [2]" S
           "%1 = reduce_sum(%0) {axes=1} : f32 [1]" S,
         "axes of the operand"},
        {X "function train\n%0 = var {var=w} : f32 [2]" S "root loss 0 %0", "of rank 0"},
        {X "function train\n%0 = var {var=w} : f32 [2]" S "root output 0 %0", "that is declared"},
        {X "function train\n" W, "expected a root for each assign"},
        {X "function train\n" W "root assign 1 %1\n", "the index of the variable"},
        {X "function train\n" W "root assign 0 %1\nroot assign 0 %1\n", "to be assigned once"},
        {X "function train\n" W "root output 0 %1\n", "expected an assign for a root"},
        {X "function train\n" W "root grad 2 %0\n", "a variable or input that is declared"},
        {X "function train\n" W "%2 = neg(%1) : f32 [2]" S, "an operand that is no assign"},
        {X "function train\n" W "%2 = neg(%0, %0) : f32 [2]" S, "as many operands"},
        {X "function train\n" W "%2 = neg : f32 [2]" S, "as many operands"},
        {X "function train\n%0 = const {value=1 stream=3} : f32 [2]" S, "an attribute of the op"},
        {X "function train\n%0 = const {data=1,2,3} : f32 [2]" S, "as many numbers"},
        {X "function train\n%0 = const {value=1} : f32 [0]" S, "a whole number in range"},
        {X "function train\n%0 = const {value=1} : f32 [N, N]" S, "one batch axis"},
        {X "function train\n%0 = const {value=1} : f32 [2] forward", "expected ';'"},
        {X "function train\n%0 = var {var=u} : f32 [2]" S, "a variable that is declared"},
        {X "function train\n%0 = var {} : f32 [2]" S, "expected var="},
        {X "function train\n%0 = input {input=0} : f32 [2]" S, "a whole number in range"},
        {I "%1 = window(%0) {size=1,1,1,1} : f32 [N]" S, "fewer numbers"},
        {I "%1 = window(%0) {size=-1} : f32 [N]" S, "a whole number in range"},
        {I "%1 = window(%0) {size=2147483648} : f32 [N]" S, "a whole number in range"},
        {I "%1 = window(%0) {size=} : f32 [N]" S, "expected a whole number"},
        {I "%1 = window(%0) {groups=-1} : f32 [N]" S, "a whole number in range"},
        {I "%1 = window(%0) {} : f32 [N, 4, 1, 3]" S, "window: axis 1 cannot have windows of 0"},
        {I "%1 = window(%0) {size=2 stride=1 dilation=1} : f32 [N, 4, 2, 3]" S,
         "the shape and type"},
        {I "%1 = neg(%0) {size=2} : f32 [N, 4, 3]" S, "an attribute of the op"},
        {I "%1 = flip(%0) {axes=0} : f32 [N, 4, 3]" S, "flip: the batch axis"},
        {I "%1 = flip(%0) {axes=3} : f32 [N, 4, 3]" S, "axes of the operand"},
        {I "%1 = reduce_max(%0) {axes=1 value=2} : f32 [N, 1, 3]" S, "value is 0 or 1, not 2"},
        {I "%1 = reduce_max(%0) {axes=1 value=nan} : f32 [N, 1, 3]" S, "value is 0 or 1, not nan"},
    };
#undef X
#undef S
#undef T
#undef I
#undef W
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_train);
        cr_expect_null(program_read(&f->ctx, wrong[i].text, strlen(wrong[i].text)));
        cr_expect(strstr(fixture_said(f), wrong[i].says), "%s: %s", wrong[i].text, fixture_said(f));
        fixture_free(f);
    }
}

Test(print, a_node_may_have_many_operands)
{
    enum { N = 5000 };
    Fixture *f = fixture_new(FN_train), *again = fixture_new(FN_train);
    f->p->name = "wide";
    Node *one = build_fill(f->g, &SHAPE(-1, 1), 1);
    Node **in = arena_take(f->ctx.arena, N * sizeof *in);
    for (int i = 0; i < N; i++)
        in[i] = one;
    vec_push(f->ctx.arena, &f->p->outputs, ((Output){.name = "y"}));
    graph_root(f->g, ROOT_output, 0, build_concat(f->g, 0, N, in));
    size_t n;
    char *text = printed(f->p, &n);
    Program *p = program_read(&again->ctx, text, n);
    cr_assert(p, "%s", fixture_said(again));
    cr_expect_eq(p->fn[FN_train]->nodes.at[1]->n_in, N);
    free(text);
    fixture_free(f);
    fixture_free(again);
}

/* --- real models ------------------------------------------------------------------------------ */

static char *slurp(const char *path, size_t *size)
{
    char *text = calloc(1, 1 << 16);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "no file %s", path);
    *size = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    return text;
}

static void build_all(Program *p)
{
    for (int f = 0; f < FN_COUNT; f++)
        if (f != FN_attribute && model_has(p, (Fn)f))
            cr_assert_not_null(p->fn[f] = model_graph(p, (Fn)f));
}

static void reads_back(const Program *p, const char *file, const char *after)
{
    Fixture *f = fixture_new(FN_train);
    size_t n, m;
    char *text = printed(p, &n), *second = NULL;
    Program *again = program_read(&f->ctx, text, n);
    cr_assert(again, "%s after %s: %s", file, after, fixture_said(f));
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (again->fn[fn])
            graph_verify(again->fn[fn], after);
    second = printed(again, &m);
    cr_expect_str_eq(second, text, "%s after %s", file, after);
    free(text);
    free(second);
    fixture_free(f);
}

/* A dump after any pass is the input of a test, whatever the model. */
static void check_model(const char *file)
{
    Fixture *f = fixture_new(FN_train);
    const char *tests = getenv("NNCC_TESTS");
    size_t n;
    char *text = slurp(arena_format(f->ctx.arena, "%s/%s", tests ? tests : "tests", file), &n);
    ModelOptions options = {0};
    f->ctx.diag.text = text;
    f->ctx.diag.size = n;
    Program *p = model_read(&f->ctx, &options, text, n);
    cr_assert(p, "%s: %s", file, fixture_said(f));
    p->target = target_find("x86-64-v3");
    build_all(p);
    reads_back(p, file, "building");
    for (int i = 0; i < pass_count; i++) {
        for (int fn = 0; fn < FN_COUNT; fn++)
            if (p->fn[fn])
                pass_rows[i].run(p->fn[fn]);
        reads_back(p, file, pass_rows[i].name);
    }
    free(text);
    fixture_free(f);
}

Test(print, dumps_of_models_read_back)
{
    static const char *const files[] = {"models/mixed.yaml",
                                        "models/prepare.yaml",
                                        "models/sample.yaml",
                                        "models/digits_linear.yaml",
                                        "../examples/seed/model.yaml",
                                        "../examples/digits/model.yaml",
                                        "../examples/embed/model.yaml",
                                        "../examples/mnist_mlp/model.yaml"};
    for (int i = 0; i < COUNT(files); i++)
        check_model(files[i]);
}
