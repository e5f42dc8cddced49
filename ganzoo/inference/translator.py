"""Load a trained run, and translate images and batches with it; ``ganzoo.load`` returns a ``Translator``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganzoo.build import Experiment
from ganzoo.contracts.blame import catch_component_errors
from ganzoo.contracts.method_results import check_translation
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.label_maps import mask_from_pil, read_mask
from ganzoo.engine.available import AvailableNetworks, missing_for
from ganzoo.engine.checkpoint_files import PROGRESS, read_unchanged, remedy, select_checkpoint
from ganzoo.engine.layout import memory_format
from ganzoo.engine.precision import autocast, resolve_precision, weights_cast_once
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.inference.inputs import check_images, check_kind, check_scaled, check_size, expand_mask
from ganzoo.inference.pages import Page, read_page
from ganzoo.inference.tiles import Tile, Tiler, check_tile
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES, Roles, given_name, mask_name, mask_role
from ganzoo.recipe.published import find_run
from ganzoo.recipe.run_recipe import read_run_recipe
from ganzoo.settings import Shape, pair
from ganzoo.step import Step
from ganzoo.utils.device import default_device
from ganzoo.utils.reading import guard_content

Size = int | Literal["trained", "original"]
"""The shorter side of an image when it is translated, in pixels."""
Prepare = Callable[[Step, Tensor], None]
"""Adds to a step what the translation of its images reads."""
TRANSLATED = "translated"
"""The name of the tensor in a step that is the translation."""


class Translator:
    """Translates images with the generators and maskers of a trained run.

    Args:
        run: the folder of a run, or of a published one; or a model on the hub, ``hf:USER/NAME@REVISION``.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: the torch device; by default the accelerator if there is one, else the CPU.
        precision: ``fp32``, ``bf16``, ``fp16``, which needs a GPU, or ``auto``: bf16 where it is faster.
        roles: the mask roles whose maskers are built; maskers in other roles need not be installed.

    Raises:
        GanzooError: the folder is not a run's, its recipe cannot be read or built here (for example because a plugin is
            missing), the checkpoint is missing or damaged, or there is no such device, or not with this precision.
    """

    def __init__(
        self,
        run: str | PathLike[str],
        *,
        checkpoint: str = "",
        device: str = "",
        precision: str = "fp32",
        roles: Sequence[str] = TRANSLATION_ROLES,
    ) -> None:
        self.folder = folder = find_run(run)
        self.recipe = read_run_recipe(folder, roles=roles, for_translation=True)
        try:
            self.device = torch.device(device) if device else default_device()
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError):  # torch does not know the device, or this machine lacks it
            raise GanzooError(
                f"--device is {device!r}; this machine has no such torch device (cpu always works)"
            ) from None
        self.precision = resolve_precision(precision, self.device, "--precision")
        self.memory_format = memory_format(self.device, self.recipe.images.size)
        self.tiler = Tiler(self)
        read_unchanged(lambda: select_checkpoint(folder, checkpoint), self._load)

    def _load(self, checkpoint: Path, progress: Mapping[str, Any]) -> None:
        """Build the method and load its networks from a checkpoint with this progress."""
        self.checkpoint = checkpoint
        method: type[Method] = self.recipe.method.component.load()
        read = "".join(method.directions)
        with guard_content(checkpoint / PROGRESS, "the channels of the method's domains", remedy(checkpoint)):
            self.channels: dict[str, int] = dict(progress["channels"])
            classes, ranges = progress.get("classes", {}), progress.get("ranges", {})
            scales = {one: tuple(between) for one, between in ranges.items()}
            self.domain_io = {
                one: DomainIO(self.channels[one], classes.get(one, 0), scales.get(one), self.recipe.images.filter)
                for one in sorted({*self.channels, *read})
            }
            """Reads and converts the images of each domain."""
        self.step = int(progress["step"])
        experiment = Experiment(self.recipe, channels=self.channels, trained=True)
        self.method, self.origins = experiment.method, experiment.origins
        needed = [name for name, slot in self.method.slots.items() if slot.kind != "discriminator"]
        networks, available = {name: self.method.networks[name] for name in needed}, AvailableNetworks()
        available.load(checkpoint, networks)
        for network in networks.values():
            network.to(self.device).to(memory_format=self.memory_format).eval()
        self.set_maskers(self.method.masks)
        self.missing: dict[Direction, str] = dict.fromkeys(self.method.directions, "")
        """Direction → the network that the checkpoint lacks for it; empty text if it has all."""
        if available.missing:
            self.missing = missing_for(self.method, self.channels, self.device)

    def set_maskers(self, masks: Roles) -> None:
        """Replace the method's maskers, and move the new ones to the device."""
        for masker in masks.maskers.values():
            masker.to(self.device).to(memory_format=self.memory_format)
        self.method.bind(self.method.networks, masks)

    def resolve_direction(self, direction: str | None) -> Direction:
        """Return ``direction``, or the method's first one for None.

        Raises GanzooError if the method lacks it, MissingResourceError if the checkpoint lacks a network for it.
        """
        for known, lacking in self.missing.items():
            if direction and direction != known:
                continue
            if not lacking:
                return known
            others = [one for one, missing in self.missing.items() if not missing]
            can = f"it can translate {', '.join(others)}: --direction {others[0]}" if others else "nor for another one"
            raise MissingResourceError(
                f"{self.checkpoint}: it lacks the network {lacking} for the direction {known}; {can}"
            )
        raise GanzooError(f"direction is {direction!r}; the method has: {', '.join(self.method.directions)}")

    @overload
    def translate(
        self,
        image: Image.Image | str | PathLike[str],
        direction: str | None = None,
        *,
        mask: Image.Image | str | PathLike[str] | Tensor | None = None,
        size: Size | None = None,
        scale_back: bool = False,
        alpha: bool = True,
        tile: Tile = "auto",
    ) -> Image.Image: ...
    @overload
    def translate(
        self, image: Tensor, direction: str | None = None, *, mask: Tensor | None = None, tile: Tile = "auto"
    ) -> Tensor: ...
    def translate(
        self,
        image: Image.Image | str | PathLike[str] | Tensor,
        direction: str | None = None,
        *,
        mask: Image.Image | str | PathLike[str] | Tensor | None = None,
        size: Size | None = None,
        scale_back: bool = False,
        alpha: bool = True,
        tile: Tile = "auto",
    ) -> Image.Image | Tensor:
        """Translate one image, or a batch of images as a tensor.

        Args:
            image: a PIL image or the path of an image, for which a PIL image is returned (a palette image if the
                target domain holds label maps); or a tensor (C, H, W) or (B, C, H, W) in [−1, 1], for which a tensor
                with the same number of axes is returned, on the same device. Tensors keep their size: give them at the
                scale of the training images.
            direction: ``AB``, ``BA`` or ``AA``; by default the method's first.
            mask: replaces the mask of the run's own masker: a grey or palette image as large as ``image``, its path,
                or a tensor (1, H, W) or (B, 1, H, W) in [0, 1]. The recipe's mask options are applied to it.
            size: the shorter side, in pixels, to which a PIL image or a file is scaled before the translation;
                ``trained``, the default, is the scale of the training images: their side; if they are oblong, the image
                just covers their height and width; if they were not scaled, as it is. ``original`` keeps its size.
            scale_back: scale the translation to the image's size.
            alpha: give the translation the transparency of the image, if it has some.
            tile: the side of the tiles by which an image is translated, in pixels; the result is the same but for
                rounding. ``auto``: by tiles only if the whole does not fit into the memory; ``none``: never. Afterwards
                ``self.tiler.side`` has the side.

        Raises:
            GanzooError: an argument is wrong, such as a tensor of other channels than the domain's; an image cannot be
                read, the mask does not fit, a mask is missing because the run's masks come from its data set, the
                network cannot be computed by tiles, or no image file has as many channels as the result.
            OutOfMemoryError: the image does not fit into the memory even by tiles.
        """
        check_tile(tile)
        if size is not None:
            check_size(size)
        resolved = self.resolve_direction(direction)
        check_kind("image", image, (Image.Image, Tensor))
        if mask is not None and not isinstance(mask, Tensor):
            check_kind("mask", mask, (Image.Image,))
            mask = mask_tensor(mask_from_pil(mask) if isinstance(mask, Image.Image) else read_mask(Path(mask)))
        if isinstance(image, Tensor):
            if size is not None or scale_back:
                raise GanzooError("size and scale_back are for images and files; scale tensors yourself")
            check_images(image, self.channels[resolved[0]], resolved[0])
            batch = (image if image.ndim == 4 else image[None]).float()
            translated = self.translate_step(batch, resolved, mask, tile=tile)[TRANSLATED].to(image.device)
            return translated if image.ndim == 4 else translated[0]
        source, target = (self.domain_io[domain] for domain in resolved)
        page = Page.of(image, source) if isinstance(image, Image.Image) else read_page(Path(image), source)
        batch, mask = self.scaled(page.pixels, resolved[0], mask, "trained" if size is None else size)
        translated = self.translate_step(batch, resolved, mask, tile=tile)[TRANSLATED][0]
        if scale_back:
            translated = self.scaled_back(translated, resolved[1], page.pixels.shape)
        result = target.image(translated)
        return page.with_alpha(result) if alpha else result

    def scaled(
        self, pixels: np.ndarray, domain: str, mask: Tensor | None = None, size: Size = "trained"
    ) -> tuple[Tensor, Tensor | None]:
        """Return an image as a batch at the scale of its translation, with its mask.

        Args:
            pixels: (H, W, C), as the ``domain_io`` of the image's domain reads them.
            domain: the image's domain.
            mask: (1, H, W) or (1, 1, H, W) in [0, 1].
            size: see ``translate``.

        Returns:
            (1, C, h, w) in [−1, 1], and the mask as (1, 1, h, w).

        Raises GanzooError for a mask of another size than the image, OutOfMemoryError for a size that cannot fit into
        the memory.
        """
        pixels, mask = self.scaled_pixels(pixels, domain, mask, size)
        return self.domain_io[domain].batch(pixels), mask

    def scaled_pixels(
        self, pixels: np.ndarray, domain: str, mask: Tensor | None = None, size: Size = "trained"
    ) -> tuple[np.ndarray, Tensor | None]:
        """Return what ``scaled`` does, but the image as pixels, (h, w, C), which take less memory than a tensor."""
        mask = None if mask is None else expand_mask(mask, torch.empty(1, 0, *pixels.shape[:2]))
        shape = scaled_shape(pixels.shape, self.trained_size if size == "trained" else size)
        if shape == pixels.shape[:2]:
            return pixels, mask
        check_scaled(shape, self.channels[domain])
        if mask is not None:
            mask = F.interpolate(mask, shape, mode="bilinear", antialias=True).clamp(0, 1)
        return self.domain_io[domain].resized(pixels, shape), mask

    @property
    def trained_size(self) -> int | Shape | Literal["original"]:
        """The scale of the training images, as ``scaled_shape`` takes it; ``original`` if they were not scaled."""
        return "original" if self.recipe.images.load_shape is None else self.recipe.images.size

    def scaled_back(self, translation: Tensor, domain: str, shape: Sequence[int]) -> Tensor:
        """Return a translation into ``domain``, (C, h, w), in the size of its source, whose ``shape`` is (H, W, …)."""
        size = (shape[0], shape[1])
        if self.domain_io[domain].classes:
            return F.interpolate(translation[None], size, mode="nearest-exact")[0]
        return F.interpolate(translation[None], size, mode="bicubic", antialias=True)[0].clamp(-1, 1)

    def translate_step(
        self,
        batch: Tensor,
        direction: Direction,
        mask: Tensor | None = None,
        *,
        sample: int | Sequence[int] = 0,
        style: Tensor | None = None,
        seed: int | None = None,
        draw: int = 0,
        prepare: Prepare | None = None,
        tile: Tile = "none",
    ) -> Step:
        """Translate a batch; return a step with the result (``TRANSLATED``, in [−1, 1]) and the masks that were used.

        Random draws depend only on ``seed``, ``draw`` and the sample's index.

        Args:
            batch: the images, (B, C, H, W) in [−1, 1], on any device.
            direction: one of the method's directions.
            mask: a mask for all images, (1, H, W), or one for each, (B, 1, H, W), in [0, 1].
            sample: the sample index of each image; or that of the first, if image i of the batch has the index
                ``sample`` + i.
            style: a style for all images, (1, size), or one for each, (B, size), instead of random styles.
            seed: the seed of the draws; by default the run's.
            draw: the number of the draw, 0, 1, …; each number gives other random draws.
            prepare: a function that adds to the step what the translation then reads from it, such as masks; it gets
                the step and the images on the device.
            tile: see ``translate``; by tiles, images are translated one by one, and batches of several only if a side
                is set.

        Raises:
            GanzooError: the mask has another shape or range, the run translates without a mask, or a mask is missing
                because the run's masks come from its data set.
        """
        samples = range(sample, sample + len(batch)) if isinstance(sample, int) else sample
        seed = self.recipe.train.seed if seed is None else seed
        step = Step({}, seed=seed, index=-1 - draw, samples=samples, training=False)
        styles = None if style is None else style.to(self.device).expand(len(batch), -1)
        planes = None if mask is None else expand_mask(mask, batch).to(self.device)
        images = batch.to(self.device).to(memory_format=self.memory_format)
        if prepare:
            with torch.no_grad(), autocast(self.precision, self.device):
                prepare(step, images)
        step[TRANSLATED] = self.tiler.translate(step, images, direction, planes, styles, tile)
        return step

    def translating(self) -> AbstractContextManager[None]:
        """Return a context for several translations: at a half precision, weights are cast once in it, not for each."""
        parts = [*self.method.networks.values(), *self.method.masks.maskers.values()]
        return weights_cast_once(parts, self.device)

    def translate_tensors(
        self, step: Step, images: Tensor, direction: Direction, mask: Tensor | None = None, style: Tensor | None = None
    ) -> Tensor:
        """Translate tensors in an existing step, without checks, so that the call can be traced.

        Args:
            step: the step with the random draws; the style and the mask are added to it.
            images: the images, (B, C, H, W) in [−1, 1].
            direction: one of the method's directions.
            mask: the masks, (B, 1, H, W) in [0, 1]; None: the run's maskers compute them.
            style: the styles, (B, size); None: random styles, if the method has styles.

        Returns:
            The translations (B, C', H, W) in [−1, 1], float32.

        Raises ComponentError if the method or one of its components fails, or returns anything but images.
        """
        if style is not None:
            step["style"] = style
        if mask is not None:
            role, masks = mask_role(self.method.masks), self.method.masks
            step[f"given_mask_{direction[0]}"] = mask  # maskers in other roles may read it
            step[mask_name(role, f"real_{direction[0]}")] = masks.transform_given(role, mask)
        with catch_component_errors(self.origins.values(), self.origins["method"], "translate"):
            translated = self.method.translate(images, direction, step)
        if not torch.compiler.is_compiling():  # a comparison would fix the sizes of an exported program
            check_translation(translated, images, direction, self.channels, self.origins["method"])
        return translated.float().clamp(-1, 1)

    def compute_masks(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the masks of a translated batch, role → (B, K, H, W) in [0, 1]; compute those that the step lacks.

        A role that also masks generated images has a second entry, ``{role}_translated``. A role whose masker reads the
        data set's masks, or its labels, is left out if the user did not provide them.

        Args:
            step: the step that ``translate_step`` returned; computed masks are added to it.
            direction: the direction of the translation.
        """
        source = f"real_{direction[0]}"
        computed = {}
        with torch.no_grad(), autocast(self.precision, self.device):
            masks = self.method.masks
            for role in masks.maskers:
                if "given" not in masks.needs(role) or given_name(masks, role, direction[0]) in step:
                    computed[role] = masks.mask(role, step, source)
            for role in [role for role in computed if ROLES[role].masks_generated]:
                target = self.method.translated(direction)
                step[target] = step[TRANSLATED]
                computed[f"{role}_translated"] = masks.mask(role, step, target)
        return computed


def scaled_shape(shape: Sequence[int], size: int | Shape | Literal["original"]) -> Shape:
    """Return height and width of an image, (H, W, …), after its shorter side is scaled to ``size`` pixels.

    With a height and a width, it is scaled until it just covers both, so that no side is shorter.

    >>> scaled_shape((300, 400, 3), 150), scaled_shape((300, 400, 3), "original")
    ((150, 200), (300, 400))
    >>> scaled_shape((300, 400, 3), (150, 100)), scaled_shape((300, 400, 3), (150, 300))
    ((150, 200), (225, 300))
    """
    height, width = shape[0], shape[1]
    wanted = (height, width) if size == "original" else pair(size)
    factor = max(wanted[0] / height, wanted[1] / width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def mask_tensor(plane: np.ndarray) -> Tensor:
    """Return a mask, (H, W) uint8, as a tensor (1, H, W) in [0, 1]."""
    return torch.from_numpy(plane.copy())[None] / 255
