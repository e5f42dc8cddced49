"""Convert the authors' checkpoints to a run's folder, for ``ganzoo translate``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ganzoo import GanzooError, create, write_run
from ganzoo.interfaces import one_line, sibling_path
from ganzoo_authors.mask_cyclegan import files_of, masker_of, networks_of
from ganzoo_authors.networks import ImportedNetwork, describe, munit, munit_discriminator, recognize
from ganzoo_authors.state_dicts import read_state_dicts
from ganzoo_mask_cyclegan.encoder import MaskEncoder

Layout = Literal["cyclegan", "pix2pix", "cut", "art2real", "mask_cgan", "munit", "unit"]
FILE_NAME = re.compile(r"(?:^|_)net_(G|D|F)(?:_(A|B))?$")
FAMILY = {"resnet", "unet", "patch", "pixel"}
NETWORKS: dict[Layout, set[str]] = {
    "cyclegan": FAMILY,
    "art2real": FAMILY,
    "pix2pix": FAMILY,
    "cut": FAMILY | {"smooth_resnet", "smooth_patch"},
    "munit": {"munit", "multiscale"},
    "unit": {"unit", "multiscale"},
}
"""Layout → names of the networks that its code can train; mask_cyclegan.py checks those of mask_cgan."""


def import_run(files: Sequence[Path], layout: Layout, out: Path) -> tuple[dict[str, ImportedNetwork], dict[str, Any]]:
    """Write a run's folder with the networks of the authors' files, so that ``ganzoo translate`` can use them.

    Args:
        files: files such as ``latest_net_G_A.pth``; for MUNIT and UNIT ``gen_*.pt`` and ``dis_*.pt``; for Mask CycleGAN
            the folder of the training run, or files in it.
        layout: the code that wrote the files.
        out: the new run's folder.

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
    slots: dict[str, ImportedNetwork] = {}
    origins: dict[str, Path] = {}
    for file in files_of(files) if layout == "mask_cgan" else files:
        for slot, network in _networks(file, layout).items():
            if slot in slots:
                raise GanzooError(f"{file}: the same network as in {origins[slot]}; use only one of these files")
            slots[slot], origins[slot] = network, file
    generators = {slot: network for slot, network in slots.items() if network.kind == "generator"}
    if not generators:
        raise GanzooError(f"{', '.join(map(str, files))}: no generator among these files; translating needs one")
    method, channels = _method(layout, generators)
    inputs = {
        "D_A": ("A",),
        "D_B": ("B",),
        "D_AB": ("A", "B"),
        "G_A": ("A",),
        "G_B": ("B",),
        "G_AB": ("A",),
        "G_BA": ("B",),
        "E_AB": ("A",),
        "E_BA": ("B",),
    }
    for slot, network in slots.items():
        if slot.startswith("D_") and slot not in _expected_discriminators(method["method"]):
            raise GanzooError(f"{origins[slot]}: a discriminator without its generator; leave this file out")
        expected = sum(channels[domain] for domain in inputs.get(slot, slot[-1]))
        _require_channels(origins[slot], "input", network.in_channels, expected)
        if network.out_channels:
            _require_channels(origins[slot], "output", network.out_channels, channels[slot[-1]])
        _try_loading(network, origins[slot])
    # Images have 1 or 3 channels; domains with more are one-hot label maps.
    classes = {domain: count for domain, count in channels.items() if count not in (1, 3)}
    maskers = {"input": masker_of(next(iter(origins.values())).parent)} if layout == "mask_cgan" else {}
    recipe = {
        "method": method,
        "networks": {
            slot: {network.kind: network.name, **network.options} for slot, network in slots.items() if network.kind
        },
        "maskers": maskers,
        "data": {"dataset": "folders", "root": "imported", **({"classes": classes} if classes else {})},
        "train": {"steps": 1},
    }
    new = sibling_path(out.absolute(), "new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        progress = {"step": 0, "bad": 0, "best": None, "channels": channels, "classes": classes}
        write_run(new, recipe, {slot: network.state for slot, network in slots.items()}, progress)
        new.rename(out)
    except OSError as error:
        raise GanzooError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return slots, maskers


def _require_channels(file: Path, side: str, channels: int, expected: int) -> None:
    if channels != expected:
        raise GanzooError(f"{file}: {channels} {side} channels, but {expected} according to the other files")


def _expected_discriminators(method: str) -> tuple[str, ...]:
    masked = ("D_A", "D_B", "D_masked_A", "D_masked_B")
    return {"pix2pix": ("D_AB",), "cut": ("D_B",), "mask_cyclegan": masked}.get(method, ("D_A", "D_B"))


def _networks(file: Path, layout: Layout) -> dict[str, ImportedNetwork]:
    """Return slot → network for a file. Raises GanzooError for a file that the layout's code did not write."""
    try:
        if layout == "mask_cgan":
            return networks_of(file)
        return _networks_of_domains(file, layout) if layout in ("munit", "unit") else _network_by_name(file, layout)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise GanzooError(f"{file}: a damaged checkpoint of {layout}: {one_line(error)}") from None


def _network_by_name(file: Path, layout: Layout) -> dict[str, ImportedNetwork]:
    """Return slot → network for a file with one network of the CycleGAN family; its name determines the slot."""
    match = FILE_NAME.search(file.stem)
    if not match:
        raise GanzooError(
            f"{file}: the name does not say which network the file contains; rename it as {layout} does: "
            "latest_net_G_A.pth, latest_net_D_B.pth or latest_net_G.pth"
        )
    if match[1] == "F":
        raise GanzooError(f"{file}: CUT's network F is not needed to translate; leave this file out")
    network = recognize(read_state_dicts(file).get("", {}))
    kind = "generator" if match[1] == "G" else "discriminator"
    if network is None or network.kind != kind or network.name not in NETWORKS[layout]:
        raise GanzooError(f"{file}: by its name a {kind} of {layout}, but it contains {describe(network)}")
    if match[1] == "G":
        return {{"A": "G_AB", "B": "G_BA", None: "G_AB"}[match[2]]: network}
    # In these files D_A sees the images of G_A, which are of domain B.
    return {{"A": "D_B", "B": "D_A", None: "D_AB" if layout == "pix2pix" else "D_B"}[match[2]]: network}


def _networks_of_domains(file: Path, layout: Layout) -> dict[str, ImportedNetwork]:
    """Return slot → network for a file of MUNIT or UNIT, which has a network for each domain."""
    slots = {}
    for domain, state in read_state_dicts(file).items():
        network = munit(state) or munit_discriminator(state)
        if domain not in ("a", "b") or network is None or network.name not in NETWORKS[layout]:
            raise GanzooError(f"{file}: not {{'a': …, 'b': …}} with state dicts of networks, as {layout} writes")
        slots[f"{'G' if network.kind == 'generator' else 'D'}_{domain.upper()}"] = network
    return slots


def _try_loading(network: ImportedNetwork, file: Path) -> None:
    """Raise GanzooError unless ganzoo's network has tensors of the same names and shapes as the file."""
    channels = (network.in_channels, network.out_channels) if network.out_channels else (network.in_channels,)
    built = create(network.kind, network.name, *channels, **network.options) if network.kind else MaskEncoder(*channels)
    own = built.state_dict()
    for name in [*own, *network.state]:
        ours, theirs = (tuple(state[name].shape) if name in state else "missing" for state in (own, network.state))
        if ours != theirs:
            raise GanzooError(f"{file}: its shapes do not fit a {network.name}: {name} is {theirs}, expected {ours}")


def _method(layout: Layout, generators: Mapping[str, ImportedNetwork]) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the recipe's method for these generators, and the number of channels of each domain."""
    if layout in ("munit", "unit"):
        if set(generators) != {"G_A", "G_B"}:
            raise GanzooError(f"{layout}: the generators of both domains are needed, not only {min(generators)}")
        return {"method": layout}, {domain: generators[f"G_{domain}"].in_channels for domain in "AB"}
    if layout == "mask_cgan":
        if set(generators) != {"G_AB", "G_BA"}:
            missing = "netG_B2A" if "G_AB" in generators else "netG_A2B"
            raise GanzooError(f"{layout}: the generators of both directions are needed, but {missing}.pth is missing")
        channels = {"A": generators["G_AB"].in_channels, "B": generators["G_AB"].out_channels}
        return {"method": "mask_cyclegan", "identity": 0}, channels
    there, back = generators.get("G_AB"), generators.get("G_BA")
    if there and back:
        return {"method": "cyclegan", "identity": 0}, {"A": there.in_channels, "B": there.out_channels}
    if back:
        raise GanzooError("only G_B, from B to A: rename its file to latest_net_G_A.pth, which swaps the domains")
    assert there is not None
    # A single generator is CUT without its contrastive loss.
    one_way = {"method": "pix2pix"} if layout == "pix2pix" else {"method": "cut", "nce": 0}
    return one_way, {"A": there.in_channels, "B": there.out_channels}
