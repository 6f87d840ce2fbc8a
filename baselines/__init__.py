"""What every network is measured against.

The reference's two networks, :mod:`baselines.keras_cnn.network` and :mod:`baselines.scratch`, and the floor
under all of them, :mod:`baselines.majority`. Each reads the galaxy arrays with their stored split and
leaves a run folder, as the networks do; :mod:`baselines.comparison` compares any number of those.
"""
