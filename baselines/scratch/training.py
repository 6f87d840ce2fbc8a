"""Trains the networks from scratch on galaxy arrays, and leaves runs."""

import os
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from baselines.recording import Fit, Record, recording, require_finite
from baselines.scratch.layer import Array, Engine
from baselines.scratch.loss import cross_entropy, softmax
from baselines.scratch.models import full_cnn, specified_cnn
from baselines.scratch.network import Network
from baselines.scratch.optimizers import SGD, Adam, Optimizer
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.runs.names import HISTORY_COLUMNS

WEIGHTS: Final = "weights.npz"
SMALL_PX: Final = 32
"""Side of the images that the specified network sees, in pixels."""


def fit_scratch(
    arrays: GalaxyArrays,
    out: Path,
    *,
    epochs: int = 40,
    batch_size: int = 64,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    engine: Engine = "vectorized",
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, float]:
    """Trains the specified CNN on images resized to 32 x 32 pixels, and leaves a run, with ``weights.npz``.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to make.
        epochs: Passes through the training galaxies; the reference made 5.
        batch_size: Galaxies per step.
        learning_rate: Of stochastic gradient descent; the reference's was 0.001.
        momentum: Of the same; the reference had none.
        engine: ``"loops"`` computes in plain for loops, the same numbers in a thousand times the time.
        seed: Of weights and shuffling.
        overwrite: Replace an older run in ``out``.

    Returns:
        Accuracy on the validation and test galaxies.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, or the fit has diverged.
    """
    with recording(arrays, out, model="scratch", seed=seed, overwrite=overwrite, files=(WEIGHTS,)) as record:
        network = specified_cnn(len(arrays.classes), np.random.default_rng(seed), engine)
        data = _Galaxies(arrays, _resized(arrays))
        hyperparameters = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "momentum": momentum,
            "engine": engine,
        }
        _train(network, SGD(learning_rate, momentum), data, record, epochs, batch_size, seed, hyperparameters)
    return record.accuracies


def fit_scratch_full(
    arrays: GalaxyArrays,
    out: Path,
    *,
    epochs: int = 15,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, float]:
    """Trains the Keras CNN's architecture in NumPy, with Adam, and leaves a run, with ``weights.npz``.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to make.
        epochs: Passes through the training galaxies.
        batch_size: Galaxies per step.
        learning_rate: Adam's learning rate.
        seed: Of weights, dropout and shuffling.
        overwrite: Replace an older run in ``out``.

    Returns:
        Accuracy on the validation and test galaxies.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, the images are too small, or the fit has
            diverged.
    """
    with recording(
        arrays, out, model="scratch-full", seed=seed, overwrite=overwrite, files=(WEIGHTS,)
    ) as record:
        network = full_cnn(len(arrays.classes), arrays.images.shape[1], np.random.default_rng(seed))
        hyperparameters = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        data = _Galaxies(arrays, arrays.images)
        _train(network, Adam(learning_rate), data, record, epochs, batch_size, seed, hyperparameters)
    return record.accuracies


class _Galaxies:
    """Pixels and labels, a batch at a time.

    Args:
        arrays: The galaxy arrays.
        pixels: uint8 ``[N, S, S, 3]``, a row for each of theirs.
    """

    def __init__(self, arrays: GalaxyArrays, pixels: npt.NDArray[np.uint8]) -> None:
        self.arrays = arrays
        self.labels = arrays.labels
        self._pixels = pixels

    def images(self, rows: npt.NDArray[np.int64]) -> Array:
        """Returns the images of some galaxies as float32 ``[B, 3, S, S]`` in [0, 1]."""
        planes = self._pixels[rows].transpose(0, 3, 1, 2)
        return np.divide(planes, 255, dtype=np.float32, order="C")


def _resized(arrays: GalaxyArrays) -> npt.NDArray[np.uint8]:
    """Averages every image down to 32 x 32 pixels: 3 kB a galaxy, kept in memory."""
    if arrays.images.shape[1] < SMALL_PX:
        raise GalaxyError(
            f"{arrays.folder} holds images of {arrays.images.shape[1]} pixels, and the CNN from scratch "
            f"takes at least {SMALL_PX}: make the arrays with a larger --crop"
        )
    small = np.empty((len(arrays.images), SMALL_PX, SMALL_PX, 3), np.uint8)
    for row, image in enumerate(progress_bar(arrays.images, desc="resizing", unit="image")):
        resized = Image.fromarray(image).resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX)
        small[row] = np.asarray(resized)
    return small


def _train(
    network: Network,
    optimizer: Optimizer,
    data: _Galaxies,
    record: Record,
    epochs: int,
    batch_size: int,
    seed: int,
    hyperparameters: dict[str, Any],
) -> None:
    """Trains, keeps the weights of the lowest validation loss, and predicts the held-out galaxies."""
    train, validation = data.arrays.rows("train"), data.arrays.rows("val")
    history: list[dict[str, float]] = []
    best, best_weights = np.inf, network.weights()
    steps = -(-len(train) // batch_size)
    # A fit that diverges is told by its loss.
    with (
        np.errstate(all="ignore"),
        progress_bar(total=epochs * steps, desc=record.model, unit="batch") as bar,
    ):
        for epoch in range(epochs):
            began = time.perf_counter()
            # NumPy takes (seed, 0) for the seed alone, of which the initial weights are drawn.
            order = np.random.default_rng((seed, epoch, 1)).permutation(train)
            train_loss = train_right = 0.0
            for at in range(0, len(order), batch_size):
                rows = order[at : at + batch_size]
                loss, probabilities = network.train_step(data.images(rows), data.labels[rows], optimizer)
                train_loss += loss * len(rows)
                train_right += float((probabilities.argmax(axis=1) == data.labels[rows]).sum())
                bar.update()
            train_seconds = time.perf_counter() - began
            val_loss, val_accuracy = _evaluate(network, data, validation, batch_size)
            seconds = time.perf_counter() - began
            found = (train_loss / len(train), train_right / len(train), val_loss, val_accuracy)
            history.append(dict(zip(HISTORY_COLUMNS, (epoch, *found, seconds, train_seconds), strict=True)))
            require_finite(history)
            if val_loss < best:
                best, best_weights = val_loss, network.weights()
            bar.set_postfix(epoch=epoch, val_accuracy=f"{val_accuracy:.3f}")
    network.load_weights(best_weights)
    np.savez(record.folder / WEIGHTS, **best_weights)  # type: ignore[arg-type]  # All are arrays by name.
    record.fit = Fit(
        history=history,
        probabilities=softmax(_logits(network, data, data.arrays.rows("val", "test"), batch_size)),
        parameters=network.parameters,
        hyperparameters=hyperparameters,
        device=f"cpu, {os.cpu_count()} threads",
    )


def _evaluate(
    network: Network, data: _Galaxies, rows: npt.NDArray[np.int64], batch_size: int
) -> tuple[float, float]:
    """Returns loss, penalties included, and accuracy."""
    loss, probabilities, _ = cross_entropy(_logits(network, data, rows, batch_size), data.labels[rows])
    return loss + network.penalty(), float((probabilities.argmax(axis=1) == data.labels[rows]).mean())


def _logits(network: Network, data: _Galaxies, rows: npt.NDArray[np.int64], batch_size: int) -> Array:
    """Returns ``[N, classes]`` logits of some galaxies, without dropout."""
    parts = range(0, len(rows), batch_size)
    return np.concatenate([network.forward(data.images(rows[at : at + batch_size])) for at in parts])
