/* SPDX-License-Identifier: MIT */
/* kernel_text.c: each kernel's function: its name, parameters, comment and body; equal ones once,
 * and once the body of those that are equal but for numbers. */
#include <string.h>

#include "kernel_emit.h"
#include "template.h"

/* Operations below which a kernel runs on one thread: a barrier costs about as much. */
enum { SHARE_OPS = 60000 };

typedef struct Texts {
    Program *p;
    Arena *arena;
    Map by_text;  /* canonical text to the kernel that has it */
    Map families; /* canonical text without numbers to its Family */
    Map names;
    Map next;          /* name to the number that the next of that name tries first (int *) */
    Map tiles;         /* register tiles emitted */
    int *uses, *level; /* those of Emit, by node id */
    bool *fresh;
    KnownList known; /* room that kernels use one after the other */
} Texts;

/* --- cost ------------------------------------------------------------------------------------- */

/* Multiply-adds, with n samples. */
static double product_terms(const Node *y, int64_t n)
{
    const Shape *a = &y->in[0]->shape;
    if (y->op == OP_conv) /* each number of the result: a weight's taps and channels */
        return (double)shape_elements(&y->shape, n) *
               (double)op_product(&y->in[1]->shape, 0, a->rank - 1);
    if (y->op == OP_conv_weight)
        return (double)shape_elements(&y->in[1]->shape, n) *
               (double)op_product(&y->shape, 0, a->rank - 1);
    double inner = (double)a->dim[a->rank - 1] * (a->batch == a->rank - 1 ? (double)n : 1);
    return inner * (double)shape_elements(&y->shape, n);
}

static double samples_of(const Node *y, int64_t n)
{
    return (double)y->shape.dim[0] * (y->shape.batch == 0 ? (double)n : 1);
}

/* A product a pair of a query and a key that it may see, of so many numbers. */
static double attention_terms(const Node *y, int64_t n)
{
    AttentionSizes s = attention_sizes(y);
    double pairs = (double)(s.queries * s.keys) * (s.causal ? 0.5 : 1);
    double products = y->op == OP_attention ? 2 : 5;
    return products * pairs * (double)(s.heads * s.dim) * samples_of(y, n);
}

static double node_flops(const Node *y, int64_t n)
{
    switch (op_rows[y->op].cls) {
    case CLASS_EW:
        return (double)shape_elements(&y->shape, n) *
               (op_impls[y->op]->flops ? op_impls[y->op]->flops : 1);
    case CLASS_REDUCE: return (double)shape_elements(&y->in[0]->shape, n);
    case CLASS_MAT:
        if (op_rows[y->op].flags & BY_SAMPLE)
            return op_impls[y->op]->cost(y) * samples_of(y, n);
        if (y->op == OP_scatter_add)
            return (double)shape_elements(&y->in[0]->shape, n);
        if (y->op == OP_attention_step) /* with caches half full */
            return 2 * (double)(shape_count(&y->shape) * attention_room(y));
        return 2 * (y->op == OP_attention || y->op == OP_attention_grad ? attention_terms(y, n)
                                                                        : product_terms(y, n));
    default: return 0;
    }
}

static void add_bytes(Kernel *k, const Buffer *b)
{
    k->bytes += (double)b->bytes;
    if (b->shape.batch < 0)
        k->fixed_bytes += (double)b->bytes;
}

/* What the kernels of a scan's body cost in all steps. */
static void add_steps(Kernel *k)
{
    const Scan *s = k->scan->attr->scan;
    int once = kernels_kept(s->body);
    for (int i = 0; i < s->body->kernels.n; i++) {
        const Kernel *child = s->body->kernels.at[i];
        double times = i < once ? 1 : (double)s->length;
        k->flops += times * child->flops;
        k->bytes += times * child->bytes;
        k->fixed_flops += times * child->fixed_flops;
        k->fixed_bytes += times * child->fixed_bytes;
    }
}

static void find_cost(const Texts *t, Kernel *k)
{
    k->flops = k->bytes = k->fixed_flops = k->fixed_bytes = 0;
    if (k->scan) {
        add_steps(k);
        return;
    }
    for (int i = 0; i < k->nodes.n; i++) {
        k->flops += node_flops(k->nodes.at[i], t->p->train.batch);
        k->fixed_flops += node_flops(k->nodes.at[i], 0);
    }
    for (int i = 0; i < k->reads.n; i++)
        add_bytes(k, k->reads.at[i]);
    for (int i = 0; i < k->writes.n; i++)
        add_bytes(k, k->writes.at[i]);
    const ScatterPlan *rows = &((const Lowered *)k->lowered)->scatter;
    if (k->kind == KERNEL_scatter && rows->sparse && rows->positions < k->product->shape.dim[0]) {
        double share = (double)rows->positions / (double)k->product->shape.dim[0];
        k->flops *= share; /* of the table's rows as many as there are positions at most */
        k->bytes *= share;
        k->fixed_flops = k->fixed_bytes = 0;
    }
}

/* A kernel is shared where it is worth a barrier and has loops that threads may divide. */
static bool is_shared(const Texts *t, const Kernel *k)
{
    const Graph *body = k->scan ? k->scan->attr->scan->body : NULL;
    for (int i = 0; body && i < body->kernels.n; i++)
        if (body->kernels.at[i]->shared)
            return true;
    if (body)
        return false;
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
    const char *role = k->kind == KERNEL_pack   ? "pack"
                       : k->kind == KERNEL_scan ? arena_format(t->arena, "%s_scan", role_text(of))
                                                : role_text(of);
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
    if (k->kind == KERNEL_pack)
        return arena_format(t->arena, "%d %s: weight packed", k->product->loc.line,
                            k->product->what ? k->product->what : op_rows[k->product->op].name);
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

static const char *arg_text(Arena *arena, const KernelArg *a, bool restricted)
{
    static const char *const ctypes[] = {"float", "int32_t", "uint8_t"};
    switch (a->kind) {
    case KARG_key: return arena_format(arena, "const nnrt_rand_key %s", a->name);
    case KARG_scalar: return arena_format(arena, "const float %s", a->name);
    case KARG_team: return arena_format(arena, "nnrt_team *%s", a->name);
    case KARG_buffer: break;
    }
    return arena_format(arena, "%s%s *%s%s", a->written ? "" : "const ", ctypes[a->buffer->dtype],
                        restricted ? "restrict " : "", a->name);
}

/* ", const float *restrict x, ...": the parameters after n. */
static const char *args_text(Arena *arena, const Kernel *k, bool restricted)
{
    Str line = str_new(arena);
    for (int i = 0; i < k->args.n; i++)
        str_add(&line, ", %s", arg_text(arena, &k->args.at[i], restricted));
    return line.at;
}

/* The head of a function, broken as clang-format breaks it where there is room for that. */
static void write_head(Out *out, const char *head, const char *args)
{
    enum { ALIGNED = 48 };
    if (strlen(head) > ALIGNED || strstr(head, "__attribute__"))
        out_hang(out, "%s(int n%s)", head, args);
    else
        out_wrap(out, "%s(int n%s)", head, args);
}

/* A kernel that threads share is never inlined: compilers would forget which pointers are restrict. */
static const char *storage(const Kernel *k)
{
    return k->shared ? "static __attribute__((noinline)) void" : "static void";
}

/* What the function calls the buffer of a node. */
static const char *store_name(const Graph *g, const Kernel *k, const Node *y)
{
    const Buffer *b = node_buffer(g, y);
    for (int i = 0; i < k->args.n; i++)
        if (k->args.at[i].kind == KARG_buffer && k->args.at[i].buffer == b)
            return k->args.at[i].name;
    return b->name; /* it lies over another */
}

/* "x[N, 8], y[N] and 2 more": what it stores. */
static const char *stores_text(Texts *t, const Graph *g, const Kernel *k)
{
    enum { NAMED = 4 };
    char shape[128];
    Str line = str_new(t->arena);
    for (int i = 0; i < k->stores.n && i < NAMED; i++)
        str_add(&line, "%s%s%s", i ? ", " : "", store_name(g, k, k->stores.at[i]),
                shape_text(&k->stores.at[i]->shape, shape));
    if (k->stores.n > NAMED)
        str_add(&line, " and %d more", k->stores.n - NAMED);
    return line.at;
}

/* Where in the model file it is from, what it stores, what else it serves. A member of a family
 * stores what the first one does, in shapes that its numbers tell. */
static void write_comment(Texts *t, Out *out, const Graph *g, const Kernel *k, bool stores)
{
    Str line = str_new(t->arena);
    str_add(&line, "/* line %s", k->title);
    if (stores && k->stores.n)
        str_add(&line, "\n * %s", stores_text(t, g, k));
    if (k->serves)
        str_add(&line, "\n * serves as well: %s", k->serves);
    out_raw(out, "%s */", line.at);
}

static void count_uses(Emit *e, int one)
{
    const Kernel *k = e->k;
    for (int i = 0; i < k->nodes.n; i++)
        for (int n = 0; n < k->nodes.at[i]->n_in; n++)
            e->uses[k->nodes.at[i]->in[n]->id] += one;
}

/* The body under canonical names; the parameters, to k->args. */
static const char *body_text(Texts *t, Graph *g, Kernel *k)
{
    Out out = out_new(t->arena);
    Emit e = {.p = t->p, .g = g, .k = k, .low = k->lowered, .arena = t->arena, .out = &out};
    e.space = ix_space(t->arena, t->p->train.batch);
    e.known = t->known;
    e.known.n = 0;
    e.uses = t->uses;
    e.level = t->level;
    e.fresh = t->fresh;
    count_uses(&e, 1);
    out.depth = 1;
    out.whole = true;
    switch (k->kind) {
    case KERNEL_loop: emit_loops(&e); break;
    case KERNEL_matmul: emit_matmul(&e); break;
    case KERNEL_conv: emit_conv(&e); break;
    case KERNEL_conv_weight: emit_conv_weight(&e); break;
    case KERNEL_scan: BUG("a scan has no function of its own");
    case KERNEL_scatter: emit_scatter(&e); break;
    case KERNEL_attention: emit_attention(&e); break;
    case KERNEL_attention_grad: emit_attention_grad(&e); break;
    case KERNEL_samples: emit_samples(&e); break;
    case KERNEL_attention_step: emit_attention_step(&e); break;
    case KERNEL_pack:
        if (k->product->op == OP_matmul)
            emit_matmul_pack(&e);
        else
            emit_conv_pack(&e);
        break;
    }
    count_uses(&e, -1);
    t->known = e.known;
    out_sweep(&out);
    k->args.n = 0;
    for (int i = 0; i < e.args.n; i++)
        vec_push(t->arena, &k->args, e.args.at[i]);
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

/* "0, 4, 1, 5": what picks numbers of two vectors in turn, from `from` on, until one is full. */
static const char *interleaved(Arena *a, int lanes, int from)
{
    Str s = str_new(a);
    for (int i = from; i < from + lanes / 2; i++)
        str_add(&s, "%s%d, %d", s.n ? ", " : "", i, i + lanes);
    return s.at;
}

/* A template's functions, called NAME_`tile`, in front of the first kernel that calls them; row: numbers from
 * row to row of what a tile gives; call: how they are declared. */
static void write_tile_as(Texts *t, Out *out, const char *file, const char *tile, int m, int h,
                          int w, int n, int row, const char *call)
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
                                  {"NNCC_CALL", call},
                                  {"NNCC_COPY", name},
                                  {"NNCC_TURN", name},
                                  {"NNCC_LOW", interleaved(a, lanes, 0)},
                                  {"NNCC_HIGH", interleaved(a, lanes, lanes / 2)},
                                  {"NNCC_TILE_M", arena_format(a, "%d", m)},
                                  {"NNCC_TILE_H", arena_format(a, "%d", h)},
                                  {"NNCC_TILE_W", arena_format(a, "%d", w)},
                                  {"NNCC_TILE_N", arena_format(a, "%d", n)},
                                  {"NNCC_ROW", arena_format(a, "%d", row)},
                                  {"NNCC_LANES", arena_format(a, "%d", lanes)}};
    write_template(t, out, template_text(t->p, file, COUNT(words), words));
}

static void write_tile(Texts *t, Out *out, const char *file, const char *tile, int m, int h, int w,
                       int n)
{
    write_tile_as(t, out, file, tile, m, h, w, n, n, "static");
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

/* What packs panels of so many rows or columns. */
static void write_packing(Texts *t, Out *out, PackWay way, int width)
{
    const char *what = way == PACK_turned ? "turn" : "copy";
    if (way != PACK_made)
        write_tile(t, out, arena_format(t->arena, "matmul.c:%s", what),
                   arena_format(t->arena, "%s_%d", what, width), 0, 0, 0, width);
}

/* A part of the template of attention: NAME_product_8x32, ... */
static void write_part(Texts *t, Out *out, const AttentionPlan *plan, const char *part)
{
    static const char *const parts[][2] = {
        {"NNCC_PRODUCT", "product"}, {"NNCC_TURN", "turn"},       {"NNCC_DOTS", "dots"},
        {"NNCC_SCORES", "scores"},   {"NNCC_WEIGHTS", "weights"}, {"NNCC_AGAIN", "again"},
        {"NNCC_DROP", "drop"},       {"NNCC_PART", "part"},       {"NNCC_VECTOR", "part_vector"},
        {"NNCC_FOUR", "turn_four"}};
    enum { PARTS = COUNT(parts) };
    Arena *a = t->arena;
    TemplateWord words[PARTS + 4] = {
        {"NNCC_BLOCK", arena_format(a, "%lld", plan->block)},
        {"NNCC_TILE_M", arena_format(a, "%d", plan->tile_m)},
        {"NNCC_TILE_N", arena_format(a, "%d", plan->tile_n)},
        {"NNCC_LANES", arena_format(a, "%d", tile_lanes(t->p->target))}};
    for (int i = 0; i < PARTS; i++)
        words[4 + i] =
            (TemplateWord){parts[i][0], arena_format(a, "%s_%s_%dx%d", t->p->name, parts[i][1],
                                                     plan->tile_m, plan->tile_n)};
    const char *key = arena_format(a, "attention:%s_%dx%d", part, plan->tile_m, plan->tile_n);
    if (map_get(&t->tiles, key))
        return;
    map_set(&t->tiles, key, t);
    const char *file = arena_format(a, "attention.c:%s", part);
    write_template(t, out, template_text(t->p, file, PARTS + 4, words));
}

static void write_attention(Texts *t, Out *out, const Kernel *k)
{
    const AttentionPlan *plan = &((const Lowered *)k->lowered)->attention;
    AttentionSizes s = attention_sizes(k->product);
    bool forward = k->kind == KERNEL_attention;
    write_part(t, out, plan, "product");
    write_part(t, out, plan, "turn");
    if (s.causal || s.alibi)
        write_part(t, out, plan, "scores");
    write_part(t, out, plan, forward ? "weights" : "again");
    if (!forward)
        write_part(t, out, plan, "dots");
    if (k->product->attr->value != 0)
        write_part(t, out, plan, "drop");
}

static void write_matmul_tile(Texts *t, Out *out, const Kernel *k, int columns)
{
    const MatmulPlan *plan = &((const Lowered *)k->lowered)->plan;
    const char *call = matmul_tile_apart(k) ? "static __attribute__((noinline))" : "static";
    write_tile_as(t, out, "matmul.c", matmul_tile(t->arena, k, columns), plan->tile_m, 0, 0,
                  columns, plan->tile_n, call);
}

/* What a product's kernel calls. */
static void write_tiles(Texts *t, Out *out, const Kernel *k)
{
    const Lowered *low = k->lowered;
    const ConvPlan *c = &low->conv;
    if (k->kind == KERNEL_pack) {
        if (k->product->op == OP_conv && c->winograd.used)
            write_winograd(t, out, "weight");
        if (k->product->op == OP_matmul)
            write_packing(t, out, low->plan.way_b, low->plan.tile_n);
        return;
    }
    if (k->kind == KERNEL_matmul) {
        int m = low->plan.tile_m, n = low->plan.tile_n;
        if (low->plan.pack_b && !k->packed)
            write_packing(t, out, low->plan.way_b, n);
        if (low->plan.pack_a)
            write_packing(t, out, low->plan.way_a, m);
        if (low->plan.vector) {
            const char *way = low->plan.vector == VECTOR_dots ? "dots" : "columns";
            write_tile(t, out, arena_format(t->arena, "matvec.c:%s", way),
                       arena_format(t->arena, "%s_%d", way, n), 0, 0, 0, n);
            return;
        }
        write_matmul_tile(t, out, k, n);
        int last = matmul_narrow(t->p->target, &low->plan);
        if (last)
            write_matmul_tile(t, out, k, last);
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
        write_conv_tile(t, out, c->tile_h, c->tile_w, conv_direct(c).tile_n);
    if (c->winograd.used) {
        write_conv_tile(t, out, 1, c->winograd.rows, c->tile_n);
        if (!k->pack)
            write_winograd(t, out, "weight");
        write_winograd(t, out, "patch");
        write_winograd(t, out, "results");
    }
}

/* What the function that holds a scan hands to its body: operands, results, scratch. */
static void scan_args(Texts *t, const Graph *g, Kernel *k)
{
    k->args.n = 0;
    for (int i = 0; i < k->scan->n_in; i++) {
        KernelArg arg = {.kind = KARG_buffer, .buffer = node_buffer(g, k->scan->in[i])};
        vec_push(t->arena, &k->args, arg);
    }
    for (int i = 0; i < k->stores.n; i++) {
        KernelArg arg = {
            .kind = KARG_buffer, .buffer = node_buffer(g, k->stores.at[i]), .written = true};
        vec_push(t->arena, &k->args, arg);
    }
    KernelArg work = {.kind = KARG_buffer, .buffer = k->workspace, .written = true};
    if (k->workspace)
        vec_push(t->arena, &k->args, work);
}

/* --- each kernel's text ----------------------------------------------------------------------- */

/* Finds out what the kernel is equal to: another, or another but for numbers. */
static void compare(Texts *t, Graph *g, Kernel *k)
{
    find_cost(t, k);
    k->shared = is_shared(t, k);
    k->title = kernel_title(t, k);
    if (k->scan) {
        scan_args(t, g, k);
        k->name = kernel_name(t, k);
        return;
    }
    const char *body = body_text(t, g, k);
    const char *args = args_text(t->arena, k, true);
    const char *key = arena_format(t->arena, "%s%s%s", storage(k), body, args);
    k->same = map_get(&t->by_text, key);
    if (k->same) {
        k->name = k->same->name;
        add_sharer(t, k->same, k);
        return;
    }
    map_set(&t->by_text, key, k);
    k->name = kernel_name(t, k);
    key = family_key(t->arena, key);
    Family *family = map_get(&t->families, key);
    if (!family) {
        family = arena_take(t->arena, sizeof *family);
        map_set(&t->families, key, family);
    }
    k->family = family;
    family_add(t->arena, family, k, body);
}

static void write_body(Out *out, const char *body)
{
    out_raw(out, "{");
    if (!text_mentions(body, "n"))
        out_raw(out, "    (void)n;");
    out_broken(out, body);
    out_raw(out, "}");
}

/* "NET_BN1_FWD" of net_bn1_fwd: the macro that makes the functions of a family. */
static const char *maker_name(Texts *t, const Family *f)
{
    char *name = arena_text(t->arena, f->members.at[0].k->name, strlen(f->members.at[0].k->name));
    for (char *c = name; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    return name;
}

/* ", nj, nk": the numbers of a family, each after `before`. */
static const char *numbers_text(Texts *t, const Family *f, const char *before)
{
    Str s = str_new(t->arena);
    for (int i = 0; i < f->params.n; i++)
        str_add(&s, "%s%s", before, f->params.at[i].name);
    return s.at;
}

/* The function of a family's body, and the macro that defines the function of a kernel by it. It is
 * the latter's pointers that are restrict: clang makes longer, slower loops where both are. */
static void write_family(Texts *t, Out *out, const Family *f)
{
    const Member *first = &f->members.at[0];
    const Kernel *k = first->k;
    out_hang(out, "static inline __attribute__((always_inline)) void %s_body(int n%s%s)", k->name,
             numbers_text(t, f, ", int "), args_text(t->arena, k, false));
    write_body(out, family_text(t->arena, first->text, f, k->args.at));
    Str call = str_new(t->arena);
    for (int i = 0; i < k->args.n; i++)
        str_add(&call, ", %s", k->args.at[i].name);
    Out macro = out_new(t->arena);
    out_line(&macro, "#define %s(name%s)", maker_name(t, f), numbers_text(t, f, ", "));
    macro.depth = 1;
    out_hang(&macro, "%s name(int n%s)", storage(k), args_text(t->arena, k, true));
    out_line(&macro, "{");
    macro.depth = 2;
    out_hang(&macro, "%s_body(n%s%s);", k->name, numbers_text(t, f, ", "), call.at);
    macro.depth = 1;
    out_line(&macro, "}");
    for (const char *line = macro.str.at; *line;) {
        size_t length = strcspn(line, "\n");
        const char *next = line + length + 1;
        out_raw(out, "%.*s%s", (int)length, line, *next ? " \\" : "");
        line = next;
    }
}

/* "NET_BN1_FWD(net_bn2_fwd, 56, 64)" */
static void write_member(Texts *t, Out *out, const Family *f, const Kernel *k)
{
    int m = 0;
    while (f->members.at[m].k != k)
        m++;
    Str line = str_new(t->arena);
    str_add(&line, "%s(%s", maker_name(t, f), k->name);
    for (int i = 0; i < f->params.n; i++)
        str_add(&line, ", %ld", f->members.at[m].numbers.at[f->params.at[i].place]);
    out_hang(out, "%s)", line.at);
}

/* Whether a family is shorter than its members, each with a text of its own. */
static bool worth_while(Texts *t, const Family *f)
{
    enum { LINE = 100 }; /* a member's, with its comment */
    const Kernel *k = f->members.at[0].k;
    size_t head = strlen(args_text(t->arena, k, true)), body = strlen(f->members.at[0].text);
    size_t others = (size_t)f->members.n - 1;
    return others * (head + body) > 2 * head + (others + 1) * LINE;
}

static bool is_family(Texts *t, Family *f)
{
    Kernel *k = f->members.at[0].k;
    return worth_while(t, f) && family_find_params(t->arena, f, k->args.n, k->args.at);
}

static void write_kernel(Texts *t, const Graph *g, Kernel *k)
{
    Family *f = k->family;
    Out out = out_new(t->arena);
    bool first = f->members.at[0].k == k;
    if (k->kind == KERNEL_attention || k->kind == KERNEL_attention_grad)
        write_attention(t, &out, k);
    else if (k->product && k->kind != KERNEL_scatter && k->kind != KERNEL_samples &&
             k->kind != KERNEL_attention_step)
        write_tiles(t, &out, k);
    param_name(t->arena, k->args.n, k->args.at);
    if (first)
        f->written = is_family(t, f);
    write_comment(t, &out, g, k, first || !f->written);
    if (f->written) {
        if (first)
            write_family(t, &out, f);
        write_member(t, &out, f, k);
    } else {
        const char *body = NULL;
        for (int i = 0; !body; i++)
            if (f->members.at[i].k == k)
                body = family_text(t->arena, f->members.at[i].text, NULL, k->args.at);
        write_head(&out, arena_format(t->arena, "%s %s", storage(k), k->name),
                   args_text(t->arena, k, true));
        write_body(&out, body);
    }
    k->text = out.str.at;
}

void kernels_text(Program *p)
{
    Texts t = {.p = p,
               .arena = p->ctx->arena,
               .by_text = map_new(p->ctx->arena),
               .families = map_new(p->ctx->arena),
               .names = map_new(p->ctx->arena),
               .next = map_new(p->ctx->arena),
               .tiles = map_new(p->ctx->arena)};
    GraphList graphs = program_graphs(p, t.arena);
    int most = 0;
    for (int f = 0; f < graphs.n; f++)
        if (graphs.at[f]->nodes.n > most)
            most = graphs.at[f]->nodes.n;
    t.uses = arena_take(t.arena, sizeof *t.uses * (size_t)(most + 1));
    t.level = arena_take(t.arena, sizeof *t.level * (size_t)(most + 1));
    t.fresh = arena_take(t.arena, (size_t)most + 1);
    for (int f = 0; f < graphs.n; f++) /* parameters and locals would hide a kernel of their name */
        for (int i = 0; i < graphs.at[f]->plan->buffers.n; i++)
            map_set(&t.names, graphs.at[f]->plan->buffers.at[i]->name, &t);
    for (int f = 0; f < graphs.n; f++) {
        Graph *g = graphs.at[f];
        g->plan->flops = 0;
        for (int i = 0; i < g->kernels.n; i++) {
            Kernel *k = g->kernels.at[i];
            compare(&t, g, k);
            g->plan->flops += k->flops;
            g->plan->parallel |= k->shared;
        }
    }
    for (int f = 0; f < graphs.n; f++)
        for (int i = 0; i < graphs.at[f]->kernels.n; i++) {
            Kernel *k = graphs.at[f]->kernels.at[i];
            if (!k->same && !k->scan)
                write_kernel(&t, graphs.at[f], k);
        }
}
