"""The method ``cyclegan``: unpaired translation with two generators, two discriminators and cycle consistency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    ImagePool,
    Logits,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    forward_together,
)

Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Term = Literal["gan_AB", "gan_BA", "cycle_A", "cycle_B", "identity_A", "identity_B"]
TERMS: tuple[Term, ...] = ("gan_AB", "gan_BA", "cycle_A", "cycle_B", "identity_A", "identity_B")


@dataclass(frozen=True)
class Extensions:
    """Functions with which a method that builds on CycleGAN replaces parts of it; None leaves CycleGAN's own part.

    >>> import torch
    >>> def black(step: Step, name: str) -> Tensor:
    ...     return -torch.ones_like(step[name])
    >>> CycleGAN(Extensions(discriminator_input=black), pool=0).discriminator_input(
    ...     Step({"real_A": torch.zeros(1, 3, 1, 1)}), "real_A"
    ... ).flatten().tolist()
    [-1.0, -1.0, -1.0]

    Args:
        generate: function of step, direction and names of images in the step; returns what the direction's generator
            makes of each of them, (B, C, H, W).
        discriminator_input: function of step and the name of an image in it; returns what a discriminator sees of the
            image, (B, C, H, W).
        pooled_fakes: function of step and domain; returns the generated images that the domain's discriminator sees in
            its own phase, (B, C, H, W).
        cycle_error: function of step and domain; returns the difference between the domain's images and their
            reconstructions, a scalar.
        fake_logits: function of step and domain; returns the logits that the domain's discriminator gives to this
            step's generated images in the generators' phase, a tensor or several.
    """

    generate: Callable[[Step, Direction, list[str]], list[Tensor]] | None = None
    discriminator_input: Callable[[Step, str], Tensor] | None = None
    pooled_fakes: Callable[[Step, str], Tensor] | None = None
    cycle_error: Callable[[Step, str], Tensor] | None = None
    fake_logits: Callable[[Step, str], Logits] | None = None


NO_EXTENSIONS = Extensions()


class CycleGAN(Method):
    """Unpaired translation with cycle consistency (Zhu et al. 2017, eq. 1 to 3, section 5.2 for the identity term).

    The generators minimize adv(D_B(fake_B)) + adv(D_A(fake_A)) + λ_A‖rec_A − real_A‖₁ + λ_B‖rec_B − real_B‖₁ +
    λ_idt(λ_A‖G_BA(real_A) − real_A‖₁ + λ_B‖G_AB(real_B) − real_B‖₁). Each discriminator minimizes ½(real + fake), with
    fakes from an image pool; with ``wgan-gp`` it minimizes real + fake + the gradient penalty.

    Args:
        extensions: functions of a derived method that replace parts of CycleGAN's step.
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        cycle: λ: one weight for both domains, or ``{A: …, B: …}``.
        identity: λ_idt, in units of λ; with 0, training computes no identity images.
        pool: size of each discriminator's image pool, for each position in the batch; 0: no pool.
        without: names of terms to leave out, for ablations: ``gan_AB``, ``gan_BA``, ``cycle_A``, ``cycle_B``,
            ``identity_A``, ``identity_B``. D_B is not built without ``gan_AB``, and D_A not without ``gan_BA``.

    Raises GanzooError if ``cycle`` lacks a domain, or if no term remains.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        extensions: Extensions = NO_EXTENSIONS,
        *,
        gan: AdversarialOption = "lsgan",
        cycle: Weight | dict[Literal["A", "B"], Weight] = 10.0,
        identity: Weight = 0.5,
        pool: Count = 50,
        without: tuple[Term, ...] = (),
    ) -> None:
        self.extensions = extensions
        self.gan = AdversarialLoss(gan)
        self.cycle = dict(cycle) if isinstance(cycle, dict) else {"A": cycle, "B": cycle}
        if set(self.cycle) != {"A", "B"}:
            raise GanzooError("cycle is a number, or a weight for each domain: {A: 10, B: 10}")
        self.identity = identity
        self.terms = [term for term in TERMS if term not in without and self._weight(term)]
        if not self.terms:
            raise GanzooError("every term is left out: there is nothing to train")
        self.discriminator_domains = [
            domain for domain, term in (("A", "gan_BA"), ("B", "gan_AB")) if term in self.terms
        ]
        self.pools = {domain: ImagePool(pool) for domain in self.discriminator_domains}
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "resnet"}),
            "G_BA": Slot("generator", ("B",), "A", default={"generator": "resnet"}),
        } | {
            f"D_{domain}": Slot("discriminator", (domain,), default={"discriminator": "patch"})
            for domain in self.discriminator_domains
        }
        self.optims = {"G": Optim(("G_AB", "G_BA"))}
        self.phases = [Phase("generator", ("G",), self.generator_losses)]
        if self.discriminator_domains:
            self.optims["D"] = Optim(tuple(f"D_{domain}" for domain in self.discriminator_domains))
            self.phases.append(Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"))
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"rec_{domain}": Output(domain, domain, for_losses=f"cycle_{domain}" in self.terms) for domain in "AB"},
            **{
                f"idt_{domain}": Output(domain, domain, for_losses=f"identity_{domain}" in self.terms)
                for domain in "AB"
            },
        }

    def _weight(self, term: str) -> float:
        kind, _, domain = term.partition("_")
        if kind == "gan":
            return 1.0
        weight = self.cycle["A" if domain == "A" else "B"]
        return weight * self.identity if kind == "identity" else weight

    def forward(self, step: Step) -> None:
        """Add translations (``fake_…``), identity images (``idt_…``) and reconstructions (``rec_…``) to the step.

        Training computes only the identity images and reconstructions that a loss term needs. Sample grids and metrics
        get all of them, except identity images if the domains differ in channels. A generator makes its translations
        and identity images in one call (in two if it has batch norm).

        Raises GanzooError for domains that differ in channels if there is an identity term, or a masker in the role
        ``composite``.
        """
        needed = {name for name, output in self.tensors.items() if output.for_losses or not step.training}
        if step["real_A"].shape[1] != step["real_B"].shape[1]:
            if any(self.tensors[name].for_losses for name in ("idt_A", "idt_B")):
                raise GanzooError(
                    "method.identity: the domains differ in channels, so the identity term is undefined: set it to 0"
                )
            needed -= {"idt_A", "idt_B"}
        for direction in self.directions:
            source, target = direction[0], direction[1]
            real, same = f"real_{source}", f"real_{target}"
            names = [real] + ([same] if f"idt_{target}" in needed else [])
            fake, *identity = self.generate(step, direction, names)
            step[f"fake_{target}"] = self.masks.composite(step, real, fake)
            for image in identity:
                step[f"idt_{target}"] = self.masks.composite(step, same, image)
        for direction in self.directions:
            target, source = direction[0], direction[1]
            if f"rec_{source}" in needed:
                (reconstruction,) = self.generate(step, direction, [f"fake_{target}"])
                step[f"rec_{source}"] = self.masks.composite(step, f"fake_{target}", reconstruction)

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a direction's generator makes of the named images of the step: one (B, C, H, W) for each name.

        All names pass in one call (in one each if the generator has batch norm). The extension ``generate`` replaces
        this.
        """
        if self.extensions.generate is not None:
            return self.extensions.generate(step, direction, names)
        return forward_together(self.networks[f"G_{direction}"], [step[name] for name in names])

    def discriminator_input(self, step: Step, name: str) -> Tensor:
        """Return what a discriminator sees of an image of the step, (B, C, H, W).

        This is the image, multiplied by its mask if the role ``discriminator`` has a masker. The extension
        ``discriminator_input`` replaces this.
        """
        if self.extensions.discriminator_input is not None:
            return self.extensions.discriminator_input(step, name)
        return self.masks.for_discriminator(step, name)

    def pooled_fakes(self, step: Step, domain: str) -> Tensor:
        """Return the fakes (B, C, H, W) on which a domain's discriminator is trained: new ones or earlier ones.

        They come from the domain's pool, which stores what the discriminator saw of an image. The extension
        ``pooled_fakes`` replaces this.
        """
        if self.extensions.pooled_fakes is not None:
            return self.extensions.pooled_fakes(step, domain)
        return self.query_pool(step, domain, self.discriminator_input(step, f"fake_{domain}"))

    def query_pool(self, step: Step, domain: str, fakes: Tensor) -> Tensor:
        """Return for each new fake itself or an earlier one from the domain's pool, (B, C, H, W), and update the pool.

        Raises GanzooError if fakes of different sizes would share the batch.
        """
        return self.pools[domain].query(fakes, step.positions, step.rng(f"pool_{domain}"))

    def cycle_error(self, step: Step, domain: str) -> Tensor:
        """Return the mean absolute difference of a domain's images and their reconstructions, a scalar.

        The extension ``cycle_error`` replaces this.
        """
        if self.extensions.cycle_error is not None:
            return self.extensions.cycle_error(step, domain)
        return l1(step, f"rec_{domain}", domain)

    def fake_logits(self, step: Step, domain: str) -> Logits:
        """Return the logits that a domain's discriminator gives to this step's generated images, one map or several.

        The extension ``fake_logits`` replaces this.
        """
        if self.extensions.fake_logits is not None:
            return self.extensions.fake_logits(step, domain)
        logits: Logits = self.networks[f"D_{domain}"](self.discriminator_input(step, f"fake_{domain}"))
        return logits

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' weighted terms, scalars by name; the names are those of the option ``without``."""
        losses: dict[str, Tensor] = {}
        for term in self.terms:
            kind, _, domain = term.partition("_")
            if kind == "gan":
                losses[term] = self.gan.generator(self.fake_logits(step, domain[1]))
            else:
                error = self.cycle_error(step, domain) if kind == "cycle" else l1(step, f"idt_{domain}", domain)
                losses[term] = self._weight(term) * error
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties.

        They are computed on real images and pooled fakes.
        """
        inputs = {
            f"D_{domain}": (self.discriminator_input(step, f"real_{domain}"), self.pooled_fakes(step, domain))
            for domain in self.discriminator_domains
        }
        losses: dict[str, Tensor] = {}
        for name, (real, fake) in inputs.items():
            losses |= self.terms_of_discriminator(step, name, real, fake)
        return losses

    def terms_of_discriminator(self, step: Step, name: str, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the terms, scalars, of the loss of the discriminator in the slot ``name`` on real images and fakes.

        Both are (B, C, H, W).
        """
        return self.gan.discriminator(step, name, self.networks[name], real, [fake], halved=True)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W) of one domain's images; the ``composite`` mask, if there is one, is applied.

        Adds the images to the step, as ``real_A`` or ``real_B``.
        """
        name = f"real_{direction[0]}"
        step[name] = images
        (translated,) = self.generate(step, direction, [name])
        return self.masks.composite(step, name, translated)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the images of all pools, (1, C, H, W), by ``domain.position.number``."""
        return {
            f"{domain}.{key}": image for domain, pool in self.pools.items() for key, image in pool.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the pools from ``state_dict``. Raises GanzooError if more images are saved than a pool holds."""
        for domain, pool in self.pools.items():
            prefix = f"{domain}."
            pool.load_state_dict(
                {key.removeprefix(prefix): image for key, image in state.items() if key.startswith(prefix)}
            )

    def undo(self) -> None:
        """Restore the pools to their content before this step."""
        for pool in self.pools.values():
            pool.undo()


def l1(step: Step, name: str, domain: str) -> Tensor:
    """Return the mean absolute difference between a tensor of the step and a domain's real images, a float32 scalar."""
    return (step[name].float() - step[f"real_{domain}"]).abs().mean()
