"""What MUNIT and UNIT train alike: an autoencoder and a discriminator in each domain, each kind with its Adam."""

from __future__ import annotations

from torch import Tensor

from ganzoo.interfaces import Adversarial, Method, Optim, Slot, Step
from ganzoo_cyclegan.method import verdicts

ADAM = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
"""Adam's own L2, on every parameter."""


def slots(generator: str, calls: tuple[str, ...]) -> dict[str, Slot]:
    """Return the slots of both domains' autoencoders, by default of a component, and of their discriminators."""
    return {
        **{f"G_{one}": Slot("generator", (one,), one, calls, {"generator": generator}) for one in "AB"},
        **{f"D_{one}": Slot("discriminator", (one,), default={"discriminator": "multiscale"}) for one in "AB"},
    }


def optims() -> dict[str, Optim]:
    """Return the optimizers of the discriminators and of the autoencoders."""
    return {kind: Optim((f"{kind}_A", f"{kind}_B"), options=ADAM) for kind in "DG"}


def critic_losses(method: Method, gan: Adversarial, step: Step) -> dict[str, Tensor]:
    """Return each discriminator's loss, real and fake added."""
    losses = {}
    for one in "AB":
        real, fake = (method.masks.for_discriminator(step, f"{kind}_{one}") for kind in ("real", "fake"))
        on_real, on_fake = verdicts(gan, method.networks[f"D_{one}"], real, fake)
        losses[f"D_{one}"] = on_real + on_fake
    return losses
