"""Downloads the real galaxies."""
