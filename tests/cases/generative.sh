# SPDX-License-Identifier: MIT
# Examples of models that draw: what they learn to draw, and that one thread and two train and draw the same bits.
. "$root/tests/lib.sh"
quick=$(quick_cc)

# Points at all eight places of the ring, and few between them.
"$nncc" "$root/examples/ring/model.yaml" -o ring && ./ring train --out ring.safetensors --samples shots >ring.txt 2>/dev/null
./ring sample --weights ring.safetensors --count 4000 --output drawn=- >points.txt
awk 'function square(v) { return v * v }
     { best = 9
       for (k = 0; k < 8; k++) { a = k * 0.785398163; d = square($1 - 2 * cos(a)) + square($2 - 2 * sin(a))
           if (d < best) { best = d; at = k } }
       n[at]++; near += best < 0.04 }
     END { least = NR; for (k = 0; k < 8; k++) if (n[k] + 0 < least) least = n[k] + 0
           printf "least: %.4f\nnear: %.4f\n", least / NR, near / NR }' points.txt >places.txt
at_least "ring: points at each place, of all" "$(value places.txt least)" 0.04
at_least "ring: points nearer than 0.2 to a place" "$(value places.txt near)" 0.85
check "ring: train --samples draws a picture an epoch" test -s shots/drawn-000196.png

# Digits of all kinds, as a network says that has learnt digits.
"$nncc" "$root/examples/digits/model.yaml" -o digits && ./digits train --out digits.safetensors >/dev/null 2>&1
"$nncc" "$root/examples/dcgan/model.yaml" -o dcgan && ./dcgan train --out dcgan.safetensors >/dev/null 2>&1
./dcgan sample --weights dcgan.safetensors --count 1000 --output drawn=drawn.npy
./digits predict --weights digits.safetensors --input image=drawn.npy --output probs=- |
    awk '{ best = 1; for (k = 2; k <= NF; k++) if ($k > $best) best = k; n[best]++ }
         END { least = NR; for (k = 1; k <= 10; k++) if (n[k] + 0 < least) least = n[k] + 0
               printf "least: %.4f\n", NR ? least / NR : 0 }' >classes.txt
at_least "dcgan/model.yaml: the rarest digit, of all" "$(value classes.txt least)" 0.01

# twice FOLDER/FILE: some steps and some samples, with one thread and with two.
twice()
{
    CC=$quick "$nncc" "$root/examples/$1" -o twice || { bad "$1: nncc"; return; }
    for threads in 1 2; do
        OMP_NUM_THREADS=$threads ./twice train --steps 8 --out "bits$threads.safetensors" >/dev/null 2>&1
        OMP_NUM_THREADS=$threads ./twice sample --weights bits1.safetensors --count 70 --seed 3 --output "drawn=bits$threads.npy"
    done
    check "$1: one thread or two, the same weights" same bits1.safetensors bits2.safetensors
    check "$1: one thread or two, the same samples" same bits1.npy bits2.npy
}
twice ring/model.yaml
twice dcgan/model.yaml
twice dcgan/model_wgan_gp.yaml
twice dcgan/model_hinge.yaml
twice vae_mnist/model.yaml
twice ddpm/model.yaml
"$nncc" "$root/examples/dcgan/model_mnist.yaml" -o long.c
check "dcgan/model_mnist.yaml compiles" test -s long.c
