"""Use a trained run: images in, images out, at any size, all of them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import overload

import torch
from PIL import Image
from torch import Tensor

from ganzoo.build import Experiment
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.label_maps import mask_from_pil, read_mask
from ganzoo.engine.checkpoint import load_network, network_file, read_progress, select_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Direction
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES, Roles, mask_name, mask_role
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from ganzoo.utils.device import default_device

TRANSLATED = "translated"
"""The name of a translation in its step."""


class Translator:
    """A trained run's generators.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: a torch device; by default the accelerator, if there is one.
        roles: the maskers that are wanted; those of the others need not be there.
    """

    def __init__(
        self,
        run: str | PathLike[str],
        *,
        checkpoint: str = "",
        device: str = "",
        roles: Sequence[str] = TRANSLATION_ROLES,
    ) -> None:
        folder = Path(run)
        if not (folder / "resolved.yaml").is_file():
            raise GanzooError(f"{folder}: not a run's folder; it would hold resolved.yaml and checkpoints/")
        self.recipe = read_recipe(folder / "resolved.yaml", roles=roles)
        self.checkpoint = select_checkpoint(folder, checkpoint)
        try:
            self.device = torch.device(device) if device else default_device()
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError):  # torch knows no such device, or this machine has none
            raise GanzooError(f"--device is {device!r}; this machine has no such torch device (cpu is one)") from None
        progress = read_progress(self.checkpoint)
        self.channels: dict[str, int] = progress["channels"]
        classes = progress.get("classes", {})
        self.forms = {domain: DomainIO(many, classes.get(domain, 0)) for domain, many in self.channels.items()}
        self.step = int(progress["step"])
        self.method = Experiment(self.recipe, channels=self.channels).method
        for name, slot in self.method.slots.items():
            if slot.kind == "discriminator":
                continue
            load_network(self.method.networks[name], network_file(self.checkpoint, name))
            self.method.networks[name].to(self.device).eval()
        self.set_maskers(self.method.masks)

    def set_maskers(self, masks: Roles) -> None:
        """Put other maskers in the method's hands."""
        for masker in masks.maskers.values():
            masker.to(self.device)
        self.method.bind(self.method.networks, masks)

    def way(self, direction: str | None) -> Direction:
        """Return a direction of the method, its first one by default. Raises GanzooError for another."""
        found = next((one for one in self.method.directions if one == (direction or one)), None)
        if found is None:
            raise GanzooError(f"direction is {direction!r}; the method has: {', '.join(self.method.directions)}")
        return found

    @overload
    def translate(
        self,
        image: Image.Image | str | PathLike[str],
        direction: str | None = None,
        *,
        mask: Image.Image | str | PathLike[str] | Tensor | None = None,
    ) -> Image.Image: ...
    @overload
    def translate(self, image: Tensor, direction: str | None = None, *, mask: Tensor | None = None) -> Tensor: ...
    def translate(
        self,
        image: Image.Image | str | PathLike[str] | Tensor,
        direction: str | None = None,
        *,
        mask: Image.Image | str | PathLike[str] | Tensor | None = None,
    ) -> Image.Image | Tensor:
        """Translate one image, or a batch.

        Args:
            image: a PIL image or a path, which give a PIL image, of a domain of label maps one with a palette; or
                a tensor (C, H, W) or (B, C, H, W) in [−1, 1], which gives a tensor of that form, on its device.
            direction: ``AB`` or ``BA``; by default the method's first.
            mask: in place of what the run's own masker makes: an image of the same size, grey or of palette classes,
                its path, or a tensor (1, H, W) or (B, 1, H, W) in [0, 1]. What the recipe does to masks follows.
        """
        way = self.way(direction)
        if mask is not None and not isinstance(mask, Tensor):
            read = mask_from_pil(mask) if isinstance(mask, Image.Image) else read_mask(Path(mask))
            mask = torch.from_numpy(read.copy())[None] / 255
        if isinstance(image, Tensor):
            batch = image if image.ndim == 4 else image[None]
            made = self.step_of(batch, way, mask)[TRANSLATED].to(image.device)
            return made if image.ndim == 4 else made[0]
        source, target = (self.forms[domain] for domain in way)
        pixels = source.read(image if isinstance(image, Image.Image) else Path(image))
        return target.image(self.step_of(source.batch(pixels), way, mask)[TRANSLATED][0])

    def step_of(
        self,
        batch: Tensor,
        direction: Direction,
        mask: Tensor | None = None,
        *,
        sample: int = 0,
        style: Tensor | None = None,
        seed: int | None = None,
        draw: int = 0,
    ) -> Step:
        """Return the step in which a batch was translated: the result in [−1, 1], and the masks that were used.

        Args:
            batch: (B, C, H, W) in [−1, 1].
            direction: one of the method's.
            mask: (1, H, W) or (B, 1, H, W) in [0, 1].
            sample: keys the draws of the first image; the others' follow.
            style: (B or 1, numbers), in place of a drawn one, for methods that have styles.
            seed: keys the draws too; by default the run's.
            draw: likewise: 0, 1, … give other draws.
        """
        samples, seed = range(sample, sample + len(batch)), self.recipe.train.seed if seed is None else seed
        step = Step({}, seed=seed, index=-1 - draw, samples=samples, training=False)
        styles = None if style is None else style.to(self.device).expand(len(batch), -1)
        planes = None if mask is None else _planes(mask, batch).to(self.device)
        with torch.no_grad():
            step[TRANSLATED] = self.translate_in(step, batch.to(self.device), direction, planes, styles)
        return step

    def translate_in(
        self, step: Step, images: Tensor, direction: Direction, mask: Tensor | None = None, style: Tensor | None = None
    ) -> Tensor:
        """Translate (B, C, H, W) within a step; the mask is (B, 1, H, W), the style (B, numbers); no size is looked at.

        Returns images in [−1, 1], float32.
        """
        if style is not None:
            step["style"] = style
        if mask is not None:
            role, masks = mask_role(self.method.masks), self.method.masks
            step[f"given_mask_{direction[0]}"] = mask  # for other roles, whose masker may read it
            step[mask_name(role, f"real_{direction[0]}")] = (
                masks.transforms[role](mask) if role in masks.transforms else mask
            )
        return self.method.translate(images, direction, step).float().clamp(-1, 1)

    def masks_of(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the masks of a translated batch: role → (B, K, H, W).

        A role that masks generated images too has a second one, ``{role}_translated``.

        A role is left out when its masker hands on what a data set gives, and no mask was given.
        """
        source = f"real_{direction[0]}"
        found = {}
        with torch.no_grad():
            for role in self.method.masks.maskers:
                if f"given_mask_{direction[0]}" in step or "given" not in self.method.masks.needs(role):
                    found[role] = self.method.masks.mask(role, step, source)
            for role in [one for one in found if ROLES[one].masks_generated]:
                target = self.method.translated(direction)
                step[target] = step[TRANSLATED]
                found[f"{role}_translated"] = self.method.masks.mask(role, step, target)
        return found


def _planes(mask: Tensor, batch: Tensor) -> Tensor:
    """Return a mask for each image of a batch, (B, 1, H, W). Raises GanzooError for any other shape or range."""
    planes = mask[None] if mask.ndim == 3 else mask
    if planes.ndim != 4 or planes.shape[1] != 1 or len(planes) not in (1, len(batch)):
        raise GanzooError(f"mask has the shape {tuple(mask.shape)}; it is (1, H, W), or (B, 1, H, W) as the images")
    if planes.shape[-2:] != batch.shape[-2:]:
        raise GanzooError(f"mask is {_size(planes)}, the image {_size(batch)}; make them the same size")
    if not planes.is_floating_point() or planes.min() < 0 or planes.max() > 1:
        raise GanzooError("mask is a tensor of floats in [0, 1]: divide uint8 by 255")
    return planes.expand(len(batch), -1, -1, -1)


def _size(planes: Tensor) -> str:
    return f"{planes.shape[-1]}×{planes.shape[-2]}"
