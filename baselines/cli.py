"""The command line of the baselines: ``python -m baselines fit|compare|parity|to-torch|to-keras``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from jsonargparse.typing import PositiveInt

from baselines.fits import FITS, KerasSeed, Seed, open_verified_arrays
from data_prep.common.commands import Commands
from data_prep.common.files import refuse_existing
from data_prep.common.options import ArraysFolder, FilePath
from data_prep.common.paths import quoted, user_path
from data_prep.common.requeueing import allow_requeue

PartText = Annotated[str, str, "K/N"]
ReportFolder = Annotated[Path, user_path, "REPORT"]
RunFolders = Annotated[Sequence[Path], user_path, "RUN", "*"]
Models = Annotated[Sequence[str], str, "MODEL", "*"]
Seeds = Annotated[Sequence[int], KerasSeed, "SEED", "+"]


def compare(
    *,
    data: ArraysFolder,
    out: ReportFolder,
    models: Models = ("galaxy_cnn", "keras", "reference_cnn", "scratch", "majority"),
    seeds: Seeds = (0,),
    runs: RunFolders = (),
    jobs: PositiveInt = 1,
    part: PartText | None = None,
) -> None:
    """Train models on the same split, and compare them with each other and with existing runs.

    Writes report.html, report.md, metrics.json and figures. If interrupted, run the same command again:
    complete runs are kept. For example:

    python -m baselines compare --data ARRAYS --out REPORT --models galaxy_cnn keras --seeds 0 1

    Args:
        data: folder made by preprocess
        out: folder to create or resume
        models: models to train: keras, scratch, scratch-full, majority, or a config of galaxy_lightning, by
            its name (galaxy_cnn) or path; an empty list trains none
        seeds: random seeds; each model is trained once per seed
        runs: existing run folders to include
        jobs: number of models to train at once, each on its share of the CPU cores
        part: train only part K, from 1 to N, of the models and seeds, for an array job; then the same command
            without --part combines the parts and writes the report
    """
    from baselines.comparison import compare as comparison
    from galaxy_lightning.jobs.launchers import refuse_ranks
    from galaxy_lightning.jobs.parts import Part

    allow_requeue()
    refuse_ranks("compare", "and set the number of models to train at once with --jobs")
    chosen = None if part is None else Part.parse(part)
    arrays = open_verified_arrays(data)
    print("\n".join(comparison.compare(arrays, out, models, seeds, runs, at_once=jobs, part=chosen)))


def parity(
    *,
    data: ArraysFolder,
    galaxies: PositiveInt = 64,
    steps: PositiveInt = 50,
    batch_size: PositiveInt = 32,
    precision: Literal["float64", "float32"] = "float64",
    seed: Seed = 0,
) -> None:
    """Show that the Keras CNN and reference_cnn are the same network.

    Compares their layers, their outputs with the same weights, and their training from the same weights on
    the same batches. Takes about three minutes for images of 224 pixels on two cores.

    Args:
        data: folder made by preprocess
        galaxies: number of galaxies to compare the outputs on
        steps: number of training steps
        batch_size: galaxies per step
        precision: floating-point format of both; in float32, rounding differences grow during training
        seed: random seed of weights and batches
    """
    from baselines.keras_cnn.parity import measure_parity, parity_report

    measured = measure_parity(
        open_verified_arrays(data),
        galaxies=galaxies,
        steps=steps,
        batch_size=batch_size,
        precision=precision,
        seed=seed,
    )
    print("\n".join(parity_report(measured, data, steps)))


def to_torch(*, weights: FilePath, data: ArraysFolder, out: FilePath, overwrite: bool = False) -> None:
    """Convert the weights of a Keras CNN to PyTorch.

    Writes a checkpoint of reference_cnn, for python -m galaxy_lightning test and predict.

    Args:
        weights: Keras run folder, or its model.keras
        data: galaxy arrays that the network was trained on
        out: .ckpt file to write
        overwrite: replace an existing file
    """
    from baselines.keras_cnn.weights import checkpoint_from_keras

    refuse_existing(out, overwrite=overwrite)
    checkpoint_from_keras(weights, open_verified_arrays(data), out)
    print(f"Saved to {out}")
    print(f"next: python -m galaxy_lightning test --ckpt_path {quoted(out)}")


def to_keras(*, ckpt_path: FilePath, out: FilePath, overwrite: bool = False) -> None:
    """Convert the weights of a reference_cnn to Keras.

    Writes a .keras file for keras.saving.load_model.

    Args:
        ckpt_path: checkpoint, or its run folder
        out: .keras file to write
        overwrite: replace an existing file
    """
    from baselines.keras_cnn.weights import keras_from_checkpoint

    refuse_existing(out, overwrite=overwrite)
    keras_from_checkpoint(ckpt_path, out)
    print(f"Saved to {out}; open it with keras.saving.load_model")


COMMANDS: Final = Commands(
    "python -m baselines",
    "Train baseline models, and compare any models on identical splits.",
    {"fit": FITS, "compare": compare, "parity": parity, "to-torch": to_torch, "to-keras": to_keras},
)
main = COMMANDS.main
