"""Small methods with unusual structures, a data set and helpers, shared by the tests of the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.data.loader import Reader
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.interfaces import Dataset, Masker, Method, Metric, Optim, Output, Phase, Sample, Slot, Split
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step


class Noise(Dataset):
    """Images of noise, darker in A than in B."""

    def __init__(self, *, A: int = 12, B: int = 10, size: int = 16, test: int = 4, masks: bool = False) -> None:
        self.masks = masks
        self.sizes = {"A": A, "B": B}
        self.size = size
        self.held_out = test

    def count(self, split: Split, domain: str) -> int:
        return self.sizes[domain] if split == "train" else self.held_out

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        drawn = np.random.default_rng([len(split), ord(domain), index])
        image = drawn.integers(0, 128, (self.size, self.size, 3), dtype=np.uint8)
        mask = np.full((self.size, self.size), 255, np.uint8) if self.masks else None
        return Sample(image + (100 if domain == "B" else 0), f"{split}_{domain}_{index}", mask=mask)


class Constant(Masker):
    """A mask with one value at all pixels."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.full_like(image[:, :1], self.value)


def batch_step(batch: int = 2, size: int = 8, seed: int = 0, **about: Any) -> Step:
    """Return a step of noise images (batch, 3, size, size), the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {f"real_{domain}": torch.rand(batch, 3, size, size, generator=generator) * 2 - 1 for domain in "AB"}
    return Step(tensors, samples=about.pop("samples", range(batch)), **about)


def engine_of(method: Method, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> Engine:
    """Return an engine on the CPU for a method; by default each network is a seeded convolution."""
    if networks is None:
        torch.manual_seed(1)
        networks = {name: nn.Conv2d(3, 3, 1) for name in method.slots}
    method.bind(dict(networks), Roles())
    return Engine(method, Accelerator(cpu=True), **options)


def gradients(engine: Engine) -> list[dict[str, Tensor]]:
    """Return a list to which each optimizer step appends its gradients, by ``network.parameter``."""
    recorded: list[dict[str, Tensor]] = []

    def record(optimizer: torch.optim.Optimizer, *_: object) -> None:
        stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
        step_gradients = {
            f"{name}.{key}": p.grad.clone()
            for name, network in engine.networks.items()
            for key, p in network.named_parameters()
            if id(p) in stepped and p.grad is not None
        }
        recorded.append(step_gradients)

    for optimizer in engine.optimizers.values():
        optimizer.register_step_pre_hook(record)
    return recorded


def weights(engine: Engine) -> dict[str, Tensor]:
    """Return copies of all weights, by ``network.parameter``."""
    return {
        f"{name}.{key}": value.clone()
        for name, network in engine.networks.items()
        for key, value in network.state_dict().items()
    }


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the networks with a changed weight."""
    return {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}


class TwoPlayers(Method):
    """A generator and a critic; a test chooses the order and the intervals of their phases."""

    def __init__(self, *, critic_first: bool = False, critic_every: int = 1, generator_every: int = 1) -> None:
        self.slots = {"G": Slot("generator", ("A",), "B"), "D": Slot("discriminator", ("B",))}
        self.optims = {"G": Optim(("G",)), "D": Optim(("D",))}
        generator = Phase("generator", ("G",), self.generator_losses, every=generator_every)
        critic = Phase("critic", ("D",), self.critic_losses, every=critic_every, forward="detached")
        self.phases = [critic, generator] if critic_first else [generator, critic]
        self.tensors = {"fake_B": Output("A", "B")}
        self.forwards = 0
        self.calls: list[tuple[str, bool]] = []
        """Phase, and whether it could compute gradients through the translated image."""

    def forward(self, step: Step) -> None:
        self.forwards += 1
        step["fake_B"] = self.networks["G"](step["real_A"])

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        self.calls.append(("generator", step["fake_B"].requires_grad))
        return {"adv": (self.networks["D"](step["fake_B"]) - 1).square().mean()}

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        self.calls.append(("critic", step["fake_B"].requires_grad))
        fake, real = self.networks["D"](step["fake_B"]), self.networks["D"](step["real_B"])
        return {"fake": fake.square().mean(), "real": (real - 1).square().mean()}


class Codec(nn.Module):
    """A network with encode and decode but no forward: DDP would not average its gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(3, 4, 1)
        self.outer = nn.Conv2d(4, 3, 1)

    def encode(self, image: Tensor) -> Tensor:
        return torch.as_tensor(self.inner(image))

    def decode(self, code: Tensor) -> Tensor:
        return torch.as_tensor(self.outer(code))


class EncodeDecode(Method):
    """Structured like MUNIT: encode and decode are called, and each phase draws its styles in a fresh forward."""

    def __init__(self) -> None:
        calls = ("encode", "decode")
        self.slots = {
            "G_A": Slot("generator", ("A",), "A", calls=calls),
            "G_B": Slot("generator", ("B",), "B", calls=calls),
            "D_B": Slot("discriminator", ("B",)),
        }
        self.optims = {"D": Optim(("D_B",)), "G": Optim(("G_A", "G_B"))}
        self.phases = [
            Phase("critic", ("D",), self.critic_losses, forward="fresh"),
            Phase("generator", ("G",), self.generator_losses, forward="fresh"),
        ]
        self.tensors = {"fake_B": Output("A", "B"), "rec_A": Output("A", "A")}
        self.styles: dict[str, Tensor] = {}

    def forward(self, step: Step) -> None:
        style = step.rng(f"style/{step.phase}").normal(4, 1, 1)
        self.styles[step.phase] = style
        code = self.networks["G_A"].encode(step["real_A"])  # type: ignore[operator]
        step["fake_B"] = self.networks["G_B"].decode(code + style)  # type: ignore[operator]
        step["rec_A"] = self.networks["G_A"].decode(code)  # type: ignore[operator]

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        critic = self.networks["D_B"]
        return {"real": critic(step["real_B"]).mean(), "fake": -critic(step["fake_B"].detach()).mean()}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        recon = (step["rec_A"] - step["real_A"]).abs().mean()
        return {"adv": self.networks["D_B"](step["fake_B"]).mean(), "recon": recon}


class BuiltAtSetup(Method):
    """Structured like CUT: the width of a network depends on another's output, so it is built in ``setup``."""

    def __init__(self) -> None:
        self.slots = {"G_AB": Slot("generator", ("A",), "B"), "F": Slot("")}
        self.optims = {"G": Optim(("G_AB",)), "F": Optim(("F",))}
        self.phases = [Phase("generator", ("G", "F"), self.losses)]
        self.tensors = {"fake_B": Output("A", "B")}

    def setup(self, example: Step) -> dict[str, nn.Module]:
        self.forward(example)
        return {"F": nn.Linear(example["fake_B"].shape[1], 2)}

    def forward(self, step: Step) -> None:
        step["fake_B"] = self.networks["G_AB"](step["real_A"])

    def losses(self, step: Step) -> dict[str, Tensor]:
        features = self.networks["F"](step["fake_B"].mean(dim=(2, 3)))
        return {"nce": features.square().mean()}


class Nothing(Method):
    """Structured like Gatys' method: no networks, no phases."""

    slots: Mapping[str, Slot] = {}
    optims: Mapping[str, Optim] = {}
    phases = ()
    tensors: Mapping[str, Output] = {}

    def forward(self, step: Step) -> None:
        """Add no tensors."""


class Toy(Method):
    """One network and one loss that a test provides."""

    def __init__(self, loss: Callable[[Tensor], Tensor], *, clip: float | None = None) -> None:
        self.loss = loss
        self.slots = {"G": Slot("generator", ("A",), "A")}
        self.optims = {"G": Optim(("G",), optimizer=torch.optim.SGD, options={}, clip=clip)}
        self.phases = [Phase("only", ("G",), lambda step: {"loss": self.loss(step["rec_A"])})]
        self.tensors = {"rec_A": Output("A", "A")}
        self.undone = 0

    def forward(self, step: Step) -> None:
        step["rec_A"] = self.networks["G"](step["real_A"])

    def undo(self) -> None:
        self.undone += 1


def values_of(engine: Engine, reader: Reader, *metrics: Metric, batch: int = 16) -> dict[str, float]:
    """Return the values of metrics on the test split. Raises GanzooError for the first that fails."""
    named = {str(i): metric for i, metric in enumerate(metrics)}
    result = Evaluator(engine, reader, named, seed=0, batch=batch).measure("test")
    if result.failed:
        raise GanzooError(next(iter(result.failed.values())))
    return result.values
