#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One peer on one workload, in a process of its own that answers requests: `peers.py SYSTEM NAME THREADS`.

Requests are lines of JSON on standard input, answers lines of JSON on standard output:

  {}                                   -> {}: it is there, torch is imported
  {"prepare": "train", "batch": 128}   -> {"parameters": 669706, "versions": {...}}: made, compiled, warmed up
  {"seconds": 0.5}                     -> {"ms": 2.4, "rss": 123456}: milliseconds a step; bytes over an idle import
  {"product": [128, 784, 512]}         -> as prepare: a product of matrices

"prepare" may be "train", "predict" or "decode".

An answer {"error": "..."}: it does not run here. SYSTEM: see SYSTEMS in systems.py.
"""
import json
import os
import resource
import sys

from clock import in_turn, median_ms

WARM = 4  # steps before the clock counts


# --- PyTorch ---------------------------------------------------------------------------------------------------------

def tokens_of(w):
    """Below what the whole numbers of each input lie."""
    return w.tokens if isinstance(w.tokens, tuple) else (w.tokens,)


def batches_of(w, batch, system):
    """A function that gives (inputs, target) of made-up batches, in turn."""
    import torch
    layout = torch.channels_last if system == 'last' else torch.contiguous_format

    def x():
        if w.tokens:
            return tuple(torch.randint(0, t, (batch, *w.x)) for t in tokens_of(w))
        return (torch.rand(batch, *w.x).contiguous(memory_format=layout),)
    return in_turn(lambda: (x(), w.y(batch) if w.y else None))


def with_fast_updates(optimizer):
    """Updates of all parameters in one sweep, or at least in few calls, as far as this PyTorch can."""
    import torch
    modern = tuple(int(v) for v in torch.__version__.split('.')[:2]) >= (2, 4)
    for group in optimizer.param_groups:
        group.update(fused=True, foreach=False) if modern else group.update(foreach=True)
    return optimizer


def predict_step(model, take, system):
    import torch
    model = model.eval()
    if system == 'compile':
        model = torch.compile(model)
    elif system == 'tuned':
        with torch.no_grad():
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, take()[0])))

    def predict():
        with torch.inference_mode():
            model(*take()[0])
    return predict


def train_step(w, model, take, system):
    import torch
    compiled = torch.compile if system == 'compile' else lambda f: f
    if w.turns:
        fast = with_fast_updates if system == 'tuned' else lambda optimizer: optimizer
        step = w.turns(model, lambda parameters: fast(w.optimizer(parameters)), compiled)

        def play():
            (z,), y = take()
            step(z, y)
        return play
    optimizer = w.optimizer(model.parameters())
    if system == 'tuned':
        optimizer = with_fast_updates(optimizer)
    forward, update = compiled(lambda x, y: w.loss(model(*x), y)), compiled(optimizer.step)

    def train():
        loss = forward(*take())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
    return train


def torch_step(w, phase, batch, system):
    import torch
    torch.manual_seed(1)
    if phase == 'decode':
        from decoding import decode_step
        return decode_step(w)
    model = w.net()
    if system == 'last':
        model = model.to(memory_format=torch.channels_last)
    take = batches_of(w, batch, system)
    return predict_step(model, take, system) if phase == 'predict' else train_step(w, model, take, system)


def torch_product(m, k, n):
    import torch
    out = torch.empty(m, n)
    take = in_turn(lambda: (torch.rand(m, k), torch.rand(k, n)))

    def product():
        torch.mm(*take(), out=out)
    return product


def torch_versions():
    import torch
    found = {'torch': torch.__version__}
    for line in torch.__config__.show().splitlines():
        for what in ('oneAPI Math Kernel Library', 'MKL-DNN', 'MKLDNN', 'oneDNN', 'BLAS_INFO'):
            if what in line and 'Build settings' not in line:
                found.setdefault(what, line.strip(' -'))
    return found


# --- onnxruntime -----------------------------------------------------------------------------------------------------

def ort_step(w, batch, threads):
    import numpy as np
    import onnxruntime
    from onnx_of import onnx_of
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx_of(w.net(), w.x, w.tokens), options, providers=['CPUExecutionProvider'])
    rng = np.random.default_rng(2)
    shape = (batch, *w.x)
    names = [given.name for given in session.get_inputs()]

    def x():
        if w.tokens:
            return dict(zip(names, (rng.integers(0, t, shape) for t in tokens_of(w))))
        return {names[0]: rng.random(shape, dtype='f4')}
    take = in_turn(x)
    return lambda: session.run(None, take())


def ort_versions():
    import onnxruntime
    return {'onnxruntime': onnxruntime.__version__}


# --- requests --------------------------------------------------------------------------------------------------------

def rss_now():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def rss_peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Peer:
    """What a process holds: a step that is ready to be timed."""

    def __init__(self, system, name, threads):
        import torch
        from workloads import find
        torch.set_num_threads(threads)
        self.system, self.threads, self.workload, self.step = system, threads, find(name), None
        self.idle = rss_now()

    def prepare(self, phase, batch):
        w = self.workload
        if not w:
            raise ValueError('workloads.py has no row for it')
        ort = self.system == 'ort'
        self.step = ort_step(w, batch, self.threads) if ort else torch_step(w, phase, batch, self.system)
        for _ in range(WARM):
            self.step()
        parameters = sum(p.numel() for p in w.net().parameters())
        if parameters != w.parameters:
            raise ValueError(f'{w.parameters} parameters are wanted; torch has {parameters}')
        return {'parameters': parameters, 'versions': ort_versions() if ort else torch_versions()}

    def product(self, m, k, n):
        self.step = torch_product(m, k, n)
        for _ in range(WARM):
            self.step()
        return {'versions': torch_versions()}

    def answer(self, request):
        if 'product' in request:
            return self.product(*request['product'])
        if 'prepare' in request:
            return self.prepare(request['prepare'], request['batch'])
        if 'seconds' not in request:
            return {}
        return {'ms': median_ms(self.step, request['seconds']), 'rss': rss_peak() - self.idle}


def serve(system, name, threads):
    """Answers until standard input ends. Whatever else prints goes to standard error."""
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    peer = Peer(system, name, threads)
    for line in sys.stdin:
        try:
            said = peer.answer(json.loads(line))
        except Exception as e:  # any failure of a peer is an empty cell of the table, with its reason
            said = {'error': f'{type(e).__name__}: {e}'[:500]}
        print(json.dumps(said), file=out, flush=True)


if __name__ == '__main__':
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
