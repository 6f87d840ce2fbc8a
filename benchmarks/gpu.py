"""On a GPU: both networks in bfloat16, compiled and not, and whether the data keep up."""

from collections.abc import Iterator

import torch

from benchmarks.ceilings import gigaflop_per_image, gigaflops
from benchmarks.commands import Survey
from benchmarks.rows import Row, ratio
from benchmarks.steps import steps_per_second
from benchmarks.training import fit_command, images_per_second

GALAXIES = 20_000
_BATCH = 256
_MODES = (None, "default", "reduce-overhead")


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of training on a GPU; none where there is no GPU."""
    if not torch.cuda.is_available():
        return
    arrays = survey.arrays(GALAXIES)
    for network in ("reference_cnn", "galaxy_cnn"):
        ceiling = [gigaflops(torch.bfloat16, "cuda", side=8192) for _ in range(repeats)]
        work = gigaflop_per_image(network)
        steps = {
            mode: [steps_per_second(network, "cuda", _BATCH, mode) for _ in range(repeats)] for mode in _MODES
        }
        for mode, found in steps.items():
            yield Row(
                f"{network}, bf16, steps alone, batches of {_BATCH}, "
                + (f"compiled: {mode}" if mode else "eager"),
                "images per second",
                found,
                f"{max(ceiling):,.0f} GFLOP/s in matrix products, {work:.2f} GFLOP an image",
                ratio([speed * work for speed in found], ceiling),
            )
        for held in ("false", "true"):
            more = f"--data.batch_size {_BATCH} --data.verify false --data.on_device {held}"
            command = fit_command(network, "bf16-mixed", more)
            fits = [images_per_second(command, arrays) for _ in range(repeats)]
            yield Row(
                f"{network}, the real fit, pixels "
                + ("kept on the GPU" if held == "true" else "sent by batch"),
                f"its steps alone: {max(steps[None]):,.0f} images/s",
                ratio(fits, steps[None]),
                "1: the data keep up",
            )
