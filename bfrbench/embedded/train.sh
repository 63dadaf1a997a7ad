#!/usr/bin/env bash
# Trains the small restorers again, by the commands that made them (about three hours on two cores), and packs them.
#   bfrbench datasets add lfw128 PATH
#   bfrbench weights add squeezenet1.1-keras FILE
#   bash bfrbench/embedded/train.sh runs/lite
set -euo pipefail
out="${1:?give a folder for the runs}"
configs="$(dirname "$0")/configs"
export OMP_NUM_THREADS=1
faces=(--data lfw128:train@0.8 --data studio-train@0.2)

bfrbench train gpen-prior@128 "${faces[@]}" --out "$out/gpen-prior" --config "$configs/gpen-lite-prior.toml"
bfrbench train gpen-finetune@128 "${faces[@]}" --out "$out/gpen" --config "$configs/gpen-lite.toml" \
    --validation lfw128:test --set task.prior="$out/gpen-prior"
python -m bfrbench.embedded.packing "$out/gpen/result.safetensors" gpen-lite

bfrbench train stylegan2-prior@128 "${faces[@]}" --out "$out/mmrb-prior" --config "$configs/mmrb-lite-prior.toml"
bfrbench train mmrb@128 "${faces[@]}" --out "$out/mmrb" --config "$configs/mmrb-lite.toml" \
    --validation lfw128:test --set task.prior="$out/mmrb-prior"
python -m bfrbench.embedded.packing "$out/mmrb/result.safetensors" mmrb-lite
