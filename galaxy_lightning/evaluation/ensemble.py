"""Combines the probabilities of several networks, and calibrates them together."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxy_lightning.evaluation.calibration import Calibration, calibrate
from galaxy_lightning.runs.names import IMAGE_KEYS
from galaxy_lightning.runs.predictions import predicted_classes

_SMALLEST: Final = 1e-12
"""Lower limit of a probability, so that its logarithm is finite."""


class Combined(NamedTuple):
    """The outputs of an ensemble for ``N`` galaxies.

    Attributes:
        probabilities: ``[N, classes]``.
        spread: ``[N, classes]`` standard deviation over the networks; NaN with one network.
        networks: ``[N]`` number of networks used.
        novelty: ``[N]`` mean over these, as far as known; NaN where unknown.
    """

    probabilities: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    networks: npt.NDArray[np.int64]
    novelty: npt.NDArray[np.float64]


def combine(
    probabilities: npt.NDArray[np.floating],
    seen: npt.NDArray[np.bool_],
    temperature: float = 1.0,
    novelty: npt.NDArray[np.float64] | None = None,
) -> Combined:
    """Combines the outputs of ``M`` networks.

    Each galaxy is classified by the networks that have not seen it in training; if all have, by all.

    Args:
        probabilities: ``[M, N, classes]``, calibrated for each network.
        seen: ``[M, N]`` whether each network has seen the galaxy.
        temperature: Divisor of the logarithm of the mean probabilities, where there are several networks.
        novelty: ``[M, N]`` novelty to each network; NaN where unknown.
    """
    used = ~seen | seen.all(axis=0)
    networks = used.sum(axis=0)
    weights = (used / networks)[..., None]
    values = probabilities.astype(np.float64)
    mean = (weights * values).sum(axis=0)
    squares = (used[..., None] * (values - mean) ** 2).sum(axis=0)
    degrees = np.where(networks > 1, networks - 1, np.nan)[:, None]
    if temperature != 1:
        sharpened = np.maximum(mean, _SMALLEST) ** (1 / temperature)
        sharpened /= sharpened.sum(axis=1, keepdims=True)
        mean = np.where(networks[:, None] > 1, sharpened, mean)
    rated = np.full(len(networks), np.nan)
    if novelty is not None:
        known = used & ~np.isnan(novelty)
        numbers = known.sum(axis=0)
        np.divide(np.where(known, novelty, 0).sum(axis=0), numbers, out=rated, where=numbers > 0)
    return Combined(mean, np.sqrt(squares / degrees), networks, rated)


def calibrate_together(
    tables: Sequence[pd.DataFrame], classes: Sequence[str], target_accuracy: float
) -> Calibration:
    """Calibrates an ensemble on galaxies that its networks were not trained on.

    The mean of calibrated probabilities need not be calibrated (Rahaman & Thiery 2021, NeurIPS, "Uncertainty
    quantification and deep ensembles"); a temperature of the mean corrects this.

    Networks with the same split are calibrated on its validation galaxies. In a cross-validation, each galaxy
    is classified by the networks for which it is a validation or test galaxy.

    Args:
        tables: The predictions of each run for its validation and test galaxies, as in ``predictions.csv``.
        classes: The class names, in order.
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.

    Returns:
        The calibration, which is not fitted if no galaxy can be used.
    """
    splits = [table.set_index(IMAGE_KEYS)["split"].sort_index() for table in tables]
    if all(split.equals(splits[0]) for split in splits):
        tables = [table[table["split"] == "val"] for table in tables]
    galaxies = pd.concat([table.set_index(IMAGE_KEYS)["label"] for table in tables])
    galaxies = galaxies[~galaxies.index.duplicated()]
    if not len(galaxies):
        return Calibration(target_accuracy=target_accuracy)
    probabilities = np.zeros((len(tables), len(galaxies), len(classes)))
    missing = np.ones(probabilities.shape[:2], dtype=bool)
    for number, table in enumerate(tables):
        rows = galaxies.index.get_indexer(pd.MultiIndex.from_frame(table[IMAGE_KEYS]))
        probabilities[number, rows] = predicted_classes(table, classes)[0]
        missing[number, rows] = False
    mean = combine(probabilities, missing).probabilities
    labels = pd.Index(classes).get_indexer(pd.Index(galaxies)).astype(np.int64)
    return calibrate(np.log(np.maximum(mean, _SMALLEST)), labels, target_accuracy)
