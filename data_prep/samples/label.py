"""Labels the galaxies of any table and finds their images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from data_prep.samples.image_lookup import check_bands, look_up_images
from data_prep.samples.labelled_sample import write_labelled
from data_prep.samples.row_images import add_images, read_mapping
from data_prep.samples.rules import read_rules
from data_prep.samples.sample_file import refuse_existing_sample
from data_prep.samples.table_columns import NamedColumns, choose_columns
from data_prep.samples.table_rows import read_rows
from data_prep.tables.catalogues import open_catalogue


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
