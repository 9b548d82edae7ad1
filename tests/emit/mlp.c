/* mlp.c: trains and runs one network, and no other.
 * Made by nncc 0.1.0.  Edit mlp.yaml, then:  nncc mlp.yaml -o mlp.c --target=x86-64-v3
 * For x86-64-v3. Compile with: -O3 -fopenmp -march=x86-64-v3
 *
 * kernels, calls of                  predict  eval train     MFLOP        KB  from the model file
 *   mlp_fc1_pack                           1     1     1         0         5  7 dense: weight packed
 *   mlp_fc1_fwd                            1     1         0.01968     11.38  7 dense, relu
 *   mlp_logits_fwd                         1     1     1   0.00245      1.75  9 dense
 *   mlp_probs_fwd                          1                0.0009       0.5  11 softmax
 *   mlp_accuracy_loss                            1         0.00174    0.4375  12 softmax_cross_entropy, 14 accuracy
 *   mlp_loss_loss                                1     1   1.1e-05     0.125  12 softmax_cross_entropy
 *   mlp_accuracy_metric                          1     1     1e-05     0.125  14 accuracy
 *   mlp_softmax_cross_entropy_loss               1     1         0    0.0625  12 softmax_cross_entropy
 *   mlp_fc1_2_fwd                                      1   0.02064     13.25  7 dense, relu, 8 dropout
 *   mlp_softmax_cross_entropy_2_loss                   1  0.001962    0.6875  12 softmax_cross_entropy, 14 accuracy
 *   mlp_logits_bias_upd                                1  0.000199     0.625  9 adam, dense: update
 *   mlp_fc1_bwd                                        1   0.00288     3.562  9 dense, 8 dropout, 7 relu: gradient
 *   mlp_logits_weight_upd                              1  0.004044     4.188  9 adam, dense: update
 *   mlp_fc1_bias_upd                                   1  0.000636     1.688  7 adam, dense: update
 *   mlp_fc1_weight_upd                                 1   0.03176        25  7 adam, dense: update
 *   all                                    4     7    12
 *
 * variables                               bytes     number
 *   mlp_vars                              13632         12
 *
 * scratch                                 bytes    buffers  the largest (all: nncc --emit=report)
 *   predict                                6336          3  packed 5120, fc1 960, logits 256
 *   eval                                   6336          8  packed 5120, fc1 960, logits 256, softmax_cross_entropy 64
 *   train                                  8000         13  packed 5120, packed_2 1280, dropout 960, dropout_1 960
 */
#include "mlp.h"

#include "nnrt.h"
#include "nnrt_company.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"
#include "nnrt_team.h"

#if NNRT_ABI != 12
#error "mlp.c was made for another nnrt: run nncc again"
#endif
#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 11
#error "mlp.c needs gcc 11 or clang 14, or a later one"
#endif
#ifndef __AVX2__
#error "mlp.c is made for x86-64-v3: compile it with -march=x86-64-v3"
#endif
#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

struct mlp {
    nnrt_instance head;
    _Alignas(64) unsigned char arena[21632]; /* 13632 of variables, then scratch */
};

/* The variables of an instance, kept as the table mlp_vars says. */
struct mlp_vars {
    float fc1_weight[960];
    float fc1_bias[24];
    _Alignas(64) float logits_weight[120];
    _Alignas(64) float logits_bias[5];
    _Alignas(64) float adam_exp_avg_fc1_weight[960];
    float adam_exp_avg_sq_fc1_weight[960];
    float adam_exp_avg_fc1_bias[24];
    _Alignas(64) float adam_exp_avg_sq_fc1_bias[24];
    _Alignas(64) float adam_exp_avg_logits_weight[120];
    _Alignas(64) float adam_exp_avg_sq_logits_weight[120];
    _Alignas(64) float adam_exp_avg_logits_bias[5];
    _Alignas(64) float adam_exp_avg_sq_logits_bias[5];
};
_Static_assert(__builtin_offsetof(struct mlp_vars, adam_exp_avg_sq_logits_bias) == 13568, "layout");

/* panel[inner][16] = `width` columns of a matrix: panel(k, v) = x[k * row + v]; 0 behind them. */
static void mlp_copy_16(int width, int inner, const float *x, ptrdiff_t row, float *panel)
{
    enum { N = 16 };
    if (width == N)
        for (int k = 0; k < inner; k++)
            __builtin_memcpy(panel + (ptrdiff_t)k * N, x + k * row, N * sizeof *x);
    else
        for (int k = 0; k < inner; k++)
            for (int v = 0; v < N; v++)
                panel[(ptrdiff_t)k * N + v] = v < width ? x[k * row + v] : 0.0f;
}

/* line 7 dense: weight packed */
static void mlp_fc1_pack(int n, float *restrict packed, const float *restrict fc1_weight)
{
    (void)n;
    for (int j0 = 0; j0 < 24; j0 += 16) {
        const int width = 24 - j0 < 16 ? 24 - j0 : 16;
        mlp_copy_16(width, 40, fc1_weight + (size_t)j0 * 1, 24, packed + (size_t)j0 * 40);
    }
}

typedef float mlp_tile_5x16_vector __attribute__((vector_size(8 * 4)));

/* tile[5][16] = the first `rows` rows of a times 16 columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static void mlp_tile_5x16(int rows, int inner, const float *a, ptrdiff_t row, ptrdiff_t step,
                          const float *panel, ptrdiff_t stride, float *tile)
{
    enum { M = 5, L = 8, V = 16 / 8 };
    if (rows == M) {
        mlp_tile_5x16_vector acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x16_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * 16 + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        mlp_tile_5x16_vector acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x16_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)16, acc, sizeof acc);
    }
}

typedef float mlp_tile_5x8of16_vector __attribute__((vector_size(8 * 4)));

/* tile[5][16] = the first `rows` rows of a times 8 columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static void mlp_tile_5x8of16(int rows, int inner, const float *a, ptrdiff_t row, ptrdiff_t step,
                             const float *panel, ptrdiff_t stride, float *tile)
{
    enum { M = 5, L = 8, V = 8 / 8 };
    if (rows == M) {
        mlp_tile_5x8of16_vector acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x8of16_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * 16 + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        mlp_tile_5x8of16_vector acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x8of16_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)16, acc, sizeof acc);
    }
}

/* line 7 dense, relu
 * fc1[N, 24] */
static void mlp_fc1_fwd(int n, const float *restrict image, const float *restrict packed,
                        const float *restrict fc1_bias, float *restrict fc1)
{
    const int blocks = (n + 4) / 5;
    for (int t = 0; t < 2 * blocks; t++) {
        const int j0 = t / blocks * 16, i0 = t % blocks * 5;
        const int rows = n - i0 < 5 ? n - i0 : 5;
        const int cols = 24 - j0 < 16 ? 24 - j0 : 16;
        _Alignas(64) float tile[80];
        if (cols <= 8)
            mlp_tile_5x8of16(rows, 40, image + (size_t)i0 * 40, 40, 1, packed + (size_t)j0 * 40, 16,
                             tile);
        else
            mlp_tile_5x16(rows, 40, image + (size_t)i0 * 40, 40, 1, packed + (size_t)j0 * 40, 16,
                          tile);
        for (int u = 0; u < rows; u++)
            for (int v = 0; v < cols; v++) {
                const int i = i0 + u;
                const int j = j0 + v;
                const float t1 = tile[u * 16 + v] + fc1_bias[j];
                fc1[i * 24 + j] = t1 < 0.0f ? 0.0f : t1;
            }
    }
}

/* line 9 dense
 * logits[N, 5] */
static void mlp_logits_fwd(int n, const float *restrict fc1, const float *restrict logits_weight,
                           const float *restrict logits_bias, float *restrict logits)
{
    for (int i = 0; i < n; i++) {
        for (int k0 = 0; k0 < 5; k0 += 5) {
            enum { width = 5 };
            float r1[5];
            for (int v = 0; v < 5; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < 24; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = fc1[i * 24 + j];
                    r1[v] += t2 * logits_weight[j * 5 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                logits[i * 5 + k] = r1[v] + logits_bias[k];
            }
        }
    }
}

/* line 11 softmax
 * probs[N, 5] */
static void mlp_probs_fwd(int n, const float *restrict logits, float *restrict probs)
{
    for (int i = 0; i < n; i++) {
        float c1[5];
        float r2 = -__builtin_inff();
        for (int j = 0; j < 5; j++) {
            const float t3 = logits[i * 5 + j];
            r2 = ((r2 > t3) | (r2 != r2)) ? r2 : t3;
        }
        float r4 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t5 = logits[i * 5 + j];
            const float t6 = nnrt_expf(t5 - r2);
            r4 += t6;
            c1[j] = t6;
        }
        for (int j = 0; j < 5; j++) {
            probs[i * 5 + j] = c1[j] / r4;
        }
    }
}

/* line 12 softmax_cross_entropy, 14 accuracy
 * softmax_cross_entropy[N, 1], accuracy[N, 1] */
static void mlp_accuracy_loss(int n, const int32_t *restrict label, const float *restrict logits,
                              float *restrict accuracy, float *restrict softmax_cross_entropy)
{
    for (int i = 0; i < n; i++) {
        const int t1 = label[i];
        const float t2 = (float)t1;
        float r3 = -__builtin_inff();
        float r4 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t5 = logits[i * 5 + j];
            r3 = ((r3 > t5) | (r3 != r3)) ? r3 : t5;
            const float t6 = t2 == (float)j ? 1.0f : 0.0f;
            r4 += nnrt_select(-(t6 != 0.0f), t5, 0.0f);
        }
        float r7 = 0.0f;
        float r8 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t9 = logits[i * 5 + j];
            const float t10 = t9 - r3;
            r7 += nnrt_expf(t10);
            const float t11 = (float)j < (float)t1 ? 1.0f : 0.0f;
            const float t12 = 1.0f - (t9 <= r4 ? 1.0f : 0.0f);
            r8 += t12 + (t9 == r4 ? 1.0f : 0.0f) * t11;
        }
        accuracy[i] = r8 == 0.0f ? 1.0f : 0.0f;
        const float t13 = nnrt_logf(r7);
        float r14 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t15 = t2 == (float)j ? 1.0f : 0.0f;
            const float t16 = logits[i * 5 + j];
            const float t17 = t16 - r3;
            r14 += nnrt_select(-(t15 != 0.0f), t17 - t13, 0.0f);
        }
        softmax_cross_entropy[i] = -r14;
    }
}

/* line 12 softmax_cross_entropy
 * loss[] */
static void mlp_loss_loss(int n, const float *restrict softmax_cross_entropy, const float s1,
                          float *restrict loss)
{
    float r1[16];
    for (int v = 0; v < 16; v++)
        r1[v] = 0.0f;
    const int w2 = n / 16 * 16;
    for (int i0 = 0; i0 < w2; i0 += 16) {
        for (int v = 0; v < 16; v++) {
            const int i = i0 + v;
            r1[v] += softmax_cross_entropy[i];
        }
    }
    for (int v = 0; v < n - w2; v++) {
        const int i = w2 + v;
        r1[v] += softmax_cross_entropy[i];
    }
    for (int w = 8; w > 0; w /= 2)
        for (int v = 0; v < w; v++)
            r1[v] = r1[v] + r1[v + w];
    loss[0] = r1[0] / s1;
}

/* line 14 accuracy
 * accuracy_2[] */
static void mlp_accuracy_metric(int n, const float *restrict accuracy, float *restrict accuracy_2)
{
    float r1[16];
    for (int v = 0; v < 16; v++)
        r1[v] = 0.0f;
    const int w2 = n / 16 * 16;
    for (int i0 = 0; i0 < w2; i0 += 16) {
        for (int v = 0; v < 16; v++) {
            const int i = i0 + v;
            r1[v] += accuracy[i];
        }
    }
    for (int v = 0; v < n - w2; v++) {
        const int i = w2 + v;
        r1[v] += accuracy[i];
    }
    for (int w = 8; w > 0; w /= 2)
        for (int v = 0; v < w; v++)
            r1[v] = r1[v] + r1[v + w];
    accuracy_2[0] = r1[0];
}

/* line 12 softmax_cross_entropy
 * softmax_cross_entropy_2[] */
static void mlp_softmax_cross_entropy_loss(int n, const float s1,
                                           float *restrict softmax_cross_entropy_2)
{
    (void)n;
    softmax_cross_entropy_2[0] = s1;
}

/* line 7 dense, relu, 8 dropout
 * dropout[N, 24], dropout_1[N, 24], d_fc1[N, 24] */
static void mlp_fc1_2_fwd(int n, const float *restrict image, const float *restrict packed,
                          const nnrt_rand_key key0, const float *restrict fc1_bias,
                          float *restrict dropout, float *restrict dropout_1, float *restrict d_fc1)
{
    const int blocks = (n + 4) / 5;
    for (int t = 0; t < 2 * blocks; t++) {
        const int j0 = t / blocks * 16, i0 = t % blocks * 5;
        const int rows = n - i0 < 5 ? n - i0 : 5;
        const int cols = 24 - j0 < 16 ? 24 - j0 : 16;
        _Alignas(64) float tile[80];
        if (cols <= 8)
            mlp_tile_5x8of16(rows, 40, image + (size_t)i0 * 40, 40, 1, packed + (size_t)j0 * 40, 16,
                             tile);
        else
            mlp_tile_5x16(rows, 40, image + (size_t)i0 * 40, 40, 1, packed + (size_t)j0 * 40, 16,
                          tile);
        for (int u = 0; u < rows; u++)
            for (int v = 0; v < cols; v++) {
                const int i = i0 + u;
                const int j = j0 + v;
                const float t1 = nnrt_rand_uniform(key0, (uint64_t)(i * 24 + j));
                const float t2 = (t1 >= 0.25f ? 1.0f : 0.0f) * 1.3333334f;
                const float t3 = tile[u * 16 + v] + fc1_bias[j];
                const float t4 = t3 < 0.0f ? 0.0f : t3;
                const float t5 = t4 * t2;
                const float t6 = t4 > 0.0f ? 1.0f : 0.0f;
                dropout[i * 24 + j] = t2;
                dropout_1[i * 24 + j] = t5;
                d_fc1[i * 24 + j] = t6;
            }
    }
}

/* line 12 softmax_cross_entropy, 14 accuracy
 * softmax_cross_entropy[N, 1], accuracy[N, 1], d_softmax_cross_entropy[N, 5] */
static void mlp_softmax_cross_entropy_2_loss(int n, const int32_t *restrict label,
                                             const float *restrict logits, const float s1,
                                             float *restrict accuracy,
                                             float *restrict d_softmax_cross_entropy,
                                             float *restrict softmax_cross_entropy)
{
    for (int i = 0; i < n; i++) {
        float c1[5];
        const int t2 = label[i];
        const float t3 = (float)t2;
        float r4 = -__builtin_inff();
        float r5 = 0.0f;
        float r6 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t7 = logits[i * 5 + j];
            r4 = ((r4 > t7) | (r4 != r4)) ? r4 : t7;
            const float t8 = t3 == (float)j ? 1.0f : 0.0f;
            r5 += nnrt_select(-(t8 != 0.0f), t7, 0.0f);
            const float t9 = nnrt_select(-(t8 != 0.0f), s1, 0.0f);
            r6 += t9;
        }
        float r10 = 0.0f;
        float r11 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t12 = logits[i * 5 + j];
            const float t13 = t12 - r4;
            const float t14 = nnrt_expf(t13);
            r10 += t14;
            const float t15 = (float)j < (float)t2 ? 1.0f : 0.0f;
            const float t16 = 1.0f - (t12 <= r5 ? 1.0f : 0.0f);
            r11 += t16 + (t12 == r5 ? 1.0f : 0.0f) * t15;
            c1[j] = t14;
        }
        accuracy[i] = r11 == 0.0f ? 1.0f : 0.0f;
        const float t17 = nnrt_logf(r10);
        const float t18 = (-r6) / r10;
        float r19 = 0.0f;
        for (int j = 0; j < 5; j++) {
            const float t20 = t3 == (float)j ? 1.0f : 0.0f;
            const float t21 = logits[i * 5 + j];
            const float t22 = t21 - r4;
            r19 += nnrt_select(-(t20 != 0.0f), t22 - t17, 0.0f);
            const float t23 = nnrt_select(-(t20 != 0.0f), s1, 0.0f);
            d_softmax_cross_entropy[i * 5 + j] = t23 + t18 * c1[j];
        }
        softmax_cross_entropy[i] = -r19;
    }
}

/* line 9 adam, dense: update
 * logits_bias[5], adam_exp_avg_sq_logits_bias[5], adam_exp_avg_logits_bias[5] */
static void mlp_logits_bias_upd(int n, const float *restrict d_softmax_cross_entropy,
                                float *restrict logits_bias, const float s1,
                                float *restrict adam_exp_avg_logits_bias,
                                float *restrict adam_exp_avg_sq_logits_bias, const float s2)
{
    for (int j0 = 0; j0 < 5; j0 += 5) {
        enum { width = 5 };
        float r1[5];
        for (int v = 0; v < 5; v++)
            r1[v] = 0.0f;
        for (int i = 0; i < n; i++) {
            for (int v = 0; v < width; v++) {
                const int j = j0 + v;
                r1[v] += d_softmax_cross_entropy[i * 5 + j];
            }
        }
        for (int v = 0; v < width; v++) {
            const int j = j0 + v;
            const float t2 = r1[v];
            const float t3 = 0.1f * t2;
            const float t4 = __builtin_fmaf(0.9f, adam_exp_avg_logits_bias[j], t3);
            const float t5 = 0.001f * t2 * t2;
            const float t6 = __builtin_fmaf(0.999f, adam_exp_avg_sq_logits_bias[j], t5);
            const float t7 = nnrt_sqrtf(t6) / s2 + 1e-08f;
            const float t8 = logits_bias[j] - s1 * t4 / t7;
            logits_bias[j] = t8;
            adam_exp_avg_sq_logits_bias[j] = t6;
            adam_exp_avg_logits_bias[j] = t4;
        }
    }
}

/* line 9 dense, 8 dropout, 7 relu: gradient
 * d_fc1_2[N, 24] */
static void mlp_fc1_bwd(int n, const float *restrict d_softmax_cross_entropy,
                        const float *restrict logits_weight, const float *restrict d_fc1,
                        const float *restrict dropout, float *restrict d_fc1_2)
{
    for (int i = 0; i < n; i++) {
        for (int k0 = 0; k0 < 24; k0 += 24) {
            enum { width = 24 };
            float r1[24];
            for (int v = 0; v < 24; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < 5; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = d_softmax_cross_entropy[i * 5 + j];
                    r1[v] += t2 * logits_weight[j + k * 5];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t3 = r1[v] * dropout[i * 24 + k];
                const float t4 = d_fc1[i * 24 + k];
                d_fc1_2[i * 24 + k] = nnrt_select(-(t4 != 0.0f), t3, 0.0f);
            }
        }
    }
}

/* line 9 adam, dense: update
 * logits_weight[24, 5], adam_exp_avg_sq_logits_weight[24, 5], adam_exp_avg_logits_weight[24, 5] */
static void mlp_logits_weight_upd(int n, const float *restrict dropout_1,
                                  const float *restrict d_softmax_cross_entropy,
                                  float *restrict logits_weight, const float s1,
                                  float *restrict adam_exp_avg_logits_weight,
                                  float *restrict adam_exp_avg_sq_logits_weight, const float s2)
{
    for (int i = 0; i < 24; i++) {
        for (int k0 = 0; k0 < 5; k0 += 5) {
            enum { width = 5 };
            float r1[5];
            for (int v = 0; v < 5; v++)
                r1[v] = 0.0f;
            for (int j = 0; j < n; j++) {
                for (int v = 0; v < width; v++) {
                    const int k = k0 + v;
                    const float t2 = dropout_1[i + j * 24];
                    r1[v] += t2 * d_softmax_cross_entropy[j * 5 + k];
                }
            }
            for (int v = 0; v < width; v++) {
                const int k = k0 + v;
                const float t3 = r1[v];
                const float t4 = 0.1f * t3;
                const float t5 = adam_exp_avg_logits_weight[i * 5 + k];
                const float t6 = __builtin_fmaf(0.9f, t5, t4);
                const float t7 = 0.001f * t3 * t3;
                const float t8 = adam_exp_avg_sq_logits_weight[i * 5 + k];
                const float t9 = __builtin_fmaf(0.999f, t8, t7);
                const float t10 = nnrt_sqrtf(t9) / s2 + 1e-08f;
                const float t11 = s1 * t6 / t10;
                const float t12 = logits_weight[i * 5 + k] - t11;
                logits_weight[i * 5 + k] = t12;
                adam_exp_avg_sq_logits_weight[i * 5 + k] = t9;
                adam_exp_avg_logits_weight[i * 5 + k] = t6;
            }
        }
    }
}

/* line 7 adam, dense: update
 * fc1_bias[24], adam_exp_avg_sq_fc1_bias[24], adam_exp_avg_fc1_bias[24] */
static void mlp_fc1_bias_upd(int n, const float *restrict d_fc1_2, float *restrict fc1_bias,
                             const float s1, float *restrict adam_exp_avg_fc1_bias,
                             float *restrict adam_exp_avg_sq_fc1_bias, const float s2)
{
    for (int j0 = 0; j0 < 24; j0 += 24) {
        enum { width = 24 };
        float r1[24];
        for (int v = 0; v < 24; v++)
            r1[v] = 0.0f;
        for (int i = 0; i < n; i++) {
            for (int v = 0; v < width; v++) {
                const int j = j0 + v;
                r1[v] += d_fc1_2[i * 24 + j];
            }
        }
        for (int v = 0; v < width; v++) {
            const int j = j0 + v;
            const float t2 = r1[v];
            const float t3 = 0.1f * t2;
            const float t4 = __builtin_fmaf(0.9f, adam_exp_avg_fc1_bias[j], t3);
            const float t5 = 0.001f * t2 * t2;
            const float t6 = __builtin_fmaf(0.999f, adam_exp_avg_sq_fc1_bias[j], t5);
            const float t7 = nnrt_sqrtf(t6) / s2 + 1e-08f;
            const float t8 = fc1_bias[j] - s1 * t4 / t7;
            fc1_bias[j] = t8;
            adam_exp_avg_sq_fc1_bias[j] = t6;
            adam_exp_avg_fc1_bias[j] = t4;
        }
    }
}

typedef float mlp_tile_5x16_apart_vector __attribute__((vector_size(8 * 4)));

/* tile[5][16] = the first `rows` rows of a times 16 columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static __attribute__((noinline)) void mlp_tile_5x16_apart(int rows, int inner, const float *a,
                                                          ptrdiff_t row, ptrdiff_t step,
                                                          const float *panel, ptrdiff_t stride,
                                                          float *tile)
{
    enum { M = 5, L = 8, V = 16 / 8 };
    if (rows == M) {
        mlp_tile_5x16_apart_vector acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x16_apart_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * 16 + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        mlp_tile_5x16_apart_vector acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x16_apart_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)16, acc, sizeof acc);
    }
}

typedef float mlp_tile_5x8of16_apart_vector __attribute__((vector_size(8 * 4)));

/* tile[5][16] = the first `rows` rows of a times 8 columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static __attribute__((noinline)) void mlp_tile_5x8of16_apart(int rows, int inner, const float *a,
                                                             ptrdiff_t row, ptrdiff_t step,
                                                             const float *panel, ptrdiff_t stride,
                                                             float *tile)
{
    enum { M = 5, L = 8, V = 8 / 8 };
    if (rows == M) {
        mlp_tile_5x8of16_apart_vector acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x8of16_apart_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                const float x = a[i * row + k * step];
#pragma GCC unroll 4
                for (int v = 0; v < V; v++)
                    acc[i][v] += x * b[v];
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                __builtin_memcpy(tile + i * 16 + v * L, &acc[i][v], sizeof acc[i][v]);
        return;
    }
    for (int i = 0; i < rows; i++) {
        mlp_tile_5x8of16_apart_vector acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            mlp_tile_5x8of16_apart_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)16, acc, sizeof acc);
    }
}

/* line 7 adam, dense: update
 * fc1_weight[40, 24], adam_exp_avg_sq_fc1_weight[40, 24], adam_exp_avg_fc1_weight[40, 24] */
static void mlp_fc1_weight_upd(int n, float *restrict packed_2, const float *restrict d_fc1_2,
                               float *restrict fc1_weight,
                               float *restrict adam_exp_avg_sq_fc1_weight,
                               float *restrict adam_exp_avg_fc1_weight, const float *restrict image,
                               const float s1, const float s2)
{
    for (int j0 = 0; j0 < 24; j0 += 16) {
        const int width = 24 - j0 < 16 ? 24 - j0 : 16;
        mlp_copy_16(width, n, d_fc1_2 + (size_t)j0 * 1, 24, packed_2 + (size_t)j0 * n);
    }
    for (int t = 0; t < 16; t++) {
        const int j0 = t / 8 * 16, i0 = t % 8 * 5;
        const int cols = 24 - j0 < 16 ? 24 - j0 : 16;
        _Alignas(64) float tile[80];
        for (int u = 0; u < 5; u++)
            for (int v = 0; v < cols; v += 16) {
                const int i = i0 + u;
                const int j = j0 + v;
                __builtin_prefetch(&fc1_weight[i * 24 + j], 1);
                __builtin_prefetch(&adam_exp_avg_sq_fc1_weight[i * 24 + j], 1);
                __builtin_prefetch(&adam_exp_avg_fc1_weight[i * 24 + j], 1);
            }
        if (cols <= 8)
            mlp_tile_5x8of16_apart(5, n, image + (size_t)i0 * 1, 1, 40, packed_2 + (size_t)j0 * n,
                                   16, tile);
        else
            mlp_tile_5x16_apart(5, n, image + (size_t)i0 * 1, 1, 40, packed_2 + (size_t)j0 * n, 16,
                                tile);
        for (int u = 0; u < 5; u++)
            for (int v = 0; v < cols; v++) {
                const int i = i0 + u;
                const int j = j0 + v;
                const float t1 = 0.1f * tile[u * 16 + v];
                const float t2 = adam_exp_avg_fc1_weight[i * 24 + j];
                const float t3 = __builtin_fmaf(0.9f, t2, t1);
                const float t4 = 0.001f * tile[u * 16 + v] * tile[u * 16 + v];
                const float t5 = adam_exp_avg_sq_fc1_weight[i * 24 + j];
                const float t6 = __builtin_fmaf(0.999f, t5, t4);
                const float t7 = nnrt_sqrtf(t6) / s2 + 1e-08f;
                const float t8 = fc1_weight[i * 24 + j];
                const float t9 = t8 - s1 * t3 / t7;
                fc1_weight[i * 24 + j] = t9;
                adam_exp_avg_sq_fc1_weight[i * 24 + j] = t6;
                adam_exp_avg_fc1_weight[i * 24 + j] = t3;
            }
    }
}

/* Whether a call cannot take n samples; the instance then says why. */
static int mlp_refuses(struct mlp *m, int n)
{
    static const char why[] = "n is not from 1 to 10";
    if (n >= 1 && n <= MLP_BATCH)
        return 0;
    __builtin_memcpy(m->head.error, why, sizeof why);
    return 1;
}

int mlp_predict(mlp *m, int n, const float *image, float *probs)
{
    if (mlp_refuses(m, n))
        return -1;
    const struct mlp_vars *const v = (const struct mlp_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *fc1 = scratch + 1280, *logits = scratch + 1520, *packed = scratch + 0;
    const int stale = nnrt_stale(&m->head);
    if (stale) {
        mlp_fc1_pack(n, packed, v->fc1_weight);
    }
    mlp_fc1_fwd(n, image, packed, v->fc1_bias, fc1);
    mlp_logits_fwd(n, fc1, v->logits_weight, v->logits_bias, logits);
    mlp_probs_fwd(n, logits, probs);
    return 0;
}

float mlp_eval(mlp *m, int n, const float *image, const int32_t *label, double *sums)
{
    if (mlp_refuses(m, n))
        return __builtin_nanf("");
    const struct mlp_vars *const v = (const struct mlp_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *fc1 = scratch + 1280, *logits = scratch + 1520, *softmax_cross_entropy = scratch + 1280;
    float *loss = scratch + 1296, *accuracy = scratch + 1312, *accuracy_2 = scratch + 1280;
    float *softmax_cross_entropy_2 = scratch + 1312, *packed = scratch + 0;
    const double u31 = n;
    mlp_fc1_pack(n, packed, v->fc1_weight);
    mlp_fc1_fwd(n, image, packed, v->fc1_bias, fc1);
    mlp_logits_fwd(n, fc1, v->logits_weight, v->logits_bias, logits);
    mlp_accuracy_loss(n, label, logits, accuracy, softmax_cross_entropy);
    mlp_loss_loss(n, softmax_cross_entropy, (float)u31, loss);
    mlp_accuracy_metric(n, accuracy, accuracy_2);
    mlp_softmax_cross_entropy_loss(n, (float)u31, softmax_cross_entropy_2);
    m->head.kept = 0;
    if (sums) {
        sums[0] += (double)accuracy_2[0];
        sums[1] += (double)softmax_cross_entropy_2[0];
    }
    return loss[0];
}

float mlp_train_step(mlp *m, int n, const float *image, const int32_t *label)
{
    if (mlp_refuses(m, n))
        return __builtin_nanf("");
    struct mlp_vars *const v = (struct mlp_vars *)m->head.vars;
    float *const scratch = (float *)m->head.scratch;
    float *dropout = scratch + 1280, *dropout_1 = scratch + 1520, *logits = scratch + 0;
    float *softmax_cross_entropy = scratch + 128, *loss = scratch + 560, *accuracy = scratch + 144;
    float *accuracy_2 = scratch + 576, *softmax_cross_entropy_2 = scratch + 592;
    float *d_softmax_cross_entropy = scratch + 64, *d_fc1 = scratch + 1760;
    float *d_fc1_2 = scratch + 320, *packed = scratch + 0, *packed_2 = scratch + 0;
    const double u37 = n;
    const double u56 = nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step,
                               m->head.total_steps, m->head.epoch_steps);
    const double u58 = (double)(m->head.step + 1);
    const double u59 = __builtin_pow(0.9, u58);
    const double u60 = 1.0 - u59;
    const double u61 = u56 / u60;
    const double u65 = 1.0 / u37;
    const double u66 = -u65;
    const double u86 = __builtin_pow(0.999, u58);
    const double u87 = 1.0 - u86;
    const double u88 = __builtin_sqrt(u87);
    const nnrt_rand_key key0 = nnrt_rand_key_of(m->head.seed, (uint64_t)m->head.calls, 0u);
    /* clang-format off */
    mlp_fc1_pack(n, packed, v->fc1_weight);
    mlp_fc1_2_fwd(n, image, packed, key0, v->fc1_bias, dropout, dropout_1, d_fc1);
    mlp_logits_fwd(n, dropout_1, v->logits_weight, v->logits_bias, logits);
    mlp_softmax_cross_entropy_2_loss(n, label, logits, (float)u66, accuracy,
        d_softmax_cross_entropy, softmax_cross_entropy);
    mlp_loss_loss(n, softmax_cross_entropy, (float)u37, loss);
    mlp_accuracy_metric(n, accuracy, accuracy_2);
    mlp_softmax_cross_entropy_loss(n, (float)u37, softmax_cross_entropy_2);
    mlp_logits_bias_upd(n, d_softmax_cross_entropy, v->logits_bias, (float)u61,
        v->adam_exp_avg_logits_bias, v->adam_exp_avg_sq_logits_bias, (float)u88);
    mlp_fc1_bwd(n, d_softmax_cross_entropy, v->logits_weight, d_fc1, dropout, d_fc1_2);
    mlp_logits_weight_upd(n, dropout_1, d_softmax_cross_entropy, v->logits_weight, (float)u61,
        v->adam_exp_avg_logits_weight, v->adam_exp_avg_sq_logits_weight, (float)u88);
    mlp_fc1_bias_upd(n, d_fc1_2, v->fc1_bias, (float)u61, v->adam_exp_avg_fc1_bias,
        v->adam_exp_avg_sq_fc1_bias, (float)u88);
    mlp_fc1_weight_upd(n, packed_2, d_fc1_2, v->fc1_weight, v->adam_exp_avg_sq_fc1_weight,
        v->adam_exp_avg_fc1_weight, image, (float)u61, (float)u88);
    /* clang-format on */
    m->head.kept = 0;
    m->head.calls++;
    m->head.step++;
    m->head.changes++;
    if (m->head.metric_sums) {
        m->head.metric_sums[0] += (double)accuracy_2[0];
        m->head.metric_sums[1] += (double)softmax_cross_entropy_2[0];
    }
    return loss[0];
}

static int mlp_predict_any(nnrt_instance *m, int n, const void *const *in, float *const *out)
{
    return mlp_predict((struct mlp *)m, n, in[0], out[0]);
}

static float mlp_train_step_any(nnrt_instance *m, int n, const void *const *in)
{
    return mlp_train_step((struct mlp *)m, n, in[0], in[1]);
}

static float mlp_eval_any(nnrt_instance *m, int n, const void *const *in, double *sums)
{
    return mlp_eval((struct mlp *)m, n, in[0], in[1], sums);
}

/* clang-format off */
static const nnrt_value mlp_inputs[] = {
    {.name = "image", .dtype = NNRT_F32, .rank = 1, .dim = {40}, .count = 40, .in_predict = 1, .outputs = 0x1u},
    {.name = "label", .dtype = NNRT_I32, .rank = 0, .dim = {0}, .count = 1, .classes = 5, .in_predict = 0, .outputs = 0x0u},
};
static const nnrt_value mlp_outputs[] = {
    {.name = "probs", .dtype = NNRT_F32, .rank = 1, .dim = {5}, .count = 5},
};
/* Name, kind, rank, shape as saved, count, offset, order kept in, first value (what, a, b), view. */
static const nnrt_var mlp_vars[] = {
    {"fc1.weight", NNRT_WEIGHT, 2, {24, 40}, 960, 0, {1, 0}, NNRT_INIT_UNIFORM, -0.15811388300841897, 0.15811388300841897, 0, {0}},
    {"fc1.bias", NNRT_WEIGHT, 1, {24}, 24, 3840, {0}, NNRT_INIT_UNIFORM, -0.15811388300841897, 0.15811388300841897, 0, {0}},
    {"logits.weight", NNRT_WEIGHT, 2, {5, 24}, 120, 3968, {1, 0}, NNRT_INIT_UNIFORM, -0.20412414523193154, 0.20412414523193154, 0, {0}},
    {"logits.bias", NNRT_WEIGHT, 1, {5}, 5, 4480, {0}, NNRT_INIT_UNIFORM, -0.20412414523193154, 0.20412414523193154, 0, {0}},
    {"adam.exp_avg.fc1.weight", NNRT_STATE, 2, {24, 40}, 960, 4544, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg_sq.fc1.weight", NNRT_STATE, 2, {24, 40}, 960, 8384, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg.fc1.bias", NNRT_STATE, 1, {24}, 24, 12224, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg_sq.fc1.bias", NNRT_STATE, 1, {24}, 24, 12352, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg.logits.weight", NNRT_STATE, 2, {5, 24}, 120, 12480, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg_sq.logits.weight", NNRT_STATE, 2, {5, 24}, 120, 12992, {1, 0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg.logits.bias", NNRT_STATE, 1, {5}, 5, 13504, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
    {"adam.exp_avg_sq.logits.bias", NNRT_STATE, 1, {5}, 5, 13568, {0}, NNRT_INIT_CONSTANT, 0, 0, 0, {0}},
};
static const nnrt_metric mlp_metrics[] = {
    {.name = "accuracy", .finish = NNRT_METRIC_MEAN, .n_sums = 2, .larger = 1},
};

static nnrt_instance *mlp_init_any(void *memory, uint64_t seed)
{
    return (nnrt_instance *)mlp_init(memory, seed);
}

#ifdef NNRT_BUILT_WITH
#define MLP_FLAGS NNRT_BUILT_WITH " (" __VERSION__ ")"
#else
#define MLP_FLAGS NULL
#endif
static const nnrt_model mlp_model = {
    .abi = NNRT_ABI, .name = "mlp", .source = "mlp.yaml", .target = "x86-64-v3", .version = "nncc 0.1.0",
    .digest = "a6b469d340b134d6829cbb1e5db37905c7bcf81e41f03057fd9a2e11c1cd6478", .batch = 10, .size = sizeof(mlp),
    .vars_bytes = 13632, .arena_bytes = 21632,
    .flops_predict = 2303, .flops_train = 6459.6,
    .n_inputs = 2, .n_outputs = 1, .n_vars = 12, .n_metrics = 1, .n_sums = 2,
    .inputs = mlp_inputs,
    .outputs = mlp_outputs, .predict = mlp_predict_any,
    .vars = mlp_vars,
    .metrics = mlp_metrics,
    .train = {.epochs = 2, .steps = 0, .seed = 3u, .shuffle = 1, .accumulate = 1, .lr = 0.01,
        .schedule = {.kind = NNRT_SCHEDULE_CONSTANT, .gamma = 0, .to = 0, .every = 0, .warmup = 0,
            .every_in_epochs = 0, .warmup_in_epochs = 0},
        .validation_split = 0, .checkpoint_every = 0, .checkpoint_every_in_epochs = 0,
        .checkpoint_keep = 0, .checkpoint_path = NULL, .stop_monitor = NULL, .stop_patience = 0,
        .stop_min_delta = 0, .stop_mode = 0, .stop_restore_best = 0},
    .train_step = mlp_train_step_any,
    .eval = mlp_eval_any,
    .init = mlp_init_any, .flags = MLP_FLAGS,
};

/* clang-format on */

size_t mlp_size(void)
{
    return sizeof(struct mlp);
}

mlp *mlp_init(void *memory, uint64_t seed)
{
    return (struct mlp *)nnrt_init(&mlp_model, memory, seed);
}

mlp *mlp_new(uint64_t seed)
{
    return (struct mlp *)nnrt_new(&mlp_model, seed);
}

void mlp_free(mlp *m)
{
    nnrt_free((nnrt_instance *)m);
}

mlp *mlp_fork(void *memory, const struct mlp *owner)
{
    return (struct mlp *)nnrt_fork(memory, &owner->head);
}

void mlp_set_lr(mlp *m, float lr)
{
    m->head.lr = (double)lr;
}

void mlp_set_steps(mlp *m, int64_t total)
{
    m->head.total_steps = total;
}

int mlp_save(const mlp *m, const char *path)
{
    return nnrt_save(&m->head, path);
}

int mlp_load(mlp *m, const char *path)
{
    return nnrt_load(&m->head, path);
}

int mlp_load_memory(mlp *m, const void *safetensors, size_t size)
{
    return nnrt_load_memory(&m->head, safetensors, size);
}

int mlp_get(const mlp *m, const char *weight, float *out)
{
    return nnrt_get(&m->head, weight, out);
}

int mlp_set(mlp *m, const char *weight, const float *in)
{
    return nnrt_set(&m->head, weight, in);
}

const char *mlp_error(const mlp *m)
{
    return m->head.error;
}
