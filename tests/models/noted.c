/* SPDX-License-Identifier: MIT */
/* noted.c: an app around a program's own text (-DNET_C='"net.c"' -DNET=net): the forms of predict and
 * train_step that note times give the same bits as those that do not, and count every kernel. */
#define main main_of_the_program
#include NET_C
#undef main
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN(a, b)  a##b
#define MODEL(name) JOIN(name, _model)
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                        \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

enum { ROUNDS = 6 };

static const nnrt_model *const model = &MODEL(NET);

/* A batch of every input. */
static void **new_inputs(void)
{
    void **in = calloc((size_t)model->n_inputs, sizeof *in);
    for (int i = 0; i < model->n_inputs; i++) {
        const nnrt_value *v = &model->inputs[i];
        size_t n = (size_t)(v->count * model->batch);
        float *x = in[i] = malloc(n * sizeof *x);
        for (size_t k = 0; k < n; k++) {
            if (v->dtype == NNRT_F32)
                x[k] = (float)(k * 37 % 101) / 101;
            else
                ((int32_t *)in[i])[k] = (int32_t)(k % (size_t)v->classes);
        }
    }
    return in;
}

static float **new_outputs(void)
{
    float **out = calloc((size_t)model->n_outputs, sizeof *out);
    for (int i = 0; i < model->n_outputs; i++)
        out[i] = calloc((size_t)(model->outputs[i].count * model->batch), sizeof **out);
    return out;
}

static int same_outputs(float *const *a, float *const *b, int n)
{
    for (int i = 0; i < model->n_outputs; i++)
        if (memcmp(a[i], b[i], (size_t)model->outputs[i].count * (size_t)n * sizeof **a) != 0)
            return 0;
    return 1;
}

static int64_t all_calls(const nnrt_profile *p)
{
    int64_t calls = 0;
    for (int k = 0; k < model->n_kernels; k++)
        calls += p->calls[k];
    return calls;
}

int main(void)
{
    const void *const *in = (const void *const *)new_inputs();
    float **plain = new_outputs(), **noted = new_outputs();
    nnrt_instance *a = nnrt_new(model, 3), *b = nnrt_new(model, 3);
    size_t n = (size_t)model->n_kernels;
    nnrt_profile p = {.seconds = calloc(n, sizeof(double)), .calls = calloc(n, sizeof(int64_t))};
    CHECK(a && b && n > 0);
    for (int round = 0; round < ROUNDS; round++) {
        int samples = round % 2 ? 1 : model->batch;
        int64_t before = all_calls(&p);
        float x = model->train_step(a, samples, in);
        float y = model->train_step_noted(b, samples, in, &p);
        CHECK(memcmp(&x, &y, sizeof x) == 0);
        CHECK(memcmp(a->vars, b->vars, model->vars_bytes) == 0);
        CHECK(all_calls(&p) > before);
        CHECK(model->predict(a, samples, in, plain) == 0);
        CHECK(model->predict_noted(b, samples, in, noted, &p) == 0);
        CHECK(same_outputs(plain, noted, samples));
    }
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        CHECK(p.calls[k] > 0 && p.seconds[k] >= 0);
        CHECK(model->kernels[k].flops >= model->kernels[k].fixed_flops);
        CHECK(model->kernels[k].bytes >= model->kernels[k].fixed_bytes);
        CHECK(model->kernels[k].fixed_flops >= 0 && model->kernels[k].fixed_bytes >= 0);
        for (size_t i = 0; i < k; i++)
            CHECK(strcmp(model->kernels[i].name, model->kernels[k].name) != 0);
        sum += p.seconds[k];
    }
    CHECK(sum > 0);
    CHECK(model->predict_noted(b, model->batch + 1, in, noted, &p) == -1);
    nnrt_free(a);
    nnrt_free(b);
    return 0;
}
