# SPDX-License-Identifier: MIT
"""How a step is timed in Python: as the programs' own `bench` does it, on four batches in turn."""
import itertools
import statistics
import time

POOL, LEAST, GROUP = 4, 3, 2e-3  # batches; groups that are timed at least; seconds that a group of calls lasts at least


def in_turn(make):
    """A function that gives POOL things that `make` made, one after the other, for ever."""
    return itertools.cycle([make() for _ in range(POOL)]).__next__


def timed(step, calls):
    """Seconds that so many calls take."""
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return time.perf_counter() - start


def median_ms(step, seconds):
    """Milliseconds a call: the median of groups of calls."""
    end, group = time.perf_counter() + seconds, 1
    while (took := timed(step, group)) < GROUP:
        group *= 2
    times = [took / group]
    while time.perf_counter() < end or len(times) < LEAST:
        times.append(timed(step, group) / group)
    return statistics.median(times) * 1e3
