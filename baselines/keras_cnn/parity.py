"""Measures whether the Keras CNN and its PyTorch implementation give the same outputs and train alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from baselines.keras_cnn.network import import_keras, make_keras_cnn, use_dtype_policy
from baselines.keras_cnn.weights import keras_from_torch, layer_table, torch_from_keras
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.progress import progress_bar
from galaxy_lightning.training.module import GalaxyClassifier

FloatType = Literal["float64", "float32"]
BATCH: Final = 64
"""Number of galaxies in a batch for inference."""


@dataclass(frozen=True)
class Parity:
    """Differences between the two networks.

    Attributes:
        layers: The layers of both networks side by side, as lines of text.
        galaxies: The number of galaxies on which the outputs were compared.
        outputs: The largest difference between probabilities, with the same weights.
        outputs_back: The largest difference between probabilities of the Keras network and of a new one with
            its weights converted to PyTorch and back.
        losses: The largest relative difference between losses during training.
        trained_outputs: The largest difference between probabilities after training.
        same_class: The share of galaxies with the same predicted class after training.
    """

    layers: list[str]
    galaxies: int
    outputs: float
    outputs_back: float
    losses: float
    trained_outputs: float
    same_class: float


def measure_parity(
    arrays: GalaxyArrays,
    *,
    galaxies: int = 64,
    steps: int = 50,
    batch_size: int = 32,
    precision: FloatType = "float64",
    seed: int = 0,
) -> Parity:
    """Trains both networks from the same weights on the same batches, without dropout, and compares them.

    In float64, the networks remain identical up to rounding. In float32, they diverge, like two Keras runs
    whose weights differ in the last digit: Adam's first steps have nearly the same length for any gradient,
    so that a rounding error in a tiny gradient moves a weight as far as a large gradient would, and training
    amplifies such differences.

    Args:
        arrays: The galaxy arrays.
        galaxies: The number of galaxies on which to compare the outputs.
        steps: The number of training steps.
        batch_size: The number of galaxies per training step.
        precision: The floating-point format of both networks.
        seed: The seed of weights and batches.

    Returns:
        The differences.

    Raises:
        GalaxyError: TensorFlow is not installed, or the images are too small.
    """
    keras = import_keras()
    with use_dtype_policy(keras, precision):
        return _measure(keras, arrays, galaxies, steps, batch_size, precision, seed)


def _measure(
    keras: Any,
    arrays: GalaxyArrays,
    galaxies: int,
    steps: int,
    batch_size: int,
    precision: FloatType,
    seed: int,
) -> Parity:
    classes, (size, bands) = arrays.classes, arrays.images.shape[2:]
    keras.utils.set_random_seed(seed)
    keras_model, copy = (make_keras_cnn(len(classes), size, bands, dropout=False) for _ in range(2))
    torch_model = GalaxyClassifier(classes=classes, image_size=size, bands=bands).to(
        getattr(torch, precision)
    )
    torch_model.network.load_state_dict(torch_from_keras(keras_model.get_weights()))
    copy.set_weights(keras_from_torch(torch_model.network.state_dict()))
    images = np.array(arrays.images[:galaxies])

    keras_before = _keras_outputs(keras_model, images, precision)
    torch_before = _torch_outputs(torch_model, images)
    back = _keras_outputs(copy, images, precision)

    torch_model.train()
    for layer in torch_model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    optimizer = torch_model.make_optimizer()
    generator = np.random.default_rng(seed)
    rows, largest = arrays.require_rows("train"), 0.0
    for _ in progress_bar(range(steps), desc="training both", unit=" steps"):
        chosen = np.sort(generator.choice(rows, min(batch_size, len(rows)), replace=False))
        batch, labels = arrays.images[chosen], arrays.labels[chosen]
        keras_model.reset_metrics()
        keras_loss = float(keras_model.train_on_batch(_scale(batch, precision), labels)[0])
        optimizer.zero_grad()
        loss = torch_model.loss(torch_model(torch.from_numpy(batch)), torch.from_numpy(labels))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        largest = max(largest, abs(float(loss.detach()) - keras_loss) / keras_loss)

    keras_after = _keras_outputs(keras_model, images, precision)
    torch_after = _torch_outputs(torch_model, images)
    return Parity(
        layers=layer_table(keras_model, torch_model),
        galaxies=len(images),
        outputs=_max_difference(keras_before, torch_before),
        outputs_back=_max_difference(keras_before, back),
        losses=largest,
        trained_outputs=_max_difference(keras_after, torch_after),
        same_class=float((keras_after.argmax(axis=1) == torch_after.argmax(axis=1)).mean()),
    )


def _keras_outputs(network: Any, images: npt.NDArray[np.uint8], precision: FloatType) -> npt.NDArray[Any]:
    """Returns the probabilities of the Keras network, ``[N, classes]``."""
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    return np.concatenate([network(_scale(batch, precision), training=False).numpy() for batch in batches])


def _torch_outputs(model: GalaxyClassifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Returns the probabilities of the PyTorch network, ``[N, classes]``."""
    model.eval()
    with torch.no_grad():
        batches = (torch.from_numpy(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
        return torch.cat([model(batch).softmax(dim=1) for batch in batches]).numpy()


def _scale(images: npt.NDArray[np.uint8], precision: FloatType) -> npt.NDArray[Any]:
    """Scales images to [0, 1]."""
    scaled: npt.NDArray[Any] = images.astype(precision) / np.array(255, precision)
    return scaled


def _max_difference(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.abs(one - other).max())


def parity_report(parity: Parity, arrays: Path, steps: int) -> list[str]:
    """Returns the differences as lines of text.

    Args:
        parity: The differences.
        arrays: The folder of the galaxy arrays.
        steps: The number of training steps.
    """
    return [
        *parity.layers,
        "",
        f"Largest difference between probabilities, on {parity.galaxies} galaxies of {arrays}:",
        f"  Keras -> PyTorch            {parity.outputs:.1e}",
        f"  Keras -> PyTorch -> Keras   {parity.outputs_back:.1e}",
        f"After {steps} training steps with the same initial weights and batches, without dropout:",
        f"  largest relative difference between losses   {parity.losses:.1e}",
        f"  largest difference between probabilities     {parity.trained_outputs:.1e}",
        f"  galaxies with the same predicted class       {parity.same_class:.1%}",
    ]
