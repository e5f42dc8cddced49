"""The method ``dclgan``: CUT's contrast in both directions, between the encoders of both generators."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganzoo import GanzooError
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
    forward_together,
)
from ganzoo_baselines.cut import Layers, Patches, Projections, Size, Temperature, mean_nce, positions
from ganzoo_cyclegan.method import Weight, l1


class DCLGAN(Method):
    """Unpaired translation in both directions with dual contrastive learning (Han et al., CVPR-W 2021).

    The generators minimize ½(adv(D_B(fake_B)) + adv(D_A(fake_A))) + ½λ(NCE(real_A, fake_B) + NCE(real_B, fake_A)) +
    ½λ_idt(‖idt_A − real_A‖₁ + ‖idt_B − real_B‖₁), the weights of the released code. NCE is CUT's, but each domain has
    an encoder and projections of its own: images that look like A are seen by G_AB and F_A, those that look like B by
    G_BA and F_B. The discriminators are trained first, each on ½(real + fake); there is no image pool.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        nce: λ, weight of the NCE terms; 0 leaves them, F_A and F_B out.
        identity: λ_idt; with 0, training computes no identity images.
        layers: numbers of the layers of the generators' sequence whose outputs are compared.
        patches: number of compared positions of each layer; smaller maps are compared at all positions.
        temperature: τ, which divides the similarities.
        size: length of the compared vectors.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        nce: Weight = 2.0,
        identity: Weight = 1.0,
        layers: Layers = (4, 8, 12, 16),
        patches: Patches = 256,
        temperature: Temperature = 0.07,
        size: Size = 256,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.nce, self.identity = nce, identity
        self.layers, self.patches, self.temperature, self.size = layers, patches, temperature, size
        calls = ("forward", "features") if nce else ("forward",)
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", calls, {"generator": "smooth_resnet"}),
            "G_BA": Slot("generator", ("B",), "A", calls, {"generator": "smooth_resnet"}),
            "D_A": Slot("discriminator", ("A",), default={"discriminator": "smooth_patch"}),
            "D_B": Slot("discriminator", ("B",), default={"discriminator": "smooth_patch"}),
            **({"F_A": Slot(""), "F_B": Slot("")} if nce else {}),
        }
        self.optims = {
            "D": Optim(("D_A", "D_B")),
            "G": Optim(("G_AB", "G_BA")),
            **({"F": Optim(("F_A", "F_B"))} if nce else {}),
        }
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"),
            Phase("generator", ("G", "F") if nce else ("G",), self.generator_losses),
        ]
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"idt_{domain}": Output(domain, domain, for_losses=identity > 0) for domain in "AB"},
        }

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return ``F_A`` and ``F_B``, the projections of the generators' layers ``layers``; nothing if λ is 0.

        Raises GanzooError for layers that a generator does not have.
        """
        if not self.nce:
            return {}
        features = {domain: self.features(example[f"real_{domain}"], domain) for domain in "AB"}
        return {
            f"F_{domain}": Projections([one.shape[1] for one in maps], self.size) for domain, maps in features.items()
        }

    def features(self, images: Tensor, domain: str) -> list[Tensor]:
        """Return what the encoder of a domain sees in its images (B, C, H, W), one map (B, C, h, w) for each layer."""
        network = self.networks["G_AB" if domain == "A" else "G_BA"]
        found: list[Tensor] = network.features(images, self.layers)  # type: ignore[operator]
        return found

    def forward(self, step: Step) -> None:
        """Add the translations ``fake_…`` and the identity images ``idt_…`` to the step.

        Training computes identity images only for their terms. Raises GanzooError for domains that differ in channels,
        unless λ_idt is 0.
        """
        same_channels = step["real_A"].shape[1] == step["real_B"].shape[1]
        if self.identity and not same_channels:
            raise GanzooError(
                "method.identity: the domains differ in channels, so the identity term is undefined: set it to 0"
            )
        for source, target in ("AB", "BA"):
            wanted = same_channels and (self.identity or not step.training)
            names = [f"real_{source}", *([f"real_{target}"] if wanted else [])]
            outputs = forward_together(self.networks[f"G_{source}{target}"], [step[name] for name in names])
            for kind, name, image in zip(("fake", "idt"), names, outputs, strict=False):
                step[f"{kind}_{target}"] = self.masks.composite(step, name, image)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' weighted terms, scalars by name.

        The letter in ``nce_A`` and ``identity_A`` is the domain of the source image.
        """
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_{target}"))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits) / 2
        for source, target in ("AB", "BA") if self.nce else ():
            losses[f"nce_{source}"] = self.nce / 2 * self.contrast(step, source, target)
        for domain in "AB" if self.identity else "":
            losses[f"identity_{domain}"] = self.identity / 2 * l1(step, f"idt_{domain}", domain)
        return losses

    def contrast(self, step: Step, source: str, target: str) -> Tensor:
        """Return the NCE of a direction's translation and its source, a scalar.

        Args:
            step: the step with both images.
            source: domain of the source; no gradient flows into its features.
            target: domain of the translation.
        """
        keys = self.features(step[f"real_{source}"], source)
        queries = self.features(step[f"fake_{target}"], target)
        places = positions(step, keys, self.layers, self.patches, f"real_{source}")
        projected = self.networks[f"F_{target}"](queries, places), self.networks[f"F_{source}"](keys, places)
        return mean_nce(*projected, self.temperature)

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties."""
        losses: dict[str, Tensor] = {}
        for domain in "AB":
            real, fake = (self.masks.for_discriminator(step, f"{kind}_{domain}") for kind in ("real", "fake"))
            losses |= self.gan.discriminator(
                step, f"D_{domain}", self.networks[f"D_{domain}"], real, [fake], halved=True
            )
        return losses

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W) of one domain's images, which are added to the step."""
        name = f"real_{direction[0]}"
        step[name] = images
        return self.masks.composite(step, name, self.networks[f"G_{direction}"](images))
