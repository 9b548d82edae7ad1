/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/pack.c: which kernels it adds and where, which of them are kept from call to call,
 * and that what those store shares no memory with anything else. */
#include "graph_fixture.h"
#include "passes/lower.h"
#include "targets/targets.h"

/* x [N, 40] by v [40, 37] and the result by w [37, 64], as `fn`. */
#define TWO(fn)                                                                                    \
    "program net batch=8\ninput x f32 [N, 40]\n%s"                                                 \
    "var v weight [40, 37] init=constant(1,0)\nvar w weight [37, 64] init=constant(1,0)\n\n"       \
    "function " fn "\n"                                                                            \
    "%%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"                                   \
    "%%1 = var {var=v} : f32 [40, 37]  ; forward - - 1:1:1\n"                                      \
    "%%2 = matmul(%%0, %%1) : f32 [N, 37]  ; forward y dense 2:1:1\n"                              \
    "%%3 = relu(%%2) : f32 [N, 37]  ; forward y relu 2:1:1\n"                                      \
    "%%4 = var {var=w} : f32 [37, 64]  ; forward - - 1:1:1\n"                                      \
    "%%5 = matmul(%%3, %%4) : f32 [N, 64]  ; forward z dense 3:1:1\n"

static const char loss[] = "%6 = reduce_sum(%5) {axes=0,1} : f32 [1, 1]  ; loss - - 4:1:1\n"
                           "%7 = reshape(%6) : f32 []  ; loss - - 4:1:1\nroot loss 0 %7\n";

/* The function of the text, through all passes from fuse on. */
static const Graph *lowered(Fixture *f, const char *text)
{
    static const char *const passes[] = {"split", "fuse", "schedule", "pack", "memory"};
    f->p = program_read(&f->ctx, text, strlen(text));
    cr_assert(f->p, "%s\n%s", text, fixture_said(f));
    f->p->target = target_find("x86-64-v3");
    Graph *g = NULL;
    for (int fn = 0; fn < FN_COUNT; fn++)
        g = f->p->fn[fn] ? f->p->fn[fn] : g;
    for (int i = 0; i < COUNT(passes); i++)
        pass_rows[pass_find(passes[i])].run(g);
    return g;
}

/* "pack* matmul loop": the kernels in order, * behind those that are kept. */
static const char *kernels(Fixture *f, const Graph *g)
{
    static const char *const kind[] = {"loop", "matmul", "conv", "conv_weight", "pack"};
    Str s = str_new(f->ctx.arena);
    for (int i = 0; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        cr_expect_eq(k->id, i);
        str_add(&s, "%s%s%s", i ? " " : "", kind[k->kind], k->kept ? "*" : "");
    }
    return s.at ? s.at : "";
}

static bool share(const Buffer *a, const Buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* What a kept kernel stores is alone where it lies, for as long as the function runs. */
static void expect_apart(const Graph *g)
{
    for (int i = 0; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        for (int w = 0; k->kept && w < k->writes.n; w++)
            for (int b = 0; b < g->plan->buffers.n; b++) {
                const Buffer *kept = k->writes.at[w], *other = g->plan->buffers.at[b];
                cr_expect_eq(kept->kind, BUF_scratch);
                cr_expect_null(kept->over);
                if (other->kind == BUF_scratch && other != kept)
                    cr_expect(!share(kept, other), "%s lies on %s", other->name, kept->name);
            }
    }
}

/* Every product that has a pack stands behind it and reads what it stores. */
static void expect_pairs(const Graph *g)
{
    int packs = 0, products = 0;
    for (int i = 0; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        packs += k->kind == KERNEL_pack;
        if (!k->pack)
            continue;
        products++;
        cr_expect_lt(k->pack->id, k->id);
        cr_expect_eq(g->kernels.at[k->pack->id], k->pack);
        cr_expect_not_null(k->packed);
        cr_expect_eq(k->pack->packed, k->packed);
        cr_expect_eq(k->pack->product, k->product);
    }
    cr_expect_eq(packs, products);
}

static void expect(const char *text, const char *wanted)
{
    Fixture *f = fixture_new(FN_predict);
    const Graph *g = lowered(f, text);
    const char *got = kernels(f, g);
    cr_expect_str_eq(got, wanted, "%s\ngave  %s\nnot   %s", text, got, wanted);
    expect_pairs(g);
    expect_apart(g);
    fixture_free(f);
}

static const char *two(char *to, size_t size, const char *format, const char *output,
                       const char *end)
{
    int n = snprintf(to, size, format, output);
    snprintf(to + n, size - (size_t)n, "%s", end);
    return to;
}

Test(pack, inference_keeps_all_weights_packed_and_first)
{
    char text[2048];
    expect(two(text, sizeof text, TWO("predict"), "output z\n", "root output 0 %5\n"),
           "pack* pack* matmul matmul");
    expect(two(text, sizeof text, TWO("eval"), "", loss), "pack* pack* matmul matmul loop loop");
}

/* 37 columns fill no tiles; 64, where they stand, do. */
Test(pack, training_packs_what_tiles_cannot_read_before_its_product)
{
    char text[2048];
    expect(two(text, sizeof text, TWO("train"), "", loss), "pack matmul matmul loop loop");
    expect(two(text, sizeof text, TWO("grad"), "", loss), "pack matmul matmul loop loop");
}

Test(pack, a_right_operand_of_inputs_is_no_weight)
{
    expect("program net batch=8\ninput x f32 [N, 40]\ninput s f32 [N, 40]\noutput z\n\n"
           "function predict\n"
           "%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"
           "%1 = input {input=1} : f32 [N, 40]  ; forward - - 1:1:1\n"
           "%2 = transpose(%0) {axes=1,0} : f32 [40, N]  ; forward - - 1:1:1\n"
           "%3 = matmul(%2, %1) : f32 [40, 40]  ; forward z matmul 2:1:1\n"
           "%4 = matmul(%0, %3) : f32 [N, 40]  ; forward z matmul 2:1:1\n"
           "root output 0 %4\n",
           "matmul matmul");
}

/* Each product of a stack has a weight of its own. */
Test(pack, a_stack_packs_for_itself)
{
    static const char format[] =
        "program net batch=8\ninput x f32 [N, %d, 20, 40]\noutput z\n"
        "var w weight [1, %d, 40, 37] init=constant(1,0)\n\nfunction predict\n"
        "%%0 = input {input=0} : f32 [N, %d, 20, 40]  ; forward - - 1:1:1\n"
        "%%1 = transpose(%%0) {axes=1,0,2,3} : f32 [%d, N, 20, 40]  ; forward - - 1:1:1\n"
        "%%2 = reshape(%%1) : f32 [%d, 20N, 40]  ; forward - - 1:1:1\n"
        "%%3 = var {var=w} : f32 [1, %d, 40, 37]  ; forward - - 1:1:1\n"
        "%%4 = reshape(%%3) : f32 [%d, 40, 37]  ; forward - - 1:1:1\n"
        "%%5 = matmul(%%2, %%4) : f32 [%d, 20N, 37]  ; forward z matmul 2:1:1\n"
        "%%6 = reshape(%%5) : f32 [%d, N, 20, 37]  ; forward z matmul 2:1:1\n"
        "%%7 = transpose(%%6) {axes=1,0,2,3} : f32 [N, %d, 20, 37]  ; forward z matmul 2:1:1\n"
        "root output 0 %%7\n";
    for (int stack = 1; stack < 4; stack += 2) {
        char text[2048];
        int s = stack;
        snprintf(text, sizeof text, format, s, s, s, s, s, s, s, s, s, s);
        Fixture *f = fixture_new(FN_predict);
        const char *got = kernels(f, lowered(f, text));
        cr_expect_eq(strncmp(got, "pack*", 5) == 0, stack == 1, "a stack of %d: %s", stack, got);
        fixture_free(f);
    }
}

/* What is computed of a weight before the product reads it is computed as it is packed. */
Test(pack, what_is_inlined_is_packed_with_it)
{
    Fixture *f = fixture_new(FN_predict);
    const Graph *g =
        lowered(f, "program net batch=8\ninput x f32 [N, 40]\noutput z\n"
                   "var w weight [37, 40] init=constant(1,0)\n\nfunction predict\n"
                   "%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"
                   "%1 = var {var=w} : f32 [37, 40]  ; forward - - 1:1:1\n"
                   "%2 = neg(%1) : f32 [37, 40]  ; forward - - 2:1:1\n"
                   "%3 = transpose(%2) {axes=1,0} : f32 [40, 37]  ; forward - - 2:1:1\n"
                   "%4 = matmul(%0, %3) : f32 [N, 37]  ; forward z dense 2:1:1\n"
                   "root output 0 %4\n");
    cr_assert_str_eq(kernels(f, g), "pack* matmul");
    const Kernel *k = g->kernels.at[0];
    cr_assert_eq(k->nodes.n, 2);
    cr_expect_eq(k->nodes.at[0]->op, OP_neg);
    cr_expect_eq(k->nodes.at[1]->op, OP_transpose);
    cr_assert_eq(k->reads.n, 1);
    cr_expect_eq(k->reads.at[0]->kind, BUF_var);
    fixture_free(f);
}

/* Loops over weights alone, such as a norm's factors, are kept; an output is the caller's, and is not. */
Test(pack, loops_over_weights_alone)
{
    static const char format[] =
        "program net batch=8\ninput x f32 [N, 40]\noutput y\n%s"
        "var w weight [40] init=constant(1,0)\n\nfunction predict\n"
        "%%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"
        "%%1 = var {var=w} : f32 [40]  ; forward - - 1:1:1\n"
        "%%2 = exp(%%1) : f32 [40]  ; forward - exp 2:1:1\n"
        "%%3 = reduce_sum(%%2) {axes=0} : f32 [1]  ; forward - sum 2:1:1\n"
        "%%4 = div(%%2, %%3) : f32 [40]  ; forward - div 2:1:1\n"
        "%%5 = mul(%%0, %%4) : f32 [N, 40]  ; forward y mul 2:1:1\nroot output 0 %%5\n%s";
    char text[2048];
    snprintf(text, sizeof text, format, "", "");
    expect(text, "loop* loop");
    snprintf(text, sizeof text, format, "output s\n",
             "%6 = expand(%4) : f32 [N, 40]  ; forward s expand 2:1:1\nroot output 1 %6\n");
    Fixture *f = fixture_new(FN_predict);
    const Graph *g = lowered(f, text);
    for (int i = 0; i < g->kernels.n; i++)
        for (int w = 0; w < g->kernels.at[i]->writes.n; w++)
            if (g->kernels.at[i]->writes.at[w]->kind == BUF_output)
                cr_expect_not(g->kernels.at[i]->kept);
    expect_apart(g);
    fixture_free(f);
}

/* Random numbers and what an input decides are new at each call. */
Test(pack, random_numbers_are_not_kept)
{
    expect("program net batch=8\ninput x f32 [N, 40]\noutput y\n"
           "var w weight [40] init=constant(1,0)\n\nfunction predict\n"
           "%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"
           "%1 = var {var=w} : f32 [40]  ; forward - - 1:1:1\n"
           "%2 = random_uniform {stream=0} : f32 [40]  ; forward - - 1:1:1\n"
           "%3 = mul(%1, %2) : f32 [40]  ; forward - exp 2:1:1\n"
           "%4 = exp(%3) : f32 [40]  ; forward - exp 2:1:1\n"
           "%5 = reduce_sum(%4) {axes=0} : f32 [1]  ; forward - sum 2:1:1\n"
           "%6 = div(%4, %5) : f32 [40]  ; forward - div 2:1:1\n"
           "%7 = mul(%0, %6) : f32 [N, 40]  ; forward y mul 2:1:1\nroot output 0 %7\n",
           "loop loop");
}

/* A convolution's weight: where Winograd's method transforms it, kept in predict, made anew in train. */
Test(pack, convolutions)
{
    static const char format[] =
        "program net batch=8\ninput x f32 [N, 16, 16, 32]\n%s"
        "var w weight [3, 3, 32, 64] init=constant(1,0)\n\nfunction %s\n"
        "%%0 = input {input=0} : f32 [N, 16, 16, 32]  ; forward - - 1:1:1\n"
        "%%1 = var {var=w} : f32 [3, 3, 32, 64]  ; forward - - 1:1:1\n"
        "%%2 = conv(%%0, %%1) {size=3,3 stride=1,1 dilation=1,1 groups=1} : f32 [N, 14, 14, 64]  "
        "; forward y conv2d 2:1:1\n%s";
    static const char sum[] =
        "%3 = reduce_sum(%2) {axes=0,1,2,3} : f32 [1, 1, 1, 1]  ; loss - - 4:1:1\n"
        "%4 = reshape(%3) : f32 []  ; loss - - 4:1:1\nroot loss 0 %4\n";
    char text[2048];
    snprintf(text, sizeof text, format, "output y\n", "predict", "root output 0 %2\n");
    expect(text, "pack* conv");
    snprintf(text, sizeof text, format, "", "train", sum);
    expect(text, "pack conv loop loop");
}

Test(pack, a_product_of_weights_is_kept)
{
    expect("program net batch=8\ninput x f32 [N, 40]\noutput z\n"
           "var v weight [40, 64] init=constant(1,0)\nvar w weight [64, 64] init=constant(1,0)\n\n"
           "function predict\n"
           "%0 = input {input=0} : f32 [N, 40]  ; forward - - 1:1:1\n"
           "%1 = var {var=v} : f32 [40, 64]  ; forward - - 1:1:1\n"
           "%2 = var {var=w} : f32 [64, 64]  ; forward - - 1:1:1\n"
           "%3 = matmul(%1, %2) : f32 [40, 64]  ; forward - - 2:1:1\n"
           "%4 = matmul(%0, %3) : f32 [N, 64]  ; forward z dense 3:1:1\nroot output 0 %4\n",
           "pack* matmul* pack* matmul");
}

/* h' = tanh(x + h u), its kernel; the weight u, or an input, is packed before the first step. */
static const Kernel *loop_kernel(Fixture *f, bool of_weight)
{
    enum { UNITS = 64 };
    static void (*const passes[])(Graph *) = {pass_split, pass_fuse, pass_schedule, pass_pack,
                                              pass_memory};
    f->p->target = target_find("x86-64-v3");
    f->p->train.batch = 8;
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(1, 4, 1, UNITS), -1, 1);
    Node *u = of_weight ? build_var(g, random_var(f, "u", VAR_weight, SHAPE(-1, UNITS, UNITS)))
                        : build_unary(g, OP_tanh, random_input(f, SHAPE(-1, UNITS, UNITS), -1, 1));
    ScanBuilder s = scan_begin(g, 4, false);
    Node *h = scan_state(&s, random_input(f, SHAPE(0, 1, UNITS), -1, 1));
    Node *product = build_matmul(s.body, h, scan_other(&s, u));
    Node *next = build_binary(s.body, OP_add, scan_slice(&s, x), product);
    next = build_unary(s.body, OP_tanh, next);
    scan_next(&s, h, next);
    int stack = scan_step(&s, next);
    Node *y = scan_stack(g, scan_end(&s), stack);
    graph_root(g, ROOT_output, 0, y);
    vec_push(f->ctx.arena, &f->p->outputs, (Output){.name = "y"});
    graph_sort(g);
    const Kernel *loop = NULL;
    for (int i = 0; i < COUNT(passes); i++) {
        passes[i](s.body);
        passes[i](g);
    }
    for (int i = 0; i < g->kernels.n; i++)
        loop = g->kernels.at[i]->scan ? g->kernels.at[i] : loop;
    cr_assert_not_null(loop, "%s", fixture_said(f));
    cr_assert_eq(kernels_kept(loop->scan->attr->scan->body), 1);
    return loop;
}

Test(pack, what_a_loop_packs_of_weights_is_kept)
{
    Fixture *f = fixture_new(FN_predict);
    const Kernel *loop = loop_kernel(f, true);
    cr_expect(loop->keeps_first);
    cr_expect(graph_keeps(f->g));
    cr_expect_eq(loop->workspace->first, 0);
    cr_expect_eq(loop->workspace->last, f->g->kernels.n);
    fixture_free(f);
}

Test(pack, what_a_loop_packs_of_an_input_is_not)
{
    Fixture *f = fixture_new(FN_predict);
    cr_expect_not(loop_kernel(f, false)->keeps_first);
    cr_expect_not(graph_keeps(f->g));
    fixture_free(f);
}

/* Rows of steps that lie steps first: in a panel that no sample's end cuts they are as far apart as steps are. */
Test(pack, panels_of_rows_of_steps)
{
    enum { STEPS = 20, WIDE = 30, BATCH = 4 };
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(1, STEPS, 1, WIDE), -1, 1);
    Node *rows =
        build_reshape(f->g, build_transpose(f->g, x, (int[]){1, 0, 2}), &SHAPE(0, STEPS, WIDE));
    static const struct {
        int width;
        PackWay way;
    } panels[] = {{10, PACK_turned}, {4, PACK_turned}, {8, PACK_made}};
    for (int i = 0; i < COUNT(panels); i++) {
        IxSpace s = ix_space(f->ctx.arena, BATCH);
        Ix at[2] = {ix_loop(&s, "i", STEPS * BATCH), ix_loop(&s, "k", WIDE)}, linear;
        const Node *base;
        int64_t apart = 0;
        PackWay way = operand_way_in_panels(&s, rows, at, at[0].t[0].atom, at[1].t[0].atom,
                                            panels[i].width, &base, &linear, &apart);
        cr_expect_eq(way, panels[i].way, "%d rows", panels[i].width);
        if (way == PACK_turned)
            cr_expect_eq(apart, BATCH * WIDE);
    }
    fixture_free(f);
}
