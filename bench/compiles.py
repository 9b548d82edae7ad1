# SPDX-License-Identifier: MIT
"""nncc on each workload: the program, how long it takes to make, and how large the C is."""
import os
import re
import statistics
import subprocess
import time

from systems import HERE, run_json

RUNS = 5


def options_of(path):
    """Where a file's comment says with which options, those: "# nncc --batch=8 NAME.yaml"."""
    with open(path) as f:
        found = re.search(rf'^# nncc (.*) {re.escape(os.path.basename(path))}$', f.read(), re.M)
    return found.group(1).split() if found else []


def seconds_of(command):
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def compile_model(nncc, path, program, options):
    """Makes the C and the program. cc_s: of the whole less nncc's own time: the C compiler at -O3, linking included."""
    source = program + '.c'
    command = [nncc, *options, path, '-o']
    nncc_s = statistics.median(seconds_of([*command, source]) for _ in range(RUNS))
    whole_s = seconds_of([*command, program])
    return {'nncc_ms': nncc_s * 1e3, 'cc_s': max(0.0, whole_s - nncc_s), 'c_bytes': os.path.getsize(source)}


def traffic(nncc, path, options):
    """{phase: {gflop, mbytes}} of a step of the whole batch: sums over the kernels of nncc's report."""
    command, found = [nncc, *options, path, '--emit=report', '-o', '-'], {}
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in report.splitlines():
        phase, kernel = re.match(r'(\w+): \d+ kernels,', line), re.match(r'\s+([\d.e+-]+) MFLOP, ([\d.e+-]+) KB', line)
        if phase:
            sums = found[phase.group(1)] = {'gflop': 0.0, 'mbytes': 0.0}
        elif kernel:
            sums['gflop'] += float(kernel.group(1)) / 1e3
            sums['mbytes'] += float(kernel.group(2)) / 1e3
    return found


def compile_workload(nncc, name, folder):
    """What the compiler took, and what the program and the compiler say of it."""
    path, program = os.path.join(HERE, name + '.yaml'), os.path.join(folder, name)
    options = options_of(path)
    took = compile_model(nncc, path, program, options)
    return dict(took, name=name, program=program, info=run_json([program, 'info', '--json']),
                traffic=traffic(nncc, path, options))
