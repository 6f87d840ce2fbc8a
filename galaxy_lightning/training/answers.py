"""A network's answer for a galaxy: the mean over the sizes and orientations at which it is shown."""

import torch
from torch import Tensor

from galaxy_lightning.data.augment import eight_views, zoomed
from galaxy_lightning.networks.network import Network


def mean_logits(network: Network, images: Tensor, zooms: int, *, eight: bool) -> Tensor:
    """Computes the logits of images, the mean over several views of each.

    In float32 also where the trainer's precision is mixed: else a galaxy's views would disagree.

    Args:
        network: The network.
        images: uint8 ``[B, H, W, 3]``, RGB.
        zooms: At how many sizes they are shown.
        eight: Show each in its four turns and their mirror images.

    Returns:
        ``[B, classes]``.

    Raises:
        ValueError: The images are of another type or layout, already scaled, say.
    """
    with torch.autocast(images.device.type, enabled=False):
        reduced = network.reduce(images)
        views = (network.sample(reduced, frames) for frames in zoomed(len(images), zooms, images.device))
        if eight:
            views = (view for each in views for view in eight_views(each))
        logits = [network(view) for view in views]
    return torch.stack(logits).mean(dim=0)
