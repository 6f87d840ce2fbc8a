"""How fast the reference's two networks train, as ratios from one run: python benchmarks/training.py.

The networks at 224 x 224 are trained by the real commands, each in a process of its own, in turn and
several times over; the first epoch, in which things are compiled and first read, does not count. The
two engines of the small one make training steps in this process. Run it on a machine that does nothing
else.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from baselines.scratch.layer import Engine
from baselines.scratch.models import specified_cnn
from baselines.scratch.optimizers import SGD
from data_prep.files import write_json
from data_prep.plain_help import PlainHelp
from galaxy_lightning.environment import environment
from galaxy_lightning.run_folder import HISTORY

COMMANDS = {
    "keras": "baselines fit keras --data {arrays} --out {out} --epochs 3",
    "reference_cnn": "galaxy_lightning fit --config configs/reference_cnn.yaml --data.arrays {arrays} "
    "--trainer.max_epochs 3 --runs {out} --name run",
    "scratch-full": "baselines fit scratch-full --data {arrays} --out {out} --epochs 3",
}


def main() -> None:
    """Measures, prints the ratios, and writes them as JSON."""
    parser = ArgumentParser(
        prog="python benchmarks/training.py", description=__doc__, formatter_class=PlainHelp
    )
    parser.add_argument("--repeats", type=PositiveInt, default=3, help="how often everything is measured")
    parser.add_argument(
        "--galaxies", type=PositiveInt, default=640, help="simulated galaxies, of which 70% are trained on"
    )
    parser.add_argument("--out", type=Path | None, default=None, metavar="FILE", help="JSON to write")
    options = parser.parse_args()
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, tqdm(total=options.repeats * 5, unit="measurement") as bar:
        arrays = _simulate(Path(name), options.galaxies)
        for repeat in range(options.repeats):
            for model, command in COMMANDS.items():
                bar.set_description(model)
                out = Path(name) / f"{model}_{repeat}"
                speeds.setdefault(model, []).append(_images_per_second(command, arrays, out))
                bar.update()
            for engine in ("loops", "vectorized"):
                bar.set_description(engine)
                speeds.setdefault(engine, []).append(_small_images_per_second(engine))
                bar.update()
    rows = [
        _ratio(speeds, "vectorized", "loops", "scratch CNN, a training step on 64 images of 32 x 32"),
        _ratio(speeds, "scratch-full", "keras", "Keras architecture at 224 x 224, training"),
        _ratio(speeds, "reference_cnn", "keras", "the same"),
        _ratio(speeds, "reference_cnn", "scratch-full", "the same"),
    ]
    print(f"{'what':<54}{'ratio':>30}{'median':>9}{'lowest to highest':>20}")
    for row in rows:
        bounds = f"{row['lowest']:.2f} to {row['highest']:.2f}"
        print(f"{row['what']:<54}{row['ratio']:>30}{row['median']:>9.2f}{bounds:>20}")
    found = ", ".join(f"{model} {statistics.median(values):,.1f}" for model, values in speeds.items())
    print(f"images/s, medians of {options.repeats}: {found}")
    if options.out:
        content = {"rows": rows, "images_per_second": speeds, **environment("torch", "tensorflow")}
        write_json(options.out, content)


def _simulate(folder: Path, galaxies: int) -> Path:
    """Makes galaxy arrays of simulated galaxies."""
    for words in (
        ["simulate", "--out", "raw", "--n", str(galaxies)],
        ["extract", "--raw", "raw", "--out", "sample.csv", "--n", "all"],
        ["preprocess", "--sample", "sample.csv", "--raw", "raw", "--out", "arrays"],
    ):
        _quietly(["data_prep", *words], folder)
    return folder / "arrays"


def _images_per_second(command: str, arrays: Path, out: Path) -> float:
    """Trains by a real command; returns training images per second of the epochs after the first."""
    _quietly([word.format(arrays=arrays, out=out) for word in command.split()], Path.cwd())
    (history,) = [*out.rglob(HISTORY)]
    seconds = pd.read_csv(history)["train_seconds"][1:].mean()
    train = pd.read_csv(arrays / "catalog.csv")["split"] == "train"
    return float(train.sum() / seconds)


def _small_images_per_second(engine: Engine) -> float:
    """Makes training steps of the specified CNN on random images; returns images per second."""
    generator = np.random.default_rng(0)
    network, optimizer = specified_cnn(3, generator, engine), SGD(0.01, 0.9)
    images = generator.random((64, 3, 32, 32), dtype=np.float32)
    labels = generator.integers(3, size=64)
    if engine == "vectorized":
        network.train_step(images, labels, optimizer)  # Its memory is fetched once.
    steps = 1 if engine == "loops" else 100
    began = time.perf_counter()
    for _ in range(steps):
        network.train_step(images, labels, optimizer)
    return steps * len(images) / (time.perf_counter() - began)


def _quietly(words: list[str], folder: Path) -> None:
    """Runs a command; shows what it printed only where it fails."""
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")


def _ratio(speeds: dict[str, list[float]], one: str, other: str, what: str) -> dict[str, Any]:
    """Compares two speeds, repeat by repeat."""
    ratios = [a / b for a, b in zip(speeds[one], speeds[other], strict=True)]
    return {
        "what": what,
        "ratio": f"{one} / {other}",
        "median": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }


if __name__ == "__main__":
    main()
