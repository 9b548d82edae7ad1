# SPDX-License-Identifier: MIT
"""A network of workloads.py as an ONNX file, weights included; evaluation mode, any batch."""
import operator

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn


def pair(v):
    return list(v) if isinstance(v, (tuple, list)) else [v, v]


def window(m):
    return {'kernel_shape': pair(m.kernel_size), 'strides': pair(m.stride), 'pads': pair(m.padding) * 2}


class Writer:
    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, tensor):
        self.weights.append(numpy_helper.from_array(tensor.detach().contiguous().numpy(), name))
        return name

    def node(self, op, inputs, to, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [to], **attributes))

    def module(self, m, to, x):
        parts = [self.weight(f'{to}.{name}', t) for name in ('weight', 'bias') if (t := getattr(m, name, None)) is not None]
        if isinstance(m, nn.ConvTranspose2d):
            self.node('ConvTranspose', [x, *parts], to, group=m.groups, **window(m))
        elif isinstance(m, nn.Conv2d):
            self.node('Conv', [x, *parts], to, group=m.groups, **window(m))
        elif isinstance(m, nn.BatchNorm2d):
            parts += [self.weight(f'{to}.mean', m.running_mean), self.weight(f'{to}.var', m.running_var)]
            self.node('BatchNormalization', [x, *parts], to, epsilon=m.eps)
        elif isinstance(m, nn.Linear):
            self.node('Gemm', [x, *parts], to, transB=1)
        elif isinstance(m, nn.MaxPool2d):
            self.node('MaxPool', [x], to, **window(m))
        elif isinstance(m, nn.ReLU6):
            self.node('Clip', [x, self.weight(f'{to}.0', torch.tensor(0.)), self.weight(f'{to}.6', torch.tensor(6.))], to)
        else:
            plain = {nn.ReLU: 'Relu', nn.Sigmoid: 'Sigmoid', nn.Flatten: 'Flatten', nn.Identity: 'Identity',
                     nn.AdaptiveAvgPool2d: 'GlobalAveragePool'}
            self.node(plain[type(m)], [x], to)


def onnx_of(model, shape):
    """The file's bytes; its input is called x."""
    traced, w = fx.symbolic_trace(model.eval()), Writer()
    modules, said = dict(traced.named_modules()), {}
    for node in traced.graph.nodes:
        given = [said[a] for a in node.all_input_nodes]
        said[node] = node.name
        if node.op == 'placeholder':
            said[node] = 'x'
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
        else:
            raise ValueError(f'{node.target}: no ONNX for it here')
    value = helper.make_tensor_value_info
    graph = helper.make_graph(w.nodes, 'model', [value('x', TensorProto.FLOAT, ['N', *shape])],
                              [value(result, TensorProto.FLOAT, None)], w.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8).SerializeToString()
