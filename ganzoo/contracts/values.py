"""Check what all kinds share: tensors, scalars, modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError

TOLERANCE = 0.02
"""How far a sample's result in a batch may be from its result alone, on average, as a part of its largest value."""
MODULE = "a torch.nn.Module whose constructor calls super().__init__()"


def check_module(value: object, origin: Origin) -> None:
    """Raise ComponentError unless a new component is a torch module whose constructor called ``super().__init__()``."""
    if not isinstance(value, nn.Module):
        raise ComponentError(f"{origin}: it is no torch.nn.Module; expected {MODULE} ({origin.line()})")
    if "_parameters" not in vars(value):
        raise ComponentError(
            f"{origin}: its constructor does not call super().__init__(); expected {MODULE} ({origin.line('__init__')})"
        )


def check_tensor(
    value: object,
    shape: Sequence[int],
    expected: str,
    refuse: Callable[[str, str], ComponentError],
    *,
    device: object = None,
) -> Tensor:
    """Return a value if it is a tensor of floats of a shape; nothing is read from the device.

    Args:
        value: the value.
        shape: its shape.
        expected: what is expected, in words.
        refuse: a function of what came and what is expected that returns the error.
        device: the device that it must be on; None: any.

    Raises ComponentError for anything else.
    """
    if not isinstance(value, Tensor) or tuple(value.shape) != tuple(shape) or not value.is_floating_point():
        raise refuse(describe(value), expected)
    if device is not None and value.device != device:
        raise refuse(f"a tensor on {value.device}", f"{expected}, on {device}")
    return value


def check_scalar(value: object, refuse: Callable[[str, str], ComponentError], *, device: object = None) -> Tensor:
    """Return a loss term if it is a scalar of floats; nothing is read from the device. Raises ComponentError."""
    return check_tensor(value, (), "a scalar tensor of floats, of shape ()", refuse, device=device)


def check_finite(value: Tensor, refuse: Callable[[str, str], ComponentError]) -> None:
    """Raise ComponentError for a tensor with NaN or infinity; this waits for the device."""
    if not bool(value.isfinite().all()):
        raise refuse(f"{describe(value)}, with values that are not finite", "finite values")


def check_independent(whole: Tensor, alone: Tensor, origin: Origin, function: str, *, draws: bool = False) -> None:
    """Raise ComponentError if the last sample of a batch has another result when it is computed alone.

    The mean difference may be at most ``TOLERANCE`` of the largest value, as sums of another order differ in rounding.

    Args:
        whole: the results of the batch, (B, …).
        alone: the result of its last sample, computed alone, (1, …).
        origin: the component.
        function: the name of its function.
        draws: whether the cause may also be random draws that do not come from ``rng``.
    """
    one, other = whole[-1:].detach().float(), alone.detach().float()
    largest = max(1.0, float(one.abs().max()))
    if not float((one - other).abs().mean()) <= TOLERANCE * largest:
        keyed = ", with random draws from rng alone, one generator a sample" if draws else ""
        raise origin.refuse(
            function,
            "another result for an image in a batch than for the image alone",
            f"results that do not depend on the other images of the batch{keyed}",
        )


def refuse_by(origin: Origin, function: str) -> Callable[[str, str], ComponentError]:
    """Return a function of what came and what is expected that returns the error about a function's result."""

    def refuse(returned: str, expected: str) -> ComponentError:
        return origin.refuse(function, returned, expected)

    return refuse


def scalars(
    terms: Any, origin: Origin, function: str, *, device: object = None, values: bool = False
) -> dict[str, Tensor]:
    """Return loss terms, name → scalar. Raises ComponentError if they are anything else.

    Args:
        terms: what the component returned.
        origin: the component.
        function: its function, in words.
        device: the device of the terms; None: any.
        values: whether to check also that they are finite, which waits for the device.
    """
    expected = "a dict: name → scalar tensor"
    if not isinstance(terms, Mapping):
        raise origin.refuse(function, describe(terms), expected)
    for name, term in terms.items():
        if not isinstance(name, str):
            raise origin.refuse(function, f"a dict with the key {name!r}", f"{expected}, whose keys are texts")
        refuse = refuse_by(origin, f"{function}: the term {name!r}")
        check_scalar(term, refuse, device=device)
        if values:
            check_finite(term, refuse)
    return dict(terms)
