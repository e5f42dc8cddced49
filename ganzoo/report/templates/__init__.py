"""The templates of the report. The folder is a package so that they are installed with it."""

from __future__ import annotations

from ganzoo.utils.templates import PageTemplates

_templates = PageTemplates(__name__)
render, read_asset = _templates.render, _templates.read_asset
