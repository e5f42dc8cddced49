"""Load plugins from the entry-point group ``ganzoo``, each by itself; keep and show the failures.

GANZOO_PLUGINS   comma-separated names of entry points: only these are loaded
GANZOO_STRICT=1  raise when any plugin fails (for authors of plugins)
"""

from __future__ import annotations

import os
import sys
import tomllib
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distribution, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from ganzoo import hookspecs
from ganzoo.errors import GanzooError, one_line, suggest
from ganzoo.registry import Registration, Registry

if TYPE_CHECKING:
    from click import Command

INTERFACE = 1
HOME = "ganzoo"


@dataclass(frozen=True)
class Plugin:
    """One entry point and what became of it: ``error`` is empty when it loaded."""

    name: str
    target: str
    package: str
    version: str
    components: int
    error: str

    @property
    def bundled(self) -> bool:
        """Whether it ships with ganzoo."""
        return self.package == HOME


class Plugins:
    """The plugin manager, the registry it filled, and the story of every plugin."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("ganzoo")
        self.manager.add_hookspecs(hookspecs)
        self.registry = Registry()
        self.loaded: list[Plugin] = []
        self.strict = False
        self.refused: list[str] = []
        """Why commands of plugins are not on the command line."""

    def load(self, points: list[EntryPoint], *, strict: bool = False) -> None:
        """Load entry points one by one. Raises only for a bundled plugin, or for any in strict mode."""
        self.strict = strict
        for point in points:
            package = point.dist.name if point.dist else HOME
            version = point.dist.version if point.dist else installed_version()
            count, trouble = 0, ""
            try:
                count = self.add(point.name, point.load)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin that calls sys.exit() at import must not end the command
                trouble = str(error) if isinstance(error, GanzooError) else one_line(error) + _where(error)
                if strict or package == HOME:
                    raise GanzooError(f"plugin {point.name!r} ({package}) failed to load: {trouble}") from error
                self.registry.failures[f"{point.name} ({package})"] = trouble
            self.loaded.append(Plugin(point.name, point.value, package, version, count, trouble))

    def add(self, name: str, load: Callable[[], ModuleType]) -> int:
        """Import, check and register one plugin, wholly or not at all; return its number of components."""
        module = load()
        _check_interface(module)
        if self.manager.has_plugin(name):
            packages = [one.package for one in self.loaded if one.name == name and not one.error]
            raise GanzooError(f"there is a plugin {name!r} already, of the package {', '.join(packages)}")
        if self.manager.is_registered(module):
            raise GanzooError(f"{module.__name__} is already loaded, as plugin {self.manager.get_name(module)!r}")
        try:
            self.manager.register(module, name)
            self._check_hooks(module)
            registration = Registration(name)
            others = [one for one in self.manager.get_plugins() if one is not module]
            self.manager.subset_hook_caller("ganzoo_register", others)(registry=registration)
            self.registry.accept(registration)
        except BaseException:
            if self.manager.is_registered(module):  # some versions of pluggy put an invalid one out themselves
                self.manager.unregister(module)
            raise
        return len(registration.components)

    def commands(self, taken: Collection[str]) -> dict[str, Command]:
        """Ask the plugins for commands; return name → command. ``refused`` tells of those that cannot be had.

        Raises GanzooError only for a bundled plugin, or for any in strict mode.

        Args:
            taken: the names of ganzoo's own commands.
        """
        found: dict[str, Command] = {}
        owners = dict.fromkeys(taken, "ganzoo itself")
        self.refused = []
        for plugin in [one for one in self.loaded if not one.error]:
            try:
                commands = self._commands_of(plugin.name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # as where plugins are loaded
                trouble = str(error) if isinstance(error, GanzooError) else one_line(error) + _where(error)
                self._refuse(plugin, f"plugin {plugin.name!r} could not give its commands: {trouble}")
                continue
            for name, command in commands:
                if name in owners:
                    owner = owners[name]
                    self._refuse(plugin, f"command {name!r} of plugin {plugin.name!r} is already there, from {owner}")
                    continue
                owners[name] = f"plugin {plugin.name!r}"
                found[name] = command
        return found

    def _commands_of(self, name: str) -> list[tuple[str, Command]]:
        from click import Command

        others = [one for one in self.manager.get_plugins() if self.manager.get_name(one) != name]
        asked = self.manager.subset_hook_caller("ganzoo_commands", others)()
        commands = [one for answer in asked for one in answer]
        for one in commands:
            if not isinstance(one, Command) or not one.name:
                raise GanzooError(f"{one!r} is no command of click with a name")
        return [(one.name, one) for one in commands]

    def _refuse(self, plugin: Plugin, text: str) -> None:
        if self.strict or plugin.bundled:
            raise GanzooError(text)
        self.refused.append(text)

    def _check_hooks(self, module: ModuleType) -> None:
        hooks = [name for name in vars(hookspecs) if name.startswith("ganzoo_")]
        marked = {caller.name for caller in self.manager.get_hookcallers(module) or ()}
        named = {name for name, value in vars(module).items() if name.startswith("ganzoo_") and callable(value)}
        for name in sorted(marked | named):
            if name not in hooks:
                raise GanzooError(f"there is no hook {name!r}{suggest(name, hooks)}")
            if name not in marked:
                raise GanzooError(f"the hook {name!r} lacks its decorator, @ganzoo.hookimpl")
        if not marked:
            raise GanzooError(f"{module.__name__} has no hook{suggest('', hooks)}")


def _where(error: BaseException) -> str:
    """Return `` (file:line)`` of the plugin's code that raised, or nothing where the import machinery did."""
    last = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")][-1]
    ours = last.filename == __file__ or {"importlib", "pluggy"} & set(Path(last.filename).parts)
    return "" if ours else f" ({last.filename}:{last.lineno})"


def _check_interface(module: ModuleType) -> None:
    made_for = getattr(module, "GANZOO_INTERFACE", None)
    if made_for is None:
        raise GanzooError(
            f"it does not say for which interface of ganzoo it was made; this is {INTERFACE}: "
            f"write GANZOO_INTERFACE = {INTERFACE} in {module.__name__}"
        )
    if made_for != INTERFACE:
        raise GanzooError(f"it was made for interface {made_for} of ganzoo; this is interface {INTERFACE}")


def find_entry_points() -> list[EntryPoint]:
    """Return all entry points of the group, the bundled ones first, then by package and name.

    A checkout's own pyproject.toml comes before the metadata of an installed ganzoo, and its ``plugins/`` is put on the
    path: it may not be installed at all, may have got new plugins since, or be another checkout than the installed one.
    """
    points = list(entry_points(group=HOME))
    project = checkout()
    if project:
        root = str(Path(__file__).resolve().parents[1] / "plugins")
        if root not in sys.path:
            sys.path.insert(0, root)
        points = [point for point in points if not (point.dist and point.dist.name == HOME)]
        points += [EntryPoint(name, value, HOME) for name, value in project["entry-points"][HOME].items()]
    return sorted(points, key=_bundled_first)


def _bundled_first(point: EntryPoint) -> tuple[bool, str, str]:
    package = point.dist.name if point.dist else HOME
    return package != HOME, package, point.name


@cache
def checkout() -> dict[str, Any]:
    """Return the ``project`` table of the checkout that this file lies in; empty where it was installed as a wheel."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "plugins").is_dir() or not (root / "pyproject.toml").is_file():
        return {}
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    return project if project.get("name") == HOME else {}


@cache
def plugins() -> Plugins:
    """Return the loaded plugins of this process; the first call loads them."""
    points, left_out = find_entry_points(), []
    only = os.environ.get("GANZOO_PLUGINS")
    if only is not None:
        wanted = {name.strip() for name in only.split(",") if name.strip()}
        missing = wanted - {point.name for point in points}
        if missing:
            raise GanzooError(
                f"GANZOO_PLUGINS names {sorted(missing)[0]!r}, which is not installed"
                + suggest(sorted(missing)[0], [point.name for point in points])
            )
        left_out = [point.name for point in points if point.name not in wanted]
        points = [point for point in points if point.name in wanted]
    found = Plugins()
    found.registry.left_out = left_out
    found.load(points, strict=os.environ.get("GANZOO_STRICT", "") not in ("", "0"))
    return found


def installed_version() -> str:
    """Return ganzoo's version: the checkout's, or else that of the installed package."""
    return str(checkout()["version"]) if checkout() else distribution(HOME).version
