"""The command line of the baselines: ``python -m baselines fit majority``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from data_prep.errors import errors_in_one_line
from data_prep.plain_help import PlainHelp

PROGRAM = "python -m baselines"


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: The command line's words; by default those the program was started with.
    """
    words = list(sys.argv[1:] if args is None else args)
    parser = ArgumentParser(
        prog=PROGRAM,
        description="Baselines: what every network is measured against.",
        usage=f"{PROGRAM} fit MODEL --data ARRAYS --out RUN [options]",
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    fit = ArgumentParser(
        usage=f"{PROGRAM} fit MODEL --data ARRAYS --out RUN [options]",
        description="Fit a baseline on galaxy arrays and leave a run folder.",
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    fit.add_argument("model", choices=["majority"], help="majority: always the most common class")
    fit.add_argument("--data", type=Path, required=True, metavar="ARRAYS", help="folder made by preprocess")
    fit.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to make")
    fit.add_argument("--overwrite", action="store_true", help="replace an older run of that name")
    commands = parser.add_subcommands(prog=PROGRAM, title="commands (add --help to one for its options)")
    commands.add_subcommand("fit", fit, help="Fit a baseline on galaxy arrays and leave a run folder.")
    if not words:
        parser.print_help()
        return
    options = parser.parse_args(words).fit
    with errors_in_one_line(f"{PROGRAM} fit"):
        from baselines.majority import fit_majority
        from data_prep.arrays import open_arrays

        arrays = open_arrays(options.data)
        arrays.verify()
        accuracies = fit_majority(arrays, options.out, overwrite=options.overwrite)
    found = ", ".join(f"{split} {accuracy:.3f}" for split, accuracy in accuracies.items())
    print(f"{options.model}: accuracy {found}; the run is in {options.out}")
