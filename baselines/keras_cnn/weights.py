"""Converts the weights of the reference CNN from Keras to PyTorch and back."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.keras_cnn.network import MODEL_FILE, make_keras_cnn
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runs.names import BEST_CHECKPOINT, RUN
from galaxy_lightning.runs.reader import read_about
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.checkpoints import load_model, read_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier

TORCH_LAYERS: Final = ("features.0", "features.3", "features.6", "features.9", "hidden", "head.2")
"""The layers of ``ReferenceCNN`` that have weights, in the order of the Keras network."""

Weights = Sequence[npt.NDArray[Any]]
"""The result of a Keras model's ``get_weights``: kernel and bias of each layer in turn."""


def torch_from_keras(weights: Weights) -> dict[str, Tensor]:
    """Converts weights from Keras to PyTorch.

    Args:
        weights: Kernels ``[k, k, in, out]`` or ``[in, out]`` and biases ``[out]`` of the six layers.

    Returns:
        The ``state_dict`` of a ``ReferenceCNN``: kernels ``[out, in, k, k]`` or ``[out, in]``, and biases.

    Raises:
        GalaxyError: The weights are not six kernels and six biases.
    """
    if len(weights) != 2 * len(TORCH_LAYERS):
        raise GalaxyError(f"the reference CNN has 12 arrays of weights, not {len(weights)}")
    state = {}
    for layer, kernel, bias in zip(TORCH_LAYERS, weights[::2], weights[1::2], strict=True):
        transposed = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        state[f"{layer}.weight"] = torch.from_numpy(np.array(transposed, order="C"))
        state[f"{layer}.bias"] = torch.from_numpy(np.array(bias))
    return state


def keras_from_torch(state: Mapping[str, Tensor]) -> list[npt.NDArray[Any]]:
    """Converts weights from PyTorch to Keras; the inverse of :func:`torch_from_keras`.

    Args:
        state: The ``state_dict`` of a ``ReferenceCNN``.

    Returns:
        The weights for a Keras model's ``set_weights``.

    Raises:
        GalaxyError: A layer is missing.
    """
    weights = []
    for layer in TORCH_LAYERS:
        try:
            kernel, bias = (state[f"{layer}.{name}"].detach().cpu().numpy() for name in ("weight", "bias"))
        except KeyError as error:
            raise GalaxyError(f"these are not the weights of a reference CNN: {error} is missing") from None
        weights += [np.array(kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T, order="C")]
        weights += [np.array(bias)]
    return weights


def checkpoint_from_keras(path: Path, arrays: GalaxyArrays, out: Path) -> None:
    """Converts a Keras model to a checkpoint of the Lightning model.

    Args:
        path: A run folder of the Keras CNN, its ``model.keras``, or a ``.weights.h5`` file. Only the weights
            are read; no code in the file is run.
        arrays: The galaxy arrays that the model was trained on. The checkpoint lists their training galaxies,
            so that the model is never tested on them.
        out: The ``.ckpt`` file to write, for ``python -m galaxy_lightning test`` and ``predict``.

    Raises:
        GalaxyError: The file does not hold such weights, it belongs to a run on other arrays, or the
            checkpoint cannot be written.
    """
    path = path / MODEL_FILE if path.is_dir() else path
    if not path.is_file():
        raise GalaxyError(f"there is no file {path}: name a run folder of the Keras CNN, or its {MODEL_FILE}")
    if (path.parent / RUN).is_file():
        read_about(path.parent / RUN, arrays)  # Refuses other arrays, which have other training galaxies.
    size, bands = arrays.images.shape[2:]
    keras = make_keras_cnn(len(arrays.classes), size, bands)
    try:
        with warnings.catch_warnings():
            # The optimiser's state is not converted.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            keras.load_weights(path)
    except Exception as error:  # A damaged file may raise any exception.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise GalaxyError(
            f"{path} does not hold the weights of a Keras CNN for images of {size} pixels, {bands} "
            f"band{'s' * (bands > 1)} and {len(arrays.classes)} classes, as in {arrays.folder}: {reason}"
        ) from None
    model = GalaxyClassifier(classes=arrays.classes, image_size=size, bands=bands)
    model.network.load_state_dict(torch_from_keras(keras.get_weights()))
    write_checkpoint(out, model, GalaxyDataModule(str(arrays.folder)))


def keras_from_checkpoint(path: Path, out: Path) -> None:
    """Converts a checkpoint of the Lightning model to a Keras model.

    Args:
        path: The ``.ckpt`` file of a ``reference_cnn``, or its run folder (its ``best.ckpt``).
        out: The ``.keras`` file to write, for ``keras.saving.load_model``.

    Raises:
        GalaxyError: The checkpoint holds another network, or cannot be read.
    """
    if out.suffix != ".keras":
        raise GalaxyError(f"{out} is not a name for a Keras model: use a name that ends in .keras")
    path = path / BEST_CHECKPOINT if path.is_dir() else path
    settings = read_checkpoint(path).hyperparameters
    network = settings.get("backbone") or settings.get("network")
    if network != "reference_cnn":
        raise GalaxyError(
            f"{path} holds the network {network!r}: only reference_cnn can be converted to Keras"
        )
    if settings.get("grey"):
        raise GalaxyError(
            f"{path} averages the bands (model.grey), but the Keras CNN cannot: convert another model"
        )
    model = load_model(path)
    keras = make_keras_cnn(len(model.classes), model.image_size, model.network.bands)
    keras.set_weights(keras_from_torch(model.network.state_dict()))
    with new_file(out) as partial:
        keras.save(partial)


def layer_table(keras: Any, model: GalaxyClassifier) -> list[str]:
    """Returns a table of both networks as lines of text: layers, weight shapes and numbers of parameters.

    Args:
        keras: The Keras model.
        model: The Lightning model.
    """
    state = model.network.state_dict()
    layers = [layer for layer in keras.layers if layer.weights]
    rows: list[Sequence[str]] = [("layer", "Keras kernel", "PyTorch weight", "Keras", "PyTorch")]
    totals = [0, 0]
    for layer, name in zip(layers, TORCH_LAYERS, strict=True):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        counts = [layer.count_params(), weight.numel() + bias.numel()]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        shapes = [" x ".join(map(str, shape)) for shape in (layer.kernel.shape, weight.shape)]
        kind = "convolution" if weight.ndim == 4 else "dense"
        rows.append([f"{kind} {weight.shape[0]}", *shapes, *(f"{count:,}" for count in counts)])
    rows.append(["total", "", "", *(f"{total:,}" for total in totals)])
    return [f"{a:<16}{b:<20}{c:<20}{d:>10}{e:>10}" for a, b, c, d, e in rows]
