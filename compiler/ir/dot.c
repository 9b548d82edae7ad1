/* SPDX-License-Identifier: MIT */
/* dot.c: a graph as Graphviz text: --emit=dot. A box a layer, an ellipse or box an op, shapes on the edges. Colours
 * stand for the kind of work, and are readable on white and on black. */
#include <string.h>

#include "../ops/ops.h"

/* Names come from the model and hold letters, digits, _ and dots; whatever else is written as
 * '?'. */
static void put_label(FILE *f, const char *text)
{
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || strchr("_. []%,*+-", *text);
        fputc(plain ? *text : '?', f);
    }
}

/* By class: what fills the node. */
static const char *fill_of(const Node *y)
{
    if (y->op == OP_input)
        return "#ffe08a";
    switch (op_rows[y->op].cls) {
    case CLASS_LEAF: return "#f3d3e6";
    case CLASS_EW: return "#cfe8dc";
    case CLASS_REDUCE: return "#f8d5bd";
    case CLASS_MOVE: return "#e3e6ea";
    case CLASS_MAT: return "#bcd9f2";
    case CLASS_SCAN: return "#dcd3f5";
    default: return "#f2c4c0";
    }
}

/* A single number is written into what reads it. */
static bool inline_number(const Node *y)
{
    return y->op == OP_const && !y->attr->data;
}

static void put_node(const Graph *g, const Node *y, FILE *f)
{
    bool leaf = op_rows[y->op].cls == CLASS_LEAF;
    char number[32];
    if (inline_number(y) && !graph_is_root(g, y))
        return;
    fprintf(f, "        n%d [label=\"%s", y->id, op_rows[y->op].name);
    for (int k = 0; k < y->n_in; k++)
        if (inline_number(y->in[k]))
            fprintf(f, " %s", number_text(number, y->in[k]->attr->value, true));
    const char *name = y->op == OP_var ? y->attr->var->name : y->name;
    if (name) {
        fputs("\\n", f);
        put_label(f, name);
    }
    fprintf(f, "\", fillcolor=\"%s\"%s];\n", fill_of(y), leaf ? ", shape=ellipse" : "");
}

static void put_edges(const Node *y, FILE *f)
{
    char shape[128];
    for (int k = 0; k < y->n_in; k++) {
        const Node *x = y->in[k];
        if (inline_number(x))
            continue;
        fprintf(f, "    n%d -> n%d [label=\"", x->id, y->id);
        put_label(f, shape_text(&x->shape, shape));
        fputs("\"];\n", f);
    }
}

static void put_layer(const Graph *g, const Layers *layers, int i, FILE *f)
{
    static const char *const role[] = {"", "", "", "gradient of ", "update of "};
    const Layer *l = &layers->at[i];
    fprintf(f, "    subgraph cluster_%d {\n        fontsize=12; labeljust=l; label=\"%s", i,
            role[l->role]);
    put_label(f, l->name ? l->name : l->what);
    if (l->name) {
        fputs(" is ", f);
        put_label(f, l->what);
    }
    if (l->loc.line > 0)
        fprintf(f, "\\lline %d\\l", l->loc.line);
    fputs("\";\n", f);
    for (int k = 0; k < g->nodes.n; k++)
        if (layers->of[k] == i)
            put_node(g, g->nodes.at[k], f);
    fputs("    }\n", f);
}

static void put_root(const Graph *g, int i, FILE *f)
{
    static const char *const kind[] = {"output", "loss", "metric", "grad",
                                       "assign", "next", "step",   "kept"};
    const Root *r = &g->roots.at[i];
    const char *name = r->kind == ROOT_output ? graph_output_name(g, r->index) : NULL;
    fprintf(f, "    r%d [label=\"", i);
    if (name)
        put_label(f, name);
    else
        fprintf(f, "%s %d", (int)r->kind < COUNT(kind) ? kind[r->kind] : "root", r->index);
    fprintf(f,
            "\", shape=plaintext, style=\"\", fontcolor=\"#7d8894\", margin=\"0.05\"];\n"
            "    n%d -> r%d;\n",
            r->node->id, i);
}

void graph_dot(const Graph *g, FILE *f)
{
    Layers layers = graph_layers(g, g->program->ctx->arena);
    fprintf(
        f,
        "digraph %s {\n"
        "    graph [label=\"%s: %s\", labelloc=t, fontsize=20, fontname=\"sans-serif\", "
        "fontcolor=\"#7d8894\",\n"
        "        bgcolor=transparent, rankdir=TB, nodesep=0.3, ranksep=0.45, color=\"#9aa4ae\", "
        "style=rounded, penwidth=1.2];\n"
        "    node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=12, "
        "height=0.3, margin=\"0.12,0.05\",\n"
        "        color=\"#68727c\", fontcolor=\"#14181c\"];\n"
        "    edge [color=\"#7d8894\", fontcolor=\"#7d8894\", fontname=\"sans-serif\", fontsize=10, "
        "arrowsize=0.7];\n",
        fn_text(g->fn), g->program->name, fn_text(g->fn));
    for (int i = 0; i < layers.n; i++)
        put_layer(g, &layers, i, f);
    for (int i = 0; i < g->nodes.n; i++)
        put_edges(g->nodes.at[i], f);
    for (int i = 0; i < g->roots.n; i++)
        put_root(g, i, f);
    fputs("}\n", f);
}
