#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times programs of nncc beside PyTorch and onnxruntime.

  peers.py DIR [WORKLOAD]...              all of them, or those named; DIR holds the programs, named as the workloads
  peers.py one SYSTEM NAME PHASE BATCH    one measurement in this process: milliseconds a step, the median

Each measurement is a process of its own, with the same number of threads. Rounds alternate in order, so that what else
the machine does falls on all alike; the median of the rounds counts. PyTorch runs eager, on channels-last tensors where
there are images, and compiled (from PyTorch 2 on: model, loss and optimiser's step).
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
POOL, WARM, LEAST = 4, 4, 5  # batches used in turn; steps before the clock counts; steps that are timed at least
TITLES = {'nncc': 'nncc', 'eager': 'torch', 'last': 'channels_last', 'compile': 'torch.compile', 'ort': 'onnxruntime'}


def measure(step):
    """The median of groups of calls that last 2 ms or more, as the programs' own `bench` does."""
    for _ in range(WARM):
        step()
    group, took = 1, 0.0
    while took < 2e-3:
        start = time.perf_counter()
        for _ in range(group):
            step()
        took = time.perf_counter() - start
        group *= 1 if took >= 2e-3 else 2
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < LEAST:
        start = time.perf_counter()
        for _ in range(group):
            step()
        times.append((time.perf_counter() - start) / group)
    return statistics.median(times) * 1e3


# --- PyTorch ---------------------------------------------------------------------------------------------------------

def torch_step(w, phase, batch, system):
    import torch
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = w.net()
    pool = [(torch.rand(batch, *w.x), w.y(batch) if w.y else None) for _ in range(POOL)]
    if system == 'last':
        model = model.to(memory_format=torch.channels_last)
        pool = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in pool]
    turn = [0]

    def take():
        turn[0] += 1
        return pool[turn[0] % POOL]

    compiled = torch.compile if system == 'compile' else lambda f: f
    if phase == 'predict':
        run = compiled(model.eval())

        def predict():
            with torch.inference_mode():
                run(take()[0])
        return predict
    optimizer = w.optimizer(model.parameters())
    forward, update = compiled(lambda x, y: w.loss(model(x), y)), compiled(optimizer.step)

    def train():
        loss = forward(*take())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
    return train


# --- onnxruntime -----------------------------------------------------------------------------------------------------

def ort_step(w, batch):
    import numpy as np
    import onnxruntime
    from onnx_of import onnx_of
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx_of(w.net(), w.x), options, providers=['CPUExecutionProvider'])
    rng, turn = np.random.default_rng(2), [0]
    pool = [rng.random((batch, *w.x), dtype='f4') for _ in range(POOL)]

    def run():
        turn[0] += 1
        session.run(None, {'x': pool[turn[0] % POOL]})
    return run


# --- the table -------------------------------------------------------------------------------------------------------

def one(system, name, phase, batch):
    from workloads import find
    w = find(name)
    return measure(ort_step(w, batch) if system == 'ort' else torch_step(w, phase, batch, system))


def time_of(system, folder, name, phase, batch):
    """Milliseconds a step, in a process of its own; None: it does not run here."""
    env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), OPENBLAS_NUM_THREADS=str(THREADS))
    command = [sys.executable, os.path.abspath(__file__), 'one', system, name, phase, str(batch)]
    if system == 'nncc':
        command = [os.path.join(folder, name), 'bench', '--' + phase, '--json', '--batch', str(batch),
                   '--threads', str(THREADS), '--seconds', str(SECONDS)]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            return None
        last = done.stdout.strip().splitlines()[-1]
        return json.loads(last)['median_ms'] if system == 'nncc' else float(last)
    except (subprocess.TimeoutExpired, OSError, ValueError, IndexError):
        return None


def systems_here():
    import torch
    here = ['nncc', 'eager', 'last'] + (['compile'] if hasattr(torch, 'compile') else [])
    if importlib.util.find_spec('onnxruntime') and importlib.util.find_spec('onnx'):
        here.append('ort')
    wanted = os.environ.get('SYSTEMS', '').split()
    return [s for s in here if s in ['nncc', 'eager'] + wanted] if wanted else here, torch.__version__


def check_size(folder, w):
    """Both sides are the network that the table means: its number of parameters."""
    theirs = sum(p.numel() for p in w.net().parameters())
    done = subprocess.run([os.path.join(folder, w.name), 'info', '--json'], capture_output=True, text=True)
    ours = json.loads(done.stdout)['parameters'] if done.returncode == 0 else None
    if theirs != w.parameters or ours not in (None, w.parameters):
        sys.exit(f'{w.name}: {w.parameters} parameters are wanted; torch has {theirs}, nncc {ours}')


def row(systems, folder, w, phase, batch):
    """One line: milliseconds of each system, then how many times as long eager PyTorch and the fastest of all take."""
    times, failed = {s: [] for s in systems}, set()
    failed |= {'ort'} if phase == 'train' else set()
    failed |= {'last'} if len(w.x) < 3 else set()
    for i in range(ROUNDS):
        for s in systems if i % 2 == 0 else reversed(systems):
            ms = None if s in failed else time_of(s, folder, w.name, phase, batch)
            times[s].append(ms) if ms is not None else failed.add(s)
    medians = {s: statistics.median(times[s]) for s in systems if s not in failed}

    def ratio(others):
        found = [medians[s] for s in others if s in medians]
        return f'{min(found) / medians["nncc"]:8.2f}x' if found and 'nncc' in medians else f'{"-":>9s}'
    cells = ''.join(f'{format(medians[s], ".4g") if s in medians else "-":>15s}' for s in systems)
    return f'{w.name:16s} {phase:8s}{batch:4d}{cells}{ratio(["eager"])}{ratio([s for s in systems if s != "nncc"])}'


def main(folder, names):
    from workloads import WORKLOADS, find
    for name in names:
        if not find(name):
            print(f'{name}: workloads.py has no row for it', file=sys.stderr)
    systems, version = systems_here()
    print(f'PyTorch {version}, {THREADS} thread{"s" if THREADS > 1 else ""}, {ROUNDS} rounds of {SECONDS:g} s; ms a step, '
          'medians; the last columns: how many times as long eager PyTorch and the fastest peer take')
    print(f'{"":29s}' + ''.join(f'{TITLES[s]:>15s}' for s in systems) + f'{"to eager":>9s}{"to best":>9s}')
    for w in WORKLOADS:
        if names and w.name not in names:
            continue
        check_size(folder, w)
        for phase, batch in ([('train', w.batch)] if w.batch else []) + [('predict', b) for b in w.batches]:
            print(row(systems, folder, w, phase, batch), flush=True)


if __name__ == '__main__':
    if len(sys.argv) == 6 and sys.argv[1] == 'one':
        print(one(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
    elif len(sys.argv) >= 2 and os.path.isdir(sys.argv[1]):
        main(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(__doc__)
