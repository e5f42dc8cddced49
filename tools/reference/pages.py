"""All pages of the reference, and the one that lists them."""

from __future__ import annotations

import importlib.util

from tools.reference import code_size, commands, components, python, recipe, variables
from tools.reference.markdown import join

NOTE = "<!-- Written by make reference from the program; do not edit. -->"


def write_pages() -> dict[str, str]:
    """Return all pages: file name → Markdown."""
    pages = {"recipe.md": recipe.write_page()}
    pages |= {f"{page.file}.md": components.write_page(kind) for kind, page in components.PAGES.items()}
    pages |= {
        "commands.md": commands.write_page(),
        "variables.md": variables.write_page(),
        "hooks.md": python.write_hooks(),
    }
    pages |= {
        f"{module}.md": python.write_page(module) for module in python.MODULES if importlib.util.find_spec(module)
    }
    pages["code_size.md"] = code_size.write_page()
    listed = "\n".join(f"- [{text.partition(chr(10))[0].removeprefix('# ')}]({name})" for name, text in pages.items())
    pages["README.md"] = join(
        "# Reference",
        "Written from the program by `make reference`: all that ships with ganzoo, as it is in this version. A test "
        "fails if a page is outdated. `ganzoo list` and `ganzoo show KIND NAME` print the same for all installed "
        "plugins.",
        listed,
        "By hand, and held by tests: [errors and exit codes](../errors.md), "
        "[the public interface](../interface.md) by subject, [the list of pretrained weights](../weights.md).",
    )
    return {name: f"{text}\n\n{NOTE}\n" for name, text in pages.items()}
