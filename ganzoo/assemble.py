"""Recipe → method with its networks built, bound and named; used to train, to check and to translate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError, is_out_of_memory, suggest
from ganzoo.interfaces import Dataset, Loss, Method
from ganzoo.randomness import torch_seed
from ganzoo.recipe import Recipe
from ganzoo.roles import Roles
from ganzoo.step import Step, zeros_step


@dataclass(frozen=True)
class Attached:
    """An auxiliary loss and how the recipe uses it."""

    name: str
    loss: Loss
    of: Mapping[str, str]
    weight: float
    phase: str

    def term(self, step: Step, others: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted term, in float32 whatever the autocast. Raises GanzooError when it cannot be formed."""
        if self.name in others:
            raise GanzooError(f"losses.{self.name}: the method has a term of this name; choose another")
        for tensor in self.of.values():
            if tensor not in step:
                raise GanzooError(f"losses.{self.name}: there is no tensor {tensor!r} here{suggest(tensor, step)}")
        inputs = {key: _precise(step[tensor]) for key, tensor in self.of.items()}
        device = next(iter(inputs.values())).device if inputs else torch.device("cpu")
        with torch.autocast(device.type, enabled=False):
            return self.weight * self.loss(**inputs)


def build_method(recipe: Recipe, channels: Mapping[str, int]) -> Method:
    """Make the recipe's method, networks and maskers, initial weights keyed by seed and slot.

    Args:
        recipe: a checked recipe.
        channels: channels of each domain's pictures.
    """
    method: Method = recipe.method.make()
    absent = {domain for slot in method.slots.values() for domain in (*slot.reads, slot.writes) if domain} - set(
        channels
    )
    if absent:
        raise GanzooError(f"the method needs pictures of domain {min(absent)}, and the data set has none")
    networks: dict[str, nn.Module] = {}
    for name, part in recipe.networks.items():
        slot = method.slots[name]
        entering = sum(channels[domain] for domain in slot.reads)
        supplied = (entering, channels[slot.writes]) if slot.kind == "generator" else (entering,)
        with _seeded(recipe.train.seed, name):
            try:
                networks[name] = part.make(*supplied)
            except GanzooError as error:
                raise GanzooError(f"networks.{name}: {error}") from None
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise GanzooError(f"networks.{name}: too large for the memory; make it narrower") from None
    method.bind(networks, build_masks(recipe))
    example = zeros_step(dict(channels), recipe.images.size)
    if any(not slot.kind for slot in method.slots.values()):
        with torch.no_grad(), _seeded(recipe.train.seed, "setup"):
            networks.update(method.setup(example))
    missing = set(method.slots) - set(networks)
    if missing:
        raise GanzooError(
            f"the method {recipe.method.component.name!r} built no network {sorted(missing)[0]!r} in setup"
        )
    return method


def build_masks(recipe: Recipe) -> Roles:
    """Make the recipe's maskers, frozen; random parts of theirs are keyed by seed and role."""
    maskers = {}
    for role, part in recipe.maskers.items():
        with _seeded(recipe.train.seed, f"masker/{role}"):
            maskers[role] = part.make().eval().requires_grad_(False)
    foreground = {role: part.use["foreground"] for role, part in recipe.maskers.items() if part.use["foreground"]}
    return Roles(maskers, foreground)


def attach_losses(recipe: Recipe, device: torch.device) -> list[Attached]:
    """Make the recipe's auxiliary losses, frozen, on the device; random parts of theirs are keyed by seed and name."""
    attached = []
    for name, part in recipe.losses.items():
        with _seeded(recipe.train.seed, f"loss/{name}"):
            loss = part.make().eval().requires_grad_(False)
        attached.append(Attached(name, loss.to(device), part.use["of"], part.use["weight"], part.use["phase"]))
    return attached


def reads_pairs(recipe: Recipe, method: Method, dataset: Dataset) -> bool:
    """Return whether pictures are read in pairs: for a method that learns from them, and for no other (none may leak).

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
