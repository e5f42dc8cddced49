"""The registry of components and files of pretrained weights, by name, with the plugin that added each component."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ganzoo.contracts.origin import Origin, author_line, error_class, source_line
from ganzoo.contracts.signatures import defines
from ganzoo.errors import ComponentError, GanzooError, MissingResourceError, UnknownWeightsError, one_line, suggest
from ganzoo.utils.core_yaml import is_word
from ganzoo.weights.manifest import WeightsFile, read_manifest

KINDS = ("method", "generator", "discriminator", "masker", "loss", "dataset", "metric")
LIGHT = ("dataset", "metric")
"""Kinds whose components are made without torch, so that mistakes in paths of images are found at once."""


@dataclass(frozen=True)
class Component:
    """A component that a plugin registered.

    Args:
        kind: the component's kind, such as ``generator``.
        name: the component's name in recipes.
        target: the component's class, or a ``module:name`` string that names it.
        plugin: the plugin's name.
        paper: address of the paper that describes it; empty if there is none. Model cards name that of the method.
        package: the package that installs the plugin; empty if it was not loaded from an entry point.
    """

    kind: str
    name: str
    target: str | type
    plugin: str
    paper: str = ""
    package: str = ""

    def load(self) -> type:
        """Return the component's class; import it if ``target`` is a string.

        Raises MissingResourceError if a package that it needs is not installed, and ComponentError if it cannot be
        imported for another reason or is not a class.
        """
        if isinstance(self.target, type):
            return self.target
        module, _, attribute = self.target.partition(":")
        about = f"{self.kind} {self.name!r} of plugin {self.plugin!r}"
        try:
            loaded = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            place = author_line(error, module) or getattr(sys.modules.get(module), "__file__", None)
            raise error_class(error, module)(
                f"{about} cannot be imported from {self.target}: {one_line(error)}" + (f" ({place})" if place else "")
            ) from error
        if not isinstance(loaded, type):
            place = source_line(loaded) or getattr(sys.modules[module], "__file__", module)
            raise ComponentError(f"{about}: {self.target} is not a class: register the class ({place})")
        return loaded

    @property
    def origin(self) -> Origin:
        """Where the component comes from, for errors about it. Raises as ``load`` does."""
        return Origin(self.load(), self.kind, self.name, self.plugin)

    def make(self, *args: Any, **options: Any) -> Any:
        """Return a new instance, checked for what its kind must be.

        Args:
            args: the values that ganzoo passes to its kind, such as numbers of channels.
            options: its options.

        Raises GanzooError as its constructor does, MissingResourceError if a package that it imports is not installed,
        and ComponentError for any other error of it, or a wrong instance.
        """
        origin = self.origin
        with origin.catch("__init__"):
            made = origin.component(*args, **options)
        if self.kind not in LIGHT:
            from ganzoo.contracts.constructed import check_constructed
            from ganzoo.masks.roles import ROLES

            with origin.catch("__init__"):  # attributes of a type that the checks did not expect
                check_constructed(made, origin, ROLES)
        return made


@dataclass(frozen=True)
class Clash:
    """A name that two packages registered: that of the earlier package is used, that of the later one left out.

    Args:
        used: the component in the registry.
        left_out: the one of the later package.
    """

    used: Component
    left_out: Component

    def __str__(self) -> str:
        return (
            f"{self.used.kind} {self.used.name!r} is the one of package {self.used.package}; that of package "
            f"{self.left_out.package} is left out"
        )


class Registration:
    """What one plugin adds: components and files of weights. The registry accepts all, or none if there is an error.

    A component whose name another package has is left out, which is no error.

    Args:
        plugin: the plugin's name.
        package: the package that installs it; empty if the plugin was not loaded from an entry point.
    """

    def __init__(self, plugin: str, package: str = "") -> None:
        self.plugin = plugin
        self.package = package
        self.components: list[Component] = []
        self.weights: list[WeightsFile] = []

    def add(self, kind: str, name: str, target: str | type, *, paper: str = "") -> None:
        """Add a component.

        Args:
            kind: one of ``method generator discriminator masker loss dataset metric``.
            name: the component's name in recipes: letters, digits, ``_`` and ``-``, and no word or number
                of YAML's own, such as ``true`` and ``10``.
            target: a class, or ``"module:name"``, which is imported when the component is first used.
            paper: address of the paper that describes it, such as ``https://arxiv.org/abs/1703.10593``.

        Raises GanzooError for an unknown kind, an invalid name or target, or a name that was added before.
        """
        if kind not in KINDS:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
            raise GanzooError(f"{kind} {name!r}: a name may contain only letters, digits, '_' and '-'")
        if not is_word(name):
            raise GanzooError(f"{kind} {name!r}: in a recipe it would not be read as text; choose another name")
        if not isinstance(target, type) and not (isinstance(target, str) and all(target.partition(":"))):
            raise GanzooError(f"{kind} {name!r}: the target {target!r} is neither a class nor a string 'module:name'")
        if any((other.kind, other.name) == (kind, name) for other in self.components):
            raise GanzooError(f"{kind} {name!r} is added twice")
        self.components.append(Component(kind, name, target, self.plugin, paper, self.package))

    def add_weights(self, file: Path) -> None:
        """Add a list of files of pretrained weights; components get such a file by ``ganzoo.weights.find(name)``.

        Args:
            file: the list, a TOML file; ``ganzoo.weights.manifest.read_manifest`` describes it.

        Raises GanzooError if the list cannot be read or is invalid.
        """
        self.weights += read_manifest(file)


class Registry:
    """The components and files of pretrained weights of all loaded plugins.

    >>> registry, mine = Registry(), Registration("mine")
    >>> mine.add("loss", "l1", "mine.losses:L1")
    >>> clashes = registry.accept(mine)
    >>> [component.name for component in registry.find("loss", "l*")]
    ['l1']
    """

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        self.weights: dict[str, WeightsFile] = {}
        self.failures: dict[str, str] = {}
        """``NAME (PACKAGE)`` of each plugin that failed to load → the reason."""
        self.excluded: list[str] = []
        """Names of the plugins that GANZOO_PLUGINS excludes."""
        self.clashes: list[Clash] = []
        """The components that are left out, as another package has their names."""
        self._unnoted: list[Clash] = []

    def accept(self, registration: Registration) -> list[Clash]:
        """Add everything that a plugin registers, but the components whose names another package has: return these.

        Several plugins may list the same file of weights if they describe it identically. Raises GanzooError, and adds
        nothing, if the same package has registered a name before, or a file of weights is listed differently.
        """
        clashes = []
        for new in registration.components:
            old = self._components[new.kind].get(new.name)
            if old and old.package == new.package:
                raise GanzooError(
                    f"{new.kind} {new.name!r} of plugin {new.plugin!r} is already registered by plugin {old.plugin!r}"
                )
            if old:
                clashes.append(Clash(old, new))
        listed = dict(self.weights)
        for file in registration.weights:
            other = listed.setdefault(file.name, file)
            if other == file:
                other = next((same for same in listed.values() if same.file == file.file), file)
            if other != file:
                raise GanzooError(
                    f"weights {file.name!r} of plugin {registration.plugin!r} are already listed, but differently: "
                    f"{other.name!r}, {other.file} from {other.address}"
                )
        for component in registration.components:
            self._components[component.kind].setdefault(component.name, component)
        self.weights = listed
        self.clashes += clashes
        self._unnoted += clashes
        return clashes

    def get(self, kind: str, name: str) -> Component:
        """Return a component.

        Raises GanzooError, with a similar name, if there is no such kind or name; but MissingResourceError if a plugin
        that may have the name is not loaded.
        """
        if kind not in self._components:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        component = self._components[kind].get(name)
        if component is None:
            raise self._unknown(f"unknown {kind} {name!r}{suggest(name, self._components[kind])}")
        return component

    def take_clash(self, component: Component) -> Clash | None:
        """Return the clash about the name of a component that is used; None if there is none or it was returned."""
        clash = next((one for one in self._unnoted if one.used == component), None)
        self._unnoted = [one for one in self._unnoted if one.used != component]
        return clash

    def weights_file(self, name: str) -> WeightsFile:
        """Return the listed file of weights of this name.

        Raises UnknownWeightsError, with a similar name, if there is none; but MissingResourceError as ``get`` does.
        """
        if name not in self.weights:
            raise self._unknown(f"unknown weights {name!r}{suggest(name, self.weights)}", UnknownWeightsError)
        return self.weights[name]

    def _unknown(self, message: str, kind: type[GanzooError] = GanzooError) -> GanzooError:
        """Return the error for an unknown name; it also names the plugins that may have the name but are not loaded."""
        others = self._not_loaded()
        return MissingResourceError(message + others) if others else kind(message)

    def _not_loaded(self) -> str:
        text = ""
        if self.failures:
            text = f"; these plugins failed to load and may have it: {', '.join(sorted(self.failures))}"
        if self.excluded:
            text += f"; GANZOO_PLUGINS excludes these plugins: {', '.join(sorted(self.excluded))}"
        return text

    def with_functions(self, kind: str, functions: Collection[str]) -> list[str]:
        """Return the names of the components of a kind that have some functions, of those that can be imported."""
        names = []
        for component in self.find(kind):
            with suppress(GanzooError):
                if all(defines(component.load(), function) for function in functions):
                    names.append(component.name)
        return names

    def find(self, kind: str | None = None, pattern: str = "*") -> list[Component]:
        """Return the components whose name matches a glob pattern: kind by kind, sorted by name.

        Args:
            kind: the kind of the components; by default all kinds.
            pattern: the pattern, such as ``res*``.

        Raises GanzooError for an unknown kind.
        """
        if kind is not None and kind not in self._components:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        kinds = KINDS if kind is None else (kind,)
        return [
            component
            for each in kinds
            for name, component in sorted(self._components[each].items())
            if fnmatchcase(name, pattern)
        ]
