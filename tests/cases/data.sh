# SPDX-License-Identifier: MIT
# Bad data and weights through whole programs: the exit status, one clear line that names file and place, nothing
# half-written, the old files intact. Files are made here byte by byte: numbers of 4 bytes, as printf writes them.
. "$root/tests/lib.sh"

zero='\0\0\0\0' one='\0\0\200\77' nan='\0\0\300\177' inf='\0\0\200\377' # f32, the low byte first
int0='\0\0\0\0' int1='\1\0\0\0' int7='\7\0\0\0'
row=$zero$one$zero

# npy FILE DESCR SHAPE DATA, idx FILE TYPE-AND-DIMENSIONS DATA, st FILE HEADER DATA
npy() { { printf '\223NUMPY\1\0\166\0'; printf '%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3,), }"; printf "$4"; } >"$1"; }
idx() { printf "\0\0$2$3" >"$1"; }
st() { { printf '\370\0\0\0\0\0\0\0'; printf '%-248s' "$2"; printf "$3"; } >"$1"; }

# refused NAME STATUS TEXT COMMAND...: status and text, in one line on standard error; no file appears or changes.
refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    ls -A >"$tmp/before"
    status "$name" "$wanted" timeout 60 "$@"
    says "$name: says it" "$text"
    [ "$(wc -l <"$tmp/said")" -eq 1 ] && [ ! -s "$tmp/out" ] && ok "$name: in one line" || bad "$name: not in one line: $(head -n 3 "$tmp/said" "$tmp/out")"
    ls -A | cmp -s - "$tmp/before" && ok "$name: leaves nothing" || bad "$name: left $(ls -A | diff - "$tmp/before")"
}

mkdir here && cd here || exit 3
body='inputs:
  x: {shape: [3]}
  label: {classes: 2}
layers:
  - dense: {units: 2, name: fc}
outputs:
  probs: softmax(fc)
loss: softmax_cross_entropy(fc, label)
train: {batch: 4, epochs: 2, seed: 1, optimizer: {sgd: {lr: 0.1}}, checkpoint: {every: 50, path: c.ck}}'
printf 'model: tiny\n%s\n' "$body" >"$tmp/tiny.yaml"
# Wider, so that its files are of some kilobytes.
printf 'model: rows\n%s\ndata: {train: {records: {file: r.bin, label: 1, x: 3}}}\n' "$body" | sed 's/^layers:/&\n  - dense: 200/' >"$tmp/rows.yaml"
"$nncc" "$tmp/tiny.yaml" -o "$tmp/tiny" && "$nncc" "$tmp/rows.yaml" -o "$tmp/rows" || bad "the programs are made"
tiny=$tmp/tiny
npy x.npy '<f4' '4, 3' "$row$row$row$row"
npy y.npy '<i4' 4 "$int0$int1$int0$int1"
train() { name=$1 wanted=$2 text=$3; refused "$name" "$wanted" "$text" "$tiny" train --data "x=$4" --data "label=$5"; }

# --- data
train "a missing file" 3 "none.npy" none.npy y.npy
train "a folder" 3 "$tmp" "$tmp" y.npy
printf 'NUMPY' >magic.npy
train "npy: wrong magic" 1 "magic.npy" magic.npy y.npy
npy short.npy '<f4' '4, 3' "$row$row$row"
train "npy: truncated" 1 "short.npy" short.npy y.npy
head -c 40 x.npy >head.npy
train "npy: a truncated header" 1 "head.npy" head.npy y.npy
: >empty.npy
train "npy: no byte" 1 "empty.npy" empty.npy y.npy
npy pickle.npy '|O' '4, 3' "$row"
train "npy: a pickle" 1 "pickle" pickle.npy y.npy
npy wide.npy '<f4' '3, 4' "$row$row$row$row"
train "npy: a wrong shape" 1 "wide.npy" wide.npy y.npy
says "npy: a wrong shape: what was expected" "[3]"
npy huge.npy '<f4' '4611686018427387904, 3' "$row"
train "npy: a shape of more bytes than there are" 1 "huge.npy" huge.npy y.npy
npy none-at-all.npy '<f4' '0, 3' ''
npy no-label.npy '<i4' 0 ''
train "an empty set" 1 "none-at-all.npy" none-at-all.npy no-label.npy
npy three.npy '<i4' 3 "$int0$int1$int0"
train "counts that differ" 1 "three.npy" x.npy three.npy
npy nan.npy '<f4' '4, 3' "$row$row$zero$nan$zero$row"
train "npy: NaN" 1 "nan.npy" nan.npy y.npy
says "npy: NaN: the sample" "sample 2"
npy inf.npy '<f4' '4, 3' "$row$row$row$zero$zero$inf"
train "npy: infinity" 1 "inf.npy" inf.npy y.npy
says "npy: infinity: the sample" "sample 3"
npy seven.npy '<i4' 4 "$int0$int1$int0$int7"
train "a label out of range" 1 "seven.npy" x.npy seven.npy
says "a label out of range: the sample" "sample 3"
says "a label out of range: the value" "7"
npy below.npy '<i4' 4 "$int0$int1$int0"'\377\377\377\377'
train "a label below 0" 1 "-1" x.npy below.npy

be1='\77\200\0\0' four='\0\0\0\4'
ten="$be1$be1$be1$be1$be1$be1$be1$be1$be1$be1"
idx x.idx "\15\2$four"'\0\0\0\3' "$ten$be1$be1"
idx y.idx "\10\1$four" '\0\1\0\1'
check "idx: right" "$tiny" train --data x=x.idx --data label=y.idx --out idx.safetensors
idx short.idx "\15\2$four"'\0\0\0\3' "$ten"
train "idx: truncated" 1 "short.idx" short.idx y.idx
idx long.idx "\10\1$four" '\0\1\0\1\0'
train "idx: bytes past the end" 1 "long.idx" x.idx long.idx
printf '\1\2\10\1\0\0\0\4\0\1\0\1' >magic.idx
train "idx: wrong magic" 1 "magic.idx" x.idx magic.idx
idx label.idx "\10\1$four" '\0\1\0\2'
train "idx: a label out of range" 1 "sample 3" x.idx label.idx
gzip -c x.idx >x.idx.gz
check "gz: right" "$tiny" train --data x=x.idx.gz --data label=y.idx --out gz.safetensors
head -c 30 x.idx.gz >short.idx.gz
train "gz: truncated" 1 "short.idx.gz" short.idx.gz y.idx
{ head -c 20 x.idx.gz; printf '\377\377\377\377'; tail -c +25 x.idx.gz; } >bad.idx.gz
train "gz: a wrong byte" 1 "bad.idx.gz" bad.idx.gz y.idx
printf 'plain' >plain.idx.gz
train "gz: not gzip" 1 "plain.idx.gz" plain.idx.gz y.idx

printf 'a,b,c\n1,2,3\n4,5,6\n7,8,9\n1,1,1\n' >x.csv
check "csv: right" "$tiny" train --data x=x.csv --data label=y.npy --out csv.safetensors
printf 'a,b,c\n1,2,3\n4,nan,6\n7,8,9\n1,1,1\n' >nan.csv
train "csv: NaN" 1 "nan.csv:3" nan.csv y.npy
printf 'a,b,c\n1,2,3\n4,5,6\n7,8,inf\n1,1,1\n' >inf.csv
train "csv: infinity" 1 "inf.csv:4" inf.csv y.npy
printf 'a,b,c\n1,2,3\n4,5\n7,8,9\n1,1,1\n' >ragged.csv
train "csv: a field too few" 1 "ragged.csv:3" ragged.csv y.npy
printf 'a,b,c\n1,2,3\n4,x5,6\n7,8,9\n1,1,1\n' >word.csv
train "csv: a word" 1 "word.csv:3" word.csv y.npy
printf 'a,b,c\n1,2,3\n4,"5,6\n7,8,9\n' >open.csv
train "csv: an open quote" 1 "open.csv" open.csv y.npy
printf 'a,b,c\n' >head.csv
train "csv: only a header" 1 "head.csv" head.csv y.npy

printf '\0\1\2\3\1\4\5\6' >r.bin
check "records: right" "$tmp/rows" train --out records.safetensors
rm -f c.ck
printf '\0\1\2\3\1\4\5' >r.bin
refused "records: a truncated record" 1 "r.bin" "$tmp/rows" train
printf '\0\1\2\3\5\4\5\6' >r.bin
refused "records: a label out of range" 1 "sample 1" "$tmp/rows" train
: >r.bin
refused "records: an empty set" 1 "r.bin" "$tmp/rows" train
rm -f r.bin
refused "records: a missing file" 3 "r.bin" "$tmp/rows" train

if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -c 'import numpy as n; n.savez("x.npz", x=n.ones((4, 3), "f")); n.savez("z.npz", a=n.ones(4), b=n.ones(4))'
    check "npz: right" "$tiny" train --data x=x.npz --data label=y.npy --out npz.safetensors
    rm -f c.ck
    head -c 200 x.npz >short.npz
    train "npz: truncated" 1 "short.npz" short.npz y.npy
    train "npz: the member is not there" 1 "z.npz" z.npz y.npy
    printf 'PK' >magic.npz
    train "npz: wrong magic" 1 "magic.npz" magic.npz y.npy
else
    skip "npz: $python has no numpy"
fi
refused "no data" 2 "train" "$tiny" train
refused "data for no input" 2 "nothing" "$tiny" train --data nothing=x.npy
rm -f c.ck

# --- weights
w='"fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}' six=$row$row
uses() { refused "$1" "$2" "$3" "$tiny" eval --data x=x.npy --data label=y.npy --weights "$4"; }
st right.st "{$w,\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}" "$six$zero$one"
check "weights: right" "$tiny" eval --data x=x.npy --data label=y.npy --weights right.st
uses "weights: a missing file" 3 "none.st" none.st
uses "weights: the default file is missing" 3 "tiny.safetensors" tiny.safetensors
st missing.st "{$w}" "$six"
uses "weights: a tensor is missing" 1 "fc.bias" missing.st
st shape.st "{$w,\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]}}" "$six$row"
uses "weights: a wrong shape" 1 "fc.bias" shape.st
says "weights: a wrong shape: both shapes" "[2]"
uses "weights: not safetensors" 1 "x.csv" x.csv
head -c 270 right.st >short.st
uses "weights: truncated" 1 "short.st" short.st
head -c 100 right.st >head.st
uses "weights: a truncated header" 1 "head.st" head.st
: >none.bin
uses "weights: no byte" 1 "none.bin" none.bin
st nan.st "{$w,\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}" "$six$zero$nan"
uses "weights: NaN" 5 "fc.bias" nan.st
"$tiny" init -o sum.st
{ head -c $(($(wc -c <sum.st) - 1)) sum.st; printf '\125'; } >byte.st
uses "weights: a byte has changed" 1 "does not match its checksum" byte.st
uses "weights: a folder" 3 "$tmp" "$tmp"
refused "predict: a file without an ending we know" 1 "" "$tiny" predict --weights right.st --input x=right.st --output probs=p.npy
refused "predict: NaN" 1 "sample 2" "$tiny" predict --weights right.st --input x=nan.npy --output probs=p.npy
refused "predict: into a missing folder" 3 "none/p.npy" "$tiny" predict --weights right.st --input x=x.npy --output probs=none/p.npy

# --- where results go
go() { "$tiny" train --data x=x.npy --data label=y.npy "$@"; }
long="--steps 4000000" # ended by a signal long before, and by itself where the test is killed
refused "--out into a missing folder, before training starts" 3 "none/w" "$tiny" train --data x=x.npy --data label=y.npy $long --out none/w
refused "--checkpoint into a missing folder, before training starts" 3 "none/c" "$tiny" train --data x=x.npy --data label=y.npy $long --checkpoint none/c
refused "--log into a missing folder, before training starts" 3 "none/l" "$tiny" train --data x=x.npy --data label=y.npy $long --log none/l

check "training, with a checkpoint" go --out old.st --checkpoint old.ck
cp old.st kept.st && cp old.ck kept.ck
# Blocks of 512 bytes: as many as the messages need, and OpenMP's own file of 1 KB.
limited() { sh -c 'ulimit -f 4; exec "$@"' sh "$@"; }
check "training of the wider one" "$tmp/rows" train --data x=x.npy --data label=y.npy --out rows.st --checkpoint rows.ck
cp rows.ck kept-rows.ck
status "ulimit -f: over an old checkpoint" 3 limited "$tmp/rows" train --data x=x.npy --data label=y.npy --out rows.st --checkpoint rows.ck
says "ulimit -f: over an old checkpoint: says which file" "rows.ck"
check "ulimit -f: the old checkpoint stays" same rows.ck kept-rows.ck
refused "ulimit -f: nncc" 3 "cannot write 't." sh -c 'ulimit -f 4; exec "$@"' sh "$nncc" "$tmp/tiny.yaml" -o t.c

if [ "$(id -u)" -eq 0 ] && mkdir full && mount -t tmpfs -o size=64k none full 2>/dev/null; then
    cp old.st full/w.st && cp old.ck full/c.ck
    dd if=/dev/zero of=full/filler bs=1k 2>/dev/null
    refused "a full disk: init" 3 "full/new.st" "$tiny" init -o full/new.st
    refused "a full disk: nncc" 3 "cannot write 'full/t" "$nncc" "$tmp/tiny.yaml" -o full/t.c
    refused "a full disk: predict" 3 "full/p.npy" "$tiny" predict --weights right.st --input x=x.npy --output probs=full/p.npy
    status "a full disk: train" 3 go --out full/w.st --checkpoint full/c.ck
    says "a full disk: train: says which file" "full/c.ck"
    status "a full disk: train, the checkpoint elsewhere" 3 go --out full/w.st --checkpoint c.ck
    says "a full disk: train, the checkpoint elsewhere: says which file" "full/w.st"
    rm -f c.ck tiny.safetensors
    check "a full disk: the old weights stay" same full/w.st kept.st
    check "a full disk: the old checkpoint stays" same full/c.ck kept.ck
    [ "$(ls -A full | tr '\n' ' ')" = "c.ck filler w.st " ] && ok "a full disk: no part is left" || bad "a full disk: left $(ls -A full)"
    umount full
else
    skip "a full disk: no tmpfs can be mounted here"
fi

# nobody COMMAND...: as a user whom a folder's mode stops.
if [ "$(id -u)" -ne 0 ]; then
    nobody() { "$@"; }
else
    nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    chmod 755 "$tmp"
fi
mkdir closed && chmod 555 closed
if nobody true 2>/dev/null && nobody test -x "$tiny" && nobody test -x "$nncc" && ! nobody test -w closed; then
    as=$([ "$(id -u)" -eq 0 ] && echo setpriv --reuid=65534 --regid=65534 --clear-groups)
    refused "a read-only folder: train, before training starts" 3 "closed/w.st" $as "$tiny" train --data x=x.npy --data label=y.npy $long --out closed/w.st
    refused "a read-only folder: init" 3 "closed/w.st" $as "$tiny" init -o closed/w.st
    refused "a read-only folder: nncc" 3 "closed/t" $as "$nncc" "$tmp/tiny.yaml" -o closed/t.c
    : >secret.npy && chmod 000 secret.npy
    refused "a file that may not be read" 3 "secret.npy" $as "$tiny" eval --weights right.st --data x=secret.npy --data label=y.npy
else
    skip "a read-only folder: no other user to be here"
fi

# --- training that ends early
status "NaN in training" 5 go --lr 3e38 --epochs 1000 --out old.st --resume old.ck --checkpoint old.ck
says "NaN in training: where" "error: step "
check "NaN in training: the old weights stay" same old.st kept.st
check "NaN in training: the old checkpoint stays" same old.ck kept.ck

for pause in 0.2 0.35 0.5; do
    rm -f killed.ck
    "$tiny" train --data x=x.npy --data label=y.npy $long --out killed.st --checkpoint killed.ck >/dev/null 2>&1 &
    child=$!
    i=0
    while [ ! -e killed.ck ] && [ $i -lt 200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
    sleep $pause
    kill -9 $child
    wait $child 2>/dev/null
    [ -e killed.st ] && bad "kill -9 after $pause s: weights, though it did not end" || ok "kill -9 after $pause s: no weights"
    status "kill -9 after $pause s: the checkpoint loads" 0 go --resume killed.ck --epochs 1 --out resumed.st
done
# timeout runs it in the foreground: a shell's background jobs ignore the interrupt.
status "Ctrl-C" 130 timeout --preserve-status -s INT 1 "$tiny" train --data x=x.npy --data label=y.npy $long --out int.st --checkpoint int.ck
says "Ctrl-C: says what was saved" "int.st"
check "Ctrl-C: the weights load" "$tiny" eval --data x=x.npy --data label=y.npy --weights int.st
check "Ctrl-C: the checkpoint loads" go --resume int.ck --epochs 1 --out resumed.st
