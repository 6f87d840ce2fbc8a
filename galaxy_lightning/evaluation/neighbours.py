"""The nearest galaxies in a space of features."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]

CONSTANT: Final = 1e-6
"""Standard deviation below which a feature counts as constant."""
_BLOCK: Final = 16_384
"""Number of galaxies that are standardised at a time."""
_LARGEST: Final = 2**24
"""Number of distances in memory at a time."""


class Scale(NamedTuple):
    """The scale of features.

    Attributes:
        mean: float32 ``[features]``.
        deviation: float32 ``[features]`` standard deviations; infinite for constant features.
    """

    mean: Features
    deviation: Features

    @classmethod
    def of(cls, features: Features) -> "Scale":
        """Returns the scale of features ``[N, features]``; sums are in double precision, without a copy."""
        blocks = _blocks(features)
        mean = np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks], axis=0) / len(features)
        squares = np.sum([np.square(block - mean).sum(axis=0) for block in blocks], axis=0)
        deviation = np.sqrt(squares / len(features))
        deviation = np.where(deviation > CONSTANT, deviation, np.inf)
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def apply(self, features: Features) -> Features:
        """Returns ``[N, features]``, standardised; constant features become 0."""
        return np.asarray((features - self.mean) / self.deviation, dtype=np.float32)

    def apply_in_place(self, features: Features) -> None:
        """Standardises ``[N, features]`` without a copy."""
        for block in _blocks(features):
            block[:] = self.apply(block)


def nearest_points(
    points: Features, others: Features, number: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Finds the nearest ones of other points by brute force, which copies none of them.

    Args:
        points: ``[N, dimensions]``, finite.
        others: ``[M, dimensions]``, finite; at least one.
        number: Number of points to find.

    Returns:
        ``[N, number]`` positions among the others, the nearest first, and their Euclidean distances. There
        are fewer if there are fewer others.
    """
    number = min(number, len(others))
    rows = np.empty((len(points), number), dtype=np.int64)
    distances = np.empty((len(points), number))
    squares = np.einsum("ij,ij->i", others, others)
    step = max(1, _LARGEST // max(len(others), number * others.shape[1]))
    for start in range(0, len(points), step):
        block = points[start : start + step]
        # The squared distances, less a constant for each point. The product is far faster than differences,
        # but not exact.
        order = squares - (2 * block) @ others.T
        nearest = np.sort(np.argpartition(order, number - 1, axis=1)[:, :number], axis=1)
        exact = np.linalg.norm(block[:, None] - others[nearest], axis=2)
        by_distance = exact.argsort(axis=1, kind="stable")
        rows[start : start + step] = np.take_along_axis(nearest, by_distance, axis=1)
        distances[start : start + step] = np.take_along_axis(exact, by_distance, axis=1)
    return rows, distances


def _blocks(features: Features) -> list[Features]:
    return [features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK)]
