"""Cross-validation: every galaxy is classified by a model that has not seen it."""

import argparse
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json, write_json
from data_prep.common.locks import file_lock
from data_prep.common.processes import run_module
from galaxy_lightning.cli.configs import add_recipe, configured_checkpoint, expand_paths
from galaxy_lightning.cli.words import DESCRIPTIONS
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.crossval import summarise
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.reader import Run, read_run
from galaxy_lightning.runs.writer import arrays_identity, complete_run, require_run_name

PLAN: Final = "crossval.json"


def run(words: Sequence[str]) -> None:
    """Trains a model on each fold, and puts what they say of the galaxies that they have not seen together.

    Args:
        words: The command line's words after ``crossval``.

    Raises:
        GalaxyError: A fold cannot be trained, or the folder holds another cross-validation.
    """
    options, words_of_fit = _parse(add_recipe(expand_paths(words)))
    if options.name:
        require_run_name(options.name)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise GalaxyError(
            "crossval starts the processes of each fit itself: run it without torchrun; --trainer.devices "
            "sets their number"
        )
    from galaxy_lightning.cli.lightning_cli import settings_of_fit  # Lightning takes seconds to import.

    name, settings = settings_of_fit(words_of_fit)
    data = GalaxyDataModule(**settings["data"])
    data.prepare_data()
    arrays, seed = data.arrays, int(settings["seed_everything"])
    out = Path(options.out or Path(options.runs) / f"{options.name or name}_crossval" / f"seed_{seed}")
    settings["data"] |= {"arrays": arrays_identity(arrays)["sha256"], "verify": None}
    _claim(out, {"folds": options.folds, "fit": settings})
    with file_lock(out / PLAN, out, f"another process is at work on {out}: wait until it has ended"):
        _cross_validate(words_of_fit, arrays, out, options.folds, seed)


def _cross_validate(
    words_of_fit: Sequence[str], arrays: GalaxyArrays, out: Path, number: int, seed: int
) -> None:
    """Trains the models that are missing, and prints and writes what all say together."""
    folds = [open_arrays(folder) for folder in make_folds(arrays, out / "arrays", number, seed)]
    runs = [_train(words_of_fit, fold, out, len(folds)) for fold in folds]
    print("\n" + "\n".join(summarise(runs, folds, out)))


def _parse(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Takes this command's own options out of its words; the others are those of ``fit``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} crossval",
        usage=f"{PROGRAM} crossval [--folds N] [--config FILE] [options of fit]",
        description=DESCRIPTIONS["crossval"],
        epilog=f"All options of fit are taken too: {PROGRAM} fit --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument(
        "--out", help="folder of this cross-validation (default: RUNS/NAME_crossval/seed_SEED)"
    )
    parser.add_argument("--runs", default="runs", help="folder of all runs (default: runs)")
    parser.add_argument("--name", help="its name; by default the (last) config file's")
    options, others = parser.parse_known_args(words)
    for word in others:
        if re.match("--ckpt_path|--trainer.fast_dev_run|--print_config", word):
            raise GalaxyError(f"crossval trains every fold from the beginning to the end: leave out {word}")
    if checkpoint := configured_checkpoint(others):
        raise GalaxyError(
            "crossval trains every fold from the beginning to the end: leave ckpt_path out of the config "
            f"(it names {checkpoint})"
        )
    return options, others


def _claim(out: Path, plan: dict[str, Any]) -> None:
    """Notes what is cross-validated, or checks that it is the same when the folder is there already."""
    path = out / PLAN
    if path.is_file():
        if read_json(path) != json.loads(json.dumps(plan)):
            raise GalaxyError(
                f"{out} holds a cross-validation with other settings or other galaxies (see {path.name}): "
                "name another folder with --out, or remove it"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise GalaxyError(f"{out} holds something else: name another folder with --out")
    write_json(path, plan)


def _train(words: Sequence[str], fold: GalaxyArrays, out: Path, folds: int) -> Run:
    """Trains the model of a fold, where there is no complete run of it yet."""
    name = fold.folder.name
    if complete_run(out / name) is None:
        print(f"\n{name}, of {folds}", flush=True)
        ours = ["--data.arrays", str(fold.folder), "--runs", str(out), "--name", name]
        run_module(["galaxy_lightning", "fit", *words, *ours])
    found = complete_run(out / name)
    if found is None:
        raise GalaxyError(f"the fit of {name} has ended well, and left no complete run in {out / name}")
    return read_run(found, fold)
