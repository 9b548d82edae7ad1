# SPDX-License-Identifier: MIT
"""A network of workloads.py as an ONNX file, weights included; evaluation mode, any batch."""
import operator

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn

from workloads import Attention, Last, States, Tokens, Turn


def pair(v):
    return list(v) if isinstance(v, (tuple, list)) else [v, v]


def window(m):
    return {'kernel_shape': pair(m.kernel_size), 'strides': pair(m.stride), 'pads': pair(m.padding) * 2}


class Whole(fx.Tracer):
    """Looks into no module that Writer has a form for."""

    def is_leaf_module(self, m, name):
        return isinstance(m, (Attention, Last, States, Tokens, Turn)) or super().is_leaf_module(m, name)


class Writer:
    def __init__(self, shape, tokens):
        self.nodes, self.weights, self.length = [], [], shape[0] if shape else 1
        self.sequence = (bool(tokens) and bool(shape)) or len(shape) == 2

    def weight(self, name, tensor):
        self.weights.append(numpy_helper.from_array(tensor.detach().contiguous().numpy(), name))
        return name

    def node(self, op, inputs, to, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [to], **attributes))

    def numbers(self, name, *values):
        return self.weight(name, torch.tensor(values))

    def linear(self, m, to, x):
        """On the last axis, of any number of axes."""
        name = f'{to}.product' if m.bias is not None else to
        self.node('MatMul', [x, self.weight(f'{to}.weight', m.weight.t())], name)
        if m.bias is not None:
            self.node('Add', [name, self.weight(f'{to}.bias', m.bias)], to)

    def attention(self, m, to, x):
        part = lambda name: f'{to}.{name}'
        width, length = m.out.in_features, self.length
        dim = width // m.heads
        self.linear(m.qkv, part('qkv'), x)
        names = [part(n) for n in 'qkv']
        self.nodes.append(helper.make_node('Split', [part('qkv'), self.numbers(part('sizes'), width, width, width)], names, axis=2))
        for n in names:
            self.node('Reshape', [n, self.numbers(n + '.shape', 0, 0, m.heads, dim)], n + '.split')
            self.node('Transpose', [n + '.split'], n + '.heads', perm=[0, 2, 3, 1] if n == part('k') else [0, 2, 1, 3])
        self.node('MatMul', [part('q.heads'), part('k.heads')], part('scores'))
        self.node('Mul', [part('scores'), self.weight(part('scale'), torch.tensor(dim ** -0.5))], part('scaled'))
        self.node('Add', [part('scaled'), self.weight(part('mask'), torch.full((length, length), -1e30).triu(1))], part('masked'))
        self.node('Softmax', [part('masked')], part('weights'), axis=-1)
        self.node('MatMul', [part('weights'), part('v.heads')], part('values'))
        self.node('Transpose', [part('values')], part('back'), perm=[0, 2, 1, 3])
        self.node('Reshape', [part('back'), self.numbers(part('shape'), 0, 0, width)], part('joined'))
        self.linear(m.out, to, part('joined'))

    def states(self, m, to, x):
        """ONNX has time first, gates in the order z, r, n or i, o, f, c, and both biases of a gate's kind behind each other."""
        part, cell = lambda name: f'{to}.{name}', m.cell
        gru = isinstance(cell, nn.GRU)
        order = (1, 0, 2) if gru else (0, 3, 1, 2)

        def gates(tensor):
            parts = tensor.chunk(len(order))
            return torch.cat([parts[k] for k in order])[None]

        self.node('Transpose', [x], part('turned'), perm=[1, 0, 2])
        weights = [self.weight(part(name), gates(getattr(cell, name))) for name in ('weight_ih_l0', 'weight_hh_l0')]
        bias = self.weight(part('bias'), torch.cat((gates(cell.bias_ih_l0), gates(cell.bias_hh_l0)), 1))
        how = {'linear_before_reset': 1} if gru else {}
        self.node('GRU' if gru else 'LSTM', [part('turned'), *weights, bias], part('all'), hidden_size=cell.hidden_size, **how)
        self.node('Squeeze', [part('all'), self.numbers(part('axis'), 1)], part('states'))
        self.node('Transpose', [part('states')], to, perm=[1, 0, 2])

    def module(self, m, to, x):
        if isinstance(m, Attention):
            return self.attention(m, to, x)
        if isinstance(m, States):
            return self.states(m, to, x)
        if isinstance(m, Turn):
            return self.node('Transpose', [x], to, perm=[0, 2, 1])
        if isinstance(m, Last):
            return self.node('Gather', [x, self.weight(f'{to}.place', torch.tensor(self.length - 1))], to, axis=1)
        if isinstance(m, nn.Embedding):
            return self.node('Gather', [self.weight(f'{to}.weight', m.weight), x], to)
        if isinstance(m, nn.Linear) and self.sequence:
            return self.linear(m, to, x)
        if isinstance(m, Tokens):
            self.node('Gather', [self.weight(f'{to}.weight', m.tokens.weight), x], f'{to}.tokens')
            return self.node('Add', [f'{to}.tokens', self.weight(f'{to}.positions', m.positions.weight[:self.length])], to)
        parts = [self.weight(f'{to}.{name}', t) for name in ('weight', 'bias') if (t := getattr(m, name, None)) is not None]
        if isinstance(m, nn.ConvTranspose2d):
            self.node('ConvTranspose', [x, *parts], to, group=m.groups, **window(m))
        elif isinstance(m, nn.Conv2d):
            self.node('Conv', [x, *parts], to, group=m.groups, **window(m))
        elif isinstance(m, nn.Conv1d):
            self.node('Conv', [x, *parts], to, group=m.groups, kernel_shape=list(m.kernel_size), pads=list(m.padding) * 2)
        elif isinstance(m, nn.LogSoftmax):
            self.node('LogSoftmax', [x], to, axis=m.dim)
        elif isinstance(m, nn.BatchNorm2d):
            parts += [self.weight(f'{to}.mean', m.running_mean), self.weight(f'{to}.var', m.running_var)]
            self.node('BatchNormalization', [x, *parts], to, epsilon=m.eps)
        elif isinstance(m, nn.Linear):
            self.node('Gemm', [x, *parts], to, transB=1)
        elif isinstance(m, nn.LayerNorm):
            self.node('LayerNormalization', [x, *parts], to, epsilon=m.eps)
        elif isinstance(m, nn.GELU):
            self.node('Gelu', [x], to, approximate=m.approximate)
        elif isinstance(m, nn.MaxPool2d):
            self.node('MaxPool', [x], to, **window(m))
        elif isinstance(m, nn.ReLU6):
            self.node('Clip', [x, self.weight(f'{to}.0', torch.tensor(0.)), self.weight(f'{to}.6', torch.tensor(6.))], to)
        elif isinstance(m, nn.LeakyReLU):
            self.node('LeakyRelu', [x], to, alpha=m.negative_slope)
        elif isinstance(m, nn.Unflatten):
            self.node('Reshape', [x, self.numbers(f'{to}.shape', 0, *m.unflattened_size)], to)
        else:
            plain = {nn.ReLU: 'Relu', nn.Sigmoid: 'Sigmoid', nn.Tanh: 'Tanh', nn.Flatten: 'Flatten', nn.Identity: 'Identity',
                     nn.AdaptiveAvgPool2d: 'GlobalAveragePool'}
            self.node(plain[type(m)], [x], to)


def onnx_of(model, shape, tokens=0):
    """The file's bytes; inputs are called as forward calls them, and hold whole numbers if tokens is not 0."""
    model, w = model.eval(), Writer(shape, tokens)
    traced = fx.GraphModule(model, Whole().trace(model))
    modules, said, inputs = dict(traced.named_modules()), {}, []
    for node in traced.graph.nodes:
        given = [said[a] for a in node.all_input_nodes]
        said[node] = node.name
        if node.op == 'placeholder':
            inputs.append(node.name)
        elif node.op == 'output':
            result = given[0]
        elif node.op == 'call_module' and isinstance(modules[node.target], nn.Sequential):
            said[node] = given[0]
        elif node.op == 'call_module':
            w.module(modules[node.target], node.name, given[0])
        elif node.target is torch.cat:
            w.node('Concat', given, node.name, axis=1)
        elif node.target is operator.add:
            w.node('Add', given, node.name)
        elif node.target is operator.mul:
            w.node('Mul', given, node.name)
        else:
            raise ValueError(f'{node.target}: no ONNX for it here')
    value = helper.make_tensor_value_info
    kind = TensorProto.INT64 if tokens else TensorProto.FLOAT
    graph = helper.make_graph(w.nodes, 'model', [value(name, kind, ['N', *shape]) for name in inputs],
                              [value(result, TensorProto.FLOAT, None)], w.weights)
    opset, ir = (20, 9) if any(n.op_type == 'Gelu' for n in w.nodes) else (17, 8)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=ir).SerializeToString()
