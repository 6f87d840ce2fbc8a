"""Config files that a command line names, and names of shipped configs."""

import pytest

from galaxy_lightning.cli.configs import (
    add_default_config,
    allows_simulation,
    check_configs,
    configured_checkpoints,
    expand_paths,
)
from galaxy_lightning.shipped_configs import find_config


@pytest.mark.parametrize("config", ['{"data": {"simulate": 3}}', "{" + " " * 5_000 + "}", "absent.yaml"])
def test_a_config_that_is_not_a_file_is_left_to_the_parser(config):
    words = ["fit", "--config", config]
    check_configs(words)
    assert configured_checkpoints(words) == []
    assert not allows_simulation(words)


def test_the_last_config_that_names_a_checkpoint_or_arrays_counts(tmp_path):
    (tmp_path / "one.yaml").write_text("ckpt_path: one.ckpt\ndata:\n  arrays: a\n  simulate: 5\n")
    (tmp_path / "other.yaml").write_text("data:\n  arrays: b\n")
    one, both = (
        ["-c", f"{tmp_path}/one.yaml"],
        ["-c", f"{tmp_path}/one.yaml", f"--config={tmp_path}/other.yaml"],
    )
    assert configured_checkpoints(both) == ["one.ckpt"]
    assert allows_simulation(one)
    assert not allows_simulation(both)


@pytest.mark.parametrize(
    ("words", "recipe"),
    [
        ([], "galaxy_cnn"),
        (["--data.arrays=a", "--trainer.max_epochs", "3"], "galaxy_cnn"),
        (["--model.network", "galaxy_cnn"], "galaxy_cnn"),
        (["--model.network=reference_cnn"], "reference_cnn"),
        (["--model.network=my_file.MyNetwork"], None),
        (["--model.backbone=resnet18"], None),
        (["--ckpt_path=best.ckpt"], None),
        (["--config=mine.yaml"], None),
        (["-c", "mine.yaml"], None),
    ],
)
def test_a_fit_without_a_config_uses_the_shipped_config_of_its_network(words, recipe):
    added = ["--config", find_config(recipe)] if recipe else []
    assert add_default_config(words) == [*added, *words]


@pytest.mark.parametrize("option", ["--config galaxy_cnn", "--config=galaxy_cnn", "-c galaxy_cnn"])
def test_a_shipped_config_is_found_from_any_folder(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = option.split()
    assert expand_paths(words)[-1].endswith("configs/galaxy_cnn.yaml")
    (tmp_path / "galaxy_cnn").touch()  # A file of that name takes precedence.
    assert expand_paths(words) == words
