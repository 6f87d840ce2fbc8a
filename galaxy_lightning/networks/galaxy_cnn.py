"""The main network: small, made for galaxies, and symmetric by construction."""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.dihedral import (
    DihedralConv,
    DihedralLift,
    DihedralNorm,
    over_elements,
)
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.rings import RingsExpert

# The field, widths and scales were chosen by cross-validation; see docs/galaxy_cnn.md.

PIXELS: Final = 112
"""Side of what the network sees in pixels: half of the cutout's. Galaxy Zoo 2 enlarged SDSS's images
severalfold: of a typical galaxy, every second of their pixels is still finer than the telescope's."""

FIELD: Final = 80 / 112
"""Share of that side, in the centre, that the convolutions see: a galaxy's outskirts and little else."""

WIDTHS: Final = (8, 12, 16, 24)
"""Channels of each stage, for each of the eight symmetries."""

RADII: Final = (2 / 80, 5 / 80)
"""Scales of the local contrast, as shares of the convolutions' field."""

_SKY: Final = 0.03
"""Brightness, of 1, that the local contrast takes for dark."""

_DOWN: Final = 2 ** len(WIDTHS)


class GalaxyCNN(Network):
    """A small network with the symmetry of galaxies: two experts, whose logits are averaged.

    One is a residual network over the eight symmetries of the square, which sees shapes:

    - It sees the colours with an asinh stretch (Lupton et al. 2004), which shows faint outskirts beside
      bright centres, and the *local contrast* at two scales: how much brighter a place is than its
      surroundings, relative to them. There an arm stands out as clearly in the faint disc as near the
      centre.
    - All convolutions turn with the galaxy (:mod:`galaxy_lightning.networks.dihedral`), and pooling
      means and even sizes keep it so: the eight views of a galaxy have the same logits.
    - Places are pooled by a generalised mean (Radenovic et al. 2019), directions by mean and maximum. So
      it does not know where in the galaxy it has seen something.

    The other knows just that: two dense layers on what is measured in rings around the centre
    (:mod:`galaxy_lightning.networks.rings`). Each is trained to answer by itself, so that they err apart.

    Args:
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels, at least 22.
        auxiliary: How many further quantities each expert learns to measure.
    """

    name = "galaxy_cnn"
    heads = ("head.", "rings.head.4.")

    def __init__(self, classes: int = 3, image_size: int = 224, auxiliary: int = 0) -> None:
        super().__init__()
        self.classes = classes
        if round(FIELD * image_size) < _DOWN:
            raise GalaxyError(f"galaxy_cnn takes images of at least 22 pixels, not {image_size}")
        # Even sizes, the centre's halved exactly at every stage: no row at an edge breaks the symmetry.
        self.pixels = min(PIXELS, image_size // 2 * 2)
        self.center = min(_DOWN * round(FIELD * self.pixels / _DOWN), self.pixels)
        self.contrast = LocalContrast([radius * self.center for radius in RADII], self.center)
        widths = (WIDTHS[0], *WIDTHS)
        self.features = nn.Sequential(
            DihedralLift(3 + len(RADII), WIDTHS[0], kernel=6, stride=2),
            DihedralNorm(WIDTHS[0]),
            nn.ReLU(),
            nn.AvgPool2d(2),
            *(
                ResidualBlock(inputs, outputs, halve=place > 1)
                for place, (inputs, outputs) in enumerate(zip(widths, WIDTHS, strict=False))
            ),
        )
        self.power = nn.Parameter(torch.tensor(3.0))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * WIDTHS[-1], classes))
        self.auxiliary = nn.Linear(2 * WIDTHS[-1], auxiliary) if auxiliary else None
        self.rings = RingsExpert(self.pixels, classes, auxiliary)

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            images: float ``[B, 3, pixels, pixels]`` in [0, 1], as :meth:`look` returns them.

        Returns:
            ``[B, classes]``.
        """
        return torch.stack(self.expert_logits(images)).mean(dim=0)[:, : self.classes]

    def expert_logits(self, images: Tensor) -> list[Tensor]:
        """Computes the logits of each expert, and after them what it measures."""
        return [self._of_shapes(images), self.rings(images)]

    def _of_shapes(self, images: Tensor) -> Tensor:
        edge = (self.pixels - self.center) // 2
        images = images[..., edge : edge + self.center, edge : edge + self.center]
        with torch.autocast(images.device.type, enabled=False):  # Small differences of near numbers.
            stretched = (torch.asinh(20 * images) / math.asinh(20) - 0.3) / 0.25
            seen = torch.cat([stretched, self.contrast(images)], dim=1)
        maps = self.features(seen.contiguous(memory_format=torch.channels_last))
        pooled = maps.float().clamp(min=1e-4).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)
        features = over_elements(pooled)
        logits: Tensor = self.head(features).float()
        return logits if self.auxiliary is None else torch.cat([logits, self.auxiliary(features)], dim=1)


class LocalContrast(nn.Module):
    """How much brighter each place is than its surroundings, relative to them.

    ``(l - G l) / (G l + sky)`` of the luminosity ``l`` and its Gaussian blur ``G l``.

    Args:
        radii: Standard deviations of the blurs in pixels.
        pixels: Side of the images.
    """

    blurs: Tensor

    def __init__(self, radii: Sequence[float], pixels: int) -> None:
        super().__init__()
        distance = torch.arange(pixels) - torch.arange(pixels)[:, None]
        blurs = []
        for radius in radii:
            reach = round(2.5 * radius)
            profile = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * radius**2))
            near = distance.clamp(-reach, reach)
            blurs.append((profile / profile.sum())[near + reach] * (near == distance))
        self.register_buffer("blurs", torch.stack(blurs), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Takes ``[B, 3, H, W]`` in [0, 1] to ``[B, radii, H, W]``, mostly within -3 to 3."""
        luminosity = images.mean(dim=1, keepdim=True)
        # Along columns, then rows, as products of small matrices: faster than filters.
        blurred = self.blurs @ (luminosity @ self.blurs)
        return (4 * (luminosity - blurred) / (blurred + _SKY)).clamp(-3, 3)


class ResidualBlock(nn.Module):
    """Two convolutions over the group beside a short cut (He et al. 2016), after halving the maps by means.

    Args:
        inputs: Channels that come in, for each symmetry.
        outputs: Channels that go out.
        halve: Whether the maps are halved.
    """

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = nn.AvgPool2d(2) if halve else nn.Identity()
        self.branch = nn.Sequential(
            DihedralConv(inputs, outputs),
            DihedralNorm(outputs),
            nn.ReLU(),
            DihedralConv(outputs, outputs),
            DihedralNorm(outputs, start=0.0),  # The block begins as its short cut.
        )
        self.shortcut = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(DihedralConv(inputs, outputs, kernel=1), DihedralNorm(outputs))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Takes ``[B, 8 * inputs, H, W]`` to ``[B, 8 * outputs, H / 2, W / 2]``, or H, W."""
        maps = self.halve(maps)
        return functional.relu(self.branch(maps) + self.shortcut(maps))
