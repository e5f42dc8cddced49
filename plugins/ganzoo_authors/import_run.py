"""Convert checkpoints of other people's code to a run's folder, for ``ganzoo translate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo import GanzooError, write_run
from ganzoo_authors.author_files import FileOptions, Layout, author_networks
from ganzoo_authors.fitting import fit
from ganzoo_authors.layout_file import LayoutFile
from ganzoo_authors.mask_cyclegan import files_of, masker_of
from ganzoo_authors.munit_config import MunitConfig, read_config
from ganzoo_authors.networks import ImportedNetwork
from ganzoo_authors.state_dicts import require_files

INPUTS = {"D_AB": ("A", "B"), "G_AB": ("A",), "G_BA": ("B",), "E_AB": ("A",), "E_BA": ("B",)}
"""Slot → domains whose channels are its input; other slots end in their domain."""


@dataclass(frozen=True)
class Imported:
    """What was imported: slot → network, role → masker, and the configuration of MUNIT or UNIT."""

    networks: dict[str, ImportedNetwork]
    maskers: dict[str, Any]
    config: MunitConfig | None


def import_run(
    files: Sequence[Path], layout: Layout | LayoutFile, out: Path, options: FileOptions, size: int
) -> Imported:
    """Write a run with the networks in files.

    Args:
        files: ``latest_net_G_A.pth`` and the like; for MUNIT and UNIT ``gen_….pt`` and ``dis_….pt``; for Mask CycleGAN
            the run's folder, or files in it.
        layout: the code that wrote the files, or a description of the keys of other code.
        out: the new run's folder.
        options: what the files of the authors' code do not say.
        size: side of the images that the networks were trained on, in pixels.

    Returns:
        The imported networks by slot, and the run's maskers by role, as in a recipe. Only Mask CycleGAN's runs have a
            masker, in the role ``input``: the masker of the original training. Otherwise the second mapping is empty.

    Raises:
        MissingResourceError: a file does not exist.
        GanzooError: ``out`` exists or cannot be written; a file is damaged, or has other content than its name and the
            layout say; there is no generator, or not all that the layout needs; two files have the same network; a
            discriminator has no generator; the networks differ in channels.
    """
    if out.exists():
        raise GanzooError(f"{out}: it exists already; choose another folder with -o")
    config: MunitConfig | None = None
    if isinstance(layout, LayoutFile):
        found, like = layout.networks(files), layout.method
    else:
        require_files(files_of(files) if layout == "mask_cgan" else files)
        if layout in ("munit", "unit"):
            config = read_config(files, options.padding, options.activation)
        found, like = author_networks(files, layout, options, config), layout
    generators = {slot: network for slot, (network, _) in found.items() if network.kind == "generator"}
    if not generators:
        raise GanzooError(f"{', '.join(map(str, files))}: no generator among these files; translating needs one")
    method, channels = _method(like, generators)
    networks: dict[str, ImportedNetwork] = {}
    for slot, (network, file) in found.items():
        if slot.startswith("D_") and slot not in _expected_discriminators(method["method"]):
            raise GanzooError(f"{file}: a discriminator without its generator; leave this file out")
        expected = sum(channels[domain] for domain in INPUTS.get(slot, slot[-1]))
        _require_channels(file, "input", network.in_channels, expected)
        if network.out_channels:
            _require_channels(file, "output", network.out_channels, channels[slot[-1]])
        networks[slot] = fit(network, file)
    # Images have 1 or 3 channels; domains with more are one-hot label maps.
    classes = {domain: count for domain, count in channels.items() if count not in (1, 3)}
    first_file = next(file for _, file in found.values())
    maskers = {"input": masker_of(first_file.parent)} if like == "mask_cgan" else {}
    recipe = {
        "method": method,
        "networks": _described(networks, like),
        "maskers": maskers,
        "data": {"dataset": "folders", "root": "imported", **({"classes": classes} if classes else {})},
        "images": {"size": size, **({"resample": "bilinear"} if config else {})},  # as MUNIT's and UNIT's code
        "train": {"steps": 1},
    }
    progress = {"step": 0, "bad": 0, "best": None, "channels": channels, "classes": classes}
    write_run(out, recipe, {slot: network.state for slot, network in networks.items()}, progress)
    return Imported(networks, maskers, config)


def _described(networks: Mapping[str, ImportedNetwork], layout: str) -> dict[str, Any]:
    """Return the networks as in a recipe; of Mask CycleGAN's generators, one that is missing is like the other."""
    described = {slot: {one.kind: one.name, **one.options} for slot, one in networks.items() if one.kind}
    generators = {slot: one for slot, one in described.items() if layout == "mask_cgan" and slot.startswith("G_")}
    missing = {slot: next(iter(generators.values())) for slot in ("G_AB", "G_BA") if generators}
    return {**missing, **described}


def _require_channels(file: Path, side: str, channels: int, expected: int) -> None:
    if channels != expected:
        raise GanzooError(f"{file}: {channels} {side} channels, but {expected} according to the other files")


def _expected_discriminators(method: str) -> tuple[str, ...]:
    masked = ("D_A", "D_B", "D_masked_A", "D_masked_B")
    return {"pix2pix": ("D_AB",), "cut": ("D_B",), "mask_cyclegan": masked}.get(method, ("D_A", "D_B"))


def _method(layout: str, generators: Mapping[str, ImportedNetwork]) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the method for these generators, and the channels of the domains."""
    if layout in ("munit", "unit"):
        if set(generators) != {"G_A", "G_B"}:
            raise GanzooError(f"{layout}: the generators of both domains are needed, not only {min(generators)}")
        return {"method": layout}, {domain: generators[f"G_{domain}"].in_channels for domain in "AB"}
    there, back = generators.get("G_AB"), generators.get("G_BA")
    if layout == "mask_cgan":
        known = there or back
        assert known is not None
        channels = (known.in_channels, known.out_channels)
        return {"method": "mask_cyclegan", "identity": 0}, dict(zip("AB" if there else "BA", channels, strict=True))
    if there and back:
        if layout == "pix2pix":
            raise GanzooError("pix2pix: it has one generator, and these files have G_AB and G_BA")
        return {"method": "cyclegan", "identity": 0}, {"A": there.in_channels, "B": there.out_channels}
    if back:
        raise GanzooError("only G_B, from B to A: rename its file to latest_net_G_A.pth, which swaps the domains")
    assert there is not None
    # A single generator is CUT without its contrastive loss.
    one_way = {"method": "pix2pix"} if layout == "pix2pix" else {"method": "cut", "nce": 0}
    return one_way, {"A": there.in_channels, "B": there.out_channels}
