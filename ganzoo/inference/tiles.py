"""Translate images by tiles where the whole does not fit into the memory; ``Translator`` uses it.

The result is that of the whole image, up to rounding: see ``tile_program.py`` for how.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.engine.precision import HALF, autocast
from ganzoo.errors import GanzooError, OutOfMemoryError, is_out_of_memory, one_line
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.roles import Roles, mask_name
from ganzoo.randomness import Draws
from ganzoo.step import Step
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.memory import free_memory, measure_tensors

if TYPE_CHECKING:
    import numpy as np

    from ganzoo.inference.tile_program import Program

Tile = int | Literal["auto", "none"]
"""How an image is translated: by tiles of so many pixels a side, as a whole (``none``), or, with ``auto``, by tiles if
the whole does not fit into the memory."""
AUTOMATIC = (2048, 1024, 512, 256, 128)
"""The sides of tiles from which ``auto`` selects, in pixels: the largest that fits."""
SMALLEST = 16
"""The smallest side of a tile, in pixels."""
ALWAYS_WHOLE = 2**19
"""Number of pixels up to which ``auto`` does not measure, but tries the whole image."""
PROBES = (64, 128)
"""Sides of the images with which the memory is measured, in pixels."""
CONTEXT = 64
"""Pixels around a tile that its memory is estimated with."""
SAFE = 0.8
"""The part of the free memory that an estimate may take."""


class Networks(Protocol):
    """What tiles need of a ``Translator``."""

    method: Method
    device: torch.device
    precision: str
    memory_format: torch.memory_format

    def translate_tensors(
        self, step: Step, images: Tensor, direction: Direction, mask: Tensor | None = None, style: Tensor | None = None
    ) -> Tensor:
        """Translate tensors in an existing step."""


@dataclass(frozen=True)
class Job:
    """An image to translate; only ``Tiler._whole`` takes several.

    Args:
        direction: the direction.
        image: (1, C, H, W) in [−1, 1], on the device.
        mask: (1, 1, H, W) in [0, 1], on the device, or None.
        style: (1, size), on the device, or None.
        step: a step with the random draws of the image, and tensors for its translation; it gets the masks used.
    """

    direction: Direction
    image: Tensor
    mask: Tensor | None
    style: Tensor | None
    step: Step

    @property
    def pixels(self) -> int:
        """The number of pixels of the image."""
        return self.image.shape[2] * self.image.shape[3]


class Tiler:
    """Translates single images by tiles for a translator.

    Args:
        translator: the translator.
    """

    def __init__(self, translator: Networks) -> None:
        self.translator = translator
        self.side = 0
        """The side of the tiles of the latest translation, in pixels; 0: the whole image was translated at once."""
        self._costs: dict[tuple[Direction, bool, Roles], tuple[float, float]] = {}
        self._traced: tuple[Any, Program, list[str]] | None = None

    def translate(
        self, step: Step, images: Tensor, direction: Direction, masks: Tensor | None, styles: Tensor | None, tile: Tile
    ) -> Tensor:
        """Translate images, and add what the method adds to their step: images, and the masks that were used.

        Args:
            step: a step with the random draws of the images, and tensors that the translation reads from it, if any.
            images: (B, C, H, W) in [−1, 1], on the device.
            direction: the direction.
            masks: (B, 1, H, W) in [0, 1], on the device, or None.
            styles: (B, size), on the device, or None.
            tile: whether by tiles, and which.

        Returns:
            The translations (B, C', H, W) in [−1, 1], float32.

        Raises:
            OutOfMemoryError: an image does not fit into the memory even by tiles.
            GanzooError: the tile is too small, or the network cannot be computed by tiles.
        """
        self.side = 0
        check_tile(tile)
        one_tile = isinstance(tile, int) and tile >= max(images.shape[2:])
        if tile == "none" or one_tile or (tile == "auto" and len(images) > 1):
            return self._whole(Job(direction, images, masks, styles, step))
        if len(images) == 1:
            return self._translate_one(Job(direction, images, masks, styles, step), tile)
        steps, translations = [], []
        for i, sample in enumerate(step.samples):
            prepared = {name: tensor[i : i + 1] for name, tensor in step.items()}
            steps.append(Step(prepared, seed=step.seed, index=step.index, samples=[sample], training=False))
            image, mask, style = (None if one is None else one[i : i + 1] for one in (images, masks, styles))
            assert image is not None
            translations.append(self._translate_one(Job(direction, image, mask, style, steps[-1]), tile))
        step.update({name: torch.cat([one[name] for one in steps]) for name in steps[0]})
        return torch.cat(translations)

    def _whole(self, job: Job) -> Tensor:
        """Translate whole images."""
        translator = self.translator
        with torch.no_grad(), autocast(translator.precision, translator.device):
            return translator.translate_tensors(job.step, job.image, job.direction, job.mask, job.style)

    def _translate_one(self, job: Job, tile: Tile) -> Tensor:
        """Translate an image by tiles of a side, or, with ``auto``, as a whole if that fits."""
        if isinstance(tile, int):
            return self._by_tiles(job, tile)
        if self._fits(job):
            try:
                return self._whole(job)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
        return self._by_largest_tiles(job)  # after the handler, as its error keeps the tensors in memory

    def _by_largest_tiles(self, job: Job) -> Tensor:
        """Translate an image by the largest tiles that fit."""
        program, _ = self._program(job)
        fixed, per_pixel = self._cost(job)
        free = free_memory(job.image.device)
        side = max(job.image.shape[2:])
        for tile in [one for one in AUTOMATIC if one < side] or [AUTOMATIC[-1]]:
            needed = program.planned_bytes + fixed + per_pixel * min((tile + 2 * CONTEXT) ** 2, job.pixels)
            if tile != AUTOMATIC[-1] and free and needed > SAFE * free:
                continue
            try:
                return self._by_tiles(job, tile)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
        raise OutOfMemoryError(
            f"an image of {job.image.shape[3]}×{job.image.shape[2]} pixels does not fit into the memory even by tiles "
            f"of {AUTOMATIC[-1]} pixels, which need {format_bytes(int(needed))}; make it smaller with --size"
        )

    def _fits(self, job: Job) -> bool:
        """Return whether the whole image is expected to fit into the memory."""
        free = free_memory(job.image.device) if job.pixels > ALWAYS_WHOLE else 0
        if not free:
            return True
        fixed, per_pixel = self._cost(job)
        return fixed + per_pixel * job.pixels <= SAFE * free

    def _cost(self, job: Job) -> tuple[float, float]:
        """Return the memory that translations of a direction need, in bytes: fixed, and for each pixel; measured."""
        key = (job.direction, job.mask is not None, self.translator.method.masks)
        if key not in self._costs:
            peaks = []
            for side in PROBES:
                image = torch.zeros(1, job.image.shape[1], side, side, device=job.image.device)
                image = image.contiguous(memory_format=self.translator.memory_format)
                mask = None if job.mask is None else image[:, :1].clamp(0, 1)

                resized = {name: _stretched(tensor, side) for name, tensor in job.step.items()}
                step = Step(resized, samples=(0,), training=False)
                probe = Job(job.direction, image, mask, job.style, step)
                peaks.append(measure_tensors(partial(self._whole, probe), job.image.device))
            small, large = (side**2 for side in PROBES)
            per_pixel = max(0.0, peaks[1] - peaks[0]) / (large - small)  # the first probe may need more, once
            self._costs[key] = (max(0.0, peaks[0] - per_pixel * small), per_pixel)
        return self._costs[key]

    def _autocast(self) -> torch.autocast:
        """Return the autocast context, without a cache: a trace must not leave its tensors there."""
        precision, device = self.translator.precision, self.translator.device
        return torch.autocast(device.type, HALF.get(precision), enabled=precision in HALF, cache_enabled=False)

    def _by_tiles(self, job: Job, tile: int) -> Tensor:
        """Translate an image by tiles of so many pixels; add the masks that were used to its step."""
        program, names = self._program(job)
        inputs = [one for one in (job.image, job.mask, job.style, *job.step.values()) if one is not None]
        try:
            with torch.autocast(job.image.device.type, enabled=False):  # the trace has its casts
                result, *masks = program.run(inputs, tile)
        except RuntimeError as error:  # a layer that rearranges maps: its parts have other shapes than the traced ones
            if is_out_of_memory(error):
                raise
            raise _refusal(error) from None
        self.side = tile
        job.step.update(zip(names, masks, strict=True))
        job.step[f"real_{job.direction[0]}"] = job.image
        if job.mask is not None:
            job.step[f"given_mask_{job.direction[0]}"] = job.mask
        return result

    def _program(self, job: Job) -> tuple[Program, list[str]]:
        """Return the traced translation, and the names of its further outputs: the masks that it computed.

        The latest trace is used again for an image of the same size, if it drew nothing at random.
        """
        from ganzoo.inference.tile_program import Program  # imports torch.export, which takes seconds

        masks = self.translator.method.masks
        key = (job.direction, job.image.shape, job.mask is None, job.style is None, tuple(job.step), masks)
        if self._traced and self._traced[0] == key:
            return self._traced[1:]
        self._traced = None
        if not self.translator.method.phases:  # it may optimize the image itself: a loop of many steps
            raise GanzooError(
                "a method without training cannot be computed by tiles; --tile none translates the whole image"
            )
        step = _WatchedStep(job.step)
        function = _Translation(self.translator, job.direction, step)
        inputs = (job.image, job.mask, job.style, list(job.step.values()))
        try:
            with torch.no_grad(), self._autocast(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exported = torch.export.export(function, inputs, strict=False).run_decompositions({})
                program = Program(exported)
        except GanzooError:
            raise
        except Exception as error:  # tracing errors of torch have no common class
            raise _refusal(error) from None
        if not step.drawn:
            self._traced = (key, program, step.masks)
        return program, step.masks


def check_tile(tile: object) -> None:
    """Raise GanzooError unless ``tile`` is a ``Tile`` that is large enough."""
    if tile not in ("auto", "none") and (not isinstance(tile, int) or isinstance(tile, bool) or tile < SMALLEST):
        raise GanzooError(f"--tile is {tile!r}; it must be at least {SMALLEST} pixels, auto or none")


def _refusal(error: Exception) -> GanzooError:
    """Return the error for a translation that cannot be computed by tiles, for torch's reason."""
    reason = one_line(error).partition(" For more information")[0]
    return GanzooError(
        f"the translation cannot be computed by tiles ({reason[:200]}); --tile none translates the whole image"
    )


def _stretched(tensor: Tensor, side: int) -> Tensor:
    """Return a mask in the size of a probe; other tensors, such as styles, as they are."""
    return F.interpolate(tensor, (side, side)) if tensor.ndim == 4 else tensor


class _Translation(nn.Module):
    """One direction of a translation as a module whose inputs and outputs are tensors, to be traced."""

    def __init__(self, translator: Networks, direction: Direction, step: _WatchedStep) -> None:
        super().__init__()
        method = translator.method
        used = [name for name, slot in method.slots.items() if slot.kind != "discriminator"]
        self.parts = nn.ModuleList([*(method.networks[name] for name in used), *method.masks.maskers.values()])
        self.translator, self.direction, self.step = translator, direction, step

    def forward(
        self, image: Tensor, mask: Tensor | None, style: Tensor | None, prepared: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Return the translation, and the masks that it used, whose names are then in ``step.masks``."""
        self.step.update(zip(self.step.prepared, prepared, strict=True))
        result = self.translator.translate_tensors(self.step, image, self.direction, mask, style)
        roles = self.translator.method.masks.maskers
        names = [mask_name(role, f"real_{self.direction[0]}") for role in roles]
        self.step.masks = [name for name in names if name in self.step]
        return (result, *(self.step[name] for name in self.step.masks))


class _WatchedStep(Step):
    """A copy of a step for a trace, which records whether something was drawn at random, and which masks were used."""

    def __init__(self, step: Step) -> None:
        super().__init__({}, seed=step.seed, index=step.index, samples=step.samples, training=False)
        self.prepared = list(step)
        self.drawn = False
        self.masks: list[str] = []

    def rng(self, purpose: str) -> Draws:
        """Return the random draws of each sample."""
        return _WatchedDraws(super().rng(purpose), self)

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Return one random generator for the whole batch."""
        self.drawn = True
        return super().common_rng(purpose)

    def torch_seeds(self, purpose: str) -> list[int]:
        """Return a seed for each sample."""
        self.drawn = True
        return super().torch_seeds(purpose)


class _WatchedDraws(Draws):
    """Draws that tell their step when they are used: maskers get draws whether they use them or not."""

    def __init__(self, draws: Draws, step: _WatchedStep) -> None:
        self._draws, self._step = draws, step

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        self._step.drawn = True
        return getattr(self._draws, name)
