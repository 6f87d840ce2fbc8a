"""The two networks from scratch: the small one that the reference specified, and the full one."""

import numpy as np
import numpy.typing as npt

from baselines.scratch.activation import ReLU
from baselines.scratch.convolution import Conv2D
from baselines.scratch.dense import Dense, Flatten
from baselines.scratch.dropout import Dropout
from baselines.scratch.initialisers import normal
from baselines.scratch.layer import Engine, Layer
from baselines.scratch.network import Network
from baselines.scratch.pooling import MaxPool2D
from data_prep.common.errors import GalaxyError
from galaxy_lightning.reference import DROPOUT, FILTERS, HIDDEN, L2, SMALLEST_PX


def small_cnn(
    classes: int,
    generator: np.random.Generator,
    engine: Engine = "vectorized",
    dtype: npt.DTypeLike = np.float32,
    *,
    bands: int = 3,
) -> Network:
    """Makes the small network that the reference specified, for images of 32 x 32 pixels.

    3x3 convolution (16 filters, no bias), 2x2 max-pooling and a dense layer. The 3600 features after the
    pooling are 16 channels of 15 x 15 pixels.

    Args:
        classes: The number of classes.
        generator: The random number generator of the initial weights, N(0, 1) / 9 and N(0, 1) / 3600.
        engine: The implementation of the layers.
        dtype: float32 or float64.
        bands: The number of bands of the images.

    Returns:
        The network.
    """
    features = 16 * 15 * 15
    return Network(
        [
            Conv2D(
                bands,
                16,
                bias=False,
                needs_input_gradient=False,
                generator=generator,
                initialise=normal(1 / 9),
                dtype=dtype,
                engine=engine,
            ),
            MaxPool2D(2, engine=engine),
            Flatten(),
            Dense(
                features,
                classes,
                generator=generator,
                initialise=normal(1 / features),
                dtype=dtype,
                engine=engine,
            ),
        ]
    )


def full_cnn(
    classes: int,
    image_size: int,
    generator: np.random.Generator,
    dtype: npt.DTypeLike = np.float32,
    *,
    bands: int = 3,
) -> Network:
    """Makes the Keras network: four blocks of 3x3 convolution, 2x2 max-pooling and ReLU, and dense layers.

    ReLU follows the pooling here. Since ReLU is monotonic, both orders give the same numbers, but this one
    applies ReLU to a quarter of the values.

    Args:
        classes: The number of classes.
        image_size: The side of the images in pixels, at least ``SMALLEST_PX``.
        generator: The random number generator of the initial weights and dropout.
        dtype: float32 or float64.
        bands: The number of bands of the images.

    Returns:
        The network.

    Raises:
        GalaxyError: The images are too small for four convolutions and poolings.
    """
    if image_size < SMALLEST_PX:
        raise GalaxyError(f"the full CNN needs images of at least {SMALLEST_PX} pixels, not {image_size}")
    layers: list[Layer] = []
    channels, side = bands, image_size
    for filters in FILTERS:
        layers += [
            Conv2D(channels, filters, needs_input_gradient=bool(layers), generator=generator, dtype=dtype),
            MaxPool2D(2),
            ReLU(),
        ]
        channels, side = filters, (side - 2) // 2
    layers += [
        Dropout(DROPOUT[0], generator),
        Flatten(),
        Dense(channels * side * side, HIDDEN, L2, generator=generator, dtype=dtype),
        ReLU(),
        Dropout(DROPOUT[1], generator),
        Dense(HIDDEN, classes, generator=generator, dtype=dtype),
    ]
    return Network(layers)
