"""Writes the files of a report: the page, Markdown, the results as JSON, and figures."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_prep.common.files import new_file, new_files
from data_prep.common.json_files import json_text
from galaxy_lightning.evaluation.confusion_figures import (
    MAX_SIDE_BY_SIDE,
    plot_confusion_matrices,
    plot_confusion_matrix,
)
from galaxy_lightning.evaluation.figure_files import FORMATS
from galaxy_lightning.report.charts import Chart, draw_charts
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.html import render_page
from galaxy_lightning.report.templates import render_template
from galaxy_lightning.runs.names import FIGURES, METRICS, PAGE

MARKDOWN: Final = "report.md"
_OBSOLETE: Final = re.compile(
    r"(confusion|misclassified|colour|recall)(_\d+)?|loss|accuracy|reliability|coverage"
)
"""Names of figures that a report, also one of an earlier version, may have."""


def write_page(path: Path, report: Report) -> None:
    """Writes the page alone.

    Args:
        path: The file to write.
        report: The content.
    """
    page = render_page(report, draw_charts(report))
    with new_file(path) as partial:
        # Bytes of paths that are not valid UTF-8 are escaped.
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")


def write_report(out: Path, report: Report) -> None:
    """Writes ``report.html``, ``report.md``, ``metrics.json`` and the figures as PNG and PDF.

    Files of an existing report are removed first, so that they never lie beside those of the new one.

    Args:
        out: The folder of the report.
        report: The content.
    """
    charts = draw_charts(report)
    audits = [chart for each in charts.audits.values() for chart in each]
    figures = [*_confusion_charts(report.summary), *charts.confidence, *charts.training, *audits]
    files = {
        out / PAGE: render_page(report, charts).encode(errors="backslashreplace"),
        out / MARKDOWN: _render_markdown(report, figures).encode(errors="backslashreplace"),
    }
    for chart in figures:
        for suffix in FORMATS:
            files[out / FIGURES / f"{chart.name}.{suffix}"] = _saved(chart, suffix)
    existing = (path for path in (out / FIGURES).glob("*.p[nd][gf]") if _OBSOLETE.fullmatch(path.stem))
    obsolete = [path for path in existing if path not in files]
    with new_files(out / METRICS, *files, *obsolete) as (metrics, *partials):
        metrics.write_text(json_text(report.summary), encoding="utf-8")
        for partial, content in zip(partials, files.values(), strict=False):
            partial.write_bytes(content)


def _confusion_charts(summary: Mapping[str, Any]) -> Iterator[Chart]:
    """Yields the confusion matrices of all models, in one figure if they are small enough."""
    classes = summary["classes"]
    counts = {
        model["name"]: np.sum([run["confusion"] for run in model["runs"]], axis=0)
        for model in summary["models"]
    }
    if len(classes) <= MAX_SIDE_BY_SIDE:
        meanings = [f"{name}: {text}" for name, text in summary["class_descriptions"].items()]
        yield Chart(
            "confusion",
            "Confusion matrices: share of the true class, and number of galaxies, over all runs."
            + (f" Classes: {'; '.join(meanings)}." if meanings else ""),
            plot_confusion_matrices(counts, classes),
        )
        return
    for number, (name, matrix) in enumerate(counts.items()):
        caption = f"Confusion matrix of {name}: share of the true class, over all runs."
        yield Chart(f"confusion_{number}", caption, plot_confusion_matrix(matrix, classes, name))


def _saved(chart: Chart, suffix: str) -> bytes:
    """Returns the content of a figure's file."""
    stream = io.BytesIO()
    chart.figure.savefig(stream, format=suffix, **FORMATS[suffix])
    return stream.getvalue()


def _render_markdown(report: Report, figures: Sequence[Chart]) -> str:
    """Returns the report as Markdown."""
    content = report.texts | {
        "models": [model.name for model in report.models],
        "figures": [{"path": f"{FIGURES}/{chart.name}.png", "caption": chart.caption} for chart in figures],
        "today": date.today().isoformat(),
    }
    return render_template("report.md.jinja", content)
