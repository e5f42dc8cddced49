"""Write the files of a published folder: networks without discriminators, recipe, maskers' weights, records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import torch
from torch import Tensor

from ganzoo.engine.checkpoint_files import (
    network_name,
    read_unchanged,
    select_checkpoint,
    verified_file,
    write_progress,
)
from ganzoo.errors import GanzooError, one_line
from ganzoo.inference.scrub import scrub, scrub_recipe
from ganzoo.inference.translator import Translator
from ganzoo.masks.roles import TRANSLATION_ROLES, provided_roles
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.provenance.record import is_record
from ganzoo.recipe.losses import loss_slot
from ganzoo.recipe.run_recipe import RESOLVED, read_run_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.jsonl import JsonLines, to_json, to_plain, write_text
from ganzoo.utils.sealed import seal_text
from ganzoo.utils.tensors import write_tensors

RESULTS = "results.jsonl"
PROGRESS_FIELDS = ("step", "channels", "classes", "ranges", "best", "best_of", "sessions")
"""The fields of a checkpoint's progress that are published; the others are of use for resuming only."""


@dataclass(frozen=True)
class Networks:
    """The networks that were written, and the checkpoint that they are from.

    Args:
        recipe: the run's recipe, with the paths of the author's machine.
        checkpoint: name of the checkpoint.
        progress: the fields of its progress.json.
        weights: checksum of all networks of the checkpoint, as in records.
        parts: place of an option in the recipe → the file or folder that it stands for.
    """

    recipe: Recipe
    checkpoint: str
    progress: Mapping[str, Any]
    weights: str
    parts: dict[str, str]

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The training sessions; none of networks that were imported."""
        found: list[dict[str, Any]] = self.progress.get("sessions", [])
        return found


def write_networks(run: Path, checkpoint: str, out: Path) -> Networks:
    """Write the networks of a run's checkpoint that translate, and its recipe without paths, to a new folder.

    Discriminators and the networks of losses are left out. Of averaged networks the averages are written. Files are
    copied bit for bit.

    Args:
        run: the run's folder.
        checkpoint: name of the checkpoint; by default ``best`` if there is one, else ``last``.
        out: a folder that exists and is empty.

    Raises:
        GanzooError: the run or the checkpoint is missing or damaged, has no trained networks, or a masker's weights
            cannot be published.
    """
    recipe = read_run_recipe(run)
    method = recipe.method.make()
    if not method.phases:
        raise GanzooError(f"{run}: the method {recipe.method.component.name!r} trains nothing to publish")
    left_out = {name for name, slot in method.slots.items() if slot.kind == "discriminator"}
    left_out |= set(map(loss_slot, recipe.losses))

    def copy(place: Path, progress: Mapping[str, Any]) -> Networks:
        name = place.name.removeprefix(".").removesuffix(".old")
        target, written = out / "checkpoints" / name, {}
        slots = {Path(file).stem for file in progress["files"] if file.startswith(("networks/", "average/"))}
        for file in sorted(network_name(progress, slot) for slot in slots - left_out):
            source = verified_file(place, file)
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            copyfile(source, target / file)
            written[file] = progress["files"][file]
        if not written:
            raise GanzooError(f"{place}: it has discriminators only, and those are not published")
        write_progress(target, {key: scrub(progress[key]) for key in PROGRESS_FIELDS if key in progress}, written)
        return Networks(recipe, name, progress, weights_key(place), {})

    networks = read_unchanged(lambda: select_checkpoint(run, checkpoint), copy)
    networks.parts.update(_write_parts(recipe, out))
    write_text(out / RESOLVED, seal_text(dump_yaml(scrub_recipe(recipe, networks.parts))))
    return networks


def _write_parts(recipe: Recipe, out: Path) -> dict[str, str]:
    """Write the weights that the maskers of translations read from files; return place in the recipe → path in out."""
    parts: dict[str, str] = {}
    for role, part in recipe.maskers.items():
        if role not in TRANSLATION_ROLES:
            continue
        for inner in part.inner():
            if files := [value for value in inner.options.values() if isinstance(value, Path)]:
                message = f"{inner.name!r} inside {part.name!r} reads {files[0]}, and only files that a masker reads "
                raise GanzooError(f"maskers.{role}: {message}itself can be published")
        for name, value in part.options.items():
            if isinstance(value, Path):
                place = f"maskers.{role}.{name}"
                parts[place] = _write_part(value, place, out / "parts")
    return parts


def _write_part(source: Path, place: str, folder: Path) -> str:
    """Write a masker's file of weights, or the run that has them; return its path relative to ``folder``'s parent."""
    folder.mkdir(exist_ok=True)
    if (source / RESOLVED).is_file():
        target = folder / place
        target.mkdir()
        write_networks(source, "", target)
    else:
        if not source.is_file():
            raise GanzooError(f"{place}: {source}: neither a file of weights nor a run, so it cannot be published")
        target = folder / f"{place}.safetensors"
        if source.suffix == ".safetensors":
            copyfile(source, target)
        else:
            write_tensors(target, read_state_dict(source, place))
    return f"{folder.name}/{target.name}"


def read_state_dict(file: Path, place: str) -> dict[str, Tensor]:
    """Return the tensors of a torch file, which must be a plain state dict: pickles are not published."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's errors about files have no common class
        raise GanzooError(f"{place}: {file}: cannot be read ({one_line(error)[:200]})") from None
    if not isinstance(state, dict) or not all(isinstance(one, Tensor) for one in state.values()):
        raise GanzooError(f"{place}: {file}: not a plain state dict; save it as safetensors, and name that file")
    return state


def write_records(run: Path, networks: Networks, out: Path) -> list[dict[str, Any]]:
    """Write the records of the published checkpoint to results.jsonl, without paths; return them, the latest last."""
    lines = [
        scrub(record)
        for record in JsonLines(run / RESULTS)
        if is_record(record) and record["weights"] == networks.weights and record["checkpoint"] == networks.checkpoint
    ]
    if lines:
        write_text(out / RESULTS, "".join(f"{to_json(line)}\n" for line in lines))
    return lines


def preprocessing(translator: Translator) -> dict[str, Any]:
    """Return how images become tensors and back, for programs that do not have ganzoo.

    It has ``size``, the height and width that a scaled image just covers; ``resample``, the filter for images;
    ``tensors``, the range of values there; ``directions``; ``mask``, whether translations need a mask of each image;
    and for each of the ``domains`` its ``channels``, the number of ``classes`` of label maps (0: these are images), and
    ``range``, the values in files that become −1 and 1 (None: 0 and 255).
    """
    return {
        "size": to_plain(translator.trained_size),
        "scaled": "until they just cover size (height, width; one number for both), antialiased; original: not at all",
        "resample": translator.recipe.images.filter,
        "tensors": [-1, 1],
        "directions": [one for one in translator.method.directions if not translator.missing[one]],
        "mask": bool(provided_roles(translator.method.masks)),
        "domains": {
            domain: {"channels": io.channels, "classes": io.classes, "range": to_plain(io.value_range)}
            for domain, io in translator.domain_io.items()
        },
    }


def require_same(run: Translator, published: Translator) -> None:
    """Check that a published folder translates a random image as its run does, to the bit, in every direction.

    If the run's masks come from its data set, the image has a random mask.

    Raises GanzooError if it does not.
    """
    for direction in preprocessing(run)["directions"]:
        draws = torch.Generator().manual_seed(0)
        image = torch.rand(1, run.channels[direction[0]], 64, 64, generator=draws) * 2 - 1
        mask = torch.rand(1, 1, 64, 64, generator=draws) if provided_roles(run.method.masks) else None
        results = [_translated(one, image, direction, mask) for one in (run, published)]
        if not (results[0] == results[1] if isinstance(results[0], str) else torch.equal(*results)):  # type: ignore
            raise GanzooError(f"not published: the copy translates {direction} differently from the run")


def _translated(translator: Translator, image: Tensor, direction: str, mask: Tensor | None) -> Tensor | str:
    """Return the translation; or the error, if a network takes no image of this size, for example."""
    try:
        return translator.translate(image, direction, mask=mask)
    except GanzooError as error:
        return str(error)


def list_files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, sorted."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
