# SPDX-License-Identifier: MIT
# The examples give what their READMEs promise.
. "$root/tests/lib.sh"

"$nncc" "$root/examples/seed/model.yaml" -o seed && ./seed train --data-dir "$root/examples/seed" >seed.txt 2>/dev/null
at_least "seed: right on its points" "$(value seed.txt accuracy)" 1

"$nncc" "$root/examples/digits/model.yaml" -o digits && ./digits train >/dev/null 2>&1 && ./digits eval >digits.txt
at_least "digits: accuracy on images it has not seen" "$(value digits.txt accuracy)" 0.97
"$nncc" "$root/tests/models/digits_linear.yaml" -o linear && ./linear train >/dev/null 2>&1 && ./linear eval >linear.txt
at_most "digits: a linear model does not do" "$(value linear.txt accuracy)" 0.9

if [ -e "$DATA_DIR/mnist/train-images-idx3-ubyte.gz" ]; then
    "$nncc" "$root/examples/mnist_mlp/model.yaml" -o mnist
    ./mnist train --data-dir "$DATA_DIR" >/dev/null 2>&1
    ./mnist eval --data-dir "$DATA_DIR" >mnist.txt
    at_least "mnist_mlp: test accuracy of the last epoch" "$(value mnist.txt accuracy)" 0.984
else
    skip "mnist_mlp: $DATA_DIR/mnist is not there"
fi

# The app of embed: what its README says, in a copy of the folder.
mkdir -p embed/build && cp "$root"/examples/embed/*.* "$root/examples/embed/Makefile" embed/
(cd embed && make -s HOME_DIR="$BUILD" ${CC:+CC="$CC"}) >embed.txt 2>&1
check "embed: predicts and trains on" grep -q '^after training here: 1.000$' embed.txt
if [ -x embed/build/app ] && command -v nm >/dev/null 2>&1; then
    nm -u embed/build/app >symbols.txt
    grep -Eq ' (f?open(at)?|fread|fwrite|malloc|calloc|realloc|aligned_alloc|free)(64)?(@|$)' symbols.txt &&
        bad "embed: no file, no heap" || ok "embed: no file, no heap"
else
    skip "embed: no file, no heap: nm is not here"
fi
