"""The command line of the data preparation: ``python -m data_prep download|simulate|extract|...``.

The functions of the commands import what they need only when they run, so that ``--help`` is fast.
"""

from typing import Final

from data_prep.cli.arrays import check, preprocess
from data_prep.cli.galaxy_zoo import download, extract, simulate
from data_prep.cli.own_galaxies import cutouts, label
from data_prep.common.commands import Commands

PROGRAM: Final = "python -m data_prep"

COMMANDS: Final = Commands(
    PROGRAM,
    "Prepare galaxy arrays, the input of every model, from Galaxy Zoo's files or your own. "
    "Usual order: download (or simulate), extract, preprocess, check. For your own galaxies: cutouts (if you "
    "have no images), label, preprocess, check.",
    {
        command.__name__: command
        for command in (download, simulate, extract, cutouts, label, preprocess, check)
    },
)
main = COMMANDS.main
