"""Galaxy arrays and runs with any number of classes, of any names, made without images and training."""

import json

import numpy as np
import pandas as pd

from data_prep.arrays.format import open_arrays
from data_prep.common.files import sha256
from galaxy_lightning.runs.names import HISTORY_COLUMNS, IDENTITY_COLUMNS, PREDICTIONS
from galaxy_lightning.runs.writer import write_history, write_predictions, write_run

NAMES = (
    "smooth, completely round",
    "smooth, in between",
    'a "cigar"',
    "edge-on disc / rounded bulge",
    "barred spiral",
    "$H\\alpha$ emitter, 100% *dust*",
    "星系 スパイラル",
    "galaxie irrégulière",
    "=1+1",
    "<merger> | tidal;tail #3",
)
NUMBERS = (2, 3, 5, 10, 37, 100)


def class_names(number):
    """Returns distinct names; many of them begin with the same 40 characters."""
    tail = "unbarred spiral with loose arms and a bulge, "
    return [*NAMES, *(f"{tail}variant {index}" for index in range(max(0, number - 10)))][:number]


def make_arrays(folder, classes, images_per_class=8, size=16, channels=3, descriptions=None, **columns):
    """Writes galaxy arrays with random pixels; a quarter of the images is in each of val and test.

    ``columns`` are further columns of the catalogue: a value, or a function of the number of galaxies.
    """
    folder.mkdir(parents=True)
    number = images_per_class * len(classes)
    images = np.random.default_rng(0).integers(0, 256, (number, size, size, channels), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    table = pd.DataFrame(
        {
            "objid": 587722981742084097 + np.arange(number),
            "asset_id": np.arange(number),
            "label": np.repeat(classes, images_per_class),
            "split": (["train", "train", "val", "test"] * number)[:number],
            "path": [f"{index}.jpg" for index in range(number)],
        }
    ).assign(**{name: make(number) if callable(make) else make for name, make in columns.items()})
    table.to_csv(folder / "catalog.csv", index=False)
    counts = table.groupby("split")["label"].value_counts()
    dataset = {
        "format_version": 1,
        "classes": list(classes),
        "class_descriptions": dict(descriptions or {}),
        "crop": size,
        "counts": {split: counts[split].to_dict() for split in ("train", "val", "test")},
        "skipped": [],
        "sha256": {name: sha256(folder / name) for name in ("images.npy", "catalog.csv")},
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return open_arrays(folder)


def make_run(folder, arrays, model, seed=0, skill=1.0, **about):
    """Writes a run with random probabilities; with a higher skill, more of them are right."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng([seed, len(model)])
    rows, number = arrays.rows("val", "test"), len(arrays.classes)
    probabilities = generator.dirichlet([0.3] * number, len(rows))
    probabilities[np.arange(len(rows)), arrays.labels[rows]] += skill
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    galaxies = arrays.catalog[IDENTITY_COLUMNS].iloc[rows]
    write_predictions(folder / PREDICTIONS, galaxies, probabilities, arrays.classes)
    history = [dict.fromkeys(HISTORY_COLUMNS, 0.5) | {"epoch": epoch} for epoch in range(3)]
    write_history(folder, history)
    costs = {"images_per_second": 100.0, "peak_memory_mb": 200.0}
    settings = {"parameters": 5, "hyperparameters": {}, "device": "1 CPU thread"}
    write_run(folder, arrays, history, model=model, seed=seed, **costs, **settings, **about)
    return folder
