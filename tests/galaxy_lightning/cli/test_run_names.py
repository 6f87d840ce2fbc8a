"""The newest run of a name, with which a fit goes on."""

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


def test_a_complete_run_is_left_alone(tmp_path, capsys):
    make_run(tmp_path / "runs/galaxy_cnn/version_3", "run.json")
    with pytest.raises(SystemExit) as ended:
        complete(["fit", "--ckpt_path=last"])
    assert ended.value.code == 0
    assert "runs/galaxy_cnn/version_3 is complete" in capsys.readouterr().out


def test_trainer_settings_give_no_name():
    assert run_name(None, ["a/mine.yaml", find_config("trainer/ddp")], "x") == "mine"
