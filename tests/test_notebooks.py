"""The tutorial notebooks are stored without outputs, and run from the first cell to the last."""

import ast
import os
import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.test_docs import ROOT, anchors

NOTEBOOKS = sorted((ROOT / "docs/tutorials").glob("*.ipynb"))
EXECUTED = ROOT / "build/tutorials"
"""The folder of the executed notebooks, to look at."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_there_are_three_tutorials():
    assert [path.stem for path in NOTEBOOKS] == ["cnn_from_scratch", "course_assignment", "own_catalogue"]


@each_notebook
def test_notebooks_are_valid_and_have_no_outputs(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@each_notebook
def test_the_first_cell_says_what_to_install(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "What to install" in first.source
    assert "pip install galaxy-lightning" in first.source


@each_notebook
def test_the_code_is_plain_python_without_absolute_paths(path):
    """Shell commands and magics of IPython would not run in every kernel."""
    for source in cells(path, "code"):
        tree = ast.parse(source)
        # The parts of f-strings after the first follow a value.
        later = [
            part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values[1:]
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                start = r"\s['\"]?" if node in later else r"(?:^|\s)['\"]?"
                assert not re.search(start + r"(/\w|~|[A-Za-z]:[\\/])", node.value), node.value


@each_notebook
def test_what_the_notebooks_write_is_below_their_own_folder(path):
    text = "\n".join(cells(path, "code"))
    (folder,) = set(re.findall(r'^WORK = Path\("(tutorial/\w+)"\)$', text, re.MULTILINE))
    for written in re.findall(r"tutorial/\S+", text):
        assert written.startswith(folder), written
    outputs = re.findall(r"--(?:out|final|page|figure) (\S+)", text)
    assert outputs
    for output in outputs:
        assert output.startswith((folder, "{raw}")), output
    assert f"folder `{folder}`" in "\n".join(cells(path, "markdown"))


@each_notebook
def test_every_figure_is_explained(path):
    notebook = nbformat.read(path, as_version=4)
    numbers = []
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if "plt.show()" in cell.source or "display(Image(" in cell.source:
            assert following is not None
            caption = re.match(r"\*Figure (\d+)\. .{60}", following.source)
            assert caption, cell.source
            numbers.append(int(caption[1]))
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(map(int, re.findall(r"Figures? (\d+)", "\n".join(cells(path, "markdown"))))) <= set(numbers)


@each_notebook
def test_links_of_notebooks_resolve(path):
    text = "\n".join(cells(path, "markdown"))
    for link in re.findall(r"\]\(([^)]+)\)", text):
        target, _, anchor = link.partition("#")
        if re.match(r"https?:", target):
            continue
        assert not target or (path.parent / target).exists(), link
        headings = anchors((path.parent / target).read_text(encoding="utf-8") if target else text)
        assert not anchor or anchor.lower() in headings, link


@pytest.mark.skipif(
    os.environ.get("GALAXY_NOTEBOOKS") != "1", reason="takes minutes: GALAXY_NOTEBOOKS=1 runs it"
)
@each_notebook
def test_notebooks_run_from_the_first_cell_to_the_last(path, tmp_path, monkeypatch):
    """With the backend of notebooks, not with that of the tests, whose figures would not be shown."""
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    start = time.monotonic()
    try:
        client.execute()
    finally:
        EXECUTED.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, EXECUTED / path.name)
    seconds = time.monotonic() - start
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs if output.output_type == "stream"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert not [text for text in texts if re.search(r"[Ww]arning|\r|it/s", text)]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    shown = sum("plt.show()" in cell.source for cell in notebook.cells)
    assert len(figures) >= shown
    assert [entry.name for entry in Path(tmp_path).iterdir()] == ["tutorial"]
    assert seconds < 600, f"{seconds:.0f} s: a tutorial takes at most five minutes on two idle cores"
