"""From a galaxy's parameters to its light in the g, r and i bands."""

from typing import Final

import numpy as np
from scipy.special import expit

from data_prep.simulate import light
from data_prep.simulate.galaxies import Galaxy
from data_prep.simulate.light import Array, Plane

EXTINCTION: Final = np.array([1.45, 1.0, 0.74], np.float32)
"""Dust's optical depth in g, r and i over that in r (Cardelli, Clayton & Mathis 1989, R_V = 3.1)."""

ARM_COLOUR: Final = 0.25
"""How much bluer in g - r arms are than the disc between them [mag]."""

SHORTEST: Final = 0.6
"""No scale of a profile is drawn smaller than this [pixels]: it could not be sampled, nor seen."""


def galaxy_bands(galaxy: Galaxy, side: int, pixel_scale: float, rng: np.random.Generator) -> Array:
    """Draws a galaxy in the middle of an image, unblurred.

    Args:
        galaxy: Its parameters.
        side: Side of the image [pixels].
        pixel_scale: [arcsec per pixel].
        rng: Draws what the parameters leave open: knots, ragged arms, tails.

    Returns:
        Light in g, r and i [nanomaggies per pixel], shape ``[3, side, side]``.
    """
    size = galaxy.half_light_radius / pixel_scale
    centre = ((side - 1) / 2 + rng.uniform(-0.5, 0.5), (side - 1) / 2 + rng.uniform(-0.5, 0.5))
    draw = {"edge-on": _edge_on, "irregular": _irregular, "merger": _merger}.get(galaxy.shape, _disc_galaxy)
    return np.float32(galaxy.flux) * draw(galaxy, (side, side), centre, size, rng)


def colour(g_r: float, r_i: float) -> Array:
    """Fluxes in g, r and i over that in r, shape ``[3, 1, 1]``, of a colour [mag]."""
    return np.array([10 ** (-0.4 * g_r), 1.0, 10 ** (0.4 * r_i)], np.float32)[:, None, None]


def _tint(galaxy: Galaxy, bluer: float) -> Array:
    """Colour of a part of a galaxy that is ``bluer`` [mag in g - r] than the whole; negative is redder."""
    return colour(galaxy.g_r - bluer, galaxy.r_i - 0.4 * bluer)


def _disc_galaxy(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Ellipticals, lenticulars and spirals: a bulge and, where there is one, a disc with bar and arms."""
    share = galaxy.bulge_share
    # A bulge is rounder than its disc.
    flattening = galaxy.axis_ratio if share == 1 else 1 - 0.6 * (1 - galaxy.axis_ratio)
    round_plane = light.plane(shape, centre, flattening, galaxy.angle)
    bulge = light.sersic(round_plane, max(size * galaxy.bulge_size, SHORTEST), galaxy.sersic_n)
    bands = np.float32(share) * bulge * _tint(galaxy, -galaxy.gradient * (1 - share))
    if share == 1:
        return bands
    disc = light.plane(shape, centre, galaxy.axis_ratio, galaxy.angle)
    return (
        bands + _disc(galaxy, disc, size, (1 - share) * (1 - galaxy.bar), rng) + _bar(galaxy, disc, size, rng)
    )


def _disc(galaxy: Galaxy, disc: Plane, size: float, share: float, rng: np.random.Generator) -> Array:
    """An exponential disc, part of whose light gathers in arms of young blue stars."""
    radius = size * 1.15 if galaxy.bulge_share > 0.05 else size
    smooth = light.sersic(disc, radius, 1.0)
    # What makes the arms bluer than the whole makes the rest redder.
    old = _tint(galaxy, galaxy.gradient * galaxy.bulge_share - ARM_COLOUR * galaxy.contrast)
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
    # Arms begin outside the bulge or bar, and run out before the disc does.
    reach = disc.radius / np.float32(length)
    envelope = expit((reach - 0.9) * 6) * expit((4.5 - reach) * 2)
    amount = np.float32(galaxy.contrast) * envelope
    young = _tint(galaxy, galaxy.gradient * galaxy.bulge_share + ARM_COLOUR * (1 - galaxy.contrast))
    return np.float32(share) * smooth * ((1 - amount) * old + amount * arms * young)


def _bar(galaxy: Galaxy, disc: Plane, size: float, rng: np.random.Generator) -> Array | float:
    """A bar: a flat-topped Sersic profile (n = 0.5), three times as long as broad, in the disc's plane."""
    if galaxy.bar == 0:
        return 0.0
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    turned = Plane(
        u=disc.u * cos + disc.v * sin, v=(disc.v * cos - disc.u * sin) * np.float32(3.2), axis_ratio=1 / 3.2
    )
    bar = light.sersic(turned, max(0.5 * size, SHORTEST), 0.5) / np.float32(disc.axis_ratio)
    return np.float32(galaxy.bar * (1 - galaxy.bulge_share)) * bar * _tint(galaxy, -0.5 * galaxy.gradient)


def _edge_on(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """A disc seen from the side, with a bulge and a dust lane."""
    disc = light.plane(shape, centre, 1.0, galaxy.angle)
    length = 1.15 * size / light.sersic_b(1.0)
    height = max(galaxy.axis_ratio * length * 1.2, SHORTEST)
    bands = np.float32(1 - galaxy.bulge_share) * light.edge_on_disc(disc, length, height) * _tint(galaxy, 0.0)
    if galaxy.bulge_share > 0:
        bulge = light.plane(shape, centre, rng.uniform(0.55, 0.85), galaxy.angle)
        profile = light.sersic(bulge, max(size * galaxy.bulge_size, SHORTEST), galaxy.sersic_n)
        bands = bands + np.float32(galaxy.bulge_share) * profile * _tint(galaxy, -galaxy.gradient)
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
    """A lopsided disc without a bulge, strewn with knots of young stars."""
    disc = light.plane(shape, centre, galaxy.axis_ratio, galaxy.angle)
    length = size / light.sersic_b(1.0)
    ragged = np.exp(light.ripples(disc, rng, length, 0.5 * galaxy.disturbance))
    towards = rng.uniform(0, 2 * np.pi)
    across = (disc.u * np.float32(np.cos(towards)) + disc.v * np.float32(np.sin(towards))) / np.float32(size)
    lopsided = 1 + np.float32(0.9 * galaxy.disturbance) * np.tanh(across)
    knots = light.clumps(
        disc,
        rng,
        count=int(rng.integers(4, 16)),
        spread=0.75 * size,
        size=(max(0.05 * size, SHORTEST), max(0.22 * size, SHORTEST)),
    )
    in_knots = np.float32(0.1 + 0.3 * galaxy.disturbance)
    smooth = light.sersic(disc, size, rng.uniform(0.6, 1.1)) * ragged * lopsided
    bands: Array = (1 - in_knots) * smooth * _tint(galaxy, 0.0) + in_knots * knots * _tint(galaxy, 0.2)
    return bands + _bar(galaxy, disc, size, rng)


def _merger(
    galaxy: Galaxy, shape: tuple[int, int], centre: tuple[float, float], size: float, rng: np.random.Generator
) -> Array:
    """Two nuclei in a common envelope, with tidal tails."""
    first = _disc_galaxy(galaxy, shape, centre, 0.8 * size, rng)
    towards = rng.uniform(0, 2 * np.pi)
    distance = galaxy.separation * size
    place = (centre[0] + distance * np.cos(towards), centre[1] - distance * np.sin(towards))
    other = light.plane(shape, place, rng.uniform(0.4, 0.95), rng.uniform(0, np.pi))
    companion_size = max(size * rng.uniform(0.35, 0.7), SHORTEST)
    second = light.sersic(other, companion_size, float(rng.choice([1.0, 2.0, 4.0])))
    share = np.float32(galaxy.companion_share)
    bands = (1 - share) * first + share * second * _tint(galaxy, rng.normal(0.0, 0.1))
    orbit = light.plane(shape, centre, rng.uniform(0.6, 1.0), towards)
    winding = int(rng.choice([-1, 1]))
    for side in range(int(rng.integers(1, 3))):
        tail = light.tidal_tail(
            orbit,
            start=1.3 * size,
            length=rng.uniform(1.5, 3.5) * size,
            width=max(0.22 * size, SHORTEST),
            pitch=np.deg2rad(rng.uniform(15, 45)),
            winding=winding,
            angle=side * np.pi + rng.normal(0.0, 0.4),
        )
        # The tail is as bright as a few per cent of the mean surface brightness of the whole.
        brightness = 0.22 * galaxy.disturbance * rng.uniform(0.5, 1.0) / (2 * np.pi * size**2)
        bands = bands + np.float32(brightness) * tail * _tint(galaxy, 0.12)
    return bands
