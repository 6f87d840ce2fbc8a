"""Constants of the course project's network, shared by its PyTorch, Keras and NumPy implementations."""

from typing import Final

FILTERS: Final = (16, 32, 64, 128)
"""Filters of the four 3x3 convolutions, each followed by 2x2 max-pooling."""

HIDDEN: Final = 32
"""Units of the hidden dense layer."""

DROPOUT: Final = (0.2, 0.3)
"""Dropout rates before and after the hidden layer."""

L2: Final = 0.005
"""Weight, in the loss, of the sum of squares of the hidden layer's kernel."""

SMALLEST_PX: Final = 46
"""Smallest image side in pixels: after the four convolutions and poolings, one pixel remains."""
