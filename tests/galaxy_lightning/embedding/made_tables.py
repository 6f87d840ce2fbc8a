"""Tables of features without a model, and files to make them from."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from galaxy_lightning.embedding.table_info import METADATA, TableInfo

CLASSES = ["elliptical", "irregular", "spiral"]


def draw_features(number, features=6, seed=0):
    """Returns features of very different spread."""
    spread = 10.0 ** (np.arange(features) % 4 - 1)
    return (np.random.default_rng(seed).normal(size=(number, features)) * spread).astype(np.float32)


def make_table(path, features, /, *, probabilities=None, info=None, groups=3, **columns):
    """Writes a table of features and returns its path; ``columns`` add, replace or (None) remove columns."""
    number, width = features.shape
    if probabilities is None:
        probabilities = np.random.default_rng(1).dirichlet(np.ones(3), number)
    p = probabilities.clip(1e-12, 1)
    table = {
        "objid": 587722981742084097 + np.arange(number),
        "path": [f"{row}.jpg" for row in range(number)],
        **{f"p_{name}": probabilities[:, index] for index, name in enumerate(CLASSES)},
        "predicted": np.array(CLASSES)[probabilities.argmax(axis=1)],
        "entropy": -(p * np.log2(p)).sum(axis=1),
        "seen_in_training": np.zeros(number, dtype=bool),
        "pixel_hash": np.arange(number),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), width),
    }
    table = {name: value for name, value in (table | columns).items() if value is not None}
    content = {
        "model": "galaxy_cnn",
        "checkpoint": str(path.with_name("gone.ckpt")),
        "sha256": "0" * 64,
        "classes": CLASSES,
        "features": width,
        "galaxies": {"images": str(path.parent), "settings": {"crop": 16}, "pixel_scale": None},
        "version": "0.1.0",
        "class_descriptions": {},
    } | (info or {})
    metadata = {METADATA: TableInfo(**content).encode()} if info != {} else {}
    written = pa.table(table).replace_schema_metadata(metadata)
    parquet.write_table(written, path, row_group_size=max(1, -(-number // groups)))
    return path


def metadata_of(path):
    """Returns the metadata of a table."""
    return json.loads(parquet.read_schema(path).metadata[METADATA])


def read(path):
    """Returns a table as pandas reads it, and its features."""
    table = pd.read_parquet(path)
    return table, np.stack(table["embedding"].to_numpy())


def write_galaxy(path, seed, side=64):
    """Writes an image of a blob whose shape and place depend on the seed; returns its path."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2 + generator.normal(0, 4, (2, 1, 1))
    light = np.exp(-((x / generator.uniform(3, 12)) ** 2) - (y / generator.uniform(3, 12)) ** 2)
    image = (255 * light[..., None] * generator.uniform(0.3, 1, 3)).astype(np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path
