"""The outputs of trained networks: calibrated probabilities and novelty."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

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
    novelty = inference.novelty
    if novelty is None or novelty.zooms != zooms:
        logits, percentiles = inference.logits(network, images, zooms), np.full(len(images), np.nan)
    else:
        with FeatureRecorder(network) as recorder:
            logits = inference.logits(network, images, zooms)
        percentiles = novelty.percentiles(recorder.take().cpu().numpy())
    temperature = inference.calibrations.for_zooms(zooms).temperature
    probabilities = (logits / temperature).float().softmax(dim=1)
    return NetworkOutputs(probabilities.cpu().numpy()[None], percentiles[None])


def join(outputs: list[NetworkOutputs]) -> NetworkOutputs:
    """Joins the outputs of several networks for the same galaxies."""
    probabilities, novelty = zip(*outputs, strict=True)
    return NetworkOutputs(np.concatenate(probabilities), np.concatenate(novelty))
