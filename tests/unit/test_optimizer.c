/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/optimizer.c: steps of every optimiser, clipping and accumulation against
 * the numbers of PyTorch 1.13 in double (nadam's of 2.0, where a fault is mended; lion's and lamb's
 * of their papers' formulas); what state there is and what it is called; that what is the same for a
 * whole step is rank 0; averages of weights.
 */
#include "frontend/frontend.h"
#include "graph_fixture.h"

/* --- steps against PyTorch -------------------------------------------------------------------- */

/* Three steps of a[3] and b[2,2], which begin as cos(i + 0.5) and cos(i - 2.5); the gradients of
 * the t-th call are sin(1.7 (i + 1) + 0.9 t) and sin(1.7 (i + 1) + 0.9 t + 0.4). */
typedef struct Case {
    OptimizerKind kind;
    double arg[OPTIMIZER_ARGS];
    double want[7]; /* a, b */
    double clip_norm, clip_value;
    int accumulate;
    bool averages;
    double decay;
    int start;
} Case;

static const Case cases[] = {
    {OPT_sgd,
     {0.1},
     .want = {0.9562709548661399, 0.2689155113418733, -0.9309003767033216, -0.646862539550939,
              0.21234419240256353, 0.6868109236744897, 0.7851353216592206}},
    {OPT_sgd,
     {0.1, 0, 0, 0.05},
     .want = {0.943511746436653, 0.26650414691506497, -0.918932705175591, -0.6351084868175014,
              0.2099753740571665, 0.6742543703826083, 0.7732108165541254}},
    {OPT_sgd,
     {0.1, 0.9, 0, 0.05},
     .want = {0.8759824923645034, 0.5009349544632726, -0.9130448350067037, -0.5867951731417392,
              0.43595638026964045, 0.5664770935635842, 0.5597289348402337}},
    {OPT_sgd,
     {0.1, 0.9, 1, 0},
     .want = {0.9761682888638663, 0.6598337548277002, -1.0515330374867, -0.4740188815010554,
              0.5448112710707113, 0.42829416038279017, 0.5192851662575426}},
    {OPT_adam,
     {0.01, 0.9, 0.999, 1e-8, 0, 0},
     .want = {0.8710040907218203, 0.09927525864567112, -0.8018883686763275, -0.7973318213681574,
              0.09656237870556415, 0.8502667847810097, 0.8546150726260878}},
    {OPT_adam,
     {0.01, 0.8, 0.99, 1e-3, 0.1, 0},
     .want = {0.8694844155403126, 0.09881148195783385, -0.8008206805935334, -0.7948613590921495,
              0.09564815490466583, 0.8490507765488, 0.8544698580844258}},
    {OPT_adam,
     {0.01, 0.9, 0.5, 1e-8, 0, 1},
     .want = {0.8702476973815991, 0.09844823279381563, -0.8003916587964286, -0.7993467663532939,
              0.09628546545914343, 0.852513902237581, 0.8555241638740231}},
    {OPT_adamw,
     {0.01, 0.9, 0.999, 1e-8, 0.3},
     .want = {0.8631934818075977, 0.09855065520390349, -0.7947482317178012, -0.7901010585429206,
              0.09583882486326718, 0.842476968345643, 0.8468276440728536}},
    {OPT_rmsprop,
     {0.01, 0.99, 1e-8, 0, 0, 0},
     .want = {0.9178882200106956, 0.2546061672255029, -0.8755201790691319, -0.7212846650668558,
              0.20626464392705318, 0.6044583867630353, 0.7784456845965103}},
    {OPT_rmsprop,
     {0.01, 0.9, 1e-4, 0.8, 1, 0.1},
     .want = {0.8470202981106486, 0.2020455721897742, -0.795389783487393, -0.7939218578373883,
              0.1795988530213987, 0.7096252653891588, 0.7795749451449004}},
    {OPT_adagrad,
     {0.01, 1e-10, 0, 0},
     .want = {0.8815726592079205, 0.08909542430760099, -0.8085580878591997, -0.7931738477753676,
              0.08428573922291288, 0.8502881936858678, 0.8676543756110553}},
    {OPT_adagrad,
     {0.01, 1e-10, 0.5, 0.1},
     .want = {0.874233169833252, 0.08604282859383053, -0.8007083673900057, -0.8004332546834166,
              0.08334476978378685, 0.8574150623304801, 0.8662507453099729}},
    {OPT_adadelta,
     {1, 0.9, 1e-6, 0},
     .want = {0.8813818221138521, 0.0779142520274288, -0.8071477210953121, -0.7947707963787628,
              0.07539846695211409, 0.8652849971916097, 0.8746319586149428}},
    {OPT_adadelta,
     {0.5, 0.8, 1e-3, 0.1},
     .want = {0.9085368687284012, 0.1517260812292053, -0.8619397394172452, -0.7330527418515081,
              0.1218825609915868, 0.7456601514277363, 0.838401812258743}},
    {OPT_adamax,
     {0.01, 0.9, 0.999, 1e-8, 0},
     .want = {0.8697210719929568, 0.09749805776797994, -0.7988961259997925, -0.8012928874085857,
              0.09310510505816687, 0.8546076249560535, 0.8579376898089708}},
    {OPT_adamax,
     {0.02, 0.8, 0.99, 1e-3, 0.1},
     .want = {0.8601163463084248, 0.123813991577462, -0.7956154847732295, -0.797853522455006,
              0.1143486279766192, 0.8294274808686599, 0.8378072953328051}},
    {OPT_nadam,
     {0.01, 0.9, 0.999, 1e-8, 0, 4e-3},
     .want = {0.8817470237518469, 0.09158400810375851, -0.8094098836209149, -0.7920348605073675,
              0.08632663668757405, 0.8476915394843565, 0.8660284112114076}},
    {OPT_nadam,
     {0.02, 0.8, 0.99, 1e-3, 0.1, 0.2},
     .want = {0.8821799249824721, 0.1160244233513569, -0.8173801885373281, -0.7791131126587187,
              0.1044068921772753, 0.8134353826552393, 0.8492414534889083}},
    {OPT_lion,
     {0.01, 0.9, 0.99, 0},
     .want = {0.8875825618903728, 0.1007372016677029, -0.8111436155469337, -0.7911436155469337,
              0.0807372016677029, 0.8475825618903727, 0.8675825618903727}},
    {OPT_lion,
     {0.02, 0.8, 0.9, 0.1},
     .want = {0.8923675104891128, 0.1301937067382191, -0.8163862811678898, -0.7763064411678896,
              0.1301937067382191, 0.8124475104891127, 0.8124475104891127}},
    {OPT_lamb,
     {0.01, 0.9, 0.999, 1e-6, 0},
     .want = {0.8739310299081652, 0.09699084856117529, -0.8052812625312749, -0.7950896360873545,
              0.09308731927696545, 0.8534609162566592, 0.8581220654433381}},
    {OPT_lamb,
     {0.02, 0.8, 0.99, 1e-3, 0.1},
     .want = {0.8694272637571492, 0.1218309969312448, -0.808763220095848, -0.7851979238728772,
              0.1106443815070339, 0.8271867989233483, 0.8386506128231395}},
    {OPT_sgd,
     {0.1},
     .want = {0.9044678654772529, 0.14883967651071958, -0.8481550668825688, -0.7443501405455992,
              0.12816503099815782, 0.805990567631894, 0.8386032011516014},
     .clip_norm = 0.7},
    {OPT_sgd,
     {0.1},
     .want = {0.9126608846593347, 0.1689534520949125, -0.8532020657270412, -0.7352556163529204,
              0.12922520285892136, 0.7859276414053233, 0.8375825618903727},
     .clip_value = 0.4},
    {OPT_sgd,
     {0.1, 0.9},
     .want = {0.8538441135319141, 0.2985677936997903, -0.860485929746576, -0.7079067138665434,
              0.2683524972173623, 0.7265021015454468, 0.7232307435799299},
     .clip_value = 0.6,
     .clip_norm = 1.0},
    {OPT_adam,
     {0.01, 0.9, 0.999, 1e-8, 0, 0},
     .want = {0.8945055968885102, 0.0821570614748112, -0.8158100383303397, -0.7870090787255439,
              0.08113505072083003, 0.864134238338853, 0.8682469212559262},
     .accumulate = 3,
     .clip_norm = 0.5},
};

static double gradient(int call, int which, int i)
{
    return sin(1.7 * (i + 1) + 0.9 * call + 0.4 * which);
}

/* The graph of one function: loss = sum(a x) + sum(b z), whose gradients are x and z. */
static void build(Fixture *f, Fn fn, Var *a, Var *b)
{
    Graph *g = f->p->fn[fn] = graph_new(f->p, fn);
    Node *p = weighed_sum(g, build_var(g, a), build_input(g, 0));
    Node *q = weighed_sum(g, build_var(g, b), build_input(g, 1));
    graph_root(g, ROOT_loss, 0, build_binary(g, OP_add, p, q));
    pass_autodiff(g);
    pass_optimizer(g);
    graph_verify(g, "optimizer");
}

static Fixture *case_new(const Case *c)
{
    Fixture *f = fixture_new(FN_train);
    Var *a = random_var(f, "a", VAR_weight, SHAPE(-1, 3));
    Var *b = random_var(f, "b.weight", VAR_weight, SHAPE(-1, 2, 2));
    random_input(f, a->shape, 0, 0);
    random_input(f, b->shape, 0, 0);
    f->p->train = (Train){.given = true,
                          .accumulate = c->accumulate,
                          .clip_norm = c->clip_norm,
                          .clip_value = c->clip_value,
                          .averages = c->averages,
                          .ema_decay = c->decay,
                          .ema_start = c->start,
                          .optimizer.kind = (int)c->kind};
    memcpy(f->p->train.optimizer.arg, c->arg, sizeof c->arg);
    for (int i = 0; i < 4; i++) {
        f->vars[1][i] = cos(i - 2.5);
        f->vars[0][i % 3] = cos(i % 3 + 0.5);
    }
    build(f, FN_train, a, b);
    if (c->accumulate > 1)
        build(f, FN_accumulate, a, b);
    return f;
}

static void run_case(const Case *c)
{
    Fixture *f = case_new(c);
    int calls = c->accumulate > 1 ? c->accumulate : 1;
    for (int call = 1; call <= 3 * calls; call++) {
        for (int i = 0; i < 4; i++) {
            f->inputs[0][i % 3] = gradient(call, 0, i % 3);
            f->inputs[1][i] = gradient(call, 1, i);
        }
        Fn fn = call % calls ? FN_accumulate : FN_train;
        run_step(f, f->p->fn[fn], c->arg[0], 1 + (call - 1) / calls);
    }
    for (int i = 0; i < 7; i++) {
        double got = i < 3 ? f->vars[0][i] : f->vars[1][i - 3];
        cr_expect_float_eq(got, c->want[i], 1e-13, "case %d (%s): weight %d is %.16g, not %.16g",
                           (int)(c - cases), optimizer_rows[c->kind].name, i, got, c->want[i]);
    }
    fixture_free(f);
}

Test(optimizer, steps_are_those_of_pytorch)
{
    bool seen[OPT_COUNT] = {false};
    for (int i = 0; i < COUNT(cases); i++) {
        run_case(&cases[i]);
        seen[cases[i].kind] = true;
    }
    for (int i = 0; i < OPT_COUNT; i++)
        cr_expect(seen[i], "%s has no case", optimizer_rows[i].name);
}

/* --- averages --------------------------------------------------------------------------------- */

/* Of what the weights become: the weight itself in the first `start` steps, and in the first one. */
static void check_averages(double decay, int start)
{
    Fixture *f = case_new(&(Case){
        .kind = OPT_sgd, .arg = {0.1, 0.9}, .averages = true, .decay = decay, .start = start});
    double want[7] = {0};
    for (int step = 1; step <= 5; step++) {
        for (int i = 0; i < 4; i++) {
            f->inputs[0][i % 3] = gradient(step, 0, i % 3);
            f->inputs[1][i] = gradient(step, 1, i);
        }
        run_step(f, f->p->fn[FN_train], 0.1, step);
        for (int i = 0; i < 7; i++) {
            const char *name = i < 3 ? "ema.a" : "ema.b.weight";
            double now = i < 3 ? f->vars[0][i] : f->vars[1][i - 3];
            double mean = f->vars[program_find_var(f->p, name)->id][i < 3 ? i : i - 3];
            want[i] = step <= start || step == 1 ? now : decay * want[i] + (1 - decay) * now;
            cr_expect_float_eq(mean, want[i], 1e-15, "step %d: %s is %.16g, not %.16g", step, name,
                               mean, want[i]);
        }
    }
    fixture_free(f);
}

Test(optimizer, averages)
{
    check_averages(0.9, 0);
    check_averages(0.5, 3);
    check_averages(0, 0);
}

/* --- state ------------------------------------------------------------------------------------ */

/* Every state variable, in order, in one line. */
static const char *states(const Fixture *f)
{
    Str text = str_new(f->ctx.arena);
    for (int i = 0; i < f->p->vars.n; i++)
        if (f->p->vars.at[i]->kind == VAR_state)
            str_add(&text, "%s ", f->p->vars.at[i]->name);
    return text.at;
}

Test(optimizer, states_are_named)
{
    static const struct {
        Case of;
        const char *names;
    } want[] = {
        {{.kind = OPT_sgd, .arg = {0.1}}, ""},
        {{.kind = OPT_sgd, .arg = {0.1, 0.9}},
         "sgd.momentum_buffer.a sgd.momentum_buffer.b.weight "},
        {{.kind = OPT_adam, .arg = {0.1, 0.9, 0.999, 1e-8, 0, 1}},
         "adam.exp_avg.a adam.exp_avg_sq.a adam.max_exp_avg_sq.a adam.exp_avg.b.weight "
         "adam.exp_avg_sq.b.weight adam.max_exp_avg_sq.b.weight "},
        {{.kind = OPT_rmsprop, .arg = {0.1, 0.9, 1e-8, 0, 1}},
         "rmsprop.square_avg.a rmsprop.grad_avg.a rmsprop.square_avg.b.weight "
         "rmsprop.grad_avg.b.weight "},
        {{.kind = OPT_adagrad, .arg = {0.1, 1e-10}, .accumulate = 2},
         "accumulate.a accumulate.b.weight adagrad.sum.a adagrad.sum.b.weight "},
    };
    for (int i = 0; i < COUNT(want); i++) {
        Fixture *f = case_new(&want[i].of);
        cr_expect_str_eq(states(f), want[i].names);
        for (int k = 0; k < f->p->vars.n; k++) {
            const Var *var = f->p->vars.at[k];
            cr_expect(var->kind != VAR_state ||
                      (var->laid_as && shape_equal(&var->shape, &var->laid_as->shape) &&
                       var->init.a == 0));
        }
        fixture_free(f);
    }
}

/* A frozen weight has neither update nor state. */
Test(optimizer, frozen_weights_stay)
{
    Fixture *f = fixture_new(FN_train);
    Var *a = random_var(f, "a", VAR_weight, SHAPE(-1, 3)),
        *b = random_var(f, "b", VAR_weight, SHAPE(-1, 2, 2));
    random_input(f, a->shape, 0, 1);
    random_input(f, b->shape, 0, 1);
    b->frozen = true;
    f->p->train.optimizer = (Optimizer){.kind = OPT_adam, .arg = {0.1, 0.9, 0.999, 1e-8}};
    build(f, FN_train, a, b);
    cr_expect_not_null(graph_find_root(f->p->fn[FN_train], ROOT_assign, a->id));
    cr_expect_null(graph_find_root(f->p->fn[FN_train], ROOT_assign, b->id));
    cr_expect_str_eq(states(f), "adam.exp_avg.a adam.exp_avg_sq.a ");
    fixture_free(f);
}

/* --- structure -------------------------------------------------------------------------------- */

Test(optimizer, roots_become_assigns)
{
    Fixture *f = case_new(&(Case){.kind = OPT_adam, .arg = {0.1, 0.9, 0.999, 1e-8}});
    const Graph *g = f->p->fn[FN_train];
    int assigns = 0;
    for (int i = 0; i < g->roots.n; i++) {
        Root root = g->roots.at[i];
        cr_expect_neq(root.kind, ROOT_grad);
        assigns += root.kind == ROOT_assign;
        cr_expect(root.kind != ROOT_assign ||
                  (root.node->op == OP_assign && root.node->role == ROLE_update &&
                   strcmp(root.node->what, "adam") == 0));
    }
    cr_expect_eq(assigns, 6);
    cr_expect_not_null(graph_find_root(g, ROOT_loss, 0));
    cr_expect_str_eq(graph_find_root(g, ROOT_assign, 1)->name, "b.weight");
    cr_expect_eq(graph_find_root(g, ROOT_assign, 1)->loc.line, f->p->vars.at[1]->loc.line);
    fixture_free(f);
}

/* Powers, and all that is made of the rate and the step alone, are numbers and not tensors. */
Test(optimizer, uniform_factors_are_scalars)
{
    Fixture *f = case_new(&(Case){.kind = OPT_adamw, .arg = {0.1, 0.9, 0.999, 1e-8, 0.01}});
    const Graph *g = f->p->fn[FN_train];
    cr_expect_eq(count_ops(g, OP_pow), 4);
    int divisions = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *node = g->nodes.at[i];
        cr_expect(node->op != OP_pow || node->shape.rank == 0);
        divisions += node->op == OP_div && node->shape.rank > 0;
    }
    cr_expect_eq(divisions, 4, "two divisions an element and weight");
    fixture_free(f);
}

Test(optimizer, accumulate_only_adds)
{
    Fixture *f =
        case_new(&(Case){.kind = OPT_adam, .arg = {0.1, 0.9, 0.999, 1e-8}, .accumulate = 4});
    const Graph *g = f->p->fn[FN_accumulate];
    cr_expect_eq(count_ops(g, OP_assign), 2);
    cr_expect_eq(count_ops(g, OP_sqrt), 0);
    cr_expect_null(graph_find_root(g, ROOT_assign, 0));
    cr_expect_not_null(graph_find_root(g, ROOT_assign, program_find_var(f->p, "accumulate.a")->id));
    fixture_free(f);
}

/* State came after the gradients of inputs were numbered: they still are inputs' numbers. */
Test(optimizer, inputs_of_grad_are_numbered_after_state)
{
    Fixture *f = fixture_new(FN_train);
    Var *a = random_var(f, "a", VAR_weight, SHAPE(-1, 3)),
        *b = random_var(f, "b", VAR_weight, SHAPE(-1, 2, 2));
    random_input(f, a->shape, 0, 1);
    random_input(f, b->shape, 0, 1);
    Input labels = {.name = "labels", .dtype = DT_i32, .shape = SHAPE(0, 1)};
    vec_push(f->ctx.arena, &f->p->inputs, labels);
    f->p->train.optimizer = (Optimizer){.kind = OPT_adam, .arg = {0.1, 0.9, 0.999, 1e-8}};
    Graph *g = f->p->fn[FN_grad] = graph_new(f->p, FN_grad);
    Node *p = weighed_sum(g, build_var(g, a), build_input(g, 0));
    graph_root(g, ROOT_loss, 0, p);
    pass_autodiff(g);
    build(f, FN_train, a, b);
    pass_optimizer(g);
    int n = f->p->vars.n;
    cr_assert_eq(n, 6);
    cr_assert_eq(g->roots.n, 5);
    cr_expect(graph_find_root(g, ROOT_grad, 0) && graph_find_root(g, ROOT_grad, 1));
    cr_assert_not_null(graph_find_root(g, ROOT_grad, n));
    cr_expect(shape_equal(&graph_find_root(g, ROOT_grad, n)->shape, &a->shape));
    cr_expect_not_null(graph_find_root(g, ROOT_grad, n + 1));
    pass_optimizer(g);
    cr_expect_not_null(graph_find_root(g, ROOT_grad, n + 1), "numbered again");
    fixture_free(f);
}
