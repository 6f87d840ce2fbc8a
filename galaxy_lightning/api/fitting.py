"""Trains models from Python, with the settings of the command line."""

import json
import os
from collections.abc import Mapping
from typing import Any

from data_prep.common.errors import GalaxyError
from data_prep.common.suggestions import errors_raised
from galaxy_lightning.api.classifier import Classifier, load
from galaxy_lightning.cli.main import complete


def fit(
    arrays: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    name: str | None = None,
    runs: str | os.PathLike[str] = "runs",
    seed: int = 0,
    model: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    trainer: Mapping[str, Any] | None = None,
) -> Classifier:
    """Trains a model on galaxy arrays, as ``python -m galaxy_lightning fit`` does.

    Args:
        arrays: The folder of the galaxy arrays, if it is not in the config.
        config: A config file, or the name of a shipped config; by default that of the network.
        name: Name of the run; by default that of the config.
        runs: Folder of all runs.
        seed: Seed of weights, shuffling and augmentation.
        model: Settings of the model by name, such as ``{"learning_rate": 1e-3}``.
        data: Settings of the data, such as ``{"batch_size": 32}``.
        trainer: Settings of Lightning's Trainer, such as ``{"max_epochs": 10}``.

    Returns:
        The classifier with the best weights; the folder of its ``path`` is the run folder.

    Raises:
        GalaxyError: A setting is invalid, or the fit failed.
    """
    words = ["fit"]
    if config is not None:
        words += ["--config", os.fspath(config)]
    sections = {"model": model, "data": {**(data or {}), **_given(arrays=arrays)}, "trainer": trainer}
    for section, settings in sections.items():
        words += [f"--{section}.{key}={_as_text(value)}" for key, value in (settings or {}).items()]
    named = _given(name=name, runs=runs, seed_everything=seed)
    words += [f"--{key}={_as_text(value)}" for key, value in named.items()]
    from galaxy_lightning.cli.lightning_cli import run  # Lightning takes seconds to import.

    with errors_raised():
        folder = run(complete(words))
    if folder is None:
        raise GalaxyError("trainer.fast_dev_run saves no model: use it on the command line")
    return load(folder)


def _given(**values: Any) -> dict[str, Any]:
    """Returns the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _as_text(value: Any) -> str:
    """Returns a setting as the command line takes it."""
    return os.fspath(value) if isinstance(value, str | os.PathLike) else json.dumps(value)
