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
        words.append(_option("config", config))
    if arrays is not None and "arrays" in (data or {}):
        raise GalaxyError("the galaxy arrays are named twice: leave out data['arrays']")
    sections = {"model": model, "data": data, "trainer": trainer}
    for section, settings in sections.items():
        if not isinstance(settings, Mapping | None):
            raise GalaxyError(f"{section}: pass a dictionary of settings, not {settings!r}")
        words += [_option(f"{section}.{key}", value) for key, value in (settings or {}).items()]
    named = {"data.arrays": arrays, "name": name, "runs": runs, "seed_everything": seed}
    words += [_option(key, value) for key, value in named.items() if value is not None]
    from galaxy_lightning.cli.lightning_cli import run  # Lightning takes seconds to import.

    with errors_raised():
        folder = run(complete(words))
    if folder is None:
        raise GalaxyError("trainer.fast_dev_run saves no model: use it on the command line")
    return load(folder)


def _option(name: str, value: Any) -> str:
    """Returns a setting as an option of the command line."""
    try:
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else json.dumps(value, default=_plain)
    except (TypeError, ValueError, AttributeError):
        raise GalaxyError(
            f"{name}: the command line cannot express {value!r}: use numbers, texts, lists and dictionaries; "
            'an object is named by its class, as in {"class_path": ..., "init_args": {...}}'
        ) from None
    return f"--{name}={text}"


def _plain(value: Any) -> Any:
    """Returns a path or a number of NumPy as JSON can express it."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value.item()
