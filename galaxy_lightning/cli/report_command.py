"""The command ``report``: a page to browse, about runs or a cross-validation."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from galaxy_lightning.cli.configs import expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.runs.names import PAGE
from galaxy_lightning.tables.formats import require_suffix


def run(args: Sequence[str]) -> None:
    """Writes the page of runs that have been trained.

    Args:
        args: The command line after ``report``.

    Raises:
        GalaxyError: A run is incomplete or invalid, or the file exists.
    """
    usage = "--run RUN [RUN ...] [--data.arrays ARRAYS] [--out FILE [--overwrite]]"
    parser = command_parser("report", usage)
    parser.add_argument(
        "--run",
        nargs="+",
        action="extend",
        required=True,
        metavar="RUN",
        help="run folder, or the folder of a cross-validation; several runs are compared",
    )
    parser.add_argument(
        "--data.arrays",
        dest="arrays",
        metavar="ARRAYS",
        help="galaxy arrays of the runs (default: those that the runs name)",
    )
    text = "page to write (default: RUN/report.html, which is replaced)"
    parser.add_argument("--out", metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    options = parser.parse_args(expand_paths(args))
    runs = [Path(folder) for folder in options.run]
    if options.out is None and len(runs) > 1:
        raise GalaxyError("name the page of several runs with --out FILE")
    out = Path(options.out) if options.out else None
    if out is not None:
        require_suffix(out, (".html", ".htm"))
        refuse_existing(out, overwrite=options.overwrite)
    from galaxy_lightning.report.audits import read_audits  # matplotlib takes a second to import.
    from galaxy_lightning.report.content import Report
    from galaxy_lightning.report.inputs import read_inputs
    from galaxy_lightning.report.writer import write_page

    galaxies, models = read_inputs(runs, None if options.arrays is None else Path(options.arrays))
    report = Report(galaxies, models, (), *read_audits(galaxies, models))
    out = out or runs[0] / PAGE
    write_page(out, report)
    for line in filter(None, (*report.findings, galaxies.note, *report.audit_problems)):
        print(line)
    print(f"Saved to {out}: open it in a browser")
