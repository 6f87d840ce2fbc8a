"""What the metadata of a table of features says: the model, and where the galaxies come from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from galaxy_lightning.runs.writer import probability_columns
from galaxy_lightning.tables.schema import ColumnInfo

METADATA: Final = b"galaxy_lightning"
"""The key of the schema's metadata, whose value is JSON."""
EMBEDDING: Final = "embedding"
"""The column of the features."""
PIXEL_HASH: Final = "pixel_hash"
"""The column of the hashes of the pixels; see :func:`data_prep.images.pixel_hash.hash_pixels`."""
ENTROPY: Final = "entropy"
COLUMNS: Final = {
    PIXEL_HASH: ColumnInfo("integer", "hash of the pixels: equal for exact copies", "meta.checksum"),
    EMBEDDING: ColumnInfo("float", "features: inputs of the network's last layers", "src.morph.param"),
}
"""The columns that tables of predictions lack."""


@dataclass(frozen=True)
class TableInfo:
    """The metadata of a table of features.

    Attributes:
        model: Name of the network.
        checkpoint: Absolute path of the checkpoint.
        sha256: SHA-256 of the checkpoint, in hexadecimal.
        classes: The class names, in order.
        features: Number of features.
        galaxies: Where the galaxies come from: ``{"arrays": FOLDER, "sha256": {...}}`` or ``{"images":
            FOLDER, "settings": {...}, "pixel_scale": NUMBER or null}``, with absolute paths.
        version: Version of this package.
        class_descriptions: A description of each class in one line, as far as known.
    """

    model: str
    checkpoint: str
    sha256: str
    classes: list[str]
    features: int
    galaxies: dict[str, Any]
    version: str
    class_descriptions: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Returns the metadata as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, content: bytes, path: Path) -> "TableInfo":
        """Reads the metadata.

        Args:
            content: The JSON.
            path: The table, for the message.

        Raises:
            GalaxyError: The content is invalid.
        """
        try:
            info = cls(**json.loads(content))
            texts = [info.model, info.checkpoint, info.sha256, *info.classes]
            texts += [*info.class_descriptions.values()]
            source = info.galaxies.get("arrays", info.galaxies.get("images"))
            is_valid = all(isinstance(text, str) for text in texts) and isinstance(source, str)
            if not (is_valid and isinstance(info.features, int) and info.features > 0 and info.classes):
                raise TypeError
        except (ValueError, TypeError, AttributeError):
            raise GalaxyError(f"{path}: its metadata are invalid: make the table again with embed") from None
        return info

    @property
    def probability_columns(self) -> list[str]:
        """The columns with the probability of each class."""
        return probability_columns(self.classes)
