"""Networks of the user, as in docs/own_network.md."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.main import main
from galaxy_lightning.networks import make_network
from galaxy_lightning.training.checkpoints import read_checkpoint

PAGE = (Path(__file__).parents[3] / "docs/own_network.md").read_text()
SHORT = ["--model.image_size=64", "--trainer.enable_progress_bar=false"]
NAME = "my_network.MyNetwork"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder that holds the network of the document."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_network", raising=False)
    (tmp_path / "my_network.py").write_text(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1])
    return tmp_path


def test_the_commands_of_the_document_work(here, small_arrays, capsys):
    commands = re.findall(r"^python -m galaxy_lightning (.*)$", PAGE, re.MULTILINE)
    for command in commands:
        words = shlex.split(
            command.replace("ARRAYS", str(small_arrays)).replace("max_epochs 30", "max_epochs 1")
        )
        main([*words, *SHORT])
    assert (here / f"runs/{NAME}/version_0/test/metrics.json").is_file()
    said = capsys.readouterr().out
    assert f"--model.network {NAME} --data.images" in said
    assert f"Training {NAME}" in said


def test_a_checkpoint_does_not_import_the_network_that_it_names(here, small_arrays, capsys):
    main(["fit", "--model.network", NAME, f"--data.arrays={small_arrays}", "--trainer.max_epochs=1", *SHORT])
    run = here / f"runs/{NAME}/version_0"
    (here / "my_network.py").write_text("raise SystemExit('imported')")
    __import__("sys").modules.pop("my_network")
    for words in (["test"], ["fit"]):
        with pytest.raises(SystemExit, match="1"):
            main([*words, "--ckpt_path", str(run)])
        assert f"if you trust it, add --model.network {NAME}" in capsys.readouterr().err
    assert read_checkpoint(run / "best.ckpt", [NAME]).hyperparameters["network"] == NAME


@pytest.mark.parametrize("bands", [1, 5])
def test_a_class_that_takes_bands_is_made_for_any_number_of_them(here, bands):
    with pytest.raises(
        GalaxyError, match=f"takes images of 3 bands only, but these have {bands}: add .* bands"
    ):
        make_network(NAME, 4, 64, bands=bands)
    file = here / "my_network.py"
    code = file.read_text().replace("image_size: int)", "image_size: int, bands: int = 3)")
    file.write_text(code.replace("Conv2d(3,", "Conv2d(bands,"))
    __import__("sys").modules.pop("my_network")
    network = make_network(NAME, 4, 64, bands=bands)
    images = torch.zeros(2, 64, 64, bands, dtype=torch.uint8)
    assert network(network.prepare(images)).shape == (2, 4)
    colour = make_network(NAME, 4, 64)
    assert colour(colour.prepare(torch.zeros(2, 64, 64, 3, dtype=torch.uint8))).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("my_other.MyNetwork", "", "there is no module my_other"),
        ("my_network.Other", "", "my_network has no class Other"),
        (
            "my_network.MyNetwork",
            "MyNetwork = 3",
            "must be a class derived from galaxy_lightning.networks.Network",
        ),
        ("my_network.MyNetwork", "import no_such_library", "there is no module no_such_library"),
        ("my_network.MyNetwork", "1 / 0", r"cannot be imported: ZeroDivisionError.*my_network.py, line 1\)"),
        ("my_network.MyNetwork", "def f(:", "cannot be imported: SyntaxError"),
        (
            "my_network.MyNetwork",
            "from galaxy_lightning.networks import Network\nclass MyNetwork(Network):\n"
            "    def __init__(self): super().__init__()",
            "cannot be made with 3 classes and images of 64 pixels: TypeError",
        ),
    ],
)
def test_an_invalid_class_path_is_refused_in_one_line(here, small_arrays, capsys, name, content, problem):
    (here / "my_network.py").write_text(content)
    with pytest.raises(SystemExit, match="1"):
        main(
            [
                "fit",
                "--model.network",
                name,
                f"--data.arrays={small_arrays}",
                "--trainer.max_epochs=1",
                *SHORT,
            ]
        )
    said = capsys.readouterr().err.strip()
    assert re.search(problem, said)
    assert len(said.splitlines()) == 1
    assert not (here / "runs").exists()
