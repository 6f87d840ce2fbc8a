"""The optional libraries."""

from importlib.util import find_spec
from typing import Final

from data_prep.common.errors import GalaxyError

_EXPLAIN: Final = "explain"
_EXPORT: Final = "export"
_LIBRARIES: Final = {
    "captum": ("captum", _EXPLAIN),
    "cleanlab": ("cleanlab", _EXPLAIN),
    "onnx": ("onnx", _EXPORT),
    "onnxruntime": ("onnxruntime", _EXPORT),
    "onnxscript": ("onnxscript", _EXPORT),
    "photutils": ("photutils", _EXPLAIN),
    "pyarrow": ("pyarrow", "parquet"),
    "safetensors": ("safetensors", _EXPORT),
    "skimage": ("scikit-image", _EXPLAIN),
    "sklearn": ("scikit-learn", _EXPLAIN),
    "umap": ("umap-learn", _EXPLAIN),
}
"""The distribution of each module, and the extra of this package that installs it."""


def require_libraries(*modules: str) -> None:
    """Checks that libraries are installed, without importing them.

    Args:
        modules: The names of their modules.

    Raises:
        GalaxyError: One is missing.
    """
    missing = [_LIBRARIES[name] for name in modules if find_spec(name) is None]
    if missing:
        names = ", ".join(name for name, _ in missing)
        extras = ",".join(dict.fromkeys(extra for _, extra in missing))
        raise GalaxyError(f"missing libraries: {names}: run: pip install 'galaxy-lightning[{extras}]'")
