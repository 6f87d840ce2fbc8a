"""Model cards: what a user should know about a model before using it (Mitchell et al. 2019)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.json_values import is_integer, is_number
from data_prep.common.plain_yaml import read_plain_yaml
from data_prep.images.relative_scale import RelativeScale
from galaxy_lightning.evaluation.measures import metric_title

TEXTS: Final = {
    "title": "the model in one line",
    "data": "the galaxies and where they come from",
    "labels": "how they were labelled",
    "images": "colours and centring of the images",
    "survey": "name of the survey: sdss, legacy, or another",
    "pixel_scale": "arcsec per pixel of the image files: a number, or a number times a column of a "
    "catalogue, such as 0.02*petroR90_r",
    "limits": "what the model is not for, a list",
    "retraining": "the command that trains it again",
    "credit": "who is to be cited",
    "licence": "the licence of the weights",
}
"""The entries that people write, in the order of the card, with their meaning."""

_MAX_LENGTH: Final = 2_000
"""Maximum length of a text."""
_MAX_LIST: Final = 100
"""Maximum number of cross-validations, of texts in a list, and of figures of a cross-validation."""

Text = str | list[str]


@dataclass(frozen=True)
class ModelCard:
    """The card of a model that was trained on all galaxies of a cross-validation.

    Attributes:
        texts: What people wrote, by the names in ``TEXTS``; any may be missing.
        counts: Number of training galaxies by class.
        cross_validations: Figures of each cross-validation of the same galaxies with the same settings:
            ``seed``, ``folds``, ``galaxies`` and the metrics of all galaxies, each of which was classified by
            a model that was not trained on it.
    """

    texts: Mapping[str, Text] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    cross_validations: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns the card as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> "ModelCard":
        """Reads a card from a checkpoint of any origin.

        Raises:
            TypeError: It is not a card.
        """
        if not (isinstance(content, dict) and content.keys() <= {"texts", "counts", "cross_validations"}):
            raise TypeError("its model card is invalid")
        card = cls(**content)
        if not (
            _are_texts(card.texts)
            and isinstance(card.counts, dict)
            and all(
                isinstance(name, str) and is_integer(number) and number >= 0
                for name, number in card.counts.items()
            )
            and isinstance(card.cross_validations, list)
            and len(card.cross_validations) <= _MAX_LIST
            and all(_are_figures(figures) for figures in card.cross_validations)
        ):
            raise TypeError("its model card is invalid")
        return card

    def text(self, name: str) -> str | None:
        """Returns a text, or None if it is missing."""
        text = self.texts.get(name)
        return text if isinstance(text, str) else None

    def describe_results(self) -> Iterator[str]:
        """Yields a line for each cross-validation."""
        for figures in self.cross_validations:
            low, high = figures.get("accuracy_interval", (None, None))
            interval = "" if low is None else f" (95% interval {low:.3f} to {high:.3f})"
            others = [
                f"{metric_title(name)} {figures[name]:.3f}"
                for name in ("macro_recall", "calibration_error")
                if name in figures
            ]
            accuracy = f"accuracy {figures['accuracy']:.3f}{interval}"
            yield f"seed {figures['seed']}, {figures['folds']} folds: {', '.join([accuracy, *others])}"


def read_card_texts(path: Path) -> dict[str, Text]:
    """Reads the texts of a card from a YAML file.

    Args:
        path: The file; its entries are those of ``TEXTS``.

    Raises:
        GalaxyError: The file cannot be read, or has other entries.
    """
    content = read_plain_yaml(path)
    if unknown := [name for name in content if name not in TEXTS]:
        raise GalaxyError(f"{path}: unknown entry {shown(unknown[0])}; the entries are {', '.join(TEXTS)}")
    return {name: _parse_entry(path, name, content[name]) for name in TEXTS if name in content}


def _parse_entry(path: Path, name: str, value: Any) -> Text:
    """Returns an entry of a YAML file as it is stored."""
    if name == "pixel_scale":
        scale = RelativeScale.parse(value)
        if scale is None or not (scale.column or "any").isidentifier():
            raise GalaxyError(f"{path}: pixel_scale {shown(value)} is not a number, nor like 0.02*petroR90_r")
        return str(scale)
    parts = value if name == "limits" and isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        kind = "text or a list of texts" if name == "limits" else "text"
        raise GalaxyError(f"{path}: {name} must be {kind}, not {shown(value)}")
    texts = [" ".join(part.split()) for part in parts]
    entry = texts if isinstance(value, list) else texts[0]
    if not _are_texts({name: entry}):
        raise GalaxyError(
            f"{path}: {name} is longer than {_MAX_LENGTH:,} characters, or has unprintable characters"
        )
    return entry


def _are_texts(content: Any) -> bool:
    """Returns whether parsed content consists of texts of a card."""
    return isinstance(content, dict) and all(
        name in TEXTS
        and isinstance(value, (str | list) if name == "limits" else str)
        and len(value) <= (_MAX_LENGTH if isinstance(value, str) else _MAX_LIST)
        and all(
            isinstance(text, str) and len(text) <= _MAX_LENGTH and text.isprintable()
            for text in ([value] if isinstance(value, str) else value)
        )
        for name, value in content.items()
    )


def _are_figures(content: Any) -> bool:
    """Returns whether parsed content holds the figures of a cross-validation."""
    if not (isinstance(content, dict) and len(content) <= _MAX_LIST):
        return False
    interval = content.get("accuracy_interval", [0.0, 0.0])
    numbers = [value for name, value in content.items() if name != "accuracy_interval"]
    return (
        {"seed", "folds", "accuracy"} <= content.keys()
        and all(isinstance(name, str) for name in content)
        and all(map(is_number, numbers))
        and isinstance(interval, list)
        and len(interval) == 2
        and all(map(is_number, interval))
    )
