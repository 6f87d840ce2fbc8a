"""Explains the classifications of a trained model by attribution maps, experts and similar galaxies."""
