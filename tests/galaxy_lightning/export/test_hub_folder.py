"""Folders for the Hugging Face hub: timm and --model.weights load them, and the card says what is known."""

import json
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image

from data_prep.cli import main as data_prep
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.cli.main import main
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.training.checkpoints import load_model, read_checkpoint, read_trained_on
from galaxy_lightning.training.module import GalaxyClassifier
from tests.conftest import SMALL
from tests.galaxy_lightning.export.test_program_files import (
    CLASSES,
    own_probabilities,
    small_fit,
    without_this_package,
)

BACKBONES = {
    "resnet": ["timm:test_resnet", "--model.eight_views=true"],
    "vit": ['timm:test_vit{"img_size": [64, 64]}'],
    "resized": ['timm:test_vit{"img_size": [48, 48]}'],
}


@pytest.fixture(scope="module", params=BACKBONES.values(), ids=BACKBONES)
def run(request, small_arrays, tmp_path_factory):
    """A tested run of a backbone of timm, and its folder for the hub."""
    runs = tmp_path_factory.mktemp("hub")
    run = small_fit(
        small_arrays, runs, f"--model.backbone={request.param[0]}", "--model.weights=none", *request.param[1:]
    )
    main(["test", f"--ckpt_path={run}"])
    main(["export", f"--run={run}", "--format=hub"])
    return run


def test_without_this_package_timm_gives_the_probabilities_of_predict(run, small_arrays, tmp_path):
    images, own = own_probabilities(small_arrays, run, tmp_path / "own.csv")
    files = [tmp_path / f"{number:03d}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):  # The example cuts out the same centre.
        Image.fromarray(np.pad(image, ((1, 2), (3, 4), (0, 0)), mode="wrap")).save(file)
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


def test_the_galaxies_of_a_folder_are_known_however_it_is_named(run, tmp_path, monkeypatch):
    own = read_checkpoint(run / "best.ckpt").trained_on.objids.tolist()
    shutil.copytree(run / "hub", tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    assert read_trained_on("hub", f"local-dir:{tmp_path}/hub").objids.tolist() == own
    assert read_trained_on(f"{tmp_path}/hub/model.safetensors").objids.tolist() == own
    for weights in ("hub", "none"):  # These words name no folder.
        assert not len(read_trained_on(weights).objids)
        assert not len(read_trained_on(weights, "timm:test_resnet").objids)


def test_a_grey_backbone_keeps_its_normalisation_and_is_not_for_timm(small_arrays, tmp_path):
    words = ["--model.backbone=timm:test_resnet", "--model.weights=none", "--model.grey=true"]
    run = small_fit(small_arrays, tmp_path, *words)
    main(["export", f"--run={run}", "--format=hub"])
    assert "library_name: galaxy-lightning" in (run / "hub/README.md").read_text()
    settings = json.loads((run / "hub/config.json").read_text())["pretrained_cfg"]
    assert settings["mean"] == load_model(run / "best.ckpt").network.mean.flatten().tolist()


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_without_the_list_of_its_galaxies_a_folder_is_refused(run, tmp_path, content):
    shutil.copytree(run / "hub", tmp_path / "hub")
    listed = tmp_path / "hub/trained_on.npz"
    listed.unlink() if content is None else listed.write_bytes(content)
    renamed = tmp_path / "renamed.safetensors"
    shutil.copy(run / "hub/model.safetensors", renamed)
    for weights, backbone in ((f"{tmp_path}/hub", None), ("hub", f"local-dir:{tmp_path}/hub")):
        with pytest.raises(GalaxyError, match=r"trained_on\.npz is (missing|damaged)"):
            read_trained_on(weights, backbone)
    with pytest.raises(GalaxyError, match=r"trained_on\.npz is missing"):
        read_trained_on(str(renamed))


def test_the_normalisation_of_a_folder_or_checkpoint_is_kept(run, tmp_path):
    shutil.copytree(run / "hub", tmp_path / "hub")
    config = json.loads((tmp_path / "hub/config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
    (tmp_path / "hub/config.json").write_text(json.dumps(config))
    content = torch.load(run / "best.ckpt", weights_only=True)
    content["state_dict"]["network.mean"][:] = torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)
    torch.save(content, tmp_path / "best.ckpt")
    backbone = load_model(run / "best.ckpt").hparams["backbone"]
    for weights in ("hub", "best.ckpt"):
        file = f"{tmp_path}/{weights}"
        model = GalaxyClassifier(backbone=backbone, weights=file, classes=CLASSES, image_size=64)
        assert model.network.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("classes", [["a", "a"], ["\x1b]0;title\x07"], [1], "abc", {}])
def test_invalid_names_of_classes_are_refused(run, tmp_path, classes):
    weights = safetensors.torch.load_file(run / "hub/model.safetensors")
    about = {"galaxy_lightning": "1", "classes": json.dumps(classes)}
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", about)
    backbone = load_model(run / "best.ckpt").hparams["backbone"]
    with pytest.raises(GalaxyError, match="its names of classes are invalid"):
        GalaxyClassifier(backbone=backbone, weights=str(tmp_path), classes=CLASSES, image_size=64)


def test_the_card_shows_results_of_the_same_weights_only(run, tmp_path):
    folder = tmp_path / "tested"
    shutil.copytree(run, folder)
    metrics = json.loads((folder / "test/metrics.json").read_text())
    for changes, shown in (
        ({"left_out": 5}, "On 12 held-out test galaxies (5 more were left out):"),
        ({"checkpoint_sha256": "0" * 64}, "None are known"),
    ):
        (folder / "test/metrics.json").write_text(json.dumps(metrics | changes))
        main(["export", f"--run={folder}", "--format=hub", "--overwrite"])
        assert shown in (folder / "hub/README.md").read_text()


def test_the_card_of_a_model_that_is_not_calibrated(run, tmp_path):
    folder = tmp_path / "not_calibrated"
    shutil.copytree(run, folder)
    content = torch.load(folder / "best.ckpt", weights_only=True)
    fitted = content["calibration"]
    for state, said in (
        (Calibration(target_accuracy=0.9).state(), "are not calibrated"),
        (fitted | {"threshold": 2.0}, "No threshold reaches an accuracy of 90%"),
    ):
        torch.save(content | {"calibration": state}, folder / "best.ckpt")
        main(["export", f"--run={folder}", "--format=hub", "--overwrite"])
        assert said in (folder / "hub/README.md").read_text()


@pytest.mark.parametrize("classes", ["cat,dog", '["cat", "dog"]'])
def test_weights_of_another_program_with_classes_of_its_own_are_used(run, tmp_path, classes):
    weights = safetensors.torch.load_file(run / "hub/model.safetensors")
    safetensors.torch.save_file(weights, tmp_path / "foreign.safetensors", {"classes": classes})
    backbone = load_model(run / "best.ckpt").hparams["backbone"]
    file = str(tmp_path / "foreign.safetensors")
    GalaxyClassifier(backbone=backbone, weights=file, classes=CLASSES, image_size=64)
    assert not len(read_trained_on(file).objids)
    torch.save({"state_dict": weights, "hyper_parameters": {"classes": 10}}, tmp_path / "foreign.ckpt")
    GalaxyClassifier(
        backbone=backbone, weights=str(tmp_path / "foreign.ckpt"), classes=CLASSES, image_size=64
    )


def test_the_card_counts_all_galaxies_of_an_audit(run, tmp_path):
    folder = tmp_path / "audited"
    shutil.copytree(run, folder)
    (folder / "audit").mkdir()
    summary = {"predictions": sha256(folder / "predictions.csv"), "galaxies": 200}
    summary |= {"colour": {"galaxies": 180}, "wrong_labels": {"flagged": 7}, "label_limit": {"galaxies": 12}}
    (folder / "audit/audit.json").write_text(json.dumps(summary))
    main(["export", f"--run={folder}", "--format=hub", "--overwrite"])
    assert "| labels that are likely wrong | 7 of 200 |" in (folder / "hub/README.md").read_text()


@pytest.mark.parametrize("content", [{"colour": None, "wrong_labels": [1], "galaxies": None}, {}])
def test_damaged_figures_of_an_audit_are_left_out(run, tmp_path, content):
    folder = tmp_path / "audited"
    shutil.copytree(run, folder)
    (folder / "audit").mkdir()
    content |= {"predictions": sha256(folder / "predictions.csv"), "label_limit": "x"}
    (folder / "audit/audit.json").write_text(json.dumps(content))
    main(["export", f"--run={folder}", "--format=hub", "--overwrite"])
    assert "## Audit" not in (folder / "hub/README.md").read_text()


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
