# SPDX-License-Identifier: MIT
"""What a sample costs in batches of several sizes: ours in one program compiled for the largest, and eager PyTorch's."""
import os
from contextlib import ExitStack

from compiles import compile_model
from rounds import medians, quiet
from systems import HERE, Peer, nncc_program

NAMES = ('resnet18_cifar',)
BATCHES = (8, 16, 32, 64, 128)


class Batch:
    """A peer at one size of batch."""

    def __init__(self, peer, phase, batch):
        self.peer, self.phase, self.batch = peer, phase, batch

    def measure(self, seconds):
        self.peer.ask(prepare=self.phase, batch=self.batch)
        return self.peer.measure(seconds)


def program_of(name, nncc, folder):
    program = os.path.join(folder, f'{name}_{BATCHES[-1]}')
    compile_model(nncc, os.path.join(HERE, name + '.yaml'), program, [f'--batch={BATCHES[-1]}'])
    return program


def row_of(name, phase, system, measurers, bench):
    row, failed = {'workload': name, 'phase': phase, 'system': system}, {}
    with quiet(row):
        found = medians(measurers, bench.rounds, bench.seconds, failed)
    row['ms_a_sample'] = {b: v['ms'] / b for b, v in found.items()}
    row['failed'] = failed
    return row


def rows_of(name, program, threads, pythons, bench):
    """Yields a row a phase and system: `ms_a_sample` of each batch."""
    with ExitStack() as stack:
        peer = Peer(pythons['eager'], 'eager', name, threads, bench.log) if 'eager' in pythons else None
        if peer:
            stack.callback(peer.close)
        for phase in ('train', 'predict'):
            ours = {b: nncc_program(program, phase, b, threads) for b in BATCHES}
            yield row_of(name, phase, 'nncc', ours, bench)
            if peer:
                yield row_of(name, phase, 'eager', {b: Batch(peer, phase, b) for b in BATCHES}, bench)
