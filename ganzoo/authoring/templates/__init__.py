"""Render the files of a new plugin from the templates of this folder with Jinja2.

The folder is a package so that the templates are installed with it.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_environment = Environment(  # what it renders is source code, in which nothing is escaped
    loader=PackageLoader(__name__, "."),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """Render a template of this folder.

    Args:
        template: the template's path in this folder without its suffix, such as ``package/loss.py``.
        values: the template's variables; a missing one is an error.
    """
    return _environment.get_template(f"{template}.jinja").render(**values)
