"""Small tables and images of galaxies that are not Galaxy Zoo's: any labels, any bands, FITS and JPEG."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from data_prep.cli import main

CLASSES = ("edge-on", "merger", "ring", "smooth")
IDS = [f"J{number:04d}+{number % 7}" for number in range(40)]
LABELS = [CLASSES[number % 4] for number in range(40)]


def write_table(path, /, **columns):
    """Writes a CSV and returns its path."""
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def write_images(folder, names, side=16):
    """Writes an image of noise for each name; a name without suffix becomes a JPEG."""
    for name in names:
        path = folder / (name if "." in name else f"{name}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(str(path))).integers(0, 256, (side, side, 3), dtype=np.uint8)
        noise[0, :3] = np.frombuffer(str(name).encode().ljust(9)[-9:], dtype=np.uint8).reshape(3, 3)
        Image.fromarray(noise).save(path, format=None if path.suffix.lower() != ".jfif" else "JPEG")
    return folder


def galaxy(label, bands, side=48, seed=0):
    """Returns a galaxy ``[bands, side, side]``, whose flattening and colour depend on its class."""
    generator = np.random.default_rng(seed)
    number = CLASSES.index(label)
    y, x = np.mgrid[:side, :side] - side / 2
    light = np.exp(-(x**2 + (y * (1 + number)) ** 2) / (side / 6) ** 2)
    colours = np.linspace(1, 1 + number, bands)[:, None, None]
    return (colours * light + generator.normal(0, 0.02, (bands, side, side))).astype(np.float32)


def header(scale):
    """Returns the header of an image with this scale in arcsec per pixel; None has no coordinates."""
    if scale is None:
        return None
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return wcs.to_header()


def write_cubes(folder, ids=IDS, labels=LABELS, bands=5, side=48, scale=None):
    """Writes a FITS cube for each galaxy."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, label) in enumerate(zip(ids, labels, strict=True)):
        data = galaxy(label, bands, side, seed)
        fits.PrimaryHDU(data, header(scale)).writeto(folder / f"{name}.fits", overwrite=True)
    return folder


def write_band_files(folder, bands, ids=IDS, labels=LABELS, side=48):
    """Writes a FITS file for each band of each galaxy, ``{id}_{band}.fits``."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, label) in enumerate(zip(ids, labels, strict=True)):
        for band, plane in zip(bands, galaxy(label, len(bands), side, seed), strict=True):
            fits.PrimaryHDU(plane).writeto(folder / f"{name}_{band}.fits")
    return folder


def run(*words):
    """Runs a command of ``data_prep``; returns its status, what it printed, and its error message."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            status = end.code
    lines = [line for line in err.getvalue().replace("\r", "\n").split("\n") if "error" in line]
    return status, out.getvalue(), "\n".join(lines)


def refuse(*words):
    """Runs a command that must fail; returns the message, after checking that it is one line."""
    status, out, error = run(*words)
    assert (status, out) == (1, "")
    assert error.startswith(f"python -m data_prep {words[0]}: error: ")
    assert "\n" not in error
    assert "Traceback" not in error
    return error.split(": error: ", 1)[1]


def read_sample(path):
    """Returns a sample, sorted by its paths, as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False).sort_values("path", ignore_index=True)


def read_excluded(path):
    """Returns the list of exclusions of a sample: tuples of row, id, path and reason."""
    listed = path.with_name(f"{path.stem}_excluded.csv")
    if not listed.exists():
        return []
    return [tuple(row) for row in pd.read_csv(listed, dtype=str, keep_default_na=False).to_numpy()]


def files_of(folder: Path):
    """Returns the relative paths of all files in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
