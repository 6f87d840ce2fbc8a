"""How unlike its training galaxies a galaxy is to a model.

A classifier has a probability for each class whatever it is shown. The distance of a galaxy to the nearest
training galaxies in the space of the model's features tells whether it has seen anything alike (Sun et al.
2022, ICML, "Out-of-distribution detection with deep nearest neighbors"). The features are whitened, so that
each component counts alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxy_lightning.evaluation.neighbours import CONSTANT, Features, nearest_points

NOVELTY: Final = "novelty"
"""The column of :meth:`Novelty.percentiles`."""
NEIGHBOURS: Final = 5
"""Number of nearest training galaxies; the distance is that to the last of them."""
MAX_GALAXIES: Final = 2_000
"""Maximum number of training galaxies to compare with, and of held-out galaxies."""
GALAXIES_PER_COMPONENT: Final = 8
"""Number of training galaxies for each component of their features."""
_QUANTILES: Final = 1_001
_SMALLEST: Final = 1e-6
"""Smallest standard deviation of a component, and smallest typical distance."""


@dataclass(frozen=True)
class FeatureSpace:
    """The features of the training galaxies, as uncorrelated components of variance 1.

    Attributes:
        mean: ``[features]``, that of the training galaxies.
        axes: ``[features, components]``, which map features minus ``mean`` to components.
        training: ``[M, components]`` of the training galaxies.
        typical: Median distance of a training galaxy to the others, the unit of :meth:`distances`.
    """

    mean: Features
    axes: Features
    training: Features
    typical: float

    @classmethod
    def learn(cls, features: Features) -> "FeatureSpace":
        """Makes the space of training galaxies.

        It keeps the principal components with the largest variances, one for every ``GALAXIES_PER_COMPONENT``
        galaxies: fewer galaxies do not determine the others.

        Args:
            features: ``[M, features]``.
        """
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        scales = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > CONSTANT)
        _, lengths, directions = np.linalg.svd((features - mean) * scales, full_matrices=False)
        deviations = lengths / np.sqrt(len(features))
        kept = (deviations > _SMALLEST) & (
            np.arange(len(deviations)) * GALAXIES_PER_COMPONENT < len(features)
        )
        axes = (scales[:, None] * directions[kept].T / deviations[kept]).astype(np.float32)
        training = np.asarray((features - mean) @ axes, dtype=np.float32)
        # Each galaxy is its own nearest neighbour, at distance 0.
        typical = float(np.median(nearest_points(training, training, NEIGHBOURS + 1)[1][:, -1]))
        return cls(mean, axes, training, max(typical, _SMALLEST))

    def distances(self, features: Features) -> npt.NDArray[np.float64]:
        """Returns ``[N]`` distances to the training galaxies, in units of the typical one.

        Args:
            features: ``[N, features]``. Those that are not finite give an infinite distance.
        """
        finite = np.isfinite(features).all(axis=1)
        distances = np.full(len(features), np.inf)
        components: Features = ((features[finite] - self.mean) @ self.axes).astype(np.float32)
        distances[finite] = nearest_points(components, self.training, NEIGHBOURS)[1][:, -1]
        return distances / self.typical


@dataclass(frozen=True)
class Novelty:
    """Rates how unlike its training galaxies a galaxy is.

    Attributes:
        space: The features of the training galaxies.
        expected: Quantiles of the distances of galaxies of the same kind that were left out of the training.
        zooms: Number of zooms over which the features are averaged.
    """

    space: FeatureSpace
    expected: npt.NDArray[np.float64]
    zooms: int

    @classmethod
    def learn(cls, space: FeatureSpace, left_out: npt.NDArray[np.float64], zooms: int) -> "Novelty":
        """Makes the rating.

        Args:
            space: The features of the training galaxies.
            left_out: ``[N]`` distances of left-out galaxies, possibly to those of other models.
            zooms: Number of zooms over which the features are averaged.
        """
        return cls(space, np.quantile(left_out, np.linspace(0, 1, _QUANTILES)), zooms)

    def percentiles(self, features: Features) -> npt.NDArray[np.float64]:
        """Returns ``[N]`` percentages of left-out galaxies that are closer to the training galaxies.

        Args:
            features: ``[N, features]``, unscaled.

        Returns:
            From 0 to 100; uniformly distributed for galaxies like those of the training.
        """
        quantiles = np.linspace(0, 100, len(self.expected))
        return np.asarray(np.interp(self.space.distances(features), self.expected, quantiles))

    def state(self) -> dict[str, Any]:
        """Returns the rating as a dictionary of arrays and numbers."""
        space = self.space
        return {
            "mean": space.mean,
            "axes": space.axes,
            # Half precision changes distances by less than a thousandth.
            "training": space.training.astype(np.float16),
            "typical": space.typical,
            "expected": self.expected,
            "zooms": self.zooms,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Novelty":
        """Makes a rating from the output of :meth:`state`.

        Raises:
            ValueError: The arrays do not fit together.
        """
        mean, axes, training = (
            np.asarray(state[name], dtype=np.float32) for name in ("mean", "axes", "training")
        )
        expected = np.asarray(state["expected"], dtype=np.float64)
        typical, zooms = float(state["typical"]), int(state["zooms"])
        if not (
            (mean.ndim, axes.ndim, training.ndim, expected.ndim) == (1, 2, 2, 1)
            and (len(mean), axes.shape[1]) == (len(axes), training.shape[1])
            and min(len(training), len(expected) - 1, zooms) > 0
            and typical > 0
        ):
            raise ValueError("its novelty has arrays that do not fit together")
        return cls(FeatureSpace(mean, axes, training, typical), expected, zooms)
