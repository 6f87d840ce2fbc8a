"""Folders for the Hugging Face hub: timm and --model.weights load them, and the card says what is known."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from data_prep.cli import main as data_prep
from data_prep.common.files import sha256
from galaxy_lightning.cli.main import main
from galaxy_lightning.training.checkpoints import load_model, read_checkpoint, read_trained_on
from galaxy_lightning.training.module import GalaxyClassifier
from tests.conftest import SMALL
from tests.galaxy_lightning.export.test_program_files import (
    CLASSES,
    own_probabilities,
    small_fit,
    without_this_package,
)

BACKBONES = ["timm:test_resnet", 'timm:test_vit{"img_size": [64, 64]}']


@pytest.fixture(scope="module", params=BACKBONES, ids=["resnet", "vit"])
def run(request, small_arrays, tmp_path_factory):
    """A tested run of a backbone of timm, and its folder for the hub."""
    runs = tmp_path_factory.mktemp("hub")
    run = small_fit(small_arrays, runs, f"--model.backbone={request.param}", "--model.weights=none")
    main(["test", f"--ckpt_path={run}"])
    main(["export", f"--run={run}", "--format=hub"])
    return run


def test_without_this_package_timm_gives_the_probabilities_of_predict(run, small_arrays, tmp_path):
    images, own = own_probabilities(small_arrays, run, tmp_path / "own.csv")
    files = [tmp_path / f"{number:03d}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    table = without_this_package("use_hub.py", run / "hub", *files)
    np.testing.assert_allclose(table[CLASSES].to_numpy(), own, rtol=0, atol=1e-4)


def test_the_folder_gives_initial_weights_with_their_head(run, small_arrays):
    trained = load_model(run / "best.ckpt")
    backbone = trained.hparams["backbone"]
    model = GalaxyClassifier(backbone=backbone, weights=str(run / "hub"), classes=CLASSES, image_size=64)
    for name, values in trained.network.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[name], values, msg=name)


def test_the_card_is_that_of_the_hub(run):
    text = (run / "hub/README.md").read_text()
    _, header, body = text.split("---\n", 2)
    about = yaml.safe_load(header)
    assert about["library_name"] == "timm"
    assert about["pipeline_tag"] == "image-classification"
    metrics = json.loads((run / "test/metrics.json").read_text())["metrics"]
    (result,) = about["model-index"][0]["results"]
    assert {"type": "accuracy", "name": "accuracy", "value": metrics["accuracy"]} in result["metrics"]
    assert "On 12 held-out test galaxies" in body
    assert "56 training galaxies" in body
    assert "| spiral | spiral arms |" in body
    assert "local-dir:FOLDER" in body


def test_the_card_shows_the_audit_of_the_same_weights_only(run, tmp_path):
    folder = tmp_path / "audited"
    shutil.copytree(run, folder)
    (folder / "audit").mkdir()
    summary = {"colour": {"colour_reliance": 0.25}, "galaxies": 12}
    for predictions, shown in ((sha256(folder / "predictions.csv"), True), ("another", False)):
        (folder / "audit/audit.json").write_text(json.dumps(summary | {"predictions": predictions}))
        main(["export", f"--run={folder}", "--format=hub", "--overwrite"])
        assert ("| colour reliance" in (folder / "hub/README.md").read_text()) == shown


def test_main_network_and_its_seen_galaxies(small_arrays, tmp_path, capsys):
    run = small_fit(small_arrays, tmp_path, "--model.network=galaxy_cnn")
    hub = tmp_path / "for_the_hub"
    main(["export", f"--run={run}", "--format=hub", f"--out={hub}"])
    assert "galaxy_lightning fit --model.network galaxy_cnn --model.weights" in capsys.readouterr().out
    own, listed = read_checkpoint(run / "best.ckpt").trained_on, read_trained_on(str(hub))
    assert len(own.pixels)
    assert (own.objids.tolist(), own.pixels.tolist(), own.has_all_pixels) == (
        listed.objids.tolist(), listed.pixels.tolist(), listed.has_all_pixels,
    )  # fmt: skip
    again = small_fit(small_arrays, tmp_path, "--model.network=galaxy_cnn", f"--model.weights={hub}")
    assert (again / "run.json").is_file()
    text = (hub / "README.md").read_text()
    assert "library_name: galaxy-lightning" in text
    assert "None are known: `python -m galaxy_lightning test` measures them" in text


def test_a_folder_whose_galaxies_are_held_out_is_refused(raw, sample, small_arrays, tmp_path, capsys):
    run = small_fit(small_arrays, tmp_path, "--model.network=reference_cnn")
    main(["export", f"--run={run}", "--format=hub"])
    other = tmp_path / "another_split"
    options = ["--sample", sample, "--raw", raw, "--out", other, "--crop", SMALL, "--seed", "1"]
    data_prep(["preprocess", *map(str, options)])
    with pytest.raises(SystemExit):
        small_fit(other, tmp_path, "--model.network=reference_cnn", f"--model.weights={run / 'hub'}")
    assert "galaxies" in capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_folder_is_named(small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit):
        small_fit(small_arrays, tmp_path, "--model.network=reference_cnn", f"--model.weights={tmp_path}")
    assert f"there is no file {tmp_path}/model.safetensors" in capsys.readouterr().err


def test_a_folder_holds_one_network_and_is_not_replaced_by_mistake(run, tmp_path, capsys):
    runs = [str(run), str(run / "last.ckpt")]
    for words, said in (
        (["--run", *runs], "a folder for the hub holds one network"),
        (["--run", str(run)], "overwrite"),
        (["--run", str(run), "--out", str(tmp_path), "--overwrite"], "holds"),
    ):
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(SystemExit):
            main(["export", "--format=hub", *words])
        assert said in capsys.readouterr().err
    main(["export", "--format=hub", f"--run={run}", "--overwrite"])
    assert (run / "hub/README.md").is_file()
