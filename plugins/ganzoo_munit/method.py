"""The method ``munit``: translation that combines the content of one domain with any style of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import AdversarialLoss, AdversarialOption, Direction, Method, Output, Phase, Step, halvings
from ganzoo_cyclegan.layers import crop_to, decode_together
from ganzoo_cyclegan.method import Count, Weight
from ganzoo_munit.autoencoder import MUNITGenerator
from ganzoo_munit.training import discriminator_losses, optims, slots

if TYPE_CHECKING:
    from ganzoo.interfaces import Reader


class MUNIT(Method):
    """Multimodal unpaired translation (Huang et al., ECCV 2018, section 3, eq. 2 to 5; the released code's weights).

    Each domain's generator encodes its images to content c and style s, and decodes pairs of them: fake_B = G_B(c_A,
    s), s ~ N(0, I). The generators minimize, for A and in the same way for B, adv(D_B(fake_B)) + λ_image‖G_A(c_A, s_A)
    − real_A‖₁ + λ_content‖c(fake_B) − c_A‖₁ + λ_style‖s(fake_B) − s‖₁ + λ_cycle‖G_A(c(fake_B), s_A) − real_A‖₁. The
    discriminators are trained first and minimize real + fake; by default their fakes are translations of the same
    images with other random styles. ``idt_A`` is decoded from the image's own content and style, ``rec_A`` from the
    translation's content and the image's own style.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        image: λ of the image reconstruction.
        content: λ of the content reconstruction.
        style: λ of the style reconstruction.
        cycle: λ of the reconstruction through the other domain; 0 in the paper, 10 in some of its configurations.
        share_styles: whether to train discriminators and generators on the same fakes, which saves a forward pass.
        halve: number of steps between two halvings of the learning rate; 0: linear decay by ``train.decay``.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        image: Weight = 10.0,
        content: Weight = 1.0,
        style: Weight = 1.0,
        cycle: Weight = 0.0,
        share_styles: bool = False,
        halve: Count = 100_000,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weights = {"image": image, "content": content, "style": style, "cycle": cycle}
        self.share_styles = share_styles
        self.halve = halve
        calls = ("encode", "encode_content", "encode_style", "decode")
        self.slots, self.optims = slots("munit", calls), optims()
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached" if share_styles else "fresh"),
            Phase("generator", ("G",), self.generator_losses, forward="shared" if share_styles else "fresh"),
        ]
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"{kind}_{domain}": Output(domain, domain) for kind in (["rec"] if cycle else []) for domain in "AB"},
            **{f"idt_{domain}": Output(domain, domain) for domain in "AB"},
        }

    def prepare(self, reader: Reader) -> None:
        """Check the generators: raise GanzooError if one has ``head: softmax``, but its domain has no label maps."""
        for one in "AB":
            if getattr(self.generator(one), "head", "") == "softmax" and one not in reader.dataset.classes:
                raise GanzooError(
                    f"networks.G_{one}: head: softmax makes label maps, but domain {one} has no label maps: set "
                    f"data.classes.{one}, or head: tanh"
                )

    def forward(self, step: Step) -> None:
        """Add contents, styles, translations with random styles, ``idt_…`` and ``rec_…`` images to the step.

        For the discriminators only translations are computed, unless ``share_styles`` is set. Training computes
        ``rec_…`` only if ``cycle`` has weight. A decoder makes its translations and its ``idt_…`` images in one call.
        """
        discriminator_only = step.phase == "discriminator" and not self.share_styles
        for one in "AB":
            step[f"content_{one}"] = self.generator(one).encode_content(step[f"real_{one}"])
            if not discriminator_only:
                step[f"style_{one}"] = self.generator(one).encode_style(step[f"real_{one}"])
            step[f"drawn_{one}"] = self.random_style(step, one)
        for source, target in ("AB", "BA"):
            pairs = [(f"content_{source}", f"drawn_{target}")]
            pairs += [] if discriminator_only else [(f"content_{target}", f"style_{target}")]
            fake, *identity = self.decode(step, target, pairs)
            step[f"fake_{target}"] = self.masks.composite(step, f"real_{source}", fake)
            for image in identity:
                step[f"idt_{target}"] = self.masks.composite(step, f"real_{target}", image)
        if discriminator_only:
            return
        for source, target in ("AB", "BA"):
            encoded = self.generator(target).encode(step[f"fake_{target}"])
            step[f"content_fake_{target}"], step[f"style_fake_{target}"] = encoded
            if self.weights["cycle"] or not step.training:
                (reconstruction,) = self.decode(step, source, [(f"content_fake_{target}", f"style_{source}")])
                step[f"rec_{source}"] = self.masks.composite(step, f"fake_{target}", reconstruction)

    def generator(self, domain: str) -> MUNITGenerator:
        """Return a domain's autoencoder."""
        return self.networks[f"G_{domain}"]  # type: ignore[return-value]

    def random_style(self, step: Step, domain: str, like: Tensor | None = None) -> Tensor:
        """Return random styles N(0, I) of a domain, (B, style); they differ between phases without ``share_styles``.

        Args:
            step: the step, whose samples key the random numbers.
            domain: the domain of the styles.
            like: a tensor with the device and dtype of the result; by default the domain's images in the step.
        """
        phase = "" if self.share_styles else step.phase
        styles = step.rng(f"style_{domain}/{phase}").normal(self.generator(domain).style)
        return styles.to(step[f"real_{domain}"] if like is None else like)

    def decode(self, step: Step, domain: str, pairs: list[tuple[str, str]]) -> list[Tensor]:
        """Return a domain's images (B, C, H, W) for each pair of names of contents and styles in the step.

        Pairs of one size are decoded in one call; each image has the size of the image that its content is from.
        """
        names = [content.removeprefix("content_") for content, _ in pairs]
        sources = [step[name if name in step else f"real_{name}"] for name in names]
        inputs = [(step[content], step[style]) for content, style in pairs]
        return decode_together(self.generator(domain).decode, inputs, sources)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' weighted terms, scalars by name.

        The name's last letter is the domain of the image, content or style; ``gan_AB`` is the term of fake_B.
        """
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            fake = f"fake_{target}"
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, fake))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits)
            errors = {
                f"image_{source}": (f"idt_{source}", f"real_{source}"),
                f"content_{source}": (f"content_{fake}", f"content_{source}"),
                f"style_{target}": (f"style_{fake}", f"drawn_{target}"),
                f"cycle_{source}": (f"rec_{source}", f"real_{source}"),
            }
            for name, (one, other) in errors.items():
                weight = self.weights[name[:-2]]
                if weight:
                    losses[name] = weight * (step[one].float() - step[other].float()).abs().mean()
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties."""
        return discriminator_losses(self, self.gan, step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images with the styles in the step's tensor ``style``, or with random ones.

        Adds the images to the step, as ``real_A`` or ``real_B``.

        Args:
            images: images (B, C, H, W) of the source domain.
            direction: ``AB`` or ``BA``.
            step: the step; its ``style``, if it has one, is (B, style).
        """
        source, target = direction
        name = f"real_{source}"
        step[name] = images
        content = self.generator(source).encode_content(images)
        style = step.get("style")
        if style is None:
            style = self.random_style(step, target, like=images)
        translated = crop_to(self.generator(target).decode(content, style), images)
        return self.masks.composite(step, name, translated)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, style) of a domain's images (B, C, H, W)."""
        return self.generator(domain).encode_style(images)

    def style_size(self, domain: str) -> int:
        """Return the length of a domain's style vectors."""
        return self.generator(domain).style

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor: ½ to the power of the number of halvings so far.

        It does not depend on the run's length. With ``halve: 0`` it is the factor of a linear decay.
        """
        return halvings(step, self.halve) if self.halve else super().lr_factor(done, total, decay, step)
