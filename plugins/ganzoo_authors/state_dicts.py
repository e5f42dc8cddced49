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
    """Return the state dicts in a file by name: ``{"": …}`` for a single one, ``{"a": …, "b": …}`` for several.

    ``clean`` is applied to each. If there are several, entries that are not mappings, such as a step number, are
    ignored.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file cannot be read, is damaged, contains objects that are not plain data, or has no state dict
            of dense tensors only.
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
    """Return whether all names of a mapping are strings and all values are dense tensors."""
    return all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in state.items()
    )


def clean(state: State) -> State:
    """Return a state dict without the prefix ``module.``, blur filters, and statistics of norms without weights.

    Such statistics are those of instance norms, and nothing reads them. If a batch norm's number of batches is missing,
    it becomes 0.

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
