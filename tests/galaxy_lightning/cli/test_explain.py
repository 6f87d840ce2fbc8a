"""The command ``explain``."""

import shutil

import pytest
from PIL import Image

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.main import main
from tests.galaxy_lightning.cli.test_audit import error, train


@pytest.fixture(scope="module")
def trained(small_arrays, tmp_path_factory):
    return train(small_arrays, tmp_path_factory.mktemp("runs"))


def test_galaxies_are_explained_by_id_and_by_file(trained, small_arrays, tmp_path, capsys):
    arrays = open_arrays(small_arrays)
    row = int(arrays.rows("test")[0])
    objid, label = str(arrays.catalog["objid"].iloc[row]), arrays.catalog["label"].iloc[row]
    Image.fromarray(arrays.images[row]).save(tmp_path / "galaxy.png")
    out = tmp_path / "figures"
    main(["explain", objid, str(tmp_path / "galaxy.png"), f"--run={trained}", f"--out={out}"])
    first, second = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    assert first.startswith(f"{objid}: ")
    assert f"(true class: {label})" in first
    # The same pixels, as a file: the same class and probability.
    assert second.split(":")[1].split("%")[0] == first.split(":")[1].split("%")[0]
    assert (out / f"{objid}.png").stat().st_size > 50_000
    assert (out / f"{objid}.pdf").is_file()
    assert (out / "galaxy.png").is_file()
    assert "exists" in error(capsys, "explain", objid, f"--run={trained}", f"--out={out}")
    main(["explain", objid, f"--run={trained}", f"--out={out}", "--overwrite", "--class=spiral"])


def test_the_figures_go_into_the_run_folder(trained, small_arrays, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    objid = open_arrays(small_arrays).catalog["objid"].iloc[0]
    main(["explain", str(objid), f"--run={run}"])
    assert (run / "explanations" / f"{objid}.png").is_file()


def test_what_cannot_be_explained_is_named(trained, small_arrays, tmp_path, capsys):
    objids = open_arrays(small_arrays).catalog["objid"]
    wanted = int(objids.iloc[4]) + 1
    line = error(capsys, "explain", str(wanted), f"--run={trained}")
    assert f"{wanted} is neither an image file nor the id of a galaxy" in line
    assert str(objids.iloc[4]) in line
    assert "the classes are elliptical, irregular, spiral" in error(
        capsys, "explain", str(objids.iloc[0]), f"--run={trained}", "--class=comet"
    )
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert "broken.jpg" in error(capsys, "explain", str(tmp_path / "broken.jpg"), f"--run={trained}")
    objid = str(objids.iloc[0])
    assert "name each one once" in error(capsys, "explain", objid, objid, f"--run={trained}")
    assert "there is no checkpoint" in error(capsys, "explain", "1", f"--run={tmp_path / 'none'}")


def test_without_the_arrays_a_file_is_explained_and_an_id_is_not(small_arrays, tmp_path, capsys):
    arrays = shutil.copytree(small_arrays, tmp_path / "arrays")
    run = train(arrays, tmp_path)
    image, objid = open_arrays(arrays).images[0], open_arrays(arrays).catalog["objid"].iloc[0]
    Image.fromarray(image).save(tmp_path / "galaxy.png")
    shutil.rmtree(arrays)
    capsys.readouterr()
    main(["explain", str(tmp_path / "galaxy.png"), f"--run={run}", f"--out={tmp_path / 'out'}"])
    assert "Without similar training galaxies" in capsys.readouterr().out
    assert "--data.arrays" in error(capsys, "explain", str(objid), f"--run={run}")


def test_the_shipped_model_explains_an_image_of_another_size(tmp_path, raw, capsys):
    image = next((raw / "images_gz2/images").glob("*.jpg"))
    main(["explain", str(image), "--run=galaxy_zoo1", f"--out={tmp_path}"])
    assert capsys.readouterr().out.count(".png") == 1
