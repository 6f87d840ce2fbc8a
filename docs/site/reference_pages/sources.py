"""Shows files outside the folder of the documents on the site, and redirects links to them.

The documents are also read on a code host, where such links lead to the files themselves.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parents[3]
DOCUMENTS: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""The pages of the documents at the root of the repository."""
FILES: Final = "files"
"""The folder of the pages that show files."""
_LANGUAGES: Final = {".py": "python", ".yaml": "yaml", ".sbatch": "bash", ".toml": "toml"}
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def redirect_links(markdown: str, page: str) -> str:
    """Redirects the links of a document that lead out of the folder of the documents.

    Links to a document lead to its page, those to a file or folder to the page that shows it. Links to tests
    become text.

    Args:
        markdown: The document.
        page: Its page, relative to the folder of the documents; those of ``DOCUMENTS`` lie outside it.
    """

    def redirect(link: re.Match[str]) -> str:
        image, text, target, anchor = link.groups()
        if image or re.match(r"[a-z]+:", target):
            return link.group()
        path = _repository_path(target, page)
        if path is None:
            return link.group()
        shown = page_of(path)
        return text if shown is None else f"[{text}]({_relative(shown, page)}{anchor or ''})"

    return _LINK.sub(redirect, markdown)


def page_of(path: str) -> str | None:
    """Returns the page of a path of the repository; None if it has none.

    Args:
        path: The path, relative to the root of the repository.
    """
    if path in DOCUMENTS:
        return DOCUMENTS[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return None if path.startswith("tests") or ("." not in path and "/" not in path) else f"{FILES}/{path}.md"


def linked_files(documents: Path) -> set[str]:
    """Returns the paths of the files and folders that the pages of documents link to and that have a page.

    Args:
        documents: The folder of the documents.
    """
    found = set()
    pages = {path.relative_to(documents).as_posix(): path for path in documents.glob("*.md")}
    pages |= {page: ROOT / name for name, page in DOCUMENTS.items() if page != "index.md"}
    for page, source in pages.items():
        for link in _LINK.finditer(source.read_text(encoding="utf-8")):
            path = None if re.match(r"[a-z]+:", link[3]) else _repository_path(link[3], page)
            if path and (page_of(path) or "").startswith(f"{FILES}/") and (ROOT / path).exists():
                found.add(path)
    return found


def file_page(path: str) -> str:
    """Makes the page that shows a file, or all files of a folder.

    Args:
        path: The path, relative to the root of the repository.
    """
    source = ROOT / path
    if source.is_file():
        return f"# {path}\n\n{_code(source)}\n"
    files = sorted(each for each in source.iterdir() if each.suffix in _LANGUAGES)
    sections = [f"## {each.name}\n\n{_code(each)}\n" for each in files]
    return "\n".join([f"# {path}\n", *sections])


def document_page(name: str) -> str:
    """Returns a document at the root of the repository, for its page."""
    return (ROOT / name).read_text(encoding="utf-8")


def _code(path: Path) -> str:
    return f"````{_LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8').rstrip()}\n````"


def _repository_path(target: str, page: str) -> str | None:
    """Returns the path in the repository that a link leads to; None if it stays among the documents."""
    if page in DOCUMENTS.values() and page != "index.md":
        return target.rstrip("/")
    parts = [*PurePosixPath("docs", page).parent.parts]
    for part in PurePosixPath(target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    path = "/".join(parts)
    return None if path.startswith("docs/") else path


def _relative(page: str, origin: str) -> str:
    return "../" * (len(PurePosixPath(origin).parts) - 1) + page
