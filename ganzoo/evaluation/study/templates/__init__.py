"""The page of a study: a template, its style and its script. The folder is a package so that they are installed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from markupsafe import Markup

from ganzoo.utils.templates import template_environment

_environment = template_environment(__name__, escapes=True)


def render(template: str, **values: Any) -> str:
    """Return a template of this folder with its variables filled in; text is escaped, only ``Markup`` is not."""
    return _environment.get_template(template).render(**values)


def read_asset(name: str) -> Markup:
    """Return the text of a file of this folder, such as ``study.css``; templates insert it as it is."""
    return Markup((files(__name__) / name).read_text(encoding="utf-8"))
