"""Writes the run folder of a baseline with its own training loop, atomically."""

import contextlib
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.arrays.positions import identify_galaxies
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder, refuse_existing
from data_prep.common.threads import cores
from data_prep.schema import SPLITS
from galaxy_lightning.event_log import scalars
from galaxy_lightning.event_log.epochs import CONFIG, ValidationPredictions, log_epoch, log_start
from galaxy_lightning.event_log.hyperparameters import log_result
from galaxy_lightning.event_log.writer import EVENTS, EventLog, yaml_summary
from galaxy_lightning.runs.names import FIGURES, HISTORY, PAGE, PREDICTIONS, RUN, RUN_FIGURES
from galaxy_lightning.runs.writer import (
    describe_cpu,
    find_best_epoch,
    write_history,
    write_predictions,
    write_run,
)
from galaxy_lightning.runtime.memory import PeakMemory, own_memory_mb


@dataclass(frozen=True)
class FitResult:
    """The results of a finished fit.

    Attributes:
        history: One row per epoch, as in ``history.csv``.
        probabilities: ``[N, classes]`` of the validation and test galaxies, in the order of the arrays.
        parameters: The number of learned parameters.
        hyperparameters: The settings of the model and its training.
        device: A description of the device that the model was trained on.
        packages: Distributions whose versions to record.
        extra: Further entries of ``run.json``.
        uses_images: Whether the model uses the images, so that its speed in images per second is meaningful.
    """

    history: Sequence[Mapping[str, float]]
    probabilities: npt.NDArray[Any]
    parameters: int
    hyperparameters: Mapping[str, Any]
    device: str
    packages: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    uses_images: bool = True


@dataclass
class RunRecord:
    """A run that is being written.

    Attributes:
        folder: A temporary folder, in which the fit may write its own files.
        arrays: The galaxy arrays.
        log: The TensorBoard log.
        model: The model's name.
        fit: The results, to be set when the fit is finished.
        accuracies: The accuracy by held-out split, available after the run is written.
    """

    folder: Path
    arrays: GalaxyArrays
    log: EventLog
    model: str
    fit: FitResult | None = None
    accuracies: dict[str, float] = field(default_factory=dict)

    def log_epoch(
        self,
        epoch: Mapping[str, float],
        probabilities: npt.NDArray[np.floating],
        learning_rate: float | None = None,
    ) -> None:
        """Logs an epoch for TensorBoard.

        Args:
            epoch: A row of ``history.csv``.
            probabilities: ``[N, classes]`` of the validation galaxies, in the order of the arrays.
            learning_rate: The learning rate; None if the model has none.
        """
        images, seconds = len(self.arrays.rows("train")), max(epoch["train_seconds"], 1e-9)
        values = {
            scalars.TRAIN_LOSS: epoch["train_loss"],
            scalars.TRAIN_ACCURACY: epoch["train_accuracy"],
            scalars.VAL_LOSS: epoch["val_loss"],
            scalars.LEARNING_RATE: learning_rate,
            scalars.SPEED: None if learning_rate is None else images / seconds,
            scalars.MEMORY: own_memory_mb(),
        }
        rows = self.arrays.rows("val")
        validation = ValidationPredictions(self.arrays, rows, probabilities.astype(np.float64))
        log_epoch(self.log, int(epoch["epoch"]) + 1, values, validation)


def describe_threads(*variables: str) -> str:
    """Returns a description of the CPU as a device.

    Args:
        variables: Environment variables that set the number of threads, the most important one first; by
            default, there are as many threads as cores.
    """
    numbers = (os.environ.get(name, "") for name in variables)
    return describe_cpu(next((int(text) for text in numbers if text.isdecimal() and int(text)), cores()))


def require_finite(history: Sequence[Mapping[str, float]]) -> None:
    """Raises an error if a fit has diverged.

    Args:
        history: The epochs so far.

    Raises:
        GalaxyError: The last training or validation loss is not finite, or there is no epoch.
    """
    last = history[-1] if history else {"epoch": 0, "train_loss": math.nan, "val_loss": math.nan}
    for split, name in (("train", "training"), ("val", "validation")):
        if not math.isfinite(last[f"{split}_loss"]):
            raise GalaxyError(
                f"the fit has diverged: the {name} loss is {last[f'{split}_loss']} after epoch "
                f"{last['epoch']:.0f}: use a lower --learning-rate"
            )


@contextlib.contextmanager
def record_run(
    arrays: GalaxyArrays,
    out: Path,
    *,
    model: str,
    seed: int,
    overwrite: bool,
    files: Collection[str] = (),
) -> Iterator[RunRecord]:
    """Creates a run folder atomically from the results of the block.

    Args:
        arrays: The galaxy arrays.
        out: The run folder to create.
        model: The model's name.
        seed: The seed of the fit.
        overwrite: Whether to replace an existing run in ``out``.
        files: The names of the files that the block writes, besides the three files of every run and its
            figures.

    Yields:
        The record, in which the block sets ``fit``.

    Raises:
        GalaxyError: ``out`` exists and must not be replaced, or a split is empty.
    """
    for split in SPLITS:
        arrays.require_rows(split)
    if overwrite:
        refuse_existing(out / FIGURES, overwrite=True, contents=(), optional=RUN_FIGURES)
    contents, optional = (HISTORY, PREDICTIONS, RUN, *files), (FIGURES, EVENTS, PAGE)
    with (
        new_folder(out, overwrite=overwrite, contents=contents, optional=optional) as folder,
        EventLog(folder / EVENTS) as log,
    ):
        record = RunRecord(folder, arrays, log, model)
        log_start(log, arrays)
        with PeakMemory() as memory:
            yield record
        fit = record.fit
        assert fit is not None
        _log_and_draw(record, fit, seed, out)
        held_out = identify_galaxies(arrays).iloc[arrays.rows("val", "test")]
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
            images_per_second=images / seconds if fit.uses_images else None,
            peak_memory_mb=memory.mb,
            packages=fit.packages,
            **fit.extra,
        )
    predicted = np.asarray(arrays.classes)[fit.probabilities.argmax(axis=1)]
    correct = predicted == held_out["label"].to_numpy()
    record.accuracies = {
        split: float(correct[held_out["split"] == split].mean()) for split in ("val", "test")
    }


def _log_and_draw(record: RunRecord, fit: FitResult, seed: int, out: Path) -> None:
    """Logs the settings of a finished fit and the metrics of its best weights, and draws its figures.

    Args:
        record: The run that is being written.
        fit: The results.
        seed: The seed.
        out: The folder of the run when it is complete.
    """
    # Matplotlib would count in the peak memory, if it were imported before the fit.
    from galaxy_lightning.evaluation.run_figures import (
        optional_figures,
        validation_predictions,
        write_run_figures,
    )

    settings = {"model": record.model, **fit.hyperparameters, "seed": seed}
    record.log.add_summary(yaml_summary(CONFIG, settings | {"arrays": str(record.arrays.folder)}), 0)
    validation, best = validation_predictions(record.arrays, fit.probabilities), find_best_epoch(fit.history)
    rows = record.arrays.rows("val")
    logged = ValidationPredictions(record.arrays, rows, validation.probabilities)
    log_result(record.log, settings, fit.history, best, logged)
    with optional_figures(out):
        # Without images, nothing is learnt by epochs.
        epochs, marked = (fit.history, best) if fit.uses_images else ((), None)
        write_run_figures(record.folder, record.model, epochs, marked, validation)
