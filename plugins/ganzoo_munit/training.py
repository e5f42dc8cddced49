"""What MUNIT and UNIT share: an autoencoder and a discriminator in each domain, their optimizers and losses."""

from __future__ import annotations

from torch import Tensor

from ganzoo.interfaces import AdversarialLoss, Method, Optim, Slot, Step

ADAM = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
"""Adam's options; the weight decay is Adam's own (coupled: L2), on every parameter."""


def slots(generator: str, calls: tuple[str, ...]) -> dict[str, Slot]:
    """Return the slots of both domains' autoencoders, ``G_A`` and ``G_B``, and discriminators, ``D_A`` and ``D_B``.

    Args:
        generator: name of the autoencoders' default component.
        calls: names of the methods that are called on the autoencoders.
    """
    return {
        **{f"G_{one}": Slot("generator", (one,), one, calls, {"generator": generator}) for one in "AB"},
        **{f"D_{one}": Slot("discriminator", (one,), default={"discriminator": "multiscale"}) for one in "AB"},
    }


def optims() -> dict[str, Optim]:
    """Return the optimizers by name: ``D`` of both discriminators, ``G`` of both autoencoders."""
    return {kind: Optim((f"{kind}_A", f"{kind}_B"), options=ADAM) for kind in "DG"}


def discriminator_losses(method: Method, gan: AdversarialLoss, step: Step) -> dict[str, Tensor]:
    """Return the terms of each discriminator's loss by name: ``D_A`` and ``D_B`` are real + fake; and the penalties."""
    losses: dict[str, Tensor] = {}
    for one in "AB":
        real, fake = (method.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", "fake"))
        losses |= gan.discriminator(step, f"D_{one}", method.networks[f"D_{one}"], real, [fake])
    return losses
