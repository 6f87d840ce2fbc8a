"""Summarises runs: measures of each model with their spread over seeds, and tests of each pair of models."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.json_files import finite_or_none
from data_prep.samples.class_names import known_descriptions
from galaxy_lightning.evaluation.measures import (
    calibration_error,
    classification_metrics,
    confusion_matrix,
    metric_names,
)
from galaxy_lightning.evaluation.significance import (
    bootstrap_interval,
    combine_p_values,
    holm_correction,
    mcnemar_test,
)
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.runs.reader import Run, agree
from galaxy_lightning.runs.writer import arrays_identity

COSTS: Final = ("parameters", "seconds", "images_per_second", "peak_memory_mb")
"""Entries of ``run.json`` that are compared."""


@dataclass(frozen=True)
class Model:
    """The runs of a model: the same network and settings with different seeds.

    Attributes:
        name: The model's name. If several models share a name, it includes the settings that differ.
        runs: The runs.
        folds: The known fits of a cross-validation, if the only run combines them.
        number_of_folds: The number of folds of a cross-validation; 0 otherwise.
    """

    name: str
    runs: list[Run]
    folds: list[Run] = field(default_factory=list)
    number_of_folds: int = 0

    @property
    def fits(self) -> list[Run]:
        """The runs with a training history."""
        columns = [f"{split}_{name}" for split in ("train", "val") for name in ("loss", "accuracy")]
        return [
            run
            for run in self.folds or self.runs
            if run.history.reindex(columns=columns).notna().any(axis=None)
        ]

    def correct(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Returns whether each run classifies each test galaxy correctly, ``[runs, N]``."""
        return np.array([run.predicted == labels for run in self.runs])


def group_runs(runs: Sequence[Run]) -> list[Model]:
    """Groups the runs of the same model and settings, in order of appearance.

    Args:
        runs: All runs.

    Returns:
        The models. Models that share a name are distinguished by the settings that differ.
    """
    groups: list[list[Run]] = []
    for run in runs:
        match = next((members for members in groups if all(_same_model(run, each) for each in members)), None)
        if match is None:
            groups.append([run])
        else:
            match.append(run)
    names = _name_models(groups)
    for number, name in enumerate(names):
        if name in names[:number]:
            names[number] = f"{name} #{names[:number].count(name) + 1}"
    return [Model(name, members) for name, members in zip(names, groups, strict=True)]


def rank_models(models: Sequence[Model], galaxies: ReportGalaxies) -> list[Model]:
    """Sorts models by their mean accuracy, in decreasing order."""
    return sorted(models, key=lambda model: -float(model.correct(galaxies.labels).mean()))


def summarise(galaxies: ReportGalaxies, models: Sequence[Model]) -> dict[str, Any]:
    """Measures all models on the same galaxies and tests all pairs.

    Args:
        galaxies: The galaxies.
        models: The models, at least one.

    Returns:
        The content of ``metrics.json``.
    """
    tests = [_test_pair(one, other, galaxies.labels) for one, other in itertools.combinations(models, 2)]
    for test, corrected in zip(tests, holm_correction([test["p"] for test in tests]), strict=True):
        test["p_holm"] = corrected
    return {
        "arrays": arrays_identity(galaxies.arrays) if galaxies.arrays else None,
        "classes": galaxies.classes,
        "class_descriptions": known_descriptions(galaxies.classes, galaxies.descriptions),
        "test_galaxies": galaxies.counts,
        "models": [_measure_model(model, galaxies) for model in models],
        "mcnemar": tests,
    }


def _measure_model(model: Model, galaxies: ReportGalaxies) -> dict[str, Any]:
    """Measures a model: all runs, mean and standard deviation, and the interval of the mean accuracy."""
    labels, classes = galaxies.labels, galaxies.classes
    runs = [_measure_run(run, labels, classes) for run in model.runs]
    names = [*metric_names(classes), "calibration_error", *COSTS]
    table = {name: np.array([run[name] for run in runs], dtype=float) for name in names}
    interval = bootstrap_interval(model.correct(labels).mean(axis=0), galaxies.objids)
    return {
        "name": model.name,
        "hyperparameters": model.runs[0].settings,
        "mean": {name: finite_or_none(values.mean()) for name, values in table.items()},
        "sd": {
            name: finite_or_none(values.std(ddof=1)) if len(runs) > 1 else None
            for name, values in table.items()
        },
        "accuracy_interval": [finite_or_none(bound) for bound in interval],
        "runs": runs,
    }


def _measure_run(run: Run, labels: npt.NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Measures a run."""
    counts = confusion_matrix(labels, run.predicted, len(classes))
    return {
        "folder": str(run.folder),
        "seed": run.about.get("seed"),
        "device": run.about.get("device"),
        "fits_at_once": run.number("fits_at_once"),
        **{name: finite_or_none(value) for name, value in classification_metrics(counts, classes).items()},
        "calibration_error": calibration_error(labels, run.predicted, run.probabilities),
        **{name: run.number(name) for name in COSTS},
        "confusion": counts.tolist(),
    }


def _test_pair(one: Model, other: Model, labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Tests a pair of models: every run of one model against every run of the other."""
    tests = [
        (*mcnemar_test(one_correct, other_correct), (i, j))
        for (i, one_correct), (j, other_correct) in itertools.product(
            enumerate(one.correct(labels)), enumerate(other.correct(labels))
        )
    ]
    return {
        "models": [one.name, other.name],
        "p": combine_p_values([p for _, _, p, _ in tests]),
        "only_one_right": float(np.median([test[0] for test in tests])),
        "only_other_right": float(np.median([test[1] for test in tests])),
        "tests": [
            {"runs": list(runs), "only_one_right": a, "only_other_right": b, "p": p}
            for a, b, p, runs in tests
        ],
    }


def _same_model(one: Run, other: Run) -> bool:
    """Returns whether two runs are of the same model; unknown training settings match any value."""
    same = (one.model, one.settings) == (other.model, other.settings)
    return same and agree(one.training_settings, other.training_settings)


def _name_models(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Returns the names of models; those that share a name get as few distinguishing settings as possible."""
    names = [members[0].model for members in groups]
    for model in dict.fromkeys(names):
        numbers = [number for number, members in enumerate(groups) if members[0].model == model]
        settings = _distinguishing_settings([groups[number] for number in numbers])
        keys = dict.fromkeys(key for values in settings for key in values)
        differing = [
            key for key in keys if any(values.get(key) != settings[0].get(key) for values in settings)
        ]
        # A single setting suffices if all models have different values of it.
        unique = [
            key for key in differing if len({str(values.get(key)) for values in settings}) == len(settings)
        ]
        for number, values in zip(numbers, settings, strict=True):
            suffix = ", ".join(f"{key} {values.get(key, 'unknown')}" for key in unique[:1] or differing)
            names[number] = f"{model} ({suffix})" if suffix else model
    return names


def _distinguishing_settings(groups: Sequence[Sequence[Run]]) -> list[dict[str, Any]]:
    """Returns the settings of each model, and its training settings that are known to differ from others'."""
    trainings = [
        dict(item for run in members for item in run.training_settings.items()) for members in groups
    ]
    differing = [
        {
            key: value
            for key, value in training.items()
            if any(other.get(key, value) != value for other in trainings)
        }
        for training in trainings
    ]
    return [members[0].settings | training for members, training in zip(groups, differing, strict=True)]
