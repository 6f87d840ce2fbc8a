"""What every network is measured against.

For now the one floor under all of them: :mod:`baselines.majority`. Each baseline reads the galaxy
arrays with their stored split and leaves a run folder, as the networks do.
"""
