"""The commands ``python -m baselines fit MODEL``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from jsonargparse.typing import PositiveFloat, PositiveInt, restricted_number_type

from data_prep.common.commands import Commands
from data_prep.common.files import refuse_existing
from data_prep.common.options import ArraysFolder
from data_prep.common.paths import user_path

if TYPE_CHECKING:
    from data_prep.arrays.format import GalaxyArrays

KerasSeed: Final = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])
RunFolder = Annotated[Path, user_path, "RUN"]
Seed = Annotated[int, KerasSeed]
Momentum = Annotated[float, restricted_number_type("Momentum", float, [(">=", 0), ("<", 1)])]


def fit_majority(*, data: ArraysFolder, out: RunFolder, overwrite: bool = False) -> None:
    """Always predict the most common class, without using the images.

    Args:
        data: folder made by preprocess
        out: run folder to create
        overwrite: replace an existing run
    """
    from baselines import majority

    _fit("majority", majority.fit_majority, data, out, overwrite)


def fit_keras(
    *,
    data: ArraysFolder,
    out: RunFolder,
    overwrite: bool = False,
    epochs: PositiveInt = 15,
    batch_size: PositiveInt = 64,
    learning_rate: PositiveFloat = 1e-3,
    seed: Seed = 0,
) -> None:
    """Train the reference's Keras CNN with TensorFlow; on a GPU, it uses mixed_float16.

    Args:
        data: folder made by preprocess
        out: run folder to create
        overwrite: replace an existing run
        epochs: passes through the training galaxies
        batch_size: galaxies per step
        learning_rate: learning rate of Adam
        seed: random seed of weights, shuffling and dropout
    """
    from baselines.keras_cnn import network

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    _fit("keras", network.fit_keras, data, out, overwrite, **settings)


def fit_scratch(
    *,
    data: ArraysFolder,
    out: RunFolder,
    overwrite: bool = False,
    epochs: PositiveInt = 40,
    batch_size: PositiveInt = 64,
    learning_rate: PositiveFloat = 0.01,
    momentum: Momentum = 0.9,
    engine: Literal["loops", "vectorized"] = "vectorized",
    seed: Seed = 0,
) -> None:
    """Train a small CNN in NumPy on images of 32 x 32 pixels.

    Its layers are those of the reference: a convolution with 16 filters, max-pooling and a dense layer. The
    reference's own settings, with which it hardly learns, are in configs/baselines/scratch_reference.yaml.

    Args:
        data: folder made by preprocess
        out: run folder to create
        overwrite: replace an existing run
        epochs: passes through the training galaxies
        batch_size: galaxies per step
        learning_rate: learning rate of stochastic gradient descent
        momentum: momentum of stochastic gradient descent
        engine: loops gives the same result with plain for loops, but is a thousand times slower
        seed: random seed of weights and shuffling
    """
    from baselines.scratch import training

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    _fit("scratch", training.fit_scratch, data, out, overwrite, **settings, momentum=momentum, engine=engine)


def fit_scratch_full(
    *,
    data: ArraysFolder,
    out: RunFolder,
    overwrite: bool = False,
    epochs: PositiveInt = 15,
    batch_size: PositiveInt = 64,
    learning_rate: PositiveFloat = 1e-3,
    seed: Seed = 0,
) -> None:
    """Train the Keras CNN's architecture in NumPy on full-size images.

    Args:
        data: folder made by preprocess
        out: run folder to create
        overwrite: replace an existing run
        epochs: passes through the training galaxies
        batch_size: galaxies per step
        learning_rate: learning rate of Adam
        seed: random seed of weights, shuffling and dropout
    """
    from baselines.scratch import training

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    _fit("scratch-full", training.fit_scratch_full, data, out, overwrite, **settings)


def open_verified_arrays(folder: Path) -> "GalaxyArrays":
    """Opens galaxy arrays and verifies that they are complete and unchanged."""
    from data_prep.arrays.format import open_arrays

    arrays = open_arrays(folder)
    arrays.verify()
    return arrays


def _fit(
    model: str, fit: Callable[..., dict[str, float]], data: Path, out: Path, overwrite: bool, **settings: Any
) -> None:
    if not overwrite:  # Before slow steps; the fit itself checks what may be replaced.
        refuse_existing(out, overwrite=False)
    accuracies = fit(open_verified_arrays(data), out, overwrite=overwrite, **settings)
    summary = ", ".join(f"{split} {accuracy:.3f}" for split, accuracy in accuracies.items())
    print(f"Accuracy of {model}: {summary}. Saved to {out}")


FITS: Final = Commands(
    "python -m baselines fit",
    "Fit a baseline on galaxy arrays and write a run folder.",
    {"majority": fit_majority, "keras": fit_keras, "scratch": fit_scratch, "scratch-full": fit_scratch_full},
    usage="MODEL --data ARRAYS --out RUN [options]",
    config=True,
)
