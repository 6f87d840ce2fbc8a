"""Benchmarks of reading images: FITS and resampled images against reading the files alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from benchmarks.commands import Survey
from benchmarks.rows import Row, ratios
from data_prep.images.cutouts import read_cutout
from data_prep.images.image_reader import find_stretch, read_image
from data_prep.images.image_settings import ImageSettings
from data_prep.schema import CROP_PX

_FILES = 200
_PASSES = 5
_SCALE, _TARGET = 0.396, 0.6
"""Arcsec per pixel of the files, and after resampling: the crop covers 340 of the 424 pixels."""


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of reading images.

    All are ratios of CPU time on one core, which other programs on the machine change least.
    """
    jpegs = survey.files(_FILES)
    cubes = _write_cubes(jpegs, survey.folder / "cubes")
    plain = ImageSettings(CROP_PX)
    resampled = replace(plain, pixel_scale=_SCALE, target_scale=_TARGET)
    stretched = plain.with_stretch(find_stretch(cubes, plain, "lupton"))
    both = replace(stretched, target_scale=_TARGET)
    works: dict[str, tuple[Callable[[Path], object], Sequence[Path]]] = {
        "jpegs": (lambda path: read_cutout(path, CROP_PX), jpegs),
        "jpegs by settings": (lambda path: read_image(path, plain), jpegs),
        "jpegs resampled": (lambda path: read_image(path, resampled), jpegs),
        "cubes": (_read_cube, cubes),
        "cubes stretched": (lambda path: read_image(path, stretched), cubes),
        "cubes resampled": (lambda path: read_image(path, both), cubes),
    }
    speeds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, (work, files) in works.items():
            speeds[name].append(1 / min(_cpu_seconds(work, files) for _ in range(_PASSES)))
    for name, baseline, text, target in (
        ("jpegs by settings", "jpegs", "JPEGs read by settings that change nothing", "1: as fast as before"),
        ("jpegs resampled", "jpegs", f"JPEGs resampled from {_SCALE} to {_TARGET} arcsec per pixel", "0.7"),
        ("cubes stretched", "cubes", "FITS cubes with 3 bands, cut and stretched (Lupton)", "0.7"),
        ("cubes resampled", "cubes", "FITS cubes resampled, cut and stretched", "0.7"),
    ):
        yield Row(
            f"{text}: {max(speeds[name]):,.0f} images/s per core",
            f"{'read_cutout' if baseline == 'jpegs' else 'astropy: the whole cube'}: "
            f"{max(speeds[baseline]):,.0f} images/s per core",
            ratios(speeds[name], speeds[baseline]),
            "",
            target=target,
        )


def _read_cube(path: Path) -> object:
    """Reads all values of a FITS cube with astropy, as floats of this machine."""
    with fits.open(path, memmap=False) as hdus:
        return np.asarray(hdus[0].data, dtype=np.float32)


def _write_cubes(images: Sequence[Path], folder: Path) -> list[Path]:
    """Writes the pixels of images as FITS cubes of floats with celestial coordinates."""
    folder.mkdir()
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 180.0, "CRVAL2": 30.0})
    header["CDELT1"], header["CDELT2"] = -_SCALE / 3600, _SCALE / 3600
    noise = np.random.default_rng(0)
    paths = []
    for number, path in enumerate(images):
        with Image.open(path) as image:
            values = np.moveaxis(np.asarray(image, dtype=np.float32), -1, 0)
        paths.append(folder / f"{number}.fits")
        values = (values + noise.normal(0, 2, values.shape)).astype(np.float32)
        fits.writeto(paths[-1], values, header)
    return paths


def _cpu_seconds(work: Callable[[Path], object], files: Sequence[Path]) -> float:
    """Returns the CPU seconds per file."""
    start = time.process_time()
    for path in files:
        work(path)
    return (time.process_time() - start) / len(files)
