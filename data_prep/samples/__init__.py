"""Selects galaxies and assigns their labels."""
