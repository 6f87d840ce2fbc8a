"""Speed against speed, as ratios from one run: ``python -m benchmarks``."""
