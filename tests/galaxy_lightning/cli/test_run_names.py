"""The newest run of a name, with which a fit goes on."""

from pathlib import Path

import pytest

from galaxy_lightning.cli.main import complete
from galaxy_lightning.cli.run_names import newest_run, run_name
from galaxy_lightning.shipped_configs import find_config


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_run(folder, *files):
    folder.mkdir(parents=True)
    for name in ("last.ckpt", *files):
        (folder / name).touch()
    return folder


def test_the_newest_run_is_that_of_the_highest_number(tmp_path):
    for number in (2, 9, 10):
        make_run(tmp_path / f"runs/mine/version_{number}")
    (tmp_path / "runs/mine/version_11").mkdir()  # Its fit has no checkpoint yet.
    make_run(tmp_path / "runs/mine/version_x")
    assert newest_run(["--name=mine"]).name == "version_10"
    assert newest_run(["--name=mine", "--runs", str(tmp_path / "elsewhere")]) is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "galaxy_cnn"),
        (["--model.network", "reference_cnn"], "reference_cnn"),
        (["--model.backbone", "timm:resnet18"], "timm_resnet18"),
        (["--config", "reference_cnn"], "reference_cnn"),
        (["--config=reference_cnn", "--config=trainer/ddp"], "reference_cnn"),
        (["--config", "trainer/ddp"], "galaxy_cnn"),
    ],
)
def test_the_name_is_that_of_the_fit(tmp_path, options, name):
    run = make_run(tmp_path / f"runs/{name}/version_0")
    words = complete(["fit", *options, "--ckpt_path", "last"])
    assert words[-2:] == ["--ckpt_path", str(run.relative_to(tmp_path) / "last.ckpt")]


def test_without_a_run_a_fit_begins():
    words = complete(["fit", "--config=trainer/ddp", "--ckpt_path=last"])
    ddp = find_config("trainer/ddp")
    assert words == ["fit", "--config", find_config("galaxy_cnn"), f"--config={ddp}"]


@pytest.mark.parametrize(
    ("before", "after", "run"),
    [
        ([], [], "elsewhere/theirs"),
        ([], ["--name", "mine"], "elsewhere/mine"),
        (["--name", "mine", "--runs", "runs"], [], "elsewhere/theirs"),
        ([], ["--runs=runs"], "runs/theirs"),
    ],
)
def test_a_config_gives_the_name_and_the_folder_as_in_the_fit(tmp_path, before, after, run):
    make_run(tmp_path / run / "version_0")
    Path("my.yaml").write_text("name: theirs\nruns: elsewhere\nmodel: {network: reference_cnn}\n")
    words = complete(["fit", *before, "--config=my.yaml", *after, "--ckpt_path=last"])
    assert words[-1] == f"{run}/version_0/last.ckpt"


def test_a_config_may_ask_for_the_newest_run(tmp_path):
    Path("my.yaml").write_text("ckpt_path: last\nmodel: {network: reference_cnn}\n")
    assert complete(["fit", "--config=my.yaml"]) == ["fit", "--config=my.yaml", "--ckpt_path=null"]
    make_run(tmp_path / "runs/my/version_0")
    words = complete(["fit", "--config=my.yaml"])
    assert words[-2:] == ["--ckpt_path", "runs/my/version_0/last.ckpt"]


def test_trainer_settings_give_no_name():
    assert run_name(None, ["a/mine.yaml", find_config("trainer/ddp")], "x") == "mine"
