/* SPDX-License-Identifier: MIT */
/* kernel_text.c: each kernel's function: its name, parameters, comment and body; equal ones once,
 * and once the body of those that are equal but for numbers. */
#include <string.h>

#include "kernel_emit.h"
#include "template.h"

typedef struct Texts {
    Program *p;
    Arena *arena;
    Map by_text;  /* canonical text to the kernel that has it */
    Map families; /* canonical text without numbers to its Family */
    Map names;
    Map next; /* name to the number that the next of that name tries first (int *) */
    Tiles tiles;
    int *uses, *level; /* those of Emit, by node id */
    bool *fresh;
    KnownList known; /* room that kernels use one after the other */
} Texts;

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
    kernel_cost(g, k);
    k->shared = kernel_is_shared(t->p, k);
    k->shared_from = kernel_shared_from(t->p, k);
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
    tiles_write(&t->tiles, &out, k);
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
               .tiles = tiles_begin(p)};
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
