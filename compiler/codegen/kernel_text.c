/* SPDX-License-Identifier: MIT */
/* kernel_text.c: each kernel's function: its name, parameters, comment and body; equal ones once.
 */
#include <string.h>

#include "kernel_emit.h"
#include "template.h"

/* Operations below which a kernel runs on one thread: a barrier costs about as much. */
enum { SHARE_OPS = 60000 };

typedef struct Texts {
    Program *p;
    Arena *arena;
    Map by_text; /* canonical text to the kernel that has it */
    Map names;
    Map next;        /* name to the number that the next of that name tries first (int *) */
    Map tiles;       /* register tiles emitted */
    int *uses;       /* by node id, of the kernel at hand: 0 between kernels */
    KnownList known; /* room that kernels use one after the other */
} Texts;

/* --- cost ------------------------------------------------------------------------------------- */

static double elements(const Texts *t, const Shape *s)
{
    return (double)shape_elements(s, t->p->train.batch);
}

/* Multiply-adds. */
static double product_terms(const Texts *t, const Node *y)
{
    const Shape *a = &y->in[0]->shape;
    if (y->op == OP_conv) /* each number of the result: a weight's taps and channels */
        return elements(t, &y->shape) * (double)op_product(&y->in[1]->shape, 0, a->rank - 1);
    if (y->op == OP_conv_weight)
        return elements(t, &y->in[1]->shape) * (double)op_product(&y->shape, 0, a->rank - 1);
    double inner =
        (double)a->dim[a->rank - 1] * (a->batch == a->rank - 1 ? (double)t->p->train.batch : 1);
    return inner * elements(t, &y->shape);
}

static double node_flops(const Texts *t, const Node *y)
{
    switch (op_rows[y->op].cls) {
    case CLASS_EW:
        return elements(t, &y->shape) * (op_impls[y->op]->flops ? op_impls[y->op]->flops : 1);
    case CLASS_REDUCE: return elements(t, &y->in[0]->shape);
    case CLASS_MAT: return 2 * product_terms(t, y);
    default: return 0;
    }
}

static void find_cost(Texts *t, Kernel *k)
{
    k->flops = k->bytes = 0;
    for (int i = 0; i < k->nodes.n; i++)
        k->flops += node_flops(t, k->nodes.at[i]);
    for (int i = 0; i < k->reads.n; i++)
        k->bytes += (double)k->reads.at[i]->bytes;
    for (int i = 0; i < k->writes.n; i++)
        k->bytes += (double)k->writes.at[i]->bytes;
}

/* A kernel is shared where it is worth a barrier and has loops that threads may divide. */
static bool is_shared(const Texts *t, const Kernel *k)
{
    const Domain *d = &((const Lowered *)k->lowered)->domain;
    bool rows = k->product != NULL;
    for (int i = 0; i < d->n; i++)
        rows |= !d->reduced[i];
    double least = t->p->share_ops > 0 ? t->p->share_ops : SHARE_OPS;
    return t->p->target->threads && rows && k->flops + k->bytes / 4 >= least;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *role_text(Role r)
{
    switch (r) {
    case ROLE_forward: return "fwd";
    case ROLE_loss: return "loss";
    case ROLE_metric: return "metric";
    case ROLE_backward: return "bwd";
    case ROLE_update: return "upd";
    }
    return "fwd";
}

/* What the kernel is there for: an update, else what its product is, else what most of it is. */
static Role kernel_role(const Kernel *k)
{
    int count[ROLE_update + 1] = {0};
    const Lowered *low = k->lowered;
    for (int i = 0; i < k->stores.n; i++)
        if (k->stores.at[i]->role == ROLE_update)
            return ROLE_update;
    if (k->product)
        return k->product->role;
    for (int i = 0; i < low->members.n; i++)
        count[low->members.at[i]->role]++;
    Role most = ROLE_forward;
    for (int r = 0; r <= ROLE_update; r++)
        if (count[r] > count[most])
            most = (Role)r;
    return most;
}

/* The node that a reader would name the kernel after: of that role, named, stored if one is. */
static const Node *main_node(const Kernel *k, Role role)
{
    const Lowered *low = k->lowered;
    /* A product: the layer that it belongs to, which is the first with a name from the product on. */
    for (int i = 0; k->product && role == ROLE_forward && i < low->members.n; i++)
        if (low->members.at[i]->id >= k->product->id && low->members.at[i]->role == role &&
            low->members.at[i]->name)
            return low->members.at[i];
    for (int i = k->stores.n - 1; i >= 0; i--)
        if (k->stores.at[i]->role == role && k->stores.at[i]->name)
            return k->stores.at[i];
    for (int i = low->members.n - 1; i >= 0; i--)
        if (low->members.at[i]->role == role && low->members.at[i]->name)
            return low->members.at[i];
    return k->product ? k->product : k->stores.at[k->stores.n - 1];
}

/* "h.0.attn" as "h_attn": copies of a block share their kernels. */
static void add_path(Str *s, const char *path)
{
    for (const char *part = path; *part;) {
        size_t n = strcspn(part, ".");
        bool digits = strspn(part, "0123456789") == n;
        if (!digits) {
            str_add(s, "_");
            str_put(s, part, n);
        }
        part += n + (part[n] == '.');
    }
}

static const char *kernel_name(Texts *t, const Kernel *k)
{
    Role of = kernel_role(k);
    const Node *y = main_node(k, of);
    Str base = str_new(t->arena);
    str_add(&base, "%s", t->p->name);
    add_path(&base, y->name ? y->name : y->what ? y->what : op_rows[y->op].name);
    const char *role = role_text(of);
    const char *name = arena_format(t->arena, "%s_%s", base.at, role);
    int *next = map_get(&t->next, name);
    if (!next) {
        next = arena_take(t->arena, sizeof *next);
        *next = 2;
        map_set(&t->next, name, next);
    }
    while (map_get(&t->names, name))
        name = arena_format(t->arena, "%s_%d_%s", base.at, (*next)++, role);
    map_set(&t->names, name, t);
    return name;
}

/* "8 dense, relu": the first line and what was written there and in the lines of the other nodes.
 */
static const char *kernel_title(Texts *t, const Kernel *k)
{
    Str s = str_new(t->arena);
    const char *seen[8];
    int lines[8], n = 0;
    for (int i = 0; i < k->nodes.n && n < 8; i++) {
        const Node *y = k->nodes.at[i];
        const char *what = y->what ? y->what : op_rows[y->op].name;
        bool known = op_rows[y->op].cls == CLASS_LEAF || y->uniform || y->loc.line <= 0;
        for (int j = 0; j < n; j++)
            known |= strcmp(seen[j], what) == 0 && lines[j] == y->loc.line;
        if (known)
            continue;
        if (n && lines[n - 1] == y->loc.line)
            str_add(&s, ", %s", what);
        else
            str_add(&s, "%s%d %s", n ? ", " : "", y->loc.line, what);
        lines[n] = y->loc.line;
        seen[n++] = what;
    }
    Role role = kernel_role(k);
    if (role == ROLE_backward)
        str_add(&s, ": gradient");
    else if (role == ROLE_update)
        str_add(&s, ": update");
    return s.at;
}

/* Another layer that a function serves, for the line above it. */
static void add_sharer(Texts *t, Kernel *owner, const Kernel *k)
{
    enum { NAMED = 80 };
    const Node *y = main_node(k, kernel_role(k));
    const Node *first = main_node(owner, kernel_role(owner));
    const char *name = y->name ? y->name : y->what, *own = first->name ? first->name : first->what;
    const char *so_far = owner->serves ? owner->serves : "";
    if (!name || (own && strcmp(own, name) == 0) || strstr(so_far, name) || strlen(so_far) > NAMED)
        return;
    owner->serves = *so_far ? arena_format(t->arena, "%s, %s", so_far, name) : name;
}

/* --- the function ----------------------------------------------------------------------------- */

static const char *arg_text(Arena *arena, const KernelArg *a)
{
    static const char *const ctypes[] = {"float", "int32_t", "uint8_t"};
    switch (a->kind) {
    case KARG_key: return arena_format(arena, "const nnrt_rand_key %s", a->name);
    case KARG_scalar: return arena_format(arena, "const float %s", a->name);
    case KARG_buffer: break;
    }
    return arena_format(arena, "%s%s *restrict %s", a->written ? "" : "const ",
                        ctypes[a->buffer->dtype], a->name);
}

/* A kernel that threads share is never inlined: compilers would forget which pointers are restrict. */
static void write_signature(Out *out, Arena *arena, const char *name, const Emit *e)
{
    Str line = str_new(arena);
    str_add(&line, "static %svoid %s(int n", e->k->shared ? "__attribute__((noinline)) " : "",
            name);
    for (int i = 0; i < e->args.n; i++)
        str_add(&line, ", %s", arg_text(arena, &e->args.at[i]));
    out_wrap(out, "%s)", line.at);
}

static void write_comment(Texts *t, Out *out, const Graph *g, const Kernel *k)
{
    Str line = str_new(t->arena);
    char shape[128];
    for (int i = 0; i < k->stores.n && i < 4; i++)
        str_add(&line, "%s%s%s", i ? ", " : "", node_buffer(g, k->stores.at[i])->name,
                shape_text(&k->stores.at[i]->shape, shape));
    if (k->stores.n > 4)
        str_add(&line, " and %d more", k->stores.n - 4);
    out_raw(out, "/* %s", line.at);
    out_raw(out, " * %s:%s", comment_text(t->arena, t->p->file), k->title);
    out_raw(out, " * %.4g MFLOP, %.4g KB */", k->flops * 1e-6, k->bytes / 1024);
}

static void count_uses(Emit *e, int one)
{
    const Kernel *k = e->k;
    for (int i = 0; i < k->nodes.n; i++)
        for (int n = 0; n < k->nodes.at[i]->n_in; n++)
            e->uses[k->nodes.at[i]->in[n]->id] += one;
}

static const char *body_text(Texts *t, Graph *g, Kernel *k, bool canonical, Emit *e)
{
    Out out = out_new(t->arena);
    *e = (Emit){.p = t->p,
                .g = g,
                .k = k,
                .low = k->lowered,
                .arena = t->arena,
                .out = &out,
                .canonical = canonical};
    e->space = ix_space(t->arena, t->p->train.batch);
    e->known = t->known;
    e->known.n = 0;
    e->uses = t->uses;
    count_uses(e, 1);
    out.depth = 1;
    switch (k->kind) {
    case KERNEL_loop: emit_loops(e); break;
    case KERNEL_matmul: emit_matmul(e); break;
    case KERNEL_conv: emit_conv(e); break;
    case KERNEL_conv_weight: emit_conv_weight(e); break;
    }
    count_uses(e, -1);
    t->known = e->known;
    out_sweep(&out);
    return out.str.at;
}

/* A template's text, the lines of its signatures broken anew: the names in them have other lengths. */
static void write_template(const Texts *t, Out *out, const char *text)
{
    for (const char *begin; (begin = strstr(text, "\nstatic ")) != NULL;) {
        const char *end = strstr(++begin, "\n{");
        Str line = str_new(t->arena);
        for (const char *c = begin; c < end; c++)
            if (*c == '\n') {
                str_put(&line, " ", 1);
                c += strspn(c + 1, " ");
            } else {
                str_put(&line, c, 1);
            }
        out_raw(out, "%s", arena_text(t->arena, text, (size_t)(begin - text) - 1));
        out_wrap(out, "%s", line.at);
        text = end + 1;
    }
    out_raw(out, "%s", text);
}

/* A template's functions, called NAME_`tile`, in front of the first kernel that calls them. */
static void write_tile(Texts *t, Out *out, const char *file, const char *tile, int m, int h, int w,
                       int n)
{
    Arena *a = t->arena;
    const char *name = arena_format(a, "%s_%s", t->p->name, tile);
    if (map_get(&t->tiles, name))
        return;
    map_set(&t->tiles, name, t);
    int lanes = tile_lanes(t->p->target);
    if (lanes < 4 || n % lanes)
        lanes = 4;
    const char *one = arena_format(a, "%s_1d", name);
    const TemplateWord words[] = {{"NNCC_NAME", name},
                                  {"NNCC_VECTOR", arena_format(a, "%s_vector", name)},
                                  {"NNCC_TAPS", arena_format(a, "%s_taps", name)},
                                  {"NNCC_PIXELS", arena_format(a, "%s_pixels", name)},
                                  {"NNCC_PATCH", name},
                                  {"NNCC_PATCH_1D", one},
                                  {"NNCC_WEIGHT", name},
                                  {"NNCC_WEIGHT_1D", one},
                                  {"NNCC_RESULTS", name},
                                  {"NNCC_RESULTS_1D", one},
                                  {"NNCC_ERRORS", name},
                                  {"NNCC_ERRORS_1D", one},
                                  {"NNCC_CHANGES", name},
                                  {"NNCC_CHANGES_1D", one},
                                  {"NNCC_TILE_M", arena_format(a, "%d", m)},
                                  {"NNCC_TILE_H", arena_format(a, "%d", h)},
                                  {"NNCC_TILE_W", arena_format(a, "%d", w)},
                                  {"NNCC_TILE_N", arena_format(a, "%d", n)},
                                  {"NNCC_LANES", arena_format(a, "%d", lanes)}};
    write_template(t, out, template_text(t->p, file, COUNT(words), words));
}

static void write_conv_tile(Texts *t, Out *out, int h, int w, int n)
{
    write_tile(t, out, "conv.c", arena_format(t->arena, "conv_%dx%dx%d", h, w, n), 0, h, w, n);
}

/* One of Winograd's transforms. */
static void write_winograd(Texts *t, Out *out, const char *what)
{
    write_tile(t, out, arena_format(t->arena, "winograd.c:%s", what),
               arena_format(t->arena, "winograd_%s", what), 0, 0, 0, tile_lanes(t->p->target));
}

/* What a product's kernel calls. */
static void write_tiles(Texts *t, Out *out, const Kernel *k)
{
    const Lowered *low = k->lowered;
    const ConvPlan *c = &low->conv;
    if (k->kind == KERNEL_matmul) {
        int m = low->plan.tile_m, n = low->plan.tile_n;
        write_tile(t, out, "matmul.c", arena_format(t->arena, "tile_%dx%d", m, n), m, 0, 0, n);
        return;
    }
    if (k->kind == KERNEL_conv_weight) {
        int m = c->winograd.used ? c->winograd.rows : c->tile_m, n = c->tile_n;
        write_tile(t, out, "conv_weight.c", arena_format(t->arena, "weight_%dx%d", m, n), m, 0, 0,
                   n);
        if (c->winograd.used) {
            write_winograd(t, out, "patch");
            write_winograd(t, out, "errors");
            write_winograd(t, out, "changes");
        }
        return;
    }
    if (!c->winograd.used || c->winograd.few)
        write_conv_tile(t, out, c->tile_h, c->tile_w, c->tile_n);
    if (c->winograd.used) {
        write_conv_tile(t, out, 1, c->winograd.rows, c->tile_n);
        write_winograd(t, out, "weight");
        write_winograd(t, out, "patch");
        write_winograd(t, out, "results");
    }
}

static void write_kernel(Texts *t, Graph *g, Kernel *k)
{
    Emit e;
    find_cost(t, k);
    k->shared = is_shared(t, k);
    k->title = kernel_title(t, k);
    Str key = str_new(t->arena);
    str_add(&key, "%s", body_text(t, g, k, true, &e));
    for (int i = 0; i < e.args.n; i++)
        str_add(&key, "%s,", arg_text(t->arena, &e.args.at[i]));
    Kernel *same = map_get(&t->by_text, key.at);
    k->args.n = 0;
    for (int i = 0; i < e.args.n; i++)
        vec_push(t->arena, &k->args, e.args.at[i]);
    if (same) {
        k->same = same;
        k->name = same->name;
        add_sharer(t, same, k);
        return;
    }
    map_set(&t->by_text, key.at, k);
    k->name = kernel_name(t, k);
    const char *body = body_text(t, g, k, false, &e);
    Out out = out_new(t->arena);
    if (k->product)
        write_tiles(t, &out, k);
    write_comment(t, &out, g, k);
    write_signature(&out, t->arena, k->name, &e);
    out_raw(&out, "{");
    if (!text_mentions(body, "n"))
        out_raw(&out, "    (void)n;");
    out_raw(&out, "%s}", body);
    k->text = out.str.at;
}

void kernels_text(Program *p)
{
    Texts t = {.p = p,
               .arena = p->ctx->arena,
               .by_text = map_new(p->ctx->arena),
               .names = map_new(p->ctx->arena),
               .next = map_new(p->ctx->arena),
               .tiles = map_new(p->ctx->arena)};
    int most = 0;
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && p->fn[f]->nodes.n > most)
            most = p->fn[f]->nodes.n;
    t.uses = arena_take(t.arena, sizeof *t.uses * (size_t)(most + 1));
    for (int f = 0; f < FN_COUNT; f++) /* parameters and locals would hide a kernel of their name */
        for (int i = 0; p->fn[f] && i < p->fn[f]->plan->buffers.n; i++)
            map_set(&t.names, p->fn[f]->plan->buffers.at[i]->name, &t);
    for (int f = 0; f < FN_COUNT; f++) {
        Graph *g = p->fn[f];
        if (!g)
            continue;
        g->plan->flops = 0;
        for (int i = 0; i < g->kernels.n; i++) {
            Kernel *k = g->kernels.at[i];
            write_kernel(&t, g, k);
            g->plan->flops += k->flops;
            g->plan->parallel |= k->shared;
        }
    }
    for (int f = 0; f < FN_COUNT; f++)
        for (int i = 0; p->fn[f] && i < p->fn[f]->kernels.n; i++) {
            Kernel *k = p->fn[f]->kernels.at[i];
            if (k->text && k->serves)
                k->text = arena_format(t.arena, "/* The next function serves as well: %s */\n%s",
                                       k->serves, k->text);
        }
}
