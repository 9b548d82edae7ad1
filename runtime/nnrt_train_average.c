/* SPDX-License-Identifier: MIT */
/* nnrt_train_average.c: `train: {ema: ...}`: figures of validation and the weights that are saved are of averages.
 *
 * Each weight that is trained has a state ema.NAME, which the optimiser's update moves (passes/optimizer.c).
 * Buffers, as batchnorm's statistics, are taken as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "nnrt_training.h"

/* The weight that var `i` is the average of, or -1. */
static int average_of(const nnrt_model *model, int i)
{
    static const char prefix[] = "ema.";
    const nnrt_var *v = &model->vars[i];
    if (v->kind != NNRT_STATE || strncmp(v->name, prefix, sizeof prefix - 1) != 0)
        return -1;
    for (int k = 0; k < model->n_vars; k++)
        if (model->vars[k].kind == NNRT_WEIGHT &&
            strcmp(model->vars[k].name, v->name + sizeof prefix - 1) == 0)
            return k;
    return -1;
}

int nnrt_training_average_open(nnrt_training *t)
{
    const nnrt_model *model = t->model;
    if (!model->train.averages)
        return 0;
    t->averaged = malloc(model->vars_bytes + 1);
    t->average_of = malloc(((size_t)model->n_vars + 1) * sizeof *t->average_of);
    if (!t->averaged || !t->average_of)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the averages of weights");
    for (int i = 0; i < model->n_vars; i++)
        t->average_of[i] = average_of(model, i);
    return 0;
}

unsigned char *nnrt_training_vars(const nnrt_training *t)
{
    const nnrt_model *model = t->model;
    unsigned char *own = t->m->vars;
    if (!t->averaged || t->m->step == 0)
        return own;
    memcpy(t->averaged, own, model->vars_bytes);
    for (int i = 0; i < model->n_vars; i++) {
        const nnrt_var *v = &model->vars[i];
        if (t->average_of[i] >= 0)
            memcpy(t->averaged + model->vars[t->average_of[i]].offset, own + v->offset,
                   (size_t)v->count * sizeof(float));
    }
    return t->averaged;
}
