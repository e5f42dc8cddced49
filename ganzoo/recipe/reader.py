"""Read and check recipes, and components that a command line names; report every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganzoo.contracts.declaration import declaration_errors
from ganzoo.contracts.signatures import defines
from ganzoo.errors import GanzooError, suggest
from ganzoo.interfaces import Masker, Method, Metric, Slot
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES, mask_name
from ganzoo.plugins import plugins
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.losses import resolve_loss
from ganzoo.recipe.networks import normalize_component, slot_groups, slot_value
from ganzoo.recipe.options import Problem, check_options, check_part, find_component
from ganzoo.recipe.quick_check import SETTINGS, document_error, read_document, unknown_sections
from ganzoo.recipe.schema import LossAttachment, Part, Recipe
from ganzoo.recipe.yaml_document import COMMAND_LINE, Document, KeyPath
from ganzoo.registry import Component
from ganzoo.settings import TrainSettings


def read_recipe(
    file: str | Path,
    overrides: Iterable[str] = (),
    roles: Collection[str] = ROLES,
    *,
    demo: bool = False,
    for_translation: bool = False,
) -> Recipe:
    """Read a recipe with its bases, check it, and return it.

    Raises GanzooError with one line for each mistake, ``file:line: path: message``; it is a MissingResourceError if
    all mistakes are that this machine lacks something.

    Args:
        file: the YAML file.
        overrides: changes of the recipe, each written as ``key.path=value``.
        roles: the mask roles to read; maskers in other roles are ignored, and need not be installed.
        demo: whether the recipe's section ``demo`` is merged over it.
        for_translation: whether losses and metrics are left out, so that masks which only they read are accepted.
    """
    path = Path(file)
    document, _ = read_document(path, overrides, demo=demo)
    reader = RecipeReader(document, roles, for_translation)
    recipe = reader.read(path)
    if reader.problems or recipe is None:
        raise document_error(document, reader.problems)
    return recipe


class RecipeReader:
    """Checks a recipe's document part by part, and collects all mistakes in the list ``problems``.

    Args:
        document: the recipe's data, with the place of each key.
        roles, for_translation: see ``read_recipe``.
    """

    def __init__(self, document: Document, roles: Collection[str], for_translation: bool = False) -> None:
        self.document = document
        self.data = document.data
        self.files = document.files
        self.roles = roles
        self.for_translation = for_translation
        self.registry = plugins().registry
        self.problems: list[Problem] = []

    def add_problem(self, path: KeyPath, problem: str | GanzooError) -> None:
        """Add a mistake to ``problems``: its path in the recipe, and its message or the error that describes it."""
        self.problems.append(Problem.of(path, problem))

    def read(self, file: Path) -> Recipe | None:
        """Check the whole document; return the recipe, named after ``file``, or None if there are ``problems``."""
        self.problems += unknown_sections(self.document)
        method_part = self.read_required("method", "method")
        data = self.read_required("data", "dataset")
        images, train, evaluate = (self.read_settings(section) for section in SETTINGS)
        if evaluate and evaluate.best and not self.section("evaluate").get("metrics"):
            self.add_problem(("evaluate", "best"), "best needs a metric: add one to evaluate.metrics")
        if train and evaluate and train.lr_policy == "plateau" and not evaluate.best:
            needs = "lr_policy: plateau follows the value of evaluate.best: set it, such as best: min VALUE"
            self.add_problem(("train", "lr_policy"), needs)
        method = self.construct(method_part, ("method",))
        if train and (method is not None or method_part is None):  # a method that fails may have nothing to train
            self.check_length(train, method)
            self.check_batch(train, method)
        metrics = self.read_metrics(method)
        networks = self.read_networks(method)
        losses = self.read_losses(method)
        maskers = self.read_maskers(method, losses.values(), metrics)
        if self.problems or method_part is None or data is None or not (images and train and evaluate):
            return None
        return Recipe(
            file, method_part, networks, maskers, losses, data, metrics, images, train, evaluate, files=self.files
        )

    def section(self, name: str) -> dict[str, Any]:
        """Return a section's mapping, or an empty one if there is none; add a problem if it is not a mapping."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.add_problem((name,), f"{name} is {value!r}; it must be a mapping")
            return {}
        return value

    def read_settings(self, name: str) -> Any:
        """Return a section of ``SETTINGS`` as an object of its class; None if it has problems."""
        settings_class, ignore = SETTINGS[name]
        values = {key: value for key, value in self.section(name).items() if key not in ignore}
        checked, problems = check_options(settings_class, values, (name,), also_known=ignore)
        self.problems += problems
        if problems:
            return None
        try:
            return settings_class(**checked)
        except GanzooError as error:
            # a mistake of several options together is reported at one of them, if possible at that of the command line
            involved = [(name, key) for key in values if re.search(rf"\b{key}\b", str(error))]
            typed = [path for path in involved if self.document.place(path).startswith(COMMAND_LINE)]
            self.add_problem(next(iter([*typed, *involved]), (name,)), str(error))
            return None

    def read_required(self, section: str, kind: str) -> Part | None:
        """Return the component of a section that every recipe must have; None if it is missing or has problems."""
        if section not in self.data:
            self.add_problem((), f"the key {section!r} is missing: {section}: {{{kind}: …}}")
            return None
        return self.read_part(self.data[section], (section,), kind)

    def read_part(self, value: Any, path: KeyPath, kind: str, kind_options: type[Any] | None = None) -> Part | None:
        """Check one component and its options; return it, or None if it has problems.

        Args:
            value: the component's name, or a mapping from its kind to its name that also has its options.
            path: the component's place in the recipe.
            kind: the component's kind, such as ``generator``.
            kind_options: a dataclass of options that every component of this kind takes besides its own.
        """
        value = normalize_component(value, kind)
        component = find_component(self.registry, value, path, kind)
        if isinstance(component, Problem):
            self.problems.append(component)
            return None
        if not self._is_declared(component, (*path, kind)):
            return None
        values = {key: option for key, option in value.items() if key != kind}
        part, problems = check_part(self.registry, component, values, path, kind_options)
        self.problems += problems
        inner = [self._is_declared(one.component, path) for one in part.inner()] if part else []
        return part if all(inner) else None

    def _is_declared(self, component: Component, path: KeyPath) -> bool:
        """Return whether a component's class declares what its kind must; add a problem for each mistake."""
        mistakes = declaration_errors(component.origin)
        for mistake in mistakes:
            self.add_problem(path, mistake)
        return not mistakes

    def construct(self, part: Part | None, path: KeyPath) -> Any:
        """Construct and return a method or masker; None if ``part`` is None or if that fails, which adds a problem."""
        if part is None:
            return None
        try:
            return part.make()
        except GanzooError as error:
            self.add_problem(path, error)
            return None

    def check_length(self, train: TrainSettings, method: Method | None) -> None:
        """Add a problem if the length is missing, or if it or ``start`` is set but the method has nothing to train.

        With ``start`` no length is needed: the run measures the networks as they are.
        """
        has_length = bool(train.epochs or train.steps)
        if method is not None and not method.phases and has_length:
            message = "the method has nothing to train: remove 'epochs' and 'steps', or set them to 0"
            self.add_problem(("train",), message)
        elif not has_length and not train.start and (method is None or method.phases):
            self.add_problem(("train",), "missing training length: set 'epochs' or 'steps'")
        if train.start and method is not None and not method.phases:
            self.add_problem(("train", "start"), "the method has nothing to train: remove it")

    def check_batch(self, train: TrainSettings, method: Method | None) -> None:
        """Add a problem if the batch is no multiple of the number of images that the method processes together."""
        if method is not None and train.batch % method.group:
            message = f"batch is {train.batch}, but the method processes images in groups of {method.group}: use a "
            self.add_problem(("train", "batch"), f"{message}multiple of {method.group}")

    def read_networks(self, method: Method | None) -> dict[str, Part]:
        """Return slot → network for the slots whose network a recipe chooses; networks with problems are left out.

        A key such as ``G`` applies to every slot ``G_…``. Without a valid method the networks are checked one by one,
        and the result is empty.
        """
        section = {key: value for key, value in self.section("networks").items() if value is not None}
        if method is None:
            self._check_networks_alone(section)
            return {}
        slots = {name: slot for name, slot in method.slots.items() if slot.kind and not slot.own}
        groups = {group for name in slots for group in slot_groups(name)}
        for key in section:
            if key not in slots and key not in groups:
                message = f"the method has no network {key!r}{suggest(key, [*slots, *groups])}"
                self.add_problem(("networks", key), message)
        networks = {}
        used: set[KeyPath] = set()
        for name, slot in slots.items():
            value, origin = slot_value(section, name, slot)
            used |= {(*entry, *option) for option, entry in origin.items()}
            already_reported = len(self.problems)
            part = self.read_part(value, ("networks", name), slot.kind, _shared_options(slot.kind))
            missing = [one for one in slot.calls if part and not defines(part.component.load(), one)]
            if part and missing:
                serve = ", ".join(self.registry.with_functions(slot.kind, slot.calls)) or "none"
                message = f"cannot serve as {name}: its class defines no {missing[0]}(); those that can: {serve}"
                self.add_problem(("networks", name, slot.kind), f"{part.component.name!r} {message}")
            self.problems[already_reported:] = [
                self._blame(problem, name, slot, origin) for problem in self.problems[already_reported:]
            ]
            if part:
                networks[name] = part
        self._refuse_without_effect(section, groups, used)
        return networks

    def _refuse_without_effect(self, section: dict[str, Any], groups: set[str], used: set[KeyPath]) -> None:
        """Add a problem for each option that the command line sets for a group, if all its slots have their own."""
        for group in groups & section.keys():
            slots = [key for key in section if key.startswith(f"{group}_")]
            options = section[group] if isinstance(section[group], dict) else {}
            paths: list[KeyPath] = [("networks", group, option) for option in options]
            for path in paths or [("networks", group)]:
                typed = self.document.place(path).startswith(COMMAND_LINE)
                if typed and slots and not any(one[: len(path)] == path for one in used):
                    own = ", ".join(".".join(map(str, ("networks", slot, *path[2:]))) for slot in slots)
                    self.add_problem(path, f"it has no effect, as each network has its own: override {own}")

    def _blame(self, problem: Problem, name: str, slot: Slot, set_by: Mapping[KeyPath, KeyPath]) -> Problem:
        """Return a problem of a slot's network with the place of the key that caused it, which may be a group's.

        If the recipe does not set it, the slot's default is wrong, which is a mistake of the method's author.
        """
        key = problem.path[2:3] or (slot.kind,)
        if key in set_by or problem.of_author or not slot.default:
            return replace(problem, path=set_by.get(key, ("networks", name))[:2] + problem.path[2:])
        method = self.registry.get("method", normalize_component(self.data["method"], "method")["method"])
        error = method.origin.mistake(f"the default of its slot {name!r}: {problem.message}", "__init__")
        return Problem(("method",), str(error), problem.missing, not problem.missing)

    def _check_networks_alone(self, section: dict[str, Any]) -> None:
        """Check each network that states its kind, if the method is not valid and its slots are therefore unknown."""
        for key, value in section.items():
            for kind in ("generator", "discriminator", "masker"):
                if isinstance(value, dict) and kind in value:
                    self.read_part(value, ("networks", key), kind, _shared_options(kind))

    def read_maskers(
        self, method: Method | None, losses: Collection[Part], metrics: Collection[Part]
    ) -> dict[str, Part]:
        """Return role → masker; a masker with invalid options is left out.

        Adds a problem for a masker that the method or the role does not accept, and for a role that the method requires
        but that has no masker.

        Args:
            method: the method, or None if it is not valid.
            losses: the recipe's losses.
            metrics: the recipe's metrics. If a loss or a metric reads masks in a role such as ``labels``, no method is
                required to take them.
        """
        maskers = {}
        tensors = [tensor for part in losses for tensor in part.kind_options["of"].values()]
        measured_by: list[type[Metric]] = [part.component.load() for part in metrics]
        by_metrics = {role for metric in measured_by for role in metric.reads_masks}
        readable = [role for role, description in ROLES.items() if description.readable]
        read = [
            role
            for role in readable
            if self.for_translation or role in by_metrics or any(one.startswith(mask_name(role, "")) for one in tensors)
        ]
        accepted = list(dict.fromkeys([*method.accepts, *read])) if method else []
        for role, value in self.section("maskers").items():
            path = ("maskers", role)
            if value is None:
                continue
            if role not in ROLES:
                self.add_problem(path, f"unknown role {role!r}{suggest(role, ROLES)}")
                continue
            if role not in self.roles:
                continue
            if method is not None and role not in accepted:
                names = ", ".join(accepted) or "none"
                example = mask_name(role, "real_A")
                hint = f", unless a loss reads it (of: {{…: {example}}}) or a metric does" if role in readable else ""
                self.add_problem(path, f"the method takes no mask in the role {role!r}; it takes: {names}{hint}")
            part = self.read_part(value, path, "masker", MaskTransform)
            if part is None:
                continue
            masker = self.check_masker_fits(role, part, path)
            if masker is not None and masker.shared_role:
                self._check_shared(role, masker.shared_role, part, path)
            maskers[role] = part
        for role in method.requires if method else ():
            if role in self.roles and self.section("maskers").get(role) is None:
                example = f"maskers: {{{role}: {{masker: NAME}}}}"
                self.add_problem(("maskers",), f"the method needs a masker in the role {role!r}: {example}")
        return maskers

    def check_masker_fits(self, role: str, part: Part, path: KeyPath) -> Masker | None:
        """Construct a masker and return it, or None if that fails; add a problem if it cannot be used in the role."""
        masker: Masker | None = self.construct(part, path)
        if masker is None:
            return None
        planes, name, foreground = masker.planes, part.component.name, part.kind_options["foreground"]
        unknown = [number for number in foreground if not 0 <= number < planes]
        if unknown:
            message = f"there is no class {unknown[0]}; the masker makes {planes} planes"
            self.add_problem((*path, "foreground"), message)
        elif ROLES[role].one_plane and planes > 1 and not foreground:
            self.add_problem(path, f"the masker makes {planes} planes, the role needs one: set foreground: [classes]")
        if ROLES[role].provided == "labels" and masker.needs == ("given",) and not any(part.inner()):
            for option, value in part.kind_options.items():
                if value != getattr(MaskTransform, option):
                    message = "its masks are label maps, whose pixels are classes and no mask's values: remove it"
                    self.add_problem((*path, option), message)
        if masker.trains and part.kind_options["threshold"] is not None:
            message = f"{name!r} is trained, and no gradient passes a threshold: remove it"
            self.add_problem((*path, "threshold"), message)
        if masker.trains == "separate":
            author = f"{name!r} has weights, and still is to be trained: its constructor must set trains to ''"
            self.add_problem(path, author if part.options.get("weights") else f"{name!r} is untrained: give it weights")
        elif masker.trains == "joint" and not ROLES[role].learnable:
            learnable = " or ".join(repr(other) for other, description in ROLES.items() if description.learnable)
            message = f"{name!r} is trained with the generators, which works only in the role {learnable}"
            self.add_problem(path, message)
        return masker

    def _check_shared(self, role: str, shared_role: str, part: Part, path: KeyPath) -> None:
        """Add a problem if a masker shares the masker of a role that has none, or that itself shares another one."""
        other = self.section("maskers").get(shared_role)
        if shared_role == role or other is None:
            self.add_problem(path, f"it shares the masker in the role {shared_role!r}, and there is none")
        elif isinstance(other, dict) and other.get("masker") == part.component.name:
            message = f"it shares the masker in the role {shared_role!r}, which itself shares another role's masker"
            self.add_problem(path, message)

    def read_losses(self, method: Method | None) -> dict[str, Part]:
        """Return name → loss, whose ``kind_options`` say how it is attached to the method.

        A loss with invalid options is left out. Without a valid method only the options are checked, and the result is
        empty.
        """
        losses = {}
        roles = [role for role, value in self.section("maskers").items() if value is not None and role in ROLES]
        for name, value in self.section("losses").items():
            path = ("losses", name)
            if value is None:
                continue
            part = self.read_part(value, path, "loss", LossAttachment)
            if part is None or method is None:
                continue
            attachment, problems = resolve_loss(part, path, method, roles)
            self.problems += problems
            losses[name] = Part(part.component, part.options, attachment)
        return losses

    def read_metrics(self, method: Method | None) -> list[Part]:
        """Return the metrics in ``evaluate.metrics``; a metric with invalid options is left out.

        Adds a problem for a metric that measures none of the method's directions.
        """
        values = self.section("evaluate").get("metrics") or []
        if not isinstance(values, list):
            message = f"it is {values!r}; it must be a list of names or {{metric: NAME, …}}"
            self.add_problem(("evaluate", "metrics"), message)
            return []
        metrics = []
        for i, value in enumerate(values):
            path = ("evaluate", "metrics", i)
            part = self.read_part(value, path, "metric")
            if part is None:
                continue
            metric: type[Metric] = part.component.load()
            if method and not set(metric.directions) & set(method.directions):
                measured, translated = ", ".join(metric.directions), ", ".join(method.directions)
                self.add_problem(path, f"it measures {measured}, and the method translates {translated}")
            metrics.append(part)
        return metrics


def _shared_options(kind: str) -> type[DiscriminatorOptions] | None:
    """Return the options that every network of a kind takes besides its own; None if there are none."""
    return DiscriminatorOptions if kind == "discriminator" else None
