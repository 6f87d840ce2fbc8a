"""The ids of cutouts in the commands that read the folder."""

import pandas as pd

from data_prep.cli import main
from tests.data_prep.cutouts.runs import read

IDS = ["NGC 1/a", "abc", "ABC", "x" * 400, "a%2fb", "a/b", "plain"]


def test_label_finds_cutouts_by_their_ids(server, words, tmp_path):
    server.mood = lambda key, attempt: "blank" if key == "a%2fb" else "ok"
    main(words(id=IDS))
    table = tmp_path / "labels.csv"
    pd.DataFrame({"id": IDS[::-1], "class": ["ring", "bar"] * 3 + ["ring"]}).to_csv(table, index=False)
    out = tmp_path / "sample.csv"
    main(["label", "--table", str(table), "--images", str(tmp_path / "out"), "--out", str(out)])
    sample = pd.read_csv(out)
    saved = read(tmp_path / "out")[0].set_index("id")
    assert set(sample["id"]) == set(IDS) - {"a%2fb"}
    assert sample["path"].tolist() == saved.loc[sample["id"], "path"].tolist()


def test_label_names_galaxies_by_the_ids_of_their_cutouts(server, words, tmp_path):
    main(words(id=IDS))
    saved, _ = read(tmp_path / "out")
    table = tmp_path / "labels.csv"
    pd.DataFrame({"path": saved["path"], "class": ["ring", "bar"] * 3 + ["ring"]}).to_csv(table, index=False)
    out = tmp_path / "sample.csv"
    main(["label", "--table", str(table), "--images", str(tmp_path / "out"), "--out", str(out)])
    assert set(pd.read_csv(out)["id"]) == set(IDS)
