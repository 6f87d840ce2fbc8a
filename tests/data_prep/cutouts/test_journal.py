import pytest

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.journal import Journal


def reopened(path, **options):
    journal = Journal(path, 10, **options)
    journal.close()
    return journal


def test_failures_are_there_again(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path, 10)
    journal.add(7, "blank", is_permanent=True)
    journal.add(3, 'line\nbreak "é"', is_permanent=False)
    for number, (first, second) in enumerate([(True, False), (False, True)]):
        journal.add(number, "first", is_permanent=first)
        journal.add(number, "second", is_permanent=second)
    again = reopened(path)  # Not closed, as after a kill.
    assert again.permanent == {7: "blank", 1: "second"} == journal.permanent
    assert again.temporary == {3: 'line\nbreak "é"', 0: "second"} == journal.temporary
    journal.close()
    forgotten = reopened(path, forget=True)
    assert forgotten.permanent == forgotten.temporary == reopened(path).permanent == {}


def test_a_line_that_was_cut_off_is_removed(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path, 10)
    journal.add(1, "one", is_permanent=True)
    journal.add(2, "two", is_permanent=True)
    journal.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        again = Journal(path, 10)
        assert list(again.permanent) == [1, 2][: (length >= first) + (length == len(whole))]
        again.add(9, "nine", is_permanent=True)
        again.close()
        assert list(reopened(path).permanent)[-1] == 9
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b'[10, "x", true]', b'[true, "x", true]', b'[-1, "x", true]', b'[1.0, "x", true]',
        b'["1", "x", true]',
        b'[' + b"9" * 30 + b', "x", true]', b'[' + b"9" * 5000 + b', "x", true]', b'[1, "\\ud800", true]',
        b'[1, "x"]', b'[1, "x", 1]', b'[1, null, true]', b"7", b"{}", b"", b"\xff", b"[" * 5000,
    ],
)  # fmt: skip
def test_a_damaged_line_is_ignored(tmp_path, line):
    path = tmp_path / "journal"
    path.write_bytes(b'[2, "x", true]\n' + line + b'\n[3, "y", false]\n')
    journal = reopened(path)
    assert (journal.permanent, journal.temporary) == ({2: "x"}, {3: "y"})


def test_an_endless_line_is_removed_with_all_after_it(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b'[2, "x", true]\n' + b"[" * 100_000 + b'\n[3, "y", false]\n')
    assert reopened(path).temporary == {}
    assert path.read_bytes() == b'[2, "x", true]\n'


def test_a_journal_that_cannot_be_written(tmp_path):
    with pytest.raises(GalaxyError, match="cannot be"):
        Journal(tmp_path, 10)
