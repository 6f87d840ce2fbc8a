"""Cross-validation: each galaxy is classified by a model that has not seen it."""

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
from galaxy_lightning.cli.configs import add_default_config, configured_checkpoint, expand_paths
from galaxy_lightning.cli.descriptions import DESCRIPTIONS
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.crossval import summarise
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.reader import Run, read_run
from galaxy_lightning.runs.writer import arrays_identity, complete_run, require_run_name

PLAN: Final = "crossval.json"


class _Help(argparse.HelpFormatter):
    """Wraps each line of a description separately, so that the example keeps its own line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(super(_Help, self)._fill_text(line, width, indent) for line in text.splitlines())


def run(args: Sequence[str]) -> None:
    """Trains a model on each fold, and combines their predictions for the galaxies they have not seen.

    Args:
        args: The command line after ``crossval``.

    Raises:
        GalaxyError: A fold cannot be trained, or the folder holds another cross-validation.
    """
    options, fit_args = _parse(add_default_config(expand_paths(args)))
    if options.name:
        require_run_name(options.name)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise GalaxyError(
            "crossval starts the processes of each fit itself: run it without torchrun, and set their number "
            "with --trainer.devices"
        )
    from galaxy_lightning.cli.fit_settings import parse_fit_settings  # Lightning takes seconds to import.

    name, settings = parse_fit_settings(fit_args)
    data = GalaxyDataModule(**settings["data"])
    data.prepare_data()
    arrays, seed = data.arrays, int(settings["seed_everything"])
    out = Path(options.out or Path(options.runs) / f"{options.name or name}_crossval" / f"seed_{seed}")
    settings["data"] |= {"arrays": arrays_identity(arrays)["sha256"], "verify": None}
    _claim_folder(out, {"folds": options.folds, "fit": settings})
    with file_lock(out / PLAN, out, f"another process is using {out}: wait until it has ended"):
        _cross_validate(fit_args, arrays, out, options.folds, seed)


def _cross_validate(fit_args: Sequence[str], arrays: GalaxyArrays, out: Path, number: int, seed: int) -> None:
    """Trains the models that are missing, and prints and writes the combined results."""
    folds = [open_arrays(folder) for folder in make_folds(arrays, out / "arrays", number, seed)]
    runs = [_train(fit_args, fold, out, len(folds)) for fold in folds]
    print("\n" + "\n".join(summarise(runs, folds, out)))


def _parse(args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Separates the options of ``crossval`` from those of ``fit``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} crossval",
        usage=f"{PROGRAM} crossval [--folds N] [--config FILE] [options of fit]",
        description=DESCRIPTIONS["crossval"],
        epilog=f"crossval also accepts the options of fit: {PROGRAM} fit --help",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default: 5)")
    parser.add_argument("--out", help="folder for the results (default: RUNS/NAME_crossval/seed_SEED)")
    parser.add_argument("--runs", default="runs", help="folder of all runs (default: runs)")
    parser.add_argument("--name", help="name of the cross-validation (default: that of the last config file)")
    options, others = parser.parse_known_args(args)
    for arg in others:
        if re.match("--ckpt_path|--trainer.fast_dev_run|--print_config", arg):
            raise GalaxyError(f"crossval trains every fold from start to finish: remove {arg}")
    if checkpoint := configured_checkpoint(others):
        raise GalaxyError(
            "crossval trains every fold from start to finish: remove ckpt_path from the config "
            f"(it names {checkpoint})"
        )
    return options, others


def _claim_folder(out: Path, plan: dict[str, Any]) -> None:
    """Saves the plan of a new cross-validation; checks that an existing folder holds the same plan."""
    path = out / PLAN
    if path.is_file():
        if read_json(path) != json.loads(json.dumps(plan)):
            raise GalaxyError(
                f"{out} holds a cross-validation with other settings or other galaxies (see {path.name}): "
                "choose another folder with --out, or remove this one"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise GalaxyError(f"{out} holds other files: choose another folder with --out")
    write_json(path, plan)


def _train(fit_args: Sequence[str], fold: GalaxyArrays, out: Path, folds: int) -> Run:
    """Trains the model of a fold, unless its run is complete."""
    name = fold.folder.name
    if complete_run(out / name) is None:
        print(f"\nTraining {name} ({folds} folds)", flush=True)
        own_args = ["--data.arrays", str(fold.folder), "--runs", str(out), "--name", name]
        run_module(["galaxy_lightning", "fit", *fit_args, *own_args])
    folder = complete_run(out / name)
    if folder is None:
        raise GalaxyError(f"the fit of {name} succeeded, but left no complete run in {out / name}")
    return read_run(folder, fold)
