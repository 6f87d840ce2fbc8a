"""Writes the results of an audit with their figures, and describes them in a few lines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from data_prep.arrays.format import id_column
from galaxy_lightning.audit import figures
from galaxy_lightning.audit.label_errors import FLAGGED, QUALITY
from galaxy_lightning.audit.results import Audit, write_audit
from galaxy_lightning.evaluation.verdict import labelled

SHOWN_LABELS = 20
"""Number of likely wrong labels in the figure."""


def write_results(audit: Audit, run: Path, read_image: Callable[[int], npt.NDArray[np.uint8]]) -> Path:
    """Writes an audit and its figures into a run folder; an earlier one is replaced.

    Args:
        audit: The results.
        run: The run folder.
        read_image: Returns the image of a galaxy by its number.

    Returns:
        The folder of the audit.
    """
    return write_audit(audit, run, _draw_figures(audit, read_image))


def likely_wrong(audit: Audit) -> Any:
    """Returns the galaxies whose labels are likely wrong, the least likely label first.

    Args:
        audit: The results.

    Returns:
        Rows of ``audit.galaxies``; none if wrong labels could not be searched.
    """
    table = audit.galaxies
    if QUALITY not in table:
        return table.iloc[:0]
    return table[table[FLAGGED]].sort_values(QUALITY, kind="stable")


def describe_audit(audit: Audit) -> Iterator[str]:
    """Yields the lines that the command prints."""
    summary = audit.summary
    yield f"{summary['model']}: {summary['galaxies']:,} {summary['kind']} galaxies, not seen in training"
    yield labelled("Accuracy", f"{summary['accuracy']:.3f}")
    colour = summary["colour"]
    if "reason" in colour:
        yield labelled("Colour", colour["reason"])
    else:
        changes = colour["changes"]
        yield labelled("Colour", f"reliance {_with_interval(colour['colour_reliance'], colour['interval'])}")
        blue, red = colour["typical_colours"]["blue"], colour["typical_colours"]["red"]
        yield "  the probability that moves to other classes if a galaxy has a typical red"
        yield f"  colour instead of a typical blue one (g - r {red:.2f} instead of {blue:.2f})"
        yield labelled("Grey images", f"accuracy {changes['grey']['accuracy']:.3f}")
    limit = summary["label_limit"]
    if "reason" in limit:
        yield labelled("Label limit", limit["reason"])
    else:
        yield labelled(
            "Label limit", "accuracy " + _with_interval(limit["accuracy_limit"], limit["interval"])
        )
        yield "  an estimate; no model can be expected to exceed it. If the volunteers voted"
        yield f"  again, {limit['repeated']:.1%} of the labels would stay the same"
    wrong = summary["wrong_labels"]
    text = wrong.get("reason") or f"{wrong['flagged']:,} of the labels are likely wrong"
    yield labelled("Labels", text)


def _draw_figures(audit: Audit, read_image: Callable[[int], npt.NDArray[np.uint8]]) -> dict[str, Figure]:
    """Draws the figures of an audit, by name."""
    found, summary, classes = {}, audit.summary, audit.summary["classes"]
    title = f"{summary['model']}, {summary['galaxies']:,} {summary['kind']} galaxies"
    if "changes" in (colour := summary["colour"]):
        shown = f"{title}\ncolour reliance {_with_interval(colour['colour_reliance'], colour['interval'])}"
        found[figures.COLOUR_RESPONSE] = figures.plot_colour_response(colour, classes, shown)
    if len(audit.recall):
        shown = f"{title}: recall with 95% intervals"
        found[figures.RECALL_CURVES] = figures.plot_recall_curves(audit.recall, classes, shown)
    mapped = audit.galaxies.dropna(subset=["map_x", "map_y"])
    if len(mapped):
        # The networks of a cross-validation have features of their own: the map shows those of one.
        part = "" if len(mapped) == len(audit.galaxies) else f"\n{len(mapped):,} galaxies of one network"
        shown = f"{title}: similar galaxies are close (UMAP){part}"
        found[figures.MAP] = figures.plot_map(mapped, classes, shown)
    wrong = likely_wrong(audit).head(SHOWN_LABELS)
    if len(wrong):
        names = wrong[id_column(wrong)].astype(str).tolist()
        images = [read_image(int(number)) for number in wrong.index]
        shown = f"{title}: labels that are most likely wrong, with their probability, and suggestions"
        found[figures.WRONG_LABELS] = figures.plot_wrong_labels(wrong, images, names, shown)
    return found


def _with_interval(value: float | None, interval: Any) -> str:
    if value is None:
        return "not defined"
    if interval[0] is None:
        return f"{value:.3f}"
    return f"{value:.3f} (95% interval: {interval[0]:.3f} to {interval[1]:.3f})"
