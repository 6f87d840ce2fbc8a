"""``python -m galaxy_lightning``."""

from galaxy_lightning.cli import main

if __name__ == "__main__":
    main()
