"""Simulates a survey in the raw Galaxy Zoo layout, for use without the real data."""

from data_prep.simulate.survey import add_truth, simulate_survey

__all__ = ["add_truth", "simulate_survey"]
