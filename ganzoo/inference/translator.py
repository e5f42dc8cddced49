"""Load a trained run and translate images of any size with it; ``ganzoo.load`` returns its ``Translator``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import torch
from PIL import Image
from torch import Tensor

from ganzoo.build import Experiment
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.label_maps import mask_from_pil, read_mask
from ganzoo.engine.checkpoint import load_network
from ganzoo.engine.checkpoint_files import PROGRESS, network_file, read_unchanged, remedy, select_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES, Roles, mask_name, mask_role
from ganzoo.recipe.run_recipe import read_run_recipe
from ganzoo.step import Step
from ganzoo.utils.device import default_device
from ganzoo.utils.reading import guard_content

TRANSLATED = "translated"
"""Name of the tensor that holds the translation in a step."""


class Translator:
    """Translates images with the generators and maskers of a trained run.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: a torch device; by default the accelerator, if there is one.
        roles: mask roles whose maskers are built; maskers in other roles need not be installed.

    Raises:
        GanzooError: the folder is not a run's, the checkpoint is missing or damaged, or there is no such device.
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
        self.recipe = read_run_recipe(folder, roles=roles)
        try:
            self.device = torch.device(device) if device else default_device()
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError):  # torch does not know the device, or this machine lacks it
            raise GanzooError(
                f"--device is {device!r}; this machine has no such torch device (cpu always works)"
            ) from None
        read_unchanged(lambda: select_checkpoint(folder, checkpoint), self._load)

    def _load(self, checkpoint: Path, progress: Mapping[str, Any]) -> None:
        """Build the method and load its networks from a checkpoint with this progress."""
        self.checkpoint = checkpoint
        method: type[Method] = self.recipe.method.component.load()
        classes, read = progress.get("classes", {}), "".join(method.directions)
        with guard_content(checkpoint / PROGRESS, "the channels of the method's domains", remedy(checkpoint)):
            self.channels: dict[str, int] = dict(progress["channels"])
            domains = sorted({*self.channels, *read})
            self.domain_io = {one: DomainIO(self.channels[one], classes.get(one, 0)) for one in domains}
        self.step = int(progress["step"])
        self.method = Experiment(self.recipe, channels=self.channels).method
        for name, slot in self.method.slots.items():
            if slot.kind == "discriminator":
                continue
            load_network(self.method.networks[name], network_file(checkpoint, name))
            self.method.networks[name].to(self.device).eval()
        self.set_maskers(self.method.masks)

    def set_maskers(self, masks: Roles) -> None:
        """Replace the method's maskers, and move the new ones to the device."""
        for masker in masks.maskers.values():
            masker.to(self.device)
        self.method.bind(self.method.networks, masks)

    def resolve_direction(self, direction: str | None) -> Direction:
        """Return ``direction``, or the method's first one for None. Raises GanzooError if the method lacks it."""
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
        """Translate one image, or a batch of tensors.

        Args:
            image: a PIL image or the path of an image, for which a PIL image is returned (a palette image if the
                target domain holds label maps); or a tensor (C, H, W) or (B, C, H, W) in [−1, 1], for which a tensor
                with the same number of axes is returned, on the same device.
            direction: ``AB``, ``BA`` or ``AA``; by default the method's first.
            mask: replaces the mask of the run's own masker: a grey or palette image as large as ``image``, its path,
                or a tensor (1, H, W) or (B, 1, H, W) in [0, 1]. The recipe's mask options are applied to it.

        Raises:
            GanzooError: an image cannot be read, the direction is unknown, or the mask does not fit.
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
        """Translate a batch; return the step with the result (``TRANSLATED``, in [−1, 1]) and the masks used.

        Random draws depend on ``seed``, ``draw`` and the sample index alone.

        Args:
            batch: (B, C, H, W) in [−1, 1].
            direction: one of the method's directions.
            mask: (1, H, W) or (B, 1, H, W) in [0, 1].
            sample: sample index of the first image; image i of the batch has the index ``sample`` + i.
            style: (1, size) or (B, size), instead of a random style, for methods with styles.
            seed: seed of the draws; by default the run's.
            draw: 0, 1, …: each value gives other draws.

        Raises:
            GanzooError: the mask has another shape or range, or the method reads no mask.
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
            step: provides random draws; receives the style and the mask.
            images: (B, C, H, W) in [−1, 1].
            direction: one of the method's directions.
            mask: (B, 1, H, W) in [0, 1].
            style: (B, size).

        Returns:
            The translations (B, C, H, W) in [−1, 1], float32.
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
        """Return the masks of a translated batch: role → (B, K, H, W) in [0, 1].

        A role that also masks generated images has a second entry, ``{role}_translated``. A role whose masker returns
        the data set's masks is omitted if the user provided no mask.

        Args:
            step: as ``translate_step`` returns it.
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
