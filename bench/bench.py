#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench: nncc's programs beside PyTorch, onnxruntime, OpenBLAS and oneDNN, in one run.

  bench.py NNCC DIR WORKLOAD...    NNCC: the compiler; DIR gets programs, bench.json, roofline.svg and peers.log

run.sh says which variables count. Python's peers run in the Python that runs this.
"""
import json
import os
import platform
import sys
import time

import batch_rows
import decode_rows
import machine
import neighbour_rows
import product_rows
import report
import workload_rows
from compiles import compile_workload
from roofline import roofline
from systems import pythons_of_peers


class Bench:
    """What all rows share: settings, limits, versions and where peers log."""

    def __init__(self, folder):
        self.seconds = float(os.environ.get('SECONDS_EACH') or 0.4)
        self.rounds = int(os.environ.get('ROUNDS') or 3)
        self.threads = [int(t) for t in (os.environ.get('THREADS') or default_threads()).split()]
        self.log = open(os.path.join(folder, 'peers.log'), 'w')
        self.limits, self.versions = machine.limits(folder, self.threads), {}


def default_threads():
    return '1 2' if (os.cpu_count() or 1) > 1 else '1'


def time_workloads(made, pythons, bench):
    """Every row of the workloads, printed as it comes."""
    rows, systems = [], ['nncc', *(s for s in pythons if s != 'mm')]
    for threads in bench.threads if made else []:
        report.print_heading(threads, bench.limits[threads], systems)
        for m in made:
            for row in workload_rows.rows_of(m, threads, pythons, bench):
                report.add_verdict(row)
                report.print_row(row, systems)
                rows.append(row)
    return rows


def time_products(nncc, folder, pythons, bench):
    programs = {shape: product_rows.program_of(shape, nncc, folder) for shape in product_rows.SHAPES}
    commands, rows = product_rows.libraries(folder), []
    systems = ['nncc', *commands, *(['mm'] if 'mm' in pythons else [])]
    for threads in bench.threads:
        report.print_product_heading(threads, systems)
        for row in product_rows.rows_of(programs, commands, threads, pythons, bench):
            report.print_product(row, systems)
            rows.append(row)
    return rows


def time_neighbour(nncc, folder, pythons, bench):
    """Steps on all threads beside a busy program."""
    rows, threads = [], max(bench.threads)
    report.print_neighbour_heading(threads)
    for name in neighbour_rows.NAMES:
        for row in neighbour_rows.rows_of(compile_workload(nncc, name, folder), threads, pythons, bench):
            report.print_neighbour(row)
            rows.append(row)
    return rows


def time_batches(nncc, folder, pythons, bench):
    rows, threads = [], max(bench.threads)
    report.print_batch_heading(threads, batch_rows.BATCHES)
    for name in batch_rows.NAMES:
        program = batch_rows.program_of(name, nncc, folder)
        for row in batch_rows.rows_of(name, program, threads, pythons, bench):
            report.print_batches(row, batch_rows.BATCHES)
            rows.append(row)
    return rows


def time_decode(nncc, folder, pythons, bench):
    rows, systems = [], ['nncc', *(s for s in decode_rows.PEERS if s in pythons)]
    programs = {name: decode_rows.program_of(name, nncc, folder) for name in decode_rows.TABLES}
    for threads in bench.threads:
        report.print_decode_heading(threads, bench.limits[threads], systems)
        for name, program in programs.items():
            for row in decode_rows.rows_of(name, program, threads, pythons, bench):
                report.print_decode(row, systems)
                rows.append(row)
    return rows


# What WORKLOADS may name beside networks.
SECTIONS = {'products': time_products, 'neighbour': time_neighbour, 'batches': time_batches, 'decode': time_decode}


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    print(f'wrote {path}')


def main(nncc, folder, names):
    start, bench, pythons = time.monotonic(), Bench(folder), pythons_of_peers()
    print(f'{machine.cpu_model()}, {os.cpu_count()} cores; {bench.rounds} rounds of {bench.seconds:g} s')
    made = [compile_workload(nncc, name, folder) for name in names if name not in SECTIONS]
    rows = time_workloads(made, pythons, bench)
    sections = {s: time(nncc, folder, pythons, bench) if s in names else [] for s, time in SECTIONS.items()}
    report.print_scaling(rows)
    report.print_memory(rows)
    if made:
        report.print_compiles(made)
    report.print_versions(bench.versions)
    print(f'\n{(time.monotonic() - start) / 60:.1f} minutes')
    result = {'cpu': machine.cpu_model(), 'cores': os.cpu_count(), 'system': platform.platform(),
              'date': time.strftime('%F %T'), 'rounds': bench.rounds, 'seconds_each': bench.seconds,
              'limits': bench.limits, 'versions': bench.versions, 'rows': rows, **sections, 'compiles': made}
    write(os.path.join(folder, 'bench.json'), json.dumps(result, indent=1))
    write(os.path.join(folder, 'roofline.svg'), roofline(result))


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
    except KeyboardInterrupt:
        sys.exit(130)
