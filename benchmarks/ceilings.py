"""What this machine can do at best: the limits that the benchmarks are held against."""

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
    """Returns the billions of operations per second of large matrix products."""
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def product() -> None:
        one @ other
        if device != "cpu":
            torch.cuda.synchronize()

    product()
    return 2 * side**3 / 1e9 / min(_seconds(product) for _ in range(8))


def copied_per_second() -> float:
    """Returns the bytes per second that one core copies from memory to memory."""
    one = np.ones(1 << 28, dtype=np.uint8)
    other = np.ones_like(one)
    return len(one) / min(_seconds(lambda: np.copyto(other, one)) for _ in range(3))


def decoded_per_second(files: Sequence[Path]) -> float:
    """Returns how many image files all cores decode per second, when they do nothing else."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.load()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return len(files) / _seconds(lambda: list(pool.map(decode, files)))


def gigaflop_per_image(network: str) -> float:
    """Returns the billions of operations of the products and convolutions that one training image takes."""
    model = make_network(network, 3, 224)
    batch = 16
    # Without oneDNN all of it goes through operations that the counter knows.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        view = model.prepare(torch.zeros(batch, 224, 224, 3, dtype=torch.uint8))
        for logits in model.expert_logits(view):
            functional.cross_entropy(logits, torch.zeros(batch, dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops()) / 1e9 / batch


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
