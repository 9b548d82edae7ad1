# SPDX-License-Identifier: MIT
# train: averages of weights, what is frozen, weights that fit in part, looks before a training, and where a number that is
# not finite came from; samples mixed in pairs.
. "$root/tests/lib.sh"
cc=$(quick_cc)

model()
{
    cat <<EOF
model: $1
inputs: {x: {shape: [8]}, t: {shape: [${2:-3}]}}
layers:
  - dense: {units: 32, activation: tanh, name: fc1}
  - dense: {units: 32, name: fc2}
  - {name: act, expr: "${3:-tanh(fc2)}"}
  - dense: {units: ${2:-3}, name: fc3}
loss: mse(fc3, t)
train: {batch: 16, epochs: 3, optimizer: {sgd: {lr: ${5:-0.05}}}${4:-}}
EOF
}
make() { model "$@" >"$1.yaml" && CC=$cc "$nncc" "$1.yaml" -o "$1"; }
"$python" - <<'EOF' || { skip "training: wants NumPy" && exit 0; }
import numpy as np
r = np.random.default_rng(1)
x = r.normal(size=(100, 8)).astype("f4")
np.save("x.npy", x)
np.save("t3.npy", np.tanh(x[:, :3]))
np.save("t2.npy", np.tanh(x[:, :2]))
x[40] = np.inf
np.save("bad.npy", x)
EOF
data="--data x=x.npy --data t=t3.npy"
check "a model" make a

# --- averages: those of two programs whose steps are the same ---------------------------------------------------------
check "with averages" make e 3 '' ', ema: 0.9'
./a train $data --seed 5 >out 2>said
./e train $data --seed 5 --checkpoint e.c >out 2>said
cat >averages.py <<'EOF'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import safetensors
w, c, out = (safetensors.load(f) for f in ("a.safetensors", "e.c", "e.safetensors"))
for name in w:
    assert np.array_equal(w[name], c[name]), "the steps are not those without averages: " + name
    assert np.array_equal(out[name], c["ema." + name]), "what is saved is no average: " + name
    assert not np.array_equal(out[name], w[name]), name
EOF
check "averages change no step, and are what is saved" "$python" averages.py "$root/tests/torch"
./e eval $data --weights e.c >of_checkpoint 2>said
./e eval $data >of_weights 2>said
check "a checkpoint read as weights: its averages" cmp of_checkpoint of_weights

# --- frozen --------------------------------------------------------------------------------------------------------------
check "frozen by a pattern" make f 3 '' ', frozen: ["fc1.*", "fc2.?eight", "fc2.bias"]'
flops() { "./$1" info --json | sed -n 's/.*"flops_train": *\([0-9.e+]*\).*/\1/p'; }
awk -v a="$(flops a)" -v f="$(flops f)" 'BEGIN { exit !(f > 0 && f < a / 2) }' &&
    ok "what is frozen costs no backward work: $(flops f) FLOPs a sample, not $(flops a)" ||
        bad "FLOPs: $(flops f), $(flops a)"
for m in a f; do "$nncc" $m.yaml --emit=report >$m.report; done
grep -q 'd_fc2' a.report && ! grep -q 'd_fc[12]' f.report && ok "no gradient of what is frozen in the report" ||
    bad "the report has a gradient of what is frozen"
./f init --seed 5 -o f0.safetensors
./f train $data --seed 5 >out 2>said
cat >frozen.py <<'EOF'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import safetensors
a, b = safetensors.load("f0.safetensors"), safetensors.load("f.safetensors")
assert {n for n in a if not np.array_equal(a[n], b[n])} == {"fc3.weight", "fc3.bias"}
EOF
check "only the others move" "$python" frozen.py "$root/tests/torch"

# --- weights that fit in part ---------------------------------------------------------------------------------------------
check "another last layer" make p 2
status "weights that do not fit" 1 ./p train --data x=x.npy --data t=t2.npy --weights a.safetensors
says "weights that do not fit: which" "fc3.weight is [3, 32], expected [2, 32]"
status "--partial" 0 ./p train --data x=x.npy --data t=t2.npy --weights a.safetensors --partial --lr 0 --out p.out
says "--partial: which stay as drawn" "fc3.weight is [3, 32], expected [2, 32]; fc3.bias is [3], expected [2]: as drawn"
cat >partial.py <<'EOF'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import safetensors
a, b = safetensors.load("a.safetensors"), safetensors.load("p.out")
assert all(np.array_equal(a[n], b[n]) == n.startswith(("fc1", "fc2")) for n in b)
EOF
check "--partial: what fits is taken" "$python" partial.py "$root/tests/torch"
status "--partial without weights" 2 ./p train --data x=x.npy --data t=t2.npy --partial
sed 's/fc\([123]\)/other\1/g; s/model: p/model: q/' p.yaml >q.yaml
CC=$cc "$nncc" q.yaml -o q
status "--partial of which nothing fits" 1 ./q train --data x=x.npy --data t=t2.npy --weights a.safetensors --partial

# --- looks before a training ----------------------------------------------------------------------------------------------
rm -f a.safetensors
status "--find-lr" 0 ./a train $data --find-lr
cp out rates
rate=$(sed -n 's/^suggestion: \([0-9.e+-]*\),.*/\1/p' rates)
awk -v r="${rate:-0}" 'BEGIN { exit !(r > 1e-3 && r < 5) }' && ok "--find-lr suggests $rate" ||
    bad "--find-lr suggests '$rate'"
grep -q 'diverges' rates && ok "--find-lr stops where the loss diverges" || bad "--find-lr: no divergence"
awk '$1 ~ /e-07/ && !n++ { first = $2 } END { exit !(n == 1 || first) }' rates && ok "the first rate is 1e-07" ||
    bad "first rate"
OMP_NUM_THREADS=1 ./a train $data --find-lr >one 2>said
check "the same with one thread" cmp one rates
status "--overfit-batch" 0 ./a train $data --overfit-batch --lr 0.5
grep -q 'the network learns them' out && ok "--overfit-batch: the loss goes towards 0" ||
    bad "--overfit-batch: $(tail -n 1 out)"
./a train $data --overfit-batch --lr 1e-6 --steps 20 >out 2>said
grep -q 'not towards 0' out && ok "--overfit-batch: and where it does not" || bad "--overfit-batch: $(tail -n 1 out)"
[ -e a.safetensors ] && bad "a look before training wrote weights" || ok "neither writes a file"

# --- where it came from ----------------------------------------------------------------------------------------------------
# origin NAME TEXT MODEL-ARGUMENTS: trains until the loss is not finite.
origin()
{
    name=$1 text=$2
    shift 2
    make "$@"
    ./"$1" train --no-shuffle $data --epochs 40 >out 2>said
    [ $? = 5 ] && ok "$name: status 5" || bad "$name: status $?"
    says "$name" "$text"
    grep error: said >two
    OMP_NUM_THREADS=1 ./"$1" train --no-shuffle $data --epochs 40 2>&1 | grep error: >one
    check "$name: the same with one thread" cmp one two
}
origin "a layer's output" "the first that is not finite: layer 'act' (g.yaml:6:17), its output" g 3 'log(fc2 + 40)' '' 3
origin "a gradient" "the gradient of 'fc2' (h.yaml:5:5)" h 3 'sqrt(exp(-10000 * fc2 * fc2))'
origin "an update" "(i.yaml:" i 3 '' '' 1e30

# In what stands once for several blocks, and in a loop.
cat >r.yaml <<'EOF'
model: r
inputs: {x: {shape: [8]}, t: {shape: [8]}}
blocks: {b: {layers: [{dense: {units: 8, name: fc, activation: relu}}, {dense: {units: 8, name: gc, activation: tanh}}]}}
layers: [b: {repeat: 6, name: h}]
loss: mse(h, t)
train: {batch: 16, optimizer: {sgd: {lr: 0.05}}}
EOF
cat >s.yaml <<'EOF'
model: s
inputs: {x: {shape: [5, 8]}, t: {shape: [5, 8]}}
layers:
  - scan:
      state: {h: 8}
      body:
        - {name: pre, expr: "h * 2 + input * input"}
        - dense: {units: 8, name: mid, input: pre}
        - {name: next, expr: "exp(mid * 9)"}
      name: rec
loss: mse(rec, t)
train: {batch: 16, optimizer: {sgd: {lr: 3}}}
EOF
for m in r s; do CC=$cc "$nncc" $m.yaml -o $m; done
./r init -o r.init
"$python" - "$root/tests/torch" <<'EOF'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import safetensors
w = safetensors.load("r.init")
w["h.3.fc.weight"][...] = np.sign(w["h.3.fc.weight"]) * 1e38
w["h.3.fc.bias"][...] = 3.4e38
safetensors.save("r.huge", w)
r = np.random.default_rng(2)
for name, shape in ("rx", (40, 8)), ("sx", (40, 5, 8)):
    np.save(name + ".npy", r.normal(size=shape).astype("f4"))
EOF
status "a block" 5 ./r train --data x=rx.npy --data t=rx.npy --weights r.huge
says "a block of several" "layer 'h.3.fc' (r.yaml:3:24), its output"
status "a loop" 5 ./s train --data x=sx.npy --data t=sx.npy
says "a layer in a loop" "layer 'rec.next' (s.yaml:9:24), its output"

# --- mixup: one step is that of the mixed images and losses, for some share --------------------------------------------------
cat >u.yaml <<'EOF'
model: u
inputs: {image: {shape: [4, 4]}, label: {classes: 3}}
layers: [{augment: [{mixup: 0.4}]}, flatten, {dense: {units: 3, bias: false, name: fc}}]
loss: softmax_cross_entropy(fc, label)
metrics: {accuracy: "accuracy(fc, label)"}
train: {batch: 7, optimizer: {sgd: {lr: 1}}}
EOF
check "mixup compiles" env CC="$cc" "$nncc" u.yaml -o u
cat >mixed.py <<'EOF'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import safetensors
a, b = (safetensors.load(f)["fc.weight"].astype("f8") for f in ("u0.safetensors", "u1.safetensors"))
x, y = np.load("image.npy").reshape(-1, 16).astype("f8")[:7], np.eye(3)[np.load("label.npy")[:7]]

def step(m):
    z, q = (1 - m) * x + m * x[::-1], (1 - m) * y + m * y[::-1]
    e = np.exp(z @ a.T)
    return -((e / e.sum(1, keepdims=True) - q).T @ z) / len(z)

def off(m):
    return np.abs(step(m) - (b - a)).max()

low, high = min(((off(m), m) for m in np.linspace(0, 0.5, 501)))[1] - 1e-3, 0
high = low + 2e-3
for _ in range(60):
    third = (high - low) / 3
    low, high = (low, high - third) if off(low + third) < off(high - third) else (low + third, high)
print("m = %.4f, off by %.2g" % (low, off(low)))
assert 1e-6 < low < 0.5 and off(low) < 1e-6, "no share gives this step"
EOF
"$python" -c '
import numpy as np
r = np.random.default_rng(4)
np.save("image.npy", r.normal(size=(20, 4, 4)).astype("f4"))
np.save("label.npy", r.integers(0, 3, 20).astype("i4"))'
data="--data image=image.npy --data label=label.npy"
./u init -o u0.safetensors
status "a step with mixup" 0 \
    ./u train $data --no-shuffle --steps 1 --weights u0.safetensors --out u1.safetensors --seed 3
check "a step with mixup is that of some share" "$python" mixed.py "$root/tests/torch"
./u train $data --epochs 4 --out u4.safetensors >out 2>said
OMP_NUM_THREADS=1 ./u train $data --epochs 2 --steps 4 --checkpoint u.c --out u3.safetensors >out 2>said
OMP_NUM_THREADS=1 ./u train $data --epochs 4 --resume u.c --out u3.safetensors >out 2>said
check "mixup: resumed on one thread, the same bits" cmp u3.safetensors u4.safetensors
