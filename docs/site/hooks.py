"""Makes pages from the code, and redirects links, when mkdocs builds the documentation site."""

import json
import logging
import os
import posixpath
import re
from pathlib import Path
from typing import Final

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from reference_pages.commands import commands_page, programs
from reference_pages.schemas import add_tables
from reference_pages.sources import DOCUMENTS, FILES, document_page, file_page, linked_files, redirect_links

_LOG: Final = logging.getLogger("mkdocs.hooks.galaxy_lightning")  # mkdocs counts its warnings.
_NAME_CELL: Final = re.compile(r"<tr>\s*<td>(?:<strong>)?<code>[^<]+</code>")
_INLINE_CODE: Final = re.compile(r"<code>[^<]*</code>")
_OPTION: Final = re.compile(r"(?<![\w-])--?[\w.-]*\w")
_LOADING: Final = re.compile(r"<script\b(?:(?!</script>).)*https://(?:(?!</script>).)*</script>", re.DOTALL)
"""A script that names an address."""
_EXECUTED: Final = Path(__file__).parents[2] / "build"
"""Where "make notebooks" leaves the executed notebooks."""
_ASSETS: Final = ("iframe-worker.js", "site.css")
_anchors: list[tuple[str, File, str]] = []
"""The links of notebooks to anchors: the notebook, the file and the anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from the code, and takes the executed copies of the tutorials."""
    for file in files:
        executed = _EXECUTED / file.src_uri
        if file.src_uri.endswith(".ipynb") and executed.is_file():
            if _cells(executed) == _cells(Path(file.abs_src_path or "")):
                file.abs_src_path = str(executed)
            else:
                _LOG.info('%s has changed since "make notebooks": it is shown without figures', file.src_uri)
    pages = {f"commands/{package}.md": commands_page(package) for package in programs()}
    pages |= {page: document_page(name) for name, page in DOCUMENTS.items() if page != "index.md"}
    pages |= {f"{FILES}/{path}.md": file_page(path) for path in linked_files(Path(config.docs_dir))}
    for name in _ASSETS:
        pages[name] = Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def _cells(notebook: Path) -> list[str]:
    """Returns the sources of the cells of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Adds the tables of file formats, and redirects links that lead out of the folder of the documents."""
    name = page.file.src_uri
    return markdown if name.startswith(f"{FILES}/") else redirect_links(add_tables(markdown), name)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Says where long names in tables and options in the text may break, and adapts notebooks.

    Their links lead to pages, and their scripts that load others from the network are removed.
    """
    name = page.file.src_uri
    html = _NAME_CELL.sub(lambda cell: re.sub(r"(?<=[\w\];][._/])(?=[\w&])", "<wbr>", cell.group()), html)
    html = _INLINE_CODE.sub(
        lambda code: _OPTION.sub(r'<span class="option">\g<0></span>', code.group()), html
    )
    if not name.endswith(".ipynb"):
        return html

    def redirect(link: re.Match[str]) -> str:
        target, anchor = link.groups()
        if re.match(r"[a-z]+:|$", target):
            return link.group()
        moved = re.match(r"\[\]\((.*)\)", redirect_links(f"[]({target})", name))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), moved[1] if moved else target))
        found = files.get_file_from_path(path)
        if found is None:
            _LOG.warning("%s links to %s, which is not on the site", name, target)
            return link.group()
        if anchor:
            _anchors.append((name, found, anchor))
        start = posixpath.dirname(page.file.dest_uri)
        return f'href="{posixpath.relpath(found.dest_uri, start)}{anchor or ""}"'

    html = _LOADING.sub("", html)
    return re.sub(r'href="([^"#]*)(#[^"]*)?"', redirect, html)


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> None:
    """Warns of links of notebooks to missing anchors; mkdocs checks those of other documents."""
    for name, target, anchor in _anchors:
        if target.page is not None and anchor[1:] not in (target.page.present_anchor_ids or ()):
            _LOG.warning("%s links to %s%s, but there is no such anchor", name, target.src_uri, anchor)
    _anchors.clear()


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Names the search for screen readers, which the theme does not."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_startup(command: str, dirty: bool) -> None:
    """Keeps the libraries that the commands import quiet, and away from GPUs."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
