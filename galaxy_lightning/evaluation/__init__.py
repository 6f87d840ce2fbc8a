"""Metrics, calibration and figures of held-out galaxies. Nothing here imports torch."""
