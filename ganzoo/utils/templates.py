"""The Jinja2 environment of a package that holds templates: the report's, and those of new plugins."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


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
