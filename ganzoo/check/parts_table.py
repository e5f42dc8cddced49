"""Print a resolved recipe, a table of its parts, and the cost of a run, for ``ganzoo check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import rich.box
import rich.console
import rich.table
from rich.text import Text
from torch import nn

from ganzoo.build import Experiment, metric_origins
from ganzoo.check.profile import format_profile, format_sources, measure_steps, profile_forward
from ganzoo.contracts.dataset import try_dataset
from ganzoo.data.loader import Reader, make_step, spread_rows
from ganzoo.data.sample_cache import entry_bytes
from ganzoo.data.sampler import image_counts
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.inspection import inspect_components
from ganzoo.engine.start import load_start
from ganzoo.engine.trial import try_components
from ganzoo.errors import catch_out_of_memory, catch_torch_errors
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.trial import try_metrics
from ganzoo.interfaces import Dataset, Method
from ganzoo.provenance.image_sizes import check_sizes
from ganzoo.provenance.images import read_images
from ganzoo.recipe.losses import loss_slot
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.training.lr_policy import check_schedule
from ganzoo.training.needs import missing_needs
from ganzoo.utils.console import Console
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.terminal import escape_controls

MEASURED = 8
"""Number of training images of a domain whose sizes are measured, to estimate the memory that all take."""


def check(
    file: Path, overrides: Sequence[str] = (), *, demo: bool = False, quick: bool = False, device: str = ""
) -> None:
    """Print the resolved recipe, the table of its parts and, unless ``quick``, what a run needs.

    Unless ``quick``, every image is read once, and every metric is tried on a few images. The needs are measured with a
    few training steps, or one forward if there is nothing to train; the results are discarded. No run is created. Only
    files that all runs share may be written, such as downloaded weights and search indexes.

    Args:
        file: the recipe.
        overrides: changes of the recipe, each ``key.path=value``.
        demo: whether the recipe's section ``demo`` applies.
        quick: whether to skip the reading of all images and the measurement.
        device: a torch device; by default the accelerator, if there is one.

    Raises:
        OutOfMemoryError: a batch or a step does not fit into the memory.
        GanzooError: the recipe has mistakes or images cannot be read (all are listed), or a part cannot be built or
            does not fit.
    """
    say = Console().say
    for need in missing_needs(file, overrides, demo=demo):
        say(f"{file} needs {need.path}; ganzoo run makes it first, by {need}")
    recipe = read_recipe(file, overrides, demo=demo)
    experiment = Experiment(recipe, start_accelerator(device=device, command="check"), training=True)
    if not quick:
        digests = read_images(experiment.dataset, data=recipe.data, console=Console())
        check_sizes(digests, recipe.images, recipe.train.batch, paired=experiment.paired)
    try_dataset(experiment.dataset, recipe.data.component.origin)
    method, sampler, reader = experiment.method, experiment.sampler, experiment.reader
    sources, train = experiment.sources, recipe.train
    count = _images_of_a_trial(method)
    batch = reader.training_batch(sampler.micro_batches(0)[0][:count], 0, train.seed)
    failed = f"{file}: a training step cannot be computed"
    with catch_torch_errors(failed), catch_out_of_memory(f"a batch of {count} does not fit into the memory"):
        place = experiment.accelerator.device
        for part in [*method.networks.values(), *method.masks.maskers.values()]:
            part.to(place)
        step = make_step(batch, place, seed=train.seed)
        shapes = {}
        if method.phases and quick:  # without optimizers
            shapes = inspect_components(method, experiment.losses, experiment.origins, step)
        elif method.phases:
            shapes = try_components(experiment.engine, step)
    if method.phases:
        steps, origin = sampler.steps_per_epoch, experiment.origins["method"]
        check_schedule(train, method, experiment.total_steps, steps, origin)
    if method.phases and not quick:
        seed, origins = train.seed, metric_origins(recipe.metrics)
        evaluator = Evaluator(experiment.engine, reader, experiment.metrics, seed=seed, origins=origins)
        try_metrics(evaluator, recipe.evaluate.best)
    say(dump_yaml(recipe.resolved()))
    console = rich.console.Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # do not wrap lines in a file or a pipe
    console.print(parts_table(recipe, method, experiment.dataset, shapes))
    for line in experiment.dataset.notes():
        say(line)
    if not method.phases:
        say("nothing to train")
        for line in [] if quick else [*profile_forward(method, step), *format_sources(sources)]:
            say(line)
        return
    if train.start:
        say(str(load_start(train.start, experiment.engine)))
    total = experiment.total_steps
    say(f"{total} steps of {sampler.global_batch} images per domain, {sampler.steps_per_epoch} per epoch")
    if not quick:
        with catch_torch_errors(failed):
            needs = measure_steps(experiment)
        for line in format_profile(needs, recipe, total, training_bytes(reader, sampler.counts), sources):
            say(line)


def training_bytes(reader: Reader, counts: Mapping[str, int]) -> int:
    """Return the bytes of all training images as they are cached, by the mean of some of each domain.

    Args:
        reader: the reader of the images.
        counts: domain → number of its training images.
    """
    total = 0
    for domain, count in counts.items():
        rows = spread_rows({domain: count}, MEASURED)
        shape = reader.images.read_shape
        samples = [reader.read("train", domain, row.indices[domain], shape, draft=True) for row in rows]
        sizes = [entry_bytes(sample) for sample in samples]
        total += round(count * sum(sizes) / len(sizes))
    return total


def _images_of_a_trial(method: Method) -> int:
    """Return how many images of each domain a step needs: a group; two for batch norm, which refuses a single value."""
    layers = (layer for network in method.networks.values() for layer in network.modules())
    return max(method.group, 2 if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers) else 1)


def parts_table(recipe: Recipe, method: Method, dataset: Dataset, shapes: dict[str, str]) -> rich.table.Table:
    """Return the table of parts: networks with shapes and parameter counts, maskers, losses, and numbers of images.

    Args:
        recipe: the recipe.
        method: the method built from the recipe.
        dataset: the data set built from the recipe.
        shapes: the input and output shape of each network, as ``inspect_components`` returns them.
    """
    rows: list[tuple[str, str, str, str, str]] = []
    counted: set[int] = set()
    joint = method.masks.joint_slots()
    for name, network in method.networks.items():
        part = recipe.networks.get(name) or recipe.maskers.get(joint.get(name, ""))
        owner = "loss" if name in map(loss_slot, recipe.losses) else "method"
        component = part.component.name if part else f"(the {owner}'s own)"
        trained = [
            phase.name for phase in method.phases if any(name in method.optims[optim].slots for optim in phase.steps)
        ]
        calls = [call for call in method.slots[name].calls if call != "forward"]
        shape = shapes.get(name, f"called by: {', '.join(calls)}" if calls else "not called")
        parameters = list(network.parameters())
        shared = sum(p.numel() for p in parameters if id(p) in counted)
        count = f"{sum(p.numel() for p in parameters) - shared:,}" + (f" + {shared:,} shared" if shared else "")
        counted |= {id(p) for p in parameters}
        rows.append((name, component, shape, count, ", ".join(trained)))
    for role, part in recipe.maskers.items():
        if f"masker_{role}" not in method.networks:
            rows.append((f"mask: {role}", part.component.name, "", "", ""))
    for name, part in recipe.losses.items():
        of = ", ".join(f"{key} = {tensor}" for key, tensor in part.kind_options["of"].items())
        rows.append((f"loss: {name}", part.component.name, of, "", part.kind_options["phase"]))
    for split in ("train", "validation", "test"):
        count_text = ", ".join(f"{count} {domain}" for domain, count in image_counts(dataset, split).items())
        rows.append((f"data: {split}", recipe.data.component.name, count_text, "", ""))
    table = rich.table.Table("part", "component", "in → out", "parameters", "phase", box=rich.box.SIMPLE)
    for row in rows:
        table.add_row(*(Text(escape_controls(cell)) for cell in row))
    return table
