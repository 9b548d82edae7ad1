#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times programs of nncc beside PyTorch and onnxruntime.

  peers.py DIR                            all of it; DIR holds the programs toy_2_3_1 and mlp_mnist
  peers.py one SYSTEM MODEL PHASE BATCH   one measurement in this process: milliseconds a step, the median

Each measurement is a process of its own, with the same number of threads. Rounds alternate in order, so that what else
the machine does falls on all alike; the median of the rounds counts. torch is the faster of eager and, from PyTorch 2
on, torch.compile (model, loss and optimiser's step).
"""
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

SECONDS = float(os.environ.get('SECONDS_EACH', '2'))
ROUNDS = int(os.environ.get('ROUNDS', '3'))
THREADS = int(os.environ.get('THREADS') or os.environ.get('OMP_NUM_THREADS') or min(2, os.cpu_count() or 1))
CASES = [('toy_2_3_1', 'train', 4), ('toy_2_3_1', 'predict', 1), ('toy_2_3_1', 'predict', 4),
         ('mlp_mnist', 'train', 128), ('mlp_mnist', 'predict', 1), ('mlp_mnist', 'predict', 128)]


def measure(step):
    """The median of groups of calls that last 2 ms or more, as the programs' own `bench` does."""
    for _ in range(8):
        step()
    group, took = 1, 0.0
    while took < 2e-3:
        start = time.perf_counter()
        for _ in range(group):
            step()
        took = time.perf_counter() - start
        group *= 1 if took >= 2e-3 else 2
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(group):
            step()
        times.append((time.perf_counter() - start) / group)
    return statistics.median(times) * 1e3


# --- PyTorch ---------------------------------------------------------------------------------------------------------

def torch_model(name):
    from torch import nn
    if name == 'toy_2_3_1':
        return nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def torch_data(name, batch):
    import torch
    if name == 'toy_2_3_1':
        return torch.rand(batch, 2), torch.randint(0, 2, (batch, 1)).float()
    return torch.rand(batch, 784), torch.randint(0, 10, (batch,))


def torch_step(name, phase, batch, compiled):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = torch_model(name)
    pool = [torch_data(name, batch) for _ in range(4)]
    turn = [0]

    def take():
        turn[0] += 1
        return pool[turn[0] % 4]

    if phase == 'predict':
        run = torch.compile(model.eval()) if compiled else model.eval()

        def predict():
            with torch.inference_mode():
                run(take()[0])
        return predict
    loss_of = F.binary_cross_entropy if name == 'toy_2_3_1' else F.cross_entropy
    rate = {'lr': 0.5} if name == 'toy_2_3_1' else {'lr': 0.01, 'momentum': 0.9}
    optimizer = torch.optim.SGD(model.parameters(), **rate)

    def forward(x, y):
        return loss_of(model(x), y)
    forward = torch.compile(forward) if compiled else forward
    update = torch.compile(optimizer.step) if compiled else optimizer.step

    def train():
        loss = forward(*take())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
        return loss
    return train


# --- onnxruntime -----------------------------------------------------------------------------------------------------

def onnx_file(name):
    """The network as ONNX, its weights random."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    sizes, act = ([2, 3, 1], 'Sigmoid') if name == 'toy_2_3_1' else ([784, 512, 512, 10], 'Relu')
    rng, nodes, weights, x = np.random.default_rng(1), [], [], 'x'
    for i in range(len(sizes) - 1):
        shape, last = (sizes[i], sizes[i + 1]), i == len(sizes) - 2
        for part, values in (('w', rng.normal(0, 0.05, shape)), ('b', np.zeros(sizes[i + 1]))):
            weights.append(numpy_helper.from_array(values.astype('f4'), f'{part}{i}'))
        nodes.append(helper.make_node('Gemm', [x, f'w{i}', f'b{i}'], [f'g{i}']))
        x = f'g{i}'
        if not last or act == 'Sigmoid':
            nodes.append(helper.make_node(act, [x], [f'a{i}']))
            x = f'a{i}'
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['N', sizes[0]])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ['N', sizes[-1]])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return model.SerializeToString(), sizes[0]


def ort_step(name, batch):
    import numpy as np
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    model, width = onnx_file(name)
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    x = np.random.default_rng(2).random((batch, width), dtype='f4')
    return lambda: session.run(None, {'x': x})


# --- the table -------------------------------------------------------------------------------------------------------

def one(system, name, phase, batch):
    if system == 'onnxruntime':
        return measure(ort_step(name, batch))
    return measure(torch_step(name, phase, batch, system == 'compile'))


def time_of(system, folder, case):
    """Milliseconds a step, in a process of its own; None: it does not run here."""
    name, phase, batch = case
    env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), OPENBLAS_NUM_THREADS=str(THREADS))
    command = [sys.executable, os.path.abspath(__file__), 'one', system, name, phase, str(batch)]
    if system == 'nncc':
        command = [os.path.join(folder, name), 'bench', '--' + phase, '--json', '--batch', str(batch),
                   '--threads', str(THREADS), '--seconds', str(SECONDS)]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            return None
        last = done.stdout.strip().splitlines()[-1]
        return json.loads(last)['median_ms'] if system == 'nncc' else float(last)
    except (subprocess.TimeoutExpired, OSError, ValueError, IndexError):
        return None


def systems_here():
    import torch
    here = ['nncc', 'torch']
    if hasattr(torch, 'compile'):
        here.append('compile')
    if importlib.util.find_spec('onnxruntime') and importlib.util.find_spec('onnx'):
        here.append('onnxruntime')
    return here, torch.__version__


def main(folder):
    systems, version = systems_here()
    print(f'PyTorch {version}, {THREADS} thread{"s" if THREADS > 1 else ""}, {ROUNDS} rounds of {SECONDS:g} s; '
          'ms a step, medians; ratio: the fastest of the others to nncc')
    titles = {'nncc': 'nncc', 'torch': 'torch', 'compile': 'torch.compile', 'onnxruntime': 'onnxruntime'}
    print(f'{"":26s}' + ''.join(f'{titles[s]:>15s}' for s in systems) + f'{"ratio":>9s}')
    for case in CASES:
        times = {s: [] for s in systems}
        failed = set()
        for i in range(ROUNDS):
            for s in systems if i % 2 == 0 else reversed(systems):
                if s in failed or (s == 'onnxruntime' and case[1] == 'train'):
                    continue
                ms = time_of(s, folder, case)
                times[s].append(ms) if ms is not None else failed.add(s)
        medians = {s: statistics.median(t) if t and s not in failed else None for s, t in times.items()}
        others = [m for s, m in medians.items() if s != 'nncc' and m is not None]
        ratio = f'{min(others) / medians["nncc"]:8.2f}x' if others and medians['nncc'] else f'{"-":>9s}'
        cells = ''.join(f'{"-" if medians[s] is None else format(medians[s], ".4g"):>15s}' for s in systems)
        print(f'{case[0]:10s} {case[1]:8s} {case[2]:4d}  {cells}{ratio}', flush=True)


if __name__ == '__main__':
    if len(sys.argv) == 6 and sys.argv[1] == 'one':
        print(one(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
    elif len(sys.argv) == 2 and os.path.isdir(sys.argv[1]):
        main(sys.argv[1])
    else:
        sys.exit(__doc__)
