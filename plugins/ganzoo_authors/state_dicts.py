"""Read state dicts from the authors' files: only tensors, no code is executed; legacy keys are removed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import MissingResourceError

State = dict[str, Tensor]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def read_state_dicts(file: Path) -> dict[str, State]:
    """Return name → state dict for a file: ``{"": …}`` for a single one, ``{"a": …, "b": …}`` for several.

    Raises GanzooError when the file is missing, truncated, or contains anything but tensors.
    """
    if not file.is_file():
        raise MissingResourceError(f"{file}: no such file")
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror or error}") from None
    except Exception:  # torch raises various errors for damaged files, with messages about pickle
        raise GanzooError(
            f"{file}: not a state dict of tensors only: the file is truncated, no checkpoint, or a pickled network; "
            "save the network's state_dict() instead"
        ) from None
    if isinstance(content, Mapping) and content and _is_state_dict(content):
        return {"": clean(dict(content))}
    parts = {}
    if isinstance(content, Mapping):
        parts = {str(name): part for name, part in content.items() if isinstance(part, Mapping)}
    if not parts or not all(map(_is_state_dict, parts.values())):
        raise GanzooError(f"{file}: not a state dict, which contains named tensors and nothing else")
    return {name: clean(dict(part)) for name, part in parts.items()}


def _is_state_dict(state: Mapping[Any, Any]) -> bool:
    """Return whether a mapping contains only dense tensors by name."""
    return all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in state.items()
    )


def clean(state: State) -> State:
    """Remove the prefix ``module.``, blur filters, and statistics of instance norms, which nothing reads.

    >>> sorted(clean({"module.model.2.running_mean": torch.ones(1), "module.model.1.weight": torch.ones(1)}))
    ['model.1.weight']
    """
    unprefixed = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    cleaned = {}
    for name, tensor in unprefixed.items():
        layer, _, kind = name.rpartition(".")
        unused = kind in STATISTICS and f"{layer}.weight" not in unprefixed
        if not unused and kind != "filt":
            cleaned[name] = tensor
            if kind == "running_mean":  # files from before 2018 do not count the batches
                cleaned.setdefault(f"{layer}.num_batches_tracked", torch.tensor(0))
    return cleaned
