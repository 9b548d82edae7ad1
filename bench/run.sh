#!/bin/sh
# SPDX-License-Identifier: MIT
# make bench: programs of bench/*.yaml beside PyTorch, onnxruntime, OpenBLAS and oneDNN, in one run: docs/benchmarks.md.
#
# WORKLOADS: names of some of them ("cnn_mnist unet_64 products"), of $sections; without, all. BUILD: where nncc is (build).
# PEER: the Python to use, with torch; else build/venv, which is made with pip's newest torch where there is a network
# (OFFLINE=1: not tried); else Debian's python3 and its torch; without any torch, what else is there.
# SYSTEMS: which peers beside eager PyTorch, of tuned last compile ort debian openblas onednn mm; all.
# SECONDS_EACH, ROUNDS, THREADS: how long a measurement lasts, how many rounds, on how many threads ("1 2").
# PATIENCE: how many seconds a row waits for the machine to be quiet.
set -e
here=$(cd "$(dirname "$0")" && pwd)
cd "${BUILD:-$here/../build}"
mkdir -p bench
sections="products neighbour batches decode"
[ -n "$WORKLOADS" ] || WORKLOADS="$(cd "$here" && echo *.yaml | sed 's/\.yaml//g') $sections"
for name in $WORKLOADS; do
    case " $sections " in *" $name "*) continue ;; esac
    [ -e "$here/$name.yaml" ] || { echo "bench: no workload '$name': there is no $here/$name.yaml" >&2; exit 2; }
done

has_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }

# A half-made environment is no environment: it gets its name when it is whole.
make_venv()
{
    [ -z "$OFFLINE" ] && command -v timeout >/dev/null 2>&1 || return 1
    python3 -m venv venv.part >venv.log 2>&1 || return 1
    echo "bench: trying to install torch into $(pwd)/venv, a large download; OFFLINE=1 does without" >&2
    pip="venv.part/bin/pip install --quiet --no-cache-dir --retries 1 --timeout 20"
    timeout 1200 $pip torch numpy >>venv.log 2>&1 || return 1
    timeout 300 $pip onnx onnxruntime >>venv.log 2>&1 || true
    mv venv.part venv
}

if [ -z "$PEER" ] && [ ! -x venv/bin/python3 ]; then
    make_venv || rm -rf venv.part
fi
export PYTHONDONTWRITEBYTECODE=1
# What torch.compile makes is kept for the next run.
export TORCHINDUCTOR_CACHE_DIR="${TORCHINDUCTOR_CACHE_DIR:-$PWD/bench/inductor}"
for python in "$PEER" "$PWD/venv/bin/python3" /usr/bin/python3; do
    [ -n "$python" ] && has_torch "$python" && exec "$python" "$here/bench.py" ./nncc bench $WORKLOADS
done
echo "bench: no torch here: the rest alone" >&2
exec python3 "$here/bench.py" ./nncc bench $WORKLOADS
