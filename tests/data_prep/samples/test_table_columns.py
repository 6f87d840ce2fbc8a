import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.rules import read_rules
from data_prep.samples.table_columns import NamedColumns, choose_columns, refuse_other_catalogue
from data_prep.tables.catalogues import open_catalogue
from tests.own_galaxies import write_table


def choose(folder, names, rules=None, **named):
    catalogue = open_catalogue(write_table(folder / "t.csv", **{name: [1] for name in names}))
    chosen, guessed, lines = choose_columns(catalogue, NamedColumns(**named), rules and read_rules(rules))
    return {role: name for role, name in vars(chosen).items() if name}, guessed, lines


def test_columns_are_guessed_by_their_usual_names(tmp_path):
    chosen, guessed, lines = choose(tmp_path, ["GalaxyID", "Class", "RA", "Dec", "Split", "mag"])
    assert chosen == {"id": "GalaxyID", "label": "Class", "ra": "RA", "dec": "Dec", "split": "Split"}
    assert guessed == set(chosen)
    assert "id column: GalaxyID (guessed; --id-column names another)" in lines


def test_named_columns_are_found_in_any_case_and_not_guessed_again(tmp_path):
    chosen, guessed, lines = choose(tmp_path, ["objid", "name", "type"], id="NAME", label="type")
    assert chosen == {"id": "name", "label": "type"}
    assert (guessed, lines) == (set(), [])


def test_a_column_has_one_role(tmp_path):
    assert choose(tmp_path, ["objid", "type", "class"], id="class")[0] == {"id": "class", "label": "type"}
    with pytest.raises(GalaxyError, match="--label-column and --path-column name the same column, x"):
        choose(tmp_path, ["x", "id"], label="x", path="x")


def test_the_names_of_images_may_be_the_ids(tmp_path):
    assert choose(tmp_path, ["file", "kind"], id="file", path="file", label="kind")[0]["path"] == "file"


def test_ambiguous_ids_are_refused_also_with_a_path(tmp_path):
    with pytest.raises(GalaxyError, match="id column: id or objid\\?|id column: objid or id\\?"):
        choose(tmp_path, ["id", "objid", "label", "path"])


def test_an_ambiguous_split_is_said_and_not_used(tmp_path):
    chosen, _, lines = choose(tmp_path, ["objid", "label", "split", "partition"])
    assert "split" not in chosen
    assert any(line.startswith("split column: ") and "--split-column" in line for line in lines)


def test_rules_know_the_usual_id_of_their_catalogue(tmp_path):
    names = ["objid", "DR7OBJID", "label", *read_rules("gz2_three").columns]
    chosen, guessed, _ = choose(tmp_path, names, rules="gz2_three")
    assert chosen == {"id": "DR7OBJID"}
    assert guessed == {"id"}


def test_a_table_without_labels_names_the_presets_that_fit(tmp_path):
    names = ["objid", *read_rules("gz2_three").columns]
    with pytest.raises(
        GalaxyError, match=r"label by votes with --rules .*gz2_three \(fits its columns\); its co"
    ):
        choose(tmp_path, names)


def test_a_table_without_the_columns_of_the_rules_is_refused(tmp_path):
    columns = {name: [1] for name in ("objid", *read_rules("gz2_three").columns)}
    catalogue = open_catalogue(write_table(tmp_path / "t.csv", **columns))
    refuse_other_catalogue(catalogue, read_rules("gz2_three"))
    with pytest.raises(
        GalaxyError, match=r"t\.csv: the table lacks columns that .*decals_three.*--rules .*gz2_three"
    ):
        refuse_other_catalogue(catalogue, read_rules("decals_three"))


def test_a_long_list_of_columns_is_shortened(tmp_path):
    with pytest.raises(GalaxyError, match=r"a0, a1, .* \.\.\.$") as caught:
        choose(tmp_path, [f"a{number}" for number in range(500)])
    assert len(str(caught.value)) < 700
