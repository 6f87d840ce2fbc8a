"""Classifying galaxies from Python."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import galaxy_lightning as gl
from data_prep.arrays.format import open_arrays
from data_prep.images.relative_scale import RelativeScale
from data_prep.schema import CLASSES
from galaxy_lightning.api.classifier import Classifier
from galaxy_lightning.cli.main import main
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.data.seen_galaxies import SeenGalaxies
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier

PROBABILITIES = [f"p_{name}" for name in CLASSES]
PIXELS = np.zeros((2, 64, 64, 3), dtype=np.uint8)
ADDED = [*PROBABILITIES, "predicted", "entropy", "is_uncertain", "seen_in_training", "novelty", "problem"]


@pytest.fixture(scope="module")
def checkpoint(small_arrays, tmp_path_factory):
    """A calibrated checkpoint with the arrays' training galaxies."""
    path = tmp_path_factory.mktemp("model") / "best.ckpt"
    torch.manual_seed(0)
    model = GalaxyClassifier("galaxy_cnn", image_size=64, zooms=2)
    calibrations = (Calibration(1.5, 0.9, 0.4, 0.5, zooms) for zooms in (2, 1))
    model.inference.calibrations = Calibrations(*calibrations)
    write_checkpoint(path, model, GalaxyDataModule(str(small_arrays)))
    return path


@pytest.fixture(scope="module")
def classifier(checkpoint):
    return gl.load(checkpoint)


@pytest.fixture(scope="module")
def images(raw):
    return raw / "images_gz2/images"


@pytest.fixture(scope="module")
def table(classifier, images):
    return classifier.predict(images)


def test_importing_the_package_imports_no_library():
    code = (
        "import sys; before = set(sys.modules); import galaxy_lightning as gl; dir(gl); gl.__version__; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} & "
        "{'torch', 'lightning', 'numpy', 'pandas', 'astropy'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_functions_are_listed_and_others_do_not_exist():
    assert {"classify", "load", "fit", "Classifier", "GalaxyError", "__version__"} <= set(dir(gl))
    with pytest.raises(AttributeError, match="has no attribute 'clasify'"):
        gl.clasify  # noqa: B018


def test_a_folder_is_classified_as_on_the_command_line(table, checkpoint, images, tmp_path):
    main(["predict", f"--ckpt_path={checkpoint}", f"--data.images={images}", f"--out={tmp_path}/p.csv"])
    printed = pd.read_csv(tmp_path / "p.csv", dtype={"id": "str"})
    assert list(table.columns) == ["id", "path", *ADDED]
    assert table["path"].tolist() == printed["path"].tolist()
    np.testing.assert_allclose(table[PROBABILITIES], printed[PROBABILITIES], atol=1e-5)
    assert table["predicted"].tolist() == printed["predicted"].tolist()
    for flag in ("is_uncertain", "seen_in_training"):
        assert table[flag].astype(int).tolist() == printed[flag].tolist()
    assert table["problem"].isna().all()


def test_only_galaxies_of_the_training_are_marked_as_seen(table, small_arrays):
    catalog = open_arrays(small_arrays).catalog.set_index("asset_id")
    expected = catalog.loc[table["id"], "split"] != "test"
    assert table["seen_in_training"].tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)


def test_files_arrays_and_tables_give_the_same(classifier, table, images, small_arrays):
    paths = [images / path for path in table["path"][:7]]
    listed = classifier.predict(paths)
    assert listed["path"].tolist() == list(map(str, paths))
    pd.testing.assert_frame_equal(listed[ADDED], table[ADDED][:7], atol=1e-5)
    again = classifier.predict(table["path"][:7].tolist(), folder=images, batch_size=2)
    pd.testing.assert_frame_equal(again[ADDED], table[ADDED][:7], atol=1e-5)
    assert len(classifier.predict(str(paths[0]))) == 1

    arrays = open_arrays(small_arrays)
    from_array = classifier.predict(arrays.images)
    by_id = table.set_index("id").loc[arrays.catalog["asset_id"]]
    np.testing.assert_allclose(from_array[PROBABILITIES], by_id[PROBABILITIES], atol=1e-5)
    assert from_array["seen_in_training"].tolist() == by_id["seen_in_training"].tolist()
    wide = np.pad(arrays.images[:3], ((0, 0), (5, 6), (9, 10), (0, 0)))
    tensor = torch.from_numpy(wide)
    np.testing.assert_allclose(
        classifier.predict(tensor)[PROBABILITIES], from_array[PROBABILITIES][:3], atol=1e-5
    )


def test_a_table_keeps_its_columns_and_index_also_if_classified_twice(classifier, table, images):
    galaxies = pd.DataFrame({"ra": [1.0, 2.0], "file_loc": table["path"][:2].tolist()}, index=["a", "b"])
    once = classifier.predict(galaxies, folder=images)
    assert list(once.columns) == ["ra", "file_loc", *ADDED]
    assert once.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(once[PROBABILITIES], table[PROBABILITIES][:2], atol=1e-5)
    pd.testing.assert_frame_equal(classifier.predict(once, folder=images), once)
    assert list(galaxies.columns) == ["ra", "file_loc"]


def test_an_object_id_marks_a_galaxy_whose_pixels_differ(classifier, small_arrays, tmp_path):
    arrays = open_arrays(small_arrays)
    row = arrays.rows("train")[0]
    Image.fromarray(255 - arrays.images[row]).save(tmp_path / f"{arrays.catalog['objid'].iloc[row]}.png")
    table = classifier.predict(tmp_path)
    assert list(table.columns[:2]) == ["objid", "path"]
    assert table["seen_in_training"].tolist() == [True]


@pytest.mark.parametrize(
    "index",
    [
        [0, 0, 1],
        [np.nan] * 3,
        pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["field", "number"]),
    ],
)
def test_the_entries_of_an_index_may_repeat(classifier, table, images, index):
    galaxies = pd.DataFrame({"path": table["path"][:3].tolist()}, index=index)
    found = classifier.predict(galaxies, folder=images)
    pd.testing.assert_index_equal(found.index, galaxies.index)
    np.testing.assert_allclose(found[PROBABILITIES], table[PROBABILITIES][:3], atol=1e-5)


def reencoded(arrays, folder, rows):
    """Writes images as files named by object id, with other pixels than the arrays."""
    for row in rows:
        image = Image.fromarray(arrays.images[row])
        image.save(folder / f"{arrays.catalog['objid'].iloc[row]}.jpg", quality=80)


def test_object_ids_are_used_file_by_file_and_from_any_column_of_ids(classifier, small_arrays, tmp_path):
    arrays = open_arrays(small_arrays)
    rows = arrays.rows("train")[:3]
    reencoded(arrays, tmp_path, rows)
    Image.fromarray(255 - arrays.images[0]).save(tmp_path / "extra.png")
    seen = classifier.predict(tmp_path).set_index("id")["seen_in_training"]
    assert seen.to_dict() == {path.stem: path.stem != "extra" for path in tmp_path.iterdir()}
    files = sorted(tmp_path.glob("*.jpg"))
    assert classifier.predict(pd.DataFrame({"file": files}))["seen_in_training"].all()
    ids = [int(path.stem) for path in files]
    for number, path in enumerate(files):
        path.rename(tmp_path / f"{number}.jpg")
    for name, values in (("objID", ids), ("dr7objid", [f" {objid} " for objid in ids])):
        named = pd.DataFrame({name: values, "file": [f"{number}.jpg" for number in range(3)]})
        assert classifier.predict(named, folder=tmp_path)["seen_in_training"].all()
        without = named.drop(columns=name)
        assert not classifier.predict(without, folder=tmp_path)["seen_in_training"].any()


def test_what_an_older_checkpoint_does_not_know_stays_empty(classifier, small_arrays, tmp_path):
    arrays = open_arrays(small_arrays)
    reencoded(arrays, tmp_path, arrays.rows("train")[:1])
    Image.fromarray(arrays.images[arrays.rows("train")[1]]).save(tmp_path / "renamed.png")
    trained = classifier._ensemble.trained[0]
    older = replace(trained, trained_on=SeenGalaxies(trained.trained_on.objids, has_all_pixels=False))
    seen = Classifier(Ensemble(classifier._ensemble.members, [older])).predict(tmp_path)["seen_in_training"]
    assert seen.tolist() == [True, pd.NA]


def test_unusable_images_keep_their_row_and_say_why(classifier, table, images, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"<html>busy</html>")
    galaxies = pd.DataFrame({"path": [images / table["path"][0], tmp_path / "broken.jpg", None, "none.jpg"]})
    found = classifier.predict(galaxies)
    assert found["problem"].notna().tolist() == [False, True, True, True]
    assert found["problem"][1].startswith("a web page")
    assert found["problem"][3] == "missing"
    assert found[ADDED[:-1]][1:].isna().all(axis=None)
    assert found["predicted"][0] == table["predicted"][0]
    with pytest.raises(gl.GalaxyError, match="none of the 1 images is usable; the first: a web page"):
        classifier.predict([tmp_path / "broken.jpg"])


@pytest.mark.parametrize(
    ("galaxies", "message"),
    [
        (PIXELS.astype(np.float64), "images of type float64: the model needs uint8"),
        (PIXELS.astype(np.int64), "images of type int64"),
        (PIXELS[0], r"pass image\[None\]"),
        (PIXELS[..., 0], r"images of shape \[2, 64, 64\]: the model needs \[N, H, W, 3\]"),
        (np.moveaxis(PIXELS, -1, 1), r"images of shape \[2, 3, 64, 64\]"),
        (PIXELS[:, :20], "64 x 20 pixels, smaller than the crop of 64"),
        (PIXELS[:0], "the array is empty"),
        (list(PIXELS), r"pass one array, numpy\.stack"),
        ([], "the list is empty"),
        ([1, 2], "cannot classify an object of type list"),
        (3, "cannot classify an object of type int"),
        (None, "cannot classify an object of type NoneType"),
        ("no_such_folder", "there is no folder no_such_folder"),
        ("", "a path is empty"),
        ("~no_such_user/x", "there is no user 'no_such_user'"),
        ({"path": ["1.jpg"]}, "cannot classify an object of type dict"),
        (np.ma.masked_array(PIXELS, PIXELS == 0), "a masked array"),
        (torch.zeros(2, 64, 64, 3, dtype=torch.bfloat16), "cannot classify this Tensor"),
        (torch.zeros(2, 64, 64, 3, requires_grad=True), "images of type float32"),
        (torch.zeros(2, 64, 64, 3, device="meta", dtype=torch.uint8), "cannot classify this Tensor"),
        (
            pd.DataFrame([["1.jpg", "2.jpg"]], columns=["path", "path"]),
            "no column of image files, or several",
        ),
        (pd.DataFrame({"x": [1]}), "the table has no column of image files"),
        (pd.DataFrame({"path": []}), "the table is empty"),
    ],
)
def test_anything_else_is_refused_in_one_line(classifier, galaxies, message):
    with pytest.raises(gl.GalaxyError, match=message) as error:
        classifier.predict(galaxies)
    assert "\n" not in str(error.value)


def test_lists_of_paths_may_be_columns_and_generators(classifier, table, images):
    paths = table["path"][:2].map(lambda path: str(images / path))
    for galaxies in (paths, pd.Index(paths), paths.to_numpy(), (path for path in paths)):
        assert len(classifier.predict(galaxies)) == 2
    missing = pd.DataFrame({"path": pd.Categorical([paths[0], None])})
    assert classifier.predict(missing)["problem"].tolist()[1] == "missing"


def test_names_that_are_no_text_are_classified(classifier, images, tmp_path):
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_bytes((images / "1.jpg").read_bytes())
    assert len(classifier.predict(tmp_path)) == 1


def test_wrong_options_are_refused(classifier):
    for name, values in {"zooms": (0, 2.5), "batch_size": (0,), "pixel_scale": (0.3, -1)}.items():
        for value in values:
            with pytest.raises(gl.GalaxyError, match=name.replace("_", ".")):
                classifier.predict(PIXELS, **{name: value})


def test_the_number_of_zooms_can_be_chosen(classifier, small_arrays, checkpoint, tmp_path):
    words = [f"--ckpt_path={checkpoint}", f"--data.arrays={small_arrays}", f"--out={tmp_path}/p.csv"]
    main(["predict", *words, "--zooms=1"])
    one = classifier.predict(open_arrays(small_arrays).images, zooms=1)
    np.testing.assert_allclose(one[PROBABILITIES], pd.read_csv(tmp_path / "p.csv")[PROBABILITIES], atol=1e-5)
    uncalibrated = classifier.predict(PIXELS, zooms=3)
    assert uncalibrated["is_uncertain"].isna().all()


def test_threads_share_a_classifier(classifier, table, images):
    with ThreadPoolExecutor(3) as pool:
        tables = list(pool.map(lambda zooms: classifier.predict(images, zooms=zooms), (None, 1, 2, None)))
    pd.testing.assert_frame_equal(tables[0], table)
    pd.testing.assert_frame_equal(tables[3], table)
    pd.testing.assert_frame_equal(tables[2], table)
    assert not np.allclose(tables[1][PROBABILITIES], table[PROBABILITIES])


def test_another_scale_is_said_as_a_warning(classifier, images, tmp_path):
    trained = classifier._ensemble.trained[0]
    relative = trained.images._replace(relative_scale=RelativeScale(0.02, "petroR90_r"))
    other = Classifier(Ensemble(classifier._ensemble.members, [replace(trained, images=relative)]))
    (tmp_path / "cutouts.json").write_text('{"survey": "sdss", "pixel_scale": 0.4}')
    (tmp_path / "1.jpg").write_bytes((images / "1.jpg").read_bytes())
    for galaxies in (tmp_path, [tmp_path / "1.jpg"], tmp_path / "1.jpg"):
        with pytest.warns(UserWarning, match="The images have 0.4 arcsec per pixel"):
            other.predict(galaxies)
    (tmp_path / "sub").mkdir()
    (tmp_path / "1.jpg").rename(tmp_path / "sub/1.jpg")
    with pytest.warns(UserWarning, match="The images have 0.4 arcsec per pixel"):
        other.predict(tmp_path / "sub")
    (tmp_path / "cutouts.json").rename(tmp_path / "sub/cutouts.json")
    with pytest.warns(UserWarning, match="Survey and pixel scale of the cutouts in sub are not taken into"):
        other.predict(tmp_path)


def test_a_classifier_knows_what_it_is(classifier, checkpoint):
    assert classifier.classes == list(CLASSES)
    assert classifier.path == checkpoint
    assert repr(classifier) == "<Classifier best.ckpt: elliptical, irregular, spiral>"
    assert "irregular: undecided votes, not a morphology" in classifier.card
    assert classifier.class_descriptions["spiral"] == "spiral arms"


def test_a_model_that_does_not_exist_is_refused():
    with pytest.raises(gl.GalaxyError, match=r"there is no checkpoint nowhere.*galaxy_zoo1"):
        gl.load("nowhere")
    for run in (None, 3):
        with pytest.raises(gl.GalaxyError, match="name a run folder, a checkpoint or a model of the package"):
            gl.load(run)


def test_classify_takes_a_classifier_or_what_load_takes(classifier, checkpoint, table, images):
    for model in (classifier, checkpoint, str(checkpoint)):
        pd.testing.assert_frame_equal(gl.classify(images, model=model), table)


def test_a_network_of_ones_own_must_be_named(small_arrays, tmp_path, monkeypatch):
    (tmp_path / "own_net.py").write_text(
        "import torch\nfrom galaxy_lightning.networks import Network\n\n\nclass Net(Network):\n"
        "    def __init__(self, classes, image_size):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(3, classes)\n\n"
        "    def forward(self, images):\n"
        "        return self.head(images.mean(dim=(2, 3)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path("own.ckpt")
    write_checkpoint(
        path, GalaxyClassifier("own_net.Net", image_size=64), GalaxyDataModule(str(small_arrays))
    )
    with pytest.raises(gl.GalaxyError, match="needs the code of the custom network own_net.Net"):
        gl.load(path)
    assert len(gl.load(path, network="own_net.Net").predict(PIXELS)) == 2
