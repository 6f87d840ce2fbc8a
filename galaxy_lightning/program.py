"""How the program is called."""

from typing import Final

PROGRAM: Final = "python -m galaxy_lightning"
