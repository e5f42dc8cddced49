"""The method ``negcut``: CUT with negatives that a small network generates for each image."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import AdversarialOption, Direction, MethodWrapper, Optim, Phase, Slot, Step
from ganzoo_baselines.antialiased import init_xavier
from ganzoo_baselines.cut import CUT, Layers, Patches, Projections, Size, Temperature, mean_nce, other_positions
from ganzoo_cyclegan.method import Weight

NOISE = 64
"""Length of the noise in the released code."""
MOMENTUM = 0.9
"""Decay of the average of CUT's projections in the released code."""


class NegativeGenerator(nn.Module):
    """A perceptron of two layers for each layer of features: the image's mean vector and noise → a negative of norm 1.

    The mean is over all positions, of vectors that a moving average of CUT's projections makes of the features.

    Args:
        projections: CUT's projections.
        size: length of the vectors.
    """

    def __init__(self, projections: Projections, size: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(size + NOISE, size), nn.ReLU(), nn.Linear(size, size)) for _ in projections.heads
        )
        init_xavier(self)
        self.average = as_buffers(deepcopy(projections))

    def forward(self, features: list[Tensor], noise: list[Tensor]) -> list[Tensor]:
        """Return for each layer the negatives, (B, m, size).

        Args:
            features: the source's features in each layer, (B, C, h, w).
            noise: noise for each layer, (B, m, 64).
        """
        everywhere = [torch.arange(maps.shape[2] * maps.shape[3], device=maps.device) for maps in features]
        negatives = []
        for head, vectors, drawn in zip(self.heads, self.average(features, everywhere), noise, strict=True):
            mean = vectors.mean(1, keepdim=True).expand(-1, drawn.shape[1], -1)
            made = head(torch.cat([mean, drawn.to(mean)], 2))
            negatives.append(F.normalize(made.to(torch.promote_types(made.dtype, torch.float32)), dim=2))
        return negatives

    def follow(self, projections: nn.Module) -> None:
        """Move the average toward the current projections by a tenth of the way."""
        with torch.no_grad():
            for mean, current in zip(self.average.buffers(), projections.parameters(), strict=True):
                mean.mul_(MOMENTUM).add_(current, alpha=1 - MOMENTUM)


def as_buffers(network: nn.Module) -> nn.Module:
    """Turn the parameters of a network into buffers, in place: no optimizer's, and restored after a failed step."""
    for part in network.modules():
        for name, parameter in [*part.named_parameters(recurse=False)]:
            delattr(part, name)
            part.register_buffer(name, parameter.detach())
    return network


class NEGCUT(MethodWrapper):
    """CUT with generated hard negatives (Wang et al., ICCV 2021; order and weights of the released code).

    A network N makes the negatives of an image, the same for all its positions, from its mean feature and noise. After
    the discriminator, N maximizes CUT's NCE terms, and also λ_d · mean|n_i − n_j| over pairs of negatives of an image,
    so that they differ. Then generator and F minimize CUT's terms with N's new negatives.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        nce: λ, weight of the NCE terms; 0 leaves them, F and N out.
        identity: whether to include the second NCE term; without it the first has the weight λ.
        layers: numbers of the layers of the generator's sequence whose outputs are compared.
        patches: number of compared positions of each layer; smaller maps are compared at all positions.
        temperature: τ, which divides the similarities.
        size: length of the compared vectors.
        flip: whether to mirror the inputs of a training step with probability ½, as FastCUT does.
        negatives: number of negatives of an image in each layer; with 0 the negatives are CUT's.
        diversity: λ_d; 0 leaves the term out.
    """

    directions: ClassVar[tuple[Direction, ...]] = CUT.directions
    accepts: ClassVar[tuple[str, ...]] = CUT.accepts

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        nce: Weight = 1.0,
        identity: bool = True,
        layers: Layers = (0, 4, 8, 12, 16),
        patches: Patches = 256,
        temperature: Temperature = 0.07,
        size: Size = 256,
        flip: bool = False,
        negatives: Annotated[int, Field(ge=0, multiple_of=2)] = 256,
        diversity: Weight = 1.0,
    ) -> None:
        self.count, self.diversity = negatives if nce else 0, diversity
        self.cut = CUT(
            self.negatives if self.count else other_positions,
            gan=gan,
            nce=nce,
            identity=identity,
            layers=layers,
            patches=patches,
            temperature=temperature,
            size=size,
            flip=flip,
        )
        super().__init__(self.cut)
        self.followed = -1
        """Index of the step in which N's average was last updated."""
        if self.count:
            self.slots = {**self.slots, "N": Slot("")}
            self.optims = {**self.optims, "N": Optim(("N",))}
            discriminator, generator = self.phases
            adversary = Phase("negatives", ("N",), self.negative_losses, forward="detached")
            self.phases = [discriminator, adversary, generator]

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return CUT's projections ``F``, and ``N``, the generator of negatives."""
        made = super().setup(example)
        projections = made.get("F")
        if self.count and isinstance(projections, Projections):
            made["N"] = NegativeGenerator(projections, self.cut.size)
        return made

    def forward(self, step: Step) -> None:
        """Add CUT's tensors; at the start of a training step, also let N's average follow F, as trained so far."""
        if self.count and step.training and step.index != self.followed:  # not again for further micro-batches
            self.networks["N"].follow(self.networks["F"])  # type: ignore[operator]
            self.followed = step.index
        super().forward(step)

    def negatives(self, step: Step, key: str, features: list[Tensor]) -> list[Tensor]:
        """Return the negatives (B, m, size) of a source image in each layer.

        Args:
            step: the step.
            key: name of the source, such as ``real_A``.
            features: the source's features in each layer, (B, C, h, w).
        """
        noise = [step.rng(f"noise/{step.phase}/{key}/{layer}").normal(self.count, NOISE) for layer in self.cut.layers]
        made: list[Tensor] = self.networks["N"](features, noise)
        return made

    def negative_losses(self, step: Step) -> dict[str, Tensor]:
        """Return N's weighted terms, scalars by name: CUT's NCE terms, negative, and ``diversity``.

        As in the released code, the last NCE term's negatives are those that have to differ.
        """
        losses: dict[str, Tensor] = {}
        made: list[Tensor] = []
        for name, (query, key, weight) in self.cut.contrasts().items():
            with torch.no_grad():
                queries, keys, features = self.cut.compared(step, query, key)
            made = self.negatives(step, key, features)
            losses[name] = -weight * mean_nce(queries, keys, self.cut.temperature, made)
        if self.diversity:
            halves = [one.chunk(2, 1) for one in made]
            losses["diversity"] = -self.diversity * torch.stack([(a - b).abs().mean() for a, b in halves]).mean()
        return losses

    def undo(self) -> None:
        """Undo the latest step's change of the state: N's average may follow F in a step of the same index."""
        super().undo()
        self.followed = -1

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore CUT's state, after which the next step lets N's average follow F."""
        super().load_state_dict(state)
        self.followed = -1
