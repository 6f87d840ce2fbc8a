"""The tables of predictions that runs, cross-validations and ``predict`` have written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_prep.common.environment import package_version
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.runs.names import BEST_CHECKPOINT, PREDICTIONS, RUN, SUMMARY
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.tables.formats import SUFFIXES
from galaxy_lightning.tables.joining import Join
from galaxy_lightning.tables.output import TableOutput, convert
from galaxy_lightning.tables.schema import Metadata, classes_in, known_metadata

_CALIBRATION: Final = ("temperature", "threshold", "target_accuracy", "zooms")


@dataclass(frozen=True)
class Source:
    """A CSV table of predictions.

    Attributes:
        path: The CSV file.
        descriptions: Descriptions of the classes by name, as far as known.
        about: What is known about it.
    """

    path: Path
    descriptions: Mapping[str, str]
    about: Metadata


def find_predictions(source: Path) -> Source:
    """Finds the predictions of a run folder, the folder of a cross-validation, or a CSV file.

    Args:
        source: The folder or file.

    Raises:
        GalaxyError: There are none, or a file of the folder is damaged.
    """
    if source.is_file():
        if SUFFIXES.get(source.suffix.lower(), "csv") != "csv":
            raise GalaxyError(
                f"{source} is no CSV: table converts the CSV that predict wrote: name it, or the run folder"
            )
        about = known_metadata(galaxy_lightning=package_version(), source=source.name)
        return Source(source, preset_descriptions(_header(source)), about)
    if not source.is_dir():
        raise GalaxyError(f"{source} does not exist: name a run folder or a table that predict wrote")
    if (source / SUMMARY).is_file():
        summary = read_json(source / SUMMARY)
        folds = summary.get("folds")
        number = len(folds) if isinstance(folds, list) else 0
        about = known_metadata(
            model=_text(summary.get("model")),
            galaxy_lightning=package_version(),
            folds=number or None,
            **_about_folds([complete_run(source / f"fold_{fold}") for fold in range(number)]),
        )
        return Source(_require(source), _descriptions(summary), about)
    run = complete_run(source)
    if run is None:
        raise GalaxyError(
            f"{source} is neither a complete run nor a cross-validation: name a folder with {RUN} or "
            f"{SUMMARY}"
        )
    recorded, path = read_json(run / RUN), _require(run)
    about = known_metadata(
        model=_text(recorded.get("model")), galaxy_lightning=package_version(), **_about_run(run, recorded)
    )
    arrays = recorded.get("arrays")
    dataset = Path(str(arrays.get("path"))) / "dataset.json" if isinstance(arrays, dict) else None
    described = _descriptions(read_json(dataset)) if dataset is not None and dataset.is_file() else {}
    return Source(path, described or preset_descriptions(_header(path)), about)


def write_source(source: Source, out: Path, join: Join | None = None) -> tuple[int, list[str]]:
    """Writes predictions in the format of a name.

    Args:
        source: The predictions.
        out: The table to write.
        join: The catalogue to join them with, if any.

    Returns:
        The number of predictions that are not in the table, and messages for the user.

    Raises:
        GalaxyError: A cell of the predictions is invalid, or the catalogue has none of the galaxies.
    """
    output = TableOutput(source.descriptions, lambda: source.about, join)
    number = convert(source.path, out, output, left_out_path(out))
    return number, output.notes


def left_out_path(out: Path) -> Path:
    """Returns the path of the list of predictions that are not in a table."""
    return out.with_name(f"{out.stem}_not_in_catalogue.csv")


def preset_descriptions(names: list[str]) -> Mapping[str, str]:
    """Returns the descriptions of the classes of the reference, if these are the classes of a table.

    Args:
        names: The column names of the table.
    """
    return CLASS_DESCRIPTIONS if classes_in(names) == list(CLASSES) else {}


def _require(folder: Path) -> Path:
    path = folder / PREDICTIONS
    if not path.is_file():
        raise GalaxyError(f"{path} is missing: run the command that made {folder} again")
    return path


def _header(path: Path) -> list[str]:
    """Returns the column names of a CSV, as far as its first line can be read."""
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []  # Whoever reads the table explains the error.


def _descriptions(content: Mapping[str, Any]) -> dict[str, str]:
    found = content.get("class_descriptions")
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _about_run(run: Path, recorded: Mapping[str, Any]) -> dict[str, str | float | int]:
    """Returns the SHA-256 of the best checkpoint of a run, and its calibration, as far as known."""
    best, calibration = run / BEST_CHECKPOINT, recorded.get("calibration")
    known = calibration if isinstance(calibration, dict) else {}
    about = {name: value for name in _CALIBRATION if isinstance(value := known.get(name), int | float)}
    return about | ({"checkpoint_sha256": sha256(best)} if best.is_file() else {})


def _about_folds(runs: Sequence[Path | None]) -> dict[str, str | float | int]:
    """Returns what is known about all folds of a cross-validation: their values, separated by blanks.

    The target accuracy and the zooms are one number if they are the same in all folds, as always.
    """
    folds = [{} if run is None else _about_run(run, read_json(run / RUN)) for run in runs]
    about: dict[str, str | float | int] = {}
    for name in ("checkpoint_sha256", *_CALIBRATION):
        values = [fold[name] for fold in folds if name in fold]
        if not values or len(values) < len(folds):
            continue
        same = name in ("target_accuracy", "zooms") and len(set(values)) == 1
        about[name] = values[0] if same else " ".join(map(str, values))
    return about


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
