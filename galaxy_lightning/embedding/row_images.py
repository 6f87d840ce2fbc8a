"""The images of the galaxies of a table, from the galaxy arrays or the folder that it was made from."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.images.band_files import BAND_SEPARATOR
from data_prep.images.image_settings import ImageSettings
from galaxy_lightning.data.image_folders import ImageListDataset
from galaxy_lightning.data.training_images import ImagesToPredict
from galaxy_lightning.embedding.table_info import TableInfo

Picture = npt.NDArray[np.uint8] | str
"""An image, uint8 ``[H, H, bands]``; or why there is none."""


class RowImages:
    """Reads the images of galaxies.

    Args:
        info: The metadata of the table.

    Attributes:
        problem: Why there are no images at all; empty if there are.
    """

    def __init__(self, info: TableInfo) -> None:
        self._info, self.problem = info, ""
        self._arrays: GalaxyArrays | None = None
        self._settings: ImageSettings | None = None
        try:
            if "arrays" in info.galaxies:
                self._arrays = self._open_arrays()
            else:
                self._settings = ImageSettings.from_json(info.galaxies.get("settings"))
                if not Path(info.galaxies["images"]).is_dir():
                    raise GalaxyError(f"the folder {info.galaxies['images']} does not exist")
        except GalaxyError as error:
            self.problem = str(error)

    @property
    def has_band_files(self) -> bool:
        """Whether an image has one file per band."""
        return bool(self._settings and self._settings.pattern)

    def read(self, galaxies: pd.DataFrame) -> list[Picture]:
        """Returns the image of each galaxy, or why there is none.

        Args:
            galaxies: Rows of the table.
        """
        if self.problem:
            return [self.problem] * len(galaxies)
        if self._arrays is not None:
            return self._from_arrays(self._arrays, galaxies)
        assert self._settings is not None
        folder, pattern = Path(self._info.galaxies["images"]), self._settings.pattern
        files = [
            tuple(folder / part for part in (str(path).split(BAND_SEPARATOR) if pattern else [str(path)]))
            for path in galaxies["path"]
        ]
        images: list[Picture] = []
        dataset = ImageListDataset(files, ImagesToPredict(self._settings))
        for number, paths in enumerate(files):
            batch = dataset.__getitems__([number])
            reason = batch.problems.get(number, "")
            if reason and not paths[0].exists():
                reason = "the file does not exist any more"
            images.append(reason or batch.images.numpy()[0])
        return images

    def _open_arrays(self) -> GalaxyArrays:
        folder = Path(self._info.galaxies["arrays"])
        arrays = open_arrays(folder)
        if arrays.dataset["sha256"] != self._info.galaxies.get("sha256"):
            raise GalaxyError(f"the galaxy arrays in {folder} have changed since the table was made")
        return arrays

    def _from_arrays(self, arrays: GalaxyArrays, galaxies: pd.DataFrame) -> list[Picture]:
        """Finds the galaxies by object id and asset id: rows of the table may have been removed."""
        keys = ["objid", "asset_id"]
        rows = pd.Series(np.arange(len(arrays.catalog)), index=pd.MultiIndex.from_frame(arrays.catalog[keys]))
        rows = rows[~rows.index.duplicated()]
        found = rows.reindex(pd.MultiIndex.from_frame(galaxies[keys])).to_numpy(dtype=np.float64)
        return [
            "the galaxy arrays do not hold this galaxy"
            if np.isnan(row)
            else np.array(arrays.images[int(row)])
            for row in found
        ]
