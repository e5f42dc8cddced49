"""Read the authors' files: tensors alone, nothing is executed; legacy keys and wrappings taken off."""

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


def read(file: Path) -> dict[str, State]:
    """Return a file's state dicts by name: ``{"": …}`` for one alone, ``{"a": …, "b": …}`` where it holds several.

    Raises GanzooError when it is missing, cut short, or holds anything but tensors.
    """
    if not file.is_file():
        raise MissingResourceError(f"{file}: no such file")
    try:
        found: Any = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror or error}") from None
    except Exception:  # what torch raises depends on where a file is broken; its text speaks of unpickling
        raise GanzooError(
            f"{file}: no state dict of tensors alone: it is cut short, no checkpoint, or a whole pickled network, "
            "which is not read; save its state_dict()"
        ) from None
    if isinstance(found, Mapping) and found and _plain(found):
        return {"": clean(dict(found))}
    parts = (
        {str(name): one for name, one in found.items() if isinstance(one, Mapping)}
        if isinstance(found, Mapping)
        else {}
    )
    if not parts or not all(map(_plain, parts.values())):
        raise GanzooError(f"{file}: no state dict, which holds named tensors and nothing else")
    return {name: clean(dict(part)) for name, part in parts.items()}


def _plain(state: Mapping[Any, Any]) -> bool:
    """Return whether a mapping is a state dict of dense tensors by name."""
    return all(isinstance(name, str) and isinstance(one, Tensor) and one.layout == torch.strided
               for name, one in state.items())  # fmt: skip


def clean(state: State) -> State:
    """Take off ``module.``, filters, and statistics of instance norms, which old files carry and nothing reads.

    >>> sorted(clean({"module.model.2.running_mean": torch.ones(1), "module.model.1.weight": torch.ones(1)}))
    ['model.1.weight']
    """
    bare = {name.removeprefix("module."): one for name, one in state.items()}
    kept = {}
    for name, one in bare.items():
        layer, _, what = name.rpartition(".")
        idle = what in STATISTICS and f"{layer}.weight" not in bare
        if not idle and what != "filt":
            kept[name] = one
            if what == "running_mean":  # files of before 2018 do not count the batches
                kept.setdefault(f"{layer}.num_batches_tracked", torch.tensor(0))
    return kept
