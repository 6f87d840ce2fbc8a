"""What the writers of all formats share."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table

ChunkWriter = Callable[["Table"], None]
"""Writes a chunk of rows; its columns have the names and types of the first chunk."""
