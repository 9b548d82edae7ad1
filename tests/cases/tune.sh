# SPDX-License-Identifier: MIT
# Choices of products in MODEL.tune: legal ones change the emitted C and no result, others are refused with their place;
# --tune writes such a file. Nothing here depends on how fast anything is.
. "$root/tests/lib.sh"
awk 'BEGIN { srand(7); for (i = 0; i < 200; i++) { s = ""; m = -9; c = 0;
     for (j = 0; j < 20; j++) { v = rand() * 2 - 1; s = s v ","; if (j < 5 && v > m) { m = v; c = j } }
     print s c } }' >data.csv
columns=$(awk 'BEGIN { for (j = 0; j < 20; j++) printf "%s%d", j ? ", " : "", j }')
for net in mixed image; do
    sed "\$a data:\\n  train: {csv: {file: data.csv, header: false, x: [$columns], label: 20}}" \
        "$root/tests/models/$net.yaml" >$net.yaml
done
# No random changes: rounding alone may differ.
sed -i -e '/augment:/d' -e '/dropout/d' image.yaml mixed.yaml

for cc in gcc clang; do
    usable $cc || { skip "templates/tune.c under $cc: it does not link OpenMP programs here"; continue; }
    check "templates/tune.c under $cc" $cc -std=gnu11 -O1 -Wall -Wextra -Werror -fopenmp "$root/templates/tune.c" -o alone
    check "templates/tune.c under $cc: runs" ./alone 0.01 alone.txt
    check "templates/tune.c under $cc: a line a candidate" test "$(wc -l <alone.txt)" -eq 2
done

# The file that nncc writes: its header serves the files below.
status "--tune" 0 "$nncc" --tune=1 mixed.yaml
check "--tune: the distance of the cost model" grep -q "the cost model's plans are" out
check "--tune: a line a product" grep -Eq '^matmul:[^ ]* ms=[0-9.e+-]+ model_ms=[0-9.e+-]+' mixed.tune
[ -e mixed.c ] && bad "--tune compiles" || ok "--tune does not compile by itself"
status "its file is read" 0 "$nncc" mixed.yaml -o tuned.c
[ -s said ] && bad "its file is read: $(cat said)" || ok "its file is read in silence"
check "the banner names it" grep -q "Products as measured: mixed.tune" tuned.c
sed '/^[a-z_]*:[^ ]/d' mixed.tune >header
check "the header" grep -q "^cpu: " header
other="matmul:1x2x3,stack=1,a=plain,b=plain"
echo "$other tile_m=3" >>mixed.tune
status "--tune and -o" 0 "$nncc" --tune=1 --no-train mixed.yaml -o both.c
check "--tune and -o: compiles as well" grep -q mixed_predict both.c
check "products of other calls are kept" grep -q "^$other tile_m=3\$" mixed.tune
status "--tune of standard input" 2 sh -c "\"$nncc\" --tune - <mixed.yaml"
status "--tune=0" 2 "$nncc" --tune=0 mixed.yaml
rm mixed.tune
"$nncc" mixed.yaml -o plain.c

# Choices at random: "product KEY" and "choices NAME=VALUE(LEAST-MOST/STEP) ..." of the report, a line each. What a plan
# packs may be a choice with some tiles alone: tiles are chosen first, then all that may be packed is, of those plans.
choices()
{
    "$nncc" $1.yaml --emit=report --no-tune | awk -v seed=$2 -v only="$3" '
        BEGIN { srand(seed) }
        $1 == "product" { key = $2 }
        $1 == "choices" && !(key in seen) {
            seen[key] = 1
            line = key
            for (i = 2; i <= NF; i++) {
                n = split($i, part, /[=()\/-]/)
                if (n < 5 || index(only, " " part[1] " ") == 0) continue
                value = part[3] + int(rand() * ((part[4] - part[3]) / part[5] + 1)) * part[5]
                if (part[1] ~ /^pack/) continue
                if (part[1] == "winograd") value = 1 - part[2]
                if (part[1] == "depth" && value > 3 * part[5]) value = (1 + value / part[5] % 3) * part[5]
                line = line " " part[1] "=" value
            }
            print line
        }' >$1.choices
    cat header $1.choices >$1.tune
    "$nncc" $1.yaml --emit=report | awk -v only="$3" '
        FNR == NR { if ($1 == "product") key = $2
                    for (i = 2; $1 == "choices" && i <= NF; i++) {
                        n = split($i, part, /[=()\/-]/)
                        if (n >= 5 && part[1] ~ /^pack/ && index(only, " " part[1] " ") && !((key, part[1]) in seen)) {
                            seen[key, part[1]] = 1
                            more[key] = more[key] " " part[1] "=1"
                        }
                    }
                    next }
        { print $0 more[$1] }' - $1.choices >packed
    mv packed $1.choices
    cat header $1.choices >$1.tune
}

# The losses of training with and without the file are equal but for rounding, and bits do not depend on threads.
trains()
{
    what="$1: choices $2"
    choices $1 "$2" "$3"
    status "$what: compiles" 0 "$nncc" $1.yaml -o on
    [ -x on ] || return
    for threads in 1 2; do
        OMP_NUM_THREADS=$threads ./on train --epochs 1 --out on$threads.safetensors >on$threads.txt 2>said
    done
    check "$what: 1 and 2 threads give the same bits" same on1.safetensors on2.safetensors
    if awk -v a="$(value on1.txt loss)" -v b="$(value off.txt loss)" \
        'BEGIN { d = a - b; exit !(a != "" && b != "" && d < 1e-3 && d > -1e-3) }'; then
        ok "$what: the same loss but for rounding"
    else
        bad "$what: loss $(value on1.txt loss), not $(value off.txt loss)"
    fi
    "$nncc" $1.yaml -o with.c
    "$nncc" $1.yaml --no-tune -o without.c
    cmp -s with.c without.c && bad "$what: the emitted C is the same" || ok "$what: the emitted C differs"
    rm -f on
}

for net in mixed image; do
    "$nncc" $net.yaml --no-tune -o off || { bad "$net: no program"; continue; }
    ./off train --epochs 1 --out off.safetensors >off.txt 2>said
    trains $net 1 " tile_n tile_m tile_w patches depth pack_a pack_b panel_first block_samples block_rows "
    trains $net 2 " tile_n tile_m tile_w patches depth pack_a pack_b panel_first block_samples block_rows "
    trains $net 6 " depth "
done
check "image: blocks of inner steps change no bit" same on1.safetensors off.safetensors
trains image 3 " winograd tile_n "
trains image 4 " tile_h tile_m block_rows "

# With --exact Winograd's method is no choice: its products are others.
choices image 5 " winograd "
status "--exact beside choices made without" 0 "$nncc" image.yaml --exact -o exact.c
says "--exact: those products are others" "are none of this program"
grep -q winograd_patch exact.c && bad "--exact, yet Winograd's method" || ok "--exact: no Winograd"

# refused NAME LINE TEXT [LINE OF THE FILE]: the file of header and LINE is an error with its place.
lines=$(wc -l <header)
key=$(sed -n 1p mixed.choices | cut -d ' ' -f 1)
refused()
{
    { cat header; printf '%s\n' "$2"; } >mixed.tune
    status "refused: $1" 1 "$nncc" mixed.yaml -o refused.c
    says "refused: $1: its place" "mixed.tune:$((lines + ${4:-1})):"
    says "refused: $1: why" "$3"
    [ -e refused.c ] && bad "refused: $1: yet C was written" || ok "refused: $1: nothing is written"
}
refused "tile of no rows" "$key tile_m=0" "here it can be 1 to 16"
refused "tile of too many rows" "$key tile_m=99" "here it can be 1 to 16"
refused "half a vector" "$key tile_n=3" "tile_n is 3; here it can be"
refused "a number without end" "$key tile_m=99999999999999999999" "wants a whole number"
refused "a negative number" "$key tile_m=-1" "wants a whole number"
refused "no number" "$key tile_m=" "wants a whole number"
refused "a choice twice" "$key tile_m=1 tile_m=2" "twice"
refused "a choice that is unknown" "$key tile_q=3" "unknown choice 'tile_q'; did you mean"
refused "a choice of another product" "$key patches=3" "no choice of this product"
refused "no choice" "$key tile_m" "no NAME=VALUE"
refused "a product twice" "$(printf '%s\n%s' "$key" "$key")" "second line" 2
refused "no product" "matmul" "neither a header nor a product"
refused "an unknown header" "cup: x" "unknown header 'cup'; did you mean 'cpu'"
refused "a line of control characters" "$(printf '\033[31m:\001 =')" ""
echo "$key tile_m=3" >mixed.tune
status "a file without a header" 1 "$nncc" mixed.yaml -o refused.c
says "a file without a header: says so" "no 'nncc:' line"
printf 'nncc\000: 1\n' >mixed.tune
status "a file that is no text" 3 "$nncc" mixed.yaml -o refused.c
rm mixed.tune && mkdir mixed.tune
status "a folder of that name" 3 "$nncc" mixed.yaml -o refused.c
rmdir mixed.tune
head -c 2000000 /dev/zero | tr '\0' '#' >mixed.tune
status "a file without end" 3 "$nncc" mixed.yaml -o refused.c
head -c 3000 /dev/urandom | tr -d '\0' >noise
{ cat header; cat noise; } >mixed.tune
"$nncc" mixed.yaml -o refused.c 2>said
[ $? -le 1 ] && ok "noise: no crash" || bad "noise: $(tail -n 2 said)"
rm -f refused.c refused.h

# ignored NAME TEXT: what is said; the C is that without a file.
ignored()
{
    status "$1: ignored" 0 "$nncc" mixed.yaml -o plain2.c
    says "$1: says so" "$2"
    sed 's/plain2\.\([ch]\)/plain.\1/' plain2.c >expected.c
    check "$1: the C is that without a file" same expected.c plain.c
}
{ sed 's/^cpu: .*/cpu: another/' header; echo "$key tile_m=nonsense"; } >mixed.tune
ignored "another CPU" "made for cpu 'another'"
{ sed 's/^target: .*/target: generic/' header; echo "$key tile_m=3"; } >mixed.tune
ignored "another target" "made for target 'generic'"
{ cat header; echo "$other tile_m=3"; } >mixed.tune
ignored "a product that is not there" "no product of this program is in the file"
cat header mixed.choices >mixed.tune
status "--no-tune" 0 "$nncc" mixed.yaml --no-tune -o plain2.c
sed -e 's/plain2\.\([ch]\)/plain.\1/' -e 's/ --no-tune//' plain2.c >expected.c
check "--no-tune: the C is that without a file" same expected.c plain.c
