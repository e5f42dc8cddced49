"""Recipe → method with its networks built, bound and named; used to train, to check and to translate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.label_maps import FAINTEST_MASK
from ganzoo.data.loader import Reader
from ganzoo.errors import GanzooError, is_out_of_memory, suggest
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric, Sample, Slot, Source, Split
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles
from ganzoo.randomness import torch_seed
from ganzoo.recipe.losses import updates_generators
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.step import Step, zeros_step

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
METRICS = "evaluate.metrics"


@dataclass(frozen=True)
class AttachedLoss:
    """An auxiliary loss and how the recipe uses it."""

    name: str
    loss: Loss
    of: Mapping[str, str]
    weight: float
    phase: str

    def term(self, step: Step, others: Mapping[str, Tensor], masks: Roles) -> Tensor:
        """Return the weighted term, in float32 whatever the autocast. Raises GanzooError when it cannot be formed."""
        if self.name in others:
            raise GanzooError(f"losses.{self.name}: the method has a term of this name; choose another")
        inputs = {}
        for key, tensor in self.of.items():
            found = masks.read(step, tensor)
            if found is None:
                raise GanzooError(f"losses.{self.name}: there is no tensor {tensor!r} here{suggest(tensor, step)}")
            inputs[key] = _precise(found)
        device = next(iter(inputs.values())).device if inputs else torch.device("cpu")
        with torch.autocast(device.type, enabled=False):
            return self.weight * self.loss(**inputs)


def build_method(recipe: Recipe, channels: Mapping[str, int]) -> Method:
    """Make the recipe's method, networks and maskers, initial weights keyed by seed and slot.

    Args:
        recipe: a checked recipe.
        channels: channels of each domain's images.
    """
    method: Method = recipe.method.make()
    absent = {domain for slot in method.slots.values() for domain in (*slot.reads, slot.writes) if domain} - set(
        channels
    )
    if absent:
        raise GanzooError(f"the method needs images of domain {min(absent)}, and the data set has none")
    networks: dict[str, nn.Module] = {}
    for name, part in recipe.networks.items():
        slot = method.slots[name]
        entering = sum(channels[domain] for domain in slot.reads)
        leaving = (channels[slot.writes],) if slot.kind == "generator" else ()
        supplied = (entering, *leaving) if slot.kind != "masker" else ()
        with _seeded(recipe.train.seed, name):
            try:
                networks[name] = part.make(*supplied)
            except GanzooError as error:
                raise GanzooError(f"networks.{name}: {error}") from None
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise GanzooError(f"networks.{name}: too large for the memory; make it narrower") from None
    method.bind(networks, build_maskers(recipe))
    for joint, role in method.masks.joint_slots().items():
        networks[joint] = method.masks.maskers[role]
        _train_jointly(method, joint)
    example = zeros_step(dict(channels), recipe.images.size)
    with torch.no_grad(), _seeded(recipe.train.seed, "setup"):
        networks.update(method.setup(example))
    missing = set(method.slots) - set(networks)
    if missing:
        raise GanzooError(
            f"the method {recipe.method.component.name!r} built no network {sorted(missing)[0]!r} in setup"
        )
    return method


def build_maskers(recipe: Recipe) -> Roles:
    """Make the recipe's maskers, frozen unless they learn; random parts of theirs are keyed by seed and role."""
    maskers: dict[str, Masker] = {}
    for role, part in recipe.maskers.items():
        maskers[role] = build_masker(part, role, recipe.train.seed)
    return Roles(maskers, {role: MaskTransform(**part.kind_options) for role, part in recipe.maskers.items()})


def build_masker(part: Part, role: str, seed: int) -> Masker:
    """Make a masker for a role, frozen unless it learns; random parts of it are keyed by seed and role."""
    with _seeded(seed, f"masker/{role}"):
        masker: Masker = part.make()
    return masker.eval().requires_grad_(bool(masker.trains))


@dataclass(frozen=True)
class NamedMasker:
    """A masker that a command names, as a recipe would.

    Args:
        name: of the component.
        options: all of its options.
        masker: built and frozen.
        transform: what is done to its masks.
    """

    name: str
    options: Mapping[str, Any]
    masker: Masker
    transform: MaskTransform


def create_masker(text: str, role: str, origin: str, seed: int = 0) -> NamedMasker:
    """Build the masker that ``text`` names as YAML: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Args:
        text: YAML.
        role: which it serves.
        origin: where the text comes from, for errors: ``--masker``.
        seed: keys its random parts.

    Raises GanzooError with one line for each mistake.
    """
    part = read_masker(text, role, origin)
    return NamedMasker(
        part.component.name, part.options, build_masker(part, role, seed), MaskTransform(**part.kind_options)
    )


def _train_jointly(method: Method, name: str) -> None:
    """Give a learning masker a slot, and have the first phase that reaches the generators train it with them."""
    turn = next((i for i, phase in enumerate(method.phases) if updates_generators(method, phase)), None)
    if turn is None:
        raise GanzooError(f"{name.replace('_', '.')}: it learns with the generators, and the method trains none")
    phase = method.phases[turn]
    optim = replace(method.optims[phase.steps[0]], slots=(name,))
    method.slots = {**method.slots, name: Slot("masker")}
    method.optims = {**method.optims, name: optim}
    with_terms = replace(
        phase,
        steps=(*phase.steps, name),
        losses=lambda step: {**phase.losses(step), **method.masks.joint_terms(step)},
    )
    method.phases = [*method.phases[:turn], with_terms, *method.phases[turn + 1 :]]


def build_metrics(recipe: Recipe, method: Method, reader: Reader) -> dict[str, Metric]:
    """Make the recipe's metrics, by name, and let each look at what it is to measure. Raises GanzooError."""
    metrics: list[Metric] = []
    for part in recipe.metrics:
        try:
            metrics.append(part.make())
        except GanzooError as error:
            raise GanzooError(f"{METRICS}: {part.component.name}: {error}") from None
        metrics[-1].bind(method, reader)
    return name_metrics(recipe.metrics, metrics)


def name_metrics(parts: Sequence[Part], metrics: Sequence[Metric]) -> dict[str, Metric]:
    """Return metrics by their parts' names; a second one of a name is called ``name (2)``."""
    found: dict[str, Metric] = {}
    for i, (part, metric) in enumerate(zip(parts, metrics, strict=True)):
        name = part.component.name
        before = sum(one.component.name == name for one in parts[:i])
        found[f"{name} ({before + 1})" if before else name] = metric
    return found


def check_provided(recipe: Recipe, method: Method, dataset: Dataset) -> None:
    """Look whether the data set gives what the method and the maskers read, and that not all of it is empty.

    Eight images of each domain and split are looked at. Raises GanzooError.
    """
    wanted = dict.fromkeys(method.reads, f"the method {recipe.method.component.name!r}")
    for role in method.masks.maskers:
        if "given" in method.masks.needs(role):
            kind = "given_labels" if role == "labels" else "given_mask"
            who = f"maskers.{role}: {recipe.maskers[role].component.name!r}"
            wanted |= {f"{kind}_{domain}": who for domain in dataset.channels}
    for name, who in wanted.items():
        plane, domain = name.removeprefix("given_").split("_")
        looked_at = {split: _some(dataset, split, domain) for split in SPLITS}
        for split, samples in looked_at.items():
            if any(getattr(sample, plane) is None for sample in samples):
                folder, suffix = f"{split.removesuffix('idation')}{domain}", "masks" if plane == "mask" else "labels"
                raise GanzooError(
                    f"{who} reads the {plane} of each image, and the data set {recipe.data.component.name!r} gives "
                    f"none for domain {domain} in {split}; folders takes them from {folder}_{suffix} beside {folder}"
                )
        planes = [getattr(sample, plane) for sample in looked_at["train"]]
        brightest = max(int(one.max()) for one in planes)
        if plane == "mask" and brightest < FAINTEST_MASK:
            raise GanzooError(
                f"{who} reads masks, and those of domain {domain} are empty: the brightest value in {len(planes)} of "
                f"them, {looked_at['train'][0].name} the first, is {brightest} of 255; foreground is 255, or any class "
                "but 0 of a palette image"
            )


def _some(dataset: Dataset, split: Split, domain: str) -> list[Sample]:
    count = dataset.count(split, domain)
    return [dataset.sample(split, domain, i * count // min(8, count)) for i in range(min(8, count))]


def attach_losses(recipe: Recipe, method: Method, reader: Reader, device: torch.device) -> list[AttachedLoss]:
    """Make the recipe's auxiliary losses, frozen, on the device; random parts of theirs are keyed by seed and name.

    Raises GanzooError for those that cannot be attached to the method.
    """
    attached = []
    for name, part in recipe.losses.items():
        with _seeded(recipe.train.seed, f"loss/{name}"):
            try:
                loss: Loss = part.make().eval().requires_grad_(False)
                loss.bind(method, reader)
            except GanzooError as error:
                raise GanzooError(f"losses.{name}: {error}") from None
        attached.append(AttachedLoss(name, loss.to(device), **part.kind_options))
    return attached


def collect_sources(method: Method, losses: Iterable[AttachedLoss], metrics: Mapping[str, Metric]) -> dict[str, Source]:
    """Return what method, losses and metrics read besides recipe and data, by its place, or name, in the recipe."""
    found = {f"method.{name}": one for name, one in method.sources.items()}
    for attached in losses:
        found |= {f"losses.{attached.name}.{name}": one for name, one in attached.loss.sources.items()}
    for label, metric in metrics.items():
        found |= {f"{METRICS}.{label}.{name}": one for name, one in metric.sources.items()}
    return found


def check_pairs(recipe: Recipe, method: Method, dataset: Dataset) -> bool:
    """Return whether images are read in pairs: for a method that learns from them, and for no other (none may leak).

    Raises GanzooError when the method needs pairs and the data set has none.
    """
    if method.paired and not dataset.paired:
        raise GanzooError(
            f"the method {recipe.method.component.name!r} learns from pairs, and the data set "
            f"{recipe.data.component.name!r} has none: use data: {{dataset: paired, …}}"
        )
    return method.paired


def _precise(tensor: Tensor) -> Tensor:
    low = tensor.dtype in (torch.bfloat16, torch.float16)
    return tensor.float() if low else tensor


class _seeded:  # noqa: N801
    """Seed torch for the time of a block, so that a network's weights depend on the seed and its name alone."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed = torch_seed(seed, "init", name)
        self.fork = torch.random.fork_rng(devices=[])

    def __enter__(self) -> None:
        self.fork.__enter__()
        torch.default_generator.manual_seed(self.seed)

    def __exit__(self, *problem: object) -> None:
        self.fork.__exit__(None, None, None)
