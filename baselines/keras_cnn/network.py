"""The reference's Keras CNN on TensorFlow. No other module imports TensorFlow.

Architecture, initialisation, optimiser, loss, epochs, batch size and shuffling are those of the reference.
Two of its errors are corrected: the split is that of the arrays, and the final weights are those of the
lowest validation loss, as for all other models.
"""

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from baselines.keras_cnn.epochs import make_epoch_recorder
from baselines.recording import FitResult, describe_threads, record_run, require_finite
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.reference import DROPOUT, FILTERS, HIDDEN, L2, SMALLEST_PX
from galaxy_lightning.runs.epoch_progress import EpochProgress
from galaxy_lightning.runs.writer import describe_cpu

MODEL_FILE: Final = "model.keras"
_L2: Final = np.float64(L2)  # Keras rounds Python numbers to float32, even in a float64 network.
_BETAS: Final = (np.float64(0.9), np.float64(0.999))


def import_keras() -> Any:
    """Imports Keras with the TensorFlow backend, without TensorFlow's start-up messages.

    Returns:
        The ``keras`` module.

    Raises:
        GalaxyError: TensorFlow is not installed, or Keras already uses another backend.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "torch" in sys.modules:
        # PyTorch's compiler (triton) and TensorFlow both contain LLVM; loading TensorFlow's first aborts.
        with contextlib.suppress(ImportError):
            importlib.import_module("triton")
    try:
        with _quiet_stderr():
            import keras
            import tensorflow as tf

            tf.config.list_physical_devices()
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise GalaxyError(
            f"the Keras CNN needs TensorFlow, but {package} is not installed: install it with "
            "pip install 'tensorflow>=2.19'"
        ) from None
    if keras.backend.backend() != "tensorflow":
        raise GalaxyError(
            f"Keras already uses the backend {keras.backend.backend()}: run this in a separate process with "
            "KERAS_BACKEND unset"
        )
    return keras


@contextlib.contextmanager
def use_dtype_policy(keras: Any, policy: str) -> Iterator[None]:
    """Sets the dtype policy of the Keras networks that are made in the block.

    Args:
        keras: The ``keras`` module.
        policy: ``"float32"``, ``"float64"`` or ``"mixed_float16"``.
    """
    previous = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64" if policy == "float64" else "float32")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_floatx(previous[0])
        keras.config.set_dtype_policy(previous[1])


def make_keras_cnn(
    classes: int = 3,
    image_size: int = 224,
    bands: int = 3,
    *,
    dropout: bool = True,
    learning_rate: float = 1e-3,
) -> Any:
    """Makes the reference's network, compiled, with Glorot uniform weights and zero biases.

    Four blocks of 3x3 convolution, ReLU and 2x2 max-pooling, with 16, 32, 64 and 128 filters; dropout 0.2;
    dense layer of 32 units with ReLU and L2 regularisation (0.005) of its kernel; dropout 0.3; dense layer
    with softmax. Adam with Keras's defaults; sparse categorical cross-entropy.

    Args:
        classes: The number of classes.
        image_size: The side of the images in pixels, at least ``SMALLEST_PX``.
        bands: The number of bands of the images.
        dropout: Whether to apply dropout in training.
        learning_rate: Adam's learning rate.

    Returns:
        A ``keras.Sequential`` from float images ``[B, H, W, bands]`` in [0, 1] to probabilities
        ``[B, classes]``. With mixed precision, the softmax is computed in float32.

    Raises:
        GalaxyError: The images are too small, or TensorFlow is not installed.
    """
    if image_size < SMALLEST_PX:
        raise GalaxyError(f"the Keras CNN needs images of at least {SMALLEST_PX} pixels, not {image_size}")
    keras = import_keras()
    layers = [keras.Input((image_size, image_size, bands))]
    for filters in FILTERS:
        layers += [
            keras.layers.Conv2D(filters, kernel_size=3, activation="relu"),
            keras.layers.MaxPooling2D(pool_size=2),
        ]
    softmax_dtype = {"dtype": "float32"} if keras.config.dtype_policy().name == "mixed_float16" else {}
    layers += [
        keras.layers.Dropout(DROPOUT[0] if dropout else 0.0),
        keras.layers.Flatten(),
        keras.layers.Dense(HIDDEN, activation="relu", kernel_regularizer=keras.regularizers.L2(_L2)),
        keras.layers.Dropout(DROPOUT[1] if dropout else 0.0),
        keras.layers.Dense(classes, activation="softmax", **softmax_dtype),
    ]
    network = keras.Sequential(layers, name="keras_cnn")
    beta_1, beta_2 = _BETAS
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def fit_keras(
    arrays: GalaxyArrays,
    out: Path,
    *,
    epochs: int = 15,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, float]:
    """Trains the Keras CNN and writes a run folder, with the best weights in ``model.keras``.

    It trains in ``mixed_float16`` on a GPU and in ``float32`` on a CPU. The best weights are those of the
    lowest validation loss.

    Args:
        arrays: The galaxy arrays; images are read from the memory map one batch at a time.
        out: The run folder to create.
        epochs: The number of passes through the training galaxies.
        batch_size: The number of galaxies per training step.
        learning_rate: Adam's learning rate.
        seed: The seed of weights, shuffling and dropout.
        overwrite: Whether to replace an existing run in ``out``.

    Returns:
        The accuracy on the validation galaxies and on the test galaxies, by split.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, the images are too small, the fit has diverged, or
            TensorFlow is not installed.
    """
    with record_run(
        arrays, out, model="keras", seed=seed, overwrite=overwrite, files=(MODEL_FILE,)
    ) as record:
        keras = import_keras()
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        policy = "mixed_float16" if gpus else "float32"
        keras.utils.set_random_seed(seed)
        with use_dtype_policy(keras, policy):
            network = make_keras_cnn(
                len(arrays.classes), *arrays.images.shape[2:], learning_rate=learning_rate
            )
        history: list[dict[str, float]] = []
        galaxies = _batches(arrays, arrays.rows("val"), batch_size)
        with contextlib.closing(EpochProgress(epochs)) as progress:
            network.fit(
                _batches(arrays, arrays.rows("train"), batch_size, shuffle_seed=seed),
                epochs=epochs,
                shuffle=False,  # _batches shuffles.
                verbose=0,
                callbacks=[
                    make_epoch_recorder(keras, history, record, MODEL_FILE, galaxies, progress),
                    keras.callbacks.TerminateOnNaN(),
                ],
            )
        require_finite(history)
        network.load_weights(record.folder / MODEL_FILE)
        held_out = _batches(arrays, arrays.rows("val", "test"), batch_size)
        record.fit = FitResult(
            history=history,
            probabilities=network.predict(held_out, verbose=0),
            parameters=network.count_params(),
            hyperparameters={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate},
            device=_describe_device(tf, gpus),
            packages=("tensorflow", "keras"),
            extra={"precision": policy},
        )
    return record.accuracies


def _batches(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64], batch_size: int, shuffle_seed: int | None = None
) -> Any:
    """Returns a ``tf.data.Dataset`` of images in [0, 1] and labels, which reads one batch at a time."""
    import tensorflow as tf

    labels, shape = arrays.labels, arrays.images.shape[1:]

    def read(batch: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        return arrays.images[batch], labels[batch]

    def load(batch: Any) -> Any:
        images, batch_labels = tf.numpy_function(read, [batch], (tf.uint8, tf.int64))
        images = tf.ensure_shape(images, (None, *shape))
        batch_labels = tf.ensure_shape(batch_labels, (None,))
        return tf.cast(images, tf.float32) / 255.0, batch_labels

    dataset = tf.data.Dataset.from_tensor_slices(rows)
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(rows), seed=shuffle_seed, reshuffle_each_iteration=True)
    return dataset.batch(min(batch_size, len(rows))).map(load).prefetch(1)


def _describe_device(tf: Any, gpus: Sequence[Any]) -> str:
    """Returns a description of the device that the network is trained on."""
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    if threads := tf.config.threading.get_intra_op_parallelism_threads():
        return describe_cpu(threads)
    return describe_threads("TF_NUM_INTRAOP_THREADS")


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Suppresses what C++ libraries print on stderr, unless the block fails."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except ModuleNotFoundError:
            raise
        except BaseException:
            captured.seek(0)
            os.write(stderr, captured.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
