"""The figures in a run folder: learning curves, and the predictions for the validation galaxies."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.files import remove_partial_files
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.figure_files import save_figure
from galaxy_lightning.evaluation.held_out import HeldOutPredictions, split_title
from galaxy_lightning.evaluation.learning_curves import plot_run_curves
from galaxy_lightning.runs.names import COVERAGE, FIGURES, HISTORY_COLUMNS, LEARNING_CURVES


@contextlib.contextmanager
def optional_figures(run: Path) -> Iterator[None]:
    """Prints why the block cannot draw or write the figures of a run, so that the finished fit is not lost.

    Args:
        run: The run folder.
    """
    try:
        yield
    except Exception as error:
        reason = str(error).partition("\n")[0]
        print(f"The figures in {run / FIGURES} are incomplete: {reason}", file=sys.stderr)


def validation_predictions(
    arrays: GalaxyArrays, probabilities: npt.NDArray[Any], calibration: Calibration | None = None
) -> HeldOutPredictions:
    """Returns the predictions for the validation galaxies.

    Args:
        arrays: The galaxy arrays.
        probabilities: ``[N, classes]`` of the validation and test galaxies, in the order of the arrays.
        calibration: The calibration of the model, if it has one.
    """
    calibration = calibration or Calibration()
    rows = arrays.rows("val", "test")
    chosen = np.isin(rows, arrays.rows("val"))
    probabilities = probabilities[chosen].astype(np.float64)
    return HeldOutPredictions(
        arrays.classes,
        arrays.labels[rows[chosen]],
        probabilities,
        calibration.flag_uncertain(probabilities),
        calibration.target_accuracy,
        arrays.class_descriptions,
        arrays.catalog["objid"].to_numpy(dtype=np.int64)[rows[chosen]],
    )


def write_run_figures(
    run: Path,
    model: str,
    history: Sequence[Mapping[str, float]],
    best_epoch: int | None,
    validation: HeldOutPredictions | None,
) -> None:
    """Writes the figures of a finished fit as PNG and PDF into the folder ``figures`` of its run folder.

    Args:
        run: The run folder.
        model: Name of the model.
        history: The epochs, as in ``history.csv``. Without any, there are no learning curves.
        best_epoch: The epoch whose weights are used, counted from 0; None if unknown.
        validation: The predictions for the validation galaxies; None if there are no such galaxies. There is
            no coverage curve if all of them have the same confidence.

    Raises:
        GalaxyError: A file cannot be written.
    """
    folder = run / FIGURES
    if folder.is_dir():
        remove_partial_files(folder)
    if history:
        table = pd.DataFrame(list(history), columns=list(HISTORY_COLUMNS))
        save_figure(plot_run_curves(table, best_epoch, model), folder / LEARNING_CURVES)
    if validation is None:
        return
    title = split_title("val", len(validation.labels))
    ranked = np.ptp(validation.probabilities.max(axis=1)) > 0
    for name, figure in validation.figures(title, model):
        if name != COVERAGE or ranked:
            save_figure(figure, folder / name)
