"""Galaxy arrays with any number of bands and classes."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.format import CATALOG, DATASET, IMAGES, GalaxyArrays, open_arrays
from data_prep.common.files import sha256

# PyTorch's compiler is loaded before TensorFlow: in the other order, their LLVMs abort the process.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

MakeArrays = Callable[[int, int], GalaxyArrays]


@pytest.fixture
def make_arrays(tmp_path: Path) -> MakeArrays:
    """Makes galaxy arrays of 64 pixels with any number of bands and classes, which a network can learn.

    Each class has its own brightness in the last band; all else is noise.
    """

    def make(bands: int, classes: int) -> GalaxyArrays:
        generator, folder = np.random.default_rng(bands), tmp_path / f"arrays_{bands}_{classes}"
        names = [f"class {number}" for number in range(classes)]
        splits = ["train"] * (2 if classes > 9 else 6) + ["val", "test"]
        numbers = np.repeat(np.arange(classes), len(splits))
        images = generator.integers(0, 60, (len(numbers), 64, 64, bands), dtype=np.uint8)
        images[..., -1] += (numbers * 190 // max(classes - 1, 1)).astype(np.uint8)[:, None, None]
        folder.mkdir()
        np.save(folder / IMAGES, images)
        catalog = pd.DataFrame(
            {
                "objid": np.arange(len(numbers)),
                "asset_id": [f"{number}" for number in range(len(numbers))],
                "label": [names[number] for number in numbers],
                "split": splits * classes,
                "path": "none",
            }
        )
        catalog.to_csv(folder / CATALOG, index=False)
        counts = {split: dict.fromkeys(names, splits.count(split)) for split in ("train", "val", "test")}
        dataset = {
            "format_version": 2,
            "classes": names,
            "crop": 64,
            "images": {"bands": [f"band{number}" for number in range(bands)]},
            "counts": counts,
            "skipped": [],
            "sha256": {name: sha256(folder / name) for name in (IMAGES, CATALOG)},
        }
        (folder / DATASET).write_text(json.dumps(dataset))
        arrays = open_arrays(folder)
        arrays.verify()
        return arrays

    return make
