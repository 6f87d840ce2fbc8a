import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.audit import libraries
from galaxy_lightning.audit.libraries import ATTRIBUTION, AUDIT, require_libraries


def test_a_missing_library_is_named_with_the_extra_to_install(monkeypatch):
    missing = {"umap", "captum"}
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name in missing else object())
    with pytest.raises(GalaxyError, match=r"missing libraries: captum, umap: .*galaxy-lightning\[explain\]"):
        require_libraries(AUDIT)
    with pytest.raises(GalaxyError, match="missing libraries: captum: "):
        require_libraries(ATTRIBUTION)
    missing.clear()
    require_libraries(AUDIT)
