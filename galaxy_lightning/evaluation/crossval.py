"""Summarises a cross-validation: metrics of each fold, their spread, and metrics of all galaxies together."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.arrays.positions import identify_galaxies
from data_prep.common.json_files import write_json
from data_prep.samples.class_names import known_descriptions
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.class_table import align_columns
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.measures import metric_title
from galaxy_lightning.evaluation.verdict import list_results, verdict
from galaxy_lightning.runs.names import PREDICTIONS, SUMMARY
from galaxy_lightning.runs.reader import Run
from galaxy_lightning.runs.writer import as_flags, write_predictions

_COSTS: Final = ("seconds", "images_per_second", "peak_memory_mb")
"""Entries of ``run.json`` that are part of the summary."""
_SHOWN: Final = ("accuracy", "macro_recall", "calibration_error")
"""Metrics in the printed table."""


def summarise(runs: Sequence[Run], folds: Sequence[GalaxyArrays], out: Path) -> list[str]:
    """Writes the predictions, figures and summary of a cross-validation.

    Args:
        runs: The run of each fold.
        folds: The galaxy arrays of each fold, in the same order.
        out: The folder of the cross-validation.

    Returns:
        The lines of a report.
    """
    descriptions = folds[0].class_descriptions
    predictions = [fold_predictions(run, fold) for run, fold in zip(runs, folds, strict=True)]
    pooled = _pool(predictions, descriptions)
    galaxies = pd.concat([identify_galaxies(fold).iloc[fold.rows("test")] for fold in folds])
    fold_numbers = np.repeat(np.arange(len(folds)), [len(fold.labels) for fold in predictions])
    write_predictions(
        out / PREDICTIONS,
        galaxies,
        pooled.probabilities,
        pooled.classes,
        {"fold": fold_numbers, "is_uncertain": as_flags(pooled.uncertain)},
    )
    title = f"{len(folds)} folds, {len(pooled.labels):,} galaxies"
    pooled.write(out, title, runs[0].model)
    low, high = pooled.accuracy_interval
    interval = {} if np.isnan(low) else {"accuracy_interval": [round(low, 6), round(high, 6)]}
    metrics_by_fold = [
        fold.metrics | {name: value for name in _COSTS if (value := run.number(name)) is not None}
        for fold, run in zip(predictions, runs, strict=True)
    ]
    write_json(
        out / SUMMARY,
        {
            "model": runs[0].model,
            "galaxies": len(pooled.labels),
            "seed": runs[0].about.get("seed"),
            "class_descriptions": known_descriptions(pooled.classes, descriptions),
            "pooled": pooled.metrics | interval,
            "confusion": pooled.counts.tolist(),
            "spread": _means_and_deviations(metrics_by_fold),
            "folds": metrics_by_fold,
        },
    )
    return [
        *_report(f"{runs[0].model}, {title}", pooled, predictions),
        "",
        *list_results(out, PREDICTIONS, SUMMARY),
    ]


def fold_predictions(run: Run, fold: GalaxyArrays) -> HeldOutPredictions:
    """Returns the predictions for a fold's test galaxies.

    Args:
        run: The run of the fold.
        fold: The galaxy arrays of the fold.
    """
    calibration = Calibration.from_state(run.about["calibration"])
    return HeldOutPredictions(
        fold.classes,
        fold.labels[fold.rows("test")],
        run.probabilities,
        calibration.flag_uncertain(run.probabilities),
        calibration.target_accuracy,
        galaxies=fold.catalog["objid"].to_numpy()[fold.rows("test")],
    )


def _pool(folds: Sequence[HeldOutPredictions], descriptions: Mapping[str, str]) -> HeldOutPredictions:
    """Combines the predictions of all folds."""
    uncertain = [fold.uncertain for fold in folds if fold.uncertain is not None]
    return HeldOutPredictions(
        folds[0].classes,
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.probabilities for fold in folds]),
        np.concatenate(uncertain) if len(uncertain) == len(folds) else None,
        folds[0].target_accuracy,
        descriptions,
        np.concatenate([fold.galaxies for fold in folds if fold.galaxies is not None]),
    )


def _means_and_deviations(metrics_by_fold: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns mean and standard deviation over the folds of each metric that all folds have."""
    shared = [name for name in metrics_by_fold[0] if all(name in metrics for metrics in metrics_by_fold)]
    values = {name: [metrics[name] for metrics in metrics_by_fold] for name in shared}
    return {
        name: {"mean": round(float(np.mean(numbers)), 6), "sd": round(float(np.std(numbers, ddof=1)), 6)}
        for name, numbers in values.items()
    }


def _report(title: str, pooled: HeldOutPredictions, folds: Sequence[HeldOutPredictions]) -> Iterator[str]:
    """Yields the lines of a report on all folds."""
    yield f"Cross-validation of {title}:"
    yield "each galaxy is classified by a model that was not trained on it"
    yield ""
    names = [*(f"fold_{number}" for number in range(len(folds))), "mean ± sd", "all"]
    galaxies = [*(f"{len(fold.labels):,}" for fold in folds), "", f"{len(pooled.labels):,}"]
    columns = [["fold", *names], ["galaxies", *galaxies]]
    metrics, pooled_metrics = [fold.metrics for fold in folds], pooled.metrics
    for name in _SHOWN:
        values = [fold[name] for fold in metrics]
        spread = f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
        numbers = [*(f"{value:.3f}" for value in values), spread, f"{pooled_metrics[name]:.3f}"]
        columns.append([metric_title(name), *numbers])
    yield from align_columns(columns)
    yield ""
    yield from pooled.report()
    yield ""
    yield f"All galaxies ({len(pooled.labels):,}):"
    yield from verdict(pooled)
