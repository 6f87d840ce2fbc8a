"""The volunteers' votes: sums, flags, and class fractions."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from data_prep.schema import FLAG_COLUMNS, VOTE_COLUMNS
from data_prep.simulate.galaxies import SHAPE_SHARES
from data_prep.simulate.identity import draw_numbered_galaxy
from data_prep.simulate.votes import ANSWERS, answer_probabilities, debias, draw_votes


@pytest.fixture(scope="module")
def votes() -> pd.DataFrame:
    rows = []
    for index in range(3000):
        galaxy, generators = draw_numbered_galaxy(1, index)
        rows.append({"shape": galaxy.shape, "winding": galaxy.winding} | draw_votes(galaxy, generators.votes))
    table = pd.DataFrame(rows)
    spiral, elliptical = table.P_CS_DEBIASED >= 0.65, table.P_EL_DEBIASED >= 0.65
    table["label"] = np.where(spiral, "spiral", np.where(elliptical, "elliptical", "irregular"))
    return table


def test_columns_are_those_of_table_2(votes: pd.DataFrame) -> None:
    assert list(votes.columns[2:-1]) == [*VOTE_COLUMNS, *FLAG_COLUMNS]


def test_votes_add_up_to_one(votes: pd.DataFrame) -> None:
    assert np.allclose(votes[list(ANSWERS)].sum(axis=1), 1, atol=0.0031)
    assert np.allclose(votes.P_CS, votes.P_CW + votes.P_ACW + votes.P_EDGE, atol=0.0021)
    assert (votes.P_EL_DEBIASED + votes.P_CS_DEBIASED).max() <= 1.0011
    assert (votes.P_EL_DEBIASED <= votes.P_EL + 0.001).all()
    assert votes[list(VOTE_COLUMNS[1:])].min().min() >= 0


def test_the_debiased_votes_determine_one_flag(votes: pd.DataFrame) -> None:
    assert (votes[list(FLAG_COLUMNS)].sum(axis=1) == 1).all()
    assert ((votes.P_CS_DEBIASED > 0.8) == (votes.SPIRAL == 1)).all()
    assert ((votes.P_EL_DEBIASED > 0.8) == (votes.ELLIPTICAL == 1)).all()


def test_there_are_as_many_volunteers_as_in_galaxy_zoo(votes: pd.DataFrame) -> None:
    assert votes.NVOTE.median() == pytest.approx(33, abs=2)
    assert votes.NVOTE.min() >= 13
    assert votes.NVOTE.max() <= 82


def test_class_shares_match_galaxy_zoo(votes: pd.DataFrame) -> None:
    shares = votes.label.value_counts(normalize=True)

    # Galaxy Zoo 1: 0.29, 0.36, 0.35 at 0.65, and 0.14, 0.63, 0.23 at 0.8.
    assert shares["elliptical"] == pytest.approx(0.29, abs=0.04)
    assert shares["irregular"] == pytest.approx(0.36, abs=0.04)
    assert shares["spiral"] == pytest.approx(0.35, abs=0.04)
    assert votes.ELLIPTICAL.mean() == pytest.approx(0.14, abs=0.04)
    assert votes.SPIRAL.mean() == pytest.approx(0.23, abs=0.04)


def test_labels_follow_the_true_shapes(votes: pd.DataFrame) -> None:
    by_shape = pd.crosstab(votes["shape"], votes.label, normalize="index")

    assert by_shape.loc["elliptical"].idxmax() == "elliptical"
    assert by_shape.loc["spiral"].idxmax() == by_shape.loc["edge-on"].idxmax() == "spiral"
    assert by_shape.loc["irregular"].idxmax() == by_shape.loc["merger"].idxmax() == "irregular"


def test_volunteers_recognise_the_winding_direction(votes: pd.DataFrame) -> None:
    clockwise, anticlockwise = votes[votes.winding == 1], votes[votes.winding == -1]

    assert clockwise.P_CW.mean() > 4 * clockwise.P_ACW.mean()
    assert anticlockwise.P_ACW.mean() > 4 * anticlockwise.P_CW.mean()


def test_every_shape_has_probabilities() -> None:
    galaxy, _ = draw_numbered_galaxy(0, 0)
    for shape in SHAPE_SHARES:
        probabilities = answer_probabilities(dataclasses.replace(galaxy, shape=shape))
        assert probabilities.sum() == pytest.approx(1)
        assert probabilities.min() >= 0


@pytest.mark.parametrize(("elliptical", "spiral"), [(0.6, 0.3), (0.0, 0.9), (0.9, 0.0), (0.0, 0.0)])
def test_debiasing_conserves_the_number_of_votes(elliptical: float, spiral: float) -> None:
    corrected = debias(elliptical, spiral, 0.5)

    assert sum(corrected) == pytest.approx(elliptical + spiral)
    assert corrected[1] >= spiral
    if elliptical * spiral > 0:
        assert corrected[0] / corrected[1] == pytest.approx(elliptical / spiral / 10**0.5)
