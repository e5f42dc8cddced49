"""The method ``bicyclegan``: pairs teach one image's many translations, by two cycles between images and styles."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    join_channels,
)
from ganzoo_bicyclegan.encoder import StyleEncoder
from ganzoo_bicyclegan.unet import StyleUNet
from ganzoo_cyclegan.method import Weight


class BicycleGAN(Method):
    """Multimodal translation of A to B from pairs (Zhu et al., NeurIPS 2017, eq. 1 to 9; the released code's step).

    cVAE-GAN: E encodes real_B to a style z ~ N(μ, σ²), and ``fake_encoded_B`` = G(real_A, z) has to be real_B. cLR-GAN:
    ``fake_B`` = G(real_A, z) with z ~ N(0, I), and E has to find z in it. Generator and encoder minimize
    adv(D_encoded(fake_encoded_B)) + adv(D_random(fake_B)) + λ_image‖fake_encoded_B − real_B‖₁ + λ_kl·KL(N(μ, σ²) ‖
    N(0, I)) + λ_latent‖μ(fake_B) − z‖₁; the last term trains G, but not E. They are trained first; then both
    discriminators minimize real + fake, with the translations from before that update.

    Pairs of images come in twos: the first is translated; the second is a real image for D_random.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        image: λ of the reconstruction of real_B.
        kl: λ of the divergence, which is summed over a style's numbers.
        latent: λ of the recovery of random styles; 0 leaves it out.
        conditional: whether the discriminators also see the image of A; the released code's default is not.
        encoder_blocks: number of residual blocks of E, which the method builds with G's width: 4 for images of 256
            pixels, 3 for 128.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("composite",)
    paired: ClassVar[bool] = True
    group: ClassVar[int] = 2

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        image: Weight = 10.0,
        kl: Weight = 0.01,
        latent: Weight = 0.5,
        conditional: bool = False,
        encoder_blocks: Annotated[int, Field(ge=1, le=8)] = 4,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weights = {"image": image, "kl": kl, "latent": latent}
        self.conditional, self.encoder_blocks = conditional, encoder_blocks
        judged = ("A", "B") if conditional else ("B",)
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", ("translate",), {"generator": "style_unet"}),
            "E": Slot(""),
            "D_encoded": Slot("discriminator", judged, default={"discriminator": "patch_pyramid"}),
            "D_random": Slot("discriminator", judged, default={"discriminator": "patch_pyramid"}),
        }
        self.optims = {"G": Optim(("G_AB",)), "E": Optim(("E",)), "D": Optim(("D_encoded", "D_random"))}
        self.phases = [
            Phase("generator", ("G", "E"), self.generator_losses),
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"),
        ]
        self.tensors = {"fake_B": Output("A", "B"), "fake_encoded_B": Output("A", "B")}

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return ``E``, the encoder of B's styles."""
        channels = example["real_B"].shape[1]
        width = getattr(self.generator, "width", 64)
        return {"E": StyleEncoder(channels, width, self.encoder_blocks, self.generator.style)}

    @property
    def generator(self) -> StyleUNet:
        """The generator, which translates images with styles."""
        return self.networks["G_AB"]  # type: ignore[return-value]

    def forward(self, step: Step) -> None:
        """Add translations with random styles (``fake_B``) and with those of real_B (``fake_encoded_B``) to the step.

        In training the step is halved: it has the first pair of each two, and ``second_A`` and ``second_B`` are the
        images of the other. The encoded style is a random sample in training, otherwise the mean.
        """
        if step.training:
            seconds = step.halve()
            step["second_A"], step["second_B"] = seconds["real_A"], seconds["real_B"]
        mean, log_variance = self.networks["E"](step["real_B"])
        step["mean"], step["log_variance"] = mean, log_variance
        encoded = mean
        if step.training:
            encoded = mean + (log_variance / 2).exp() * step.rng("spread").normal(mean.shape[1]).to(mean)
        step["drawn"] = self.random_style(step).to(mean)
        for name, styles in (("fake_B", step["drawn"]), ("fake_encoded_B", encoded)):
            translated = self.generator.translate(step["real_A"], styles)
            step[name] = self.masks.composite(step, "real_A", translated)

    def random_style(self, step: Step) -> Tensor:
        """Return random styles N(0, I), (B, style)."""
        return step.rng("style_B").normal(self.generator.style)

    def judged(self, step: Step, domain_a: str, domain_b: str) -> Tensor:
        """Return what a discriminator sees of a pair, named by its image of A and its image of B: (B, C, H, W)."""
        if not self.conditional:
            return step[domain_b]
        return join_channels([step[domain_a], step[domain_b].to(step[domain_a])])

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of generator and encoder, scalars by name.

        ``gan`` is the term of the encoded styles, ``gan_random`` that of the random ones.
        """
        losses = {
            "gan": self.gan.generator(self.networks["D_encoded"](self.judged(step, "real_A", "fake_encoded_B"))),
            "gan_random": self.gan.generator(self.networks["D_random"](self.judged(step, "real_A", "fake_B"))),
        }
        if self.weights["image"]:
            error = precise(step["fake_encoded_B"]) - step["real_B"]
            losses["image"] = self.weights["image"] * error.abs().mean()
        if self.weights["kl"]:
            mean, log_variance = step["mean"], step["log_variance"]
            divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
            losses["kl"] = self.weights["kl"] * divergence.mean()
        if self.weights["latent"]:
            found = self.find_style(step["fake_B"])
            losses["latent"] = self.weights["latent"] * (found - step["drawn"]).abs().mean()
        return losses

    def find_style(self, images: Tensor) -> Tensor:
        """Return the mean styles (B, style) of images; gradients reach the images, but not the encoder's weights."""
        frozen = {name: one.detach() for name, one in self.networks["E"].named_parameters()}
        mean: Tensor = torch.func.functional_call(self.networks["E"], frozen, (images,))[0]
        return mean

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of both discriminators' losses, scalars by name: the slots, and their penalties."""
        losses: dict[str, Tensor] = {}
        for slot, real, fake in (
            ("D_encoded", ("real_A", "real_B"), ("real_A", "fake_encoded_B")),
            ("D_random", ("second_A", "second_B"), ("real_A", "fake_B")),
        ):
            seen = [self.judged(step, *pair) for pair in (real, fake)]
            losses |= self.gan.discriminator(step, slot, self.networks[slot], seen[0], [seen[1]])
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images with the styles in the step's tensor ``style``, or with random ones.

        Adds the images to the step, as ``real_A``.

        Args:
            images: images (B, C, H, W) of A.
            direction: ``AB``.
            step: the step; its ``style``, if it has one, is (B, style).
        """
        step["real_A"] = images
        style = step.get("style")
        styles = self.random_style(step).to(images) if style is None else style
        return self.masks.composite(step, "real_A", self.generator.translate(images, styles))

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the mean styles (B, style) of images of B, (B, C, H, W); for A vectors of length 0."""
        if domain == "A":
            return images.new_zeros(len(images), 0)
        mean: Tensor = self.networks["E"](images)[0]
        return mean

    def style_size(self, domain: str) -> int:
        """Return the length of a style of B; 0 for A, whose images are not generated."""
        return self.generator.style if domain == "B" else 0


def precise(images: Tensor) -> Tensor:
    """Return images in float32; float64 stays as it is."""
    return images.to(torch.promote_types(images.dtype, torch.float32))
