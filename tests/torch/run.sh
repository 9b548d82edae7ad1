# SPDX-License-Identifier: MIT
# Conformance with PyTorch: predict, grad and ten training steps of many small networks.
. "$root/tests/lib.sh"
if "$python" -c 'import torch, numpy' 2>/dev/null; then
    # Old OpenBLAS builds and two threads on a busy machine are slow; the networks are tiny.
    OMP_NUM_THREADS=1 exec "$python" "$root/tests/torch/conform.py" --nncc "$nncc" --work "$tmp" ${RANDOM_NETS:+--random $RANDOM_NETS}
fi
skip "conformance with PyTorch: $python has no torch and numpy"
