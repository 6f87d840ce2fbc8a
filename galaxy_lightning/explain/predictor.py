"""Predictions and features of a trained model for images in memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from galaxy_lightning.networks.features import BATCH, features_of_images
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.network_outputs import NetworkOutputs, classify_with_features


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

    def classify(self, images: npt.NDArray[np.uint8]) -> tuple[NetworkOutputs, npt.NDArray[np.float32]]:
        """Returns the outputs and the features of images; see :func:`classify_with_features`.

        Args:
            images: ``[N, H, H, bands]``, as in the galaxy arrays.

        Returns:
            The outputs, and ``[N, features]``.

        Raises:
            GalaxyError: The network has no dense layer.
        """
        network, inference = self.model.network, self.model.inference
        with torch.inference_mode():
            parts = [classify_with_features(network, inference, batch) for batch in self._batches(images)]
        outputs, features = zip(*parts, strict=True)
        probabilities, novelty = (np.concatenate(each, axis=1) for each in zip(*outputs, strict=True))
        return NetworkOutputs(probabilities, novelty), np.concatenate(features)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Returns the calibrated probabilities of images.

        Args:
            images: ``[N, H, H, bands]``, as in the galaxy arrays.

        Returns:
            ``[N, classes]``.
        """
        with torch.inference_mode():
            logits = torch.cat([self.model(batch) for batch in self._batches(images)])
        scaled = logits / self.model.inference.calibration.temperature
        return np.asarray(scaled.double().softmax(dim=1).cpu().numpy())

    def features(
        self, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Returns the features of images without zoom, the input of the last layer of each expert.

        Args:
            images: ``[M, H, H, bands]``, as in the galaxy arrays.
            rows: ``[N]`` the images to use; all by default.

        Returns:
            ``[N, features]``.

        Raises:
            GalaxyError: The network has no dense layer.
        """
        network = self.model.network
        rows = np.arange(len(images)) if rows is None else rows
        return features_of_images(
            network, images, rows, lambda batch: network(network.prepare(batch)), "comparing galaxies"
        )

    def view(self, images: npt.NDArray[np.uint8]) -> Tensor:
        """Returns images as the network's input, without zoom: ``[N, bands, h, h]`` in [0, 1]."""
        batch = torch.from_numpy(np.array(images)).to(self.device)
        return self.model.network.prepare(batch).float()

    def _batches(self, images: npt.NDArray[np.uint8]) -> Iterator[Tensor]:
        """Yields images, possibly of a memory map, in batches."""
        for start in range(0, len(images), BATCH):
            yield torch.from_numpy(np.array(images[start : start + BATCH])).to(self.device)
