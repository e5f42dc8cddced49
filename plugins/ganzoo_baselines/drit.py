"""The method ``drit`` (DRIT++): translation with a content shared by both domains and attributes of each domain."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

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
    forward_together,
    linear_decay,
)
from ganzoo_baselines.drit_network import AttributeEncoders, ContentDiscriminator, DRITGenerator
from ganzoo_cyclegan.layers import crop_to, decode_together
from ganzoo_cyclegan.method import Weight, l1
from ganzoo_munit.training import ADAM


class DRIT(Method):
    """Multimodal translation by content and attributes (Lee et al., ECCV 2018, section 3; as released with DRIT++).

    An image has a content c, whose space both domains share (a discriminator cannot tell c_A from c_B), and attributes
    a ~ N(μ, σ²) of its domain. ``fake_B`` = G_B(c_A, z) with z ~ N(0, I); ``fake_guided_B`` = G_B(c_A, a_B); ``idt_A``
    = G_A(c_A, a_A); ``rec_A`` = G_A(c(fake_guided_B), a(fake_guided_A)), after two exchanges of attributes. For A and
    in the same way for B, the encoders and decoders minimize adv(D_B(fake_guided_B)) + λ_content·adv(D_content(c_A)) +
    λ_image‖idt_A − real_A‖₁ + λ_cycle‖rec_A − real_A‖₁ + λ_kl(KL(a_A, N(0, I)) + mean(c_A²)). A second optimizer step,
    with gradients at the same weights, trains the content encoders and decoders: with another draw z′ they minimize
    adv(D_B2(G_B(c_A, z))) + adv(D_B2(G_B(c_A, z′))) + λ_latent‖μ(fake_B) − z‖₁ + λ_seek / (|G_B(c_A, z) − G_B(c_A, z′)|
    / |z − z′| + 1e-5). In training noise N(0, I) is added to every content.

    Images come in pairs: the first is translated, the second is a real image for D_A2 and D_B2. The method builds two
    networks itself, which a recipe cannot choose: E, the attribute encoders, of G's width, and D_content.

    Args:
        gan: the adversarial loss of the images, or ``{loss: …}`` with label smoothing and gradient penalties
            (``AdversarialLoss``).
        image: λ of the image reconstruction.
        cycle: λ of the reconstruction after two exchanges.
        kl: λ of the attributes' divergence and the contents' mean square.
        latent: λ of the recovery of the random attributes.
        seek: λ of mode seeking; 0: no second draw.
        content: λ of the contents' adversarial loss; 0: no discriminator of contents.
        content_layers: number of convolutions of stride 2 in D_content; three need images of at least 212×212 pixels.
        every: interval in steps at which all networks are trained; the other steps train only D_content. Without
            D_content it is 1.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator",)
    group: ClassVar[int] = 2

    def __init__(
        self,
        *,
        gan: AdversarialOption = "vanilla",
        image: Weight = 10.0,
        cycle: Weight = 10.0,
        kl: Weight = 0.01,
        latent: Weight = 10.0,
        seek: Weight = 1.0,
        content: Weight = 1.0,
        content_layers: Annotated[int, Field(ge=0, le=5)] = 3,
        every: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weights = {"image": image, "cycle": cycle, "kl": kl, "latent": latent, "seek": seek, "content": content}
        self.content_layers = content_layers
        discriminators = ("D_A", "D_B", "D_A2", "D_B2")
        self.slots = {
            "G": Slot("generator", ("A",), "B", ("encode", "decode"), {"generator": "drit"}),
            "E": Slot(""),
            **{
                name: Slot("discriminator", (name[2],), default={"discriminator": "multiscale", "slope": 0.01})
                for name in discriminators
            },
        }
        trained = {"D": discriminators, "G": ("G",), "E": ("E",)}
        self.optims = {name: Optim(slots, options=ADAM) for name, slots in trained.items()}
        interval = every if content else 1
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, interval, "detached"),
            Phase("generator", ("G", "E"), self.generator_losses, interval, defer_step=True),
            Phase("random", ("G",), self.random_losses, interval),
        ]
        if content:
            self.slots["D_content"] = Slot("discriminator", own=True)
            self.optims["content"] = Optim(("D_content",), options=ADAM, lr=0.4, clip=5.0)
            self.phases.insert(1, Phase("content", ("content",), self.content_losses, forward="fresh"))
        self.fakes = ["fake", "fake_again"] if seek else ["fake"]
        self.tensors = {
            **{f"fake_{one}": Output(OTHER[one], one) for one in "AB"},
            **{f"fake_guided_{one}": Output(OTHER[one], one, in_grid=False) for one in "AB"},
            **{f"fake_again_{one}": Output(OTHER[one], one, for_losses=False, in_grid=False) for one in "AB"},
            **{f"rec_{one}": Output(one, one, for_losses=bool(cycle)) for one in "AB"},
            **{f"idt_{one}": Output(one, one, for_losses=bool(image)) for one in "AB"},
        }

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return the networks that the method builds, by slot: the attribute encoders, ``E``, and ``D_content``.

        There is no D_content if λ_content is 0. Raises GanzooError for images whose contents are too small for
        D_content.
        """
        generator = self.generator
        channels = [example[f"real_{one}"].shape[1] for one in "AB"]
        encoders = AttributeEncoders(channels[0], channels[1], generator.width, generator.attributes)
        if not self.weights["content"]:
            return {"E": encoders}
        contents = generator.encode(example["real_A"], "A")
        discriminator = ContentDiscriminator(contents.shape[1], self.content_layers)
        discriminator(contents)  # raises GanzooError for contents that are too small
        return {"E": encoders, "D_content": discriminator}

    @property
    def generator(self) -> DRITGenerator:
        """The network with both domains' content encoders and decoders."""
        return self.networks["G"]  # type: ignore[return-value]

    def encode_attributes(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, attributes) each, of the attributes of a domain's images (B, C, H, W)."""
        distribution: tuple[Tensor, Tensor] = self.networks["E"](images, domain)
        return distribution

    def forward(self, step: Step) -> None:
        """Add contents, attributes, translations and reconstructions to the step.

        Images are translated with random attributes (``fake_A``, ``fake_B``) and with the attributes of the other
        domain's image (``fake_guided_A``, ``fake_guided_B``); then attributes are exchanged again (``rec_A``,
        ``rec_B``). The phase ``content`` needs only contents, so nothing else is computed in it. In training the step
        is halved: it has the first image of each pair, and ``second_A`` and ``second_B`` are what a discriminator sees
        of the second images.
        """
        seconds = step.halve() if step.training else None
        for one in "AB":
            self.put_content(step, f"real_{one}", one)
        if step.phase == "content":
            return
        for one in "AB":
            self.put_attributes(step, f"real_{one}", one)
            if seconds is not None:
                step[f"second_{one}"] = self.masks.for_discriminator(seconds, f"real_{one}")
        fakes = self.fakes if step.training else ["fake"]
        for fake in fakes:
            step[f"drawn_{fake}"] = self.random_attributes(step, fake).to(step["mean_real_A"])
        for source, target in ("AB", "BA"):
            content, attributes = f"content_real_{source}", f"attributes_real_{target}"
            guided = {f"fake_guided_{target}": (content, attributes)}
            if self.wants("image", step):
                guided[f"idt_{target}"] = (f"content_real_{target}", attributes)
            self.put_decoded(step, target, guided)
            self.put_decoded(step, target, {f"{fake}_{target}": (content, f"drawn_{fake}") for fake in fakes})
        if self.wants("cycle", step):
            for one in "AB":
                self.put_content(step, f"fake_guided_{one}", one)
                self.put_attributes(step, f"fake_guided_{one}", one)
            for source, target in ("AB", "BA"):
                exchanged = (f"content_fake_guided_{target}", f"attributes_fake_guided_{source}")
                self.put_decoded(step, source, {f"rec_{source}": exchanged})

    def wants(self, term: str, step: Step) -> bool:
        """Return whether a step computes the tensors of a loss term: in training only if its weight is above 0."""
        return self.weights[term] > 0 or not step.training

    def put_content(self, step: Step, name: str, domain: str) -> None:
        """Add the content of the image ``name`` to the step, as ``content_{name}``; in training with noise."""
        content = self.generator.encode(step[name], domain)
        if step.training:
            content = content + step.rng(f"noise/{name}").normal(*content.shape[1:]).to(content)
        step[f"content_{name}"] = content

    def put_attributes(self, step: Step, name: str, domain: str) -> None:
        """Add the attributes of the image ``name`` to the step: in training a random sample, otherwise the mean.

        The names are ``attributes_{name}``, ``mean_{name}`` and ``log_variance_{name}``.
        """
        mean, log_variance = self.encode_attributes(step[name], domain)
        step[f"mean_{name}"], step[f"log_variance_{name}"] = mean, log_variance
        if step.training:
            mean = mean + (log_variance / 2).exp() * step.rng(f"spread/{name}").normal(mean.shape[1]).to(mean)
        step[f"attributes_{name}"] = mean

    def put_decoded(self, step: Step, domain: str, outputs: Mapping[str, tuple[str, str]]) -> None:
        """Decode images of a domain, those of one size in one call, and add them to the step.

        Each has the size of the image that its content is from.

        Args:
            step: the step.
            domain: the domain of the decoded images.
            outputs: name of a decoded image → names of its content and its attributes in the step.
        """
        inputs = [(step[content], step[attributes]) for content, attributes in outputs.values()]
        sources = [step[content.removeprefix("content_")] for content, _ in outputs.values()]
        images = decode_together(partial(self.generator.decode, domain=domain), inputs, sources)
        step.update(zip(outputs, images, strict=True))

    def random_attributes(self, step: Step, fake: str = "fake") -> Tensor:
        """Return random attributes N(0, I), (B, attributes): the same for both domains, others for each ``fake``."""
        return step.rng(f"attributes/{fake}").normal(self.generator.attributes)

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: the slots, and their penalties.

        D_A and D_B see ``fake_guided_…``; D_A2 and D_B2 see the translations with random attributes.
        """
        losses: dict[str, Tensor] = {}
        for one in "AB":
            real, guided, *fakes = (
                self.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", "fake_guided", *self.fakes)
            )
            for slot, reals, shown in ((f"D_{one}", real, [guided]), (f"D_{one}2", step[f"second_{one}"], fakes)):
                losses |= self.gan.discriminator(step, slot, self.networks[slot], reals, shown)
        return losses

    def content_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the loss of the discriminator of contents, a scalar with the name ``D``.

        Its target is 0 for contents of A and 1 for those of B.
        """
        of_a, of_b = forward_together(self.networks["D_content"], [step["content_real_A"], step["content_real_B"]])
        return {"D": F.softplus(of_a.float()).mean() + F.softplus(-of_b.float()).mean()}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of the first optimizer step, scalars by name.

        The name's last letter is the image's domain; ``gan_AB`` is the term of ``fake_guided_B``.
        """
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_guided_{target}"))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits)
            if self.weights["content"]:
                logits = self.networks["D_content"](step[f"content_real_{source}"]).float()
                cross_entropy = (F.softplus(logits) - logits / 2).mean()  # with the target ½
                losses[f"content_{source}"] = self.weights["content"] * cross_entropy
            for term, kind in (("image", "idt"), ("cycle", "rec")):
                if self.weights[term]:
                    losses[f"{term}_{source}"] = self.weights[term] * l1(step, f"{kind}_{source}", source)
            if self.weights["kl"]:
                mean, log_variance = step[f"mean_real_{source}"], step[f"log_variance_real_{source}"]
                divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
                squares = step[f"content_real_{source}"].float().square()
                losses[f"kl_attributes_{source}"] = self.weights["kl"] * divergence.mean()
                losses[f"kl_content_{source}"] = self.weights["kl"] * squares.mean()
        return losses

    def random_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of the second optimizer step, for translations with random attributes, by name."""
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            fakes = [step[f"{fake}_{target}"].float() for fake in self.fakes]
            inputs = [self.masks.for_discriminator(step, f"{fake}_{target}") for fake in self.fakes]
            terms = [self.gan.generator(logits) for logits in forward_together(self.networks[f"D_{target}2"], inputs)]
            losses[f"gan_{source}{target}"] = torch.stack(terms).sum()
            if self.weights["latent"]:
                recovered, _ = self.encode_attributes(step[f"fake_{target}"], target)
                losses[f"latent_{target}"] = self.weights["latent"] * (recovered - step["drawn_fake"]).abs().mean()
            if self.weights["seek"]:
                images = (fakes[0] - fakes[1]).abs().mean((1, 2, 3))
                attributes = (step["drawn_fake"] - step["drawn_fake_again"]).abs().mean(1)
                losses[f"seek_{target}"] = self.weights["seek"] * (1 / (images / attributes + 1e-5)).mean()
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images with the attributes in the step's tensor ``style``, or with random ones.

        Args:
            images: images (B, C, H, W) of the source domain.
            direction: ``AB`` or ``BA``.
            step: the step; its ``style``, if it has one, is (B, attributes).
        """
        source, target = direction
        content = self.generator.encode(images, source)
        style = step.get("style")
        attributes = self.random_attributes(step).to(images) if style is None else style
        return crop_to(self.generator.decode(content, attributes, target), images)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the mean attributes, (B, attributes), of a domain's images (B, C, H, W)."""
        return self.encode_attributes(images, domain)[0]

    def style_size(self, domain: str) -> int:
        """Return the number of attributes of an image."""
        return self.generator.attributes

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor 1 − max(0, e − n)/(m + 1), as CycleGAN does, but with e counted from 0.

        e is the number of finished epochs, n the number of epochs at the full rate, m the number of epochs with decay.
        """
        return linear_decay(done - 1, total, decay)
