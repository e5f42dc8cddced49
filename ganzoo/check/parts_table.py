"""Print a resolved recipe, a table of its parts, and the cost of a run, for ``ganzoo check``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import rich.box
import rich.console
import rich.table
import torch
from torch import Tensor, nn

from ganzoo.build import Experiment
from ganzoo.check.profile import format_profile, format_sources, measure_steps, profile_forward
from ganzoo.data.loader import make_step
from ganzoo.data.sampler import image_counts
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.distributed import start_accelerator
from ganzoo.errors import catch_out_of_memory
from ganzoo.interfaces import Dataset, Method
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.step import Step
from ganzoo.utils.core_yaml import dump_yaml


def check(file: Path, overrides: Iterable[str] = (), *, quick: bool = False, device: str = "") -> None:
    """Print the resolved recipe, the table of its parts and, unless ``quick``, what a run needs.

    The needs are measured by training a few steps, which are discarded. Only files that every run of the recipe
    shares may be written, such as the search indexes of a patch bank.

    Args:
        file: the recipe.
        overrides: ``key.path=value`` settings that replace those of the file.
        quick: skip the measurement.
        device: a torch device; by default the accelerator, if there is one.

    Raises:
        GanzooError: the recipe has mistakes; all are listed.
    """
    recipe = read_recipe(file, overrides)
    experiment = Experiment(recipe, start_accelerator(device=device), training=True)
    method, sampler, reader, losses = experiment.method, experiment.sampler, experiment.reader, experiment.losses
    sources, train = experiment.sources, recipe.train
    batch = reader.training_batch(sampler.micro_batches(0)[0][: method.group], 0, train.seed)
    with catch_out_of_memory(f"a batch of {method.group} does not fit into the memory"):
        place = experiment.accelerator.device
        for part in [*method.networks.values(), *method.masks.maskers.values()]:
            part.to(place)
        step = make_step(batch, place, seed=train.seed)
        shapes = trace_shapes(method, losses, step) if method.phases else {}
    click.echo(dump_yaml(recipe.resolved()))
    console = rich.console.Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # do not wrap lines in a file or a pipe
    console.print(parts_table(recipe, method, experiment.dataset, shapes))
    if not method.phases:
        click.echo("nothing to train")
        for line in [] if quick else [*profile_forward(method, step), *format_sources(sources)]:
            click.echo(line)
        return
    total = experiment.total_steps
    click.echo(f"{total} steps of {sampler.global_batch} images per domain, {sampler.steps_per_epoch} per epoch")
    if not quick:
        needs = measure_steps(experiment)
        stored = {**experiment.dataset.channels, **dict.fromkeys(experiment.dataset.classes, 1)}
        images = sum(sampler.counts[one] * recipe.images.scale_to**2 * count for one, count in stored.items())
        for line in format_profile(needs, recipe, total, images, sources):
            click.echo(line)


def parts_table(recipe: Recipe, method: Method, dataset: Dataset, shapes: dict[str, str]) -> rich.table.Table:
    """Return the table of parts: networks with shapes and parameter counts, maskers, losses, and image counts.

    Args:
        recipe: the recipe.
        method: the method built from the recipe.
        dataset: the data set built from the recipe.
        shapes: the input and output shape of each network, as ``trace_shapes`` returns them.
    """
    table = rich.table.Table("part", "component", "in → out", "parameters", "phase", box=rich.box.SIMPLE)
    counted: set[int] = set()
    joint = method.masks.joint_slots()
    for name, network in method.networks.items():
        part = recipe.networks.get(name) or recipe.maskers.get(joint.get(name, ""))
        component = part.component.name if part else "(the method's own)"
        trained = [
            phase.name for phase in method.phases if any(name in method.optims[optim].slots for optim in phase.steps)
        ]
        calls = [call for call in method.slots[name].calls if call != "forward"]
        shape = shapes.get(name, f"called by: {', '.join(calls)}" if calls else "not called")
        parameters = list(network.parameters())
        shared = sum(p.numel() for p in parameters if id(p) in counted)
        count = f"{sum(p.numel() for p in parameters) - shared:,}" + (f" + {shared:,} shared" if shared else "")
        counted |= {id(p) for p in parameters}
        table.add_row(name, component, shape, count, ", ".join(trained))
    for role, part in recipe.maskers.items():
        if f"masker_{role}" not in method.networks:
            table.add_row(f"mask: {role}", part.component.name, "", "", "")
    for name, part in recipe.losses.items():
        of = ", ".join(f"{key} = {tensor}" for key, tensor in part.kind_options["of"].items())
        table.add_row(f"loss: {name}", part.component.name, of, "", part.kind_options["phase"])
    for split in ("train", "validation", "test"):
        count_text = ", ".join(f"{count} {domain}" for domain, count in image_counts(dataset, split).items())
        table.add_row(f"data: {split}", recipe.data.component.name, count_text, "", "")
    return table


def trace_shapes(method: Method, losses: Sequence[AttachedLoss], step: Step) -> dict[str, str]:
    """Return each network's input and output shape: name → ``3×16×16 → 1×6×6``, the batch axis left out.

    Runs the forward and the losses of every phase once, without gradients in the forward and without optimizer steps.
    """
    shapes: dict[str, str] = {}

    def record(name: str, network: nn.Module) -> None:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if name not in shapes and inputs:
                shapes[name] = f"{_shape(inputs[0])} → {_shape(output)}"

        network.register_forward_hook(hook)

    for name, network in method.networks.items():
        record(name, network)
    complete = step.inputs()
    with torch.no_grad():
        method.forward(complete)
    for phase in method.phases:
        view = complete.detached() if phase.forward != "fresh" else step.inputs()
        view.phase = phase.name
        if phase.forward == "fresh":
            method.forward(view)
        terms = phase.losses(view)
        for loss in losses:
            if loss.phase == phase.name:
                loss.term(view, terms, method.masks)
    return shapes


def _shape(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shape, value))
    return "×".join(map(str, value.shape[1:])) if isinstance(value, Tensor) else type(value).__name__
