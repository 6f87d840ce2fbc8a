"""Speed of training steps without data loading, metrics and logging."""

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from galaxy_lightning.networks import make_network


def trained_images_per_second(
    network: str, device: str, batch: int, mode: str | None, warmup: int = 5, steps: int = 30
) -> float:
    """Trains on a single batch on the device.

    Args:
        network: The name of the network.
        device: ``"cpu"`` or ``"cuda"``.
        batch: The number of images in the batch.
        mode: The mode of ``torch.compile``; None for eager execution.
        warmup: The number of steps before the measurement.
        steps: The number of measured steps.

    Returns:
        Images per second.
    """
    model = make_network(network, 3, 224).to(device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    expert_logits: Callable[[torch.Tensor], list[torch.Tensor]] = model.expert_logits
    if mode:
        torch.compiler.reset()  # Too many compiled networks in one process, and torch trains eagerly instead.
        expert_logits = torch.compile(model.expert_logits, mode=mode, dynamic=False)
    images = torch.randint(256, (batch, 224, 224, 3), dtype=torch.uint8, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            losses = [
                functional.cross_entropy(logits, labels) for logits in expert_logits(model.prepare(images))
            ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return batch * calls_per_second(step, device, warmup, steps)


def calls_per_second(function: Callable[[], object], device: str, warmup: int, calls: int) -> float:
    """Calls a function repeatedly.

    Args:
        function: The function.
        device: ``"cpu"`` or ``"cuda"``, the device that it uses.
        warmup: The number of calls before the measurement.
        calls: The number of measured calls.

    Returns:
        Calls per second.
    """
    for _ in range(warmup):
        function()
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    if device == "cuda":
        torch.cuda.synchronize()
    return calls / (time.perf_counter() - start)
