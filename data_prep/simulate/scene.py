"""Renders galaxies in the g, r and i bands from their parameters."""

from typing import Final

import numpy as np
from scipy.special import expit

from data_prep.simulate import light
from data_prep.simulate.galaxies import Galaxy
from data_prep.simulate.light import Array, Plane

EXTINCTION: Final = np.array([1.45, 1.0, 0.74], np.float32)
"""Optical depth of dust in g, r and i relative to r (Cardelli, Clayton & Mathis 1989, R_V = 3.1)."""

ARM_COLOUR: Final = 0.25
"""Colour difference in g - r between the arms and the disc between them; the arms are bluer [mag]."""

MIN_SCALE: Final = 0.6
"""Minimum scale of a profile [pixels], since a smaller one could neither be sampled nor seen."""


def render_galaxy(galaxy: Galaxy, side: int, pixel_scale: float, rng: np.random.Generator) -> Array:
    """Renders a galaxy at the centre of an image, without blur.

    Args:
        galaxy: The parameters.
        side: Side of the image [pixels].
        pixel_scale: Pixel scale [arcsec per pixel].
        rng: The random number generator of details without a parameter: knots, ragged arms, tails.

    Returns:
        Flux in g, r and i [nanomaggies per pixel], shape ``[3, side, side]``.
    """
    size = galaxy.half_light_radius / pixel_scale
    centre = ((side - 1) / 2 + rng.uniform(-0.5, 0.5), (side - 1) / 2 + rng.uniform(-0.5, 0.5))
    render = {"edge-on": _edge_on, "irregular": _irregular, "merger": _merger}.get(galaxy.shape, _disc_galaxy)
    return np.float32(galaxy.flux) * render(galaxy, (side, side), centre, size, rng)


def flux_ratios(g_r: float, r_i: float) -> Array:
    """Returns the fluxes in g, r and i relative to r, shape ``[3, 1, 1]``, for colours [mag]."""
    return np.array([10 ** (-0.4 * g_r), 1.0, 10 ** (0.4 * r_i)], np.float32)[:, None, None]


def _component_colour(galaxy: Galaxy, bluer: float) -> Array:
    """Returns the flux ratios of a component that is bluer than the galaxy by ``bluer`` [mag in g - r]."""
    return flux_ratios(galaxy.g_r - bluer, galaxy.r_i - 0.4 * bluer)


def _disc_galaxy(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Renders an elliptical, lenticular or spiral: a bulge and, unless it has all the light, a disc."""
    share = galaxy.bulge_share
    # A bulge is rounder than its disc.
    bulge_axis_ratio = galaxy.axis_ratio if share == 1 else 1 - 0.6 * (1 - galaxy.axis_ratio)
    bulge_plane = light.plane(shape, centre, bulge_axis_ratio, galaxy.angle)
    bulge = light.sersic(bulge_plane, max(size * galaxy.bulge_size, MIN_SCALE), galaxy.sersic_n)
    bands = np.float32(share) * bulge * _component_colour(galaxy, -galaxy.gradient * (1 - share))
    if share == 1:
        return bands
    disc = light.plane(shape, centre, galaxy.axis_ratio, galaxy.angle)
    return (
        bands + _disc(galaxy, disc, size, (1 - share) * (1 - galaxy.bar), rng) + _bar(galaxy, disc, size, rng)
    )


def _disc(galaxy: Galaxy, disc: Plane, size: float, share: float, rng: np.random.Generator) -> Array:
    """Renders an exponential disc with part of its light in arms of young blue stars."""
    radius = size * 1.15 if galaxy.bulge_share > 0.05 else size
    smooth = light.sersic(disc, radius, 1.0)
    # The total colour is fixed: blue arms make the rest of the disc redder.
    old = _component_colour(galaxy, galaxy.gradient * galaxy.bulge_share - ARM_COLOUR * galaxy.contrast)
    if galaxy.arms == 0:
        return np.float32(share) * smooth * old
    length = radius / light.sersic_b(1.0)
    arms = light.spiral_arms(
        disc,
        scale_length=length,
        arms=galaxy.arms,
        pitch=galaxy.pitch,
        winding=galaxy.winding,
        sharpness=galaxy.sharpness,
        phase=rng.uniform(0, 2 * np.pi),
        ripple=light.ripples(disc, rng, length, 0.9 * galaxy.disturbance),
    )
    # Arms start outside the bulge or bar and end inside the edge of the disc.
    reach = disc.radius / np.float32(length)
    envelope = expit((reach - 0.9) * 6) * expit((4.5 - reach) * 2)
    amount = np.float32(galaxy.contrast) * envelope
    young = _component_colour(
        galaxy, galaxy.gradient * galaxy.bulge_share + ARM_COLOUR * (1 - galaxy.contrast)
    )
    return np.float32(share) * smooth * ((1 - amount) * old + amount * arms * young)


def _bar(galaxy: Galaxy, disc: Plane, size: float, rng: np.random.Generator) -> Array | float:
    """Renders a bar in the disc's plane: a flat-topped Sersic profile (n = 0.5) of axis ratio 1 / 3.2."""
    if galaxy.bar == 0:
        return 0.0
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    bar_plane = Plane(
        u=disc.u * cos + disc.v * sin, v=(disc.v * cos - disc.u * sin) * np.float32(3.2), axis_ratio=1 / 3.2
    )
    bar = light.sersic(bar_plane, max(0.5 * size, MIN_SCALE), 0.5) / np.float32(disc.axis_ratio)
    return (
        np.float32(galaxy.bar * (1 - galaxy.bulge_share))
        * bar
        * _component_colour(galaxy, -0.5 * galaxy.gradient)
    )


def _edge_on(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Renders an edge-on disc with a bulge and a dust lane."""
    disc = light.plane(shape, centre, 1.0, galaxy.angle)
    length = 1.15 * size / light.sersic_b(1.0)
    height = max(galaxy.axis_ratio * length * 1.2, MIN_SCALE)
    bands = (
        np.float32(1 - galaxy.bulge_share)
        * light.edge_on_disc(disc, length, height)
        * _component_colour(galaxy, 0.0)
    )
    if galaxy.bulge_share > 0:
        bulge_plane = light.plane(shape, centre, rng.uniform(0.55, 0.85), galaxy.angle)
        bulge = light.sersic(bulge_plane, max(size * galaxy.bulge_size, MIN_SCALE), galaxy.sersic_n)
        bands = bands + np.float32(galaxy.bulge_share) * bulge * _component_colour(galaxy, -galaxy.gradient)
    if galaxy.dust > 0:
        depth = light.dust_lane(
            disc,
            depth=galaxy.dust,
            height=0.35 * height,
            length=1.6 * length,
            offset=rng.normal(0, 0.25) * height,
        )
        bands = bands * np.exp(-depth * EXTINCTION[:, None, None])
    return bands


def _irregular(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Renders a lopsided disc without a bulge, with knots of young stars."""
    disc = light.plane(shape, centre, galaxy.axis_ratio, galaxy.angle)
    length = size / light.sersic_b(1.0)
    ragged = np.exp(light.ripples(disc, rng, length, 0.5 * galaxy.disturbance))
    direction = rng.uniform(0, 2 * np.pi)
    along = disc.u * np.float32(np.cos(direction)) + disc.v * np.float32(np.sin(direction))
    lopsided = 1 + np.float32(0.9 * galaxy.disturbance) * np.tanh(along / np.float32(size))
    knots = light.clumps(
        disc,
        rng,
        count=int(rng.integers(4, 16)),
        spread=0.75 * size,
        size=(max(0.05 * size, MIN_SCALE), max(0.22 * size, MIN_SCALE)),
    )
    knot_share = np.float32(0.1 + 0.3 * galaxy.disturbance)
    smooth = light.sersic(disc, size, rng.uniform(0.6, 1.1)) * ragged * lopsided
    bands: Array = (1 - knot_share) * smooth * _component_colour(
        galaxy, 0.0
    ) + knot_share * knots * _component_colour(galaxy, 0.2)
    return bands + _bar(galaxy, disc, size, rng)


def _merger(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Renders two nuclei in a common envelope, with tidal tails."""
    main = _disc_galaxy(galaxy, shape, centre, 0.8 * size, rng)
    direction = rng.uniform(0, 2 * np.pi)
    distance = galaxy.separation * size
    companion_centre = (centre[0] + distance * np.cos(direction), centre[1] - distance * np.sin(direction))
    companion_plane = light.plane(shape, companion_centre, rng.uniform(0.4, 0.95), rng.uniform(0, np.pi))
    companion_size = max(size * rng.uniform(0.35, 0.7), MIN_SCALE)
    companion = light.sersic(companion_plane, companion_size, float(rng.choice([1.0, 2.0, 4.0])))
    share = np.float32(galaxy.companion_share)
    bands = (1 - share) * main + share * companion * _component_colour(galaxy, rng.normal(0.0, 0.1))
    orbit = light.plane(shape, centre, rng.uniform(0.6, 1.0), direction)
    winding = int(rng.choice([-1, 1]))
    for side in range(int(rng.integers(1, 3))):
        tail = light.tidal_tail(
            orbit,
            start=1.3 * size,
            length=rng.uniform(1.5, 3.5) * size,
            width=max(0.22 * size, MIN_SCALE),
            pitch=np.deg2rad(rng.uniform(15, 45)),
            winding=winding,
            angle=side * np.pi + rng.normal(0.0, 0.4),
        )
        # The surface brightness of a tail is a few per cent of the galaxy's mean.
        brightness = 0.22 * galaxy.disturbance * rng.uniform(0.5, 1.0) / (2 * np.pi * size**2)
        bands = bands + np.float32(brightness) * tail * _component_colour(galaxy, 0.12)
    return bands
