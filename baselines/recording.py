"""Leaves the run of a baseline that brings its own training loop: whole, or not at all."""

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder
from data_prep.schema import SPLITS
from galaxy_lightning.runs.names import HISTORY, IDENTITY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.writer import write_history, write_predictions, write_run
from galaxy_lightning.runtime.memory import PeakMemory


@dataclass(frozen=True)
class Fit:
    """What a finished fit hands over.

    Attributes:
        history: The epochs, as in ``history.csv``.
        probabilities: ``[N, classes]`` of the validation and test galaxies, in the arrays' order.
        parameters: How many numbers the model learns.
        hyperparameters: What it was made and trained with.
        device: What it was trained on, in words.
        packages: Distributions whose versions matter to it.
        more: Further entries for ``run.json``.
        sees_images: Whether images per second mean anything for it.
    """

    history: Sequence[Mapping[str, float]]
    probabilities: npt.NDArray[Any]
    parameters: int
    hyperparameters: Mapping[str, Any]
    device: str
    packages: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    sees_images: bool = True


@dataclass
class Record:
    """A run in the making.

    Attributes:
        folder: Where a fit may leave its own files.
        model: The model's name.
        fit: To be set once the fit is finished.
        accuracies: On the validation and test galaxies, once the run is complete.
    """

    folder: Path
    model: str
    fit: Fit | None = None
    accuracies: dict[str, float] = field(default_factory=dict)


def require_finite(history: Sequence[Mapping[str, float]]) -> None:
    """Stops a fit that has diverged.

    Raises:
        GalaxyError: Its last training or validation loss is no number, or there is no epoch.
    """
    last = history[-1] if history else {"epoch": 0, "train_loss": math.nan, "val_loss": math.nan}
    for split, name in (("train", "training"), ("val", "validation")):
        if not math.isfinite(last[f"{split}_loss"]):
            raise GalaxyError(
                f"the {name} loss is {last[f'{split}_loss']} after epoch {last['epoch']:.0f}: the fit has "
                "diverged; begin again with a lower --learning-rate"
            )


@contextlib.contextmanager
def recording(
    arrays: GalaxyArrays,
    out: Path,
    *,
    model: str,
    seed: int,
    overwrite: bool,
    files: Collection[str] = (),
) -> Iterator[Record]:
    """Gives a fit a folder to work in, and makes a run of it when the block ends well.

    Args:
        arrays: What is trained on.
        out: The run folder to make.
        model: The model's name.
        seed: The one seed of the fit.
        overwrite: Replace an older run in ``out``.
        files: What the fit leaves in the folder besides a run's three files.

    Yields:
        The record, whose ``fit`` the block sets.

    Raises:
        GalaxyError: ``out`` exists and must not be replaced, or a split is empty.
    """
    for split in SPLITS:
        arrays.require_rows(split)
    with new_folder(out, overwrite=overwrite, contents=(HISTORY, PREDICTIONS, RUN, *files)) as folder:
        record = Record(folder, model)
        with PeakMemory() as memory:
            yield record
        fit = record.fit
        assert fit is not None
        held_out = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
        write_history(folder, fit.history)
        write_predictions(folder / PREDICTIONS, held_out, fit.probabilities, arrays.classes)
        images = len(arrays.rows("train")) * len(fit.history)
        seconds = max(sum(row["train_seconds"] for row in fit.history), 1e-9)
        write_run(
            folder,
            arrays,
            fit.history,
            model=model,
            parameters=fit.parameters,
            hyperparameters=fit.hyperparameters,
            seed=seed,
            device=fit.device,
            images_per_second=images / seconds if fit.sees_images else None,
            peak_memory_mb=memory.mb,
            packages=fit.packages,
            **fit.more,
        )
    right = np.asarray(arrays.classes)[fit.probabilities.argmax(axis=1)] == held_out["label"].to_numpy()
    record.accuracies = {split: float(right[held_out["split"] == split].mean()) for split in ("val", "test")}
