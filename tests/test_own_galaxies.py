"""Every command and every rule file of the page "Your own galaxies" works, on small generated data."""

import contextlib
import itertools
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from baselines.cli import main as baselines
from data_prep.arrays.format import open_arrays
from data_prep.cli import main as data_prep
from data_prep.samples.presets import preset_names
from data_prep.samples.rules import read_rules
from galaxy_lightning.cli.main import main as galaxy_lightning
from tests.in_process import trained_here

PAGE = Path(__file__).parents[1] / "docs/own_galaxies.md"
TEXT = PAGE.read_text(encoding="utf-8")
PROGRAMS = {"data_prep": data_prep, "galaxy_lightning": galaxy_lightning, "baselines": baselines}
SIDE = 226
"""Side of the images in pixels, just above the default crop of 224."""
CLASSES = ("merger", "ring", "spiral")
BANDS = ("u", "g", "r", "i", "z")


class Block(NamedTuple):
    """A block of code of the page: its kind (``yaml``, ``text`` or none), its first line, and its content."""

    kind: str
    line: int
    content: str

    @property
    def commands(self):
        """The words of each command line."""
        lines = self.content.replace("\\\n", " ").splitlines()
        return [shlex.split(line) for line in lines]


def read_blocks():
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [Block(match[1], TEXT.count("\n", 0, match.start()) + 2, match[2]) for match in found]


def draw_galaxy(generator, bands, side=SIDE):
    """Returns a random ellipse on a noisy sky, float32 ``[side, side, bands]``."""
    x, y = np.meshgrid(np.arange(side) - side / 2, np.arange(side) - side / 2)
    radius = np.hypot(x / generator.uniform(8, 30), y / generator.uniform(8, 30))
    light = np.exp(-radius)[..., None] * generator.uniform(20, 200, bands)
    return (light + generator.normal(10, 2, light.shape)).astype(np.float32)


def write_jpeg(path, generator, side=SIDE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_galaxy(generator, 3, side).clip(0, 255).astype(np.uint8)).save(path)


def write_fits(path, planes, scale=None):
    """Writes a FITS image, with celestial coordinates if its scale in arcsec per pixel is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = fits.Header()
    if scale is not None:
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CDELT1"], header["CDELT2"] = -scale / 3600, scale / 3600
    fits.writeto(path, planes, header)


def make_folders_of_classes(generator):
    for number in range(36):
        write_jpeg(Path(f"galaxies/{CLASSES[number % 3]}/{number}.jpg"), generator)
    Path("galaxies/notes.txt").write_text("not an image")


def make_catalogues(generator):
    """Two tables of 40 galaxies; one galaxy has no image, one no label, and one image no row."""
    names = [f"NGC {number}" for number in range(4000, 4040)]
    labels = [None if number == 7 else CLASSES[number % 3] for number in range(40)]
    catalogue = pd.DataFrame({"id": names, "morphology": labels})
    catalogue.to_csv("catalogue.csv", index=False)
    for name in [*(name for name in names if name != "NGC 4011"), "NGC 1"]:
        write_jpeg(Path(f"cutouts/{name}.jpg"), generator)
    survey = Table({"NAME": names, "FILE": [f"D:\\survey\\cutouts\\{name}.jpg" for name in names]})
    survey["ALPHA"] = [f"12:{number:02}:30.5" for number in range(40)]
    survey["DELTA"] = [f"-01:{number:02}:10" for number in range(40)]
    survey["MORPH"] = ["Sa", "Sb", "SBb", "E", "S0"] * 8
    survey["SAMPLE"] = ["training", "training", "training", "test"] * 10
    survey["MAG_R"] = np.linspace(14, 17.6, 40)
    survey["CONCENTRATION"] = generator.uniform(2, 4, 40)
    survey["FRAC_SPIRAL"] = generator.uniform(0, 1, 40)
    survey["FRAC_MERGER"] = 1 - survey["FRAC_SPIRAL"]
    survey["PEOPLE"] = generator.integers(20, 50, 40)
    survey.write("survey.fits")


def make_galaxy_zoo_2(generator):
    """A table with the votes that the rules for Galaxy Zoo 2 read; a third each is undecided."""
    table = pd.DataFrame({"dr7objid": 587722981742084097 + 1001 * np.arange(40)})
    for name in read_rules("gz2_three").columns:
        table[name] = 0.5
    smooth, featured, edge_on = (
        next(name for name in table if answer in name) for answer in ("a01_", "a02_", "a04_")
    )
    table["total_classifications"] = generator.integers(30, 60, 40)
    table.loc[:14, [smooth, featured]] = 0.9, 0.1
    table.loc[15:29, [smooth, featured, edge_on]] = 0.1, 0.9, 1.0
    table.loc[:, [name for name in table if "a03_" in name]] = 0.0
    table.to_csv("gz2_hart16.csv", index=False)
    mapping = pd.DataFrame({"objid": table["dr7objid"], "sample": "original", "asset_id": range(100, 140)})
    mapping.to_csv("gz2_filename_mapping.csv", index=False)
    for name in mapping["asset_id"]:
        write_jpeg(Path(f"images_gz2/images/{name}.jpg"), generator)


def make_fits_images(generator):
    """Cubes of three bands with a pixel scale and blank pixels, and five bands in a file each."""
    names = [f"G{number:02}" for number in range(36)]
    table = pd.DataFrame({"id": names, "label": [CLASSES[number % 3] for number in range(36)]})
    table.to_csv("labels.csv", index=False)
    for name in names:
        planes = np.moveaxis(draw_galaxy(generator, len(BANDS)), -1, 0)
        planes[:, 1:4, 1:4] = np.nan
        write_fits(Path(f"cubes/{name}.fits"), planes[3:0:-1], scale=0.4)
        for band, plane in zip(BANDS, planes, strict=True):
            write_fits(Path(f"bands/{band}/{name}.fits"), plane)


def make_new_images(generator):
    for number in range(5):
        cube = np.moveaxis(draw_galaxy(generator, 3, side=300), -1, 0)
        write_fits(Path(f"new_cubes/new{number}.fits"), cube, scale=0.3)
        write_jpeg(Path(f"new_cutouts/new{number}.jpg"), generator, side=300)


def run(words):
    """Runs a command in this process, which saves the time to import libraries, with few epochs and folds."""
    assert words[:2] == ["python", "-m"], words
    if words[3] in ("fit", "crossval") and words[2] == "galaxy_lightning":
        short = ["--trainer.max_epochs", "1", "--model.zooms", "1", "--trainer.enable_progress_bar", "false"]
        words = [*words, *short]
    with trained_here():
        PROGRAMS[words[2]](
            ["2" if before == "--folds" else word for before, word in itertools.pairwise(words[2:])]
        )


@pytest.mark.filterwarnings("ignore")  # Lightning warns of small data.
def test_every_command_of_the_page_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for make in (
        make_folders_of_classes,
        make_catalogues,
        make_galaxy_zoo_2,
        make_fits_images,
        make_new_images,
    ):
        make(generator)
    printed = ""
    for block in read_blocks():
        where = f"{PAGE.name}, line {block.line}"
        if block.kind == "yaml":
            name = re.match(r"# (\w+\.yaml)\n", block.content)
            assert name, f"{where}: the first line of a rule file is a comment with its name"
            Path(name[1]).write_text(block.content, encoding="utf-8")
        elif block.kind == "text":
            missing = [line for line in block.content.splitlines() if line not in printed]
            assert not missing, f"{where}: the command does not print these lines, but:\n{printed}"
        else:
            for words in block.commands:
                try:
                    run(words)
                except SystemExit as error:
                    message = "\n".join(capsys.readouterr())
                    pytest.fail(f"{where}: {shlex.join(words)}: status {error.code}\n{message}")
                printed = capsys.readouterr().out
    check_claims()


def check_claims():
    """Checks the results that the text of the page promises."""
    left_out = pd.read_csv("labelled_excluded.csv")
    assert left_out["reason"].value_counts().to_dict() == {
        "no label": 1,
        "no image": 1,
        "not in the table": 1,
    }
    survey = pd.read_csv("survey.csv").set_index("id")
    assert survey.loc["NGC 4001", "ra"] == pytest.approx(15 * (12 + 1 / 60 + 30.5 / 3600))
    assert survey["CONCENTRATION"].between(2, 4).all()
    for name, bands, stretch in (("cubes", ["i", "r", "g"], "lupton"), ("five", list(BANDS), "asinh")):
        arrays = open_arrays(Path(f"arrays_{name}"))
        assert (arrays.bands, arrays.dataset["images"]["stretch"]["name"]) == (bands, stretch)
        assert arrays.dataset["with_blank_pixels"] == len(arrays.images) == 36
    given = pd.read_csv("own_split.csv").set_index("objid")["split"]
    split = pd.read_csv("arrays_types/catalog.csv").set_index("objid")["split"]
    assert (split.replace("val", "train") == given[split.index]).all()
    for name in ("new", "new_cubes", "new_scaled"):
        predictions = pd.read_csv(f"{name}.csv")
        assert len(predictions) == 5
        assert {"p_merger", "p_ring", "p_spiral"} < set(predictions)


def test_the_options_in_the_text_exist(capsys):
    known = ""
    for program, commands in {
        "data_prep": ("label", "preprocess"),
        "galaxy_lightning": ("fit", "predict"),
    }.items():
        for command in commands:
            with contextlib.suppress(SystemExit):
                PROGRAMS[program]([command, "--help"])
            known += capsys.readouterr().out
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    missing = {option for option in re.findall(r"--[a-z][\w.-]*", prose) if option not in known}
    assert not missing


def test_the_page_lists_every_preset_with_its_classes():
    listed = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*?)(?:;[^|]*)? \|$", TEXT, re.MULTILINE))
    assert listed == {name: ", ".join(read_rules(name).classes) for name in preset_names()}
