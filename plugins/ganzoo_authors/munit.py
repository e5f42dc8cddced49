"""Recognize the networks of MUNIT's and UNIT's code, and rename their tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ganzoo_authors.networks import ImportedNetwork
from ganzoo_authors.state_dicts import State


def munit(state: State) -> ImportedNetwork | None:
    """Return the autoencoder of a state dict of one domain of MUNIT or UNIT, or None."""
    styled = "enc_style.model.0.conv.weight" in state
    start = "enc_content" if styled else "enc"
    if f"{start}.model.0.conv.weight" not in state:
        return None
    first = state[f"{start}.model.0.conv.weight"]
    downs = sum(bool(re.fullmatch(rf"{start}\.model\.[1-9]\.conv\.weight", name)) for name in state)
    blocks = sum(bool(re.fullmatch(r"dec\.model\.0\.model\.\d+\.model\.0\.conv\.weight", name)) for name in state)
    options: dict[str, Any] = {"width": len(first), "downs": downs, "blocks": blocks}
    if styled:
        options |= {"style": len(state["enc_style.model.6.weight"]), "hidden": len(state["mlp.model.0.fc.weight"])}
    renamed = {_rename(name, downs, blocks, styled): tensor for name, tensor in state.items()}
    out_channels = len(state[f"dec.model.{2 * downs + 1}.conv.weight"])
    name, unsupported = "munit" if styled else "unit", _unsupported(state, norms=r"dec\.model\.\d+\.norm\.")
    return ImportedNetwork("generator", name, options, renamed, first.shape[1], out_channels, unsupported)


def munit_discriminator(state: State) -> ImportedNetwork | None:
    """Return the discriminator of a state dict of one domain of MUNIT or UNIT, or None."""
    if "cnns.0.0.conv.weight" not in state:
        return None
    first = state["cnns.0.0.conv.weight"]
    scales = len({name.split(".")[1] for name in state})
    layers = sum(bool(re.fullmatch(r"cnns\.0\.\d+\.conv\.weight", name)) for name in state)
    renamed = {
        re.sub(r"^cnns\.(\d+)\.(\d+)\.conv\.", r"discriminators.\1.\2.1.", name): one for name, one in state.items()
    }
    renamed = {re.sub(r"^cnns\.", "discriminators.", name): one for name, one in renamed.items()}
    options = {"width": len(first), "layers": layers, "scales": scales}
    unsupported = _unsupported(state, norms=r"$")
    return ImportedNetwork("discriminator", "multiscale", options, renamed, first.shape[1], 0, unsupported)


def _unsupported(state: State, norms: str) -> str:
    """Return which option of a configuration ganzoo's networks lack; ``norms``: the names of the norms they have."""
    if any(".activation." in name for name in state):
        return "activ: prelu, and ganzoo's networks have a ReLU with a fixed slope"
    if other := [name for name in state if re.search(r"\.norm\.\w+$", name) and not re.match(norms, name)]:
        return f"a norm with weights ({other[0]}), and ganzoo's has none there"
    return ""


HALVES = {"0": "first", "1": "second"}
"""Number of a convolution in the authors' residual blocks → its name in ganzoo's."""


def _rename(name: str, downs: int, blocks: int, styled: bool) -> str:
    """Return ganzoo's name of a tensor of MUNIT or UNIT."""
    start, content = ("enc_content", "content") if styled else ("enc", "encoder")
    block, up, shift = ("blocks", "up", 0) if styled else ("decoder", "decoder", blocks)
    inner, last = downs + 1, 2 * downs + 1
    rules: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"{start}\.model\.{inner}\.model\.(\d+)\.model\.([01])\.conv",
         lambda match: f"{content}.{inner + int(match[1])}.{HALVES[match[2]]}.1"),
        (rf"{start}\.model\.(\d+)\.conv", lambda match: f"{content}.{match[1]}.1"),
        (r"enc_style\.model\.(\d+)\.conv", lambda match: f"look.{match[1]}.1"),
        (r"enc_style\.model\.(\d+)", lambda match: f"look.{match[1]}"),
        (r"mlp\.model\.(\d+)\.fc", lambda match: f"perceptron.{2 * int(match[1])}"),
        (r"dec\.model\.0\.model\.(\d+)\.model\.([01])\.conv",
         lambda match: f"{block}.{match[1]}.{HALVES[match[2]]}.1"),
        (rf"dec\.model\.{last}\.conv", lambda match: f"{up}.{shift + downs}.1"),
        (r"dec\.model\.(\d+)\.conv", lambda match: f"{up}.{shift + int(match[1]) // 2 - 1}.1.1"),
        (r"dec\.model\.(\d+)\.norm", lambda match: f"{up}.{shift + int(match[1]) // 2 - 1}.1.2"),
    ]  # fmt: skip
    layer, _, what = name.rpartition(".")
    for pattern, renamed in rules:
        if match := re.fullmatch(pattern, layer):
            return f"{renamed(match)}.{what}"
    return name
