"""ONNX and PyTorch files: without this package, they give the probabilities of the model."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from PIL import Image, ImageOps

from galaxy_lightning.cli.main import main
from galaxy_lightning.export import program_files
from galaxy_lightning.networks.network import Network

EXAMPLES = Path(__file__).parents[3] / "docs/examples"
CLASSES = ["elliptical", "irregular", "spiral"]
GALAXIES = 100


WITHOUT = """
import runpy, sys
for name in ("galaxy_lightning", "data_prep", "baselines"):
    sys.modules[name] = None  # It cannot be imported.
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def without_this_package(script, *words):
    """Runs an example where this package cannot be imported, and returns the table that it prints."""
    command = [sys.executable, "-c", WITHOUT, EXAMPLES / script, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(io.StringIO(done.stdout))


@pytest.fixture(scope="module")
def images(raw, tmp_path_factory):
    """A hundred image files of 424 pixels: galaxies, and mirror images of some."""
    folder = tmp_path_factory.mktemp("images")
    files = sorted(raw.rglob("*.jpg"))
    for number in range(GALAXIES):
        image = Image.open(files[number % len(files)])
        (ImageOps.mirror(image) if number >= len(files) else image).save(folder / f"{number:03d}.png")
    return folder


def predicted(images, *more):
    """Returns the probabilities that ``predict`` writes."""
    table = images.parent / f"{images.name}.csv"
    main(["predict", f"--data.images={images}", f"--out={table}", "--overwrite", *more])
    return pd.read_csv(table).sort_values("path")[[f"p_{name}" for name in CLASSES]].to_numpy()


def require_same(images, table, own):
    assert len(table) == len(own) == GALAXIES
    assert [Path(file).name for file in table["file"]] == sorted(path.name for path in images.iterdir())
    np.testing.assert_allclose(table[CLASSES].to_numpy(), own, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The model of the package in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    for kind in ("onnx", "pt2"):
        main(["export", f"--format={kind}", f"--out={folder}/model.{kind}"])
    return folder


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_without_this_package_a_file_gives_the_probabilities_of_predict(exported, images, kind):
    files = sorted(images.iterdir())
    table = without_this_package(f"use_{kind}.py", exported / f"model.{kind}", *files)
    require_same(images, table, predicted(images))


@pytest.mark.real
@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_the_probabilities_of_real_galaxies_are_those_of_predict(exported, real_sample, tmp_path, kind):
    folder = tmp_path / "images"
    folder.mkdir()
    for file in sorted(real_sample.rglob("*.jpg"))[:GALAXIES]:
        (folder / file.name).symlink_to(file)
    table = without_this_package(f"use_{kind}.py", exported / f"model.{kind}", *sorted(folder.iterdir()))
    require_same(folder, table, predicted(folder))


def test_the_files_say_what_they_are(exported):
    stored = {"metadata.json": ""}
    torch.export.load(exported / "model.pt2", extra_files=stored)
    about = json.loads(stored["metadata.json"])
    assert about["classes"] == CLASSES
    assert about["input"] == {
        "name": "images", "dtype": "uint8", "shape": ["batch", "height", "width", 3],
        "bands": ["R", "G", "B"], "crop": 224,
    }  # fmt: skip
    assert about["views"] == {"zooms": 5, "eight_views": False}
    assert 0.5 < about["calibration"]["threshold"] < 1
    model = onnx.load(exported / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    read = {
        name: value if isinstance(about[name], str) else json.loads(value)
        for name, value in properties.items()
    }
    assert read == about
    (images,) = model.graph.input
    sides = [each.dim_param or each.dim_value for each in images.type.tensor_type.shape.dim]
    assert sides == ["batch", "height", "width", 3]


def small_fit(arrays, runs, *more):
    main([
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", "--trainer.max_epochs=1", "--data.batch_size=16",
        "--trainer.enable_progress_bar=false", "--name=small", *more,
    ])  # fmt: skip
    return max((runs / "small").iterdir(), key=lambda path: path.stat().st_mtime)


def own_probabilities(arrays, run, table, *more):
    main(["predict", f"--ckpt_path={run}", f"--data.arrays={arrays}", f"--out={table}", *more])
    columns = [f"p_{name}" for name in CLASSES]
    return np.load(arrays / "images.npy"), pd.read_csv(table)[columns].to_numpy()


@pytest.mark.parametrize(
    "settings",
    [
        ["--model.network=reference_cnn", "--model.eight_views=true"],
        ["--model.backbone=timm:test_vit", "--model.weights=none"],
        ["--model.backbone=resnet18", "--model.weights=none", "--model.grey=true"],
    ],
    ids=["reference_cnn", "a vision transformer", "resnet18"],
)
def test_other_networks_are_exported(small_arrays, tmp_path, settings):
    run = small_fit(small_arrays, tmp_path, *settings)
    main(["export", f"--run={run}", "--format=pt2"])
    images, own = own_probabilities(small_arrays, run, tmp_path / "own.csv")
    model = torch.export.load(run / "model.pt2").module()
    np.testing.assert_allclose(model(torch.from_numpy(images)).detach().numpy(), own, rtol=0, atol=1e-4)


def test_several_networks_are_exported_as_one(small_arrays, tmp_path):
    reference = "--model.network=reference_cnn"
    runs = [small_fit(small_arrays, tmp_path, reference, f"--seed_everything={seed}") for seed in (0, 1)]
    out = tmp_path / "both.onnx"
    main(["export", "--run", *map(str, runs), "--format=onnx", f"--out={out}"])
    images = np.load(small_arrays / "images.npy")

    (together,) = onnxruntime.InferenceSession(out).run(None, {"images": images})
    parts = [own_probabilities(small_arrays, run, tmp_path / f"{run.name}.csv")[1] for run in runs]
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    # The temperature of the mean is monotonic.
    assert (np.mean(parts, axis=0).argmax(axis=1) == together.argmax(axis=1)).all()


class DependsOnValues(Network):
    """A network whose computation depends on the images."""

    name = "depends"

    def __init__(self, classes, image_size):
        super().__init__()
        self.dense = torch.nn.Linear(3, classes)

    def forward(self, images):
        means = images.mean(dim=(2, 3))
        return self.dense(means) if float(means.sum()) > 1 else self.dense(1 - means)


def refused(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["export", *words])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return ended.value.code, said.splitlines()[-1]


def test_a_network_that_cannot_be_exported_is_named(small_arrays, tmp_path, capsys):
    own = f"--model.network={__name__}.DependsOnValues"
    run = small_fit(small_arrays, tmp_path, own)
    code, said = refused(capsys, f"--run={run}", "--format=pt2", own)
    assert code == 1
    assert "PyTorch cannot export" in said
    assert not list(run.glob("*model.pt2*"))


def test_wrong_names_are_refused(exported, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "ends in .onnx" in refused(capsys, "--format=onnx", "--out=model.pt2")[1]
    assert "overwrite" in refused(capsys, "--format=pt2", f"--out={exported}/model.pt2")[1]
    assert "there is no checkpoint" in refused(capsys, "--format=pt2", "--run=nothing")[1]
    assert refused(capsys, "--format=tflite")[0] == 2
    monkeypatch.setattr("data_prep.common.libraries.find_spec", lambda name: None)
    assert "pip install 'galaxy-lightning[export]'" in refused(capsys, "--format=onnx")[1]
    assert not list(tmp_path.iterdir())


def test_the_document_shows_the_example():
    document = (EXAMPLES.parent / "export.md").read_text(encoding="utf-8")
    code = (EXAMPLES / "use_onnx.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert code in document


@pytest.mark.parametrize("kind", ["onnx", "pt2", "hub"])
def test_weights_that_are_not_numbers_are_refused(small_arrays, tmp_path, capsys, kind):
    run = small_fit(small_arrays, tmp_path, "--model.network=reference_cnn")
    content = torch.load(run / "best.ckpt", weights_only=True)
    name = next(name for name in content["state_dict"] if name.startswith("network."))
    content["state_dict"][name] *= torch.nan
    torch.save(content, run / "best.ckpt")
    code, said = refused(capsys, f"--run={run}", f"--format={kind}", f"--out={tmp_path}/made.{kind}")
    assert (code, "are not all numbers" in said) == (1, True)
    assert not list(tmp_path.glob("*made*"))


def test_a_file_whose_probabilities_are_not_numbers_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "run", lambda self, names, inputs: [np.full((1, 3), np.nan)]
    )
    code, said = refused(capsys, "--format=onnx", f"--out={tmp_path}/model.onnx")
    assert (code, "gives other probabilities" in said) == (1, True)
    assert not list(tmp_path.iterdir())


def test_more_weights_than_an_onnx_file_holds_are_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(program_files, "_LARGEST_ONNX", 1000)
    code, said = refused(capsys, "--format=onnx", f"--out={tmp_path}/model.onnx")
    assert (code, "more than an ONNX file holds" in said) == (1, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["onnx", "pt2", "hub"])
def test_a_full_disk_is_one_line(exported, tmp_path, kind):
    resource = pytest.importorskip("resource")
    words = [sys.executable, "-m", "galaxy_lightning", "export", f"--format={kind}"]
    done = subprocess.run(
        [*words, f"--out={tmp_path}/made.{kind}"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*made*"))
