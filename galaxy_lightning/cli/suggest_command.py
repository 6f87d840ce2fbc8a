"""The command ``suggest``: which galaxies to label next."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from data_prep.common.libraries import require_libraries
from data_prep.common.paths import user_path
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.embed_command import skipped_list
from galaxy_lightning.cli.embedding_options import (
    add_galaxies_options,
    add_model_options,
    add_overwrite,
    check_output,
    checkpoint_of,
    natural,
    open_source,
    positive,
)
from galaxy_lightning.evaluation.verdict import labelled

if TYPE_CHECKING:
    from galaxy_lightning.embedding.suggesting import Suggestion


def run(args: Sequence[str]) -> None:
    """Writes the galaxies to label next, and a page on which to label them.

    Args:
        args: The command line after ``suggest``.

    Raises:
        GalaxyError: The model, the galaxies or the table cannot be used, or a file exists.
    """
    options = _make_parser().parse_args(args)
    require_libraries("pyarrow", "sklearn")
    check_output(options.out, (".csv",), "--out", overwrite=options.overwrite)
    check_output(options.page, (".html", ".htm"), "--page", overwrite=options.overwrite)
    if not options.table:
        refuse_existing(skipped_list(options.out), overwrite=options.overwrite)
    if options.table and options.pixel_scale is not None:
        raise GalaxyError("--data.pixel_scale is that of image files: leave it out for a table")
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    if options.table:
        _suggest_from(options.table, options)
        return
    with tempfile.TemporaryDirectory(prefix="galaxy_") as folder:
        table = Path(folder) / "features.parquet"
        _embed(table, options)
        _suggest_from(table, options)


def _make_parser() -> argparse.ArgumentParser:
    usage = "(--data.arrays ARRAYS | --data.images FOLDER | --in TABLE) --out FILE [options]"
    parser = command_parser("suggest", usage)
    text = "number of galaxies to suggest (default: 100)"
    parser.add_argument("-n", type=positive, default=100, metavar="N", help=text)
    add_model_options(parser)
    add_galaxies_options(parser, with_table=True)
    parser.add_argument("--out", required=True, type=user_path, metavar="FILE", help="table to write (.csv)")
    parser.add_argument("--page", type=user_path, metavar="FILE", help="labelling page to write (.html)")
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="SEED", help="random seed of the choice (default: 0)"
    )
    add_overwrite(parser)
    return parser


def _embed(table: Path, options: argparse.Namespace) -> None:
    """Computes the features of the galaxies that the command line names."""
    checkpoint = checkpoint_of(options)
    from galaxy_lightning.embedding.sources import load_embedding_model
    from galaxy_lightning.embedding.writing import embed

    model = load_embedding_model(checkpoint, options.network)
    skipped_path = skipped_list(options.out)
    written = embed(model, open_source(options, model), table, skipped_path)
    if len(written.skipped):
        print(labelled("Skipped", f"{len(written.skipped):,}, see {skipped_path}"))


def _suggest_from(path: Path, options: argparse.Namespace) -> None:
    """Suggests galaxies of a table."""
    from galaxy_lightning.embedding.labelling_page import require_page_size, write_labelling_page
    from galaxy_lightning.embedding.reading import EmbeddingTable
    from galaxy_lightning.embedding.suggesting import suggest
    from galaxy_lightning.embedding.writing import write_list

    table = EmbeddingTable(path)
    if options.table and options.run is not None:
        from galaxy_lightning.embedding.similar import require_same_model
        from galaxy_lightning.embedding.sources import load_embedding_model

        require_same_model(table, load_embedding_model(checkpoint_of(options), options.network))
    if options.page is not None:
        require_page_size(min(options.n, len(table.galaxies)))
    suggestion = suggest(table, options.n, options.seed)
    notes = [] if options.page is None else write_labelling_page(options.page, table, suggestion.galaxies)
    write_list(suggestion.galaxies, options.out)
    print("\n".join([*_describe(suggestion, len(table.galaxies), options.n), *notes]))
    print(labelled("Saved to", str(options.out)))
    if options.page is not None:
        print(labelled("Page", f"{options.page}: open it in a browser to label the galaxies"))


def _describe(suggestion: "Suggestion", total: int, wanted: int) -> list[str]:
    """Returns how many galaxies are suggested, and which are left out."""
    found = len(suggestion.galaxies)
    lines = [labelled("Suggested", f"{found:,} of {total:,} galaxies")]
    reasons = {
        "seen by the model in training": suggestion.seen,
        "exact copies of others": suggestion.copies,
        "with values that are missing or not finite": suggestion.invalid,
    }
    if left_out := [f"{count:,} {reason}" for reason, count in reasons.items() if count]:
        lines.append(labelled("Left out", "; ".join(left_out)))
    if found < wanted:
        lines.append(f"There are fewer than {wanted:,} galaxies to choose from: all are suggested")
    if suggestion.unknown:
        lines.append(
            f"Of {suggestion.unknown:,} galaxies, it is unknown whether the model has seen them in training"
        )
    return lines
