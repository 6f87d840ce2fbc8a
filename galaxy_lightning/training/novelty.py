"""Learns from galaxy arrays how unlike its training galaxies a galaxy is to a model."""

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.evaluation.neighbours import Features
from galaxy_lightning.evaluation.novelty import MAX_GALAXIES, FeatureSpace, Novelty
from galaxy_lightning.networks.features import features_of_images, head_layers
from galaxy_lightning.training.module import GalaxyClassifier


def learn_space(model: GalaxyClassifier, arrays: GalaxyArrays) -> FeatureSpace | None:
    """Learns the features of the training galaxies: of all, or of a random sample.

    Args:
        model: The trained model.
        arrays: The galaxy arrays of its training.

    Returns:
        None if the network has no features, or there are no training galaxies.
    """
    rows = sample_rows(arrays, "train")
    features = measure_features(model, arrays.images, rows)
    if features is None or not np.isfinite(features).all() or not len(rows):
        return None
    return FeatureSpace.learn(features)


def learn_novelty(model: GalaxyClassifier, arrays: GalaxyArrays) -> Novelty | None:
    """Learns how unlike the training galaxies a galaxy is, with the validation galaxies as the reference.

    Args:
        model: The trained model.
        arrays: The galaxy arrays of its training.

    Returns:
        None if the network has no features, or there are no training or no validation galaxies.
    """
    rows = sample_rows(arrays, "val")
    space = learn_space(model, arrays) if len(rows) else None
    if space is None:
        return None
    features = measure_features(model, arrays.images, rows)
    assert features is not None
    return Novelty.learn(space, space.distances(features), model.inference.zooms)


def measure_features(
    model: GalaxyClassifier, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]
) -> Features | None:
    """Measures the features of images, as :func:`~.network_outputs.classify` does.

    Args:
        model: The model.
        images: ``[M, H, H, bands]``, as in the galaxy arrays.
        rows: ``[N]`` the images to use.

    Returns:
        ``[N, features]``; None if the network has no features.
    """
    try:
        head_layers(model.network)
    except GalaxyError:
        return None
    was_training = model.training
    model.eval()
    try:
        return features_of_images(model.network, images, rows, model, "novelty")
    finally:
        model.train(was_training)


def sample_rows(arrays: GalaxyArrays, split: str, number: int = MAX_GALAXIES) -> npt.NDArray[np.int64]:
    """Returns the rows of a split: all, or a random sample.

    Args:
        arrays: The galaxy arrays.
        split: The name of the split.
        number: Maximum number of rows.
    """
    rows = arrays.rows(split)
    if len(rows) <= number:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, number, replace=False))
