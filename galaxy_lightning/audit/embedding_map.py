"""A map of galaxies: similar ones, as the model sees them, are close to each other."""

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxy_lightning.evaluation.neighbours import Scale
from galaxy_lightning.runtime.noise import without_tensorflow

MIN_GALAXIES: Final = 10
"""Minimum number of galaxies for UMAP; fewer are placed by their principal components."""
_NEIGHBOURS: Final = 15
"""Number of neighbours of each galaxy, UMAP's default."""


def map_galaxies(features: npt.NDArray[np.float32], seed: int = 0) -> npt.NDArray[np.float32]:
    """Places galaxies on a map by their features, with UMAP (McInnes et al. 2018).

    Distances between groups have no meaning, nor have the axes. The same seed gives the same map.

    Args:
        features: ``[N, features]``.
        seed: The random seed.

    Returns:
        ``[N, 2]``, from 0 to 1.
    """
    number = len(features)
    scaled = Scale.of(features).apply(features) if number else features
    if number < MIN_GALAXIES:
        if number < 2:
            return np.zeros((number, 2), dtype=np.float32)
        directions, lengths, _ = np.linalg.svd(scaled, full_matrices=False)
        components = (directions * lengths)[:, :2]
        return _to_unit_square(np.pad(components, ((0, 0), (0, 2 - components.shape[1]))))
    # UMAP would import TensorFlow, for a network that is not used; the two can crash each other.
    with without_tensorflow(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        umap = UMAP(n_neighbors=min(_NEIGHBOURS, number - 1), random_state=seed, n_jobs=1)
        return _to_unit_square(umap.fit_transform(scaled))


def _to_unit_square(places: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Scales a map to the unit square."""
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    return np.asarray((places - low) / np.where(extent > 1e-5, extent, 1), dtype=np.float32)
