"""Renders cutouts as in SDSS: the galaxy, its neighbours, blur, noise, colours and JPEG compression."""

import io
from typing import Final

import numpy as np
import scipy.fft
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray
from PIL import Image

from data_prep.schema import CUTOUT_PX
from data_prep.simulate import light
from data_prep.simulate.galaxies import Galaxy
from data_prep.simulate.light import Array
from data_prep.simulate.scene import flux_ratios, render_galaxy

SDSS_PIXEL: Final = 0.396
"""Pixel scale of the SDSS camera [arcsec per pixel] (Gunn et al. 1998)."""

ZOOM: Final = 0.02
"""Pixel scale of a Galaxy Zoo 2 cutout, in units of the galaxy's Petrosian radius (Willett et al. 2013)."""

MARGIN: Final = 12
"""Margin rendered around the cutout [pixels], since the blur wraps around at the edges."""

WING_SHARE: Final = 0.13
WING_WIDTH: Final = 2.6
"""Share of the light in the wide Gaussian of the point-spread function, and its width relative to the narrow
one."""

REGISTRATION: Final = 0.15
"""Standard deviation of the offsets between bands [pixels], which gives small galaxies coloured rims."""

SKY_NOISE: Final = np.array([0.022, 0.030, 0.042], np.float32)
"""Typical standard deviation of the sky in g, r and i [nanomaggies per pixel]; matches SDSS cutouts."""

ELECTRONS: Final = 900.0
"""Electrons per nanomaggy, for the photon noise of bright sources."""

BAND_WEIGHTS: Final = np.array([7.8, 5.7, 4.9], np.float32)
"""Weights of g, r and i in SDSS colour images (IDL code of Wherry, Blanton & Hogg 2004)."""

STRETCH: Final = 4.6
SOFTENING: Final = 6.4
"""Stretch and softening Q of the asinh scale of Lupton et al. (2004) for weighted nanomaggies per pixel,
matched to SDSS images in sky, outskirts and centres."""

BRIGHT_STAR_SHARE: Final = 0.05
"""Share of cutouts with a star so bright that its halo and spikes are visible."""

STARS_PER_ARCMIN2: Final = 4.0
GALAXIES_PER_ARCMIN2: Final = 7.0
"""Surface densities of stars and background galaxies brighter than about 22.5 mag in r."""


def render_cutout(galaxy: Galaxy, rng: np.random.Generator) -> bytes:
    """Renders the cutout of a galaxy.

    The field is rendered, coloured and compressed in the camera's pixels, and only then resized to the
    cutout's, as in the SDSS cutout service. Small galaxies thus have coarse noise and the artefacts of both
    compressions.

    Args:
        galaxy: The galaxy at the centre.
        rng: The random number generator of everything else.

    Returns:
        The content of a JPEG file of :data:`~data_prep.schema.CUTOUT_PX` pixels a side.
    """
    scale = ZOOM * galaxy.r90 * np.exp(rng.normal(0.0, 0.12))
    side = round(CUTOUT_PX * scale / SDSS_PIXEL)
    bands = render_galaxy(galaxy, side + 2 * MARGIN, SDSS_PIXEL, rng)
    _add_background_galaxies(bands, rng)
    _add_stars(bands, rng)
    # The seeing is slightly worse in the blue, and the bands are not perfectly aligned.
    seeing = np.clip(rng.normal(1.32, 0.13), 1.0, 1.9) / SDSS_PIXEL
    bands = blur(bands, seeing * np.array([1.08, 1.0, 0.96]), rng.normal(0.0, REGISTRATION, (3, 2)))
    if rng.random() < BRIGHT_STAR_SHARE:
        _add_bright_star(bands, seeing, rng)
    bands = bands[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return _compress_and_resize(_make_rgb(_add_noise(bands, rng)))


def blur(bands: Array, fwhm: NDArray[np.float64], shifts: NDArray[np.float64]) -> Array:
    """Shifts images and convolves them with a point-spread function of two Gaussians (Stoughton et al. 2002).

    Args:
        bands: One image per band, shape ``[B, H, W]``; the edges wrap around.
        fwhm: Full width at half maximum of the narrow Gaussian in each band [pixels], shape ``[B]``.
        shifts: Offset of each band in y and x [pixels], shape ``[B, 2]``.

    Returns:
        The blurred and shifted images, shape ``[B, H, W]``.
    """
    height, width = bands.shape[-2:]
    spectrum = scipy.fft.rfft2(bands)
    y = scipy.fft.fftfreq(height).astype(np.float32)[:, None]
    x = scipy.fft.rfftfreq(width).astype(np.float32)
    square = y**2 + x**2
    for band, sigma, (down, right) in zip(spectrum, fwhm / np.sqrt(8 * np.log(2)), shifts, strict=True):
        narrow = np.exp(np.float32(-2 * (np.pi * sigma) ** 2) * square)
        wide = np.exp(np.float32(-2 * (np.pi * WING_WIDTH * sigma) ** 2) * square)
        band *= (1 - np.float32(WING_SHARE)) * narrow + np.float32(WING_SHARE) * wide
        band *= np.exp(np.complex64(-2j * np.pi * down) * y) * np.exp(np.complex64(-2j * np.pi * right) * x)
    blurred: Array = scipy.fft.irfft2(spectrum, s=(height, width))
    return blurred


def _draw_count(density: float, side: int, rng: np.random.Generator) -> int:
    """Draws the number of sources in a field, for a density [per square arcmin]."""
    return int(rng.poisson(density * (side * SDSS_PIXEL / 60) ** 2))


def _draw_magnitudes(
    count: int, brightest: float, slope: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draws magnitudes m up to 22.5, with number counts proportional to 10^(slope m)."""
    steep = slope * np.log(10)
    lowest = np.exp(steep * (brightest - 22.5))
    magnitudes: NDArray[np.float64] = 22.5 + np.log(rng.uniform(lowest, 1.0, count)) / steep
    return magnitudes


def _add_stars(bands: Array, rng: np.random.Generator) -> None:
    """Adds stars as point sources, each distributed over the four nearest pixels."""
    side = bands.shape[-1]
    count = _draw_count(STARS_PER_ARCMIN2 * np.exp(rng.normal(0.0, 0.5)), side, rng)
    fluxes = 10 ** (0.4 * (22.5 - _draw_magnitudes(count, 15.0, 0.2, rng)))
    # 40% are red M dwarfs; the others range from solar-type stars to bluer turn-off stars of the halo.
    g_r = np.where(rng.random(count) < 0.4, rng.normal(1.35, 0.1, count), rng.uniform(0.15, 0.9, count))
    r_i = np.where(g_r > 1.2, rng.uniform(0.5, 1.2, count), 0.35 * g_r)
    for flux, blue, red in zip(fluxes, g_r, r_i, strict=True):
        x, y = rng.uniform(0, side - 1.001, 2)
        column, row = int(x), int(y)
        shares = np.outer([1 - y + row, y - row], [1 - x + column, x - column]).astype(np.float32)
        bands[:, row : row + 2, column : column + 2] += np.float32(flux) * flux_ratios(blue, red) * shares


def _add_background_galaxies(bands: Array, rng: np.random.Generator) -> None:
    """Adds small faint galaxies, each rendered in a small part of the image."""
    side = bands.shape[-1]
    count = _draw_count(GALAXIES_PER_ARCMIN2, side, rng)
    for magnitude in _draw_magnitudes(count, 17.5, 0.4, rng):
        radius = 0.9 * np.exp(rng.normal(0.0, 0.4)) * 10 ** (0.12 * (21.5 - magnitude)) / SDSS_PIXEL
        half = int(np.ceil(6 * radius)) + 2
        x, y = rng.uniform(0, side, 2)
        left, top = max(int(x) - half, 0), max(int(y) - half, 0)
        stamp = bands[:, top : int(y) + half, left : int(x) + half]
        disc = light.plane(stamp.shape[1:], (x - left, y - top), rng.uniform(0.3, 1.0), rng.uniform(0, np.pi))
        g_r = rng.uniform(0.3, 1.5)
        profile = light.sersic(disc, radius, float(rng.choice([1.0, 2.0])))
        stamp += np.float32(10 ** (0.4 * (22.5 - magnitude))) * profile * flux_ratios(g_r, 0.4 * g_r)


def _add_bright_star(bands: Array, fwhm: float, rng: np.random.Generator) -> None:
    """Adds a star with a Moffat (1969) core, a wide halo of a different colour, and diffraction spikes."""
    side = bands.shape[-1]
    # Away from the centre, and possibly just outside the image.
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.25, 0.65) * side
    position = (side / 2 + distance * np.cos(angle), side / 2 + distance * np.sin(angle))
    plane = light.plane((side, side), position, 1.0, rng.uniform(0, np.pi / 2))
    radius = plane.radius
    core = (1 + (radius / np.float32(0.9 * fwhm)) ** 2) ** np.float32(-2.5)
    halo = np.exp(-radius / np.float32(rng.uniform(15, 45)))
    spikes = sum(
        np.exp(-np.abs(across) / np.float32(0.8) - np.abs(along) / np.float32(rng.uniform(10, 40)))
        for across, along in ((plane.u, plane.v), (plane.v, plane.u))
    )
    flux = np.float32(10 ** rng.uniform(1.4, 2.3))
    colour = flux_ratios(rng.uniform(0.2, 1.5), rng.uniform(0.0, 0.8))
    # The share of scattered light differs between bands, which changes the colour of the halo.
    scatter = np.exp(rng.normal(-5.2, 0.7, 3)).astype(np.float32)[:, None, None]
    bands += flux * colour * (core + np.float32(0.015) * spikes + scatter * halo)


def _add_noise(bands: Array, rng: np.random.Generator) -> Array:
    """Adds sky noise, photon noise and the residual of the sky subtraction."""
    level = SKY_NOISE * np.exp(rng.normal(0.0, 0.15) + rng.normal(0.0, 0.07, 3)).astype(np.float32)
    variance = level[:, None, None] ** 2 + np.maximum(bands, 0) / np.float32(ELECTRONS)
    noise = rng.standard_normal(bands.shape, np.float32) * np.sqrt(variance)
    offset = (SKY_NOISE * rng.normal(0.2, 0.25, 3)).astype(np.float32)[:, None, None]
    return bands + noise + offset


def _make_rgb(bands: Array) -> Image.Image:
    """Maps i, r and g to red, green and blue on the asinh scale of Lupton et al. (2004)."""
    blue, green, red = bands * BAND_WEIGHTS[:, None, None]
    # A pixel without light causes a division by zero and is then set to black.
    with np.errstate(invalid="ignore"):
        rgb = make_lupton_rgb(red, green, blue, minimum=0.0, stretch=STRETCH, Q=SOFTENING)
    return Image.fromarray(rgb)


def _compress_and_resize(image: Image.Image) -> bytes:
    """Compresses the image in the camera's pixels, resizes it to the cutout's, and compresses it again."""
    first = io.BytesIO()
    image.save(first, "JPEG", quality=82)
    resized = Image.open(first).resize((CUTOUT_PX, CUTOUT_PX), Image.Resampling.BICUBIC)
    second = io.BytesIO()
    resized.save(second, "JPEG", quality=75)
    return second.getvalue()
