"""Figures of merit of held-out galaxies. Nothing here imports torch."""
