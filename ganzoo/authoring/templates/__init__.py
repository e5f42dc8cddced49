"""Render the files of a new plugin from the templates of this folder with Jinja2.

The folder is a package so that the templates are installed with it.
"""

from __future__ import annotations

from typing import Any

from ganzoo.utils.templates import template_environment

_environment = template_environment(__name__, escapes=False)  # what it renders is source code


def render(template: str, **values: Any) -> str:
    """Render a template of this folder.

    Args:
        template: the template's path in this folder without its suffix, such as ``package/loss.py``.
        values: the template's variables; a missing one is an error.
    """
    return _environment.get_template(f"{template}.jinja").render(**values)
