"""Simulates a small survey in the raw Galaxy Zoo layout, for machines without the real one."""

from data_prep.simulate.survey import add_truth, simulate_survey

__all__ = ["add_truth", "simulate_survey"]
