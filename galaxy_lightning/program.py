"""The command that starts the program, as messages and help quote it."""

from typing import Final

PROGRAM: Final = "python -m galaxy_lightning"
