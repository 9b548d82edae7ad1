/* SPDX-License-Identifier: MIT */
/* fuse: gathers nodes into kernels.
 *
 * needs   shapes, order; reductions keep their axes
 * gives   g->kernels in no order, each with its domain, members and stores; node->kernel of every
 *         stored node; node->uniform
 * breaks  nothing
 *
 * 1. Every elementwise, reducing and multiplying node begins as a group of its own, with the
 *    iteration space that it would have as a loop. Movement, constants and uniform scalars belong to
 *    no group: they are index maps and literals, inlined wherever they are read.
 * 2. From the first node to the last, the groups of a node and of what it reads are merged where
 *    every value that passes between them is read at the very point (or row) of the iteration space
 *    where it was made, their reductions run over the same axes, and no path leads from one to the
 *    other through a third. A matmul takes in elementwise nodes of its own shape.
 * 3. A node is stored where a root or another group reads it; what is cheap to compute again from one
 *    load is inlined there instead (the bans of PyTorch's min-cut: no reduction, nothing COSTLY).
 *
 * Related: XLA's producer-consumer fusion; PyTorch Inductor's scheduler, whose nodes also fuse by
 * (rows, reduced) spaces. */
#include <string.h>

#include "../ops/ops.h"
#include "lower.h"
#include "passes.h"

enum {
    MEMBERS_MAX = 160, /* of a group: bounds recursion and the size of a function */
    CHAIN_MAX = 24,    /* movement ops in a row; then one is stored */
    INLINE_OPS = 6,    /* of a value that is computed again where it is read */
    INLINE_LOADS =
        3,        /* and what it reads: a number of its own place, and some that few places have */
    LATE_OPS = 16 /* of a value that the gradient computes again, one of them COSTLY */
};

typedef struct Group {
    int parent; /* union-find */
    Domain domain;
    Node *product;
    bool scan; /* a scan and its results; takes in nothing */
    int last;  /* id of a member */
    VEC(Node *) members;
} Group;

typedef struct Users {
    VEC(Node *) at;
} Users;

typedef struct Step {
    Node *node;
    bool outside; /* the way here led through a group other than the two */
} Step;

/* A search for a way from one group to another through a third; its lists are used again. */
typedef struct Walk {
    bool up; /* from what reads to what is read */
    int from, to;
    int last;        /* of the ids that a way may lead to */
    int *seen;       /* by node id: stamp of the last walk */
    int *seen_group; /* by group: the same */
    VEC(Step) pending;
    int next;
} Walk;

typedef struct Fuse {
    Graph *g;
    Arena *arena;
    VEC(Group) groups;
    Users *users;  /* by node id: data users, and the assigns that must wait for a reader */
    int *group;    /* by node id: the group, or -1 */
    Users *waits;  /* by node id: the readers that an assign waits for */
    IxSpace space; /* of the merge that is being tried */
    Walk walks[2];
    int stamp;
    Node **assign; /* by var id: the node that updates it, or NULL */
} Fuse;

static int find(Fuse *f, int i)
{
    while (f->groups.at[i].parent != i) { /* NOLINT(clang-analyzer-core.NullDereference): i < n */
        f->groups.at[i].parent = f->groups.at[f->groups.at[i].parent].parent;
        i = f->groups.at[i].parent;
    }
    return i;
}

static int group_of(Fuse *f, const Node *y)
{
    return f->group[y->id] < 0 ? -1 : find(f, f->group[y->id]);
}

/* --- groups ----------------------------------------------------------------------------------- */

static void new_group(Fuse *f, Node *y)
{
    Group group = {.parent = f->groups.n,
                   .domain = domain_of(y),
                   .product = node_multiplies(y) ? y : NULL,
                   .scan = y->op == OP_scan,
                   .last = y->id};
    vec_push(f->arena, &group.members, y);
    f->group[y->id] = f->groups.n;
    vec_push(f->arena, &f->groups, group);
}

/* Length of the chain of movement that ends in each node; a long one is cut by storing it. */
static bool cuts_chain(const Node *y, int *chain)
{
    int longest = 0;
    for (int k = 0; k < y->n_in; k++)
        if (op_rows[y->in[k]->op].cls == CLASS_MOVE && chain[y->in[k]->id] > longest)
            longest = chain[y->in[k]->id];
    chain[y->id] = longest + 1 > CHAIN_MAX ? 0 : longest + 1;
    return chain[y->id] == 0;
}

/* A scan's result belongs to the scan. */
static void join_scan(Fuse *f, Node *y)
{
    int group = f->group[y->in[0]->id];
    Group *g = &f->groups.at[group];
    vec_push(f->arena, &g->members, y);
    g->last = y->id;
    f->group[y->id] = group;
}

static void mark_operands(const Node *y, bool *root)
{
    for (int k = 0; k < y->n_in && reads_memory(y); k++)
        root[y->in[k]->id] = true;
}

static void make_groups(Fuse *f)
{
    Graph *g = f->g;
    int *chain = arena_take(f->arena, sizeof *chain * (size_t)g->nodes.n);
    bool *root = arena_take(f->arena, (size_t)g->nodes.n);
    for (int i = 0; i < g->roots.n; i++)
        root[g->roots.at[i].node->id] = true;
    for (int i = 0; i < g->nodes.n; i++)
        mark_operands(g->nodes.at[i], root);
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        f->group[i] = -1;
        OpClass c = op_rows[y->op].cls;
        bool moved = c == CLASS_MOVE && (cuts_chain(y, chain) || root[i]);
        if (y->op == OP_scan_result)
            join_scan(f, y);
        else if (y->op == OP_scan || moved ||
                 ((c == CLASS_EW || c == CLASS_REDUCE || c == CLASS_MAT || c == CLASS_EFFECT) &&
                  !y->uniform))
            new_group(f, y);
    }
}

static void link_users(Fuse *f)
{
    Graph *g = f->g;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        for (int k = 0; k < y->n_in; k++)
            vec_push(f->arena, &f->users[y->in[k]->id].at, y);
    }
}

/* Readers of the old value of a variable come before its assign: the assign is made a user of
 * each. */
static void link_readers(Fuse *f, Node *y, Node *assign, int depth)
{
    int *seen = f->walks[0].seen;
    for (int i = 0; i < f->users[y->id].at.n; i++) {
        Node *user = f->users[y->id].at.at[i];
        if (seen[user->id] == 2 * f->stamp || user == assign)
            continue;
        seen[user->id] = 2 * f->stamp;
        if (f->group[user->id] < 0 && depth < MEMBERS_MAX) {
            link_readers(f, user, assign, depth + 1);
            continue;
        }
        vec_push(f->arena, &f->users[user->id].at, assign);
        vec_push(f->arena, &f->waits[assign->id].at, user);
    }
}

static void order_assigns(Fuse *f)
{
    Graph *g = f->g;
    for (int i = 0; i < g->roots.n; i++) {
        Node *assign = g->roots.at[i].node;
        if (assign->op != OP_assign)
            continue;
        f->assign[assign->attr->var->id] = assign;
        for (int k = 0; k < g->nodes.n; k++) {
            Node *leaf = g->nodes.at[k];
            if (leaf->op != OP_var || leaf->attr->var != assign->attr->var)
                continue;
            f->stamp++;
            link_readers(f, leaf, assign, 0);
        }
    }
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Goes on to a node, once by the direct way and once more by a way outside. */
static void visit(Fuse *f, Walk *w, Node *node, bool outside)
{
    int stamp = 2 * f->stamp + outside;
    if (w->seen[node->id] >= stamp)
        return;
    w->seen[node->id] = stamp;
    vec_push(f->arena, &w->pending, ((Step){node, outside}));
}

static void visit_members(Fuse *f, Walk *w, int group, bool outside)
{
    Group *g = &f->groups.at[group];
    w->seen_group[group] = f->stamp;
    for (int i = 0; i < g->members.n; i++)
        visit(f, w, g->members.at[i], outside);
}

/* Looks at one neighbour of a node; true: the walk came to its end through a third group. */
static bool look_at(Fuse *f, Walk *w, Node *y, bool outside)
{
    int group = group_of(f, y);
    if (group == w->to)
        return outside;
    if (group == w->from || (!w->up && y->id > w->last))
        return false;
    if (group < 0)
        visit(f, w, y, outside);
    else if (w->seen_group[group] != f->stamp)
        visit_members(f, w, group, true);
    return false;
}

/* One step of a walk: the neighbours of one node. */
static bool walk_on(Fuse *f, Walk *w)
{
    Step here = w->pending.at[w->next++];
    if (w->up && here.node->id > w->last)
        return false;
    const Users *u = w->up ? &f->waits[here.node->id] : &f->users[here.node->id];
    for (int i = 0; i < u->at.n; i++)
        if (look_at(f, w, u->at.at[i], here.outside))
            return true;
    for (int i = 0; w->up && i < here.node->n_in; i++)
        if (look_at(f, w, here.node->in[i], here.outside))
            return true;
    return false;
}

static void start_walk(Fuse *f, Walk *w, int from, int to, int last)
{
    w->from = from;
    w->to = to;
    w->last = last;
    w->next = w->pending.n = 0;
    visit_members(f, w, from, false);
}

/* Whether group `to` can be reached from `from` through a third group. Movement belongs to whoever
 * reads through it, so a way through movement alone is direct. One walk goes down from `from`, past
 * no id above the last of `to`, one up from `to`, past none below the first of `from`, a step each:
 * the first to end knows, and whatever the network's size one of the two is short as a rule. */
static bool detour(Fuse *f, int from, int to)
{
    Walk *down = &f->walks[0], *up = &f->walks[1];
    f->stamp++;
    int last = f->groups.at[to].last;
    start_walk(f, down, from, to, last);
    start_walk(f, up, to, from, last);
    while (down->next < down->pending.n && up->next < up->pending.n)
        if (walk_on(f, down) || walk_on(f, up))
            return true;
    return false;
}

typedef struct Check {
    Fuse *f;
    const Domain *domain;
    Ix loops[RANK_MAX];
    int from, to; /* the groups that would merge */
    bool touches; /* some value passes between them */
} Check;

/* Whether x is a variable that one of the two groups updates. */
static bool updated_here(const Check *c, const Node *x)
{
    const Node *assign = x->op == OP_var ? c->f->assign[x->attr->var->id] : NULL;
    int group = assign ? group_of(c->f, assign) : -1;
    return group >= 0 && (group == c->from || group == c->to);
}

/* Whether a value is one that y's groups make or update. */
static bool is_ours(const Check *c, const Node *x, int group)
{
    return group == c->from || group == c->to || updated_here(c, x);
}

/* Whether nothing that x is made of can belong to the groups. */
static bool ends_here(const Node *x, int group)
{
    return group >= 0 || x->uniform || x->n_in == 0;
}

/* The common case of reads_in_place, without any index: an elementwise node that stands in the
 * domain, and operands of the same shape; false: not that case. */
static bool reads_plainly(Check *c, const Node *y)
{
    bool touches = false;
    if (op_rows[y->op].cls != CLASS_EW)
        return false;
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        int group = group_of(c->f, x);
        bool ours = is_ours(c, x, group);
        if (ours ? !shape_equal(&x->shape, &y->shape) : !ends_here(x, group))
            return false;
        touches |= group == c->from;
    }
    c->touches |= touches;
    return true;
}

/* Whether a value that is read at `operand` stands there in the domain. */
static bool read_where_it_stands(const Check *c, const Node *x, const Ix *operand)
{
    Ix stands[RANK_MAX];
    Place place = domain_place(c->domain, &x->shape);
    if (place == PLACE_none)
        return false;
    domain_index(c->domain, &x->shape, place, c->loops, stands);
    for (int d = 0; d < x->shape.rank; d++)
        if (!ix_equal(&operand[d], &stands[d]))
            return false;
    return true;
}

/* Whether everything that `y`, indexed by `at`, reads of the two groups is read where it stands. */
static bool reads_in_place(Check *c, const Node *y, const Ix *at, bool guarded, int depth)
{
    if (depth > 2 * CHAIN_MAX)
        return false;
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        int group = group_of(c->f, x);
        bool ours = is_ours(c, x, group);
        if (!ours && ends_here(x, group))
            continue;
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n_guards;
        domain_operand(&c->f->space, c->loops, y, i, at, operand, guards, &n_guards);
        if (!ours) {
            if (!reads_in_place(c, x, operand, guarded || n_guards, depth + 1))
                return false;
            continue;
        }
        c->touches |= group == c->from;
        if (guarded || n_guards || !read_where_it_stands(c, x, operand))
            return false;
    }
    return true;
}

static bool domain_same(const Domain *a, const Domain *b, bool rows_of_b)
{
    int i = 0;
    for (int k = 0; k < b->n; k++) {
        if (rows_of_b && b->reduced[k])
            continue;
        if (i == a->n || a->extent[i] != b->extent[k] || a->batch[i] != b->batch[k])
            return false;
        i++;
    }
    return i == a->n;
}

static bool reduced_same(const Domain *a, const Domain *b)
{
    return memcmp(a->reduced, b->reduced, sizeof a->reduced) == 0;
}

/* A product that adds to its result as it goes, or that a function writes: nothing can be stored in its
 * place. */
static bool writes_itself(const Group *a)
{
    return a->product &&
           (a->product->op == OP_attention_grad || op_rows[a->product->op].flags & BY_SAMPLE);
}

/* The iteration space of two groups together, or false. */
static bool merged_domain(const Group *a, const Group *b, Domain *out)
{
    bool ra = domain_reduces(&a->domain), rb = domain_reduces(&b->domain);
    if ((a->product && (b->product || rb)) || (b->product && ra) || writes_itself(a) ||
        writes_itself(b))
        return false;
    *out = rb ? b->domain : a->domain;
    if (ra == rb)
        return domain_same(&a->domain, &b->domain, false) && reduced_same(&a->domain, &b->domain);
    const Domain *plain = ra ? &b->domain : &a->domain;
    return domain_same(plain, out, false) || domain_same(plain, out, true);
}

static bool member_reads(Check *c, const Node *y)
{
    Ix at[RANK_MAX];
    if (node_multiplies(y)) {
        /* Its operands are read anywhere: nothing of the groups, no updated variable. */
        for (int i = 0; i < y->n_in; i++) {
            const Node *x = y->in[i];
            while (op_rows[x->op].cls == CLASS_MOVE && group_of(c->f, x) < 0)
                x = x->in[0];
            int group = group_of(c->f, x);
            if ((group >= 0 && (group == c->from || group == c->to)) || updated_here(c, x))
                return false;
        }
        return true;
    }
    /* A reduction stands where its result does. */
    Place place = domain_place(c->domain, &y->shape);
    if (place == PLACE_none)
        return false;
    if (reads_plainly(c, y))
        return true;
    domain_index(c->domain, &y->shape, place, c->loops, at);
    return reads_in_place(c, y, at, false, 0);
}

static bool may_merge(Fuse *f, int from, int to, Domain *domain)
{
    Group *a = &f->groups.at[from], *b = &f->groups.at[to];
    if (a->scan || b->scan || a->members.n + b->members.n > MEMBERS_MAX ||
        !merged_domain(a, b, domain))
        return false;
    Check c = {.f = f, .domain = domain, .from = from, .to = to};
    f->space.atoms.n = 0;
    domain_loops(&f->space, domain, c.loops);
    for (int i = 0; i < b->members.n; i++)
        if (!member_reads(&c, b->members.at[i]))
            return false;
    for (int i = 0; i < a->members.n; i++)
        if (!member_reads(&c, a->members.at[i]))
            return false;
    return c.touches && !detour(f, from, to);
}

static void merge(Fuse *f, int from, int to, const Domain *domain)
{
    Group *a = &f->groups.at[from], *b = &f->groups.at[to];
    for (int i = 0; i < a->members.n; i++)
        vec_push(f->arena, &b->members, a->members.at[i]);
    b->last = a->last > b->last ? a->last : b->last;
    b->domain = *domain;
    b->product = b->product ? b->product : a->product;
    a->parent = to;
}

/* Tries to merge the group of y with those of what it reads, through movement. */
static void merge_operands(Fuse *f, Node *y, const Node *through, int depth)
{
    for (int i = 0; i < through->n_in; i++) {
        Node *x = through->in[i];
        int from = group_of(f, x), to = group_of(f, y);
        Domain domain;
        if (from < 0) {
            if (!x->uniform && depth < CHAIN_MAX)
                merge_operands(f, y, x, depth + 1);
        } else if (from != to && may_merge(f, from, to, &domain)) {
            merge(f, from, to, &domain);
        }
    }
}

/* --- what is stored --------------------------------------------------------------------------- */

/* What computing a value again takes: ops, and numbers read that it has one of each place, or few of. */
typedef struct Again {
    int64_t size; /* of the value */
    bool late;    /* for the gradient, instead of keeping it until then */
    const Node *seen[LATE_OPS + INLINE_LOADS];
    int n, ops, costly, loads, whole_loads;
} Again;

static int64_t size_of(const Fuse *f, const Shape *s)
{
    return shape_count(s) * (s->batch >= 0 ? f->g->program->train.batch : 1);
}

/* True where it was seen before. */
static bool again_seen(Again *again, const Node *y)
{
    for (int i = 0; i < again->n; i++)
        if (again->seen[i] == y)
            return true;
    if (again->n < COUNT(again->seen))
        again->seen[again->n++] = y;
    return false;
}

/* Whether the gradient reads y, through movement. */
static bool read_backward(const Fuse *f, const Node *y, int depth)
{
    for (int i = 0; i < f->users[y->id].at.n; i++) {
        const Node *user = f->users[y->id].at.at[i];
        if (f->group[user->id] < 0 ? depth < CHAIN_MAX && read_backward(f, user, depth + 1)
                                   : user->role == ROLE_backward)
            return true;
    }
    return false;
}

/* Counts what computing y again would take; false: not worth it. */
static bool cheap(Fuse *f, const Node *y, const bool *stored, Again *again)
{
    enum { FEW = 8 };
    if (y->uniform || (y->op == OP_const && !y->attr->data) || y->op == OP_iota ||
        again_seen(again, y))
        return true;
    if (stored[y->id] || node_lies(y)) {
        bool whole = size_of(f, &y->shape) * FEW > again->size;
        if (again->late && whole && !read_backward(f, y, 0))
            return false; /* it would be kept instead */
        again->whole_loads += whole;
        return !(y->op == OP_var && f->assign[y->attr->var->id]) && again->whole_loads <= 1 &&
               ++again->loads <= INLINE_LOADS;
    }
    OpClass c = op_rows[y->op].cls;
    bool costly = op_rows[y->op].flags & COSTLY;
    if ((c != CLASS_EW && c != CLASS_MOVE) || (costly && ++again->costly > again->late) ||
        (c == CLASS_EW && ++again->ops > (again->late ? LATE_OPS : INLINE_OPS)))
        return false;
    for (int i = 0; i < y->n_in; i++)
        if (!cheap(f, y->in[i], stored, again))
            return false;
    return true;
}

/* Whether a group other than y's reads it (through movement and whatever else is inlined there). */
static bool read_elsewhere(Fuse *f, const Node *y, const Node *through, const bool *stored,
                           int depth)
{
    for (int i = 0; i < f->users[through->id].at.n; i++) {
        Node *user = f->users[through->id].at.at[i];
        bool reads = false;
        for (int k = 0; k < user->n_in; k++)
            reads |= user->in[k] == through;
        if (!reads)
            continue; /* an assign that only waits */
        int group = group_of(f, user);
        if (group >= 0 ? group != group_of(f, y) || node_multiplies(user)
                       : depth > 2 * CHAIN_MAX || read_elsewhere(f, y, user, stored, depth + 1))
            return true;
    }
    return false;
}

/* Whether readers in other groups are of the gradient, none a product's operand, and compute y again of what the
 * gradient reads anyway: to write a function and read it takes as long, and it lies there all the while. */
static bool computed_late(Fuse *f, const Node *y, const bool *stored)
{
    Again again = {.size = size_of(f, &y->shape), .late = true};
    for (int i = 0; i < f->users[y->id].at.n; i++) {
        const Node *user = f->users[y->id].at.at[i];
        if (group_of(f, user) != group_of(f, y) &&
            (op_rows[user->op].cls != CLASS_EW || user->role != ROLE_backward))
            return false;
    }
    return op_rows[y->op].cls == CLASS_EW && cheap(f, y, stored, &again);
}

/* How many values that other groups read are made of y by few cheap ops, but those that are computed late. */
static int made_of(Fuse *f, const Node *y, const bool *stored, int depth)
{
    enum { DEPTH_MAX = 3 };
    int n = 0;
    for (int i = 0; i < f->users[y->id].at.n && depth < DEPTH_MAX; i++) {
        const Node *user = f->users[y->id].at.at[i];
        if (group_of(f, user) != group_of(f, y) || op_rows[user->op].cls != CLASS_EW ||
            (op_rows[user->op].flags & COSTLY))
            continue;
        n += read_elsewhere(f, user, user, stored, 0) ? !computed_late(f, user, stored)
                                                      : made_of(f, user, stored, depth + 1);
    }
    return n;
}

/* Stored in the place of several values that are cheap to make of it: 1 + tanh(x) and 1 - tanh(x) ** 2. */
static bool stands_for_several(Fuse *f, const Node *y, const bool *stored)
{
    return op_rows[y->op].cls == CLASS_EW && (op_rows[y->op].flags & COSTLY) &&
           made_of(f, y, stored, 0) > 1;
}

static void choose_stores(Fuse *f, bool *stored)
{
    Graph *g = f->g;
    for (int i = 0; i < g->roots.n; i++)
        stored[g->roots.at[i].node->id] = true;
    for (int i = 0; i < g->nodes.n; i++)
        mark_operands(g->nodes.at[i], stored);
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        stored[i] |= y->op == OP_scan_result;
        if (stored[i] || f->group[i] < 0 || y->op == OP_scan)
            continue;
        bool moved = op_rows[y->op].cls == CLASS_MOVE;
        if (!g->program->unfused && !moved && !read_elsewhere(f, y, y, stored, 0)) {
            stored[i] = stands_for_several(f, y, stored);
            continue;
        }
        Again again = {.size = size_of(f, &y->shape)};
        stored[i] = g->program->unfused || moved ||
                    (!cheap(f, y, stored, &again) && !computed_late(f, y, stored));
    }
}

static KernelKind kernel_kind(const Node *product)
{
    if (!product)
        return KERNEL_loop;
    if (op_rows[product->op].flags & BY_SAMPLE)
        return KERNEL_samples;
    switch (product->op) {
    case OP_conv: return KERNEL_conv;
    case OP_conv_weight: return KERNEL_conv_weight;
    case OP_scatter_add: return KERNEL_scatter;
    case OP_attention: return KERNEL_attention;
    case OP_attention_grad: return KERNEL_attention_grad;
    case OP_attention_step: return KERNEL_attention_step;
    default: return KERNEL_matmul;
    }
}

static void make_kernels(Fuse *f, const bool *stored)
{
    Graph *g = f->g;
    g->kernels.n = 0;
    Kernel **of_group =
        arena_take(g->program->ctx->arena, sizeof *of_group * (size_t)(f->groups.n + 1));
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        int group = group_of(f, y);
        if (group < 0 || !stored[i])
            continue;
        Kernel *k = of_group[group];
        if (!k) {
            k = of_group[group] = arena_take(g->program->ctx->arena, sizeof *k);
            Lowered *low = arena_take(g->program->ctx->arena, sizeof *low);
            low->domain = f->groups.at[group].domain;
            k->lowered = low;
            k->product = f->groups.at[group].product;
            k->kind = kernel_kind(k->product);
            if (y->op == OP_scan_result) {
                k->kind = KERNEL_scan;
                k->scan = y->in[0];
            }
            vec_push(g->program->ctx->arena, &g->kernels, k);
        }
        vec_push(g->program->ctx->arena, &k->stores, y);
        y->kernel = k;
    }
    for (int i = 0; i < g->nodes.n; i++) {
        int group = group_of(f, g->nodes.at[i]);
        if (group >= 0 && of_group[group])
            vec_push(g->program->ctx->arena, &((Lowered *)of_group[group]->lowered)->members,
                     g->nodes.at[i]);
    }
}

void pass_fuse(Graph *g)
{
    places_make(g);
    Arena *scratch = arena_new();
    size_t n = (size_t)g->nodes.n;
    Fuse f = {.g = g, .arena = scratch, .space = ix_space(scratch, g->program->train.batch)};
    f.users = arena_take(scratch, sizeof *f.users * n);
    f.group = arena_take(scratch, sizeof *f.group * n);
    f.waits = arena_take(scratch, sizeof *f.waits * n);
    for (int i = 0; i < 2; i++) {
        f.walks[i].seen = arena_take(scratch, sizeof(int) * n);
        f.walks[i].seen_group = arena_take(scratch, sizeof(int) * n);
    }
    f.walks[1].up = true;
    f.assign = arena_take(scratch, sizeof *f.assign * (size_t)(g->program->vars.n + 1));
    bool *stored = arena_take(scratch, n);
    make_groups(&f);
    link_users(&f);
    order_assigns(&f);
    for (int i = 0; !g->program->unfused && i < g->nodes.n; i++)
        if (f.group[i] >= 0 && !node_multiplies(g->nodes.at[i]) && !f.groups.at[f.group[i]].scan)
            merge_operands(&f, g->nodes.at[i], g->nodes.at[i], 0);
    choose_stores(&f, stored);
    make_kernels(&f, stored);
    arena_free(scratch);
}
