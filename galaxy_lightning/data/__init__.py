"""Loads galaxy arrays and image files as batches."""
