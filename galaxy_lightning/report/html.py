"""Renders a report as one self-contained page to browse."""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from galaxy_lightning.audit.figures import MAX_CLASSES, class_colours
from galaxy_lightning.evaluation.measures import MAX_WITH_COUNTS, SHOWN_FRACTION, row_fractions
from galaxy_lightning.report.audit_data import audit_data
from galaxy_lightning.report.charts import Chart, Charts, class_variables
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.page_data import choose_galaxies, page_data
from galaxy_lightning.report.tables import MISSING
from galaxy_lightning.report.templates import render_template, script_hash, script_json
from galaxy_lightning.report.thumbnails import encode_thumbnails

MAX_TRAINING: Final = 5000
"""Maximum number of training galaxies whose images a page holds."""
TRAINING_BYTES: Final = 2_000_000
"""Limit on their encoded images in bytes."""


def render_page(report: Report, charts: Charts) -> str:
    """Returns the page, which makes no request to anywhere.

    Args:
        report: The content.
        charts: Its figures.
    """
    galaxies, models, colours = report.galaxies, report.models, report.colours
    assets = files("galaxy_lightning.report.page")
    style, script = (assets.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    listed = choose_galaxies(galaxies, models)
    of_models = {colour: f"var(--model-{number})" for number, colour in enumerate(colours.values())}
    audit, training = audit_data(report.audits, galaxies, listed)
    matrices = [
        _matrix(number, model, galaxies.classes) for number, model in enumerate(report.summary["models"])
    ]
    content = (
        report.texts
        | {
            "script_hash": script_hash(script),
            "style": Markup(style),  # noqa: S704 - a file of this package.
            "script": Markup(script),  # noqa: S704
            "models": [
                {"number": number, "name": name, "colour": colour}
                for number, (name, colour) in enumerate(colours.items())
            ],
            "matrices": matrices,
            "class_colours": list(class_colours(galaxies.classes).values())[:MAX_CLASSES],
            "charts": [_figure(chart, of_models) for chart in charts.confidence],
            "curves": [_figure(chart, of_models) for chart in charts.training],
            "cross_validated": bool(models[0].number_of_folds),
            "audits": [
                {
                    "number": number,
                    "name": models[number].name,
                    "charts": [_figure(chart, class_variables(galaxies.classes)) for chart in each],
                }
                for number, each in charts.audits.items()
            ],
            "listed": _describe_listed(galaxies, listed),
            "today": date.today().isoformat(),
            "version": version("galaxy-lightning"),
            "data": script_json(page_data(galaxies, models, listed) | {"audit": audit}),
            "images": _images(galaxies, listed),
            "training_images": _training_images(galaxies, training),
        }
    )
    return render_template("page.html.jinja", content)


def _describe_listed(galaxies: ReportGalaxies, listed: npt.NDArray[np.int64]) -> str:
    """Returns which galaxies the page lists, if not all."""
    if len(listed) == len(galaxies.labels):
        return ""
    return (
        f"The page lists {len(listed):,} of {galaxies.describe_number()}, to remain small: those that a "
        "model misclassifies with the highest confidence, and a random sample of the others. The tables "
        "and figures above are of all galaxies."
    )


def _matrix(number: int, model: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Returns the rows of a model's confusion matrix, over all runs."""
    counts = np.sum([run["confusion"] for run in model["runs"]], axis=0)
    shares = row_fractions(counts)
    is_large = len(classes) > MAX_WITH_COUNTS
    rows = []
    for truth, label in enumerate(classes):
        cells = []
        for predicted, share in enumerate(shares[truth]):
            text = f"{share:.2f}" if not is_large or share >= SHOWN_FRACTION else ""
            title = f"{counts[truth, predicted]:,} {label} galaxies classified as {classes[predicted]}"
            cells.append(
                {
                    "share": f"{share:.3g}",
                    "text": text if counts[truth].sum() else MISSING,
                    "count": f"{counts[truth, predicted]:,}" if counts[truth, predicted] else "",
                    "title": title if text else "",
                }
            )
        name = f"{truth + 1} {label}" if is_large else label
        rows.append({"number": truth, "name": name, "cells": cells})
    columns = [
        {"name": label, "text": str(column + 1) if is_large else label}
        for column, label in enumerate(classes)
    ]
    return {
        "number": number,
        "name": model["name"],
        "columns": columns,
        "rows": rows,
        "numbered": is_large,
        "clickable": not is_large,
    }


def _figure(chart: Chart, variables: Mapping[str, str]) -> dict[str, Any]:
    """Returns a figure of the page."""
    return {"svg": Markup(chart.svg(variables)), "caption": chart.caption}  # noqa: S704 - matplotlib escapes texts.


def _images(galaxies: ReportGalaxies, listed: npt.NDArray[np.int64]) -> Markup:
    """Returns the images of the galaxies, one per line; empty without galaxy arrays."""
    if galaxies.arrays is None or galaxies.rows is None:
        return Markup()
    encoded = encode_thumbnails(galaxies.arrays.images, galaxies.rows[listed])
    return Markup("\n".join(encoded))  # noqa: S704 - base64.


def _training_images(galaxies: ReportGalaxies, rows: npt.NDArray[np.int64]) -> Markup:
    """Returns small images of the first training galaxies, one per line; a missing one is a hyphen."""
    if galaxies.arrays is None or not len(rows):
        return Markup()
    found = np.flatnonzero(rows >= 0)[:MAX_TRAINING]
    encoded = ["-"] * len(rows)
    images = encode_thumbnails(galaxies.arrays.images, rows[found], TRAINING_BYTES)
    left = TRAINING_BYTES * 4 // 3  # The size as text; even the smallest images may be too large.
    for number, image in zip(found.tolist(), images, strict=True):
        left -= len(image)
        if left < 0:
            break
        encoded[number] = image
    return Markup("\n".join(encoded))  # noqa: S704 - base64.
