"""The main network, a small network for galaxies that is symmetric by construction."""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.adaptation import BandLayers
from galaxy_lightning.networks.dihedral import (
    DihedralConv,
    DihedralLift,
    DihedralNorm,
    pool_elements,
)
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.rings import RingsExpert

# Field, widths and scales were chosen by cross-validation; see docs/galaxy_cnn.md.

PIXELS: Final = 112
"""Side of the network's input in pixels, half that of the cutout. Galaxy Zoo 2 enlarged the SDSS images
severalfold: at half resolution, the pixels of a typical galaxy are still finer than the telescope's."""

FIELD: Final = 80 / 112
"""Side of the central region that the convolutions see, as a fraction of the input's side; it just covers the
outskirts of a galaxy."""

WIDTHS: Final = (8, 12, 16, 24)
"""Channels of each stage, per group element."""

RADII: Final = (2 / 80, 5 / 80)
"""Scales of the local contrast, as fractions of the side of the central region."""

_SKY: Final = 0.03
"""Sky brightness, on a scale from 0 to 1; keeps the local contrast finite in dark regions."""

_DOWNSAMPLING: Final = 2 ** len(WIDTHS)


class GalaxyCNN(Network):
    """A small network that averages the logits of two experts, one for shapes and one for profiles.

    The shape expert is a residual network over the eight symmetries of the square:

    - Its inputs are the bands with an asinh stretch (Lupton et al. 2004), which shows faint outskirts
      beside bright centres, and the *local contrast* at two scales, the brightness relative to the
      surroundings. It shows a spiral arm in the faint disc as clearly as one near the centre.
    - All layers are equivariant (:mod:`galaxy_lightning.networks.dihedral`), including the average pooling,
      since all sizes are even: the eight views of a galaxy have the same logits.
    - A generalised mean (Radenovic et al. 2019) pools over positions; mean and maximum pool over the group.
      The features therefore do not tell where in the galaxy a structure is.

    The ring expert adds that information: two dense layers on measures in rings around the centre
    (:mod:`galaxy_lightning.networks.rings`). Each expert has its own loss, so that their errors differ.

    Args:
        classes: Number of classes.
        image_size: Side of the images in pixels, at least 22.
        auxiliary: Number of auxiliary targets that each expert estimates.
        bands: Number of bands of the images.
    """

    name = "galaxy_cnn"
    experts = ("shapes", "rings")
    heads = ("head.", "rings.head.4.")
    band_layers = BandLayers(("features.0.weight",), others=len(RADII), unadaptable=("rings.",))

    def __init__(
        self, classes: int = 3, image_size: int = 224, auxiliary: int = 0, *, bands: int = 3
    ) -> None:
        super().__init__()
        self.classes, self.bands = classes, bands
        if round(FIELD * image_size) < _DOWNSAMPLING:
            raise GalaxyError(f"galaxy_cnn needs images of at least 22 pixels, not {image_size}")
        # Sizes that every stage halves exactly: a partial row at the edge would break the symmetry.
        self.pixels = min(PIXELS, image_size // 2 * 2)
        self.center = min(_DOWNSAMPLING * round(FIELD * self.pixels / _DOWNSAMPLING), self.pixels)
        self.contrast = LocalContrast([radius * self.center for radius in RADII], self.center)
        widths = (WIDTHS[0], *WIDTHS)
        self.features = nn.Sequential(
            DihedralLift(bands + len(RADII), WIDTHS[0], kernel=6, stride=2),
            DihedralNorm(WIDTHS[0]),
            nn.ReLU(),
            nn.AvgPool2d(2),
            *(
                ResidualBlock(inputs, outputs, halve=stage > 1)
                for stage, (inputs, outputs) in enumerate(zip(widths, WIDTHS, strict=False))
            ),
        )
        self.power = nn.Parameter(torch.tensor(3.0))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * WIDTHS[-1], classes))
        self.auxiliary = nn.Linear(2 * WIDTHS[-1], auxiliary) if auxiliary else None
        self.rings = RingsExpert(self.pixels, classes, auxiliary, bands)

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            images: float ``[B, bands, pixels, pixels]`` in [0, 1], the output of :meth:`prepare`.

        Returns:
            ``[B, classes]``.
        """
        return torch.stack(self.expert_logits(images)).mean(dim=0)[:, : self.classes]

    def expert_logits(self, images: Tensor) -> list[Tensor]:
        """Computes the logits of each expert, followed by its estimates of the auxiliary targets."""
        return [self._shape_logits(images), self.rings(images)]

    def _shape_logits(self, images: Tensor) -> Tensor:
        edge = (self.pixels - self.center) // 2
        images = images[..., edge : edge + self.center, edge : edge + self.center]
        with torch.autocast(images.device.type, enabled=False):  # Differences of similar numbers.
            stretched = (torch.asinh(20 * images) / math.asinh(20) - 0.3) / 0.25
            inputs = torch.cat([stretched, self.contrast(images)], dim=1)
        maps = self.features(inputs.contiguous(memory_format=torch.channels_last))
        pooled = maps.float().clamp(min=1e-4).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)
        features = pool_elements(pooled)
        logits: Tensor = self.head(features).float()
        return logits if self.auxiliary is None else torch.cat([logits, self.auxiliary(features)], dim=1)


class LocalContrast(nn.Module):
    """Computes the brightness of each pixel relative to its surroundings.

    The contrast is ``4 (l - G l) / (G l + sky)``, with the luminosity ``l``, the mean of all bands, and its
    Gaussian blur ``G l``.

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
        """Maps ``[B, bands, H, W]`` in [0, 1] to ``[B, radii, H, W]``, clipped to [-3, 3]."""
        luminosity = images.mean(dim=1, keepdim=True)
        # Blurring columns, then rows, by products of small matrices is faster than filtering.
        blurred = self.blurs @ (luminosity @ self.blurs)
        return (4 * (luminosity - blurred) / (blurred + _SKY)).clamp(-3, 3)


class ResidualBlock(nn.Module):
    """Two convolutions over the group with a shortcut (He et al. 2016), after optional average pooling.

    Args:
        inputs: Input channels per group element.
        outputs: Output channels per group element.
        halve: Whether to halve the side of the maps first, by average pooling.
    """

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = nn.AvgPool2d(2) if halve else nn.Identity()
        self.branch = nn.Sequential(
            DihedralConv(inputs, outputs),
            DihedralNorm(outputs),
            nn.ReLU(),
            DihedralConv(outputs, outputs),
            DihedralNorm(outputs, initial_scale=0.0),  # Initially, the block is its shortcut.
        )
        self.shortcut = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(DihedralConv(inputs, outputs, kernel=1), DihedralNorm(outputs))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[B, 8 * inputs, H, W]`` to ``[B, 8 * outputs, H, W]``, or to half the side if ``halve``."""
        maps = self.halve(maps)
        return functional.relu(self.branch(maps) + self.shortcut(maps))
