"""Make a run's folder of the authors' files, which ``ganzoo translate`` takes as one of its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from safetensors.torch import save_file

from ganzoo import GanzooError
from ganzoo.aside import beside, flush
from ganzoo.recipe_reader import read_recipe
from ganzoo.state import PROGRESS
from ganzoo.translate import Translator
from ganzoo_authors.networks import Found, munit, munit_judge, recognize
from ganzoo_authors.reading import read

Layout = Literal["cyclegan", "pix2pix", "cut", "art2real", "munit", "unit"]
NAMED = re.compile(r"(?:^|_)net_(G|D)(?:_(A|B))?$")


def make_run(files: Sequence[Path], layout: Layout, out: Path) -> dict[str, Found]:
    """Write a run of the networks in files; return them by their slots.

    Args:
        files: ``latest_net_G_A.pth`` and the like; for MUNIT and UNIT ``gen_….pt`` and ``dis_….pt``.
        layout: whose.
        out: the run's folder.

    Raises GanzooError for files that do not hold what the layout has, and for a folder that is there.
    """
    if out.exists():
        raise GanzooError(f"{out}: it is there already; choose another place with -o")
    slots: dict[str, Found] = {}
    for file in files:
        for slot, found in (_of_domains if layout in ("munit", "unit") else _of_name)(file, layout).items():
            if slot in slots:
                raise GanzooError(f"{file}: a second network for {slot}; give one of them")
            slots[slot] = found
    generators = {slot: found for slot, found in slots.items() if found.kind == "generator"}
    if not generators:
        raise GanzooError(f"{', '.join(map(str, files))}: no generator is among them; it is what translates")
    method, channels = _method(layout, generators)
    known = {"cyclegan": {"G_AB", "G_BA", "D_A", "D_B"}, "pix2pix": {"G_AB", "D_AB"}, "cut": {"G_AB", "D_B"}}
    for slot in sorted(set(slots) - known.get(method["method"], set(slots))):
        raise GanzooError(f"{slot}: its generator is not among the files; give that too, or leave this one out")
    recipe = {
        "method": method,
        "networks": {slot: {found.kind: found.name, **found.options} for slot, found in slots.items()},
        "data": {"dataset": "folders", "root": "imported"},
        "train": {"steps": 1},
    }
    new = beside(out.absolute(), "new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        _write(new, recipe, slots, channels)
        new.rename(out)
    except OSError as error:
        raise GanzooError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return slots


def _of_name(file: Path, layout: Layout) -> dict[str, Found]:
    """Return the network of a file of the CycleGAN family by its slot, which the file's name tells."""
    state = read(file).get("")
    found = None if state is None else recognize(state)
    match = NAMED.search(file.stem)
    if not match:
        raise GanzooError(
            f"{file}: the name does not say which network it holds; {layout} writes latest_net_G_A.pth, "
            "latest_net_D_B.pth or latest_net_G.pth: rename it so"
        )
    wanted = "generator" if match[1] == "G" else "discriminator"
    if found is None or found.kind != wanted:
        is_there = f"the {found.kind} {found.name}" if found else "no network of this layout"
        raise GanzooError(f"{file}: by its name a {wanted}, and in it is {is_there}")
    if match[1] == "G":
        return {{"A": "G_AB", "B": "G_BA", None: "G_AB"}[match[2]]: found}
    # There D_A judges what G_A makes, which is of B.
    return {{"A": "D_B", "B": "D_A", None: "D_AB" if layout == "pix2pix" else "D_B"}[match[2]]: found}


def _of_domains(file: Path, layout: Layout) -> dict[str, Found]:
    """Return the networks of a file of MUNIT or UNIT, which holds those of both domains."""
    slots = {}
    for domain, state in read(file).items():
        found = munit(state) or munit_judge(state)
        if domain not in ("a", "b") or found is None or found.name not in (layout, "multiscale"):
            raise GanzooError(f"{file}: {layout} has {{'a': …, 'b': …}} there, state dicts of its networks")
        slots[f"{'G' if found.kind == 'generator' else 'D'}_{domain.upper()}"] = found
    return slots


def _method(layout: Layout, generators: Mapping[str, Found]) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the method that translates with some generators, and the channels of the domains."""
    if layout in ("munit", "unit"):
        if set(generators) != {"G_A", "G_B"}:
            raise GanzooError(f"{layout}: the generators of both domains are needed; there is only {min(generators)}")
        return {"method": layout}, {domain: generators[f"G_{domain}"].entering for domain in "AB"}
    there, back = generators.get("G_AB"), generators.get("G_BA")
    if there and back:
        return {"method": "cyclegan", "identity": 0}, {"A": there.entering, "B": there.leaving}
    if back:
        raise GanzooError("G_B alone, from B to A: rename it to latest_net_G_A.pth, and call the domains the other way")
    assert there is not None
    # One generator without a way back: CUT without its contrast is that.
    one_way = {"method": "pix2pix"} if layout == "pix2pix" else {"method": "cut", "nce": 0}
    return one_way, {"A": there.entering, "B": there.leaving}


def _write(folder: Path, recipe: dict[str, Any], slots: Mapping[str, Found], channels: dict[str, int]) -> None:
    """Write the run, and try that every generator takes its weights."""
    networks = folder / "checkpoints/last/networks"
    networks.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    resolved = read_recipe(folder / "recipe.yaml").resolved()
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    for slot, found in slots.items():
        file = networks / f"{slot}.safetensors"
        save_file({name: one.detach().clone().contiguous() for name, one in found.state.items()}, file)
        flush(file)
    progress = {"step": 0, "bad": 0, "best": None, "channels": channels}
    (networks.parent / PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
    Translator(folder, device="cpu")
