"""Check all plugins for ``ganzoo plugins --check``: import and construct every component, and look at the commands."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from ganzoo.contracts.declaration import PROVIDED, attribute_errors, declaration_errors
from ganzoo.errors import ComponentError, GanzooError, UnknownWeightsError
from ganzoo.interfaces import Method
from ganzoo.masks.roles import ROLES
from ganzoo.plugins import Plugins
from ganzoo.recipe.options import check_options, options_of
from ganzoo.recipe.reader import RecipeReader
from ganzoo.recipe.schema import Part
from ganzoo.recipe.yaml_document import Document
from ganzoo.registry import Component
from ganzoo.weights.download import without_downloads

CHANNELS = 3
"""Channels of the images for which generators and discriminators are constructed."""
COMMAND_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass
class PluginFindings:
    """What a check of all plugins found.

    Args:
        constructed: the components that were constructed by their defaults, each ``KIND NAME``.
        not_constructed: a component that cannot be constructed by its defaults here, which is no mistake → why.
        commands: the names of the plugins' commands.
        broken: a component, plugin or command → its mistakes, one line each.
    """

    constructed: list[str] = field(default_factory=list)
    not_constructed: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def mistakes(self) -> list[str]:
        """All mistakes, one line each."""
        return [line for lines in self.broken.values() for line in lines]


def check_plugins(installed: Plugins, own_commands: Collection[str]) -> PluginFindings:
    """Check every plugin that is installed; nothing is downloaded.

    Args:
        installed: the plugins of this process.
        own_commands: the names of ganzoo's own commands.

    In strict mode (GANZOO_STRICT) an error in a constructor stays as it is.
    """
    findings = PluginFindings()
    for plugin in installed.loaded:
        lines = [f"plugin {plugin.name!r} ({plugin.package}) failed to load: {plugin.error}"] if plugin.error else []
        if lines := [*lines, *plugin.left_out]:
            findings.broken[f"plugin {plugin.name}"] = lines
    for component in installed.registry.find():
        name = f"{component.kind} {component.name}"
        mistakes, needs = check_component(component)
        if mistakes:
            findings.broken[name] = mistakes
        elif needs:
            findings.not_constructed[name] = needs
        else:
            findings.constructed.append(name)
    for name, command in sorted(installed.commands(own_commands).items()):
        findings.commands.append(name)
        if lines := list(command_mistakes(name, command)):
            findings.broken[f"command {name}"] = lines
    for line in installed.command_errors:
        findings.broken.setdefault("commands", []).append(line)
    return findings


def check_component(component: Component) -> tuple[list[str], str]:
    """Import and construct a component; return its mistakes, and why it cannot be constructed by its defaults here."""
    try:
        if errors := declaration_errors(component.origin):
            return [str(error) for error in errors], ""
        with without_downloads():
            made, needs = construct(component)
    except GanzooError as error:
        return [str(error)], ""
    if made is None:
        return [], needs
    mistakes = [str(error) for error in attribute_errors(component.origin, vars(made))]
    if isinstance(made, Method) and not mistakes:
        mistakes = default_mistakes(component, made)
    return mistakes, ""


def construct(component: Component) -> tuple[Any, str]:
    """Return a new instance of a component by its defaults, and an empty text; or None, and what is missing.

    Raises ComponentError if the constructor fails in another way, as by weights that no plugin lists.
    """
    target = component.load()
    if required := [option.name for option in options_of(target).values() if option.required]:
        return None, f"it needs the option{'s' * (len(required) > 1)} {', '.join(required)}"
    options, _ = check_options(target, {})
    try:
        return Part(component, options).make(*(CHANNELS for _ in PROVIDED.get(component.kind, ()))), ""
    except ComponentError:
        raise
    except UnknownWeightsError as error:
        raise component.origin.mistake(str(error), "__init__") from error
    except GanzooError as error:
        return None, str(error)
    except SystemExit as error:
        mistake = "its constructor ends the program: raise an error instead"
        raise component.origin.mistake(mistake, "__init__") from error


def default_mistakes(component: Component, method: Method) -> list[str]:
    """Return the mistakes in the defaults of a method's slots."""
    reader = RecipeReader(Document({"method": component.name}, {}), ROLES)
    reader.read_networks(method)
    networks = {name for name, slot in method.slots.items() if not slot.default}
    return [one.message for one in reader.problems if one.path[1:2] == () or one.path[1] not in networks]


def command_mistakes(name: str, command: click.Command) -> Iterator[str]:
    """Yield a line for each command, or command in a group, whose name is not usual or that has no help."""
    if not COMMAND_NAME.fullmatch(name.rpartition(" ")[2]):
        yield f"command {name!r}: its name may have small letters, digits and '-' only"
    if not (command.help or "").strip():
        yield f"command {name!r}: it has no help: write a docstring"
    inner: Mapping[str, click.Command] = command.commands if isinstance(command, click.Group) else {}
    for one, other in inner.items():
        yield from command_mistakes(f"{name} {one}", other)
