"""Predictions and features of a trained model for images in memory."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.networks.network import Network
from galaxy_lightning.training.module import GalaxyClassifier

BATCH: Final = 64


class Predictor:
    """A trained model in evaluation mode, on the GPU if there is one.

    Args:
        model: The model.

    Attributes:
        model: The model.
        device: Its device.
    """

    def __init__(self, model: GalaxyClassifier) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().requires_grad_(requires_grad=False).to(self.device)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Returns the calibrated probabilities of images.

        Args:
            images: ``[N, H, H, bands]``, as in the galaxy arrays.

        Returns:
            ``[N, classes]``.
        """
        temperature = self.model.inference.calibration.temperature

        def predict(batch: Tensor) -> Tensor:
            logits: Tensor = self.model(batch)
            return (logits / temperature).double().softmax(dim=1)

        return self._in_batches(predict, images)

    def features(
        self,
        images: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64] | None = None,
        title: str = "comparing galaxies",
    ) -> npt.NDArray[np.float32]:
        """Returns the features of images, the input of the last layer of each expert.

        Args:
            images: ``[M, H, H, bands]``, as in the galaxy arrays.
            rows: ``[N]`` the images to use; all by default.
            title: Title of the progress bar; empty for none.

        Returns:
            ``[N, features]``.

        Raises:
            GalaxyError: The network has no dense layer.
        """
        network = self.model.network
        layers = head_layers(network)
        inputs: dict[nn.Module, Tensor] = {}

        def keep(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
            inputs[layer] = args[0].flatten(2).mean(dim=2) if args[0].ndim == 4 else args[0]

        def compute(batch: Tensor) -> Tensor:
            network(network.prepare(batch))
            return torch.cat([inputs[layer].flatten(1).float() for layer in layers], dim=1)

        hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
        try:
            return self._in_batches(compute, images, rows, title).astype(np.float32)
        finally:
            for hook in hooks:
                hook.remove()

    def view(self, images: npt.NDArray[np.uint8]) -> Tensor:
        """Returns images as the network's input, without zoom: ``[N, bands, h, h]`` in [0, 1]."""
        batch = torch.from_numpy(np.array(images)).to(self.device)
        return self.model.network.prepare(batch).float()

    def _in_batches(
        self,
        compute: Callable[[Tensor], Tensor],
        images: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64] | None = None,
        title: str = "",
    ) -> npt.NDArray[Any]:
        """Applies a function to the images in batches; they may be a memory map. A title shows a bar."""
        rows = np.arange(len(images)) if rows is None else rows
        parts = []
        bar = progress_bar(shown=bool(title), total=len(rows), desc=title, unit=" galaxies", leave=False)
        with torch.inference_mode(), bar:
            for start in range(0, len(rows), BATCH):
                batch = torch.from_numpy(images[rows[start : start + BATCH]]).to(self.device)
                parts.append(compute(batch))
                bar.update(len(batch))
        return np.asarray(torch.cat(parts).cpu().numpy())


def head_layers(network: Network) -> list[nn.Module]:
    """Returns the last layer of each expert of a network, whose output are the logits.

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
