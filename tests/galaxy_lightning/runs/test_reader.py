import json

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES
from galaxy_lightning.runs.reader import read_run


@pytest.fixture
def arrays(small_arrays):
    return open_arrays(small_arrays)


@pytest.fixture
def by_hand(arrays, tmp_path):
    """A run folder as another program would write it, with only the required content."""
    folder = tmp_path / "by_hand"
    folder.mkdir()
    table = arrays.catalog[["objid", "asset_id", "split", "label"]].iloc[arrays.rows("val", "test")].copy()
    draws = np.random.default_rng(0).dirichlet([1, 1, 1], len(table)).round(3)
    for place, name in enumerate(CLASSES):
        table[f"p_{name}"] = draws[:, place]
    table["predicted"] = np.array(CLASSES)[draws.argmax(axis=1)]
    table.sample(frac=1, random_state=1).to_csv(folder / "predictions.csv", index=False)
    columns = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
    (folder / "history.csv").write_text(f"{columns}\n0,1.1,0.4,1.0,0.5,12\n1,0.9,0.5,,,11\n")
    about = {"model": "galaxy oracle", "arrays": {"sha256": arrays.dataset["sha256"]}}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def change(path, edit):
    table = pd.read_csv(path, dtype={"objid": "int64", "asset_id": "str"})
    edited = edit(table)
    (table if edited is None else edited).to_csv(path, index=False)


def test_a_run_written_by_hand_is_read_in_the_order_of_the_arrays(arrays, by_hand):
    run = read_run(by_hand, arrays)
    test = arrays.catalog.iloc[arrays.rows("test")]
    table = pd.read_csv(by_hand / "predictions.csv", dtype={"asset_id": "str"}).set_index(
        ["objid", "asset_id"]
    )
    expected = table.loc[list(zip(test["objid"], test["asset_id"], strict=True))]
    np.testing.assert_array_equal(run.probabilities, expected[[f"p_{name}" for name in CLASSES]])
    assert [CLASSES[number] for number in run.predicted] == expected["predicted"].tolist()
    assert (run.model, run.number("parameters"), len(run.history)) == ("galaxy oracle", None, 2)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.iloc[1:], "1 galaxy is missing: objid"),
        (lambda t: t.iloc[5:], "5 galaxies are missing; the first: objid"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "1 galaxy is listed twice"),
        (
            lambda t: t.assign(objid=t["objid"].where(t.index != 3, 587722981742084097)),
            "not among the validation and test galaxies",
        ),
        (
            lambda t: t.assign(p_spiral=t["p_spiral"].where(t.index != 2)),
            "line 4, objid .* not a number",
        ),
        (lambda t: t.assign(p_spiral=t["p_spiral"].where(t.index != 2, np.inf)), "missing or not a number"),
        (lambda t: t.assign(p_spiral=t["p_spiral"] + 0.1), "do not sum to 1"),
        (lambda t: t.assign(p_spiral=-0.5, p_irregular=1.5, p_elliptical=0), "below 0"),
        (lambda t: t.assign(p_merger=0.0), "p_merger belongs to no class of the arrays"),
        (lambda t: t.assign(predicted="merger"), "column predicted: 'merger' is not one of elliptical"),
        (lambda t: t.assign(label="blob"), "column label: 'blob' is not one of"),
        (lambda t: t.assign(label="spiral"), "the label of objid .* is 'spiral', but"),
        (lambda t: t.assign(split="test"), "the split of objid .* is 'test', but"),
        (lambda t: t.drop(columns="p_irregular"), "lacks the column p_irregular"),
        (lambda t: t.assign(p_spiral="likely"), "column p_spiral: 'likely'"),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused_with_the_reason(arrays, by_hand, edit, message):
    change(by_hand / "predictions.csv", edit)
    with pytest.raises(GalaxyError, match=message):
        read_run(by_hand, arrays)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model": " "}, "must be the name of the model"),
        ({"arrays": None}, "must hold the 'sha256'"),
        ({"arrays": {"sha256": {"images.npy": "0" * 64}}}, "was not made on the galaxy arrays"),
        ({"parameters": "many"}, "'parameters' is 'many', not a number"),
        ({"seed": True}, "'seed' is 'True', not a number"),
        ({"seconds": -1}, "'seconds' is '-1', not a number from 0"),
        ({"parameters": 10**400}, "not a number from 0 to 1e"),
        ({"device": "\ud800"}, "lone surrogate"),
        ({"hyperparameters": [1]}, "does not hold named settings"),
        ({"training": "long"}, "does not hold named settings"),
    ],
)
def test_an_invalid_run_json_is_refused_with_the_reason(arrays, by_hand, entry, message):
    path = by_hand / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entry))
    with pytest.raises(GalaxyError, match=message):
        read_run(by_hand, arrays)


@pytest.mark.parametrize("name", ["run.json", "history.csv", "predictions.csv"])
def test_an_incomplete_run_is_refused(arrays, by_hand, name):
    (by_hand / name).unlink()
    with pytest.raises(GalaxyError, match=f"not a complete run; missing: {name}"):
        read_run(by_hand, arrays)


@pytest.mark.parametrize("epoch", ["0", ""])
def test_a_missing_or_repeated_epoch_is_refused(arrays, by_hand, epoch):
    with (by_hand / "history.csv").open("a") as file:
        file.write(f"{epoch},0.9,0.5,1,0.5,11\n")
    with pytest.raises(GalaxyError, match=r"history.csv, line 4: the epoch (is missing|occurs twice)"):
        read_run(by_hand, arrays)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2,1e300,0.5,1,0.5,11", "larger than"),
        ("2,0.9,50,1,0.5,11", "accuracy is not between 0 and 1"),
        ("inf,0.9,0.5,1,0.5,11", "epoch is missing or invalid"),
    ],
)
def test_invalid_numbers_are_refused(arrays, by_hand, row, message):
    with (by_hand / "history.csv").open("a") as file:
        file.write(f"{row}\n")
    with pytest.raises(GalaxyError, match=f"history.csv, line 4: .*{message}"):
        read_run(by_hand, arrays)


def test_numbers_beyond_float_are_invalid_json(arrays, by_hand):
    path = by_hand / "run.json"
    path.write_text(path.read_text().replace("{", '{"seed": 1e999, ', 1))
    with pytest.raises(GalaxyError, match="1e999 is too large"):
        read_run(by_hand, arrays)


def test_a_repeated_column_is_refused(arrays, by_hand):
    path = by_hand / "predictions.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},predicted", *(f"{line},spiral" for line in lines[1:])]))
    with pytest.raises(GalaxyError, match="column predicted more than once"):
        read_run(by_hand, arrays)


def test_a_model_name_is_reduced_to_one_line(arrays, by_hand):
    path = by_hand / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "two\n lines\x1b[31m" + "x" * 100}))
    assert read_run(by_hand, arrays).model == "two lines[31m" + "x" * 67


def test_a_history_that_is_cut_off_is_refused(arrays, by_hand):
    path = by_hand / "history.csv"
    path.write_bytes(path.read_bytes()[:-1])  # "11" may have been "112".
    with pytest.raises(GalaxyError, match="history.csv does not end: the file seems to be cut off"):
        read_run(by_hand, arrays)


def test_a_history_without_losses_is_refused(arrays, by_hand):
    (by_hand / "history.csv").write_text("epoch,loss\n0,1\n")
    with pytest.raises(GalaxyError, match="lacks the columns train_loss"):
        read_run(by_hand, arrays)
