"""Which galaxies belong to training, validation and test."""
