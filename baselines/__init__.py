"""Baseline models, and the comparison of any models.

The baselines are the two networks of the reference, the course project that this project grew from
(:mod:`baselines.keras_cnn.network` and :mod:`baselines.scratch`), and the majority class
(:mod:`baselines.majority`). Like all models, they read galaxy arrays with their stored split and write run
folders, which :mod:`baselines.comparison` compares.
"""
