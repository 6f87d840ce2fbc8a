import pytest

from data_prep.common import libraries
from data_prep.common.errors import GalaxyError
from data_prep.common.libraries import require_libraries


def test_missing_libraries_are_named_as_they_are_installed(monkeypatch):
    missing = {"skimage", "sklearn", "umap", "pyarrow"}
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name in missing else object())
    require_libraries("captum", "cleanlab")
    names, extras = "scikit-image, umap-learn: ", r"run: pip install 'galaxy-lightning\[explain\]'"
    with pytest.raises(GalaxyError, match=f"^missing libraries: {names}{extras}$"):
        require_libraries("captum", "skimage", "umap")
    with pytest.raises(GalaxyError, match=r"pyarrow, scikit-learn: .*\[parquet,explain\]'"):
        require_libraries("pyarrow", "sklearn")
