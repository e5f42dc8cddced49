"""Draw sample grids, images of a step beside their translations and masks, for a run's ``samples/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.data.label_maps import colour_classes, colour_labels
from ganzoo.data.types import OTHER
from ganzoo.interfaces import Output
from ganzoo.masks.roles import ROLES, is_label_map, mask_name
from ganzoo.step import Step

GAP = 2
"""The distance between two images of a grid, in pixels."""
REAL = tuple(f"real_{domain}" for domain in OTHER)


def join_steps(steps: Sequence[Step]) -> Step:
    """Return one step with the images of several, which differ in size: padded with white, in the order of the samples.

    A single step is returned as it is.
    """
    if len(steps) == 1:
        return steps[0]
    samples = [sample for step in steps for sample in step.samples]
    order = torch.tensor(sorted(range(len(samples)), key=samples.__getitem__))
    joined: dict[str, Tensor] = {}
    for name in [name for name, tensor in steps[0].items() if tensor.ndim == 4]:
        height, width = (max(step[name].shape[axis] for step in steps) for axis in (2, 3))
        padded = [
            F.pad(step[name].cpu(), (0, width - step[name].shape[3], 0, height - step[name].shape[2]), value=1)
            for step in steps
        ]
        joined[name] = torch.cat(padded)[order]
    return Step(joined, samples=sorted(samples), training=False, classes=steps[0].classes)


def columns(step: Step, domain: str, outputs: Mapping[str, Output]) -> list[str]:
    """Return the names of the tensors that a grid shows for a domain, in order; only those that the step has.

    They are: the real images and their masks, each translation with its masks, the true translations, and the method's
    other tensors of this domain that are ``in_grid``. Beside masks that the method generates, there is also that of the
    data set.

    Args:
        step: the step with the tensors to show.
        domain: the domain of the source images.
        outputs: the method's tensors by name.
    """
    shown = {name: output for name, output in outputs.items() if output.source == domain and output.in_grid}
    shown = {name: output for name, output in shown.items() if name in step}
    masks = [name for name, output in shown.items() if not output.shows]
    translations = [name for name, output in shown.items() if output.is_translation]
    others = [name for name in shown if name not in masks and name not in translations]
    real = f"real_{domain}"
    names = [real, *([f"given_mask_{domain}", *masks] if masks else []), *_masks_of(real)]
    for name in translations:
        names += [name, *_masks_of(name)]
    names += [f"true_{OTHER[domain]}", *others]
    return [name for name in names if name in step]


def _masks_of(image: str) -> list[str]:
    return [mask_name(role, image) for role in sorted(ROLES)]


def sides(step: Step, outputs: Mapping[str, Output]) -> list[list[str]]:
    """Return the names of a grid's columns: a list for each domain with images in the step, A before B."""
    return [columns(step, domain, outputs) for domain in OTHER if f"real_{domain}" in step]


def grid_layout(step: Step, outputs: Mapping[str, Output]) -> dict[str, Any]:
    """Return the positions of a grid's images, in pixels, and the names of its translations with their source images.

    The result is ``{"columns": {name: [left, width, height]}, "tops": […], "translations": {"fake_B": "real_A"}}``:
    for each column the left edge and the size of its images, and for each sample the top edge of its row.
    """
    positions: dict[str, list[int]] = {}
    left = 0
    for side in sides(step, outputs):
        for name in side:
            height, width = step[name].shape[-2:]
            positions[name] = [left, width, height]
            left += width + GAP
        left += 3 * GAP
    below = max(height for _, _, height in positions.values()) + GAP
    translations = {name: f"real_{outputs[name].source}" for name in positions if _translates(outputs.get(name))}
    return {
        "columns": positions,
        "tops": [below * i for i in range(len(step["real_A"]))],
        "translations": translations,
    }


def _translates(output: Output | None) -> bool:
    return output is not None and output.is_translation


def draw_grid(step: Step, outputs: Mapping[str, Output]) -> Tensor:
    """Return a step's grid, (3, H, W) in [−1, 1]: one row per sample, the columns of A at the left, then those of B."""
    domains = {name: output.shows for name, output in outputs.items()}
    domains |= {f"{kind}_{domain}": domain for kind in ("real", "true") for domain in OTHER}
    shown = [
        [as_image(step[name], domains.get(name, ""), step.classes) for name in side] for side in sides(step, outputs)
    ]
    height = max(image.shape[-2] for side in shown for image in side)
    rows = []
    for i in range(len(step["real_A"])):
        cells: list[Tensor] = []
        for side in shown:
            for image in side:
                cells += [_pad(image[i], height), torch.ones(3, height, GAP)]
            cells.append(torch.ones(3, height, 3 * GAP))
        rows += [torch.cat(cells[:-2], dim=2)]
        rows.append(torch.ones(3, GAP, rows[-1].shape[2]))
    return torch.cat(rows[:-1], dim=1)


def as_image(tensor: Tensor, domain: str, classes: Mapping[str, int] | None = None) -> Tensor:
    """Return a tensor as images to look at, (B, 3, H, W) in [−1, 1] on the CPU.

    Label maps have the colours of their classes. With one or two channels the first is shown in grey; of more than
    three channels the first three are shown.

    Args:
        tensor: the images in [−1, 1] or masks in [0, 1], (B, C, H, W); or a mask of class numbers, (B, 1, H, W) int64.
        domain: the domain whose images the tensor shows; empty for a mask.
        classes: domain → number of classes, for domains whose images are one-hot label maps.
    """
    if is_label_map(tensor):
        return colour_labels(tensor[:, 0].cpu())
    tensor = tensor.detach().float().cpu()
    if domain in (classes or {}):
        return colour_classes(tensor)
    if not domain:
        tensor = tensor * 2 - 1
    if tensor.shape[1] < 3:
        tensor = tensor[:, :1].expand(-1, 3, -1, -1)
    return tensor[:, :3].clamp(-1, 1)


def _pad(image: Tensor, height: int) -> Tensor:
    missing = height - image.shape[1]
    return torch.cat([image, torch.ones(3, missing, image.shape[2])], dim=1) if missing else image
