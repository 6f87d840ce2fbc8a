"""The majority-class baseline, which predicts the class frequencies without using the images."""

import time
from pathlib import Path

import numpy as np

from baselines.recording import FitResult, record_run
from data_prep.arrays.format import GalaxyArrays


def fit_majority(arrays: GalaxyArrays, out: Path, *, overwrite: bool = False) -> dict[str, float]:
    """Fits the majority-class baseline and writes a run folder.

    The predicted probabilities are the class frequencies of the training galaxies, for every galaxy, so the
    predicted class is always the most common one. A network that is not better has learnt nothing.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to create.
        overwrite: Whether to replace an existing run in ``out``.

    Returns:
        The accuracy on the validation galaxies and on the test galaxies, by split.

    Raises:
        GalaxyError: ``out`` exists and must not be replaced, or a split is empty.
    """
    start = time.perf_counter()
    labels = arrays.labels
    counts = np.bincount(labels[arrays.require_rows("train")], minlength=len(arrays.classes))
    shares = counts / counts.sum()
    losses, accuracies = {}, {}
    for split in ("train", "val"):
        truth = labels[arrays.require_rows(split)]
        losses[split] = float(-np.log(np.maximum(shares[truth], 1e-12)).mean())
        accuracies[split] = float((truth == shares.argmax()).mean())
    seconds = time.perf_counter() - start
    epoch = {
        "epoch": 0,
        "train_loss": losses["train"],
        "train_accuracy": accuracies["train"],
        "val_loss": losses["val"],
        "val_accuracy": accuracies["val"],
        "seconds": seconds,
        "train_seconds": seconds,
    }
    with record_run(arrays, out, model="majority", seed=0, overwrite=overwrite) as record:
        probabilities = np.tile(shares.astype(np.float32), (len(arrays.rows("val", "test")), 1))
        record.log_epoch(epoch, probabilities[: len(arrays.rows("val"))])
        record.fit = FitResult(
            history=[epoch],
            probabilities=probabilities,
            parameters=len(arrays.classes),
            hyperparameters={},
            device="CPU",
            uses_images=False,
        )
    return record.accuracies
