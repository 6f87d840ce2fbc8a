"""A table of predictions with all kinds of cells, and how other programs read it."""

import csv
import io
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from data_prep.schema import CLASS_DESCRIPTIONS
from galaxy_lightning.tables.reading import open_predictions
from galaxy_lightning.tables.schema import known_metadata
from galaxy_lightning.tables.writing import convert_predictions

SUFFIXES = (".csv", ".fits", ".vot", ".xml", ".ecsv", ".parquet")
ABOUT = known_metadata(
    model="galaxy_cnn",
    checkpoint_sha256="0123456789abcdef" * 4,
    galaxy_lightning="0.1.0",
    temperature=1.25,
    threshold=0.7,
    target_accuracy=0.9,
    zooms=3,
    source="p.csv",
)
OBJIDS = [587722981742084097, 587722981742084098, 2**63 - 1]
PATHS = ["a b.jpg", 'sub/é,"x" <&>\'.jpg', "#.jpg"]
HEADER = (
    "objid,asset_id,ra,dec,path,label,p_elliptical,p_irregular,p_spiral,predicted,entropy,p_elliptical_std,"
    "p_irregular_std,p_spiral_std,networks,novelty,is_uncertain,seen_in_training"
)
_FIRST = [OBJIDS[0], "007", 150.25, -3.5, PATHS[0], "spiral", 0.1, 0.2, 0.7, "spiral", 1.156779]
_SECOND = [OBJIDS[1], "8", "", "", PATHS[1], "spiral", 0.3333333, 0.3333334, 0.3333333, "irregular", 1.584963]
_THIRD = [OBJIDS[2], "x9", 0.0, 90.0, PATHS[2], "elliptical", 1.0, 0.0, 0.0, "elliptical", 0.0]
ROWS = [
    [*_FIRST, 0.01, 0.02, 0.03, 5, 50.5, 1, 0],
    [*_SECOND, 0.01, 0.02, 0.03, "", "", "", 1],
    [*_THIRD, 0, 0, 1e-07, 3, 100, 0, ""],
]
EXPECTED = {
    "objid": OBJIDS,
    "asset_id": ["007", "8", "x9"],
    "ra": [150.25, None, 0.0],
    "path": PATHS,
    "p_elliptical": [0.1, 0.3333333, 1.0],
    "p_spiral_std": [0.03, 0.03, 1e-07],
    "networks": [5, None, 3],
    "novelty": [50.5, None, 100.0],
    "is_uncertain": [True, None, False],
    "seen_in_training": [False, True, None],
    "predicted": ["spiral", "irregular", "elliptical"],
}


def csv_table(folder, rows=ROWS, header=HEADER):
    path = folder / "p.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def converted(folder, suffix, source=None):
    """The table in another format."""
    out = folder / f"out{suffix}"
    convert_predictions(open_predictions(source or csv_table(folder), CLASS_DESCRIPTIONS, ABOUT), out)
    return out


def by_astropy(path):
    """The columns as astropy reads them, None where missing."""
    kinds = {".fits": "fits", ".ecsv": "ascii.ecsv", ".parquet": "parquet.votable", ".csv": "ascii.csv"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Astropy warns that it reads a null of FITS as False.
        table = Table.read(path, format=kinds.get(path.suffix, "votable"))
    columns = {name: values_of(table[name]) for name in table.colnames}
    if path.suffix == ".fits":
        with fits.open(path, logical_as_bytes=True) as hdus:
            for column in hdus[1].columns:
                if column.format == "L":
                    cells = hdus[1].data[column.name].tolist()
                    columns[column.name] = [{b"T": True, b"F": False}.get(cell) for cell in cells]
    return columns


def values_of(column):
    """Cells of a column as Python values, None where missing."""
    missing, cells = np.ma.getmaskarray(column), np.ma.getdata(column).tolist()
    cells = [cell.decode() if isinstance(cell, bytes) else cell for cell in cells]
    return [
        None if gone or cell is None or cell != cell or cell == "" else cell
        for cell, gone in zip(cells, missing.tolist(), strict=True)
    ]


STILTS_FORMATS = {".fits": "fits", ".vot": "votable", ".xml": "votable", ".ecsv": "ecsv", ".csv": "csv"}


def by_stilts(path):
    """The rows as STILTS reads them, as text."""
    kind = STILTS_FORMATS.get(path.suffix, "parquet")
    words = ["tpipe", f"ifmt={kind}", f"in={path}", "omode=out", "ofmt=csv"]
    result = stilts(*words)
    if "No table handler available" in result.stderr:
        pytest.skip(f"this version of STILTS does not read {path.suffix}")
    assert (result.returncode, result.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(result.stdout)))


def stilts(*words):
    if shutil.which("stilts") is None:
        pytest.skip("STILTS is not installed")
    # Without the encoding, Java writes what its locale allows.
    words = ["stilts", "-Dfile.encoding=UTF-8", *words]
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False)
