import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.jobs.parts import Part, describe_part, without_part


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 7])
def test_each_fit_is_in_one_part(parts):
    selected = [Part(number, parts).select(range(5)) for number in range(1, parts + 1)]
    assert sorted(number for part in selected for number in part) == [0, 1, 2, 3, 4]
    for number, part in enumerate(selected):
        assert all(fit % parts == number for fit in part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "--part '2' is not of the form K/N, such as 2/5"),
        ("a/b", "is not of the form K/N"),
        ("-1/5", "is not of the form K/N"),
        ("/", "is not of the form K/N"),
        ("0/5", "--part 0/5: the part must be from 1 to 5; an array job numbers .* --array=1-5;"),
        ("3/1", "the part must be from 1 to 1.*write the number of parts instead of"),
        ("1/0", "the part must be from 1 to 1"),
    ],
)
def test_an_invalid_part_is_refused(text, message):
    with pytest.raises(GalaxyError, match=message):
        Part.parse(text)


def test_a_valid_part():
    assert Part.parse("2/5") == Part(2, 5)
    assert str(Part(2, 5)) == "2/5"


def test_the_line_at_the_end_of_a_part(tmp_path):
    jobs = [Job(f"fit {number}", (), tmp_path / str(number), tmp_path / "log") for number in range(3)]
    for number, job in enumerate(jobs):
        lines = describe_part(Part(1, 3), jobs, "python -m x")
        expected = f"{number} of 3 fits are complete, {3 - number} {'is' if number == 2 else 'are'} missing"
        assert lines == f"Part 1/3: {expected}; when all parts have ended, combine them: python -m x"
        job.folder.mkdir()
        (job.folder / "run.json").write_text("{}")
    assert describe_part(Part(1, 3), jobs, "c") == "Part 1/3: all 3 fits are complete; combine them: c"


def test_the_combining_command_has_no_part():
    words = ["--part", "1/2", "--folds=3", "--part=2/2", "--parts"]
    assert without_part(words) == ["--folds=3", "--parts"]
