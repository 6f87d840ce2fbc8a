"""What the experts of galaxy_cnn say about a galaxy, and its ring profile."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from galaxy_lightning.networks.galaxy_cnn import GalaxyCNN
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.rings import EDGES, SKY


class Profiles(NamedTuple):
    """Brightness of galaxies in rings around their centres.

    Attributes:
        radii: ``[rings]`` mean radii, as fractions of half the image's side.
        brightness: ``[N, rings]`` means of the bands, with the sky, from 0 to 1.
    """

    radii: npt.NDArray[np.float64]
    brightness: npt.NDArray[np.float64]


def expert_probabilities(
    network: Network, views: Tensor, classes: int, temperature: float
) -> dict[str, npt.NDArray[np.float64]]:
    """Computes the probabilities of each expert of a network.

    Args:
        network: The network, in evaluation mode.
        views: ``[N, bands, h, h]``, the network's input.
        classes: Number of classes.
        temperature: Temperature of the calibration.

    Returns:
        ``[N, classes]`` by the name of the expert; none if the network has one expert only.
    """
    if len(network.experts) < 2:
        return {}
    with torch.no_grad():
        logits = network.expert_logits(views)
    found = [(each[:, :classes] / temperature).double().softmax(dim=1).cpu().numpy() for each in logits]
    return dict(zip(network.experts, found, strict=True))


def ring_profiles(network: Network, views: Tensor) -> Profiles | None:
    """Measures the ring profiles that galaxy_cnn's ring expert sees; None for other networks.

    Args:
        network: The network.
        views: ``[N, bands, h, h]``, the network's input.
    """
    if not isinstance(network, GalaxyCNN):
        return None
    edges = np.array(EDGES)
    rings = len(edges) - 1
    with torch.no_grad():
        measures = network.rings.measures(views)[:, : network.bands * rings]
    brightness = measures.exp().reshape(len(views), network.bands, rings).mean(dim=1) - SKY
    return Profiles((edges[:-1] + edges[1:]) / 2, brightness.double().cpu().numpy())
