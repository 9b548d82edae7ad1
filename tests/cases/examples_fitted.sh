# SPDX-License-Identifier: MIT
# The examples whose layers are fitted on training data give what their READMEs promise: on what the program makes up,
# and on real tables, where these are, by cross-validation (LONG=1: the ones that take minutes too).
. "$root/tests/lib.sh"

# made NAME FIGURE: prints the figure on rows that training has not seen.
made()
{
    rm -f made.txt
    "$nncc" "$root/examples/$1/model.yaml" -o made && ./made train --out made.safetensors >/dev/null 2>&1 &&
        ./made eval --weights made.safetensors >made.txt
    value made.txt "$2"
}
at_most "california/model.yaml: error of a rate" "$(made california rmse)" 0.6
at_most "auto_mpg/model.yaml: error of a rate" "$(made auto_mpg mae)" 0.65
at_least "breast_cancer/model.yaml: accuracy" "$(made breast_cancer accuracy)" 0.8
at_most "wine/model.yaml: error of a rate" "$(made wine rmse)" 1.1

# folds EXAMPLE/FILE DATA OPTIONS: cross-validation to folds.txt; false where the data is not there.
folds()
{
    model=$1 data=$2
    shift 2
    rm -f folds.txt
    if [ ! -d "$DATA_DIR/$data" ]; then
        skip "$model: $DATA_DIR/$data is not there"
        return 1
    fi
    "$nncc" "$root/examples/$model" -o folds && ./folds train --data-dir "$DATA_DIR" "$@" >folds.txt 2>folds.err
}
if folds breast_cancer/model_wdbc.yaml breast-cancer-wdbc --folds 10; then
    at_least "breast_cancer/model_wdbc.yaml: accuracy of ten folds" "$(value folds.txt accuracy)" 0.97
fi
if [ "${LONG:-0}" = 1 ]; then
    folds auto_mpg/model_cars.yaml auto-mpg --folds 10 &&
        at_most "auto_mpg/model_cars.yaml: error of ten folds" "$(value folds.txt mae)" 1.9
    folds wine/model_quality.yaml wine-quality --folds 10 &&
        at_most "wine/model_quality.yaml: error of ten folds" "$(value folds.txt rmse)" 0.65
    folds california/model_raw.yaml california-housing --folds 5 &&
        at_most "california/model_raw.yaml: error of five folds" "$(value folds.txt rmse)" 52000
    folds california/model_housing.yaml california-housing --folds 5 &&
        at_most "california/model_housing.yaml: error of five folds" "$(value folds.txt rmse)" 47000
else
    folds california/model_housing.yaml california-housing --folds 5 --fold 1 --steps 200 &&
        check "california/model_housing.yaml: trains" test -s folds.txt
    folds auto_mpg/model_cars.yaml auto-mpg --folds 10 --fold 1 &&
        check "auto_mpg/model_cars.yaml: trains" test -s folds.txt
fi
