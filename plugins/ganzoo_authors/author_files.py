"""Find the networks in files of the authors' code: contents first, then the names of files and their parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ganzoo import GanzooError
from ganzoo.interfaces import one_line
from ganzoo_authors.mask_cyclegan import files_of, networks_of
from ganzoo_authors.munit import munit, munit_discriminator
from ganzoo_authors.munit_config import MunitConfig
from ganzoo_authors.networks import ImportedNetwork, describe, recognize
from ganzoo_authors.state_dicts import State, printable, read_state_dicts, some_keys
from ganzoo_authors.weight_norms import FOLDED, fold_weight_norms

Layout = Literal["cyclegan", "pix2pix", "cut", "art2real", "mask_cgan", "munit", "unit"]
FAMILY = {"resnet", "unet", "patch", "pixel"}
NETWORKS: dict[Layout, set[str]] = {
    "cyclegan": FAMILY,
    "art2real": FAMILY,
    "pix2pix": FAMILY,
    "cut": FAMILY | {"smooth_resnet", "smooth_patch"},
    "munit": {"munit", "multiscale"},
    "unit": {"unit", "multiscale"},
}
"""Layout → networks that its code can train; mask_cyclegan.py has those of mask_cgan."""
EXPECTED: dict[Layout, str] = {
    **dict.fromkeys(("cyclegan", "art2real", "pix2pix", "cut"),
                    "model.1.weight (resnet), model.model.0.weight (unet) or model.0.weight (patch)"),
    "munit": "a: {enc_content.model.0.conv.weight, …}, b: {…}",
    "unit": "a: {enc.model.0.conv.weight, …}, b: {…}",
}  # fmt: skip
"""Layout → the keys that its networks start with, for messages."""
OWNERS: dict[str, tuple[str, Layout]] = {
    "munit": ("MUNIT's", "munit"),
    "unit": ("UNIT's", "unit"),
    "multiscale": ("MUNIT's or UNIT's", "munit"),
    "smooth_resnet": ("CUT's", "cut"),
    "smooth_patch": ("CUT's", "cut"),
}
"""Network → whose it is, and the layout to import it with."""
FOREIGN = {
    r"convA\.|decA1\.|dec_share\.": "DRIT's",
    r"DownBlock\.|UpBlock1\.": "U-GAT-IT's",
    r"scale0_layer0|model1_1\.": "pix2pixHD's",
}
"""A pattern of keys → whose network it is that ganzoo does not have."""
AUTHORS_NAME = re.compile(r"(?:^|_)net_(G|D|F)(?:_(A|B))?$")
"""The names of the CycleGAN family's files: G_A is A to B, and D_A sees its results, which are of domain B."""
DIRECTION = re.compile(r"(?:^|_|G|gen|generator)(A_?(?:2|to)?_?B|B_?(?:2|to)?_?A)$", re.IGNORECASE)
DISCRIMINATOR = re.compile(r"(?:^|_)(?:net)?(?:D|dis|discriminator)_?([AB])$", re.IGNORECASE)
"""Names in smaller projects: netG_A2B, Gab, netD_A; there D_A sees images of A."""


@dataclass(frozen=True)
class FileOptions:
    """What the user says of files that do not show it; None: as in their configuration, or by default.

    Args:
        padding: MUNIT's and UNIT's ``pad_type`` of generators and discriminators.
        activation: their ``activ`` of the generators: ``relu`` or ``lrelu``.
        dropout: whether pix2pix's U-Net has dropout; None: as the layout's code has by default.
    """

    padding: str | None = None
    activation: str | None = None
    dropout: bool | None = None


def author_networks(
    files: Sequence[Path], layout: Layout, options: FileOptions, config: MunitConfig | None = None
) -> dict[str, tuple[ImportedNetwork, Path]]:
    """Return slot → network and its file, for files of the authors' code; ``config`` is that of MUNIT's and UNIT's.

    Raises MissingResourceError for a missing file, GanzooError for files with other content than the layout's.
    """
    files = files_of(files) if layout == "mask_cgan" else files
    slots: dict[str, tuple[ImportedNetwork, Path]] = {}
    unnamed: list[tuple[ImportedNetwork, Path]] = []
    for file in files:
        for slot, network in _networks(file, layout):
            if network.unsupported:
                raise GanzooError(f"{file}: {describe(network)}, but with {network.unsupported}")
            if slot in slots:
                raise GanzooError(f"{file}: the same network as in {slots[slot][1]}; use only one of these files")
            if slot:
                slots[slot] = _with_options(network, options, layout, config), file
            else:
                unnamed.append((_with_options(network, options, layout, config), file))
    for network, file in unnamed:
        if network.kind != "generator" or len(unnamed) > 1 or any(slot.startswith("G") for slot in slots):
            raise GanzooError(
                f"{file}: it contains {describe(network)}, but the name does not say which one; rename it as "
                f"{layout} does: latest_net_G_A.pth, latest_net_D_B.pth or latest_net_G.pth"
            )
        slots["G_AB"] = network, file
    if options.dropout is not None and not any(network.name == "unet" for network, _ in slots.values()):
        raise GanzooError("--dropout: no U-Net among these files; of other networks the files show it")
    return slots


def _with_options(
    network: ImportedNetwork, options: FileOptions, layout: Layout, config: MunitConfig | None
) -> ImportedNetwork:
    """Return a network with the options that its file does not show."""
    more: dict[str, Any] = config.options(network.kind) if config else {}
    if network.name == "unet":
        more["dropout"] = layout == "pix2pix" if options.dropout is None else options.dropout
    return replace(network, options=network.options | more)


def _networks(file: Path, layout: Layout) -> list[tuple[str, ImportedNetwork]]:
    """Return the networks in a file with their slots; an empty slot where its name does not say which one it is.

    Raises GanzooError for missing keys and for tensors of unexpected shapes.
    """
    try:
        if layout == "mask_cgan":
            return list(networks_of(file).items())
        found = []
        parts = read_state_dicts(file)
        for name, stored in parts.items():
            state = fold_weight_norms(stored)
            if layout in ("munit", "unit"):
                slot, network = _network_of_domain(file, layout, name, state)
            elif len(parts) == 1:  # the file's name counts first
                slot, network = _network_by_name(file, layout, "", state)
                slot = slot or _slot_by_name(name, network.kind)
            else:
                slot, network = _network_by_name(file, layout, name, state)
            found.append((slot, network if state.keys() == stored.keys() else replace(network, notes=(FOLDED,))))
        return found
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise GanzooError(f"{file}: a damaged checkpoint of {layout}: {one_line(error)}") from None


def _network_by_name(file: Path, layout: Layout, part: str, state: State) -> tuple[str, ImportedNetwork]:
    """Return the slot and the network of a state dict of the CycleGAN family; the slot follows from its name."""
    match = AUTHORS_NAME.search(file.stem)
    if (match and match[1] == "F") or any(name.startswith("mlp_") for name in state):
        raise GanzooError(f"{file}: CUT's network F is not needed to translate; leave this file out")
    where = f"{file}: {printable(part)}" if part else f"{file}"
    network = recognize(state)
    if network is None or network.name not in NETWORKS[layout]:
        by_name = f"by its name a {_kind(match[1])} of {layout}, but " if match else ""
        raise GanzooError(f"{where}: {by_name}it contains {_contents(state, network, layout)}")
    if part or match is None:
        return _slot_by_name(part or file.stem, network.kind), network
    if network.kind != _kind(match[1]):
        raise GanzooError(f"{where}: by its name a {_kind(match[1])} of {layout}, but it contains {describe(network)}")
    if match[1] == "G":
        return {"A": "G_AB", "B": "G_BA", None: "G_AB"}[match[2]], network
    return {"A": "D_B", "B": "D_A", None: "D_AB" if layout == "pix2pix" else "D_B"}[match[2]], network


def _slot_by_name(name: str, kind: str) -> str:
    """Return the slot that a small project's name says: netG_A2B, Gab, netD_A; empty if it says none."""
    if kind == "generator":
        match = DIRECTION.search(name)
        return f"G_{match[1][0]}{match[1][-1]}".upper() if match else ""
    match = DISCRIMINATOR.search(name)
    return f"D_{match[1]}".upper() if match else ""


def _kind(letter: str) -> str:
    return "generator" if letter == "G" else "discriminator"


def _network_of_domain(file: Path, layout: Layout, domain: str, state: State) -> tuple[str, ImportedNetwork]:
    """Return the slot and the network of one domain of a file of MUNIT or UNIT."""
    network = munit(state) or munit_discriminator(state)
    if network is None or network.name not in NETWORKS[layout]:
        contents = _contents(state, network or recognize(state), layout)
        where = f"{printable(domain)}: " if domain else ""
        raise GanzooError(f"{file}: {where}not state dicts of networks, as {layout} writes; it contains {contents}")
    if domain not in ("a", "b"):
        raise GanzooError(f"{file}: one network, and {layout} writes those of both domains: {{'a': …, 'b': …}}")
    return f"{'G' if network.kind == 'generator' else 'D'}_{domain.upper()}", network


def _contents(state: State, network: ImportedNetwork | None, layout: Layout) -> str:
    """Return what a file contains instead of a layout's network, whose it is, and what was expected."""
    network = network or munit(state) or munit_discriminator(state)
    if network:
        owner, other = OWNERS.get(network.name, ("CycleGAN's or pix2pix's", "cyclegan"))
        return f"{describe(network)}: this is {owner}; import it --from {other}"
    if any(name.startswith(("mask_model.", "context_model.")) for name in state):
        return "a generator with a mask encoder: this is Mask CycleGAN's; import it --from mask_cgan"
    known = [owner for keys, owner in FOREIGN.items() if any(re.match(keys, name) for name in state)]
    whose = f"; this is {known[0]}, which import does not read" if known else ""
    return (
        f"an unknown network{whose}: found {some_keys(state)}, expected {EXPECTED[layout]}"
        f"{'' if known else '; --layout FILE maps the keys of other code'}"
    )
