"""The features of galaxies: the inputs of the last layer of each expert of a network."""

from functools import partial
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.network import Network


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
