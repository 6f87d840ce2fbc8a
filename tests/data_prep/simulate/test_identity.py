"""Object ids and random numbers: unique for each seed and index, and none of pre-training in a survey."""

import io

import numpy as np
import pytest
from PIL import Image

from data_prep.cli import main
from data_prep.simulate.identity import PRETRAINING_SEED, draw_numbered_galaxy, object_ids
from data_prep.simulate.sky import render_cutout


def test_object_ids_have_the_form_of_sdss_dr7() -> None:
    ids = object_ids(0, 5000)

    assert len(np.unique(ids)) == 5000
    assert ids.min() > 587_700_000_000_000_000
    assert ids.max() < 588_800_000_000_000_000
    # Most would change in a conversion to float.
    assert (ids.astype(float).astype(np.int64) != ids).mean() > 0.9


def test_object_ids_depend_only_on_seed_and_index() -> None:
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


def test_images_for_pretraining_are_in_no_survey() -> None:
    def picture(seed: int, index: int) -> np.ndarray:
        galaxy, generators = draw_numbered_galaxy(seed, index)
        return np.asarray(Image.open(io.BytesIO(render_cutout(galaxy, generators.image))))

    assert not (picture(PRETRAINING_SEED, 0) == picture(0, 0)).all()


def test_the_command_line_refuses_seeds_of_pretraining(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--out", str(tmp_path / "raw"), "--n", "1", f"--seed={PRETRAINING_SEED}"])

    assert end.value.code == 2
    assert "seed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
