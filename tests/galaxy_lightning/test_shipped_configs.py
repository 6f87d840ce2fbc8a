"""The configs that are shipped with the package."""

from pathlib import Path

import pytest
import yaml

from galaxy_lightning import shipped_configs
from galaxy_lightning.shipped_configs import config_folder, config_names, find_config

CONFIGS = Path(__file__).parents[2] / "configs"


def test_every_config_has_a_name():
    label_rules = set((CONFIGS / "labels").iterdir())
    assert {CONFIGS / f"{name}.yaml" for name in config_names()} == set(CONFIGS.rglob("*.yaml")) - label_rules


def test_a_name_is_resolved_to_its_file():
    for name in config_names():
        assert isinstance(yaml.safe_load(Path(find_config(name)).read_text()), dict)


@pytest.mark.parametrize("name", ["absent", "configs/galaxy_cnn.yaml", "galaxy_cnn.yaml", "", "../x", "a\0b"])
def test_an_unknown_name_is_treated_as_a_path(name):
    assert find_config(name) == name


def test_without_the_folder_no_names_are_known(monkeypatch):
    monkeypatch.setattr(shipped_configs, "_FOLDERS", ())
    assert config_folder() is None
    assert config_names() == []
    assert find_config("galaxy_cnn") == "galaxy_cnn"
