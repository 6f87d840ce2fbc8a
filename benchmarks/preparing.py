"""The data preparation: against the reference's own way, against decoding alone, and its memory."""

import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from benchmarks.ceilings import decoded_per_second
from benchmarks.commands import Cost, Survey, run
from benchmarks.rows import Row, ratio
from data_prep.schema import CROP_PX, IMAGES_FOLDER, MAPPING_FILE, TABLE2_FILE

FEW, MANY = 2000, 20_000
_TABLE_2, _MAPPING, _FILES = 667_944, 355_990, 243_434
"""Rows of the real tables, and image files."""


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of the data preparation."""
    speeds, plain, decoded, memory = [], [], [], []
    files = survey.files(FEW)
    for _ in range(repeats):
        plain.append(len(files) / _the_references_way(files, survey.folder / "reference.pickle"))
        decoded.append(decoded_per_second(files))
        many, few = (_preprocess(survey, n) for n in (MANY, FEW))
        speeds.append(MANY / many.seconds)
        memory.append(many.memory_mb / few.memory_mb)
    yield Row(
        f"preprocess, {MANY:,} images, the whole command: {max(speeds):,.0f} images/s",
        f"the reference's way: {max(plain):,.0f} images/s",
        ratio(speeds, plain),
        f"decoding alone, all cores: {max(decoded):,.0f} images/s",
        ratio(speeds, decoded),
        "at least 10; 0.8 of the limit",
    )
    yield Row(
        f"own memory of preprocess, {MANY:,} images: {many.memory_mb:.0f} MB",
        f"{FEW:,} images",
        memory,
        "1: no growth",
        wanted="at most 1.1",
    )
    raw = _full_size(survey)
    yield Row(
        f"extract on full-size tables ({_TABLE_2:,} and {_MAPPING:,} rows, {_FILES:,} files)",
        "",
        [
            run(
                ["-m", "data_prep", "extract", "--raw", raw, "--out", survey.folder / f"full_{n}.csv"]
            ).seconds
            for n in range(repeats)
        ],
        "",
        wanted="at most 10",
        unit="s",
    )


def _preprocess(survey: Survey, n: int) -> Cost:
    out = survey.folder / f"preprocessed_{n}"
    words: list[str | Path] = ["--sample", survey.sample(n), "--raw", survey.raw, "--out", out, "--overwrite"]
    return run(["-m", "data_prep", "preprocess", *words])


def _the_references_way(files: Sequence[Path], out: Path) -> float:
    """Loads, makes float, divides, crops, resizes, collects and pickles; returns seconds."""
    began = time.perf_counter()
    collected: list[npt.NDArray[np.float32]] = []
    for path in files:
        image = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
        top, left = ((side - CROP_PX) // 2 for side in image.shape[:2])
        cropped = image[top : top + CROP_PX, left : left + CROP_PX]
        colours = [Image.fromarray(np.ascontiguousarray(cropped[..., colour])) for colour in range(3)]
        collected.append(
            np.stack([np.asarray(colour.resize((CROP_PX, CROP_PX))) for colour in colours], axis=-1)
        )
    with out.open("wb") as file:
        pickle.dump({"images": np.array(collected), "labels": np.zeros(len(files), dtype=np.int64)}, file)
    seconds = time.perf_counter() - began
    out.unlink()
    return seconds


def _full_size(survey: Survey) -> Path:
    """Makes tables as long as the real ones, and as many image files, empty."""
    raw = survey.folder / "full"
    (raw / IMAGES_FOLDER).mkdir(parents=True)
    votes = pd.read_csv(survey.raw / TABLE2_FILE, dtype={"RA": "str", "DEC": "str"})
    ids = 587722981736120000 + np.arange(_TABLE_2)
    votes.iloc[np.arange(_TABLE_2) % len(votes)].assign(OBJID=ids).to_csv(raw / TABLE2_FILE, index=False)
    mapping = pd.read_csv(survey.raw / MAPPING_FILE)
    assets = 1 + np.arange(_MAPPING)
    rows = mapping.iloc[np.arange(_MAPPING) % len(mapping)].assign(objid=ids[:_MAPPING], asset_id=assets)
    rows.to_csv(raw / MAPPING_FILE, index=False)
    for asset in assets[:_FILES]:
        (raw / IMAGES_FOLDER / f"{asset}.jpg").touch()
    return raw
