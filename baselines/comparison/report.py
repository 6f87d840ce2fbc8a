"""Writes the report of a comparison: tables and figures as a single HTML page, and as Markdown."""

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
from matplotlib.figure import Figure

from baselines.comparison.summary import Model
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.files import new_files
from data_prep.common.json_files import json_text
from galaxy_lightning.evaluation.figures import plot_confusion_matrices, plot_gallery, plot_training_curves
from galaxy_lightning.evaluation.measures import OVERALL_METRICS, metric_title

HTML: Final = "report.html"
MARKDOWN: Final = "report.md"
METRICS: Final = "metrics.json"
FIGURES: Final = "figures"
MAX_MISCLASSIFIED: Final = 9
"""Maximum number of misclassified galaxies to show per model."""
MISSING: Final = "-"
_COSTS: Final = (
    ("parameters", "parameters"),
    ("seconds", "training time (s)"),
    ("images_per_second", "training speed (images/s)"),
    ("peak_memory_mb", "peak memory (MB)"),
)


def write_report(out: Path, arrays: GalaxyArrays, models: Sequence[Model], summary: dict[str, Any]) -> None:
    """Writes ``metrics.json``, the self-contained ``report.html``, and ``report.md`` with its figures.

    Files of an existing report are removed first, so that they never lie beside those of the new one.

    Args:
        out: The folder of the report.
        arrays: The galaxy arrays.
        models: The models.
        summary: The results; see :func:`~baselines.comparison.summary.summarise`.
    """
    figures, images = [], {}
    for name, caption, figure in _draw_figures(arrays, models, summary):
        image = io.BytesIO()
        with warnings.catch_warnings():
            # A model's name may contain characters that the font lacks, or be too long for the layout.
            warnings.filterwarnings("ignore", "Glyph .* missing|constrained_layout not applied")
            figure.savefig(image, dpi=130)
        path = f"{FIGURES}/{name}.png"
        images[out / path] = image.getvalue()
        data = base64.b64encode(image.getvalue()).decode("ascii")
        figures.append({"path": path, "caption": caption, "data": data})
    content = {
        "arrays": arrays,
        "labels": _describe_labels(arrays.dataset),
        "summary": summary,
        "models": [model["name"] for model in summary["models"]],
        "rows": _results_table(summary),
        "settings": _settings_table(summary),
        "tests": _tests_table(summary),
        "figures": figures,
        "today": date.today().isoformat(),
        "several": any(len(model.runs) > 1 for model in models),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("baselines.comparison", "."),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _escape_cell
    pages = {
        out / name: environment.get_template(f"{name}.jinja").render(content).encode()
        for name in (HTML, MARKDOWN)
    }
    files = pages | images
    # Figures of an existing report with more models are removed.
    obsolete = [path for path in (out / FIGURES).glob("misclassified_*.png") if path not in files]
    with new_files(out / METRICS, *files, *obsolete) as (metrics, *partials):
        metrics.write_text(json_text(summary), encoding="utf-8")
        for partial, content_bytes in zip(partials, files.values(), strict=False):
            partial.write_bytes(content_bytes)


def _describe_labels(dataset: Mapping[str, Any]) -> str:
    """Returns a description of the label rule."""
    rule, threshold = dataset.get("label_rule"), dataset.get("threshold")
    if rule == "threshold":
        return f"debiased vote fraction of at least {threshold}"
    return "Galaxy Zoo 1 flags" if rule == "flags" else f"label rule {rule}"


def _escape_cell(text: str) -> str:
    """Escapes text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _results_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the results: the measure, and a cell for each model."""
    classes = summary["classes"]
    measures = [
        *((name, metric_title(name)) for name in OVERALL_METRICS),
        *((f"recall_{name}", f"recall, {name}") for name in classes),
        *((f"precision_{name}", f"precision, {name}") for name in classes),
        ("calibration_error", "expected calibration error"),
        *_COSTS,
    ]
    rows = []
    for key, title in measures:
        cells = [
            _format_mean(model["mean"][key], None if key == "parameters" else model["sd"][key])
            for model in summary["models"]
        ]
        rows.append({"title": title, "cells": cells})
        if key == "accuracy":
            intervals = [model["accuracy_interval"] for model in summary["models"]]
            cells = [MISSING if low is None else f"{low:.3f} to {high:.3f}" for low, high in intervals]
            rows.append({"title": "accuracy, 95% confidence interval", "cells": cells})
    devices = [
        ", ".join(sorted({str(run["device"] or MISSING) for run in m["runs"]})) for m in summary["models"]
    ]
    rows.append({"title": "device", "cells": devices})
    runs = [_format_seeds(model["runs"]) for model in summary["models"]]
    rows.append({"title": "runs (seeds)", "cells": runs})
    return rows


def _settings_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the settings: all hyperparameters that any model has, and a cell for each model."""
    settings = [model["hyperparameters"] for model in summary["models"]]
    names = dict.fromkeys(name for values in settings for name in values if name != "classes")
    return [
        {"title": name.replace("_", " "), "cells": [str(values.get(name, MISSING)) for values in settings]}
        for name in names
    ]


def _format_mean(mean: float | None, deviation: float | None) -> str:
    """Formats a mean, with its standard deviation if there is one."""
    if mean is None:
        return MISSING
    decimals = 3 if mean <= 1 else 1 if mean < 100 and mean % 1 else 0
    return f"{mean:,.{decimals}f}" + ("" if deviation is None else f" ± {deviation:,.{decimals}f}")


def _format_seeds(runs: Sequence[dict[str, Any]]) -> str:
    """Formats the number of runs and their seeds."""
    seeds = [str(run["seed"]) for run in runs if run["seed"] is not None]
    return f"{len(runs)} ({', '.join(seeds)})" if seeds else str(len(runs))


def _tests_table(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the rows of McNemar's tests, one for each pair of models."""
    rows = []
    for test in summary["mcnemar"]:
        one, other = test["models"]
        rows.append(
            {
                "one": one,
                "other": other,
                "only_one": f"{test['only_one_right']:g}",
                "only_other": f"{test['only_other_right']:g}",
                "p": format_p_value(test["p"]),
                "p_holm": format_p_value(test["p_holm"]),
                "result": "significant" if test["p_holm"] < 0.05 else "not significant",
            }
        )
    return rows


def format_p_value(value: float) -> str:
    """Formats a p-value."""
    return "< 0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _draw_figures(
    arrays: GalaxyArrays, models: Sequence[Model], summary: dict[str, Any]
) -> list[tuple[str, str, Figure]]:
    """Draws the figures; returns the file name (without suffix), caption and figure of each."""
    histories = {
        model.name: [run.history for run in model.runs]
        for model in models
        if any(len(run.history) for run in model.runs)
    }
    common = np.bincount(arrays.labels[arrays.rows("train")]).argmax()
    floor = {split: float((arrays.labels[arrays.rows(split)] == common).mean()) for split in ("train", "val")}
    confusions = {
        model["name"]: np.sum([run["confusion"] for run in model["runs"]], axis=0)
        for model in summary["models"]
    }
    figures = [
        (
            "confusion",
            "Confusion matrices of the test galaxies: share of the true class, and number of galaxies summed "
            "over runs.",
            plot_confusion_matrices(confusions, arrays.classes),
        )
    ]
    if histories:
        figures += [
            (
                "loss",
                "Loss by epoch; thin lines show runs, thick lines their mean. The loss includes "
                "regularisation terms, so only models with the same regularisation are comparable.",
                plot_training_curves(histories, "loss"),
            ),
            (
                "accuracy",
                "Accuracy by epoch; thin lines show runs, thick lines their mean. The training accuracy is "
                "measured during training, with the model's dropout and augmentation.",
                plot_training_curves(histories, "accuracy", floor),
            ),
        ]
    for number, model in enumerate(models):
        images, captions, count = _most_confident_errors(arrays, model)
        if count == 0 or not np.ptp(model.runs[0].probabilities, axis=0).any():
            continue  # All galaxies are classified correctly, or all have the same probabilities.
        shown = f"the {len(images)} most confident of {count}" if count > len(images) else f"all {count}"
        caption = f"Test galaxies misclassified by {model.name} (first run): {shown}."
        figures.append((f"misclassified_{number}", caption, plot_gallery(images, captions, model.name)))
    return figures


def _most_confident_errors(arrays: GalaxyArrays, model: Model) -> tuple[Any, list[str], int]:
    """Returns the most confident errors of a model's first run.

    Args:
        arrays: The galaxy arrays.
        model: The model.

    Returns:
        The images, their captions, and the number of all errors.
    """
    run, rows = model.runs[0], arrays.rows("test")
    labels, classes = arrays.labels[rows], arrays.classes
    wrong = np.flatnonzero(run.predicted != labels)
    confidences = run.probabilities[wrong, run.predicted[wrong]]
    chosen = wrong[np.argsort(-confidences, kind="stable")][:MAX_MISCLASSIFIED]
    captions = [
        f"{arrays.catalog['objid'].iloc[rows[galaxy]]}\ntrue {classes[labels[galaxy]]}\n"
        f"predicted {classes[run.predicted[galaxy]]} ({run.probabilities[galaxy, run.predicted[galaxy]]:.2f})"
        for galaxy in chosen
    ]
    return arrays.images[rows[chosen]], captions, len(wrong)
