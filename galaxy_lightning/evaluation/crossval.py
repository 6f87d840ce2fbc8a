"""What the folds of a cross-validation say together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from galaxy_lightning.evaluation.held_out import HeldOut


def _report(title: str, pooled: HeldOut, each: Sequence[HeldOut], interval: dict[str, Any]) -> Iterator[str]:
    """Yields the figures of all folds, line by line."""
    yield f"Cross-validation of {title}: each classified by a model that has not seen it"
    yield ""
    shown = {"accuracy": "accuracy", "macro_recall": "macro recall", "calibration_error": "calibration error"}
    yield f"{'fold':>12}{'galaxies':>11}" + "".join(f"{name:>20}" for name in shown.values())
    for number, one in enumerate(each):
        yield f"{number:>12}{len(one.labels):>11,}" + "".join(f"{one.metrics[name]:>20.3f}" for name in shown)
    spread = [
        f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
        for values in ([one.metrics[name] for one in each] for name in shown)
    ]
    yield f"{'mean ± sd':>12}{'':>11}" + "".join(f"{text:>20}" for text in spread)
    yield f"{'all':>12}{len(pooled.labels):>11,}" + "".join(
        f"{pooled.metrics[name]:>20.3f}" for name in shown
    )
    yield ""
    if interval:
        low, high = interval["accuracy_interval"]
        yield f"95% interval of the accuracy, over other galaxies: {low:.3f} to {high:.3f}"
        yield ""
    yield from pooled.report()
