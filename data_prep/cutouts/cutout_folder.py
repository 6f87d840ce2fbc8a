"""The folder of the cutouts: its settings, the images in it, and the tables beside them."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.environment import package_version
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, link_or_copy, new_file, remove_partial_files
from data_prep.common.json_files import read_json, write_json
from data_prep.common.litter import is_litter
from data_prep.common.locks import file_lock
from data_prep.cutouts.answers import CutoutImage
from data_prep.cutouts.journal import JOURNAL_FILE
from data_prep.cutouts.plan import Plan
from data_prep.schema import CUTOUTS_FAILED, CUTOUTS_SETTINGS, CUTOUTS_TABLE

FOLDER_SIZE: Final = 10_000
"""Number of cutouts in each subfolder, if there are more in all."""
SUFFIXES: Final = ("", ".jpg", ".fits")
"""The suffixes of cutouts; a cutout's state is the place of its suffix, 0 if there is no file."""

_LOCK: Final = ".cutouts.lock"
_NAMES: Final = {
    "survey": "survey",
    "layer": "layer",
    "url": "URL",
    "format": "format",
    "size": "size",
    "bands": "bands",
    "pixel_scale": "pixel scale",
}
_CHOOSE: Final = "choose another folder"

States = npt.NDArray[np.uint8]


class CutoutFolder:
    """The folder of the cutouts of one plan.

    Args:
        path: The folder.
        plan: The cutouts.
        settings: The settings of the service, as JSON types.
    """

    def __init__(self, path: Path, plan: Plan, settings: Mapping[str, Any]) -> None:
        self.path, self._plan = path, plan
        count = len(plan.rows)
        self._settings = {
            **settings,
            "pixel_scale": str(plan.pixel_scale),
            "cutouts": count,
            "rows_sha256": plan.sha256(count),
            "subfolders": count > FOLDER_SIZE,
        }

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Creates the folder or verifies that it holds cutouts of this plan, and locks it for the block.

        Raises:
            GalaxyError: The folder holds other files or other cutouts, cannot be written, or is in use.
        """
        lock = self.path / _LOCK
        with contextlib.ExitStack() as stack:
            with explain_write_errors(self.path, lock):
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(file_lock(lock, self.path, temporary=True))
            self._claim()
            yield

    def _claim(self) -> None:
        """Writes the settings, unless the folder holds other files or other cutouts."""
        file = self.path / CUTOUTS_SETTINGS
        if file.exists():
            try:
                self._resume(file)
            except GalaxyError:
                if self._holds_images():
                    raise
            else:
                return
        elif other := next((each.name for each in self.path.iterdir() if not is_litter(each.name)), None):
            raise GalaxyError(
                f"{self.path} holds {other}, and no cutouts of this command: choose a new or empty folder"
            )
        with explain_write_errors(self.path):
            for name in (JOURNAL_FILE, CUTOUTS_TABLE, CUTOUTS_FAILED):
                (self.path / name).unlink(missing_ok=True)
        self._write_settings(None)

    def _resume(self, file: Path) -> None:
        """Adopts the layout of the folder; raises an error if it was made with other settings."""
        try:
            found = read_json(file)
        except GalaxyError as error:
            raise GalaxyError(f"{error}; restore this file, or {_CHOOSE}") from None
        for key, name in _NAMES.items():
            if found.get(key) != self._settings[key]:
                # URLs may contain passwords.
                values = "" if key == "url" else f" ({found.get(key)}, not {self._settings[key]})"
                raise GalaxyError(f"{self.path} holds cutouts with another {name}{values}: {_CHOOSE}")
        count = found.get("cutouts")
        if not isinstance(count, int) or not 0 <= count <= len(self._plan.rows):
            count = None
        if count is None or found.get("rows_sha256") != self._plan.sha256(count):
            raise GalaxyError(
                f"{self.path} holds cutouts of another table (other ids, positions or pixel scales; new rows "
                f"are accepted only after all others): {_CHOOSE}"
            )
        self._settings["subfolders"] = bool(found.get("subfolders"))
        self._write_settings(found.get("counts"))

    def _holds_images(self) -> bool:
        """Returns whether there is any cutout, also of another plan."""
        patterns = [f"{folder}*{suffix}" for folder in ("", "*/") for suffix in SUFFIXES[1:]]
        return any(not is_litter(each.name) for pattern in patterns for each in self.path.glob(pattern))

    def _write_settings(self, counts: Mapping[str, Any] | None) -> None:
        write_json(
            self.path / CUTOUTS_SETTINGS, {**self._settings, "counts": counts, "version": package_version()}
        )

    def _subfolder(self, number: int) -> str:
        """Returns the subfolder of a cutout with a slash, such as ``0001/``; empty if there are none."""
        return f"{number // FOLDER_SIZE:04d}/" if self._settings["subfolders"] else ""

    def _chunks(self) -> Iterator[range]:
        """Yields the numbers of the cutouts in groups, those of the subfolders."""
        count = len(self._plan.rows)
        for start in range(0, count, FOLDER_SIZE):
            yield range(start, min(start + FOLDER_SIZE, count))

    def _path_of(self, number: int, state: int) -> str:
        """Returns the path of a cutout, relative to the folder."""
        return f"{self._subfolder(number)}{self._plan.file_name(number)}{SUFFIXES[state]}"

    def find_existing(self) -> States:
        """Finds the cutouts that exist, and removes temporary files of a killed process.

        Returns:
            ``[N]`` the state of each cutout, as in ``SUFFIXES``.

        Raises:
            GalaxyError: A folder cannot be read or written.
        """
        states = np.zeros(len(self._plan.rows), dtype=np.uint8)
        remove_partial_files(self.path)
        names, listed = set[str](), None
        for numbers in self._chunks():
            subfolder = self._subfolder(numbers[0])
            if subfolder != listed:
                names, listed = _list_files(self.path / subfolder), subfolder
            if names:
                for number in numbers:
                    stem = self._plan.file_name(number)
                    for state, suffix in enumerate(SUFFIXES[1:], start=1):
                        if stem + suffix in names:
                            states[number] = state
        return states

    def save(self, number: int, image: CutoutImage) -> int:
        """Saves a cutout; the file appears whole or not at all. Returns its state.

        Raises:
            GalaxyError: The file cannot be written.
        """
        state = SUFFIXES.index(image.suffix)
        with new_file(self.path / self._path_of(number, state)) as partial:
            partial.write_bytes(image.content)
        return state

    def share(self, number: int, other: int, state: int) -> None:
        """Makes the file of a cutout a link to that of another one, or a copy if links are not supported.

        Raises:
            GalaxyError: The file cannot be written.
        """
        with new_file(self.path / self._path_of(number, state)) as partial:
            link_or_copy(self.path / self._path_of(other, state), partial)

    def write_tables(self, states: States, failures: Mapping[int, str], counts: Mapping[str, Any]) -> None:
        """Writes the tables of the cutouts and of the rows without one, and the counts.

        Args:
            states: ``[N]`` the state of each cutout.
            failures: The reason for each cutout that has no file.
            counts: The numbers of rows, for the settings.

        Raises:
            GalaxyError: A file cannot be written.
        """
        plan = self._plan
        with (
            new_file(self.path / CUTOUTS_TABLE) as partial,
            partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            for numbers in self._chunks():
                saved = np.flatnonzero(states[numbers.start : numbers.stop]) + numbers.start
                table = self._describe(plan.rows[saved])
                table["path"] = [self._path_of(number, int(states[number])) for number in saved.tolist()]
                table.to_csv(file, header=numbers.start == 0, index=False)
        failed = np.array(sorted(failures), dtype=np.int64)
        reasons = np.array([failures[number] for number in failed.tolist()], dtype=object)
        rows = [plan.rows[failed], *plan.excluded.values()]
        reasons = np.concatenate(
            [reasons, *(np.full(len(each), why, dtype=object) for why, each in plan.excluded.items())]
        )
        in_order = np.argsort(np.concatenate(rows), kind="stable")
        table = self._describe(np.concatenate(rows)[in_order])
        table["row"] = np.concatenate(rows)[in_order] + 1
        table["reason"] = reasons[in_order]
        if len(table):
            with new_file(self.path / CUTOUTS_FAILED) as partial:
                table.to_csv(partial, index=False, errors="backslashreplace")
        else:
            (self.path / CUTOUTS_FAILED).unlink(missing_ok=True)
        self._write_settings(counts)

    def _describe(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Returns the columns of the tables that identify rows."""
        plan = self._plan
        ids = plan.ids(rows)
        if plan.text is not None:  # A carriage return in an id would end a line of the table.
            ids = ids.str.replace("\r", "\\r")
        return pd.DataFrame(
            {
                plan.id_name: ids,
                "ra": plan.ra[rows],
                "dec": plan.dec[rows],
                "pixel_scale": plan.scale[rows],
            }
        )


def _list_files(folder: Path) -> set[str]:
    """Returns the names of the regular files in a folder that are not empty; creates the folder.

    Temporary files of a killed process are removed.
    """
    with explain_write_errors(folder):
        folder.mkdir(exist_ok=True)
        remove_partial_files(folder)
        with os.scandir(folder) as entries:
            return {each.name for each in entries if each.is_file() and each.stat().st_size}
