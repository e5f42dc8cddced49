"""Make a run's folder of the authors' files, which ``ganzoo translate`` takes as one of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ganzoo import GanzooError, create, write_run
from ganzoo.interfaces import one_line, sibling_path
from ganzoo_authors.masked import files_of, masker_of, networks_of
from ganzoo_authors.networks import Found, munit, munit_discriminator, recognize
from ganzoo_authors.reading import read
from ganzoo_mask_cyclegan.encoder import MaskEncoder

Layout = Literal["cyclegan", "pix2pix", "cut", "art2real", "mask_cgan", "munit", "unit"]
NAMED = re.compile(r"(?:^|_)net_(G|D|F)(?:_(A|B))?$")
FAMILY = {"resnet", "unet", "patch", "pixel"}
NETWORKS: dict[Layout, set[str]] = {
    "cyclegan": FAMILY,
    "art2real": FAMILY,
    "pix2pix": FAMILY,
    "cut": FAMILY | {"smooth_resnet", "smooth_patch"},
    "munit": {"munit", "multiscale"},
    "unit": {"unit", "multiscale"},
}
"""What the code behind each layout can train; of mask_cgan masked.py says it."""


def make_run(files: Sequence[Path], layout: Layout, out: Path) -> tuple[dict[str, Found], dict[str, Any]]:
    """Write a run of the networks in files; return them by their slots, and the maskers by their roles.

    Args:
        files: ``latest_net_G_A.pth`` and the like; for MUNIT and UNIT ``gen_….pt`` and ``dis_….pt``; for Mask CycleGAN
            the run's folder, or what is in it.
        layout: whose.
        out: the run's folder.

    Raises GanzooError for files that do not hold what the layout has, and for a folder that is there.
    """
    if out.exists():
        raise GanzooError(f"{out}: it is there already; choose another place with -o")
    slots: dict[str, Found] = {}
    origins: dict[str, Path] = {}
    for file in files_of(files) if layout == "mask_cgan" else files:
        for slot, found in _networks(file, layout).items():
            if slot in slots:
                raise GanzooError(f"{file}: it holds what {origins[slot]} holds already; give one of them")
            slots[slot], origins[slot] = found, file
    generators = {slot: found for slot, found in slots.items() if found.kind == "generator"}
    if not generators:
        raise GanzooError(f"{', '.join(map(str, files))}: no generator is among them; it is what translates")
    method, channels = _method(layout, generators)
    seen = {
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
    for slot, found in slots.items():
        if slot.startswith("D_") and slot not in _expected_discriminators(method["method"]):
            raise GanzooError(f"{origins[slot]}: it judges what none of the other files makes; leave it out")
        wanted = sum(channels[domain] for domain in seen.get(slot, slot[-1]))
        if found.entering != wanted:
            raise GanzooError(f"{origins[slot]}: it sees {found.entering} channels; by the other files it is {wanted}")
        if found.leaving not in (0, channels[slot[-1]]):
            wanted = channels[slot[-1]]
            raise GanzooError(f"{origins[slot]}: it makes {found.leaving} channels; by the other files it is {wanted}")
        _try(found, origins[slot])
    # Images have one channel or three; what has more are label maps, one-hot.
    classes = {domain: count for domain, count in channels.items() if count not in (1, 3)}
    maskers = {"input": masker_of(next(iter(origins.values())).parent)} if layout == "mask_cgan" else {}
    recipe = {
        "method": method,
        "networks": {slot: {found.kind: found.name, **found.options} for slot, found in slots.items() if found.kind},
        "maskers": maskers,
        "data": {"dataset": "folders", "root": "imported", **({"classes": classes} if classes else {})},
        "train": {"steps": 1},
    }
    new = sibling_path(out.absolute(), "new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        progress = {"step": 0, "bad": 0, "best": None, "channels": channels, "classes": classes}
        write_run(new, recipe, {slot: found.state for slot, found in slots.items()}, progress)
        new.rename(out)
    except OSError as error:
        raise GanzooError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return slots, maskers


def _expected_discriminators(method: str) -> tuple[str, ...]:
    masked = ("D_A", "D_B", "D_masked_A", "D_masked_B")
    return {"pix2pix": ("D_AB",), "cut": ("D_B",), "mask_cyclegan": masked}.get(method, ("D_A", "D_B"))


def _networks(file: Path, layout: Layout) -> dict[str, Found]:
    """Return the networks of a file by their slots.

    Raises GanzooError where keys are missing, or tensors have another shape.
    """
    try:
        if layout == "mask_cgan":
            return networks_of(file)
        return _of_domains(file, layout) if layout in ("munit", "unit") else _of_name(file, layout)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise GanzooError(f"{file}: a damaged checkpoint of {layout}: {one_line(error)}") from None


def _of_name(file: Path, layout: Layout) -> dict[str, Found]:
    """Return the network of a file of the CycleGAN family by its slot, which the file's name tells."""
    match = NAMED.search(file.stem)
    if not match:
        raise GanzooError(
            f"{file}: the name does not say which network it holds; {layout} writes latest_net_G_A.pth, "
            "latest_net_D_B.pth or latest_net_G.pth: rename it so"
        )
    if match[1] == "F":
        raise GanzooError(f"{file}: what CUT compares patches by is not needed to translate; leave this file out")
    state = read(file).get("", {})
    found = recognize(state)
    wanted = "generator" if match[1] == "G" else "discriminator"
    if found is None or found.kind != wanted or found.name not in NETWORKS[layout]:
        is_there = f"the {found.kind} {found.name}" if found else "no network that is known"
        raise GanzooError(f"{file}: by its name a {wanted} of {layout}, and in it is {is_there}")
    if match[1] == "G":
        return {{"A": "G_AB", "B": "G_BA", None: "G_AB"}[match[2]]: found}
    # There D_A judges what G_A makes, which is of B.
    return {{"A": "D_B", "B": "D_A", None: "D_AB" if layout == "pix2pix" else "D_B"}[match[2]]: found}


def _of_domains(file: Path, layout: Layout) -> dict[str, Found]:
    """Return the networks of a file of MUNIT or UNIT, which holds those of both domains."""
    slots = {}
    for domain, state in read(file).items():
        found = munit(state) or munit_discriminator(state)
        if domain not in ("a", "b") or found is None or found.name not in NETWORKS[layout]:
            raise GanzooError(f"{file}: {layout} has {{'a': …, 'b': …}} there, state dicts of its networks")
        slots[f"{'G' if found.kind == 'generator' else 'D'}_{domain.upper()}"] = found
    return slots


def _try(found: Found, file: Path) -> None:
    """Raise GanzooError unless the network takes the weights."""
    sides = (found.entering, found.leaving) if found.leaving else (found.entering,)
    network = create(found.kind, found.name, *sides, **found.options) if found.kind else MaskEncoder(*sides)
    own = network.state_dict()
    for name in [*own, *found.state]:
        ours, theirs = (tuple(state[name].shape) if name in state else "missing" for state in (own, found.state))
        if ours != theirs:
            raise GanzooError(f"{file}: no {found.name} as its shapes tell: {name} is {theirs}, and would be {ours}")


def _method(layout: Layout, generators: Mapping[str, Found]) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the method that translates with some generators, and the channels of the domains."""
    if layout in ("munit", "unit"):
        if set(generators) != {"G_A", "G_B"}:
            raise GanzooError(f"{layout}: the generators of both domains are needed; there is only {min(generators)}")
        return {"method": layout}, {domain: generators[f"G_{domain}"].entering for domain in "AB"}
    if layout == "mask_cgan":
        if set(generators) != {"G_AB", "G_BA"}:
            lacks = "netG_B2A" if "G_AB" in generators else "netG_A2B"
            raise GanzooError(f"{layout}: the generators of both directions are needed; there is no {lacks}.pth")
        channels = {"A": generators["G_AB"].entering, "B": generators["G_AB"].leaving}
        return {"method": "mask_cyclegan", "identity": 0}, channels
    there, back = generators.get("G_AB"), generators.get("G_BA")
    if there and back:
        return {"method": "cyclegan", "identity": 0}, {"A": there.entering, "B": there.leaving}
    if back:
        raise GanzooError("G_B alone, from B to A: rename it to latest_net_G_A.pth, and call the domains the other way")
    assert there is not None
    # One generator without a way back: CUT without its contrast is that.
    one_way = {"method": "pix2pix"} if layout == "pix2pix" else {"method": "cut", "nce": 0}
    return one_way, {"A": there.entering, "B": there.leaving}
