"""A page on which people label galaxies: one file that makes no request."""

import base64
import hashlib
import io
import json
import string
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup
from PIL import Image

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file
from data_prep.common.progress import progress_bar
from data_prep.images.band_files import BAND_SEPARATOR
from data_prep.images.display import as_picture
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.row_images import RowImages
from galaxy_lightning.report.templates import render_template, script_hash, script_json

MAX_GALAXIES: Final = 2000
"""Maximum number of galaxies on a page."""
_SIDE: Final = 448
"""Side of the images in pixels: smaller ones are enlarged to at least this, larger ones reduced to it."""
_MAX_ENLARGED: Final = 500
"""Maximum number of galaxies whose images are enlarged; those of more are enlarged by the browser."""
_QUALITY: Final = 88
_RESERVED: Final = "ds"
"""Letters that the page uses for something else than a class."""


def write_labelling_page(path: Path, table: EmbeddingTable, galaxies: pd.DataFrame) -> list[str]:
    """Writes the page.

    It shows the images as the model sees them, one at a time. The labels are kept in the browser, under a
    key that depends on the galaxies and the classes, and saved as a CSV that ``python -m data_prep label``
    reads.

    Args:
        path: The file.
        table: The table that the galaxies are from.
        galaxies: Rows of the table, in the order in which they are shown.

    Returns:
        A sentence for each reason why images are missing.

    Raises:
        GalaxyError: There are more than ``MAX_GALAXIES``, none has an image, or the file cannot be written.
    """
    require_page_size(len(galaxies))
    reader = RowImages(table.info)
    if reader.problem:
        raise GalaxyError(f"the page has no images to label: {reader.problem}")
    images, missing = [], dict[str, int]()
    for row in progress_bar(galaxies.index, desc="images", unit=" images"):
        (picture,) = reader.read(galaxies.loc[[row]])
        if isinstance(picture, str):
            missing[picture] = missing.get(picture, 0) + 1
        images.append(picture if isinstance(picture, str) else _encode(picture, len(galaxies)))
    if sum(missing.values()) == len(galaxies):
        raise GalaxyError(f"the page has no images to label: {next(iter(missing))}")
    page = _render(page_data(table, galaxies, images))
    with new_file(path) as partial:
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")
    return [f"no image of {count:,} of the galaxies on the page: {text}" for text, count in missing.items()]


def require_page_size(number: int) -> None:
    """Checks that a page can hold a number of galaxies.

    Args:
        number: The number.

    Raises:
        GalaxyError: There are too many.
    """
    if number > MAX_GALAXIES:
        raise GalaxyError(
            f"a labelling page holds at most {MAX_GALAXIES:,} galaxies, not {number:,}: lower -n, or leave "
            "out --page"
        )


def page_data(table: EmbeddingTable, galaxies: pd.DataFrame, images: Sequence[str]) -> dict[str, Any]:
    """Returns what the page's script needs to know, as JSON types.

    Args:
        table: The table that the galaxies are from.
        galaxies: Rows of the table.
        images: For each galaxy, a data URL; or why it has no image.
    """
    info, ids = table.info, table.ids[galaxies.index].tolist()
    texts = galaxies["path"].astype(str).tolist()
    # label finds images with one file per band by their ids.
    paths = None if any(BAND_SEPARATOR in text for text in texts) else texts
    identity = {"classes": info.classes, "ids": ids, "paths": paths, "model": info.sha256}
    numbers = pd.Index(info.classes).get_indexer(pd.Index(galaxies["predicted"])).tolist()
    shares = galaxies[info.probability_columns].to_numpy(dtype=np.float64).round(3).tolist()
    return {
        "key": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "classes": [
            {"name": name, "description": info.class_descriptions.get(name, ""), "key": key}
            for name, key in zip(info.classes, shortcut_keys(len(info.classes)), strict=True)
        ],
        "column": table.id_column,
        "ids": ids,
        "paths": paths,
        "predicted": numbers,
        "probabilities": shares,
        "images": [image if image.startswith("data:") else None for image in images],
        "problems": ["" if image.startswith("data:") else image for image in images],
    }


def shortcut_keys(classes: int) -> list[str]:
    """Returns the key of each class: 1 to 9, then letters; empty for those that are left.

    Args:
        classes: Number of classes.
    """
    letters = [letter for letter in string.ascii_lowercase if letter not in _RESERVED]
    keys = [*"123456789", *letters]
    return [keys[number] if number < len(keys) else "" for number in range(classes)]


def _render(data: dict[str, Any]) -> str:
    assets = files("galaxy_lightning.embedding.page")
    style, script = (
        assets.joinpath(f"labelling.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    content = {
        "style": Markup(style),  # noqa: S704 - a file of this package.
        "script": Markup(script),  # noqa: S704
        "script_hash": script_hash(script),
        "data": script_json(data),
        "number": len(data["ids"]),
    }
    return render_template("labelling.html.jinja", content, "galaxy_lightning.embedding")


def _encode(pixels: npt.NDArray[np.uint8], number: int) -> str:
    """Returns an image as a data URL: JPEG without chroma subsampling, which would blur small features."""
    image = as_picture(pixels)
    side = image.width
    wanted = _SIDE if side > _SIDE else side * -(-_SIDE // side) if number <= _MAX_ENLARGED else side
    if wanted != side:
        image = image.resize((wanted, wanted), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "jpeg", quality=_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
