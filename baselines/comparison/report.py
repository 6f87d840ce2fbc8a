"""Writes a comparison down: tables and figures as one HTML page, and as Markdown."""

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

HTML: Final = "report.html"
MARKDOWN: Final = "report.md"
METRICS: Final = "metrics.json"
FIGURES: Final = "figures"
GALLERY: Final = 9
NONE: Final = "-"
_COSTS: Final = (
    ("parameters", "parameters"),
    ("seconds", "seconds to train"),
    ("images_per_second", "training images/s"),
    ("peak_memory_mb", "peak memory (MB)"),
)


def write_report(out: Path, arrays: GalaxyArrays, models: Sequence[Model], summary: dict[str, Any]) -> None:
    """Writes ``metrics.json``, ``report.html``, which needs no other file, ``report.md`` and its figures.

    None of them ever lies beside one of an older report.

    Args:
        out: The report's folder.
        arrays: The galaxy arrays.
        models: The models.
        summary: What was measured; see :func:`~baselines.comparison.summary.summarise`.
    """
    figures, pictures = [], {}
    for name, caption, figure in _figures(arrays, models, summary):
        picture = io.BytesIO()
        with warnings.catch_warnings():
            # A name may hold a letter that the font lacks, or be too long for its place.
            warnings.filterwarnings("ignore", "Glyph .* missing|constrained_layout not applied")
            figure.savefig(picture, dpi=130)
        path = f"{FIGURES}/{name}.png"
        pictures[out / path] = picture.getvalue()
        data = base64.b64encode(picture.getvalue()).decode("ascii")
        figures.append({"path": path, "caption": caption, "data": data})
    content = {
        "arrays": arrays,
        "labels": _labelling(arrays.dataset),
        "summary": summary,
        "models": [model["name"] for model in summary["models"]],
        "rows": _table(summary),
        "settings": _settings_table(summary),
        "tests": _tests(summary),
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
    environment.filters["cell"] = _cell
    pages = {
        out / name: environment.get_template(f"{name}.jinja").render(content).encode()
        for name in (HTML, MARKDOWN)
    }
    others = pages | pictures
    # Of an older report, with other models.
    older = [path for path in (out / FIGURES).glob("mistakes_*.png") if path not in others]
    with new_files(out / METRICS, *others, *older) as (metrics, *partials):
        metrics.write_text(json_text(summary), encoding="utf-8")
        for partial, made in zip(partials, others.values(), strict=False):
            partial.write_bytes(made)


def _labelling(dataset: Mapping[str, Any]) -> str:
    """Says in words where the labels come from."""
    rule, threshold = dataset.get("label_rule"), dataset.get("threshold")
    if rule == "threshold":
        return f"debiased votes of {threshold} or more"
    return "Galaxy Zoo 1's flags" if rule == "flags" else f"rule {rule}"


def _cell(text: str) -> str:
    """Writes a text as a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the table's rows: what is measured, and a cell for each model."""
    classes = summary["classes"]
    measures = [
        ("accuracy", "accuracy"),
        ("macro_recall", "macro recall"),
        *((f"recall_{name}", f"recall, {name}") for name in classes),
        *((f"precision_{name}", f"precision, {name}") for name in classes),
        ("calibration_error", "expected calibration error"),
        *_COSTS,
    ]
    rows = []
    for key, title in measures:
        spread = key != "parameters"
        cells = [
            _spread(model["mean"][key], model["sd"][key] if spread else None) for model in summary["models"]
        ]
        rows.append({"title": title, "cells": cells})
        if key == "accuracy":
            intervals = [model["accuracy_interval"] for model in summary["models"]]
            cells = [NONE if low is None else f"{low:.3f} to {high:.3f}" for low, high in intervals]
            rows.append({"title": "accuracy, 95% interval", "cells": cells})
    devices = [
        ", ".join(sorted({str(run["device"] or NONE) for run in m["runs"]})) for m in summary["models"]
    ]
    rows.append({"title": "device", "cells": devices})
    rows.append({"title": "runs (seeds)", "cells": [_seeds(model["runs"]) for model in summary["models"]]})
    return rows


def _settings_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the settings: each hyperparameter that any model states."""
    stated = [model["hyperparameters"] for model in summary["models"]]
    names = dict.fromkeys(name for settings in stated for name in settings if name != "classes")
    return [
        {"title": name.replace("_", " "), "cells": [str(settings.get(name, NONE)) for settings in stated]}
        for name in names
    ]


def _spread(mean: float | None, deviation: float | None) -> str:
    """Writes a mean, with its standard deviation where there is one."""
    if mean is None:
        return NONE
    decimals = 3 if mean <= 1 else 1 if mean < 100 and mean % 1 else 0
    return f"{mean:,.{decimals}f}" + ("" if deviation is None else f" ± {deviation:,.{decimals}f}")


def _seeds(runs: Sequence[dict[str, Any]]) -> str:
    seeds = [str(run["seed"]) for run in runs if run["seed"] is not None]
    return f"{len(runs)} ({', '.join(seeds)})" if seeds else str(len(runs))


def _tests(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the pairs of models, with McNemar's test in words."""
    rows = []
    for test in summary["mcnemar"]:
        one, other = test["models"]
        rows.append(
            {
                "one": one,
                "other": other,
                "only_one": f"{test['only_one_right']:g}",
                "only_other": f"{test['only_other_right']:g}",
                "p": p_text(test["p"]),
                "p_holm": p_text(test["p_holm"]),
                "verdict": "differ" if test["p_holm"] < 0.05 else "no significant difference",
            }
        )
    return rows


def p_text(value: float) -> str:
    """Writes a p-value."""
    return "< 0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _figures(
    arrays: GalaxyArrays, models: Sequence[Model], summary: dict[str, Any]
) -> list[tuple[str, str, Figure]]:
    """Draws the figures: file name, caption, figure."""
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
            "Confusion matrices of the test galaxies: the share of each true class (and the number of "
            "galaxies, over all runs).",
            plot_confusion_matrices(confusions, arrays.classes),
        )
    ]
    if histories:
        figures += [
            (
                "loss",
                "Loss by epoch. Thin lines are runs, thick ones their mean. It includes what a model adds "
                "for its weights, so heights compare only where that is alike.",
                plot_training_curves(histories, "loss"),
            ),
            (
                "accuracy",
                "Accuracy by epoch. That on training galaxies is counted while the weights change, with "
                "dropout and augmentation where the model has them.",
                plot_training_curves(histories, "accuracy", floor),
            ),
        ]
    for place, model in enumerate(models):
        images, captions, wrong = _mistakes(arrays, model)
        if not wrong or not np.ptp(model.runs[0].probabilities, axis=0).any():
            continue  # It makes no mistake, or is as sure of all of them.
        shown = f"the {len(images)} of {wrong} most confident" if wrong > len(images) else f"all {wrong}"
        caption = f"Test galaxies that {model.name} gets wrong, in its first run: {shown}."
        figures.append((f"mistakes_{place}", caption, plot_gallery(images, captions, model.name)))
    return figures


def _mistakes(arrays: GalaxyArrays, model: Model) -> tuple[Any, list[str], int]:
    """Returns images and captions of the first run's most confident mistakes, and their number."""
    run, rows = model.runs[0], arrays.rows("test")
    labels, classes = arrays.labels[rows], arrays.classes
    wrong = np.flatnonzero(run.predicted != labels)
    sureness = run.probabilities[wrong, run.predicted[wrong]]
    chosen = wrong[np.argsort(-sureness, kind="stable")][:GALLERY]
    captions = [
        f"{arrays.catalog['objid'].iloc[rows[place]]}\ntrue {classes[labels[place]]}\n"
        f"predicted {classes[run.predicted[place]]} ({run.probabilities[place, run.predicted[place]]:.2f})"
        for place in chosen
    ]
    return arrays.images[rows[chosen]], captions, len(wrong)
