"""Light, colour and structure of a galaxy, measured in rings around its centre."""

import itertools
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

# Rings, scales and thresholds were chosen by cross-validation; see docs/galaxy_cnn.md.
EDGES: Final = tuple(radius / 112 for radius in (0, 4, 8, 14, 20, 28, 36, 46, 58, 75, 95, 112))
"""Edges of the rings in which brightness is measured, as shares of half the image's side."""

WIDE_EDGES: Final = tuple(radius / 112 for radius in (0, 10, 20, 32, 45, 60, 80, 112))
"""The same for structure, which needs more pixels."""

SCALES: Final = tuple(pixels / 112 for pixels in (1, 2, 4, 8))
"""Sizes of the structures, standard deviations of Gaussians as shares of the image's side."""

_SKY: Final = 0.02
"""Brightness, of 1, below which differences are sky."""

_NOISE: Final = 0.001
"""Contrast below which differences are rounding."""


class RingMeasures(nn.Module):
    """Measures a galaxy in rings around its centre.

    - The mean brightness of each ring and colour: profile, concentration and colour gradient.
    - The standard deviation, in each ring, of the structures of each scale: what one Gaussian blur
      keeps of the light and the next one does not (a difference of Gaussians). Spiral arms and clumps have
      much of it where a smooth elliptical has none, and how it falls with the scale tells how well the galaxy
      is resolved.

    Both are logarithms, and none changes when the galaxy is turned by quarters or mirrored. Compare the
    concentration and smoothness of Conselice (2003).

    Args:
        pixels: Side of the images.

    Attributes:
        outputs: How many numbers it measures.
    """

    rings: Tensor
    wide_rings: Tensor
    blurs: Tensor

    def __init__(self, pixels: int) -> None:
        super().__init__()
        places = torch.arange(pixels)
        offsets = (places - (pixels - 1) / 2) / (pixels / 2)
        radius = torch.hypot(offsets[:, None], offsets[None])
        sigmas = torch.tensor(SCALES).view(-1, 1, 1) * pixels
        blurs = torch.exp(-((places[:, None] - places[None]) ** 2) / (2 * sigmas**2))
        for name, values in (
            ("rings", _averages(radius, EDGES)),
            ("wide_rings", _averages(radius, WIDE_EDGES)),
            ("blurs", blurs / blurs.sum(dim=2, keepdim=True)),
        ):
            self.register_buffer(name, values, persistent=False)
        self.outputs = 3 * (len(EDGES) - 1) + len(SCALES) * (len(WIDE_EDGES) - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Measures ``[B, 3, pixels, pixels]`` in [0, 1].

        Returns:
            ``[B, outputs]``.
        """
        brightness = functional.linear(images.flatten(2), self.rings)
        measures = [torch.log(brightness.clamp(min=0) + _SKY).flatten(1)]
        kept = images.mean(dim=1)
        # Along columns, then rows, as products of small matrices: faster than filters.
        for blur in self.blurs:
            blurred = blur @ (kept @ blur.T)
            structure = (kept - blurred).flatten(1)
            mean = functional.linear(structure, self.wide_rings)
            # In two passes: within a small ring the blurred light hardly varies, and squares would cancel.
            deviation = structure - mean @ (self.wide_rings > 0).to(mean.dtype)
            variance = functional.linear(deviation.square(), self.wide_rings)
            measures.append(torch.log(variance.sqrt() + _NOISE))
            kept = blurred
        return torch.cat(measures, dim=1)


class RingsExpert(nn.Module):
    """Classifies a galaxy by what is measured in its rings.

    Args:
        pixels: Side of the images.
        classes: How many classes it tells apart.
        auxiliary: How many further quantities it learns to measure.
    """

    def __init__(self, pixels: int, classes: int, auxiliary: int = 0) -> None:
        super().__init__()
        self.measures = RingMeasures(pixels)
        self.norm = nn.BatchNorm1d(self.measures.outputs, affine=False)
        self.head = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(self.measures.outputs, 64),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(64, classes),
        )
        self.auxiliary = nn.Linear(64, auxiliary) if auxiliary else None

    def forward(self, images: Tensor) -> Tensor:
        """Takes ``[B, 3, pixels, pixels]`` in [0, 1] to logits ``[B, classes]``, in float32 throughout.

        What it measures besides, ``[B, auxiliary]``, comes after them.
        """
        with torch.autocast(images.device.type, enabled=False):
            measured = self.measures(images)
            several = len(measured) > 1  # One galaxy has no variance.
            normalised = functional.batch_norm(
                measured, self.norm.running_mean, self.norm.running_var, training=self.training and several
            )
            features = self.head[:-1](normalised)
            logits: Tensor = self.head[-1](features)
            return logits if self.auxiliary is None else torch.cat([logits, self.auxiliary(features)], dim=1)


def _averages(radius: Tensor, edges: tuple[float, ...]) -> Tensor:
    """Returns ``[rings, pixels ** 2]``: what each pixel counts in each ring's mean; none in an empty one."""
    inside = torch.stack(
        [(radius >= low) & (radius < high) for low, high in itertools.pairwise(edges)]
    ).flatten(1)
    return inside / inside.sum(dim=1, keepdim=True).clamp(min=1)
