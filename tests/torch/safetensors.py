# SPDX-License-Identifier: MIT
"""The safetensors format, as much as the tests need: F32 tensors, in NumPy."""
import json
import struct

import numpy as np


def load(path):
    with open(path, "rb") as f:
        raw = f.read()
    size = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, t in json.loads(raw[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        out[name] = np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").reshape(t["shape"]).copy()
    return out


def save(path, tensors):
    header, data, at = {}, b"", 0
    for name in sorted(tensors):
        t = np.ascontiguousarray(tensors[name], "<f4")
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        data += t.tobytes()
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
