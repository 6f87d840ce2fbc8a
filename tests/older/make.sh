#!/usr/bin/env bash
# Makes older.tar.gz: galaxy arrays and run folders as an older version wrote them.
# Run it in a clone of that version (0.1.0, commit a828221), in its environment.
set -euo pipefail
out=/older  # A folder that says nothing of the machine: checkpoints note where their arrays are.
mkdir "$out"
python -m data_prep simulate --out "$out/raw" --n 24 --seed 7
python -m data_prep extract --raw "$out/raw" --out "$out/sample.csv" --n all
python -m data_prep preprocess --sample "$out/sample.csv" --raw "$out/raw" --out "$out/arrays" --crop 46
archive=$PWD/older.tar.gz
cd "$out"
python -m galaxy_lightning fit --data.arrays arrays --model.network reference_cnn --model.image_size 46 \
    --trainer.max_epochs 1 --trainer.accelerator cpu --data.batch_size 8 --runs runs --name reference_cnn
python -m baselines fit scratch --data arrays --out runs/scratch --epochs 1
# After one epoch last.ckpt is the same as best.ckpt.
rm runs/reference_cnn/version_0/{events.*,last.ckpt}
tar --create --gzip --file "$archive" --sort=name --owner=0 --group=0 arrays runs
rm -r "$out"
