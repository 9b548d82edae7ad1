/* SPDX-License-Identifier: MIT */
/* layers_transformer.c: stacks of PyTorch's TransformerEncoderLayer and TransformerDecoderLayer, batch
 * first.
 */
#include <string.h>

#include "attention.h"

enum { HEADS, FFN, LAYERS, NORM, ACTIVATION, DROPOUT, CAUSAL, LENGTHS, MEMORY_LENGTHS };

typedef struct Stack {
    Call *c;
    bool first; /* norms stand before what they belong to, not after the sum */
    int64_t heads, ffn;
    double dropout;
    bool causal;
    Node *lengths, *memory_lengths;
    const char *layer; /* "layers.0." */
} Stack;

static const char *named(const Stack *s, const char *name)
{
    return arena_format(s->c->ctx->arena, "%s%s", s->layer, name);
}

static Node *norm(const Stack *s, const char *name, Node *x)
{
    return rows_layernorm(s->c, named(s, name), x, 1e-5);
}

static Node *linear(const Stack *s, const char *name, Node *x, int64_t units)
{
    if (!x)
        return NULL;
    int64_t in = x->shape.dim[2];
    const Shape matrix = shape_of(2, (int64_t[]){units, in}), row = shape_of(1, &units);
    Arena *arena = s->c->ctx->arena;
    const char *path = named(s, name);
    Node *w = call_weight(s->c, arena_format(arena, "%s.weight", path), &matrix, rows_uniform(in),
                          in, units);
    Node *b =
        call_weight(s->c, arena_format(arena, "%s.bias", path), &row, rows_uniform(in), in, units);
    return w && b ? rows_linear(s->c->g, x, w, b) : NULL;
}

/* x and what part i of a layer makes of it, with norm i. */
typedef Node *Part(const Stack *, Node *x, Node *memory);

static Node *add_part(const Stack *s, Node *x, Node *memory, Part *part, const char *norm_name)
{
    if (!x)
        return NULL;
    Node *y = part(s, s->first ? norm(s, norm_name, x) : x, memory);
    y = y ? build_binary(s->c->g, OP_add, x, rows_dropout(s->c, y, s->dropout)) : NULL;
    return s->first || !y ? y : norm(s, norm_name, y);
}

static Attention attention_of(const Stack *s, const char *name)
{
    const Arg *heads = &s->c->arg[HEADS];
    return (Attention){.prefix = named(s, name),
                       .heads_arg = heads,
                       .kv_heads_arg = heads,
                       .heads = s->heads,
                       .kv_heads = s->heads,
                       .bias = true,
                       .dropout = s->dropout};
}

static Node *self_attention(const Stack *s, Node *x, Node *memory)
{
    (void)memory;
    Attention a = attention_of(s, "self_attn.");
    a.causal = s->causal;
    a.lengths = s->lengths;
    return x ? attention_build(s->c, &a, (Node *[]){x, x, x}) : NULL;
}

static Node *cross_attention(const Stack *s, Node *x, Node *memory)
{
    Attention a = attention_of(s, "multihead_attn.");
    a.lengths = s->memory_lengths;
    return x ? attention_build(s->c, &a, (Node *[]){x, memory, memory}) : NULL;
}

static Node *feed_forward(const Stack *s, Node *x, Node *memory)
{
    (void)memory;
    Call *c = s->c;
    Node *h = linear(s, "linear1", x, s->ffn);
    if (h)
        h = c->arg[ACTIVATION].given ? call_activation(c, c->arg[ACTIVATION].y, h)
                                     : build_unary(c->g, OP_relu, h);
    return h ? linear(s, "linear2", rows_dropout(c, h, s->dropout), x->shape.dim[2]) : NULL;
}

static bool in_range(Call *c, int arg, int64_t most)
{
    if (c->arg[arg].i >= 1 && c->arg[arg].i <= most)
        return true;
    diag_error(&c->ctx->diag, c->arg[arg].loc, "%s: %s: %lld is out of range: 1 to %lld",
               c->row->name, c->row->arg[arg].name, (long long)c->arg[arg].i, (long long)most);
    return false;
}

static bool read_stack(Call *c, Stack *s)
{
    enum { LAYERS_MAX = 1024 };
    *s = (Stack){.c = c,
                 .first = strcmp(c->arg[NORM].s, "pre") == 0,
                 .heads = c->arg[HEADS].i,
                 .ffn = c->arg[FFN].i,
                 .dropout = c->arg[DROPOUT].r,
                 .causal = c->arg[CAUSAL].b};
    if (!(s->dropout >= 0 && s->dropout <= 1)) {
        diag_error(&c->ctx->diag, c->arg[DROPOUT].loc, "%s: dropout is a probability, 0 to 1",
                   c->row->name);
        return false;
    }
    if (!in_range(c, FFN, DIM_MAX) || !in_range(c, LAYERS, LAYERS_MAX))
        return false;
    if (c->arg[LENGTHS].given && !(s->lengths = attention_lengths(c, &c->arg[LENGTHS])))
        return false;
    return c->n_in == 1 || !c->arg[MEMORY_LENGTHS].given ||
           (s->memory_lengths = attention_lengths(c, &c->arg[MEMORY_LENGTHS]));
}

static Node *transformer_encoder(Call *c)
{
    Stack s;
    if (!read_stack(c, &s))
        return NULL;
    Node *x = rows_operand(c, 0);
    for (int64_t i = 0; i < c->arg[LAYERS].i; i++) {
        s.layer = arena_format(c->ctx->arena, "layers.%lld.", (long long)i);
        x = add_part(&s, x, NULL, self_attention, "norm1");
        x = add_part(&s, x, NULL, feed_forward, "norm2");
    }
    return x;
}

static Node *transformer_decoder(Call *c)
{
    Stack s;
    if (!read_stack(c, &s))
        return NULL;
    Node *x = rows_operand(c, 0), *memory = rows_operand(c, 1);
    for (int64_t i = 0; i < c->arg[LAYERS].i && memory; i++) {
        s.layer = arena_format(c->ctx->arena, "layers.%lld.", (long long)i);
        x = add_part(&s, x, memory, self_attention, "norm1");
        x = add_part(&s, x, memory, cross_attention, "norm2");
        x = add_part(&s, x, memory, feed_forward, "norm3");
    }
    return memory ? x : NULL;
}

#define STACK                                                                                      \
    NEEDS("heads", int), TAKES("ffn", int, "2048"), TAKES("layers", int, "1"),                     \
        WORDS("norm", "post", "post pre"), TAKES("activation", yaml, ""),                          \
        TAKES("dropout", real, "0.1"), TAKES("causal", bool, "false"), TAKES("lengths", word, "")

const CallRow call_transformer_encoder = {
    .name = "transformer_encoder",
    .min_in = 1,
    .max_in = 1,
    .arg = {STACK},
    .build = transformer_encoder,
    .flags = CALL_layer | CALL_weights,
    .text = "layers of attention and a network of two dense layers (activation: relu), each added "
            "to what it "
            "is made of and normed; weights: PyTorch's, layers.0.self_attn.in_proj_weight, ...",
};

const CallRow call_transformer_decoder = {
    .name = "transformer_decoder",
    .min_in = 2,
    .max_in = 2,
    .arg = {STACK, TAKES("memory_lengths", word, "")},
    .build = transformer_decoder,
    .flags = CALL_layer | CALL_weights,
    .text =
        "the same of [x, memory], with attention to memory between the two; weights: PyTorch's, "
        "layers.0.multihead_attn.in_proj_weight, ...",
};
