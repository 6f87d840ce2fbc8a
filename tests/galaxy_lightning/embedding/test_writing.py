"""Features of galaxies, computed and written by the command ``embed``."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet
from torch import nn

from data_prep.arrays.format import open_arrays
from data_prep.common.files import sha256
from data_prep.images.pixel_hash import hash_pixels
from galaxy_lightning.cli.main import main
from galaxy_lightning.embedding import table_file, writing
from galaxy_lightning.embedding.sources import load_embedding_model, open_images_source
from galaxy_lightning.embedding.writing import embed
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED
from galaxy_lightning.training.checkpoint_writer import add_novelty
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.inference import Inference
from galaxy_lightning.training.novelty import learn_novelty
from tests.galaxy_lightning.cli.test_audit import error
from tests.galaxy_lightning.embedding.made_tables import CLASSES, metadata_of, read, write_galaxy


def test_the_table_has_the_predictions_of_predict_and_the_features(survey, tmp_path):
    for source, table_path in (
        (f"--data.arrays={survey.arrays.folder}", survey.of_arrays),
        (f"--data.images={survey.images}", survey.of_images),
    ):
        out = tmp_path / f"{table_path.stem}.csv"
        main(["predict", f"--ckpt_path={survey.checkpoint}", source, f"--out={out}"])
        table, features = read(table_path)
        expected = pd.read_csv(out, dtype={"id": "str"})
        names = [name for name in expected if name not in ("is_uncertain", "novelty")]
        assert [name for name in table if name in names] == names
        for name in names:
            if name.startswith("p_") or name == "entropy":
                np.testing.assert_allclose(table[name], expected[name], atol=1e-5)
            else:
                assert table[name].astype(expected[name].dtype).tolist() == expected[name].tolist(), name
        assert list(table)[-2:] == ["pixel_hash", "embedding"]
        assert features.dtype == np.float32
        assert features.std(axis=0).max() > 0
    # The features are the input of the last layer: they give the probabilities.
    model = load_embedding_model(survey.checkpoint)
    layer = [each for each in model.predictor.model.network.modules() if isinstance(each, nn.Linear)][-1]
    assert layer.weight.shape == (3, features.shape[1])
    logits = features @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    shares = np.exp(logits / 0.05 - (logits / 0.05).max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]], shares, atol=1e-4)


def test_positions_and_novelty_are_those_of_predict_in_one_pass(survey, tmp_path, monkeypatch):
    arrays = survey.arrays
    positions = arrays.catalog.assign(ra="12:00:00", dec=-1.5)
    shutil.copytree(arrays.folder, folder := tmp_path / "arrays")
    positions.to_csv(folder / "catalog.csv", index=False)
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["sha256"]["catalog.csv"] = sha256(folder / "catalog.csv")
    (folder / "dataset.json").write_text(json.dumps(dataset))
    rated = shutil.copy(survey.checkpoint, tmp_path / "rated.ckpt")
    add_novelty(rated, learn_novelty(load_model(rated), arrays))
    out, passes = tmp_path / "table.parquet", []
    monkeypatch.setattr(
        Inference, "logits", lambda *args, f=Inference.logits: (passes.append(len(args[2])), f(*args))[1]
    )
    main(["embed", f"--run={rated}", f"--data.arrays={folder}", f"--out={out}"])
    assert sum(passes) == len(positions)
    main(["predict", f"--ckpt_path={rated}", f"--data.arrays={folder}", f"--out={tmp_path}/p.csv"])
    table, expected = read(out)[0], pd.read_csv(tmp_path / "p.csv")
    names = [name for name in expected if name != "is_uncertain"]
    assert list(table) == [*names, "pixel_hash", "embedding"]
    assert set(table["ra"]) == {180}
    np.testing.assert_allclose(table["novelty"], expected["novelty"], atol=0.02)
    columns = Table.read(out, format="parquet.votable")
    assert str(columns["ra"].unit) == "deg"
    assert columns["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
    assert columns["novelty"].description.startswith("how unlike the training galaxies")
    assert columns["embedding"].shape == (len(table), metadata_of(out)["features"])
    assert all(columns[name].description for name in columns.colnames)


def test_the_table_says_what_it_is_made_of(survey):
    schema = parquet.read_schema(survey.of_images)
    assert pa.types.is_fixed_size_list(schema.field("embedding").type)
    assert schema.field("embedding").type.value_type == pa.float32()
    about = metadata_of(survey.of_images)
    assert about["sha256"] == sha256(survey.checkpoint)
    assert about["checkpoint"] == str(survey.checkpoint)
    assert about["features"] == schema.field("embedding").type.list_size
    assert about["galaxies"]["images"] == str(survey.images)
    assert about["classes"] == CLASSES
    of_arrays = metadata_of(survey.of_arrays)["galaxies"]
    assert of_arrays == {"arrays": str(survey.arrays.folder), "sha256": survey.arrays.dataset["sha256"]}
    assert parquet.read_schema(survey.of_arrays).field("objid").type == pa.int64()


def test_unusable_images_are_listed_and_ids_keep_their_zeros(survey):
    table, _ = read(survey.of_images)
    assert len(table) == 21
    assert set(table["id"]) == {*(f"{number:05d}" for number in range(20)), "copy"}
    skipped = pd.read_csv(survey.folder / "images_skipped.csv")
    assert skipped["path"].tolist() == ["broken.jpg", "notes.txt"]
    assert skipped["reason"].notna().all()
    assert not (survey.folder / "arrays_skipped.csv").exists()
    hashes = table.set_index("id")["pixel_hash"]
    assert hashes["copy"] == hashes["00000"]
    assert hashes.nunique() == 20
    arrays, _ = read(survey.of_arrays)
    assert arrays["pixel_hash"].iloc[3] == hash_pixels(open_arrays(survey.arrays.folder).images[3])


def test_galaxies_that_the_model_has_seen_are_flagged(survey, tmp_path):
    table, _ = read(survey.of_arrays)
    assert (
        table["seen_in_training"].tolist() == table["split"].isin(["train", "val"]).tolist()
    )  # val: calibrated.
    assert not read(survey.of_images)[0]["seen_in_training"].any()


def test_row_groups_are_written_as_they_are_complete(survey, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 4)
    monkeypatch.setattr(table_file, "ROW_GROUP", 8)
    out = tmp_path / "table.parquet"
    main(["embed", f"--run={survey.checkpoint}", f"--data.images={survey.images}", f"--out={out}"])
    assert parquet.ParquetFile(out).num_row_groups == 3
    (table, features), (expected, whole) = read(out), read(survey.of_images)
    assert table["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(features, whole, atol=1e-4)


def test_an_interrupted_command_leaves_an_older_table_as_it_was(survey, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 4)
    monkeypatch.setattr(table_file, "ROW_GROUP", 4)
    out = tmp_path / "table.parquet"
    out.write_text("older")
    model = load_embedding_model(survey.checkpoint)
    source = open_images_source(survey.images, model)

    def read_some(rows):
        if rows.start >= 12:
            raise KeyboardInterrupt
        return source.read(rows)

    with pytest.raises(KeyboardInterrupt):
        embed(model, source._replace(read=read_some), out, tmp_path / "skipped.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]
    assert out.read_text() == "older"


def test_the_shipped_model_is_the_default_and_takes_arrays_of_other_classes(tmp_path):
    folder = tmp_path / "images"
    for number in range(3):
        write_galaxy(folder / f"{587722981742084097 + number}.png", number, side=230)
    main(["embed", f"--data.images={folder}", f"--out={tmp_path / 'table.parquet'}"])
    table, features = read(tmp_path / "table.parquet")
    assert table["objid"].tolist() == [587722981742084097 + number for number in range(3)]
    assert metadata_of(tmp_path / "table.parquet")["sha256"] == sha256(SHIPPED[DEFAULT_MODEL])
    assert np.isfinite(features).all()


def test_nothing_usable_is_an_error_with_a_list(survey, tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "table.parquet"
    images.mkdir()
    (images / "a.jpg").write_bytes(b"no image")
    words = ["embed", f"--run={survey.checkpoint}", f"--data.images={images}", f"--out={out}"]
    line = error(capsys, *words)
    assert "none of the 1 images is usable" in line
    assert "a.jpg" in line
    assert not out.exists()
    assert pd.read_csv(tmp_path / "table_skipped.csv")["path"].tolist() == ["a.jpg"]


def test_what_cannot_be_embedded_is_named(survey, tmp_path, capsys, monkeypatch):
    run, source = f"--run={survey.checkpoint}", f"--data.images={survey.images}"
    assert "already exists" in error(capsys, "embed", run, source, f"--out={survey.of_images}")
    out = f"--out={tmp_path / 'table.parquet'}"
    assert "ends in .parquet" in error(capsys, "embed", run, source, f"--out={tmp_path / 'table.csv'}")
    assert "there is no checkpoint" in error(capsys, "embed", "--run=none.ckpt", source, out)
    assert "224" in error(capsys, "embed", f"--data.arrays={survey.arrays.folder}", out)
    scale = "--data.pixel_scale=0.4"
    assert "leave it out" in error(capsys, "embed", run, f"--data.arrays={survey.arrays.folder}", scale, out)
    monkeypatch.setattr("data_prep.common.libraries.find_spec", lambda name: None)
    line = error(capsys, "embed", run, source, out)
    assert "pip install 'galaxy-lightning[parquet]'" in line
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_valid_utf8_are_embedded(survey, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(survey.images / "copy.png", bytes(images) + b"/gal\xff.png")
    out = tmp_path / "table.parquet"
    main(["embed", f"--run={survey.checkpoint}", f"--data.images={images}", f"--out={out}"])
    assert len(read(out)[0]) == 1
