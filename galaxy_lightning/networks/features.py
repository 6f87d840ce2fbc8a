"""The features of galaxies: the inputs of the last layer of each expert of a network."""

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.networks.network import Network

BATCH: Final = 64
"""Number of images that pass through a network at a time."""


class FeatureRecorder:
    """Records the features of the images that a network classifies, in a ``with`` block.

    They cost no further pass through the network.

    Args:
        network: The network.

    Raises:
        GalaxyError: The network has no dense layer, whose input could be its features.
    """

    def __init__(self, network: Network) -> None:
        self._layers = head_layers(network)
        self._views: list[list[Tensor]] = []
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> "FeatureRecorder":
        self._views = [[] for _ in self._layers]
        self._hooks = [
            layer.register_forward_pre_hook(partial(_keep, views))
            for layer, views in zip(self._layers, self._views, strict=True)
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def take(self) -> Tensor:
        """Returns the features of a batch, float32 ``[B, features]``, and forgets them.

        They are the mean over the views of each galaxy, since the last call.
        """
        features = [torch.stack(views).mean(dim=0) for views in self._views]
        for views in self._views:
            views.clear()
        return torch.cat(features, dim=1)


def features_of_images(
    network: Network,
    images: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    classify: Callable[[Tensor], object],
    title: str,
) -> npt.NDArray[np.float32]:
    """Returns the features of images, which pass through a network in batches.

    Args:
        network: The network.
        images: ``[M, H, H, bands]``, as in the galaxy arrays; possibly a memory map.
        rows: ``[N]`` the images to use.
        classify: Passes a batch, uint8 ``[B, H, H, bands]``, through the network.
        title: Title of the progress bar.

    Returns:
        ``[N, features]``; without images, ``[0, 0]``.

    Raises:
        GalaxyError: The network has no dense layer, whose input could be its features.
    """
    device = next(network.parameters()).device
    parts = [] if len(rows) else [np.zeros((0, 0), dtype=np.float32)]
    bar = progress_bar(total=len(rows), desc=title, unit=" galaxies", leave=False)
    with FeatureRecorder(network) as recorder, torch.inference_mode(), bar:
        for start in range(0, len(rows), BATCH):
            batch = torch.from_numpy(images[rows[start : start + BATCH]]).to(device)
            classify(batch)
            parts.append(recorder.take().cpu().numpy())
            bar.update(len(batch))
    return np.concatenate(parts)


def head_layers(network: Network) -> list[nn.Module]:
    """Returns the last layer of each expert of a network, whose outputs are the logits.

    Args:
        network: The network.

    Raises:
        GalaxyError: It has no such layer.
    """
    layers: list[tuple[str, nn.Module]] = [
        (f"{name}.", layer)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    if not network.heads:  # A network of the user's own: its last dense layer.
        dense: list[nn.Module] = [layer for _, layer in layers if isinstance(layer, nn.Linear)]
        found = dense[-1:]
    else:
        by_prefix = ([layer for name, layer in layers if name.startswith(prefix)] for prefix in network.heads)
        found = [each[-1] for each in by_prefix if each]
    if not found:
        raise GalaxyError(f"{network.name} has no dense layer, whose input could be its features")
    return found


def _keep(views: list[Tensor], layer: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Keeps the input of a layer, averaged over the pixels."""
    inputs = args[0]
    pooled = inputs.flatten(2).mean(dim=2) if inputs.ndim == 4 else inputs
    views.append(pooled.flatten(1).float())
