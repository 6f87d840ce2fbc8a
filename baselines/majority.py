"""The floor: a model that sees no image and predicts how common each class is."""

import time
from pathlib import Path

import numpy as np

from data_prep.arrays import GalaxyArrays
from data_prep.files import new_folder
from data_prep.schema import SPLITS
from galaxy_lightning.run_folder import (
    HISTORY,
    IDENTITY_COLUMNS,
    PREDICTIONS,
    RUN,
    write_history,
    write_predictions,
    write_run,
)


def fit_majority(arrays: GalaxyArrays, out: Path, *, overwrite: bool = False) -> dict[str, float]:
    """Counts the classes of the training galaxies, and leaves a run.

    Its probabilities are the classes' shares among the training galaxies, for every galaxy alike;
    so it always says the most common class. A network that does no better has learnt nothing.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to make.
        overwrite: Replace an older run in ``out``.

    Returns:
        Accuracy on each split, by its name.

    Raises:
        GalaxyError: ``out`` exists and must not be replaced, or there are no training galaxies.
    """
    began = time.perf_counter()
    labels = arrays.labels
    counts = np.bincount(labels[arrays.some_rows("train")], minlength=len(arrays.classes))
    shares = counts / counts.sum()
    losses, accuracies = {}, {}
    for split in SPLITS:
        truth = labels[arrays.rows(split)]
        count = max(len(truth), 1)  # A split of a tiny sample may be empty.
        losses[split] = round(float(-np.log(np.maximum(shares[truth], 1e-12)).sum() / count), 6)
        accuracies[split] = round(float((truth == shares.argmax()).sum() / count), 6)
    seconds = round(time.perf_counter() - began, 6)
    history = [
        {
            "epoch": 0,
            "train_loss": losses["train"],
            "train_accuracy": accuracies["train"],
            "val_loss": losses["val"],
            "val_accuracy": accuracies["val"],
            "seconds": seconds,
            "train_seconds": seconds,
        }
    ]
    held_out = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
    with new_folder(out, overwrite=overwrite, holds=(HISTORY, PREDICTIONS, RUN)) as folder:
        write_history(folder, history)
        probabilities = np.tile(shares.astype(np.float32), (len(held_out), 1))
        write_predictions(folder / PREDICTIONS, held_out, probabilities, arrays.classes)
        write_run(
            folder,
            arrays,
            history,
            model="majority",
            parameters=len(arrays.classes),
            hyperparameters={},
            seed=0,
            device="cpu",
            images_per_second=counts.sum() / seconds,
        )
    return accuracies
