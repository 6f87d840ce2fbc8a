"""The command ``embed``: the features of galaxies as a Parquet table."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.common.files import refuse_existing
from data_prep.common.libraries import require_libraries
from data_prep.common.paths import quoted, user_path
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.embedding_options import (
    add_galaxies_options,
    add_model_options,
    add_overwrite,
    check_output,
    checkpoint_of,
    open_source,
)
from galaxy_lightning.evaluation.verdict import labelled
from galaxy_lightning.program import PROGRAM


def run(args: Sequence[str]) -> None:
    """Writes the features of galaxies to a table.

    Args:
        args: The command line after ``embed``.

    Raises:
        GalaxyError: The model or the galaxies cannot be used, or the table exists.
    """
    parser = command_parser("embed", "(--data.arrays ARRAYS | --data.images FOLDER) --out TABLE [options]")
    add_model_options(parser)
    add_galaxies_options(parser)
    parser.add_argument(
        "--out", required=True, type=user_path, metavar="TABLE", help="Parquet file to write (.parquet)"
    )
    add_overwrite(parser)
    options = parser.parse_args(args)
    require_libraries("pyarrow")
    skipped_path = skipped_list(options.out)
    check_output(options.out, (".parquet",), "--out", overwrite=options.overwrite)
    refuse_existing(skipped_path, overwrite=options.overwrite)
    checkpoint = checkpoint_of(options)
    # torch takes seconds to import.
    from galaxy_lightning.embedding.sources import load_embedding_model
    from galaxy_lightning.embedding.writing import embed
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    model = load_embedding_model(checkpoint, options.network)
    written = embed(model, open_source(options, model), options.out, skipped_path)
    print(
        labelled("Galaxies", f"{written.written:,}, of which the model has seen {written.seen:,} in training")
    )
    print(labelled("Features", f"{written.features:,} of {model.predictor.model.network.name}"))
    if len(written.skipped):
        print(labelled("Skipped", f"{len(written.skipped):,}, see {skipped_path}"))
    print(labelled("Saved to", str(options.out)))
    print(labelled("Next", f"{PROGRAM} similar GALAXY --in {quoted(options.out)}"))


def skipped_list(table: Path) -> Path:
    """Returns the path of the list of unusable images that belongs to a table."""
    return table.with_name(f"{table.stem}_skipped.csv")
