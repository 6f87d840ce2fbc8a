"""Trains the final model of a cross-validation, on all of its galaxies."""

import contextlib
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.arrays.folds import make_final
from data_prep.arrays.format import FINAL, GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.common.progress import format_duration, print_progress
from galaxy_lightning.cli.checkpoint_names import NEWEST
from galaxy_lightning.cli.configs import named_networks
from galaxy_lightning.cli.fold_progress import LOG, failed_fit, run_fit
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.networks.class_paths import is_class_path
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, FOLD_ARRAYS, PLAN, SUMMARY
from galaxy_lightning.runs.reader import Run
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.training.final_model import calibrate_out_of_fold, write_final_model
from galaxy_lightning.training.model_card import ModelCard, Text


def train_final(
    fit_args: Sequence[str],
    arrays: GalaxyArrays,
    out: Path,
    runs: Sequence[Run],
    trainer: Mapping[str, Any],
) -> Path:
    """Trains a model on all galaxies of a cross-validation, unless its run is complete.

    It is trained for the median of the numbers of epochs after which the folds' models were best.

    Args:
        fit_args: The options of the fits.
        arrays: The galaxy arrays that were cross-validated.
        out: The folder of the cross-validation.
        runs: The runs of the folds.
        trainer: The trainer's settings.

    Returns:
        The checkpoint of the fit.

    Raises:
        GalaxyError: The fit failed.
    """
    folder = make_final(arrays, out / FOLD_ARRAYS)
    if complete_run(out / FINAL) is None:
        epochs = round(float(np.median([run.about["best_epoch"] + 1 for run in runs])))
        print_progress(f"\nTraining the final model on all {len(arrays.catalog):,} galaxies, {epochs} epochs")
        own_args = ["--data.arrays", str(folder), "--runs", str(out), "--name", FINAL]
        own_args += ["--trainer.max_epochs", str(epochs), "--ckpt_path", NEWEST]
        shown = trainer.get("enable_progress_bar") is not False
        command = ("galaxy_lightning", "fit", *fit_args, *own_args)
        job = Job("final model", command, out / FINAL, out / FINAL / LOG)
        began = time.monotonic()
        try:
            run_fit(job, epochs=epochs, shown=shown)
        except GalaxyError as error:
            raise GalaxyError(failed_fit(job, error)) from error
        print_progress(f"{job}  {format_duration(time.monotonic() - began)}")
    run = complete_run(out / FINAL)
    if run is None:
        raise GalaxyError(f"the fit of the final model left no complete run in {out / FINAL}")
    return run / BEST_CHECKPOINT


def complete_final(
    path: Path,
    checkpoint: Path,
    fit_args: Sequence[str],
    texts: Mapping[str, Text],
    out: Path,
    runs: Sequence[Run],
    folds: Sequence[GalaxyArrays],
) -> Iterator[str]:
    """Calibrates a final model on the galaxies left out of the folds, and writes it with its card.

    Args:
        path: The file to write.
        checkpoint: The checkpoint of the fit on all galaxies.
        fit_args: The options of the fits.
        texts: The texts of the card.
        out: The folder of the cross-validation.
        runs: The runs of the folds.
        folds: The galaxy arrays of the folds.

    Yields:
        What was written.

    Raises:
        GalaxyError: The file cannot be written.
    """
    networks = [name for name in named_networks(fit_args) if is_class_path(name)]
    out_of_fold = calibrate_out_of_fold([run.folder / BEST_CHECKPOINT for run in runs], folds, networks)
    labels = folds[0].catalog["label"].to_numpy(dtype=str)
    counts = {name: int((labels == name).sum()) for name in folds[0].classes}
    card = ModelCard(dict(texts), counts, list(figures_of_repetitions(out)))
    final_arrays = open_arrays(out / FOLD_ARRAYS / FINAL)
    write_final_model(path, checkpoint, final_arrays, out_of_fold, card, networks)
    yield f"Saved the final model to {path} ({path.stat().st_size / 1e6:.1f} MB)"
    yield f"Its card:     {PROGRAM} model {shlex.quote(str(path))}"
    options = shlex.join(["--ckpt_path", str(path), *(f"--model.network={name}" for name in networks[-1:])])
    yield f"Predict:      {PROGRAM} predict {options} --data.images FOLDER"


def figures_of_repetitions(out: Path) -> Iterator[dict[str, Any]]:
    """Yields the figures of a cross-validation and of its repetitions with other seeds beside it."""
    plan = _without_seeds(read_json(out / PLAN))
    for path in sorted(out.parent.glob(f"*/{PLAN}")):
        # Other folders are not part of this cross-validation, whatever they hold.
        with contextlib.suppress(GalaxyError, LookupError, TypeError, AttributeError):
            if _without_seeds(read_json(path)) == plan:
                content = read_json(path.with_name(SUMMARY))
                about = {"seed": content["seed"], "folds": len(content["folds"])}
                yield about | {"galaxies": content["galaxies"]} | content["pooled"]


def _without_seeds(plan: dict[str, Any]) -> dict[str, Any]:
    """Returns the plan of a cross-validation without its seed."""
    fit = {name: value for name, value in plan["fit"].items() if name != "seed_everything"}
    data = {name: value for name, value in fit["data"].items() if name != "seed"}
    return plan | {"fit": fit | {"data": data}}
