"""A run folder from a stranger: it is used as data, and nothing in it is executed or downloaded."""

import json
import shutil
import socket

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from baselines.cli import main as baselines
from galaxy_lightning.cli.main import main
from galaxy_lightning.cli.saved_config import read_saved_config
from galaxy_lightning.runs.names import CONFIG
from galaxy_lightning.training.checkpoints import load_model


@pytest.fixture(scope="module")
def finished(small_arrays, tmp_path_factory):
    """A finished run of reference_cnn."""
    runs = tmp_path_factory.mktemp("runs")
    main(
        [
            "fit", f"--data.arrays={small_arrays}", "--model.network=reference_cnn", "--model.image_size=64",
            "--name=mine", f"--runs={runs}", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false",
        ]
    )  # fmt: skip
    return runs / "mine/version_0"


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def marker(tmp_path):
    """A path that must never appear."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "1.png")
    return folder


def payload(marker):
    """A function defined by text: SymPy evaluates the text when it is instantiated."""
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    return {"class_path": "sympy.Lambda", "dict_kwargs": {"signature": "x", "expr": code}}


def callback(marker):
    return {
        "class_path": "lightning.pytorch.callbacks.LambdaCallback",
        "init_args": {"setup": payload(marker)},
    }


def change_config(run, section, **settings):
    content = yaml.safe_load((run / CONFIG).read_text())
    content[section] = {**(content.get(section) or {}), **settings}
    (run / CONFIG).write_text(yaml.safe_dump(content))


PAYLOADS = {
    "callbacks": lambda marker: [callback(marker)],
    "callback": callback,
    "logger": lambda marker: {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": payload(marker)},
    },
    "plugins": lambda marker: [payload(marker)],
    "strategy": payload,
    "accelerator": payload,
    "profiler": payload,
    "module": lambda marker: [f"{marker.parent.name}.Evil"],
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_class_in_an_unnamed_config_is_never_instantiated(
    kind, run, images, marker, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path.parent)
    (tmp_path / "__init__.py").write_text(f"import pathlib; pathlib.Path({str(marker)!r}).touch()")
    key = "callbacks" if kind in ("callback", "module") else kind
    change_config(run, "trainer", **{key: PAYLOADS[kind](marker)})
    table = tmp_path / "table.csv"
    main(["predict", f"--ckpt_path={run}", f"--data.images={images}", f"--out={table}"])
    assert table.is_file()
    assert f"Ignored: trainer.{key} in {run / CONFIG}" in capsys.readouterr().out
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(SystemExit) as end:
        main(["fit", f"--ckpt_path={run}"])
    assert end.value.code == 1
    assert f"names classes (trainer.{key}), which can run code" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize("place", ["", "best.ckpt", "last.ckpt"])
@pytest.mark.parametrize("command", ["test", "validate", "predict", "fit"])
def test_no_command_executes_classes_named_in_a_run_folder(command, place, run, images, marker, tmp_path):
    change_config(run, "trainer", callbacks=PAYLOADS["callbacks"](marker))
    words = [command, f"--ckpt_path={run / place}"]
    if command == "fit":
        with pytest.raises(SystemExit):
            main(words)
    elif command == "predict":
        main([*words, f"--data.images={images}", f"--out={tmp_path / 'table.csv'}"])
    else:
        main([*words, f"--out={tmp_path / 'found'}"])


def test_other_commands_never_read_the_config(run, small_arrays, marker, tmp_path):
    change_config(run, "trainer", callbacks=PAYLOADS["callbacks"](marker))
    baselines(
        [
            "compare",
            "--data",
            str(small_arrays),
            "--out",
            str(tmp_path / "report"),
            "--models",
            "--runs",
            str(run),
        ]
    )
    baselines(["to-keras", "--ckpt-path", str(run), "--out", str(tmp_path / "model.keras")])
    words = [f"--data.arrays={small_arrays}", "--model.image_size=64", "--trainer.fast_dev_run=true"]
    main(["fit", *words, "--model.network=reference_cnn", f"--model.weights={run / 'best.ckpt'}"])


def test_the_payload_is_executable(tmp_path, run, images):
    change_config(run, "trainer", callbacks=PAYLOADS["callbacks"](tmp_path / "made"))
    words = ["predict", f"--ckpt_path={run}", f"--config={run / CONFIG}", f"--data.images={images}"]
    with pytest.raises((SystemExit, TypeError)):
        main([*words, f"--out={tmp_path / 'table.csv'}"])
    assert (tmp_path / "made").exists()


def test_plain_settings_of_a_run_are_used(run, finished):
    change_config(
        run, "trainer", callbacks=None, logger=True, max_time={"hours": 1}, devices=[0], strategy="auto"
    )
    change_config(run, "model", network="other", compile="default", weights="/dev/null")
    saved = read_saved_config(run)
    assert not saved.classes
    assert saved.settings["trainer.max_epochs"] == 1
    assert saved.settings["trainer.max_time"] == {"hours": 1}
    assert saved.settings["seed_everything"] == 0
    assert {name for name in saved.settings if name.startswith("model.")} == {"model.compile"}
    assert read_saved_config(finished.parent) is None


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("data", {"batch_size": {"class_path": "evil.Evil"}}, "data.batch_size is not a plain value"),
        ("data", {"batch_size": "many"}, "batch_size"),
        ("data", {"unheard_of": 1}, "unheard_of"),
        ("trainer", [1, 2], "trainer does not hold named settings"),
    ],
)
def test_a_damaged_config_beside_a_checkpoint_is_named(section, value, message, run, capsys):
    content = yaml.safe_load((run / CONFIG).read_text())
    (run / CONFIG).write_text(yaml.safe_dump(content | {section: value}))
    with pytest.raises(SystemExit) as end:
        main(["test", f"--ckpt_path={run}"])
    said = capsys.readouterr().err
    assert message in said
    assert end.value.code in (1, 2)
    assert "Traceback" not in said


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*places, **more):
        raise AssertionError("the network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


HYPERPARAMETERS = {
    "hub": {"backbone": "hf_hub:someone/model", "weights": "hub"},
    "dashed": {"backbone": "hf-hub:someone/model", "weights": "hub"},
    "folder": {"backbone": "local-dir:/etc"},
    "file": {"backbone": 'timm:test_vit{"checkpoint_path": "/etc/passwd"}'},
    "instantiator": {"_instantiator": "sympy.Lambda"},
    "class path": {"_class_path": "sympy.Lambda"},
    "settings": {"classes": [{"class_path": "sympy.Lambda"}]},
}


def change_checkpoint(run, **changes):
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(run / name, weights_only=True)
        content["hyper_parameters"] |= changes
        torch.save(content, run / name)


DAMAGE = {
    "callbacks": {"callbacks": {"RunCheckpoint": "odd"}},
    "loops": {"loops": {"fit_loop": {}}},
    "loop": {"loops": 3},
    "optimisers": {"optimizer_states": None},
    "optimiser": {"optimizer_states": [{"state": {}, "param_groups": [3]}]},
    "version": {"pytorch-lightning_version": "newest"},
    "pretrained": {"pretrained": {3: "hub"}},
    "size": {"hyper_parameters": {"image_size": 10**9}},
    "entries": {"hyper_parameters": {"auxiliary": ["a"] * 100_000}},
    "zooms": {"hyper_parameters": {"zooms": "many"}},
    "classes": {"hyper_parameters": {"classes": ["spiral"] * 3}},
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("command", ["predict", "fit"])
def test_invalid_content_of_a_checkpoint_is_named(kind, command, run, images, capsys):
    name = "last.ckpt" if command == "fit" else "best.ckpt"
    content = torch.load(run / name, weights_only=True)
    for key, value in DAMAGE[kind].items():
        content[key] = content[key] | value if key == "hyper_parameters" else value
    torch.save(content, run / name)
    words = ["--trainer.max_epochs=2"] if command == "fit" else [f"--data.images={images}"]
    with pytest.raises(SystemExit) as end:
        main([command, f"--ckpt_path={run}", *words])
    assert end.value.code == 1
    assert f"{name} is not a checkpoint of a galaxy classifier, or is damaged (it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", HYPERPARAMETERS)
@pytest.mark.parametrize("command", ["predict", "test", "fit", "to-keras"])
def test_a_checkpoint_makes_no_network_requests(kind, command, run, images, no_network, tmp_path, capsys):
    change_checkpoint(run, **HYPERPARAMETERS[kind])
    with pytest.raises(SystemExit) as end:
        if command == "to-keras":
            baselines([command, "--ckpt-path", str(run), "--out", str(tmp_path / "model.keras")])
        else:
            main(
                [
                    command,
                    f"--ckpt_path={run}",
                    *([f"--data.images={images}"] if command == "predict" else []),
                ]
            )
    assert end.value.code == 1
    assert "is not a checkpoint of a galaxy classifier" in capsys.readouterr().err


def test_a_checkpoint_needs_no_published_weights(run, images, no_network, tmp_path):
    """This includes fine-tuned networks: the checkpoint holds all weights."""
    change_checkpoint(run, weights="hub")
    main(["predict", f"--ckpt_path={run}", f"--data.images={images}", f"--out={tmp_path / 'table.csv'}"])
    assert load_model(run / "best.ckpt").hparams["weights"] == "none"
    about = json.loads((run / "run.json").read_text())
    assert about["hyperparameters"]["network"] == "reference_cnn"
