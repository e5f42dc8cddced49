"""Write the page of a recipe's keys: its sections, and the settings in images, train and evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ganzoo.recipe.options import options_of
from ganzoo.recipe.quick_check import SECTIONS, SETTINGS
from tools.reference.docstrings import parse
from tools.reference.markdown import code, join, option_list, source_link

COMPONENTS: Mapping[str, str] = MappingProxyType(
    {
        "method": "One [method](methods.md): `{method: NAME, …}`.",
        "networks": "Slot → [generator](generators.md) or [discriminator](discriminators.md). The slots are those of "
        "the method; `G` and `D` set all slots whose names start so.",
        "maskers": "Role → [masker](maskers.md); the roles are `input`, `discriminator`, `composite` and `labels` "
        "([masks](../masks.md)).",
        "losses": "Any name → [loss](losses.md), with `of`, `weight` and `phase`.",
        "data": "One [data set](datasets.md): `{dataset: NAME, …}`.",
    }
)
"""Section of components → what it holds."""
BESIDES: Mapping[str, str] = MappingProxyType(
    {
        "base": "Another recipe, relative to this file, whose values hold where this one sets none "
        "([inheriting](../recipes.md#inheriting-and-overriding)).",
        "needs": "Folder → how it is made, `{recipe: FILE, set: [key.path=value], demo: true}` or `{command: '…'}` "
        "([needs](../recipes.md#needs-what-a-recipe-stands-on)).",
        "demo": "Changes of the recipe for `ganzoo run --demo` ([demo](../recipes.md#demo-a-small-version)).",
    }
)
"""Key that belongs to the file and not to the run → what it holds."""


def write_page() -> str:
    """Return the page as Markdown."""
    sections = [
        f"## {section}\n\n{COMPONENTS[section]}" if section in COMPONENTS else _settings(section)
        for section in SECTIONS
    ]
    return join(
        "# Recipe keys",
        "Every key of a recipe, with types, bounds and defaults. [Recipes](../recipes.md) explains how they work "
        "together. On the command line a key is written with its section: `train.seed=1`.",
        *sections,
        *(f"## {key}\n\n{text}" for key, text in BESIDES.items()),
    )


def _settings(section: str) -> str:
    target, besides = SETTINGS[section]
    doc = parse(target.__doc__)
    metrics = "- `metrics: list = []`<br>\n  the [metrics](metrics.md), each a name or `{metric: NAME, …}`."
    listed = [metrics for key in besides if key == "metrics"]
    assert len(listed) == len(besides), f"{section} has a key besides its settings that has no text: {besides}"
    return join(
        f"## {section}",
        f"{source_link(target)}, class {code(target.__name__)}",
        doc.text,
        "\n".join([*listed, option_list(options_of(target).values(), doc.arguments)]),
    )
