"""Cutouts of the galaxies of a table, downloaded from the image services of surveys."""
