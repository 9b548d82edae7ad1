# SPDX-License-Identifier: MIT
# The emitted C: compiles without a warning, gives the same bits whatever the threads, the same bytes at each run.
. "$root/tests/lib.sh"
include="-I$BUILD/include"
strict="-Wall -Wextra -Werror"

# Data of a known pattern, without any tool but awk: 500 rows of 20 numbers and a class.
awk 'BEGIN { srand(7); for (i = 0; i < 500; i++) { s = ""; m = -9; c = 0;
     for (j = 0; j < 20; j++) { v = rand() * 2 - 1; s = s v ","; if (j < 5 && v > m) { m = v; c = j } }
     print s c } }' >data.csv
columns=$(awk 'BEGIN { for (j = 0; j < 20; j++) printf "%s%d", j ? ", " : "", j }')

# All checks of tests/models/$1.yaml, with the compilers $2 and, one after the other, the options $3.
emitted()
{
    net=$1 model=$root/tests/models/$1.yaml compilers=$2 options=$3
    "$nncc" "$model" -o $net.c --grad --target=generic || { bad "$net: nncc"; return; }
    "$nncc" "$model" -o program.c --main || { bad "$net: nncc --main"; return; }
    "$nncc" "$model" -o single.c --main --single-file || { bad "$net: nncc --single-file"; return; }
    echo "#include \"$net.h\"" >header.c
    echo "int main() { return ${net}_size() == 0; }" >>header.c

    sed "\$a data:\\n  train: {csv: {file: data.csv, header: false, x: [$columns], label: 20}}" "$model" >run.yaml

    "$nncc" run.yaml --single-file --main -o sane.c

    for cc in $compilers; do
        usable $cc || { skip "$net: emitted C under $cc: it does not link OpenMP programs here"; continue; }
        check "$net: $cc: no warning with OpenMP" $cc -std=c11 -O1 $strict -fopenmp $include -c $net.c -o a.o
        check "$net: $cc: no warning without OpenMP" $cc -std=c11 -O1 $strict $include -c $net.c -o b.o
        check "$net: $cc: no warning with main" $cc -std=gnu11 -O1 -march=native $strict -fopenmp $include -c program.c -o c.o
        check "$net: $cc: a single file is all" $cc -O0 -march=native -fopenmp single.c -o single -lm
        check "$net: $cc: the header as C99" $cc -std=c99 -Wpedantic -Werror $include -fsyntax-only -x c $net.h
        check "$net: $cc: the header as C++11" $cc -std=c++11 -Wpedantic -Werror -fsyntax-only -x c++ $net.h

        CC=$cc "$nncc" run.yaml -o on || { bad "$net: $cc: a program"; continue; }
        "$nncc" run.yaml -o off.c --main
        $cc -std=gnu11 -O3 -march=native -fno-math-errno -fno-trapping-math -fno-unroll-loops -Wno-unknown-pragmas \
            $include -c off.c -o off.o &&
            $cc off.o "$BUILD/libnnrt.a" -fopenmp -lz -lm -o off || bad "$net: $cc: a program without OpenMP"
        for threads in 1 2 3; do
            OMP_NUM_THREADS=$threads ./on train --out on$threads.safetensors >on$threads.txt 2>/dev/null
        done
        ./off train --out off.safetensors >off.txt 2>/dev/null
        check "$net: $cc: 1 and 2 threads give the same bits" same on1.safetensors on2.safetensors
        check "$net: $cc: 1 and 3 threads give the same bits" same on1.safetensors on3.safetensors
        check "$net: $cc: OpenMP off gives the same bits" same on1.safetensors off.safetensors
        ./on train --steps 7 --out half.safetensors --checkpoint half.checkpoint >/dev/null 2>&1
        ./on train --resume half.checkpoint --out resumed.safetensors >/dev/null 2>&1
        check "$net: $cc: resumed after 7 steps gives the same bits" same on1.safetensors resumed.safetensors

        # Not optimised: no access is left out before it is checked, and clang takes a tenth of the time.
        check "$net: $cc: compiles for the sanitizers" $cc -std=gnu11 -O0 -g -march=native -fsanitize=address,undefined \
            -fno-sanitize-recover=undefined sane.c -lm -o sane -Wno-unknown-pragmas
        [ -x sane ] && check "$net: $cc: trains under sanitizers" ./sane train --epochs 1 --out sane.safetensors
        rm -f sane on off
    done

    "$nncc" "$model" -o again.c --grad --target=generic
    sed "s/again\.\([ch]\)/$net.\1/" again.c >expected.c
    check "$net: the same command gives the same bytes" same expected.c $net.c
    (mkdir -p elsewhere && cd elsewhere && LC_ALL=C TZ=UTC "$nncc" "$model" -o again.c --grad --target=generic)
    check "$net: in another folder as well" same again.c elsewhere/again.c

    # What passes do to the numbers shows at any level: -O1.
    quick=$(quick_cc)
    CC=$quick "$nncc" run.yaml -o full && ./full train --steps 4 --out full.safetensors >/dev/null 2>&1
    ./full eval --weights full.safetensors --data data.csv >full.txt 2>/dev/null
    for how in $options; do
        CC=$quick "$nncc" run.yaml $how -o other && ./other train --steps 4 --out other.safetensors >/dev/null 2>&1
        ./full eval --weights other.safetensors --data data.csv >other.txt 2>/dev/null
        a=$(value full.txt loss) b=$(value other.txt loss)
        at_most "$net: $how: the loss after 4 steps agrees" "$(awk "BEGIN { d = $a - $b; print d < 0 ? -d : d }")" 1e-5
    done
}

passes="-O0 --no-pass=fuse --no-pass=simplify --no-pass=cse --no-pass=layout"

# In a folder of its own, beside the others: nearly all of it is the C compiler's time.
apart()
{
    mkdir "$1"
    (tmp=$tmp/$1 && cd "$tmp" && cp ../data.csv . && emitted "$@") >"$1.txt" 2>&1 &
}
apart mixed "gcc clang" "$passes"
apart recurrent gcc "-O0 --no-pass=fuse --no-pass=hoist --no-pass=gates --no-pass=beside"
wait
apart image "gcc clang" "$passes"
apart attention clang "-O0 --no-pass=fuse --no-pass=flatten"
wait
apart players "gcc clang" "-O0 --no-pass=fuse --no-pass=cse --no-pass=layout"
wait
cat mixed.txt recurrent.txt image.txt attention.txt players.txt

# A loop is a loop: the C of 4096 steps is that of 16, but for numbers.
for t in 16 4096; do
    sed "s/shape: \[20\]/shape: [$((t * 4))]/; s/shape: \[5, 4\]/shape: [$t, 4]/" "$root/tests/models/recurrent.yaml" >steps.yaml
    "$nncc" steps.yaml --target=generic -o steps$t.c
done
lines16=$(wc -l <steps16.c) lines4096=$(wc -l <steps4096.c)
at_most "recurrent: lines of C of 4096 steps over those of 16" "$((lines4096 - lines16))" 40
