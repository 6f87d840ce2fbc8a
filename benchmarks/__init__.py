"""Benchmarks of speed and memory, mostly as ratios from one run: ``python -m benchmarks``."""
