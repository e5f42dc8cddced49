"""Sample grids: fixed held-out images, what becomes of them, and every mask that was used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.data.label_maps import colour_classes
from ganzoo.step import Step

GAP = 2


def columns(step: Step, domain: str) -> list[str]:
    """Return the tensors shown for a domain's images: real, masks, translated, the true one, reconstructed.

    The given mask is shown beside the one that a method has learnt to make.
    """
    other = {"A": "B", "B": "A"}[domain]
    masks, fakes = (
        sorted(name for name in step if "_mask_" in name and name.endswith(f"_{source}"))
        for source in (f"real_{domain}", f"fake_{other}")
    )
    learnt = [f"given_mask_{domain}", f"mask_{domain}"] if f"mask_{domain}" in step else []
    made = [f"fake_{other}", *fakes, f"true_{other}", f"rec_{domain}", f"idt_{domain}"]
    wanted = [f"real_{domain}", *learnt, *masks, *made]
    return [name for name in wanted if name in step]


def sides(step: Step) -> list[list[str]]:
    """Return the names of the columns, left to right: A's, then B's where there are images of B."""
    return [columns(step, domain) for domain in ("A", "B") if f"real_{domain}" in step]


def grid_layout(step: Step) -> dict[str, Any]:
    """Return where the grid of a step shows what, in pixels: ``{"columns": {name: [left, width, height]}, "tops": …}``.

    A column's images begin at its left, a sample's at its top, and are as large as the column says.
    """
    found: dict[str, list[int]] = {}
    left = 0
    for side in sides(step):
        for name in side:
            height, width = step[name].shape[-2:]
            found[name] = [left, width, height]
            left += width + GAP
        left += 3 * GAP
    below = max(height for _, _, height in found.values()) + GAP
    return {"columns": found, "tops": [below * i for i in range(len(step["real_A"]))]}


def draw_grid(step: Step) -> Tensor:
    """Return one image (3, H, W) in [−1, 1]: a row a sample, A's columns at the left, B's at the right."""
    shown = [[as_image(step[name], name, name[-1] in step.classes) for name in side] for side in sides(step)]
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


def as_image(tensor: Tensor, name: str, classes: bool = False) -> Tensor:
    """Return (B, 3, H, W) in [−1, 1] on the CPU: masks as grey, label maps in the colours of their classes.

    One channel is repeated; of several the first three are shown.
    """
    tensor = tensor.detach().float().cpu()
    if classes and "mask" not in name:
        return colour_classes(tensor)
    if "mask" in name:
        tensor = tensor * 2 - 1
    if tensor.shape[1] < 3:
        tensor = tensor[:, :1].expand(-1, 3, -1, -1)
    return tensor[:, :3].clamp(-1, 1)


def _pad(image: Tensor, height: int) -> Tensor:
    missing = height - image.shape[1]
    return torch.cat([image, torch.ones(3, missing, image.shape[2])], dim=1) if missing else image
