"""How well the novelty in ``predict`` tells strangers from galaxies: ``python -m benchmarks.novelty``.

The galaxies are those that a run has not seen: the test galaxies of its arrays.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from jsonargparse import ArgumentParser

from benchmarks.strangers import MADE, Images, recut
from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.plain_help import PlainHelp
from data_prep.common.progress import progress_bar
from galaxy_lightning.cli.checkpoint_names import find_checkpoint
from galaxy_lightning.evaluation.novelty import Novelty
from galaxy_lightning.training.checkpoints import load_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.novelty import learn_novelty, measure_features


def main() -> None:
    """Prints the area under the ROC curve for each kind of stranger, and its mean over the runs."""
    parser = ArgumentParser(
        prog="python -m benchmarks.novelty",
        description="Measure how well the novelty tells strangers from test galaxies.",
        formatter_class=PlainHelp,
    )
    parser.add_argument("--runs", type=list[Path], required=True, help="run folders")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the images of the arrays")
    parser.add_argument("--others", type=Path | None, help="galaxy arrays of another survey")
    options = parser.parse_args()
    found = []
    for run in progress_bar(options.runs, desc="runs", unit=" runs"):
        model, trained = load_checkpoint(find_checkpoint(str(run)))
        assert trained.arrays_folder is not None
        arrays = open_arrays(Path(trained.arrays_folder))
        found.append(measure(model, arrays, options.raw, options.others))
    print(f"{'':24}{'AUROC':>8}{'smallest':>10}{'largest':>10}{'above 99':>10}")
    for name in found[0]:
        areas, shares = np.array([each[name] for each in found]).T
        print(f"{name:24}{areas.mean():8.3f}{areas.min():10.3f}{areas.max():10.3f}{shares.mean():10.1%}")


def measure(
    model: GalaxyClassifier, arrays: GalaxyArrays, raw: Path, others: Path | None
) -> dict[str, tuple[float, float]]:
    """Compares the novelty of strangers with that of the test galaxies.

    Args:
        model: The model.
        arrays: The galaxy arrays of its training.
        raw: The folder of their images.
        others: Galaxy arrays of another survey.

    Returns:
        For each kind of stranger, the area under the ROC curve, and the share with a novelty above 99.
    """
    novelty = model.inference.novelty or learn_novelty(model, arrays)
    assert novelty is not None
    generator = np.random.default_rng(0)
    rows = arrays.rows("test")
    galaxies = np.asarray(arrays.images[rows])
    strangers = {name: make(galaxies, generator) for name, make in MADE.items()}
    files = [raw / path for path in arrays.catalog["path"].iloc[rows]]
    strangers |= recut(files, arrays.images.shape[1], generator)
    if others is not None:
        strangers["other galaxies"] = np.asarray(open_arrays(others).images)
    known = _rate(model, novelty, galaxies)
    found = {"test galaxies": (0.5, float((known >= 99).mean()))}
    for name, images in strangers.items():
        rated = _rate(model, novelty, images)
        found[name] = (area_under_roc(known, rated), float((rated >= 99).mean()))
    return found


def area_under_roc(negatives: npt.NDArray[np.float64], positives: npt.NDArray[np.float64]) -> float:
    """Returns the probability that a positive has a larger value than a negative; ties count half."""
    larger = positives[:, None] > negatives
    return float((larger + 0.5 * (positives[:, None] == negatives)).mean())


def _rate(model: GalaxyClassifier, novelty: Novelty, images: Images) -> npt.NDArray[np.float64]:
    features = measure_features(model, images, np.arange(len(images)))
    assert features is not None
    return novelty.percentiles(features)


if __name__ == "__main__":
    main()
