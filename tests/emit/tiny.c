/* tiny.c: trains and runs one network, and no other.
 * Made by nncc 0.1.0.  Edit tiny.yaml, then:  nncc tiny.yaml -o tiny.c --target=x86-64-v3
 * For x86-64-v3. Compile with: -O3 -fopenmp -march=x86-64-v3
 *
 * kernels, calls of        predict  eval train     MFLOP        KB  from the model file
 *   tiny_hidden_fwd              1     1         0.00036    0.3125  7 dense, tanh, 8 dense
 *   tiny_out_fwd                 1               1.6e-05    0.1875  8 dense
 *   tiny_out_2_fwd                     1         2.4e-05      0.25  8 dense, 11 mse
 *   tiny_loss_loss                     1     1     5e-06     0.125  11 mse
 *   tiny_hidden_2_fwd                        1  0.000384    0.4375  7 dense, tanh, 8 dense
 *   tiny_hidden_bwd                          1   7.8e-05     0.625  8 dense, 11 mse, 7 tanh: gradient
 *   tiny_out_bias_upd                        1     8e-06    0.3125  8 sgd, dense: update
 *   tiny_out_weight_upd                      2   2.4e-05    0.3125  8 dense, sgd: update
 *   tiny_hidden_weight_upd                   1   7.2e-05     0.375  7 sgd, dense: update
 *   all                          2     3     7
 *
 * variables                               bytes         at  saved
 *   hidden.weight                            24          0  [3, 2], kept [2, 3]
 *   hidden.bias                              12         64  [3]
 *   out.weight                               12        128  [1, 3], kept [3, 1]
 *   out.bias                                  4        192  [1]
 *   sgd.momentum_buffer.hidden.weight         24        256  [3, 2], kept [2, 3]
 *   sgd.momentum_buffer.hidden.bias          12        320  [3]
 *   sgd.momentum_buffer.out.weight           12        384  [1, 3], kept [3, 1]
 *   sgd.momentum_buffer.out.bias              4        448  [1]
 *
 * scratch                                 bytes    buffers  the largest (all: nncc --emit=report)
 *   predict                                  64          1  dense 64
 *   eval                                    128          3  dense 64, mse 64, loss 64
 *   train                                   320          6  hidden 64, dense 64, mse 64, loss 64
 */
#include "tiny.h"

#include "nnrt.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"

#if NNRT_ABI != 3
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

/* dense[N, 3, 1]
 * tiny.yaml:7 dense, tanh, 8 dense
 * 0.00036 MFLOP, 0.3125 KB */
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
                    r1[v] += x[i * 2 + j] * hidden_weight[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                dense[i * 3 + k] = nnrt_tanhf(r1[v] + hidden_bias[k]) * out_weight[k];
            }
        }
    }
}

/* out[N, 1]
 * tiny.yaml:8 dense
 * 1.6e-05 MFLOP, 0.1875 KB */
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

/* mse[N, 1]
 * tiny.yaml:8 dense, 11 mse
 * 2.4e-05 MFLOP, 0.25 KB */
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

/* loss[]
 * tiny.yaml:11 mse
 * 5e-06 MFLOP, 0.125 KB */
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

/* hidden[N, 3], dense[N, 3, 1], d_hidden[N, 3]
 * tiny.yaml:7 dense, tanh, 8 dense
 * 0.000384 MFLOP, 0.4375 KB */
static void tiny_hidden_2_fwd(int n, const float *restrict x, const float *restrict hidden_weight,
                              const float *restrict hidden_bias, const float *restrict out_weight,
                              float *restrict hidden, float *restrict dense,
                              float *restrict d_hidden)
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
                    r1[v] += x[i * 2 + j] * hidden_weight[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t2 = nnrt_tanhf(r1[v] + hidden_bias[k]);
                const float t3 = t2 * out_weight[k];
                const float t4 = 1.0f - t2 * t2;
                hidden[i * 3 + k] = t2;
                dense[i * 3 + k] = t3;
                d_hidden[i * 3 + k] = t4;
            }
        }
    }
}

/* mse[N, 1], d_mse[N, 1], d_dense[N, 3, 1], d_hidden_2[N, 3]
 * tiny.yaml:8 dense, 11 mse, 7 tanh: gradient
 * 7.8e-05 MFLOP, 0.625 KB */
static void tiny_hidden_bwd(int n, float *restrict dense, const float *restrict out_bias,
                            const float *restrict y, const float s1, float *restrict mse,
                            float *restrict d_mse, float *restrict hidden,
                            const float *restrict out_weight, const float *restrict d_hidden)
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
            const float t5 = hidden[i * 3 + j] * t4;
            const float t6 = t4 * out_weight[j] * d_hidden[i * 3 + j];
            dense[i * 3 + j] = t5;
            hidden[i * 3 + j] = t6;
        }
    }
}

/* out_bias[1], sgd_momentum_buffer_out_bias[1]
 * tiny.yaml:8 sgd, dense: update
 * 8e-06 MFLOP, 0.3125 KB */
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

/* The next function serves as well: hidden.bias */
/* out_weight[3, 1], sgd_momentum_buffer_out_weight[3, 1]
 * tiny.yaml:8 dense, sgd: update
 * 2.4e-05 MFLOP, 0.3125 KB */
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

/* hidden_weight[2, 3], sgd_momentum_buffer_hidden_weight[2, 3]
 * tiny.yaml:7 sgd, dense: update
 * 7.2e-05 MFLOP, 0.375 KB */
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
                    r1[v] += x[i + j * 2] * hidden[j * 3 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t2 = 0.9f * sgd_momentum_buffer_hidden_weight[i * 3 + k];
                const float t3 = t2 + r1[v];
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
    const float *const vars = (const float *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    const float *const hidden_weight = vars + 0;
    const float *const hidden_bias = vars + 16;
    const float *const out_weight = vars + 32;
    const float *const out_bias = vars + 48;
    float *const dense = scratch + 0;
    tiny_hidden_fwd(n, x, hidden_weight, hidden_bias, out_weight, dense);
    tiny_out_fwd(n, dense, out_bias, out);
    return 0;
}

float tiny_eval(tiny *m, int n, const float *x, const float *y, double *sums)
{
    if (tiny_refuses(m, n))
        return __builtin_nanf("");
    const float *const vars = (const float *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    const float *const hidden_weight = vars + 0;
    const float *const hidden_bias = vars + 16;
    const float *const out_weight = vars + 32;
    const float *const out_bias = vars + 48;
    float *const dense = scratch + 0;
    float *const mse = scratch + 16;
    float *const loss = scratch + 0;
    const double u22 = n;
    tiny_hidden_fwd(n, x, hidden_weight, hidden_bias, out_weight, dense);
    tiny_out_2_fwd(n, dense, out_bias, y, mse);
    tiny_loss_loss(n, mse, (float)u22, loss);
    (void)sums;
    return loss[0];
}

float tiny_train_step(tiny *m, int n, const float *x, const float *y)
{
    if (tiny_refuses(m, n))
        return __builtin_nanf("");
    float *const vars = (float *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *const hidden_weight = vars + 0;
    float *const hidden_bias = vars + 16;
    float *const out_weight = vars + 32;
    float *const out_bias = vars + 48;
    float *const sgd_momentum_buffer_out_bias = vars + 112;
    float *const sgd_momentum_buffer_out_weight = vars + 96;
    float *const sgd_momentum_buffer_hidden_bias = vars + 80;
    float *const sgd_momentum_buffer_hidden_weight = vars + 64;
    float *const hidden = scratch + 0;
    float *const dense = scratch + 16;
    float *const mse = scratch + 32;
    float *const loss = scratch + 48;
    float *const d_mse = scratch + 64;
    float *const d_hidden = scratch + 48;
    const double u22 = n;
    const double u25 = nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step,
                               m->head.total_steps, m->head.epoch_steps);
    const double u30 = 1.0 / u22;
    const double u32 = u30 * 2.0;
    /* clang-format off */
    tiny_hidden_2_fwd(n, x, hidden_weight, hidden_bias, out_weight, hidden, dense, d_hidden);
    tiny_hidden_bwd(n, dense, out_bias, y, (float)u32, mse, d_mse, hidden, out_weight, d_hidden);
    tiny_loss_loss(n, mse, (float)u22, loss);
    tiny_out_bias_upd(n, d_mse, out_bias, (float)u25, sgd_momentum_buffer_out_bias);
    tiny_out_weight_upd(n, dense, out_weight, (float)u25, sgd_momentum_buffer_out_weight);
    tiny_out_weight_upd(n, hidden, hidden_bias, (float)u25, sgd_momentum_buffer_hidden_bias);
    tiny_hidden_weight_upd(n, x, hidden, hidden_weight, (float)u25,
        sgd_momentum_buffer_hidden_weight);
    /* clang-format on */
    m->head.calls++;
    m->head.step++;
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
static const nnrt_var tiny_vars[] = {
    {.name = "hidden.weight", .kind = NNRT_WEIGHT, .rank = 2, .dim = {3, 2}, .count = 6,
     .offset = 0, .perm = {1, 0}, .init = NNRT_INIT_UNIFORM, .a = -0.7071067811865475, .b = 0.7071067811865475},
    {.name = "hidden.bias", .kind = NNRT_WEIGHT, .rank = 1, .dim = {3}, .count = 3,
     .offset = 64, .perm = {0}, .init = NNRT_INIT_UNIFORM, .a = -0.7071067811865475, .b = 0.7071067811865475},
    {.name = "out.weight", .kind = NNRT_WEIGHT, .rank = 2, .dim = {1, 3}, .count = 3,
     .offset = 128, .perm = {1, 0}, .init = NNRT_INIT_UNIFORM, .a = -0.5773502691896258, .b = 0.5773502691896258},
    {.name = "out.bias", .kind = NNRT_WEIGHT, .rank = 1, .dim = {1}, .count = 1,
     .offset = 192, .perm = {0}, .init = NNRT_INIT_UNIFORM, .a = -0.5773502691896258, .b = 0.5773502691896258},
    {.name = "sgd.momentum_buffer.hidden.weight", .kind = NNRT_STATE, .rank = 2, .dim = {3, 2}, .count = 6,
     .offset = 256, .perm = {1, 0}, .init = NNRT_INIT_CONSTANT, .a = 0, .b = 0},
    {.name = "sgd.momentum_buffer.hidden.bias", .kind = NNRT_STATE, .rank = 1, .dim = {3}, .count = 3,
     .offset = 320, .perm = {0}, .init = NNRT_INIT_CONSTANT, .a = 0, .b = 0},
    {.name = "sgd.momentum_buffer.out.weight", .kind = NNRT_STATE, .rank = 2, .dim = {1, 3}, .count = 3,
     .offset = 384, .perm = {1, 0}, .init = NNRT_INIT_CONSTANT, .a = 0, .b = 0},
    {.name = "sgd.momentum_buffer.out.bias", .kind = NNRT_STATE, .rank = 1, .dim = {1}, .count = 1,
     .offset = 448, .perm = {0}, .init = NNRT_INIT_CONSTANT, .a = 0, .b = 0},
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
