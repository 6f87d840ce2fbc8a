"""What suggested labels gain over random ones: ``python -m benchmarks.suggesting``.

Of galaxies whose labels are known, a fifth is set aside to measure the accuracy. From the others, some are
drawn at random as labelled; a model is trained on them and suggests the next ones to label, a new model is
trained on all labelled galaxies, and so on. The same is done with random galaxies instead.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jsonargparse import ArgumentParser

from data_prep.arrays.format import CATALOG, DATASET, IMAGES, GalaxyArrays, open_arrays
from data_prep.common.files import link_or_copy, new_folder, sha256
from data_prep.common.json_files import write_json
from data_prep.common.plain_help import PlainHelp
from data_prep.splits.draw import count_by_class
from galaxy_lightning.cli.main import main as galaxy_lightning
from galaxy_lightning.embedding.choosing import choose_next
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.training.checkpoints import load_model

Rows = npt.NDArray[np.int64]

_HELD_OUT, _VALIDATION = 0.2, 0.15


def main() -> None:
    """Trains the models, and prints their accuracies."""
    parser = ArgumentParser(
        prog="python -m benchmarks.suggesting",
        description="Compare suggested labels with random ones. It resumes if interrupted.",
        formatter_class=PlainHelp,
    )
    parser.add_argument("--arrays", type=Path, required=True, help="galaxy arrays")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--numbers", type=list[int], default=[100, 200, 400, 700], help="numbers of labels")
    parser.add_argument("--seeds", type=list[int], default=[0, 1, 2], help="seeds")
    options = parser.parse_args()
    arrays = open_arrays(options.arrays)
    found: dict[str, dict[int, list[float]]] = {"random": {}, "suggested": {}}
    for seed in options.seeds:
        for method, accuracies in found.items():
            for number, accuracy in learn(arrays, method, options.numbers, seed, options.out):
                accuracies.setdefault(number, []).append(accuracy)
                print(f"seed {seed}  {method:10}{number:6}{accuracy:8.3f}", flush=True)
    write_json(options.out / "accuracies.json", found)
    print(f"\n{'labels':>6}" + "".join(f"{method:>18}" for method in found) + f"{'difference':>20}")
    for number in options.numbers:
        values = {method: np.array(accuracies[number]) for method, accuracies in found.items()}
        columns = "".join(f"{np.mean(each):12.3f} ± {_error(each):.3f}" for each in values.values())
        difference = values["suggested"] - values["random"]
        print(f"{number:6}{columns}{np.mean(difference):+14.3f} ± {_error(difference):.3f}")


def learn(
    arrays: GalaxyArrays, method: str, numbers: list[int], seed: int, out: Path
) -> list[tuple[int, float]]:
    """Trains models on more and more labels.

    Args:
        arrays: The galaxy arrays.
        method: ``random`` or ``suggested``.
        numbers: Numbers of labels, increasing.
        seed: The seed of all draws and fits.
        out: The folder of the runs.

    Returns:
        Each number of labels, and the accuracy on the galaxies that were set aside.
    """
    order = np.random.default_rng(seed).permutation(len(arrays.labels)).astype(np.int64)
    held_out, pool = np.split(order, [round(_HELD_OUT * len(order))])
    labelled, found = pool[: numbers[0]], []
    for at, number in enumerate(numbers):
        name = f"{'start' if at == 0 else method}_{number}_{seed}"
        predictor = _train(arrays, labelled, name, seed, out)
        probabilities = predictor.probabilities(np.asarray(arrays.images[held_out]))
        found.append((number, float((probabilities.argmax(axis=1) == arrays.labels[held_out]).mean())))
        if at + 1 < len(numbers):
            wanted, rest = numbers[at + 1] - number, pool[~np.isin(pool, labelled)]
            if method == "suggested":
                outputs, features = predictor.classify(np.asarray(arrays.images[rest]))
                known = outputs.probabilities[0].astype(np.float64)
                chosen = choose_next(features, known, wanted, seed)
                labelled = np.concatenate([labelled, rest[chosen]])
            else:
                labelled = pool[: numbers[at + 1]]
    return found


def _train(arrays: GalaxyArrays, labelled: Rows, name: str, seed: int, out: Path) -> Predictor:
    """Trains the main network on labelled galaxies, unless that is done; the others are in no use."""
    folder = out / "arrays" / name
    validation = np.random.default_rng(seed).permutation(labelled)[: round(_VALIDATION * len(labelled))]
    split = np.full(len(arrays.labels), "test", dtype="<U5")
    split[labelled], split[validation] = "train", "val"
    if not (folder / DATASET).is_file():
        _write_arrays(arrays, folder, split)
    if complete_run(out / name) is None:
        words = ["--config", "galaxy_cnn", f"--data.arrays={folder}", f"--seed_everything={seed}"]
        galaxy_lightning(
            ["fit", *words, f"--runs={out}", f"--name={name}", "--trainer.enable_progress_bar=false"]
        )
    run = complete_run(out / name)
    assert run is not None
    return Predictor(load_model(run / "best.ckpt"))


def _write_arrays(arrays: GalaxyArrays, folder: Path, split: npt.NDArray[np.str_]) -> None:
    """Writes the same galaxies with another split."""
    with new_folder(folder, contents=(IMAGES, CATALOG, DATASET)) as partial:
        link_or_copy(arrays.folder / IMAGES, partial / IMAGES)
        arrays.catalog.assign(split=split).to_csv(partial / CATALOG, index=False)
        changes = {
            "counts": count_by_class(split, arrays.catalog["label"].to_numpy(dtype=str), arrays.classes),
            "sha256": arrays.dataset["sha256"] | {CATALOG: sha256(partial / CATALOG)},
        }
        write_json(partial / DATASET, json.loads(json.dumps(arrays.dataset)) | changes)


def _error(values: npt.NDArray[np.float64]) -> float:
    """Returns the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


if __name__ == "__main__":
    main()
