"""Malicious and damaged files: they are refused, and their content is never executed."""

import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import torch
import yaml

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.main import main
from galaxy_lightning.networks.adaptation import Adaptation
from galaxy_lightning.networks.weight_files import load_weights_file
from galaxy_lightning.training.checkpoints import read_checkpoint, read_trained_on

HEAD = Adaptation(("head.",))


class Evil:
    """Writes a marker file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path):
    """A path that must never appear."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


def as_checkpoint(path, evil):
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "hyper_parameters": evil}, path)


def as_legacy_checkpoint(path, evil):
    torch.save({"state_dict": evil}, path, _use_new_zipfile_serialization=False)


def as_pickle(path, evil):
    path.write_bytes(pickle.dumps(evil))


def as_zip(path, evil):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(evil, protocol=2))
        archive.writestr("archive/version", "3")


@pytest.mark.parametrize("write", [as_checkpoint, as_legacy_checkpoint, as_pickle, as_zip])
def test_a_pickle_is_never_executed(tmp_path, marker, write, capsys):
    for suffix in (".ckpt", ".pt", ".safetensors"):
        path = tmp_path / f"evil{suffix}"
        write(path, Evil(marker))
        readers = [
            lambda path=path: read_checkpoint(path),
            lambda path=path: load_weights_file(
                torch.nn.Linear(1, 1), Adaptation(("head.",)), str(path), "linear"
            ),
        ]
        if suffix != ".safetensors":  # read_trained_on reads nothing from these files.
            readers.append(lambda path=path: read_trained_on(str(path)))
        for read in readers:
            with pytest.raises(GalaxyError):
                read()
    with pytest.raises(SystemExit):
        main(["predict", f"--ckpt_path={tmp_path / 'evil.ckpt'}", f"--data.images={tmp_path}"])
    assert "no code in it was run" in capsys.readouterr().err


def test_the_pickle_is_executable(tmp_path):
    pickle.loads(pickle.dumps(Evil(tmp_path / "made")))
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize("objids", [[1], torch.zeros(2), torch.zeros(2, 2, dtype=torch.int64), "all", None])
def test_invalid_lists_of_galaxies_are_refused(tmp_path, objids):
    path = tmp_path / "weights.pt"
    torch.save({"GalaxyDataModule": {"train_objids": objids}}, path)
    with pytest.raises(GalaxyError, match=r"weights.pt does not list the galaxies"):
        read_trained_on(str(path))


def test_weights_of_another_program_list_no_galaxies(tmp_path):
    for content in ({"weight": torch.zeros(2)}, [torch.zeros(2)], torch.zeros(2)):
        torch.save(content, tmp_path / "weights.pt")
        assert not len(read_trained_on(str(tmp_path / "weights.pt")).objids)


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4", b"\x80\x02.", b"text", bytes(1_000), b"\x80\x02" + b"(" * 10**5]
)
def test_damaged_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content)
    for read in (read_checkpoint, lambda path: read_trained_on(str(path))):
        with pytest.raises(GalaxyError, match=r"damaged.ckpt.*no code in it was run"):
            read(path)
    with pytest.raises(GalaxyError, match=r"damaged.ckpt"):
        load_weights_file(torch.nn.Linear(1, 1), HEAD, str(path), "linear")
    with pytest.raises(GalaxyError, match="is not a checkpoint"):
        read_checkpoint(tmp_path)


def test_pickled_objects_as_pixels_are_never_executed(small_arrays, tmp_path, marker):
    copy = shutil.copytree(small_arrays, tmp_path / "arrays")
    for shape in ((1,), (1, 1, 1, 1)):
        pixels = np.empty(shape, dtype=object)
        pixels[...] = Evil(marker)
        np.save(copy / "images.npy", pixels, allow_pickle=True)
        with pytest.raises(GalaxyError, match=r"images.npy"):
            open_arrays(copy)
    for content in (pickle.dumps(Evil(marker)), b"\x93NUMPY\1\0\x20\0__import__('os').mkdir('marker')\n"):
        (copy / "images.npy").write_bytes(content)
        with pytest.raises(GalaxyError, match=r"images.npy"):
            open_arrays(copy)


@pytest.mark.parametrize("place", ["{}", "model: {}", "data:\n  arrays: {}", "trainer:\n  max_epochs: {}"])
def test_a_config_executes_no_python_tags(small_arrays, tmp_path, marker, place, capsys):
    for call in (
        f"!!python/object/apply:os.mkdir [{marker}]",
        f"!!python/object/new:os.system ['mkdir {marker}']",
    ):
        config = tmp_path / "evil.yaml"
        config.write_text(place.format(call) + "\n")
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(config.read_text())
        with pytest.raises(SystemExit) as caught:
            main(
                ["fit", f"--config={config}", f"--data.arrays={small_arrays}", f"--runs={tmp_path / 'runs'}"]
            )
        assert caught.value.code
        assert "Traceback" not in capsys.readouterr().err
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "[" * 100_000, '{"a":' * 100_000, "1" * 100_000, '{"crop": NaN}', "\0", "{}\n{}"],
)
def test_a_damaged_dataset_json_is_refused(small_arrays, tmp_path, content):
    copy = shutil.copytree(small_arrays, tmp_path / "arrays")
    (copy / "dataset.json").write_text(content)
    with pytest.raises(GalaxyError, match=r"dataset.json"):
        open_arrays(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", True),
        ("counts", {"train": None}),
        ("counts", {"train": {"spiral": "many"}}),
        ("skipped", [None]),
        ("skipped", [{"path": "1.jpg"}]),
        ("threshold", "high"),
        ("threshold", [0.5]),
        ("threshold", 2),
        ("classes", [["spiral"], ["elliptical"]]),
    ],
)
def test_a_dataset_json_with_wrong_values_is_refused(small_arrays, tmp_path, key, value):
    copy = shutil.copytree(small_arrays, tmp_path / "arrays")
    dataset = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps(dataset | {key: value}))
    with pytest.raises(GalaxyError, match=rf"dataset.json: '{key}'"):
        open_arrays(copy)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"model: \xff\xfe", "can't decode"),
        (b"", "is empty"),
        (b"a: " + 5000 * b"[" + 5000 * b"]", "nested too deeply"),
        (b"model: [", "while parsing"),
        (b"model:\n\tdropout: 0.1", "cannot start any token"),
        (b"model:\n  dropout: 0.1\n  dropout: 0.5", "line 3: dropout occurs twice in the same section"),
        (b"model: {}\ndata: {}\nmodel: {}", "line 3: model occurs twice in the same section"),
        (b"a: [{b: 1, c: {d: 1, d: 2}}]", "line 1: d occurs twice in the same section"),
    ],
)
def test_an_unreadable_config_is_named(tmp_path, content, reason, capsys):
    (tmp_path / "mine.yaml").write_bytes(content)
    for words in (
        ["--config", f"{tmp_path}/mine.yaml"],
        [f"--config={tmp_path}/mine.yaml"],
        ["-c", f"{tmp_path}/mine.yaml"],
    ):
        with pytest.raises(SystemExit, match="1"):
            main(["fit", *words])
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{tmp_path}/mine.yaml" in line
        assert reason in line
