"""The networks, by their names in configs."""

from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, COLOURS, MAX_BANDS
from galaxy_lightning.networks.adaptation import Adaptation, Classes, class_count, class_names
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.class_paths import is_class_path, make_custom_network
from galaxy_lightning.networks.galaxy_cnn import GalaxyCNN
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.reference_cnn import ReferenceCNN
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.networks.weight_files import load_weights_file
from galaxy_lightning.networks.weight_folders import file_in_folder
from galaxy_lightning.shipped_models import SHIPPED

__all__ = ["NETWORKS", "Network", "make_network", "weights_file"]

NETWORKS: Final[dict[str, type[GalaxyCNN] | type[ReferenceCNN]]] = {
    GalaxyCNN.name: GalaxyCNN,
    ReferenceCNN.name: ReferenceCNN,
}
"""Each takes the number of classes, the side of the images in pixels and, by name, the number of bands."""


def make_network(
    name: str,
    classes: Classes,
    image_size: int,
    backbone: str | None = None,
    weights: str = "hub",
    unfrozen: int | None = None,
    layer_decay: float = 1.0,
    auxiliary: int = 0,
    bands: int = len(COLOURS),
) -> Network:
    """Makes a network, with initial weights.

    Initial weights are adapted to the classes and to the number of bands
    (:mod:`galaxy_lightning.networks.adaptation`); the ``notes`` of the network tell the user how:

    - A checkpoint's head is used only for the classes that it was trained on.
    - The filters of the first convolution are adapted to another number of bands. The ring expert of
      ``galaxy_cnn``, whose measures depend on it, then starts from random weights.

    Args:
        name: A key of ``NETWORKS``, or a class path; see :mod:`galaxy_lightning.networks.class_paths`.
        classes: Number of classes, or their names in order. Without names, a head of the same shape is kept.
        image_size: Side of the images in pixels.
        backbone: Name of a backbone to use instead of ``name``; see :class:`Backbone`.
        weights: Initial weights. For a backbone, see :class:`Backbone`; for other networks, a file, the
            folder of an export, or the name of shipped weights of ``galaxy_cnn``, otherwise random weights.
        unfrozen: Number of final blocks of the backbone to train.
        layer_decay: Learning rate of a block of the backbone relative to that of the block after it.
        auxiliary: Number of auxiliary targets; only ``galaxy_cnn`` has them.
        bands: Number of bands of the images, 1 to ``MAX_BANDS``.

    Raises:
        GalaxyError: The network is unknown, does not take this number of bands, or its weights cannot be
            loaded.
    """
    if not (isinstance(bands, int) and 1 <= bands <= MAX_BANDS):
        raise GalaxyError(f"model.bands must be 1 to {MAX_BANDS}, not {bands}")
    if auxiliary and (backbone is not None or name != GalaxyCNN.name):
        raise GalaxyError(f"model.auxiliary works with {GalaxyCNN.name} only: leave it out")
    if weights not in (HUB, NONE, *SHIPPED):
        weights = str(weights_file(weights))
    if backbone is not None:
        return Backbone(backbone, classes, image_size, weights, unfrozen, layer_decay, bands)
    count = class_count(classes)
    if is_class_path(name):
        network = make_custom_network(name, count, image_size, bands)
    elif name not in NETWORKS:
        raise GalaxyError(
            f"there is no network {name!r}: --model.network takes {', '.join(NETWORKS)}, or the class path "
            "of a custom network, as in my_file.MyNetwork"
        )
    elif auxiliary:
        network = GalaxyCNN(count, image_size, auxiliary, bands=bands)
    else:
        network = NETWORKS[name](count, image_size, bands=bands)
    if weights in SHIPPED and name != GalaxyCNN.name:
        raise GalaxyError(
            f"model.weights {weights} works with {GalaxyCNN.name} only: use a file of weights, or none"
        )
    if weights not in (HUB, NONE):
        network.notes = load_weights_file(
            network,
            Adaptation(
                network.heads,
                class_names(classes),
                keep_head=True,
                bands=bands,
                band_layers=network.band_layers,
            ),
            str(weights_file(weights)),
            name,
            file_classes=CLASSES if weights in SHIPPED else None,
        )
    return network


def weights_file(weights: str) -> Path:
    """Returns the file of weights that ``model.weights`` names; it may also name the folder of the file."""
    return SHIPPED[weights] if weights in SHIPPED else file_in_folder(Path(weights))
