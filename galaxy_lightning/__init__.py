"""Galaxy arrays to trained, tested and predicting models, on PyTorch Lightning.

Nothing is imported here, so that a part that needs no torch (the run folders, say) can be used
without it.
"""
