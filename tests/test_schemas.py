"""The JSON files of the commands follow the schemas in docs/schemas, which describe all of their entries."""

import json
from pathlib import Path

import pytest
import torch

from baselines.cli import main as baselines
from galaxy_lightning.cli.main import main as galaxy_lightning
from tests.galaxy_lightning.made_runs import fit_reference_cnn

jsonschema = pytest.importorskip("jsonschema")
SCHEMAS = Path(__file__).parents[1] / "docs/schemas"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def schema(name):
    return read(SCHEMAS / f"{name}.schema.json")


def check(path, name):
    """Asserts that a file follows a schema, and that the schema describes all of its entries."""
    content, expected = read(path), schema(name)
    jsonschema.validate(content, expected, jsonschema.Draft202012Validator)
    assert set(content) <= set(expected["properties"])
    return content


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    return fit_reference_cnn(small_arrays, tmp_path_factory.mktemp("schemas"))


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda path: path.name)
def test_the_schemas_are_valid_and_describe_every_entry(path):
    content = read(path)
    jsonschema.Draft202012Validator.check_schema(content)

    def missing(entry, name):
        properties = entry.get("properties", {})
        for key, inner in properties.items():
            resolved = (
                content["$defs"][inner["$ref"].rpartition("/")[2]] | inner if "$ref" in inner else inner
            )
            if not resolved.get("description"):
                yield f"{name}.{key}"
            yield from missing(resolved, f"{name}.{key}")
            yield from missing(resolved.get("items", {}), f"{name}.{key}[]")

    assert not list(missing(content, path.stem))


def test_samples_and_galaxy_arrays(sample, small_arrays):
    check(sample.with_suffix(".json"), "sample")
    check(small_arrays / "dataset.json", "dataset")


def test_a_wrong_file_is_refused(small_arrays):
    content = read(small_arrays / "dataset.json") | {"classes": ["spiral"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema("dataset"))


def test_runs_and_evaluations(run):
    about = check(run / "run.json", "run")
    assert about["calibration"].keys() == schema("run")["properties"]["calibration"]["properties"].keys()
    galaxy_lightning(["test", "--ckpt_path", str(run), "--trainer.enable_progress_bar=false"])
    check(run / "test/metrics.json", "evaluation")


def test_exports(run):
    galaxy_lightning(["export", f"--run={run}", "--format=pt2"])
    about = {"metadata.json": ""}
    torch.export.load(run / "model.pt2", extra_files=about)
    (run / "metadata.json").write_text(about["metadata.json"])
    content = check(run / "metadata.json", "export")
    assert list(content) == list(schema("export")["properties"])
    for section in ("input", "output", "views", "calibration"):
        assert content[section].keys() == schema("export")["properties"][section]["properties"].keys()


def test_audits(run):
    pytest.importorskip("photutils")
    galaxy_lightning(["audit", "--run", str(run), "--galaxies", "6", "--explained", "1"])
    audit = check(run / "audit/audit.json", "audit")
    assert {"colour", "label_limit", "wrong_labels"} <= audit.keys()


def test_cross_validations(small_arrays, tmp_path):
    galaxy_lightning(
        [
            "crossval", f"--data.arrays={small_arrays}", f"--out={tmp_path / 'cv'}", "--folds=2",
            "--trainer.max_epochs=1", "--model.network=reference_cnn", "--model.image_size=64",
        ]
    )  # fmt: skip
    check(tmp_path / "cv/crossval.json", "crossval")
    check(tmp_path / "cv/summary.json", "summary")
    check(tmp_path / "cv/arrays/fold_1/dataset.json", "dataset")


def test_comparisons(run, small_arrays, tmp_path):
    words = ["--data", str(small_arrays), "--out", str(tmp_path / "report"), "--runs", str(run)]
    baselines(["compare", *words, "--models", "scratch", "majority"])
    comparison = check(tmp_path / "report/metrics.json", "comparison")
    for model in comparison["models"]:
        check(Path(model["runs"][0]["folder"]) / "run.json", "run")
