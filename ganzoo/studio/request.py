"""What a user asks for on the page: as options of ``translate_with``, and as the command that gives the same files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError


@dataclass(frozen=True)
class TranslationRequest:
    """One translation of some images, as ``ganzoo translate`` takes it.

    Args:
        run: the run's folder.
        inputs: the images.
        checkpoint: the checkpoint; empty: best or last.
        direction: ``AB`` or ``BA``; empty: the method's first.
        size: ``trained``, ``original`` or the shorter side in pixels.
        scale_back: whether translations get the sizes of their images.
        tile: ``auto``, ``none`` or the side of tiles in pixels.
        form: the format of the translations; empty: the usual one.
        masks: mask images; each image is translated with each.
        maskers: maskers, written as in a recipe; likewise.
        styles: styles: ``random``, paths of images, or numbers.
        samples: number of draws of each random style.
        between: number of styles on the line between two; 0: none.
        seed: the seed of random draws; None: the run's.
        precision: the precision of the studio's translations, for the command.
        device: the studio's torch device, likewise; empty: the accelerator, if there is one.
    """

    run: Path
    inputs: Sequence[Path]
    checkpoint: str = ""
    direction: str = ""
    size: str = "trained"
    scale_back: bool = False
    tile: str = "auto"
    form: str = ""
    masks: Sequence[Path] = ()
    maskers: Sequence[str] = ()
    styles: Sequence[str] = ()
    samples: int = 1
    between: int = 0
    seed: int | None = None
    precision: str = "fp32"
    device: str = ""

    def options(self) -> dict[str, Any]:
        """Return the options for ``translate_with``. Raises GanzooError if a size is no number."""
        return {
            "direction": self.direction or None,
            "size": _pixels(self.size, "size", ("trained", "original")),
            "scale_back": self.scale_back,
            "tile": _pixels(self.tile, "tiles", ("auto", "none")),
            "form": self.form,
            "masks": self.masks,
            "maskers": self.maskers,
            "style": self.styles,
            "samples": self.samples,
            "interpolate": self.between,
            "seed": self.seed,
        }

    def command(self) -> str:
        """Return the command that writes the same files, for a shell; images are named by their names alone."""
        names = [f"./{path.name}" if path.name.startswith("-") else path.name for path in self.inputs]
        words = ["ganzoo", "translate", str(self.run), *names, "-o", "translated"]
        chosen: list[tuple[str, Any]] = [
            ("--checkpoint", self.checkpoint),
            ("--direction", self.direction),
            ("--size", self.size if self.size != "trained" else ""),
            ("--tile", self.tile if self.tile != "auto" else ""),
            ("--format", self.form),
            *(("--mask", path.name) for path in self.masks),
            *(("--masker", text) for text in self.maskers),
            *(("--style", Path(text).name if Path(text).is_absolute() else text) for text in self.styles),
            ("--samples", self.samples if self.samples > 1 else ""),
            ("--interpolate", self.between or ""),
            ("--seed", "" if self.seed is None else self.seed),
            ("--precision", self.precision if self.precision != "fp32" else ""),
            ("--device", self.device),
        ]
        for name, value in chosen:
            if value != "":
                text = str(value)
                words += [f"{name}={text}"] if text.startswith("-") else [name, text]
        return shlex.join([*words, *(["--scale-back"] if self.scale_back else [])])


def _pixels(text: str, what: str, words: tuple[str, str]) -> int | str:
    """Return a number of pixels, or one of two words. Raises GanzooError for other texts."""
    text = text.strip() or words[0]
    if text in words:
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise GanzooError(f"{what}: {text!r} is not a number of pixels, {words[0]} or {words[1]}")
