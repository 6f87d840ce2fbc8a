"""The tables of predictions that runs, cross-validations and ``predict`` have written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.common.environment import package_version
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.runs.names import BEST_CHECKPOINT, PREDICTIONS, RUN, SUMMARY
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.tables.joining import Join
from galaxy_lightning.tables.output import TableOutput, convert
from galaxy_lightning.tables.schema import Metadata, classes_in, known_metadata


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
        about = known_metadata(galaxy_lightning=package_version(), source=source.name)
        return Source(source, preset_descriptions(_header(source)), about)
    if not source.is_dir():
        raise GalaxyError(f"{source} does not exist: name a run folder or a table that predict wrote")
    if (source / SUMMARY).is_file():
        summary = read_json(source / SUMMARY)
        folds = summary.get("folds")
        about = known_metadata(
            model=_text(summary.get("model")),
            galaxy_lightning=package_version(),
            folds=len(folds) if isinstance(folds, list) else None,
        )
        return Source(_require(source), _descriptions(summary), about)
    run = complete_run(source)
    if run is None:
        raise GalaxyError(
            f"{source} is neither a complete run nor a cross-validation: name a folder with {RUN} or "
            f"{SUMMARY}"
        )
    recorded, path, best = read_json(run / RUN), _require(run), run / BEST_CHECKPOINT
    calibration = recorded.get("calibration")
    about = known_metadata(
        model=_text(recorded.get("model")),
        checkpoint_sha256=sha256(best) if best.is_file() else None,
        galaxy_lightning=package_version(),
        **_numbers(calibration if isinstance(calibration, dict) else {}),
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


def _numbers(calibration: Mapping[str, Any]) -> dict[str, float | int]:
    names = ("temperature", "threshold", "target_accuracy", "zooms")
    return {name: value for name in names if isinstance(value := calibration.get(name), int | float)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
