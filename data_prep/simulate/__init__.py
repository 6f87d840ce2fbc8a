"""Simulates a small survey in the raw Galaxy Zoo layout, for machines without the real one."""

from data_prep.simulate.survey import simulate_survey

__all__ = ["simulate_survey"]
