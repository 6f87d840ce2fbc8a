"""The main findings of a report in two sentences: the best model, and what it confuses most."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from galaxy_lightning.evaluation.measures import misclassified
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.tables import SIGNIFICANT, format_p_value


def main_findings(summary: Mapping[str, Any], galaxies: ReportGalaxies) -> list[str]:
    """Returns two sentences: which model is best and by how much, and its most frequent confusion.

    Args:
        summary: The results, with the models in decreasing order of accuracy; see
            :func:`~galaxy_lightning.report.summary.summarise`.
        galaxies: The galaxies.
    """
    return [_best_model(summary, galaxies), _confusion(summary["models"][0], summary["classes"])]


def _best_model(summary: Mapping[str, Any], galaxies: ReportGalaxies) -> str:
    best, *others = summary["models"]
    accuracy = best["mean"]["accuracy"]
    low, high = best["accuracy_interval"]
    interval = "" if low is None else f" (95% confidence interval: {low:.3f} to {high:.3f})"
    share = f"{accuracy:.3f} on {galaxies.describe_number()}"
    if not others:
        return f"{best['name']} reaches an accuracy of {share}{interval}."
    second = others[0]
    lead = accuracy - second["mean"]["accuracy"]
    test = next(test for test in summary["mcnemar"] if test["models"] == [best["name"], second["name"]])
    pairs = len(summary["mcnemar"])
    corrected = f", corrected for {pairs} pairs" if pairs > 1 else ""
    p_value = format_p_value(test["p_holm"])
    p_text = f"p {p_value}" if p_value.startswith("<") else f"p = {p_value}"
    head = f"Of {1 + len(others)} models, {best['name']}"
    if lead == 0:
        return f"{head} and {second['name']} are equally accurate: {share}{interval}."
    verdict = "is" if test["p_holm"] < SIGNIFICANT else "is not"
    return (
        f"{head} is the most accurate, with {share}{interval}; its lead of {lead:.3f} over {second['name']} "
        f"{verdict} significant ({p_text}{corrected})."
    )


def _confusion(model: Mapping[str, Any], classes: list[str]) -> str:
    """Returns the sentence about a model's most frequent confusion, over all of its runs."""
    counts = np.mean([run["confusion"] for run in model["runs"]], axis=0)
    errors = misclassified(counts)
    if not errors.any():
        return f"{model['name']} misclassifies none of them."
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    number, total = errors[true, predicted], int(counts[true].sum())
    mean, text = ("", f"{number:,.0f}") if number % 1 == 0 else ("on average ", f"{number:,.1f}")
    return (
        f"{model['name']} most often classifies {classes[true]} galaxies as {classes[predicted]}: "
        f"{mean}{text} of {total:,}, {number / errors.sum():.0%} of its errors."
    )
