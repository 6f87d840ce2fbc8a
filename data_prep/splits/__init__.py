"""Assigns galaxies to training, validation and test."""
