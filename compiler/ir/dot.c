/* SPDX-License-Identifier: MIT */
/* dot.c: a graph as Graphviz text: --emit=dot. */
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

static void put_node(const Node *y, FILE *f)
{
    char shape[128];
    fprintf(f, "    n%d [label=\"%s", y->id, op_rows[y->op].name);
    if (y->name) {
        fputs("\\n", f);
        put_label(f, y->name);
    }
    fputs("\\n", f);
    put_label(f, shape_text(&y->shape, shape));
    fprintf(f, "\"%s];\n", op_rows[y->op].cls == CLASS_LEAF ? ", shape=ellipse" : "");
}

void graph_dot(const Graph *g, FILE *f)
{
    static const char *const root[] = {"output", "loss", "metric", "grad",
                                       "assign", "next", "step",   "kept"};
    fprintf(f, "digraph %s {\n    node [shape=box, fontname=\"sans-serif\"];\n", fn_text(g->fn));
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        put_node(y, f);
        for (int k = 0; k < y->n_in; k++)
            fprintf(f, "    n%d -> n%d;\n", y->in[k]->id, y->id);
    }
    for (int i = 0; i < g->roots.n; i++)
        fprintf(f, "    r%d [label=\"%s %d\", shape=plaintext];\n    n%d -> r%d;\n", i,
                root[g->roots.at[i].kind], g->roots.at[i].index, g->roots.at[i].node->id, i);
    fputs("}\n", f);
}
