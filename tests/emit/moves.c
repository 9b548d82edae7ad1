/* moves.c: trains and runs one network, and no other.
 * Made by nncc 0.1.0.  Edit moves.yaml, then:  nncc moves.yaml -o moves.c --target=x86-64-v3
 * For x86-64-v3. Compile with: -O3 -fopenmp -march=x86-64-v3
 *
 * kernels, calls of  predict     MFLOP        KB  from the model file
 *   moves_matmul_fwd       1   0.03686        24  6 permute, 7 matmul
 *   moves_scores_fwd       1   0.08294        36  7 softmax
 *   moves_padded_fwd       1  0.001536      28.5  8 index, mul, 9 pad
 *   all                    3
 *
 * scratch                                 bytes    buffers  the largest (all: nncc --emit=report)
 *   predict                               18688          2  matmul 18432, packed 256
 */
#include "moves.h"

#include "nnrt.h"
#include "nnrt_company.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"
#include "nnrt_team.h"

#if NNRT_ABI != 12
#error "moves.c was made for another nnrt: run nncc again"
#endif
#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 11
#error "moves.c needs gcc 11 or clang 14, or a later one"
#endif
#ifndef __AVX2__
#error "moves.c is made for x86-64-v3: compile it with -march=x86-64-v3"
#endif
#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

struct moves {
    nnrt_instance head;
    _Alignas(64) unsigned char arena[18688]; /* 0 of variables, then scratch */
};

typedef float moves_turn_16_vector __attribute__((vector_size(8 * 4)));

/* panel[inner][16] = `width` rows of a matrix, turned: panel(k, v) = x[v * row + k]; 0 behind them.
 * Squares of vectors are turned in registers: the first half of the rows is interleaved with the
 * second until each vector is a column. */
static void moves_turn_16(int width, int inner, const float *x, ptrdiff_t row, float *panel)
{
    enum { N = 16, L = 8 };
    int high = 0, wide = 0; /* what is done of k and of v */
#if defined(__clang__) || __GNUC__ >= 12
    high = inner / L * L;
    wide = width / L * L;
    for (int v = 0; v < wide; v += L)
        for (int k = 0; k < high; k += L) {
            moves_turn_16_vector a[L], b[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; i++)
                __builtin_memcpy(&a[i], x + (v + i) * row + k, sizeof a[i]);
#pragma GCC unroll 4
            for (int done = 1; done < L; done *= 2) {
#pragma GCC unroll 8
                for (int i = 0; i < L / 2; i++) {
                    /* clang-format off */
                    b[2 * i] = __builtin_shufflevector(a[i], a[i + L / 2],
                        0, 8, 1, 9, 2, 10, 3, 11);
                    b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + L / 2],
                        4, 12, 5, 13, 6, 14, 7, 15);
                    /* clang-format on */
                }
#pragma GCC unroll 16
                for (int i = 0; i < L; i++)
                    a[i] = b[i];
            }
#pragma GCC unroll 16
            for (int i = 0; i < L; i++)
                __builtin_memcpy(panel + (ptrdiff_t)(k + i) * N + v, &a[i], sizeof a[i]);
        }
#endif
    for (int v = 0; v < N; v++)
        for (int k = v < wide ? high : 0; k < inner; k++)
            panel[(ptrdiff_t)k * N + v] = v < width ? x[v * row + k] : 0.0f;
}

typedef float moves_tile_6x16_vector __attribute__((vector_size(8 * 4)));

/* tile[6][16] = the first `rows` rows of a times 16 columns of a panel;
 * a(i, k) = a[i * row + k * step], panel(k, j) = panel[k * stride + j]. */
static void moves_tile_6x16(int rows, int inner, const float *a, ptrdiff_t row, ptrdiff_t step,
                            const float *panel, ptrdiff_t stride, float *tile)
{
    enum { M = 6, L = 8, V = 16 / 8 };
    if (rows == M) {
        moves_tile_6x16_vector acc[M][V] = {{{0}}};
        for (int k = 0; k < inner; k++) {
            moves_tile_6x16_vector b[V];
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
        moves_tile_6x16_vector acc[V] = {{0}};
        for (int k = 0; k < inner; k++) {
            moves_tile_6x16_vector b[V];
            __builtin_memcpy(b, panel + k * stride, sizeof b);
            const float x = a[i * row + k * step];
#pragma GCC unroll 4
            for (int v = 0; v < V; v++)
                acc[v] += x * b[v];
        }
        __builtin_memcpy(tile + i * (ptrdiff_t)16, acc, sizeof acc);
    }
}

/* line 6 permute, 7 matmul
 * matmul[N, 12, 12] */
static void moves_matmul_fwd(int n, float *restrict packed, const float *restrict x,
                             float *restrict matmul)
{
    for (int l0 = 0; l0 < n; l0++) {
        for (int j0 = 0; j0 < 12; j0 += 16) {
            const int width = 12 - j0 < 16 ? 12 - j0 : 16;
            moves_turn_16(width, 4, x + l0 * 48 + (size_t)j0 * 4, 4, packed + (size_t)j0 * 4);
        }
        for (int t = 0; t < 2; t++) {
            const int j0 = t / 2 * 16, i0 = t % 2 * 6;
            const int cols = 12 - j0 < 16 ? 12 - j0 : 16;
            _Alignas(64) float tile[96];
            moves_tile_6x16(6, 4, x + l0 * 48 + (size_t)i0 * 4, 4, 1, packed + (size_t)j0 * 4, 16,
                            tile);
            for (int u = 0; u < 6; u++)
                for (int v = 0; v < cols; v++) {
                    const int i = i0 + u;
                    const int j = j0 + v;
                    matmul[l0 * 144 + i * 12 + j] = tile[u * 16 + v];
                }
        }
    }
}

/* line 7 softmax
 * scores[N, 12, 12] */
static __attribute__((noinline)) void moves_scores_fwd(int n, float *restrict matmul)
{
#pragma omp for collapse(2) schedule(static) nowait
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < 12; j++) {
            float c1[12];
            float r2[12];
            for (int v = 0; v < 12; v++)
                r2[v] = -__builtin_inff();
            for (int k = 0; k < 12; k++) {
                const float t3 = matmul[i * 144 + j * 12 + k];
                r2[k] = ((r2[k] > t3) | (r2[k] != r2[k])) ? r2[k] : t3;
            }
            for (int v = 0, w = 8; v < 4; v++)
                r2[v] = ((r2[v] > r2[v + w]) | (r2[v] != r2[v])) ? r2[v] : r2[v + w];
            for (int w = 4; w > 0; w /= 2)
                for (int v = 0; v < w; v++)
                    r2[v] = ((r2[v] > r2[v + w]) | (r2[v] != r2[v])) ? r2[v] : r2[v + w];
            float r4[12];
            for (int v = 0; v < 12; v++)
                r4[v] = 0.0f;
            for (int k = 0; k < 12; k++) {
                const float t5 = matmul[i * 144 + j * 12 + k];
                const float t6 = nnrt_expf(t5 - r2[0]);
                r4[k] += t6;
                c1[k] = t6;
            }
            for (int v = 0, w = 8; v < 4; v++)
                r4[v] = r4[v] + r4[v + w];
            for (int w = 4; w > 0; w /= 2)
                for (int v = 0; v < w; v++)
                    r4[v] = r4[v] + r4[v + w];
            for (int k = 0; k < 12; k++) {
                matmul[i * 144 + j * 12 + k] = c1[k] / r4[0];
            }
        }
    }
}

/* line 8 index, mul, 9 pad
 * y[N, 7, 12] */
static void moves_padded_fwd(int n, const float *restrict matmul, float *restrict y)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < 7; j++) {
            for (int k = 0; k < 12; k++) {
                float t1 = 1.0f;
                if (j - 1 >= 0 && j - 1 < 4) {
                    t1 = matmul[i * 144 + j * 24 + k - 12] * 0.5f;
                }
                y[i * 84 + j * 12 + k] = t1;
            }
        }
    }
}

/* Whether a call cannot take n samples; the instance then says why. */
static int moves_refuses(struct moves *m, int n)
{
    static const char why[] = "n is not from 1 to 32";
    if (n >= 1 && n <= MOVES_BATCH)
        return 0;
    __builtin_memcpy(m->head.error, why, sizeof why);
    return 1;
}

int moves_predict(moves *m, int n, const float *x, float *y)
{
    if (moves_refuses(m, n))
        return -1;
    float *const scratch = (float *)m->head.scratch;
    float *matmul = scratch + 0, *packed = scratch + 4608;
    nnrt_team team = {0};
#pragma omp parallel num_threads(n < 21 ? 1 : nnrt_members(&m->head.company, n, 0))
    {
#pragma omp master
        moves_matmul_fwd(n, packed, x, matmul);
        nnrt_wait(&team);
        moves_scores_fwd(n, matmul);
        nnrt_wait(&team);
#pragma omp master
        moves_padded_fwd(n, matmul, y);
        nnrt_wait(&team);
    }
    if (n >= 21)
        nnrt_called(&m->head.company, &team, n, 0);
    return 0;
}

static int moves_predict_any(nnrt_instance *m, int n, const void *const *in, float *const *out)
{
    return moves_predict((struct moves *)m, n, in[0], out[0]);
}

/* clang-format off */
static const nnrt_value moves_inputs[] = {
    {.name = "x", .dtype = NNRT_F32, .rank = 2, .dim = {12, 4}, .count = 48, .in_predict = 1, .outputs = 0x1u},
};
static const nnrt_value moves_outputs[] = {
    {.name = "y", .dtype = NNRT_F32, .rank = 2, .dim = {7, 12}, .count = 84},
};

static nnrt_instance *moves_init_any(void *memory, uint64_t seed)
{
    return (nnrt_instance *)moves_init(memory, seed);
}

#ifdef NNRT_BUILT_WITH
#define MOVES_FLAGS NNRT_BUILT_WITH " (" __VERSION__ ")"
#else
#define MOVES_FLAGS NULL
#endif
static const nnrt_model moves_model = {
    .abi = NNRT_ABI, .name = "moves", .source = "moves.yaml", .target = "x86-64-v3", .version = "nncc 0.1.0",
    .digest = "634ee486a3e3670184e35d926d0cbe7ee13c371e33a5f9b441b73b8d470a76be", .batch = 32, .size = sizeof(moves),
    .vars_bytes = 0, .arena_bytes = 18688,
    .flops_predict = 3792, .flops_train = 0,
    .n_inputs = 1, .n_outputs = 1, .n_vars = 0, .n_metrics = 0, .n_sums = 0,
    .inputs = moves_inputs,
    .outputs = moves_outputs, .predict = moves_predict_any,
    .train = {.epochs = 0, .steps = 0, .seed = 1u, .shuffle = 1, .accumulate = 1, .lr = 0,
        .schedule = {.kind = NNRT_SCHEDULE_CONSTANT, .gamma = 0, .to = 0, .every = 0, .warmup = 0,
            .every_in_epochs = 0, .warmup_in_epochs = 0},
        .validation_split = 0, .checkpoint_every = 0, .checkpoint_every_in_epochs = 0,
        .checkpoint_keep = 0, .checkpoint_path = NULL, .stop_monitor = NULL, .stop_patience = 0,
        .stop_min_delta = 0, .stop_mode = 0, .stop_restore_best = 0},
    .init = moves_init_any, .flags = MOVES_FLAGS,
};

/* clang-format on */

size_t moves_size(void)
{
    return sizeof(struct moves);
}

moves *moves_init(void *memory, uint64_t seed)
{
    return (struct moves *)nnrt_init(&moves_model, memory, seed);
}

moves *moves_new(uint64_t seed)
{
    return (struct moves *)nnrt_new(&moves_model, seed);
}

void moves_free(moves *m)
{
    nnrt_free((nnrt_instance *)m);
}

moves *moves_fork(void *memory, const struct moves *owner)
{
    return (struct moves *)nnrt_fork(memory, &owner->head);
}

int moves_save(const moves *m, const char *path)
{
    return nnrt_save(&m->head, path);
}

int moves_load(moves *m, const char *path)
{
    return nnrt_load(&m->head, path);
}

int moves_load_memory(moves *m, const void *safetensors, size_t size)
{
    return nnrt_load_memory(&m->head, safetensors, size);
}

int moves_get(const moves *m, const char *weight, float *out)
{
    return nnrt_get(&m->head, weight, out);
}

int moves_set(moves *m, const char *weight, const float *in)
{
    return nnrt_set(&m->head, weight, in);
}

const char *moves_error(const moves *m)
{
    return m->head.error;
}
