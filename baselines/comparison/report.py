"""Writes the report of a comparison: tables and figures as a single HTML page, and as Markdown."""

import base64
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import jinja2

from baselines.comparison.report_figures import draw_figures
from baselines.comparison.summary import Model
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.files import new_files
from data_prep.common.json_files import json_text
from data_prep.common.text_layout import escape_markdown
from galaxy_lightning.evaluation.confusion_figures import MAX_WITH_TEXTS
from galaxy_lightning.evaluation.measures import OVERALL_METRICS, metric_title

HTML: Final = "report.html"
_NUMBERED: Final = re.compile(r"(confusion|misclassified)(_\d+)?")
"""Names of the figures whose number depends on the models."""
MARKDOWN: Final = "report.md"
METRICS: Final = "metrics.json"
FIGURES: Final = "figures"
MAX_IN_ONE_TABLE: Final = 6
"""Maximum number of classes whose results are in the same table as the overall ones."""
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
    for name, caption, figure in draw_figures(arrays, models, summary):
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
        "classes": _classes_table(summary),
        "rows": _results_table(summary),
        "class_rows": _class_rows(summary) if len(arrays.classes) > MAX_IN_ONE_TABLE else [],
        "settings": _settings_table(summary),
        "tests": _tests_table(summary),
        "figures": figures,
        "large": len(arrays.classes) > MAX_WITH_TEXTS,  # Scaled to the page, the names would be illegible.
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
    existing = (path for path in (out / FIGURES).glob("*.png") if _NUMBERED.fullmatch(path.stem))
    obsolete = [path for path in existing if path not in files]
    with new_files(out / METRICS, *files, *obsolete) as (metrics, *partials):
        metrics.write_text(json_text(summary), encoding="utf-8")
        for partial, content_bytes in zip(partials, files.values(), strict=False):
            partial.write_bytes(content_bytes)


def _describe_labels(dataset: Mapping[str, Any]) -> str:
    """Returns a description of the label rule."""
    if dataset.get("label_description"):
        return str(dataset["label_description"])
    rule, threshold = dataset.get("label_rule"), dataset.get("threshold")
    if rule == "threshold":
        return f"debiased vote fraction of at least {threshold}"
    return "Galaxy Zoo 1 flags" if rule == "flags" else f"label rule {rule}"


def _escape_cell(text: str) -> str:
    """Escapes text for a cell of a Markdown table; on GitHub, dollar signs would start a formula."""
    return re.sub(r"[|$~]", r"\\\g<0>", escape_markdown(text)).replace("\n", " ")


def _classes_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the classes: name, description and number of test galaxies."""
    descriptions = summary["class_descriptions"]
    return [
        {"name": name, "description": descriptions.get(name, ""), "galaxies": f"{galaxies:,}"}
        for name, galaxies in summary["test_galaxies"].items()
    ]


def _results_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the results: the measure, and a cell for each model."""
    rows = [_row(summary, name, metric_title(name)) for name in OVERALL_METRICS]
    intervals = [model["accuracy_interval"] for model in summary["models"]]
    cells = [MISSING if low is None else f"{low:.3f} to {high:.3f}" for low, high in intervals]
    place = list(OVERALL_METRICS).index("accuracy") + 1
    rows.insert(place, {"title": "accuracy, 95% confidence interval", "cells": cells})
    if len(summary["classes"]) <= MAX_IN_ONE_TABLE:
        rows += _class_rows(summary)
    rows.append(_row(summary, "calibration_error", "expected calibration error"))
    rows += [_row(summary, name, title) for name, title in _COSTS]
    devices = [
        ", ".join(sorted({str(run["device"] or MISSING) for run in m["runs"]})) for m in summary["models"]
    ]
    rows.append({"title": "device", "cells": devices})
    runs = [_format_seeds(model["runs"]) for model in summary["models"]]
    rows.append({"title": "runs (seeds)", "cells": runs})
    return rows


def _class_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows with the recall and the precision of each class."""
    return [
        _row(summary, f"{metric}_{name}", f"{metric}, {name}")
        for metric in ("recall", "precision")
        for name in summary["classes"]
    ]


def _row(summary: dict[str, Any], key: str, title: str) -> dict[str, Any]:
    """Returns the row of a measure, with a cell for each model."""
    cells = [
        _format_mean(model["mean"][key], None if key == "parameters" else model["sd"][key])
        for model in summary["models"]
    ]
    return {"title": title, "cells": cells}


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
