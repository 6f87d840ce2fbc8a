"""Config files that a command line names, and configs that are no files."""

import pytest

from galaxy_lightning.cli.configs import asks_to_simulate, check_configs, configured_checkpoint


@pytest.mark.parametrize("config", ['{"data": {"simulate": 3}}', "{" + " " * 5_000 + "}", "absent.yaml"])
def test_a_config_that_is_no_file_is_left_to_the_parser(config):
    words = ["fit", "--config", config]
    check_configs(words)
    assert configured_checkpoint(words) is None
    assert not asks_to_simulate(words)


def test_the_last_config_that_names_a_checkpoint_or_arrays_counts(tmp_path):
    (tmp_path / "one.yaml").write_text("ckpt_path: one.ckpt\ndata:\n  arrays: a\n  simulate: 5\n")
    (tmp_path / "other.yaml").write_text("data:\n  arrays: b\n")
    one, both = (
        ["-c", f"{tmp_path}/one.yaml"],
        ["-c", f"{tmp_path}/one.yaml", f"--config={tmp_path}/other.yaml"],
    )
    assert configured_checkpoint(both) == "one.ckpt"
    assert asks_to_simulate(one)
    assert not asks_to_simulate(both)
