"""Labels the galaxies of any table and finds their images; :mod:`data_prep.samples.extract` is a preset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from data_prep.samples.class_folders import label_folders
from data_prep.samples.image_lookup import check_bands, look_up_images
from data_prep.samples.labelled_sample import write_labelled
from data_prep.samples.row_images import add_images, read_mapping
from data_prep.samples.rules import read_rules
from data_prep.samples.sample_file import refuse_existing_sample
from data_prep.samples.table_columns import NamedColumns, choose_columns
from data_prep.samples.table_rows import read_rows
from data_prep.tables.catalogues import open_catalogue


def make_sample(
    out: Path,
    *,
    table: Path | None,
    images: Path | None,
    folders: Path | None,
    rules: str | None,
    parameters: Mapping[str, float],
    columns: NamedColumns,
    mapping: Path | None,
    keep: Sequence[str],
    pattern: str | None,
    bands: Sequence[str],
    n: int | Literal["all"],
    seed: int,
    overwrite: bool,
) -> dict[str, Any]:
    """Labels galaxies by a table or by folders, and writes a sample.

    Args:
        out: The CSV to write.
        table: The table, if there is one.
        images: The folder of the images, if there is a table.
        folders: The folder of a folder per class, instead of a table.
        rules: As for :func:`label`, like all others; with ``folders``, the options of a table are refused.
        parameters: Values of the rules' parameters.
        columns: The named columns of the table.
        mapping: A table that maps ids to the names of images.
        keep: Further columns of the table.
        pattern: The names of the files, with one file per band.
        bands: The names of the bands.
        n: The number of galaxies to draw, or ``"all"``.
        seed: The seed of the draw.
        overwrite: Whether to replace an existing sample.

    Returns:
        The summary of the sample.

    Raises:
        GalaxyError: Options are missing or contradict each other; or as for the two functions.
    """
    if folders is not None:
        of_table: dict[str, Any] = {"table": table, "images": images, "rules": rules, "threshold": parameters}
        of_table |= {f"{role}-column": name for role, name in vars(columns).items()}
        of_table |= {"mapping": mapping, "keep": keep}
        for option, value in of_table.items():
            if value:
                raise GalaxyError(
                    f"--folders takes galaxies and labels from the folders alone: leave out --{option}"
                )
        return label_folders(folders, out, pattern=pattern, bands=bands, n=n, seed=seed, overwrite=overwrite)
    if table is None or images is None:
        raise GalaxyError("name a table and the folder of its images (--table, --images), or --folders")
    return label(
        table,
        images,
        out,
        rules=rules,
        parameters=parameters,
        columns=columns,
        mapping=mapping,
        pattern=pattern,
        bands=bands,
        keep=keep,
        n=n,
        seed=seed,
        overwrite=overwrite,
    )


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
        table: A table in any format; see :func:`data_prep.tables.catalogues.open_catalogue`.
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
    check_bands(pattern, bands)
    if parameters and rules is None:
        raise GalaxyError(f"--{next(iter(parameters))} is a parameter of label rules: name them with --rules")
    label_rules = None if rules is None else read_rules(rules, parameters)
    catalogue = open_catalogue(table)
    chosen, guessed, lines = choose_columns(catalogue, columns or NamedColumns(), label_rules)
    with progress_bar(total=2, desc="label", unit=" steps") as bar:
        read = read_rows(catalogue, chosen, guessed, label_rules, keep)
        bar.update()
        lookup = look_up_images(images, pattern, bands)
        bar.update()
    names = None if mapping is None else read_mapping(mapping)
    notes = [*add_images(read.rows, lookup, names, str(table)), *lines]
    settings = {
        "label_rule": f"column {chosen.label}" if label_rules is None else label_rules.name,
        "label_description": f"column {chosen.label} of {table.name}"
        if label_rules is None
        else label_rules.describe(),
        "threshold": None if label_rules is None else label_rules.parameters.get("threshold"),
        "rules": None if label_rules is None else label_rules.to_json(),
        "votes": label_rules.votes.to_json() if label_rules and label_rules.votes and read.votes else None,
        "columns": {role: name for role, name in vars(chosen).items() if name is not None},
        "bands": list(bands),
        "pattern": pattern,
        "seed": seed,
    }
    descriptions = {} if label_rules is None else dict(label_rules.classes)
    return write_labelled(out, read, lookup, settings, descriptions, n, table, notes)
