"""Load a trained run, and translate images and batches with it; ``ganzoo.load`` returns a ``Translator``."""

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
"""The name of the tensor in a step that is the translation."""


class Translator:
    """Translates images with the generators and maskers of a trained run.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: the torch device; by default the accelerator if there is one, else the CPU.
        roles: the mask roles whose maskers are built; maskers in other roles need not be installed.

    Raises:
        GanzooError: the folder is not a run's, its recipe cannot be read or built here (for example because a plugin is
            missing), the checkpoint is missing or damaged, or there is no such device.
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
            raise GanzooError(f"{folder}: not a run's folder: it contains no resolved.yaml")
        self.recipe = read_recipe(folder / "resolved.yaml", roles=roles)
        self.checkpoint = select_checkpoint(folder, checkpoint)
        try:
            self.device = torch.device(device) if device else default_device()
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError):  # torch does not know the device, or this machine lacks it
            raise GanzooError(
                f"--device is {device!r}; this machine has no such torch device (cpu always works)"
            ) from None
        progress = read_progress(self.checkpoint)
        self.channels: dict[str, int] = progress["channels"]
        classes = progress.get("classes", {})
        self.domain_io = {domain: DomainIO(count, classes.get(domain, 0)) for domain, count in self.channels.items()}
        self.step = int(progress["step"])
        self.method = Experiment(self.recipe, channels=self.channels).method
        for name, slot in self.method.slots.items():
            if slot.kind == "discriminator":
                continue
            load_network(self.method.networks[name], network_file(self.checkpoint, name))
            self.method.networks[name].to(self.device).eval()
        self.set_maskers(self.method.masks)

    def set_maskers(self, masks: Roles) -> None:
        """Replace the method's maskers, and move the new ones to the device."""
        for masker in masks.maskers.values():
            masker.to(self.device)
        self.method.bind(self.method.networks, masks)

    def resolve_direction(self, direction: str | None) -> Direction:
        """Return ``direction``, or the method's first one if it is None. Raises GanzooError if the method lacks it."""
        for known in self.method.directions:
            if not direction or direction == known:
                return known
        raise GanzooError(f"direction is {direction!r}; the method has: {', '.join(self.method.directions)}")

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
        """Translate one image, or a batch of images as a tensor.

        Args:
            image: a PIL image, the path of an image, or a tensor (C, H, W) or (B, C, H, W) in [−1, 1].
            direction: ``AB``, ``BA`` or ``AA``; by default the method's first.
            mask: a mask that replaces that of the run's own masker: a grey or palette image as large as ``image``, its
                path, or a tensor (1, H, W) or (B, 1, H, W) in [0, 1]. The recipe's mask options are applied to it.

        Returns:
            For a PIL image or a path, a PIL image (a palette image if the target domain has label maps). For a tensor,
            a tensor in [−1, 1] with the same number of axes, on the same device.

        Raises:
            GanzooError: an image cannot be read, the direction is unknown, the mask does not fit, a mask is missing
                because the run's masks come from its data set, or no image file has as many channels as the result.
        """
        resolved = self.resolve_direction(direction)
        if mask is not None and not isinstance(mask, Tensor):
            plane = mask_from_pil(mask) if isinstance(mask, Image.Image) else read_mask(Path(mask))
            mask = torch.from_numpy(plane.copy())[None] / 255
        if isinstance(image, Tensor):
            batch = image if image.ndim == 4 else image[None]
            translated = self.translate_step(batch, resolved, mask)[TRANSLATED].to(image.device)
            return translated if image.ndim == 4 else translated[0]
        source, target = (self.domain_io[domain] for domain in resolved)
        pixels = source.read(image if isinstance(image, Image.Image) else Path(image))
        return target.image(self.translate_step(source.batch(pixels), resolved, mask)[TRANSLATED][0])

    def translate_step(
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
        """Translate a batch; return a step with the result (``TRANSLATED``, in [−1, 1]) and the masks that were used.

        Random draws depend only on ``seed``, ``draw`` and the sample's index.

        Args:
            batch: the images, (B, C, H, W) in [−1, 1], on any device.
            direction: one of the method's directions.
            mask: a mask for all images, (1, H, W), or one for each, (B, 1, H, W), in [0, 1].
            sample: the sample index of the first image; image i of the batch has the index ``sample`` + i.
            style: a style for all images, (1, size), or one for each, (B, size), instead of random styles.
            seed: the seed of the draws; by default the run's.
            draw: the number of the draw, 0, 1, …; each number gives other random draws.

        Raises:
            GanzooError: the mask has another shape or range, the run translates without a mask, or a mask is missing
                because the run's masks come from its data set.
        """
        samples, seed = range(sample, sample + len(batch)), self.recipe.train.seed if seed is None else seed
        step = Step({}, seed=seed, index=-1 - draw, samples=samples, training=False)
        styles = None if style is None else style.to(self.device).expand(len(batch), -1)
        planes = None if mask is None else _expand_mask(mask, batch).to(self.device)
        with torch.no_grad():
            step[TRANSLATED] = self.translate_tensors(step, batch.to(self.device), direction, planes, styles)
        return step

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
        """
        if style is not None:
            step["style"] = style
        if mask is not None:
            role, masks = mask_role(self.method.masks), self.method.masks
            step[f"given_mask_{direction[0]}"] = mask  # maskers in other roles may read it
            step[mask_name(role, f"real_{direction[0]}")] = (
                masks.transforms[role](mask) if role in masks.transforms else mask
            )
        return self.method.translate(images, direction, step).float().clamp(-1, 1)

    def compute_masks(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the masks of a translated batch, role → (B, K, H, W) in [0, 1]; compute those that the step lacks.

        A role that also masks generated images has a second entry, ``{role}_translated``. A role whose masker reads the
        data set's masks is left out if the user provided no mask.

        Args:
            step: the step that ``translate_step`` returned; computed masks are added to it.
            direction: the direction of the translation.
        """
        source = f"real_{direction[0]}"
        computed = {}
        with torch.no_grad():
            for role in self.method.masks.maskers:
                if f"given_mask_{direction[0]}" in step or "given" not in self.method.masks.needs(role):
                    computed[role] = self.method.masks.mask(role, step, source)
            for role in [role for role in computed if ROLES[role].masks_generated]:
                target = self.method.translated(direction)
                step[target] = step[TRANSLATED]
                computed[f"{role}_translated"] = self.method.masks.mask(role, step, target)
        return computed


def _expand_mask(mask: Tensor, batch: Tensor) -> Tensor:
    """Return a mask for each image of a batch, (B, 1, H, W). Raises GanzooError for a wrong shape or range."""
    planes = mask[None] if mask.ndim == 3 else mask
    if planes.ndim != 4 or planes.shape[1] != 1 or len(planes) not in (1, len(batch)):
        raise GanzooError(
            f"mask has the shape {tuple(mask.shape)}; it must have (1, H, W), or (B, 1, H, W) for B images"
        )
    if planes.shape[-2:] != batch.shape[-2:]:
        raise GanzooError(f"mask is {_format_size(planes)}, the image {_format_size(batch)}; make them the same size")
    if not planes.is_floating_point() or planes.min() < 0 or planes.max() > 1:
        raise GanzooError("mask must be a tensor of floats in [0, 1]; divide uint8 values by 255")
    return planes.expand(len(batch), -1, -1, -1)


def _format_size(planes: Tensor) -> str:
    return f"{planes.shape[-1]}×{planes.shape[-2]}"
