"""Labels images by the folders that hold them: one folder per class, or per split and class."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.images.band_files import BAND_SEPARATOR, group_bands, no_complete_image
from data_prep.images.image_files import index_by_stem
from data_prep.samples.image_lookup import (
    ImageLookup,
    as_text,
    check_bands,
    find_nameable_images,
)
from data_prep.samples.labelled_sample import write_labelled
from data_prep.samples.row_images import add_ids_of_images
from data_prep.samples.sample_file import refuse_existing_sample
from data_prep.samples.table_rows import TableRows
from data_prep.splits.given import are_splits, parse_split

_NO_CLASS: Final = "not in the folder of a class"


def label_folders(
    folder: Path,
    out: Path,
    *,
    pattern: str | None = None,
    bands: Sequence[str] = (),
    n: int | Literal["all"] = "all",
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Labels images by the folder that holds them, one folder per class, and writes a sample.

    If the folders are named like splits (``train``, ``val``, ``test``), the classes are their subfolders, and
    the images keep this split. A galaxy is identified by the name of its image or, if images in different
    folders have the same name, by the path.

    Args:
        folder: The folder of the classes; images in subfolders of a class belong to it.
        out: The CSV to write; see :func:`data_prep.samples.label.label`.
        pattern: For images with one file per band, the names of the files in the folder of a class, with
            ``{id}`` and ``{band}``.
        bands: The names of the bands.
        n: The number of galaxies to draw at random, or ``"all"``.
        seed: The seed of the draw.
        overwrite: Whether to replace an existing sample.

    Returns:
        The summary, as for ``label``.

    Raises:
        GalaxyError: The folder cannot be read, fewer than ``n`` galaxies or fewer than two classes are
            eligible, or ``out`` exists.
    """
    refuse_existing_sample(out, overwrite=overwrite)
    check_bands(pattern, bands)
    files = find_nameable_images(folder)
    tops = sorted({path.parts[0] for path in files.paths if len(path.parts) > 1})
    depth = 2 if are_splits(tops) else 1
    in_classes = [path for path in files.paths if len(path.parts) > depth]
    others = files.skipped | {path: _NO_CLASS for path in files.paths if len(path.parts) <= depth}
    if not in_classes:
        raise GalaxyError(f"{folder} has no subfolders with images: --folders needs one for each class")
    images, unused = _by_stem(in_classes) if pattern is None else _by_bands(in_classes, depth, pattern, bands)
    if not images:
        raise no_complete_image(folder, unused)
    lookup = ImageLookup(folder, images, {}, as_text(others | unused), files.ignored)
    rows = pd.DataFrame({"path": list(images.values()), "reason": ""})
    parts = [path.split("/", depth) for path in rows["path"]]
    rows["label"] = [names[depth - 1] for names in parts]
    notes = []
    if depth > 1:
        rows["split"] = parse_split(pd.Series([names[0] for names in parts]), str(folder))
        notes = [f"the folders {', '.join(tops)} are used as the split, and their subfolders as the classes"]
    add_ids_of_images(rows, lookup, str(folder))
    settings = {
        "label_rule": "folders",
        "label_description": "the folders of the images",
        "bands": list(bands),
        "pattern": pattern,
        "seed": seed,
    }
    return write_labelled(out, TableRows(rows, [], [], []), lookup, settings, {}, n, folder, notes)


def refuse_options_of_tables(options: Mapping[str, object]) -> None:
    """Checks that no option for tables is given with the folders of the classes.

    Args:
        options: The options for tables by name; None if not given.

    Raises:
        GalaxyError: One is given.
    """
    for option, value in options.items():
        if value is not None:
            raise GalaxyError(
                f"--folders takes galaxies and labels from the folders alone: leave out --{option}"
            )


def _by_stem(paths: Iterable[Path]) -> tuple[dict[str, str], dict[Path, str]]:
    """Returns the images by their path without suffix, one for each, and why others are not used."""
    by_folder = defaultdict(list)
    for path in paths:
        by_folder[path.parent].append(path)
    images: dict[str, str] = {}
    unused: dict[Path, str] = {}
    for folder, files in by_folder.items():
        by_stem, namesakes = index_by_stem(files)
        images |= {(folder / stem).as_posix(): path.as_posix() for stem, path in by_stem.items()}
        unused |= namesakes
    return images, unused


def _by_bands(
    paths: Iterable[Path], depth: int, pattern: str, bands: Sequence[str]
) -> tuple[dict[str, str], dict[Path, str]]:
    """Returns the images with a file per band by class and id, and why other files are not used."""
    by_class = defaultdict(list)
    for path in paths:
        by_class[Path(*path.parts[:depth])].append(Path(*path.parts[depth:]))
    images: dict[str, str] = {}
    unused: dict[Path, str] = {}
    for folder, files in by_class.items():
        groups = group_bands(files, pattern, bands)
        for name, of_bands in groups.images.items():
            joined = BAND_SEPARATOR.join((folder / path).as_posix() for path in of_bands)
            images[(folder / name).as_posix()] = joined
        unused |= {folder / path: reason for path, reason in groups.skipped.items()}
    return images, unused
