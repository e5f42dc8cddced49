"""CUT and FastCUT: translation held to its source by patches that have to recognize one another."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    Adversarial,
    Direction,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    forward_together,
    generator_loss,
)
from ganzoo_baselines.antialiased import init_xavier
from ganzoo_cyclegan.method import Weight, verdicts

Layers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class Projections(nn.Module):
    """For each of several layers two linear ones, which turn its features at a place into a vector of length 1.

    Args:
        channels: of each layer's maps.
        size: of the vectors.
    """

    def __init__(self, channels: list[int], size: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, size), nn.ReLU(), nn.Linear(size, size)) for count in channels
        )
        init_xavier(self)

    def forward(self, features: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """Return (B, n, size) for maps (B, C, h, w) at places (n,), numbered by rows, for each layer."""
        found = []
        for head, maps, chosen in zip(self.heads, features, places, strict=True):
            vectors = head(maps.flatten(2)[:, :, chosen].transpose(1, 2))
            found.append(F.normalize(vectors.float() if vectors.dtype != torch.float64 else vectors, dim=2))
        return found


class CUT(Method):
    """Unpaired translation one way, without a way back (Park et al., ECCV 2020, eq. 2 to 5).

    The generator minimizes adv(D_B(fake_B)) + λ · ½(NCE(real_A, fake_B) + NCE(real_B, idt_B)): at each of some places a
    feature of the translation, a query, has to tell the source's feature at the same place, its key, from those at the
    other places of the same image; features are those of the generator's own way down. The discriminator, before it,
    ½(real + fake); no pool.

    Args:
        gan: the adversarial loss.
        nce: λ.
        identity: whether the second NCE term is there; without it the first counts alone.
        layers: of the generator's sequence, whose outputs are compared.
        patches: places of each layer.
        temperature: τ, by which similarities are divided.
        size: of the vectors that are compared.
        flip: with probability ½ translate the mirrored image, and compare mirrored features (FastCUT).
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        nce: Weight = 1.0,
        identity: bool = True,
        layers: Layers = (0, 4, 8, 12, 16),
        patches: Annotated[int, Field(ge=2)] = 256,
        temperature: Annotated[float, Field(gt=0)] = 0.07,
        size: Annotated[int, Field(ge=1)] = 256,
        flip: bool = False,
    ) -> None:
        self.gan: Adversarial = gan
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
            Phase("discriminator", ("D",), self.critic_losses, forward="detached"),
            Phase("generator", ("G", "F") if nce else ("G",), self.generator_losses),
        ]
        self.tensors = {"fake_B": Output("A", "B")} | ({"idt_B": Output("B", "B")} if self.identity else {})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the projections, from the widths of the generator's layers."""
        if not self.nce:
            return {}
        features = self.networks["G_AB"].features(example["real_A"], self.layers)  # type: ignore[operator]
        return {"F": Projections([maps.shape[1] for maps in features], self.size)}

    def forward(self, step: Step) -> None:
        """Translate A, and B to itself where that is compared; mirrored in some steps, for FastCUT."""
        alike = step["real_A"].shape[1] == step["real_B"].shape[1]
        if self.nce and not alike:
            raise GanzooError(
                "the domains differ in channels, and CUT looks at both with one network: take another method"
            )
        names = ["real_A", *(["real_B"] if alike and (self.identity or not step.training) else [])]
        turned = self.turned(step)
        seen = [step[name].flip(-1) if turned else step[name] for name in names]
        made = forward_together(self.networks["G_AB"], seen)
        for target, name, image in zip(("fake_B", "idt_B"), names, made, strict=False):
            step[target] = self.masks.composite(step, name, image.flip(-1) if turned else image)

    def turned(self, step: Step) -> bool:
        """Return whether a step's images are translated mirrored."""
        return self.flip and step.training and bool(step.common_rng("flip").random() < 0.5)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generator's terms."""
        losses = {"gan": generator_loss(self.gan, self.networks["D_B"](self.masks.for_discriminator(step, "fake_B")))}
        if self.nce:
            share = 0.5 if self.identity else 1.0
            losses["nce"] = share * self.nce * self.contrast(step, "fake_B", "real_A")
            if self.identity:
                losses["nce_identity"] = share * self.nce * self.contrast(step, "idt_B", "real_B")
        return losses

    def contrast(self, step: Step, query: str, key: str) -> Tensor:
        """Return the NCE of a translation and its source: a mean over places, images and layers."""
        generator, heads = self.networks["G_AB"], self.networks["F"]
        keys = generator.features(step[key], self.layers)  # type: ignore[operator]
        if self.turned(step):
            turned = generator.features(step[query].flip(-1), self.layers)  # type: ignore[operator]
            queries = [maps.flip(-1) for maps in turned]
        else:
            queries = generator.features(step[query], self.layers)  # type: ignore[operator]
        places = [self.places(step, maps, layer) for layer, maps in zip(self.layers, keys, strict=True)]
        pairs = zip(heads(queries, places), heads(keys, places), strict=True)
        return torch.stack([patch_nce(one, other.detach(), self.temperature) for one, other in pairs]).mean()

    def places(self, step: Step, maps: Tensor, layer: int) -> Tensor:
        """Return the places of a layer that are compared, (n,), the same on every process."""
        order = step.common_rng(f"places/{layer}").permutation(maps.shape[2] * maps.shape[3])
        return torch.from_numpy(order[: self.patches]).to(maps.device)

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the discriminator's loss."""
        real, fake = (self.masks.for_discriminator(step, name) for name in ("real_B", "fake_B"))
        on_real, on_fake = verdicts(self.gan, self.networks["D_B"], real, fake)
        return {"D": (on_real + on_fake) / 2}

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images of A."""
        step["real_A"] = images
        return self.masks.composite(step, "real_A", self.networks["G_AB"](images))


class FastCUT(CUT):
    """CUT without the identity term, NCE × 10, and mirrored images (Park et al. 2020, section 4.1).

    Args:
        gan: as CUT's.
        nce: as CUT's.
        layers: as CUT's.
        patches: as CUT's.
        temperature: as CUT's.
        size: as CUT's.
    """

    def __init__(
        self,
        *,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        nce: Weight = 10.0,
        layers: Layers = (0, 4, 8, 12, 16),
        patches: Annotated[int, Field(ge=2)] = 256,
        temperature: Annotated[float, Field(gt=0)] = 0.07,
        size: Annotated[int, Field(ge=1)] = 256,
    ) -> None:
        alike = {"layers": layers, "patches": patches, "temperature": temperature, "size": size}
        super().__init__(gan=gan, nce=nce, identity=False, flip=True, **alike)  # type: ignore[arg-type]


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the mean of −log(exp(q·k₊/τ) / (exp(q·k₊/τ) + Σ exp(q·k₋/τ))), k₋ the keys at an image's other places.

    Args:
        queries: (B, n, d), of length 1.
        keys: (B, n, d); the i-th belongs to the i-th query.
        temperature: τ.
    """
    with torch.autocast(queries.device.type, enabled=False):  # near 1/τ a half's digits are too few
        likeness = queries @ keys.transpose(1, 2) / temperature
    right = torch.arange(likeness.shape[1], device=likeness.device).expand(len(likeness), -1)
    return F.cross_entropy(likeness.flatten(0, 1), right.flatten())
