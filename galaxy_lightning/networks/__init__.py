"""The networks, by the name that a config gives them."""

from collections.abc import Callable
from typing import Final

from data_prep.errors import GalaxyError
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.reference_cnn import ReferenceCNN

NETWORKS: Final[dict[str, Callable[[int, int], Network]]] = {"reference_cnn": ReferenceCNN}
"""Each takes the number of classes and the side of its images in pixels."""


def make_network(name: str, classes: int, image_size: int) -> Network:
    """Makes a freshly initialised network.

    Args:
        name: A key of ``NETWORKS``.
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels.

    Raises:
        GalaxyError: There is no network of that name.
    """
    if name not in NETWORKS:
        raise GalaxyError(f"there is no network {name!r}: --model.network takes {', '.join(NETWORKS)}")
    return NETWORKS[name](classes, image_size)
