"""Kind → name → component, with the plugin that each came from."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ganzoo.errors import GanzooError, one_line, suggest
from ganzoo.weights.manifest import WeightsFile, read_manifest

KINDS = ("method", "generator", "discriminator", "masker", "loss", "dataset", "metric")


@dataclass(frozen=True)
class Component:
    """One named implementation of a kind. ``target`` is a class, or a ``module:name`` text imported at first use."""

    kind: str
    name: str
    target: str | type
    plugin: str

    def load(self) -> type:
        """Return the class. Raises GanzooError, naming the plugin, when it cannot be imported."""
        if isinstance(self.target, type):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise GanzooError(
                f"{self.kind} {self.name!r} of plugin {self.plugin!r} cannot be imported from {self.target}: "
                + one_line(error)
            ) from error
        if not isinstance(found, type):
            raise GanzooError(f"{self.kind} {self.name!r} of plugin {self.plugin!r}: {self.target} is no class")
        return found


class Registration:
    """What one plugin adds, held back until the whole plugin has proved sound: all or nothing."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.components: list[Component] = []
        self.weights: list[WeightsFile] = []

    def add(self, kind: str, name: str, target: str | type) -> None:
        """Announce a component.

        Args:
            kind: one of ``method generator discriminator masker loss dataset metric``.
            name: what recipes call it.
            target: a class, or ``"module:name"``, which is imported only when the component is used.
        """
        if kind not in KINDS:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        if not re.fullmatch(r"[\w-]+", str(name)):
            raise GanzooError(f"{kind} {name!r}: a name is made of letters, digits, '_' and '-'")
        if not isinstance(target, type) and not all(str(target).partition(":")):
            raise GanzooError(f"{kind} {name!r}: the target {target!r} is neither a class nor a text 'module:name'")
        if any((one.kind, one.name) == (kind, name) for one in self.components):
            raise GanzooError(f"{kind} {name!r} is added twice")
        self.components.append(Component(kind, name, target, self.plugin))

    def add_weights(self, file: Path) -> None:
        """List pretrained weights that components take by ``ganzoo.weights.find(name)``.

        Args:
            file: a TOML file, see ``ganzoo.weights.manifest.read_manifest``.
        """
        self.weights += read_manifest(file)


class Registry:
    """All components of all plugins that loaded.

    >>> registry, mine = Registry(), Registration("mine")
    >>> mine.add("loss", "l1", "mine.losses:L1")
    >>> registry.accept(mine)
    >>> [one.name for one in registry.find("loss", "l*")]
    ['l1']
    """

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        self.weights: dict[str, WeightsFile] = {}
        self.failures: dict[str, str] = {}
        """Why plugins did not load, by ``name (package)``."""
        self.left_out: list[str] = []
        """Plugins that GANZOO_PLUGINS leaves out."""

    def accept(self, registration: Registration) -> None:
        """Take over what a plugin adds, or nothing: raises GanzooError when a name is taken.

        Several plugins may list the same file of weights in the same words.
        """
        for one in registration.components:
            taken = self._components[one.kind].get(one.name)
            if taken:
                raise GanzooError(
                    f"{one.kind} {one.name!r} of plugin {one.plugin!r} is already there, from plugin {taken.plugin!r}"
                )
        listed = dict(self.weights)
        for file in registration.weights:
            other = listed.setdefault(file.name, file)
            if other == file:
                other = next((one for one in listed.values() if one.file == file.file), file)
            if other != file:
                raise GanzooError(
                    f"weights {file.name!r} of plugin {registration.plugin!r} are listed already, and differently: "
                    f"{other.name!r}, {other.file} from {other.address}"
                )
        for one in registration.components:
            self._components[one.kind][one.name] = one
        self.weights = listed

    def get(self, kind: str, name: str) -> Component:
        """Return a component. Raises GanzooError with the nearest name, and the plugins that failed."""
        if kind not in self._components:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        found = self._components[kind].get(name)
        if found:
            return found
        raise GanzooError(f"unknown {kind} {name!r}{suggest(name, self._components[kind])}{self._lost()}")

    def weights_file(self, name: str) -> WeightsFile:
        """Return what is listed of a file of weights. Raises GanzooError as ``get`` does."""
        if name not in self.weights:
            raise GanzooError(f"unknown weights {name!r}{suggest(name, self.weights)}{self._lost()}")
        return self.weights[name]

    def _lost(self) -> str:
        lost = ""
        if self.failures:
            lost = f"; these plugins failed to load, and may have had it: {', '.join(sorted(self.failures))}"
        if self.left_out:
            lost += f"; GANZOO_PLUGINS leaves out these plugins: {', '.join(sorted(self.left_out))}"
        return lost

    def find(self, kind: str | None = None, pattern: str = "*") -> list[Component]:
        """Return the components of a kind (or of all) whose name fits the glob, sorted."""
        if kind is not None and kind not in self._components:
            raise GanzooError(f"unknown kind {kind!r}{suggest(kind, KINDS)}")
        kinds = KINDS if kind is None else (kind,)
        return [
            component
            for one in kinds
            for name, component in sorted(self._components[one].items())
            if fnmatchcase(name, pattern)
        ]
