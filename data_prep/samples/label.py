"""Labels the galaxies of any table and finds their images; :mod:`data_prep.samples.extract` is a preset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from data_prep.samples.class_names import check_class_names, describe_classes, known_descriptions
from data_prep.samples.image_lookup import NOT_IN_TABLE, ImageLookup, image_name, look_up_images
from data_prep.samples.labelling import LabelRules
from data_prep.samples.rules import read_rules
from data_prep.samples.sample_file import draw_sample, refuse_existing_sample, write_sample
from data_prep.samples.table_columns import NamedColumns, choose_columns
from data_prep.samples.table_rows import TableRows, add_ids_of_images, read_rows
from data_prep.sources.catalogue_ids import parse_ids
from data_prep.sources.catalogues import open_catalogue
from data_prep.sources.column_guesses import guess_columns
from data_prep.sources.image_files import find_images, split_suffix

MIN_GALAXIES: Final = 3
"""With fewer galaxies, a class is not in each of the three splits."""
NO_IMAGE: Final = "no image"
REPEATED: Final = "id repeated"
CONTRADICTED: Final = "id repeated with another label"
UNUSED_IMAGES: Final = "images without a labelled row"
OTHER_FILES: Final = "other files"
_TWO_CLASSES: Final = "a classifier needs at least two classes; check the labels or the rules"


def make_sample(
    out: Path,
    *,
    table: Path | None,
    images: Path | None,
    folders: Path | None,
    columns: NamedColumns,
    **options: Any,
) -> dict[str, Any]:
    """Labels galaxies by a table or by folders, and writes a sample.

    Args:
        out: The CSV to write.
        table: The table, if there is one.
        images: The folder of the images, if there is a table.
        folders: The folder of a folder per class, instead of a table.
        columns: The named columns of the table.
        options: Further arguments of :func:`label`, or of :func:`label_folders`.

    Returns:
        The summary of the sample.

    Raises:
        GalaxyError: Options are missing or contradict each other; or as for the two functions.
    """
    if folders is None:
        if table is None or images is None:
            raise GalaxyError("name a table and the folder of its images (--table, --images), or --folders")
        return label(table, images, out, columns=columns, **options)
    common = {name: options.pop(name) for name in ("n", "seed", "overwrite")}
    of_table = {"table": table, "images": images, "threshold": options.pop("parameters"), **options}
    of_table |= {f"{role}-column": name for role, name in vars(columns).items()}
    for option, value in of_table.items():
        if value:
            raise GalaxyError(f"--folders takes the labels from the folders: leave out --{option}")
    return label_folders(folders, out, **common)


def label(
    table: Path,
    images: Path,
    out: Path,
    *,
    rules: str | None = None,
    parameters: Mapping[str, float] | None = None,
    columns: NamedColumns | None = None,
    mapping: Path | None = None,
    pattern: str | None = None,
    bands: Sequence[str] = (),
    keep: Sequence[str] = (),
    n: int | Literal["all"] = "all",
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Labels the galaxies of a table, finds their images, and writes a sample.

    Args:
        table: A table in any format; see :func:`data_prep.sources.catalogues.open_catalogue`.
        images: The folder of the images.
        out: The CSV to write. A summary is written beside it, with the suffix ``.json``, and a list of what
            was left out, ``NAME_excluded.csv``.
        rules: The rules that assign the labels: a preset or a file; None if a column holds the labels.
        parameters: Values of the rules' parameters, such as ``threshold``.
        columns: The named columns; the others are guessed.
        mapping: A table that maps ids to the names of images, such as ``gz2_filename_mapping.csv``.
        pattern: For images with one file per band, the names of the files, with ``{id}`` and ``{band}``.
        bands: The names of the bands.
        keep: Further columns of the table that the sample keeps.
        n: The number of galaxies to draw at random, or ``"all"``.
        seed: The seed of the draw.
        overwrite: Whether to replace an existing sample.

    Returns:
        The summary: settings, counts, exclusions by reason, and notes for the user.

    Raises:
        GalaxyError: A file or column cannot be read, the rules are invalid, fewer than ``n`` galaxies or
            fewer than two classes are eligible, or ``out`` exists.
    """
    refuse_existing_sample(out, overwrite=overwrite)
    if parameters and rules is None:
        raise GalaxyError(f"--{next(iter(parameters))} is a parameter of rules: name them with --rules")
    label_rules = None if rules is None else read_rules(rules, parameters)
    catalogue = open_catalogue(table)
    chosen, guessed, lines = choose_columns(catalogue, columns or NamedColumns(), label_rules)
    with progress_bar(total=2, desc="label", unit=" steps") as bar:
        read = read_rows(catalogue, chosen, guessed, label_rules, keep)
        bar.update()
        lookup = look_up_images(images, pattern, bands)
        bar.update()
    names = None if mapping is None else _read_mapping(mapping, read.rows)
    notes = [*lines, *_find_images(read.rows, lookup, names, str(table))]
    settings = {
        "label_rule": f"column {chosen.label}" if label_rules is None else label_rules.name,
        "label_description": f"column {chosen.label} of {table.name}"
        if label_rules is None
        else label_rules.describe(),
        "threshold": _threshold(label_rules),
        "rules": None if label_rules is None else label_rules.to_json(),
        "votes": _votes(label_rules, read),
        "columns": {role: name for role, name in vars(chosen).items() if name is not None},
        "bands": list(bands),
        "pattern": pattern,
        "seed": seed,
    }
    descriptions = {} if label_rules is None else dict(label_rules.classes)
    return _write(out, read, lookup, settings, descriptions, n, table, notes)


def label_folders(
    folder: Path, out: Path, *, n: int | Literal["all"] = "all", seed: int = 0, overwrite: bool = False
) -> dict[str, Any]:
    """Labels images by the folder that holds them, one folder per class, and writes a sample.

    Args:
        folder: The folder of the classes; images in subfolders of a class belong to it.
        out: The CSV to write; see :func:`label`.
        n: The number of galaxies to draw at random, or ``"all"``.
        seed: The seed of the draw.
        overwrite: Whether to replace an existing sample.

    Returns:
        The summary, as for :func:`label`.

    Raises:
        GalaxyError: The folder cannot be read, fewer than ``n`` galaxies or fewer than two classes are
            eligible, or ``out`` exists.
    """
    refuse_existing_sample(out, overwrite=overwrite)
    files = find_images(folder)
    others = {str(path): reason for path, reason in files.skipped.items()}
    others |= {str(path): "not in the folder of a class" for path in files.paths if len(path.parts) == 1}
    paths = [str(path) for path in files.paths if len(path.parts) > 1]
    lookup = ImageLookup(folder, {path: path for path in paths}, others, files.ignored)
    rows = pd.DataFrame({"path": paths, "reason": ""})
    rows["label"] = [PurePath(path).parts[0] for path in paths]
    names = [image_name(path) for path in paths]
    if len(set(names)) < len(names):
        names = [split_suffix(path)[0] for path in paths]
    add_ids_of_images(rows, names, str(folder))
    settings = {"label_rule": "folders", "label_description": "the folders of the images", "seed": seed}
    return _write(out, TableRows(rows, [], [], []), lookup, settings, {}, n, folder, [])


def report(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of a sample's summary: galaxies by class, exclusions and notes.

    Args:
        summary: The content of the summary.
    """
    counts = ", ".join(f"{count:,} {name}" for name, count in summary["classes"].items())
    yield f"{summary['galaxies']:,} of {summary['eligible']:,} eligible galaxies: {counts}"
    yield from describe_classes(list(summary["classes"]), summary["class_descriptions"])
    yield f"excluded: {', '.join(f'{count:,} {why}' for why, count in summary['excluded'].items()) or 'none'}"
    yield from (f"note: {note}" for note in summary["notes"])


def _read_mapping(path: Path, rows: pd.DataFrame) -> "pd.Series[Any]":
    """Returns the name of each row's image, from a table that maps ids to names."""
    catalogue = open_catalogue(path)
    guesses = guess_columns(catalogue.names)
    id_column, image_column = guesses["id"].column, guesses["path"].column
    if any(name.casefold() == "asset_id" for name in catalogue.names):
        image_column = "asset_id"
    if id_column is None or image_column is None:
        raise GalaxyError(
            f"{path} is not a mapping: it needs a column of ids (objid) and one of image names (asset_id)"
        )
    table = catalogue.read(text=[id_column, image_column])
    ids = parse_ids(table[id_column], path, id_column, catalogue.place)
    images = pd.Series(table[image_column].to_numpy(), index=ids.objid)[~ids.missing]
    return images[~images.index.duplicated()].reindex(rows["objid"])


def _find_images(
    rows: pd.DataFrame, lookup: ImageLookup, names: "pd.Series[Any] | None", where: str
) -> list[str]:
    """Adds the column ``path``, and excludes rows without an image; returns messages for the user."""
    notes = []
    paths = np.full(len(rows), None, dtype=object)
    if names is None and "file" in rows:
        paths = lookup.by_path(rows["file"].tolist())
        names = rows["file"]
    if names is not None and not pd.notna(paths).any():
        paths = lookup.by_name([image_name(name) if name else None for name in names.fillna("")])
    if "name" in rows and not pd.notna(paths).any():
        if names is not None:
            notes.append("the images are found by the id, since no other name fits")
        paths = lookup.by_name(rows["name"].tolist())
    if "objid" not in rows:
        files = [image_name(path) if path else f"row {row + 1}" for row, path in enumerate(paths)]
        add_ids_of_images(rows, files, where)
    rows["path"] = paths
    missing = pd.isna(rows["path"]) & (rows["reason"] == "")
    rows.loc[missing, "reason"] = NO_IMAGE
    if missing.any() and not pd.notna(rows["path"]).any():
        expected = next((name for name in rows["name"] if name), "ID")
        found = next(iter(lookup.images.values()))
        notes.append(
            f"no image is named by an id: expected names such as {expected}.jpg, found {found} (--mapping or "
            "--path-column names the images)"
        )
    return notes


def _exclude_repeated(rows: pd.DataFrame) -> None:
    """Excludes rows that contradict each other, and repeated images."""
    usable = rows[rows["reason"] == ""]
    labels = usable.groupby("objid")["label"].transform("nunique")
    rows.loc[labels[labels > 1].index, "reason"] = CONTRADICTED
    usable = rows[rows["reason"] == ""]
    repeated = usable.duplicated(["objid", "path"])
    rows.loc[repeated[repeated].index, "reason"] = REPEATED


def _write(
    out: Path,
    read: TableRows,
    lookup: ImageLookup,
    settings: dict[str, Any],
    descriptions: dict[str, str],
    n: int | Literal["all"],
    source: Path,
    notes: list[str],
) -> dict[str, Any]:
    """Draws the sample, and writes it with its summary and the list of exclusions."""
    rows = read.rows
    _exclude_repeated(rows)
    eligible = rows[rows["reason"] == ""]
    unused = lookup.unused(set(eligible["path"]))
    counts = rows.loc[rows["reason"] != "", "reason"].value_counts(sort=False).to_dict()
    counts |= {
        UNUSED_IMAGES: sum(reason == NOT_IN_TABLE for reason in unused.values()),
        OTHER_FILES: sum(reason != NOT_IN_TABLE for reason in unused.values()),
    }
    excluded = {str(reason): int(count) for reason, count in counts.items() if count}
    notes = [*read.notes, *notes]
    sample = draw_sample(eligible, n, settings["seed"], source, excluded, notes)
    found = sample["label"].value_counts()
    classes = list(descriptions or sorted(found.index, key=_natural_order))
    if len(found) == 1:
        only = f"all {len(sample):,} galaxies are labelled {found.index[0]}"
        raise GalaxyError(f"{source}: {only}: {_TWO_CLASSES}")
    try:
        check_class_names(classes)
    except GalaxyError as error:
        raise GalaxyError(f"{source}: {error}") from None
    notes += [
        f"{name} has {found.get(name, 0)} galaxies, too few for each of the three splits"
        for name in classes
        if found.get(name, 0) < MIN_GALAXIES
    ]
    columns = ["objid", "id", "asset_id", "label", "ra", "dec", "split", *read.votes, *read.kept, "path"]
    sample = sample.assign(asset_id=[image_name(path) for path in sample["path"]])
    summary = {
        **settings,
        "galaxies": len(sample),
        "classes": {name: int(found.get(name, 0)) for name in classes},
        "class_descriptions": known_descriptions(classes, descriptions),
        "eligible": len(eligible),
        "excluded": excluded,
        "notes": notes,
    }
    write_sample(out, sample[[name for name in columns if name in sample]], summary, _list(rows, unused))
    return summary


def _list(rows: pd.DataFrame, unused: Mapping[str, str]) -> pd.DataFrame:
    """Returns the excluded rows, by their number in the table, and the unused files."""
    left_out = rows[rows["reason"] != ""]
    listed = pd.DataFrame(
        {
            "row": (left_out.index + 1).astype("Int64"),
            "id": left_out["name"],
            "path": left_out["path"],
            "reason": left_out["reason"],
        }
    )
    files = pd.DataFrame({"path": list(unused), "reason": list(unused.values())})
    return pd.concat([listed, files], ignore_index=True) if len(files) else listed


def _natural_order(name: str) -> tuple[int, int, str]:
    """Sorts integers by value, before other names."""
    return (0, int(name), "") if name.isascii() and name.isdigit() else (1, 0, name)


def _threshold(rules: LabelRules | None) -> float | None:
    """Returns the vote fraction at which the rules assign a class; None if there is no such threshold."""
    return None if rules is None or rules.votes is None else rules.votes.threshold


def _votes(rules: LabelRules | None, read: TableRows) -> dict[str, Any] | None:
    """Returns how the votes relate to the labels; None without votes."""
    if rules is None or rules.votes is None or not read.votes:
        return None
    return {"threshold": rules.votes.threshold, "rest": rules.votes.rest}
