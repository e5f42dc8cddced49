"""The methods ``cut`` and ``fastcut``: one-way translation with a contrastive loss between patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Method,
    MethodWrapper,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    forward_together,
)
from ganzoo_baselines.antialiased import init_xavier
from ganzoo_cyclegan.layers import pad_to_stride
from ganzoo_cyclegan.method import Weight

Layers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Patches = Annotated[int, Field(ge=2)]
Temperature = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=1)]
Negatives = Callable[[Step, str, list[Tensor]], list[Tensor] | None]
"""Function of step, name of a source image and its features in each layer, (B, C, h, w); returns each layer's negatives
for all positions of the image, vectors of norm 1, (B, m, size). None stands for the image's other positions."""


def other_positions(step: Step, key: str, features: list[Tensor]) -> None:
    """Return None, which stands for the image's other positions: CUT's own negatives."""


class Projections(nn.Module):
    """A perceptron of two layers for each of several layers of features, which projects them to vectors of norm 1.

    Args:
        channels: number of channels of each layer's maps.
        size: length of the vectors.
    """

    def __init__(self, channels: list[int], size: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, size), nn.ReLU(), nn.Linear(size, size)) for count in channels
        )
        init_xavier(self)

    def forward(self, features: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
        """Return for each layer the projected vectors, (B, n, size), of its maps at some positions.

        Args:
            features: maps (B, C, h, w) of each layer.
            positions: positions (n,) in each layer's maps, numbered by rows.
        """
        projected = []
        for head, maps, chosen in zip(self.heads, features, positions, strict=True):
            vectors = head(maps.flatten(2)[:, :, chosen].transpose(1, 2))
            projected.append(F.normalize(vectors.float() if vectors.dtype != torch.float64 else vectors, dim=2))
        return projected


class CUT(Method):
    """Unpaired one-way translation without a cycle (Park et al., ECCV 2020, eq. 2 to 5).

    The generator minimizes adv(D_B(fake_B)) + λ · ½(NCE(real_A, fake_B) + NCE(real_B, idt_B)). NCE: at random
    positions, the translation's feature (the query) has to match the source's feature at the same position (the key),
    and not those at the image's other positions. Features come from the generator's encoder, and a network F, which the
    method builds, projects them. The discriminator is trained first and minimizes ½(real + fake); there is no image
    pool.

    Args:
        negatives: function of a derived method that replaces the image's other positions as negatives.
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        nce: λ, weight of the NCE terms; 0 leaves them and F out.
        identity: whether to include the second NCE term; without it the first has the weight λ.
        layers: numbers of the layers of the generator's sequence whose outputs are compared.
        patches: number of compared positions of each layer, drawn for each NCE term; smaller maps are compared at all
            positions.
        temperature: τ, which divides the similarities.
        size: length of the compared vectors.
        flip: whether to mirror the inputs of a training step with probability ½ (FastCUT). Discriminator and NCE then
            see the mirrored translations, whose features are mirrored back; real images stay as they are.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        negatives: Negatives = other_positions,
        *,
        gan: AdversarialOption = "lsgan",
        nce: Weight = 1.0,
        identity: bool = True,
        layers: Layers = (0, 4, 8, 12, 16),
        patches: Patches = 256,
        temperature: Temperature = 0.07,
        size: Size = 256,
        flip: bool = False,
    ) -> None:
        self.negatives = negatives
        self.gan = AdversarialLoss(gan)
        self.nce, self.identity, self.flip = nce, identity and nce > 0, flip
        self.layers, self.patches, self.temperature, self.size = layers, patches, temperature, size
        calls = ("forward", "features") if nce else ("forward",)
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", calls, {"generator": "smooth_resnet"}),
            "D_B": Slot("discriminator", ("B",), default={"discriminator": "smooth_patch"}),
            **({"F": Slot("")} if nce else {}),
        }
        self.optims = {"D": Optim(("D_B",)), "G": Optim(("G_AB",)), **({"F": Optim(("F",))} if nce else {})}
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"),
            Phase("generator", ("G", "F") if nce else ("G",), self.generator_losses),
        ]
        self.tensors = {"fake_B": Output("A", "B")} | ({"idt_B": Output("B", "B")} if self.identity else {})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return ``F``, the projections, for the channels of the generator's layers ``layers``; nothing if λ is 0.

        Raises GanzooError for layers that the generator does not have.
        """
        if not self.nce:
            return {}
        features = self.networks["G_AB"].features(example["real_A"], self.layers)  # type: ignore[operator]
        return {"F": Projections([maps.shape[1] for maps in features], self.size)}

    def forward(self, step: Step) -> None:
        """Add ``fake_B`` to the step, and ``idt_B``, the generator's output for ``real_B``.

        Training computes ``idt_B`` only for its NCE term. With ``flip`` the translations of some steps are those of
        mirrored images, mirrored back. Raises GanzooError if the domains differ in channels, unless λ is 0.
        """
        same_channels = step["real_A"].shape[1] == step["real_B"].shape[1]
        if self.nce and not same_channels:
            raise GanzooError("the domains differ in channels, but CUT uses one network for both: use another method")
        names = ["real_A", *(["real_B"] if same_channels and (self.identity or not step.training) else [])]
        mirrored = self.is_mirrored(step)
        inputs = [step[name].flip(-1) if mirrored else step[name] for name in names]
        outputs = forward_together(self.networks["G_AB"], inputs)
        for target, name, image in zip(("fake_B", "idt_B"), names, outputs, strict=False):
            step[target] = self.masks.composite(step, name, image.flip(-1) if mirrored else image)

    def is_mirrored(self, step: Step) -> bool:
        """Return whether a step translates mirrored images: with ``flip``, a random half of the training steps does."""
        return self.flip and step.training and bool(step.common_rng("flip").random() < 0.5)

    def fake_input(self, step: Step) -> Tensor:
        """Return what the discriminator sees of ``fake_B``, (B, C, H, W): mirrored if the generator's input was."""
        image = self.masks.for_discriminator(step, "fake_B")
        return image.flip(-1) if self.is_mirrored(step) else image

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generator's weighted terms, scalars by name: ``gan``, ``nce``, ``nce_identity``."""
        losses = {"gan": self.gan.generator(self.networks["D_B"](self.fake_input(step)))}
        for name, (query, key, weight) in self.contrasts().items():
            losses[name] = weight * self.contrast(step, query, key)
        return losses

    def contrasts(self) -> dict[str, tuple[str, str, float]]:
        """Return the NCE terms: name → the names of translation and source, and the weight; none if λ is 0."""
        if not self.nce:
            return {}
        if not self.identity:
            return {"nce": ("fake_B", "real_A", self.nce)}
        return {"nce": ("fake_B", "real_A", self.nce / 2), "nce_identity": ("idt_B", "real_B", self.nce / 2)}

    def contrast(self, step: Step, query: str, key: str) -> Tensor:
        """Return the NCE of a translation and its source, a mean over positions, images and layers: a scalar.

        Args:
            step: the step with both images.
            query: name of the translation, such as ``fake_B``.
            key: name of the source, such as ``real_A``; no gradient flows into its features.
        """
        queries, keys, features = self.compared(step, query, key)
        return mean_nce(queries, keys, self.temperature, self.negatives(step, key, features))

    def compared(self, step: Step, query: str, key: str) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return the projected vectors of a translation and of its source, (B, n, size), and the source's features.

        Each is a list with an item for each layer; the features are (B, C, h, w). Arguments as for ``contrast``.
        """
        generator, heads = self.networks["G_AB"], self.networks["F"]
        features: list[Tensor] = generator.features(step[key], self.layers)  # type: ignore[operator]
        if self.is_mirrored(step):
            # Padded as the source is, and then mirrored, so that the same positions show the same place.
            stride = getattr(generator, "stride", 1)
            padded = pad_to_stride(step[query], stride, min_size=2 * stride)
            mirrored = generator.features(padded.flip(-1), self.layers)  # type: ignore[operator]
            translated = [maps.flip(-1) for maps in mirrored]
        else:
            translated = generator.features(step[query], self.layers)  # type: ignore[operator]
        places = positions(step, features, self.layers, self.patches, key)
        return heads(translated, places), heads(features, places), features

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss, scalars by name: ``D``, and its penalties."""
        real, fake = self.masks.for_discriminator(step, "real_B"), self.fake_input(step)
        return self.gan.discriminator(step, "D_B", self.networks["D_B"], real, [fake], name="D", halved=True)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W) of images of A, which are added to the step as ``real_A``."""
        step["real_A"] = images
        return self.masks.composite(step, "real_A", self.networks["G_AB"](images))


class FastCUT(MethodWrapper):
    """CUT without the identity term, with λ = 10 by default, and with mirrored images (Park et al. 2020, section 4.1).

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        nce: λ, weight of the NCE term; 0 leaves it out.
        layers: numbers of the layers of the generator's sequence whose outputs are compared.
        patches: number of compared positions of each layer; smaller maps are compared at all positions.
        temperature: τ, which divides the similarities.
        size: length of the compared vectors.
    """

    directions: ClassVar[tuple[Direction, ...]] = CUT.directions
    accepts: ClassVar[tuple[str, ...]] = CUT.accepts

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        nce: Weight = 10.0,
        layers: Layers = (0, 4, 8, 12, 16),
        patches: Patches = 256,
        temperature: Temperature = 0.07,
        size: Size = 256,
    ) -> None:
        self.cut = CUT(
            gan=gan,
            nce=nce,
            identity=False,
            layers=layers,
            patches=patches,
            temperature=temperature,
            size=size,
            flip=True,
        )
        super().__init__(self.cut)


def positions(step: Step, features: list[Tensor], layers: Layers, patches: int, key: str) -> list[Tensor]:
    """Return random positions for each layer, (n,), at which its maps are compared; small maps at all positions.

    Positions are numbered by rows, and are the same in all processes and for all images of the batch. As in the
    released code, each phase and each source image of a step has other ones.

    Args:
        step: the step.
        features: maps (B, C, h, w) of each layer.
        layers: the layers' numbers.
        patches: the largest number of positions.
        key: name of the source image, such as ``real_A``.
    """
    chosen = []
    for layer, maps in zip(layers, features, strict=True):
        order = step.common_rng(f"places/{step.phase}/{key}/{layer}").permutation(maps.shape[2] * maps.shape[3])
        chosen.append(torch.from_numpy(order[:patches]).to(maps.device))
    return chosen


def mean_nce(
    queries: list[Tensor], keys: list[Tensor], temperature: float, negatives: list[Tensor] | None = None
) -> Tensor:
    """Return the mean of ``patch_nce`` over layers, a scalar; no gradient flows into the keys.

    Arguments are those of ``patch_nce``, for each layer.
    """
    others: list[Tensor] | list[None] = negatives or [None] * len(keys)
    layers = zip(queries, keys, others, strict=True)
    return torch.stack([patch_nce(ours, theirs.detach(), temperature, other) for ours, theirs, other in layers]).mean()


def patch_nce(queries: Tensor, keys: Tensor, temperature: float, negatives: Tensor | None = None) -> Tensor:
    """Return the mean of −log(exp(q·k₊/τ) / (exp(q·k₊/τ) + Σ exp(q·k₋/τ))) over all queries q: a scalar.

    k₊ is the query's key, and k₋ are the negatives: the image's other keys, or others.

    Args:
        queries: vectors of norm 1, (B, n, d).
        keys: vectors of norm 1, (B, n, d); the i-th belongs to the i-th query.
        temperature: τ.
        negatives: vectors of norm 1, (B, m, d), of each image; None: its other keys.
    """
    with torch.autocast(queries.device.type, enabled=False):  # near 1/τ half precision has too few digits
        if negatives is None:
            similarity = queries @ keys.transpose(1, 2) / temperature
            matching = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
        else:
            pairs = (queries * keys).sum(2, keepdim=True)
            similarity = torch.cat([pairs, queries @ negatives.transpose(1, 2)], 2) / temperature
            matching = torch.zeros(similarity.shape[:2], dtype=torch.int64, device=similarity.device)
    return F.cross_entropy(similarity.flatten(0, 1), matching.flatten())
