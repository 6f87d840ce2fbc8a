"""The numbers of the course project's network, which PyTorch, Keras and NumPy each implement."""

from typing import Final

FILTERS: Final = (16, 32, 64, 128)
"""Filters of its four convolutions of 3x3, each followed by 2x2 max-pooling."""

HIDDEN: Final = 32
"""Units of the hidden dense layer."""

DROPOUT: Final = (0.2, 0.3)
"""Shares dropped before and after the hidden layer."""

L2: Final = 0.005
"""Weight of the squared kernel of the hidden layer in the loss."""

SMALLEST_PX: Final = 46
"""Side of the smallest images of which the four convolutions and poolings leave a pixel."""
