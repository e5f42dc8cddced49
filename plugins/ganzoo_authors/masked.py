"""Mask CycleGAN's run folder: generators that carry the mask encoder, two discriminators a domain, and state.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganzoo import GanzooError
from ganzoo_authors.networks import Found, recognize
from ganzoo_authors.reading import State, read

SLOTS = {
    "netG_A2B": "G_AB",
    "netG_B2A": "G_BA",
    "netD_A": "D_A",
    "netD_B": "D_B",
    "netD_Am": "D_masked_A",
    "netD_Bm": "D_masked_B",
}
"""File → slot; unlike in CycleGAN's files, D_A judges images of A."""
ENCODER = re.compile(r"(mask|context)_model\.(?:0\.)?(weight|bias)")
OURS = {"mask": "masked", "context": "context"}


def files_of(given: Sequence[Path]) -> list[Path]:
    """Return files, and in the place of a folder those of networks in it. Raises GanzooError when it has none."""
    found: list[Path] = []
    for one in given:
        inside = [file for name in SLOTS if (file := one / f"{name}.pth").is_file()] if one.is_dir() else [one]
        if not inside:
            raise GanzooError(f"{one}: no run's folder of mask_cgan; it would hold netG_A2B.pth and netG_B2A.pth")
        found += inside
    return found


def networks_of(file: Path) -> dict[str, Found]:
    """Return what a file holds by slots: a discriminator, or a generator and its mask encoder.

    Raises GanzooError when the file's name does not say which, and when it holds something else.
    """
    if file.stem not in SLOTS:
        raise GanzooError(
            f"{file}: the name does not say which network it holds; mask_cgan writes {', '.join(SLOTS)}, each with "
            ".pth: rename it so"
        )
    slot, state = SLOTS[file.stem], read(file).get("", {})
    if slot.startswith("D"):
        return {slot: _critic(file, state)}
    parts = {name: match for name in state if (match := ENCODER.fullmatch(name))}
    found = recognize({name: one for name, one in state.items() if name not in parts})
    if found is None or found.name != "resnet":
        is_there = f"the {found.kind} {found.name}" if found else "no network that is known"
        raise GanzooError(f"{file}: by its name a generator of mask_cgan, and in it is {is_there}")
    if not parts:
        raise GanzooError(
            f"{file}: it has no mask_model and context_model: trained without masks, it is a generator of CycleGAN; "
            "rename it to latest_net_G_A.pth (A to B) or latest_net_G_B.pth and import it --from cyclegan"
        )
    encoder = {f"{OURS[match[1]]}.{match[2]}": state[name] for name, match in parts.items()}
    return {slot: found, f"E_{slot[2:]}": Found("", "mask encoder", {}, encoder, found.entering, found.leaving)}


def _critic(file: Path, state: State) -> Found:
    """Return a discriminator; the code averages its logits. Strides are 2, 2, 2, 1, 1, of the small one 2, 2, 1."""
    found = recognize(state)
    convs = sum(one.dim() == 4 for one in state.values())
    if found is None or found.name != "patch" or convs not in (3, 5):
        is_there = f"the {found.kind} {found.name}, of {convs} convolutions" if found else "no network that is known"
        raise GanzooError(
            f"{file}: by its name a discriminator of mask_cgan, which has 5 convolutions or 3, and in it is {is_there}"
        )
    shape: dict[str, Any] = {"layers": 3} if convs == 5 else {"layers": 2, "extra_layer": False}
    options = {**found.options, **shape, "average_logits": True}
    return Found("discriminator", "patch", options, found.state, found.entering)


def masker_of(folder: Path) -> dict[str, Any]:
    """Return the masker that a run was trained with, as a recipe names it, by what its state.json says.

    Where that is absent, damaged or says nothing of masks, it is the squares that the released code has by default.
    """
    squares = {"masker": "centered_square"}
    try:
        told = json.loads((folder / "state.json").read_text(encoding="utf-8"))["mask_scales"]
        scales = [float(one) for one in told.split(",") if one.strip()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return squares
    if not scales:
        return {"masker": "multi_rectangle", "variant": "released"}
    return {**squares, "scales": scales} if all(0 < one <= 1 for one in scales) else squares
