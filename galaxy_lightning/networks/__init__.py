"""The networks, by the name that a config gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.class_paths import is_class_path, make_own
from galaxy_lightning.networks.galaxy_cnn import GalaxyCNN
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.reference_cnn import ReferenceCNN
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.networks.weight_files import load_file

__all__ = ["NETWORKS", "SHIPPED", "SIMULATED", "Network", "make_network", "weights_file"]

SIMULATED: Final = "simulated"
"""The weights of a ``GalaxyCNN`` trained on simulated galaxies."""

SHIPPED: Final = {SIMULATED: Path(__file__).with_name("galaxy_cnn_simulated.pt")}
"""The weights that come with the package. Each file lists the galaxies that they were trained on."""

NETWORKS: Final[dict[str, Callable[[int, int], Network]]] = {
    network.name: network for network in (GalaxyCNN, ReferenceCNN)
}
"""Each takes the number of classes and the side of its images in pixels."""


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
    """Makes a network, freshly initialised or, a backbone, with known weights.

    Args:
        name: A key of ``NETWORKS``, or a class path; see :mod:`galaxy_lightning.networks.class_paths`.
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels.
        backbone: Instead of it, the name of a known architecture; see :class:`Backbone`, also for
            what follows.
        weights: What the backbone starts from. A network of ours starts from nothing, unless this is a
            file, or ``simulated``.
        unfrozen: How many of its last blocks are trained.
        layer_decay: What each block's learning rate is of the next one's.
        auxiliary: How many further quantities it learns to measure; galaxy_cnn alone can.

    Raises:
        GalaxyError: There is no network of that name, or the backbone cannot be loaded.
    """
    if auxiliary and (backbone is not None or name != GalaxyCNN.name):
        raise GalaxyError("model.auxiliary is for galaxy_cnn alone: leave it out")
    if backbone is not None:
        return Backbone(backbone, classes, image_size, weights, unfrozen, layer_decay)
    if is_class_path(name):
        network = make_own(name, classes, image_size)
    elif name not in NETWORKS:
        raise GalaxyError(
            f"there is no network {name!r}: --model.network takes {', '.join(NETWORKS)}, or the class path "
            "of one of your own, as in my_file.MyNetwork"
        )
    elif auxiliary:
        network = GalaxyCNN(classes, image_size, auxiliary)
    else:
        network = NETWORKS[name](classes, image_size)
    if weights == SIMULATED and name != GalaxyCNN.name:
        raise GalaxyError(f"model.weights {SIMULATED} is for {GalaxyCNN.name} alone: name a file, or none")
    if weights not in (HUB, NONE):
        load_file(network, network.heads, str(weights_file(weights)), name, keep_head=True)
    return network


def weights_file(weights: str) -> Path:
    """Returns the file that ``model.weights`` names, which may be one that comes with the package."""
    return SHIPPED[weights] if weights in SHIPPED else Path(weights)
