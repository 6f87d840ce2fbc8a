"""Progress bars of everything that may take long."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(iterable: Iterable[Any] | None = None, *, shown: bool = True, **options: Any) -> Any:
    """Makes a bar on standard error; none where that is not a terminal, and none in the first second.

    Args:
        iterable: What the bar follows, if anything.
        shown: Whether the caller wants one.
        options: What else tqdm takes: ``total``, ``desc``, ``unit``.

    Returns:
        The bar: an iterator over ``iterable``, and a context manager with ``update``.
    """
    return tqdm(iterable, delay=1, disable=None if shown else True, **options)
