"""Use a trained run: pictures in, pictures out, at any size, all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo import state
from ganzoo.assemble import build_method
from ganzoo.console import Console
from ganzoo.data.pictures import find_pictures, from_pil, read_picture, to_float, to_uint8, write_picture
from ganzoo.data.scaling import resize
from ganzoo.errors import GanzooError, is_out_of_memory
from ganzoo.interfaces import Direction
from ganzoo.recipe_reader import read_recipe
from ganzoo.step import Step


class Translator:
    """A trained run's generators.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: a torch device; by default the accelerator, if there is one.
    """

    def __init__(self, run: str | PathLike[str], *, checkpoint: str = "", device: str = "") -> None:
        folder = Path(run)
        if not (folder / "resolved.yaml").is_file():
            raise GanzooError(f"{folder}: not a run's folder; it would hold resolved.yaml and checkpoints/")
        self.recipe = read_recipe(folder / "resolved.yaml")
        self.checkpoint = _find_checkpoint(folder / "checkpoints", checkpoint)
        try:
            self.device = torch.device(device) if device else _default_device()
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError):  # torch knows no such device, or this machine has none
            raise GanzooError(f"--device is {device!r}; this machine has no such torch device (cpu is one)") from None
        progress = state.read_progress(self.checkpoint)
        self.channels: dict[str, int] = progress["channels"]
        self.step = int(progress["step"])
        self.method = build_method(self.recipe, self.channels)
        for name, slot in self.method.slots.items():
            if slot.kind == "discriminator":
                continue
            averaged = self.checkpoint / "average" / f"{name}.safetensors"
            plain = self.checkpoint / "networks" / f"{name}.safetensors"
            state.load_network(self.method.networks[name], averaged if averaged.is_file() else plain)
            self.method.networks[name].to(self.device).eval()
        for masker in self.method.masks.maskers.values():
            masker.to(self.device)

    @overload
    def translate(self, picture: Image.Image | str | PathLike[str], direction: Direction = "AB") -> Image.Image: ...
    @overload
    def translate(self, picture: Tensor, direction: Direction = "AB") -> Tensor: ...
    def translate(
        self, picture: Image.Image | str | PathLike[str] | Tensor, direction: Direction = "AB"
    ) -> Image.Image | Tensor:
        """Translate one picture, or a batch.

        Args:
            picture: a PIL picture or a path, which give a PIL picture; or a tensor (C, H, W) or (B, C, H, W) in
                [−1, 1], which gives a tensor of that form, on its device.
            direction: ``AB`` or ``BA``.
        """
        if direction not in self.method.directions:
            raise GanzooError(f"direction is {direction!r}; the method has: {', '.join(self.method.directions)}")
        if isinstance(picture, Tensor):
            batch = picture if picture.ndim == 4 else picture[None]
            made = self._run(batch, direction).to(picture.device)
            return made if picture.ndim == 4 else made[0]
        channels = self.channels[direction[0]]
        if isinstance(picture, Image.Image):
            pixels = self.translate_pixels(from_pil(picture, channels), direction)
        else:
            pixels = self.translate_pixels(read_picture(Path(picture), channels), direction)
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)

    def translate_pixels(self, pixels: np.ndarray, direction: Direction) -> np.ndarray:
        """Translate one picture, (H, W, C) uint8 to (H, W, C') uint8."""
        return to_uint8(self._run(to_float(pixels)[None], direction)[0])

    def _run(self, batch: Tensor, direction: Direction) -> Tensor:
        step = Step({}, seed=self.recipe.train.seed, index=-1, samples=range(len(batch)), training=False)
        with torch.no_grad():
            return self.method.translate(batch.to(self.device), direction, step).float().clamp(-1, 1)


def _default_device() -> torch.device:
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def _find_checkpoint(folder: Path, name: str) -> Path:
    for one in [name] if name else ["best", "last"]:
        found = state.find(folder / one)
        if found:
            return found
    there = sorted(one.name for one in folder.glob("*") if (one / state.PROGRESS).is_file())
    raise GanzooError(
        f"{folder}: there is no checkpoint {name or 'yet'}; there are: {', '.join(there) or 'none, train first'}"
    )


def plan(inputs: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Return (picture, where its translation goes) for files and folders, names and structure kept.

    A folder's contents go under ``out`` as they lie in it, a file directly into it. Two pictures that differ only in
    their ending keep it inside the name (``a.jpg.png``). Raises GanzooError when two would still share a name.
    """
    pairs: list[tuple[Path, Path]] = []
    for one in inputs:
        if one.is_dir():
            pairs += [(file, file.relative_to(one)) for file in find_pictures(one)]
        else:
            pairs.append((one, Path(one.name)))
    stems = [relative.with_suffix("") for _, relative in pairs]
    uses = Counter(stems)
    planned: dict[Path, Path] = {}
    for (source, relative), stem in zip(pairs, stems, strict=True):
        target = out / (f"{relative}.png" if uses[stem] > 1 else f"{stem}.png")
        if target in planned:
            raise GanzooError(f"{source} and {planned[target]} would both become {target}: translate them apart")
        if target.resolve() == source.resolve():
            raise GanzooError(f"{source} would be written over by its translation: choose another folder with -o")
        planned[target] = source
    return [(source, target) for target, source in planned.items()]


def translate_files(
    run: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    direction: Direction = "AB",
    checkpoint: str = "",
    size: int | None = None,
    device: str = "",
) -> None:
    """Translate files and folders. Raises GanzooError with a list at the end when some failed; the rest is done."""
    pairs = plan(inputs, out)
    if not pairs:
        raise GanzooError(f"there are no pictures in {', '.join(map(str, inputs))}")
    translator = Translator(run, checkpoint=checkpoint, device=device)
    console = Console()
    failed: list[str] = []
    for source, target in pairs:
        try:
            pixels = read_picture(source, translator.channels[direction[0]])
            if size:
                factor = size / min(pixels.shape[:2])
                shape = (round(pixels.shape[0] * factor), round(pixels.shape[1] * factor))
                pixels = resize(pixels, shape, Image.Resampling.BICUBIC)
            write_picture(translator.translate_pixels(pixels, direction), target)
        except GanzooError as error:
            failed.append(str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failed.append(f"{source}: too large for the memory; scale it down with --size")
    console.say(f"{len(pairs) - len(failed)} of {len(pairs)} pictures translated {direction}, into {out}")
    if failed:
        raise GanzooError("\n".join([*failed, f"{len(failed)} of {len(pairs)} pictures were not translated"]))
