"""Brightness, colours and structure of a galaxy, measured in rings around its centre."""

import itertools
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

# Rings, scales and thresholds were chosen by cross-validation; see docs/galaxy_cnn.md.
EDGES: Final = tuple(radius / 112 for radius in (0, 4, 8, 14, 20, 28, 36, 46, 58, 75, 95, 112))
"""Edges of the rings for the brightness, as fractions of half the image's side."""

WIDE_EDGES: Final = tuple(radius / 112 for radius in (0, 10, 20, 32, 45, 60, 80, 112))
"""Edges of the rings for the structure, which needs more pixels; same unit as ``EDGES``."""

SCALES: Final = tuple(pixels / 112 for pixels in (1, 2, 4, 8))
"""Scales of the structure: standard deviations of Gaussians, as fractions of the image's side."""

SKY: Final = 0.02
"""Sky brightness, on a scale from 0 to 1; added before the logarithm to suppress differences below it."""

_NOISE: Final = 0.001
"""Rounding noise, added to the standard deviations before the logarithm."""


_TINY: Final = 1e-12
"""Minimum variance: the gradient of the square root is infinite at 0."""


class RingMeasures(nn.Module):
    """Measures a galaxy in rings around its centre.

    - The mean brightness per band and ring gives the profile, the concentration and the colour gradients.
    - The standard deviation, per ring, of a difference of Gaussians at each scale gives the structure. Spiral
      arms and clumps have much structure, a smooth elliptical has almost none, and its decrease with scale
      shows how well the galaxy is resolved.

    All are logarithms, and invariant under quarter turns and mirroring. Compare the concentration and
    smoothness of Conselice (2003).

    Args:
        pixels: Side of the images.
        bands: Number of bands of the images.

    Attributes:
        outputs: Number of measures.
    """

    rings: Tensor
    wide_rings: Tensor
    blurs: Tensor

    def __init__(self, pixels: int, bands: int = 3) -> None:
        super().__init__()
        positions = torch.arange(pixels)
        offsets = (positions - (pixels - 1) / 2) / (pixels / 2)
        radius = torch.hypot(offsets[:, None], offsets[None])
        sigmas = torch.tensor(SCALES).view(-1, 1, 1) * pixels
        blurs = torch.exp(-((positions[:, None] - positions[None]) ** 2) / (2 * sigmas**2))
        for name, values in (
            ("rings", _ring_weights(radius, EDGES)),
            ("wide_rings", _ring_weights(radius, WIDE_EDGES)),
            ("blurs", blurs / blurs.sum(dim=2, keepdim=True)),
        ):
            self.register_buffer(name, values, persistent=False)
        self.outputs = bands * (len(EDGES) - 1) + len(SCALES) * (len(WIDE_EDGES) - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Measures images ``[B, bands, pixels, pixels]`` in [0, 1].

        Returns:
            ``[B, outputs]``.
        """
        brightness = functional.linear(images.flatten(2), self.rings)
        measures = [torch.log(brightness.clamp(min=0) + SKY).flatten(1)]
        smoothed = images.mean(dim=1)
        # Blurring columns, then rows, by products of small matrices is faster than filtering.
        for blur in self.blurs:
            blurred = blur @ (smoothed @ blur.T)
            structure = (smoothed - blurred).flatten(1)
            mean = functional.linear(structure, self.wide_rings)
            # Two passes, because the difference of squares would lose all digits in small, smooth rings.
            deviation = structure - mean @ (self.wide_rings > 0).to(mean.dtype)
            variance = functional.linear(deviation.square(), self.wide_rings)
            measures.append(torch.log(variance.clamp(min=_TINY).sqrt() + _NOISE))
            smoothed = blurred
        return torch.cat(measures, dim=1)


class RingsExpert(nn.Module):
    """Classifies a galaxy by its ring measures.

    Args:
        pixels: Side of the images.
        classes: Number of classes.
        auxiliary: Number of auxiliary targets.
        bands: Number of bands of the images.
    """

    def __init__(self, pixels: int, classes: int, auxiliary: int = 0, bands: int = 3) -> None:
        super().__init__()
        self.measures = RingMeasures(pixels, bands)
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
        """Computes the logits and the estimates of the auxiliary targets, in float32 also under autocast.

        Args:
            images: ``[B, bands, pixels, pixels]`` in [0, 1].

        Returns:
            ``[B, classes + auxiliary]``.
        """
        with torch.autocast(images.device.type, enabled=False):
            measures = self.measures(images)
            normalised = functional.batch_norm(
                measures,
                self.norm.running_mean,
                self.norm.running_var,
                training=self.training and len(measures) > 1,  # One galaxy has no variance.
            )
            features = self.head[:-1](normalised)
            logits: Tensor = self.head[-1](features)
            return logits if self.auxiliary is None else torch.cat([logits, self.auxiliary(features)], dim=1)


def _ring_weights(radius: Tensor, edges: tuple[float, ...]) -> Tensor:
    """Returns ``[rings, pixels ** 2]`` weights of each pixel in the mean of each ring; 0 in an empty ring."""
    inside = torch.stack(
        [(radius >= low) & (radius < high) for low, high in itertools.pairwise(edges)]
    ).flatten(1)
    return inside / inside.sum(dim=1, keepdim=True).clamp(min=1)
