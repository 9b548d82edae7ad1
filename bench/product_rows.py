# SPDX-License-Identifier: MIT
"""Rows of plain products of matrices: nncc's, both operands given at the call, beside OpenBLAS, oneDNN and torch.mm."""
import ctypes.util
import os
from contextlib import ExitStack

from compiles import compile_model
from machine import c_program
from rounds import fill
from systems import HERE, Failure, Peer, Program, nncc_program, wants

SHAPES = [(n, n, n) for n in (64, 128, 256, 512, 1024, 2048)] + [(128, 784, 512), (128, 512, 512)]
LIBRARIES = {'openblas': 'openblas', 'onednn': 'dnnl'}


def title(shape):
    """512 for a square, else 128x784x512: rows, terms of a sum, columns."""
    return str(shape[0]) if len(set(shape)) == 1 else 'x'.join(map(str, shape))


def program_of(shape, nncc, folder):
    """nncc's program for a shape."""
    program = os.path.join(folder, 'product_' + title(shape))
    values = [word for name, n in zip('mkn', shape) for word in ('-D', f'{name}={n}')]
    compile_model(nncc, os.path.join(HERE, 'product', 'product.yaml'), program, ['--batch=1', *values])
    return program


def libraries(folder):
    """{system: command but for the shape} of those that this machine has."""
    found = {s: ctypes.util.find_library(name) for s, name in LIBRARIES.items() if wants(s)}
    here = {s: file for s, file in found.items() if file}
    timer = c_program(folder, 'products', '-ldl') if here else None
    return {s: [timer, s, file] for s, file in here.items()}


def row_of(shape, program, commands, mm, threads, bench):
    measurers = {'nncc': nncc_program(program, 'predict', 1, threads)}
    measurers.update({s: Program([*c, *map(str, shape)], threads) for s, c in commands.items()})
    failed = {}
    if mm:
        try:
            bench.versions['mm'] = mm.ask(product=shape)['versions']
            measurers['mm'] = mm
        except Failure as e:
            failed['mm'] = str(e)
    m, k, n = shape
    row = {'product': list(shape), 'title': title(shape), 'threads': threads, 'flop': 2 * m * k * n,
           'peak_gflops': bench.limits[threads]['gflops']}
    fill(row, measurers, bench.rounds, bench.seconds / 2, failed)
    for s in commands:
        if s in row['systems']:
            bench.versions[s] = {s: row['systems'][s]['version']}
    return row


def rows_of(programs, commands, threads, pythons, bench):
    """Yields each row. `programs`: {shape: nncc's program}."""
    with ExitStack() as stack:
        mm = Peer(pythons['mm'], 'mm', 'product', threads, bench.log) if 'mm' in pythons else None
        if mm:
            stack.callback(mm.close)
        for shape, program in programs.items():
            yield row_of(shape, program, commands, mm, threads, bench)
