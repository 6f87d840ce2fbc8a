"""Which galaxies to use, and with which label."""
