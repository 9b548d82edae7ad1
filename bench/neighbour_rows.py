# SPDX-License-Identifier: MIT
"""A step of training on all cores, alone and beside a program that keeps one of the cores busy."""
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack, contextmanager

from machine import wait_for_quiet
from systems import Failure, Peer, nncc_program

NAMES = ('mlp_mnist', 'resnet18_cifar')
PEERS = ('eager', 'tuned')


@contextmanager
def neighbour():
    """Another program that never pauses, on the first of our cores."""
    core = min(os.sched_getaffinity(0))
    loop = f'import os\nos.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass'
    with subprocess.Popen([sys.executable, '-c', loop], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def median(measurer, rounds, seconds):
    return statistics.median(measurer.measure(seconds)['ms'] for _ in range(rounds))


def measured(measurer, rounds, seconds):
    """{idle_ms, beside_ms, ratio} of one system."""
    wait_for_quiet()
    idle = median(measurer, rounds, seconds)
    with neighbour():
        beside = median(measurer, rounds, seconds)
    return {'idle_ms': idle, 'beside_ms': beside, 'ratio': beside / idle}


def rows_of(made, threads, pythons, bench):
    """Yields a row a system. `made`: what compile_workload gave, of one of NAMES."""
    batch, name = made['info']['batch'], made['name']
    with ExitStack() as stack:
        measurers = {'nncc': nncc_program(made['program'], 'train', batch, threads)}
        for s in PEERS:
            if s in pythons:
                measurers[s] = Peer(pythons[s], s, name, threads, bench.log)
                stack.callback(measurers[s].close)
        for s, measurer in measurers.items():
            row = {'workload': name, 'batch': batch, 'threads': threads, 'system': s}
            try:
                if s != 'nncc':
                    measurer.ask(prepare='train', batch=batch)
                row.update(measured(measurer, bench.rounds, bench.seconds))
            except Failure as e:
                row['failed'] = str(e)
            yield row
