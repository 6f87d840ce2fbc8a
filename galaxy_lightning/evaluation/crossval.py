"""Summarises a cross-validation: figures per fold, their spread, and figures of all galaxies together."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.json_files import write_json
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.held_out import HeldOut
from galaxy_lightning.evaluation.measures import bootstrap_interval
from galaxy_lightning.runs.names import IDENTITY_COLUMNS, PREDICTIONS
from galaxy_lightning.runs.reader import Run
from galaxy_lightning.runs.writer import as_flags, write_predictions

SUMMARY: Final = "summary.json"
_COSTS: Final = ("seconds", "images_per_second", "peak_memory_mb")
"""Figures of ``run.json`` that are summarised too."""
_SHOWN: Final = {
    "accuracy": "accuracy",
    "macro_recall": "macro recall",
    "calibration_error": "calibration error",
}
"""Figures in the printed table, and their headings."""


def summarise(runs: Sequence[Run], folds: Sequence[GalaxyArrays], out: Path) -> list[str]:
    """Writes predictions, figures and a summary of all folds.

    Args:
        runs: The run of each fold.
        folds: The galaxy arrays of each fold, in the same order.
        out: The folder of the cross-validation.

    Returns:
        The summary, as lines of text.
    """
    each = [_held_out(run, fold) for run, fold in zip(runs, folds, strict=True)]
    pooled = _pooled(each)
    galaxies = pd.concat([fold.catalog.iloc[fold.rows("test")][IDENTITY_COLUMNS] for fold in folds])
    fold_of = np.repeat(np.arange(len(folds)), [len(one.labels) for one in each])
    write_predictions(
        out / PREDICTIONS,
        galaxies,
        pooled.probabilities,
        pooled.classes,
        {"fold": fold_of, "uncertain": as_flags(pooled.uncertain)},
    )
    title = f"{runs[0].model}, {len(folds)} folds, {len(pooled.labels):,} galaxies"
    pooled.write(out, title)
    low, high = bootstrap_interval(pooled.right.astype(np.float64), galaxies["objid"].to_numpy())
    interval = {} if np.isnan(low) else {"accuracy_interval": [round(low, 6), round(high, 6)]}
    per_fold = [
        one.metrics | {name: value for name in _COSTS if (value := run.number(name)) is not None}
        for one, run in zip(each, runs, strict=True)
    ]
    write_json(
        out / SUMMARY,
        {
            "model": runs[0].model,
            "galaxies": len(pooled.labels),
            "seed": runs[0].about.get("seed"),
            "pooled": pooled.metrics | interval,
            "confusion": pooled.counts.tolist(),
            "spread": _spread(per_fold),
            "folds": per_fold,
        },
    )
    return [*_report(title, pooled, each, interval), "", f"Saved to {out}"]


def _held_out(run: Run, fold: GalaxyArrays) -> HeldOut:
    """Returns the classifications of a fold's test galaxies."""
    calibration = Calibration.from_state(run.about["calibration"])
    return HeldOut(
        fold.classes,
        fold.labels[fold.rows("test")],
        run.probabilities,
        calibration.uncertain(run.probabilities),
        calibration.target_accuracy,
    )


def _pooled(each: Sequence[HeldOut]) -> HeldOut:
    """Puts the classifications of all folds together."""
    flagged = [one.uncertain for one in each if one.uncertain is not None]
    return HeldOut(
        each[0].classes,
        np.concatenate([one.labels for one in each]),
        np.concatenate([one.probabilities for one in each]),
        None if len(flagged) < len(each) else np.concatenate(flagged),
        each[0].target_accuracy,
    )


def _spread(per_fold: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns mean and standard deviation over the folds of each figure that all folds have."""
    shared = [name for name in per_fold[0] if all(name in figures for figures in per_fold)]
    values = {name: [figures[name] for figures in per_fold] for name in shared}
    return {
        name: {"mean": round(float(np.mean(several)), 6), "sd": round(float(np.std(several, ddof=1)), 6)}
        for name, several in values.items()
    }


def _report(title: str, pooled: HeldOut, each: Sequence[HeldOut], interval: dict[str, Any]) -> Iterator[str]:
    """Yields the figures of all folds, line by line."""
    yield f"Cross-validation of {title}: each classified by a model that has not seen it"
    yield ""
    yield f"{'fold':>12}{'galaxies':>11}" + "".join(f"{name:>20}" for name in _SHOWN.values())
    for number, one in enumerate(each):
        figures = "".join(f"{one.metrics[name]:>20.3f}" for name in _SHOWN)
        yield f"{number:>12}{len(one.labels):>11,}{figures}"
    spread = [
        f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
        for values in ([one.metrics[name] for one in each] for name in _SHOWN)
    ]
    yield f"{'mean ± sd':>12}{'':>11}" + "".join(f"{text:>20}" for text in spread)
    figures = "".join(f"{pooled.metrics[name]:>20.3f}" for name in _SHOWN)
    yield f"{'all':>12}{len(pooled.labels):>11,}{figures}"
    yield ""
    if interval:
        low, high = interval["accuracy_interval"]
        yield f"95% interval of the accuracy, over other galaxies: {low:.3f} to {high:.3f}"
        yield ""
    yield from pooled.report()
