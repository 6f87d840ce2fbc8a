"""Trains and evaluates galaxy classifiers, and predicts with them, on PyTorch Lightning.

In Python: :func:`classify`, :func:`load` and :func:`fit`. They are imported on first use, so that parts which
do not need torch (the run folders, for example) can be used without it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from galaxy_lightning.api import Classifier, GalaxyError, classify, fit, load

    __version__: str

__all__ = ["Classifier", "GalaxyError", "__version__", "classify", "fit", "load"]


if not TYPE_CHECKING:  # Else, every name would have the type Any, also a misspelt one.

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("galaxy-lightning")
        if name in __all__:
            from galaxy_lightning import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
