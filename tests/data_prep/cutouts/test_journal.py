import pytest

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.journal import Journal


def reopened(path, **options):
    journal = Journal(path, **options)
    journal.close()
    return journal.failures


def test_failures_are_there_again(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.add(7, "blank")
    journal.add(3, 'line\nbreak "é"')
    assert reopened(path) == {7: "blank", 3: 'line\nbreak "é"'}  # Not closed, as after a kill.
    journal.close()
    assert reopened(path, forget=True) == {}
    assert reopened(path) == {}


def test_a_line_that_was_cut_off_is_removed(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.add(1, "one")
    journal.add(2, "two")
    journal.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        again = Journal(path)
        assert list(again.failures) == [1, 2][: (length >= first) + (length == len(whole))]
        again.add(9, "nine")
        again.close()
        assert list(reopened(path))[-1] == 9
        assert path.read_bytes().endswith(b"\n")


def test_a_journal_that_cannot_be_written(tmp_path):
    with pytest.raises(GalaxyError, match="cannot be"):
        Journal(tmp_path)
