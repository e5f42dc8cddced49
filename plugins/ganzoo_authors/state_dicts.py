"""Read state dicts from other people's files: only tensors, no code is executed; wrappers and old keys are removed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import MissingResourceError

State = dict[str, Tensor]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
OTHER_FILES = {
    b"<": "it is a web page: the download failed; open its address in a browser",
    b"version https://git-lfs": "it is a pointer of Git LFS; fetch the file itself with git lfs pull",
}
"""What other files begin with → what they are, and what to do."""
DEPTH = 4
"""Mappings inside one another that a state dict may be wrapped in."""


def require_files(files: Sequence[Path]) -> None:
    """Raise MissingResourceError for a file that is missing, GanzooError for a folder."""
    for file in files:
        if file.is_dir():
            inside = sorted(one.name for one in file.iterdir() if one.suffix in (".pth", ".pt", ".pkl", ".ckpt"))
            names = f"it contains {', '.join(inside[:6])}" if inside else "it contains no .pth or .pt"
            raise GanzooError(f"{file}: a folder; give the files of its networks ({names})")
        if not file.is_file():
            raise MissingResourceError(f"{file}: no such file")


def read_state_dicts(file: Path) -> dict[str, State]:
    """Return the state dicts in a file by name: ``{"": …}`` for a single one, ``{"a": …, "b": …}`` for several.

    A state dict may be inside other mappings, ``{"epoch": 3, "state_dict": {…}}``: its name is then its key. States of
    optimizers are left out. ``clean`` is applied to each.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file cannot be read, is damaged, or contains anything but tensors, numbers and texts.
    """
    require_files([file])
    content: Any
    try:
        if file.suffix == ".safetensors":
            content = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # torch raises various errors for damaged files, with messages about pickle
        raise GanzooError(f"{file}: not a state dict of tensors only: {_why_not_loaded(file, error)}") from None
    found = list(_state_dicts(content))
    if not found:
        contains = _kinds(content)
        raise GanzooError(f"{file}: not a state dict, which contains named tensors and nothing else; it {contains}")
    last = [path[-1] if path else "" for path, _ in found]
    return {name if last.count(name) == 1 else ".".join(path): clean(state)
            for name, (path, state) in zip(last, found, strict=True)}  # fmt: skip


def read_state_dict(file: Path) -> State:
    """Return the state dict of a file. Raises GanzooError as ``read_state_dicts``, and for a file with several."""
    found = read_state_dicts(file)
    if len(found) > 1:
        raise GanzooError(f"{file}: several state dicts ({', '.join(map(printable, found))}), and one was expected")
    return next(iter(found.values()))


def _state_dicts(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], State]]:
    """Yield the state dicts in nested mappings, with the names that lead to them."""
    if not isinstance(content, Mapping) or not content or "param_groups" in content:
        return
    if _is_state_dict(content):
        yield path, dict(content)
    elif len(path) < DEPTH:
        for name, part in content.items():
            yield from _state_dicts(part, (*path, str(name)))


def _is_state_dict(state: Mapping[Any, Any]) -> bool:
    """Return whether all names of a mapping are strings and all values are dense tensors."""
    return all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in state.items()
    )


def _why_not_loaded(file: Path, error: Exception) -> str:
    """Return why a file is refused: it is something else, damaged, or it contains an object that loading would call."""
    save = "save the network's state_dict() instead: torch.save(network.state_dict(), FILE)"
    with file.open("rb") as opened:
        start = opened.read(64).lstrip().lower()
    for beginning, what in OTHER_FILES.items():
        if start.startswith(beginning):
            return what
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = {Path(name).name for name in archive.namelist()}
        if "constants.pkl" in names:
            return f"it is a TorchScript program; {save}"
        if "data.pkl" not in names:
            return "it is a zip archive of other files; unpack it first"
        if other_class := re.search(r"GLOBAL ([\w.]+)", str(error)):
            return f"it contains an object of {other_class[1]}, and reading one would execute code; {save}"
    return f"the file is truncated, no checkpoint, or a pickled network; {save}"


def _kinds(content: Any) -> str:
    """Return what an object contains, for a message."""
    if not isinstance(content, Mapping):
        return f"is a {type(content).__name__}"
    if not content:
        return "is empty"
    entries = [f"{printable(str(name))} ({_kind(one)})" for name, one in list(content.items())[:4]]
    return f"contains {', '.join([*entries, *(['…'] if len(content) > 4 else [])])}"


def _kind(one: Any) -> str:
    sparse = isinstance(one, Tensor) and one.layout != torch.strided
    return "a sparse tensor" if sparse else f"a {type(one).__name__}"


def clean(state: State) -> State:
    """Return a state dict without the prefix ``module.``, blur filters, and statistics of norms without weights.

    Such statistics are those of instance norms, and nothing reads them. If a batch norm's number of batches is missing,
    it becomes 0.

    >>> sorted(clean({"module.model.2.running_mean": torch.ones(1), "module.model.1.weight": torch.ones(1)}))
    ['model.1.weight']
    """
    unprefixed = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    cleaned: State = {}
    for name, tensor in unprefixed.items():
        layer, _, kind = name.rpartition(".")
        unused = kind in STATISTICS and f"{layer}.weight" not in unprefixed
        if not unused and kind != "filt":
            cleaned[name] = tensor
            if kind == "running_mean":  # files from before 2018 do not count the batches
                cleaned.setdefault(f"{layer}.num_batches_tracked", torch.tensor(0))
    return cleaned


def some_keys(state: State, most: int = 3) -> str:
    """Return the first keys of a state dict with their shapes, and how many there are, for a message."""
    keys = [f"{printable(name)} {shape(one)}" for name, one in list(state.items())[:most]]
    return f"{', '.join(keys)}{', …' if len(state) > most else ''} ({len(state)} keys)"


def printable(text: str) -> str:
    """Return a name from a file for a message: without control characters, and not long.

    >>> printable("a\\nb")
    'a?b'
    """
    shown = "".join(one if one.isprintable() else "?" for one in text)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


def shape(tensor: Tensor | None) -> str:
    """Return a tensor's shape for a message.

    >>> shape(torch.zeros(8, 3, 7, 7))
    '8×3×7×7'
    """
    return "missing" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
