"""Build the parts of a recipe: data, method, networks, maskers, losses, metrics, engine. All commands use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property

import torch
from accelerate import Accelerator
from torch import nn

from ganzoo.contracts.blame import catch_component_errors
from ganzoo.contracts.dataset import check_dataset, read_sample
from ganzoo.contracts.describe import describe
from ganzoo.contracts.method import check_trained
from ganzoo.contracts.method_results import check_networks
from ganzoo.contracts.metric import check_metric
from ganzoo.contracts.origin import Origin
from ganzoo.data.label_maps import FAINTEST_MASK
from ganzoo.data.loader import Reader
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.data.types import OTHER, SPLITS
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.discriminators.build import build_views
from ganzoo.engine.discriminators.spectral_norm import add_spectral_norm
from ganzoo.engine.discriminators.view import View
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.engine import Engine
from ganzoo.engine.joint_training import train_jointly, train_masker
from ganzoo.errors import GanzooError, OutOfMemoryError, is_out_of_memory, prefix_errors
from ganzoo.interfaces import Dataset, Loss, Method, Metric, Sample, Slot, Source, Split
from ganzoo.masks.roles import ROLES, Roles
from ganzoo.recipe.losses import loss_slot
from ganzoo.recipe.maskers import build_maskers
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.step import zeros_step
from ganzoo.utils.seeded import seeded
from ganzoo.weights.initial import without_initial_weights

METRICS = "evaluate.metrics"
NAME = re.compile(r"[\w.-]+", re.ASCII)
"""A name that can be a part of a file's name."""
PROVIDED = {f"given_{plane}_{domain}": (plane, domain) for plane in ("mask", "labels") for domain in OTHER}
"""Name of a tensor that a data set may provide → the attribute of ``Sample`` that it comes from, and the domain."""


class Experiment:
    """The parts of a recipe; each is built at first use, after the parts that it needs.

    A command uses the parts that it needs: ``translate`` the method, ``masks`` the maskers, ``evaluate`` the engine
    and the metrics, ``check`` and ``run`` all parts.

    Args:
        recipe: a checked recipe.
        accelerator: this process's accelerator, which the engine, the losses and the sampler need; by default it is
            created at its first use.
        channels: domain → number of channels of its images; by default those of the data set, which is then read.
        training: whether ``losses`` has the recipe's losses, and the method is prepared for training before.
        trained: whether a checkpoint's weights will replace those of all networks, so that pretrained ones with which
            they began are not read.

    Raises GanzooError, at the first use of a part, if something is missing or does not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator | None = None,
        *,
        channels: Mapping[str, int] | None = None,
        training: bool = False,
        trained: bool = False,
    ) -> None:
        self.recipe = recipe
        self._accelerator = accelerator
        self._channels = channels
        self.training = training
        self.trained = trained

    @property
    def accelerator(self) -> Accelerator:
        """The ``Accelerator`` of this process, created at the first use if the constructor got none."""
        if self._accelerator is None:
            self._accelerator = start_accelerator()
        return self._accelerator

    @cached_property
    def dataset(self) -> Dataset:
        """The recipe's data set, after a check of what it declares."""
        return build_dataset(self.recipe.data)

    @cached_property
    def method(self) -> Method:
        """The method, bound to its networks and maskers.

        Without ``channels`` it is also checked that the data set has the pairs, masks and labels that are read.
        """
        with without_initial_weights() if self.trained else nullcontext():
            method = build_method(self.recipe, self.dataset.channels if self._channels is None else self._channels)
        if self._channels is not None:
            return method
        check_pairs(self.recipe, method, self.dataset)
        check_provided(self.recipe, method, self.dataset)
        return method

    @cached_property
    def maskers(self) -> Roles:
        """The recipe's maskers alone, without networks."""
        return build_maskers(self.recipe)

    @property
    def paired(self) -> bool:
        """Whether image i of A is always read together with image i of B: only if the method learns from pairs."""
        return self.method.paired

    @cached_property
    def reader(self) -> Reader:
        """The reader of images for training and evaluation."""
        return Reader(self.dataset, self.recipe.images, self.paired, origin=self.recipe.data.component.origin)

    @cached_property
    def sampler(self) -> Sampler:
        """The order of the training images. Raises GanzooError if a domain has fewer images than one step needs."""
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
        """The run's length in steps; 0 if nothing is trained."""
        train = self.recipe.train
        return train.steps or train.epochs * self.sampler.steps_per_epoch

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """Place in the recipe → where the component comes from, of the parts that a training step runs."""
        return step_origins(self.recipe)

    @cached_property
    def losses(self) -> list[AttachedLoss]:
        """The auxiliary losses, empty unless ``training``; first the method is prepared for training (``prepare``)."""
        if not self.training:
            return []
        with self.origins["method"].catch("prepare"):
            self.method.prepare(self.reader)
        return attach_losses(self.recipe, self.method, self.reader, self.accelerator.device)

    @cached_property
    def engine(self) -> Engine:
        """The engine, with the networks on its device."""
        train = self.recipe.train
        return Engine(
            self.method,
            self.accelerator,
            losses=self.losses,
            views=build_views(self.recipe, self.method, self.dataset) if self.training else {},
            lr=train.lr,
            precision=train.precision,
            ema=train.ema,
            size=self.recipe.images.shape,
            compile=self.training and train.compile,
            checkpointing=self.training and train.checkpointing,
            training=self.training,
            origins=self.origins,
        )

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name, after their check of the method and the data (``Metric.bind``)."""
        return build_metrics(self.recipe.metrics, self.method, self.reader)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Place in the recipe → a file that the method, a loss or a metric reads besides the recipe and the data."""
        return collect_sources(self.method, self.losses, self.metrics)


def build_dataset(part: Part) -> Dataset:
    """Return a recipe's data set, after a check of what it declares. Raises GanzooError if it cannot be built."""
    dataset: Dataset = part.make(place="data")
    check_dataset(dataset, part.component.origin)
    return dataset


def step_origins(recipe: Recipe) -> dict[str, Origin]:
    """Return where the components of a training step come from, by place: ``method``, ``networks.G_AB``, ….

    Those inside another one have its place and a number.
    """
    parts = {f"networks.{name}": part for name, part in recipe.networks.items()}
    parts |= {f"maskers.{name}": part for name, part in recipe.maskers.items()}
    parts |= {f"losses.{name}": part for name, part in recipe.losses.items()}
    parts |= {f"{place} {i}": one for place, part in parts.items() for i, one in enumerate(part.inner())}
    return {place: part.component.origin for place, part in {"method": recipe.method, **parts}.items()}


def build_method(recipe: Recipe, channels: Mapping[str, int]) -> Method:
    """Return the recipe's method, bound to its new networks and maskers.

    A network's initial weights depend only on the seed and the network's slot.

    Args:
        recipe: a checked recipe.
        channels: domain → number of channels of its images.

    Raises GanzooError if the method needs a domain without images, or if a network or masker cannot be built.
    """
    method: Method = recipe.method.make()
    origins = step_origins(recipe)
    origin = origins["method"]
    absent = {domain for slot in method.slots.values() for domain in (*slot.reads, slot.writes) if domain} - set(
        channels
    )
    if absent:
        first = min(absent)
        raise GanzooError(
            f"the method needs images of domain {first}, but the data set has none; add some (data.{first}), or choose "
            "a method for one domain"
        )
    networks: dict[str, nn.Module] = {}
    for name, part in recipe.networks.items():
        slot = method.slots[name]
        in_channels = sum(channels[domain] for domain in slot.reads)
        out_channels = (channels[slot.writes],) if slot.kind == "generator" else ()
        provided = (in_channels, *out_channels) if slot.kind != "masker" else ()
        with seeded(recipe.train.seed, name):
            try:
                with prefix_errors(f"networks.{name}"):
                    networks[name] = part.make(*provided)
                    if part.kind_options.get("spectral_norm"):
                        add_spectral_norm(networks[name])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise OutOfMemoryError(f"networks.{name}: too large for the memory; reduce its width") from None
    with origin.catch("bind"):
        method.bind(networks, build_maskers(recipe))
    for joint, role in method.masks.joint_slots().items():
        networks[joint] = method.masks.maskers[role]
        train_masker(method, joint)
    example = zeros_step(dict(channels), recipe.images.shape)
    with (
        torch.no_grad(),
        seeded(recipe.train.seed, "setup"),
        catch_component_errors(origins.values(), origin, "setup"),
    ):
        own = method.setup(example)
    networks.update(check_networks(own, method.slots, origin))
    missing = set(method.slots) - set(networks)
    if missing:
        raise origin.refuse("setup", f"no network {min(missing)!r}", "one for each slot that it builds itself")
    trainable = [name for name in method.slots if any(one.requires_grad for one in networks[name].parameters())]
    check_trained(method, trainable, origin)
    return method


def build_metrics(parts: Sequence[Part], method: Method, reader: Reader) -> dict[str, Metric]:
    """Return metrics by the names of their components; a second metric of the same name is called ``NAME (2)``.

    Raises GanzooError if a metric cannot be built, does not fit the method or the data, or declares something wrong.
    """
    metrics: dict[str, Metric] = {}
    for name, part in name_parts(parts).items():
        with prefix_errors(f"{METRICS}: {part.component.name}"):
            metric: Metric = part.make()
        origin = part.component.origin
        with origin.catch("bind"):
            metric.bind(method, reader)
        check_metric(metric, Metric, origin)
        metrics[name] = metric
    return metrics


def name_parts(parts: Sequence[Part]) -> dict[str, Part]:
    """Return parts by the names of their components; a second one of the same name is called ``NAME (2)``."""
    named: dict[str, Part] = {}
    for part in parts:
        name = part.component.name
        before = sum(one.component.name == name for one in named.values())
        named[f"{name} ({before + 1})" if before else name] = part
    return named


def metric_origins(parts: Sequence[Part]) -> dict[str, Origin]:
    """Return where metrics come from, by the names that ``build_metrics`` gives them."""
    return {name: part.component.origin for name, part in name_parts(parts).items()}


def check_provided(recipe: Recipe, method: Method, dataset: Dataset) -> None:
    """Check that the data set has the masks and labels that the method and its maskers read.

    Only up to eight images of each split and domain are checked. Raises GanzooError if one of them lacks its mask or
    labels, or if all of the checked training masks of a domain are empty (see ``FAINTEST_MASK``).
    """
    wanted = dict.fromkeys(method.reads, f"the method {recipe.method.component.name!r}")
    for role in method.masks.maskers:
        if "given" in method.masks.needs(role):
            component = f"maskers.{role}: {recipe.maskers[role].component.name!r}"
            wanted |= {f"given_{ROLES[role].provided}_{domain}": component for domain in dataset.channels}
    for name, component in wanted.items():
        plane, domain = PROVIDED[name]
        samples_of = {split: _some_samples(recipe.data, dataset, split, domain) for split in SPLITS}
        for split, samples in samples_of.items():
            if any(getattr(sample, plane) is None for sample in samples):
                folder, suffix = f"{split.removesuffix('idation')}{domain}", "masks" if plane == "mask" else "labels"
                raise GanzooError(
                    f"{component} reads the {plane} of each image, but the data set {recipe.data.component.name!r} has "
                    f"none for domain {domain} in {split}; folders reads them from {folder}_{suffix} beside {folder}"
                )
        planes = [getattr(sample, plane) for sample in samples_of["train"]]
        if not planes:
            continue  # the sampler reports a domain without training images
        brightest = max(int(one.max()) for one in planes)
        if plane == "mask" and brightest < FAINTEST_MASK:
            raise GanzooError(
                f"{component} reads masks, but those of domain {domain} are empty: the largest value in {len(planes)} "
                f"of them, from {samples_of['train'][0].name} on, is {brightest} of 255; foreground is 255, or any "
                "class except 0 of a palette image"
            )


def _some_samples(part: Part, dataset: Dataset, split: Split, domain: str) -> list[Sample]:
    count, origin = dataset.count(split, domain), part.component.origin
    return [read_sample(dataset, origin, split, domain, i * count // min(8, count)) for i in range(min(8, count))]


def attach_losses(recipe: Recipe, method: Method, reader: Reader, device: torch.device) -> list[AttachedLoss]:
    """Return the recipe's auxiliary losses, in eval mode and with frozen parameters, on the device.

    Random weights depend only on the seed and the loss's name in the recipe. A loss that has a network to train adds it
    to the method, in the slot ``loss_NAME``. Raises GanzooError if a loss cannot be built, or does not fit the method
    or the data.
    """
    attached = []
    for name, part in recipe.losses.items():
        with seeded(recipe.train.seed, f"loss/{name}"), prefix_errors(f"losses.{name}"):
            loss: Loss = part.make(place=f"losses.{name}").eval()
            flags = {id(one): one.requires_grad for one in loss.parameters()}
            loss.requires_grad_(False)
            loss.of = part.kind_options["of"]
            with part.component.origin.catch("bind"):
                loss.bind(method, reader)
            with part.component.origin.catch("trained"):
                network: object = loss.trained()
            if network is not None:
                if not isinstance(network, nn.Module):
                    raise part.component.origin.refuse("trained", describe(network), "a torch.nn.Module, or None")
                for parameter in network.parameters():
                    parameter.requires_grad_(flags.get(id(parameter), parameter.requires_grad))
                if not any(one.requires_grad for one in network.parameters()):
                    raise part.component.origin.refuse(
                        "trained", "a network without trained parameters", "a network that can be trained"
                    )
                if not NAME.fullmatch(name):
                    raise GanzooError("its network is saved under this name: use only letters, digits, _, - and .")
                phase = next(phase for phase in method.phases if phase.name == part.kind_options["phase"])
                train_jointly(method, loss_slot(name), Slot(""), phase)
                method.networks = {**method.networks, loss_slot(name): network}
        attached.append(AttachedLoss(name, loss.to(device), **part.kind_options, origin=part.component.origin))
    return attached


def collect_sources(method: Method, losses: Iterable[AttachedLoss], metrics: Mapping[str, Metric]) -> dict[str, Source]:
    """Return the files that method, networks, losses and metrics read besides recipe and data.

    Their keys are places in the recipe: ``method.FILE``, ``networks.SLOT.FILE``, ``losses.LOSS.FILE`` and
    ``evaluate.metrics.METRIC.FILE``. FILE is the component's own name for the file; that of a part of a network,
    such as a component inside it, begins with the part's name in the network.
    """
    sources = {f"method.{name}": source for name, source in method.sources.items()}
    for slot, network in method.networks.items():
        own = network.network if isinstance(network, View) else network
        for place, part in own.named_modules(prefix=f"networks.{slot}"):
            if isinstance(found := getattr(part, "sources", None), Mapping):
                sources |= {f"{place}.{name}": one for name, one in found.items() if isinstance(one, Source)}
    for attached in losses:
        sources |= {f"losses.{attached.name}.{name}": source for name, source in attached.loss.sources.items()}
    for label, metric in metrics.items():
        sources |= {f"{METRICS}.{label}.{name}": source for name, source in metric.sources.items()}
    return sources


def check_pairs(recipe: Recipe, method: Method, dataset: Dataset) -> None:
    """Raise GanzooError if the method learns from pairs but the data set has none."""
    if method.paired and not dataset.paired:
        raise GanzooError(
            f"the method {recipe.method.component.name!r} learns from pairs, but the data set "
            f"{recipe.data.component.name!r} has none: use data: {{dataset: paired, …}}"
        )
