"""The formulas of adversarial losses: least squares, vanilla, hinge, Wasserstein; and of gradient penalties.

``adversarial_loss.py`` combines them as a recipe says.

Each loss is a mean over the batch and the map of logits, in float32 (float64 for float64 logits). If a discriminator
returns several maps, one for each scale, their losses are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.errors import GanzooError

Adversarial = Literal["lsgan", "vanilla", "hinge", "wgan-gp"]
Logits = Tensor | Sequence[Tensor]


def discriminator_loss(
    kind: Adversarial, real_logits: Logits, fake_logits: Logits, real_label: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return the real and the fake term of a discriminator's loss, two scalars.

    The CycleGAN family minimizes half their sum, MUNIT, UNIT and DRIT the sum. ``wgan-gp`` also needs
    ``gradient_penalty``.

    Args:
        kind: ``lsgan`` (Mao et al. 2017, eq. 9 with targets 1 and 0, not halved), ``vanilla`` (Goodfellow et
            al. 2014, eq. 1: cross-entropy), ``hinge`` (Lim and Ye 2017) or ``wgan-gp`` (Gulrajani et al.
            2017, eq. 3).
        real_logits: logits of real images: a tensor of any shape, or a list of them, one for each scale.
        fake_logits: logits of detached generated images, in the same form.
        real_label: the target of real images for ``lsgan`` and ``vanilla``; below 1 it is one-sided label smoothing
            (Salimans et al. 2016, section 3.4).
    """
    pairs = zip(maps_of(real_logits), maps_of(fake_logits), strict=True)
    terms = [_discriminator_terms(kind, _precise(real), _precise(fake), real_label) for real, fake in pairs]
    return torch.stack([real for real, _ in terms]).sum(), torch.stack([fake for _, fake in terms]).sum()


def generator_loss(kind: Adversarial, fake_logits: Logits) -> Tensor:
    """Return a generator's adversarial loss, a scalar; ``vanilla`` is the non-saturating form.

    Args:
        kind: ``lsgan``, ``vanilla``, ``hinge`` or ``wgan-gp``; ``discriminator_loss`` names their sources.
        fake_logits: logits of generated images: a tensor of any shape, or a list of them, one for each scale.
    """
    return torch.stack([_generator_term(kind, _precise(fake)) for fake in maps_of(fake_logits)]).sum()


def gradient_penalty(
    critic: Callable[[Tensor], Logits],
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    weight: float = 10.0,
    centre: float = 1.0,
) -> Tensor:
    """Return weight · mean((‖∇D(x̂)‖₂ − centre)²), x̂ = mix·real + (1 − mix)·fake (Gulrajani et al. 2017, eq. 3).

    The result is a scalar. D of an image is the mean of its logits, as in the Wasserstein terms, summed over several
    maps. Gradients reach the critic's parameters, but not the images.

    Args:
        critic: the discriminator: images (B, C, H, W), or latents (B, N), → logits (B, …), or a list of them.
        real: real images (B, C, H, W), or latents.
        fake: generated images (B, C, H, W), or latents.
        mix: a random number from U[0, 1) for each image, (B,).
        weight: weight of the penalty; 10 in the paper.
        centre: the norm of the gradient that costs nothing; 1 in the paper.

    Raises GanzooError if real and generated images differ in size.
    """
    real, fake = _precise(real.detach()), _precise(fake.detach())
    if real.shape != fake.shape:
        raise GanzooError(
            "the gradient penalty mixes real with generated images, so both need one size: set images.fit to stretch, "
            "cover or crop, or choose a loss without it"
        )
    share = mix.to(real).view(-1, *(1 for _ in real.shape[1:]))
    gradient = _gradient(critic, share * real + (1 - share) * fake)
    return weight * (gradient.flatten(1).norm(dim=1) - centre).square().mean()


def zero_penalty(critic: Callable[[Tensor], Logits], images: Tensor, *, weight: float = 10.0) -> Tensor:
    """Return weight / 2 · mean(‖∇D(x)‖²) (Mescheder et al. 2018): R1 (eq. 9) for real x, R2 (eq. 10) for generated x.

    The result is a scalar. D of an image and the gradients are as in ``gradient_penalty``.

    Args:
        critic: the discriminator: images (B, C, H, W), or latents (B, N), → logits (B, …), or a list of them.
        images: images (B, C, H, W), or latents.
        weight: γ; 10 in the paper.
    """
    return weight / 2 * _gradient(critic, images).flatten(1).square().sum(1).mean()


def _gradient(critic: Callable[[Tensor], Logits], images: Tensor) -> Tensor:
    """Return the gradient of D, the mean logit, in each image, (B, C, H, W); it can be differentiated again."""
    images = _precise(images.detach()).requires_grad_()
    with torch.compiler.set_stance("force_eager"):  # compiled networks have no second derivative
        maps = maps_of(critic(images))
    values = torch.stack([_precise(logits).reshape(len(images), -1).mean(1) for logits in maps]).sum(0)
    (gradient,) = torch.autograd.grad(values.sum(), images, create_graph=True)
    return gradient


def maps_of(logits: Logits) -> list[Tensor]:
    """Return a discriminator's output as a list of maps of logits; a single tensor becomes a list of one."""
    return [logits] if isinstance(logits, Tensor) else list(logits)


def _discriminator_terms(kind: Adversarial, real: Tensor, fake: Tensor, label: float) -> tuple[Tensor, Tensor]:
    if kind == "lsgan":
        return (real - label).square().mean(), fake.square().mean()
    if kind == "vanilla":
        on_real = F.softplus(-real) if label == 1 else label * F.softplus(-real) + (1 - label) * F.softplus(real)
        return on_real.mean(), F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean(), F.relu(1 + fake).mean()
    return -real.mean(), fake.mean()


def _generator_term(kind: Adversarial, fake: Tensor) -> Tensor:
    if kind == "lsgan":
        return (fake - 1).square().mean()
    if kind == "vanilla":
        return F.softplus(-fake).mean()
    return -fake.mean()


def _precise(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
