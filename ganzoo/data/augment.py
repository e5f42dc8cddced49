"""Bring a batch to the device and vary it there, whole batches at a time, masks and label maps alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.data.loading import OTHER, Batch
from ganzoo.settings import ImageSettings
from ganzoo.step import Step


def tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """Return the batch on the device: pictures in [−1, 1], masks (B, 1, H, W) in [0, 1], labels (B, 1, H, W) int64."""
    found: dict[str, Tensor] = {}
    for name, array in batch.planes.items():
        plane = torch.from_numpy(array)
        if device.type == "cuda":
            plane = plane.pin_memory().to(device, non_blocking=True)
        if name.startswith("given_labels"):
            found[name] = plane[:, None].long()
        elif name.startswith("given_mask"):
            found[name] = plane[:, None].float() / 255
        elif name[-1] in batch.classes:
            found[name] = one_hot(plane[..., 0].long(), batch.classes[name[-1]])
        else:
            found[name] = plane.permute(0, 3, 1, 2).float() / 127.5 - 1
    for name, array in batch.values.items():
        found[name] = torch.from_numpy(array).to(device)
    return found


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return label maps (B, H, W) int64 as networks see them: (B, classes, H, W), 1 in a pixel's class, else −1."""
    return F.one_hot(labels, classes).movedim(-1, 1).float() * 2 - 1


def micro_steps(
    batches: Sequence[Batch], device: torch.device, images: ImageSettings, paired: bool, **about: Any
) -> list[Step]:
    """Return the steps of micro-batches, on the device and varied there; ``about`` tells their place in the run."""
    micros = [make_step(batch, device, **about) for batch in batches]
    for micro in micros:
        augment(micro, images, paired)
    return micros


def augment(step: Step, images: ImageSettings, paired: bool) -> None:
    """Flip, rotate and recolour the step's pictures in place; paired domains are treated alike.

    A picture's mask, label map and target take the same flip and rotation; colour changes only pictures.
    """
    for domain, other in OTHER.items():
        if f"real_{domain}" not in step:
            continue
        key = "" if paired else f"/{domain}"
        names = [f"real_{domain}", f"true_{other}", f"given_mask_{domain}", f"given_labels_{domain}"]
        planes = [name for name in names if name in step]
        if images.flip:
            flags = (step.rng(f"flip{key}").uniform() < 0.5).to(step[names[0]].device)
            for name in planes:
                step[name] = torch.where(flags[:, None, None, None], step[name].flip(-1), step[name])
        if images.rotate:
            angles = step.rng(f"rotate{key}").uniform(low=-images.rotate, high=images.rotate)
            for name in planes:
                step[name] = _rotate(step[name], angles, exactly=name[-1] in step.classes)
        if images.color:
            factors = step.rng(f"color{key}").uniform(3, low=1 - images.color, high=1 + images.color)
            for name in planes[: 1 + (names[1] in step)]:
                if name[-1] not in step.classes:
                    step[name] = _recolour(step[name], factors)


def _rotate(plane: Tensor, degrees: Tensor, *, exactly: bool = False) -> Tensor:
    from kornia.geometry.transform import get_rotation_matrix2d, warp_affine  # takes seconds to import

    height, width = plane.shape[-2:]
    center = torch.tensor([[(width - 1) / 2, (height - 1) / 2]]).expand(len(plane), 2)
    matrix = get_rotation_matrix2d(center, degrees, torch.ones(len(plane), 2)).to(plane.device)
    mode = "nearest" if exactly or not plane.is_floating_point() else "bilinear"
    turned = warp_affine(plane.float(), matrix, (height, width), mode=mode, padding_mode="reflection")
    return turned.to(plane.dtype)


def _recolour(image: Tensor, factors: Tensor) -> Tensor:
    from kornia.enhance import adjust_brightness_accumulative, adjust_contrast, adjust_saturation

    brightness, contrast, saturation = factors.to(image.device).unbind(1)
    changed = adjust_brightness_accumulative(image / 2 + 0.5, brightness)
    changed = adjust_contrast(changed, contrast)
    if image.shape[1] == 3:
        changed = adjust_saturation(changed, saturation)
    return changed * 2 - 1


def make_step(batch: Batch, device: torch.device, **about: float | int | bool) -> Step:
    """Return the step of a batch; ``about`` goes to Step (seed, index, progress, epoch, training)."""
    samples: Sequence[int] = [row.sample for row in batch.rows]
    positions = [row.position for row in batch.rows]
    planes = tensors(batch, device)
    return Step(planes, samples=samples, positions=positions, classes=batch.classes, **about)  # type: ignore[arg-type]
