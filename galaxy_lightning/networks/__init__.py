"""The networks, by their names in configs."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.class_paths import is_class_path, make_custom_network
from galaxy_lightning.networks.galaxy_cnn import GalaxyCNN
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.reference_cnn import ReferenceCNN
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.networks.weight_files import load_weights_file

__all__ = ["NETWORKS", "SHIPPED", "SIMULATED", "Network", "make_network", "weights_file"]

SIMULATED: Final = "simulated"
"""Name of the weights of a ``GalaxyCNN`` trained on simulated galaxies."""

SHIPPED: Final = {SIMULATED: Path(__file__).with_name("galaxy_cnn_simulated.pt")}
"""Files of weights in the package. Each lists the galaxies that the weights were trained on."""

NETWORKS: Final[dict[str, Callable[[int, int], Network]]] = {
    network.name: network for network in (GalaxyCNN, ReferenceCNN)
}
"""Each takes the number of classes and the side of the images in pixels."""


def make_network(
    name: str,
    classes: int,
    image_size: int,
    backbone: str | None = None,
    weights: str = "hub",
    unfrozen: int | None = None,
    layer_decay: float = 1.0,
    auxiliary: int = 0,
) -> Network:
    """Makes a network, with initial weights.

    Args:
        name: A key of ``NETWORKS``, or a class path; see :mod:`galaxy_lightning.networks.class_paths`.
        classes: Number of classes.
        image_size: Side of the images in pixels.
        backbone: Name of a backbone to use instead of ``name``; see :class:`Backbone`.
        weights: Initial weights. For a backbone, see :class:`Backbone`; for other networks, a file or
            ``simulated``, otherwise random weights.
        unfrozen: Number of final blocks of the backbone to train.
        layer_decay: Learning rate of a block of the backbone relative to that of the block after it.
        auxiliary: Number of auxiliary targets; only ``galaxy_cnn`` has them.

    Raises:
        GalaxyError: The network is unknown, or its weights cannot be loaded.
    """
    if auxiliary and (backbone is not None or name != GalaxyCNN.name):
        raise GalaxyError(f"model.auxiliary works with {GalaxyCNN.name} only: leave it out")
    if backbone is not None:
        return Backbone(backbone, classes, image_size, weights, unfrozen, layer_decay)
    if is_class_path(name):
        network = make_custom_network(name, classes, image_size)
    elif name not in NETWORKS:
        raise GalaxyError(
            f"there is no network {name!r}: --model.network takes {', '.join(NETWORKS)}, or the class path "
            "of a custom network, as in my_file.MyNetwork"
        )
    elif auxiliary:
        network = GalaxyCNN(classes, image_size, auxiliary)
    else:
        network = NETWORKS[name](classes, image_size)
    if weights == SIMULATED and name != GalaxyCNN.name:
        raise GalaxyError(
            f"model.weights {SIMULATED} works with {GalaxyCNN.name} only: use a file of weights, or none"
        )
    if weights not in (HUB, NONE):
        load_weights_file(network, network.heads, str(weights_file(weights)), name, keep_head=True)
    return network


def weights_file(weights: str) -> Path:
    """Returns the file of weights that ``model.weights`` names."""
    return SHIPPED[weights] if weights in SHIPPED else Path(weights)
