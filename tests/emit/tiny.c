/* tiny.c: trains and runs one network, and no other.
 * Made by nncc 0.1.0.  Edit tiny.yaml, then:  nncc tiny.yaml -o tiny.c --target=x86-64-v3
 * For x86-64-v3. Compile with: -O3 -fopenmp -march=x86-64-v3
 *
 * kernels, calls of        predict  eval train     MFLOP        KB  from the model file
 *   tiny_hidden_fwd              1     1         0.00036    0.3125  7 dense, tanh, 8 dense
 *   tiny_out_fwd                 1               1.6e-05    0.1875  8 dense
 *   tiny_out_2_fwd                     1         2.4e-05      0.25  8 dense, 11 mse
 *   tiny_loss_loss                     1     1     5e-06     0.125  11 mse
 *   tiny_hidden_2_fwd                        1   0.00036     0.375  7 dense, tanh, 8 dense
 *   tiny_hidden_bwd                          1  0.000102    0.5625  8 dense, 11 mse, 7 tanh: gradient
 *   tiny_out_bias_upd                        1     8e-06    0.3125  8 sgd, dense: update
 *   tiny_out_weight_upd                      2   2.4e-05    0.3125  8 dense, sgd: update
 *   tiny_hidden_weight_upd                   1   7.2e-05     0.375  7 sgd, dense: update
 *   all                          2     3     7
 *
 * variables                               bytes     number
 *   tiny_vars                               512          8
 *
 * scratch                                 bytes    buffers  the largest (all: nncc --emit=report)
 *   predict                                  64          1  dense 64
 *   eval                                    128          3  dense 64, mse 64, loss 64
 *   train                                   320          5  hidden 64, dense 64, mse 64, loss 64
 */
#include "tiny.h"

#include "nnrt.h"
#include "nnrt_company.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"
#include "nnrt_team.h"

#if NNRT_ABI != 12
#error "tiny.c was made for another nnrt: run nncc again"
#endif
#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 11
#error "tiny.c needs gcc 11 or clang 14, or a later one"
#endif
#ifndef __AVX2__
#error "tiny.c is made for x86-64-v3: compile it with -march=x86-64-v3"
#endif
#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

struct tiny {
    nnrt_instance head;
    _Alignas(64) unsigned char arena[832]; /* 512 of variables, then scratch */
};

/* The variables of an instance, kept as the table tiny_vars says. */
struct tiny_vars {
    float hidden_weight[6];
    _Alignas(64) float hidden_bias[3];
    _Alignas(64) float out_weight[3];
    _Alignas(64) float out_bias[1];
    _Alignas(64) float sgd_momentum_buffer_hidden_weight[6];
    _Alignas(64) float sgd_momentum_buffer_hidden_bias[3];
    _Alignas(64) float sgd_momentum_buffer_out_weight[3];
    _Alignas(64) float sgd_momentum_buffer_out_bias[1];
};
_Static_assert(__builtin_offsetof(struct tiny_vars, sgd_momentum_buffer_out_bias) == 448, "layout");

/* line 7 dense, tanh, 8 dense
 * dense[N, 3, 1] */
static void tiny_hidden_fwd(int n, const float *restrict x, const float *restrict hidden_weight,
                            const float *restrict hidden_bias, const float *restrict out_weight,
                            float *restrict dense)
{
    for (int i = 0; i < n; i++) {
        for (int k0 = 0; k0 < 3; k0 += 3) {
            enum { width = 3 };
            float r1[3];
            for (int v = 0; v < 3; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < 2; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = x[i * 2 + j];
                    r1[v] += t2 * hidden_weight[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t3 = nnrt_tanhf(r1[v] + hidden_bias[k]);
                dense[i * 3 + k] = t3 * out_weight[k];
            }
        }
    }
}

/* line 8 dense
 * out[N, 1] */
static void tiny_out_fwd(int n, const float *restrict dense, const float *restrict out_bias,
                         float *restrict out)
{
    for (int i = 0; i < n; i++) {
        float r1 = 0.0f;
        for (int j = 0; j < 3; j++) {
            r1 += dense[i * 3 + j];
        }
        out[i] = r1 + out_bias[0];
    }
}

/* line 8 dense, 11 mse
 * mse[N, 1] */
static void tiny_out_2_fwd(int n, const float *restrict dense, const float *restrict out_bias,
                           const float *restrict y, float *restrict mse)
{
    for (int i = 0; i < n; i++) {
        float r1 = 0.0f;
        for (int j = 0; j < 3; j++) {
            r1 += dense[i * 3 + j];
        }
        const float t2 = r1 + out_bias[0] - y[i];
        mse[i] = t2 * t2;
    }
}

/* line 11 mse
 * loss[] */
static void tiny_loss_loss(int n, const float *restrict mse, const float s1, float *restrict loss)
{
    float r1[16];
    for (int v = 0; v < 16; v++)
        r1[v] = 0.0f;
    const int w2 = n / 16 * 16;
    for (int i0 = 0; i0 < w2; i0 += 16) {
        for (int v = 0; v < 16; v++) {
            const int i = i0 + v;
            r1[v] += mse[i];
        }
    }
    for (int v = 0; v < n - w2; v++) {
        const int i = w2 + v;
        r1[v] += mse[i];
    }
    for (int w = 8; w > 0; w /= 2)
        for (int v = 0; v < w; v++)
            r1[v] = r1[v] + r1[v + w];
    loss[0] = r1[0] / s1;
}

/* line 7 dense, tanh, 8 dense
 * hidden[N, 3], dense[N, 3, 1] */
static void tiny_hidden_2_fwd(int n, const float *restrict x, const float *restrict hidden_weight,
                              const float *restrict hidden_bias, const float *restrict out_weight,
                              float *restrict hidden, float *restrict dense)
{
    for (int i = 0; i < n; i++) {
        for (int k0 = 0; k0 < 3; k0 += 3) {
            enum { width = 3 };
            float r1[3];
            for (int v = 0; v < 3; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < 2; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = x[i * 2 + j];
                    r1[v] += t2 * hidden_weight[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t3 = nnrt_tanhf(r1[v] + hidden_bias[k]);
                const float t4 = t3 * out_weight[k];
                hidden[i * 3 + k] = t3;
                dense[i * 3 + k] = t4;
            }
        }
    }
}

/* line 8 dense, 11 mse, 7 tanh: gradient
 * mse[N, 1], d_mse[N, 1], d_dense[N, 3, 1], d_hidden[N, 3] */
static void tiny_hidden_bwd(int n, float *restrict dense, const float *restrict out_bias,
                            const float *restrict y, const float s1, float *restrict mse,
                            float *restrict d_mse, float *restrict hidden,
                            const float *restrict out_weight)
{
    for (int i = 0; i < n; i++) {
        float r1 = 0.0f;
        for (int j = 0; j < 3; j++) {
            r1 += dense[i * 3 + j];
        }
        const float t2 = r1 + out_bias[0] - y[i];
        const float t3 = t2 * t2;
        const float t4 = s1 * t2;
        mse[i] = t3;
        d_mse[i] = t4;
        for (int j = 0; j < 3; j++) {
            const float t5 = hidden[i * 3 + j];
            const float t6 = t5 * t4;
            const float t7 = t4 * out_weight[j] * (1.0f - t5 * t5);
            dense[i * 3 + j] = t6;
            hidden[i * 3 + j] = t7;
        }
    }
}

/* line 8 sgd, dense: update
 * out_bias[1], sgd_momentum_buffer_out_bias[1] */
static void tiny_out_bias_upd(int n, const float *restrict d_mse, float *restrict out_bias,
                              const float lr, float *restrict sgd_momentum_buffer_out_bias)
{
    float r1[16];
    for (int v = 0; v < 16; v++)
        r1[v] = 0.0f;
    const int w2 = n / 16 * 16;
    for (int i0 = 0; i0 < w2; i0 += 16) {
        for (int v = 0; v < 16; v++) {
            const int i = i0 + v;
            r1[v] += d_mse[i];
        }
    }
    for (int v = 0; v < n - w2; v++) {
        const int i = w2 + v;
        r1[v] += d_mse[i];
    }
    for (int w = 8; w > 0; w /= 2)
        for (int v = 0; v < w; v++)
            r1[v] = r1[v] + r1[v + w];
    const float t3 = 0.9f * sgd_momentum_buffer_out_bias[0] + r1[0];
    const float t4 = out_bias[0] - lr * t3;
    out_bias[0] = t4;
    sgd_momentum_buffer_out_bias[0] = t3;
}

/* line 8 dense, sgd: update
 * out_weight[3, 1], sgd_momentum_buffer_out_weight[3, 1]
 * serves as well: hidden.bias */
static void tiny_out_weight_upd(int n, const float *restrict dense, float *restrict out_weight,
                                const float lr, float *restrict sgd_momentum_buffer_out_weight)
{
    for (int j0 = 0; j0 < 3; j0 += 3) {
        enum { width = 3 };
        float r1[3];
        for (int v = 0; v < 3; v++)
            r1[v] = 0.0f;
        for (int i = 0; i < n; i++) {
            for (int v = 0; v < width; v++) {
                const int j = j0 + v;
                r1[v] += dense[i * 3 + j];
            }
        }
        for (int v = 0; v < width; v++) {
            const int j = j0 + v;
            const float t2 = 0.9f * sgd_momentum_buffer_out_weight[j] + r1[v];
            const float t3 = out_weight[j] - lr * t2;
            out_weight[j] = t3;
            sgd_momentum_buffer_out_weight[j] = t2;
        }
    }
}

/* line 7 sgd, dense: update
 * hidden_weight[2, 3], sgd_momentum_buffer_hidden_weight[2, 3] */
static void tiny_hidden_weight_upd(int n, const float *restrict x, const float *restrict hidden,
                                   float *restrict hidden_weight, const float lr,
                                   float *restrict sgd_momentum_buffer_hidden_weight)
{
    for (int i = 0; i < 2; i++) {
        for (int k0 = 0; k0 < 3; k0 += 3) {
            enum { width = 3 };
            float r1[3];
            for (int v = 0; v < 3; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < n; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = x[i + j * 2];
                    r1[v] += t2 * hidden[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t3 = 0.9f * sgd_momentum_buffer_hidden_weight[i * 3 + k] + r1[v];
                const float t4 = hidden_weight[i * 3 + k] - lr * t3;
                hidden_weight[i * 3 + k] = t4;
                sgd_momentum_buffer_hidden_weight[i * 3 + k] = t3;
            }
        }
    }
}

/* Whether a call cannot take n samples; the instance then says why. */
static int tiny_refuses(struct tiny *m, int n)
{
    static const char why[] = "n is not from 1 to 4";
    if (n >= 1 && n <= TINY_BATCH)
        return 0;
    __builtin_memcpy(m->head.error, why, sizeof why);
    return 1;
}

int tiny_predict(tiny *m, int n, const float *x, float *out)
{
    if (tiny_refuses(m, n))
        return -1;
    const struct tiny_vars *const v = (const struct tiny_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *dense = scratch + 0;
    tiny_hidden_fwd(n, x, v->hidden_weight, v->hidden_bias, v->out_weight, dense);
    tiny_out_fwd(n, dense, v->out_bias, out);
    return 0;
}

float tiny_eval(tiny *m, int n, const float *x, const float *y, double *sums)
{
    if (tiny_refuses(m, n))
        return __builtin_nanf("");
    const struct tiny_vars *const v = (const struct tiny_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *dense = scratch + 0, *mse = scratch + 16, *loss = scratch + 0;
    const double u22 = n;
    tiny_hidden_fwd(n, x, v->hidden_weight, v->hidden_bias, v->out_weight, dense);
    tiny_out_2_fwd(n, dense, v->out_bias, y, mse);
    tiny_loss_loss(n, mse, (float)u22, loss);
    (void)sums;
    return loss[0];
}

float tiny_train_step(tiny *m, int n, const float *x, const float *y)
{
    if (tiny_refuses(m, n))
        return __builtin_nanf("");
    struct tiny_vars *const v = (struct tiny_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *hidden = scratch + 0, *dense = scratch + 16, *mse = scratch + 32, *loss = scratch + 48;
    float *d_mse = scratch + 64;
    const double u22 = n;
    const double u25 = nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step,
                               m->head.total_steps, m->head.epoch_steps);
    const double u30 = 1.0 / u22;
    const double u32 = u30 * 2.0;
    /* clang-format off */
    tiny_hidden_2_fwd(n, x, v->hidden_weight, v->hidden_bias, v->out_weight, hidden, dense);
    tiny_hidden_bwd(n, dense, v->out_bias, y, (float)u32, mse, d_mse, hidden, v->out_weight);
    tiny_loss_loss(n, mse, (float)u22, loss);
    tiny_out_bias_upd(n, d_mse, v->out_bias, (float)u25, v->sgd_momentum_buffer_out_bias);
    tiny_out_weight_upd(n, dense, v->out_weight, (float)u25, v->sgd_momentum_buffer_out_weight);
    tiny_out_weight_upd(n, hidden, v->hidden_bias, (float)u25, v->sgd_momentum_buffer_hidden_bias);
    tiny_hidden_weight_upd(n, x, hidden, v->hidden_weight, (float)u25,
        v->sgd_momentum_buffer_hidden_weight);
    /* clang-format on */
    m->head.calls++;
    m->head.step++;
    m->head.changes++;
    return loss[0];
}

static int tiny_predict_any(nnrt_instance *m, int n, const void *const *in, float *const *out)
{
    return tiny_predict((struct tiny *)m, n, in[0], out[0]);
}

static float tiny_train_step_any(nnrt_instance *m, int n, const void *const *in)
{
    return tiny_train_step((struct tiny *)m, n, in[0], in[1]);
}

static float tiny_eval_any(nnrt_instance *m, int n, const void *const *in, double *sums)
{
    return tiny_eval((struct tiny *)m, n, in[0], in[1], sums);
}

/* clang-format off */
static const nnrt_value tiny_inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 1, .dim = {2}, .count = 2, .in_predict = 1, .outputs = 0x1u},
    {.name = "y", .dtype = NNRT_F32, .rank = 1, .dim = {1}, .count = 1, .in_predict = 0, .outputs = 0x0u},
};
static const nnrt_value tiny_outputs[] = {
    {.name = "out", .dtype = NNRT_F32, .rank = 1, .dim = {1}, .count = 1},
};
/* Name, kind, rank, shape as saved, count, offset, order kept in, first value (what, a, b), view. */
static const nnrt_var tiny_vars[] = {
    {"hidden.weight", NNRT_WEIGHT, 2, {3, 2}, 6, 0, {1, 0}, NNRT_INIT_UNIFORM, -0.7071067811865475, 0.7071067811865475, 0, {0}},
    {"hidden.bias", NNRT_WEIGHT, 1, {3}, 3, 64, {0}, NNRT_INIT_UNIFORM, -0.7071067811865475, 0.7071067811865475, 0, {0}},
    {"out.weight", NNRT_WEIGHT, 2, {1, 3}, 3, 128, {1, 0}, NNRT_INIT_UNIFORM, -0.5773502691896258, 0.5773502691896258, 0, {0}},
    {"out.bias", NNRT_WEIGHT, 1, {1}, 1, 192, {0}, NNRT_INIT_UNIFORM, -0.5773502691896258, 0.5773502691896258, 0, {0}},
    {"sgd.momentum_buffer.hidden.weight", NNRT_STATE, 2, {3, 2}, 6, 256, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"sgd.momentum_buffer.hidden.bias", NNRT_STATE, 1, {3}, 3, 320, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"sgd.momentum_buffer.out.weight", NNRT_STATE, 2, {1, 3}, 3, 384, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"sgd.momentum_buffer.out.bias", NNRT_STATE, 1, {1}, 1, 448, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
};

static nnrt_instance *tiny_init_any(void *memory, uint64_t seed)
{
    return (nnrt_instance *)tiny_init(memory, seed);
}

#ifdef NNRT_BUILT_WITH
#define TINY_FLAGS NNRT_BUILT_WITH " (" __VERSION__ ")"
#else
#define TINY_FLAGS NULL
#endif
static const nnrt_model tiny_model = {
    .abi = NNRT_ABI, .name = "tiny", .source = "tiny.yaml", .target = "x86-64-v3", .version = "nncc 0.1.0",
    .digest = "7ee63981500064e52aeca3c96d2e56ff7f72a43d432fc60934e49448a5837bd4", .batch = 4, .size = sizeof(tiny),
    .vars_bytes = 512, .arena_bytes = 832,
    .flops_predict = 94, .flops_train = 148.75,
    .n_inputs = 2, .n_outputs = 1, .n_vars = 8, .n_metrics = 0, .n_sums = 0,
    .inputs = tiny_inputs,
    .outputs = tiny_outputs, .predict = tiny_predict_any,
    .vars = tiny_vars,
    .train = {.epochs = 10, .steps = 0, .seed = 1u, .shuffle = 1, .accumulate = 1, .lr = 0.1,
        .schedule = {.kind = NNRT_SCHEDULE_CONSTANT, .gamma = 0, .to = 0, .every = 0, .warmup = 0,
            .every_in_epochs = 0, .warmup_in_epochs = 0},
        .validation_split = 0, .checkpoint_every = 0, .checkpoint_every_in_epochs = 0,
        .checkpoint_keep = 0, .checkpoint_path = NULL, .stop_monitor = NULL, .stop_patience = 0,
        .stop_min_delta = 0, .stop_mode = 0, .stop_restore_best = 0},
    .train_step = tiny_train_step_any,
    .eval = tiny_eval_any,
    .init = tiny_init_any, .flags = TINY_FLAGS,
};

/* clang-format on */

size_t tiny_size(void)
{
    return sizeof(struct tiny);
}

tiny *tiny_init(void *memory, uint64_t seed)
{
    return (struct tiny *)nnrt_init(&tiny_model, memory, seed);
}

tiny *tiny_new(uint64_t seed)
{
    return (struct tiny *)nnrt_new(&tiny_model, seed);
}

void tiny_free(tiny *m)
{
    nnrt_free((nnrt_instance *)m);
}

tiny *tiny_fork(void *memory, const struct tiny *owner)
{
    return (struct tiny *)nnrt_fork(memory, &owner->head);
}

void tiny_set_lr(tiny *m, float lr)
{
    m->head.lr = (double)lr;
}

void tiny_set_steps(tiny *m, int64_t total)
{
    m->head.total_steps = total;
}

int tiny_save(const tiny *m, const char *path)
{
    return nnrt_save(&m->head, path);
}

int tiny_load(tiny *m, const char *path)
{
    return nnrt_load(&m->head, path);
}

int tiny_load_memory(tiny *m, const void *safetensors, size_t size)
{
    return nnrt_load_memory(&m->head, safetensors, size);
}

int tiny_get(const tiny *m, const char *weight, float *out)
{
    return nnrt_get(&m->head, weight, out);
}

int tiny_set(tiny *m, const char *weight, const float *in)
{
    return nnrt_set(&m->head, weight, in);
}

const char *tiny_error(const tiny *m)
{
    return m->head.error;
}
