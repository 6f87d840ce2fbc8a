"""Benchmarks on a GPU: both networks in bfloat16, compiled and eager, and with data loading."""

from collections.abc import Iterator

import torch

from benchmarks.ceilings import gigaflop_per_image, gigaflops
from benchmarks.commands import Survey
from benchmarks.rows import Row, ratios
from benchmarks.steps import trained_images_per_second
from benchmarks.training import fit_command, images_per_second

GALAXIES = 20_000
_BATCH = 256
_MODES = (None, "default", "reduce-overhead")


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of training on a GPU, if there is one."""
    if not torch.cuda.is_available():
        return
    arrays = survey.arrays(GALAXIES)
    for network in ("reference_cnn", "galaxy_cnn"):
        ceiling = [gigaflops(torch.bfloat16, "cuda", side=8192) for _ in range(repeats)]
        work = gigaflop_per_image(network)
        steps = {
            mode: [trained_images_per_second(network, "cuda", _BATCH, mode) for _ in range(repeats)]
            for mode in _MODES
        }
        for mode, speeds in steps.items():
            yield Row(
                f"training steps of {network}, bf16, batches of {_BATCH}, "
                + (f"compiled ({mode})" if mode else "eager"),
                "",
                speeds,
                f"{max(ceiling):,.0f} GFLOP/s in matrix products, {work:.2f} GFLOP per image",
                ratios([speed * work for speed in speeds], ceiling),
                unit="images/s",
            )
        for on_device in ("false", "true"):
            options = f"--data.batch_size {_BATCH} --data.verify false --data.on_device {on_device}"
            command = fit_command(network, "bf16-mixed", options)
            fits = [images_per_second(command, arrays) for _ in range(repeats)]
            yield Row(
                f"fit of {network}, images "
                + ("kept on the GPU" if on_device == "true" else "transferred in batches"),
                f"its training steps, eager: {max(steps[None]):,.0f} images/s",
                ratios(fits, steps[None]),
                "1: data loading costs no time",
            )
