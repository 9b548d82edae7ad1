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

enum { CANDIDATES_MAX = 16, BUFFERS_MAX = 64, OWN_BUFFERS = 2 };

typedef struct BenchText {
    Arena *arena;
    Str kernels, calls, table;
    Map by_text; /* texts that there are */
    int n;       /* candidates */
    int n_buffers;
    const Buffer *buffers[BUFFERS_MAX];
    int64_t own[OWN_BUFFERS]; /* bytes of what any candidate works in, of what it packs ahead */
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

/* The text of the product's kernels in a program called `name`, as its plan is. Fills their names and
 * parameters. */
static const char *kernels_of(const Subject *s, Ctx *ctx, const char *name)
{
    Program p = *s->g->program;
    Graph g = *s->g;
    Plan plan = *s->g->plan;
    Kernel *both[2] = {s->k->pack, s->k}, **first = s->k->pack ? both : both + 1;
    memset(p.fn, 0, sizeof p.fn);
    p.ctx = ctx;
    p.name = name;
    p.fn[g.fn] = &g;
    g.program = &p;
    g.plan = &plan;
    g.kernels.at = first;
    g.kernels.n = g.kernels.cap = s->k->pack ? 2 : 1;
    for (int i = 0; i < g.kernels.n; i++) {
        memset(&first[i]->args, 0, sizeof first[i]->args);
        first[i]->same = NULL;
        first[i]->family = NULL;
        first[i]->serves = NULL;
    }
    kernels_text(&p);
    return s->k->pack ? arena_format(ctx->arena, "%s%s", both[0]->text, both[1]->text)
                      : both[1]->text;
}

/* What stands for a buffer in the program's list. What candidates pack and work in they share. */
static int buffer_at(BenchText *b, const Kernel *k, const Buffer *buffer)
{
    const Buffer *root = root_of(buffer);
    if (root == k->workspace || root == k->packed)
        return root == k->packed;
    for (int i = OWN_BUFFERS; i < b->n_buffers; i++)
        if (b->buffers[i] == root)
            return i;
    if (b->n_buffers == BUFFERS_MAX)
        return -1;
    b->buffers[b->n_buffers] = root;
    return b->n_buffers++;
}

/* The call of a kernel, and a wait: what follows may read what it has written. Gives NULL where there are
 * more buffers than there is room for. */
static const char *call_text(BenchText *b, const Kernel *k)
{
    static const char *const types[] = {"float", "int32_t", "uint8_t"};
    Str line = str_new(b->arena);
    str_add(&line, "%s    %s(n", k->shared ? "" : "#pragma omp master\n", k->name);
    for (int a = 0; a < k->args.n; a++) {
        const KernelArg *arg = &k->args.at[a];
        int at = arg->kind == KARG_buffer ? buffer_at(b, k, arg->buffer) : 0;
        if (at < 0)
            return NULL;
        if (arg->kind == KARG_buffer)
            str_add(&line, ", (%s *)buffers[%d]", types[arg->buffer->dtype], at);
        else
            str_add(&line, arg->kind == KARG_key    ? ", nnrt_rand_key_of(1, 2, 3)"
                           : arg->kind == KARG_team ? ", team"
                                                    : ", 0.01f");
    }
    str_add(&line, ");\n    nnrt_wait(team);\n");
    return line.at;
}

/* The function that is timed: the kernel that packs the weight, where that is not kept from call to call,
 * and the product's. */
static bool add_call(BenchText *b, const Subject *s)
{
    const Kernel *k = s->k, *pack = ((const Lowered *)k->lowered)->kept ? NULL : k->pack;
    const char *ahead = pack ? call_text(b, pack) : "", *call = call_text(b, k);
    if (!ahead || !call)
        return false;
    str_add(&b->calls,
            "static void run%d(int n, void *const *buffers, nnrt_team *team)\n{\n"
            "    (void)buffers;\n%s%s}\n",
            b->n, ahead, call);
    str_add(&b->table, "    {run%d, %d},\n", b->n, k->shared || (pack && pack->shared));
    return true;
}

static Buffer *own_buffer(BenchText *b, int which, int64_t floats)
{
    if (!floats)
        return NULL;
    Buffer *own = arena_take(b->arena, sizeof *own);
    *own = (Buffer){.kind = BUF_scratch,
                    .name = which ? "packed" : "workspace",
                    .dtype = DT_f32,
                    .bytes = 4 * floats};
    own->shape = shape_of(1, &floats);
    b->own[which] = own->bytes > b->own[which] ? own->bytes : b->own[which];
    return own;
}

/* The kernels as the plan says: what packs the weight, and where to. */
static void place(BenchText *b, const Subject *s, bool packs)
{
    Kernel *k = s->k;
    int64_t weight, others;
    product_floats(k, &weight, &others);
    k->pack = packs ? product_packing(s->g, b->arena, k) : NULL;
    k->packed = packs ? own_buffer(b, 1, weight) : NULL;
    if (packs)
        k->pack->packed = k->packed;
    k->workspace = own_buffer(b, 0, packs ? others : weight + others);
}

/* Adds the kernel as it is planned with these choices; false: not legal, nothing new, or too large. */
static bool add_candidate(BenchText *b, const Subject *s, const Choices *choices)
{
    Choices here = *choices;
    Kernel *k = s->k;
    Lowered *low = k->lowered;
    map_set(&s->table->by_key, s->key, &here);
    bool packs = product_plan(s->g, k);
    const Choosing *c = k->kind == KERNEL_matmul ? &low->plan.choosing : &low->conv.choosing;
    if (c->refused)
        return false;
    place(b, s, packs);
    Ctx ctx = {.arena = b->arena, .diag = s->g->program->ctx->diag};
    const char *same = kernels_of(s, &ctx, "c");
    if (map_get(&b->by_text, same))
        return false;
    map_set(&b->by_text, same, b);
    const char *text = kernels_of(s, &ctx, arena_format(b->arena, "c%d", b->n));
    if (!add_call(b, s))
        return false;
    str_add(&b->kernels, "%s", text);
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
        int64_t size = i < OWN_BUFFERS ? b->own[i] : b->buffers[i]->bytes;
        str_add(&bytes, "%lld, ", (long long)(size > 64 ? size : 64));
        str_add(&types, "%c", i < OWN_BUFFERS ? 'f' : "fiu"[b->buffers[i]->dtype]);
    }
    const TemplateWord words[] = {
        {"NNCC_CANDIDATES", arena_format(b->arena, "%d", b->n)},
        {"NNCC_BUFFERS", arena_format(b->arena, "%d", b->n_buffers)},
        {"NNCC_SAMPLES", arena_format(b->arena, "%lld", (long long)p.train.batch)}};
    return arena_format(
        b->arena,
        "#define _GNU_SOURCE\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "#include <time.h>\n#include \"nnrt.h\"\n#include \"nnrt_math.h\"\n"
        "#include \"nnrt_rand.h\"\n#include \"nnrt_team.h\"\n%s\n"
        "typedef struct candidate {\n    void (*run)(int, void *const *, nnrt_team *);\n"
        "    int shared;\n} candidate;\n%sstatic const candidate candidates[] = {\n%s};\n"
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
    double result[CANDIDATES_MAX] = {0};
    int at[CANDIDATES_MAX];
    BenchText b = {.arena = arena_new(), .n_buffers = OWN_BUFFERS};
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
