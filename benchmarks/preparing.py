"""Benchmarks of the data preparation: speed and memory."""

import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from benchmarks.ceilings import decoded_images_per_second
from benchmarks.commands import Cost, Survey, run
from benchmarks.rows import Row, ratios
from data_prep.schema import CROP_PX, IMAGES_FOLDER, MAPPING_FILE, TABLE2_FILE

FEW, MANY = 2000, 20_000
_TABLE_2, _MAPPING, _FILES = 667_944, 355_990, 243_434
"""Numbers of rows of the real tables, and of image files."""


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of the data preparation."""
    speeds, reference, decoding, memory = [], [], [], []
    files = survey.files(FEW)
    for _ in range(repeats):
        reference.append(len(files) / _reference_seconds(files, survey.folder / "reference.pickle"))
        decoding.append(decoded_images_per_second(files))
        many, few = (_preprocess(survey, n) for n in (MANY, FEW))
        speeds.append(MANY / many.seconds)
        memory.append(many.memory_mb / few.memory_mb)
    yield Row(
        f"preprocess, {MANY:,} images: {max(speeds):,.0f} images/s",
        f"the reference's preprocessing: {max(reference):,.0f} images/s",
        ratios(speeds, reference),
        f"decoding on all cores: {max(decoding):,.0f} images/s",
        ratios(speeds, decoding),
        "at least 10; 0.8 of the limit",
    )
    yield Row(
        f"peak memory of preprocess, {MANY:,} images: {many.memory_mb:.0f} MB",
        f"{FEW:,} images",
        memory,
        "1: no growth",
        target="at most 1.1",
    )
    raw = _make_full_size_survey(survey)
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
        target="at most 10",
        unit="s",
    )


def _preprocess(survey: Survey, n: int) -> Cost:
    out = survey.folder / f"preprocessed_{n}"
    words: list[str | Path] = ["--sample", survey.sample(n), "--raw", survey.raw, "--out", out, "--overwrite"]
    return run(["-m", "data_prep", "preprocess", *words])


def _reference_seconds(files: Sequence[Path], out: Path) -> float:
    """Preprocesses images like the reference (float, scale, crop, resize, pickle); returns the seconds."""
    start = time.perf_counter()
    processed: list[npt.NDArray[np.float32]] = []
    for path in files:
        image = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
        top, left = ((side - CROP_PX) // 2 for side in image.shape[:2])
        cropped = image[top : top + CROP_PX, left : left + CROP_PX]
        channels = [Image.fromarray(np.ascontiguousarray(cropped[..., number])) for number in range(3)]
        processed.append(
            np.stack([np.asarray(channel.resize((CROP_PX, CROP_PX))) for channel in channels], axis=-1)
        )
    with out.open("wb") as file:
        pickle.dump({"images": np.array(processed), "labels": np.zeros(len(files), dtype=np.int64)}, file)
    seconds = time.perf_counter() - start
    out.unlink()
    return seconds


def _make_full_size_survey(survey: Survey) -> Path:
    """Makes a survey with the numbers of rows and image files of the real one; the image files are empty."""
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
