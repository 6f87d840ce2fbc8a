import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.audit.results import AUDIT, CONTENTS, read_audit, scale_maps, write_audit
from tests.made_audits import make_results
from tests.many_classes import NAMES


@pytest.fixture(scope="module")
def results():
    return make_results()


@pytest.fixture
def written(results, tmp_path):
    """The folder of a run with an audit."""
    write_audit(results, tmp_path)
    return tmp_path


@pytest.mark.parametrize("classes", [("a", "b"), NAMES])
def test_an_audit_is_read_as_it_was_written(classes, tmp_path):
    written = make_results(classes)
    assert write_audit(written, tmp_path) == tmp_path / AUDIT
    assert {path.name for path in (tmp_path / AUDIT).iterdir()} == set(CONTENTS)
    read = read_audit(tmp_path, written.galaxies)
    assert read.summary == written.summary | {"format": 1}
    for name in ("galaxies", "recall", "nearest"):
        ours, theirs = getattr(read, name), getattr(written, name)
        pd.testing.assert_frame_equal(ours[list(theirs)], theirs, check_dtype=False)
    np.testing.assert_array_equal(read.maps, written.maps)
    np.testing.assert_array_equal(read.mapped, written.mapped)


def test_an_audit_of_one_galaxy_without_maps_and_curves_is_read_again(results, tmp_path):
    one = replace(
        results,
        summary=results.summary | {"galaxies": 1},
        galaxies=results.galaxies[:1],
        recall=results.recall[:0],
        nearest=results.nearest[:0],
        maps=results.maps[:0],
        mapped=results.mapped[:0],
    )
    write_audit(one, tmp_path)
    read = read_audit(tmp_path, results.galaxies)
    assert [len(each) for each in (read.galaxies, read.recall, read.nearest, read.maps)] == [1, 0, 0, 0]


def test_a_second_audit_replaces_the_first_but_no_file_of_the_user(results, written):
    write_audit(replace(results, summary=results.summary | {"model": "other"}), written)
    assert read_audit(written, results.galaxies).summary["model"] == "other"
    (written / AUDIT / "notes.txt").write_text("mine")
    with pytest.raises(GalaxyError, match="also holds notes.txt"):
        write_audit(results, written)
    assert read_audit(written, results.galaxies).summary["model"] == "other"


def test_a_run_without_an_audit_has_none(results, tmp_path):
    assert read_audit(tmp_path, results.galaxies) is None
    (tmp_path / AUDIT).mkdir()
    assert read_audit(tmp_path, results.galaxies) is None


def test_an_audit_of_other_galaxies_is_refused(results, written):
    others = results.galaxies.assign(objid=results.galaxies["objid"] + 1000)
    for keys in (others, results.galaxies[1:], results.galaxies[:0]):
        with pytest.raises(GalaxyError, match="is of other galaxies: run audit again"):
            read_audit(written, keys)
    assert read_audit(written, pd.concat([others, results.galaxies])) is not None


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_an_audit_of_another_format_is_refused(results, written, version):
    path = written / AUDIT / "audit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))
    with pytest.raises(GalaxyError, match="is of another version of this program: run audit again"):
        read_audit(written, results.galaxies)


@pytest.mark.parametrize("name", ["audit.json", "galaxies.csv", "recall.csv", "nearest.csv", "maps.npz"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"PK\3\4 and no more", b"\x93NUMPY\1\0", b"measure,class\na,b\n"]
)
def test_a_damaged_file_is_an_error(results, written, name, content):
    (written / AUDIT / name).write_bytes(content)
    with pytest.raises(GalaxyError):
        read_audit(written, results.galaxies)


@pytest.mark.parametrize("name", ["audit.json", "galaxies.csv", "maps.npz"])
def test_half_a_file_is_an_error(results, written, name):
    path = written / AUDIT / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(GalaxyError):
        read_audit(written, results.galaxies)


@pytest.mark.parametrize("name", ["galaxies.csv", "recall.csv", "nearest.csv", "maps.npz"])
def test_a_missing_file_is_an_error(results, written, name):
    (written / AUDIT / name).unlink()
    with pytest.raises(GalaxyError, match=r"is damaged .*: run audit again"):
        read_audit(written, results.galaxies)


def test_files_that_do_not_belong_together_are_refused(results, written):
    folder = written / AUDIT
    summary = json.loads((folder / "audit.json").read_text())
    contents = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    short = b"".join((folder / "galaxies.csv").read_bytes().splitlines(keepends=True)[:-1])
    maps = {
        "a map of no galaxy": {"maps": results.maps, "mapped": results.mapped + 60},
        "a map too few": {"maps": results.maps[1:], "mapped": results.mapped},
        "no sides": {"maps": results.maps.ravel(), "mapped": np.arange(1)},
        "a key is missing": {"maps": results.maps},
    }
    for change in ("a section is missing", "a galaxy is missing", *maps):
        for path, content in contents.items():
            path.write_bytes(content)
        if change in maps:
            np.savez(folder / "maps.npz", **maps[change])
        elif change == "a galaxy is missing":
            (folder / "galaxies.csv").write_bytes(short)
        else:
            rest = {name: value for name, value in summary.items() if name != "colour"}
            (folder / "audit.json").write_text(json.dumps(rest))
        with pytest.raises(GalaxyError, match="is damaged"):
            read_audit(written, results.galaxies)


def test_maps_are_averaged_and_scaled_to_127():
    maps = np.zeros((3, 8, 8), dtype=np.float32)
    maps[0, :2, :2] = [[1, 3], [2, 2]]
    maps[0, 4:6, 4:6] = -1
    maps[1, 7, 7] = -1e-6
    found = scale_maps(maps, 4)
    assert found.dtype == np.int8
    expected = np.zeros((3, 4, 4))
    expected[0, 0, 0], expected[0, 2, 2], expected[1, 3, 3] = 127, np.rint(-127 / 2), -127
    np.testing.assert_array_equal(found, expected)
    assert scale_maps(maps[:0], 4).shape == (0, 4, 4)
    assert scale_maps(maps[:, :2, :2], 4).shape == (3, 4, 4)
