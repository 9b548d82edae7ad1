/* SPDX-License-Identifier: MIT */
/* measure.c: one product's kernel, planned in several ways, in one C program that times them in turns.
 *
 * The kernel is the model's own, with its load and store expressions; what it reads is made up. Each
 * plan's text is made by a program of that kernel alone, whose name tells it from the others. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../codegen/codegen.h"
#include "../codegen/template.h"
#include "../passes/lower.h"
#include "tune.h"

enum { CANDIDATES_MAX = 16, BUFFERS_MAX = 64 };

typedef struct BenchText {
    Arena *arena;
    Str kernels, calls, table;
    Map by_text; /* texts that there are */
    int n;       /* candidates */
    int n_buffers;
    const Buffer *buffers[BUFFERS_MAX];
    int64_t workspace; /* bytes, of any candidate */
} BenchText;

static const Buffer *root_of(const Buffer *b)
{
    while (b->over)
        b = b->over;
    return b;
}

Choosing subject_plan(const Subject *s, const Choices *choices)
{
    Lowered *low = s->k->lowered, before = *low;
    Choices here = *choices;
    map_set(&s->table->by_key, s->key, &here);
    product_plan(s->g, s->k);
    Choosing c = s->k->kind == KERNEL_matmul ? low->plan.choosing : low->conv.choosing;
    c.given = NULL;
    *low = before;
    s->table->by_key = map_new(s->table->by_key.arena);
    return c;
}

/* The kernel's text in a program called `name`, as its plan is. Fills k->name and k->args. */
static const char *kernel_text(const Subject *s, Ctx *ctx, const char *name)
{
    Program p = *s->g->program;
    Graph g = *s->g;
    Plan plan = *s->g->plan;
    Kernel *k = s->k;
    memset(p.fn, 0, sizeof p.fn);
    p.ctx = ctx;
    p.name = name;
    p.fn[g.fn] = &g;
    g.program = &p;
    g.plan = &plan;
    g.kernels.at = &k;
    g.kernels.n = g.kernels.cap = 1;
    memset(&k->args, 0, sizeof k->args);
    k->same = NULL;
    k->family = NULL;
    k->serves = NULL;
    kernels_text(&p);
    return k->text;
}

/* What stands for a buffer in the program's list. Workspaces of all candidates are one. */
static int buffer_at(BenchText *b, const Kernel *k, const Buffer *buffer)
{
    const Buffer *root = root_of(buffer);
    if (root == k->workspace)
        return 0;
    for (int i = 1; i < b->n_buffers; i++)
        if (b->buffers[i] == root)
            return i;
    if (b->n_buffers == BUFFERS_MAX)
        return -1;
    b->buffers[b->n_buffers] = root;
    return b->n_buffers++;
}

/* A function that calls candidate i; false: more buffers than there is room for. */
static bool add_call(BenchText *b, const Kernel *k)
{
    static const char *const types[] = {"float", "int32_t", "uint8_t"};
    Str line = str_new(b->arena);
    for (int a = 0; a < k->args.n; a++) {
        const KernelArg *arg = &k->args.at[a];
        int at = arg->kind == KARG_buffer ? buffer_at(b, k, arg->buffer) : 0;
        if (at < 0)
            return false;
        if (arg->kind == KARG_buffer)
            str_add(&line, ", (%s *)buffers[%d]", types[arg->buffer->dtype], at);
        else
            str_add(&line, arg->kind == KARG_key ? ", nnrt_rand_key_of(1, 2, 3)" : ", 0.01f");
    }
    str_add(&b->calls,
            "static void run%d(int n, void *const *buffers)\n{\n    (void)buffers;\n    "
            "%s(n%s);\n}\n",
            b->n, k->name, line.at);
    str_add(&b->table, "    {run%d, %d},\n", b->n, k->shared);
    return true;
}

/* Adds the kernel as it is planned with these choices; false: not legal, nothing new, or too large. */
static bool add_candidate(BenchText *b, const Subject *s, const Choices *choices)
{
    Choices here = *choices;
    Kernel *k = s->k;
    Lowered *low = k->lowered;
    map_set(&s->table->by_key, s->key, &here);
    int64_t floats = product_plan(s->g, k);
    const Choosing *c = k->kind == KERNEL_matmul ? &low->plan.choosing : &low->conv.choosing;
    if (c->refused || floats > INT32_MAX)
        return false;
    Buffer *packed = arena_take(b->arena, sizeof *packed);
    *packed = (Buffer){.kind = BUF_scratch, .name = "packed", .dtype = DT_f32, .bytes = 4 * floats};
    packed->shape = shape_of(1, &floats);
    k->workspace = floats ? packed : NULL;
    Ctx ctx = {.arena = b->arena, .diag = s->g->program->ctx->diag};
    const char *same = kernel_text(s, &ctx, "c");
    if (map_get(&b->by_text, same))
        return false;
    map_set(&b->by_text, same, b);
    const char *text = kernel_text(s, &ctx, arena_format(b->arena, "c%d", b->n));
    if (!add_call(b, k))
        return false;
    str_add(&b->kernels, "%s", text);
    b->workspace = 4 * floats > b->workspace ? 4 * floats : b->workspace;
    b->n++;
    return true;
}

static const char *program_text(const BenchText *b, const Subject *s)
{
    Program p = *s->g->program;
    Ctx ctx = {.arena = b->arena};
    p.ctx = &ctx;
    Str bytes = str_new(b->arena), types = str_new(b->arena);
    for (int i = 0; i < b->n_buffers; i++) {
        int64_t size = i ? b->buffers[i]->bytes : b->workspace;
        str_add(&bytes, "%lld, ", (long long)(size > 64 ? size : 64));
        str_add(&types, "%c", i ? "fiu"[b->buffers[i]->dtype] : 'f');
    }
    const TemplateWord words[] = {
        {"NNCC_CANDIDATES", arena_format(b->arena, "%d", b->n)},
        {"NNCC_BUFFERS", arena_format(b->arena, "%d", b->n_buffers)},
        {"NNCC_SAMPLES", arena_format(b->arena, "%lld", (long long)p.train.batch)}};
    return arena_format(
        b->arena,
        "#define _GNU_SOURCE\n#include <omp.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
        "#include <string.h>\n#include <time.h>\n#include \"nnrt.h\"\n#include \"nnrt_math.h\"\n"
        "#include \"nnrt_rand.h\"\n%s\ntypedef struct candidate {\n    void (*run)(int, void "
        "*const "
        "*);\n    int shared;\n} candidate;\n%sstatic const candidate candidates[] = {\n%s};\n"
        "static const size_t buffer_bytes[] = {%s};\nstatic const char buffer_type[] = \"%s\";\n%s",
        b->kernels.at, b->calls.at, b->table.at, bytes.at, types.at,
        template_text(&p, "tune.c", COUNT(words), words));
}

/* What the program wrote: threads, compiler, seconds a candidate. */
static bool read_result(Measure *m, Arena *arena, const char *path, int n, double *seconds)
{
    char compiler[64];
    FILE *f = fopen(path, "r");
    bool good = f && fscanf(f, "%d %63[^\n]", &m->threads, compiler) == 2;
    for (int i = 0; good && i < n; i++)
        good = fscanf(f, "%lf", &seconds[i]) == 1;
    if (f)
        fclose(f);
    if (good && !m->compiler)
        m->compiler = arena_format(arena, "%s", compiler);
    return good;
}

static int run_program(Measure *m, const Subject *s, BenchText *b, double seconds, double *result)
{
    char *program = arena_format(b->arena, "%s/tune", m->folder);
    char *said = arena_format(b->arena, "%s/said", m->folder);
    int status = cc_program_as(b->arena, m->home, m->target, &m->how, program_text(b, s), program);
    if (status)
        return status;
    char *argv[] = {program, arena_format(b->arena, "%g", seconds), said, NULL};
    status = program_run(argv, true);
    if (status == 0 && !read_result(m, s->g->program->ctx->arena, said, b->n, result))
        status = 1;
    unlink(program);
    unlink(said);
    return status == 0 || status == PROGRAM_INTERRUPTED ? status : 1;
}

int measure(Measure *m, const Subject *s, int n, const Choices *choices, double seconds, double *ms)
{
    Kernel before = *s->k;
    Lowered plan = *(Lowered *)s->k->lowered;
    double result[CANDIDATES_MAX];
    int at[CANDIDATES_MAX];
    BenchText b = {.arena = arena_new(), .n_buffers = 1};
    b.kernels = str_new(b.arena);
    b.calls = str_new(b.arena);
    b.table = str_new(b.arena);
    b.by_text = map_new(b.arena);
    for (int i = 0; i < n && i < CANDIDATES_MAX; i++)
        at[i] = add_candidate(&b, s, &choices[i]) ? b.n - 1 : -1;
    *s->k = before;
    *(Lowered *)s->k->lowered = plan;
    s->table->by_key = map_new(s->table->by_key.arena);
    int status = b.n ? run_program(m, s, &b, seconds, result) : 1;
    for (int i = 0; i < n; i++)
        ms[i] = status == 0 && i < CANDIDATES_MAX && at[i] >= 0 ? 1e3 * result[at[i]] : -1;
    arena_free(b.arena);
    return status;
}
