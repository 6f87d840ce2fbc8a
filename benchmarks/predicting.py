"""Benchmarks of predicting a folder of images: speed and memory."""

from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.ceilings import decoded_images_per_second
from benchmarks.commands import Cost, Survey, run
from benchmarks.rows import Row, ratios
from benchmarks.steps import calls_per_second
from galaxy_lightning.training.module import GalaxyClassifier

FEW, MANY = 2000, 20_000
_BATCH = 64


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of predicting with the main network."""
    fit = "-m galaxy_lightning fit --config configs/galaxy_cnn.yaml --trainer.max_epochs 1 --name predicting"
    run([*fit.split(), "--data.arrays", survey.arrays(640), "--runs", survey.folder / "runs"])
    checkpoint = survey.folder / "runs/predicting/version_0/best.ckpt"
    files = survey.files(FEW)
    speeds, slower, both, memory = [], [], [], []
    for _ in range(repeats):
        decoding, inference = decoded_images_per_second(files), _classified_images_per_second(checkpoint)
        many, few = (_predict(survey, checkpoint, n) for n in (MANY, FEW))
        speeds.append(MANY / many.seconds)
        slower.append(min(decoding, inference))
        both.append(1 / (1 / decoding + 1 / inference))
        memory.append(many.memory_mb / few.memory_mb)
    yield Row(
        f"predict, a folder of {MANY:,} images: {max(speeds):,.0f} images/s",
        f"the slower of decoding ({decoding:,.0f}) and the forward pass ({inference:,.0f}), each alone",
        ratios(speeds, slower),
        f"both on the same cores: {max(both):,.0f} images/s",
        ratios(speeds, both),
        "at least 0.7",
    )
    yield Row(
        f"peak memory of predict, {MANY:,} images: {many.memory_mb:.0f} MB",
        f"{FEW:,} images",
        memory,
        "1: no growth",
        target="at most 1.1",
    )


def _predict(survey: Survey, checkpoint: Path, n: int) -> Cost:
    command = f"-m galaxy_lightning predict --overwrite --data.batch_size {_BATCH}".split()
    paths: list[str | Path] = [
        "--ckpt_path",
        checkpoint,
        "--data.images",
        survey.images(n),
        "--out",
        survey.folder / "p.csv",
    ]
    return run([*command, *paths])


def _classified_images_per_second(checkpoint: Path) -> float:
    """Classifies the same batch repeatedly; returns images per second."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = GalaxyClassifier.load_from_checkpoint(checkpoint, weights_only=True).eval().to(device)
    images = torch.randint(256, (_BATCH, 224, 224, 3), dtype=torch.uint8, device=device)
    with torch.inference_mode():
        return _BATCH * calls_per_second(lambda: model(images), device, warmup=3, calls=10)
