# SPDX-License-Identifier: MIT
# Conformance with PyTorch: predict, grad, eval and ten training steps of many small networks, and of RANDOM_NETS
# (20), RANDOM_CONVS (12) and RANDOM_SEQUENCES (12) random ones from seed RANDOM_SEED (1) on; predictions of ResNet-50 and MobileNetV2.
. "$root/tests/lib.sh"
if "$python" -c 'import torch, numpy' 2>/dev/null; then
    TMPDIR=$tmp exec "$python" "$root/tests/torch/conform.py" --nncc "$nncc" --random "${RANDOM_NETS:-20}" \
        --convs "${RANDOM_CONVS:-12}" --sequences "${RANDOM_SEQUENCES:-12}" --seed "${RANDOM_SEED:-1}"
fi
skip "conformance with PyTorch: $python has no torch and numpy"
