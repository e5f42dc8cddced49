"""Build what a recipe describes: data, method, networks, maskers, losses, metrics, engine; every command uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from ganzoo.data.label_maps import FAINTEST_MASK
from ganzoo.data.loader import Reader
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.data.types import OTHER
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError, is_out_of_memory
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric, Sample, Slot, Source, Split
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES, Roles
from ganzoo.randomness import torch_seed
from ganzoo.recipe.losses import updates_generators
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.step import zeros_step

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
METRICS = "evaluate.metrics"
PROVIDED = {f"given_{plane}_{domain}": (plane, domain) for plane in ("mask", "labels") for domain in OTHER}
"""Tensor of a batch → the plane of a sample that it holds, and its domain."""


class Experiment:
    """The objects that a recipe describes, each built when it is first asked for, after those that it needs.

    A command takes what it uses: ``translate`` the method, ``masks`` the maskers, ``evaluate`` the engine
    and the metrics, ``check`` and ``run`` all of it.

    Args:
        recipe: a checked recipe.
        accelerator: of this process; only the engine, the losses and the sampler need it.
        channels: channels of each domain's images, where there is no data set to ask.
        training: also build what training alone needs: losses, and what the method prepares.

    Raises GanzooError, at the first use of a part, for what is missing or does not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator | None = None,
        *,
        channels: Mapping[str, int] | None = None,
        training: bool = False,
    ) -> None:
        self.recipe = recipe
        self._accelerator = accelerator
        self._channels = channels
        self.training = training

    @property
    def accelerator(self) -> Accelerator:
        """Accelerate's object of this process."""
        if self._accelerator is None:
            self._accelerator = start_accelerator()
        return self._accelerator

    @cached_property
    def dataset(self) -> Dataset:
        """The data set."""
        dataset: Dataset = self.recipe.data.make()
        return dataset

    @cached_property
    def method(self) -> Method:
        """The method, with networks and maskers built and bound, and what it reads of the data set checked."""
        if self._channels is not None:
            return build_method(self.recipe, self._channels)
        method = build_method(self.recipe, self.dataset.channels)
        check_pairs(self.recipe, method, self.dataset)
        check_provided(self.recipe, method, self.dataset)
        return method

    @cached_property
    def maskers(self) -> Roles:
        """The recipe's maskers alone, without networks."""
        return build_maskers(self.recipe)

    @property
    def paired(self) -> bool:
        """Whether images are read in pairs: for a method that learns from pairs, and for no other (none may leak)."""
        return self.method.paired

    @cached_property
    def reader(self) -> Reader:
        """The reader of images, for a method that trains or measures."""
        return Reader(self.dataset, self.recipe.images, self.paired)

    @cached_property
    def sampler(self) -> Sampler:
        """The order of the training images."""
        train, accelerator = self.recipe.train, self.accelerator
        return Sampler(
            image_counts(self.dataset, "train"),
            self.paired,
            train.batch,
            train.accumulate,
            accelerator.num_processes,
            accelerator.process_index,
            train.seed,
        )

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        train = self.recipe.train
        return train.steps or train.epochs * self.sampler.steps_per_epoch

    @cached_property
    def losses(self) -> list[AttachedLoss]:
        """The auxiliary losses, attached to the method, once the method is prepared; none unless ``training``."""
        if not self.training:
            return []
        self.method.prepare(self.reader)
        return attach_losses(self.recipe, self.method, self.reader, self.accelerator.device)

    @cached_property
    def engine(self) -> Engine:
        """The engine, with the networks on its device."""
        train = self.recipe.train
        return Engine(
            self.method, self.accelerator, losses=self.losses, lr=train.lr, precision=train.precision, ema=train.ema
        )

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name, bound to the method and the reader."""
        return build_metrics(self.recipe, self.method, self.reader)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """What method, losses and metrics read besides recipe and data, by its place in the recipe."""
        return collect_sources(self.method, self.losses, self.metrics)


def build_method(recipe: Recipe, channels: Mapping[str, int]) -> Method:
    """Build the recipe's method, networks and maskers, initial weights keyed by seed and slot.

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
            who = f"maskers.{role}: {recipe.maskers[role].component.name!r}"
            wanted |= {f"given_{ROLES[role].provided}_{domain}": who for domain in dataset.channels}
    for name, who in wanted.items():
        plane, domain = PROVIDED[name]
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


def check_pairs(recipe: Recipe, method: Method, dataset: Dataset) -> None:
    """Raise GanzooError when the method learns from pairs and the data set has none."""
    if method.paired and not dataset.paired:
        raise GanzooError(
            f"the method {recipe.method.component.name!r} learns from pairs, and the data set "
            f"{recipe.data.component.name!r} has none: use data: {{dataset: paired, …}}"
        )


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
