# SPDX-License-Identifier: MIT
"""The machine: what it is, what it can do at most, and whether others use it at the moment."""
import os
import subprocess
import time

from systems import HERE, run_json

QUIET = 0.05  # of one core: what others may use
SAMPLE = 0.2  # seconds: a look
PATIENCE = float(os.environ.get('PATIENCE') or 10)  # seconds: how long we wait for quiet


def cpu_model():
    try:
        with open('/proc/cpuinfo') as f:
            return next((line.split(':', 1)[1].strip() for line in f if line.startswith('model name')), 'unknown CPU')
    except OSError:
        return 'unknown CPU'


def ticks():
    """Clock ticks that all cores together were busy since the start, other guests' included."""
    with open('/proc/stat') as f:
        user, nice, system, _, _, irq, softirq, steal = (int(n) for n in f.readline().split()[1:9])
    return user + nice + system + irq + softirq + steal


def load():
    """How many cores are busy while we sleep."""
    try:
        start, before = time.monotonic(), ticks()
        time.sleep(SAMPLE)
        return (ticks() - before) / os.sysconf('SC_CLK_TCK') / (time.monotonic() - start)
    except OSError:
        return 0.0


def wait_for_quiet():
    """The load at the end: at most QUIET, or what it is after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while (now := load()) > QUIET and time.monotonic() < end:
        time.sleep(SAMPLE)
    return now


def c_program(folder, name, *options):
    """Compiles a C file beside this one, for this machine."""
    program = os.path.join(folder, name)
    source = os.path.join(HERE, name + '.c')
    command = [*os.environ.get('CC', 'cc').split(), '-O3', '-march=native', '-o', program, source, *options]
    subprocess.run(command, check=True)
    return program


def limits(folder, threads):
    """{threads: {gflops, read_gbs, triad_gbs}}, measured."""
    found = run_json([c_program(folder, 'limits', '-fopenmp'), *map(str, threads)], max(threads))
    return {int(t): v for t, v in found.items()}
