"""The pages of the documentation site that are made from the code, and links from documents to code."""

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs/site"
sys.path.append(str(SITE))

from reference_pages.commands import commands_page, programs  # noqa: E402
from reference_pages.schemas import SCHEMAS, add_tables, read_schema  # noqa: E402
from reference_pages.sources import file_page, linked_files, page_of, redirect_links  # noqa: E402


@pytest.fixture(scope="module")
def pages():
    return {package: commands_page(package) for package in programs()}


def section(page, command):
    return page.split(f"\n## {command}\n")[1].split("\n## ")[0]


def test_every_command_has_a_section_with_its_options(pages):
    for package, (_, names) in programs().items():
        assert re.findall(r"^## (.*)$", pages[package], re.MULTILINE) == list(names)
    assert "`--model.learning_rate LEARNING_RATE`\n:   " in section(pages["galaxy_lightning"], "fit")
    assert "`--pixel-scale PIXEL_SCALE`\n:   " in section(pages["data_prep"], "preprocess")
    assert "`--momentum MOMENTUM`\n:   " in section(pages["baselines"], "fit scratch")


def test_only_the_options_of_the_help_are_shown(pages):
    fit = section(pages["galaxy_lightning"], "fit")
    assert re.findall(r"^\*\*(.*)\*\*$", fit, re.MULTILINE)[1:4] == [
        "Trainer (Lightning's other options work too)",
        "Model",
        "Data",
    ]
    assert "log_every_n_steps" not in fit
    assert "members" not in section(pages["galaxy_lightning"], "predict")


def test_examples_are_code_and_texts_are_escaped(pages):
    fit = section(pages["galaxy_lightning"], "fit")
    assert "```\npython -m galaxy_lightning fit --config galaxy_cnn --data.arrays ARRAYS\n```" in fit
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", "".join(pages.values()), flags=re.DOTALL)
    assert not re.search(r"<\w", outside)


def test_the_page_of_file_formats_has_all_schemas():
    text = (ROOT / "docs/file_formats.md").read_text(encoding="utf-8")
    page = add_tables(text)
    assert "<!--" not in page
    for path in SCHEMAS.iterdir():
        name = path.name.partition(".")[0]
        assert f"<!-- schema: {name} -->" in text
        assert f"(schemas/{path.name})" in text
        for entry in read_schema(name)["properties"]:
            assert f"`{entry}`" in page
    assert "`counts.<split>.<class>`" in page
    assert "**`skipped[].reason`**" in page
    assert "`p_<class>`" in page


def test_links_out_of_the_documents_lead_to_pages_that_show_the_files():
    text = "[a](../configs/labels), [b](../CHANGELOG.md#x), [c](usage.md), [d](../tests/x.py), ![e](../f.png)"
    assert redirect_links(text, "own_galaxies.md") == (
        "[a](files/configs/labels.md), [b](changelog.md#x), [c](usage.md), d, ![e](../f.png)"
    )
    assert (
        redirect_links("[a](../../configs/labels)", "tutorials/t.ipynb") == "[a](../files/configs/labels.md)"
    )
    assert redirect_links("[a](docs/usage.md#testing)", "changelog.md") == "[a](usage.md#testing)"
    assert page_of("LICENSE") is None


def test_files_and_folders_are_shown():
    paths = linked_files(ROOT / "docs")
    assert {"configs/labels", "configs/slurm/fit.sbatch", "CITATION.cff"} <= paths
    for path in paths:
        assert "````" in file_page(path), path
    assert "## gz1_flags.yaml" in file_page("configs/labels")


def test_the_navigation_names_every_document():
    config = yaml.safe_load((SITE / "mkdocs.yml").read_text(encoding="utf-8"))
    named = set(re.findall(r"'([\w/]+\.md)'", str(config["nav"])))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= named
