"""MkDocs calls these functions: pages from outside of docs/, navigation by folders, links to files of the repository.

README.md, CHANGELOG.md and CONTRIBUTING.md are pages of the site without a copy in docs/. A link to another file of
the repository, such as a recipe, leads to a page with its text. Mermaid diagrams become SVG.
"""

from __future__ import annotations

import html
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # MkDocs reads this file by its path, not as a module
from tools.site.diagram import draw

OUTSIDE = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""File beside docs/ → its page."""
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.DOTALL | re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def slug(heading: str, separator: str = "-") -> str:
    """Return a heading's anchor, the one that GitHub gives it, so that links hold in both places.

    >>> slug("needs: what a recipe stands on")
    'needs-what-a-recipe-stands-on'
    """
    return re.sub(r"[^\w\- ]", "", html.unescape(heading).strip().lower()).replace(" ", separator)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the anchors' form, and replace each ``FOLDER/`` of the navigation by the folder's pages that it lacks."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    config.nav = expand(config.nav or [], Path(config.docs_dir))
    return config


def expand(nav: list[Any], docs: Path) -> list[Any]:
    """Return a navigation with pages in place of ``FOLDER/``: those that it does not name, an index first."""
    named = set(_names(nav))

    def replace(items: list[Any]) -> list[Any]:
        expanded: list[Any] = []
        for item in items:
            if isinstance(item, str) and item.endswith("/"):
                pages = {page.relative_to(docs).as_posix() for page in (docs / item).glob("*.md")} - named
                expanded += sorted(pages, key=lambda page: (Path(page).stem not in ("README", "index"), page))
            elif isinstance(item, dict):
                expanded.append({k: replace(v) if isinstance(v, list) else v for k, v in item.items()})
            else:
                expanded.append(item)
        return expanded

    return replace(nav)


def _names(items: Any) -> Iterator[str]:
    if isinstance(items, str):
        yield items
    else:
        for item in items.values() if isinstance(items, dict) else items:
            yield from _names(item)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for source, page in OUTSIDE.items():
        text = (_root(config) / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files outside of docs/, and all links of pages from there, lead to what is on the site."""
    outside = {page: source for source, page in OUTSIDE.items()}
    source = outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def replace(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        place = _place(target, config, files)
        if place is None:
            return match[0]
        return posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".") + (match[2] or "")

    parts, end = [], 0
    for block in FENCE.finditer(markdown):
        parts += [LINK.sub(replace, markdown[end : block.start()]), block[0]]
        end = block.end()
    return MERMAID.sub(lambda match: draw(match[1]), "".join([*parts, LINK.sub(replace, markdown[end:])]))


def _place(target: str, config: MkDocsConfig, files: Files) -> str | None:
    """Return where a file of the repository is on the site; None if it does not exist: MkDocs then warns."""
    if target in OUTSIDE:
        return OUTSIDE[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    file = _root(config) / target
    if target.startswith("..") or not file.is_file():
        return None
    place = f"source/{target}.html"
    if files.get_file_from_path(place) is None:
        files.append(File.generated(config, place, content=show_file(file, target)))
    return place


def show_file(file: Path, title: str) -> str:
    """Return a page of HTML with a text file, its words coloured."""
    text = file.read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(file.name)
    except ClassNotFound:
        lexer = TextLexer()
    light, dark = HtmlFormatter(style="default"), HtmlFormatter(style="github-dark")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>body {{ margin: 1rem; font-family: sans-serif }}"
        f"h1 {{ font-size: 1rem; overflow-wrap: anywhere }}"
        f"pre {{ overflow-x: auto; font-size: 0.85rem }}{light.get_style_defs('.highlight')}"
        f"@media (prefers-color-scheme: dark) {{ body {{ background: #0d1117; color: #e6edf3 }}"
        f"{dark.get_style_defs('.highlight')} }}</style><h1>{html.escape(title)}</h1>"
        f"{highlight(text, lexer, light)}</html>\n"
    )
