"""The option ``gan`` of methods: an adversarial loss with label smoothing and gradient penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import Annotated, Any, NotRequired

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypedDict

from ganzoo.errors import GanzooError
from ganzoo.interfaces.adversarial import (
    Adversarial,
    Logits,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    maps_of,
    zero_penalty,
)
from ganzoo.interfaces.batching import forward_together
from ganzoo.step import Step

Weight = Annotated[float, Field(ge=0)]


class AdversarialSettings(TypedDict):
    """The option ``gan`` in full; ``AdversarialLoss`` describes the keys."""

    loss: Adversarial
    real_label: NotRequired[Annotated[float, Field(gt=0, le=1)]]
    r1: NotRequired[Weight]
    r2: NotRequired[Weight]
    penalty_every: NotRequired[Annotated[int, Field(ge=1)]]


AdversarialOption = Adversarial | AdversarialSettings


class AdversarialLoss:
    """The adversarial loss of a method, as its option ``gan`` says: a name, or a mapping.

    The keys of the mapping are: ``loss``, the name; ``real_label``, the discriminators' target of real images, 1 unless
    it is set, for one-sided label smoothing of ``lsgan`` and ``vanilla``; ``r1`` and ``r2``, the weights γ of the
    gradient penalties on real and on generated images (Mescheder et al. 2018, eq. 9 and 10), 0 unless they are set;
    ``penalty_every``, 16 unless it is set: the penalties are computed only every so many times, and weigh as much more
    (StyleGAN2, Karras et al. 2020, appendix B).

    >>> loss = AdversarialLoss({"loss": "lsgan", "real_label": 0.9, "r1": 10.0})
    >>> loss.kind, loss.penalties, loss.penalty_every, loss.boundary
    ('lsgan', {'r1': 10.0}, 16, 0.45)

    Args:
        option: the value of the option.

    Raises GanzooError if a key would have no effect.
    """

    def __init__(self, option: AdversarialOption) -> None:
        settings: AdversarialSettings = {"loss": option} if isinstance(option, str) else option
        self.kind = settings["loss"]
        self.real_label = settings.get("real_label", 1.0)
        weights = {name: weight for name, weight in settings.items() if name in ("r1", "r2")}
        self.penalties: dict[str, float] = {name: float(weight) for name, weight in weights.items() if weight}  # type: ignore[arg-type]
        self.penalty_every = settings.get("penalty_every", 16)
        if self.real_label != 1 and self.kind not in ("lsgan", "vanilla"):
            raise GanzooError(f"gan.real_label: {self.kind} has no labels: remove it, or use lsgan or vanilla")
        if "penalty_every" in settings and not self.penalties:
            raise GanzooError("gan.penalty_every: there is no penalty: set r1 or r2, or remove it")

    @property
    def boundary(self) -> float:
        """The logit of the best discriminator for an image that is as likely real as generated.

        It is half of ``real_label`` for ``lsgan``, the logit of that probability for ``vanilla``, and 0 for the others.
        """
        half = self.real_label / 2
        return {"lsgan": half, "vanilla": log(half / (1 - half))}.get(self.kind, 0.0)

    def generator(self, fake_logits: Logits) -> Tensor:
        """Return a generator's adversarial loss, a scalar, from the logits of its images."""
        return generator_loss(self.kind, fake_logits)

    def discriminator(
        self,
        step: Step,
        slot: str,
        network: Callable[[Tensor], Logits] | nn.Module,
        real: Tensor,
        fakes: Sequence[Tensor],
        *,
        name: str = "",
        halved: bool = False,
    ) -> dict[str, Tensor]:
        """Return the terms of a discriminator's loss, scalars by name.

        The first is real + fake, summed over several batches of fakes; with ``halved`` half of it, unless the loss is
        ``wgan-gp``, which also adds its gradient penalty. ``NAME_r1`` and ``NAME_r2`` are the penalties, 0 in the steps
        between. Real and generated images pass in one call, or in one each if the network has batch norm. How sure the
        discriminator is of the real images is stored in ``step.real_signs``.

        Args:
            step: the step, in the phase that trains the discriminator.
            slot: the name of the discriminator's slot.
            network: the discriminator.
            real: real images (B, C, H, W), as the discriminator sees them.
            fakes: batches of generated images (B, C, H, W), detached.
            name: the first term's name; by default that of the slot.
            halved: whether to halve real + fake, as the CycleGAN family does.
        """
        name = name or slot
        fakes = [fake.to(real.dtype) for fake in fakes]
        real_logits, *all_fake_logits = forward_together(network, [real, *fakes])  # type: ignore[arg-type]
        if self.kind != "wgan-gp":  # its logits have no boundary between real and generated
            step.real_signs[slot] = self.signs(real_logits)
        terms = [
            term
            for fake_logits in all_fake_logits
            for term in discriminator_loss(self.kind, real_logits, fake_logits, self.real_label)
        ]
        loss = torch.stack(terms).sum()
        if self.kind == "wgan-gp":
            loss = loss + self._wasserstein_penalty(step, slot, network, real, fakes)
        losses = {name: loss / 2 if halved and self.kind != "wgan-gp" else loss}
        batches = {"r1": [real], "r2": fakes}
        for penalty, weight in self.penalties.items():
            losses[f"{name}_{penalty}"] = self._penalty(step, network, batches[penalty], weight)
        return losses

    def signs(self, logits: Logits) -> Tensor:
        """Return each image's mean sign of logits above the boundary (1) or below (−1), over all maps, (B,)."""
        above = [(one.detach().float() - self.boundary).sign() for one in maps_of(logits)]
        return torch.stack([signs.reshape(len(signs), -1).mean(1) for signs in above]).mean(0)

    def _penalty(self, step: Step, network: Any, batches: Sequence[Tensor], weight: float) -> Tensor:
        device = batches[0].device
        if step.turn % self.penalty_every:
            return torch.zeros((), device=device)
        count = sum(map(len, batches))
        with torch.autocast(device.type, enabled=False):  # the second backward needs float32
            shares = [len(one) / count * zero_penalty(network, one, weight=weight) for one in batches]
            return self.penalty_every * torch.stack(shares).sum()

    def _wasserstein_penalty(
        self, step: Step, slot: str, network: Any, real: Tensor, fakes: Sequence[Tensor]
    ) -> Tensor:
        mix = step.rng(f"mix_{slot}").uniform(len(fakes))
        with torch.autocast(real.device.type, enabled=False):
            return torch.stack([gradient_penalty(network, real, fake, mix[:, i]) for i, fake in enumerate(fakes)]).sum()
