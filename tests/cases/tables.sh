# SPDX-License-Identifier: MIT
# Tables through whole programs: categories that training learns and weights keep, values that are missing, parts of a
# table, bad rows as errors and left out, cross-validation.
. "$root/tests/lib.sh"
export CC="$(quick_cc)"

# refused NAME TEXT COMMAND...: status 1, and the text in one line.
refused()
{
    name=$1 text=$2
    shift 2
    status "$name" 1 "$@"
    says "$name: says it" "$text"
    [ "$(wc -l <said)" -eq 1 ] && ok "$name: in one line" || bad "$name: not in one line"
}

cat >pets.yaml <<'END'
model: pets
inputs:
  x: {shape: [2]}
  kind: {classes: 3}
  owner: {classes: 4}
  tag: {tokens: 2, shape: [2]}
  label: {classes: 2}
layers:
  - embedding: {count: 3, dim: 2, input: kind, name: e}
  - embedding: {count: 2, dim: 1, input: tag, name: t}
  - flatten: {input: t, name: tags}
  - embedding: {count: 4, dim: 1, input: owner, name: o}
  - concat: {input: [x, e, tags, o]}
  - dense: {units: 2, name: logits}
outputs: {probs: softmax(logits), e: e, tags: tags, o: o}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 4, epochs: 3, optimizer: {sgd: {lr: 0.1}}}
data:
  train:
    csv:
      file: pets.data
      delimiter: space
      x: [weight, age]
      kind: {column: kind, count: 2, unseen: 2}
      owner: {column: owner, offset: -1}
      tag: [a, b]
      label: {column: good, categories: [no, yes]}
      where: {part: [train, more]}
END
"$nncc" pets.yaml -o pets || bad "the program is made"
cat >pets.data <<'END'
weight   age kind    owner a b good part
 4.5     3   cat     1     p q no   train
20.      7   "big dog" 2   q q yes  train
 5       1   cat     4     p p no   more
 1       1   fish    1     q p no   test
30	2   "big dog" 3     q q yes  train 
END
check "blanks between fields, categories, a part of the rows" ./pets train
strings pets.safetensors >kept.txt 2>/dev/null || tr -c '[:print:]' '\n' <pets.safetensors >kept.txt
check "categories are kept in order of their bytes" grep -q 'nncc.labels.kind":"\[\\"big dog\\",\\"cat\\"\]' kept.txt
check "of each column its own" grep -q 'nncc.labels.tag.0":"\[\\"p\\",\\"q\\"\]' kept.txt
grep -q 'nncc.labels.label\|nncc.labels.owner' kept.txt && bad "lists of the model and numbers are not kept" ||
    ok "lists of the model and numbers are not kept"

# Predictions take raw rows: one table, or a column of it; a category that is new has the index `unseen`.
printf 'kind owner a b weight age\ncat 1 p q 4.5 3\n"big dog" 2 q q 20 7\nfish 1 q p 1 1\n' >new.data
check "predict: a table" ./pets predict --input new.data --output e=e.npy --output probs=p.npy
printf 'kind\ncat\n"big dog"\nfish\n' >kinds.csv
check "predict: a column" ./pets predict --input kind=kinds.csv --output e=e2.npy
check "predict: the same rows" same e.npy e2.npy
"$python" - 2>/dev/null <<'END' && ok "predict: a category has the row of its index" || \
    skip "predict: a category has the row of its index: $python has no numpy"
import json, numpy, struct
b = open("pets.safetensors", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
at = json.loads(b[8:8 + n])["e.weight"]["data_offsets"]
table = numpy.frombuffer(b[8 + n + at[0]:8 + n + at[1]], "<f4").reshape(3, 2)
assert (numpy.load("e.npy") == table[[1, 0, 2]]).all()
END
printf 'kind owner a b weight age\ncat 1 p r 4.5 3\n' >unseen.data
refused "predict: a category that training had not" \
    "unseen.data:2:9: expected a category that the training data has in column 'b', found 'r'" \
    ./pets predict --input unseen.data --output probs=p.npy

# Bad rows.
row='4 3 cat 1 p q no train'
table() { { echo "weight age kind owner a b good part"; printf "$1"; } >pets.data; }
wrong() { table "$3"; refused "$1" "$2" ./pets train --out none.safetensors; }
wrong "a ragged row" "pets.data:3: expected 8 fields, as the first line has, found 7" "$row\n4 3 cat 1 p q no\n"
wrong "text in a column of numbers" "pets.data:3:3: expected a number in column 'age', found 'old'" \
    "$row\n4 old cat 1 p q no train\n"
wrong "the header twice" "pets.data:3:1: expected a number in column 'weight', found 'weight'" \
    "$row\nweight age kind owner a b train train\n"
wrong "NaN" "pets.data:3:1: expected a finite number" "$row\nnan 3 cat 1 p q no train\n"
wrong "a class over the range" "pets.data:3:9: expected an integer from 0 to 3 for 'owner' in column 'owner', found '5', which its offset makes 4" "$row\n4 3 cat 5 p q no train\n"
wrong "a class below it" "found '0', which its offset makes -1" "$row\n4 3 cat 0 p q no train\n"
wrong "no class of the list" "pets.data:3:15: expected a category of the model's list in column 'good', found 'maybe'" "$row\n4 3 cat 1 p q maybe train\n"
wrong "a category too many" "pets.data:4:5: 'ox' in column 'kind' is one category more than the 2 of 'kind'" \
    "$row\n4 3 dog 1 p q no train\n4 3 ox 1 p q no train\n"
wrong "an empty category" "expected a category in column 'kind', found an empty field" "$row\n4 3 \"\" 1 p q no train\n"
wrong "no row of the part" "expected one sample or more, found none" "4 3 cat 1 p q no test\n"
printf '' >pets.data
refused "an empty file" "pets.data: expected a table, found an empty file" ./pets train
echo "weight age kind owner a good part" >pets.data
refused "a column is missing" "a column 'b'" ./pets train
echo "weight age kind owner a b good part b" >pets.data
refused "a column twice" "pets.data:1: expected one column 'b', found two" ./pets train
[ -e none.safetensors ] && bad "bad rows leave no weights" || ok "bad rows leave no weights"

# --keep-going: the same rows left out are the same as not there.
table "$row\n20 7 dog 2 q q yes train\n5 1 cat 4 p p no more\n"
./pets train --out clean.safetensors >clean.txt 2>/dev/null
table "$row\n1 2 3\n20 7 dog 2 q q yes train\n4 old cat 1 p q no train\n4 3 cat 9 p q no train\n5 1 cat 4 p p no more\n4 nan ox 1 p q no train\n4 4 cat 1 p q so train\n"
status "--keep-going: trains" 0 ./pets train --keep-going --out kept.safetensors
says "--keep-going: how many" "warning: 5 of 8 rows are bad and left out; the first are named above"
says "--keep-going: a reason" "skipped: pets.data:3: expected 8 fields"
check "--keep-going: as if they were not there" same clean.safetensors kept.safetensors
status "--keep-going: eval" 0 ./pets eval --keep-going --data pets.data --weights kept.safetensors
table "4 old cat 1 p q no train\n"
status "--keep-going: nothing is left" 1 ./pets train --keep-going --out none.safetensors
printf 'kind owner a b weight age\ncat 1 p r 4 3\ncat 1 p q 4 3\n' >unseen.data
status "--keep-going: predict" 0 \
    ./pets predict --keep-going --weights kept.safetensors --input unseen.data --output tags=-
[ "$(wc -l <out)" -eq 1 ] && ok "--keep-going: predict leaves the row out" || bad "--keep-going: predict: $(cat out)"

# Values that are missing are NaN, which a network may look for.
sed -e 's/      where:.*/      missing: ["?", NA, ""]/' -e 's/delimiter: space/delimiter: ","/' \
    -e 's/  - concat: .*/  - {name: full, expr: "where(x == x, x, 0)"}\n  - concat: {input: [full, e, tags, o]}/' \
    -e 's/^outputs: {/&seen: "x == x", /' pets.yaml >gaps.yaml
"$nncc" gaps.yaml -o gaps || bad "the program is made"
printf 'weight,age,kind,owner,a,b,good\n4,?,cat,1,p,q,no\nNA,2,dog,2,p,p,yes\n,,cat,3,q,q,no\n' >pets.data
cp pets.data gaps.csv
status "missing: trains" 0 ./gaps train --out gaps.safetensors
check "missing: predicts" ./gaps predict --weights gaps.safetensors --input gaps.csv --output seen=-
./gaps predict --weights gaps.safetensors --input gaps.csv --output seen=- >seen.txt 2>/dev/null
[ "$(tr '\n' ' ' <seen.txt)" = "1 0 0 1 0 0 " ] && ok "missing: is NaN" || bad "missing: $(cat seen.txt)"
printf 'weight,age,kind,owner,a,b,good\n4,nan,cat,1,p,q,no\n' >pets.data
refused "missing: no other NaN" "pets.data:2:3: expected a finite number" ./gaps train --out none.safetensors
sed 's/^4,nan/4,3/; s/cat/?/' pets.data >more.csv && cp more.csv pets.data
check "missing: among categories it is one" ./gaps train --out none.safetensors
sed 's/,1,p/,?,p/' more.csv >pets.data
refused "missing: not of class indices" "expected a number in column 'owner', found '?'" \
    ./gaps train --out none.safetensors

# Folds.
cat >loans.yaml <<'END'
model: loans
inputs: {x: {shape: [2], normalize: {mean: [45, 30], std: [15, 15]}}, home: {classes: 3}, label: {classes: 2}}
layers:
  - embedding: {count: 3, dim: 2, input: home, name: e}
  - concat: {input: [x, e]}
  - dense: {units: 2, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, label)
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 32, epochs: 2, optimizer: {adam: {lr: 1e-2}}, checkpoint: {every_epochs: 1}}
data: {train: {csv: {generator: loans, count: 403, x: [age, months], home: home, label: default}}}
END
"$nncc" loans.yaml -o loans || bad "the program is made"
status "folds: trains" 0 ./loans train --folds 4
[ "$(grep -c '^fold [1-4] accuracy: ' out)" -eq 4 ] && ok "folds: figures of each" || bad "folds: $(cat out)"
awk '/^fold . accuracy/ { n++; s += $4; q += $4 * $4 } /^accuracy:/ { m = $2 } /^accuracy_std:/ { d = $2 }
    END { e = sqrt((q - s * s / n) / (n - 1)); exit !(n == 4 && (m - s / n) ^ 2 < 1e-10 && (d - e) ^ 2 < 1e-10) }' \
        out &&
    ok "folds: mean and standard deviation" || bad "folds: $(cat out)"
awk '/^accuracy:/ { m = $2 } /^accuracy_pooled:/ { p = $2 * 403 } END { exit !((p / 403 - m) ^ 2 < 1e-4 && (p - int(p + 0.5)) ^ 2 < 1e-6) }' out &&
    ok "folds: all together" || bad "folds: all together: $(cat out)"
ls loans.safetensors loans.checkpoint >/dev/null 2>&1 && bad "folds: no file is left" || ok "folds: no file is left"
cp out all.txt
status "folds: one alone" 0 ./loans train --folds 4 --fold 3
[ "$(grep '^fold 3' out)" = "$(grep '^fold 3' all.txt)" ] && ok "folds: one alone is the same" ||
    bad "folds: $(cat out)"
check "folds: one alone leaves weights" test -s loans.safetensors
status "folds: --out wants one" 2 ./loans train --folds 4 --out w.safetensors
status "folds: too few" 2 ./loans train --folds 1
status "folds: more than samples" 2 ./loans train --folds 404
status "folds: no such one" 2 ./loans train --folds 4 --fold 5
status "folds: of how many" 2 ./loans train --fold 1
# A fold is trained with what is the same with it left out of the file: its vocabulary too.
{ echo "age,months,home,default"; for i in 1 2 3 4 5 6 7 8 9; do echo "$((20 + i)),6,own,no";
    echo "4$i,12,rent,yes"; done; echo "30,6,tent,no"; } >homes.csv
status "folds: a category that only one part has" 1 ./loans train --folds 10 --data homes.csv
says "folds: a category that only one part has: which" \
    "homes.csv:20:6: expected a category that the training data has in column 'home', found 'tent'"
status "folds: it may be left out" 0 ./loans train --folds 10 --data homes.csv --keep-going
echo "31,6,own,perhaps" >>homes.csv
sed 's/label: default/label: {column: default, categories: [no, yes]}/' loans.yaml >listed.yaml &&
    "$nncc" listed.yaml -o listed
status "folds: the last row is bad" 0 ./listed train --folds 3 --data homes.csv --keep-going
OMP_NUM_THREADS=1 ./loans train --folds 3 >one.txt 2>/dev/null
OMP_NUM_THREADS=2 ./loans train --folds 3 >two.txt 2>/dev/null
check "folds: the same on one thread and two" same one.txt two.txt
"$nncc" loans.yaml --target=generic --single-file -o single.c --main &&
    check "categories in a single file" $CC -O1 -fopenmp single.c -lm -o single &&
        check "a single file with categories trains" ./single train --out s.safetensors
