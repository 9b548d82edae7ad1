/* SPDX-License-Identifier: MIT */
/* optimizer: adds the optimiser's updates.
 *
 * needs   ROOT_grad roots (pass autodiff)
 * gives   in their place assigns of weights and of the optimiser's state; new state variables
 * breaks  nothing
 *
 * accumulate: each gradient is added to `accumulate.NAME`. train: the gradients, with what was
 * accumulated, are clipped by value, then by their common norm, and go through the optimiser's
 * formula, which is PyTorch's to the order of its operations; averages of weights are of what they
 * become. What is the same for a whole step (rates, bias corrections) is a rank-0 subgraph of scalars
 * and constants: the host computes it.
 */
#include <math.h>
#include <string.h>

#include "../frontend/frontend.h"
#include "../ir/arith.h"
#include "../ops/ops.h"
#include "passes.h"

typedef struct Grad {
    Var *var;
    Node *node;
    int turn;
} Grad;

typedef struct Update { /* of one weight */
    Graph *g;
    const Optimizer *by;
    int turn; /* of Program.players; 0 where there are none */
    const char *
        tag; /* what the states of its weight are told apart by, where several players update it; "" */
    int64_t every;
    Var *var;
    Node *weight, *grad;
    Node *
        occurs; /* 1 where the gradient is one of rows that occur, which alone change; NULL: all do */
} Update;

/* --- short forms ------------------------------------------------------------------------------ */

static Node *scaled(Graph *g, double factor, Node *x)
{
    return mul(g, num(g, factor), x);
}

static Node *root(Graph *g, Node *x)
{
    return build_unary(g, OP_sqrt, x);
}

/* Rank 0: the sum of the squares of a tensor. */
static Node *sum_of_squares(Graph *g, Node *x)
{
    Node *sum = build_reduce(g, OP_reduce_sum, mul(g, x, x), 0, NULL);
    Shape scalar = shape_scalar();
    return sum->shape.rank ? build_reshape(g, sum, &scalar) : sum;
}

/* The state variable `prefix.name.WEIGHT`, shaped as the weight and 0 at first. The functions that
 * train share it. */
static Var *state_var(Program *p, const char *prefix, const char *name, Var *weight)
{
    const char *full =
        arena_format(p->ctx->arena, "%s%s%s.%s", prefix, *name ? "." : "", name, weight->name);
    Var *var = program_find_var(p, full);
    if (var)
        return var;
    Init zero = {.kind = INIT_constant};
    var = program_var(p, full, VAR_state, &weight->shape, zero, weight->loc);
    var->laid_as = weight;
    return var;
}

/* --- formulas: torch.optim's, one step. Each gives the new weight. ---------------------------- */

static Var *own_state(const Update *u, const char *name)
{
    const char *tagged = arena_format(u->g->program->ctx->arena, "%s%s", u->tag, name);
    return state_var(u->g->program, optimizer_rows[u->by->kind].name, tagged, u->var);
}

/* A state that is one number of the weight's, 0 at first. */
static Var *number_var(const Update *u, const char *name)
{
    Program *p = u->g->program;
    const char *full = arena_format(p->ctx->arena, "%s.%s%s.%s", optimizer_rows[u->by->kind].name,
                                    u->tag, name, u->var->name);
    Var *var = program_find_var(p, full);
    Shape scalar = shape_scalar();
    Init zero = {.kind = INIT_constant};
    return var ? var : program_var(p, full, VAR_state, &scalar, zero, u->var->loc);
}

/* The learning rate of this weight. */
static Node *rate(const Update *u)
{
    const Attr attr = {.scalar = SCALAR_lr, .part = u->turn};
    Node *lr = graph_add(u->g, OP_scalar, 0, NULL, &attr);
    return u->var->rate == 1 ? lr : scaled(u->g, u->var->rate, lr);
}

/* How many times the weight's optimiser has taken a step, this one included. */
static Node *steps_taken(const Update *u)
{
    Node *step = build_scalar(u->g, SCALAR_step);
    return u->every == 1 ? step : quotient(u->g, step, num(u->g, (double)u->every));
}

/* The variable becomes `value`, in rows that occur. Gives what it becomes. */
static Node *assign(const Update *u, Var *var, Node *value)
{
    if (u->occurs)
        value = build_where(u->g, u->occurs, value, build_latest(u->g, var));
    build_assign(u->g, var, value);
    return value;
}

/* The state `name` becomes keep * state + add. */
static Node *decayed(const Update *u, const char *name, double keep, Node *more)
{
    Graph *g = u->g;
    Var *var = own_state(u, name);
    Node *value = add(g, scaled(g, keep, build_latest(g, var)), more);
    assign(u, var, value);
    return value;
}

/* grad + weight_decay * weight, for the optimisers that have it in the gradient. */
static Node *with_decay(const Update *u, double weight_decay)
{
    if (weight_decay == 0)
        return u->grad;
    return add(u->g, u->grad, scaled(u->g, weight_decay, u->weight));
}

static Node *sgd(const Update *u)
{
    Graph *g = u->g;
    double momentum = u->by->arg[1];
    bool nesterov = u->by->arg[2] != 0;
    Node *step = with_decay(u, u->by->arg[3]);
    if (momentum != 0) {
        Node *buffer = decayed(u, "momentum_buffer", momentum, step);
        step = nesterov ? add(g, step, scaled(g, momentum, buffer)) : buffer;
    }
    return sub(g, u->weight, mul(g, rate(u), step));
}

/* 1 - beta ** t */
static Node *bias_correction(const Update *u, double beta)
{
    Graph *g = u->g;
    Node *power = build_binary(g, OP_pow, num(g, beta), steps_taken(u));
    return sub(g, num(g, 1), power);
}

/* Adam's formula on `weight`, with the gradient `grad`. */
static Node *adam_step(const Update *u, Node *weight, Node *grad, bool amsgrad)
{
    Graph *g = u->g;
    double beta1 = u->by->arg[1], beta2 = u->by->arg[2], eps = u->by->arg[3];
    Node *mean = decayed(u, "exp_avg", beta1, scaled(g, 1 - beta1, grad));
    Node *square = decayed(u, "exp_avg_sq", beta2, mul(g, scaled(g, 1 - beta2, grad), grad));
    if (amsgrad) {
        Var *most = own_state(u, "max_exp_avg_sq");
        square = build_binary(g, OP_max, build_latest(g, most), square);
        assign(u, most, square);
    }
    Node *size = quotient(g, rate(u), bias_correction(u, beta1));
    Node *unbiased = quotient(g, root(g, square), root(g, bias_correction(u, beta2)));
    return sub(g, weight, quotient(g, mul(g, size, mean), add(g, unbiased, num(g, eps))));
}

static Node *adam(const Update *u)
{
    return adam_step(u, u->weight, with_decay(u, u->by->arg[4]), u->by->arg[5] != 0);
}

static Node *adamw(const Update *u)
{
    Graph *g = u->g;
    double weight_decay = u->by->arg[4];
    Node *weight = u->weight;
    if (weight_decay != 0) {
        Node *shrink = sub(g, num(g, 1), scaled(g, weight_decay, rate(u)));
        weight = mul(g, weight, shrink);
    }
    return adam_step(u, weight, u->grad, false);
}

static Node *rmsprop(const Update *u)
{
    Graph *g = u->g;
    double alpha = u->by->arg[1], eps = u->by->arg[2], momentum = u->by->arg[3];
    bool centered = u->by->arg[4] != 0;
    Node *grad = with_decay(u, u->by->arg[5]);
    Node *square = decayed(u, "square_avg", alpha, mul(g, scaled(g, 1 - alpha, grad), grad));
    if (centered) {
        Node *mean = decayed(u, "grad_avg", alpha, scaled(g, 1 - alpha, grad));
        square = sub(g, square, mul(g, mean, mean));
    }
    Node *size = add(g, root(g, square), num(g, eps)), *lr = rate(u);
    if (momentum == 0)
        return sub(g, u->weight, quotient(g, mul(g, lr, grad), size));
    Node *buffer = decayed(u, "momentum_buffer", momentum, quotient(g, grad, size));
    return sub(g, u->weight, mul(g, lr, buffer));
}

static Node *adagrad(const Update *u)
{
    Graph *g = u->g;
    double eps = u->by->arg[1], lr_decay = u->by->arg[2];
    Node *grad = with_decay(u, u->by->arg[3]);
    Var *sum = own_state(u, "sum");
    Node *square = add(g, build_latest(g, sum), mul(g, grad, grad));
    build_assign(g, sum, square);
    Node *lr = rate(u);
    if (lr_decay != 0) {
        Node *taken = sub(g, steps_taken(u), num(g, 1));
        lr = quotient(g, lr, add(g, num(g, 1), scaled(g, lr_decay, taken)));
    }
    Node *size = add(g, root(g, square), num(g, eps));
    return sub(g, u->weight, quotient(g, mul(g, lr, grad), size));
}

static Node *adadelta(const Update *u)
{
    Graph *g = u->g;
    double rho = u->by->arg[1], eps = u->by->arg[2];
    Node *grad = with_decay(u, u->by->arg[3]);
    Node *square = decayed(u, "square_avg", rho, mul(g, scaled(g, 1 - rho, grad), grad));
    Node *steps = build_latest(g, own_state(u, "acc_delta"));
    Node *ratio =
        quotient(g, root(g, add(g, steps, num(g, eps))), root(g, add(g, square, num(g, eps))));
    Node *step = mul(g, ratio, grad);
    decayed(u, "acc_delta", rho, mul(g, scaled(g, 1 - rho, step), step));
    return sub(g, u->weight, mul(g, rate(u), step));
}

static Node *adamax(const Update *u)
{
    Graph *g = u->g;
    double beta1 = u->by->arg[1], beta2 = u->by->arg[2], eps = u->by->arg[3];
    Node *grad = with_decay(u, u->by->arg[4]);
    Node *mean = decayed(u, "exp_avg", beta1, scaled(g, 1 - beta1, grad));
    Var *most = own_state(u, "exp_inf");
    Node *size = add(g, build_unary(g, OP_abs, grad), num(g, eps));
    size = build_binary(g, OP_max, scaled(g, beta2, build_latest(g, most)), size);
    assign(u, most, size);
    Node *lr = quotient(g, rate(u), bias_correction(u, beta1));
    return sub(g, u->weight, quotient(g, mul(g, lr, mean), size));
}

/* The momentum of step t + later: beta1 (1 - 0.96 ** ((t + later) decay) / 2). */
static Node *nadam_momentum(const Update *u, int later)
{
    Graph *g = u->g;
    Node *t = add(g, steps_taken(u), num(g, later));
    Node *power = build_binary(g, OP_pow, num(g, 0.96), scaled(g, u->by->arg[5], t));
    return scaled(g, u->by->arg[1], sub(g, num(g, 1), scaled(g, 0.5, power)));
}

/* 1 - momentum * product, of missing = 1 - product. */
static Node *still_missing(Graph *g, Node *missing, Node *momentum)
{
    return add(g, sub(g, num(g, 1), momentum), mul(g, momentum, missing));
}

/* What nadam multiplies the gradient and its mean with; the state is what the product of the momenta so far is
 * less than 1. */
static void nadam_rates(const Update *u, Node **of_grad, Node **of_mean)
{
    Graph *g = u->g;
    Node *now = nadam_momentum(u, 0), *next = nadam_momentum(u, 1), *lr = rate(u);
    Var *missing = number_var(u, "missing");
    Node *value = still_missing(g, build_latest(g, missing), now);
    build_assign(g, missing, value);
    *of_grad = quotient(g, mul(g, lr, sub(g, num(g, 1), now)), value);
    *of_mean = quotient(g, mul(g, lr, next), still_missing(g, value, next));
}

static Node *nadam(const Update *u)
{
    Graph *g = u->g;
    double beta1 = u->by->arg[1], beta2 = u->by->arg[2], eps = u->by->arg[3];
    Node *grad = with_decay(u, u->by->arg[4]), *of_grad, *of_mean;
    nadam_rates(u, &of_grad, &of_mean);
    Node *mean = decayed(u, "exp_avg", beta1, scaled(g, 1 - beta1, grad));
    Node *square = decayed(u, "exp_avg_sq", beta2, mul(g, scaled(g, 1 - beta2, grad), grad));
    Node *size = add(g, root(g, quotient(g, square, bias_correction(u, beta2))), num(g, eps));
    Node *step = add(g, mul(g, of_grad, grad), mul(g, of_mean, mean));
    return sub(g, u->weight, quotient(g, step, size));
}

/* Chen et al., 2023: the sign of a mean that leans to the gradient; weight decay apart from it. */
static Node *lion(const Update *u)
{
    Graph *g = u->g;
    double beta1 = u->by->arg[1], beta2 = u->by->arg[2], weight_decay = u->by->arg[3];
    Node *mean = build_latest(g, own_state(u, "exp_avg")), *lr = rate(u);
    Node *lean = add(g, scaled(g, beta1, mean), scaled(g, 1 - beta1, u->grad));
    decayed(u, "exp_avg", beta2, scaled(g, 1 - beta2, u->grad));
    Node *step = build_unary(g, OP_sign, lean);
    if (weight_decay != 0)
        step = add(g, step, scaled(g, weight_decay, u->weight));
    return sub(g, u->weight, mul(g, lr, step));
}

/* |weight| / |step|; 1 where either is 0. */
static Node *trust_ratio(Graph *g, Node *weight, Node *step)
{
    Node *of_weight = root(g, sum_of_squares(g, weight)),
         *of_step = root(g, sum_of_squares(g, step));
    Node *both =
        build_binary(g, OP_greater, build_binary(g, OP_min, of_weight, of_step), num(g, 0));
    Node *divisor = build_where(g, both, of_step, num(g, 1));
    return build_where(g, both, quotient(g, of_weight, divisor), num(g, 1));
}

/* You et al., 2020: Adam's step, with weight decay in it, made as long as the weight is, times the rate. */
static Node *lamb(const Update *u)
{
    Graph *g = u->g;
    double beta1 = u->by->arg[1], beta2 = u->by->arg[2], eps = u->by->arg[3];
    Node *mean = decayed(u, "exp_avg", beta1, scaled(g, 1 - beta1, u->grad));
    Node *square = decayed(u, "exp_avg_sq", beta2, mul(g, scaled(g, 1 - beta2, u->grad), u->grad));
    Node *unbiased = root(g, quotient(g, square, bias_correction(u, beta2)));
    Node *step =
        quotient(g, quotient(g, mean, bias_correction(u, beta1)), add(g, unbiased, num(g, eps)));
    if (u->by->arg[4] != 0)
        step = add(g, step, scaled(g, u->by->arg[4], u->weight));
    Node *length = mul(g, rate(u), trust_ratio(g, u->weight, step));
    return sub(g, u->weight, mul(g, length, step));
}

static Node *(*const formulas[OPT_COUNT])(const Update *) = {
#define OPTIMIZER(name, ...) [OPT_##name] = name,
#include "../frontend/optimizers.def"
#undef OPTIMIZER
};

/* --- gradients, before the formula ------------------------------------------------------------ */

/* What is built from here on belongs to this variable. Gives the first node it may name. */
static int write_for(Graph *g, const Var *var, const char *what)
{
    g->loc = var->loc;
    g->what = what;
    g->role = ROLE_update;
    return g->nodes.n;
}

static void name_new(Graph *g, int first, const char *name)
{
    for (int i = first; i < g->nodes.n; i++)
        if (!g->nodes.at[i]->name && g->nodes.at[i]->n_in)
            g->nodes.at[i]->name = name;
}

/* Takes the ROOT_grad roots out of the graph. */
static int take_grads(Graph *g, Grad *grad)
{
    int n = 0, kept = 0;
    for (int i = 0; i < g->roots.n; i++) {
        Root root = g->roots.at[i];
        if (root.kind == ROOT_grad)
            grad[n++] = (Grad){g->program->vars.at[root.index], root.node, root.turn};
        else
            g->roots.at[kept++] = root;
    }
    g->roots.n = kept;
    return n;
}

static void accumulate(Graph *g, const Grad *grad)
{
    int first = write_for(g, grad->var, "accumulate");
    Var *sum = state_var(g->program, "accumulate", "", grad->var);
    build_assign(g, sum, add(g, build_var(g, sum), grad->node));
    name_new(g, first, grad->var->name);
}

/* The mean over the calls of a step, this last one included; what was accumulated starts again. */
static void mean_of_calls(Graph *g, Grad *grad, int64_t calls)
{
    int first = write_for(g, grad->var, "accumulate");
    Var *sum = state_var(g->program, "accumulate", "", grad->var);
    Node *total = add(g, build_var(g, sum), grad->node);
    grad->node = quotient(g, total, num(g, (double)calls));
    build_assign(g, sum, build_fill(g, &sum->shape, 0));
    name_new(g, first, grad->var->name);
}

static void clip_value(Graph *g, Grad *grad, double limit)
{
    int first = write_for(g, grad->var, "clip_value");
    Node *above = build_binary(g, OP_max, grad->node, num(g, -limit));
    grad->node = build_binary(g, OP_min, above, num(g, limit));
    name_new(g, first, grad->var->name);
}

/* All gradients times min(1, limit / (their norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. */
static void clip_norm(Graph *g, Grad *grad, int n, double limit)
{
    Node *sum = NULL;
    for (int i = 0; i < n; i++) {
        int first = write_for(g, grad[i].var, "clip_norm");
        Node *square = sum_of_squares(g, grad[i].node);
        sum = sum ? add(g, sum, square) : square;
        name_new(g, first, grad[i].var->name);
    }
    g->loc = g->program->train.loc;
    Node *ratio = quotient(g, num(g, limit), add(g, root(g, sum), num(g, 1e-6)));
    Node *factor = build_binary(g, OP_min, ratio, num(g, 1));
    for (int i = 0; i < n; i++) {
        int first = write_for(g, grad[i].var, "clip_norm");
        grad[i].node = mul(g, grad[i].node, factor);
        name_new(g, first, grad[i].var->name);
    }
}

static void prepare(Graph *g, Grad *grad, int n)
{
    const Train *train = &g->program->train;
    for (int i = 0; i < n && train->accumulate > 1; i++)
        mean_of_calls(g, &grad[i], train->accumulate);
    for (int i = 0; i < n && train->clip_value > 0; i++)
        clip_value(g, &grad[i], train->clip_value);
    if (n > 0 && train->clip_norm > 0)
        clip_norm(g, grad, n, train->clip_norm);
}

/* --- the pass --------------------------------------------------------------------------------- */

/* adam's `lazy`: of a table whose gradient is of the rows that occur, all others are left alone, their state
 * too. In those the gradient is made NaN, which nothing is equal to. */
static void leave_rows(Update *u)
{
    enum { LAZY = 6 };
    Graph *g = u->g;
    if (u->by->kind != OPT_adam || u->by->arg[LAZY] == 0 || u->grad->op != OP_scatter_add)
        return;
    const Attr attr = {.value = NAN};
    u->grad = graph_add_as(g, OP_scatter_add, 2, u->grad->in, &attr, &u->grad->shape, DT_f32);
    u->occurs = build_binary(g, OP_equal, u->grad, u->grad);
}

/* The optimiser with the weight's own weight decay, where it has one. */
static Optimizer of_weight(const Optimizer *by, const Var *var)
{
    Optimizer own = *by;
    const ArgRow *row = optimizer_rows[by->kind].arg;
    for (int i = 0, at = 0; i < OPTIMIZER_ARGS && row[i].name; i++) {
        if (strcmp(row[i].name, "weight_decay") == 0 && !isnan(var->weight_decay))
            own.arg[at] = var->weight_decay;
        at += row[i].type == ARG_reals ? 2 : 1;
    }
    return own;
}

/* `ema.NAME` becomes decay * itself + (1 - decay) * the new weight; in the first steps the weight itself, as
 * torch.optim.swa_utils' and Keras' averages begin. */
static void average(Graph *g, Var *var, Node *weight)
{
    const Train *train = &g->program->train;
    double start = train->ema_start > 1 ? (double)train->ema_start : 1;
    Var *mean = state_var(g->program, "ema", "", var);
    Node *step = build_scalar(g, SCALAR_step);
    Node *late = build_binary(g, OP_greater, step, num(g, start));
    Node *keep = scaled(g, train->ema_decay, late);
    Node *kept = mul(g, keep, build_var(g, mean));
    Node *rest = sub(g, num(g, 1), keep);
    build_assign(g, mean, add(g, kept, mul(g, rest, weight)));
}

static void update(Graph *g, const Grad *grad)
{
    const Program *p = g->program;
    const Player *player = p->players.n ? &p->players.at[grad->turn] : NULL;
    const Optimizer own = of_weight(player ? &player->optimizer : &p->train.optimizer, grad->var);
    bool again = player && grad->var->players & ((1U << grad->turn) - 1);
    int first = write_for(g, grad->var, optimizer_rows[own.kind].name);
    Update u = {.g = g,
                .by = &own,
                .turn = grad->turn,
                .tag = again ? arena_format(p->ctx->arena, "%s.", player->loss) : "",
                .every = player ? player->every : 1,
                .var = grad->var,
                .weight = build_latest(g, grad->var),
                .grad = grad->node};
    leave_rows(&u);
    Node *weight = assign(&u, grad->var, formulas[own.kind](&u));
    bool last = !player || var_updated_by(g, grad->var, p->players.n) == grad->turn;
    if (p->train.averages && last)
        average(g, grad->var, weight);
    name_new(g, first, grad->var->name);
}

/* What weights are after a turn, for the leaves that stand for it: weights of which the turn has no gradient stay as
 * they were. */
static void put_updated(Graph *g, int turn)
{
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        for (int k = 0; k < y->n_in; k++)
            if (y->in[k]->op == OP_updated && y->in[k]->attr->part == turn)
                y->in[k] = build_latest(g, y->in[k]->attr->var);
    }
    for (int i = 0; i < g->roots.n; i++) {
        Node **y = &g->roots.at[i].node;
        if ((*y)->op == OP_updated && (*y)->attr->part == turn)
            *y = build_latest(g, (*y)->attr->var);
    }
}

/* Makes updates of the `n` gradients of one turn. */
static void take_turn(Graph *g, int turn, Grad *grad, int n)
{
    g->turn = turn;
    if (g->fn != FN_accumulate)
        prepare(g, grad, n);
    for (int i = 0; i < n; i++)
        (g->fn == FN_accumulate ? accumulate : update)(g, &grad[i]);
    put_updated(g, turn);
}

/* The gradients of inputs are numbered after the variables, of which there are more now than when
 * pass autodiff made the roots. Every f32 input has one, the last input the last. */
static void renumber_inputs(Graph *g)
{
    const Program *p = g->program;
    int last_input = -1, last_root = -1;
    for (int i = 0; i < p->inputs.n; i++)
        if (p->inputs.at[i].dtype == DT_f32)
            last_input = i;
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_grad && g->roots.at[i].index > last_root)
            last_root = g->roots.at[i].index;
    int base = last_root - last_input;
    for (int i = 0; i < g->roots.n && last_input >= 0; i++)
        if (g->roots.at[i].kind == ROOT_grad && g->roots.at[i].index >= base)
            g->roots.at[i].index += p->vars.n - base;
}

void pass_optimizer(Graph *g)
{
    if (g->fn == FN_grad)
        renumber_inputs(g);
    if (!fn_trains(g->fn) || g->outer)
        return;
    Arena *scratch = arena_new();
    Graph as = *g;
    Grad *grad = arena_take(scratch, sizeof *grad * (size_t)(g->roots.n + 1));
    int n = take_grads(g, grad), turns = g->program->players.n ? g->program->players.n : 1;
    for (int turn = 0, first = 0; turn < turns; turn++) {
        int end = first;
        while (end < n && grad[end].turn == turn)
            end++;
        take_turn(g, turn, grad + first, end - first);
        first = end;
    }
    g->loc = as.loc;
    g->what = as.what;
    g->role = as.role;
    g->turn = as.turn;
    arena_free(scratch);
    graph_sort(g);
}
