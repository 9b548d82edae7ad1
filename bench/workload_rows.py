# SPDX-License-Identifier: MIT
"""Rows of the workloads: a step of training, and inference at one sample and at the whole batch."""
from contextlib import ExitStack

from rounds import fill
from systems import Failure, Peer, nncc_program, run_json


def phases(info):
    """(phase, batch) of each row of a program."""
    batch = info['batch']
    return ([('train', batch)] if info['trains'] else []) + [('predict', b) for b in sorted({1, batch})]


def fits(system, phase, info):
    if system == 'ort':
        return phase == 'predict'
    return system != 'last' or len(info['inputs'][0]['shape']) == 3


def prepared(peers, phase, batch, info, versions):
    """(those that are ready, {system: why not} of the others)."""
    ready, failed = {}, {}
    for s, peer in peers.items():
        if not fits(s, phase, info):
            continue
        try:
            said = peer.ask(prepare=phase, batch=batch)
            versions[s] = said['versions']
            if said['parameters'] != info['parameters']:
                raise Failure(f'has {said["parameters"]} parameters, nncc has {info["parameters"]}')
            ready[s] = peer
        except Failure as e:
            failed[s] = str(e)
    return ready, failed


def kernels_of(program, phase, batch, threads, seconds):
    """What the program says of each kernel: `calls`, `ms`, `gflop`, `mbytes` a step; none, where it does not say."""
    try:
        return run_json([program, 'bench', '--' + phase, '--profile', '--json', '--batch', str(batch), '--threads',
                         str(threads), '--seconds', str(seconds)], threads).get('kernels', [])
    except Failure:
        return []


def memory_of(row):
    """Bytes of our arena beside those of PyTorch's peak above its idle; of training alone."""
    systems = row['systems']
    if row['phase'] != 'train' or 'nncc' not in systems or 'eager' not in systems:
        return None
    ours, theirs = systems['nncc']['arena_bytes'], systems['eager']['rss']
    return {'arena_bytes': ours, 'torch_bytes': theirs, 'ratio': ours / theirs if theirs > 0 else None}


def arrived(peers, failed):
    """Those that have started."""
    here = {}
    for s, peer in peers.items():
        try:
            peer.ask()
            here[s] = peer
        except Failure as e:
            failed[s] = str(e)
    return here


def rows_of(made, threads, pythons, bench):
    """Yields each row of a workload. `made`: what compile_workload gave."""
    info = made['info']
    with ExitStack() as stack:
        peers = {s: Peer(p, s, made['name'], threads, bench.log) for s, p in pythons.items()
                 if any(fits(s, phase, info) for phase, _ in phases(info)) and s != 'mm'}
        for peer in peers.values():
            stack.callback(peer.close)
        absent = {}
        peers = arrived(peers, absent)
        for phase, batch in phases(info):
            ready, failed = prepared(peers, phase, batch, info, bench.versions)
            failed.update(absent)
            row = {'workload': made['name'], 'phase': phase, 'batch': batch, 'threads': threads,
                   'flop': info[f'flops_{phase}'] * batch, 'peak_gflops': bench.limits[threads]['gflops']}
            fill(row, {'nncc': nncc_program(made['program'], phase, batch, threads), **ready}, bench.rounds,
                 bench.seconds, failed)
            row['memory'] = memory_of(row)
            row['kernels'] = kernels_of(made['program'], phase, batch, threads, bench.seconds)
            yield row
