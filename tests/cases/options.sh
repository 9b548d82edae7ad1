# SPDX-License-Identifier: MIT
# nncc's command line: exit statuses, suggestions, outputs; a wrong model never leaves a file.
. "$root/tests/lib.sh"
model=$root/tests/models/mixed.yaml
printf 'model: bad\ninputs:\n  x: {shape: [3]}\nlayers:\n  - dens: 4\n' >bad.yaml

status "--help" 0 "$nncc" --help
status "--version" 0 "$nncc" --version
head -n 1 out | grep -Eq '^nncc [0-9]+\.[0-9]+\.[0-9]+$' && ok "--version names the version" || bad "--version: $(head -n 1 out)"
status "no model" 2 "$nncc"
status "two models" 2 "$nncc" a.yaml b.yaml
status "unknown option" 2 "$nncc" --emti=c "$model"
says "unknown option: the nearest" "did you mean 'emit'"
status "unknown target" 2 "$nncc" --target=x86-64-v5 "$model"
status "unknown pass" 2 "$nncc" --no-pass=fuze "$model"
says "unknown pass: the nearest" "did you mean 'fuse'"
status "batch of 0" 2 "$nncc" --batch=0 "$model"
status "missing model" 3 "$nncc" missing.yaml
status "a folder as model" 3 "$nncc" .
status "an output folder that is not there" 3 "$nncc" "$model" -o none/x.c
status "over the memory limit" 4 "$nncc" "$model" --memory-limit=100K -o x.c
says "over the memory limit: by how much" "over --memory-limit"
[ -e x.c ] && bad "over the limit, yet x.c was written" || ok "over the limit: nothing written"
status "a wrong model" 1 "$nncc" bad.yaml -o bad.c
says "a wrong model: place" "bad.yaml:5:5: error:"
says "a wrong model: the nearest" "did you mean 'dense'"
[ -e bad.c ] || [ -e bad.h ] && bad "a wrong model left a file" || ok "a wrong model leaves no file"
status "a C compiler that is not there" 3 env CC=no-such-compiler "$nncc" "$model" -o program
[ -e program ] && bad "a failed compiler left a program" || ok "a failed compiler leaves no program"

status "to standard output" 0 "$nncc" "$model" -o -
grep -q 'mixed_predict' out && ok "C on standard output" || bad "no C on standard output"
status "from standard input" 0 sh -c "\"$nncc\" - -o stdin.c <\"$model\""
[ -e stdin.c ] && [ -e stdin.h ] && ok "writes stdin.c and stdin.h" || bad "no stdin.c and stdin.h"
status "default output" 0 "$nncc" "$model"
[ -e mixed.c ] && ok "the model's stem and .c" || bad "no mixed.c"
"$nncc" "$root/tests/models/image.yaml" -o fast.c && "$nncc" "$root/tests/models/image.yaml" --exact -o exact.c
grep -q winograd_patch fast.c && ok "convolutions by Winograd's method" || bad "no convolution by Winograd's method"
grep -q winograd_patch exact.c && bad "--exact, yet Winograd's method" || ok "--exact: no Winograd"
for kind in ir dot report; do
    status "--emit=$kind" 0 "$nncc" "$model" --emit=$kind
    [ -s out ] && ok "--emit=$kind prints" || bad "--emit=$kind prints nothing"
done
status "--dump-after=fuse" 0 "$nncc" "$model" --dump-after=fuse
status "--time-passes" 0 "$nncc" "$model" --time-passes -o t.c
says "--time-passes names them" "fuse"
status "--batch" 0 "$nncc" "$model" --batch=7 -o seven.c
grep -q 'MIXED_BATCH = 7' seven.h && ok "--batch overrides" || bad "--batch does not override"
status "--no-train" 0 "$nncc" "$model" --no-train -o infer.c
grep -q train_step infer.h && bad "--no-train still trains" || ok "--no-train leaves training out"
for target in generic x86-64-v2 x86-64-v3 x86-64-v4 armv8-a rv64gc cortex-m4 cortex-m7; do
    status "--target=$target" 0 "$nncc" "$model" --target=$target -o target.c
done
mkfifo pipe
status "a program does not replace a pipe" 3 "$nncc" "$model" -o pipe
says "and says so" "no file"
check "which is still there" test -p pipe
status "-o /dev/stdout" 0 "$nncc" "$model" -o /dev/stdout --emit=c
[ -L /dev/stdout ] && grep -q 'mixed_predict' out && ok "a link is written through" || bad "a link was not written through"
