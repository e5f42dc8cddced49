"""What the functions of a method must return: tensors, loss terms, translations, styles, state, learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ganzoo.contracts.describe import describe
from ganzoo.contracts.generator import check_generated_values
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_finite, check_tensor, refuse_by, scalars
from ganzoo.errors import ComponentError, suggest


def check_terms(terms: object, origin: Origin, phase: str, device: torch.device | None = None) -> dict[str, Tensor]:
    """Return the loss terms of a phase, name → scalar; nothing is read from the device.

    Args:
        terms: what ``Phase.losses`` returned.
        origin: the method.
        phase: the phase's name.
        device: the device of the terms; None: any.

    Raises ComponentError for anything else.
    """
    return scalars(terms, origin, _losses(phase), device=device)


def check_term_values(terms: Mapping[str, Tensor], origin: Origin, phase: str) -> None:
    """Check the terms of a phase's first call: finite, and with gradients; a term that is 0 needs none.

    Raises ComponentError for a mistake of the author. This waits for the device.
    """
    for name, term in terms.items():
        refuse = refuse_by(origin, f"{_losses(phase)}: the term {name!r}")
        check_finite(term, refuse)
        if not term.requires_grad and float(term):
            raise refuse(
                "a scalar without gradient",
                "one that gradients flow from to a network that the phase trains (no detach, item or torch.no_grad)",
            )


def _losses(phase: str) -> str:
    return f"losses of the phase {phase!r}"


def check_tensors(
    step: Mapping[str, Tensor],
    tensors: Mapping[str, Any],
    channels: Mapping[str, int],
    origin: Origin,
    *,
    training: bool = True,
) -> None:
    """Check that ``forward`` added each tensor of ``tensors`` to a step, in its shape; nothing is read from the device.

    Args:
        step: the step after ``forward``.
        tensors: the method's ``tensors``: name → ``Output``.
        channels: domain → channels of its images.
        origin: the method.
        training: whether it is a training step, in which those with ``for_losses`` must be there.

    Raises ComponentError for a mistake of the author.
    """
    for name, output in tensors.items():
        if name not in step:
            if training and output.for_losses:
                raise origin.refuse(
                    "forward",
                    f"without a tensor {name!r} in the step{suggest(name, step)}",
                    "every tensor of `tensors`, unless it has for_losses=False",
                )
            continue
        value, refuse = step[name], refuse_by(origin, f"forward: {name}")
        if not isinstance(value, Tensor):
            raise refuse(describe(value), "a tensor")
        source = step.get(f"real_{output.source}") if output.source else None
        if output.shows in channels and value.ndim == 4 and source is not None:
            shape = (len(source), channels[output.shows], *source.shape[2:])
            check_tensor(value, shape, f"images of {output.shows}, {shape}", refuse)
        elif output.shows in channels and (value.ndim != 4 or value.shape[1] != channels[output.shows]):
            raise refuse(describe(value), f"images of {output.shows}, (B, {channels[output.shows]}, H, W)")


def check_translation(
    value: object, images: Tensor, direction: str, channels: Mapping[str, int], origin: Origin
) -> Tensor:
    """Return translations if they have the form of images; nothing is read from the device.

    With the direction AA the method computes an output of its own, of any number of channels.

    Args:
        value: what ``translate`` returned.
        images: the images, (B, C, H, W).
        direction: the direction.
        channels: domain → channels of its images.
        origin: the method.

    Raises ComponentError for anything else.
    """
    source, target = direction[0], direction[1]
    count = channels[target]
    if source == target and isinstance(value, Tensor) and value.ndim == 4:
        count = value.shape[1]
    shape = (len(images), count, *images.shape[2:])
    expected = f"images {shape} for images of shape {tuple(images.shape)}"
    return check_tensor(value, shape, expected, refuse_by(origin, f"translate ({direction})"), device=images.device)


def check_translation_values(value: Tensor, direction: str, origin: Origin) -> None:
    """Raise ComponentError for translations that are not finite or far outside of [−1, 1]; waits for the device."""
    check_generated_values(value, origin, f"translate ({direction})")


def check_translated(name: object, tensors: Mapping[str, Any], direction: str, origin: Origin) -> None:
    """Raise ComponentError unless ``translated`` returned the name of a tensor of ``tensors``."""
    if not isinstance(name, str) or name not in tensors:
        found = describe(name)
        raise origin.refuse(f"translated({direction!r})", found, f"a name of `tensors`{suggest(name, tensors)}")


def check_style_size(size: object, domain: str, origin: Origin) -> int:
    """Return the length of a domain's styles. Raises ComponentError unless it is a whole number, 0 or more."""
    if type(size) is not int or size < 0:
        raise origin.refuse(f"style_size({domain!r})", describe(size), "a whole number, 0 without styles")
    return size


def check_styles(value: object, count: int, size: int, function: str, origin: Origin) -> Tensor:
    """Return styles, (B, length). Raises ComponentError for anything else.

    Args:
        value: what the function returned.
        count: B.
        size: the length, as ``style_size`` says.
        function: ``draw_style`` or ``style_of``.
        origin: the method.
    """
    expected = f"styles (B, style_size) = {(count, size)} of floats"
    return check_tensor(value, (count, size), expected, refuse_by(origin, function))


def check_state(state: object, origin: Origin) -> dict[str, Tensor]:
    """Return a method's state, name → tensor. Raises ComponentError for anything else."""
    expected = "a dict: name → tensor"
    if not isinstance(state, Mapping):
        raise origin.refuse("state_dict", describe(state), expected)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise origin.refuse("state_dict", f"a dict with {name!r}: {describe(value)}", expected)
    return dict(state)


def check_restored(before: Mapping[str, Tensor], after: Mapping[str, Tensor], origin: Origin) -> None:
    """Raise ComponentError if a method's state is another one after ``load_state_dict`` than the one it got."""
    for name in sorted({*before, *after}):
        if name not in before or name not in after or not torch.equal(before[name].cpu(), after[name].cpu()):
            raise ComponentError(
                f"{origin}: after load_state_dict(state) the tensor {name!r} of state_dict is not that of the state; "
                f"expected the same state again, an empty one too ({origin.line('load_state_dict')})"
            )


def check_networks(networks: object, slots: Mapping[str, Any], origin: Origin) -> dict[str, torch.nn.Module]:
    """Return the networks that ``setup`` built. Raises ComponentError unless it is a dict: slot → module."""
    expected = "a dict: slot → torch.nn.Module"
    if not isinstance(networks, Mapping):
        raise origin.refuse("setup", describe(networks), expected)
    for name, network in networks.items():
        if name not in slots:
            raise origin.refuse("setup", f"a network {name!r}", f"{expected}, of its slots{suggest(name, slots)}")
        if not isinstance(network, torch.nn.Module):
            raise origin.refuse("setup", f"{name!r}: {describe(network)}", expected)
    return dict(networks)


def check_lr_factor(value: object, origin: Origin) -> float:
    """Return a factor of the learning rate. Raises ComponentError unless it is a finite number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise origin.refuse("lr_factor", describe(value), "a finite number, 0 or more")
    return float(value)
