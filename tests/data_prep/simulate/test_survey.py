"""The files of a simulated survey: layout, determinism, refusals, and colours unrelated to the class."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.schema import (
    CUTOUT_PX,
    IMAGES_FOLDER,
    MAPPING_COLUMNS,
    MAPPING_FILE,
    TABLE2_COLUMNS,
    TABLE2_FILE,
)
from data_prep.simulate import simulate_survey
from data_prep.simulate.identity import draw_numbered_galaxy
from data_prep.simulate.sky import render_cutout
from data_prep.simulate.votes import draw_votes


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "survey"
    simulate_survey(out, 20, seed=3, workers=1, progress=False)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_do_not_depend_on_the_number_of_workers(survey: Path, tmp_path: Path) -> None:
    simulate_survey(tmp_path / "again", 20, seed=3, workers=2, progress=False)

    assert files(tmp_path / "again") == files(survey)


def test_another_seed_gives_other_galaxies(survey: Path, tmp_path: Path) -> None:
    simulate_survey(tmp_path / "other", 1, seed=4, progress=False)

    picture = f"{IMAGES_FOLDER}/1.jpg"
    assert (tmp_path / "other" / picture).read_bytes() != (survey / picture).read_bytes()


def test_a_galaxy_depends_only_on_seed_and_index(survey: Path, tmp_path: Path) -> None:
    simulate_survey(tmp_path / "fewer", 2, seed=3, progress=False)

    picture = f"{IMAGES_FOLDER}/2.jpg"
    assert (tmp_path / "fewer" / picture).read_bytes() == (survey / picture).read_bytes()
    few, many = (pd.read_csv(folder / MAPPING_FILE) for folder in (tmp_path / "fewer", survey))
    pd.testing.assert_frame_equal(few, many[:2])
    few, many = (pd.read_csv(folder / TABLE2_FILE) for folder in (tmp_path / "fewer", survey))
    pd.testing.assert_frame_equal(few, many[many.OBJID.isin(few.OBJID)].reset_index(drop=True))


def test_images_are_colour_jpegs_of_the_cutout_size(survey: Path) -> None:
    pictures = sorted((survey / IMAGES_FOLDER).iterdir(), key=lambda path: int(path.stem))

    assert [path.name for path in pictures] == [f"{asset}.jpg" for asset in range(1, 21)]
    for path in pictures:
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (CUTOUT_PX, CUTOUT_PX))


def test_tables_have_the_real_columns_and_types(survey: Path) -> None:
    mapping = pd.read_csv(survey / MAPPING_FILE)
    table = pd.read_csv(survey / TABLE2_FILE)

    assert tuple(mapping.columns) == MAPPING_COLUMNS
    assert tuple(table.columns) == TABLE2_COLUMNS
    assert mapping.objid.dtype == table.OBJID.dtype == np.int64
    assert set(mapping["sample"]) == {"original"}
    assert sorted(mapping.asset_id) == list(range(1, 21))
    assert set(mapping.objid) < set(table.OBJID)
    assert table.OBJID.is_unique
    assert not table.isna().any().any()
    assert table.RA.str.fullmatch(r"[0-2]\d:[0-5]\d:[0-5]\d\.\d\d").all()
    assert table.DEC.str.fullmatch(r"[+-]\d\d:[0-5]\d:[0-5]\d\.\d").all()
    assert table.RA.is_monotonic_increasing


def test_truth_and_settings_are_saved(survey: Path) -> None:
    truth = pd.read_csv(survey / "truth.csv")
    settings = read_json(survey / "simulation.json")

    assert len(truth) == settings["n"] == 20
    assert settings["seed"] == 3
    found = truth["shape"].value_counts().to_dict()
    assert {shape: count for shape, count in settings["shapes"].items() if count} == found


@pytest.mark.parametrize(
    ("n", "seed", "workers", "message"),
    [(0, 0, None, "n is 0"), (1, 2**32, None, "seed is 4294967296"), (1, 0, 0, "workers is 0")],
)
def test_arguments_out_of_range_are_refused(
    tmp_path: Path, n: int, seed: int, workers: int | None, message: str
) -> None:
    with pytest.raises(GalaxyError, match=message):
        simulate_survey(tmp_path / "survey", n, seed, workers=workers, progress=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_survey_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    simulate_survey(tmp_path / "survey", 1, progress=False)
    with pytest.raises(GalaxyError, match="--overwrite"):
        simulate_survey(tmp_path / "survey", 2, progress=False)
    simulate_survey(tmp_path / "survey", 2, overwrite=True, progress=False)

    assert len(pd.read_csv(tmp_path / "survey" / MAPPING_FILE)) == 2


def test_a_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GalaxyError, match="cannot be written"):
        simulate_survey(tmp_path / "file" / "survey", 1, progress=False)


def test_colour_does_not_give_the_class_away() -> None:
    centre, frame, labels = [], [], []
    for index in range(200):
        galaxy, generators = draw_numbered_galaxy(0, index)
        row = draw_votes(galaxy, generators.votes)
        pixels = np.asarray(Image.open(io.BytesIO(render_cutout(galaxy, generators.image)))).astype(float)
        middle = CUTOUT_PX // 2
        centre.append(pixels[middle - 20 : middle + 20, middle - 20 : middle + 20].mean(axis=(0, 1)))
        frame.append(pixels[100:-100, 100:-100].mean(axis=(0, 1)))
        elliptical = row["P_EL_DEBIASED"] >= 0.65
        labels.append(
            "spiral" if row["P_CS_DEBIASED"] >= 0.65 else "elliptical" if elliptical else "irregular"
        )

    majority = pd.Series(labels).value_counts(normalize=True).iloc[0]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    for colours in (centre, frame):
        # 8 percentage points, and two standard errors of 200 galaxies.
        assert cross_val_score(model, colours, labels, cv=5).mean() < majority + 0.08 + 0.07
