# SPDX-License-Identifier: MIT
"""What a sample costs in batches of several sizes, in one program compiled for the largest."""
import os

from compiles import compile_model
from rounds import medians, quiet
from systems import HERE, nncc_program

NAMES = ('resnet18_cifar',)
BATCHES = (8, 16, 32, 64, 128)


def program_of(name, nncc, folder):
    program = os.path.join(folder, f'{name}_{BATCHES[-1]}')
    compile_model(nncc, os.path.join(HERE, name + '.yaml'), program, [f'--batch={BATCHES[-1]}'])
    return program


def rows_of(name, program, threads, bench):
    """Yields a row a phase: `ms_a_sample` of each batch, and how far apart they are."""
    for phase in ('train', 'predict'):
        measurers = {b: nncc_program(program, phase, b, threads) for b in BATCHES}
        row = {'workload': name, 'phase': phase, 'threads': threads}
        failed = {}
        with quiet(row):
            found = medians(measurers, bench.rounds, bench.seconds, failed)
        row['ms_a_sample'] = {b: v['ms'] / b for b, v in found.items()}
        row['failed'] = failed
        yield row
