"""The reference's Keras CNN on TensorFlow. TensorFlow is imported here and nowhere else.

Architecture, initialisation, optimiser, loss, epochs, batches and shuffling are the reference's.
What it got wrong is not: the split is the arrays' own, and the weights that are kept are those of
the lowest validation loss, as for every other model.
"""

import contextlib
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from baselines.recording import Fit, recording, require_finite
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.reference import DROPOUT, FILTERS, HIDDEN, L2, SMALLEST_PX
from galaxy_lightning.runs.names import HISTORY_COLUMNS

MODEL_FILE: Final = "model.keras"
_L2: Final = np.float64(L2)  # Keras rounds a plain Python number to float32, also in a float64 network.
_BETAS: Final = (np.float64(0.9), np.float64(0.999))


def import_keras() -> Any:
    """Imports Keras with TensorFlow behind it, and without its start-up messages.

    Returns:
        The ``keras`` module.

    Raises:
        GalaxyError: TensorFlow is not installed, or Keras already runs on something else.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "torch" in sys.modules:
        # PyTorch's compiler (triton) and TensorFlow each bring an LLVM; loaded in the other order they abort.
        with contextlib.suppress(ImportError):
            importlib.import_module("triton")
    try:
        with _quiet_stderr():
            import keras
            import tensorflow as tf

            tf.config.list_physical_devices()
    except ModuleNotFoundError as error:
        raise GalaxyError(
            f"the Keras CNN needs TensorFlow, and {error.name} is not installed; install it with: "
            "pip install 'tensorflow>=2.19'"
        ) from None
    if keras.backend.backend() != "tensorflow":
        raise GalaxyError(
            f"Keras was started on {keras.backend.backend()}: run this in a process of its own, where "
            "KERAS_BACKEND is unset"
        )
    return keras


@contextlib.contextmanager
def computing_in(keras: Any, policy: str) -> Iterator[None]:
    """Makes Keras networks of a precision within a block.

    Args:
        keras: The ``keras`` module.
        policy: ``"float32"``, ``"float64"`` or ``"mixed_float16"``.
    """
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64" if policy == "float64" else "float32")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def make_keras_cnn(
    classes: int = 3, image_size: int = 224, *, dropout: bool = True, learning_rate: float = 1e-3
) -> Any:
    """Makes the reference's network, compiled, with Glorot uniform weights and zero biases.

    Four times [3x3 convolution, ReLU, 2x2 max-pooling] with 16, 32, 64 and 128 filters; dropout
    0.2; dense 32 with ReLU and L2(0.005) on its kernel; dropout 0.3; dense softmax. Adam with
    Keras's defaults, sparse categorical cross-entropy.

    Args:
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels, at least ``SMALLEST_PX``.
        dropout: Whether it drops anything in training.
        learning_rate: Adam's learning rate.

    Returns:
        A ``keras.Sequential``: float images ``[B, H, W, 3]`` in [0, 1] to probabilities
        ``[B, classes]``. The softmax stays in float32 where the rest is in float16.

    Raises:
        GalaxyError: The images are too small, or there is no TensorFlow.
    """
    if image_size < SMALLEST_PX:
        raise GalaxyError(f"the Keras CNN takes images of at least {SMALLEST_PX} pixels, not {image_size}")
    keras = import_keras()
    layers = [keras.Input((image_size, image_size, 3))]
    for filters in FILTERS:
        layers += [
            keras.layers.Conv2D(filters, kernel_size=3, activation="relu"),
            keras.layers.MaxPooling2D(pool_size=2),
        ]
    last = {"dtype": "float32"} if keras.config.dtype_policy().name == "mixed_float16" else {}
    layers += [
        keras.layers.Dropout(DROPOUT[0] if dropout else 0.0),
        keras.layers.Flatten(),
        keras.layers.Dense(HIDDEN, activation="relu", kernel_regularizer=keras.regularizers.L2(_L2)),
        keras.layers.Dropout(DROPOUT[1] if dropout else 0.0),
        keras.layers.Dense(classes, activation="softmax", **last),
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
    """Trains the Keras CNN and leaves a run, with ``model.keras`` of the lowest validation loss.

    On a GPU it trains in ``mixed_float16``, on the CPU in float32.

    Args:
        arrays: The galaxy arrays; read by memory map, a batch at a time.
        out: The run folder to make.
        epochs: Passes through the training galaxies.
        batch_size: Galaxies per step.
        learning_rate: Adam's learning rate.
        seed: Of weights, shuffling and dropout.
        overwrite: Replace an older run in ``out``.

    Returns:
        Accuracy on the validation and test galaxies.

    Raises:
        GalaxyError: ``out`` exists, a split is empty, the images are too small, the fit has diverged,
            or there is no TensorFlow.
    """
    with recording(arrays, out, model="keras", seed=seed, overwrite=overwrite, files=(MODEL_FILE,)) as record:
        keras = import_keras()
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        policy = "mixed_float16" if gpus else "float32"
        keras.utils.set_random_seed(seed)
        with computing_in(keras, policy):
            network = make_keras_cnn(len(arrays.classes), arrays.images.shape[1], learning_rate=learning_rate)
        steps = -(-len(arrays.rows("train")) // batch_size)
        history: list[dict[str, float]] = []
        with progress_bar(total=epochs * steps, desc="keras", unit="batch") as bar:
            network.fit(
                _batches(arrays, arrays.rows("train"), batch_size, shuffle_seed=seed),
                validation_data=_batches(arrays, arrays.rows("val"), batch_size),
                epochs=epochs,
                shuffle=False,  # _batches does.
                verbose=0,
                callbacks=[
                    _epoch_recorder(keras, history, record.folder / MODEL_FILE, bar),
                    keras.callbacks.TerminateOnNaN(),
                ],
            )
        require_finite(history)
        network.load_weights(record.folder / MODEL_FILE)
        held_out = _batches(arrays, arrays.rows("val", "test"), batch_size)
        record.fit = Fit(
            history=history,
            probabilities=network.predict(held_out, verbose=0),
            parameters=network.count_params(),
            hyperparameters={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate},
            device=_device_name(tf, gpus),
            packages=("tensorflow", "keras"),
            more={"precision": policy},
        )
    return record.accuracies


def _batches(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64], batch_size: int, shuffle_seed: int | None = None
) -> Any:
    """Makes a ``tf.data.Dataset`` of (images in [0, 1], labels), reading only what each batch needs."""
    import tensorflow as tf

    labels, shape = arrays.labels, arrays.images.shape[1:]

    def read(chosen: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        return arrays.images[chosen], labels[chosen]

    def load(chosen: Any) -> Any:
        images, numbers = tf.numpy_function(read, [chosen], (tf.uint8, tf.int64))
        images, numbers = tf.ensure_shape(images, (None, *shape)), tf.ensure_shape(numbers, (None,))
        return tf.cast(images, tf.float32) / 255.0, numbers

    dataset = tf.data.Dataset.from_tensor_slices(rows)
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(rows), seed=shuffle_seed, reshuffle_each_iteration=True)
    return dataset.batch(min(batch_size, len(rows))).map(load).prefetch(1)


def _epoch_recorder(keras: Any, history: list[dict[str, float]], best: Path, bar: Any) -> Any:
    """Makes the callback that times every epoch, keeps the best weights, and moves the progress bar."""

    class EpochRecorder(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began, self.validating = time.perf_counter(), 0.0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            bar.update()

        def on_test_begin(self, logs: Any = None) -> None:
            self.validation_began = time.perf_counter()

        def on_test_end(self, logs: Any = None) -> None:
            self.validating += time.perf_counter() - self.validation_began

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds = time.perf_counter() - self.began
            found = (logs["loss"], logs["accuracy"], logs["val_loss"], logs["val_accuracy"])
            numbers = (epoch, *found, seconds, seconds - self.validating)
            if logs["val_loss"] < min((row["val_loss"] for row in history), default=np.inf):
                self.model.save(best)
            history.append(dict(zip(HISTORY_COLUMNS, numbers, strict=True)))
            bar.set_postfix(epoch=epoch, val_accuracy=f"{logs['val_accuracy']:.3f}")

    return EpochRecorder()


def _device_name(tf: Any, gpus: Sequence[Any]) -> str:
    """Returns what the network was trained on, in words."""
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu"))
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return f"cpu, {threads} threads"


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keeps what C++ libraries print on stderr off the screen, unless the block fails."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except ModuleNotFoundError:
            raise
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
