"""Read and check recipes, and parts that a command names; every mistake is reported with its file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, suggest
from ganzoo.interfaces import Masker, Method, Metric
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES, mask_name
from ganzoo.plugins import plugins
from ganzoo.recipe.losses import resolve_loss
from ganzoo.recipe.networks import normalize_component, slot_groups, slot_value
from ganzoo.recipe.options import Problem, check_options, options_of
from ganzoo.recipe.schema import LossUse, Part, Recipe
from ganzoo.recipe.yaml_document import Document, KeyPath, apply_overrides, read_with_base, sort_key
from ganzoo.registry import KINDS
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings

SECTIONS = ("method", "networks", "maskers", "losses", "data", "images", "train", "evaluate")


def read_recipe(file: str | Path, overrides: Iterable[str] = (), roles: Collection[str] = ROLES) -> Recipe:
    """Read and check a recipe. Raises GanzooError with one line for each mistake: ``file:line: path: what``.

    Args:
        file: the YAML file.
        overrides: ``key.path=value``.
        roles: maskers in other roles are left out, and need not be there.
    """
    path = Path(file)
    document = apply_overrides(read_with_base(path), overrides)
    reader = RecipeReader(document, roles)
    recipe = reader.recipe(path)
    if reader.problems or recipe is None:
        lines = [
            f"{document.place(one.path)}: {'.'.join(map(str, one.path)) or 'recipe'}: {one.message}"
            for one in reader.problems
        ]
        raise GanzooError("\n".join(sorted(dict.fromkeys(lines), key=sort_key)))
    return recipe


class RecipeReader:
    """Reads a document part by part, and collects problems instead of raising, so that all are told at once."""

    def __init__(self, document: Document, roles: Collection[str]) -> None:
        self.roles = roles
        self.data = document.data
        self.problems: list[Problem] = []
        self.registry = plugins().registry

    def problem(self, path: KeyPath, message: str) -> None:
        """Note a mistake."""
        self.problems.append(Problem(path, message))

    def recipe(self, file: Path) -> Recipe | None:
        """Return the whole recipe, or None where there are problems."""
        for key in self.data:
            if key not in SECTIONS:
                self.problem((key,), f"unknown key {key!r}{suggest(key, SECTIONS)}")
        method = self.required("method")
        data = self.required("dataset", "data")
        images = self.settings("images", ImageSettings)
        train = self.settings("train", TrainSettings)
        evaluate = self.settings("evaluate", EvaluateSettings, without=("metrics",))
        if evaluate and evaluate.best and not self.section("evaluate").get("metrics"):
            self.problem(("evaluate", "best"), "best needs metrics, and evaluate names none")
        scheme = self.construct(method)
        if train:
            self.length(train, scheme)
            if scheme and train.batch % scheme.group:
                said = f"the method takes images {scheme.group} at a time: give a multiple of that"
                self.problem(("train", "batch"), f"batch is {train.batch}; {said}")
        metrics = self.metrics(scheme)
        networks = self.networks(scheme)
        losses = self.losses(scheme)
        maskers = self.maskers(scheme, [tensor for part in losses.values() for tensor in part.use["of"].values()])
        if self.problems or method is None or data is None or not (images and train and evaluate):
            return None
        return Recipe(file, method, networks, maskers, losses, data, metrics, images, train, evaluate)

    def section(self, name: str) -> dict[str, Any]:
        """Return a section's mapping."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem((name,), f"{name} is {value!r}; it is a mapping")
            return {}
        return value

    def required(self, kind: str, section: str = "") -> Part | None:
        """Return the part of a section that must be there."""
        name = section or kind
        if name not in self.data:
            self.problem((), f"the key {name!r} is missing: {name}: {{{kind}: …}}")
            return None
        return self.part(self.data[name], (name,), kind)

    def settings(self, name: str, target: type[Any], without: tuple[str, ...] = ()) -> Any:
        """Return checked settings."""
        given = {key: value for key, value in self.section(name).items() if key not in without}
        checked, problems = check_options(target, given, (name,))
        self.problems += problems
        if problems:
            return None
        try:
            return target(**checked)
        except GanzooError as error:
            self.problem((name,), str(error))
            return None

    def length(self, train: TrainSettings, method: Method | None) -> None:
        """Check that a run has a length, or that there is nothing to train."""
        given = bool(train.epochs or train.steps)
        if method is not None and not method.phases and given:
            self.problem(("train",), "the method has nothing to train: leave 'epochs' and 'steps' out, or at 0")
        elif not given and (method is None or method.phases):
            self.problem(("train",), "how long? give 'epochs' or 'steps'")

    def construct(self, part: Part | None) -> Method | None:
        """Make the method, whose options may decide which slots and tensors it has."""
        if part is None:
            return None
        try:
            method: Method = part.make()
            return method
        except GanzooError as error:
            self.problem(("method",), str(error))
            return None

    def part(self, value: Any, path: KeyPath, kind: str, use: type[Any] | None = None) -> Part | None:
        """Check one component: a mapping of its kind to its name, and its options."""
        value = normalize_component(value, kind)
        if not isinstance(value, dict):
            self.problem(path, f"it is {value!r}; a {kind} is a mapping: {{{kind}: NAME, option: value, …}}")
            return None
        if kind not in value:
            others = [other for other in KINDS if other in value]
            near = [key for key in value if get_close_matches(str(key).lower(), [kind])]
            hint = f"; it names a {others[0]}" if others else f" (is it {near[0]!r} that was meant?)" if near else ""
            self.problem(path, f"the key {kind!r}, which names the component, is missing{hint}")
            return None
        try:
            component = self.registry.get(kind, value[kind]) if isinstance(value[kind], str) else None
            if component is None:
                self.problem((*path, kind), f"{kind} is {value[kind]!r}; it is a name")
                return None
            target = component.load()
        except GanzooError as error:
            self.problem((*path, kind), str(error))
            return None
        used: dict[str, Any] = {}
        problems: list[Problem] = []
        given = {key: one for key, one in value.items() if key != kind}
        wanted = [one.name for one in fields(use)] if use else []
        try:
            taken = sorted(set(wanted) & set(options_of(target)))
            if taken:
                raise GanzooError(f"its option {taken[0]!r} is one that every {kind} takes: its author must rename it")
            if use:
                used, problems = check_options(use, {key: one for key, one in given.items() if key in wanted}, path)
                given = {key: one for key, one in given.items() if key not in wanted}
            options, more = check_options(target, given, path, beside=wanted)
        except GanzooError as error:
            self.problem((*path, kind), str(error))
            return None
        self.problems += problems + more
        return None if problems or more else Part(component, options, used)

    def networks(self, method: Method | None) -> dict[str, Part]:
        """Fill the method's slots; a key such as ``G`` speaks for every slot ``G_…``."""
        section = {key: value for key, value in self.section("networks").items() if value is not None}
        if method is None:  # which slots there are is not known, but what stands here can be checked by itself
            for key, value in section.items():
                for kind in ("generator", "discriminator", "masker"):
                    if isinstance(value, dict) and kind in value:
                        self.part(value, ("networks", key), kind)
            return {}
        slots = {name: slot for name, slot in method.slots.items() if slot.kind and not slot.own}
        groups = {group for name in slots for group in slot_groups(name)}
        for key in section:
            if key not in slots and key not in groups:
                self.problem(("networks", key), f"the method has no network {key!r}{suggest(key, [*slots, *groups])}")
        found = {}
        for name, slot in slots.items():
            before = len(self.problems)
            value, origin = slot_value(section, name, slot)
            part = self.part(value, ("networks", name), slot.kind)
            self.problems[before:] = [
                Problem(origin.get(one.path[2:3], ("networks", name))[:2] + one.path[2:], one.message)
                for one in self.problems[before:]
            ]
            if part is None:
                continue
            lacking = [call for call in slot.calls if not hasattr(part.component.load(), call)]
            if lacking:
                path = (*origin.get((slot.kind,), ("networks", name)), slot.kind)
                self.problem(path, f"{part.component.name!r} cannot serve as {name}: it has no {lacking[0]}()")
            found[name] = part
        return found

    def maskers(self, method: Method | None, read: Collection[str]) -> dict[str, Part]:
        """Check the maskers; labels may be there for a loss alone, which reads their masks."""
        found = {}
        optional = [role for role, one in ROLES.items() if one.for_losses]
        wanted = [role for role in optional if any(tensor.startswith(mask_name(role, "")) for tensor in read)]
        taken = list(dict.fromkeys([*method.accepts, *wanted])) if method else []
        for role, value in self.section("maskers").items():
            path = ("maskers", role)
            if value is None:
                continue
            if role not in ROLES:
                self.problem(path, f"unknown role {role!r}{suggest(role, ROLES)}")
                continue
            if role not in self.roles:
                continue
            if method is not None and role not in taken:
                takes = ", ".join(taken) or "none"
                example = mask_name(role, "real_A")
                hint = f", unless a loss reads it: of: {{…: {example}}}" if role in optional else ""
                self.problem(path, f"the method takes no mask in the role {role!r}; it takes: {takes}{hint}")
            part = self.part(value, path, "masker", MaskTransform)
            if part is None:
                continue
            shared = self.fit(role, part, path)
            if shared:
                other = self.section("maskers").get(shared)
                chain = isinstance(other, dict) and other.get("masker") == part.component.name
                if shared == role or other is None or chain:
                    said = "which shares another's" if chain and shared != role else "and there is none"
                    self.problem(path, f"it shares the masker in the role {shared!r}, {said}")
            found[role] = part
        for role in method.requires if method else ():
            if role in self.roles and self.section("maskers").get(role) is None:
                example = f"maskers: {{{role}: {{masker: NAME}}}}"
                self.problem(("maskers",), f"the method needs a masker in the role {role!r}: {example}")
        return found

    def fit(self, role: str, part: Part, path: KeyPath) -> str:
        """Check that a masker serves a role; return the role whose masker it shares, if it does.

        It is made for that, as its options may decide what it makes.
        """
        try:
            masker: Masker = part.make()
        except GanzooError as error:
            self.problem(path, str(error))
            return ""
        planes, name = masker.planes, part.component.name
        outside = [one for one in part.use["foreground"] if not 0 <= one < planes]
        if outside:
            self.problem((*path, "foreground"), f"there is no class {outside[0]}; the masker makes {planes} planes")
        elif ROLES[role].one_plane and planes > 1 and not part.use["foreground"]:
            self.problem(path, f"the masker makes {planes} planes, the role needs one: name foreground: [classes]")
        if masker.trains and part.use["threshold"] is not None:
            self.problem((*path, "threshold"), f"no gradient passes a threshold, so that {name!r} would learn nothing")
        if masker.trains == "separate":
            self.problem(path, f"{name!r} is untrained: give it weights")
        elif masker.trains == "joint" and not ROLES[role].learnable:
            self.problem(path, f"{name!r} is trained with the generators: only the role 'composite' can teach it")
        return masker.shared_role

    def losses(self, method: Method | None) -> dict[str, Part]:
        """Return the losses, by name."""
        found = {}
        roles = [role for role, value in self.section("maskers").items() if value is not None and role in ROLES]
        for name, value in self.section("losses").items():
            path = ("losses", name)
            if value is None:
                continue
            part = self.part(value, path, "loss", LossUse)
            if part is None or method is None:
                continue
            use, problems = resolve_loss(part, path, method, roles)
            self.problems += problems
            found[name] = Part(part.component, part.options, use)
        return found

    def metrics(self, method: Method | None) -> list[Part]:
        """Return the metrics."""
        value = self.section("evaluate").get("metrics") or []
        if not isinstance(value, list):
            self.problem(("evaluate", "metrics"), f"it is {value!r}; it is a list of names or {{metric: NAME, …}}")
            return []
        parts = [self.part(one, ("evaluate", "metrics", i), "metric") for i, one in enumerate(value)]
        for i, part in enumerate(parts):
            measured: type[Metric] | None = part.component.load() if part else None
            if measured and method and not set(measured.directions) & set(method.directions):
                theirs, ours = (", ".join(one.directions) for one in (measured, method))
                self.problem(("evaluate", "metrics", i), f"it measures {theirs}, and the method translates {ours}")
        return [part for part in parts if part]


def read_masker(text: str, role: str, origin: str) -> Part:
    """Read and check a masker that a command names, as a recipe would: ``unet``, ``{masker: unet, weights: …}``.

    Args:
        text: YAML.
        role: which it is to serve.
        origin: where it is said, for the errors.

    Raises GanzooError with one line for each mistake, also for a masker that makes no mask by itself.
    """
    value = apply_overrides(Document({}, {(): origin}), [f"masker={text}"]).data["masker"]
    reader = RecipeReader(Document({}, {}), ROLES)
    part = reader.part(value, (), "masker", MaskTransform)
    if part and reader.fit(role, part, ()):
        reader.problem((), f"{part.component.name!r} hands on another role's mask; name the masker that makes it")
    if reader.problems or part is None:
        raise GanzooError("\n".join(": ".join([origin, *map(str, one.path), one.message]) for one in reader.problems))
    return part


def read_metrics(texts: Sequence[str], origin: str) -> list[Part]:
    """Read and check metrics that a command names: ``swd``, ``{metric: fd, network: resnet18}``.

    Args:
        texts: YAML, one each.
        origin: where they are said, for the errors.

    Raises GanzooError with one line for each mistake.
    """
    value = apply_overrides(Document({}, {(): origin}), [f"metrics=[{', '.join(texts)}]"]).data["metrics"]
    reader = RecipeReader(Document({"evaluate": {"metrics": value}}, {}), ROLES)
    parts = reader.metrics(None)
    if reader.problems:
        raise GanzooError(
            "\n".join(": ".join([origin, *map(str, one.path[3:]), one.message]) for one in reader.problems)
        )
    return parts
