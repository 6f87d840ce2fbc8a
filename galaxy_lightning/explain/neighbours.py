"""The training galaxies that a model sees as most similar to a galaxy."""

from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from galaxy_lightning.evaluation.neighbours import Scale, nearest_points
from galaxy_lightning.training.novelty import sample_rows

MAX_TRAINING: Final = 20_000
"""Maximum number of training galaxies among which the most similar ones are searched."""


def training_rows(arrays: GalaxyArrays) -> npt.NDArray[np.int64]:
    """Returns the rows of the training galaxies: all, or a random sample of ``MAX_TRAINING``.

    Args:
        arrays: The galaxy arrays.
    """
    return sample_rows(arrays, "train", MAX_TRAINING)


def nearest_rows(
    features: npt.NDArray[np.float32], training: npt.NDArray[np.float32], number: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Finds the most similar training galaxies, by the distance of their features.

    Each feature is divided by its standard deviation in the training galaxies.

    Args:
        features: ``[N, features]``.
        training: ``[M, features]`` of the training galaxies.
        number: Number of training galaxies to find.

    Returns:
        ``[N, number]`` positions among the training galaxies, the most similar first, and their distances.
        There are fewer if there are fewer training galaxies.
    """
    scale = Scale.of(training)
    return nearest_points(scale.apply(features), scale.apply(training), number)
