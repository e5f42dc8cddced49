"""Jinja2 templates of a package: the report's and a study's pages, and the files of new plugins."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Pattern of control characters and halves of surrogate pairs, which HTML and XML do not allow."""


def template_environment(package: str, *, escapes: bool) -> Environment:
    """Return an environment for the templates of a package; a missing variable is an error.

    Args:
        package: the package's name; its folder has the templates, which are installed with it.
        escapes: whether text is escaped for HTML.
    """
    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=escapes,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class PageTemplates:
    """Templates of HTML pages: text is escaped, and characters that HTML forbids are replaced.

    Args:
        package: the package whose folder has the templates.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.environment = template_environment(package, escapes=True)

    def render(self, template: str, **values: Any) -> Markup:
        """Render a template; return HTML that other templates insert as it is.

        Args:
            template: the template's file name, such as ``page.html``.
            values: the template's variables. Text is escaped; only ``Markup`` is inserted as it is. A missing one is an
                error.
        """
        return Markup(clean(self.environment.get_template(template).render(**values)))

    def read_asset(self, name: str) -> Markup:
        """Return the text of a file of the package, such as ``page.css``; templates insert it as it is."""
        return Markup((files(self.package) / name).read_text(encoding="utf-8"))


def clean(text: str) -> str:
    """Return a text without Windows line ends, and with U+FFFD for each character that HTML and XML do not allow.

    >>> clean("a\\r\\nb\\x00")
    'a\\nb\ufffd'
    """
    return FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))


def page_policy(script: str) -> str:
    """Return the content security policy of a page that has this script, its own style, and images in data URIs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
