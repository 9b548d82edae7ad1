# SPDX-License-Identifier: MIT
"""Networks in YAML and the same in PyTorch: they must agree (check.py says in what, and how well).

Prints a line a case, `ok NAME` or `not ok NAME: why`, and at last "N passed, N failed, N skipped"; the exit status is 1
where any failed. Names of cases (or beginnings of names, ended by *) choose some.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import shutil
import sys
import tempfile
import zlib

import torch

import cases_activations
import cases_conv
import cases_ctc
import cases_diffusion
import cases_gradient
import cases_large
import cases_layers
import cases_losses
import cases_norms
import cases_players
import cases_quantize
import cases_random
import cases_recurrent
import cases_sequence
import cases_spectral
import cases_training
import cases_vision
import check
import randomconv
import randomnet
import randomseq

LISTS = (cases_large, cases_activations, cases_losses, cases_training, cases_layers, cases_random, cases_conv, cases_norms, cases_vision, cases_recurrent,
         cases_sequence, cases_ctc, cases_players, cases_gradient, cases_quantize, cases_diffusion)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nncc", required=True)
    parser.add_argument("--random", type=int, default=20, help="so many random networks")
    parser.add_argument("--convs", type=int, default=12, help="so many random convolutional networks")
    parser.add_argument("--sequences", type=int, default=12, help="so many random networks of sequences")
    parser.add_argument("--seed", type=int, default=1, help="of the first of them")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--errors", action="store_true", help="print the largest error of each kind")
    parser.add_argument("--keep", action="store_true", help="leave the folders of cases that failed")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # the networks are tiny
    os.environ.setdefault("CC", check.compiler())  # what nncc would find, sought once
    work = tempfile.mkdtemp(prefix="conform-")

    cases = [case for module in LISTS for case in module.CASES]
    assert len({case.name for case in cases}) == len(cases), "two cases of one name"
    cases += [randomnet.make(args.seed + i) for i in range(args.random)]
    cases += [randomconv.make(args.seed + i) for i in range(args.convs)]
    cases += [randomseq.make(args.seed + i) for i in range(args.sequences)]
    cases = [c for c in cases if not args.names or any(fnmatch.fnmatch(c.name, n) for n in args.names)]

    def result(case):
        seed = zlib.crc32(case.name.encode()) % 100000  # its own, whatever else runs
        try:
            worst = getattr(case, "check", check.check)(case, os.path.abspath(args.nncc), work, seed)
            shutil.rmtree(os.path.join(work, case.name), ignore_errors=True)
            return None, worst or {}
        except check.Wrong as wrong:
            return str(wrong), {}
        except Exception as error:  # a case that cannot run has failed
            return "%s: %s" % (type(error).__name__, error), {}

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for case, (why, worst) in zip(cases, pool.map(result, cases)):
            failed += why is not None
            errors = "".join(" %s %s" % (k, v if isinstance(v, str) else "%.1e" % v) for k, v in worst.items()) if args.errors else ""
            print("ok " + case.name + errors if why is None else "not ok %s: %s" % (case.name, why.replace("\n", "\n    ")),
                  flush=True)
    if args.keep and failed:
        print("# kept: " + work)
    else:
        shutil.rmtree(work, ignore_errors=True)
    print("%d passed, %d failed, 0 skipped" % (len(cases) - failed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
