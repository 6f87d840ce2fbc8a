"""The floor: a model that sees no image and predicts how common each class is."""

import time
from pathlib import Path

import numpy as np

from baselines.recording import Fit, recording
from data_prep.arrays.format import GalaxyArrays


def fit_majority(arrays: GalaxyArrays, out: Path, *, overwrite: bool = False) -> dict[str, float]:
    """Counts the classes of the training galaxies, and leaves a run.

    Its probabilities are the classes' shares among the training galaxies, for every galaxy alike;
    so it always says the most common class. A network that does no better has learnt nothing.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to make.
        overwrite: Replace an older run in ``out``.

    Returns:
        Accuracy on the validation and test galaxies.

    Raises:
        GalaxyError: ``out`` exists and must not be replaced, or a split is empty.
    """
    began = time.perf_counter()
    labels = arrays.labels
    counts = np.bincount(labels[arrays.require_rows("train")], minlength=len(arrays.classes))
    shares = counts / counts.sum()
    losses, accuracies = {}, {}
    for split in ("train", "val"):
        truth = labels[arrays.require_rows(split)]
        losses[split] = float(-np.log(np.maximum(shares[truth], 1e-12)).mean())
        accuracies[split] = float((truth == shares.argmax()).mean())
    seconds = time.perf_counter() - began
    epoch = {
        "epoch": 0,
        "train_loss": losses["train"],
        "train_accuracy": accuracies["train"],
        "val_loss": losses["val"],
        "val_accuracy": accuracies["val"],
        "seconds": seconds,
        "train_seconds": seconds,
    }
    with recording(arrays, out, model="majority", seed=0, overwrite=overwrite) as record:
        record.fit = Fit(
            history=[epoch],
            probabilities=np.tile(shares.astype(np.float32), (len(arrays.rows("val", "test")), 1)),
            parameters=len(arrays.classes),
            hyperparameters={},
            device="cpu",
            sees_images=False,
        )
    return record.accuracies
