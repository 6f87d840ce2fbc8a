"""Images of elliptical Gaussian galaxies of known size, shape, colour and surroundings."""

import numpy as np

SKY = (20, 22, 25)
PEAK = (130, 95, 60)
"""Brightness of the sky and of the galaxy's centre above it: red, green and blue."""


def make_galaxy(side=112, sigma=8.0, axis_ratio=0.6, peak=PEAK, sky=SKY, noise=2.0, neighbours=(), seed=0):
    """Returns an image; ``neighbours`` are places of smaller galaxies, relative to the centre."""
    generator = np.random.default_rng(seed)
    light = _gaussian(side, 0, 0, sigma, axis_ratio)
    for x, y in neighbours:
        light = light + 0.5 * _gaussian(side, x, y, 3, 1)
    image = np.array(sky[: len(peak)]) + light[..., None] * np.array(peak)
    image = image + generator.normal(0, noise, image.shape)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def magnitudes(one, other):
    """The colour ``one`` minus ``other`` of two fluxes."""
    return -2.5 * np.log10(one / other)


def _gaussian(side, x, y, sigma, axis_ratio):
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    along = (columns - x) * np.cos(0.5) + (rows - y) * np.sin(0.5)
    across = (rows - y) * np.cos(0.5) - (columns - x) * np.sin(0.5)
    return np.exp(-(along**2 + (across / axis_ratio) ** 2) / (2 * sigma**2))
