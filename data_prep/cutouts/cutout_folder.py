"""The folder of the cutouts: its settings, the images in it, and the tables beside them."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, new_file
from data_prep.common.json_files import read_json, write_json
from data_prep.common.litter import is_litter
from data_prep.common.locks import file_lock
from data_prep.cutouts.answers import CutoutImage
from data_prep.cutouts.client import package_version
from data_prep.cutouts.journal import JOURNAL_FILE
from data_prep.cutouts.plan import Plan
from data_prep.schema import CUTOUTS_FAILED, CUTOUTS_SETTINGS, CUTOUTS_TABLE

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

States = npt.NDArray[np.uint8]


class CutoutFolder:
    """The folder of the cutouts of one plan.

    Args:
        path: The folder.
        plan: The cutouts.
        settings: The settings of the service and the pixel scale, as JSON types.
    """

    def __init__(self, path: Path, plan: Plan, settings: Mapping[str, Any]) -> None:
        self.path, self._plan = path, plan
        self._settings = {**settings, "rows_sha256": plan.sha256()}

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
            self._check_settings()
            yield

    def _check_settings(self) -> None:
        """Raises an error if the folder was made with other settings; writes them into a new folder."""
        settings_file = self.path / CUTOUTS_SETTINGS
        if settings_file.exists():
            found = read_json(settings_file)
            for key, name in _NAMES.items():
                if found.get(key) != self._settings[key]:
                    raise GalaxyError(
                        f"{self.path} holds cutouts with another {name} ({found.get(key)}, not "
                        f"{self._settings[key]}): choose another folder"
                    )
            if found.get("rows_sha256") != self._settings["rows_sha256"]:
                raise GalaxyError(
                    f"{self.path} holds cutouts of another table (other ids, positions or pixel scales): "
                    "choose another folder"
                )
            return
        if other := next((each.name for each in self.path.iterdir() if not is_litter(each.name)), None):
            raise GalaxyError(
                f"{self.path} holds {other}, and no cutouts of this command: choose a new or empty folder"
            )
        (self.path / JOURNAL_FILE).unlink(missing_ok=True)
        self._write_settings(None)

    def _write_settings(self, counts: Mapping[str, Any] | None) -> None:
        write_json(
            self.path / CUTOUTS_SETTINGS, {**self._settings, "counts": counts, "version": package_version()}
        )

    def find_existing(self) -> States:
        """Finds the cutouts that exist, and removes temporary files of a killed process.

        Returns:
            ``[N]`` the state of each cutout, as in ``SUFFIXES``.

        Raises:
            GalaxyError: A folder cannot be read or written.
        """
        states = np.zeros(len(self._plan.rows), dtype=np.uint8)
        _remove_partial_files(self.path)
        for numbers in self._plan.chunks():
            subfolder = self._plan.subfolder(numbers[0])
            folder = self.path / subfolder
            with explain_write_errors(folder):
                folder.mkdir(exist_ok=True)
            if subfolder:
                _remove_partial_files(folder)
            names = {each.name for each in folder.iterdir()}
            if not names:
                continue
            for number in numbers:
                stem = self._plan.path(number, "").removeprefix(subfolder)
                for state, suffix in enumerate(SUFFIXES[1:], start=1):
                    if stem + suffix in names:
                        states[number] = state
        return states

    def save(self, number: int, image: CutoutImage) -> int:
        """Saves a cutout; the file appears whole or not at all. Returns its state.

        Raises:
            GalaxyError: The file cannot be written.
        """
        with new_file(self.path / self._plan.path(number, image.suffix)) as partial:
            partial.write_bytes(image.content)
        return SUFFIXES.index(image.suffix)

    def share(self, number: int, other: int, state: int) -> None:
        """Makes the file of a cutout a link to that of another one, or a copy if links are not supported.

        Raises:
            GalaxyError: The file cannot be written.
        """
        source, target = (self.path / self._plan.path(each, SUFFIXES[state]) for each in (other, number))
        try:
            os.link(source, target)
        except OSError:
            with new_file(target) as partial:
                shutil.copyfile(source, partial)

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
            for numbers in plan.chunks():
                saved = np.flatnonzero(states[numbers.start : numbers.stop]) + numbers.start
                table = self._describe(plan.rows[saved])
                table["path"] = [plan.path(number, SUFFIXES[states[number]]) for number in saved.tolist()]
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
        return pd.DataFrame(
            {
                plan.id_name: plan.ids(rows),
                "ra": plan.ra[rows],
                "dec": plan.dec[rows],
                "pixel_scale": plan.scale[rows],
            }
        )


def _remove_partial_files(folder: Path) -> None:
    """Removes files that a killed process left unfinished."""
    with explain_write_errors(folder):
        for leftover in folder.glob(".*.partial-*"):
            leftover.unlink(missing_ok=True)
