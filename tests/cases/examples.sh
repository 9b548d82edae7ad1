# SPDX-License-Identifier: MIT
# The examples give what their READMEs promise. The large ones take a few steps here; LONG=1: all of theirs.
. "$root/tests/lib.sh"

"$nncc" "$root/examples/seed/model.yaml" -o seed && ./seed train --data-dir "$root/examples/seed" >seed.txt 2>/dev/null
at_least "seed: right on its points" "$(value seed.txt accuracy)" 1

"$nncc" "$root/examples/digits/model.yaml" -o digits && ./digits train >/dev/null 2>&1 && ./digits eval >digits.txt
at_least "digits: accuracy on images it has not seen" "$(value digits.txt accuracy)" 0.99
"$nncc" "$root/tests/models/digits_linear.yaml" -o linear && ./linear train >/dev/null 2>&1 && ./linear eval >linear.txt
at_most "digits: a linear model does not do" "$(value linear.txt accuracy)" 0.9

# learns FOLDER/FILE DATA BOUND [SOON]: the test accuracy after the last epoch is BOUND or more. Where SOON is given,
# that many after 150 steps, but for LONG=1. DATA: the folder of its data, without which it is skipped.
learns()
{
    bound=$3 steps=
    if [ ! -d "$DATA_DIR/$2" ]; then
        skip "$1: $DATA_DIR/$2 is not there"
        return
    fi
    [ -z "${4:-}" ] || [ "${LONG:-0}" = 1 ] || bound=$4 steps=150
    rm -f learns.txt
    "$nncc" "$root/examples/$1" -o learns &&
        ./learns train --data-dir "$DATA_DIR" ${steps:+--steps $steps} --out learns.safetensors >/dev/null 2>&1 &&
        ./learns eval --data-dir "$DATA_DIR" --weights learns.safetensors >learns.txt
    at_least "$1: test accuracy after ${steps:-all its} steps" "$(value learns.txt accuracy)" "$bound"
}

# long FOLDER/FILE DATA BOUND: with LONG=1 as `learns`; else it compiles, and the made-up model beside it is what trains.
long()
{
    if [ "${LONG:-0}" = 1 ]; then
        learns "$@"
    else
        "$nncc" "$root/examples/$1" -o long.c
        check "$1 compiles" test -s long.c
        rm -f long.c
    fi
}

learns mnist_mlp/model.yaml mnist 0.984
learns mnist_cnn/model.yaml mnist 0.991 0.95
learns mnist_cnn/model_augment.yaml mnist 0.994 0.95
learns fashion_cnn/model.yaml fashion-mnist 0.923 0.7
long cifar_resnet/model_cifar.yaml cifar10-subset 0.78

# What programs make up, and learn in seconds.
# made NAME [BOUND]: the accuracy on what it has not seen.
made()
{
    rm -f made.txt
    "$nncc" "$root/examples/$1/model.yaml" -o made && ./made train --out made.safetensors >/dev/null 2>&1 &&
        ./made eval --weights made.safetensors >made.txt
    at_least "$1/model.yaml: accuracy on what it has not seen" "$(value made.txt accuracy)" "${2:-0.99}"
}
made cifar_resnet 0.93
made news
check "news/model.yaml: predict takes a headline" sh -c './made predict --weights made.safetensors --input "text=text:After the storm , retailer pleases many ." --output probs=- >topics.txt'
at_least "news/model.yaml: and says business" "$(cut -d ' ' -f 1 topics.txt)" 0.9
made sentiment
made spoken_digits
learns news/model_agnews.yaml ag-news 0.88 0.5
if [ "${LONG:-0}" = 1 ]; then
    learns sentiment/model_sst2.yaml sst2 0.82 0.55
else
    "$nncc" "$root/examples/sentiment/model_sst2.yaml" -o sst2.c
    check "sentiment/model_sst2.yaml compiles" test -s sst2.c
fi
# Not all of FSDD's folders have the lists that spoken_ctc/README.md makes.
if [ -f "$DATA_DIR/fsdd/train.tsv" ]; then
    learns spoken_digits/model_fsdd.yaml fsdd 0.985 0.15
else
    "$nncc" "$root/examples/spoken_digits/model_fsdd.yaml" -o digits_fsdd.c
    check "spoken_digits/model_fsdd.yaml compiles" test -s digits_fsdd.c
fi

# X-rays: made up, and real ones.
"$nncc" "$root/examples/pneumonia/model.yaml" -o lungs && ./lungs train >/dev/null 2>&1 && ./lungs eval >lungs.txt
at_least "pneumonia/model.yaml: auc on what it has not seen" "$(value lungs.txt auc)" 0.99
at_least "pneumonia/model.yaml: accuracy" "$(value lungs.txt accuracy)" 0.97
learns pneumonia/model_pneumonia.yaml pneumonia-mnist 0.87 0.75
if [ -d "$DATA_DIR/pneumonia-mnist" ]; then
    [ "${LONG:-0}" = 1 ] && bound=0.94 || bound=0.9
    at_least "pneumonia/model_pneumonia.yaml: auc" "$(value learns.txt auc)" $bound
fi

# Images and masks changed together: where cells are in made-up tissue, where a quarter of the pixels is membrane.
"$nncc" "$root/examples/membrane/model.yaml" -o membrane && ./membrane train >/dev/null 2>&1 && ./membrane eval >membrane.txt
at_least "membrane/model.yaml: pixels" "$(value membrane.txt accuracy)" 0.97
long membrane/model_isbi2012.yaml isbi2012-membrane 0.92

# A series: the forecast of its last third, far better than that nothing changes.
"$nncc" "$root/examples/forecast/model.yaml" -o series && ./series train >/dev/null 2>&1 && ./series eval >series.txt
at_most "forecast/model.yaml: error of a forecast" "$(value series.txt rmse)" 1.05
at_least "forecast/model.yaml: error of persistence" "$(value series.txt persistence)" 2.5
"$nncc" "$root/examples/forecast/model_temperatures.yaml" -o degrees
if [ -d "$DATA_DIR/time-series" ]; then
    ./degrees train --data-dir "$DATA_DIR" >/dev/null 2>&1 && ./degrees eval --data-dir "$DATA_DIR" >degrees.txt
    at_most "forecast/model_temperatures.yaml: error of a forecast" "$(value degrees.txt rmse)" 2.35
else
    skip "forecast/model_temperatures.yaml: $DATA_DIR/time-series is not there"
fi

# Risk of loans: the area under the ROC curve, on made-up ones that training has not seen, and in folds of real ones.
# risk FOLDER BOUND: of what the program makes up.
risk()
{
    "$nncc" "$root/examples/$1/model.yaml" -o risk && ./risk train --out risk.safetensors >/dev/null 2>&1 &&
        ./risk eval --weights risk.safetensors >risk.txt
    at_least "$1/model.yaml: auc of loans it has not seen" "$(value risk.txt auc)" "$2"
    at_most "$1/model.yaml: calibration error" "$(value risk.txt ece)" 0.05
}
risk german_credit 0.76
risk credit_default 0.76
"$nncc" "$root/examples/german_credit/model_german.yaml" -o german
if [ -d "$DATA_DIR/german-credit" ]; then
    ./german train --folds 5 --data-dir "$DATA_DIR" >german.txt 2>/dev/null
    at_least "german_credit/model_german.yaml: auc, mean of 5 folds" "$(value german.txt auc)" 0.78
else
    skip "german_credit/model_german.yaml: $DATA_DIR/german-credit is not there"
fi
if [ "${LONG:-0}" != 1 ]; then
    "$nncc" "$root/examples/credit_default/model_taiwan.yaml" -o taiwan.c
    check "credit_default/model_taiwan.yaml compiles" test -s taiwan.c
elif [ ! -d "$DATA_DIR/credit-default" ]; then
    skip "credit_default/model_taiwan.yaml: $DATA_DIR/credit-default is not there"
else
    "$nncc" "$root/examples/credit_default/model_taiwan.yaml" -o taiwan
    ./taiwan train --folds 5 --data-dir "$DATA_DIR" >taiwan.txt 2>/dev/null
    at_least "credit_default/model_taiwan.yaml: auc, mean of 5 folds" "$(value taiwan.txt auc)" 0.775
fi

# Ratings: made up, and MovieLens' of users and films that ua.test keeps.
"$nncc" "$root/examples/movielens/model.yaml" -o ratings && ./ratings train >/dev/null 2>&1 && ./ratings eval >ratings.txt
at_most "movielens/model.yaml: error of a rating" "$(value ratings.txt rmse)" 0.45
"$nncc" "$root/examples/movielens/model_movielens.yaml" -o films
if [ -d "$DATA_DIR/movielens-100k" ]; then
    sh "$root/examples/movielens/prepare.sh" "$DATA_DIR/movielens-100k" films.data
    ./films train --data-dir films.data >/dev/null 2>&1 && ./films eval --data-dir films.data >films.txt
    at_most "movielens/model_movielens.yaml: error of a rating" "$(value films.txt rmse)" 0.928
else
    skip "movielens/model_movielens.yaml: $DATA_DIR/movielens-100k is not there"
fi

# Boxes: discs of three kinds that the program draws.
"$nncc" "$root/examples/blood_cells/model.yaml" -o cells && ./cells train >/dev/null 2>&1 && ./cells eval >cells.txt
at_least "blood_cells/model.yaml: mean average precision" "$(value cells.txt map50)" 0.98

# Characters: nats a character of the last tenth of the text, and text that goes on.
# characters NAME PROMPT BOUND
characters()
{
    "$nncc" "$root/examples/$1/model.yaml" -o chars && ./chars train --out chars.safetensors >/dev/null 2>&1 &&
        ./chars eval --weights chars.safetensors >chars.txt
    at_most "$1/model.yaml: nats a character" "$(value chars.txt loss)" "$3"
    check "$1/model.yaml: generates" sh -c "./chars generate --weights chars.safetensors --prompt '$2' --temperature 0 --tokens 60 >said.txt"
    check "$1/model.yaml: in words of the stories" grep -Eq "^$2 (red|blue|green|yellow|black|white) [a-z]+[.] " said.txt
}
characters char_lstm "Anna has a" 0.35
if [ "${LONG:-0}" = 1 ]; then
    characters char_gpt "Anna has a" 0.27
else
    "$nncc" "$root/examples/char_gpt/model.yaml" -o chars
    check "char_gpt/model.yaml: trains" ./chars train --steps 1
fi
# Real text, with LONG=1.
if [ ! -d "$DATA_DIR/tinyshakespeare" ]; then
    skip "char_lstm/model_shakespeare.yaml: $DATA_DIR/tinyshakespeare is not there"
elif [ "${LONG:-0}" = 1 ]; then
    "$nncc" "$root/examples/char_lstm/model_shakespeare.yaml" -o chars
    ./chars train --data-dir "$DATA_DIR" --out chars.safetensors >/dev/null 2>&1 &&
        ./chars eval --data-dir "$DATA_DIR" --weights chars.safetensors >chars.txt
    at_most "char_lstm/model_shakespeare.yaml: nats a character" "$(value chars.txt loss)" 1.5
else
    "$nncc" "$root/examples/char_lstm/model_shakespeare.yaml" -o shakespeare.c
    check "char_lstm/model_shakespeare.yaml compiles" test -s shakespeare.c
fi

# The evidence lower bound of a VAE, nats an image; of MNIST after two epochs, but for LONG=1.
vae()
{
    rm -f vae.txt
    "$nncc" "$root/examples/vae_mnist/$1" -o vae && shift && ./vae train "$@" --out vae.safetensors >/dev/null 2>&1 &&
        ./vae eval --data-dir "$DATA_DIR" --weights vae.safetensors >vae.txt
    value vae.txt loss
}
at_most "vae_mnist/model.yaml: nats an image it has not seen" "$(vae model.yaml)" 275
if [ ! -d "$DATA_DIR/mnist" ]; then
    skip "vae_mnist/model_mnist.yaml: $DATA_DIR/mnist is not there"
elif [ "${LONG:-0}" = 1 ]; then
    at_most "vae_mnist/model_mnist.yaml: nats" "$(vae model_mnist.yaml --data-dir "$DATA_DIR")" 107
else
    at_most "vae_mnist/model_mnist.yaml: nats" "$(vae model_mnist.yaml --data-dir "$DATA_DIR" --epochs 2)" 120
fi

# Pictures as codes: how far off what they rebuild is, and how many are in use; of MNIST after an epoch, but for LONG=1.
# quantised MODEL ERROR USED [OPTION...]
quantised()
{
    model=$1 error=$2 used=$3
    shift 3
    rm -f codes.txt
    "$nncc" "$root/examples/vqvae/$model" -o codes && ./codes train "$@" --out codes.safetensors >/dev/null 2>&1 &&
        ./codes eval --data-dir "$DATA_DIR" --weights codes.safetensors >codes.txt
    at_most "vqvae/$model: error of a pixel" "$(value codes.txt error)" "$error"
    at_least "vqvae/$model: codes in use" "$(value codes.txt used)" "$used"
}
if [ ! -d "$DATA_DIR/mnist" ]; then
    skip "vqvae/model_mnist.yaml: $DATA_DIR/mnist is not there"
elif [ "${LONG:-0}" = 1 ]; then
    quantised model_mnist.yaml 0.07 40 --data-dir "$DATA_DIR"
else
    quantised model_mnist.yaml 0.15 20 --data-dir "$DATA_DIR" --steps 250
fi
quantised model.yaml 0.1 35
for threads in 1 2; do
    OMP_NUM_THREADS=$threads ./codes train --steps 20 --out "codes$threads.safetensors" >/dev/null 2>&1
done
check "vqvae/model.yaml: one thread or two, the same bits" same codes1.safetensors codes2.safetensors
# Two pictures, of any bytes; the decoder alone draws of their codes what the whole does.
{
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 28, 28), }"
    head -c 1568 "$root/README.md"
} >bytes.npy
"$nncc" "$root/examples/vqvae/draw.yaml" -o draw
./codes predict --weights codes.safetensors --input image=bytes.npy --output codes=codes.npy --output picture=whole.npy
./draw predict --weights codes.safetensors --input codes=codes.npy --output picture=drawn.npy 2>/dev/null
check "vqvae/draw.yaml: draws of codes what model.yaml does" same whole.npy drawn.npy

# Diffusion: the error of the noise, whose variance is 1; some steps of what is made up, but for LONG=1.
"$nncc" "$root/examples/ddpm/model_mnist.yaml" -o unet.c
check "ddpm/model_mnist.yaml compiles" test -s unet.c
"$nncc" "$root/examples/ddpm/model.yaml" -o unet
[ "${LONG:-0}" = 1 ] && bound=0.1 steps= || bound=0.35 steps=100
./unet train ${steps:+--steps $steps} --out unet.safetensors >/dev/null 2>&1 && ./unet eval --weights unet.safetensors >unet.txt
at_most "ddpm/model.yaml: error of the noise" "$(value unet.txt loss)" $bound
check "ddpm/model.yaml: draws pictures" ./unet sample --weights unet.safetensors --count 4 --output drawn=unet.png

# Strings of digits; a step of them, but for LONG=1.
"$nncc" "$root/examples/spoken_ctc/model.yaml" -o spoken
"$nncc" "$root/examples/spoken_ctc/model_fsdd.yaml" -o spoken_fsdd.c
check "spoken_ctc/model_fsdd.yaml compiles" test -s spoken_fsdd.c
if [ "${LONG:-0}" = 1 ]; then
    ./spoken train >/dev/null 2>&1 && ./spoken eval >spoken.txt
    at_most "spoken_ctc/model.yaml: digit errors in clips it has not heard" "$(value spoken.txt digit_errors)" 0.01
else
    check "spoken_ctc/model.yaml: trains" ./spoken train --steps 1
fi

# Phrases of a made-up language; a step, but for LONG=1. Multi30k: after an hour, where its data is there.
"$nncc" "$root/examples/translation/model.yaml" -o phrases
"$nncc" "$root/examples/translation/model_multi30k.yaml" -o multi30k.c
check "translation/model_multi30k.yaml compiles" test -s multi30k.c
if [ "${LONG:-0}" = 1 ]; then
    ./phrases train --out phrases.safetensors >/dev/null 2>&1 && ./phrases generate --weights phrases.safetensors >phrases.txt
    at_least "translation/model.yaml: BLEU of phrases it has not seen" "$(value phrases.txt bleu)" 90
else
    check "translation/model.yaml: trains" ./phrases train --steps 1
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
if [ "${LONG:-0}" != 1 ]; then
    "$nncc" "$root/examples/blood_cells/model_bccd.yaml" -o found.c
    check "blood_cells/model_bccd.yaml compiles" test -s found.c
elif [ -f "$DATA_DIR/bccd/BCCD.tar.gz" ]; then
    mkdir bccd
    tar xzf "$DATA_DIR/bccd/BCCD.tar.gz" -C bccd
    cp "$DATA_DIR/bccd/images.csv" "$DATA_DIR/bccd/boxes.csv" bccd
    rm -f cells.txt
    "$nncc" "$root/examples/blood_cells/model_bccd.yaml" -o found &&
        ./found train --data-dir bccd --out found.safetensors >/dev/null 2>&1 &&
        ./found eval --data-dir bccd --weights found.safetensors >cells.txt
    at_least "blood_cells/model_bccd.yaml: mean average precision" "$(value cells.txt map50)" 0.82
else
    skip "blood_cells/model_bccd.yaml: $DATA_DIR/bccd is not there"
fi
