"""The tables of a report: results, tests of pairs of models, and settings, as text."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from galaxy_lightning.evaluation.measures import CLASS_METRICS, OVERALL_METRICS, metric_title

MAX_IN_ONE_TABLE: Final = 6
"""Maximum number of classes whose results are in the same table as the overall ones."""
MISSING: Final = "-"
MAX_SETTING: Final = 80
"""Maximum number of characters of the value of a setting."""
SIGNIFICANT: Final = 0.05
"""Corrected p-value below which a difference is significant."""

_COSTS: Final[tuple[tuple[str, str, Callable[..., float] | None], ...]] = (
    ("parameters", "parameters", None),
    ("seconds", "training time (s)", min),
    ("images_per_second", "training speed (images/s)", max),
    ("peak_memory_mb", "peak memory (MB)", min),
)
_TIMES: Final = ("seconds", "images_per_second")
"""The costs that depend on the device."""


@dataclass(frozen=True)
class Row:
    """A row of a table, with a cell for each model.

    Attributes:
        title: What the row shows.
        cells: A text for each model.
        best: The numbers of the cells with the best value; empty if none is better than another.
    """

    title: str
    cells: list[str]
    best: list[int] = field(default_factory=list)


def results_table(summary: Mapping[str, Any]) -> list[Row]:
    """Returns the rows of the results.

    Args:
        summary: The results; see :func:`~galaxy_lightning.report.summary.summarise`.
    """
    rows = [_row(summary, name, metric_title(name), max) for name in OVERALL_METRICS]
    intervals = [model["accuracy_interval"] for model in summary["models"]]
    cells = [MISSING if low is None else f"{low:.3f} to {high:.3f}" for low, high in intervals]
    rows.insert(list(OVERALL_METRICS).index("accuracy") + 1, Row("accuracy, 95% confidence interval", cells))
    if len(summary["classes"]) <= MAX_IN_ONE_TABLE:
        rows += class_rows(summary)
    rows.append(_row(summary, "calibration_error", "expected calibration error", min))
    comparable = same_devices(summary)
    for name, title, better in _COSTS:
        rows.append(_row(summary, name, title, better if comparable or name not in _TIMES else None))
    rows.append(Row("device", [", ".join(devices) or MISSING for devices in _devices(summary)]))
    rows.append(Row("runs (seeds)", [_format_seeds(model["runs"]) for model in summary["models"]]))
    return rows


def class_rows(summary: Mapping[str, Any]) -> list[Row]:
    """Returns the rows with the recall and the precision of each class.

    Args:
        summary: The results.
    """
    return [
        _row(summary, f"{metric}_{name}", f"{metric}, {name}", max)
        for metric in CLASS_METRICS
        if metric != "f1"
        for name in summary["classes"]
    ]


def same_devices(summary: Mapping[str, Any]) -> bool:
    """Returns whether all models that use the images were trained on equal devices, with as many at once.

    Otherwise their times cannot be compared.

    Args:
        summary: The results.
    """
    timed = [model["mean"]["images_per_second"] is not None for model in summary["models"]]
    devices = list(itertools.compress(_devices(summary), timed))
    return all(len(found) == 1 and found == devices[0] for found in devices)


def settings_tables(summary: Mapping[str, Any]) -> tuple[list[Row], list[Row]]:
    """Returns the rows of the settings that differ between the models, and those of the others.

    Args:
        summary: The results.
    """
    settings = [model["hyperparameters"] for model in summary["models"]]
    names = dict.fromkeys(name for values in settings for name in values if name != "classes")
    differing: list[Row] = []
    shared: list[Row] = []
    for name in names:
        cells = [_format_setting(values[name]) if name in values else MISSING for values in settings]
        table = differing if len(set(cells)) > 1 else shared
        table.append(Row(name.replace("_", " "), cells))
    return differing, shared


def tests_table(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns the rows of McNemar's tests, one for each pair of models.

    Args:
        summary: The results.
    """
    return [
        {
            "one": test["models"][0],
            "other": test["models"][1],
            "only_one": f"{test['only_one_right']:g}",
            "only_other": f"{test['only_other_right']:g}",
            "p": format_p_value(test["p"]),
            "p_holm": format_p_value(test["p_holm"]),
            "result": "significant" if test["p_holm"] < SIGNIFICANT else "not significant",
        }
        for test in summary["mcnemar"]
    ]


def classes_table(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the classes: name, description and number of galaxies.

    Args:
        summary: The results.
    """
    descriptions = summary["class_descriptions"]
    return [
        {"name": name, "description": descriptions.get(name, ""), "galaxies": f"{galaxies:,}"}
        for name, galaxies in summary["test_galaxies"].items()
    ]


def format_p_value(value: float) -> str:
    """Formats a p-value."""
    return "< 0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _row(summary: Mapping[str, Any], key: str, title: str, better: Callable[..., float] | None) -> Row:
    """Returns the row of a measure; the best value is that of ``better`` among those that are shown."""
    means = [model["mean"][key] for model in summary["models"]]
    deviations = [model["sd"][key] if key != "parameters" else None for model in summary["models"]]
    known = [mean for mean in means if mean is not None]
    cells = [_format_mean(*values) for values in zip(means, deviations, strict=True)]
    if better is None or len(known) < 2:
        return Row(title, cells)
    shown = _format_mean(better(known), None)
    best = [number for number, mean in enumerate(means) if _format_mean(mean, None) == shown]
    return Row(title, cells, best if len(best) < len(cells) else [])


def were_at_once(summary: Mapping[str, Any]) -> bool:
    """Returns whether fits were trained while others ran on the same machine.

    Args:
        summary: The results.
    """
    return any((run["fits_at_once"] or 1) > 1 for model in summary["models"] for run in model["runs"])


def _devices(summary: Mapping[str, Any]) -> list[list[str]]:
    """Returns the devices that the runs of each model were trained on."""
    return [
        sorted({_describe_device(run) for run in model["runs"] if run["device"]})
        for model in summary["models"]
    ]


def _describe_device(run: Mapping[str, Any]) -> str:
    """Returns the device of a run, and how many fits were trained at once."""
    at_once = run["fits_at_once"] or 1
    return f"{run['device']}, {at_once:.0f} fits at once" if at_once > 1 else str(run["device"])


def _format_mean(mean: float | None, deviation: float | None) -> str:
    """Formats a mean, with its standard deviation if there is one."""
    if mean is None:
        return MISSING
    decimals = 3 if mean <= 1 else 1 if mean < 100 and mean % 1 else 0
    return f"{mean:,.{decimals}f}" + ("" if deviation is None else f" ± {deviation:,.{decimals}f}")


def _format_setting(value: Any) -> str:
    """Formats the value of a setting, shortened; an empty one is missing."""
    text = MISSING if value is None or value == [] else str(value)
    return text if len(text) <= MAX_SETTING else f"{text[: MAX_SETTING - 3]}..."


def _format_seeds(runs: Sequence[Mapping[str, Any]]) -> str:
    """Formats the number of runs and their seeds."""
    seeds = [str(run["seed"]) for run in runs if run["seed"] is not None]
    return f"{len(runs)} ({', '.join(seeds)})" if seeds else str(len(runs))
