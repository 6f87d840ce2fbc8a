"""Describes a model from its checkpoint, for people."""

import textwrap
from collections.abc import Iterator
from typing import Final

from data_prep.common.text_layout import align_left
from data_prep.schema import CLASSES, COLOURS, CROP_PX
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.shipped_models import SHIPPED
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.model_card import ModelCard

_INDENT: Final = 14
_WIDTH: Final = 100


def describe_model(trained: CheckpointInfo) -> Iterator[str]:
    """Yields the lines of a model's description: its card, as far as it has one, and what its file states.

    Args:
        trained: The checkpoint.
    """
    card, texts = trained.card, trained.card.texts
    network = trained.hyperparameters.get("backbone") or trained.hyperparameters.get("network")
    yield from _entry("model", ": ".join([_name(trained), *_as_list(texts.get("title"))]))
    yield from _entry("network", str(network))
    yield from _entry("data", texts.get("data"))
    yield from _entry("labels", texts.get("labels"))
    yield from _entry("classes", list(_describe_classes(trained, card)))
    yield from _entry("images", [*_describe_images(trained), *_as_list(texts.get("images"))])
    yield from _entry("survey", texts.get("survey"))
    yield from _entry("pixel scale", _describe_scale(trained, card))
    results = list(card.describe_results())
    if results:
        explained = "cross-validation: each galaxy is classified by a model not trained on it"
        yield from _entry("accuracy", [explained, *results])
    else:
        yield from _entry("accuracy", "unknown: the file holds no cross-validated figures")
    zooms = int(trained.hyperparameters.get("zooms", 1))
    yield from _entry("uncertain", trained.calibrations.describe(zooms))
    yield from _entry("not for", [f"- {limit}" for limit in _as_list(texts.get("limits"))])
    yield from _entry("trained on", _describe_galaxies(trained, card))
    for name in ("retraining", "credit", "licence"):
        yield from _entry(name, texts.get(name))


def _entry(name: str, text: str | list[str] | None) -> Iterator[str]:
    """Yields the lines of an entry, or none if it is empty."""
    heading = f"{name}:"
    for part in _as_list(text):
        for line in textwrap.wrap(part, _WIDTH - _INDENT, break_on_hyphens=False) or [""]:
            yield align_left(heading, _INDENT) + line
            heading = ""


def _as_list(text: str | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else text or []


def _name(trained: CheckpointInfo) -> str:
    """Returns the name of a model of the package, or the path of another one."""
    shipped = {path: name for name, path in SHIPPED.items()}
    return shipped.get(trained.path, str(trained.path))


def _describe_classes(trained: CheckpointInfo, card: ModelCard) -> Iterator[str]:
    """Yields a line per class, with its description and number of training galaxies as far as known."""
    for name in trained.hyperparameters.get("classes") or CLASSES:
        description = trained.class_descriptions.get(name)
        number = card.counts.get(name)
        parts = [
            *([description] if description else []),
            *([] if number is None else [f"{number:,} galaxies"]),
        ]
        yield name + (f": {'; '.join(parts)}" if parts else "")


def _describe_images(trained: CheckpointInfo) -> Iterator[str]:
    """Yields the size and the bands of the images."""
    side, settings = trained.hyperparameters.get("image_size") or CROP_PX, trained.images.settings
    bands = ", ".join(settings.bands if settings else COLOURS)
    yield f"the central {side} x {side} pixels; bands {bands}"


def _describe_scale(trained: CheckpointInfo, card: ModelCard) -> str:
    """Returns the pixel scale of the training images."""
    scale = trained.images.pixel_scale or card.texts.get("pixel_scale")
    return "unknown" if scale is None else f"{scale} arcsec per pixel"


def _describe_galaxies(trained: CheckpointInfo, card: ModelCard) -> str:
    """Returns how many galaxies the model was trained on, and what follows from it."""
    total = len(trained.trained_on.objids)
    own = sum(card.counts.values()) or total
    initial = f" and, for its initial weights, {total - own:,} others" if own < total else ""
    return (
        f"{own:,} galaxies{initial} ({PROGRAM} model --objids lists all). test and validate refuse them, and "
        "so does a fit that starts from these weights, as validation or test galaxies; predict marks them in "
        "the column seen_in_training"
    )
