"""Trains and evaluates galaxy classifiers, and predicts with them, on PyTorch Lightning.

This module imports nothing, so that parts that do not need torch (the run folders, for example) can be used
without it.
"""
