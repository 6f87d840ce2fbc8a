"""Reads the image of a galaxy from any file, or from a file per band, as 8-bit pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.images.cutouts import (
    Cutout,
    ImageError,
    grey_pixels,
    open_image,
    read_cutout,
    rgb_pixels,
)
from data_prep.images.fits_format import is_fits
from data_prep.images.image_settings import ImageSettings
from data_prep.images.pixel_scale import scales_agree
from data_prep.images.scaling import SAME, cut_centre, cut_margins
from data_prep.images.stretch import Planes, Stretch
from data_prep.images.stretch_fit import fit_stretch, needs_sample, thin_out

SAMPLED: Final = 64
"""Number of images from which a stretch is found."""

_MAX_ATTEMPTS: Final = 4 * SAMPLED


@dataclass(frozen=True)
class LoadedImage:
    """The pixels of a galaxy, and how they were made.

    Attributes:
        pixels: ``[crop, crop, C]``, uint8.
        blank: Number of pixels, before resampling, without a finite value in some band; they are black there.
        scale: The pixel scale of the file in arcsec, before resampling: that of its WCS, which is read only
            if there is a target scale, or else that of the settings; None if unknown.
    """

    pixels: Cutout
    blank: int = 0
    scale: float | None = None


def read_image(files: Path | Sequence[Path], settings: ImageSettings) -> Cutout:
    """Reads the image of a galaxy as 8-bit pixels.

    The format is recognised by the content. JPEG, PNG, TIFF, WebP, BMP, GIF and PPM are read as by
    ``read_cutout``, with three bands or one: a grey image with three bands becomes grey RGB, and one with one
    band stays grey. FITS files are read as by ``read_fits``. With a stretch, the values of 16-bit, 32-bit and
    float greyscale TIFFs and PNGs are stretched too, and images with 8 bits are refused: they would have
    another brightness than the others.

    Args:
        files: The image file; or one file for each band, in the order of the bands.
        settings: How the files become pixels.

    Returns:
        ``[crop, crop, C]``, uint8.

    Raises:
        ImageError: A file is damaged, too small, or does not fit the settings.
    """
    return load_image(files, settings).pixels


def load_image(files: Path | Sequence[Path], settings: ImageSettings) -> LoadedImage:
    """Reads the image of a galaxy as ``read_image`` does, and tells how.

    Args:
        files: The image file; or one file for each band, in the order of the bands.
        settings: How the files become pixels.

    Raises:
        ImageError: A file is damaged, too small, or does not fit the settings.
    """
    paths = [files] if isinstance(files, Path) else list(files)
    if len(paths) == 1 and len(settings.bands) == 3 and settings.stretch is None and not settings.scales:
        return LoadedImage(read_cutout(paths[0], settings.crop), scale=settings.pixel_scale)
    values, scale = _read(paths, settings, floats=settings.stretch is not None)
    if settings.stretch is not None and values.dtype == np.uint8:
        raise ImageError("8-bit pixels, unlike the other images, whose values are stretched")
    factor = _scale_factor(values.shape, scale, settings)
    values = cut_margins(values, settings.crop, factor)
    if settings.stretch is None:
        return LoadedImage(cut_centre(values, settings.crop, factor), scale=scale)
    filled, blank = settings.stretch.fill_blank(values)
    if blank == values[..., 0].size and not np.isfinite(values).any():
        raise ImageError("all its pixels are blank")
    return LoadedImage(settings.stretch.apply(cut_centre(filled, settings.crop, factor)), blank, scale)


def read_scale(path: Path, settings: ImageSettings) -> float | None:
    """Returns the pixel scale of an image file in arcsec: that of its header, or else of the settings.

    Args:
        path: The image file.
        settings: The settings of the images.

    Raises:
        ImageError: The file is a damaged FITS file, or its pixels are not square.
    """
    if not is_fits(path):
        return settings.pixel_scale
    from data_prep.images.fits_images import read_fits_scale  # As above.

    scale = read_fits_scale(path)
    return settings.pixel_scale if scale is None else scale


def find_stretch(
    images: Sequence[Path | Sequence[Path]],
    settings: ImageSettings,
    name: str,
    parameters: Mapping[str, float | Sequence[float]] | None = None,
    *,
    seed: int = 0,
) -> Stretch:
    """Returns a stretch with all parameters: those that are given, and the others from a sample of images.

    Args:
        images: The file, or the file for each band, of each image. ``SAMPLED`` of them are drawn.
        settings: The settings of the images; a stretch in them is ignored.
        name: ``lupton``, ``asinh`` or ``linear``.
        parameters: The given parameters; see :func:`data_prep.images.stretch_fit.fit_stretch`.
        seed: The seed of the sample.

    Raises:
        GalaxyError: The stretch or a parameter is unknown or invalid, or no sampled image can be stretched.
    """
    needed = needs_sample(name, parameters)
    wanted, only_8_bit = SAMPLED if needed else 1, len(images) > 0
    sample: list[Planes] = []
    reason = "there are no images"
    for row in np.random.default_rng(seed).permutation(len(images))[:_MAX_ATTEMPTS].tolist():
        files = images[row]
        paths = [files] if isinstance(files, Path) else list(files)
        try:
            values, _ = _read(paths, settings, floats=True)
        except ImageError as error:
            reason, only_8_bit = f"{paths[0]}: {error}", False
            continue
        if values.dtype == np.uint8:
            reason = f"{paths[0]} has 8-bit pixels, which need no stretch: leave out --stretch"
        elif np.isfinite(values).any():
            sample.append(thin_out(values).copy())
        if len(sample) == wanted:
            break
    if not sample and (needed or only_8_bit):
        raise GalaxyError(f"no image from which the stretch {name} can be found: {reason}")
    return fit_stretch(name, sample, parameters, bands=len(settings.bands))


def _scale_factor(shape: tuple[int, ...], scale: float | None, settings: ImageSettings) -> float:
    """Returns the number of pixels of an image per pixel of the result."""
    side = min(shape[:2])
    if settings.size is not None:
        return side / settings.size
    if settings.target_scale is None:
        return 1.0
    if scale is None:
        raise ImageError(
            "no celestial coordinates (WCS) that tell the pixel scale: state it with --pixel-scale of "
            "preprocess, or --data.pixel_scale of predict"
        )
    factor = settings.target_scale / scale
    if settings.crop * factor > side * (1 + SAME):
        raise ImageError(
            f"covers {side * scale:.4g} arcsec, smaller than the crop of {settings.crop} pixels x "
            f"{settings.target_scale:.4g} arcsec"
        )
    return factor


def _read(
    paths: Sequence[Path], settings: ImageSettings, *, floats: bool
) -> tuple[npt.NDArray[Any], float | None]:
    """Reads the values of an image before scaling.

    Args:
        paths: The file, or the file of each band.
        settings: The settings.
        floats: Whether values other than 8-bit pixels are read, as float32; otherwise they are refused.

    Returns:
        ``[H, W, C]``, uint8 or float32, and the pixel scale in arcsec.
    """
    bands = settings.bands
    if len(paths) == 1:
        values, scale = _read_file(paths[0], bands, settings, floats=floats)
        return values, settings.pixel_scale if scale is None else scale
    if len(paths) != len(bands):
        raise ImageError(f"{len(paths)} files, not one for each of the {len(bands)} bands")
    parts, scales = [], []
    for path, band in zip(paths, bands, strict=True):
        try:
            values, scale = _read_file(path, [band], settings, floats=floats)
        except ImageError as error:
            raise ImageError(f"{path.name}: {error}") from None
        scale = settings.pixel_scale if scale is None else scale
        parts.append(values[..., 0])
        scales.append(scale)
        if values.shape != (*parts[0].shape, 1):
            raise ImageError(
                f"{path.name}: {values.shape[1]} x {values.shape[0]} pixels, "
                f"but {paths[0].name} has {parts[0].shape[1]} x {parts[0].shape[0]}"
            )
        if values.dtype != parts[0].dtype:
            raise ImageError(f"{path.name} and {paths[0].name}: only one of them has 8-bit pixels")
        if scales[0] != scale and not (scale and scales[0] and scales_agree(scale, scales[0])):
            raise ImageError(
                f"{path.name} and {paths[0].name}: pixel scales of {_format(scale)} and {_format(scales[0])}"
            )
    return np.moveaxis(np.stack(parts), 0, -1), scales[0]


def _read_file(
    path: Path, bands: Sequence[str], settings: ImageSettings, *, floats: bool
) -> tuple[npt.NDArray[Any], float | None]:
    """Reads the values of one file, which has the given bands; of FITS files only what is needed."""
    if floats and is_fits(path):
        from data_prep.images.fits_images import read_fits  # Slow to import, and only needed for FITS files.

        # If there is one file per band, the sizes of the files are compared.
        whole = settings.scales or len(bands) < len(settings.bands)
        image = read_fits(
            path, bands, None if whole else settings.crop, with_scale=settings.target_scale is not None
        )
        return image.planes, image.scale
    with open_image(path) as opened:
        if floats and (opened.mode.startswith("I") or opened.mode == "F"):
            if len(bands) != 1:
                raise ImageError(f"1 band, not {len(bands)}")
            return np.asarray(opened, dtype=np.float32)[..., None], None
        if len(bands) not in (1, 3):
            raise ImageError(f"{len(opened.getbands())} bands, not {len(bands)}")
        return (grey_pixels if len(bands) == 1 else rgb_pixels)(opened), None


def _format(scale: float | None) -> str:
    return "unknown value" if scale is None else f"{scale:.5g} arcsec"
