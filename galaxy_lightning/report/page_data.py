"""The data of a report's page: every galaxy with its labels, probabilities, votes and image."""

import base64
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import Model

MAX_GALAXIES: Final = 10_000
"""Maximum number of galaxies that a page lists."""
PROBABILITY_STEPS: Final = 10_000
"""Probabilities are rounded to multiples of 1 / PROBABILITY_STEPS."""


def choose_galaxies(galaxies: ReportGalaxies, models: Sequence[Model]) -> npt.NDArray[np.int64]:
    """Returns the numbers of the galaxies that the page lists, in increasing order.

    These are all, or, of more than ``MAX_GALAXIES``, half the galaxies that a model misclassifies with the
    highest probability, and half a random sample of all others.

    Args:
        galaxies: The galaxies.
        models: The models.
    """
    number, labels = len(galaxies.labels), galaxies.labels
    if number <= MAX_GALAXIES:
        return np.arange(number)
    errors = np.zeros(number)
    for model in models:
        run = model.runs[0]
        errors = np.maximum(errors, run.probabilities.max(axis=1) * (run.predicted != labels))
    surest = np.argsort(-errors, kind="stable")[: MAX_GALAXIES // 2]
    surest = surest[errors[surest] > 0]
    others = np.setdiff1d(np.arange(number), surest)
    sample = np.random.default_rng(0).choice(others, MAX_GALAXIES - len(surest), replace=False)
    return np.sort(np.concatenate([surest, sample]))


def page_data(
    galaxies: ReportGalaxies, models: Sequence[Model], listed: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Returns what the page's script needs to know, as JSON types.

    Args:
        galaxies: The galaxies.
        models: The models.
        listed: The numbers of the galaxies that the page lists.

    Returns:
        ``probabilities`` holds uint16 ``[models, galaxies, classes]`` as base64, in little-endian order.
    """
    labels = galaxies.labels
    probabilities = np.stack([model.runs[0].probabilities[listed] for model in models])
    positions, votes = galaxies.positions(), galaxies.votes().iloc[listed]
    ids, objids = np.array(galaxies.ids)[listed].tolist(), galaxies.objids[listed].astype(str).tolist()
    return {
        "classes": galaxies.classes,
        "models": [
            {
                "name": model.name,
                "runs": len(model.runs),
                "right": model.correct(labels)[:, listed].sum(axis=0).tolist(),
                "predicted": model.runs[0].predicted[listed].tolist(),
            }
            for model in models
        ],
        "labels": labels[listed].tolist(),
        "ids": ids,
        "objids": None if objids == ids else objids,
        "positions": None if positions is None else _rounded(positions.iloc[listed]),
        "votes": {str(name): _rounded(votes[[name]])[0] for name in votes},
        "steps": PROBABILITY_STEPS,
        "probabilities": _encode(probabilities),
    }


def to_base64(values: npt.NDArray[Any]) -> str:
    """Returns the bytes of an array as base64."""
    return base64.b64encode(values.tobytes()).decode("ascii")


def _encode(probabilities: npt.NDArray[np.float64]) -> str:
    """Returns probabilities as base64."""
    return to_base64(np.round(probabilities.clip(0, 1) * PROBABILITY_STEPS).astype("<u2"))


def _rounded(table: pd.DataFrame) -> list[list[float | None]]:
    """Returns the columns of a table with five decimals; a missing number is None."""
    columns = (table[name].to_numpy(dtype=np.float64).round(5).tolist() for name in table)
    return [[value if math.isfinite(value) else None for value in column] for column in columns]
