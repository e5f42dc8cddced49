"""The method ``starganv2``: one generator for all domains, with many looks of each (Choi et al., CVPR 2020)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Draws,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
)
from ganzoo_cyclegan.layers import crop_to
from ganzoo_cyclegan.method import Weight
from ganzoo_stargan.generator import StarGenerator
from ganzoo_stargan.styles import MappingNetwork, StyleEncoder

DIRECTIONS = (("A", "B"), ("B", "A"))
ADAM = {"betas": (0.0, 0.99), "weight_decay": 1e-4}
GAN: AdversarialOption = {"loss": "vanilla", "r1": 0.5, "penalty_every": 1}
Count = Annotated[int, Field(ge=1)]


class StarGANv2(Method):
    """Diverse translation with one generator G for all domains (Choi et al., CVPR 2020, eq. 1 to 5), here for A and B.

    A style s of B comes from the mapping network, F(z) with z ~ N(0, I), or from the style encoder, E(x) of a reference
    image x of B; ``fake_B`` = G(real_A, F(z)), ``fake_guided_B`` = G(real_A, E(real_B)). G, F and E minimize, for A to
    B and in the same way back, each halved: adv(D_B(fake_B)) + λ_style‖E(fake_B) − s‖₁ + λ_cycle‖G(fake_B, E(real_A)) −
    real_A‖₁ − λ_diversity‖fake_B − fake′_B‖₁, where fake′_B has another style and no gradient, and λ_diversity
    decreases linearly to 0 over the run. A second optimizer step minimizes the same with styles of references and
    trains G alone. D is trained before, in a step for ``fake_B`` and one for ``fake_guided_B``.

    Images come in pairs: the second image of a pair is the other reference of the first, and the first that of the
    second. The method builds F and E itself, of the generator's width.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
            Each domain has its own penalty; with γ = 0.5 both together are the paper's R1 penalty with γ = 1.
        style: λ of the style reconstruction.
        diversity: λ of the diversity of styles, at the start; 1 for faces and 2 for animals in the paper.
        cycle: λ of the cycle consistency.
        latent: length of z.
        hidden: number of units of the mapping network's hidden layers.
        style_downs: number of times that the style encoder halves height and width: 6 in the paper, for 256 pixels.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")
    group: ClassVar[int] = 2

    def __init__(
        self,
        *,
        gan: AdversarialOption = GAN,
        style: Weight = 1.0,
        diversity: Weight = 1.0,
        cycle: Weight = 1.0,
        latent: Count = 16,
        hidden: Count = 512,
        style_downs: Annotated[int, Field(ge=0, le=8)] = 6,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weights = {"style": style, "diversity": diversity, "cycle": cycle}
        self.latent, self.hidden, self.style_downs = latent, hidden, style_downs
        self.slots = {
            "G": Slot("generator", ("A",), "B", ("encode", "decode"), {"generator": "starganv2"}),
            "F": Slot(""),
            "E": Slot(""),
            "D": Slot("discriminator", ("A",), default={"discriminator": "starganv2"}),
        }
        self.optims = {slot: Optim((slot,), options=ADAM, lr=0.01 if slot == "F" else 1.0) for slot in self.slots}
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"),
            Phase("discriminator_guided", ("D",), self.guided_discriminator_losses, forward="detached"),
            Phase("generator", ("G", "F", "E"), self.generator_losses),
            Phase("generator_guided", ("G",), self.guided_generator_losses, forward="fresh"),
        ]
        self.tensors = {
            **{f"fake_{target}": Output(source, target) for source, target in DIRECTIONS},
            **{f"fake_guided_{target}": Output(source, target, for_losses=False) for source, target in DIRECTIONS},
            **{f"rec_{one}": Output(one, one, for_losses=bool(cycle)) for one in "AB"},
        }

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return the networks that the method builds: ``F``, the mapping network, and ``E``, the style encoder.

        Raises GanzooError if the domains differ in channels, if the generator is another one, or if the discriminator
        has no logit for each domain.
        """
        images, generator = example["real_A"], self.generator
        if not isinstance(generator, StarGenerator):
            raise GanzooError("networks.G: the networks of starganv2 fit its own generator only: set it to starganv2")
        if images.shape[1] != example["real_B"].shape[1]:
            raise GanzooError(
                "the domains differ in channels, but starganv2 uses one network for both: use another method"
            )
        logits = self.networks["D"](images)
        if not isinstance(logits, Tensor) or logits.ndim < 2 or logits.shape[1] != len(DIRECTIONS):
            raise GanzooError(
                "networks.D: starganv2 needs two logits, one for each domain: use the discriminator starganv2 with two "
                "domains"
            )
        widths = generator.width, generator.max_width
        encoder = StyleEncoder(images.shape[1], *widths, self.style_downs, generator.style)
        encoder(images, "A")  # raises GanzooError for images that are too small
        return {"F": MappingNetwork(self.latent, self.hidden, generator.style), "E": encoder}

    @property
    def generator(self) -> StarGenerator:
        """The network that encodes and decodes the images of both domains."""
        return self.networks["G"]  # type: ignore[return-value]

    def forward(self, step: Step) -> None:
        """Add translations with random styles and with the styles of references, and reconstructions, to the step.

        ``fake_…`` have random styles, ``fake_guided_…`` the style of the other domain's image. In training the latter
        have no gradient, except in the phase ``generator_guided``, which computes nothing else.
        """
        for one in "AB":
            step[f"content_{one}"] = self.generator.encode(step[f"real_{one}"])
        guided = step.phase == "generator_guided"
        if not guided:
            for source, target in DIRECTIONS:
                step[f"style_{target}"] = self.random_style(step, target, "first")
                step[f"fake_{target}"] = self.decode(step, source, step[f"style_{target}"])
        with torch.set_grad_enabled(guided and torch.is_grad_enabled()):
            for source, target in DIRECTIONS:
                step[f"style_guided_{target}"] = self.style_of(step[f"real_{target}"], target)
                step[f"fake_guided_{target}"] = self.decode(step, source, step[f"style_guided_{target}"])
        if self.weights["cycle"] or not step.training:
            for source, target in DIRECTIONS:
                fake = f"fake_guided_{target}" if guided else f"fake_{target}"
                content, style = self.generator.encode(step[fake]), self.style_of(step[f"real_{source}"], source)
                image = crop_to(self.generator.decode(content, style), step[fake])
                step[f"rec_{source}"] = self.masks.composite(step, fake, image)

    def decode(self, step: Step, source: str, style: Tensor) -> Tensor:
        """Return the translation (B, C, H, W) of a domain's images in the step with styles (B, style)."""
        images = step[f"real_{source}"]
        translated = crop_to(self.generator.decode(step[f"content_{source}"], style), images)
        return self.masks.composite(step, f"real_{source}", translated)

    def random_style(self, step: Step, domain: str, which: str) -> Tensor:
        """Return random styles of a domain, (B, style): F of latents that depend on the text ``which``."""
        latents = step.rng(f"latent_{domain}/{which}").normal(self.latent)
        return self.mapped(latents.to(step[f"real_{domain}"]), domain)

    def mapped(self, latents: Tensor, domain: str) -> Tensor:
        """Return the styles (B, style) of a domain for latents (B, latent)."""
        styles: Tensor = self.networks["F"](latents, domain)
        return styles

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss, scalars by name: on translations with random styles."""
        return self.terms_of_discriminator(step, "fake")

    def guided_discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss, scalars by name: on translations with styles of references."""
        return self.terms_of_discriminator(step, "fake_guided")

    def terms_of_discriminator(self, step: Step, fake: str) -> dict[str, Tensor]:
        """Return ½(real + fake) of each domain's branch, and its penalties; ``fake`` starts the translations' names.

        With ``wgan-gp`` the sum is not halved.
        """
        losses: dict[str, Tensor] = {}
        signs = []
        for index, one in enumerate("AB"):
            real, shown = (self.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", fake))
            branch = Branch(self.networks["D"], index)
            losses |= self.gan.discriminator(step, "D", branch, real, [shown], name=f"D_{one}", halved=True)
            signs += [step.real_signs["D"]] if "D" in step.real_signs else []
        if signs:
            step.real_signs["D"] = torch.cat(signs)
        return losses

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of translations with random styles, scalars by name."""
        others = {one: self.random_style(step, one, "second") for one in "AB"} if self.weights["diversity"] else {}
        return self.terms_of_generator(step, "", others)

    def guided_generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of translations with the styles of references, scalars by name."""
        others = {}
        if self.weights["diversity"]:
            others = {one: self.style_of(partners(step[f"real_{one}"]), one) for one in "AB"}
        return self.terms_of_generator(step, "guided_", others)

    def terms_of_generator(self, step: Step, kind: str, others: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted terms of both directions, scalars by name: ``gan_AB``, ``style_B``, ``cycle_A``, ….

        Args:
            step: the step.
            kind: empty, or ``guided_``: which translations and styles of the step.
            others: domain → other styles (B, style), from which translations should differ; empty for no such term.
        """
        losses: dict[str, Tensor] = {}
        for source, target in DIRECTIONS:
            fake = step[f"fake_{kind}{target}"]
            logits = self.networks["D"](self.masks.for_discriminator(step, f"fake_{kind}{target}"))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits[:, "AB".index(target)]) / 2
            if self.weights["style"]:
                error = l1(self.style_of(fake, target), step[f"style_{kind}{target}"])
                losses[f"style_{target}"] = self.weights["style"] / 2 * error
            if self.weights["cycle"]:
                losses[f"cycle_{source}"] = (
                    self.weights["cycle"] / 2 * l1(step[f"rec_{source}"], step[f"real_{source}"])
                )
            if others:
                with torch.no_grad():
                    again = self.decode(step, source, others[target])
                weight = self.weights["diversity"] * (1 - step.progress)
                losses[f"diversity_{target}"] = -weight / 2 * l1(fake, again)
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images with the styles in the step's tensor ``style``, or with random ones.

        Adds the images to the step, as ``real_A`` or ``real_B``.

        Args:
            images: images (B, C, H, W) of the source domain.
            direction: ``AB`` or ``BA``.
            step: the step; its ``style``, if it has one, is (B, style).
        """
        source, target = direction
        step[f"real_{source}"] = images
        step[f"content_{source}"] = self.generator.encode(images)
        style = step.get("style")
        if style is None:
            latents = step.rng(f"latent_{target}/first").normal(self.latent)
            style = self.mapped(latents.to(images), target)
        return self.decode(step, source, style)

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return random styles of a domain, (B, style): F of latents from N(0, I)."""
        weight = next(self.networks["F"].parameters())
        return self.mapped(draws.normal(self.latent).to(weight), domain)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, style) of a domain's images (B, C, H, W)."""
        styles: Tensor = self.networks["E"](images, domain)
        return styles

    def style_size(self, domain: str) -> int:
        """Return the length of the style vectors."""
        return self.generator.style


class Branch(nn.Module):
    """A discriminator's logits for one domain.

    Args:
        network: the discriminator, with a logit for each domain.
        index: the domain's index.
    """

    def __init__(self, network: nn.Module, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, h, w) of images (B, C, H, W)."""
        logits: Tensor = self.network(images)[:, self.index]
        return logits


def partners(images: Tensor) -> Tensor:
    """Return images (B, C, H, W), B even, with the two images of each pair exchanged."""
    return images.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def l1(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference of two tensors of one shape, a float32 scalar."""
    return (one.float() - other.float()).abs().mean()
