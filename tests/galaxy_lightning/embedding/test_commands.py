"""The commands ``similar`` and ``suggest``."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galaxy_lightning.cli.main import main
from tests.galaxy_lightning.cli.test_audit import error
from tests.galaxy_lightning.embedding.conftest import make_model
from tests.galaxy_lightning.embedding.made_tables import draw_features, make_table, read, write_galaxy


def test_an_id_and_a_file_of_the_same_galaxy_have_the_same_neighbours(survey, tmp_path, capsys):
    out, figure = tmp_path / "similar.csv", tmp_path / "similar.png"
    file = survey.images / "sub1/00003.png"
    words = ["similar", "00003", str(file), f"--in={survey.of_images}", "-k=4"]
    main([*words, f"--out={out}", f"--figure={figure}"])
    printed = capsys.readouterr().out
    assert "Most similar to 00003:" in printed
    table = pd.read_csv(out, dtype={"id": "str"})
    first, second = table[table["galaxy"] == "00003"], table[table["galaxy"] == str(file)]
    assert first["id"].tolist() == second["id"].tolist()
    assert "00003" not in set(first["id"])
    np.testing.assert_allclose(first["distance"], second["distance"], atol=1e-2)
    assert list(table)[:5] == ["galaxy", "rank", "distance", "id", "path"]
    assert Image.open(figure).width > 2000
    features = read(survey.of_images)[1]
    ids = read(survey.of_images)[0]["id"].to_numpy()
    deviation = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(deviation > 1e-6, deviation, np.inf)
    distances = np.linalg.norm(scaled - scaled[ids == "00003"], axis=1)
    assert first["id"].tolist() == ids[np.argsort(distances)[1:5]].tolist()
    assert "already exists" in error(capsys, *words, f"--out={out}")
    main([*words, f"--out={out}", "--overwrite"])


def test_galaxies_of_arrays_are_found_and_drawn(survey, tmp_path, capsys):
    objid = str(survey.arrays.catalog["objid"].iloc[4])
    words = ["similar", objid, f"--in={survey.of_arrays}", "-k=3"]
    main([*words, f"--figure={tmp_path / 'a.pdf'}"])
    assert "no image" not in capsys.readouterr().out
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_missing_images_are_placeholders(survey, tmp_path, capsys):
    images = shutil.copytree(survey.images, tmp_path / "images")
    table = tmp_path / "t.parquet"
    main(["embed", f"--run={survey.checkpoint}", f"--data.images={images}", f"--out={table}"])
    (images / "sub0/00002.png").unlink()
    words = ["similar", "00003", f"--in={table}", "-k=20", f"--figure={tmp_path / 'a.png'}", "--overwrite"]
    main(words)
    assert (
        "no image of 1 of the galaxies in the figure: the file does not exist any more"
        in capsys.readouterr().out
    )
    shutil.rmtree(images)
    main(words)
    printed = capsys.readouterr().out
    assert "no image of 21 of the galaxies in the figure" in printed
    assert f"the folder {images} does not exist" in printed
    out = tmp_path / "suggested.csv"
    line = error(capsys, "suggest", f"--in={table}", f"--out={out}", f"--page={tmp_path / 'p.html'}")
    assert "the page has no images to label" in line
    assert not out.exists()


def test_another_model_than_that_of_the_table_is_refused(survey, tmp_path, capsys):
    other = make_model(tmp_path / "other.ckpt", survey.arrays.folder, survey.arrays.classes, "galaxy_cnn")
    image, table = str(survey.images / "copy.png"), f"--in={survey.of_images}"
    line = error(capsys, "similar", image, table, f"--run={other}")
    assert "was made with another model" in line
    assert str(survey.checkpoint) in line
    assert "another model" in error(
        capsys, "suggest", table, f"--run={other}", f"--out={tmp_path / 'suggested.csv'}"
    )
    gone = make_table(tmp_path / "gone.parquet", draw_features(9))
    assert "does not exist any more: name it with --run" in error(capsys, "similar", image, f"--in={gone}")


def test_bad_input_is_named_in_one_line(survey, tmp_path, capsys, monkeypatch):
    table = f"--in={survey.of_images}"
    line = error(capsys, "similar", "00033", table)
    assert "neither an image file nor the id of a galaxy" in line
    assert "00019" in line
    for name in ("nosuch.jpg", f"{tmp_path}/00033"):
        line = error(capsys, "similar", name, table)
        assert f"{name} does not exist: name an image file, or the id of a galaxy in" in line
    assert "is a folder: name an image file" in error(capsys, "similar", str(survey.images), table)
    assert "broken.jpg" in error(capsys, "similar", str(survey.images / "broken.jpg"), table)
    assert "does not exist" in error(capsys, "similar", "1", f"--in={tmp_path / 'none.parquet'}")
    assert "ends in .png or .pdf" in error(capsys, "similar", "00003", table, "--figure=a.gif")
    assert "at least 1" in error(capsys, "similar", "00003", table, "-k=0")
    many = [f"{number:05d}" for number in range(20)]
    assert "at most 300 images" in error(capsys, "similar", *many, table, f"--figure={tmp_path / 'a.png'}")
    assert "lower -n" in error(
        capsys, "suggest", f"--in={make_table(tmp_path / 'big.parquet', draw_features(2100))}", "-n=2050",
        f"--out={tmp_path / 'a.csv'}", f"--page={tmp_path / 'a.html'}",
    )  # fmt: skip
    monkeypatch.setattr("data_prep.common.libraries.find_spec", lambda name: None)
    line = error(capsys, "similar", "00003", f"--in={tmp_path / 'none.parquet'}")
    assert "missing libraries: pyarrow: run: pip install 'galaxy-lightning[parquet]'" in line
    line = error(capsys, "suggest", f"--in={tmp_path / 'none.parquet'}", f"--out={tmp_path / 'a.csv'}")
    assert "missing libraries: pyarrow, scikit-learn: run: " in line
    assert {path.name for path in tmp_path.iterdir()} == {"big.parquet"}


def test_more_neighbours_than_galaxies_and_a_single_galaxy(survey, tmp_path, capsys):
    main(["similar", "00003", f"--in={survey.of_images}", "-k=99"])
    assert "The table has only 20 other galaxies: all are listed" in capsys.readouterr().out
    one = make_table(tmp_path / "one.parquet", draw_features(1), groups=1)
    out = tmp_path / "one.csv"
    main(["similar", "587722981742084097", f"--in={one}", f"--out={out}", f"--figure={tmp_path / 'one.png'}"])
    assert "The table has no other galaxies" in capsys.readouterr().out
    assert len(pd.read_csv(out)) == 0


@pytest.mark.parametrize("source", ["images", "arrays", "table"])
def test_galaxies_to_label_next(survey, tmp_path, capsys, source):
    out = tmp_path / "suggested.csv"
    options = {
        "images": [f"--run={survey.checkpoint}", f"--data.images={survey.images}"],
        "arrays": [f"--run={survey.checkpoint}", f"--data.arrays={survey.arrays.folder}"],
        "table": [f"--in={survey.of_images}"],
    }
    words = ["suggest", *options[source], f"--out={out}"]
    main([*words, "-n=6"])
    printed = capsys.readouterr().out
    table = pd.read_csv(out, dtype={"id": "str", "asset_id": "str"})
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    probabilities = table[["p_elliptical", "p_irregular", "p_spiral"]].to_numpy()
    p = probabilities.clip(1e-30)
    np.testing.assert_allclose(table["entropy"], -(p * np.log2(p)).sum(axis=1), atol=1e-4)
    if source == "arrays":
        assert table["split"].eq("test").all()
        assert "27 seen by the model in training" in printed
    else:
        assert "1 exact copies of others" in printed
        assert (tmp_path / "suggested_skipped.csv").exists() == (source == "images")
    assert "already exists" in error(capsys, *words)
    main([*words, "-n=50", "--overwrite", "--seed=7"])
    assert "There are fewer than 50 galaxies to choose from: all are suggested" in capsys.readouterr().out
    assert len(pd.read_csv(out)) == (9 if source == "arrays" else 20)


def test_a_run_on_one_galaxy(survey, tmp_path):
    write_galaxy(tmp_path / "images/lone.png", 3)
    out = tmp_path / "suggested.csv"
    main(["suggest", f"--run={survey.checkpoint}", f"--data.images={tmp_path / 'images'}", f"--out={out}"])
    assert pd.read_csv(out)["id"].tolist() == ["lone"]
