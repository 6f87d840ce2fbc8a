"""The limits of this machine, to which the benchmarks are compared."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from galaxy_lightning.networks import make_network


def gigaflops(dtype: torch.dtype, device: str = "cpu", side: int = 2048) -> float:
    """Returns the speed of large matrix products, in billions of operations per second."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        left @ right
        if device != "cpu":
            torch.cuda.synchronize()

    multiply()
    return 2 * side**3 / 1e9 / min(_seconds(multiply) for _ in range(8))


def copied_bytes_per_second() -> float:
    """Returns the speed of copying memory on one core, in bytes per second."""
    source = np.ones(1 << 28, dtype=np.uint8)
    target = np.ones_like(source)
    return len(source) / min(_seconds(lambda: np.copyto(target, source)) for _ in range(3))


def decoded_images_per_second(files: Sequence[Path]) -> float:
    """Returns the speed of decoding image files on all cores, in images per second."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.load()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return len(files) / _seconds(lambda: list(pool.map(decode, files)))


def gigaflop_per_image(network: str) -> float:
    """Returns the billions of operations in matrix products and convolutions per training image."""
    model = make_network(network, 3, 224)
    batch = 16
    # Without oneDNN, the counter knows all operations.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        view = model.prepare(torch.zeros(batch, 224, 224, 3, dtype=torch.uint8))
        for logits in model.expert_logits(view):
            functional.cross_entropy(logits, torch.zeros(batch, dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops()) / 1e9 / batch


def _seconds(work: Callable[[], object]) -> float:
    """Returns the duration of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
