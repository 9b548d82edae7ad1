# SPDX-License-Identifier: MIT
"""A network of workloads.py, of tokens, continued token by token in PyTorch: keys and values of earlier tokens are kept."""
import torch
import torch.nn.functional as F

from workloads import Attention, Residual

KEPT, LENGTH = 64, 96  # tokens that are read before the first step, and after how many it starts over


def attend(m, x, past):
    """The result, and the keys and values of all tokens so far."""
    q, k, v = m.qkv(x).unflatten(2, (3, m.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    if past:
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
    return m.out(F.scaled_dot_product_attention(q, k, v, is_causal=not past).transpose(1, 2).flatten(2)), (k, v)


def read(net, tokens, at, past):
    """(the scores of what follows, what is kept) after tokens of which the first is at position `at`."""
    embedding, *layers = net
    x, kept = embedding.tokens(tokens) + embedding.positions.weight[at:at + tokens.shape[1]], []
    for layer in layers:
        if isinstance(layer, Residual) and isinstance(layer.body[1], Attention):
            y, pair = attend(layer.body[1], layer.body[0](x), past[len(kept)] if past else None)
            kept.append(pair)
            x = x + y
        else:
            x = layer(x)
    return x[:, -1], kept


def decode_step(w):
    """A function that reads a token and chooses the next, the likeliest."""
    net = w.net().eval()
    with torch.inference_mode():
        first, kept = read(net, torch.randint(0, w.tokens, (1, KEPT)), 0, None)
    state = {}

    def step():
        with torch.inference_mode():
            if state.get('at', LENGTH) >= LENGTH:
                state.update(token=first.argmax(1, True), past=kept, at=KEPT)
            scores, past = read(net, state['token'], state['at'], state['past'])
            state.update(token=scores.argmax(1, True), past=past, at=state['at'] + 1)
    return step
