# SPDX-License-Identifier: MIT
"""One row: systems beside each other on one thing, in rounds that alternate in order; the median of the rounds counts.

So what else the machine does falls on all alike. A row during which others used the machine is marked.
"""
import statistics
from contextlib import contextmanager

from machine import QUIET, load, wait_for_quiet
from systems import Failure


@contextmanager
def quiet(row):
    """Waits for quiet first; marks the row where it was in vain, or where others are seen right after."""
    before = wait_for_quiet()
    yield
    row['others'] = round(max(before, load()), 2)
    row['busy'] = row['others'] > QUIET


def medians(measurers, rounds, seconds, failed):
    """{system: what its last round said, with `ms`, the median, and `ms_of_rounds`}; `failed` gets why others fail."""
    said, times = {}, {s: [] for s in measurers}
    for i in range(rounds):
        for s in measurers if i % 2 == 0 else reversed(measurers):
            if s in failed:
                continue
            try:
                said[s] = measurers[s].measure(seconds)
                times[s].append(said[s]['ms'])
            except Failure as e:
                failed[s] = str(e)
    return {s: dict(said[s], ms=statistics.median(times[s]), ms_of_rounds=times[s]) for s in measurers
            if s not in failed}


def spread(said):
    """How many times as long the slowest round took as the fastest."""
    return max(said['ms_of_rounds']) / min(said['ms_of_rounds'])


def fill(row, measurers, rounds, seconds, failed):
    """Adds what was measured to a row. `failed`: {system: reason}, of those that are not ready."""
    with quiet(row):
        row['systems'] = medians(measurers, rounds, seconds, failed)
    row['failed'] = failed
    ours = row['systems'].get('nncc')
    if ours:
        row['to'] = {s: v['ms'] / ours['ms'] for s, v in row['systems'].items() if s != 'nncc'}
    for v in row['systems'].values():
        v['gflops'] = row['flop'] / v['ms'] * 1e-6
        v['of_peak'] = v['gflops'] / row['peak_gflops']
        v['spread'] = spread(v)
    return row
