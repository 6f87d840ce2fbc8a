"""Checks the content of ``dataset.json``."""

from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.json_values import is_integer, is_number
from data_prep.images.image_settings import ImageSettings
from data_prep.samples.class_names import check_class_names

FORMAT_VERSION: Final = 2
"""Version 1 had colour images only, and no descriptions of the classes."""
_READABLE_VERSIONS: Final = (1, FORMAT_VERSION)


def check_dataset(dataset: dict[str, Any], path: Path, files: set[str], remedy: str) -> None:
    """Checks the keys of ``dataset.json`` that all commands rely on.

    Args:
        dataset: The content of the file.
        path: The file, for the message.
        files: The names of the files whose SHA-256 it must state.
        remedy: The end of the message.

    Raises:
        GalaxyError: The version is not supported, or a key is missing or invalid.
    """
    if dataset.get("format_version") not in _READABLE_VERSIONS:
        raise GalaxyError(
            f"{path}: format version {dataset.get('format_version')!r} is not supported, only "
            f"{' and '.join(map(str, _READABLE_VERSIONS))}; {remedy}"
        )
    classes, hashes = dataset.get("classes"), dataset.get("sha256")
    if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise GalaxyError(f"{path}: 'classes' is not a list of names; {remedy}")
    try:
        check_class_names(classes)
    except GalaxyError as error:
        raise GalaxyError(f"{path}: 'classes': {error}; {remedy}") from None
    skipped, threshold = dataset.get("skipped"), dataset.get("threshold")
    images, descriptions = dataset.get("images"), dataset.get("class_descriptions", {})
    validity = {
        "crop": is_integer(dataset.get("crop")),
        "class_descriptions": isinstance(descriptions, dict)
        and set(descriptions) <= set(classes)
        and _are_texts(list(descriptions.values())),
        "votes": _is_votes(dataset.get("votes"), classes),
        "counts": _is_counts(dataset.get("counts")),
        "skipped": isinstance(skipped, list)
        and all(isinstance(entry, dict) and {"path", "reason"} <= set(entry) for entry in skipped),
        "threshold": _is_threshold(threshold),
        "cross_validation": isinstance(dataset.get("cross_validation"), dict | None),
    }
    if images is not None:
        try:
            ImageSettings.from_json(images, crop=dataset.get("crop"))
        except GalaxyError as error:
            raise GalaxyError(f"{path}: 'images': {error}; {remedy}") from None
    for key, is_valid in validity.items():
        if not is_valid:
            raise GalaxyError(f"{path}: '{key}' is missing or invalid; {remedy}")
    if not (isinstance(hashes, dict) and set(hashes) == files):
        raise GalaxyError(f"{path}: 'sha256' must name {' and '.join(sorted(files, reverse=True))}; {remedy}")


def _are_texts(values: Any) -> bool:
    """Returns whether a JSON value is a list of texts."""
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _is_votes(value: Any, classes: list[str]) -> bool:
    """Returns whether a JSON value states how votes relate to the labels, or is null."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and value.get("rest") in (None, *classes)
        and _is_threshold(value.get("threshold"))
    )


def _is_threshold(value: Any) -> bool:
    """Returns whether a JSON value is a vote fraction at which a class is assigned, or null."""
    return value is None or (is_number(value) and 0 < value <= 1)


def _is_counts(value: Any) -> bool:
    """Returns whether a JSON value maps splits to numbers of galaxies by class."""
    return isinstance(value, dict) and all(
        isinstance(counts, dict) and all(is_integer(count) for count in counts.values())
        for counts in value.values()
    )
