"""Benchmarks of training with the real commands, compared with the speed of matrix products."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from baselines.scratch.layer import Engine
from baselines.scratch.models import small_cnn
from baselines.scratch.optimizers import SGD
from benchmarks.ceilings import gigaflop_per_image, gigaflops
from benchmarks.commands import Survey, run
from benchmarks.rows import Row, ratios
from galaxy_lightning.runs.names import HISTORY

GALAXIES = 1280
"""Number of galaxies; with fewer, the fixed costs of an epoch (figures, checkpoints) would dominate."""
_KERAS = "-m baselines fit keras --data {arrays} --out {out} --epochs 3"
_SCRATCH = "-m baselines fit scratch-full --data {arrays} --out {out} --epochs 3"
_PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}
_TARGETS = {("reference_cnn", "32-true"): "at least 1.15", ("reference_cnn", "bf16-mixed"): "at least 1.9"}


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of training."""
    arrays = survey.arrays(GALAXIES)
    fits = [(network, precision) for network in ("reference_cnn", "galaxy_cnn") for precision in _PRECISIONS]
    keras: list[float] = []
    scratch: list[float] = []
    speeds: dict[tuple[str, str], list[float]] = {fit: [] for fit in fits}
    ceilings: dict[str, list[float]] = {precision: [] for precision in _PRECISIONS}
    small: dict[Engine, list[float]] = {"loops": [], "vectorized": []}
    for _ in range(repeats):
        for precision, dtype in _PRECISIONS.items():
            ceilings[precision].append(gigaflops(dtype))
        keras.append(images_per_second(_KERAS, arrays))
        for network, precision in fits:
            speeds[network, precision].append(images_per_second(fit_command(network, precision), arrays))
        scratch.append(images_per_second(_SCRATCH, arrays))
        for engine, results in small.items():
            results.append(_small_images_per_second(engine))

    def row(name: str, results: list[float], network: str, precision: str) -> Row:
        work = gigaflop_per_image(network)
        return Row(
            f"training {name}, {precision}: {np.median(results):.0f} images/s",
            f"keras, float32: {np.median(keras):.0f} images/s",
            ratios(results, keras),
            f"{np.median(ceilings[precision]):.0f} GFLOP/s in matrix products, {work:.2f} GFLOP per image",
            ratios([speed * work for speed in results], ceilings[precision]),
            _TARGETS.get((name, precision), ""),
        )

    for (network, precision), results in speeds.items():
        yield row(network, results, network, precision)
    yield row("scratch-full (NumPy)", scratch, "reference_cnn", "32-true")
    yield Row(
        "training scratch, 64 images of 32 x 32 pixels, vectorized",
        "for loops",
        ratios(small["vectorized"], small["loops"]),
        "",
    )


def fit_command(network: str, precision: str, options: str = "") -> str:
    """Returns the command of a short fit, for :func:`images_per_second`."""
    return (
        f"-m galaxy_lightning fit --config configs/{network}.yaml --trainer.precision {precision} "
        f"--trainer.max_epochs 3 --data.arrays {{arrays}} --runs {{out}} --name run {options}"
    )


def images_per_second(command: str, arrays: Path) -> float:
    """Runs a fit; returns training images per second, excluding the first epoch."""
    with tempfile.TemporaryDirectory() as name:
        run([word.format(arrays=arrays, out=Path(name) / "run") for word in command.split()])
        (history,) = [*Path(name).rglob(HISTORY)]
        seconds = pd.read_csv(history)["train_seconds"][1:].mean()
    train = pd.read_csv(arrays / "catalog.csv")["split"] == "train"
    return float(train.sum() / seconds)


def _small_images_per_second(engine: Engine) -> float:
    """Trains the small CNN on random images; returns images per second."""
    generator = np.random.default_rng(0)
    network, optimizer = small_cnn(3, generator, engine), SGD(0.01, 0.9)
    images = generator.random((64, 3, 32, 32), dtype=np.float32)
    labels = generator.integers(3, size=64)
    if engine == "vectorized":
        network.train_step(images, labels, optimizer)  # Allocates the buffers.
    steps = 1 if engine == "loops" else 100
    start = time.perf_counter()
    for _ in range(steps):
        network.train_step(images, labels, optimizer)
    return steps * len(images) / (time.perf_counter() - start)
