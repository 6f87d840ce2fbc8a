"""Draws the true shape and the parameters of simulated galaxies."""

from dataclasses import dataclass
from typing import Final

import numpy as np

SHAPE_SHARES: Final = {
    "elliptical": 0.35,
    "lenticular": 0.10,
    "spiral": 0.28,
    "edge-on": 0.08,
    "irregular": 0.10,
    "merger": 0.09,
}
"""The true shapes and their shares."""

RED_SHARES: Final = {
    "elliptical": 0.56,
    "lenticular": 0.55,
    "spiral": 0.50,
    "edge-on": 0.50,
    "irregular": 0.48,
    "merger": 0.52,
}
"""Share of each shape on the red sequence. The shares are closer to one half than in the sky, where colour
reveals most shapes: here, a classifier must rely on the shape."""

DISC_THICKNESS: Final = 0.18
"""Axis ratio of a disc seen exactly edge-on (Hubble 1926 assumed 0.2)."""

HALF_LIGHT_SHARE: Final = 1 / 2.3
"""Ratio of the half-light radius to the radius that contains 90% of the light: 1 / 2.3 for an exponential
disc, and about the same for an elliptical, since the Petrosian aperture excludes its wings."""


@dataclass(frozen=True)
class Galaxy:
    """The true shape and parameters of a galaxy.

    Attributes:
        shape: A key of :data:`SHAPE_SHARES`.
        r90: Radius that contains 90% of the light [arcsec].
        surface_brightness: Mean surface brightness within the half-light radius, in r [mag / arcsec^2].
        g_r: Total colour g - r [mag].
        r_i: Total colour r - i [mag].
        gradient: Colour difference in g - r between bulge and disc; the disc is bluer [mag].
        axis_ratio: Ratio of the minor to the major axis on the sky.
        angle: Position angle of the major axis, anticlockwise from the x axis [radians].
        sersic_n: Sersic index of the bulge, or of an elliptical.
        bulge_share: Share of the light in the bulge.
        bulge_size: Half-light radius of the bulge, in units of that of the galaxy.
        arms: Number of spiral arms, 0 for none.
        winding: +1 for Galaxy Zoo's clockwise (Z), -1 for anticlockwise (S), 0 without arms.
        pitch: Pitch angle of the arms [radians].
        contrast: Share of the disc's light in the arms.
        sharpness: Sharpness of the arms; see :func:`~data_prep.simulate.light.spiral_arms`.
        bar: Share of the light in a bar.
        disturbance: Clumpiness and asymmetry of an irregular, or disturbance of a merger, from 0 to 1.
        companion_share: Share of the light in the second nucleus of a merger.
        separation: Separation of the two nuclei, in half-light radii.
        dust: Optical depth of a dust lane in r.
    """

    shape: str
    r90: float
    surface_brightness: float
    g_r: float
    r_i: float
    gradient: float
    axis_ratio: float
    angle: float
    sersic_n: float = 4.0
    bulge_share: float = 0.0
    bulge_size: float = 0.3
    arms: int = 0
    winding: int = 0
    pitch: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    bar: float = 0.0
    disturbance: float = 0.0
    companion_share: float = 0.0
    separation: float = 0.0
    dust: float = 0.0

    @property
    def half_light_radius(self) -> float:
        """Half-light radius along the major axis [arcsec].

        ``r90`` refers to circular apertures. A flattened galaxy extends beyond them along its major axis.
        """
        return float(self.r90 * HALF_LIGHT_SHARE * self.axis_ratio**-0.25)

    @property
    def flux(self) -> float:
        """Flux in r [nanomaggies]; a flattened galaxy is brighter per area (longer line of sight)."""
        brightness = 10 ** (0.4 * (22.5 - self.surface_brightness))
        return float(2 * np.pi * self.half_light_radius**2 * brightness * np.sqrt(self.axis_ratio))


def draw_galaxy(rng: np.random.Generator) -> Galaxy:
    """Draws a random galaxy.

    Args:
        rng: The random number generator.

    Returns:
        The galaxy.
    """
    shape = str(rng.choice(list(SHAPE_SHARES), p=list(SHAPE_SHARES.values())))
    red = rng.random() < RED_SHARES[shape]
    g_r = rng.normal(0.86, 0.12) if red else rng.normal(0.40, 0.14)
    common: dict[str, float] = {
        "r90": float(np.clip(6.6 * np.exp(rng.normal(0.0, 0.42)), 3.2, 24.0)),
        "surface_brightness": float(np.clip(rng.normal(20.4, 0.5), 19.2, 21.8)),
        "g_r": float(g_r),
        "r_i": float(0.13 + 0.32 * g_r + rng.normal(0.0, 0.05)),
        "gradient": float(rng.uniform(0.0, 0.18)),
        "angle": float(rng.uniform(0, np.pi)),
    }
    specific = _DRAW_PARAMETERS[shape](rng)
    return Galaxy(shape=shape, **common, **specific)  # type: ignore[arg-type]


def projected_axis_ratio(cosine: float, thickness: float = DISC_THICKNESS) -> float:
    """Returns the axis ratio on the sky of a disc inclined by arccos(cosine) (Hubble 1926)."""
    return float(np.sqrt(cosine**2 * (1 - thickness**2) + thickness**2))


def _elliptical(rng: np.random.Generator) -> dict[str, float | int]:
    return {
        "axis_ratio": float(1 - 0.45 * rng.beta(1.4, 2.0)),
        "sersic_n": float(rng.choice([3.0, 3.5, 4.0, 5.0])),
        "bulge_share": 1.0,
        "bulge_size": 1.0,
    }


def _lenticular(rng: np.random.Generator) -> dict[str, float | int]:
    return {
        "axis_ratio": projected_axis_ratio(rng.uniform(0.3, 0.9)),
        "sersic_n": float(rng.choice([2.0, 3.0, 4.0])),
        "bulge_share": float(rng.uniform(0.25, 0.5)),
        "bulge_size": float(rng.uniform(0.25, 0.45)),
        "bar": float(rng.random() < 0.3) * float(rng.uniform(0.05, 0.15)),
    }


def _spiral(rng: np.random.Generator) -> dict[str, float | int]:
    return {
        "axis_ratio": projected_axis_ratio(rng.uniform(0.35, 1.0)),
        "sersic_n": float(rng.choice([1.0, 2.0, 4.0])),
        "bulge_share": float(rng.beta(1.5, 5.0)),
        "bulge_size": float(rng.uniform(0.15, 0.35)),
        "arms": int(rng.choice([2, 3, 4], p=[0.72, 0.14, 0.14])),
        "winding": int(rng.choice([-1, 1])),
        "pitch": float(np.deg2rad(rng.uniform(10.0, 32.0))),
        "contrast": float(rng.uniform(0.25, 0.85)),
        "sharpness": float(rng.uniform(1.5, 5.0)),
        "bar": float(rng.random() < 0.4) * float(rng.uniform(0.08, 0.22)),
        "disturbance": float(rng.uniform(0.1, 0.6)),
    }


def _edge_on(rng: np.random.Generator) -> dict[str, float | int]:
    return {
        "axis_ratio": float(rng.uniform(0.13, 0.32)),
        "sersic_n": float(rng.choice([2.0, 4.0])),
        "bulge_share": float(rng.random() < 0.7) * float(rng.uniform(0.05, 0.35)),
        "bulge_size": float(rng.uniform(0.15, 0.3)),
        "dust": float(rng.random() < 0.4) * float(rng.uniform(0.5, 2.0)),
    }


def _irregular(rng: np.random.Generator) -> dict[str, float | int]:
    return {
        "axis_ratio": float(rng.uniform(0.4, 0.95)),
        "disturbance": float(rng.uniform(0.35, 1.0)),
        "bar": float(rng.random() < 0.35) * float(rng.uniform(0.1, 0.25)),
    }


def _merger(rng: np.random.Generator) -> dict[str, float | int]:
    discs = rng.random() < 0.5
    return {
        "axis_ratio": float(rng.uniform(0.5, 0.95)),
        "sersic_n": float(rng.choice([3.0, 4.0])),
        "bulge_share": float(rng.uniform(0.2, 0.5)) if discs else 1.0,
        "bulge_size": 0.35 if discs else 1.0,
        "disturbance": float(rng.uniform(0.3, 1.0)),
        "companion_share": float(rng.uniform(0.2, 0.48)),
        "separation": float(rng.uniform(0.8, 2.2)),
    }


_DRAW_PARAMETERS: Final = {
    "elliptical": _elliptical,
    "lenticular": _lenticular,
    "spiral": _spiral,
    "edge-on": _edge_on,
    "irregular": _irregular,
    "merger": _merger,
}
