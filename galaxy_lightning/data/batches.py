"""The batch of galaxies that the data module passes to the model."""

from typing import NamedTuple

from torch import Tensor


class GalaxyBatch(NamedTuple):
    """A batch of ``B`` galaxies.

    Attributes:
        images: uint8 ``[B, H, W, 3]``, RGB, as stored: the model scales them on its device.
        labels: int64 ``[B]`` class numbers, -1 if unknown.
        rows: int64 ``[B]`` row numbers of the galaxies in their catalogue.
        problems: By row number, why an image cannot be used. Its pixels are black, and its prediction is
            dropped.
        frames: float32 ``[B, 2, 3]`` affine transformations that augment the training images; see
            :func:`galaxy_lightning.data.augment.random_frames`. None for the identity.
        targets: float32 ``[B, classes]`` target probabilities; None to train on the labels.
        weights: float32 ``[B]`` weights of the training galaxies, with a mean of 1; None for equal weights.
        auxiliary: float32 ``[B, targets]`` auxiliary targets, standardised over the training galaxies, NaN
            where unknown; None without auxiliary targets.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    problems: dict[int, str]
    frames: Tensor | None = None
    targets: Tensor | None = None
    weights: Tensor | None = None
    auxiliary: Tensor | None = None
