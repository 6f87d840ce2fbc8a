"""Names that all packages share: classes, splits, table columns and files."""

from typing import Final

CLASSES: Final = ("elliptical", "irregular", "spiral")
"""The classes of the course project, the reference, in alphabetical order."""

CLASS_DESCRIPTIONS: Final = {
    "elliptical": "smooth, without spiral arms",
    "irregular": "undecided votes, not a morphology",
    "spiral": "spiral arms",
}
"""A description of each class of the reference, in one line."""

COLOURS: Final = ("R", "G", "B")
"""The bands of a colour image."""

MAX_BANDS: Final = 8
"""Maximum number of bands of an image."""

SPLITS: Final = ("train", "val", "test")
SPLIT_SHARES: Final = (0.70, 0.15, 0.15)

MAPPING_COLUMNS: Final = ("objid", "sample", "asset_id")
"""Columns of ``gz2_filename_mapping.csv`` (Zenodo record 3565489)."""

VOTE_COLUMNS: Final = (
    "NVOTE",
    "P_EL",
    "P_CW",
    "P_ACW",
    "P_EDGE",
    "P_DK",
    "P_MG",
    "P_CS",
    "P_EL_DEBIASED",
    "P_CS_DEBIASED",
)
FLAG_COLUMNS: Final = ("SPIRAL", "ELLIPTICAL", "UNCERTAIN")
POSITION_COLUMNS: Final = ("RA", "DEC")
TABLE2_COLUMNS: Final = ("OBJID", *POSITION_COLUMNS, *VOTE_COLUMNS, *FLAG_COLUMNS)
"""Columns of Galaxy Zoo 1's Table 2 (Lintott et al. 2011), ``GalaxyZoo1_DR_table2.csv``."""

VOTE_PREFIX: Final = "vote_"
"""Prefix of the columns of vote fractions in a sample and a catalogue, before the name of the class."""
VOTE_COUNT: Final = "n_votes"
"""The column of the number of votes in a sample and a catalogue."""

MAPPING_FILE: Final = "gz2_filename_mapping.csv"
TABLE2_FILE: Final = "GalaxyZoo1_DR_table2.csv"
IMAGES_FOLDER: Final = "images_gz2/images"
"""Paths of the two tables and the images, relative to the folder of a raw Galaxy Zoo survey."""
SIMULATION_FILE: Final = "simulation.json"
"""A file that only a simulated survey has, in the same folder."""

CUTOUT_PX: Final = 424
"""Side of a Galaxy Zoo 2 image in pixels."""

CROP_PX: Final = 224
"""Side of the centre crop that the reference's networks take as input, in pixels."""

FLAG_THRESHOLD: Final = 0.8
"""The debiased vote fraction at which Galaxy Zoo 1 set its flags (Lintott et al. 2011)."""

VOTE_THRESHOLD: Final = 0.65
"""The default vote fraction at which the ``threshold`` label rule assigns a class (the course project's)."""

CUTOUTS_TABLE: Final = "cutouts.csv"
CUTOUTS_FAILED: Final = "cutouts_failed.csv"
CUTOUTS_SETTINGS: Final = "cutouts.json"
"""Files beside the downloaded cutouts, in the same folder: the tables and the settings."""
