"""The two networks: the small one that was specified, and the full one."""

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


def specified_cnn(
    classes: int,
    generator: np.random.Generator,
    engine: Engine = "vectorized",
    dtype: npt.DTypeLike = np.float32,
) -> Network:
    """Makes the smallest network that has every kind of layer, for RGB images of 32 x 32 pixels.

    3x3 convolution (16 filters, no bias), 2x2 max-pooling, dense layer to the classes. The 3600
    numbers after the pooling are 16 channels of 15 x 15 pixels.

    Args:
        classes: How many classes it tells apart.
        generator: Where the initial weights come from: N(0, 1) / 9 and N(0, 1) / 3600.
        engine: How its layers compute.
        dtype: float32 or float64.

    Returns:
        The network.
    """
    features = 16 * 15 * 15
    return Network(
        [
            Conv2D(
                3,
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
    classes: int, image_size: int, generator: np.random.Generator, dtype: npt.DTypeLike = np.float32
) -> Network:
    """Makes the Keras network: four times [3x3 convolution, 2x2 max-pooling, ReLU], then dense layers.

    ReLU comes after the pooling and not before it: the largest of a window stays the largest under
    ReLU, which never turns an order round, so both ways give the same numbers, but this way for a
    quarter of the work.

    Args:
        classes: How many classes it tells apart.
        image_size: Side of its RGB images in pixels, at least ``SMALLEST_PX``.
        generator: Where the initial weights and dropout come from.
        dtype: float32 or float64.

    Returns:
        The network.

    Raises:
        GalaxyError: The images are too small for four convolutions and poolings.
    """
    if image_size < SMALLEST_PX:
        raise GalaxyError(f"the full CNN takes images of at least {SMALLEST_PX} pixels, not {image_size}")
    layers: list[Layer] = []
    channels, side = 3, image_size
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
