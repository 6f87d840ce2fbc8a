"""What travels from the data to the model: a batch of galaxies that knows which they are."""

from typing import NamedTuple

from torch import Tensor


class GalaxyBatch(NamedTuple):
    """A batch of ``B`` galaxies.

    Attributes:
        images: uint8 ``[B, H, W, 3]``, RGB, as stored: the model scales them on its device.
        labels: int64 ``[B]`` class numbers, -1 where unknown.
        rows: int64 ``[B]`` each galaxy's row in its catalogue.
        problems: Why a row's image cannot be used, by row. Its pixels are black, and whatever is
            predicted for it is dropped.
        frames: float32 ``[B, 2, 3]``, how a training galaxy is to be turned, zoomed and moved when it is
            looked at; see :func:`galaxy_lightning.data.augment.any_view`. None where it stays.
        targets: float32 ``[B, classes]`` what to train on instead of the labels, where that is asked for.
        weights: float32 ``[B]`` what each training galaxy counts, 1 on average; None where all count 1.
        auxiliary: float32 ``[B, quantities]`` what is learnt beside the class, in standard deviations from
            the mean of the training galaxies; NaN where it is not known. None where nothing is.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    problems: dict[int, str]
    frames: Tensor | None = None
    targets: Tensor | None = None
    weights: Tensor | None = None
    auxiliary: Tensor | None = None
