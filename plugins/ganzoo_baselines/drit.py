"""DRIT++: one space of contents for both domains, and attributes that say how an image looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import (
    OTHER,
    Adversarial,
    Direction,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    discriminator_loss,
    forward_together,
    generator_loss,
    linear_decay,
)
from ganzoo_baselines.drit_network import AttributeEncoders, ContentDiscriminator, DRITGenerator
from ganzoo_cyclegan.layers import crop_to
from ganzoo_cyclegan.method import Weight, l1, verdicts
from ganzoo_munit.training import ADAM


class DRIT(Method):
    """Many translations by content and attributes (Lee et al., ECCV 2018, section 3; as released with DRIT++).

    An image's content c is for both domains to share, so that a discriminator cannot tell c_A from c_B; its attributes
    a ~ N(μ, σ²) are its domain's. ``fake_B`` = G_B(c_A, z), z ~ N(0, I), ``fake_guided_B`` = G_B(c_A, a_B), ``idt_A`` =
    G_A(c_A, a_A), and ``rec_A`` = G_A(c(fake_guided_B), a(fake_guided_A)), both exchanged twice. From A, and likewise
    from B, the encoders and decoders minimize adv(D_B(fake_guided_B)) + λ_content·adv(D_content(c_A)) +
    λ_image‖idt_A − real_A‖₁ + λ_cycle‖rec_A − real_A‖₁ + λ_kl(KL(a_A, N(0, I)) + mean(c_A²)). By a second step, whose
    gradients are those of the same weights, contents' encoders and decoders minimize, with another draw z′,
    adv(D_B2(G_B(c_A, z))) + adv(D_B2(G_B(c_A, z′))) + λ_latent‖μ(fake_B) − z‖₁ +
    λ_seek / (|G_B(c_A, z) − G_B(c_A, z′)| / |z − z′| + 1e-5). In training noise N(0, I) is added to every content.

    Images are taken in pairs: the first is translated, the second is what D_A2 and D_B2 know as real. The networks
    that are not slots of a recipe, E (the attributes' encoders, as wide as G) and D_content, are the method's own.

    Args:
        gan: the adversarial loss of the images.
        image: λ of the images' reconstruction.
        cycle: λ of the reconstruction through two exchanges.
        kl: λ of the attributes' divergence and the contents' size.
        latent: λ of the drawn attributes' recovery.
        seek: λ of mode seeking; 0: there is no second draw.
        content: λ of the contents' adversarial loss; 0: contents are not judged.
        content_layers: convolutions of stride 2 by which contents are judged; three need images from 212×212 on.
        every: only one of so many steps trains all, the others, before it, the contents' discriminator alone; 1 where
            contents are not judged.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator",)
    group: ClassVar[int] = 2

    def __init__(
        self,
        *,
        gan: Literal["vanilla", "lsgan", "hinge"] = "vanilla",
        image: Weight = 10.0,
        cycle: Weight = 10.0,
        kl: Weight = 0.01,
        latent: Weight = 10.0,
        seek: Weight = 1.0,
        content: Weight = 1.0,
        content_layers: Annotated[int, Field(ge=0, le=5)] = 3,
        every: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        self.gan: Adversarial = gan
        self.weights = {"image": image, "cycle": cycle, "kl": kl, "latent": latent, "seek": seek, "content": content}
        self.content_layers = content_layers
        critics = ("D_A", "D_B", "D_A2", "D_B2")
        self.slots = {
            "G": Slot("generator", ("A",), "B", ("encode", "decode"), {"generator": "drit"}),
            "E": Slot(""),
            **{
                name: Slot("discriminator", (name[2],), default={"discriminator": "multiscale", "slope": 0.01})
                for name in critics
            },
        }
        trained = {"D": critics, "G": ("G",), "E": ("E",)}
        self.optims = {name: Optim(slots, options=ADAM) for name, slots in trained.items()}
        turn = every if content else 1
        self.phases = [
            Phase("discriminator", ("D",), self.critic_losses, turn, "detached"),
            Phase("generator", ("G", "E"), self.generator_losses, turn, defer_step=True),
            Phase("random", ("G",), self.random_losses, turn),
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
        """Build the attributes' encoders, and the contents' discriminator from what G makes of an example."""
        generator = self.generator
        channels = [example[f"real_{one}"].shape[1] for one in "AB"]
        encoders = AttributeEncoders(channels[0], channels[1], generator.width, generator.attributes)
        if not self.weights["content"]:
            return {"E": encoders}
        contents = generator.encode(example["real_A"], "A")
        critic = ContentDiscriminator(contents.shape[1], self.content_layers)
        critic(contents)  # which says when they are too small
        return {"E": encoders, "D_content": critic}

    @property
    def generator(self) -> DRITGenerator:
        """Both domains' content encoders and decoders."""
        return self.networks["G"]  # type: ignore[return-value]

    def looks(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the attributes of a domain's images, (B, attributes) each."""
        found: tuple[Tensor, Tensor] = self.networks["E"](images, domain)
        return found

    def forward(self, step: Step) -> None:
        """Encode, translate in drawn attributes and in those of the other domain's image, and exchange once more.

        For the contents' discriminator, that is contents alone. In training what is left in the step is of the first
        image of each pair; ``second_A`` is what a discriminator sees of the second.
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
            step[f"drawn_{fake}"] = self.drawn(step, fake).to(step["mean_real_A"])
        for source, target in ("AB", "BA"):
            content, same, looks = f"content_real_{source}", f"content_real_{target}", f"attributes_real_{target}"
            guided = {f"fake_guided_{target}": (content, looks)}
            if self.wants("image", step):
                guided[f"idt_{target}"] = (same, looks)
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
        """Return whether a step needs what a term reads; grids and metrics see all of it."""
        return self.weights[term] > 0 or not step.training

    def put_content(self, step: Step, name: str, domain: str) -> None:
        """Put the content of an image of the step into it, in training with noise."""
        content = self.generator.encode(step[name], domain)
        if step.training:
            content = content + step.rng(f"noise/{name}").normal(*content.shape[1:]).to(content)
        step[f"content_{name}"] = content

    def put_attributes(self, step: Step, name: str, domain: str) -> None:
        """Put the attributes of an image of the step into it: in training drawn about their mean, else that."""
        mean, log_variance = self.looks(step[name], domain)
        step[f"mean_{name}"], step[f"log_variance_{name}"] = mean, log_variance
        if step.training:
            mean = mean + (log_variance / 2).exp() * step.rng(f"spread/{name}").normal(mean.shape[1]).to(mean)
        step[f"attributes_{name}"] = mean

    def put_decoded(self, step: Step, domain: str, wanted: Mapping[str, tuple[str, str]]) -> None:
        """Put images of a domain into the step, each by the names of its content and attributes, in one call."""
        contents, attributes = (
            torch.cat([step[name] for name in names]) for names in zip(*wanted.values(), strict=True)
        )
        made = crop_to(self.generator.decode(contents, attributes, domain), step[f"real_{domain}"])
        step.update(zip(wanted, made.chunk(len(wanted)), strict=True))

    def drawn(self, step: Step, fake: str = "fake") -> Tensor:
        """Return attributes of N(0, I) for each sample, (B, attributes), the same for both domains."""
        return step.rng(f"attributes/{fake}").normal(self.generator.attributes)

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        """Return each discriminator's loss; a second one is shown each of the drawn translations beside the real."""
        losses = {}
        for one in "AB":
            real, guided, *fakes = (
                self.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", "fake_guided", *self.fakes)
            )
            losses[f"D_{one}"] = torch.stack(verdicts(self.gan, self.networks[f"D_{one}"], real, guided)).sum()
            seen = [step[f"second_{one}"], *(fake.to(real.dtype) for fake in fakes)]
            on_real, *on_fakes = forward_together(self.networks[f"D_{one}2"], seen)
            terms = [term for on_fake in on_fakes for term in discriminator_loss(self.gan, on_real, on_fake)]
            losses[f"D_{one}2"] = torch.stack(terms).sum()
        return losses

    def content_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the loss of the contents' discriminator, to which A is 0 and B is 1."""
        of_a, of_b = forward_together(self.networks["D_content"], [step["content_real_A"], step["content_real_B"]])
        return {"D": F.softplus(of_a.float()).mean() + F.softplus(-of_b.float()).mean()}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the first step; a letter tells whose image it is."""
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_guided_{target}"))
            losses[f"gan_{source}{target}"] = generator_loss(self.gan, logits)
            if self.weights["content"]:
                verdict = self.networks["D_content"](step[f"content_real_{source}"]).float()
                undecided = (F.softplus(verdict) - verdict / 2).mean()  # cross-entropy to ½
                losses[f"content_{source}"] = self.weights["content"] * undecided
            for term, made in (("image", "idt"), ("cycle", "rec")):
                if self.weights[term]:
                    losses[f"{term}_{source}"] = self.weights[term] * l1(step, f"{made}_{source}", source)
            if self.weights["kl"]:
                mean, log_variance = step[f"mean_real_{source}"], step[f"log_variance_real_{source}"]
                divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
                size = step[f"content_real_{source}"].float().square()
                losses[f"kl_attributes_{source}"] = self.weights["kl"] * divergence.mean()
                losses[f"kl_content_{source}"] = self.weights["kl"] * size.mean()
        return losses

    def random_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the second step, of translations in drawn attributes."""
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            fakes = [step[f"{fake}_{target}"].float() for fake in self.fakes]
            shown = [self.masks.for_discriminator(step, f"{fake}_{target}") for fake in self.fakes]
            verdicts = forward_together(self.networks[f"D_{target}2"], shown)
            losses[f"gan_{source}{target}"] = torch.stack([generator_loss(self.gan, one) for one in verdicts]).sum()
            if self.weights["latent"]:
                found, _ = self.looks(step[f"fake_{target}"], target)
                losses[f"latent_{target}"] = self.weights["latent"] * (found - step["drawn_fake"]).abs().mean()
            if self.weights["seek"]:
                moved = (fakes[0] - fakes[1]).abs().mean((1, 2, 3))
                apart = (step["drawn_fake"] - step["drawn_fake_again"]).abs().mean(1)
                losses[f"seek_{target}"] = self.weights["seek"] * (1 / (moved / apart + 1e-5)).mean()
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images in the attributes ``style`` of the step, (B, attributes), or in drawn ones."""
        source, target = direction
        content = self.generator.encode(images, source)
        style = step.get("style")
        attributes = self.drawn(step).to(images) if style is None else style
        return crop_to(self.generator.decode(content, attributes, target), images)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the mean attributes of a domain's images, (B, attributes)."""
        return self.looks(images, domain)[0]

    def style_size(self, domain: str) -> int:
        """Return how many attributes there are."""
        return self.generator.attributes

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return 1 − max(0, e − n)/(m + 1), as CycleGAN's, but with e counted from 0."""
        return linear_decay(done - 1, total, decay)
