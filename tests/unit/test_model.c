/* SPDX-License-Identifier: MIT */
/* test_model.c: guards inputs.c, network.c, layer.c, calls.c and model.c: what of a file becomes
 * the
 * Program, what each function's graph holds, and the limits.
 */
#include "frontend_read.h"

TestSuite(model, .timeout = 30);

static const char *const mlp = "model: mlp\n"
                               "vars: {width: 8}\n"
                               "inputs:\n"
                               "  x: {shape: [4]}\n"
                               "  label: {classes: 3}\n"
                               "layers:\n"
                               "  - dense: {units: $width, activation: relu, name: fc1}\n"
                               "  - dropout: 0.5\n"
                               "  - dense: 3\n"
                               "outputs: {probs: softmax(dense_2)}\n"
                               "loss: softmax_cross_entropy(dense_2, label)\n"
                               "metrics: {accuracy: \"accuracy(dense_2, label)\"}\n";

static bool has_op(const Graph *g, OpKind op)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == op)
            return true;
    return false;
}

static const Node *named(const Graph *g, const char *name)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->name && strcmp(g->nodes.at[i]->name, name) == 0)
            return g->nodes.at[i];
    return NULL;
}

static void has_var(const Program *p, int i, const char *name, const char *shape)
{
    char text[128];
    cr_assert_gt(p->vars.n, i);
    cr_assert_str_eq(p->vars.at[i]->name, name);
    cr_assert_str_eq(shape_text(&p->vars.at[i]->shape, text), shape);
    cr_assert_eq(p->vars.at[i]->id, i);
}

Test(model, program)
{
    const Program *p = good_model(mlp);
    cr_assert_str_eq(p->name, "mlp");
    cr_assert_eq(strlen(p->digest), 64);
    cr_assert_eq(p->inputs.n, 2);
    cr_assert_eq(p->inputs.at[0].dtype, DT_f32);
    cr_assert_eq(p->inputs.at[1].dtype, DT_i32);
    cr_assert_eq(p->inputs.at[1].classes, 3);
    cr_assert_eq(p->inputs.at[1].shape.rank, 1);
    cr_assert_eq(p->outputs.n, 1);
    cr_assert_str_eq(p->outputs.at[0].name, "probs");
    cr_assert_eq(p->metrics.n, 1);
    cr_assert_eq(p->n_sums, p->metrics.at[0].n_sums);
    cr_assert(p->has_loss);
    cr_assert_eq(p->vars.n, 4);
    has_var(p, 0, "fc1.weight", "[8, 4]");
    has_var(p, 1, "fc1.bias", "[8]");
    has_var(p, 2, "dense_2.weight", "[3, 8]");
    has_var(p, 3, "dense_2.bias", "[3]");
}

Test(model, functions)
{
    Program *p = good_model(mlp);
    const Graph *predict = model_graph(p, FN_predict), *eval = model_graph(p, FN_eval);
    const Graph *train = model_graph(p, FN_train), *grad = model_graph(p, FN_grad);
    cr_assert(predict && eval && train && grad, "%s", reports());
    cr_assert_eq(p->vars.n, 4, "a graph made variables anew");
    cr_assert_not_null(graph_find_root(predict, ROOT_output, 0));
    cr_assert_null(graph_find_root(predict, ROOT_loss, 0));
    cr_assert_null(named(predict, "label"));
    cr_assert_not_null(graph_find_root(eval, ROOT_loss, 0));
    cr_assert_not_null(graph_find_root(eval, ROOT_metric, p->n_sums - 1));
    cr_assert_null(graph_find_root(eval, ROOT_metric, p->n_sums));
    cr_assert_not_null(graph_find_root(train, ROOT_metric, 0));
    cr_assert_null(graph_find_root(grad, ROOT_metric, 0));
    cr_assert_not(has_op(predict, OP_random_uniform));
    cr_assert_not(has_op(eval, OP_random_uniform));
    cr_assert(has_op(train, OP_random_uniform));
    cr_assert(has_op(grad, OP_random_uniform));
    cr_assert_eq(graph_find_root(train, ROOT_loss, 0)->shape.rank, 0);
}

Test(model, nodes_know_where_they_come_from)
{
    const Graph *g = model_graph(good_model(mlp), FN_train);
    const Node *fc1 = named(g, "fc1"), *loss = graph_find_root(g, ROOT_loss, 0);
    cr_assert_not_null(fc1);
    cr_assert_str_eq(fc1->what, "relu");
    cr_assert_str_eq(fc1->in[0]->what, "dense");
    cr_assert_eq(fc1->loc.line, 7);
    cr_assert_eq(fc1->loc.col, 5);
    cr_assert_eq(fc1->role, ROLE_forward);
    cr_assert_eq(loss->role, ROLE_loss);
    cr_assert_str_eq(loss->what, "softmax_cross_entropy");
    cr_assert_str_eq(loss->name, "loss");
    cr_assert_eq(graph_find_root(g, ROOT_metric, 0)->role, ROLE_metric);
}

Test(model, streams_are_the_same_in_every_function)
{
    Program *p = good_model("inputs: {x: {shape: [4]}}\nlayers:\n  - dropout\n  - dropout\n  - "
                            "dense: 1\nloss: mean(dense_1)\n");
    uint32_t found[2][2] = {{9, 9}, {9, 9}};
    for (int k = 0; k < 2; k++) {
        const Graph *g = model_graph(p, k ? FN_grad : FN_train);
        for (int i = 0, n = 0; i < g->nodes.n; i++)
            if (g->nodes.at[i]->op == OP_random_uniform)
                found[k][n++] = g->nodes.at[i]->attr->stream;
    }
    cr_assert_neq(found[0][0], found[0][1]);
    cr_assert_eq(found[0][0], found[1][0]);
    cr_assert_eq(found[0][1], found[1][1]);
}

Test(model, defines)
{
    Program *p = read_model_with(mlp, "width=16");
    cr_assert_not_null(p, "%s", reports());
    has_var(p, 0, "fc1.weight", "[16, 4]");
    cr_assert_null(read_model_with(mlp, "widht=16"));
    cr_assert_not_null(
        strstr(reports(), "-D widht: the model has no such variable; did you mean 'width'?"), "%s",
        reports());
    cr_assert_null(read_model_with(mlp, "width"));
    cr_assert_null(read_model_with(mlp, "width=[1"));
    cr_assert_null(read_model_with(mlp, "width=wide"));
    cr_assert_not_null(strstr(reports(), "m.yaml:7:20"), "%s", reports());
    cr_assert_null(read_model_with(mlp, "width=$width"));
}

Test(model, vars_follow_each_other)
{
    const char *text = "vars: {a: 2, b: $a * 3, c: [$b, 1]}\ninputs: {x: {shape: $c}}\nlayers: "
                       "[flatten, {dense: $b}]\n";
    has_var(good_model(text), 0, "dense_1.weight", "[6, 6]");
    has_var(read_model_with(text, "a=1"), 0, "dense_1.weight", "[3, 3]");
    has_var(read_model_with(text, "c=[5, 2]"), 0, "dense_1.weight", "[6, 10]");
}

Test(model, options)
{
    start(mlp, strlen(mlp));
    const Program *p =
        model_read(&ctx, &(ModelOptions){.batch = 7, .no_train = true}, mlp, strlen(mlp));
    cr_assert_eq(p->train.batch, 7);
    cr_assert_not(p->train.given);
}

Test(model, names_of_unnamed_layers)
{
    const Program *p = good_model(
        "inputs: {x: {shape: [4]}}\n"
        "layers:\n  - dense: 5\n  - dense: {units: 6, name: mid}\n  - relu\n  - dense: 7\n"
        "  - relu\n");
    has_var(p, 0, "dense_1.weight", "[5, 4]");
    has_var(p, 2, "mid.weight", "[6, 5]");
    has_var(p, 4, "dense_3.weight", "[7, 6]");
    cr_assert_str_eq(p->outputs.at[0].name, "relu_2"); /* without outputs: the last layer */
}

Test(model, name_of_the_file)
{
    cr_assert_str_eq(good_model("inputs: {x: {shape: 4}}\nlayers: [relu]\n")->name, "m");
}

Test(model, yaml_words_are_names)
{
    const Program *p =
        good_model("model: y\ninputs: {y: {shape: [4]}, n: {shape: [4]}}\n"
                   "layers:\n  - add: {input: [y, n], name: on}\n  - relu: {name: null}\n"
                   "outputs: {yes: on + null}\n");
    cr_assert_str_eq(p->outputs.at[0].name, "yes");
}

/* --- inputs ----------------------------------------------------------------------------------- */

Test(model, shapes_of_inputs)
{
    const Program *p =
        good_model("inputs:\n  a: {shape: [3, 2]}\n  b: {shape: 5}\n  c: {shape: []}\n"
                   "  d: {classes: 4, shape: [7]}\n  e: {tokens: 9, shape: [6]}\n"
                   "layers:\n  - {expr: mean(a) + mean(b) + mean(d) + mean(e) + c}\n");
    static const char *const shapes[] = {"[N, 3, 2]", "[N, 5]", "[N]", "[N, 7]", "[N, 6]"};
    char text[128];
    for (int i = 0; i < 5; i++)
        cr_assert_str_eq(shape_text(&p->inputs.at[i].shape, text), shapes[i]);
    cr_assert_eq(p->inputs.at[4].classes, 9);
}

static const Node *first_operand(const char *input)
{
    char *text = malloc(strlen(input) + 100);
    sprintf(text, "inputs: {x: %s}\nlayers: [identity, relu]\n", input);
    const Graph *g = model_graph(good_model(text), FN_predict);
    return graph_find_root(g, ROOT_output, 0)->in[0];
}

Test(model, normalize)
{
    const Node *x =
        first_operand("{shape: [3, 2, 2], dtype: u8, normalize: {mean: [1, 2, 3], std: 255}}");
    cr_assert_eq(x->op, OP_div);
    cr_assert_eq(x->in[1]->attr->value, 255);
    const Node *minus = x->in[0];
    cr_assert_eq(minus->op, OP_sub);
    char text[128];
    cr_assert_str_eq(shape_text(&minus->in[1]->shape, text), "[1, 3, 1, 1]");
    cr_assert_eq(minus->in[1]->attr->data[2], 3);
    cr_assert_eq(minus->in[0]->op, OP_cast);
    cr_assert_eq(minus->in[0]->in[0]->op, OP_input);
    cr_assert_str_eq(minus->in[0]->in[0]->name, "x");
    cr_assert_eq(first_operand("{shape: [3], normalize: {mean: 2}}")->op, OP_sub);
    cr_assert_eq(first_operand("{shape: [3], dtype: i32}")->op, OP_cast);
    cr_assert_eq(first_operand("{shape: [3]}")->op, OP_input);
}

Test(model, normalize_is_built_once)
{
    const Graph *g = model_graph(good_model("inputs: {x: {shape: 3, normalize: {std: 2}}}\n"
                                            "layers: [{expr: x * x + x}]\n"),
                                 FN_predict);
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++)
        n += g->nodes.at[i]->op == OP_div;
    cr_assert_eq(n, 1);
}

Test(model, input_limits)
{
    good_model("inputs: {x: {shape: [1, 1, 1, 1, 1, 1, 1]}}\nlayers: [relu]\n");
    wrong_model("inputs: {x: {shape: [1, 1, 1, 1, 1, 1, 1, 1]}}\nlayers: [relu]\n", "at most 7");
    good_model("inputs: {x: {shape: [2147483647]}}\nlayers: [relu]\n");
    wrong_model("inputs: {x: {shape: [2147483648]}}\nlayers: [relu]\n", "1 to 2147483647");
    good_model("inputs: {x: {shape: [1048576, 1048576]}}\nlayers: [relu]\n");
    wrong_model("inputs: {x: {shape: [1048576, 1048577]}}\nlayers: [relu]\n", "1099511627776");
    wrong_model("inputs: {x: {shape: [2147483647, 2147483647, 2147483647, 2147483647, "
                "2147483647]}}\nlayers: [relu]\n",
                "1099511627776");
    wrong_model("inputs: {x: {shape: [-1]}}\nlayers: [relu]\n", "an axis of -1");
}

/* --- weights ---------------------------------------------------------------------------------- */

Test(model, frozen_shared_init)
{
    Program *p = good_model("inputs: {x: {shape: [4]}}\nlayers:\n"
                            "  - dense: {units: 4, name: a, frozen: true, init: ones}\n"
                            "  - dense: {units: 4, name: b, shared: a}\n"
                            "  - dense: {units: 4, name: c}\n"
                            "  - dense: {units: 4, name: d, shared: c, frozen: true}\n");
    cr_assert_eq(p->vars.n, 4);
    cr_assert(p->vars.at[0]->frozen);
    cr_assert_eq(p->vars.at[0]->init.a, 1);
    cr_assert_eq(p->vars.at[0]->init.kind, INIT_constant);
    cr_assert_not(p->vars.at[2]->frozen);
    const Graph *g = model_graph(p, FN_predict);
    cr_assert(has_op(g, OP_stop_gradient)); /* of d: it trains c by way of c alone */
}

Test(model, activation_with_weights)
{
    const Program *p = good_model(
        "inputs: {x: {shape: [4]}}\nlayers:\n  - dense: {units: 4, name: a, activation: prelu}\n");
    has_var(p, 2, "a.prelu.weight", "[1]");
}

Test(model, activation_with_arguments)
{
    static const char *const forms[] = {"leaky_relu", "{leaky_relu: 0.2}",
                                        "{leaky_relu: {slope: 0.2}}"};
    for (int i = 0; i < COUNT(forms); i++) {
        char text[300];
        sprintf(text, "inputs: {x: {shape: [4]}}\nlayers:\n  - dense: {units: 4, activation: %s}\n",
                forms[i]);
        good_model(text);
    }
    wrong_model("inputs: {x: {shape: [4]}}\nlayers:\n  - dense: {units: 4, activation: "
                "{leaky_relu: {slop: 1}}}\n",
                "did you mean 'slope'?");
}

Test(model, split)
{
    Program *p = good_model("inputs: {x: {shape: [4]}}\nlayers:\n"
                            "  - split: {axis: 1, sizes: [1, 3], name: [a, b]}\n"
                            "  - {expr: a + b}\n");
    const Graph *g = model_graph(p, FN_predict);
    cr_assert_not_null(named(g, "a"));
    cr_assert_eq(named(g, "b")->shape.dim[1], 3);
    good_model("inputs: {x: {shape: [4]}}\nlayers:\n" /* a part may be dropped */
               "  - split: {axis: 1, sizes: [1, 3], name: [a, b]}\n  - relu: {input: b}\n");
}

/* --- outputs, loss ---------------------------------------------------------------------------- */

Test(model, outputs_as_a_list)
{
    Program *p =
        good_model("inputs: {x: {shape: [4]}}\nlayers:\n  - relu: {name: a}\n  - tanh: {name: b}\n"
                   "outputs: [a, b]\n");
    cr_assert_eq(p->outputs.n, 2);
    cr_assert_eq(graph_find_root(model_graph(p, FN_predict), ROOT_output, 1)->op, OP_tanh);
    wrong_model("inputs: {x: {shape: [4]}}\nlayers:\n  - relu: {name: a}\noutputs: [a, a]\n",
                "given twice");
}

Test(model, named_losses)
{
    Program *p =
        good_model("inputs: {x: {shape: [4]}}\nlayers:\n  - dense: {units: 1, name: d}\n"
                   "loss: {a: mean(d), b: mean(d * d), c: sum(d)}\nloss_weights: {b: 0.5}\n");
    const Node *total = graph_find_root(model_graph(p, FN_train), ROOT_loss, 0);
    cr_assert_eq(total->op, OP_add);
    cr_assert_str_eq(total->name, "loss");
    cr_assert_str_eq(total->in[1]->name, "c");
    const Node *b = total->in[0]->in[1];
    cr_assert_eq(b->op, OP_mul);
    cr_assert_eq(b->in[1]->attr->value, 0.5);
}

Test(model, ignored_classes)
{
    const Program *p =
        good_model("inputs: {x: {shape: [4]}, label: {classes: 4}}\nlayers: [{dense: 4}]\n"
                   "loss: softmax_cross_entropy(dense_1, label, ignore=-1)\n");
    cr_assert(p->inputs.at[1].has_ignore);
    cr_assert_eq(p->inputs.at[1].ignore, -1);
}

/* --- several mistakes, once each -------------------------------------------------------------- */

Test(model, mistakes_do_not_cascade)
{
    cr_assert_null(
        read_model("model: m\ninputs:\n  x: {shape: [4]}\n  label: {classes: 3}\nlayers:\n"
                   "  - dense: {units: three, name: a}\n"
                   "  - relu\n"
                   "  - dense: {units: 3, input: a, name: b}\n"
                   "  - add: {input: [a, b, relu_1], name: s}\n"
                   "  - dense: {units: 3, input: nobody}\n"
                   "  - relu: {input: nobody}\n"
                   "loss: softmax_cross_entropy(s, label) + nobody\n"));
    cr_assert_eq(ctx.diag.errors, 2, "%s", reports());
}

Test(model, unused)
{
    cr_assert_null(read_model("inputs: {x: {shape: [4]}, y: {shape: [4]}}\nlayers:\n"
                              "  - dense: {units: 3, name: a}\n"
                              "  - dense: {units: 3, name: b}\n"
                              "  - relu: {input: x}\n"));
    cr_assert_eq(ctx.diag.errors, 2, "%s", reports()); /* b, of which a is part, and y */
    cr_assert_not_null(strstr(reports(), "'b' is not used"), "%s", reports());
    cr_assert_not_null(strstr(reports(), "input 'y' is not used"), "%s", reports());
}

Test(model, error_limit)
{
    char *text = malloc(100000), *p = stpcpy(text, "inputs: {x: {shape: [4]}}\nlayers:\n");
    for (int i = 0; i < 1000; i++)
        p = stpcpy(p, "  - dense: {unitz: 3}\n");
    cr_assert_null(read_model(text));
    int lines = 0;
    for (const char *at = reports(); (at = strstr(at, "error:")); at++)
        lines++;
    cr_assert_eq(lines, 20, "%d", lines);
}

/* --- limits ----------------------------------------------------------------------------------- */

Test(model, layers)
{
    char text[300];
    for (int more = 0; more < 2; more++) { /* the block's use is a layer too */
        sprintf(text,
                "inputs: {x: {shape: [4]}}\nblocks: {b: {layers: [identity]}}\n"
                "layers:\n  - b: {repeat: %d}\n",
                LAYERS_MAX - 1 + more);
        read_model(text);
        cr_assert_eq(ctx.diag.errors, more, "%d: %s", more, reports());
    }
    cr_assert_not_null(strstr(reports(), "more than 65536 layers"), "%s", reports());
}

Test(model, wide_sizes)
{
    wrong_model("inputs: {x: {shape: [4]}}\nlayers: [{dense: 2147483647}, {dense: 2147483647}]\n",
                "too large");
    wrong_model("inputs: {x: {shape: [4]}}\nlayers: [{dense: 2147483648}]\n", "");
    wrong_model("inputs: {x: {shape: [4]}}\nlayers: [{dense: 9223372036854775807}]\n", "");
    wrong_model("inputs: {x: {shape: [4]}}\nlayers: [{dense: 0}]\n", "");
    wrong_model("inputs: {x: {shape: [4]}}\nlayers: [{dense: -9223372036854775808}]\n", "");
}

Test(model, names_of_models)
{
    static const char *const bad[] = {"int",   "class",    "main", "NULL",   "errno",
                                      "_Bool", "__FILE__", "nnrt", "printf", "a-b",
                                      "9a",    "",         "[a]",  "{a: b}"};
    for (int i = 0; i < COUNT(bad); i++) {
        char text[200];
        sprintf(text, "model: %s\ninputs: {x: {shape: [4]}}\nlayers: [relu]\n", bad[i]);
        wrong_model(text, "model: ");
    }
}

Test(model, empty_outputs_are_none)
{
    cr_assert_eq(good_model("inputs: {x: {shape: [4]}}\nlayers: [relu]\noutputs: {}\n")->outputs.n,
                 1);
}
