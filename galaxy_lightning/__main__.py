"""``python -m galaxy_lightning``."""

import contextlib
import sys
from pathlib import Path

# ``python -m`` searches the current folder first: a user's random.py or numpy.py there would be imported
# instead of the libraries'. It is searched last, so that classes of the user's own are still found.
with contextlib.suppress(OSError):  # The current folder may have been removed.
    if sys.path[0] == str(Path.cwd()) != str(Path(__file__).resolve().parents[1]):
        sys.path.append(sys.path.pop(0))

from galaxy_lightning.cli.main import main

if __name__ == "__main__":
    main()
