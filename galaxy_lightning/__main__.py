"""Runs ``python -m galaxy_lightning``."""

import contextlib
import sys
from pathlib import Path

# ``python -m`` puts the current folder first in the search path, so that a random.py or numpy.py of the user
# would be imported instead of the library. At the end of the path, the user's own classes are still found.
with contextlib.suppress(OSError):  # The current folder may have been removed.
    current, root = str(Path.cwd()), str(Path(__file__).resolve().parents[1])
    if sys.path[0] == current and current != root:
        sys.path.append(sys.path.pop(0))

from galaxy_lightning.cli.main import main

if __name__ == "__main__":
    main()
