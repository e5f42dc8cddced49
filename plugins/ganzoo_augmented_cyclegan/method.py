"""The method ``augmented_cyclegan``: cycles between pairs of an image and a style."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    OTHER,
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
)
from ganzoo_augmented_cyclegan.latent import Norm, StyleDiscriminator, StyleEncoder
from ganzoo_cyclegan.method import Weight, l1

Positive = Annotated[int, Field(ge=1)]
MAX_NORM = 500.0
"""Largest norm of a network's gradient, as released."""


class AugmentedCycleGAN(Method):
    """Unpaired translation with cycles of images and styles (Almahairi et al., ICML 2018, section 4; released code).

    A domain with styles, by default B, has an encoder E_B of pairs of images, and styles z_B ~ N(0, I). fake_B =
    G_AB(real_A, z_B), fake_A = G_BA(real_B), ẑ_B = E_B(fake_A, real_B). Generators and encoder minimize
    adv(D_B(fake_B)) + adv(D_A(fake_A)) + adv(D_z_B(ẑ_B)) + λ‖G_BA(fake_B) − real_A‖₁ + λ‖G_AB(fake_A, ẑ_B) − real_B‖₁
    + λ_latent‖E_B(real_A, fake_B) − z_B‖₁. The discriminators are trained first and minimize ½(real + fake); D_z_B
    tells drawn styles from ẑ_B. Discriminators have a fifth of the learning rate; there is no image pool.

    Args:
        gan: the adversarial loss of images and styles, or ``{loss: …}`` with label smoothing and gradient penalties
            (``AdversarialLoss``).
        cycle: λ of both reconstructions of images.
        latent: λ_latent of the reconstruction of styles; 0 leaves it out.
        styles: domains that have styles: B, as released, or A and B, as in the paper.
        match_styles: whether the discriminators D_z make encoded styles follow N(0, I).
        encoder_width: number of channels of the first convolution of an encoder of styles.
        encoder_downs: number of halvings in an encoder of styles: 4 for images of 64 pixels.
        latent_width: number of units of the hidden layers of D_z.
        norm: the norm in the encoders of styles and in D_z: ``batch``, as released, or ``none``.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        cycle: Weight = 1.0,
        latent: Weight = 0.025,
        styles: Annotated[tuple[Literal["A", "B"], ...], Field(min_length=1)] = ("B",),
        match_styles: bool = True,
        encoder_width: Positive = 32,
        encoder_downs: Annotated[int, Field(ge=1, le=8)] = 4,
        latent_width: Positive = 64,
        norm: Norm = "batch",
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.cycle, self.latent = cycle, latent
        self.styled = [domain for domain in "AB" if domain in styles]
        self.matched = self.styled if match_styles else []
        self.encoder, self.latent_width, self.norm = (encoder_width, encoder_downs), latent_width, norm
        local = {"discriminator": "affine_patch"}
        whole = {**local, "width": 32, "layers": 4, "whole": True}
        self.slots = {
            **{f"G_{source}{target}": self.generator_slot(source, target) for source, target in ("AB", "BA")},
            **{f"E_{one}": Slot("") for one in self.styled},
            "D_A": Slot("discriminator", ("A",), default=whole if self.styled == ["B"] else local),
            "D_B": Slot("discriminator", ("B",), default=local),
            **{f"D_z_{one}": Slot("discriminator", own=True) for one in self.matched},
        }
        self.optims = {
            name: Optim((name,), lr=0.2 if name.startswith("D") else 1.0, clip=MAX_NORM) for name in self.slots
        }
        names = list(self.slots)
        self.phases = [
            Phase(
                "discriminator",
                tuple(name for name in names if name.startswith("D")),
                self.discriminator_losses,
                forward="detached",
            ),
            Phase("generator", tuple(name for name in names if not name.startswith("D")), self.generator_losses),
        ]
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"rec_{one}": Output(one, one, for_losses=cycle > 0) for one in "AB"},
        }

    def generator_slot(self, source: str, target: str) -> Slot:
        """Return the slot of a direction's generator, which reads a style if the target domain has styles."""
        styled = target in self.styled
        default = {"generator": "style_resnet", "style": 16 if styled else 0}
        return Slot("generator", (source,), target, ("translate" if styled else "forward",), default)

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return the encoders ``E_…`` of the domains with styles, and the discriminators ``D_z_…`` of their styles.

        Raises GanzooError if the generator into a domain with styles has none.
        """
        channels = sum(example[f"real_{one}"].shape[1] for one in "AB")
        built: dict[str, nn.Module] = {}
        for one in self.styled:
            if not self.style_size(one):
                raise GanzooError(
                    f"networks.G_{OTHER[one]}{one}: {one} has styles (method.styles), but this generator has none: set "
                    "its option style"
                )
            built[f"E_{one}"] = StyleEncoder(channels, *self.encoder, self.style_size(one), self.norm)
        for one in self.matched:
            built[f"D_z_{one}"] = StyleDiscriminator(self.style_size(one), self.latent_width, self.norm)
        return built

    def forward(self, step: Step) -> None:
        """Add translations, encoded styles and reconstructions to the step.

        ``drawn_B`` are the random styles of ``fake_B``; ``encoded_B`` those of ``real_B``, with which ``rec_B`` is
        made; ``found_B`` those that the encoder finds in ``fake_B``. Training makes ``rec_…`` only if λ is not 0.
        """
        for source, target in ("AB", "BA"):
            if target in self.styled:
                step[f"drawn_{target}"] = self.random_style(step, target).to(step[f"real_{source}"])
            self.generate(step, f"real_{source}", f"fake_{target}", f"drawn_{target}")
        for one in self.styled:
            step[f"encoded_{one}"] = self.encode(step, one, f"real_{one}", f"fake_{OTHER[one]}")
            if self.latent and step.training:
                step[f"found_{one}"] = self.encode(step, one, f"fake_{one}", f"real_{OTHER[one]}")
        if self.cycle or not step.training:
            for source, target in ("AB", "BA"):
                self.generate(step, f"fake_{target}", f"rec_{source}", f"encoded_{source}")

    def generate(self, step: Step, source: str, target: str, styles: str) -> None:
        """Add an image to the step: the translation of another one, with styles if the target's domain has them.

        Args:
            step: the step.
            source: name of the image that is translated, such as ``real_A``.
            target: name of the translation, such as ``fake_B``.
            styles: name of the styles.
        """
        network = self.networks[f"G_{source[-1]}{target[-1]}"]
        inputs = (step[source], step[styles]) if target[-1] in self.styled else (step[source],)
        make = network.translate if target[-1] in self.styled else network
        step[target] = self.masks.composite(step, source, make(*inputs))  # type: ignore[operator]

    def encode(self, step: Step, domain: str, own: str, other: str) -> Tensor:
        """Return the styles (B, style) of a domain, from its image ``own`` and the other domain's image ``other``."""
        pair = (step[own], step[other]) if domain == "A" else (step[other], step[own])
        styles: Tensor = self.networks[f"E_{domain}"](*pair)
        return styles

    def random_style(self, step: Step, domain: str) -> Tensor:
        """Return random styles N(0, I) of a domain, (B, style)."""
        return step.rng(f"style_{domain}").normal(self.style_size(domain))

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of generators and encoders, scalars by name.

        ``gan_AB`` is the term of fake_B; the last letter of the others is the domain of the image or style.
        """
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_{target}"))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits)
        for one in self.matched:
            losses[f"gan_z_{one}"] = self.gan.generator(self.networks[f"D_z_{one}"](step[f"encoded_{one}"]))
        if self.cycle:
            losses |= {f"cycle_{one}": self.cycle * l1(step, f"rec_{one}", one) for one in "AB"}
        if self.latent:
            for one in self.styled:
                error = step[f"found_{one}"] - step[f"drawn_{one}"]
                losses[f"latent_{one}"] = self.latent * error.abs().mean()
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: the slots, and their penalties."""
        losses: dict[str, Tensor] = {}
        for one in "AB":
            real, fake = (self.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", "fake"))
            losses |= self.gan.discriminator(step, f"D_{one}", self.networks[f"D_{one}"], real, [fake], halved=True)
        for one in self.matched:
            name, drawn = f"D_z_{one}", step[f"drawn_{one}"].to(step[f"encoded_{one}"])
            encoded = [step[f"encoded_{one}"]]
            losses |= self.gan.discriminator(step, name, self.networks[name], drawn, encoded, halved=True)
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images, to a domain with styles with the step's ``style``, or with random ones.

        Adds the images to the step, as ``real_A`` or ``real_B``.

        Args:
            images: images (B, C, H, W) of the source domain.
            direction: ``AB`` or ``BA``.
            step: the step; its ``style``, if it has one, is (B, style).
        """
        source, target = direction
        step[f"real_{source}"] = images
        if target in self.styled:
            style = step.get("style")
            step[f"drawn_{target}"] = self.random_style(step, target).to(images) if style is None else style
        self.generate(step, f"real_{source}", f"fake_{target}", f"drawn_{target}")
        return step[f"fake_{target}"]

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, style) of a domain's images, encoded with their translations; (B, 0) without styles.

        If the other domain has styles too, the images are translated with a style of ones.
        """
        if domain not in self.styled:
            return images.new_zeros(len(images), 0)
        step = Step({f"real_{domain}": images})
        step[f"fake_{OTHER[domain]}"] = self.networks[f"G_{domain}{OTHER[domain]}"](images)
        return self.encode(step, domain, f"real_{domain}", f"fake_{OTHER[domain]}")

    def style_size(self, domain: str) -> int:
        """Return the length of a domain's style vectors; 0 for a domain without styles."""
        generator = self.networks[f"G_{OTHER[domain]}{domain}"]
        return int(generator.style) if domain in self.styled else 0  # type: ignore[arg-type]
