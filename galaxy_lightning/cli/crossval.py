"""Cross-validation: each galaxy is classified by a model that has not seen it."""

import argparse
import contextlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, refuse_existing
from data_prep.common.json_files import read_json, write_json
from data_prep.common.locks import file_lock, wait_for_lock
from data_prep.common.progress import print_progress
from data_prep.common.requeueing import allow_requeue
from galaxy_lightning.cli.configs import add_default_config, configured_checkpoints, expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.fold_jobs import plan_folds, train_folds
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.crossval import summarise
from galaxy_lightning.evaluation.verdict import labelled
from galaxy_lightning.jobs.cores import count_at_once
from galaxy_lightning.jobs.launchers import refuse_ranks
from galaxy_lightning.jobs.parts import Part, describe_part, without_part
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import FOLD_ARRAYS, PLAN
from galaxy_lightning.runs.writer import arrays_identity, require_run_name
from galaxy_lightning.tables.formats import require_format
from galaxy_lightning.tables.holding import require_names
from galaxy_lightning.tables.sources import find_predictions, write_source

_HIDDEN: Final = f".{Path(PLAN).stem}."
"""What the names begin with of the lock and of what a killed command may leave in a folder without a plan."""


def run(args: Sequence[str]) -> None:
    """Trains a model on each fold, and combines their predictions for the galaxies they have not seen.

    With ``--part``, it only trains the models of some folds.

    Args:
        args: The command line after ``crossval``.

    Raises:
        GalaxyError: A fold cannot be trained, or the folder holds another cross-validation.
    """
    allow_requeue()
    options, fit_args = _parse(add_default_config(expand_paths(args)))
    if options.name:
        require_run_name(options.name)
    table = _parse_table(options)
    final, texts = _parse_final(options)
    part = None if options.part is None else Part.parse(options.part)
    count_at_once(options.jobs, options.folds)
    refuse_ranks("crossval", "and set their number with --trainer.devices and --jobs")
    from galaxy_lightning.cli.final_model import complete_final, train_final
    from galaxy_lightning.cli.fit_settings import parse_fit_settings  # Lightning takes seconds to import.
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    name, settings = parse_fit_settings(fit_args)
    data = GalaxyDataModule(**settings["data"])
    data.prepare_data()
    arrays, seed = data.arrays, int(settings["seed_everything"])
    out = Path(options.out or Path(options.runs) / f"{options.name or name}_crossval" / f"seed_{seed}")
    settings["data"] |= {"arrays": arrays_identity(arrays)["sha256"], "verify": None}
    if final:
        _refuse_monitors(settings["trainer"])
    plan = {"folds": options.folds, "fit": settings}
    with contextlib.ExitStack() as stack:
        folds = _prepare_folder(out, plan, arrays, seed)
        if part is None:
            problem = f"another process is using {out}: wait until it has ended"
            stack.enter_context(file_lock(out / PLAN, out, problem))
        if table is not None:
            require_names([f"p_{each}" for each in folds[0].classes], table, "--table")
        images = len(arrays.catalog)
        print_progress(
            f"Cross-validating {options.name or name} in {len(folds)} folds of {images:,} galaxies"
            + (f", part {part}" if part else "")
        )
        jobs = plan_folds(fit_args, folds, out, settings["trainer"])
        numbers = range(len(jobs))
        if part is not None:
            train_folds(jobs, part.select(numbers), folds, settings["trainer"], options.jobs)
            combine = shlex.join([*PROGRAM.split(), "crossval", *without_part(args)])
            print(describe_part(part, jobs, combine), flush=True)
            return
        runs = [*train_folds(jobs, numbers, folds, settings["trainer"], options.jobs).values()]
        print("\n" + "\n".join(summarise(runs, folds, out)))
        if table is not None:
            write_source(find_predictions(out), table)
            print(labelled("Table", str(table)))
        print(labelled("Report", f"{PROGRAM} report --run {shlex.quote(str(out))}"), flush=True)
        if final:
            checkpoint = train_final(fit_args, arrays, out, runs, settings["trainer"])
            print("\n" + "\n".join(complete_final(final, checkpoint, fit_args, texts, out, runs, folds)))


def _parse(args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Separates the options of ``crossval`` from those of ``fit``."""
    parser = command_parser(
        "crossval",
        "[--folds N] [--config FILE] [options of fit]",
        f"crossval also accepts the options of fit: {PROGRAM} fit --help",
    )
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default: 5)")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="number of fits at once, each on its share of the CPU cores (default: 1)",
    )
    parser.add_argument(
        "--part",
        metavar="K/N",
        help="train only part K, from 1 to N, of the folds, for an array job; then the same command without "
        "--part combines the parts, and trains the final model",
    )
    parser.add_argument("--out", help="folder for the results (default: RUNS/NAME_crossval/seed_SEED)")
    parser.add_argument("--runs", default="runs", help="folder of all runs (default: runs)")
    parser.add_argument("--name", help="name of the cross-validation (default: that of the last config file)")
    parser.add_argument(
        "--final",
        metavar="FILE",
        help="then train a model on all galaxies, calibrate it on the galaxies left out of the folds, and "
        "save it to this file",
    )
    parser.add_argument("--card", metavar="FILE", help="YAML file of texts for the final model's card")
    parser.add_argument(
        "--table",
        metavar="FILE",
        help="also save the predictions as .csv, .fits, .vot, .ecsv or .parquet",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing final model or table of predictions"
    )
    options, others = parser.parse_known_args(args)
    for arg in others:
        if re.match("--ckpt_path|--trainer.fast_dev_run|--print_config", arg):
            raise GalaxyError(f"crossval trains every fold from start to finish: remove {arg}")
    if checkpoints := configured_checkpoints(others):
        raise GalaxyError(
            "crossval trains every fold from start to finish: remove ckpt_path from the config "
            f"(it names {', '.join(checkpoints)})"
        )
    return options, others


def _parse_final(options: argparse.Namespace) -> tuple[Path | None, dict[str, Any]]:
    """Returns the file of the final model and the texts of its card, before anything is trained."""
    if options.final is None:
        if options.card or (options.overwrite and options.table is None):
            raise GalaxyError("--card and --overwrite are for the final model: add --final FILE")
        return None, {}
    from galaxy_lightning.training.model_card import read_card_texts

    final = Path(options.final)
    if final.suffix != ".ckpt":
        raise GalaxyError(f"--final {final}: the final model is a checkpoint: use a name that ends in .ckpt")
    refuse_existing(final, overwrite=options.overwrite)
    with explain_write_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir() or not os.access(final.parent, os.W_OK):
        raise GalaxyError(f"--final {final} cannot be written: name a file in a folder of yours")
    return final, read_card_texts(Path(options.card)) if options.card else {}


def _parse_table(options: argparse.Namespace) -> Path | None:
    """Returns the table of the predictions, which is checked before anything is trained."""
    if options.table is None:
        return None
    table = Path(options.table)
    require_format(table, "--table")
    refuse_existing(table, overwrite=options.overwrite)
    return table


def _refuse_monitors(trainer: Mapping[str, Any]) -> None:
    """Refuses callbacks that need validation galaxies, of which a final model has none."""
    for callback in trainer.get("callbacks") or []:
        if str((callback.get("init_args") or {}).get("monitor", "")).startswith("val_"):
            raise GalaxyError(
                f"--final: {callback['class_path']} monitors the validation, but the final model trains on "
                "all galaxies: remove it"
            )


def _prepare_folder(out: Path, plan: dict[str, Any], arrays: GalaxyArrays, seed: int) -> list[GalaxyArrays]:
    """Claims the folder of a cross-validation, and makes the galaxy arrays of its folds.

    Other commands with the same folder wait, such as the parts of an array job that start together.
    """
    lock = out / f"{_HIDDEN}lock"
    with explain_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with explain_write_errors(lock):
            stack.enter_context(wait_for_lock(lock, f"Another process is preparing {out}: waiting for it"))
        _claim_folder(out / PLAN, plan)
        return [open_arrays(folder) for folder in make_folds(arrays, out / FOLD_ARRAYS, plan["folds"], seed)]


def _claim_folder(path: Path, plan: dict[str, Any]) -> None:
    """Saves the plan of a new cross-validation; checks that an existing folder holds the same plan."""
    out = path.parent
    if path.is_file():
        if read_json(path) != json.loads(json.dumps(plan)):
            raise GalaxyError(
                f"{out} holds a cross-validation with other settings or other galaxies (see {path.name}): "
                "choose another folder with --out, or remove this one"
            )
        return
    if not all(entry.name.startswith(_HIDDEN) for entry in out.iterdir()):
        raise GalaxyError(f"{out} holds other files: choose another folder with --out")
    write_json(path, plan)
