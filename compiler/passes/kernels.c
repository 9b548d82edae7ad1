/* SPDX-License-Identifier: MIT */
/* kernels.c: what passes ask of kernels that are in order, and how one is taken out of them. */
#include "../ops/ops.h"
#include "lower.h"

bool kernel_updates(const Kernel *k)
{
    for (int i = 0; i < k->stores.n; i++)
        if (op_rows[k->stores.at[i]->op].cls == CLASS_EFFECT)
            return true;
    return false;
}

bool kernel_reads(const Kernel *k, const Kernel *of, const Node *y)
{
    for (int i = 0; k->scan && i < k->scan->n_in; i++)
        if (k->scan->in[i]->kernel == of && (!y || k->scan->in[i] == y))
            return true;
    for (int i = 0; i < k->nodes.n; i++)
        for (int n = 0; n < k->nodes.at[i]->n_in; n++) {
            const Node *x = k->nodes.at[i]->in[n];
            if (x->kernel == of && (!y || x == y))
                return true;
        }
    return false;
}

void kernel_remove(Graph *g, const Kernel *k)
{
    for (int i = k->id; i + 1 < g->kernels.n; i++) {
        g->kernels.at[i] = g->kernels.at[i + 1];
        g->kernels.at[i]->id = i;
    }
    g->kernels.n--;
}
