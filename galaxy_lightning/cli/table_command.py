"""The command ``table``: predictions in the formats of other programs."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from galaxy_lightning.cli.configs import expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.samp_message import send_by_samp
from galaxy_lightning.tables.formats import require_format
from galaxy_lightning.tables.joining import open_join
from galaxy_lightning.tables.samp import MESSAGES, require_sendable
from galaxy_lightning.tables.sources import find_predictions, left_out_path, write_source


def run(args: Sequence[str]) -> None:
    """Writes predictions in another format, or sends a table to other programs.

    Args:
        args: The command line after ``table``.

    Raises:
        GalaxyError: The source holds no predictions, the format is unknown, or the file exists.
    """
    usage = "SOURCE --out FILE [--catalogue TABLE [--id_column ID]] [--samp] [--overwrite]"
    parser = command_parser("table", usage)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="run folder, folder of a cross-validation, or CSV table of predict; with --samp and without "
        "--out, a FITS table or VOTable",
    )
    parser.add_argument("--out", metavar="FILE", help="table to write")
    parser.add_argument(
        "--catalogue",
        metavar="TABLE",
        help="table whose rows and columns to keep, with the predictions added",
    )
    parser.add_argument("--id_column", metavar="ID", help="its column of ids (default: guessed)")
    parser.add_argument("--samp", action="store_true", help="send the table to TOPCAT, Aladin, ... by SAMP")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    options = parser.parse_args(expand_paths(args))
    source = Path(options.source).expanduser()
    if options.out is None:
        if not (options.samp and source.suffix.lower() in MESSAGES):
            raise GalaxyError("name the table to write with --out FILE")
        if not source.is_file():
            raise GalaxyError(f"{source} is missing")
        print("\n".join(send_by_samp(source)))
        return
    out = Path(options.out)
    require_format(out)
    if options.samp:
        require_sendable(out)
    if options.id_column and not options.catalogue:
        raise GalaxyError("--id_column names a column of a catalogue: add --catalogue TABLE")
    for path in (out, left_out_path(out)):
        refuse_existing(path, overwrite=options.overwrite)
    found = find_predictions(source)
    if found.path.resolve() == out.resolve():
        raise GalaxyError(f"--out {out} is the table that is read: choose another name")
    join = open_join(Path(options.catalogue), options.id_column, out) if options.catalogue else None
    left_out, notes = write_source(found, out, join)
    print("\n".join([*notes, f"Saved to {out}"]))
    if left_out:
        print(f"Listed in {left_out_path(out)}: the predictions that are not in it")
    if options.samp:
        print("\n".join(send_by_samp(out)))
