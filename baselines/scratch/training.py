"""Trains the NumPy networks on galaxy arrays and writes run folders."""

import contextlib
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from baselines.recording import FitResult, RunRecord, describe_threads, record_run, require_finite
from baselines.scratch.layer import Array, Engine
from baselines.scratch.loss import cross_entropy, softmax
from baselines.scratch.models import full_cnn, small_cnn
from baselines.scratch.network import Network
from baselines.scratch.optimizers import SGD, Adam, Optimizer
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.runs.epoch_progress import EpochProgress
from galaxy_lightning.runs.names import HISTORY_COLUMNS

WEIGHTS: Final = "weights.npz"
SMALL_PX: Final = 32
"""Side of the images of the small network, in pixels."""


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
    """Trains the small CNN on images resized to 32 x 32 pixels and writes a run folder with ``weights.npz``.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to create.
        epochs: The number of passes through the training galaxies; the reference used 5.
        batch_size: The number of galaxies per training step.
        learning_rate: The learning rate of stochastic gradient descent; the reference used 0.001.
        momentum: The momentum of stochastic gradient descent; the reference used none.
        engine: ``"vectorized"``, or ``"loops"`` for the same numbers in plain for loops, in about 1,000 times
            the time.
        seed: The seed of weights and shuffling.
        overwrite: Whether to replace an existing run in ``out``.

    Returns:
        The accuracy on the validation galaxies and on the test galaxies, by split.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, or the fit has diverged.
    """
    with record_run(arrays, out, model="scratch", seed=seed, overwrite=overwrite, files=(WEIGHTS,)) as record:
        generator, bands = np.random.default_rng(seed), arrays.images.shape[3]
        network = small_cnn(len(arrays.classes), generator, engine, bands=bands)
        data = _Galaxies(arrays, _resize_images(arrays))
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
    """Trains the Keras CNN's architecture in NumPy with Adam and writes a run folder with ``weights.npz``.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to create.
        epochs: The number of passes through the training galaxies.
        batch_size: The number of galaxies per training step.
        learning_rate: Adam's learning rate.
        seed: The seed of weights, dropout and shuffling.
        overwrite: Whether to replace an existing run in ``out``.

    Returns:
        The accuracy on the validation galaxies and on the test galaxies, by split.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, the images are too small, or the fit has diverged.
    """
    with record_run(
        arrays, out, model="scratch-full", seed=seed, overwrite=overwrite, files=(WEIGHTS,)
    ) as record:
        generator, (size, bands) = np.random.default_rng(seed), arrays.images.shape[2:]
        network = full_cnn(len(arrays.classes), size, generator, bands=bands)
        hyperparameters = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        data = _Galaxies(arrays, arrays.images)
        _train(network, Adam(learning_rate), data, record, epochs, batch_size, seed, hyperparameters)
    return record.accuracies


class _Galaxies:
    """The images and labels of galaxy arrays, in batches.

    Args:
        arrays: The galaxy arrays.
        pixels: uint8 ``[N, S, S, bands]``, the images to use, in the order of the arrays.
    """

    def __init__(self, arrays: GalaxyArrays, pixels: npt.NDArray[np.uint8]) -> None:
        self.arrays = arrays
        self.labels = arrays.labels
        self._pixels = pixels

    def images(self, rows: npt.NDArray[np.int64]) -> Array:
        """Returns the images of the given rows as float32 ``[B, bands, S, S]`` in [0, 1]."""
        planes = self._pixels[rows].transpose(0, 3, 1, 2)
        return np.divide(planes, 255, dtype=np.float32, order="C")


def _resize_images(arrays: GalaxyArrays) -> npt.NDArray[np.uint8]:
    """Downsamples all images to 32 x 32 pixels by averaging: 1 kB per galaxy and band, in memory."""
    if arrays.images.shape[1] < SMALL_PX:
        raise GalaxyError(
            f"{arrays.folder} holds images of {arrays.images.shape[1]} pixels, but the CNN from scratch "
            f"needs at least {SMALL_PX}: make the arrays with a larger --crop"
        )
    bands = arrays.images.shape[3]
    small = np.empty((len(arrays.images), SMALL_PX, SMALL_PX, bands), np.uint8)
    for row, image in enumerate(progress_bar(arrays.images, desc="resizing", unit=" images")):
        if bands == 3:
            small[row] = _resize(image)
        else:  # Pillow has no images with any number of bands.
            for band in range(bands):
                small[row, ..., band] = _resize(image[..., band])
    return small


def _resize(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Downsamples an image ``[H, H]`` or ``[H, H, 3]`` by averaging."""
    resized = Image.fromarray(image).resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX)
    return np.asarray(resized)


def _train(
    network: Network,
    optimizer: Optimizer,
    data: _Galaxies,
    record: RunRecord,
    epochs: int,
    batch_size: int,
    seed: int,
    hyperparameters: dict[str, Any],
) -> None:
    """Trains a network, selects the weights of the lowest validation loss, and predicts held-out galaxies."""
    train, validation = data.arrays.rows("train"), data.arrays.rows("val")
    history: list[dict[str, float]] = []
    best, best_weights = np.inf, network.weights()
    steps = -(-len(train) // batch_size)
    # NumPy's warnings are ignored, since require_finite detects a fit that diverges.
    with (
        np.errstate(all="ignore"),
        contextlib.closing(EpochProgress(epochs)) as progress,
    ):
        for epoch in range(epochs):
            start = time.perf_counter()
            # The 1 is needed, because NumPy treats (seed, 0) like seed, which the initial weights use.
            order = np.random.default_rng((seed, epoch, 1)).permutation(train)
            train_loss = train_correct = 0.0
            for step, first in enumerate(range(0, len(order), batch_size), start=1):
                rows = order[first : first + batch_size]
                loss, outputs = network.train_step(data.images(rows), data.labels[rows], optimizer)
                train_loss += loss * len(rows)
                train_correct += float((outputs.argmax(axis=1) == data.labels[rows]).sum())
                progress.update(epoch, step, steps, loss=train_loss / (first + len(rows)))
            train_seconds = time.perf_counter() - start
            logits = _logits(network, data, validation, batch_size)
            val_loss, probabilities, _ = cross_entropy(logits, data.labels[validation])
            val_loss += network.penalty()
            val_accuracy = float((probabilities.argmax(axis=1) == data.labels[validation]).mean())
            seconds = time.perf_counter() - start
            measures = (train_loss / len(train), train_correct / len(train), val_loss, val_accuracy)
            row = (epoch, *measures, seconds, train_seconds)
            history.append(dict(zip(HISTORY_COLUMNS, row, strict=True)))
            require_finite(history)
            record.log_epoch(history[-1], probabilities, hyperparameters["learning_rate"])
            if val_loss < best:
                best, best_weights = val_loss, network.weights()
            progress.finish(history[-1], len(train) / train_seconds)
    network.load_weights(best_weights)
    np.savez(record.folder / WEIGHTS, **best_weights)  # type: ignore[arg-type]  # Arrays by name.
    record.fit = FitResult(
        history=history,
        probabilities=softmax(_logits(network, data, data.arrays.rows("val", "test"), batch_size)),
        parameters=network.parameters,
        hyperparameters=hyperparameters,
        device=describe_threads("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"),
    )


def _logits(network: Network, data: _Galaxies, rows: npt.NDArray[np.int64], batch_size: int) -> Array:
    """Returns the logits of the given rows without dropout, ``[N, classes]``."""
    starts = range(0, len(rows), batch_size)
    return np.concatenate([network.forward(data.images(rows[at : at + batch_size])) for at in starts])
