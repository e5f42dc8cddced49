"""Read networks of other people's code by a YAML file of key patterns, for ``ganzoo import --layout``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
import yaml

from ganzoo import GanzooError
from ganzoo.interfaces import MissingResourceError, load_yaml, suggest
from ganzoo_authors.layers import FIRST, LAST, LAYERS, UP_CONVOLUTION
from ganzoo_authors.networks import AFFINE, ImportedNetwork
from ganzoo_authors.state_dicts import State, read_state_dicts, require_files, some_keys
from ganzoo_authors.weight_norms import fold_weight_norms

SLOTS = ("G_AB", "G_BA", "D_A", "D_B", "D_AB")
METHODS = ("cyclegan", "pix2pix", "cut")
OWN_KEYS = ("file", "prefix", "layers", "up_first")
"""Keys of a network's entry that are not options of ganzoo's network."""
NUMBER = re.compile(r"\{(?:(\d+)([-+]))?i(?:([-+])(\d+))?\}")
"""The placeholder in a key: ``{i}``, ``{i-1}``, ``{9-i}``."""


class LayoutFile:
    """The keys of other code: which tensors of its files are which layers of ganzoo's networks.

    Args:
        file: the YAML file.

    Raises MissingResourceError when it is missing, GanzooError when it is not a layout.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        content = _read_yaml(file)
        self._check_keys("", content, ("method", "networks", "ignore"))
        self.method: str = content.get("method", "cyclegan")
        if self.method not in METHODS:
            raise GanzooError(f"{file}: method is {self.method!r}{suggest(self.method, METHODS)}")
        self.ignore = content.get("ignore") or []
        if not isinstance(self.ignore, list) or not all(isinstance(one, str) for one in self.ignore):
            raise GanzooError(f"{file}: ignore is a list of patterns of keys: ['*.num_batches_tracked']")
        entries = content.get("networks")
        if not isinstance(entries, dict) or not entries:
            raise GanzooError(f"{file}: networks is missing: networks: {{G_AB: {{generator: unet, layers: {{…}}}}}}")
        self._check_keys("networks.", entries, SLOTS)
        self.entries = {slot: NetworkEntry(file, slot, entry) for slot, entry in entries.items()}

    def _check_keys(self, where: str, content: Iterable[Any], known: Sequence[str]) -> None:
        for key in content:
            if key not in known:
                raise GanzooError(f"{self.file}: unknown key {f'{where}{key}'!r}{suggest(key, known)}")

    def networks(self, files: Sequence[Path]) -> dict[str, tuple[ImportedNetwork, Path]]:
        """Return slot → network and its file.

        Raises GanzooError when a file has no entry, a layer has no tensors, or tensors belong to no layer.
        """
        require_files(files)
        found: dict[str, tuple[ImportedNetwork, Path]] = {}
        for file in files:
            entries = [one for one in self.entries.values() if fnmatch(file.name, one.file_pattern)]
            if not entries:
                raise GanzooError(f"{file}: no network of {self.file} has a 'file' pattern that fits its name")
            state, used = _all_tensors(file), set[str]()
            for entry in entries:
                if entry.slot in found:
                    other = found[entry.slot][1]
                    raise GanzooError(
                        f"{file}: {self.file}: networks.{entry.slot} fits {other} too; give each network a 'file': "
                        "pattern of file names"
                    )
                found[entry.slot] = entry.read(file, state, used), file
            left = [name for name in state if name not in used and not any(fnmatch(name, one) for one in self.ignore)]
            if left:
                unused = some_keys({name: state[name] for name in left})
                raise GanzooError(f"{file}: no layer of {self.file} uses {unused}; map them, or list them in 'ignore'")
        absent = [slot for slot in self.entries if slot not in found]
        if absent:
            raise GanzooError(f"{self.file}: networks.{absent[0]}: none of the files fits its 'file' pattern")
        return found


class NetworkEntry:
    """One network of a layout.

    Args:
        origin: the layout's file, for errors.
        slot: such as ``G_AB``.
        entry: what the layout says about it.

    Raises GanzooError when it is not a network's entry.
    """

    def __init__(self, origin: Path, slot: str, entry: Any) -> None:
        self.where, self.slot = f"{origin}: networks.{slot}", slot
        self.kind = "generator" if slot.startswith("G") else "discriminator"
        name = entry.get(self.kind) if isinstance(entry, dict) else None
        known = [one for one in LAYERS if (one in LAST) == (self.kind == "generator")]
        if name not in known:
            raise GanzooError(f"{self.where}: {self.kind} is {name!r}{suggest(name, known)}")
        self.name: str = name
        self.layers: dict[str, str] = entry.get("layers") or {}
        if not isinstance(self.layers, dict) or not all(isinstance(one, str) for one in self.layers.values()):
            raise GanzooError(f"{self.where}.layers: a mapping of ganzoo's layers to their keys: {{first: conv1}}")
        self.file_pattern = str(entry.get("file", "*"))
        self.prefix = str(entry.get("prefix", ""))
        self.up_first = bool(entry.get("up_first", False))
        self.options = {key: one for key, one in entry.items() if key not in (*OWN_KEYS, self.kind)}
        if self.options.get("upsample", "deconv") not in UP_CONVOLUTION:
            raise GanzooError(f"{self.where}.upsample is {self.options['upsample']!r}{suggest('', UP_CONVOLUTION)}")

    def read(self, file: Path, state: State, used: set[str]) -> ImportedNetwork:
        """Return the network; add the keys that it uses to ``used``. Raises GanzooError for a layer without tensors."""

        def count(pattern: str) -> int:
            number = 1
            while f"{self.key(pattern.replace('{i}', str(number)))}.weight" in state:
                number += 1
            return number - 1

        layers, counted = LAYERS[self.name](count, self.options)
        unknown = [name for name in self.layers if "{i" not in name and name not in layers]
        if unknown:
            raise GanzooError(f"{self.where}.layers: unknown layer {unknown[0]!r}{suggest(unknown[0], layers)}")
        renamed: State = {}
        for name, layer in layers.items():
            key = self.key(name)
            tensors = {one: tensor for one, tensor in state.items() if one.rpartition(".")[0] == key} if key else {}
            if f"{key}.weight" not in tensors and not name.endswith(".norm"):
                expected = f"the file has no {key}.weight" if key else "the layout does not name its key"
                raise GanzooError(f"{file}: {self.where}: {name}: {expected}; it has {some_keys(state)}")
            used |= set(tensors)
            renamed |= {f"{layer}.{one.rpartition('.')[2]}": tensor for one, tensor in tensors.items()}
        options = self.options | counted | self._norm(file, layers, renamed)
        first, last = (f"{layers[one[self.name]]}.weight" if self.name in one else "" for one in (FIRST, LAST))
        options["width"] = len(renamed[first])
        if self.name == "unet":
            self._order_skips(renamed, layers, options)
            if options["norm"] == "batch" and f"{layers['down.1']}.bias" in renamed:
                options["bias_without_norm"] = True
        transposed = self.name == "unet" and options.get("upsample", "deconv") == "deconv"
        out_channels = renamed[last].shape[1 if transposed else 0] if last else 0
        if last and options.get("upsample") == "pixelshuffle" and self.name == "unet":
            out_channels //= 4
        in_channels = renamed[first].shape[1]
        return ImportedNetwork(self.kind, self.name, options, renamed, in_channels, out_channels, zero_biases=True)

    def key(self, layer: str) -> str:
        """Return the key of a layer in the file, without ``.weight``; empty if the layout names none.

        An entry for just this layer counts before a pattern: ``down.1`` before ``down.{i}``.
        """
        if layer in self.layers:
            return self.prefix + self.layers[layer]
        for pattern, key in self.layers.items():
            match = re.fullmatch(re.escape(pattern).replace(r"\{i\}", r"(\d+)"), layer) if "{i}" in pattern else None
            if match:
                return self.prefix + _fill(key, int(match[1]))
        return ""

    def _norm(self, file: Path, layers: Mapping[str, str], renamed: State) -> dict[str, Any]:
        """Return the option ``norm``. Raises GanzooError for a norm that ganzoo lacks, or layers without one."""
        norms = {name: layer for name, layer in layers.items() if name.endswith(".norm")}
        batch = {name for name, layer in norms.items() if f"{layer}.running_mean" in renamed}
        affine = [name for name, layer in norms.items() if f"{layer}.weight" in renamed and name not in batch]
        if affine:
            raise GanzooError(f"{file}: {self.where}: {affine[0]}: {AFFINE}")
        missing = sorted(set(norms) - batch) if batch else []
        if missing:
            raise GanzooError(f"{file}: {self.where}: {missing[0]}: no batch norm, but {sorted(batch)[0]} is one")
        given = self.options.get("norm", "batch" if batch else "instance")
        if batch and given != "batch":
            raise GanzooError(f"{file}: {self.where}: norm is {given!r}, but {sorted(batch)[0]} is a batch norm")
        return {"norm": given}

    def _order_skips(self, renamed: State, layers: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Exchange the halves of the upsampling weights' inputs, where the skip connection comes second."""
        for i in range(1, options["levels"]) if self.up_first else ():
            name = f"{layers[f'up.{i}']}.weight"
            axis = 0 if options.get("upsample", "deconv") == "deconv" else 1
            renamed[name] = torch.cat(renamed[name].chunk(2, axis)[::-1], axis)


def _fill(key: str, i: int) -> str:
    """Return a key with the numbers of its placeholders.

    >>> _fill("deconv{9-i}.{i}.{i-1}", 2)
    'deconv7.2.1'
    """

    def value(place: re.Match[str]) -> str:
        before, before_sign, after_sign, after = place.groups()
        number = i if before is None else int(before) + (i if before_sign == "+" else -i)
        return str(number + (int(after or 0) if after_sign != "-" else -int(after)))

    return NUMBER.sub(value, key)


def _all_tensors(file: Path) -> State:
    """Return all tensors of a file; those of several state dicts have the names of these as prefixes."""
    parts = read_state_dicts(file)
    if len(parts) == 1:
        return fold_weight_norms(next(iter(parts.values())))
    joined = {f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()}
    return fold_weight_norms(joined)


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise MissingResourceError(f"{file}: --layout: no such file")
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise GanzooError(f"{file}: --layout: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise GanzooError(f"{file}{f':{mark.line + 1}' if mark else ''}: --layout: not YAML") from None
    if not isinstance(content, dict):
        raise GanzooError(f"{file}: --layout: not a mapping with 'networks'")
    return content
