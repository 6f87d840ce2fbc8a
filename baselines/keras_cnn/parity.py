"""Shows that the Keras CNN and its PyTorch twin are one network: same outputs, same training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from baselines.keras_cnn.network import computing_in, import_keras, make_keras_cnn
from baselines.keras_cnn.weights import keras_from_torch, layer_table, torch_from_keras
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.progress import progress_bar
from galaxy_lightning.training.module import GalaxyClassifier

Precision = Literal["float64", "float32"]
BATCH: Final = 64
"""Galaxies whose outputs are computed at a time."""


@dataclass(frozen=True)
class Parity:
    """How far the two networks are apart.

    Attributes:
        layers: Their layers side by side, as lines of text.
        galaxies: How many galaxies the outputs were compared on.
        outputs: Largest difference of any probability, from the same weights.
        outputs_back: The same, after the weights went to PyTorch and back into a new Keras network.
        losses: Largest relative difference of the loss over the training steps.
        trained_outputs: Largest difference of any probability after those steps.
        same_class: Share of the galaxies to which both then give the same class.
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
    precision: Precision = "float64",
    seed: int = 0,
) -> Parity:
    """Starts both networks from the same weights, and trains both on the same batches without dropout.

    In float64 the two stay together. In float32 they drift apart, as two Keras runs do whose
    weights differ in the last digit: Adam's first steps have nearly the same length whatever the
    gradient, so that rounding in a tiny gradient moves a weight as far as a large one would, and
    training from scratch multiplies such differences.

    Args:
        arrays: The galaxy arrays.
        galaxies: How many galaxies the outputs are compared on.
        steps: How many training steps are made.
        batch_size: Galaxies per step.
        precision: What both compute in.
        seed: Of the weights and batches.

    Returns:
        How far they are apart.

    Raises:
        GalaxyError: There is no TensorFlow, or the images are too small.
    """
    keras = import_keras()
    with computing_in(keras, precision):
        return _measure(keras, arrays, galaxies, steps, batch_size, precision, seed)


def _measure(
    keras: Any,
    arrays: GalaxyArrays,
    galaxies: int,
    steps: int,
    batch_size: int,
    precision: Precision,
    seed: int,
) -> Parity:
    classes, size = arrays.classes, arrays.images.shape[1]
    keras.utils.set_random_seed(seed)
    theirs, copy = (make_keras_cnn(len(classes), size, dropout=False) for _ in range(2))
    ours = GalaxyClassifier(classes=classes, image_size=size).to(getattr(torch, precision))
    ours.network.load_state_dict(torch_from_keras(theirs.get_weights()))
    copy.set_weights(keras_from_torch(ours.network.state_dict()))
    images = np.array(arrays.images[:galaxies])

    before, ours_before = _keras_outputs(theirs, images, precision), _torch_outputs(ours, images)
    back = _keras_outputs(copy, images, precision)

    ours.train()
    for layer in ours.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    optimizer = ours.make_optimizer()
    generator = np.random.default_rng(seed)
    rows, worst = arrays.some_rows("train"), 0.0
    for _ in progress_bar(range(steps), desc="training both", unit="step"):
        chosen = np.sort(generator.choice(rows, min(batch_size, len(rows)), replace=False))
        batch, labels = arrays.images[chosen], arrays.labels[chosen]
        theirs.reset_metrics()
        their_loss = float(theirs.train_on_batch(_scaled(batch, precision), labels)[0])
        optimizer.zero_grad()
        loss = ours.loss(ours(torch.from_numpy(batch)), torch.from_numpy(labels))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        worst = max(worst, abs(float(loss.detach()) - their_loss) / their_loss)

    after, ours_after = _keras_outputs(theirs, images, precision), _torch_outputs(ours, images)
    return Parity(
        layers=layer_table(theirs, ours),
        galaxies=len(images),
        outputs=_apart(before, ours_before),
        outputs_back=_apart(before, back),
        losses=worst,
        trained_outputs=_apart(after, ours_after),
        same_class=float((after.argmax(axis=1) == ours_after.argmax(axis=1)).mean()),
    )


def _keras_outputs(network: Any, images: npt.NDArray[np.uint8], precision: Precision) -> npt.NDArray[Any]:
    batches = (images[at : at + BATCH] for at in range(0, len(images), BATCH))
    return np.concatenate([network(_scaled(batch, precision), training=False).numpy() for batch in batches])


def _torch_outputs(model: GalaxyClassifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    model.eval()
    with torch.no_grad():
        parts = (torch.from_numpy(images[at : at + BATCH]) for at in range(0, len(images), BATCH))
        return torch.cat([model(part).softmax(dim=1) for part in parts]).numpy()


def _scaled(images: npt.NDArray[np.uint8], precision: Precision) -> npt.NDArray[Any]:
    scaled: npt.NDArray[Any] = images.astype(precision) / np.array(255, precision)
    return scaled


def _apart(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.abs(one - other).max())


def parity_report(parity: Parity, arrays: Path, steps: int) -> list[str]:
    """Returns what was measured, as lines of text."""
    return [
        *parity.layers,
        "",
        f"On {parity.galaxies} galaxies of {arrays}, largest difference of a probability:",
        f"  Keras -> PyTorch            {parity.outputs:.1e}",
        f"  Keras -> PyTorch -> Keras   {parity.outputs_back:.1e}",
        f"After {steps} training steps from the same weights on the same batches, dropout off:",
        f"  largest relative difference of the loss   {parity.losses:.1e}",
        f"  largest difference of a probability       {parity.trained_outputs:.1e}",
        f"  same class predicted                      {parity.same_class:.1%}",
    ]
