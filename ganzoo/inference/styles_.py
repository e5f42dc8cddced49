"""Styles that a user gives to translate with: drawn ones, those of pictures, numbers, and what lies between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.image_io import SUFFIXES
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction
from ganzoo.randomness import Draws, keyed

RANDOM = "random"


@dataclass(frozen=True)
class Style:
    """One style for all pictures.

    Args:
        label: names the folder of its translations, where there are several.
        numbers: the style, (1, size); None: each picture's own draw.
        draw: which of a picture's draws.
    """

    label: str = ""
    numbers: Tensor | None = None
    draw: int = 0


def styles(
    translator: Translator,
    direction: Direction,
    texts: Sequence[str] = (),
    *,
    samples: int = 1,
    between: int = 0,
    seed: int = 0,
) -> list[Style]:
    """Return the styles that ``--style``, ``--samples`` and ``--interpolate`` ask for; one drawn style by default.

    Args:
        translator: whose method encodes pictures to styles.
        direction: the styles are those of its target.
        texts: ``random``, a picture of the target domain, or numbers: ``0.3,-1,…``.
        samples: how many draws of each ``random``.
        between: how many styles on the straight line from the first of two to the second, both included; 0: none.
        seed: of what is drawn.

    Raises GanzooError for what is no style, for two lines' worth of ends, and where the method has no styles.
    """
    size = translator.method.style_size(direction[1])
    if not size:
        if texts or samples > 1 or between:
            name = translator.recipe.method.component.name
            raise GanzooError(
                f"--style: {name!r} makes one translation of each picture; munit and drit make many, by style"
            )
        return [Style()]
    if between:
        if len(texts) != 2 or between < 2 or samples > 1:
            raise GanzooError(
                "--interpolate: it takes two styles, 2 steps or more, and no --samples: --style A --style B"
            )
        first, last = (_numbers(translator, direction, text, size, [seed, end]) for end, text in enumerate(texts))
        shares = [i / (between - 1) for i in range(between)]
        return [Style(f"{i}", torch.lerp(first, last, share)) for i, share in enumerate(shares, 1)]
    texts = texts or [RANDOM]
    if samples > 1 and RANDOM not in texts:
        raise GanzooError("--samples: only random styles are drawn more than once: --style random")
    found: list[Style] = []
    draws = count()
    for text in texts:
        if text == RANDOM:
            found += [Style(RANDOM, draw=next(draws)) for _ in range(samples)]
        else:
            label = Path(text).stem if _is_picture(text) else "numbers"
            found.append(Style(label, _numbers(translator, direction, text, size, [seed])))
    several = len(found) > 1
    return [replace(one, label=f"{i}-{one.label}" if several else "") for i, one in enumerate(found, 1)]


def _is_picture(text: str) -> bool:
    return Path(text).suffix.lower() in SUFFIXES


def _numbers(translator: Translator, direction: Direction, text: str, size: int, key: Sequence[int]) -> Tensor:
    """Return the numbers of a style, (1, size)."""
    if text == RANDOM:
        with torch.no_grad():
            return translator.method.draw_style(direction[1], Draws([keyed(*key, "style")])).cpu()
    if _is_picture(text):
        form = translator.forms[direction[1]]
        with torch.no_grad():
            return translator.method.style_of(
                form.batch(form.read(Path(text))).to(translator.device), direction[1]
            ).cpu()
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        raise GanzooError(f"--style: {text!r} is not 'random', a picture, or numbers: 0.3,-1,…") from None
    if not all(map(isfinite, numbers)):
        raise GanzooError(f"--style: {text!r}: every number of a style is finite")
    if len(numbers) != size:
        raise GanzooError(f"--style: {len(numbers)} numbers, and a style of domain {direction[1]} has {size}")
    return torch.tensor([numbers])
