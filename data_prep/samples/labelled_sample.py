"""Draws and writes a sample of labelled galaxies, and tells what is in it and what was left out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.class_names import MAX_CLASSES, check_class_names, describe_classes, known_descriptions
from data_prep.samples.image_lookup import NOT_IN_TABLE, ImageLookup
from data_prep.samples.sample_file import draw_sample, write_sample
from data_prep.samples.table_rows import TableRows

MIN_GALAXIES: Final = 3
"""With fewer galaxies, a class is not in each of the three splits."""
REPEATED: Final = "id repeated"
CONTRADICTED: Final = "id repeated with another label"
SHARED: Final = "image of several ids"
UNUSED_IMAGES: Final = "images not in the table"
OTHER_FILES: Final = "other files"
HIDDEN_FILES: Final = "hidden or system files"
_SHOWN: Final = 5


def write_labelled(
    out: Path,
    read: TableRows,
    lookup: ImageLookup,
    settings: dict[str, Any],
    descriptions: dict[str, str],
    n: int | Literal["all"],
    source: Path,
    notes: list[str],
) -> dict[str, Any]:
    """Draws a sample of labelled galaxies, and writes it with its summary and the list of exclusions.

    Args:
        out: The CSV to write.
        read: The labelled rows, with the ``path`` of each image.
        lookup: The images that were found.
        settings: The settings, for the summary.
        descriptions: The classes in order with their descriptions; if empty, the classes are those found.
        n: The number of galaxies to draw at random, or ``"all"``.
        source: Where the labels come from, for messages.
        notes: Messages for the user.

    Returns:
        The summary.

    Raises:
        GalaxyError: Fewer than ``n`` galaxies or fewer than two classes are eligible, or the names of the
            classes are invalid.
    """
    rows = read.rows
    _exclude_repeated(rows)
    eligible = rows[rows["reason"] == ""]
    unused = lookup.unused(set(rows["path"].dropna()))
    counts = rows.loc[rows["reason"] != "", "reason"].value_counts(sort=False).to_dict()
    counts |= {
        UNUSED_IMAGES: sum(reason == NOT_IN_TABLE for reason in unused.values()),
        OTHER_FILES: sum(reason != NOT_IN_TABLE for reason in unused.values()),
        HIDDEN_FILES: lookup.hidden,
    }
    excluded = {str(reason): int(count) for reason, count in counts.items() if count}
    notes = [*read.notes, *notes]
    sample = draw_sample(eligible, n, settings["seed"], source, excluded, notes)
    found = sample["label"].value_counts()
    classes = list(descriptions or sorted(found.index, key=_natural_order))
    _check_classes(classes, found, source, settings["label_rule"], drawn=len(sample) < len(eligible))
    notes += _describe_small_classes({name: int(found.get(name, 0)) for name in classes})
    columns = ["objid", "id", "asset_id", "label", "ra", "dec", "split", *read.votes, *read.kept, "path"]
    sample = sample.assign(asset_id=lookup.names(sample["path"].tolist()))
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


def _exclude_repeated(rows: pd.DataFrame) -> None:
    """Excludes rows that contradict each other, and repeated images."""
    usable = rows[rows["reason"] == ""]
    labels = usable.groupby("objid")["label"].transform("nunique")
    rows.loc[labels[labels > 1].index, "reason"] = CONTRADICTED
    usable = rows[rows["reason"] == ""]
    galaxies = usable.groupby("path")["objid"].transform("nunique")
    rows.loc[galaxies[galaxies > 1].index, "reason"] = SHARED
    usable = rows[rows["reason"] == ""]
    repeated = usable.duplicated(["objid", "path"])
    rows.loc[repeated[repeated].index, "reason"] = REPEATED


def _check_classes(
    classes: list[str], found: "pd.Series[int]", source: Path, rule: str, *, drawn: bool
) -> None:
    """Raises an error if a classifier cannot be trained on the classes."""
    if len(found) == 1:
        remedy = "draw more with --n" if drawn else "check the labels"
        raise GalaxyError(
            f"{source}: each of the {found.sum():,} galaxies is labelled {found.index[0]!r} ({rule}), but a "
            f"classifier needs at least two classes: {remedy}"
        )
    if len(found) > MAX_CLASSES:
        names = ", ".join(map(repr, classes[:_SHOWN]))
        other = "merge some" if rule == "folders" else "name the column of the classes with --label-column"
        raise GalaxyError(
            f"{source}: {len(found):,} classes ({rule}: {names}, ...), but a classifier has at most "
            f"{MAX_CLASSES}: {other}"
        )
    try:
        check_class_names(classes)
    except GalaxyError as error:
        raise GalaxyError(f"{source}: {error}") from None


def _describe_small_classes(counts: Mapping[str, int]) -> list[str]:
    """Returns a note about the classes with too few galaxies, if there are any."""
    small = [f"{name!r} ({count})" for name, count in counts.items() if count < MIN_GALAXIES]
    if not small:
        return []
    names = ", ".join([*small[:_SHOWN], *(["..."] if len(small) > _SHOWN else [])])
    have = "class has" if len(small) == 1 else "classes have"
    return [f"{len(small)} {have} too few galaxies to be in all three splits: {names}"]


def _list(rows: pd.DataFrame, unused: Mapping[str, str]) -> pd.DataFrame:
    """Returns the excluded rows, by their number in the table, and the unused files."""
    left_out = rows[rows["reason"] != ""]
    paths = left_out["path"]
    listed = pd.DataFrame(
        {
            "row": (left_out.index + 1).astype("Int64"),
            "id": left_out["name"],
            "path": paths.where(paths.notna(), left_out["file"]) if "file" in left_out else paths,
            "reason": left_out["reason"],
        }
    )
    # Names of files may consist of any bytes, which only the type object allows.
    files = pd.DataFrame({"path": list(unused), "reason": list(unused.values())}, dtype=object)
    return pd.concat([listed, files], ignore_index=True) if len(files) else listed


def _natural_order(name: str) -> tuple[int, int, str]:
    """Sorts integers by value, before other names."""
    return (0, int(name), "") if name.isascii() and name.isdigit() else (1, 0, name)
