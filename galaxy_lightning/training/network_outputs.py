"""The outputs of trained networks: calibrated probabilities, novelty and features."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from galaxy_lightning.evaluation.neighbours import Features
from galaxy_lightning.networks.features import FeatureRecorder
from galaxy_lightning.networks.network import Network
from galaxy_lightning.training.inference import Inference


class NetworkOutputs(NamedTuple):
    """The outputs of ``M`` networks for ``B`` galaxies.

    Attributes:
        probabilities: float32 ``[M, B, classes]``, calibrated for each network.
        novelty: ``[M, B]`` percentiles (:class:`galaxy_lightning.evaluation.novelty.Novelty`); NaN where
            unknown.
    """

    probabilities: npt.NDArray[np.float32]
    novelty: npt.NDArray[np.float64]


def classify(
    network: Network, inference: Inference, images: Tensor, zooms: int | None = None
) -> NetworkOutputs:
    """Classifies galaxies with one network.

    Args:
        network: The network.
        inference: Its test-time augmentation, calibrations and novelty.
        images: uint8 ``[B, H, W, bands]``.
        zooms: Number of zooms; by default that of ``inference``.
    """
    zooms = zooms or inference.zooms
    if inference.rates_novelty(zooms):
        return classify_with_features(network, inference, images, zooms)[0]
    logits = inference.logits(network, images, zooms)
    return NetworkOutputs(_calibrated(logits, inference, zooms), np.full((1, len(images)), np.nan))


def classify_with_features(
    network: Network, inference: Inference, images: Tensor, zooms: int | None = None
) -> tuple[NetworkOutputs, Features]:
    """Classifies galaxies with one network, and returns their features too, from the same pass.

    Args:
        network: The network.
        inference: As for :func:`classify`.
        images: As for :func:`classify`.
        zooms: As for :func:`classify`.

    Returns:
        The outputs, and ``[B, features]``: the mean over the views of each galaxy.

    Raises:
        GalaxyError: The network has no dense layer, whose input could be its features.
    """
    zooms = zooms or inference.zooms
    with FeatureRecorder(network) as recorder:
        logits = inference.logits(network, images, zooms)
    features = recorder.take().cpu().numpy()
    novelty = np.full(len(images), np.nan)
    if inference.novelty is not None and inference.rates_novelty(zooms):
        novelty = inference.novelty.percentiles(features)
    return NetworkOutputs(_calibrated(logits, inference, zooms), novelty[None]), features


def join(outputs: list[NetworkOutputs]) -> NetworkOutputs:
    """Joins the outputs of several networks for the same galaxies."""
    probabilities, novelty = zip(*outputs, strict=True)
    return NetworkOutputs(np.concatenate(probabilities), np.concatenate(novelty))


def _calibrated(logits: Tensor, inference: Inference, zooms: int) -> npt.NDArray[np.float32]:
    """Returns the calibrated probabilities ``[1, B, classes]`` of logits ``[B, classes]``."""
    temperature = inference.calibrations.for_zooms(zooms).temperature
    probabilities = (logits / temperature).float().softmax(dim=1)
    return np.asarray(probabilities.cpu().numpy()[None])
