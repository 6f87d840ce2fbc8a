"""The command ``similar``: the galaxies of a table that are most similar to a galaxy."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file
from data_prep.common.libraries import require_libraries
from data_prep.common.paths import expand_path, user_path
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.embedding_options import (
    add_model_options,
    add_overwrite,
    add_pixel_scale,
    check_output,
    checkpoint_of,
    positive,
)
from galaxy_lightning.evaluation.verdict import labelled

if TYPE_CHECKING:
    from galaxy_lightning.embedding.reading import EmbeddingTable
    from galaxy_lightning.embedding.sources import EmbeddingModel


def run(args: Sequence[str]) -> None:
    """Prints the most similar galaxies, and writes them as a table and a figure.

    Args:
        args: The command line after ``similar``.

    Raises:
        GalaxyError: The table is invalid, a galaxy does not exist, or a file exists.
    """
    options = _make_parser().parse_args(args)
    require_libraries("pyarrow")
    check_output(options.out, (".csv",), "--out", overwrite=options.overwrite)
    check_output(options.figure, (".png", ".pdf"), "--figure", overwrite=options.overwrite)
    files, names = _divide(options.galaxies)
    # The libraries take seconds to import.
    from galaxy_lightning.embedding.figure import MAX_IMAGES
    from galaxy_lightning.embedding.reading import EmbeddingTable
    from galaxy_lightning.embedding.similar import (
        find_ids,
        find_similar,
        queries_from_files,
        queries_from_rows,
    )
    from galaxy_lightning.embedding.writing import write_list
    from galaxy_lightning.evaluation.neighbours import Scale
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    table = EmbeddingTable(options.table)
    found_ids = find_ids(table, names)
    number = len(files) + sum(map(len, found_ids.values()))
    if options.figure is not None and number * (min(options.k, len(table.galaxies)) + 1) > MAX_IMAGES:
        raise GalaxyError(f"a figure has at most {MAX_IMAGES} images: lower -k, or name fewer galaxies")
    model = _load_model(options, table, needed=bool(files))
    scaled = table.read_features()
    if not len(scaled.rows):
        raise GalaxyError(f"{options.table}: no galaxy has features that are all finite")
    scale = Scale.of(scaled.features)
    scale.apply_in_place(scaled.features)
    queries = queries_from_rows(table, found_ids, scaled)
    if model is not None and files:
        queries += queries_from_files(files, table, model, scale, options.pixel_scale)
    results = find_similar(table, scaled, queries, options.k)
    print(_listing(results))
    for line in _notes(table, len(scaled.rows), results, options.k):
        print(line)
    if options.out is not None:
        write_list(pd.concat(results), options.out)
        print(labelled("Saved to", str(options.out)))
    if options.figure is not None:
        from galaxy_lightning.embedding.figure import plot_similar
        from galaxy_lightning.embedding.row_images import RowImages
        from galaxy_lightning.evaluation.figure_files import FORMATS

        figure, notes = plot_similar(table, queries, results, RowImages(table.info))
        suffix = options.figure.suffix.lower()[1:]
        with new_file(options.figure) as partial:
            figure.savefig(partial, format=suffix, **FORMATS[suffix])
        print("\n".join([*notes, labelled("Figure", str(options.figure))]))


def _make_parser() -> argparse.ArgumentParser:
    parser = command_parser("similar", "GALAXY [GALAXY ...] --in TABLE [options]")
    text = "the id of a galaxy in the table, or an image file"
    parser.add_argument("galaxies", nargs="+", metavar="GALAXY", help=text)
    text = "table of features, made with embed"
    parser.add_argument("--in", dest="table", required=True, type=user_path, metavar="TABLE", help=text)
    text = "number of similar galaxies (default: 20)"
    parser.add_argument("-k", type=positive, default=20, metavar="N", help=text)
    parser.add_argument("--out", type=user_path, metavar="FILE", help="table to write (.csv)")
    text = "picture of the galaxies to write (.png or .pdf)"
    parser.add_argument("--figure", type=user_path, metavar="FILE", help=text)
    add_model_options(parser, "that of the table; only image files need it")
    add_pixel_scale(parser, "as for the images of the table")
    add_overwrite(parser)
    return parser


def _divide(galaxies: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Divides the named galaxies into image files and ids; each is used once."""
    files, names = [], []
    for name in dict.fromkeys(galaxies):
        path = Path(expand_path(name))
        try:
            is_file = path.is_file()
        except OSError:  # An id may be too long for a file.
            is_file = False
        if is_file:
            files.append(path)
        else:
            names.append(name)
    return files, names


def _load_model(
    options: argparse.Namespace, table: "EmbeddingTable", *, needed: bool
) -> "EmbeddingModel | None":
    """Loads the model of the table, if image files need it or if it is named; refuses another."""
    if not needed and options.run is None:
        return None
    checkpoint = checkpoint_of(options, table.info.checkpoint)
    from galaxy_lightning.embedding.similar import require_same_model
    from galaxy_lightning.embedding.sources import load_embedding_model

    model = load_embedding_model(checkpoint, options.network)
    require_same_model(table, model)
    return model


def _listing(results: Sequence[pd.DataFrame]) -> str:
    """Returns the similar galaxies as text: rank, distance, ids, predicted class."""
    blocks = []
    for found in results:
        if found.empty:
            continue
        names = [
            name for name in ("rank", "distance", "objid", "id", "asset_id", "predicted") if name in found
        ]
        text = found[names].to_string(index=False, formatters={"distance": "{:.3f}".format})
        blocks.append(f"Most similar to {found['galaxy'].iloc[0]}:\n{text}")
    return "\n\n".join(blocks) or "The table has no other galaxies"


def _notes(table: "EmbeddingTable", finite: int, results: Sequence[pd.DataFrame], wanted: int) -> list[str]:
    """Returns what the user should know about the results."""
    notes = []
    if left_out := len(table.galaxies) - finite:
        notes.append(f"{left_out:,} galaxies of the table have features that are not finite: left out")
    fewest = min(map(len, results))
    if 0 < fewest < wanted:
        notes.append(f"The table has only {fewest:,} other galaxies: all are listed")
    return notes
