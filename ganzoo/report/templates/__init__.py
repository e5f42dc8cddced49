"""Render the templates of the report with Jinja2. Text is escaped; characters that HTML forbids are replaced.

The folder is a package so that the templates are installed with it.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from ganzoo.utils.templates import template_environment

FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Pattern of control characters and halves of surrogate pairs, which HTML and XML do not allow."""

_environment = template_environment(__name__, escapes=True)


def render(template: str, **values: Any) -> Markup:
    """Render a template of this folder; return HTML that other templates insert as it is.

    Args:
        template: the template's file name, such as ``page.html``.
        values: the template's variables. Text is escaped; only ``Markup`` is inserted as it is. A missing one is an
            error.
    """
    return Markup(clean(_environment.get_template(template).render(**values)))


def clean(text: str) -> str:
    """Return a text without Windows line ends, and with U+FFFD for each character that HTML and XML do not allow.

    >>> clean("a\\r\\nb\\x00")
    'a\\nb\ufffd'
    """
    return FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))


def read_asset(name: str) -> Markup:
    """Return the text of a file of this folder, such as ``page.css``; templates insert it as it is."""
    return Markup((files(__name__) / name).read_text(encoding="utf-8"))
