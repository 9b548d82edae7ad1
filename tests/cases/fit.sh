# SPDX-License-Identifier: MIT
# Preprocessing layers through whole programs: fitted on what is trained on alone, kept in the weights file, the same
# bits on any number of threads and after a resume, raw rows in predict and in an app.
. "$root/tests/lib.sh"
include="-I$BUILD/include"
quick=$(quick_cc)

if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "fit: numpy is not there"
    exit 0
fi

cat >prep.yaml <<'END'
model: prep
inputs: {x: {shape: [4]}, kind: {classes: 3}, group: {classes: 5}, y: {shape: [1]}}
layers:
  - standardize: {name: scale, input: x}
  - impute: {name: fill, strategy: median, indicator: true}
  - pca: {name: turn, k: 3, whiten: true}
  - {name: both, expr: "cross(kind, group)"}
  - embedding: {count: 15, dim: 2, name: table}
  - one_hot: {input: kind, name: hot}
  - concat: {input: [turn, table, hot]}
  - dense: {units: 1, name: out}
outputs: {out: out, turn: turn}
loss: mse(out, y)
train: {batch: 16, epochs: 3, optimizer: {adam: {lr: 1e-2}}, checkpoint: {every: 5}}
data:
  train: {npy: {x: x.npy, kind: kind.npy, group: group.npy, y: y.npy}}
  validation: {split: 0.25}
END
cat >make.py <<'END'
import numpy as np
rng = np.random.RandomState(3)
x = (rng.randn(90, 4) * [1, 50, 0.1, 1] + [0, 1000, -5, 3]).astype(np.float32)
x[:, 3] = 2 * x[:, 0] + 0.3 * x[:, 3]
x[rng.rand(90, 4) < 0.1] = np.nan
np.save("x.npy", x)
np.save("kind.npy", rng.randint(3, size=90).astype(np.int32))
np.save("group.npy", rng.randint(5, size=90).astype(np.int32))
np.save("y.npy", rng.randn(90, 1).astype(np.float32))
np.save("first.npy", x[:20])
END
"$python" make.py
check "fit: a program" env CC="$quick" "$nncc" prep.yaml -o prep
check "fit: it trains" ./prep train --out one.st --checkpoint one.ck

# What each layer holds against numpy, of the rows that were trained on: those of which predict's weights follow.
cat >compare.py <<'END'
import json, struct, sys
import numpy as np

def weights(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(size)), f.read()
    return {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]], np.float32).reshape(v["shape"])
            for k, v in head.items() if k != "__metadata__"}

def near(what, a, b, tolerance=2e-5):
    if not np.allclose(a, b, rtol=tolerance, atol=tolerance):
        sys.exit("%s: %s, not %s" % (what, a, b))

w = weights(sys.argv[1])
x = np.load("x.npy").astype(np.float64)
rows = np.load(sys.argv[2]) if len(sys.argv) > 2 else np.arange(len(x))
x = x[rows]
mean, std = np.nanmean(x, 0), np.nanstd(x, 0)
near("mean", w["scale.mean"], mean)
near("std", w["scale.std"], std)
z = (x - w["scale.mean"]) / w["scale.std"]
near("value", w["fill.value"], np.nanmedian(z, 0))
full = np.concatenate([np.where(np.isnan(z), w["fill.value"], z), np.isnan(z)], 1)
near("pca mean", w["turn.mean"], full.mean(0))
u, s, v = np.linalg.svd(full - full.mean(0), full_matrices=False)
v *= np.sign(v[np.arange(len(v)), np.argmax(abs(v), 1)])[:, None]
near("components", w["turn.components"], v[:3], 2e-4)
near("variance", w["turn.explained_variance"], (s ** 2 / (len(x) - 1))[:3], 1e-4)
if len(sys.argv) > 3:
    turned = (full - full.mean(0)) @ v[:3].T / np.sqrt(w["turn.explained_variance"])
    near("predict", np.load(sys.argv[3]), turned, 2e-3)
END
# All rows, without a split; then predict on raw rows.
sed '/validation/d; s/^model: prep/model: whole/' prep.yaml >whole.yaml
CC=$quick "$nncc" whole.yaml -o whole
check "fit: of all rows" ./whole train --out whole.st
check "fit: predict takes raw rows" ./whole predict --weights whole.st --input x=x.npy --output turn=turn.npy
"$python" -c 'import numpy; numpy.save("rows.npy", numpy.arange(90))'
check "fit: as numpy has it" "$python" compare.py whole.st rows.npy turn.npy
cat >parts.py <<'END'
# Which rows are trained on: those whose change moves the mean of the second column.
import struct, json, subprocess
import numpy as np
def mean(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(size)), f.read()
    a, b = head["scale.mean"]["data_offsets"]
    return np.frombuffer(data[a:b], np.float32)[1]
x = np.load("x.npy")
x[:, 1] = 0
rows = []
for i in range(0, 90, 9):
    y = x.copy()
    y[i, 1] = 1000
    np.save("moved.npy", y)
    data = ["x=moved.npy", "kind=kind.npy", "group=group.npy", "y=y.npy"]
    subprocess.run(["./prep", "train", "--steps", "1", "--out", "moved.st", "--checkpoint", "moved.ck"] +
                   [word for name in data for word in ("--data", name)], check=True, capture_output=True)
    m = mean("moved.st")
    assert m == 0 or abs(m - 1000 / 68) < 1e-3, m
    rows.append(m != 0)
assert 0 < sum(rows) < 10, rows
END
check "fit: what is kept for validation does not count" "$python" parts.py

# --- the same bits
OMP_NUM_THREADS=1 ./prep train --out single.st --checkpoint single.ck >/dev/null 2>&1
OMP_NUM_THREADS=2 ./prep train --out double.st --checkpoint double.ck >/dev/null 2>&1
check "fit: the same bits on two threads" same single.st double.st
./prep train --steps 7 --out part.st --checkpoint part.ck >/dev/null 2>&1
./prep train --resume part.ck --out resumed.st --checkpoint resumed.ck >/dev/null 2>&1
check "fit: resumed, the same bits" same single.st resumed.st

# --- weights that are there
"$python" -c 'import numpy; numpy.save("far.npy", numpy.load("x.npy") * 3 + 1)'
other="--data x=far.npy --data kind=kind.npy --data group=group.npy --data y=y.npy"
cat >alike.py <<'END'
import sys
exec(open("compare.py").read().split("w = ")[0])
a, b = (weights(path)["scale.std"] for path in sys.argv[1:])
sys.exit(0 if (a == b).all() else 1)
END
./prep train --weights one.st $other --out kept.st --checkpoint k.ck >/dev/null 2>&1
check "fit: --weights keeps what was fitted" "$python" alike.py one.st kept.st
./prep train --weights one.st --refit $other --out refit.st --checkpoint r.ck >/dev/null 2>&1
status "fit: --refit fits anew" 1 "$python" alike.py one.st refit.st
status "fit: --refit with --resume" 2 ./prep train --resume part.ck --refit --out z.st --checkpoint z.ck
says "fit: and says so" "--refit and --resume exclude each other"

# --- an app: it loads what a program fitted, and gives raw rows
cat >app.c <<'END'
#include <math.h>
#include <stdio.h>
#include "whole.h"
int main(void)
{
    static float x[20 * 4], out[16], turn[16 * 3];
    static const int32_t kind[16], group[16];
    whole *m = whole_new(1);
    FILE *f = fopen("first.npy", "rb");
    if (!m || !f || fseek(f, 128, SEEK_SET) || fread(x, sizeof x, 1, f) != 1)
        return 2;
    if (whole_load(m, "whole.st") || whole_predict(m, 16, x, kind, group, out, turn))
        return 3;
    for (int i = 0; i < 16 * 3; i++)
        printf("%.9g\n", (double)turn[i]);
    whole_free(m);
    return fclose(f);
}
END
check "fit: C for an app" "$nncc" whole.yaml -o whole.c
check "fit: an app" "$quick" -std=gnu11 -Wall -Wextra -Werror -fopenmp -march=native $include app.c whole.c \
    "$BUILD/libnnrt.a" -lz -lm -o app
./app >app.txt
cat >same.py <<'END'
import numpy as np
a, b = np.loadtxt("app.txt").reshape(16, 3), np.load("turn.npy")[:16]
assert np.allclose(a, b, atol=1e-5), (a, b)
END
check "fit: an app gives what predict gives" "$python" same.py
check "fit: a single file" env CC="$quick" "$nncc" --single-file prep.yaml -o single
check "fit: trains" ./single train --out s.st --checkpoint s.ck

# --- bad values
sed 's/impute: {name: fill, strategy: median, indicator: true}/identity: {name: fill}/' prep.yaml >gap.yaml
CC=$quick "$nncc" gap.yaml -o gap
status "fit: NaN without an impute" 1 ./gap train
says "fit: names the sample" "x.npy: sample"
"$python" -c 'import numpy; x = numpy.load("x.npy"); x[:, 2] = numpy.nan; numpy.save("none.npy", x)'
status "fit: a feature without a value" 1 ./prep train --data x=none.npy --data kind=kind.npy --data group=group.npy \
    --data y=y.npy --out z.st --checkpoint z.ck
says "fit: names the feature" "'fill': its feature 2 (from 0) has no value in the training data"
