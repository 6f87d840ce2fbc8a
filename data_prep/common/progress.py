"""Progress bars."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(iterable: Iterable[Any] | None = None, *, shown: bool = True, **options: Any) -> Any:
    """Returns a progress bar on standard error, shown after one second and only on a terminal.

    Args:
        iterable: The iterable to follow; None for a bar that is advanced by ``update``.
        shown: Whether to show the bar at all.
        options: Further options of ``tqdm``, such as ``total``, ``desc`` and ``unit``.

    Returns:
        The bar: an iterator over ``iterable``, and a context manager with ``update``.
    """
    return tqdm(iterable, delay=1, disable=None if shown else True, **options)
