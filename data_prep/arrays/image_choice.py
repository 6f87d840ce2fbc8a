"""Chooses how the image files of a sample become pixels: bands, stretch and scale."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.images.band_files import BAND_SEPARATOR
from data_prep.images.cutouts import ImageError
from data_prep.images.fits_format import is_fits
from data_prep.images.image_reader import find_stretch, read_scale
from data_prep.images.image_settings import ImageSettings
from data_prep.images.pixel_scale import scales_agree
from data_prep.images.stretch import PARAMETERS
from data_prep.schema import COLOURS, CROP_PX

FilesOfImage = tuple[Path, ...]
"""The file of an image, or its file in each band."""
_INSPECTED: Final = 32
"""Number of images that are inspected for their format and their pixel scale."""


@dataclass(frozen=True)
class ImageOptions:
    """How image files become pixels, as far as the user says; see :func:`choose_settings`.

    Attributes:
        crop: The side of the centre crop in pixels; by default ``size``, or that of Galaxy Zoo's images.
        size: The side to which images are scaled before the crop.
        bands: The names of the bands; by default those of a FITS file, or red, green and blue.
        stretch: The name of the stretch; by default ``lupton`` for FITS images of three bands, ``asinh`` for
            others, and none for images that are not FITS.
        parameters: Parameters of the stretch; the others are found from a sample of the images.
        pixel_scale: The pixel scale of the files in arcsec per pixel, if they have no WCS.
        target_scale: The pixel scale to which images are resampled.
    """

    crop: int | None = None
    size: int | None = None
    bands: Sequence[str] = ()
    stretch: str | None = None
    parameters: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    pixel_scale: float | None = None
    target_scale: float | None = None


def choose_settings(
    images: Sequence[FilesOfImage], options: ImageOptions, pattern: str | None = None
) -> ImageSettings:
    """Chooses the settings of images; what is not given follows from the first images.

    Args:
        images: ``N`` images.
        options: What the user says.
        pattern: The names of the files, if there is one per band.

    Raises:
        GalaxyError: A setting is invalid, or the stretch cannot be found.
    """
    first_fits = next((files[0] for files in images[:_INSPECTED] if is_fits(files[0])), None)
    if not options.bands and images and len(images[0]) > 1:
        raise GalaxyError(f"the images have {len(images[0])} files each: name their bands with --bands")
    bands = options.bands or (COLOURS if first_fits is None else _bands_of(first_fits))
    stretch = options.stretch
    if stretch is None and (first_fits is not None or options.parameters):
        stretch = "lupton" if len(bands) == len(COLOURS) else "asinh"
    settings = ImageSettings(
        crop=next(side for side in (options.crop, options.size, CROP_PX) if side is not None),
        size=options.size,
        bands=tuple(bands),
        pattern=pattern,
        pixel_scale=options.pixel_scale,
        target_scale=options.target_scale,
    )
    if stretch is None:
        return settings
    return settings.with_stretch(find_stretch(images, settings, stretch, options.parameters))


def locate_images(
    folder: Path, paths: Sequence[str], bands: Sequence[str], wanted: Sequence[str]
) -> list[FilesOfImage]:
    """Returns the file of each image of a sample, or its file in each band.

    Args:
        folder: The folder of the images.
        paths: ``[N]`` paths relative to the folder; those of the files of an image are joined by
            ``BAND_SEPARATOR``.
        bands: The names of the bands, in the order of the files.
        wanted: The names of the bands to use, in the order of the channels; if empty, all.

    Raises:
        GalaxyError: A wanted band has no files.
    """
    images = []
    for path in paths:
        is_one = BAND_SEPARATOR not in path or (folder / path).is_file()
        files = tuple(folder / part for part in ([path] if is_one else path.split(BAND_SEPARATOR)))
        if len(files) > 1 and len(files) == len(bands) and wanted:
            if missing := [band for band in wanted if band not in bands]:
                raise GalaxyError(
                    f"--bands {' '.join(wanted)}: the sample has no files for {', '.join(missing)}, only for "
                    f"the bands {', '.join(bands)}"
                )
            files = tuple(files[bands.index(band)] for band in wanted)
        images.append(files)
    return images


def measure_scale(images: Sequence[FilesOfImage], settings: ImageSettings) -> tuple[float | None, list[str]]:
    """Returns the pixel scale of the stored images, and notes for the user.

    Args:
        images: ``N`` images, of which the first are inspected.
        settings: Their settings.

    Returns:
        The scale in arcsec per pixel, None if unknown or not the same; and a note if it is not the same.
    """
    if settings.target_scale is not None:
        return settings.target_scale, []
    if settings.size is not None or not (scales := find_scales(images, settings)):
        return None, []
    low, high = min(scales), max(scales)
    if scales_agree(low, high):
        return scales[0], []
    return None, [
        f"the images have pixel scales of {low:.3g} to {high:.3g} arcsec per pixel; --target-scale resamples "
        "them to one scale"
    ]


def find_scales(images: Iterable[FilesOfImage], settings: ImageSettings) -> list[float]:
    """Returns the pixel scales of the first image files in arcsec per pixel, as far as known.

    Args:
        images: The images, of which only the first are inspected.
        settings: Their settings.
    """
    if settings.stretch is None:
        return [] if settings.pixel_scale is None else [settings.pixel_scale]
    scales = []
    for files in islice(images, _INSPECTED):
        try:
            scales.append(read_scale(files[0], settings))
        except ImageError:
            continue  # Reading the image reports the problem.
    return [scale for scale in scales if scale is not None]


def parse_parameters(words: Sequence[str]) -> dict[str, float | list[float]]:
    """Parses parameters of a stretch: ``Q=8``, or one number for each band, ``minimum=0,0.1,0.2``.

    Raises:
        GalaxyError: A word has another form.
    """
    parameters: dict[str, float | list[float]] = {}
    known = sorted({name for names in PARAMETERS.values() for name in names})
    for word in words:
        name, equals, text = word.partition("=")
        try:
            if not equals or name not in known:
                raise ValueError
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            raise GalaxyError(
                f"--stretch-parameters {word}: write a parameter ({', '.join(known)}) and its value, such as "
                "Q=8, or a value for each band, such as minimum=0,0.1,0.2"
            ) from None
        parameters[name] = numbers if len(numbers) > 1 else numbers[0]
    return parameters


def _bands_of(path: Path) -> Sequence[str]:
    """Returns names for the bands of a FITS file."""
    from data_prep.images.fits_images import find_bands  # Slow to import, and only needed for FITS files.

    try:
        return find_bands(path)
    except ImageError as error:
        raise GalaxyError(f"{path}: {error}: name the bands of the images with --bands") from None
