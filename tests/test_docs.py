"""The links, paths and tests in the documents exist."""

import doctest
import os
import re
from pathlib import Path

import pytest

import data_prep

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(data_prep.__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def anchors(text):
    """Returns the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_resolve(document):
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text):
        target, _, anchor = "".join(link).partition("#")
        if re.match(r"https?:", target):
            continue
        path = document.parent / target if target else document
        if "GALAXY_WHEEL" in os.environ and not path.exists():  # The packages are not beside the tests.
            path = INSTALLED / path.resolve().relative_to(ROOT)
        assert path.exists(), link
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), link


def test_the_tests_named_in_the_documents_exist():
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    files = set(re.findall(r"tests/[\w/]+\.py", text))
    tests = "".join((ROOT / name).read_text(encoding="utf-8") for name in files)
    missing = {name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests}
    assert not missing


def test_the_examples_in_python_work(raw, small_arrays, tmp_path, monkeypatch):
    (tmp_path / "FOLDER").symlink_to(raw / "images_gz2/images")
    (tmp_path / "ARRAYS").symlink_to(small_arrays)
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / "docs/python.md"), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 15
