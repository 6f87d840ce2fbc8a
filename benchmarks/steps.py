"""Training steps alone: no data, no metrics, no records."""

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from galaxy_lightning.networks import make_network


def steps_per_second(
    network: str, device: str, batch: int, mode: str | None, warm: int = 5, counted: int = 30
) -> float:
    """Trains on one batch that lies on the device; returns images per second of the steps counted."""
    model = make_network(network, 3, 224).to(device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    expert_logits: Callable[[torch.Tensor], list[torch.Tensor]] = model.expert_logits
    if mode:
        expert_logits = torch.compile(model.expert_logits, mode=mode, dynamic=False)
    images = torch.randint(256, (batch, 224, 224, 3), dtype=torch.uint8, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            each = [
                functional.cross_entropy(logits, labels) for logits in expert_logits(model.prepare(images))
            ]
        optimizer.zero_grad()
        torch.stack(each).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return batch * per_second(step, device, warm, counted)


def per_second(step: Callable[[], object], device: str, warm: int, counted: int) -> float:
    """Does something again and again; returns how often in a second, of the times that count."""
    for _ in range(warm):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(counted):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return counted / (time.perf_counter() - began)
