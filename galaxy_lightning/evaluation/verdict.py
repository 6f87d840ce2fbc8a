"""The closing lines of a command that has measured a model: accuracy, confusions, calibration."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from data_prep.common.text_layout import align_left, display_width, shorten_names
from galaxy_lightning.evaluation.class_table import MAX_WIDTH
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.measures import OVERALL_METRICS, accuracy, metric_title, misclassified
from galaxy_lightning.runs.names import CONFUSION_CSV, EVALUATION_FIGURES

_CONFUSIONS: Final = 3
"""Maximum number of confusions that are listed."""
_LABEL: Final = 14
"""Width of the label of a line."""
_ARROW: Final = " -> "


def verdict(held_out: HeldOutPredictions) -> Iterator[str]:
    """Yields lines with the accuracy and its interval, the most frequent confusions, and the calibration.

    Args:
        held_out: The predictions; without galaxies, there are no lines.
    """
    if not len(held_out.labels):
        return
    counts = held_out.counts
    yield labelled("Accuracy", f"{accuracy(counts):.3f} ({_interval(held_out)})")
    means = {name: metric(counts) for name, metric in OVERALL_METRICS.items() if name != "accuracy"}
    texts = (f"{metric_title(name.removeprefix('macro_'))} {value:.3f}" for name, value in means.items())
    yield labelled("Macro means", ", ".join(texts))
    confusions = list(_confusions(held_out)) or ["none"]
    for number, text in enumerate(confusions):
        yield labelled("" if number else "Confused", text)
    yield labelled("Calibration", f"error {held_out.calibration_metrics['calibration_error']:.3f}")
    yield labelled("Confident", _confident(held_out))


def labelled(label: str, text: str) -> str:
    """Returns a line with a label; the texts of consecutive lines are aligned.

    Args:
        label: The label, without a colon; empty in a line that continues the one above.
        text: The text.
    """
    return align_left(f"{label}:" if label else "", _LABEL) + text


def list_results(folder: Path, *tables: str) -> Iterator[str]:
    """Yields where the results of an evaluation are saved: the folder, its tables and its pictures.

    Args:
        folder: The folder.
        tables: The names of the tables in it, besides the confusion matrix.
    """
    yield labelled("Saved to", str(folder))
    yield from _wrapped("Tables", [*tables, CONFUSION_CSV])
    yield from _wrapped("Pictures", [*EVALUATION_FIGURES[:-1], f"{EVALUATION_FIGURES[-1]} (PNG and PDF)"])


def _wrapped(label: str, words: Sequence[str]) -> Iterator[str]:
    """Yields lines with a label and a list of words."""
    lines = textwrap.wrap(", ".join(words), MAX_WIDTH - _LABEL, break_long_words=False)
    yield from (labelled("" if number else label, line) for number, line in enumerate(lines))


def _interval(held_out: HeldOutPredictions) -> str:
    """Returns the interval of the accuracy as text, or why there is none."""
    low, high = held_out.accuracy_interval
    if not np.isnan(low):
        return f"95% interval: {low:.3f} to {high:.3f}"
    if len(held_out.labels) == 1:
        return "one galaxy, so without an interval"
    correct = held_out.correct
    equal = (
        "all correct" if correct.all() else "none correct" if not correct.any() else "images of one galaxy"
    )
    return f"{equal}, so without an interval"


def _confusions(held_out: HeldOutPredictions) -> Iterator[str]:
    """Yields the most frequent confusions of a true class with a predicted one."""
    counts = held_out.counts
    galaxies = counts.sum(axis=1)
    errors = misclassified(counts)
    order = np.argsort(-errors, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(cell), len(counts)) for cell in order if errors.flat[cell]]
    numbers = [f"  {errors[true, other]:,} of {galaxies[true]:,}" for true, other in pairs]
    space = MAX_WIDTH - _LABEL - len(_ARROW) - max(map(len, numbers), default=0)
    names = shorten_names(held_out.classes, space // 2)
    texts = [f"{names[true]}{_ARROW}{names[other]}" for true, other in pairs]
    width = max(map(display_width, texts), default=0)
    for text, number in zip(texts, numbers, strict=True):
        yield align_left(text, width) + number


def _confident(held_out: HeldOutPredictions) -> str:
    """Returns how many galaxies are not flagged as uncertain, and their accuracy."""
    metrics, target = held_out.calibration_metrics, f"{100 * held_out.target_accuracy:.3g}%"
    if "accuracy_covered" in metrics:
        return (
            f"{metrics['coverage']:.0%} of the galaxies; accuracy on these: "
            f"{metrics['accuracy_covered']:.1%} (target: {target})"
        )
    if "coverage" in metrics:
        return f"none; all are flagged as uncertain (target accuracy: {target})"
    return "unknown: not calibrated, so none is flagged as uncertain"
