"""Load plugins from the entry-point group ``ganzoo``, one by one.

A plugin that fails to load is recorded and skipped; but if it ships with ganzoo, that is an error. Two environment
variables change this:

GANZOO_PLUGINS   comma-separated names of plugins: only these are loaded
GANZOO_STRICT=1  it is an error if any plugin fails (for authors of plugins)
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from ganzoo import hookspecs
from ganzoo.contracts.command import HOOK, check_commands
from ganzoo.contracts.origin import Origin, author_line
from ganzoo.errors import ComponentError, GanzooError, is_strict, one_line, suggest
from ganzoo.registry import Clash, Registration, Registry
from ganzoo.weights.store import use_listing

if TYPE_CHECKING:
    from click import Command

INTERFACE = 1
"""Version of the interface between ganzoo and plugins; a plugin states it as GANZOO_INTERFACE."""
GROUP = "ganzoo"
"""Name of the entry-point group."""
PACKAGE = "ganzoo-i2i"
"""Name of the distribution: what pip installs. ``ganzoo`` on PyPI is another project."""
UNKNOWN = "unknown"
"""Name or version of a package whose metadata lack it."""


@dataclass(frozen=True)
class Plugin:
    """A plugin's entry point, and the result of loading it.

    Args:
        name: the plugin's name.
        target: the module that the entry point names.
        package: the package that installs the plugin.
        version: the package's version.
        components: the number of components that the plugin registered.
        error: the reason why the plugin failed to load; empty if it loaded.
        left_out: a line for each component that is left out, as another package has its name.
    """

    name: str
    target: str
    package: str
    version: str
    components: int
    error: str
    left_out: tuple[str, ...] = ()

    @property
    def bundled(self) -> bool:
        """Whether the plugin ships with ganzoo."""
        return self.package == PACKAGE


class Plugins:
    """The plugins of a process: pluggy's manager, the registry of their components, and the result of loading each."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("ganzoo")
        self.manager.add_hookspecs(hookspecs)
        self.registry = Registry()
        self.loaded: list[Plugin] = []
        self.strict = False
        self.command_errors: list[str] = []
        """Reasons why commands of plugins are missing from the command line, one message each."""
        self.command_origins: dict[str, Origin] = {}
        """Where each command of a plugin comes from, by its name."""

    def load(self, points: list[EntryPoint], *, strict: bool = False) -> None:
        """Load plugins one by one; record each in ``loaded``, and each failure also in ``registry.failures``.

        Args:
            points: the plugins' entry points.
            strict: whether any failure is an error, here and in ``commands``.

        Raises GanzooError if a plugin that ships with ganzoo fails, or in strict mode any plugin; there a name of
        another package is a failure, too.
        """
        self.strict = strict
        for point in points:
            package = _package_of(point)
            version = (metadata_of(point.dist, "Version") or UNKNOWN) if point.dist else installed_version()
            registration, reason = Registration(point.name, package), ""
            clashes: list[Clash] = []
            try:
                clashes = self.add(registration, point.load)
                if clashes and strict:
                    raise GanzooError(str(clashes[0]))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin that calls sys.exit() at import must not end the command
                reason = _reason(error, point.value)
                if strict or package == PACKAGE:
                    raise GanzooError(f"plugin {point.name!r} ({package}) failed to load: {reason}") from error
                self.registry.failures[f"{point.name} ({package})"] = reason
            count = 0 if reason else len(registration.components) - len(clashes)
            lines = () if reason else tuple(map(str, clashes))
            self.loaded.append(Plugin(point.name, point.value, package, version, count, reason, lines))

    def add(self, registration: Registration, load: Callable[[], ModuleType]) -> list[Clash]:
        """Import, check and register one plugin; return its components that are left out (see ``Registry.accept``).

        If an error is raised, nothing of the plugin stays registered.

        Args:
            registration: an empty registration with the plugin's name and package.
            load: a function that imports and returns the plugin's module.

        Raises GanzooError for a wrong interface version or hook, or a mistake in what it registers; and any error of
        the module.
        """
        module, name = load(), registration.plugin
        _check_interface(module)
        if self.manager.has_plugin(name):
            packages = [plugin.package for plugin in self.loaded if plugin.name == name and not plugin.error]
            raise GanzooError(f"a plugin {name!r} is already loaded, from the package {', '.join(packages)}")
        if self.manager.is_registered(module):
            raise GanzooError(f"{module.__name__} is already loaded, as plugin {self.manager.get_name(module)!r}")
        try:
            self.manager.register(module, name)
            self._check_hooks(module)
            others = [other for other in self.manager.get_plugins() if other is not module]
            self.manager.subset_hook_caller("ganzoo_register", others)(registry=registration)
            return self.registry.accept(registration)
        except BaseException:
            if self.manager.is_registered(module):  # some versions of pluggy remove an invalid plugin themselves
                self.manager.unregister(module)
            raise

    def commands(self, taken: Collection[str]) -> dict[str, Command]:
        """Return the plugins' commands by name; the reasons why some are missing are then in ``command_errors``.

        A command is missing if its plugin fails to return it, or if its name is taken.

        Args:
            taken: the names of ganzoo's own commands.

        Raises GanzooError if a command of a plugin that ships with ganzoo is missing, or in strict mode of any plugin.
        """
        accepted: dict[str, Command] = {}
        owners = dict.fromkeys(taken, PACKAGE)
        self.command_errors, self.command_origins = [], {}
        for plugin in [plugin for plugin in self.loaded if not plugin.error]:
            try:
                commands = self._commands_of(plugin.name)
            except KeyboardInterrupt:
                raise
            except ComponentError as error:
                self._add_command_error(plugin, str(error))
                continue
            except BaseException as error:  # as in load()
                self._add_command_error(
                    plugin, f"plugin {plugin.name!r} failed to return its commands: {_reason(error, plugin.target)}"
                )
                continue
            for name, command in commands:
                if name in owners:
                    message = f"command {name!r} is the one of package {owners[name]}; that of package {plugin.package}"
                    self._add_command_error(plugin, f"{message} is left out")
                    continue
                owners[name] = plugin.package
                accepted[name] = command
                self.command_origins[name] = self._origin("command", name, plugin.name)
        return accepted

    def _commands_of(self, name: str) -> list[tuple[str, Command]]:
        others = [other for other in self.manager.get_plugins() if self.manager.get_name(other) != name]
        origin = self._origin("hook", HOOK, name)
        answers = self.manager.subset_hook_caller(HOOK, others)()
        return [pair for answer in answers for pair in check_commands(answer, origin)]

    def _origin(self, kind: str, name: str, plugin: str) -> Origin:
        return Origin(cast(ModuleType, self.manager.get_plugin(plugin)), kind, name, plugin)

    def _add_command_error(self, plugin: Plugin, message: str) -> None:
        if self.strict or plugin.bundled:
            raise GanzooError(message)
        self.command_errors.append(message)

    def _check_hooks(self, module: ModuleType) -> None:
        """Raise GanzooError for an unknown hook, a hook without its decorator, or a module without hooks."""
        hooks = [name for name in vars(hookspecs) if name.startswith("ganzoo_")]
        marked = {caller.name for caller in self.manager.get_hookcallers(module) or ()}
        named = {name for name, value in vars(module).items() if name.startswith("ganzoo_") and callable(value)}
        for name in sorted(marked | named):
            if name not in hooks:
                raise GanzooError(f"there is no hook {name!r}{suggest(name, hooks)}")
            if name not in marked:
                raise GanzooError(f"the hook {name!r} lacks its decorator, @ganzoo.hookimpl")
        if not marked:
            raise GanzooError(f"{module.__name__} has no hooks{suggest('', hooks)}")


def _reason(error: BaseException, module: str) -> str:
    """Return an error of a plugin as text, with ``(file:line)`` of the plugin's own code, as far as some was running.

    Args:
        error: the error.
        module: the name of the plugin's module.
    """
    place = author_line(error, module)
    return (str(error) if isinstance(error, GanzooError) else one_line(error)) + (f" ({place})" if place else "")


def _check_interface(module: ModuleType) -> None:
    version = getattr(module, "GANZOO_INTERFACE", None)
    if version is None:
        raise GanzooError(
            f"it does not declare its version of ganzoo's interface: write GANZOO_INTERFACE = {INTERFACE} in "
            f"{module.__name__}"
        )
    if version != INTERFACE:
        raise GanzooError(f"it uses version {version!r} of ganzoo's interface; this ganzoo has version {INTERFACE}")


def find_entry_points() -> list[EntryPoint]:
    """Return the entry points of all plugins: first those that ship with ganzoo, then sorted by package and name.

    In a checkout of the repository, ganzoo's own plugins are read from the checkout's pyproject.toml and not from the
    metadata of an installed ganzoo, and ``plugins/`` is put on the import path. So a checkout works even if it is not
    installed, has new plugins since it was installed, or another checkout is installed. Bundled plugins that another
    distribution lists, too, are left out.
    """
    points = list(entry_points(group=GROUP))
    bundled = [one for one in points if _package_of(one) == PACKAGE]
    project = checkout()
    if project:
        root = str(Path(__file__).resolve().parents[1] / "plugins")
        if root not in sys.path:
            sys.path.insert(0, root)
        bundled = [EntryPoint(name, value, GROUP) for name, value in project["entry-points"][GROUP].items()]
    modules = {one.value for one in bundled}
    others = [one for one in points if not (one.value in modules or _package_of(one) == PACKAGE)]
    return sorted([*bundled, *others], key=_bundled_first)


def _bundled_first(point: EntryPoint) -> tuple[bool, str, str]:
    package = _package_of(point)
    return package != PACKAGE, package, point.name


def _package_of(point: EntryPoint) -> str:
    return (metadata_of(point.dist, "Name") or UNKNOWN) if point.dist else PACKAGE


@lru_cache(maxsize=32)  # the entry points of a package share it, and its metadata are read anew at each access
def metadata_of(package: Distribution, field: str) -> str:
    """Return a field of a package's metadata; empty if it has none, as after an interrupted installation."""
    metadata = package.metadata
    return str(metadata[field]) if field in metadata else ""


def version_of(package: str) -> str:
    """Return the version of an installed package; empty if there is none. Folders without metadata do not count."""
    versions = (metadata_of(one, "Version") for one in distributions(name=package))
    return next(filter(None, versions), "")


@cache
def checkout() -> dict[str, Any]:
    """Return the ``project`` table in the pyproject.toml of this file's checkout; empty if ganzoo runs from a wheel."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "plugins").is_dir() or not (root / "pyproject.toml").is_file():
        return {}
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    return project if project.get("name") == PACKAGE else {}


@cache
def plugins() -> Plugins:
    """Return the plugins of this process; the first call loads them.

    Raises GanzooError if GANZOO_PLUGINS names a plugin that is not installed, and as ``Plugins.load`` does.
    """
    points, excluded = find_entry_points(), []
    only = os.environ.get("GANZOO_PLUGINS")
    if only is not None:
        wanted = {name.strip() for name in only.split(",") if name.strip()}
        missing = wanted - {point.name for point in points}
        if missing:
            raise GanzooError(
                f"GANZOO_PLUGINS names {sorted(missing)[0]!r}, which is not installed"
                + suggest(sorted(missing)[0], [point.name for point in points])
            )
        excluded = [point.name for point in points if point.name not in wanted]
        points = [point for point in points if point.name in wanted]
    loaded = Plugins()
    loaded.registry.excluded = excluded
    loaded.load(points, strict=is_strict())
    return loaded


def installed_version() -> str:
    """Return ganzoo's version: that of the checkout, or else of the installed package; ``unknown`` for a bare copy."""
    return str(checkout()["version"]) if checkout() else version_of(PACKAGE) or UNKNOWN


use_listing(lambda: plugins().registry)
