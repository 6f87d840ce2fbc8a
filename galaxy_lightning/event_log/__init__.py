"""The TensorBoard log of a run: the same tags for every model. Nothing here imports torch or matplotlib."""
