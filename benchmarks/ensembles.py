"""What an ensemble gains: ``python -m benchmarks.ensembles``.

The test galaxies are in none of the folds of the cross-validation. Its networks are compared on these, alone
and together.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jsonargparse import ArgumentParser

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.plain_help import PlainHelp
from data_prep.common.progress import progress_bar
from galaxy_lightning.cli.checkpoint_names import find_folds
from galaxy_lightning.evaluation.ensemble import combine
from galaxy_lightning.evaluation.measures import calibration_error
from galaxy_lightning.training.ensemble import load_ensemble

_BATCH = 64


class Scores(NamedTuple):
    """What is measured of ``N`` test galaxies.

    Attributes:
        correct: ``[N]`` whether each is classified correctly.
        loss: ``[N]`` logarithmic losses.
        calibration_error: Expected calibration error.
    """

    correct: npt.NDArray[np.bool_]
    loss: npt.NDArray[np.float64]
    calibration_error: float


def main() -> None:
    """Prints the scores of the ensemble and of its networks, and the differences on the same galaxies."""
    parser = ArgumentParser(
        prog="python -m benchmarks.ensembles",
        description="Compare an ensemble with its networks, on galaxies that none has seen.",
        formatter_class=PlainHelp,
    )
    parser.add_argument("--crossvals", type=list[Path], required=True, help="folders of cross-validations")
    parser.add_argument(
        "--tests", type=list[Path], required=True, help="galaxy arrays, all of whose galaxies are tested"
    )
    options = parser.parse_args()
    gains, losses = [], []
    print(f"{'':20}{'accuracy':>10}{'log loss':>10}{'calibration error':>20}")
    for folder, arrays in zip(options.crossvals, options.tests, strict=True):
        together, uncalibrated, alone = measure(folder, open_arrays(arrays))
        print(folder)
        for name, scores in {
            "ensemble": [together],
            "  temperature 1": [uncalibrated],
            "networks": alone,
        }.items():
            means = (
                np.mean([each.correct.mean() for each in scores]),
                np.mean([each.loss.mean() for each in scores]),
                np.mean([each.calibration_error for each in scores]),
            )
            print(f"{name:20}{means[0]:10.3f}{means[1]:10.3f}{means[2]:20.3f}")
        gains.append(together.correct - np.mean([each.correct for each in alone], axis=0))
        losses.append(together.loss - np.mean([each.loss for each in alone], axis=0))
    for name, differences in {"accuracy": np.concatenate(gains), "log loss": np.concatenate(losses)}.items():
        error = differences.std(ddof=1) / np.sqrt(len(differences))
        print(
            f"difference in {name}: {differences.mean():+.4f} ± {error:.4f} ({len(differences):,} galaxies)"
        )


def measure(crossval: Path, arrays: GalaxyArrays) -> tuple[Scores, Scores, list[Scores]]:
    """Measures an ensemble on all galaxies of arrays.

    Args:
        crossval: The folder of the cross-validation.
        arrays: The galaxy arrays, none of whose galaxies the networks have seen.

    Returns:
        The scores of the ensemble, of the mean without a temperature, and of each network.
    """
    ensemble = load_ensemble(find_folds(crossval)).eval()
    rows = np.arange(len(arrays.labels))
    for trained in ensemble.trained:
        for split in ("train", "val", "test"):
            if len(arrays.rows(split)):
                trained.require_unseen(arrays, split)
    parts = []
    with torch.inference_mode():
        for start in progress_bar(range(0, len(rows), _BATCH), desc="test", unit=" batches"):
            images = torch.from_numpy(arrays.images[rows[start : start + _BATCH]])
            parts.append(ensemble.classify(images).probabilities)
    values = np.concatenate(parts, axis=1)
    unseen = np.zeros(values.shape[:2], dtype=bool)
    temperature = ensemble.calibration.temperature
    print(f"temperature of the mean: {temperature:.3f}")
    together, uncalibrated = (
        _score(combine(values, unseen, each).probabilities, arrays.labels) for each in (temperature, 1.0)
    )
    return together, uncalibrated, [_score(each, arrays.labels) for each in values]


def _score(probabilities: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> Scores:
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12))
    return Scores(
        predicted == labels, loss.astype(np.float64), calibration_error(labels, predicted, probabilities)
    )


if __name__ == "__main__":
    main()
