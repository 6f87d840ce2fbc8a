import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.auxiliary_targets import standardise_columns
from galaxy_lightning.training.losses import squared_error


@pytest.fixture
def measured(small_arrays, tmp_path):
    """Arrays whose catalogue has a magnitude with missing values, and columns that cannot be targets."""
    folder = shutil.copytree(small_arrays, tmp_path / "measured")
    catalog = pd.read_csv(folder / "catalog.csv", dtype={"objid": "int64", "asset_id": "str"})
    magnitude = np.random.default_rng(0).normal(17, 1, len(catalog))
    magnitude[::7] = np.nan
    catalog.assign(mag_r=magnitude, same=1.0, none=np.nan, note="x").to_csv(
        folder / "catalog.csv", index=False
    )
    return open_arrays(folder)


def test_columns_are_standardised_and_missing_values_stay_missing(measured):
    rows = np.arange(30)
    found = standardise_columns(measured, rows, ["mag_r", "P_EL_DEBIASED"])
    expected = StandardScaler().fit_transform(measured.catalog[["mag_r", "P_EL_DEBIASED"]].iloc[rows])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.isnan(found[::7, 0]).all()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("redshift", "missing columns: redshift"),
        ("note", "must be numeric"),
        ("same", "same of model.auxiliary must have at least two values"),
        ("none", "none of model.auxiliary must have at least two values"),
    ],
)
def test_a_column_that_cannot_be_a_target_is_refused(measured, column, message):
    with pytest.raises(GalaxyError, match=message):
        standardise_columns(measured, np.arange(30), [column])


def test_the_error_ignores_missing_values():
    truth = torch.tensor([[1.0, torch.nan], [3.0, 0.0]])
    estimates = torch.tensor([[0.0, 5.0], [3.0, 2.0]], requires_grad=True)
    error = squared_error(estimates, truth)
    assert error.item() == pytest.approx((1 + 0 + 4) / 3)
    error.backward()
    assert estimates.grad[0, 1] == 0
    assert squared_error(estimates, torch.full((2, 2), torch.nan)) == 0
