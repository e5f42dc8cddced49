"""Check the name of a new plugin, and derive from it the names of the package's classes, project and command."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.util import find_spec

from ganzoo.errors import GanzooError
from ganzoo.plugins import PACKAGE, find_entry_points, plugins
from ganzoo.utils.core_yaml import is_word

LONGEST = 30
"""Largest number of characters of a name: the lines of the written files stay short enough for their linter."""
FOLDERS = ("tests", "recipes", "build", "dist", "docs", "runs")
"""Folders of a project that cannot be its package, too."""


@dataclass(frozen=True)
class Names:
    """The names in a new package.

    Args:
        plugin: the name of the plugin, of its package and of its components: ``two_tone``.
    """

    plugin: str

    @property
    def title(self) -> str:
        """The first part of the names of classes.

        >>> Names("two_tone").title
        'TwoTone'
        """
        return "".join(word.capitalize() for word in self.plugin.split("_"))

    @property
    def project(self) -> str:
        """The name of the distribution and of the project's folder, which no import can mistake for the package.

        >>> Names("two_tone").project
        'ganzoo-two-tone'
        """
        return "ganzoo-" + self.command.removeprefix("ganzoo-")

    @property
    def command(self) -> str:
        """The name of the plugin's command.

        >>> Names("two_tone").command
        'two-tone'
        """
        return self.plugin.replace("_", "-")


def check_name(name: str, kinds: Iterable[str], commands: Iterable[str]) -> Names:
    """Return the names in a package for a plugin of this name.

    Args:
        name: the name of the plugin.
        kinds: the kinds of what the plugin adds.
        commands: the names of all commands.

    Raises GanzooError if it cannot name a package, or if it is taken: by the standard library, an installed package, a
    plugin, a component of one of the kinds or, with the kind ``command``, a command.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise GanzooError(
            f"{name!r} cannot name a plugin: use lower-case letters, digits and single underscores, and begin with a "
            f"letter{_better(name)}"
        )
    if len(name) > LONGEST:
        raise GanzooError(f"{name!r} has {len(name)} characters; choose a name of at most {LONGEST}")
    if not is_word(name):
        raise GanzooError(f"{name!r} would not be read as text in a recipe; choose another name, such as {name}_plugin")
    if name in FOLDERS:
        raise GanzooError(f"{name!r} is a folder of every project; choose another name, such as {name}_plugin")
    names = Names(name)
    taken = _taken(names, kinds, commands)
    if taken:
        raise GanzooError(f"{name!r} is taken: {taken}; choose another name")
    return names


def _better(name: str) -> str:
    """Return a hint with a similar valid name; empty if there is none."""
    better = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    return f" (for example {better!r})" if better[:1].isalpha() else ""


def _taken(names: Names, kinds: Iterable[str], commands: Iterable[str]) -> str:
    """Return what has the name already; empty if nothing has it."""
    name = names.plugin
    if keyword.iskeyword(name):
        return "it is a word of Python's own"
    if name in sys.stdlib_module_names:
        return "it is a module of Python's standard library"
    if any(point.name == name for point in find_entry_points()):
        return "there is a plugin of this name"
    installed = packages_distributions()
    spec = find_spec(name)
    if name in installed or (spec is not None and spec.origin):  # a folder of data has no origin
        return "it is an installed package"
    if names.project in {PACKAGE, *(one for distributions in installed.values() for one in distributions)}:
        return f"its project would be {names.project!r}, which is installed"
    registry = plugins().registry
    for kind in kinds:
        for component in registry.find(kind, name) if kind not in ("callback", "command") else ():
            return f"there is a {kind} {name!r} in the plugin {component.plugin!r}"
    if "command" in kinds and names.command in commands:
        return f"there is a command {names.command!r}"
    return ""
