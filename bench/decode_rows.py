# SPDX-License-Identifier: MIT
"""A text that is continued token by token: milliseconds a token, and how fast the weights are so read."""
import os
from contextlib import ExitStack

from compiles import compile_model, options_of
from rounds import fill
from systems import HERE, Failure, Peer, nncc_program, run_json

# Numbers of a table of which a token reads one row: all others are read once a token.
TABLES = {'gpt2_124m_decode': 1024 * 768}
PEERS = ('eager',)


def program_of(name, nncc, folder):
    path, program = os.path.join(HERE, 'decode', name + '.yaml'), os.path.join(folder, name)
    compile_model(nncc, path, program, options_of(path))
    return program


def rows_of(name, program, threads, pythons, bench):
    """Yields the row of a workload. `of_read`: of what the machine can read from memory, by system."""
    parameters = run_json([program, 'info', '--json'])['parameters']
    read = 4 * (parameters - TABLES[name])
    failed, measurers = {}, {'nncc': nncc_program(program, 'decode', 1, threads)}
    with ExitStack() as stack:
        for s in PEERS:
            if s not in pythons:
                continue
            peer = Peer(pythons[s], s, name, threads, bench.log)
            stack.callback(peer.close)
            try:
                bench.versions[s] = peer.ask(prepare='decode', batch=1)['versions']
                measurers[s] = peer
            except Failure as e:
                failed[s] = str(e)
        row = {'workload': name, 'phase': 'decode', 'batch': 1, 'threads': threads, 'read_bytes': read,
               'flop': read / 2, 'peak_gflops': bench.limits[threads]['gflops']}
        fill(row, measurers, bench.rounds, bench.seconds, failed)
    for v in row['systems'].values():
        v['read_gbs'] = read / v['ms'] * 1e-6
        v['of_read'] = v['read_gbs'] / bench.limits[threads]['read_gbs']
    yield row
