"""Predictions and features of a trained model for images in memory."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from data_prep.common.progress import progress_bar
from galaxy_lightning.networks.features import FeatureRecorder
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.network_outputs import NetworkOutputs, classify_with_features

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

    def classify(self, images: npt.NDArray[np.uint8]) -> tuple[NetworkOutputs, npt.NDArray[np.float32]]:
        """Returns the outputs and the features of images; see :func:`classify_with_features`.

        Args:
            images: ``[N, H, H, bands]``, as in the galaxy arrays.

        Returns:
            The outputs, and ``[N, features]``.

        Raises:
            GalaxyError: The network has no dense layer.
        """
        network, inference, parts = self.model.network, self.model.inference, []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                batch = torch.from_numpy(np.array(images[start : start + BATCH])).to(self.device)
                parts.append(classify_with_features(network, inference, batch))
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
        """Returns the features of images without zoom, the input of the last layer of each expert.

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
        with FeatureRecorder(network) as recorder:

            def compute(batch: Tensor) -> Tensor:
                network(network.prepare(batch))
                return recorder.take()

            return self._in_batches(compute, images, rows, title).astype(np.float32)

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
