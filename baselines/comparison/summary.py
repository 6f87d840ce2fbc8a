"""Puts runs together: one entry per model, with the spread over its seeds, and each pair tested."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from galaxy_lightning.evaluation.measures import (
    bootstrap_interval,
    calibration_error,
    classification_metrics,
    combine_p_values,
    confusion_matrix,
    holm_correction,
    mcnemar_test,
    metric_names,
)
from galaxy_lightning.runs.reader import Run, agree
from galaxy_lightning.runs.writer import arrays_identity

COSTS: Final = ("parameters", "seconds", "images_per_second", "peak_memory_mb")
"""What ``run.json`` says of a run that is compared too."""


@dataclass(frozen=True)
class Model:
    """The runs of one model: the same network and settings, other seeds.

    Attributes:
        name: The model's name; with the settings in which it differs, where two share the name.
        runs: Its runs.
    """

    name: str
    runs: list[Run]

    def right(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Returns ``[runs, N]``: which test galaxies each run has right."""
        return np.array([run.predicted == labels for run in self.runs])


def group(runs: Sequence[Run]) -> list[Model]:
    """Puts the runs of the same model, trained with the same settings, together, in order of appearance.

    Args:
        runs: All runs.

    Returns:
        The models. Two that share a name are told apart by the settings in which they differ.
    """
    groups: list[list[Run]] = []
    for run in runs:
        home = next((members for members in groups if all(_alike(run, each) for each in members)), None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    names = _names(groups)
    for place, name in enumerate(names):
        if name in names[:place]:
            names[place] = f"{name} #{names[:place].count(name) + 1}"
    return [Model(name, members) for name, members in zip(names, groups, strict=True)]


def ranked(models: Sequence[Model], arrays: GalaxyArrays) -> list[Model]:
    """Sorts models by their mean accuracy on the test galaxies, the best first."""
    labels = arrays.labels[arrays.rows("test")]
    return sorted(models, key=lambda model: -float(model.right(labels).mean()))


def summarise(arrays: GalaxyArrays, models: Sequence[Model]) -> dict[str, Any]:
    """Measures every model on the test galaxies.

    Args:
        arrays: The galaxy arrays.
        models: The models, at least one.

    Returns:
        The content of ``metrics.json``.
    """
    labels, classes = arrays.labels[arrays.rows("test")], arrays.classes
    counts = np.bincount(labels, minlength=len(classes))
    galaxies = arrays.catalog["objid"].to_numpy()[arrays.rows("test")]
    tests = [_tested(one, other, labels) for one, other in itertools.combinations(models, 2)]
    for test, corrected in zip(tests, holm_correction([test["p"] for test in tests]), strict=True):
        test["p_holm"] = corrected
    return {
        "arrays": arrays_identity(arrays),
        "classes": classes,
        "test_galaxies": dict(zip(classes, counts.tolist(), strict=True)),
        "models": [_measured(model, labels, galaxies, classes) for model in models],
        "mcnemar": tests,
    }


def _measured(
    model: Model, labels: npt.NDArray[np.int64], galaxies: npt.NDArray[np.int64], classes: Sequence[str]
) -> dict[str, Any]:
    """Measures one model: each run, mean and spread over runs, and the interval of the mean accuracy."""
    runs = [_measured_run(run, labels, classes) for run in model.runs]
    names = [*metric_names(classes), "calibration_error", *COSTS]
    table = {name: np.array([run[name] for run in runs], dtype=float) for name in names}
    interval = bootstrap_interval(model.right(labels).mean(axis=0), galaxies)
    return {
        "name": model.name,
        "hyperparameters": model.runs[0].settings,
        "mean": {name: _number(values.mean()) for name, values in table.items()},
        "sd": {
            name: _number(values.std(ddof=1)) if len(runs) > 1 else None for name, values in table.items()
        },
        "accuracy_interval": [_number(bound) for bound in interval],
        "runs": runs,
    }


def _measured_run(run: Run, labels: npt.NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Measures one run."""
    counts = confusion_matrix(labels, run.predicted, len(classes))
    return {
        "folder": str(run.folder),
        "seed": run.about.get("seed"),
        "device": run.about.get("device"),
        **{name: _number(value) for name, value in classification_metrics(counts, classes).items()},
        "calibration_error": calibration_error(labels, run.predicted, run.probabilities),
        **{name: run.number(name) for name in COSTS},
        "confusion": counts.tolist(),
    }


def _tested(one: Model, other: Model, labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Tests one pair of models: every run of the one against every run of the other."""
    tests = [
        (*mcnemar_test(right, wrong), (i, j))
        for (i, right), (j, wrong) in itertools.product(
            enumerate(one.right(labels)), enumerate(other.right(labels))
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


def _alike(one: Run, other: Run) -> bool:
    """Says whether two runs are of one model: what a run does not say of its training may be anything."""
    same = (one.model, one.settings) == (other.model, other.settings)
    return same and agree(one.training_settings, other.training_settings)


def _names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Names models; where some share a name, with as few settings as tell them apart."""
    names = [members[0].model for members in groups]
    for model in dict.fromkeys(names):
        places = [place for place, members in enumerate(groups) if members[0].model == model]
        settings = _telling_settings([groups[place] for place in places])
        keys = dict.fromkeys(key for some in settings for key in some)
        differ = [key for key in keys if any(some.get(key) != settings[0].get(key) for some in settings)]
        # One setting is enough where no two have the same.
        enough = [key for key in differ if len({str(some.get(key)) for some in settings}) == len(settings)]
        for place, some in zip(places, settings, strict=True):
            told = ", ".join(f"{key} {some.get(key, 'unknown')}" for key in enough[:1] or differ)
            names[place] = f"{model} ({told})" if told else model
    return names


def _telling_settings(groups: Sequence[Sequence[Run]]) -> list[dict[str, Any]]:
    """Returns each model's settings; of those of its training the ones that are known to differ."""
    trainings = [
        dict(item for run in members for item in run.training_settings.items()) for members in groups
    ]
    telling = [
        {
            key: value
            for key, value in training.items()
            if any(other.get(key, value) != value for other in trainings)
        }
        for training in trainings
    ]
    return [members[0].settings | more for members, more in zip(groups, telling, strict=True)]


def _number(value: Any) -> float | None:
    """Returns a number that JSON has, or none."""
    return float(value) if np.isfinite(value) else None
