"""Where galaxies come from: downloads, tables and image files."""
