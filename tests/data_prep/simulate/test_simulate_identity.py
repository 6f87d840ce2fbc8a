"""Object ids and random numbers: of each seed and index its own, and none of pre-training's in a survey."""

import io

import numpy as np
import pytest
from PIL import Image

from data_prep.cli import main
from data_prep.simulate.identity import PRETRAINING_SEED, draw_numbered_galaxy, object_ids
from data_prep.simulate.sky import render_cutout


def test_object_ids_are_those_of_sdss_dr7() -> None:
    ids = object_ids(0, 5000)

    assert len(np.unique(ids)) == 5000
    assert ids.min() > 587_700_000_000_000_000
    assert ids.max() < 588_800_000_000_000_000
    # Most would change if they passed through a float.
    assert (ids.astype(float).astype(np.int64) != ids).mean() > 0.9


def test_object_ids_depend_on_seed_and_index_alone() -> None:
    assert (object_ids(7, 10) == object_ids(7, 1000)[:10]).all()
    seeds = [*range(-3, 20), 2**32 - 1]
    ids = np.concatenate([object_ids(seed, 500) for seed in seeds])
    assert len(np.unique(ids)) == 500 * len(seeds)


def test_galaxies_of_different_seeds_differ() -> None:
    places = [(seed, index) for seed in (-2, -1, 0, 1, 2) for index in range(5)]
    drawn = {place: draw_numbered_galaxy(*place) for place in places}

    assert len({galaxy for galaxy, _ in drawn.values()}) == len(places)
    for source in ("votes", "image", "position"):
        assert len({getattr(generators, source).random() for _, generators in drawn.values()}) == len(places)


def test_pretraining_has_pictures_that_no_survey_has() -> None:
    def picture(seed: int, index: int) -> np.ndarray:
        galaxy, generators = draw_numbered_galaxy(seed, index)
        return np.asarray(Image.open(io.BytesIO(render_cutout(galaxy, generators.image))))

    assert not (picture(PRETRAINING_SEED, 0) == picture(0, 0)).all()


def test_the_command_line_takes_no_seed_of_pretraining(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--out", str(tmp_path / "raw"), "--n", "1", f"--seed={PRETRAINING_SEED}"])

    assert end.value.code == 2
    assert "seed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
